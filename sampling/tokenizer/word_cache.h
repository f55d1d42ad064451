/* word_cache.h -- the loop of every tokenizer that cuts a text into words and joins each: a word met before costs one look
 * into a table.  Called by pieces.c and json_model.c. */
#ifndef GLIMPSE_SAMPLING_WORD_CACHE_H
#define GLIMPSE_SAMPLING_WORD_CACHE_H

#include "include/internal/buffer.h"
#include "include/internal/status.h"
#include "sampling/tokenizer/pattern.h"

typedef struct word_cache word_cache;
/* Append the ids of one word, 1 to INT32_MAX bytes. */
typedef glimpse_status (*word_fn)(void *user, const char *word, size_t n, buffer *ids);

word_cache *word_cache_new(void); /* NULL: no memory; every function takes NULL and is only slower */
void word_cache_free(word_cache *c);
/* The ids of one word, from the table or from `encode`. */
glimpse_status word_cache_encode(word_cache *c, word_fn encode, void *user, const char *word, size_t n, buffer *ids);
/* The same for every word that `scan` cuts a text into. */
glimpse_status word_cache_text(word_cache *c, scan_fn scan, word_fn encode, void *user, const char *text, size_t n,
                               buffer *ids);

#endif
