/* bench_score.c -- 1,000 documents like HellaSwag's (a context of 40 to 120 tokens, four endings of 10 to 40) through the
 * scoring engine, beside each of the 4,000 requests run alone: its whole text, logits at every position, one after the other.
 *
 *   engine   score_requests on all documents                  alone   score_losses on every tenth, times ten
 *
 * In turns, ratios of neighbours in time.  A GPT-2 of 6 layers, 384 channels and 16,384 ids, random weights, f32.
 * Usage: bench_score [rounds] [threads]. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sampling/model/model.h"
#include "sampling/score_batch.h"
#include "tests/tiny_gpt.h"

enum { DOCS = 1000, ENDINGS = 4, MOST = 160, V = 16384, EACH = 10 };
static int32_t ids[DOCS][ENDINGS][MOST];
static score_request requests[DOCS * ENDINGS];
static score_answer answers[DOCS * ENDINGS];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint32_t state = 1;
static int32_t below(int32_t n) {
    state = state * 1664525 + 1013904223;
    return (int32_t)((state >> 8) % (uint32_t)n);
}

static void make_documents(void) {
    for (int d = 0; d < DOCS; d++) {
        int context = 40 + below(81);
        for (int e = 0; e < ENDINGS; e++) {
            int n = 10 + below(31);
            for (int i = 0; i < context + n; i++) ids[d][e][i] = i < context && e ? ids[d][0][i] : below(V);
            requests[d * ENDINGS + e] = (score_request){ ids[d][e], context + n, n };
        }
    }
}

static int alone(generator *g, double *worst) {
    for (int r = 0; r < DOCS * ENDINGS; r++) {
        if (r / ENDINGS % EACH) continue;
        static int32_t targets[MOST];
        static double losses[MOST];
        int n = requests[r].n - 1;
        double sum = 0;
        for (int i = 0; i < n; i++) targets[i] = requests[r].ids[i + 1];
        if (score_losses(g, requests[r].ids, targets, 1, n, losses) < 0) return 1;
        for (int i = n - requests[r].n_scored; i < n; i++) sum -= losses[i];
        if (!(fabs(sum - answers[r].logprob) <= *worst)) *worst = fabs(sum - answers[r].logprob);
    }
    return 0;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 1, threads = argc > 2 ? atoi(argv[2]) : 2;
    tiny_gpt gpt;
    model *m;
    generator *one, *many;
    generator_config cfg = { .threads = threads };
    tiny_gpt_make(&gpt, 6, 6, 384, V, 256, -1, 1);
    if (model_from_description(&gpt.model, &m) < 0 || generator_open(m, NULL, &cfg, &one) < 0 || generator_open(m, NULL, &cfg, &many) < 0) return 1;
    make_documents();
    double ratio = 0, worst = 0;
    for (int r = 0; r < rounds; r++) {
        double t0 = now();
        if (score_requests(many, requests, DOCS * ENDINGS, &(score_config){ 0 }, answers) < 0) return 1;
        double t1 = now();
        if (alone(one, &worst)) return 1;
        double t2 = now(), x = (t2 - t1) * EACH / (t1 - t0);
        printf("engine %7.2f s for 1,000 documents   alone %8.2f s   %.2f times   worst difference %g\n", t1 - t0, (t2 - t1) * EACH, x, worst);
        ratio += x / rounds;
    }
    printf("mean %.2f times (must: 5)\n", ratio);
    generator_close(one);
    generator_close(many);
    model_close(m);
    tiny_gpt_free(&gpt);
    return 0;
}
