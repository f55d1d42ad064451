/* test_cuda_generate.c -- whole samples on the emulated device, through bursts, beside the CPU's: the same tokens and texts,
 * stops, ends and records; every CUDA call failing in turn; the library's loading. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/cuda_library.h"
#include "sampling/generate.h"
#include "tests/emu/emu.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"

extern const backend_ops backend_cuda;

typedef struct setup {
    tiny_gpt g;
    model *m;
    tokenizer *t;
} setup;

static void make(setup *s, int T, int eos) {
    tiny_gpt_make(&s->g, 2, 2, 32, 61, T, eos, 3);
    EXPECT_OK(model_from_description(&s->g.model, &s->m));
    EXPECT_OK(tokenizer_from_description(&s->g.model.tokenizer, 61, eos, &s->t));
}
static void done(setup *s) {
    model_close(s->m);
    tokenizer_close(s->t);
    tiny_gpt_free(&s->g);
}

static const int32_t ids_a[] = {5, 9, 2, 30, 11}, ids_b[] = {60};
static const batch_prompt prompts[] = {{"abc", 3, ids_a, 5}, {"z", 1, ids_b, 1}};
static const sampler_settings settings[] = {{0.8, 20, 1, 0, 1, NULL}, {1.3, 0, 0.9, 0.01, 1.1, NULL}, {1, 0, 1, 0, 1, "dry=0.8;top_k=9"}};
static const char *const labels[] = {"a", "b", "c"};

static glimpse_status run(setup *s, const backend_ops *ops, const batch_request *rq, batch_result *out) {
    generator *g = NULL;
    generator_config cfg = {.threads = 1, .ops = ops};
    TRY(generator_open(s->m, s->t, &cfg, &g));
    glimpse_status st = generate_batch(g, rq, out);
    generator_close(g);
    return st;
}

static void expect_same(const batch_result *a, const batch_result *b) {
    EXPECT_EQ(a->n_samples, b->n_samples);
    for (int i = 0; i < a->n_samples && i < b->n_samples; i++) {
        const glimpse_sample *x = &a->samples[i], *y = &b->samples[i];
        EXPECT_EQ(x->n_tokens, y->n_tokens);
        EXPECT_EQ(x->stop, y->stop);
        EXPECT_STREQ(x->text, y->text);
        for (int k = 0; k < x->n_tokens && k < y->n_tokens; k++) {
            const glimpse_token *p = &x->tokens[k], *q = &y->tokens[k];
            if (!EXPECT_EQ(p->id, q->id)) return;
            EXPECT_EQ(p->kept, q->kept);
            EXPECT_EQ(p->rank, q->rank);
            EXPECT_EQ(p->n_top, q->n_top);
            EXPECT_NEAR(p->logprob, q->logprob, 3e-4 * (1 + fabs((double)q->logprob)));
            EXPECT_NEAR(p->p_final, q->p_final, 2e-4);
            EXPECT_NEAR(p->entropy, q->entropy, 1e-3);
            EXPECT_NEAR(p->dot, q->dot, 1e-6);
            for (int j = 0; j < p->n_top && j < q->n_top; j++) EXPECT_NEAR(p->top[j].p, q->top[j].p, 2e-4);
        }
    }
}

TEST_LIMIT(cuda_generates_what_the_cpu_does, 120) {
    static const char *const stops[] = {"+", "B9"};
    for (int variant = 0; variant < 4; variant++) {
        setup s;
        make(&s, 64, variant == 1 ? 17 : -1);
        batch_request rq = {.prompts = prompts, .n_prompts = 2, .settings = settings, .labels = labels, .n_settings = variant == 2 ? 3 : 2,
                            .num_samples = 2, .max_tokens = variant == 0 ? 100 : 24, .n_top = 3, .seed = 7};
        if (variant == 3) rq.settings = settings + 2, rq.n_settings = 1, rq.n_top = 15; /* of each row a part comes to the host */
        if (variant == 1) rq.stops = stops, rq.n_stops = 2;
        batch_result cpu = {0}, cuda = {0};
        emu_schedule(variant, 9);
        long launches = emu_launches();
        EXPECT_OK(run(&s, &backend_cpu, &rq, &cpu));
        EXPECT_OK(run(&s, &backend_cuda, &rq, &cuda));
        EXPECT_LT(launches, emu_launches());
        expect_same(&cuda, &cpu);
        const char *problem = emu_problem();
        test_check(!problem, __FILE__, __LINE__, "variant %d: %s", variant, problem ? problem : "");
        batch_result_free(&cpu);
        batch_result_free(&cuda);
        EXPECT_EQ(emu_device_bytes(), 0);
        EXPECT_EQ(emu_handles(), 0);
        done(&s);
    }
}

/* Out of memory once, a device that is gone for ever, ... at every CUDA call in turn: a text, nothing held, and a good run after. */
TEST_LIMIT(cuda_every_call_fails, 240) {
    if (emu_is_chip()) SKIP("a chip does not fail when it is asked to");
    setup s;
    make(&s, 32, -1);
    static const struct { int error, forever; } how[] = {{2, 0}, {700, 1}, {719, 0}, {999, 1}};
    batch_request rq = {.prompts = prompts, .n_prompts = 1, .settings = settings, .labels = labels, .n_settings = 1, .num_samples = 2,
                        .max_tokens = 4, .n_top = 2, .seed = 7};
    batch_result r = {0};
    emu_fail(0, 0, 0);
    REQUIRE_OK(run(&s, &backend_cuda, &rq, &r));
    batch_result_free(&r);
    long calls = emu_calls();
    EXPECT_LT(100, calls);
    for (long n = 1; n <= calls; n += test_is_full() ? 1 : 19) { /* test_cuda_persist.c has the steps' own calls */
        int k = (int)(n % 4);
        emu_fail(n, how[k].error, how[k].forever);
        status_clear();
        r = (batch_result){0};
        glimpse_status st = run(&s, &backend_cuda, &rq, &r);
        if (st < 0) {
            test_check(st == GLIMPSE_E_MEMORY || st == GLIMPSE_E_DEVICE, __FILE__, __LINE__, "call %ld: %d %s", n, st, status_text());
            EXPECT(status_text()[0]);
        } else batch_result_free(&r);
        emu_fail(0, 0, 0);
        test_check(!emu_device_bytes() && !emu_handles(), __FILE__, __LINE__, "call %ld of %ld, error %d: %zu bytes and %d handles are left",
                   n, calls, how[k].error, emu_device_bytes(), emu_handles());
        (void)emu_problem();
    }
    EXPECT_OK(run(&s, &backend_cuda, &rq, &r));
    batch_result_free(&r);
    done(&s);
}

TEST(cuda_no_device) {
    if (emu_is_chip()) SKIP("there is a device");
    setup s;
    make(&s, 32, -1);
    batch_request rq = {.prompts = prompts, .n_prompts = 1, .settings = settings, .labels = labels, .n_settings = 1, .num_samples = 1,
                        .max_tokens = 4, .seed = 7};
    batch_result r = {0};
    emu_devices(0);
    EXPECT_ERR(run(&s, &backend_cuda, &rq, &r), GLIMPSE_E_DEVICE, "no CUDA device was found\nhint: --device cpu");
    emu_devices(1);
    emu_driver(11040);
    EXPECT_ERR(run(&s, &backend_cuda, &rq, &r), GLIMPSE_E_DEVICE, "the NVIDIA driver is older than CUDA 13.0");
    emu_driver(13000);
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
    done(&s);
}

glimpse_status cuda_probe(int32_t device);
TEST(cuda_probes) {
    if (emu_is_chip()) SKIP("there is a device");
    EXPECT_OK(cuda_probe(0));
    EXPECT_ERR(cuda_probe(1), GLIMPSE_E_DEVICE, "device cuda:1; there is 1");
    emu_devices(0);
    EXPECT_ERR(cuda_probe(0), GLIMPSE_E_DEVICE, "no CUDA device was found");
    emu_devices(1);
    emu_driver(0);
    EXPECT_ERR(cuda_probe(0), GLIMPSE_E_DEVICE, "no CUDA device was found");
    emu_driver(13000);
}

TEST(cuda_device_names) {
    int32_t d = -1;
    EXPECT(cuda_device_of("cuda", &d));
    EXPECT_EQ(d, 0);
    EXPECT(cuda_device_of("cuda:3", &d));
    EXPECT_EQ(d, 3);
    EXPECT(!cuda_device_of("cpu", &d));
    EXPECT(!cuda_device_of("cuda:", &d));
    EXPECT(!cuda_device_of("cuda:1x", &d));
    EXPECT(!cuda_device_of(NULL, &d));
}

/* Beside the test runner there is none. */
TEST(cuda_library_that_is_not_there) {
    const backend_ops *ops = NULL;
    EXPECT_ERR(cuda_library_load(&ops), GLIMPSE_E_LIBRARY, "the CUDA backend was not loaded");
    EXPECT(strstr(status_text(), "--device cpu"));
    EXPECT(!ops);
}
