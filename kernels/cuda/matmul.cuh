/* matmul.cuh -- y = W norm(x) + b for up to 64 rows, with everything that stands before and after it in plan.h: the body of
 * cuda_matmul.cu's kernel and of the persistent kernel's products (cuda_persist.cu): one body, the same bits. */
#ifndef GLIMPSE_KERNELS_CUDA_MATMUL_CUH
#define GLIMPSE_KERNELS_CUDA_MATMUL_CUH

#include "kernels/cuda/device.cuh"

/* What a lane holds of 32 elements of two rows of weights (g and g + 8): its 8 elements of each, as they lie in memory,
 * and plane P of them as bf16 pairs. */
template <class W> struct weights;

template <> struct weights<__nv_bfloat16> {
    enum { PLANES = 1, X_PLANES = 2, STEPS = 4 };
    uint4 v[2];
    __device__ __forceinline__ void load(int row, const void *p) { v[row] = load_once(p); }
    __device__ __forceinline__ uint4 plane(int row, int) const { return v[row]; }
};

template <> struct weights<__half> {
    enum { PLANES = 2, X_PLANES = 2, STEPS = 4 };
    uint4 v[2];
    __device__ __forceinline__ void load(int row, const void *p) { v[row] = load_once(p); }
    static __device__ __forceinline__ uint32_t pair(uint32_t u, int which) {
        uint16_t a[2], b[2];
        split_value<2>(__half2float(__ushort_as_half((unsigned short)(u & 0xffff))), a);
        split_value<2>(__half2float(__ushort_as_half((unsigned short)(u >> 16))), b);
        return which ? (uint32_t)a[1] | (uint32_t)b[1] << 16 : (uint32_t)a[0] | (uint32_t)b[0] << 16;
    }
    __device__ __forceinline__ uint4 plane(int row, int which) const {
        return make_uint4(pair(v[row].x, which), pair(v[row].y, which), pair(v[row].z, which), pair(v[row].w, which));
    }
};

template <> struct weights<float> {
    enum { PLANES = 3, X_PLANES = 3, STEPS = 2 };
    uint4 v[2][2];
    __device__ __forceinline__ void load(int row, const void *p) {
        v[row][0] = load_once(p);
        v[row][1] = load_once((const char *)p + 16);
    }
    static __device__ __forceinline__ uint32_t pair(uint32_t x, uint32_t y, int which) {
        uint16_t a[3], b[3];
        split_value<3>(__uint_as_float(x), a);
        split_value<3>(__uint_as_float(y), b);
        uint16_t lo = which == 0 ? a[0] : which == 1 ? a[1] : a[2], hi = which == 0 ? b[0] : which == 1 ? b[1] : b[2];
        return (uint32_t)lo | (uint32_t)hi << 16;
    }
    __device__ __forceinline__ uint4 plane(int row, int which) const {
        uint4 p = v[row][0], q = v[row][1];
        return make_uint4(pair(p.x, p.y, which), pair(p.z, p.w, which), pair(q.x, q.y, which), pair(q.z, q.w, which));
    }
};

/* The two rows of y that a tile's rows r and r + 8 are (r < 8), -1 = none: 16 that follow each other, a gate and its up, or
 * the two halves of a rotary pair, so that one thread has what belongs together. */
static __device__ __forceinline__ void rows_of_tile(const matmul_args &a, int tile, int r, int *first, int *second) {
    int hd = a.cache.hd;
    if (a.store == STORE_GATED) {
        int f = tile * 8 + r, n = a.n_y / 2;
        *first = f < n ? f : -1;
        *second = f < n ? n + f : -1;
        return;
    }
    int rotated = (a.heads + a.cache.kv_heads) * a.tiles_a_head; /* tiles of queries and keys */
    if (a.store == STORE_QKV && tile < rotated && a.rope_tiles) {
        int head = tile / a.tiles_a_head, t = tile % a.tiles_a_head, base = head * hd, half = a.rope.dims / 2;
        if (t < a.rope_tiles) {
            int i = t * 8 + r;
            *first = i >= half ? -1 : base + (a.rope.interleaved ? 2 * i : i);
            *second = i >= half ? -1 : base + (a.rope.interleaved ? 2 * i + 1 : i + half);
        } else {
            int i = a.rope.dims + (t - a.rope_tiles) * 16 + r;
            *first = i < hd ? base + i : -1;
            *second = i + 8 < hd ? base + i + 8 : -1;
        }
        return;
    }
    int y = tile * 16 + r;
    if (a.store == STORE_QKV && a.rope_tiles) y = (a.heads + a.cache.kv_heads) * hd + (tile - rotated) * 16 + r;
    *first = y < a.n_y ? y : -1;
    *second = y + 8 < a.n_y ? y + 8 : -1;
}

template <class W> static __device__ __forceinline__ const W *row_of_weights(const matmul_args &a, int y) {
    if (a.grouped) y = grouped_row(y, a.heads, a.cache.kv_heads, a.cache.hd);
    for (int i = 0; i < a.n_parts; i++)
        if (y >= a.part[i].first && y < a.part[i].end)
            return (const W *)a.part[i].w + (int64_t)(y - a.part[i].first) * a.part[i].ld;
    return NULL;
}

static __device__ __forceinline__ float bias_of(const matmul_args &a, int y) {
    if (!a.bias || y < 0) return 0;
    return a.bias[a.grouped ? grouped_row(y, a.heads, a.cache.kv_heads, a.cache.hd) : y];
}

/* One finished value of y, or the pair (rows that belong together). */
static __device__ __forceinline__ void store_one(const matmul_args &a, int n, int y, float v) {
    if (y < 0) return;
    float *out = a.out + (int64_t)n * a.ld_out + y;
    if (a.store == TO_Y) {
        *out = v;
        return;
    }
    if (a.activate) v = activated(a.activation, v);
    if (a.head) v = softened(v, a.softcap);
    *out = a.store == STORE_ADD ? *out + v : v;
}

static __device__ __forceinline__ void store_qkv(const matmul_args &a, int n, int y, float v) {
    if (y < 0) return;
    const device_cache &c = a.cache;
    int queries = a.heads * c.hd, keys = c.kv_heads * c.hd;
    if (y < queries) {
        a.out[(int64_t)n * a.ld_out + y] = v;
        return;
    }
    bool key = y < queries + keys;
    int i = y - queries - (key ? 0 : keys);
    cache_put(c, key ? c.k : c.v, cache_at(c, a.row[n].strip, i / c.hd, a.row[n].pos) + i % c.hd, v);
}

static __device__ __forceinline__ void store_pair(const matmul_args &a, int tile, int n, int y0, int y1, float v0, float v1) {
    if (a.store == STORE_GATED) {
        if (y0 >= 0) a.out[(int64_t)n * a.ld_out + y0] = activated(a.activation, v0) * v1;
    } else if (a.store == STORE_QKV) {
        if (!a.row[n].active) return;
        int t = a.tiles_a_head ? tile % a.tiles_a_head : 0;
        if (a.rope_tiles && tile < (a.heads + a.cache.kv_heads) * a.tiles_a_head && t < a.rope_tiles && y0 >= 0) {
            int i = y0 % a.cache.hd;
            if (a.rope.interleaved) i /= 2;
            float2 angle = angle_of(a.rope, a.row[n], i);
            float x0 = v0, x1 = v1;
            v0 = x0 * angle.x - x1 * angle.y;
            v1 = x1 * angle.x + x0 * angle.y;
        }
        store_qkv(a, n, y0, v0);
        store_qkv(a, n, y1, v1);
    } else {
        store_one(a, n, y0, v0);
        store_one(a, n, y1, v1);
    }
}

/* Tiles tile0, tile0 + step, ... of a product, MT tiles at once, by a block of MATMUL_WARPS: cuda_matmul.cu says how it is cut.
 * wait(): what was asked for before it does not depend on the phase before, what follows does; false = leave.  The sums lie
 * sums_at bytes behind the planes' beginning: at 0 they take the planes' memory, which ends them, so then only one tile.
 * AHEAD: of the first tile what does not fit into registers is asked into L2 before wait. */
template <class W, int NT, int MT, bool AHEAD, class Wait>
static __device__ __forceinline__ void matmul_tiles(const matmul_args &a, int tile0, int step, int sums_at, Wait wait) {
    typedef weights<W> frag;
    enum { XP = frag::X_PLANES, WP = frag::PLANES, U = NT * MT >= 8 ? (frag::STEPS + 1) / 2 : frag::STEPS, COLS = NT * 8 };
    SHARED_DYN(unsigned char, shared);
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x & 31, g = lane >> 2, q = lane & 3, blocks_k = a.kp / 32;
    const W *w[MT][2];
    auto find = [&](int tile) {
        for (int m = 0; m < MT; m++) {
            int y[2] = {-1, -1};
            if (tile + m < a.n_tiles) rows_of_tile(a, tile + m, g, &y[0], &y[1]);
            for (int h = 0; h < 2; h++) w[m][h] = y[h] < 0 ? NULL : row_of_weights<W>(a, y[h]);
        }
    };
    frag now[U][MT], next[U][MT];
    auto load = [&](frag (&f)[U][MT], int from) {
        for (int u = 0; u < U; u++) {
            int kb = from + u * MATMUL_WARPS;
            for (int m = 0; m < MT; m++)
                for (int h = 0; h < 2; h++) {
                    if (w[m][h] && kb < blocks_k) f[u][m].load(h, w[m][h] + kb * 32 + q * 8);
                    else memset(&f[u][m].v[h], 0, sizeof f[u][m].v[h]);
                }
        }
    };
    find(tile0);
    load(now, warp);
    if (AHEAD && q == 0)
        for (int kb = warp + MATMUL_WARPS * U; kb < blocks_k && kb < MATMUL_WARPS * U * 4; kb += MATMUL_WARPS)
            for (int m = 0; m < MT; m++)
                for (int h = 0; h < 2; h++)
                    if (w[m][h]) prefetch_line(w[m][h] + kb * 32);
    if (!wait()) return;

    const uint16_t *x = a.planes;
    int64_t ldx = a.ld_planes, plane = ldx * a.rows;
    if (!x) {
        uint16_t *mine = (uint16_t *)shared;
        ldx = (a.kp + 63) / 64 * 64 + 32; /* rows 64 bytes apart modulo 128: no bank is asked twice */
        plane = ldx * a.rows;
        for (int n = warp; n < a.rows; n += MATMUL_WARPS) {
            int from = a.line ? a.line[n] : n;
            prologue_row<XP>(a.in + from * a.ld_in, a.k, a.kp, a.norm, mine + n * ldx, plane, NULL);
        }
        x = mine;
        __syncthreads();
    }

    float *sums = (float *)(shared + sums_at);
    for (int tile = tile0; tile < a.n_tiles; tile += step) {
        float c[MT][NT][4] = {};
        for (int kb = warp; kb < blocks_k; kb += MATMUL_WARPS * U) {
            load(next, kb + MATMUL_WARPS * U);
UNROLL
            for (int u = 0; u < U; u++) {
                int at = kb + u * MATMUL_WARPS;
                if (at >= blocks_k) break;
UNROLL
                for (int t = 0; t < NT; t++) {
                    int n = t * 8 + g;
                    uint4 b[XP];
                    for (int p = 0; p < XP; p++)
                        b[p] = n < a.rows ? load_shared_or_global(x + p * plane + n * ldx + at * 32 + q * 8) : make_uint4(0, 0, 0, 0);
UNROLL
                    for (int m = 0; m < MT; m++) {
UNROLL
                        for (int i = 0; i < WP; i++) {
                            uint4 r0 = now[u][m].plane(0, i), r1 = now[u][m].plane(1, i);
                            uint32_t low[4] = {r0.x, r1.x, r0.y, r1.y}, high[4] = {r0.z, r1.z, r0.w, r1.w};
UNROLL
                            for (int p = 0; p < XP; p++) {
                                if (WP == 3 && i + p > 2) continue; /* below 2^-24 of the product */
                                uint32_t b0[2] = {b[p].x, b[p].y}, b1[2] = {b[p].z, b[p].w};
                                mma_bf16(c[m][t], low, b0);
                                mma_bf16(c[m][t], high, b1);
                            }
                        }
                    }
                }
            }
            for (int u = 0; u < U; u++)
                for (int m = 0; m < MT; m++) now[u][m] = next[u][m];
        }
        if (AHEAD && tile + step < a.n_tiles) { /* the next tile's weights are on their way while this one's sums are added */
            find(tile + step);
            load(now, warp);
        }
        __syncthreads(); /* the planes are read, where their memory takes the sums, and so are the sums of the tile before */

        for (int m = 0; m < MT; m++)
            for (int t = 0; t < NT; t++)
                for (int i = 0; i < 4; i++) {
                    int row = m * 16 + g + (i >> 1) * 8, col = t * 8 + 2 * q + (i & 1);
                    sums[(warp * MT * 16 + row) * COLS + col] = c[m][t][i];
                }
        __syncthreads();
        for (int i = (int)threadIdx.x; i < MT * 8 * a.rows; i += MATMUL_WARPS * 32) {
            int n = i / (MT * 8), m = i / 8 % MT, r = i % 8, y0, y1;
            if (tile + m >= a.n_tiles) continue;
            rows_of_tile(a, tile + m, r, &y0, &y1);
            float v0 = 0, v1 = 0;
            for (int k = 0; k < MATMUL_WARPS; k++) {
                v0 += sums[(k * MT * 16 + m * 16 + r) * COLS + n];
                v1 += sums[(k * MT * 16 + m * 16 + r + 8) * COLS + n];
            }
            v0 += bias_of(a, y0);
            v1 += bias_of(a, y1);
            store_pair(a, tile + m, n, y0, y1, v0, v1);
        }
        if (!AHEAD) break;
    }
}

#endif
