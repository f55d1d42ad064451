/* sample_txt.c -- entries of sample.txt: what a person greps and reads.  No escape codes.
 *
 * The form is that of the nanoGPT fork (append_to_sample_file in its sample.py), its fields first and by its names, then
 * ours:
 *     ---------------
 *      run_name: demo
 *      iter_num: 250
 *      best_val_loss: 2.5069
 *      top_k: 200                                     "no_topk" without
 *      start_token: '\n'                              the prompt as Python's repr
 *      train_loss: 2.413   val_loss: 2.5069           those that are known
 *      prompt: 0   sample: 0/3   seed: 1337   temperature: 0.8
 *                                                     and of a beam search: beams: 4   score: -1.2345
 *      samplers: top_k=200;temperature=0.8
 *      tokens: 128   stop: length   perplexity: 5.9   check: ok
 *     ---------------
 *     the text, exact but for control characters; a line of dashes gets a backslash
 *     (two empty lines)
 * Each of the fork's fields is followed by a blank, as there; no other line of ours ends with one.  Called by the writers of
 * hooks. */
#include "viz/text.h"

#include "include/internal/status.h"
#include <math.h>
#include <string.h>

#define RULE "---------------\n"
enum { LONG_PROMPT = 400 }; /* bytes of a prompt in its field; the whole of it stands in the text */

static void name_of(styled *out, const char *name) {
    styled_puts(out, " ", PAINT_PLAIN);
    styled_puts(out, name, PAINT_DIM);
    styled_puts(out, ": ", PAINT_DIM);
}

static void text_field(styled *out, const char *name, const char *value) {
    name_of(out, name);
    styled_escape(out, value ? value : "", value ? strlen(value) : 0, TEXT_ONE_LINE, paint_of(PAINT_PLAIN));
}

static void add_why(styled *out, const char *why) {
    if (!why) return;
    styled_puts(out, " (", PAINT_PLAIN);
    styled_escape(out, why, strlen(why), TEXT_ONE_LINE, paint_of(PAINT_PLAIN));
    styled_puts(out, ")", PAINT_PLAIN);
}

static void number_field(styled *out, const char *name, double value, int digits) {
    name_of(out, name);
    buffer text = {0};
    buf_g(&text, value, digits);
    styled_puts(out, buf_str(&text), PAINT_PLAIN);
    if (buf_failed(&text)) out->text.failed = true;
    buf_free(&text);
}

static void end_line(styled *out) { styled_puts(out, " \n", PAINT_PLAIN); }
static void gap(styled *out) { styled_puts(out, "  ", PAINT_PLAIN); } /* before a field that has a blank itself */

bool text_check_failed(const glimpse_record *r) { return text_is(r->check, "failed"); }

static void start_token_field(const glimpse_sample *s, styled *out) {
    size_t n = s->prompt_bytes;
    if (n > LONG_PROMPT) {
        n = LONG_PROMPT;
        while (n > LONG_PROMPT - 4 && ((unsigned char)s->prompt_text[n] & 0xC0) == 0x80) n--;
    }
    buffer text = {0};
    text_repr(&text, s->prompt_text ? s->prompt_text : "", n);
    name_of(out, "start_token");
    styled_puts(out, buf_str(&text), PAINT_PLAIN);
    if (n < s->prompt_bytes) styled_printf(out, PAINT_DIM, "\xe2\x80\xa6 (%zu bytes)", s->prompt_bytes);
    if (buf_failed(&text)) out->text.failed = true;
    buf_free(&text);
    end_line(out);
}

/* The losses of this eval, which best_val_loss is not. */
static void loss_fields(const glimpse_record *r, styled *out) {
    bool train = isfinite(r->train_loss), val = isfinite(r->val_loss);
    if (train) number_field(out, "train_loss", r->train_loss, RECORD_LOSS_DIGITS);
    if (train && val) gap(out);
    if (val) number_field(out, "val_loss", r->val_loss, RECORD_LOSS_DIGITS);
    if (train || val) styled_puts(out, "\n", PAINT_PLAIN);
}

static void sample_fields(const glimpse_record *r, const glimpse_sample *s, styled *out) {
    if (s->top_k > 0) number_field(out, "top_k", s->top_k, 10);
    else text_field(out, "top_k", "no_topk");
    end_line(out);
    start_token_field(s, out);
    loss_fields(r, out);
    number_field(out, "prompt", s->prompt, 10);
    gap(out);
    name_of(out, "sample");
    styled_printf(out, PAINT_PLAIN, "%d/%d", (int)s->sample, (int)s->n_samples);
    gap(out);
    name_of(out, "seed");
    styled_printf(out, PAINT_PLAIN, "%llu", (unsigned long long)s->seed);
    gap(out);
    number_field(out, "temperature", s->temperature, 5);
    if (s->n_beams > 0) {
        gap(out);
        number_field(out, "beams", s->n_beams, 10);
        gap(out);
        number_field(out, "score", s->beam_score, RECORD_DIGITS);
    }
    styled_puts(out, "\n", PAINT_PLAIN);
    text_field(out, "samplers", s->samplers);
    styled_puts(out, "\n", PAINT_PLAIN);
    number_field(out, "tokens", s->n_tokens, 10);
    gap(out);
    text_field(out, "stop", text_stop_name(s->stop));
    add_why(out, s->why);
    double perplexity = text_metric(s, "perplexity");
    if (isfinite(perplexity)) {
        char text[32];
        text_short(text, perplexity);
        gap(out);
        text_field(out, "perplexity", text);
    }
    gap(out);
    text_field(out, "check", r->check);
    styled_puts(out, "\n", PAINT_PLAIN);
    if (!s->note) return;
    text_field(out, "note", s->note);
    styled_puts(out, "\n", PAINT_PLAIN);
}

/* What was measured of the model itself: once an eval, in its first entry. */
static void score_fields(const glimpse_record *r, styled *out) {
    for (int32_t i = 0; i < r->n_scores + r->n_dataset; i++) {
        const glimpse_task_score *s = i < r->n_scores ? GLIMPSE_AT(r->scores, i) : NULL;
        const glimpse_metric *m = s ? NULL : &r->dataset[i - r->n_scores];
        if (m && !text_shows_metric(m->name)) continue;
        buffer line = {0};
        if (s) buf_printf(&line, "%s %s ", s->task, s->metric);
        else buf_printf(&line, "%s ", m->name);
        buf_g(&line, s ? s->value : m->value, RECORD_DIGITS);
        if (s && isfinite(s->std_error)) buf_printf(&line, " \xc2\xb1 %.2g", s->std_error);
        if (s) buf_printf(&line, " (%d of %d)", (int)s->n, (int)s->n_all);
        text_field(out, s ? "lm_eval" : "dataset", buf_str(&line));
        styled_puts(out, "\n", PAINT_PLAIN);
        if (buf_failed(&line)) out->text.failed = true;
        buf_free(&line);
    }
}

void text_entry_head(const glimpse_record *r, const glimpse_sample *s, styled *out) {
    styled_puts(out, RULE, PAINT_DIM);
    text_field(out, "run_name", r->run_name);
    end_line(out);
    name_of(out, "iter_num");
    styled_printf(out, PAINT_PLAIN, "%lld", (long long)r->step);
    end_line(out);
    if (isfinite(r->best_val_loss)) {
        number_field(out, "best_val_loss", r->best_val_loss, RECORD_LOSS_DIGITS);
        end_line(out);
    }
    if (s) sample_fields(r, s, out);
    else {
        text_field(out, "status", r->status);
        add_why(out, r->why);
        end_line(out);
        loss_fields(r, out);
    }
    if (!s || s == r->samples) score_fields(r, out);
    if (text_check_failed(r)) {
        styled_puts(out, " ", PAINT_PLAIN);
        styled_puts(out, "*** " TEXT_CHECK_FAILED " ***", PAINT_ALARM);
        styled_puts(out, "\n", PAINT_PLAIN);
    }
    styled_puts(out, RULE, PAINT_DIM);
}

glimpse_status view_sample_txt(const glimpse_record *r, const view_style *style, buffer *out) {
    styled t = {0};
    size_t before = out->n;
    for (int32_t i = 0; i < r->n_samples; i++) {
        const glimpse_sample *s = GLIMPSE_AT(r->samples, i);
        styled_clear(&t);
        text_entry_head(r, s, &t);
        styled_emit(&t, 0, t.text.n, DEPTH_NONE, out);
        styled_clear(&t);
        text_body(r, s, COLOR_SOFTMAX, false, SIZE_MAX, style, NULL, &t);
        styled_emit_guarded(&t, DEPTH_NONE, out);
        buf_puts(out, "\n\n");
    }
    if (!text_is(r->status, "ok")) {
        styled_clear(&t);
        text_entry_head(r, NULL, &t);
        styled_emit(&t, 0, t.text.n, DEPTH_NONE, out);
        buf_puts(out, "\n\n");
    }
    bool failed = styled_failed(&t) || buf_failed(out);
    styled_free(&t);
    return text_done(failed, out, before, "an entry of sample.txt");
}
