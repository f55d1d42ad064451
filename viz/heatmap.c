/* heatmap.c -- one token: the candidates it was drawn from as cells, colour = probability among the survivors, the
 * chosen one outlined, the model's own probability below each.  Up to ten candidates stand in one row, up to twenty in
 * two, so that a cell has room for its text; what is beyond twenty is one hatched cell that says how many and how
 * likely.  Called through chart_token. */
#include "include/internal/status.h"
#include "viz/charts.h"

#include <math.h>

enum { TOP = 64, RIGHT = 872, GAP = 3, OTHERS_W = 104, WIDEST = 180 };

static void draw_cell(canvas *c, const glimpse_record *r, const chart_cell *cell, int x, int y, int w, int h, buffer *text) {
    const bool plain = cell->filtered || !isfinite(cell->p_final);
    const int ground = plain ? C_GRID : chart_color(cell->p_final);
    const int ink = plain ? C_INK : canvas_text_on(ground), middle = x + w / 2;
    chart_number number;
    canvas_fill(c, x, y, w, h, ground);
    if (!isfinite(cell->p_final)) canvas_hatch(c, x, y, w, h, C_FRAME);
    chart_token_label(r, cell->id, FONT_BOLD, w - 8, text);
    canvas_text(c, middle, y + h / 2 - 4, w - 8, FONT_BOLD, ink, TEXT_CENTER, buf_str(text), text->n);
    canvas_puts(c, middle, y + h / 2 + 15, w - 4, FONT_BODY, ink, TEXT_CENTER, cell->filtered ? "filtered" : chart_p(cell->p_final, number));
    canvas_puts(c, middle, y + h + 15, w, FONT_BODY, C_GREY, TEXT_CENTER, chart_p(cell->p, number));
}

/* The outline lies half on the cell and half on the paper, so that it is seen on every colour. */
static void outline(canvas *c, int x, int y, int w, int h) {
    canvas_frame(c, x - 2, y - 2, w + 4, h + 4, 4, C_RED);
}

static void draw_others(canvas *c, const chart_cells *cells, int x, int y, int w, int h, buffer *text) {
    canvas_hatch(c, x, y, w, h, C_FRAME);
    canvas_frame(c, x, y, w, h, 1, C_FRAME);
    buf_clear(text);
    buf_printf(text, "%lld others", (long long)cells->others);
    const int middle = x + w / 2, line = y + h / 2;
    canvas_fill(c, x + 5, line - 22, w - 10, 46, C_PAPER);
    canvas_text(c, middle, line - 4, w - 10, FONT_BODY, C_INK, TEXT_CENTER, buf_str(text), text->n);
    buf_clear(text);
    chart_number number;
    const int decimals = cells->others_mass >= 0.0995 ? 0 : cells->others_mass >= 0.00995 ? 1 : 2;
    if (cells->others_mass < 5e-5) buf_puts(text, "< 0.01 %");
    else buf_printf(text, "%s %%", chart_fixed(100 * cells->others_mass, decimals, number));
    canvas_text(c, middle, line + 15, w - 10, FONT_BODY, C_INK, TEXT_CENTER, buf_str(text), text->n);
}

glimpse_status chart_heatmap_draw(canvas *c, const glimpse_record *r, const glimpse_sample *s, int32_t i, int32_t last_k) {
    chart_cells cells;
    buffer text = {0};
    chart_cells_of(chart_token_at(s, i), &cells);
    TRY(chart_header(c, r, s, i, last_k, "cell: p drawn with \xc2\xb7 below: the model's own"));
    chart_bar_standing(c, 900, TOP, 142);

    const int n_rows = cells.n > 10 ? 2 : 1, per_row = (cells.n + n_rows - 1) / n_rows;
    const int h = n_rows == 2 ? 58 : 142, pitch = 84;
    const int room = RIGHT - CHART_MARGIN - (cells.others ? OTHERS_W + GAP : 0);
    int step = room / per_row;
    if (step > WIDEST) step = WIDEST;
    int chosen_x = -1, chosen_y = 0;
    for (int k = 0; k < cells.n; k++) {
        const int x = CHART_MARGIN + k % per_row * step, y = TOP + k / per_row * pitch;
        draw_cell(c, r, &cells.cell[k], x, y, step - GAP, h, &text);
        if (cells.cell[k].chosen) chosen_x = x, chosen_y = y;
    }
    if (cells.others) draw_others(c, &cells, CHART_MARGIN + per_row * step, TOP, OTHERS_W, n_rows == 2 ? pitch + h : h, &text);
    if (chosen_x >= 0) outline(c, chosen_x, chosen_y, step - GAP, h);
    const bool failed = text.failed;
    buf_free(&text);
    if (failed) FAIL(GLIMPSE_E_MEMORY, "no memory for the labels of a chart");
    return GLIMPSE_OK;
}
