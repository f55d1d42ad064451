/* decide.h -- the decision path: from a row of logits to one id, the same bits on every machine.
 *
 * One header for C and CUDA.  Only explicit fma, integer arithmetic, maxima and fixed-point sums: no libm, no
 * contraction, nothing whose order matters.  So the same logits and the same key give the same token whatever the
 * batch, the thread, the instruction set or the device.
 *
 *   det_exp, det_log          explicit polynomials in double (error < 1 ulp or so; see decide.c's tests)
 *   fixed-point mass          sum over i of round(exp(l_i - max) * 2^FIX): unsigned 64-bit, any order, same bits
 *   draw                      argmax over survivors of l_i / T + gumbel(key, i): Gumbel-max, 64 random bits, in double,
 *                             ties to the lowest id
 *
 * Random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").  The counter is
 * (position, token id, purpose, step or 0), the key a 64-bit mix of seed, prompt bytes and sample index: never the row,
 * the thread or the batch.  Common noise: two settings or two evals differ only where setting or model differ. */
#ifndef GLIMPSE_KERNELS_DECIDE_H
#define GLIMPSE_KERNELS_DECIDE_H

#include <stdint.h>

typedef struct draw_key {
    uint64_t key;          /* draw_key_make(seed, prompt bytes, sample) */
    uint32_t step;         /* 0, or the training step with --seed_each_step */
} draw_key;

enum { PURPOSE_DRAW = 0, PURPOSE_XTC = 1, PURPOSE_USER = 16 };

#endif
