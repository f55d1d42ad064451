/* names.c -- the tables of names.h and the search in them.  The names are those of Hugging Face's transformers
 * (modeling_gpt2.py, modeling_llama.py and their like), which nanoGPT and most exporters share. */
#define _GNU_SOURCE
#include "sampling/model/names.h"

#include "include/internal/nearest.h"
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

/* The value 0 of every enum is GPT-2's. */
static void gpt2_defaults(glimpse_model *d) { (void)d; }

/* For these architectures 0 can only mean "left open". */
static void llama_defaults(glimpse_model *d) {
    if (!d->norm) d->norm = GLIMPSE_RMSNORM;
    if (!d->activation) d->activation = GLIMPSE_SILU;
    if (!d->positions) d->positions = GLIMPSE_ROPE;
}

static const char *const gpt2_archs[] = {"gpt2", NULL};
static const char *const llama_archs[] = {"llama", "mistral", "qwen2", "qwen3", NULL};

static const tensor_family families[] = {
    {gpt2_archs, "transformer.", gpt2_rules, COUNT(gpt2_rules), gpt2_defaults},
    {llama_archs, "model.", llama_rules, COUNT(llama_rules), llama_defaults},
};

const tensor_family *family_find(const char *arch) {
    if (!arch || !*arch) return &families[0];
    for (int f = 0; f < COUNT(families); f++)
        for (const char *const *a = families[f].archs; *a; a++)
            if (!strcmp(*a, arch)) return &families[f];
    return NULL;
}

const char *family_list(void) { return "gpt2, llama, mistral, qwen2, qwen3"; }

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
