/* bench_decode.c -- how close a decode step of GPT-2 124M comes to reading its weights once, and what 16 samples cost
 * beside one.
 *
 *   calib    a loop that only reads: the weights of a step, from the same memory, with the same threads and tasks
 *   step1    one token of one sample at positions 128 .. 191            must: <= 1.2 calib
 *   step16   one token of each of 16 samples that share a prompt of 128 must: <= 2 step1, goal 1.5
 *
 * The three alternate in one process; what is reported are medians of ratios of neighbours in time, because a shared
 * machine changes its speed from one second to the next.  Weights are random; f32, then bf16.  Then prefill, against
 * OpenBLAS's sgemm on the same matrices where the library is found.  Usage: bench_decode [rounds] [threads] [isa]. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "include/internal/threads.h"
#include "kernels/backend.h"

enum { L = 12, H = 12, C = 768, V = 50257, VP = 50304, T = 1024, F = 4 * C, HD = C / H, PROMPT = 128, STEPS = 64, MAX_ROUNDS = 1000,
       SAMPLES = 16, PREFILL = 512 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The model -------------------------------------------------------------------------------------------------------*/

typedef struct gpt2 {
    plan p;
    phase phases[2 + 5 * L];
    char *weights, *next;
    size_t bytes, step_bytes; /* all; those that a step reads */
    glimpse_dtype dtype;
} gpt2;

static uint32_t random_state = 1;
static float random_weight(void) { /* uniform, sd 0.02 */
    random_state = random_state * 1664525 + 1013904223;
    return ((float)(random_state >> 8) / 16777216.0f - 0.5f) * 0.0692f;
}

static const void *tensor(gpt2 *m, int64_t n) {
    char *at = m->next;
    if (m->dtype == GLIMPSE_F32)
        for (int64_t i = 0; i < n; i++) ((float *)(void *)at)[i] = random_weight();
    else
        for (int64_t i = 0; i < n; i++) {
            float f = random_weight();
            memcpy(at + 2 * i, (char *)&f + 2, 2);
        }
    m->next += ((size_t)n * (m->dtype == GLIMPSE_F32 ? 4 : 2) + 63) / 64 * 64;
    return at;
}

static matrix mat(gpt2 *m, int64_t rows, int64_t cols) {
    return (matrix){tensor(m, rows * cols), m->dtype, rows, cols, cols, 1};
}
static vector vec(gpt2 *m, int64_t n) { return (vector){tensor(m, n), m->dtype, n}; }
static norm_spec norm(gpt2 *m) {
    return (norm_spec){true, GLIMPSE_LAYERNORM, vec(m, C), vec(m, C), 1e-5f, false};
}

static void matmul(gpt2 *m, phase *ph, int layer, int in, int out, int64_t rows, int64_t cols, matmul_store store) {
    *ph = (phase){.kind = PHASE_MATMUL, .layer = layer, .in = in, .out = out, .n_parts = 1, .store = store,
                  .heads = H, .kv_heads = H, .head_size = HD};
    ph->part[0] = mat(m, rows, cols);
    ph->bias[0] = vec(m, rows);
}

static void build(gpt2 *m, glimpse_dtype dtype) {
    size_t n = (size_t)VP * C + (size_t)T * C + (size_t)L * (12 * (size_t)C * C + 13 * C) + 2 * C + 65536;
    *m = (gpt2){.dtype = dtype, .bytes = n * (dtype == GLIMPSE_F32 ? 4 : 2)};
    if (posix_memalign((void **)&m->weights, 2 << 20, m->bytes)) exit(1);
    madvise(m->weights, m->bytes, MADV_HUGEPAGE);
    m->next = m->weights;
    phase *ph = m->phases;
    *ph = (phase){.kind = PHASE_EMBED, .layer = -1, .out = 0, .embed_scale = 1};
    ph->embedding = mat(m, VP, C);
    ph->positions = mat(m, T, C);
    matrix head = ph->embedding;
    ph++;
    for (int l = 0; l < L; l++) {
        matmul(m, ph, l, 0, 1, 3 * C, C, STORE_QKV);
        (ph++)->norm = norm(m);
        *ph++ = (phase){.kind = PHASE_ATTEND, .layer = l, .in = 1, .out = 2, .heads = H, .kv_heads = H,
                        .head_size = HD, .scale = 0.125f};
        matmul(m, ph++, l, 2, 0, C, C, STORE_ADD);
        matmul(m, ph, l, 0, 3, F, C, STORE_SET);
        ph->activate = true;
        (ph++)->norm = norm(m);
        matmul(m, ph++, l, 3, 0, C, F, STORE_ADD);
    }
    *ph = (phase){.kind = PHASE_HEAD, .layer = -1, .in = 0, .n_parts = 1};
    ph->part[0] = head;
    ph->norm = norm(m);
    m->step_bytes = ((size_t)V * C + (size_t)L * 12 * C * C) * (dtype == GLIMPSE_F32 ? 4 : 2);
    m->p = (plan){.phases = m->phases, .n_phases = (int)(sizeof m->phases / sizeof *m->phases), .n_buffers = 4,
                  .width = {C, C, C, F}, .n_layers = L, .heads = H, .kv_heads = H, .head_size = HD, .channels = C,
                  .vocab = V, .max_seq_len = T};
}

/* The calibrator --------------------------------------------------------------------------------------------------*/

enum { READ_CHUNK = 256 << 10 };
typedef struct reader {
    const char *at;
    size_t bytes;
    uint64_t sums[64];
} reader;

#if defined(__x86_64__)
__attribute__((target("avx2")))
#endif
static void read_chunk(void *arg, int task) {
    reader *r = arg;
    size_t first = (size_t)task * READ_CHUNK, end = first + READ_CHUNK < r->bytes ? first + READ_CHUNK : r->bytes;
#if defined(__x86_64__)
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (size_t i = first; i + 128 <= end; i += 128) {
        const __m256i *p = (const __m256i *)(const void *)(r->at + i);
        _mm_prefetch((const char *)p + 4096, _MM_HINT_T0);
        _mm_prefetch((const char *)p + 4096 + 64, _MM_HINT_T0);
        a = _mm256_xor_si256(a, _mm256_loadu_si256(p));
        b = _mm256_xor_si256(b, _mm256_loadu_si256(p + 1));
        c = _mm256_xor_si256(c, _mm256_loadu_si256(p + 2));
        d = _mm256_xor_si256(d, _mm256_loadu_si256(p + 3));
    }
    a = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
    r->sums[task & 63] ^= (uint64_t)_mm256_extract_epi64(a, 0);
#else
    uint64_t a = 0;
    for (size_t i = first; i + 8 <= end; i += 8) a ^= *(const uint64_t *)(const void *)(r->at + i);
    r->sums[task & 63] ^= a;
#endif
}

static double calibrate(pool *threads, const gpt2 *m) {
    static reader r;
    r = (reader){.at = m->weights, .bytes = m->step_bytes};
    double t = now();
    pool_run(threads, read_chunk, &r, (int)((m->step_bytes + READ_CHUNK - 1) / READ_CHUNK));
    return now() - t;
}

/* Steps -----------------------------------------------------------------------------------------------------------*/

static double forward(backend *be, const backend_row *rows, int n) {
    const float *logits;
    int64_t stride;
    double t = now();
    if (be->ops->forward(be, rows, n, &logits, &stride) != GLIMPSE_OK) {
        fprintf(stderr, "forward: %s\n", status_text());
        exit(1);
    }
    return now() - t;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}
static double quantile(double *v, int n, double q) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[(int)(q * (n - 1) + 0.5)];
}
static double median(double *v, int n) { return quantile(v, n, 0.5); }

/* Median of `over / under` with its quartiles; the arrays keep their order. */
static void ratio_line(const char *name, const double *over, const double *under, int n, double must, double goal) {
    double r[MAX_ROUNDS];
    for (int i = 0; i < n; i++) r[i] = over[i] / under[i];
    double m = median(r, n);
    printf("  %-16s %6.3f  (%.3f .. %.3f)   must %.2f %s", name, m, quantile(r, n, 0.25), quantile(r, n, 0.75), must,
           m <= must ? "ok" : "MISSED");
    if (goal > 0) printf("   goal %.2f %s", goal, m <= goal ? "ok" : "missed");
    printf("\n");
}

static int step_rows(backend_row *rows, int n, int step) { /* strip 0 holds the prompt */
    for (int i = 0; i < n; i++)
        rows[i] = (backend_row){(step * 7919 + i * 104729) % V, PROMPT + step % STEPS, 1 + i, 0, PROMPT, 1, 0};
    return n;
}

typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c, int ldc);

static void prefill(const gpt2 *m, backend *be, int threads) {
    static backend_row rows[PREFILL];
    for (int i = 0; i < PREFILL; i++) rows[i] = (backend_row){(i * 31337) % V, i, 0, -1, 0, i == PREFILL - 1, 0};
    double best = 1e9, flops = 2.0 * PREFILL * L * 12 * (double)C * C;
    for (int i = 0; i < 5; i++) {
        double t = forward(be, rows, PREFILL);
        if (t < best) best = t;
    }
    printf("  prefill of %d tokens %.0f ms: %.0f GFLOP/s in the matmuls' count, attention and one row of logits included\n",
           PREFILL, best * 1e3, flops / best * 1e-9);
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW);
    if (!lib) lib = dlopen("libopenblas.so", RTLD_NOW);
    sgemm_fn *sgemm = lib ? (sgemm_fn *)dlsym(lib, "cblas_sgemm") : NULL;
    void (*set_threads)(int) = lib ? (void (*)(int))dlsym(lib, "openblas_set_num_threads") : NULL;
    if (!sgemm || m->dtype != GLIMPSE_F32) return;
    if (set_threads) set_threads(threads);
    float *x = calloc((size_t)PREFILL * F, sizeof *x), *y = calloc((size_t)PREFILL * F, sizeof *y);
    if (!x || !y) exit(1);
    for (int i = 0; i < PREFILL * F; i++) x[i] = random_weight();
    double blas = 1e9;
    for (int round = 0; round < 4; round++) {
        double t = now();
        for (int i = 0; i < m->p.n_phases; i++) {
            const phase *ph = &m->phases[i];
            if (ph->kind != PHASE_MATMUL) continue;
            int n = (int)ph->part[0].rows, k = (int)ph->part[0].cols;
            sgemm(101, 111, 112, PREFILL, n, k, 1, x, k, ph->part[0].data, k, 0, y, n);
        }
        t = now() - t;
        if (t < blas) blas = t;
    }
    printf("  the matmuls alone by OpenBLAS sgemm %.0f ms: %.0f GFLOP/s\n", blas * 1e3, flops / blas * 1e-9);
    free(x);
    free(y);
    dlclose(lib);
}

static void measure(glimpse_dtype dtype, int rounds, int threads, const char *isa) {
    static gpt2 m;
    static double calib[MAX_ROUNDS], one[MAX_ROUNDS], many[MAX_ROUNDS];
    static backend_row rows[PROMPT];
    build(&m, dtype);
    backend_config cfg = {.threads = threads, .max_rows = PREFILL, .max_logits = SAMPLES, .n_strips = 1 + SAMPLES, .strip_tokens = T, .isa = isa};
    backend *be = NULL;
    pool *readers = NULL;
    if (backend_cpu.open(&be, &m.p, &cfg) != GLIMPSE_OK || pool_open(&readers, threads) != GLIMPSE_OK) {
        fprintf(stderr, "open: %s\n", status_text());
        exit(1);
    }
    be->ops->refresh(be);
    for (int i = 0; i < PROMPT; i++) rows[i] = (backend_row){(i * 31337) % V, i, 0, -1, 0, 0, 0};
    forward(be, rows, PROMPT);
    calibrate(readers, &m);
    for (int i = 0; i < STEPS; i++) { /* the samples' own strips */
        forward(be, rows, step_rows(rows, SAMPLES, i));
    }
    for (int i = 0; i < rounds; i++) {
        int step = i * 5 % STEPS;
        calib[i] = calibrate(readers, &m);
        one[i] = forward(be, rows, step_rows(rows, 1, step));
        many[i] = forward(be, rows, step_rows(rows, SAMPLES, step));
    }
    double c[MAX_ROUNDS], o[MAX_ROUNDS], s[MAX_ROUNDS];
    memcpy(c, calib, sizeof c);
    memcpy(o, one, sizeof o);
    memcpy(s, many, sizeof s);
    median(c, rounds), median(o, rounds), median(s, rounds); /* sorted from here on: [0] is the best */
    printf("%s, %d threads, %s: %.1f MB a step\n", dtype == GLIMPSE_F32 ? "f32" : "bf16", threads, be->ops->isa(be),
           (double)m.step_bytes * 1e-6);
    printf("  median (best)    calib %.2f (%.2f) ms = %.1f GB/s, step1 %.2f (%.2f) ms, step16 %.2f (%.2f) ms = %.0f GFLOP/s\n",
           median(c, rounds) * 1e3, c[0] * 1e3, (double)m.step_bytes / median(c, rounds) * 1e-9, median(o, rounds) * 1e3,
           o[0] * 1e3, median(s, rounds) * 1e3, s[0] * 1e3,
           2.0 * SAMPLES * ((double)V * C + 12.0 * L * C * C) / median(s, rounds) * 1e-9);
    /* Half the bytes leave bf16's 16 lines bound by arithmetic, not by memory: its second ratio is information. */
    ratio_line("step1 / calib", one, calib, rounds, 1.2, 1.05);
    ratio_line("step16 / step1", many, one, rounds, 2.0, 1.5);
    prefill(&m, be, threads);
    backend_cpu.close(be);
    pool_close(readers);
    free(m.weights);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 31, threads = argc > 2 ? atoi(argv[2]) : 2;
    if (rounds < 1 || rounds > MAX_ROUNDS || threads < 1) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    measure(GLIMPSE_F32, rounds, threads, argc > 3 ? argv[3] : NULL);
    measure(GLIMPSE_BF16, rounds, threads, argc > 3 ? argv[3] : NULL);
    return 0;
}
