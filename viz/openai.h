/* openai.h -- a sample as a line of JSON with the fields that OpenAI's API has for log-probabilities, which other viewers read:
 *   {"run","step","kind","train_loss","val_loss","prompt_id","setting","sample_id","seed","temperature","top_k","samplers",
 *    "prompt","text","finish_reason":"length|stop",
 *    "logprobs":{"content":[{"token","id","bytes":[..],"logprob","top_logprobs":[{"token","id","bytes","logprob"}]}]}}
 * "logprob" is ln p of the model's own distribution at temperature 1; of an alternative whose p is 0 it is -9999, as there.
 * "token" shows U+FFFD for what is not UTF-8 by itself; "bytes" is exact.  "finish_reason" is "length" where the text was
 * cut, else "stop".  Field names: platform.openai.com/docs/api-reference/chat (logprobs.content).  Called by hooks/export.c. */
#ifndef GLIMPSE_VIZ_OPENAI_H
#define GLIMPSE_VIZ_OPENAI_H

#include "viz/view.h"

/* A line for each sample of the record.  Appends. */
glimpse_status openai_lines(const glimpse_record *r, buffer *out);

#endif
