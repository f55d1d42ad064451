/* select.cuh -- a block of DECIDE_THREADS over one row of logits: its maximum and sums, the first of the order (logit descending,
 * id ascending) as a sorted list, and where a prefix of that order ends.  Device code, compiled with -fmad=false; included by
 * cuda_decide.cu and cuda_parts.cu.
 *
 * What is known of a row comes from its tiles (tiles.cuh), a sixteenth of its ids.  Each of the first M ids is at least as
 * large as the M-th largest of the tiles' maxima: M tiles hold one such id each.  So the tiles' maxima are counted in bins of
 * 1/64 nat below the row's, and only tiles that reach the bin in which M is reached are read; what is found there, a little
 * more than M, is sorted.  Samplers that follow work on that list.  Where it would be longer than DECIDE_LIST, the row itself
 * is counted in bins, the bin that crosses is gathered and it alone is sorted; a bin that does not fit is halved by its keys
 * until one is left.
 *
 * Masses (or ones) are summed as decide.h's fixed point: any order of atomics, the same sum. */
#ifndef GLIMPSE_KERNELS_CUDA_SELECT_CUH
#define GLIMPSE_KERNELS_CUDA_SELECT_CUH

#include "kernels/cuda/burst.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/tiles.cuh"

typedef unsigned long long u64;

enum { WARPS = DECIDE_THREADS / 32, TOUCH_WORDS = MASS_MAX_VOCAB / 16 / 32 };

typedef struct work_space { /* in shared memory */
    union {
        u64 bin[DECIDE_BINS];
        int32_t tile[DECIDE_LIST]; /* those that gather reads */
    };
    u64 list[DECIDE_LIST];
    int32_t touched[TOUCH_WORDS]; /* a bit a tile: it has been changed */
    u64 sums[WARPS];
    double pair[3][WARPS];
    int32_t id[WARPS];
    u64 found, before;
    int32_t count, where, tiles;
} work_space;

/* A row as the samplers see it: tiles in which something was changed lie elsewhere. */
typedef struct row_view {
    const float *raw;
    const float4 *tile;
    float *to;              /* (n) where changed tiles lie, */
    float4 *to_tile;        /* and their statistics */
    const int32_t *touched; /* NULL = nothing was changed */
    int n, n_tiles;
    bool complete;          /* `to` holds all of the row */
} row_view;

static __device__ __forceinline__ int thread() { return (int)threadIdx.x; }

static __device__ __forceinline__ bool is_touched(const row_view &v, int k) {
    return v.touched && ((unsigned)v.touched[k >> 5] >> (k & 31) & 1);
}
static __device__ __forceinline__ float4 tile_at(const row_view &v, int k) { return is_touched(v, k) ? v.to_tile[k] : v.tile[k]; }
static __device__ __forceinline__ float largest(const row_view &v, int k) { return is_touched(v, k) ? v.to_tile[k].x : v.tile[k].x; }
static __device__ __forceinline__ float logit_at(const row_view &v, int id) { return is_touched(v, id >> 4) ? v.to[id] : v.raw[id]; }

/* candidate_key of sampling/samplers: rising in (logit descending, id ascending); -0 is 0. */
static __device__ __forceinline__ u64 key_of(float l, int id) {
    uint32_t u = __float_as_uint(l + 0.0f);
    u = u >> 31 ? u : ~u & 0x7fffffffu;
    return (u64)u << 32 | (uint32_t)id;
}
static __device__ __forceinline__ float logit_of(u64 key) {
    uint32_t u = (uint32_t)(key >> 32);
    return __uint_as_float(u >> 31 ? u : ~u & 0x7fffffffu);
}
static __device__ __forceinline__ int id_of(u64 key) { return (int)(uint32_t)key; }

/* === Over the block: every thread gets the result ================================================================ */

/* v[i] becomes the sum of the threads' v[i], in the order of a tree. */
template <int N> static __device__ void block_sums(double (&v)[N], work_space *w) {
    __syncthreads();
    for (int i = 0; i < N; i++) {
        v[i] = warp_sum(v[i]);
        if ((thread() & 31) == 0) w->pair[i][thread() / 32] = v[i];
    }
    __syncthreads();
    for (int i = 0; i < N; i++) {
        v[i] = w->pair[i][thread() & (WARPS - 1)];
        for (int m = WARPS / 2; m; m >>= 1) v[i] += shuffle_xor(v[i], m);
    }
}
static __device__ double block_sum(double v, work_space *w) {
    double one[1] = {v};
    block_sums(one, w);
    return one[0];
}
static __device__ u64 block_sum(u64 v, work_space *w) {
    v = warp_sum(v);
    __syncthreads();
    if ((thread() & 31) == 0) w->sums[thread() / 32] = v;
    __syncthreads();
    v = w->sums[thread() & (WARPS - 1)];
    for (int m = WARPS / 2; m; m >>= 1) v += shuffle_xor(v, m);
    return v;
}
static __device__ int block_sum(int v, work_space *w) { return (int)block_sum((u64)v, w); }
static __device__ u64 block_least(u64 v, work_space *w) {
    for (int m = 16; m; m >>= 1) {
        u64 o = shuffle_xor(v, m);
        v = o < v ? o : v;
    }
    __syncthreads();
    if ((thread() & 31) == 0) w->sums[thread() / 32] = v;
    __syncthreads();
    v = w->sums[thread() & (WARPS - 1)];
    for (int m = WARPS / 2; m; m >>= 1) {
        u64 o = shuffle_xor(v, m);
        v = o < v ? o : v;
    }
    return v;
}
static __device__ u64 block_most(u64 v, work_space *w) { return ~block_least(~v, w); }
/* The sum over threads before this one. */
static __device__ u64 block_before(u64 v, work_space *w) {
    u64 sum = v;
    for (int by = 1; by < 32; by *= 2) {
        u64 o = shuffle_up(sum, by);
        if ((thread() & 31) >= by) sum += o;
    }
    __syncthreads();
    if ((thread() & 31) == 31) w->sums[thread() / 32] = sum;
    __syncthreads();
ROLLED
    for (int i = 0; i < thread() / 32; i++) sum += w->sums[i];
    return sum - v;
}

/* Sort w->list[0 .. n) by rising key, n <= DECIDE_LIST (Batcher 1968, bitonic). */
static __device__ OUTLINED void sort_list(work_space *w, int n) {
    int size = 2;
    while (size < n) size *= 2;
ROLLED
    for (int i = n + thread(); i < size; i += DECIDE_THREADS) w->list[i] = ~(u64)0;
    __syncthreads();
ROLLED
    for (int run = 2; run <= size; run *= 2)
ROLLED
        for (int by = run / 2; by; by /= 2) {
ROLLED
            for (int i = thread(); i < size / 2; i += DECIDE_THREADS) {
                int low = (i & ~(by - 1)) * 2 | (i & (by - 1)), high = low | by;
                u64 a = w->list[low], b = w->list[high];
                if ((a > b) == ((low & run) == 0)) w->list[low] = b, w->list[high] = a;
            }
            __syncthreads();
        }
}

/* === What is known of a row from its tiles ======================================================================= */

/* bad: the first id of NaN or +inf (then nothing else is set), -1 = none. */
typedef struct row_facts {
    u64 first;              /* the key of the first of the order; its logit is the maximum */
    float max;
    int finite, bad;
    double sum, moment, warm; /* sum e^d, sum d e^d, sum e^(d / T), d = l - max: for the record, within 1e-6 */
} row_facts;

/* The first id of a tile of which `is` holds; there is one.  By all threads. */
template <class F> static __device__ __forceinline__ int first_in(const row_view &v, int k, F is) {
    int id = k * 16 + (thread() & 15), n = 0;
    unsigned yes = warp_ballot(id < v.n && is(logit_at(v, id)));
    while (n < 15 && !(yes >> n & 1)) n++;
    return k * 16 + n;
}

/* f(k, tile) for this thread's tiles, eight of which are on their way at once: a row's tiles lie in L2, and its block is alone. */
template <class F> static __device__ __forceinline__ void for_tiles(const row_view &v, F f) {
    enum { AT_ONCE = 8 };
ROLLED
    for (int k0 = thread(); k0 < v.n_tiles; k0 += AT_ONCE * DECIDE_THREADS) {
        float4 t[AT_ONCE];
UNROLL
        for (int j = 0; j < AT_ONCE; j++) t[j] = k0 + j * DECIDE_THREADS < v.n_tiles ? tile_at(v, k0 + j * DECIDE_THREADS) : make_float4(0, 0, 0, 0);
UNROLL
        for (int j = 0; j < AT_ONCE; j++)
            if (k0 + j * DECIDE_THREADS < v.n_tiles) f(k0 + j * DECIDE_THREADS, t[j]);
    }
}

static __device__ OUTLINED row_facts facts_of(const row_view &v, float inv_t, work_space *w) {
    row_facts f = {0, -INFINITY, 0, -1, 0, 0, 0};
    u64 first = ~(u64)0;
    int finite = 0;
    for_tiles(v, [&](int k, float4 t) {
        u64 key = t.x != t.x ? (u64)k : key_of(t.x, k); /* below every other: no logit has a key that small */
        first = key < first ? key : first;
        if (t.y > 0) finite += v.n - k * 16 < 16 ? v.n - k * 16 : 16;
        if (t.y < 0)
ROLLED
            for (int id = k * 16; id < k * 16 + 16 && id < v.n; id++) finite += logit_at(v, id) > -INFINITY;
    });
    first = block_least(first, w);
    int tile = id_of(first);
    if (first >> 32 == 0) {
        f.bad = first_in(v, tile, [](float l) { return !(l < INFINITY); });
        return f;
    }
    f.max = logit_of(first);
    f.first = key_of(f.max, first_in(v, tile, [&](float l) { return l == f.max; }));
    if (!(f.max > -INFINITY)) return f;
    double sums[3] = {0, 0, 0};
    for_tiles(v, [&](int, float4 t) {
        float g = t.x - f.max, e = expf(g);
        if (e > 0) {
            double y = fabsf(t.y);
            sums[0] += y * (double)e;
            sums[1] += ((double)t.z + (double)g * y) * (double)e;
        }
        if (t.x > -INFINITY) sums[2] += (double)t.w * (double)(inv_t == 1 ? e : expf(g * inv_t));
    });
    f.finite = block_sum(finite, w);
    block_sums(sums, w);
    f.sum = sums[0];
    f.moment = sums[1];
    f.warm = sums[2];
    return f;
}

/* n ids (id(i), no two alike) of an unchanged row get other logits, value(i, logit). */
template <class I, class F> static __device__ void change(row_view &v, int n, I id, F value, float inv_t, work_space *w) {
    if (n <= 0) return;
    __syncthreads();
ROLLED
    for (int i = thread(); i < (v.n_tiles + 31) / 32; i += DECIDE_THREADS) w->touched[i] = 0;
    __syncthreads();
ROLLED
    for (int i = thread(); i < n; i += DECIDE_THREADS) (void)atomicOr(&w->touched[id(i) >> 9], (int)(1u << (id(i) >> 4 & 31)));
    __syncthreads();
    v.touched = w->touched;
ROLLED
    for (int k = thread(); k < v.n_tiles; k += DECIDE_THREADS)
        if (is_touched(v, k))
            for (int j = 0; j < 4; j++) ((float4 *)(v.to + k * 16))[j] = ((const float4 *)(v.raw + k * 16))[j];
    __syncthreads();
ROLLED
    for (int i = thread(); i < n; i += DECIDE_THREADS) v.to[id(i)] = value(i, v.raw[id(i)]);
    __syncthreads();
ROLLED
    for (int k = thread(); k < v.n_tiles; k += DECIDE_THREADS)
        if (is_touched(v, k)) v.to_tile[k] = tile_of(v.to + k * 16, v.n - k * 16 < 16 ? v.n - k * 16 : 16, inv_t);
    __syncthreads();
}

/* === Prefixes of the order =======================================================================================
 *
 * change, whole_row, gather and cross_bins bring a barrier of their own, also where each present caller has one already (`make
 * ptx-test` passes without five of them): what clears shared memory does not hang on what its callers did last. */

/* What is left of a row: its ids whose keys are at most `last`, n of them. */
typedef struct survivors {
    row_view v;
    float max;
    double inv_t;
    u64 first, last;
    int n;
    int n_list;             /* w->list[0 .. n_list) are the first of the row, in order; at least n: all survivors */
    int room;               /* for the list */
    int passes;             /* over all of the row */
} survivors;

static __device__ __forceinline__ bool survives(const survivors &s, float l, int id) { return l > -INFINITY && key_of(l, id) <= s.last; }
static __device__ __forceinline__ int bin_of(float max, float l) {
    float x = (max - l) * 64.0f;
    return x < (float)(DECIDE_BINS - 1) ? (int)x : DECIDE_BINS - 1;
}
static __device__ __forceinline__ u64 mass_of(const survivors &s, float l) { return (u64)det_mass(det_scaled(l, s.max, s.inv_t)); }

/* The row in one piece, for a pass over it; counted. */
static __device__ const float *whole_row(survivors &s) {
    row_view &v = s.v;
    s.passes++;
    if (!v.touched) return v.raw;
    if (!v.complete) {
ROLLED
        for (int i = thread(); i < v.n; i += DECIDE_THREADS)
            if (!is_touched(v, i >> 4)) v.to[i] = v.raw[i];
        v.complete = true;
        __syncthreads();
    }
    return v.to;
}

/* The ids of which keep(logit, id) holds, sorted into the list; keep: of a tile's maximum, and of its first id with it,
 * where it is of any of its ids.  How many; -1: more than there is room for. */
template <class K> static __device__ int gather(const survivors &s, K keep, work_space *w) {
    const row_view &v = s.v;
    __syncthreads();
    if (thread() == 0) w->count = w->tiles = 0;
    __syncthreads();
    for (int k = thread(); k < v.n_tiles; k += DECIDE_THREADS) {
        float top = largest(v, k);
        if (!(top > -INFINITY) || !keep(top, k * 16)) continue;
        int at = atomicAdd(&w->tiles, 1);
        if (at < DECIDE_LIST) w->tile[at] = k;
    }
    __syncthreads();
    int tiles = w->tiles;
    if (tiles > s.room) return -1; /* each has one */
    enum { AT_ONCE = 8 };
ROLLED
    for (int i0 = thread(); i0 < tiles * 16; i0 += AT_ONCE * DECIDE_THREADS) {
        float l[AT_ONCE]; /* on their way together, ahead of the first count */
        int id[AT_ONCE];
UNROLL
        for (int j = 0; j < AT_ONCE; j++) {
            const int i = i0 + j * DECIDE_THREADS;
            id[j] = i < tiles * 16 ? w->tile[i >> 4] * 16 + (i & 15) : v.n;
            l[j] = id[j] < v.n ? logit_at(v, id[j]) : -INFINITY;
        }
UNROLL
        for (int j = 0; j < AT_ONCE; j++) {
            if (!(l[j] > -INFINITY) || !keep(l[j], id[j])) continue;
            int at = atomicAdd(&w->count, 1);
            if (at < DECIDE_LIST) w->list[at] = key_of(l[j], id[j]);
        }
    }
    __syncthreads();
    int n = w->count;
    if (n > s.room) return -1;
    sort_list(w, n);
    return n;
}

/* Those down to bin `bin` whose keys are at most `last`. */
static __device__ OUTLINED int gather_to(const survivors &s, int bin, u64 last, work_space *w) {
    const float max = s.max;
    return gather(s, [=](float l, int id) { return bin_of(max, l) <= bin && key_of(l, id) <= last; }, w);
}

/* Where a sum over things in the order of their keys reaches `want`: in bin `bin`, `left` of it there.  -1: nowhere. */
typedef struct crossing {
    int bin;
    u64 want, left;
} crossing;

/* weigh(i, &logit): the weight of thing i, 0 = not there.  fraction > 0: want = ceil(fraction * sum), at least 1.  ONES: no
 * weight is above 1; half as wide atomics. */
template <bool ONES, class F>
static __device__ crossing cross_bins(float max, int n, F weigh, u64 want, double fraction, work_space *w) {
    __syncthreads();
    for (int i = thread(); i < DECIDE_BINS; i += DECIDE_THREADS) w->bin[i] = 0;
    if (thread() == 0) w->where = -1;
    __syncthreads();
    for (int i = thread(); i < n; i += DECIDE_THREADS) {
        float l;
        u64 x = weigh(i, &l);
        if (!x) continue;
        if (ONES) atomicAdd((unsigned *)&w->bin[bin_of(max, l)], 1u); /* the low half: little-endian */
        else atomicAdd(&w->bin[bin_of(max, l)], x);
    }
    __syncthreads();
    enum { EACH = DECIDE_BINS / DECIDE_THREADS };
    u64 mine = 0;
    for (int i = 0; i < EACH; i++) mine += w->bin[thread() * EACH + i];
    u64 before = block_before(mine, w);
    if (fraction > 0) {
        u64 total = block_sum(mine, w);
        double wanted = ceil(fraction * (double)total);
        want = wanted < 1 ? 1 : (u64)wanted;
        if (want > total) want = total;
    }
    if (before < want && before + mine >= want)
        for (int i = 0; i < EACH; i++) {
            u64 x = w->bin[thread() * EACH + i];
            if (before < want && before + x >= want) w->where = thread() * EACH + i, w->before = before;
            before += x;
        }
    __syncthreads();
    crossing c = {w->where, want, want - w->before};
    return c;
}

/* The key there. */
template <class F> static __device__ u64 cross_key(float max, int n, F weigh, const crossing &c, work_space *w) {
    u64 low = ~(u64)0, high = 0;
    __syncthreads();
    if (thread() == 0) w->count = 0, w->found = 0;
    __syncthreads();
ROLLED
    for (int i = thread(); i < n; i += DECIDE_THREADS) {
        float l;
        if (!weigh(i, &l) || bin_of(max, l) != c.bin) continue;
        u64 key = key_of(l, i);
        int at = atomicAdd(&w->count, 1);
        if (at < DECIDE_LIST) w->list[at] = key;
        low = key < low ? key : low;
        high = key > high ? key : high;
    }
    __syncthreads();
    int many = w->count;
    if (many > DECIDE_LIST) { /* a flat row: halve the range of keys until it is one; some 20 reads */
        low = block_least(low, w);
        high = block_most(high, w);
        while (low < high) {
            u64 mid = low + (high - low) / 2, sum = 0;
ROLLED
            for (int i = thread(); i < n; i += DECIDE_THREADS) {
                float l;
                u64 x = weigh(i, &l);
                if (x && bin_of(max, l) == c.bin && key_of(l, i) <= mid) sum += x;
            }
            if (block_sum(sum, w) >= c.left) high = mid;
            else low = mid + 1;
        }
        return low;
    }
    sort_list(w, many);
    enum { EACH = DECIDE_LIST / DECIDE_THREADS };
    u64 mine = 0;
    float l;
ROLLED
    for (int i = thread() * EACH; i < (thread() + 1) * EACH && i < many; i++) mine += weigh(id_of(w->list[i]), &l);
    u64 before = block_before(mine, w);
    if (before < c.left && before + mine >= c.left)
ROLLED
        for (int i = thread() * EACH; i < (thread() + 1) * EACH && i < many; i++) {
            u64 x = weigh(id_of(w->list[i]), &l);
            if (before < c.left && before + x >= c.left) w->found = w->list[i];
            before += x;
        }
    __syncthreads();
    return w->found;
}

/* The list holds at least the first k of the row.  False: there is no room for them. */
static __device__ OUTLINED bool list_first(survivors &s, int k, work_space *w) {
    if (k <= s.n_list) return true;
    if (k > s.room) return false;
    s.n_list = 0;
    auto weigh = [&](int i, float *l) {
        *l = largest(s.v, i);
        return (u64)(*l > -INFINITY);
    };
    const float max = s.max;
    crossing c = cross_bins<true>(max, s.v.n_tiles, weigh, (u64)k, 0, w);
    int n = gather_to(s, c.bin < 0 ? (int)DECIDE_BINS : c.bin, ~(u64)0, w); /* fewer tiles than that: all there is */
    if (n < 0 && c.bin >= 0) { /* many in that bin: as many as must be */
        const u64 tile = cross_key(max, s.v.n_tiles, weigh, c, w);
        n = gather_to(s, DECIDE_BINS, (tile >> 32 << 32) | ((u64)(uint32_t)id_of(tile) * 16 + 15), w);
    }
    if (n < 0) return false;
    s.n_list = n;
    return true;
}

/* s.n and s.last become the first k. */
static __device__ OUTLINED void keep_first(survivors &s, int k, work_space *w) {
    if (k == 1) s.last = s.first;
    else if (list_first(s, k, w)) s.last = w->list[k - 1];
    else {
        s.n_list = 0;
        const float *row = whole_row(s);
        auto weigh = [&](int i, float *l) {
            *l = row[i];
            return (u64)survives(s, *l, i);
        };
        const crossing c = cross_bins<true>(s.max, s.v.n, weigh, (u64)k, 0, w);
        int n = gather_to(s, c.bin, s.last, w);
        if (n >= k) {
            s.n_list = n;
            s.last = w->list[k - 1];
        } else {
            s.passes++;
            s.last = cross_key(s.max, s.v.n, weigh, c, w);
        }
    }
    s.n = k;
}

/* s.n and s.last from how many of the list are left. */
static __device__ void keep_listed(survivors &s, int n, work_space *w) {
    s.n = n;
    s.last = w->list[n - 1];
}

/* Where the masses of the list, in its order, reach `want`, or ceil(fraction * their sum): how many that takes. */
static __device__ OUTLINED int cross_list(const survivors &s, int n, u64 want, double fraction, work_space *w) {
    const int each = (n + DECIDE_THREADS - 1) / DECIDE_THREADS, from = thread() * each, to = from + each < n ? from + each : n;
    u64 mine = 0;
    __syncthreads();
    if (thread() == 0) w->where = n - 1;
ROLLED
    for (int i = from; i < to; i++) mine += mass_of(s, logit_of(w->list[i]));
    if (fraction > 0) {
        u64 total = block_sum(mine, w);
        double wanted = ceil(fraction * (double)total);
        want = wanted < 1 ? 1 : (u64)wanted;
        if (want > total) want = total;
    }
    u64 before = block_before(mine, w);
    if (before < want && before + mine >= want)
ROLLED
        for (int i = from; i < to; i++) {
            u64 x = mass_of(s, logit_of(w->list[i]));
            if (before < want && before + x >= want) w->where = i;
            before += x;
        }
    __syncthreads();
    return w->where + 1;
}

/* top_p: the fewest whose masses come to `fraction` of all; 0: one. */
static __device__ OUTLINED void keep_mass(survivors &s, double fraction, work_space *w) {
    if (!(fraction > 0)) {
        keep_first(s, 1, w);
        return;
    }
    if (s.n <= s.n_list) {
        keep_listed(s, cross_list(s, s.n, 0, fraction, w), w);
        return;
    }
    s.n_list = 0;
    const float *row = whole_row(s);
    auto weigh = [&](int i, float *l) {
        *l = row[i];
        return survives(s, *l, i) ? mass_of(s, *l) : (u64)0;
    };
    const crossing c = cross_bins<false>(s.max, s.v.n, weigh, 0, fraction, w);
    if (c.bin < 0) return;
    int n = gather_to(s, c.bin, s.last, w);
    if (n > 0) {
        s.n_list = n;
        keep_listed(s, cross_list(s, n, c.want, 0, w), w);
        return;
    }
    s.last = cross_key(s.max, s.v.n, weigh, c, w);
    int left = 0;
ROLLED
    for (int i = thread(); i < s.v.n; i += DECIDE_THREADS) left += survives(s, row[i], i);
    s.n = block_sum(left, w);
    s.passes += 2;
}

/* min_p: those with det_scaled(l) >= least. */
static __device__ OUTLINED void keep_near(survivors &s, double least, work_space *w) {
    const float max = s.max;
    const double inv_t = s.inv_t;
    const u64 last = s.last;
    auto near = [=](float l, int id) { return det_scaled(l, max, inv_t) >= least && key_of(l, id) <= last; };
    int n;
    if (s.n <= s.n_list) {
        n = 0;
ROLLED
        for (int i = thread(); i < s.n; i += DECIDE_THREADS) n += near(logit_of(w->list[i]), id_of(w->list[i]));
        keep_listed(s, block_sum(n, w), w);
        return;
    }
    n = gather(s, near, w);
    s.n_list = n > 0 ? n : 0;
    if (n > 0) {
        keep_listed(s, n, w);
        return;
    }
    u64 far = 0;
    const float *row = whole_row(s);
    n = 0;
ROLLED
    for (int i = thread(); i < s.v.n; i += DECIDE_THREADS) {
        if (!survives(s, row[i], i) || !near(row[i], i)) continue;
        u64 key = key_of(row[i], i);
        far = key > far ? key : far;
        n++;
    }
    s.last = block_most(far, w);
    s.n = block_sum(n, w);
}

#endif
