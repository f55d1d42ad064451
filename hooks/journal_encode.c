/* journal_encode.c -- a record as one line of evals.jsonl: the fields of record_fields.h in the form of journal.h. */
#include "hooks/journal.h"
#include "include/internal/base64.h"
#include "include/internal/json_out.h"
#include "include/internal/record_fields.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "viz/tensorboard.h"
#include <string.h>

#define EXACT_INTEGER ((uint64_t)1 << 53) /* above it a JSON number is no longer exact in a double */

#define PUT(kind, name, member) put_##kind(b, name, of->member);
#define PUT_PAIR(kind, name, member, other) put_##kind(b, name, of->member, of->other);
#define PUT_OPEN(name) begin(b, name, '{');
#define PUT_CLOSE() buf_putc(b, '}');

/* An object or a list; NULL = an element of one. */
static void begin(buffer *b, const char *name, char bracket) {
    json_key(b, name);
    buf_putc(b, bracket);
}

static void put_int32(buffer *b, const char *name, int32_t x) { json_int_member(b, name, x); }
static void put_int32_if_any(buffer *b, const char *name, int32_t x) {
    if (x > 0) put_int32(b, name, x);
}
static void put_int64(buffer *b, const char *name, int64_t x) { json_int_member(b, name, x); }
static void put_number(buffer *b, const char *name, float x) { json_num_member(b, name, (double)x, RECORD_DIGITS); }
static void put_loss(buffer *b, const char *name, double x) { json_num_member(b, name, x, RECORD_LOSS_DIGITS); }
static void put_seconds(buffer *b, const char *name, double x) { json_num_member(b, name, x, RECORD_SECONDS_DIGITS); }

/* Text: a JSON string where that is exact, else base64.  NUL counts as not exact: readers written in C lose it. */
static void put_bytes(buffer *b, const char *name, const char *s, size_t n) {
    json_key(b, name);
    if (!s) buf_puts(b, "null");
    else if (utf8_valid(s, n) && !memchr(s, 0, n)) buf_json_string(b, s, n);
    else {
        buf_puts(b, "{\"b64\":\"");
        base64_encode(s, n, b);
        buf_puts(b, "\"}");
    }
}

static void put_text(buffer *b, const char *name, const char *s) { put_bytes(b, name, s, s ? strlen(s) : 0); }
static void put_text_or_null(buffer *b, const char *name, const char *s) { put_text(b, name, s); }
static void put_text_if_any(buffer *b, const char *name, const char *s) {
    if (s) put_text(b, name, s);
}

static void put_top(buffer *b, const char *name, const glimpse_candidate *top, int32_t n) {
    begin(b, name, '[');
    for (int32_t i = 0; i < n; i++) {
        begin(b, NULL, '[');
        buf_i64(b, top[i].id);
        buf_putc(b, ',');
        json_num(b, (double)top[i].p, RECORD_DIGITS);
        buf_putc(b, ',');
        json_num(b, (double)top[i].p_final, RECORD_DIGITS);
        buf_putc(b, ']');
    }
    buf_putc(b, ']');
}

static void put_token(buffer *b, const glimpse_token *of) {
    begin(b, NULL, '{');
    TOKEN_FIELDS(PUT, PUT_PAIR)
    buf_putc(b, '}');
}

static void put_ids(buffer *b, const char *name, const int32_t *ids, int32_t n) {
    begin(b, name, '[');
    for (int32_t i = 0; i < n; i++) json_int_member(b, NULL, ids[i]);
    buf_putc(b, ']');
}

static void put_seed(buffer *b, const char *name, uint64_t seed) {
    json_key(b, name);
    bool exact = seed <= EXACT_INTEGER;
    if (!exact) buf_putc(b, '"');
    buf_u64(b, seed);
    if (!exact) buf_putc(b, '"');
}

static void put_beam_score(buffer *b, const char *name, int32_t n_beams, double score) {
    if (n_beams > 0) put_loss(b, name, score);
}

const char *const journal_stops[] = { "length", "eos", "stop", "context", "nonfinite", "scored", "cancelled" };
_Static_assert(sizeof journal_stops / sizeof *journal_stops == GLIMPSE_STOP_CANCELLED + 1, "a name for each stop");

static void put_stop(buffer *b, const char *name, glimpse_stop stop) { put_text(b, name, journal_stops[stop]); }

static void put_metrics(buffer *b, const char *name, const glimpse_metric *m, int32_t n) {
    begin(b, name, '{');
    for (int32_t i = 0; i < n; i++) put_loss(b, m[i].name, m[i].value);
    buf_putc(b, '}');
}
#define put_metrics_if_any put_metrics /* the reader's word */

static void put_sample(buffer *b, const glimpse_sample *of, bool probe) {
    begin(b, NULL, '{');
    SAMPLE_FIELDS(PUT, PUT_PAIR)
    if (probe) put_int32(b, "answer_from", of->answer_from);
    begin(b, "tokens", '[');
    for (int32_t i = 0; i < of->n_tokens; i++) put_token(b, GLIMPSE_AT(of->tokens, i));
    buf_puts(b, "]}");
}

static void put_list(buffer *b, const char *name, const glimpse_sample *list, int32_t n, bool probes) {
    begin(b, name, '[');
    for (int32_t i = 0; i < n; i++) put_sample(b, GLIMPSE_AT(list, i), probes);
    buf_putc(b, ']');
}

static void put_samples(buffer *b, const char *name, const glimpse_sample *list, int32_t n) { put_list(b, name, list, n, false); }
static void put_probes(buffer *b, const char *name, const glimpse_sample *list, int32_t n) { put_list(b, name, list, n, true); }

static void put_pieces(buffer *b, const char *name, const glimpse_piece *pieces, int32_t n) {
    begin(b, name, '{');
    for (int32_t i = 0; i < n; i++) {
        char id[16];
        c_snprintf(id, sizeof id, "%d", pieces[i].id);
        put_bytes(b, id, pieces[i].text, (size_t)pieces[i].bytes);
    }
    buf_putc(b, '}');
}

static void put_views(buffer *b, const char *name, const char *views) {
    json_key(b, name);
    buf_puts(b, views ? views : "{}");
}

/* "lm_eval":{"hellaswag":{"variant","version","shots","n","of","acc":[value, standard error, chance],..},..}; the metrics of a
 * task stand together. */
static void put_scores(buffer *b, const char *name, const glimpse_task_score *scores, int32_t n) {
    const glimpse_task_score *before = NULL;
    begin(b, name, '{');
    for (int32_t i = 0; i < n; i++) {
        const glimpse_task_score *s = GLIMPSE_AT(scores, i);
        if (!before || strcmp(before->task, s->task)) {
            if (before) buf_putc(b, '}');
            begin(b, s->task, '{');
            put_text(b, "variant", s->variant);
            put_loss(b, "version", s->version);
            put_int32(b, "shots", s->num_fewshot);
            put_int32(b, "n", s->n);
            put_int32(b, "of", s->n_all);
        }
        begin(b, s->metric, '[');
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
    for (int i = 0; i < n; i++) put_text(b, names[i], values[i]);
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

glimpse_status journal_encode(const glimpse_record *of, buffer *b) {
    size_t before = b->n;
    buf_putc(b, '{');
    RECORD_FIELDS(PUT, PUT_PAIR, PUT_OPEN, PUT_CLOSE)
    buf_puts(b, "}\n");
    if (buf_failed(b)) FAIL(GLIMPSE_E_MEMORY, "no memory for a journal line of more than %zu bytes", b->n - before);
    return seal(b, before);
}
