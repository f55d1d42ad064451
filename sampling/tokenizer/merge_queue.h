/* merge_queue.h -- which two neighbours of a long word are joined next: the pair of lowest rank, the leftmost of equals.
 * Called by bpe_merges.c, byte_pair.c and spm_model.c, whose ranks are small numbers.
 *
 * A word is swept from left to right once a rank, so that pairs of one rank come in the order of their places as a rule: they
 * wait in a list, a run, and only the heads of runs are in a heap.  64 MB of one letter are a few runs, and each step is
 * beside the one before in memory; a heap of all pairs is log n steps all over it.  A pair that is no more one when its turn
 * comes (stale) is the caller's to pass over. */
#ifndef GLIMPSE_SAMPLING_MERGE_QUEUE_H
#define GLIMPSE_SAMPLING_MERGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct merge_pair {
    int32_t rank;         /* from 0 */
    uint32_t place, what; /* of the left symbol; what the caller tells a stale pair by */
} merge_pair;

typedef struct merge_queue { /* start from {0}; kept from word to word */
    struct merge_entry *pool;
    struct merge_head *heap;
    uint32_t *last; /* (n_ranks) the end of the latest run of a rank */
    size_t n_pool, cap_pool, n_heap, cap_heap, n_ranks;
    uint32_t free; /* the first of the pool's entries that are used again */
    bool failed;   /* out of memory: set by a push, until the next start */
} merge_queue;

void merge_queue_start(merge_queue *q);
void merge_queue_push(merge_queue *q, merge_pair p);
bool merge_queue_pop(merge_queue *q, merge_pair *p); /* false: none is left */
void merge_queue_free(merge_queue *q);

#endif
