/* user_sampler.c -- a glimpse_sampler of the user's in a chain: its candidates are those of the chain with the temperature
 * divided in, and what it leaves is checked before it goes on.  Called by chain.c. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

#include <stdlib.h>

typedef struct user_sampler {
    sampler base;
    sampler_ops ops; /* with the user's name */
    glimpse_sampler vt;
    void *state;
    bool own;        /* a clone of ours, freed with this */
} user_sampler;

static void accept(sampler *s, const accepted *a) {
    user_sampler *u = (user_sampler *)s;
    if (u->vt.accept) u->vt.accept(u->state, a->id, a->prompt);
}

static glimpse_status apply(sampler *s, candidates *c) {
    user_sampler *u = (user_sampler *)s;
    float max;
    glimpse_candidates g = {.size = sizeof g, .n = c->n, .vocab_size = c->vocab, .ids = c->id,
                            .logits = candidates_scaled(c), .position = c->position};
    int r = u->vt.apply(u->state, &g);
    if (r) FAIL(GLIMPSE_E_INVALID, "the sampler %s failed: it returned %d", u->ops.name, r);
    glimpse_status st = candidates_max(c, &max);
    if (st < 0) HINT("the sampler %s left this", u->ops.name);
    return st;
}

static void reset(sampler *s) {
    user_sampler *u = (user_sampler *)s;
    if (u->vt.reset) u->vt.reset(u->state);
}

static glimpse_status clone_(const sampler *s, sampler **out) {
    const user_sampler *u = (const user_sampler *)s;
    return user_sampler_open(&u->vt, u->state, out);
}

static void free_(sampler *s) {
    user_sampler *u = (user_sampler *)s;
    if (u->own && u->vt.free) u->vt.free(u->state);
    free(u);
}

glimpse_status user_sampler_open(const glimpse_sampler *vt, void *state, sampler **out) {
    user_sampler *u = calloc(1, sizeof *u);
    if (!u) FAIL(GLIMPSE_E_MEMORY, "no memory for the sampler %s", vt->name);
    u->ops = (sampler_ops){vt->name, accept, apply, reset, clone_, free_, NULL};
    u->base.ops = &u->ops;
    u->vt = *vt;
    u->state = vt->clone ? vt->clone(state) : state;
    u->own = vt->clone != NULL;
    if (u->own && !u->state) {
        free(u);
        FAIL(GLIMPSE_E_MEMORY, "the sampler %s could not be cloned", vt->name);
    }
    *out = &u->base;
    return GLIMPSE_OK;
}

bool user_sampler_is_shared(const sampler *s) {
    if (s->ops->apply != apply) return false;
    const user_sampler *u = (const user_sampler *)s;
    return u->vt.accept && !u->own;
}
