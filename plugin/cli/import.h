/* import.h -- the worker's side of a snapshot on a GPU (plugin/device.h): opened through CUDA IPC for each copy and closed
 * after it, so that the trainer may free it whenever no copy runs.  Called by worker.c. */
#ifndef GLIMPSE_PLUGIN_CLI_IMPORT_H
#define GLIMPSE_PLUGIN_CLI_IMPORT_H

#include "plugin/device.h"

typedef struct import import;

/* A context on the offer's device, and a proof that its memory and its event can be opened here.  slot_bytes: what will be
 * read of a slot.  GLIMPSE_E_DEVICE, GLIMPSE_E_FORMAT (an offer that cannot be): nothing is left. */
glimpse_status import_open(const device_offer *offer, size_t slot_bytes, import **out);
/* Wait until the trainer's copy into the slot is complete, and copy it to host memory. */
glimpse_status import_copy(import *gpu, int slot, void *to, size_t bytes);
void import_close(import *gpu); /* NULL is fine */

#endif
