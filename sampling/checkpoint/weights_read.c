/* weights_read.c -- the bytes of a model's parameters, each read once into one block (weights.h). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "kernels/dtype.h"
#include "sampling/checkpoint/weights.h"
#include "sampling/model/names.h"

enum { CHUNK_BYTES = 16 << 20, ALIGNMENT = 64, Q8_BLOCK = 34, Q8_ELEMENTS = 32 };

/* Bytes of one file that are read together: one tensor's, or those of several that share some. */
typedef struct range {
    int32_t weight; /* the first of those it serves, in order of place */
    int32_t file;
    int64_t at, bytes;
    size_t to; /* offset in the block */
    bool q8;       /* Q8_0 or, with a group, Q8_GROUPS: becomes f32 */
    int32_t group;
} range;

typedef struct reading {
    weight_list *l;
    const tensor_family *family;
    range *ranges;     /* (n_ranges), in order of file and place */
    int32_t *range_of; /* (l->n): the range of a tensor, -1 = not a parameter */
    int32_t n_ranges;
    int64_t total; /* bytes to read */
    size_t block;  /* bytes of memory */
} reading;

/* qsort has no argument for a context; sorting whole structs needs none. */
typedef struct placed {
    int32_t weight, file;
    int64_t at, bytes;
} placed;

static int by_place(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->file != y->file) return x->file < y->file ? -1 : 1;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return x->weight < y->weight ? -1 : 1;
}

static glimpse_status wanted(const reading *r, const weight *w, bool *is) {
    int32_t layer;
    const tensor_rule *rule = name_find(r->family, w->name, &layer);
    *is = !rule || rule->need != NEED_IGNORED; /* an unknown name is refused by the model, with the nearest known one */
    if (!*is) return GLIMPSE_OK;
    const char *path = r->l->files[w->file].path;
    if (!rule) {
        char nearest[160];
        name_nearest(r->family, w->name, nearest, sizeof nearest);
        FAIL(GLIMPSE_E_MODEL, "%s: tensor %.160s is not one of this architecture\nhint: the nearest known name is %s",
             path, w->name, nearest);
    }
    if (w->dtype == WEIGHT_OTHER)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: tensor %s has type %s; f32, f16 and bf16 are read", path, w->name,
             w->dtype_name);
    if (w->n_dims < 1 || w->n_dims > 4)
        FAIL(GLIMPSE_E_MODEL, "%s: tensor %s has %d dimensions", path, w->name, (int)w->n_dims);
    if (!w->bytes) FAIL(GLIMPSE_E_MODEL, "%s: tensor %s has no elements", path, w->name);
    return GLIMPSE_OK;
}

/* n bytes of int8 and n / group scales are bytes in all. */
static int64_t grouped_elements(const range *g) { return g->bytes / (g->group + 4) * g->group; }

static size_t memory_of(const range *g) {
    if (g->group) return (size_t)grouped_elements(g) * sizeof(float);
    return g->q8 ? (size_t)(g->bytes / Q8_BLOCK) * Q8_ELEMENTS * sizeof(float) : (size_t)g->bytes;
}

/* Which bytes are read, and where they go.  Ranges that share bytes become one. */
static glimpse_status plan_reading(reading *r) {
    glimpse_status st = GLIMPSE_OK;
    int32_t n = 0;
    size_t count = (size_t)r->l->n;
    placed *all = malloc((count + 1) * sizeof *all);
    r->ranges = malloc((count + 1) * sizeof *r->ranges);
    r->range_of = malloc((count + 1) * sizeof *r->range_of);
    if (!all || !r->ranges || !r->range_of) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a list of tensors");
    for (int32_t i = 0; i < r->l->n; i++) {
        const weight *w = &r->l->w[i];
        bool is;
        r->range_of[i] = -1;
        TRY_GOTO(wanted(r, w, &is));
        if (is) all[n++] = (placed){i, w->file, w->at, w->bytes};
    }
    qsort(all, (size_t)n, sizeof *all, by_place);
    for (int32_t i = 0; i < n; i++) {
        const weight *w = &r->l->w[all[i].weight];
        range *last = r->n_ranges ? &r->ranges[r->n_ranges - 1] : NULL;
        bool q8 = w->dtype == WEIGHT_Q8_0 || w->dtype == WEIGHT_Q8_GROUPS;
        if (!last || last->file != w->file || w->at >= last->at + last->bytes)
            *(last = &r->ranges[r->n_ranges++]) = (range){all[i].weight, w->file, w->at, 0, 0, q8, w->group};
        int64_t end = w->at + w->bytes - last->at;
        if (end > last->bytes) last->bytes = end;
        if (last->q8 != q8 || (q8 && (last->at != w->at || last->bytes != w->bytes)) ||
            (!q8 && (w->at - last->at) % (int64_t)dtype_bytes((glimpse_dtype)w->dtype)))
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: tensors %s and %s overlap", r->l->files[w->file].path,
                      r->l->w[last->weight].name, w->name);
        r->range_of[all[i].weight] = r->n_ranges - 1;
    }
    for (int32_t i = 0; i < r->n_ranges; i++) {
        range *g = &r->ranges[i];
        g->to = r->block;
        r->block += (memory_of(g) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        r->total += g->bytes;
    }
out:
    free(all);
    return st;
}

/* Blocks of {f16 scale, int8[32]}: element = scale * int8 (ggml, block_q8_0). */
static void dequantise(const unsigned char *from, size_t blocks, float *to) {
    for (size_t b = 0; b < blocks; b++, from += Q8_BLOCK, to += Q8_ELEMENTS) {
        float scale = f16_to_f32((uint16_t)(from[0] | from[1] << 8));
        for (int i = 0; i < Q8_ELEMENTS; i++) to[i] = scale * (float)(int8_t)from[2 + i];
    }
}

/* Groups of int8, then the scale of each. */
static glimpse_status read_groups(const reading *r, const range *g, float *to, int64_t *done, checkpoint_progress progress,
                                  void *user) {
    glimpse_status st = GLIMPSE_OK;
    const file *f = &r->l->files[g->file];
    int64_t n = grouped_elements(g), groups = n / g->group, step = CHUNK_BYTES / g->group > 0 ? CHUNK_BYTES / g->group : 1;
    if (step > groups) step = groups;
    int8_t *packed = malloc((size_t)(step * g->group));
    float *scales = malloc((size_t)step * sizeof *scales);
    if (!packed || !scales) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to unpack %s", f->path);
    for (int64_t k = 0; k < groups; k += step) {
        int64_t m = groups - k < step ? groups - k : step;
        TRY_GOTO(file_read_at(f, g->at + k * g->group, packed, (size_t)(m * g->group)));
        TRY_GOTO(file_read_at(f, g->at + n + 4 * k, scales, (size_t)m * sizeof *scales));
        for (int64_t i = 0; i < m * g->group; i++) to[k * g->group + i] = scales[i / g->group] * (float)packed[i];
        *done += m * (g->group + 4);
        if (progress) progress(user, *done, r->total);
    }
out:
    free(packed);
    free(scales);
    return st;
}

static glimpse_status read_range(const reading *r, const range *g, char *block, int64_t *done,
                                 checkpoint_progress progress, void *user) {
    glimpse_status st = GLIMPSE_OK;
    const file *f = &r->l->files[g->file];
    if (g->group) return read_groups(r, g, (float *)(void *)(block + g->to), done, progress, user);
    int64_t step = g->q8 ? CHUNK_BYTES / Q8_BLOCK * Q8_BLOCK : CHUNK_BYTES;
    unsigned char *packed = NULL;
    if (g->q8 && !(packed = malloc((size_t)(g->bytes < step ? g->bytes : step))))
        FAIL(GLIMPSE_E_MEMORY, "no memory to unpack %s", f->path);
    for (int64_t at = 0; at < g->bytes; at += step) {
        int64_t n = g->bytes - at < step ? g->bytes - at : step;
        TRY_GOTO(file_read_at(f, g->at + at, g->q8 ? (void *)packed : block + g->to + at, (size_t)n));
        if (g->q8)
            dequantise(packed, (size_t)(n / Q8_BLOCK), (float *)(void *)(block + g->to) + at / Q8_BLOCK * Q8_ELEMENTS);
        *done += n;
        if (progress) progress(user, *done, r->total);
    }
out:
    free(packed);
    return st;
}

static glimpse_status look(const file *f, struct stat *s) {
    if (io.fstat(f->fd, s)) FAIL(GLIMPSE_E_IO, "%s: its state cannot be read", f->path);
    return GLIMPSE_OK;
}

static glimpse_status read_all(const reading *r, char *block, checkpoint_progress progress, void *user) {
    glimpse_status st = GLIMPSE_OK;
    int64_t done = 0;
    struct stat *before = malloc(((size_t)r->l->n_files + 1) * sizeof *before), after;
    if (!before) FAIL(GLIMPSE_E_MEMORY, "no memory to read a checkpoint");
    for (int32_t i = 0; i < r->l->n_files; i++) {
        TRY_GOTO(look(&r->l->files[i], &before[i]));
        if (before[i].st_size != r->l->files[i].size)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: it changed while it was read", r->l->files[i].path);
    }
    for (int32_t i = 0; i < r->n_ranges; i++) TRY_GOTO(read_range(r, &r->ranges[i], block, &done, progress, user));
    for (int32_t i = 0; i < r->l->n_files; i++) {
        TRY_GOTO(look(&r->l->files[i], &after));
        if (!file_unchanged(&before[i], &after))
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: it changed while it was read", r->l->files[i].path);
    }
out:
    free(before);
    return st;
}

static glimpse_tensor tensor_of(const reading *r, int32_t i, const char *block) {
    const weight *w = &r->l->w[i];
    const range *g = &r->ranges[r->range_of[i]];
    glimpse_tensor t = GLIMPSE_TENSOR_INIT;
    t.name = w->name;
    t.data = block + g->to + (w->at - g->at);
    t.dtype = g->q8 ? GLIMPSE_F32 : (glimpse_dtype)w->dtype;
    t.n_dims = w->n_dims;
    for (int32_t k = 0; k < w->n_dims; k++) t.dims[k] = w->dims[k], t.strides[k] = w->strides[k];
    t.flags = w->flags;
    return t;
}

glimpse_status weights_read(weight_list *l, glimpse_model *d, checkpoint_progress progress, void *user, model **out) {
    glimpse_status st = GLIMPSE_OK;
    reading r = {.l = l, .family = family_find(d->arch)};
    char *block = NULL;
    glimpse_tensor *tensors = NULL;
    model *m = NULL;
    const uint16_t probe = 1;
    if (!*(const unsigned char *)&probe)
        FAIL(GLIMPSE_E_UNSUPPORTED, "a checkpoint's numbers are little-endian, this machine is big-endian");
    if (!r.family) FAIL(GLIMPSE_E_UNSUPPORTED, "architecture %s is not known; known: %s", d->arch, family_list());
    TRY_GOTO(plan_reading(&r));
    if (!r.n_ranges)
        FAIL_GOTO(GLIMPSE_E_MODEL, "%s: no tensors in it", l->n_files ? l->files[0].path : "the checkpoint");
    tensors = malloc((size_t)l->n * sizeof *tensors);
    block = aligned_alloc(ALIGNMENT, r.block ? r.block : ALIGNMENT);
    if (!block || !tensors)
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the %zu bytes of the weights\nhint: close other programs", r.block);
    d->n_tensors = 0;
    for (int32_t i = 0; i < l->n; i++)
        if (r.range_of[i] >= 0) tensors[d->n_tensors++] = tensor_of(&r, i, block);
    d->tensors = tensors;
    /* Shapes are checked before the bytes are read: a wrong file is refused at once. */
    TRY_GOTO(model_from_description(d, &m));
    TRY_GOTO(read_all(&r, block, progress, user));
    m->storage = block, m->storage_free = free;
    block = NULL;
    *out = m;
    m = NULL;
out:
    d->tensors = NULL, d->n_tensors = 0;
    model_close(m);
    free(tensors);
    free(block);
    free(r.ranges);
    free(r.range_of);
    return st;
}
