/* word_cache.c -- see word_cache.h.  Direct mapped, a line of memory an entry: a word of up to 24 bytes with up to 8 ids; a
 * collision overwrites. */
#include "sampling/tokenizer/word_cache.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1 << 17, AHEAD = 16, WORD_BYTES = 24, WORD_IDS = 8 };

typedef struct cached {
    uint64_t word[3]; /* zeros behind its bytes */
    int32_t ids[WORD_IDS];
    uint8_t n_bytes, n_ids; /* n_bytes 0 = empty */
} cached;

struct word_cache {
    void *block; /* what slots lie in */
    cached *slots;
};

word_cache *word_cache_new(void) {
    size_t line = sizeof(cached); /* an entry is one line of memory, not halves of two; untouched ones take no memory */
    word_cache *c = calloc(1, sizeof *c);
    if (c && !(c->block = calloc(SLOTS + 1, line))) {
        free(c);
        return NULL;
    }
    if (c) c->slots = (cached *)(((uintptr_t)c->block + line - 1) / line * line);
    return c;
}

void word_cache_free(word_cache *c) {
    if (c) free(c->block);
    free(c);
}

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

/* A word with its place in the table. */
typedef struct word_key {
    const char *text;
    size_t n;
    uint64_t key[3];
    cached *slot; /* NULL: too long for the table */
} word_key;

static inline void look_up(word_cache *c, const char *word, size_t n, size_t readable, word_key *k) {
    k->text = word, k->n = n, k->slot = NULL;
    if (!c || n > WORD_BYTES) return;
    key_of(word, n, readable, k->key);
    k->slot = &c->slots[slot_of(k->key, n)];
}

static glimpse_status encode_new(const word_key *k, word_fn encode, void *user, buffer *ids) {
    size_t before = ids->n;
    cached *s = k->slot;
    TRY(encode(user, k->text, k->n, ids));
    size_t n_ids = (ids->n - before) / sizeof(int32_t);
    if (!s || n_ids > WORD_IDS || ids->failed) return GLIMPSE_OK;
    memcpy(s->word, k->key, sizeof k->key);
    if (n_ids) memcpy(s->ids, ids->bytes + before, n_ids * sizeof(int32_t));
    s->n_bytes = (uint8_t)k->n, s->n_ids = (uint8_t)n_ids;
    return GLIMPSE_OK;
}

static inline glimpse_status encode_one(const word_key *k, word_fn encode, void *user, buffer *ids) {
    const cached *s = k->slot;
    if (!s || s->n_bytes != k->n || s->word[0] != k->key[0] || s->word[1] != k->key[1] || s->word[2] != k->key[2])
        return encode_new(k, encode, user, ids);
    /* All eight places at once: there is room, and only n_ids of them count. */
    if (ids->cap - ids->n > sizeof s->ids) {
        memcpy(ids->bytes + ids->n, s->ids, sizeof s->ids);
        ids->n += s->n_ids * sizeof *s->ids;
    } else buf_put(ids, s->ids, s->n_ids * sizeof *s->ids);
    return GLIMPSE_OK;
}

/* Fast appends leave out the closing 0 of a buffer. */
static void close_ids(buffer *ids) {
    if (ids->bytes && ids->n < ids->cap) ids->bytes[ids->n] = 0;
}

glimpse_status word_cache_encode(word_cache *c, word_fn encode, void *user, const char *word, size_t n, buffer *ids) {
    word_key k;
    look_up(c, word, n, n, &k);
    glimpse_status st = encode_one(&k, encode, user, ids);
    close_ids(ids);
    return st;
}

glimpse_status word_cache_text(word_cache *c, scan_fn scan, word_fn encode, void *user, const char *text, size_t n,
                               buffer *ids) {
    glimpse_status st = GLIMPSE_OK;
    word_key words[AHEAD]; /* some at a time: their entries come from memory while others are looked for */
    for (size_t at = 0, count, i; at < n && st >= 0;) {
        for (count = 0; count < AHEAD && at < n; count++) {
            size_t word = scan(text + at, n - at);
            look_up(c, text + at, word, n - at, &words[count]);
            if (words[count].slot) __builtin_prefetch(words[count].slot);
            at += word;
        }
        for (i = 0; i < count && st >= 0; i++) st = encode_one(&words[i], encode, user, ids);
    }
    close_ids(ids);
    return st;
}
