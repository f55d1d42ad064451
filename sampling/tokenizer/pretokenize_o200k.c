/* pretokenize_o200k.c -- the alternatives of the pattern, in its order (pretokenize_o200k.h). */
#include "sampling/tokenizer/pretokenize_o200k.h"

#include <stdbool.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/pretokenize_llama3.h"
#include "sampling/tokenizer/unicode_categories.h"
#include "sampling/tokenizer/unicode_classes.h"

/* What the pattern asks of a character. */
enum { UPPER = 1, LOWER = 2, MARK = 4, NUMBER = 8, SPACE = 16, NEWLINE = 32 };
enum { LETTER = UPPER | LOWER }; /* Lm and Lo are both; marks too, with MARK: they are no letters to \p{L} */

static unsigned kind_at(const char *s, size_t n, size_t *length) {
    unsigned char c = (unsigned char)*s;
    uint32_t cp = c;
    *length = 1;
    if (c < 0x80) {
        if (c >= 'a' && c <= 'z') return LOWER;
        if (c >= 'A' && c <= 'Z') return UPPER;
        if (c >= '0' && c <= '9') return NUMBER;
        return c == '\n' || c == '\r' ? SPACE | NEWLINE : c == ' ' || (c >= 9 && c <= 12) ? SPACE : 0;
    }
    int len = utf8_decode(s, n, &cp);
    *length = len > 0 ? (size_t)len : len < 0 ? (size_t)-len : 1;
    if (len <= 0) return 0;
    if (unicode_class_of(cp) == UNICODE_SPACE) return SPACE;
    switch (unicode_category_of(cp)) {
    case CATEGORY_LU:
    case CATEGORY_LT: return UPPER;
    case CATEGORY_LL: return LOWER;
    case CATEGORY_LM:
    case CATEGORY_LO: return UPPER | LOWER;
    case CATEGORY_MN:
    case CATEGORY_MC:
    case CATEGORY_ME: return UPPER | LOWER | MARK;
    case CATEGORY_ND:
    case CATEGORY_NL:
    case CATEGORY_NO: return NUMBER;
    default: return 0;
    }
}

/* U*W+ from `at` on: where it ends, 0 if it does not match.  *upper: where U* alone ends. */
static size_t word(const char *s, size_t n, size_t at, size_t *upper) {
    size_t both = 0, length = 0; /* behind the last character of U* that W takes too */
    unsigned kind = 0;
    for (; at < n && (kind = kind_at(s + at, n - at, &length)) & UPPER; at += length)
        if (kind & LOWER) both = at + length;
    *upper = at;
    if (at == n || !(kind & LOWER)) return both;
    while (at < n && kind_at(s + at, n - at, &length) & LOWER) at += length;
    return at;
}

static size_t next(const char *s, size_t n, bool contractions, int digits) {
    size_t first, length, upper = 0, end = 0;
    unsigned kind = kind_at(s, n, &first);
    bool letter = (kind & LETTER) && !(kind & MARK), skips = !letter && !(kind & (NUMBER | NEWLINE));
    size_t after = 0; /* where U* ends behind the character that may be skipped */
    if (skips) end = word(s, n, first, &after);
    if (!end && (kind & LETTER)) end = word(s, n, 0, &upper);
    if (!end && skips && after > first) end = after;
    if (!end && upper) end = upper;
    if (end) return contractions && end < n && s[end] == '\'' ? end + contraction_any_case(s + end, n - end) : end;
    if (kind & NUMBER) {
        for (end = first; end < n && --digits > 0 && kind_at(s + end, n - end, &length) & NUMBER;) end += length;
        return end;
    }
    /* ` ?[^\s\p{L}\p{N}]+[\r\n/]*`; a mark is none of these three classes. */
    size_t at = *s == ' ' ? 1 : 0, from = at;
    while (at < n) {
        unsigned k = kind_at(s + at, n - at, &length);
        if ((k & (SPACE | NUMBER)) || ((k & LETTER) && !(k & MARK))) break;
        at += length;
    }
    if (at > from) {
        while (at < n && (s[at] == '\r' || s[at] == '\n' || s[at] == '/')) at++;
        return at;
    }
    /* White space: up to its last line break; else all of it at the end of the text, else all but its last character. */
    size_t last = 0, broken = 0;
    for (at = 0; at < n; at += length) {
        unsigned k = kind_at(s + at, n - at, &length);
        if (!(k & SPACE)) break;
        if (k & NEWLINE) broken = at + length;
        last = at;
    }
    if (broken) return broken;
    return at == n || !last ? at : last;
}

size_t pretokenize_o200k_next(const char *text, size_t n) { return next(text, n, true, 3); }
size_t pretokenize_tekken_next(const char *text, size_t n) { return next(text, n, false, 1); }
