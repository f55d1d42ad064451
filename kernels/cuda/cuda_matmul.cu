/* cuda_matmul.cu -- y = W norm(x) + b for up to 16 rows, with everything that stands before and after it in plan.h.
 *
 * Called phase by phase by cuda_backend.cu.  One kernel for every dtype and store; more rows go to cuda_many.cu. */
#include "kernels/cuda/matmul.cuh"

/* matmul_kernel -- a product of few rows: prologue (norm), y = W x + b, epilogue (activation, gate, rotary positions and the
 * append to the cache, residual, logits' cap).
 *
 *   part[].w (rows of y, ld) W in     16 rows of y a tile; padded with zeros to multiples of 32
 *   in       (rows, ld_in) f32 in     or planes (X_PLANES, rows, ld_planes) bf16, made by prologue_kernel
 *   out      (rows, ld_out) f32 out   or the caches k, v (strips, kv_heads, tokens, hdp)
 *
 * A block owns a tile for all rows; warp w part w of the elements (cuda.cuh); lane (g, q) 16 bytes of rows g and g + 8 and of
 * column g (mma's fragments with k reordered alike on both sides).  Weights do not depend on the kernel before: the first of
 * them are asked for before waiting for it.
 * Numerics: planes as cuda.cuh says, f32 accumulators, the parts' sums added as sum_of_parts says.  Bits do not depend on
 * rows or NT.  NaN and infinities: never finite in the result where the reference's is not.
 * Reference: reference.c; tolerance 2e-5 (f32), 5e-5 (bf16, f16 weights).  Not measured on a chip yet. */
template <class W, int NT> __global__ void __launch_bounds__(MATMUL_WARPS * 32) matmul_kernel(const matmul_args a) {
    typedef weights<W> frag;
    enum { XP = frag::X_PLANES, U = frag::STEPS, COLS = NT * 8 };
    SHARED_DYN(unsigned char, shared);
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x & 31, g = lane >> 2, q = lane & 3;
    const int tile = (int)blockIdx.x, from = part_begin(a.kp, warp), end = part_begin(a.kp, warp + 1);
    int y[2];
    const W *w[2];
    rows_of_tile(a, tile, g, &y[0], &y[1]);
    for (int h = 0; h < 2; h++) w[h] = y[h] < 0 ? NULL : row_of_weights<W>(a, y[h]);
    frag now[U], next[U];
    auto load = [&](frag (&f)[U], int first) {
        for (int u = 0; u < U; u++)
            for (int h = 0; h < 2; h++) {
                int kb = first + u;
                if (w[h] && kb < end) f[u].load(h, w[h] + kb * 32 + q * 8);
                else memset(&f[u].v[h], 0, sizeof f[u].v[h]);
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

    float c[NT][4] = {};
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
    __syncthreads(); /* the planes are read: their memory takes the sums */

    float *sums = (float *)shared; /* (parts, 16, COLS) */
    for (int t = 0; t < NT; t++)
        for (int i = 0; i < 4; i++) sums[(warp * 16 + g + (i >> 1) * 8) * COLS + t * 8 + 2 * q + (i & 1)] = c[t][i];
    __syncthreads();
    for (int i = (int)threadIdx.x; i < (8 * a.rows + 31) / 32 * 32; i += MATMUL_WARPS * 32) { /* whole warps */
        int n = i / 8, r = i % 8, y0 = -1, y1 = -1;
        float v0 = 0, v1 = 0;
        if (n < a.rows) {
            rows_of_tile(a, tile, r, &y0, &y1);
            v0 = sum_of_parts(sums + r * COLS + n, 16 * COLS);
            v1 = sum_of_parts(sums + (r + 8) * COLS + n, 16 * COLS);
        }
        finish_pair<1>(a, tile, n, n < a.rows, y0, y1, v0, v1);
    }
}

/* === The host's side ============================================================================================= */

template <class W, int NT> static cudaError_t launch(cuda_backend *be, const matmul_args *a) {
    size_t sums = (size_t)MATMUL_WARPS * 16 * NT * 8 * sizeof(float), planes = 0;
    if (!a->planes) planes = (size_t)weights<W>::X_PLANES * (size_t)a->rows * ((size_t)round_up(a->kp, 64) + 32) * sizeof(uint16_t);
    return LAUNCH((matmul_kernel<W, NT>), dim3((unsigned)a->n_tiles), dim3(MATMUL_WARPS * 32), sums > planes ? sums : planes, be->stream,
                  be->chained, *a);
}

template <class W> static cudaError_t launch_rows(cuda_backend *be, const matmul_args *a) {
    return a->rows <= 8 ? launch<W, 1>(be, a) : launch<W, 2>(be, a);
}

cudaError_t cuda_matmul(cuda_backend *be, glimpse_dtype dtype, const matmul_args *a) {
    switch (dtype) {
    case GLIMPSE_F32: return launch_rows<float>(be, a);
    case GLIMPSE_BF16: return launch_rows<__nv_bfloat16>(be, a);
    default: return launch_rows<__half>(be, a);
    }
}

cudaError_t cuda_matmul_prepare(cuda_backend *be) {
    (void)be;
    cudaError_t e[] = {
        cudaFuncSetAttribute(matmul_kernel<float, 1>, cudaFuncAttributeMaxDynamicSharedMemorySize, PROLOGUE_SHARED),
        cudaFuncSetAttribute(matmul_kernel<float, 2>, cudaFuncAttributeMaxDynamicSharedMemorySize, PROLOGUE_SHARED),
        cudaFuncSetAttribute(matmul_kernel<__nv_bfloat16, 1>, cudaFuncAttributeMaxDynamicSharedMemorySize, PROLOGUE_SHARED),
        cudaFuncSetAttribute(matmul_kernel<__nv_bfloat16, 2>, cudaFuncAttributeMaxDynamicSharedMemorySize, PROLOGUE_SHARED),
        cudaFuncSetAttribute(matmul_kernel<__half, 1>, cudaFuncAttributeMaxDynamicSharedMemorySize, PROLOGUE_SHARED),
        cudaFuncSetAttribute(matmul_kernel<__half, 2>, cudaFuncAttributeMaxDynamicSharedMemorySize, PROLOGUE_SHARED)};
    for (size_t i = 0; i < sizeof e / sizeof *e; i++)
        if (e[i] != cudaSuccess) return e[i];
    return cudaSuccess;
}
