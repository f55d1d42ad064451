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

/* Positions [lo, hi) of a segment that some row of the item sees. */
static __device__ __forceinline__ void range_of(const attend_args &a, const attend_item &it, int *lo, int *hi) {
    int first = 0x7fffffff, last = 0;
    for (int i = 0; i < it.n; i++) {
        const device_row &r = a.row[a.order[it.first + i]];
        int from = it.prefix ? 0 : r.prefix_tokens, to = it.prefix ? r.prefix_tokens : r.pos + 1;
        if (a.window > 0 && r.pos - a.window + 1 > from) from = r.pos - a.window + 1;
        if (from < first) first = from;
        if (to > last) last = to;
    }
    *lo = first;
    *hi = last;
}

static __device__ __forceinline__ int chunks_of(const attend_args &a, int item) {
    int lo, hi;
    if (item < 0) return 0;
    range_of(a, a.all[item], &lo, &hi);
    return lo < hi ? (hi + ATTEND_CHUNK - 1) / ATTEND_CHUNK - lo / ATTEND_CHUNK : 0;
}

static __device__ __forceinline__ float *partial_of(const attend_args &a, int row, int head, int slot) {
    return a.partial + (((int64_t)(row % MATMUL_ROWS) * a.heads + head) * a.slots + slot) * (a.cache.hdp + 2);
}

/* Add the chunks of one (row, head), in rising order of positions; by the whole block. */
template <int THREADS> static __device__ void merge(const attend_args &a, int row, int head) {
    const device_row &r = a.row[row];
    const int hdp = a.cache.hdp;
    float max = -INFINITY;
    int lo[2], end[2];
    for (int s = 0; s < 2; s++) { /* the prefix, then its own */
        int item = s ? r.own_item : r.prefix_item, from = 0, to = 0;
        lo[s] = end[s] = 0;
        if (item < 0) continue;
        range_of(a, a.all[item], &from, &to);
        if (from >= to) continue;
        lo[s] = from / ATTEND_CHUNK + s;
        end[s] = (to + ATTEND_CHUNK - 1) / ATTEND_CHUNK + s;
        for (int c = lo[s]; c < end[s]; c++) {
            float m = partial_of(a, row, head, c)[hdp];
            if (m > max) max = m;
        }
    }
    for (int d = (int)threadIdx.x; d < a.cache.hd; d += THREADS) {
        float sum = 0, weight = 0;
        for (int s = 0; s < 2; s++)
            for (int c = lo[s]; c < end[s]; c++) {
                const float *p = partial_of(a, row, head, c);
                if (p[hdp + 1] == 0) continue; /* nothing this row sees, or all of it at -inf */
                float w = expf(p[hdp] - max);
                sum = fmaf(w, p[d], sum);
                weight = fmaf(w, p[hdp + 1], weight);
            }
        a.out[row * a.ld_out + head * a.cache.hd + d] = sum / weight;
    }
}

/* Chunk x of a segment, y = kv head x part of its heads, z the item, by a block of THREADS. */
template <class C, int THREADS> static __device__ __forceinline__ void attend_chunk(const attend_args &a, int x, int y, int z) {
    SHARED_DYN(unsigned char, shared);
    SHARED(int, merges, ATTEND_QUERIES);
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
    const device_row &some = a.row[a.order[it.first]];
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
        int k = i / hdp, d = i % hdp, row = a.order[it.first + k / n_heads];
        q[i] = d < hd ? a.in[row * a.ld_in + (head0 + k % n_heads) * hd + d] : 0;
    }
    copy_async_wait_all();
    __syncthreads();

    const int j = t % ATTEND_CHUNK;
    for (int k = t / ATTEND_CHUNK; k < n_queries; k += THREADS / ATTEND_CHUNK) {
        const device_row &r = a.row[a.order[it.first + k / n_heads]];
        int pos = lo + j, from = it.prefix ? 0 : r.prefix_tokens, to = it.prefix ? r.prefix_tokens : r.pos + 1;
        if (a.window > 0 && r.pos - a.window + 1 > from) from = r.pos - a.window + 1;
        float s = 0;
        bool seen = j < n && pos >= from && pos < to;
        if (seen) {
            for (int d = 0; d < hd; d++) s = fmaf(q[k * hdp + d], value_of(keys[j * ldk + d]), s);
            s = softened(a.scale * s, a.softcap);
        }
        p[k * ATTEND_CHUNK + j] = s;
        if (j == 0) { /* the visible part of the chunk */
            stat[k * 4 + 2] = (float)(from > lo ? from - lo : 0);
            stat[k * 4 + 3] = (float)(to < hi ? to - lo : n);
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
    for (int i = t; i < n_queries * hdp; i += THREADS) {
        int k = i / hdp, d = i % hdp, row = a.order[it.first + k / n_heads];
        float sum = 0;
        if (d < hd)
            for (int b = (int)stat[k * 4 + 2]; b < (int)stat[k * 4 + 3]; b++)
                sum = fmaf(p[k * ATTEND_CHUNK + b], value_of(values[b * hdp + d]), sum);
        float *to = partial_of(a, row, head0 + k % n_heads, slot);
        to[d] = sum;
        if (d == 0) to[hdp] = stat[k * 4], to[hdp + 1] = stat[k * 4 + 1];
    }
    __threadfence();
    __syncthreads();
    if (t < n_queries) {
        int row = a.order[it.first + t / n_heads], head = head0 + t % n_heads;
        const device_row &r = a.row[row];
        int all = chunks_of(a, r.own_item) + chunks_of(a, r.prefix_item);
        int32_t *count = &a.arrived[row % MATMUL_ROWS * a.heads + head];
        merges[t] = atomicAdd(count, 1) + 1 == all;
        if (merges[t]) *count = 0;
    }
    __syncthreads();
    __threadfence();
    for (int k = 0; k < n_queries; k++)
        if (merges[k]) merge<THREADS>(a, a.order[it.first + k / n_heads], head0 + k % n_heads);
}

#endif
