/* barchart.c -- one token: the same candidates and frame as the heatmap, as bars from 0 to 1; the model's own
 * probability as a grey mark across each.  Where labels would touch they stand on two lines, so that twenty are read
 * without turning the head.  Called through chart_token. */
#include "include/internal/status.h"
#include "viz/charts.h"

#include <math.h>

enum { LEFT = 48, RIGHT = 944, TOP = 72, BOTTOM = 192, HEIGHT = BOTTOM - TOP, WIDEST = 178 };

static int height_of(double p) { return (int)lround((p > 1 ? 1 : p) * HEIGHT); }

static void draw_axis(canvas *c) {
    static const char *const numbers[5] = {"1", ".75", ".5", ".25", "0"};
    for (int k = 0; k < 5; k++) {
        int y = TOP + HEIGHT * k / 4;
        canvas_fill(c, LEFT, y, RIGHT - LEFT, 1, k == 4 ? C_FRAME : C_GRID);
        canvas_puts(c, LEFT - 8, y + 4, 40, FONT_SMALL, C_GREY, TEXT_RIGHT, numbers[k]);
    }
}

static void draw_bar(canvas *c, const chart_cell *cell, int x, int w, int pad) {
    const int middle = x + w / 2;
    int h = 0;
    chart_number number;
    if (!isfinite(cell->p_final)) canvas_hatch(c, x, TOP, w, HEIGHT, C_FRAME);
    else if (!cell->filtered && cell->p_final > 0) {
        h = height_of(cell->p_final);
        if (h < 1) h = 1;
        canvas_fill(c, x, BOTTOM - h, w, h, chart_color(cell->p_final));
    }
    if (cell->chosen) canvas_frame(c, x - 2, BOTTOM - h - 2, w + 4, h + 4, 3, C_RED);
    int label = BOTTOM - h - 6;
    if (isfinite(cell->p) && cell->p >= 0) {
        const int y = BOTTOM - height_of(cell->p);
        if (h == 0) canvas_fill(c, x, y - 1, w, 2, C_GREY);
        const int out = pad - 3 < 6 ? pad - 3 : 6; /* neighbours keep apart */
        canvas_fill(c, x - out, y - 1, out + 3, 2, C_GREY), canvas_fill(c, x + w - 3, y - 1, out + 3, 2, C_GREY);
        if (y > label - 12 && y <= label + 3) label = y - 5;
    }
    canvas_puts(c, middle, label, w + 40, FONT_SMALL, C_INK, TEXT_CENTER, cell->filtered ? "filtered" : chart_p(cell->p_final, number));
}

glimpse_status chart_barchart_draw(canvas *c, const glimpse_record *r, const glimpse_sample *s, int32_t i, int32_t last_k) {
    chart_cells cells;
    buffer text = {0};
    chart_cells_of(chart_token_at(s, i), &cells);
    TRY(chart_header(c, r, s, i, last_k, "bars: p drawn with \xc2\xb7 marks: the model's own"));
    draw_axis(c);

    const int columns = cells.n + (cells.others > 0);
    int step = (RIGHT - LEFT - 8) / columns;
    if (step > WIDEST) step = WIDEST;
    const int w = step > 100 ? step - 60 : step > 60 ? step - 24 : step - 14, pad = (step - w) / 2;
    const bool staggered = step < 76;
    const int label_w = staggered ? 2 * step - 6 : step - 4;
    const font_face face = staggered ? FONT_SMALL : FONT_BODY;
    for (int k = 0; k < columns; k++) {
        const int x = LEFT + 4 + k * step, middle = x + step / 2, low = staggered && k % 2;
        buf_clear(&text);
        if (low) canvas_fill(c, middle, BOTTOM + 3, 1, 22, C_GRID);
        if (k < cells.n) {
            draw_bar(c, &cells.cell[k], x + pad, w, pad);
            chart_token_label(r, cells.cell[k].id, face, label_w, &text);
        } else {
            const int h = height_of(cells.others_mass);
            chart_number number;
            canvas_hatch(c, x + pad, BOTTOM - h, w, h, C_GREY);
            canvas_frame(c, x + pad, BOTTOM - h, w, h, 1, C_GREY);
            canvas_puts(c, middle, BOTTOM - h - 6, 60, FONT_SMALL, C_INK, TEXT_CENTER, chart_p(cells.others_mass, number));
            buf_printf(&text, "%lld others", (long long)cells.others);
        }
        const bool edge = k == columns - 1 && middle + label_w / 2 > c->w - 8;
        canvas_text(c, edge ? c->w - 8 : middle, BOTTOM + (low ? 36 : 18), label_w, face,
                    k < cells.n && cells.cell[k].chosen ? C_ALARM : C_INK, edge ? TEXT_RIGHT : TEXT_CENTER, buf_str(&text), text.n);
    }
    const bool failed = text.failed;
    buf_free(&text);
    if (failed) FAIL(GLIMPSE_E_MEMORY, "no memory for the labels of a chart");
    return GLIMPSE_OK;
}
