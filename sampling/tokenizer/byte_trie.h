/* byte_trie.h -- a tree of byte strings: every string of a set that a text begins with, found in one walk that ends where no
 * string goes on.  Edges lie in one hash table.  Called by the Unigram model and by whatever looks for tokens in a text. */
#ifndef GLIMPSE_SAMPLING_BYTE_TRIE_H
#define GLIMPSE_SAMPLING_BYTE_TRIE_H

#include "include/internal/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct trie_edge {
    uint64_t key;  /* (node << 8 | byte) + 1; 0 = empty */
    uint32_t node; /* where it leads */
} trie_edge;

typedef struct byte_trie { /* start from {0}: the empty set */
    trie_edge *edges;      /* owned, open addressing */
    size_t n_slots;        /* a power of two */
    uint64_t factor;       /* of the hash, odd, with where the table lies, which no file knows: edges cannot be chosen to meet in one place */
    int32_t *values;       /* (cap_nodes) of the string that ends at a node, -1 = none; node 0 is the root */
    size_t n_nodes, cap_nodes;
    uint32_t first[256]; /* from the root */
} byte_trie;

/* What is there already gets the new value. */
glimpse_status trie_add(byte_trie *t, const char *bytes, size_t n, int32_t value);
void trie_free(byte_trie *t); /* {0} afterwards */

/* The node behind `node` by `byte`; 0 = none. */
static inline uint32_t trie_step(const byte_trie *t, uint32_t node, unsigned char byte) {
    if (!node) return t->first[byte];
    uint64_t key = ((uint64_t)node << 8 | byte) + 1;
    for (size_t i = (size_t)(key * t->factor >> 24) & (t->n_slots - 1);; i = (i + 1) & (t->n_slots - 1)) {
        if (t->edges[i].key == key) return t->edges[i].node;
        if (!t->edges[i].key) return 0;
    }
}

/* The value of the longest string that text (n bytes) begins with, its length in *bytes; -1 = none. */
int32_t trie_longest(const byte_trie *t, const char *text, size_t n, size_t *bytes);
/* The value of exactly these bytes, -1 = none. */
int32_t trie_find(const byte_trie *t, const char *text, size_t n);

#endif
