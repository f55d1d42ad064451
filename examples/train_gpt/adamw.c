/* adamw.c -- see adamw.h. */
#include "examples/train_gpt/adamw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "examples/train_gpt/gpt_loops.h"
#include "examples/train_gpt/gpt_pass.h"

enum { CHUNK = 16384 }; /* a fixed size, so that the norm does not depend on the number of threads */

/* Which of the sixteen tensors are matrices (or stacks of them). */
static const char is_matrix[GPT_TENSORS] = {1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0};

int adamw_create(adamw *opt, size_t n_params, float weight_decay, float grad_clip) {
    memset(opt, 0, sizeof *opt);
    opt->beta1 = 0.9f;
    opt->beta2 = 0.99f;
    opt->eps = 1e-8f;
    opt->weight_decay = weight_decay;
    opt->grad_clip = grad_clip;
    opt->n_params = n_params;
    opt->m = gpt_floats(n_params);
    opt->v = gpt_floats(n_params);
    opt->partial = calloc(n_params / CHUNK + 1, sizeof *opt->partial);
    if (opt->m && opt->v && opt->partial) return 0;
    adamw_free(opt);
    return -1;
}

void adamw_free(adamw *opt) {
    free(opt->m);
    free(opt->v);
    free(opt->partial);
    memset(opt, 0, sizeof *opt);
}

static double global_norm(adamw *opt, const float *grads, int threads) {
    (void)threads; /* read by OpenMP alone, where there is one */
    long chunks = ((long)opt->n_params + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long i = 0; i < chunks; i++) {
        long left = (long)opt->n_params - i * CHUNK;
        opt->partial[i] = loops_square_sum(grads + i * CHUNK, (int)(left < CHUNK ? left : CHUNK));
    }
    double sum = 0.0;
    for (long i = 0; i < chunks; i++) sum += opt->partial[i];
    return sqrt(sum);
}

double adamw_step(adamw *opt, gpt *model, float lr, int threads) {
    (void)threads;
    double norm = global_norm(opt, model->grads_memory, threads);
    opt->steps++;
    if (!isfinite(norm)) return norm;
    float g_scale = opt->grad_clip > 0.0f && norm > (double)opt->grad_clip ? (float)((double)opt->grad_clip / norm) : 1.0f;
    float c1 = (float)(1.0 - pow((double)opt->beta1, (double)opt->steps)), c2 = (float)(1.0 - pow((double)opt->beta2, (double)opt->steps));
    /* One team for all tensors: waking it sixteen times would cost more than the small ones' work. */
#pragma omp parallel num_threads(threads)
    for (long t = 0, start = 0; t < GPT_TENSORS; start += (long)model->sizes[t++]) {
        long end = start + (long)model->sizes[t];
        float decay = is_matrix[t] ? lr * opt->weight_decay : 0.0f;
#pragma omp for schedule(static) nowait
        for (long at = start; at < end; at += CHUNK)
            loops_adamw(model->params_memory + at, opt->m + at, opt->v + at, model->grads_memory + at, (int)(end - at < CHUNK ? end - at : CHUNK),
                        g_scale, lr, opt->beta1, opt->beta2, c1, c2, opt->eps, decay);
    }
    return norm;
}

float adamw_learning_rate(float peak, int64_t step, int64_t warmup, double progress) {
    if (step < warmup) return peak * (float)(step + 1) / (float)warmup;
    double p = progress < 0.0 ? 0.0 : progress > 1.0 ? 1.0 : progress;
    return peak * (float)(0.1 + 0.9 * 0.5 * (1.0 + cos(3.141592653589793 * p)));
}

void training_upload(gpt *model, const adamw *opt) { (void)model, (void)opt; }
void training_download(gpt *model, adamw *opt) { (void)model, (void)opt; }
