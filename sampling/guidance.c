/* guidance.c -- classifier-free guidance as the first sampler of a chain (guidance.h). */
#include "sampling/guidance.h"

#include "include/internal/status.h"
#include "sampling/samplers/sampler.h"
#include <math.h>
#include <stdlib.h>

typedef struct guidance {
    sampler base;
    double scale;
    const float *const *against;
} guidance;

/* ln sum exp(l), by the fixed-point sum of the decision path: the same bits on every machine. */
static glimpse_status log_sum(const candidates *c, const float *l, const char *what, double *out) {
    float max = -INFINITY;
    for (int32_t i = 0; i < c->vocab; i++) {
        if (!(l[i] < INFINITY))
            FAIL(GLIMPSE_E_NONFINITE, "the logit of id %d %s is %s", i, what, l[i] > 0 ? "+inf" : "NaN");
        if (l[i] > max) max = l[i];
    }
    if (!(max > -INFINITY)) FAIL(GLIMPSE_E_NONFINITE, "every one of the %d logits %s is -inf", c->vocab, what);
    *out = (double)max + det_log((double)c->scratch->ops->mass(l, c->vocab, max, 1.0, NULL) * 0x1p-43);
    return GLIMPSE_OK;
}

static glimpse_status apply(sampler *s, candidates *c) {
    const guidance *g = (const guidance *)s;
    if (!g->against) return GLIMPSE_OK;
    const float *against = *g->against;
    double zc, zu;
    TRY(log_sum(c, c->raw, "of the prompt", &zc));
    TRY(log_sum(c, against, "of the negative prompt", &zu));
    float *l = candidates_own(c);
    for (int32_t i = 0; i < c->vocab; i++) {
        double p = (double)l[i] - zc, u = (double)against[i] - zu;
        if (!(against[i] > -INFINITY)) u = p;
        l[i] = p > -INFINITY ? (float)fma(g->scale, p - u, u) : -INFINITY;
    }
    return GLIMPSE_OK;
}

static glimpse_status clone_(const sampler *s, sampler **out) {
    guidance *copy = malloc(sizeof *copy);
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for the sampler guidance");
    *copy = *(const guidance *)s;
    *out = &copy->base;
    return GLIMPSE_OK;
}

static void free_(sampler *s) { free(s); }

static void print(const sampler *s, buffer *out) { sampler_put_number(out, ((const guidance *)s)->scale); }

glimpse_status guidance_join(chain *c, double scale, const float *const *against) {
    static const sampler_ops ops = { "guidance", NULL, apply, NULL, clone_, free_, print };
    guidance *s = malloc(sizeof *s);
    if (!s) FAIL(GLIMPSE_E_MEMORY, "no memory for the sampler guidance");
    *s = (guidance){ { &ops }, scale, against };
    return chain_insert(c, 0, &s->base);
}
