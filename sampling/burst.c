/* burst.c -- a batch's active sequences through the backend's own steps (burst.h). */
#include "sampling/burst.h"

#include "include/internal/record.h"
#include "include/internal/status.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = BATCH_MOST };
_Static_assert((int)BURST_MORE_EOS == GLIMPSE_MORE_EOS, "a burst ends where a sample does");

typedef struct burst_memory {
    burst_row rows[MOST_ROWS];
    burst_token tokens[MOST_ROWS * BURST_MAX_STEPS];
    int32_t n_drawn[MOST_ROWS];
    burst_top *tops;  /* (MOST_ROWS, BURST_MAX_STEPS, n_top) */
    int32_t *seen;    /* the rows' tokens, one behind the other */
} burst_memory;

static bool is_possible(const batch *b) {
    const batch_request *rq = b->rq;
    const backend_ops *ops = b->g->be->ops;
    if (!ops->burst || rq->n_users || rq->n_top > BURST_MAX_TOP || b->n_active > MOST_ROWS) return false;
    for (int32_t i = 0; i < b->n_active; i++) {
        const sequence *s = b->active[i];
        burst_op list[BURST_MAX_OPS];
        int32_t n;
        if (s->slop || s->n_negative || !s->n || !chain_burst(s->chain, list, &n)) return false;
    }
    return true;
}

static void fill_row(const batch *b, const sequence *s, int32_t *seen, burst_row *out) {
    const batch_prompt *p = &b->rq->prompts[s->prompt];
    int32_t steps = s->room - s->n;
    *out = (burst_row){ .row = { .id = s->tokens[s->n - 1].id, .pos = p->n_ids + s->n - 1, .strip = s->strip,
                                 .prefix_strip = s->prefix_strip, .prefix_tokens = s->prefix_strip < 0 ? 0 : p->n_ids,
                                 .want_logits = 1, .reach = s->reach },
                        .key = s->key.key, .key_step = s->key.step,
                        .steps = steps < BURST_MAX_STEPS ? steps : BURST_MAX_STEPS,
                        .eos = -1, .seen = seen, .n_seen = p->n_ids + s->n };
    if (!b->rq->ignore_eos) {
        out->eos = b->g->m->d.eos;
        out->n_more_eos = b->g->m->d.n_more_eos;
        memcpy(out->more_eos, b->g->m->d.more_eos, sizeof out->more_eos);
    }
    chain_burst(s->chain, out->ops, &out->n_ops);
    memcpy(seen, p->ids, (size_t)p->n_ids * sizeof *seen);
    for (int32_t i = 0; i < s->n; i++) seen[p->n_ids + i] = s->tokens[i].id;
}

static glimpse_status take_memory(const batch *b, burst_memory **out) {
    glimpse_status st = GLIMPSE_OK;
    size_t seen = 0, tops = (size_t)b->n_active * BURST_MAX_STEPS * (size_t)b->rq->n_top;
    for (int32_t i = 0; i < b->n_active; i++) seen += (size_t)(b->rq->prompts[b->active[i]->prompt].n_ids + b->active[i]->n);
    burst_memory *m = calloc(1, sizeof *m);
    if (m) {
        m->tops = calloc(tops + 1, sizeof *m->tops);
        m->seen = calloc(seen + 1, sizeof *m->seen);
    }
    if (!m || !m->tops || !m->seen) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a burst of %d samples", b->n_active);
    *out = m;
    return GLIMPSE_OK;
out:
    if (m) free(m->tops), free(m->seen);
    free(m);
    return st;
}

/* The record as chain_draw rounds it. */
static void record_token(const burst_token *from, const burst_top *tops, glimpse_token *t, glimpse_candidate *top) {
    for (int32_t i = 0; i < from->n_top; i++) {
        top[i].id = tops[i].id;
        top[i].p = record_roundf((float)tops[i].p);
        top[i].p_final = record_roundf((float)tops[i].p_final);
    }
    *t = (glimpse_token){ .size = sizeof *t, .id = from->id, .rank = from->rank, .kept = from->kept, .n_top = from->n_top,
                          .logit = record_roundf(from->logit), .logprob = record_roundf((float)from->logprob),
                          .p_temp = record_roundf((float)from->p_temp), .p_final = record_roundf((float)from->p_final),
                          .left = record_roundf((float)from->left), .entropy = record_roundf((float)from->entropy),
                          .top = from->n_top > 0 ? top : NULL };
}

/* `dot` of all that was drawn, in the order in which accept takes it in. */
static glimpse_status find_cosines(batch *b, const burst_memory *m, float *out) {
    int32_t pairs[2 * MOST_ROWS * BURST_MAX_STEPS], n = 0;
    for (int32_t i = 0; i < b->n_active; i++) {
        const sequence *s = b->active[i];
        int32_t before = s->tokens[s->n - 1].id;
        for (int32_t k = 0; k < m->n_drawn[i]; k++) {
            int32_t id = m->tokens[(size_t)i * BURST_MAX_STEPS + (size_t)k].id;
            if (id < 0) break;
            pairs[2 * n] = before;
            pairs[2 * n++ + 1] = before = id;
        }
    }
    return n ? generator_cosines(b->g, pairs, n, out) : GLIMPSE_OK;
}

static glimpse_status accept(batch *b, const burst_memory *m, bool *finite) {
    float dots[MOST_ROWS * BURST_MAX_STEPS], *dot = dots;
    size_t n_top = (size_t)b->rq->n_top;
    TRY(find_cosines(b, m, dots));
    int32_t left = 0;
    for (int32_t i = 0; i < b->n_active; i++) {
        sequence *s = b->active[i];
        int32_t k = 0;
        for (; k < m->n_drawn[i] && !s->done; k++) {
            size_t at = (size_t)i * BURST_MAX_STEPS + (size_t)k;
            if (m->tokens[at].id < 0) {
                *finite = false;
                break;
            }
            record_token(&m->tokens[at], m->tops + at * n_top, &s->tokens[s->n], s->tops + (size_t)s->n * n_top);
            s->tokens[s->n].dot = record_roundf(*dot++);
            TRY(sequence_accept(b, s));
        }
        for (; k < m->n_drawn[i] && m->tokens[(size_t)i * BURST_MAX_STEPS + (size_t)k].id >= 0; k++) dot++; /* beyond a stop */
        if (!s->done) b->active[left++] = s;
    }
    b->n_active = left;
    return GLIMPSE_OK;
}

glimpse_status burst_run(batch *b, bool *ran) {
    glimpse_status st = GLIMPSE_OK;
    burst_memory *m = NULL;
    *ran = false;
    if (!is_possible(b)) return GLIMPSE_OK;
    TRY(take_memory(b, &m));
    int32_t *seen = m->seen;
    for (int32_t i = 0; i < b->n_active; i++) {
        fill_row(b, b->active[i], seen, &m->rows[i]);
        seen += m->rows[i].n_seen;
    }
    burst_request rq = { m->rows, b->n_active, b->rq->n_top, m->tokens, m->tops, m->n_drawn, 0 };
    bool finite = true;
    TRY_GOTO(b->g->be->ops->burst(b->g->be, &rq));
    bool stop = batch_cancelled(b);
    TRY_GOTO(accept(b, m, &finite));
    *ran = finite;
    if (stop) sequences_cancel(b);
out:
    free(m->tops);
    free(m->seen);
    free(m);
    return st;
}
