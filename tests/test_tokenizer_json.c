/* test_tokenizer_json.c -- tokenizer.json: the ids of Hugging Face tokenizers on nasty texts for every family of the corpus
 * (tests/ref/tokenizer_files.py), decoding, Llama 3's and Qwen's scanners against PCRE2, nanoGPT's meta.pkl, files that lie. */
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "include/internal/utf8.h"
#include "sampling/tokenizer/pretokenize_llama3.h"
#include "sampling/tokenizer/tokenizer.h"
#include "tests/hf_files.h"
#include "tests/hostile.h"
#include "tests/oracle.h"
#include "tests/ref/tokenizer_ids.h"
#include "tests/test.h"

enum { FAMILIES = sizeof tokenizer_families / sizeof *tokenizer_families };

static const char *corpus(const char *dir, const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s/%s", test_source_dir(), dir, name);
    return path;
}

static void print_ids(char *out, size_t cap, const int *ids, size_t n) {
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < n && at < cap; i++) at += (size_t)snprintf(out + at, cap - at, "%d ", ids[i]);
}

TEST(tokenizer_json_ids_of_every_family) {
    for (int f = 0; f < FAMILIES; f++) {
        const tokenizer_family *family = &tokenizer_families[f];
        tokenizer *t = NULL;
        if (!EXPECT_OK(tokenizer_load(corpus("tokenizer_json", family->file), &t))) continue;
        EXPECT_EQ(t->n_prefix, family->n_prefix);
        if (t->n_prefix) EXPECT_EQ(t->prefix[0], family->prefix);
        for (int i = 0; i < family->n_cases; i++) {
            const tokenizer_case *c = &family->cases[i];
            buffer ids = {0}, prompt = {0};
            char want[2048], have[2048];
            if (!EXPECT_OK(tokenizer_encode(t, c->text, (size_t)c->bytes, &ids))) continue;
            print_ids(want, sizeof want, c->ids, (size_t)c->n_ids);
            print_ids(have, sizeof have, (const int *)(const void *)ids.bytes, ids.n / sizeof(int));
            test_check(!strcmp(want, have), __FILE__, __LINE__, "%s: text %d: expected %s found %s", family->file, i,
                       want, have);
            EXPECT_OK(tokenizer_encode_prompt(t, c->text, (size_t)c->bytes, &prompt));
            bool named = t->n_prefix && c->n_ids && c->ids[0] == t->prefix[0];
            EXPECT_EQ(prompt.n / 4, (size_t)c->n_ids + (named ? 0 : (size_t)family->n_prefix));
            buf_free(&ids);
            buf_free(&prompt);
        }
        tokenizer_close(t);
    }
}

/* Byte-level families give every text back; so does Llama's with byte fallback, but for the blank put before it. */
TEST(tokenizer_json_round_trip) {
    static const char *const files[] = {"gpt2.json",   "llama3.json", "smollm2.json", "o200k.json",
                                        "tekken.json", "gemma.json",  "llama2.json"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        tokenizer *t = NULL;
        if (!EXPECT_OK(tokenizer_load(corpus("tokenizer_json", files[f]), &t))) continue;
        for (int i = 0; i < tokenizer_families[0].n_cases; i++) {
            const tokenizer_case *c = &tokenizer_families[0].cases[i];
            buffer ids = {0}, text = {0};
            size_t skip = !strcmp(files[f], "llama2.json") && c->bytes ? 1 : 0;
            if (memmem(c->text, (size_t)c->bytes, "\xe2\x96\x81", 3) || memmem(c->text, (size_t)c->bytes, "<s>", 3))
                continue;
            EXPECT_OK(tokenizer_encode(t, c->text, (size_t)c->bytes, &ids));
            for (size_t k = 0; k < ids.n / sizeof(int); k++)
                EXPECT_OK(tokenizer_decode(t, ((const int *)(const void *)ids.bytes)[k], &text));
            if (text.n) text.n -= skip;
            test_check(text.n == (size_t)c->bytes && (!text.n || !memcmp(text.bytes + skip, c->text, text.n)), __FILE__,
                       __LINE__, "%s: text %d comes back as %s", files[f], i, buf_str(&text));
            buf_free(&ids);
            buf_free(&text);
        }
        tokenizer_close(t);
    }
}

TEST(tokenizer_json_special_tokens) {
    tokenizer *t = NULL;
    buffer text = {0};
    REQUIRE_OK(tokenizer_load(corpus("tokenizer_json", "llama3.json"), &t));
    EXPECT_EQ(t->bos, 0);
    EXPECT_EQ(t->eos, 1);
    EXPECT(tokenizer_is_special(t, 0) && tokenizer_is_special(t, 1) && !tokenizer_is_special(t, 2));
    EXPECT_OK(tokenizer_decode(t, 1, &text));
    EXPECT_STREQ(buf_str(&text), "<|endoftext|>");
    buf_free(&text);
    tokenizer_close(t);
}

/* Added tokens that take the blanks beside them; the ids are those of tokenizers 0.23.3. */
TEST(tokenizer_json_added_tokens_that_strip) {
    static const struct {
        const char *added, *text;
        int n, ids[4];
    } cases[] = {
        {"{\"id\":3,\"content\":\"  \",\"lstrip\":true,\"rstrip\":true}", "    b", 2, {3, 2}}, /* the second pair is taken already */
        {"{\"id\":3,\"content\":\"  \",\"rstrip\":true}", "     b", 3, {3, 3, 2}},
        {"{\"id\":3,\"content\":\"  \",\"lstrip\":true}", "   b  ", 3, {3, 0, 3}},
        {"{\"id\":1,\"content\":\"a\",\"rstrip\":true},{\"id\":3,\"content\":\" b\",\"lstrip\":true}", "a   b", 2, {1, 3}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tokenizer *t = NULL;
        buffer json = {0}, ids = {0};
        buf_printf(&json, "{\"added_tokens\":[%s],\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"[UNK]\","
                          "\"vocab\":{\"[UNK]\":0,\"a\":1,\"b\":2}}}", cases[i].added);
        if (EXPECT_OK(tokenizer_load(hf_save(hf_dir("tok"), "strip.json", json.bytes, json.n), &t)) &&
            EXPECT_OK(tokenizer_encode(t, cases[i].text, strlen(cases[i].text), &ids)) &&
            EXPECT_EQ(ids.n, (size_t)cases[i].n * 4))
            EXPECT(!memcmp(ids.bytes, cases[i].ids, ids.n));
        tokenizer_close(t);
        buf_free(&ids);
        buf_free(&json);
    }
}

/* === The scanners === */
static const uint32_t nasty[] = {
    ' ',    ' ',    ' ',    '\n',   '\n',   '\r',   '\t',    0x0b,    0x1c,    0x85,   0xa0,    0x1680, 0x180e,
    0x2003, 0x200b, 0x2028, 0x202f, 0x3000, 0xfeff, '\'',    '\'',    '\'',    's',    't',     'r',    'e',
    'v',    'm',    'l',    'd',    'S',    'T',    'R',     'E',     'V',     'M',    'L',     'D',    0x17f,
    0x212a, 'a',    'z',    0xaa,   0xb2,   0xbc,   0xe9,    0x130,   0x301,   0x5d0,  0x661,   0x966,  0x903,
    0x2160, 0x2460, 0x3042, 0x4e2d, 0xac00, 0xff10, 0x10400, 0x1d7ce, 0x1f600, 0x200d, 0x20000, '0',    '1',
    '9',    '.',    '-',    '_',    '$',    '/',    0x20ac,  0xe000,  0};

static void scanner_equals_pcre2(const char *digits, size_t (*next)(const char *, size_t)) {
    buffer p = {0};
#define SPACES "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
    buf_printf(&p,
               "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|%s| ?[^" SPACES
               "\\p{L}\\p{N}]+[\\r\\n]*|[" SPACES "]*[\\r\\n]+|"
               "[" SPACES "]+(?![^" SPACES "])|[" SPACES "]+",
               digits);
    int error;
    PCRE2_SIZE where;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)buf_str(&p), p.n, PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &where, NULL);
    buf_free(&p);
    REQUIRE(code != NULL);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    pcre2_match_data *data = pcre2_match_data_create(4, NULL);
    uint64_t rng = 11;
    char text[40 * 4];
    int strings = test_is_full() ? 500000 : test_is_slow_build() ? 20000 : 100000, differing = 0;
    for (int k = 0; k < strings && !differing; k++) {
        size_t n = 0, chars = 1 + oracle_random(&rng) % 24;
        uint32_t last = 'a';
        for (size_t i = 0; i < chars; i++) {
            uint64_t r = oracle_random(&rng);
            if (r & 3 || !i) last = nasty[(r >> 8) % (sizeof nasty / sizeof *nasty)];
            n += (size_t)utf8_encode(last, text + n);
        }
        for (size_t at = 0; at < n && !differing;) {
            size_t ours = next(text + at, n - at);
            int rc = pcre2_match(code, (PCRE2_SPTR)text, n, at, PCRE2_NO_UTF_CHECK, data, NULL);
            size_t theirs = rc > 0 ? pcre2_get_ovector_pointer(data)[1] - at : 0;
            if (ours != theirs || !ours) {
                EXPECT_EQ(ours, theirs);
                differing++;
            }
            at += ours;
        }
    }
    EXPECT_EQ(differing, 0);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
}

TEST_LIMIT(tokenizer_llama3_scanner_equals_pcre2, 120) { scanner_equals_pcre2("\\p{N}{1,3}", pretokenize_llama3_next); }
TEST_LIMIT(tokenizer_qwen2_scanner_equals_pcre2, 120) { scanner_equals_pcre2("\\p{N}", pretokenize_qwen2_next); }

/* === nanoGPT's meta.pkl === */
TEST(tokenizer_meta_pickle) {
    static const char *const files[] = {"meta2.pkl", "meta4.pkl", "meta_large.pkl"};
    for (int k = 0; k < 3; k++) {
        tokenizer *t = NULL;
        buffer ids = {0}, text = {0};
        const char *say = k < 2 ? "caf\xc3\xa9!\n" : "\xe4\xb8\x80\xe4\xb8\x81";
        if (!EXPECT_OK(tokenizer_load(corpus("pickle", files[k]), &t))) continue;
        EXPECT_STREQ(t->ops->kind, "characters");
        EXPECT_OK(tokenizer_encode(t, say, strlen(say), &ids));
        EXPECT_EQ(ids.n / 4, k < 2 ? 6 : 2);
        for (size_t i = 0; i < ids.n / 4; i++) tokenizer_decode(t, ((const int *)(const void *)ids.bytes)[i], &text);
        EXPECT_STREQ(buf_str(&text), say);
        buf_clear(&ids);
        EXPECT_ERR(tokenizer_encode(t, "abX", 3, &ids), GLIMPSE_E_TOKENIZER,
                   k < 2 ? "\"X\" (U+0058) at byte 2" : "\"a\"");
        buf_free(&ids);
        buf_free(&text);
        tokenizer_close(t);
    }
}

/* === Files that lie === */
#define BPE(vocab, merges) "\"model\":{\"type\":\"BPE\",\"vocab\":" vocab ",\"merges\":" merges "}"

TEST(tokenizer_json_files_that_lie) {
    static const struct {
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {"{}", GLIMPSE_E_TOKENIZER, "no tokenizer.json"},
        {"{\"model\":1}", GLIMPSE_E_FORMAT, "it has no model"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", GLIMPSE_E_FORMAT, "model.vocab is no list"},
        {"{\"model\":{\"type\":\"Magic\"}}", GLIMPSE_E_UNSUPPORTED, "the model Magic is not known"},
        {"{\"model\":{\"type\":\"BPE\"}}", GLIMPSE_E_FORMAT, "model.vocab is no object"},
        {"{" BPE("{}", "[]") "}", GLIMPSE_E_FORMAT, "model.vocab is empty"},
        {"{" BPE("{\"a\":-1}", "[]") "}", GLIMPSE_E_FORMAT, "the id of \"a\" is no whole number"},
        {"{" BPE("{\"a\":1.5}", "[]") "}", GLIMPSE_E_FORMAT, "the id of \"a\" is no whole number"},
        {"{" BPE("{\"a\":2147483647}", "[]") "}", GLIMPSE_E_FORMAT, "the id of \"a\" is no whole number from 0 to"},
        {"{" BPE("{\"a\":\"0\"}", "[]") "}", GLIMPSE_E_FORMAT, "the id of \"a\""},
        {"{" BPE("{\"a\":0,\"a\":1}", "[]") "}", GLIMPSE_E_FORMAT, "the key \"a\" is there twice"},
        {"{" BPE("{\"a\":0}", "{}") "}", GLIMPSE_E_FORMAT, "model.merges is no list"},
        {"{" BPE("{\"a\":0}", "[\"a a\"]") "}", GLIMPSE_E_FORMAT,
         "merge 0 (\"a\" and \"a\") is of pieces that are not"},
        {"{" BPE("{\"a\":0}", "[\"aa\"]") "}", GLIMPSE_E_FORMAT, "an entry is no pair"},
        {"{" BPE("{\"a\":0}", "[\"a a a\"]") "}", GLIMPSE_E_FORMAT, "an entry is no pair"},
        {"{" BPE("{\"a\":0}", "[[\"a\"]]") "}", GLIMPSE_E_FORMAT, "an entry is no pair"},
        {"{" BPE("{\"a\":0}", "[1]") "}", GLIMPSE_E_FORMAT, "an entry is no pair"},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"x\"}}", GLIMPSE_E_FORMAT,
         "unk_token \"x\" is not in"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"end_of_word_suffix\":1}}", GLIMPSE_E_FORMAT,
         "end_of_word_suffix is no text"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1]],\"unk_id\":1}}", GLIMPSE_E_FORMAT, "unk_id is no whole"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",\"b\"]]}}", GLIMPSE_E_FORMAT, "entry 0 is no piece"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1e999]]}}", GLIMPSE_E_FORMAT, "entry 0 is no piece"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}", GLIMPSE_E_UNSUPPORTED,
         "dropout"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", GLIMPSE_E_FORMAT, "no unk_token"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}," BPE("{\"a\":0}", "[]") "}",
         GLIMPSE_E_FORMAT, "is no base64"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////wAA\"}," BPE("{\"a\":0}", "[]") "}",
         GLIMPSE_E_FORMAT, "an array of 4294967295 bytes in 6"},
        {"{\"normalizer\":{\"type\":\"Odd\"}," BPE("{\"a\":0}", "[]") "}", GLIMPSE_E_UNSUPPORTED,
         "the normalizer Odd is not known"},
        {"{\"normalizer\":{}," BPE("{\"a\":0}", "[]") "}", GLIMPSE_E_FORMAT, "a normalizer without type"},
        {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Odder\"}]}," BPE("{\"a\":0}", "[]") "}",
         GLIMPSE_E_UNSUPPORTED, "the normalizer Odder"},
        {"{\"pre_tokenizer\":{\"type\":\"Scripts\"}," BPE("{\"a\":0}", "[]") "}", GLIMPSE_E_UNSUPPORTED,
         "the pre-tokenizer Scripts"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"}," BPE(
             "{\"a\":0}", "[]") "}",
         GLIMPSE_E_UNSUPPORTED, "the pattern \"(\" is not taken"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[[a]b]\"},\"behavior\":\"Isolated\"}," BPE(
             "{\"a\":0}", "[]") "}",
         GLIMPSE_E_UNSUPPORTED, "a class in a class"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Somehow\"}," BPE(
             "{\"a\":0}", "[]") "}",
         GLIMPSE_E_UNSUPPORTED, "an unknown behavior"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},\"behavior\":\"Isolated\"}," BPE(
             "{\"a\":0}", "[]") "}",
         GLIMPSE_E_FORMAT, "an empty pattern"},
        {"{\"decoder\":{\"type\":\"CTC\"}," BPE("{\"a\":0}", "[]") "}", GLIMPSE_E_FORMAT, "CTC's pad_token"},
        {"{\"decoder\":{\"type\":\"Odd\"}," BPE("{\"a\":0}", "[]") "}", GLIMPSE_E_UNSUPPORTED, "the decoder Odd"},
        {"{\"post_processor\":{\"type\":\"Odd\"}," BPE("{\"a\":0}", "[]") "}", GLIMPSE_E_UNSUPPORTED,
         "the post-processor Odd"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}],"
         "\"special_tokens\":{}}," BPE("{\"a\":0}", "[]") "}",
         GLIMPSE_E_FORMAT, "does not define"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}],"
         "\"special_tokens\":{\"x\":{\"ids\":[7]}}}," BPE("{\"a\":0}", "[]") "}",
         GLIMPSE_E_FORMAT, "puts id 7 around a text"},
        {"{\"added_tokens\":[{\"id\":4000000000,\"content\":\"x\"}]," BPE("{\"a\":0}", "[]") "}", GLIMPSE_E_FORMAT,
         "added_tokens"},
        {"{\"added_tokens\":[{\"id\":1,\"content\":\"\"}]," BPE("{\"a\":0}", "[]") "}", GLIMPSE_E_FORMAT,
         "added_tokens"},
        {"{\"added_tokens\":{}," BPE("{\"a\":0}", "[]") "}", GLIMPSE_E_FORMAT, "added_tokens is no list"},
        {"{\"model\"", GLIMPSE_E_FORMAT, "the JSON ends"},
        {"\x80\x04}.", GLIMPSE_E_TOKENIZER, "a pickle without itos"},
        {"\x80\x04}\x8c\x04itos}K\0X\1\0\0\0as.", GLIMPSE_E_FORMAT, NULL},
    };
    char path[4096], what[48];
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(path, sizeof path, "%s",
                 hf_save(hf_dir("tok"), "tokenizer.json", cases[i].text, strlen(cases[i].text)));
        snprintf(what, sizeof what, "case %zu", i);
        hostile_tokenizer(what, path, cases[i].code, cases[i].says);
    }
}

/* A pattern that would run for ever, and one letter a million times. */
TEST(tokenizer_json_slow_patterns) {
    static const char slow[] =
        "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a+)+$\"},\"behavior\":\"Isolated\"}," BPE(
            "{\"a\":0,\"b\":1}", "[]") "}";
    tokenizer *t = NULL;
    buffer ids = {0}, text = {0};
    REQUIRE_OK(tokenizer_load(hf_save(hf_dir("tok"), "slow.json", slow, strlen(slow)), &t));
    EXPECT_ERR(tokenizer_encode(t, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 41, &ids), GLIMPSE_E_TOKENIZER,
               "too many steps");
    EXPECT_EQ(ids.n, 0);
    tokenizer_close(t);
    buf_fill(&text, 'a', 1 << 20);
    for (int f = 0; f < FAMILIES; f++) {
        buf_clear(&ids);
        if (!EXPECT_OK(tokenizer_load(corpus("tokenizer_json", tokenizer_families[f].file), &t))) continue;
        EXPECT_OK(tokenizer_encode(t, text.bytes, text.n, &ids));
        tokenizer_close(t);
    }
    buf_free(&text);
    buf_free(&ids);
}

TEST(tokenizer_json_without_memory) {
    for (long n = 1; n < 3000; n += n < 60 ? 1 : 23) {
        tokenizer *t = NULL;
        buffer ids = {0};
        test_fail_alloc(n);
        glimpse_status st = tokenizer_load(corpus("tokenizer_json", "llama2.json"), &t);
        if (st >= 0) st = tokenizer_encode(t, "hello  w\xc3\xb6rld", 13, &ids);
        long used = test_fail_alloc(0);
        if (st < 0) EXPECT(st == GLIMPSE_E_MEMORY || st == GLIMPSE_E_IO || st == GLIMPSE_E_FORMAT);
        tokenizer_close(t);
        buf_free(&ids);
        if (used < n) break;
    }
}
