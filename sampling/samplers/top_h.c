/* top_h.c -- keep as many of the most probable as stay within h of the entropy (Baghaei Potraghloo et al. 2025, "Top-H
 * decoding"; transformers' TopHLogitsWarper): of the 100 first, renormalised, the longest prefix whose sum of -p ln p is at
 * most h H; the first always.  The terms are fixed-point numbers, so h = 1 keeps all 100
 * but those of less than 2^-44 of the first's probability, which count as none. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

enum { MOST = 100 };

static glimpse_status apply(sampler *s, candidates *c) {
    double inv_t = candidates_inv_t(c);
    uint64_t term[MOST], total = 0, sum = 0, cum = 0;
    float max;
    if (c->n == 1) return GLIMPSE_OK;
    TRY(candidates_max(c, &max));
    int32_t most = candidates_top(c, MOST), n = 0, kept = 1;
    for (uint64_t mass; n < most; n++, total += mass)
        if (!(mass = det_mass(det_scaled(candidate_key_logit(c->scratch->work[n]), max, inv_t)))) break;
    double whole = (double)total * 0x1p-43, log_whole = det_log(whole);
    for (int32_t i = 0; i < n; i++) { /* -p ln p = e^x (ln S - x) / S */
        double x = det_scaled(candidate_key_logit(c->scratch->work[i]), max, inv_t);
        sum += term[i] = fixed_of(det_exp(x) * (log_whole - x) / whole);
    }
    double limit = floor(sampler_values(s)[0] * (double)sum);
    for (int32_t i = 0; i < n; i++) {
        cum += term[i];
        if (!((double)cum <= limit)) break;
        kept = i + 1;
    }
    candidates_keep(c, c->scratch->work[kept - 1]);
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 0; }
static const sampler_param params[] = {{"h", "top_h", 0, 0, 1, NULL, "0 to 1, 0 = off"}};
const sampler_kind sampler_top_h = {
    .ops = VALUE_SAMPLER("top_h", NULL, apply, NULL), .params = params, .n_params = 1, .off = off};
