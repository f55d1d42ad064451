/* dry_breakers.h -- the sequences across which DRY does not look for repetitions, as token ids.
 *
 * A breaker is a text.  Every token whose piece contains it breaks by itself; a token whose piece ends with a beginning of
 * it breaks if the tokens of the rest follow (llama.cpp's rule).  "IDS:3,5" are ids that break by themselves.
 * Called by dry.c. */
#ifndef GLIMPSE_SAMPLING_DRY_BREAKERS_H
#define GLIMPSE_SAMPLING_DRY_BREAKERS_H

#include "sampling/samplers/sampler.h"

typedef struct dry_breaker {
    int32_t head, tail, n_tail; /* its first token; where in `tails` the others are */
} dry_breaker;

typedef struct dry_breakers {
    int32_t refs;
    uint32_t *alone, *heads;    /* a bit an id: breaks by itself; begins one of `list` */
    dry_breaker *list;          /* (n) by rising head */
    int32_t n;
    buffer tails;               /* of int32_t */
} dry_breakers;

/* texts: those of the flag `dry_breakers` in the context, else newline, ':', '"', '*'.  Returned: dry_breakers_release. */
glimpse_status dry_breakers_open(const sampler_context *context, int32_t vocab, dry_breakers **out);
void dry_breakers_release(dry_breakers *b); /* NULL is fine */

#endif
