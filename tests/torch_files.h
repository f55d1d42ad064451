/* torch_files.h -- writes what torch.save writes: pickles opcode by opcode, zips of stored members.  For tests alone. */
#ifndef GLIMPSE_TEST_TORCH_FILES_H
#define GLIMPSE_TEST_TORCH_FILES_H

#include "include/internal/buffer.h"
#include <stdbool.h>

void pkl_text(buffer *b, const char *s); /* BINUNICODE */
void pkl_int(buffer *b, int32_t v);      /* BININT */
void pkl_global(buffer *b, const char *module, const char *name);
/* _rebuild_tensor_v2 of a storage ("Float", ...) with `held` elements. */
void pkl_tensor(buffer *b, const char *type, const char *key, int held, int offset, int n_dims, const int *dims,
                const int *strides);

typedef struct zip_file {
    const char *name;
    const void *bytes;
    size_t n;
} zip_file;
/* Sizes in data descriptors (flags 0x0808), and a ZIP64 record before the end record, as PyTorch always writes them. */
void zip_make(buffer *b, const zip_file *files, int n);

enum { TORCH_NANOGPT = 9 }; /* hf_files.h's model that these hold */
typedef struct torch_recipe {
    const char *key, *prefix; /* key NULL: the state dict is the root */
    bool model_args, parameters, tied_head;
    const char *dataset;      /* config['dataset'], as train.py saves it; NULL = none */
    bool expanded;            /* vectors as what .expand() gives: one number, a stride of 0 */
} torch_recipe;
/* dir/name; the path is static. */
const char *torch_nanogpt(const char *dir, const char *name, const torch_recipe *r);

#endif
