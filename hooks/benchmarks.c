/* benchmarks.c -- see benchmarks.h. */
#include "hooks/benchmarks.h"

#include "hooks/memorised.h"
#include "hooks/metrics.h"
#include "include/internal/status.h"
#include "sampling/pieces_text.h"
#include "sampling/score_batch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OWN = 9 };
#define MOST_SYMBOLS ((int64_t)1 << 28)

typedef struct view {
    double loss, top1, accuracy, rank, prob, left;
    double *ranks, *masses; /* (n) */
    int32_t n;
    int64_t bytes;
} view;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile95(double *x, int32_t n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[(int32_t)ceil(0.95 * n) - 1];
}

static glimpse_status look(view *v, const glimpse_sample *s, int32_t from, tokenizer *t, buffer *room) {
    for (int32_t i = from; i < s->n_tokens; i++) {
        const glimpse_token *k = &s->tokens[i];
        double p = exp((double)k->logprob);
        v->loss -= (double)k->logprob;
        v->top1 += k->n_top ? (double)k->top[0].p : 0;
        v->accuracy += k->rank == 1;
        v->rank += k->rank;
        v->prob += p;
        v->left += (double)k->left;
        v->ranks[v->n] = k->rank;
        v->masses[v->n++] = (double)k->left + p;
        buf_clear(room);
        TRY(piece_text(t, k->id, room));
        if (!t || !tokenizer_is_special(t, k->id)) v->bytes += (int64_t)room->n;
    }
    return GLIMPSE_OK;
}

glimpse_status benchmarks_slice(const dataset *d, generator *g, const model *m, tokenizer *t, speller *sp, uint64_t seed,
                                int64_t step, int32_t n, arena *a, const glimpse_metric **out, int32_t *n_out) {
    glimpse_status st = GLIMPSE_OK;
    buffer ids = {0}, text = {0}, room = {0};
    rolling_windows w = {{0}, {0}};
    view v = { .n = 0 };
    int32_t n_windows;
    TRY_GOTO(dataset_slice(d, t, seed, step, n, &ids, &text));
    const int32_t *id = (const int32_t *)(const void *)ids.bytes;
    size_t k = ids.n / sizeof *id;
    if (k < 2) FAIL_GOTO(GLIMPSE_E_FORMAT, "a slice of %zu tokens is nothing to measure", k);
    v.ranks = malloc(k * sizeof *v.ranks);
    v.masses = malloc(k * sizeof *v.masses);
    if (!v.ranks || !v.masses) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a slice of %zu tokens", k);
    TRY_GOTO(rolling_add(&w, id + 1, k - 1, id[0], m->d.max_seq_len - 1, &n_windows));
    const score_request *r = rolling_finish(&w, &n_windows);
    for (int32_t i = 0; i < n_windows; i++) {
        batch_result b = {0};
        TRY_GOTO(score_ids(g, r[i].ids, r[i].n, 1, &b));
        st = look(&v, &b.samples[0], b.samples[0].n_tokens - r[i].n_scored, t, &room);
        batch_result_free(&b);
        if (st < 0) goto out;
    }
    glimpse_sample s = { .size = sizeof s, .text = buf_str(&text), .text_bytes = text.n };
    TRY_GOTO(metrics_of_sample(&s, true, sp, a));
    glimpse_metric *x = arena_alloc(a, ((size_t)s.n_metrics + OWN) * sizeof *x);
    if (!x) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the metrics of a slice");
    double c = v.n;
    const glimpse_metric own[OWN] = { { "loss", v.loss / c }, { "bits_per_byte", v.bytes ? v.loss / log(2) / (double)v.bytes : NAN },
                                      { "accuracy", v.accuracy / c }, { "top1_prob", v.top1 / c }, { "target_prob", v.prob / c },
                                      { "target_rank", v.rank / c }, { "target_left", v.left / c },
                                      { "rank_p95", percentile95(v.ranks, v.n) }, { "left_target_p95", percentile95(v.masses, v.n) } };
    int32_t count = 0;
    for (int i = 0; i < OWN; i++) x[count++] = (glimpse_metric){ own[i].name, record_round(own[i].value, RECORD_LOSS_DIGITS) };
    bool of_text = false; /* behind the model's own numbers, which a slice has not */
    for (int32_t i = 0; i < s.n_metrics; i++) {
        of_text |= !strcmp(s.metrics[i].name, "repetition");
        if (of_text) x[count++] = s.metrics[i];
    }
    *out = x;
    *n_out = count;
out:
    buf_free(&ids);
    buf_free(&text);
    buf_free(&room);
    rolling_free(&w);
    free(v.ranks);
    free(v.masses);
    return st;
}

/* --- memorised ------------------------------------------------------------------------------------------------------- */

typedef struct search {
    span_finder **finders; /* (n) NULL = an empty sample */
    int32_t n;
} search;

static void feed(void *user, const int32_t *symbols, size_t n) {
    const search *s = user;
    for (int32_t i = 0; i < s->n; i++)
        if (s->finders[i]) span_finder_feed(s->finders[i], symbols, n);
}

static glimpse_status begin(const dataset *d, const glimpse_sample *s, span_finder **out) {
    bool tokens = dataset_is_tokens(d);
    int32_t n = tokens ? s->n_tokens : (int32_t)s->text_bytes;
    int32_t *x = malloc(((size_t)n + 1) * sizeof *x);
    if (!x) FAIL(GLIMPSE_E_MEMORY, "no memory to look for a sample in the dataset");
    for (int32_t i = 0; i < n; i++) x[i] = tokens ? GLIMPSE_AT(s->tokens, i)->id : (unsigned char)s->text[i];
    glimpse_status st = n ? span_finder_new(x, n, out) : GLIMPSE_OK;
    free(x);
    return st;
}

static glimpse_status add_metrics(const dataset *d, tokenizer *t, glimpse_sample *s, const span_finder *f, double share, arena *a) {
    int32_t end = 0, longest = f ? span_finder_longest(f, &end) : 0;
    double bytes = longest;
    if (dataset_is_tokens(d)) {
        buffer room = {0};
        glimpse_status st = GLIMPSE_OK;
        for (int32_t i = end - longest; i < end && st >= 0; i++) st = piece_text(t, GLIMPSE_AT(s->tokens, i)->id, &room);
        bytes = (double)room.n;
        buf_free(&room);
        TRY(st);
    }
    glimpse_metric *x = arena_alloc(a, ((size_t)s->n_metrics + 3) * sizeof *x);
    if (!x) FAIL(GLIMPSE_E_MEMORY, "no memory for the metrics of a sample");
    if (s->n_metrics) memcpy(x, s->metrics, (size_t)s->n_metrics * sizeof *x);
    x[s->n_metrics++] = (glimpse_metric){ "memorised_bytes", bytes };
    double of = s->text_bytes ? bytes / (double)s->text_bytes : NAN;
    x[s->n_metrics++] = (glimpse_metric){ "memorised_share", record_round(of > 1 ? 1 : of, RECORD_LOSS_DIGITS) };
    x[s->n_metrics++] = (glimpse_metric){ "memorised_searched", record_round(share, RECORD_LOSS_DIGITS) };
    s->metrics = x;
    return GLIMPSE_OK;
}

glimpse_status benchmarks_memorised(const dataset *d, tokenizer *t, glimpse_sample *samples, int32_t n, arena *a) {
    glimpse_status st = GLIMPSE_OK;
    double share = 1;
    if (n < 1) return GLIMPSE_OK;
    search s = { calloc((size_t)n, sizeof *s.finders), n };
    if (!s.finders) FAIL(GLIMPSE_E_MEMORY, "no memory to look for %d samples in the dataset", n);
    for (int32_t i = 0; i < n; i++) TRY_GOTO(begin(d, &samples[i], &s.finders[i]));
    TRY_GOTO(dataset_walk(d, MOST_SYMBOLS, feed, &s, &share));
    for (int32_t i = 0; i < n; i++) TRY_GOTO(add_metrics(d, t, &samples[i], s.finders[i], share, a));
out:
    for (int32_t i = 0; i < n; i++) span_finder_free(s.finders[i]);
    free(s.finders);
    return st;
}
