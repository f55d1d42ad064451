/* test_hash_tables.c -- a file whose keys were chosen to meet in one place of a table that they are put into costs what any other
 * of its size costs.  The choice knows the source: it is right for a table whose hash holds no number that only the process has. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sampling/checkpoint/weights.h"
#include "sampling/tokenizer/bpe_merges.h"
#include "sampling/tokenizer/byte_trie.h"
#include "sampling/tokenizer/piece_index.h"
#include "tests/hf_files.h"
#include "tests/hostile.h"
#include "tests/test.h"

enum { N = 40000, SLOTS = 131072, PLACE = SLOTS / 512, KEY = 7 }; /* tables have twice the room, as a power of two */
#define GOLDEN 0x9e3779b97f4a7c15u

static void spell(uint64_t number, char key[KEY]) {
    for (int i = 0; i < KEY; i++, number >>= 6) key[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[number & 63];
}

static uint64_t fnv(const char key[KEY]) {
    uint64_t h = 0xcbf29ce484222325u;
    for (int i = 0; i < KEY; i++) h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
    return h;
}

static uint64_t place_in_json(const char key[KEY]) {
    uint64_t h = fnv(key);
    return (h ^ h >> 29) * GOLDEN >> 20;
}

static uint64_t place_in_index(const char key[KEY]) {
    uint64_t h = fnv(key);
    return (h ^ h >> 32) * GOLDEN >> 29;
}

static bool met(uint64_t place) { return (place & (SLOTS - 1)) < PLACE; }

TEST_TIMED(safetensors_names_made_to_meet, 60) {
    const char *dir = hf_dir("met");
    buffer header = {0}, file = {0};
    char key[KEY];
    buf_puts(&header, "{");
    for (uint64_t number = 0, n = 0; n < N; number++) {
        spell(number, key);
        if (!met(place_in_json(key))) continue;
        buf_printf(&header, "%s\"%.*s\":1", n++ ? "," : "", KEY, key);
    }
    buf_puts(&header, "}");
    for (int i = 0; i < 8; i++) buf_putc(&file, (char)(header.n >> 8 * i));
    buf_put(&file, header.bytes, header.n);
    hf_save(dir, "config.json", hf_config(0), strlen(hf_config(0)));
    hf_save(dir, "model.safetensors", file.bytes, file.n);
    hostile_begin();
    hostile_checkpoint("names", dir, GLIMPSE_E_FORMAT, "its entry is no object");
    buf_free(&header);
    buf_free(&file);
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double fill_index(bool chosen) {
    piece_index ix = {0};
    char *keys = malloc((size_t)N * KEY);
    uint64_t number = 0;
    for (int n = 0; n < N; number++) {
        char *key = keys + (size_t)n * KEY;
        spell(number, key);
        n += !chosen || met(place_in_index(key));
    }
    double from = now_s();
    EXPECT_OK(index_open(&ix, N));
    for (int n = 0; n < N; n++) index_add(&ix, keys + (size_t)n * KEY, KEY, n);
    for (int n = 0; n < N; n++)
        if (index_find(&ix, keys + (size_t)n * KEY, KEY) != n) EXPECT_EQ(index_find(&ix, keys + (size_t)n * KEY, KEY), n);
    double took = now_s() - from;
    index_free(&ix);
    free(keys);
    return took;
}

static double fill_merges(bool chosen) {
    bpe_merges m = {0};
    uint32_t *pairs = malloc(2 * N * sizeof *pairs);
    for (uint32_t n = 0, number = 0; n < N; number++) {
        uint64_t key = (uint64_t)(number >> 12) << 32 | (number & 4095);
        pairs[2 * n] = number >> 12, pairs[2 * n + 1] = number & 4095;
        n += !chosen || met((key ^ key >> 31) * GOLDEN >> 32);
    }
    double from = now_s();
    EXPECT_OK(bpe_open(&m, N));
    for (int n = 0; n < N; n++) bpe_add(&m, (int32_t)pairs[2 * n], (int32_t)pairs[2 * n + 1], n, n);
    double took = now_s() - from;
    bpe_free(&m);
    free(pairs);
    return took;
}

static double fill_weights(bool chosen) {
    file f = {.path = (char *)"x", .fd = -1, .size = 4};
    weight_list l = {.files = &f, .n_files = 1};
    const weight w = {.dtype = WEIGHT_F32, .n_dims = 1, .dims = {1}, .bytes = 4};
    char *keys = malloc((size_t)N * KEY);
    uint64_t number = 0;
    for (int n = 0; n < N; number++) {
        char *key = keys + (size_t)n * KEY;
        spell(number, key);
        n += !chosen || (place_in_json(key) & (2 * SLOTS - 1)) < PLACE; /* this table has four times the room */
    }
    double from = now_s();
    for (int n = 0; n < N; n++) EXPECT_OK(weights_add(&l, &w, keys + (size_t)n * KEY, KEY));
    double took = now_s() - from;
    for (int n = 0; n < l.n; n++) free(l.w[n].name);
    free(l.w);
    free(l.index);
    free(keys);
    return took;
}

/* One string, whose every byte is the one that meets the others. */
static double fill_trie(bool chosen) {
    byte_trie t = {0};
    char *bytes = malloc(N);
    for (uint64_t node = 0; node < N; node++) {
        uint64_t least = UINT64_MAX;
        bytes[node] = 'a';
        for (uint64_t c = 0; chosen && c < 256; c++) {
            uint64_t place = ((node << 8 | c) + 1) * GOLDEN >> 24 & (SLOTS - 1);
            if (place < least) least = place, bytes[node] = (char)c;
        }
    }
    double from = now_s();
    EXPECT_OK(trie_add(&t, bytes, N, 5));
    EXPECT_EQ(trie_find(&t, bytes, N), 5);
    double took = now_s() - from;
    trie_free(&t);
    free(bytes);
    return took;
}

TEST_TIMED(pieces_and_names_made_to_meet, 120) {
    static double (*const fill[])(bool chosen) = {fill_index, fill_merges, fill_trie, fill_weights};
    for (size_t i = 0; i < sizeof fill / sizeof *fill; i++) {
        double any = INFINITY, chosen = INFINITY;
        for (int k = 0; k < 3; k++) any = fmin(any, fill[i](false)), chosen = fmin(chosen, fill[i](true));
        test_check(chosen < 10 * any + 0.01, __FILE__, __LINE__, "table %zu: %g s for any keys, %g s for those that were chosen", i, any, chosen);
    }
}
