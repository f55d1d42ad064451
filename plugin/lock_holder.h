/* lock_holder.h -- who holds the lock on a directory (hooks/journal.h), asked when it was refused.
 *
 * A trainer that is started again after a crash meets the worker of the one before, which finishes the eval in hand.  That
 * ends by itself; another run that is alive does not.  flock tells nothing of the holder: /proc/locks names its process,
 * the command line of a worker the trainer that it serves (spawn.c).  Called by cli/worker.c and inline.c. */
#ifndef GLIMPSE_PLUGIN_LOCK_HOLDER_H
#define GLIMPSE_PLUGIN_LOCK_HOLDER_H

#include <sys/types.h>

typedef enum lock_holder {
    HOLDER_UNKNOWN,  /* free meanwhile, or of another machine or container */
    HOLDER_ALIVE,    /* another run */
    HOLDER_OWN,      /* an earlier worker of this very trainer */
    HOLDER_ENDING    /* a worker whose trainer is gone */
} lock_holder;

/* `trainer`: the process on whose behalf is asked. */
lock_holder lock_holder_of(const char *dir, pid_t trainer);

#endif
