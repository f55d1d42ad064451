/* openai.c -- see openai.h. */
#include "viz/openai.h"

#include "include/internal/json_out.h"
#include "include/internal/status.h"
#include <math.h>
#include <string.h>

static void text_member(buffer *out, const char *name, const char *s, size_t n) {
    json_key(out, name);
    if (s) buf_json_string(out, s, n);
    else buf_puts(out, "null");
}

static void token_members(const glimpse_record *r, int32_t id, double logprob, buffer *out) {
    const glimpse_piece *p = record_piece(r, id);
    text_member(out, "token", p ? p->text : "", p ? (size_t)p->bytes : 0);
    json_int_member(out, "id", id);
    json_key(out, "bytes");
    buf_putc(out, '[');
    for (int32_t i = 0; p && i < p->bytes; i++) buf_printf(out, "%s%u", i ? "," : "", (unsigned)(uint8_t)p->text[i]);
    buf_putc(out, ']');
    json_num_member(out, "logprob", logprob, RECORD_DIGITS);
}

static void put_token(const glimpse_record *r, const glimpse_token *t, buffer *out) {
    buf_putc(out, '{');
    token_members(r, t->id, (double)t->logprob, out);
    json_key(out, "top_logprobs");
    buf_putc(out, '[');
    for (int32_t i = 0; i < t->n_top; i++) {
        buf_puts(out, i ? ",{" : "{");
        token_members(r, t->top[i].id, t->top[i].p > 0 ? log((double)t->top[i].p) : -9999, out);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}");
}

static void put_sample(const glimpse_record *r, const glimpse_sample *s, buffer *out) {
    static const char *const reasons[] = { "length", "stop", "stop", "length", "stop", "stop", "stop" }; /* of each glimpse_stop */
    _Static_assert(sizeof reasons / sizeof *reasons == GLIMPSE_STOP_CANCELLED + 1, "a reason for each stop");
    buf_putc(out, '{');
    text_member(out, "run", r->run, strlen(r->run));
    json_int_member(out, "step", r->step);
    text_member(out, "kind", r->kind, strlen(r->kind));
    json_num_member(out, "train_loss", r->train_loss, RECORD_LOSS_DIGITS);
    json_num_member(out, "val_loss", r->val_loss, RECORD_LOSS_DIGITS);
    json_int_member(out, "prompt_id", s->prompt);
    text_member(out, "setting", s->label, strlen(s->label));
    json_int_member(out, "sample_id", s->sample);
    json_key(out, "seed");
    buf_u64(out, s->seed);
    json_num_member(out, "temperature", s->temperature, RECORD_LOSS_DIGITS);
    json_int_member(out, "top_k", s->top_k);
    text_member(out, "samplers", s->samplers, strlen(s->samplers));
    text_member(out, "prompt", s->prompt_text, s->prompt_bytes);
    text_member(out, "text", s->text, s->text_bytes);
    const char *reason = reasons[s->stop];
    text_member(out, "finish_reason", reason, strlen(reason));
    json_key(out, "logprobs");
    buf_puts(out, "{\"content\":[");
    for (int32_t i = 0; i < s->n_tokens; i++) {
        if (i) buf_putc(out, ',');
        put_token(r, GLIMPSE_AT(s->tokens, i), out);
    }
    buf_puts(out, "]}}\n");
}

glimpse_status openai_lines(const glimpse_record *r, buffer *out) {
    for (int32_t i = 0; i < r->n_samples; i++) put_sample(r, GLIMPSE_AT(r->samples, i), out);
    if (buf_failed(out)) FAIL(GLIMPSE_E_MEMORY, "no memory for the samples of step %lld", (long long)r->step);
    return GLIMPSE_OK;
}
