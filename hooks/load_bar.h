/* load_bar.h -- how far the reading or writing of a large file is, in place on the terminal, if it takes longer than half a
 * second: size, rate, time left.  A host without `progress` is told nothing.  Called by offline.c and convert.c. */
#ifndef GLIMPSE_HOOKS_LOAD_BAR_H
#define GLIMPSE_HOOKS_LOAD_BAR_H

#include <stdbool.h>
#include <stdint.h>

#include "include/internal/session.h"

typedef struct load_bar { /* start from {host, "reading"}; it belongs to one load */
    const session_host *host;
    const char *what;
    double began, told; /* seconds; 0 = not yet */
    bool shown;
} load_bar;

/* How long a load goes on before it is told of, and how often then.  Tests of small files lower them. */
extern double load_bar_wait_s, load_bar_every_s;

void load_bar_step(void *bar, int64_t done, int64_t total); /* a checkpoint_progress, bytes; takes the bar away at the end */
void load_bar_end(load_bar *b);                              /* takes it away where the load ended before; may be called always */

#endif
