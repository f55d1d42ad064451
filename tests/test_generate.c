/* test_generate.c -- whole samples: the same bits whatever computes them, stops where it says, cuts where it should. */
#include "kernels/backend.h"
#include "sampling/generate.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef struct setup {
    tiny_gpt g;
    model *m;
    tokenizer *t;
} setup;

static void make(setup *s, int T, int eos) {
    tiny_gpt_make(&s->g, 3, 4, 40, 61, T, eos, 3);
    EXPECT_OK(model_from_description(&s->g.model, &s->m));
    EXPECT_OK(tokenizer_from_description(&s->g.model.tokenizer, 61, eos, &s->t));
}

static void done(setup *s) {
    model_close(s->m);
    tokenizer_close(s->t);
    tiny_gpt_free(&s->g);
}

static batch_request request(const batch_prompt *p, int n_prompts, const sampler_settings *set, int n_settings, int n,
                             int tokens) {
    static const char *const labels[] = { "a", "b", "c" };
    return (batch_request){ .prompts = p, .n_prompts = n_prompts, .settings = set, .labels = labels,
                            .n_settings = n_settings, .num_samples = n, .max_tokens = tokens, .n_top = 3, .seed = 7 };
}

static const int32_t ids_a[] = { 5, 9, 2, 30, 11 }, ids_b[] = { 60 };
static const batch_prompt prompts[] = { { "abc", 3, ids_a, 5 }, { "z", 1, ids_b, 1 } };
static const sampler_settings settings[] = { { 0.8, 20, 1, 0, 1, NULL }, { 1.3, 0, 0.9, 0.01, 1.1, NULL } };

static void fingerprint(const batch_result *r, int i, buffer *out) {
    const glimpse_sample *s = &r->samples[i];
    for (int32_t k = 0; k < s->n_tokens; k++)
        buf_printf(out, "%d %a %a %d|", s->tokens[k].id, (double)s->tokens[k].logit, (double)s->tokens[k].entropy,
                   s->tokens[k].rank);
}

static char *run(setup *s, const char *isa, int threads, const backend_ops *ops, int n_samples, int which) {
    generator *g;
    generator_config cfg = { .threads = threads, .isa = isa, .ops = ops };
    batch_result r;
    buffer b = {0};
    if (!EXPECT_OK(generator_open(s->m, s->t, &cfg, &g))) return NULL;
    batch_request rq = request(prompts, 2, settings, 2, n_samples, 24);
    if (generate_batch(g, &rq, &r) >= 0) {
        fingerprint(&r, which, &b);
        batch_result_free(&r);
    } else buf_puts(&b, "unavailable");
    generator_close(g);
    return buf_take(&b, NULL);
}

TEST(generate_same_bits_whatever_computes) {
    setup s;
    make(&s, 64, -1);
    char *base = run(&s, "generic", 1, NULL, 1, 0);
    static const char *const isas[] = { "generic", "avx2", "avx512", NULL };
    int compared = 0;
    for (int i = 0; i < 4; i++)
        for (int threads = 1; threads <= 3; threads++)
            for (int n = 1; n <= 16; n += 15) {
                char *other = run(&s, isas[i], threads, NULL, n, 0);
                if (strcmp(other, "unavailable")) EXPECT_STREQ(base, other), compared++;
                free(other);
            }
    EXPECT_LE(6, compared);
    free(base);
    done(&s);
}

/* 70 samples are more than a wave of 64: those of the second wave are what they would be alone. */
TEST(generate_waves) {
    setup s;
    make(&s, 64, -1);
    generator *g;
    generator_config cfg = { .threads = 2 };
    batch_result all, one;
    buffer a = {0}, b = {0};
    REQUIRE_OK(generator_open(s.m, s.t, &cfg, &g));
    batch_request rq = request(prompts, 1, settings, 1, 70, 9);
    REQUIRE_OK(generate_batch(g, &rq, &all));
    EXPECT_EQ(all.n_samples, 70);
    fingerprint(&all, 3, &a);
    rq.num_samples = 4;
    REQUIRE_OK(generate_batch(g, &rq, &one));
    fingerprint(&one, 3, &b);
    EXPECT_STREQ(buf_str(&a), buf_str(&b));
    for (int i = 0; i < 70; i++) EXPECT_EQ(all.samples[i].n_tokens, 9);
    batch_result_free(&all);
    batch_result_free(&one);
    buf_free(&a), buf_free(&b);
    generator_close(g);
    done(&s);
}

TEST(generate_stops) {
    setup s;
    make(&s, 32, 17);
    generator *g;
    generator_config cfg = { .threads = 1 };
    batch_result r;
    REQUIRE_OK(generator_open(s.m, s.t, &cfg, &g));
    batch_request rq = request(prompts, 1, settings, 1, 16, 200);
    REQUIRE_OK(generate_batch(g, &rq, &r));
    int eos = 0, context = 0;
    for (int i = 0; i < r.n_samples; i++) {
        const glimpse_sample *x = &r.samples[i];
        if (x->stop == GLIMPSE_STOP_EOS) {
            eos++;
            EXPECT_EQ(x->tokens[x->n_tokens - 1].id, 17);
            EXPECT_EQ(x->text_bytes, x->n_tokens - 1); /* the EOS token is recorded, not part of the text */
        } else {
            context++;
            EXPECT_EQ(x->stop, GLIMPSE_STOP_CONTEXT);
            EXPECT_EQ(5 + x->n_tokens, 33); /* the last token is drawn at position 32, which the context does not hold */
        }
    }
    EXPECT(eos > 0 && context > 0);
    batch_result_free(&r);
    rq.ignore_eos = true;
    REQUIRE_OK(generate_batch(g, &rq, &r));
    for (int i = 0; i < r.n_samples; i++) EXPECT_EQ(r.samples[i].stop, GLIMPSE_STOP_CONTEXT);
    char text[64];
    c_snprintf(text, sizeof text, "%s", r.samples[0].text);
    batch_result_free(&r);
    const char stop[] = { text[4], text[5], 0 };
    const char *const stops[] = { "~~~never", stop };
    rq.stops = stops;
    rq.n_stops = 2;
    REQUIRE_OK(generate_batch(g, &rq, &r));
    EXPECT_EQ(r.samples[0].stop, GLIMPSE_STOP_STRING);
    EXPECT_EQ(r.samples[0].text_bytes, strstr(text, stop) - text);
    batch_result_free(&r);
    generator_close(g);
    done(&s);
}

/* However many tokens are asked for, memory is taken for those that the context holds. */
TEST(generate_more_tokens_than_any_context) {
    setup s;
    make(&s, 32, -1);
    generator *g;
    generator_config cfg = { .threads = 1 };
    batch_result r;
    REQUIRE_OK(generator_open(s.m, s.t, &cfg, &g));
    batch_request rq = request(prompts, 2, settings, 1, 2, 2000000000);
    REQUIRE_OK(generate_batch(g, &rq, &r));
    for (int i = 0; i < r.n_samples; i++) {
        EXPECT_EQ(r.samples[i].stop, GLIMPSE_STOP_CONTEXT);
        EXPECT_EQ(r.samples[i].n_prompt_ids + r.samples[i].n_tokens, 33);
    }
    batch_result_free(&r);
    generator_close(g);
    done(&s);
}

/* --- a model given as a function ----------------------------------------------------------------------------------- */

enum { FN_V = 13 };
static int fn_calls, fn_all_calls;

/* Logits that depend on all ids up to position t. */
static void fn_row(const int *ids, int t, float *out) {
    unsigned h = 17;
    for (int i = 0; i <= t; i++) h = h * 31 + (unsigned)ids[i];
    for (int v = 0; v < FN_V; v++) out[v] = (float)((h + (unsigned)v * 2654435761u) >> 8 & 1023) / 256;
}

static int fn_last(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user;
    fn_calls++;
    for (int b = 0; b < B; b++) fn_row(ids + b * T, lengths[b] - 1, out + b * FN_V);
    return 0;
}

static int fn_all(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    fn_all_calls++;
    for (int b = 0; b < B; b++)
        for (int t = 0; t < lengths[b]; t++) fn_row(ids + b * T, t, out + (b * T + t) * FN_V);
    return user ? 3 : 0;
}

/* One position, all positions, or both: the same samples and losses, and a text is scored in one call of logits_all. */
TEST(generate_function_of_all_positions) {
    static const int32_t text[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 1, 2, 2, 3, 3, 4 };
    static const int32_t a[] = { 3, 4, 5 }, b[] = { 6 };
    static const batch_prompt p[] = { { "a", 1, a, 3 }, { "b", 1, b, 1 } };
    int32_t targets[20];
    double losses[3][20];
    buffer samples[3] = {0};
    for (int i = 0; i < 20; i++) targets[i] = text[(i + 1) % 20];
    for (int which = 0; which < 3; which++) {
        glimpse_model d = GLIMPSE_MODEL_INIT;
        model *m;
        generator *g;
        generator_config cfg = { .threads = 2 };
        batch_result r;
        d.vocab_size = FN_V, d.max_seq_len = 32;
        d.logits = which != 1 ? fn_last : NULL;
        d.logits_all = which != 0 ? fn_all : NULL;
        REQUIRE_OK(model_from_description(&d, &m));
        REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
        fn_calls = fn_all_calls = 0;
        REQUIRE_OK(score_losses(g, text, targets, 1, 20, losses[which]));
        EXPECT_EQ(fn_calls, which == 0);
        EXPECT_EQ(fn_all_calls, which != 0);
        EXPECT_MEM(losses[which], losses[0], sizeof losses[0]);
        REQUIRE_OK(score_ids(g, text, 20, 2, &r));
        fingerprint(&r, 0, &samples[which]);
        batch_result_free(&r);
        fn_calls = fn_all_calls = 0;
        batch_request rq = request(p, 2, settings, 2, 2, 9);
        REQUIRE_OK(generate_batch(g, &rq, &r));
        EXPECT((fn_calls == 0) == (which == 1) && (fn_all_calls == 0) == (which != 1));
        for (int i = 0; i < r.n_samples; i++) fingerprint(&r, i, &samples[which]);
        EXPECT_STREQ(buf_str(&samples[which]), buf_str(&samples[0]));
        batch_result_free(&r);
        generator_close(g);
        model_close(m);
    }
    for (int i = 0; i < 3; i++) buf_free(&samples[i]);
    glimpse_model d = GLIMPSE_MODEL_INIT;
    model *m;
    generator *g;
    generator_config cfg = { .threads = 1 };
    double loss;
    d.vocab_size = FN_V, d.max_seq_len = 32, d.logits_all = fn_all, d.logits_user = &cfg;
    REQUIRE_OK(model_from_description(&d, &m));
    REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
    EXPECT_ERR(score_losses(g, text, targets, 1, 1, &loss), GLIMPSE_E_MODEL, "logits_all returned 3");
    generator_close(g);
    model_close(m);
}

TEST(generate_refuses) {
    setup s;
    make(&s, 16, -1);
    generator *g;
    generator_config cfg = { .threads = 1 };
    batch_result r;
    static const int32_t far[] = { 3, 61 };
    const batch_prompt outside = { "x", 1, far, 2 }, none = { "", 0, far, 0 };
    REQUIRE_OK(generator_open(s.m, s.t, &cfg, &g));
    batch_request rq = request(&outside, 1, settings, 1, 1, 4);
    EXPECT_ERR(generate_batch(g, &rq, &r), GLIMPSE_E_TOKENIZER, "id 61");
    rq.prompts = &none;
    EXPECT_ERR(generate_batch(g, &rq, &r), GLIMPSE_E_INVALID, "empty");
    rq.prompts = prompts;
    rq.max_tokens = 0;
    EXPECT_ERR(generate_batch(g, &rq, &r), GLIMPSE_E_INVALID, NULL);
    rq.max_tokens = 4;
    static const char *const stops[] = { "x", "" };
    rq.stops = stops, rq.n_stops = 2;
    EXPECT_ERR(generate_batch(g, &rq, &r), GLIMPSE_E_INVALID, "stop text 1");
    rq.n_stops = 0;
    rq.num_samples = INT32_MAX;
    EXPECT_ERR(generate_batch(g, &rq, &r), GLIMPSE_E_INVALID, "100000");
    generator_close(g);
    done(&s);
}

/* Chains of one lane share their scratch memory: many settings over a large vocabulary take little more than one. */
static int fn_flat(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)T, (void)ids, (void)lengths;
    int V = *(int *)user;
    for (int b = 0; b < B; b++)
        for (int v = 0; v < V; v++) out[(size_t)b * (size_t)V + (size_t)v] = (float)(v * 7919 % 1000) / 100;
    return 0;
}

static long peak_mb(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss / 1024;
}

TEST(generate_settings_share_memory) {
    enum { N = 150 };
    static sampler_settings set[N];
    static const char *labels[N];
    static const int32_t one[] = { 1 };
    static const batch_prompt p = { "a", 1, one, 1 };
    int V = 100000;
    for (int i = 0; i < N; i++) set[i] = (sampler_settings){ 1, i + 1, 1, 0, 1, NULL }, labels[i] = "k";
    glimpse_model d = GLIMPSE_MODEL_INIT;
    model *m;
    generator *g;
    generator_config cfg = { .threads = 2 };
    batch_result few, all;
    d.vocab_size = V, d.max_seq_len = 8, d.logits = fn_flat, d.logits_user = &V;
    REQUIRE_OK(model_from_description(&d, &m));
    REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
    batch_request rq = request(&p, 1, set, 64, 1, 2);
    rq.labels = labels;
    REQUIRE_OK(generate_batch(g, &rq, &few));
    long before = peak_mb();
    rq.n_settings = N;
    REQUIRE_OK(generate_batch(g, &rq, &all));
    if (!test_is_slow_build()) EXPECT_LT(peak_mb() - before, 100); /* 36 bytes x V x 2 lanes x 86 settings more were 600 */
    for (int i = 0; i < 64; i++)
        for (int k = 0; k < 2; k++) EXPECT_EQ(few.samples[i].tokens[k].id, all.samples[i].tokens[k].id);
    batch_result_free(&few);
    batch_result_free(&all);
    generator_close(g);
    model_close(m);
}

static int threads_of_process(void) {
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    while (dir && readdir(dir)) n++;
    if (dir) closedir(dir);
    return n - 2; /* . and .. */
}

/* The generator's threads are the backend's too. */
TEST(generate_one_pool) {
    setup s;
    make(&s, 64, -1);
    generator *g;
    generator_config cfg = { .threads = 3 };
    batch_result r;
    int before = threads_of_process();
    REQUIRE_OK(generator_open(s.m, s.t, &cfg, &g));
    int own = threads_of_process();
    EXPECT(own - before <= 2);
    for (int n = 1; n <= 8; n += 7) { /* the second batch needs a larger backend */
        batch_request rq = request(prompts, 2, settings, 2, n, 4);
        REQUIRE_OK(generate_batch(g, &rq, &r));
        EXPECT_EQ(threads_of_process(), own);
        batch_result_free(&r);
    }
    generator_close(g);
    done(&s);
}

static int fn_nan(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user, (void)T, (void)ids;
    for (int i = 0; i < B * FN_V; i++) out[i] = 1;
    for (int b = 0; b < B; b++)
        if (lengths[b] > 2) out[b * FN_V + 4] = copysignf(NAN, -1);
    return 0;
}

TEST(generate_says_why) {
    static const int32_t one[] = { 1, 2 };
    static const batch_prompt p = { "a", 1, one, 2 };
    glimpse_model d = GLIMPSE_MODEL_INIT;
    model *m;
    generator *g;
    generator_config cfg = { .threads = 2 };
    batch_result r;
    d.vocab_size = FN_V, d.max_seq_len = 32, d.logits = fn_nan;
    REQUIRE_OK(model_from_description(&d, &m));
    REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
    batch_request rq = request(&p, 1, settings, 1, 2, 9);
    REQUIRE_OK(generate_batch(g, &rq, &r));
    EXPECT_EQ(r.samples[0].stop, GLIMPSE_STOP_NONFINITE);
    EXPECT_STREQ(r.samples[0].why, "the logits at position 2 are not finite (id 4: nan)");
    batch_result_free(&r);
    generator_close(g);
    model_close(m);
}

TEST(generate_every_allocation_failing) {
    setup s;
    make(&s, 32, -1);
    long n = 1;
    for (; n < 100000; n = n < 40 ? n + 1 : n + 7) {
        generator *g = NULL;
        generator_config cfg = { .threads = 1 };
        batch_result r;
        test_fail_alloc(n);
        glimpse_status st = generator_open(s.m, s.t, &cfg, &g);
        if (st >= 0) {
            batch_request rq = request(prompts, 2, settings, 2, 2, 6);
            st = generate_batch(g, &rq, &r);
            if (st >= 0) batch_result_free(&r);
        }
        generator_close(g);
        if (test_fail_alloc(0) < n) break;
        EXPECT_EQ(st, GLIMPSE_E_MEMORY);
    }
    EXPECT_LT(20, n);
    done(&s);
}
