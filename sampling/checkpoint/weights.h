/* weights.h -- the tensors that a checkpoint's files hold, and reading those that are the model's.
 *
 * A reader (safetensors.c, torch_pt.c, gguf.c, ...) lists what its file has: name, type, shape, where the bytes are.
 * weights_read then asks the family's table (model/names.h) which of them are parameters, reads exactly their bytes,
 * each once, into one block of memory, and builds the model.  Ranges that share bytes (tied weights, views of one
 * storage) stay shared, so memory never exceeds the files' size (times 4 / 1.0625 where Q8_0 becomes f32). */
#ifndef GLIMPSE_SAMPLING_WEIGHTS_H
#define GLIMPSE_SAMPLING_WEIGHTS_H

#include "include/internal/file.h"
#include "sampling/checkpoint/checkpoint.h"

/* Types as files have them; WEIGHT_OTHER can be no parameter.  Q8_0: blocks of an f16 scale and 32 int8 (GGUF); Q8_GROUPS:
 * all int8, then an f32 scale for each `group` of them (llama2.c).  Both become f32. */
typedef enum weight_dtype { WEIGHT_F32, WEIGHT_BF16, WEIGHT_F16, WEIGHT_Q8_0, WEIGHT_Q8_GROUPS, WEIGHT_OTHER } weight_dtype;

typedef struct weight {
    char *name;          /* owned */
    char dtype_name[32]; /* as the file calls it, for messages */
    weight_dtype dtype;
    int32_t n_dims; /* 0 to 8; more than 4 can be no parameter */
    int64_t dims[8];
    int64_t strides[8]; /* in elements; all 0 = row-major and dense */
    uint32_t flags;     /* GLIMPSE_TRANSPOSED */
    int32_t group;      /* Q8_GROUPS */
    int32_t file;       /* index in weight_list.files */
    int64_t at, bytes;  /* in that file; lie within it (checked by weights_add) */
} weight;

enum { MAX_WEIGHTS = 100000, MAX_FILES = 512, MAX_WEIGHT_NAME = 512 };

typedef struct weight_list { /* start from {0} */
    weight *w;
    int32_t n, cap;
    file *files; /* open while the list lives */
    int32_t n_files;
    struct weight_slot *index; /* by name */
    size_t n_slots;
} weight_list;

/* Open a file and take it in; *index is its number. */
glimpse_status weights_open_file(weight_list *l, const char *path, int32_t *index);
/* Add one tensor; the name (n bytes) is copied, valid UTF-8 without control characters.  Checks: name, number, dims
 * 0 to 2^40, bytes within the file, no second of the same name. */
glimpse_status weights_add(weight_list *l, const weight *w, const char *name, size_t n);
/* Elements of dims, -1 when they leave 2^60. */
int64_t weight_elements(const int64_t *dims, int32_t n_dims);
/* NULL if there is none.  Borrowed until the next weights_add. */
weight *weights_find(const weight_list *l, const char *name);
/* Give every name that begins with `prefix` the one without it; GLIMPSE_E_FORMAT if two become one. */
glimpse_status weights_strip(weight_list *l, const char *prefix);
/* Take one out. */
glimpse_status weights_drop(weight_list *l, weight *w);
/* Take out all whose names begin with `prefix`. */
glimpse_status weights_drop_all(weight_list *l, const char *prefix);

/* Read what is the model's.  d: the description; its tensors are filled in here.  *out is *returned*.
 * GLIMPSE_E_FORMAT: a file changed or ended.  GLIMPSE_E_MODEL: a tensor is missing, unknown or of another shape. */
glimpse_status weights_read(weight_list *l, glimpse_model *d, checkpoint_progress progress, void *user, model **out);
void weights_free(weight_list *l); /* closes the files */

#endif
