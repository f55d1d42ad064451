/* top_n_sigma.c -- keep l_i >= max - n sigma, sigma the standard deviation of the candidates' logits (Tang et al. 2024,
 * "Top-n sigma: not all logits are you need"): the whole population above -inf, not a sample of it.  Whatever the
 * temperature, the same are kept.
 *
 * The deviations are integers in 2^-40ths of a power of two at least as large as their range, and their sums are exact:
 * any order gives the same bits. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    float max, min = INFINITY;
    if (c->n == 1) return GLIMPSE_OK;
    TRY(candidates_max(c, &max));
    for (int32_t i = 0; i < c->n; i++)
        if (c->l[i] > -INFINITY && c->l[i] < min) min = c->l[i];
    double range = (double)max - (double)min;
    int exponent;
    if (!(range > 0)) return GLIMPSE_OK;
    frexp(range, &exponent);
    double unit = ldexp(1.0, 40 - exponent); /* range * unit < 2^40; a denormal range makes no infinity in double */
    unsigned __int128 squares = 0;
    uint64_t sum = 0, n = 0;
    for (int32_t i = 0; i < c->n; i++) {
        if (!(c->l[i] > -INFINITY)) continue;
        uint64_t q = (uint64_t)(((double)max - (double)c->l[i]) * unit + 0.5);
        sum += q;
        squares += (unsigned __int128)q * q;
        n++;
    }
    double spread = (double)(squares * n - (unsigned __int128)sum * sum), sigma = sqrt(spread) / (double)n / unit;
    double limit = (double)max - sampler_values(s)[0] * sigma;
    float edge = (float)limit; /* the smallest float at or above the limit */
    if ((double)edge < limit) edge = nextafterf(edge, INFINITY);
    candidates_keep_above(c, edge < max ? edge : max);
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] <= 0; }
static const sampler_param params[] = {{"n", "top_n_sigma", 0, -1, 1000, NULL, "0 to 1000, 0 or less = off"}};
const sampler_kind sampler_top_n_sigma = {
    .ops = VALUE_SAMPLER("top_n_sigma", NULL, apply, NULL), .params = params, .n_params = 1, .off = off};
