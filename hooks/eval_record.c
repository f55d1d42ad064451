/* eval_record.c -- from a batch of samples to the record of an eval (eval_record.h). */
#include "hooks/eval_record.h"

#include "include/internal/status.h"
#include "sampling/pieces_text.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void put_ids(const glimpse_sample *samples, int32_t n, buffer *ids) {
    for (int32_t i = 0; i < n; i++) {
        const glimpse_sample *s = GLIMPSE_AT(samples, i);
        buf_put(ids, s->prompt_ids, (size_t)s->n_prompt_ids * sizeof(int32_t));
        for (int32_t k = 0; k < s->n_tokens; k++) {
            const glimpse_token *tok = GLIMPSE_AT(s->tokens, k);
            buf_put(ids, &tok->id, sizeof tok->id);
            for (int32_t j = 0; j < tok->n_top; j++) buf_put(ids, &tok->top[j].id, sizeof(int32_t));
        }
    }
}

/* Every id that occurs in the samples and probes, with its bytes, by rising id. */
static glimpse_status fill_pieces(glimpse_record *r, arena *a, tokenizer *t) {
    glimpse_status st = GLIMPSE_OK;
    buffer ids = {0}, text = {0};
    put_ids(r->samples, r->n_samples, &ids);
    put_ids(r->probes, r->n_probes, &ids);
    if (buf_failed(&ids)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the pieces of a record");
    int32_t *id = (int32_t *)(void *)ids.bytes;
    size_t n = ids.n / sizeof *id, distinct = 0;
    if (n) qsort(id, n, sizeof *id, by_value);
    for (size_t i = 0; i < n; i++)
        if (!i || id[i] != id[i - 1]) id[distinct++] = id[i];
    glimpse_piece *pieces = arena_alloc(a, distinct * sizeof *pieces + 1);
    if (!pieces) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the pieces of a record");
    for (size_t i = 0; i < distinct; i++) {
        buf_clear(&text);
        TRY_GOTO(piece_text(t, id[i], &text));
        pieces[i] = (glimpse_piece){ .id = id[i], .bytes = (int32_t)text.n, .text = arena_text(a, text.bytes, text.n) };
        if (!pieces[i].text || buf_failed(&text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the pieces of a record");
    }
    r->pieces = pieces;
    r->n_pieces = (int32_t)distinct;
out:
    buf_free(&ids);
    buf_free(&text);
    return st;
}

glimpse_status eval_record_fill(glimpse_record *r, arena *a, const batch_result *batch, tokenizer *t, bool with_metrics, speller *sp) {
    char stamp[32];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
    r->time = arena_text(a, stamp, strlen(stamp));
    if (!r->time) FAIL(GLIMPSE_E_MEMORY, "no memory for a record");
    if (batch) {
        r->samples = batch->samples;
        r->n_samples = batch->n_samples;
        r->prefill_s = record_round(batch->prefill_s, RECORD_SECONDS_DIGITS);
        r->decode_s = record_round(batch->decode_s, RECORD_SECONDS_DIGITS);
    }
    if (r->n_samples || r->n_probes) TRY(fill_pieces(r, a, t));
    for (int32_t i = 0; i < r->n_samples; i++)
        TRY(metrics_of_sample(&batch->samples[i], with_metrics, sp, a));
    return GLIMPSE_OK;
}
