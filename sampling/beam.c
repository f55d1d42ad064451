/* beam.c -- beam search over one batch and one cache (beam.h).
 *
 * What lives where:
 *   search   a prompt under a setting; its groups search in turn at each step
 *   slot     a strip of the cache and the state of the samplers, as many as beams
 *   node     a token of some beam and its record; nodes point to the one before, so beams share what they have in common
 *   beam     a node, a score, a slot
 * A step: rows (the chain over each beam's log-probabilities) -> select -> record the nodes that came -> move -> forward.
 *
 * Move: a beam's first continuation stays in its slot; each further one takes the slot of a beam that ended.  A slot keeps
 * the serial number of the node behind every position of its strip, so only the positions since two beams parted are
 * copied: a few, as beams that survive part late.  Called by generate_batch. */
#include "sampling/beam.h"

#include "include/internal/status.h"
#include "include/internal/threads.h"
#include "sampling/generator.h"
#include "sampling/pieces_text.h"
#include "sampling/samplers/sampler.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BEAM_CACHE_BYTES ((size_t)2 << 30) /* most memory for the cache of one wave */

typedef struct node {
    int32_t parent, refs; /* parent -1 = the prompt; refs: children, beams and ends that hold it */
    int64_t serial;       /* never used twice */
} node;

typedef struct slot {
    int32_t strip, lane;
    chain *chain;
    int64_t *serials;     /* (room) of the node whose keys and values stand at generated position t */
} slot;

typedef struct beam {
    int32_t node, slot;
    double score, logz;
    const float *logits;  /* the row that follows, raw */
    float *logprobs;      /* (V) the same as log-probabilities, less what diversity takes */
    chain_choice *choices; /* (most) */
    int32_t n_choices;
    glimpse_status st;
    char *text;           /* why st */
} beam;

typedef struct candidate {
    const beam *of;
    int32_t id;
    double score, order;
    glimpse_stop stop;
    bool ends;
} candidate;

typedef struct follower { /* what becomes a beam at the end of the step */
    const beam *of;
    int32_t node, id, slot;
    double score;
} follower;

typedef struct ended {
    int32_t node;
    double score;
    glimpse_stop stop;
} ended;

typedef struct group { /* w places of each of the search's arrays */
    beam *beams;    /* (n_beams) */
    follower *next; /* (n_next) by falling score */
    ended *ends;    /* (n_ended) likewise */
    int32_t n_beams, n_next, n_ended;
    bool done;
} group;

typedef struct search {
    int32_t prompt, setting, room, length; /* most tokens, tokens so far */
    group groups[BEAM_MAX_WIDTH];
    beam beams[BEAM_MAX_WIDTH];  /* (width), as the two that follow: group by group */
    follower next[BEAM_MAX_WIDTH];
    ended ends[BEAM_MAX_WIDTH];
    slot slots[BEAM_MAX_WIDTH];
    bool done, broken;
    char *why;
} search;

typedef struct job { /* a node to be recorded */
    int32_t node, id;
    const beam *of;
    const slot *in;
    glimpse_status st;
    char *text;
} job;

typedef struct beams {
    generator *g;
    const batch_request *rq;
    arena *a;
    int32_t width, w, most, n_groups, lanes, V; /* w: beams of a group; most: candidates a step */
    search *searches; /* those of the wave */
    int32_t n_searches;
    chain **chains;   /* (n_settings, lanes) */
    float *rows, *prompt_logits; /* (beams of a wave, V), (prompts of a wave, V) */
    chain_choice *choices;
    int64_t *serials;
    node *nodes;
    glimpse_token *tokens;    /* (nodes) */
    glimpse_candidate *tops;  /* (nodes, n_top) */
    int32_t *free_nodes;
    int32_t n_free, used; /* used: nodes ever taken; those beyond were never touched */
    int64_t serial;
    job *jobs;
    int32_t n_jobs;
    int32_t group;            /* whose rows are computed */
    glimpse_sample *samples;
    int32_t n_samples;
} beams;

/* --- settings ----------------------------------------------------------------------------------------------------- */

glimpse_status beam_check(const beam_settings *b, int32_t n_return) {
    int32_t groups = b->n_groups > 0 ? b->n_groups : 1;
    if (b->width > BEAM_MAX_WIDTH || b->width < 0)
        FAIL(GLIMPSE_E_INVALID, "--num_beams is %d, possible are 1 to %d", b->width, BEAM_MAX_WIDTH);
    if (b->width <= 1) {
        if (groups > 1) FAIL(GLIMPSE_E_INVALID, "--num_beam_groups is %d and --num_beams 1: give --num_beams a multiple of it", groups);
        return GLIMPSE_OK;
    }
    if (b->width % groups)
        FAIL(GLIMPSE_E_INVALID, "--num_beam_groups is %d, which does not divide --num_beams %d", groups, b->width);
    if (groups > 1 && b->sample)
        FAIL(GLIMPSE_E_INVALID, "--num_beam_groups is %d with --beam_sample: groups are searched without a draw\nhint: leave one of "
             "them away", groups);
    if (n_return > b->width)
        FAIL(GLIMPSE_E_INVALID, "--num_return_sequences is %d, more than --num_beams %d", n_return, b->width);
    if (!(b->diversity >= 0) || !isfinite(b->diversity))
        FAIL(GLIMPSE_E_INVALID, "--diversity_penalty is %g, possible is 0 and above", b->diversity);
    if (!(fabs(b->length_penalty) <= 100)) FAIL(GLIMPSE_E_INVALID, "--length_penalty is %g, possible is -100 to 100", b->length_penalty);
    return GLIMPSE_OK;
}

void beam_describe(const beam_settings *b, buffer *out) {
    buf_printf(out, "beams=%d", b->width);
    if (b->n_groups > 1) buf_printf(out, ",groups:%d", b->n_groups);
    if (b->diversity != 0) buf_puts(out, ",diversity:"), sampler_put_number(out, b->diversity);
    if (b->length_penalty != 1) buf_puts(out, ",length_penalty:"), sampler_put_number(out, b->length_penalty);
    if (b->stopping != BEAM_STOP_FALSE) buf_puts(out, b->stopping == BEAM_STOP_TRUE ? ",early_stopping:true" : ",early_stopping:never");
    if (b->sample) buf_puts(out, ",sample:true");
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

static int32_t node_take(beams *b, int32_t parent) {
    int32_t n = b->n_free ? b->free_nodes[--b->n_free] : b->used++;
    b->nodes[n] = (node){ parent, 1, ++b->serial };
    if (parent >= 0) b->nodes[parent].refs++;
    return n;
}

static void node_drop(beams *b, int32_t n) {
    while (n >= 0 && --b->nodes[n].refs == 0) {
        int32_t parent = b->nodes[n].parent;
        b->free_nodes[b->n_free++] = n;
        n = parent;
    }
}

/* The record of `n` will be made by the samplers of `of`, before anything moves. */
static int32_t node_record(beams *b, const search *s, const beam *of, int32_t id) {
    int32_t n = node_take(b, of->node);
    b->jobs[b->n_jobs++] = (job){ .node = n, .id = id, .of = of, .in = &s->slots[of->slot] };
    return n;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* As the model has it. */
static float logprob(const beam *x, int32_t id) { return (float)((double)x->logits[id] - x->logz); }

/* How many beams of earlier groups took this token at this step. */
static int32_t times_taken(const beams *b, const search *s, int32_t id) {
    int32_t n = 0;
    for (const group *q = s->groups; q < s->groups + b->group; q++)
        for (int32_t i = 0; i < q->n_next; i++) n += q->next[i].id == id;
    return n;
}

/* The beam's row as log-probabilities, what earlier groups took made dearer, and its best continuations. */
static glimpse_status row(beams *b, const search *s, beam *x) {
    const row_ops *ops = row_ops_for(NULL);
    row_sums sums;
    ops->sums(x->logits, b->V, 1.0, NULL, &sums);
    if (!sums.ok || !(sums.max > -INFINITY)) return GLIMPSE_E_NONFINITE;
    x->logz = (double)sums.max + det_log((double)ops->mass(x->logits, b->V, sums.max, 1.0, NULL) * 0x1p-43);
    for (int32_t i = 0; i < b->V; i++) x->logprobs[i] = logprob(x, i);
    for (const group *q = s->groups; q < s->groups + b->group; q++)
        for (int32_t i = 0; i < q->n_next; i++) {
            const int32_t id = q->next[i].id;
            x->logprobs[id] = (float)((double)logprob(x, id) - b->rq->beams.diversity * times_taken(b, s, id));
        }
    const batch_prompt *p = &b->rq->prompts[s->prompt];
    draw_key key = { .key = draw_key_make(b->rq->seed, p->text, p->bytes, (uint32_t)(x - s->beams)), .step = b->rq->step_key };
    return chain_best(s->slots[x->slot].chain, x->logprobs, b->most, b->rq->beams.sample ? &key : NULL,
                      (uint32_t)(p->n_ids + s->length), x->choices, &x->n_choices);
}

static void rows_task(void *arg, int lane) {
    beams *b = arg;
    for (int32_t i = 0; i < b->n_searches; i++) {
        search *s = &b->searches[i];
        const group *q = &s->groups[b->group];
        for (int32_t k = 0; !s->done && !q->done && k < q->n_beams; k++) {
            beam *x = &q->beams[k];
            if (s->slots[x->slot].lane != lane) continue;
            x->st = row(b, s, x);
            if (x->st < 0 && x->st != GLIMPSE_E_NONFINITE) x->text = strdup(status_text());
        }
    }
}

static void records_task(void *arg, int lane) {
    beams *b = arg;
    for (int32_t i = 0; i < b->n_jobs; i++) {
        job *j = &b->jobs[i];
        if (j->in->lane != lane) continue;
        glimpse_token *t = &b->tokens[j->node];
        t->size = sizeof *t;
        j->st = chain_score(j->in->chain, j->of->logprobs, j->id, b->rq->n_top, t,
                            b->tops + (size_t)j->node * (size_t)b->rq->n_top);
        t->logit = record_roundf(j->of->logits[j->id]);
        if (j->st < 0) j->text = strdup(status_text());
    }
}

static glimpse_status run_records(beams *b) {
    glimpse_status st = GLIMPSE_OK;
    if (b->n_jobs) pool_run(b->g->pool, records_task, b, b->lanes);
    for (int32_t i = 0; i < b->n_jobs; i++) {
        if (b->jobs[i].st < 0 && st >= 0) st = status_set_text(b->jobs[i].st, b->jobs[i].text);
        free(b->jobs[i].text);
    }
    b->n_jobs = 0;
    return st;
}

/* --- selecting ---------------------------------------------------------------------------------------------------- */

static double penalised(const beams *b, double score, int32_t length) {
    return score / det_exp(b->rq->beams.length_penalty * det_log((double)length));
}

/* Whether the text of node `n` and then `id` has a stop string that its last token completes.  Walks back only as far as
 * the longest stop string could reach. */
static glimpse_status stops_here(beams *b, int32_t n, int32_t id, bool *yes) {
    glimpse_status st = GLIMPSE_OK;
    size_t longest = 0, bytes = 0;
    int32_t back[256], n_back = 0;
    buffer text = {0};
    *yes = false;
    for (int32_t i = 0; i < b->rq->n_stops; i++)
        if (batch_stop_bytes(b->rq, i) > longest) longest = batch_stop_bytes(b->rq, i);
    while (n >= 0 && n_back < 256 && bytes < longest) {
        back[n_back++] = b->tokens[n].id;
        TRY_GOTO(piece_text(b->g->t, b->tokens[n].id, &text));
        bytes = text.n;
        n = b->nodes[n].parent;
    }
    buf_clear(&text);
    while (n_back) TRY_GOTO(piece_text(b->g->t, back[--n_back], &text));
    bytes = text.n;
    TRY_GOTO(piece_text(b->g->t, id, &text));
    if (buf_failed(&text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the text of a beam");
    *yes = cut_at_stop(b->rq, &text, text.n - bytes);
out:
    buf_free(&text);
    return st;
}

/* Why a beam ends that has no room for another token. */
static glimpse_stop stop_of_room(const beams *b, const search *s) {
    return s->room >= b->rq->max_tokens ? GLIMPSE_STOP_LENGTH : GLIMPSE_STOP_CONTEXT;
}

static glimpse_status judge(beams *b, const search *s, candidate *c) {
    const model *m = b->g->m;
    bool stop = false;
    c->ends = true;
    if (!b->rq->ignore_eos && model_ends(&m->d, c->id)) {
        c->stop = GLIMPSE_STOP_EOS;
        return GLIMPSE_OK;
    }
    if (b->rq->n_stops) TRY(stops_here(b, c->of->node, c->id, &stop));
    if (stop) c->stop = GLIMPSE_STOP_STRING;
    else if (s->length + 1 >= s->room) c->stop = stop_of_room(b, s);
    else c->ends = false;
    return GLIMPSE_OK;
}

static void node_cancel(beams *b, int32_t n) {
    for (int32_t i = 0; i < b->n_jobs; i++)
        if (b->jobs[i].node == n) b->jobs[i] = b->jobs[--b->n_jobs];
    node_drop(b, n);
}

/* Keep it if it is among the w best of its group; ties leave the older one. */
static void end_beam(beams *b, search *s, group *q, const candidate *c) {
    ended *e = q->ends;
    double score = penalised(b, c->score, s->length + 1);
    if (q->n_ended == b->w) {
        if (!(score > e[b->w - 1].score)) return;
        node_cancel(b, e[b->w - 1].node);
        q->n_ended--;
    }
    int32_t i = q->n_ended++;
    for (; i > 0 && e[i - 1].score < score; i--) e[i] = e[i - 1];
    e[i] = (ended){ node_record(b, s, c->of, c->id), score, c->stop };
}

/* The group's candidates, best (or first drawn) first. */
static int32_t merge(const beams *b, const group *q, candidate *out) {
    int32_t n = 0, most = b->most;
    for (const beam *x = q->beams; x < q->beams + q->n_beams; x++)
        for (int32_t j = 0; j < x->n_choices; j++) {
            double order = x->score + x->choices[j].order;
            if (n == most && !(order > out[n - 1].order)) break; /* a beam's choices fall */
            int32_t i = n < most ? n++ : most - 1;
            for (; i > 0 && out[i - 1].order < order; i--) out[i] = out[i - 1];
            out[i] = (candidate){ .of = x, .id = x->choices[j].id, .score = x->score + x->choices[j].value, .order = order };
        }
    return n;
}

static bool may_improve(const beams *b, const search *s, const group *q, double best, int32_t length) {
    const beam_settings *set = &b->rq->beams;
    if (q->n_ended < b->w) return true;
    if (set->stopping == BEAM_STOP_TRUE) return false;
    if (set->stopping == BEAM_STOP_NEVER && set->length_penalty > 0) length = s->room;
    return penalised(b, best, length) > q->ends[b->w - 1].score;
}

static glimpse_status select_group(beams *b, search *s, group *q) {
    candidate all[(2 + GLIMPSE_MORE_EOS) * BEAM_MAX_WIDTH];
    int32_t n = merge(b, q, all), length = s->length + 1;
    bool last = length >= s->room;
    double best = n ? all[0].score : -INFINITY;
    q->n_next = 0;
    for (int32_t r = 0; r < n; r++) {
        candidate *c = &all[r];
        TRY(judge(b, s, c));
        bool by_itself = c->stop == GLIMPSE_STOP_EOS || c->stop == GLIMPSE_STOP_STRING;
        if (c->ends && (b->n_groups == 1 || by_itself)) {
            if (r < b->w) end_beam(b, s, q, c);
            continue;
        }
        /* a running beam: the w best by score, which without a draw are the first w */
        int32_t i = q->n_next < b->w ? q->n_next++ : b->w;
        for (; i > 0 && q->next[i - 1].score < c->score; i--)
            if (i < b->w) q->next[i] = q->next[i - 1];
        if (i < b->w) q->next[i] = (follower){ .of = c->of, .id = c->id, .score = c->score };
    }
    if (b->n_groups == 1) best = q->n_next ? q->next->score : -INFINITY;
    q->done = !q->n_next || !may_improve(b, s, q, best, length);
    if (last && b->n_groups > 1) { /* those that run out of room end behind those that ended by themselves */
        for (int32_t i = 0; i < q->n_next && !q->done; i++) {
            const follower *f = &q->next[i];
            end_beam(b, s, q, &(candidate){ .of = f->of, .id = f->id, .score = f->score, .stop = stop_of_room(b, s) });
        }
        q->done = true;
    }
    for (const group *before = s->groups; before < q && b->rq->beams.diversity != 0; before++) /* the record is the model's own */
        for (int32_t k = 0; k < before->n_next; k++)
            for (beam *x = q->beams; x < q->beams + q->n_beams; x++) x->logprobs[before->next[k].id] = logprob(x, before->next[k].id);
    for (follower *f = q->next; f < q->next + q->n_next && !q->done; f++) f->node = node_record(b, s, f->of, f->id);
    return GLIMPSE_OK;
}

/* A row that is not finite ends the search: its beams are what there is. */
static void break_search(beams *b, search *s, const beam *x) {
    buffer why = {0};
    row_put_nonfinite(x->logits, b->V, b->rq->prompts[s->prompt].n_ids + s->length - 1, &why);
    s->why = buf_failed(&why) ? NULL : arena_text(b->a, buf_str(&why), why.n);
    buf_free(&why);
    s->done = s->broken = true;
}

/* --- one step ----------------------------------------------------------------------------------------------------- */

static glimpse_status select_all(beams *b) {
    for (b->group = 0; b->group < b->n_groups; b->group++) {
        pool_run(b->g->pool, rows_task, b, b->lanes);
        glimpse_status st = GLIMPSE_OK;
        for (int32_t i = 0; i < b->n_searches; i++) {
            search *s = &b->searches[i];
            group *q = &s->groups[b->group];
            for (int32_t k = 0; !s->done && !q->done && k < q->n_beams; k++) {
                beam *x = &q->beams[k];
                if (x->st == GLIMPSE_E_NONFINITE) break_search(b, s, x);
                else if (x->st < 0 && st >= 0) st = status_set_text(x->st, x->text);
                free(x->text);
                x->text = NULL;
            }
            if (st >= 0 && !s->done && !q->done) st = select_group(b, s, q);
        }
        TRY(st);
    }
    return GLIMPSE_OK;
}

/* How far two strips hold the same. */
static int32_t in_common(const slot *a, const slot *c, int32_t n) {
    int32_t t = 0;
    while (t < n && a->serials[t] == c->serials[t]) t++;
    return t;
}

/* The slot that has most in common with `from` of those that are not taken: it becomes as that one, for another beam. */
static glimpse_status copy_slot(beams *b, search *s, const slot *from, bool *taken, int32_t *out) {
    int32_t common = -1, kept = s->length; /* positions whose keys and values are there */
    for (int32_t j = 0; j < b->width; j++) {
        int32_t same = taken[j] ? -1 : in_common(from, &s->slots[j], kept);
        if (same > common) common = same, *out = j;
    }
    slot *dest = &s->slots[*out];
    taken[*out] = true;
    TRY(chain_copy(dest->chain, from->chain));
    if (common < kept) {
        TRY(b->g->be->ops->copy(b->g->be, from->strip, dest->strip, b->rq->prompts[s->prompt].n_ids + common, kept - common));
        memcpy(dest->serials + common, from->serials + common, (size_t)(kept - common) * sizeof *dest->serials);
    }
    return GLIMPSE_OK;
}

/* The followers become the beams, each in a slot that holds what led to it. */
static glimpse_status move(beams *b, search *s) {
    bool taken[BEAM_MAX_WIDTH] = { false };
    group *const end = s->groups + b->n_groups;
    for (group *q = s->groups; q < end; q++)
        for (follower *f = q->next; f < q->next + q->n_next; f++) {
            f->slot = taken[f->of->slot] ? -1 : f->of->slot;
            taken[f->of->slot] = true;
        }
    for (group *q = s->groups; q < end; q++)
        for (follower *f = q->next; f < q->next + q->n_next; f++)
            if (f->slot < 0) TRY(copy_slot(b, s, &s->slots[f->of->slot], taken, &f->slot));
    for (group *q = s->groups; q < end; q++) {
        for (int32_t i = 0; i < q->n_beams; i++) node_drop(b, q->beams[i].node);
        q->n_beams = q->n_next;
        for (int32_t i = 0; i < q->n_next; i++) {
            const follower *f = &q->next[i];
            slot *in = &s->slots[f->slot];
            beam *x = &q->beams[i];
            x->node = f->node, x->score = f->score, x->slot = f->slot;
            chain_accept_as(in->chain, f->id, (double)b->tokens[f->node].p_final);
            in->serials[s->length] = b->nodes[f->node].serial;
        }
    }
    return GLIMPSE_OK;
}

static glimpse_status advance(beams *b) {
    for (int32_t i = 0; i < b->n_searches; i++) {
        search *s = &b->searches[i];
        if (s->done) continue;
        bool done = true;
        for (group *q = s->groups; q < s->groups + b->n_groups; q++) {
            if (q->done) q->n_next = 0;
            done &= q->done;
        }
        TRY(move(b, s));
        s->length++;
        s->done = done;
    }
    return GLIMPSE_OK;
}

static glimpse_status forward(beams *b, bool *any) {
    backend_row rows[BEAM_MAX_WIDTH];
    beam *of[BEAM_MAX_WIDTH];
    int32_t n = 0;
    for (int32_t i = 0; i < b->n_searches; i++) {
        search *s = &b->searches[i];
        int32_t n_ids = b->rq->prompts[s->prompt].n_ids;
        for (const group *q = s->groups; !s->done && q < s->groups + b->n_groups; q++)
            for (beam *x = q->beams; x < q->beams + q->n_beams; x++) {
                rows[n] = (backend_row){ .id = b->tokens[x->node].id, .pos = n_ids + s->length - 1,
                                         .strip = s->slots[x->slot].strip, .prefix_strip = s->prompt - b->searches->prompt,
                                         .prefix_tokens = n_ids, .want_logits = 1,
                                         .reach = generator_reach(b->g, &b->rq->prompts[s->prompt], b->rq->max_tokens) };
                of[n++] = x;
            }
    }
    *any = n > 0;
    if (!n) return GLIMPSE_OK;
    const float *logits = NULL;
    int64_t stride = 0;
    TRY(b->g->be->ops->forward(b->g->be, rows, n, &logits, &stride));
    for (int32_t k = 0; k < n; k++) of[k]->logits = logits + (size_t)k * (size_t)stride;
    return GLIMPSE_OK;
}

/* --- results ------------------------------------------------------------------------------------------------------ */

static glimpse_status finish_sample(beams *b, const search *s, const ended *e, int32_t rank) {
    glimpse_status st = GLIMPSE_OK;
    const batch_request *rq = b->rq;
    const batch_prompt *p = &rq->prompts[s->prompt];
    const chain *c = b->chains[s->setting * b->lanes];
    buffer text = {0}, made = {0};
    double temperature;
    int32_t top_k, n = 0, n_top = rq->n_top;
    for (int32_t k = e->node; k >= 0; k = b->nodes[k].parent) n++;
    glimpse_token *tokens = arena_alloc(b->a, (size_t)n * sizeof *tokens);
    glimpse_candidate *tops = arena_alloc(b->a, (size_t)n * (size_t)n_top * sizeof *tops);
    int32_t *ids = arena_alloc(b->a, (size_t)p->n_ids * sizeof *ids);
    int32_t *pairs = arena_alloc(b->a, 2 * (size_t)n * sizeof *pairs);
    float *dots = arena_alloc(b->a, (size_t)n * sizeof *dots);
    if (!tokens || !tops || !ids || !pairs || !dots) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the record of a sample");
    memcpy(ids, p->ids, (size_t)p->n_ids * sizeof *ids);
    for (int32_t k = e->node, i = n - 1; k >= 0; k = b->nodes[k].parent, i--) {
        tokens[i] = b->tokens[k];
        tokens[i].top = memcpy(tops + (size_t)i * (size_t)n_top, b->tops + (size_t)k * (size_t)n_top,
                               (size_t)n_top * sizeof *tops);
    }
    for (int32_t i = 1; i < n; i++) {
        pairs[2 * i] = tokens[i - 1].id;
        pairs[2 * i + 1] = tokens[i].id;
    }
    if (n > 1) TRY_GOTO(generator_cosines(b->g, pairs + 2, n - 1, dots + 1));
    for (int32_t i = 0; i < n; i++) {
        if (i) tokens[i].dot = record_roundf(dots[i]);
        if (i == n - 1 && e->stop == GLIMPSE_STOP_EOS) break;
        size_t before = text.n;
        TRY_GOTO(piece_text(b->g->t, tokens[i].id, &text));
        if (buf_failed(&text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the text of a sample");
        if (rq->n_stops) cut_at_stop(rq, &text, text.n - before);
    }
    chain_facts(c, &temperature, &top_k);
    beam_describe(&rq->beams, &made);
    bool empty = !strcmp(chain_string(c), "temperature=1") && !rq->beams.sample;
    if (!empty) buf_printf(&made, ";%s", chain_string(c));
    const char *label = rq->labels[s->setting];
    glimpse_sample *out = &b->samples[b->n_samples];
    *out = (glimpse_sample){
        .size = sizeof *out, .prompt = s->prompt, .setting = s->setting, .sample = rank, .n_samples = rq->num_samples,
        .prompt_text = arena_text(b->a, p->text, p->bytes), .prompt_bytes = p->bytes, .prompt_ids = ids,
        .n_prompt_ids = p->n_ids, .label = arena_text(b->a, label, strlen(label)),
        .samplers = buf_failed(&made) ? NULL : arena_text(b->a, buf_str(&made), made.n), .seed = rq->seed,
        .temperature = record_round(temperature, RECORD_LOSS_DIGITS), .top_k = top_k,
        .text = arena_text(b->a, text.n ? text.bytes : "", text.n), .text_bytes = text.n, .stop = e->stop,
        .why = e->stop == GLIMPSE_STOP_NONFINITE ? s->why : NULL, .tokens = tokens, .n_tokens = n,
        .n_beams = rq->beams.width, .beam_score = record_round(e->score, RECORD_LOSS_DIGITS) };
    if (!out->prompt_text || !out->label || !out->samplers || !out->text)
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the record of a sample");
    for (int32_t i = 0; rq->on_token && i < n; i++)
        rq->on_token(rq->user, (s->prompt * rq->n_settings + s->setting) * rq->num_samples + rank, &tokens[i]);
    b->n_samples++;
out:
    buf_free(&text);
    buf_free(&made);
    return st;
}

/* The best of all groups; of a search that broke, its beams as they were. */
static glimpse_status finish_search(beams *b, search *s) {
    ended all[2 * BEAM_MAX_WIDTH];
    int32_t n = 0;
    for (const group *q = s->groups; q < s->groups + b->n_groups; q++) {
        for (int32_t i = 0; i < q->n_ended; i++) all[n++] = q->ends[i];
        for (int32_t i = 0; s->broken && i < q->n_beams; i++) {
            const beam *x = &q->beams[i];
            if (x->node < 0 && n) continue;
            all[n++] = (ended){ x->node, s->length ? penalised(b, x->score, s->length) : 0, GLIMPSE_STOP_NONFINITE };
        }
    }
    for (int32_t i = 1; i < n; i++) { /* stable */
        ended x = all[i];
        int32_t j = i;
        for (; j > 0 && all[j - 1].score < x.score; j--) all[j] = all[j - 1];
        all[j] = x;
    }
    for (int32_t i = 0; i < n && i < b->rq->num_samples; i++) TRY(finish_sample(b, s, &all[i], i));
    return GLIMPSE_OK;
}

/* --- a wave ------------------------------------------------------------------------------------------------------- */

static glimpse_status open_search(beams *b, int32_t index, int32_t n_prompts, int32_t most_room) {
    search *s = &b->searches[index];
    const batch_prompt *p = &b->rq->prompts[s->prompt];
    s->room = batch_room(b->rq, p, b->g->m->d.max_seq_len);
    for (int32_t k = 0; k < b->width; k++) {
        size_t row = (size_t)index * (size_t)b->width + (size_t)k;
        slot *in = &s->slots[k];
        in->strip = n_prompts + (int32_t)row;
        in->lane = (int32_t)(row % (size_t)b->lanes);
        in->serials = b->serials + row * (size_t)most_room;
        TRY(chain_clone(b->chains[s->setting * b->lanes + in->lane], &in->chain));
        chain_reset(in->chain);
        s->beams[k] = (beam){ .node = -1, .slot = k, .logprobs = b->rows + row * (size_t)b->V,
                              .logits = b->prompt_logits + (size_t)(s->prompt - b->searches->prompt) * (size_t)b->V,
                              .choices = b->choices + row * (size_t)b->most };
        if (k % b->w) continue;
        for (int32_t i = 0; i < p->n_ids; i++) chain_accept_prompt(in->chain, p->ids[i]);
        s->groups[k / b->w] = (group){ .beams = s->beams + k, .next = s->next + k, .ends = s->ends + k, .n_beams = 1 };
    }
    return GLIMPSE_OK;
}

/* Searches first .. first + n - 1, numbered by prompt and setting. */
static glimpse_status run_wave(beams *b, int32_t first, int32_t n, int32_t most_room, batch_result *out) {
    glimpse_status st = GLIMPSE_OK;
    const batch_request *rq = b->rq;
    const model *m = b->g->m;
    int32_t p0 = first / rq->n_settings, p1 = (first + n - 1) / rq->n_settings + 1, rows = n * b->width;
    int32_t longest = batch_longest(rq, p0, p1 - p0);
    int64_t strip = (int64_t)longest + most_room < m->d.max_seq_len ? (int64_t)longest + most_room : m->d.max_seq_len;
    int32_t prefill_rows = longest < GENERATOR_PREFILL_ROWS ? longest : GENERATOR_PREFILL_ROWS;
    TRY(generator_backend(b->g, prefill_rows > rows ? prefill_rows : rows, rows, p1 - p0 + rows, (int32_t)strip));
    memset(b->searches, 0, (size_t)n * sizeof *b->searches);
    b->n_searches = n;
    b->n_free = b->used = 0;
    double t0 = monotonic_s();
    for (int32_t p = p0; p < p1; p++)
        TRY(generator_prefill(b->g, &rq->prompts[p], p - p0, generator_reach(b->g, &rq->prompts[p], rq->max_tokens),
                              b->prompt_logits + (size_t)(p - p0) * (size_t)b->V));
    double t1 = monotonic_s();
    for (int32_t i = 0; i < n; i++) {
        b->searches[i].prompt = (first + i) / rq->n_settings;
        b->searches[i].setting = (first + i) % rq->n_settings;
        TRY_GOTO(open_search(b, i, p1 - p0, most_room));
    }
    for (bool any = true; any;) {
        TRY_GOTO(select_all(b));
        TRY_GOTO(run_records(b));
        TRY_GOTO(advance(b));
        TRY_GOTO(forward(b, &any));
    }
    for (int32_t i = 0; i < n; i++) TRY_GOTO(finish_search(b, &b->searches[i]));
    out->prefill_s += t1 - t0;
    out->decode_s += monotonic_s() - t1;
out:
    for (int32_t i = 0; i < b->n_jobs; i++) free(b->jobs[i].text);
    b->n_jobs = 0;
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < b->width; k++) {
            chain_close(b->searches[i].slots[k].chain);
            free(b->searches[i].beams[k].text);
        }
    return st;
}

/* Searches that run side by side: bounded by rows and by the memory of their cache. */
static int32_t wave_size(const beams *b, int32_t most_room) {
    int32_t n = BEAM_MAX_WIDTH / b->width;
    const plan *p = b->g->plan;
    if (!p) return n;
    double bytes = ((double)batch_longest(b->rq, 0, b->rq->n_prompts) + most_room) * 2.0 * p->n_layers * p->kv_heads * p->head_size * sizeof(float);
    double fit = (double)BEAM_CACHE_BYTES / bytes / (b->width + 1);
    return fit < 1 ? 1 : fit < n ? (int32_t)fit : n;
}

glimpse_status beam_batch(generator *g, const batch_request *rq, batch_result *out) {
    glimpse_status st = GLIMPSE_OK;
    beams b = { .g = g, .rq = rq, .V = g->m->d.vocab_size, .width = rq->beams.width,
                .n_groups = rq->beams.n_groups > 1 ? rq->beams.n_groups : 1 };
    batch_result result = {0};
    TRY(beam_check(&rq->beams, rq->num_samples));
    b.w = b.width / b.n_groups;
    int32_t ends = rq->ignore_eos || g->m->d.eos < 0 ? 0 : 1 + g->m->d.n_more_eos;
    b.most = (ends > 1 ? 1 + ends : 2) * b.w;
    int32_t n = rq->n_prompts * rq->n_settings, shortest = rq->prompts[0].n_ids;
    for (int32_t i = 1; i < rq->n_prompts; i++)
        if (rq->prompts[i].n_ids < shortest) shortest = rq->prompts[i].n_ids;
    int32_t room = g->m->d.max_seq_len - shortest + 1;
    if (room > rq->max_tokens) room = rq->max_tokens;
    int32_t wave = wave_size(&b, room);
    if (wave > n) wave = n;
    b.lanes = rq->n_users ? 1 : pool_threads(g->pool) < b.width ? pool_threads(g->pool) : b.width;
    /* All that can be alive at once; what is never touched is never committed. */
    size_t rows = (size_t)wave * (size_t)b.width, nodes = rows * (2 * (size_t)room + 8), n_top = (size_t)rq->n_top;
    if (nodes > INT32_MAX) FAIL(GLIMPSE_E_MEMORY, "%zu beams of %d tokens are more than can be recorded", rows, room);
    b.a = arena_new();
    b.searches = calloc((size_t)wave, sizeof *b.searches);
    b.chains = calloc((size_t)rq->n_settings * (size_t)b.lanes, sizeof *b.chains);
    b.rows = calloc(rows * (size_t)b.V, sizeof *b.rows);
    b.prompt_logits = calloc((size_t)wave * (size_t)b.V, sizeof *b.prompt_logits);
    b.choices = calloc(rows * (size_t)b.most, sizeof *b.choices);
    b.serials = calloc(rows * (size_t)room, sizeof *b.serials);
    b.nodes = calloc(nodes, sizeof *b.nodes);
    b.tokens = calloc(nodes, sizeof *b.tokens);
    b.tops = calloc(nodes, (n_top ? n_top : 1) * sizeof *b.tops);
    b.free_nodes = calloc(nodes, sizeof *b.free_nodes);
    b.jobs = calloc(rows * 3 + 1, sizeof *b.jobs);
    if (b.a) b.samples = arena_alloc(b.a, (size_t)n * (size_t)rq->num_samples * sizeof *b.samples);
    if (!b.samples || !b.searches || !b.chains || !b.rows || !b.prompt_logits || !b.choices || !b.serials || !b.nodes
        || !b.tokens || !b.tops || !b.free_nodes || !b.jobs)
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %zu beams of %d tokens with %zu alternatives each", rows, room, n_top);
    for (int32_t i = 0; i < rq->n_settings * b.lanes; i++)
        TRY_GOTO(generator_chain_beside(g, rq, i / b.lanes, i < b.lanes ? NULL : b.chains[i % b.lanes], &b.chains[i]));
    for (int32_t first = 0; first < n; first += wave)
        TRY_GOTO(run_wave(&b, first, n - first < wave ? n - first : wave, room, &result));
    int32_t broken = 0;
    for (int32_t i = 0; i < b.n_samples; i++) broken += b.samples[i].stop == GLIMPSE_STOP_NONFINITE && !b.samples[i].n_tokens;
    if (broken == b.n_samples)
        FAIL_GOTO(GLIMPSE_E_NONFINITE, "%s", b.n_samples && b.samples->why ? b.samples->why : "logits are not finite");
    result.samples = b.samples;
    result.n_samples = b.n_samples;
    result.arena = b.a;
    b.a = NULL;
    *out = result;
out:
    for (int32_t i = 0; b.chains && i < rq->n_settings * b.lanes; i++) chain_close(b.chains[i]);
    arena_free(b.a);
    free(b.searches);
    free(b.chains);
    free(b.rows);
    free(b.prompt_logits);
    free(b.choices);
    free(b.serials);
    free(b.nodes);
    free(b.tokens);
    free(b.tops);
    free(b.free_nodes);
    free(b.jobs);
    return st;
}
