/* cuda_decide.cu -- the draw of a step as a launch of its own: a row of logits to one id and its record (draw.cuh), a block a row.
 * Called by cuda_burst.cu. */
#include "kernels/cuda/draw.cuh"
#include "kernels/cuda/persist.cuh"

/* decide_kernel -- statistics, filters, draw, record, advance, for one row a block.
 *
 *   logits (rows, ld) f32, tiles (rows, n_tiles) in; changed (rows, ld) f32, changed_tiles scratch; row, state, seen in/out;
 *   tokens, tops out
 *
 * Numerics: the decision (filters and draw) by decide.h in double and fixed point: the CPU's bits.  The record's sums are of
 * float exponentials, added in double: within 1e-6.  A row with NaN or +inf, or of -inf alone: id -1 and which id it was.
 * Reads the tiles four times (facts, sums, bins, gather), 16 bytes for 64 of logits, then the logits of the tiles that may hold
 * one of the first M; with temperature, top_k M and 20 alternatives, in KB a token (counted; before: thirteen passes over the row):
 *
 *   V        tiles   M = 20   M = 200   before        one launch a step, as before; the head writes the tiles besides:
 *   50257       50      202       214     2613        50 and 128 KB a row
 *   128256     128      515       527     6669
 *
 * A draw from all of the row reads the tiles once or twice more and no logit that cannot win; a top_p that comes first sums
 * over the row, once, and so does what does not fit the list.  Reference: chain_draw.  Not measured on a chip yet. */
static __global__ void __launch_bounds__(DECIDE_THREADS, 1) decide_kernel(const decide_args a) {
    SHARED(work_space, w, 1);
    dependency_wait();
    dependency_launch();
    (void)draw_token(a, (int)blockIdx.x, w);
}

cudaError_t cuda_decide_prepare() { return load_kernel(decide_kernel); }

cudaError_t cuda_decide(cuda_backend *be, const decide_args *a, int32_t n_rows) {
    if (be->record) return persist_draw(be->record, a, n_rows);
    return LAUNCH(decide_kernel, dim3((unsigned)n_rows), dim3(DECIDE_THREADS), 0, be->stream, be->chained, *a);
}
