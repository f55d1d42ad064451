/* attend.h -- softmax(scale q K) V for one key/value head and a group of rows that read the same memory.
 * Template: included by isa_*.c.
 *
 *   scores   every dot product in backend.h's order; softcap; then the largest of them
 *   weights  e^(score - max); their sum: lane j over the positions = j mod 16 in rising order, then the tree
 *   values   for each dimension an fma a position, in rising order; divided by the sum at the end
 *
 * All three orders hang on absolute positions alone.  Blocks of positions are the outer loop and the queries the inner
 * one: the keys and values of a shared prefix are read once for all its rows.  A position outside a row's window is not
 * an operand.  Scores that are NaN or +inf, or all -inf, make the head NaN. */
#ifndef GLIMPSE_KERNELS_CPU_ATTEND_H
#define GLIMPSE_KERNELS_CPU_ATTEND_H

#include "kernels/cpu/matmul.h"

enum { VALUE_BLOCK = 32 }; /* positions whose values stay in the first-level cache for all queries */

typedef struct query {
    const backend_row *row;
    int32_t line;
    int32_t lo, mid, hi; /* positions lo .. mid are the prefix strip's, mid .. hi its own */
    const float *q;      /* (hd), zeros to the multiple of 16 */
    float *s, *sum;      /* (strip_tokens) and (hd) */
} query;

/* One segment of one query: positions a .. b of a strip. */
static inline void segment(const query *q, bool prefix, int32_t *a, int32_t *b) {
    *a = prefix ? q->lo : q->mid;
    *b = prefix ? q->mid : q->hi;
}

static void score_block(const phase *p, const float *keys, int64_t ld, const query *q, int32_t t0, int32_t a,
                        int32_t b) {
    float s[16];
    for (int g = 0; g < 16; g += 4) {
        const float *k = keys + (t0 + g) * ld;
        v16 d0 = v16_zero(), d1 = d0, d2 = d0, d3 = d0;
        for (int64_t i = 0; i < ld; i += 16) {
            v16 x = v16_load(q->q + i);
            d0 = v16_fma(x, v16_load(k + i), d0);
            d1 = v16_fma(x, v16_load(k + ld + i), d1);
            d2 = v16_fma(x, v16_load(k + 2 * ld + i), d2);
            d3 = v16_fma(x, v16_load(k + 3 * ld + i), d3);
        }
        v16_sum4(s + g, d0, d1, d2, d3);
    }
    v16 v = v16_mul(v16_load(s), v16_set(p->scale));
    if (p->softcap > 0) v = v16_soften(v, p->softcap);
    if (a <= t0 && t0 + 16 <= b) {
        v16_store(q->s + t0, v);
        return;
    }
    v16_store(s, v); /* the other positions of this block belong to another strip, or to nobody */
    for (int32_t t = a > t0 ? a : t0; t < b && t < t0 + 16; t++) q->s[t] = s[t - t0];
}

/* n queries that read the same strip, over the positions any of them reads there. */
static void score_segment(const cpu_job *job, const query *q, int n, bool prefix, int32_t kv) {
    const phase *p = job->ph->p;
    int32_t lo = INT32_MAX, hi = 0, a, b;
    for (int i = 0; i < n; i++) {
        segment(&q[i], prefix, &a, &b);
        if (a >= b) continue;
        if (a < lo) lo = a;
        if (b > hi) hi = b;
    }
    if (lo >= hi) return;
    int32_t strip = prefix ? q->row->prefix_strip : q->row->strip;
    const float *keys = cpu_cached(job->ph->keys, job->be, p, strip, kv, 0);
    for (int32_t t = lo & ~15; t < hi; t += 16)
        for (int i = 0; i < n; i++) {
            segment(&q[i], prefix, &a, &b);
            if (a < t + 16 && t < b) score_block(p, keys, round16(p->head_size), &q[i], t, a, b);
        }
}

/* Scores to unnormalised weights; returns their sum. */
static float weigh(query *q) {
    int32_t t0 = q->lo & ~15, t1 = (q->hi + 15) & ~15;
    for (int32_t t = t0; t < q->lo; t++) q->s[t] = -INFINITY;
    for (int32_t t = q->hi; t < t1; t++) q->s[t] = -INFINITY;
    v16 max = v16_set(-INFINITY), sum = v16_zero();
    for (int32_t t = t0; t < t1; t += 16) max = v16_max(v16_load(q->s + t), max); /* a NaN score is passed over here */
    float lane[16], m = -INFINITY;
    v16_store(lane, max);
    for (int i = 0; i < 16; i++) m = lane[i] > m ? lane[i] : m;
    max = v16_set(m);
    for (int32_t t = t0; t < t1; t += 16) {
        v16 e = v16_exp(v16_sub(v16_load(q->s + t), max)); /* and makes its weight and the sum NaN here */
        v16_store(q->s + t, e);
        sum = v16_add(sum, e);
    }
    return v16_sum(sum);
}

/* sum += s[t] * v_t over positions t0 .. t1 for n_q queries and 16 n_v dimensions from d on. */
static ALWAYS_INLINE void add_values(const int n_q, const int n_v, const query *q, const float *values, int64_t ld,
                                     int64_t d, int32_t t0, int32_t t1) {
    v16 sum[4][4];
    UNROLL for (int i = 0; i < n_q; i++) {
        UNROLL for (int j = 0; j < n_v; j++) sum[i][j] = v16_load(q[i].sum + d + 16 * j);
    }
    for (int32_t t = t0; t < t1; t++) {
        const float *v = values + t * ld + d;
        UNROLL for (int j = 0; j < n_v; j++) {
            v16 x = v16_load(v + 16 * j);
            UNROLL for (int i = 0; i < n_q; i++) sum[i][j] = v16_fma(v16_set(q[i].s[t]), x, sum[i][j]);
        }
    }
    UNROLL for (int i = 0; i < n_q; i++) {
        UNROLL for (int j = 0; j < n_v; j++) v16_store(q[i].sum + d + 16 * j, sum[i][j]);
    }
}

static void add_values_all(const int n_q, const query *q, const float *values, int64_t ld, int32_t t0, int32_t t1) {
    if (t0 >= t1) return;
    int64_t d = 0;
    if (n_q == 4) {
        for (; d + 64 <= ld; d += 64) add_values(4, 4, q, values, ld, d, t0, t1);
        for (; d < ld; d += 16) add_values(4, 1, q, values, ld, d, t0, t1);
    } else {
        for (; d + 64 <= ld; d += 64) add_values(1, 4, q, values, ld, d, t0, t1);
        for (; d < ld; d += 16) add_values(1, 1, q, values, ld, d, t0, t1);
    }
}

static void value_segment(const cpu_job *job, const query *q, int n, bool prefix, int32_t kv) {
    const phase *p = job->ph->p;
    int64_t ld = round16(p->head_size);
    int32_t strip = prefix ? q->row->prefix_strip : q->row->strip, lo = INT32_MAX, hi = 0;
    for (int i = 0; i < n; i++) {
        int32_t a, b;
        segment(&q[i], prefix, &a, &b);
        if (a < b && a < lo) lo = a;
        if (a < b && b > hi) hi = b;
    }
    if (lo >= hi) return;
    const float *values = cpu_cached(job->ph->values, job->be, p, strip, kv, 0);
    for (int32_t t = lo; t < hi; t += VALUE_BLOCK) {
        for (int i = 0; i < n; i += 4) {
            int m = n - i < 4 ? n - i : 4;
            int32_t a[4], b[4], from = t, to = t + VALUE_BLOCK; /* from .. to: what all of them read */
            for (int j = 0; j < m; j++) {
                segment(&q[i + j], prefix, &a[j], &b[j]);
                if (a[j] < t) a[j] = t;
                if (b[j] > t + VALUE_BLOCK) b[j] = t + VALUE_BLOCK;
                if (a[j] > from) from = a[j];
                if (b[j] < to) to = b[j];
            }
            bool together = m == 4 && from < to;
            for (int j = 0; j < m; j++) add_values_all(1, &q[i + j], values, ld, a[j], together ? from : b[j]);
            if (!together) continue;
            add_values_all(4, &q[i], values, ld, from, to);
            for (int j = 0; j < m; j++) add_values_all(1, &q[i + j], values, ld, to, b[j]);
        }
    }
}

/* Runs of queries with the same own strip, which stand together. */
static int run_of_strip(const query *q, int n) {
    int m = 1;
    while (m < n && q[m].row->strip == q[0].row->strip) m++;
    return m;
}

static void attend_group(const cpu_job *job, const cpu_group *g, int32_t kv, cpu_scratch *s) {
    const phase *p = job->ph->p;
    const int32_t share = p->heads / p->kv_heads, hd = p->head_size;
    const int64_t ld = round16(hd), tokens = job->be->tokens;
    /* A row's heads may be more than a task holds queries for. */
    for (int32_t done = 0; done < g->n * share;) {
        query q[MAX_QUERIES];
        int n = 0;
        for (; n < MAX_QUERIES && done + n < g->n * share; n++) {
            int32_t line = job->be->order[g->first + (done + n) / share], head = kv * share + (done + n) % share;
            const backend_row *row = &job->rows[line];
            query *one = &q[n];
            *one = (query){.row = row, .line = line, .hi = row->pos + 1, .q = s->queries + n * ld};
            if (p->window > 0 && row->pos >= p->window) one->lo = row->pos - p->window + 1;
            one->mid = row->prefix_tokens > one->lo ? row->prefix_tokens : one->lo;
            one->s = s->scores + n * tokens;
            one->sum = s->sums + n * ld;
            float *copy = s->queries + n * ld;
            memcpy(copy, job->in + line * job->ld_in + (int64_t)head * hd, (size_t)hd * sizeof *copy);
            zero_pad(copy, hd);
            for (int64_t i = 0; i < ld; i++) one->sum[i] = 0;
        }
        score_segment(job, q, n, true, kv);
        for (int i = 0, m; i < n; i += m) score_segment(job, q + i, m = run_of_strip(q + i, n - i), false, kv);
        float total[MAX_QUERIES];
        for (int i = 0; i < n; i++) total[i] = weigh(&q[i]);
        value_segment(job, q, n, true, kv);
        for (int i = 0, m; i < n; i += m) value_segment(job, q + i, m = run_of_strip(q + i, n - i), false, kv);
        for (int i = 0; i < n; i++) {
            int32_t head = kv * share + (done + i) % share;
            float *out = job->out + q[i].line * job->ld_out + (int64_t)head * hd;
            for (int32_t d = 0; d < hd; d += 16)
                row_store(out + d, v16_div(v16_load(q[i].sum + d), v16_set(total[i])), lanes(d, hd));
        }
        done += n;
    }
}

#endif
