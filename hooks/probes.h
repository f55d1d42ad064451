/* probes.h -- texts of the user's own that are scored, not generated, at every eval: when did the model learn what?
 *
 * --probe FILE holds a text a line, or a prompt and its answer with a tab between them; there are no comments: "# include" is a
 * text as any.  A text stands where `glimpse score` puts it, behind BOS or, without one, EOS (task_prefix_id); a prompt where a
 * sample's prompt stands, behind BOS or nothing; without anything before it the first token is given and not scored.  A prompt
 * and its answer are encoded apart, since that is how a sample goes on from a prompt.
 *
 * A probe of a record is a glimpse_sample whose `stop` is SCORED:
 *   prompt       number of the line among those that are not empty, from 0
 *   prompt_text  the prompt ("" for a text alone)        text    the answer, or the text
 *   prompt_ids   (1) what stands before the first scored token
 *   tokens       every token after it, with the model's alternatives; the answer's begin at `answer_from`
 *   metrics      over the answer's tokens:  answer_logprob  sum of ln p, nats
 *                answer_mean_logprob  per token             answer_rank1  share of those that are the model's first choice
 * A line that cannot be scored (too long, not to be encoded) has no tokens and says `why`.  Called by session_eval.c. */
#ifndef GLIMPSE_HOOKS_PROBES_H
#define GLIMPSE_HOOKS_PROBES_H

#include "sampling/generate.h"

typedef struct probe_list probe_list;

/* Read and encode the file.  GLIMPSE_E_NOT_FOUND, GLIMPSE_E_IO, GLIMPSE_E_TOKENIZER (there is none),
 * GLIMPSE_E_INVALID (no line, more than 1000).  Returned: probes_close. */
glimpse_status probes_open(const char *path, const model *m, tokenizer *t, probe_list **out);
void probes_close(probe_list *p); /* NULL is fine */

/* Score every line with the weights as they are now: *out (*n), in `a`.  GLIMPSE_E_NONFINITE ends a line, not the call. */
glimpse_status probes_score(const probe_list *p, generator *g, int32_t n_top, arena *a, glimpse_sample **out, int32_t *n);
/* How many of them could not be scored; `text` gets the first of them and its reason, on a line.  Appends. */
int32_t probes_unscored(const glimpse_sample *probes, int32_t n, buffer *text);

#endif
