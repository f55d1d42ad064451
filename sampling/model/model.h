/* model.h -- a checked model: the description with every default filled in, and each tensor in its place.
 *
 * Built from what a trainer bound (model_from_description) or from a checkpoint (sampling/checkpoint).  forward.c turns
 * it into a plan.  Names are Hugging Face's; the table of names and shapes is in names.c.
 *
 * Errors name the tensor, the shape expected with its letters and the shape found:
 *   tensor transformer.h.3.attn.c_attn.weight: expected (3C, C) = (2304, 768), found (768, 2304)
 *   hint: if it is stored (in, out), bind it with GLIMPSE_TRANSPOSED */
#ifndef GLIMPSE_SAMPLING_MODEL_H
#define GLIMPSE_SAMPLING_MODEL_H

#include "include/internal/buffer.h"
#include "kernels/plan.h"

typedef struct model_layer {
    norm_spec ln1, ln2, post_attn, post_mlp;  /* post_*: Gemma's, off elsewhere */
    norm_spec q_norm, k_norm;
    matrix qkv[3];   /* one (q, k, v rows in one matrix) or three */
    vector qkv_bias[3];
    int32_t n_qkv;
    matrix attn_out;
    vector attn_out_bias;
    matrix up[2];    /* gated: gate and up, in one matrix (n_up = 1) or two; not gated: up[0] */
    vector up_bias[2];
    int32_t n_up;
    bool gated;
    matrix down;
    vector down_bias;
} model_layer;

typedef struct model {
    glimpse_model d;       /* every default filled in; strings and tokenizer owned by the model; tensors NULL */
    char *name, *arch;
    matrix wte, wpe, head; /* head = wte when tied */
    norm_spec ln_f;
    model_layer *layers;   /* (L) */
    int64_t n_params;      /* elements of all bound tensors, the vocabulary's padding not counted */
    glimpse_dtype dtype;   /* of the embedding, as records say it */
    bool is_function;      /* d.logits instead of tensors */
    void *storage;         /* what a checkpoint reader allocated or mapped; NULL for a trainer's tensors */
    void (*storage_free)(void *storage);
} model;

/* Check a description and its tensors.  `out` is *returned* (model_close); tensors' memory stays borrowed.
 * GLIMPSE_E_MODEL with the tensor's name, what was expected and what was found. */
glimpse_status model_from_description(const glimpse_model *description, model **out);
void model_close(model *m);

/* GPT-2: the names of biases that are not there where others are, ", " between them (of a layer's, the first layer that lacks it):
 * forgotten perhaps.  Appends; nothing for a model with all of them or none, or of another architecture, which has some by design. */
void model_biases_left_out(const model *m, buffer *out);
/* Fill in every default of a description that has no tensors (strings stay the caller's). */
glimpse_status model_complete(glimpse_model *d);
/* Whether a text ends with this id: the description's `eos` or one of `more_eos`. */
bool model_ends(const glimpse_model *d, int32_t id);
/* What a file lists as ends of a text becomes eos and more_eos: without those outside the vocabulary (some files name one) and
 * those that come again.  False: there are more than a description holds, which has the first of them. */
bool model_set_ends(glimpse_model *d, const int32_t *ids, int32_t n);
bool model_add_end(glimpse_model *d, int64_t id); /* one more */
/* The window of a layer in tokens, 0 = it sees everything. */
int32_t model_window(const glimpse_model *d, int32_t layer);

/* A checkpoint's vocabulary is often padded to a multiple of 64 (nanoGPT: 50257 to 50304): ids that the tokenizer does not
 * know are then never drawn.  Nothing happens when the two sizes do not look like that. */
void model_drop_padding(model *m, int32_t tokenizer_size);

#endif
