/* gpt2_weights.h -- the small models of tests/ref/gpt2_reference.py, their weights made anew, bound in any layout and type.
 * Shared by the tests of the model, the plan and the checkpoints. */
#ifndef GLIMPSE_TEST_GPT2_WEIGHTS_H
#define GLIMPSE_TEST_GPT2_WEIGHTS_H

#include <glimpse.h>
#include <stdbool.h>

enum { REF_GPT2, REF_LLAMA_LIKE, REF_MIXED, REF_MODELS };
enum { REF_T = 32, REF_V = 61, REF_VP = 64, REF_C = 48, REF_L = 3, REF_H = 4 };
typedef enum ref_layout { REF_STACKED, REF_SEPARATE, REF_TRANSPOSED, REF_STRIDED, REF_LAYOUTS } ref_layout;
enum { REF_MAX_TENSORS = 64 };

typedef struct ref_model {
    glimpse_model d; /* tensors point below */
    glimpse_tensor tensors[REF_MAX_TENSORS];
    char names[REF_MAX_TENSORS][80];
    void *memory[17];
} ref_model;

/* Aborts without memory. */
void ref_model_make(ref_model *r, int index, ref_layout layout, glimpse_dtype dtype);
void ref_model_free(ref_model *r);
/* Bind REF_LLAMA_LIKE, made REF_SEPARATE and f32, anew by Llama's names: q, k, v and gate, up each on their own. */
void ref_model_to_llama(ref_model *r);
/* The bound tensor of this name, NULL if there is none. */
glimpse_tensor *ref_tensor(ref_model *r, const char *name);
/* Id i of prompt p. */
int32_t ref_id(int p, int i);

#endif
