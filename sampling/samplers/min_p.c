/* min_p.c -- keep what is at least m times as probable as the most probable (Nguyen et al. 2024):
 * softmax(l / T)_i >= m max_j softmax(l / T)_j, that is (l_i - max) / T >= ln m.  No sum over the row is needed. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    return candidates_keep_scaled(c, det_log(sampler_values(s)[0]), (int32_t)sampler_values(s)[1]);
}

static bool off(const double *v) { return v[0] == 0; }
static const sampler_param params[] = {{"p", NULL, 0, 0, 1, NULL, "0 to 1, 0 = off"}, MIN_KEEP_PARAM};
const sampler_kind sampler_min_p = {
    .ops = VALUE_SAMPLER("min_p", NULL, apply, NULL), .params = params, .n_params = 2, .off = off};
