/* json_regex.c -- see json_regex.h.  \s of the reference engine is the property White_Space; PCRE2's also has U+180E, so it
 * is written out.  Matching is bounded: a pattern like (a+)+ ends in an error and not in a standstill. */
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include "sampling/tokenizer/json_regex.h"

#include <pcre2.h>
#include <string.h>

#include "sampling/tokenizer/pretokenize_gpt2.h"
#include "sampling/tokenizer/pretokenize_llama3.h"

enum { MAX_PATTERN = 4096, MATCH_LIMIT = 1000000, HEAP_LIMIT_KB = 16384 };

#define SPACES "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

static const struct {
    const char *pattern;
    matcher_kind match;
} known[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", MATCH_GPT2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", MATCH_GPT2},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     MATCH_LLAMA3},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     MATCH_QWEN2},
};

/* Write the pattern with \s and \S spelled out. */
static glimpse_status rewrite(const char *name, const char *p, size_t n, buffer *out) {
    bool in_class = false;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            char c = p[++i];
            if (c == 's') buf_puts(out, in_class ? SPACES : "[" SPACES "]");
            else if (c == 'S' && !in_class) buf_puts(out, "[^" SPACES "]");
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
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].pattern) == n && !memcmp(known[i].pattern, pattern, n)) {
            s->match = known[i].match;
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

glimpse_status regex_next(const json_step *s, const char *text, size_t n, size_t from, size_t *at, size_t *bytes,
                          bool *found) {
    *found = false;
    if (s->match == MATCH_TEXT) {
        const char *p = from < n ? memmem(text + from, n - from, s->text, s->text_n) : NULL;
        if (p) *at = (size_t)(p - text), *bytes = s->text_n, *found = true;
        return GLIMPSE_OK;
    }
    if (s->match != MATCH_REGEX) { /* the scanners' patterns match everywhere */
        if (from >= n) return GLIMPSE_OK;
        *at = from, *found = true;
        *bytes = s->match == MATCH_GPT2     ? pretokenize_gpt2_next(text + from, n - from)
                 : s->match == MATCH_LLAMA3 ? pretokenize_llama3_next(text + from, n - from)
                                            : pretokenize_qwen2_next(text + from, n - from);
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
