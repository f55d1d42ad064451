/* import.h -- the worker's side of a snapshot on a GPU (plugin/device.h): opened through CUDA IPC for each eval and closed once
 * the weights were read, so that the trainer may free it whenever nobody reads.  Called by worker.c. */
#ifndef GLIMPSE_PLUGIN_CLI_IMPORT_H
#define GLIMPSE_PLUGIN_CLI_IMPORT_H

#include "plugin/device.h"

typedef struct import import;

/* A context on the offer's device, and a proof that its memory and its event can be opened here.  slot_bytes: what will be
 * read of a slot.  GLIMPSE_E_DEVICE, GLIMPSE_E_FORMAT (an offer that cannot be): nothing is left. */
glimpse_status import_open(const device_offer *offer, size_t slot_bytes, import **out);
/* The number of the device with this bus in this process. */
glimpse_status import_find(const char *bus, int32_t *device);
/* Wait until the trainer's copy into the slot is complete.  *address: where its first byte is, in the device's primary
 * context, until import_end. */
glimpse_status import_begin(import *gpu, int slot, size_t bytes, uint64_t *address);
void import_end(import *gpu); /* nobody reads it any more; does nothing where nothing is open */
/* Between the two: copy it to host memory. */
glimpse_status import_copy(import *gpu, void *to, size_t bytes);
void import_close(import *gpu); /* NULL is fine */

#endif
