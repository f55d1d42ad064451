/* test_samplers_oracle.c -- samplers against a full sort in double on random rows, draws against the exact distribution
 * by chi-square with planted defects, and what must not change a draw. */
#include "tests/test.h"
#include "tests/oracle.h"
#include "sampling/samplers/sampler.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V_MOST = 152064 };

/* === The oracle: a row sorted, samplers as their definitions read */

typedef struct sorted {
    double l; /* logit as the chain has it */
    int32_t id;
} sorted;

static int compare(const void *a, const void *b) {
    const sorted *x = a, *y = b;
    if (x->l != y->l) return x->l > y->l ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

typedef struct oracle {
    sorted *s;
    int32_t n;     /* survivors: s[0 .. n) */
    double t;
    double margin; /* smallest distance to a decision's edge, relative to its mass or in nats */
} oracle;

static void apply_top_p(oracle *o, double p) {
    double sum = 0, before = 0;
    for (int32_t i = 0; i < o->n; i++) sum += exp((o->s[i].l - o->s[0].l) / o->t);
    for (int32_t i = 0; i < o->n; i++) {
        double m = fabs(before - p);
        if (i > 0 && m < o->margin) o->margin = m;
        if (i > 0 && !(before < p)) {
            o->n = i;
            return;
        }
        before += exp((o->s[i].l - o->s[0].l) / o->t) / sum;
    }
}

static void apply_min_p(oracle *o, double m) {
    int32_t i = 1;
    for (; i < o->n; i++) {
        double x = (o->s[i].l - o->s[0].l) / o->t - log(m);
        if (fabs(x) < o->margin) o->margin = fabs(x);
        if (!(x >= 0)) break;
    }
    o->n = i;
}

/* === What the chain kept: a sampler at its end that looks */

typedef struct spy {
    sampler base;
    uint8_t *kept; /* (V) */
    int32_t n;
} spy;
static glimpse_status spy_apply(sampler *s, candidates *c) {
    spy *y = (spy *)s;
    memset(y->kept, 0, (size_t)c->vocab);
    y->n = 0;
    for (int32_t i = 0; i < c->n; i++) {
        if (!(c->l[i] > -INFINITY)) continue;
        y->kept[c->id ? c->id[i] : i]++;
        y->n++;
    }
    return GLIMPSE_OK;
}
static glimpse_status spy_clone(const sampler *s, sampler **out) {
    (void)s, (void)out;
    return GLIMPSE_E_UNSUPPORTED;
}
static void spy_free(sampler *s) { (void)s; }
static const sampler_ops spy_ops = {"spy", NULL, spy_apply, NULL, spy_clone, spy_free, NULL};

enum { TOP_K = 1, TOP_P = 2, MIN_P = 4, PENALTY = 8, WARM = 16 };

static void against_oracle(int what, uint64_t rng, int rows) {
    float *l = malloc(V_MOST * sizeof *l);
    uint8_t *kept = malloc(V_MOST);
    oracle o = {.s = malloc(V_MOST * sizeof *o.s)};
    int skipped = 0, cut = 0;
    REQUIRE(l && kept && o.s);
    for (int r = 0; r < rows; r++) {
        int32_t n = oracle_row(l, V_MOST, &rng, r % 8);
        sampler_settings s = SAMPLER_SETTINGS_INIT;
        if (what & WARM) s.temperature = exp(oracle_uniform(&rng) * 3 - 1.5);
        if (what & TOP_K) s.top_k = 1 + (int32_t)exp(oracle_uniform(&rng) * log(n));
        if (what & TOP_P) s.top_p = r % 3 ? oracle_uniform(&rng) : 1 - pow(oracle_uniform(&rng), 4) / 2;
        if (what & MIN_P) s.min_p = pow(oracle_uniform(&rng), 4);
        if (what & PENALTY) s.repetition_penalty = 0.5 + oracle_uniform(&rng) * 2;
        chain *c = NULL;
        REQUIRE_OK(chain_open(&s, n, &c));
        spy y = {{&spy_ops}, kept, 0};
        REQUIRE_OK(chain_append(c, &y.base));
        o.n = 0;
        o.t = s.temperature;
        o.margin = INFINITY;
        for (int32_t i = 0; i < n; i++) o.s[i] = (sorted){l[i], i};
        if (what & PENALTY)
            for (int k = 0; k < 20; k++) {
                int32_t id = (int32_t)(oracle_random(&rng) % (uint64_t)n);
                chain_accept(c, id);
                double x = l[id], p = s.repetition_penalty;
                o.s[id].l = (float)(x > 0 ? x / p : x * p); /* the same however often it was seen */
            }
        qsort(o.s, (size_t)n, sizeof *o.s, compare);
        while (o.n < n && o.s[o.n].l > -INFINITY) o.n++;
        if (what & TOP_K && o.n > s.top_k) o.n = s.top_k;
        if (what & TOP_P && s.top_p < 1) apply_top_p(&o, s.top_p);
        if (what & MIN_P && s.min_p > 0) apply_min_p(&o, s.min_p);
        glimpse_token t;
        REQUIRE_OK(chain_score(c, l, 0, 0, &t, NULL));
        int32_t same = 0;
        for (int32_t i = 0; i < o.n; i++) same += kept[o.s[i].id] == 1;
        bool equal = y.n == o.n && same == o.n;
        cut += o.n < n;
        if (!equal && o.margin < 1e-5) skipped++;
        else if (!EXPECT(equal))
            printf("row %d, V %d, %s: kept %d, oracle %d, common %d, margin %g\n", r, n, chain_string(c), y.n, o.n, same,
                   o.margin);
        EXPECT_EQ(t.kept, y.n);
        chain_close(c);
    }
    EXPECT_LE(skipped, rows / 20);
    EXPECT_LE(what == PENALTY ? 0 : rows / 3, cut);
    printf("%d rows, %d on an edge\n", rows, skipped);
    free(l);
    free(kept);
    free(o.s);
}

static int row_count(void) { return test_is_full() ? 10000 : test_is_slow_build() ? 100 : 1000; }

TEST_LIMIT(samplers_oracle_top_k, 240) { against_oracle(TOP_K, 1, row_count()); }
TEST_LIMIT(samplers_oracle_top_p, 240) { against_oracle(TOP_P | WARM, 2, row_count()); }
TEST_LIMIT(samplers_oracle_min_p, 240) { against_oracle(MIN_P | WARM, 3, row_count()); }
TEST_LIMIT(samplers_oracle_penalty, 240) { against_oracle(PENALTY, 4, row_count() / 2); }
TEST_LIMIT(samplers_oracle_all, 240) { against_oracle(TOP_K | TOP_P | MIN_P | PENALTY | WARM, 5, row_count()); }

/* === Records */

static bool near5(double a, double b) { return fabs(a - b) <= 6e-5 * fabs(b) + 1e-30; } /* 5 digits: half a unit is 5e-5 */

TEST_LIMIT(samplers_record_fields, 120) {
    float *l = malloc(V_MOST * sizeof *l);
    oracle o = {.s = malloc(V_MOST * sizeof *o.s)};
    double *p = malloc(V_MOST * sizeof *p), *warm = malloc(V_MOST * sizeof *warm);
    glimpse_candidate *top = malloc(V_MOST * sizeof *top);
    uint64_t rng = 11;
    REQUIRE(l && o.s && p && warm && top);
    for (int r = 0; r < row_count() / 5; r++) {
        int32_t n = oracle_row(l, V_MOST, &rng, r % 8), n_top = r % 5 == 0 ? n : r % 5 == 1 ? 0 : 1 + r % 60;
        double t = r % 3 ? exp(oracle_uniform(&rng) * 2 - 1) : 1;
        sampler_settings s = SAMPLER_SETTINGS_INIT;
        s.temperature = t;
        if (r % 2) s.top_k = 1 + (int32_t)(oracle_random(&rng) % 300);
        chain *c = NULL;
        REQUIRE_OK(chain_open(&s, n, &c));
        glimpse_token k;
        draw_key key = {oracle_random(&rng), 0};
        if (r % 4 == 3) REQUIRE_OK(chain_score(c, l, (int32_t)(oracle_random(&rng) % (uint64_t)n), n_top, &k, top));
        else REQUIRE_OK(chain_draw(c, l, &key, (uint32_t)r, n_top, &k, top));
        double logz = oracle_softmax(l, n, 1, p), h = oracle_entropy(p, n), left = 0, sum = 0;
        oracle_softmax(l, n, t, warm);
        for (int32_t i = 0; i < n; i++) o.s[i] = (sorted){l[i], i};
        qsort(o.s, (size_t)n, sizeof *o.s, compare);
        int32_t rank = 0, finite = 0;
        while (finite < n && o.s[finite].l > -INFINITY) finite++;
        while (o.s[rank].id != k.id) left += p[o.s[rank++].id];
        int32_t kept = s.top_k && s.top_k < finite ? s.top_k : finite;
        for (int32_t i = 0; i < kept; i++) sum += warm[o.s[i].id];
        EXPECT_EQ(k.rank, rank + 1);
        EXPECT_EQ(k.kept, kept);
        EXPECT_EQ(k.n_top, n_top < finite ? n_top : finite);
        EXPECT(k.dot == 0 && k.size == sizeof k);
        if (l[k.id] > -INFINITY) {
            EXPECT(near5(k.logit, l[k.id]) || fabsf(l[k.id]) < FLT_MIN);
            EXPECT_NEAR(k.logprob, l[k.id] - logz, 6e-5 * fabs(l[k.id] - logz) + 1e-6);
        }
        EXPECT(near5(k.p_temp, warm[k.id] < FLT_MIN ? 0 : warm[k.id]));
        EXPECT(near5(k.p_final, rank < kept ? warm[k.id] / sum : 0) || warm[k.id] / sum < 1.2e-38);
        EXPECT_NEAR(k.left, left, 6e-5 * left + 1e-6);
        EXPECT_NEAR(k.entropy, h, 6e-5 * h + 2e-6);
        row_stats st = row_stats_of(l, n);
        EXPECT(st.finite && st.max == (float)o.s[0].l);
        EXPECT_NEAR(st.logz, logz, 1e-6);
        EXPECT_NEAR(st.entropy, h, 2e-6 * (1 + h));
        for (int32_t i = 0; i < k.n_top; i++) {
            int32_t id = o.s[i].id;
            double want = i < kept ? warm[id] / sum : 0;
            if (top[i].id != id || !(near5(top[i].p, p[id]) || p[id] < 1.2e-38) ||
                !(near5(top[i].p_final, want) || want < 1.2e-38)) {
                EXPECT(!"the top list differs");
                printf("row %d, place %d: id %d (%d), p %g (%g), p_final %g (%g)\n", r, i, top[i].id, id, top[i].p, p[id],
                       top[i].p_final, want);
                break;
            }
        }
        chain_close(c);
    }
    free(l);
    free(o.s);
    free(p);
    free(warm);
    free(top);
}

/* === Distributions */

enum { CHI_V = 12, CHI_DRAWS = 100000 };
static const float CHI_L[CHI_V] = {1.5f, 0.25f, -0.5f, 2.0f, -INFINITY, 0.75f, -1.5f, 1.0f, 0.0f, -2.5f, 1.25f, -4.0f};

static void count_draws(const char *order, int64_t count[CHI_V]) {
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    chain *c = NULL;
    s.order = order;
    memset(count, 0, CHI_V * sizeof *count);
    REQUIRE_OK(chain_open(&s, CHI_V, &c));
    draw_key key = {draw_key_make(1337, order, strlen(order), 0), 0};
    for (uint32_t i = 0; i < CHI_DRAWS; i++) {
        glimpse_token t;
        REQUIRE_OK(chain_draw(c, CHI_L, &key, i, 0, &t, NULL));
        count[t.id]++;
    }
    chain_close(c);
}

/* Softmax at t over the first `kept` of the sorted row. */
static void expected(double t, int kept, double p[CHI_V]) {
    sorted s[CHI_V];
    double sum = 0;
    for (int i = 0; i < CHI_V; i++) s[i] = (sorted){CHI_L[i], i}, p[i] = 0;
    qsort(s, CHI_V, sizeof *s, compare);
    for (int i = 0; i < kept; i++) sum += exp(s[i].l / t);
    for (int i = 0; i < kept; i++) p[s[i].id] = exp(s[i].l / t) / sum;
}

/* How many top_p keeps at temperature t; `defect` 1 leaves the crossing token out. */
static int crossing(double t, double p, int defect) {
    double q[CHI_V], sum = 0;
    expected(t, CHI_V - 1, q);
    sorted s[CHI_V];
    for (int i = 0; i < CHI_V; i++) s[i] = (sorted){CHI_L[i], i};
    qsort(s, CHI_V, sizeof *s, compare);
    int n = 0;
    while (n < CHI_V - 1 && sum < p) sum += q[s[n++].id];
    return n - defect;
}

TEST(samplers_draw_is_distributed_as_said) {
    int64_t count[CHI_V];
    double p[CHI_V];
    count_draws("temperature=1", count);
    expected(1, CHI_V - 1, p);
    EXPECT_LT(1e-4, oracle_fit_p(count, p, CHI_V));
    expected(0.9, CHI_V - 1, p); /* planted: temperature 0.9 for 1 */
    EXPECT_LT(oracle_fit_p(count, p, CHI_V), 1e-9);
    expected(1, CHI_V - 2, p); /* planted: the least likely token lost */
    EXPECT_LT(oracle_fit_p(count, p, CHI_V), 1e-9);

    count_draws("temperature=0.8;top_k=5", count);
    expected(0.8, 5, p);
    EXPECT_LT(1e-4, oracle_fit_p(count, p, CHI_V));
    expected(0.8, 6, p); /* planted: one too many, one too few */
    EXPECT_LT(oracle_fit_p(count, p, CHI_V), 1e-9);
    expected(0.8, 4, p);
    EXPECT_LT(oracle_fit_p(count, p, CHI_V), 1e-9);
    expected(0.72, 5, p);
    EXPECT_LT(oracle_fit_p(count, p, CHI_V), 1e-9);

    count_draws("temperature=1.3;top_p=0.9", count);
    expected(1.3, crossing(1.3, 0.9, 0), p);
    EXPECT_LT(1e-4, oracle_fit_p(count, p, CHI_V));
    expected(1.3, crossing(1.3, 0.9, 1), p); /* planted: the crossing token dropped */
    EXPECT_LT(oracle_fit_p(count, p, CHI_V), 1e-9);
    expected(1.3, crossing(1.3, 0.9 * 0.9, 0), p); /* planted: top-p times 0.9 */
    EXPECT_LT(oracle_fit_p(count, p, CHI_V), 1e-9);

    count_draws("min_p=0.2", count);
    int kept = 0;
    for (int i = 0; i < CHI_V; i++) kept += CHI_L[i] - 2 >= log(0.2);
    expected(1, kept, p);
    EXPECT_LT(1e-4, oracle_fit_p(count, p, CHI_V));
}

/* === What must not change a draw */

TEST(samplers_draw_metamorphic) {
    enum { V = 3001, ROWS = 8 };
    static float l[ROWS][V], moved[V];
    static const char *const orders[] = {"temperature=1", "temperature=0.7;top_k=50", "temperature=1.5;top_p=0.9",
                                         "min_p=0.02;temperature=2", "temperature=1.1;top_k=2000;top_p=0.99"};
    uint64_t rng = 12;
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < V; i++) l[r][i] = (float)(round(oracle_normal(&rng) * 128) / 64);
    for (int k = 0; k < 5; k++) {
        chain *c[ROWS] = {0};
        sampler_settings s = SAMPLER_SETTINGS_INIT;
        int32_t alone[ROWS][40], differ = 0;
        s.order = orders[k];
        REQUIRE_OK(chain_open(&s, V, &c[0]));
        for (int r = 1; r < ROWS; r++) REQUIRE_OK(chain_clone(c[0], &c[r]));
        for (int r = 0; r < ROWS; r++) {
            draw_key key = {draw_key_make(7, "p", 1, (uint32_t)r), 0};
            for (uint32_t at = 0; at < 40; at++) {
                glimpse_token t, u;
                REQUIRE_OK(chain_draw(c[r], l[r], &key, at, 0, &t, NULL));
                alone[r][at] = t.id;
                differ += at > 0 && t.id != alone[r][at - 1];
                for (int i = 0; i < V; i++) moved[i] = l[r][i] + 32.0f; /* exact in float */
                REQUIRE_OK(chain_draw(c[r], moved, &key, at, 0, &u, NULL));
                EXPECT(u.id == t.id && u.kept == t.kept && u.p_final == t.p_final);
            }
        }
        EXPECT(differ > 200); /* the draws are draws */
        for (uint32_t at = 40; at-- > 0;) /* other rows between, other order, a record listed */
            for (int r = ROWS; r-- > 0;) {
                draw_key key = {draw_key_make(7, "p", 1, (uint32_t)r), 0};
                glimpse_candidate top[20];
                glimpse_token t;
                REQUIRE_OK(chain_draw(c[(r + 3) % ROWS], l[r], &key, at, (int32_t)(at % 20), &t, top));
                EXPECT_EQ(t.id, alone[r][at]);
            }
        for (int r = 0; r < ROWS; r++) chain_close(c[r]);
    }
}

/* The noise belongs to key, position and id: whatever the setting, the draw is the argmax of scaled logits plus it. */
TEST(samplers_same_noise_at_every_setting) {
    enum { V = 2500 };
    static float l[V];
    glimpse_candidate top[V];
    uint64_t rng = 13;
    for (int i = 0; i < V; i++) l[i] = (float)oracle_normal(&rng);
    for (int k = 0; k < 60; k++) {
        sampler_settings s = SAMPLER_SETTINGS_INIT;
        s.temperature = exp(oracle_uniform(&rng) * 2 - 1);
        s.top_k = k % 3 ? 1 + (int32_t)(oracle_random(&rng) % V) : 0;
        s.min_p = k % 4 ? 0 : 0.01;
        chain *c = NULL;
        REQUIRE_OK(chain_open(&s, V, &c));
        for (uint32_t at = 0; at < 10; at++) {
            draw_key key = {99, at % 2};
            glimpse_token t;
            REQUIRE_OK(chain_draw(c, l, &key, at, V, &t, top));
            double best = -INFINITY;
            int32_t id = -1;
            for (int i = 0; i < t.n_top; i++) {
                if (!(top[i].p_final > 0)) continue;
                double score = l[top[i].id] / s.temperature + gumbel(key, at, (uint32_t)top[i].id, PURPOSE_DRAW);
                if (score > best) best = score, id = top[i].id;
            }
            EXPECT_EQ(t.id, id);
        }
        chain_close(c);
    }
}
