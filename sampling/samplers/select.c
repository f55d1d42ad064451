/* select.c -- the k first of a row or of keys without sorting them all.
 *
 * The k largest of a row are found through the maxima of its groups of 16 (decide.h leaves them behind): the k-th
 * largest maximum is a lower bound of the k-th largest logit, few logits reach it, and only those are compared one by
 * one.  Called by candidates.c, by the samplers and by chain.c. */
#include "sampling/samplers/sampler.h"

/* === Keys ======================================================================================================== */

uint64_t candidate_key(float l, int32_t id) {
    l += 0.0f; /* -0 becomes 0: they are equal, so the id decides */
    uint32_t b;
    memcpy(&b, &l, sizeof b);
    b = b & 0x80000000u ? b : ~b & 0x7fffffffu; /* rising as the float falls */
    return (uint64_t)b << 32 | (uint32_t)id;
}

float candidate_key_logit(uint64_t key) {
    uint32_t b = (uint32_t)(key >> 32);
    b = b & 0x80000000u ? b : ~b & 0x7fffffffu;
    float l;
    memcpy(&l, &b, sizeof l);
    return l;
}

static void sift(uint64_t *a, size_t n, size_t i) {
    for (size_t j; (j = 2 * i + 1) < n; i = j) {
        if (j + 1 < n && a[j + 1] > a[j]) j++;
        if (a[i] >= a[j]) return;
        uint64_t t = a[i];
        a[i] = a[j];
        a[j] = t;
    }
}

static void heap_sort(uint64_t *a, size_t n) {
    for (size_t i = n / 2; i-- > 0;) sift(a, n, i);
    while (n-- > 1) {
        uint64_t t = a[0];
        a[0] = a[n];
        a[n] = t;
        sift(a, n, 0);
    }
}

static void insertion_sort(uint64_t *a, size_t n) {
    for (size_t i = 1; i < n; i++) {
        uint64_t x = a[i];
        size_t j = i;
        for (; j > 0 && a[j - 1] > x; j--) a[j] = a[j - 1];
        a[j] = x;
    }
}

/* Lomuto's partition about the median of three, its comparison an addition, as a branch on random keys is mispredicted every
 * other time: [0, *l) < pivot <= [*l, n), both parts shorter than n if the three differ (the callers' `depth` ends it if not). */
static void partition(uint64_t *a, size_t n, size_t *l) {
    uint64_t x = a[0], y = a[n / 2], z = a[n - 1];
    size_t at = x < y ? (y < z ? n / 2 : x < z ? n - 1 : 0) : (x < z ? 0 : y < z ? n - 1 : n / 2), j = 0;
    uint64_t pivot = a[at];
    a[at] = z;
    for (size_t i = 0; i < n - 1; i++) {
        uint64_t v = a[i];
        a[i] = a[j];
        a[j] = v;
        j += v < pivot;
    }
    a[n - 1] = a[j];
    a[j] = pivot;
    *l = j;
}

enum { SMALL = 24 };

void keys_sort(uint64_t *a, size_t n) {
    for (int depth = 0; n > SMALL; depth++) {
        if (depth > 48) { /* a row made to defeat the median of three */
            heap_sort(a, n);
            return;
        }
        size_t l;
        partition(a, n, &l);
        if (l < n - l) { /* recurse into the smaller part: the stack stays at log n */
            keys_sort(a, l);
            a += l;
            n -= l;
        } else {
            keys_sort(a + l, n - l);
            n = l;
        }
    }
    insertion_sort(a, n);
}

void keys_select(uint64_t *a, size_t n, size_t k) {
    for (int depth = 0; n > SMALL; depth++) {
        if (depth > 48) {
            heap_sort(a, n);
            return;
        }
        size_t l;
        partition(a, n, &l);
        if (k < l) {
            n = l;
        } else {
            a += l;
            n -= l;
            k -= l;
        }
    }
    insertion_sort(a, n);
}

size_t keys_select_mass(uint64_t *a, size_t n, const uint64_t *mass, uint64_t wanted) {
    uint64_t before = 0;
    size_t done = 0, end = n; /* the answer lies in [done, end) */
    for (int depth = 0; end - done > SMALL && depth <= 48; depth++) {
        size_t l;
        uint64_t sum = before;
        partition(a + done, end - done, &l);
        for (size_t i = done; i < done + l; i++) sum += mass[(uint32_t)a[i]];
        if (sum >= wanted) {
            end = done + l;
        } else {
            before = sum;
            done += l;
        }
    }
    keys_sort(a + done, end - done);
    for (; done < end; done++)
        if ((before += mass[(uint32_t)a[done]]) >= wanted) return done + 1;
    return done;
}

/* === The k largest =============================================================================================== */

/* A limit that at least k of v (n) reach, and not many more; -inf if fewer than k lie above -inf.  Counts in 1024 equal
 * steps between the largest and the smallest, and again inside the step that holds the k-th while that one is crowded. */
static float limit_for(const float *v, int32_t n, int32_t k) {
    enum { STEPS = 1024 };
    int32_t count[STEPS], need = k;
    float low[STEPS], high[STEPS];
    float hi = -INFINITY, lo = INFINITY;
    for (int32_t i = 0; i < n; i++) {
        if (v[i] > hi) hi = v[i];
        if (v[i] < lo && v[i] > -INFINITY) lo = v[i];
    }
    for (int pass = 0; pass < 4; pass++) {
        if (!(hi >= lo)) return -INFINITY;
        float width = hi - lo, scale = width > 0 ? (STEPS - 1) / width : 0;
        if (!(scale > 0) || !(width * scale < STEPS)) return lo; /* all alike, or too far apart to divide */
        for (int s = 0; s < STEPS; s++) count[s] = 0, low[s] = INFINITY, high[s] = -INFINITY;
        for (int32_t i = 0; i < n; i++) {
            if (!(v[i] >= lo && v[i] <= hi)) continue;
            int s = (int)((hi - v[i]) * scale);
            if (s >= STEPS) s = STEPS - 1;
            count[s]++;
            if (v[i] < low[s]) low[s] = v[i];
            if (v[i] > high[s]) high[s] = v[i];
        }
        int s = 0, above = 0;
        while (s < STEPS && above + count[s] < need) above += count[s++];
        if (s == STEPS) return -INFINITY;
        if (count[s] <= need / 2 + 64 || !(low[s] < high[s])) return low[s];
        need -= above;
        hi = high[s];
        lo = low[s];
    }
    return lo;
}

/* The k-th largest of the maxima of whole blocks, of which there are at most 1024: the same bound, found from a sixteenth
 * of the groups' maxima; for small k hardly looser. */
static float block_limit(const float *maxima, int32_t blocks, int32_t k) {
    uint64_t keys[1024];
    for (int32_t b = 0; b < blocks; b++) {
        const float *m = maxima + (size_t)b * 16;
        float half[8], quarter[4];
        for (int j = 0; j < 8; j++) half[j] = m[j] > m[j + 8] ? m[j] : m[j + 8];
        for (int j = 0; j < 4; j++) quarter[j] = half[j] > half[j + 4] ? half[j] : half[j + 4];
        float x = quarter[0] > quarter[2] ? quarter[0] : quarter[2], y = quarter[1] > quarter[3] ? quarter[1] : quarter[3];
        keys[b] = candidate_key(x > y ? x : y, b);
    }
    keys_select(keys, (size_t)blocks, (size_t)k - 1);
    return candidate_key_logit(keys[k - 1]);
}

/* From every 16th logit, or fewer, a limit that about k reach; used where k really do. */
static float sampled_limit(const float *l, int32_t n, int32_t k) {
    enum { MOST = 2048 };
    float v[MOST];
    v[0] = l[0];
    int32_t step = n / MOST < 16 ? 16 : n / MOST + 1, m = 0, reach = 0;
    for (int32_t i = 0; i < n && m < MOST; i += step) v[m++] = l[i];
    double rank = (double)k / step;
    float limit = limit_for(v, m, (int32_t)(rank + 3 * sqrt(rank) + 8));
    for (int32_t i = 0; i < n; i++) reach += l[i] >= limit;
    return reach >= k ? limit : -INFINITY;
}

float row_limit(const float *l, int32_t n, const float *maxima, int32_t k) {
    int32_t groups = (int32_t)ROW_MAXIMA(n), blocks = groups / 16;
    if (k > groups / 2 && n >= 16384 && k <= n / 2) {
        float limit = sampled_limit(l, n, k);
        if (limit > -INFINITY) return limit;
    }
    if (blocks <= 1024 && k <= blocks / 2) return block_limit(maxima, blocks, k);
    return k <= groups / 2 ? limit_for(maxima, groups, k) : limit_for(l, n, k);
}

int32_t row_top(chain_scratch *s, const float *l, int32_t n, int32_t n_finite, const float *maxima, int32_t k,
                int32_t *ids) {
    if (k > n_finite) k = n_finite;
    if (k <= 0) return 0;
    int32_t m = s->ops->gather(l, n, row_limit(l, n, maxima, k), maxima, s->id, s->l);
    for (int32_t i = 0; i < m; i++) s->work[i] = candidate_key(s->l[i], s->id[i]);
    keys_select(s->work, (size_t)m, (size_t)k - 1);
    keys_sort(s->work, (size_t)k);
    for (int32_t i = 0; i < k; i++) ids[i] = (int32_t)(uint32_t)s->work[i];
    return k;
}
