/* test_kernels_bits.c -- the promise of backend.h: the same bits whatever the instruction set, the threads and the batch;
 * the polynomials against libm in double; the floating-point mode of the host. */
#include "tests/test_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/cpu/cpu.h"
#include "kernels/dtype.h"
#include "tests/oracle.h"
#include "tests/test.h"

enum { N = 70 };

static const shape bit_shapes[] = {
    SHAPE_GPT2,
    {.layers = 2, .heads = 8, .kv_heads = 2, .hd = 20, .channels = 50, .ffn = 131, .vocab = 77, .tokens = 96,
     .dtype = GLIMPSE_BF16, .norm = GLIMPSE_RMSNORM, .gated = true, .qk_norm = true, .activation = GLIMPSE_SILU,
     .rope_dims = 20, .rope_scale = 1, .scale = 0.25f, .window = 9, .embed_scale = 1, .split = true},
    {.layers = 2, .heads = 1, .kv_heads = 1, .hd = 64, .channels = 64, .ffn = 100, .vocab = 33, .tokens = 96,
     .dtype = GLIMPSE_F16, .post_norm = true, .plus_one = true, .activation = GLIMPSE_GELU_ERF, .rope_dims = 32,
     .interleaved = true, .rope_scale = 1.1f, .scale = 0.1f, .softcap = 20, .logit_softcap = 5, .embed_scale = 8,
     .transposed = true, .biases = true},
};

static void seventy_rows(backend_row *rows, int vocab) {
    uint64_t random = 99;
    int32_t ids[N];
    for (int i = 0; i < N; i++) ids[i] = (int32_t)(oracle_random(&random) % (uint64_t)vocab);
    rows_of(rows, ids, N, 0, 0);
}

TEST(kernels_same_bits_on_every_isa_and_thread_count) {
    for (size_t i = 0; i < sizeof bit_shapes / sizeof *bit_shapes; i++) {
        tiny m;
        tiny_build(&m, &bit_shapes[i], 20 + i);
        size_t bytes = (size_t)(N * m.p.vocab) * sizeof(float);
        float *first = malloc(bytes), *next = malloc(bytes);
        backend_row rows[N];
        seventy_rows(rows, m.p.vocab);
        run_once(&backend_cpu, &m.p, "generic", 1, rows, N, 1, 96, first);
        for (int a = 0; a < 3; a++)
            for (int threads = 1; threads <= 3; threads++) {
                if (!isa_runs(all_isas[a])) continue;
                memset(next, 0, bytes);
                run_once(&backend_cpu, &m.p, all_isas[a], threads, rows, N, 1, 96, next);
                if (!EXPECT_MEM(next, first, bytes)) printf("  shape %zu, %s, %d threads\n", i, all_isas[a], threads);
            }
        free(first);
        free(next);
        tiny_free(&m);
    }
}

/* A row alone, among 16 and among 70 (both loop orders of matmul.h, every width of a tile). */
TEST(kernels_same_bits_in_every_batch) {
    for (size_t i = 0; i < sizeof bit_shapes / sizeof *bit_shapes; i++)
        for (int a = 0; a < 3; a++) {
            if (!isa_runs(all_isas[a])) continue;
            tiny m;
            tiny_build(&m, &bit_shapes[i], 30 + i);
            int V = m.p.vocab;
            backend_row rows[N];
            seventy_rows(rows, V);
            for (int r = 0; r < N; r++) rows[r].strip = r, rows[r].pos = 0;
            float *alone = calloc((size_t)(N * V), sizeof(float)), *batch = calloc((size_t)(N * V), sizeof(float));
            backend_config cfg = {.threads = 2, .max_rows = N, .max_logits = N, .n_strips = N, .strip_tokens = 1, .isa = all_isas[a]};
            backend *be = NULL;
            REQUIRE_OK(backend_cpu.open(&be, &m.p, &cfg));
            for (int r = 0; r < N; r++) run_rows_on(be, &m.p, &rows[r], 1, alone + r * V);
            static const int sizes[] = {2, 3, 5, 6, 7, 13, 16, 48, 49, 70};
            for (size_t b = 0; b < sizeof sizes / sizeof *sizes; b++) {
                memset(batch, 0, (size_t)(N * V) * sizeof(float));
                for (int r = 0; r < N; r += sizes[b])
                    run_rows_on(be, &m.p, rows + r, sizes[b] < N - r ? sizes[b] : N - r, batch + r * V);
                EXPECT_MEM(batch, alone, (size_t)(N * V) * sizeof(float));
            }
            backend_cpu.close(be);
            free(alone);
            free(batch);
            tiny_free(&m);
        }
}

/* A chunk larger than a task, rows of weights beyond a panel, bf16 converted in scratch: wide models. */
TEST(kernels_same_bits_in_wide_layers) {
    for (int d = 0; d < 3; d++) {
        shape s = SHAPE_GPT2;
        s.layers = 1, s.heads = 6, s.kv_heads = 6, s.hd = 64, s.channels = 384, s.ffn = 1537, s.vocab = 1003;
        s.dtype = (glimpse_dtype)d;
        s.gated = d == 1;
        tiny m;
        tiny_build(&m, &s, 40);
        size_t bytes = (size_t)(N * m.p.vocab) * sizeof(float);
        float *first = malloc(bytes), *next = malloc(bytes);
        backend_row rows[N];
        seventy_rows(rows, m.p.vocab);
        run_once(&backend_cpu, &m.p, NULL, 2, rows, N, 1, 96, first);
        backend_config cfg = {.threads = 3, .max_rows = N, .max_logits = N, .n_strips = 1, .strip_tokens = 96, .isa = isa_runs("avx2") ? "avx2" : NULL};
        backend *be = NULL;
        REQUIRE_OK(backend_cpu.open(&be, &m.p, &cfg));
        for (int r = 0, n = 1; r < N; r += n, n = n % 9 + 1)
            run_rows_on(be, &m.p, rows + r, n < N - r ? n : N - r, next + r * m.p.vocab);
        EXPECT_MEM(next, first, bytes);
        backend_cpu.close(be);
        free(first);
        free(next);
        tiny_free(&m);
    }
}

/* Numbers of the vector functions ---------------------------------------------------------------------------------*/

static double oracle_of(const char *what, double x) {
    if (!strcmp(what, "exp")) return exp(x);
    if (!strcmp(what, "tanh")) return tanh(x);
    if (!strcmp(what, "normal_cdf")) return 0.5 * erfc(-x / sqrt(2));
    if (!strcmp(what, "silu")) return x / (1 + exp(-x));
    if (!strcmp(what, "gelu_erf")) return 0.5 * x * erfc(-x / sqrt(2));
    if (!strcmp(what, "gelu_tanh")) return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    return x <= 0 ? 0 : x;
}

static double ulps(float got, double want) {
    int e;
    frexp(want, &e);
    return fabs((double)got - want) / ldexp(1, e < -125 ? -149 : e - 24);
}

TEST(kernels_vector_functions) {
    static const cpu_kernels *const isas[] = {&cpu_kernels_generic,
#if defined(__x86_64__)
                                              &cpu_kernels_avx2, &cpu_kernels_avx512
#endif
    };
    /* from, to: where the bound in ulp is meant; tails of the activations are bounded absolutely below */
    static const struct {
        const char *what;
        double from, to, limit;
    } range[] = {{"exp", -103, 88.7, 1.0},   {"tanh", -12, 12, 2.0},    {"normal_cdf", -0.4, 8, 2.0},
                 {"silu", -1, 30, 3.0},      {"gelu_erf", -1, 10, 3.5}, {"gelu_tanh", -1, 10, 3.5},
                 {"tanh", -1e-3, 1e-3, 2.0}, {"exp", -1e-3, 1e-3, 1.0}, {"relu", -5, 5, 0}};
    enum { POINTS = 100000 };
    static float x[POINTS], y[POINTS], other[POINTS];
    for (size_t i = 0; i < sizeof range / sizeof *range; i++) {
        double worst = 0;
        float at = 0;
        for (int j = 0; j < POINTS; j++)
            x[j] = (float)(range[i].from + (range[i].to - range[i].from) * (j + 0.37) / POINTS);
        isas[0]->map(range[i].what, x, y, POINTS);
        for (int j = 0; j < POINTS; j++) {
            double u = ulps(y[j], oracle_of(range[i].what, (double)x[j]));
            if (!(u <= worst)) worst = u, at = x[j];
        }
        if (!EXPECT_LE(worst, range[i].limit)) printf("  %s at %.9g\n", range[i].what, (double)at);
        for (int j = 0; j < POINTS; j++) x[j] *= 3; /* tails: against the largest of |x| and 1 */
        isas[0]->map(range[i].what, x, y, POINTS);
        for (int j = 0; j < POINTS && strcmp(range[i].what, "exp"); j++)
            if (!(fabs((double)y[j] - oracle_of(range[i].what, (double)x[j])) <= 2e-7 * fmax(1, fabs((double)x[j])))) {
                test_check(false, __FILE__, __LINE__, "%s(%.9g) = %.9g", range[i].what, (double)x[j], (double)y[j]);
                break;
            }
        for (size_t a = 1; a < sizeof isas / sizeof *isas; a++)
            if (isa_runs(isas[a]->name)) {
                isas[a]->map(range[i].what, x, other, POINTS);
                EXPECT_MEM(other, y, sizeof y);
            }
    }
    float edge[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 1e-40f, 3e38f, -3e38f, 88.73f, -103.9f, -104.5f, 88.0f};
    enum { EDGES = sizeof edge / sizeof *edge };
    static const char *const all[] = {"exp", "tanh", "normal_cdf", "silu", "gelu_erf", "gelu_tanh", "relu"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t a = 0; a < sizeof isas / sizeof *isas; a++) {
            float got[EDGES], want[EDGES];
            if (!isa_runs(isas[a]->name)) continue;
            isas[a]->map(all[i], edge, got, EDGES);
            for (int j = 0; j < EDGES; j++) want[j] = (float)oracle_of(all[i], (double)edge[j]);
            expect_close(got, want, EDGES, 1e-6, all[i]);
        }
}

TEST(kernels_f16_conversion_is_exact) { /* all 65536, against the definition */
    for (uint32_t h = 0; h < 65536; h++) {
        int e = (int)(h >> 10 & 31), m = (int)(h & 1023);
        double want = e == 31 ? (m ? (double)NAN : (double)INFINITY) : ldexp(e ? 1024 + m : m, (e ? e : 1) - 25);
        float got = f16_to_f32((uint16_t)h);
        if (h & 0x8000) want = -want;
        if (!(isnan(want) ? isnan(got) : (double)got == want && !signbit(got) == !(h & 0x8000))) {
            test_check(false, __FILE__, __LINE__, "f16 %04x is %.9g, not %.9g", h, (double)got, want);
            return;
        }
    }
}

#if defined(__x86_64__)
/* A host that flushes denormals (-Ofast start-up) or rounds down sees the same samples, and keeps its mode. */
TEST(kernels_host_floating_point_mode) {
    shape s = SHAPE_GPT2;
    s.channels = 64;
    tiny m;
    tiny_build(&m, &s, 50);
    float *e = (float *)(uintptr_t)m.phases[0].embedding.data;
    for (int64_t i = 0; i < 64 * 40; i++) e[i] *= 1e-39f; /* denormal weights */
    backend_row rows[N];
    seventy_rows(rows, 40);
    size_t bytes = (size_t)(N * m.p.vocab) * sizeof(float);
    float *first = malloc(bytes), *next = malloc(bytes);
    run_once(&backend_cpu, &m.p, NULL, 2, rows, N, 1, 96, first);
    unsigned before = _mm_getcsr(), odd = before | 0x8040 | 0x2000;
    _mm_setcsr(odd);
    run_once(&backend_cpu, &m.p, NULL, 2, rows, N, 1, 96, next);
    unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    EXPECT_EQ(after & ~0x3fu, odd & ~0x3fu); /* its sticky flags aside */
    EXPECT_MEM(next, first, bytes);
    free(first);
    free(next);
    tiny_free(&m);
}
#endif
