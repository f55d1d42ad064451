/* model_variants.c -- see model_variants.h. */
#include "hooks/model_variants.h"

#include <math.h>
#include <string.h>

#include "kernels/dtype.h"

/* Where q, k and v stand in memory, by index of VARIANT_QKV_ORDER; the first is the right one. */
static const int orders[6][3] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
static const double eps[] = {1e-5, 1e-6, 1e-12};
static const char *const eps_said[] = {"1e-5", "1e-6", "1e-12"};
static const char *const activations[] = {"GLIMPSE_GELU_TANH", "GLIMPSE_GELU_ERF", "GLIMPSE_SILU", "GLIMPSE_RELU"};

static bool is_layers_matrix(const tensor_rule *r) { return rule_in_layer(r) && r->dims[1] != DIM_NONE && r->need != NEED_IGNORED; }

static const tensor_rule *qkv_rule(const model *m) {
    const tensor_family *f = family_find(m->d.arch);
    for (int i = 0; f && i < f->n_rules; i++)
        if (is_layers_matrix(&f->rules[i]) && f->rules[i].place == offsetof(model_layer, qkv[0])) return &f->rules[i];
    return NULL;
}

/* Heads of another size that q, k and v could be cut into. */
static int32_t add_heads(const model *m, variant *out, int32_t n, int32_t most) {
    const int64_t hd = m->d.head_size, q = m->d.n_heads * hd, kv = m->d.n_kv_heads * hd;
    for (int64_t size = 256; size > 0 && n < most; size -= 4) /* heads are multiples of 4 wide */
        if (size != hd && q % size == 0 && kv % size == 0) out[n++] = (variant){VARIANT_HEADS, (double)size, NULL};
    return n;
}

int32_t variants_of(const model *m, int32_t ids, bool subtle, variant *out) {
    int32_t n = 0;
    const tensor_family *f = family_find(m->d.arch);
    for (int i = 0; i < 3; i++) out[n++] = (variant){VARIANT_EPS, i, NULL};
    if (subtle) {
        if (m->d.activation == GLIMPSE_GELU_TANH) out[n++] = (variant){VARIANT_ACTIVATION, GLIMPSE_GELU_ERF, NULL};
        if (m->d.activation == GLIMPSE_GELU_ERF) out[n++] = (variant){VARIANT_ACTIVATION, GLIMPSE_GELU_TANH, NULL};
        return n;
    }
    for (int i = 0; i < 4; i++) out[n++] = (variant){VARIANT_ACTIVATION, i, NULL};
    out[n++] = (variant){VARIANT_TRANSPOSED, 0, NULL};
    for (int i = 0; f && i < f->n_rules && n < VARIANTS_MOST - 40; i++)
        if (is_layers_matrix(&f->rules[i])) out[n++] = (variant){VARIANT_TRANSPOSED, 0, &f->rules[i]};
    for (int i = 1; i < 6; i++) out[n++] = (variant){VARIANT_QKV_ORDER, i, NULL};
    for (variant_kind k = VARIANT_NORM; k <= VARIANT_ROPE_PAIRS; k++) out[n++] = (variant){k, 0, NULL};
    out[n++] = (variant){VARIANT_QKV_GROUPED, 0, NULL};
    out[n++] = (variant){VARIANT_GATE_AND_UP, 0, NULL};
    for (int i = 0; i < 3; i++) out[n++] = (variant){VARIANT_ROPE_THETA, (double[]){1e4, 5e5, 1e6}[i], NULL};
    out[n++] = (variant){VARIANT_ATTENTION_SCALE, 1, NULL};
    out[n++] = (variant){VARIANT_EMBEDDING_SCALE, sqrt(m->d.channels), NULL};
    out[n++] = (variant){VARIANT_VOCABULARY, (double)m->wte.rows, NULL};
    if (ids) out[n++] = (variant){VARIANT_VOCABULARY, ids, NULL};
    return add_heads(m, out, n, VARIANTS_MOST);
}

static bool transpose(matrix *w) {
    if (!w->data) return false;
    if (w->col_stride == 1 && w->row_stride == w->cols) w->row_stride = 1, w->col_stride = w->rows;
    else if (w->row_stride == 1 && w->col_stride == w->rows) w->row_stride = w->cols, w->col_stride = 1;
    else return false; /* strides that are no dense matrix's: there is nothing that they could be taken for */
    return true;
}

static bool transpose_all(model *m, const tensor_rule *rule) {
    const tensor_family *f = family_find(m->d.arch);
    bool any = false;
    for (int i = 0; f && i < f->n_rules; i++) {
        if (!is_layers_matrix(&f->rules[i]) || (rule && rule != &f->rules[i])) continue;
        for (int32_t l = 0; l < m->d.n_layers; l++) any |= transpose((matrix *)(void *)((char *)&m->layers[l] + f->rules[i].place));
    }
    return any;
}

static matrix rows_of(const matrix *w, int64_t from, int64_t n) {
    matrix part = *w;
    part.data = (const char *)w->data + (size_t)(from * w->row_stride) * dtype_bytes(w->dtype);
    part.rows = n;
    return part;
}

static vector part_of(const vector *b, int64_t from, int64_t n) {
    vector part = *b;
    if (!b->data) return part;
    part.data = (const char *)b->data + (size_t)from * dtype_bytes(b->dtype);
    part.n = n;
    return part;
}

/* Three tensors, each of which was bound as another one. */
static bool exchange_qkv(model_layer *y, const int order[3], const int64_t size[3]) {
    const model_layer was = *y;
    for (int i = 0; i < 3; i++) {
        if (was.qkv[i].rows != size[order[i]]) return false;
        y->qkv[order[i]] = was.qkv[i];
        y->qkv_bias[order[i]] = was.qkv_bias[i];
    }
    return true;
}

static bool reorder_qkv(model *m, const int order[3]) {
    const int64_t hd = m->d.head_size, size[3] = {m->d.n_heads * hd, m->d.n_kv_heads * hd, m->d.n_kv_heads * hd};
    for (int32_t l = 0; l < m->d.n_layers; l++) {
        model_layer *y = &m->layers[l];
        const matrix w = y->qkv[0];
        const vector b = y->qkv_bias[0];
        if (m->d.qkv_grouped == 1 || (y->n_qkv != 1 && !exchange_qkv(y, order, size))) return false;
        int64_t from = 0;
        for (int i = 0; i < 3 && y->n_qkv == 1; i++) {
            const int part = order[i];
            y->qkv[part] = rows_of(&w, from, size[part]);
            y->qkv_bias[part] = part_of(&b, from, size[part]);
            from += size[part];
        }
        y->n_qkv = 3;
    }
    return true;
}

/* q, k and v cut into heads of another size; what hangs on the size goes with it where it is the default. */
static bool cut_heads(model *m, int32_t size) {
    glimpse_model *d = &m->d;
    const int32_t was = d->head_size;
    if (m->layers[0].q_norm.on || d->rope_scaling || size == was) return false;
    if (d->positions == GLIMPSE_ROPE && (size % 2 || (d->rope_dims != was && d->rope_dims > size))) return false;
    d->n_heads = (int32_t)((int64_t)d->n_heads * was / size);
    d->n_kv_heads = (int32_t)((int64_t)d->n_kv_heads * was / size);
    d->head_size = size;
    if (d->rope_dims == was) d->rope_dims = size;
    if (d->attention_scale == (float)(1 / sqrt((double)was))) d->attention_scale = (float)(1 / sqrt((double)size));
    return true;
}

static bool swap_gate(model *m) {
    const int64_t F = m->d.ffn_size;
    for (int32_t l = 0; l < m->d.n_layers; l++) {
        model_layer *y = &m->layers[l];
        if (!y->gated) return false;
        const bool one = y->n_up == 1;
        const matrix gate = one ? rows_of(&y->up[0], 0, F) : y->up[0], up = one ? rows_of(&y->up[0], F, F) : y->up[1];
        const vector gate_bias = one ? part_of(&y->up_bias[0], 0, F) : y->up_bias[0], up_bias = one ? part_of(&y->up_bias[0], F, F) : y->up_bias[1];
        y->up[0] = up, y->up[1] = gate;
        y->up_bias[0] = up_bias, y->up_bias[1] = gate_bias;
        y->n_up = 2;
    }
    return true;
}

/* Every norm of the model that is on. */
static void each_norm(model *m, void (*change)(norm_spec *n, double value), double value) {
    change(&m->ln_f, value);
    for (int32_t l = 0; l < m->d.n_layers; l++) {
        model_layer *y = &m->layers[l];
        norm_spec *all[] = {&y->ln1, &y->ln2, &y->post_attn, &y->post_mlp, &y->q_norm, &y->k_norm};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            if (all[i]->on) change(all[i], value);
    }
}
static void set_eps(norm_spec *n, double to) { n->eps = (float)to; }
static void set_kind(norm_spec *n, double kind) { n->kind = (glimpse_norm)kind; }
static void set_plus_one(norm_spec *n, double on) { n->plus_one = on != 0; }

static bool set_float(float *field, double value) {
    if (*field == (float)value) return false;
    *field = (float)value;
    return true;
}

bool variant_apply(const variant *v, model *m) {
    glimpse_model *d = &m->d;
    switch (v->kind) {
    case VARIANT_ACTIVATION:
        if (d->activation == (int32_t)v->value) return false;
        d->activation = (int32_t)v->value;
        return true;
    case VARIANT_EPS:
        if (!set_float(&d->norm_eps, eps[(int)v->value])) return false;
        return each_norm(m, set_eps, eps[(int)v->value]), true;
    case VARIANT_NORM:
        d->norm = d->norm == GLIMPSE_LAYERNORM ? GLIMPSE_RMSNORM : GLIMPSE_LAYERNORM;
        return each_norm(m, set_kind, d->norm), true;
    case VARIANT_PLUS_ONE:
        if (d->norm != GLIMPSE_RMSNORM) return false;
        d->norm_plus_one = d->norm_plus_one == 1 ? -1 : 1;
        return each_norm(m, set_plus_one, d->norm_plus_one == 1), true;
    case VARIANT_ROPE_PAIRS:
        if (d->positions != GLIMPSE_ROPE) return false;
        d->rope_interleaved = !d->rope_interleaved;
        return true;
    case VARIANT_ROPE_THETA: return d->positions == GLIMPSE_ROPE && set_float(&d->rope_theta, v->value);
    case VARIANT_ATTENTION_SCALE: return set_float(&d->attention_scale, v->value);
    case VARIANT_EMBEDDING_SCALE: return set_float(&d->embedding_scale, d->embedding_scale == (float)v->value ? 1 : v->value);
    case VARIANT_TRANSPOSED: return transpose_all(m, v->rule);
    case VARIANT_QKV_ORDER: return reorder_qkv(m, orders[(int)v->value]);
    case VARIANT_QKV_GROUPED:
        if (m->layers[0].n_qkv != 1) return false;
        d->qkv_grouped = d->qkv_grouped == 1 ? -1 : 1;
        return true;
    case VARIANT_GATE_AND_UP: return swap_gate(m);
    case VARIANT_HEADS: return cut_heads(m, (int32_t)v->value);
    case VARIANT_VOCABULARY: {
        const int64_t rows = m->wte.rows < m->head.rows ? m->wte.rows : m->head.rows;
        if ((int32_t)v->value == d->vocab_size || v->value > (double)rows) return false;
        d->vocab_size = (int32_t)v->value;
        return true;
    }
    }
    return false;
}

void variant_say(const variant *v, const model *m, buffer *out) {
    char name[160] = "q, k and v";
    const tensor_rule *rule = v->kind == VARIANT_TRANSPOSED ? v->rule : qkv_rule(m);
    if (rule) name_of(rule, LAYER_ALL, name, sizeof name);
    switch (v->kind) {
    case VARIANT_ACTIVATION: buf_printf(out, "model.activation = %s", activations[(int)v->value]); break;
    case VARIANT_EPS: buf_printf(out, "model.norm_eps = %s", eps_said[(int)v->value]); break;
    case VARIANT_NORM: buf_printf(out, "model.norm = %s", m->d.norm == GLIMPSE_LAYERNORM ? "GLIMPSE_RMSNORM" : "GLIMPSE_LAYERNORM"); break;
    case VARIANT_PLUS_ONE: buf_printf(out, "model.norm_plus_one = %d", m->d.norm_plus_one == 1 ? -1 : 1); break;
    case VARIANT_ROPE_PAIRS: buf_printf(out, "model.rope_interleaved = %d", !m->d.rope_interleaved); break;
    case VARIANT_ROPE_THETA: buf_printf(out, "model.rope_theta = %g", v->value); break;
    case VARIANT_ATTENTION_SCALE: buf_printf(out, "model.attention_scale = %g", v->value); break;
    case VARIANT_EMBEDDING_SCALE: buf_printf(out, "model.embedding_scale = %g", m->d.embedding_scale == (float)v->value ? 1 : v->value); break;
    case VARIANT_TRANSPOSED: buf_printf(out, "%s transposed", v->rule ? name : "every matrix of the layers"); break;
    case VARIANT_QKV_ORDER: {
        const int *o = orders[(int)v->value];
        const char *what = m->layers[0].n_qkv == 1 ? name : "what is bound as q, k, v"; /* three tensors */
        buf_printf(out, "%s in the order %c, %c, %c", what, "qkv"[o[0]], "qkv"[o[1]], "qkv"[o[2]]);
        break;
    }
    case VARIANT_QKV_GROUPED: buf_printf(out, "model.qkv_grouped = %d", m->d.qkv_grouped == 1 ? -1 : 1); break;
    case VARIANT_GATE_AND_UP: buf_puts(out, "the gate's rows and up's the other way round"); break;
    case VARIANT_HEADS: {
        const int64_t q = (int64_t)m->d.n_heads * m->d.head_size, kv = (int64_t)m->d.n_kv_heads * m->d.head_size, size = (int64_t)v->value;
        buf_printf(out, "model.n_heads = %lld", (long long)(q / size));
        if (kv != q) buf_printf(out, ", n_kv_heads = %lld", (long long)(kv / size));
        if (q != m->d.channels) buf_printf(out, ", head_size = %lld", (long long)size);
        break;
    }
    case VARIANT_VOCABULARY: buf_printf(out, "model.vocab_size = %d", (int)v->value); break;
    }
}
