/* test_gguf.c -- GGUF and llama2.c's .bin: the frozen logits of the same weights, what Q8_0 becomes, files that lie. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "kernels/dtype.h"
#include "sampling/checkpoint/checkpoint.h"
#include "tests/hf_files.h"
#include "tests/hostile.h"
#include "tests/test.h"

enum { LLAMA2 = 1, C = 48, F = 80, H = 4, L = 4, V = 61, T = 64 };

static void put(buffer *b, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) buf_putc(b, (char)(v >> 8 * i));
}

static void put_string(buffer *b, const char *s) {
    put(b, strlen(s), 8);
    buf_puts(b, s);
}

/* The rows of q and k as Meta's files have them: of each head (2, hd / 2) becomes (hd / 2, 2). */
static void put_tensor(buffer *b, const char *name, int layer) {
    char full[96];
    const char *hash = strchr(name, '#');
    buffer raw = {0};
    int dims[2], i = 0;
    if (hash) snprintf(full, sizeof full, "%.*s%d%s", (int)(hash - name), name, layer, hash + 1);
    else snprintf(full, sizeof full, "%s", name);
    while (strcmp(hf_tensor_name(LLAMA2, i), full)) i++;
    hf_tensor_shape(LLAMA2, i, dims);
    hf_tensor_bytes(LLAMA2, i, GLIMPSE_F32, &raw);
    bool permuted = strstr(name, "q_proj") || strstr(name, "k_proj");
    int hd = C / H;
    for (int r = 0; permuted && r < dims[0]; r++) {
        int in = r % hd, from = r - in + in % 2 * (hd / 2) + in / 2;
        buf_put(b, raw.bytes + (size_t)from * (size_t)dims[1] * 4, (size_t)dims[1] * 4);
    }
    if (!permuted) buf_put(b, raw.bytes, raw.n);
    buf_free(&raw);
}

static const char *const v1_order[] = {"#input_layernorm",  "#post_attention_layernorm",
                                       "model.norm.weight", "model.embed_tokens.weight",
                                       "#self_attn.q_proj", "#self_attn.k_proj",
                                       "#self_attn.v_proj", "#self_attn.o_proj",
                                       "#mlp.gate_proj",    "#mlp.down_proj",
                                       "#mlp.up_proj",      "lm_head.weight"};
static const char *const v0_order[] = {"model.embed_tokens.weight",
                                       "#input_layernorm",
                                       "#self_attn.q_proj",
                                       "#self_attn.k_proj",
                                       "#self_attn.v_proj",
                                       "#self_attn.o_proj",
                                       "#post_attention_layernorm",
                                       "#mlp.gate_proj",
                                       "#mlp.down_proj",
                                       "#mlp.up_proj",
                                       "model.norm.weight",
                                       "freq",
                                       "lm_head.weight"};

/* int8 and the scale of each group: the weights are multiples of 1/512 or 1/256 below 128 of them. */
static void put_packed(buffer *b, const char *name, int layer, int group) {
    buffer raw = {0};
    put_tensor(&raw, name, layer);
    float scale = strstr(name, "embed") || strstr(name, "lm_head") ? 1.0f / 256 : 1.0f / 512;
    for (size_t i = 0; i < raw.n / 4; i++) {
        float v;
        memcpy(&v, raw.bytes + 4 * i, 4);
        put(b, (uint8_t)(int8_t)(v / scale), 1);
    }
    for (size_t i = 0; i < raw.n / 4; i += (size_t)group) buf_put(b, &scale, 4);
    buf_free(&raw);
}

static void make_llama2c(buffer *b, int version) {
    bool v1 = version > 0;
    const int32_t ints[7] = {C, F, L, H, H, v1 ? V : -V, T};
    if (v1) put(b, 0x616b3432, 4), put(b, (uint64_t)version, 4);
    for (int i = 0; i < 7; i++) put(b, (uint32_t)ints[i], 4);
    if (version == 2) put(b, 0, 1), put(b, 16, 4);
    if (v1) buf_fill(b, 0, 256 - b->n);
    size_t n = v1 ? sizeof v1_order / sizeof *v1_order : sizeof v0_order / sizeof *v0_order;
    for (size_t i = 0; i < n; i++) {
        const char *name = v1 ? v1_order[i] : v0_order[i];
        char full[96];
        if (!strcmp(name, "freq")) {
            buf_fill(b, (char)0xff, (size_t)T * (C / H) * 4); /* NaN: nobody may read it */
            continue;
        }
        if (name[0] == '#') snprintf(full, sizeof full, "model.layers.#.%s.weight", name + 1);
        else snprintf(full, sizeof full, "%s", name);
        for (int l = 0; l < (name[0] == '#' ? L : 1); l++) {
            if (version == 2 && !strstr(full, "norm")) put_packed(b, full, l, 16);
            else put_tensor(b, full, l);
        }
    }
}

TEST(llama2c_versions_give_the_frozen_logits) {
    for (int version = 0; version < 3; version++) {
        buffer b = {0};
        model *m = NULL;
        make_llama2c(&b, version);
        if (EXPECT_OK(checkpoint_open(hf_save(hf_dir("l2c"), "stories.bin", b.bytes, b.n), NULL, NULL, &m)))
            EXPECT_LT(hf_error(m, LLAMA2), 1e-5);
        model_close(m);
        buf_free(&b);
    }
}

static void poke(buffer *b, size_t at, uint32_t v) {
    for (int i = 0; i < 4; i++) b->bytes[at + (size_t)i] = (char)(v >> 8 * i);
}

TEST(llama2c_files_that_lie) {
    static const struct {
        size_t at;
        uint32_t value;
        int code;
        const char *says;
    } cases[] = {
        {4, 2, GLIMPSE_E_FORMAT, "a group of 0 elements"},
        {4, 3, GLIMPSE_E_UNSUPPORTED, "version 3; 0, 1 and 2 are read"},
        {4, 0, GLIMPSE_E_UNSUPPORTED, "version 0"},
        {8, 0, GLIMPSE_E_FORMAT, "has dim 0"},
        {8, 0x7fffffff, GLIMPSE_E_FORMAT, "has dim 2147483647"},
        {8, 56, GLIMPSE_E_FORMAT, "asks for"},
        {12, 0x80000000, GLIMPSE_E_FORMAT, "hidden_dim -2147483648"},
        {16, 4096, GLIMPSE_E_FORMAT, "truncated: its header asks for"},
        {16, 3, GLIMPSE_E_FORMAT, "too long"},
        {20, 0, GLIMPSE_E_FORMAT, "n_heads 0"},
        {20, 7, GLIMPSE_E_FORMAT, "n_heads 7"},
        {24, 3, GLIMPSE_E_FORMAT, "n_kv_heads 3"},
        {28, 0x80000000, GLIMPSE_E_FORMAT, "vocab_size -2147483648"},
        {28, 1 << 24, GLIMPSE_E_FORMAT, "truncated"},
        {32, 0xffffffff, GLIMPSE_E_FORMAT, "seq_len -1"},
        {36, 2, GLIMPSE_E_FORMAT, "byte 36"},
        {40, 1, GLIMPSE_E_FORMAT, "byte 40 of the header is not 0"},
    };
    buffer b = {0};
    char path[4096], what[32];
    const char *dir = hf_dir("l2c");
    make_llama2c(&b, 1);
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t before;
        memcpy(&before, b.bytes + cases[i].at, 4);
        poke(&b, cases[i].at, cases[i].value);
        snprintf(path, sizeof path, "%s", hf_save(dir, "x.bin", b.bytes, b.n));
        snprintf(what, sizeof what, "case %zu", i);
        hostile_checkpoint(what, path, cases[i].code, cases[i].says);
        poke(&b, cases[i].at, before);
    }
    for (size_t n = 4; n < b.n; n += n < 300 ? 7 : 9973)
        hostile_checkpoint("cut", hf_save(dir, "x.bin", b.bytes, n), GLIMPSE_E_FORMAT, NULL);
    /* Version 0 has no magic: 28 bytes of zeros, of ones, or with no heads are no model at all. */
    hostile_checkpoint("zeros", hf_save(dir, "x.bin", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28),
                       GLIMPSE_E_FORMAT, "begins with the bytes");
    hostile_checkpoint("ones", hf_save(dir, "x.bin", "\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0", 28),
                       GLIMPSE_E_FORMAT, "begins with the bytes");
    buf_free(&b);
}

/* === llm.c's Llama === */
static void put_layers(buffer *b, const char *name) {
    for (int l = 0; l < L; l++) put_tensor(b, name, l);
}

static void put_zeros(buffer *b, int n) { buf_fill(b, 0, 4 * (size_t)n); }

static void make_llmc_llama(buffer *b, bool cuda) {
    const uint32_t master[] = {20240803, 3, T, V, L, H, H, C, 1, 16, 0, 10000, 0, 4, 3, 1};
    const uint32_t branch[] = {20240803, 3, T, V, L, H, H, C, 16, 0, 3, 1};
    const float floats[] = {1.3f, 1e-5f, 10000};
    if (cuda) buf_put(b, branch, sizeof branch);
    else buf_put(b, master, sizeof master);
    buf_fill(b, 0, 1024 - b->n);
    if (cuda) buf_put(b, floats, sizeof floats), buf_fill(b, 0, 2048 - b->n);
    put_tensor(b, "model.embed_tokens.weight", 0);
    if (cuda) put_tensor(b, "lm_head.weight", 0);
    put_layers(b, "model.layers.#.input_layernorm.weight");
    if (cuda) put_zeros(b, L * C);
    for (int l = 0; l < L; l++) {
        put_tensor(b, "model.layers.#.self_attn.q_proj.weight", l);
        put_tensor(b, "model.layers.#.self_attn.k_proj.weight", l);
        put_tensor(b, "model.layers.#.self_attn.v_proj.weight", l);
    }
    if (cuda) put_zeros(b, L * 3 * C);
    put_layers(b, "model.layers.#.self_attn.o_proj.weight");
    if (cuda) put_zeros(b, L * C);
    put_layers(b, "model.layers.#.post_attention_layernorm.weight");
    if (cuda) put_zeros(b, L * C);
    for (int l = 0; l < L; l++) {
        put_tensor(b, "model.layers.#.mlp.up_proj.weight", l);
        if (cuda) put_tensor(b, "model.layers.#.mlp.gate_proj.weight", l);
    }
    if (!cuda) put_layers(b, "model.layers.#.mlp.gate_proj.weight");
    if (cuda) put_zeros(b, L * 2 * F);
    put_layers(b, "model.layers.#.mlp.down_proj.weight");
    if (cuda) put_zeros(b, L * C);
    put_tensor(b, "model.norm.weight", 0);
    if (cuda) put_zeros(b, C);
    else put_tensor(b, "lm_head.weight", 0);
}

TEST(llmc_llama_gives_the_frozen_logits) {
    for (int cuda = 0; cuda < 2; cuda++) {
        buffer b = {0};
        model *m = NULL;
        make_llmc_llama(&b, cuda);
        if (EXPECT_OK(checkpoint_open(hf_save(hf_dir("l3"), "llama.bin", b.bytes, b.n), NULL, NULL, &m)))
            EXPECT_LT(hf_error(m, LLAMA2), 1e-5);
        model_close(m);
        buf_free(&b);
    }
}

TEST(llmc_llama_files_that_lie) {
    static const struct {
        int at;
        uint32_t value;
        int code;
        const char *says;
    } cases[] = {
        {1, 4, GLIMPSE_E_UNSUPPORTED, "version 4, expected 3"},
        {1, 5, GLIMPSE_E_FORMAT, "truncated or too long"},
        {2, 0, GLIMPSE_E_FORMAT, "max_seq_len is 0"},
        {3, 0x80000000, GLIMPSE_E_FORMAT, "vocab_size is -2147483648"},
        {3, 1 << 24, GLIMPSE_E_FORMAT, "truncated or too long"},
        {4, 0x7fffffff, GLIMPSE_E_FORMAT, "n_layer is 2147483647"},
        {4, 3, GLIMPSE_E_FORMAT, "truncated or too long"},
        {5, 0, GLIMPSE_E_FORMAT, "n_head is 0"},
        {5, 5, GLIMPSE_E_FORMAT, "do not divide"},
        {6, 3, GLIMPSE_E_FORMAT, "do not divide"},
        {6, 8, GLIMPSE_E_FORMAT, "n_kv_head is 8"},
        {7, 0xffffffff, GLIMPSE_E_FORMAT, "n_embd is -1"},
        {9, 0, GLIMPSE_E_FORMAT, "multiple_of is 0"},
        {9, 7, GLIMPSE_E_FORMAT, "truncated or too long"},
        {11, 0, GLIMPSE_E_FORMAT, "rope_theta"},
        {12, 2, GLIMPSE_E_FORMAT, "use_scaled_rope is 2"},
    };
    buffer b = {0};
    char path[4096], what[32];
    const char *dir = hf_dir("l3");
    make_llmc_llama(&b, false);
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t before;
        memcpy(&before, b.bytes + 4 * cases[i].at, 4);
        poke(&b, 4 * (size_t)cases[i].at, cases[i].value);
        snprintf(path, sizeof path, "%s", hf_save(dir, "x.bin", b.bytes, b.n));
        snprintf(what, sizeof what, "case %zu", i);
        hostile_checkpoint(what, path, cases[i].code, cases[i].says);
        poke(&b, 4 * (size_t)cases[i].at, before);
    }
    for (size_t n = 4; n < b.n; n += n < 2100 ? 97 : 9973)
        hostile_checkpoint("cut", hf_save(dir, "x.bin", b.bytes, n), GLIMPSE_E_FORMAT, NULL);
    buf_free(&b);
}

/* === GGUF === */
static void key_u32(buffer *b, const char *name, uint32_t v) { put_string(b, name), put(b, 4, 4), put(b, v, 4); }

static void key_f32(buffer *b, const char *name, float v) {
    uint32_t u;
    memcpy(&u, &v, 4);
    put_string(b, name), put(b, 6, 4), put(b, u, 4);
}

/* ends: also eos, eot (of a turn) and eom (of a message).  texts (n_texts): the vocabulary, NULL = two pieces. */
static void make_gguf_with(buffer *b, bool ends, const char *const *texts, int n_texts) {
    static const struct {
        const char *gguf, *hf;
    } names[] = {
        {"attn_norm", "input_layernorm"}, {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
        {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
        {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},           {"ffn_down", "mlp.down_proj"}};
    buffer data = {0};
    buf_puts(b, "GGUF");
    put(b, 3, 4), put(b, 3 + 9 * L, 8), put(b, ends ? 12 : 9, 8);
    if (ends) key_u32(b, "tokenizer.ggml.eom_token_id", 7), key_u32(b, "tokenizer.ggml.eos_token_id", 2), key_u32(b, "tokenizer.ggml.eot_token_id", 9);
    put_string(b, "general.architecture"), put(b, 8, 4), put_string(b, "llama");
    key_u32(b, "llama.context_length", T), key_u32(b, "llama.embedding_length", C), key_u32(b, "llama.block_count", L);
    key_u32(b, "llama.feed_forward_length", F), key_u32(b, "llama.attention.head_count", H),
        key_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    key_f32(b, "llama.rope.freq_base", 10000);
    static const char *const two[] = {"a", ""};
    put_string(b, "tokenizer.ggml.tokens"), put(b, 9, 4), put(b, 8, 4), put(b, texts ? (uint64_t)n_texts : 2, 8);
    for (int i = 0; i < (texts ? n_texts : 2); i++) put_string(b, (texts ? texts : two)[i]);
    for (int i = 0; i < 3 + 9 * L; i++) {
        char name[64], hf[96];
        int k = (i - 3) % 9, l = (i - 3) / 9, dims[2], j = 0;
        if (i < 3)
            snprintf(name, sizeof name, "%s",
                     i == 0   ? "token_embd.weight"
                     : i == 1 ? "output_norm.weight"
                              : "output.weight");
        if (i < 3)
            snprintf(hf, sizeof hf, "%s",
                     i == 0   ? "model.embed_tokens.weight"
                     : i == 1 ? "model.norm.weight"
                              : "lm_head.weight");
        if (i >= 3)
            snprintf(name, sizeof name, "blk.%d.%s.weight", l, names[k].gguf),
                snprintf(hf, sizeof hf, "model.layers.%d.%s.weight", l, names[k].hf);
        while (strcmp(hf_tensor_name(LLAMA2, j), hf)) j++;
        hf_tensor_shape(LLAMA2, j, dims);
        while (data.n % 32) buf_putc(&data, 0);
        put_string(b, name), put(b, dims[1] ? 2 : 1, 4);
        if (dims[1]) put(b, (uint64_t)dims[1], 8);
        put(b, (uint64_t)dims[0], 8), put(b, 0, 4), put(b, data.n, 8);
        put_tensor(&data, hf, 0);
    }
    while (b->n % 32) buf_putc(b, 0);
    buf_put(b, data.bytes, data.n);
    buf_free(&data);
}

static void make_gguf_of(buffer *b, bool ends) { make_gguf_with(b, ends, NULL, 0); }
static void make_gguf(buffer *b) { make_gguf_of(b, false); }

/* What llama.cpp stops at by the texts of the vocabulary (llama-vocab.cpp, special_eog_ids), its two exceptions too. */
TEST(gguf_ends_by_their_texts) {
    static const struct {
        const char *texts[8];
        bool named; /* eos 2, eot 9, eom 7 */
        const char *want;
    } cases[] = {
        {{"a", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "b"}, false, "2 3"},
        {{"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|begin_of_text|>"}, false, "0 1 2"},
        {{"a", "<end_of_turn>", "<eos>", "</s>"}, true, "2 9 7 1 3"},
        {{"a", "<|im_end|> ", "x<|im_end|>", "<|IM_END|>", "<|end_header_id|>"}, false, "-1"},
        {{"a", "<|end|>", "<|return|>"}, false, "1 2"},
        {{"a", "<|end|>", "<|return|>", "<|call|>"}, false, "2 3"}, /* there it closes a message */
        {{"<|calls|>", "<|end|>", "<|flush|>"}, false, "0 2"},
        {{"</s>", "<turn|>", "<|tool_response>"}, false, "1 2"},    /* there it is a token as any */
        {{"<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|fim_prefix|>", "<|endoftext|>", "<PAD>"}, false, "4 0 1 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer b = {0}, got = {0};
        model *m = NULL;
        int n = 0;
        while (n < 8 && cases[i].texts[n]) n++;
        make_gguf_with(&b, cases[i].named, cases[i].texts, n);
        REQUIRE_OK(checkpoint_open(hf_save(hf_dir("gguf"), "m.gguf", b.bytes, b.n), NULL, NULL, &m));
        buf_printf(&got, "%d", m->d.eos);
        for (int k = 0; k < m->d.n_more_eos; k++) buf_printf(&got, " %d", m->d.more_eos[k]);
        EXPECT_STREQ(buf_str(&got), cases[i].want);
        model_close(m);
        buf_free(&b), buf_free(&got);
    }
}

/* A key of the wrong kind, and more ends than a model may have: named, and not taken for something else. */
TEST(gguf_ends_that_are_none_or_too_many) {
    static const char *const kinds[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.fim_sep_token_id", "llama.attention.head_count_kv"};
    static const char *const many[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<|end_of_text|>", "<|return|>", "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>",
                                       "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<end_of_utterance>", "<eos>", "<turn|>", "<|fim_pad|>"};
    model *m = NULL;
    buffer b = {0};
    for (int i = 0; i < 3; i++)
        for (int text = 0; text < 2; text++) {
            make_gguf_with(&b, false, NULL, 0);
            buffer with = {0};
            buf_put(&with, b.bytes, 16);
            put(&with, 10, 8); /* keys: one more */
            put_string(&with, kinds[i]), put(&with, text ? 8 : 7, 4);
            if (text) put_string(&with, "</s>");
            else put(&with, 1, 1);
            buf_put(&with, b.bytes + 24, b.n - 24);
            const char *name = i == 2 ? ".attention.head_count_kv" : kinds[i];
            char want[128];
            snprintf(want, sizeof want, "the key %s is a %s, a number is expected", name, text ? "text" : "yes or no");
            EXPECT_ERR(checkpoint_open(hf_save(hf_dir("gguf"), "m.gguf", with.bytes, with.n), NULL, NULL, &m), GLIMPSE_E_FORMAT, want);
            buf_free(&b), buf_free(&with);
        }
    for (int n = 16; n <= 17; n++) {
        make_gguf_with(&b, false, many, n);
        const char *path = hf_save(hf_dir("gguf"), "m.gguf", b.bytes, b.n);
        if (n == 16) {
            REQUIRE_OK(checkpoint_open(path, NULL, NULL, &m));
            EXPECT_EQ(m->d.n_more_eos, GLIMPSE_MORE_EOS);
            model_close(m);
        } else EXPECT_ERR(checkpoint_open(path, NULL, NULL, &m), GLIMPSE_E_UNSUPPORTED, "more than 16 tokens of its vocabulary end a text");
        buf_free(&b);
    }
}

TEST(gguf_ends_of_turns_and_messages) {
    buffer b = {0};
    model *m = NULL;
    make_gguf_of(&b, true);
    REQUIRE_OK(checkpoint_open(hf_save(hf_dir("gguf"), "m.gguf", b.bytes, b.n), NULL, NULL, &m));
    EXPECT_EQ(m->d.eos, 2);
    EXPECT(m->d.n_more_eos == 2 && m->d.more_eos[0] == 9 && m->d.more_eos[1] == 7);
    model_close(m);
    static const char key[] = "tokenizer.ggml.eos_token_id";
    char *at = memmem(b.bytes, b.n, key, sizeof key - 1);
    REQUIRE(at != NULL);
    memset(at + sizeof key - 1 + 4, 0xff, 4); /* 2^32 - 1: llama.cpp's way to say none */
    REQUIRE_OK(checkpoint_open(hf_save(hf_dir("gguf"), "m.gguf", b.bytes, b.n), NULL, NULL, &m));
    EXPECT(m->d.eos == 9 && m->d.n_more_eos == 1 && m->d.more_eos[0] == 7);
    model_close(m);
    buf_free(&b);
}

TEST(gguf_gives_the_frozen_logits) {
    buffer b = {0};
    model *m = NULL;
    make_gguf(&b);
    REQUIRE_OK(checkpoint_open(hf_save(hf_dir("gguf"), "m.gguf", b.bytes, b.n), NULL, NULL, &m));
    EXPECT_LT(hf_error(m, LLAMA2), 1e-5);
    model_close(m);
    buf_free(&b);
}

/* The corpus' file, written by tests/ref/checkpoint_files.py: element (r, c) of a Q8_0 matrix is ((r + c) mod 256 - 128) / 128. */
TEST(gguf_q8_0_becomes_f32) {
    char path[4096];
    model *m = NULL;
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/gguf/llama_q8_0", test_source_dir());
    REQUIRE_OK(checkpoint_open(path, NULL, NULL, &m));
    const float *up = m->layers[0].up[1].data, *wte = m->wte.data;
    for (int r = 0; r < 32; r++)
        for (int c = 0; c < 32; c++) EXPECT_NEAR(up[32 * r + c], ((r + c) % 256 - 128) / 128.0, 0);
    EXPECT_NEAR(wte[6 * 32 + 31], (37 - 128) / 128.0, 0);
    EXPECT_EQ(m->layers[0].qkv[1].dtype, GLIMPSE_F16);
    EXPECT_EQ(m->layers[0].qkv[2].dtype, GLIMPSE_BF16);
    EXPECT_NEAR(load_element(m->layers[0].qkv[1].data, GLIMPSE_F16, 511), 511 / 64.0, 0);
    EXPECT_EQ(m->d.eos, 2);
    EXPECT_EQ(m->d.n_kv_heads, 1);
    model_close(m);
}

/* The place of a text in the file, and what is written over it there. */
TEST(gguf_files_that_lie) {
    static const struct {
        const char *after; /* NULL: from the file's first byte */
        size_t at;
        int bytes;
        uint64_t value;
        int code;
        const char *says;
    } cases[] = {
        {NULL, 4, 4, 2, GLIMPSE_E_UNSUPPORTED, "GGUF of version 2, 3 is read"},
        {NULL, 4, 4, 0x03000000, GLIMPSE_E_UNSUPPORTED, "big-endian"},
        {NULL, 8, 8, UINT64_MAX, GLIMPSE_E_FORMAT, "tensors"},
        {NULL, 8, 8, 100000, GLIMPSE_E_FORMAT, "100000 tensors"},
        {NULL, 8, 8, 0, GLIMPSE_E_FORMAT, "token_embd.weight is missing"},
        {NULL, 16, 8, UINT64_MAX, GLIMPSE_E_FORMAT, "keys"},
        {NULL, 16, 8, (uint64_t)1 << 60, GLIMPSE_E_FORMAT, "keys"},
        {NULL, 24, 8, UINT64_MAX, GLIMPSE_E_FORMAT, "truncated: a value of 18446744073709551615 bytes"},
        {NULL, 24, 8, (uint64_t)1 << 63, GLIMPSE_E_FORMAT, "truncated"},
        {"general.architecture", 0, 4, 77, GLIMPSE_E_FORMAT, "a value of type 77"},
        {"general.architecture", 0, 4, 9, GLIMPSE_E_UNSUPPORTED, "general.architecture is a list"},
        {"general.architecture", 12, 1, 'x', GLIMPSE_E_UNSUPPORTED, "the architecture xlama is not known"},
        {"general.architecture", 12, 1, 0, GLIMPSE_E_FORMAT, "a string with a 0 byte"},
        {"llama.context_length", 4, 4, 0, GLIMPSE_E_FORMAT, "context_length is 0"},
        {"llama.context_length", 4, 4, UINT32_MAX, GLIMPSE_E_FORMAT, "context_length is 4.29497e+09"},
        {"llama.context_length", 0, 4, 6, GLIMPSE_E_FORMAT, "context_length is 8.96831e-44"},
        {"llama.block_count", 4, 4, 5000, GLIMPSE_E_FORMAT, "block_count is 5000"},
        {"llama.block_count", 4, 4, 5, GLIMPSE_E_MODEL, "model.layers.4."},
        {"llama.attention.head_count", 4, 4, 0, GLIMPSE_E_FORMAT, "head_count is 0"},
        {"llama.attention.head_count", 4, 4, 5, GLIMPSE_E_MODEL, "n_heads"},
        {"llama.attention.layer_norm_rms_epsilon", 4, 4, 0x7fc00000, GLIMPSE_E_FORMAT, "no number above 0"},
        {"tokenizer.ggml.tokens", 4, 4, 9, GLIMPSE_E_FORMAT, "an array of type 9"},
        {"tokenizer.ggml.tokens", 4, 4, 99, GLIMPSE_E_FORMAT, "an array of type 99"},
        {"tokenizer.ggml.tokens", 8, 8, UINT64_MAX, GLIMPSE_E_FORMAT, "an array of 18446744073709551615 elements"},
        {"tokenizer.ggml.tokens", 8, 8, (uint64_t)1 << 61, GLIMPSE_E_FORMAT,
         "an array of 2305843009213693952 elements"},
        {"tokenizer.ggml.tokens", 8, 8, 3, GLIMPSE_E_FORMAT, NULL},
        {"tokenizer.ggml.tokens", 16, 8, UINT64_MAX - 7, GLIMPSE_E_FORMAT, "truncated"},
        {"token_embd.weight", 0, 4, 0, GLIMPSE_E_FORMAT, "tensor token_embd.weight has 0 dimensions"},
        {"token_embd.weight", 0, 4, 5, GLIMPSE_E_FORMAT, "has 5 dimensions"},
        {"token_embd.weight", 4, 8, 0, GLIMPSE_E_FORMAT, "dimension 0 is 0"},
        {"token_embd.weight", 4, 8, UINT64_MAX, GLIMPSE_E_FORMAT, "dimension 0 is 18446744073709551615"},
        {"token_embd.weight", 4, 8, (uint64_t)1 << 40, GLIMPSE_E_FORMAT, "truncated"},
        {"token_embd.weight", 20, 4, 12, GLIMPSE_E_UNSUPPORTED, "has the type Q4_K (12)"},
        {"token_embd.weight", 20, 4, 77, GLIMPSE_E_UNSUPPORTED, "of an unknown number (77)"},
        {"token_embd.weight", 20, 4, 8, GLIMPSE_E_FORMAT, "Q8_0 in rows of 48, no multiple of 32"},
        {"token_embd.weight", 20, 4, 1, GLIMPSE_E_FORMAT, "begins at byte"},
        {"token_embd.weight", 24, 8, 32, GLIMPSE_E_FORMAT, "begins at byte 32 of the data, expected 0"},
        {"output_norm.weight", 16, 8, 0, GLIMPSE_E_FORMAT, "begins at byte 0 of the data, expected"},
        {"output_norm.weight", 16, 8, UINT64_MAX - 31, GLIMPSE_E_FORMAT, "begins at byte"},
        {"token_embd.weight", -17, 1, 'x', GLIMPSE_E_UNSUPPORTED, "the tensor xoken_embd.weight is not known"},
        {"token_embd.weight", -25, 8, 65, GLIMPSE_E_FORMAT, "the name of a tensor has no bytes or more than 64"},
        {"blk.0.attn_q.weight", -15, 1, '1', GLIMPSE_E_FORMAT,
         "two tensors are called model.layers.1.self_attn.q_proj.weight"},
    };
    buffer b = {0};
    char path[4096], what[32];
    const char *dir = hf_dir("gguf");
    make_gguf(&b);
    char *whole = malloc(b.n);
    REQUIRE(whole);
    memcpy(whole, b.bytes, b.n);
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t at = 0;
        memcpy(b.bytes, whole, b.n);
        if (cases[i].after) {
            while (memcmp(b.bytes + at, cases[i].after, strlen(cases[i].after))) at++;
            at += strlen(cases[i].after);
        }
        for (int k = 0; k < cases[i].bytes; k++)
            b.bytes[at + cases[i].at + (size_t)k] = (char)(cases[i].value >> 8 * k);
        snprintf(path, sizeof path, "%s", hf_save(dir, "x.gguf", b.bytes, b.n));
        snprintf(what, sizeof what, "case %zu", i);
        hostile_checkpoint(what, path, cases[i].code, cases[i].says);
    }
    for (size_t n = 4; n < b.n; n += n < 3000 ? 13 : 9973)
        hostile_checkpoint("cut", hf_save(dir, "x.gguf", whole, n), GLIMPSE_E_FORMAT, NULL);
    free(whole);
    buf_free(&b);
}
