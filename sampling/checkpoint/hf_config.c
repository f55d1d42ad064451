/* hf_config.c -- what transformers' configuration says, as values of the model's description (huggingface/transformers:
 * configuration_*.py), and the fit of the tensors to it.  What architectures ask for is in hf_archs.c, rotary positions and
 * windows in hf_rope.c. */
#include "sampling/checkpoint/hf_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/hf_reader.h"

enum { MAX_CONFIG_BYTES = 16 << 20, MAX_JSON_DEPTH = 32 };

const json_node *hf_first_of(const json_node *object, const char *const *keys) {
    for (; *keys; keys++) {
        const json_node *v = json_get(object, *keys);
        if (v && v->kind != JSON_NULL) return v;
    }
    return NULL;
}

const json_node *hf_value(const hf_reader *r, const char *key) {
    return hf_first_of(r->root, (const char *const[]){key, NULL});
}

glimpse_status hf_whole(const hf_reader *r, const char *const *keys, bool needed, int32_t *out) {
    const json_node *v = hf_first_of(r->root, keys);
    int64_t i;
    if (!v && !needed) return GLIMPSE_OK;
    if (!v) FAIL(GLIMPSE_E_FORMAT, "%s: \"%s\" is missing", r->name, keys[0]);
    if (!json_i64(v, &i) || i < 1 || i > INT32_MAX)
        FAIL(GLIMPSE_E_FORMAT, "%s: \"%.*s\" is no whole number above 0", r->name, (int)v->key_n, v->key);
    *out = (int32_t)i;
    return GLIMPSE_OK;
}

glimpse_status hf_positive(const hf_reader *r, const json_node *object, const char *key, float *out) {
    const json_node *v = hf_first_of(object, KEYS(key));
    double x;
    if (!v) return GLIMPSE_OK;
    if (!json_double(v, &x) || !(x > 0) || !isfinite((float)x))
        FAIL(GLIMPSE_E_FORMAT, "%s: \"%s\" is no number above 0", r->name, key);
    *out = (float)x;
    return GLIMPSE_OK;
}

glimpse_status hf_boolean(const hf_reader *r, const char *key, bool fallback, bool *out) {
    const json_node *v = hf_value(r, key);
    if (v && v->kind != JSON_TRUE && v->kind != JSON_FALSE)
        FAIL(GLIMPSE_E_FORMAT, "%s: \"%s\" is neither true nor false", r->name, key);
    *out = v ? v->kind == JSON_TRUE : fallback;
    return GLIMPSE_OK;
}

glimpse_status hf_positive_or(const hf_reader *r, const char *key, float fallback, float *out) {
    const json_node *v = json_get(r->root, key);
    *out = v ? 0 : fallback;
    return hf_positive(r, r->root, key, out);
}

glimpse_status hf_activation(const hf_reader *r, const char *const *keys, int32_t fallback) {
    static const struct {
        const char *name;
        int32_t value;
    } known[] = {{"gelu_new", GLIMPSE_GELU_TANH},  {"gelu_pytorch_tanh", GLIMPSE_GELU_TANH},
                 {"gelu_fast", GLIMPSE_GELU_TANH}, {"gelu_tanh", GLIMPSE_GELU_TANH},
                 {"gelu", GLIMPSE_GELU_ERF},       {"silu", GLIMPSE_SILU},
                 {"swish", GLIMPSE_SILU},          {"relu", GLIMPSE_RELU}};
    const json_node *v = hf_first_of(r->root, keys);
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
static glimpse_status refuse_options(const hf_reader *r) {
    static const struct {
        const char *key;
        bool truth;       /* refused when true; else refused when it is there at all */
        const char *but;  /* not in model types that begin so */
    } never[] = {
        {"quantization_config", false, NULL},
        {"scale_attn_by_inverse_layer_idx", true, NULL},
        {"add_cross_attention", true, NULL},
        {"num_local_experts", false, NULL},
        {"num_experts", false, NULL},
        {"is_encoder_decoder", true, NULL},
        {"text_config", false, "gemma3"},
        {"no_rope_layers", false, "smollm3"},
        {"attn_logit_softcapping", false, "gemma"},
        {"query_pre_attn_scalar", false, "gemma"},
        {"logits_scaling", false, NULL},
        {"residual_multiplier", false, NULL},
        {"embedding_multiplier", false, NULL},
        {"clip_qkv", false, NULL},
        {"alibi", true, NULL},
        {"use_qk_norm", true, NULL},
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        const json_node *v = hf_value(r, never[i].key);
        const char *but = never[i].but;
        if (but && !strncmp(r->facts->model_type, but, strlen(but))) continue;
        if (v && (never[i].truth ? v->kind != JSON_FALSE : true))
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the option %s is not known for %s", r->name, never[i].key,
                 r->facts->model_type);
    }
    const json_node *a = json_first(hf_value(r, "architectures"));
    if (a && a->kind == JSON_STRING) {
        static const char *const endings[] = {"ForCausalLM", "LMHeadModel", "Model", "Gemma3ForConditionalGeneration"};
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
            size_t n = strlen(endings[i]);
            if (a->n >= n && !memcmp(a->text + a->n - n, endings[i], n)) return GLIMPSE_OK;
        }
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: %.*s is no language model that continues a text", r->name,
             a->n < 80 ? (int)a->n : 80, a->text);
    }
    return GLIMPSE_OK;
}

/* An id, or the first of a list of ids; one outside the vocabulary (some files name one) is none. */
static int32_t token_id(const hf_reader *r, const char *key) {
    const json_node *v = hf_value(r, key);
    int64_t id;
    if (v && v->kind == JSON_ARRAY) v = json_first(v);
    return json_i64(v, &id) && id >= 0 && id < r->d->vocab_size ? (int32_t)id : -1;
}

/* eos_token_id, an id or a list of them: each ends a text.  What is no id at all (null, a text) leaves the description alone. */
static void ends_of_text(const hf_reader *r) {
    const json_node *v = hf_value(r, "eos_token_id");
    bool list = v && v->kind == JSON_ARRAY, none = true;
    for (const json_node *e = list ? json_first(v) : v; e; e = list ? json_next(v, e) : NULL) {
        int64_t id;
        if (!json_i64(e, &id) || id < 0 || id >= r->d->vocab_size) continue;
        if (none) {
            model_set_ends(r->d, NULL, 0); /* what another file or object said */
            r->facts->ends_left_out = none = false;
        }
        if (!model_add_end(r->d, id)) r->facts->ends_left_out = true;
    }
}

glimpse_status config_from_json(const char *name, const json_node *root, glimpse_model *d, config_facts *facts) {
    hf_reader r = {name, root, d, facts};
    *facts = (config_facts){.tied = true};
    if (root->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: no JSON object", name);
    const json_node *type = hf_value(&r, "model_type"), *text = hf_value(&r, "text_config");
    if (type && type->kind != JSON_STRING) FAIL(GLIMPSE_E_FORMAT, "%s: model_type is no text", name);
    c_snprintf(facts->model_type, sizeof facts->model_type, "%.*s", type ? (int)(type->n < 31 ? type->n : 31) : 4,
               type ? type->text : "gpt2");
    TRY(refuse_options(&r));
    if (text && !strcmp(facts->model_type, "gemma3")) { /* with eyes: the part that writes is described by itself */
        if (text->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: text_config is no object", name);
        r.root = text;
        facts->nested = true;
        TRY(refuse_options(&r));
    }
    TRY(hf_architecture(&r, type != NULL));
    d->bos = token_id(&r, "bos_token_id");
    ends_of_text(&r);
    if (r.root == root) return GLIMPSE_OK;
    r.root = root; /* the ids may stand outside */
    if (d->bos < 0) d->bos = token_id(&r, "bos_token_id");
    if (d->eos < 0) ends_of_text(&r);
    return GLIMPSE_OK;
}

/* The file's object, with `text` its memory. */
static glimpse_status parse_file(const char *path, buffer *text, json_tree *out) {
    TRY(file_read_all(path, MAX_CONFIG_BYTES, text));
    if (!text->n) FAIL(GLIMPSE_E_FORMAT, "%s is empty", path);
    return json_parse(path, text->bytes, text->n, MAX_JSON_DEPTH, out);
}

glimpse_status config_read(const char *path, glimpse_model *d, config_facts *facts) {
    buffer b = {0};
    json_tree t = {0};
    glimpse_status st = parse_file(path, &b, &t);
    if (st >= 0) st = config_from_json(path, t.nodes, d, facts);
    json_free(&t);
    buf_free(&b);
    return st;
}

glimpse_status config_read_generation(const char *path, glimpse_model *d, config_facts *facts) {
    buffer b = {0};
    json_tree t = {0};
    glimpse_status st = parse_file(path, &b, &t);
    if (st >= 0) ends_of_text(&(hf_reader){path, t.nodes, d, facts});
    else if (st != GLIMPSE_E_MEMORY) st = GLIMPSE_OK;
    json_free(&t);
    buf_free(&b);
    return st;
}

/* === The tensors === */
static glimpse_status check_kind(const char *name, const weight_list *l, const glimpse_model *d, config_has has,
                                 const char *suffix) {
    char tensor[160];
    bool neox = !strcmp(d->arch, "gpt_neox");
    const char *prefix = neox ? "gpt_neox." : "model.";
    if (has == HAS_UNKNOWN || neox != !strncmp(suffix, "attention.", 10)) return GLIMPSE_OK;
    for (int32_t i = 0; i < d->n_layers && i < 4096; i++) {
        c_snprintf(tensor, sizeof tensor, "%slayers.%d.%s", prefix, (int)i, suffix);
        bool there = weights_find(l, tensor) || weights_find(l, tensor + strlen(prefix));
        if (has == HAS && !there) FAIL(GLIMPSE_E_MODEL, "tensor %s is missing, which %s promises", tensor, name);
        if (has == HAS_NOT && there)
            FAIL(GLIMPSE_E_MODEL, "tensor %s is there, which %s excludes: is this its configuration?", tensor, name);
    }
    return GLIMPSE_OK;
}

/* A model of GPT-2's kind may have no biases, or those of its norms alone, say; it has one kind of them in all layers or in none. */
static glimpse_status check_gpt2_biases(const char *name, const weight_list *l, const glimpse_model *d) {
    static const char prefix[] = "transformer.";
    static const char *const kinds[] = {"ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"};
    char tensor[160];
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int32_t has = -1, lacks = -1; /* a layer that does */
        for (int32_t i = 0; i < d->n_layers && i < 4096; i++) {
            c_snprintf(tensor, sizeof tensor, "%sh.%d.%s.bias", prefix, (int)i, kinds[k]);
            bool there = weights_find(l, tensor) || weights_find(l, tensor + strlen(prefix));
            *(there ? &has : &lacks) = i;
        }
        if (has >= 0 && lacks >= 0)
            FAIL(GLIMPSE_E_MODEL, "%s: tensor %sh.%d.%s.bias is missing, layer %d has its own", name, prefix, (int)lacks, kinds[k],
                 (int)has);
    }
    return GLIMPSE_OK;
}

/* The fused q, k, v matrix is the one whose shape tells (in, out) from (out, in). */
static bool is_conv1d(const weight_list *l, const glimpse_model *d) {
    for (int32_t i = 0; i < l->n; i++) {
        const weight *w = &l->w[i];
        if (ends_with(w->name, "attn.c_attn.weight") && w->n_dims == 2) return w->dims[0] == d->channels && w->dims[1] != d->channels;
    }
    return false;
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
        {offsetof(config_facts, qkv_bias), "attention.query_key_value.bias"},
        {offsetof(config_facts, out_bias), "attention.dense.bias"},
        {offsetof(config_facts, qk_norm), "self_attn.q_norm.weight"},
        {offsetof(config_facts, qk_norm), "self_attn.k_norm.weight"},
    };
    TRY(weights_strip(l, "module."));
    TRY(weights_strip(l, "_orig_mod."));
    TRY(weights_strip(l, "module."));
    if (facts->nested) {
        static const char *const eyes[] = {"vision_tower.", "multi_modal_projector.", "model.vision_tower.",
                                           "model.multi_modal_projector."};
        for (size_t i = 0; i < sizeof eyes / sizeof *eyes; i++) TRY(weights_drop_all(l, eyes[i]));
        TRY(weights_strip(l, "model.language_model."));
        TRY(weights_strip(l, "language_model."));
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        TRY(check_kind(name, l, d, *(const config_has *)(const void *)((const char *)facts + kinds[i].offset),
                       kinds[i].suffix));
    const char *head_name = !strcmp(d->arch, "gpt_neox") ? "embed_out.weight" : "lm_head.weight";
    weight *head = weights_find(l, head_name);
    if (!head) head = weights_find(l, "lm_head.weight");
    if (facts->tying_known && !facts->tied && !head)
        FAIL(GLIMPSE_E_MODEL, "tensor %s is missing, and %s says that the head is not the embedding", head_name, name);
    /* A copy that training never touched: transformers reads the embedding in its place. */
    if (facts->tying_known && facts->tied && head) TRY(weights_drop(l, head));
    if (!strcmp(d->arch, "gpt2")) TRY(check_gpt2_biases(name, l, d));
    if (!is_conv1d(l, d)) return GLIMPSE_OK;
    for (int32_t i = 0; i < l->n; i++)
        if (ends_with(l->w[i].name, "attn.c_attn.weight") || ends_with(l->w[i].name, "attn.c_proj.weight") ||
            ends_with(l->w[i].name, "mlp.c_fc.weight") || ends_with(l->w[i].name, "mlp.c_proj.weight"))
            l->w[i].flags |= GLIMPSE_TRANSPOSED;
    return GLIMPSE_OK;
}
