/* place.c -- see place.h.  Everything that is said about a shape is said here, so that all messages have one form.
 *
 * A square matrix that is stored the other way round has the shape it should have: no check of shapes can see that.
 * glimpse_check does, because the loss is then another one. */
#include "sampling/model/place.h"

#include <stdio.h>
#include <string.h>

#include "include/internal/status.h"
#include "kernels/dtype.h"

enum { SHAPE_BYTES = 160 };
#define MAX_DIM ((int64_t)1 << 40)

int64_t dim_value(const glimpse_model *d, dim_letter letter) {
    int64_t hd = d->head_size;
    switch (letter) {
    case DIM_VP: return d->vocab_size;
    case DIM_T: return d->max_seq_len;
    case DIM_C: return d->channels;
    case DIM_Q: return d->n_heads * hd;
    case DIM_KV: return d->n_kv_heads * hd;
    case DIM_QKV: return (d->n_heads + 2 * (int64_t)d->n_kv_heads) * hd;
    case DIM_F: return d->ffn_size;
    case DIM_UP: return d->ffn_size;
    case DIM_2F: return 2 * (int64_t)d->ffn_size;
    case DIM_HD: return hd;
    case DIM_NONE: break;
    }
    return 0;
}

static const char *letter_text(const glimpse_model *d, dim_letter letter) {
    bool plain = (int64_t)d->n_heads * d->head_size == d->channels; /* H hd = C, as in GPT-2 */
    switch (letter) {
    case DIM_VP: return "Vp";
    case DIM_T: return "T";
    case DIM_C: return "C";
    case DIM_Q: return plain ? "C" : "H hd";
    case DIM_KV: return "KV hd";
    case DIM_QKV: return plain && d->n_kv_heads == d->n_heads ? "3C" : "(H + 2KV) hd";
    case DIM_F: return "F";
    case DIM_UP: return "F";
    case DIM_2F: return "2F";
    case DIM_HD: return "hd";
    case DIM_NONE: break;
    }
    return "?";
}

static bool dim_fits(const glimpse_model *d, dim_letter letter, int64_t found) {
    int64_t want = dim_value(d, letter);
    if (letter == DIM_VP || letter == DIM_T) return found >= want;
    if (letter == DIM_UP) return found == want || found == 2 * want;
    return found == want;
}

static int rule_rank(const tensor_rule *rule) { return rule->dims[1] == DIM_NONE ? 1 : 2; }

void shape_expected(const glimpse_model *d, const tensor_rule *rule, bool stacked, bool transposed, char *out,
                    size_t cap) {
    char letters[64] = "", numbers[80] = "";
    size_t nl = 0, nn = 0;
    int rank = rule_rank(rule);
    if (stacked) {
        nl = (size_t)snprintf(letters, sizeof letters, "L, ");
        nn = (size_t)snprintf(numbers, sizeof numbers, "%d, ", (int)d->n_layers);
    }
    for (int i = 0; i < rank; i++) {
        dim_letter letter = rule->dims[transposed && rank == 2 ? 1 - i : i];
        const char *more = letter == DIM_VP || letter == DIM_T ? " or more" : "";
        const char *comma = i + 1 < rank ? ", " : "";
        long long value = (long long)dim_value(d, letter);
        nl += (size_t)snprintf(letters + nl, sizeof letters - nl, "%s%s", letter_text(d, letter), comma);
        if (letter == DIM_UP)
            nn += (size_t)snprintf(numbers + nn, sizeof numbers - nn, "%lld or gated %lld%s", value, 2 * value, comma);
        else nn += (size_t)snprintf(numbers + nn, sizeof numbers - nn, "%lld%s%s", value, more, comma);
    }
    snprintf(out, cap, "(%s) = (%s)", letters, numbers);
}

static void shape_found(const glimpse_tensor *t, char *out, size_t cap) {
    size_t n = (size_t)snprintf(out, cap, "(");
    for (int i = 0; i < t->n_dims && n < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, "%s%lld", i ? ", " : "", (long long)t->dims[i]);
    if (n < cap) snprintf(out + n, cap - n, ")");
}

/* Sizes, strides and address by themselves; fills in the strides of a dense tensor. */
static glimpse_status check_layout(const char *name, const glimpse_tensor *t, int64_t strides[4]) {
    if (t->dtype != GLIMPSE_F32 && t->dtype != GLIMPSE_BF16 && t->dtype != GLIMPSE_F16)
        FAIL(GLIMPSE_E_MODEL, "tensor %s: unknown dtype %d", name, (int)t->dtype);
    if (t->n_dims < 1 || t->n_dims > 4)
        FAIL(GLIMPSE_E_MODEL, "tensor %s: %d dimensions, 1 to 4 are possible", name, (int)t->n_dims);
    if (t->flags & ~(uint32_t)GLIMPSE_TRANSPOSED)
        FAIL(GLIMPSE_E_MODEL, "tensor %s: unknown flags 0x%x", name, (unsigned)t->flags);
    if (!t->data) FAIL(GLIMPSE_E_MODEL, "tensor %s: its data is NULL", name);
    if ((uintptr_t)t->data % dtype_bytes(t->dtype))
        FAIL(GLIMPSE_E_MODEL, "tensor %s: its address is not a multiple of its %d-byte elements", name,
             (int)dtype_bytes(t->dtype));
    bool dense = true;
    for (int i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 1 || t->dims[i] > MAX_DIM)
            FAIL(GLIMPSE_E_MODEL, "tensor %s: dimension %d is %lld", name, i, (long long)t->dims[i]);
        if (t->strides[i]) dense = false;
    }
    int64_t elements = 1, last = 0, span;
    for (int i = t->n_dims - 1; i >= 0; i--) {
        strides[i] = dense ? elements : t->strides[i];
        if (t->dims[i] > 1 && strides[i] < 1)
            FAIL(GLIMPSE_E_MODEL, "tensor %s: stride %d is %lld, at least 1 is expected", name, i, (long long)strides[i]);
        if (__builtin_mul_overflow(elements, t->dims[i], &elements) || elements > INT64_MAX / 8 ||
            __builtin_mul_overflow(t->dims[i] - 1, strides[i], &span) || __builtin_add_overflow(last, span, &last) ||
            last > INT64_MAX / 8)
            FAIL(GLIMPSE_E_MODEL, "tensor %s: its dimensions and strides reach beyond any memory", name);
    }
    return GLIMPSE_OK;
}

/* t fits the rule in rank and sizes, or the message that says why not. */
static glimpse_status check_shape(const glimpse_model *d, const tensor_rule *rule, const char *name, bool stacked,
                                  const glimpse_tensor *t) {
    int rank = rule_rank(rule), lead = stacked ? 1 : 0;
    bool transposed = t->flags & GLIMPSE_TRANSPOSED, ok = t->n_dims == rank + lead, turned = false;
    if (transposed && rank != 2) FAIL(GLIMPSE_E_MODEL, "tensor %s: GLIMPSE_TRANSPOSED is for matrices alone", name);
    if (ok && stacked) ok = t->dims[0] == d->n_layers;
    if (ok && rank == 2) {
        int64_t a = t->dims[lead], b = t->dims[lead + 1];
        turned = dim_fits(d, rule->dims[transposed], b) && dim_fits(d, rule->dims[!transposed], a);
        ok = dim_fits(d, rule->dims[transposed], a) && dim_fits(d, rule->dims[!transposed], b);
    } else if (ok) ok = dim_fits(d, rule->dims[0], t->dims[lead]);
    if (ok) return GLIMPSE_OK;
    char want[SHAPE_BYTES], have[SHAPE_BYTES];
    shape_expected(d, rule, stacked, transposed, want, sizeof want);
    shape_found(t, have, sizeof have);
    glimpse_status st = status_fail(GLIMPSE_E_MODEL, __FILE__, __LINE__, "tensor %s: expected %s, found %s", name, want,
                                    have);
    if (turned && !transposed) HINT("if it is stored (in, out), bind it with GLIMPSE_TRANSPOSED");
    else if (turned) HINT("it is stored (out, in): bind it without GLIMPSE_TRANSPOSED");
    else if (!stacked && rule_in_layer(rule) && t->n_dims == rank + 1)
        HINT("a tensor of all layers is bound with * in place of the layer's number");
    else if (stacked && t->n_dims == rank) HINT("with * in its name the first dimension is the layer");
    return st;
}

static matrix layer_matrix(const glimpse_tensor *t, const int64_t *strides, int lead, int64_t layer) {
    int row = lead, col = lead + 1;
    if (t->flags & GLIMPSE_TRANSPOSED) row = lead + 1, col = lead;
    size_t skip = lead ? (size_t)(layer * strides[0]) * dtype_bytes(t->dtype) : 0;
    return (matrix){(const char *)t->data + skip, t->dtype, t->dims[row], t->dims[col], strides[row], strides[col]};
}

static glimpse_status put(model *m, const tensor_rule *rule, const char *name, int32_t layer, void *base,
                          const glimpse_tensor *t, const int64_t *strides, int lead) {
    void *place = (char *)base + rule->place;
    const void *taken = rule_rank(rule) == 2 ? ((matrix *)place)->data : ((vector *)place)->data;
    char one[160];
    name_of(rule, layer, one, sizeof one);
    if (taken) FAIL(GLIMPSE_E_MODEL, "tensor %s: %s is bound twice", name, one);
    if (rule_rank(rule) == 2) {
        matrix w = layer_matrix(t, strides, lead, layer);
        int64_t rows = rule->dims[0] == DIM_VP ? m->d.vocab_size : w.rows;
        *(matrix *)place = w;
        m->n_params += rows * w.cols;
        return GLIMPSE_OK;
    }
    if (t->dims[lead] > 1 && strides[lead] != 1)
        FAIL(GLIMPSE_E_MODEL, "tensor %s: its elements lie %lld apart, a vector must be dense", name,
             (long long)strides[lead]);
    size_t skip = lead ? (size_t)(layer * strides[0]) * dtype_bytes(t->dtype) : 0;
    *(vector *)place = (vector){(const char *)t->data + skip, t->dtype, t->dims[lead]};
    m->n_params += t->dims[lead];
    return GLIMPSE_OK;
}

glimpse_status tensor_place(model *m, const tensor_rule *rule, int32_t layer, const glimpse_tensor *t) {
    const char *name = t->name;
    bool stacked = layer == LAYER_ALL;
    int64_t strides[4] = {0, 0, 0, 0};
    TRY(check_layout(name, t, strides));
    if (rule->need == NEED_LEARNED && m->d.positions != GLIMPSE_LEARNED)
        FAIL(GLIMPSE_E_MODEL, "tensor %s is bound, but model.positions says that no positions are learned", name);
    if (layer >= m->d.n_layers)
        FAIL(GLIMPSE_E_MODEL, "tensor %s: the model has %d layers, 0 to %d", name, (int)m->d.n_layers,
             (int)m->d.n_layers - 1);
    TRY(check_shape(&m->d, rule, name, stacked, t));
    if (layer == LAYER_NONE) return put(m, rule, name, layer, m, t, strides, 0);
    if (!stacked) return put(m, rule, name, layer, &m->layers[layer], t, strides, 0);
    for (int32_t l = 0; l < m->d.n_layers; l++) TRY(put(m, rule, name, l, &m->layers[l], t, strides, 1));
    return GLIMPSE_OK;
}
