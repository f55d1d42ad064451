/* sequence.c -- one sample's life within a batch (sequence.h). */
#include "sampling/sequence.h"

#include "include/internal/status.h"
#include "include/internal/threads.h"
#include "sampling/guidance.h"
#include "sampling/pieces_text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- begin and end ------------------------------------------------------------------------------------------------ */

glimpse_status sequence_init(batch *b, int32_t i) {
    const batch_request *rq = b->rq;
    int32_t per_prompt = rq->n_settings * rq->num_samples, context = b->g->m->d.max_seq_len;
    sequence *s = &b->seqs[i];
    s->prompt = i / per_prompt;
    s->setting = i % per_prompt / rq->num_samples;
    s->sample = i % rq->num_samples;
    s->lane = i % b->lanes;
    const batch_prompt *p = &rq->prompts[s->prompt];
    s->key = (draw_key){ .key = draw_key_make(rq->seed, p->text, p->bytes, (uint32_t)s->sample), .step = rq->step_key };
    if (batch_guided(rq)) {
        s->negative = rq->n_negative ? rq->negative_ids : &p->ids[p->n_ids - 1];
        s->n_negative = rq->n_negative ? rq->n_negative : 1;
    }
    s->room = batch_room(rq, p, context);
    s->tokens = arena_alloc(b->a, (size_t)s->room * sizeof *s->tokens);
    s->tops = arena_alloc(b->a, (size_t)s->room * (size_t)rq->n_top * sizeof *s->tops + 1);
    if (rq->phrases) s->text_ends = arena_alloc(b->a, (size_t)s->room * sizeof *s->text_ends);
    if (!s->tokens || !s->tops || (rq->phrases && !s->text_ends))
        FAIL(GLIMPSE_E_MEMORY, "no memory to record %d samples of %d tokens with %d alternatives each", b->n_seqs, s->room,
             rq->n_top);
    return GLIMPSE_OK;
}

glimpse_status sequence_begin(batch *b, sequence *s) {
    const batch_request *rq = b->rq;
    const batch_prompt *p = &rq->prompts[s->prompt];
    TRY(chain_clone(b->chains[s->setting * b->lanes + s->lane], &s->chain));
    chain_reset(s->chain);
    if (batch_guided(rq)) TRY(guidance_join(s->chain, rq->guidance, &s->negative_logits));
    for (int32_t k = 0; k < p->n_ids; k++) chain_accept_prompt(s->chain, p->ids[k]);
    if (rq->phrases) TRY(antislop_open(rq->phrases, rq->phrase_retries, s->room, s->chain, b->a, &s->slop));
    if (!b->chain_texts[s->setting]) {
        const char *text = chain_string(s->chain);
        b->chain_texts[s->setting] = arena_text(b->a, text, strlen(text));
        if (!b->chain_texts[s->setting]) FAIL(GLIMPSE_E_MEMORY, "no memory for the name of a chain of samplers");
    }
    s->logits = s->prompt_logits;
    s->negative_logits = s->negative_prompt_logits;
    return GLIMPSE_OK;
}

void sequence_end(batch *b, sequence *s) {
    if (s->slop) {
        buffer note = {0};
        antislop_report(s->slop, &note);
        if (note.n && !buf_failed(&note)) s->note = arena_text(b->a, note.bytes, note.n);
        buf_free(&note);
    }
    chain_close(s->chain);
    antislop_close(s->slop);
    s->chain = NULL;
    s->slop = NULL;
}

void sequence_free(sequence *s) {
    chain_close(s->chain);
    antislop_close(s->slop);
    buf_free(&s->text);
    free(s->drawn_text);
}

/* --- one token ---------------------------------------------------------------------------------------------------- */

static void draw_one(const batch *b, sequence *s, int lane) {
    glimpse_token *t = &s->tokens[s->n];
    glimpse_candidate *top = s->tops + (size_t)s->n * (size_t)b->rq->n_top;
    uint32_t position = (uint32_t)(b->rq->prompts[s->prompt].n_ids + s->n);
    t->size = sizeof *t;
    if (s->part)
        s->drawn = chain_draw_part(s->chain, s->need, s->part, b->part_rows + (size_t)lane * (size_t)b->g->m->d.vocab_size, &s->key,
                                   position, b->rq->n_top, t, top);
    else s->drawn = chain_draw(s->chain, s->logits, &s->key, position, b->rq->n_top, t, top);
    if (s->drawn < 0) s->drawn_text = strdup(status_text());
}

static void draw_task(void *arg, int lane) {
    const batch *b = arg;
    for (int32_t i = 0; i < b->n_active; i++)
        if (b->active[i]->lane == lane) draw_one(b, b->active[i], lane);
}

bool cut_at_stop(const batch_request *rq, buffer *text, size_t added) {
    size_t best = SIZE_MAX;
    for (int32_t i = 0; i < rq->n_stops; i++) {
        size_t len = batch_stop_bytes(rq, i);
        if (len > text->n) continue;
        size_t from = text->n - added > len - 1 ? text->n - added - (len - 1) : 0;
        for (size_t at = from; at + len <= text->n; at++)
            if (!memcmp(text->bytes + at, rq->stops[i], len)) {
                if (at < best) best = at;
                break;
            }
    }
    if (best == SIZE_MAX) return false;
    text->n = best;
    text->bytes[best] = 0;
    return true;
}

/* No token could be drawn: say where, and which logit. */
static void end_nonfinite(batch *b, sequence *s) {
    buffer why = {0};
    row_stats stats = row_put_nonfinite(s->logits, b->g->m->d.vocab_size, b->rq->prompts[s->prompt].n_ids + s->n - 1, &why);
    if (stats.finite && s->drawn_text) /* the row is: a sampler, or the negative prompt */
        buf_printf(&why, " after the samplers (%.*s)", (int)strcspn(s->drawn_text, "\n"), s->drawn_text);
    s->why = buf_failed(&why) ? NULL : arena_text(b->a, buf_str(&why), why.n);
    buf_free(&why);
    s->done = true;
    s->stop = GLIMPSE_STOP_NONFINITE;
}

/* Every reason to end with the token just accepted, and its text. */
static glimpse_status append_text(batch *b, sequence *s, int32_t id) {
    const batch_request *rq = b->rq;
    const model *m = b->g->m;
    size_t before = s->text.n;
    int32_t n_ids = rq->prompts[s->prompt].n_ids, longer = s->n_negative > n_ids ? s->n_negative : n_ids;
    s->done = true;
    if (!rq->ignore_eos && model_ends(&m->d, id)) {
        s->stop = GLIMPSE_STOP_EOS;
        return GLIMPSE_OK;
    }
    TRY(piece_text(b->g->t, id, &s->text));
    if (buf_failed(&s->text)) FAIL(GLIMPSE_E_MEMORY, "no memory for the text of a sample");
    if (rq->n_stops && cut_at_stop(rq, &s->text, s->text.n - before)) s->stop = GLIMPSE_STOP_STRING;
    else if (s->n >= rq->max_tokens) s->stop = GLIMPSE_STOP_LENGTH;
    else if (longer + s->n > m->d.max_seq_len) s->stop = GLIMPSE_STOP_CONTEXT;
    else s->done = false;
    return GLIMPSE_OK;
}

/* After a token: back to the one in which a phrase began, if it ended one. */
static glimpse_status go_back(sequence *s) {
    int32_t back;
    TRY(antislop_accepted(s->slop, &s->chain, s->tokens, s->n, &s->text, s->text_ends, s->done, &back));
    if (back < 0) return GLIMPSE_OK;
    s->n = back;
    s->text.n = s->text_ends[back];
    if (s->text.bytes) s->text.bytes[s->text.n] = 0;
    s->done = false;
    s->logits = s->prompt_logits; /* with tokens, the next step computes the row of the last of them again */
    s->negative_logits = s->negative_prompt_logits;
    return GLIMPSE_OK;
}

static void show(batch *b, sequence *s) {
    const batch_request *rq = b->rq;
    int32_t until = s->done || !s->slop ? s->n : antislop_settled(s->slop);
    for (; s->shown < until; s->shown++)
        if (rq->on_token) rq->on_token(rq->user, (int32_t)(s - b->seqs), &s->tokens[s->shown]);
}

/* Take in the token that draw_task drew: text, every reason to stop or to go back. */
static glimpse_status accept_drawn(batch *b, sequence *s) {
    if (s->drawn == GLIMPSE_E_NONFINITE) {
        end_nonfinite(b, s);
        show(b, s);
        return GLIMPSE_OK;
    }
    if (s->drawn < 0) return status_set_text(s->drawn, s->drawn_text);
    glimpse_token *t = &s->tokens[s->n];
    if (s->slop) {
        antislop_note(s->slop, s->chain, t->id);
        s->text_ends[s->n] = s->text.n;
    }
    s->n++;
    chain_accept(s->chain, t->id);
    TRY(append_text(b, s, t->id));
    if (s->slop) TRY(go_back(s));
    show(b, s);
    return GLIMPSE_OK;
}

glimpse_status sequence_accept(batch *b, sequence *s) {
    s->drawn = GLIMPSE_OK;
    return accept_drawn(b, s);
}

bool batch_cancelled(const batch *b) {
    return b->rq->cancel && atomic_load_explicit(b->rq->cancel, memory_order_relaxed);
}

void sequences_cancel(batch *b) {
    for (int32_t i = 0; i < b->n_active; i++) {
        sequence *s = b->active[i];
        s->done = true;
        s->stop = GLIMPSE_STOP_CANCELLED;
        show(b, s);
    }
    b->n_active = 0;
}

/* `dot` of what was just drawn, in one go. */
static glimpse_status find_cosines(batch *b) {
    int32_t pairs[2 * BATCH_MOST], n = 0;
    float dots[BATCH_MOST];
    for (int32_t i = 0; i < b->n_active; i++) {
        const sequence *s = b->active[i];
        if (s->drawn < 0 || !s->n) continue;
        pairs[2 * n] = s->tokens[s->n - 1].id;
        pairs[2 * n++ + 1] = s->tokens[s->n].id;
    }
    if (n) TRY(generator_cosines(b->g, pairs, n, dots));
    for (int32_t i = b->n_active - 1; i >= 0; i--) {
        sequence *s = b->active[i];
        if (s->drawn >= 0) s->tokens[s->n].dot = s->n ? record_roundf(dots[--n]) : 0;
    }
    return GLIMPSE_OK;
}

/* Those for whom a part of the row was not enough. */
static glimpse_status draw_from_whole_rows(batch *b) {
    const backend_ops *ops = b->g->be->ops;
    for (int32_t i = 0; i < b->n_active; i++) {
        sequence *s = b->active[i];
        if (s->drawn != GLIMPSE_SKIPPED) continue;
        TRY(ops->whole_row(b->g->be, s->row, &s->logits));
        s->part = NULL;
        draw_one(b, s, s->lane);
    }
    return GLIMPSE_OK;
}

glimpse_status sequences_draw(batch *b) {
    pool_run(b->g->pool, draw_task, b, b->lanes);
    TRY(draw_from_whole_rows(b));
    TRY(find_cosines(b));
    int32_t left = 0;
    bool stop = batch_cancelled(b);
    for (int32_t i = 0; i < b->n_active; i++) {
        sequence *s = b->active[i];
        TRY(accept_drawn(b, s));
        if (!s->done) b->active[left++] = s;
    }
    b->n_active = left;
    if (stop) sequences_cancel(b);
    return GLIMPSE_OK;
}

/* --- the record --------------------------------------------------------------------------------------------------- */

glimpse_status sequence_record(batch *b, sequence *s, glimpse_sample *out) {
    const batch_request *rq = b->rq;
    const batch_prompt *p = &rq->prompts[s->prompt];
    int32_t *ids = arena_alloc(b->a, (size_t)p->n_ids * sizeof *ids);
    if (ids) memcpy(ids, p->ids, (size_t)p->n_ids * sizeof *ids);
    for (int32_t i = 0; i < s->n; i++) s->tokens[i].top = s->tops + (size_t)i * (size_t)rq->n_top;
    const char *label = rq->labels[s->setting];
    double temperature;
    int32_t top_k;
    chain_facts(b->chains[s->setting * b->lanes], &temperature, &top_k);
    char named[32];
    if (rq->n_settings == 1 && (rq->settings->order || (rq->context && rq->context->preset))) {
        c_snprintf(named, sizeof named, "top_k=%d", top_k); /* of the chain, which may differ from the flag */
        label = named;
    }
    *out = (glimpse_sample){
        .size = sizeof *out, .prompt = s->prompt, .setting = s->setting, .sample = s->sample,
        .n_samples = rq->num_samples, .prompt_text = arena_text(b->a, p->text, p->bytes), .prompt_bytes = p->bytes,
        .prompt_ids = ids, .n_prompt_ids = p->n_ids, .label = arena_text(b->a, label, strlen(label)),
        .samplers = b->chain_texts[s->setting], .seed = rq->seed,
        .temperature = record_round(temperature, RECORD_LOSS_DIGITS), .top_k = top_k,
        .text = arena_text(b->a, s->text.bytes, s->text.n), .text_bytes = s->text.n, .stop = s->stop, .why = s->why,
        .tokens = s->tokens, .n_tokens = s->n, .note = s->note };
    if (!ids || !out->prompt_text || !out->label || !out->text)
        FAIL(GLIMPSE_E_MEMORY, "no memory for the record of a sample");
    return GLIMPSE_OK;
}
