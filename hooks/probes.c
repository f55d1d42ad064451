/* probes.c -- see probes.h. */
#include "hooks/probes.h"

#include "hooks/tasks/task_run.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "viz/text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PROBES = 1000, MOST_BYTES = 16 << 20 };

typedef struct probe {
    const char *prompt, *text; /* (bytes) NUL after them */
    size_t prompt_bytes, text_bytes;
    int32_t *ids;              /* (n): what stands before, the prompt, the text */
    int32_t n, n_before_text;
    const char *why;           /* why it cannot be scored; NULL = it can */
} probe;

struct probe_list {
    arena *a;
    probe *probes; /* (n) */
    int32_t n;
};

static glimpse_status encode_probe(probe_list *list, probe *p, const model *m, tokenizer *t) {
    glimpse_status st = GLIMPSE_OK;
    buffer ids = {0};
    int32_t bos = m->d.bos >= 0 ? m->d.bos : t->bos, first = p->prompt_bytes ? bos : task_prefix_id(m, t);
    if (first >= 0 && first < m->d.vocab_size) buf_put(&ids, &first, sizeof first);
    if (p->prompt_bytes) st = tokenizer_encode(t, p->prompt, p->prompt_bytes, &ids);
    p->n_before_text = (int32_t)(ids.n / sizeof(int32_t));
    if (st >= 0) st = tokenizer_encode(t, p->text, p->text_bytes, &ids);
    if (buf_failed(&ids)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to encode a probe");
    if (st < 0 && st != GLIMPSE_E_TOKENIZER) goto out;
    buffer why = {0};
    size_t n = ids.n / sizeof(int32_t);
    const int32_t *id = (const int32_t *)(const void *)ids.bytes;
    if (st < 0) buf_put(&why, status_text(), strcspn(status_text(), "\n"));
    else if (n < 2 || (int32_t)n == p->n_before_text) buf_puts(&why, "there is no token to score");
    else if (n > (size_t)m->d.max_seq_len) buf_printf(&why, "%zu tokens, the model's context holds %d", n, m->d.max_seq_len);
    for (size_t i = 0; i < n && !why.n; i++)
        if (id[i] < 0 || id[i] >= m->d.vocab_size) buf_printf(&why, "id %d is outside the model's vocabulary", id[i]);
    st = GLIMPSE_OK;
    p->n = why.n ? 0 : (int32_t)n;
    p->ids = arena_alloc(list->a, (n + 1) * sizeof *p->ids);
    if (why.n) p->why = arena_text(list->a, why.bytes, why.n);
    if (!p->ids || buf_failed(&why) || (why.n && !p->why)) st = status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for a probe");
    else if (n) memcpy(p->ids, id, n * sizeof *p->ids);
    buf_free(&why);
out:
    buf_free(&ids);
    return st;
}

static glimpse_status read_line(probe_list *list, const char *line, size_t n) {
    if (list->n == MOST_PROBES) FAIL(GLIMPSE_E_INVALID, "more than %d lines to score at each eval", MOST_PROBES);
    const char *tab = memchr(line, '\t', n);
    probe *p = &list->probes[list->n];
    p->prompt_bytes = tab ? (size_t)(tab - line) : 0;
    p->text_bytes = tab ? n - p->prompt_bytes - 1 : n;
    p->prompt = arena_text(list->a, line, p->prompt_bytes);
    p->text = arena_text(list->a, tab ? tab + 1 : line, p->text_bytes);
    if (!p->prompt || !p->text) FAIL(GLIMPSE_E_MEMORY, "no memory for a probe");
    list->n++;
    return GLIMPSE_OK;
}

glimpse_status probes_open(const char *path, const model *m, tokenizer *t, probe_list **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    probe_list *list = NULL;
    if (!t) FAIL(GLIMPSE_E_TOKENIZER, "--probe %s: without a tokenizer no text can be scored\nhint: --tokenizer FILE", path);
    TRY(status_prefix(file_read_all(path, MOST_BYTES, &text), "--probe"));
    list = calloc(1, sizeof *list);
    if (list) list->a = arena_new();
    if (list && list->a) list->probes = arena_alloc(list->a, MOST_PROBES * sizeof *list->probes);
    if (!list || !list->probes) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the probes");
    const char *line;
    for (size_t at = 0, n; utf8_line(buf_str(&text), text.n, &at, &line, &n);) TRY_GOTO(read_line(list, line, n));
    if (!list->n) FAIL_GOTO(GLIMPSE_E_INVALID, "--probe %s holds no line\nhint: one text a line, or a prompt, a tab and its answer", path);
    for (int32_t i = 0; i < list->n; i++) TRY_GOTO(encode_probe(list, &list->probes[i], m, t));
    *out = list;
    list = NULL;
out:
    probes_close(list);
    buf_free(&text);
    return st;
}

void probes_close(probe_list *p) {
    if (!p) return;
    arena_free(p->a);
    free(p);
}

/* The tokens that score_ids found, copied to `a`; what the answer came to. */
static glimpse_status take_scores(const probe *p, const batch_result *scored, arena *a, glimpse_sample *s) {
    const glimpse_sample *from = &scored->samples[0];
    glimpse_token *tokens = arena_alloc(a, (size_t)from->n_tokens * sizeof *tokens + 1);
    glimpse_metric *metrics = arena_alloc(a, 3 * sizeof *metrics);
    if (!tokens || !metrics) FAIL(GLIMPSE_E_MEMORY, "no memory for a probe's tokens");
    double sum = 0;
    int32_t first = 0, counted = 0;
    s->answer_from = p->n_before_text ? p->n_before_text - 1 : 0;
    for (int32_t i = 0; i < from->n_tokens; i++) {
        tokens[i] = from->tokens[i];
        glimpse_candidate *top = arena_alloc(a, (size_t)tokens[i].n_top * sizeof *top + 1);
        if (!top) FAIL(GLIMPSE_E_MEMORY, "no memory for a probe's tokens");
        memcpy(top, from->tokens[i].top, (size_t)tokens[i].n_top * sizeof *top);
        tokens[i].top = top;
        if (i < s->answer_from) continue;
        sum += (double)tokens[i].logprob;
        first += tokens[i].rank == 1;
        counted++;
    }
    metrics[0] = (glimpse_metric){ "answer_logprob", record_round(sum, RECORD_LOSS_DIGITS) };
    metrics[1] = (glimpse_metric){ "answer_mean_logprob", record_round(sum / counted, RECORD_LOSS_DIGITS) };
    metrics[2] = (glimpse_metric){ "answer_rank1", record_round((double)first / counted, RECORD_LOSS_DIGITS) };
    s->tokens = tokens;
    s->n_tokens = from->n_tokens;
    s->metrics = metrics;
    s->n_metrics = 3;
    return GLIMPSE_OK;
}

glimpse_status probes_score(const probe_list *list, generator *g, int32_t n_top, arena *a, glimpse_sample **out, int32_t *n) {
    glimpse_sample *all = arena_alloc(a, (size_t)list->n * sizeof *all);
    if (!all) FAIL(GLIMPSE_E_MEMORY, "no memory for %d probes", list->n);
    for (int32_t i = 0; i < list->n; i++) {
        const probe *p = &list->probes[i];
        glimpse_sample *s = &all[i];
        *s = (glimpse_sample){ .size = sizeof *s, .prompt = i, .n_samples = 1, .prompt_text = p->prompt,
                               .prompt_bytes = p->prompt_bytes, .prompt_ids = p->ids, .n_prompt_ids = p->n ? 1 : 0,
                               .label = "probe", .samplers = "none", .temperature = 1, .text = p->text,
                               .text_bytes = p->text_bytes, .stop = GLIMPSE_STOP_SCORED, .why = p->why };
        if (p->why) continue;
        batch_result scored = {0};
        glimpse_status st = score_ids(g, p->ids, p->n, n_top, &scored);
        if (st == GLIMPSE_E_NONFINITE) {
            s->why = arena_text(a, status_text(), strcspn(status_text(), "\n"));
            if (!s->why) FAIL(GLIMPSE_E_MEMORY, "no memory for a probe");
            continue;
        }
        if (st >= 0) st = take_scores(p, &scored, a, s);
        batch_result_free(&scored);
        TRY(st);
    }
    *out = all;
    *n = list->n;
    return GLIMPSE_OK;
}

int32_t probes_unscored(const glimpse_sample *probes, int32_t n, buffer *text) {
    enum { SHOWN = 40 };
    int32_t unscored = 0;
    const glimpse_sample *first = NULL;
    for (int32_t i = 0; i < n; i++) {
        const glimpse_sample *s = GLIMPSE_AT(probes, i);
        if (!s->why) continue;
        if (!first) first = s;
        unscored++;
    }
    if (!first) return 0;
    size_t used, most = first->text_bytes < 200 ? first->text_bytes : 200, fits = text_fit(first->text, most, SHOWN, &used);
    text_quote(text, first->text, fits);
    if (fits < first->text_bytes) buf_puts(text, "\xe2\x80\xa6");
    buf_printf(text, " is not scored: %s", first->why);
    if (unscored > 1) buf_printf(text, " (and %d other%s)", unscored - 1, unscored == 2 ? " is not" : "s are not");
    return unscored;
}
