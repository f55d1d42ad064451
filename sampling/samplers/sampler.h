/* sampler.h -- what a sampler is, and the candidates it works on.
 *
 * A sampler is a value with a vtable, so that a user's own joins like ours.  A new one is a file of some 40 lines: a
 * struct that begins with `sampler`, the functions of sampler_ops, a sampler_kind, and its line in chain.c's table.
 *
 * Candidates are dense at first (all V, candidate i is id i) and sparse after the first filter.  Filters cut by the
 * total order (logit descending, id ascending), most without sorting: each finds the last one kept, then keeps what does
 * not come after it.  Called by chain.c; implemented in candidates.c. */
#ifndef GLIMPSE_SAMPLING_SAMPLER_H
#define GLIMPSE_SAMPLING_SAMPLER_H

#include "sampling/samplers/chain.h"

/* Memory of a chain and its clones, taken at chain_open: about 33 bytes an id of the vocabulary. */
typedef struct chain_scratch {
    int32_t refs;
    const row_ops *ops;
    float *row;             /* (V) the changed dense row */
    float *l;               /* (V) sparse logits */
    int32_t *id;            /* (V) their ids */
    int32_t *top_id;        /* (V) ids of the record's top list */
    uint64_t *work, *work2; /* (V) keys or masses */
    float *maxima;          /* ROW_MAXIMA(V), of the raw row */
    float *row_maxima;      /* ROW_MAXIMA(V), of `row` */
    uint32_t *mark;         /* a bit an id, all 0 between uses */
} chain_scratch;

typedef struct candidates {
    const float *raw;      /* (V) the model's logits; borrowed */
    const float *l;        /* (n) the logits now; change them through candidates_own */
    const int32_t *id;     /* (n); NULL = dense */
    int32_t n, vocab;
    double temperature;    /* divides for masses and at the draw: 1 until a sampler sets it; 0 = greedy, n is then 1 */
    bool changed;          /* the dense row is no longer raw */
    bool fresh;            /* `sums` are those of the dense row at sums_inv_t */
    row_sums sums;
    double sums_inv_t;
    chain_scratch *scratch;
} candidates;

typedef struct sampler_ops {
    const char *name;
    void (*accept)(sampler *s, int32_t id);             /* optional: a token was chosen (each prompt token first) */
    glimpse_status (*apply)(sampler *s, candidates *c); /* must leave n >= 1; allocates nothing */
    void (*reset)(sampler *s);                          /* optional: forget what was accepted */
    glimpse_status (*clone)(const sampler *s, sampler **out);
    void (*free)(sampler *s);
    void (*print)(const sampler *s, buffer *out);       /* optional: "0.8", what follows "name=" in the string */
} sampler_ops;
struct sampler { const sampler_ops *ops; };

enum { SAMPLER_MAX_VALUES = 8 };
typedef struct sampler_kind {
    const char *name;
    const char *range;                              /* for the error: "0 (greedy) or 1e-6 to 1e6" */
    double (*setting)(const sampler_settings *s);   /* its value when the string gives none */
    bool (*valid)(double value);
    bool (*off)(double value);
    glimpse_status (*open)(double value, int32_t vocab, sampler **out);
} sampler_kind;

extern const sampler_kind sampler_repetition_penalty, sampler_temperature, sampler_top_k, sampler_top_p, sampler_min_p;

/* A sampler that is one number and has no state; value_sampler_* fill the vtable. */
typedef struct value_sampler {
    sampler base;
    double value;
} value_sampler;
glimpse_status value_sampler_open(const sampler_ops *ops, double value, sampler **out);
glimpse_status value_sampler_clone(const sampler *s, sampler **out);
void value_sampler_free(sampler *s);
void value_sampler_print(const sampler *s, buffer *out);

/* The writable logits (n) of the candidates as they are. */
float *candidates_own(candidates *c);
/* The largest logit.  GLIMPSE_E_NONFINITE if a sampler made a NaN or +inf, or left nothing above -inf. */
glimpse_status candidates_max(candidates *c, float *max);
/* Sums over the dense row at temperature c->temperature (chain.c, top_k.c); the row must be dense or unchanged since. */
glimpse_status candidates_sums(candidates *c);
/* Candidate i as a number whose order is (logit descending, id ascending), and the logit back from it (-0 as 0). */
uint64_t candidate_key(float l, int32_t id);
float candidate_key_logit(uint64_t key);
/* Keep the candidates whose key is at most `last`. */
void candidates_keep(candidates *c, uint64_t last);
/* Keep those of logit >= limit. */
void candidates_keep_above(candidates *c, float limit);
/* Keep exactly k (all, if there are fewer). */
glimpse_status candidates_keep_top(candidates *c, int32_t k);
/* The k largest of a row whose maxima are known: ids by (logit descending, id ascending); returns how many (k, or fewer
 * above -inf).  Uses scratch l, id, work. */
int32_t row_top(chain_scratch *s, const float *l, int32_t n, int32_t n_finite, const float *maxima, int32_t k,
                int32_t *ids);
void keys_sort(uint64_t *keys, size_t n);
/* Puts the k-th smallest (from 0) at keys[k], smaller ones before it. */
void keys_select(uint64_t *keys, size_t n, size_t k);

static inline double candidates_inv_t(const candidates *c) { return c->temperature > 0 ? 1.0 / c->temperature : 1.0; }

#endif
