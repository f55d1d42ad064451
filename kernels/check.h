/* check.h -- what every backend refuses before it computes: a plan whose shapes do not fit, rows out of range.
 *
 * Also the sizes that follow from a plan.  Called by the backends' open and forward (reference.c, cpu/, cuda/); all
 * arithmetic on sizes is overflow-checked, so that a hostile description ends in a text and not in a short buffer. */
#ifndef GLIMPSE_KERNELS_CHECK_H
#define GLIMPSE_KERNELS_CHECK_H

#include "kernels/backend.h"

/* Shapes of a cache layer: taken from the layer's STORE_QKV phase; 0 where the layer has none. */
typedef struct layer_shape {
    int32_t kv_heads, head_size;
} layer_shape;

/* Columns of y of a MATMUL or HEAD phase before its store: the rows of all its parts. */
int64_t phase_columns(const phase *ph);

/* The phase's layer_shape into shapes (n_layers); the plan has passed plan_check. */
void plan_layer_shapes(const plan *p, layer_shape *shapes);

/* GLIMPSE_E_INVALID names the phase and what does not fit. */
glimpse_status plan_check(const plan *p, const backend_config *cfg);

/* GLIMPSE_E_INVALID names the first row out of range.  *wanted = rows that want logits.  `last` (n_strips) is scratch:
 * it receives the last position written to each strip in this run, -1 for none. */
glimpse_status rows_check(const plan *p, const backend_config *cfg, const backend_row *rows, int32_t n_rows,
                          int32_t *last, int32_t *wanted);

/* What every backend's copy refuses. */
glimpse_status copy_check(const backend_config *cfg, int32_t from, int32_t to, int32_t first, int32_t n);

/* a * b * c * d in bytes, false when it does not fit into a ptrdiff_t. */
bool size_mul(size_t a, size_t b, size_t c, size_t d, size_t *out);

#endif
