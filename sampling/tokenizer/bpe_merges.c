/* bpe_merges.c -- see bpe_merges.h.  Short words scan their pairs; long ones keep a queue (merge_queue.h), in which a pair
 * is stale unless its place still holds the one that gives its id. */
#include "sampling/tokenizer/bpe_merges.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT = 24 };
#define NONE UINT32_MAX

typedef struct bpe_symbol {
    int32_t id; /* -1 = joined to the one before */
    uint32_t prev, next;
} bpe_symbol;

static size_t slot_of(const bpe_merges *m, int32_t left, int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return (size_t)((key ^ key >> 31) * m->factor >> 32) & (m->n_slots - 1);
}

static const bpe_slot *find(const bpe_merges *m, int32_t left, int32_t right) {
    for (size_t i = slot_of(m, left, right);; i = (i + 1) & (m->n_slots - 1)) {
        const bpe_slot *s = &m->slots[i];
        if (s->left == left && s->right == right) return s;
        if (s->left < 0) return NULL;
    }
}

glimpse_status bpe_open(bpe_merges *m, size_t n_pairs) {
    m->n_slots = 16;
    while (m->n_slots < 2 * n_pairs) m->n_slots *= 2;
    if (!(m->slots = malloc(m->n_slots * sizeof *m->slots)))
        FAIL(GLIMPSE_E_MEMORY, "no memory for %zu merges", n_pairs);
    memset(m->slots, 0xff, m->n_slots * sizeof *m->slots);
    m->factor = 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)m->slots << 1;
    return GLIMPSE_OK;
}

void bpe_add(bpe_merges *m, int32_t left, int32_t right, int32_t rank, int32_t id) {
    size_t i = slot_of(m, left, right);
    while (m->slots[i].left >= 0 && (m->slots[i].left != left || m->slots[i].right != right))
        i = (i + 1) & (m->n_slots - 1);
    m->slots[i] = (bpe_slot){left, right, rank, id};
}

static void join_short(const bpe_merges *m, int32_t *s, size_t n, buffer *ids) {
    const bpe_slot *pair[SHORT];
    for (size_t i = 0; i + 1 < n; i++) pair[i] = find(m, s[i], s[i + 1]);
    while (n > 1) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++)
            if (pair[i] && (best == n || pair[i]->rank < pair[best]->rank)) best = i;
        if (best == n) break;
        s[best] = pair[best]->id;
        n--;
        memmove(s + best + 1, s + best + 2, (n - best - 1) * sizeof *s);
        if (best + 1 < n) memmove(pair + best + 1, pair + best + 2, (n - best - 2) * sizeof *pair);
        if (best) pair[best - 1] = find(m, s[best - 1], s[best]);
        if (best + 1 < n) pair[best] = find(m, s[best], s[best + 1]);
    }
    buf_put(ids, s, n * sizeof *s);
}

static void offer(bpe_merges *m, uint32_t left) {
    const bpe_symbol *s = m->symbols;
    if (left == NONE || s[left].next == NONE) return;
    const bpe_slot *pair = find(m, s[left].id, s[s[left].next].id);
    if (pair) merge_queue_push(&m->queue, (merge_pair){pair->rank, left, (uint32_t)pair->id});
}

glimpse_status bpe_join(bpe_merges *m, const int32_t *symbols, size_t n, buffer *ids) {
    if (n <= SHORT) {
        int32_t copy[SHORT];
        if (n) memcpy(copy, symbols, n * sizeof *copy);
        if (n) join_short(m, copy, n, ids);
        return GLIMPSE_OK;
    }
    if (n >= INT32_MAX) FAIL(GLIMPSE_E_TOKENIZER, "a word of %zu symbols is too long", n);
    if (n > m->cap_symbols) {
        bpe_symbol *s = realloc(m->symbols, n * sizeof *s);
        if (!s) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu symbols", n);
        m->symbols = s, m->cap_symbols = n;
    }
    bpe_symbol *s = m->symbols;
    merge_queue_start(&m->queue);
    for (uint32_t i = 0; i < n; i++) s[i] = (bpe_symbol){symbols[i], i ? i - 1 : NONE, i + 1 < n ? i + 1 : NONE};
    for (uint32_t i = 0; i + 1 < n; i++) offer(m, i);
    for (merge_pair c; merge_queue_pop(&m->queue, &c);) {
        uint32_t right = s[c.place].id >= 0 ? s[c.place].next : NONE;
        if (right == NONE) continue;
        const bpe_slot *pair = find(m, s[c.place].id, s[right].id);
        if (!pair || pair->id != (int32_t)c.what) continue;
        s[c.place].id = pair->id;
        s[c.place].next = s[right].next;
        s[right].id = -1;
        if (s[c.place].next != NONE) s[s[c.place].next].prev = c.place;
        offer(m, s[c.place].prev); /* before what is right of it: in the order of places */
        offer(m, c.place);
    }
    if (m->queue.failed) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu symbols", n);
    for (uint32_t i = 0; i != NONE; i = s[i].next) buf_put(ids, &s[i].id, sizeof s[i].id);
    return GLIMPSE_OK;
}

void bpe_free(bpe_merges *m) {
    free(m->slots);
    free(m->symbols);
    merge_queue_free(&m->queue);
    *m = (bpe_merges){0};
}
