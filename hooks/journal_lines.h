/* journal_lines.h -- which lines of a journal count: one supersedes those of its kind before it that stand at its step or beyond;
 * after a resume they are an abandoned branch.  Each line is looked at twice at most, whatever the steps are.
 * Called by journal.c, journal_index.c and run_dir.c. */
#ifndef GLIMPSE_HOOKS_JOURNAL_LINES_H
#define GLIMPSE_HOOKS_JOURNAL_LINES_H

#include "include/internal/file.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct journal_line {
    int64_t from, to; /* bytes of the file, without the newline; from -1 = superseded */
    int64_t step;
    char kind[12];
    int64_t before;   /* lines_add's: the line of this kind that counts before it, -1 = none */
} journal_line;

#define JOURNAL_MAX_LINE ((int64_t)1 << 30) /* bytes */
enum { JOURNAL_KINDS = 8 }; /* ours are three; a line of a ninth supersedes none */

typedef struct journal_lines { /* begin with {0} */
    buffer all;      /* journal_line, in the order of the file */
    int64_t dead;    /* those of them that are superseded */
    int64_t looked;  /* lines looked at so far: for a test */
    int n_kinds;
    struct {
        char kind[12];
        int64_t last; /* that counts, -1 = none */
    } kinds[JOURNAL_KINDS];
} journal_lines;

/* Kind and step of a line from the members that ours begin with, read by hand: a line has megabytes.  False: another order, or no
 * line of ours. */
bool lines_head(const char *s, size_t n, journal_line *k);
size_t lines_end_of_text(const char *s, size_t n, size_t at); /* behind the JSON text that begins at s[at], 0 if it does not end */

void lines_add(journal_lines *l, journal_line k); /* out of memory: l->all says so */
void lines_drop_dead(journal_lines *l);
/* Append the bytes of a line.  GLIMPSE_E_FORMAT: more than 1 GiB. */
glimpse_status lines_read(const file *f, int64_t from, int64_t to, buffer *line);
/* When it began, seconds since 1970, by its first line of this kind (NULL = any) that can be read; 0 = there is none.  The rest,
 * which may be gigabytes, is not looked at. */
int64_t lines_began(const file *f, const char *kind);
void lines_free(journal_lines *l); /* {0} again */

#endif
