/* gpt_pass.c -- forward and backward over a batch.
 *
 * The batch is cut into one share a thread.  A thread takes its share through the whole model, forward and back, a few
 * sequences at a time (about 512 rows: enough for the matrix products, little enough for the cache), with activations and
 * gradients of its own; no thread waits for another before the end, and BLAS itself runs on one thread.  Gradients and
 * losses are then added in the order of the workers.  Called through gpt.h. */
#include "examples/train_gpt/gpt_pass.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "examples/train_gpt/gpt_loops.h"

enum { ROWS_PER_PASS = 512, QUERY_BLOCK = 64, ADD_CHUNK = 16384 };

typedef struct layer_acts { /* n rows = sequences of one pass * T */
    float *ln1;       /* (n, C) */
    float *qkv;       /* (n, 3C) */
    float *att;       /* (sequences, NH, T, T), probabilities */
    float *atty;      /* (n, C) */
    float *residual2; /* (n, C), after attention */
    float *ln2;       /* (n, C) */
    float *fch;       /* (n, 4C), before GELU */
    float *gelu;      /* (n, 4C) */
    float *residual3; /* (n, C), after the feed-forward layer */
    float *mean1, *rstd1, *mean2, *rstd2; /* (n) */
} layer_acts;

struct gpt_worker {
    int max_sequences; /* of one pass */
    int max_T;
    float *memory;     /* everything below lies in it */
    float *embedded;   /* (n, C) */
    layer_acts *layers;
    float *lnf;        /* (n, C) */
    float *meanf, *rstdf;
    float *logits;     /* (n, Vp), then their gradient */
    float *dresidual;  /* (n, C) */
    float *dc;         /* (n, C), gradient of whatever has C channels */
    float *d4c;        /* (n, 4C) */
    float *dqkv;       /* (n, 3C) */
    float *dscores;    /* (QUERY_BLOCK, T) */
    float *grads;      /* (n_params), this worker's sum; the first worker's is the model's */
    double loss;       /* sum over this worker's share, nats */
};

float *gpt_floats(size_t n) {
    size_t bytes = (n * sizeof(float) + 63) / 64 * 64;
    float *p = aligned_alloc(64, bytes ? bytes : 64);
    if (p) memset(p, 0, bytes);
    return p;
}

static void worker_free(gpt_worker *w) {
    if (!w) return;
    free(w->memory);
    free(w->grads);
    free(w->layers);
    free(w);
}

void gpt_unprepare(gpt *model) {
    for (int i = 0; i < model->n_workers; i++) worker_free(model->workers[i]);
    free(model->workers);
    model->workers = NULL;
    model->n_workers = 0;
    model->grads_memory = NULL; /* the first worker's */
}

/* Two runs of one layout: the first (base NULL) counts, the second hands out. */
static float *take(float *base, size_t *used, size_t n) {
    float *p = base ? base + *used : NULL;
    *used += (n + 15) / 16 * 16; /* cache lines */
    return p;
}

static size_t worker_layout(gpt_worker *w, const gpt_config *c, float *base) {
    size_t T = (size_t)w->max_T, n = (size_t)w->max_sequences * T, C = (size_t)c->channels, used = 0;
    w->embedded = take(base, &used, n * C);
    for (int l = 0; l < c->n_layers; l++) {
        layer_acts *a = &w->layers[l];
        a->ln1 = take(base, &used, n * C);
        a->qkv = take(base, &used, n * 3 * C);
        a->att = take(base, &used, n * (size_t)c->n_heads * T);
        a->atty = take(base, &used, n * C);
        a->residual2 = take(base, &used, n * C);
        a->ln2 = take(base, &used, n * C);
        a->fch = take(base, &used, n * 4 * C);
        a->gelu = take(base, &used, n * 4 * C);
        a->residual3 = take(base, &used, n * C);
        a->mean1 = take(base, &used, n);
        a->rstd1 = take(base, &used, n);
        a->mean2 = take(base, &used, n);
        a->rstd2 = take(base, &used, n);
    }
    w->lnf = take(base, &used, n * C);
    w->meanf = take(base, &used, n);
    w->rstdf = take(base, &used, n);
    w->logits = take(base, &used, n * (size_t)c->padded_vocab);
    w->dresidual = take(base, &used, n * C);
    w->dc = take(base, &used, n * C);
    w->d4c = take(base, &used, n * 4 * C);
    w->dqkv = take(base, &used, n * 3 * C);
    w->dscores = take(base, &used, QUERY_BLOCK * T);
    return used;
}

static gpt_worker *worker_new(const gpt *model, int share, int T) {
    gpt_worker *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    int most = ROWS_PER_PASS / T > 1 ? ROWS_PER_PASS / T : 1;
    w->max_sequences = share < most ? share : most;
    w->max_T = T;
    w->layers = calloc((size_t)model->config.n_layers, sizeof *w->layers);
    w->grads = gpt_floats(model->n_params);
    if (w->layers) w->memory = gpt_floats(worker_layout(w, &model->config, NULL));
    if (!w->layers || !w->grads || !w->memory) {
        worker_free(w);
        return NULL;
    }
    worker_layout(w, &model->config, w->memory);
    return w;
}

int gpt_prepare(gpt *model, int B, int T, int threads) {
    gpt_unprepare(model);
    openblas_set_num_threads(1); /* the threads are ours; BLAS's own would add sums in an order that varies */
    if (threads > B) threads = B;
    if (threads < 1 || T < 1 || T > model->config.max_seq_len) return -1;
    model->workers = calloc((size_t)threads, sizeof *model->workers);
    if (!model->workers) return -1;
    for (; model->n_workers < threads; model->n_workers++) {
        gpt_worker *w = worker_new(model, (B + threads - 1) / threads, T);
        if (!w) {
            gpt_unprepare(model);
            return -1;
        }
        model->workers[model->n_workers] = w;
    }
    model->grads_memory = model->workers[0]->grads;
    return 0;
}

/* y (n, out) = beta y + x (n, in) w(out, in)^T */
static void matmul(float *y, const float *x, const float *w, int n, int in, int out, float beta) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, out, in, 1.0f, x, in, w, in, beta, y, out);
}

/* dx (n, in) = dy (n, out) w;  dw (out, in) += dy^T x;  db (out) += column sums of dy (db may be NULL) */
static void matmul_backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int n, int in, int out) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, in, out, 1.0f, dy, out, w, in, 0.0f, dx, in);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, n, 1.0f, dy, out, x, in, 1.0f, dw, in);
    if (db) loops_bias_backward(db, dy, n, out);
}

/* Causal attention of one head of one sequence, in blocks of queries: a block looks at the keys up to its last query, so
 * nearly half of the square is never computed.  q, k, v: rows of 3C; out: rows of C; att (T, T) is kept. */
static void attention(float *out, float *att, const float *q, const float *k, const float *v, int T, int C, int hs) {
    float scale = 1.0f / sqrtf((float)hs);
    for (int i0 = 0; i0 < T; i0 += QUERY_BLOCK) {
        int rows = T - i0 < QUERY_BLOCK ? T - i0 : QUERY_BLOCK, keys = i0 + rows;
        float *p = att + (long)i0 * T;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, keys, hs, 1.0f, q + (long)i0 * 3 * C, 3 * C, k, 3 * C, 0.0f, p, T);
        loops_causal_softmax(p, T, i0, rows, keys, scale);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, hs, keys, 1.0f, p, T, v, 3 * C, 0.0f, out + (long)i0 * C, C);
    }
}

/* dq, dk, dv are written (rows of 3C); dscores (QUERY_BLOCK, T) is scratch. */
static void attention_backward(float *dq, float *dk, float *dv, float *dscores, const float *dout, const float *att, const float *q,
                               const float *k, const float *v, int T, int C, int hs) {
    float scale = 1.0f / sqrtf((float)hs);
    /* From the last block, which sees all keys, to the first: it overwrites dk and dv, the others add to them. */
    for (int i0 = (T - 1) / QUERY_BLOCK * QUERY_BLOCK; i0 >= 0; i0 -= QUERY_BLOCK) {
        int rows = T - i0 < QUERY_BLOCK ? T - i0 : QUERY_BLOCK, keys = i0 + rows;
        float beta = keys == T ? 0.0f : 1.0f;
        const float *p = att + (long)i0 * T, *d = dout + (long)i0 * C;
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, keys, hs, rows, 1.0f, p, T, d, C, beta, dv, 3 * C);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, keys, hs, 1.0f, d, C, v, 3 * C, 0.0f, dscores, T);
        loops_causal_softmax_backward(dscores, T, p, T, i0, rows, keys, scale);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, hs, keys, 1.0f, dscores, T, k, 3 * C, 0.0f, dq + (long)i0 * 3 * C, 3 * C);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, keys, hs, rows, 1.0f, dscores, T, q + (long)i0 * 3 * C, 3 * C, beta, dk, 3 * C);
    }
}

static void forward(const gpt *model, gpt_worker *w, const int32_t *ids, int sequences, int T) {
    const gpt_tensors *p = &model->params;
    int C = model->config.channels, NH = model->config.n_heads, hs = C / NH, n = sequences * T;
    const float *residual = w->embedded;
    loops_embed(w->embedded, ids, p->wte, p->wpe, n, T, C);
    for (int l = 0; l < model->config.n_layers; l++) {
        layer_acts *a = &w->layers[l];
        long lC = (long)l * C;
        loops_layernorm(a->ln1, a->mean1, a->rstd1, residual, p->ln1w + lC, p->ln1b + lC, n, C);
        loops_bias(a->qkv, NULL, p->qkvb + 3 * lC, n, 3 * C);
        matmul(a->qkv, a->ln1, p->qkvw + 3 * lC * C, n, C, 3 * C, 1.0f);
        for (int b = 0; b < sequences; b++)
            for (int h = 0; h < NH; h++) {
                const float *q = a->qkv + (long)b * T * 3 * C + h * hs;
                attention(a->atty + (long)b * T * C + h * hs, a->att + ((long)b * NH + h) * T * T, q, q + C, q + 2 * C, T, C, hs);
            }
        loops_bias(a->residual2, residual, p->attprojb + lC, n, C);
        matmul(a->residual2, a->atty, p->attprojw + lC * C, n, C, C, 1.0f);
        loops_layernorm(a->ln2, a->mean2, a->rstd2, a->residual2, p->ln2w + lC, p->ln2b + lC, n, C);
        loops_bias(a->fch, NULL, p->fcb + 4 * lC, n, 4 * C);
        matmul(a->fch, a->ln2, p->fcw + 4 * lC * C, n, C, 4 * C, 1.0f);
        loops_gelu(a->gelu, a->fch, n * 4 * C);
        loops_bias(a->residual3, a->residual2, p->fcprojb + lC, n, C);
        matmul(a->residual3, a->gelu, p->fcprojw + 4 * lC * C, n, 4 * C, C, 1.0f);
        residual = a->residual3;
    }
    loops_layernorm(w->lnf, w->meanf, w->rstdf, residual, p->lnfw, p->lnfb, n, C);
    matmul(w->logits, w->lnf, p->wte, n, C, model->config.padded_vocab, 0.0f);
}

/* From the gradient in w->logits to w->grads, which is added to. */
static void backward(const gpt *model, gpt_worker *w, const gpt_tensors *g, const int32_t *ids, int sequences, int T) {
    const gpt_tensors *p = &model->params;
    int L = model->config.n_layers, C = model->config.channels, NH = model->config.n_heads, hs = C / NH, n = sequences * T;
    matmul_backward(w->dc, g->wte, NULL, w->logits, w->lnf, p->wte, n, C, model->config.padded_vocab);
    memset(w->dresidual, 0, (size_t)n * (size_t)C * sizeof(float));
    loops_layernorm_backward(w->dresidual, g->lnfw, g->lnfb, w->dc, w->layers[L - 1].residual3, p->lnfw, w->meanf, w->rstdf, n, C);
    for (int l = L - 1; l >= 0; l--) {
        layer_acts *a = &w->layers[l];
        long lC = (long)l * C;
        const float *residual = l ? w->layers[l - 1].residual3 : w->embedded;
        matmul_backward(w->d4c, g->fcprojw + 4 * lC * C, g->fcprojb + lC, w->dresidual, a->gelu, p->fcprojw + 4 * lC * C, n, 4 * C, C);
        loops_gelu_backward(w->d4c, a->fch, n * 4 * C);
        matmul_backward(w->dc, g->fcw + 4 * lC * C, g->fcb + 4 * lC, w->d4c, a->ln2, p->fcw + 4 * lC * C, n, C, 4 * C);
        loops_layernorm_backward(w->dresidual, g->ln2w + lC, g->ln2b + lC, w->dc, a->residual2, p->ln2w + lC, a->mean2, a->rstd2, n, C);
        matmul_backward(w->dc, g->attprojw + lC * C, g->attprojb + lC, w->dresidual, a->atty, p->attprojw + lC * C, n, C, C);
        for (int b = 0; b < sequences; b++)
            for (int h = 0; h < NH; h++) {
                long at = (long)b * T * 3 * C + h * hs;
                const float *q = a->qkv + at;
                float *dq = w->dqkv + at;
                attention_backward(dq, dq + C, dq + 2 * C, w->dscores, w->dc + (long)b * T * C + h * hs,
                                   a->att + ((long)b * NH + h) * T * T, q, q + C, q + 2 * C, T, C, hs);
            }
        matmul_backward(w->dc, g->qkvw + 3 * lC * C, g->qkvb + 3 * lC, w->dqkv, a->ln1, p->qkvw + 3 * lC * C, n, C, 3 * C);
        loops_layernorm_backward(w->dresidual, g->ln1w + lC, g->ln1b + lC, w->dc, residual, p->ln1w + lC, a->mean1, a->rstd1, n, C);
    }
    loops_embed_backward(g->wte, g->wpe, w->dresidual, ids, n, T, C);
}

/* One worker's share of the batch: sequences first .. end-1. */
static void run_share(const gpt *model, gpt_worker *w, const int32_t *ids, const int32_t *targets, int first, int end, int T, float scale,
                      float *each) {
    gpt_tensors grads;
    gpt_point_tensors(&grads, w->grads, model->sizes);
    if (scale != 0.0f) memset(w->grads, 0, model->n_params * sizeof(float));
    w->loss = 0.0;
    for (int b = first; b < end; b += w->max_sequences) {
        int sequences = end - b < w->max_sequences ? end - b : w->max_sequences;
        long at = (long)b * T;
        forward(model, w, ids + at, sequences, T);
        w->loss += loops_cross_entropy(w->logits, targets + at, sequences * T, model->config.vocab_size, model->config.padded_vocab, scale,
                                       each ? each + at : NULL);
        if (scale != 0.0f) backward(model, w, &grads, ids + at, sequences, T);
    }
}

static double run_batch(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T, float scale, float *each) {
    int W = model->n_workers;
    /* schedule(static, 1): worker i is thread i, and the loop is right even if fewer threads than asked for turn up */
#pragma omp parallel for schedule(static, 1) num_threads(W)
    for (int i = 0; i < W; i++)
        run_share(model, model->workers[i], ids, targets, (int)((long)B * i / W), (int)((long)B * (i + 1) / W), T, scale, each);
    double loss = 0.0;
    for (int i = 0; i < W; i++) loss += model->workers[i]->loss;
    return loss / ((double)B * T);
}

double gpt_loss(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T) {
    return run_batch(model, ids, targets, B, T, 0.0f, NULL);
}

double gpt_losses(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T, float *losses) {
    return run_batch(model, ids, targets, B, T, 0.0f, losses);
}

double gpt_loss_and_grads(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T) {
    double loss = run_batch(model, ids, targets, B, T, (float)(1.0 / ((double)B * T)), NULL);
    int W = model->n_workers;
    long n = (long)model->n_params;
#pragma omp parallel for schedule(static) num_threads(W)
    for (long at = 0; at < n; at += ADD_CHUNK) {
        int len = (int)(n - at < ADD_CHUNK ? n - at : ADD_CHUNK);
        for (int i = 1; i < W; i++) loops_add(model->grads_memory + at, model->workers[i]->grads + at, len);
    }
    return loss;
}

const gpt_tensors *gpt_weights(const gpt *model) { return &model->params; }
void *gpt_stream(const gpt *model) { return (void)model, NULL; }
