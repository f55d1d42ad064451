/* weights.c -- see weights.h.  A list with an index by name; reading is in weights_read.c. */
#include "sampling/checkpoint/weights.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"

typedef struct weight_slot {
    int32_t at; /* 1 + index in w, 0 = empty */
} weight_slot;

#define MAX_DIM      ((int64_t)1 << 40)
#define MAX_ELEMENTS ((int64_t)1 << 60)

glimpse_status weights_open_file(weight_list *l, const char *path, int32_t *index) {
    if (l->n_files >= MAX_FILES) FAIL(GLIMPSE_E_FORMAT, "%s: more than %d files", path, (int)MAX_FILES);
    file *grown = realloc(l->files, ((size_t)l->n_files + 1) * sizeof *grown);
    if (!grown) FAIL(GLIMPSE_E_MEMORY, "no memory for a list of files");
    l->files = grown;
    TRY(file_open_read(path, &l->files[l->n_files]));
    *index = l->n_files++;
    return GLIMPSE_OK;
}

int64_t weight_elements(const int64_t *dims, int32_t n_dims) {
    int64_t n = 1;
    for (int32_t i = 0; i < n_dims; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(n, dims[i], &n) || n > MAX_ELEMENTS) return -1;
    return n;
}

/* The hash begins with where the table lies, which no file knows: names that were chosen to meet in one place would take for ever. */
static size_t slot_of(const weight_list *l, const char *name) {
    uint64_t h = 0xcbf29ce484222325u ^ (uintptr_t)l->index;
    for (const char *p = name; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    size_t i = (size_t)((h ^ h >> 29) * 0x9e3779b97f4a7c15u >> 20) & (l->n_slots - 1);
    while (l->index[i].at && strcmp(l->w[l->index[i].at - 1].name, name)) i = (i + 1) & (l->n_slots - 1);
    return i;
}

static glimpse_status reindex(weight_list *l) {
    size_t slots = 64;
    while (slots < 4 * (size_t)l->n) slots *= 2;
    if (slots > l->n_slots) {
        weight_slot *index = realloc(l->index, slots * sizeof *index);
        if (!index) FAIL(GLIMPSE_E_MEMORY, "no memory for a list of tensors");
        l->index = index, l->n_slots = slots;
    }
    memset(l->index, 0, l->n_slots * sizeof *l->index);
    for (int32_t i = 0; i < l->n; i++) {
        size_t s = slot_of(l, l->w[i].name);
        if (l->index[s].at)
            FAIL(GLIMPSE_E_FORMAT, "%s: two tensors are called %s", l->files[l->w[i].file].path, l->w[i].name);
        l->index[s].at = i + 1;
    }
    return GLIMPSE_OK;
}

static glimpse_status check_name(const char *path, const char *name, size_t n) {
    if (!n || n > MAX_WEIGHT_NAME)
        FAIL(GLIMPSE_E_FORMAT, "%s: a tensor's name has %zu bytes, 1 to %d are possible", path, n,
             (int)MAX_WEIGHT_NAME);
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int len = utf8_decode(name + at, n - at, &cp);
        if (len <= 0 || utf8_is_control(cp))
            FAIL(GLIMPSE_E_FORMAT, "%s: the name of a tensor, \"%.*s\", has a control character or is no UTF-8", path,
                 (int)n, name);
        at += (size_t)len;
    }
    return GLIMPSE_OK;
}

glimpse_status weights_add(weight_list *l, const weight *given, const char *name, size_t n) {
    const file *f = &l->files[given->file];
    TRY(check_name(f->path, name, n));
    if (l->n >= MAX_WEIGHTS) FAIL(GLIMPSE_E_FORMAT, "%s: more than %d tensors", f->path, (int)MAX_WEIGHTS);
    for (int32_t i = 0; i < given->n_dims; i++)
        if (given->dims[i] < 0 || given->dims[i] > MAX_DIM)
            FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: dimension %d is %lld", f->path, (int)n, name, (int)i,
                 (long long)given->dims[i]);
    if (given->at < 0 || given->bytes < 0 || given->at > f->size || given->bytes > f->size - given->at)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: its %lld bytes from %lld reach beyond the file's %lld", f->path,
             (int)n, name, (long long)given->bytes, (long long)given->at, (long long)f->size);
    if (l->n == l->cap) {
        int32_t cap = l->cap ? 2 * l->cap : 32;
        weight *grown = realloc(l->w, (size_t)cap * sizeof *grown);
        if (!grown) FAIL(GLIMPSE_E_MEMORY, "no memory for a list of tensors");
        l->w = grown, l->cap = cap;
    }
    if (4 * ((size_t)l->n + 1) > l->n_slots) TRY(reindex(l));
    weight w = *given;
    if (!(w.name = strndup(name, n))) FAIL(GLIMPSE_E_MEMORY, "no memory for a list of tensors");
    size_t s = slot_of(l, w.name);
    if (l->index[s].at) {
        free(w.name);
        FAIL(GLIMPSE_E_FORMAT, "%s: two tensors are called %.*s", f->path, (int)n, name);
    }
    l->w[l->n++] = w;
    l->index[s].at = l->n;
    return GLIMPSE_OK;
}

weight *weights_find(const weight_list *l, const char *name) {
    if (!l->n_slots) return NULL;
    int32_t at = l->index[slot_of(l, name)].at;
    return at ? &l->w[at - 1] : NULL;
}

glimpse_status weights_strip(weight_list *l, const char *prefix) {
    size_t n = strlen(prefix);
    bool any = false;
    for (int32_t i = 0; i < l->n; i++)
        if (!strncmp(l->w[i].name, prefix, n) && l->w[i].name[n]) {
            memmove(l->w[i].name, l->w[i].name + n, strlen(l->w[i].name + n) + 1);
            any = true;
        }
    return any ? reindex(l) : GLIMPSE_OK;
}

glimpse_status weights_drop(weight_list *l, weight *w) {
    free(w->name);
    *w = l->w[--l->n];
    return reindex(l);
}

glimpse_status weights_drop_all(weight_list *l, const char *prefix) {
    int32_t kept = 0;
    for (int32_t i = 0; i < l->n; i++) {
        if (strncmp(l->w[i].name, prefix, strlen(prefix))) l->w[kept++] = l->w[i];
        else free(l->w[i].name);
    }
    if (kept == l->n) return GLIMPSE_OK;
    l->n = kept;
    return reindex(l);
}

void weights_free(weight_list *l) {
    for (int32_t i = 0; i < l->n; i++) free(l->w[i].name);
    for (int32_t i = 0; i < l->n_files; i++) file_close(&l->files[i]);
    free(l->w);
    free(l->files);
    free(l->index);
    *l = (weight_list){0};
}
