/* generate.c -- one batch from prompts to recorded samples (generate.h): waves of sequences (sequence.h) over one cache.
 *
 * A prompt's cache is a prefix strip that all its samples read; each sample writes to a strip of its own.  With guidance the
 * negative prompts and the samples behind them have strips of the same kind.  Sequences that end leave the batch at once.
 * More sequences than fit run in waves: numbers do not depend on what runs beside. */
#include "sampling/generate.h"

#include "include/internal/status.h"
#include "include/internal/threads.h"
#include "sampling/guidance.h"
#include "sampling/burst.h"
#include "sampling/sequence.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_WAVE = BATCH_MOST };
#define WAVE_CACHE_BYTES ((size_t)2 << 30) /* most memory for the cache of one wave */

/* --- one wave ----------------------------------------------------------------------------------------------------- */

typedef struct wave {
    batch *b;
    const kept_cache *kept;
    int32_t first, n;         /* its sequences */
    int32_t p0, n_prompts;    /* their prompts */
    int32_t n_negatives;      /* negative prompts: 0, 1, or one for each prompt */
    float *prompt_logits;     /* (n_prompts + n_negatives, V) */
} wave;

int32_t generator_reach(const generator *g, const batch_prompt *p, int32_t max_tokens) {
    int64_t n = (int64_t)p->n_ids + max_tokens;
    return n < g->m->d.max_seq_len ? (int32_t)n : g->m->d.max_seq_len;
}

/* Of ids (n) those from `from` on, where the ones before are in the strip. */
static glimpse_status prefill_from(generator *g, const int32_t *ids, int32_t from, int32_t n, int32_t strip, int32_t reach,
                                   float *last) {
    backend_row rows[GENERATOR_PREFILL_ROWS];
    while (from < n) {
        int32_t k = n - from < GENERATOR_PREFILL_ROWS ? n - from : GENERATOR_PREFILL_ROWS;
        for (int32_t i = 0; i < k; i++)
            rows[i] = (backend_row){ .id = ids[from + i], .pos = from + i, .strip = strip, .prefix_strip = -1,
                                     .prefix_tokens = 0, .want_logits = from + i == n - 1, .reach = reach };
        const float *logits = NULL;
        int64_t stride = 0;
        TRY(g->be->ops->forward(g->be, rows, k, &logits, &stride));
        from += k;
        if (from == n) memcpy(last, logits, (size_t)g->m->d.vocab_size * sizeof *last);
    }
    return GLIMPSE_OK;
}

glimpse_status generator_prefill(generator *g, const batch_prompt *p, int32_t strip, int32_t reach, float *last) {
    return prefill_from(g, p->ids, 0, p->n_ids, strip, reach, last);
}

static backend_row row_of(const sequence *s, int32_t strip, int32_t prefix_strip, int32_t n_ids, int32_t reach) {
    return (backend_row){ .id = s->tokens[s->n - 1].id, .pos = n_ids + s->n - 1, .strip = strip, .prefix_strip = prefix_strip,
                          .prefix_tokens = prefix_strip < 0 ? 0 : n_ids, .want_logits = 1, .reach = reach };
}

static glimpse_status take_part_memory(batch *b) {
    size_t V = (size_t)b->g->m->d.vocab_size * (size_t)b->lanes;
    if (b->needs) return GLIMPSE_OK;
    b->parts = calloc(MAX_WAVE, sizeof *b->parts);
    b->named = malloc((size_t)MAX_WAVE * PART_MOST_NAMED * sizeof *b->named);
    b->part_rows = malloc(V * sizeof *b->part_rows);
    b->needs = b->parts && b->named && b->part_rows ? calloc(MAX_WAVE, sizeof *b->needs) : NULL;
    if (!b->needs) FAIL(GLIMPSE_E_MEMORY, "no memory for the candidates of %d samples", b->n_active);
    for (size_t i = 0; i < V; i++) b->part_rows[i] = -INFINITY;
    return GLIMPSE_OK;
}

static void free_parts(batch *b) {
    free(b->needs);
    free(b->parts);
    free(b->named);
    free(b->part_rows);
}

/* Every chain says what it needs of its row, and that is less than the row: then it stays on the device. */
static glimpse_status find_needs(batch *b, bool *all) {
    int32_t n = 0;
    *all = false;
    if (!b->g->be->ops->parts || b->rq->n_users) return GLIMPSE_OK;
    TRY(take_part_memory(b));
    for (int32_t i = 0; i < b->n_active; i++) {
        sequence *s = b->active[i];
        if (s->slop || s->n_negative) return GLIMPSE_OK;
        if (!s->n) continue;
        if (!chain_part_need(s->chain, b->rq->n_top, b->named + (size_t)n * PART_MOST_NAMED, PART_MOST_NAMED, &b->needs[n])) return GLIMPSE_OK;
        n++;
    }
    *all = n > 0;
    return GLIMPSE_OK;
}

static glimpse_status step_in_parts(batch *b, const backend_row *rows, int32_t n) {
    int32_t at = 0;
    TRY(b->g->be->ops->parts(b->g->be, rows, n, b->needs, b->parts));
    for (int32_t i = 0; i < b->n_active; i++) {
        sequence *s = b->active[i];
        if (!s->n) continue;
        s->logits = NULL;
        s->need = &b->needs[at];
        s->part = &b->parts[at];
        s->row = at++;
    }
    return GLIMPSE_OK;
}

/* The next row of every active sequence.  One that went back to its prompt has it already. */
static glimpse_status step(batch *b) {
    bool in_parts;
    generator *g = b->g;
    backend_row rows[2 * MAX_WAVE];
    int32_t n = 0;
    for (int32_t i = 0; i < b->n_active; i++) b->active[i]->part = NULL;
    TRY(find_needs(b, &in_parts));
    for (int32_t i = 0; i < b->n_active; i++) {
        const sequence *s = b->active[i];
        if (!s->n) continue;
        rows[n++] = row_of(s, s->strip, s->prefix_strip, b->rq->prompts[s->prompt].n_ids, s->reach);
        if (s->n_negative) rows[n++] = row_of(s, s->negative_strip, s->negative_prefix, s->n_negative, s->negative_reach);
    }
    if (!n) return GLIMPSE_OK;
    if (in_parts) return step_in_parts(b, rows, n);
    const float *logits = NULL;
    int64_t stride = 0;
    TRY(g->be->ops->forward(g->be, rows, n, &logits, &stride));
    for (int32_t i = 0; i < b->n_active; i++) {
        sequence *s = b->active[i];
        if (!s->n) continue;
        s->logits = logits;
        logits += stride;
        if (!s->n_negative) continue;
        s->negative_logits = logits;
        logits += stride;
    }
    return GLIMPSE_OK;
}

/* Room in the backend; `cached` = how many tokens of the kept prompt are there already. */
static glimpse_status make_room(wave *w, int32_t *cached) {
    batch *b = w->b;
    generator *g = b->g;
    const batch_request *rq = b->rq;
    int32_t longest = 0, each = w->n_negatives ? 2 : 1;
    for (int32_t p = w->p0; p < w->p0 + w->n_prompts; p++)
        if (rq->prompts[p].n_ids > longest) longest = rq->prompts[p].n_ids;
    for (int32_t i = 0; i < w->n; i++)
        if (b->seqs[w->first + i].n_negative > longest) longest = b->seqs[w->first + i].n_negative;
    int64_t strip = (int64_t)longest + rq->max_tokens;
    if (strip > g->m->d.max_seq_len || w->kept) strip = g->m->d.max_seq_len;
    int32_t rows = longest < GENERATOR_PREFILL_ROWS && !w->kept ? longest : GENERATOR_PREFILL_ROWS;
    uint64_t opened = g->opened;
    bool mine = w->kept && g->cache_of == w->kept->owner;
    TRY(generator_backend(g, rows > each * w->n ? rows : each * w->n, each * w->n,
                          w->n_prompts + w->n_negatives + each * w->n, (int32_t)strip));
    *cached = mine && opened == g->opened ? w->kept->cached : 0;
    return GLIMPSE_OK;
}

/* Strips: prompts, negative prompts, sequences, sequences behind the negative prompts.  A kept cache goes on in its own. */
static glimpse_status place(wave *w, int32_t cached) {
    batch *b = w->b;
    size_t V = (size_t)b->g->m->d.vocab_size;
    int32_t prompts = w->n_prompts + w->n_negatives;
    for (int32_t k = 0; k < w->n_prompts; k++) {
        const batch_prompt *p = &b->rq->prompts[w->p0 + k];
        int32_t reach = w->kept ? b->g->m->d.max_seq_len : generator_reach(b->g, p, b->rq->max_tokens);
        TRY(prefill_from(b->g, p->ids, cached, p->n_ids, k, reach, w->prompt_logits + (size_t)k * V));
    }
    for (int32_t i = 0, done = 0; i < w->n; i++) {
        sequence *s = &b->seqs[w->first + i];
        int32_t k = s->prompt - w->p0;
        s->strip = w->kept ? 0 : prompts + i;
        s->prefix_strip = w->kept ? -1 : k;
        s->prompt_logits = w->prompt_logits + (size_t)k * V;
        s->reach = w->kept ? b->g->m->d.max_seq_len : generator_reach(b->g, &b->rq->prompts[s->prompt], b->rq->max_tokens);
        if (!s->n_negative) continue;
        const batch_prompt negative = { .ids = s->negative, .n_ids = s->n_negative };
        s->negative_reach = generator_reach(b->g, &negative, b->rq->max_tokens);
        int32_t at = w->n_negatives == 1 ? 0 : k;
        s->negative_strip = prompts + w->n + i;
        s->negative_prefix = w->n_prompts + at;
        s->negative_prompt_logits = w->prompt_logits + (size_t)(w->n_prompts + at) * V;
        if (at < done) continue;
        TRY(generator_prefill(b->g, &negative, s->negative_prefix, s->negative_reach,
                              w->prompt_logits + (size_t)(w->n_prompts + at) * V));
        done = at + 1;
    }
    return GLIMPSE_OK;
}

/* Run sequences first .. first + n - 1: those of consecutive prompts. */
static glimpse_status run_wave(batch *b, const kept_cache *kept, int32_t first, int32_t n, batch_result *out) {
    glimpse_status st = GLIMPSE_OK;
    wave w = { .b = b, .kept = kept, .first = first, .n = n, .p0 = b->seqs[first].prompt };
    int32_t cached = 0;
    w.n_prompts = b->seqs[first + n - 1].prompt + 1 - w.p0;
    w.n_negatives = !batch_guided(b->rq) ? 0 : b->rq->n_negative ? 1 : w.n_prompts;
    double t0 = monotonic_s(), t1 = t0;
    w.prompt_logits = calloc((size_t)(w.n_prompts + w.n_negatives) * (size_t)b->g->m->d.vocab_size, sizeof(float));
    if (!w.prompt_logits) FAIL(GLIMPSE_E_MEMORY, "no memory for the logits of %d prompts", w.n_prompts);
    TRY_GOTO(make_room(&w, &cached));
    TRY_GOTO(place(&w, cached));
    t1 = monotonic_s();
    for (b->n_active = 0; b->n_active < n; b->n_active++) {
        b->active[b->n_active] = &b->seqs[first + b->n_active];
        TRY_GOTO(sequence_begin(b, b->active[b->n_active]));
    }
    TRY_GOTO(sequences_draw(b));
    while (b->n_active) {
        bool ran;
        TRY_GOTO(burst_run(b, &ran));
        if (ran || !b->n_active) continue;
        TRY_GOTO(step(b));
        TRY_GOTO(sequences_draw(b));
    }
    out->prefill_s += t1 - t0;
    out->decode_s += monotonic_s() - t1;
    if (kept) b->g->cache_of = kept->owner;
out:
    for (int32_t i = 0; i < n; i++) sequence_end(b, &b->seqs[first + i]);
    free(w.prompt_logits);
    return st;
}

/* How many sequences a wave may hold: bounded by number and by the memory of their cache. */
static int32_t wave_size(const generator *g, const batch_request *rq) {
    if (!g->plan) return MAX_WAVE;
    const plan *p = g->plan;
    int64_t longest = 0;
    for (int32_t i = 0; i < rq->n_prompts; i++)
        if (rq->prompts[i].n_ids > longest) longest = rq->prompts[i].n_ids;
    if (batch_guided(rq) && rq->n_negative > longest) longest = rq->n_negative;
    double tokens = (double)longest + rq->max_tokens;
    if (tokens > p->max_seq_len) tokens = p->max_seq_len;
    double bytes = tokens * 2.0 * p->n_layers * p->kv_heads * p->head_size * sizeof(float);
    double n = (double)WAVE_CACHE_BYTES / bytes / 2; /* at worst each sequence has a prompt of its own */
    if (batch_guided(rq)) n /= 2;
    return n < 1 ? 1 : n > MAX_WAVE ? MAX_WAVE : (int32_t)n;
}

/* --- the batch ---------------------------------------------------------------------------------------------------- */

glimpse_status batch_check(const generator *g, const batch_request *rq) {
    if (rq->n_prompts < 1 || rq->n_settings < 1 || rq->num_samples < 1 || rq->max_tokens < 1)
        FAIL(GLIMPSE_E_INVALID, "a batch needs a prompt, a setting, a sample and a token at least");
    int64_t n = (int64_t)rq->n_prompts * rq->n_settings;
    if (n > 100000 || n * rq->num_samples > 100000)
        FAIL(GLIMPSE_E_INVALID, "%d prompts x %d settings x %d samples are more than 100000 at one eval", rq->n_prompts,
             rq->n_settings, rq->num_samples);
    for (int32_t i = 0; i < rq->n_stops; i++)
        if (!batch_stop_bytes(rq, i))
            FAIL(GLIMPSE_E_INVALID, "stop text %d is empty, and would never be found", i);
    if (rq->beams.width > 1 && (rq->phrases || batch_guided(rq)))
        FAIL(GLIMPSE_E_INVALID, "%s is for samples that are drawn, and --num_beams is %d", rq->phrases ? "--antislop" :
             "--guidance_scale", rq->beams.width);
    if (!(rq->guidance >= 0 && rq->guidance <= 1000))
        FAIL(GLIMPSE_E_INVALID, "the guidance scale is %g, possible is 0 to 1000", rq->guidance);
    if (batch_guided(rq) && (rq->n_negative < 0 || rq->n_negative > g->m->d.max_seq_len))
        FAIL(GLIMPSE_E_INVALID, "the negative prompt has %d tokens, the model's context holds %d", rq->n_negative,
             g->m->d.max_seq_len);
    for (int32_t i = 0; i < rq->n_negative; i++)
        if (rq->negative_ids[i] < 0 || rq->negative_ids[i] >= g->m->d.vocab_size)
            FAIL(GLIMPSE_E_TOKENIZER, "the negative prompt: token %d has id %d, the model knows ids 0 .. %d", i,
                 rq->negative_ids[i], g->m->d.vocab_size - 1);
    for (int32_t p = 0; p < rq->n_prompts; p++) {
        const batch_prompt *b = &rq->prompts[p];
        if (b->n_ids < 1) FAIL(GLIMPSE_E_INVALID, "prompt %d is empty", p + 1);
        if (b->n_ids > g->m->d.max_seq_len)
            FAIL(GLIMPSE_E_INVALID, "prompt %d has %d tokens, the model's context holds %d", p + 1, b->n_ids,
                 g->m->d.max_seq_len);
        for (int32_t i = 0; i < b->n_ids; i++)
            if (b->ids[i] < 0 || b->ids[i] >= g->m->d.vocab_size)
                FAIL(GLIMPSE_E_TOKENIZER,
                     "prompt %d: token %d has id %d, the model knows ids 0 .. %d\nhint: is this the tokenizer that the "
                     "model is trained with?", p + 1, i + 1, b->ids[i], g->m->d.vocab_size - 1);
    }
    return GLIMPSE_OK;
}

glimpse_status generator_chain_beside(const generator *g, const batch_request *rq, int32_t setting, const chain *beside,
                                      chain **out) {
    sampler_context context = rq->context ? *rq->context : (sampler_context)SAMPLER_CONTEXT_INIT;
    context.users = rq->users;
    context.n_users = rq->n_users;
    context.eos = g->m->d.eos;
    context.more_eos = g->m->d.more_eos;
    context.n_more_eos = g->m->d.n_more_eos;
    context.history = g->m->d.max_seq_len;
    context.max_tokens = rq->max_tokens;
    context.tokenizer = g->t;
    context.cosines = g->m->is_function ? NULL : embedding_cosines;
    context.user = (void *)(uintptr_t)g;
    context.guidance = batch_guided(rq) ? rq->guidance : 0;
    context.antislop = rq->phrases != NULL;
    context.beside = beside;
    context.processors_only = rq->beams.width > 1 && !rq->beams.sample;
    return chain_open_in(&rq->settings[setting], &context, g->m->d.vocab_size, out);
}

glimpse_status generator_chain(const generator *g, const batch_request *rq, int32_t setting, chain **out) {
    glimpse_status st = GLIMPSE_OK;
    chain *c = NULL;
    TRY(generator_chain_beside(g, rq, setting, NULL, &c));
    if (batch_guided(rq)) TRY_GOTO(guidance_join(c, rq->guidance, NULL));
    if (rq->phrases) TRY_GOTO(antislop_name_in(rq->phrases, c));
    *out = c;
    return GLIMPSE_OK;
out:
    chain_close(c);
    return st;
}

glimpse_status batch_run(generator *g, const batch_request *rq, const kept_cache *kept, batch_result *out) {
    glimpse_status st = GLIMPSE_OK;
    TRY(batch_check(g, rq));
    if (rq->beams.width > 1) return beam_batch(g, rq, out);
    batch b = { .g = g, .rq = rq, .n_seqs = rq->n_prompts * rq->n_settings * rq->num_samples };
    batch_result result = {0};
    int32_t wave = wave_size(g, rq);
    b.lanes = pool_threads(g->pool) < b.n_seqs ? pool_threads(g->pool) : b.n_seqs;
    if (rq->n_users) b.lanes = 1;
    b.a = arena_new();
    b.seqs = calloc((size_t)b.n_seqs, sizeof *b.seqs);
    b.active = calloc(MAX_WAVE, sizeof *b.active);
    b.chains = calloc((size_t)rq->n_settings * (size_t)b.lanes, sizeof *b.chains);
    b.chain_texts = calloc((size_t)rq->n_settings, sizeof *b.chain_texts);
    if (!b.a || !b.seqs || !b.active || !b.chains || !b.chain_texts)
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a batch of %d samples", b.n_seqs);
    for (int32_t i = 0; i < rq->n_settings * b.lanes; i++)
        TRY_GOTO(generator_chain_beside(g, rq, i / b.lanes, i < b.lanes ? NULL : b.chains[i % b.lanes], &b.chains[i]));
    for (int32_t i = 0; i < b.n_seqs; i++) TRY_GOTO(sequence_init(&b, i));
    for (int32_t first = 0; first < b.n_seqs; first += wave)
        TRY_GOTO(run_wave(&b, kept, first, b.n_seqs - first < wave ? b.n_seqs - first : wave, &result));

    result.samples = arena_alloc(b.a, (size_t)b.n_seqs * sizeof *result.samples);
    if (!result.samples) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %d samples", b.n_seqs);
    result.n_samples = b.n_seqs;
    int32_t broken = 0;
    for (int32_t i = 0; i < b.n_seqs; i++) {
        TRY_GOTO(sequence_record(&b, &b.seqs[i], &result.samples[i]));
        broken += b.seqs[i].stop == GLIMPSE_STOP_NONFINITE && !b.seqs[i].n;
    }
    if (broken == b.n_seqs) FAIL_GOTO(GLIMPSE_E_NONFINITE, "%s", b.seqs[0].why ? b.seqs[0].why : "logits are not finite");
    result.arena = b.a;
    b.a = NULL;
    *out = result;
out:
    for (int32_t i = 0; b.seqs && i < b.n_seqs; i++) sequence_free(&b.seqs[i]);
    for (int32_t i = 0; b.chains && i < rq->n_settings * b.lanes; i++) chain_close(b.chains[i]);
    arena_free(b.a);
    free_parts(&b);
    free(b.seqs);
    free(b.active);
    free(b.chains);
    free(b.chain_texts);
    return st;
}

glimpse_status generate_batch(generator *g, const batch_request *rq, batch_result *out) {
    return batch_run(g, rq, NULL, out);
}

void batch_result_free(batch_result *r) {
    if (!r) return;
    arena_free(r->arena);
    *r = (batch_result){0};
}
