/* table_model.h -- a model that is a table of pseudo-random logits, exact in f32: the twin of tests/ref/table_model.py, so that
 * what transformers' generate returned on it can be compared token by token. */
#ifndef GLIMPSE_TEST_TABLE_MODEL_H
#define GLIMPSE_TEST_TABLE_MODEL_H

#include <glimpse.h>

enum { TABLE_V = 37, TABLE_EOS = 5 };

static inline uint64_t table_mix(uint64_t z) { /* splitmix64 */
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/* A glimpse_logits_fn; *user is the uint64_t seed. */
static inline int table_logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    uint64_t seed = *(const uint64_t *)user;
    for (int b = 0; b < B; b++) {
        uint64_t pos = (uint64_t)lengths[b] - 1, last = (uint64_t)ids[b * T + (int)pos];
        for (int v = 0; v < TABLE_V; v++) {
            uint64_t h = table_mix(seed << 48 | last << 32 | pos << 16 | (uint64_t)v);
            out[b * TABLE_V + v] = (float)((double)((int64_t)(h >> 48) - 32768) / 8192 + (v == TABLE_EOS ? 2 : 0));
        }
    }
    return 0;
}

/* Its description; `seed` is borrowed. */
static inline glimpse_model table_model(uint64_t *seed) {
    glimpse_model d = GLIMPSE_MODEL_INIT;
    d.vocab_size = TABLE_V;
    d.max_seq_len = 64;
    d.eos = TABLE_EOS;
    d.logits = table_logits;
    d.logits_user = seed;
    return d;
}

#endif
