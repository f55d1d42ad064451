/* export.h -- what `glimpse report DIR` makes beside the views, from the journal alone and without a lock, so that a run which
 * goes on can be exported too:
 *   --single          DIR/report.single.html   the review page in one file, to send to somebody
 *   --export openai   DIR/samples.openai.jsonl a line a sample (viz/openai.h)
 * Called by report.c. */
#ifndef GLIMPSE_HOOKS_EXPORT_H
#define GLIMPSE_HOOKS_EXPORT_H

#include "include/internal/options.h"
#include "include/internal/session.h"

/* *asked: the options name one of them. */
glimpse_status export_journal(const options *o, const char *dir, const session_host *host, bool *asked);

#endif
