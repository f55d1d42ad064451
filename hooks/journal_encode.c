/* journal_encode.c -- a record as one line of evals.jsonl; the form stands in journal.h. */
#include "hooks/base64.h"
#include "hooks/journal.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "viz/tensorboard.h"
#include <math.h>
#include <string.h>

#define EXACT_INTEGER ((uint64_t)1 << 53) /* above it a JSON number is no longer exact in a double */

static void key(buffer *b, const char *name) {
    char last = b->n ? b->bytes[b->n - 1] : '{';
    if (last != '{' && last != '[') buf_putc(b, ',');
    if (!name) return;
    buf_putc(b, '"');
    buf_puts(b, name);
    buf_puts(b, "\":");
}

static void put_number(buffer *b, double x, int n) {
    if (isfinite(x)) buf_g(b, x, n);
    else buf_puts(b, "null");
}

static void number(buffer *b, const char *name, double x, int n) {
    key(b, name);
    put_number(b, x, n);
}

static void integer(buffer *b, const char *name, int64_t x) {
    key(b, name);
    buf_i64(b, x);
}

/* Text: a JSON string where that is exact, else base64.  NUL counts as not exact: readers written in C lose it. */
static void text_n(buffer *b, const char *name, const char *s, size_t n) {
    key(b, name);
    if (!s) buf_puts(b, "null");
    else if (utf8_valid(s, n) && !memchr(s, 0, n)) buf_json_string(b, s, n);
    else {
        buf_puts(b, "{\"b64\":\"");
        base64_encode(s, n, b);
        buf_puts(b, "\"}");
    }
}

static void text(buffer *b, const char *name, const char *s) {
    text_n(b, name, s, s ? strlen(s) : 0);
}

static void token(buffer *b, const glimpse_token *t) {
    key(b, NULL);
    buf_putc(b, '{');
    integer(b, "id", t->id);
    number(b, "logit", (double)t->logit, RECORD_DIGITS);
    number(b, "logprob", (double)t->logprob, RECORD_DIGITS);
    number(b, "p_temp", (double)t->p_temp, RECORD_DIGITS);
    number(b, "p_final", (double)t->p_final, RECORD_DIGITS);
    integer(b, "rank", t->rank);
    integer(b, "kept", t->kept);
    number(b, "left", (double)t->left, RECORD_DIGITS);
    number(b, "entropy", (double)t->entropy, RECORD_DIGITS);
    number(b, "dot", (double)t->dot, RECORD_DIGITS);
    key(b, "top");
    buf_putc(b, '[');
    for (int32_t i = 0; i < t->n_top; i++) {
        key(b, NULL);
        buf_putc(b, '[');
        buf_i64(b, t->top[i].id);
        buf_putc(b, ',');
        put_number(b, (double)t->top[i].p, RECORD_DIGITS);
        buf_putc(b, ',');
        put_number(b, (double)t->top[i].p_final, RECORD_DIGITS);
        buf_putc(b, ']');
    }
    buf_puts(b, "]}");
}

const char *const journal_stops[] = { "length", "eos", "stop", "context", "nonfinite", "scored", "cancelled" };

static void sample(buffer *b, const glimpse_sample *s, bool probe) {
    key(b, NULL);
    buf_putc(b, '{');
    integer(b, "prompt", s->prompt);
    text_n(b, "prompt_text", s->prompt_text, s->prompt_bytes);
    key(b, "prompt_ids");
    buf_putc(b, '[');
    for (int32_t i = 0; i < s->n_prompt_ids; i++) integer(b, NULL, s->prompt_ids[i]);
    buf_putc(b, ']');
    integer(b, "setting", s->setting);
    text(b, "label", s->label);
    text(b, "samplers", s->samplers);
    integer(b, "sample", s->sample);
    integer(b, "n_samples", s->n_samples);
    key(b, "seed");
    bool exact = s->seed <= EXACT_INTEGER;
    if (!exact) buf_putc(b, '"');
    buf_u64(b, s->seed);
    if (!exact) buf_putc(b, '"');
    number(b, "temperature", s->temperature, RECORD_LOSS_DIGITS);
    integer(b, "top_k", s->top_k);
    if (s->n_beams > 0) {
        integer(b, "beams", s->n_beams);
        number(b, "beam_score", s->beam_score, RECORD_LOSS_DIGITS);
    }
    text_n(b, "text", s->text, s->text_bytes);
    text(b, "stop", journal_stops[s->stop]);
    text(b, "why", s->why);
    if (s->note) text(b, "note", s->note);
    key(b, "metrics");
    buf_putc(b, '{');
    for (int32_t i = 0; i < s->n_metrics; i++) number(b, s->metrics[i].name, s->metrics[i].value, RECORD_LOSS_DIGITS);
    buf_putc(b, '}');
    if (probe) integer(b, "answer_from", s->answer_from);
    key(b, "tokens");
    buf_putc(b, '[');
    for (int32_t i = 0; i < s->n_tokens; i++) token(b, GLIMPSE_AT(s->tokens, i));
    buf_puts(b, "]}");
}

/* "lm_eval":{"hellaswag":{"variant","version","shots","n","of","acc":[value, standard error, chance],..},..}; the metrics of a
 * task stand together. */
static void scores(buffer *b, const glimpse_record *r) {
    key(b, "lm_eval");
    buf_putc(b, '{');
    const glimpse_task_score *before = NULL;
    for (int32_t i = 0; i < r->n_scores; i++) {
        const glimpse_task_score *s = GLIMPSE_AT(r->scores, i);
        if (!before || strcmp(before->task, s->task)) {
            if (before) buf_putc(b, '}');
            key(b, s->task);
            buf_putc(b, '{');
            text(b, "variant", s->variant);
            number(b, "version", s->version, RECORD_LOSS_DIGITS);
            integer(b, "shots", s->num_fewshot);
            integer(b, "n", s->n);
            integer(b, "of", s->n_all);
        }
        key(b, s->metric);
        buf_putc(b, '[');
        put_number(b, s->value, RECORD_LOSS_DIGITS);
        buf_putc(b, ',');
        put_number(b, s->std_error, RECORD_LOSS_DIGITS);
        buf_putc(b, ',');
        put_number(b, s->chance, RECORD_LOSS_DIGITS);
        buf_putc(b, ']');
        before = s;
    }
    buf_puts(b, before ? "}}" : "}");
}

glimpse_status journal_views(const char *const *names, const char *const *values, int n, buffer *b) {
    buf_putc(b, '{');
    for (int i = 0; i < n; i++) text(b, names[i], values[i]);
    buf_putc(b, '}');
    if (buf_failed(b)) FAIL(GLIMPSE_E_MEMORY, "no memory for %d options", n);
    return GLIMPSE_OK;
}

/* Close the line that begins at `from` and ends with "}\n" with its check (journal.h). */
static glimpse_status seal(buffer *b, size_t from) {
    b->n -= strlen("}\n");
    uint32_t check = crc32c(b->bytes + from, b->n - from);
    buf_printf(b, JOURNAL_CHECK "%08x\"}\n", (unsigned)check);
    if (buf_failed(b)) FAIL(GLIMPSE_E_MEMORY, "no memory for a journal line of more than %zu bytes", b->n - from);
    return GLIMPSE_OK;
}

glimpse_status journal_encode(const glimpse_record *r, buffer *b) {
    size_t before = b->n;
    buf_putc(b, '{');
    integer(b, "v", r->version);
    text(b, "run", r->run);
    text(b, "run_name", r->run_name);
    integer(b, "seq", r->seq);
    text(b, "kind", r->kind);
    integer(b, "step", r->step);
    text(b, "time", r->time);
    number(b, "train_loss", r->train_loss, RECORD_LOSS_DIGITS);
    number(b, "val_loss", r->val_loss, RECORD_LOSS_DIGITS);
    key(b, "best");
    buf_putc(b, '{');
    number(b, "val_loss", r->best_val_loss, RECORD_LOSS_DIGITS);
    integer(b, "step", r->best_step);
    buf_putc(b, '}');
    key(b, "model");
    buf_putc(b, '{');
    text(b, "arch", r->arch);
    integer(b, "params", r->n_params);
    integer(b, "vocab", r->vocab_size);
    text(b, "dtype", r->dtype);
    text(b, "cache", r->cache_dtype);
    text(b, "device", r->device);
    text(b, "check", r->check);
    buf_putc(b, '}');
    text(b, "status", r->status);
    text(b, "why", r->why);
    key(b, "seconds");
    buf_putc(b, '{');
    number(b, "blocked", r->blocked_s, RECORD_SECONDS_DIGITS);
    number(b, "prefill", r->prefill_s, RECORD_SECONDS_DIGITS);
    number(b, "decode", r->decode_s, RECORD_SECONDS_DIGITS);
    number(b, "write", r->write_s, RECORD_SECONDS_DIGITS);
    buf_putc(b, '}');
    key(b, "pieces");
    buf_putc(b, '{');
    for (int32_t i = 0; i < r->n_pieces; i++) {
        char name[16];
        c_snprintf(name, sizeof name, "%d", r->pieces[i].id);
        text_n(b, name, r->pieces[i].text, (size_t)r->pieces[i].bytes);
    }
    buf_putc(b, '}');
    key(b, "samples");
    buf_putc(b, '[');
    for (int32_t i = 0; i < r->n_samples; i++) sample(b, GLIMPSE_AT(r->samples, i), false);
    buf_putc(b, ']');
    key(b, "views");
    buf_puts(b, r->views ? r->views : "{}");
    key(b, "dataset");
    buf_putc(b, '{');
    for (int32_t i = 0; i < r->n_dataset; i++) number(b, r->dataset[i].name, r->dataset[i].value, RECORD_LOSS_DIGITS);
    buf_putc(b, '}');
    scores(b, r);
    buf_puts(b, ",\"probes\":[");
    for (int32_t i = 0; i < r->n_probes; i++) sample(b, GLIMPSE_AT(r->probes, i), true);
    buf_puts(b, "]}\n");
    if (buf_failed(b)) FAIL(GLIMPSE_E_MEMORY, "no memory for a journal line of more than %zu bytes", b->n - before);
    return seal(b, before);
}
