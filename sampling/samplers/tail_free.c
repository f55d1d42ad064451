/* tail_free.c -- cut where the sorted probabilities stop bending (Trenton Bricken 2019, "Tail free sampling"):
 * p sorted, d1_i = p_i - p_i+1, d2_i = |d1_i - d1_i+1| over their sum (all equal if that is below 1e-6); keep the first i,
 * i >= 1 the first index from 0 whose running sum of d2 exceeds z; all if none does.  Two candidates or fewer: all.
 * All in the masses' integers; the candidates are sorted, so this belongs behind a top_k. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    double z = sampler_values(s)[0], inv_t = candidates_inv_t(c);
    float max;
    if (c->n < 3) return GLIMPSE_OK;
    TRY(candidates_max(c, &max));
    int32_t n = candidates_top(c, c->n);
    if (n < 3) return GLIMPSE_OK;
    uint64_t *keys = c->scratch->work, *mass = c->scratch->work2, total = 0, sum = 0;
    for (int32_t i = 0; i < n; i++)
        total += mass[i] = det_mass(det_scaled(candidate_key_logit(keys[i]), max, inv_t));
    for (int32_t i = 0; i < n - 2; i++) {
        int64_t bend = (int64_t)(mass[i] - mass[i + 1]) - (int64_t)(mass[i + 1] - mass[i + 2]);
        mass[i] = (uint64_t)(bend < 0 ? -bend : bend);
        sum += mass[i];
    }
    bool straight = (double)sum <= 1e-6 * (double)total;
    if (straight) sum = (uint64_t)(n - 2);
    uint64_t limit = (uint64_t)floor(z * (double)sum), cum = 0;
    for (int32_t i = 0; i < n - 2; i++) {
        cum += straight ? 1 : mass[i];
        if (cum > limit && i >= 1) {
            candidates_keep(c, keys[i - 1]);
            return GLIMPSE_OK;
        }
    }
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 1; }
static const sampler_param params[] = {{"z", "tail_free", 1, 0, 1, NULL, "0 to 1, 1 = off"}};
const sampler_kind sampler_tail_free = {
    .ops = VALUE_SAMPLER("tail_free", NULL, apply, NULL), .alias = "tfs_z", .params = params, .n_params = 1, .off = off};
