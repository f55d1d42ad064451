/* top_k.c -- keep exactly the k largest logits; of equal ones at the edge the lower ids (Fan et al. 2018).  What is -inf
 * is not kept, so fewer than k may be. */
#include "sampling/samplers/sampler.h"

static glimpse_status apply(sampler *s, candidates *c) {
    return candidates_keep_top(c, (int32_t)((value_sampler *)s)->value);
}

static const sampler_ops ops = {"top_k", NULL, apply, NULL, value_sampler_clone, value_sampler_free,
                                value_sampler_print};
static double setting(const sampler_settings *s) { return s->top_k; }
static bool valid(double k) { return k >= 0 && k <= INT32_MAX && k == floor(k); }
static bool off(double k) { return k == 0; }
static glimpse_status open_(double k, int32_t vocab, sampler **out) {
    (void)vocab;
    return value_sampler_open(&ops, k, out);
}

const sampler_kind sampler_top_k = {"top_k", "a whole number, 0 = off", setting, valid, off, open_};
