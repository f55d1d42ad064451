/* top_k.c -- keep exactly the k largest logits; of equal ones at the edge the lower ids (Fan et al. 2018).  What is -inf
 * is not kept, so fewer than k may be.  ties:keep also keeps what equals the k-th, as transformers and vLLM do. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    const double *v = sampler_values(s);
    int32_t k = (int32_t)fmax(v[0], v[2]);
    if (v[1] == 0) return candidates_keep_top(c, k);
    if (c->n == 1) return GLIMPSE_OK;
    float max;
    TRY(candidates_max(c, &max));
    int32_t n = candidates_top(c, k);
    candidates_keep_above(c, candidate_key_logit(c->scratch->work[n - 1]));
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 0; }
static const sampler_param params[] = {{"k", NULL, 0, 0, INT32_MAX, "n", "a whole number, 0 = off"},
                                       {"ties", "top_k_ties", 0, 0, 1, "drop|keep", "drop or keep"},
                                       MIN_KEEP_PARAM};
const sampler_kind sampler_top_k = {
    .ops = VALUE_SAMPLER("top_k", NULL, apply, NULL), .params = params, .n_params = 3, .off = off};
