/* base64.c -- RFC 4648 (base64.h). */
#include "include/internal/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t n, buffer *out) {
    const unsigned char *p = bytes;
    char *to = buf_reserve(out, (n + 2) / 3 * 4);
    if (!to) return;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)(i + 1 < n ? p[i + 1] : 0) << 8 | (i + 2 < n ? p[i + 2] : 0u);
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *to++ = i + 2 < n ? digits[v & 63] : '=';
    }
    buf_advance(out, (n + 2) / 3 * 4);
}

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t n, buffer *out) {
    if (n % 4) return false;
    for (size_t i = 0; i < n; i += 4) {
        int pad = text[i + 3] == '=' ? text[i + 2] == '=' ? 2 : 1 : 0;
        if (pad && i + 4 != n) return false;
        uint32_t v = 0;
        for (int k = 0; k < 4; k++) {
            int d = k >= 4 - pad ? 0 : value_of(text[i + (size_t)k]);
            if (d < 0) return false;
            v = v << 6 | (uint32_t)d;
        }
        char b[3] = { (char)(v >> 16), (char)(v >> 8), (char)v };
        buf_put(out, b, (size_t)(3 - pad));
    }
    return true;
}
