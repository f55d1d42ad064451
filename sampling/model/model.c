/* model.c -- from a description and bound tensors to a checked `model`: fills in defaults, places every tensor (place.c),
 * finds what is missing.  Called by the session for a trainer's model and by sampling/checkpoint for a file's. */
#define _GNU_SOURCE
#include "sampling/model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "sampling/model/names.h"
#include "sampling/model/place.h"

/* Bounds of what is taken for a model; with them no product of sizes below leaves 64 bits. */
enum { MAX_LAYERS = 4096, MAX_WIDTH = 1 << 20, MAX_FFN = 1 << 23, MAX_VOCAB = 1 << 24, MAX_SEQ = 1 << 24 };

static glimpse_status in_range(const char *field, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return GLIMPSE_OK;
    FAIL(GLIMPSE_E_MODEL, "model.%s is %lld, %lld to %lld is possible", field, (long long)value, (long long)low,
         (long long)high);
}

/* 0 = the default; a negative, infinite or NaN number is nobody's. */
static glimpse_status set_default(const char *field, float *value, double fallback) {
    if (!isfinite(*value) || *value < 0)
        FAIL(GLIMPSE_E_MODEL, "model.%s is %g, a positive number or 0 is possible", field, (double)*value);
    if (*value == 0) *value = (float)fallback;
    return GLIMPSE_OK;
}

/* What every model needs, also one given as a function. */
static glimpse_status check_common(const glimpse_model *d) {
    TRY(in_range("vocab_size", d->vocab_size, 1, MAX_VOCAB));
    TRY(in_range("max_seq_len", d->max_seq_len, 1, MAX_SEQ));
    TRY(in_range("bos", d->bos, -1, d->vocab_size - 1));
    TRY(in_range("eos", d->eos, -1, d->vocab_size - 1));
    TRY(in_range("n_more_eos", d->n_more_eos, 0, GLIMPSE_MORE_EOS));
    if (d->n_more_eos && d->eos < 0) FAIL(GLIMPSE_E_MODEL, "model.more_eos is set and model.eos, the first of them, is not");
    for (int32_t i = 0; i < d->n_more_eos; i++) TRY(in_range("more_eos", d->more_eos[i], 0, d->vocab_size - 1));
    return GLIMPSE_OK;
}

bool model_ends(const glimpse_model *d, int32_t id) {
    if (id < 0) return false;
    for (int32_t i = 0; i < d->n_more_eos; i++)
        if (d->more_eos[i] == id) return true;
    return d->eos == id;
}

bool model_add_end(glimpse_model *d, int64_t id) {
    if (id < 0 || id >= d->vocab_size || model_ends(d, (int32_t)id)) return true;
    if (d->eos < 0) d->eos = (int32_t)id;
    else if (d->n_more_eos == GLIMPSE_MORE_EOS) return false;
    else d->more_eos[d->n_more_eos++] = (int32_t)id;
    return true;
}

bool model_set_ends(glimpse_model *d, const int32_t *ids, int32_t n) {
    bool all = true;
    d->eos = -1;
    d->n_more_eos = 0;
    for (int32_t i = 0; i < n; i++) all = model_add_end(d, ids[i]) && all;
    return all;
}

/* The least one can know of a size that was left at 0: what the tensors say.  0 = nothing. */
static int64_t size_from_tensors(const glimpse_model *d, const tensor_family *family, dim_letter letter) {
    for (int32_t i = 0; i < d->n_tensors; i++) {
        const glimpse_tensor *t = &d->tensors[i];
        int32_t layer;
        const tensor_rule *rule = t->name ? name_find(family, t->name, &layer) : NULL;
        if (!rule || rule->dims[1] == DIM_NONE) continue;
        int lead = layer == LAYER_ALL, at = rule->dims[0] == letter ? 0 : rule->dims[1] == letter ? 1 : -1;
        if (at < 0 || t->n_dims != 2 + lead) continue;
        int64_t other = dim_value(d, rule->dims[1 - at]);
        if (t->flags & GLIMPSE_TRANSPOSED) at = 1 - at;
        bool turned = t->dims[lead + at] == other && t->dims[lead + 1 - at] != other; /* and this tensor is named for it */
        return t->dims[lead + (turned ? 1 - at : at)];
    }
    return 0;
}

/* All of them or none; `needed`: not none. */
static glimpse_status check_factors(const char *field, const float *factors, int32_t dims, bool needed) {
    if (!needed && factors[0] == 0) return GLIMPSE_OK;
    if (dims / 2 > GLIMPSE_ROPE_PAIRS)
        FAIL(GLIMPSE_E_MODEL, "model.%s: %d pairs are rotated, %d factors are possible", field, (int)(dims / 2),
             GLIMPSE_ROPE_PAIRS);
    for (int32_t i = 0; i < dims / 2; i++)
        if (!isfinite(factors[i]) || factors[i] <= 0)
            FAIL(GLIMPSE_E_MODEL, "model.%s[%d] is %g, a number above 0 is needed for each of the %d pairs", field, (int)i,
                 (double)factors[i], (int)(dims / 2));
    return GLIMPSE_OK;
}

static glimpse_status check_rope(glimpse_model *d) {
    bool yarn = d->rope_scaling == GLIMPSE_ROPE_YARN, longer = d->rope_scaling == GLIMPSE_ROPE_LONGROPE;
    if (!d->rope_dims) d->rope_dims = d->head_size;
    TRY(in_range("rope_dims", d->rope_dims, 2, d->head_size));
    if (d->rope_dims % 2)
        FAIL(GLIMPSE_E_MODEL, "model.rope_dims is %d: pairs are rotated, so it must be even", (int)d->rope_dims);
    TRY(in_range("rope_scaling", d->rope_scaling, GLIMPSE_ROPE_PLAIN, GLIMPSE_ROPE_LONGROPE));
    if (!d->rope_original_len) d->rope_original_len = d->max_seq_len;
    TRY(in_range("rope_original_len", d->rope_original_len, 1, MAX_SEQ));
    /* transformers (modeling_rope_utils.py, dynamic_frequency_update) takes a larger theta for each token beyond the original
     * length and leaves the keys in the cache as they were: the numbers of a text then hang on how it was fed. */
    if (d->rope_scaling == GLIMPSE_ROPE_DYNAMIC && d->max_seq_len > d->rope_original_len)
        FAIL(GLIMPSE_E_UNSUPPORTED,
             "model.max_seq_len is %d and model.rope_original_len %d: dynamic scaling beyond the original length gives a text "
             "other numbers with a cache than without, which is not read\n"
             "hint: model.max_seq_len = %d, where nothing is scaled; or linear or yarn scaling, as the model was trained",
             (int)d->max_seq_len, (int)d->rope_original_len, (int)d->rope_original_len);
    double stretch = (double)d->max_seq_len / d->rope_original_len;
    TRY(set_default("rope_factor", &d->rope_factor, longer ? stretch : d->rope_scaling ? 0 : 1));
    if (d->rope_factor == 0) FAIL(GLIMPSE_E_MODEL, "model.rope_scaling is set and model.rope_factor is 0");
    TRY(set_default("rope_low", &d->rope_low, 1));
    TRY(set_default("rope_high", &d->rope_high, yarn ? 32 : 4));
    if ((yarn || d->rope_scaling == GLIMPSE_ROPE_LLAMA3) && !(d->rope_high > d->rope_low))
        FAIL(GLIMPSE_E_MODEL, "model.rope_high is %g, expected more than model.rope_low = %g", (double)d->rope_high,
             (double)d->rope_low);
    if (yarn && !(d->rope_theta > 1)) FAIL(GLIMPSE_E_MODEL, "model.rope_theta is %g, YaRN needs more than 1", (double)d->rope_theta);
    if (longer && d->rope_original_len < 2)
        FAIL(GLIMPSE_E_MODEL, "model.rope_original_len is %d, longrope needs more than 1", (int)d->rope_original_len);
    double grow = d->rope_factor > 1 ? log((double)d->rope_factor) : 0;
    TRY(set_default("rope_attention", &d->rope_attention,
                    yarn ? 0.1 * grow + 1 : longer ? sqrt(1 + grow / log(d->rope_original_len)) : 1));
    TRY(set_default("rope_local_theta", &d->rope_local_theta, 0));
    TRY(in_range("rope_skip_pattern", d->rope_skip_pattern, 0, MAX_LAYERS));
    TRY(check_factors("rope_factors", d->rope_factors, d->rope_dims, longer));
    return check_factors("rope_factors_long", d->rope_factors_long, d->rope_dims, longer);
}

/* Every default of a description by itself: `d` may have no tensors yet. */
static glimpse_status check_sizes(glimpse_model *d, const tensor_family *family) {
    TRY(in_range("n_layers", d->n_layers, 1, MAX_LAYERS));
    TRY(in_range("n_heads", d->n_heads, 1, MAX_WIDTH));
    TRY(in_range("channels", d->channels, 1, MAX_WIDTH));
    if (!d->n_kv_heads) d->n_kv_heads = d->n_heads;
    TRY(in_range("n_kv_heads", d->n_kv_heads, 1, d->n_heads));
    if (d->n_heads % d->n_kv_heads)
        FAIL(GLIMPSE_E_MODEL, "model.n_heads is %d, no multiple of model.n_kv_heads = %d", (int)d->n_heads,
             (int)d->n_kv_heads);
    if (!d->head_size) {
        if (d->channels % d->n_heads)
            FAIL(GLIMPSE_E_MODEL, "model.channels is %d, no multiple of model.n_heads = %d\n"
                 "hint: set model.head_size if the heads are not C / H wide", (int)d->channels, (int)d->n_heads);
        d->head_size = d->channels / d->n_heads;
    }
    TRY(in_range("head_size", d->head_size, 1, MAX_WIDTH / d->n_heads));
    if (!d->ffn_size) {
        int64_t ffn = size_from_tensors(d, family, DIM_F);
        if (!ffn) ffn = 4 * (int64_t)d->channels; /* the tensor is missing or wrong, and will be named with this size */
        TRY(in_range("ffn_size", ffn, 1, MAX_FFN));
        d->ffn_size = (int32_t)ffn;
    }
    TRY(in_range("ffn_size", d->ffn_size, 1, MAX_FFN));
    TRY(in_range("norm", d->norm, GLIMPSE_LAYERNORM, GLIMPSE_RMSNORM));
    TRY(in_range("activation", d->activation, GLIMPSE_GELU_TANH, GLIMPSE_RELU));
    TRY(in_range("positions", d->positions, GLIMPSE_LEARNED, GLIMPSE_NO_POSITIONS));
    TRY(in_range("window", d->window, 0, INT32_MAX));
    TRY(in_range("window_from", d->window_from, 0, MAX_LAYERS));
    TRY(in_range("window_pattern", d->window_pattern, 0, MAX_LAYERS));
    TRY(in_range("norm_plus_one", d->norm_plus_one, -1, 1));
    TRY(in_range("parallel_residual", d->parallel_residual, -1, 1));
    TRY(in_range("qkv_grouped", d->qkv_grouped, -1, 1));
    TRY(set_default("norm_eps", &d->norm_eps, 1e-5));
    TRY(set_default("rope_theta", &d->rope_theta, 10000));
    TRY(set_default("attention_scale", &d->attention_scale, 1 / sqrt((double)d->head_size)));
    TRY(set_default("attention_softcap", &d->attention_softcap, 0));
    TRY(set_default("logit_softcap", &d->logit_softcap, 0));
    TRY(set_default("embedding_scale", &d->embedding_scale, 1));
    if (d->positions == GLIMPSE_ROPE) TRY(check_rope(d));
    return GLIMPSE_OK;
}

static glimpse_status check_tensor_model(glimpse_model *d, const tensor_family *family) {
    if (d->n_tensors < 0 || (d->n_tensors > 0 && !d->tensors))
        FAIL(GLIMPSE_E_MODEL, "model.n_tensors is %d", (int)d->n_tensors);
    if (!d->n_tensors)
        FAIL(GLIMPSE_E_MODEL, "the model has no tensors and no function\n"
             "hint: call glimpse_bind for each tensor, or set model.logits");
    return check_sizes(d, family);
}

glimpse_status model_complete(glimpse_model *d) {
    const tensor_family *family = family_find(d->arch);
    if (!family) FAIL(GLIMPSE_E_UNSUPPORTED, "architecture %s is not known; known: %s", d->arch, family_list());
    TRY(check_common(d));
    family->defaults(d);
    return check_sizes(d, family);
}

int32_t model_window(const glimpse_model *d, int32_t layer) {
    bool full = layer < d->window_from || (d->window_pattern && layer % d->window_pattern == d->window_pattern - 1);
    return full ? 0 : d->window;
}

/* === Strings and tokenizer ===
 * A trainer's tokenizer is copied in one block that begins with its array of pointers, so that free(d.tokenizer.pieces)
 * frees all of it: pieces (n), lengths (n), bytes. */
static glimpse_status copy_tokenizer(const glimpse_tokenizer *from, glimpse_tokenizer *to) {
    size_t bytes = 0, n = 0;
    to->pieces = NULL, to->piece_bytes = NULL, to->n_pieces = 0, to->path = NULL;
    if (from->n_pieces < 0 || (from->n_pieces && (!from->pieces || !from->piece_bytes)))
        FAIL(GLIMPSE_E_TOKENIZER, "model.tokenizer: n_pieces is %d with pieces %s and piece_bytes %s", (int)from->n_pieces,
             from->pieces ? "set" : "NULL", from->piece_bytes ? "set" : "NULL");
    if (from->n_pieces > MAX_VOCAB)
        FAIL(GLIMPSE_E_TOKENIZER, "model.tokenizer: n_pieces is %d, at most %d are possible", (int)from->n_pieces,
             (int)MAX_VOCAB);
    for (; n < (size_t)from->n_pieces; n++) {
        if (from->piece_bytes[n] < 0 || (from->piece_bytes[n] && !from->pieces[n]))
            FAIL(GLIMPSE_E_TOKENIZER, "model.tokenizer: piece %zu has %d bytes%s", n, (int)from->piece_bytes[n],
                 from->pieces[n] ? "" : " and is NULL");
        bytes += (size_t)from->piece_bytes[n];
    }
    if (n) {
        char *block = malloc(n * (sizeof(char *) + sizeof(int32_t)) + bytes + 1);
        if (!block) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer of %zu pieces", n);
        const char **pieces = (const char **)(void *)block;
        int32_t *lengths = (int32_t *)(void *)(block + n * sizeof(char *));
        char *at = block + n * (sizeof(char *) + sizeof(int32_t));
        for (size_t i = 0; i < n; i++) {
            lengths[i] = from->piece_bytes[i];
            pieces[i] = at;
            if (lengths[i]) memcpy(at, from->pieces[i], (size_t)lengths[i]);
            at += lengths[i];
        }
        to->pieces = pieces, to->piece_bytes = lengths, to->n_pieces = from->n_pieces;
    }
    if (from->path && !(to->path = strdup(from->path))) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
    return GLIMPSE_OK;
}

void model_close(model *m) {
    if (!m) return;
    free((void *)(uintptr_t)m->d.tokenizer.pieces);
    free((void *)(uintptr_t)m->d.tokenizer.path);
    free(m->layers);
    free(m->name);
    free(m->arch);
    if (m->storage_free) m->storage_free(m->storage);
    free(m);
}

/* === Tensors === */
static void complete_norm(const model *m, norm_spec *n, bool always) {
    n->on = always || n->weight.data;
    n->kind = (glimpse_norm)m->d.norm;
    n->eps = m->d.norm_eps;
    n->plus_one = m->d.norm_plus_one == 1;
}

static const void *data_of(const model *m, const tensor_rule *rule, int32_t l) {
    const void *place = (const char *)(rule_in_layer(rule) ? (const void *)&m->layers[l] : (const void *)m) + rule->place;
    return rule->dims[1] != DIM_NONE ? ((const matrix *)place)->data : ((const vector *)place)->data;
}

/* The name of a tensor that is not there, with * where no layer has it.  False: it is. */
static bool lacks(const model *m, const tensor_rule *rule, int32_t *first, char *name, size_t cap) {
    const int32_t n = rule_in_layer(rule) ? m->d.n_layers : 1;
    int32_t there = 0;
    *first = -1;
    for (int32_t l = n; l-- > 0;)
        if (data_of(m, rule, l)) there++;
        else *first = l;
    if (*first < 0) return false;
    name_of(rule, !rule_in_layer(rule) ? LAYER_NONE : there ? *first : LAYER_ALL, name, cap);
    return true;
}

/* The first that is missing with its shape, the others by name: who binds a model sees at once what is left to bind. */
static glimpse_status check_complete(const model *m, const tensor_family *family) {
    char first[160] = "", want[160] = "", name[160];
    buffer others = {0};
    for (int i = 0; i < family->n_rules; i++) {
        const tensor_rule *rule = &family->rules[i];
        bool needed = rule->need == NEED_ALWAYS || (rule->need == NEED_LEARNED && m->d.positions == GLIMPSE_LEARNED);
        int32_t layer;
        if (!needed || !lacks(m, rule, &layer, name, sizeof name)) continue;
        if (*first) {
            buf_printf(&others, "%s%s", others.n ? ", " : "; missing too: ", name);
            continue;
        }
        name_of(rule, rule_in_layer(rule) ? layer : LAYER_NONE, first, sizeof first);
        shape_expected(&m->d, rule, false, false, want, sizeof want);
    }
    glimpse_status st = GLIMPSE_OK;
    if (*first) st = status_fail(GLIMPSE_E_MODEL, __FILE__, __LINE__, "tensor %s is missing: expected %s%s", first, want, buf_str(&others));
    buf_free(&others);
    return st;
}

void model_biases_left_out(const model *m, buffer *out) {
    const tensor_family *family = m->is_function || strcmp(m->arch, "gpt2") ? NULL : family_find(m->arch);
    const size_t before = out->n;
    bool any = false; /* is there */
    for (int i = 0; family && i < family->n_rules; i++) {
        const tensor_rule *rule = &family->rules[i];
        const size_t n = strlen(rule->pattern);
        const bool in_layer = rule_in_layer(rule);
        int32_t lacks = -1, n_lacks = 0;
        if (rule->need != NEED_NEVER || n < 5 || strcmp(rule->pattern + n - 5, ".bias")) continue;
        for (int32_t l = in_layer ? m->d.n_layers : 1; l-- > 0;)
            if (data_of(m, rule, l)) any = true;
            else lacks = l, n_lacks++;
        if (lacks < 0) continue;
        char name[160];
        name_of(rule, !in_layer ? LAYER_NONE : n_lacks == m->d.n_layers ? LAYER_ALL : lacks, name, sizeof name);
        buf_printf(out, "%s%s", out->n > before ? ", " : "", name);
    }
    if (!any && out->n > before) out->n = before, out->bytes[before] = 0;
}

static glimpse_status complete_layer(const model *m, model_layer *y, int32_t l) {
    y->n_qkv = y->qkv[1].data ? 3 : 1;
    y->n_up = y->up[1].data ? 2 : 1;
    y->gated = y->n_up == 2 || y->up[0].rows == 2 * (int64_t)m->d.ffn_size;
    for (int i = 0; i < y->n_up; i++)
        if (y->up_bias[i].data && y->up_bias[i].n != y->up[i].rows)
            FAIL(GLIMPSE_E_MODEL, "layer %d: the feed-forward bias has %lld elements, its matrix %lld rows", (int)l,
                 (long long)y->up_bias[i].n, (long long)y->up[i].rows);
    complete_norm(m, &y->ln1, true);
    complete_norm(m, &y->ln2, true);
    complete_norm(m, &y->post_attn, false);
    complete_norm(m, &y->post_mlp, false);
    complete_norm(m, &y->q_norm, false);
    complete_norm(m, &y->k_norm, false);
    return GLIMPSE_OK;
}

static glimpse_status place_all(model *m, const glimpse_model *from, const tensor_family *family) {
    m->layers = calloc((size_t)m->d.n_layers, sizeof *m->layers);
    if (!m->layers) FAIL(GLIMPSE_E_MEMORY, "no memory for %d layers", (int)m->d.n_layers);
    for (int32_t i = 0; i < from->n_tensors; i++) {
        const glimpse_tensor *t = &from->tensors[i];
        int32_t layer;
        if (!t->name) FAIL(GLIMPSE_E_MODEL, "tensor number %d has no name", (int)i);
        const tensor_rule *rule = name_find(family, t->name, &layer);
        if (!rule) {
            char nearest[160];
            const char *other = name_family(t->name);
            if (other)
                FAIL(GLIMPSE_E_MODEL, "tensor %.160s is not one of a %s model\nhint: it is one of model.arch \"%s\"", t->name, m->arch, other);
            name_nearest(family, t->name, nearest, sizeof nearest);
            FAIL(GLIMPSE_E_MODEL, "tensor %.160s is not one of a %s model\nhint: the nearest known name is %s", t->name,
                 m->arch, nearest);
        }
        if (rule->need != NEED_IGNORED) TRY(tensor_place(m, rule, layer, t));
    }
    TRY(check_complete(m, family));
    for (int32_t l = 0; l < m->d.n_layers; l++) TRY(complete_layer(m, &m->layers[l], l));
    complete_norm(m, &m->ln_f, true);
    if (!m->head.data) m->head = m->wte;
    m->dtype = m->wte.dtype;
    return GLIMPSE_OK;
}

glimpse_status model_from_description(const glimpse_model *description, model **out) {
    glimpse_status st = GLIMPSE_OK;
    glimpse_model from = GLIMPSE_MODEL_INIT;
    model *m = NULL;
    size_t size = description ? description->size : 0;
    if (size < offsetof(glimpse_model, tokenizer) || size > 1 << 20)
        FAIL(GLIMPSE_E_MODEL, "model.size is %zu\nhint: begin with glimpse_model model = GLIMPSE_MODEL_INIT", size);
    /* A caller built with an older header has a shorter struct: what it does not know stays at its default. */
    memcpy(&from, description, size < sizeof from ? size : sizeof from);
    from.size = sizeof from;
    if (from.bind_status < 0)
        FAIL((glimpse_status)from.bind_status, "an earlier glimpse_bind failed (status %d)", (int)from.bind_status);
    const tensor_family *family = family_find(from.arch);
    if (!(m = calloc(1, sizeof *m))) FAIL(GLIMPSE_E_MEMORY, "no memory for a model");
    m->is_function = from.logits || from.logits_all;
    m->d = from;
    m->d.tensors = NULL, m->d.n_tensors = m->d.cap_tensors = 0;
    TRY_GOTO(copy_tokenizer(&from.tokenizer, &m->d.tokenizer));
    m->arch = strdup(from.arch && *from.arch ? from.arch : m->is_function ? "function" : "gpt2");
    m->name = m->arch ? strdup(from.name && *from.name ? from.name : m->arch) : NULL;
    if (!m->name) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a name");
    m->d.arch = m->arch, m->d.name = m->name;
    TRY_GOTO(check_common(&m->d));
    int32_t ends[1 + GLIMPSE_MORE_EOS] = {m->d.eos}; /* each once: a whole list, its first id included, is fine */
    memcpy(ends + 1, m->d.more_eos, sizeof m->d.more_eos);
    model_set_ends(&m->d, ends, 1 + m->d.n_more_eos);
    if (!m->is_function) {
        if (!family)
            FAIL_GOTO(GLIMPSE_E_UNSUPPORTED, "model.arch \"%s\" is not known; known: %s\n"
                      "hint: leave it NULL and set the fields, or give the model as a function (model.logits)",
                      m->arch, family_list());
        /* Sizes left open are read off the tensors, which m->d itself never holds. */
        m->d.tensors = from.tensors, m->d.n_tensors = from.n_tensors;
        family->defaults(&m->d);
        glimpse_status checked = check_tensor_model(&m->d, family);
        m->d.tensors = NULL, m->d.n_tensors = 0;
        TRY_GOTO(checked);
        TRY_GOTO(place_all(m, &from, family));
    }
    *out = m;
    m = NULL;
out:
    model_close(m);
    return st;
}

void model_drop_padding(model *m, int32_t tokenizer_size) {
    int32_t V = m->d.vocab_size, padding = V - tokenizer_size;
    if (m->is_function || tokenizer_size < 1 || padding < 1 || padding >= 1024 || V % 64 || m->d.bos >= tokenizer_size ||
        m->d.eos >= tokenizer_size)
        return;
    for (int32_t i = 0; i < m->d.n_more_eos; i++)
        if (m->d.more_eos[i] >= tokenizer_size) return;
    m->d.vocab_size = tokenizer_size;
    m->n_params -= (int64_t)padding * m->d.channels * (m->head.data != m->wte.data ? 2 : 1);
}
