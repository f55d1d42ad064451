/* cuda_rows.cu -- what goes row by row: the embedding, the prologue and the end of products that do not have their own
 * (norms over a head or over all of y, prompts through cuBLAS), and the re-laying of weights.
 * Called by cuda_backend.cu and cuda_weights.cu. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/persist.cuh"

/* embed_kernel -- out = embedding[id] * scale + positions[pos].
 *   embedding (V, ld), positions (T, ld) W in; out (rows, ld_out) f32 out; a block owns a row.
 * Numerics: one product and one sum in f32.  Reference: reference.c, 1e-6.  Not measured on a chip yet. */
static __global__ void __launch_bounds__(ROW_THREADS) embed_kernel(const embed_args a) {
    dependency_wait();
    dependency_launch();
    embed_row(a, (int)blockIdx.x);
}

cudaError_t cuda_embed(cuda_backend *be, const cuda_phase *ph, const row_run *run) {
    const phase *p = ph->p;
    embed_args a;
    memset(&a, 0, sizeof a);
    const resident *e = &be->matrices[ph->part[0]];
    a.embedding = e->data;
    a.ld = e->ld;
    a.dtype = e->from.dtype;
    if (p->positions.data) {
        const resident *t = &be->matrices[ph->part[1]];
        a.positions = t->data;
        a.ld_positions = t->ld;
        a.positions_dtype = t->from.dtype;
    }
    a.width = be->p->width[p->out];
    a.scale = p->embed_scale;
    a.row = be->rows + run->first;
    a.out = be->buf[p->out] + run->first * be->ld[p->out];
    a.ld_out = be->ld[p->out];
    if (be->record) return persist_embed(be->record, &a, run->n);
    return LAUNCH(embed_kernel, dim3((unsigned)run->n), dim3(ROW_THREADS), 0, be->stream, be->chained, a);
}

/* cosines_kernel -- the cosine of two rows of the embedding, for each pair of ids; 0 where a row is all zero.
 *   embedding (V, ld) W in; pairs (n, 2) in; out (n) f32 out; a warp owns a pair.
 * Numerics: products and sums in double, by lane and then a tree.  Reference: sampling/embedding.c, 1e-6.  Once a burst, or
 * once a step that asks the host; not measured on a chip yet. */
static __global__ void __launch_bounds__(128) cosines_kernel(const void *embedding, int64_t ld, int dtype, int width,
                                                             const int32_t *pairs, int n, float *out) {
    dependency_wait();
    const int at = (int)(blockIdx.x * 4 + (threadIdx.x >> 5)), lane = (int)(threadIdx.x & 31);
    if (at >= n) return;
    const int64_t a = pairs[2 * at] * ld, b = pairs[2 * at + 1] * ld;
    double aa = 0, bb = 0, ab = 0;
    for (int i = lane; i < width; i += 32) {
        double x = (double)element_of(embedding, dtype, a + i), y = (double)element_of(embedding, dtype, b + i);
        aa = fma(x, x, aa);
        bb = fma(y, y, bb);
        ab = fma(x, y, ab);
    }
    aa = warp_sum(aa);
    bb = warp_sum(bb);
    ab = warp_sum(ab);
    if (lane == 0) out[at] = aa > 0 && bb > 0 ? (float)(ab / sqrt(aa * bb)) : 0.0f;
}

cudaError_t cuda_cosines(cuda_backend *be, const cuda_phase *embed, int32_t n) {
    const resident *e = &be->matrices[embed->part[0]];
    return LAUNCH(cosines_kernel, dim3((unsigned)((n + 3) / 4)), dim3(128), 0, be->stream, false, e->data, e->ld, (int)e->from.dtype,
                  (int)e->from.cols, (const int32_t *)be->pairs, (int)n, be->cosines);
}

/* prologue_kernel -- rows normalised and split into planes of bf16, or kept f32 for cuBLAS.
 *   in (rows, ld_in) f32 in; to (PLANES, rows, ld) bf16 out, or plain (rows, ld) f32 out; a block of eight warps owns a row.
 * Numerics: the same function as the product's own prologue, so the same bits.  Not measured on a chip yet. */
template <int PLANES> static __global__ void __launch_bounds__(ROW_THREADS) prologue_kernel(const prologue_args a) {
    prefetch_norm(a.norm, a.k);
    dependency_wait();
    dependency_launch();
    prologue_of<PLANES>(a, (int)blockIdx.x);
}

cudaError_t cuda_prologue(cuda_backend *be, const matmul_args *m, int32_t planes, uint16_t *to, float *plain) {
    dim3 grid((unsigned)m->rows);
    prologue_args a;
    memset(&a, 0, sizeof a);
    a.in = m->in;
    a.line = m->line;
    a.ld_in = m->ld_in;
    a.ld = be->ld_planes;
    a.k = m->k;
    a.kp = m->kp;
    a.rows = m->rows;
    a.norm = m->norm;
    a.to = to;
    a.plain = plain;
    if (be->record) return persist_prologue(be->record, &a, planes);
    if (planes == 2) return LAUNCH(prologue_kernel<2>, grid, dim3(ROW_THREADS), 0, be->stream, be->chained, a);
    return LAUNCH(prologue_kernel<3>, grid, dim3(ROW_THREADS), 0, be->stream, be->chained, a);
}

/* finish_kernel -- what follows a product whose epilogue needs a whole head or a whole row: bias, activation, the norm
 * after, and every store of plan.h.
 *   y (rows, ld_y) f32 in (overwritten); out (rows, ld_out) f32 in/out, or the caches; a block of 256 owns a row, in
 *   STORE_QKV a warp a head.
 * Numerics: f32, sums by lane and then a fixed tree.  Reference: reference.c, 5e-5.  Not measured on a chip yet. */
static __global__ void __launch_bounds__(ROW_THREADS) finish_kernel(const finish_args a) {
    dependency_wait();
    dependency_launch();
    finish_row(a, (int)blockIdx.x);
}

cudaError_t cuda_finish(cuda_backend *be, const cuda_phase *ph, const row_run *run, const float *low) {
    finish_args a;
    memset(&a, 0, sizeof a);
    const phase *p = ph->p;
    a.y = be->y;
    a.low = low;
    a.bias = run->big ? ph->bias : NULL;
    a.ld_y = be->ld_y;
    a.n_y = ph->n_y;
    a.store = p->store;
    a.activate = p->activate;
    a.activation = p->activation;
    a.heads = p->heads;
    a.grouped = run->big && p->store == STORE_QKV && p->grouped;
    a.post = ph->post;
    a.q_norm = ph->q_norm;
    a.k_norm = ph->k_norm;
    a.rope = ph->rope;
    a.cache = ph->cache;
    a.row = be->rows + run->first;
    a.out = be->buf[p->out] + run->first * be->ld[p->out];
    a.ld_out = be->ld[p->out];
    if (be->record) return persist_finish(be->record, &a, run->n);
    return LAUNCH(finish_kernel, dim3((unsigned)run->n), dim3(ROW_THREADS), 0, be->stream, be->chained, a);
}

cudaError_t cuda_rows_prepare() {
    cudaError_t e[] = {load_kernel(embed_kernel), load_kernel(prologue_kernel<2>), load_kernel(prologue_kernel<3>), load_kernel(finish_kernel)};
    for (size_t i = 0; i < sizeof e / sizeof *e; i++)
        if (e[i] != cudaSuccess) return e[i];
    return cudaSuccess;
}

/* relay_kernel -- a matrix of any strides to row-major rows of `ld` elements: columns [0, width), zeros from `cols` on.
 *   from (rows, cols) W in; to (rows, ld) W out; a thread an element, 32 x 32 a block.
 * Numerics: bits are copied.  Once an eval; not measured on a chip yet. */
template <class T>
static __global__ void __launch_bounds__(256) relay_kernel(const T *from, int64_t rows, int64_t cols, int64_t row_stride,
                                                           int64_t col_stride, T *to, int64_t ld, int64_t width) {
    SHARED(T, tile, 32 * 33);
    dependency_wait();
    int64_t row0 = (int64_t)blockIdx.y * 32, col0 = (int64_t)blockIdx.x * 32;
    int x = (int)threadIdx.x & 31, y0 = (int)threadIdx.x / 32;
    bool by_rows = col_stride <= row_stride; /* neighbours in memory to neighbouring threads */
    for (int y = y0; y < 32; y += 8) {
        int64_t row = row0 + (by_rows ? y : x), col = col0 + (by_rows ? x : y);
        T v = 0;
        if (row < rows && col < cols) v = from[row * row_stride + col * col_stride];
        tile[(by_rows ? y : x) * 33 + (by_rows ? x : y)] = v;
    }
    __syncthreads();
    for (int y = y0; y < 32; y += 8)
        if (row0 + y < rows && col0 + x < width) to[(row0 + y) * ld + col0 + x] = tile[y * 33 + x];
}

cudaError_t cuda_relay(cuda_backend *be, const void *from, size_t size, int64_t rows, int64_t cols, int64_t row_stride,
                       int64_t col_stride, void *to, int64_t ld, int64_t width) {
    enum { MOST = 32768 }; /* blocks along y */
    for (int64_t at = 0; at < rows; at += (int64_t)MOST * 32) {
        int64_t n = rows - at < (int64_t)MOST * 32 ? rows - at : (int64_t)MOST * 32;
        dim3 grid((unsigned)((width + 31) / 32), (unsigned)((n + 31) / 32));
        cudaError_t e;
        if (size == 4)
            e = LAUNCH(relay_kernel<uint32_t>, grid, dim3(256), 0, be->stream, false, (const uint32_t *)from + at * row_stride, n,
                       cols, row_stride, col_stride, (uint32_t *)to + at * ld, ld, width);
        else
            e = LAUNCH(relay_kernel<uint16_t>, grid, dim3(256), 0, be->stream, false, (const uint16_t *)from + at * row_stride, n,
                       cols, row_stride, col_stride, (uint16_t *)to + at * ld, ld, width);
        if (e != cudaSuccess) return e;
    }
    return cudaSuccess;
}

/* floats_kernel -- a vector as f32, `add` added (the 1 of plus_one).  from (n) W in; to (n) f32 out; a thread an element. */
static __global__ void __launch_bounds__(256) floats_kernel(const void *from, int dtype, int64_t n, float add, float *to) {
    dependency_wait();
    int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x;
    if (i < n) to[i] = element_of(from, dtype, i) + add;
}

cudaError_t cuda_floats(cuda_backend *be, const void *from, glimpse_dtype dtype, int64_t n, float add, float *to) {
    return LAUNCH(floats_kernel, dim3((unsigned)((n + 255) / 256)), dim3(256), 0, be->stream, false, from, (int)dtype, n, add, to);
}
