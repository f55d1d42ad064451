/* plan.h -- the plan: an array of phase descriptors that says what one forward pass must do.
 *
 * sampling/forward.c builds a plan once from a model description; a backend (kernels/backend.h) prepares it once and
 * runs it over rows of tokens.  kernels/reference.c executes every descriptor slowly and obviously in double and is
 * their definition: where a comment here and the reference disagree, the reference is wrong and must be mended.
 *
 * A run works on R rows.  A row is one token of one sequence at one position; prefill has many rows of one sequence,
 * decode one row of each of many.  Rows do not see each other but through the key/value cache, so the numbers of a row
 * are the same whatever rows run beside it.
 *
 * Buffers are (R, width) f32, named by index; widths are in plan.width[].  Letters: see glimpse.h. */
#ifndef GLIMPSE_KERNELS_PLAN_H
#define GLIMPSE_KERNELS_PLAN_H

#include <glimpse.h>
#include <stdbool.h>

/* A matrix of weights as the trainer holds it: element (row, col) = data[row * row_stride + col * col_stride], strides
 * in elements.  row-major (out, in): col_stride 1; GLIMPSE_TRANSPOSED: row_stride 1.  Borrowed; values change between
 * evals, addresses do not (backend refresh). */
typedef struct matrix {
    const void *data;     /* NULL = absent */
    glimpse_dtype dtype;
    int64_t rows, cols;
    int64_t row_stride, col_stride;
} matrix;

typedef struct vector { /* dense */
    const void *data;   /* NULL = absent */
    glimpse_dtype dtype;
    int64_t n;
} vector;

/* Normalisation over the last dimension of x (n):
 *   LAYERNORM  (x - mean) / sqrt(var + eps) * w + b    var = mean of squares of (x - mean)
 *   RMSNORM    x / sqrt(mean(x^2) + eps) * w           w becomes (1 + w) with plus_one */
typedef struct norm_spec {
    bool on;
    glimpse_norm kind;
    vector weight, bias; /* absent weight = 1, absent bias = 0 */
    float eps;
    bool plus_one;
} norm_spec;

/* Rotary positions.  inv_freq (rope_dims / 2) and `scale` (multiplies cos and sin; YaRN's and longrope's attention
 * factor, else 1) are computed by forward.c, owned by the plan.  angle = pos * inv_freq[i], in double, then to f32. */
typedef struct rope_spec {
    const double *inv_freq; /* NULL = no rotation */
    int32_t dims;           /* rotated dimensions of a head, even */
    bool interleaved;       /* pairs (2i, 2i + 1) instead of (i, i + dims / 2) */
    float scale;
    const double *inv_freq_long; /* instead of inv_freq in rows of sequences that may come to more than */
    int32_t long_after;          /* this many positions (backend_row.reach); NULL = in no row */
} rope_spec;

typedef enum phase_kind { PHASE_EMBED, PHASE_MATMUL, PHASE_ATTEND, PHASE_HEAD } phase_kind;

typedef enum matmul_store {
    STORE_SET,      /* out = y */
    STORE_ADD,      /* out += y: the residual */
    STORE_GATED,    /* y has 2F columns [gate; up]: out = act(gate) * up, F columns */
    STORE_QKV       /* y has (H + 2 KV) hd columns [q; k; v]: qk-norm and rope, q to out, k and v to the cache.  With
                       `grouped`: for each kv head its H / KV queries, its key, its value; out and cache are the same */
} matmul_store;

#define PLAN_MAX_PARTS 3

typedef struct phase {
    phase_kind kind;
    int32_t layer;         /* whose cache; -1 outside the layers.  For messages and the cache alone */
    int32_t in, out;       /* buffer indices */
    norm_spec norm;        /* prologue of MATMUL and HEAD: the input rows are normalised first */

    /* EMBED: out = embedding[id] * embed_scale + positions[pos] */
    matrix embedding, positions; /* positions.data NULL = none */
    float embed_scale;

    /* MATMUL and HEAD: y = W norm(x) + b, W the parts one above the other (q, k, v; gate, up), b likewise.
     * Then softcap for HEAD, activation, post_norm over the whole of y, and store. */
    matrix part[PLAN_MAX_PARTS];
    vector bias[PLAN_MAX_PARTS];
    int32_t n_parts;
    bool activate;                 /* apply `activation` to y (STORE_GATED: to the gate half, always) */
    glimpse_activation activation;
    norm_spec post_norm;
    matmul_store store;

    /* STORE_QKV and ATTEND */
    int32_t heads, kv_heads, head_size;
    bool grouped;                  /* STORE_QKV: the order of the heads in y (GPT-NeoX), see there */
    norm_spec q_norm, k_norm;      /* over each head, before rope */
    rope_spec rope;
    /* ATTEND: for each head h, its kv head h / (heads / kv_heads):  s_t = scale * q . k_t over the positions
     * t = max(0, pos - window + 1) .. pos (window 0 = from 0), s_t = cap * tanh(s_t / cap) with softcap,
     * out = sum softmax(s)_t v_t */
    float scale, softcap;
    int32_t window;
} phase;                           /* HEAD writes (rows wanted, V) logits; `softcap` above is the logits' cap there */

#define PLAN_MAX_BUFFERS 8

typedef struct plan {
    phase *phases;
    int32_t n_phases;
    int32_t width[PLAN_MAX_BUFFERS];
    int32_t n_buffers;
    int32_t n_layers, heads, kv_heads, head_size, channels, vocab, max_seq_len;
    double *inv_freq;              /* owned; freed with the plan */
} plan;

#endif
