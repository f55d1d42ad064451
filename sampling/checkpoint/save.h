/* save.h -- a model as files: Hugging Face's directory (config.json, model.safetensors, the tokenizer's files), which
 * transformers' from_pretrained opens, or llm.c's model .bin.
 *
 * Everything is made under a temporary name (NAME.tmp-PID), synced and put in its place, with one that is there already in one
 * step (renameat2): what stands under the name asked for is whole, also after a crash or on a full disk.  A file system that
 * cannot exchange two names has a moment at which the old one is called NAME.old-PID; the next save, or the next sweep, puts
 * right what a killed process left.  A file that would give other numbers is never written: the configuration is read back and
 * compared, and what it cannot say is refused by name (GLIMPSE_E_UNSUPPORTED).
 *
 * Called by `glimpse convert` and, at an eval, by --save_snapshots. */
#ifndef GLIMPSE_SAMPLING_SAVE_H
#define GLIMPSE_SAMPLING_SAVE_H

#include "include/internal/buffer.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/checkpoint/token_files.h"

typedef enum save_format { SAVE_BY_NAME, SAVE_SAFETENSORS, SAVE_LLMC } save_format; /* by name: ".bin" is llm.c's */
typedef enum save_dtype { SAVE_AS_IS, SAVE_F32, SAVE_BF16, SAVE_F16 } save_dtype;

typedef struct save_request {
    const char *path;            /* a directory (safetensors) or a file (.bin) */
    save_format format;
    save_dtype dtype;
    const token_files *beside;   /* the tokenizer and its like; NULL = none.  Of a directory alone */
    bool replace;                /* what is there already gives way, if a save wrote it; else GLIMPSE_E_IO */
    const char *inputs[3];       /* paths that are being read, never replaced; NULL = none */
    checkpoint_progress progress;
    void *user;
} save_request;

/* GLIMPSE_E_IO: the disk said no; nothing is left behind.  GLIMPSE_E_INVALID: a number that the type cannot hold. */
glimpse_status model_save(const model *m, const save_request *rq);

bool save_is_llmc(const save_request *rq); /* llm.c's file, by format or name */

/* Put right what processes that are no more have left beside `path`, of it and, where it is a step's, of other steps: what was
 * being made is removed, what was set aside stands under its name again.  model_save does it first. */
void save_sweep(const char *path);
/* Exchange two names: renameat2, unless a test has put another there. */
extern int (*save_exchange)(const char *a, const char *b);

/* Remove a file, or a directory with files alone, as model_save makes it.  False: it is still there. */
bool save_remove(const char *path);
/* The same of a directory as model_save leaves it, config.json, weights and names of its own alone; all else stays: false. */
bool save_remove_checkpoint(const char *path);

/* === Inside: save_tensors.c, save_config.c, save_llmc.c === */

/* One tensor as a file names it.  dims of the file; element (r, c) of it comes from row save_row(...) of m. */
typedef struct saved_tensor {
    char name[160];
    int64_t dims[2]; /* a vector: dims[1] = 0 */
    matrix m;        /* a vector is (n, 1).  data NULL: zeros */
    glimpse_dtype dtype;
    bool turned;     /* stored (in, out) */
    float add;       /* to each element */
    const model *of;
    size_t place;    /* the rule's */
    bool in_layer;
} saved_tensor;

typedef struct tensor_list {
    saved_tensor *t;
    int32_t n;
} tensor_list;

/* The tensors in Hugging Face's names and layout; free(l->t).  `dtype` as in the request. */
glimpse_status save_list(const model *m, save_dtype dtype, tensor_list *l);
/* `n` elements of a tensor as its file has it, from element `at` on, as f32. */
void save_elements(const saved_tensor *t, int64_t at, int64_t n, float *out);
/* Elements and bytes of a tensor in its file. */
int64_t save_count(const saved_tensor *t);
int64_t save_bytes(const saved_tensor *t);
/* What `dtype` of a request makes of a tensor whose own type is `own`. */
glimpse_dtype save_dtype_of(save_dtype dtype, glimpse_dtype own);

typedef struct save_file {
    int fd;
    char *path;
    int64_t done, total;
    const save_request *rq;
} save_file;

glimpse_status save_open(const char *path, int64_t total, const save_request *rq, save_file *f);
glimpse_status save_put(save_file *f, const void *bytes, size_t n);
glimpse_status save_put_tensor(save_file *f, const saved_tensor *t);
/* Synced and closed; with `st` below 0 only closed.  Returns st or what failed here. */
glimpse_status save_close(save_file *f, glimpse_status st);

/* config.json of the model as it is saved; GLIMPSE_E_UNSUPPORTED names the field that it cannot say. */
glimpse_status save_config(const model *m, save_dtype dtype, buffer *b);
/* llm.c's file at `path`, synced. */
glimpse_status save_llmc(const model *m, const char *path, const save_request *rq);
const char *save_dtype_name(glimpse_dtype dtype); /* "F32", as safetensors has it */

#endif
