/* quick_pieces.h -- texts back from ids where a token is its bytes: pieces of up to 15 bytes in one table, so that each costs
 * one load and one store.  What is longer or special is left to the tokenizer.  Called by pieces.c and json_tokenizer.c. */
#ifndef GLIMPSE_SAMPLING_QUICK_PIECES_H
#define GLIMPSE_SAMPLING_QUICK_PIECES_H

#include "include/internal/buffer.h"

enum { QUICK_BYTES = 15 };

typedef struct quick_piece {
    char bytes[QUICK_BYTES];
    uint8_t n; /* above QUICK_BYTES: not here */
} quick_piece;

/* A table for n_ids ids, none of them in it; returned (free), NULL without memory: then everything is left to the tokenizer. */
quick_piece *quick_pieces_new(int32_t n_ids);
/* Nothing happens if it is too long. */
void quick_pieces_set(quick_piece *table, int32_t id, const char *bytes, size_t n);
/* Append the bytes of ids[0..n) up to the first that is not in the table; how many were. */
size_t quick_pieces_text(const quick_piece *table, int32_t n_ids, const int32_t *ids, size_t n, buffer *out);

#endif
