/* generator.c -- the generator: its plan, its threads, and the backend that is opened when a batch first needs one and kept
 * while it is large enough.  Called by hooks/session.c and by what runs a model: generate.c, conversation.c, score.c. */
#include "sampling/generator.h"

#include "include/internal/status.h"
#include "sampling/forward.h"
#include <stdlib.h>

#define MAX(a, b) ((a) > (b) ? (a) : (b))

glimpse_status generator_open(const model *m, tokenizer *t, const generator_config *cfg, generator **out) {
    glimpse_status st = GLIMPSE_OK;
    generator *g = calloc(1, sizeof *g);
    if (!g) FAIL(GLIMPSE_E_MEMORY, "no memory for the generator");
    g->m = m;
    g->t = t;
    g->cfg = *cfg;
    if (!g->cfg.ops) g->cfg.ops = &backend_cpu;
    if (g->cfg.threads < 1) g->cfg.threads = 1;
    if (!m->is_function) TRY_GOTO(plan_build(m, &g->plan));
    TRY_GOTO(pool_open(&g->pool, g->cfg.threads));
    pool_between(g->pool, g->cfg.between, g->cfg.between_user);
    *out = g;
    return GLIMPSE_OK;
out:
    generator_close(g);
    return st;
}

void generator_close(generator *g) {
    if (!g) return;
    if (g->be) g->be->ops->close(g->be);
    plan_close(g->plan);
    pool_close(g->pool);
    free(g);
}

glimpse_status generator_refresh(generator *g) {
    g->cache_of = NULL;
    return g->be ? g->be->ops->refresh(g->be) : GLIMPSE_OK;
}

const char *generator_device(const generator *g) {
    return g->m->is_function ? "function" : g->cfg.ops->name;
}

/* A backend with at least this room: the one that is open, or a new one. */
glimpse_status generator_backend(generator *g, int32_t rows, int32_t logits, int32_t strips, int32_t strip_tokens) {
    const backend_config *have = &g->be_cfg;
    g->cache_of = NULL;
    if (g->be && have->max_rows >= rows && have->max_logits >= logits && have->n_strips >= strips
        && have->strip_tokens >= strip_tokens)
        return GLIMPSE_OK;
    if (g->be) { /* room for both askers, where that is not far more than either needs: evals ask in turn */
        int64_t larger = (int64_t)strips * strip_tokens, had = (int64_t)have->n_strips * have->strip_tokens;
        int32_t both_strips = MAX(strips, have->n_strips), both_tokens = MAX(strip_tokens, have->strip_tokens);
        if (had > larger) larger = had;
        rows = MAX(rows, have->max_rows);
        logits = MAX(logits, have->max_logits);
        if ((int64_t)both_strips * both_tokens <= 2 * larger) {
            strips = both_strips;
            strip_tokens = both_tokens;
        }
        g->be->ops->close(g->be);
    }
    g->be = NULL;
    backend_config want = { .threads = g->cfg.threads, .max_rows = rows, .max_logits = logits, .n_strips = strips,
                            .strip_tokens = strip_tokens, .isa = g->cfg.isa, .pool = g->pool,
                            .device = g->cfg.device, .cache = g->cfg.cache };
    if (g->m->is_function)
        TRY(function_backend_open(g->m, &want, &g->be));
    else {
        TRY(g->cfg.ops->open(&g->be, g->plan, &want));
        TRY(g->be->ops->refresh(g->be));
    }
    g->be_cfg = want;
    g->opened++;
    return GLIMPSE_OK;
}
