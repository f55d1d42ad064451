/* inline_sampler.c -- samplers of the user's own, called by the session: each of their functions finds the host's
 * floating-point environment and locale, as hooks do.  Called by inline.c for glimpse_add_sampler, by
 * module.c for those of modules. */
#include <stdlib.h>
#include <string.h>

#include "plugin/guest.h"

typedef struct wrapped {
    glimpse *g;
    glimpse_sampler vt; /* the user's */
    void *state;
    bool own;           /* `state` is a clone */
} wrapped;

/* Without a guest (a module's sampler) there is no other state to go to. */
static void go_out(const wrapped *w, host_state *ours) {
    if (w->g) guest_go_out(w->g, ours);
}
static void come_in(const wrapped *w, const host_state *ours) {
    if (w->g) guest_come_in(w->g, ours);
}

static void on_accept(void *state, int32_t id, int prompt) {
    wrapped *w = state;
    host_state ours;
    if (!w->vt.accept) return;
    go_out(w, &ours);
    w->vt.accept(w->state, id, prompt);
    come_in(w, &ours);
}

static int on_apply(void *state, glimpse_candidates *c) {
    wrapped *w = state;
    host_state ours;
    go_out(w, &ours);
    int r = w->vt.apply(w->state, c);
    come_in(w, &ours);
    return r;
}

static void on_reset(void *state) {
    wrapped *w = state;
    host_state ours;
    if (!w->vt.reset) return;
    go_out(w, &ours);
    w->vt.reset(w->state);
    come_in(w, &ours);
}

static void on_free(void *state) {
    wrapped *w = state;
    host_state ours;
    if (w->own && w->vt.free) {
        go_out(w, &ours);
        w->vt.free(w->state);
        come_in(w, &ours);
    }
    free(w);
}

static void *on_clone(const void *state) {
    const wrapped *w = state;
    wrapped *copy = malloc(sizeof *copy);
    host_state ours;
    if (!copy) return NULL;
    *copy = *w;
    copy->own = w->vt.clone != NULL;
    if (!w->vt.clone) return copy;
    go_out(w, &ours);
    copy->state = w->vt.clone(w->state);
    come_in(w, &ours);
    if (copy->state) return copy;
    free(copy);
    return NULL;
}

glimpse_status inline_wrap_sampler(glimpse *g, const glimpse_sampler *given, void *user, glimpse_sampler *vt, void **state) {
    wrapped *w = calloc(1, sizeof *w);
    if (!w) FAIL(GLIMPSE_E_MEMORY, "no memory for a sampler");
    w->g = g;
    w->state = user;
    memcpy(&w->vt, given, given->size < sizeof w->vt ? given->size : sizeof w->vt);
    *vt = (glimpse_sampler){sizeof *vt, w->vt.name, on_accept, on_apply, on_reset, on_clone, on_free};
    *state = w;
    return GLIMPSE_OK;
}
