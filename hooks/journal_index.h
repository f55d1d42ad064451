/* journal_index.h -- a journal for somebody who looks through it: where its evals stand, each read only when it is looked at.
 *
 * The file is walked once for its line ends; of a line only the head (kind, step) is read, by hand: a line has megabytes.
 * evals_refresh takes in what was appended since, so a live run can be looked at; nothing is locked and nothing written.
 * Lines count as in journal_read: a later line of a kind supersedes those before it at its step and beyond.
 * Called by reviewer.c. */
#ifndef GLIMPSE_HOOKS_JOURNAL_INDEX_H
#define GLIMPSE_HOOKS_JOURNAL_INDEX_H

#include "include/internal/record.h"
#include <stdbool.h>

typedef struct index_line {
    int64_t from, to; /* bytes of the file, without the newline */
    int64_t step;
    char kind[12];
} index_line;

typedef struct journal_index journal_index;

/* `path` is borrowed as long as the index.  GLIMPSE_E_IO: there is none.  Returned: evals_close. */
glimpse_status evals_open(const char *path, journal_index **out);
void evals_close(journal_index *x); /* NULL is fine */
/* Take in what came since.  *anew: the evals before are no longer what they were (another run, a resumed one). */
glimpse_status evals_refresh(journal_index *x, bool *anew);

int64_t evals_count(const journal_index *x);
const index_line *evals_at(const journal_index *x, int64_t i); /* borrowed until the next refresh */

/* The bytes of eval i, appended. */
glimpse_status evals_read(journal_index *x, int64_t i, buffer *line);
/* The record of eval i; borrowed until the next three others were asked for, or a refresh said `anew`. */
glimpse_status evals_record(journal_index *x, int64_t i, const glimpse_record **out);
/* The same without its samples: quick.  Returned: record_free(&(*out)->record). */
glimpse_status evals_record_light(journal_index *x, int64_t i, owned_record **out);

/* The text of a sample in the bytes of a line, one after the other: *at is 0 before the first; `text` holds it.  False: there is
 * no other one. */
bool evals_next_text(const char *line, size_t n, size_t *at, buffer *text);

#endif
