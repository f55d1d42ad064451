/* save_tensors.c -- the tensors of a model in Hugging Face's layout, and their bytes (save.h).
 *
 * The model may hold them otherwise: matrices turned or strided, padding of the vocabulary, rotary pairs as neighbours where
 * transformers has halves, fused q, k, v in another order, norms of Gemma with their 1 added.  Each row of the file is
 * looked up in the model; nothing is re-laid in memory.  Called by save.c and save_llmc.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "kernels/dtype.h"
#include "sampling/checkpoint/save.h"
#include "sampling/model/names.h"

enum { BLOCK_BYTES = 1 << 20 };

#define IN(field) offsetof(model_layer, field)

const char *save_dtype_name(glimpse_dtype dtype) {
    return dtype == GLIMPSE_BF16 ? "BF16" : dtype == GLIMPSE_F16 ? "F16" : "F32";
}

int64_t save_count(const saved_tensor *t) { return t->dims[0] * (t->dims[1] ? t->dims[1] : 1); }
int64_t save_bytes(const saved_tensor *t) { return save_count(t) * (int64_t)dtype_bytes(t->dtype); }

glimpse_dtype save_dtype_of(save_dtype dtype, glimpse_dtype own) {
    return dtype == SAVE_AS_IS ? own : dtype == SAVE_F32 ? GLIMPSE_F32 : dtype == SAVE_BF16 ? GLIMPSE_BF16 : GLIMPSE_F16;
}

static bool is_norm_weight(const saved_tensor *t) {
    size_t n = strlen(t->name);
    return n > 11 && strstr(t->name, "norm") && !strcmp(t->name + n - 7, ".weight");
}

/* GPT-2's file has these (in, out), and every bias: what the model has not is 0 there. */
static bool is_conv1d(const char *name) {
    static const char *const ends[] = {"attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strlen(name) > strlen(ends[i]) && !strcmp(name + strlen(name) - strlen(ends[i]), ends[i])) return true;
    return false;
}

static glimpse_status describe(const model *m, const tensor_rule *rule, int32_t layer, save_dtype dtype, saved_tensor *t) {
    const void *base = layer < 0 ? (const void *)m : (const void *)&m->layers[layer];
    const void *place = (const char *)base + rule->place;
    bool is_matrix = rule->dims[1] != DIM_NONE, gpt2 = !strcmp(m->arch, "gpt2");
    *t = (saved_tensor){.of = m, .place = rule->place, .in_layer = layer >= 0, .dtype = m->dtype};
    name_of(rule, layer, t->name, sizeof t->name);
    if (is_matrix) t->m = *(const matrix *)place;
    else {
        const vector *v = place;
        t->m = (matrix){v->data, v->dtype, v->n, 1, 1, 1};
    }
    if (!t->m.data && gpt2 && strstr(t->name, ".bias")) { /* as long as its weight has rows */
        char weight[160];
        size_t n = strlen(t->name) - strlen("bias");
        c_snprintf(weight, sizeof weight, "%.*sweight", (int)n, t->name);
        int32_t of;
        const tensor_rule *w = name_find(family_find(m->arch), weight, &of);
        const void *at = w ? (const char *)base + w->place : NULL;
        t->m = (matrix){NULL, m->dtype, 0, 1, 1, 1};
        if (at) t->m.rows = w->dims[1] != DIM_NONE ? ((const matrix *)at)->rows : ((const vector *)at)->n;
    } else if (!t->m.data) return GLIMPSE_NOT_DUE;
    if (rule->dims[0] == DIM_VP) t->m.rows = m->d.vocab_size;
    if (rule->dims[0] == DIM_T) t->m.rows = m->d.max_seq_len;
    t->dtype = save_dtype_of(dtype, t->m.dtype);
    t->turned = gpt2 && is_matrix && is_conv1d(t->name);
    t->dims[0] = t->turned ? t->m.cols : t->m.rows;
    t->dims[1] = !is_matrix ? 0 : t->turned ? t->m.rows : t->m.cols;
    if (!strncmp(m->arch, "gemma", 5) && is_norm_weight(t) && m->d.norm_plus_one != 1) t->add = -1;
    return GLIMPSE_OK;
}

glimpse_status save_list(const model *m, save_dtype dtype, tensor_list *l) {
    const tensor_family *family = family_find(m->arch);
    if (m->is_function || !family)
        FAIL(GLIMPSE_E_UNSUPPORTED, "a model given as a function has no tensors that could be saved");
    size_t most = (size_t)family->n_rules * ((size_t)m->d.n_layers + 1);
    *l = (tensor_list){calloc(most, sizeof *l->t), 0};
    if (!l->t) FAIL(GLIMPSE_E_MEMORY, "no memory for a list of tensors");
    for (int i = 0; i < family->n_rules; i++) {
        const tensor_rule *rule = &family->rules[i];
        bool head = !rule_in_layer(rule) && rule->place == offsetof(model, head);
        if (rule->need == NEED_IGNORED || (head && m->head.data == m->wte.data)) continue;
        if (head && i && family->rules[i - 1].place == rule->place) continue; /* its other name */
        for (int32_t layer = 0; layer < (rule_in_layer(rule) ? m->d.n_layers : 1); layer++)
            if (describe(m, rule, rule_in_layer(rule) ? layer : LAYER_NONE, dtype, &l->t[l->n]) == GLIMPSE_OK) l->n++;
    }
    return GLIMPSE_OK;
}

/* === Rows === */

/* Element j of a head as transformers has it, in the model: pairs (i, i + dims / 2) from (2i, 2i + 1). */
static int64_t in_head(const glimpse_model *d, int64_t j) {
    int64_t half = d->rope_dims / 2;
    if (!d->rope_interleaved || d->positions != GLIMPSE_ROPE || j >= d->rope_dims) return j;
    return j < half ? 2 * j : 2 * (j - half) + 1;
}

static int64_t fused_row(const model *m, int64_t row) {
    const glimpse_model *d = &m->d;
    int64_t hd = d->head_size, head = row / hd, j = row % hd, H = d->n_heads, KV = d->n_kv_heads, share = H / KV;
    if (!strcmp(m->arch, "gpt_neox")) { /* the file's order is by group: as if q, k and v stood apart */
        int64_t g = head / (share + 2), k = head % (share + 2);
        head = k < share ? g * share + k : H + g + (k == share ? 0 : KV);
    }
    if (head < H + KV) j = in_head(d, j);
    if (d->qkv_grouped == 1) {
        int64_t g = head < H ? head / share : (head - H) % KV;
        head = head < H ? g * (share + 2) + head % share : g * (share + 2) + share + (head >= H + KV);
    }
    return head * hd + j;
}

/* The model's row of a row of the file. */
static int64_t row_of(const saved_tensor *t, int64_t row) {
    const model *m = t->of;
    int64_t hd = m->d.head_size;
    if (!t->in_layer) return row;
    if (m->layers[0].n_qkv == 1 && (t->place == IN(qkv[0]) || t->place == IN(qkv_bias[0]))) return fused_row(m, row);
    if (t->place == IN(qkv[0]) || t->place == IN(qkv[1]) || t->place == IN(qkv_bias[0]) || t->place == IN(qkv_bias[1]))
        return row / hd * hd + in_head(&m->d, row % hd);
    if (t->place == IN(q_norm.weight) || t->place == IN(k_norm.weight)) return in_head(&m->d, row);
    return row;
}

/* Whether row_of is more than the row. */
static bool is_mapped(const saved_tensor *t) {
    const glimpse_model *d = &t->of->d;
    bool ordered = d->qkv_grouped == 1 || !strcmp(t->of->arch, "gpt_neox");
    bool has_rows = t->place == IN(qkv[0]) || t->place == IN(qkv[1]) || t->place == IN(qkv_bias[0]) ||
                    t->place == IN(qkv_bias[1]) || t->place == IN(q_norm.weight) || t->place == IN(k_norm.weight);
    return t->in_layer && has_rows && ((d->rope_interleaved && d->positions == GLIMPSE_ROPE) || ordered);
}

/* `n` elements of the file's tensor from element `at` on, as f32. */
void save_elements(const saved_tensor *t, int64_t at, int64_t n, float *out) {
    int64_t width = t->dims[1] ? t->dims[1] : 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t r = (at + i) / width, c = (at + i) % width, row = row_of(t, t->turned ? c : r), col = t->turned ? r : c;
        out[i] = t->m.data ? load_element(t->m.data, t->m.dtype, row * t->m.row_stride + col * t->m.col_stride) + t->add : 0;
    }
}

/* === Bytes === */
glimpse_status save_open(const char *path, int64_t total, const save_request *rq, save_file *f) {
    *f = (save_file){-1, strdup(path), 0, total, rq};
    if (!f->path) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
    f->fd = io.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f->fd < 0) FAIL(GLIMPSE_E_IO, "%s cannot be made: %s", path, strerror(errno));
    return GLIMPSE_OK;
}

glimpse_status save_put(save_file *f, const void *bytes, size_t n) {
    for (size_t at = 0; at < n;) {
        size_t k = n - at < (size_t)16 * BLOCK_BYTES ? n - at : (size_t)16 * BLOCK_BYTES;
        TRY(file_write_fd(f->fd, f->path, (const char *)bytes + at, k));
        at += k;
        f->done += (int64_t)k;
        if (f->rq->progress) f->rq->progress(f->rq->user, f->done < f->total ? f->done : f->total, f->total);
    }
    return GLIMPSE_OK;
}

glimpse_status save_put_tensor(save_file *f, const saved_tensor *t) {
    glimpse_status st = GLIMPSE_OK;
    int64_t n = save_count(t), width = t->dims[1] ? t->dims[1] : 1, block = BLOCK_BYTES / 4;
    bool dense = t->m.data && t->m.col_stride == 1 && t->m.row_stride == width && t->m.cols == width;
    bool mapped = t->add != 0 || t->turned || is_mapped(t);
    if (dense && !mapped && t->dtype == t->m.dtype) return save_put(f, t->m.data, (size_t)save_bytes(t));
    float *values = malloc((size_t)block * sizeof *values);
    if (!values) FAIL(GLIMPSE_E_MEMORY, "no memory to write %s", f->path);
    for (int64_t at = 0; at < n; at += block) {
        int64_t k = n - at < block ? n - at : block;
        uint16_t *half = (uint16_t *)(void *)values; /* written where it was read: never ahead of it */
        save_elements(t, at, k, values);
        for (int64_t i = 0; i < k && t->dtype != GLIMPSE_F32; i++) {
            float v = values[i];
            half[i] = t->dtype == GLIMPSE_BF16 ? f32_to_bf16(v) : f32_to_f16(v);
            if (t->dtype == GLIMPSE_F16 && isfinite(v) && (half[i] & 0x7fff) == 0x7c00)
                FAIL_GOTO(GLIMPSE_E_INVALID, "tensor %s: %g does not fit f16\nhint: --dtype bf16 holds it", t->name, (double)v);
        }
        TRY_GOTO(save_put(f, values, (size_t)k * dtype_bytes(t->dtype)));
    }
out:
    free(values);
    return st;
}

glimpse_status save_close(save_file *f, glimpse_status st) {
    if (f->fd >= 0) {
        if (st >= 0 && io.fsync(f->fd) != 0)
            st = status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s was not written to the disk: %s", f->path, strerror(errno));
        if (io.close(f->fd) != 0 && st >= 0)
            st = status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s was not written to the disk: %s", f->path, strerror(errno));
    }
    free(f->path);
    *f = (save_file){.fd = -1};
    return st;
}
