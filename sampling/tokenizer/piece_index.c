/* piece_index.c -- open addressing, linear probing (piece_index.h).  The hash runs forward byte by byte (FNV-1a,
 * Fowler, Noll, Vo), so that index_longest has the hash of every prefix for one pass over it.  It begins with where the table
 * lies, which no file knows: pieces that were chosen to meet in one place would take for ever. */
#include "sampling/tokenizer/piece_index.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"

#define HASH_START(ix) (0xcbf29ce484222325u ^ (uintptr_t)(ix)->slots)
#define HASH_STEP(h, c) (((h) ^ (unsigned char)(c)) * 0x100000001b3u)

/* FNV's low bits are weak: fold the high ones in before they become a slot. */
static size_t slot_of(const piece_index *ix, uint64_t h) {
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 29) & (ix->n_slots - 1);
}

glimpse_status index_open(piece_index *ix, int32_t n) {
    size_t slots = 16;
    while (slots < 2 * (size_t)n) slots *= 2;
    ix->slots = calloc(slots, sizeof *ix->slots);
    ix->lengths = calloc(1, PIECE_BYTES_MAX / 8 + 1);
    if (!ix->slots || !ix->lengths) {
        index_free(ix);
        FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d pieces", (int)n);
    }
    ix->n_slots = slots;
    return GLIMPSE_OK;
}

/* The slot that holds these bytes, or the empty one where they would go. */
static piece_slot *probe(const piece_index *ix, uint64_t h, const char *bytes, size_t n) {
    for (size_t i = slot_of(ix, h);; i = (i + 1) & (ix->n_slots - 1)) {
        piece_slot *s = &ix->slots[i];
        if (!s->bytes || (s->n == n && !memcmp(s->bytes, bytes, n))) return s;
    }
}

static uint64_t hash(const piece_index *ix, const char *bytes, size_t n) {
    uint64_t h = HASH_START(ix);
    for (size_t i = 0; i < n; i++) h = HASH_STEP(h, bytes[i]);
    return h;
}

void index_add(piece_index *ix, const char *bytes, size_t n, int32_t id) {
    piece_slot *s = probe(ix, hash(ix, bytes, n), bytes, n);
    if (s->bytes) return;
    *s = (piece_slot){bytes, (uint32_t)n, id};
    ix->lengths[n / 8] |= (uint8_t)(1 << n % 8);
    ix->first[(unsigned char)*bytes] = true;
    if (n > ix->max_bytes) ix->max_bytes = n;
    ix->n_entries++;
}

int32_t index_find(const piece_index *ix, const char *bytes, size_t n) {
    if (!n || n > ix->max_bytes || !(ix->lengths[n / 8] >> n % 8 & 1)) return -1;
    const piece_slot *s = probe(ix, hash(ix, bytes, n), bytes, n);
    return s->bytes ? s->id : -1;
}

int32_t index_longest(const piece_index *ix, const char *text, size_t n, size_t *bytes) {
    int32_t id = -1;
    uint64_t h = HASH_START(ix);
    if (!n || !ix->n_entries || !ix->first[(unsigned char)*text]) return -1;
    if (n > ix->max_bytes) n = ix->max_bytes;
    for (size_t i = 1; i <= n; i++) {
        h = HASH_STEP(h, text[i - 1]);
        if (!(ix->lengths[i / 8] >> i % 8 & 1)) continue;
        const piece_slot *s = probe(ix, h, text, i);
        if (s->bytes) id = s->id, *bytes = i;
    }
    return id;
}

void index_free(piece_index *ix) {
    free(ix->slots);
    free(ix->lengths);
    memset(ix, 0, sizeof *ix);
}
