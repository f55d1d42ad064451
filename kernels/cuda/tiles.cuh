/* tiles.cuh -- what the head leaves of each 16 logits beside them, so that drawing need not read the row: 16 bytes for 64.
 *
 *   x  the largest; NaN: one of them is NaN or +inf
 *   y  sum e^(l - x); 0: all are -inf; below 0, minus the sum: some are
 *   z  sum (l - x) e^(l - x)
 *   w  sum e^((l - x) / T), T = 1 / device_row.inv_t
 *
 * Tile k of a row of n logits holds ids 16 k .. 16 k + 15, as far as they are below n.  x is exact, the sums are of float
 * exponentials.  Made by cuda_matmul.cu, read by select.cuh. */
#ifndef GLIMPSE_KERNELS_CUDA_TILES_CUH
#define GLIMPSE_KERNELS_CUDA_TILES_CUH

#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/ptx.cuh"

/* One logit's part of y, z, w; d = l - x. */
static __device__ __forceinline__ void tile_add(float4 *t, float d, float inv_t) {
    float e = expf(d);
    t->y += e;
    if (e > 0) t->z += d * e;
    t->w += inv_t == 1 ? e : expf(d * inv_t);
}

/* By all lanes of a warp: 8 lanes that are STRIDE apart hold a tile, two logits each (has: whether there is one); the first of
 * them writes. */
template <int STRIDE> static __device__ OUTLINED void tile_write(float4 *to, bool has0, float l0, bool has1, float l1, float inv_t) {
    int odd = (has0 && !(l0 < INFINITY)) || (has1 && !(l1 < INFINITY)) ? 1 : 0;
    if ((has0 && !(l0 > -INFINITY)) || (has1 && !(l1 > -INFINITY))) odd |= 2;
    float4 t = make_float4(-INFINITY, 0, 0, 0);
    has0 = has0 && l0 > -INFINITY;
    has1 = has1 && l1 > -INFINITY;
    if (has0) t.x = l0;
    if (has1 && l1 > t.x) t.x = l1;
    for (int m = 4 * STRIDE; m >= STRIDE; m >>= 1) {
        float o = shuffle_xor(t.x, m);
        t.x = o > t.x ? o : t.x;
        odd |= shuffle_xor(odd, m);
    }
    if (has0) tile_add(&t, l0 - t.x, inv_t);
    if (has1) tile_add(&t, l1 - t.x, inv_t);
    for (int m = 4 * STRIDE; m >= STRIDE; m >>= 1) {
        t.y += shuffle_xor(t.y, m);
        t.z += shuffle_xor(t.z, m);
        t.w += shuffle_xor(t.w, m);
    }
    if (odd & 2) t.y = -t.y;
    if (odd & 1) t.x = NAN;
    if (to && (threadIdx.x / STRIDE & 7) == 0) *to = t;
}

/* The same by one thread: l (n <= 16). */
static __device__ float4 tile_of(const float *l, int n, float inv_t) {
    float4 t = make_float4(-INFINITY, 0, 0, 0);
    bool bad = false, none = false;
ROLLED
    for (int i = 0; i < n; i++) {
        bad |= !(l[i] < INFINITY);
        none |= !(l[i] > -INFINITY);
        t.x = l[i] > t.x ? l[i] : t.x;
    }
ROLLED
    for (int i = 0; i < n && !bad; i++)
        if (l[i] > -INFINITY) tile_add(&t, l[i] - t.x, inv_t);
    if (none) t.y = -t.y;
    if (bad) t.x = NAN;
    return t;
}

#endif
