/* memorised.h -- the longest span of a sequence that stands in a stream of symbols: a suffix automaton of the sequence
 * (Blumer et al. 1985), and one step in it for each symbol of the stream.  Memory and time are linear, exactly.
 * Called by hooks/benchmarks.c. */
#ifndef GLIMPSE_HOOKS_MEMORISED_H
#define GLIMPSE_HOOKS_MEMORISED_H

#include "include/internal/status.h"

typedef struct span_finder span_finder;

/* symbols (n), n >= 1, copied.  Returned: span_finder_free. */
glimpse_status span_finder_new(const int32_t *symbols, int32_t n, span_finder **out);
void span_finder_free(span_finder *f); /* NULL is fine */
void span_finder_feed(span_finder *f, const int32_t *symbols, size_t n);
/* The longest so far, and where it ends in the sequence (one past its last symbol). */
int32_t span_finder_longest(const span_finder *f, int32_t *end);

#endif
