/* forward.c -- the order of phases of a decoder-only transformer: embed; for each layer norm + q k v to the cache, attend,
 * output projection added, norm + feed-forward; head.  Five phases a layer, whatever the description's values: what
 * differs between architectures (gates, rotary positions, further norms, caps) is fields of these phases. */
#include "sampling/forward.h"

#include <math.h>
#include <stdlib.h>

#include "include/internal/status.h"

/* The plan's buffers. */
enum { BUF_X, BUF_Q, BUF_ATT, BUF_FFN, N_BUFFERS };
enum { PHASES_A_LAYER = 5 };

/* Llama 3.1 (meta-llama/llama-models, apply_scaling): by the wave's length 2 pi / f, with L the original context. */
static double scale_llama3(const glimpse_model *d, double f) {
    double wave = 2 * M_PI / f, L = d->rope_original_len, low = (double)d->rope_low, high = (double)d->rope_high;
    if (wave < L / high) return f;
    if (wave > L / low) return f / (double)d->rope_factor;
    double s = (L / wave - low) / (high - low);
    return (1 - s) * f / (double)d->rope_factor + s * f;
}

/* YaRN (Peng et al. 2023, section 3.2): the dimension that turns r times over the original context, and between those of
 * beta_fast and beta_slow a ramp from f to f / factor. */
static double yarn_dimension(const glimpse_model *d, double turns) {
    return d->rope_dims * log(d->rope_original_len / (turns * 2 * M_PI)) / (2 * log((double)d->rope_theta));
}

static double scale_yarn(const glimpse_model *d, double f, int32_t i) {
    double low = fmax(floor(yarn_dimension(d, (double)d->rope_high)), 0);
    double high = fmin(ceil(yarn_dimension(d, (double)d->rope_low)), d->rope_dims - 1);
    if (high == low) high += 0.001;
    double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
    return f / (double)d->rope_factor * ramp + f * (1 - ramp);
}

/* inv_freq[i] = theta^(-2i / dims): RoFormer (Su et al. 2021), section 3.2.2. */
static double frequency(const glimpse_model *d, double theta, int32_t i) {
    double f = pow(theta, -2.0 * i / d->rope_dims);
    if (d->rope_scaling == GLIMPSE_ROPE_LINEAR) f /= (double)d->rope_factor;
    else if (d->rope_scaling == GLIMPSE_ROPE_LLAMA3) f = scale_llama3(d, f);
    else if (d->rope_scaling == GLIMPSE_ROPE_YARN) f = scale_yarn(d, f, i);
    return f;
}

/* The tables of a model: of the layers that see everything (perhaps with a second one for long texts), and of those with
 * a window, where they have a theta of their own. */
typedef struct ropes {
    rope_spec global, local;
} ropes;

static glimpse_status fill_ropes(const glimpse_model *d, plan *p, ropes *r) {
    if (d->positions != GLIMPSE_ROPE) return GLIMPSE_OK;
    int32_t half = d->rope_dims / 2;
    bool longer = d->rope_scaling == GLIMPSE_ROPE_LONGROPE, factors = d->rope_factors[0] > 0;
    if (!(p->inv_freq = malloc(3 * (size_t)half * sizeof *p->inv_freq))) FAIL(GLIMPSE_E_MEMORY, "no memory for a plan");
    double *far = p->inv_freq + half, *local = far + half;
    for (int32_t i = 0; i < half; i++) {
        double f = frequency(d, (double)d->rope_theta, i);
        p->inv_freq[i] = factors ? f / (double)d->rope_factors[i] : f;
        far[i] = longer ? f / (double)d->rope_factors_long[i] : f;
        local[i] = pow((double)d->rope_local_theta, -2.0 * i / d->rope_dims);
    }
    r->global = (rope_spec){p->inv_freq, d->rope_dims, d->rope_interleaved != 0, d->rope_attention, longer ? far : NULL,
                            d->rope_original_len};
    r->local = r->global;
    if (d->rope_local_theta > 0)
        r->local = (rope_spec){local, d->rope_dims, d->rope_interleaved != 0, 1, NULL, 0};
    return GLIMPSE_OK;
}

static rope_spec rope_of(const glimpse_model *d, const ropes *r, int32_t layer) {
    int32_t n = d->rope_skip_pattern;
    if (n && layer % n == n - 1) return (rope_spec){0};
    return model_window(d, layer) ? r->local : r->global;
}

static phase embed_phase(const model *m) {
    phase f = {.kind = PHASE_EMBED, .layer = -1, .in = BUF_X, .out = BUF_X};
    f.embedding = m->wte;
    f.embedding.rows = m->d.vocab_size;
    if (m->d.positions == GLIMPSE_LEARNED) f.positions = m->wpe;
    f.embed_scale = m->d.embedding_scale;
    return f;
}

static phase qkv_phase(const model *m, const model_layer *y, int32_t layer, rope_spec rope) {
    phase f = {.kind = PHASE_MATMUL, .layer = layer, .in = BUF_X, .out = BUF_Q, .norm = y->ln1, .store = STORE_QKV};
    f.n_parts = y->n_qkv;
    for (int i = 0; i < y->n_qkv; i++) f.part[i] = y->qkv[i], f.bias[i] = y->qkv_bias[i];
    f.heads = m->d.n_heads, f.kv_heads = m->d.n_kv_heads, f.head_size = m->d.head_size;
    f.grouped = m->d.qkv_grouped == 1;
    f.q_norm = y->q_norm, f.k_norm = y->k_norm;
    f.rope = rope;
    return f;
}

static phase attend_phase(const model *m, int32_t layer) {
    phase f = {.kind = PHASE_ATTEND, .layer = layer, .in = BUF_Q, .out = BUF_ATT};
    f.heads = m->d.n_heads, f.kv_heads = m->d.n_kv_heads, f.head_size = m->d.head_size;
    f.scale = m->d.attention_scale, f.softcap = m->d.attention_softcap, f.window = model_window(&m->d, layer);
    return f;
}

static phase residual_phase(int32_t layer, int32_t in, matrix w, vector b, norm_spec post) {
    phase f = {.kind = PHASE_MATMUL, .layer = layer, .in = in, .out = BUF_X, .n_parts = 1, .store = STORE_ADD};
    f.part[0] = w, f.bias[0] = b;
    f.post_norm = post;
    return f;
}

static phase up_phase(const model *m, const model_layer *y, int32_t layer) {
    phase f = {.kind = PHASE_MATMUL, .layer = layer, .in = BUF_X, .out = BUF_FFN, .norm = y->ln2};
    f.n_parts = y->n_up;
    for (int i = 0; i < y->n_up; i++) f.part[i] = y->up[i], f.bias[i] = y->up_bias[i];
    f.activate = true;
    f.activation = (glimpse_activation)m->d.activation;
    f.store = y->gated ? STORE_GATED : STORE_SET;
    return f;
}

static phase head_phase(const model *m) {
    phase f = {.kind = PHASE_HEAD, .layer = -1, .in = BUF_X, .out = BUF_X, .norm = m->ln_f, .n_parts = 1};
    f.part[0] = m->head;
    f.part[0].rows = m->d.vocab_size; /* the padding's logits are never computed */
    f.softcap = m->d.logit_softcap;
    return f;
}

glimpse_status plan_build(const model *m, plan **out) {
    glimpse_status st = GLIMPSE_OK;
    plan *p = NULL;
    ropes rope = {0};
    const glimpse_model *d = &m->d;
    if (m->is_function) FAIL(GLIMPSE_E_UNSUPPORTED, "a model given as a function is called, it has no plan");
    int64_t q = (int64_t)d->n_heads * d->head_size;
    p = calloc(1, sizeof *p);
    if (p) p->phases = calloc((size_t)d->n_layers * PHASES_A_LAYER + 2, sizeof *p->phases);
    if (!p || !p->phases) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a plan");
    TRY_GOTO(fill_ropes(d, p, &rope));
    p->width[BUF_X] = d->channels;
    p->width[BUF_Q] = p->width[BUF_ATT] = (int32_t)q;
    p->width[BUF_FFN] = d->ffn_size;
    p->n_buffers = N_BUFFERS;
    p->n_layers = d->n_layers, p->heads = d->n_heads, p->kv_heads = d->n_kv_heads, p->head_size = d->head_size;
    p->channels = d->channels, p->vocab = d->vocab_size, p->max_seq_len = d->max_seq_len;
    phase *f = p->phases;
    *f++ = embed_phase(m);
    for (int32_t l = 0; l < d->n_layers; l++) {
        const model_layer *y = &m->layers[l];
        /* A parallel residual differs in order alone: the feed-forward reads x before attention was added to it. */
        bool parallel = d->parallel_residual == 1;
        *f++ = qkv_phase(m, y, l, rope_of(d, &rope, l));
        *f++ = attend_phase(m, l);
        if (parallel) *f++ = up_phase(m, y, l);
        *f++ = residual_phase(l, BUF_ATT, y->attn_out, y->attn_out_bias, y->post_attn);
        if (!parallel) *f++ = up_phase(m, y, l);
        *f++ = residual_phase(l, BUF_FFN, y->down, y->down_bias, y->post_mlp);
    }
    *f++ = head_phase(m);
    p->n_phases = (int32_t)(f - p->phases);
    *out = p;
    p = NULL;
out:
    plan_close(p);
    return st;
}

void plan_close(plan *p) {
    if (!p) return;
    free(p->phases);
    free(p->inv_freq);
    free(p);
}
