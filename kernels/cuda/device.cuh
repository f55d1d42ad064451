/* device.cuh -- what several kernels do alike: elements to f32, planes of bf16, norms, activations.  Device code alone;
 * included by the .cu files of this folder. */
#ifndef GLIMPSE_KERNELS_CUDA_DEVICE_CUH
#define GLIMPSE_KERNELS_CUDA_DEVICE_CUH

#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/ptx.cuh"

static __device__ __forceinline__ float value_of(float f) { return f; }
static __device__ __forceinline__ float value_of(__nv_bfloat16 h) { return __bfloat162float(h); }
static __device__ __forceinline__ float value_of(__half h) { return __half2float(h); }

static __device__ __forceinline__ void put_value(float *to, float f) { *to = f; }
static __device__ __forceinline__ void put_value(__nv_bfloat16 *to, float f) { *to = __float2bfloat16_rn(f); }

/* x as a sum of bf16 planes: each but the last cut off (exact differences), the last rounded.  Not finite: in the first
 * plane alone. */
template <int PLANES> static __device__ __forceinline__ void split_value(float x, uint16_t *plane) {
    float rest = x;
    bool finite = fabsf(x) <= 3.4028234e38f;
    if (!finite) rest = 0;
    for (int i = 0; i < PLANES; i++) {
        uint16_t h = i == PLANES - 1 ? __bfloat16_as_ushort(__float2bfloat16_rn(rest)) : (uint16_t)(__float_as_uint(rest) >> 16);
        plane[i] = h;
        rest -= __uint_as_float((uint32_t)h << 16);
    }
    if (!finite) plane[0] = x != x ? 0x7fc0 : (uint16_t)(__float_as_uint(x) >> 16);
}

/* N neighbours of a row, from column c on, a multiple of N. */
template <int N> static __device__ __forceinline__ void put_planes(const plane_rows &r, int row, int c, const float (&x)[N]) {
    uint16_t plane[N][MAX_PLANES], *to = r.to + row * r.ld + c;
UNROLL
    for (int j = 0; j < N; j++) {
        if (r.n == 2) split_value<2>(x[j], plane[j]);
        else split_value<3>(x[j], plane[j]);
    }
UNROLL
    for (int p = 0; p < MAX_PLANES; p++, to += r.stride) {
        if (p >= r.n) break;
        if (N == 2) *(uint32_t *)(void *)to = (uint32_t)plane[0][p] | (uint32_t)plane[N - 1][p] << 16;
        else *to = plane[0][p];
    }
}

/* f(j, v) for the lane's 4 elements from 4 lane + 128 j on of a row of kp, in rising order of j, eight loads on their way at once. */
template <class F> static __device__ __forceinline__ void for_row(const float *in, int kp, F f) {
    enum { AT_ONCE = 8 };
    const int lane = (int)(threadIdx.x & 31);
ROLLED
    for (int i0 = lane * 4; i0 < kp; i0 += 128 * AT_ONCE) {
        float4 v[AT_ONCE];
UNROLL
        for (int j = 0; j < AT_ONCE; j++) v[j] = *(const float4 *)(in + (i0 + j * 128 < kp ? i0 + j * 128 : i0));
UNROLL
        for (int j = 0; j < AT_ONCE; j++)
            if (i0 + j * 128 < kp) f(i0 + j * 128, v[j]);
    }
}

/* What a norm reads, asked for in L2 by all threads of a block: a step's weights have driven it out since the step before. */
static __device__ __forceinline__ void prefetch_norm(const device_norm &norm, int k) {
    for (int i = (int)threadIdx.x * 32; norm.on && i < k; i += (int)blockDim.x * 32) {
        if (norm.w) prefetch_line(norm.w + i);
        if (norm.b) prefetch_line(norm.b + i);
    }
}

/* Warps bring one row to planes: x (k) from `in`, normalised as `norm` says, zeros up to kp.  Element i of plane p goes to
 * to[p * plane_stride + i], or as f32 to plain[i].  in: 16-byte aligned, zeros from k to kp.  `n` warps share a row, this one is
 * number `mine`: each finds the norm by itself, so that the bits are the same for any n.  norm.w, norm.b: 16-byte aligned, readable
 * up to a multiple of four (cuda_take). */
template <int PLANES>
static __device__ __forceinline__ void prologue_row(const float *in, int k, int kp, const device_norm &norm, uint16_t *to,
                                                    int64_t plane_stride, float *plain, int mine, int n) {
    const bool weighs = norm.on && norm.w, shifts = norm.on && norm.b;
    float mean = 0, scale = 1;
    float4 w4 = make_float4(0, 0, 0, 0), b4 = w4;
    int i = ((int)threadIdx.x & 31) * 4 + mine * 128;
    auto ask = [&]() { /* ahead of their use: the row, or the piece before, is on its way as well */
        if (weighs && i < k) w4 = *(const float4 *)(norm.w + i);
        if (shifts && i < k) b4 = *(const float4 *)(norm.b + i);
    };
    ask();
    if (norm.on) {
        float sum = 0, square = 0;
        if (!norm.rms) {
            for_row(in, kp, [&](int, float4 v) { sum += (v.x + v.y) + (v.z + v.w); });
            mean = warp_sum(sum) / (float)k;
        }
        for_row(in, kp, [&](int i, float4 v) {
            float e[4] = {v.x, v.y, v.z, v.w};
UNROLL
            for (int j = 0; j < 4; j++) {
                float d = i + j < k ? e[j] - mean : 0;
                square = fmaf(d, d, square);
            }
        });
        scale = 1.0f / sqrtf(warp_sum(square) / (float)k + norm.eps);
    }
    while (i < kp) {
        const int at = i;
        const float4 v = *(const float4 *)(in + at);
        const float e[4] = {v.x, v.y, v.z, v.w}, w[4] = {w4.x, w4.y, w4.z, w4.w}, b[4] = {b4.x, b4.y, b4.z, b4.w};
        uint16_t plane[4][PLANES];
        i += 128 * n;
        ask();
UNROLL
        for (int j = 0; j < 4; j++) {
            float x = at + j < k ? e[j] : 0;
            if (norm.on && at + j < k) {
                x = (x - mean) * scale;
                if (weighs) x *= w[j];
                if (shifts) x += b[j];
            }
            if (plain) {
                plain[at + j] = x;
            } else {
                split_value<PLANES>(x, plane[j]);
            }
        }
        for (int p = 0; p < PLANES && !plain; p++) {
            uint2 four;
            four.x = (uint32_t)plane[0][p] | (uint32_t)plane[1][p] << 16;
            four.y = (uint32_t)plane[2][p] | (uint32_t)plane[3][p] << 16;
            *(uint2 *)(to + p * plane_stride + at) = four;
        }
    }
}

static __device__ __forceinline__ float activated(int kind, float x) {
    switch (kind) {
    case GLIMPSE_GELU_TANH: return 0.5f * x * (1.0f + tanhf(0.7978845608f * fmaf(0.044715f * x * x, x, x)));
    case GLIMPSE_GELU_ERF: return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case GLIMPSE_SILU: return x / (1.0f + expf(-x));
    default: return x <= 0 ? 0 : x; /* NaN stays */
    }
}

static __device__ __forceinline__ float softened(float x, float cap) { return cap > 0 ? cap * tanhf(x / cap) : x; }

/* Cosine and sine of pair i at the row's position. */
static __device__ __forceinline__ float2 angle_of(const device_rope &rope, const device_row &r, int i) {
    bool far = rope.cos_long && r.reach > rope.long_after;
    int64_t at = (int64_t)r.pos * (rope.dims / 2) + i;
    float2 a;
    a.x = (far ? rope.cos_long : rope.cos)[at];
    a.y = (far ? rope.sin_long : rope.sin)[at];
    return a;
}

/* Where row y of [q; k; v] lies when the heads stand in groups: H / KV queries, a key, a value. */
static __device__ __forceinline__ int grouped_row(int y, int heads, int kv_heads, int hd) {
    int head = y / hd, share = heads / kv_heads, at;
    if (head < heads) at = head / share * (share + 2) + head % share;
    else if (head < heads + kv_heads) at = (head - heads) * (share + 2) + share;
    else at = (head - heads - kv_heads) * (share + 2) + share + 1;
    return at * hd + y % hd;
}

static __device__ __forceinline__ int64_t cache_at(const device_cache &c, int strip, int kv, int64_t pos) {
    return (((int64_t)strip * c.kv_heads + kv) * c.tokens + pos) * c.hdp;
}
static __device__ __forceinline__ void cache_put(const device_cache &c, void *base, int64_t at, float v) {
    if (c.half) put_value((__nv_bfloat16 *)base + at, v);
    else ((float *)base)[at] = v;
}

#endif
