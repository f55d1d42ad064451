/* full_screen.h -- a terminal taken over and given back: the alternate screen, keys one by one, only the rows that changed.
 *
 * No signal handlers: SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGWINCH are blocked and read from a descriptor, so that whatever
 * ends it the terminal is as it was; then the signal is raised again.  Called by reviewer.c, in the program alone. */
#ifndef GLIMPSE_HOOKS_FULL_SCREEN_H
#define GLIMPSE_HOOKS_FULL_SCREEN_H

#include "include/internal/session.h"
#include "include/internal/buffer.h"

enum {
    KEY_NONE = 0,        /* nothing within the time */
    KEY_ENTER = '\r', KEY_ESCAPE = 27, KEY_BACKSPACE = 127,
    KEY_LEFT = 1 << 22, KEY_RIGHT, KEY_UP, KEY_DOWN, KEY_HOME, KEY_END, KEY_PAGE_UP, KEY_PAGE_DOWN,
    KEY_RESIZED, KEY_AGAIN, /* draw anew: the size changed; the program was stopped and goes on */
    KEY_GONE             /* a signal asks to end, or nobody types any more */
};

typedef struct full_screen full_screen;

/* Fails where stdin or stdout is no terminal.  Returned: full_screen_close. */
glimpse_status full_screen_open(const session_host *host, full_screen **out);
/* The terminal as it was; a signal that ended it is raised.  NULL is fine. */
void full_screen_close(full_screen *t);
void full_screen_size(full_screen *t, int *width, int *height);
/* Show these rows; those that stand there already are not sent. */
glimpse_status full_screen_show(full_screen *t, const buffer *rows, int n);
/* The next key: a code point, or one of those above. */
uint32_t full_screen_key(full_screen *t, int wait_ms);

#endif
