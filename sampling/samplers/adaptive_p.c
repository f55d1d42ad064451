/* adaptive_p.c -- draw what has a probability near a target, and move the target so that the mean of what was drawn is
 * held there (MrJackSpade's; llama.cpp's adaptive-p).  With w, n the decayed sum and count of past probabilities,
 * a = clip(2 target - w / n, 0, 1), d = |p_i - a| / width: l' = 5 - 10 d^2 / (1 + d), drawn from softmax(l').
 * After a token: w = p + decay w, n = 1 + decay n, p the token's own before this sampler; at first w / n = target.
 * Stands last, behind a min_p: all improbable tokens lie at about the same distance. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

typedef struct adaptive {
    value_sampler value; /* target, decay, width */
    double w, n;
    double p[]; /* (V) of the last row's candidates */
} adaptive;

static glimpse_status apply(sampler *s, candidates *c) {
    adaptive *a = (adaptive *)s;
    const double *v = a->value.v;
    uint64_t total;
    float max;
    if (c->temperature == 0) return GLIMPSE_OK; /* greedy */
    TRY(candidates_mass(c, &max, &total));
    TRY(candidates_list(c));
    double inv_t = candidates_inv_t(c), target = 2 * v[0] - a->w / a->n;
    target = target < 0 ? 0 : target > 1 ? 1 : target;
    for (int32_t i = 0; i < c->n; i++) {
        double p = det_exp(det_scaled(c->l[i], max, inv_t)) / ((double)total * 0x1p-43), d = fabs(p - target) / v[2];
        a->p[c->id[i]] = p;
        c->scratch->l[i] = (float)(5 - 10 * d * d / (1 + d));
    }
    c->temperature = 1;
    return GLIMPSE_OK;
}

double adaptive_p_note(const sampler *s, int32_t id) { return ((const adaptive *)s)->p[id]; }

static void accept(sampler *s, const accepted *t) {
    adaptive *a = (adaptive *)s;
    if (!(t->p > 0)) return;
    a->w = fma(a->value.v[1], a->w, t->note ? *t->note : a->p[t->id]);
    a->n = fma(a->value.v[1], a->n, 1);
}

static void reset(sampler *s) {
    adaptive *a = (adaptive *)s;
    a->w = a->value.v[0] / (1 - a->value.v[1]);
    a->n = 1 / (1 - a->value.v[1]);
}

static size_t bytes(const sampler_args *a) { return sizeof(adaptive) + (size_t)a->vocab * sizeof(double); }
static glimpse_status init(sampler *s, const sampler_args *a) {
    (void)a;
    reset(s);
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] < 0; }
static const sampler_param params[] = {{"target", "adaptive_p", -1, -1, 1, NULL, "0 to 1, below 0 = off"},
                                       {"decay", "adaptive_p_decay", 0.9, 0, 0.99, NULL, "0 to 0.99"},
                                       {"width", "adaptive_p_width", 0.3, 0.01, 10, NULL, "0.01 to 10"}};
const sampler_kind sampler_adaptive_p = {.ops = VALUE_SAMPLER("adaptive_p", accept, apply, reset), .params = params,
                                         .n_params = 3, .off = off, .bytes = bytes, .init = init};
