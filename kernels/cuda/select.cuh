/* select.cuh -- a block of DECIDE_THREADS over one row of logits: its maximum, sums of masses, and where a prefix of the order
 * (logit descending, id ascending) ends, without a sort.  Device code, compiled with -fmad=false; included by cuda_decide.cu
 * and cuda_parts.cu.
 *
 * Masses (or ones) are summed in bins of 1/64 nat below the maximum, the bin that crosses is gathered and it alone is sorted;
 * a bin that does not fit is halved by its keys until one is left.  Masses are decide.h's fixed point: any order of atomics,
 * the same sum. */
#ifndef GLIMPSE_KERNELS_CUDA_SELECT_CUH
#define GLIMPSE_KERNELS_CUDA_SELECT_CUH

#include "kernels/cuda/burst.cuh"
#include "kernels/cuda/device.cuh"

typedef unsigned long long u64;

typedef struct selection {
    const float *l;
    int n;                  /* ids */
    float max;
    u64 last;               /* survivors: key <= last */
    double inv_t;
} selection;

typedef struct work_space { /* in shared memory */
    u64 bin[DECIDE_BINS], list[DECIDE_LIST];
    u64 sums[DECIDE_THREADS / 32];
    double pair[DECIDE_THREADS / 32];
    int32_t id[DECIDE_THREADS / 32];
    float most[DECIDE_THREADS / 32];
    u64 found, before;
    int32_t count, where;
} work_space;

static __device__ __forceinline__ int thread() { return (int)threadIdx.x; }

/* candidate_key of sampling/samplers: rising in (logit descending, id ascending); -0 is 0. */
static __device__ __forceinline__ u64 key_of(float l, int id) {
    uint32_t u = __float_as_uint(l + 0.0f);
    u = u >> 31 ? u : ~u & 0x7fffffffu;
    return (u64)u << 32 | (uint32_t)id;
}

/* Sums and the like over the block: every thread gets them. */
template <class T> static __device__ T block_sum(T v, T *shared) {
    v = warp_sum(v);
    __syncthreads();
    if ((thread() & 31) == 0) shared[thread() / 32] = v;
    __syncthreads();
    T s = 0;
    for (int i = 0; i < DECIDE_THREADS / 32; i++) s += shared[i];
    return s;
}
static __device__ float block_max(float v, work_space *w) {
    v = warp_max(v);
    __syncthreads();
    if ((thread() & 31) == 0) w->most[thread() / 32] = v;
    __syncthreads();
    for (int i = 0; i < DECIDE_THREADS / 32; i++) v = w->most[i] > v ? w->most[i] : v;
    return v;
}
static __device__ u64 block_key_max(u64 v, work_space *w) {
    for (int m = 16; m; m >>= 1) {
        u64 o = shuffle_xor(v, m);
        v = o > v ? o : v;
    }
    __syncthreads();
    if ((thread() & 31) == 0) w->sums[thread() / 32] = v;
    __syncthreads();
    for (int i = 0; i < DECIDE_THREADS / 32; i++) v = w->sums[i] > v ? w->sums[i] : v;
    return v;
}
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
    for (int i = 0; i < thread() / 32; i++) sum += w->sums[i];
    return sum - v;
}

static __device__ __forceinline__ bool survives(const selection &s, float l, int id) {
    return l > -INFINITY && key_of(l, id) <= s.last;
}
static __device__ __forceinline__ int bin_of(const selection &s, float l) {
    float x = (s.max - l) * 64.0f;
    return x < (float)(DECIDE_BINS - 1) ? (int)x : DECIDE_BINS - 1;
}
static __device__ __forceinline__ u64 weight_of(const selection &s, float l, bool mass) {
    return mass ? (u64)det_mass(det_scaled(l, s.max, s.inv_t)) : 1;
}

/* Sort w->list[0 .. n) by rising key, n <= DECIDE_LIST (Batcher 1968, bitonic). */
static __device__ void sort_list(work_space *w, int n) {
    int size = 2;
    while (size < n) size *= 2;
    for (int i = n + thread(); i < size; i += DECIDE_THREADS) w->list[i] = ~(u64)0;
    __syncthreads();
    for (int run = 2; run <= size; run *= 2)
        for (int by = run / 2; by; by /= 2) {
            for (int i = thread(); i < size; i += DECIDE_THREADS) {
                int j = i ^ by;
                if (j <= i) continue;
                u64 a = w->list[i], b = w->list[j];
                if ((a > b) == ((i & run) == 0)) w->list[i] = b, w->list[j] = a;
            }
            __syncthreads();
        }
}

/* The key at which the weights of the survivors, in the order of their keys, first reach `want` (>= 1, at most their sum).
 * fraction > 0: want = ceil(fraction * sum). */
static __device__ u64 crossing(const selection &s, bool mass, u64 want, double fraction, work_space *w) {
    __syncthreads();
    for (int i = thread(); i < DECIDE_BINS; i += DECIDE_THREADS) w->bin[i] = 0;
    if (thread() == 0) w->count = 0, w->where = DECIDE_BINS, w->found = 0;
    __syncthreads();
    for (int i = thread(); i < s.n; i += DECIDE_THREADS) {
        if (!survives(s, s.l[i], i)) continue;
        u64 x = weight_of(s, s.l[i], mass);
        if (x) atomicAdd(&w->bin[bin_of(s, s.l[i])], x);
    }
    __syncthreads();
    enum { EACH = DECIDE_BINS / DECIDE_THREADS };
    u64 mine = 0;
    for (int i = 0; i < EACH; i++) mine += w->bin[thread() * EACH + i];
    u64 before = block_before(mine, w);
    if (fraction > 0) {
        u64 total = block_sum(mine, w->sums);
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
    int bin = w->where;
    u64 left = want - w->before;
    if (bin == DECIDE_BINS) return s.last;
    for (int i = thread(); i < s.n; i += DECIDE_THREADS) {
        if (!survives(s, s.l[i], i) || bin_of(s, s.l[i]) != bin || !weight_of(s, s.l[i], mass)) continue;
        int at = atomicAdd(&w->count, 1);
        if (at < DECIDE_LIST) w->list[at] = key_of(s.l[i], i);
    }
    __syncthreads();
    int n = w->count;
    if (n > DECIDE_LIST) { /* a flat row: halve the range of keys until it is one; 64 reads at most */
        u64 low = 0, high = ~(u64)0;
        while (low < high) {
            u64 mid = low + (high - low) / 2, sum = 0;
            for (int i = thread(); i < s.n; i += DECIDE_THREADS)
                if (survives(s, s.l[i], i) && bin_of(s, s.l[i]) == bin && key_of(s.l[i], i) <= mid) sum += weight_of(s, s.l[i], mass);
            if (block_sum(sum, w->sums) >= left) high = mid;
            else low = mid + 1;
        }
        return low;
    }
    sort_list(w, n);
    enum { PART = DECIDE_LIST / DECIDE_THREADS };
    u64 part = 0;
    for (int i = 0; i < PART; i++) {
        int at = thread() * PART + i;
        if (at < n) part += weight_of(s, s.l[(int)(uint32_t)w->list[at]], mass);
    }
    u64 ahead = block_before(part, w);
    if (ahead < left && ahead + part >= left)
        for (int i = 0; i < PART; i++) {
            int at = thread() * PART + i;
            if (at >= n) break;
            u64 x = weight_of(s, s.l[(int)(uint32_t)w->list[at]], mass);
            if (ahead < left && ahead + x >= left) w->found = w->list[at];
            ahead += x;
        }
    __syncthreads();
    return w->found;
}

/* sum of e^((l - max) / T) over the survivors: for the record, in float and added in double. */
static __device__ double exp_sum(const selection &s, work_space *w) {
    double sum = 0;
    for (int i = thread(); i < s.n; i += DECIDE_THREADS)
        if (survives(s, s.l[i], i)) sum += (double)expf((float)det_scaled(s.l[i], s.max, s.inv_t));
    return block_sum(sum, w->pair);
}

/* What one pass over a row finds.  bad: the first id of NaN or +inf, -1 = none. */
typedef struct row_facts {
    float max;
    int finite, bad;
} row_facts;
static __device__ row_facts facts_of(const float *l, int n, work_space *w) {
    row_facts f = {-INFINITY, 0, 0x7fffffff};
    for (int i = thread(); i < n; i += DECIDE_THREADS) {
        float x = l[i];
        f.max = x > f.max ? x : f.max;
        f.finite += x > -INFINITY;
        if (!(x < INFINITY) && i < f.bad) f.bad = i;
    }
    f.max = block_max(f.max, w);
    f.finite = (int)block_sum((u64)f.finite, w->sums);
    f.bad = (int)(0x7fffffff - (u64)block_key_max((u64)(0x7fffffff - f.bad), w));
    if (f.bad == 0x7fffffff) f.bad = -1;
    return f;
}
/* sum e^d and sum d e^d, d = l - max, of what is above -inf: for the record. */
static __device__ void moments_of(const float *l, int n, float max, double *sum, double *moment, work_space *w) {
    double s = 0, m = 0;
    for (int i = thread(); i < n; i += DECIDE_THREADS) {
        if (!(l[i] > -INFINITY)) continue;
        float d = l[i] - max, e = expf(d);
        s += (double)e;
        m += (double)(d * e);
    }
    *sum = block_sum(s, w->pair);
    *moment = block_sum(m, w->pair);
}

#endif
