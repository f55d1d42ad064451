/* word_cache.c -- see word_cache.h.  Direct mapped, a line of memory an entry: a word of up to 24 bytes with up to 8 ids; a
 * collision overwrites. */
#include "sampling/tokenizer/word_cache.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1 << 15, WORD_BYTES = 24, WORD_IDS = 8 };

typedef struct cached {
    uint64_t word[3]; /* zeros behind its bytes */
    int32_t ids[WORD_IDS];
    uint8_t n_bytes, n_ids; /* n_bytes 0 = empty */
} cached;

struct word_cache {
    cached slots[SLOTS];
};

word_cache *word_cache_new(void) { return calloc(1, sizeof(word_cache)); }
void word_cache_free(word_cache *c) { free(c); }

/* The word's bytes as three numbers.  `readable` bytes are there, perhaps more than the word's n <= 24. */
static inline void key_of(const char *word, size_t n, size_t readable, uint64_t key[3]) {
    if (readable >= WORD_BYTES) {
        memcpy(key, word, WORD_BYTES);
        unsigned bits = 8 * (unsigned)(n & 7);
        uint64_t part = bits ? ~(uint64_t)0 >> (64 - bits) : 0;
        if (n < 8) key[0] &= part, key[1] = key[2] = 0;
        else if (n < 16) key[1] &= part, key[2] = 0;
        else if (n < 24) key[2] &= part;
        return;
    }
    key[0] = key[1] = key[2] = 0;
    memcpy(key, word, n);
}

static inline size_t slot_of(const uint64_t key[3], size_t n) {
    uint64_t h = (key[0] ^ n) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32 ^ key[1]) * 0xbf58476d1ce4e5b9u;
    if (n > 16) h = (h ^ h >> 32 ^ key[2]) * 0x94d049bb133111ebu;
    return (size_t)(h >> 40) & (SLOTS - 1);
}

static glimpse_status encode_one(word_cache *c, word_fn encode, void *user, const char *word, size_t n, size_t readable,
                                 buffer *ids) {
    if (!c || n > WORD_BYTES) return encode(user, word, n, ids);
    uint64_t key[3];
    key_of(word, n, readable, key);
    cached *s = &c->slots[slot_of(key, n)];
    if (s->n_bytes == n && s->word[0] == key[0] && s->word[1] == key[1] && s->word[2] == key[2]) {
        /* All eight places at once: there is room, and only n_ids of them count. */
        if (ids->cap - ids->n > sizeof s->ids) {
            memcpy(ids->bytes + ids->n, s->ids, sizeof s->ids);
            ids->n += s->n_ids * sizeof *s->ids;
        } else buf_put(ids, s->ids, s->n_ids * sizeof *s->ids);
        return GLIMPSE_OK;
    }
    size_t before = ids->n;
    TRY(encode(user, word, n, ids));
    size_t n_ids = (ids->n - before) / sizeof(int32_t);
    if (n_ids > WORD_IDS || ids->failed) return GLIMPSE_OK;
    memcpy(s->word, key, sizeof key);
    if (n_ids) memcpy(s->ids, ids->bytes + before, n_ids * sizeof(int32_t));
    s->n_bytes = (uint8_t)n, s->n_ids = (uint8_t)n_ids;
    return GLIMPSE_OK;
}

/* Fast appends leave out the closing 0 of a buffer. */
static void close_ids(buffer *ids) {
    if (ids->bytes && ids->n < ids->cap) ids->bytes[ids->n] = 0;
}

glimpse_status word_cache_encode(word_cache *c, word_fn encode, void *user, const char *word, size_t n, buffer *ids) {
    glimpse_status st = encode_one(c, encode, user, word, n, n, ids);
    close_ids(ids);
    return st;
}

glimpse_status word_cache_text(word_cache *c, scan_fn scan, word_fn encode, void *user, const char *text, size_t n,
                               buffer *ids) {
    glimpse_status st = GLIMPSE_OK;
    for (size_t at = 0, word; at < n && st >= 0; at += word) {
        word = scan(text + at, n - at);
        st = encode_one(c, encode, user, text + at, word, n - at, ids);
    }
    close_ids(ids);
    return st;
}
