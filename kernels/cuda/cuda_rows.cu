/* cuda_rows.cu -- what goes row by row: the embedding, the prologue and the end of products that do not have their own
 * (norms over a head or over all of y, prompts through cuBLAS), and the re-laying of weights.
 * Called by cuda_backend.cu and cuda_weights.cu. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/device.cuh"

typedef struct embed_args {
    const void *embedding, *positions; /* (V, ld), (T, ld_positions); NULL = none */
    int64_t ld, ld_positions, ld_out;
    int32_t dtype, positions_dtype, width;
    float scale;
    const device_row *row;
    float *out;
} embed_args;

static __device__ __forceinline__ float element_of(const void *p, int dtype, int64_t i) {
    if (dtype == GLIMPSE_F32) return ((const float *)p)[i];
    if (dtype == GLIMPSE_BF16) return value_of(((const __nv_bfloat16 *)p)[i]);
    return value_of(((const __half *)p)[i]);
}

/* embed_kernel -- out = embedding[id] * scale + positions[pos].
 *   embedding (V, ld), positions (T, ld) W in; out (rows, ld_out) f32 out; a block owns a row.
 * Numerics: one product and one sum in f32.  Reference: reference.c, 1e-6.  Not measured on a chip yet. */
static __global__ void __launch_bounds__(256) embed_kernel(const embed_args a) {
    dependency_wait();
    dependency_launch();
    const device_row r = a.row[blockIdx.x];
    for (int i = (int)threadIdx.x; i < a.width; i += 256) {
        float v = element_of(a.embedding, a.dtype, (int64_t)r.id * a.ld + i) * a.scale;
        if (a.positions) v += element_of(a.positions, a.positions_dtype, (int64_t)r.pos * a.ld_positions + i);
        a.out[(int64_t)blockIdx.x * a.ld_out + i] = v;
    }
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
    return LAUNCH(embed_kernel, dim3((unsigned)run->n), dim3(256), 0, be->stream, be->chained, a);
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
template <int PLANES>
static __global__ void __launch_bounds__(256) prologue_kernel(const matmul_args a, uint16_t *to, float *plain, int64_t ld) {
    dependency_wait();
    dependency_launch();
    const int n = (int)blockIdx.x, from = a.line ? a.line[n] : n;
    prologue_row<PLANES>(a.in + from * a.ld_in, a.k, a.kp, a.norm, to + n * ld, ld * a.rows, plain ? plain + n * ld : NULL,
                         (int)threadIdx.x / 32, 8);
}

cudaError_t cuda_prologue(cuda_backend *be, const matmul_args *a, int32_t planes, uint16_t *to, float *plain) {
    dim3 grid((unsigned)a->rows);
    if (planes == 2) return LAUNCH(prologue_kernel<2>, grid, dim3(256), 0, be->stream, be->chained, *a, to, plain, be->ld_planes);
    return LAUNCH(prologue_kernel<3>, grid, dim3(256), 0, be->stream, be->chained, *a, to, plain, be->ld_planes);
}

typedef struct finish_args {
    float *y;               /* (rows, ld_y) products */
    const float *low;       /* (rows, ld_y) to be added first, NULL = nothing */
    const float *bias;      /* NULL = none, or added already */
    int64_t ld_y, ld_out;
    int32_t n_y, store, activate, activation, heads;
    int32_t grouped;        /* y lies as phase.grouped says */
    device_norm post, q_norm, k_norm;
    device_rope rope;
    device_cache cache;
    const device_row *row;
    float *out;
} finish_args;

static __device__ float block_sum(float v, float *shared) {
    v = warp_sum(v);
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x / 32] = v;
    __syncthreads();
    float s = 0;
    for (int i = 0; i < 8; i++) s += shared[i];
    __syncthreads();
    return s;
}

/* One head (hd) of y, by a warp: norm, then rotary positions, to `out` (f32) or the cache. */
static __device__ void finish_head(const finish_args &a, const device_row &r, float *head, const device_norm &norm, int kind,
                                   int index, float *out) {
    const int lane = (int)threadIdx.x & 31, hd = a.cache.hd;
    if (norm.on) {
        float mean = 0, square = 0;
        if (!norm.rms) {
            float sum = 0;
            for (int i = lane; i < hd; i += 32) sum += head[i];
            mean = warp_sum(sum) / (float)hd;
        }
        for (int i = lane; i < hd; i += 32) square = fmaf(head[i] - mean, head[i] - mean, square);
        float scale = 1.0f / sqrtf(warp_sum(square) / (float)hd + norm.eps);
        for (int i = lane; i < hd; i += 32) {
            float v = (head[i] - mean) * scale;
            if (norm.w) v *= norm.w[i];
            if (norm.b) v += norm.b[i];
            head[i] = v;
        }
        sync_warp();
    }
    if (kind < 2 && a.rope.cos) {
        int half = a.rope.dims / 2;
        for (int i = lane; i < half; i += 32) {
            float *p = a.rope.interleaved ? &head[2 * i] : &head[i], *q = a.rope.interleaved ? &head[2 * i + 1] : &head[i + half];
            float2 angle = angle_of(a.rope, r, i);
            float x0 = *p, x1 = *q;
            *p = x0 * angle.x - x1 * angle.y;
            *q = x1 * angle.x + x0 * angle.y;
        }
        sync_warp();
    }
    for (int i = lane; i < hd; i += 32) {
        if (kind == 0) out[i] = head[i];
        else cache_put(a.cache, kind == 1 ? a.cache.k : a.cache.v, cache_at(a.cache, r.strip, index, r.pos) + i, head[i]);
    }
}

/* finish_kernel -- what follows a product whose epilogue needs a whole head or a whole row: bias, activation, the norm
 * after, and every store of plan.h.
 *   y (rows, ld_y) f32 in (overwritten); out (rows, ld_out) f32 in/out, or the caches; a block of 256 owns a row, in
 *   STORE_QKV a warp a head.
 * Numerics: f32, sums by lane and then a fixed tree.  Reference: reference.c, 5e-5.  Not measured on a chip yet. */
static __global__ void __launch_bounds__(256) finish_kernel(const finish_args a) {
    SHARED(float, shared, 8);
    dependency_wait();
    dependency_launch();
    const int t = (int)threadIdx.x;
    const device_row r = a.row[blockIdx.x];
    float *y = a.y + (int64_t)blockIdx.x * a.ld_y, *out = a.out + (int64_t)blockIdx.x * a.ld_out;
    const float *low = a.low ? a.low + (int64_t)blockIdx.x * a.ld_y : NULL;
    for (int i = t; i < a.n_y; i += 256) {
        float v = y[i];
        if (low) v += low[i];
        if (a.bias) v += a.bias[i];
        if (a.activate && a.store != STORE_GATED) v = activated(a.activation, v);
        y[i] = v;
    }
    __syncthreads();
    if (a.post.on) {
        float mean = 0, square = 0;
        if (!a.post.rms) {
            float sum = 0;
            for (int i = t; i < a.n_y; i += 256) sum += y[i];
            mean = block_sum(sum, shared) / (float)a.n_y;
        }
        for (int i = t; i < a.n_y; i += 256) square = fmaf(y[i] - mean, y[i] - mean, square);
        float scale = 1.0f / sqrtf(block_sum(square, shared) / (float)a.n_y + a.post.eps);
        for (int i = t; i < a.n_y; i += 256) {
            float v = (y[i] - mean) * scale;
            if (a.post.w) v *= a.post.w[i];
            if (a.post.b) v += a.post.b[i];
            y[i] = v;
        }
        __syncthreads();
    }
    if (a.store == STORE_QKV) {
        int kv = a.cache.kv_heads, all = a.heads + 2 * kv;
        for (int h = t / 32; h < all && r.active; h += 8) {
            int kind = h < a.heads ? 0 : h < a.heads + kv ? 1 : 2, index = kind == 0 ? h : kind == 1 ? h - a.heads : h - a.heads - kv;
            device_norm none;
            none.on = 0;
            int at = h * a.cache.hd;
            if (a.grouped) at = grouped_row(at, a.heads, kv, a.cache.hd);
            finish_head(a, r, y + at, kind == 0 ? a.q_norm : kind == 1 ? a.k_norm : none, kind, index,
                        out + (kind == 0 ? h * a.cache.hd : 0));
        }
        return;
    }
    int n = a.store == STORE_GATED ? a.n_y / 2 : a.n_y;
    for (int i = t; i < n; i += 256) {
        if (a.store == STORE_GATED) out[i] = activated(a.activation, y[i]) * y[n + i];
        else out[i] = a.store == STORE_ADD ? out[i] + y[i] : y[i];
    }
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
    return LAUNCH(finish_kernel, dim3((unsigned)run->n), dim3(256), 0, be->stream, be->chained, a);
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
