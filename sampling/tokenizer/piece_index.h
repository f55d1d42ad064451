/* piece_index.h -- finds the id of a byte string, and the longest string of a vocabulary that a text begins with.  A hash
 * table over borrowed bytes.  Called by the tokenizers made of pieces and for special tokens. */
#ifndef GLIMPSE_SAMPLING_PIECE_INDEX_H
#define GLIMPSE_SAMPLING_PIECE_INDEX_H

#include <glimpse.h>
#include <stdbool.h>

enum { PIECE_BYTES_MAX = 65535 };

typedef struct piece_slot {
    const char *bytes; /* borrowed until index_free; NULL = empty slot */
    uint32_t n;
    int32_t id;
} piece_slot;

typedef struct piece_index {
    piece_slot *slots;  /* owned */
    size_t n_slots;     /* a power of two, at least twice the entries */
    size_t max_bytes;   /* of the longest entry */
    uint8_t *lengths;   /* owned; bit n set: there is an entry of n bytes */
    bool first[256];    /* there is an entry that begins with this byte */
    int32_t n_entries;
} piece_index;

/* Room for n entries.  Start from {0}. */
glimpse_status index_open(piece_index *ix, int32_t n);
/* Add n bytes, 1 to PIECE_BYTES_MAX, at most as often as index_open was told.  What is there already keeps its id. */
void index_add(piece_index *ix, const char *bytes, size_t n, int32_t id);
/* The id of exactly these bytes, -1 = none. */
int32_t index_find(const piece_index *ix, const char *bytes, size_t n);
/* The id of the longest entry that `text` (n bytes) begins with, its length in *bytes; -1 = none. */
int32_t index_longest(const piece_index *ix, const char *text, size_t n, size_t *bytes);
void index_free(piece_index *ix); /* {0} afterwards */

#endif
