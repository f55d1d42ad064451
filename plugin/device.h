/* device.h -- weights that lie on a GPU: copied by the driver into a snapshot on the host or on the device.
 *
 * Nothing is launched on the trainer's stream and nothing waits for the whole device.  At each eval
 *
 *     trainer's stream  ... last step | record `before` |              wait `copied` | next step ...
 *     our stream                        wait `before`  copy, a block at a time  record `copied`
 *
 * (inline, a session on the same device reads the weights in place: device_catch_up waits for `before`, no copy)
 * so the copy sees the weights as the stream leaves them there, and the next step cannot overwrite what is still being
 * read.  A copy to the host is waited for; one on the device is not: the worker waits for `copied` itself.
 *
 * A device snapshot is one cuMemAlloc in multiples of 2 MiB (an IPC handle opens the whole block that the driver cut it
 * from), taken at the first eval after a completed step, when the trainer has its own memory, and given back with close:
 *
 *   none --eval after a step--> offered --worker opens it--> shared --close--> none
 *     |                            |
 *     +-- IPC, memory, MPS, -------+--worker refuses--> refused: host snapshots from then on, said once
 *         exclusive mode
 *
 * (the state is worker_client.c's).  Called by snapshot.c, worker_client.c, inline.c; nothing here is called for a model
 * whose tensors are all in host memory. */
#ifndef GLIMPSE_PLUGIN_DEVICE_H
#define GLIMPSE_PLUGIN_DEVICE_H

#include <glimpse.h>

#include "plugin/driver.h"

/* GLIMPSE_OK: the driver knows `p` as memory of a device.  GLIMPSE_E_DEVICE: it does not, there is none, or it is too old. */
glimpse_status device_owns(const void *p);

typedef struct device device;

/* What a worker needs to open a device snapshot; sent as it lies. */
typedef struct device_offer {
    cu_handle memory, copied;
    uint64_t slot_bytes; /* from one slot to the next; one is at least as long as a slot on the host */
    int32_t n_slots;
    char bus[32];        /* of the device, "0000:3b:00.0": DEVICE_BUS_BYTES */
} device_offer;

/* *out is NULL where every tensor is in host memory.  `model` is read now, its tensors' data borrowed until close.
 * GLIMPSE_E_UNSUPPORTED: tensors on two devices. */
glimpse_status device_open(const glimpse_model *model, device **out);
/* Waits for copies that still run, then frees everything.  is_read: a worker may still read the device snapshot, which is then
 * left to the end of the process (to free what another has open is undefined). */
void device_close(device *d, bool is_read);

/* The bus of the device ("0000:3b:00.0"), for a process that computes on it beside the trainer.  An error says for people why
 * none should: MPS, exclusive mode. */
enum { DEVICE_BUS_BYTES = 32 };
glimpse_status device_name(device *d, char bus[DEVICE_BUS_BYTES]);
/* Its number, for who computes on it in this process through CUDA's runtime: the memory must be of the primary context, which
 * that uses. */
glimpse_status device_number(device *d, int32_t *ordinal);

/* Where the allocation that holds a tensor begins, 0 = it is in host memory.  GLIMPSE_E_MODEL: `bytes` from p on pass its end. */
glimpse_status device_allocation(device *d, const void *p, size_t bytes, uint64_t *base);

/* GLIMPSE_SKIPPED: the trainer's stream is being captured into a graph, nothing may be put on it. */
glimpse_status device_ready(device *d);

/* One part of a copy, from the trainer's memory. */
typedef struct device_part {
    const void *from;
    size_t offset, bytes; /* offset: in the slot */
} device_part;
/* Copy to host memory and wait for it. */
glimpse_status device_copy_out(device *d, const device_part *parts, int n, char *to);
/* Wait until the trainer's stream has done what is on it now: then the weights can be read where they are. */
glimpse_status device_catch_up(device *d);
/* Copy to slot `slot` of the device snapshot; does not wait. */
glimpse_status device_copy_across(device *d, const device_part *parts, int n, int slot);

/* Memory of ours that copies go to, page-locked if the driver will: until device_unpin or never. */
void device_pin(device *d, void *at, size_t bytes);
void device_unpin(device *d, void *at);

/* Take memory for n_slots snapshots and export it.  limit: the share of the device's memory that Glimpse may hold, in per
 * cent.  On failure nothing is held and the text says why, for people. */
glimpse_status device_offer_slots(device *d, size_t slot_bytes, int n_slots, double limit, device_offer *out);
void device_withdraw(device *d); /* the offer; nobody reads it */

#endif
