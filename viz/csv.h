/* csv.h -- metrics.csv: one line a sample (RFC 4180: CRLF, quotes doubled), for a spreadsheet or a script.
 *
 * The columns are fixed, so that a file that grows over days keeps its header's form: what an eval does not have is
 * empty.  An eval without samples has one line too, for its losses.  Its numbers of no sample follow, a line each, with
 * the columns measure, value and std_error and no sample: lm_eval/TASK/METRIC, dataset/NAME, probe/NUMBER/NAME.  The prompt
 * stands as Python's repr writes it: its line breaks show, and as it opens with a quote no spreadsheet takes it for a
 * formula.  Called by hooks/review.c. */
#ifndef GLIMPSE_VIZ_CSV_H
#define GLIMPSE_VIZ_CSV_H

#include "viz/view.h"

void csv_header(buffer *out);                                    /* appends; look at buf_failed */
glimpse_status csv_lines(const glimpse_record *r, buffer *out);  /* appends, or leaves `out` as it was */

#endif
