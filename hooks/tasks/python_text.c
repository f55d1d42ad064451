/* python_text.c -- see python_text.h. */
#include "hooks/tasks/python_text.h"

#include "include/internal/utf8.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

bool py_is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680
           || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* The code point at s, its length in *len; an invalid byte counts as U+FFFD. */
static uint32_t at(const char *s, size_t n, size_t *len) {
    uint32_t cp;
    int k = utf8_decode(s, n, &cp);
    *len = k > 0 ? (size_t)k : k < 0 ? (size_t)-k : n;
    return cp;
}

text py_lstrip(text t) {
    size_t len;
    while (t.n && py_is_space(at(t.s, t.n, &len))) t = (text){ t.s + len, t.n - len };
    return t;
}

static size_t last_length(text t) {
    size_t k = 1;
    while (k < 4 && k < t.n && ((unsigned char)t.s[t.n - k] & 0xC0) == 0x80) k++;
    return k;
}

text py_rstrip(text t) {
    while (t.n) {
        size_t len, k = last_length(t);
        if (!py_is_space(at(t.s + t.n - k, k, &len))) break;
        t.n -= k;
    }
    return t;
}

text py_strip(text t) { return py_rstrip(py_lstrip(t)); }

text py_drop_last(text t) {
    if (t.n) t.n -= last_length(t);
    return t;
}

int64_t py_len(text t) {
    int64_t n = 0;
    for (size_t i = 0, len; i < t.n; i += len, n++) at(t.s + i, t.n - i, &len);
    return n;
}

int64_t py_count_words(text t) {
    int64_t runs = 0;
    bool blank = false;
    for (size_t i = 0, len; i < t.n; i += len) {
        bool now = py_is_space(at(t.s + i, t.n - i, &len));
        runs += now && !blank;
        blank = now;
    }
    return runs + 1;
}

/* --- case --------------------------------------------------------------------------------------------------------- */

static void put_cp(uint32_t cp, buffer *out) {
    char room[4];
    buf_put(out, room, (size_t)utf8_encode(cp, room));
}

/* SpecialCasing.txt's title forms of more than one code point: written by tests/ref/title_case.py. */
typedef struct title_form {
    uint32_t cp;
    const char *title;
} title_form;
static const title_form titles[] = {
#include "hooks/tasks/title_case.h"
};

static void put_title(uint32_t cp, buffer *out) {
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].cp == cp) {
            buf_puts(out, titles[i].title);
            return;
        }
    put_cp((uint32_t)utf8proc_totitle((utf8proc_int32_t)cp), out);
}

static bool is_case_ignorable(uint32_t c) { /* Word_Break MidLetter & co. and marks: what a final sigma looks through */
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x387 || c == 0x2018 || c == 0x2019 || c == 0x2024
           || c == 0x2027 || c == 0xFE13 || c == 0xFE52 || c == 0xFE55 || c == 0xFF07 || c == 0xFF0E || c == 0xFF1A
           || k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF
           || k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK;
}

static bool is_cased(uint32_t c) {
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

/* Unicode's Final_Sigma: a cased letter before, none after, looking through what is ignorable. */
static bool is_final_sigma(text t, size_t i) {
    bool before = false;
    for (size_t k = i; k > 0;) {
        size_t len = last_length((text){ t.s, k });
        uint32_t c = at(t.s + k - len, len, &len);
        k -= len;
        if (is_case_ignorable(c)) continue;
        before = is_cased(c);
        break;
    }
    size_t len;
    for (size_t k = i + 2; before && k < t.n; k += len) {
        uint32_t c = at(t.s + k, t.n - k, &len);
        if (is_case_ignorable(c)) continue;
        return !is_cased(c);
    }
    return before;
}

static void put_lower(text t, size_t i, uint32_t cp, buffer *out) {
    if (cp == 0x130) buf_puts(out, "i\xCC\x87");
    else if (cp == 0x3A3) put_cp(is_final_sigma(t, i) ? 0x3C2 : 0x3C3, out);
    else put_cp((uint32_t)utf8proc_tolower((utf8proc_int32_t)cp), out);
}

void py_capitalize(text t, buffer *out) {
    for (size_t i = 0, len; i < t.n; i += len) {
        uint32_t cp = at(t.s + i, t.n - i, &len);
        if (i) put_lower(t, i, cp, out);
        else put_title(cp, out);
    }
}

void py_lower_first(text t, buffer *out) {
    if (!t.n) return;
    size_t len;
    uint32_t cp = at(t.s, t.n, &len);
    put_lower((text){ t.s, len }, 0, cp, out);
    buf_put(out, t.s + len, t.n - len);
}

/* --- replacing ---------------------------------------------------------------------------------------------------- */

void py_replace(buffer *t, const char *from, const char *to) {
    size_t n = strlen(from);
    buffer out = {0};
    const char *s = buf_str(t), *end = s + t->n;
    if (!t->n || !memmem(s, t->n, from, n)) return;
    while (s < end) {
        const char *hit = memmem(s, (size_t)(end - s), from, n);
        buf_put(&out, s, (size_t)((hit ? hit : end) - s));
        if (!hit) break;
        buf_puts(&out, to);
        s = hit + n;
    }
    out.failed |= t->failed;
    buf_free(t);
    *t = out;
}

void py_trim_pairs(buffer *t, char open, char close) {
    buffer out = {0};
    const char *s = buf_str(t), *end = s + t->n;
    while (s < end) {
        const char *from = memchr(s, open, (size_t)(end - s));
        const char *to = from ? memchr(from + 1, close, (size_t)(end - from - 1)) : NULL;
        if (!to) {
            buf_put(&out, s, (size_t)(end - s));
            break;
        }
        buf_put(&out, s, (size_t)(from + 1 - s));
        text inside = py_strip((text){ from + 1, (size_t)(to - from - 1) });
        buf_put(&out, inside.s, inside.n);
        buf_putc(&out, close);
        s = to + 1;
    }
    out.failed |= t->failed;
    buf_free(t);
    *t = out;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

void py_json_string(text t, buffer *out) {
    buf_putc(out, '"');
    for (size_t i = 0; i < t.n; i++) {
        unsigned char c = (unsigned char)t.s[i];
        static const char named[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
        const char *k = c ? strchr(named, c) : NULL;
        if (k) {
            buf_putc(out, '\\');
            buf_putc(out, letters[k - named]);
        } else if (c < 0x20) buf_printf(out, "\\u%04x", c);
        else buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

void py_float(double x, buffer *out) {
    char room[64], digits[32];
    if (isnan(x)) return buf_puts(out, "NaN");
    if (isinf(x)) return buf_puts(out, x < 0 ? "-Infinity" : "Infinity");
    for (int n = 1; n <= 17; n++) {
        double back = 0;
        c_snprintf(room, sizeof room, "%.*e", n - 1, x);
        if (parse_double(room, strlen(room), &back) && back == x) break;
    }
    const char *s = room;
    if (*s == '-') buf_putc(out, *s++);
    int n = 0;
    for (; *s != 'e'; s++)
        if (*s != '.') digits[n++] = *s;
    int e = atoi(s + 1);
    if (e < -4 || e >= 16) { /* repr's: d.ddde+XX */
        buf_putc(out, digits[0]);
        if (n > 1) {
            buf_putc(out, '.');
            buf_put(out, digits + 1, (size_t)n - 1);
        }
        buf_printf(out, "e%c%02d", e < 0 ? '-' : '+', abs(e));
        return;
    }
    if (e < 0) {
        buf_puts(out, "0.");
        buf_fill(out, '0', (size_t)(-e - 1));
        buf_put(out, digits, (size_t)n);
        return;
    }
    for (int i = 0; i <= e || i < n; i++) {
        if (i == e + 1) buf_putc(out, '.');
        buf_putc(out, i < n ? digits[i] : '0');
    }
    if (n <= e + 1) buf_puts(out, ".0");
}
