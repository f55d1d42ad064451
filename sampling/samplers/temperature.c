/* temperature.c -- divide the logits by T; T = 0 is greedy: the largest logit, the lowest id on ties.
 *
 * Nothing is divided here: candidates carry T, which masses and the draw apply in double.  So a temperature costs no
 * pass over the row and loses no bit of the logits.  Two in one chain multiply.
 *
 * With a range it is dynamic: T' = low + (high - low) (H / ln n)^exponent, low = max(0, T - range), high = T + range, H the
 * entropy in nats of the n candidates as they are: a sure model is made surer, an unsure one more random (kalomaze's
 * dynamic temperature, as llama.cpp's temp_ext has it).  With one candidate it does nothing. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    const double *v = sampler_values(s);
    double t = v[0];
    if (c->temperature == 0) return GLIMPSE_OK;
    if (v[1] > 0) {
        double nats;
        int32_t n;
        TRY(candidates_entropy(c, &nats, &n));
        if (n < 2) return GLIMPSE_OK;
        double low = t > v[1] ? t - v[1] : 0, part = nats / det_log(n);
        part = part >= 1 ? 1 : part > 0 ? det_exp(v[2] * det_log(part)) : v[2] > 0 ? 0 : 1;
        t = fma(t + v[1] - low, part, low);
        if (t < 1e-6) t = 0;
    }
    if (t > 0) {
        c->temperature *= t;
        c->warm *= t;
        return GLIMPSE_OK;
    }
    c->temperature = 0;
    if (c->id) return candidates_keep_top(c, 1);
    float max;
    TRY(candidates_max(c, &max));
    candidates_keep_above(c, max); /* by rising id: the first is the lowest */
    c->n = 1;
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 1 && v[1] == 0; }
static bool valid(const double *v) { return v[0] == 0 || v[0] >= 1e-6; }
static const sampler_param params[] = {
    {"temperature", NULL, 1, 0, 1e6, NULL, "0 (greedy), or 1e-6 to 1e6"},
    {"range", "dynatemp_range", 0, 0, 1e3, NULL, "0 to 1000, 0 = off"},
    {"exponent", "dynatemp_exponent", 1, 0, 100, NULL, "0 to 100"}};
const sampler_kind sampler_temperature = {
    .ops = VALUE_SAMPLER("temperature", NULL, apply, NULL), .params = params, .n_params = 3, .off = off, .valid = valid};
