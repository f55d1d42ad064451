/* sheet.c -- a whole sample in one picture: bands of 32 tokens, each token a column: the emitted token, its candidates
 * 1 to 10 below it coloured by the model's own probability, the chosen one outlined (beyond the tenth: a red tick with
 * its rank), under them the entropy as a line and −ln p as dots on one scale for the sheet.  Called by hooks/views.c. */
#include "include/internal/status.h"
#include "viz/charts.h"

#include <math.h>
#include <string.h>

enum {
    COLUMNS = 32, CELL_W = 56, CELL_H = 18, RANKS = 10, GUTTER = 44, CURVE_H = 56, TICK_H = 16, HEADER_H = 92,
    MOST_TOKENS = 1024 /* a picture of 8,000 lines; the rest is in the review page */
};

typedef struct sheet {
    canvas c;
    const glimpse_record *record;
    const glimpse_sample *sample;
    int n, columns, ranks;
    int band_h;
    double top; /* of the curves, nats */
    int beyond; /* the rank of the first chosen token that is not among the candidates; 0 = there is none */
    buffer text;
} sheet;

static double finite_or(double x, double otherwise) { return isfinite(x) ? x : otherwise; }

/* "1,872": thousands are easier to read in groups. */
static void put_count(buffer *out, int64_t n) {
    if (n >= 1000) {
        put_count(out, n / 1000);
        buf_printf(out, ",%03d", (int)(n % 1000));
    } else buf_printf(out, "%d", (int)n);
}

static void draw_header(sheet *k) {
    const glimpse_record *r = k->record;
    const glimpse_sample *s = k->sample;
    const int right = k->c.w - CHART_MARGIN, scale_w = 200, scale_x = right - scale_w - 16;
    buffer *text = &k->text;
    const int alarm = chart_alarm(&k->c, r, scale_x - 40, 27);
    const int room = scale_x - 32 - CHART_MARGIN - (alarm ? alarm + 32 : 0);
    buf_clear(text);
    chart_title(r, s, text);
    buf_puts(text, " \xc2\xb7 ");
    put_count(text, s->n_tokens > 0 ? s->n_tokens : 0);
    buf_puts(text, s->n_tokens == 1 ? " token" : " tokens");
    canvas_text(&k->c, CHART_MARGIN, 27, room, FONT_BOLD, C_INK, TEXT_LEFT, buf_str(text), text->n);

    buf_clear(text);
    if (s->prompt_text) text_visible(text, s->prompt_text, s->prompt_bytes, 2048);
    buf_puts(text, "\xe2\x96\xb8");
    canvas_text_tail(&k->c, CHART_MARGIN, 49, scale_x - 32 - CHART_MARGIN, FONT_BODY, C_INK, buf_str(text), text->n);

    buf_clear(text);
    const char *name = r->run_name && *r->run_name ? r->run_name : r->run ? r->run : "";
    buf_puts(text, "run ");
    text_escape(text, name, strnlen(name, 80), TEXT_ONE_LINE);
    const bool function = r->arch && !strcmp(r->arch, "function"); /* of its type and place nothing is known */
    const char *const facts[] = {r->model_name, function ? "a function" : r->arch, function ? NULL : r->dtype, function ? NULL : r->device};
    for (int i = 0; i < 4; i++) {
        if (!facts[i] || !*facts[i]) continue;
        buf_puts(text, i > 1 ? " " : " \xc2\xb7 ");
        text_escape(text, facts[i], strnlen(facts[i], 40), TEXT_ONE_LINE);
    }
    chart_number number;
    if (isfinite(r->val_loss)) buf_printf(text, " \xc2\xb7 val %s", chart_fixed(r->val_loss, 3, number));
    const int legend = 284 + (k->beyond ? 32 + canvas_width(FONT_BODY, "said, rank 99999", 16) : 0); /* what follows */
    int x = CHART_MARGIN + canvas_text(&k->c, CHART_MARGIN, 71, scale_x - 16 - legend - CHART_MARGIN, FONT_BODY, C_GREY, TEXT_LEFT, buf_str(text), text->n) + 32;
    canvas_line(&k->c, x, 66.5, x + 26, 66.5, 1.8, C_BLUE);
    x += 34 + canvas_puts(&k->c, x + 34, 71, 90, FONT_BODY, C_GREY, TEXT_LEFT, "entropy");
    canvas_dot(&k->c, x + 20, 66.5, 2.7, C_INK);
    x += 54 + canvas_puts(&k->c, x + 30, 71, 200, FONT_BODY, C_GREY, TEXT_LEFT, "\xe2\x88\x92ln p, nats");
    if (x + 56 < scale_x - 16) {
        canvas_frame(&k->c, x, 60, 18, 13, 2, C_RED);
        x += 44 + canvas_puts(&k->c, x + 24, 71, 40, FONT_BODY, C_GREY, TEXT_LEFT, "said");
    }
    if (k->beyond) { /* as below the columns: draw_choice */
        buf_clear(text);
        buf_printf(text, "%d", k->beyond);
        const int w = canvas_width(FONT_SMALL, buf_str(text), text->n) + 8;
        canvas_fill(&k->c, x, 60, w, 3, C_RED);
        canvas_text(&k->c, x + w / 2, 73, w, FONT_SMALL, C_ALARM, TEXT_CENTER, buf_str(text), text->n);
        buf_clear(text);
        buf_printf(text, "said, rank %d", k->beyond);
        canvas_text(&k->c, x + w + 8, 71, scale_x - 16 - x - w - 8, FONT_BODY, C_GREY, TEXT_LEFT, buf_str(text), text->n);
    }
    canvas_puts(&k->c, scale_x + scale_w / 2, 27, 240, FONT_BODY, C_GREY, TEXT_CENTER, "the model's own p");
    chart_bar_lying(&k->c, scale_x, 38, scale_w);
}

static void draw_candidates(sheet *k, const glimpse_token *t, int x, int y) {
    buffer *text = &k->text;
    for (int j = 0; j < k->ranks && t->top && j < t->n_top; j++) {
        const glimpse_candidate *g = &t->top[j];
        const int top = y + j * CELL_H, ground = isfinite(g->p) ? chart_color(g->p) : C_GRID;
        canvas_fill(&k->c, x, top, CELL_W - 1, CELL_H - 1, ground);
        if (!isfinite(g->p)) canvas_hatch(&k->c, x, top, CELL_W - 1, CELL_H - 1, C_FRAME);
        chart_token_label(k->record, g->id, FONT_SMALL, CELL_W - 6, text);
        canvas_text(&k->c, x + 3, top + 12, CELL_W - 6, FONT_SMALL, isfinite(g->p) ? canvas_text_on(ground) : C_INK, TEXT_LEFT,
                    buf_str(text), text->n);
    }
}

/* Where the chosen token stands among the candidates that are drawn; -1 = beyond them. */
static int choice_of(const sheet *k, const glimpse_token *t) {
    for (int j = 0; j < k->ranks && t->top && j < t->n_top; j++)
        if (t->top[j].id == t->id) return j;
    return -1;
}

/* After all cells of the band, so that no neighbour covers an outline. */
static void draw_choice(sheet *k, const glimpse_token *t, int x, int y) {
    buffer *text = &k->text;
    const int chosen = choice_of(k, t);
    if (chosen >= 0) {
        canvas_frame(&k->c, x - 1, y + chosen * CELL_H - 1, CELL_W + 1, CELL_H + 1, 2, C_RED);
        return;
    }
    const int tick = y + k->ranks * CELL_H;
    canvas_fill(&k->c, x, tick + 1, CELL_W - 1, 3, C_RED);
    buf_clear(text);
    if (t->rank > 0) buf_printf(text, "%d", (int)t->rank);
    canvas_text(&k->c, x + CELL_W / 2, tick + 14, CELL_W, FONT_SMALL, C_ALARM, TEXT_CENTER, buf_str(text), text->n);
}

static double curve_y(const sheet *k, int y, double nats) {
    double v = nats / k->top;
    return y + CURVE_H - 1 - (v < 0 ? 0 : v > 1 ? 1 : v) * (CURVE_H - 4);
}

static void draw_curves(sheet *k, int first, int n, int x0, int y) {
    chart_number number;
    canvas_fill(&k->c, x0, y, n * CELL_W, CURVE_H, C_SHADE);
    for (int i = 0; i < 3; i++) {
        const int line = (int)curve_y(k, y, k->top * i / 2);
        canvas_fill(&k->c, x0, line, n * CELL_W, 1, i ? C_GRID : C_FRAME);
        const int decimals = floor(k->top / 2) == k->top / 2 ? 0 : k->top < 1 ? 2 : 1;
        canvas_puts(&k->c, x0 - 8, line + 4, GUTTER, FONT_SMALL, C_GREY, TEXT_RIGHT,
                    chart_fixed(k->top * i / 2, decimals, number));
    }
    double before = NAN;
    for (int i = 0; i < n; i++) {
        const double h = chart_token_at(k->sample, first + i)->entropy, x = x0 + i * CELL_W + CELL_W / 2.0;
        if (isfinite(h) && isfinite(before)) canvas_line(&k->c, x - CELL_W, curve_y(k, y, before), x, curve_y(k, y, h), 1.8, C_BLUE);
        else if (isfinite(h)) canvas_dot(&k->c, x, curve_y(k, y, h), 0.9, C_BLUE);
        before = h;
    }
    for (int i = 0; i < n; i++) {
        const double nll = -(double)chart_token_at(k->sample, first + i)->logprob;
        if (isfinite(nll)) canvas_dot(&k->c, x0 + i * CELL_W + CELL_W / 2.0, curve_y(k, y, nll), 2.7, C_INK);
    }
}

static void draw_band(sheet *k, int first, int y) {
    const int n = k->n - first < k->columns ? k->n - first : k->columns, x0 = CHART_MARGIN + GUTTER;
    buffer *text = &k->text;
    buf_clear(text);
    buf_printf(text, "#%d", first + 1); /* the ranks below it are numbers, too */
    canvas_text(&k->c, x0 - 8, y + 13, GUTTER, FONT_SMALL, C_INK, TEXT_RIGHT, buf_str(text), text->n);
    const int cells_y = y + CELL_H + 2;
    for (int j = 0; j < k->ranks; j++) {
        buf_clear(text);
        buf_printf(text, "%d", j + 1);
        canvas_text(&k->c, x0 - 8, cells_y + j * CELL_H + 12, GUTTER, FONT_SMALL, C_GREY, TEXT_RIGHT,
                    buf_str(text), text->n);
    }
    for (int i = 0; i < n; i++) {
        const glimpse_token *t = chart_token_at(k->sample, first + i);
        const int x = x0 + i * CELL_W;
        chart_token_label(k->record, t->id, FONT_SMALL, CELL_W - 5, text);
        const font_face face = canvas_width(FONT_BODY, buf_str(text), text->n) <= CELL_W - 3 ? FONT_BODY : FONT_SMALL;
        canvas_text(&k->c, x + 3, y + 13, CELL_W - 5, face, C_INK, TEXT_LEFT, buf_str(text), text->n);
        draw_candidates(k, t, x, cells_y);
    }
    for (int i = 0; i < n; i++) draw_choice(k, chart_token_at(k->sample, first + i), x0 + i * CELL_W, cells_y);
    draw_curves(k, first, n, x0, cells_y + k->ranks * CELL_H + TICK_H + 2);
}

/* Why there is nothing to see, or where a sample ended before its length. */
static void draw_end(sheet *k, int y) {
    static const char *const stops[] = {"max_sample_tokens reached", "end of text", "stop string", "context full", "not finite", "scored text", "cancelled"};
    _Static_assert(sizeof stops / sizeof *stops == GLIMPSE_STOP_CANCELLED + 1, "a text for each stop");
    const glimpse_sample *s = k->sample;
    buffer *text = &k->text;
    buf_clear(text);
    if (k->n < s->n_tokens) {
        buf_puts(text, "\xe2\x80\xa6 ");
        put_count(text, (int64_t)s->n_tokens - k->n);
        buf_puts(text, " more tokens are not drawn here \xc2\xb7 ");
    } else if (k->n == 0) buf_puts(text, "no token was emitted \xc2\xb7 ");
    buf_printf(text, "stop: %s", (unsigned)s->stop <= GLIMPSE_STOP_CANCELLED ? stops[s->stop] : "unknown");
    if (s->why && *s->why) {
        buf_puts(text, " \xc2\xb7 ");
        buffer why = {0};
        buf_put(&why, s->why, strnlen(s->why, 400));
        for (size_t i = 0; i < why.n; i++) /* prose, not a token: its blanks stay blanks */
            if ((unsigned char)why.bytes[i] < 0x20 || why.bytes[i] == 0x7f) why.bytes[i] = ' ';
        buf_put(text, why.bytes, why.n);
        text->failed |= why.failed;
        buf_free(&why);
    }
    canvas_text(&k->c, CHART_MARGIN + (k->n ? GUTTER : 0), y, k->c.w - 2 * CHART_MARGIN - GUTTER, FONT_BODY, C_GREY, TEXT_LEFT,
                buf_str(text), text->n);
}

glimpse_status chart_sheet(const glimpse_record *r, const glimpse_sample *s, buffer *png) {
    glimpse_status st = GLIMPSE_OK;
    sheet k = {.record = r, .sample = s, .ranks = 1};
    const int n_tokens = s->tokens && s->n_tokens > 0 ? s->n_tokens : 0;
    k.n = n_tokens < MOST_TOKENS ? n_tokens : MOST_TOKENS;
    k.columns = k.n < COLUMNS ? (k.n < 14 ? 14 : k.n) : COLUMNS; /* the header needs 14 */
    double top = 0;
    for (int i = 0; i < k.n; i++) {
        const glimpse_token *t = chart_token_at(s, i);
        top = fmax(top, fmax(finite_or(t->entropy, 0), finite_or(-(double)t->logprob, 0)));
        if (t->top && t->n_top > k.ranks) k.ranks = t->n_top < RANKS ? (int)t->n_top : RANKS;
    }
    for (int i = 0; i < k.n && !k.beyond; i++) {
        const glimpse_token *t = chart_token_at(s, i);
        if (choice_of(&k, t) < 0 && t->rank > 0) k.beyond = t->rank;
    }
    k.top = chart_nice(top);
    k.band_h = CELL_H + 2 + k.ranks * CELL_H + TICK_H + CURVE_H + 26;
    const int bands = (k.n + k.columns - 1) / k.columns, y0 = HEADER_H;
    int w = 2 * CHART_MARGIN + GUTTER + k.columns * CELL_W;
    if (w < CHART_W) w = CHART_W;
    TRY(canvas_new(&k.c, w, y0 + bands * k.band_h + 30));
    draw_header(&k);
    for (int b = 0; b < bands; b++) draw_band(&k, b * k.columns, y0 + b * k.band_h);
    draw_end(&k, y0 + bands * k.band_h + 8);
    if (k.text.failed) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a sheet of %d tokens", k.n);
    st = png_write_indexed(k.c.rows, k.c.w, k.c.h, canvas_palette(), C_COLORS, png);
out:
    buf_free(&k.text);
    canvas_free(&k.c);
    return st;
}
