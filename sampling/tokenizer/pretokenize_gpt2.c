/* pretokenize_gpt2.c -- the alternatives of GPT-2's pattern, in its order (pretokenize_gpt2.h). */
#include "sampling/tokenizer/pretokenize_gpt2.h"

#include <stdint.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/unicode_classes.h"

/* The class and the length of the character at s; n > 0. */
static unicode_class class_at(const char *s, size_t n, size_t *length) {
    unsigned char c = (unsigned char)*s;
    uint32_t cp = c;
    int len = 1;
    if (c >= 0x80) len = utf8_decode(s, n, &cp);
    *length = len > 0 ? (size_t)len : len < 0 ? (size_t)-len : 1;
    return len > 0 ? unicode_class_of(cp) : UNICODE_OTHER;
}

/* Bytes of the run of characters of one class from `at` on. */
static size_t run_end(const char *s, size_t n, size_t at, unicode_class want) {
    while (at < n) {
        size_t length;
        if (class_at(s + at, n - at, &length) != want) break;
        at += length;
    }
    return at;
}

static size_t contraction(const char *s, size_t n) {
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        if (length <= n && !memcmp(s, endings[i], length)) return length;
    }
    return 0;
}

size_t pretokenize_gpt2_next(const char *s, size_t n) {
    size_t length, more;
    if (*s == '\'' && (length = contraction(s, n))) return length;
    unicode_class c = class_at(s, n, &length);
    if (c != UNICODE_SPACE) return run_end(s, n, length, c);
    if (*s == ' ' && n > 1) {
        unicode_class next = class_at(s + 1, n - 1, &more);
        if (next != UNICODE_SPACE) return run_end(s, n, 1 + more, next);
    }
    /* White space: all of it at the end of the text, else all but its last character, which may belong to what follows
     * (`\s+(?!\S)`); a single one stands alone (`\s+`). */
    size_t at = length, last = 0;
    while (at < n) {
        if (class_at(s + at, n - at, &more) != UNICODE_SPACE) break;
        last = at;
        at += more;
    }
    return at == n || !last ? at : last;
}
