/* generator.h -- what generate.c and score.c share: the generator's own struct, and what they call to run a model. */
#ifndef GLIMPSE_SAMPLING_GENERATOR_H
#define GLIMPSE_SAMPLING_GENERATOR_H

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

/* A model given as a function, behind the face of a backend: strips hold ids instead of keys and values. */
glimpse_status function_backend_open(const model *m, const backend_config *cfg, backend **out);

/* cos(wte[a], wte[b]) in double; 0 if a row is all zero. */
double embedding_cosine(const model *m, int32_t a, int32_t b);
/* The same of id with every id, into out (V), within 1e-6; `m` is the model.  A sampler_context's function. */
void embedding_cosines(void *m, int32_t id, float *out);

#endif
