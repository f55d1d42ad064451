/* test_samplers.c -- the chain: its string and errors, published values of each sampler, ties, rows that are not finite,
 * what a draw leaves in the record. */
#include "tests/test.h"
#include "tests/oracle.h"
#include "sampling/samplers/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static chain *open_chain(const char *order, int32_t vocab) {
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    chain *c = NULL;
    s.order = order;
    EXPECT_OK(chain_open(&s, vocab, &c));
    return c;
}

static glimpse_status open_status(const char *order) {
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    chain *c = NULL;
    s.order = order;
    glimpse_status st = chain_open(&s, 100, &c);
    chain_close(c);
    return st;
}

TEST(samplers_string) {
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    chain *c = NULL, *d = NULL;
    REQUIRE_OK(chain_open(&s, 100, &c));
    EXPECT_STREQ(chain_string(c), "temperature=1");
    chain_close(c);
    s = (sampler_settings){0.8, 40, 0.95, 0.05, 1.1, NULL};
    REQUIRE_OK(chain_open(&s, 100, &c));
    EXPECT_STREQ(chain_string(c), "penalties=1.1;temperature=0.8;top_k=40;top_p=0.95;min_p=0.05");
    REQUIRE_OK(chain_clone(c, &d));
    EXPECT_STREQ(chain_string(d), chain_string(c));
    chain_close(c);
    EXPECT_STREQ(chain_string(d), "penalties=1.1;temperature=0.8;top_k=40;top_p=0.95;min_p=0.05");
    chain_close(d);
    s.order = " top_p = 0.25 ; temperature ;top_k=0; min_p ";
    REQUIRE_OK(chain_open(&s, 100, &c));
    EXPECT_STREQ(chain_string(c), "top_p=0.25;temperature=0.8;min_p=0.05");
    chain_close(c);
    if (test_use_comma_locale()) {
        s.order = "temperature=0.7000000000000001";
        REQUIRE_OK(chain_open(&s, 100, &c));
        EXPECT_STREQ(chain_string(c), "temperature=0.7000000000000001");
        chain_close(c);
    }
    chain_close(NULL);
}

TEST(samplers_errors) {
    EXPECT_ERR(open_status("topk=5"), GLIMPSE_E_INVALID, "did you mean top_k?");
    EXPECT_ERR(open_status("foo=3"), GLIMPSE_E_INVALID, "no sampler is called 'foo'\nhint: there are logit_bias, ");
    EXPECT_ERR(open_status("temprature=5"), GLIMPSE_E_INVALID, "did you mean temperature?");
    EXPECT_ERR(open_status("temperature=-1"), GLIMPSE_E_INVALID, "temperature is -1");
    EXPECT_ERR(open_status("temperature=1e-9"), GLIMPSE_E_INVALID, "1e-6 to 1e6");
    EXPECT_ERR(open_status("top_k=2.5"), GLIMPSE_E_INVALID, "top_k is 2.5");
    EXPECT_ERR(open_status("top_k=5x"), GLIMPSE_E_INVALID, "top_k is '5x'");
    EXPECT_ERR(open_status("top_k="), GLIMPSE_E_INVALID, "top_k is ''");
    EXPECT_ERR(open_status("top_k=nan"), GLIMPSE_E_INVALID, "top_k");
    EXPECT_ERR(open_status("top_p=1.5"), GLIMPSE_E_INVALID, "0 to 1");
    EXPECT_ERR(open_status("min_p=-0.1"), GLIMPSE_E_INVALID, "0 to 1");
    EXPECT_ERR(open_status("repetition_penalty=0"), GLIMPSE_E_INVALID, "above 0");
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    chain *c = NULL;
    s.top_p = NAN;
    EXPECT_ERR(chain_open(&s, 100, &c), GLIMPSE_E_INVALID, "top_p");
    s = (sampler_settings)SAMPLER_SETTINGS_INIT;
    EXPECT_ERR(chain_open(&s, 0, &c), GLIMPSE_E_INVALID, "vocabulary");
    EXPECT_ERR(chain_open(&s, MASS_MAX_VOCAB + 1, &c), GLIMPSE_E_INVALID, "vocabulary");
    EXPECT(c == NULL);
}

/* Does the chain keep exactly `kept` (ids, -1 ends) of softmax = p, with the renormalised p_final? */
static void check_kept(const char *order, const double *p, int n, const int *kept, const char *file, int line) {
    float l[32];
    glimpse_candidate top[32];
    glimpse_token t;
    double sum = 0;
    bool in[32] = {0};
    int count = 0;
    for (; kept[count] >= 0; count++) in[kept[count]] = true, sum += p[kept[count]];
    for (int i = 0; i < n; i++) l[i] = (float)log(p[i]);
    chain *c = open_chain(order, n);
    if (!c) return;
    test_check_ok(chain_score(c, l, 0, n, &t, top), order, file, line);
    test_check(t.kept == count, file, line, "%s keeps %d, not %d", order, t.kept, count);
    for (int i = 0; i < t.n_top; i++) {
        double want = in[top[i].id] ? p[top[i].id] / sum : 0;
        test_check(fabs(top[i].p_final - want) <= 1e-5, file, line, "%s: id %d has %g, not %g", order, top[i].id,
                   top[i].p_final, want);
    }
    chain_close(c);
}
#define KEPT(order, p, ...)                                                                                            \
    check_kept(order, p, sizeof(p) / sizeof *(p), (const int[]){__VA_ARGS__, -1}, __FILE__, __LINE__)

/* llama.cpp tests/test-sampling.cpp: probabilities in, survivors out, as ids of these probabilities. */
TEST(samplers_llama_cpp_vectors) {
    static const double P4[] = {0.1, 0.2, 0.3, 0.4};
    KEPT("temperature=1", P4, 0, 1, 2, 3);
    KEPT("temperature=0", P4, 3);
    KEPT("top_k=1", P4, 3);
    KEPT("top_k=3", P4, 1, 2, 3);
    KEPT("top_k=4", P4, 0, 1, 2, 3);
    KEPT("top_k=0", P4, 0, 1, 2, 3);
    KEPT("top_k=100", P4, 0, 1, 2, 3);
    KEPT("top_p=0", P4, 3);
    KEPT("top_p=0.69", P4, 2, 3); /* 0.7 itself depends on the rounding of 0.3 + 0.4 */
    KEPT("top_p=0.8", P4, 1, 2, 3);
    KEPT("top_p=1", P4, 0, 1, 2, 3);
    KEPT("min_p=0", P4, 0, 1, 2, 3);
    KEPT("min_p=0.24", P4, 0, 1, 2, 3);
    KEPT("min_p=0.26", P4, 1, 2, 3);
    KEPT("min_p=0.49", P4, 1, 2, 3);
    KEPT("min_p=0.51", P4, 2, 3);
    KEPT("min_p=0.74", P4, 2, 3);
    KEPT("min_p=0.76", P4, 3);
    KEPT("min_p=1", P4, 3);
    /* after top-k the mass is renormalised: .4444 + .3333 >= .75 */
    static const double Q4[] = {0.4, 0.3, 0.2, 0.1};
    KEPT("top_k=3;top_p=0.75", Q4, 0, 1);
    /* the token that crosses is kept */
    KEPT("top_p=0.65", Q4, 0, 1);
}

/* transformers tests/generation/test_logits_process.py */
TEST(samplers_transformers_vectors) {
    static const double a[] = {0.3, 0.1, 0.1, 0.5}, b[] = {0.15, 0.3, 0.3, 0.25}, d[] = {0.9, 0.0274, 0.047, 0.0274};
    KEPT("top_p=0.79999", a, 0, 3);
    KEPT("top_p=0.8", b, 1, 2, 3);
    KEPT("min_p=0.05", d, 0, 2);
    float l[3] = {-0.1f, 0.1f, 0.4f};
    chain *c = open_chain("repetition_penalty=2", 3);
    REQUIRE(c != NULL);
    for (int i = 0; i < 3; i++) chain_accept(c, i), chain_accept(c, 1), chain_accept(c, -5), chain_accept(c, 3);
    glimpse_token t;
    double p[3], want[3] = {-0.2, 0.05, 0.2}, sum = exp(-0.2) + exp(0.05) + exp(0.2);
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(chain_score(c, l, i, 0, &t, NULL));
        EXPECT_NEAR(t.p_temp, exp(want[i]) / sum, 1e-5);
        EXPECT_NEAR(t.logit, l[i], 1e-6); /* the record's logit is raw */
    }
    oracle_softmax(l, 3, 1, p);
    chain_reset(c);
    EXPECT_OK(chain_score(c, l, 2, 0, &t, NULL));
    EXPECT_NEAR(t.p_temp, p[2], 1e-5);
    chain_close(c);
}

/* llama.cpp's penalty values: p = .2 each, r = 50 pushes ln .2 < 0 down to nothing. */
TEST(samplers_penalty_vectors) {
    float l[5];
    glimpse_token t;
    for (int i = 0; i < 5; i++) l[i] = logf(0.2f);
    chain *c = open_chain("repetition_penalty=50", 5), *d = NULL;
    REQUIRE(c != NULL);
    chain_accept(c, 0);
    EXPECT_OK(chain_score(c, l, 1, 0, &t, NULL));
    EXPECT_NEAR(t.p_final, 0.25, 1e-5);
    REQUIRE_OK(chain_clone(c, &d)); /* carries the counts, then goes its own way */
    chain_accept(d, 1);
    chain_accept(d, 2);
    EXPECT_OK(chain_score(d, l, 3, 0, &t, NULL));
    EXPECT_NEAR(t.p_final, 0.5, 1e-5);
    EXPECT_OK(chain_score(c, l, 3, 0, &t, NULL));
    EXPECT_NEAR(t.p_final, 0.25, 1e-5);
    chain_close(c);
    chain_close(d);
}

TEST(samplers_order_of_temperature) {
    static const double p[] = {0.66524096, 0.24472847, 0.09003057}; /* softmax(3, 2, 1) */
    KEPT("temperature=0.5;top_p=0.8", p, 0); /* .8668 alone */
    float l[3] = {3, 2, 1};
    glimpse_token t;
    chain *c = open_chain("top_p=0.8;temperature=0.5", 3);
    EXPECT_OK(chain_score(c, l, 1, 0, &t, NULL));
    EXPECT_EQ(t.kept, 2);
    EXPECT_NEAR(t.p_final, 1 / (1 + exp(2)), 1e-5);
    chain_close(c);
}

TEST(samplers_ties_go_to_the_lowest_id) {
    float l[600];
    glimpse_token t;
    glimpse_candidate top[600];
    draw_key key = {1, 0};
    static const char *const greedy[] = {"temperature=0", "top_k=1", "top_p=0", "top_k=7;top_p=0;temperature=0.3",
                                         "min_p=1;top_k=1", "top_p=0.5;temperature=0"};
    for (int i = 0; i < 600; i++) l[i] = i % 3 == 2 ? 1.0f : i % 3 == 1 ? -0.0f : 0.0f;
    for (int k = 0; k < 6; k++) {
        chain *c = open_chain(greedy[k], 600);
        REQUIRE(c != NULL);
        REQUIRE_OK(chain_draw(c, l, &key, 3, 4, &t, top));
        EXPECT_EQ(t.id, 2);
        EXPECT_EQ(t.kept, 1);
        EXPECT_EQ(t.rank, 1);
        EXPECT(t.p_final == 1 && t.left == 0);
        chain_close(c);
    }
    chain *c = open_chain("top_k=203", 600); /* 200 ones, then ids 0, 1, 3: zeros, whatever their sign */
    REQUIRE_OK(chain_score(c, l, 3, 600, &t, top));
    EXPECT_EQ(t.kept, 203);
    EXPECT_EQ(t.rank, 203);
    EXPECT(t.p_final > 0);
    EXPECT(top[199].id == 599 && top[200].id == 0 && top[201].id == 1 && top[202].id == 3 && top[203].id == 4);
    EXPECT(top[202].p_final > 0 && top[203].p_final == 0);
    chain_close(c);
    l[5] = 1;
    c = open_chain("temperature=0", 600);
    REQUIRE_OK(chain_score(c, l, 5, 0, &t, NULL)); /* as large as id 2, but not what greedy takes */
    EXPECT(t.rank == 2 && t.p_temp == 0 && t.p_final == 0 && t.kept == 1 && t.top == NULL);
    chain_close(c);
}

TEST(samplers_rows_not_finite) {
    float l[300];
    glimpse_token t = {.id = -7};
    glimpse_candidate top[4] = {{-7, 0, 0}};
    draw_key key = {1, 0};
    static const char *const orders[] = {"temperature=1", "temperature=0", "top_k=3", "top_p=0.5", "min_p=0.1"};
    for (int k = 0; k < 5; k++) {
        chain *c = open_chain(orders[k], 300);
        REQUIRE(c != NULL);
        for (int at = 0; at < 300; at += 13) {
            for (int i = 0; i < 300; i++) l[i] = (float)(i % 7);
            l[at] = NAN;
            char text[64];
            snprintf(text, sizeof text, "the logit of id %d is NaN", at);
            EXPECT_ERR(chain_draw(c, l, &key, 0, 4, &t, top), GLIMPSE_E_NONFINITE, text);
            l[at] = INFINITY;
            EXPECT_ERR(chain_score(c, l, 1, 4, &t, top), GLIMPSE_E_NONFINITE, "is +inf");
            row_stats s = row_stats_of(l, 300);
            EXPECT(!s.finite && s.bad_id == at && isnan(s.logz));
        }
        for (int i = 0; i < 300; i++) l[i] = -INFINITY;
        EXPECT_ERR(chain_draw(c, l, &key, 0, 4, &t, top), GLIMPSE_E_NONFINITE, "every one of the 300");
        EXPECT(!row_stats_of(l, 300).finite && row_stats_of(l, 300).bad_id == -1);
        EXPECT(t.id == -7 && top[0].id == -7); /* untouched */
        l[299] = -5; /* one is enough */
        for (uint32_t p = 0; p < 20; p++) {
            REQUIRE_OK(chain_draw(c, l, &key, p, 4, &t, top));
            EXPECT(t.id == 299 && t.kept == 1 && t.p_final == 1 && t.n_top == 1 && t.logprob == 0 && t.entropy == 0);
        }
        REQUIRE_OK(chain_score(c, l, 3, 4, &t, top));
        EXPECT(isnan(t.logit) && isnan(t.logprob) && t.p_temp == 0 && t.p_final == 0 && t.rank == 5 && t.left == 1);
        t.id = top[0].id = -7;
        chain_close(c);
    }
    chain *c = open_chain("repetition_penalty=1e-6;top_k=2", 300);
    for (int i = 0; i < 300; i++) l[i] = 3e38f;
    chain_accept(c, 8);
    EXPECT_ERR(chain_draw(c, l, &key, 0, 0, &t, NULL), GLIMPSE_E_NONFINITE, "id 8 is +inf after a sampler");
    EXPECT_ERR(chain_score(c, l, 300, 0, &t, NULL), GLIMPSE_E_INVALID, "id 300");
    EXPECT_ERR(chain_score(c, l, -1, 0, &t, NULL), GLIMPSE_E_INVALID, "id -1");
    chain_close(c);
}

/* A user's own: forbids odd ids, counts what it accepted. */
typedef struct evens {
    sampler base;
    int accepted;
} evens;
static int evens_alive;
static void evens_accept(sampler *s, const accepted *a) { ((evens *)s)->accepted += a->id; }
static glimpse_status evens_apply(sampler *s, candidates *c) {
    (void)s;
    float *l = candidates_own(c);
    for (int32_t i = 0; i < c->n; i++)
        if ((c->id ? c->id[i] : i) % 2) l[i] = -INFINITY;
    return GLIMPSE_OK;
}
static glimpse_status evens_clone(const sampler *s, sampler **out);
static void evens_free(sampler *s) {
    evens_alive--;
    free(s);
}
static const sampler_ops evens_ops = {"evens", evens_accept, evens_apply, NULL, evens_clone, evens_free, NULL};
static glimpse_status evens_clone(const sampler *s, sampler **out) {
    evens *e = malloc(sizeof *e);
    if (!e) return GLIMPSE_E_MEMORY;
    *e = *(const evens *)s;
    evens_alive++;
    *out = &e->base;
    return GLIMPSE_OK;
}

TEST(samplers_of_the_user) {
    static const evens first = {{&evens_ops}, 0};
    sampler *s = NULL;
    chain *c = open_chain("top_k=5", 100), *d = NULL;
    float l[100];
    REQUIRE(c != NULL);
    REQUIRE_OK(evens_clone(&first.base, &s));
    REQUIRE_OK(chain_append(c, s));
    EXPECT_STREQ(chain_string(c), "top_k=5;evens");
    REQUIRE_OK(chain_clone(c, &d));
    chain_accept(d, 9);
    EXPECT_EQ(((evens *)s)->accepted, 0);
    for (int i = 0; i < 100; i++) l[i] = (float)i / 10;
    for (uint32_t p = 0; p < 200; p++) {
        glimpse_token t;
        REQUIRE_OK(chain_draw(d, l, &(draw_key){4, 0}, p, 0, &t, NULL));
        EXPECT(t.id == 96 || t.id == 98);
    }
    for (int i = 0; i < 100; i++) l[i] = i % 2 ? 5.0f : 0.0f;
    glimpse_token t;
    EXPECT_ERR(chain_draw(d, l, &(draw_key){4, 0}, 0, 0, &t, NULL), GLIMPSE_E_NONFINITE, "no logit above -inf");
    chain_close(c);
    chain_close(d);
    EXPECT_EQ(evens_alive, 0);
}

TEST(samplers_draw_allocates_nothing) {
    enum { V = 5000 };
    static float l[V];
    glimpse_candidate top[40];
    glimpse_token t;
    uint64_t rng = 1;
    sampler_settings s = {0.8, 2000, 0.95, 0.0001, 1.1, NULL};
    chain *c = NULL;
    REQUIRE_OK(chain_open(&s, V, &c));
    for (int i = 0; i < V; i++) l[i] = (float)oracle_normal(&rng);
    test_fail_alloc(0);
    for (uint32_t p = 0; p < 20; p++) {
        REQUIRE_OK(chain_draw(c, l, &(draw_key){1, 0}, p, 40, &t, top));
        chain_accept(c, t.id);
    }
    EXPECT_EQ(test_fail_alloc(0), 0);
    chain_close(c);
}
