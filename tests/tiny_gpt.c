/* tiny_gpt.c -- a small random GPT-2 for tests (tiny_gpt.h). */
#include "tests/tiny_gpt.h"

#include <stdlib.h>

static uint64_t next(uint64_t *s) { /* splitmix64 */
    uint64_t z = *s += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static const char *const names[16] = {
    "transformer.wte.weight", "transformer.wpe.weight", "transformer.h.*.ln_1.weight", "transformer.h.*.ln_1.bias",
    "transformer.h.*.attn.c_attn.weight", "transformer.h.*.attn.c_attn.bias", "transformer.h.*.attn.c_proj.weight",
    "transformer.h.*.attn.c_proj.bias", "transformer.h.*.ln_2.weight", "transformer.h.*.ln_2.bias",
    "transformer.h.*.mlp.c_fc.weight", "transformer.h.*.mlp.c_fc.bias", "transformer.h.*.mlp.c_proj.weight",
    "transformer.h.*.mlp.c_proj.bias", "transformer.ln_f.weight", "transformer.ln_f.bias" };

void tiny_gpt_make(tiny_gpt *g, int L, int H, int C, int V, int T, int eos, uint64_t seed) {
    *g = (tiny_gpt){ .L = L, .H = H, .C = C, .V = V, .Vp = (V + 7) / 8 * 8, .T = T };
    const int64_t l = L, c = C;
    const struct {
        int n;
        int64_t d[3];
    } shape[16] = { { 2, { g->Vp, c } }, { 2, { T, c } }, { 2, { l, c } }, { 2, { l, c } }, { 3, { l, 3 * c, c } },
                    { 2, { l, 3 * c } }, { 3, { l, c, c } }, { 2, { l, c } }, { 2, { l, c } }, { 2, { l, c } },
                    { 3, { l, 4 * c, c } }, { 2, { l, 4 * c } }, { 3, { l, c, 4 * c } }, { 2, { l, c } }, { 1, { c } },
                    { 1, { c } } };
    g->model = (glimpse_model)GLIMPSE_MODEL_INIT;
    g->model.n_layers = L;
    g->model.n_heads = H;
    g->model.channels = C;
    g->model.vocab_size = V;
    g->model.max_seq_len = T;
    g->model.eos = eos;
    for (int i = 0; i < 16; i++) {
        g->n[i] = 1;
        for (int k = 0; k < shape[i].n; k++) g->n[i] *= (size_t)shape[i].d[k];
        g->w[i] = malloc(g->n[i] * sizeof(float));
        float one = i == 2 || i == 8 || i == 14 ? 1.0f : 0.0f, sd = i == 0 || i == 1 ? 0.3f : one > 0 ? 0.05f : 0.15f;
        for (size_t k = 0; k < g->n[i]; k++)
            g->w[i][k] = one + sd * ((float)(next(&seed) >> 40) / 8388608.0f - 1.0f) * 1.7f;
        glimpse_bind(&g->model, names[i], g->w[i], GLIMPSE_F32, shape[i].n, shape[i].d);
    }
    static char chars[128][2];
    static const char *pieces[128];
    static int32_t bytes[128];
    for (int i = 0; i < V && i < 95; i++) {
        chars[i][0] = i ? (char)(' ' + i) : '\n';
        pieces[i] = chars[i];
        bytes[i] = 1;
    }
    if (V <= 95) {
        g->model.tokenizer.pieces = pieces;
        g->model.tokenizer.piece_bytes = bytes;
        g->model.tokenizer.n_pieces = V;
    }
}

void tiny_gpt_free(tiny_gpt *g) {
    for (int i = 0; i < 16; i++) free(g->w[i]);
    glimpse_model_free(&g->model);
}
