/* pickle.h -- the data in a Python pickle (CPython, Lib/pickletools.py; protocols 2 to 5), read and never run.
 *
 * A pickle is a program for a stack machine that may call any function of Python.  Here it can only build data: the
 * opcodes that make None, numbers, texts, tuples, lists and dicts, and a fixed list of names (OrderedDict, what rebuilds a
 * PyTorch tensor, storage and dtype names), which are values and not functions.  Any other opcode or name is an error
 * that says which; there is no other mode.  Bounds: 10 million opcodes, 1 million memo entries, a stack of 100,000,
 * 64 open marks, texts of 64 KB; memory in proportion to the bytes read.  Called by torch_pt.c and meta_pickle.c. */
#ifndef GLIMPSE_SAMPLING_PICKLE_H
#define GLIMPSE_SAMPLING_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/internal/status.h"

typedef enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_TEXT,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_GLOBAL,  /* a name of the list below, not called */
    PICKLE_STORAGE, /* of tensors: key, dtype, elements */
    PICKLE_TENSOR,
    PICKLE_MARK /* never in a result */
} pickle_kind;

typedef enum pickle_global {
    GLOBAL_ORDERED_DICT,
    GLOBAL_REBUILD_TENSOR,
    GLOBAL_REBUILD_PARAMETER,
    GLOBAL_SIZE,
    GLOBAL_STORAGE,
    GLOBAL_DTYPE
} pickle_global;

typedef struct pickle_tensor { /* nothing here is checked against the file: torch_pt.c does */
    uint32_t storage;          /* a PICKLE_STORAGE value */
    int64_t offset;            /* elements */
    int32_t n_dims;
    int64_t dims[8], strides[8];
} pickle_tensor;

typedef struct pickle_value {
    pickle_kind kind;
    pickle_global global; /* PICKLE_GLOBAL */
    const char
        *text; /* PICKLE_TEXT: UTF-8 in the pickle's bytes; PICKLE_STORAGE: its key; GLOBAL_STORAGE, _DTYPE: "Float" */
    const char *dtype; /* PICKLE_STORAGE: "Float", static */
    uint32_t n;        /* bytes of text; items (a dict's keys and values count both) */
    uint32_t cap;
    uint32_t *items; /* numbers of values; dict: key, value, key, value */
    union {
        int64_t i; /* PICKLE_BOOL, PICKLE_INT; PICKLE_STORAGE: elements */
        double f;
        uint32_t tensor; /* in pickle.tensors */
    } as;
} pickle_value;

typedef struct pickle { /* start from {0} */
    pickle_value *values;
    uint32_t n_values, cap_values, root;
    pickle_tensor *tensors;
    uint32_t n_tensors, cap_tensors;
} pickle;

/* Read n bytes, which must outlive the pickle.  `name` begins the messages.  GLIMPSE_E_FORMAT: damaged; _UNSUPPORTED: names
 * the opcode or the global. */
glimpse_status pickle_read(const char *name, const unsigned char *bytes, size_t n, pickle *out);
void pickle_free(pickle *p);

/* Borrowed; NULL when absent, or `of` is NULL or of another kind. */
const pickle_value *pickle_root(const pickle *p);
const pickle_value *pickle_get(const pickle *p, const pickle_value *dict, const char *key);
const pickle_value *pickle_item(const pickle *p, const pickle_value *of, uint32_t i);
bool pickle_i64(const pickle_value *v, int64_t *out); /* an int or a bool */

#endif
