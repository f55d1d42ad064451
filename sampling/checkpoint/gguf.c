/* gguf.c -- GGUF version 3 (ggml-org/ggml, docs/gguf.md), little-endian.
 *
 * Behind the keys (gguf_keys.h) each tensor: string, u32 n_dims, u64 dims[] (fastest first), u32 type, u64 offset; then, from the
 * next multiple of general.alignment on, the data.  Every count is compared with the bytes that are left.
 *
 * "llama" and "smollm3" files hold q and k rows permuted for neighbouring rotary pairs (convert_hf_to_gguf.py), Gemma's norms
 * have their 1 added, gptneox's q, k and v were put apart; the others are as they were.  rope_freqs.weight and
 * rope_factors_{short,long}.weight divide the rotary frequencies.  What a file does not say and llama.cpp knows by the
 * architecture's name (llama-model.cpp) is known here too: Gemma's windows, scale and second theta, SmolLM3's layers
 * without rotary positions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/gguf_ends.h"
#include "sampling/checkpoint/gguf_keys.h"
#include "sampling/checkpoint/hf_config.h"
#include "sampling/checkpoint/readers.h"

enum { MAX_KEYS = 1 << 16, MAX_NAME = 64 };

/* A string that was read into out (cap with its 0); of a longer one "". */
static glimpse_status copy_text(const gguf_reader *r, gguf_span s, char *out, size_t cap) {
    const char *text = r->bytes.bytes + s.at;
    out[0] = 0;
    if (s.n >= cap) return GLIMPSE_OK;
    if (memchr(text, 0, s.n)) FAIL(GLIMPSE_E_FORMAT, "%s: a string with a 0 byte at byte %zu", r->f->path, s.at + s.n);
    memcpy(out, text, s.n);
    out[s.n] = 0;
    return GLIMPSE_OK;
}

static glimpse_status take_text(gguf_reader *r, char *out, size_t cap) {
    gguf_span s;
    TRY(gguf_take_string(r, &s));
    return copy_text(r, s, out, cap);
}

/* === Keys === */
typedef enum field {
    F_ARCH, F_ALIGNMENT, F_CONTEXT, F_CHANNELS, F_LAYERS, F_FFN, F_HEADS, F_KV_HEADS, F_KEY_LENGTH, F_EPS_RMS, F_EPS,
    F_THETA, F_ROPE_DIMS, F_WINDOW, F_SCALING, F_FACTOR, F_ORIGINAL, F_SOFTCAP, F_LOGIT_SOFTCAP, F_PARALLEL,
    F_ATTN_FACTOR, F_THETA_LOCAL, F_BOS, F_EOS, F_EOT, F_EOM, F_FIM_PAD, F_FIM_REP, F_FIM_SEP, N_FIELDS
} field;

/* The part after "ARCH." where it begins with a point. */
static const char *const field_keys[N_FIELDS] = {
    [F_ARCH] = "general.architecture",
    [F_ALIGNMENT] = "general.alignment",
    [F_CONTEXT] = ".context_length",
    [F_CHANNELS] = ".embedding_length",
    [F_LAYERS] = ".block_count",
    [F_FFN] = ".feed_forward_length",
    [F_HEADS] = ".attention.head_count",
    [F_KV_HEADS] = ".attention.head_count_kv",
    [F_KEY_LENGTH] = ".attention.key_length",
    [F_EPS_RMS] = ".attention.layer_norm_rms_epsilon",
    [F_EPS] = ".attention.layer_norm_epsilon",
    [F_THETA] = ".rope.freq_base",
    [F_ROPE_DIMS] = ".rope.dimension_count",
    [F_WINDOW] = ".attention.sliding_window",
    [F_SCALING] = ".rope.scaling.type",
    [F_FACTOR] = ".rope.scaling.factor",
    [F_ORIGINAL] = ".rope.scaling.original_context_length",
    [F_SOFTCAP] = ".attn_logit_softcapping",
    [F_LOGIT_SOFTCAP] = ".final_logit_softcapping",
    [F_PARALLEL] = ".use_parallel_residual",
    [F_ATTN_FACTOR] = ".rope.scaling.attn_factor",
    [F_THETA_LOCAL] = ".rope.freq_base_swa",
    [F_BOS] = "tokenizer.ggml.bos_token_id",
    [F_EOS] = "tokenizer.ggml.eos_token_id",
    [F_EOT] = "tokenizer.ggml.eot_token_id",
    [F_EOM] = "tokenizer.ggml.eom_token_id",
    [F_FIM_PAD] = "tokenizer.ggml.fim_pad_token_id",
    [F_FIM_REP] = "tokenizer.ggml.fim_rep_token_id",
    [F_FIM_SEP] = "tokenizer.ggml.fim_sep_token_id",
};

typedef struct keys {
    bool there[N_FIELDS];
    double number[N_FIELDS];
    char text[N_FIELDS][32];
    uint32_t type[N_FIELDS];
    gguf_ends ends; /* by the texts of the vocabulary */
} keys;

static field field_of(const char *key) {
    const char *point = strchr(key, '.');
    for (int i = 0; i < N_FIELDS; i++)
        if (!strcmp(key, field_keys[i]) || (field_keys[i][0] == '.' && point && !strcmp(point, field_keys[i])))
            return (field)i;
    return N_FIELDS;
}

static double number_of(const gguf_value *v) {
    const uint32_t low = (uint32_t)v->bits;
    double x;
    float f;
    switch (v->type) {
    case GGUF_I8: return (int8_t)v->bits;
    case GGUF_I16: return (int16_t)v->bits;
    case GGUF_I32: return (int32_t)v->bits;
    case GGUF_I64: return (double)(int64_t)v->bits;
    case GGUF_F32: memcpy(&f, &low, 4); return (double)f;
    case GGUF_F64: memcpy(&x, &v->bits, 8); return x;
    default: return (double)v->bits;
    }
}

/* The tokens of the vocabulary that end a text. */
static void note_ends(const gguf_reader *r, const gguf_value *tokens, gguf_ends *ends) {
    size_t at = tokens->bytes.at;
    for (uint64_t i = 0; i < tokens->n; i++) {
        char text[GGUF_END_BYTES] = "";
        gguf_text t = gguf_next_text(r, &at);
        if (t.n < sizeof text && !memchr(t.s, 0, t.n)) memcpy(text, t.s, t.n); /* a piece may hold any byte */
        if (i < INT32_MAX && *text) gguf_ends_note(ends, (int32_t)i, text);
    }
}

static glimpse_status read_key(gguf_reader *r, keys *k) {
    char name[128];
    uint64_t type;
    gguf_value v;
    TRY(take_text(r, name, sizeof name));
    TRY(gguf_take(r, 4, &type));
    field f = field_of(name);
    if (f < N_FIELDS && k->there[f]) FAIL(GLIMPSE_E_FORMAT, "%s: the key %s is there twice", r->f->path, name);
    if (f < N_FIELDS && type == GGUF_ARRAY)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the key %s is a list, one value is expected", r->f->path, name);
    TRY(gguf_take_value(r, (uint32_t)type, &v));
    if (v.of == GGUF_STRING && !strcmp(name, "tokenizer.ggml.tokens")) note_ends(r, &v, &k->ends);
    if (f == N_FIELDS) return GLIMPSE_OK;
    k->there[f] = true, k->type[f] = v.type;
    if (v.type == GGUF_STRING) return copy_text(r, v.bytes, k->text[f], sizeof k->text[0]);
    k->number[f] = number_of(&v);
    return GLIMPSE_OK;
}

/* A value of another kind than a number. */
static glimpse_status is_number(const file *f, const keys *k, field i) {
    if (k->type[i] == GGUF_STRING || k->type[i] == GGUF_BOOL)
        FAIL(GLIMPSE_E_FORMAT, "%s: the key %s is a %s, a number is expected", f->path, field_keys[i], k->type[i] == GGUF_BOOL ? "yes or no" : "text");
    return GLIMPSE_OK;
}

/* A whole number from low to high, `fallback` if the key is not there (-1: it must be). */
static glimpse_status whole(const file *f, const keys *k, field i, double low, double high, int32_t fallback,
                            int32_t *out) {
    if (!k->there[i] && fallback >= 0) {
        *out = fallback;
        return GLIMPSE_OK;
    }
    if (!k->there[i])
        FAIL(GLIMPSE_E_FORMAT, "%s: the key %s%s is missing", f->path, field_keys[i][0] == '.' ? k->text[F_ARCH] : "",
             field_keys[i]);
    double v = k->number[i];
    TRY(is_number(f, k, i));
    if (!(v >= low && v <= high) || v != floor(v))
        FAIL(GLIMPSE_E_FORMAT, "%s: the key %s is %g, a whole number from %g to %g is expected", f->path, field_keys[i],
             v, low, high);
    *out = (int32_t)v;
    return GLIMPSE_OK;
}

static glimpse_status positive(const file *f, const keys *k, field i, float *out) {
    if (!k->there[i]) return GLIMPSE_OK;
    TRY(is_number(f, k, i));
    if (!(k->number[i] > 0) || !isfinite((float)k->number[i]))
        FAIL(GLIMPSE_E_FORMAT, "%s: the key %s is no number above 0", f->path, field_keys[i]);
    *out = (float)k->number[i];
    return GLIMPSE_OK;
}

static glimpse_status specialities(const file *f, const keys *k, glimpse_model *d) {
    bool gemma = !strncmp(d->arch, "gemma", 5), later = gemma && d->arch[5];
    if (gemma) d->norm_plus_one = -1;
    if (later) {
        bool third = d->arch[5] == '3', largest = d->n_layers == (third ? 62 : 46); /* the 27B models */
        TRY(positive(f, k, F_SOFTCAP, &d->attention_softcap));
        TRY(positive(f, k, F_LOGIT_SOFTCAP, &d->logit_softcap));
        if (largest) d->attention_scale = (float)(1 / sqrt((double)d->channels / d->n_heads));
        d->window_pattern = d->window ? third ? 6 : 2 : 0;
        d->rope_local_theta = third ? 10000 : 0;
        if (third) TRY(positive(f, k, F_THETA_LOCAL, &d->rope_local_theta));
    }
    if (!strcmp(d->arch, "gpt_neox")) {
        d->qkv_grouped = -1;
        d->activation = GLIMPSE_GELU_ERF;
        d->parallel_residual = k->there[F_PARALLEL] && k->number[F_PARALLEL] == 0 ? -1 : 1;
    }
    if (!strcmp(d->arch, "phi3")) TRY(positive(f, k, F_ATTN_FACTOR, &d->rope_attention));
    return GLIMPSE_OK;
}

static glimpse_status describe(const file *f, const keys *k, glimpse_model *d, config_facts *facts) {
    static const char *const archs[][2] = {{"llama", "llama"},   {"qwen2", "qwen2"},   {"qwen3", "qwen3"},
                                           {"gpt2", "gpt2"},     {"gemma", "gemma"},   {"gemma2", "gemma2"},
                                           {"gemma3", "gemma3"}, {"phi3", "phi3"},     {"smollm3", "smollm3"},
                                           {"gptneox", "gpt_neox"}};
    const char *arch = k->text[F_ARCH];
    int32_t ignored;
    if (!k->there[F_ARCH] || k->type[F_ARCH] != GGUF_STRING)
        FAIL(GLIMPSE_E_FORMAT, "%s: general.architecture is missing", f->path);
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (!strcmp(arch, archs[i][0])) d->arch = archs[i][1];
    if (!d->arch)
        FAIL(GLIMPSE_E_UNSUPPORTED,
             "%s: the architecture %s is not known in GGUF; known: llama (Mistral, SmolLM2), smollm3, qwen2, "
             "qwen3, phi3, gemma, gemma2, gemma3, gptneox, gpt2",
             f->path, arch);
    bool gpt2 = !strcmp(d->arch, "gpt2"), neox = !strcmp(d->arch, "gpt_neox");
    TRY(whole(f, k, F_CONTEXT, 1, 1 << 24, -1, &d->max_seq_len));
    TRY(whole(f, k, F_CHANNELS, 1, 1 << 20, -1, &d->channels));
    TRY(whole(f, k, F_LAYERS, 1, 4096, -1, &d->n_layers));
    TRY(whole(f, k, F_FFN, 1, 1 << 23, -1, &d->ffn_size));
    TRY(whole(f, k, F_HEADS, 1, 1 << 16, -1, &d->n_heads));
    TRY(whole(f, k, F_KV_HEADS, 1, 1 << 16, d->n_heads, &d->n_kv_heads));
    TRY(whole(f, k, F_KEY_LENGTH, 1, 1 << 16, 0, &d->head_size));
    TRY(whole(f, k, F_WINDOW, 0, INT32_MAX, 0, &d->window));
    TRY(whole(f, k, F_BOS, 0, INT32_MAX, INT32_MAX, &d->bos));
    TRY(positive(f, k, gpt2 || neox ? F_EPS : F_EPS_RMS, &d->norm_eps));
    if (gpt2) return GLIMPSE_OK;
    if (!k->there[F_EPS_RMS] && !neox)
        FAIL(GLIMPSE_E_FORMAT, "%s: the key %s.attention.layer_norm_rms_epsilon is missing", f->path, arch);
    TRY(positive(f, k, F_THETA, &d->rope_theta));
    TRY(whole(f, k, F_ROPE_DIMS, 2, 1 << 16, 0, &d->rope_dims));
    d->rope_interleaved = !strcmp(d->arch, "llama") || !strcmp(d->arch, "smollm3");
    facts->qkv_bias = !strcmp(d->arch, "qwen2") ? HAS : neox ? HAS_UNKNOWN : HAS_NOT;
    facts->qk_norm = !strcmp(d->arch, "qwen3") || !strcmp(d->arch, "gemma3") ? HAS : HAS_NOT;
    TRY(specialities(f, k, d));
    const char *scaling = k->text[F_SCALING];
    if (!*scaling || !strcmp(scaling, "none")) return GLIMPSE_OK;
    if (!strcmp(scaling, "linear")) d->rope_scaling = GLIMPSE_ROPE_LINEAR;
    else if (!strcmp(scaling, "yarn")) d->rope_scaling = GLIMPSE_ROPE_YARN;
    else if (!strcmp(scaling, "longrope") && !strcmp(d->arch, "phi3")) return GLIMPSE_OK; /* its two tensors say so */
    else
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: rope.scaling.type %s is not known; known: none, linear, yarn", f->path,
             scaling);
    TRY(positive(f, k, F_FACTOR, &d->rope_factor));
    TRY(whole(f, k, F_ORIGINAL, 1, 1 << 24, d->max_seq_len, &ignored));
    d->rope_original_len = ignored;
    return GLIMPSE_OK;
}

/* === Tensors === */
typedef struct gguf_name {
    const char *from, *to; /* # = the layer */
} gguf_name;

static const gguf_name
    llama_names[] = {
        {"token_embd.weight", "model.embed_tokens.weight"},
        {"output_norm.weight", "model.norm.weight"},
        {"output.weight", "lm_head.weight"},
        {"blk.#.attn_norm.weight", "model.layers.#.input_layernorm.weight"},
        {"blk.#.attn_q.weight", "model.layers.#.self_attn.q_proj.weight"},
        {"blk.#.attn_k.weight", "model.layers.#.self_attn.k_proj.weight"},
        {"blk.#.attn_v.weight", "model.layers.#.self_attn.v_proj.weight"},
        {"blk.#.attn_q.bias", "model.layers.#.self_attn.q_proj.bias"},
        {"blk.#.attn_k.bias", "model.layers.#.self_attn.k_proj.bias"},
        {"blk.#.attn_v.bias", "model.layers.#.self_attn.v_proj.bias"},
        {"blk.#.attn_output.weight", "model.layers.#.self_attn.o_proj.weight"},
        {"blk.#.attn_q_norm.weight", "model.layers.#.self_attn.q_norm.weight"},
        {"blk.#.attn_k_norm.weight", "model.layers.#.self_attn.k_norm.weight"},
        {"blk.#.ffn_norm.weight", "model.layers.#.post_attention_layernorm.weight"},
        {"blk.#.ffn_gate.weight", "model.layers.#.mlp.gate_proj.weight"},
        {"blk.#.ffn_up.weight", "model.layers.#.mlp.up_proj.weight"},
        {"blk.#.ffn_down.weight", "model.layers.#.mlp.down_proj.weight"},
        {NULL, NULL},
},
  gemma2_names[] = {
      {"blk.#.ffn_norm.weight", "model.layers.#.pre_feedforward_layernorm.weight"},
      {"blk.#.post_attention_norm.weight", "model.layers.#.post_attention_layernorm.weight"},
      {"blk.#.post_ffw_norm.weight", "model.layers.#.post_feedforward_layernorm.weight"},
      {NULL, NULL},
},
  phi3_names[] = {
      {"blk.#.attn_qkv.weight", "model.layers.#.self_attn.qkv_proj.weight"},
      {"blk.#.ffn_up.weight", "model.layers.#.mlp.gate_up_proj.weight"},
      {NULL, NULL},
},
  neox_names[] = {
      {"token_embd.weight", "gpt_neox.embed_in.weight"},
      {"output.weight", "embed_out.weight"},
      {"output_norm.weight", "gpt_neox.final_layer_norm.weight"},
      {"output_norm.bias", "gpt_neox.final_layer_norm.bias"},
      {"blk.#.attn_norm.weight", "gpt_neox.layers.#.input_layernorm.weight"},
      {"blk.#.attn_norm.bias", "gpt_neox.layers.#.input_layernorm.bias"},
      {"blk.#.attn_qkv.weight", "gpt_neox.layers.#.attention.query_key_value.weight"},
      {"blk.#.attn_qkv.bias", "gpt_neox.layers.#.attention.query_key_value.bias"},
      {"blk.#.attn_output.weight", "gpt_neox.layers.#.attention.dense.weight"},
      {"blk.#.attn_output.bias", "gpt_neox.layers.#.attention.dense.bias"},
      {"blk.#.ffn_norm.weight", "gpt_neox.layers.#.post_attention_layernorm.weight"},
      {"blk.#.ffn_norm.bias", "gpt_neox.layers.#.post_attention_layernorm.bias"},
      {"blk.#.ffn_up.weight", "gpt_neox.layers.#.mlp.dense_h_to_4h.weight"},
      {"blk.#.ffn_up.bias", "gpt_neox.layers.#.mlp.dense_h_to_4h.bias"},
      {"blk.#.ffn_down.weight", "gpt_neox.layers.#.mlp.dense_4h_to_h.weight"},
      {"blk.#.ffn_down.bias", "gpt_neox.layers.#.mlp.dense_4h_to_h.bias"},
      {NULL, NULL},
},
  gpt2_names[] = {
      {"token_embd.weight", "transformer.wte.weight"},
      {"position_embd.weight", "transformer.wpe.weight"},
      {"output.weight", "lm_head.weight"},
      {"output_norm.weight", "transformer.ln_f.weight"},
      {"output_norm.bias", "transformer.ln_f.bias"},
      {"blk.#.attn_norm.weight", "transformer.h.#.ln_1.weight"},
      {"blk.#.attn_norm.bias", "transformer.h.#.ln_1.bias"},
      {"blk.#.attn_qkv.weight", "transformer.h.#.attn.c_attn.weight"},
      {"blk.#.attn_qkv.bias", "transformer.h.#.attn.c_attn.bias"},
      {"blk.#.attn_output.weight", "transformer.h.#.attn.c_proj.weight"},
      {"blk.#.attn_output.bias", "transformer.h.#.attn.c_proj.bias"},
      {"blk.#.ffn_norm.weight", "transformer.h.#.ln_2.weight"},
      {"blk.#.ffn_norm.bias", "transformer.h.#.ln_2.bias"},
      {"blk.#.ffn_up.weight", "transformer.h.#.mlp.c_fc.weight"},
      {"blk.#.ffn_up.bias", "transformer.h.#.mlp.c_fc.bias"},
      {"blk.#.ffn_down.weight", "transformer.h.#.mlp.c_proj.weight"},
      {"blk.#.ffn_down.bias", "transformer.h.#.mlp.c_proj.bias"},
      {NULL, NULL},
};

/* The tables of an architecture: its own, and what it shares with Llama (or NULL). */
static void name_tables(const char *arch, const gguf_name *tables[2]) {
    tables[0] = llama_names, tables[1] = NULL;
    if (!strcmp(arch, "gpt2")) tables[0] = gpt2_names;
    else if (!strcmp(arch, "gpt_neox")) tables[0] = neox_names;
    else if (!strcmp(arch, "phi3")) tables[0] = phi3_names, tables[1] = llama_names;
    else if (!strcmp(arch, "gemma2") || !strcmp(arch, "gemma3")) tables[0] = gemma2_names, tables[1] = llama_names;
}

static glimpse_status rename_tensor(const file *f, const char *arch, const char *name, char out[128]) {
    char layer[8] = "", pattern[MAX_NAME + 2];
    const gguf_name *tables[2];
    c_snprintf(pattern, sizeof pattern, "%s", name);
    if (!strncmp(name, "blk.", 4)) {
        size_t digits = strspn(name + 4, "0123456789");
        if (digits && digits < sizeof layer && name[4 + digits] == '.') {
            memcpy(layer, name + 4, digits);
            c_snprintf(pattern, sizeof pattern, "blk.#%s", name + 4 + digits);
        }
    }
    name_tables(arch, tables);
    for (int t = 0; t < 2; t++)
        for (const gguf_name *e = tables[t]; e && e->from; e++) {
            const char *hash = strchr(e->to, '#');
            if (strcmp(pattern, e->from)) continue;
            if (hash) c_snprintf(out, 128, "%.*s%s%s", (int)(hash - e->to), e->to, layer, hash + 1);
            else c_snprintf(out, 128, "%s", e->to);
            return GLIMPSE_OK;
        }
    FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the tensor %s is not known", f->path, name);
}

/* A tensor that is no parameter: what divides the rotary frequencies. */
typedef struct factor_tensor {
    int64_t at, n; /* n = 0: not there */
} factor_tensor;

typedef struct factor_tensors {
    factor_tensor plain, far;
} factor_tensors;

static glimpse_status note_factors(const file *f, const char *name, const weight *w, factor_tensors *all, bool *is) {
    factor_tensor *to = !strcmp(name, "rope_factors_long.weight") ? &all->far : &all->plain;
    *is = !strcmp(name, "rope_freqs.weight") || !strncmp(name, "rope_factors_", 13);
    if (!*is) return GLIMPSE_OK;
    if (to == &all->plain && strcmp(name, "rope_freqs.weight") && strcmp(name, "rope_factors_short.weight"))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the tensor %s is not known", f->path, name);
    if (to->n) FAIL(GLIMPSE_E_FORMAT, "%s: the tensor %s is there twice", f->path, name);
    if (w->dtype != WEIGHT_F32 || w->n_dims != 1 || w->dims[0] > GLIMPSE_ROPE_PAIRS)
        FAIL(GLIMPSE_E_FORMAT, "%s: the tensor %s is no list of at most %d numbers of type F32", f->path, name,
             GLIMPSE_ROPE_PAIRS);
    *to = (factor_tensor){w->at, w->dims[0]};
    return GLIMPSE_OK;
}

static glimpse_status read_factors(const file *f, const factor_tensor *t, const char *name, int64_t data, int32_t pairs,
                                   float *out) {
    if (!t->n) return GLIMPSE_OK;
    if (t->n != pairs)
        FAIL(GLIMPSE_E_FORMAT, "%s: %s has %lld numbers for %d rotary pairs", f->path, name, (long long)t->n, (int)pairs);
    TRY(file_read_at(f, data + t->at, out, (size_t)t->n * sizeof *out));
    for (int64_t i = 0; i < t->n; i++)
        if (!isfinite(out[i]) || out[i] <= 0)
            FAIL(GLIMPSE_E_FORMAT, "%s: %s: number %lld is not above 0", f->path, name, (long long)i);
    return GLIMPSE_OK;
}

static glimpse_status use_factors(const file *f, const factor_tensors *all, int64_t data, int32_t original,
                                  glimpse_model *d) {
    int32_t hd = d->head_size ? d->head_size : d->channels / d->n_heads, pairs = (d->rope_dims ? d->rope_dims : hd) / 2;
    if (!all->plain.n && !all->far.n) return GLIMPSE_OK;
    if (all->far.n && !all->plain.n)
        FAIL(GLIMPSE_E_FORMAT, "%s: rope_factors_long.weight is there without rope_factors_short.weight", f->path);
    TRY(read_factors(f, &all->plain, "the tensor of rotary factors", data, pairs, d->rope_factors));
    TRY(read_factors(f, &all->far, "rope_factors_long.weight", data, pairs, d->rope_factors_long));
    if (all->far.n) d->rope_scaling = GLIMPSE_ROPE_LONGROPE, d->rope_original_len = original;
    return GLIMPSE_OK;
}

static const char *type_name(uint32_t type) {
    static const char *const names[] = {"F32",  "F16",  "Q4_0", "Q4_1", "Q4_2", "Q4_3", "Q5_0", "Q5_1",
                                        "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_K"};
    return type < 16 ? names[type] : type == 30 ? "BF16" : type == 39 ? "MXFP4" : "of an unknown number";
}

static glimpse_status read_tensor(gguf_reader *r, weight_list *l, const char *arch, factor_tensors *factors, uint64_t *end,
                                  uint64_t alignment) {
    bool is_factors;
    char name[MAX_NAME + 1], to[128];
    const char *path = r->f->path;
    uint64_t n_dims, type, offset, dim;
    weight w = {0};
    TRY(take_text(r, name, sizeof name));
    if (!*name) FAIL(GLIMPSE_E_FORMAT, "%s: the name of a tensor has no bytes or more than %d", path, (int)MAX_NAME);
    TRY(gguf_take(r, 4, &n_dims));
    if (n_dims < 1 || n_dims > 4)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %s has %u dimensions, 1 to 4 are possible", path, name, (unsigned)n_dims);
    for (uint32_t i = 0; i < n_dims; i++) {
        TRY(gguf_take(r, 8, &dim));
        if (dim < 1 || dim > (uint64_t)1 << 40)
            FAIL(GLIMPSE_E_FORMAT, "%s: tensor %s: dimension %u is %llu", path, name, (unsigned)i,
                 (unsigned long long)dim);
        w.dims[n_dims - 1 - i] = (int64_t)dim;
    }
    w.n_dims = (int32_t)n_dims;
    TRY(gguf_take(r, 4, &type));
    TRY(gguf_take(r, 8, &offset));
    int64_t elements = weight_elements(w.dims, w.n_dims);
    if (elements < 0) FAIL(GLIMPSE_E_FORMAT, "%s: tensor %s: its dimensions' product overflows", path, name);
    c_snprintf(w.dtype_name, sizeof w.dtype_name, "%s", type_name((uint32_t)type));
    switch (type) {
    case 0: w.dtype = WEIGHT_F32, w.bytes = 4 * elements; break;
    case 1: w.dtype = WEIGHT_F16, w.bytes = 2 * elements; break;
    case 30: w.dtype = WEIGHT_BF16, w.bytes = 2 * elements; break;
    case 8:
        if (w.dims[n_dims - 1] % 32)
            FAIL(GLIMPSE_E_FORMAT, "%s: tensor %s: Q8_0 in rows of %lld, no multiple of 32", path, name,
                 (long long)w.dims[n_dims - 1]);
        w.dtype = WEIGHT_Q8_0, w.bytes = elements / 32 * 34;
        break;
    default:
        FAIL(GLIMPSE_E_UNSUPPORTED,
             "%s: tensor %s has the type %s (%u); F32, F16, BF16 and Q8_0 are read\n"
             "hint: convert it with --outtype f16 or q8_0",
             path, name, type_name((uint32_t)type), (unsigned)type);
    }
    /* One after another, as every writer lays them: no holes, no overlaps. */
    uint64_t expected = (*end + alignment - 1) / alignment * alignment;
    if (offset != expected)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %s begins at byte %llu of the data, expected %llu", path, name,
             (unsigned long long)offset, (unsigned long long)expected);
    if (w.bytes > r->f->size || offset > (uint64_t)r->f->size)
        FAIL(GLIMPSE_E_FORMAT, "%s: truncated: tensor %s has %lld bytes from %llu, the file %lld", path, name,
             (long long)w.bytes, (unsigned long long)offset, (long long)r->f->size);
    *end = offset + (uint64_t)w.bytes;
    w.at = (int64_t)offset; /* the data's first byte is added when it is known */
    TRY(note_factors(r->f, name, &w, factors, &is_factors));
    if (is_factors) return GLIMPSE_OK;
    TRY(rename_tensor(r->f, arch, name, to));
    return weights_add(l, &w, to, strlen(to));
}

/* ends (*n_ends): what ends a text, in the order of gguf_ends_list. */
static glimpse_status read_header(gguf_reader *r, weight_list *l, glimpse_model *d, config_facts *facts, int32_t *ends, int *n_ends) {
    keys k = {0};
    factor_tensors factors = {0};
    int32_t original;
    uint64_t magic, version, tensors, n_keys, end = 0;
    int32_t alignment;
    TRY(gguf_take(r, 4, &magic));
    TRY(gguf_take(r, 4, &version));
    if (version != 3)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: GGUF of version %u, 3 is read%s", r->f->path, (unsigned)version,
             version == 50331648 ? " (it is big-endian)" : "");
    TRY(gguf_take(r, 8, &tensors));
    TRY(gguf_take(r, 8, &n_keys));
    if (n_keys > MAX_KEYS || n_keys > gguf_left(r) / 13)
        FAIL(GLIMPSE_E_FORMAT, "%s: %llu keys, %lld bytes are left", r->f->path, (unsigned long long)n_keys,
             (long long)gguf_left(r));
    for (; n_keys; n_keys--) TRY(read_key(r, &k));
    if (tensors > MAX_WEIGHTS || tensors > gguf_left(r) / 32)
        FAIL(GLIMPSE_E_FORMAT, "%s: %llu tensors, %lld bytes are left", r->f->path, (unsigned long long)tensors,
             (long long)gguf_left(r));
    TRY(whole(r->f, &k, F_ALIGNMENT, 1, 1 << 20, 32, &alignment));
    if (alignment & (alignment - 1))
        FAIL(GLIMPSE_E_FORMAT, "%s: general.alignment is %d, no power of 2", r->f->path, (int)alignment);
    TRY(describe(r->f, &k, d, facts));
    int32_t named[6];
    for (int i = 0; i < 6; i++) {
        const field which = (field)((i < 3 ? F_EOS : F_FIM_PAD - 3) + i);
        if (k.there[which] && k.type[which] != GGUF_STRING && k.number[which] == UINT32_MAX) k.there[which] = false; /* llama.cpp's "none" */
        TRY(whole(r->f, &k, which, 0, INT32_MAX, INT32_MAX, &named[i]));
        if (named[i] == INT32_MAX) named[i] = -1;
    }
    *n_ends = gguf_ends_list(&k.ends, named, ends);
    for (; tensors; tensors--) TRY(read_tensor(r, l, d->arch, &factors, &end, (uint64_t)alignment));
    int64_t data = ((int64_t)r->at + alignment - 1) / alignment * alignment;
    if (data > r->f->size || end > (uint64_t)(r->f->size - data))
        FAIL(GLIMPSE_E_FORMAT, "%s: truncated: its tensors need %llu bytes from byte %lld, the file has %lld",
             r->f->path, (unsigned long long)end, (long long)data, (long long)r->f->size);
    for (int32_t i = 0; i < l->n; i++) l->w[i].at += data;
    TRY(whole(r->f, &k, F_ORIGINAL, 1, 1 << 24, d->max_seq_len, &original));
    return use_factors(r->f, &factors, data, original, d);
}

glimpse_status gguf_read(const char *path, checkpoint_progress progress, void *user, model **out) {
    glimpse_status st = GLIMPSE_OK;
    weight_list l = {0};
    glimpse_model d = GLIMPSE_MODEL_INIT;
    config_facts facts = {0};
    gguf_reader r = {0};
    int32_t index;
    TRY_GOTO(weights_open_file(&l, path, &index));
    r.f = &l.files[0];
    int32_t ends[GGUF_ENDS + 9];
    int n_ends;
    TRY_GOTO(read_header(&r, &l, &d, &facts, ends, &n_ends));
    const weight *wte = weights_find(&l, "model.embed_tokens.weight");
    if (!wte) wte = weights_find(&l, "transformer.wte.weight");
    if (!wte) wte = weights_find(&l, "gpt_neox.embed_in.weight");
    if (!wte || wte->n_dims != 2 || wte->dims[0] > 1 << 24)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the tensor token_embd.weight is missing or no matrix", path);
    d.vocab_size = (int32_t)wte->dims[0];
    if (d.bos >= d.vocab_size) d.bos = -1;
    if (!model_set_ends(&d, ends, n_ends))
        FAIL_GOTO(GLIMPSE_E_UNSUPPORTED, "%s: more than %d tokens of its vocabulary end a text", path, 1 + GLIMPSE_MORE_EOS);
    TRY_GOTO(config_fit_weights(path, &l, &d, &facts));
    st = weights_read(&l, &d, progress, user, out);
out:
    buf_free(&r.bytes);
    weights_free(&l);
    return st;
}
