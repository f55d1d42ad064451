/* temperature.c -- divide the logits by T; T = 0 is greedy: the largest logit, the lowest id on ties.
 *
 * Nothing is divided here: candidates carry T, which masses and the draw apply in double.  So a temperature costs no
 * pass over the row and loses no bit of the logits.  Two in one chain multiply. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    double t = ((value_sampler *)s)->value;
    if (t > 0) {
        c->temperature *= t;
        return GLIMPSE_OK;
    }
    c->temperature = 0;
    if (c->id) return candidates_keep_top(c, 1);
    float max;
    TRY(candidates_max(c, &max));
    candidates_keep_above(c, max); /* by rising id: the first is the lowest */
    c->n = 1;
    return GLIMPSE_OK;
}

static const sampler_ops ops = {"temperature", NULL, apply, NULL, value_sampler_clone, value_sampler_free,
                                value_sampler_print};
static double setting(const sampler_settings *s) { return s->temperature; }
static bool valid(double t) { return t == 0 || (t >= 1e-6 && t <= 1e6); }
static bool off(double t) { return t == 1; }
static glimpse_status open_(double t, int32_t vocab, sampler **out) {
    (void)vocab;
    return value_sampler_open(&ops, t, out);
}

const sampler_kind sampler_temperature = {"temperature", "0 (greedy), or 1e-6 to 1e6", setting, valid, off, open_};
