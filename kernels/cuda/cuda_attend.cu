/* cuda_attend.cu -- attention over the cache: a prefix that several sequences share is read once for eight queries, every
 * segment in chunks of 64 positions, and the last block to finish a (row, head) adds its chunks.
 * Called by cuda_backend.cu. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/persist.cuh"

/* attend_kernel -- softmax(cap(scale q k)) v over one chunk of one segment, for up to eight (row, head) pairs.
 *
 *   in (rows, heads hd) f32 in    k, v (strips, kv_heads, tokens, hdp) bf16 or f32 in    out (rows, heads hd) f32 out, or planes
 *   partial (rows, heads, slots, hdp + 2) f32 scratch
 *
 * Block (chunk, kv head x part of its heads, item): its keys and values in shared memory by 16-byte asynchronous copies.
 * Scores: a thread one position, every other query, keys in pieces of 16 bytes; sums: a thread two dimensions of a query.
 * Bytes on their way (counted for sm_90, not measured): all of a block's chunk, 16 KB with 64 numbers a head in bf16; up to eight blocks a
 * multiprocessor by their registers and their 22 KB of shared memory.  One sample of 256 positions and 12 heads is 48 blocks.
 * Numerics: f32; a score of NaN makes the row NaN, all of -inf as well (0 / 0), as the reference.  Bits depend on the
 * segments and their positions alone.  Reference: reference.c, 2e-5 (f32 cache), 1e-2 (bf16 cache).
 * Not measured on a chip yet. */
template <class C> static __global__ void __launch_bounds__(ATTEND_THREADS, 8) attend_kernel(const attend_args a) {
    dependency_wait();
    dependency_launch();
    attend_chunk<C, ATTEND_THREADS>(a, (int)blockIdx.x, (int)blockIdx.y, (int)blockIdx.z);
}

static size_t shared_bytes(int32_t hdp, bool half) {
    size_t size = half ? 2 : 4;
    return ATTEND_CHUNK * ((size_t)hdp + 16 / size) * size + ATTEND_CHUNK * (size_t)hdp * size +
           (ATTEND_QUERIES * (size_t)hdp + ATTEND_QUERIES * ATTEND_CHUNK + ATTEND_QUERIES * 4) * sizeof(float);
}

cudaError_t cuda_attend(cuda_backend *be, const cuda_phase *ph, const row_run *run, const plane_rows *split, int32_t first_item, int32_t n_items) {
    const phase *p = ph->p;
    attend_args a;
    memset(&a, 0, sizeof a);
    a.in = be->buf[p->in] + run->first * be->ld[p->in];
    a.ld_in = be->ld[p->in];
    a.out = be->buf[p->out] + run->first * be->ld[p->out];
    a.ld_out = be->ld[p->out];
    a.split = *split;
    a.cache = ph->cache;
    a.row = be->rows + run->first;
    a.order = be->order + 2 * run->first;
    a.all = be->items + 2 * run->first;
    a.items = a.all + first_item;
    a.partial = be->partial;
    a.arrived = be->arrived;
    a.heads = p->heads;
    a.slots = be->slots;
    int group = p->heads / p->kv_heads;
    a.heads_a_block = group < ATTEND_QUERIES ? group : ATTEND_QUERIES;
    a.splits = (group + a.heads_a_block - 1) / a.heads_a_block;
    a.window = p->window;
    a.scale = p->scale;
    a.softcap = p->softcap;
    dim3 grid((unsigned)run->chunks, (unsigned)(p->kv_heads * a.splits), (unsigned)n_items);
    size_t shared = shared_bytes(ph->cache.hdp, ph->cache.half);
    if (be->record) return persist_attend(be->record, &a, grid.x, grid.y, grid.z, shared);
    if (ph->cache.half) return LAUNCH(attend_kernel<__nv_bfloat16>, grid, dim3(ATTEND_THREADS), shared, be->stream, be->chained, a);
    return LAUNCH(attend_kernel<float>, grid, dim3(ATTEND_THREADS), shared, be->stream, be->chained, a);
}

template <class C> static cudaError_t prepare(const cuda_backend *be, bool half) {
    size_t bytes = shared_bytes(MAX_HEAD_SIZE, half);
    if (bytes > be->shared_most - 256) bytes = be->shared_most - 256; /* what the fixed arrays take */
    return load_kernel(attend_kernel<C>, bytes);
}

cudaError_t cuda_attend_prepare(cuda_backend *be) {
    cudaError_t e = prepare<float>(be, false);
    return e == cudaSuccess ? prepare<__nv_bfloat16>(be, true) : e;
}

bool cuda_attend_fits(const cuda_backend *be, int32_t head_size, bool half) {
    return head_size <= MAX_HEAD_SIZE && shared_bytes((int32_t)round_up(head_size, 8), half) + 256 <= be->shared_most;
}

/* copy_kernel -- positions [first, first + n) of one strip to another, in one layer.
 *   k, v (strips, kv_heads, tokens, hdp) in/out, as bytes of 16; block (x, kv head).  Bits are copied.  Not measured yet. */
static __global__ void __launch_bounds__(256) copy_kernel(device_cache c, int from, int to, int first, int64_t pieces) {
    dependency_wait();
    int64_t size = c.half ? 2 : 4, i = (int64_t)blockIdx.x * 256 + threadIdx.x;
    if (i >= pieces) return;
    int64_t a = cache_at(c, from, (int)blockIdx.y, first) * size / 16 + i, b = cache_at(c, to, (int)blockIdx.y, first) * size / 16 + i;
    ((uint4 *)c.k)[b] = ((const uint4 *)c.k)[a];
    ((uint4 *)c.v)[b] = ((const uint4 *)c.v)[a];
}

cudaError_t cuda_copy_strip(cuda_backend *be, const cuda_phase *ph, int32_t from, int32_t to, int32_t first, int32_t n) {
    int64_t pieces = (int64_t)n * ph->cache.hdp * (ph->cache.half ? 2 : 4) / 16;
    return LAUNCH(copy_kernel, dim3((unsigned)((pieces + 255) / 256), (unsigned)ph->cache.kv_heads), dim3(256), 0, be->stream, false,
                  ph->cache, from, to, first, pieces);
}
