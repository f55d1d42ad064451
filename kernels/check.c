/* check.c -- see check.h. */
#include "kernels/check.h"

#include <stdint.h>

#include "include/internal/status.h"

enum { MAX_DIM = 1 << 28, MAX_STRIP = 1 << 26 };

bool size_mul(size_t a, size_t b, size_t c, size_t d, size_t *out) {
    size_t ab, cd, all;
    if (__builtin_mul_overflow(a, b, &ab) || __builtin_mul_overflow(c, d, &cd) ||
        __builtin_mul_overflow(ab, cd, &all) || all > PTRDIFF_MAX)
        return false;
    *out = all;
    return true;
}

int64_t phase_columns(const phase *ph) {
    int64_t n = 0;
    for (int i = 0; i < ph->n_parts; i++) n += ph->part[i].rows;
    return n;
}

void plan_layer_shapes(const plan *p, layer_shape *shapes) {
    for (int i = 0; i < p->n_layers; i++) shapes[i] = (layer_shape){0};
    for (int i = 0; i < p->n_phases; i++) {
        const phase *ph = &p->phases[i];
        if (ph->kind == PHASE_MATMUL && ph->store == STORE_QKV)
            shapes[ph->layer] = (layer_shape){ph->kv_heads, ph->head_size};
    }
}

static bool dtype_ok(glimpse_dtype t) { return t == GLIMPSE_F32 || t == GLIMPSE_BF16 || t == GLIMPSE_F16; }

static glimpse_status check_matrix(const matrix *m, int i, const char *what, int64_t cols) {
    if (!m->data) FAIL(GLIMPSE_E_INVALID, "phase %d: the matrix of %s is absent", i, what);
    if (!dtype_ok(m->dtype)) FAIL(GLIMPSE_E_INVALID, "phase %d: %s has the unknown dtype %d", i, what, (int)m->dtype);
    if (m->rows < 1 || m->rows > MAX_DIM || m->cols != cols)
        FAIL(GLIMPSE_E_INVALID, "phase %d: %s is (%lld, %lld), (rows, %lld) is needed", i, what, (long long)m->rows,
             (long long)m->cols, (long long)cols);
    int64_t far, rest; /* the last element's offset must be a number */
    if (m->row_stride < 0 || m->col_stride < 0 || __builtin_mul_overflow(m->rows, m->row_stride, &far) ||
        __builtin_mul_overflow(m->cols, m->col_stride, &rest) || far > INT64_MAX / 16 || rest > INT64_MAX / 16)
        FAIL(GLIMPSE_E_INVALID, "phase %d: %s has strides (%lld, %lld)", i, what, (long long)m->row_stride,
             (long long)m->col_stride);
    return GLIMPSE_OK;
}

static glimpse_status check_vector(const vector *v, int i, const char *what, int64_t n) {
    if (!v->data) return GLIMPSE_OK;
    if (!dtype_ok(v->dtype)) FAIL(GLIMPSE_E_INVALID, "phase %d: %s has the unknown dtype %d", i, what, (int)v->dtype);
    if (v->n != n)
        FAIL(GLIMPSE_E_INVALID, "phase %d: %s has %lld elements, %lld are needed", i, what, (long long)v->n,
             (long long)n);
    return GLIMPSE_OK;
}

static glimpse_status check_norm(const norm_spec *s, int i, const char *what, int64_t n) {
    if (!s->on) return GLIMPSE_OK;
    if (s->kind != GLIMPSE_LAYERNORM && s->kind != GLIMPSE_RMSNORM)
        FAIL(GLIMPSE_E_INVALID, "phase %d: %s is of the unknown kind %d", i, what, (int)s->kind);
    TRY(check_vector(&s->weight, i, what, n));
    return check_vector(&s->bias, i, what, n);
}

static glimpse_status check_heads(const phase *ph, const plan *p, int i) {
    if (ph->heads < 1 || ph->kv_heads < 1 || ph->heads % ph->kv_heads || ph->heads > 65536 || ph->head_size < 1 ||
        ph->head_size > 65536)
        FAIL(GLIMPSE_E_INVALID, "phase %d: %d heads over %d key/value heads of size %d", i, ph->heads, ph->kv_heads,
             ph->head_size);
    if (ph->layer < 0 || ph->layer >= p->n_layers)
        FAIL(GLIMPSE_E_INVALID, "phase %d: layer %d, the plan has %d", i, ph->layer, p->n_layers);
    return GLIMPSE_OK;
}

static glimpse_status check_matmul(const plan *p, const phase *ph, int i, int64_t in, int64_t out) {
    if (ph->n_parts < 1 || ph->n_parts > PLAN_MAX_PARTS) FAIL(GLIMPSE_E_INVALID, "phase %d: %d parts", i, ph->n_parts);
    for (int j = 0; j < ph->n_parts; j++) {
        TRY(check_matrix(&ph->part[j], i, "the weights", in));
        TRY(check_vector(&ph->bias[j], i, "the bias", ph->part[j].rows));
    }
    if (ph->activation < GLIMPSE_GELU_TANH || ph->activation > GLIMPSE_RELU)
        FAIL(GLIMPSE_E_INVALID, "phase %d: unknown activation %d", i, (int)ph->activation);
    int64_t y = phase_columns(ph), want = out;
    TRY(check_norm(&ph->norm, i, "the norm", in));
    TRY(check_norm(&ph->post_norm, i, "the norm after", y));
    if (ph->kind == PHASE_HEAD) {
        if (y < p->vocab) FAIL(GLIMPSE_E_INVALID, "phase %d: %lld rows for %d logits", i, (long long)y, p->vocab);
        if (ph->post_norm.on) FAIL(GLIMPSE_E_INVALID, "phase %d: no norm is defined after the logits", i);
        return GLIMPSE_OK;
    }
    if (ph->store == STORE_GATED) want = 2 * out;
    if (ph->store == STORE_QKV) {
        TRY(check_heads(ph, p, i));
        int64_t hd = ph->head_size;
        want = (ph->heads + 2 * (int64_t)ph->kv_heads) * hd;
        if (out != ph->heads * hd)
            FAIL(GLIMPSE_E_INVALID, "phase %d: queries are %lld wide, the buffer %lld", i, (long long)(ph->heads * hd),
                 (long long)out);
        TRY(check_norm(&ph->q_norm, i, "the norm of the queries", hd));
        TRY(check_norm(&ph->k_norm, i, "the norm of the keys", hd));
        if (ph->rope.inv_freq && (ph->rope.dims < 2 || ph->rope.dims % 2 || ph->rope.dims > hd))
            FAIL(GLIMPSE_E_INVALID, "phase %d: %d rotated dimensions of %lld", i, ph->rope.dims, (long long)hd);
    } else if (ph->store != STORE_SET && ph->store != STORE_ADD && ph->store != STORE_GATED) {
        FAIL(GLIMPSE_E_INVALID, "phase %d: unknown store %d", i, (int)ph->store);
    }
    if (y != want)
        FAIL(GLIMPSE_E_INVALID, "phase %d: the weights have %lld rows, %lld are needed", i, (long long)y,
             (long long)want);
    return GLIMPSE_OK;
}

static glimpse_status check_phase(const plan *p, int i) {
    const phase *ph = &p->phases[i];
    bool reads = ph->kind != PHASE_EMBED, writes = ph->kind != PHASE_HEAD;
    if ((reads && (ph->in < 0 || ph->in >= p->n_buffers)) || (writes && (ph->out < 0 || ph->out >= p->n_buffers)))
        FAIL(GLIMPSE_E_INVALID, "phase %d: buffers %d and %d of %d", i, ph->in, ph->out, p->n_buffers);
    int64_t in = reads ? p->width[ph->in] : 0, out = writes ? p->width[ph->out] : 0;
    switch (ph->kind) {
    case PHASE_EMBED:
        TRY(check_matrix(&ph->embedding, i, "the embedding", out));
        if (ph->embedding.rows < p->vocab)
            FAIL(GLIMPSE_E_INVALID, "phase %d: the embedding has %lld rows for %d tokens", i,
                 (long long)ph->embedding.rows, p->vocab);
        return ph->positions.data ? check_matrix(&ph->positions, i, "the positions", out) : GLIMPSE_OK;
    case PHASE_MATMUL:
    case PHASE_HEAD: return check_matmul(p, ph, i, in, out);
    case PHASE_ATTEND: {
        TRY(check_heads(ph, p, i));
        if (in != (int64_t)ph->heads * ph->head_size || out != in || ph->window < 0)
            FAIL(GLIMPSE_E_INVALID, "phase %d: %d heads of %d, buffers %lld and %lld wide, window %d", i, ph->heads,
                 ph->head_size, (long long)in, (long long)out, ph->window);
        for (int j = i - 1; j >= 0; j--) {
            const phase *q = &p->phases[j];
            if (q->kind == PHASE_MATMUL && q->store == STORE_QKV && q->layer == ph->layer) {
                if (q->kv_heads == ph->kv_heads && q->head_size == ph->head_size) return GLIMPSE_OK;
                break;
            }
        }
        FAIL(GLIMPSE_E_INVALID, "phase %d: no keys and values of this shape were stored in layer %d", i, ph->layer);
    }
    }
    FAIL(GLIMPSE_E_INVALID, "phase %d: unknown kind %d", i, (int)ph->kind);
}

glimpse_status plan_check(const plan *p, const backend_config *cfg) {
    if (cfg->threads < 1 || cfg->max_rows < 1 || cfg->max_logits < 0 || cfg->n_strips < 1 || cfg->strip_tokens < 1)
        FAIL(GLIMPSE_E_INVALID, "%d threads, %d rows, %d rows of logits, %d strips of %d tokens", cfg->threads,
             cfg->max_rows, cfg->max_logits, cfg->n_strips, cfg->strip_tokens);
    if (cfg->strip_tokens > MAX_STRIP || cfg->max_rows > MAX_STRIP || cfg->n_strips > MAX_STRIP)
        FAIL(GLIMPSE_E_INVALID, "%d rows, %d strips of %d tokens: more than %d", cfg->max_rows, cfg->n_strips,
             cfg->strip_tokens, MAX_STRIP);
    if (p->n_buffers < 1 || p->n_buffers > PLAN_MAX_BUFFERS || p->vocab < 1 || p->n_phases < 1 || !p->phases ||
        p->n_layers < 0 || p->n_layers > MAX_DIM)
        FAIL(GLIMPSE_E_INVALID, "a plan of %d phases, %d buffers, %d layers, %d tokens", p->n_phases, p->n_buffers,
             p->n_layers, p->vocab);
    for (int i = 0; i < p->n_buffers; i++)
        if (p->width[i] < 1 || p->width[i] > MAX_DIM)
            FAIL(GLIMPSE_E_INVALID, "buffer %d is %d wide", i, p->width[i]);
    for (int i = 0; i < p->n_phases; i++) {
        TRY(check_phase(p, i));
        const phase *ph = &p->phases[i];
        /* One cache a layer: a second store of another shape would have no room of its own. */
        if (ph->kind != PHASE_MATMUL || ph->store != STORE_QKV) continue;
        for (int j = 0; j < i; j++) {
            const phase *q = &p->phases[j];
            if (q->kind == PHASE_MATMUL && q->store == STORE_QKV && q->layer == ph->layer)
                FAIL(GLIMPSE_E_INVALID, "phases %d and %d both store keys of layer %d", j, i, ph->layer);
        }
    }
    return GLIMPSE_OK;
}

glimpse_status rows_check(const plan *p, const backend_config *cfg, const backend_row *rows, int32_t n_rows,
                          int32_t *last, int32_t *wanted) {
    if (n_rows < 1 || n_rows > cfg->max_rows)
        FAIL(GLIMPSE_E_INVALID, "%d rows, this backend was opened for %d", n_rows, cfg->max_rows);
    int64_t positions = cfg->strip_tokens;
    for (int i = 0; i < p->n_phases; i++) {
        const phase *ph = &p->phases[i];
        if (ph->kind == PHASE_EMBED && ph->positions.data && ph->positions.rows < positions)
            positions = ph->positions.rows;
    }
    for (int i = 0; i < cfg->n_strips; i++) last[i] = -1;
    int32_t want = 0;
    for (int i = 0; i < n_rows; i++) {
        const backend_row *r = &rows[i];
        if (r->id < 0 || r->id >= p->vocab)
            FAIL(GLIMPSE_E_INVALID, "row %d: token %d, the vocabulary has %d", i, r->id, p->vocab);
        if (r->pos < 0 || r->pos >= positions)
            FAIL(GLIMPSE_E_INVALID, "row %d: position %d, there are %lld", i, r->pos, (long long)positions);
        if (r->strip < 0 || r->strip >= cfg->n_strips)
            FAIL(GLIMPSE_E_INVALID, "row %d: strip %d of %d", i, r->strip, cfg->n_strips);
        if (r->prefix_tokens < 0 || r->prefix_tokens > r->pos ||
            (r->prefix_tokens && (r->prefix_strip < 0 || r->prefix_strip >= cfg->n_strips)))
            FAIL(GLIMPSE_E_INVALID, "row %d at position %d: a prefix of %d tokens in strip %d of %d", i, r->pos,
                 r->prefix_tokens, r->prefix_strip, cfg->n_strips);
        if (r->prefix_tokens && r->prefix_strip == r->strip)
            FAIL(GLIMPSE_E_INVALID, "row %d: strip %d is both its own and its prefix", i, r->strip);
        if (last[r->strip] >= 0 && r->pos != last[r->strip] + 1)
            FAIL(GLIMPSE_E_INVALID, "row %d: position %d of strip %d follows position %d", i, r->pos, r->strip,
                 last[r->strip]);
        last[r->strip] = r->pos;
        want += r->want_logits != 0;
    }
    if (want > cfg->max_logits)
        FAIL(GLIMPSE_E_INVALID, "%d rows want logits, this backend was opened for %d", want, cfg->max_logits);
    *wanted = want;
    return GLIMPSE_OK;
}

glimpse_status copy_check(const backend_config *cfg, int32_t from, int32_t to, int32_t first, int32_t n) {
    if (from < 0 || from >= cfg->n_strips || to < 0 || to >= cfg->n_strips || from == to)
        FAIL(GLIMPSE_E_INVALID, "a copy from strip %d to strip %d of %d", from, to, cfg->n_strips);
    if (first < 0 || n < 0 || n > cfg->strip_tokens - first)
        FAIL(GLIMPSE_E_INVALID, "a copy of %d positions from %d on, a strip has %d", n, first, cfg->strip_tokens);
    return GLIMPSE_OK;
}
