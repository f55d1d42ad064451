/* top_p.c -- keep the shortest prefix, in the order (logit descending, id ascending), whose mass reaches p (Holtzman et
 * al. 2019): a candidate stays if the mass strictly before it is below p, so the one that crosses stays, and never none.
 *
 * Masses are decide.h's fixed point, so the cut is the same whatever the order of the sums.  The row is not sorted:
 * masses fall into 64 buckets an octave, the bucket that crosses is found from the top, and it alone is sorted. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

enum { OCTAVES = MASS_BITS + 1, BUCKETS = OCTAVES * 64 };

/* Rising with the mass; mass > 0. */
static int bucket_of(uint64_t mass) {
    int zeros = __builtin_clzll(mass);
    return (63 - zeros) * 64 + (int)((mass << zeros) >> 57 & 63);
}

static glimpse_status apply(sampler *s, candidates *c) {
    uint64_t bucket[BUCKETS] = {0}, *mass = c->scratch->work, *keys = c->scratch->work2;
    double inv_t = candidates_inv_t(c);
    float max;
    if (c->n == 1) return GLIMPSE_OK;
    TRY(candidates_max(c, &max));
    uint64_t total = c->scratch->ops->mass(c->l, c->n, max, inv_t, mass);
    double wanted = ceil(((value_sampler *)s)->value * (double)total);
    uint64_t limit = wanted < 1 ? 1 : (uint64_t)wanted, before = 0;
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
    candidates_keep(c, keys[k]);
    return GLIMPSE_OK;
}

static const sampler_ops ops = {"top_p", NULL, apply, NULL, value_sampler_clone, value_sampler_free,
                                value_sampler_print};
static double setting(const sampler_settings *s) { return s->top_p; }
static bool valid(double p) { return p >= 0 && p <= 1; }
static bool off(double p) { return p == 1; }
static glimpse_status open_(double p, int32_t vocab, sampler **out) {
    (void)vocab;
    return value_sampler_open(&ops, p, out);
}

const sampler_kind sampler_top_p = {"top_p", "0 to 1, 1 = off", setting, valid, off, open_};
