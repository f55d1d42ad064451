/* wrap.h -- messages on a narrow terminal: broken at blanks, never in a word; what goes on stands under what it belongs to.
 * Called by plugin/config.c and the worker for whatever they print; texts of a model are wrapped by viz/text.h. */
#ifndef GLIMPSE_INTERNAL_WRAP_H
#define GLIMPSE_INTERNAL_WRAP_H

#include "include/internal/buffer.h"

/* Columns that a line may have on the terminal at `fd`; 0 = it is none, or does not say: nothing is to be wrapped. */
size_t wrap_columns(int fd);
/* Append `text` with its lines broken so that none is wider than `columns` (0 = as it is), but for a word that is wider by
 * itself: a path that is cut could not be copied, nor `glimpse help score` in its quotes; a list "a=1;b=2" is cut behind a
 * semicolon.  A line "  name   words" goes on under its words, any other two columns in. */
void wrap_lines(buffer *out, const char *text, size_t columns);

/* Bytes of the escape sequence at s, "ESC [ ... letter", which takes no column; 0 = none. */
size_t wrap_escape(const char *s, size_t n);

#endif
