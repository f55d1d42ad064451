/* hf_config.c -- what transformers' configuration says, as values of the model's description (huggingface/transformers:
 * configuration_gpt2.py, configuration_llama.py, _mistral, _qwen2, _qwen3, modeling_rope_utils.py).  Both spellings of
 * rotary scaling are read: rope_theta with rope_scaling (version 4) and rope_parameters (version 5). */
#include "sampling/checkpoint/hf_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG_BYTES = 16 << 20, MAX_JSON_DEPTH = 32 };

typedef struct reader {
    const char *name;
    const json_node *root;
    glimpse_model *d;
    config_facts *facts;
} reader;

/* The first of `keys` (a list ended by NULL) that is there and not null. */
static const json_node *first_of(const json_node *object, const char *const *keys) {
    for (; *keys; keys++) {
        const json_node *v = json_get(object, *keys);
        if (v && v->kind != JSON_NULL) return v;
    }
    return NULL;
}

static const json_node *value(const reader *r, const char *key) {
    return first_of(r->root, (const char *const[]){key, NULL});
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A whole number 1 to INT32_MAX into *out; `needed`: it must be there. */
static glimpse_status whole(const reader *r, const char *const *keys, bool needed, int32_t *out) {
    const json_node *v = first_of(r->root, keys);
    int64_t i;
    if (!v && !needed) return GLIMPSE_OK;
    if (!v) FAIL(GLIMPSE_E_FORMAT, "%s: \"%s\" is missing", r->name, keys[0]);
    if (!json_i64(v, &i) || i < 1 || i > INT32_MAX)
        FAIL(GLIMPSE_E_FORMAT, "%s: \"%.*s\" is no whole number above 0", r->name, (int)v->key_n, v->key);
    *out = (int32_t)i;
    return GLIMPSE_OK;
}

static glimpse_status positive(const reader *r, const json_node *object, const char *key, float *out) {
    const json_node *v = first_of(object, KEYS(key));
    double x;
    if (!v) return GLIMPSE_OK;
    if (!json_double(v, &x) || !(x > 0) || !isfinite((float)x))
        FAIL(GLIMPSE_E_FORMAT, "%s: \"%s\" is no number above 0", r->name, key);
    *out = (float)x;
    return GLIMPSE_OK;
}

static glimpse_status boolean(const reader *r, const char *key, bool fallback, bool *out) {
    const json_node *v = value(r, key);
    if (v && v->kind != JSON_TRUE && v->kind != JSON_FALSE)
        FAIL(GLIMPSE_E_FORMAT, "%s: \"%s\" is neither true nor false", r->name, key);
    *out = v ? v->kind == JSON_TRUE : fallback;
    return GLIMPSE_OK;
}

/* An id, or the first of a list of ids; one outside the vocabulary (some files name one) is none. */
static int32_t token_id(const reader *r, const char *key) {
    const json_node *v = value(r, key);
    int64_t id;
    if (v && v->kind == JSON_ARRAY) v = json_first(v);
    return json_i64(v, &id) && id >= 0 && id < r->d->vocab_size ? (int32_t)id : -1;
}

static glimpse_status activation(const reader *r, const char *const *keys, int32_t fallback) {
    static const struct {
        const char *name;
        int32_t value;
    } known[] = {{"gelu_new", GLIMPSE_GELU_TANH},  {"gelu_pytorch_tanh", GLIMPSE_GELU_TANH},
                 {"gelu_fast", GLIMPSE_GELU_TANH}, {"gelu_tanh", GLIMPSE_GELU_TANH},
                 {"gelu", GLIMPSE_GELU_ERF},       {"silu", GLIMPSE_SILU},
                 {"swish", GLIMPSE_SILU},          {"relu", GLIMPSE_RELU}};
    const json_node *v = first_of(r->root, keys);
    r->d->activation = fallback;
    if (!v) return GLIMPSE_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (json_is_text(v, known[i].name)) {
            r->d->activation = known[i].value;
            return GLIMPSE_OK;
        }
    FAIL(GLIMPSE_E_UNSUPPORTED, "%s: %.*s \"%.*s\" is not known", r->name, (int)v->key_n, v->key,
         v->kind == JSON_STRING && v->n < 60 ? (int)v->n : 1, v->kind == JSON_STRING ? v->text : "?");
}

/* Options that change the numbers and that the plan has no value for. */
static glimpse_status refuse_options(const reader *r) {
    static const struct {
        const char *key;
        bool truth; /* refused when true; else refused when it is there at all */
    } never[] = {
        {"quantization_config", false},
        {"scale_attn_by_inverse_layer_idx", true},
        {"add_cross_attention", true},
        {"num_local_experts", false},
        {"num_experts", false},
        {"is_encoder_decoder", true},
        {"text_config", false},
        {"no_rope_layers", false},
        {"attn_logit_softcapping", false},
        {"logits_scaling", false},
        {"residual_multiplier", false},
        {"embedding_multiplier", false},
        {"clip_qkv", false},
        {"alibi", true},
        {"use_qk_norm", true},
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        const json_node *v = value(r, never[i].key);
        if (v && (never[i].truth ? v->kind != JSON_FALSE : true))
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the option %s is not known for %s", r->name, never[i].key,
                 r->facts->model_type);
    }
    const json_node *a = json_first(value(r, "architectures"));
    if (a && a->kind == JSON_STRING) {
        static const char *const endings[] = {"ForCausalLM", "LMHeadModel", "Model"};
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
            size_t n = strlen(endings[i]);
            if (a->n >= n && !memcmp(a->text + a->n - n, endings[i], n)) return GLIMPSE_OK;
        }
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: %.*s is no language model that continues a text", r->name,
             a->n < 80 ? (int)a->n : 80, a->text);
    }
    return GLIMPSE_OK;
}

/* === Rotary positions === */
static glimpse_status rope_scaling(const reader *r, const json_node *s) {
    glimpse_model *d = r->d;
    const json_node *type = first_of(s, KEYS("rope_type", "type"));
    const json_node *length = first_of(s, KEYS("original_max_position_embeddings"));
    int64_t n = d->max_seq_len;
    if (!type || json_is_text(type, "default")) return GLIMPSE_OK;
    if (json_is_text(type, "linear")) d->rope_scaling = GLIMPSE_ROPE_LINEAR;
    else if (json_is_text(type, "llama3")) d->rope_scaling = GLIMPSE_ROPE_LLAMA3;
    else if (json_is_text(type, "yarn")) d->rope_scaling = GLIMPSE_ROPE_YARN;
    else
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: rope_scaling of the type \"%.*s\" is not known; known: linear, llama3, yarn",
             r->name, type->kind == JSON_STRING && type->n < 60 ? (int)type->n : 1,
             type->kind == JSON_STRING ? type->text : "?");
    TRY(positive(r, s, "factor", &d->rope_factor));
    if (!(d->rope_factor > 0)) FAIL(GLIMPSE_E_FORMAT, "%s: rope_scaling has no factor", r->name);
    bool yarn = d->rope_scaling == GLIMPSE_ROPE_YARN;
    TRY(positive(r, s, yarn ? "beta_slow" : "low_freq_factor", &d->rope_low));
    TRY(positive(r, s, yarn ? "beta_fast" : "high_freq_factor", &d->rope_high));
    if (length && (!json_i64(length, &n) || n < 1 || n > INT32_MAX))
        FAIL(GLIMPSE_E_FORMAT, "%s: original_max_position_embeddings is no whole number above 0", r->name);
    if (!length && d->rope_scaling == GLIMPSE_ROPE_LLAMA3)
        FAIL(GLIMPSE_E_FORMAT, "%s: rope_scaling has no original_max_position_embeddings", r->name);
    d->rope_original_len = (int32_t)n;
    if (yarn) {
        TRY(positive(r, s, "attention_factor", &d->rope_attention));
        const json_node *truncate = first_of(s, KEYS("truncate"));
        if (truncate && truncate->kind == JSON_FALSE)
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: rope_scaling with truncate = false is not known", r->name);
        float m = 0, m_all = 0;
        TRY(positive(r, s, "mscale", &m));
        TRY(positive(r, s, "mscale_all_dim", &m_all));
        double grow = d->rope_factor > 1 ? log((double)d->rope_factor) : 0;
        if (d->rope_attention == 0 && m > 0 && m_all > 0)
            d->rope_attention = (float)((0.1 * (double)m * grow + 1) / (0.1 * (double)m_all * grow + 1));
    }
    return GLIMPSE_OK;
}

static glimpse_status rope(const reader *r) {
    glimpse_model *d = r->d;
    const json_node *parameters = value(r, "rope_parameters"), *scaling = value(r, "rope_scaling");
    float partial = 1;
    d->positions = GLIMPSE_ROPE;
    if (parameters && parameters->kind != JSON_OBJECT)
        FAIL(GLIMPSE_E_FORMAT, "%s: rope_parameters is no object", r->name);
    if (scaling && scaling->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: rope_scaling is no object", r->name);
    d->rope_theta = 10000;
    TRY(positive(r, r->root, "rope_theta", &d->rope_theta));
    if (parameters && json_first(parameters) && json_first(parameters)->kind == JSON_OBJECT)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: rope_parameters for each kind of layer are not known", r->name);
    TRY(positive(r, parameters, "rope_theta", &d->rope_theta));
    TRY(positive(r, r->root, "partial_rotary_factor", &partial));
    TRY(positive(r, parameters, "partial_rotary_factor", &partial));
    if (partial != 1)
        d->rope_dims = (int32_t)((double)(d->head_size ? d->head_size : d->channels / d->n_heads) * (double)partial);
    return rope_scaling(r, parameters ? parameters : scaling);
}

/* === Windows === */
/* layer_types: "sliding_attention" or "full_attention" a layer, as window_from and window_pattern. */
static glimpse_status layer_types(const reader *r, const json_node *types) {
    glimpse_model *d = r->d;
    int32_t first = -1, hole = -1, layer = 0;
    if (types->kind != JSON_ARRAY || types->n != (uint32_t)d->n_layers)
        FAIL(GLIMPSE_E_FORMAT, "%s: layer_types does not have one entry for each of the %d layers", r->name,
             (int)d->n_layers);
    for (const json_node *t = json_first(types); t; t = json_next(types, t), layer++) {
        bool slides = json_is_text(t, "sliding_attention");
        if (!slides && !json_is_text(t, "full_attention"))
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: layer_types: layer %d is of a kind that is not known", r->name,
                 (int)layer);
        if (slides && first < 0) first = layer;
        if (!slides && first >= 0 && hole < 0) hole = layer;
    }
    if (first < 0) {
        d->window = 0;
        return GLIMPSE_OK;
    }
    if (!d->window)
        FAIL(GLIMPSE_E_FORMAT, "%s: layer_types has sliding layers, and there is no sliding_window", r->name);
    d->window_from = first;
    d->window_pattern = hole >= 0 ? hole + 1 : 0;
    layer = 0;
    for (const json_node *t = json_first(types); t; t = json_next(types, t), layer++) {
        bool full = layer < first || (hole >= 0 && layer % (hole + 1) == hole);
        if (full == json_is_text(t, "sliding_attention"))
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: layer_types is no pattern that is known (layer %d)", r->name, (int)layer);
    }
    return GLIMPSE_OK;
}

static glimpse_status windows(const reader *r, bool optional) {
    glimpse_model *d = r->d;
    const json_node *types = value(r, "layer_types");
    bool use = true;
    int32_t from = 0;
    if (optional) TRY(boolean(r, "use_sliding_window", false, &use));
    if (use && !json_get(r->root, "sliding_window")) d->window = 4096; /* transformers' default; null is none */
    if (use) TRY(whole(r, KEYS("sliding_window"), false, &d->window));
    if (types) return layer_types(r, types);
    const json_node *max = value(r, "max_window_layers");
    int64_t layers;
    if (optional && d->window && max) {
        if (!json_i64(max, &layers) || layers < 0 || layers > INT32_MAX)
            FAIL(GLIMPSE_E_FORMAT, "%s: max_window_layers is no whole number", r->name);
        from = (int32_t)layers;
    } else if (optional && d->window) from = 28; /* transformers' own default */
    d->window_from = from < d->n_layers ? from : d->n_layers;
    return GLIMPSE_OK;
}

/* === Architectures === */
static glimpse_status sizes(const reader *r) {
    glimpse_model *d = r->d;
    TRY(whole(r, KEYS("num_hidden_layers", "n_layer", "n_layers", "num_layers", "layers"), true, &d->n_layers));
    TRY(whole(r, KEYS("num_attention_heads", "n_head", "n_heads", "num_heads"), true, &d->n_heads));
    TRY(whole(r, KEYS("hidden_size", "n_embd", "embed_dim", "d_model", "model_size", "emb_dim"), true, &d->channels));
    TRY(whole(r, KEYS("vocab_size"), true, &d->vocab_size));
    return whole(r,
                 KEYS("max_position_embeddings", "n_positions", "block_size", "max_seq_len", "max_length", "maxlen",
                      "max_len", "context_length", "n_ctx"),
                 true, &d->max_seq_len);
}

static glimpse_status gpt2(const reader *r, bool bare) {
    glimpse_model *d = r->d;
    bool scaled = true, tied = true;
    d->arch = "gpt2";
    TRY(sizes(r));
    TRY(whole(r, KEYS("n_inner", "intermediate_size", "feed_forward_dim", "ff_dim", "d_ff"), false, &d->ffn_size));
    if (!d->ffn_size) {
        if (d->channels > INT32_MAX / 4) FAIL(GLIMPSE_E_FORMAT, "%s: n_embd is %d", r->name, (int)d->channels);
        d->ffn_size = 4 * d->channels;
    }
    TRY(activation(r, KEYS("activation_function", "hidden_act", "activation"), GLIMPSE_GELU_TANH));
    TRY(positive(r, r->root, "layer_norm_epsilon", &d->norm_eps));
    TRY(boolean(r, "scale_attn_weights", true, &scaled));
    if (!scaled) d->attention_scale = 1;
    TRY(boolean(r, "tie_word_embeddings", true, &tied));
    r->facts->tied = tied, r->facts->tying_known = !bare || value(r, "tie_word_embeddings");
    return GLIMPSE_OK;
}

static glimpse_status llama_like(const reader *r) {
    glimpse_model *d = r->d;
    config_facts *f = r->facts;
    bool qwen2 = !strcmp(f->model_type, "qwen2"), qwen3 = !strcmp(f->model_type, "qwen3"),
         mistral = !strcmp(f->model_type, "mistral");
    bool bias = false, mlp_bias = false;
    d->arch = qwen2 ? "qwen2" : qwen3 ? "qwen3" : mistral ? "mistral" : "llama";
    TRY(sizes(r));
    TRY(whole(r, KEYS("num_key_value_heads"), false, &d->n_kv_heads));
    TRY(whole(r, KEYS("head_dim"), false, &d->head_size));
    if (qwen3 && !d->head_size) d->head_size = 128; /* transformers' default */
    TRY(whole(r, KEYS("intermediate_size"), true, &d->ffn_size));
    d->norm = GLIMPSE_RMSNORM;
    d->norm_eps = 1e-6f;
    TRY(positive(r, r->root, "rms_norm_eps", &d->norm_eps));
    TRY(activation(r, KEYS("hidden_act"), GLIMPSE_SILU));
    TRY(rope(r));
    if (mistral || qwen2 || qwen3) TRY(windows(r, !mistral));
    TRY(boolean(r, "attention_bias", qwen2, &bias));
    TRY(boolean(r, "mlp_bias", false, &mlp_bias));
    TRY(boolean(r, "tie_word_embeddings", false, &f->tied));
    f->tying_known = true;
    f->qkv_bias = qwen2 || bias ? HAS : HAS_NOT;
    f->out_bias = bias && !qwen2 ? HAS : HAS_NOT;
    f->mlp_bias = mlp_bias ? HAS : HAS_NOT;
    f->qk_norm = qwen3 ? HAS : HAS_NOT;
    return GLIMPSE_OK;
}

glimpse_status config_from_json(const char *name, const json_node *root, glimpse_model *d, config_facts *facts) {
    reader r = {name, root, d, facts};
    *facts = (config_facts){.tied = true};
    if (root->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: no JSON object", name);
    const json_node *type = value(&r, "model_type");
    if (type && type->kind != JSON_STRING) FAIL(GLIMPSE_E_FORMAT, "%s: model_type is no text", name);
    c_snprintf(facts->model_type, sizeof facts->model_type, "%.*s", type ? (int)(type->n < 31 ? type->n : 31) : 4,
               type ? type->text : "gpt2");
    bool llama = type && (json_is_text(type, "llama") || json_is_text(type, "mistral") || json_is_text(type, "qwen2") ||
                          json_is_text(type, "qwen3"));
    if (type && !llama && !json_is_text(type, "gpt2"))
        FAIL(GLIMPSE_E_UNSUPPORTED,
             "%s: model_type \"%s\" is not known; known: gpt2, llama (SmolLM2), mistral, qwen2, qwen3", name,
             facts->model_type);
    TRY(refuse_options(&r));
    TRY(llama ? llama_like(&r) : gpt2(&r, !type));
    d->bos = token_id(&r, "bos_token_id");
    d->eos = token_id(&r, "eos_token_id");
    return GLIMPSE_OK;
}

glimpse_status config_read(const char *path, glimpse_model *d, config_facts *facts) {
    buffer b = {0};
    json_tree t = {0};
    glimpse_status st = GLIMPSE_OK;
    TRY_GOTO(file_read_all(path, MAX_CONFIG_BYTES, &b));
    if (!b.n) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s is empty", path);
    TRY_GOTO(json_parse(path, b.bytes, b.n, MAX_JSON_DEPTH, &t));
    st = config_from_json(path, t.nodes, d, facts);
out:
    json_free(&t);
    buf_free(&b);
    return st;
}

/* === The tensors === */
static glimpse_status check_kind(const char *name, const weight_list *l, const glimpse_model *d, config_has has,
                                 const char *suffix) {
    char tensor[160];
    if (has == HAS_UNKNOWN) return GLIMPSE_OK;
    for (int32_t i = 0; i < d->n_layers && i < 4096; i++) {
        c_snprintf(tensor, sizeof tensor, "model.layers.%d.%s", (int)i, suffix);
        bool there = weights_find(l, tensor) || weights_find(l, tensor + 6);
        if (has == HAS && !there) FAIL(GLIMPSE_E_MODEL, "tensor %s is missing, which %s promises", tensor, name);
        if (has == HAS_NOT && there)
            FAIL(GLIMPSE_E_MODEL, "tensor %s is there, which %s excludes: is this its configuration?", tensor, name);
    }
    return GLIMPSE_OK;
}

/* The fused q, k, v matrix is the one whose shape tells (in, out) from (out, in). */
static bool is_conv1d(const weight_list *l, const glimpse_model *d) {
    for (int32_t i = 0; i < l->n; i++) {
        const weight *w = &l->w[i];
        size_t n = strlen(w->name), s = strlen("attn.c_attn.weight");
        if (n >= s && !strcmp(w->name + n - s, "attn.c_attn.weight") && w->n_dims == 2)
            return w->dims[0] == d->channels && w->dims[1] != d->channels;
    }
    return false;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), e = strlen(end);
    return n >= e && !strcmp(s + n - e, end);
}

glimpse_status config_fit_weights(const char *name, weight_list *l, const glimpse_model *d, const config_facts *facts) {
    static const struct {
        size_t offset;
        const char *suffix;
    } kinds[] = {
        {offsetof(config_facts, qkv_bias), "self_attn.q_proj.bias"},
        {offsetof(config_facts, qkv_bias), "self_attn.k_proj.bias"},
        {offsetof(config_facts, qkv_bias), "self_attn.v_proj.bias"},
        {offsetof(config_facts, out_bias), "self_attn.o_proj.bias"},
        {offsetof(config_facts, mlp_bias), "mlp.gate_proj.bias"},
        {offsetof(config_facts, mlp_bias), "mlp.up_proj.bias"},
        {offsetof(config_facts, mlp_bias), "mlp.down_proj.bias"},
        {offsetof(config_facts, qk_norm), "self_attn.q_norm.weight"},
        {offsetof(config_facts, qk_norm), "self_attn.k_norm.weight"},
    };
    TRY(weights_strip(l, "module."));
    TRY(weights_strip(l, "_orig_mod."));
    TRY(weights_strip(l, "module."));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        TRY(check_kind(name, l, d, *(const config_has *)(const void *)((const char *)facts + kinds[i].offset),
                       kinds[i].suffix));
    weight *head = weights_find(l, "lm_head.weight");
    if (facts->tying_known && !facts->tied && !head)
        FAIL(GLIMPSE_E_MODEL, "tensor lm_head.weight is missing, and %s says that the head is not the embedding", name);
    /* A copy that training never touched: transformers reads the embedding in its place. */
    if (facts->tying_known && facts->tied && head) TRY(weights_drop(l, head));
    if (!is_conv1d(l, d)) return GLIMPSE_OK;
    for (int32_t i = 0; i < l->n; i++)
        if (ends_with(l->w[i].name, "attn.c_attn.weight") || ends_with(l->w[i].name, "attn.c_proj.weight") ||
            ends_with(l->w[i].name, "mlp.c_fc.weight") || ends_with(l->w[i].name, "mlp.c_proj.weight"))
            l->w[i].flags |= GLIMPSE_TRANSPOSED;
    return GLIMPSE_OK;
}
