/* generate.h -- prompts × settings × samples as one batch: prefill each prompt once, decode all, record every token.
 *
 * Called by hooks/session_open.c.  A generator owns a backend, its cache and one chain for each setting; it allocates in
 * generator_open and at the start of a batch, not per token. */
#ifndef GLIMPSE_SAMPLING_GENERATE_H
#define GLIMPSE_SAMPLING_GENERATE_H

#include "include/internal/record.h"
#include "kernels/backend.h"
#include "sampling/beam.h"
#include "sampling/model/model.h"
#include "sampling/phrases.h"
#include "sampling/samplers/chain.h"
#include "sampling/tokenizer/tokenizer.h"
#include <stdatomic.h>
#include <string.h>

typedef struct generator generator;

typedef struct generator_config {
    int32_t threads;          /* >= 1 */
    const char *isa;          /* NULL = best */
    const backend_ops *ops;   /* NULL = backend_cpu */
    int32_t device;           /* of backend_cuda, as backend_config's */
    glimpse_dtype cache;
    int (*between)(void *user); /* before every run of the threads (pool_between), NULL = nothing */
    void *between_user;
    weights_source *source;   /* borrowed; NULL = the weights are where the model says */
    bool may_fall_back;       /* where ops cannot hold this model: the CPU from then on, said once through say */
    void (*say)(void *user, const char *why);
    void *say_user;
    double memory_percent;    /* as backend_config's */
    uint64_t held_bytes;
    decode_way decode;        /* as backend_config's */
    void (*note)(void *user, const char *line); /* the backend's say, with say_user; NULL = nobody hears it */
} generator_config;

/* `m` and `t` (NULL = none: ids only) are borrowed until generator_close. */
glimpse_status generator_open(const model *m, tokenizer *t, const generator_config *cfg, generator **out);
void generator_close(generator *g);
/* The weights changed. */
glimpse_status generator_refresh(generator *g);
const char *generator_device(const generator *g); /* "cpu", "cuda", "function" */
generator_config generator_config_of(const generator *g); /* as it stands: another generator like it */
glimpse_dtype generator_cache(const generator *g); /* what keys and values are stored as */

typedef struct batch_prompt {
    const char *text;        /* (bytes); what the user gave, for the record */
    size_t bytes;
    const int32_t *ids;      /* (n_ids), n_ids >= 1 */
    int32_t n_ids;
} batch_prompt;

typedef struct batch_request {
    const batch_prompt *prompts;
    int32_t n_prompts;
    const sampler_settings *settings;
    const char *const *labels;    /* (n_settings) "top_k=5" */
    int32_t n_settings;
    const sampler_context *context; /* flags and preset for every setting; the model's facts are filled in; NULL = none */
    const user_sampler_entry *users; /* (n_users); with any, draws run one after the other on the caller's thread */
    int32_t n_users;
    int32_t num_samples;          /* with beams: how many of each search's sequences are wanted */
    beam_settings beams;          /* width 0 = none: samples are drawn */
    int32_t max_tokens;
    int32_t n_top;                /* alternatives recorded for each token */
    uint64_t seed;
    uint32_t step_key;            /* 0, or the step with --seed_each_step */
    bool ignore_eos;
    const char *const *stops;     /* (n_stops) stop strings */
    const size_t *stop_bytes;     /* (n_stops) their lengths, which may hold NUL; NULL = strlen */
    int32_t n_stops;
    const phrase_list *phrases;   /* to go back from (antislop.h); NULL = none */
    int32_t phrase_retries;       /* tokens tried in one place */
    double guidance;              /* scale of guidance.h; 0 or 1 = off */
    const int32_t *negative_ids;  /* (n_negative) the negative prompt; 0 = the last token of each prompt */
    int32_t n_negative;
    const atomic_int *cancel;     /* looked at before each token is taken in: not 0 = every sample ends with it as
                                     CANCELLED; NULL = never */
    /* Optional, for streaming: called once for every token that stands, in order, on the caller's thread; `sequence` counts
     * samples in the order of the result.  Tokens that may still be gone back from are held. */
    void (*on_token)(void *user, int32_t sequence, const glimpse_token *token);
    void *user;
} batch_request;

static inline size_t batch_stop_bytes(const batch_request *rq, int32_t i) {
    return rq->stop_bytes ? rq->stop_bytes[i] : strlen(rq->stops[i]);
}
static inline bool batch_guided(const batch_request *rq) { return rq->guidance != 0 && rq->guidance != 1; }
/* Tokens of the longest of n prompts. */
static inline int32_t batch_longest(const batch_request *rq, int32_t first, int32_t n) {
    int32_t longest = 0;
    for (int32_t i = first; i < first + n; i++)
        if (rq->prompts[i].n_ids > longest) longest = rq->prompts[i].n_ids;
    return longest;
}
/* The most tokens that a sample of this prompt can have in a context of so many: the last is drawn from the row of the context's
 * last token. */
static inline int32_t batch_room(const batch_request *rq, const batch_prompt *p, int32_t context) {
    int32_t negative = !batch_guided(rq) ? 0 : rq->n_negative ? rq->n_negative : 1, room = context - (negative > p->n_ids ? negative : p->n_ids) + 1;
    return room < rq->max_tokens ? room : rq->max_tokens;
}

typedef struct batch_result {
    glimpse_sample *samples;  /* (n_samples), order: prompt, setting, sample; owned by the arena */
    int32_t n_samples;
    double prefill_s, decode_s;
    arena *arena;      /* everything the samples point to */
} batch_result;

/* The chain of one setting, as the batch will use it: for its string, or to refuse it early.  Returned: chain_close. */
glimpse_status generator_chain(const generator *g, const batch_request *request, int32_t setting, chain **out);
/* What generate_batch refuses before it samples. */
glimpse_status batch_check(const generator *g, const batch_request *request);
/* GLIMPSE_E_NONFINITE only if every sample ended so at its first token; otherwise such a sample ends as NONFINITE. */
glimpse_status generate_batch(generator *g, const batch_request *request, batch_result *out);
void batch_result_free(batch_result *r);

/* Score ids (n): the record of ids[1..n-1] given those before. */
glimpse_status score_ids(generator *g, const int32_t *ids, int32_t n, int32_t n_top, batch_result *out);
/* The cross-entropy of each target (B, T), nats, in double; NAN where the target is -1.  `losses` (B, T) is the caller's. */
glimpse_status score_losses(generator *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double *losses);

#endif
