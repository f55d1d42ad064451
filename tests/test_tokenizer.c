/* test_tokenizer.c -- round trips, encoding against slow and obvious oracles, special tokens, functions that lie. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "include/internal/utf8.h"
#include "sampling/tokenizer/tokenizer.h"
#include "tests/oracle.h"
#include "tests/test.h"
#include "tests/toy_bpe.h"

static int count(int slow, int normal, int full) { return test_is_full() ? full : test_is_slow_build() ? slow : normal; }

static int32_t id_at(const buffer *ids, size_t i) {
    int32_t id;
    memcpy(&id, ids->bytes + i * sizeof id, sizeof id);
    return id;
}

static void decode_all(tokenizer *t, const buffer *ids, buffer *out) {
    for (size_t i = 0; i < ids->n / sizeof(int32_t); i++) EXPECT_OK(tokenizer_decode(t, id_at(ids, i), out));
}

static bool round_trip(tokenizer *t, const char *text, size_t n) {
    buffer ids = {0}, back = {0};
    bool ok = EXPECT_OK(tokenizer_encode(t, text, n, &ids));
    decode_all(t, &ids, &back);
    ok = ok && EXPECT_EQ(back.n, n) && (!n || EXPECT_MEM(back.bytes, text, n));
    buf_free(&ids);
    buf_free(&back);
    return ok;
}

/* Random characters of all lengths, many of them white space, letters and apostrophes. */
static size_t random_text(uint64_t *rng, char *out, size_t chars) {
    static const uint32_t nasty[] = {' ', ' ', ' ', '\n', '\t', '\r', '\'', 's', 't', 'l', 'v', 'e', 'r', 'd', 'm', 'a', 'A', '0',
                                     '7', '.', '!', 0xA0, 0x85, 0xE9, 0x3B1, 0x4E2D, 0x2003, 0x3000, 0x1F600, 0x661, 0x301, 0x200D};
    size_t n = 0;
    for (size_t i = 0; i < chars; i++) {
        uint64_t r = oracle_random(rng);
        uint32_t cp = r % 8 ? nasty[(r >> 8) % (sizeof nasty / sizeof *nasty)] : (uint32_t)((r >> 8) % 0x110000);
        if (cp >= 0xD800 && cp < 0xE000) cp = 'x';
        n += (size_t)utf8_encode(cp, out + n);
    }
    return n;
}

TEST(tokenizer_byte_pairs_equal_the_slow_oracle) {
    toy_bpe toy;
    uint64_t rng = 1;
    char text[400];
    tokenizer *t = NULL;
    toy_bpe_train(&toy, 600);
    REQUIRE_OK(pieces_of_toy(&toy, &t));
    EXPECT_STREQ(t->ops->kind, "byte pairs");
    int differing = 0, merged = 0;
    for (int k = 0; k < count(500, 4000, 40000); k++) {
        buffer fast = {0}, slow = {0};
        size_t n;
        if (k % 3 == 0) {
            n = oracle_random(&rng) % 90;
            for (size_t i = 0; i < n; i++) text[i] = (char)oracle_random(&rng); /* any bytes */
        } else if (k % 3 == 1) n = random_text(&rng, text, oracle_random(&rng) % 80);
        else n = toy_text(&rng, text, oracle_random(&rng) % 200);
        EXPECT_OK(t->ops->encode(t, text, n, &fast));
        toy_encode(&toy, text, n, &slow);
        if (fast.n != slow.n || (fast.n && memcmp(fast.bytes, slow.bytes, fast.n))) differing++;
        if (fast.n / sizeof(int32_t) < n) merged++;
        buf_free(&fast);
        buf_free(&slow);
    }
    EXPECT_EQ(differing, 0);
    EXPECT(merged > 100); /* else the vocabulary was never used */
    tokenizer_close(t);
    toy_free(&toy);
}

TEST(tokenizer_byte_pairs_any_bytes_come_back) {
    toy_bpe toy;
    uint64_t rng = 2;
    tokenizer *t = NULL;
    static char text[4096];
    toy_bpe_train(&toy, 500);
    REQUIRE_OK(pieces_of_toy(&toy, &t));
    for (int k = 0; k < count(200, 2000, 20000); k++) {
        size_t n = oracle_random(&rng) % 300;
        for (size_t i = 0; i < n; i++) text[i] = (char)(k % 2 ? oracle_random(&rng) : 0x80 | oracle_random(&rng));
        if (!round_trip(t, text, n)) break;
        if (!round_trip(t, text, random_text(&rng, text, n))) break;
    }
    tokenizer_close(t);
    toy_free(&toy);
}

/* A megabyte of one letter is one word: the merges must not be quadratic.  60 s are the limit of a test; the quadratic
 * way takes hours. */
TEST(tokenizer_a_megabyte_of_one_letter) {
    toy_bpe toy;
    tokenizer *t = NULL;
    buffer text = {0}, ids = {0};
    toy_bpe_train(&toy, 300);
    /* a, aa, aaaa, ... are pieces */
    char run[65];
    memset(run, 'a', sizeof run);
    for (int n = 2; n <= 64; n *= 2) toy_add(&toy, run, (size_t)n);
    REQUIRE_OK(pieces_of_toy(&toy, &t));
    buf_fill(&text, 'a', 1 << 20);
    EXPECT_OK(tokenizer_encode(t, text.bytes, text.n, &ids));
    EXPECT_EQ(ids.n / sizeof(int32_t), (1 << 20) / 64);
    buf_free(&ids);
    EXPECT(round_trip(t, text.bytes, text.n - 3));
    buf_free(&text);
    tokenizer_close(t);
    toy_free(&toy);
}

static tokenizer *of_strings(const char *const *strings, int n, int eos) {
    int32_t lengths[512];
    tokenizer *t = NULL;
    glimpse_tokenizer d = GLIMPSE_TOKENIZER_INIT;
    for (int i = 0; i < n; i++) lengths[i] = (int32_t)strlen(strings[i]);
    d.pieces = strings, d.piece_bytes = lengths, d.n_pieces = n;
    EXPECT_OK(tokenizer_from_description(&d, n, eos, &t));
    return t;
}

static void expect_ids(tokenizer *t, const char *text, const char *expected) {
    buffer ids = {0}, shown = {0};
    EXPECT_OK(tokenizer_encode(t, text, strlen(text), &ids));
    for (size_t i = 0; i < ids.n / sizeof(int32_t); i++) buf_printf(&shown, "%s%d", i ? " " : "", (int)id_at(&ids, i));
    EXPECT_STREQ(buf_str(&shown), expected);
    buf_free(&ids);
    buf_free(&shown);
}

TEST(tokenizer_characters) {
    static const char *const pieces[] = {"\n", " ", "a", "b", "\xc3\xa9", "\xf0\x9f\x98\x80", "<|endoftext|>"};
    tokenizer *t = of_strings(pieces, 7, -1);
    REQUIRE(t);
    EXPECT_STREQ(t->ops->kind, "characters");
    EXPECT_EQ(t->eos, 6);
    EXPECT_EQ(t->bos, -1);
    expect_ids(t, "ab\xc3\xa9 \xf0\x9f\x98\x80\n", "2 3 4 1 5 0");
    expect_ids(t, "a<|endoftext|>b", "2 6 3");
    buffer ids = {0};
    EXPECT_ERR(tokenizer_encode(t, "a<|endoftext|>b<|endoftext|", 27, &ids), GLIMPSE_E_TOKENIZER, "\"<\" (U+003C) at byte 1");
    buf_free(&ids);
    tokenizer_close(t);
}

TEST(tokenizer_characters_name_what_is_unknown) {
    static const char *const pieces[] = {"a", "b", " "};
    tokenizer *t = of_strings(pieces, 3, -1);
    buffer ids = {0};
    REQUIRE(t);
    buf_puts(&ids, "kept");
    EXPECT_ERR(tokenizer_encode(t, "ab \xc3\xa9", 5, &ids), GLIMPSE_E_TOKENIZER, "\"\xc3\xa9\" (U+00E9) at byte 3");
    EXPECT_ERR(tokenizer_encode(t, "ab\n", 3, &ids), GLIMPSE_E_TOKENIZER, "\"\\n\" (U+000A) at byte 2");
    EXPECT_ERR(tokenizer_encode(t, "ab\xff", 3, &ids), GLIMPSE_E_TOKENIZER, "0xff");
    EXPECT_ERR(tokenizer_encode(t, "a\xe2\x82", 3, &ids), GLIMPSE_E_TOKENIZER, "0xe2 (no valid UTF-8) at byte 1");
    EXPECT(strstr(status_text(), "\nhint: ") != NULL);
    EXPECT_EQ(ids.n, 4); /* what was there before the failure, and nothing more */
    buf_free(&ids);
    tokenizer_close(t);
}

TEST(tokenizer_end_of_text_that_is_a_character_stays_one) {
    static const char *const pieces[] = {"\n", "a"};
    tokenizer *t = of_strings(pieces, 2, 0);
    REQUIRE(t);
    EXPECT_EQ(t->eos, 0);
    EXPECT(!tokenizer_is_special(t, 0));
    expect_ids(t, "a\na", "1 0 1");
    tokenizer_close(t);
}

TEST(tokenizer_longest_match) {
    static const char *const pieces[] = {"a", "ab", "abc", "b", "cd", "c", ""};
    tokenizer *t = of_strings(pieces, 7, -1);
    buffer out = {0};
    REQUIRE(t);
    EXPECT_STREQ(t->ops->kind, "longest match");
    expect_ids(t, "abcab", "2 1");
    EXPECT_ERR(tokenizer_encode(t, "aabcdab", 7, &out), GLIMPSE_E_TOKENIZER, "\"d\" (U+0064) at byte 4"); /* greedy: a, abc */
    expect_ids(t, "cdbcd", "4 3 4");
    EXPECT_OK(tokenizer_decode(t, 6, &out));
    EXPECT_OK(tokenizer_decode(t, 7, &out));
    EXPECT_OK(tokenizer_decode(t, -1, &out));
    EXPECT_EQ(out.n, 0);
    buf_free(&out);
    tokenizer_close(t);
}

TEST(tokenizer_special_tokens_by_name) {
    static const char *const pieces[] = {"a", "b", "<", "|", ">", "<|im_end|>", "<|im_end|>x", "<s>", "</s>", "s"};
    tokenizer *t = of_strings(pieces, 10, -1);
    buffer out = {0};
    REQUIRE(t);
    EXPECT_EQ(t->bos, 7);
    EXPECT_EQ(t->eos, 8);
    EXPECT(tokenizer_is_special(t, 5) && tokenizer_is_special(t, 7) && tokenizer_is_special(t, 8));
    EXPECT(!tokenizer_is_special(t, 6) && !tokenizer_is_special(t, 0) && !tokenizer_is_special(t, -1));
    EXPECT_ERR(tokenizer_encode(t, "a<|im_end|>b<|im", 16, &out), GLIMPSE_E_TOKENIZER, "\"i\" (U+0069) at byte 3");
    EXPECT(strstr(status_text(), "count from byte 11") != NULL);
    expect_ids(t, "a<|im_end|>b<s></s><|a", "0 5 1 7 8 2 3 0");
    EXPECT_OK(tokenizer_decode(t, 5, &out));
    EXPECT_STREQ(buf_str(&out), "<|im_end|>");
    buf_free(&out);
    tokenizer_close(t);
}

TEST(tokenizer_bytes) {
    char all[256][2] = {{0}};
    const char *pieces[256];
    int32_t lengths[256];
    glimpse_tokenizer d = GLIMPSE_TOKENIZER_INIT;
    tokenizer *t = NULL;
    for (int i = 0; i < 256; i++) all[i][0] = (char)i, pieces[i] = all[i], lengths[i] = 1;
    d.pieces = pieces, d.piece_bytes = lengths, d.n_pieces = 256;
    REQUIRE_OK(tokenizer_from_description(&d, 256, -1, &t));
    EXPECT_STREQ(t->ops->kind, "bytes");
    expect_ids(t, "\xff" "A\n", "255 65 10");
    EXPECT(round_trip(t, "\0\xff\x80 x", 5));
    tokenizer_close(t);
}

TEST(tokenizer_pieces_that_cannot_be) {
    const char *pieces[] = {"a", NULL, "c"};
    int32_t lengths[] = {1, 1, 1};
    glimpse_tokenizer d = GLIMPSE_TOKENIZER_INIT;
    tokenizer *t = NULL;
    EXPECT_ERR(tokenizer_from_description(&d, 3, -1, &t), GLIMPSE_E_TOKENIZER, "empty");
    d.n_pieces = 3;
    EXPECT_ERR(tokenizer_from_description(&d, 3, -1, &t), GLIMPSE_E_TOKENIZER, "pieces NULL");
    d.pieces = pieces, d.piece_bytes = lengths;
    EXPECT_ERR(tokenizer_from_description(&d, 3, -1, &t), GLIMPSE_E_TOKENIZER, "piece 1 is NULL");
    pieces[1] = "b", lengths[1] = -5;
    EXPECT_ERR(tokenizer_from_description(&d, 3, -1, &t), GLIMPSE_E_TOKENIZER, "piece 1 has -5 bytes");
    lengths[1] = 0, lengths[0] = 0, lengths[2] = 0;
    EXPECT_ERR(tokenizer_from_description(&d, 3, -1, &t), GLIMPSE_E_TOKENIZER, "empty");
    d.n_pieces = -1;
    EXPECT_ERR(tokenizer_from_description(&d, 3, -1, &t), GLIMPSE_E_TOKENIZER, "-1");
    EXPECT(!t);
}

/* === Functions of a trainer === */
typedef struct liar {
    int32_t encode_says, encode_says_then, bad_id, decode_says, calls;
} liar;

static int32_t lying_encode(void *user, const char *text, size_t bytes, int32_t *ids, int32_t cap) {
    liar *l = user;
    int32_t says = l->calls++ ? l->encode_says_then : l->encode_says;
    if (says == 0) { /* honest: an id a byte, each byte twice */
        if (strlen(text) != bytes) return INT32_MIN;
        if ((size_t)cap < 2 * bytes) return -(int32_t)(2 * bytes);
        for (size_t i = 0; i < 2 * bytes; i++) ids[i] = (unsigned char)text[i / 2];
        if (l->bad_id) ids[2 * bytes - 1] = l->bad_id;
        return (int32_t)(2 * bytes);
    }
    return says;
}

static int32_t lying_decode(void *user, int32_t id, char *out, int32_t cap) {
    liar *l = user;
    if (l->decode_says) return l->decode_says;
    if (cap < 200) return -200;
    memset(out, id, 200);
    return 200;
}

TEST(tokenizer_functions) {
    liar l = {0};
    buffer ids = {0}, out = {0};
    char text[101];
    glimpse_tokenizer d = GLIMPSE_TOKENIZER_INIT;
    tokenizer *t = NULL;
    memset(text, 'x', 100), text[100] = 0;
    d.encode = lying_encode, d.user = &l;
    EXPECT_ERR(tokenizer_from_description(&d, 128, -1, &t), GLIMPSE_E_TOKENIZER, "no decode");
    d.decode = lying_decode;
    REQUIRE_OK(tokenizer_from_description(&d, 128, 3, &t));
    EXPECT_EQ(t->eos, 3);
    EXPECT_OK(tokenizer_encode(t, text, 100, &ids)); /* asks for more room than it had: 200 ids for 100 bytes */
    EXPECT_EQ(ids.n / sizeof(int32_t), 200);
    EXPECT_EQ(id_at(&ids, 199), 'x');
    EXPECT_EQ(l.calls, 2);
    EXPECT_OK(tokenizer_decode(t, 'y', &out));
    EXPECT_EQ(out.n, 200);
    EXPECT_EQ(out.bytes[199], 'y');
    ids.n = 0;
    static const struct {
        liar l;
        const char *says;
    } lies[] = {
        {{.encode_says = INT32_MIN}, "cannot be encoded"},
        {{.encode_says = 101}, "returned 101 ids with room for 100"},
        {{.encode_says = INT32_MAX}, "with room for 100"},
        {{.encode_says = -3}, "asked for room for 3 ids, having 100"},
        {{.encode_says = -INT32_MAX}, "asked for room for 2147483647"},
        {{.encode_says = -500, .encode_says_then = -501}, "for 500 ids and then for 501"},
        {{.bad_id = 128}, "id 128"},
        {{.bad_id = -7}, "id -7"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        l = lies[i].l;
        EXPECT_ERR(tokenizer_encode(t, text, 100, &ids), GLIMPSE_E_TOKENIZER, lies[i].says);
        EXPECT_EQ(ids.n, 0);
    }
    out.n = 0;
    static const int32_t wrong[] = {65, INT32_MAX, -5, INT32_MIN, -(1 << 21)};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        l = (liar){.decode_says = wrong[i]};
        EXPECT_ERR(tokenizer_decode(t, 1, &out), GLIMPSE_E_TOKENIZER, "decode function");
    }
    EXPECT_OK(tokenizer_decode(t, 128, &out)); /* not the trainer's id: never asked */
    EXPECT_EQ(out.n, 0);
    buf_free(&ids);
    buf_free(&out);
    tokenizer_close(t);
}
