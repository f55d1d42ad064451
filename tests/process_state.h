/* process_state.h -- everything about this process that a guest must leave as it found it, as lines "item: value", so that
 * two moments can be compared and a difference names itself.  The listing itself leaves all of it alone. */
#ifndef GLIMPSE_PROCESS_STATE_H
#define GLIMPSE_PROCESS_STATE_H

#include "include/internal/buffer.h"

/* Fill `out` with the state; errno is among it and kept.  Returns the number of items. */
int process_state(buffer *out);

/* Lines of `after` that are not in `before` and the other way round, those that hold one of `except` (up to NULL) left out;
 * "" if there are none.  The text is in `diff`. */
const char *process_state_diff(const buffer *before, const buffer *after, const char *const *except, buffer *diff);

#endif
