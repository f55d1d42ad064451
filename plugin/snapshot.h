/* snapshot.h -- the weights of an eval, in memory that the trainer shares with its worker.
 *
 * One slot or two (--snapshots 2), in one sealed memfd (never a file in /dev/shm: nothing is left behind whoever dies), made and
 * populated at open, so that an eval is a copy and nothing else.  Tensors that lie one after another in the trainer are one block
 * and one copy.  The worker maps it read-only; the seals keep either side from shrinking it under the other.
 * Each slot:
 *
 *   free --eval--> filling --message posted--> ready --worker takes it--> in use --answer--> free
 *     ^               |                          |                           |
 *     |               +-- socket full -----------)---------------------------)--> free (the eval is skipped)
 *     +------------------------- the worker died: the eval failed -----------+
 *
 * The guest moves it from free to ready and keeps its hands off until the answer; "ready" and "in use" are one to it.  Of
 * two slots one is in use, the other may be filled and become ready meanwhile; the worker takes them in the order of the
 * evals, one at a time, so the second is never in use before the first is free.  Where the worker dies, the slot in use
 * is lost with its eval, the ready one waits for the next worker.  No slot free: the eval is skipped or waits (--when_busy).
 *
 * Weights on a GPU are copied there by its driver (device.h), or, once the worker has opened it, into a slot of the same
 * number in memory of the GPU, laid out alike: the slot on the host is then left as it is.  That one is free as soon as the worker
 * has copied it out (COPIED), before the answer.
 *
 * Made and filled by worker_client.c and, for weights on a GPU, inline.c; mapped by cli/worker.c. */
#ifndef GLIMPSE_PLUGIN_SNAPSHOT_H
#define GLIMPSE_PLUGIN_SNAPSHOT_H

#include <glimpse.h>

#include "include/internal/file.h"
#include "include/internal/status.h"
#include "plugin/device.h"

typedef struct snapshot_block {
    const char *from;      /* the trainer's memory, borrowed */
    size_t offset, bytes;  /* offset has from's own alignment up to 64 */
    uint64_t allocation;   /* on a GPU: where the allocation around it begins; a copy does not cross it.  0 = the host's */
} snapshot_block;

typedef struct snapshot_extent {
    const char *at;        /* borrowed */
    size_t bytes;
} snapshot_extent;

typedef struct snapshot {
    int fd;                /* -1 = none */
    file_id id;            /* of fd */
    char *at;              /* the guest's mapping, slot after slot */
    size_t bytes;          /* of a slot, whole pages */
    int n_slots;
    snapshot_block *blocks;
    int n_blocks;
    size_t *offsets;       /* (n_tensors) where each tensor's first element lies */
    snapshot_extent *extents; /* (n_extents) the tensors' own memory, for the fingerprint */
    int n_extents;
    device *device;        /* NULL = every tensor is in host memory; borrowed until snapshot_close */
    device_part *parts;    /* (n_parts) the blocks that lie on it */
    int n_parts;
    bool later;            /* the memory is reserved, nothing of it was taken yet */
} snapshot;
#define SNAPSHOT_INIT {.fd = -1}

/* Lay out and populate 1 or 2 slots; n_slots SNAPSHOT_LATER: reserve one that is taken when it is first filled, in memory of this
 * process alone.  The tensors' data is borrowed until snapshot_close, as is d (device_open's, NULL = no tensor is on a device).
 * GLIMPSE_E_MEMORY: there is not enough free memory, on the machine or in the control group (asked before anything is taken: a
 * trainer must not meet the OOM killer here). */
enum { SNAPSHOT_LATER = 0 };
glimpse_status snapshot_open(const glimpse_tensor *tensors, int32_t n, int n_slots, device *d, snapshot *s);
/* Copy the weights of this moment into a slot and wait for the copy.  Fails for weights on a GPU alone: then the slot holds
 * nothing. */
glimpse_status snapshot_fill(snapshot *s, int slot);
void snapshot_fill_host(snapshot *s, int slot); /* only what lies in host memory */
/* Whether weights in host memory are still what they were: two fingerprints are equal while nothing was written in some
 * 1,000 places of 256 bytes, at least four of every tensor and the more the larger it is.  A fraction of a millisecond whatever the
 * model's size; a step of training changes nearly every number, and one in ten thousand of f32 weights is seen with 99.8 % probability.
 * `careful`: ask before each read; false: a tensor's memory is gone. */
bool snapshot_fingerprint(const snapshot *s, bool careful, uint64_t *out);
void snapshot_close(snapshot *s);

#endif
