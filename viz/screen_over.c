/* screen_over.c -- one sample over the steps (screen.h): a row an eval, its text coloured as everywhere, so that one sees the
 * model learn without a key pressed.  Called by screen.c; the rows' texts are made by hooks/over_steps.c. */
#include "viz/screen_row.h"

#include <math.h>
#include <string.h>

enum { STEP_COLUMNS = 9, NUMBER_COLUMNS = 8, NUMBERS_FROM = 56 };

void screen_over_text(const glimpse_record *r, const glimpse_sample *like, const view_style *style, screen_step *out) {
    const glimpse_sample *s = text_same_sample(r, like);
    styled body = {0};
    styled_clear(&out->text);
    out->known = true;
    out->val = r->val_loss;
    out->perplexity = s ? text_metric(s, "perplexity") : NAN;
    if (!s) {
        if (text_is(r->status, "failed")) styled_puts(&out->text, "failed: ", PAINT_BAD);
        else styled_puts(&out->text, r->n_samples ? "no such sample" : "no sample: ", PAINT_DIM);
        if (!r->n_samples && r->why) styled_escape(&out->text, r->why, strnlen(r->why, SCREEN_OVER_BYTES), TEXT_ONE_LINE, paint_of(PAINT_DIM));
        return;
    }
    glimpse_sample bare = *s; /* the prompt is the same in every row */
    bare.prompt_bytes = 0;
    const color_mode mode = style->mode == COLOR_TOPK || style->mode == COLOR_ALL ? COLOR_SOFTMAX : style->mode;
    text_body(r, &bare, mode, style->depth != DEPTH_NONE, 0, style, NULL, &body);
    size_t n = body.text.n < SCREEN_OVER_BYTES ? body.text.n : SCREEN_OVER_BYTES;
    for (size_t at = 0; at < n;) { /* on one line */
        size_t len = strcspn(body.text.bytes + at, "\n\t");
        if (len > n - at) len = n - at;
        styled_copy(&out->text, &body, at, at + len);
        at += len;
        if (at < n) styled_puts(&out->text, body.text.bytes[at++] == '\n' ? "\xe2\x86\xb5" : " ", PAINT_DIM);
    }
    if (styled_failed(&body)) out->text.text.failed = true;
    styled_free(&body);
}

/* As much of a text as fits, an ellipsis if that is not all. */
static void add_text(screen *s, const styled *t) {
    size_t left = s->columns > s->width ? s->columns - s->width : 0, used, fits = text_fit(buf_str(&t->text), t->text.n, left, &used);
    const bool cut = fits < t->text.n && left;
    if (cut) fits = text_fit(buf_str(&t->text), t->text.n, left - 1, &used);
    styled_copy(&s->t, t, 0, fits);
    if (cut) styled_puts(&s->t, "\xe2\x80\xa6", PAINT_DIM);
    s->width += used + cut;
}

static void add_number(screen *s, const char *format, double x) {
    if (isfinite(x)) row_addf(s, 0, PAINT_PLAIN, format, NUMBER_COLUMNS, x);
    else row_addf(s, 0, PAINT_DIM, "%*s", NUMBER_COLUMNS, "-");
}

void screen_over_steps(screen *s, int first, int last) {
    const screen_view *v = s->v;
    const screen_over *o = &v->over;
    const bool numbers = v->width >= NUMBERS_FROM;
    row_begin(s, (size_t)v->width);
    if (!o->n) {
        row_add(s, 1, PAINT_DIM, "neither this step nor one before it was sampled");
        row_end(s, first);
        return;
    }
    row_addf(s, 1, PAINT_DIM, "%*s", STEP_COLUMNS, "step");
    if (numbers) row_addf(s, 0, PAINT_DIM, "%*s%*s", NUMBER_COLUMNS, "val", NUMBER_COLUMNS, TEXT_OWN_PPL);
    row_add(s, 2, PAINT_DIM, "what this sample said");
    row_end(s, first);
    for (int64_t i = 0; i < o->n && first + 1 + i < last; i++) {
        const screen_step *k = &o->rows[i];
        char step[32];
        int n = c_snprintf(step, sizeof step, "%lld", (long long)k->step);
        row_begin(s, (size_t)v->width - 1);
        row_add(s, n < STEP_COLUMNS ? 1 + STEP_COLUMNS - (size_t)n : 1, o->first + i == v->at ? PAINT_CURSOR : PAINT_PLAIN, step);
        if (k->known && numbers) {
            add_number(s, "%*.3f", k->val);
            add_number(s, k->perplexity < 100 ? "%*.2f" : k->perplexity < 1e6 ? "%*.0f" : "%*.1e", k->perplexity);
        }
        row_add(s, 2, PAINT_PLAIN, "");
        if (k->known) add_text(s, &k->text);
        else row_add(s, 0, PAINT_DIM, "\xe2\x80\xa6");
        row_end(s, first + 1 + (int)i);
    }
}
