/* buffer.c -- see buffer.h.  The C locale is switched on for the calling thread only (uselocale), never with setlocale,
 * which belongs to the host; newlocale("C") hands out glibc's static object and allocates nothing. */
#define _GNU_SOURCE
#include "include/internal/buffer.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"

char *buf_reserve(buffer *b, size_t n) {
    if (b->failed) return NULL;
    if (n > SIZE_MAX / 2 - 1 - b->n) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->n + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need) cap *= 2; /* need <= SIZE_MAX / 2: cannot wrap */
        char *grown = realloc(b->bytes, cap);
        if (!grown) {
            b->failed = true;
            return NULL;
        }
        b->bytes = grown;
        b->cap = cap;
        b->bytes[b->n] = 0;
    }
    return b->bytes + b->n;
}

void buf_advance(buffer *b, size_t n) {
    if (b->failed || n == 0) return;
    b->n += n;
    b->bytes[b->n] = 0;
}

void buf_put(buffer *b, const void *bytes, size_t n) {
    if (n == 0) return;
    char *to = buf_reserve(b, n);
    if (!to) return;
    memcpy(to, bytes, n);
    buf_advance(b, n);
}

void buf_puts(buffer *b, const char *text) { buf_put(b, text, strlen(text)); }
void buf_putc(buffer *b, char c) { buf_put(b, &c, 1); }

void buf_fill(buffer *b, char c, size_t n) {
    char *to = buf_reserve(b, n);
    if (!to || n == 0) return;
    memset(to, c, n);
    buf_advance(b, n);
}

int c_vsnprintf(char *out, size_t cap, const char *fmt, va_list args) {
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = c ? uselocale(c) : (locale_t)0;
    int n = vsnprintf(out, cap, fmt, args);
    if (before) uselocale(before);
    if (c) freelocale(c);
    return n;
}

int c_snprintf(char *out, size_t cap, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = c_vsnprintf(out, cap, fmt, args);
    va_end(args);
    return n;
}

void buf_vprintf(buffer *b, const char *fmt, va_list args) {
    char small[256];
    va_list again;
    va_copy(again, args);
    int n = c_vsnprintf(small, sizeof small, fmt, args);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < sizeof small) {
        buf_put(b, small, (size_t)n);
    } else {
        char *to = buf_reserve(b, (size_t)n);
        if (to) {
            c_vsnprintf(to, (size_t)n + 1, fmt, again);
            buf_advance(b, (size_t)n);
        }
    }
    va_end(again);
}

void buf_printf(buffer *b, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

void buf_g(buffer *b, double value, int digits) {
    if (digits < 1) digits = 1;
    if (digits > 17) digits = 17;
    if (isnan(value)) buf_puts(b, "nan"); /* printf would show the sign bit of a NaN */
    else buf_printf(b, "%.*g", digits, value);
}

void buf_float(buffer *b, float value) {
    char text[32];
    int digits = 6;
    for (double back; digits < 9 && isfinite(value); digits++) {
        int n = c_snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (parse_double(text, (size_t)n, &back) && (float)back == value) break;
    }
    buf_g(b, (double)value, digits);
}

void buf_u64(buffer *b, uint64_t value) {
    char digits[20];
    size_t i = sizeof digits;
    do digits[--i] = (char)('0' + value % 10);
    while (value /= 10);
    buf_put(b, digits + i, sizeof digits - i);
}

void buf_i64(buffer *b, int64_t value) {
    if (value < 0) buf_putc(b, '-');
    buf_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_json_string(buffer *b, const char *bytes, size_t n) {
    buf_putc(b, '"');
    size_t plain = 0; /* start of a run that needs no escape */
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = utf8_decode(bytes + i, n - i, &cp);
        if (len > 0 && cp >= 0x20 && cp != '"' && cp != '\\' && cp != 0x7F && cp != 0x2028 && cp != 0x2029) {
            i += (size_t)len;
            continue;
        }
        buf_put(b, bytes + plain, i - plain);
        if (len <= 0) buf_puts(b, "\xEF\xBF\xBD");
        else if (cp == '"') buf_puts(b, "\\\"");
        else if (cp == '\\') buf_puts(b, "\\\\");
        else if (cp == '\n') buf_puts(b, "\\n");
        else if (cp == '\t') buf_puts(b, "\\t");
        else if (cp == '\r') buf_puts(b, "\\r");
        else buf_printf(b, "\\u%04x", (unsigned)cp);
        i += len > 0 ? (size_t)len : len < 0 ? (size_t)-len : n - i;
        plain = i;
    }
    buf_put(b, bytes + plain, n - plain);
    buf_putc(b, '"');
}

bool buf_failed(const buffer *b) { return b->failed; }
const char *buf_str(const buffer *b) { return b->bytes ? b->bytes : ""; }

void buf_clear(buffer *b) {
    b->n = 0;
    if (b->bytes) b->bytes[0] = 0;
}

char *buf_take(buffer *b, size_t *n) {
    buf_reserve(b, 0);
    if (b->failed) {
        buf_free(b);
        return NULL;
    }
    char *bytes = b->bytes;
    if (n) *n = b->n;
    *b = (buffer){0};
    return bytes;
}

void buf_free(buffer *b) {
    free(b->bytes);
    *b = (buffer){0};
}

bool parse_double(const char *s, size_t n, double *out) {
    /* strtod would take blanks, "0x1p3", "inf" and "nan": let only what a decimal number is made of reach it. */
    char copy[512];
    if (n == 0 || n >= sizeof copy) return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] == 0 || !strchr("0123456789+-.eE", s[i])) return false;
    memcpy(copy, s, n);
    copy[n] = 0;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c) return false;
    int saved = errno;
    char *end;
    double value = strtod_l(copy, &end, c);
    errno = saved;
    freelocale(c);
    if (end != copy + n || !isfinite(value)) return false;
    *out = value;
    return true;
}

bool parse_u64(const char *s, size_t n, uint64_t *out) {
    uint64_t value = 0;
    size_t i = n && s[0] == '+';
    if (i == n) return false;
    for (; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        unsigned digit = (unsigned)(s[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool parse_i64(const char *s, size_t n, int64_t *out) {
    bool negative = n && s[0] == '-';
    uint64_t value;
    if (negative && n > 1 && s[1] == '+') return false;
    if (!parse_u64(s + negative, n - negative, &value)) return false;
    if (value > (uint64_t)INT64_MAX + negative) return false;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}
