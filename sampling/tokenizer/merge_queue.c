/* merge_queue.c -- see merge_queue.h. */
#include "sampling/tokenizer/merge_queue.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

typedef struct merge_entry {
    merge_pair pair;
    uint32_t next; /* of its run, or of the free entries */
} merge_entry;

typedef struct merge_head {
    uint64_t key; /* rank, then place */
    uint32_t entry;
} merge_head;

static bool room(void **p, size_t *cap, size_t n, size_t size) {
    if (n <= *cap) return true;
    size_t more = *cap ? *cap : 64;
    while (more < n) more *= 2;
    void *new = realloc(*p, more * size);
    if (!new) return false;
    *p = new, *cap = more;
    return true;
}

static bool know_rank(merge_queue *q, size_t rank) {
    size_t cap = q->n_ranks;
    void *p = q->last;
    if (!room(&p, &cap, rank + 1, sizeof *q->last)) return false;
    q->last = p;
    if (cap > q->n_ranks) memset(q->last + q->n_ranks, 0xff, (cap - q->n_ranks) * sizeof *q->last);
    q->n_ranks = cap;
    return true;
}

void merge_queue_start(merge_queue *q) {
    if (q->n_heap) memset(q->last, 0xff, q->n_ranks * sizeof *q->last); /* the word before was given up */
    q->n_heap = q->n_pool = 0;
    q->free = NONE;
    q->failed = false;
}

static uint64_t key_of(const merge_pair *p) { return (uint64_t)(uint32_t)p->rank << 32 | p->place; }

static void sift_down(merge_queue *q, merge_head h) {
    merge_head *heap = q->heap;
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < q->n_heap; i = child) {
        if (child + 1 < q->n_heap && heap[child + 1].key < heap[child].key) child++;
        if (heap[child].key >= h.key) break;
        heap[i] = heap[child];
    }
    heap[i] = h;
}

void merge_queue_push(merge_queue *q, merge_pair p) {
    uint32_t e = q->free;
    void *pool = q->pool, *heap = q->heap;
    bool ok = room(&heap, &q->cap_heap, q->n_heap + 1, sizeof *q->heap);
    q->heap = heap;
    if (e == NONE) {
        ok = ok && q->n_pool < NONE && room(&pool, &q->cap_pool, q->n_pool + 1, sizeof *q->pool);
        q->pool = pool;
    }
    if (!ok || ((size_t)p.rank >= q->n_ranks && !know_rank(q, (size_t)p.rank))) {
        q->failed = true;
        return;
    }
    if (e == NONE) e = (uint32_t)q->n_pool++;
    else q->free = q->pool[e].next;
    q->pool[e] = (merge_entry){p, NONE};
    uint32_t last = q->last[p.rank];
    q->last[p.rank] = e;
    if (last != NONE && q->pool[last].pair.place <= p.place) {
        q->pool[last].next = e;
        return;
    }
    merge_head h = {key_of(&p), e};
    size_t i = q->n_heap++;
    for (; i && h.key < q->heap[(i - 1) / 2].key; i = (i - 1) / 2) q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = h;
}

bool merge_queue_pop(merge_queue *q, merge_pair *p) {
    if (!q->n_heap) return false;
    uint32_t e = q->heap[0].entry, next = q->pool[e].next;
    *p = q->pool[e].pair;
    if (q->last[p->rank] == e) q->last[p->rank] = NONE;
    q->pool[e].next = q->free;
    q->free = e;
    if (next != NONE) sift_down(q, (merge_head){key_of(&q->pool[next].pair), next});
    else if (--q->n_heap) sift_down(q, q->heap[q->n_heap]);
    return true;
}

void merge_queue_free(merge_queue *q) {
    free(q->pool);
    free(q->heap);
    free(q->last);
    *q = (merge_queue){0};
}
