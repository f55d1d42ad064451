/* attend.cuh -- attention over one chunk of the cache, and the sum of chunks: the body of cuda_attend.cu's kernel and of the
 * persistent kernel's (cuda_persist.cu).  Every number is made by one thread or one warp in one order, so the bits do not
 * depend on how many threads a block has. */
#ifndef GLIMPSE_KERNELS_CUDA_ATTEND_CUH
#define GLIMPSE_KERNELS_CUDA_ATTEND_CUH

#include "kernels/cuda/device.cuh"

typedef struct attend_args {
    const float *in;        /* (rows, ld_in) queries */
    float *out;             /* (rows, ld_out) */
    int64_t ld_in, ld_out;
    plane_rows split;       /* in place of `out` */
    device_cache cache;
    const device_row *row;
    const int32_t *order;
    const attend_item *items; /* of this launch */
    const attend_item *all;   /* of the run: what rows point to */
    float *partial;         /* (rows, heads, slots, hdp + 2): sums (hdp), maximum, weight */
    int32_t *arrived;       /* (rows, heads), 0 between launches */
    int32_t heads, slots, heads_a_block, splits, window;
    float scale, softcap;
} attend_args;

static __device__ __forceinline__ int row_of(const attend_args &a, const attend_item &it, int i) { return i == 0 ? it.row : a.order[it.first + i]; }

/* Positions [lo, hi) of a segment that some row of the item sees. */
static __device__ __forceinline__ void range_of(const attend_args &a, const attend_item &it, int *lo, int *hi) {
    int first = 0x7fffffff, last = 0;
    for (int i = 0; i < it.n; i++) {
        const device_row &r = a.row[row_of(a, it, i)];
        int from = it.prefix ? 0 : r.prefix_tokens, to = it.prefix ? r.prefix_tokens : r.pos + 1;
        if (a.window > 0 && r.pos - a.window + 1 > from) from = r.pos - a.window + 1;
        if (from < first) first = from;
        if (to > last) last = to;
    }
    *lo = first;
    *hi = last;
}

/* Where the sums of a row's segment lie: slots first to end - 1. */
typedef struct slot_range { int32_t first, end; } slot_range;

/* own: 1 for its own positions, which stand behind the prefix's. */
static __device__ __forceinline__ slot_range slots_of(const attend_args &a, int item, int own) {
    slot_range s = {0, 0};
    int lo, hi;
    if (item < 0) return s;
    range_of(a, a.all[item], &lo, &hi);
    if (lo < hi) s.first = lo / ATTEND_CHUNK + own, s.end = (hi + ATTEND_CHUNK - 1) / ATTEND_CHUNK + own;
    return s;
}

static __device__ __forceinline__ float *partial_of(const attend_args &a, int row, int head, int slot) {
    return a.partial + (((int64_t)(row % MATMUL_ROWS) * a.heads + head) * a.slots + slot) * (a.cache.hdp + 2);
}

/* Add the chunks of one (row, head), in rising order of positions; by the whole block.  prefix, own: their slots. */
template <int THREADS> static __device__ void merge(const attend_args &a, int row, int head, slot_range prefix, slot_range own) {
    enum { AT_ONCE = 8 };
    const int hdp = a.cache.hdp, n = prefix.end - prefix.first, all = n + own.end - own.first;
    auto slot = [&](int i) { return partial_of(a, row, head, i < n ? prefix.first + i : own.first + i - n); };
    for (int d = (int)threadIdx.x; d < a.cache.hd; d += THREADS) {
        float sum = 0, weight = 0, max = -INFINITY;
ROLLED
        for (int i = 0; i < all; i += AT_ONCE) { /* no branch between one chunk's loads and the next one's */
            float m[AT_ONCE], its[AT_ONCE], value[AT_ONCE];
UNROLL
            for (int u = 0; u < AT_ONCE; u++) {
                const float *p = slot(i + u < all ? i + u : all - 1);
                m[u] = p[hdp], its[u] = p[hdp + 1], value[u] = p[d];
            }
            if (i == 0) {
UNROLL
                for (int u = 0; u < AT_ONCE; u++) max = m[u] > max ? m[u] : max;
UNROLL_8
                for (int k = AT_ONCE; k < all; k++) {
                    float other = slot(k)[hdp];
                    max = other > max ? other : max;
                }
            }
UNROLL
            for (int u = 0; u < AT_ONCE; u++) {
                float w = expf(m[u] - max), more = fmaf(w, value[u], sum), heavier = fmaf(w, its[u], weight);
                bool counts = i + u < all && its[u] != 0; /* 0: nothing this row sees, or all of it at -inf */
                sum = counts ? more : sum;
                weight = counts ? heavier : weight;
            }
        }
        const float x[1] = {sum / weight};
        if (a.split.to) put_planes(a.split, row, head * a.cache.hd + d, x);
        else a.out[row * a.ld_out + head * a.cache.hd + d] = x[0];
    }
}

/* 16 bytes of the cache as floats. */
template <class C> struct piece_of;
template <> struct piece_of<float> {
    enum { N = 4 };
    static __device__ __forceinline__ void open(uint4 v, float (&to)[4]) {
        to[0] = __uint_as_float(v.x), to[1] = __uint_as_float(v.y), to[2] = __uint_as_float(v.z), to[3] = __uint_as_float(v.w);
    }
};
template <> struct piece_of<__nv_bfloat16> {
    enum { N = 8 };
    static __device__ __forceinline__ void open(uint4 v, float (&to)[8]) {
        uint32_t w[4] = {v.x, v.y, v.z, v.w};
UNROLL
        for (int i = 0; i < 4; i++) to[2 * i] = __uint_as_float(w[i] << 16), to[2 * i + 1] = __uint_as_float(w[i] & 0xffff0000u);
    }
};

static __device__ __forceinline__ void two_of(const float *p, float (&v)[2]) { v[0] = p[0], v[1] = p[1]; }
static __device__ __forceinline__ void two_of(const __nv_bfloat16 *p, float (&v)[2]) {
    uint32_t w;
    memcpy(&w, (const void *)__builtin_assume_aligned(p, 4), sizeof w);
    v[0] = __uint_as_float(w << 16), v[1] = __uint_as_float(w & 0xffff0000u);
}

/* Chunk x of a segment, y = kv head x part of its heads, z the item, by a block of THREADS. */
template <class C, int THREADS> static __device__ __forceinline__ void attend_chunk(const attend_args &a, int x, int y, int z) {
    SHARED_DYN(unsigned char, shared);
    SHARED(int, merges, ATTEND_QUERIES);
    SHARED(slot_range, slots, 2 * ATTEND_QUERIES); /* of a query's prefix, and of its own */
    const device_cache &cache = a.cache;
    const int t = (int)threadIdx.x, hd = cache.hd, hdp = cache.hdp, ldk = hdp + 16 / (int)sizeof(C);
    C *keys = (C *)shared, *values = keys + ATTEND_CHUNK * ldk;
    float *q = (float *)(values + ATTEND_CHUNK * hdp), *p = q + ATTEND_QUERIES * hdp, *stat = p + ATTEND_QUERIES * ATTEND_CHUNK;
    const attend_item it = a.items[z];
    if (it.n == 0) return;
    const int kv = y / a.splits, split = y % a.splits, group = a.heads / cache.kv_heads;
    const int head0 = kv * group + split * a.heads_a_block;
    int n_heads = group - split * a.heads_a_block;
    if (n_heads > a.heads_a_block) n_heads = a.heads_a_block;
    const int n_queries = it.n * n_heads;
    int lo, hi;
    range_of(a, it, &lo, &hi);
    const int chunk = lo / ATTEND_CHUNK + x, start = chunk * ATTEND_CHUNK;
    if (start >= hi || lo >= hi) return;
    if (lo < start) lo = start;
    if (hi > start + ATTEND_CHUNK) hi = start + ATTEND_CHUNK;
    const device_row &some = a.row[it.row];
    const int strip = it.prefix ? some.prefix_strip : some.strip, n = hi - lo;
    const C *from_k = (const C *)cache.k + cache_at(cache, strip, kv, lo), *from_v = (const C *)cache.v + cache_at(cache, strip, kv, lo);
    const int pieces = hdp * (int)sizeof(C) / 16, each = 16 / (int)sizeof(C);
    for (int i = t; i < n * pieces; i += THREADS) {
        int row = i / pieces, c = i % pieces * each;
        copy_async_16(keys + row * ldk + c, from_k + (int64_t)row * hdp + c);
        copy_async_16(values + row * hdp + c, from_v + (int64_t)row * hdp + c);
    }
    copy_async_commit();
    for (int i = t; i < n_queries * hdp; i += THREADS) {
        int k = i / hdp, d = i % hdp, row = row_of(a, it, k / n_heads);
        q[i] = d < hd ? a.in[row * a.ld_in + (head0 + k % n_heads) * hd + d] : 0;
    }
    /* A thread has position j for every STEP-th query; what it must know of their rows it asks for while the cache is on its way. */
    enum { STEP = THREADS / ATTEND_CHUNK, MINE = ATTEND_QUERIES / STEP, N = piece_of<C>::N };
    const int j = t % ATTEND_CHUNK, k0 = t / ATTEND_CHUNK;
    int from[MINE], to[MINE], all = 0;
    float s[MINE];
UNROLL
    for (int i = 0; i < MINE; i++) { /* no branch: all of them at once */
        const int k = k0 + i * STEP < n_queries ? k0 + i * STEP : n_queries - 1;
        const device_row &r = a.row[row_of(a, it, k / n_heads)];
        const int prefix = r.prefix_tokens, pos = r.pos, window = a.window > 0 ? pos - a.window + 1 : 0;
        s[i] = 0;
        from[i] = it.prefix ? 0 : prefix;
        to[i] = it.prefix ? prefix : pos + 1;
        from[i] = window > from[i] ? window : from[i];
    }
    if (t < n_queries) {
        const device_row &r = a.row[row_of(a, it, t / n_heads)];
        const slot_range prefix = slots_of(a, r.prefix_item, 0), own = slots_of(a, r.own_item, 1);
        slots[2 * t] = prefix;
        slots[2 * t + 1] = own;
        all = prefix.end - prefix.first + own.end - own.first;
    }
    copy_async_wait_all();
    __syncthreads();

    if (j < n) {
        const C *key = keys + j * ldk;
        uint4 next = load_shared_or_global(key);
        int d = 0;
        for (; d + N <= hd; d += N) {
            float x[N];
            piece_of<C>::open(next, x);
            next = load_shared_or_global(key + d + N); /* behind the last of a row is room for it */
UNROLL
            for (int i = 0; i < MINE; i++) {
                if (k0 + i * STEP >= n_queries) continue;
                const float *y = q + (k0 + i * STEP) * hdp + d;
UNROLL
                for (int e = 0; e < N; e += 4) {
                    float4 four = *(const float4 *)(y + e);
                    s[i] = fmaf(four.x, x[e], s[i]);
                    s[i] = fmaf(four.y, x[e + 1], s[i]);
                    s[i] = fmaf(four.z, x[e + 2], s[i]);
                    s[i] = fmaf(four.w, x[e + 3], s[i]);
                }
            }
        }
        for (; d < hd; d++)
UNROLL
            for (int i = 0; i < MINE; i++)
                if (k0 + i * STEP < n_queries) s[i] = fmaf(q[(k0 + i * STEP) * hdp + d], value_of(key[d]), s[i]);
    }
UNROLL
    for (int i = 0; i < MINE; i++) {
        const int k = k0 + i * STEP, pos = lo + j;
        if (k >= n_queries) continue;
        p[k * ATTEND_CHUNK + j] = j < n && pos >= from[i] && pos < to[i] ? softened(a.scale * s[i], a.softcap) : 0;
        if (j == 0) { /* the visible part of the chunk */
            stat[k * 4 + 2] = (float)(from[i] > lo ? from[i] - lo : 0);
            stat[k * 4 + 3] = (float)(to[i] < hi ? to[i] - lo : n);
        }
    }
    __syncthreads();
    for (int k = t / 32; k < n_queries; k += THREADS / 32) {
        int begin = (int)stat[k * 4 + 2], end = (int)stat[k * 4 + 3];
        float m = -INFINITY, sum = 0;
        for (int i = begin + (t & 31); i < end; i += 32) m = p[k * ATTEND_CHUNK + i] > m ? p[k * ATTEND_CHUNK + i] : m;
        m = warp_max(m);
        for (int i = begin + (t & 31); i < end; i += 32) {
            float s = p[k * ATTEND_CHUNK + i], e = s == -INFINITY ? 0 : expf(s - m);
            p[k * ATTEND_CHUNK + i] = e;
            sum += e;
        }
        sum = warp_sum(sum);
        if ((t & 31) == 0) stat[k * 4] = m, stat[k * 4 + 1] = sum;
    }
    __syncthreads();
    const int slot = chunk + (it.prefix ? 0 : 1);
    const int pairs = hdp / 2; /* a thread has two dimensions of a query */
    for (int i = t; i < n_queries * pairs; i += THREADS) {
        int k = i / pairs, d = i % pairs * 2, row = row_of(a, it, k / n_heads);
        const int begin = (int)stat[k * 4 + 2], end = (int)stat[k * 4 + 3];
        float sum[2] = {0, 0};
UNROLL_8
        for (int b = begin; b < end; b++) {
            float weight = p[k * ATTEND_CHUNK + b], v[2];
            two_of(values + b * hdp + d, v);
            sum[0] = fmaf(weight, v[0], sum[0]);
            sum[1] = fmaf(weight, v[1], sum[1]);
        }
        float *at = partial_of(a, row, head0 + k % n_heads, slot);
        at[d] = d < hd ? sum[0] : 0;
        at[d + 1] = d + 1 < hd ? sum[1] : 0;
        if (d == 0) at[hdp] = stat[k * 4], at[hdp + 1] = stat[k * 4 + 1];
    }
    __syncthreads();
    if (t < n_queries) {
        int32_t *count = &a.arrived[row_of(a, it, t / n_heads) % MATMUL_ROWS * a.heads + head0 + t % n_heads];
        merges[t] = count_and_see(count) + 1 == all;
        if (merges[t]) *count = 0;
    }
    __syncthreads();
    for (int k = 0; k < n_queries; k++)
        if (merges[k]) merge<THREADS>(a, row_of(a, it, k / n_heads), head0 + k % n_heads, slots[2 * k], slots[2 * k + 1]);
}

#endif
