/* charsmap.h -- sentencepiece's compiled rules of normalisation (google/sentencepiece, normalizer.cc; the darts-clone double
 * array of builder.cc): u32 bytes of the array, the array of u32 units, then the replacements, each ended by a 0 byte; a
 * key's value is the place of its replacement.  Nothing in the file is trusted: every step stays within the array, every
 * replacement is valid UTF-8.  Called by spm_normalize.c and json_pieces.c (Precompiled). */
#ifndef GLIMPSE_SAMPLING_CHARSMAP_H
#define GLIMPSE_SAMPLING_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/internal/buffer.h"
#include "include/internal/status.h"

typedef struct charsmap { /* start from {0}: no rules */
    uint32_t *units;
    size_t n_units;
    char *texts; /* ended by a 0 byte */
    size_t n_texts;
} charsmap;

/* The bytes of the file, copied. */
glimpse_status charsmap_open(const char *name, const char *bytes, size_t n, charsmap *m);
/* The replacement for the longest (or, with `shortest`, the shortest) key that the text begins with, the key's length in
 * *length; NULL = none. */
const char *charsmap_match(const charsmap *m, const char *text, size_t n, bool shortest, size_t *length);
/* Hugging Face's Precompiled: a cluster of less than 6 bytes as a whole if it begins with a key, else by characters. */
void charsmap_put_clusters(const charsmap *m, const char *text, size_t n, buffer *out);
void charsmap_free(charsmap *m);

#endif
