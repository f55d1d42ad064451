/* journal_rig.h -- a journal as a session opens it for its first line. */
#ifndef GLIMPSE_JOURNAL_RIG_H
#define GLIMPSE_JOURNAL_RIG_H

#include "hooks/journal.h"

/* journal_open in a directory that is made and locked; a run that begins sets the older one's journal aside. */
glimpse_status journal_take(const char *dir, int64_t step, int64_t since, const char *run, const char *arch, int64_t n_params,
                            journal **out, journal_state *state);

#endif
