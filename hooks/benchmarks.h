/* benchmarks.h -- --dataset_benchmarks: what the samples are to be compared with.
 *
 * A slice of the data, as long as a sample, chosen by (seed, step), measured as samples are (metrics.h; of the text alone),
 * and the model's own view of it, from one pass over its logits (the first token is given):
 *   loss             mean -ln p, nats           bits_per_byte   sum -ln p / (ln 2 * bytes of the scored tokens)
 *   accuracy         share of tokens that are the model's likeliest     top1_prob   mean probability of the likeliest
 *   target_prob      mean probability of the true token                 target_rank its mean rank
 *   target_left      mean mass of the tokens ranked above it
 *   rank_p95, left_target_p95    95th percentiles (nearest rank) of the rank, of that mass and the token's own together
 * Of each sample, beside its other metrics:
 *   memorised_bytes  the longest span of it that stands in the data word for word, in bytes of text
 *   memorised_share  of its text            memorised_searched  share of the data looked through (1 = all)
 * Tokens are compared where the data are tokens, bytes where they are text.  Called by session_eval.c. */
#ifndef GLIMPSE_HOOKS_BENCHMARKS_H
#define GLIMPSE_HOOKS_BENCHMARKS_H

#include "hooks/dataset.h"
#include "hooks/spelling.h"
#include "sampling/generate.h"

/* n tokens of the slice at this step; metrics (*n_out) in `a`, rounded. */
glimpse_status benchmarks_slice(const dataset *d, generator *g, const model *m, tokenizer *t, speller *sp, uint64_t seed,
                                int64_t step, int32_t n, arena *a, const glimpse_metric **out, int32_t *n_out);
/* Add the memorised metrics to samples (n). */
glimpse_status benchmarks_memorised(const dataset *d, tokenizer *t, glimpse_sample *samples, int32_t n, arena *a);

#endif
