/* cuda_matmul.cu -- y = W norm(x) + b for up to 16 rows, with everything that stands before and after it in plan.h.
 *
 * Called phase by phase by cuda_backend.cu.  One kernel for every dtype and store; more rows go to cuda_many.cu. */
#include "kernels/cuda/matmul.cuh"
#include "kernels/cuda/persist.cuh"

/* matmul_kernel -- a product of few rows: prologue (norm), y = W x + b, epilogue (activation, gate, rotary positions and the
 * append to the cache, residual, logits' cap).
 *
 *   part[].w (rows of y, ld) W in     16 rows of y a tile; padded with zeros to multiples of 32
 *   in       (rows, ld_in) f32 in     or planes (X_PLANES, rows, ld_planes) bf16, made by prologue_kernel or what writes the rows
 *   out      (rows, ld_out) f32 out   or planes for the next product (split), or the caches k, v (strips, kv_heads, tokens, hdp)
 *
 * A block owns a tile for all rows; warp w part w of the elements (cuda.cuh); lane (g, q) 16 bytes of rows g and g + 8 and of
 * column g (mma's fragments with k reordered alike on both sides).  Weights do not depend on the kernel before: the first of
 * them are asked for before waiting for it.
 * Numerics: planes as cuda.cuh says, f32 accumulators, the parts' sums added as sum_of_parts says.  Bits do not depend on
 * rows or NT.  NaN and infinities: never finite in the result where the reference's is not.
 * Bytes on their way (counted in the machine code for sm_90, not measured; about 29 KB a multiprocessor keep 4.8 TB/s busy): eight loads
 * of 16 bytes a lane before the wait, 32 KB a block, 24 KB where k = 768 and that is all of a tile; two blocks at 114 to 128 registers.
 * Reference: reference.c; tolerance 2e-5 (f32), 5e-5 (bf16, f16 weights).  Not measured on a chip yet. */
template <class W, int NT> __global__ void __launch_bounds__(MATMUL_WARPS * 32, 2) matmul_kernel(const matmul_args a) {
    matmul_tiles<W, NT, false>(a, (int)blockIdx.x, 0, 0, [] {
        dependency_wait();
        dependency_launch();
        return true;
    });
}

/* === The host's side ============================================================================================= */

template <class W, int NT> static cudaError_t launch(cuda_backend *be, const matmul_args *a) {
    size_t sums = (size_t)MATMUL_WARPS * 16 * NT * 8 * sizeof(float), planes = 0;
    if (!a->planes) planes = planes_bytes(weights<W>::X_PLANES, a);
    return LAUNCH((matmul_kernel<W, NT>), dim3((unsigned)a->n_tiles), dim3(MATMUL_WARPS * 32), sums > planes ? sums : planes, be->stream,
                  be->chained, *a);
}

template <class W> static cudaError_t launch_rows(cuda_backend *be, const matmul_args *a) {
    return a->rows <= 8 ? launch<W, 1>(be, a) : launch<W, 2>(be, a);
}

cudaError_t cuda_matmul(cuda_backend *be, glimpse_dtype dtype, const matmul_args *a) {
    if (be->record) return persist_matmul(be->record, dtype, a);
    switch (dtype) {
    case GLIMPSE_F32: return launch_rows<float>(be, a);
    case GLIMPSE_BF16: return launch_rows<__nv_bfloat16>(be, a);
    default: return launch_rows<__half>(be, a);
    }
}

cudaError_t cuda_matmul_prepare(cuda_backend *be) {
    (void)be;
    cudaError_t e[] = {load_kernel(matmul_kernel<float, 1>, PROLOGUE_SHARED), load_kernel(matmul_kernel<float, 2>, PROLOGUE_SHARED),
                       load_kernel(matmul_kernel<__nv_bfloat16, 1>, PROLOGUE_SHARED), load_kernel(matmul_kernel<__nv_bfloat16, 2>, PROLOGUE_SHARED),
                       load_kernel(matmul_kernel<__half, 1>, PROLOGUE_SHARED), load_kernel(matmul_kernel<__half, 2>, PROLOGUE_SHARED)};
    for (size_t i = 0; i < sizeof e / sizeof *e; i++)
        if (e[i] != cudaSuccess) return e[i];
    return cudaSuccess;
}
