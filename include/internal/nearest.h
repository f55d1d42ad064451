/* nearest.h -- how far a mistyped name is from a known one, for "did you mean ...".
 * Called wherever a name is asked for: options.c, the commands of the program, names of tensors, samplers, tasks and runs. */
#ifndef GLIMPSE_INTERNAL_NEAREST_H
#define GLIMPSE_INTERNAL_NEAREST_H

#include <stddef.h>

enum { NEAREST_BYTES = 160 }; /* of each name; what is longer is cut */

/* Edits (insert, delete, replace, swap of neighbours) that turn a (na bytes) into b (nb): the optimal string alignment
 * distance.  https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance#Optimal_string_alignment_distance */
int edit_distance(const char *a, size_t na, const char *b, size_t nb);

/* So many edits away a known name may be and still be what a wrong one of `bytes` bytes meant. */
int nearest_limit(size_t bytes);

#endif
