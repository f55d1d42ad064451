/* text_width.c -- how many columns text takes on a terminal, and where a line may end (text.h).
 *
 * Widths come from utf8proc (Unicode East Asian Width).  Terminals differ on clusters (a flag, a family of emoji): the sum
 * over the code points is counted, which is the most that any of them uses, and a line never ends inside a cluster. */
#include "viz/text.h"

#include "include/internal/utf8.h"
#include <string.h>
#include <utf8proc.h>

int text_char_width(uint32_t cp) {
    if (cp == '\t') return 8; /* at most */
    if (cp < 0x20 || cp == 0x7F) return 0;
    if (cp < 0x300) return 1;
    if (cp == 0xFE0F) return 1; /* asks for the emoji form of a character that may be narrow */
    int w = utf8proc_charwidth((utf8proc_int32_t)cp);
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    if (w <= 0 && (c == UTF8PROC_CATEGORY_CN || c == UTF8PROC_CATEGORY_CO)) return 1; /* drawn as a box */
    return w < 0 ? 0 : w > 2 ? 2 : w;
}

enum { CLUSTER_BYTES = 64 }; /* longer ones (a hundred accents on a letter) are cut, so that a line stays bounded */

static bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

/* The grapheme cluster at s: its bytes and its width, at least 1.  Invalid bytes count as one column each; what text_escape made of
 * one, \xHH, is not taken apart. */
static size_t cluster(const char *s, size_t n, size_t *width) {
    uint32_t cp, next;
    utf8proc_int32_t state = 0;
    int len = utf8_decode(s, n, &cp);
    if (len <= 0) {
        *width = 1;
        return 1;
    }
    if (n > 3 && s[0] == '\\' && s[1] == 'x' && is_hex(s[2]) && is_hex(s[3])) return *width = 4;
    size_t at = (size_t)len;
    *width = (size_t)text_char_width(cp);
    if (cp == '\n' || !*width) *width = 1;
    if (cp < 0x80 && at < n && (unsigned char)s[at] < 0x80) return at; /* ASCII never joins with ASCII (no CR LF here) */
    while (at < n && at < CLUSTER_BYTES) {
        len = utf8_decode(s + at, n - at, &next);
        if (len <= 0 || utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp, (utf8proc_int32_t)next, &state)) break;
        at += (size_t)len;
        *width += (size_t)text_char_width(next);
        cp = next;
    }
    if (!*width) *width = 1;
    return at;
}

size_t text_width(const char *s, size_t n) {
    size_t total = 0, w;
    for (size_t i = 0; i < n;) {
        i += cluster(s + i, n - i, &w);
        total += w;
    }
    return total;
}

size_t text_fit(const char *s, size_t n, size_t columns, size_t *used) {
    size_t i = 0, total = 0, w;
    while (i < n) {
        size_t len = cluster(s + i, n - i, &w);
        if (total + w > columns) break;
        i += len;
        total += w;
    }
    if (used) *used = total;
    return i;
}

size_t text_wrap(const char *s, size_t n, size_t columns, size_t *next) {
    size_t i = 0, used = 0, w, blank = 0; /* blank: where the line would end at the last blank */
    while (i < n && s[i] != '\n') {
        size_t len = cluster(s + i, n - i, &w);
        if (used + w > columns) {
            if (s[i] == ' ') { /* a blank that does not fit is what the line breaks at */
                *next = i + 1;
                return i;
            }
            if (blank) i = blank;
            else if (!i) i = len; /* one cluster wider than the line: alone on its own */
            *next = i;
            return i;
        }
        i += len;
        used += w;
        if (s[i - 1] == ' ') blank = i;
    }
    *next = i + (i < n);
    return i;
}
