/* wrap.c -- see wrap.h. */
#define _GNU_SOURCE
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

size_t wrap_escape(const char *s, size_t n) {
    size_t i = 2;
    if (n < 2 || s[0] != 27 || s[1] != '[') return 0;
    while (i < n && (s[i] < '@' || s[i] > '~')) i++;
    return i < n ? i + 1 : n;
}

/* Columns of a word: from U+1100 on characters may be wide, and count so. */
static size_t width_of(const char *s, size_t n) {
    size_t width = 0;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        const size_t escape = wrap_escape(s + at, n - at);
        if (escape) {
            at += escape;
            continue;
        }
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

/* Bytes up to the next blank that may become a line break: none within backquotes. */
static size_t word_bytes(const char *s, size_t n) {
    size_t i = 0;
    for (; i < n && s[i] != ' '; i++) {
        const char *close = s[i] == '`' ? memchr(s + i + 1, '`', n - i - 1) : NULL;
        if (close) i = (size_t)(close - s);
    }
    return i;
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
        word = word_bytes(line + at + gap, n - at - gap);
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
        const char *wiped = memrchr(text, '\r', n); /* what stood on the line goes first */
        size_t head = wiped ? (size_t)(wiped + 1 - text) : 0;
        buf_put(out, text, head);
        wrap_line(out, text + head, n - head, columns);
        text += n;
        if (!*text) return;
        buf_putc(out, *text++);
    }
}
