/* quick_pieces.c -- see quick_pieces.h. */
#include "sampling/tokenizer/quick_pieces.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 4096, NOT_HERE = 255 };

quick_piece *quick_pieces_new(int32_t n_ids) {
    quick_piece *table = n_ids > 0 ? malloc((size_t)n_ids * sizeof *table) : NULL;
    if (table) memset(table, NOT_HERE, (size_t)n_ids * sizeof *table);
    return table;
}

void quick_pieces_set(quick_piece *table, int32_t id, const char *bytes, size_t n) {
    if (!table || n > QUICK_BYTES) return;
    if (n) memcpy(table[id].bytes, bytes, n);
    table[id].n = (uint8_t)n;
}

size_t quick_pieces_text(const quick_piece *table, int32_t n_ids, const int32_t *ids, size_t n, buffer *out) {
    size_t i = 0;
    while (table && i < n) {
        /* All sixteen bytes of each at once: there is room for a batch of them, and only n count. */
        size_t end = i + (n - i < BATCH ? n - i : BATCH);
        char *to = buf_reserve(out, (end - i) * sizeof *table);
        if (!to) return i;
        for (; i < end && (uint32_t)ids[i] < (uint32_t)n_ids; i++) {
            const quick_piece *p = &table[ids[i]];
            unsigned bytes = p->n;
            if (bytes > QUICK_BYTES) break;
            memcpy(to, p, sizeof *p);
            to += bytes;
        }
        out->n = (size_t)(to - out->bytes);
        *to = 0;
        if (i < end) break;
    }
    return i;
}
