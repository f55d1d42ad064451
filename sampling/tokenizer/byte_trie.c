/* byte_trie.c -- see byte_trie.h. */
#include "sampling/tokenizer/byte_trie.h"

#include <stdlib.h>
#include <string.h>

static void insert(byte_trie *t, uint64_t key, uint32_t node) {
    size_t i = (size_t)(key * t->factor >> 24) & (t->n_slots - 1);
    while (t->edges[i].key) i = (i + 1) & (t->n_slots - 1);
    t->edges[i] = (trie_edge){key, node};
}

static glimpse_status new_node(byte_trie *t, uint32_t *node) {
    if (t->n_nodes == t->cap_nodes) {
        size_t cap = t->cap_nodes ? 2 * t->cap_nodes : 256;
        int32_t *values = cap < UINT32_MAX ? realloc(t->values, cap * sizeof *values) : NULL;
        if (!values) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer's %zu strings", cap);
        t->values = values, t->cap_nodes = cap;
    }
    if (2 * (t->n_nodes + 1) > t->n_slots) {
        const size_t had = t->n_slots, n = had ? 2 * had : 512;
        trie_edge *edges = calloc(n, sizeof *edges), *before = t->edges;
        if (!edges) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer's strings");
        t->edges = edges, t->n_slots = n;
        t->factor = 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)edges << 1;
        for (size_t i = 0; i < had; i++)
            if (before[i].key) insert(t, before[i].key, before[i].node);
        free(before);
    }
    t->values[t->n_nodes] = -1;
    *node = (uint32_t)t->n_nodes++;
    return GLIMPSE_OK;
}

glimpse_status trie_add(byte_trie *t, const char *bytes, size_t n, int32_t value) {
    uint32_t node = 0;
    if (!t->n_nodes) TRY(new_node(t, &node));
    node = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        uint32_t next = trie_step(t, node, c);
        if (!next) {
            TRY(new_node(t, &next));
            if (!node) t->first[c] = next;
            else insert(t, ((uint64_t)node << 8 | c) + 1, next);
        }
        node = next;
    }
    if (node) t->values[node] = value;
    return GLIMPSE_OK;
}

int32_t trie_longest(const byte_trie *t, const char *text, size_t n, size_t *bytes) {
    int32_t value = -1;
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(node = trie_step(t, node, (unsigned char)text[i]))) break;
        if (t->values[node] >= 0) value = t->values[node], *bytes = i + 1;
    }
    return value;
}

int32_t trie_find(const byte_trie *t, const char *text, size_t n) {
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++)
        if (!(node = trie_step(t, node, (unsigned char)text[i]))) return -1;
    return node ? t->values[node] : -1;
}

void trie_free(byte_trie *t) {
    free(t->edges);
    free(t->values);
    memset(t, 0, sizeof *t);
}
