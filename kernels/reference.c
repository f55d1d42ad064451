/* reference.c -- the definition of every phase of a plan: executed slowly and obviously, in double.
 *
 * Weights become double as they are read (strides and all), the cache and the buffers are double, logits become float
 * at the very end.  Sums run over rising indices.  Nothing is fused, blocked or threaded.  What is not finite follows
 * IEEE arithmetic: a softmax over scores of which one is NaN or +inf, or all are -inf, is NaN.
 *
 * Called by tests/ (each backend is compared with it, descriptor by descriptor) and by whoever wants certainty. */
#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "kernels/backend.h"
#include "kernels/check.h"
#include "kernels/dtype.h"

typedef struct reference {
    backend base;
    const plan *p;
    backend_config cfg;
    layer_shape *shape;              /* (L) */
    double *buf[PLAN_MAX_BUFFERS];   /* (max_rows, width) */
    double *x, *y;                   /* one row before and after a matmul */
    double *s;                       /* (strip_tokens) scores of one head */
    double **k, **v;                 /* (L) of (n_strips, strip_tokens, KV, hd) */
    int32_t *last;                   /* (n_strips), see rows_check */
    float *logits;                   /* (max_logits, V) */
    int64_t bytes;
} reference;

/* Vectors and matrices ------------------------------------------------------------------------------------------- */

static double element(const matrix *m, int64_t row, int64_t col) {
    return load_element(m->data, m->dtype, row * m->row_stride + col * m->col_stride);
}

static double component(const vector *v, int64_t i, double absent) {
    return v->data ? (double)load_element(v->data, v->dtype, i) : absent;
}

/* x (n) is normalised in place. */
static void normalise(const norm_spec *s, double *x, int64_t n) {
    double mean = 0, square = 0;
    if (s->kind == GLIMPSE_LAYERNORM) {
        for (int64_t i = 0; i < n; i++) mean += x[i];
        mean /= (double)n;
    }
    for (int64_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    double scale = 1 / sqrt(square / (double)n + (double)s->eps);
    for (int64_t i = 0; i < n; i++) {
        double w = component(&s->weight, i, s->plus_one ? 0 : 1) + (s->plus_one ? 1 : 0);
        x[i] = (x[i] - mean) * scale * w + component(&s->bias, i, 0);
    }
}

static double activate(glimpse_activation a, double x) {
    switch (a) {
    case GLIMPSE_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case GLIMPSE_GELU_ERF: return 0.5 * x * (1 + erf(x / sqrt(2)));
    case GLIMPSE_SILU: return x / (1 + exp(-x));
    case GLIMPSE_RELU: return x <= 0 ? 0 : x; /* NaN stays */
    }
    return NAN;
}

static double soften(double x, double cap) { return cap > 0 ? cap * tanh(x / cap) : x; }

/* x (head_size), one head of one row. */
static void rotate(const rope_spec *r, double *x, const backend_row *row) {
    if (!r->inv_freq) return;
    int32_t half = r->dims / 2;
    const double *inv_freq = r->inv_freq_long && row->reach > r->long_after ? r->inv_freq_long : r->inv_freq;
    for (int32_t i = 0; i < half; i++) {
        double angle = row->pos * inv_freq[i], c = cos(angle) * (double)r->scale, s = sin(angle) * (double)r->scale;
        double *a = r->interleaved ? &x[2 * i] : &x[i], *b = r->interleaved ? &x[2 * i + 1] : &x[i + half];
        double a0 = *a, b0 = *b;
        *a = a0 * c - b0 * s;
        *b = b0 * c + a0 * s;
    }
}

/* Phases --------------------------------------------------------------------------------------------------------- */

static double *cached(double *layer, const reference *be, const phase *ph, int32_t strip, int32_t pos) {
    return layer + ((size_t)strip * (size_t)be->cfg.strip_tokens + (size_t)pos) * (size_t)ph->kv_heads *
                       (size_t)ph->head_size;
}

static void embed(reference *be, const phase *ph, const backend_row *row, double *out) {
    for (int64_t c = 0; c < ph->embedding.cols; c++) {
        out[c] = element(&ph->embedding, row->id, c) * (double)ph->embed_scale;
        if (ph->positions.data) out[c] += element(&ph->positions, row->pos, c);
    }
    (void)be;
}

/* y = activation(W norm(in) + b), not yet stored. */
static void multiply(reference *be, const phase *ph, const double *in) {
    int64_t k = be->p->width[ph->in], n = 0;
    memcpy(be->x, in, (size_t)k * sizeof *in);
    if (ph->norm.on) normalise(&ph->norm, be->x, k);
    for (int part = 0; part < ph->n_parts; part++) {
        const matrix *m = &ph->part[part];
        for (int64_t row = 0; row < m->rows; row++, n++) {
            double sum = 0;
            for (int64_t col = 0; col < k; col++) sum += element(m, row, col) * be->x[col];
            be->y[n] = sum + component(&ph->bias[part], row, 0);
        }
    }
    if (ph->activate && ph->store != STORE_GATED)
        for (int64_t i = 0; i < n; i++) be->y[i] = activate(ph->activation, be->y[i]);
    if (ph->post_norm.on) normalise(&ph->post_norm, be->y, n);
}

static void store(reference *be, const phase *ph, const backend_row *row, double *out) {
    int64_t n = be->p->width[ph->out];
    const double *y = be->y;
    if (ph->store == STORE_SET || ph->store == STORE_ADD) {
        for (int64_t i = 0; i < n; i++) out[i] = ph->store == STORE_ADD ? out[i] + y[i] : y[i];
    } else if (ph->store == STORE_GATED) {
        for (int64_t i = 0; i < n; i++) out[i] = activate(ph->activation, y[i]) * y[n + i];
    } else {
        int32_t hd = ph->head_size;
        double *k = cached(be->k[ph->layer], be, ph, row->strip, row->pos);
        double *v = cached(be->v[ph->layer], be, ph, row->strip, row->pos);
        size_t keys = (size_t)ph->kv_heads * (size_t)hd, head_bytes = (size_t)hd * sizeof *y;
        int32_t share = ph->heads / ph->kv_heads;
        if (ph->grouped) {
            for (int32_t g = 0; g < ph->kv_heads; g++) {
                const double *group = y + (int64_t)g * (share + 2) * hd;
                memcpy(out + (int64_t)g * share * hd, group, (size_t)share * head_bytes);
                memcpy(k + (int64_t)g * hd, group + (int64_t)share * hd, head_bytes);
                memcpy(v + (int64_t)g * hd, group + (int64_t)(share + 1) * hd, head_bytes);
            }
        } else {
            memcpy(out, y, (size_t)n * sizeof *y);
            memcpy(k, y + n, keys * sizeof *y);
            memcpy(v, y + n + keys, keys * sizeof *y);
        }
        for (int32_t h = 0; h < ph->heads + ph->kv_heads; h++) {
            bool query = h < ph->heads;
            double *head = query ? out + (int64_t)h * hd : k + (int64_t)(h - ph->heads) * hd;
            const norm_spec *norm = query ? &ph->q_norm : &ph->k_norm;
            if (norm->on) normalise(norm, head, hd);
            rotate(&ph->rope, head, row);
        }
    }
}

/* out (heads * hd) for one row; `in` may be `out`. */
static void attend(reference *be, const phase *ph, const backend_row *row, const double *in, double *out) {
    int32_t hd = ph->head_size, first = 0;
    if (ph->window > 0 && row->pos >= ph->window) first = row->pos - ph->window + 1;
    for (int32_t h = 0; h < ph->heads; h++) {
        size_t kv = (size_t)(h / (ph->heads / ph->kv_heads)) * (size_t)hd;
        double max = -INFINITY, sum = 0;
        for (int32_t t = first; t <= row->pos; t++) {
            int32_t strip = t < row->prefix_tokens ? row->prefix_strip : row->strip;
            const double *k = cached(be->k[ph->layer], be, ph, strip, t) + kv;
            double dot = 0;
            for (int32_t i = 0; i < hd; i++) dot += in[(int64_t)h * hd + i] * k[i];
            be->s[t] = soften((double)ph->scale * dot, (double)ph->softcap);
            if (be->s[t] > max) max = be->s[t];
        }
        for (int32_t i = 0; i < hd; i++) be->y[i] = 0;
        for (int32_t t = first; t <= row->pos; t++) {
            int32_t strip = t < row->prefix_tokens ? row->prefix_strip : row->strip;
            const double *v = cached(be->v[ph->layer], be, ph, strip, t) + kv;
            double p = exp(be->s[t] - max);
            sum += p;
            for (int32_t i = 0; i < hd; i++) be->y[i] += p * v[i];
        }
        for (int32_t i = 0; i < hd; i++) out[(int64_t)h * hd + i] = be->y[i] / sum;
    }
}

static void head(reference *be, const phase *ph, const double *in, float *logits) {
    multiply(be, ph, in);
    for (int32_t i = 0; i < be->p->vocab; i++) logits[i] = (float)soften(be->y[i], (double)ph->softcap);
}

static glimpse_status reference_forward(backend *self, const backend_row *rows, int32_t n_rows, const float **logits,
                                        int64_t *stride) {
    reference *be = (reference *)self;
    const plan *p = be->p;
    int32_t wanted = 0;
    TRY(rows_check(p, &be->cfg, rows, n_rows, be->last, &wanted));
    for (int i = 0; i < p->n_phases; i++) {
        const phase *ph = &p->phases[i];
        int64_t lines = 0;
        for (int32_t r = 0; r < n_rows; r++) {
            double *in = ph->kind == PHASE_EMBED ? NULL : be->buf[ph->in] + (int64_t)r * p->width[ph->in];
            double *out = ph->kind == PHASE_HEAD ? NULL : be->buf[ph->out] + (int64_t)r * p->width[ph->out];
            if (ph->kind == PHASE_EMBED) embed(be, ph, &rows[r], out);
            if (ph->kind == PHASE_MATMUL) multiply(be, ph, in), store(be, ph, &rows[r], out);
            if (ph->kind == PHASE_ATTEND) attend(be, ph, &rows[r], in, out);
            if (ph->kind == PHASE_HEAD && rows[r].want_logits) head(be, ph, in, be->logits + lines++ * p->vocab);
        }
    }
    *logits = be->logits;
    *stride = p->vocab;
    return GLIMPSE_OK;
}

/* Life ----------------------------------------------------------------------------------------------------------- */

static void reference_close(backend *self) {
    reference *be = (reference *)self;
    if (!be) return;
    for (int i = 0; i < PLAN_MAX_BUFFERS; i++) free(be->buf[i]);
    for (int i = 0; i < be->p->n_layers; i++) {
        if (be->k) free(be->k[i]);
        if (be->v) free(be->v[i]);
    }
    free(be->k);
    free(be->v);
    free(be->x);
    free(be->y);
    free(be->s);
    free(be->shape);
    free(be->last);
    free(be->logits);
    free(be);
}

/* a * b * c zeroed elements of `size` bytes, counted in be->bytes. */
static glimpse_status take(reference *be, void *out, size_t a, size_t b, size_t c, size_t size) {
    size_t bytes;
    if (!size_mul(a ? a : 1, b, c, size, &bytes))
        FAIL(GLIMPSE_E_MEMORY, "a buffer of %zu x %zu x %zu elements is larger than any memory", a, b, c);
    void *m = calloc(1, bytes);
    if (!m) FAIL(GLIMPSE_E_MEMORY, "no memory for %zu bytes", bytes);
    memcpy(out, &m, sizeof m);
    be->bytes += (int64_t)bytes;
    return GLIMPSE_OK;
}

static glimpse_status reference_open(backend **out, const plan *p, const backend_config *cfg) {
    glimpse_status st = GLIMPSE_OK;
    TRY(plan_check(p, cfg));
    reference *be = calloc(1, sizeof *be);
    if (!be) FAIL(GLIMPSE_E_MEMORY, "no memory for %zu bytes", sizeof *be);
    *be = (reference){.base = {&backend_reference}, .p = p, .cfg = *cfg, .bytes = sizeof *be};
    size_t layers = (size_t)p->n_layers, strips = (size_t)cfg->n_strips, tokens = (size_t)cfg->strip_tokens;
    size_t x = 1, y = 1;
    for (int i = 0; i < p->n_buffers; i++) {
        TRY_GOTO(take(be, &be->buf[i], (size_t)cfg->max_rows, (size_t)p->width[i], 1, sizeof(double)));
        if ((size_t)p->width[i] > x) x = (size_t)p->width[i];
    }
    for (int i = 0; i < p->n_phases; i++) {
        const phase *ph = &p->phases[i];
        if (ph->kind == PHASE_MATMUL || ph->kind == PHASE_HEAD)
            if ((size_t)phase_columns(ph) > y) y = (size_t)phase_columns(ph);
    }
    TRY_GOTO(take(be, &be->x, x, 1, 1, sizeof(double)));
    TRY_GOTO(take(be, &be->y, x > y ? x : y, 1, 1, sizeof(double)));
    TRY_GOTO(take(be, &be->s, tokens, 1, 1, sizeof(double)));
    TRY_GOTO(take(be, &be->last, strips, 1, 1, sizeof(int32_t)));
    TRY_GOTO(take(be, &be->logits, (size_t)cfg->max_logits, (size_t)p->vocab, 1, sizeof(float)));
    TRY_GOTO(take(be, &be->shape, layers, 1, 1, sizeof *be->shape));
    TRY_GOTO(take(be, &be->k, layers, 1, 1, sizeof *be->k));
    TRY_GOTO(take(be, &be->v, layers, 1, 1, sizeof *be->v));
    plan_layer_shapes(p, be->shape);
    for (size_t i = 0; i < layers; i++) {
        size_t width = (size_t)be->shape[i].kv_heads * (size_t)be->shape[i].head_size;
        if (!width) continue;
        TRY_GOTO(take(be, &be->k[i], strips, tokens, width, sizeof(double)));
        TRY_GOTO(take(be, &be->v[i], strips, tokens, width, sizeof(double)));
    }
    *out = &be->base;
    return GLIMPSE_OK;
out:
    reference_close(&be->base);
    return st;
}

static glimpse_status reference_copy(backend *self, int32_t from, int32_t to, int32_t first, int32_t n) {
    reference *be = (reference *)self;
    TRY(copy_check(&be->cfg, from, to, first, n));
    size_t tokens = (size_t)be->cfg.strip_tokens;
    for (int i = 0; i < be->p->n_layers; i++) {
        size_t width = (size_t)be->shape[i].kv_heads * (size_t)be->shape[i].head_size;
        size_t a = ((size_t)from * tokens + (size_t)first) * width, b = ((size_t)to * tokens + (size_t)first) * width;
        for (size_t j = 0; j < (size_t)n * width; j++) {
            be->k[i][b + j] = be->k[i][a + j];
            be->v[i][b + j] = be->v[i][a + j];
        }
    }
    return GLIMPSE_OK;
}

/* Weights are read where they lie: there is nothing to re-lay. */
static glimpse_status reference_refresh(backend *self) {
    (void)self;
    return GLIMPSE_OK;
}

static const char *reference_isa(const backend *self) {
    (void)self;
    return "double";
}

static int64_t reference_bytes(const backend *self) { return ((const reference *)self)->bytes; }

const backend_ops backend_reference = {
    .name = "reference",
    .open = reference_open,
    .refresh = reference_refresh,
    .forward = reference_forward,
    .copy = reference_copy,
    .isa = reference_isa,
    .bytes = reference_bytes,
    .close = reference_close,
};
