/* gpu_model.cuh -- models of random weights in a GPU's memory, as plans that the CUDA backend opens, and rows to decode with
 * them: what gpu_bench.cu and gpu_first.cu share. */
#ifndef GLIMPSE_BENCH_GPU_MODEL_CUH
#define GLIMPSE_BENCH_GPU_MODEL_CUH

#include "tests/bench/gpu_tools.cuh"

extern "C" const backend_ops backend_cuda;

enum { PROMPT = 128, CONTEXT = 256, MAX_PHASES = 2 + 5 * 64, MAX_BLOCKS = 1024 };

typedef struct shape {
    const char *name;
    int L, H, KV, hd, C, F, V;
    bool llama, half;
} shape;

static const shape shapes[] = {
    {"gpt2-124M bf16", 12, 12, 12, 64, 768, 3072, 50257, false, true},
    {"gpt2-124M f32", 12, 12, 12, 64, 768, 3072, 50257, false, false},
    {"gpt2-1.5B bf16", 48, 25, 25, 64, 1600, 6400, 50257, false, true},
    {"llama-8B bf16", 32, 32, 8, 128, 4096, 14336, 128256, true, true},
};
static const shape small = {"tiny", 2, 4, 2, 16, 64, 96, 97, true, true};

typedef struct built {
    plan p;
    phase phases[MAX_PHASES];
    void *memory[MAX_BLOCKS];
    int n_memory;
    struct { const void *at; int64_t bytes; } read[MAX_BLOCKS]; /* of the weights, by a step */
    int n_read;
    double inv_freq[128];
    cudaStream_t stream;
} built;

static void is_read(built *m, const matrix *w) {
    m->read[m->n_read].at = w->data;
    m->read[m->n_read++].bytes = w->rows * w->cols * (w->dtype == GLIMPSE_F32 ? 4 : 2);
}
static matrix weights(built *m, const shape *s, int64_t rows, int64_t cols, bool counts) {
    matrix w;
    memset(&w, 0, sizeof w);
    w.data = random_memory(m->stream, s->half, rows * cols, 0.02f, (unsigned)m->n_memory);
    m->memory[m->n_memory++] = (void *)(uintptr_t)w.data;
    w.dtype = s->half ? GLIMPSE_BF16 : GLIMPSE_F32;
    w.rows = rows;
    w.cols = w.row_stride = cols;
    w.col_stride = 1;
    if (counts) is_read(m, &w);
    return w;
}
static vector numbers(built *m, const shape *s, int64_t n) {
    matrix w = weights(m, s, 1, n, true);
    vector v = {w.data, w.dtype, n};
    return v;
}
static norm_spec norm_of(built *m, const shape *s) {
    norm_spec n;
    memset(&n, 0, sizeof n);
    n.on = true;
    n.kind = s->llama ? GLIMPSE_RMSNORM : GLIMPSE_LAYERNORM;
    n.eps = 1e-5f;
    n.weight = numbers(m, s, s->C);
    if (!s->llama) n.bias = numbers(m, s, s->C);
    return n;
}
static phase *add(built *m, phase_kind kind, int layer, int in, int out) {
    phase *f = &m->phases[m->p.n_phases++];
    memset(f, 0, sizeof *f);
    f->kind = kind;
    f->layer = layer;
    f->in = in;
    f->out = out;
    f->embed_scale = 1;
    return f;
}
static void part(built *m, const shape *s, phase *f, int64_t rows, int64_t cols) {
    f->part[f->n_parts] = weights(m, s, rows, cols, true);
    if (!s->llama) f->bias[f->n_parts] = numbers(m, s, rows);
    f->n_parts++;
}

/* head_only: embed and head, for what a draw costs beside it. */
static void build(built *m, const shape *s, bool head_only) {
    cudaStream_t stream = m->stream;
    memset(m, 0, sizeof *m);
    m->stream = stream;
    m->p.phases = m->phases;
    int A = s->H * s->hd, K = s->KV * s->hd;
    phase *f = add(m, PHASE_EMBED, -1, 0, 0);
    f->embedding = weights(m, s, s->V, s->C, false);
    matrix tied = f->embedding;
    if (!s->llama) f->positions = weights(m, s, 1024, s->C, false);
    for (int i = 0; i < s->hd / 2; i++) m->inv_freq[i] = pow(500000.0, -2.0 * i / s->hd);
    for (int l = 0; l < s->L && !head_only; l++) {
        f = add(m, PHASE_MATMUL, l, 0, 1);
        f->store = STORE_QKV;
        f->norm = norm_of(m, s);
        f->heads = s->H, f->kv_heads = s->KV, f->head_size = s->hd;
        part(m, s, f, A, s->C);
        part(m, s, f, K, s->C);
        part(m, s, f, K, s->C);
        if (s->llama) f->rope.inv_freq = m->inv_freq, f->rope.dims = s->hd, f->rope.scale = 1;
        f = add(m, PHASE_ATTEND, l, 1, 2);
        f->heads = s->H, f->kv_heads = s->KV, f->head_size = s->hd;
        f->scale = (float)(1 / sqrt((double)s->hd));
        f = add(m, PHASE_MATMUL, l, 2, 0);
        f->store = STORE_ADD;
        part(m, s, f, s->C, A);
        f = add(m, PHASE_MATMUL, l, 0, 3);
        f->store = s->llama ? STORE_GATED : STORE_SET;
        f->norm = norm_of(m, s);
        f->activate = true;
        f->activation = s->llama ? GLIMPSE_SILU : GLIMPSE_GELU_TANH;
        part(m, s, f, s->F, s->C);
        if (s->llama) part(m, s, f, s->F, s->C);
        f = add(m, PHASE_MATMUL, l, 3, 0);
        f->store = STORE_ADD;
        part(m, s, f, s->C, s->F);
    }
    f = add(m, PHASE_HEAD, -1, 0, 0);
    f->norm = norm_of(m, s);
    f->n_parts = 1;
    f->part[0] = s->llama ? weights(m, s, s->V, s->C, false) : tied;
    is_read(m, &f->part[0]);
    m->p.n_buffers = 4;
    m->p.width[0] = s->C, m->p.width[1] = m->p.width[2] = A, m->p.width[3] = s->F;
    m->p.n_layers = head_only ? 0 : s->L;
    m->p.vocab = s->V;
    m->p.max_seq_len = 1024;
}
static void release(built *m) {
    for (int i = 0; i < m->n_memory; i++) MUST(cudaFree(m->memory[i]));
    m->n_memory = 0;
}

static void must(glimpse_status st) {
    if (st >= 0) return;
    fprintf(stderr, "%s\n", status_text());
    exit(1);
}

static void fill_rows(burst_row *rows, int B, int pos, int steps, bool prefix, int V) {
    memset(rows, 0, (size_t)B * sizeof *rows);
    for (int i = 0; i < B; i++) {
        backend_row r = {(i * 7919 + 1) % V, pos, i, prefix ? B : -1, prefix ? PROMPT : 0, 1, 0};
        rows[i].row = r;
        rows[i].key = (uint64_t)i + 1;
        rows[i].steps = steps;
        rows[i].eos = -1;
        rows[i].n_ops = 2;
        rows[i].ops[0].kind = BURST_TEMPERATURE, rows[i].ops[0].v[0] = 0.8;
        rows[i].ops[1].kind = BURST_TOP_K, rows[i].ops[1].v[0] = 200;
    }
}

static burst_token tokens[64 * BURST_MAX_STEPS];
static burst_top tops[64 * BURST_MAX_STEPS * 20];
static int32_t n_drawn[64];

/* As the table has it: nothing shared, the largest logit is drawn. */
static void greedy_rows(burst_row *rows, int B, int pos, int steps, int V) {
    fill_rows(rows, B, pos, steps, false, V);
    for (int i = 0; i < B; i++) rows[i].n_ops = 1, rows[i].ops[0].v[0] = 0;
}

static void print_line(void *user, const char *line) {
    (void)user;
    fprintf(stderr, "     %s\n", line); /* a worker's standard output is its answers */
}

/* A backend over a model, and keys and values that are not zero: in the prompt's strip, and up to `at` in B others.  `way` and
 * `blocks` as backend_config's. */
static backend *open_decoder_by(built *m, const shape *s, int B, int prompt, int at, decode_way way, int blocks) {
    backend *be = NULL;
    backend_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.threads = 1;
    cfg.max_rows = 128;
    cfg.max_logits = 64;
    cfg.n_strips = B + 1;
    cfg.strip_tokens = 512;
    cfg.cache = s->half ? GLIMPSE_BF16 : GLIMPSE_F32;
    cfg.decode = way;
    cfg.decode_blocks = blocks;
    cfg.say = print_line;
    MUST(cudaStreamSynchronize(m->stream));
    must(backend_cuda.open(&be, &m->p, &cfg));
    must(be->ops->refresh(be));
    backend_row in[PROMPT];
    const float *logits;
    int64_t stride;
    for (int strip = 0; strip <= B; strip++)
        for (int from = 0; from < (strip < B ? at : prompt); from += prompt) {
            int n = strip < B && at - from < prompt ? at - from : prompt;
            for (int i = 0; i < n; i++) {
                backend_row r = {(i * 31 + from) % s->V, from + i, strip, -1, 0, 0, 0};
                in[i] = r;
            }
            must(be->ops->forward(be, in, n, &logits, &stride));
        }
    return be;
}
static backend *open_decoder(built *m, const shape *s, int B, int prompt, int at) { return open_decoder_by(m, s, B, prompt, at, DECODE_AUTO, 0); }

#endif
