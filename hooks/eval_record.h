/* eval_record.h -- from a batch of samples to the record of an eval: pieces, metrics, and the round trip through the
 * journal's line, so that what views see is exactly what is written. */
#ifndef GLIMPSE_HOOKS_EVAL_RECORD_H
#define GLIMPSE_HOOKS_EVAL_RECORD_H

#include "hooks/metrics.h"
#include "include/internal/record.h"
#include "sampling/generate.h"

/* Fill a record: the time now, the samples of `batch` (NULL = none; borrowed as long as the record), and the bytes of
 * every id in them and in the probes that the record has already.  Metrics are measured if `with_metrics` (the model's own
 * always).  The record's other fields are the caller's. */
glimpse_status eval_record_fill(glimpse_record *r, arena *a, const batch_result *batch, tokenizer *t, bool with_metrics, speller *sp);

#endif
