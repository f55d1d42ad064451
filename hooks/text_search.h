/* text_search.h -- a text or a pattern sought in the samples' texts.  A search from one match to the next costs the bytes between
 * them: texts are made valid UTF-8 once, where PCRE2 would check all that is left at every match (7 s for 40,000 matches in
 * 400 KB, now 1 ms), and the pattern is compiled to machine code, whose first-byte search of either case stops where it finds one.
 * Called by reviewer.c. */
#ifndef GLIMPSE_HOOKS_TEXT_SEARCH_H
#define GLIMPSE_HOOKS_TEXT_SEARCH_H

#include "include/internal/buffer.h"
#include "include/internal/status.h"
#include <stdbool.h>

typedef struct text_search text_search;

/* "text", any case; "/pattern" or "/pattern/flags": a regular expression, whose ^ and $ stand at every line.  Flags, only behind a
 * closing slash: i any case, s a dot is a newline too; g, m and u say what is so anyway.  "/" and "//" are texts.
 * GLIMPSE_E_INVALID: it is none; the text of the status is why.  Returned: text_search_close. */
glimpse_status text_search_open(const char *query, size_t n, text_search **out);
void text_search_close(text_search *s); /* NULL is fine */
/* Bytes that are no UTF-8 become U+001A, one for one: places in the text stay what they are. */
void text_search_prepare(buffer *text);
/* The first match at byte `from` or behind of a prepared text, not empty. */
bool text_search_next(text_search *s, const buffer *text, size_t from, size_t *begin, size_t *end);

#endif
