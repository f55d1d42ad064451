/* model_variants.h -- descriptions that might be meant instead of the one that was given: another activation, a matrix that is
 * stored the other way round, q, k and v in another order.  A variant changes strides, addresses and numbers of a model whose
 * layers are a copy, never a weight.  Called by model_check.c, which tries them on the trainer's losses. */
#ifndef GLIMPSE_HOOKS_MODEL_VARIANTS_H
#define GLIMPSE_HOOKS_MODEL_VARIANTS_H

#include "include/internal/buffer.h"
#include "sampling/model/names.h"

typedef enum variant_kind {
    VARIANT_ACTIVATION,    /* value: a glimpse_activation */
    VARIANT_EPS,           /* value: an index of 3 */
    VARIANT_NORM,          /* the other of layer norm and RMS norm */
    VARIANT_PLUS_ONE,      /* norms' weights stored as w - 1, or not */
    VARIANT_ROPE_PAIRS,
    VARIANT_ROPE_THETA,
    VARIANT_ATTENTION_SCALE,
    VARIANT_EMBEDDING_SCALE,
    VARIANT_TRANSPOSED,    /* the matrix of `rule`; NULL = every matrix of the layers */
    VARIANT_QKV_ORDER,     /* value: the order in memory, or in which three tensors are bound, an index of 6 */
    VARIANT_QKV_GROUPED,
    VARIANT_GATE_AND_UP,   /* the other way round */
    VARIANT_HEADS,         /* value: the size of a head, of which there are more or fewer then */
    VARIANT_VOCABULARY     /* value: ids; the padding counted or not */
} variant_kind;

typedef struct variant {
    variant_kind kind;
    double value;
    const tensor_rule *rule;
} variant;

enum { VARIANTS_MOST = 96 };

/* Those that move the mean loss by less than the noise of f32 (`subtle`: another GELU, another eps), or all.  `ids`: how many the
 * tokenizer has, 0 = not known, or too few for the batch.  How many, at most VARIANTS_MOST. */
int32_t variants_of(const model *m, int32_t ids, bool subtle, variant *out);
/* Make `m` (its layers are the caller's copy) what the variant says; false: it says nothing that m does not. */
bool variant_apply(const variant *v, model *m);
/* "model.activation = GLIMPSE_RELU", "transformer.h.*.attn.c_proj.weight transposed"; appended. */
void variant_say(const variant *v, const model *m, buffer *out);

#endif
