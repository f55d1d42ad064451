/* train_gpt_cuda.cu -- the training example on a GPU: the passes and the optimiser of train_gpt in float32, with cuBLAS for
 * the products and plain kernels for the rest.
 *
 *   build/release/train_gpt_cuda --minutes 1 --max_sample_tokens 400       the same flags, data and checkpoints as train_gpt
 *
 * It takes the place of gpt_pass.c, gpt_loops.c and adamw.c; train_gpt.c above it is the same and shows what Glimpse asks of
 * a loop: the tensors it binds are device pointers, and model.stream is the stream they are written on.  Every sum has a
 * fixed order (no atomics), so a run repeats bit by bit on one GPU.  Written to be read, not to be fast: one block a row.
 *
 * Letters as in gpt.h; N = B * T rows. */
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
#include "train_gpt/adamw.h"
#include "train_gpt/gpt_pass.h"
}

#ifdef GLIMPSE_EMULATION /* Glimpse's tests run the kernels without a GPU */
#define SHARED(T, name, n) static const char name##_key = 0; T *name = (T *)emu_shared(&name##_key, (n) * sizeof(T))
#else
#define SHARED(T, name, n) __shared__ T name[n]
#endif

enum { THREADS = 128, ROWS_A_CHUNK = 64, SQUARES_A_BLOCK = 16384 };

static void must(cudaError_t e, const char *what) {
    if (e == cudaSuccess) return;
    fprintf(stderr, "train_gpt: %s: %s\n", what, cudaGetErrorString(e));
    exit(1);
}
static void must_blas(cublasStatus_t s) {
    if (s == CUBLAS_STATUS_SUCCESS) return;
    fprintf(stderr, "train_gpt: cuBLAS: %s\n", cublasGetStatusName(s));
    exit(1);
}

/* === Kernels: grid = what one block owns is said above each; all blocks have THREADS threads ======================= */

/* The sum of one number a thread, in every thread: a tree, so the order is fixed. */
template <class F> static __device__ F block_sum(F x) {
    SHARED(F, part, THREADS);
    part[threadIdx.x] = x;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    F sum = part[0];
    __syncthreads();
    return sum;
}
static __device__ float block_max(float x) {
    SHARED(float, part, THREADS);
    part[threadIdx.x] = x;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half && part[threadIdx.x + half] > part[threadIdx.x]) part[threadIdx.x] = part[threadIdx.x + half];
        __syncthreads();
    }
    float most = part[0];
    __syncthreads();
    return most;
}

/* out (N, C) = wte[ids] + wpe[row % T]; a row */
static __global__ void embed(float *out, const int32_t *ids, const float *wte, const float *wpe, int T, int C) {
    size_t n = blockIdx.x;
    for (int c = (int)threadIdx.x; c < C; c += THREADS) out[n * C + c] = wte[(size_t)ids[n] * C + c] + wpe[n % T * C + c];
}
/* dwte (V, C) += the rows of its id, in order; an id */
static __global__ void embed_tokens_backward(float *dwte, const float *dout, const int32_t *ids, int N, int C) {
    int id = (int)blockIdx.x;
    for (int c = (int)threadIdx.x; c < C; c += THREADS) {
        float sum = 0;
        for (int n = 0; n < N; n++)
            if (ids[n] == id) sum += dout[(size_t)n * C + c];
        dwte[(size_t)id * C + c] += sum;
    }
}
/* dwpe (T, C) += the rows of its position; a position */
static __global__ void embed_positions_backward(float *dwpe, const float *dout, int N, int T, int C) {
    int t = (int)blockIdx.x;
    for (int c = (int)threadIdx.x; c < C; c += THREADS) {
        float sum = 0;
        for (int n = t; n < N; n += T) sum += dout[(size_t)n * C + c];
        dwpe[(size_t)t * C + c] += sum;
    }
}

/* out (N, C) = (in - mean) rstd w + b; mean, rstd (N) are kept; a row */
static __global__ void layernorm(float *out, float *mean, float *rstd, const float *in, const float *w, const float *b, int C) {
    size_t n = blockIdx.x;
    const float *x = in + n * C;
    float sum = 0, square = 0;
    for (int c = (int)threadIdx.x; c < C; c += THREADS) sum += x[c];
    float m = block_sum(sum) / (float)C;
    for (int c = (int)threadIdx.x; c < C; c += THREADS) square += (x[c] - m) * (x[c] - m);
    float r = 1.0f / sqrtf(block_sum(square) / (float)C + 1e-5f);
    for (int c = (int)threadIdx.x; c < C; c += THREADS) out[n * C + c] = (x[c] - m) * r * w[c] + b[c];
    if (threadIdx.x == 0) mean[n] = m, rstd[n] = r;
}
/* din (N, C) += the gradient through the norm; a row */
static __global__ void layernorm_backward(float *din, const float *dout, const float *in, const float *w, const float *mean,
                                          const float *rstd, int C) {
    size_t n = blockIdx.x;
    const float *x = in + n * C, *d = dout + n * C;
    float m = mean[n], r = rstd[n], sum = 0, along = 0;
    for (int c = (int)threadIdx.x; c < C; c += THREADS) {
        sum += d[c] * w[c];
        along += d[c] * w[c] * (x[c] - m) * r;
    }
    sum = block_sum(sum) / (float)C;
    along = block_sum(along) / (float)C;
    for (int c = (int)threadIdx.x; c < C; c += THREADS)
        din[n * C + c] += r * (d[c] * w[c] - sum - (x[c] - m) * r * along);
}
/* part (chunks, C) = the sums of the columns of dout (N, C), of dout times the normalised input if there is one; grid
 * (column / THREADS, chunk of rows) */
static __global__ void column_parts(float *part, const float *dout, const float *in, const float *mean, const float *rstd, int N, int C) {
    int c = (int)(blockIdx.x * THREADS + threadIdx.x), end = ((int)blockIdx.y + 1) * ROWS_A_CHUNK;
    if (c >= C) return;
    float sum = 0;
    for (int n = (int)blockIdx.y * ROWS_A_CHUNK; n < end && n < N; n++) {
        float d = dout[(size_t)n * C + c];
        sum += in ? d * (in[(size_t)n * C + c] - mean[n]) * rstd[n] : d;
    }
    part[(size_t)blockIdx.y * C + c] = sum;
}
/* out (C) += the sums over the chunks, in order; THREADS columns */
static __global__ void column_sums(float *out, const float *part, int chunks, int C) {
    int c = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (c >= C) return;
    float sum = 0;
    for (int i = 0; i < chunks; i++) sum += part[(size_t)i * C + c];
    out[c] += sum;
}

/* out (n) = in (n), 0 without one, + b[i % C]; THREADS elements */
static __global__ void add_bias(float *out, const float *in, const float *b, size_t n, int C) {
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < n) out[i] = (in ? in[i] : 0.0f) + b[i % (size_t)C];
}
/* 0.5 x (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3) */
static __global__ void gelu(float *out, const float *in, size_t n) {
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    float x = in[i];
    out[i] = x / (1.0f + expf(-1.5957691216057308f * (x + 0.044715f * x * x * x)));
}
static __global__ void gelu_backward(float *d, const float *in, size_t n) {
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    float x = in[i], s = 1.0f / (1.0f + expf(-1.5957691216057308f * (x + 0.044715f * x * x * x)));
    d[i] *= s + x * s * (1.0f - s) * 1.5957691216057308f * (1.0f + 3.0f * 0.044715f * x * x);
}

/* Causal attention.  qkv (N, 3C), out (N, C), att (B, NH, T, T): probabilities, 0 after the query; grid (T, NH, B): a query */
static __global__ void attention(float *out, float *att, const float *qkv, int T, int C, int hs) {
    int t = (int)blockIdx.x, h = (int)blockIdx.y;
    size_t row = (size_t)blockIdx.z * T + t, first = (size_t)blockIdx.z * T;
    const float *q = qkv + row * 3 * C + h * hs, *k = qkv + first * 3 * C + C + h * hs, *v = k + C;
    float *p = att + (((size_t)blockIdx.z * gridDim.y + h) * T + t) * T, scale = 1.0f / sqrtf((float)hs), most = -INFINITY, sum = 0;
    for (int j = (int)threadIdx.x; j <= t; j += THREADS) {
        float dot = 0;
        for (int d = 0; d < hs; d++) dot += q[d] * k[(size_t)j * 3 * C + d];
        p[j] = dot * scale;
        if (p[j] > most) most = p[j];
    }
    most = block_max(most);
    for (int j = (int)threadIdx.x; j <= t; j += THREADS) sum += p[j] = expf(p[j] - most);
    sum = block_sum(sum);
    for (int j = (int)threadIdx.x; j < T; j += THREADS) p[j] = j <= t ? p[j] / sum : 0.0f;
    __syncthreads();
    for (int d = (int)threadIdx.x; d < hs; d += THREADS) {
        float o = 0;
        for (int j = 0; j <= t; j++) o += p[j] * v[(size_t)j * 3 * C + d];
        out[row * C + h * hs + d] = o;
    }
}
/* The scores' gradients ds (B, NH, T, T), already times the scale, and dq in dqkv (N, 3C); grid (T, NH, B): a query */
static __global__ void attention_query_backward(float *dqkv, float *ds, const float *dout, const float *att, const float *qkv, int T, int C, int hs) {
    int t = (int)blockIdx.x, h = (int)blockIdx.y;
    size_t row = (size_t)blockIdx.z * T + t, first = (size_t)blockIdx.z * T, at = (((size_t)blockIdx.z * gridDim.y + h) * T + t) * T;
    const float *k = qkv + first * 3 * C + C + h * hs, *v = k + C, *g = dout + row * C + h * hs, *p = att + at;
    float *s = ds + at, scale = 1.0f / sqrtf((float)hs), sum = 0;
    for (int j = (int)threadIdx.x; j <= t; j += THREADS) {
        float dot = 0;
        for (int d = 0; d < hs; d++) dot += g[d] * v[(size_t)j * 3 * C + d];
        s[j] = dot;
        sum += dot * p[j];
    }
    sum = block_sum(sum);
    for (int j = (int)threadIdx.x; j <= t; j += THREADS) s[j] = p[j] * (s[j] - sum) * scale;
    __syncthreads();
    for (int d = (int)threadIdx.x; d < hs; d += THREADS) {
        float x = 0;
        for (int j = 0; j <= t; j++) x += s[j] * k[(size_t)j * 3 * C + d];
        dqkv[row * 3 * C + h * hs + d] = x;
    }
}
/* dk and dv in dqkv (N, 3C); grid (T, NH, B): a key */
static __global__ void attention_key_backward(float *dqkv, const float *ds, const float *dout, const float *att, const float *qkv, int T, int C, int hs) {
    int j = (int)blockIdx.x, h = (int)blockIdx.y;
    size_t first = (size_t)blockIdx.z * T, at = ((size_t)blockIdx.z * gridDim.y + h) * T * T;
    for (int d = (int)threadIdx.x; d < hs; d += THREADS) {
        float dk = 0, dv = 0;
        for (int t = j; t < T; t++) {
            dk += ds[at + (size_t)t * T + j] * qkv[(first + t) * 3 * C + h * hs + d];
            dv += att[at + (size_t)t * T + j] * dout[(first + t) * C + h * hs + d];
        }
        dqkv[(first + j) * 3 * C + C + h * hs + d] = dk;
        dqkv[(first + j) * 3 * C + 2 * C + h * hs + d] = dv;
    }
}

/* losses (N) = -log softmax(logits)[target]; if scale is not 0 the logits (N, Vp) become their gradient; a row */
static __global__ void cross_entropy(float *losses, float *logits, const int32_t *targets, int V, int Vp, float scale) {
    size_t n = blockIdx.x;
    float *x = logits + n * Vp, most = -INFINITY, sum = 0;
    for (int v = (int)threadIdx.x; v < V; v += THREADS)
        if (x[v] > most) most = x[v];
    most = block_max(most);
    for (int v = (int)threadIdx.x; v < V; v += THREADS) sum += expf(x[v] - most);
    sum = block_sum(sum);
    if (threadIdx.x == 0) losses[n] = logf(sum) + most - x[targets[n]];
    __syncthreads();
    for (int v = (int)threadIdx.x; scale != 0.0f && v < Vp; v += THREADS)
        x[v] = v < V ? scale * (expf(x[v] - most) / sum - (v == targets[n] ? 1.0f : 0.0f)) : 0.0f;
}

/* part[block] = the sum of squares of its elements */
static __global__ void square_parts(double *part, const float *x, size_t n) {
    size_t from = (size_t)blockIdx.x * SQUARES_A_BLOCK, end = from + SQUARES_A_BLOCK < n ? from + SQUARES_A_BLOCK : n;
    double sum = 0;
    for (size_t i = from + threadIdx.x; i < end; i += THREADS) sum += (double)x[i] * (double)x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) part[blockIdx.x] = sum;
}
/* As loops_adamw; THREADS elements */
static __global__ void adamw_update(float *w, float *m, float *v, const float *g, size_t n, float g_scale, float lr, float beta1,
                                    float beta2, float c1, float c2, float eps, float decay) {
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    float d = g[i] * g_scale;
    m[i] = beta1 * m[i] + (1.0f - beta1) * d;
    v[i] = beta2 * v[i] + (1.0f - beta2) * d * d;
    w[i] -= lr * (m[i] / c1) / (sqrtf(v[i] / c2) + eps) + decay * w[i];
}

/* === The device's side of a model ================================================================================== */

typedef struct layer_acts { float *ln1, *qkv, *att, *atty, *residual2, *ln2, *fch, *gelu, *residual3, *mean1, *rstd1, *mean2, *rstd2; } layer_acts;

struct gpt_worker { /* there is one; gpt.workers[0] */
    cudaStream_t stream;
    cublasHandle_t blas;
    void **blocks;      /* (n_blocks) everything that was allocated */
    int n_blocks;
    gpt_tensors params, grads, m, v;
    int32_t *ids, *targets;
    layer_acts *layers;
    float *embedded, *lnf, *meanf, *rstdf, *logits, *losses;
    float *dresidual, *dc, *d4c, *dqkv, *dscores, *parts;
    double *squares;
    float *host_losses;
    double *host_squares;
    size_t n_squares;
};

static gpt_worker *on_device(const gpt *model) { return model->workers[0]; }

template <class... P, class... A> static void launch(const gpt_worker *w, void (*kernel)(P...), dim3 grid, A... arguments) {
    cudaLaunchConfig_t c;
    memset((void *)&c, 0, sizeof c);
    c.gridDim = grid;
    c.blockDim = dim3(THREADS);
    c.stream = w->stream;
    must(cudaLaunchKernelEx(&c, kernel, P(arguments)...), "a kernel");
}
static dim3 blocks_for(size_t n) { return dim3((unsigned)((n + THREADS - 1) / THREADS)); }
static void to_device(const gpt_worker *w, void *to, const void *from, size_t bytes) {
    must(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, w->stream), "a copy to the GPU");
}
static void to_host(const gpt_worker *w, void *to, const void *from, size_t bytes) {
    must(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, w->stream), "a copy from the GPU");
    must(cudaStreamSynchronize(w->stream), "the GPU");
}

extern "C" float *gpt_floats(size_t n) { return (float *)calloc(n ? n : 1, sizeof(float)); } /* the host's copies */

enum { MOST_BLOCKS = 32 + 13 * 256 };
static bool take(gpt_worker *w, void *out, size_t bytes) {
    void *p = NULL;
    if (cudaMalloc(&p, bytes ? bytes : 1) != cudaSuccess) return (void)cudaGetLastError(), false;
    w->blocks[w->n_blocks++] = p;
    must(cudaMemsetAsync(p, 0, bytes, w->stream), "clearing memory");
    memcpy(out, &p, sizeof p);
    return true;
}
static bool take_tensors(gpt_worker *w, const gpt *model, gpt_tensors *t) {
    float *memory;
    if (!take(w, &memory, model->n_params * sizeof(float))) return false;
    gpt_point_tensors(t, memory, model->sizes);
    return true;
}

static bool take_all(gpt_worker *w, const gpt *model, size_t B, size_t T) {
    const gpt_config *c = &model->config;
    size_t N = B * T, C = (size_t)c->channels, f = sizeof(float), chunks = (N + ROWS_A_CHUNK - 1) / ROWS_A_CHUNK, A = B * (size_t)c->n_heads * T * T;
    bool ok = take_tensors(w, model, &w->params) && take_tensors(w, model, &w->grads) && take_tensors(w, model, &w->m) && take_tensors(w, model, &w->v) &&
              take(w, &w->ids, N * sizeof *w->ids) && take(w, &w->targets, N * sizeof *w->targets) && take(w, &w->embedded, N * C * f) &&
              take(w, &w->lnf, N * C * f) && take(w, &w->meanf, N * f) && take(w, &w->rstdf, N * f) && take(w, &w->logits, N * (size_t)c->padded_vocab * f) &&
              take(w, &w->losses, N * f) && take(w, &w->dresidual, N * C * f) && take(w, &w->dc, N * C * f) && take(w, &w->d4c, N * 4 * C * f) &&
              take(w, &w->dqkv, N * 3 * C * f) && take(w, &w->dscores, A * f) && take(w, &w->parts, chunks * 4 * C * f) &&
              take(w, &w->squares, w->n_squares * sizeof(double));
    for (int l = 0; ok && l < c->n_layers; l++) {
        layer_acts *a = &w->layers[l];
        ok = take(w, &a->ln1, N * C * f) && take(w, &a->qkv, N * 3 * C * f) && take(w, &a->att, A * f) && take(w, &a->atty, N * C * f) &&
             take(w, &a->residual2, N * C * f) && take(w, &a->ln2, N * C * f) && take(w, &a->fch, N * 4 * C * f) && take(w, &a->gelu, N * 4 * C * f) &&
             take(w, &a->residual3, N * C * f) && take(w, &a->mean1, N * f) && take(w, &a->rstd1, N * f) && take(w, &a->mean2, N * f) && take(w, &a->rstd2, N * f);
    }
    return ok;
}

extern "C" void gpt_unprepare(gpt *model) {
    gpt_worker *w = model->n_workers ? on_device(model) : NULL;
    if (w) {
        for (int i = 0; i < w->n_blocks; i++) (void)cudaFree(w->blocks[i]);
        if (w->blas) (void)cublasDestroy(w->blas);
        if (w->stream) (void)cudaStreamDestroy(w->stream);
        free(w->blocks);
        free(w->layers);
        free(w->host_losses);
        free(w->host_squares);
        free(w);
    }
    free(model->workers);
    model->workers = NULL;
    model->n_workers = 0;
}

extern "C" int gpt_prepare(gpt *model, int B, int T, int threads) {
    (void)threads;
    gpt_unprepare(model);
    gpt_worker *w = (gpt_worker *)calloc(1, sizeof *w);
    model->workers = (gpt_worker **)calloc(1, sizeof *model->workers);
    if (!w || !model->workers) return free(w), -1;
    model->workers[model->n_workers++] = w;
    must(cudaStreamCreateWithFlags(&w->stream, cudaStreamNonBlocking), "the GPU");
    must_blas(cublasCreate(&w->blas));
    must_blas(cublasSetStream(w->blas, w->stream));
    w->n_squares = (model->n_params + SQUARES_A_BLOCK - 1) / SQUARES_A_BLOCK;
    w->blocks = (void **)calloc(MOST_BLOCKS, sizeof *w->blocks);
    w->layers = (layer_acts *)calloc((size_t)model->config.n_layers, sizeof *w->layers);
    w->host_losses = (float *)calloc((size_t)B * (size_t)T, sizeof(float));
    w->host_squares = (double *)calloc(w->n_squares, sizeof(double));
    if (w->blocks && w->layers && w->host_losses && w->host_squares && take_all(w, model, (size_t)B, (size_t)T)) return 0;
    gpt_unprepare(model);
    return -1;
}

extern "C" const gpt_tensors *gpt_weights(const gpt *model) { return &on_device(model)->params; }
extern "C" void *gpt_stream(const gpt *model) { return on_device(model)->stream; }

extern "C" void training_upload(gpt *model, const adamw *opt) {
    gpt_worker *w = on_device(model);
    size_t bytes = model->n_params * sizeof(float);
    to_device(w, w->params.wte, model->params_memory, bytes);
    to_device(w, w->m.wte, opt->m, bytes);
    to_device(w, w->v.wte, opt->v, bytes);
}
extern "C" void training_download(gpt *model, adamw *opt) {
    gpt_worker *w = on_device(model);
    size_t bytes = model->n_params * sizeof(float);
    to_host(w, model->params_memory, w->params.wte, bytes);
    to_host(w, opt->m, w->m.wte, bytes);
    to_host(w, opt->v, w->v.wte, bytes);
}

/* === Passes ======================================================================================================== */

/* C (rows n, columns m), row-major, = op(B) op(A) + beta C as cuBLAS has it: column-major, so the factors change places. */
static void product(const gpt_worker *w, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const float *A, int lda,
                    const float *B, int ldb, float beta, float *C, int ldc) {
    const float one = 1.0f;
    must_blas(cublasGemmEx(w->blas, ta, tb, m, n, k, &one, A, CUDA_R_32F, lda, B, CUDA_R_32F, ldb, &beta, C, CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F,
                           CUBLAS_GEMM_DEFAULT));
}
/* y (n, out) = beta y + x (n, in) weight (out, in)^T */
static void matmul(const gpt_worker *w, float *y, const float *x, const float *weight, int n, int in, int out, float beta) {
    product(w, CUBLAS_OP_T, CUBLAS_OP_N, out, n, in, weight, in, x, in, beta, y, out);
}
static void add_columns(const gpt_worker *w, float *out, const float *dout, const float *in, const float *mean, const float *rstd, int N, int C) {
    int chunks = (N + ROWS_A_CHUNK - 1) / ROWS_A_CHUNK;
    launch(w, column_parts, dim3(blocks_for((size_t)C).x, (unsigned)chunks), w->parts, dout, in, mean, rstd, N, C);
    launch(w, column_sums, blocks_for((size_t)C), out, w->parts, chunks, C);
}
/* dx (n, in) = dy (n, out) weight; dweight (out, in) += dy^T x; db (out) += column sums of dy (NULL: none) */
static void matmul_backward(const gpt_worker *w, float *dx, float *dweight, float *db, const float *dy, const float *x, const float *weight, int n, int in,
                            int out) {
    product(w, CUBLAS_OP_N, CUBLAS_OP_N, in, n, out, weight, in, dy, out, 0.0f, dx, in);
    product(w, CUBLAS_OP_N, CUBLAS_OP_T, in, out, n, x, in, dy, out, 1.0f, dweight, in);
    if (db) add_columns(w, db, dy, NULL, NULL, NULL, n, out);
}
static void norm_backward(const gpt_worker *w, float *dweight, float *db, const float *in, const float *weight, const float *mean, const float *rstd, int N,
                          int C) {
    launch(w, layernorm_backward, dim3((unsigned)N), w->dresidual, w->dc, in, weight, mean, rstd, C);
    add_columns(w, dweight, w->dc, in, mean, rstd, N, C);
    add_columns(w, db, w->dc, NULL, NULL, NULL, N, C);
}

static void forward(const gpt *model, gpt_worker *w, int B, int T) {
    const gpt_tensors *p = &w->params;
    int C = model->config.channels, NH = model->config.n_heads, N = B * T;
    dim3 rows((unsigned)N), queries((unsigned)T, (unsigned)NH, (unsigned)B);
    size_t NC = (size_t)N * (size_t)C;
    const float *residual = w->embedded;
    launch(w, embed, rows, w->embedded, w->ids, p->wte, p->wpe, T, C);
    for (int l = 0; l < model->config.n_layers; l++) {
        layer_acts *a = &w->layers[l];
        size_t lC = (size_t)l * (size_t)C;
        launch(w, layernorm, rows, a->ln1, a->mean1, a->rstd1, residual, p->ln1w + lC, p->ln1b + lC, C);
        launch(w, add_bias, blocks_for(3 * NC), a->qkv, (const float *)NULL, p->qkvb + 3 * lC, 3 * NC, 3 * C);
        matmul(w, a->qkv, a->ln1, p->qkvw + 3 * lC * C, N, C, 3 * C, 1.0f);
        launch(w, attention, queries, a->atty, a->att, a->qkv, T, C, C / NH);
        launch(w, add_bias, blocks_for(NC), a->residual2, residual, p->attprojb + lC, NC, C);
        matmul(w, a->residual2, a->atty, p->attprojw + lC * C, N, C, C, 1.0f);
        launch(w, layernorm, rows, a->ln2, a->mean2, a->rstd2, a->residual2, p->ln2w + lC, p->ln2b + lC, C);
        launch(w, add_bias, blocks_for(4 * NC), a->fch, (const float *)NULL, p->fcb + 4 * lC, 4 * NC, 4 * C);
        matmul(w, a->fch, a->ln2, p->fcw + 4 * lC * C, N, C, 4 * C, 1.0f);
        launch(w, gelu, blocks_for(4 * NC), a->gelu, a->fch, 4 * NC);
        launch(w, add_bias, blocks_for(NC), a->residual3, a->residual2, p->fcprojb + lC, NC, C);
        matmul(w, a->residual3, a->gelu, p->fcprojw + 4 * lC * C, N, 4 * C, C, 1.0f);
        residual = a->residual3;
    }
    launch(w, layernorm, rows, w->lnf, w->meanf, w->rstdf, residual, p->lnfw, p->lnfb, C);
    matmul(w, w->logits, w->lnf, p->wte, N, C, model->config.padded_vocab, 0.0f);
}

static void backward(const gpt *model, gpt_worker *w, int B, int T) {
    const gpt_tensors *p = &w->params, *g = &w->grads;
    int L = model->config.n_layers, C = model->config.channels, NH = model->config.n_heads, hs = C / NH, N = B * T;
    dim3 queries((unsigned)T, (unsigned)NH, (unsigned)B);
    size_t NC = (size_t)N * (size_t)C;
    must(cudaMemsetAsync(g->wte, 0, model->n_params * sizeof(float), w->stream), "clearing memory");
    must(cudaMemsetAsync(w->dresidual, 0, NC * sizeof(float), w->stream), "clearing memory");
    matmul_backward(w, w->dc, g->wte, NULL, w->logits, w->lnf, p->wte, N, C, model->config.padded_vocab);
    norm_backward(w, g->lnfw, g->lnfb, w->layers[L - 1].residual3, p->lnfw, w->meanf, w->rstdf, N, C);
    for (int l = L - 1; l >= 0; l--) {
        layer_acts *a = &w->layers[l];
        size_t lC = (size_t)l * (size_t)C;
        const float *residual = l ? w->layers[l - 1].residual3 : w->embedded;
        matmul_backward(w, w->d4c, g->fcprojw + 4 * lC * C, g->fcprojb + lC, w->dresidual, a->gelu, p->fcprojw + 4 * lC * C, N, 4 * C, C);
        launch(w, gelu_backward, blocks_for(4 * NC), w->d4c, a->fch, 4 * NC);
        matmul_backward(w, w->dc, g->fcw + 4 * lC * C, g->fcb + 4 * lC, w->d4c, a->ln2, p->fcw + 4 * lC * C, N, C, 4 * C);
        norm_backward(w, g->ln2w + lC, g->ln2b + lC, a->residual2, p->ln2w + lC, a->mean2, a->rstd2, N, C);
        matmul_backward(w, w->dc, g->attprojw + lC * C, g->attprojb + lC, w->dresidual, a->atty, p->attprojw + lC * C, N, C, C);
        launch(w, attention_query_backward, queries, w->dqkv, w->dscores, w->dc, a->att, a->qkv, T, C, hs);
        launch(w, attention_key_backward, queries, w->dqkv, w->dscores, w->dc, a->att, a->qkv, T, C, hs);
        matmul_backward(w, w->dc, g->qkvw + 3 * lC * C, g->qkvb + 3 * lC, w->dqkv, a->ln1, p->qkvw + 3 * lC * C, N, C, 3 * C);
        norm_backward(w, g->ln1w + lC, g->ln1b + lC, residual, p->ln1w + lC, a->mean1, a->rstd1, N, C);
    }
    launch(w, embed_tokens_backward, dim3((unsigned)model->config.vocab_size), g->wte, w->dresidual, w->ids, N, C);
    launch(w, embed_positions_backward, dim3((unsigned)T), g->wpe, w->dresidual, N, T, C);
}

static double run_batch(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T, float scale, float *each) {
    gpt_worker *w = on_device(model);
    size_t N = (size_t)B * (size_t)T;
    double sum = 0;
    to_device(w, w->ids, ids, N * sizeof *ids);
    to_device(w, w->targets, targets, N * sizeof *targets);
    forward(model, w, B, T);
    launch(w, cross_entropy, dim3((unsigned)N), w->losses, w->logits, w->targets, model->config.vocab_size, model->config.padded_vocab, scale);
    if (scale != 0.0f) backward(model, w, B, T);
    to_host(w, w->host_losses, w->losses, N * sizeof(float));
    for (size_t i = 0; i < N; i++) sum += w->host_losses[i];
    if (each) memcpy(each, w->host_losses, N * sizeof(float));
    return sum / (double)N;
}
extern "C" double gpt_loss(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T) { return run_batch(model, ids, targets, B, T, 0.0f, NULL); }
extern "C" double gpt_losses(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T, float *losses) {
    return run_batch(model, ids, targets, B, T, 0.0f, losses);
}
extern "C" double gpt_loss_and_grads(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T) {
    return run_batch(model, ids, targets, B, T, (float)(1.0 / ((double)B * T)), NULL);
}

/* === AdamW (adamw.h) =============================================================================================== */

extern "C" int adamw_create(adamw *opt, size_t n_params, float weight_decay, float grad_clip) {
    memset(opt, 0, sizeof *opt);
    opt->beta1 = 0.9f, opt->beta2 = 0.99f, opt->eps = 1e-8f;
    opt->weight_decay = weight_decay;
    opt->grad_clip = grad_clip;
    opt->n_params = n_params;
    opt->m = gpt_floats(n_params);
    opt->v = gpt_floats(n_params);
    if (opt->m && opt->v) return 0;
    adamw_free(opt);
    return -1;
}
extern "C" void adamw_free(adamw *opt) {
    free(opt->m);
    free(opt->v);
    memset(opt, 0, sizeof *opt);
}

extern "C" double adamw_step(adamw *opt, gpt *model, float lr, int threads) {
    static const char is_matrix[GPT_TENSORS] = {1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0};
    gpt_worker *w = on_device(model);
    double sum = 0;
    (void)threads;
    launch(w, square_parts, dim3((unsigned)w->n_squares), w->squares, w->grads.wte, model->n_params);
    to_host(w, w->host_squares, w->squares, w->n_squares * sizeof(double));
    for (size_t i = 0; i < w->n_squares; i++) sum += w->host_squares[i];
    double norm = sqrt(sum);
    opt->steps++;
    if (!isfinite(norm)) return norm;
    float g_scale = opt->grad_clip > 0.0f && norm > (double)opt->grad_clip ? (float)((double)opt->grad_clip / norm) : 1.0f;
    float c1 = (float)(1.0 - pow((double)opt->beta1, (double)opt->steps)), c2 = (float)(1.0 - pow((double)opt->beta2, (double)opt->steps));
    for (size_t t = 0, at = 0; t < GPT_TENSORS; at += model->sizes[t++])
        launch(w, adamw_update, blocks_for(model->sizes[t]), w->params.wte + at, w->m.wte + at, w->v.wte + at, w->grads.wte + at, model->sizes[t], g_scale, lr,
               opt->beta1, opt->beta2, c1, c2, opt->eps, is_matrix[t] ? lr * opt->weight_decay : 0.0f);
    return norm;
}

extern "C" float adamw_learning_rate(float peak, int64_t step, int64_t warmup, double progress) {
    if (step < warmup) return peak * (float)(step + 1) / (float)warmup;
    double p = progress < 0.0 ? 0.0 : progress > 1.0 ? 1.0 : progress;
    return peak * (float)(0.1 + 0.9 * 0.5 * (1.0 + cos(3.141592653589793 * p)));
}
