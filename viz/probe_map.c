/* probe_map.c -- see probe_map.h. */
#include "viz/probe_map.h"

#include "include/internal/status.h"
#include "viz/charts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 40, MOST_ROWS = 1200, ROW_H = 17, HEAD_H = 34, TOP_H = 76, LABEL_W = 150, SINCE_W = 84, MAP_X = CHART_MARGIN + LABEL_W + 8 };
enum { MAP_W = CHART_W - MAP_X - SINCE_W - CHART_MARGIN };

typedef struct probe_cells {
    uint64_t text;      /* a hash of prompt and text: a line of the file that was changed begins anew */
    int32_t n;
    const float *p;     /* (n) the model's probability of the token */
    const int32_t *rank; /* (n) */
} probe_cells;

typedef struct probe_column {
    int64_t step;
    probe_cells *texts; /* (n_texts) */
    int32_t n_texts;
    arena *a;
} probe_column;

struct probe_map {
    probe_column *columns; /* (n) by rising step */
    size_t n, room;
};

probe_map *probe_map_new(void) { return calloc(1, sizeof(probe_map)); }

void probe_map_free(probe_map *m) {
    if (!m) return;
    for (size_t i = 0; i < m->n; i++) arena_free(m->columns[i].a);
    free(m->columns);
    free(m);
}

/* FNV-1a (Fowler, Noll, Vo). */
static uint64_t hash_of(const glimpse_sample *s) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s->prompt_bytes; i++) h = (h ^ (uint8_t)s->prompt_text[i]) * 0x100000001b3u;
    h = (h ^ '\t') * 0x100000001b3u;
    for (size_t i = 0; i < s->text_bytes; i++) h = (h ^ (uint8_t)s->text[i]) * 0x100000001b3u;
    return h;
}

static glimpse_status take_text(arena *a, const glimpse_sample *s, probe_cells *cells) {
    float *p = arena_alloc(a, (size_t)s->n_tokens * sizeof *p + 1);
    int32_t *rank = arena_alloc(a, (size_t)s->n_tokens * sizeof *rank + 1);
    if (!p || !rank) FAIL(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    for (int32_t i = 0; i < s->n_tokens; i++) {
        const glimpse_token *t = GLIMPSE_AT(s->tokens, i);
        p[i] = expf(t->logprob);
        rank[i] = t->rank;
    }
    *cells = (probe_cells){ .text = hash_of(s), .n = s->n_tokens, .p = p, .rank = rank };
    return GLIMPSE_OK;
}

glimpse_status probe_map_add(probe_map *m, const glimpse_record *r) {
    if (!r->n_probes) return GLIMPSE_OK;
    glimpse_status st = GLIMPSE_OK;
    probe_column c = { .step = r->step, .n_texts = r->n_probes < MOST_TEXTS ? r->n_probes : MOST_TEXTS, .a = arena_new() };
    if (c.a) c.texts = arena_alloc(c.a, (size_t)c.n_texts * sizeof *c.texts);
    if (!c.texts) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    for (int32_t i = 0; i < c.n_texts; i++) TRY_GOTO(take_text(c.a, GLIMPSE_AT(r->probes, i), &c.texts[i]));
    if (m->n == m->room) {
        size_t room = m->room ? 2 * m->room : 64;
        probe_column *columns = realloc(m->columns, room * sizeof *columns);
        if (!columns) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
        m->columns = columns;
        m->room = room;
    }
    while (m->n && m->columns[m->n - 1].step >= r->step) arena_free(m->columns[--m->n].a);
    m->columns[m->n++] = c;
    c.a = NULL;
out:
    arena_free(c.a);
    return st;
}

/* --- the picture -------------------------------------------------------------------------------------------------- */

/* The cells of text i in column k; NULL if it was another text then. */
static const probe_cells *cells_at(const probe_map *m, size_t k, int32_t i) {
    const probe_column *c = &m->columns[k], *last = &m->columns[m->n - 1];
    if (i >= c->n_texts || c->texts[i].text != last->texts[i].text || c->texts[i].n != last->texts[i].n) return NULL;
    return &c->texts[i];
}

/* Where column k begins, in pixels of the map: half-way between two steps. */
static int edge(const probe_map *m, size_t k) {
    const int64_t first = m->columns[0].step, last = m->columns[m->n - 1].step;
    if (k == 0 || last == first) return k ? MAP_W : 0;
    if (k == m->n) return MAP_W;
    const double middle = ((double)m->columns[k - 1].step + (double)m->columns[k].step) / 2;
    return (int)((middle - (double)first) / (double)(last - first) * MAP_W + 0.5);
}

/* The first column from which on token t of text i has rank 1 to the end; n = it has not at the end. */
static size_t first_choice_since(const probe_map *m, int32_t i, int32_t t) {
    size_t k = m->n;
    for (; k > 0; k--) {
        const probe_cells *c = cells_at(m, k - 1, i);
        if (!c || c->rank[t] != 1) break;
    }
    return k;
}

static void draw_row(canvas *c, const probe_map *m, const glimpse_record *r, const glimpse_sample *s, int32_t i, int32_t t, int y,
                     buffer *text) {
    buf_clear(text);
    chart_piece(r, GLIMPSE_AT(s->tokens, t)->id, text);
    canvas_text(c, CHART_MARGIN + LABEL_W, y + 12, LABEL_W, FONT_SMALL, t < s->answer_from ? C_GREY : C_INK, TEXT_RIGHT, buf_str(text), text->n);
    for (size_t k = 0; k < m->n; k++) {
        const probe_cells *cells = cells_at(m, k, i);
        const int x = edge(m, k), w = edge(m, k + 1) - x;
        if (w < 1) continue;
        if (!cells || !isfinite(cells->p[t])) canvas_hatch(c, MAP_X + x, y, w, ROW_H - 1, C_FRAME);
        else canvas_fill(c, MAP_X + x, y, w, ROW_H - 1, chart_color((double)cells->p[t]));
    }
    const size_t since = first_choice_since(m, i, t);
    buf_clear(text);
    if (since < m->n) {
        const int x = MAP_X + edge(m, since);
        canvas_fill(c, x, y, 4, ROW_H - 1, C_BLACK);
        canvas_fill(c, x + 1, y + 1, 2, ROW_H - 3, C_WHITE);
        buf_i64(text, m->columns[since].step);
    } else buf_puts(text, "\xe2\x80\x93");
    canvas_text(c, MAP_X + MAP_W + 8, y + 12, SINCE_W - 8, FONT_SMALL, C_GREY, TEXT_LEFT, buf_str(text), text->n);
}

static void draw_head(canvas *c, const glimpse_sample *s, int y, buffer *text) {
    int x = CHART_MARGIN;
    const int room = CHART_W - 2 * CHART_MARGIN;
    if (s->prompt_bytes) {
        buf_clear(text);
        canvas_visible(s->prompt_text, s->prompt_bytes, 400, text);
        int w = canvas_width(FONT_BODY, text->bytes, text->n);
        if (w > room * 2 / 3) w = room * 2 / 3;
        canvas_text_tail(c, x, y, w, FONT_BODY, C_GREY, buf_str(text), text->n);
        x += w;
    }
    buf_clear(text);
    canvas_visible(s->text, s->text_bytes, 400, text);
    canvas_text(c, x, y, CHART_W - CHART_MARGIN - x, FONT_BOLD, C_INK, TEXT_LEFT, buf_str(text), text->n);
}

static void draw_top(canvas *c, const probe_map *m, const glimpse_record *r, int32_t texts, buffer *text) {
    const int scale_w = 200, scale_x = CHART_W - CHART_MARGIN - scale_w - 16;
    const int alarm = chart_alarm(c, r, scale_x - 40, 27);
    buf_clear(text);
    buf_printf(text, "step %lld \xc2\xb7 %d", (long long)r->step, (int)texts);
    if (texts < r->n_probes) buf_printf(text, " of %d", (int)r->n_probes);
    buf_puts(text, r->n_probes == 1 ? " text" : " texts");
    canvas_text(c, CHART_MARGIN, 27, scale_x - 60 - alarm - CHART_MARGIN, FONT_BOLD, C_INK, TEXT_LEFT, buf_str(text), text->n);
    canvas_puts(c, scale_x + scale_w / 2, 27, 240, FONT_BODY, C_GREY, TEXT_CENTER, "the model's own p");
    chart_bar_lying(c, scale_x, 38, scale_w);
    buf_clear(text);
    buf_i64(text, m->columns[0].step);
    canvas_text(c, MAP_X, TOP_H - 6, 120, FONT_SMALL, C_GREY, TEXT_LEFT, buf_str(text), text->n);
    canvas_puts(c, MAP_X + MAP_W + 8, TOP_H - 6, SINCE_W, FONT_SMALL, C_GREY, TEXT_LEFT, "first since");
    buf_clear(text);
    buf_printf(text, "step \xe2\x86\x92 %lld", (long long)r->step);
    canvas_text(c, scale_x - 24, TOP_H - 6, 200, FONT_SMALL, C_GREY, TEXT_RIGHT, buf_str(text), text->n);
}

glimpse_status chart_probe_map(const probe_map *m, const glimpse_record *r, buffer *png) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    canvas c = {0};
    int32_t texts = 0, rows = 0;
    if (!m->n || m->columns[m->n - 1].step != r->step) FAIL(GLIMPSE_E_INTERNAL, "a map of probes without step %lld", (long long)r->step);
    for (; texts < m->columns[m->n - 1].n_texts; texts++) {
        int32_t n = GLIMPSE_AT(r->probes, texts)->n_tokens;
        if (texts && rows + (n ? n : 1) > MOST_ROWS) break;
        rows += n ? n : 1;
    }
    if (rows > MOST_ROWS) rows = MOST_ROWS; /* one text that is longer than all */
    TRY(canvas_new(&c, CHART_W, TOP_H + texts * HEAD_H + rows * ROW_H + 12));
    draw_top(&c, m, r, texts, &text);
    for (int32_t i = 0, y = TOP_H; i < texts; i++) {
        const glimpse_sample *s = GLIMPSE_AT(r->probes, i);
        draw_head(&c, s, y + 20, &text);
        y += HEAD_H;
        for (int32_t t = 0; t < s->n_tokens && y + ROW_H <= c.h; t++, y += ROW_H) draw_row(&c, m, r, s, i, t, y, &text);
        if (s->n_tokens) continue;
        buf_clear(&text);
        canvas_visible(s->why ? s->why : "was not scored", strlen(s->why ? s->why : "was not scored"), 400, &text);
        canvas_text(&c, CHART_MARGIN, y + 12, CHART_W - 2 * CHART_MARGIN, FONT_SMALL, C_ALARM, TEXT_LEFT, buf_str(&text), text.n);
        y += ROW_H;
    }
    if (text.failed) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    st = png_write_indexed(c.rows, c.w, c.h, canvas_palette(), C_COLORS, png);
out:
    buf_free(&text);
    canvas_free(&c);
    return st;
}
