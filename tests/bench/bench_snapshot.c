/* bench_snapshot.c -- what an eval costs the trainer in worker mode: glimpse_eval against a plain memcpy of the weights
 * into memory that was touched before, in pairs that alternate.  The must: a ratio <= 1.3, from the first eval on.  Also
 * memcpy against streaming stores into the same snapshot: why snapshot.c copies as it does.
 * $GLIMPSE_WORKER or build/release/glimpse is the worker. */
#define _GNU_SOURCE
#include <glimpse.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "include/internal/threads.h"
#include "plugin/snapshot.h"
#include "tests/bench/bench.h"

enum { C = 768, V = 50304, T = 1024, H = 12, PAIRS = 15, OPENS = 7 };

static void stream(void *to, const void *from, size_t bytes) {
#if defined(__SSE2__)
    __m128i *d = to;
    const __m128i *s = from;
    for (size_t i = 0; i < bytes / 64; i++, d += 4, s += 4) {
        __m128i a = _mm_loadu_si128(s), b = _mm_loadu_si128(s + 1), c = _mm_loadu_si128(s + 2), e = _mm_loadu_si128(s + 3);
        _mm_stream_si128(d, a);
        _mm_stream_si128(d + 1, b);
        _mm_stream_si128(d + 2, c);
        _mm_stream_si128(d + 3, e);
    }
    _mm_sfence();
    memcpy(d, s, bytes % 64);
#else
    memcpy(to, from, bytes);
#endif
}

/* GPT-2's tensors of L layers, one after another in `at` (NULL: only counted). */
static size_t bind_all(glimpse_model *m, float *at, int64_t L) {
    const struct { const char *name; int64_t d[3]; int n; } t[16] = {
        {"wte.weight", {V, C}, 2}, {"wpe.weight", {T, C}, 2}, {"h.*.ln_1.weight", {L, C}, 2}, {"h.*.ln_1.bias", {L, C}, 2},
        {"h.*.attn.c_attn.weight", {L, 3 * C, C}, 3}, {"h.*.attn.c_attn.bias", {L, 3 * C}, 2},
        {"h.*.attn.c_proj.weight", {L, C, C}, 3}, {"h.*.attn.c_proj.bias", {L, C}, 2}, {"h.*.ln_2.weight", {L, C}, 2},
        {"h.*.ln_2.bias", {L, C}, 2}, {"h.*.mlp.c_fc.weight", {L, 4 * C, C}, 3}, {"h.*.mlp.c_fc.bias", {L, 4 * C}, 2},
        {"h.*.mlp.c_proj.weight", {L, C, 4 * C}, 3}, {"h.*.mlp.c_proj.bias", {L, C}, 2}, {"ln_f.weight", {C}, 1}, {"ln_f.bias", {C}, 1}};
    size_t total = 0;
    for (int i = 0; i < 16; i++) {
        size_t n = 1;
        char name[64];
        for (int k = 0; k < t[i].n; k++) n *= (size_t)t[i].d[k];
        snprintf(name, sizeof name, "transformer.%s", t[i].name);
        if (at) glimpse_bind(m, name, at + total, GLIMPSE_F32, t[i].n, t[i].d);
        total += n;
    }
    return total;
}

static void weights_change(float *w, size_t n, int step) { /* as a trainer leaves them: just written, larger than the cache */
    for (size_t i = 0; i < n; i++) w[i] += 1e-6f * (float)step;
}

static void quiet(void *user, const char *line) { (void)user, (void)line; }

int main(int argc, char **argv) {
    static double first[OPENS], ratio[PAIRS], eval_ms[PAIRS], copy_ms[PAIRS], streamed[PAIRS];
    char dir[] = "/tmp/glimpse-bench-XXXXXX", path[4096], command[4200];
    int64_t L = argc > 1 ? atoll(argv[1]) : 4;
    if (!mkdtemp(dir)) return 1;
    ssize_t k = readlink("/proc/self/exe", path, sizeof path - 16);
    if (k > 0 && !getenv("GLIMPSE_WORKER")) { /* build/MODE/bench/bench_snapshot */
        path[k] = 0;
        for (int i = 0; i < 2; i++) *strrchr(path, '/') = 0;
        strcat(path, "/glimpse");
        setenv("GLIMPSE_WORKER", path, 1);
    }
    glimpse_model m = GLIMPSE_MODEL_INIT;
    size_t n = bind_all(&m, NULL, L);
    float *w = malloc(n * sizeof *w), *other = malloc(n * sizeof *w);
    if (!w || !other) return 1;
    for (size_t i = 0; i < n; i++) w[i] = (float)((i * 2654435761u) % 1000) * 1e-4f - 0.05f;
    memset(other, 1, n * sizeof *w);
    m.n_layers = (int32_t)L, m.n_heads = H, m.channels = C, m.vocab_size = 50257, m.max_seq_len = T;
    bind_all(&m, w, L);
    glimpse_config *cfg = glimpse_config_new();
    glimpse_set_log(cfg, quiet, NULL);
    glimpse_set(cfg, "out_dir", dir);
    glimpse_set(cfg, "max_sample_tokens", "1");
    glimpse_set(cfg, "sample_each_eval", "true");
    glimpse_set(cfg, "sample_start_tokens", "IDS:1");
    double t0;
    for (int i = 0; i < OPENS; i++) { /* the first eval alone, each time of a new glimpse */
        double took[2] = {0, 0};
        glimpse *g = glimpse_open(cfg, &m);
        weights_change(w, n, i);
        for (int half = 0; half < 2; half++) {
            t0 = monotonic_s();
            if (half == (i & 1)) glimpse_eval(g, 0, 2, 1);
            else memcpy(other, w, n * sizeof *w);
            took[half != (i & 1)] = monotonic_s() - t0;
        }
        first[i] = took[0] / took[1];
        glimpse_close(g);
    }
    double f = median(first, OPENS);
    printf("the first eval of %d opens / memcpy %.3f (must <= 1.3)\n", OPENS, f);
    t0 = monotonic_s();
    glimpse *g = glimpse_open(cfg, &m);
    printf("%zu MiB of weights, open %.0f ms\n", n * sizeof *w >> 20, (monotonic_s() - t0) * 1e3);
    for (int i = 0; g && i < PAIRS; i++) {
        double e, c;
        glimpse_status st = GLIMPSE_OK;
        weights_change(w, n, i);
        for (int half = 0; half < 2; half++) { /* who goes first alternates, but for the first eval */
            t0 = monotonic_s();
            if (half == (i & 1)) {
                st = glimpse_eval(g, i, 2, 1);
                e = monotonic_s() - t0;
            } else {
                memcpy(other, w, n * sizeof *w);
                c = monotonic_s() - t0;
            }
        }
        if (st != GLIMPSE_OK) return printf("eval %d returned %d: %s\n", i, (int)st, glimpse_error()), 1;
        glimpse_drain(g);
        eval_ms[i] = e * 1e3, copy_ms[i] = c * 1e3, ratio[i] = e / c;
    }
    if (!g) return printf("%s\n", glimpse_error()), 1;
    glimpse_close(g);
    snapshot s = SNAPSHOT_INIT;
    if (snapshot_open(m.tensors, m.n_tensors, 1, NULL, &s) < 0) return 1;
    for (int i = 0; i < PAIRS; i++) {
        weights_change(w, n, i);
        t0 = monotonic_s();
        snapshot_fill(&s, 0);
        double t1 = monotonic_s();
        stream(s.at, w, n * sizeof *w);
        streamed[i] = (monotonic_s() - t1) / (t1 - t0);
    }
    snapshot_close(&s);
    double r = median(ratio, PAIRS);
    printf("glimpse_eval %.2f ms, memcpy %.2f ms, paired ratio %.3f (must <= 1.3)\n", median(eval_ms, PAIRS), median(copy_ms, PAIRS), r);
    printf("streaming stores / memcpy into the snapshot %.3f\n", median(streamed, PAIRS));
    glimpse_model_free(&m);
    glimpse_config_free(cfg);
    free(w), free(other);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return (system(command) != 0) | !(r <= 1.3) | !(f <= 1.3);
}
