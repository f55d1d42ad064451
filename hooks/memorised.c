/* memorised.c -- see memorised.h. */
#include "hooks/memorised.h"

#include <stdlib.h>
#include <string.h>

typedef struct edge { /* of a state's list, and in the table */
    int32_t from, symbol, to, next;
} edge;

typedef struct node {
    int32_t link, len, edges, end; /* suffix link; longest span; first edge; where its first occurrence ends */
} node;

struct span_finder {
    node *nodes;
    edge *edges;
    int32_t *table; /* (cap) edge + 1 */
    size_t cap;
    int32_t n_nodes, n_edges, last;
    int32_t at, length;     /* of the walk */
    int32_t longest, end;
};

static size_t slot_of(const span_finder *f, int32_t from, int32_t symbol) {
    uint64_t h = ((uint64_t)(uint32_t)from << 32 | (uint32_t)symbol) * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(h >> 32) & (f->cap - 1);
    while (f->table[i] && (f->edges[f->table[i] - 1].from != from || f->edges[f->table[i] - 1].symbol != symbol)) i = (i + 1) & (f->cap - 1);
    return i;
}

static int32_t go(const span_finder *f, int32_t from, int32_t symbol) {
    size_t i = slot_of(f, from, symbol);
    return f->table[i] ? f->edges[f->table[i] - 1].to : -1;
}

static void set(span_finder *f, int32_t from, int32_t symbol, int32_t to) {
    size_t i = slot_of(f, from, symbol);
    if (!f->table[i]) {
        f->edges[f->n_edges] = (edge){ from, symbol, to, f->nodes[from].edges };
        f->nodes[from].edges = f->n_edges;
        f->table[i] = ++f->n_edges;
    } else f->edges[f->table[i] - 1].to = to;
}

static void extend(span_finder *f, int32_t symbol, int32_t end) {
    int32_t cur = f->n_nodes++, p = f->last;
    f->nodes[cur] = (node){ .len = f->nodes[p].len + 1, .edges = -1, .end = end };
    for (; p >= 0 && go(f, p, symbol) < 0; p = f->nodes[p].link) set(f, p, symbol, cur);
    if (p >= 0) {
        int32_t q = go(f, p, symbol);
        if (f->nodes[p].len + 1 == f->nodes[q].len) f->nodes[cur].link = q;
        else {
            int32_t clone = f->n_nodes++;
            f->nodes[clone] = (node){ .link = f->nodes[q].link, .len = f->nodes[p].len + 1, .edges = -1, .end = f->nodes[q].end };
            for (int32_t e = f->nodes[q].edges; e >= 0; e = f->edges[e].next) set(f, clone, f->edges[e].symbol, f->edges[e].to);
            for (; p >= 0 && go(f, p, symbol) == q; p = f->nodes[p].link) set(f, p, symbol, clone);
            f->nodes[q].link = f->nodes[cur].link = clone;
        }
    }
    f->last = cur;
}

glimpse_status span_finder_new(const int32_t *symbols, int32_t n, span_finder **out) {
    span_finder *f = calloc(1, sizeof *f);
    if (!f) FAIL(GLIMPSE_E_MEMORY, "no memory to look for spans of %d", n);
    for (f->cap = 16; f->cap < 6 * (size_t)n; f->cap *= 2)
        ;
    f->nodes = malloc((2 * (size_t)n + 2) * sizeof *f->nodes); /* at most 2n - 1 states and 3n - 4 edges */
    f->edges = malloc((3 * (size_t)n + 4) * sizeof *f->edges);
    f->table = calloc(f->cap, sizeof *f->table);
    if (!f->nodes || !f->edges || !f->table) {
        span_finder_free(f);
        FAIL(GLIMPSE_E_MEMORY, "no memory to look for spans of %d", n);
    }
    f->nodes[f->n_nodes++] = (node){ .link = -1, .edges = -1 };
    for (int32_t i = 0; i < n; i++) extend(f, symbols[i], i + 1);
    *out = f;
    return GLIMPSE_OK;
}

void span_finder_free(span_finder *f) {
    if (!f) return;
    free(f->nodes);
    free(f->edges);
    free(f->table);
    free(f);
}

void span_finder_feed(span_finder *f, const int32_t *symbols, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int32_t to;
        while ((to = go(f, f->at, symbols[i])) < 0 && f->at) {
            f->at = f->nodes[f->at].link;
            f->length = f->nodes[f->at].len;
        }
        if (to < 0) continue;
        f->at = to;
        f->length++;
        if (f->length > f->longest) {
            f->longest = f->length;
            f->end = f->nodes[to].end;
        }
    }
}

int32_t span_finder_longest(const span_finder *f, int32_t *end) {
    *end = f->end;
    return f->longest;
}
