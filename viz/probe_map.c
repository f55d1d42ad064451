/* probe_map.c -- see probe_map.h. */
#include "viz/probe_map.h"

#include "include/internal/status.h"
#include "viz/charts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 40, MOST_ROWS = 1200, ROW_H = 17, HEAD_H = 52, TOP_H = 76, LABEL_W = 120, SINCE_W = 84 };
enum { CARD_W = 640, MOST_COLUMNS = 8 }; /* a text is a card; of one column the card is as wide as the other charts */

/* Where the card of a text stands, and of its map the left edge, from there, and the width. */
typedef struct place {
    int x, y, map_x, map_w;
} place;

typedef struct probe_cells {
    buffer head;        /* prompt, tab, text, as given: a line of the file that was changed begins anew */
    size_t prompt_bytes;
    const char *why;    /* NULL = it was scored */
    int32_t n, answer_from;
    buffer given;       /* the first token, where it is not scored; empty = it is */
    buffer *labels;     /* (n) the tokens, made visible */
    const float *p;     /* (n) the model's probability of the token */
    const int32_t *rank; /* (n) */
} probe_cells;

typedef struct probe_column {
    int64_t step;
    probe_cells *texts; /* (n_texts) */
    int32_t n_texts, of; /* `of`: with those that are not drawn */
    bool check_failed;
} probe_column;

struct probe_map {
    probe_column *columns; /* (n) by rising step */
    size_t n, room;
    arena *a;
};

probe_map *probe_map_new(void) {
    probe_map *m = calloc(1, sizeof *m);
    if (m && (m->a = arena_new())) return m;
    free(m);
    return NULL;
}

void probe_map_free(probe_map *m) {
    if (!m) return;
    arena_free(m->a);
    free(m->columns);
    free(m);
}

static bool same_text(const buffer *a, const buffer *b) {
    return !buf_failed(a) && a->n && a->n == b->n && !memcmp(a->bytes, b->bytes, a->n);
}

/* A buffer whose bytes are the arena's, or those of `like` (NULL = none) if they are the same. */
static glimpse_status keep(arena *a, const buffer *from, const buffer *like, buffer *to) {
    if (like && same_text(from, like)) return *to = *like, GLIMPSE_OK;
    char *copy = buf_failed(from) ? NULL : arena_text(a, buf_str(from), from->n);
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    *to = (buffer){ .bytes = copy, .n = from->n };
    return GLIMPSE_OK;
}

static bool same_labels(const glimpse_record *r, const glimpse_sample *s, const probe_cells *before, buffer *text) {
    bool same = before && before->n == s->n_tokens;
    for (int32_t i = 0; same && i < s->n_tokens; i++) {
        buf_clear(text);
        text_token(text, r, GLIMPSE_AT(s->tokens, i)->id);
        same = same_text(text, &before->labels[i]);
    }
    return same;
}

/* `before`: the same line of the file in the column before, NULL = none.  Its words are the same for weeks, and are kept once: a
 * column is the numbers alone. */
static glimpse_status take_text(arena *a, const glimpse_record *r, const glimpse_sample *s, const probe_cells *before, buffer *text,
                                probe_cells *cells) {
    const bool same = same_labels(r, s, before, text);
    float *p = arena_alloc(a, (size_t)s->n_tokens * sizeof *p + 1);
    int32_t *rank = arena_alloc(a, (size_t)s->n_tokens * sizeof *rank + 1);
    buffer *labels = same ? before->labels : arena_alloc(a, (size_t)s->n_tokens * sizeof *labels + 1);
    if (!p || !rank || !labels) FAIL(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    *cells = (probe_cells){ .prompt_bytes = s->prompt_bytes, .n = s->n_tokens, .answer_from = s->answer_from, .p = p, .rank = rank,
                            .labels = labels };
    for (int32_t i = 0; i < s->n_tokens; i++) {
        const glimpse_token *t = GLIMPSE_AT(s->tokens, i);
        p[i] = expf(t->logprob);
        rank[i] = t->rank;
        if (same) continue;
        buf_clear(text);
        text_token(text, r, t->id);
        TRY(keep(a, text, NULL, &labels[i]));
    }
    buf_clear(text);
    if (text_given(text, r, s)) TRY(keep(a, text, before ? &before->given : NULL, &cells->given));
    buf_clear(text);
    buf_put(text, s->prompt_text, s->prompt_bytes);
    buf_putc(text, '\t');
    buf_put(text, s->text, s->text_bytes);
    TRY(keep(a, text, before ? &before->head : NULL, &cells->head));
    if (s->n_tokens) return GLIMPSE_OK;
    const char *why = s->why ? s->why : "was not scored";
    cells->why = arena_text(a, why, strlen(why));
    if (!cells->why) FAIL(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    return GLIMPSE_OK;
}

bool probe_map_is_empty(const probe_map *m) { return !m->n; }

glimpse_status probe_map_add(probe_map *m, const glimpse_record *r) {
    if (!r->n_probes) return GLIMPSE_OK;
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    probe_column c = { .step = r->step, .n_texts = r->n_probes < MOST_TEXTS ? r->n_probes : MOST_TEXTS, .of = r->n_probes,
                       .check_failed = !strcmp(r->check, "failed") };
    while (m->n && m->columns[m->n - 1].step >= r->step) m->n--;
    const probe_column *before = m->n ? &m->columns[m->n - 1] : NULL;
    c.texts = arena_alloc(m->a, (size_t)c.n_texts * sizeof *c.texts);
    if (!c.texts) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    for (int32_t i = 0; i < c.n_texts; i++)
        TRY_GOTO(take_text(m->a, r, GLIMPSE_AT(r->probes, i), before && i < before->n_texts ? &before->texts[i] : NULL, &text, &c.texts[i]));
    if (m->n == m->room) {
        size_t room = m->room ? 2 * m->room : 64;
        probe_column *columns = realloc(m->columns, room * sizeof *columns);
        if (!columns) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
        m->columns = columns;
        m->room = room;
    }
    m->columns[m->n++] = c;
out:
    buf_free(&text);
    return st;
}

/* --- the picture -------------------------------------------------------------------------------------------------- */

/* The cells of text i in column k; NULL if it was another text then. */
static const probe_cells *cells_at(const probe_map *m, size_t k, int32_t i) {
    if (i >= m->columns[k].n_texts) return NULL;
    const probe_cells *then = &m->columns[k].texts[i], *now = &m->columns[m->n - 1].texts[i];
    bool same = then->n == now->n && then->prompt_bytes == now->prompt_bytes && then->head.n == now->head.n
                && !memcmp(then->head.bytes, now->head.bytes, now->head.n);
    return same ? then : NULL;
}

/* Where column k begins, in steps: half-way between two of them; the first and the last reach as far outwards as inwards, so that
 * the newest, which one looks at first, is no narrower than its neighbour. */
static double edge_step(const probe_map *m, size_t k) {
    const double at = (double)m->columns[k < m->n ? k : m->n - 1].step;
    if (m->n == 1) return k ? at + 1 : at - 1; /* which differ up to 2^53, the highest step */
    if (k == 0) return at - ((double)m->columns[1].step - at) / 2;
    const double before = (double)m->columns[k < m->n ? k - 1 : m->n - 2].step;
    return k < m->n ? (before + at) / 2 : at + (at - before) / 2;
}

/* A step's place in a map that is w wide. */
static int step_x(const probe_map *m, double step, int w) {
    const double first = edge_step(m, 0), last = edge_step(m, m->n);
    return (int)((step - first) / (last - first) * w + 0.5);
}

static int edge(const probe_map *m, size_t k, int w) { return step_x(m, edge_step(m, k), w); }

/* The first column from which on token t of text i has rank 1 to the end; n = it has not at the end. */
static size_t first_choice_since(const probe_map *m, int32_t i, int32_t t) {
    size_t k = m->n;
    for (; k > 0; k--) {
        const probe_cells *c = cells_at(m, k - 1, i);
        if (!c || c->rank[t] != 1) break;
    }
    return k;
}

static void draw_row(canvas *c, const probe_map *m, int32_t i, int32_t t, place at, buffer *text) {
    const probe_cells *now = &m->columns[m->n - 1].texts[i];
    const int map_x = at.x + at.map_x, y = at.y;
    canvas_text(c, map_x - 8, y + 12, LABEL_W, FONT_SMALL, t < now->answer_from ? C_GREY : C_INK, TEXT_RIGHT,
                now->labels[t].bytes, now->labels[t].n);
    for (size_t k = 0; k < m->n; k++) {
        const int x = edge(m, k, at.map_w), w = edge(m, k + 1, at.map_w) - x;
        if (w < 1) continue;
        const probe_cells *cells = cells_at(m, k, i);
        if (!cells || !isfinite(cells->p[t])) canvas_hatch(c, map_x + x, y, w, ROW_H - 1, C_FRAME);
        else canvas_fill(c, map_x + x, y, w, ROW_H - 1, chart_color((double)cells->p[t]));
    }
    const size_t since = first_choice_since(m, i, t);
    buf_clear(text);
    if (m->n == 1) { /* nothing has changed yet: the numbers themselves */
        chart_number p;
        buf_printf(text, "%s", chart_p((double)now->p[t], p));
        buf_fill(text, ' ', text->n < 6 ? 6 - text->n : 1);
        buf_printf(text, "%d", (int)now->rank[t]);
    } else if (since < m->n) {
        const int x = map_x + step_x(m, (double)m->columns[since].step, at.map_w) - 2; /* at the step: its column begins before it */
        canvas_fill(c, x, y, 4, ROW_H - 1, C_BLACK);
        canvas_fill(c, x + 1, y + 1, 2, ROW_H - 3, C_WHITE);
        buf_i64(text, m->columns[since].step);
    } else buf_puts(text, "\xe2\x80\x93");
    canvas_text(c, map_x + at.map_w + 8, y + 12, SINCE_W - 8, FONT_SMALL, C_GREY, TEXT_LEFT, buf_str(text), text->n);
}

static void draw_given(canvas *c, const probe_cells *p, place at) {
    canvas_text(c, at.x + at.map_x - 8, at.y + 12, LABEL_W, FONT_SMALL, C_GREY, TEXT_RIGHT, p->given.bytes, p->given.n);
    canvas_puts(c, at.x + at.map_x, at.y + 12, at.map_w, FONT_SMALL, C_GREY, TEXT_LEFT, "given: nothing before it to predict it from");
}

static int32_t rows_of(const probe_cells *p) { return p->n ? p->n + (p->given.n > 0) : 1; }

static void draw_head(canvas *c, const probe_cells *p, place at, buffer *text) {
    int x = at.x + CHART_MARGIN;
    const int end = at.x + at.map_x + at.map_w + SINCE_W, room = end - x;
    const char *after = p->head.bytes + p->prompt_bytes + 1;
    if (p->prompt_bytes) {
        buf_clear(text);
        text_visible(text, p->head.bytes, p->prompt_bytes, 400);
        int w = canvas_width(FONT_BODY, text->bytes, text->n);
        if (w > room * 2 / 3) w = room * 2 / 3;
        canvas_text_tail(c, x, at.y + 20, w, FONT_BODY, C_GREY, buf_str(text), text->n);
        x += w;
    }
    buf_clear(text);
    text_visible(text, after, p->head.n - p->prompt_bytes - 1, 400);
    canvas_text(c, x, at.y + 20, end - x, FONT_BOLD, C_INK, TEXT_LEFT, buf_str(text), text->n);
}

/* What stands at a step on the axis: a tick, and its number in the middle over it, not before *room in the map nor beyond its end.
 * *room is then what lies behind the number.  False: the number had to make way for what stands before it.  `c` NULL: only try. */
static bool put_step(canvas *c, const probe_map *m, place at, int64_t step, int *room, buffer *text) {
    const int y = at.y + HEAD_H - 6, x = step_x(m, (double)step, at.map_w);
    buf_clear(text);
    buf_i64(text, step);
    const int w = canvas_width(FONT_SMALL, buf_str(text), text->n);
    int left = x - w / 2;
    if (left > at.map_w - w) left = at.map_w - w;
    const bool fits = left >= *room;
    if (!fits) left = *room;
    *room = left + w + canvas_width(FONT_SMALL, "0", 1);
    if (c) {
        canvas_text(c, at.x + at.map_x + left, y, w + 2, FONT_SMALL, C_GREY, TEXT_LEFT, buf_str(text), text->n);
        canvas_fill(c, at.x + at.map_x + x, y + 2, 1, 4, C_GREY);
    }
    return fits;
}

/* Every eval's step; the first begins where it can. */
static bool put_every_step(canvas *c, const probe_map *m, place at, int room, buffer *text) {
    bool fit = true;
    for (size_t k = 0; k < m->n && fit; k++) fit = put_step(c, m, at, m->columns[k].step, &room, text) || k == 0;
    return fit;
}

/* The steps over the map of each text, for one sees a part of the picture at a time.  Every eval, for these are the steps that the rows
 * name; where they are too many, round numbers. */
static void draw_steps(canvas *c, const probe_map *m, place at, buffer *text) {
    static const char word[] = "step";
    const int y = at.y + HEAD_H - 6, digit = canvas_width(FONT_SMALL, "0", 1);
    const double first = (double)m->columns[0].step, last = (double)m->columns[m->n - 1].step;
    canvas_puts(c, at.x + at.map_x + at.map_w + 8, y, SINCE_W, FONT_SMALL, C_GREY, TEXT_LEFT, m->n > 1 ? "1st since" : "p     rank");
    /* The word stands before the first number, over the tokens if there is room. */
    const int word_w = canvas_width(FONT_SMALL, word, strlen(word)), most_left = CHART_MARGIN - at.map_x;
    int word_x = step_x(m, first, at.map_w) - digit / 2 - digit - word_w;
    if (m->n == 1 || word_x < most_left) word_x = most_left;
    canvas_puts(c, at.x + at.map_x + word_x, y, word_w + 2, FONT_SMALL, C_GREY, TEXT_LEFT, word);
    int room = word_x + word_w + digit;
    if (put_every_step(NULL, m, at, room, text)) {
        put_every_step(c, m, at, room, text);
        return;
    }
    const double apart = fmax(1, (last - first) / 5); /* five or more parts of 1, 2 or 5 times a power of ten */
    const double unit = pow(10, floor(log10(apart))), round = apart >= 5 * unit ? 5 * unit : apart >= 2 * unit ? 2 * unit : unit;
    for (int k = 0; k < 16; k++) { /* of numbers near 2^53 a sum may stand still */
        const double s = (ceil(first / round) + k) * round;
        if (s > last) break;
        if (s > first && step_x(m, s, at.map_w) - digit * 3 < room) continue;
        put_step(c, m, at, (int64_t)s, &room, text);
    }
}

/* Prose, not a token: its blanks stay blanks. */
static void draw_why(canvas *c, const char *why, place at, buffer *text) {
    static const char open_box[] = "\xe2\x90\xa3";
    const int end = at.x + at.map_x + at.map_w + SINCE_W, y = at.y + HEAD_H - 12;
    int x = at.x + CHART_MARGIN;
    buf_clear(text);
    text_escape(text, why, strnlen(why, 400), TEXT_ONE_LINE);
    for (const char *from = buf_str(text), *box; *from; from = box + strlen(open_box)) {
        box = strstr(from, open_box);
        x += canvas_text(c, x, y, end - x, FONT_SMALL, C_ALARM, TEXT_LEFT, from,
                         box ? (size_t)(box - from) : strlen(from));
        x += canvas_width(FONT_SMALL, " ", 1);
        if (!box) break;
    }
}

/* In red at the right end of the line; its width. */
static int draw_alarm(canvas *c, bool failed, int right, int y) {
    static const char words[] = TEXT_CHECK_FAILED_SHORT;
    if (!failed) return 0;
    canvas_frame(c, 0, 0, c->w, c->h, 3, C_ALARM);
    const int w = canvas_width(FONT_BOLD, words, strlen(words));
    canvas_puts(c, right - w, y, w, FONT_BOLD, C_ALARM, TEXT_LEFT, words);
    return w;
}

static void draw_top(canvas *c, const probe_map *m, int32_t texts, buffer *text) {
    const int scale_w = 200, scale_x = c->w - CHART_MARGIN - scale_w - 16;
    const probe_column *last = &m->columns[m->n - 1];
    const int alarm = draw_alarm(c, last->check_failed, scale_x - 40, 27);
    buf_clear(text);
    buf_printf(text, "probes \xc2\xb7 step %lld \xc2\xb7 %d", (long long)last->step, (int)texts);
    if (texts < last->of) buf_printf(text, " of %d", (int)last->of);
    buf_puts(text, last->of == 1 ? " text" : " texts");
    canvas_text(c, CHART_MARGIN, 27, scale_x - 60 - alarm - CHART_MARGIN, FONT_BOLD, C_INK, TEXT_LEFT, buf_str(text), text->n);
    canvas_puts(c, scale_x + scale_w / 2, 27, 240, FONT_BODY, C_GREY, TEXT_CENTER, "the model's own p");
    chart_bar_lying(c, scale_x, 38, scale_w);
    if (m->n < 2) return;
    canvas_fill(c, CHART_MARGIN, 38, 4, ROW_H - 1, C_BLACK);
    canvas_fill(c, CHART_MARGIN + 1, 39, 2, ROW_H - 3, C_WHITE);
    canvas_puts(c, CHART_MARGIN + 12, 50, 400, FONT_BODY, C_GREY, TEXT_LEFT, "the model's first choice from here on");
}

/* What the widest token needs, within reason. */
static int label_width(const probe_cells *cards, int32_t n) {
    int w = 0;
    for (int32_t i = 0; i < n && w < LABEL_W; i++)
        for (int32_t t = -1; t < cards[i].n && w < LABEL_W; t++) {
            const buffer *label = t < 0 ? &cards[i].given : &cards[i].labels[t];
            const int one = label->n ? canvas_width(FONT_SMALL, label->bytes, label->n) : 0;
            if (one > w) w = one;
        }
    return w < LABEL_W ? w : LABEL_W;
}

static int card_h(const probe_cells *p) { return HEAD_H + rows_of(p) * ROW_H; }

/* How many columns the cards fill in their order, none beyond `most` pixels unless it is one card alone. */
static int columns_of(const probe_cells *cards, int32_t n, int most, int *highest) {
    int columns = 1, y = 0;
    *highest = 0;
    for (int32_t i = 0; i < n; i++) {
        const int h = card_h(&cards[i]);
        if (y && y + h > most) columns++, y = 0;
        y += h;
        if (y > *highest) *highest = y;
    }
    return columns;
}

/* The fewest columns that make a picture no higher than wide, more or less, and the least height that so many need. */
static int layout(const probe_cells *cards, int32_t n, int *height) {
    for (int most = 1;; most++) {
        int total = 0, columns, highest, same;
        for (int32_t i = 0; i < n; i++) total += card_h(&cards[i]);
        int limit = total / most;
        while ((columns = columns_of(cards, n, limit, &highest)) > most) limit += ROW_H;
        *height = highest;
        if (highest <= (columns > 1 ? columns * CARD_W : CHART_W) || most == MOST_COLUMNS || columns < most)
            return columns_of(cards, n, highest, &same); /* beside a long text short ones share a column */
    }
}

glimpse_status chart_probe_map(const probe_map *m, buffer *png) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    canvas c = {0};
    int32_t texts = 0, rows = 0;
    if (!m->n) FAIL(GLIMPSE_E_INVALID, "no text of --probe was scored");
    const probe_column *last = &m->columns[m->n - 1];
    for (; texts < last->n_texts; texts++) {
        int32_t n = rows_of(&last->texts[texts]);
        if (texts && rows + n > MOST_ROWS) break;
        rows += n;
    }
    int height;
    const int columns = layout(last->texts, texts, &height), card_w = columns > 1 ? CARD_W : CHART_W;
    if (height > HEAD_H + MOST_ROWS * ROW_H) height = HEAD_H + MOST_ROWS * ROW_H; /* one text that is longer than all */
    TRY(canvas_new(&c, columns * card_w, TOP_H + height + 12));
    draw_top(&c, m, texts, &text);
    place at = { .y = TOP_H, .map_x = CHART_MARGIN + label_width(last->texts, texts) + 8 };
    at.map_w = card_w - at.map_x - SINCE_W - CHART_MARGIN;
    for (int32_t i = 0; i < texts; i++) {
        const probe_cells *p = &last->texts[i];
        if (at.y > TOP_H && at.y + card_h(p) > TOP_H + height) at.x += card_w, at.y = TOP_H;
        draw_head(&c, p, at, &text);
        if (p->n) draw_steps(&c, m, at, &text);
        else draw_why(&c, p->why, at, &text);
        at.y += HEAD_H + (p->n ? 0 : ROW_H);
        if (p->given.n) draw_given(&c, p, at), at.y += ROW_H;
        for (int32_t t = 0; t < p->n && at.y + ROW_H <= c.h; t++, at.y += ROW_H) draw_row(&c, m, i, t, at, &text);
    }
    if (text.failed) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    st = png_write_indexed(c.rows, c.w, c.h, canvas_palette(), C_COLORS, png);
out:
    buf_free(&text);
    canvas_free(&c);
    return st;
}

glimpse_status chart_probes(const glimpse_record *r, buffer *png) {
    probe_map *m = probe_map_new();
    if (!m) FAIL(GLIMPSE_E_MEMORY, "no memory for a picture of the probes");
    glimpse_status st = probe_map_add(m, r);
    if (st >= 0) st = chart_probe_map(m, png);
    probe_map_free(m);
    return st;
}
