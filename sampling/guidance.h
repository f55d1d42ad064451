/* guidance.h -- classifier-free guidance against a negative prompt (Sanchez et al. 2023, "Stay on topic with classifier-free
 * guidance", arXiv 2306.17806; transformers' UnbatchedClassifierFreeGuidanceLogitsProcessor): beside each sample runs the
 * same text behind the negative prompt, and what is drawn from is
 *
 *     l' = u + g (c - u),   c, u = log_softmax of the two rows, g = the scale
 *
 * in double, rounded to float once; g 1 is off.  Where c is -inf, l' is; where only u is, l' = c.  The record's logit,
 * logprob, rank and entropy stay those of the sample's own row; p_temp and p_final are of what was drawn from.
 * Called by sequence.c and generate.c. */
#ifndef GLIMPSE_SAMPLING_GUIDANCE_H
#define GLIMPSE_SAMPLING_GUIDANCE_H

#include "sampling/samplers/chain.h"

/* Put the sampler first in `c`.  `against` (borrowed as long as the chain and its clones) points to the row (V) of the
 * negative prompt's sequence at each draw; NULL: for the chain's text alone.
 * A draw fails with GLIMPSE_E_NONFINITE if that row has a NaN or +inf, or nothing but -inf. */
glimpse_status guidance_join(chain *c, double scale, const float *const *against);

#endif
