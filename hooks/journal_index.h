/* journal_index.h -- a journal for somebody who looks through it: where its evals stand, each read only when it is looked at.
 *
 * The file is walked once for its line ends; of a line only the head (kind, step) is read, by hand: a line has megabytes.
 * evals_refresh takes in what was appended since, so a live run can be looked at; nothing is locked and nothing written.
 * Lines count as in journal_read: a later line of a kind supersedes those before it at its step and beyond.
 * Called by reviewer.c and follow.c. */
#ifndef GLIMPSE_HOOKS_JOURNAL_INDEX_H
#define GLIMPSE_HOOKS_JOURNAL_INDEX_H

#include "hooks/journal_lines.h"
#include "include/internal/record.h"
#include <stdbool.h>

typedef struct journal_index journal_index;

/* What a refresh found: the same evals and perhaps more; or some before are superseded (the run goes on from an earlier step);
 * or another journal has taken the name, perhaps an empty one. */
typedef enum evals_change { EVALS_SAME, EVALS_RESUMED, EVALS_ANOTHER } evals_change;

/* `path` is borrowed as long as the index.  GLIMPSE_E_IO: there is none.  Returned: evals_close. */
glimpse_status evals_open(const char *path, journal_index **out);
void evals_close(journal_index *x); /* NULL is fine */
/* Take in what came since.  While no regular file stands there (between two runs, on a file system that comes back) nothing
 * changes. */
glimpse_status evals_refresh(journal_index *x, evals_change *change);

int64_t evals_count(const journal_index *x);
const journal_line *evals_at(const journal_index *x, int64_t i); /* borrowed until the next refresh */

/* The bytes of eval i, appended. */
glimpse_status evals_read(journal_index *x, int64_t i, buffer *line);
/* The record of eval i; borrowed until the next three others were asked for, or a refresh said otherwise than EVALS_SAME. */
glimpse_status evals_record(journal_index *x, int64_t i, const glimpse_record **out);
/* The same without its samples: quick.  Returned: record_free(&(*out)->record). */
glimpse_status evals_record_light(journal_index *x, int64_t i, owned_record **out);

/* The text of a sample in the bytes of a line, one after the other: *at is 0 before the first; `text` holds it.  False: there is
 * no other one. */
bool evals_next_text(const char *line, size_t n, size_t *at, buffer *text);

#endif
