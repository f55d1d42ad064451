/* journal_encode.c -- a record as one line of evals.jsonl; the form stands in journal.h. */
#include "hooks/journal.h"
#include "include/internal/base64.h"
#include "include/internal/json_out.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "viz/tensorboard.h"
#include <string.h>

#define EXACT_INTEGER ((uint64_t)1 << 53) /* above it a JSON number is no longer exact in a double */

/* Text: a JSON string where that is exact, else base64.  NUL counts as not exact: readers written in C lose it. */
static void text_n(buffer *b, const char *name, const char *s, size_t n) {
    json_key(b, name);
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
    json_key(b, NULL);
    buf_putc(b, '{');
    json_int_member(b, "id", t->id);
    json_num_member(b, "logit", (double)t->logit, RECORD_DIGITS);
    json_num_member(b, "logprob", (double)t->logprob, RECORD_DIGITS);
    json_num_member(b, "p_temp", (double)t->p_temp, RECORD_DIGITS);
    json_num_member(b, "p_final", (double)t->p_final, RECORD_DIGITS);
    json_int_member(b, "rank", t->rank);
    json_int_member(b, "kept", t->kept);
    json_num_member(b, "left", (double)t->left, RECORD_DIGITS);
    json_num_member(b, "entropy", (double)t->entropy, RECORD_DIGITS);
    json_num_member(b, "dot", (double)t->dot, RECORD_DIGITS);
    json_key(b, "top");
    buf_putc(b, '[');
    for (int32_t i = 0; i < t->n_top; i++) {
        json_key(b, NULL);
        buf_putc(b, '[');
        buf_i64(b, t->top[i].id);
        buf_putc(b, ',');
        json_num(b, (double)t->top[i].p, RECORD_DIGITS);
        buf_putc(b, ',');
        json_num(b, (double)t->top[i].p_final, RECORD_DIGITS);
        buf_putc(b, ']');
    }
    buf_puts(b, "]}");
}

const char *const journal_stops[] = { "length", "eos", "stop", "context", "nonfinite", "scored", "cancelled" };
_Static_assert(sizeof journal_stops / sizeof *journal_stops == GLIMPSE_STOP_CANCELLED + 1, "a name for each stop");

static void sample(buffer *b, const glimpse_sample *s, bool probe) {
    json_key(b, NULL);
    buf_putc(b, '{');
    json_int_member(b, "prompt", s->prompt);
    text_n(b, "prompt_text", s->prompt_text, s->prompt_bytes);
    json_key(b, "prompt_ids");
    buf_putc(b, '[');
    for (int32_t i = 0; i < s->n_prompt_ids; i++) json_int_member(b, NULL, s->prompt_ids[i]);
    buf_putc(b, ']');
    json_int_member(b, "setting", s->setting);
    text(b, "label", s->label);
    text(b, "samplers", s->samplers);
    json_int_member(b, "sample", s->sample);
    json_int_member(b, "n_samples", s->n_samples);
    json_key(b, "seed");
    bool exact = s->seed <= EXACT_INTEGER;
    if (!exact) buf_putc(b, '"');
    buf_u64(b, s->seed);
    if (!exact) buf_putc(b, '"');
    json_num_member(b, "temperature", s->temperature, RECORD_LOSS_DIGITS);
    json_int_member(b, "top_k", s->top_k);
    if (s->n_beams > 0) {
        json_int_member(b, "beams", s->n_beams);
        json_num_member(b, "beam_score", s->beam_score, RECORD_LOSS_DIGITS);
    }
    text_n(b, "text", s->text, s->text_bytes);
    text(b, "stop", journal_stops[s->stop]);
    text(b, "why", s->why);
    if (s->note) text(b, "note", s->note);
    json_key(b, "metrics");
    buf_putc(b, '{');
    for (int32_t i = 0; i < s->n_metrics; i++) json_num_member(b, s->metrics[i].name, s->metrics[i].value, RECORD_LOSS_DIGITS);
    buf_putc(b, '}');
    if (probe) json_int_member(b, "answer_from", s->answer_from);
    json_key(b, "tokens");
    buf_putc(b, '[');
    for (int32_t i = 0; i < s->n_tokens; i++) token(b, GLIMPSE_AT(s->tokens, i));
    buf_puts(b, "]}");
}

/* "lm_eval":{"hellaswag":{"variant","version","shots","n","of","acc":[value, standard error, chance],..},..}; the metrics of a
 * task stand together. */
static void scores(buffer *b, const glimpse_record *r) {
    json_key(b, "lm_eval");
    buf_putc(b, '{');
    const glimpse_task_score *before = NULL;
    for (int32_t i = 0; i < r->n_scores; i++) {
        const glimpse_task_score *s = GLIMPSE_AT(r->scores, i);
        if (!before || strcmp(before->task, s->task)) {
            if (before) buf_putc(b, '}');
            json_key(b, s->task);
            buf_putc(b, '{');
            text(b, "variant", s->variant);
            json_num_member(b, "version", s->version, RECORD_LOSS_DIGITS);
            json_int_member(b, "shots", s->num_fewshot);
            json_int_member(b, "n", s->n);
            json_int_member(b, "of", s->n_all);
        }
        json_key(b, s->metric);
        buf_putc(b, '[');
        json_num(b, s->value, RECORD_LOSS_DIGITS);
        buf_putc(b, ',');
        json_num(b, s->std_error, RECORD_LOSS_DIGITS);
        buf_putc(b, ',');
        json_num(b, s->chance, RECORD_LOSS_DIGITS);
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
    json_int_member(b, "v", r->version);
    text(b, "run", r->run);
    text(b, "run_name", r->run_name);
    json_int_member(b, "seq", r->seq);
    text(b, "kind", r->kind);
    json_int_member(b, "step", r->step);
    text(b, "time", r->time);
    json_num_member(b, "train_loss", r->train_loss, RECORD_LOSS_DIGITS);
    json_num_member(b, "val_loss", r->val_loss, RECORD_LOSS_DIGITS);
    json_key(b, "best");
    buf_putc(b, '{');
    json_num_member(b, "val_loss", r->best_val_loss, RECORD_LOSS_DIGITS);
    json_int_member(b, "step", r->best_step);
    buf_putc(b, '}');
    json_key(b, "model");
    buf_putc(b, '{');
    if (r->model_name) text(b, "name", r->model_name);
    text(b, "arch", r->arch);
    json_int_member(b, "params", r->n_params);
    json_int_member(b, "vocab", r->vocab_size);
    text(b, "dtype", r->dtype);
    text(b, "cache", r->cache_dtype);
    text(b, "device", r->device);
    text(b, "check", r->check);
    buf_putc(b, '}');
    text(b, "status", r->status);
    text(b, "why", r->why);
    json_key(b, "seconds");
    buf_putc(b, '{');
    json_num_member(b, "blocked", r->blocked_s, RECORD_SECONDS_DIGITS);
    json_num_member(b, "prefill", r->prefill_s, RECORD_SECONDS_DIGITS);
    json_num_member(b, "decode", r->decode_s, RECORD_SECONDS_DIGITS);
    json_num_member(b, "write", r->write_s, RECORD_SECONDS_DIGITS);
    buf_putc(b, '}');
    json_key(b, "pieces");
    buf_putc(b, '{');
    for (int32_t i = 0; i < r->n_pieces; i++) {
        char name[16];
        c_snprintf(name, sizeof name, "%d", r->pieces[i].id);
        text_n(b, name, r->pieces[i].text, (size_t)r->pieces[i].bytes);
    }
    buf_putc(b, '}');
    json_key(b, "samples");
    buf_putc(b, '[');
    for (int32_t i = 0; i < r->n_samples; i++) sample(b, GLIMPSE_AT(r->samples, i), false);
    buf_putc(b, ']');
    json_key(b, "views");
    buf_puts(b, r->views ? r->views : "{}");
    json_key(b, "dataset");
    buf_putc(b, '{');
    for (int32_t i = 0; i < r->n_dataset; i++) json_num_member(b, r->dataset[i].name, r->dataset[i].value, RECORD_LOSS_DIGITS);
    buf_putc(b, '}');
    scores(b, r);
    buf_puts(b, ",\"probes\":[");
    for (int32_t i = 0; i < r->n_probes; i++) sample(b, GLIMPSE_AT(r->probes, i), true);
    buf_puts(b, "]}\n");
    if (buf_failed(b)) FAIL(GLIMPSE_E_MEMORY, "no memory for a journal line of more than %zu bytes", b->n - before);
    return seal(b, before);
}
