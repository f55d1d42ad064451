/* base64_text.c -- see base64_text.h. */
#include "sampling/tokenizer/base64_text.h"

int base64_digit(char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

bool base64_text(const char *s, size_t n, buffer *out) {
    size_t pad = n && s[n - 1] == '=' ? 1 + (n > 1 && s[n - 2] == '=') : 0;
    uint32_t bits = 0;
    if (!n || n % 4) return false;
    for (size_t i = 0; i < n; i++) {
        int d = i < n - pad ? base64_digit(s[i]) : 0;
        if (d < 0) return false;
        bits = bits << 6 | (uint32_t)d;
        if (i % 4 != 3) continue;
        size_t drop = i == n - 1 ? pad : 0;
        for (size_t k = 0; k < 3 - drop; k++) buf_putc(out, (char)(bits >> (16 - 8 * k)));
        bits = 0;
    }
    return true;
}
