/* test_kernels.h -- models of any shape for the tests of kernels/, and the comparison of two backends on them.
 *
 * A tiny model is described by `shape`, given random weights and turned into a plan as sampling/forward.c would.  One
 * descriptor alone is tested by EMBED (whose table holds the inputs) -> the descriptor -> HEAD with the identity. */
#ifndef GLIMPSE_TEST_KERNELS_H
#define GLIMPSE_TEST_KERNELS_H

#include "kernels/backend.h"

typedef struct shape {
    int layers, heads, kv_heads, hd, channels, ffn, vocab, tokens;
    glimpse_dtype dtype;
    bool transposed, strided;     /* layout of every matrix */
    glimpse_norm norm;
    bool plus_one, biases, gated, qk_norm, post_norm, learned, split;
    glimpse_activation activation;
    int rope_dims;                /* 0 = none */
    bool interleaved;
    float rope_scale, scale, softcap, logit_softcap, embed_scale;
    int window;
    bool grouped, far; /* q, k, v head by head; a second table of frequencies, for rows that reach beyond half the tokens */
} shape;

#define SHAPE_GPT2                                                                                                     \
    { .layers = 2, .heads = 3, .kv_heads = 3, .hd = 20, .channels = 60, .ffn = 75, .vocab = 51, .tokens = 96,          \
      .biases = true, .learned = true, .embed_scale = 1, .rope_scale = 1, .scale = 0.2f }

typedef struct tiny {
    plan p;
    phase phases[64];
    void *memory[512];
    int n_memory;
    uint64_t random;
    double *inv_freq;
} tiny;

/* Random weights; the same seed, the same model.  Freed with tiny_free. */
void tiny_build(tiny *m, const shape *s, uint64_t seed);
void tiny_free(tiny *m);
/* Of SHAPE_GPT2's embedding, logits' matrix too: NaN in row 3, infinity in row 4, and row 5 all zeros but `hot` in column 9.  The table. */
float *tiny_spoil(tiny *m, float hot);

/* Random f32 values of standard deviation `sd`, stored as `dtype` in memory of the model. */
matrix tiny_matrix(tiny *m, const shape *s, int64_t rows, int64_t cols, double sd);
vector tiny_vector(tiny *m, const shape *s, int64_t n, double mean, double sd);
matrix tiny_identity(tiny *m, int64_t n);
void *tiny_take(tiny *m, size_t bytes);

/* Rows of one sequence: tokens ids[0..n) at positions from `pos` on in `strip`, all wanting logits. */
void rows_of(backend_row *rows, const int32_t *ids, int n, int pos, int strip);

/* Run and copy the logits densely to out (wanted, V).  False: the failure is recorded. */
bool run_rows_on(backend *be, const plan *p, const backend_row *rows, int n, float *out);
/* The same on a backend opened for it alone. */
bool run_once(const backend_ops *ops, const plan *p, const char *isa, int threads, const backend_row *rows, int n,
              int n_strips, int tokens, float *out);

/* |a - b| <= tol (1 + |b|); NaN matches NaN, an infinity itself.  Records the first that differs. */
bool expect_close(const float *a, const float *b, int64_t n, double tol, const char *what);

extern const char *const all_isas[3];
bool isa_runs(const char *isa);

/* rows on the reference and on the CPU with every instruction set that runs here. */
void expect_like_reference(const plan *p, const backend_row *rows, int n, int n_strips, int tokens, double tol,
                           const char *what);

#endif
