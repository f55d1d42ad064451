/* toy_bpe.h -- a small byte-pair vocabulary trained on the spot, and the quadratic way to encode with it: what the fast
 * encoder is compared with.  Shared by the tokenizer's tests. */
#ifndef GLIMPSE_TEST_TOY_BPE_H
#define GLIMPSE_TEST_TOY_BPE_H

#include "include/internal/buffer.h"
#include "sampling/tokenizer/tokenizer.h"

enum { TOY_MAX = 2048 };

typedef struct toy_bpe {
    char *piece[TOY_MAX];
    int32_t bytes[TOY_MAX];
    int n;
} toy_bpe;

/* 256 bytes in a shuffled order (as in GPT-2, an id is not its byte), then merges of the most frequent pairs until n. */
void toy_bpe_train(toy_bpe *toy, int n);
void toy_add(toy_bpe *toy, const char *piece, size_t bytes);
/* Words like those it was trained on; at most n bytes, returns how many. */
size_t toy_text(uint64_t *rng, char *out, size_t n);
/* The ids of a text: PCRE2 cuts it, then the lowest pair of all is merged, again and again. */
void toy_encode(const toy_bpe *toy, const char *text, size_t n, buffer *ids);
glimpse_status pieces_of_toy(const toy_bpe *toy, tokenizer **out);
void toy_free(toy_bpe *toy);
/* The next word of a text by GPT-2's pattern in PCRE2; text must be valid UTF-8. */
size_t pcre2_next_word(const char *text, size_t n, size_t at);

#endif
