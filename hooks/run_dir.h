/* run_dir.h -- what the directory is that a person named to look at a run: misspelt, the one above, being written to.
 * Called by follow.c, report.c and reviewer.c, and by whatever takes a checkpoint. */
#ifndef GLIMPSE_HOOKS_RUN_DIR_H
#define GLIMPSE_HOOKS_RUN_DIR_H

#include "include/internal/buffer.h"
#include "include/internal/status.h"

/* GLIMPSE_E_IO: there is no directory of this name, with the run that was perhaps meant; GLIMPSE_E_INVALID: it is a file. */
glimpse_status run_dir_check(const char *dir, const char *command);
/* The same, and it must hold a journal: GLIMPSE_E_IO. */
glimpse_status run_dir_check_begun(const char *dir, const char *command);
/* The run in it, or of a name like it beside it, that was perhaps meant.  Returned (free); NULL = none. */
char *run_dir_meant(const char *dir);

/* The checkpoint that `path` means (checkpoint_find_newest): in the directory of a run, of those that were written since its journal
 * began, so that what a run before left there is not taken for this one's.  *found: returned (free).  `told` (NULL = nobody):
 * gets a line for people (session_tell) where one with a higher step was passed over, and where the one that is taken may
 * be an older run's. */
glimpse_status run_dir_checkpoint(const char *path, char **found, buffer *told);

typedef enum run_writer {
    WRITER_NONE,   /* that this machine knows of */
    WRITER_RUN,
    WRITER_REPORT  /* `glimpse report` draws */
} run_writer;
run_writer run_dir_writer(const char *dir);

#endif
