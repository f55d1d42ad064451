/* rows.cuh -- what goes row by row on the device: the embedding, the prologue that a product does not have room for, and the
 * end of products whose epilogue needs a whole head or row.  The kernels of cuda_rows.cu call these with their block's index,
 * the persistent kernel (cuda_persist.cu) in its loop: one body, the same bits. */
#ifndef GLIMPSE_KERNELS_CUDA_ROWS_CUH
#define GLIMPSE_KERNELS_CUDA_ROWS_CUH

#include "kernels/cuda/device.cuh"

enum { ROW_THREADS = 256 };

typedef struct embed_args {
    const void *embedding, *positions; /* (V, ld), (T, ld_positions); NULL = none */
    int64_t ld, ld_positions, ld_out;
    int32_t dtype, positions_dtype, width;
    float scale;
    const device_row *row;
    float *out;
} embed_args;

static __device__ __forceinline__ float element_of(const void *p, int dtype, int64_t i) {
    if (dtype == GLIMPSE_F32) return ((const float *)p)[i];
    if (dtype == GLIMPSE_BF16) return value_of(((const __nv_bfloat16 *)p)[i]);
    return value_of(((const __half *)p)[i]);
}

/* Row n, by a block of ROW_THREADS. */
static __device__ __forceinline__ void embed_row(const embed_args &a, int n) {
    const device_row r = a.row[n];
    for (int i = (int)threadIdx.x; i < a.width; i += ROW_THREADS) {
        float v = element_of(a.embedding, a.dtype, (int64_t)r.id * a.ld + i) * a.scale;
        if (a.positions) v += element_of(a.positions, a.positions_dtype, (int64_t)r.pos * a.ld_positions + i);
        a.out[(int64_t)n * a.ld_out + i] = v;
    }
}

typedef struct prologue_args {
    const float *in;        /* (rows, ld_in) */
    const int32_t *line;    /* as matmul_args' */
    int64_t ld_in, ld;
    int32_t k, kp, rows;
    device_norm norm;
    uint16_t *to;           /* (planes, rows, ld) bf16 */
    float *plain;           /* (rows, ld) f32 instead; NULL = planes */
} prologue_args;

/* Row n, by a block of ROW_THREADS. */
template <int PLANES> static __device__ __forceinline__ void prologue_of(const prologue_args &a, int n) {
    const int from = a.line ? a.line[n] : n;
    prologue_row<PLANES>(a.in + from * a.ld_in, a.k, a.kp, a.norm, a.to + n * a.ld, a.ld * a.rows, a.plain ? a.plain + n * a.ld : NULL,
                         (int)threadIdx.x / 32, ROW_THREADS / 32);
}

typedef struct finish_args {
    float *y;               /* (rows, ld_y) products */
    const float *low;       /* (rows, ld_y) to be added first, NULL = nothing */
    const float *bias;      /* NULL = none, or added already */
    int64_t ld_y, ld_out;
    int32_t n_y, store, activate, activation, heads;
    int32_t grouped;        /* y lies as phase.grouped says */
    device_norm post, q_norm, k_norm;
    device_rope rope;
    device_cache cache;
    const device_row *row;
    float *out;
} finish_args;

static __device__ float block_sum(float v, float *shared) {
    v = warp_sum(v);
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x / 32] = v;
    __syncthreads();
    float s = 0;
    for (int i = 0; i < 8; i++) s += shared[i];
    __syncthreads();
    return s;
}

/* One head (hd) of y, by a warp: norm, then rotary positions, to `out` (f32) or the cache. */
static __device__ void finish_head(const finish_args &a, const device_row &r, float *head, const device_norm &norm, int kind,
                                   int index, float *out) {
    const int lane = (int)threadIdx.x & 31, hd = a.cache.hd;
    if (norm.on) {
        float mean = 0, square = 0;
        if (!norm.rms) {
            float sum = 0;
            for (int i = lane; i < hd; i += 32) sum += head[i];
            mean = warp_sum(sum) / (float)hd;
        }
        for (int i = lane; i < hd; i += 32) square = fmaf(head[i] - mean, head[i] - mean, square);
        float scale = 1.0f / sqrtf(warp_sum(square) / (float)hd + norm.eps);
        for (int i = lane; i < hd; i += 32) {
            float v = (head[i] - mean) * scale;
            if (norm.w) v *= norm.w[i];
            if (norm.b) v += norm.b[i];
            head[i] = v;
        }
        sync_warp();
    }
    if (kind < 2 && a.rope.cos) {
        int half = a.rope.dims / 2;
        for (int i = lane; i < half; i += 32) {
            float *p = a.rope.interleaved ? &head[2 * i] : &head[i], *q = a.rope.interleaved ? &head[2 * i + 1] : &head[i + half];
            float2 angle = angle_of(a.rope, r, i);
            float x0 = *p, x1 = *q;
            *p = x0 * angle.x - x1 * angle.y;
            *q = x1 * angle.x + x0 * angle.y;
        }
        sync_warp();
    }
    for (int i = lane; i < hd; i += 32) {
        if (kind == 0) out[i] = head[i];
        else cache_put(a.cache, kind == 1 ? a.cache.k : a.cache.v, cache_at(a.cache, r.strip, index, r.pos) + i, head[i]);
    }
}

/* Row n, by a block of ROW_THREADS. */
static __device__ __forceinline__ void finish_row(const finish_args &a, int n) {
    SHARED(float, shared, 8);
    const int t = (int)threadIdx.x;
    const device_row r = a.row[n];
    float *y = a.y + (int64_t)n * a.ld_y, *out = a.out + (int64_t)n * a.ld_out;
    const float *low = a.low ? a.low + (int64_t)n * a.ld_y : NULL;
    for (int i = t; i < a.n_y; i += 256) {
        float v = y[i];
        if (low) v += low[i];
        if (a.bias) v += a.bias[i];
        if (a.activate && a.store != STORE_GATED) v = activated(a.activation, v);
        y[i] = v;
    }
    __syncthreads();
    if (a.post.on) {
        float mean = 0, square = 0;
        if (!a.post.rms) {
            float sum = 0;
            for (int i = t; i < a.n_y; i += 256) sum += y[i];
            mean = block_sum(sum, shared) / (float)a.n_y;
        }
        for (int i = t; i < a.n_y; i += 256) square = fmaf(y[i] - mean, y[i] - mean, square);
        float scale = 1.0f / sqrtf(block_sum(square, shared) / (float)a.n_y + a.post.eps);
        for (int i = t; i < a.n_y; i += 256) {
            float v = (y[i] - mean) * scale;
            if (a.post.w) v *= a.post.w[i];
            if (a.post.b) v += a.post.b[i];
            y[i] = v;
        }
        __syncthreads();
    }
    if (a.store == STORE_QKV) {
        int kv = a.cache.kv_heads, all = a.heads + 2 * kv;
        for (int h = t / 32; h < all && r.active; h += 8) {
            int kind = h < a.heads ? 0 : h < a.heads + kv ? 1 : 2, index = kind == 0 ? h : kind == 1 ? h - a.heads : h - a.heads - kv;
            device_norm none;
            none.on = 0;
            int at = h * a.cache.hd;
            if (a.grouped) at = grouped_row(at, a.heads, kv, a.cache.hd);
            finish_head(a, r, y + at, kind == 0 ? a.q_norm : kind == 1 ? a.k_norm : none, kind, index,
                        out + (kind == 0 ? h * a.cache.hd : 0));
        }
        return;
    }
    int width = a.store == STORE_GATED ? a.n_y / 2 : a.n_y;
    for (int i = t; i < width; i += 256) {
        if (a.store == STORE_GATED) out[i] = activated(a.activation, y[i]) * y[width + i];
        else out[i] = a.store == STORE_ADD ? out[i] + y[i] : y[i];
    }
}

#endif
