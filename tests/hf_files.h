/* hf_files.h -- writes the small models of tests/ref/hf_reference.py and hf_transformers.py as files.  Shared by the tests
 * of the checkpoints. */
#ifndef GLIMPSE_TEST_HF_FILES_H
#define GLIMPSE_TEST_HF_FILES_H

#include <glimpse.h>
#include "include/internal/buffer.h"
#include "sampling/model/model.h"

enum { HF_MODELS = 21 };
const char *hf_name(int index);
const char *hf_config(int index);
int hf_tensor_count(int index);
const char *hf_tensor_name(int index, int i);
/* Elements of tensor i; dims (2), the second 0 for a vector. */
size_t hf_tensor_shape(int index, int i, int dims[2]);
/* Append its bytes in dtype.  The values are exact in each. */
void hf_tensor_bytes(int index, int i, glimpse_dtype dtype, buffer *b);

/* A safetensors file of the tensors `from` to `to` - 1; every name begins with `prefix`. */
void hf_safetensors(int index, int from, int to, glimpse_dtype dtype, const char *prefix, buffer *b);
/* dir/name with these bytes; the path is static. */
const char *hf_save(const char *dir, const char *name, const void *bytes, size_t n);
/* A fresh directory test_tmpdir()/name; static. */
const char *hf_dir(const char *name);

/* The worst of max |difference| / max |reference| over the three prompts, whole and one token after another, on both
 * backends; NAN when something failed. */
double hf_error(const model *m, int index);

#endif
