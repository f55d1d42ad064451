/* adamw.h -- AdamW (Loshchilov and Hutter 2019, "Decoupled weight decay regularization") with gradient clipping by the
 * global norm, and the learning rate's warm-up and cosine decay.  Called by train_gpt.c and the tests. */
#ifndef TRAIN_GPT_ADAMW_H
#define TRAIN_GPT_ADAMW_H

#include "examples/train_gpt/gpt.h"

typedef struct adamw {
    float beta1, beta2, eps; /* 0.9, 0.99, 1e-8: a batch is small, its squares are noisy */
    float weight_decay;      /* on matrices alone: not on biases and LayerNorms */
    float grad_clip;         /* largest global norm of the gradient; 0 = off */
    float *m, *v;            /* (n_params) each, first and second moments */
    size_t n_params;
    double *partial;         /* one sum of squares a chunk, added in order */
    int64_t steps;           /* taken */
} adamw;

/* Moments at zero.  0, or -1 when memory is short. */
int adamw_create(adamw *opt, size_t n_params, float weight_decay, float grad_clip);
void adamw_free(adamw *opt);

/* One step with the gradients of gpt_loss_and_grads on `threads` threads.  Returns the norm before clipping; if that is
 * not finite, nothing is changed but the count. */
double adamw_step(adamw *opt, gpt *model, float lr, int threads);

/* Between the host's copies of parameters and moments, which checkpoints are made of, and those that are trained.  The
 * same memory on the processor. */
void training_upload(gpt *model, const adamw *opt);
void training_download(gpt *model, adamw *opt);

/* Linear from 0 to `peak` over `warmup` steps, then a cosine down to a tenth of it.  `progress` is the part of the run that
 * is done, 0..1. */
float adamw_learning_rate(float peak, int64_t step, int64_t warmup, double progress);

#endif
