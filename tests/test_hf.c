/* test_hf.c -- Hugging Face's directories: every architecture's logits against numbers frozen from an independent
 * implementation (tests/ref/hf_reference.py), from one file and from shards, in each type; configurations that lie or ask
 * for what is not known; directories that are none. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/checkpoint/json_tree.h"
#include "tests/hf_files.h"
#include "tests/hostile.h"
#include "tests/test.h"

static const char *make_dir(const char *name, int index, glimpse_dtype dtype, const char *prefix) {
    buffer b = {0};
    const char *dir = hf_dir(name);
    hf_safetensors(index, 0, hf_tensor_count(index), dtype, prefix, &b);
    hf_save(dir, "model.safetensors", b.bytes, b.n);
    hf_save(dir, "config.json", hf_config(index), strlen(hf_config(index)));
    buf_free(&b);
    return dir;
}

static int index_of(const char *name) {
    int i = 0;
    while (strcmp(hf_name(i), name)) i++;
    return i;
}

TEST_LIMIT(hf_every_architecture_gives_the_frozen_logits, 120) {
    for (int index = 0; index < HF_MODELS; index++) {
        model *m = NULL;
        if (!EXPECT_OK(checkpoint_open(make_dir(hf_name(index), index, GLIMPSE_F32, ""), NULL, NULL, &m))) continue;
        double e = hf_error(m, index);
        test_check(e < 1e-5, __FILE__, __LINE__, "%s: error %g", hf_name(index), e);
        model_close(m);
    }
}

TEST(hf_half_types_give_the_frozen_logits) {
    for (int dtype = GLIMPSE_BF16; dtype <= GLIMPSE_F16; dtype++)
        for (int index = 0; index < 3; index++) {
            model *m = NULL;
            if (!EXPECT_OK(checkpoint_open(make_dir("half", index, (glimpse_dtype)dtype, ""), NULL, NULL, &m)))
                continue;
            EXPECT_EQ(m->dtype, dtype);
            EXPECT_LT(hf_error(m, index), 1e-5);
            model_close(m);
        }
}

TEST(hf_facts_of_the_configuration) {
    model *m = NULL;
    int i = index_of("llama3");
    REQUIRE_OK(checkpoint_open(make_dir("llama3", i, GLIMPSE_BF16, ""), NULL, NULL, &m));
    EXPECT_STREQ(m->arch, "llama");
    EXPECT_EQ(m->d.bos, 1);
    EXPECT_EQ(m->d.eos, 2);
    EXPECT_EQ(m->d.n_kv_heads, 2);
    EXPECT_EQ(m->d.rope_scaling, GLIMPSE_ROPE_LLAMA3);
    EXPECT_EQ(m->d.max_seq_len, 64);
    EXPECT(m->head.data != m->wte.data);
    model_close(m);
    REQUIRE_OK(checkpoint_open(make_dir("smol", index_of("smollm2"), GLIMPSE_F32, ""), NULL, NULL, &m));
    EXPECT(m->head.data == m->wte.data);
    model_close(m);
}

/* The file named instead of its directory, wrappers' prefixes, the bare model's names. */
TEST(hf_other_ways_to_name_it) {
    model *m = NULL;
    char path[4096];
    const char *dir = make_dir("wrapped", 1, GLIMPSE_F32, "_orig_mod.module.");
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    REQUIRE_OK(checkpoint_open(path, NULL, NULL, &m));
    EXPECT_LT(hf_error(m, 1), 1e-5);
    model_close(m);
    char *found = NULL;
    REQUIRE_OK(checkpoint_find_newest(dir, &found));
    EXPECT_STREQ(found, dir);
    free(found);
}

/* A tied model's file may hold a head that training never touched: transformers does not look at it. */
TEST(hf_tied_head_is_not_read_from_the_file) {
    int index = index_of("llama2"), n = hf_tensor_count(index);
    model *m = NULL;
    buffer b = {0}, c = {0};
    const char *dir = hf_dir("tied"), *at = strstr(hf_config(index), "\"tie_word_embeddings\": false");
    buf_put(&c, hf_config(index), (size_t)(at - hf_config(index)));
    buf_printf(&c, "\"tie_word_embeddings\": true%s", at + strlen("\"tie_word_embeddings\": false"));
    hf_safetensors(index, 0, n, GLIMPSE_F32, "", &b);
    hf_save(dir, "model.safetensors", b.bytes, b.n);
    hf_save(dir, "config.json", c.bytes, c.n);
    REQUIRE_OK(checkpoint_open(dir, NULL, NULL, &m));
    EXPECT(m->head.data == m->wte.data);
    model_close(m);
    /* And the other way round: no head, and a configuration that promises one. */
    m = NULL;
    buf_clear(&b);
    hf_safetensors(index, 0, n - 1, GLIMPSE_F32, "", &b);
    hf_save(dir, "model.safetensors", b.bytes, b.n);
    hf_save(dir, "config.json", hf_config(index), strlen(hf_config(index)));
    EXPECT_ERR(checkpoint_open(dir, NULL, NULL, &m), GLIMPSE_E_MODEL, "lm_head.weight is missing");
    buf_free(&b);
    buf_free(&c);
}

/* A bias that one layer has and another has not was lost. */
TEST(hf_lost_bias_is_named) {
    int index = index_of("gpt2"), n = hf_tensor_count(index), last = n - 1;
    model *m = NULL;
    buffer b = {0};
    const char *dir = hf_dir("lost");
    while (last > 0 && !(strstr(hf_tensor_name(index, last), ".h.") && strstr(hf_tensor_name(index, last), ".bias"))) last--;
    hf_safetensors(index, 0, last, GLIMPSE_F32, "", &b);
    hf_save(dir, "model-00001-of-00002.safetensors", b.bytes, b.n);
    buf_clear(&b);
    hf_safetensors(index, last + 1, n, GLIMPSE_F32, "", &b);
    hf_save(dir, "model-00002-of-00002.safetensors", b.bytes, b.n);
    hf_save(dir, "config.json", hf_config(index), strlen(hf_config(index)));
    buf_clear(&b);
    buf_puts(&b, "{\"weight_map\":{");
    for (int i = 0; i < n; i++)
        if (i != last)
            buf_printf(&b, "%s\"%s\":\"model-0000%d-of-00002.safetensors\"", i ? "," : "", hf_tensor_name(index, i), i < last ? 1 : 2);
    buf_puts(&b, "}}");
    hf_save(dir, "model.safetensors.index.json", b.bytes, b.n);
    EXPECT_ERR(checkpoint_open(dir, NULL, NULL, &m), GLIMPSE_E_MODEL, "is missing, layer");
    model_close(m);
    buf_free(&b);
}

/* === Shards === */
static void make_shards(const char *dir, int index, int cut, const char *third) {
    buffer b = {0}, map = {0};
    int n = hf_tensor_count(index);
    for (int k = 0; k < 2; k++) {
        buf_clear(&b);
        hf_safetensors(index, k ? cut : 0, k ? n : cut, GLIMPSE_F32, "", &b);
        hf_save(dir, k ? "model-00002-of-00002.safetensors" : "model-00001-of-00002.safetensors", b.bytes, b.n);
    }
    buf_puts(&map, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (int i = 0; i < n; i++)
        buf_printf(&map, "%s\"%s\":\"%s\"", i ? "," : "", hf_tensor_name(index, i),
                   i == n - 1 && third ? third
                   : i < cut           ? "model-00001-of-00002.safetensors"
                                       : "model-00002-of-00002.safetensors");
    buf_puts(&map, "}}");
    hf_save(dir, "model.safetensors.index.json", map.bytes, map.n);
    hf_save(dir, "config.json", hf_config(index), strlen(hf_config(index)));
    buf_free(&b);
    buf_free(&map);
}

TEST(hf_shards) {
    model *m = NULL;
    char path[4096];
    const char *dir = hf_dir("shards");
    make_shards(dir, 1, 5, NULL);
    REQUIRE_OK(checkpoint_open(dir, NULL, NULL, &m));
    EXPECT_LT(hf_error(m, 1), 1e-5);
    model_close(m);
    m = NULL;
    make_shards(dir, 1, 5, "model-00003-of-00003.safetensors");
    EXPECT_ERR(checkpoint_open(dir, NULL, NULL, &m), GLIMPSE_E_IO, "model-00003-of-00003.safetensors is missing");
    make_shards(dir, 1, 5, "../config.json");
    EXPECT_ERR(checkpoint_open(dir, NULL, NULL, &m), GLIMPSE_E_FORMAT, "is not in a file beside it");
    make_shards(dir, 1, 5, "model-00001-of-00002.safetensors");
    EXPECT_ERR(checkpoint_open(dir, NULL, NULL, &m), GLIMPSE_E_FORMAT, "tensor lm_head.weight is not in model-00001");
    make_shards(dir, 1, 5, NULL);
    snprintf(path, sizeof path, "%s/model-00002-of-00002.safetensors", dir);
    struct stat s;
    REQUIRE(!stat(path, &s) && !truncate(path, s.st_size - 1));
    EXPECT_ERR(checkpoint_open(dir, NULL, NULL, &m), GLIMPSE_E_FORMAT, "model-00002-of-00002.safetensors");
    EXPECT(!m);
}

/* === Configurations === */
TEST(hf_configurations_that_are_not_known) {
    static const struct {
        const char *model, *from, *to;
        int code;
        const char *says;
    } cases[] = {
        {"llama2", "\"model_type\": \"llama\"", "\"model_type\": \"mamba\"", GLIMPSE_E_UNSUPPORTED,
         "model_type \"mamba\" is not known"},
        {"llama2", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"quick_gelu\"", GLIMPSE_E_UNSUPPORTED,
         "hidden_act \"quick_gelu\""},
        {"llama2", "LlamaForCausalLM", "LlamaForSequenceClassification", GLIMPSE_E_UNSUPPORTED,
         "LlamaForSequenceClassification"},
        {"llama2", "\"pretraining_tp\": 1", "\"quantization_config\": {}", GLIMPSE_E_UNSUPPORTED,
         "quantization_config"},
        {"llama2", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 4.0", GLIMPSE_E_FORMAT, "num_hidden_layers"},
        {"llama2", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 99999999999", GLIMPSE_E_FORMAT,
         "num_hidden_layers"},
        {"llama2", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5", GLIMPSE_E_MODEL, "model.layers.4."},
        {"llama2", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 3", GLIMPSE_E_MODEL, "the model has 3 layers"},
        {"llama2", "\"hidden_size\": 48", "\"hidden_size\": 0", GLIMPSE_E_FORMAT, "hidden_size"},
        {"llama2", "\"hidden_size\": 48", "\"hidden_size\": 56", GLIMPSE_E_MODEL, "expected"},
        {"llama2", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": -1", GLIMPSE_E_FORMAT, "rms_norm_eps"},
        {"llama2", "\"pretraining_tp\": 1", "\"attention_bias\": true", GLIMPSE_E_MODEL,
         "q_proj.bias is missing, which"},
        {"linear", "\"mlp_bias\": true", "\"mlp_bias\": false", GLIMPSE_E_MODEL, "mlp.gate_proj.bias is there, which"},
        {"linear", "\"type\": \"linear\"", "\"type\": \"by_parts\"", GLIMPSE_E_UNSUPPORTED, "\"by_parts\" is not known"},
        {"linear", "\"factor\": 2.5", "\"factor\": 0", GLIMPSE_E_FORMAT, "factor"},
        {"llama3", "\"factor\": 8.0, ", "", GLIMPSE_E_FORMAT, "has no factor"},
        {"llama3", "\"high_freq_factor\": 4.0", "\"high_freq_factor\": 0.5", GLIMPSE_E_MODEL, "rope_high"},
        {"yarn", "\"full_attention\", \"sliding_attention\", \"full_attention\"",
         "\"full_attention\", \"full_attention\", \"sliding_attention\"", GLIMPSE_E_UNSUPPORTED,
         "layer_types is no pattern"},
        {"yarn", "\"full_attention\"", "\"linear_attention\"", GLIMPSE_E_UNSUPPORTED, "layer 1 is of a kind"},
        {"yarn", "\"sliding_window\": 8", "\"sliding_window\": \"8\"", GLIMPSE_E_FORMAT, "sliding_window"},
        {"gpt2", "\"n_ctx\": 64", "\"scale_attn_by_inverse_layer_idx\": true", GLIMPSE_E_UNSUPPORTED,
         "scale_attn_by_inverse_layer_idx"},
        {"gpt2", "\"vocab_size\": 61", "\"vocab_size\": 62", GLIMPSE_E_MODEL, "wte.weight: expected (Vp, C)"},
        {"gpt2", "{\"activation", "{{\"activation", GLIMPSE_E_FORMAT, "byte 1 of the JSON is 0x7b, expected a key"},
        {"gpt2", "\"n_ctx\": 64", "\"n_head\": 4", GLIMPSE_E_FORMAT, "the key \"n_head\" is there twice"},
        {"gpt2", "\"n_ctx\": 64", "\"n_ctx\": 64,", GLIMPSE_E_FORMAT, "of the JSON"},
    };
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int index = index_of(cases[i].model);
        const char *dir = make_dir("lies", index, GLIMPSE_BF16, ""), *text = hf_config(index),
                   *at = strstr(text, cases[i].from);
        buffer b = {0};
        if (!cases[i].says) continue;
        if (!test_check(at != NULL, __FILE__, __LINE__, "%s is not in the configuration of %s", cases[i].from,
                        cases[i].model))
            continue;
        buf_put(&b, text, (size_t)(at - text));
        buf_printf(&b, "%s%s", cases[i].to, at + strlen(cases[i].from));
        hf_save(dir, "config.json", b.bytes, b.n);
        hostile_checkpoint(cases[i].to, dir, cases[i].code, cases[i].says);
        buf_free(&b);
    }
}

/* === Directories === */
/* Every depth of brackets that are never closed: each is a value of one byte. */
TEST(hf_json_of_open_brackets) {
    for (int n = 1; n < 200; n++)
        for (int kind = 0; kind < 3; kind++) {
            json_tree t = {0};
            char *text = malloc((size_t)n);
            REQUIRE(text);
            for (int i = 0; i < n; i++) text[i] = kind == 2 && i >= n / 2 ? ']' : kind == 1 && i % 2 ? ' ' : '[';
            glimpse_status st = json_parse("x", text, (size_t)n, 64, &t);
            EXPECT(kind == 2 && n % 2 == 0 && n / 2 <= 64 ? st == GLIMPSE_OK && t.n == (uint32_t)n / 2 : st == GLIMPSE_E_FORMAT);
            json_free(&t);
            free(text);
        }
}

TEST(hf_a_trainers_directory) {
    static const char config[] =
        "{\"vocab_size\": 61, \"num_layers\": 4, \"num_heads\": 4, \"embed_dim\": 48, \"maxlen\": 64}";
    char path[4096];
    model *m = NULL;
    buffer b = {0};
    snprintf(path, sizeof path, "%s", hf_dir("output/best_checkpoint"));
    hf_safetensors(0, 0, hf_tensor_count(0), GLIMPSE_F32, "", &b);
    hf_save(path, "model.safetensors", b.bytes, b.n);
    EXPECT_ERR(checkpoint_open(path, NULL, NULL, &m), GLIMPSE_E_FORMAT, "Model config not found");
    EXPECT(strstr(status_text(), "output/best_checkpoint/(checkpoint files)") != NULL);
    hf_save(hf_dir("output"), "model_config.json", config, strlen(config));
    REQUIRE_OK(checkpoint_open(path, NULL, NULL, &m));
    EXPECT_LT(hf_error(m, 0), 1e-5);
    model_close(m);
    m = NULL;
    EXPECT_ERR(checkpoint_open(hf_dir("output"), NULL, NULL, &m), GLIMPSE_E_FORMAT,
               "is the directory above the checkpoint");
    EXPECT(strstr(status_text(), "/output/best_checkpoint") != NULL);
    buf_free(&b);
}

TEST(hf_directories_that_are_none) {
    model *m = NULL;
    char path[4096];
    snprintf(path, sizeof path, "%s", hf_dir("orbax"));
    hf_save(path, "_CHECKPOINT_METADATA", "{}", 2);
    EXPECT_ERR(checkpoint_open(path, NULL, NULL, &m), GLIMPSE_E_UNSUPPORTED, "is an Orbax checkpoint (JAX)");
    EXPECT(strstr(status_text(), "examples/orbax_to_safetensors.py") != NULL);
    snprintf(path, sizeof path, "%s", hf_dir("adapter"));
    hf_save(path, "adapter_model.safetensors", "", 0);
    EXPECT_ERR(checkpoint_open(path, NULL, NULL, &m), GLIMPSE_E_UNSUPPORTED, "adapter");
    EXPECT_ERR(checkpoint_open(hf_dir("empty"), NULL, NULL, &m), GLIMPSE_E_IO, "no checkpoint in this directory");
    EXPECT(!m);
}

TEST(hf_without_memory) {
    const char *dir = make_dir("memory", 3, GLIMPSE_BF16, "");
    for (long n = 1; n < 2000; n += n < 40 ? 1 : 17) {
        model *m = NULL;
        test_fail_alloc(n);
        glimpse_status st = checkpoint_open(dir, NULL, NULL, &m);
        long used = test_fail_alloc(0);
        model_close(m);
        if (used < n) break;
        if (st < 0) EXPECT(st == GLIMPSE_E_MEMORY || st == GLIMPSE_E_IO || st == GLIMPSE_E_FORMAT);
    }
}

/* === The tokenizer of a checkpoint === */
TEST(hf_tokenizer_of_a_checkpoint) {
    static const char json[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[]}}";
    char path[4096], cwd[4096];
    tokenizer *t = NULL;
    snprintf(path, sizeof path, "%s", hf_dir("output/best_checkpoint"));
    snprintf(cwd, sizeof cwd, "%s", hf_dir("elsewhere"));
    REQUIRE(!chdir(cwd));
    hf_save(path, "model.safetensors", "", 0);
    hf_save(hf_dir("output"), "model_config.json", "{}", 2);
    EXPECT_ERR(checkpoint_find_tokenizer(path, NULL, NULL, &t), GLIMPSE_E_TOKENIZER, "Could not find tokenizer.json");
    EXPECT(strstr(status_text(), "hint: name it: --tokenizer ") != NULL);
    hf_save(hf_dir("output"), "tokenizer.json", json, strlen(json));
    REQUIRE_OK(checkpoint_find_tokenizer(path, NULL, NULL, &t));
    REQUIRE(t != NULL);
    EXPECT_EQ(t->vocab_size, 2);
    tokenizer_close(t);
}

TEST(hf_padded_vocabulary) {
    model m = {.d.vocab_size = 50304, .d.channels = 10, .d.bos = -1, .d.eos = -1, .n_params = 1000000};
    model_drop_padding(&m, 50257);
    EXPECT_EQ(m.d.vocab_size, 50257);
    EXPECT_EQ(m.n_params, 1000000 - 470);
    model_drop_padding(&m, 100); /* another tokenizer, no padding */
    EXPECT_EQ(m.d.vocab_size, 50257);
    m.d.vocab_size = 128, m.d.eos = 127;
    model_drop_padding(&m, 100);
    EXPECT_EQ(m.d.vocab_size, 128);
}
