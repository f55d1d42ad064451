/* test_samplers_filters.c -- every filter against its definition in double over random sorted rows; the chain strings,
 * presets, coins and states of the samplers that test_samplers_vectors.c checks by values. */
#include "tests/test.h"
#include "tests/oracle.h"
#include "sampling/samplers/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V_MOST = 152064 };

/* === The oracle: a sorted row of x = (l - max) / t and p = softmax, and which of them a definition keeps */

typedef struct item {
    float l;
    int32_t id;
    double x, p, key;
} item;
typedef struct row {
    item *s;
    int32_t n;          /* above -inf */
    double t, entropy;
    double margin;      /* to the nearest edge of a decision */
} row;

static int falling(const void *a, const void *b) {
    const item *x = a, *y = b;
    if (x->l != y->l) return x->l < y->l ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}
static int by_key(const void *a, const void *b) {
    const item *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static void near(row *r, double distance) {
    if (fabs(distance) < r->margin) r->margin = fabs(distance);
}

/* Each returns how many it keeps: of s by falling logit, for typical_p of s as it sorts it. */
static int32_t keep_probable(row *r, double p) {
    int32_t n = 0;
    while (n < r->n && r->s[n].p >= p) n++;
    for (int32_t i = n - 1; i <= n; i++)
        if (i > 0 && i < r->n) near(r, log(r->s[i].p / p));
    return n > 0 ? n : 1;
}
static int32_t top_a(row *r, double a) { return keep_probable(r, a * r->s[0].p * r->s[0].p); }
static int32_t eta(row *r, double e) { return keep_probable(r, fmin(e, sqrt(e) * exp(-r->entropy))); }
static int32_t mirostat(row *r, double mu) { return keep_probable(r, exp2(-mu)); }
static int32_t n_sigma(row *r, double k) {
    double mean = 0, var = 0;
    for (int32_t i = 0; i < r->n; i++) mean += (double)r->s[i].l - r->s[0].l;
    mean /= r->n;
    for (int32_t i = 0; i < r->n; i++) var += pow((double)r->s[i].l - r->s[0].l - mean, 2) / r->n;
    int32_t n = 0;
    for (; n < r->n; n++) {
        double over = (double)r->s[n].l - r->s[0].l + k * sqrt(var);
        if (n > 0 && var > 0) near(r, over / sqrt(var));
        if (!(over >= 0)) break;
    }
    return n > 0 ? n : 1;
}
static int32_t tail_free(row *r, double z) {
    double sum = 0, cum = 0;
    if (r->n < 3) return r->n;
    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < r->n - 2; i++) {
            double bend = fabs(r->s[i].p - 2 * r->s[i + 1].p + r->s[i + 2].p);
            if (pass == 0) sum += bend;
            else if (pass == 1) {
                near(r, log(sum / 1e-6));
                cum += sum <= 1e-6 ? 1.0 / (r->n - 2) : bend / sum;
                near(r, cum - z);
                if (cum > z && i >= 1) return i;
            }
        }
    return r->n;
}
static int32_t top_h(row *r, double h) {
    int32_t n = 0, kept = 1;
    double sum = 0, whole = 0, cum = 0;
    while (n < r->n && n < 100 && r->s[n].x > -44 * log(2)) n++; /* the rest counts as nothing */
    if (n < r->n && n < 100) near(r, r->s[n].x + 44 * log(2));
    for (int32_t i = 0; i < n; i++) sum += r->s[i].p;
    for (int32_t i = 0; i < n; i++) whole -= r->s[i].p > 0 ? r->s[i].p / sum * log(r->s[i].p / sum) : 0;
    for (int32_t i = 0; i < n; i++) {
        cum -= r->s[i].p > 0 ? r->s[i].p / sum * log(r->s[i].p / sum) : 0;
        near(r, (cum - h * whole) / (whole > 0 ? whole : 1));
        if (!(cum <= h * whole)) break;
        kept = i + 1;
    }
    return kept;
}
static int32_t typical(row *r, double p) {
    double before = 0;
    int32_t n = 0;
    for (int32_t i = 0; i < r->n; i++) r->s[i].key = fabs(-log(r->s[i].p) - r->entropy);
    qsort(r->s, (size_t)r->n, sizeof *r->s, by_key);
    for (; n < r->n; before += r->s[n++].p) {
        if (n > 0) near(r, before - p);
        if (n > 0 && !(before < p)) break;
    }
    /* what is deviates alike to seven digits may stand in another order */
    if (n < r->n && n > 0 && r->s[n].l != r->s[n - 1].l) near(r, (r->s[n].key - r->s[n - 1].key) / (1 + r->s[n].key) * 10);
    return n;
}

/* === What the chain kept */

typedef struct spy {
    sampler base;
    uint8_t *kept;
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
        EXPECT(!c->id || i == 0 || c->id[i] > c->id[i - 1]); /* by rising id */
    }
    return GLIMPSE_OK;
}
static void spy_free(sampler *s) { (void)s; }
static const sampler_ops spy_ops = {"spy", NULL, spy_apply, NULL, NULL, spy_free, NULL};

typedef struct filter {
    const char *name;
    int32_t (*keep)(row *r, double v);
    double least, most;
    bool log_scale;
} filter;
static const filter FILTERS[] = {
    {"top_a=%.17g", top_a, 1e-4, 1, true},           {"epsilon_cutoff=%.17g", keep_probable, 1e-8, 0.5, true},
    {"eta_cutoff=%.17g", eta, 1e-8, 0.5, true},      {"top_n_sigma=%.17g", n_sigma, 0.05, 6, false},
    {"tail_free=%.17g", tail_free, 0.01, 0.99, false}, {"top_h=%.17g", top_h, 0.05, 0.99, false},
    {"typical_p=%.17g", typical, 0.05, 0.95, false}, {"mirostat=2,tau:%.17g", mirostat, 0.2, 10, false}};
enum { N_FILTERS = sizeof FILTERS / sizeof *FILTERS };

static void against_definitions(const int *which, int n_which, uint64_t rng, int rows) {
    float *l = malloc(V_MOST * sizeof *l);
    uint8_t *kept = malloc(V_MOST);
    row r = {.s = malloc(V_MOST * sizeof *r.s)};
    int skipped[N_FILTERS] = {0}, cut[N_FILTERS] = {0};
    REQUIRE(l && kept && r.s);
    for (int k = 0; k < rows; k++) {
        int32_t n = oracle_random_row(l, V_MOST, &rng, k % 8);
        r.t = k % 3 ? exp(oracle_uniform(&rng) * 2 - 1) : 1;
        for (int32_t i = 0; i < n; i++) r.s[i] = (item){l[i], i, 0, 0, 0};
        qsort(r.s, (size_t)n, sizeof *r.s, falling);
        for (r.n = 0; r.n < n && r.s[r.n].l > -INFINITY;) r.n++;
        double sum = 0;
        r.entropy = 0;
        for (int32_t i = 0; i < r.n; i++) sum += exp(r.s[i].x = ((double)r.s[i].l - r.s[0].l) / r.t);
        for (int32_t i = 0; i < r.n; i++) {
            r.s[i].p = exp(r.s[i].x) / sum;
            r.entropy -= r.s[i].p > 0 ? r.s[i].p * (r.s[i].x - log(sum)) : 0;
        }
        for (int w = 0; w < n_which; w++) {
            const filter *f = &FILTERS[which[w]];
            double u = oracle_uniform(&rng), v = f->log_scale ? f->least * pow(f->most / f->least, u)
                                                               : f->least + u * (f->most - f->least);
            char order[96], named[64];
            snprintf(named, sizeof named, f->name, f->keep == mirostat ? v / 2 : v);
            snprintf(order, sizeof order, "temperature=%.17g;%s", r.t, named);
            sampler_settings s = SAMPLER_SETTINGS_INIT;
            chain *c = NULL;
            s.order = order;
            REQUIRE_OK(chain_open(&s, n, &c));
            spy y = {{&spy_ops}, kept, 0};
            REQUIRE_OK(chain_append(c, &y.base));
            r.margin = INFINITY;
            int32_t want = f->keep(&r, v), same = 0;
            glimpse_token t;
            REQUIRE_OK(chain_score(c, l, 0, 0, &t, NULL));
            for (int32_t i = 0; i < want; i++) same += kept[r.s[i].id] == 1;
            bool equal = y.n == want && same == want;
            cut[which[w]] += want < r.n;
            if (!equal && r.margin < 1e-5) skipped[which[w]]++;
            else if (!EXPECT(equal))
                printf("row %d, V %d, %s: kept %d, definition %d, common %d, margin %g\n", k, n, order, y.n, want, same,
                       r.margin);
            EXPECT_EQ(t.kept, y.n);
            if (f->keep == typical) qsort(r.s, (size_t)r.n, sizeof *r.s, falling);
            chain_close(c);
        }
    }
    for (int w = 0; w < n_which; w++) {
        EXPECT_LE(skipped[which[w]], rows / 20);
        EXPECT_LE(rows / 4, cut[which[w]]);
        printf("%s: %d rows, %d cut, %d on an edge\n", FILTERS[which[w]].name, rows, cut[which[w]], skipped[which[w]]);
    }
    free(l);
    free(kept);
    free(r.s);
}

static int row_count(void) { return test_is_full() ? 10000 : test_is_slow_build() ? 100 : 1000; }
TEST_LIMIT(samplers_filters_by_probability, 400) { against_definitions((const int[]){0, 1, 2, 7}, 4, 21, row_count()); }
TEST_LIMIT(samplers_filters_by_shape, 400) { against_definitions((const int[]){3, 4, 5, 6}, 4, 22, row_count()); }

/* === XTC's coin */

TEST(samplers_xtc_coin) {
    static const float l[5] = {2, 1.9f, 1.5f, -1, -3};
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    chain *half = NULL, *other = NULL;
    int acted = 0, alike = 0;
    s.order = "xtc=0.3,threshold:0.15";
    REQUIRE_OK(chain_open(&s, 5, &half));
    s.order = "temperature=0.9;xtc=0.3,threshold:0.15";
    REQUIRE_OK(chain_open(&s, 5, &other));
    for (uint32_t at = 0; at < 20000; at++) {
        glimpse_token t, u;
        REQUIRE_OK(chain_draw(half, l, &(draw_key){5, 0}, at, 0, &t, NULL));
        REQUIRE_OK(chain_draw(other, l, &(draw_key){5, 0}, at, 0, &u, NULL));
        EXPECT(t.kept == 3 || t.kept == 5); /* 0 and 1 go, 2 is the least likely of the three and stays */
        EXPECT(t.kept == 5 || t.id >= 2);
        acted += t.kept == 3;
        alike += t.kept == u.kept;
        EXPECT((t.kept == 3) == (draw_uniform((draw_key){5, 0}, at, PURPOSE_XTC) < 0.3));
    }
    EXPECT_EQ(alike, 20000); /* the coin is the key's, whatever the setting */
    double p[2] = {.3, .7};
    EXPECT_LT(1e-4, oracle_fit_p((int64_t[]){acted, 20000 - acted}, p, 2));
    glimpse_token t;
    REQUIRE_OK(chain_score(half, l, 0, 0, &t, NULL)); /* no key, no coin */
    EXPECT_EQ(t.kept, 5);
    chain_close(half);
    chain_close(other);
    /* draws that pass both ways are distributed as the mixture says */
    static const float q[4] = {1, .5f, 0, -1};
    double w[4], sum = 0, rest = 0, mixed[4], planted[4];
    int64_t count[4] = {0};
    for (int i = 0; i < 4; i++) sum += w[i] = exp(q[i]);
    s.order = "xtc=0.4,threshold:0.25"; /* p = .46 .28 .17 .06: 0 goes, 1 stays */
    for (int i = 1; i < 4; i++) rest += w[i];
    for (int i = 0; i < 4; i++) {
        mixed[i] = .6 * w[i] / sum + .4 * (i ? w[i] / rest : 0);
        planted[i] = .6 * w[i] / sum + (i > 1 ? .4 * w[i] / (rest - w[1]) : 0); /* both top choices lost */
    }
    REQUIRE_OK(chain_open(&s, 4, &half));
    for (uint32_t at = 0; at < 100000; at++) {
        REQUIRE_OK(chain_draw(half, q, &(draw_key){6, 0}, at, 0, &t, NULL));
        count[t.id]++;
    }
    EXPECT_LT(1e-4, oracle_fit_p(count, mixed, 4));
    EXPECT_LT(oracle_fit_p(count, planted, 4), 1e-9);
    chain_close(half);
}

/* === Strings and presets */

static const char *string_of(const sampler_settings *s, const sampler_context *x, char out[1024]) {
    chain *c = NULL;
    out[0] = 0;
    if (EXPECT_OK(chain_open_in(s, x, 100, &c))) snprintf(out, 1024, "%s", chain_string(c));
    chain_close(c);
    return out;
}

TEST(samplers_strings_and_flags) {
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    sampler_context x = SAMPLER_CONTEXT_INIT;
    char text[1024], again[1024];
    sampler_flag flags[] = {{"dry_multiplier", "0.8"}, {"dry_last_n", "256"}, {"penalty_scope", "split"},
                            {"presence_penalty", "0.25"}, {"banned_tokens", "5 7"}, {"banned_tokens", "1-0"},
                            {"xtc_probability", "0.5"}, {"something_else", "?"}};
    x.flags = flags;
    x.n_flags = 8;
    s.order = "penalties;dry;top_k=40;top_p=0.95;temperature=0.8";
    chain *none = NULL; /* what a flag asks for and the order leaves out is said */
    EXPECT_ERR(chain_open_in(&s, &x, 100, &none), GLIMPSE_E_INVALID, "--banned_tokens is set, and the chain of --samplers has no");
    flags[4].name = flags[5].name = "nobody's";
    EXPECT_ERR(chain_open_in(&s, &x, 100, &none), GLIMPSE_E_INVALID, "--xtc_probability is set");
    flags[6].text = "0"; /* off: nothing is left out */
    EXPECT_STREQ(string_of(&s, &x, text),
                 "penalties=1,presence:0.25,scope:split;dry=0.8,last_n:256;top_k=40;top_p=0.95;temperature=0.8");
    flags[4].name = flags[5].name = "banned_tokens";
    flags[6].text = "0.5";
    s.order = NULL;
    s.temperature = 0.8;
    EXPECT_STREQ(string_of(&s, &x, text), "banned_tokens=5,7,1-0;penalties=1,presence:0.25,scope:split;dry=0.8,last_n:256;"
                                          "temperature=0.8;xtc=0.5");
    s.order = text; /* what is printed reads back */
    EXPECT_STREQ(string_of(&s, NULL, again), text);
    flags[4].name = flags[5].name = "nobody's";
    flags[6].text = "0";
    s.order = "dry=0.5;penalties=1.1,0.5,0.25,64,output;repetition_penalty=1.2;logit_bias=7:-1.5, 9:2;allowed_tokens=1,2";
    EXPECT_STREQ(string_of(&s, &x, text),
                 "dry=0.5,last_n:256;penalties=1.1,frequency:0.5,presence:0.25,last_n:64,scope:output;"
                 "penalties=1.2,presence:0.25,scope:split;logit_bias=7:-1.5,9:2;allowed_tokens=1,2");
    s.order = "xtc=0;mirostat=0;top_a=0;typical_p=1;tfs_z=1;adaptive_p=-1;dry=0;smoothing=0;banned_tokens=;min_length=0";
    EXPECT_STREQ(string_of(&s, NULL, text), "temperature=1");

    s = (sampler_settings){0.7, 200, 1, 0, 1, NULL};
    x = (sampler_context)SAMPLER_CONTEXT_INIT;
    x.preset = "llamacpp";
    EXPECT_STREQ(string_of(&s, &x, text), "top_k=40;top_p=0.95;min_p=0.05;temperature=0.8");
    x.given = SETTING_TEMPERATURE;
    sampler_flag more[] = {{"presence_penalty", "0.5"}, {"dry_multiplier", "0.8"}, {"xtc_probability", "0.5"}};
    x.flags = more;
    x.n_flags = 3;
    EXPECT_STREQ(string_of(&s, &x, text), "penalties=1,presence:0.5,last_n:64;dry=0.8;top_k=40;top_p=0.95;min_p=0.05;"
                                          "xtc=0.5;temperature=0.7");
    sampler_flag miro[] = {{"mirostat", "2"}, {"mirostat_tau", "3"}};
    x.flags = miro;
    x.n_flags = 2;
    EXPECT_STREQ(string_of(&s, &x, text), "temperature=0.7;mirostat=2,tau:3");
    x.preset = "hf";
    x.n_flags = 0;
    x.given = 0;
    EXPECT_STREQ(string_of(&s, &x, text), "top_k=50,ties:keep");
    x.preset = "vllm";
    x.flags = more;
    x.n_flags = 1;
    x.given = SETTING_TEMPERATURE | SETTING_TOP_K;
    EXPECT_STREQ(string_of(&s, &x, text), "penalties=1,presence:0.5,scope:split;temperature=0.7;top_k=200,ties:keep");
    chain *c = NULL;
    x.preset = "other";
    EXPECT_ERR(chain_open_in(&s, &x, 100, &c), GLIMPSE_E_INVALID, "hf, llamacpp, vllm");
}

TEST(samplers_strings_refused) {
    static const struct { const char *order, *part; } cases[] = {
        {"xtc=0.5,treshold:0.1", "no parameter 'treshold'\nhint: it has probability, threshold"},
        {"xtc=0.5,0.1,0.2", "xtc takes 2 values"}, {"xtc=0.5,threshold:2", "xtc.threshold is 2, possible is: 0 to 1"},
        {"xtc=0.5,threshold:x", "xtc.threshold is 'x'"}, {"penalties=1,scope:both", "all, output or split"},
        {"penalties=1,last_n:1.5", "last_n is 1.5"}, {"dry=0.8,base:0.5", "dry.base is 0.5"},
        {"banned_tokens=5,x", "'x' is no token id"}, {"banned_tokens=100", "the id 100 is outside the vocabulary, 0 to 99"},
        {"banned_tokens=1--2", "banned_tokens"}, {"banned_tokens=1:2", "id 1 with a number"},
        {"allowed_tokens=-1", "id -1"}, {"logit_bias=5", "id 5 has no bias"}, {"logit_bias=5:1e9", "-1e6 to 1e6"},
        {"logit_bias=5:nan", "'5:nan'"}, {"mirostat=3", "0 (off), 1 or 2"}, {"miroslav=2", "did you mean mirostat?"},
        {"temperature=0.5,range:-1", "temperature.range is -1"}, {"no_repeat_ngram=-1", "no_repeat_ngram is -1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sampler_settings s = SAMPLER_SETTINGS_INIT;
        chain *c = NULL;
        s.order = cases[i].order;
        EXPECT_ERR(chain_open(&s, 100, &c), GLIMPSE_E_INVALID, cases[i].part);
        EXPECT(c == NULL);
    }
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    sampler_flag bad = {"xtc_threshold", "7"};
    sampler_context x = SAMPLER_CONTEXT_INIT;
    chain *c = NULL;
    x.flags = &bad;
    x.n_flags = 1;
    EXPECT_ERR(chain_open_in(&s, &x, 100, &c), GLIMPSE_E_INVALID, "--xtc_threshold");
}

/* === States: a clone goes on as the original would; reset is a fresh chain; nothing is allocated */

static const char ALL[] =
    "logit_bias=3:1,5:-2;banned_tokens=9,1-2;penalties=1.1,frequency:0.2,presence:0.1,last_n:20;no_repeat_ngram=4;"
    "dry=0.8,last_n:40;length_decay=1.01,start:5;min_length=10;smoothing=0.1;temperature=0.9,range:0.3;top_n_sigma=4;"
    "top_k=200,ties:keep;tail_free=0.999;top_a=0.0001;typical_p=0.99;top_h=0.99;top_p=0.98;min_p=0.001;"
    "epsilon_cutoff=0.00001;eta_cutoff=0.00001;skew=0.1;xtc=0.3,threshold:0.2;mirostat=2,tau:6;adaptive_p=0.3";

TEST(samplers_states_are_cloned_and_reset) {
    enum { V = 300, STEPS = 120 };
    static float l[V];
    int32_t ids[STEPS];
    uint64_t rng = 5;
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    sampler_context x = SAMPLER_CONTEXT_INIT;
    chain *c = NULL, *saved = NULL;
    x.eos = 0;
    x.history = 64; /* shorter than the sequence: it is moved on the way */
    s.order = ALL;
    REQUIRE_OK(chain_open_in(&s, &x, V, &c));
    for (int i = 0; i < V; i++) l[i] = (float)oracle_normal(&rng);
    for (int round = 0; round < 3; round++) { /* as it is; reset; from a clone in the middle */
        if (round == 1) chain_reset(c);
        for (int i = 0; round < 2 && i < 7; i++) chain_accept_prompt(c, i * 3);
        for (uint32_t at = round == 2 ? STEPS / 2 : 0; at < STEPS; at++) {
            glimpse_token t;
            if (round == 0 && at == STEPS / 2) REQUIRE_OK(chain_clone(c, &saved));
            if (round == 0) test_fail_alloc(0);
            REQUIRE_OK(chain_draw(round == 2 ? saved : c, l, &(draw_key){3, 0}, at, 0, &t, NULL));
            chain_accept(round == 2 ? saved : c, t.id);
            if (round == 0) EXPECT_EQ(test_fail_alloc(0), 0);
            if (round == 0) ids[at] = t.id;
            else EXPECT_EQ(t.id, ids[at]);
            EXPECT(t.id != 9 && t.p_final > 0);
            EXPECT(at >= 10 || t.id != 0);
        }
    }
    int different = 0;
    for (int i = 1; i < STEPS; i++) different += ids[i] != ids[i - 1];
    EXPECT(different > STEPS / 2);
    chain_close(c);
    chain_close(saved);
}

/* The first of these allocations fails, then the second, ... until there are none left. */
static void out_of_memory(const sampler_settings *s, long least) {
    for (long n = 1; n < 300; n++) {
        chain *c = NULL, *d = NULL;
        test_fail_alloc(n);
        glimpse_status st = chain_open(s, 100, &c);
        if (st >= 0) st = chain_clone(c, &d);
        long seen = test_fail_alloc(0);
        chain_close(d);
        chain_close(c);
        if (seen < n) {
            EXPECT_OK(st);
            EXPECT(n > least);
            return;
        }
        EXPECT_EQ(st, GLIMPSE_E_MEMORY);
    }
    EXPECT(!"allocates for ever");
}

TEST(samplers_out_of_memory) {
    sampler_settings few = {0.8, 40, 0.95, 0.05, 1.1, NULL}, all = SAMPLER_SETTINGS_INIT;
    all.order = ALL;
    out_of_memory(&few, 8);
    out_of_memory(&all, 40);
}

/* DRY and n-gram bans against the obvious quadratic search. */
TEST(samplers_dry_against_all_pairs) {
    enum { V = 4 };
    uint64_t rng = 77;
    float l[V] = {0};
    int penalised = 0;
    for (int round = 0; round < 400; round++) {
        int32_t ids[60], n = 5 + (int32_t)(oracle_random(&rng) % 55), allowed = 1 + (int32_t)(oracle_random(&rng) % 4);
        bool breaker = round % 3 == 0;
        sampler_flag f = {"dry_breakers", "IDS:3"};
        sampler_settings s = SAMPLER_SETTINGS_INIT;
        sampler_context x = SAMPLER_CONTEXT_INIT;
        char order[64];
        chain *c = NULL;
        snprintf(order, sizeof order, "dry=0.3,1.3,%d", allowed);
        s.order = order;
        x.flags = &f;
        x.n_flags = breaker;
        REQUIRE_OK(chain_open_in(&s, &x, V, &c));
        for (int i = 0; i < n; i++) chain_accept(c, ids[i] = (int32_t)(oracle_random(&rng) % (uint64_t)(2 + round % 3)));
        int limit = n, longest[V] = {0};
        for (int i = 0; breaker && i < n; i++)
            if (ids[n - 1 - i] == 3) {
                limit = i;
                break;
            }
        for (int k = 1; k < n && n > allowed; k++) {
            int m = 0;
            while (k + m < n && ids[n - 1 - m] == ids[n - 1 - k - m]) m++;
            if (m > limit) m = limit;
            if (m >= allowed && m > longest[ids[n - k]]) longest[ids[n - k]] = m;
        }
        double w[V], sum = 0;
        for (int v = 0; v < V; v++) {
            bool hit = longest[v] >= allowed && limit >= allowed && !(breaker && v == 3);
            penalised += hit;
            sum += w[v] = exp(hit ? -.3 * pow(1.3, longest[v] - allowed) : 0);
        }
        glimpse_candidate top[V];
        glimpse_token t;
        REQUIRE_OK(chain_score(c, l, 0, V, &t, top));
        for (int v = 0; v < V; v++) EXPECT_NEAR(top[v].p_final, w[top[v].id] / sum, 2e-5);
        chain_close(c);
    }
    EXPECT(penalised > 200);
}

/* Few changed logits are followed without another read of the row: probabilities as if it had been read. */
TEST(samplers_patched_row_is_as_read) {
    float *l = malloc(V_MOST * sizeof *l);
    double *p = malloc(V_MOST * sizeof *p);
    uint64_t rng = 31;
    REQUIRE(l && p);
    for (int r = 0; r < row_count() / 2; r++) {
        int32_t n = oracle_random_row(l, V_MOST, &rng, r % 8), top[24], n_top = 0;
        double t = r % 3 ? exp(oracle_uniform(&rng) * 2 - 1) : 1;
        char order[200];
        for (int32_t i = 0; i < n; i++) /* the likeliest are among those that change: the maximum moves */
            if (n_top < 8 || l[i] > l[top[0]]) {
                top[n_top < 8 ? n_top++ : 0] = i;
                for (int k = 1; k < n_top; k++)
                    if (l[top[k]] < l[top[0]]) {
                        int32_t x = top[0];
                        top[0] = top[k], top[k] = x;
                    }
            }
        int32_t eos = n > 8 && r % 2 ? top[n_top - 1] : -1;
        sampler_settings s = SAMPLER_SETTINGS_INIT;
        sampler_context x = SAMPLER_CONTEXT_INIT;
        chain *c = NULL;
        x.eos = eos;
        snprintf(order, sizeof order, "penalties=%g,frequency:0.5,presence:-0.2;min_length=5;temperature=%.17g",
                 r % 5 == 4 ? 0.8 : 1.3, t);
        s.order = order;
        REQUIRE_OK(chain_open_in(&s, &x, n, &c));
        for (int k = 0; k < 12; k++) {
            int32_t id = k < n_top ? top[k] : (int32_t)(oracle_random(&rng) % (uint64_t)n);
            chain_accept_prompt(c, id);
            top[k] = id;
        }
        glimpse_token token;
        int32_t ids[3] = {top[0], top[11], (int32_t)(oracle_random(&rng) % (uint64_t)n)};
        float *changed = malloc((size_t)n * sizeof *changed);
        REQUIRE(changed != NULL);
        memcpy(changed, l, (size_t)n * sizeof *l);
        for (int k = 0; k < 12; k++) {
            int count = 0, first = 1;
            for (int j = 0; j < 12; j++) count += top[j] == top[k], first &= j >= k || top[j] != top[k];
            double v = l[top[k]], rep = r % 5 == 4 ? 0.8 : 1.3;
            if (first) changed[top[k]] = (float)((v > 0 ? v / rep : v * rep) - (0.5 * count - 0.2));
        }
        int alive = 0;
        for (int32_t i = 0; i < n; i++) alive += i != eos && changed[i] > -INFINITY;
        if (eos >= 0 && alive) changed[eos] = -INFINITY;
        oracle_softmax(changed, n, t, p);
        for (int k = 0; k < 3; k++) {
            REQUIRE_OK(chain_score(c, l, ids[k], 0, &token, NULL));
            EXPECT_NEAR(token.p_temp, p[ids[k]], 1.2e-4 * p[ids[k]] + 1e-7);
            EXPECT_NEAR(token.p_final, p[ids[k]], 1.2e-4 * p[ids[k]] + 1e-7);
        }
        chain_close(c);
        free(changed);
    }
    free(l);
    free(p);
}
