/* score.c -- given texts through the model: the record of each token, or its loss (generate.h).
 * Called by the session for glimpse_score and glimpse_check. */
#include "sampling/generator.h"

#include "include/internal/status.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCORE_ROWS = 64 }; /* at once; a function that gives all positions is called once for the whole text */

glimpse_status score_each_row(generator *g, const int32_t *ids, int32_t n, score_row_fn each, void *user) {
    if (n > g->m->d.max_seq_len)
        FAIL(GLIMPSE_E_INVALID, "a text of %d tokens does not fit the model's context of %d", n, g->m->d.max_seq_len);
    for (int32_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= g->m->d.vocab_size)
            FAIL(GLIMPSE_E_INVALID, "token %d has id %d, the model knows ids 0 .. %d", i, ids[i], g->m->d.vocab_size - 1);
    int32_t chunk = g->m->d.logits_all ? n : SCORE_ROWS;
    TRY(generator_backend(g, chunk, chunk, 1, n));
    backend_row *rows = malloc((size_t)chunk * sizeof *rows);
    if (!rows) FAIL(GLIMPSE_E_MEMORY, "no memory to run %d tokens", n);
    glimpse_status st = GLIMPSE_OK;
    for (int32_t at = 0; at < n;) {
        int32_t k = n - at < chunk ? n - at : chunk;
        for (int32_t i = 0; i < k; i++)
            rows[i] = (backend_row){ .id = ids[at + i], .pos = at + i, .prefix_strip = -1, .want_logits = 1, .reach = n };
        const float *logits = NULL;
        int64_t stride = 0;
        TRY_GOTO(g->be->ops->forward(g->be, rows, k, &logits, &stride));
        for (int32_t i = 0; i < k; i++) TRY_GOTO(each(user, at + i, logits + (size_t)i * (size_t)stride));
        at += k;
    }
out:
    free(rows);
    return st;
}

/* --- the record of a given text ----------------------------------------------------------------------------------- */

typedef struct scorer {
    const int32_t *ids;
    int32_t n, n_top;
    chain *chain;
    glimpse_token *tokens;
    glimpse_candidate *tops;
} scorer;

static glimpse_status score_row(void *user, int32_t pos, const float *logits) {
    scorer *s = user;
    if (pos + 1 >= s->n) return GLIMPSE_OK;
    glimpse_token *t = &s->tokens[pos];
    t->size = sizeof *t;
    glimpse_candidate *top = s->tops + (size_t)pos * (size_t)s->n_top;
    glimpse_status st = chain_score(s->chain, logits, s->ids[pos + 1], s->n_top, t, top);
    if (st < 0) {
        HINT("the logits after token %d of the text are not finite", pos);
        return st;
    }
    t->top = top;
    t->dot = 0;
    return GLIMPSE_OK;
}

/* `dot` of every token but the first. */
static glimpse_status find_cosines(generator *g, const scorer *s, arena *a) {
    int32_t n = s->n - 2, *pairs;
    if (n < 1) return GLIMPSE_OK;
    float *dots = arena_alloc(a, (size_t)n * sizeof *dots);
    if (!(pairs = arena_alloc(a, 2 * (size_t)n * sizeof *pairs)) || !dots) FAIL(GLIMPSE_E_MEMORY, "no memory to score %d tokens", s->n);
    for (int32_t i = 0; i < n; i++) pairs[2 * i] = s->ids[i + 1], pairs[2 * i + 1] = s->ids[i + 2];
    TRY(generator_cosines(g, pairs, n, dots));
    for (int32_t i = 0; i < n; i++) s->tokens[i + 1].dot = record_roundf(dots[i]);
    return GLIMPSE_OK;
}

glimpse_status score_ids(generator *g, const int32_t *ids, int32_t n, int32_t n_top, batch_result *out) {
    glimpse_status st = GLIMPSE_OK;
    scorer s = { .ids = ids, .n = n, .n_top = n_top };
    arena *a = NULL;
    if (n < 2) FAIL(GLIMPSE_E_INVALID, "a text needs two tokens to be scored, this one has %d", n);
    sampler_settings plain = { .temperature = 1, .top_p = 1, .repetition_penalty = 1 };
    TRY_GOTO(chain_open(&plain, g->m->d.vocab_size, &s.chain));
    a = arena_new();
    glimpse_sample *sample = a ? arena_alloc(a, sizeof *sample) : NULL;
    if (a) {
        s.tokens = arena_alloc(a, (size_t)n * sizeof *s.tokens);
        s.tops = arena_alloc(a, (size_t)n * (size_t)n_top * sizeof *s.tops + 1);
    }
    int32_t *prompt = a ? arena_alloc(a, sizeof *prompt) : NULL;
    if (!sample || !s.tokens || !s.tops || !prompt) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to score %d tokens", n);
    TRY_GOTO(score_each_row(g, ids, n, score_row, &s));
    TRY_GOTO(find_cosines(g, &s, a));
    *prompt = ids[0];
    *sample = (glimpse_sample){ .size = sizeof *sample, .n_samples = 1, .prompt_text = "", .prompt_ids = prompt,
                                .n_prompt_ids = 1, .label = "score", .samplers = "none", .temperature = 1, .text = "",
                                .stop = GLIMPSE_STOP_SCORED, .tokens = s.tokens, .n_tokens = n - 1 };
    *out = (batch_result){ .samples = sample, .n_samples = 1, .arena = a };
    a = NULL;
out:
    chain_close(s.chain);
    arena_free(a);
    return st;
}

/* --- the loss ----------------------------------------------------------------------------------------------------- */

typedef struct loss_row_state {
    const int32_t *targets;
    double *losses;
    int32_t vocab;
} loss_row_state;

static glimpse_status loss_row(void *user, int32_t pos, const float *logits) {
    loss_row_state *l = user;
    int32_t target = l->targets[pos];
    if (target >= l->vocab) FAIL(GLIMPSE_E_INVALID, "target %d has id %d, the model knows ids 0 .. %d", pos, target,
                                 l->vocab - 1);
    l->losses[pos] = target < 0 ? NAN : row_stats_of(logits, l->vocab).logz - (double)logits[target];
    return GLIMPSE_OK;
}

glimpse_status score_losses(generator *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double *losses) {
    if (B < 1 || T < 1) FAIL(GLIMPSE_E_INVALID, "a check needs at least one token, got B = %d, T = %d", B, T);
    for (int32_t b = 0; b < B; b++) {
        size_t at = (size_t)b * (size_t)T;
        loss_row_state l = { .targets = targets + at, .losses = losses + at, .vocab = g->m->d.vocab_size };
        TRY(score_each_row(g, ids + at, T, loss_row, &l));
    }
    return GLIMPSE_OK;
}
