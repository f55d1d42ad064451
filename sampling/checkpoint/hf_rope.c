/* hf_rope.c -- rotary positions and attention windows of a configuration (huggingface/transformers:
 * modeling_rope_utils.py).  Both spellings of rotary scaling are read: rope_theta with rope_scaling (version 4) and
 * rope_parameters (version 5), for all layers at once or, with Gemma 3, for each kind of layer. */
#include "sampling/checkpoint/hf_reader.h"

#include <math.h>
#include <string.h>

/* === Rotary positions === */
/* The context of the plain frequencies.  The configuration's own word counts before that of its scaling. */
static glimpse_status original_length(const hf_reader *r, const json_node *s, bool needed) {
    static const char key[] = "original_max_position_embeddings";
    const json_node *length = hf_value(r, key);
    int64_t n = r->d->max_seq_len;
    if (!length) length = hf_first_of(s, KEYS(key));
    if (length && (!json_i64(length, &n) || n < 1 || n > INT32_MAX))
        FAIL(GLIMPSE_E_FORMAT, "%s: %s is no whole number above 0", r->name, key);
    if (!length && needed) FAIL(GLIMPSE_E_FORMAT, "%s: rope_scaling has no %s", r->name, key);
    r->d->rope_original_len = (int32_t)n;
    return GLIMPSE_OK;
}

/* Within max_position_embeddings (L) nothing is scaled, and beyond it nothing is generated.  transformers 5.23
 * (dynamic_frequency_update) takes theta' = theta (factor n / L - (factor - 1))^(d / (d - 2)) with n the longest position of the
 * call, and leaves the keys in the cache as they were turned before.  So the logits of one text differ with how it was fed: the
 * last of 30 tokens, L = 16, at once or after a prompt of at most L by 5e-4 of the largest, after a prompt of 25 by 3e-4.  They
 * differ also with what the module has read before, because its frequencies are kept until a call of less than L: the same 30
 * tokens after a text of 60 by 8e-4.  There is no one answer to be equal to. */
static glimpse_status dynamic(const hf_reader *r, const json_node *s) {
    r->d->rope_scaling = GLIMPSE_ROPE_DYNAMIC;
    r->d->rope_original_len = r->d->max_seq_len;
    TRY(hf_positive(r, s, "factor", &r->d->rope_factor));
    if (!(r->d->rope_factor > 0)) FAIL(GLIMPSE_E_FORMAT, "%s: rope_scaling has no factor", r->name);
    return GLIMPSE_OK;
}

static glimpse_status factor_list(const hf_reader *r, const json_node *s, const char *key, float out[GLIMPSE_ROPE_PAIRS]) {
    const json_node *list = hf_first_of(s, KEYS(key));
    const glimpse_model *d = r->d;
    int32_t hd = d->head_size ? d->head_size : d->channels / d->n_heads, pairs = (d->rope_dims ? d->rope_dims : hd) / 2, i = 0;
    if (!list || list->kind != JSON_ARRAY || list->n != (uint32_t)pairs || pairs > GLIMPSE_ROPE_PAIRS)
        FAIL(GLIMPSE_E_FORMAT, "%s: %s is no list of %d numbers (at most %d are possible)", r->name, key, (int)pairs,
             GLIMPSE_ROPE_PAIRS);
    for (const json_node *v = json_first(list); v; v = json_next(list, v)) {
        double x;
        if (!json_double(v, &x) || !(x > 0) || !isfinite((float)x) || (float)x == 0)
            FAIL(GLIMPSE_E_FORMAT, "%s: %s: number %d is not above 0", r->name, key, (int)i);
        out[i++] = (float)x;
    }
    return GLIMPSE_OK;
}

static glimpse_status longrope(const hf_reader *r, const json_node *s) {
    glimpse_model *d = r->d;
    d->rope_scaling = GLIMPSE_ROPE_LONGROPE;
    if (!d->rope_original_len) TRY(original_length(r, s, false));
    TRY(hf_positive(r, s, "factor", &d->rope_factor));
    TRY(hf_positive(r, s, "attention_factor", &d->rope_attention));
    TRY(factor_list(r, s, "short_factor", d->rope_factors));
    return factor_list(r, s, "long_factor", d->rope_factors_long);
}

static glimpse_status rope_scaling(const hf_reader *r, const json_node *s) {
    glimpse_model *d = r->d;
    const json_node *type = hf_first_of(s, KEYS("rope_type", "type"));
    if (!type || json_is_text(type, "default")) return GLIMPSE_OK;
    if (json_is_text(type, "linear")) d->rope_scaling = GLIMPSE_ROPE_LINEAR;
    else if (json_is_text(type, "llama3")) d->rope_scaling = GLIMPSE_ROPE_LLAMA3;
    else if (json_is_text(type, "yarn")) d->rope_scaling = GLIMPSE_ROPE_YARN;
    else if (json_is_text(type, "dynamic")) return dynamic(r, s);
    else if (json_is_text(type, "longrope") || json_is_text(type, "su")) return longrope(r, s);
    else
        FAIL(GLIMPSE_E_UNSUPPORTED,
             "%s: rope_scaling of the type \"%.*s\" is not known; known: linear, dynamic, llama3, yarn, longrope",
             r->name, type->kind == JSON_STRING && type->n < 60 ? (int)type->n : 1,
             type->kind == JSON_STRING ? type->text : "?");
    TRY(hf_positive(r, s, "factor", &d->rope_factor));
    TRY(original_length(r, s, d->rope_scaling == GLIMPSE_ROPE_LLAMA3));
    if (d->rope_factor == 0 && d->rope_scaling == GLIMPSE_ROPE_YARN)
        d->rope_factor = (float)((double)d->max_seq_len / d->rope_original_len);
    if (!(d->rope_factor > 0)) FAIL(GLIMPSE_E_FORMAT, "%s: rope_scaling has no factor", r->name);
    bool yarn = d->rope_scaling == GLIMPSE_ROPE_YARN;
    TRY(hf_positive(r, s, yarn ? "beta_slow" : "low_freq_factor", &d->rope_low));
    TRY(hf_positive(r, s, yarn ? "beta_fast" : "high_freq_factor", &d->rope_high));
    if (yarn) {
        TRY(hf_positive(r, s, "attention_factor", &d->rope_attention));
        const json_node *truncate = hf_first_of(s, KEYS("truncate"));
        if (truncate && truncate->kind == JSON_FALSE)
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: rope_scaling with truncate = false is not known", r->name);
        float m = 0, m_all = 0;
        TRY(hf_positive(r, s, "mscale", &m));
        TRY(hf_positive(r, s, "mscale_all_dim", &m_all));
        double grow = d->rope_factor > 1 ? log((double)d->rope_factor) : 0;
        if (d->rope_attention == 0 && m > 0 && m_all > 0)
            d->rope_attention = (float)((0.1 * (double)m * grow + 1) / (0.1 * (double)m_all * grow + 1));
    }
    return GLIMPSE_OK;
}

/* Gemma 3 in version 5: an object for each kind of layer.  That of the window may have a theta of its own, no more. */
static glimpse_status local_rope(const hf_reader *r, const json_node *local) {
    const json_node *type = hf_first_of(local, KEYS("rope_type", "type"));
    if (type && !json_is_text(type, "default"))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: rope_parameters: sliding_attention is scaled, which is not known", r->name);
    return hf_positive(r, local, "rope_theta", &r->d->rope_local_theta);
}

glimpse_status hf_rope(const hf_reader *r, float theta, float partial) {
    glimpse_model *d = r->d;
    const json_node *parameters = hf_value(r, "rope_parameters"), *scaling = hf_value(r, "rope_scaling");
    d->positions = GLIMPSE_ROPE;
    if (parameters && parameters->kind != JSON_OBJECT)
        FAIL(GLIMPSE_E_FORMAT, "%s: rope_parameters is no object", r->name);
    if (scaling && scaling->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: rope_scaling is no object", r->name);
    d->rope_theta = theta;
    TRY(hf_positive(r, r->root, "rope_theta", &d->rope_theta));
    TRY(hf_positive(r, r->root, "rotary_emb_base", &d->rope_theta));
    if (parameters && json_first(parameters) && json_first(parameters)->kind == JSON_OBJECT) {
        if (strcmp(d->arch, "gemma3"))
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: rope_parameters for each kind of layer are not known for %s", r->name, d->arch);
        const json_node *global = json_get(parameters, "full_attention"), *local = json_get(parameters, "sliding_attention");
        if (parameters->n != (uint32_t)(global != NULL) + (local != NULL))
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: rope_parameters of a kind of layer that is not known", r->name);
        if (local) TRY(local_rope(r, local));
        parameters = global;
    }
    TRY(hf_positive(r, parameters, "rope_theta", &d->rope_theta));
    TRY(hf_positive(r, r->root, "partial_rotary_factor", &partial));
    TRY(hf_positive(r, r->root, "rotary_pct", &partial));
    TRY(hf_positive(r, parameters, "partial_rotary_factor", &partial));
    if (partial > 1) FAIL(GLIMPSE_E_FORMAT, "%s: more of a head than all of it is rotated", r->name);
    if (partial != 1)
        d->rope_dims = (int32_t)((double)(d->head_size ? d->head_size : d->channels / d->n_heads) * (double)partial);
    return rope_scaling(r, parameters ? parameters : scaling);
}

/* SmolLM3: of every n layers the last has no rotary positions. */
glimpse_status hf_rope_skips(const hf_reader *r) {
    glimpse_model *d = r->d;
    const json_node *list = hf_value(r, "no_rope_layers");
    int32_t n = 4, first = -1, layer = 0;
    int64_t rotates;
    if (!list) {
        TRY(hf_whole(r, KEYS("no_rope_layer_interval"), false, &n));
        d->rope_skip_pattern = n;
        return GLIMPSE_OK;
    }
    if (list->kind != JSON_ARRAY || list->n != (uint32_t)d->n_layers)
        FAIL(GLIMPSE_E_FORMAT, "%s: no_rope_layers does not have one entry for each of the %d layers", r->name,
             (int)d->n_layers);
    for (const json_node *v = json_first(list); v; v = json_next(list, v), layer++) {
        if (!json_i64(v, &rotates) || rotates < 0 || rotates > 1)
            FAIL(GLIMPSE_E_FORMAT, "%s: no_rope_layers: entry %d is neither 0 nor 1", r->name, (int)layer);
        if (!rotates && first < 0) first = layer;
        if (first >= 0 && (layer % (first + 1) == first) == (rotates == 1))
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: no_rope_layers is no pattern that is known (layer %d)", r->name, (int)layer);
    }
    d->rope_skip_pattern = first >= 0 ? first + 1 : d->n_layers < 4096 ? d->n_layers + 1 : 4096;
    return GLIMPSE_OK;
}

/* === Windows === */
/* layer_types: "sliding_attention" or "full_attention" a layer, as window_from and window_pattern. */
static glimpse_status layer_types(const hf_reader *r, const json_node *types) {
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

glimpse_status hf_windows(const hf_reader *r, bool optional) {
    glimpse_model *d = r->d;
    const json_node *types = hf_value(r, "layer_types");
    bool use = true;
    int32_t from = 0;
    if (optional) TRY(hf_boolean(r, "use_sliding_window", false, &use));
    if (use && !json_get(r->root, "sliding_window")) d->window = 4096; /* transformers' default; null is none */
    if (use) TRY(hf_whole(r, KEYS("sliding_window"), false, &d->window));
    if (types) return layer_types(r, types);
    const json_node *max = hf_value(r, "max_window_layers");
    int64_t layers;
    if (optional && d->window && max) {
        if (!json_i64(max, &layers) || layers < 0 || layers > INT32_MAX)
            FAIL(GLIMPSE_E_FORMAT, "%s: max_window_layers is no whole number", r->name);
        from = (int32_t)layers;
    } else if (optional && d->window) from = 28; /* transformers' own default */
    d->window_from = from < d->n_layers ? from : d->n_layers;
    return GLIMPSE_OK;
}

glimpse_status hf_window_pattern(const hf_reader *r, int32_t window, int32_t pattern) {
    const json_node *types = hf_value(r, "layer_types");
    r->d->window = json_get(r->root, "sliding_window") ? 0 : window; /* null is none */
    TRY(hf_whole(r, KEYS("sliding_window"), false, &r->d->window));
    if (types) return layer_types(r, types);
    TRY(hf_whole(r, KEYS("sliding_window_pattern", "_sliding_window_pattern"), false, &pattern));
    if (pattern > 4096) FAIL(GLIMPSE_E_FORMAT, "%s: sliding_window_pattern is %d", r->name, (int)pattern);
    r->d->window_pattern = r->d->window ? pattern : 0;
    if (pattern == 1) r->d->window = 0; /* every layer sees everything */
    return GLIMPSE_OK;
}
