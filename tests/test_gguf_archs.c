/* test_gguf_archs.c -- every architecture that is read from GGUF: the models of hf_files.h written as convert_hf_to_gguf.py
 * writes them (ggml-org/llama.cpp: its names, its rows and norms, its keys), and the logits frozen from transformers.
 *
 * What a GGUF file cannot say, llama.cpp knows by the architecture's name: the small models differ from the published ones
 * there, so that the test sets it in what was read. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/checkpoint.h"
#include "tests/hf_files.h"
#include "tests/test.h"

enum { C = 48, F = 80, H = 4, L = 4, T = 64 };

typedef struct writer {
    int index; /* of the model */
    const char *arch;
    buffer keys, infos, data;
    uint64_t n_keys, n_tensors;
} writer;

static void put(buffer *b, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) buf_putc(b, (char)(v >> 8 * i));
}

static void put_string(buffer *b, const char *s) {
    put(b, strlen(s), 8);
    buf_puts(b, s);
}

static void key(writer *w, const char *name, uint32_t type) {
    char full[96];
    snprintf(full, sizeof full, "%s%s", name[0] == '.' ? w->arch : "", name);
    put_string(&w->keys, full), put(&w->keys, type, 4);
    w->n_keys++;
}

static void key_int(writer *w, const char *name, uint32_t v) { key(w, name, 4), put(&w->keys, v, 4); }
static void key_text(writer *w, const char *name, const char *v) { key(w, name, 8), put_string(&w->keys, v); }

static void key_float(writer *w, const char *name, float v) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    key(w, name, 6), put(&w->keys, bits, 4);
}

static void tensor(writer *w, const char *name, int rows, int columns, const float *values) {
    while (w->data.n % 32) buf_putc(&w->data, 0);
    put_string(&w->infos, name), put(&w->infos, rows ? 2 : 1, 4), put(&w->infos, (uint64_t)columns, 8);
    if (rows) put(&w->infos, (uint64_t)rows, 8);
    put(&w->infos, 0, 4), put(&w->infos, w->data.n, 8);
    buf_put(&w->data, values, (size_t)(rows ? rows : 1) * (size_t)columns * 4);
    w->n_tensors++;
}

/* === Names: tensor_mapping.py === */
static const char *const names[][2] = {
    {"embed_tokens", "token_embd"},
    {"embed_in", "token_embd"},
    {"lm_head", "output"},
    {"embed_out", "output"},
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"attention.query_key_value", "attn_qkv"},
    {"attention.dense", "attn_output"},
    {"mlp.dense_h_to_4h", "ffn_up"},
    {"mlp.dense_4h_to_h", "ffn_down"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"final_layer_norm", "output_norm"},
};

static void name_of(const char *hf, bool four_norms, char out[96]) {
    const char *layer = strstr(hf, "layers."), *kind = strrchr(hf, '.'), *to = NULL;
    int number = layer ? atoi(layer + 7) : -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(hf, names[i][0]) && (size_t)(strstr(hf, names[i][0]) + strlen(names[i][0]) - hf) == (size_t)(kind - hf))
            to = names[i][1];
    if (strstr(hf, "post_attention_layernorm")) to = four_norms ? "post_attention_norm" : "ffn_norm";
    if (!strcmp(hf, "model.norm.weight")) to = "output_norm";
    test_check(to != NULL, __FILE__, __LINE__, "no name for %s", hf);
    if (layer) snprintf(out, 96, "blk.%d.%s%s", number, to, kind);
    else snprintf(out, 96, "%s%s", to, kind);
}

/* Rows of `bytes` bytes: of each head (2, hd / 2) becomes (hd / 2, 2). */
static void permute(float *v, int rows, int columns, int hd) {
    float *copy = malloc((size_t)rows * (size_t)columns * 4);
    REQUIRE(copy);
    memcpy(copy, v, (size_t)rows * (size_t)columns * 4);
    for (int r = 0; r < rows; r++) {
        int in = r % hd, from = r - in + in % 2 * (hd / 2) + in / 2;
        memcpy(v + (size_t)r * (size_t)columns, copy + (size_t)from * (size_t)columns, (size_t)columns * 4);
    }
    free(copy);
}

/* GPT-NeoX: (heads, 3, hd, ...) becomes (3, heads, hd, ...). */
static void part_qkv(float *v, int columns) {
    int hd = C / H;
    float *copy = malloc((size_t)3 * C * (size_t)columns * 4);
    REQUIRE(copy);
    memcpy(copy, v, (size_t)3 * C * (size_t)columns * 4);
    for (int h = 0; h < H; h++)
        for (int k = 0; k < 3; k++)
            memcpy(v + (size_t)(k * C + h * hd) * (size_t)columns, copy + (size_t)((h * 3 + k) * hd) * (size_t)columns,
                   (size_t)hd * (size_t)columns * 4);
    free(copy);
}

static void all_tensors(writer *w) {
    bool gemma = !strncmp(w->arch, "gemma", 5), neox = !strcmp(w->arch, "gptneox");
    bool permuted = !strcmp(w->arch, "llama") || !strcmp(w->arch, "smollm3");
    for (int i = 0; i < hf_tensor_count(w->index); i++) {
        const char *hf = hf_tensor_name(w->index, i);
        char name[96];
        int dims[2];
        size_t n = hf_tensor_shape(w->index, i, dims);
        buffer raw = {0};
        hf_tensor_bytes(w->index, i, GLIMPSE_F32, &raw);
        float *v = (float *)(void *)raw.bytes;
        if (gemma && strstr(hf, "norm.weight"))
            for (size_t k = 0; k < n; k++) v[k] += 1;
        if (permuted && (strstr(hf, "q_proj") || strstr(hf, "k_proj"))) permute(v, dims[0], dims[1], C / H);
        if (neox && strstr(hf, "query_key_value")) part_qkv(v, dims[1] ? dims[1] : 1);
        name_of(hf, gemma && w->arch[5], name);
        tensor(w, name, dims[1] ? dims[0] : 0, dims[1] ? dims[1] : dims[0], v);
        buf_free(&raw);
    }
}

static void common_keys(writer *w, int kv_heads, float eps, float theta) {
    bool neox = !strcmp(w->arch, "gptneox");
    key_text(w, "general.architecture", w->arch);
    key_int(w, ".context_length", T), key_int(w, ".embedding_length", C), key_int(w, ".block_count", L);
    key_int(w, ".feed_forward_length", F), key_int(w, ".attention.head_count", H);
    if (!neox) key_int(w, ".attention.head_count_kv", (uint32_t)kv_heads);
    key_float(w, neox ? ".attention.layer_norm_epsilon" : ".attention.layer_norm_rms_epsilon", eps);
    if (theta > 0) key_float(w, ".rope.freq_base", theta);
}

static model *opened(writer *w) {
    buffer b = {0};
    model *m = NULL;
    char name[64];
    all_tensors(w);
    buf_puts(&b, "GGUF");
    put(&b, 3, 4), put(&b, w->n_tensors, 8), put(&b, w->n_keys, 8);
    buf_put(&b, w->keys.bytes, w->keys.n), buf_put(&b, w->infos.bytes, w->infos.n);
    while (b.n % 32) buf_putc(&b, 0);
    buf_put(&b, w->data.bytes, w->data.n);
    snprintf(name, sizeof name, "%s.gguf", hf_name(w->index));
    EXPECT_OK(checkpoint_open(hf_save(hf_dir("archs"), name, b.bytes, b.n), NULL, NULL, &m));
    buf_free(&b), buf_free(&w->keys), buf_free(&w->infos), buf_free(&w->data);
    return m;
}

static writer begin(const char *model, const char *arch) {
    writer w = {.arch = arch};
    while (strcmp(hf_name(w.index), model)) w.index++;
    return w;
}

static void judge(model *m, const writer *w) {
    if (!m) return;
    double e = hf_error(m, w->index);
    test_check(e < 1e-5, __FILE__, __LINE__, "%s as %s: error %g", hf_name(w->index), w->arch, e);
    model_close(m);
}

TEST(gguf_archs_gpt_neox) {
    for (int serial = 0; serial < 2; serial++) {
        writer w = begin(serial ? "neox_serial" : "neox", "gptneox");
        common_keys(&w, H, 1e-5f, 0);
        key_int(&w, ".rope.dimension_count", serial ? C / H : C / H / 2);
        key(&w, ".use_parallel_residual", 7), put(&w.keys, !serial, 1);
        judge(opened(&w), &w);
    }
}

TEST(gguf_archs_gemma) {
    writer w = begin("gemma", "gemma");
    common_keys(&w, 1, 1e-6f, 0);
    key_int(&w, ".attention.key_length", 16), key_int(&w, ".attention.value_length", 16);
    judge(opened(&w), &w);
}

TEST(gguf_archs_gemma2) {
    writer w = begin("gemma2", "gemma2");
    common_keys(&w, 2, 1e-6f, 0);
    key_int(&w, ".attention.key_length", 16), key_int(&w, ".attention.value_length", 16);
    key_float(&w, ".attn_logit_softcapping", 5), key_float(&w, ".final_logit_softcapping", 7);
    key_int(&w, ".attention.sliding_window", 6);
    model *m = opened(&w);
    if (m) m->d.attention_scale = (float)(1 / sqrt(24)); /* query_pre_attn_scalar: not in the file */
    judge(m, &w);
}

TEST(gguf_archs_gemma3) {
    writer w = begin("gemma3", "gemma3");
    common_keys(&w, 2, 1e-6f, 1000000);
    key_int(&w, ".attention.key_length", 16), key_int(&w, ".attention.value_length", 16);
    key_int(&w, ".attention.sliding_window", 5);
    key_text(&w, ".rope.scaling.type", "linear"), key_float(&w, ".rope.scaling.factor", 8);
    model *m = opened(&w);
    if (m) EXPECT_EQ(m->d.window_pattern, 6);
    if (m) m->d.attention_scale = (float)(1 / sqrt(24)), m->d.window_pattern = 3;
    judge(m, &w);
}

TEST(gguf_archs_smollm3) {
    writer w = begin("smollm3", "smollm3");
    common_keys(&w, 2, 1e-5f, 2000000);
    key_int(&w, ".rope.dimension_count", C / H);
    model *m = opened(&w);
    if (m) EXPECT_EQ(m->d.rope_skip_pattern, 4);
    if (m) m->d.rope_skip_pattern = 2;
    judge(m, &w);
}

TEST(gguf_archs_phi3) {
    writer w = begin("phi3", "phi3");
    common_keys(&w, 2, 1e-5f, 10000);
    key_int(&w, ".rope.dimension_count", C / H / 2), key_int(&w, ".attention.sliding_window", 9);
    judge(opened(&w), &w);
}

/* Factors that divide the frequencies, one list for short texts and one for long, in tensors of their own. */
TEST(gguf_archs_phi3_longrope) {
    static const float near[] = {1.0f, 1.05f, 1.2f, 1.5f, 2.0f, 2.25f}, far[] = {1.1f, 1.4f, 2.0f, 4.0f, 7.5f, 9.0f};
    writer w = begin("longrope", "phi3");
    common_keys(&w, 2, 1e-5f, 10000);
    key_int(&w, ".rope.dimension_count", C / H), key_int(&w, ".attention.sliding_window", 31);
    key_int(&w, ".rope.scaling.original_context_length", 20);
    key_float(&w, ".rope.scaling.attn_factor", (float)sqrt(1 + log(64.0 / 20) / log(20)));
    tensor(&w, "rope_factors_long.weight", 0, 6, far), tensor(&w, "rope_factors_short.weight", 0, 6, near);
    judge(opened(&w), &w);
}

/* Llama 3.1: the factors of its scaling come as one list (LlamaModel.generate_extra_tensors). */
TEST(gguf_archs_llama3_factors) {
    writer w = begin("llama3", "llama");
    const char *config = hf_config(w.index);
    float factor = 0, low = 0, high = 0, factors[C / H / 2];
    double original = 0, theta = 10000;
    REQUIRE(strstr(config, "\"factor\": ") && strstr(config, "\"low_freq_factor\": ") && strstr(config, "\"high_freq_factor\": "));
    factor = (float)atof(strstr(config, "\"factor\": ") + 10), low = (float)atof(strstr(config, "\"low_freq_factor\": ") + 19);
    high = (float)atof(strstr(config, "\"high_freq_factor\": ") + 20);
    original = atof(strstr(config, "\"original_max_position_embeddings\": ") + 36);
    if (strstr(config, "\"rope_theta\": ")) theta = atof(strstr(config, "\"rope_theta\": ") + 14);
    for (int i = 0; i < C / H / 2; i++) {
        double wave = 2 * M_PI * pow(theta, 2.0 * i / (C / H)), smooth = (original / wave - (double)low) / (double)(high - low);
        factors[i] = wave < original / (double)high  ? 1
                     : wave > original / (double)low ? factor
                                                     : (float)(1 / ((1 - smooth) / (double)factor + smooth));
    }
    const char *kv = strstr(config, "\"num_key_value_heads\": "), *eps = strstr(config, "\"rms_norm_eps\": ");
    common_keys(&w, kv ? atoi(kv + 23) : H, eps ? (float)atof(eps + 16) : 1e-6f, (float)theta);
    key_int(&w, ".rope.dimension_count", C / H);
    tensor(&w, "rope_freqs.weight", 0, C / H / 2, factors);
    judge(opened(&w), &w);
}
