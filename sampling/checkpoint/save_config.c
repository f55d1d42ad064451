/* save_config.c -- config.json as transformers writes it, from a model's description, and the proof that it says the same: it
 * is read back (hf_config.c) and compared field by field.  Called by save.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/hf_config.h"
#include "sampling/checkpoint/save.h"

typedef struct writer {
    buffer *b;
    const model *m;
    const glimpse_model *d;
} writer;

static void key(writer *w, const char *name) { buf_printf(w->b, "%s\n  \"%s\": ", w->b->n > 1 ? "," : "", name); }
static void whole(writer *w, const char *name, int64_t v) { key(w, name), buf_printf(w->b, "%lld", (long long)v); }
static void truth(writer *w, const char *name, bool v) { key(w, name), buf_puts(w->b, v ? "true" : "false"); }
static void text(writer *w, const char *name, const char *v) { key(w, name), buf_printf(w->b, "\"%s\"", v); }

static void number(buffer *b, float v) {
    size_t at = b->n;
    double back = 0;
    for (int digits = 6; digits <= 9; digits++) { /* the fewest that give the float back */
        b->n = at;
        buf_g(b, (double)v, digits);
        if (!buf_failed(b) && parse_double(b->bytes + at, b->n - at, &back) && (float)back == v) break;
    }
    if (b->n > at && !memchr(b->bytes + at, '.', b->n - at) && !memchr(b->bytes + at, 'e', b->n - at)) buf_puts(b, ".0");
}

static void real(writer *w, const char *name, float v) { key(w, name), number(w->b, v); }

static void id(writer *w, const char *name, int32_t v) {
    if (v >= 0) whole(w, name, v);
    else key(w, name), buf_puts(w->b, "null");
}

static void ends(writer *w) {
    if (!w->d->n_more_eos) {
        id(w, "eos_token_id", w->d->eos);
        return;
    }
    key(w, "eos_token_id"), buf_printf(w->b, "[%d", (int)w->d->eos);
    for (int32_t i = 0; i < w->d->n_more_eos; i++) buf_printf(w->b, ", %d", (int)w->d->more_eos[i]);
    buf_puts(w->b, "]");
}

static void factors(writer *w, const char *name, const float *v) {
    buf_printf(w->b, ", \"%s\": [", name);
    for (int32_t i = 0; i < w->d->rope_dims / 2; i++) {
        if (i) buf_puts(w->b, ", ");
        number(w->b, v[i]);
    }
    buf_puts(w->b, "]");
}

static void pair(writer *w, const char *name, float v) { buf_printf(w->b, ", \"%s\": ", name), number(w->b, v); }

/* rope_theta and rope_scaling, the spelling that every version of transformers reads. */
static void rope(writer *w) {
    static const char *const types[] = {NULL, "linear", "llama3", "yarn", "dynamic", "longrope"};
    const glimpse_model *d = w->d;
    real(w, "rope_theta", d->rope_theta);
    if (d->rope_dims != d->head_size) real(w, "partial_rotary_factor", (float)((double)d->rope_dims / d->head_size));
    key(w, "rope_scaling");
    if (!d->rope_scaling) {
        buf_puts(w->b, "null");
        return;
    }
    buf_printf(w->b, "{\"rope_type\": \"%s\"", types[d->rope_scaling]);
    if (d->rope_scaling != GLIMPSE_ROPE_LONGROPE) pair(w, "factor", d->rope_factor);
    if (d->rope_scaling == GLIMPSE_ROPE_LLAMA3) pair(w, "low_freq_factor", d->rope_low), pair(w, "high_freq_factor", d->rope_high);
    if (d->rope_scaling == GLIMPSE_ROPE_YARN) pair(w, "beta_slow", d->rope_low), pair(w, "beta_fast", d->rope_high);
    if (d->rope_scaling == GLIMPSE_ROPE_YARN || d->rope_scaling == GLIMPSE_ROPE_LONGROPE)
        pair(w, "attention_factor", d->rope_attention);
    if (d->rope_scaling == GLIMPSE_ROPE_LONGROPE)
        factors(w, "short_factor", d->rope_factors), factors(w, "long_factor", d->rope_factors_long);
    if (d->rope_scaling != GLIMPSE_ROPE_LINEAR && d->rope_scaling != GLIMPSE_ROPE_DYNAMIC)
        buf_printf(w->b, ", \"original_max_position_embeddings\": %d", (int)d->rope_original_len);
    buf_puts(w->b, "}");
}

static void windows(writer *w) {
    bool any = false;
    for (int32_t l = 0; l < w->d->n_layers; l++) any |= model_window(w->d, l) > 0;
    key(w, "sliding_window");
    if (any) buf_printf(w->b, "%d", (int)w->d->window);
    else buf_puts(w->b, "null");
    if (!strncmp(w->m->arch, "qwen", 4)) truth(w, "use_sliding_window", any);
    if (!strcmp(w->m->arch, "mistral") || !strcmp(w->m->arch, "phi3")) return; /* all layers or none, or it is refused */
    key(w, "layer_types");
    for (int32_t l = 0; l < w->d->n_layers; l++)
        buf_printf(w->b, "%s\"%s\"", l ? ", " : "[", model_window(w->d, l) ? "sliding_attention" : "full_attention");
    buf_puts(w->b, "]");
}

static const char *activation_name(int32_t a, const char *tanh_form) {
    return a == GLIMPSE_SILU ? "silu" : a == GLIMPSE_RELU ? "relu" : a == GLIMPSE_GELU_ERF ? "gelu" : tanh_form;
}

static void gpt2(writer *w) {
    const glimpse_model *d = w->d;
    whole(w, "n_embd", d->channels), whole(w, "n_layer", d->n_layers), whole(w, "n_head", d->n_heads);
    whole(w, "n_positions", d->max_seq_len), whole(w, "n_ctx", d->max_seq_len), whole(w, "n_inner", d->ffn_size);
    real(w, "layer_norm_epsilon", d->norm_eps);
    text(w, "activation_function", activation_name(d->activation, "gelu_new"));
}

static void others(writer *w) {
    const glimpse_model *d = w->d;
    const model_layer *y = &w->m->layers[0];
    bool gemma = !strncmp(w->m->arch, "gemma", 5), neox = !strcmp(w->m->arch, "gpt_neox"), later = gemma && w->m->arch[5];
    whole(w, "hidden_size", d->channels), whole(w, "num_hidden_layers", d->n_layers);
    whole(w, "num_attention_heads", d->n_heads), whole(w, "intermediate_size", d->ffn_size);
    whole(w, "max_position_embeddings", d->max_seq_len);
    if (!neox) whole(w, "num_key_value_heads", d->n_kv_heads), whole(w, "head_dim", d->head_size);
    real(w, neox ? "layer_norm_eps" : "rms_norm_eps", d->norm_eps);
    const char *act = activation_name(d->activation, "gelu_pytorch_tanh");
    text(w, "hidden_act", act);
    if (gemma) text(w, "hidden_activation", act);
    rope(w);
    if (neox) {
        real(w, "rotary_emb_base", d->rope_theta);
        real(w, "rotary_pct", (float)((double)d->rope_dims / d->head_size));
        truth(w, "use_parallel_residual", d->parallel_residual == 1);
        truth(w, "attention_bias", y->qkv_bias[0].data != NULL);
        return;
    }
    if (strcmp(w->m->arch, "llama") && strcmp(w->m->arch, "gemma") && strcmp(w->m->arch, "smollm3")) windows(w);
    if (!strcmp(w->m->arch, "phi3")) {
        whole(w, "original_max_position_embeddings", d->rope_original_len ? d->rope_original_len : d->max_seq_len);
        return;
    }
    if (later) {
        double scalar = 1 / ((double)d->attention_scale * (double)d->attention_scale), near = rint(scalar);
        if (fabs(scalar - near) < 1e-5 * scalar) whole(w, "query_pre_attn_scalar", (int64_t)near); /* transformers: an int */
        else real(w, "query_pre_attn_scalar", (float)scalar);
        key(w, "attn_logit_softcapping");
        if (d->attention_softcap > 0) number(w->b, d->attention_softcap);
        else buf_puts(w->b, "null");
        key(w, "final_logit_softcapping");
        if (d->logit_softcap > 0) number(w->b, d->logit_softcap);
        else buf_puts(w->b, "null");
        if (w->m->arch[5] == '3') real(w, "rope_local_base_freq", d->rope_local_theta > 0 ? d->rope_local_theta : d->rope_theta);
    }
    if (!strcmp(w->m->arch, "smollm3")) {
        key(w, "no_rope_layers");
        for (int32_t l = 0; l < d->n_layers; l++)
            buf_printf(w->b, "%s%d", l ? ", " : "[", l % d->rope_skip_pattern != d->rope_skip_pattern - 1);
        buf_puts(w->b, "]");
    }
    bool biased = y->attn_out_bias.data != NULL || (y->qkv_bias[0].data && strcmp(w->m->arch, "qwen2"));
    if (strcmp(w->m->arch, "qwen2")) truth(w, "attention_bias", biased);
    if (!gemma && strncmp(w->m->arch, "qwen", 4) && strcmp(w->m->arch, "mistral")) truth(w, "mlp_bias", y->down_bias.data != NULL);
}

/* === The proof === */
#define SAME(field)                                                                                                    \
    if (a->field != b->field)                                                                                          \
    FAIL(GLIMPSE_E_UNSUPPORTED, "config.json of a %s cannot say that model." #field " is %g (it would say %g)", a->arch, \
         (double)a->field, (double)b->field)
#define ALIKE(field)                                                                                                   \
    if (!(fabs((double)a->field - (double)b->field) <= 1e-6 * fabs((double)a->field)))                                 \
    FAIL(GLIMPSE_E_UNSUPPORTED, "config.json of a %s cannot say that model." #field " is %g (it would say %g)", a->arch, \
         (double)a->field, (double)b->field)

static glimpse_status compare(const glimpse_model *a, const glimpse_model *b) {
    SAME(n_layers); SAME(n_heads); SAME(n_kv_heads); SAME(channels); SAME(head_size); SAME(ffn_size); SAME(vocab_size);
    SAME(eos); SAME(n_more_eos);
    for (int32_t i = 0; i < a->n_more_eos; i++) SAME(more_eos[i]);
    SAME(max_seq_len); SAME(norm); SAME(activation); SAME(positions);
    ALIKE(norm_eps); ALIKE(attention_scale); ALIKE(attention_softcap); ALIKE(logit_softcap);
    if (strncmp(a->arch, "gemma", 5)) ALIKE(embedding_scale); /* Gemma's has the weights' own type */
    if ((a->parallel_residual == 1) != (b->parallel_residual == 1)) SAME(parallel_residual);
    if (strncmp(a->arch, "gemma", 5) && (a->norm_plus_one == 1) != (b->norm_plus_one == 1)) SAME(norm_plus_one);
    for (int32_t l = 0; l < a->n_layers; l++) {
        bool windowed = model_window(a, l) > 0;
        if (model_window(a, l) != model_window(b, l))
            FAIL(GLIMPSE_E_UNSUPPORTED, "config.json of a %s cannot say that layer %d has %s window", a->arch, (int)l, windowed ? "this" : "no");
        bool skips = a->rope_skip_pattern && l % a->rope_skip_pattern == a->rope_skip_pattern - 1;
        if (skips != (b->rope_skip_pattern && l % b->rope_skip_pattern == b->rope_skip_pattern - 1)) SAME(rope_skip_pattern);
        if (!windowed || a->positions != GLIMPSE_ROPE) continue;
        float x = a->rope_local_theta, y = b->rope_local_theta;
        if (x > 0 && y == 0) y = b->rope_theta;
        if (y > 0 && x == 0 && !a->rope_scaling) x = a->rope_theta;
        if (x != y) SAME(rope_local_theta);
    }
    if (a->positions != GLIMPSE_ROPE) return GLIMPSE_OK;
    SAME(rope_dims); SAME(rope_scaling); ALIKE(rope_theta); ALIKE(rope_attention);
    for (int32_t i = 0; i < a->rope_dims / 2 && (a->rope_factors[0] > 0 || b->rope_factors[0] > 0); i++) {
        ALIKE(rope_factors[i]);
        ALIKE(rope_factors_long[i]);
    }
    if (!a->rope_scaling) return GLIMPSE_OK;
    if (a->rope_scaling != GLIMPSE_ROPE_LONGROPE) ALIKE(rope_factor);
    if (a->rope_scaling != GLIMPSE_ROPE_LINEAR) SAME(rope_original_len);
    if (a->rope_scaling == GLIMPSE_ROPE_LLAMA3 || a->rope_scaling == GLIMPSE_ROPE_YARN) {
        ALIKE(rope_low);
        ALIKE(rope_high);
    }
    return GLIMPSE_OK;
}

static glimpse_status prove(const model *m, const buffer *b) {
    glimpse_status st = GLIMPSE_OK;
    json_tree t = {0};
    config_facts facts;
    glimpse_model back = GLIMPSE_MODEL_INIT;
    char *copy = strndup(buf_str(b), b->n);
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for config.json");
    TRY_GOTO(json_parse("config.json", copy, b->n, 32, &t));
    TRY_GOTO(config_from_json("config.json", t.nodes, &back, &facts));
    TRY_GOTO(model_complete(&back));
    st = compare(&m->d, &back);
out:
    json_free(&t);
    free(copy);
    return st;
}

glimpse_status save_config(const model *m, save_dtype dtype, buffer *b) {
    static const char *const classes[][2] = {
        {"gpt2", "GPT2LMHeadModel"},     {"llama", "LlamaForCausalLM"},   {"mistral", "MistralForCausalLM"},
        {"qwen2", "Qwen2ForCausalLM"},   {"qwen3", "Qwen3ForCausalLM"},   {"smollm3", "SmolLM3ForCausalLM"},
        {"phi3", "Phi3ForCausalLM"},     {"gemma", "GemmaForCausalLM"},   {"gemma2", "Gemma2ForCausalLM"},
        {"gemma3", "Gemma3ForCausalLM"}, {"gpt_neox", "GPTNeoXForCausalLM"}};
    writer w = {b, m, &m->d};
    const char *name = NULL;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(m->arch, classes[i][0])) name = classes[i][1];
    if (!name) FAIL(GLIMPSE_E_UNSUPPORTED, "a model of the architecture %s has no config.json", m->arch);
    glimpse_dtype type = save_dtype_of(dtype, m->dtype);
    buf_puts(b, "{");
    key(&w, "architectures"), buf_printf(b, "[\"%s\"]", name);
    text(&w, "model_type", !strcmp(m->arch, "gemma3") ? "gemma3_text" : m->arch);
    text(&w, "torch_dtype", type == GLIMPSE_F32 ? "float32" : type == GLIMPSE_BF16 ? "bfloat16" : "float16");
    whole(&w, "vocab_size", m->d.vocab_size);
    id(&w, "bos_token_id", m->d.bos), ends(&w);
    key(&w, "pad_token_id"), buf_puts(b, "null"); /* transformers' own default may lie outside the vocabulary */
    truth(&w, "tie_word_embeddings", m->head.data == m->wte.data);
    if (!strcmp(m->arch, "gpt2")) gpt2(&w);
    else others(&w);
    buf_puts(b, "\n}\n");
    if (buf_failed(b)) FAIL(GLIMPSE_E_MEMORY, "no memory for config.json");
    return prove(m, b);
}
