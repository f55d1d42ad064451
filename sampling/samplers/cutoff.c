/* cutoff.c -- keep what is probable enough in itself.
 *
 *   top_a           p_i >= a p_max^2 (BlinkDL's): the surer the model, the stricter
 *   epsilon_cutoff  p_i >= epsilon (Hewitt, Manning, Liang 2022, "Truncation sampling as language model desmoothing")
 *   eta_cutoff      p_i >= min(epsilon, sqrt(epsilon) e^-H), H the entropy in nats (the same paper)
 * p: softmax(l / T) among the candidates.  The most probable always stays. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static bool off(const double *v) { return v[0] == 0; }

static glimpse_status apply_top_a(sampler *s, candidates *c) {
    uint64_t total;
    float max;
    if (c->n == 1) return GLIMPSE_OK;
    TRY(candidates_mass(c, &max, &total));
    /* p_i = e^x_i / S, p_max = 1 / S: x_i >= ln(a / S) */
    return candidates_keep_scaled(c, det_log(sampler_values(s)[0] / ((double)total * 0x1p-43)), 1);
}

static glimpse_status apply_epsilon(sampler *s, candidates *c) {
    return candidates_keep_probable(c, sampler_values(s)[0], (int32_t)sampler_values(s)[1]);
}

static glimpse_status apply_eta(sampler *s, candidates *c) {
    double epsilon = sampler_values(s)[0], nats;
    int32_t n;
    if (c->n == 1) return GLIMPSE_OK;
    TRY(candidates_entropy(c, &nats, &n));
    double eta = sqrt(epsilon) * det_exp(-nats);
    return candidates_keep_probable(c, eta < epsilon ? eta : epsilon, (int32_t)sampler_values(s)[1]);
}

static const sampler_param top_a[] = {{"a", "top_a", 0, 0, 1, NULL, "0 to 1, 0 = off"}},
                           epsilon[] = {{"epsilon", "epsilon_cutoff", 0, 0, 1, NULL, "0 to 1, 0 = off"}, MIN_KEEP_PARAM},
                           eta[] = {{"epsilon", "eta_cutoff", 0, 0, 1, NULL, "0 to 1, 0 = off"}, MIN_KEEP_PARAM};
const sampler_kind sampler_top_a = {
    .ops = VALUE_SAMPLER("top_a", NULL, apply_top_a, NULL), .params = top_a, .n_params = 1, .off = off};
const sampler_kind sampler_epsilon_cutoff = {
    .ops = VALUE_SAMPLER("epsilon_cutoff", NULL, apply_epsilon, NULL), .params = epsilon, .n_params = 2, .off = off};
const sampler_kind sampler_eta_cutoff = {
    .ops = VALUE_SAMPLER("eta_cutoff", NULL, apply_eta, NULL), .params = eta, .n_params = 2, .off = off};
