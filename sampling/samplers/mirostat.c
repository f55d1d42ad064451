/* mirostat.c -- hold the surprise of what is drawn at tau bits (Basu, Ramachandran, Keskar, Varshney 2020, "Mirostat: a
 * neural text decoding algorithm that directly controls perplexity").  mu starts at 2 tau; a token drawn with probability
 * p among the kept moves it by -eta (-log2 p - tau).
 *
 *   version 2  keep p_i >= 2^-mu, at least the most probable
 *   version 1  estimate Zipf's exponent s from the 100 most probable: t_i = ln((i + 2) / (i + 1)), b_i = ln(p_i / p_i+1),
 *              s = sum t b / sum t^2; e = s - 1; keep the k = (e 2^mu / (1 - V^-e))^(1/s) most probable, at least one
 * Meant to be the last filter, behind a temperature; llama.cpp runs no other filter beside it. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

typedef struct mirostat {
    value_sampler value; /* version, tau, eta */
    double mu;
} mirostat;

enum { MOST = 100 };
#define LN2 0x1.62e42fefa39efp-1

static glimpse_status version_1(const mirostat *m, candidates *c) {
    double tt = 0, tb = 0, inv_t = candidates_inv_t(c);
    int32_t n = candidates_top(c, MOST);
    for (int32_t i = 0; i + 1 < n; i++) {
        double t = det_log((double)(i + 2) / (double)(i + 1));
        double b = ((double)candidate_key_logit(c->scratch->work[i]) -
                    (double)candidate_key_logit(c->scratch->work[i + 1])) * inv_t;
        tt = fma(t, t, tt);
        tb = fma(t, b, tb);
    }
    double s = tb / tt, e = s - 1, log_v = det_log(c->vocab);
    if (!(s > 0)) return GLIMPSE_OK; /* flat, or a single one: no exponent can be estimated, nothing is cut */
    /* e / (1 - V^-e) tends to 1 / ln V as e goes to 0 */
    double factor = fabs(e) < 1e-9 ? 1 / log_v : e / (1 - det_exp(-e * log_v));
    double k = det_exp((det_log(factor) + m->mu * LN2) / s);
    return k < c->n ? candidates_keep_top(c, (int32_t)k) : GLIMPSE_OK;
}

static glimpse_status apply(sampler *s, candidates *c) {
    const mirostat *m = (const mirostat *)s;
    float max;
    TRY(candidates_max(c, &max));
    if (c->vocab > 1 && m->value.v[0] == 1) TRY(version_1(m, c));
    else if (m->value.v[0] == 2) TRY(candidates_keep_probable(c, det_exp(-m->mu * LN2), 1));
    return candidates_list(c); /* what is drawn from is then summed in fixed point, so mu is the same everywhere */
}

static void accept(sampler *s, const accepted *a) {
    mirostat *m = (mirostat *)s;
    if (a->p > 0) m->mu -= m->value.v[2] * (-det_log(a->p) / LN2 - m->value.v[1]);
}

static void reset(sampler *s) {
    mirostat *m = (mirostat *)s;
    m->mu = 2 * m->value.v[1];
}

static size_t bytes(const sampler_args *a) {
    (void)a;
    return sizeof(mirostat);
}
static glimpse_status init(sampler *s, const sampler_args *a) {
    (void)a;
    reset(s);
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 0; }
static const sampler_param params[] = {{"version", "mirostat", 0, 0, 2, "n", "0 (off), 1 or 2"},
                                       {"tau", "mirostat_tau", 5, 0, 100, NULL, "0 to 100 bits"},
                                       {"eta", "mirostat_eta", 0.1, 0, 10, NULL, "0 to 10"}};
const sampler_kind sampler_mirostat = {.ops = VALUE_SAMPLER("mirostat", accept, apply, reset), .params = params,
                                       .n_params = 3, .off = off, .bytes = bytes, .init = init};
