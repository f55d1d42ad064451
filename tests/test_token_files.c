/* test_token_files.c -- tokenizers that travel with saved weights: each kind as a tokenizer.json with the same ids, or copied with
 * the reason; weights never copied; the ends of a text said by whichever knows them.  The ids of transformers itself:
 * tests/ref/parity_carry.py. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "include/internal/utf8.h"
#include "plugin/guest.h"
#include "sampling/checkpoint/save.h"
#include "sampling/tokenizer/spm_model.h"
#include "sampling/tokenizer/tokenizer_writer.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include "tests/toy_bpe.h"

static tokenizer *reread(const buffer *json) {
    tokenizer *t = NULL;
    if (!EXPECT_OK(file_write_atomic(test_path("reread.json"), json->bytes, json->n, false))) return NULL;
    EXPECT_OK(tokenizer_load(test_path("reread.json"), &t));
    return t;
}

static bool same_ids(tokenizer *a, tokenizer *b, const char *text, size_t n) {
    buffer x = {0}, y = {0};
    glimpse_status s = tokenizer_encode_prompt(a, text, n, &x), t = tokenizer_encode_prompt(b, text, n, &y);
    bool same = (s < 0) == (t < 0) && (s < 0 || (x.n == y.n && (!x.n || !memcmp(x.bytes, y.bytes, x.n))));
    buf_free(&x);
    buf_free(&y);
    return same;
}

/* The ids of the toy vocabulary by the quadratic encoder, from the tokenizer.json that was written of it. */
TEST(carry_byte_pairs_as_vocabulary_and_merges) {
    toy_bpe toy = {0};
    tokenizer *t = NULL, *back = NULL;
    buffer json = {0}, want = {0}, got = {0};
    char why[WHY_BYTES], text[200];
    uint64_t rng = 7;
    toy_bpe_train(&toy, 700);
    toy_add(&toy, "<|endoftext|>", 13);
    REQUIRE_OK(pieces_of_toy(&toy, &t));
    REQUIRE_OK(tokenizer_to_json(t, &json, why));
    EXPECT_STREQ(why, "");
    REQUIRE(json.n > 0);
    REQUIRE((back = reread(&json)) != NULL);
    EXPECT_EQ(back->vocab_size, toy.n);
    EXPECT_EQ(back->eos, toy.n - 1);
    for (int i = 0; i < 2000; i++) {
        size_t n = toy_text(&rng, text, sizeof text);
        buf_clear(&want), buf_clear(&got);
        toy_encode(&toy, text, n, &want);
        EXPECT_OK(tokenizer_encode(back, text, n, &got));
        if (!EXPECT_EQ(want.n, got.n) || !EXPECT_MEM(want.bytes, got.bytes, want.n)) break;
    }
    buf_free(&json), buf_free(&want), buf_free(&got);
    tokenizer_close(t);
    tokenizer_close(back);
    toy_free(&toy);
}

/* What tiktoken merges by rank alone, told by hand: "abc" is above its parts, and "bc" before "ab". */
TEST(carry_ranks_that_no_training_made) {
    const char *pieces[260];
    int32_t bytes[260];
    char all[256];
    tokenizer *t = NULL, *back = NULL;
    buffer json = {0}, got = {0};
    char why[WHY_BYTES];
    for (int i = 0; i < 256; i++) all[i] = (char)i, pieces[i] = all + i, bytes[i] = 1;
    static const char *const more[] = {"abc", "bc", "ab", "bcd"}; /* abc is reached by ab + c or a + bc, of later ranks */
    for (int i = 0; i < 4; i++) pieces[256 + i] = more[i], bytes[256 + i] = (int32_t)strlen(more[i]);
    REQUIRE_OK(pieces_tokenizer_new(pieces, bytes, 260, -1, "by hand", &t));
    REQUIRE_OK(tokenizer_to_json(t, &json, why));
    REQUIRE(json.n > 0);
    REQUIRE((back = reread(&json)) != NULL);
    /* abcd: bc (257) first, then a + bc = abc (256) is below bc + d = bcd (259). */
    EXPECT_OK(tokenizer_encode(back, "abcd", 4, &got));
    const int32_t want[] = {256, 'd'};
    EXPECT_EQ(got.n, sizeof want);
    if (got.n == sizeof want) EXPECT_MEM(got.bytes, want, sizeof want);
    EXPECT(same_ids(t, back, "abcd bcd ab abc xbcdabc", 23));
    buf_free(&json), buf_free(&got);
    tokenizer_close(t);
    tokenizer_close(back);
}

static void check_pieces(const char *const *pieces, int32_t n, const char *kind, const char *const *texts) {
    int32_t bytes[64];
    tokenizer *t = NULL, *back = NULL;
    buffer json = {0};
    char why[WHY_BYTES];
    for (int32_t i = 0; i < n; i++) bytes[i] = (int32_t)strlen(pieces[i]);
    REQUIRE_OK(pieces_tokenizer_new(pieces, bytes, n, -1, "by hand", &t));
    EXPECT_STREQ(t->ops->kind, kind);
    REQUIRE_OK(tokenizer_to_json(t, &json, why));
    EXPECT_STREQ(why, "");
    REQUIRE(json.n > 0 && (back = reread(&json)) != NULL);
    for (; *texts; texts++)
        test_check(same_ids(t, back, *texts, strlen(*texts)), __FILE__, __LINE__, "%s: \"%s\"", kind, *texts);
    buf_free(&json);
    tokenizer_close(t);
    tokenizer_close(back);
}

TEST(carry_characters_and_longest_matches) {
    static const char *const letters[] = {"a", "b", "\n", " ", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xe2\x80\xa8"};
    static const char *const words[] = {"a", "ab", "abc", "b", "c", " ", "cab", "<s>", "\xc3\xa9"};
    static const char *const texts[] = {"", "a b", "abcab", "aabbcab ab", "a\n\nb", "\xc3\xa9" "a\xf0\x9f\x98\x80", "x", "abx", "<s>abc", "a<s>", NULL};
    check_pieces(letters, 7, "characters", texts);
    check_pieces(words, 9, "longest match", texts);
}

TEST(carry_bytes) {
    const char *pieces[256];
    int32_t bytes[256];
    char all[256], why[WHY_BYTES];
    tokenizer *t = NULL, *back = NULL;
    buffer json = {0};
    for (int i = 0; i < 256; i++) all[i] = (char)i, pieces[i] = all + i, bytes[i] = 1;
    REQUIRE_OK(pieces_tokenizer_new(pieces, bytes, 256, 10, "by hand", &t));
    EXPECT_STREQ(t->ops->kind, "bytes");
    REQUIRE_OK(tokenizer_to_json(t, &json, why));
    REQUIRE(json.n > 0 && (back = reread(&json)) != NULL);
    EXPECT(same_ids(t, back, "any \xc3\xa9\n\n text\x01", 15));
    buf_free(&json);
    tokenizer_close(t);
    tokenizer_close(back);
}

/* === What sentencepiece makes === */
static void put_words(spm *m, bool equal) {
    static const char *const words[] = {"h", "e", "l", "o", "\xe2\x96\x81", "he", "ll", "hell", "\xe2\x96\x81he", "hello", "lo", "<", "u", "n", "k", ">"};
    spm_put(m, "<unk>", 5, 0, SPM_UNKNOWN);
    spm_put(m, "<s>", 3, 0, SPM_CONTROL);
    spm_put(m, "</s>", 4, 0, SPM_CONTROL);
    for (int b = 0; b < 256 && m->byte_fallback; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)b);
        spm_put(m, name, 6, 0, SPM_BYTE);
    }
    for (int i = 0; i < 16; i++) spm_put(m, words[i], strlen(words[i]), equal ? -1 : (float)-i - 1, SPM_NORMAL);
}

TEST(carry_sentencepiece_exact_or_as_it_was) {
    static const char *const texts[] = {"hello", " hello  hello ", "hell ohello", "x\xc3\xa9hello", "<unk>", "h<unk>e", "<0x41>", "<s>hello</s> he", "   ",
                                        "\xe2\x96\x81hello\xe2\x96\x81 ", "", "xy zz"};
    for (int k = 0; k < 16; k++) {
        spm m = {.kind = k & 1 ? SPM_UNIGRAM : SPM_BPE, .byte_fallback = k & 2, .remove_extra = k & 4, .dummy_prefix = !(k & 8), .escape = true,
                 .bos = 1, .eos = 2, .add_bos = k & 8};
        tokenizer *t = NULL, *back = NULL, *model = NULL;
        buffer json = {0}, file = {0};
        char why[WHY_BYTES];
        put_words(&m, false);
        REQUIRE_OK(spm_tokenizer_new("by hand", &m, &t));
        REQUIRE_OK(tokenizer_to_json(t, &json, why));
        EXPECT_STREQ(why, "");
        REQUIRE(json.n > 0 && (back = reread(&json)) != NULL);
        REQUIRE_OK(tokenizer_to_model(t, &file));
        REQUIRE_OK(file_write_atomic(test_path("again.model"), file.bytes, file.n, false));
        REQUIRE_OK(tokenizer_load(test_path("again.model"), &model));
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            test_check(same_ids(t, back, texts[i], strlen(texts[i])), __FILE__, __LINE__, "case %d, json: \"%s\"", k, texts[i]);
            test_check(same_ids(t, model, texts[i], strlen(texts[i])), __FILE__, __LINE__, "case %d, model: \"%s\"", k, texts[i]);
        }
        EXPECT_EQ(back->bos, 1);
        EXPECT_EQ(back->eos, 2);
        buf_free(&json), buf_free(&file);
        tokenizer_close(t), tokenizer_close(back), tokenizer_close(model);
    }
}

/* A loop whose tokens are the bytes of its text, which is not all ASCII: none of its pieces above 127 is text by itself. */
TEST(carry_of_single_bytes) {
    static const char said[] = "caf\xc3\xa9 \xe2\x80\xa6\n";
    const char *pieces[32];
    int32_t lengths[32], n = 0;
    bool seen[256] = {false};
    for (const char *p = said; *p; p++)
        if (!seen[(unsigned char)*p]) seen[(unsigned char)*p] = true, pieces[n] = p, lengths[n++] = 1;
    tokenizer *t = NULL, *back = NULL;
    buffer json = {0}, ids = {0}, again = {0}, text = {0};
    char why[WHY_BYTES];
    REQUIRE_OK(pieces_tokenizer_new(pieces, lengths, n, -1, "by hand", &t));
    EXPECT_OK(tokenizer_to_json(t, &json, why));
    EXPECT_STREQ(why, "");
    REQUIRE(json.n > 0);
    REQUIRE_OK(json_tokenizer_new("written", json.bytes, json.n, NULL, &back));
    REQUIRE_OK(tokenizer_encode(t, said, strlen(said), &ids));
    REQUIRE_OK(tokenizer_encode(back, said, strlen(said), &again));
    EXPECT(ids.n == strlen(said) * sizeof(int32_t) && again.n == ids.n && !memcmp(ids.bytes, again.bytes, ids.n));
    for (size_t i = 0; i < strlen(said); i++) EXPECT_OK(tokenizer_decode(back, ((const int32_t *)(const void *)again.bytes)[i], &text));
    EXPECT_STREQ(buf_str(&text), said);
    EXPECT(tokenizer_encode(back, "x", 1, &again) < 0); /* which the text did not have */
    buf_free(&json), buf_free(&ids), buf_free(&again), buf_free(&text);
    tokenizer_close(t), tokenizer_close(back);
}

TEST(carry_refuses_what_has_no_exact_form) {
    static const struct {
        spm_kind kind;
        int which;
        const char *why;
    } cases[] = {{SPM_BPE, 0, "same score"}, {SPM_BPE, 1, "user-defined"}, {SPM_UNIGRAM, 2, "unused"}, {SPM_WORD, 3, "whole words"},
                 {SPM_BPE, 4, "blanks"}, {SPM_BPE, 5, "a character that is no piece"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spm m = {.kind = cases[i].kind, .dummy_prefix = true, .escape = true, .bos = 1, .eos = 2, .suffix = cases[i].which == 4};
        tokenizer *t = NULL;
        buffer json = {0};
        char why[WHY_BYTES];
        put_words(&m, cases[i].which == 0);
        if (cases[i].which == 1) spm_put(&m, "<mask>", 6, 0, SPM_USER);
        if (cases[i].which == 2) spm_put(&m, "helloo", 6, -40, SPM_UNUSED);
        if (cases[i].which == 5) spm_put(&m, "qu", 2, -40, SPM_NORMAL);
        REQUIRE_OK(spm_tokenizer_new("by hand", &m, &t));
        EXPECT_OK(tokenizer_to_json(t, &json, why));
        EXPECT_EQ(json.n, 0);
        test_check(strstr(why, cases[i].why) != NULL, __FILE__, __LINE__, "case %zu says \"%s\"", i, why);
        buf_free(&json);
        tokenizer_close(t);
    }
    static const char *const pieces[] = {"a", "\xff\xfe"};
    static const int32_t bytes[] = {1, 2};
    tokenizer *t = NULL;
    buffer json = {0};
    char why[WHY_BYTES];
    REQUIRE_OK(pieces_tokenizer_new(pieces, bytes, 2, -1, "by hand", &t));
    EXPECT_OK(tokenizer_to_json(t, &json, why));
    EXPECT_EQ(json.n, 0);
    EXPECT(strstr(why, "no valid UTF-8") != NULL);
    tokenizer_close(t);
}

/* === Beside weights === */
static void gguf_text(buffer *b, const char *s, size_t n) {
    for (int i = 0; i < 8; i++) buf_putc(b, (char)((uint64_t)n >> 8 * i));
    buf_put(b, s, n);
}
static void u32(buffer *b, uint32_t v) {
    for (int i = 0; i < 4; i++) buf_putc(b, (char)(v >> 8 * i));
}
static void u64(buffer *b, uint64_t v) {
    for (int i = 0; i < 8; i++) buf_putc(b, (char)(v >> 8 * i));
}

/* A GGUF file whose tokenizer is put_words' and which is said to be 300 MB of weights long: sparse. */
static void write_gguf(const char *path, bool equal) {
    spm m = {.byte_fallback = true};
    buffer b = {0};
    put_words(&m, equal);
    const size_t *start = (const size_t *)(const void *)m.starts.bytes;
    buf_puts(&b, "GGUF"), u32(&b, 3), u64(&b, 0), u64(&b, 4);
    gguf_text(&b, "tokenizer.ggml.model", 20), u32(&b, 8), gguf_text(&b, "llama", 5);
    gguf_text(&b, "tokenizer.ggml.tokens", 21), u32(&b, 9), u32(&b, 8), u64(&b, (uint64_t)m.V);
    for (int32_t i = 0; i < m.V; i++)
        gguf_text(&b, m.texts.bytes + start[i], (i + 1 < m.V ? start[i + 1] : m.texts.n) - start[i]);
    gguf_text(&b, "tokenizer.ggml.scores", 21), u32(&b, 9), u32(&b, 6), u64(&b, (uint64_t)m.V);
    buf_put(&b, m.scores.bytes, m.scores.n);
    gguf_text(&b, "tokenizer.ggml.token_type", 25), u32(&b, 9), u32(&b, 5), u64(&b, (uint64_t)m.V);
    for (int32_t i = 0; i < m.V; i++) u32(&b, (unsigned char)m.types.bytes[i]);
    EXPECT_OK(file_write_atomic(path, b.bytes, b.n, false));
    EXPECT_EQ(truncate(path, 300 << 20), 0);
    buf_free(&b);
    spm_free(&m);
}

TEST(carry_of_a_gguf_file_the_tokenizer_alone) {
    for (int equal = 0; equal < 2; equal++) {
        tiny_gpt g;
        model *m = NULL;
        tokenizer *t = NULL, *back = NULL;
        token_files *f = NULL;
        tiny_gpt_make(&g, 1, 1, 16, 300, 32, -1, 5);
        REQUIRE_OK(model_from_description(&g.model, &m));
        EXPECT_EQ(m->d.eos, -1);
        write_gguf(test_path("model.gguf"), equal);
        EXPECT(gguf_has_tokenizer(test_path("model.gguf")));
        REQUIRE_OK(tokenizer_load(test_path("model.gguf"), &t));
        REQUIRE_OK(token_files_make(t, NULL, m, &f));
        EXPECT_EQ(m->d.eos, 2); /* the configuration says what the tokenizer knows */
        EXPECT_EQ(m->d.bos, 1);
        EXPECT_EQ(*token_files_note(f) != 0, equal);
        if (equal) EXPECT(strstr(token_files_note(f), "tokenizer.model holds the tokenizer, for Glimpse") && strstr(token_files_note(f), "same score"));
        save_request rq = {.path = test_path("out"), .replace = true, .beside = f};
        REQUIRE_OK(model_save(m, &rq));
        EXPECT_EQ(test_entries(test_path("out")), equal ? 3 : 4);
        REQUIRE_OK(checkpoint_find_tokenizer(test_path("out"), NULL, NULL, &back));
        EXPECT(strstr(back->source, equal ? "out/tokenizer.model" : "out/tokenizer.json") != NULL);
        static const char *const texts[] = {"hello", "hell he\xc3\xa9", "<s> hello", "  x"};
        for (int i = 0; i < 4; i++) EXPECT(same_ids(t, back, texts[i], strlen(texts[i])));
        buffer config = {0};
        REQUIRE_OK(file_read_all(test_path("out/config.json"), 1 << 20, &config));
        EXPECT(strstr(buf_str(&config), "\"eos_token_id\": 2") != NULL);
        buf_clear(&config);
        if (!equal && EXPECT_OK(file_read_all(test_path("out/tokenizer_config.json"), 1 << 20, &config)))
            EXPECT(strstr(buf_str(&config), "\"eos_token\": \"</s>\"") && strstr(buf_str(&config), "\"bos_token\": \"<s>\""));
        buf_free(&config);
        token_files_free(f);
        tokenizer_close(t);
        tokenizer_close(back);
        model_close(m);
        tiny_gpt_free(&g);
    }
}

/* One search for all that open a checkpoint: in C too a snapshot finds the tokenizer of its run. */
TEST(carry_model_load_finds_what_sampling_finds) {
    extern const session_api glimpse_session_v1;
    tiny_gpt g;
    model *m = NULL;
    char *path = NULL;
    glimpse_model d = GLIMPSE_MODEL_INIT;
    session_use(&glimpse_session_v1);
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 5);
    REQUIRE_OK(model_from_description(&g.model, &m));
    save_request rq = {.path = test_path("run/snapshots/step_00000007")};
    REQUIRE_OK(model_save(m, &rq));
    REQUIRE_OK(checkpoint_find_tokenizer_path(test_path("run/snapshots/step_00000007"), NULL, &path));
    EXPECT(path == NULL);
    REQUIRE_OK(file_write_atomic(test_path("run/meta.pkl"), "x", 1, false));
    REQUIRE_OK(checkpoint_find_tokenizer_path(test_path("run/snapshots/step_00000007"), NULL, &path));
    REQUIRE(path != NULL);
    EXPECT(strstr(path, "run/meta.pkl") != NULL);
    for (int i = 0; i < 2; i++) { /* the snapshot itself, and the run, of which it is the newest */
        REQUIRE_OK(glimpse_model_load(test_path(i ? "run" : "run/snapshots/step_00000007"), &d));
        EXPECT(d.tokenizer.path && strstr(d.tokenizer.path, "run/meta.pkl"));
        glimpse_model_free(&d);
        d = (glimpse_model)GLIMPSE_MODEL_INIT;
    }
    free(path);
    model_close(m);
    tiny_gpt_free(&g);
}

/* A tokenizer.json goes as it is, with what lies beside it; its tokenizer_config.json says which token ends a text. */
TEST(carry_a_tokenizer_json_with_its_neighbours) {
    static const char json[] = "{\"added_tokens\":[{\"id\":2,\"content\":\"<|endoftext|>\",\"special\":true},{\"id\":3,\"content\":\"<|stop|>\","
                               "\"special\":true}],\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":1,\"<|endoftext|>\":2,\"<|stop|>\":3},\"unk_token\":\"b\"}}";
    static const char config[] = "{\"eos_token\": {\"content\": \"<|stop|>\"}, \"bos_token\": \"nothing\", \"chat_template\": \"x\"}";
    tiny_gpt g;
    model *m = NULL;
    tokenizer *t = NULL;
    token_files *f = NULL;
    buffer b = {0};
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 5);
    REQUIRE_OK(model_from_description(&g.model, &m));
    REQUIRE_OK(mkdir_p(test_path("from")));
    REQUIRE_OK(file_write_atomic(test_path("from/other.json"), json, strlen(json), false));
    REQUIRE_OK(tokenizer_load(test_path("from/other.json"), &t));
    EXPECT_EQ(t->eos, 2); /* by its name */
    tokenizer_close(t);
    REQUIRE_OK(file_write_atomic(test_path("from/tokenizer_config.json"), config, strlen(config), false));
    REQUIRE_OK(file_write_atomic(test_path("from/generation_config.json"), "{}", 2, false));
    REQUIRE_OK(tokenizer_load(test_path("from/other.json"), &t));
    EXPECT_EQ(t->eos, 3);
    EXPECT_EQ(t->bos, -1);
    REQUIRE_OK(token_files_make(t, test_path("from"), m, &f));
    EXPECT_STREQ(token_files_note(f), "");
    save_request rq = {.path = test_path("out"), .beside = f};
    REQUIRE_OK(model_save(m, &rq));
    EXPECT_EQ(test_entries(test_path("out")), 5);
    REQUIRE_OK(file_read_all(test_path("out/tokenizer.json"), 1 << 20, &b));
    EXPECT_STREQ(buf_str(&b), json);
    buf_clear(&b);
    REQUIRE_OK(file_read_all(test_path("out/tokenizer_config.json"), 1 << 20, &b));
    EXPECT_STREQ(buf_str(&b), config);
    buf_free(&b);
    token_files_free(f);
    tokenizer_close(t);
    model_close(m);
    tiny_gpt_free(&g);
}

/* Every allocation fails in turn: an error, or the same files. */
TEST_LIMIT(carry_without_memory, 120) {
    tiny_gpt g;
    model *m = NULL;
    tiny_gpt_make(&g, 1, 1, 16, 300, 32, -1, 5);
    REQUIRE_OK(model_from_description(&g.model, &m));
    write_gguf(test_path("model.gguf"), false);
    static const char *const pieces[] = {"a", "b", "ab", " ", "<s>"};
    static const int32_t bytes[] = {1, 1, 2, 1, 3};
    for (int kind = 0; kind < 2; kind++) {
        tokenizer *t = NULL;
        if (kind) REQUIRE_OK(tokenizer_load(test_path("model.gguf"), &t));
        else REQUIRE_OK(pieces_tokenizer_new(pieces, bytes, 5, -1, "by hand", &t));
        long calls = 0, errors = 0;
        for (long n = 1;; n += test_is_full() || n < 200 ? 1 : 1 + n / 40) {
            token_files *f = NULL;
            test_fail_alloc(n);
            glimpse_status st = token_files_make(t, NULL, m, &f);
            calls = test_fail_alloc(0);
            if (st < 0) {
                errors++;
                EXPECT_EQ(st, GLIMPSE_E_MEMORY);
            } else {
                test_check(!strstr(token_files_note(f), "travel") && !strstr(token_files_note(f), "would"), __FILE__, __LINE__, "allocation %ld of kind %d: %s", n, kind,
                           token_files_note(f));
                token_files_free(f);
            }
            if (calls < n) break;
        }
        EXPECT(errors > 10);
        tokenizer_close(t);
    }
    model_close(m);
    tiny_gpt_free(&g);
}
