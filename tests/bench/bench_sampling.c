/* bench_sampling.c -- what drawing and recording one token costs, beside reading its row once and beside a sampler that
 * sorts the row.
 *
 * The three run in turn, round by round, in CPU time, and ratios are medians over rounds: other work hits all alike.
 * Rows are like a trained model's: Zipf by rank with noise, ids shuffled, 16 rows so that none stays in the first-level
 * cache.  Run by `make bench T=sampling`. */
#include "sampling/samplers/chain.h"
#include "include/internal/record.h"
#include "tests/oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 16, ROUNDS = 25 };

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others' turns on the CPU would count against the longer call */
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v) {
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

static float read_once(const float *l, int32_t n) { /* the maximum, 32 lanes: what memory allows */
    float m[32];
    for (int j = 0; j < 32; j++) m[j] = -INFINITY;
    for (int32_t i = 0; i + 32 <= n; i += 32)
        for (int j = 0; j < 32; j++) m[j] = l[i + j] > m[j] ? l[i + j] : m[j];
    float top = m[0];
    for (int j = 1; j < 32; j++) top = m[j] > top ? m[j] : top;
    return top;
}

typedef struct pair {
    float p;
    int32_t id;
} pair;
static int falling(const void *a, const void *b) {
    float x = ((const pair *)a)->p, y = ((const pair *)b)->p;
    return (x < y) - (x > y);
}

/* What most small samplers do: softmax, sort, cut, walk the sum.  No record. */
static int32_t by_sorting(const float *l, int32_t n, double t, int32_t k, double top_p, double u, pair *s) {
    float max = l[0], sum = 0, cum = 0;
    for (int32_t i = 1; i < n; i++) max = l[i] > max ? l[i] : max;
    for (int32_t i = 0; i < n; i++) s[i] = (pair){expf((l[i] - max) / (float)t), i};
    qsort(s, (size_t)n, sizeof *s, falling);
    if (k > 0 && k < n) n = k;
    for (int32_t i = 0; i < n; i++) sum += s[i].p;
    if (top_p < 1) {
        int32_t keep = 0;
        while (keep < n && cum < top_p * sum) cum += s[keep++].p;
        n = keep;
        sum = cum;
    }
    cum = 0;
    for (int32_t i = 0; i < n; i++)
        if ((cum += s[i].p) > u * sum) return s[i].id;
    return s[n - 1].id;
}

static volatile float sink;

static void bench(int32_t v, const sampler_settings *settings, int32_t n_top) {
    float *l = malloc((size_t)v * ROWS * sizeof *l);
    pair *s = malloc((size_t)v * sizeof *s);
    glimpse_candidate *top = malloc((size_t)v * sizeof *top);
    uint64_t rng = 1;
    chain *c = NULL;
    if (!l || !s || !top || chain_open(settings, v, &c) < 0) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    for (int r = 0; r < ROWS; r++)
        for (int32_t i = 0; i < v; i++)
            l[(size_t)r * v + i] = (float)(-1.1 * log(1 + (double)(oracle_random(&rng) % (uint64_t)v)) +
                                           0.5 * oracle_normal(&rng) - 30);
    for (int i = 0; i < 100; i++) chain_accept(c, (int32_t)(oracle_random(&rng) % (uint64_t)v));
    double read[ROUNDS], sort[ROUNDS], ours[ROUNDS], over_read[ROUNDS], over_sort[ROUNDS];
    glimpse_token t;
    for (int round = 0; round < ROUNDS; round++) {
        draw_key key = {(uint64_t)round, 0};
        double a = now_us();
        for (int r = 0; r < ROWS; r++) sink = read_once(l + (size_t)r * v, v);
        double b = now_us();
        for (int r = 0; r < ROWS; r++) chain_draw(c, l + (size_t)r * v, &key, (uint32_t)r, n_top, &t, top);
        double d = now_us();
        int sorts = round < 8 ? 2 : 1;
        for (int r = 0; r < sorts; r++)
            sink = (float)by_sorting(l + (size_t)r * v, v, settings->temperature, settings->top_k, settings->top_p,
                                     oracle_uniform(&rng), s);
        double e = now_us();
        read[round] = (b - a) / ROWS;
        ours[round] = (d - b) / ROWS;
        sort[round] = (e - d) / sorts;
        over_read[round] = ours[round] / read[round];
        over_sort[round] = sort[round] / ours[round];
    }
    printf("%7d  %-58s %4d  %7.1f  %7.1f  %9.1f  %6.1f  %6.1f\n", v, chain_string(c), n_top, median(read), median(ours),
           median(sort), median(over_read), median(over_sort));
    chain_close(c);
    free(l);
    free(s);
    free(top);
}

int main(void) {
    static const sampler_settings settings[] = {{1, 0, 1, 0, 1, NULL},      {0, 0, 1, 0, 1, NULL},
                                                {0.8, 200, 1, 0, 1, NULL},  {0.8, 0, 0.95, 0, 1, NULL},
                                                {0.8, 0, 1, 0.05, 1, NULL}, {0.8, 200, 0.95, 0.02, 1.1, NULL},
                                                {0.8, 5000, 1, 0, 1, NULL},
                                                {0.8, 40, 0.95, 0.05, 1.1, NULL}, {0.8, 40, 0.95, 0.05, 1, NULL}};
    const int n = sizeof settings / sizeof *settings;
    printf("us a token; row functions: %s\n", row_ops_for(NULL)->isa);
    printf("%7s  %-58s %4s  %7s  %7s  %9s  %6s  %6s\n", "V", "chain", "top", "read", "ours", "sort", "/read", "faster");
    for (int i = 0; i < n; i++) bench(50257, &settings[i], 10);
    bench(50257, &settings[2], 40);
    for (int i = 0; i < n; i++) bench(131072, &settings[i], 10);
    double x = 0, a = now_us();
    for (int i = 0; i < 1000000; i++) x += record_roundf((double)i * 1.37e-6);
    printf("record_roundf: %.1f ns (%g)\n", (now_us() - a) / 1000, x);
    return 0;
}
