/* slop_patterns.h -- regular expressions that a sample goes back from: compiling one, and its search in a text that grows.
 *
 * PCRE2 with UTF, without case; bytes that are no UTF-8 match nothing.  A match is one of the whole generated text: a look
 * behind sees what stands before, and where the text's end might still change the outcome (a+, $, \b, a look ahead) the
 * search waits (PCRE2_PARTIAL_HARD: https://www.pcre.org/current/doc/html/pcre2partial.html).  It waits SLOP_WINDOW bytes
 * behind a match's beginning; what is there by then decides, so a longer match counts only if a part of it is one.
 *
 * Work is bounded by PCRE2's match and heap limits.  Compiled patterns are shared by threads, a matcher belongs to one.
 * Called by phrases.c (reading) and antislop.c (searching). */
#ifndef GLIMPSE_SAMPLING_SLOP_PATTERNS_H
#define GLIMPSE_SAMPLING_SLOP_PATTERNS_H

#include "include/internal/record.h"
#include "include/internal/status.h"
#include <stdbool.h>

enum { SLOP_WINDOW = 256 };

typedef struct slop_pattern slop_pattern;
typedef struct slop_matcher slop_matcher;

/* `name` and `element` begin the messages.  Lives as long as the arena.  GLIMPSE_E_FORMAT: it does not compile, may match
 * nothing at all, or needs more than SLOP_WINDOW characters at least or behind it. */
glimpse_status slop_pattern_compile(const char *name, int32_t element, const char *text, size_t n, arena *a,
                                    const slop_pattern **out);

glimpse_status slop_matcher_open(slop_matcher **out); /* given: slop_matcher_close */
void slop_matcher_close(slop_matcher *m);             /* NULL is fine */

typedef enum slop_found {
    SLOP_NONE,    /* *from = where a match may yet begin, n = nowhere: search on from there */
    SLOP_MATCH,   /* *from, *end = the earliest */
    SLOP_LIMIT,   /* it needs too many steps */
    SLOP_NO_MEMORY
} slop_found;
/* Search text (n bytes of whole characters; `done`: no more will follow) from *from on.  *from <= n. */
slop_found slop_search(const slop_pattern *p, slop_matcher *m, const char *text, size_t n, bool done, size_t *from, size_t *end);
/* The next byte behind `at` where a character may begin. */
size_t slop_next(const char *text, size_t n, size_t at);

#endif
