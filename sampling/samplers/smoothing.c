/* smoothing.c -- bend the logits by their distance to the largest (kalomaze's quadratic sampling; the curve is
 * Aphrodite's): with d = l / T - max, k = s (3 - c) / 2, q = s (c - 1) / 2: l' = max - k d^2 + q d^3.
 * c = 1 is the parabola alone.  What is near the top comes nearer, what is far goes away. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    const double *v = sampler_values(s);
    if (c->n < 2) return GLIMPSE_OK;
    double k = v[0] * (3 - v[1]) / 2, q = v[0] * (v[1] - 1) / 2;
    float max, *l = candidates_scaled(c);
    TRY(candidates_max(c, &max));
    l = candidates_own(c);
    for (int32_t i = 0; i < c->n; i++) {
        if (!(l[i] > -INFINITY)) continue;
        double d = (double)l[i] - (double)max;
        l[i] = (float)fma(d * d, fma(q, d, -k), (double)max);
    }
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 0; }
static const sampler_param params[] = {{"factor", "smoothing_factor", 0, 0, 100, NULL, "0 to 100, 0 = off"},
                                       {"curve", "smoothing_curve", 1, 1, 3, NULL, "1 to 3"}};
const sampler_kind sampler_smoothing = {
    .ops = VALUE_SAMPLER("smoothing", NULL, apply, NULL), .params = params, .n_params = 2, .off = off};
