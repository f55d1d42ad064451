/* length.c -- when a text may end.  All three act on the EOS id alone, and do nothing where the model has none.
 *
 *   min_length    EOS is forbidden while fewer tokens were generated
 *   length_decay  past `start` generated tokens EOS grows: l += |l| (factor^(generated - start) - 1) (transformers'
 *                 ExponentialDecayLengthPenalty)
 *   forced_eos    the last token that --max_sample_tokens leaves room for is EOS */
#include "sampling/samplers/chain_state.h"
#include "include/internal/status.h"

typedef struct ending {
    value_sampler value;
    int32_t eos, max_tokens;
} ending;

int32_t ending_eos(const sampler *s) { return ((const ending *)s)->eos; }

static glimpse_status apply_min(sampler *s, candidates *c) {
    const ending *e = (const ending *)s;
    return e->eos >= 0 && (double)c->past->generated < e->value.v[0] ? candidates_ban(c, &e->eos, 1, false) : GLIMPSE_OK;
}

static glimpse_status apply_decay(sampler *s, candidates *c) {
    const ending *e = (const ending *)s;
    int64_t past = c->past->generated - (int64_t)e->value.v[1];
    int32_t at = e->eos >= 0 ? candidates_find(c, e->eos) : -1;
    if (past <= 0 || at < 0) return GLIMPSE_OK;
    float *l = candidates_scaled(c);
    double power = 1, square = e->value.v[0];
    for (uint64_t k = (uint64_t)past; k; k >>= 1, square = fmin(square * square, 1e30))
        if (k & 1) power = fmin(power * square, 1e30); /* the float below stays finite */
    if (l[at] > -INFINITY) l[at] = (float)fmin(fma(fabs((double)l[at]), power - 1, (double)l[at]), 1e30);
    return GLIMPSE_OK;
}

static glimpse_status apply_forced(sampler *s, candidates *c) {
    const ending *e = (const ending *)s;
    if (e->eos < 0 || c->past->generated != (int64_t)e->max_tokens - 1) return GLIMPSE_OK;
    c->scratch->id[0] = e->eos;
    c->scratch->l[0] = 0;
    c->id = c->scratch->id;
    c->l = c->scratch->l;
    c->n = 1;
    return GLIMPSE_OK;
}

static size_t bytes(const sampler_args *a) {
    (void)a;
    return sizeof(ending);
}
static glimpse_status init(sampler *s, const sampler_args *a) {
    ending *e = (ending *)s;
    e->eos = a->context->eos < a->vocab ? a->context->eos : -1;
    e->max_tokens = a->context->max_tokens;
    return GLIMPSE_OK;
}

static bool off_at_0(const double *v) { return v[0] == 0; }
static bool off_at_1(const double *v) { return v[0] == 1; }
static const sampler_param min_length[] = {{"n", "min_length", 0, 0, INT32_MAX, "n", "a whole number, 0 = off"}};
static const sampler_param decay[] = {{"factor", "length_decay", 1, 1e-3, 1e3, NULL, "0.001 to 1000, 1 = off"},
                                      {"start", "length_decay_start", 0, 0, INT32_MAX, "n", "a whole number"}};
static const sampler_param forced[] = {{"on", "forced_eos", 0, 0, 1, "false|true", "true or false"}};
const sampler_kind sampler_min_length = {.ops = VALUE_SAMPLER("min_length", NULL, apply_min, NULL), .params = min_length,
                                         .n_params = 1, .off = off_at_0, .bytes = bytes, .init = init};
const sampler_kind sampler_length_decay = {.ops = VALUE_SAMPLER("length_decay", NULL, apply_decay, NULL), .params = decay,
                                           .n_params = 2, .off = off_at_1, .bytes = bytes, .init = init};
const sampler_kind sampler_forced_eos = {.ops = VALUE_SAMPLER("forced_eos", NULL, apply_forced, NULL), .params = forced,
                                         .n_params = 1, .off = off_at_0, .bytes = bytes, .init = init};
