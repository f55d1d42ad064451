/* hf_archs.c -- what each model_type asks for, as values of the description (huggingface/transformers:
 * configuration_*.py and modeling_*.py of gpt2, llama, mistral, qwen2, qwen3, smollm3, phi3, gemma, gemma2, gemma3 and
 * gpt_neox).  A key that is missing has transformers' own default; a null is a value of its own. */
#include "sampling/checkpoint/hf_reader.h"

#include <math.h>
#include <string.h>

static glimpse_status sizes(const hf_reader *r) {
    glimpse_model *d = r->d;
    TRY(hf_whole(r, KEYS("num_hidden_layers", "n_layer", "n_layers", "num_layers", "layers"), true, &d->n_layers));
    TRY(hf_whole(r, KEYS("num_attention_heads", "n_head", "n_heads", "num_heads"), true, &d->n_heads));
    TRY(hf_whole(r, KEYS("hidden_size", "n_embd", "embed_dim", "d_model", "model_size", "emb_dim"), true, &d->channels));
    TRY(hf_whole(r, KEYS("vocab_size"), true, &d->vocab_size));
    return hf_whole(r,
                 KEYS("max_position_embeddings", "n_positions", "block_size", "max_seq_len", "max_length", "maxlen",
                      "max_len", "context_length", "n_ctx"),
                 true, &d->max_seq_len);
}

static glimpse_status gpt2(const hf_reader *r, bool bare) {
    glimpse_model *d = r->d;
    bool scaled = true, tied = true;
    d->arch = "gpt2";
    TRY(sizes(r));
    TRY(hf_whole(r, KEYS("n_inner", "intermediate_size", "feed_forward_dim", "ff_dim", "d_ff"), false, &d->ffn_size));
    if (!d->ffn_size) {
        if (d->channels > INT32_MAX / 4) FAIL(GLIMPSE_E_FORMAT, "%s: n_embd is %d", r->name, (int)d->channels);
        d->ffn_size = 4 * d->channels;
    }
    TRY(hf_activation(r, KEYS("activation_function", "hidden_act", "activation"), GLIMPSE_GELU_TANH));
    TRY(hf_positive(r, r->root, "layer_norm_epsilon", &d->norm_eps));
    TRY(hf_boolean(r, "scale_attn_weights", true, &scaled));
    if (!scaled) d->attention_scale = 1;
    TRY(hf_boolean(r, "tie_word_embeddings", true, &tied));
    r->facts->tied = tied, r->facts->tying_known = !bare || hf_value(r, "tie_word_embeddings");
    return GLIMPSE_OK;
}

static glimpse_status llama_like(const hf_reader *r) {
    glimpse_model *d = r->d;
    config_facts *f = r->facts;
    bool qwen2 = !strcmp(f->model_type, "qwen2"), qwen3 = !strcmp(f->model_type, "qwen3"),
         mistral = !strcmp(f->model_type, "mistral"), smollm3 = !strcmp(f->model_type, "smollm3");
    bool bias = false, mlp_bias = false, slides = false;
    d->arch = qwen2 ? "qwen2" : qwen3 ? "qwen3" : mistral ? "mistral" : smollm3 ? "smollm3" : "llama";
    TRY(sizes(r));
    TRY(hf_whole(r, KEYS("num_key_value_heads"), false, &d->n_kv_heads));
    TRY(hf_whole(r, KEYS("head_dim"), false, &d->head_size));
    if (qwen3 && !d->head_size) d->head_size = 128; /* transformers' default */
    TRY(hf_whole(r, KEYS("intermediate_size"), true, &d->ffn_size));
    d->norm = GLIMPSE_RMSNORM;
    d->norm_eps = 1e-6f;
    TRY(hf_positive(r, r->root, "rms_norm_eps", &d->norm_eps));
    TRY(hf_activation(r, KEYS("hidden_act"), GLIMPSE_SILU));
    TRY(hf_rope(r, smollm3 ? 2000000 : 10000, 1));
    if (smollm3) TRY(hf_rope_skips(r));
    if (smollm3) TRY(hf_boolean(r, "use_sliding_window", false, &slides));
    if (slides && !hf_value(r, "layer_types"))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: use_sliding_window without layer_types is not known for smollm3", r->name);
    if (slides) TRY(hf_windows(r, true));
    if (mistral || qwen2 || qwen3) TRY(hf_windows(r, !mistral));
    TRY(hf_boolean(r, "attention_bias", qwen2, &bias));
    TRY(hf_boolean(r, "mlp_bias", false, &mlp_bias));
    TRY(hf_boolean(r, "tie_word_embeddings", smollm3, &f->tied));
    f->tying_known = true;
    f->qkv_bias = qwen2 || bias ? HAS : HAS_NOT;
    f->out_bias = bias && !qwen2 ? HAS : HAS_NOT;
    f->mlp_bias = mlp_bias ? HAS : HAS_NOT;
    f->qk_norm = qwen3 ? HAS : HAS_NOT;
    return GLIMPSE_OK;
}

/* Fused matrices; sliding_window is of all layers. */
static glimpse_status phi3(const hf_reader *r) {
    glimpse_model *d = r->d;
    d->arch = "phi3";
    TRY(sizes(r));
    TRY(hf_whole(r, KEYS("num_key_value_heads"), false, &d->n_kv_heads));
    TRY(hf_whole(r, KEYS("head_dim"), false, &d->head_size));
    TRY(hf_whole(r, KEYS("intermediate_size"), true, &d->ffn_size));
    d->norm = GLIMPSE_RMSNORM;
    TRY(hf_positive_or(r, "rms_norm_eps", 1e-5f, &d->norm_eps));
    TRY(hf_activation(r, KEYS("hidden_act"), GLIMPSE_SILU));
    d->rope_original_len = 4096;
    TRY(hf_whole(r, KEYS("original_max_position_embeddings"), false, &d->rope_original_len));
    TRY(hf_rope(r, 10000, 1));
    if (d->rope_scaling == GLIMPSE_ROPE_YARN) /* transformers reads it as longrope there */
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: yarn is not known for phi3", r->name);
    TRY(hf_whole(r, KEYS("sliding_window"), false, &d->window));
    TRY(hf_boolean(r, "tie_word_embeddings", false, &r->facts->tied));
    r->facts->tying_known = true;
    return GLIMPSE_OK;
}

/* Gemma 1: norms of 1 + w, embeddings scaled.  Gemma 2: further norms, softcaps, every other layer has a window.  Gemma 3:
 * norms of queries and keys instead of softcaps, 5 layers of 6 with a window and a theta of their own. */
static glimpse_status gemma(const hf_reader *r) {
    glimpse_model *d = r->d;
    config_facts *f = r->facts;
    bool second = !strcmp(f->model_type, "gemma2"), third = !strncmp(f->model_type, "gemma3", 6), bias = false, both = false;
    float scalar = 256;
    d->arch = third ? "gemma3" : second ? "gemma2" : "gemma";
    d->max_seq_len = third ? 131072 : 8192;
    d->vocab_size = third ? 262208 : 256000;
    d->n_heads = 8, d->n_kv_heads = 4, d->head_size = 256; /* what text_config leaves out */
    if (third) {
        TRY(hf_whole(r, KEYS("num_hidden_layers"), true, &d->n_layers));
        TRY(hf_whole(r, KEYS("hidden_size"), true, &d->channels));
        TRY(hf_whole(r, KEYS("num_attention_heads"), false, &d->n_heads));
        TRY(hf_whole(r, KEYS("vocab_size"), false, &d->vocab_size));
        TRY(hf_whole(r, KEYS("max_position_embeddings"), false, &d->max_seq_len));
    } else TRY(sizes(r));
    TRY(hf_whole(r, KEYS("num_key_value_heads"), !third, &d->n_kv_heads));
    TRY(hf_whole(r, KEYS("head_dim"), false, &d->head_size));
    TRY(hf_whole(r, KEYS("intermediate_size"), true, &d->ffn_size));
    d->norm = GLIMPSE_RMSNORM, d->norm_plus_one = 1;
    TRY(hf_positive_or(r, "rms_norm_eps", 1e-6f, &d->norm_eps));
    TRY(hf_activation(r, KEYS("hidden_activation", "hidden_act"), GLIMPSE_GELU_TANH));
    if (d->activation == GLIMPSE_GELU_ERF) d->activation = GLIMPSE_GELU_TANH; /* "gelu" in the first files meant this */
    TRY(hf_rope(r, third ? 1000000 : 10000, 1));
    if (third && d->rope_local_theta == 0) TRY(hf_positive_or(r, "rope_local_base_freq", 10000, &d->rope_local_theta));
    if (second || third) {
        TRY(hf_positive(r, r->root, "query_pre_attn_scalar", &scalar));
        d->attention_scale = (float)(1 / sqrt((double)scalar));
        TRY(hf_positive_or(r, "attn_logit_softcapping", second ? 50 : 0, &d->attention_softcap));
        TRY(hf_positive_or(r, "final_logit_softcapping", second ? 30 : 0, &d->logit_softcap));
        TRY(hf_window_pattern(r, 4096, third ? 6 : 2));
    }
    TRY(hf_boolean(r, "use_bidirectional_attention", false, &both));
    if (both) FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the option use_bidirectional_attention is not known", r->name);
    TRY(hf_boolean(r, "attention_bias", false, &bias));
    TRY(hf_boolean(r, "tie_word_embeddings", true, &f->tied));
    f->tying_known = true;
    f->qkv_bias = f->out_bias = bias ? HAS : HAS_NOT;
    f->qk_norm = third ? HAS : HAS_NOT;
    return GLIMPSE_OK;
}

static glimpse_status gpt_neox(const hf_reader *r) {
    glimpse_model *d = r->d;
    config_facts *f = r->facts;
    bool parallel = true, bias = true;
    d->arch = "gpt_neox";
    TRY(sizes(r));
    TRY(hf_whole(r, KEYS("intermediate_size"), true, &d->ffn_size));
    TRY(hf_positive_or(r, "layer_norm_eps", 1e-5f, &d->norm_eps));
    TRY(hf_activation(r, KEYS("hidden_act"), GLIMPSE_GELU_ERF));
    TRY(hf_rope(r, 10000, 0.25f));
    TRY(hf_boolean(r, "use_parallel_residual", true, &parallel));
    d->parallel_residual = parallel ? 1 : -1;
    d->qkv_grouped = 1;
    TRY(hf_boolean(r, "attention_bias", true, &bias));
    TRY(hf_boolean(r, "tie_word_embeddings", false, &f->tied));
    f->tying_known = true;
    f->qkv_bias = f->out_bias = bias ? HAS : HAS_NOT;
    return GLIMPSE_OK;
}

glimpse_status hf_architecture(const hf_reader *r, bool typed) {
    static const struct {
        const char *type;
        glimpse_status (*read)(const hf_reader *r);
    } known[] = {{"llama", llama_like},   {"mistral", llama_like}, {"qwen2", llama_like}, {"qwen3", llama_like},
                 {"smollm3", llama_like}, {"phi3", phi3},          {"gemma", gemma},      {"gemma2", gemma},
                 {"gemma3", gemma},       {"gemma3_text", gemma},  {"gpt_neox", gpt_neox}};
    const char *type = r->facts->model_type;
    if (!strcmp(type, "gpt2")) return gpt2(r, !typed);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(type, known[i].type)) return known[i].read(r);
    FAIL(GLIMPSE_E_UNSUPPORTED,
         "%s: model_type \"%s\" is not known; known: gpt2, llama (SmolLM2), mistral, qwen2, qwen3, smollm3, phi3, gemma, "
         "gemma2, gemma3, gpt_neox (Pythia)",
         r->name, type);
}
