/* test_tokenizer_kinds.c -- every kind of tokenizer file against the ids of its own system (tests/ref/tokenizer_freeze.py), texts
 * back from ids, files that lie, and texts that are hard for a quadratic encoder. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "include/internal/file.h"
#include "include/internal/utf8.h"
#include "sampling/tokenizer/tokenizer.h"
#include "tests/hf_files.h"
#include "tests/hostile.h"
#include "tests/test.h"

enum { MAX_TEXTS = 512 };

static const char *corpus(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/tokenizer/%s", test_source_dir(), name);
    return path;
}

static void put_hex(const char *s, const char *end, buffer *out) {
    for (; s + 1 < end; s += 2) {
        unsigned v = 0;
        sscanf(s, "%2x", &v);
        buf_putc(out, (char)v);
    }
}

static void put_ids(const buffer *ids, buffer *out) {
    for (size_t i = 0; i < ids->n / 4; i++) buf_printf(out, i ? " %d" : "%d", ((const int *)(const void *)ids->bytes)[i]);
}

/* One line: "N ids", perhaps "= text". */
static void check_line(const char *name, tokenizer *t, const char *line, const char *end, const buffer *texts) {
    char *after;
    long n = strtol(line, &after, 10);
    const buffer *text = &texts[n];
    const char *equals = memmem(after, (size_t)(end - after), " = ", 3), *ids_end = equals ? equals : end;
    buffer ids = {0}, have = {0}, back = {0}, want = {0};
    const char *from = after + (after < ids_end);
    EXPECT_OK(tokenizer_encode(t, buf_str(text), text->n, &ids));
    put_ids(&ids, &have);
    test_check(have.n == (size_t)(ids_end - from) && (!have.n || !memcmp(have.bytes, from, have.n)), __FILE__, __LINE__,
               "%s: text %ld: expected %.*s found %s", name, n, (int)(ids_end - from), from, buf_str(&have));
    EXPECT_OK(tokenizer_text(t, (const int32_t *)(const void *)buf_str(&ids), ids.n / 4, true, &back));
    if (equals) put_hex(equals + 3, end, &want);
    else buf_put(&want, buf_str(text), text->n);
    test_check(strstr(name, "chain") || (want.n == back.n && (!want.n || !memcmp(want.bytes, back.bytes, want.n))), __FILE__, __LINE__,
               "%s: text %ld comes back as \"%s\", expected \"%s\"", name, n, buf_str(&back), buf_str(&want));
    buf_free(&ids), buf_free(&have), buf_free(&back), buf_free(&want);
}

TEST(tokenizer_kinds_ids_of_their_systems) {
    static buffer texts[MAX_TEXTS];
    buffer frozen = {0};
    char path[4096], name[128] = "", pattern[32];
    int n_texts = 0, families = 0;
    tokenizer *t = NULL;
    snprintf(path, sizeof path, "%s/tests/ref/tokenizer_frozen.txt", test_source_dir());
    REQUIRE_OK(file_read_all(path, (size_t)64 << 20, &frozen));
    for (const char *line = frozen.bytes, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!strncmp(line, "text ", 5) && n_texts < MAX_TEXTS) put_hex(line + 5, end, &texts[n_texts++]);
        else if (!strncmp(line, "file ", 5)) {
            tokenizer_close(t);
            t = NULL;
            pattern[0] = 0;
            sscanf(line, "file %127s%*1[ ]%31[a-z0-9]", name, pattern);
            families++;
            EXPECT_OK(tokenizer_load_pattern(corpus(name), *pattern ? pattern : NULL, &t));
        } else if (t) check_line(name, t, line, end, texts);
    }
    EXPECT(families > 30 && n_texts > 100);
    tokenizer_close(t);
    for (int i = 0; i < n_texts; i++) buf_free(&texts[i]);
    buf_free(&frozen);
}

/* sentencepiece 0.2.3: a control piece between the bytes C6 and 96 leaves two that are no character. */
TEST(tokenizer_kinds_a_control_piece_ends_a_run_of_bytes) {
    static const int32_t ids[] = {201, 2, 153, 90}, whole[] = {201, 153};
    static const char *const files[] = {"spm_bpe_llama.model", "spm_unigram_llama.model", "llama2c.bin", "gguf_llama.gguf"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        tokenizer *t = NULL;
        buffer out = {0};
        REQUIRE_OK(tokenizer_load(corpus(files[f]), &t));
        EXPECT_OK(tokenizer_text(t, ids, 4, true, &out));
        EXPECT_STREQ(buf_str(&out), "\xef\xbf\xbd\xef\xbf\xbdW");
        buf_clear(&out);
        EXPECT_OK(tokenizer_text(t, whole, 2, true, &out));
        EXPECT_STREQ(buf_str(&out), "\xc6\x96");
        buf_free(&out);
        tokenizer_close(t);
    }
}

/* sentencepiece 0.2.3, where the ways to cut differ in the last bit of their scores alone. */
TEST(tokenizer_kinds_user_defined_pieces_among_equals) {
    static const struct {
        const char *text;
        int n;
        int32_t ids[10];
    } cases[] = {{"\r\nthe \n\xe3\x80\x80", 4, {7, 8, 7, 265}},
                 {"the lll", 4, {8, 265, 419, 311}},
                 {"hello\r   1", 4, {5, 265, 7, 312}},
                 {"hello   \xf1\xa7\x82\xbb", 7, {5, 265, 7, 250, 176, 139, 196}},
                 {"hello the      the  l", 9, {5, 265, 8, 7, 7, 7, 8, 7, 419}}};
    tokenizer *t = NULL;
    REQUIRE_OK(tokenizer_load(corpus("spm_unigram_user.model"), &t));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer ids = {0};
        EXPECT_OK(tokenizer_encode(t, cases[i].text, strlen(cases[i].text), &ids));
        EXPECT_EQ(ids.n, 4 * (size_t)cases[i].n);
        EXPECT(ids.n == 4 * (size_t)cases[i].n && !memcmp(ids.bytes, cases[i].ids, ids.n));
        buf_free(&ids);
    }
    tokenizer_close(t);
}

static double seconds_of(tokenizer *t, const char *what, size_t n) {
    buffer text = {0}, ids = {0};
    struct timespec a, b;
    while (text.n < n) buf_puts(&text, what);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    EXPECT_OK(tokenizer_encode(t, text.bytes, text.n, &ids));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    buf_free(&text), buf_free(&ids);
    return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

/* Eight times the text takes eight times as long, or a little more: 64 times would be quadratic. */
TEST_TIMED(tokenizer_kinds_are_not_quadratic, 60) {
    static const char *const files[] = {"tiktoken_cl100k.ranks", "tiktoken_o200k.ranks", "tekken.json", "spm_bpe_llama.model",
                                        "spm_unigram_llama.model", "llama2c.bin", "bert_1n11.json", "unigram.json", "norm_nfkd.json"};
    static const char *const hard[] = {"a", "a a a ", "7", " ", "\xcc\x81", "aA", "\xe4\xb8\xad", "\n "};
    size_t small = test_is_slow_build() ? 8192 : 32768;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        tokenizer *t = NULL;
        if (!EXPECT_OK(tokenizer_load_pattern(corpus(files[f]), strstr(files[f], "cl100k") ? "cl100k" : strstr(files[f], "o200k") ? "o200k" : NULL, &t))) continue;
        for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
            double one = seconds_of(t, hard[i], small), eight = seconds_of(t, hard[i], 8 * small);
            test_check(eight < 30 * one + 0.05, __FILE__, __LINE__, "%s: case %zu: %g s, eight times as much %g s", files[f], i, one, eight);
        }
        tokenizer_close(t);
    }
}

/* Each file, cut anywhere and with any of its first bytes changed, is refused or read; never more memory than the rules allow. */
TEST(tokenizer_kinds_files_that_lie) {
    static const struct {
        const char *bytes;
        size_t n;
        int code;
        const char *says;
    } cases[] = {
        {"\n\x05\n\x01" "a\x15\0", 7, GLIMPSE_E_FORMAT, "no sentencepiece model"},
        {"\n\x03\n\x01" "a", 5, GLIMPSE_E_FORMAT, "no piece is the unknown token"},
        {"\n\x05\n\x01" "a\x18\x09", 7, GLIMPSE_E_FORMAT, "has the type 9"},
        {"\n\x05\n\x01" "a\x18\x02\n\x05\n\x01" "b\x18\x02", 14, GLIMPSE_E_FORMAT, "two unknown tokens"},
        {"\n\x05\n\x01" "a\x18\x02\n\x03\n\x01" "b\n\x03\n\x01" "b", 17, GLIMPSE_E_FORMAT, "is there twice"},
        {"\n\x05\n\x01" "a\x18\x02\x12\x02\x18\x07", 11, GLIMPSE_E_UNSUPPORTED, "of type 7"},
        {"\n\x05\n\x01" "a\x18\x02\x12\x03\x98\x02\x01", 12, GLIMPSE_E_FORMAT, "byte_fallback without the piece"},
        {"\n\x05\n\x01" "a\x18\x02\x1a\x05\x12\x03" "abc", 14, GLIMPSE_E_FORMAT, "precompiled_charsmap"},
        {"\n\xff\xff\xff\xff\x0f\n", 7, GLIMPSE_E_FORMAT, NULL},
        {"\x04\0\0\0\0\0\0\0\x04\0\0\0abcd\0\0\0\0\xff\xff\xff\xff", 24, GLIMPSE_E_FORMAT, "piece 1 at byte 16 has -1 bytes"},
        {"\x04\0\0\0\0\0\0\0\x04\0\0\0abcd", 16, GLIMPSE_E_FORMAT, "1 pieces"},
        {"\x04\0\0\0\0\0\0\0\x04\0\0\0abcd\0\0", 18, GLIMPSE_E_FORMAT, "truncated: piece 1"},
        {"YQ== 0\nYg== 0\n", 14, GLIMPSE_E_FORMAT, "line 2: the rank 0"},
        {"YQ== 0\nYg=! 1\n", 14, GLIMPSE_E_FORMAT, "line 2 is no base64"},
        {"YQ== 99999999999\n", 17, GLIMPSE_E_FORMAT, "the rank 99999999999"},
        {"YQ== 0\nYg== 1\n", 14, GLIMPSE_E_TOKENIZER, "--tokenizer_pattern"},
        {"{\"config\":{\"default_vocab_size\":4,\"default_num_special_tokens\":3},\"vocab\":[{\"rank\":0}]}", 87, GLIMPSE_E_FORMAT, "no pattern"},
        {"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0\0\0", 24, GLIMPSE_E_FORMAT, "truncated"},
        {"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, GLIMPSE_E_TOKENIZER, "holds no tokenizer"},
        {"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0k\x09\0\0\0\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f", 49, GLIMPSE_E_FORMAT,
         "an array of"},
        {"{\"config\":{},\"vocab\":[]}", 24, GLIMPSE_E_FORMAT, "vocab is no list"},
        {"{\"config\":{\"default_vocab_size\":9,\"default_num_special_tokens\":3},\"vocab\":[1]}", 78, GLIMPSE_E_FORMAT, "with 1 tokens"},
        {"{\"config\":{\"default_vocab_size\":4,\"default_num_special_tokens\":3,\"pattern\":\"(\"},\"vocab\":[{\"rank\":0,\"token_bytes\":\"YQ==\"}]}", 122, GLIMPSE_E_UNSUPPORTED,
         "the pattern"},
    };
    char what[32];
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(what, sizeof what, "case %zu", i);
        hostile_tokenizer(what, hf_save(hf_dir("kinds"), "tokenizer.model", cases[i].bytes, cases[i].n), cases[i].code, cases[i].says);
    }
}
