/* unigram.h -- the likeliest way to cut a word into pieces (Kudo 2018): Viterbi over the bytes, a piece's score is its log
 * probability, a character that no piece begins with costs 10 more than the worst piece.  The arithmetic is that of
 * the reference at hand, because ties and near ties decide: double (huggingface/tokenizers, models/unigram) or float
 * (google/sentencepiece, unigram_model.cc).  Called by json_model.c and spm_model.c. */
#ifndef GLIMPSE_SAMPLING_UNIGRAM_H
#define GLIMPSE_SAMPLING_UNIGRAM_H

#include <stdbool.h>

#include "include/internal/buffer.h"
#include "sampling/tokenizer/byte_trie.h"

typedef struct unigram { /* start from {0} */
    byte_trie trie;      /* values: ids */
    double *scores;      /* (V), owned */
    double unk_score;
    int32_t unk;         /* the id that stands for an unknown character, -1 = such a text is refused */
    bool single;         /* float, as sentencepiece */
    struct best *best;   /* scratch */
    size_t cap;
} unigram;

typedef struct unigram_piece {
    size_t at, n; /* bytes of the text */
    int32_t id;
} unigram_piece;

/* Append the pieces (unigram_piece) of n bytes of valid UTF-8.  Time n times the length of the longest piece. */
glimpse_status unigram_encode(unigram *u, const char *text, size_t n, buffer *pieces);
void unigram_free(unigram *u);

#endif
