/* matmul.cuh -- what the kernels of a product share: fragments of weights, which rows of y a tile is, what becomes of a finished
 * value (plan.h's epilogues), and a product of few rows as a whole, which is cuda_matmul.cu's kernel and a phase of
 * cuda_persist.cu's.  Device code alone; included by these and cuda_many.cu. */
#ifndef GLIMPSE_KERNELS_CUDA_MATMUL_CUH
#define GLIMPSE_KERNELS_CUDA_MATMUL_CUH

#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/tiles.cuh"

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

/* What the end of a pair of y reads besides its sums.  Asked for before the product is made: in the order in which it is needed
 * each of these would be a way to L2 and back. */
typedef struct pair_ahead {
    float bias[2];
    float x[2];             /* STORE_ADD: what is added to; STORE_QKV: cosine and sine of a rotary pair */
    int32_t strip, pos;     /* STORE_QKV: strip -1: the row is not active */
} pair_ahead;

static __device__ __forceinline__ bool is_rotary(const matmul_args &a, int tile, int y0) {
    int t = a.tiles_a_head ? tile % a.tiles_a_head : 0;
    return a.rope_tiles && tile < (a.heads + a.cache.kv_heads) * a.tiles_a_head && t < a.rope_tiles && y0 >= 0;
}

static __device__ __forceinline__ pair_ahead ask_ahead(const matmul_args &a, int tile, int n, bool mine, int y0, int y1) {
    pair_ahead p = {{0, 0}, {0, 0}, -1, 0};
    if (!mine) return p;
    if (a.store == STORE_QKV) {
        const device_row &r = a.row[n];
        p.strip = r.active ? r.strip : -1;
        p.pos = r.pos;
        if (is_rotary(a, tile, y0)) {
            int i = y0 % a.cache.hd;
            float2 angle = angle_of(a.rope, r, a.rope.interleaved ? i / 2 : i);
            p.x[0] = angle.x, p.x[1] = angle.y;
        }
    } else if (a.store == STORE_ADD) {
        const float *old = a.out + (int64_t)n * a.ld_out;
        if (y0 >= 0) p.x[0] = old[y0];
        if (y1 >= 0) p.x[1] = old[y1];
    }
    p.bias[0] = bias_of(a, y0);
    p.bias[1] = bias_of(a, y1);
    return p;
}

/* One finished value of y, or the pair (rows that belong together). */
static __device__ __forceinline__ void store_one(const matmul_args &a, int n, int y, float v, float old) {
    if (y < 0) return;
    a.out[(int64_t)n * a.ld_out + y] = a.store == STORE_ADD ? old + v : v;
}

static __device__ __forceinline__ void store_qkv(const matmul_args &a, int n, int y, float v, const pair_ahead &p) {
    if (y < 0) return;
    const device_cache &c = a.cache;
    int queries = a.heads * c.hd, keys = c.kv_heads * c.hd;
    if (y < queries) {
        a.out[(int64_t)n * a.ld_out + y] = v;
        return;
    }
    bool key = y < queries + keys;
    int i = y - queries - (key ? 0 : keys);
    cache_put(c, key ? c.k : c.v, cache_at(c, p.strip, i / c.hd, p.pos) + i % c.hd, v);
}

static __device__ __forceinline__ void store_pair(const matmul_args &a, int tile, int n, int y0, int y1, float v0, float v1, const pair_ahead &p) {
    if (a.store == STORE_GATED) {
        store_one(a, n, y0, v0, 0);
    } else if (a.store == STORE_QKV) {
        if (p.strip < 0) return;
        if (is_rotary(a, tile, y0)) {
            float x0 = v0, x1 = v1;
            v0 = x0 * p.x[0] - x1 * p.x[1];
            v1 = x1 * p.x[0] + x0 * p.x[1];
        }
        store_qkv(a, n, y0, v0, p);
        store_qkv(a, n, y1, v1, p);
    } else {
        store_one(a, n, y0, v0, p.x[0]);
        store_one(a, n, y1, v1, p.x[1]);
    }
}

/* The pair as planes, by all lanes of a warp: of the two columns that two neighbours have in each half of a tile, the even lane writes
 * those of the first half, the odd one those of the second (with a gate there is none), so that eight lanes write 32 bytes in a row of a
 * plane.  A column that is none is a zero: behind the end of a row. */
template <int STRIDE>
static __device__ __forceinline__ void split_pair(const matmul_args &a, int tile, int n, bool mine, int y0, int y1, float v0, float v1) {
    const int r = (int)threadIdx.x / STRIDE & 7, odd = r & 1;
    const bool gated = a.store == STORE_GATED;
    if (y0 < 0) v0 = 0;
    if (y1 < 0) v1 = 0;
    const float other = shuffle_xor(odd ? v0 : v1, STRIDE);
    const float two[2] = {odd ? other : v0, odd ? v1 : other};
    if (mine && !(gated && odd)) put_planes(a.split, n, gated ? tile * 8 + r : tile * 16 + r + 7 * odd, two);
}

/* The end of a pair of y, by all lanes of a warp (mine: whether there is one): bias, the logits' cap, the activation, the store, and of
 * logits what is known of their tile, whose rows r and r + 8 are with the 8 lanes that are STRIDE apart. */
template <int STRIDE>
static __device__ __forceinline__ void finish_pair(const matmul_args &a, int tile, int n, bool mine, int y0, int y1, float v0, float v1,
                                                   const pair_ahead &p) {
    if (mine) {
        v0 += p.bias[0];
        v1 += p.bias[1];
        if (a.head) v0 = softened(v0, a.softcap), v1 = softened(v1, a.softcap);
        if (a.store == STORE_GATED) v0 = activated(a.activation, v0) * v1;
        else if (a.activate) v0 = activated(a.activation, v0), v1 = activated(a.activation, v1);
        if (!a.split.to) store_pair(a, tile, n, y0, y1, v0, v1, p);
    }
    if (a.split.to) split_pair<STRIDE>(a, tile, n, mine, y0, y1, v0, v1);
    if (a.tiles)
        tile_write<STRIDE>(mine ? a.tiles + (int64_t)n * a.n_tiles + tile : NULL, mine && y0 >= 0, v0, mine && y1 >= 0, v1,
                           mine ? a.row[a.line[n]].inv_t : 1.0f);
}

/* The sum of a dot product's parts, `stride` apart: (p0 + p1 + p2 + p3) + (p4 + p5 + p6 + p7), each from the left. */
static __device__ __forceinline__ float sum_of_parts(const float *p, int stride) {
    float low = p[0], high = p[4 * stride];
    for (int i = 1; i < 4; i++) low += p[i * stride], high += p[(4 + i) * stride];
    return low + high;
}

/* c[t] += W x for one block of 32 elements and eight columns a t: the one order of products within a block.  x(p, n): the 16
 * bytes of plane p of column n that belong to this lane. */
template <class W, int NT, class X> static __device__ __forceinline__ void multiply_block(float (&c)[NT][4], const weights<W> &f, X x) {
    enum { XP = weights<W>::X_PLANES, WP = weights<W>::PLANES };
    const int g = ((int)threadIdx.x & 31) >> 2;
UNROLL
    for (int t = 0; t < NT; t++) {
        uint4 b[XP];
        for (int p = 0; p < XP; p++) b[p] = x(p, t * 8 + g);
UNROLL
        for (int i = 0; i < WP; i++) {
            uint4 r0 = f.plane(0, i), r1 = f.plane(1, i);
            uint32_t low[4] = {r0.x, r1.x, r0.y, r1.y}, high[4] = {r0.z, r1.z, r0.w, r1.w};
UNROLL
            for (int p = 0; p < XP; p++) {
                if (WP == 3 && i + p > 2) continue; /* below 2^-24 of the product */
                uint32_t b0[2] = {b[p].x, b[p].y}, b1[2] = {b[p].z, b[p].w};
                mma_bf16(c[t], low, b0);
                mma_bf16(c[t], high, b1);
            }
        }
    }
}

/* Tiles tile0, tile0 + step, ... of a product of few rows (cuda_matmul.cu says how it is cut), or tile0 alone where the block
 * does not stay.  wait(): what was asked for before it does not depend on the phase ahead, what follows does; false = leave.  The
 * sums lie sums_at bytes behind the planes' beginning: at 0 they take the planes' memory, so then there may be one tile.
 * Of the first tile what does not fit into registers is asked into L2 before wait, and what the norm and the bias read. */
template <class W, int NT, bool STAYS, class Wait>
static __device__ __forceinline__ void matmul_tiles(const matmul_args &a, int tile0, int step, int sums_at, Wait wait) {
    typedef weights<W> frag;
    enum { XP = frag::X_PLANES, U = frag::STEPS, COLS = NT * 8 };
    SHARED_DYN(unsigned char, shared);
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x & 31, g = lane >> 2, q = lane & 3;
    const int from = part_begin(a.kp, warp), end = part_begin(a.kp, warp + 1);
    const W *w[2];
    auto find = [&](int tile) {
        int y[2];
        rows_of_tile(a, tile, g, &y[0], &y[1]);
        for (int h = 0; h < 2; h++) w[h] = y[h] < 0 ? NULL : row_of_weights<W>(a, y[h]);
    };
    frag now[U], next[U];
    auto load = [&](frag (&f)[U], int first) {
        for (int u = 0; u < U; u++)
            for (int h = 0; h < 2; h++) {
                int kb = first + u;
                if (w[h] && kb < end) f[u].load(h, w[h] + kb * 32 + q * 8);
                else memset(&f[u].v[h], 0, sizeof f[u].v[h]);
            }
    };
    find(tile0);
    load(now, from);
    if (q == 0)
        for (int kb = from + U; kb < end && kb < from + 4 * U; kb++)
            for (int h = 0; h < 2; h++)
                if (w[h]) prefetch_line(w[h] + kb * 32);
    if (!a.planes) prefetch_norm(a.norm, a.k);
    if (a.bias && threadIdx.x < 16) {
        int y[2];
        rows_of_tile(a, tile0, (int)threadIdx.x % 8, &y[0], &y[1]);
        int its = threadIdx.x < 8 ? y[0] : y[1];
        if (its >= 0) prefetch_line(a.bias + (a.grouped ? grouped_row(its, a.heads, a.cache.kv_heads, a.cache.hd) : its));
    }
    if (!wait()) return;

    const uint16_t *x = a.planes;
    int64_t ldx = a.ld_planes, plane = ldx * a.rows;
    if (!x) {
        uint16_t *mine = (uint16_t *)shared;
        ldx = (a.kp + 63) / 64 * 64 + 32; /* rows 64 bytes apart modulo 128: no bank is asked twice */
        plane = ldx * a.rows;
        const int warps_a_row = a.rows <= 1 ? 8 : a.rows <= 2 ? 4 : a.rows <= 4 ? 2 : 1; /* no warp idles */
        for (int n = warp / warps_a_row; n < a.rows; n += MATMUL_WARPS / warps_a_row) {
            int line = a.line ? a.line[n] : n;
            prologue_row<XP>(a.in + line * a.ld_in, a.k, a.kp, a.norm, mine + n * ldx, plane, NULL, warp % warps_a_row, warps_a_row);
        }
        x = mine;
        __syncthreads();
    }

    float *sums = (float *)(shared + sums_at); /* (parts, 16, COLS) */
    const int n = (int)threadIdx.x / 8, r = (int)threadIdx.x % 8; /* the pair that this thread ends */
    const bool mine = n < a.rows;
    for (int tile = tile0; tile < a.n_tiles; tile += step) {
        float c[NT][4] = {};
        int y0 = -1, y1 = -1;
        if (mine) rows_of_tile(a, tile, r, &y0, &y1);
        const pair_ahead ahead = ask_ahead(a, tile, n, mine, y0, y1);
        for (int kb = from; kb < end; kb += U) {
            load(next, kb + U);
UNROLL
            for (int u = 0; u < U; u++) {
                if (kb + u >= end) break;
                multiply_block<W, NT>(c, now[u], [&](int p, int n) {
                    return n < a.rows ? load_shared_or_global(x + p * plane + n * ldx + (kb + u) * 32 + q * 8) : make_uint4(0, 0, 0, 0);
                });
            }
            for (int u = 0; u < U; u++) now[u] = next[u];
        }
        if (STAYS && tile + step < a.n_tiles) { /* the next tile's weights are on their way while this one's sums are added */
            find(tile + step);
            load(now, from);
        }
        __syncthreads(); /* the planes are read, if their memory takes the sums, and the sums of the tile before */

        for (int t = 0; t < NT; t++)
            for (int i = 0; i < 4; i++) sums[(warp * 16 + g + (i >> 1) * 8) * COLS + t * 8 + 2 * q + (i & 1)] = c[t][i];
        __syncthreads();
        if (threadIdx.x / 32 < (unsigned)(8 * a.rows + 31) / 32) { /* whole warps */
            float v0 = 0, v1 = 0;
            if (mine) {
                v0 = sum_of_parts(sums + r * COLS + n, 16 * COLS);
                v1 = sum_of_parts(sums + (r + 8) * COLS + n, 16 * COLS);
            }
            finish_pair<1>(a, tile, n, mine, y0, y1, v0, v1, ahead);
        }
        if (!STAYS) break;
    }
}

#endif
