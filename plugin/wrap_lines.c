/* wrap_lines.c -- messages on a terminal: a line that is wider breaks between words, where the terminal would break it in the midst
 * of one.  What stands in backquotes, `glimpse help score`, is one word: it is there to be copied.  A file gets every line whole.
 * Called by guest_say (config.c) and the worker. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "include/internal/utf8.h"
#include "plugin/guest.h"

enum { NARROWEST = 20, HANGING = 2 };

/* Columns of stderr; 0 = it is no terminal, or does not say. */
static int columns_of_stderr(void) {
    struct winsize w;
    return isatty(STDERR_FILENO) && ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

/* Bytes of the escape sequence at s, 0 = none: it takes no column. */
static size_t escape_bytes(const char *s, size_t n) {
    if (n < 2 || s[0] != 27 || s[1] != '[') return 0;
    size_t i = 2;
    while (i < n && (s[i] < '@' || s[i] > '~')) i++;
    return i < n ? i + 1 : n;
}

/* Columns of n bytes; East Asian and other wide characters take two, which is enough to break too early and never too late. */
static size_t columns_of(const char *s, size_t n) {
    size_t columns = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t escape = escape_bytes(s + i, n - i);
        int len = escape ? (int)escape : utf8_decode(s + i, n - i, &cp);
        if (!escape) columns += len > 0 && cp >= 0x2e80 ? 2 : 1;
        i += len > 0 ? (size_t)len : 1;
    }
    return columns;
}

/* Bytes up to the next blank that may become a line break. */
static size_t word_bytes(const char *s, size_t n) {
    size_t i = 0;
    for (; i < n && s[i] != ' '; i++) {
        const char *close = s[i] == '`' ? memchr(s + i + 1, '`', n - i - 1) : NULL;
        if (close) i = (size_t)(close - s);
    }
    return i;
}

/* Where the lines that follow begin: under the text behind a label, "  model      ", else a little to the right. */
static size_t hanging(const char *line, size_t n) {
    size_t lead = strspn(line, " "), label, gap;
    label = strcspn(line + lead, " \n");
    if (lead && lead + label < n && (gap = strspn(line + lead + label, " ")) > 1) return lead + label + gap;
    return lead + HANGING;
}

static void put_line(const char *line, size_t n, size_t width, buffer *out) {
    size_t hang = hanging(line, n), column = 0;
    if (hang > width * 2 / 3) hang = HANGING;
    for (size_t i = 0; i < n;) {
        size_t gap = strspn(line + i, " "), word;
        if (gap > n - i) gap = n - i;
        word = word_bytes(line + i + gap, n - i - gap);
        size_t wide = columns_of(line + i + gap, word);
        bool fits = hang + wide <= width || column > width; /* what fits nowhere stays where it is, for the terminal to break */
        if (column > hang && column + gap + wide > width && fits) {
            buf_putc(out, '\n');
            buf_fill(out, ' ', hang);
            column = hang;
        } else {
            buf_fill(out, ' ', gap);
            column += gap;
        }
        buf_put(out, line + i + gap, word);
        column += wide;
        i += gap + word;
    }
}

void guest_wrap(const char *text, int width, buffer *out) {
    for (size_t n; *text; text += n) {
        n = strcspn(text, "\n");
        const char *cr = memrchr(text, '\r', n); /* what stood there is wiped first */
        size_t wiped = cr ? (size_t)(cr + 1 - text) : 0;
        wiped += escape_bytes(text + wiped, n - wiped);
        buf_put(out, text, wiped);
        if (width < NARROWEST || columns_of(text + wiped, n - wiped) <= (size_t)width) buf_put(out, text + wiped, n - wiped);
        else put_line(text + wiped, n - wiped, (size_t)width, out);
        if (text[n]) buf_putc(out, text[n++]);
    }
}

/* An eval's log, "glimpse  step 750 ...": it was drawn for this terminal, in rows of its own. */
static bool is_drawn(const char *text) {
    const char *name = strstr(text, "glimpse");
    if (!name || strcspn(text, "\n") < (size_t)(name - text)) return false;
    name += strlen("glimpse");
    return !strncmp(name + escape_bytes(name, strlen(name)), "  ", 2);
}

void guest_for_stderr(const char *text, buffer *out) { guest_wrap(text, is_drawn(text) ? 0 : columns_of_stderr(), out); }
