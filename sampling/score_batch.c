/* score_batch.c -- see score_batch.h.
 *
 *   requests, cut to the context -> sorted by their ids -> neighbours that begin alike form a group -> groups by falling
 *   length -> batches: the beginnings of all groups, each into a prefix strip, then what follows, each into its own
 * A row of logits is wanted where a continuation's token follows it; one in a beginning serves every request of its group. */
#include "sampling/score_batch.h"

#include "include/internal/status.h"
#include "sampling/generator.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_ROWS = 384, RUN_LOGITS = 96, AUTO_BATCH = 64 };
#define BATCH_CACHE_BYTES ((int64_t)1 << 30)

typedef struct item { /* a request as it runs */
    const int32_t *ids; /* (n_in + 1): input, and the last target behind it */
    int32_t n_in, from; /* inputs; the first position whose successor is scored */
    int32_t request;
} item;

typedef struct group {
    int32_t first, n;   /* items */
    int32_t shared;     /* inputs that all of them begin with */
    int32_t longest;
} group;

typedef struct wanted_row { /* what a row of logits is for */
    int32_t first, n;   /* items: one, or those of a group */
    int32_t pos;
} wanted_row;

typedef struct run { /* the rows of one forward */
    backend_row rows[RUN_ROWS];
    wanted_row wanted[RUN_LOGITS];
    int32_t n_rows, n_wanted;
} run;

typedef struct scorer {
    generator *g;
    const item *items;
    score_answer *answers;
    run run;
    const float *logits;
    int64_t stride;
    double logz[RUN_LOGITS];
    int32_t best[RUN_LOGITS];
    int64_t done;
} scorer;

static int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

static int by_ids(const void *pa, const void *pb) {
    const item *a = pa, *b = pb;
    int32_t n = least(a->n_in, b->n_in);
    for (int32_t i = 0; i < n; i++)
        if (a->ids[i] != b->ids[i]) return a->ids[i] < b->ids[i] ? -1 : 1;
    if (a->n_in != b->n_in) return a->n_in < b->n_in ? -1 : 1;
    return (a->request > b->request) - (a->request < b->request);
}

static int by_length(const void *pa, const void *pb) {
    const group *a = pa, *b = pb;
    if (a->longest != b->longest) return a->longest > b->longest ? -1 : 1;
    return (a->first > b->first) - (a->first < b->first);
}

static int32_t common(const item *a, const item *b, int32_t most) {
    int32_t n = least(least(a->n_in, b->n_in), most), i = 0;
    while (i < n && a->ids[i] == b->ids[i]) i++;
    return i;
}

/* The number of inputs beyond which rotary positions are others (plan.h), so that a beginning is not shared across it. */
static int32_t long_after(const generator *g) {
    int32_t least_after = INT32_MAX;
    for (int i = 0; g->plan && i < g->plan->n_phases; i++) {
        const rope_spec *r = &g->plan->phases[i].rope;
        if (r->inv_freq_long) least_after = least(least_after, r->long_after);
    }
    return least_after;
}

/* Neighbours join while that makes fewer rows to run: `shared` gets shorter with each that joins. */
static int32_t make_groups(const item *items, int32_t n, int32_t batch, int32_t after, group *groups) {
    int32_t count = 0;
    for (int32_t i = 0; i < n;) {
        group g = { .first = i, .n = 1, .shared = items[i].n_in, .longest = items[i].n_in };
        int64_t total = items[i].n_in;
        for (i++; i < n && g.n < batch; i++) {
            int32_t shared = common(&items[g.first], &items[i], g.shared);
            int64_t apart = g.shared + (total - (int64_t)g.n * g.shared) + items[i].n_in;
            int64_t together = shared + (total + items[i].n_in - (int64_t)(g.n + 1) * shared);
            if (together >= apart || (items[i].n_in > after) != (items[g.first].n_in > after)) break;
            total += items[i].n_in;
            g.n++;
            g.shared = shared;
            if (items[i].n_in > g.longest) g.longest = items[i].n_in;
        }
        groups[count++] = g;
    }
    qsort(groups, (size_t)count, sizeof *groups, by_length);
    return count;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void row_task(void *arg, int task) {
    scorer *s = arg;
    const float *l = s->logits + (int64_t)task * s->stride;
    int32_t V = s->g->m->d.vocab_size, best = 0;
    row_stats stats = row_stats_of(l, V);
    s->logz[task] = stats.finite ? stats.logz : NAN;
    for (; best < V - 1 && l[best] != stats.max; best++)
        ;
    s->best[task] = stats.finite ? best : -1;
}

static void count_target(scorer *s, const item *it, int32_t line, int32_t pos) {
    int32_t target = it->ids[pos + 1];
    score_answer *a = &s->answers[it->request];
    a->logprob += (double)s->logits[(int64_t)line * s->stride + target] - s->logz[line];
    a->greedy &= s->best[line] == target;
}

static glimpse_status flush(scorer *s) {
    run *r = &s->run;
    if (!r->n_rows) return GLIMPSE_OK;
    TRY(s->g->be->ops->forward(s->g->be, r->rows, r->n_rows, &s->logits, &s->stride));
    pool_run(s->g->pool, row_task, s, r->n_wanted);
    for (int32_t w = 0; w < r->n_wanted; w++)
        for (int32_t i = 0; i < r->wanted[w].n; i++) {
            const item *it = &s->items[r->wanted[w].first + i];
            if (r->wanted[w].pos >= it->from && r->wanted[w].pos < it->n_in) count_target(s, it, w, r->wanted[w].pos);
        }
    s->done += r->n_rows;
    r->n_rows = r->n_wanted = 0;
    return GLIMPSE_OK;
}

/* Inputs from .. to - 1 of an item, for the items first .. first + n - 1, into `strip`. */
static glimpse_status put_rows(scorer *s, const item *it, int32_t from, int32_t to, int32_t strip, int32_t prefix_strip,
                               int32_t first, int32_t n, int32_t scored_from) {
    for (int32_t pos = from; pos < to; pos++) {
        run *r = &s->run;
        bool want = pos >= scored_from;
        if (r->n_rows == RUN_ROWS || (want && r->n_wanted == RUN_LOGITS)) TRY(flush(s));
        r->rows[r->n_rows++] = (backend_row){ .id = it->ids[pos], .pos = pos, .strip = strip, .prefix_strip = prefix_strip,
                                              .prefix_tokens = prefix_strip >= 0 ? from : 0, .want_logits = want,
                                              .reach = it->n_in };
        if (want) r->wanted[r->n_wanted++] = (wanted_row){ first, n, pos };
    }
    return GLIMPSE_OK;
}

/* Rows of one strip's prefix are in the cache before the rows that read it run: two passes, a flush between them. */
static glimpse_status run_batch(scorer *s, const group *groups, int32_t n) {
    for (int32_t k = 0; k < n; k++) {
        const group *g = &groups[k];
        int32_t from = INT32_MAX;
        for (int32_t i = 0; i < g->n; i++) from = least(from, s->items[g->first + i].from);
        TRY(put_rows(s, &s->items[g->first], 0, g->shared, k, -1, g->first, g->n, from));
    }
    TRY(flush(s));
    int32_t strip = n;
    for (int32_t k = 0; k < n; k++)
        for (int32_t i = 0; i < groups[k].n; i++) {
            int32_t at = groups[k].first + i;
            const item *it = &s->items[at];
            if (it->n_in <= groups[k].shared) continue;
            TRY(put_rows(s, it, groups[k].shared, it->n_in, strip,
                         groups[k].shared ? k : -1, at, 1, it->from));
            strip++;
        }
    return flush(s);
}

static int32_t strips_of(const item *items, const group *g) {
    int32_t n = 1;
    for (int32_t i = 0; i < g->n; i++) n += items[g->first + i].n_in > g->shared;
    return n;
}

static int64_t bytes_of_token(const model *m) {
    int64_t heads = m->d.n_kv_heads ? m->d.n_kv_heads : m->d.n_heads;
    int64_t hd = m->d.head_size ? m->d.head_size : m->d.n_heads ? m->d.channels / m->d.n_heads : 1;
    return (int64_t)m->d.n_layers * heads * ((hd + 15) & ~(int64_t)15) * 2 * (int64_t)sizeof(float) + 8;
}

static glimpse_status check_request(const generator *g, const score_request *r, int32_t i, item *out) {
    int32_t most = g->m->d.max_seq_len;
    if (r->n_scored < 1 || r->n_scored >= r->n)
        FAIL(GLIMPSE_E_INVALID, "request %d: %d of %d tokens to score; a context and a continuation have one at least each", i,
             r->n_scored, r->n);
    if (r->n_scored > most)
        FAIL(GLIMPSE_E_INVALID, "request %d: a continuation of %d tokens, the model's context holds %d", i, r->n_scored, most);
    for (int32_t k = 0; k < r->n; k++)
        if (r->ids[k] < 0 || r->ids[k] >= g->m->d.vocab_size)
            FAIL(GLIMPSE_E_INVALID, "request %d: token %d has id %d, the model knows ids 0 .. %d", i, k, r->ids[k],
                 g->m->d.vocab_size - 1);
    int32_t n_in = least(r->n - 1, most);
    *out = (item){ .ids = r->ids + (r->n - 1 - n_in), .n_in = n_in, .from = n_in - r->n_scored, .request = i };
    return GLIMPSE_OK;
}

glimpse_status score_requests(generator *g, const score_request *requests, int32_t n, const score_config *cfg,
                              score_answer *answers) {
    glimpse_status st = GLIMPSE_OK;
    if (n < 1) return GLIMPSE_OK;
    int32_t batch = cfg->batch_size > 0 ? cfg->batch_size : AUTO_BATCH;
    item *items = malloc((size_t)n * sizeof *items);
    group *groups = malloc((size_t)n * sizeof *groups);
    scorer *s = malloc(sizeof *s);
    if (!items || !groups || !s) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %d requests", n);
    for (int32_t i = 0; i < n; i++) TRY_GOTO(check_request(g, &requests[i], i, &items[i]));
    qsort(items, (size_t)n, sizeof *items, by_ids);
    int32_t n_groups = make_groups(items, n, batch, long_after(g), groups);
    int32_t tokens = groups[0].longest, most_strips = 0;
    int64_t total = 0, fit = BATCH_CACHE_BYTES / (bytes_of_token(g->m) * tokens);
    for (int32_t k = 0; k < n_groups; k++) {
        int32_t strips = strips_of(items, &groups[k]);
        if (strips > most_strips) most_strips = strips;
        total += groups[k].shared;
        for (int32_t i = 0; i < groups[k].n; i++) total += items[groups[k].first + i].n_in - groups[k].shared;
    }
    int32_t room = fit < most_strips ? most_strips : fit > 2 * batch ? 2 * batch : (int32_t)fit;
    if (room < most_strips) room = most_strips;
    TRY_GOTO(generator_backend(g, RUN_ROWS, RUN_LOGITS, room, tokens));
    *s = (scorer){ .g = g, .items = items, .answers = answers };
    for (int32_t i = 0; i < n; i++) answers[i] = (score_answer){ 0, true };
    for (int32_t k = 0; k < n_groups;) {
        int32_t end = k, strips = 0, count = 0;
        while (end < n_groups) {
            int32_t more = strips_of(items, &groups[end]);
            if (end > k && (strips + more > room || count + groups[end].n > batch)) break;
            strips += more;
            count += groups[end++].n;
        }
        TRY_GOTO(run_batch(s, groups + k, end - k));
        k = end;
        if (cfg->progress) cfg->progress(cfg->user, s->done, total);
    }
    for (int32_t i = 0; i < n; i++)
        if (isnan(answers[i].logprob)) answers[i].greedy = false;
out:
    free(items);
    free(groups);
    free(s);
    return st;
}

/* --- whole texts -------------------------------------------------------------------------------------------------- */

glimpse_status rolling_add(rolling_windows *w, const int32_t *ids, size_t n, int32_t prefix, int32_t max_seq_len,
                           int32_t *n_windows) {
    *n_windows = 0;
    for (size_t at = 0; at < n;) {
        size_t k = n - at < (size_t)max_seq_len ? n - at : (size_t)max_seq_len;
        size_t before = at ? (size_t)max_seq_len - k + 1 : 1;
        score_request r = { .n = (int32_t)(before + k), .n_scored = (int32_t)k };
        if (at) buf_put(&w->ids, ids + at - before, before * sizeof *ids);
        else buf_put(&w->ids, &prefix, sizeof prefix);
        buf_put(&w->ids, ids + at, k * sizeof *ids);
        buf_put(&w->requests, &r, sizeof r);
        at += k;
        ++*n_windows;
    }
    if (buf_failed(&w->ids) || buf_failed(&w->requests)) FAIL(GLIMPSE_E_MEMORY, "no memory for a text of %zu tokens", n);
    return GLIMPSE_OK;
}

const score_request *rolling_finish(rolling_windows *w, int32_t *n) {
    score_request *r = (score_request *)(void *)w->requests.bytes;
    const int32_t *ids = (const int32_t *)(const void *)w->ids.bytes;
    *n = (int32_t)(w->requests.n / sizeof *r);
    for (int32_t i = 0; i < *n; i++) {
        r[i].ids = ids;
        ids += r[i].n;
    }
    return r;
}

void rolling_free(rolling_windows *w) {
    buf_free(&w->ids);
    buf_free(&w->requests);
}
