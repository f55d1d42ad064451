/* typical_p.c -- keep what is about as surprising as the model expects (Meister et al. 2022, "Locally typical sampling"):
 * by rising | -ln p_i - H |, H the entropy in nats, the fewest candidates whose mass reaches the limit; the one that
 * crosses stays.  The deviation is compared as a float, equal ones by rising id. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    int32_t least = (int32_t)sampler_values(s)[1];
    if (c->n <= least) return GLIMPSE_OK;
    uint64_t *mass = c->scratch->work, *keys = c->scratch->work2;
    double nats, inv_t = candidates_inv_t(c);
    int32_t finite;
    float max;
    TRY(candidates_entropy(c, &nats, &finite));
    TRY(candidates_list(c));
    TRY(candidates_max(c, &max));
    uint64_t total = c->scratch->ops->mass(c->l, c->n, max, inv_t, mass);
    double log_sum = det_log((double)total * 0x1p-43), wanted = ceil(sampler_values(s)[0] * (double)total);
    for (int32_t i = 0; i < c->n; i++) {
        float d = (float)fabs(log_sum - det_scaled(c->l[i], max, inv_t) - nats);
        uint32_t b;
        memcpy(&b, &d, sizeof b); /* d >= 0: its bits rise with it */
        keys[i] = (uint64_t)b << 32 | (uint32_t)i;
    }
    size_t kept = keys_select_mass(keys, (size_t)c->n, mass, wanted < 1 ? 1 : (uint64_t)wanted);
    if (kept < (size_t)least && c->n > least) {
        kept = (size_t)least;
        keys_select(keys, (size_t)c->n, kept - 1);
    } else if (kept < (size_t)least) kept = (size_t)c->n;
    for (size_t i = 0; i < kept; i++) keys[i] = (uint32_t)keys[i];
    keys_sort(keys, kept);
    for (size_t i = 0; i < kept; i++) {
        c->scratch->l[i] = c->l[keys[i]];
        c->scratch->id[i] = c->id[keys[i]];
    }
    c->n = (int32_t)kept;
    return GLIMPSE_OK;
}

static bool off(const double *v) { return v[0] == 1; }
static const sampler_param params[] = {{"p", "typical_p", 1, 0, 1, NULL, "0 to 1, 1 = off"}, MIN_KEEP_PARAM};
const sampler_kind sampler_typical_p = {
    .ops = VALUE_SAMPLER("typical_p", NULL, apply, NULL), .params = params, .n_params = 2, .off = off};
