/* cuda_matmul.cu -- y = W norm(x) + b for up to 64 rows, with everything that stands before and after it in plan.h.
 *
 * Called phase by phase by cuda_backend.cu.  One kernel for every batch, dtype and store. */
#include "kernels/cuda/matmul.cuh"

/* matmul_kernel -- a product of few rows: prologue (norm), y = W x + b, epilogue (activation, gate, rotary positions and the
 * append to the cache, residual, logits' cap).
 *
 *   part[].w (rows of y, ld) W in     16 rows of y a tile, MT tiles a block; padded with zeros to multiples of 32
 *   in       (rows, ld_in) f32 in     or planes (X_PLANES, rows, ld_planes) bf16, made by prologue_kernel
 *   out      (rows, ld_out) f32 out   or the caches k, v (strips, kv_heads, tokens, hdp)
 *
 * A block owns MT tiles for all rows; warp w part w of the elements (cuda.cuh); lane (g, q) 16 bytes of rows g and g + 8 and of
 * column g (mma's fragments with k reordered alike on both sides).  Weights do not depend on the kernel before: the first of
 * them are asked for before waiting for it.
 * Numerics: planes as cuda.cuh says, f32 accumulators, the parts' sums added in rising order.  Bits do not depend on rows,
 * NT or MT.  NaN and infinities: never finite in the result where the reference's is not.
 * Reference: reference.c; tolerance 2e-5 (f32), 5e-5 (bf16, f16 weights).  Not measured on a chip yet. */
template <class W, int NT, int MT> __global__ void __launch_bounds__(MATMUL_WARPS * 32) matmul_kernel(const matmul_args a) {
    typedef weights<W> frag;
    enum { XP = frag::X_PLANES, WP = frag::PLANES, U = NT * MT >= 8 ? (frag::STEPS + 1) / 2 : frag::STEPS, COLS = NT * 8 };
    SHARED_DYN(unsigned char, shared);
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x & 31, g = lane >> 2, q = lane & 3;
    const int tile0 = (int)blockIdx.x * MT, from = part_begin(a.kp, warp), end = part_begin(a.kp, warp + 1);
    const W *w[MT][2];
    for (int m = 0; m < MT; m++) {
        int y[2] = {-1, -1};
        if (tile0 + m < a.n_tiles) rows_of_tile(a, tile0 + m, g, &y[0], &y[1]);
        for (int h = 0; h < 2; h++) w[m][h] = y[h] < 0 ? NULL : row_of_weights<W>(a, y[h]);
    }
    frag now[U][MT], next[U][MT];
    auto load = [&](frag (&f)[U][MT], int first) {
        for (int u = 0; u < U; u++) {
            int kb = first + u;
            for (int m = 0; m < MT; m++)
                for (int h = 0; h < 2; h++) {
                    if (w[m][h] && kb < end) f[u][m].load(h, w[m][h] + kb * 32 + q * 8);
                    else memset(&f[u][m].v[h], 0, sizeof f[u][m].v[h]);
                }
        }
    };
    load(now, from);
    dependency_wait();
    dependency_launch();

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

    float c[MT][NT][4] = {};
    for (int kb = from; kb < end; kb += U) {
        load(next, kb + U);
UNROLL
        for (int u = 0; u < U; u++) {
            int at = kb + u;
            if (at >= end) break;
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
    __syncthreads(); /* the planes are read: their memory takes the sums */

    float *sums = (float *)shared;
    for (int m = 0; m < MT; m++)
        for (int t = 0; t < NT; t++)
            for (int i = 0; i < 4; i++) {
                int row = m * 16 + g + (i >> 1) * 8, col = t * 8 + 2 * q + (i & 1);
                sums[(warp * MT * 16 + row) * COLS + col] = c[m][t][i];
            }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < MT * 8 * a.rows; i += MATMUL_WARPS * 32) {
        int n = i / (MT * 8), m = i / 8 % MT, r = i % 8, y0, y1;
        if (tile0 + m >= a.n_tiles) continue;
        rows_of_tile(a, tile0 + m, r, &y0, &y1);
        float v0 = 0, v1 = 0;
        for (int k = 0; k < MATMUL_WARPS; k++) {
            v0 += sums[(k * MT * 16 + m * 16 + r) * COLS + n];
            v1 += sums[(k * MT * 16 + m * 16 + r + 8) * COLS + n];
        }
        v0 += bias_of(a, y0);
        v1 += bias_of(a, y1);
        store_pair(a, tile0 + m, n, y0, y1, v0, v1);
    }
}

/* === The host's side ============================================================================================= */

template <class W, int NT, int MT> static cudaError_t launch(cuda_backend *be, const matmul_args *a) {
    size_t sums = (size_t)MATMUL_WARPS * MT * 16 * NT * 8 * sizeof(float), planes = 0;
    if (!a->planes) planes = (size_t)weights<W>::X_PLANES * (size_t)a->rows * ((size_t)round_up(a->kp, 64) + 32) * sizeof(uint16_t);
    return LAUNCH((matmul_kernel<W, NT, MT>), dim3((unsigned)((a->n_tiles + MT - 1) / MT)), dim3(MATMUL_WARPS * 32),
                  sums > planes ? sums : planes, be->stream, be->chained, *a);
}

template <class W> static cudaError_t launch_rows(cuda_backend *be, const matmul_args *a) {
    bool two = a->n_tiles >= 4 * be->multiprocessors; /* enough blocks are left: read the planes half as often */
    if (a->rows <= 8) return launch<W, 1, 1>(be, a);
    if (a->rows <= 16) return launch<W, 2, 1>(be, a);
    if (a->rows <= 32) return two ? launch<W, 4, 2>(be, a) : launch<W, 4, 1>(be, a);
    return two ? launch<W, 8, 2>(be, a) : launch<W, 8, 1>(be, a);
}

cudaError_t cuda_matmul(cuda_backend *be, glimpse_dtype dtype, const matmul_args *a) {
    switch (dtype) {
    case GLIMPSE_F32: return launch_rows<float>(be, a);
    case GLIMPSE_BF16: return launch_rows<__nv_bfloat16>(be, a);
    default: return launch_rows<__half>(be, a);
    }
}

template <class W> static cudaError_t prepare(int most) {
    cudaError_t e[] = {
        cudaFuncSetAttribute(matmul_kernel<W, 1, 1>, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
        cudaFuncSetAttribute(matmul_kernel<W, 2, 1>, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
        cudaFuncSetAttribute(matmul_kernel<W, 4, 1>, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
        cudaFuncSetAttribute(matmul_kernel<W, 4, 2>, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
        cudaFuncSetAttribute(matmul_kernel<W, 8, 1>, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
        cudaFuncSetAttribute(matmul_kernel<W, 8, 2>, cudaFuncAttributeMaxDynamicSharedMemorySize, most)};
    for (size_t i = 0; i < sizeof e / sizeof *e; i++)
        if (e[i] != cudaSuccess) return e[i];
    return cudaSuccess;
}

cudaError_t cuda_matmul_prepare(cuda_backend *be) {
    int most = MATMUL_WARPS * 2 * 16 * 64 * (int)sizeof(float);
    if (most < PROLOGUE_SHARED) most = PROLOGUE_SHARED;
    (void)be;
    cudaError_t e = prepare<float>(most);
    if (e == cudaSuccess) e = prepare<__nv_bfloat16>(most);
    if (e == cudaSuccess) e = prepare<__half>(most);
    return e;
}
