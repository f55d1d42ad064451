/* charts.c -- see charts.h. */
#include "viz/charts.h"
#include "include/internal/status.h"

#include <math.h>
#include <string.h>

#define MIDDLE_DOT " \xc2\xb7 "
#define ELLIPSIS "\xe2\x80\xa6"
#define DASH "\xe2\x80\x93"
#define MINUS "\xe2\x88\x92"

enum { PIECE_LIMIT = 256, CONTEXT_LIMIT = 512 };

const glimpse_token *chart_token_at(const glimpse_sample *s, int32_t i) {
    return i >= 0 && i < s->n_tokens && s->tokens ? GLIMPSE_AT(s->tokens, i) : NULL;
}

/* === Candidates ================================================================================================== */

static double order_of(float p) { return p >= 0 ? (double)p : -1; } /* NaN last */

static bool before(const chart_cell *a, const chart_cell *b) {
    if (order_of(a->p_final) != order_of(b->p_final)) return order_of(a->p_final) > order_of(b->p_final);
    return order_of(a->p) > order_of(b->p);
}

static void insert_cell(chart_cells *out, int room, chart_cell cell) {
    int at = out->n;
    if (at == room) {
        if (at == 0 || !before(&cell, &out->cell[at - 1])) return;
        at--;
    } else out->n++;
    for (; at > 0 && before(&cell, &out->cell[at - 1]); at--) out->cell[at] = out->cell[at - 1];
    out->cell[at] = cell;
}

void chart_cells_of(const glimpse_token *t, chart_cells *out) {
    memset(out, 0, sizeof *out);
    const int32_t n_top = t->top && t->n_top > 0 ? t->n_top : 0, kept = t->kept > 0 ? t->kept : 0;
    const int least = n_top < 5 ? (int)n_top : 5, room = kept > CHART_CELLS ? CHART_CELLS : kept > least ? (int)kept : least;
    bool found = false;
    for (int32_t k = 0; k < n_top; k++) {
        const glimpse_candidate *g = &t->top[k];
        insert_cell(out, room, (chart_cell){g->id, g->p, g->p_final, g->id == t->id, g->p_final == 0});
    }
    for (int k = 0; k < out->n; k++) found |= out->cell[k].chosen;
    if (!found) {
        if (out->n == CHART_CELLS) out->n--;
        out->cell[out->n++] = (chart_cell){t->id, expf(t->logprob), t->p_final, true, t->p_final == 0};
    }
    double sum = 0;
    int survivors = 0;
    for (int k = 0; k < out->n; k++)
        if (!out->cell[k].filtered) survivors++, sum += out->cell[k].p_final;
    out->others = kept > survivors ? kept - survivors : 0;
    out->others_mass = 1 - sum > 0 ? 1 - sum : isnan(sum) ? NAN : 0;
}

/* === Numbers ===================================================================================================== */

static const char *without_zero(char *text) { return text[0] == '0' && text[1] == '.' ? memmove(text, text + 1, strlen(text)) : text; }

const char *chart_p(double p, chart_number out) {
    const size_t cap = sizeof(chart_number);
    if (!isfinite(p) || p < 0) return memcpy(out, DASH, sizeof DASH);
    if (p == 0) return memcpy(out, "0", 2);
    if (p >= 0.9995) c_snprintf(out, cap, "%.3g", p);
    else if (p >= 0.995) c_snprintf(out, cap, "%.3f", p);
    else if (p >= 0.0995) c_snprintf(out, cap, "%.2f", p);
    else if (p >= 0.00995) c_snprintf(out, cap, "%.3f", p);
    else if (p >= 0.000995) c_snprintf(out, cap, "%.4f", p);
    else {
        int e = (int)floor(log10(p));
        int digit = (int)lround(p / pow(10, e));
        if (digit == 10) digit = 1, e++;
        c_snprintf(out, cap, "%de%d", digit, e);
    }
    if (p >= 0.9995 && p < 1.5) return memcpy(out, "1", 2);
    return without_zero(out);
}

const char *chart_fixed(double x, int decimals, chart_number out) {
    if (!isfinite(x)) return memcpy(out, DASH, sizeof DASH);
    if (fabs(x) >= 1e6) c_snprintf(out, sizeof(chart_number), "%s%.1e", x < 0 ? MINUS : "", fabs(x));
    else c_snprintf(out, sizeof(chart_number), "%s%.*f", x < 0 ? MINUS : "", decimals, fabs(x));
    return out;
}

double chart_scale(double p) {
    double v = p > 1e-4 ? (log10(p) + 4) / 4 : 0;
    return v > 1 ? 1 : v;
}

int chart_color(double p) { return canvas_viridis(chart_scale(p)); }

double chart_nice(double x) {
    static const double steps[] = {1, 2, 4, 5, 8, 10};
    if (!(x > 0) || !isfinite(x)) return 1;
    double unit = pow(10, floor(log10(x)));
    for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++)
        if (x <= steps[k] * unit * (1 + 1e-9)) return steps[k] * unit;
    return 10 * unit;
}

/* === Texts ======================================================================================================= */

void chart_context(const glimpse_record *r, const glimpse_sample *s, int32_t i, int32_t last_k, buffer *out) {
    const int64_t n_prompt = s->prompt_ids && s->n_prompt_ids > 0 ? s->n_prompt_ids : 0, here = n_prompt + i;
    const int64_t k = last_k < 0 ? 0 : last_k > CONTEXT_LIMIT ? CONTEXT_LIMIT : last_k, from = here > k ? here - k : 0;
    buffer raw = {0}; /* joined first: a character may be split over tokens */
    if (from > 0) buf_puts(out, ELLIPSIS);
    for (int64_t at = from; at < here; at++) {
        const glimpse_token *t = at < n_prompt ? NULL : chart_token_at(s, (int32_t)(at - n_prompt));
        const int32_t id = at < n_prompt ? s->prompt_ids[at] : t ? t->id : -1;
        const glimpse_piece *piece = record_piece(r, id);
        if (piece && text_is_id(piece) && !raw.n) buf_put(out, piece->text, (size_t)piece->bytes); /* its blank stays one */
        else if (piece && piece->bytes > 0 && piece->text)
            buf_put(&raw, piece->text, (size_t)(piece->bytes < PIECE_LIMIT ? piece->bytes : PIECE_LIMIT));
        else buf_printf(&raw, "\xe2\x9f\xa8%d\xe2\x9f\xa9", (int)id);
    }
    size_t cut = 0; /* the rest of a character whose beginning is left out */
    while (from > 0 && cut < raw.n && cut < 3 && ((unsigned char)raw.bytes[cut] & 0xC0) == 0x80) cut++;
    text_visible(out, raw.bytes ? raw.bytes + cut : "", raw.n - cut, raw.n);
    if (raw.failed) out->failed = true;
    buf_free(&raw);
    buf_puts(out, "\xe2\x96\xb8");
}

void chart_token_label(const glimpse_record *r, int32_t id, font_face face, int w, buffer *out) {
    buf_clear(out);
    text_token(out, r, id);
    if (!out->failed && canvas_width(face, out->bytes, out->n) > w) text_end_short(out);
}

void chart_title(const glimpse_record *r, const glimpse_sample *s, buffer *out) {
    buf_printf(out, "step %lld" MIDDLE_DOT "prompt %lld", (long long)r->step, (long long)s->prompt + 1);
    if (s->label && *s->label) {
        size_t from = out->n + 4;
        buf_puts(out, MIDDLE_DOT);
        text_escape(out, s->label, strnlen(s->label, 120), TEXT_ONE_LINE);
        for (size_t k = from; k < out->n; k++)
            if (out->bytes[k] == '=') out->bytes[k] = ' ';
    }
    if (s->n_samples > 1) buf_printf(out, MIDDLE_DOT "sample %lld of %d", (long long)s->sample + 1, (int)s->n_samples);
}

int chart_alarm(canvas *c, const glimpse_record *r, int right, int baseline) {
    if (!r->check || strcmp(r->check, "failed") != 0) return 0;
    static const char words[] = TEXT_CHECK_FAILED_SHORT;
    const int w = (int)(sizeof words - 1) * font_cell(FONT_BOLD) + 16;
    canvas_frame(c, 0, 0, c->w, c->h, 4, C_ALARM);
    canvas_fill(c, right - w, baseline - 15, w, 21, C_ALARM);
    canvas_puts(c, right - w / 2, baseline, w, FONT_BOLD, C_WHITE, TEXT_CENTER, words);
    return w;
}

glimpse_status chart_header(canvas *c, const glimpse_record *r, const glimpse_sample *s, int32_t i, int32_t last_k, const char *note) {
    const glimpse_token *t = chart_token_at(s, i);
    const int right = c->w - CHART_MARGIN;
    buffer line = {0};
    chart_number h, nll;
    buf_printf(&line, "H %s   " MINUS "ln p %s nats", chart_fixed(t->entropy, 2, h), chart_fixed(t->logprob == 0 ? 0 : -t->logprob, 2, nll));
    int used = canvas_text(c, right, 27, 300, FONT_BODY, C_INK, TEXT_RIGHT, buf_str(&line), line.n) + 24;
    const int alarm = chart_alarm(c, r, right - used, 27);
    if (alarm) used += alarm + 24;
    buf_clear(&line);
    chart_title(r, s, &line);
    buf_printf(&line, MIDDLE_DOT "token %lld of %d", (long long)i + 1, (int)s->n_tokens);
    canvas_text(c, CHART_MARGIN, 27, right - used - CHART_MARGIN, FONT_BOLD, C_INK, TEXT_LEFT, buf_str(&line), line.n);
    used = canvas_puts(c, right, 49, 360, FONT_BODY, C_GREY, TEXT_RIGHT, note) + 24;
    buf_clear(&line);
    chart_context(r, s, i, last_k, &line);
    canvas_text_tail(c, CHART_MARGIN, 49, right - used - CHART_MARGIN, FONT_BODY, C_INK, buf_str(&line), line.n);
    const bool failed = line.failed;
    buf_free(&line);
    if (failed) FAIL(GLIMPSE_E_MEMORY, "no memory for the header of a chart");
    return GLIMPSE_OK;
}

/* === Colour scale ================================================================================================ */

static const char *const scale_numbers[5] = {"1", ".1", ".01", "1e-3", "1e-4"};

void chart_bar_standing(canvas *c, int x, int y, int h) {
    for (int k = 0; k < h; k++) canvas_fill(c, x, y + k, 14, 1, canvas_viridis(1 - (double)k / (h - 1)));
    for (int k = 0; k < 5; k++) {
        int at = y + (h - 1) * k / 4;
        canvas_fill(c, x + 14, at, 4, 1, C_FRAME);
        canvas_puts(c, x + 21, at + 4, 60, FONT_SMALL, C_GREY, TEXT_LEFT, scale_numbers[k]);
    }
}

void chart_bar_lying(canvas *c, int x, int y, int w) {
    for (int k = 0; k < w; k++) canvas_fill(c, x + k, y, 1, 12, canvas_viridis((double)k / (w - 1)));
    for (int k = 0; k < 5; k++) {
        int at = x + (w - 1) * k / 4;
        canvas_fill(c, at, y + 12, 1, 4, C_FRAME);
        canvas_puts(c, at, y + 27, 60, FONT_SMALL, C_GREY, TEXT_CENTER, scale_numbers[4 - k]);
    }
}

glimpse_status chart_token(const glimpse_record *r, const glimpse_sample *s, int32_t i, chart_type type, int32_t last_k, buffer *png) {
    if (!chart_token_at(s, i)) FAIL(GLIMPSE_E_INVALID, "no token %d: the sample has %d", (int)i, (int)s->n_tokens);
    canvas c;
    TRY(canvas_new(&c, CHART_W, CHART_H));
    glimpse_status st = type == CHART_BARCHART ? chart_barchart_draw(&c, r, s, i, last_k) : chart_heatmap_draw(&c, r, s, i, last_k);
    if (st >= 0) st = png_write_indexed(c.rows, c.w, c.h, canvas_palette(), C_COLORS, png);
    canvas_free(&c);
    return st;
}
