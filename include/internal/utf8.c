/* utf8.c -- see utf8.h.  The ranges of the second byte are table 3-7 of the Unicode standard, "well-formed UTF-8". */
#include "include/internal/utf8.h"

#include <string.h>

int utf8_decode(const char *text, size_t n, uint32_t *cp) {
    const unsigned char *s = (const unsigned char *)text;
    *cp = 0xFFFD;
    if (n == 0) return 0;
    unsigned b = s[0], lo = 0x80, hi = 0xBF;
    int len;
    uint32_t value;
    if (b < 0x80) {
        *cp = b;
        return 1;
    }
    if (b < 0xC2) return -1;
    if (b < 0xE0) {
        len = 2, value = b & 0x1F;
    } else if (b < 0xF0) {
        len = 3, value = b & 0x0F;
        if (b == 0xE0) lo = 0xA0; /* below: overlong */
        if (b == 0xED) hi = 0x9F; /* above: surrogates */
    } else if (b < 0xF5) {
        len = 4, value = b & 0x07;
        if (b == 0xF0) lo = 0x90;
        if (b == 0xF4) hi = 0x8F;
    } else {
        return -1;
    }
    for (int i = 1; i < len; i++, lo = 0x80, hi = 0xBF) {
        if ((size_t)i >= n) return 0;
        if (s[i] < lo || s[i] > hi) return -i;
        value = value << 6 | (s[i] & 0x3F);
    }
    *cp = value;
    return len;
}

size_t utf8_complete_prefix(const char *s, size_t n) {
    /* Only the last three bytes can be an unfinished character: look for a lead byte there that wants more. */
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char b = (unsigned char)s[n - back];
        if ((b & 0xC0) == 0x80) continue;
        uint32_t cp;
        return utf8_decode(s + n - back, back, &cp) == 0 ? n - back : n;
    }
    return n;
}

bool utf8_valid(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        uint64_t eight;
        while (n - i >= sizeof eight && (memcpy(&eight, s + i, sizeof eight), !(eight & 0x8080808080808080u))) i += sizeof eight;
        if (i == n) return true;
        int len = utf8_decode(s + i, n - i, &cp);
        if (len <= 0) return false;
        i += (size_t)len;
    }
    return true;
}

int utf8_encode(uint32_t cp, char out[4]) {
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF)) cp = 0xFFFD;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

bool utf8_is_control(uint32_t cp) {
    if (cp < 0x20) return true;
    if (cp < 0x7F) return false;
    if (cp < 0xA0) return true;
    return cp == 0x061C || cp == 0x200E || cp == 0x200F || (cp >= 0x2028 && cp <= 0x202E) ||
           (cp >= 0x2066 && cp <= 0x206F) || cp == 0xFEFF || (cp >= 0xFFF9 && cp <= 0xFFFB) ||
           (cp >= 0xE0000 && cp <= 0xE007F);
}

bool utf8_line(const char *text, size_t n, size_t *at, const char **line, size_t *bytes) {
    if (*at == 0 && n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) *at = 3;
    while (*at < n) {
        const char *from = text + *at, *end = memchr(from, '\n', n - *at);
        size_t len = end ? (size_t)(end - from) : n - *at;
        *at += len + (end != NULL);
        if (len && from[len - 1] == '\r') len--;
        if (!len) continue;
        *line = from;
        *bytes = len;
        return true;
    }
    return false;
}
