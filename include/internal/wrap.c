/* wrap.c -- see wrap.h. */
#include "include/internal/wrap.h"

#include "include/internal/utf8.h"
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LEAST_COLUMNS = 20, MOST_HANG = 16 };

size_t wrap_columns(int fd) {
    struct winsize w;
    if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &w) || w.ws_col < LEAST_COLUMNS) return 0;
    return w.ws_col - 1U; /* some terminals wrap on reaching the last one */
}

/* Columns of a word: from U+1100 on characters may be wide, and count so. */
static size_t width_of(const char *s, size_t n) {
    size_t width = 0;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int len = utf8_decode(s + at, n - at, &cp);
        width += len > 0 && cp >= 0x1100 && (cp < 0x2000 || cp >= 0x2E80) ? 2 : 1;
        at += len > 0 ? (size_t)len : 1;
    }
    return width;
}

/* Where a line goes on: under the second word of "  name   words". */
static size_t hang_of(const char *line, size_t n) {
    size_t at = 2;
    if (n < 4 || line[0] != ' ' || line[1] != ' ' || line[2] == ' ') return 2;
    while (at < n && line[at] != ' ') at++;
    if (at == n) return 2;
    at = width_of(line, at + strspn(line + at, " "));
    return at <= MOST_HANG ? at : 2;
}

/* Bytes of a list "a=1;b=2;..." that fit, up to behind a semicolon: it alone is broken within; 0 = none do. */
static size_t part_of_list(const char *s, size_t n, size_t columns) {
    size_t part = 0;
    for (size_t i = 0; i < n && i < columns; i++)
        if (s[i] == ';') part = i + 1;
    return part;
}

static void wrap_line(buffer *out, const char *line, size_t n, size_t columns) {
    size_t hang = hang_of(line, n), used = 0;
    if (hang >= columns / 2) hang = 2;
    for (size_t at = 0; at < n;) {
        size_t gap = strspn(line + at, " "), word;
        if (gap > n - at) gap = n - at;
        word = strcspn(line + at + gap, " \n");
        size_t width = width_of(line + at + gap, word);
        const size_t room = used + gap < columns ? columns - used - gap : 0;
        const size_t part = width > columns - hang ? part_of_list(line + at + gap, word, room) : 0;
        if (part) width = word = part;
        if (used > hang && used + gap + width > columns) {
            buf_putc(out, '\n');
            buf_fill(out, ' ', hang);
            used = hang;
        } else {
            buf_fill(out, ' ', gap);
            used += gap;
        }
        buf_put(out, line + at + gap, word);
        used += width;
        at += gap + word;
    }
}

void wrap_lines(buffer *out, const char *text, size_t columns) {
    if (!columns) {
        buf_puts(out, text);
        return;
    }
    for (;;) {
        size_t n = strcspn(text, "\n");
        wrap_line(out, text, n, columns);
        text += n;
        if (!*text) return;
        buf_putc(out, *text++);
    }
}
