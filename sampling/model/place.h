/* place.h -- puts one bound tensor into its place of a model, its shape, strides, type and address checked.  Called by
 * model.c alone. */
#ifndef GLIMPSE_SAMPLING_PLACE_H
#define GLIMPSE_SAMPLING_PLACE_H

#include "sampling/model/names.h"

/* The number that a letter stands for in this description (VP and T: the least; UP: F). */
int64_t dim_value(const glimpse_model *d, dim_letter letter);
/* "(3C, C) = (2304, 768)", with a leading L if stacked. */
void shape_expected(const glimpse_model *d, const tensor_rule *rule, bool stacked, bool transposed, char *out, size_t cap);
/* Check `t` and put it in place: m->d must be complete, m->layers allocated and zero.  m->n_params grows by its elements
 * (the vocabulary's padding not counted).  A place that is taken is an error. */
glimpse_status tensor_place(model *m, const tensor_rule *rule, int32_t layer, const glimpse_tensor *t);

#endif
