/* backend.h -- what executes a plan: the CPU (kernels/cpu), the reference in double (kernels/reference.c), CUDA.
 *
 * A backend holds the key/value cache, cut into strips: a strip is room for `strip_tokens` positions of one sequence in
 * every layer.  A sequence reads positions 0 .. prefix_tokens - 1 from its prefix strip (the prompt's, shared by all its
 * samples, read once for all of them) and the others from its own strip, which it also writes.
 *
 *   strip states:   free --(generate takes it)--> being filled (prefill) --> prefix, read only --> free
 *                                             \--> own strip of a sequence (decode) -----------> free
 *                                                  (a beam that ends takes over another's positions: copy)
 *
 * Numbers.  One dot product has one order of summation whatever the batch, the tile, the number of threads and the
 * instruction set: 16 partial sums, lane j over k = j, j + 16, ... by fma in rising k, then the tree
 * (j, j + 8), (j, j + 4), (j, j + 2), (j, j + 1).  Attention adds over positions in rising order.  So logits are
 * bitwise the same cached or uncached, alone or in a batch, with 1 thread or 8, AVX2 or AVX-512.
 *
 * Called by sampling/generate.c and score.c on one thread at a time.  No allocation after open but a device's library's own. */
#ifndef GLIMPSE_KERNELS_BACKEND_H
#define GLIMPSE_KERNELS_BACKEND_H

#include "include/internal/weights_source.h"
#include "kernels/plan.h"

/* The faster one, measured at each new size of batch; a graph of launches; one kernel whose blocks stay. */
typedef enum decode_way { DECODE_AUTO, DECODE_GRAPH, DECODE_PERSISTENT } decode_way;

typedef struct backend_config {
    int32_t threads;       /* >= 1 */
    struct pool *pool;     /* the threads to run on instead, borrowed until close; NULL = the backend's own */
    int32_t max_rows;      /* most rows of one run */
    int32_t max_logits;    /* most rows of one run whose logits are wanted */
    int32_t n_strips;
    int32_t strip_tokens;  /* positions a strip holds */
    const char *isa;       /* "avx512", "avx2", "generic", NULL = the best that runs here (tests compare them) */
    /* CUDA alone: */
    int32_t device;        /* which one, from 0 */
    glimpse_dtype cache;   /* F32 or BF16: what keys and values are stored as */
    const weights_source *source; /* where refresh finds the weights while source->there; borrowed; NULL = at the plan's */
    double memory_percent; /* above 0: of the device's memory may be taken, less held_bytes, and 1 GiB or 2 % stay free; */
    uint64_t held_bytes;   /* beyond it open is GLIMPSE_E_MEMORY */
    decode_way decode;     /* of a burst's steps: the same bits */
    int32_t decode_blocks; /* of the persistent kernel, at most; 0 = as many as run at once */
    void (*say)(void *user, const char *line); /* what a user should read once, NULL = nobody does; say_user borrowed */
    void *say_user;
} backend_config;

typedef struct backend_row {
    int32_t id;            /* token, 0 <= id < V */
    int32_t pos;           /* its position; its keys and values go to position pos of its own strip */
    int32_t strip;         /* own strip */
    int32_t prefix_strip;  /* -1 = none */
    int32_t prefix_tokens; /* positions 0 .. prefix_tokens - 1 are read from prefix_strip, 0 = none */
    int32_t want_logits;   /* 1: a row of logits, in order of rows */
    int32_t reach;         /* positions its sequence may come to have; the same in all rows that see each other.  It
                              chooses between two tables of rotary frequencies (rope_spec.long_after) where there are two */
} backend_row;

typedef struct backend backend;

/* === Bursts: steps of draw and forward without the host between them ============================================= */

/* What the device can do of a chain of samplers, in the chain's order.  Each keeps a prefix of the candidates in the order
 * (logit descending, id ascending), as its namesake in sampling/samplers does. */
typedef enum burst_op_kind { BURST_TEMPERATURE, BURST_TOP_K, BURST_TOP_P, BURST_MIN_P, BURST_PENALTIES } burst_op_kind;
enum { BURST_MAX_OPS = 8, BURST_MAX_STEPS = 16, BURST_MAX_TOP = 64, BURST_MORE_EOS = 15 };
typedef struct burst_op {
    int32_t kind;
    double v[3];           /* T (0 = greedy) | k | p | p | repetition, frequency, presence over prompt and output */
} burst_op;

typedef struct burst_row {
    backend_row row;       /* the sequence's last token, not yet run: its logits are drawn from first */
    uint64_t key;          /* draw_key */
    uint32_t key_step;
    int32_t steps;         /* at most so many tokens */
    int32_t eos;           /* ends the sequence when drawn; -1 = none */
    int32_t n_more_eos;
    int32_t more_eos[BURST_MORE_EOS]; /* (n_more_eos) end it, too */
    int32_t n_ops;
    burst_op ops[BURST_MAX_OPS];
    const int32_t *seen;   /* (n_seen) prompt and output so far, for the penalties; NULL without */
    int32_t n_seen;
} burst_row;

typedef struct burst_top { int32_t id; double p, p_final; } burst_top;

/* glimpse_token's fields before they are rounded (sampling/samplers/chain.h has their definitions). */
typedef struct burst_token {
    int32_t id;            /* -1: the logits were not finite; then n_top is 0, and nothing else is set */
    int32_t rank, kept, n_top;
    int32_t passes;        /* over all of the row's logits, to draw this one: 0 where the first of them sufficed */
    float logit;
    double logprob, p_temp, p_final, left, entropy;
} burst_token;

typedef struct burst_request {
    const burst_row *rows; /* (n_rows) */
    int32_t n_rows, n_top;
    burst_token *tokens;   /* (n_rows, BURST_MAX_STEPS) out */
    burst_top *tops;       /* (n_rows, BURST_MAX_STEPS, n_top) out */
    int32_t *n_drawn;      /* (n_rows) out: tokens, the end of text and one that is not finite included */
    int32_t list_room;     /* candidates that may be sorted; 0 = as many as fit.  It changes the time, never the result: tests */
} burst_request;

/* === Parts of rows: what a chain on the host needs, where that is less than the row ============================== */

enum { PART_MOST = 1024, PART_MOST_NAMED = 4096 };
typedef struct part_need {
    int32_t k;             /* the first k <= PART_MOST in the order (logit descending, id ascending), the named ones apart */
    double span;           /* <= 0: also all others with l - (the largest of those not named) >= span; above 0 = none */
    const int32_t *named;  /* (n_named <= PART_MOST_NAMED) ids whose logits are wanted whatever they are; no two alike */
    int32_t n_named;
    double inv_t;          /* of sums.s_temp */
} part_need;

typedef struct part_id { int32_t id; float l; } part_id;
typedef struct row_part {
    int32_t n;             /* listed; -1: nothing is known, ask for the row (it is not finite, or too much would be listed) */
    const part_id *listed; /* (n) in no order, none of them named; borrowed until the next call */
    const float *named_l;  /* (n_named) */
    uint64_t last;         /* every id not named whose candidate_key is at most this is listed */
    float max;             /* of the whole row: what decide.h's row_sums has */
    int32_t n_finite;
    double s, t, s_temp;
} row_part;

typedef struct backend_ops {
    const char *name;      /* "cpu", "reference", "cuda" */
    /* Check the plan and take all memory.  `p` is borrowed until close. */
    glimpse_status (*open)(backend **out, const plan *p, const backend_config *cfg);
    /* The weights changed: re-lay what is kept in another layout (transposed matrices).  Called before each eval. */
    glimpse_status (*refresh)(backend *be);
    /* Run the plan over rows.  Rows of one sequence must stand in rising, contiguous positions, so a row may attend to
     * those before it in the same run.  logits: set to (number of rows wanted, vocab) f32, row stride `*stride`, borrowed
     * until the next call.  GLIMPSE_E_INVALID: a row out of range (names it). */
    glimpse_status (*forward)(backend *be, const backend_row *rows, int32_t n_rows, const float **logits,
                              int64_t *stride);
    /* Copy the keys and values of positions first .. first + n - 1 of strip `from` to the same positions of strip `to`:
     * a beam goes on in two ways.  n 0 does nothing.  GLIMPSE_E_INVALID: strips or positions out of range, or from = to. */
    glimpse_status (*copy)(backend *be, int32_t from, int32_t to, int32_t first, int32_t n);
    /* Optional, NULL = none: up to BURST_MAX_STEPS steps of each row, forward then draw.  Rows as for forward, each of
     * another sequence, n_rows <= max_logits, n_top <= BURST_MAX_TOP.  The caller looks for stop strings afterwards. */
    glimpse_status (*burst)(backend *be, const burst_request *rq);
    /* Optional: open again with another room; the weights stay as refresh left them.  On failure the backend is closed. */
    glimpse_status (*reopen)(backend *be, const backend_config *cfg);
    /* Optional: the cosines of n pairs of rows of the embedding, as embedding_cosine within 1e-6, from the weights that
     * refresh read; NULL = the caller reads them at the plan's addresses. */
    glimpse_status (*cosines)(backend *be, const int32_t *pairs, int32_t n, float *out);
    /* Optional: forward, without the rows of logits: what is asked of each instead, in order of rows wanted (which are at
     * most 64).  whole_row: one of these rows after all, borrowed until the next call. */
    glimpse_status (*parts)(backend *be, const backend_row *rows, int32_t n_rows, const part_need *needs, row_part *out);
    glimpse_status (*whole_row)(backend *be, int32_t i, const float **logits);
    const char *(*isa)(const backend *be);         /* what runs: "avx512", ... */
    int64_t (*bytes)(const backend *be);           /* memory held */
    void (*close)(backend *be);                    /* NULL is fine */
} backend_ops;

struct backend { const backend_ops *ops; };        /* first member of every backend's own struct */

extern const backend_ops backend_cpu, backend_reference;


#endif
