/* pretokenize_llama3.c -- the alternatives of the pattern, in its order (pretokenize_llama3.h). */
#include "sampling/tokenizer/pretokenize_llama3.h"

#include <stdbool.h>
#include <string.h>

#include "sampling/tokenizer/character_class.h"

/* Where the run of one class that goes on at `at` ends; at most `most` characters. */
static size_t run_end(const char *s, size_t n, size_t at, unicode_class want, int most) {
    if (most < 0) return class_run(s, n, at, want);
    for (size_t length; at < n && most != 0; at += length, most--)
        if (class_at(s + at, n - at, &length) != want) break;
    return at;
}

static bool newline(char c) { return c == '\r' || c == '\n'; }

/* In any case; U+017F is an s to a regex that ignores case. */
size_t contraction_any_case(const char *s, size_t n) {
    if (n < 2) return 0;
    char a = s[1] | 0x20, b = n > 2 ? s[2] | 0x20 : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (n > 2 && (unsigned char)s[1] == 0xc5 && (unsigned char)s[2] == 0xbf) return 3;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return 0;
}

static size_t next(const char *s, size_t n, int digits, bool blank_end) {
    size_t length, more = 0;
    if (*s == '\'' && (length = contraction_any_case(s, n))) return length;
    unicode_class c = class_at(s, n, &length), then = UNICODE_SPACE;
    if (c == UNICODE_LETTER) return run_end(s, n, length, UNICODE_LETTER, -1);
    if (length < n) then = class_at(s + length, n - length, &more);
    if (then == UNICODE_LETTER && c != UNICODE_NUMBER && !newline(*s))
        return run_end(s, n, length + more, UNICODE_LETTER, -1);
    if (c == UNICODE_NUMBER) return run_end(s, n, length, UNICODE_NUMBER, digits - 1);
    if (c == UNICODE_OTHER || (*s == ' ' && length < n && then == UNICODE_OTHER)) {
        size_t at = run_end(s, n, c == UNICODE_OTHER ? length : length + more, UNICODE_OTHER, -1);
        while (at < n && newline(s[at])) at++;
        return at;
    }
    /* White space: up to its last line break; else all of it at the end of the text, else all but its last character. */
    size_t at = 0, last = 0, broken = 0;
    while (at < n && class_at(s + at, n - at, &more) == UNICODE_SPACE) {
        if (newline(s[at])) broken = at + 1;
        last = at;
        at += more;
    }
    if (blank_end && at == n) return n;
    if (broken) return broken;
    return at == n || !last ? at : last;
}

size_t pretokenize_llama3_next(const char *text, size_t n) { return next(text, n, 3, false); }
size_t pretokenize_qwen2_next(const char *text, size_t n) { return next(text, n, 1, false); }
size_t pretokenize_cl100k_next(const char *text, size_t n) { return next(text, n, 3, true); }
