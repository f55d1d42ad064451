/* min_p.c -- keep what is at least m times as probable as the most probable (Nguyen et al. 2024):
 * softmax(l / T)_i >= m max_j softmax(l / T)_j, that is (l_i - max) / T >= ln m.  No sum over the row is needed. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    if (c->n == 1) return GLIMPSE_OK;
    double inv_t = candidates_inv_t(c), least = det_log(((value_sampler *)s)->value);
    float max;
    TRY(candidates_max(c, &max));
    /* The smallest float on the kept side: the comparison in double is monotone, so one float decides for the row. */
    float limit = (float)((double)max + least / inv_t);
    while (!(det_scaled(limit, max, inv_t) >= least)) limit = nextafterf(limit, INFINITY);
    for (float below; limit > -INFINITY && det_scaled(below = nextafterf(limit, -INFINITY), max, inv_t) >= least;)
        limit = below;
    candidates_keep_above(c, limit);
    return GLIMPSE_OK;
}

static const sampler_ops ops = {"min_p", NULL, apply, NULL, value_sampler_clone, value_sampler_free,
                                value_sampler_print};
static double setting(const sampler_settings *s) { return s->min_p; }
static bool valid(double m) { return m >= 0 && m <= 1; }
static bool off(double m) { return m == 0; }
static glimpse_status open_(double m, int32_t vocab, sampler **out) {
    (void)vocab;
    return value_sampler_open(&ops, m, out);
}

const sampler_kind sampler_min_p = {"min_p", "0 to 1, 0 = off", setting, valid, off, open_};
