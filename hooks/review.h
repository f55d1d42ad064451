/* review.h -- the files that one reviews a run with: the page report.html with its data, metrics.csv, the event file.
 *
 * A file that grows is appended whole: what a crash left of a half append is cut off first, and a write that fails is
 * taken back.  No file of an older eval is written again, so eval 500 costs what eval 5 cost.  Called by views.c, and by
 * the session when a new run begins where an older one lies. */
#ifndef GLIMPSE_HOOKS_REVIEW_H
#define GLIMPSE_HOOKS_REVIEW_H

#include "hooks/views.h"

/* The page's fixed files where they are missing or another version's, and this eval's data file. */
glimpse_status review_page(const view_plan *p, const char *dir, const glimpse_record *r);

/* This eval's lines of report/index.js and metrics.csv, its records in the event file.  The sheets are taken from the
 * eval's folder where they are there, else drawn.  The first failure is returned, the other files are still tried. */
glimpse_status review_append(const view_plan *p, const char *dir, const glimpse_record *r, views_redraw *redraw);

/* *yes: whether the file ends with these bytes.  GLIMPSE_E_IO where there is no such file. */
glimpse_status file_ends_with(const char *path, const buffer *bytes, bool *yes);
/* *yes is set to false unless each of the files above ends with what this record adds to it. */
glimpse_status review_ends_with(const view_plan *p, const char *dir, const glimpse_record *r, bool *yes);

/* TO/probes.png, the texts of --probe over all steps, from DIR's journal; nothing if it has none.  Not at each eval: its cost
 * grows with the run. */
glimpse_status review_probe_map(const char *dir, const char *to);

/* Remove the event files of `dir`. */
glimpse_status review_remove_events(const char *dir);
/* Write TO/report/runs.js, which names the runs of `dir` that were set aside, and of each its last step, best validation loss and
 * model: the page offers them.  Nothing where TO/report is not. */
glimpse_status review_runs(const char *dir, const char *to);

/* Move the event files of an older run into its evals/ that was set aside (journal_aside), where TensorBoard shows them as
 * a run of their own. */
glimpse_status review_set_aside(const char *dir, const char *run);

#endif
