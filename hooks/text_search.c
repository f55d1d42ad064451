/* text_search.c -- see text_search.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "hooks/text_search.h"

#include "include/internal/utf8.h"
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

struct text_search {
    pcre2_code *pattern;
    pcre2_match_data *match;
};

/* The pattern of a query and its flags: matcher_of in viz/page/search.js reads one in the same way. */
static uint32_t read_query(const char **query, size_t *n) {
    uint32_t flags = PCRE2_UTF | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    size_t from = 1, to = *n, flags_at = *n;
    if (*n < 2 || **query != '/') return PCRE2_UTF | PCRE2_CASELESS | PCRE2_LITERAL;
    while (flags_at > from && memchr("gimsu", (*query)[flags_at - 1], 5)) flags_at--;
    if ((*query)[flags_at - 1] == '/' && flags_at > from) {
        to = flags_at - 1;
        for (size_t i = flags_at; i < *n; i++) flags |= (*query)[i] == 'i' ? PCRE2_CASELESS : (*query)[i] == 's' ? PCRE2_DOTALL : 0;
    }
    if (to == from) return PCRE2_UTF | PCRE2_CASELESS | PCRE2_LITERAL; /* no pattern: two slashes */
    *query += from;
    *n = to - from;
    return flags;
}

glimpse_status text_search_open(const char *query, size_t n, text_search **out) {
    int code;
    PCRE2_SIZE at;
    uint32_t flags = read_query(&query, &n);
    text_search *s = calloc(1, sizeof *s);
    if (!s) FAIL(GLIMPSE_E_MEMORY, "no memory for a search");
    s->pattern = pcre2_compile((PCRE2_SPTR)query, n, flags, &code, &at, NULL);
    if (!s->pattern) {
        PCRE2_UCHAR why[128] = "";
        pcre2_get_error_message(code, why, sizeof why);
        text_search_close(s);
        FAIL(GLIMPSE_E_INVALID, "%s", (const char *)why);
    }
    pcre2_jit_compile(s->pattern, PCRE2_JIT_COMPLETE); /* without it the interpreter runs */
    s->match = pcre2_match_data_create_from_pattern(s->pattern, NULL);
    if (!s->match) {
        text_search_close(s);
        FAIL(GLIMPSE_E_MEMORY, "no memory for a search");
    }
    *out = s;
    return GLIMPSE_OK;
}

void text_search_close(text_search *s) {
    if (!s) return;
    pcre2_code_free(s->pattern);
    pcre2_match_data_free(s->match);
    free(s);
}

void text_search_prepare(buffer *text) {
    for (size_t at = 0; at < text->n;) {
        uint32_t cp;
        int n = utf8_decode(text->bytes + at, text->n - at, &cp);
        if (n > 0) at += (size_t)n;
        else text->bytes[at++] = 0x1A;
    }
}

bool text_search_next(text_search *s, const buffer *text, size_t from, size_t *begin, size_t *end) {
    if (from > text->n) return false;
    int rc = pcre2_match(s->pattern, (PCRE2_SPTR)buf_str(text), text->n, from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, s->match, NULL);
    if (rc < 0) return false;
    const PCRE2_SIZE *o = pcre2_get_ovector_pointer(s->match);
    if (o[1] <= o[0] || o[1] <= from) return false; /* \K in a lookaround */
    *begin = o[0];
    *end = o[1];
    return true;
}
