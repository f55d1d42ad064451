/* text.c -- escapes and paint (text.h). */
#include "viz/text.h"

#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

enum { TOKEN_LIMIT = 256, /* bytes of a token: no cell shows more */
       MOST_MARKS = 16 };  /* combining, one behind the other */

/* === Escapes ==================================================================================================== */

/* Drawn as nothing at all, so that two different texts would look the same.  The joiners U+200C/D and the variation
 * selectors stay: scripts and emoji need them. */
static bool is_invisible(uint32_t cp) {
    return cp == 0xAD || cp == 0x34F || cp == 0x115F || cp == 0x1160 || cp == 0x17B4 || cp == 0x17B5 || cp == 0x180E ||
           cp == 0x200B || (cp >= 0x2060 && cp <= 0x2064) || cp == 0x3164 || cp == 0xFFA0 ||
           (cp >= 0x1BCA0 && cp <= 0x1BCA3) || (cp >= 0x1D173 && cp <= 0x1D17A) || (cp >= 0xE0080 && cp <= 0xE0FFF);
}

/* A joiner without what it joins shows as nothing. */
static bool is_format(uint32_t cp) {
    return cp >= 0x80 && utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_CF && !utf8proc_charwidth((utf8proc_int32_t)cp);
}

/* A blank of another script (the ideographic one begins a paragraph in Chinese) or braille without a dot: alone it shows as nothing. */
static bool is_other_blank(uint32_t cp) {
    return cp == 0x2800 || (cp > ' ' && utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ZS);
}

static void escape_cp(buffer *out, uint32_t cp) {
    switch (cp) {
    case '\r': buf_puts(out, "\\r"); return;
    case '\n': buf_puts(out, "\\n"); return;
    case '\t': buf_puts(out, "\\t"); return;
    default: break;
    }
    if (cp < 0x80) buf_printf(out, "\\x%02x", (unsigned)cp);
    else if (cp <= 0xFFFF) buf_printf(out, "\\u%04x", (unsigned)cp);
    else buf_printf(out, "\\U%08x", (unsigned)cp);
}

/* Drawn over the character before.  No script needs a dozen; hundreds would cover the lines above. */
static bool is_mark(uint32_t cp) {
    if (cp < 0x300) return false;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME;
}

/* How many marks end what was written: each token's text comes by itself. */
static int marks_at_end(const buffer *out) {
    int marks = 0;
    for (size_t at = out->n, back; at > 0 && (unsigned char)out->bytes[at - 1] >= 0x80 && marks < MOST_MARKS; at -= back, marks++) {
        uint32_t cp;
        for (back = 1; back < 4 && back < at && ((unsigned char)out->bytes[at - back] & 0xC0) == 0x80;) back++;
        if (utf8_decode(out->bytes + at - back, back, &cp) != (int)back || !is_mark(cp)) break;
    }
    return marks;
}

/* `quote`: the quotation mark that with the backslash is escaped too, 0 = none. */
static void escape(buffer *out, const char *s, size_t n, int flags, char quote) {
    size_t from = 0; /* what is safe is copied in one piece */
    int marks = marks_at_end(out);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = utf8_decode(s + i, n - i, &cp);
        bool quoted = quote && len == 1 && (cp == (unsigned char)quote || cp == '\\');
        bool keep = len > 0 && !quoted && !utf8_is_control(cp) && !is_invisible(cp);
        if ((flags & TEXT_LINES) && (cp == '\n' || cp == '\t')) keep = true;
        if (marks == MOST_MARKS && len > 0 && is_mark(cp)) keep = false;
        marks = keep && is_mark(cp) ? marks + 1 : 0;
        size_t step = len > 0 ? (size_t)len : len < 0 ? (size_t)-len : n - i;
        if (!keep) {
            buf_put(out, s + from, i - from);
            if (quoted) buf_printf(out, "\\%c", (char)cp);
            else if (len > 0) escape_cp(out, cp);
            else
                for (size_t k = 0; k < step; k++) buf_printf(out, "\\x%02x", (unsigned)(unsigned char)s[i + k]);
            from = i + step;
        }
        i += step;
    }
    if (n > from) buf_put(out, s + from, n - from);
}

void text_escape(buffer *out, const char *s, size_t n, int flags) { escape(out, s, n, flags, 0); }

void text_quote(buffer *out, const char *s, size_t n) {
    buf_putc(out, '"');
    escape(out, s, n, TEXT_ONE_LINE, '"');
    buf_putc(out, '"');
}

void text_repr(buffer *out, const char *s, size_t n) {
    char quote = n && memchr(s, '\'', n) && !memchr(s, '"', n) ? '"' : '\'';
    buf_putc(out, quote);
    escape(out, s, n, TEXT_ONE_LINE, quote);
    buf_putc(out, quote);
}

void text_visible(buffer *out, const char *s, size_t n, size_t limit) {
    if (n > limit) n = limit;
    for (size_t at = 0, len; at < n; at += len) {
        uint32_t cp;
        int k = utf8_decode(s + at, n - at, &cp);
        len = k > 0 ? (size_t)k : k < 0 ? (size_t)-k : n - at;
        if (k > 0 && cp == ' ') buf_puts(out, "\xe2\x90\xa3");
        else if (k > 0 && cp == '\n') buf_puts(out, "\xe2\x86\xb5");
        else if (k > 0 && cp == '\t') buf_puts(out, "\xe2\x86\x92");
        else if (k > 0 && (is_other_blank(cp) || (at == 0 && is_format(cp)))) escape_cp(out, cp);
        else escape(out, s + at, len, TEXT_ONE_LINE, 0);
    }
}

bool text_is_id(const glimpse_piece *p) {
    char number[16];
    const int n = c_snprintf(number, sizeof number, "%d ", (int)p->id);
    return p->text && p->bytes == n && !memcmp(p->text, number, (size_t)n);
}

void text_token(buffer *out, const glimpse_record *r, int32_t id) {
    const glimpse_piece *piece = record_piece(r, id);
    if (piece && text_is_id(piece)) buf_i64(out, id);
    else if (piece && piece->bytes > 0 && piece->text) text_visible(out, piece->text, (size_t)piece->bytes, TOKEN_LIMIT);
    else buf_printf(out, "\xe2\x9f\xa8%d\xe2\x9f\xa9", (int)id);
}

bool text_end_short(buffer *label) {
    static const char *const names[] = {"\xe2\x9f\xa8" "endoftext\xe2\x9f\xa9", "\xe2\x9f\xa8" "end_of_text\xe2\x9f\xa9"}; /* GPT-2's, Llama 3's */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (label->n != strlen(names[i]) || memcmp(label->bytes, names[i], label->n)) continue;
        buf_clear(label);
        buf_puts(label, "\xe2\x9f\xa8" "eot\xe2\x9f\xa9");
        return true;
    }
    return false;
}

bool text_is_special(const char *piece, size_t n) {
    return n > 6 && !memcmp(piece, "\xe2\x9f\xa8", 3) && !memcmp(piece + n - 3, "\xe2\x9f\xa9", 3);
}

bool text_is_unknown(const char *piece, size_t n) {
    static const char *const names[] = {"\xe2\x9f\xa8unk\xe2\x9f\xa9", "<unk>", "[unk]", "<|unk|>", "\xef\xbf\xbd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (n == strlen(names[i]) && !strncasecmp(piece, names[i], n)) return true;
    return false;
}

bool text_is_rule(const char *line, size_t n) {
    bool dash = false;
    for (size_t i = 0; i < n; i++) {
        if (line[i] == '-') dash = true;
        else if (line[i] != ' ' && line[i] != '\t') return false;
    }
    return dash;
}

/* === Paint ====================================================================================================== */

void text_ground_16(palette p, double v, int *ground, int *text) {
    static const uint8_t grounds[3][5] = {
        [PALETTE_VIRIDIS] = {45, 44, 46, 42, 103}, /* magenta, blue, cyan, green, bright yellow */
        [PALETTE_CIVIDIS] = {44, 44, 46, 47, 103},
        [PALETTE_REDGREEN] = {41, 41, 103, 42, 42},
    };
    int i = v >= 1 ? 4 : v > 0 ? (int)(v * 5) : 0;
    *ground = grounds[(unsigned)p < 3 ? p : 0][i];
    *text = *ground == 41 || *ground == 44 || *ground == 45 ? 97 : 30; /* whatever the theme: light on dark, dark on light */
}

static void sgr_ground(paint p, color_depth depth, char *out) {
    if (depth == DEPTH_16) {
        int ground, text;
        text_ground_16(p.colors, p.v, &ground, &text);
        c_snprintf(out, 64, "%d;%d", text, ground);
        return;
    }
    if (depth == DEPTH_256) {
        int i = color_256_of(p.colors, p.v);
        c_snprintf(out, 64, "38;5;%d;48;5;%d", rgb_text_on(color_256_rgb(i)).r ? 231 : 16, i);
        return;
    }
    rgb c = palette_rgb(p.colors, p.v), t = rgb_text_on(c);
    c_snprintf(out, 64, "38;2;%d;%d;%d;48;2;%d;%d;%d", t.r, t.g, t.b, c.r, c.g, c.b);
}

void text_sgr(paint p, color_depth depth, char *out) {
    /* by depth none, 16, 256, true; the contrast of the two latter is tested against black and white */
    static const char *const fixed[][4] = {
        [PAINT_PLAIN] = {"", "", "", ""},
        [PAINT_DIM] = {"", "2", "38;5;243", "38;2;118;118;118"},
        [PAINT_STRONG] = {"", "1", "1", "1"},
        [PAINT_GOOD] = {"", "32", "38;5;29", "38;2;0;135;95"},
        [PAINT_BAD] = {"", "31", "38;5;131", "38;2;230;30;60"},
        [PAINT_ALARM] = {"", "1;97;41", "1;38;5;231;48;5;160", "1;38;2;255;255;255;48;2;200;0;40"},
        [PAINT_SPECIAL] = {"", "2;3", "3;38;5;243", "3;38;2;118;118;118"},
        [PAINT_CURSOR] = {"1;7", "1;30;101", "1;38;5;16;48;5;203", "1;38;2;0;0;0;48;2;255;79;68"},
        [PAINT_COME] = {"1;4", "1;32", "1;38;5;29", "1;38;2;0;135;95"},
        [PAINT_GONE] = {"9", "9;31", "9;38;5;131", "9;38;2;230;30;60"},
        [PAINT_BAR] = {"", "36", "38;5;30", "38;2;33;135;140"},
    };
    out[0] = 0;
    if (p.kind < PAINT_GROUND) {
        c_snprintf(out, 64, "%s", fixed[p.kind][depth]);
        return;
    }
    if (depth == DEPTH_NONE) return;
    char ground[64];
    sgr_ground(p, depth, ground);
    c_snprintf(out, 64, "%s%s", p.kind == PAINT_CHOSEN ? "1;4;" : "", ground);
}

/* === Styled text ================================================================================================ */

typedef struct styled_run {
    size_t end; /* in the text */
    paint p;
} styled_run;

static bool same_paint(paint a, paint b) {
    return a.kind == b.kind && (a.kind < PAINT_GROUND || (a.colors == b.colors && a.v == b.v));
}

static size_t n_runs(const styled *t) { return t->runs.n / sizeof(styled_run); }
static styled_run run_at(const styled *t, size_t i) {
    styled_run r;
    memcpy(&r, t->runs.bytes + i * sizeof r, sizeof r);
    return r;
}

/* What was appended to the text since the last run is painted p. */
static void close_run(styled *t, paint p) {
    size_t n = n_runs(t), before = n ? run_at(t, n - 1).end : 0;
    if (t->text.n == before) return;
    if (n && same_paint(run_at(t, n - 1).p, p)) t->runs.n -= sizeof(styled_run);
    styled_run r = {.end = t->text.n, .p = p};
    buf_put(&t->runs, &r, sizeof r);
}

void styled_put(styled *t, const char *safe, size_t n, paint p) {
    buf_put(&t->text, safe, n);
    close_run(t, p);
}

void styled_puts(styled *t, const char *safe, paint_kind kind) { styled_put(t, safe, strlen(safe), paint_of(kind)); }

void styled_escape(styled *t, const char *s, size_t n, int flags, paint p) {
    text_escape(&t->text, s, n, flags);
    close_run(t, p);
}

size_t styled_cut(styled *t, const char *s, size_t n, bool quoted, size_t columns, paint_kind kind, paint_kind mark) {
    buffer safe = {0};
    if (n > 4096) n = 4096; /* no terminal is wider */
    if (quoted) text_quote(&safe, s, n);
    else text_escape(&safe, s, n, TEXT_ONE_LINE);
    size_t used, fits = text_fit(buf_str(&safe), safe.n, columns, &used);
    const bool cut = fits < safe.n && columns;
    if (cut) fits = text_fit(buf_str(&safe), safe.n, columns - 1, &used);
    styled_put(t, buf_str(&safe), fits, paint_of(kind));
    if (cut) styled_puts(t, "\xe2\x80\xa6", mark);
    if (buf_failed(&safe)) t->text.failed = true;
    buf_free(&safe);
    return used + cut;
}

void styled_printf(styled *t, paint_kind kind, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&t->text, fmt, args);
    va_end(args);
    close_run(t, paint_of(kind));
}

void styled_clear(styled *t) {
    buf_clear(&t->text);
    buf_clear(&t->runs);
}

void styled_free(styled *t) {
    buf_free(&t->text);
    buf_free(&t->runs);
}

bool styled_failed(const styled *t) { return buf_failed(&t->text) || buf_failed(&t->runs); }

/* The first run that ends after `at`. */
static size_t run_of(const styled *t, size_t at) {
    size_t lo = 0, hi = n_runs(t);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (run_at(t, mid).end > at) hi = mid;
        else lo = mid + 1;
    }
    return lo;
}

void styled_copy(styled *t, const styled *from, size_t begin, size_t end) {
    for (size_t i = run_of(from, begin), n = n_runs(from); begin < end && i < n; i++) {
        styled_run r = run_at(from, i);
        size_t stop = r.end < end ? r.end : end;
        styled_put(t, from->text.bytes + begin, stop - begin, r.p);
        begin = stop;
    }
}

void styled_emit(const styled *t, size_t from, size_t to, color_depth depth, buffer *out) {
    char open[64] = "", want[64];
    if (to > t->text.n) to = t->text.n;
    for (size_t i = run_of(t, from), n = n_runs(t); from < to && i < n; i++) {
        styled_run r = run_at(t, i);
        size_t end = r.end < to ? r.end : to;
        text_sgr(r.p, depth, want);
        while (from < end) {
            const char *s = t->text.bytes + from, *nl = memchr(s, '\n', end - from);
            size_t len = nl ? (size_t)(nl - s) : end - from;
            if (len && strcmp(open, want)) {
                /* One escape both ends the old paint and begins the new one. */
                if (!*want) buf_puts(out, "\x1b[0m");
                else buf_printf(out, "\x1b[%s%sm", *open ? "0;" : "", want);
                memcpy(open, want, sizeof open);
            }
            buf_put(out, s, len);
            from += len;
            if (nl) {
                if (*open) buf_puts(out, "\x1b[0m");
                open[0] = 0;
                buf_putc(out, '\n');
                from++;
            }
        }
    }
    if (*open) buf_puts(out, "\x1b[0m");
}

void styled_emit_guarded(const styled *t, color_depth depth, buffer *out) {
    for (size_t at = 0; at < t->text.n;) {
        const char *s = t->text.bytes + at, *nl = memchr(s, '\n', t->text.n - at);
        size_t len = nl ? (size_t)(nl - s) : t->text.n - at;
        if (text_is_rule(s, len)) buf_putc(out, '\\');
        styled_emit(t, at, at + len, depth, out);
        buf_putc(out, '\n');
        at += len + (nl != NULL);
    }
    if (!t->text.n) buf_putc(out, '\n');
}

glimpse_status text_done(bool failed, buffer *out, size_t before, const char *what) {
    if (!failed && !buf_failed(out)) return GLIMPSE_OK;
    if (out->bytes) {
        out->n = before;
        out->bytes[before] = 0;
    }
    FAIL(GLIMPSE_E_MEMORY, "no memory for %s", what);
}
