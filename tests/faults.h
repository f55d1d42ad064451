/* faults.h -- what the tests of faults share: rows of the table that `make faults` prints, random numbers, a small model
 * and its session, trees of files compared, a journal checked line by line.  Called by tests/test_faults_*.c. */
#ifndef GLIMPSE_TESTS_FAULTS_H
#define GLIMPSE_TESTS_FAULTS_H

#include "hooks/journal.h"
#include "tests/test.h"

/* One row: PASS or FAIL, the name, the figure.  Appended to the file named by GLIMPSE_FAULTS where there is one; what is
 * not ok fails the test, too. */
void fault_row(bool ok, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same without failing the test: a figure that a busy machine spoils. */
void fault_figure(bool ok, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

uint64_t fault_random(uint64_t *state, uint64_t n); /* in [0, n), splitmix64 */

/* Every file below `dir`, as "path\tbytes\tCRC-32C\n" in order of path; paths that hold one of `except` (up to NULL) are
 * left out.  Returned (free). */
char *fault_tree(const char *dir, const char *const *except);

/* Draw every view of DIR/evals.jsonl in `fresh`, a directory that is made, as `glimpse report` does. */
glimpse_status fault_report(const char *dir, const char *fresh);
/* The views of `dir` are what a report draws from its journal, byte for byte; says what differs.  `fresh` is used up. */
bool fault_views_are_the_journals(const char *dir, const char *fresh);

typedef struct journal_walk { /* a journal read as it grows; begin with {0} */
    int64_t at;               /* bytes read: whole lines */
    int64_t lines, last_step, last_seq;
    bool skipped; /* the last one has no sample: it may be made up for at the same step */
    int64_t bad;              /* lines that cannot be read, or whose step or seq does not rise */
} journal_walk;
/* Read the whole lines beyond w->at; `each` (may be NULL) gets each. */
void fault_walk(const char *path, journal_walk *w, void (*each)(void *user, const glimpse_record *r), void *user);

void fault_remove(const char *dir); /* rm -rf */

#endif
