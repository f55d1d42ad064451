/* skew.c -- turn the draw towards one end of the vocabulary (ExLlamaV2's skew, as Aphrodite has it): the running sums C of
 * the probabilities, by rising id, become C^a, a = e^skew, and what is drawn from are their differences.  Above 0 low ids
 * lose; it depends on the vocabulary's order, so on nothing a reader would expect.
 *
 * l' = a ln C_i + ln(1 - (C_i-1 / C_i)^a).  C is a sum of decide.h's masses: what is below 2^-44 of the largest counts as
 * nothing in the sums of those behind it. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    double a = det_exp(sampler_values(s)[0]), inv_t = candidates_inv_t(c);
    uint64_t total, sum = 0;
    float max;
    if (c->temperature == 0 || c->n < 2) return GLIMPSE_OK; /* greedy */
    TRY(candidates_mass(c, &max, &total));
    TRY(candidates_list(c));
    float *l = c->scratch->l;
    for (int32_t i = 0; i < c->n; i++) {
        double x = det_scaled(l[i], max, inv_t), m = det_exp(x) * 0x1p43, before = (double)sum, end = before + m;
        if (!(m > 0)) {
            l[i] = -INFINITY;
            continue;
        }
        double y = a * (m <= end / 2 ? det_neg_log1m(m / end) : -det_log(before / end)); /* inf where nothing is before */
        double rest = y < 1e-4 ? y * fma(y, fma(y, 1.0 / 6, -0.5), 1) : 1 - det_exp(-y); /* 1 - e^-y */
        sum += det_mass(x);
        l[i] = (float)fma(a, det_log(end / (double)total), det_log(rest));
    }
    c->temperature = 1;
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 0; }
static const sampler_param params[] = {{"skew", "skew", 0, -10, 10, NULL, "-10 to 10, 0 = off"}};
const sampler_kind sampler_skew = {
    .ops = VALUE_SAMPLER("skew", NULL, apply, NULL), .params = params, .n_params = 1, .off = off};
