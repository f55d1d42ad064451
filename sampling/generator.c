/* generator.c -- the generator: its plan, its threads, and the backend that is opened when a batch first needs one and kept
 * while it is large enough; where its weights come from (weights_source.h).  Called by hooks/session_open.c and by what runs a
 * model: generate.c, conversation.c, score.c. */
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
    g->has_lock = pthread_mutex_init(&g->lock, NULL) == 0;
    if (!g->has_lock) FAIL_GOTO(GLIMPSE_E_MEMORY, "no lock for the generator");
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
    if (g->has_lock) pthread_mutex_destroy(&g->lock);
    free(g);
}

/* --- weights ------------------------------------------------------------------------------------------------------ */

/* The backend reads them where they lie on a GPU. */
static bool reads_device(const generator *g) {
    const weights_source *s = g->cfg.source;
    return s && s->device >= 0 && s->device == g->cfg.device && g->cfg.ops != &backend_cpu && !g->m->is_function;
}

/* This epoch's weights to where the backend looks for them. */
static glimpse_status fetch_weights(generator *g) {
    weights_source *s = g->cfg.source;
    char why[512] = "";
    glimpse_status st = GLIMPSE_OK;
    if (!s || (g->be && g->held == s->epoch)) return GLIMPSE_OK;
    if (s->keep_host || !reads_device(g)) st = s->on_host(s->user, why, sizeof why);
    if (st >= 0 && reads_device(g)) st = s->on_device(s->user, why, sizeof why);
    return st < 0 ? status_set_text(st, why) : GLIMPSE_OK;
}

static glimpse_status read_weights(generator *g) {
    weights_source *s = g->cfg.source;
    if (s && g->held == s->epoch) return GLIMPSE_OK;
    TRY(fetch_weights(g));
    g->held = 0;
    glimpse_status st = g->be->ops->refresh(g->be);
    if (s) s->taken(s->user);
    if (st >= 0 && s) g->held = s->epoch;
    return st;
}

glimpse_status generator_refresh(generator *g) {
    g->cache_of = NULL;
    return g->be ? read_weights(g) : GLIMPSE_OK;
}

const char *generator_device(const generator *g) {
    return g->m->is_function ? "function" : g->cfg.ops->name;
}

generator_config generator_config_of(const generator *g) { return g->cfg; }

glimpse_dtype generator_cache(const generator *g) { return g->cfg.ops == &backend_cpu ? GLIMPSE_F32 : g->cfg.cache; }

/* --- the backend -------------------------------------------------------------------------------------------------- */

static glimpse_status open_backend(generator *g, const backend_config *want) {
    TRY(fetch_weights(g));
    glimpse_status st = g->cfg.ops->open(&g->be, g->plan, want);
    if (st >= 0) return read_weights(g);
    g->be = NULL;
    return st;
}

/* Not on the GPU, then: the CPU, for good. */
static glimpse_status fall_back(generator *g, glimpse_status st, const backend_config *want) {
    if (!g->cfg.may_fall_back || g->cfg.ops == &backend_cpu) return st;
    if (g->cfg.say) g->cfg.say(g->cfg.say_user, status_text());
    if (g->be) g->be->ops->close(g->be);
    g->be = NULL;
    g->held = 0;
    g->cfg.ops = &backend_cpu;
    return open_backend(g, want);
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
    }
    backend_config want = { .threads = g->cfg.threads, .max_rows = rows, .max_logits = logits, .n_strips = strips,
                            .strip_tokens = strip_tokens, .isa = g->cfg.isa, .pool = g->pool,
                            .device = g->cfg.device, .cache = g->cfg.cache, .source = g->cfg.source,
                            .memory_percent = g->cfg.memory_percent, .held_bytes = g->cfg.held_bytes,
                            .decode = g->cfg.decode, .say = g->cfg.note, .say_user = g->cfg.say_user };
    glimpse_status st;
    if (g->be && g->be->ops->reopen) { /* the weights stay: they may be gone where they were read */
        st = g->be->ops->reopen(g->be, &want);
        if (st < 0) g->be = NULL;
    } else {
        if (g->be) g->be->ops->close(g->be);
        g->be = NULL;
        st = g->m->is_function ? function_backend_open(g->m, &want, &g->be) : open_backend(g, &want);
    }
    if (!g->be) g->held = 0;
    if (st < 0) st = fall_back(g, st, &want);
    TRY(st);
    g->be_cfg = want;
    g->opened++;
    return GLIMPSE_OK;
}
