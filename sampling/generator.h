/* generator.h -- what generate.c and score.c share: the generator's own struct, and what they call to run a model. */
#ifndef GLIMPSE_SAMPLING_GENERATOR_H
#define GLIMPSE_SAMPLING_GENERATOR_H

#include <pthread.h>

#include "include/internal/threads.h"
#include "sampling/generate.h"

struct generator {
    const model *m;       /* borrowed */
    tokenizer *t;         /* borrowed, NULL = none */
    generator_config cfg;
    plan *plan;           /* NULL for a model given as a function */
    backend *be;          /* opened when a batch needs it, kept while it is large enough */
    backend_config be_cfg;
    pool *pool;           /* the backend's, and draws of one step run side by side */
    const void *cache_of; /* whose keys and values the cache holds for a next time; NULL = nobody's */
    uint64_t opened;      /* backends so far */
    uint64_t held;        /* the epoch of the weights that `be` holds, with a source; 0 = none */
    pthread_mutex_t lock; /* around the backend's cosines: samplers of several lanes may ask at once */
    bool has_lock;
};

/* A backend with at least this room, and the weights as they are now: the one that is open, or a new one.  The cache is then
 * the caller's: cache_of is NULL. */
glimpse_status generator_backend(generator *g, int32_t rows, int32_t logits, int32_t strips, int32_t strip_tokens);

/* One batch (generate_batch).  `kept`: the only prompt's first tokens of which `cached` lie in strip 0 already if the cache is
 * still `owner`'s; the sample goes on in that strip, which has room for the whole context, and leaves it to the owner.  NULL =
 * an ordinary batch. */
typedef struct kept_cache {
    const void *owner;
    int32_t cached;
} kept_cache;
glimpse_status batch_run(generator *g, const batch_request *rq, const kept_cache *kept, batch_result *out);
/* The longest that a prompt's samples may become (backend_row.reach). */
int32_t generator_reach(const generator *g, const batch_prompt *p, int32_t max_tokens);
enum { GENERATOR_PREFILL_ROWS = 256 }; /* of a forward pass over a prompt, at most */
/* The whole prompt through the model into `strip`; the logits after its last token into last (V). */
glimpse_status generator_prefill(generator *g, const batch_prompt *p, int32_t strip, int32_t reach, float *last);
/* generator_chain; beside: a chain of the same lane, NULL = none. */
glimpse_status generator_chain_beside(const generator *g, const batch_request *request, int32_t setting,
                                      const chain *beside, chain **out);
/* Cut the text before the first stop string that ends in its last `added` bytes; true if there is one. */
bool cut_at_stop(const batch_request *rq, buffer *text, size_t added);

/* score.c: ids (n) of one text through strip 0; `each` sees the logits (V) after position pos, from 0 on. */
typedef glimpse_status (*score_row_fn)(void *user, int32_t pos, const float *logits);
glimpse_status score_each_row(generator *g, const int32_t *ids, int32_t n, score_row_fn each, void *user);

/* A model given as a function, behind the face of a backend: strips hold ids instead of keys and values. */
glimpse_status function_backend_open(const model *m, const backend_config *cfg, backend **out);

/* cos(wte[a], wte[b]) of n pairs of ids, 0 where a row is all zero or the model is a function: by the backend that is open,
 * or in double from the model's own addresses. */
glimpse_status generator_cosines(generator *g, const int32_t *pairs, int32_t n, float *out);
/* The same of id with every id, into out (V); `g` is the generator.  NaN where it fails.  A sampler_context's function. */
void embedding_cosines(void *g, int32_t id, float *out);

#endif
