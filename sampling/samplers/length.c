/* length.c -- when a text may end.  All three act on the ids that end it alone, and do nothing where the model has none.  Where
 * there are several, as transformers' logits processors of the same purpose do.
 *
 *   min_length    they are forbidden while fewer tokens were generated
 *   length_decay  past `start` generated tokens each grows: l += |l| (factor^(generated - start) - 1) (transformers'
 *                 ExponentialDecayLengthPenalty)
 *   forced_eos    the last token that --max_sample_tokens leaves room for is one of them, each as likely as the others */
#include "sampling/samplers/chain_state.h"
#include "include/internal/status.h"

typedef struct ending {
    value_sampler value;
    int32_t ids[1 + GLIMPSE_MORE_EOS], n, max_tokens; /* ids: rising, no two alike */
} ending;

int32_t ending_ids(const sampler *s, int32_t *ids, int32_t room) {
    const ending *e = (const ending *)s;
    if (e->n > room) return -1;
    memcpy(ids, e->ids, (size_t)e->n * sizeof *ids);
    return e->n;
}

static glimpse_status apply_min(sampler *s, candidates *c) {
    const ending *e = (const ending *)s;
    return (double)c->past->generated < e->value.v[0] ? candidates_ban(c, e->ids, e->n, false) : GLIMPSE_OK;
}

static glimpse_status apply_decay(sampler *s, candidates *c) {
    const ending *e = (const ending *)s;
    int64_t past = c->past->generated - (int64_t)e->value.v[1];
    int32_t at[1 + GLIMPSE_MORE_EOS], n = 0;
    for (int32_t i = 0; i < e->n; i++) {
        at[n] = candidates_find(c, e->ids[i]);
        n += at[n] >= 0;
    }
    if (past <= 0 || !n) return GLIMPSE_OK;
    float *l = candidates_scaled(c);
    double power = 1, square = e->value.v[0];
    for (uint64_t k = (uint64_t)past; k; k >>= 1, square = fmin(square * square, 1e30))
        if (k & 1) power = fmin(power * square, 1e30); /* the float below stays finite */
    for (int32_t i = 0; i < n; i++)
        if (l[at[i]] > -INFINITY) l[at[i]] = (float)fmin(fma(fabs((double)l[at[i]]), power - 1, (double)l[at[i]]), 1e30);
    return GLIMPSE_OK;
}

static glimpse_status apply_forced(sampler *s, candidates *c) {
    const ending *e = (const ending *)s;
    int32_t n = c->temperature > 0 ? e->n : 1; /* greedy leaves the lowest of those that are alike */
    if (!e->n || c->past->generated != (int64_t)e->max_tokens - 1) return GLIMPSE_OK;
    for (int32_t i = 0; i < n; i++) {
        c->scratch->id[i] = e->ids[i];
        c->scratch->l[i] = 0;
    }
    c->id = c->scratch->id;
    c->l = c->scratch->l;
    c->n = n;
    return GLIMPSE_OK;
}

static size_t bytes(const sampler_args *a) {
    (void)a;
    return sizeof(ending);
}
static glimpse_status init(sampler *s, const sampler_args *a) {
    ending *e = (ending *)s;
    const sampler_context *x = a->context;
    for (int32_t k = -1; k < x->n_more_eos && e->n < 1 + GLIMPSE_MORE_EOS; k++) {
        int32_t id = k < 0 ? x->eos : x->more_eos[k], at = e->n;
        if (id < 0 || id >= a->vocab) continue;
        while (at > 0 && e->ids[at - 1] > id) at--;
        if (at > 0 && e->ids[at - 1] == id) continue;
        memmove(&e->ids[at + 1], &e->ids[at], (size_t)(e->n++ - at) * sizeof *e->ids);
        e->ids[at] = id;
    }
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
