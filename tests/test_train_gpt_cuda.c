/* test_train_gpt_cuda.c -- the training example for the GPU, emulated, against the processor's: losses, gradients and steps of
 * AdamW, in several orders of blocks and threads; the same bits in each; nothing left on the device. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "examples/train_gpt/adamw.h"
#include "examples/train_gpt/gpt_pass.h"
#include "examples/train_gpt/rng64.h"
#include "tests/emu/emu.h"
#include "tests/test.h"

int gpu_gpt_prepare(gpt *model, int B, int T, int threads);
void gpu_gpt_unprepare(gpt *model);
double gpu_gpt_losses(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T, float *losses);
double gpu_gpt_loss_and_grads(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T);
double gpu_adamw_step(adamw *opt, gpt *model, float lr, int threads);
void gpu_training_upload(gpt *model, const adamw *opt);
void gpu_training_download(gpt *model, adamw *opt);
void gpu_gradients(const gpt *model, float *out);

enum { B = 2, T = 9, STEPS = 3 };

static void model_make(gpt *m) {
    uint64_t rng = rng64_seed(11, 0);
    memset(m, 0, sizeof *m);
    REQUIRE(gpt_create(m, (gpt_config){.max_seq_len = 12, .vocab_size = 13, .n_layers = 2, .n_heads = 2, .channels = 12, .padded_vocab = 16}) == 0);
    gpt_init_weights(m, &rng);
    for (size_t i = 0; i < m->n_params; i++) m->params_memory[i] += (float)(0.05 * rng64_normal(&rng)); /* biases and norms too */
    memset(m->params_memory + 13 * 12, 0, 3 * 12 * sizeof(float)); /* the padding */
}

static void expect_close(const float *a, const float *b, size_t n, double tol, const char *what) {
    double worst = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = d;
        if (fabs((double)b[i]) > size) size = fabs((double)b[i]);
    }
    test_check(size > 0 && worst <= tol * size, __FILE__, __LINE__, "%s: off by %g of %g", what, worst, size);
}

TEST_LIMIT(train_gpt_cuda_is_train_gpt, 120) {
    gpt cpu, gpu;
    adamw a, b;
    int32_t ids[B * T], targets[B * T];
    float cpu_losses[B * T], losses[B * T], *grads = NULL, *first = NULL;
    model_make(&cpu);
    size_t n = cpu.n_params;
    grads = malloc(n * sizeof *grads);
    first = calloc(n, sizeof *first);
    for (int i = 0; i < B * T; i++) ids[i] = i * 5 % 13, targets[i] = (i * 7 + 1) % 13;
    for (int order = EMU_FORWARD; order <= EMU_RANDOM; order++) {
        size_t held = emu_device_bytes();
        int handles = emu_handles();
        emu_schedule(order, 3);
        gpt_free(&cpu);
        model_make(&cpu);
        model_make(&gpu);
        REQUIRE(gpt_prepare(&cpu, B, T, 1) == 0 && gpu_gpt_prepare(&gpu, B, T, 1) == 0);
        REQUIRE(adamw_create(&a, n, 0.1f, 1.0f) == 0 && adamw_create(&b, n, 0.1f, 1.0f) == 0);
        gpu_training_upload(&gpu, &b);
        for (int step = 0; step < STEPS; step++) {
            double wanted = gpt_losses(&cpu, ids, targets, B, T, cpu_losses), got = gpu_gpt_losses(&gpu, ids, targets, B, T, losses);
            EXPECT_NEAR(got, wanted, 2e-6);
            expect_close(losses, cpu_losses, B * T, 2e-6, "losses");
            EXPECT_NEAR(gpu_gpt_loss_and_grads(&gpu, ids, targets, B, T), gpt_loss_and_grads(&cpu, ids, targets, B, T), 2e-6);
            gpu_gradients(&gpu, grads);
            for (size_t t = 0, at = 0; t < GPT_TENSORS; at += cpu.sizes[t++])
                expect_close(grads + at, cpu.grads_memory + at, cpu.sizes[t], 2e-5, "gradients");
            EXPECT_NEAR(gpu_adamw_step(&b, &gpu, 1e-3f, 1), adamw_step(&a, &cpu, 1e-3f, 1), 1e-5);
        }
        gpu_training_download(&gpu, &b);
        /* A gradient near 0 has a sign that rounding may turn: one step moves a weight by the learning rate whatever its size. */
        expect_close(gpu.params_memory, cpu.params_memory, n, 5e-3, "weights");
        expect_close(b.m, a.m, n, 2e-4, "first moments");
        expect_close(b.v, a.v, n, 2e-4, "second moments");
        if (order == EMU_FORWARD) memcpy(first, gpu.params_memory, n * sizeof *first);
        else EXPECT_MEM(first, gpu.params_memory, n * sizeof *first); /* the same bits in any order */
        const char *problem = emu_problem();
        EXPECT_STREQ(problem ? problem : "", "");
        gpu_gpt_unprepare(&gpu);
        EXPECT_EQ(emu_device_bytes(), held);
        EXPECT_EQ(emu_handles(), handles);
        adamw_free(&a);
        adamw_free(&b);
        gpt_free(&gpu);
    }
    gpt_free(&cpu);
    free(grads);
    free(first);
}
