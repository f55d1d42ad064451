/* model_bind.c -- the model's description: tensors bound one by one by name, and the copy that a session is given.
 * Only what can be seen without knowing the architecture is checked here; that the tensors fit the description is the
 * session's to say.  Called by the trainer before glimpse_open, and by glimpse_open.
 *
 * model->tensors points into a block that begins with the first error's text, so that glimpse_open can say it. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dtype.h"
#include "plugin/device.h"
#include "plugin/guest.h"

enum { NAME_BYTES = 256, MAX_TENSORS = 1 << 20 };

typedef struct bind_list {
    char *error;              /* owned; NULL = none, or no memory for it */
    void *loaded;             /* of glimpse_model_load: what the session holds, freed with `unload` */
    void (*unload)(void *loaded);
    glimpse_tensor tensors[];
} bind_list;

static bind_list *list_of(const glimpse_model *model) {
    if (!model->tensors) return NULL;
    return (bind_list *)(void *)((char *)model->tensors - offsetof(bind_list, tensors));
}

/* The binds' own fields must be there: an older caller's struct is copied by model_view, a shorter one cannot bind. */
static bool can_bind(const glimpse_model *model) {
    return model->size >= offsetof(glimpse_model, bind_status) + sizeof model->bind_status;
}

static glimpse_status grow(glimpse_model *model) {
    if (model->tensors && model->n_tensors < model->cap_tensors) return GLIMPSE_OK;
    if (model->n_tensors >= MAX_TENSORS) FAIL(GLIMPSE_E_MODEL, "more than %d tensors", MAX_TENSORS);
    int32_t cap = model->tensors && model->cap_tensors > 0 ? model->cap_tensors * 2 : 32;
    bind_list *list = realloc(list_of(model), sizeof *list + (size_t)cap * sizeof *list->tensors);
    if (!list) FAIL(GLIMPSE_E_MEMORY, "no memory for %d tensors", (int)cap);
    if (!model->tensors) list->error = NULL, list->loaded = NULL, list->unload = NULL;
    model->tensors = list->tensors;
    model->cap_tensors = cap;
    return GLIMPSE_OK;
}

glimpse_status tensor_extent(const glimpse_tensor *t, size_t *bytes) {
    const char *name = t->name ? t->name : "";
    int64_t last = 0, dense = 1, step;
    bool strided = false;
    for (int i = 0; i < t->n_dims; i++) strided = strided || t->strides[i];
    for (int i = t->n_dims - 1; i >= 0; i--) {
        int64_t stride = strided ? t->strides[i] : dense;
        if (t->dims[i] < 1) FAIL(GLIMPSE_E_MODEL, "tensor %s: dimension %d is %lld", name, i, (long long)t->dims[i]);
        if (stride < 0) FAIL(GLIMPSE_E_MODEL, "tensor %s: stride %d is %lld", name, i, (long long)stride);
        if (__builtin_mul_overflow(dense, t->dims[i], &dense) || dense > INT64_MAX / 8)
            FAIL(GLIMPSE_E_MODEL, "tensor %s: its dimensions overflow", name);
        if (__builtin_mul_overflow(t->dims[i] - 1, stride, &step) || __builtin_add_overflow(last, step, &last) || last > INT64_MAX / 8)
            FAIL(GLIMPSE_E_MODEL, "tensor %s: its strides overflow", name);
    }
    *bytes = ((size_t)last + 1) * dtype_bytes(t->dtype);
    return GLIMPSE_OK;
}

static glimpse_status check_dims(const glimpse_tensor *t) {
    size_t bytes;
    bool any = false, all = true;
    for (int i = 0; i < t->n_dims; i++) {
        any = any || t->strides[i];
        all = all && (t->strides[i] || t->dims[i] == 1);
    }
    TRY(tensor_extent(t, &bytes));
    if (any && !all) FAIL(GLIMPSE_E_MODEL, "tensor %s: give all strides, or none for row-major and dense", t->name);
    return GLIMPSE_OK;
}

static glimpse_status check_tensor(const glimpse_model *model, const glimpse_tensor *t) {
    if (!t->name || !*t->name) FAIL(GLIMPSE_E_MODEL, "a tensor without a name");
    if (strlen(t->name) > NAME_BYTES) FAIL(GLIMPSE_E_MODEL, "a tensor's name is longer than %d bytes", NAME_BYTES);
    const char *star = strchr(t->name, '*');
    if (star && strchr(star + 1, '*')) FAIL(GLIMPSE_E_MODEL, "tensor %s: one * stands for the layer", t->name);
    if (!t->data)
        FAIL(GLIMPSE_E_MODEL, "tensor %s: its data is NULL\nhint: bind after the parameters are allocated", t->name);
    if (t->dtype < GLIMPSE_F32 || t->dtype > GLIMPSE_F16)
        FAIL(GLIMPSE_E_MODEL, "tensor %s: unknown dtype %d", t->name, (int)t->dtype);
    if (t->n_dims < 1 || t->n_dims > 4)
        FAIL(GLIMPSE_E_MODEL, "tensor %s: %d dimensions, 1 to 4 are possible", t->name, (int)t->n_dims);
    if (t->flags & ~(uint32_t)GLIMPSE_TRANSPOSED)
        FAIL(GLIMPSE_E_MODEL, "tensor %s: unknown flags 0x%x", t->name, (unsigned)t->flags);
    TRY(check_dims(t));
    for (int32_t i = 0; i < model->n_tensors; i++)
        if (strcmp(model->tensors[i].name, t->name) == 0) FAIL(GLIMPSE_E_MODEL, "tensor %s is bound twice", t->name);
    return GLIMPSE_OK;
}

static glimpse_status add(glimpse_model *model, const glimpse_tensor *tensor) {
    TRY(check_tensor(model, tensor));
    TRY(grow(model));
    char *name = strdup(tensor->name);
    if (!name) FAIL(GLIMPSE_E_MEMORY, "no memory for a tensor's name");
    model->tensors[model->n_tensors] = *tensor;
    model->tensors[model->n_tensors++].name = name;
    return GLIMPSE_OK;
}

static glimpse_status bind_tensor(glimpse_model *model, const glimpse_tensor *tensor) {
    if (!model) FAIL(GLIMPSE_E_INVALID, "glimpse_bind: model is NULL");
    if (!can_bind(model)) /* nothing beyond `size` is ours to read or write */
        FAIL(GLIMPSE_E_INVALID, "glimpse_bind: model.size is %zu\nhint: start from GLIMPSE_MODEL_INIT", model->size);
    glimpse_status st;
    if (!tensor || tensor->size == 0) {
        st = status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "glimpse_bind_tensor: %s\nhint: start from GLIMPSE_TENSOR_INIT",
                         tensor ? "tensor.size is 0" : "tensor is NULL");
    } else {
        glimpse_tensor t = GLIMPSE_TENSOR_INIT;
        memcpy(&t, tensor, tensor->size < sizeof t ? tensor->size : sizeof t);
        t.size = sizeof t;
        st = add(model, &t);
    }
    if (st >= 0 || model->bind_status < 0) return st;
    model->bind_status = st;
    if (model->tensors || grow(model) >= 0) list_of(model)->error = strdup(status_text());
    return st;
}

glimpse_status glimpse_bind_tensor(glimpse_model *model, const glimpse_tensor *tensor) { return guest_return(bind_tensor(model, tensor), true); }

glimpse_status glimpse_bind(glimpse_model *model, const char *name, const void *data, glimpse_dtype dtype,
                            int32_t n_dims, const int64_t *dims) {
    glimpse_tensor t = GLIMPSE_TENSOR_INIT;
    t.name = name;
    t.data = data;
    t.dtype = dtype;
    t.n_dims = dims ? n_dims : 0;
    for (int32_t i = 0; dims && i < n_dims && i < 4; i++) t.dims[i] = dims[i];
    return glimpse_bind_tensor(model, &t);
}

void glimpse_model_free(glimpse_model *model) {
    if (!model || !can_bind(model)) return;
    bind_list *list = list_of(model);
    for (int32_t i = 0; list && i < model->n_tensors; i++) free((char *)(uintptr_t)model->tensors[i].name);
    if (list) free(list->error);
    if (list && list->unload) list->unload(list->loaded);
    free(list);
    model->tensors = NULL;
    model->n_tensors = model->cap_tensors = 0;
    model->bind_status = GLIMPSE_OK;
}

static glimpse_status load(const char *path, glimpse_model *model) {
    glimpse_status st;
    const session_api *api;
    glimpse_model said = GLIMPSE_MODEL_INIT;
    void *loaded = NULL;
    host_state host;
    if (!path || !model) FAIL(GLIMPSE_E_INVALID, "glimpse_model_load: path or model is NULL");
    if (model->size < sizeof *model)
        FAIL(GLIMPSE_E_INVALID, "glimpse_model_load: model.size is %zu\nhint: start from GLIMPSE_MODEL_INIT", model->size);
    if (model->tensors) FAIL(GLIMPSE_E_STATE, "glimpse_model_load: the model has tensors already");
    TRY(session_load(&api));
    host_enter(&host);
    st = session_said(api, api->load(path, &said, &loaded));
    host_leave(&host);
    if (st < 0) return st;
    glimpse_model made = said;
    size_t size = model->size;
    made.size = sizeof made;
    made.tensors = NULL, made.n_tensors = made.cap_tensors = 0, made.bind_status = GLIMPSE_OK;
    for (int32_t i = 0; i < said.n_tensors && st >= 0; i++) st = add(&made, &said.tensors[i]);
    if (st >= 0 && !made.tensors) st = status_fail(GLIMPSE_E_INTERNAL, __FILE__, __LINE__, "%s has no tensors", path);
    if (st < 0) {
        glimpse_model_free(&made);
        api->unload(loaded);
        return st;
    }
    list_of(&made)->loaded = loaded;
    list_of(&made)->unload = api->unload;
    made.size = size;
    memcpy(model, &made, sizeof made);
    return GLIMPSE_OK;
}

glimpse_status glimpse_model_load(const char *path, glimpse_model *model) { return guest_return(load(path, model), true); }

/* Asked of the kernel so that a wrong address is an answer and not a fault; true where the kernel does not answer (a sandbox). */
bool guest_can_read(const void *p) {
    char byte;
    struct iovec here = { &byte, 1 }, there = { (void *)(uintptr_t)p, 1 };
    int err = errno;
    bool yes = process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1 || errno != EFAULT;
    errno = err;
    return yes;
}

/* A pointer that is neither the host's nor a GPU's would end the trainer at the first read. */
static glimpse_status check_readable(const glimpse_model *m) {
    for (int32_t i = 0; i < m->n_tensors; i++) {
        const glimpse_tensor *t = &m->tensors[i];
        size_t bytes;
        TRY(tensor_extent(t, &bytes));
        if (guest_can_read(t->data) && guest_can_read((const char *)t->data + bytes - 1)) continue;
        if (device_owns(t->data) >= 0) continue;
        char why[256];
        c_snprintf(why, sizeof why, "%s", status_text());
        FAIL(GLIMPSE_E_UNSUPPORTED, "tensor %s: its memory at %p cannot be read: %s\nhint: bind after the parameters are allocated, and "
             "free them after glimpse_close", t->name, t->data, why);
    }
    return GLIMPSE_OK;
}

glimpse_status model_view(const glimpse_model *model, glimpse_model *out) {
    if (!model) FAIL(GLIMPSE_E_INVALID, "glimpse_open: model is NULL");
    if (model->size < offsetof(glimpse_model, n_layers))
        FAIL(GLIMPSE_E_INVALID, "glimpse_open: model.size is %zu\nhint: start from GLIMPSE_MODEL_INIT", model->size);
    glimpse_model m = GLIMPSE_MODEL_INIT;
    memcpy(&m, model, model->size < sizeof m ? model->size : sizeof m);
    m.size = sizeof m;
    if (m.bind_status < 0) {
        bind_list *list = list_of(&m);
        return status_set_text((glimpse_status)m.bind_status, list ? list->error : NULL);
    }
    TRY(check_readable(&m));
    *out = m;
    return GLIMPSE_OK;
}
