/* rows.h -- what goes row by row: embedding, norms, rotary positions and the stores at the end of a matmul.
 * Template: included by isa_*.c.  Sums over a row follow backend.h's order; a tail lane beyond the row counts as 0. */
#ifndef GLIMPSE_KERNELS_CPU_ROWS_H
#define GLIMPSE_KERNELS_CPU_ROWS_H

#include <math.h>
#include <string.h>

#include "kernels/cpu/cpu.h"
#include "kernels/dtype.h"

/* Elements i .. i + n of weights in the trainer's memory, n <= 16, nothing read beyond them. */
static inline v16 weights_at(const void *data, glimpse_dtype dtype, int64_t i, int n) {
    if (dtype == GLIMPSE_F32) {
        const float *p = (const float *)data + i;
        return n == 16 ? v16_load(p) : v16_load_n(p, n);
    }
    const uint16_t *p = (const uint16_t *)data + i;
    uint16_t part[16] = {0};
    if (n < 16) {
        memcpy(part, p, (size_t)n * sizeof *p);
        p = part;
    }
    return dtype == GLIMPSE_BF16 ? v16_load_bf16(p) : v16_load_f16(p);
}

static inline int lanes(int64_t i, int64_t n) { return n - i < 16 ? (int)(n - i) : 16; }
static inline v16 row_load(const float *p, int n) { return n == 16 ? v16_load(p) : v16_load_n(p, n); }
static inline void row_store(float *p, v16 a, int n) {
    if (n == 16) v16_store(p, a);
    else v16_store_n(p, a, n);
}
static inline void zero_pad(float *row, int64_t n) {
    for (int64_t i = n; i < round16(n); i++) row[i] = 0;
}

/* out (n) = norm(x); out may be x. */
static void norm_row(const cpu_norm *s, const float *x, float *out, int64_t n) {
    v16 sum = v16_zero(), mean = v16_zero();
    if (s->kind == GLIMPSE_LAYERNORM) {
        for (int64_t i = 0; i < n; i += 16) sum = v16_add(sum, row_load(x + i, lanes(i, n)));
        mean = v16_set(v16_sum(sum) / (float)n);
    }
    sum = v16_zero();
    for (int64_t i = 0; i < n; i += 16) {
        int m = lanes(i, n);
        row_store(out + i, v16_sub(row_load(x + i, m), mean), m);
        v16 d = row_load(out + i, m); /* read back: the lanes beyond the row are 0 and not -mean */
        sum = v16_fma(d, d, sum);
    }
    v16 scale = v16_set(1.0f / sqrtf(v16_sum(sum) / (float)n + s->eps));
    for (int64_t i = 0; i < n; i += 16) {
        int m = lanes(i, n);
        v16 v = v16_mul(row_load(out + i, m), scale);
        if (s->weight) v = v16_mul(v, v16_load(s->weight + i));
        if (s->bias) v = v16_add(v, v16_load(s->bias + i));
        row_store(out + i, v, m);
    }
}

static void embed_rows(const cpu_job *job, int32_t first, int32_t end) {
    const phase *p = job->ph->p;
    const cpu_matrix *e = &job->ph->part[0], *pos = &job->ph->part[1];
    for (int32_t r = first; r < end; r++) {
        float *out = job->out + r * job->ld_out;
        const backend_row *row = &job->rows[r];
        for (int64_t i = 0; i < e->cols; i += 16) {
            int m = lanes(i, e->cols);
            v16 v = weights_at(e->data, e->dtype, row->id * e->stride + i, m);
            if (p->embed_scale != 1) v = v16_mul(v, v16_set(p->embed_scale));
            if (pos->data) v = v16_add(v, weights_at(pos->data, pos->dtype, row->pos * pos->stride + i, m));
            row_store(out + i, v, m);
        }
    }
}

/* be->x = norm(in) or a copy of it. */
static void prologue_rows(const cpu_job *job, int32_t first, int32_t end) {
    int64_t n = job->ph->k;
    for (int32_t r = first; r < end; r++) {
        const float *in = job->in + (job->line ? job->line[r] : r) * job->ld_in;
        float *x = job->be->x + r * job->be->ld_x;
        if (job->ph->norm.on) norm_row(&job->ph->norm, in, x, n);
        else memcpy(x, in, (size_t)n * sizeof *x);
        zero_pad(x, n);
    }
}

static void rotate_head(const cpu_rope *r, float *x, const backend_row *row) {
    int32_t half = r->dims / 2;
    bool far = r->cos_long && row->reach > r->long_after;
    const float *c = (far ? r->cos_long : r->cos) + (int64_t)row->pos * half;
    const float *s = (far ? r->sin_long : r->sin) + (int64_t)row->pos * half;
    if (r->interleaved) {
        for (int32_t i = 0; i < half; i++) {
            float a = x[2 * i], b = x[2 * i + 1];
            x[2 * i] = fmaf(a, c[i], -(b * s[i]));
            x[2 * i + 1] = fmaf(b, c[i], a * s[i]);
        }
        return;
    }
    for (int32_t i = 0; i < half; i += 16) {
        int m = lanes(i, half);
        v16 a = row_load(x + i, m), b = row_load(x + half + i, m);
        v16 cos = row_load(c + i, m), sin = row_load(s + i, m);
        row_store(x + i, v16_fma(a, cos, v16_sub(v16_zero(), v16_mul(b, sin))), m);
        row_store(x + half + i, v16_fma(b, cos, v16_mul(a, sin)), m);
    }
}

/* y (n) += bias, then the activation and the logits' cap: columns n0 .. n0 + n of y. */
static void finish_columns(const cpu_phase *ph, float *y, int64_t n0, int64_t n) {
    bool act = ph->p->activate && ph->p->store != STORE_GATED, cap = ph->p->kind == PHASE_HEAD && ph->p->softcap > 0;
    if (!ph->bias && !act && !cap) return;
    for (int64_t i = 0; i < n; i += 16) {
        int m = lanes(i, n);
        v16 v = row_load(y + i, m);
        if (ph->bias) v = v16_add(v, row_load(ph->bias + n0 + i, m));
        if (act) v = v16_activate(ph->p->activation, v);
        if (cap) v = v16_soften(v, ph->p->softcap);
        row_store(y + i, v, m);
    }
}

/* Columns n0 .. n0 + n of STORE_QKV, whole heads; y is written on. */
static void store_heads(const cpu_job *job, int32_t line, float *y, int64_t n0, int64_t n) {
    const cpu_phase *ph = job->ph;
    const phase *p = ph->p;
    const backend_row *row = &job->rows[line];
    int32_t hd = p->head_size, share = p->heads / p->kv_heads;
    for (int64_t at = n0 / hd; at < (n0 + n) / hd; at++, y += hd) {
        int64_t h = at; /* as if all queries stood before all keys, and these before all values */
        if (p->grouped) {
            int64_t g = at / (share + 2), j = at % (share + 2);
            h = j < share ? g * share + j : p->heads + g + (j == share ? 0 : p->kv_heads);
        }
        bool query = h < p->heads, key = !query && h < p->heads + p->kv_heads;
        if (query || key) {
            const cpu_norm *norm = query ? &ph->q_norm : &ph->k_norm;
            if (norm->on) norm_row(norm, y, y, hd);
            if (ph->rope.cos) rotate_head(&ph->rope, y, row);
        }
        if (query) {
            memcpy(job->out + line * job->ld_out + h * hd, y, (size_t)hd * sizeof *y);
            continue;
        }
        int32_t kv = (int32_t)(h - p->heads) - (key ? 0 : p->kv_heads);
        float *to = cpu_cached(key ? ph->keys : ph->values, job->be, p, row->strip, kv, row->pos);
        memcpy(to, y, (size_t)hd * sizeof *y);
        zero_pad(to, hd);
    }
}

/* Finished columns n0 .. n0 + n of y to where they belong; STORE_GATED: of the gate half, the other half in `up`. */
static void store_columns(const cpu_job *job, int32_t line, float *y, const float *up, int64_t n0, int64_t n) {
    const phase *p = job->ph->p;
    if (p->kind == PHASE_MATMUL && p->store == STORE_QKV) {
        store_heads(job, line, y, n0, n);
        return;
    }
    float *out = job->out + line * job->ld_out + n0;
    bool add = p->kind == PHASE_MATMUL && p->store == STORE_ADD;
    bool gated = p->kind == PHASE_MATMUL && p->store == STORE_GATED;
    for (int64_t i = 0; i < n; i += 16) {
        int m = lanes(i, n);
        v16 v = row_load(y + i, m);
        if (gated) v = v16_mul(v16_activate(p->activation, v), row_load(up + i, m));
        if (add) v = v16_add(row_load(out + i, m), v);
        row_store(out + i, v, m);
    }
}

static void epilogue_rows(const cpu_job *job, int32_t first, int32_t end) {
    const cpu_phase *ph = job->ph;
    bool gated = ph->p->store == STORE_GATED;
    for (int32_t r = first; r < end; r++) {
        float *y = job->be->y + r * job->be->ld_y;
        norm_row(&ph->post, y, y, ph->n);
        store_columns(job, r, y, gated ? y + ph->n / 2 : NULL, 0, gated ? ph->n / 2 : ph->n);
    }
}

static void map_values(const char *what, const float *in, float *out, int32_t n) {
    for (int32_t i = 0; i < n; i += 16) {
        int m = lanes(i, n);
        v16 x = row_load(in + i, m);
        if (!strcmp(what, "exp")) x = v16_exp(x);
        else if (!strcmp(what, "tanh")) x = v16_tanh(x);
        else if (!strcmp(what, "normal_cdf")) x = v16_normal_cdf(x);
        else if (!strcmp(what, "gelu_tanh")) x = v16_activate(GLIMPSE_GELU_TANH, x);
        else if (!strcmp(what, "gelu_erf")) x = v16_activate(GLIMPSE_GELU_ERF, x);
        else if (!strcmp(what, "silu")) x = v16_activate(GLIMPSE_SILU, x);
        else if (!strcmp(what, "relu")) x = v16_activate(GLIMPSE_RELU, x);
        row_store(out + i, x, m);
    }
}

#endif
