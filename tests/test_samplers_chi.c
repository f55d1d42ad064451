/* test_samplers_chi.c -- every sampler of the table by its draws: counts against the distribution that its definition gives
 * in double on one row, by chi-square; and planted defects (the sampler off, temperature 0.9 for 1, the last one kept lost,
 * top_p at 0.9 of its p) that the same counts must refuse. */
#include "sampling/samplers/sampler.h"
#include "tests/oracle.h"
#include "tests/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { V = 12, EOS = 10 };
static const float ROW[V] = {1.5f, 0.25f, -0.5f, 2.0f, -INFINITY, 0.75f, -1.5f, 1.0f, 0.0f, -2.5f, 1.25f, -0.75f};
static const int32_t PAST[] = {3, 0, 7, 3}; /* what was said before the draw */
enum { N_PAST = 4 };

/* Row j of a made-up matrix of cosines. */
static double cosine(int i, int j) { return i == j ? 1 : ((i * 5 + j * 5) % 7) / 10.0 - 0.2; }
static void cosines(void *user, int32_t id, float *out) {
    (void)user;
    for (int j = 0; j < V; j++) out[j] = (float)cosine(id, j);
}

/* === The definitions: l (V) becomes what is drawn from; p, order: softmax of l and its ids by falling l */

typedef struct state {
    double l[V], p[V], h;
    int order[V], n; /* n above -inf */
} state;

static void measure(state *s) {
    double max = -INFINITY, sum = 0;
    s->n = 0;
    for (int i = 0; i < V; i++) max = s->l[i] > max ? s->l[i] : max;
    for (int i = 0; i < V; i++) sum += s->p[i] = exp(s->l[i] - max);
    s->h = 0;
    for (int i = 0; i < V; i++) {
        s->p[i] /= sum;
        if (s->p[i] > 0) s->h -= s->p[i] * log(s->p[i]);
        if (!(s->l[i] > -INFINITY)) continue;
        int k = s->n++;
        for (; k > 0 && s->l[s->order[k - 1]] < s->l[i]; k--) s->order[k] = s->order[k - 1];
        s->order[k] = i;
    }
}

static void keep_first(state *s, int n) {
    for (int k = n; k < s->n; k++) s->l[s->order[k]] = -INFINITY;
}
static void keep_if(state *s, const bool *in) {
    for (int i = 0; i < V; i++)
        if (!in[i]) s->l[i] = -INFINITY;
}
static void keep_above(state *s, double p) {
    bool in[V];
    for (int i = 0; i < V; i++) in[i] = s->p[i] >= p;
    keep_if(s, in);
}
static int nucleus(const state *s, double p) {
    double sum = 0;
    int n = 0;
    while (n < s->n && sum < p) sum += s->p[s->order[n++]];
    return n;
}

static void bias(state *s) { s->l[3] -= 1, s->l[8] += 2; }
static void allowed(state *s) {
    for (int i = 0; i < V; i++)
        if (i != 1 && i != 3 && i != 5 && i != 7) s->l[i] = -INFINITY;
}
static void banned(state *s) { s->l[3] = s->l[10] = -INFINITY; }
static void penalties(state *s) {
    static const int count[V] = {[3] = 2, [0] = 1, [7] = 1};
    for (int i = 0; i < V; i++) {
        if (!count[i]) continue;
        s->l[i] = s->l[i] > 0 ? s->l[i] / 1.3 : s->l[i] * 1.3;
        s->l[i] -= 0.4 * count[i] + 0.3;
    }
}
static void ngram(state *s) { s->l[0] = -INFINITY; }
static void dry(state *s) { s->l[0] -= 1.5; }
static void cosine_penalty(state *s) {
    for (int j = 0; j < V; j++) {
        double a = cosine(7, j), b = cosine(3, j);
        s->l[j] -= 2 * (a > b ? a : b);
    }
}
static void length_decay(state *s) { s->l[EOS] += fabs(s->l[EOS]) * (pow(1.2, 3) - 1); } /* 4 said, start 1 */
static void min_length(state *s) { s->l[EOS] = -INFINITY; }
static void forced_tokens(state *s) {
    for (int i = 0; i < V; i++)
        if (i != 6) s->l[i] = -INFINITY;
}
static void forced_eos(state *s) {
    for (int i = 0; i < V; i++)
        if (i != EOS) s->l[i] = -INFINITY;
}
static void smoothing(state *s) {
    for (int i = 0; i < V; i++) {
        double d = s->l[i] - 2, k = 0.5 * (3 - 1.5) / 2, q = 0.5 * (1.5 - 1) / 2;
        if (s->l[i] > -INFINITY) s->l[i] = 2 - k * d * d + q * d * d * d;
    }
}
static void temperature(state *s) {
    for (int i = 0; i < V; i++) s->l[i] /= 0.6;
}
static void dynamic(state *s) {
    double t = 0.5 + 1.0 * pow(s->h / log(11), 2);
    for (int i = 0; i < V; i++) s->l[i] /= t;
}
static void n_sigma(state *s) {
    double mean = 0, square = 0;
    bool in[V];
    for (int k = 0; k < s->n; k++) mean += s->l[s->order[k]] / s->n;
    for (int k = 0; k < s->n; k++) square += pow(s->l[s->order[k]] - mean, 2) / s->n;
    for (int i = 0; i < V; i++) in[i] = s->l[i] >= 2 - 1.3 * sqrt(square);
    keep_if(s, in);
}
static void top_k(state *s) { keep_first(s, 5); }
static void tail_free(state *s) {
    double d[V], sum = 0, cum = 0;
    int n = s->n - 2, k = 0;
    for (int i = 0; i < n; i++) {
        double a = s->p[s->order[i]], b = s->p[s->order[i + 1]], c = s->p[s->order[i + 2]];
        sum += d[i] = fabs((a - b) - (b - c));
    }
    for (; k < n && !(k >= 1 && cum + d[k] / sum > 0.8); k++) cum += d[k] / sum;
    keep_first(s, k);
}
static void top_a(state *s) { keep_above(s, 0.4 * pow(s->p[s->order[0]], 2)); }
static void typical(state *s) {
    bool in[V] = {false};
    for (double sum = 0; sum < 0.6;) {
        int best = -1;
        for (int i = 0; i < V; i++)
            if (!in[i] && s->p[i] > 0 && (best < 0 || fabs(-log(s->p[i]) - s->h) < fabs(-log(s->p[best]) - s->h))) best = i;
        in[best] = true;
        sum += s->p[best];
    }
    keep_if(s, in);
}
static void top_h(state *s) {
    double sum = 0;
    int n = 0;
    for (; n < s->n; n++) {
        double p = s->p[s->order[n]];
        sum += -p * log(p);
        if (n && sum > 0.6 * s->h) break;
    }
    keep_first(s, n);
}
static void top_p(state *s) { keep_first(s, nucleus(s, 0.8)); }
static void min_p(state *s) { keep_above(s, 0.2 * s->p[s->order[0]]); }
static void epsilon(state *s) { keep_above(s, 0.07); }
static void eta(state *s) { keep_above(s, fmin(0.4, sqrt(0.4) * exp(-s->h))); }
static void skew(state *s) {
    double sum = 0, before = 0;
    for (int i = 0; i < V; i++) {
        sum += s->p[i];
        double now = pow(sum, exp(0.6));
        s->l[i] = log(now - before);
        before = now;
    }
}
static void xtc_cut(state *s) {
    int n = 0;
    while (n < s->n && s->p[s->order[n]] >= 0.12) n++;
    for (int k = 0; k + 1 < n; k++) s->l[s->order[k]] = -INFINITY;
}
static void mirostat1(state *s) { /* the exponent of the first 100 ranks, then how many carry that surprise */
    double tb = 0, tt = 0;
    for (int i = 0; i + 1 < s->n; i++) {
        double t = log((i + 2.0) / (i + 1)), b = log(s->p[s->order[i]] / s->p[s->order[i + 1]]);
        tb += t * b, tt += t * t;
    }
    double z = tb / tt, e = z - 1, k = pow(e * pow(2, 2 * 1.1) / (1 - pow(V, -e)), 1 / z);
    keep_first(s, k < 1 ? 1 : (int)k < s->n ? (int)k : s->n);
}
static void mirostat2(state *s) { keep_above(s, pow(2, -2 * 1.4)); }
static void adaptive(state *s) {
    for (int i = 0; i < V; i++) {
        double d = fabs(s->p[i] - 0.15) / 0.3;
        if (s->p[i] > 0) s->l[i] = 5 - 10 * d * d / (1 + d);
    }
}

static const struct {
    const char *order;
    void (*define)(state *s);
    double mixed; /* the share of draws that it acts on; 0 = all */
    bool generates; /* PAST was said, not given */
    int max_tokens;
} samplers[] = {{"logit_bias=3:-1,8:2", bias, 0, false, 0},
                {"allowed_tokens=1,3,5,7", allowed, 0, false, 0},
                {"banned_tokens=3,10", banned, 0, false, 0},
                {"penalties=1.3,0.4,0.3", penalties, 0, true, 0},
                {"no_repeat_ngram=2", ngram, 0, false, 0},
                {"dry=1.5,1.75,1", dry, 0, false, 0},
                {"cosine_penalty=2,2", cosine_penalty, 0, false, 0},
                {"length_decay=1.2,1", length_decay, 0, true, 0},
                {"min_length=5", min_length, 0, true, 0},
                {"forced_tokens=1,1,1,1,6", forced_tokens, 0, true, 0},
                {"forced_eos=true", forced_eos, 0, true, 5},
                {"smoothing=0.5,1.5", smoothing, 0, false, 0},
                {"temperature=0.6", temperature, 0, false, 0},
                {"temperature=1,0.5,2", dynamic, 0, false, 0},
                {"top_n_sigma=1.3", n_sigma, 0, false, 0},
                {"top_k=5", top_k, 0, false, 0},
                {"tail_free=0.8", tail_free, 0, false, 0},
                {"top_a=0.4", top_a, 0, false, 0},
                {"typical_p=0.6", typical, 0, false, 0},
                {"top_h=0.6", top_h, 0, false, 0},
                {"top_p=0.8", top_p, 0, false, 0},
                {"min_p=0.2", min_p, 0, false, 0},
                {"epsilon_cutoff=0.07", epsilon, 0, false, 0},
                {"eta_cutoff=0.4", eta, 0, false, 0},
                {"skew=0.6", skew, 0, false, 0},
                {"xtc=0.3,0.12", xtc_cut, 0.3, false, 0},
                {"mirostat=1,1.1", mirostat1, 0, false, 0},
                {"mirostat=2,1.4", mirostat2, 0, false, 0},
                {"adaptive_p=0.15", adaptive, 0, false, 0}};
enum { N = sizeof samplers / sizeof *samplers };

static void distribution(int k, double *p) {
    state s, plain;
    for (int i = 0; i < V; i++) s.l[i] = (double)ROW[i];
    measure(&s);
    plain = s;
    if (k >= 0) samplers[k].define(&s);
    measure(&s);
    double share = k >= 0 && samplers[k].mixed > 0 ? samplers[k].mixed : 1;
    for (int i = 0; i < V; i++) p[i] = share * s.p[i] + (1 - share) * plain.p[i];
}

static int draws(void) { return test_is_full() ? 1000000 : test_is_slow_build() ? 20000 : 100000; }

static bool count_draws(int k, int64_t *count) {
    sampler_settings set = SAMPLER_SETTINGS_INIT;
    sampler_context x = SAMPLER_CONTEXT_INIT;
    chain *c = NULL;
    set.order = samplers[k].order;
    x.eos = EOS;
    x.cosines = cosines;
    x.max_tokens = samplers[k].max_tokens;
    memset(count, 0, V * sizeof *count);
    if (!EXPECT_OK(chain_open_in(&set, &x, V, &c))) return false;
    for (int i = 0; i < N_PAST; i++) {
        if (samplers[k].generates) chain_accept(c, PAST[i]);
        else chain_accept_prompt(c, PAST[i]);
    }
    draw_key key = {draw_key_make(1337, set.order, strlen(set.order), 0), 0};
    for (int i = 0; i < draws(); i++) {
        glimpse_token t;
        if (!EXPECT_OK(chain_draw(c, ROW, &key, (uint32_t)i, 0, &t, NULL))) break;
        count[t.id]++;
    }
    chain_close(c);
    return true;
}

TEST_LIMIT(samplers_chi_square_of_every_one, 300) {
    bool seen[64] = {false};
    for (int k = 0; k < N; k++) {
        int64_t count[V];
        double p[V], plain[V], warm[V], sum = 0;
        int last = -1, alive = 0;
        REQUIRE(count_draws(k, count));
        distribution(k, p);
        distribution(-1, plain);
        double fit = oracle_fit_p(count, p, V);
        if (!EXPECT(fit > 1e-4)) {
            printf("%s: p-value %g\n", samplers[k].order, fit);
            for (int i = 0; i < V; i++) printf("  id %d: %lld, expected %.1f\n", i, (long long)count[i], p[i] * draws());
        }
        EXPECT(oracle_fit_p(count, plain, V) < 1e-9); /* planted: it does nothing */
        for (int i = 0; i < V; i++) {
            alive += p[i] > 0;
            sum += warm[i] = pow(p[i], 1 / 0.9);
            if (p[i] > 0 && (last < 0 || p[i] <= p[last])) last = i;
        }
        for (int i = 0; i < V; i++) warm[i] /= sum;
        if (alive < 2) continue;
        EXPECT(oracle_fit_p(count, warm, V) < (test_is_slow_build() ? 1e-2 : 1e-6)); /* planted: temperature 0.9 for 1 */
        for (int i = 0; i < V; i++) warm[i] = i == last ? 0 : p[i] / (1 - p[last]);
        if (p[last] * draws() > 50) EXPECT(oracle_fit_p(count, warm, V) < 1e-9); /* planted: the last one kept is lost (an edge one off) */
        if (!strncmp(samplers[k].order, "top_p", 5)) {
            state s;
            for (int i = 0; i < V; i++) s.l[i] = (double)ROW[i];
            measure(&s);
            keep_first(&s, nucleus(&s, 0.8 * 0.9)); /* planted: top_p at 0.9 of its p */
            measure(&s);
            EXPECT(oracle_fit_p(count, s.p, V) < 1e-9);
        }
    }
    for (int i = 0; i < sampler_kind_count; i++) { /* a sampler that joins the table joins this test */
        const char *name = sampler_kinds[i]->ops.name;
        for (int k = 0; k < N && !seen[i]; k++) seen[i] = !strncmp(samplers[k].order, name, strlen(name));
        if (!EXPECT(seen[i])) printf("%s has no row here\n", name);
    }
}
