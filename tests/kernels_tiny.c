/* kernels_tiny.c -- see test_kernels.h. */
#include "tests/test_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dtype.h"
#include "tests/oracle.h"
#include "tests/test.h"

const char *const all_isas[3] = {"avx512", "avx2", "generic"};

void *tiny_take(tiny *m, size_t bytes) {
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p || m->n_memory == 512) abort();
    m->memory[m->n_memory++] = p;
    return p;
}

static uint16_t to_half(float f, glimpse_dtype t) {
    if (t == GLIMPSE_BF16) {
        uint32_t u = f32_to_bits(f);
        return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
    }
    int e = 0; /* f16, of values that are normal there or small */
    double a = frexp(fabs((double)f), &e);
    uint16_t sign = f < 0 ? 0x8000 : 0;
    if (e < -13) return (uint16_t)(sign | (uint16_t)lrint(ldexp(a, e + 24)));
    return (uint16_t)(sign + (((uint32_t)(e + 14)) << 10) + (uint32_t)lrint((2 * a - 1) * 1024));
}

static void put(void *data, glimpse_dtype t, int64_t i, float f) {
    if (t == GLIMPSE_F32) ((float *)data)[i] = f;
    else ((uint16_t *)data)[i] = to_half(f, t);
}

matrix tiny_matrix(tiny *m, const shape *s, int64_t rows, int64_t cols, double sd) {
    matrix w = {.dtype = s->dtype, .rows = rows, .cols = cols};
    w.col_stride = s->transposed ? rows : s->strided ? 2 : 1;
    w.row_stride = s->transposed ? 1 : s->strided ? 2 * cols + 3 : cols;
    /* exactly as long as it must be: a read beyond is seen by the sanitizer */
    size_t n = (size_t)((rows - 1) * w.row_stride + (cols - 1) * w.col_stride + 1);
    void *data = tiny_take(m, n * dtype_bytes(s->dtype));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            put(data, s->dtype, r * w.row_stride + c * w.col_stride, (float)(sd * oracle_normal(&m->random)));
    w.data = data;
    return w;
}

vector tiny_vector(tiny *m, const shape *s, int64_t n, double mean, double sd) {
    void *data = tiny_take(m, (size_t)n * dtype_bytes(s->dtype));
    for (int64_t i = 0; i < n; i++) put(data, s->dtype, i, (float)(mean + sd * oracle_normal(&m->random)));
    return (vector){data, s->dtype, n};
}

matrix tiny_identity(tiny *m, int64_t n) {
    float *data = tiny_take(m, (size_t)(n * n) * sizeof *data);
    for (int64_t i = 0; i < n; i++) data[i * n + i] = 1;
    return (matrix){data, GLIMPSE_F32, n, n, n, 1};
}

static norm_spec norm_of(tiny *m, const shape *s, int64_t n, glimpse_norm kind) {
    norm_spec norm = {.on = true, .kind = kind, .eps = 1e-5f, .plus_one = s->plus_one};
    norm.weight = tiny_vector(m, s, n, s->plus_one ? 0 : 1, 0.2);
    if (kind == GLIMPSE_LAYERNORM && s->biases) norm.bias = tiny_vector(m, s, n, 0, 0.2);
    return norm;
}

/* rows (total) in one part or, when split, in n_parts of the given rows */
static void parts_of(tiny *m, const shape *s, phase *ph, const int64_t *rows, int n_parts, int64_t cols) {
    int64_t total = 0;
    for (int i = 0; i < n_parts; i++) total += rows[i];
    ph->n_parts = s->split ? n_parts : 1;
    for (int i = 0; i < ph->n_parts; i++) {
        int64_t n = s->split ? rows[i] : total;
        ph->part[i] = tiny_matrix(m, s, n, cols, 1 / sqrt((double)cols));
        if (s->biases) ph->bias[i] = tiny_vector(m, s, n, 0, 0.3);
    }
}

void tiny_build(tiny *m, const shape *s, uint64_t seed) {
    memset(m, 0, sizeof *m);
    m->random = seed;
    int32_t C = s->channels, A = s->heads * s->hd, kv = s->kv_heads * s->hd;
    phase *ph = m->phases;
    m->inv_freq = tiny_take(m, (size_t)(s->rope_dims + 1) * sizeof *m->inv_freq);
    for (int i = 0; i < s->rope_dims / 2; i++) 
        m->inv_freq[i] = pow(10000.0, -2.0 * i / s->rope_dims), m->inv_freq[s->rope_dims / 2 + i] = m->inv_freq[i] / 3;
    *ph = (phase){.kind = PHASE_EMBED, .layer = -1, .out = 0, .embed_scale = s->embed_scale};
    ph->embedding = tiny_matrix(m, s, s->vocab + 3, C, 1);
    if (s->learned) ph->positions = tiny_matrix(m, s, s->tokens, C, 0.5);
    matrix tied = ph->embedding;
    ph++;
    for (int l = 0; l < s->layers; l++) {
        *ph = (phase){.kind = PHASE_MATMUL, .layer = l, .in = 0, .out = 1, .store = STORE_QKV, .heads = s->heads,
                      .kv_heads = s->kv_heads, .head_size = s->hd, .grouped = s->grouped};
        ph->norm = norm_of(m, s, C, s->norm);
        parts_of(m, s, ph, (int64_t[]){A, kv, kv}, 3, C);
        if (s->qk_norm) {
            ph->q_norm = norm_of(m, s, s->hd, GLIMPSE_RMSNORM);
            ph->k_norm = norm_of(m, s, s->hd, GLIMPSE_RMSNORM);
        }
        if (s->rope_dims) ph->rope = (rope_spec){m->inv_freq, s->rope_dims, s->interleaved, s->rope_scale,
                                                s->far ? m->inv_freq + s->rope_dims / 2 : NULL, s->tokens / 2};
        ph++;
        *ph++ = (phase){.kind = PHASE_ATTEND, .layer = l, .in = 1, .out = 2, .heads = s->heads,
                        .kv_heads = s->kv_heads, .head_size = s->hd, .scale = s->scale, .softcap = s->softcap,
                        .window = l % 2 ? 0 : s->window};
        *ph = (phase){.kind = PHASE_MATMUL, .layer = l, .in = 2, .out = 0, .store = STORE_ADD};
        parts_of(m, s, ph, (int64_t[]){C}, 1, A);
        if (s->post_norm) ph->post_norm = norm_of(m, s, C, s->norm);
        ph++;
        *ph = (phase){.kind = PHASE_MATMUL, .layer = l, .in = 0, .out = 3, .store = s->gated ? STORE_GATED : STORE_SET,
                      .activate = true, .activation = s->activation};
        ph->norm = norm_of(m, s, C, s->norm);
        parts_of(m, s, ph, (int64_t[]){s->ffn, s->ffn}, s->gated ? 2 : 1, C);
        ph++;
        *ph = (phase){.kind = PHASE_MATMUL, .layer = l, .in = 3, .out = 0, .store = STORE_ADD};
        parts_of(m, s, ph, (int64_t[]){C}, 1, s->ffn);
        if (s->post_norm) ph->post_norm = norm_of(m, s, C, s->norm);
        ph++;
    }
    *ph = (phase){.kind = PHASE_HEAD, .layer = -1, .in = 0, .n_parts = 1, .softcap = s->logit_softcap};
    ph->norm = norm_of(m, s, C, s->norm);
    ph->part[0] = tied;
    ph++;
    m->p = (plan){.phases = m->phases, .n_phases = (int)(ph - m->phases), .n_buffers = 4,
                  .width = {C, A, A, s->ffn}, .n_layers = s->layers, .heads = s->heads, .kv_heads = s->kv_heads,
                  .head_size = s->hd, .channels = C, .vocab = s->vocab, .max_seq_len = s->tokens};
}

void tiny_free(tiny *m) {
    for (int i = 0; i < m->n_memory; i++) free(m->memory[i]);
    m->n_memory = 0;
}

float *tiny_spoil(tiny *m, float hot) {
    float *table = (float *)(uintptr_t)m->phases[0].embedding.data;
    table[3 * 60 + 7] = NAN;
    table[4 * 60 + 1] = INFINITY;
    for (int i = 0; i < 60; i++) table[5 * 60 + i] = i == 9 ? hot : 0;
    return table;
}

void rows_of(backend_row *rows, const int32_t *ids, int n, int pos, int strip) {
    for (int i = 0; i < n; i++) rows[i] = (backend_row){ids[i], pos + i, strip, -1, 0, 1, 0};
}

bool run_rows_on(backend *be, const plan *p, const backend_row *rows, int n, float *out) {
    const float *logits = NULL;
    int64_t stride = 0, line = 0;
    if (!EXPECT_OK(be->ops->forward(be, rows, n, &logits, &stride))) return false;
    for (int i = 0; i < n; i++)
        if (rows[i].want_logits) {
            memcpy(out + line * p->vocab, logits + line * stride, (size_t)p->vocab * sizeof *out);
            line++;
        }
    return true;
}

bool run_once(const backend_ops *ops, const plan *p, const char *isa, int threads, const backend_row *rows, int n,
              int n_strips, int tokens, float *out) {
    backend_config cfg = {.threads = threads, .max_rows = n, .max_logits = n, .n_strips = n_strips,
                          .strip_tokens = tokens, .isa = isa};
    backend *be = NULL;
    if (!EXPECT_OK(ops->open(&be, p, &cfg))) return false;
    bool ok = EXPECT_OK(ops->refresh(be)) && run_rows_on(be, p, rows, n, out);
    ops->close(be);
    return ok;
}

bool expect_close(const float *a, const float *b, int64_t n, double tol, const char *what) {
    for (int64_t i = 0; i < n; i++) {
        if ((isnan(a[i]) && isnan(b[i])) || (isinf(b[i]) && a[i] == b[i])) continue;
        double diff = fabs((double)a[i] - (double)b[i]);
        if (!(diff <= tol * (1 + fabs((double)b[i]))))
            return test_check(false, __FILE__, __LINE__, "%s: element %lld is %.9g, the reference says %.9g", what,
                              (long long)i, (double)a[i], (double)b[i]);
    }
    return true;
}

bool isa_runs(const char *isa) {
    shape s = SHAPE_GPT2;
    tiny m;
    tiny_build(&m, &s, 1);
    backend_config cfg = {.threads = 1, .max_rows = 1, .max_logits = 1, .n_strips = 1, .strip_tokens = 1, .isa = isa};
    backend *be = NULL;
    bool runs = backend_cpu.open(&be, &m.p, &cfg) == GLIMPSE_OK;
    if (runs) backend_cpu.close(be);
    tiny_free(&m);
    return runs;
}

void expect_like_reference(const plan *p, const backend_row *rows, int n, int n_strips, int tokens, double tol,
                           const char *what) {
    size_t size = (size_t)n * (size_t)p->vocab;
    float *want = calloc(size, sizeof *want), *got = calloc(size, sizeof *got);
    int64_t wanted = 0;
    for (int i = 0; i < n; i++) wanted += rows[i].want_logits;
    if (run_once(&backend_reference, p, NULL, 1, rows, n, n_strips, tokens, want))
        for (int i = 0; i < 3; i++) {
            char text[128];
            if (!isa_runs(all_isas[i])) continue;
            snprintf(text, sizeof text, "%s (%s)", what, all_isas[i]);
            memset(got, 0xff, size * sizeof *got);
            if (run_once(&backend_cpu, p, all_isas[i], 2, rows, n, n_strips, tokens, got))
                expect_close(got, want, wanted * p->vocab, tol, text);
        }
    free(want);
    free(got);
}
