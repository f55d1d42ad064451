/* xtc.c -- exclude top choices (p-e-w's XTC, text-generation-webui pull request 6335): with a probability, of all
 * candidates of p >= threshold keep only the least likely.  Fewer than two such: nothing happens.
 *
 * The coin belongs to key and position (PURPOSE_XTC), so it falls alike for every setting; the choices go where
 * u < probability.  The llm-samplers library has another sampler of this name: without chance, and without keeping one. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    const double *v = sampler_values(s);
    uint64_t total, last = 0;
    float max;
    if (c->n < 2 || !c->key || !(v[1] <= 0.5) || !(draw_uniform(*c->key, c->position, PURPOSE_XTC) < v[0]))
        return GLIMPSE_OK; /* above .5 there are no two */
    TRY(candidates_mass(c, &max, &total));
    TRY(candidates_list(c));
    chain_scratch *scratch = c->scratch;
    double inv_t = candidates_inv_t(c), least = det_log(v[1] * (double)total * 0x1p-43);
    for (int32_t i = 0; i < c->n; i++) {
        if (!(det_scaled(c->l[i], max, inv_t) >= least)) continue;
        uint64_t key = candidate_key(c->l[i], c->id[i]);
        if (key > last) last = key;
    }
    int32_t n = 0;
    for (int32_t i = 0; i < c->n; i++) {
        if (candidate_key(scratch->l[i], scratch->id[i]) < last) continue;
        scratch->l[n] = scratch->l[i];
        scratch->id[n++] = scratch->id[i];
    }
    c->n = n;
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 0; }
static const sampler_param params[] = {{"probability", "xtc_probability", 0, 0, 1, NULL, "0 to 1, 0 = off"},
                                       {"threshold", "xtc_threshold", 0.1, 0, 1, NULL, "0 to 1, above 0.5 = off"}};
const sampler_kind sampler_xtc = {
    .ops = VALUE_SAMPLER("xtc", NULL, apply, NULL), .params = params, .n_params = 2, .off = off};
