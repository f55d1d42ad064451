/* top_p.c -- keep the shortest prefix, in the order (logit descending, id ascending), whose mass reaches p (Holtzman et
 * al. 2019): a candidate stays if the mass strictly before it is below p, so the one that crosses stays, and never none.
 *
 * Masses are decide.h's fixed point, so the cut is the same whatever the order of the sums.  The row is not sorted:
 * masses fall into 64 buckets an octave, the bucket that crosses is found from the top, and it alone is sorted.
 *
 * Switches, for what others do: crossing:drop leaves the crossing token out, but never the first (llm-samplers);
 * mass:joint measures p on the whole row's distribution instead of the candidates' (SGLang's torch path). */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

enum { OCTAVES = MASS_BITS + 1, BUCKETS = OCTAVES * 64 };

/* Rising with the mass; mass > 0. */
static int bucket_of(uint64_t mass) {
    int zeros = __builtin_clzll(mass);
    return (63 - zeros) * 64 + (int)((mass << zeros) >> 57 & 63);
}

/* Keep what comes before `first`, at least the first of all. */
static glimpse_status drop_from(candidates *c, uint64_t first) {
    candidates_keep(c, first);
    return candidates_keep_top(c, c->n - 1);
}

/* A nucleus is mostly a small part of the row: if the `most` likeliest reach the limit, what comes behind them is left out
 * before anything is looked at one by one.  Candidates above a logit are a prefix of the order, so the cut is the same. */
static void narrow(candidates *c, float max, double inv_t, uint64_t limit, int32_t most) {
    chain_scratch *s = c->scratch;
    const float *maxima = candidates_dense_maxima(c);
    if (c->id || most < 1) return;
    int32_t n = s->ops->gather(c->l, c->n, row_limit(c->l, c->n, maxima, most), maxima, s->id, s->l);
    if (s->ops->mass(s->l, n, max, inv_t, NULL) < limit) return;
    c->l = s->l;
    c->id = s->id;
    c->n = n;
}

static glimpse_status apply(sampler *s, candidates *c) {
    uint64_t bucket[BUCKETS] = {0}, *mass = c->scratch->work, *keys = c->scratch->work2;
    double inv_t = candidates_inv_t(c);
    float max;
    uint64_t floor_key = 0; /* what comes before it is kept whatever its mass */
    const double *v = sampler_values(s);
    int32_t least = (int32_t)v[3];
    if (c->n <= least) return GLIMPSE_OK;
    TRY(candidates_max(c, &max));
    if (least > 1) {
        int32_t n = candidates_top(c, least);
        floor_key = c->scratch->work[n - 1];
    }
    bool drop = v[1] == 1;
    bool dense = c->id == NULL;
    uint64_t total = c->scratch->ops->mass(c->l, c->n, max, inv_t, dense ? NULL : mass), whole = total;
    if (v[2] == 1 && c->id && c->temperature == c->warm && max == c->sums.max)
        whole = c->scratch->ops->mass(c->changed ? c->scratch->row : c->raw, c->vocab, max, inv_t, NULL);
    double wanted = drop ? floor(v[0] * (double)whole) + 1 : ceil(v[0] * (double)whole);
    if (drop && !(wanted <= (double)total)) return GLIMPSE_OK;
    uint64_t limit = wanted < 1 ? 1 : (uint64_t)wanted, before = 0;
    if (least == 1) narrow(c, max, inv_t, limit, c->n / 16);
    if (dense) c->scratch->ops->mass(c->l, c->n, max, inv_t, mass);
    for (int32_t i = 0; i < c->n; i++)
        if (mass[i]) bucket[bucket_of(mass[i])] += mass[i];
    int b = BUCKETS - 1;
    while (b > 0 && before + bucket[b] < limit) before += bucket[b--];
    size_t n = 0;
    for (int32_t i = 0; i < c->n; i++)
        if (mass[i] && bucket_of(mass[i]) == b) keys[n++] = candidate_key(c->l[i], c->id ? c->id[i] : i);
    if (n == 0) return GLIMPSE_OK; /* p so near 1 that rounding asks for more than there is: all stay */
    keys_sort(keys, n);
    size_t k = 0;
    for (; k < n - 1; k++) {
        before += det_mass(det_scaled(candidate_key_logit(keys[k]), max, inv_t));
        if (before >= limit) break;
    }
    if (drop && keys[k] > floor_key) return drop_from(c, keys[k]);
    candidates_keep(c, keys[k] > floor_key ? keys[k] : floor_key);
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 1; }
static const sampler_param params[] = {{"p", NULL, 1, 0, 1, NULL, "0 to 1, 1 = off"},
                                       {"crossing", "top_p_crossing", 0, 0, 1, "keep|drop", "keep or drop"},
                                       {"mass", "top_p_mass", 0, 0, 1, "renormalised|joint", "renormalised or joint"},
                                       MIN_KEEP_PARAM};
const sampler_kind sampler_top_p = {
    .ops = VALUE_SAMPLER("top_p", NULL, apply, NULL), .params = params, .n_params = 4, .off = off};
