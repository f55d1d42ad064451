/* byte_pair.c -- merges by a linked list of symbols and a queue of pairs (byte_pair.h, merge_queue.h).
 *
 * Symbols are neighbouring ranges of the word, so a pair's joined bytes are a range too: its id is one look-up.  A pair is
 * stale when the symbol at its place or its length is no longer what it was: length says it all, because the bytes never
 * change. */
#include "sampling/tokenizer/byte_pair.h"

#include <stdlib.h>

#include "include/internal/status.h"

typedef struct symbol {
    uint32_t n;          /* bytes; 0 = joined to the one before */
    uint32_t prev, next; /* places; NONE at the ends */
} symbol;

#define NONE UINT32_MAX

static void offer(byte_pair *bp, const piece_index *ix, const char *word, uint32_t left, uint32_t n) {
    int32_t id = index_find(ix, word + left, n);
    if (id >= 0) merge_queue_push(&bp->queue, (merge_pair){id, left, n});
}

glimpse_status byte_pair_encode(byte_pair *bp, const piece_index *ix, const char *word, size_t n, buffer *ids) {
    if (n >= INT32_MAX) FAIL(GLIMPSE_E_TOKENIZER, "a word of %zu bytes is too long", n);
    if (n > bp->cap_symbols) {
        symbol *more = realloc(bp->symbols, n * sizeof *more);
        if (!more) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
        bp->symbols = more, bp->cap_symbols = n;
    }
    symbol *s = bp->symbols;
    merge_queue_start(&bp->queue);
    for (uint32_t i = 0; i < n; i++) s[i] = (symbol){1, i ? i - 1 : NONE, i + 1 < n ? i + 1 : NONE};
    for (uint32_t i = 0; i + 1 < n; i++) offer(bp, ix, word, i, 2);
    for (merge_pair c; merge_queue_pop(&bp->queue, &c);) {
        uint32_t left = c.place, right = s[left].n ? s[left].next : NONE;
        if (right == NONE || s[left].n + s[right].n != c.what) continue;
        uint32_t prev = s[left].prev, next = s[right].next;
        s[left].n = c.what;
        s[right].n = 0;
        s[left].next = next;
        if (next != NONE) s[next].prev = left;
        if (prev != NONE) offer(bp, ix, word, prev, s[prev].n + c.what);
        if (next != NONE) offer(bp, ix, word, left, c.what + s[next].n);
    }
    if (bp->queue.failed) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
    for (uint32_t i = 0; i < n; i = s[i].next) {
        int32_t id = index_find(ix, word + i, s[i].n);
        buf_put(ids, &id, sizeof id);
    }
    return GLIMPSE_OK;
}

void byte_pair_free(byte_pair *bp) {
    free(bp->symbols);
    merge_queue_free(&bp->queue);
    *bp = (byte_pair){0};
}
