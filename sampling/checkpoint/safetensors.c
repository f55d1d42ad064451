/* safetensors.c -- the header of a safetensors file (huggingface/safetensors, README and safetensors/src/tensor.rs).
 *
 * u64 N, little-endian; N bytes of JSON that begin with '{', perhaps padded with blanks; then the data, to the end.
 *   {"__metadata__": {text: text}, "NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
 * Offsets count from the data's first byte.  Row-major, little-endian.  Every rule of the reference reader holds here, and
 * is checked by the one function that can make a list of the tensors: the tensors cover the data from its first byte to
 * the file's last without hole or overlap, and each has the bytes that its type and shape need. */
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/json_tree.h"
#include "sampling/checkpoint/readers.h"

enum { MAX_RANK = 8, MAX_HEADER = 100000000, MAX_JSON_DEPTH = 8 };

static const struct {
    const char *name;
    int bits;
    weight_dtype dtype;
} dtypes[] = {
    {"F32", 32, WEIGHT_F32},          {"BF16", 16, WEIGHT_BF16},    {"F16", 16, WEIGHT_F16},
    {"F64", 64, WEIGHT_OTHER},        {"I64", 64, WEIGHT_OTHER},    {"U64", 64, WEIGHT_OTHER},
    {"C64", 64, WEIGHT_OTHER},        {"I32", 32, WEIGHT_OTHER},    {"U32", 32, WEIGHT_OTHER},
    {"I16", 16, WEIGHT_OTHER},        {"U16", 16, WEIGHT_OTHER},    {"I8", 8, WEIGHT_OTHER},
    {"U8", 8, WEIGHT_OTHER},          {"BOOL", 8, WEIGHT_OTHER},    {"F4", 4, WEIGHT_OTHER},
    {"F6_E2M3", 6, WEIGHT_OTHER},     {"F6_E3M2", 6, WEIGHT_OTHER}, {"F8_E5M2", 8, WEIGHT_OTHER},
    {"F8_E4M3", 8, WEIGHT_OTHER},     {"F8_E8M0", 8, WEIGHT_OTHER}, {"F8_E4M3FNUZ", 8, WEIGHT_OTHER},
    {"F8_E5M2FNUZ", 8, WEIGHT_OTHER},
};

typedef struct extent {
    int64_t begin, end;
    const json_node *entry;
} extent;

static int by_begin(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return x->entry < y->entry ? -1 : 1;
}

#define NAME_OF(e) (int)((e)->key_n < 160 ? (e)->key_n : 160), (e)->key

static glimpse_status check_metadata(const file *f, const json_node *m) {
    if (m->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: __metadata__ is no object of texts", f->path);
    for (const json_node *t = json_first(m); t; t = json_next(m, t))
        if (t->kind != JSON_STRING)
            FAIL(GLIMPSE_E_FORMAT, "%s: __metadata__: the value of \"%.*s\" is no text", f->path, NAME_OF(t));
    return GLIMPSE_OK;
}

/* One entry: everything that can be said of it alone. */
static glimpse_status read_entry(const file *f, const json_node *e, int64_t data_bytes, weight *w, extent *where) {
    const json_node *dtype = NULL, *shape = NULL, *offsets = NULL;
    if (e->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: its entry is no object", f->path, NAME_OF(e));
    for (const json_node *m = json_first(e); m; m = json_next(e, m)) {
        if (json_key_is(m, "dtype")) dtype = m;
        else if (json_key_is(m, "shape")) shape = m;
        else if (json_key_is(m, "data_offsets")) offsets = m;
        else FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: unknown key \"%.*s\"", f->path, NAME_OF(e), NAME_OF(m));
    }
    if (!dtype || dtype->kind != JSON_STRING)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s has no dtype", f->path, NAME_OF(e));
    if (!shape || shape->kind != JSON_ARRAY)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s has no shape", f->path, NAME_OF(e));
    if (!offsets || offsets->kind != JSON_ARRAY || offsets->n != 2)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s has no two data_offsets", f->path, NAME_OF(e));
    if (shape->n > MAX_RANK)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s has %u dimensions, at most %d are read", f->path, NAME_OF(e),
             (unsigned)shape->n, (int)MAX_RANK);
    const json_node *last = json_next(offsets, json_first(offsets));
    if (!json_i64(json_first(offsets), &where->begin) || !json_i64(last, &where->end) || where->begin < 0 ||
        where->end < where->begin || where->end > data_bytes)
        FAIL(GLIMPSE_E_FORMAT,
             "%s: tensor %.*s: data_offsets [%.*s, %.*s], expected two rising whole numbers up to %lld", f->path,
             NAME_OF(e), json_first(offsets)->kind == JSON_NUMBER ? (int)json_first(offsets)->n : 1,
             json_first(offsets)->kind == JSON_NUMBER ? json_first(offsets)->text : "?",
             last->kind == JSON_NUMBER ? (int)last->n : 1, last->kind == JSON_NUMBER ? last->text : "?",
             (long long)data_bytes);
    *w = (weight){.dtype = WEIGHT_OTHER};
    for (const json_node *d = json_first(shape); d; d = json_next(shape, d))
        if (!json_i64(d, &w->dims[w->n_dims]) || w->dims[w->n_dims] < 0 || w->dims[w->n_dims++] > (int64_t)1 << 40)
            FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: dimension %d of its shape is no whole number from 0 to 2^40",
                 f->path, NAME_OF(e), (int)w->n_dims);
    int64_t bits = weight_elements(w->dims, w->n_dims);
    size_t i = 0;
    while (i < sizeof dtypes / sizeof *dtypes && !json_is_text(dtype, dtypes[i].name)) i++;
    if (i == sizeof dtypes / sizeof *dtypes)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: tensor %.*s: unknown dtype \"%.*s\"", f->path, NAME_OF(e),
             (int)(dtype->n < 40 ? dtype->n : 40), dtype->text);
    if (bits < 0 || __builtin_mul_overflow(bits, (int64_t)dtypes[i].bits, &bits))
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: its dimensions' product overflows", f->path, NAME_OF(e));
    if (bits % 8 || bits / 8 != where->end - where->begin)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: %s of this shape needs %lld bits, its data_offsets hold %lld bytes",
             f->path, NAME_OF(e), dtypes[i].name, (long long)bits, (long long)(where->end - where->begin));
    w->dtype = dtypes[i].dtype;
    c_snprintf(w->dtype_name, sizeof w->dtype_name, "%s", dtypes[i].name);
    where->entry = e;
    return GLIMPSE_OK;
}

static glimpse_status check_cover(const file *f, extent *all, uint32_t n, int64_t data_bytes) {
    int64_t end = 0;
    if (n) qsort(all, n, sizeof *all, by_begin);
    for (uint32_t i = 0; i < n; i++) {
        if (all[i].begin != end)
            FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s begins at byte %lld of the data, expected %lld: %s", f->path,
                 NAME_OF(all[i].entry), (long long)all[i].begin, (long long)end,
                 all[i].begin < end ? "an overlap" : "a hole");
        end = all[i].end;
    }
    if (end != data_bytes)
        FAIL(GLIMPSE_E_FORMAT, "%s: its tensors end at byte %lld of the data, the file at %lld", f->path,
             (long long)end, (long long)data_bytes);
    return GLIMPSE_OK;
}

static glimpse_status list_entries(weight_list *l, int32_t index, const json_node *root, int64_t data_at) {
    glimpse_status st = GLIMPSE_OK;
    const file *f = &l->files[index];
    int64_t data_bytes = f->size - data_at;
    uint32_t n = 0;
    extent *all = NULL;
    if (root->n > MAX_WEIGHTS)
        FAIL(GLIMPSE_E_FORMAT, "%s: %u tensors, at most %d are read", f->path, (unsigned)root->n, (int)MAX_WEIGHTS);
    if (!(all = malloc(((size_t)root->n + 1) * sizeof *all))) FAIL(GLIMPSE_E_MEMORY, "no memory for a list of tensors");
    for (const json_node *e = json_first(root); e; e = json_next(root, e)) {
        weight w;
        if (json_key_is(e, "__metadata__")) {
            TRY_GOTO(check_metadata(f, e));
            continue;
        }
        TRY_GOTO(read_entry(f, e, data_bytes, &w, &all[n]));
        w.file = index, w.at = data_at + all[n].begin, w.bytes = all[n].end - all[n].begin;
        n++;
        TRY_GOTO(weights_add(l, &w, e->key, e->key_n));
    }
    st = check_cover(f, all, n, data_bytes);
out:
    free(all);
    return st;
}

bool is_safetensors(const file *f, const unsigned char *head, size_t n) {
    if (n < 9 || head[8] != '{') return false;
    uint64_t header = read_u64(head);
    return header >= 2 && f->size >= 8 && header <= (uint64_t)f->size - 8;
}

glimpse_status safetensors_list(weight_list *l, int32_t index) {
    glimpse_status st = GLIMPSE_OK;
    const file *f = &l->files[index];
    unsigned char head[8];
    json_tree t = {0};
    char *text = NULL;
    if (f->size < 8)
        FAIL(GLIMPSE_E_FORMAT, "%s: truncated: %lld bytes, the length of a header alone has 8", f->path,
             (long long)f->size);
    TRY(file_read_at(f, 0, head, sizeof head));
    uint64_t n = read_u64(head);
    if (n > (uint64_t)f->size - 8)
        FAIL(GLIMPSE_E_FORMAT,
             "%s: truncated: its header has %llu bytes, %lld follow\n"
             "hint: was its download or copy interrupted?",
             f->path, (unsigned long long)n, (long long)f->size - 8);
    if (n > MAX_HEADER)
        FAIL(GLIMPSE_E_FORMAT, "%s: a header of %llu bytes, at most %d are read", f->path, (unsigned long long)n,
             (int)MAX_HEADER);
    if (!(text = malloc((size_t)n + 1))) FAIL(GLIMPSE_E_MEMORY, "no memory for the header of %s", f->path);
    TRY_GOTO(file_read_at(f, 8, text, (size_t)n));
    if (!n || text[0] != '{') FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: its header does not begin with {", f->path);
    TRY_GOTO(json_parse(f->path, text, (size_t)n, MAX_JSON_DEPTH, &t));
    st = list_entries(l, index, t.nodes, 8 + (int64_t)n);
out:
    json_free(&t);
    free(text);
    return st;
}
