/* snapshot.h -- the weights of one eval, in memory that the trainer shares with its worker.
 *
 * One slot, a sealed memfd (never a file in /dev/shm: nothing is left behind whoever dies), made and populated at open,
 * so that an eval is a copy and nothing else.  Tensors that lie one after another in the trainer are one block and one
 * copy.  The worker maps it read-only; the seals keep either side from shrinking it under the other.
 *
 *   free --eval--> filling --message posted--> ready --worker takes it--> in use --answer--> free
 *     ^               |                          |                           |
 *     |               +-- socket full -----------)---------------------------)--> free (the eval is skipped)
 *     +------------------------- the worker died: the eval failed -----------+
 *
 * The guest moves it from free to ready and keeps its hands off until the answer; "ready" and "in use" are one to it.
 * Made and filled by worker_client.c, mapped by cli/worker.c. */
#ifndef GLIMPSE_PLUGIN_SNAPSHOT_H
#define GLIMPSE_PLUGIN_SNAPSHOT_H

#include <glimpse.h>

#include "include/internal/status.h"

typedef struct snapshot_block {
    const char *from;      /* the trainer's memory, borrowed */
    size_t offset, bytes;  /* offset has from's own alignment up to 64 */
} snapshot_block;

typedef struct snapshot {
    int fd;                /* -1 = none */
    char *at;              /* the guest's mapping */
    size_t bytes;          /* whole pages */
    snapshot_block *blocks;
    int n_blocks;
    size_t *offsets;       /* (n_tensors) where each tensor's first element lies */
} snapshot;
#define SNAPSHOT_INIT {-1, 0, 0, 0, 0, 0}

/* Bytes from a tensor's first element to the end of its last; GLIMPSE_E_MODEL: they overflow. */
glimpse_status tensor_extent(const glimpse_tensor *t, size_t *bytes);

/* Lay out and populate the slot for these tensors.  Their data is borrowed until snapshot_close.  GLIMPSE_E_MEMORY:
 * there is not enough free memory (asked before anything is taken: a trainer must not meet the OOM killer here). */
glimpse_status snapshot_open(const glimpse_tensor *tensors, int32_t n, snapshot *s);
void snapshot_fill(snapshot *s);
void snapshot_close(snapshot *s);

#endif
