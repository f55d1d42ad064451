/* minmax.c -- the chosen tokens' raw logits over a sample, the numbers behind the colour mode `minmax`: a line, its
 * smallest and largest value marked with their tokens, dots coloured by (l - min) / (max - min).  A logit that is not
 * finite is a gap.  Called by hooks/views.c. */
#include "include/internal/status.h"
#include "viz/charts.h"

#include <math.h>

enum { LEFT = 64, RIGHT = 928, TOP = 74, BOTTOM = 200, HEIGHT = BOTTOM - TOP, DECIMALS = 2 /* everywhere: it is one number */ };

static double x_of(int i, int n) { return n < 2 ? (LEFT + RIGHT) / 2.0 : LEFT + 8 + (double)i / (n - 1) * (RIGHT - LEFT - 16); }

static void draw_extreme(canvas *c, const glimpse_record *r, const glimpse_token *t, double x, double y, bool above, buffer *text) {
    chart_number number;
    canvas_dot(c, x, y, 5, C_RED);
    canvas_dot(c, x, y, 2.5, C_PAPER);
    buf_clear(text);
    text_token(text, r, t->id);
    buf_printf(text, " %s", chart_fixed(t->logit, DECIMALS, number));
    const text_align align = x > RIGHT - 110 ? TEXT_RIGHT : x < LEFT + 110 ? TEXT_LEFT : TEXT_CENTER;
    canvas_text(c, (int)x + (align == TEXT_LEFT ? -4 : align == TEXT_RIGHT ? 4 : 0),
                (int)y + (above ? -9 : 18), 200, FONT_SMALL, C_ALARM, align, buf_str(text), text->n);
}

static void draw_line(canvas *c, const glimpse_record *r, const glimpse_sample *s, int n, double low, double high, buffer *text) {
    const double span = high > low ? high - low : 1, margin = high > low ? 0 : 0.5;
    int least = -1, most = -1;
    double before = NAN, before_x = 0;
    chart_number number;
    for (int k = 0; k < 3; k++) {
        const int y = BOTTOM - HEIGHT * k / 2;
        canvas_fill(c, LEFT, y, RIGHT - LEFT, 1, C_GRID);
        canvas_puts(c, LEFT - 8, y + 4, 60, FONT_SMALL, C_GREY, TEXT_RIGHT,
                    chart_fixed(low + span * (k / 2.0 - margin), DECIMALS, number));
    }
    for (int i = 0; i < n; i++) {
        const double l = chart_token_at(s, i)->logit, x = x_of(i, n), y = BOTTOM - ((l - low) / span + margin) * HEIGHT;
        if (isfinite(l) && isfinite(before)) canvas_line(c, before_x, before, x, y, 1.6, C_FRAME);
        before = isfinite(l) ? y : NAN, before_x = x;
        if (isfinite(l) && (least < 0 || l < chart_token_at(s, least)->logit)) least = i;
        if (isfinite(l) && (most < 0 || l > chart_token_at(s, most)->logit)) most = i;
    }
    const double radius = n > 400 ? 1.2 : n > 150 ? 2 : 3.2;
    for (int i = 0; i < n; i++) {
        const double l = chart_token_at(s, i)->logit, v = (l - low) / (high - low + 1e-6);
        if (isfinite(l)) canvas_dot(c, x_of(i, n), BOTTOM - ((l - low) / span + margin) * HEIGHT, radius, canvas_viridis(v));
    }
    for (int k = 0; k < 2; k++) {
        const int i = k ? most : least;
        if (i >= 0 && (k || least != most))
            draw_extreme(c, r, chart_token_at(s, i), x_of(i, n), BOTTOM - ((chart_token_at(s, i)->logit - low) / span + margin) * HEIGHT, k, text);
    }
    buf_clear(text);
    buf_printf(text, "token 1 \xe2\x80\xa6 %d", n);
    canvas_text(c, RIGHT, 230, 300, FONT_SMALL, C_GREY, TEXT_RIGHT, buf_str(text), text->n);
}

glimpse_status chart_minmax(const glimpse_record *r, const glimpse_sample *s, buffer *png) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    canvas c;
    double low = INFINITY, high = -INFINITY;
    const int n = s->tokens && s->n_tokens > 0 ? s->n_tokens : 0;
    for (int i = 0; i < n; i++) {
        const double l = chart_token_at(s, i)->logit;
        if (isfinite(l)) low = fmin(low, l), high = fmax(high, l);
    }
    TRY(canvas_new(&c, CHART_W, CHART_H));
    const int right = CHART_W - CHART_MARGIN, alarm = chart_alarm(&c, r, right, 27);
    chart_title(r, s, &text);
    buf_puts(&text, " \xc2\xb7 logit of each emitted token");
    canvas_text(&c, CHART_MARGIN, 27, right - CHART_MARGIN - (alarm ? alarm + 24 : 0), FONT_BOLD, C_INK, TEXT_LEFT, buf_str(&text), text.n);
    if (high >= low) {
        chart_number lowest, highest;
        buf_clear(&text);
        buf_printf(&text, "min %s   max %s", chart_fixed(low, DECIMALS, lowest), chart_fixed(high, DECIMALS, highest));
        canvas_text(&c, CHART_MARGIN, 49, right, FONT_BODY, C_GREY, TEXT_LEFT, buf_str(&text), text.n);
        draw_line(&c, r, s, n, low, high, &text);
    } else {
        canvas_puts(&c, CHART_W / 2, 130, right, FONT_BODY, C_GREY, TEXT_CENTER,
                    n ? "no logit of this sample is finite" : "no token was emitted");
    }
    if (text.failed) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a chart of %d tokens", n);
    st = png_write_indexed(c.rows, c.w, c.h, canvas_palette(), C_COLORS, png);
out:
    buf_free(&text);
    canvas_free(&c);
    return st;
}
