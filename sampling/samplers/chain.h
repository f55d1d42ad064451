/* chain.h -- a chain of samplers: from a row of logits to one id and its record.
 *
 * The chain is stated by one string, printed with every sample:  "repetition_penalty=1.1;temperature=0.8;top_k=40"
 * and runs in the order of the string.  Default order: repetition_penalty, temperature, top_k, top_p, min_p: what
 * nanoGPT and transformers do (truncation sees softmax(l / T)).  The draw at the end is decide.h's.
 *
 * Rules, stated once: ties are broken (logit descending, id ascending); the token that crosses top_p's limit is kept;
 * masses are renormalised between filters; top_k keeps exactly k; temperature 0 is greedy, the lowest id on ties; a
 * filter never leaves an empty set; a logit of -inf is never kept; penalties count prompt and output.
 * Called by sampling/generate.c, score.c.  A new sampler: sampler.h. */
#ifndef GLIMPSE_SAMPLING_CHAIN_H
#define GLIMPSE_SAMPLING_CHAIN_H

#include <glimpse.h>
#include "include/internal/buffer.h"
#include "kernels/decide.h"
#include <stdbool.h>

/* The settings of one column of samples, as options give them. */
typedef struct sampler_settings {
    double temperature;        /* 0 = greedy, else 1e-6 .. 1e6; 1 = off */
    int32_t top_k;             /* 0 = off */
    double top_p;              /* 0 .. 1; 1 = off, 0 keeps one */
    double min_p;              /* 0 .. 1; 0 = off */
    double repetition_penalty; /* > 0; 1 = off */
    const char *order;         /* --samplers: "name;name=value;..."; a name alone takes its value from above.  NULL =
                                  the default order of those that are on */
} sampler_settings;
#define SAMPLER_SETTINGS_INIT { 1, 0, 1, 0, 1, NULL }

typedef struct chain chain;
/* Parse and build.  Returned: chain_close.  GLIMPSE_E_INVALID names the sampler or the parameter, its range, and for an
 * unknown name the nearest known one.  What is off (top_k=0) is left out; with nothing on the chain is "temperature=1".
 * Threads: a chain and its clones share their scratch memory, so they are used by one thread at a time; chains opened
 * apart may run at once. */
glimpse_status chain_open(const sampler_settings *settings, int32_t vocab, chain **out);
void chain_close(chain *c); /* NULL is fine */
const char *chain_string(const chain *c);    /* "temperature=0.8;top_k=5"; borrowed as long as the chain */
/* Put a sampler of the user's own at the end.  Given: freed with the chain, also when this fails. */
typedef struct sampler sampler;
glimpse_status chain_append(chain *c, sampler *s);
/* State of one sequence: penalties' counts and the like. */
glimpse_status chain_clone(const chain *c, chain **out);
void chain_reset(chain *c);
void chain_accept(chain *c, int32_t id); /* each prompt token, then each generated one */

/* What one pass over a row finds, before any sampler. */
typedef struct row_stats {
    float max;
    double logz;      /* ln sum exp(l) */
    double entropy;   /* nats */
    bool finite;      /* false: a NaN or +inf, or nothing but -inf; then the others are NaN */
    int32_t bad_id;   /* the first offending id; -1 = none (finite, or nothing but -inf) */
} row_stats;
row_stats row_stats_of(const float *logits, int32_t vocab);

/* Draw one id and fill its record, rounded as records are (record.h).  Allocates nothing.
 *   logit, logprob, entropy  of the raw row: l, l - logz, -sum p ln p
 *   rank, left    1 + the ids ranked above it (raw logit descending, id ascending), and their probability
 *   p_temp        softmax over the whole vocabulary of l' / T: l' the row as changed by what runs before the first
 *                 filter, T the chain's temperature.  Greedy: 1 for the id greedy takes, 0 for others
 *   kept, p_final how many survived, and the probability among them (0 for a scored id that did not)
 *   top           has room for n_top; token->n_top = how many there are: the ids of largest p (id ascending on ties),
 *                 those of -inf left out.  top = its place.  dot = 0
 * GLIMPSE_E_NONFINITE: NaN, +inf, or nothing but -inf, in the row or after a sampler; names the id.  On any failure
 * token and top are untouched. */
glimpse_status chain_draw(chain *c, const float *logits, const draw_key *key, uint32_t position, int32_t n_top,
                          glimpse_token *token, glimpse_candidate *top);
/* The same record for a given id, without a draw (scoring).  GLIMPSE_E_INVALID: id outside the vocabulary. */
glimpse_status chain_score(chain *c, const float *logits, int32_t id, int32_t n_top, glimpse_token *token,
                           glimpse_candidate *top);

#endif
