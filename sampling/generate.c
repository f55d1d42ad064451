/* generate.c -- one batch from prompts to recorded samples (generate.h).
 *
 * The life of a sequence:
 *   waiting --prefill of its prompt, once for all its samples--> active --draw, forward, draw, ...--> done (glimpse_stop)
 * A prompt's cache is a prefix strip that all its samples read; each sample writes to a strip of its own.  Sequences that
 * end leave the batch at once.  More sequences than fit run in waves: numbers do not depend on what runs beside. */
#include "sampling/generate.h"

#include "include/internal/status.h"
#include "include/internal/threads.h"
#include "sampling/forward.h"
#include "sampling/generator.h"
#include "sampling/pieces_text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX(a, b) ((a) > (b) ? (a) : (b))
enum { PREFILL_ROWS = GENERATOR_PREFILL_ROWS, MAX_WAVE = 64 };
#define WAVE_CACHE_BYTES ((size_t)2 << 30) /* most memory for the cache of one wave */

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- the generator ------------------------------------------------------------------------------------------------ */

glimpse_status generator_open(const model *m, tokenizer *t, const generator_config *cfg, generator **out) {
    glimpse_status st = GLIMPSE_OK;
    generator *g = calloc(1, sizeof *g);
    if (!g) FAIL(GLIMPSE_E_MEMORY, "no memory for the generator");
    g->m = m;
    g->t = t;
    g->cfg = *cfg;
    if (!g->cfg.ops) g->cfg.ops = &backend_cpu;
    if (g->cfg.threads < 1) g->cfg.threads = 1;
    if (!m->is_function) TRY_GOTO(plan_build(m, &g->plan));
    TRY_GOTO(pool_open(&g->pool, g->cfg.threads));
    *out = g;
    return GLIMPSE_OK;
out:
    generator_close(g);
    return st;
}

void generator_close(generator *g) {
    if (!g) return;
    if (g->be) g->be->ops->close(g->be);
    plan_close(g->plan);
    pool_close(g->pool);
    free(g);
}

glimpse_status generator_refresh(generator *g) {
    return g->be ? g->be->ops->refresh(g->be) : GLIMPSE_OK;
}

const char *generator_device(const generator *g) {
    return g->m->is_function ? "function" : g->cfg.ops->name;
}

/* A backend with at least this room: the one that is open, or a new one. */
glimpse_status generator_backend(generator *g, int32_t rows, int32_t logits, int32_t strips, int32_t strip_tokens) {
    const backend_config *have = &g->be_cfg;
    if (g->be && have->max_rows >= rows && have->max_logits >= logits && have->n_strips >= strips
        && have->strip_tokens >= strip_tokens)
        return GLIMPSE_OK;
    if (g->be) { /* room for both askers, where that is not far more than either needs: evals ask in turn */
        int64_t larger = (int64_t)strips * strip_tokens, had = (int64_t)have->n_strips * have->strip_tokens;
        int32_t both_strips = MAX(strips, have->n_strips), both_tokens = MAX(strip_tokens, have->strip_tokens);
        if (had > larger) larger = had;
        rows = MAX(rows, have->max_rows);
        logits = MAX(logits, have->max_logits);
        if ((int64_t)both_strips * both_tokens <= 2 * larger) {
            strips = both_strips;
            strip_tokens = both_tokens;
        }
        g->be->ops->close(g->be);
    }
    g->be = NULL;
    backend_config want = { .threads = g->cfg.threads, .max_rows = rows, .max_logits = logits, .n_strips = strips,
                            .strip_tokens = strip_tokens, .isa = g->cfg.isa, .pool = g->pool };
    if (g->m->is_function)
        TRY(function_backend_open(g->m, &want, &g->be));
    else {
        TRY(g->cfg.ops->open(&g->be, g->plan, &want));
        TRY(g->be->ops->refresh(g->be));
    }
    g->be_cfg = want;
    return GLIMPSE_OK;
}

/* --- one sequence ------------------------------------------------------------------------------------------------- */

typedef struct sequence {
    int32_t prompt, setting, sample, lane;
    chain *chain;
    draw_key key;
    const float *logits; /* the row to draw from next */
    glimpse_token *tokens; /* (as many as may be drawn) in the arena */
    glimpse_candidate *tops; /* (the same, n_top) */
    int32_t n;
    buffer text;
    glimpse_stop stop;
    bool done;
    glimpse_status drawn; /* of the last draw */
    char *drawn_text;     /* why it failed: the text of an error is the thread's that failed */
    char *why;
} sequence;

typedef struct batch {
    generator *g;
    const batch_request *rq;
    arena *a;
    sequence *seqs;     /* (n_seqs), in the order of the result */
    int32_t n_seqs;
    sequence **active;  /* those of the wave that go on */
    int32_t n_active;
    chain **chains;     /* (n_settings, lanes): those of a lane and their clones share scratch memory, lanes do not */
    int32_t lanes;      /* draws of one step run side by side in so many tasks */
    float *prompt_logits; /* (prompts of the wave, V) */
} batch;

static void draw_task(void *arg, int lane) {
    const batch *b = arg;
    for (int32_t i = 0; i < b->n_active; i++) {
        sequence *s = b->active[i];
        if (s->lane != lane) continue;
        glimpse_token *t = &s->tokens[s->n];
        t->size = sizeof *t;
        s->drawn = chain_draw(s->chain, s->logits, &s->key, (uint32_t)(b->rq->prompts[s->prompt].n_ids + s->n),
                              b->rq->n_top, t, s->tops + (size_t)s->n * (size_t)b->rq->n_top);
        if (s->drawn < 0 && s->drawn != GLIMPSE_E_NONFINITE) s->drawn_text = strdup(status_text());
    }
}

bool cut_at_stop(const batch_request *rq, buffer *text, size_t added) {
    size_t best = SIZE_MAX;
    for (int32_t i = 0; i < rq->n_stops; i++) {
        size_t len = strlen(rq->stops[i]);
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

/* Take in the token that draw_task drew: text, cosine, every reason to stop. */
static glimpse_status accept_drawn(batch *b, sequence *s) {
    const batch_request *rq = b->rq;
    const model *m = b->g->m;
    int32_t position = rq->prompts[s->prompt].n_ids + s->n;
    if (s->drawn == GLIMPSE_E_NONFINITE) {
        row_stats stats = row_stats_of(s->logits, m->d.vocab_size);
        buffer why = {0};
        buf_printf(&why, "the logits at position %d are not finite", position - 1);
        if (stats.bad_id >= 0) {
            buf_printf(&why, " (id %d: ", stats.bad_id);
            buf_g(&why, (double)s->logits[stats.bad_id], 6);
            buf_putc(&why, ')');
        }
        s->why = buf_failed(&why) ? NULL : arena_text(b->a, buf_str(&why), why.n);
        buf_free(&why);
        s->done = true;
        s->stop = GLIMPSE_STOP_NONFINITE;
        return GLIMPSE_OK;
    }
    if (s->drawn < 0) return status_set_text(s->drawn, s->drawn_text);
    glimpse_token *t = &s->tokens[s->n];
    t->dot = s->n && !m->is_function ? record_roundf((float)embedding_cosine(m, s->tokens[s->n - 1].id, t->id)) : 0.0f;
    s->n++;
    chain_accept(s->chain, t->id);
    if (t->id == m->d.eos && !rq->ignore_eos) {
        s->done = true;
        s->stop = GLIMPSE_STOP_EOS;
    } else {
        size_t before = s->text.n;
        TRY(piece_text(b->g->t, t->id, &s->text));
        if (buf_failed(&s->text)) FAIL(GLIMPSE_E_MEMORY, "no memory for the text of a sample");
        if (rq->n_stops && cut_at_stop(rq, &s->text, s->text.n - before)) {
            s->done = true;
            s->stop = GLIMPSE_STOP_STRING;
        } else if (s->n >= rq->max_tokens) {
            s->done = true;
            s->stop = GLIMPSE_STOP_LENGTH;
        } else if (position >= m->d.max_seq_len) {
            s->done = true;
            s->stop = GLIMPSE_STOP_CONTEXT;
        }
    }
    if (rq->on_token) rq->on_token(rq->user, (int32_t)(s - b->seqs), t);
    return GLIMPSE_OK;
}

static glimpse_status draw_active(batch *b) {
    pool_run(b->g->pool, draw_task, b, b->lanes);
    int32_t left = 0;
    for (int32_t i = 0; i < b->n_active; i++) {
        sequence *s = b->active[i];
        TRY(accept_drawn(b, s));
        if (!s->done) b->active[left++] = s;
    }
    b->n_active = left;
    return GLIMPSE_OK;
}

/* --- one wave ----------------------------------------------------------------------------------------------------- */

int32_t generator_reach(const generator *g, const batch_prompt *p, int32_t max_tokens) {
    int64_t n = (int64_t)p->n_ids + max_tokens;
    return n < g->m->d.max_seq_len ? (int32_t)n : g->m->d.max_seq_len;
}

glimpse_status generator_prefill(generator *g, const batch_prompt *p, int32_t strip, int32_t reach, float *last) {
    backend_row rows[PREFILL_ROWS];
    for (int32_t at = 0; at < p->n_ids;) {
        int32_t n = p->n_ids - at < PREFILL_ROWS ? p->n_ids - at : PREFILL_ROWS;
        for (int32_t i = 0; i < n; i++)
            rows[i] = (backend_row){ .id = p->ids[at + i], .pos = at + i, .strip = strip, .prefix_strip = -1,
                                     .prefix_tokens = 0, .want_logits = at + i == p->n_ids - 1, .reach = reach };
        const float *logits = NULL;
        int64_t stride = 0;
        TRY(g->be->ops->forward(g->be, rows, n, &logits, &stride));
        at += n;
        if (at == p->n_ids) memcpy(last, logits, (size_t)g->m->d.vocab_size * sizeof *last);
    }
    return GLIMPSE_OK;
}

static glimpse_status decode(batch *b, const sequence *first, int32_t n_prompts) {
    generator *g = b->g;
    backend_row rows[MAX_WAVE];
    while (b->n_active) {
        for (int32_t i = 0; i < b->n_active; i++) {
            const sequence *s = b->active[i];
            int32_t n_ids = b->rq->prompts[s->prompt].n_ids;
            rows[i] = (backend_row){ .id = s->tokens[s->n - 1].id, .pos = n_ids + s->n - 1,
                                     .strip = n_prompts + (int32_t)(s - first),
                                     .prefix_strip = s->prompt - first->prompt, .prefix_tokens = n_ids, .want_logits = 1,
                                     .reach = generator_reach(b->g, &b->rq->prompts[s->prompt], b->rq->max_tokens) };
        }
        const float *logits = NULL;
        int64_t stride = 0;
        TRY(g->be->ops->forward(g->be, rows, b->n_active, &logits, &stride));
        for (int32_t i = 0; i < b->n_active; i++) b->active[i]->logits = logits + (size_t)i * (size_t)stride;
        TRY(draw_active(b));
    }
    return GLIMPSE_OK;
}

/* Run sequences first .. first + n - 1: those of consecutive prompts. */
static glimpse_status run_wave(batch *b, int32_t first, int32_t n, batch_result *out) {
    const batch_request *rq = b->rq;
    const model *m = b->g->m;
    int32_t p0 = b->seqs[first].prompt, p1 = b->seqs[first + n - 1].prompt + 1, longest = 0;
    for (int32_t p = p0; p < p1; p++)
        if (rq->prompts[p].n_ids > longest) longest = rq->prompts[p].n_ids;
    int64_t strip = (int64_t)longest + rq->max_tokens;
    if (strip > m->d.max_seq_len) strip = m->d.max_seq_len;
    int32_t rows = longest < PREFILL_ROWS ? longest : PREFILL_ROWS;
    TRY(generator_backend(b->g, rows > n ? rows : n, n, p1 - p0 + n, (int32_t)strip));

    double t0 = now_s();
    for (int32_t p = p0; p < p1; p++)
        TRY(generator_prefill(b->g, &rq->prompts[p], p - p0, generator_reach(b->g, &rq->prompts[p], rq->max_tokens),
                              b->prompt_logits + (size_t)(p - p0) * (size_t)m->d.vocab_size));
    double t1 = now_s();
    b->n_active = n;
    for (int32_t i = 0; i < n; i++) {
        sequence *s = &b->seqs[first + i];
        const batch_prompt *p = &rq->prompts[s->prompt];
        TRY(chain_clone(b->chains[s->setting * b->lanes + s->lane], &s->chain));
        for (int32_t k = 0; k < p->n_ids; k++) chain_accept_prompt(s->chain, p->ids[k]);
        s->logits = b->prompt_logits + (size_t)(s->prompt - p0) * (size_t)m->d.vocab_size;
        b->active[i] = s;
    }
    glimpse_status st = draw_active(b);
    if (st >= 0) st = decode(b, &b->seqs[first], p1 - p0);
    for (int32_t i = 0; i < n; i++) {
        chain_close(b->seqs[first + i].chain);
        b->seqs[first + i].chain = NULL;
    }
    TRY(st);
    out->prefill_s += t1 - t0;
    out->decode_s += now_s() - t1;
    return GLIMPSE_OK;
}

/* How many sequences a wave may hold: bounded by number and by the memory of their cache. */
static int32_t wave_size(const generator *g, const batch_request *rq) {
    if (!g->plan) return MAX_WAVE;
    const plan *p = g->plan;
    int64_t longest = 0;
    for (int32_t i = 0; i < rq->n_prompts; i++)
        if (rq->prompts[i].n_ids > longest) longest = rq->prompts[i].n_ids;
    double tokens = (double)longest + rq->max_tokens;
    if (tokens > p->max_seq_len) tokens = p->max_seq_len;
    double bytes = tokens * 2.0 * p->n_layers * p->kv_heads * p->head_size * sizeof(float);
    double n = (double)WAVE_CACHE_BYTES / bytes / 2; /* at worst each sequence has a prompt of its own */
    return n < 1 ? 1 : n > MAX_WAVE ? MAX_WAVE : (int32_t)n;
}

/* --- the batch ---------------------------------------------------------------------------------------------------- */

static glimpse_status check_request(const generator *g, const batch_request *rq) {
    if (rq->n_prompts < 1 || rq->n_settings < 1 || rq->num_samples < 1 || rq->max_tokens < 1)
        FAIL(GLIMPSE_E_INVALID, "a batch needs a prompt, a setting, a sample and a token at least");
    int64_t n = (int64_t)rq->n_prompts * rq->n_settings;
    if (n > 100000 || n * rq->num_samples > 100000)
        FAIL(GLIMPSE_E_INVALID, "%d prompts x %d settings x %d samples are more than 100000 at one eval", rq->n_prompts,
             rq->n_settings, rq->num_samples);
    for (int32_t i = 0; i < rq->n_stops; i++)
        if (!rq->stops[i][0])
            FAIL(GLIMPSE_E_INVALID, "stop text %d is empty or begins with \\0, and would never be found\nhint: --no_escapes takes "
                 "the text literally", i);
    for (int32_t p = 0; p < rq->n_prompts; p++) {
        const batch_prompt *b = &rq->prompts[p];
        if (b->n_ids < 1) FAIL(GLIMPSE_E_INVALID, "prompt %d is empty", p);
        if (b->n_ids > g->m->d.max_seq_len)
            FAIL(GLIMPSE_E_INVALID, "prompt %d has %d tokens, the model's context holds %d", p, b->n_ids,
                 g->m->d.max_seq_len);
        for (int32_t i = 0; i < b->n_ids; i++)
            if (b->ids[i] < 0 || b->ids[i] >= g->m->d.vocab_size)
                FAIL(GLIMPSE_E_TOKENIZER,
                     "prompt %d: token %d has id %d, the model knows ids 0 .. %d\nhint: is this the tokenizer that the "
                     "model is trained with?", p, i, b->ids[i], g->m->d.vocab_size - 1);
    }
    return GLIMPSE_OK;
}

static glimpse_status finish_sample(batch *b, const sequence *s, glimpse_sample *out) {
    const batch_request *rq = b->rq;
    const batch_prompt *p = &rq->prompts[s->prompt];
    int32_t *ids = arena_alloc(b->a, (size_t)p->n_ids * sizeof *ids);
    if (ids) memcpy(ids, p->ids, (size_t)p->n_ids * sizeof *ids);
    for (int32_t i = 0; i < s->n; i++) s->tokens[i].top = s->tops + (size_t)i * (size_t)rq->n_top;
    const chain *c = b->chains[s->setting * b->lanes];
    const char *label = rq->labels[s->setting], *chain_text = chain_string(c);
    double temperature;
    int32_t top_k;
    chain_facts(c, &temperature, &top_k);
    char named[32];
    if (rq->n_settings == 1 && (rq->settings->order || (rq->context && rq->context->preset))) {
        c_snprintf(named, sizeof named, "top_k=%d", top_k); /* of the chain, which may differ from the flag */
        label = named;
    }
    *out = (glimpse_sample){
        .size = sizeof *out, .prompt = s->prompt, .setting = s->setting, .sample = s->sample,
        .n_samples = rq->num_samples, .prompt_text = arena_text(b->a, p->text, p->bytes), .prompt_bytes = p->bytes,
        .prompt_ids = ids, .n_prompt_ids = p->n_ids, .label = arena_text(b->a, label, strlen(label)),
        .samplers = arena_text(b->a, chain_text, strlen(chain_text)), .seed = rq->seed,
        .temperature = record_round(temperature, RECORD_LOSS_DIGITS), .top_k = top_k,
        .text = arena_text(b->a, s->text.bytes, s->text.n), .text_bytes = s->text.n, .stop = s->stop, .why = s->why,
        .tokens = s->tokens, .n_tokens = s->n };
    if (!ids || !out->prompt_text || !out->label || !out->samplers || !out->text)
        FAIL(GLIMPSE_E_MEMORY, "no memory for the record of a sample");
    return GLIMPSE_OK;
}

glimpse_status generator_chain_beside(const generator *g, const batch_request *rq, int32_t setting, const chain *beside,
                                      chain **out) {
    sampler_context context = rq->context ? *rq->context : (sampler_context)SAMPLER_CONTEXT_INIT;
    context.users = rq->users;
    context.n_users = rq->n_users;
    context.eos = g->m->d.eos;
    context.history = g->m->d.max_seq_len;
    context.max_tokens = rq->max_tokens;
    context.tokenizer = g->t;
    context.cosines = g->m->is_function ? NULL : embedding_cosines;
    context.user = (void *)(uintptr_t)g->m;
    context.beside = beside;
    context.processors_only = rq->beams.width > 1 && !rq->beams.sample;
    return chain_open_in(&rq->settings[setting], &context, g->m->d.vocab_size, out);
}

glimpse_status generator_chain(const generator *g, const batch_request *rq, int32_t setting, chain **out) {
    return generator_chain_beside(g, rq, setting, NULL, out);
}

glimpse_status generate_batch(generator *g, const batch_request *rq, batch_result *out) {
    glimpse_status st = GLIMPSE_OK;
    TRY(check_request(g, rq));
    if (rq->beams.width > 1) return beam_batch(g, rq, out);
    batch b = { .g = g, .rq = rq, .n_seqs = rq->n_prompts * rq->n_settings * rq->num_samples };
    batch_result result = {0};
    int32_t per_prompt = rq->n_settings * rq->num_samples, wave = wave_size(g, rq);
    b.lanes = pool_threads(g->pool) < b.n_seqs ? pool_threads(g->pool) : b.n_seqs;
    if (rq->n_users) b.lanes = 1;
    b.a = arena_new();
    b.seqs = calloc((size_t)b.n_seqs, sizeof *b.seqs);
    b.active = calloc(MAX_WAVE, sizeof *b.active);
    b.chains = calloc((size_t)rq->n_settings * (size_t)b.lanes, sizeof *b.chains);
    b.prompt_logits = calloc((size_t)MAX_WAVE * (size_t)g->m->d.vocab_size, sizeof(float));
    if (!b.a || !b.seqs || !b.active || !b.chains || !b.prompt_logits)
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a batch of %d samples", b.n_seqs);
    for (int32_t i = 0; i < rq->n_settings * b.lanes; i++)
        TRY_GOTO(generator_chain_beside(g, rq, i / b.lanes, i < b.lanes ? NULL : b.chains[i % b.lanes], &b.chains[i]));
    for (int32_t i = 0; i < b.n_seqs; i++) {
        sequence *s = &b.seqs[i];
        s->prompt = i / per_prompt;
        s->setting = i % per_prompt / rq->num_samples;
        s->sample = i % rq->num_samples;
        s->lane = i % b.lanes;
        const batch_prompt *p = &rq->prompts[s->prompt];
        s->key = (draw_key){ .key = draw_key_make(rq->seed, p->text, p->bytes, (uint32_t)s->sample), .step = rq->step_key };
        int32_t room = g->m->d.max_seq_len - p->n_ids + 1; /* the last is drawn from the row of the context's last token */
        if (room > rq->max_tokens) room = rq->max_tokens;
        s->tokens = arena_alloc(b.a, (size_t)room * sizeof *s->tokens);
        s->tops = arena_alloc(b.a, (size_t)room * (size_t)rq->n_top * sizeof *s->tops + 1);
        if (!s->tokens || !s->tops)
            FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to record %d samples of %d tokens with %d alternatives each", b.n_seqs,
                      room, rq->n_top);
    }
    for (int32_t first = 0; first < b.n_seqs; first += wave)
        TRY_GOTO(run_wave(&b, first, b.n_seqs - first < wave ? b.n_seqs - first : wave, &result));

    result.samples = arena_alloc(b.a, (size_t)b.n_seqs * sizeof *result.samples);
    if (!result.samples) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %d samples", b.n_seqs);
    result.n_samples = b.n_seqs;
    int32_t broken = 0;
    for (int32_t i = 0; i < b.n_seqs; i++) {
        TRY_GOTO(finish_sample(&b, &b.seqs[i], &result.samples[i]));
        broken += b.seqs[i].stop == GLIMPSE_STOP_NONFINITE && !b.seqs[i].n;
    }
    if (broken == b.n_seqs) FAIL_GOTO(GLIMPSE_E_NONFINITE, "%s", b.seqs[0].why ? b.seqs[0].why : "logits are not finite");
    result.arena = b.a;
    b.a = NULL;
    *out = result;
out:
    for (int32_t i = 0; b.seqs && i < b.n_seqs; i++) {
        chain_close(b.seqs[i].chain);
        buf_free(&b.seqs[i].text);
        free(b.seqs[i].drawn_text);
    }
    for (int32_t i = 0; b.chains && i < rq->n_settings * b.lanes; i++) chain_close(b.chains[i]);
    arena_free(b.a);
    free(b.seqs);
    free(b.active);
    free(b.chains);
    free(b.prompt_logits);
    return st;
}

void batch_result_free(batch_result *r) {
    if (!r) return;
    arena_free(r->arena);
    *r = (batch_result){0};
}
