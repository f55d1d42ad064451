/* model_load.c -- glimpse_model_load: a checkpoint as a description with its tensors bound, for programs of one's own.
 * Called through session_api. */
#include <stdlib.h>
#include <string.h>

#include "hooks/run_dir.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/model/names.h"

typedef struct loaded {
    model *m;
    glimpse_tensor *tensors; /* names owned */
    int32_t n;
    char *tokenizer; /* path; NULL = none found */
} loaded;

void session_unload(void *handle) {
    loaded *l = handle;
    if (!l) return;
    for (int32_t i = 0; i < l->n; i++) free((char *)(uintptr_t)l->tensors[i].name);
    free(l->tensors);
    free(l->tokenizer);
    model_close(l->m);
    free(l);
}

static glimpse_status add(loaded *l, const tensor_rule *rule, int32_t layer) {
    const model *m = l->m;
    const void *base = layer < 0 ? (const void *)m : (const void *)&m->layers[layer];
    const void *place = (const char *)base + rule->place;
    glimpse_tensor t = GLIMPSE_TENSOR_INIT;
    char name[160];
    if (rule->dims[1] != DIM_NONE) {
        const matrix *w = place;
        t.data = w->data, t.dtype = w->dtype, t.n_dims = 2;
        t.dims[0] = w->rows, t.dims[1] = w->cols;
        bool dense = w->col_stride == 1 && w->row_stride == w->cols;
        if (!dense) t.strides[0] = w->row_stride, t.strides[1] = w->col_stride;
    } else {
        const vector *v = place;
        t.data = v->data, t.dtype = v->dtype, t.n_dims = 1, t.dims[0] = v->n;
    }
    if (!t.data) return GLIMPSE_OK;
    name_of(rule, layer, name, sizeof name);
    if (!(t.name = strdup(name))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tensor's name");
    l->tensors[l->n++] = t;
    return GLIMPSE_OK;
}

glimpse_status session_load_model(const char *path, glimpse_model *description, void **handle) {
    glimpse_status st = GLIMPSE_OK;
    loaded *l = calloc(1, sizeof *l);
    char *found = NULL;
    if (!l) FAIL(GLIMPSE_E_MEMORY, "no memory for a model");
    TRY_GOTO(run_dir_checkpoint(path, &found, NULL));
    TRY_GOTO(checkpoint_open(found, NULL, NULL, &l->m));
    const tensor_family *family = family_find(l->m->arch);
    if (!family) FAIL_GOTO(GLIMPSE_E_INTERNAL, "architecture %s has no table of tensors", l->m->arch);
    l->tensors = calloc((size_t)family->n_rules * ((size_t)l->m->d.n_layers + 1), sizeof *l->tensors);
    if (!l->tensors) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a list of tensors");
    for (int i = 0; i < family->n_rules; i++) {
        const tensor_rule *rule = &family->rules[i];
        bool head = !rule_in_layer(rule) && rule->place == offsetof(model, head);
        if (rule->need == NEED_IGNORED || (head && l->m->head.data == l->m->wte.data)) continue;
        if (head && i && family->rules[i - 1].place == rule->place) continue; /* its other name */
        for (int32_t layer = 0; layer < (rule_in_layer(rule) ? l->m->d.n_layers : 1); layer++)
            TRY_GOTO(add(l, rule, rule_in_layer(rule) ? layer : LAYER_NONE));
    }
    if (checkpoint_find_tokenizer_path(found, NULL, &l->tokenizer) < 0) l->tokenizer = NULL; /* the trainer may have its own */
    *description = l->m->d;
    description->tensors = l->tensors, description->n_tensors = l->n, description->cap_tensors = 0;
    description->tokenizer.path = l->tokenizer;
    *handle = l;
    l = NULL;
out:
    free(found);
    session_unload(l);
    return st;
}
