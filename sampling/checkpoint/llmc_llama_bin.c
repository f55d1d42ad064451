/* llmc_llama_bin.c -- a Llama 3 model of llm.c (karpathy/llm.c: train_llama3.py write_model, train_llama3.cu on the branch
 * llama3), little-endian, magic 20240803, version 3 (f32) or 5 (bf16).  Two forms:
 *
 * master: 256 int32 {.., block_size, V, L, H, KV, C, ffn_dim_multiplier, multiple_of, norm_eps, rope_theta, scaled_rope,
 *   max_gen_batch_size, major, minor}, floats cut to whole numbers (norm_eps is 0 there and 1e-5 meant); then, each over all
 *   layers: wte (V, C), ln_1, c_attn ((H + 2 KV) hd, C), attn.c_proj, ln_2, c_fc (F, C), c_fc2 (F, C), c_proj (C, F); ln_f,
 *   lm_head (V, C).
 * llama3: 256 int32 {.., T, V, L, H, KV, C, multiple_of, scaled_rope, major, minor} and 256 floats {ffn_dim_multiplier,
 *   norm_eps, rope_theta}; the 16 tensors of a GPT-2 file with lm_head where the positions were, c_fc and c_fc2 of a layer
 *   together, and biases that are 0 and that its trainer does not use: they are not read.
 * F is what the file's size leaves for it.  Rotary pairs are neighbours; scaled_rope is Llama 3.1's (8, 1, 4, 8192).
 * c_fc2 goes through SiLU: it is the gate.  Called by checkpoint.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/readers.h"

enum { INTS = 256, HEADER = 4 * INTS };

typedef struct header {
    bool cuda; /* the second form */
    int32_t version, T, V, L, H, KV, C, multiple_of, scaled;
    int64_t F;
    float eps, theta;
} header;

static glimpse_status field(const file *f, const char *name, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return GLIMPSE_OK;
    FAIL(GLIMPSE_E_FORMAT, "%s: %s is %lld in its header, expected %lld to %lld", f->path, name, (long long)value,
         (long long)low, (long long)high);
}

static float float_at(const unsigned char *p) {
    uint32_t u = read_u32(p);
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Elements without those that F multiplies; those of one unit of F in *per_f. */
static int64_t elements(const header *h, int64_t *per_f) {
    int64_t L = h->L, C = h->C, hd = C / h->H, qkv = (h->H + 2 * (int64_t)h->KV) * hd;
    int64_t n = 2 * h->V * C + C + L * (2 * C + qkv * C + C * C);
    *per_f = 3 * L * C;
    if (h->cuda) {
        n += C + L * (2 * C + qkv + 2 * C);
        *per_f += 2 * L;
    }
    return n;
}

/* With these bounds no size leaves 63 bits. */
static glimpse_status read_header(const file *f, header *h) {
    unsigned char raw[2 * HEADER] = {0};
    int32_t v[INTS];
    if (f->size < HEADER)
        FAIL(GLIMPSE_E_FORMAT, "%s: truncated: %lld bytes, fewer than its header", f->path, (long long)f->size);
    TRY(file_read_at(f, 0, raw, f->size < 2 * HEADER ? HEADER : sizeof raw)); /* the floats are of one form alone */
    for (int i = 0; i < INTS; i++) v[i] = (int32_t)read_u32(raw + 4 * i);
    *h = (header){v[14] == 0, v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[9], v[12], 0, 1e-5f, (float)v[11]};
    if (h->cuda)
        h->multiple_of = v[8], h->scaled = v[9], h->eps = float_at(raw + HEADER + 4), h->theta = float_at(raw + HEADER + 8);
    if (h->version != 3 && h->version != 5)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a Llama model of llm.c of version %d, expected 3 (f32) or 5 (bf16)", f->path,
             (int)h->version);
    TRY(field(f, "max_seq_len", h->T, 1, 1 << 24));
    TRY(field(f, "vocab_size", h->V, 1, 1 << 24));
    TRY(field(f, "n_layer", h->L, 1, 4096));
    TRY(field(f, "n_embd", h->C, 1, 1 << 18));
    TRY(field(f, "n_head", h->H, 1, h->C));
    TRY(field(f, "n_kv_head", h->KV, 1, h->H));
    TRY(field(f, "multiple_of", h->multiple_of, 1, 1 << 20));
    TRY(field(f, "use_scaled_rope", h->scaled, 0, 1));
    if (h->C % h->H || h->H % h->KV || h->C / h->H % 2)
        FAIL(GLIMPSE_E_FORMAT, "%s: n_embd %d, n_head %d and n_kv_head %d do not divide", f->path, (int)h->C, (int)h->H,
             (int)h->KV);
    if (!(h->eps > 0 && h->eps < 1) || !(h->theta > 1) || !isfinite(h->theta))
        FAIL(GLIMPSE_E_FORMAT, "%s: norm_eps or rope_theta is no number that can be", f->path);
    int64_t bytes = h->version == 3 ? 4 : 2, at = h->cuda ? 2 * HEADER : HEADER, per_f, rest;
    rest = (f->size - at) - bytes * elements(h, &per_f);
    h->F = rest / (bytes * per_f);
    if (rest < 0 || rest % (bytes * per_f) || h->F < 1 || h->F > 1 << 22 || h->F % h->multiple_of)
        FAIL(GLIMPSE_E_FORMAT,
             "%s: truncated or too long: L %d, H %d, KV %d, C %d, V %d leave %lld of its %lld bytes for the feed-forward "
             "layers, which is no multiple of %lld times %d",
             f->path, (int)h->L, (int)h->H, (int)h->KV, (int)h->C, (int)h->V, (long long)rest, (long long)f->size,
             (long long)(bytes * per_f), (int)h->multiple_of);
    return GLIMPSE_OK;
}

typedef struct writer {
    weight_list *l;
    weight w;
    int64_t at, size;
} writer;

/* The next rows * cols elements (cols 0: a vector), under a name, in layer `layer` (-1: outside); NULL: not read. */
static glimpse_status next(writer *a, const char *name, int32_t layer, int64_t rows, int64_t cols) {
    char full[96];
    weight w = a->w;
    w.n_dims = cols ? 2 : 1, w.dims[0] = rows, w.dims[1] = cols;
    w.at = a->at, w.bytes = a->size * rows * (cols ? cols : 1);
    a->at += w.bytes;
    if (!name) return GLIMPSE_OK;
    if (layer < 0) c_snprintf(full, sizeof full, "%s", name);
    else c_snprintf(full, sizeof full, "model.layers.%d.%s", (int)layer, name);
    return weights_add(a->l, &w, full, strlen(full));
}

static glimpse_status list_tensors(weight_list *l, int32_t index, const header *h) {
    int64_t C = h->C, hd = C / h->H, kv = h->KV * hd, F = h->F;
    writer a = {l, {.dtype = h->version == 3 ? WEIGHT_F32 : WEIGHT_BF16, .file = index}, h->cuda ? 2 * HEADER : HEADER,
                h->version == 3 ? 4 : 2};
    TRY(next(&a, "model.embed_tokens.weight", -1, h->V, C));
    if (h->cuda) TRY(next(&a, "lm_head.weight", -1, h->V, C));
    for (int32_t i = 0; i < h->L; i++) TRY(next(&a, "input_layernorm.weight", i, C, 0));
    if (h->cuda) TRY(next(&a, NULL, -1, h->L, C));
    for (int32_t i = 0; i < h->L; i++) {
        TRY(next(&a, "self_attn.q_proj.weight", i, C, C));
        TRY(next(&a, "self_attn.k_proj.weight", i, kv, C));
        TRY(next(&a, "self_attn.v_proj.weight", i, kv, C));
    }
    if (h->cuda) TRY(next(&a, NULL, -1, h->L, C + 2 * kv));
    for (int32_t i = 0; i < h->L; i++) TRY(next(&a, "self_attn.o_proj.weight", i, C, C));
    if (h->cuda) TRY(next(&a, NULL, -1, h->L, C));
    for (int32_t i = 0; i < h->L; i++) TRY(next(&a, "post_attention_layernorm.weight", i, C, 0));
    if (h->cuda) TRY(next(&a, NULL, -1, h->L, C));
    for (int32_t i = 0; i < h->L; i++) {
        TRY(next(&a, "mlp.up_proj.weight", i, F, C));
        if (h->cuda) TRY(next(&a, "mlp.gate_proj.weight", i, F, C));
    }
    for (int32_t i = 0; i < h->L && !h->cuda; i++) TRY(next(&a, "mlp.gate_proj.weight", i, F, C));
    if (h->cuda) TRY(next(&a, NULL, -1, h->L, 2 * F));
    for (int32_t i = 0; i < h->L; i++) TRY(next(&a, "mlp.down_proj.weight", i, C, F));
    if (h->cuda) TRY(next(&a, NULL, -1, h->L, C));
    TRY(next(&a, "model.norm.weight", -1, C, 0));
    return h->cuda ? GLIMPSE_OK : next(&a, "lm_head.weight", -1, h->V, C);
}

glimpse_status llmc_llama_read(const char *path, checkpoint_progress progress, void *user, model **out) {
    glimpse_status st = GLIMPSE_OK;
    weight_list l = {0};
    glimpse_model d = GLIMPSE_MODEL_INIT;
    header h;
    int32_t index;
    TRY_GOTO(weights_open_file(&l, path, &index));
    TRY_GOTO(read_header(&l.files[0], &h));
    TRY_GOTO(list_tensors(&l, index, &h));
    d.arch = "llama";
    d.n_layers = h.L, d.n_heads = h.H, d.n_kv_heads = h.KV, d.channels = h.C, d.ffn_size = (int32_t)h.F;
    d.vocab_size = h.V, d.max_seq_len = h.T;
    d.norm_eps = h.eps, d.rope_theta = h.theta, d.rope_interleaved = 1;
    d.trainer_bf16 = h.version == 5;
    if (h.scaled) {
        d.rope_scaling = GLIMPSE_ROPE_LLAMA3, d.rope_factor = 8, d.rope_low = 1, d.rope_high = 4;
        d.rope_original_len = 8192;
    }
    st = weights_read(&l, &d, progress, user, out);
out:
    weights_free(&l);
    return st;
}
