/* names.h -- the table of tensors: Hugging Face's name, the place in `model`, the shape, whether it must be there.
 *
 * One row a tensor and family; another family is other rows (and its defaults in families[]), no code.  Called by
 * model.c to place what was bound and by sampling/checkpoint to know which tensors of a file are the model's. */
#ifndef GLIMPSE_SAMPLING_NAMES_H
#define GLIMPSE_SAMPLING_NAMES_H

#include "sampling/model/model.h"

/* What a dimension of a tensor must be; the letters are those of glimpse.h. */
typedef enum dim_letter {
    DIM_NONE,
    DIM_VP,  /* rows of an embedding: V or more */
    DIM_T,   /* rows of the learned positions: max_seq_len or more */
    DIM_C,
    DIM_Q,   /* H hd */
    DIM_KV,  /* KV hd */
    DIM_QKV, /* (H + 2 KV) hd: q, k, v one above the other */
    DIM_F,
    DIM_UP,  /* F, or 2F: gate and up one above the other */
    DIM_2F,
    DIM_HD
} dim_letter;

typedef enum tensor_need {
    NEED_ALWAYS,
    NEED_NEVER,   /* may be absent */
    NEED_LEARNED, /* with learned positions, and only then */
    NEED_IGNORED  /* in files, but no parameter: not placed */
} tensor_need;

typedef struct tensor_rule {
    const char *pattern;  /* '#' stands for the layer */
    size_t place;         /* offsetof a matrix or vector in model_layer (pattern with '#') or in model */
    dim_letter dims[2];   /* one letter = a vector */
    tensor_need need;
} tensor_rule;

typedef struct tensor_family {
    const char *const *archs; /* NULL-terminated: values of glimpse_model.arch */
    const char *prefix;       /* dropped in the files of the bare model: "transformer." */
    const tensor_rule *rules;
    int n_rules;
    void (*defaults)(glimpse_model *d); /* what arch sets where it was left at 0 */
} tensor_family;

enum { LAYER_NONE = -1, LAYER_ALL = -2 }; /* outside the layers; stacked over all of them */

/* The family of an architecture (NULL = "gpt2").  NULL if it is not known. */
const tensor_family *family_find(const char *arch);
/* The known architectures, "gpt2, llama, ...".  Borrowed until this thread asks again. */
const char *family_list(void);
/* The rule of a name, NULL if there is none.  *layer: its number, LAYER_NONE or LAYER_ALL (`*`).  Wrappers' prefixes
 * (_orig_mod., module.) and a missing family prefix are accepted. */
const tensor_rule *name_find(const tensor_family *family, const char *name, int32_t *layer);
/* The first architecture that has a tensor of this name; NULL = none that is known. */
const char *name_family(const char *name);
/* The known pattern nearest to a wrong name (never NULL), with N for the layer; written to out. */
void name_nearest(const tensor_family *family, const char *name, char *out, size_t cap);
/* The name of a rule's tensor in one layer. */
void name_of(const tensor_rule *rule, int32_t layer, char *out, size_t cap);
bool rule_in_layer(const tensor_rule *rule);

#endif
