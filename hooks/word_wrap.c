/* word_wrap.c -- see word_wrap.h. */
#include "hooks/word_wrap.h"

#include "include/internal/utf8.h"
#include "include/internal/wrap.h"
#include "viz/text.h"
#include <string.h>

enum { NEAR = 24 /* columns from the edge */, MOST_HELD = 1024 /* bytes: marks without a width may be any number */, TAB = 8 };
#define PLAIN "\x1b[0m"

void word_wrap_flush(word_wrap *w, buffer *out) {
    buf_put(out, w->held.bytes, w->held.n);
    buf_clear(&w->held);
    w->column += w->gap + w->word;
    if (w->columns) while (w->column > w->columns) w->column -= w->columns + 1; /* the terminal has broken it, in its last column */
    w->gap = w->word = 0;
}

/* A newline takes the place of the blanks that are held; no ground reaches over it. */
static void break_line(word_wrap *w, buffer *out) {
    size_t kept = 0;
    if (*w->held_paint) buf_puts(out, PLAIN);
    buf_putc(out, '\n');
    buf_puts(out, w->held_paint);
    for (size_t at = 0; at < w->held.n;) {
        size_t n = wrap_escape(w->held.bytes + at, w->held.n - at);
        const bool blank = !n && (w->held.bytes[at] == ' ' || w->held.bytes[at] == '\t'); /* they all stand before the word */
        if (!n) n = 1;
        if (!blank) memmove(w->held.bytes + kept, w->held.bytes + at, n), kept += n;
        at += n;
    }
    w->held.n = kept;
    w->column = w->gap = 0;
}

static void put_escape(word_wrap *w, const char *s, size_t n, buffer *out) {
    buf_put(w->held.n ? &w->held : out, s, n);
    const bool plain = n == strlen(PLAIN) && !memcmp(s, PLAIN, n);
    if (n < sizeof w->paint) c_snprintf(w->paint, sizeof w->paint, "%.*s", plain ? 0 : (int)n, s);
}

static void hold(word_wrap *w, const char *s, size_t n) {
    if (!w->held.n) memcpy(w->held_paint, w->paint, sizeof w->paint);
    buf_put(&w->held, s, n);
}

/* One more character of a word. */
static void put_char(word_wrap *w, const char *s, size_t n, size_t width, buffer *out) {
    hold(w, s, n);
    w->word += width;
    const size_t room = w->columns > w->column ? w->columns - w->column : 0;
    const bool fits = w->gap + w->word <= room;
    if (!w->inside && fits && room - w->gap - w->word < NEAR && w->held.n < MOST_HELD) return;
    if (!w->inside && !fits && w->column) break_line(w, out);
    word_wrap_flush(w, out);
    w->inside = true;
}

void word_wrap_put(word_wrap *w, const char *text, size_t n, buffer *out) {
    if (!w->columns) {
        word_wrap_flush(w, out);
        buf_put(out, text, n);
        return;
    }
    for (size_t at = 0, bytes; at < n; at += bytes) {
        uint32_t cp = 0;
        if ((bytes = wrap_escape(text + at, n - at))) {
            put_escape(w, text + at, bytes, out);
            continue;
        }
        const int len = utf8_decode(text + at, n - at, &cp);
        bytes = len > 0 ? (size_t)len : 1;
        if (cp == '\n') {
            word_wrap_flush(w, out);
            buf_putc(out, '\n');
            w->column = 0;
            w->inside = false;
        } else if (cp == ' ' || cp == '\t') {
            if (w->word) word_wrap_flush(w, out);
            hold(w, text + at, bytes);
            w->gap += cp == ' ' ? 1 : TAB - (w->column + w->gap) % TAB;
            w->inside = false;
        } else put_char(w, text + at, bytes, len > 0 ? (size_t)text_char_width(cp) : 1, out);
    }
    if (buf_failed(&w->held)) word_wrap_free(w); /* no memory: the terminal breaks it */
}

void word_wrap_free(word_wrap *w) {
    buf_free(&w->held);
    *w = (word_wrap){0};
}
