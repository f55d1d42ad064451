/* gpt_loops.h -- the passes' elementwise loops and row reductions, everything that is not a matrix product.
 *
 * N rows (tokens) of C channels, row-major.  Compiled for SSE2, AVX2 and AVX-512 where the compiler can, chosen when the
 * program starts: the sums' order depends on the processor, never on the run.  Called by gpt_pass.c. */
#ifndef TRAIN_GPT_GPT_LOOPS_H
#define TRAIN_GPT_GPT_LOOPS_H

#include <stdint.h>

/* out (N, C) = wte[ids] + wpe[row % T] */
void loops_embed(float *out, const int32_t *ids, const float *wte, const float *wpe, int N, int T, int C);
/* dwte[ids] += dout, dwpe[row % T] += dout */
void loops_embed_backward(float *dwte, float *dwpe, const float *dout, const int32_t *ids, int N, int T, int C);

/* out (N, C) = (in - mean) * rstd * w + b; mean, rstd (N) are kept for the way back; eps 1e-5 */
void loops_layernorm(float *out, float *mean, float *rstd, const float *in, const float *w, const float *b, int N, int C);
/* din (N, C) += the gradient through the norm, dw, db (C) += theirs */
void loops_layernorm_backward(float *din, float *dw, float *db, const float *dout, const float *in, const float *w,
                              const float *mean, const float *rstd, int N, int C);

/* out (N, C) = in + b, in == NULL: out = b */
void loops_bias(float *out, const float *in, const float *b, int N, int C);
/* db (C) += the sum over the rows of dout (N, C) */
void loops_bias_backward(float *db, const float *dout, int N, int C);

/* out (n) = gelu(in), tanh form */
void loops_gelu(float *out, const float *in, int n);
/* d (n) *= gelu'(in) */
void loops_gelu_backward(float *d, const float *in, int n);

/* Rows i0 .. i0+rows-1 of a causal attention matrix s (rows, ld): softmax of scale * s over columns 0..row, 0 up to cols. */
void loops_causal_softmax(float *s, int ld, int i0, int rows, int cols, float scale);
/* dp (rows, ldd) <- the gradient of the scores before `scale`, from that of the probabilities p (rows, ldp) */
void loops_causal_softmax_backward(float *dp, int ldd, const float *p, int ldp, int i0, int rows, int cols, float scale);

/* The sum over N rows of -log softmax(logits)[target], in nats; columns V..Vp-1 are padding.  If `scale` is not 0 the
 * logits (N, Vp) become their gradient: scale * (softmax - onehot), 0 in the padding.  `each` (N) gets the losses of the
 * tokens, NULL = not wanted. */
double loops_cross_entropy(float *logits, const int32_t *targets, int N, int V, int Vp, float scale, float *each);

/* acc (n) += x */
void loops_add(float *acc, const float *x, int n);
/* The sum of squares of x (n). */
double loops_square_sum(const float *x, int n);

/* One AdamW step of n parameters: g is scaled by g_scale first; c1, c2 are 1 - beta^t; decay is lr * weight_decay. */
void loops_adamw(float *w, float *m, float *v, const float *g, int n, float g_scale, float lr, float beta1, float beta2,
                 float c1, float c2, float eps, float decay);

#endif
