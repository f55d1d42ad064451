/* canvas.c -- see canvas.h.  A letter's edge is a blend of ink and whatever ground lies under it.  Which palette entry
 * that is, is looked up in blend[ink][ground][level], filled the first time an ink meets a ground: the nearest colour
 * of the palette.  The table is a pure function of the palette, and is read and written under the fonts' lock. */
#include "viz/canvas.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <utf8proc.h>

enum { MAX_W = 16384, MAX_H = 32768, LEVELS = 16, INKS = 8, MAX_CELLS = 1024, BLEND_STEPS = 24, BLEND_LEVELS = 5 };

static rgb palette_entries[C_COLORS];
static pthread_once_t palette_once = PTHREAD_ONCE_INIT;

/* Inks are few; others fall back to their own flat colour. */
static const uint8_t inks[INKS] = {C_INK, C_GREY, C_BLACK, C_WHITE, C_RED, C_BLUE, C_ALARM, C_FRAME};
static uint8_t blend[INKS][256][LEVELS];
static bool blend_ready[INKS][256];

static uint8_t mix1(int from, int to, int num, int den) { return (uint8_t)((from * (den - num) + to * num + den / 2) / den); }

static rgb mix(rgb from, rgb to, int num, int den) {
    return (rgb){mix1(from.r, to.r, num, den), mix1(from.g, to.g, num, den), mix1(from.b, to.b, num, den)};
}

static void make_palette(void) {
    const rgb paper = {0xfc, 0xfc, 0xfa}, ink = {0x1c, 0x1c, 0x1e}, black = {0, 0, 0}, white = {255, 255, 255};
    const rgb red = {0xff, 0x3b, 0x30}, blue = {0x2f, 0x5f, 0xb3}, alarm = {0xc4, 0x16, 0x1c};
    rgb *p = palette_entries;
    for (int i = 0; i < C_VIRIDIS_STEPS; i++) p[i] = palette_rgb(PALETTE_VIRIDIS, (double)i / (C_VIRIDIS_STEPS - 1));
    for (int i = 0; i < BLEND_STEPS; i++) {
        rgb ground = p[i * C_VIRIDIS_STEPS / BLEND_STEPS + 2];
        for (int k = 0; k < BLEND_LEVELS; k++)
            p[C_BLENDS + i * BLEND_LEVELS + k] = mix(ground, rgb_text_on(ground), k + 1, BLEND_LEVELS + 1);
    }
    for (int i = C_PAPER; i <= C_INK; i++) p[i] = mix(paper, ink, i - C_PAPER, C_INK - C_PAPER);
    p[C_BLACK] = black, p[C_WHITE] = white, p[C_RED] = red, p[C_BLUE] = blue, p[C_ALARM] = alarm;
    for (int k = 0; k < 4; k++) {
        p[C_RED_RAMP + k] = mix(paper, red, k + 1, 5);
        p[C_BLUE_RAMP + k] = mix(paper, blue, k + 1, 5);
        p[C_ALARM_RAMP + k] = mix(alarm, white, k + 1, 5);
    }
}

const rgb *canvas_palette(void) {
    pthread_once(&palette_once, make_palette);
    return palette_entries;
}

static int nearest(rgb want) {
    int best = 0, best_d = 1 << 30;
    for (int i = 0; i < C_COLORS; i++) {
        int r = palette_entries[i].r - want.r, g = palette_entries[i].g - want.g, b = palette_entries[i].b - want.b;
        int d = 3 * r * r + 4 * g * g + 2 * b * b;
        if (d < best_d) best = i, best_d = d;
    }
    return best;
}

/* (256, LEVELS) for an ink; NULL: this colour is drawn flat. */
static uint8_t (*blends_of(int color, bool **ready))[LEVELS] {
    for (int k = 0; k < INKS; k++)
        if (inks[k] == color) {
            *ready = blend_ready[k];
            return blend[k];
        }
    return NULL;
}

static void blends_fill(uint8_t table[LEVELS], int color, int ground) {
    rgb from = palette_entries[ground < C_COLORS ? ground : 0], to = palette_entries[color];
    table[0] = (uint8_t)ground;
    for (int k = 1; k < LEVELS - 1; k++) table[k] = (uint8_t)nearest(mix(from, to, k, LEVELS - 1));
    table[LEVELS - 1] = (uint8_t)color;
}

static inline uint8_t *row_of(const canvas *c, int y) { return c->rows + (size_t)y * ((size_t)c->w + 1) + 1; }

glimpse_status canvas_new(canvas *c, int w, int h) {
    *c = (canvas){0};
    if (w < 1 || h < 1 || w > MAX_W || h > MAX_H)
        FAIL(GLIMPSE_E_INVALID, "a picture of %d x %d pixels, at most %d x %d are drawn", w, h, MAX_W, MAX_H);
    canvas_palette();
    size_t n = ((size_t)w + 1) * (size_t)h;
    uint8_t *rows = malloc(n);
    if (!rows) FAIL(GLIMPSE_E_MEMORY, "no memory for a picture of %d x %d pixels", w, h);
    memset(rows, C_PAPER, n);
    for (int y = 0; y < h; y++) rows[(size_t)y * ((size_t)w + 1)] = 0;
    *c = (canvas){w, h, rows};
    return GLIMPSE_OK;
}

void canvas_free(canvas *c) {
    free(c->rows);
    *c = (canvas){0};
}

static bool clip(const canvas *c, int *x, int *y, int *w, int *h) {
    int64_t x0 = *x, y0 = *y, x1 = x0 + *w, y1 = y0 + *h;
    if (x0 < 0) x0 = 0;
    if (y0 < 0) y0 = 0;
    if (x1 > c->w) x1 = c->w;
    if (y1 > c->h) y1 = c->h;
    if (x0 >= x1 || y0 >= y1) return false;
    *x = (int)x0, *y = (int)y0, *w = (int)(x1 - x0), *h = (int)(y1 - y0);
    return true;
}

void canvas_fill(canvas *c, int x, int y, int w, int h, int color) {
    if (!clip(c, &x, &y, &w, &h)) return;
    for (int i = 0; i < h; i++) memset(row_of(c, y + i) + x, color, (size_t)w);
}

void canvas_frame(canvas *c, int x, int y, int w, int h, int thickness, int color) {
    canvas_fill(c, x, y, w, thickness, color);
    canvas_fill(c, x, y + h - thickness, w, thickness, color);
    canvas_fill(c, x, y, thickness, h, color);
    canvas_fill(c, x + w - thickness, y, thickness, h, color);
}

void canvas_hatch(canvas *c, int x, int y, int w, int h, int color) {
    if (!clip(c, &x, &y, &w, &h)) return;
    for (int i = 0; i < h; i++) {
        uint8_t *row = row_of(c, y + i);
        for (int k = (6 - (y + i + x) % 6) % 6; k < w; k += 6) row[x + k] = (uint8_t)color;
    }
}

/* A pixel at the edge of a shape, whose middle lies so many pixels outside of it (negative: inside). */
static void put_level(uint8_t *px, double outside, uint8_t (*table)[LEVELS], bool *ready, int color) {
    int level = (int)lround((0.5 - outside) * (LEVELS - 1));
    if (level <= 0) return;
    if (level >= LEVELS - 1 || !table) {
        if (level >= LEVELS / 2) *px = (uint8_t)color;
        return;
    }
    if (!ready[*px]) blends_fill(table[*px], color, *px), ready[*px] = true;
    *px = table[*px][level];
}

/* The capsule around a segment: a line with round ends; a dot when both ends are one point. */
static void capsule(canvas *c, double x0, double y0, double x1, double y1, double radius, int color) {
    if (!(fabs(x0) < 1e6 && fabs(y0) < 1e6 && fabs(x1) < 1e6 && fabs(y1) < 1e6)) return; /* NaN too */
    int left = (int)floor(fmin(x0, x1) - radius - 1), top = (int)floor(fmin(y0, y1) - radius - 1);
    int w = (int)ceil(fmax(x0, x1) + radius + 1) - left + 1, h = (int)ceil(fmax(y0, y1) + radius + 1) - top + 1;
    if (!clip(c, &left, &top, &w, &h)) return;
    const double dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
    bool *ready = NULL;
    font_lock();
    uint8_t(*table)[LEVELS] = blends_of(color, &ready);
    for (int y = top; y < top + h; y++) {
        uint8_t *row = row_of(c, y);
        for (int x = left; x < left + w; x++) {
            double px = x + 0.5 - x0, py = y + 0.5 - y0;
            double t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
            t = t < 0 ? 0 : t > 1 ? 1 : t;
            double ex = px - t * dx, ey = py - t * dy;
            put_level(row + x, sqrt(ex * ex + ey * ey) - radius, table, ready, color);
        }
    }
    font_unlock();
}

void canvas_line(canvas *c, double x0, double y0, double x1, double y1, double width, int color) {
    capsule(c, x0, y0, x1, y1, width / 2, color);
}

void canvas_dot(canvas *c, double x, double y, double radius, int color) { capsule(c, x, y, x, y, radius, color); }

/* === Text ======================================================================================================== */

typedef struct pen_style {
    int left, right; /* nothing is drawn outside: a mark of a hostile font reaches into no neighbour */
    int color;
    uint8_t (*table)[LEVELS];
    bool *ready;
} pen_style;

static void put_glyph(canvas *c, const pen_style *pen, int x, int y, const font_glyph *g) {
    int gx = x + g->left, gy = y - g->top, cx = gx, cy = gy, w = g->width, h = g->height;
    if (cx < pen->left) w -= pen->left - cx, cx = pen->left;
    if (cx + w > pen->right) w = pen->right - cx;
    if (w <= 0 || !clip(c, &cx, &cy, &w, &h)) return;
    for (int j = 0; j < h; j++) {
        const uint8_t *cover = g->cover + (size_t)(cy - gy + j) * (size_t)g->width + (cx - gx);
        uint8_t *row = row_of(c, cy + j) + cx;
        for (int i = 0; i < w; i++) {
            if (cover[i] < 9) continue; /* less than half a level */
            int level = (cover[i] * (LEVELS - 1) + 127) / 255;
            if (!pen->table) {
                if (level >= LEVELS / 2) row[i] = (uint8_t)pen->color;
                continue;
            }
            if (!pen->ready[row[i]]) blends_fill(pen->table[row[i]], pen->color, row[i]), pen->ready[row[i]] = true;
            row[i] = pen->table[row[i]][level];
        }
    }
}

static int advance_of(const font_glyph *g, int i) { return g->cells ? g->cells : i ? 0 : 1; }

/* The glyphs of a text, at most MAX_CELLS (from its start, or from its end); their cells are added to *cells. */
static int shape(font_face face, const char *bytes, size_t n, const font_glyph **glyphs, int *cells) {
    int count = 0;
    for (size_t at = 0; at < n && count < MAX_CELLS;) {
        uint32_t cp = 0xfffd;
        int k = utf8_decode(bytes + at, n - at, &cp);
        at += k > 0 ? (size_t)k : k < 0 ? (size_t)-k : n - at;
        if (k <= 0 || (utf8_is_control(cp))) cp = 0xfffd;
        if ((cp >= 0xfe00 && cp <= 0xfe0f) || cp == 0x200c || cp == 0x200d) continue; /* selectors and joiners have no shape */
        glyphs[count] = font_find(face, cp);
        *cells += advance_of(glyphs[count], count);
        count++;
    }
    return count;
}

static int draw_text(canvas *c, int x, int y, int max_w, font_face face, int color, text_align align, bool tail,
                     const char *bytes, size_t n) {
    const font_glyph *glyphs[MAX_CELLS];
    const int cell = font_cell(face), room = max_w / cell;
    if (room < 1 || n == 0) return 0;
    const size_t bound = 4 * (size_t)MAX_CELLS; /* more bytes than that cannot be seen */
    if (n > bound && tail) {
        bytes += n - bound, n = bound;
        while (n && ((unsigned char)*bytes & 0xc0) == 0x80) bytes++, n--;
    } else if (n > bound) n = bound;
    font_lock();
    int cells = 0, first = 0, last = shape(face, bytes, n, glyphs, &cells);
    const bool cut = cells > room;
    if (cut && tail)
        while (first < last && (cells > room - 1 || glyphs[first]->cells == 0)) cells -= advance_of(glyphs[first], first), first++;
    else if (cut)
        while (last > 0 && cells > room - 1) last--, cells -= advance_of(glyphs[last], last);
    const int width = (cells + cut) * cell;
    int x0 = align == TEXT_CENTER ? x - width / 2 : align == TEXT_RIGHT ? x - width : x, at = x0, base = x0;
    pen_style pen = {.left = x0 - 2, .right = x0 + width + 2, .color = color};
    pen.table = blends_of(color, &pen.ready);
    const font_glyph *ellipsis = font_find(face, 0x2026);
    if (cut && tail) put_glyph(c, &pen, at, y, ellipsis), at += cell;
    for (int i = first; i < last; i++) {
        if (glyphs[i]->cells == 0 && i > first) {
            put_glyph(c, &pen, base, y, glyphs[i]);
            continue;
        }
        put_glyph(c, &pen, at, y, glyphs[i]);
        base = at;
        at += advance_of(glyphs[i], i) * cell;
    }
    if (cut && !tail) put_glyph(c, &pen, at, y, ellipsis);
    font_unlock();
    return width;
}

int canvas_width(font_face face, const char *bytes, size_t n) {
    const font_glyph *glyphs[MAX_CELLS];
    int cells = 0;
    font_lock();
    shape(face, bytes, n < 4 * (size_t)MAX_CELLS ? n : 4 * (size_t)MAX_CELLS, glyphs, &cells);
    font_unlock();
    return cells * font_cell(face);
}

int canvas_text(canvas *c, int x, int y, int max_w, font_face face, int color, text_align align, const char *bytes, size_t n) {
    return draw_text(c, x, y, max_w, face, color, align, false, bytes, n);
}

int canvas_puts(canvas *c, int x, int y, int max_w, font_face face, int color, text_align align, const char *text) {
    return draw_text(c, x, y, max_w, face, color, align, false, text, strlen(text));
}

int canvas_text_tail(canvas *c, int x, int y, int max_w, font_face face, int color, const char *bytes, size_t n) {
    return draw_text(c, x, y, max_w, face, color, TEXT_LEFT, true, bytes, n);
}

int canvas_viridis(double v) {
    if (!(v > 0)) return C_VIRIDIS; /* NaN too: the charts say so before they ask */
    return v >= 1 ? C_VIRIDIS + C_VIRIDIS_STEPS - 1 : C_VIRIDIS + (int)lround(v * (C_VIRIDIS_STEPS - 1));
}

int canvas_text_on(int ground) {
    canvas_palette();
    return rgb_text_on(palette_entries[ground >= 0 && ground < C_COLORS ? ground : 0]).r ? C_WHITE : C_BLACK;
}
