/* test_samplers_vectors.c -- published values of every sampler: probabilities in, probabilities out.
 *
 * Sources: llama.cpp tests/test-sampling.cpp; transformers tests/generation/test_logits_process.py; "computed" ones from
 * the formulas in each sampler's file by an independent program in double. */
#include "tests/test.h"
#include "tests/oracle.h"
#include "sampling/samplers/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

typedef struct trial { /* a chain, what it has accepted, and a row */
    const char *order;
    int32_t prompt[16], n_prompt, output[16], n_output;
    sampler_context context;
} trial;

static chain *open_trial(const trial *t, int32_t n) {
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    chain *c = NULL;
    s.order = t->order;
    EXPECT_OK(chain_open_in(&s, &t->context, n, &c));
    for (int i = 0; c && i < t->n_prompt; i++) chain_accept_prompt(c, t->prompt[i]);
    for (int i = 0; c && i < t->n_output; i++) chain_accept(c, t->output[i]);
    return c;
}

/* p_final of every id; draw: with a key, for samplers that throw a coin. */
static void finals_of(chain *c, const float *l, int32_t n, bool draw, double *p) {
    glimpse_candidate top[MOST];
    glimpse_token t;
    draw_key key = {1, 0};
    for (int i = 0; i < n; i++) p[i] = 0;
    if (draw) EXPECT_OK(chain_draw(c, l, &key, 0, n, &t, top));
    else EXPECT_OK(chain_score(c, l, 0, n, &t, top));
    for (int i = 0; i < t.n_top; i++) p[top[i].id] = top[i].p_final;
}

static void check(const trial *t, const double *in, const double *want, int n, double tolerance, const char *file, int line) {
    float l[MOST];
    double p[MOST];
    for (int i = 0; i < n; i++) l[i] = in[i] > 0 ? (float)log(in[i]) : -INFINITY;
    chain *c = open_trial(t, n);
    if (!c) return;
    finals_of(c, l, n, true, p);
    for (int i = 0; i < n; i++)
        test_check(fabs(p[i] - want[i]) <= tolerance, file, line, "%s: id %d has %.6f, not %.6f", t->order, i, p[i], want[i]);
    chain_close(c);
}
#define V(...) ((const double[]){__VA_ARGS__})
#define GIVES_FROM(t, in, ...)                                                                                         \
    check(&(t), in, V(__VA_ARGS__), (int)(sizeof(in) / sizeof(double)), 1.2e-5, __FILE__, __LINE__)
#define GIVES(order_, in, ...) GIVES_FROM(((trial){.order = order_, .context = SAMPLER_CONTEXT_INIT}), in, __VA_ARGS__)

TEST(samplers_vectors_llama_cpp) {
    static const double P4[] = {.1, .2, .3, .4}, Q4[] = {.4, .3, .2, .1};
    GIVES("temperature=1,range:0,exponent:1", P4, .1, .2, .3, .4);
    GIVES("temperature=0,range:0", P4, 0, 0, 0, 1);
    /* xtc with probability .99: the coin of (key 1, position 0) falls below it */
    GIVES("xtc=0.99,threshold:0.09", Q4, 0, 0, 0, 1);
    GIVES("xtc=0.99,threshold:0.19", Q4, 0, 0, 2 / 3., 1 / 3.);
    GIVES("xtc=0.99,threshold:0.29", Q4, 0, .5, 1 / 3., 1 / 6.);
    GIVES("xtc=0.99,threshold:0.39", Q4, .4, .3, .2, .1);
    static const double T1[] = {.97, .01, .01, .01}, T2[] = {.4, .2, .2, .2};
    GIVES("typical_p=0.5", T1, 1, 0, 0, 0);
    GIVES("typical_p=0.5", T2, 0, 1 / 3., 1 / 3., 1 / 3.);
    GIVES("top_n_sigma=1", P4, 0, 0, .428571, .571429);
    GIVES("top_n_sigma=0", P4, .1, .2, .3, .4);
    GIVES("top_n_sigma=3", P4, .1, .2, .3, .4);
    static const double P5[] = {.1, .15, .2, .25, .3};
    GIVES("tail_free=0.25", P5, 0, 0, 0, 0, 1);
    GIVES("tail_free=0.75", P5, 0, 0, 0, .25 / .55, .3 / .55);
    GIVES("tail_free=0.99", P5, 0, 0, 0, .25 / .55, .3 / .55);
}

/* llama.cpp's test of chains: probabilities 1 .. n in proportion, every order of k, p and m; what stays, by sums of integers
 * (its test-sampling.cpp, test_sampler_queue). */
TEST(samplers_vectors_llama_cpp_chains) {
    enum { N = 10000 };
    static const struct { const char *order; int k; double p, m; } chains[] = {
        {"k", 10000, 1, 1}, {"k", 1, 1, 1}, {"p", 10000, 1, 1}, {"p", 10000, 1e-4, 1}, {"m", 10000, 1, 1}, {"m", 10000, 1, 1e-12},
        {"k", 100, 1, 1}, {"p", 10000, 0.0003, 1}, {"p", 10000, 0.8, 1}, {"m", 10000, 1, 9997.9 / 9999}, {"m", 10000, 1, 0.1},
        {"kp", 100, 0.8, 0.1}, {"km", 100, 0.8, 0.1}, {"pk", 100, 0.8, 0.1}, {"pm", 100, 0.8, 0.1}, {"mk", 100, 0.8, 0.1},
        {"mp", 100, 0.8, 9997.9 / 9999}, {"mp", 100, 0.8, 0.1}, {"kpm", 100, 0.8, 0.1}, {"kmp", 100, 0.8, 0.1},
        {"pkm", 100, 0.8, 0.1}, {"pmk", 100, 0.8, 0.1}, {"mkp", 100, 0.8, 0.1}, {"mpk", 100, 0.8, 0.1}};
    float *l = malloc(N * sizeof *l);
    glimpse_candidate *top = malloc(N * sizeof *top);
    REQUIRE(l && top);
    for (int i = 0; i < N; i++) l[i] = (float)log(i); /* id 0 has none */
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        char text[128] = "";
        int64_t least = 1; /* ids least .. N - 1 stay */
        for (const char *at = chains[i].order; *at; at++) {
            size_t n = strlen(text);
            if (*at == 'k') {
                snprintf(text + n, sizeof text - n, "top_k=%d;", chains[i].k);
                if (N - chains[i].k > least) least = N - chains[i].k;
            } else if (*at == 'p') {
                snprintf(text + n, sizeof text - n, "top_p=%.17g;", chains[i].p);
                int64_t sum = 0, id = N, whole = ((int64_t)N * (N - 1) - least * (least - 1)) / 2;
                while (id > least && (double)sum < chains[i].p * (double)whole) sum += --id;
                least = id;
            } else {
                snprintf(text + n, sizeof text - n, "min_p=%.17g;", chains[i].m);
                int64_t id = (int64_t)ceil(chains[i].m * (N - 1));
                if (id > least) least = id;
            }
        }
        trial t = {.order = text, .context = SAMPLER_CONTEXT_INIT};
        glimpse_token token;
        chain *c = open_trial(&t, N);
        REQUIRE(c != NULL);
        EXPECT_OK(chain_score(c, l, N - 1, N, &token, top));
        int64_t sum = ((int64_t)N * (N - 1) - least * (least - 1)) / 2;
        test_check(token.kept == N - least, __FILE__, __LINE__, "%s keeps %d, not %lld", text, token.kept, (long long)(N - least));
        for (int k = 0; k < token.n_top; k += 97) {
            EXPECT_EQ(top[k].id, N - 1 - k);
            EXPECT_NEAR(top[k].p_final, k < N - least ? (double)top[k].id / (double)sum : 0, 6e-5 * top[k].id / (double)sum);
        }
        chain_close(c);
    }
    free(l);
    free(top);
    /* its min_p of 1.05 keeps one; here a number that says nothing is refused */
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    chain *c = NULL;
    s.order = "min_p=1.05";
    EXPECT_ERR(chain_open(&s, 4, &c), GLIMPSE_E_INVALID, "min_p is 1.05");
}

TEST(samplers_vectors_llama_cpp_penalties) {
    static const double E5[] = {.2, .2, .2, .2, .2};
    trial t = {.order = "penalties=50", .output = {0}, .n_output = 1, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, E5, 0, .25, .25, .25, .25);
    t = (trial){.order = "penalties=50", .output = {0, 1, 2}, .n_output = 3, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, E5, 0, 0, 0, .5, .5);
    t.order = "penalties=1,frequency:5,presence:5";
    GIVES_FROM(t, E5, .000023, .000023, .000023, .499966, .499966);
    t = (trial){.order = t.order, .output = {0}, .n_output = 1, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, E5, .000011, .249997, .249997, .249997, .249997);
    t = (trial){.order = t.order, .output = {0, 1, 2, 0, 0}, .n_output = 5, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, E5, 0, .000023, .000023, .499977, .499977);
}

TEST(samplers_vectors_llama_cpp_dry) {
    static const double E4[] = {.25, .25, .25, .25}, E5[] = {.2, .2, .2, .2, .2};
    sampler_flag breaker = {"dry_breakers", "IDS:3"};
    trial t = {.order = "dry=1,1.1,2,4", .output = {0, 1}, .n_output = 2, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, E4, .25, .25, .25, .25);
    t = (trial){.order = "dry=1,1.1,2,5", .output = {0, 1, 2, 0, 1}, .n_output = 5, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, E4, .296923, .296923, .109232, .296923);
    t.order = "dry=2,base:1.1,allowed_length:2,last_n:5";
    GIVES_FROM(t, E5, .241818, .241818, .032727, .241818, .241818);
    t = (trial){.order = "dry=1,1.1,2,6", .prompt = {0, 1, 3}, .n_prompt = 3, .output = {4, 0, 1}, .n_output = 3,
                .context = SAMPLER_CONTEXT_INIT};
    t.context.flags = &breaker;
    t.context.n_flags = 1;
    GIVES_FROM(t, E5, .2, .2, .2, .2, .2);
    t.context.n_flags = 0; /* without the breaker 3 goes on with 0 1: the test can fail */
    double less = exp(-1) / (4 + exp(-1)), more = 1 / (4 + exp(-1));
    GIVES_FROM(t, E5, more, more, more, less, more);
    t = (trial){.order = "dry=1,1.1,4,7", .output = {0, 1, 2, 3, 4, 0, 1}, .n_output = 7, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, E5, .2, .2, .2, .2, .2);
}

TEST(samplers_vectors_transformers) {
    static const double a[] = {.97, .01, .01, .01}, b[] = {.4, .3, .2, .1}, u[] = {.25, .25, .25, .25};
    GIVES("top_h=0.3", a, 1, 0, 0, 0);
    GIVES("top_h=0.7", b, 4 / 7., 3 / 7., 0, 0);
    GIVES("top_h=1", u, .25, .25, .25, .25);
    static const double d[] = {.75, .25, 0, 0}, e[] = {.87, .099, .001, .03};
    GIVES("top_h=0.4", d, 1, 0, 0, 0);
    GIVES("epsilon_cutoff=0.1", e, 1, 0, 0, 0);
    static const double f[] = {0, .1, .8, .1}, g[] = {.01, .04, .9, .05};
    GIVES("eta_cutoff=0.0625", f, 0, .1, .8, .1);
    GIVES("eta_cutoff=0.0625", g, 0, 0, 1, 0);
    /* what is left at least: logits -5 .. 4, and a hundred times that */
    static const struct { const char *order; int kept[2]; } ramp[] = {
        {"top_p=0.9,min_keep:2", {3, 2}}, {"min_p=0.9,min_keep:2", {2, 2}}, {"typical_p=0.7,min_keep:2", {2, 2}},
        {"epsilon_cutoff=0.05,min_keep:2", {3, 2}}, {"eta_cutoff=0.1,min_keep:2", {2, 2}}, {"top_k=1,min_keep:2", {2, 2}},
        {"top_k=1,ties:keep,min_keep:3", {3, 3}}, {"top_p=0.9,crossing:drop,min_keep:2", {2, 2}}, {"top_p=0.9", {3, 1}},
        {"min_p=0.9", {1, 1}}, {"typical_p=0.7,min_keep:30", {10, 10}}, {"min_p=1,min_keep:4", {4, 4}}};
    for (size_t i = 0; i < sizeof ramp / sizeof *ramp; i++)
        for (int row = 0; row < 2; row++) {
            float l[10];
            glimpse_token token;
            trial r = {.order = ramp[i].order, .context = SAMPLER_CONTEXT_INIT};
            for (int k = 0; k < 10; k++) l[k] = (float)((k - 5) * (row ? 100 : 1));
            chain *c = open_trial(&r, 10);
            REQUIRE(c != NULL);
            EXPECT_OK(chain_score(c, l, 9, 0, &token, NULL));
            test_check(token.kept == ramp[i].kept[row], __FILE__, __LINE__, "%s, row %d: keeps %d, not %d", ramp[i].order, row,
                       token.kept, ramp[i].kept[row]);
            chain_close(c);
        }
    /* bad words, and n-grams: what is banned shows as 0 */
    trial t = {.order = "banned_tokens=1,1-0,0-1-2,1-3-1-3", .output = {0, 1, 3, 1}, .n_output = 4,
               .context = SAMPLER_CONTEXT_INIT};
    static const double E5[] = {.2, .2, .2, .2, .2};
    GIVES_FROM(t, E5, 0, 0, .5, 0, .5);
    t = (trial){.order = t.order, .output = {0, 1, 0, 1}, .n_output = 4, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, E5, 0, 0, 0, .5, .5);
    t = (trial){.order = "no_repeat_ngram=2", .output = {1, 1, 2, 1}, .n_output = 4, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, u, .5, 0, 0, .5);
    t = (trial){.order = "no_repeat_ngram=2", .prompt = {0, 1}, .n_prompt = 2, .output = {0, 1}, .n_output = 2,
                .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, u, 0, 1 / 3., 1 / 3., 1 / 3.);
    t.order = "no_repeat_ngram=3";
    GIVES_FROM(t, u, 0, 1 / 3., 1 / 3., 1 / 3.);
    t = (trial){.order = "no_repeat_ngram=3", .output = {1, 1, 2, 1}, .n_output = 4, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, u, .25, .25, .25, .25);
    t = (trial){.order = "no_repeat_ngram=1", .output = {2, 1, 3}, .n_output = 3, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, u, 1, 0, 0, 0);
    t = (trial){.order = "no_repeat_ngram=1", .output = {2, 1, 3, 0}, .n_output = 4, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, u, .25, .25, .25, .25); /* a ban of everything is not carried out */
}

TEST(samplers_vectors_computed) {
    static const double P[] = {.5, .25, .15, .07, .03};
    GIVES("temperature=1,range:0.5", P, .433491, .253136, .170286, .094254, .048833);
    double w[5], sum = 0; /* exponent 2: T' = 1.121750; around 0.3: 0.630809 */
    for (int i = 0; i < 5; i++) sum += w[i] = pow(P[i], 1 / 1.121750);
    GIVES("temperature=1,0.5,2", P, w[0] / sum, w[1] / sum, w[2] / sum, w[3] / sum, w[4] / sum);
    sum = 0;
    for (int i = 0; i < 5; i++) sum += w[i] = pow(P[i], 1 / 0.630809);
    GIVES("temperature=0.3,range:0.5", P, w[0] / sum, w[1] / sum, w[2] / sum, w[3] / sum, w[4] / sum);
    GIVES("smoothing=0.5", P, .410723, .323013, .198968, .059449, .007848);
    GIVES("smoothing=0.5,curve:1.5", P, .423395, .339172, .197664, .038424, .001345);
    GIVES("adaptive_p=0.2", P, .003400, .397728, .397728, .136154, .064989);
    GIVES("adaptive_p=0.2,width:0.2", P, .000094, .462797, .462797, .058950, .015362);
    GIVES("skew=0.5", P, .318923, .303393, .218225, .110481, .048979);
    GIVES("skew=0", P, .5, .25, .15, .07, .03);
    /* tail free: normalised sums .714286, .809524, 1 */
    GIVES("tail_free=0.7", P, 1, 0, 0, 0, 0);
    GIVES("tail_free=0.72", P, 1, 0, 0, 0, 0);
    GIVES("tail_free=0.82", P, 2 / 3., 1 / 3., 0, 0, 0);
    GIVES("top_a=0.5", P, .5 / .9, .25 / .9, .15 / .9, 0, 0); /* p >= .125 */
    GIVES("top_a=0.2", P, .5 / .97, .25 / .97, .15 / .97, .07 / .97, 0); /* p >= .05 */
    GIVES("logit_bias=0:-1,4:2", P, .5 * exp(-1) / (.5 * exp(-1) + .47 + .03 * exp(2)), .25 / (.5 * exp(-1) + .47 + .03 * exp(2)),
          .15 / (.5 * exp(-1) + .47 + .03 * exp(2)), .07 / (.5 * exp(-1) + .47 + .03 * exp(2)),
          .03 * exp(2) / (.5 * exp(-1) + .47 + .03 * exp(2)));
    GIVES("allowed_tokens=1,3,3", P, 0, .25 / .32, 0, .07 / .32, 0);
    GIVES("banned_tokens=0,1", P, 0, 0, .6, .28, .12);
    GIVES("banned_tokens=0,1,2,3,4", P, .5, .25, .15, .07, .03);
    GIVES("top_k=1;banned_tokens=0", P, 1, 0, 0, 0, 0); /* nothing would be left */
    GIVES("top_k=2;banned_tokens=0", P, 0, 1, 0, 0, 0);
    GIVES("forced_tokens=4", P, 0, 0, 0, 0, 1);
    GIVES("temperature=0.5;logit_bias=1:1", P, .25 / (.25 + .0625 * exp(1) + .0225 + .0049 + .0009),
          .0625 * exp(1) / (.25 + .0625 * exp(1) + .0225 + .0049 + .0009), .0225 / (.25 + .0625 * exp(1) + .0225 + .0049 + .0009),
          .0049 / (.25 + .0625 * exp(1) + .0225 + .0049 + .0009), .0009 / (.25 + .0625 * exp(1) + .0225 + .0049 + .0009));
}

/* Where others differ: renormalised or joint mass, crossing token, ties. */
TEST(samplers_vectors_switches) {
    static const double Q4[] = {.4, .3, .2, .1}, tie[] = {.4, .3, .3, 0}, even[] = {.1, .3, .3, .3};
    GIVES("top_k=3;top_p=0.75", Q4, 4 / 7., 3 / 7., 0, 0);
    GIVES("top_k=3;top_p=0.75,mass:joint", Q4, 4 / 9., 3 / 9., 2 / 9., 0);
    GIVES("top_p=0.65", Q4, 4 / 7., 3 / 7., 0, 0);
    GIVES("top_p=0.65,crossing:drop", Q4, 1, 0, 0, 0);
    GIVES("top_p=0.3,crossing:drop", Q4, 1, 0, 0, 0);
    GIVES("top_p=0.75,crossing:drop", Q4, 4 / 7., 3 / 7., 0, 0);
    GIVES("top_k=2", tie, 4 / 7., 3 / 7., 0, 0);
    GIVES("top_k=2,ties:keep", tie, .4, .3, .3, 0);
    GIVES("top_k=1,ties:keep", even, 0, 1 / 3., 1 / 3., 1 / 3.);
    trial t = {.order = "penalties=2,scope:output", .prompt = {0}, .n_prompt = 1, .context = SAMPLER_CONTEXT_INIT};
    GIVES_FROM(t, Q4, .4, .3, .2, .1);
    t.order = "penalties=1,presence:1,scope:split";
    GIVES_FROM(t, Q4, .4, .3, .2, .1);
    t.order = "penalties=1,presence:1";
    double s = .4 * exp(-1) + .6;
    GIVES_FROM(t, Q4, .4 * exp(-1) / s, .3 / s, .2 / s, .1 / s);
    t = (trial){.order = "penalties=1,frequency:1,last_n:2", .prompt = {0, 1}, .n_prompt = 2, .output = {1, 2},
                .n_output = 2, .context = SAMPLER_CONTEXT_INIT};
    s = .4 + .3 * exp(-1) + .2 * exp(-1) + .1; /* of 0 1 1 2 the last two count: 1 and 2 once each */
    GIVES_FROM(t, Q4, .4 / s, .3 * exp(-1) / s, .2 * exp(-1) / s, .1 / s);
}

TEST(samplers_vectors_mirostat) {
    float l[50];
    glimpse_token t;
    draw_key key = {1, 0};
    static const double p[] = {.5, .25, .125, .0625, .0625};
    for (int i = 0; i < 5; i++) l[i] = (float)log(p[i]);
    trial two = {.order = "mirostat=2,tau:1.5,eta:0.1", .context = SAMPLER_CONTEXT_INIT};
    double q[MOST];
    chain *c = open_trial(&two, 5), *d = NULL;
    REQUIRE(c != NULL);
    finals_of(c, l, 5, true, q); /* mu = 3: 1/8 is exactly on the edge, so a hair above it */
    l[2] = logf(0.1251f);
    finals_of(c, l, 5, true, q);
    EXPECT_NEAR(q[0], .571429, 2e-4);
    EXPECT_NEAR(q[2], .142857, 2e-4);
    EXPECT_EQ(q[3] + q[4], 0);
    /* pick 0: mu = 3 - .1 (-log2 .571 - 1.5) = 3.069265: 0.119 still stays, 0.1185 goes */
    for (uint32_t at = 0;; at++) {
        REQUIRE(at < 100);
        REQUIRE_OK(chain_draw(c, l, &key, at, 0, &t, NULL));
        if (t.id == 0) break;
    }
    REQUIRE_OK(chain_clone(c, &d));
    chain_accept(c, 0);
    double edge = exp2(-3.069265);
    for (int side = -1; side <= 1; side += 2) {
        double x = edge * (1 + side * 1e-3);
        float row[3] = {logf((float)(1 - 1.05 * x)), logf((float)x), logf((float)(.05 * x))};
        float five[5] = {row[0], row[1], row[2], -INFINITY, -INFINITY};
        finals_of(c, five, 5, true, q);
        EXPECT((q[1] > 0) == (side > 0));
        finals_of(d, five, 5, true, q); /* mu still 3 there: the limit is higher */
        EXPECT(q[1] == 0);
    }
    chain_reset(c);
    l[2] = logf(0.1249f);
    finals_of(c, l, 5, true, q);
    EXPECT(q[2] == 0);
    chain_close(c);
    chain_close(d);
    /* version 1, Zipf 1.2 over 50: s = 1.2; mu = 2 tau = 4 keeps k = 4.3869; mu = 10 gives 140, all */
    for (int i = 0; i < 50; i++) l[i] = (float)(-1.2 * log(i + 1));
    trial one = {.order = "mirostat=1,tau:2", .context = SAMPLER_CONTEXT_INIT};
    c = open_trial(&one, 50);
    REQUIRE(c != NULL);
    REQUIRE_OK(chain_draw(c, l, &key, 0, 0, &t, NULL));
    EXPECT_EQ(t.kept, 4);
    chain_close(c);
    one.order = "mirostat=1,tau:5";
    c = open_trial(&one, 50);
    REQUIRE(c != NULL);
    REQUIRE_OK(chain_draw(c, l, &key, 0, 0, &t, NULL));
    EXPECT_EQ(t.kept, 50);
    trial forced = {.order = "forced_tokens=7", .context = SAMPLER_CONTEXT_INIT}; /* whatever the model says */
    chain *f = open_trial(&forced, 50);
    REQUIRE(f != NULL);
    l[7] = -INFINITY;
    REQUIRE_OK(chain_draw(f, l, &key, 0, 0, &t, NULL));
    EXPECT(t.id == 7 && t.p_final == 1 && t.kept == 1);
    chain_close(f);
    for (int i = 0; i < 50; i++) l[i] = 0; /* flat: s = 0 */
    REQUIRE_OK(chain_draw(c, l, &key, 0, 0, &t, NULL));
    EXPECT_EQ(t.kept, 50);
    chain_close(c);
}

/* The state after each token, against the recurrence; clone and reset. */
TEST(samplers_vectors_adaptive_p_steps) {
    static const double P[] = {.5, .25, .15, .07, .03};
    float l[5];
    double w = .2 / (1 - .9), n = 1 / (1 - .9), q[MOST];
    trial t = {.order = "adaptive_p=0.2", .context = SAMPLER_CONTEXT_INIT};
    chain *c = open_trial(&t, 5), *start = NULL;
    REQUIRE(c != NULL);
    REQUIRE_OK(chain_clone(c, &start));
    for (int i = 0; i < 5; i++) l[i] = (float)log(P[i]);
    for (uint32_t step = 0; step < 50; step++) {
        double a = fmin(fmax(2 * .2 - w / n, 0), 1), e[5], sum = 0;
        for (int i = 0; i < 5; i++) {
            double d = fabs(P[i] - a) / .3;
            sum += e[i] = exp(5 - 10 * d * d / (1 + d));
        }
        if (step % 10 == 9) { /* going back to a clone gives the same */
            chain *copy = NULL;
            REQUIRE_OK(chain_clone(c, &copy));
            chain_close(c);
            c = copy;
        }
        finals_of(c, l, 5, true, q);
        for (int i = 0; i < 5; i++) EXPECT_NEAR(q[i], e[i] / sum, 2e-5);
        glimpse_token token;
        REQUIRE_OK(chain_draw(c, l, &(draw_key){7, 0}, step, 0, &token, NULL));
        chain_accept(c, token.id);
        w = P[token.id] + .9 * w;
        n = 1 + .9 * n;
    }
    double fresh[MOST];
    finals_of(start, l, 5, true, fresh);
    chain_reset(c);
    finals_of(c, l, 5, true, q);
    for (int i = 0; i < 5; i++) EXPECT(q[i] == fresh[i]);
    chain_close(c);
    chain_close(start);
}

TEST(samplers_vectors_length) {
    static const double P[] = {.5, .3, .2};
    trial t = {.order = "min_length=2", .prompt = {0, 0, 0}, .n_prompt = 3, .output = {1}, .n_output = 1,
               .context = SAMPLER_CONTEXT_INIT};
    t.context.eos = 1;
    GIVES_FROM(t, P, .5 / .7, 0, .2 / .7);
    t.n_output = 2;
    GIVES_FROM(t, P, .5, .3, .2);
    /* the EOS logit grows by |l| (1.5^(2 - 1) - 1) */
    t.order = "length_decay=1.5,start:1";
    double x = .3 * exp(-log(.3) * .5), s = .7 + x;
    GIVES_FROM(t, P, .5 / s, x / s, .2 / s);
    t.n_output = 1;
    GIVES_FROM(t, P, .5, .3, .2);
    t.order = "forced_eos=true";
    t.context.max_tokens = 2;
    GIVES_FROM(t, P, 0, 1, 0);
    t.context.max_tokens = 3;
    GIVES_FROM(t, P, .5, .3, .2);
    t.context.eos = -1;
    t.context.max_tokens = 2;
    GIVES_FROM(t, P, .5, .3, .2);
    t.order = "forced_tokens=2,0";
    GIVES_FROM(t, P, 1, 0, 0); /* one was generated: the second is due */
    t.n_output = 2;
    GIVES_FROM(t, P, .5, .3, .2);
}

static void fake_cosines(void *user, int32_t id, float *out) {
    ++*(int *)user;
    for (int j = 0; j < 4; j++) out[j] = j == id ? 1.0f : j == (id + 1) % 4 ? 0.5f : -0.25f;
}

TEST(samplers_vectors_cosine_penalty) {
    static const double Q[] = {.4, .3, .2, .1};
    int computed = 0;
    trial t = {.order = "cosine_penalty=2,last_n:2", .prompt = {3, 0}, .n_prompt = 2, .output = {1}, .n_output = 1,
               .context = SAMPLER_CONTEXT_INIT};
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    chain *c = NULL;
    s.order = t.order;
    EXPECT_ERR(chain_open(&s, 4, &c), GLIMPSE_E_UNSUPPORTED, "embedding");
    t.context.cosines = fake_cosines;
    t.context.user = &computed;
    /* the last two are 0 and 1: largest cosines 1, 1, .5, -.25 */
    double e[4] = {.4 * exp(-2), .3 * exp(-2), .2 * exp(-1), .1 * exp(.5)}, sum = e[0] + e[1] + e[2] + e[3];
    GIVES_FROM(t, Q, e[0] / sum, e[1] / sum, e[2] / sum, e[3] / sum);
    EXPECT_EQ(computed, 2);
    float l[4];
    double p[MOST];
    for (int i = 0; i < 4; i++) l[i] = logf((float)Q[i]);
    c = open_trial(&t, 4);
    computed = 0;
    for (int k = 0; k < 8; k++) { /* each new token is computed once; 1 is already there */
        finals_of(c, l, 4, true, p);
        chain_accept(c, k % 2);
    }
    EXPECT_EQ(computed, 2);
    chain_accept(c, 2);
    finals_of(c, l, 4, true, p); /* 1 and 2: -.25, 1, 1, .5 */
    EXPECT_EQ(computed, 3);
    double f[4] = {.4 * exp(.5), .3 * exp(-2), .2 * exp(-2), .1 * exp(-1)}, fs = f[0] + f[1] + f[2] + f[3];
    for (int i = 0; i < 4; i++) EXPECT_NEAR(p[i], f[i] / fs, 1e-5);
    chain_close(c);
}
