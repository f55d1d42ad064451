/* test_tokenizer_files.c -- GPT-2's pre-tokenizer against PCRE2, the Unicode tables, and llm.c's tokenizer file: right,
 * cut at every byte, and lying in every field. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/base64.h"
#include "include/internal/file.h"
#include "include/internal/utf8.h"
#include "sampling/tokenizer/pretokenize_gpt2.h"
#include "sampling/tokenizer/tokenizer.h"
#include "sampling/tokenizer/unicode_classes.h"
#include "tests/oracle.h"
#include "tests/hostile.h"
#include "tests/test.h"
#include "tests/toy_bpe.h"

/* PCRE2 10.42 is of Unicode 14: none of these was assigned later, so both must agree. */
static const uint32_t nasty[] = {
    ' ', ' ', ' ', ' ', '\n', '\n', '\t', '\r', 0x0b, 0x0c, 0x1c, 0x1f, 0x85, 0xa0, 0x1680, 0x180e, 0x2000, 0x2003, 0x200a, 0x200b,
    0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff, '\'', '\'', '\'', 's', 't', 'r', 'e', 'v', 'm', 'l', 'd', 'S', 'L', 'a',
    'z', 0xaa, 0xb5, 0xba, 0xb2, 0xbc, 0xe9, 0x17f, 0x130, 0x301, 0x3b1, 0x5d0, 0x627, 0x661, 0x966, 0x903, 0x1f88, 0x2160, 0x2460,
    0x3007, 0x3042, 0x4e2d, 0xac00, 0xd7a3, 0xff10, 0x10400, 0x1d7ce, 0x1f600, 0x1f3fd, 0x200d, 0xfe0f, 0x20000, 0x3134a, '0', '9',
    '.', '-', '_', '$', 0x20ac, 0x10ffff, 0xe000, 0};

TEST_LIMIT(tokenizer_pretokenizer_equals_pcre2, 120) {
    uint64_t rng = 7;
    char text[64 * 4];
    int strings = test_is_full() ? 1000000 : test_is_slow_build() ? 30000 : 200000, differing = 0;
    for (int k = 0; k < strings && !differing; k++) {
        size_t n = 0, chars = 1 + oracle_random(&rng) % 24;
        uint32_t last = 'a';
        for (size_t i = 0; i < chars; i++) {
            uint64_t r = oracle_random(&rng);
            if (r & 3 || !i) last = nasty[(r >> 8) % (sizeof nasty / sizeof *nasty)]; /* else the same again: runs */
            n += (size_t)utf8_encode(last, text + n);
        }
        for (size_t at = 0; at < n;) {
            size_t ours = pretokenize_gpt2_next(text + at, n - at), theirs = pcre2_next_word(text, n, at);
            if (ours != theirs || !ours) {
                EXPECT_EQ(ours, theirs);
                differing++;
                break;
            }
            at += ours;
        }
    }
    EXPECT_EQ(differing, 0);
}

TEST(tokenizer_pretokenizer_examples) {
    static const struct {
        const char *text, *cut;
    } cases[] = {
        {"I'll  say 'so' it's", "I|'ll| | say| '|so|'| it|'s"},
        {"a\n\n b  ", "a|\n\n| b|  "},
        {"x=10!!  y", "x|=|10|!!| | y"},
        {"we've\tgone", "we|'ve|\t|gone"},
        {"caf\xc3\xa9 12\xc2\xbd", "caf\xc3\xa9| 12\xc2\xbd"},
        {" \n x", " \n| x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer cut = {0};
        size_t n = strlen(cases[i].text);
        for (size_t at = 0, word; at < n; at += word) {
            word = pretokenize_gpt2_next(cases[i].text + at, n - at);
            if (at) buf_putc(&cut, '|');
            buf_put(&cut, cases[i].text + at, word);
        }
        EXPECT_STREQ(buf_str(&cut), cases[i].cut);
        buf_free(&cut);
    }
}

/* Whatever the bytes: it advances, stays inside, and does not cut a valid character. */
TEST(tokenizer_pretokenizer_any_bytes) {
    uint64_t rng = 8;
    for (int k = 0; k < 20000; k++) {
        size_t n = 1 + oracle_random(&rng) % 40;
        char *text = malloc(n); /* exactly n: the address sanitizer sees a byte too far */
        REQUIRE(text);
        for (size_t i = 0; i < n; i++) text[i] = (char)(oracle_random(&rng) % 2 ? 0xc0 | oracle_random(&rng) : oracle_random(&rng));
        for (size_t at = 0; at < n;) {
            size_t word = pretokenize_gpt2_next(text + at, n - at);
            if (!EXPECT(word >= 1 && word <= n - at)) break;
            at += word;
        }
        free(text);
    }
}

/* Counts of Unicode 16.0 (UnicodeData.txt by general category; PropList.txt White_Space). */
TEST(tokenizer_unicode_counts) {
    long counts[4] = {0};
    for (uint32_t cp = 0; cp < 0x110000; cp++) counts[unicode_class_of(cp)]++;
    EXPECT_EQ(counts[UNICODE_LETTER], 141028);
    EXPECT_EQ(counts[UNICODE_NUMBER], 1911);
    EXPECT_EQ(counts[UNICODE_SPACE], 25);
    EXPECT_EQ(unicode_class_of(0x110000), UNICODE_OTHER);
    EXPECT_EQ(unicode_class_of(UINT32_MAX), UNICODE_OTHER);
    EXPECT_EQ(unicode_class_of(0x323af), UNICODE_LETTER); /* the last letter */
    EXPECT_EQ(unicode_class_of(0x10d40), UNICODE_NUMBER); /* Garay digit zero: new in 16.0 */
}

/* === llm.c's file === */
static void put_u32(buffer *b, uint32_t v) {
    for (int i = 0; i < 4; i++) buf_putc(b, (char)(v >> 8 * i));
}

static void make_file(buffer *b, uint32_t version, uint32_t V, uint32_t eot) {
    b->n = 0;
    put_u32(b, 20240328), put_u32(b, version), put_u32(b, V), put_u32(b, eot);
    buf_fill(b, 0, 1008);
}

static void put_token(buffer *b, const char *s) {
    buf_putc(b, (char)strlen(s));
    buf_puts(b, s);
}

static const char *saved(const buffer *b) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/tokenizer.bin", test_tmpdir());
    EXPECT_OK(file_write_atomic(path, b->bytes ? b->bytes : "", b->n, false));
    return path;
}

TEST(tokenizer_llmc_file) {
    toy_bpe toy;
    buffer b = {0}, ids = {0}, slow = {0};
    tokenizer *t = NULL;
    static const char text[] = "Once upon the string";
    toy_bpe_train(&toy, 400);
    make_file(&b, 2, (uint32_t)toy.n + 1, (uint32_t)toy.n);
    for (int i = 0; i < toy.n; i++) buf_putc(&b, (char)toy.bytes[i]), buf_put(&b, toy.piece[i], (size_t)toy.bytes[i]);
    put_token(&b, "<|endoftext|>");
    saved(&b);
    const char *dirs[] = {NULL, "/nonexistent", test_tmpdir()};
    REQUIRE_OK(tokenizer_find(dirs, 3, NULL, &t));
    REQUIRE(t);
    EXPECT_STREQ(t->ops->kind, "byte pairs");
    EXPECT_EQ(t->vocab_size, toy.n + 1);
    EXPECT_EQ(t->eos, toy.n);
    EXPECT(tokenizer_is_special(t, toy.n) && !tokenizer_is_special(t, toy.n - 1));
    EXPECT_OK(tokenizer_encode(t, text, sizeof text - 1, &ids));
    toy_encode(&toy, text, sizeof text - 1, &slow);
    EXPECT(ids.n == slow.n && !memcmp(ids.bytes, slow.bytes, ids.n));
    ids.n = 0;
    EXPECT_OK(tokenizer_encode(t, "<|endoftext|>", 13, &ids));
    EXPECT_EQ(ids.n, sizeof(int32_t));
    tokenizer_close(t);
    t = NULL;
    EXPECT_OK(tokenizer_find(dirs, 2, NULL, &t));
    EXPECT(!t);
    buf_free(&b), buf_free(&ids), buf_free(&slow);
    toy_free(&toy);
}

TEST(tokenizer_llmc_file_cut_at_every_byte) {
    buffer b = {0};
    tokenizer *t = NULL;
    make_file(&b, 2, 4, 3);
    put_token(&b, "a"), put_token(&b, "bcd"), put_token(&b, "e"), put_token(&b, "<|endoftext|>");
    size_t whole = b.n;
    for (size_t n = 0; n < whole; n += n < 1000 && n > 40 ? 37 : 1) {
        b.n = n;
        const char *path = saved(&b);
        glimpse_status st = tokenizer_load(path, &t);
        if (n < 4) EXPECT(st < 0);
        else EXPECT_ERR(st, GLIMPSE_E_FORMAT, "truncated");
        if (!EXPECT(!t)) break;
    }
    b.n = whole;
    EXPECT_OK(tokenizer_load(saved(&b), &t));
    tokenizer_close(t);
    t = NULL;
    buf_putc(&b, 'x');
    EXPECT_ERR(tokenizer_load(saved(&b), &t), GLIMPSE_E_FORMAT, "1 bytes after the last");
    EXPECT(!t);
    buf_free(&b);
}

TEST(tokenizer_llmc_file_with_lies) {
    buffer b = {0};
    tokenizer *t = NULL;
    static const struct {
        uint32_t version, V, eot;
        int code;
        const char *says;
    } lies[] = {
        {3, 2, 0, GLIMPSE_E_UNSUPPORTED, "version 3"},
        {0, 2, 0, GLIMPSE_E_UNSUPPORTED, "version 0"},
        {1, 2, 0, GLIMPSE_E_FORMAT, "expected 50257"},
        {1, 50257, 0, GLIMPSE_E_FORMAT, "truncated"},
        {2, 0, 0, GLIMPSE_E_FORMAT, "vocab_size"},
        {2, 0xffffffff, 0, GLIMPSE_E_FORMAT, "4294967295"},
        {2, 0x80000000, 0, GLIMPSE_E_FORMAT, "vocab_size"},
        {2, 1 << 24, 0, GLIMPSE_E_FORMAT, "truncated"},
        {2, 2, 2, GLIMPSE_E_FORMAT, "end-of-text id (header int 3) is 2"},
        {2, 2, 0xffffffff, GLIMPSE_E_FORMAT, "end-of-text"},
        {2, 3, 0, GLIMPSE_E_FORMAT, "truncated"},
        {2, 1, 0, GLIMPSE_E_FORMAT, "after the last"},
    };
    hostile_begin();
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        make_file(&b, lies[i].version, lies[i].V, lies[i].eot);
        put_token(&b, "a"), put_token(&b, "bc");
        char what[32];
        snprintf(what, sizeof what, "header %zu", i);
        hostile_tokenizer(what, saved(&b), lies[i].code, lies[i].says);
    }
    make_file(&b, 2, 3, 0);
    put_token(&b, "a"), put_token(&b, ""), put_token(&b, "bc");
    EXPECT_ERR(tokenizer_load(saved(&b), &t), GLIMPSE_E_FORMAT, "token 1 at byte 1026 has no bytes");
    buf_free(&b);
}

TEST(tokenizer_other_files_are_named) {
    static const struct {
        const char *bytes;
        size_t n;
        int code;
        const char *says;
    } files[] = {
        {"", 0, GLIMPSE_E_TOKENIZER, "empty"},
        {"{\"version\":\"1.0\"}", 17, GLIMPSE_E_TOKENIZER, "tokenizer.json"},
        {"\x80\x04\x95", 3, GLIMPSE_E_FORMAT, "its pickle is cut off"},
        {"\x0a\x0e\x0a\x05<unk>", 9, GLIMPSE_E_FORMAT, "no sentencepiece model"},
        {"IQ== 0\nIg== 1\n", 14, GLIMPSE_E_TOKENIZER, "2 ranks of tiktoken's kind"},
        {"\xc6\xd7\x34\x01", 4, GLIMPSE_E_TOKENIZER, "a model of llm.c"},
        {"PK\x03\x04", 4, GLIMPSE_E_TOKENIZER, "zip"},
        {"\x01\x02\x03\x04\x05", 5, GLIMPSE_E_FORMAT, "begins with the number 67305985"},
    };
    buffer b = {0};
    tokenizer *t = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        b.n = 0;
        buf_put(&b, files[i].bytes, files[i].n);
        EXPECT_ERR(tokenizer_load(saved(&b), &t), files[i].code, files[i].says);
    }
    EXPECT_ERR(tokenizer_load("/nonexistent/x", &t), GLIMPSE_E_IO, "/nonexistent/x");
    EXPECT(!t);
    buf_free(&b);
}

/* Whichever allocation fails: an error, nothing left behind, nothing lost. */
TEST(tokenizer_without_memory) {
    toy_bpe toy;
    toy_bpe_train(&toy, 300);
    toy_add(&toy, "<|endoftext|>", 13);
    for (long n = 1; n < 200; n++) {
        buffer ids = {0};
        tokenizer *t = NULL;
        test_fail_alloc(n);
        glimpse_status st = pieces_of_toy(&toy, &t);
        if (st >= 0) st = tokenizer_encode(t, "the string<|endoftext|>", 23, &ids);
        long used = test_fail_alloc(0);
        if (st < 0) EXPECT_EQ(st, GLIMPSE_E_MEMORY);
        tokenizer_close(t);
        buf_free(&ids);
        if (used < n) {
            EXPECT_OK(st);
            break;
        }
    }
    toy_free(&toy);
}

/* Ranks that do not say their pattern are found as well as given. */
TEST(tokenizer_found_takes_the_pattern) {
    tokenizer *t = NULL;
    char path[4200];
    snprintf(path, sizeof path, "%s/found.tiktoken", test_tmpdir());
    FILE *f = fopen(path, "w");
    REQUIRE(f != NULL);
    for (int i = 0; i < 256; i++) {
        buffer b = {0};
        base64_encode(&(char){(char)i}, 1, &b);
        fprintf(f, "%s %d\n", buf_str(&b), i);
        buf_free(&b);
    }
    fclose(f);
    const char *dirs[] = {test_tmpdir()};
    EXPECT_ERR(tokenizer_find(dirs, 1, NULL, &t), GLIMPSE_E_TOKENIZER, "--tokenizer_pattern");
    REQUIRE_OK(tokenizer_find(dirs, 1, "cl100k", &t));
    EXPECT_EQ(t->vocab_size, 256);
    tokenizer_close(t);
}
