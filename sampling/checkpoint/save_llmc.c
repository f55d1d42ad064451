/* save_llmc.c -- a GPT-2 as llm.c's model .bin (the layout is in llmc_bin.c), version 3 (f32) or 5 (bf16), which its trainers
 * continue from.  The vocabulary is padded with zeros to a multiple of 128 rows.  Called by save.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "kernels/dtype.h"
#include "sampling/checkpoint/save.h"

enum { INTS = 256, MAGIC = 20240326, PAD = 128 };

/* What llm.c computes, and nothing else. */
static glimpse_status check(const model *m) {
    const glimpse_model *d = &m->d;
    const char *why = NULL;
    if (m->is_function || strcmp(m->arch, "gpt2")) why = "it is no GPT-2";
    else if (d->norm != GLIMPSE_LAYERNORM || fabs((double)d->norm_eps - 1e-5) > 1e-9) why = "its norm is not LayerNorm with eps 1e-5";
    else if (d->activation != GLIMPSE_GELU_TANH) why = "its activation is not the tanh form of GELU";
    else if (d->positions != GLIMPSE_LEARNED) why = "its positions are not learned";
    else if (m->head.data != m->wte.data) why = "its head is not its embedding";
    else if (d->n_kv_heads != d->n_heads || (int64_t)d->n_heads * d->head_size != d->channels) why = "its heads are not C / H wide";
    else if ((int64_t)d->ffn_size != 4 * (int64_t)d->channels || m->layers[0].gated) why = "its feed-forward layers are not 4C wide";
    else if (d->window || d->attention_softcap > 0 || d->logit_softcap > 0 || d->embedding_scale != 1 || d->parallel_residual == 1 ||
             fabs((double)d->attention_scale * sqrt(d->head_size) - 1) > 1e-6)
        why = "it has windows, caps or scales";
    if (why) FAIL(GLIMPSE_E_UNSUPPORTED, "llm.c's .bin cannot hold this model: %s\nhint: --format safetensors holds it", why);
    return GLIMPSE_OK;
}

static const saved_tensor *find(const tensor_list *l, const char *name) {
    for (int32_t i = 0; i < l->n; i++)
        if (!strcmp(l->t[i].name, name)) return &l->t[i];
    return NULL;
}

static glimpse_status put_zeros(save_file *f, int64_t bytes) {
    static const char zeros[4096];
    for (; bytes > 0; bytes -= (int64_t)sizeof zeros)
        TRY(save_put(f, zeros, bytes < (int64_t)sizeof zeros ? (size_t)bytes : sizeof zeros));
    return GLIMPSE_OK;
}

glimpse_status save_llmc(const model *m, const char *path, const save_request *rq) {
    static const char *const order[] = {"wte.weight", "wpe.weight", "h.#.ln_1.weight", "h.#.ln_1.bias", "h.#.attn.c_attn.weight",
                                        "h.#.attn.c_attn.bias", "h.#.attn.c_proj.weight", "h.#.attn.c_proj.bias",
                                        "h.#.ln_2.weight", "h.#.ln_2.bias", "h.#.mlp.c_fc.weight", "h.#.mlp.c_fc.bias",
                                        "h.#.mlp.c_proj.weight", "h.#.mlp.c_proj.bias", "ln_f.weight", "ln_f.bias"};
    glimpse_status st = GLIMPSE_OK;
    const glimpse_model *d = &m->d;
    tensor_list l = {0};
    save_file f = {.fd = -1};
    save_dtype dtype = rq->dtype == SAVE_AS_IS ? m->dtype == GLIMPSE_F32 ? SAVE_F32 : SAVE_BF16 : rq->dtype;
    TRY(check(m));
    if (rq->dtype == SAVE_F16 || (rq->dtype == SAVE_AS_IS && m->dtype == GLIMPSE_F16))
        FAIL(GLIMPSE_E_UNSUPPORTED, "llm.c's .bin holds f32 or bf16\nhint: --dtype f32 keeps every bit of f16");
    int32_t V = d->vocab_size, Vp = (V + PAD - 1) / PAD * PAD;
    int32_t head[INTS] = {MAGIC, dtype == SAVE_F32 ? 3 : 5, d->max_seq_len, V, d->n_layers, d->n_heads, d->channels, Vp};
    int64_t total = (int64_t)sizeof head;
    TRY_GOTO(save_list(m, dtype, &l));
    for (int32_t i = 0; i < l.n; i++) total += save_bytes(&l.t[i]);
    TRY_GOTO(save_open(path, total, rq, &f));
    TRY_GOTO(save_put(&f, head, sizeof head));
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const char *hash = strchr(order[i], '#');
        for (int32_t layer = 0; layer < (hash ? d->n_layers : 1); layer++) {
            char name[96];
            if (hash) c_snprintf(name, sizeof name, "transformer.%.*s%d%s", (int)(hash - order[i]), order[i], (int)layer, hash + 1);
            else c_snprintf(name, sizeof name, "transformer.%s", order[i]);
            const saved_tensor *found = find(&l, name);
            if (!found) FAIL_GOTO(GLIMPSE_E_INTERNAL, "%s was not listed", name);
            saved_tensor t = *found;
            if (t.turned) { /* (out, in) there */
                int64_t rows = t.dims[1];
                t.turned = false, t.dims[1] = t.dims[0], t.dims[0] = rows;
            }
            TRY_GOTO(save_put_tensor(&f, &t));
            if (i == 0) TRY_GOTO(put_zeros(&f, (int64_t)(Vp - V) * d->channels * (int64_t)dtype_bytes(t.dtype)));
        }
    }
out:
    st = save_close(&f, st);
    free(l.t);
    return st;
}
