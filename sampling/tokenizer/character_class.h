/* character_class.h -- letter, number, white space or other of the character at a place of a text, ASCII by a table: the inner
 * loop of every scanner.  Bytes that are no valid UTF-8 are "other".  Called by pretokenize_*.c. */
#ifndef GLIMPSE_SAMPLING_CHARACTER_CLASS_H
#define GLIMPSE_SAMPLING_CHARACTER_CLASS_H

#include <stddef.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/unicode_classes.h"

static const unsigned char ascii_class[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0,
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0,
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0};

/* Of the character at s (n > 0 bytes are there) and its length. */
static inline unicode_class class_at(const char *s, size_t n, size_t *length) {
    unsigned char c = (unsigned char)*s;
    if (c < 0x80) {
        *length = 1;
        return (unicode_class)ascii_class[c];
    }
    uint32_t cp;
    int len = utf8_decode(s, n, &cp);
    *length = len > 0 ? (size_t)len : len < 0 ? (size_t)-len : 1;
    return len > 0 ? unicode_class_of(cp) : UNICODE_OTHER;
}

/* Where the ASCII letters that go on at `at` end, or the last eight bytes begin.  Eight at a time: the end of a word is no
 * branch that a processor has to guess. */
static inline size_t ascii_letters(const char *s, size_t n, size_t at) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    while (n - at >= 8) {
        uint64_t x;
        memcpy(&x, s + at, 8);
        uint64_t small = (x & ~high) | 0x20 * ones; /* then from 'a' on, and not beyond 'z'; no byte carries into the next */
        uint64_t other = ~((small + (0x80 - 'a') * ones) & ~(small + (0x7f - 'z') * ones) & ~x) & high;
        if (other) return at + (size_t)(__builtin_ctzll(other) >> 3);
        at += 8;
    }
#else
    (void)s, (void)n;
#endif
    return at;
}

/* Where the run of one class that goes on at `at` ends. */
static inline size_t class_run(const char *s, size_t n, size_t at, unicode_class want) {
    if (want == UNICODE_LETTER) at = ascii_letters(s, n, at);
    while (at < n) {
        unsigned char c = (unsigned char)s[at];
        size_t length = 1;
        if ((c < 0x80 ? (unicode_class)ascii_class[c] : class_at(s + at, n - at, &length)) != want) break;
        at += length;
    }
    return at;
}

#endif
