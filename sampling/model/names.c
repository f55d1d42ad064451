/* names.c -- the tables of names.h and the search in them.  The names are those of Hugging Face's transformers
 * (modeling_gpt2.py, modeling_llama.py and their like), which nanoGPT and most exporters share. */
#define _GNU_SOURCE
#include "sampling/model/names.h"

#include "include/internal/buffer.h"
#include "include/internal/nearest.h"
#include "kernels/dtype.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define OF(field) offsetof(model, field)
#define IN(field) offsetof(model_layer, field)
#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static const tensor_rule gpt2_rules[] = {
    {"transformer.wte.weight", OF(wte), {DIM_VP, DIM_C}, NEED_ALWAYS},
    {"transformer.wpe.weight", OF(wpe), {DIM_T, DIM_C}, NEED_LEARNED},
    {"lm_head.weight", OF(head), {DIM_VP, DIM_C}, NEED_NEVER},
    {"transformer.ln_f.weight", OF(ln_f.weight), {DIM_C}, NEED_ALWAYS},
    {"transformer.ln_f.bias", OF(ln_f.bias), {DIM_C}, NEED_NEVER},
    {"transformer.h.#.ln_1.weight", IN(ln1.weight), {DIM_C}, NEED_ALWAYS},
    {"transformer.h.#.ln_1.bias", IN(ln1.bias), {DIM_C}, NEED_NEVER},
    {"transformer.h.#.attn.c_attn.weight", IN(qkv[0]), {DIM_QKV, DIM_C}, NEED_ALWAYS},
    {"transformer.h.#.attn.c_attn.bias", IN(qkv_bias[0]), {DIM_QKV}, NEED_NEVER},
    {"transformer.h.#.attn.c_proj.weight", IN(attn_out), {DIM_C, DIM_Q}, NEED_ALWAYS},
    {"transformer.h.#.attn.c_proj.bias", IN(attn_out_bias), {DIM_C}, NEED_NEVER},
    {"transformer.h.#.ln_2.weight", IN(ln2.weight), {DIM_C}, NEED_ALWAYS},
    {"transformer.h.#.ln_2.bias", IN(ln2.bias), {DIM_C}, NEED_NEVER},
    {"transformer.h.#.mlp.c_fc.weight", IN(up[0]), {DIM_UP, DIM_C}, NEED_ALWAYS},
    {"transformer.h.#.mlp.c_fc.bias", IN(up_bias[0]), {DIM_UP}, NEED_NEVER},
    {"transformer.h.#.mlp.c_proj.weight", IN(down), {DIM_C, DIM_F}, NEED_ALWAYS},
    {"transformer.h.#.mlp.c_proj.bias", IN(down_bias), {DIM_C}, NEED_NEVER},
    /* The causal mask, a buffer in older files. */
    {"transformer.h.#.attn.bias", 0, {DIM_NONE}, NEED_IGNORED},
    {"transformer.h.#.attn.masked_bias", 0, {DIM_NONE}, NEED_IGNORED},
};

static const tensor_rule llama_rules[] = {
    {"model.embed_tokens.weight", OF(wte), {DIM_VP, DIM_C}, NEED_ALWAYS},
    {"lm_head.weight", OF(head), {DIM_VP, DIM_C}, NEED_NEVER},
    {"model.norm.weight", OF(ln_f.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.input_layernorm.weight", IN(ln1.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.q_proj.weight", IN(qkv[0]), {DIM_Q, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.k_proj.weight", IN(qkv[1]), {DIM_KV, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.v_proj.weight", IN(qkv[2]), {DIM_KV, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.q_proj.bias", IN(qkv_bias[0]), {DIM_Q}, NEED_NEVER},
    {"model.layers.#.self_attn.k_proj.bias", IN(qkv_bias[1]), {DIM_KV}, NEED_NEVER},
    {"model.layers.#.self_attn.v_proj.bias", IN(qkv_bias[2]), {DIM_KV}, NEED_NEVER},
    {"model.layers.#.self_attn.q_norm.weight", IN(q_norm.weight), {DIM_HD}, NEED_NEVER},
    {"model.layers.#.self_attn.k_norm.weight", IN(k_norm.weight), {DIM_HD}, NEED_NEVER},
    {"model.layers.#.self_attn.o_proj.weight", IN(attn_out), {DIM_C, DIM_Q}, NEED_ALWAYS},
    {"model.layers.#.self_attn.o_proj.bias", IN(attn_out_bias), {DIM_C}, NEED_NEVER},
    {"model.layers.#.post_attention_layernorm.weight", IN(ln2.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.mlp.gate_proj.weight", IN(up[0]), {DIM_F, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.mlp.up_proj.weight", IN(up[1]), {DIM_F, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.mlp.gate_proj.bias", IN(up_bias[0]), {DIM_F}, NEED_NEVER},
    {"model.layers.#.mlp.up_proj.bias", IN(up_bias[1]), {DIM_F}, NEED_NEVER},
    {"model.layers.#.mlp.down_proj.weight", IN(down), {DIM_C, DIM_F}, NEED_ALWAYS},
    {"model.layers.#.mlp.down_proj.bias", IN(down_bias), {DIM_C}, NEED_NEVER},
    /* 1 / theta^(2i / hd), a buffer in older files. */
    {"model.layers.#.self_attn.rotary_emb.inv_freq", 0, {DIM_NONE}, NEED_IGNORED},
};

static const tensor_rule neox_rules[] = {
    {"gpt_neox.embed_in.weight", OF(wte), {DIM_VP, DIM_C}, NEED_ALWAYS},
    {"embed_out.weight", OF(head), {DIM_VP, DIM_C}, NEED_NEVER},
    {"lm_head.weight", OF(head), {DIM_VP, DIM_C}, NEED_NEVER}, /* the same, since transformers 5 */
    {"gpt_neox.final_layer_norm.weight", OF(ln_f.weight), {DIM_C}, NEED_ALWAYS},
    {"gpt_neox.final_layer_norm.bias", OF(ln_f.bias), {DIM_C}, NEED_NEVER},
    {"gpt_neox.layers.#.input_layernorm.weight", IN(ln1.weight), {DIM_C}, NEED_ALWAYS},
    {"gpt_neox.layers.#.input_layernorm.bias", IN(ln1.bias), {DIM_C}, NEED_NEVER},
    {"gpt_neox.layers.#.attention.query_key_value.weight", IN(qkv[0]), {DIM_QKV, DIM_C}, NEED_ALWAYS},
    {"gpt_neox.layers.#.attention.query_key_value.bias", IN(qkv_bias[0]), {DIM_QKV}, NEED_NEVER},
    {"gpt_neox.layers.#.attention.dense.weight", IN(attn_out), {DIM_C, DIM_Q}, NEED_ALWAYS},
    {"gpt_neox.layers.#.attention.dense.bias", IN(attn_out_bias), {DIM_C}, NEED_NEVER},
    {"gpt_neox.layers.#.post_attention_layernorm.weight", IN(ln2.weight), {DIM_C}, NEED_ALWAYS},
    {"gpt_neox.layers.#.post_attention_layernorm.bias", IN(ln2.bias), {DIM_C}, NEED_NEVER},
    {"gpt_neox.layers.#.mlp.dense_h_to_4h.weight", IN(up[0]), {DIM_F, DIM_C}, NEED_ALWAYS},
    {"gpt_neox.layers.#.mlp.dense_h_to_4h.bias", IN(up_bias[0]), {DIM_F}, NEED_NEVER},
    {"gpt_neox.layers.#.mlp.dense_4h_to_h.weight", IN(down), {DIM_C, DIM_F}, NEED_ALWAYS},
    {"gpt_neox.layers.#.mlp.dense_4h_to_h.bias", IN(down_bias), {DIM_C}, NEED_NEVER},
    /* The causal mask and the frequencies, buffers in older files. */
    {"gpt_neox.layers.#.attention.bias", 0, {DIM_NONE}, NEED_IGNORED},
    {"gpt_neox.layers.#.attention.masked_bias", 0, {DIM_NONE}, NEED_IGNORED},
    {"gpt_neox.layers.#.attention.rotary_emb.inv_freq", 0, {DIM_NONE}, NEED_IGNORED},
};

/* Llama's, with one matrix for q, k and v and one for gate and up. */
static const tensor_rule phi3_rules[] = {
    {"model.embed_tokens.weight", OF(wte), {DIM_VP, DIM_C}, NEED_ALWAYS},
    {"lm_head.weight", OF(head), {DIM_VP, DIM_C}, NEED_NEVER},
    {"model.norm.weight", OF(ln_f.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.input_layernorm.weight", IN(ln1.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.qkv_proj.weight", IN(qkv[0]), {DIM_QKV, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.o_proj.weight", IN(attn_out), {DIM_C, DIM_Q}, NEED_ALWAYS},
    {"model.layers.#.post_attention_layernorm.weight", IN(ln2.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.mlp.gate_up_proj.weight", IN(up[0]), {DIM_2F, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.mlp.down_proj.weight", IN(down), {DIM_C, DIM_F}, NEED_ALWAYS},
    {"model.layers.#.self_attn.rotary_emb.inv_freq", 0, {DIM_NONE}, NEED_IGNORED},
};

/* Gemma 2 and 3: Llama's, with norms on both sides of attention and feed-forward. */
static const tensor_rule gemma2_rules[] = {
    {"model.embed_tokens.weight", OF(wte), {DIM_VP, DIM_C}, NEED_ALWAYS},
    {"lm_head.weight", OF(head), {DIM_VP, DIM_C}, NEED_NEVER},
    {"model.norm.weight", OF(ln_f.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.input_layernorm.weight", IN(ln1.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.q_proj.weight", IN(qkv[0]), {DIM_Q, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.k_proj.weight", IN(qkv[1]), {DIM_KV, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.v_proj.weight", IN(qkv[2]), {DIM_KV, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.self_attn.q_proj.bias", IN(qkv_bias[0]), {DIM_Q}, NEED_NEVER},
    {"model.layers.#.self_attn.k_proj.bias", IN(qkv_bias[1]), {DIM_KV}, NEED_NEVER},
    {"model.layers.#.self_attn.v_proj.bias", IN(qkv_bias[2]), {DIM_KV}, NEED_NEVER},
    {"model.layers.#.self_attn.q_norm.weight", IN(q_norm.weight), {DIM_HD}, NEED_NEVER},
    {"model.layers.#.self_attn.k_norm.weight", IN(k_norm.weight), {DIM_HD}, NEED_NEVER},
    {"model.layers.#.self_attn.o_proj.weight", IN(attn_out), {DIM_C, DIM_Q}, NEED_ALWAYS},
    {"model.layers.#.self_attn.o_proj.bias", IN(attn_out_bias), {DIM_C}, NEED_NEVER},
    {"model.layers.#.post_attention_layernorm.weight", IN(post_attn.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.pre_feedforward_layernorm.weight", IN(ln2.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.post_feedforward_layernorm.weight", IN(post_mlp.weight), {DIM_C}, NEED_ALWAYS},
    {"model.layers.#.mlp.gate_proj.weight", IN(up[0]), {DIM_F, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.mlp.up_proj.weight", IN(up[1]), {DIM_F, DIM_C}, NEED_ALWAYS},
    {"model.layers.#.mlp.down_proj.weight", IN(down), {DIM_C, DIM_F}, NEED_ALWAYS},
    {"model.layers.#.self_attn.rotary_emb.inv_freq", 0, {DIM_NONE}, NEED_IGNORED},
};

/* The value 0 of every enum is GPT-2's. */
static void gpt2_defaults(glimpse_model *d) { (void)d; }

/* For these architectures 0 can only mean "left open". */
static void llama_defaults(glimpse_model *d) {
    if (!d->norm) d->norm = GLIMPSE_RMSNORM;
    if (!d->activation) d->activation = GLIMPSE_SILU;
    if (!d->positions) d->positions = GLIMPSE_ROPE;
}

static void smollm3_defaults(glimpse_model *d) {
    llama_defaults(d);
    if (!d->rope_skip_pattern) d->rope_skip_pattern = 4;
}

static void neox_defaults(glimpse_model *d) {
    if (!d->positions) d->positions = GLIMPSE_ROPE;
    if (!d->parallel_residual) d->parallel_residual = 1;
    if (!d->qkv_grouped) d->qkv_grouped = 1;
}

/* Embeddings times sqrt(C), a number of the weights' own type (modeling_gemma.py: embed_scale.to(weight.dtype)). */
static void gemma_defaults(glimpse_model *d) {
    if (!d->norm) d->norm = GLIMPSE_RMSNORM;
    if (!d->norm_plus_one) d->norm_plus_one = 1;
    if (!d->positions) d->positions = GLIMPSE_ROPE;
    if (d->norm_eps == 0) d->norm_eps = 1e-6f;
    if (d->embedding_scale != 0 || d->channels < 1) return;
    d->embedding_scale = (float)sqrt(d->channels);
    for (int32_t i = 0; i < d->n_tensors; i++) {
        const glimpse_tensor *t = &d->tensors[i];
        if (!t->name || !strstr(t->name, "embed_tokens")) continue;
        if (t->dtype == GLIMPSE_BF16) d->embedding_scale = bf16_to_f32(f32_to_bf16(d->embedding_scale));
        if (t->dtype == GLIMPSE_F16) d->embedding_scale = f16_to_f32(f32_to_f16(d->embedding_scale));
    }
}

static const char *const gpt2_archs[] = {"gpt2", NULL};
static const char *const llama_archs[] = {"llama", "mistral", "qwen2", "qwen3", NULL};
static const char *const smollm3_archs[] = {"smollm3", NULL};
static const char *const phi3_archs[] = {"phi3", NULL};
static const char *const gemma_archs[] = {"gemma", NULL};
static const char *const gemma2_archs[] = {"gemma2", "gemma3", NULL};
static const char *const neox_archs[] = {"gpt_neox", NULL};

static const tensor_family families[] = {
    {gpt2_archs, "transformer.", gpt2_rules, COUNT(gpt2_rules), gpt2_defaults},
    {llama_archs, "model.", llama_rules, COUNT(llama_rules), llama_defaults},
    {smollm3_archs, "model.", llama_rules, COUNT(llama_rules), smollm3_defaults},
    {phi3_archs, "model.", phi3_rules, COUNT(phi3_rules), llama_defaults},
    {gemma_archs, "model.", llama_rules, COUNT(llama_rules), gemma_defaults},
    {gemma2_archs, "model.", gemma2_rules, COUNT(gemma2_rules), gemma_defaults},
    {neox_archs, "gpt_neox.", neox_rules, COUNT(neox_rules), neox_defaults},
};

const tensor_family *family_find(const char *arch) {
    if (!arch || !*arch) return &families[0];
    for (int f = 0; f < COUNT(families); f++)
        for (const char *const *a = families[f].archs; *a; a++)
            if (!strcmp(*a, arch)) return &families[f];
    return NULL;
}

const char *family_list(void) {
    static _Thread_local char list[256];
    int n = 0;
    for (int f = 0; f < COUNT(families); f++)
        for (const char *const *a = families[f].archs; *a && n < (int)sizeof list; a++)
            n += c_snprintf(list + n, sizeof list - (size_t)n, "%s%s", n ? ", " : "", *a);
    return list;
}

bool rule_in_layer(const tensor_rule *rule) { return strchr(rule->pattern, '#') != NULL; }

/* Does name fit the pattern?  Layers are "0", "7", "31" (no sign, no leading zeros) or "*". */
static bool fits(const char *pattern, const char *name, int32_t *layer) {
    *layer = LAYER_NONE;
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (*pattern != *name++) return false;
            continue;
        }
        if (*name == '*') {
            *layer = LAYER_ALL;
            name++;
            continue;
        }
        int digits = 0;
        int32_t value = 0;
        while (name[digits] >= '0' && name[digits] <= '9' && digits < 6) value = value * 10 + (name[digits++] - '0');
        if (!digits || (digits > 1 && name[0] == '0')) return false;
        *layer = value;
        name += digits;
    }
    return *name == 0;
}

/* torch.compile and DistributedDataParallel put their own names before the model's. */
static const char *without_wrappers(const char *name) {
    static const char *const wrappers[] = {"_orig_mod.", "module."};
    for (int i = 0; i < COUNT(wrappers); i++)
        if (!strncmp(name, wrappers[i], strlen(wrappers[i]))) {
            name += strlen(wrappers[i]);
            i = -1;
        }
    return name;
}

const tensor_rule *name_find(const tensor_family *family, const char *name, int32_t *layer) {
    size_t prefix = strlen(family->prefix);
    name = without_wrappers(name);
    for (int i = 0; i < family->n_rules; i++) {
        const char *pattern = family->rules[i].pattern;
        if (fits(pattern, name, layer)) return &family->rules[i];
        if (!strncmp(pattern, family->prefix, prefix) && fits(pattern + prefix, name, layer)) return &family->rules[i];
    }
    return NULL;
}

const char *name_family(const char *name) {
    int32_t layer;
    for (int f = 0; f < COUNT(families); f++)
        if (name_find(&families[f], name, &layer)) return families[f].archs[0];
    return NULL;
}

void name_nearest(const tensor_family *family, const char *name, char *out, size_t cap) {
    /* The layer's number must not count as a difference: every run of digits or '*' that fills a part becomes '#'. */
    char plain[NEAREST_BYTES];
    size_t n = 0;
    name = without_wrappers(name);
    for (const char *p = name; *p && n < sizeof plain;) {
        size_t run = p == name || p[-1] == '.' ? strspn(p, "0123456789*") : 0;
        if (run && (p[run] == '.' || !p[run])) {
            plain[n++] = '#';
            p += run;
        } else plain[n++] = *p++;
    }
    const tensor_rule *best = NULL;
    int best_distance = 0;
    for (int i = 0; i < family->n_rules; i++) {
        if (family->rules[i].need == NEED_IGNORED) continue;
        int d = edit_distance(plain, n, family->rules[i].pattern, strlen(family->rules[i].pattern));
        if (!best || d < best_distance) {
            best = &family->rules[i];
            best_distance = d;
        }
    }
    if (cap) out[0] = 0;
    if (!best) return;
    const char *hash = strchr(best->pattern, '#');
    if (hash) snprintf(out, cap, "%.*sN%s", (int)(hash - best->pattern), best->pattern, hash + 1);
    else snprintf(out, cap, "%s", best->pattern);
}

void name_of(const tensor_rule *rule, int32_t layer, char *out, size_t cap) {
    const char *hash = strchr(rule->pattern, '#');
    if (!hash) snprintf(out, cap, "%s", rule->pattern);
    else if (layer == LAYER_ALL) snprintf(out, cap, "%.*s*%s", (int)(hash - rule->pattern), rule->pattern, hash + 1);
    else snprintf(out, cap, "%.*s%d%s", (int)(hash - rule->pattern), rule->pattern, (int)layer, hash + 1);
}
