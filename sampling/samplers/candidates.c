/* candidates.c -- a row's candidates: changing their logits, measuring them, keeping some.
 * Called by the samplers and by chain.c. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

/* === Candidates ================================================================================================== */

float *candidates_own(candidates *c) {
    if (c->id) return c->scratch->l;
    c->fresh = false;
    if (!c->changed) memcpy(c->scratch->row, c->raw, (size_t)c->vocab * sizeof(float));
    c->changed = true;
    c->l = c->scratch->row;
    return c->scratch->row;
}

float *candidates_scaled(candidates *c) {
    float *l = candidates_own(c);
    if (!(c->temperature > 0) || c->temperature == 1) return l;
    double inv_t = candidates_inv_t(c);
    for (int32_t i = 0; i < c->n; i++) l[i] = (float)((double)l[i] * inv_t);
    if (!c->id) c->warm = 1;
    c->temperature = 1;
    return l;
}

bool candidates_patch_begin(candidates *c, row_patch *p) {
    chain_scratch *s = c->scratch;
    if (c->id || c->temperature != 1 || !c->fresh) return false;
    if (!c->changed) {
        memcpy(s->row, c->raw, (size_t)c->vocab * sizeof(float));
        memcpy(s->row_maxima, s->maxima, ROW_MAXIMA(c->vocab) * sizeof(float));
    }
    c->changed = true;
    c->l = s->row;
    *p = (row_patch){.known = true};
    return true;
}

void candidates_patch_set(candidates *c, row_patch *p, int32_t id, float l) {
    float *row = c->scratch->row, old = row[id], most = -INFINITY;
    row[id] = l;
    if (!(l < INFINITY) || det_scaled(l, c->sums.max, c->sums_inv_t) > 300) p->known = false; /* the next pass says it */
    if (!p->known) return;
    int32_t begin = id / ROW_BLOCK * ROW_BLOCK, end = begin + ROW_BLOCK < c->vocab ? begin + ROW_BLOCK : c->vocab;
    for (int32_t i = begin + id % 16; i < end; i += 16) most = row[i] > most ? row[i] : most;
    c->scratch->row_maxima[begin / ROW_BLOCK * 16 + id % 16] = most;
    p->gone += det_exp(det_scaled(old, c->sums.max, c->sums_inv_t));
    p->came += det_exp(det_scaled(l, c->sums.max, c->sums_inv_t));
    c->sums.n_finite += (l > -INFINITY) - (old > -INFINITY);
}

void candidates_patch_end(candidates *c, row_patch *p) {
    const float *m = c->scratch->row_maxima;
    float lane[16], max = -INFINITY;
    for (int j = 0; j < 16; j++) lane[j] = -INFINITY;
    for (size_t i = 0; i < ROW_MAXIMA(c->vocab); i += 16)
        for (int j = 0; j < 16; j++) lane[j] = m[i + j] > lane[j] ? m[i + j] : lane[j];
    for (int j = 0; j < 16; j++) max = lane[j] > max ? lane[j] : max;
    double sum = c->sums.s_temp - p->gone + p->came;
    /* what was a small part of the old sum is known too roughly */
    if (!p->known || !(max > -INFINITY) || !(sum > c->sums.s_temp / 8)) {
        c->fresh = false;
        return;
    }
    c->sums.s_temp = sum * det_exp(-det_scaled(max, c->sums.max, c->sums_inv_t));
    c->sums.max = max; /* s and t stay those of the raw row: nobody asks for them after a change */
}

int32_t candidates_find(const candidates *c, int32_t id) {
    if (!c->id) return id;
    int32_t low = 0, high = c->n;
    while (low < high) {
        int32_t mid = low + (high - low) / 2;
        if (c->id[mid] < id) low = mid + 1;
        else high = mid;
    }
    return low < c->n && c->id[low] == id ? low : -1;
}

static glimpse_status not_finite(const float *l, const int32_t *id, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (!(l[i] < INFINITY))
            FAIL(GLIMPSE_E_NONFINITE, "the logit of id %d is %s after a sampler", id ? id[i] : i,
                 l[i] > 0 ? "+inf" : "NaN");
    FAIL(GLIMPSE_E_NONFINITE, "no logit above -inf is left after a sampler");
}

glimpse_status candidates_sums(candidates *c) {
    double inv_t = c->warm > 0 ? 1.0 / c->warm : 1.0;
    if (c->fresh && c->sums_inv_t == inv_t) return GLIMPSE_OK;
    const float *row = c->changed ? c->scratch->row : c->raw;
    c->scratch->ops->sums(row, c->vocab, inv_t, c->changed ? c->scratch->row_maxima : c->scratch->maxima, &c->sums);
    if (!c->sums.ok || !(c->sums.max > -INFINITY)) return not_finite(row, NULL, c->vocab);
    if (c->n_rest) {
        c->sums.s_temp += c->rest * det_exp(c->rest_max - (double)c->sums.max * inv_t);
        c->sums.n_finite += c->n_rest;
    }
    c->fresh = true;
    c->sums_inv_t = inv_t;
    return GLIMPSE_OK;
}

glimpse_status candidates_max(candidates *c, float *max) {
    if (!c->id) {
        if (!c->fresh) TRY(candidates_sums(c));
        *max = c->sums.max;
        return GLIMPSE_OK;
    }
    float lane[16], m = -INFINITY;
    int32_t bad[16] = {0}, ok = 1, i = 0;
    for (int j = 0; j < 16; j++) lane[j] = -INFINITY;
    for (; i + 16 <= c->n; i += 16)
        for (int j = 0; j < 16; j++) {
            float x = c->l[i + j];
            lane[j] = x > lane[j] ? x : lane[j];
            bad[j] |= !(x < INFINITY);
        }
    for (; i < c->n; i++) {
        lane[0] = c->l[i] > lane[0] ? c->l[i] : lane[0];
        bad[0] |= !(c->l[i] < INFINITY);
    }
    for (int j = 0; j < 16; j++) m = lane[j] > m ? lane[j] : m, ok &= !bad[j];
    if (!ok || !(m > -INFINITY)) return not_finite(c->l, c->id, c->n);
    *max = m;
    return GLIMPSE_OK;
}

glimpse_status candidates_mass(candidates *c, float *max, uint64_t *total) {
    TRY(candidates_max(c, max));
    *total = c->scratch->ops->mass(c->l, c->n, *max, candidates_inv_t(c), NULL);
    return GLIMPSE_OK;
}

/* H = ln S - sum x e^x / S, S = sum e^x, both sums in fixed point. */
glimpse_status candidates_entropy(candidates *c, double *nats, int32_t *n_finite) {
    float max;
    TRY(candidates_max(c, &max));
    double inv_t = candidates_inv_t(c);
    uint64_t s = 0, t = 0;
    int32_t n = 0;
    for (int32_t i = 0; i < c->n; i++) {
        n += c->l[i] > -INFINITY;
        double x = det_scaled(c->l[i], max, inv_t);
        if (!(x >= -31.0)) continue;
        double e = det_exp(x);
        s += fixed_of(e);
        t += fixed_of(-x * e);
    }
    double h = det_log((double)s * 0x1p-43) + (double)t / (double)s;
    *nats = h > 0 ? h : 0;
    *n_finite = n;
    return GLIMPSE_OK;
}

const float *candidates_dense_maxima(const candidates *c) {
    return c->changed ? c->scratch->row_maxima : c->scratch->maxima;
}

void candidates_keep_above(candidates *c, float limit) {
    chain_scratch *s = c->scratch;
    int32_t n = 0;
    if (!c->id) {
        n = s->ops->gather(c->l, c->n, limit, candidates_dense_maxima(c), s->id, s->l);
    } else {
        for (int32_t i = 0; i < c->n; i++) { /* without a branch that nobody can predict */
            float x = s->l[i];
            s->l[n] = x;
            s->id[n] = s->id[i];
            n += (x >= limit) & (x > -INFINITY);
        }
    }
    c->l = s->l;
    c->id = s->id;
    c->n = n;
}

void candidates_keep(candidates *c, uint64_t last) {
    candidates_keep_above(c, candidate_key_logit(last));
    chain_scratch *s = c->scratch;
    int32_t n = 0;
    for (int32_t i = 0; i < c->n; i++) { /* the limit's own ties: only the lower ids */
        float x = s->l[i];
        int32_t id = s->id[i];
        s->l[n] = x;
        s->id[n] = id;
        n += candidate_key(x, id) <= last;
    }
    c->n = n;
}

glimpse_status candidates_keep_top(candidates *c, int32_t k) {
    if (k < 1) k = 1;
    float max;
    TRY(candidates_max(c, &max)); /* also makes the maxima fresh */
    if (!c->id) {
        if (k >= c->sums.n_finite) return GLIMPSE_OK; /* what is -inf is never drawn */
        candidates_keep_above(c, row_limit(c->l, c->n, candidates_dense_maxima(c), k));
    }
    if (c->n <= k) return GLIMPSE_OK;
    uint64_t *keys = c->scratch->work;
    for (int32_t i = 0; i < c->n; i++) keys[i] = candidate_key(c->l[i], c->id[i]);
    keys_select(keys, (size_t)c->n, (size_t)k - 1);
    uint64_t last = keys[k - 1];
    candidates_keep(c, last);
    return GLIMPSE_OK;
}

glimpse_status candidates_list(candidates *c) {
    float max;
    TRY(candidates_max(c, &max)); /* also makes the maxima fresh */
    candidates_keep_above(c, -INFINITY);
    if (c->n < 1) return not_finite(c->l, c->id, 0);
    return GLIMPSE_OK;
}

glimpse_status candidates_keep_scaled(candidates *c, double least, int32_t min_keep) {
    if (c->n <= min_keep) return GLIMPSE_OK;
    if (!(least <= 0)) return candidates_keep_top(c, min_keep);
    double inv_t = candidates_inv_t(c);
    float max;
    TRY(candidates_max(c, &max));
    /* The smallest float on the kept side: the comparison in double is monotone, so one float decides for the row. */
    float limit = (float)((double)max + least / inv_t);
    while (!(det_scaled(limit, max, inv_t) >= least)) limit = nextafterf(limit, INFINITY);
    for (float below; limit > -INFINITY && det_scaled(below = nextafterf(limit, -INFINITY), max, inv_t) >= least;)
        limit = below;
    if (min_keep > 1) {
        int32_t n = candidates_top(c, min_keep);
        uint64_t last = c->scratch->work[n - 1];
        if (candidate_key_logit(last) < limit) {
            candidates_keep(c, last);
            return GLIMPSE_OK;
        }
    }
    candidates_keep_above(c, limit);
    return GLIMPSE_OK;
}

glimpse_status candidates_keep_probable(candidates *c, double p, int32_t min_keep) {
    uint64_t total;
    float max;
    if (c->n <= min_keep) return GLIMPSE_OK;
    TRY(candidates_mass(c, &max, &total));
    return candidates_keep_scaled(c, det_log(p * (double)total * 0x1p-43), min_keep);
}

int32_t candidates_top(candidates *c, int32_t k) {
    chain_scratch *s = c->scratch;
    float max;
    int32_t n = 0;
    if (!c->id && candidates_max(c, &max) >= 0 && k < c->sums.n_finite) {
        n = s->ops->gather(c->l, c->n, row_limit(c->l, c->n, candidates_dense_maxima(c), k), candidates_dense_maxima(c), s->id, s->l);
        for (int32_t i = 0; i < n; i++) s->work[i] = candidate_key(s->l[i], s->id[i]);
    } else {
        for (int32_t i = 0; i < c->n; i++)
            if (c->l[i] > -INFINITY) s->work[n++] = candidate_key(c->l[i], candidates_id(c, i));
    }
    if (n > k) keys_select(s->work, (size_t)n, (size_t)k - 1);
    if (n > k) n = k;
    keys_sort(s->work, (size_t)n);
    return n;
}

glimpse_status candidates_ban(candidates *c, const int32_t *ids, int32_t n, bool only_them) {
    float max;
    int32_t alive = 0, hit = 0;
    if (n < 1) return GLIMPSE_OK;
    if (!c->id) {
        TRY(candidates_max(c, &max));
        alive = c->sums.n_finite;
    } else {
        for (int32_t i = 0; i < c->n; i++) alive += c->l[i] > -INFINITY;
    }
    for (int32_t k = 0; k < n; k++) {
        int32_t at = candidates_find(c, ids[k]);
        hit += at >= 0 && c->l[at] > -INFINITY;
    }
    if ((only_them ? hit : alive - hit) < 1 || hit == (only_them ? alive : 0)) return GLIMPSE_OK;
    row_patch p;
    if (!only_them && candidates_patch_begin(c, &p)) {
        for (int32_t k = 0; k < n; k++) candidates_patch_set(c, &p, ids[k], -INFINITY);
        candidates_patch_end(c, &p);
        return GLIMPSE_OK;
    }
    float *l = candidates_own(c);
    if (!only_them) {
        for (int32_t k = 0; k < n; k++) {
            int32_t at = candidates_find(c, ids[k]);
            if (at >= 0) l[at] = -INFINITY;
        }
        return GLIMPSE_OK;
    }
    uint32_t *mark = c->scratch->mark;
    for (int32_t k = 0; k < n; k++) mark_set(mark, ids[k]);
    for (int32_t i = 0; i < c->n; i++)
        if (!mark_has(mark, candidates_id(c, i))) l[i] = -INFINITY;
    for (int32_t k = 0; k < n; k++) mark[ids[k] / 32] = 0;
    return GLIMPSE_OK;
}
