/* bpe_merges.h -- byte-pair merges by a table of pairs: (left id, right id) -> rank and new id, as tokenizer.json has them
 * (huggingface/tokenizers, models/bpe/word.rs): the pair of lowest rank is joined, the leftmost of equals first, until no
 * neighbours are a pair.  Called by json_model.c. */
#ifndef GLIMPSE_SAMPLING_BPE_MERGES_H
#define GLIMPSE_SAMPLING_BPE_MERGES_H

#include "include/internal/buffer.h"
#include "include/internal/status.h"
#include "sampling/tokenizer/merge_queue.h"

typedef struct bpe_slot {
    int32_t left, right; /* left -1 = empty */
    int32_t rank, id;
} bpe_slot;

typedef struct bpe_merges { /* start from {0} */
    bpe_slot *slots;
    size_t n_slots; /* a power of two */
    uint64_t factor; /* of the hash, odd, with where the table lies, which no file knows: pairs cannot be chosen to meet in one place */
    /* scratch, kept from word to word */
    struct bpe_symbol *symbols;
    size_t cap_symbols;
    merge_queue queue;
} bpe_merges;

glimpse_status bpe_open(bpe_merges *m, size_t n_pairs); /* room for n pairs */
/* Of two equal pairs the last counts, as in a map filled in order. */
void bpe_add(bpe_merges *m, int32_t left, int32_t right, int32_t rank, int32_t id);
/* Join `n` symbols (ids) as far as the table goes and append what is left to `ids`.  At most n log n. */
glimpse_status bpe_join(bpe_merges *m, const int32_t *symbols, size_t n, buffer *ids);
void bpe_free(bpe_merges *m);

#endif
