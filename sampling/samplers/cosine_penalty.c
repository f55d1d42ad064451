/* cosine_penalty.c -- make what means the same less likely: l_j -= alpha * max over the last N tokens i of
 * cos(embedding j, embedding i).  Meant to stand before the temperature.
 * State: the cosines of the last N tokens with the whole vocabulary, a row each; only what is new is computed. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

#include <stddef.h>

enum { MOST = 64 };
typedef struct cosines {
    value_sampler value; /* alpha, last_n */
    void (*compute)(void *user, int32_t id, float *out);
    void *user;
    int32_t vocab, of[MOST]; /* the token of each row; -1 = empty */
    float row[];             /* (last_n, V) */
} cosines;

static bool among(const int32_t *ids, int32_t n, int32_t id) {
    for (int32_t i = 0; i < n; i++)
        if (ids[i] == id) return true;
    return false;
}

static glimpse_status apply(sampler *s, candidates *c) {
    cosines *k = (cosines *)s;
    int32_t rows = (int32_t)k->value.v[1], n = c->past->n < rows ? c->past->n : rows, used[MOST], n_used = 0;
    const int32_t *last = c->past->ids + c->past->n - n;
    if (n < 1) return GLIMPSE_OK;
    for (int32_t i = 0; i < n; i++) {
        int32_t at = 0;
        if (among(last, i, last[i])) continue;
        while (at < rows && k->of[at] != last[i]) at++;
        if (at == rows) { /* there is a row of a token that is no longer among the last */
            for (at = 0; among(last, n, k->of[at]);) at++;
            k->compute(k->user, last[i], k->row + (size_t)at * (size_t)k->vocab);
            k->of[at] = last[i];
        }
        used[n_used++] = at;
    }
    float *l = candidates_scaled(c);
    for (int32_t i = 0; i < c->n; i++) {
        size_t id = (size_t)candidates_id(c, i);
        float most = -1;
        for (int32_t r = 0; r < n_used; r++) {
            float x = k->row[(size_t)used[r] * (size_t)k->vocab + id];
            if (x > most) most = x;
        }
        l[i] = (float)fma(-k->value.v[0], (double)most, (double)l[i]);
    }
    return GLIMPSE_OK;
}

static void reset(sampler *s) {
    for (int32_t r = 0; r < MOST; r++) ((cosines *)s)->of[r] = -1;
}

static size_t bytes(const sampler_args *a) {
    return sizeof(cosines) + (size_t)a->v[1] * (size_t)a->vocab * sizeof(float);
}
static glimpse_status init(sampler *s, const sampler_args *a) {
    cosines *k = (cosines *)s;
    if (!a->context->cosines)
        FAIL(GLIMPSE_E_UNSUPPORTED, "cosine_penalty needs the model's embedding, and this model has none to show");
    k->compute = a->context->cosines;
    k->user = a->context->user;
    k->vocab = a->vocab;
    reset(s);
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 0 || v[1] == 0; }
static const sampler_param params[] = {{"alpha", "cosine_penalty", 0, -1000, 1000, NULL, "-1000 to 1000, 0 = off"},
                                       {"last_n", "cosine_penalty_last_n", 10, 0, MOST, "n", "0 (off) to 64"}};
const sampler_kind sampler_cosine_penalty = {.ops = VALUE_SAMPLER("cosine_penalty", NULL, apply, reset), .params = params,
                                             .n_params = 2, .off = off, .bytes = bytes, .init = init};
