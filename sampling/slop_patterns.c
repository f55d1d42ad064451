/* slop_patterns.c -- see slop_patterns.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "sampling/slop_patterns.h"

#include <pcre2.h>
#include <stdlib.h>

enum { MAX_PATTERN_BYTES = 4096, SHOWN = 200, MATCH_LIMIT = 50000, HEAP_LIMIT_KB = 4096 };

struct slop_pattern {
    pcre2_code *code;
};

struct slop_matcher {
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static void free_code(void *code) { pcre2_code_free(code); }

/* Why a compiled pattern is not taken; NULL = it is. */
static const char *unfit(const pcre2_code *code) {
    uint32_t empty = 0, shortest = 0, behind = 0;
    pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &empty);
    pcre2_pattern_info(code, PCRE2_INFO_MINLENGTH, &shortest);
    pcre2_pattern_info(code, PCRE2_INFO_MAXLOOKBEHIND, &behind);
    if (empty) return "it may match the empty text";
    if (shortest > SLOP_WINDOW) return "it matches no text of up to 256 bytes";
    if (behind > SLOP_WINDOW) return "it looks more than 256 characters behind";
    return NULL;
}

glimpse_status slop_pattern_compile(const char *name, int32_t element, const char *text, size_t n, arena *a,
                                    const slop_pattern **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer shown = {0};
    PCRE2_UCHAR message[128] = "";
    PCRE2_SIZE where = 0;
    int error = 0;
    pcre2_code *code = NULL;
    buf_json_string(&shown, text, n < SHOWN ? n : SHOWN);
    if (buf_failed(&shown)) FAIL_GOTO(GLIMPSE_E_MEMORY, "%s: no memory for a pattern", name);
    if (!n || n > MAX_PATTERN_BYTES)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the pattern of element %d has %zu bytes, possible are 1 to %d", name, element, n,
                  MAX_PATTERN_BYTES);
    code = pcre2_compile((PCRE2_SPTR)text, n,
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_CASELESS | PCRE2_NEVER_BACKSLASH_C, &error,
                         &where, NULL);
    if (!code) {
        if (error == PCRE2_ERROR_HEAP_FAILED) FAIL_GOTO(GLIMPSE_E_MEMORY, "%s: no memory for a pattern", name);
        pcre2_get_error_message(error, message, sizeof message);
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the pattern %s of element %d does not compile: at byte %zu, %s", name, buf_str(&shown),
                  element, (size_t)where, (const char *)message);
    }
    const char *why = unfit(code);
    if (why)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the pattern %s of element %d cannot be gone back from: %s", name, buf_str(&shown),
                  element, why);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD); /* without it the interpreter runs */
    slop_pattern *p = arena_alloc(a, sizeof *p);
    if (!p || !arena_on_free(a, free_code, code)) FAIL_GOTO(GLIMPSE_E_MEMORY, "%s: no memory for a pattern", name);
    p->code = code;
    code = NULL;
    *out = p;
out:
    pcre2_code_free(code);
    buf_free(&shown);
    return st;
}

glimpse_status slop_matcher_open(slop_matcher **out) {
    slop_matcher *m = calloc(1, sizeof *m);
    if (m) m->data = pcre2_match_data_create(1, NULL);
    if (m) m->limits = pcre2_match_context_create(NULL);
    if (!m || !m->data || !m->limits) {
        slop_matcher_close(m);
        FAIL(GLIMPSE_E_MEMORY, "no memory to search for patterns");
    }
    pcre2_set_match_limit(m->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(m->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(m->limits, HEAP_LIMIT_KB);
    *out = m;
    return GLIMPSE_OK;
}

void slop_matcher_close(slop_matcher *m) {
    if (!m) return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->limits);
    free(m);
}

size_t slop_next(const char *text, size_t n, size_t at) {
    do at++;
    while (at < n && ((unsigned char)text[at] & 0xC0) == 0x80);
    return at < n ? at : n;
}

static int match(const slop_pattern *p, slop_matcher *m, const char *text, size_t n, size_t from, uint32_t how) {
    int rc = pcre2_match(p->code, (PCRE2_SPTR)text, n, from, how | PCRE2_NOTEMPTY, m->data, m->limits);
    if (rc != PCRE2_ERROR_JIT_STACKLIMIT) return rc;
    return pcre2_match(p->code, (PCRE2_SPTR)text, n, from, how | PCRE2_NOTEMPTY | PCRE2_NO_JIT, m->data, m->limits);
}

slop_found slop_search(const slop_pattern *p, slop_matcher *m, const char *text, size_t n, bool done, size_t *from, size_t *end) {
    size_t at = *from;
    while (at < n || done) {
        int rc = match(p, m, text, n, at, done ? 0 : PCRE2_PARTIAL_HARD);
        /* Not ovector[0]: \K moves that. */
        size_t begin = rc >= 0 || rc == PCRE2_ERROR_PARTIAL ? pcre2_get_startchar(m->data) : n;
        if (rc == PCRE2_ERROR_PARTIAL && n - begin > SLOP_WINDOW) { /* waited long enough */
            rc = match(p, m, text, n, begin, PCRE2_ANCHORED);
            if (rc == PCRE2_ERROR_NOMATCH) {
                at = slop_next(text, n, begin);
                continue;
            }
        }
        if (rc >= 0) {
            size_t to = pcre2_get_ovector_pointer(m->data)[1];
            *from = begin;
            *end = to > begin ? to : slop_next(text, n, begin);
            return SLOP_MATCH;
        }
        if (rc == PCRE2_ERROR_NOMEMORY) return SLOP_NO_MEMORY;
        if (rc != PCRE2_ERROR_NOMATCH && rc != PCRE2_ERROR_PARTIAL) return SLOP_LIMIT;
        *from = begin;
        return SLOP_NONE;
    }
    *from = n;
    return SLOP_NONE;
}
