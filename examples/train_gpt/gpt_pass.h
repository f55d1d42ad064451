/* gpt_pass.h -- what gpt.c and gpt_pass.c share: aligned memory and the workers' release. */
#ifndef TRAIN_GPT_GPT_PASS_H
#define TRAIN_GPT_GPT_PASS_H

#include "examples/train_gpt/gpt.h"

/* n zeroed floats on a cache line's edge, so that the loops see the same alignment, hence the same sums, in every run;
 * NULL when memory is short.  Returned: free(). */
float *gpt_floats(size_t n);

/* Free what gpt_prepare allocated. */
void gpt_unprepare(gpt *model);

#endif
