/* unigram.c -- see unigram.h. */
#include "sampling/tokenizer/unigram.h"

#include <stdlib.h>
#include <string.h>

typedef struct best { /* of all ways to end at a byte */
    double score;
    uint32_t start; /* NONE: no way yet */
    int32_t id;
} best;

#define NONE UINT32_MAX

static size_t character(const char *s, size_t n) {
    unsigned char c = (unsigned char)*s;
    size_t len = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return len < n ? len : n;
}

static void offer(const unigram *u, best *b, double score, size_t start, int32_t id) {
    if (u->single) score = (double)(float)score; /* what is compared, too */
    if (b->start != NONE && !(score > b->score)) return;
    b->score = score;
    b->start = (uint32_t)start;
    b->id = id;
}

glimpse_status unigram_encode(unigram *u, const char *text, size_t n, buffer *pieces) {
    if (!n) return GLIMPSE_OK;
    if (n >= INT32_MAX) FAIL(GLIMPSE_E_TOKENIZER, "a word of %zu bytes is too long", n);
    if (n + 1 > u->cap) {
        best *b = realloc(u->best, (n + 1) * sizeof *b);
        if (!b) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
        u->best = b, u->cap = n + 1;
    }
    best *b = u->best;
    for (size_t i = 0; i <= n; i++) b[i] = (best){0, NONE, -1};
    for (size_t at = 0, one; at < n; at += one) {
        bool alone = false; /* a piece that is this one character */
        uint32_t node = 0;
        double here = b[at].score;
        one = character(text + at, n - at);
        for (size_t end = at; end < n;) {
            if (!(node = trie_step(&u->trie, node, (unsigned char)text[end++]))) break;
            int32_t id = u->trie.values[node];
            if (id < 0) continue;
            offer(u, &b[end], u->scores[id] + here, at, id);
            alone |= end - at == one;
        }
        if (alone) continue;
        double score = u->single ? (double)(float)(u->unk_score + here) : u->unk_score + here;
        if (u->unk < 0 && b[at + one].start == NONE)
            FAIL(GLIMPSE_E_TOKENIZER, "a character at byte %zu is no piece, and the vocabulary has no unknown token", at);
        offer(u, &b[at + one], score, at, u->unk);
    }
    size_t from = pieces->n, count = 0;
    for (size_t end = n; end; end = b[end].start, count++) {
        unigram_piece p = {b[end].start, end - b[end].start, b[end].id};
        buf_put(pieces, &p, sizeof p);
    }
    if (buf_failed(pieces)) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
    unigram_piece *p = (unigram_piece *)(void *)(pieces->bytes + from);
    for (size_t i = 0; i < count / 2; i++) {
        unigram_piece t = p[i];
        p[i] = p[count - 1 - i], p[count - 1 - i] = t;
    }
    return GLIMPSE_OK;
}

void unigram_free(unigram *u) {
    trie_free(&u->trie);
    free(u->scores);
    free(u->best);
    *u = (unigram){0};
}
