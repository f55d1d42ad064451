/* byte_pair.c -- merges by a linked list of symbols and a heap of pairs (byte_pair.h).
 *
 * Symbols are neighbouring ranges of the word, so a pair's joined bytes are a range too: its id is one look-up.  A heap
 * entry is stale when the symbol at its place or its length is no longer what it was: length says it all, because the
 * bytes never change.  Each of at most n - 1 merges takes one entry away and adds at most two: never more than 2n. */
#include "sampling/tokenizer/byte_pair.h"

#include <stdlib.h>

#include "include/internal/status.h"

typedef struct symbol {
    uint32_t n;          /* bytes; 0 = joined to the one before */
    uint32_t prev, next; /* places; NONE at the ends */
} symbol;

typedef struct candidate {
    int32_t id;     /* of the joined piece */
    uint32_t place; /* of the left symbol */
    uint32_t n;     /* bytes of both */
} candidate;

#define NONE UINT32_MAX

static bool before(const candidate *a, const candidate *b) {
    return a->id != b->id ? a->id < b->id : a->place < b->place;
}

static void heap_push(candidate *heap, size_t *n, candidate c) {
    size_t i = (*n)++;
    while (i && before(&c, &heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = c;
}

static candidate heap_pop(candidate *heap, size_t *n) {
    candidate top = heap[0], c = heap[--*n];
    for (size_t i = 0;;) {
        size_t child = 2 * i + 1;
        if (child >= *n) {
            heap[i] = c;
            return top;
        }
        if (child + 1 < *n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &c)) {
            heap[i] = c;
            return top;
        }
        heap[i] = heap[child];
        i = child;
    }
}

static glimpse_status make_room(byte_pair *bp, size_t n) {
    if (n > bp->cap_symbols) {
        symbol *s = realloc(bp->symbols, n * sizeof *s);
        if (!s) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
        bp->symbols = s, bp->cap_symbols = n;
    }
    if (2 * n > bp->cap_heap) {
        candidate *h = realloc(bp->heap, 2 * n * sizeof *h);
        if (!h) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
        bp->heap = h, bp->cap_heap = 2 * n;
    }
    return GLIMPSE_OK;
}

glimpse_status byte_pair_encode(byte_pair *bp, const piece_index *ix, const char *word, size_t n, buffer *ids) {
    size_t n_heap = 0;
    if (n >= INT32_MAX) FAIL(GLIMPSE_E_TOKENIZER, "a word of %zu bytes is too long", n);
    TRY(make_room(bp, n));
    symbol *s = bp->symbols;
    for (uint32_t i = 0; i < n; i++) s[i] = (symbol){1, i ? i - 1 : NONE, i + 1 < n ? i + 1 : NONE};
    for (uint32_t i = 0; i + 1 < n; i++) {
        int32_t id = index_find(ix, word + i, 2);
        if (id >= 0) heap_push(bp->heap, &n_heap, (candidate){id, i, 2});
    }
    while (n_heap) {
        candidate c = heap_pop(bp->heap, &n_heap);
        uint32_t left = c.place, right = s[left].n ? s[left].next : NONE;
        if (right == NONE || s[left].n + s[right].n != c.n) continue;
        s[left].n = c.n;
        s[right].n = 0;
        s[left].next = s[right].next;
        if (s[left].next != NONE) {
            uint32_t next = s[left].next, both = c.n + s[next].n;
            s[next].prev = left;
            int32_t id = index_find(ix, word + left, both);
            if (id >= 0) heap_push(bp->heap, &n_heap, (candidate){id, left, both});
        }
        if (s[left].prev != NONE) {
            uint32_t prev = s[left].prev, both = s[prev].n + c.n;
            int32_t id = index_find(ix, word + prev, both);
            if (id >= 0) heap_push(bp->heap, &n_heap, (candidate){id, prev, both});
        }
    }
    for (uint32_t i = 0; i < n; i = s[i].next) {
        int32_t id = index_find(ix, word + i, s[i].n);
        buf_put(ids, &id, sizeof id);
    }
    return GLIMPSE_OK;
}

void byte_pair_free(byte_pair *bp) {
    free(bp->symbols);
    free(bp->heap);
    *bp = (byte_pair){0};
}
