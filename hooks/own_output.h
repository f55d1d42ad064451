/* own_output.h -- a file that a person names for output may be there already, and be something else: a journal, a checkpoint,
 * a task's data.  Replaced is only what begins as this program writes that form, and an empty file.
 * Called by evaluate.c, npy_out.c, session_journal.c and convert.c. */
#ifndef GLIMPSE_HOOKS_OWN_OUTPUT_H
#define GLIMPSE_HOOKS_OWN_OUTPUT_H

#include "include/internal/status.h"
#include <stddef.h>

typedef struct output_form {
    const char *name;   /* "results of an evaluation" */
    const char *begins; /* the first bytes of every file of it */
    size_t n;
} output_form;

/* Whether `path` may be written, and its directory takes it: nothing is there, no regular file, an empty one, or one of
 * this form.  `what` is the option or whose file it is, for the message.  GLIMPSE_E_INVALID: something else is there, named
 * as far as it can be told; GLIMPSE_E_IO: it cannot be read, or not be made there. */
glimpse_status output_may_replace(const char *what, const char *path, const output_form *form);

/* Whether files can be made in `dir`, or where it would be made: nothing is made.  `what` for the message: "--out_dir x".
 * GLIMPSE_E_IO: something on the way is no directory, or not writable. */
glimpse_status output_dir_takes_files(const char *what, const char *dir);
/* The same of the directory that the file `path` is in. */
glimpse_status output_may_be_made(const char *what, const char *path);

#endif
