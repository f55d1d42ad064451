/* pty.h -- a program driven in a pseudo-terminal, and what its screen shows: a small terminal that knows the escapes that
 * `glimpse review` writes and refuses any other.  Used by test_reviewer.c. */
#ifndef GLIMPSE_TEST_PTY_H
#define GLIMPSE_TEST_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PTY_ROWS = 64, PTY_COLUMNS = 240, PTY_CELL = 16 };

typedef struct pty {
    int fd, width, height;
    pid_t pid;
    char cells[PTY_ROWS][PTY_COLUMNS][PTY_CELL]; /* what stands in each, as UTF-8; "" behind a wide character */
    int row, column;
    bool alternate, cursor_hidden;
    int foreign;        /* escapes that none of ours are */
    int colors[4];      /* SGR of 16, 256, 2^24 colours that were seen; other SGR */
    char pending[4096];
    size_t n_pending;
    bool ended;         /* nothing more comes */
    bool settling;      /* the size has just changed */
} pty;

/* Start argv with `environment` (NULL-ended, added to a plain one). */
bool pty_start(pty *p, int width, int height, const char *const *environment, char *const *argv);
/* Take in what is written until `text` stands on the screen (NULL: until it sleeps and nothing comes).  False after 60 s. */
bool pty_wait(pty *p, const char *text);
/* True if it is there now. */
bool pty_shows(const pty *p, const char *text);
void pty_keys(pty *p, const char *keys);
void pty_resize(pty *p, int width, int height);
/* Row i without its last blanks, in `out` of PTY_COLUMNS * PTY_CELL bytes. */
void pty_row(const pty *p, int i, char *out);
/* Wait for its end; the wait status. */
int pty_end(pty *p);

#endif
