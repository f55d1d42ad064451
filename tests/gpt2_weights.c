/* gpt2_weights.c -- see gpt2_weights.h and the comment at the top of tests/ref/gpt2_reference.py. */
#include "tests/gpt2_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle.h"

typedef struct spec {
    const char *name;
    int layers, rows, cols; /* layers 0 = outside, cols 0 = a vector */
} spec;

int32_t ref_id(int p, int i) { return (7 * i * i + 3 * i + 11 * p) % REF_V; }

static void set_description(glimpse_model *d, int index) {
    *d = (glimpse_model)GLIMPSE_MODEL_INIT;
    d->n_layers = REF_L, d->n_heads = REF_H, d->channels = REF_C, d->vocab_size = REF_V, d->max_seq_len = REF_T;
    if (index == REF_LLAMA_LIKE) {
        d->n_kv_heads = 2, d->head_size = 16, d->ffn_size = 80, d->norm = GLIMPSE_RMSNORM, d->norm_eps = 1e-3f;
        d->activation = GLIMPSE_SILU, d->positions = GLIMPSE_ROPE, d->rope_theta = 500, d->window = 5;
        d->attention_softcap = 3, d->logit_softcap = 4, d->embedding_scale = 1.5f, d->attention_scale = 0.3f;
    }
    if (index == REF_MIXED) {
        d->activation = GLIMPSE_GELU_ERF, d->positions = GLIMPSE_ROPE, d->rope_dims = 8, d->rope_interleaved = 1;
        d->norm_plus_one = 1;
    }
}

/* The value is exact in every type: cut what the type does not hold. */
static void store(void *at, int64_t i, glimpse_dtype dtype, float value) {
    uint32_t u;
    memcpy(&u, &value, sizeof u);
    if (dtype == GLIMPSE_F32) ((float *)at)[i] = value;
    else if (dtype == GLIMPSE_BF16) ((uint16_t *)at)[i] = (uint16_t)(u >> 16);
    else { /* normal numbers of f16 from 2^-14 on; the smallest here is 2^-9 */
        uint16_t exponent = (uint16_t)((u >> 23 & 255) - 127 + 15);
        ((uint16_t *)at)[i] = value == 0 ? 0 : (uint16_t)((u >> 31) << 15 | (uint32_t)exponent << 10 | (u >> 13 & 1023));
    }
}

void ref_model_make(ref_model *r, int index, ref_layout layout, glimpse_dtype dtype) {
    static const int kv_of[] = {4, 2, 4}, hd_of[] = {12, 16, 12}, ffn_of[] = {192, 80, 96};
    int kv = kv_of[index], hd = hd_of[index], F = ffn_of[index], L = REF_L, C = REF_C;
    int up = index == REF_LLAMA_LIKE ? 2 * F : F, qkv = (REF_H + 2 * kv) * hd;
    const spec specs[17] = {
        {"transformer.wte.weight", 0, REF_VP, C},
        {"transformer.wpe.weight", 0, REF_T, C},
        {"lm_head.weight", 0, REF_VP, C},
        {"transformer.h.#.ln_1.weight", L, C, 0},
        {"transformer.h.#.ln_1.bias", L, C, 0},
        {"transformer.h.#.attn.c_attn.weight", L, qkv, C},
        {"transformer.h.#.attn.c_attn.bias", L, qkv, 0},
        {"transformer.h.#.attn.c_proj.weight", L, C, REF_H * hd},
        {"transformer.h.#.attn.c_proj.bias", L, C, 0},
        {"transformer.h.#.ln_2.weight", L, C, 0},
        {"transformer.h.#.ln_2.bias", L, C, 0},
        {"transformer.h.#.mlp.c_fc.weight", L, up, C},
        {"transformer.h.#.mlp.c_fc.bias", L, up, 0},
        {"transformer.h.#.mlp.c_proj.weight", L, C, F},
        {"transformer.h.#.mlp.c_proj.bias", L, C, 0},
        {"transformer.ln_f.weight", 0, C, 0},
        {"transformer.ln_f.bias", 0, C, 0},
    };
    memset(r, 0, sizeof *r);
    set_description(&r->d, index);
    r->d.tensors = r->tensors;
    for (int i = 0; i < 17; i++) {
        spec s = specs[i];
        bool bias = strstr(s.name, "bias"), transposed = layout == REF_TRANSPOSED && s.cols;
        if ((bias && index == REF_LLAMA_LIKE) || (i == 1 && index != REF_GPT2) || (i == 2 && index != REF_LLAMA_LIKE)) continue;
        int layers = s.layers ? s.layers : 1, cols = s.cols ? s.cols : 1;
        int64_t pad = layout == REF_STRIDED && s.cols ? 5 : 0, rs = cols + pad, cs = 1, ls = s.rows * rs + 3 * pad;
        if (transposed) rs = 1, cs = s.rows, ls = (int64_t)s.rows * cols;
        /* What no one may read is NaN: the gaps between rows, the padding of the vocabulary. */
        char *memory = malloc((size_t)(ls * layers) * (dtype == GLIMPSE_F32 ? 4 : 2));
        if (!memory) abort();
        memset(memory, 0xff, (size_t)(ls * layers) * (dtype == GLIMPSE_F32 ? 4 : 2));
        uint64_t rng = 1000 * (uint64_t)index + (uint64_t)i;
        for (int l = 0; l < layers; l++)
            for (int a = 0; a < s.rows; a++)
                for (int b = 0; b < cols; b++) {
                    uint64_t u = oracle_random(&rng);
                    float v = (float)((int)(u >> 56) - 128) / 256 * (i < 3 ? 1.0f : 0.5f);
                    if (i == 3 || i == 9 || i == 15)
                        v = (float)((int)(u >> 58) - 32) / 128 + (index == REF_MIXED ? 0.0f : 1.0f);
                    if (s.rows != REF_VP || a < REF_V || i == 1) store(memory, l * ls + a * rs + b * cs, dtype, v);
                }
        r->memory[i] = memory;
        bool separate = s.layers && (layout == REF_SEPARATE || layout == REF_STRIDED);
        for (int l = 0; l < (separate ? layers : 1); l++) {
            int k = r->d.n_tensors++;
            glimpse_tensor t = GLIMPSE_TENSOR_INIT;
            const char *hash = strchr(s.name, '#');
            char layer[16] = "*";
            if (separate) snprintf(layer, sizeof layer, "%d", l);
            if (hash) snprintf(r->names[k], sizeof r->names[k], "%.*s%s%s", (int)(hash - s.name), s.name, layer, hash + 1);
            else snprintf(r->names[k], sizeof r->names[k], "%s", s.name);
            t.name = r->names[k];
            t.data = memory + l * ls * (dtype == GLIMPSE_F32 ? 4 : 2);
            t.dtype = dtype;
            if (s.layers && !separate) t.strides[t.n_dims] = ls, t.dims[t.n_dims++] = layers;
            t.strides[t.n_dims] = transposed ? cs : rs, t.dims[t.n_dims++] = transposed ? cols : s.rows;
            if (s.cols) t.strides[t.n_dims] = 1, t.dims[t.n_dims++] = transposed ? s.rows : cols;
            if (transposed) t.flags = GLIMPSE_TRANSPOSED;
            if (!pad) memset(t.strides, 0, sizeof t.strides); /* dense: left at 0 */
            r->tensors[k] = t;
        }
    }
}

void ref_model_to_llama(ref_model *r) {
    static const struct {
        const char *from, *to;
        int first, rows; /* of the matrix; 0 = all */
    } parts[] = {
        {"transformer.wte.weight", "model.embed_tokens.weight", 0, 0},
        {"lm_head.weight", "lm_head.weight", 0, 0},
        {"transformer.ln_f.weight", "model.norm.weight", 0, 0},
        {"transformer.h.%d.ln_1.weight", "model.layers.%d.input_layernorm.weight", 0, 0},
        {"transformer.h.%d.attn.c_attn.weight", "model.layers.%d.self_attn.q_proj.weight", 0, 64},
        {"transformer.h.%d.attn.c_attn.weight", "model.layers.%d.self_attn.k_proj.weight", 64, 32},
        {"transformer.h.%d.attn.c_attn.weight", "model.layers.%d.self_attn.v_proj.weight", 96, 32},
        {"transformer.h.%d.attn.c_proj.weight", "model.layers.%d.self_attn.o_proj.weight", 0, 0},
        {"transformer.h.%d.ln_2.weight", "model.layers.%d.post_attention_layernorm.weight", 0, 0},
        {"transformer.h.%d.mlp.c_fc.weight", "model.layers.%d.mlp.gate_proj.weight", 0, 80},
        {"transformer.h.%d.mlp.c_fc.weight", "model.layers.%d.mlp.up_proj.weight", 80, 80},
        {"transformer.h.%d.mlp.c_proj.weight", "model.layers.%d.mlp.down_proj.weight", 0, 0},
    };
    ref_model old = *r;
    old.d.tensors = old.tensors;
    for (int k = 0; k < old.d.n_tensors; k++) old.tensors[k].name = old.names[k];
    r->d.arch = "llama";
    r->d.norm = r->d.activation = r->d.positions = 0; /* the architecture's */
    r->d.n_tensors = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (int l = 0; l < (strchr(parts[i].from, '%') ? REF_L : 1); l++) {
            const char *split = strchr(parts[i].from, '%'), *into = strchr(parts[i].to, '%');
            char from[80];
            int k = r->d.n_tensors++;
            if (!split) snprintf(from, sizeof from, "%s", parts[i].from), snprintf(r->names[k], 80, "%s", parts[i].to);
            else {
                snprintf(from, sizeof from, "%.*s%d%s", (int)(split - parts[i].from), parts[i].from, l, split + 2);
                snprintf(r->names[k], 80, "%.*s%d%s", (int)(into - parts[i].to), parts[i].to, l, into + 2);
            }
            glimpse_tensor t = *ref_tensor(&old, from);
            t.name = r->names[k];
            if (parts[i].rows) {
                t.data = (const float *)t.data + parts[i].first * t.dims[1];
                t.dims[0] = parts[i].rows;
            }
            r->tensors[k] = t;
        }
}

void ref_model_free(ref_model *r) {
    for (int i = 0; i < 17; i++) free(r->memory[i]);
}

glimpse_tensor *ref_tensor(ref_model *r, const char *name) {
    for (int i = 0; i < r->d.n_tensors; i++)
        if (!strcmp(r->tensors[i].name, name)) return &r->tensors[i];
    return NULL;
}
