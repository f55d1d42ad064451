/* json_regex.c -- see json_regex.h.  \s of the reference engine is the property White_Space; PCRE2's also has U+180E, so it
 * is written out.  Matching is bounded: a pattern like (a+)+ ends in an error and not in a standstill. */
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include "sampling/tokenizer/json_regex.h"

#include <pcre2.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/unicode_classes.h"
#include "sampling/tokenizer/unicode_sets.h"

enum { MAX_PATTERN = 4096, MATCH_LIMIT = 1000000, HEAP_LIMIT_KB = 16384 };

#define SPACES "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

/* \p{L} and its like at p[i] = 'p' or 'P': with the characters that Unicode 16 added to PCRE2's, whose tables may be older.
 * Returns the place of its last character. */
static size_t put_category(const char *p, size_t n, size_t i, bool in_class, buffer *out) {
    char name[3] = "";
    const char *end = i + 1 < n && p[i + 1] == '{' ? memchr(p + i, '}', n - i) : NULL;
    size_t length = end ? (size_t)(end - (p + i)) - 2 : 0;
    if (!end || length < 1 || length > 2 || p[i + 2] == '^') {
        buf_putc(out, '\\'), buf_putc(out, p[i]);
        return i;
    }
    memcpy(name, p + i + 2, length);
    if (!in_class) buf_puts(out, p[i] == 'P' ? "[^" : "[");
    buf_printf(out, "\\p{%s}", name);
    for (int k = 0; k < n_unicode_news; k++)
        for (int r = 0; !strncmp(unicode_news[k].category, name, length) && r < unicode_news[k].n; r++)
            buf_printf(out, "\\x{%x}-\\x{%x}", (unsigned)unicode_news[k].ranges[r].low,
                       (unsigned)unicode_news[k].ranges[r].high);
    if (!in_class) buf_putc(out, ']');
    return (size_t)(end - p);
}

/* Write the pattern with \s and \S spelled out. */
static glimpse_status rewrite(const char *name, const char *p, size_t n, buffer *out) {
    bool in_class = false;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            char c = p[++i];
            if (c == 's') buf_puts(out, in_class ? SPACES : "[" SPACES "]");
            else if (c == 'S' && !in_class) buf_puts(out, "[^" SPACES "]");
            else if (c == 'p' || (c == 'P' && !in_class)) i = put_category(p, n, i, in_class, out);
            else if (c == 'S' || c == 'h' || c == 'H' || c == 'R' || c == 'X' || c == 'G' || c == 'K' || c == 'C')
                FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern with \\%c%s is not known", name, c,
                     c == 'S' ? " in a class" : "");
            else buf_putc(out, '\\'), buf_putc(out, c);
            continue;
        }
        if (p[i] == '[' && !in_class) {
            in_class = true;
            buf_putc(out, '[');
            if (i + 1 < n && p[i + 1] == '^') buf_putc(out, p[++i]);
            if (i + 1 < n && p[i + 1] == ']') buf_putc(out, p[++i]);
            continue;
        }
        if (p[i] == '[') FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern with a class in a class is not known", name);
        if (p[i] == ']') in_class = false;
        buf_putc(out, p[i]);
    }
    return GLIMPSE_OK;
}

glimpse_status regex_matcher(const char *name, const char *pattern, size_t n, json_step *s) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    int error = 0;
    PCRE2_SIZE where = 0;
    if ((s->scan = pattern_scanner(pattern, n))) {
        s->match = MATCH_SCAN;
        return GLIMPSE_OK;
    }
    if (n > MAX_PATTERN)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern of %zu bytes, at most %d are read", name, n, (int)MAX_PATTERN);
    TRY_GOTO(rewrite(name, pattern, n, &text));
    if (buf_failed(&text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a pattern");
    s->match = MATCH_REGEX;
    s->regex = pcre2_compile((PCRE2_SPTR)buf_str(&text), text.n, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C,
                             &error, &where, NULL);
    if (!s->regex) {
        char why[128] = "";
        pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof why);
        FAIL_GOTO(GLIMPSE_E_UNSUPPORTED, "%s: the pattern \"%.*s\" is not taken: %s", name, n < 200 ? (int)n : 200,
                  pattern, why);
    }
    pcre2_jit_compile(s->regex, PCRE2_JIT_COMPLETE); /* without it the interpreter runs */
    s->regex_match = pcre2_match_data_create_from_pattern(s->regex, NULL);
    if (!s->regex_match) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a pattern");
out:
    buf_free(&text);
    return st;
}

/* 0 white space, 1 \w, 2 neither. */
static int word_kind(uint32_t cp) {
    if (cp == '_' || (cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z')) return 1;
    if (unicode_class_of(cp) == UNICODE_SPACE) return 0;
    return cp < 0x80 ? 2 : unicode_in(SET_WORD, cp) ? 1 : 2;
}

static bool is_in(const json_step *s, uint32_t cp) {
    return s->match == MATCH_SPACE ? unicode_class_of(cp) == UNICODE_SPACE
           : s->match == MATCH_SET ? unicode_in((unicode_set_id)s->set, cp)
                                   : word_kind(cp) != 0;
}

/* The first character of the set; of words, all that follow and are of its kind. */
static void next_of_set(const json_step *s, const char *text, size_t n, size_t from, size_t *at, size_t *bytes, bool *found) {
    uint32_t cp, then;
    for (int len; from < n; from += (size_t)len) {
        if ((len = utf8_decode(text + from, n - from, &cp)) <= 0) len = 1;
        if (!is_in(s, cp)) continue;
        *at = from, *bytes = (size_t)len, *found = true;
        if (s->match != MATCH_WORDS) return;
        while (from + *bytes < n && (len = utf8_decode(text + from + *bytes, n - from - *bytes, &then)) > 0 &&
               word_kind(then) == word_kind(cp))
            *bytes += (size_t)len;
        return;
    }
}

glimpse_status regex_next(const json_step *s, const char *text, size_t n, size_t from, size_t *at, size_t *bytes,
                          bool *found) {
    *found = false;
    if (s->match == MATCH_TEXT) {
        const char *p = from < n ? memmem(text + from, n - from, s->text, s->text_n) : NULL;
        if (p) *at = (size_t)(p - text), *bytes = s->text_n, *found = true;
        return GLIMPSE_OK;
    }
    if (s->match == MATCH_SCAN) {
        if (from >= n) return GLIMPSE_OK;
        *at = from, *found = true;
        *bytes = s->scan(text + from, n - from);
        return GLIMPSE_OK;
    }
    if (s->match != MATCH_REGEX) {
        next_of_set(s, text, n, from, at, bytes, found);
        return GLIMPSE_OK;
    }
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    if (!context) FAIL(GLIMPSE_E_MEMORY, "no memory for a pattern");
    pcre2_set_match_limit(context, MATCH_LIMIT);
    pcre2_set_heap_limit(context, HEAP_LIMIT_KB);
    int rc = 0;
    while (from <= n) {
        rc = pcre2_match(s->regex, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, s->regex_match,
                         context);
        if (rc < 0) break;
        const PCRE2_SIZE *o = pcre2_get_ovector_pointer(s->regex_match);
        if (o[1] > o[0] && o[0] >= from) {
            *at = o[0], *bytes = o[1] - o[0], *found = true;
            break;
        }
        from = o[0] + 1;
        while (from < n && ((unsigned char)text[from] & 0xc0) == 0x80) from++;
    }
    pcre2_match_context_free(context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        FAIL(GLIMPSE_E_TOKENIZER, "the tokenizer's pattern needs too many steps for this text (PCRE2 error %d)", rc);
    return GLIMPSE_OK;
}

void regex_free(json_step *s) {
    pcre2_match_data_free(s->regex_match);
    pcre2_code_free(s->regex);
    s->regex = s->regex_match = NULL;
}
