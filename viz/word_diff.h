/* word_diff.h -- which words of a text came and which went, against another one.  A word is a run of letters, digits,
 * apostrophes and bytes above 127, or a single other character; blanks belong to what stands before them.  Called by screen.c. */
#ifndef GLIMPSE_VIZ_WORD_DIFF_H
#define GLIMPSE_VIZ_WORD_DIFF_H

#include "include/internal/buffer.h"

typedef enum diff_kind { DIFF_SAME, DIFF_GONE, DIFF_COME } diff_kind;
typedef void (*diff_part_fn)(void *user, diff_kind kind, const char *text, size_t n);

/* Call `part` with the parts of both texts in order; the same and come ones make up `now`, the same and gone ones `was` (but
 * for blanks: those of `now` count).  The longest common sequence; of long texts that differ nearly everywhere, only where
 * they begin and end alike.  *little: both changed and not even a quarter of the shorter one, if that has eight words, stands in
 * stretches of three words and more that both have: what is the same is chance then, an `and` here and there, and marks would
 * mislead.  The page's rule (page/words.js).  False: no memory, and nothing was called. */
bool word_diff(const char *was, size_t was_n, const char *now, size_t now_n, diff_part_fn part, void *user, bool *little);

#endif
