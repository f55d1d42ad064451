/* llama2c_bin.c -- llama2.c's model .bin, versions 0, 1 and 2 (karpathy/llama2.c: export.py, run.c, runq.c), little-endian, f32.
 *
 * v0: 7 int32 {dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len}, vocab_size negative = the head is not the
 *     embedding; then tok_emb (V, dim), and over all layers rms_att, wq, wk, wv, wo, rms_ffn, w1, w2, w3; rms_final (dim);
 *     two tables of rotary angles (seq_len, head_size / 2), not read; the head (V, dim) if it is its own.
 * v1: magic 0x616b3432, version 1, the 7 int32 (vocab_size positive), one byte: head shared; zeros to byte 256; then
 *     rms_att, rms_ffn, rms_final, tok_emb, wq, wk, wv, wo, w1, w2, w3, [head].
 * v2: as v1 with version 2 and int32 group_size at byte 37; the norms f32, every matrix of every layer int8 and then an f32
 *     scale for each group of group_size elements.  Read as f32.
 * Version 0 has no magic: it is taken when its size is exactly what its seven numbers ask for.  Rotary pairs are neighbours
 * (2i, 2i + 1), theta 10000, RMSNorm's eps 1e-5; the file states neither. */
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/readers.h"

enum { V0_HEADER = 28, V1_HEADER = 256, MAGIC = 0x616b3432 };

typedef struct header {
    int32_t dim, hidden, layers, heads, kv_heads, vocab, seq;
    bool shared;
    int version;
    int32_t group; /* version 2 */
} header;

typedef enum part { EMB, RMS_ATT, WQ, WK, WV, WO, RMS_FFN, W1, W2, W3, RMS_FINAL, FREQ, HEAD, N_PARTS } part;

static const struct {
    const char *name; /* # = the layer; NULL = not read */
    bool layered;
} parts[N_PARTS] = {
    {"model.embed_tokens.weight", false},
    {"model.layers.#.input_layernorm.weight", true},
    {"model.layers.#.self_attn.q_proj.weight", true},
    {"model.layers.#.self_attn.k_proj.weight", true},
    {"model.layers.#.self_attn.v_proj.weight", true},
    {"model.layers.#.self_attn.o_proj.weight", true},
    {"model.layers.#.post_attention_layernorm.weight", true},
    {"model.layers.#.mlp.gate_proj.weight", true},
    {"model.layers.#.mlp.down_proj.weight", true},
    {"model.layers.#.mlp.up_proj.weight", true},
    {"model.norm.weight", false},
    {NULL, false},
    {"lm_head.weight", false},
};

static const part order_v0[N_PARTS] = {EMB, RMS_ATT, WQ, WK, WV, WO, RMS_FFN, W1, W2, W3, RMS_FINAL, FREQ, HEAD};
static const part order_v1[N_PARTS] = {RMS_ATT, RMS_FFN, RMS_FINAL, EMB, WQ, WK, WV, WO, W1, W2, W3, HEAD, FREQ};

/* Within these bounds no size below leaves 63 bits. */
static bool plausible(const header *h) {
    return h->dim > 0 && h->dim <= 1 << 20 && h->hidden > 0 && h->hidden <= 1 << 22 && h->layers > 0 &&
           h->layers <= 4096 && h->heads > 0 && h->heads <= h->dim && h->dim % h->heads == 0 &&
           (h->dim / h->heads) % 2 == 0 && h->kv_heads > 0 && h->heads % h->kv_heads == 0 && h->vocab > 0 &&
           h->vocab <= 1 << 24 && h->seq > 0 && h->seq <= 1 << 24;
}

static void dims_of(const header *h, part p, int64_t dims[2]) {
    int64_t kv = (int64_t)(h->dim / h->heads) * h->kv_heads;
    dims[1] = h->dim;
    switch (p) {
    case EMB:
    case HEAD: dims[0] = h->vocab; break;
    case RMS_ATT:
    case RMS_FFN:
    case RMS_FINAL: dims[0] = h->dim, dims[1] = 0; break;
    case WK:
    case WV: dims[0] = kv; break;
    case W1:
    case W3: dims[0] = h->hidden; break;
    case W2: dims[0] = h->dim, dims[1] = h->hidden; break;
    case FREQ: dims[0] = h->seq, dims[1] = h->dim / h->heads; break; /* both tables */
    default: dims[0] = h->dim; break;
    }
}

static bool has_part(const header *h, part p) { return !(p == HEAD && h->shared) && !(p == FREQ && h->version); }

static bool is_packed(const header *h, part p) {
    return h->version == 2 && p != RMS_ATT && p != RMS_FFN && p != RMS_FINAL;
}

static int64_t bytes_of(const header *h, part p) {
    int64_t dims[2];
    dims_of(h, p, dims);
    int64_t n = dims[0] * (dims[1] ? dims[1] : 1);
    return is_packed(h, p) ? n / h->group * (h->group + 4) : 4 * n;
}

static int64_t expected_size(const header *h) {
    int64_t n = h->version ? V1_HEADER : V0_HEADER;
    for (int p = 0; p < N_PARTS; p++)
        if (has_part(h, (part)p)) n += bytes_of(h, (part)p) * (parts[p].layered ? h->layers : 1);
    return n;
}

static header header_at(const unsigned char *p) {
    int32_t v[7];
    for (int i = 0; i < 7; i++) v[i] = (int32_t)read_u32(p + 4 * i);
    return (header){v[0], v[1], v[2], v[3], v[4], v[5], v[6], true, 0, 0};
}

static header header_v0(const unsigned char *head) {
    header h = header_at(head);
    h.shared = h.vocab > 0;
    if (h.vocab < 0 && h.vocab > INT32_MIN) h.vocab = -h.vocab;
    return h;
}

bool is_llama2c(const file *f, const unsigned char *head, size_t n) {
    if (n >= 4 && read_u32(head) == MAGIC) return true;
    if (n < V0_HEADER) return false;
    header h = header_v0(head);
    return plausible(&h) && f->size == expected_size(&h);
}

static glimpse_status list_tensors(weight_list *l, int32_t index, const header *h) {
    int64_t at = h->version ? V1_HEADER : V0_HEADER;
    for (int i = 0; i < N_PARTS; i++) {
        part p = h->version ? order_v1[i] : order_v0[i];
        weight w = {.dtype = WEIGHT_F32, .file = index, .bytes = bytes_of(h, p)};
        if (!has_part(h, p)) continue;
        if (is_packed(h, p)) w.dtype = WEIGHT_Q8_GROUPS, w.group = h->group;
        dims_of(h, p, w.dims);
        w.n_dims = w.dims[1] ? 2 : 1;
        for (int32_t layer = 0; layer < (parts[p].layered ? h->layers : 1); layer++, at += w.bytes) {
            char name[96];
            const char *hash = parts[p].name ? strchr(parts[p].name, '#') : NULL;
            if (!parts[p].name) continue;
            if (hash)
                c_snprintf(name, sizeof name, "%.*s%d%s", (int)(hash - parts[p].name), parts[p].name, (int)layer,
                           hash + 1);
            else c_snprintf(name, sizeof name, "%s", parts[p].name);
            w.at = at;
            TRY(weights_add(l, &w, name, strlen(name)));
        }
    }
    return GLIMPSE_OK;
}

glimpse_status llama2c_read(const char *path, checkpoint_progress progress, void *user, model **out) {
    glimpse_status st = GLIMPSE_OK;
    weight_list l = {0};
    glimpse_model d = GLIMPSE_MODEL_INIT;
    unsigned char raw[V1_HEADER];
    int32_t index;
    TRY_GOTO(weights_open_file(&l, path, &index));
    const file *f = &l.files[0];
    TRY_GOTO(file_read_at(f, 0, raw, V0_HEADER));
    bool v1 = read_u32(raw) == MAGIC;
    header h = header_v0(raw);
    if (v1) {
        uint32_t version = read_u32(raw + 4);
        if (version != 1 && version != 2)
            FAIL_GOTO(GLIMPSE_E_UNSUPPORTED, "%s: a model of llama2.c of version %u; 0, 1 and 2 are read", path,
                      (unsigned)version);
        TRY_GOTO(file_read_at(f, 0, raw, sizeof raw));
        h = header_at(raw + 8);
        h.shared = raw[36] == 1;
        if (raw[36] > 1) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: byte 36 (head shared) is %u, expected 0 or 1", path, raw[36]);
        h.version = (int)version;
        if (version == 2) h.group = (int32_t)read_u32(raw + 37);
        for (int i = version == 2 ? 41 : 37; i < V1_HEADER; i++)
            if (raw[i]) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: byte %d of the header is not 0", path, i);
    }
    if (!plausible(&h))
        FAIL_GOTO(GLIMPSE_E_FORMAT,
                  "%s: no llama2.c model has dim %d, hidden_dim %d, n_layers %d, n_heads %d, n_kv_heads %d, vocab_size "
                  "%d, seq_len %d",
                  path, (int)h.dim, (int)h.hidden, (int)h.layers, (int)h.heads, (int)h.kv_heads, (int)h.vocab,
                  (int)h.seq);
    for (int p = 0; p < N_PARTS && h.version == 2; p++) {
        int64_t dims[2];
        dims_of(&h, (part)p, dims);
        if (h.group < 1 || (is_packed(&h, (part)p) && has_part(&h, (part)p) && dims[0] * dims[1] % h.group))
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: a group of %d elements does not divide its matrices", path, (int)h.group);
    }
    if (f->size != expected_size(&h))
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: %s: its header asks for %lld bytes, the file has %lld", path,
                  f->size < expected_size(&h) ? "truncated" : "too long", (long long)expected_size(&h),
                  (long long)f->size);
    TRY_GOTO(list_tensors(&l, index, &h));
    d.arch = "llama";
    d.n_layers = h.layers, d.n_heads = h.heads, d.n_kv_heads = h.kv_heads, d.channels = h.dim, d.ffn_size = h.hidden;
    d.vocab_size = h.vocab, d.max_seq_len = h.seq;
    d.rope_interleaved = 1;
    if (h.vocab > 2) d.bos = d.eos = 1; /* a text begins and ends with BOS: run.c, generate() */
    st = weights_read(&l, &d, progress, user, out);
out:
    weights_free(&l);
    return st;
}
