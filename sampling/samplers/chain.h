/* chain.h -- a chain of samplers: from a row of logits to one id and its record.
 *
 * A sampler is a value with a vtable (name, accept, apply, reset, clone, free), so that a user's own joins like ours.
 * The chain is stated by one string, printed with every sample:  "repetition_penalty=1.1;top_k=40;top_p=0.95;temperature=0.8"
 * and runs in the order of the string.  Default order: repetition_penalty, temperature, top_k, top_p, min_p: what
 * nanoGPT and transformers do (truncation sees softmax(l / T)).  The draw at the end is decide.h's.
 *
 * Rules, stated once: ties are broken (logit descending, id ascending); the token that crosses top_p's limit is kept;
 * masses are renormalised between filters; top_k keeps exactly k; temperature 0 is greedy, the lowest id on ties; a
 * filter never leaves an empty set; penalties count prompt and output. */
#ifndef GLIMPSE_SAMPLING_CHAIN_H
#define GLIMPSE_SAMPLING_CHAIN_H

#include <glimpse.h>
#include "include/internal/buffer.h"
#include "kernels/decide.h"
#include <stdbool.h>

/* What samplers work on.  Dense at first (n = V, id NULL: candidate i is id i, l = the raw row or, once changed, a
 * private copy); sparse after the first truncating filter (n survivors, sorted by logit descending, id ascending). */
typedef struct candidates {
    const float *raw;   /* (V) the model's logits; borrowed */
    float *l;           /* (n) current logits; == scratch copy, or (float *)raw while nothing changed it */
    int32_t *id;        /* (n); NULL = dense */
    int32_t n, vocab;
    double temperature; /* divides at the draw and for masses; set by the temperature sampler, 1 before it */
    struct chain_scratch *scratch; /* memory of the chain: (V) floats and ids; no allocation per token */
} candidates;

typedef struct sampler sampler;
typedef struct sampler_ops {
    const char *name;
    void (*accept)(sampler *s, int32_t id);       /* optional: a token was chosen (also each prompt token, first) */
    glimpse_status (*apply)(sampler *s, candidates *c); /* must leave n >= 1 */
    void (*reset)(sampler *s);                    /* optional */
    glimpse_status (*clone)(const sampler *s, sampler **out);
    void (*free)(sampler *s);
} sampler_ops;
struct sampler { const sampler_ops *ops; };

/* The settings of one column of samples, as options give them; NAN / 0 / -1 = off as written. */
typedef struct sampler_settings {
    double temperature;        /* 0 = greedy */
    int32_t top_k;             /* 0 = off */
    double top_p;              /* 1 = off */
    double min_p;              /* 0 = off */
    double repetition_penalty; /* 1 = off */
    const char *order;         /* --samplers: a chain string; NULL = the default order of those that are on */
} sampler_settings;

typedef struct chain chain;
/* Parse and build.  GLIMPSE_E_INVALID names the sampler or the parameter and the nearest known name. */
glimpse_status chain_open(const sampler_settings *settings, int32_t vocab, chain **out);
void chain_close(chain *c);
const char *chain_string(const chain *c);    /* "top_k=5;temperature=0.8"; borrowed as long as the chain */
/* State of one sequence: penalties' counts and the like. */
glimpse_status chain_clone(const chain *c, chain **out);
void chain_reset(chain *c);
void chain_accept(chain *c, int32_t id);

/* What one pass over a row finds, before any sampler. */
typedef struct row_stats {
    float max;
    double logz;      /* ln sum exp(l) */
    double entropy;   /* nats */
    bool finite;      /* false: a NaN or +inf, or nothing but -inf */
    int32_t bad_id;   /* the first offending id, -1 = none */
} row_stats;
row_stats row_stats_of(const float *logits, int32_t vocab);

/* Draw one id and fill its record, rounded as records are (record.h).  `top` has room for n_top candidates, filled by
 * falling p (id ascending on ties).  token->dot is left 0.  Allocates nothing.
 * GLIMPSE_E_NONFINITE: the row is not finite; nothing filled. */
glimpse_status chain_draw(chain *c, const float *logits, const draw_key *key, uint32_t position, int32_t n_top,
                          glimpse_token *token, glimpse_candidate *top);
/* The same record for a given id, without a draw (scoring). */
glimpse_status chain_score(chain *c, const float *logits, int32_t id, int32_t n_top, glimpse_token *token,
                           glimpse_candidate *top);

#endif
