/* byte_pair.h -- byte-pair merges of one word: the pair of neighbours whose joined bytes are the piece with the lowest id
 * is joined, the leftmost of equals first, until no pair is a piece (Sennrich et al. 2016; ids in order of rank, as in
 * GPT-2's vocabulary and openai/tiktoken).  Called by pieces.c. */
#ifndef GLIMPSE_SAMPLING_BYTE_PAIR_H
#define GLIMPSE_SAMPLING_BYTE_PAIR_H

#include "include/internal/buffer.h"
#include "sampling/tokenizer/merge_queue.h"
#include "sampling/tokenizer/piece_index.h"

/* Scratch memory, kept from word to word.  Start from {0}. */
typedef struct byte_pair {
    struct symbol *symbols;
    size_t cap_symbols;
    merge_queue queue;
} byte_pair;

/* Append the ids (int32_t) of a word of n bytes, n < 2^31.  Every single byte must be in `ix`.  Time n log n times the
 * length of the longest piece, memory proportional to n. */
glimpse_status byte_pair_encode(byte_pair *bp, const piece_index *ix, const char *word, size_t n, buffer *ids);
void byte_pair_free(byte_pair *bp);

#endif
