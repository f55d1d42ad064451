/* stories.h -- a generator of short children's stories, so that the example trains on something readable without a download.
 *
 * Every story is one paragraph of plain, correctly spelled American English about a child, a friend, a place and a thing,
 * with a small plot that holds together.  A model of a million parameters learns to spell its words within a minute of
 * training on a processor, and its plots a little later.  Called by corpus.c. */
#ifndef TRAIN_GPT_STORIES_H
#define TRAIN_GPT_STORIES_H

#include <stddef.h>
#include <stdint.h>

enum { STORY_MAX = 512 }; /* bytes, more than the longest story and its NUL */

/* Write one story, NUL-terminated, no newline in it; returns its length in bytes.  `rng` is advanced (rng64.h). */
size_t story_write(char out[STORY_MAX], uint64_t *rng);

#endif
