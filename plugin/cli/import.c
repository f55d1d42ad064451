/* import.c -- weights out of the trainer's snapshot on a GPU (import.h). */
#define _GNU_SOURCE
#include "plugin/cli/import.h"

#include <stdlib.h>
#include <string.h>

/* What is open while a slot is read. */
typedef struct opened {
    cu_address memory;
    cu_event copied;
} opened;

struct import {
    const driver *cu;
    device_offer offer;
    cu_device device;
    cu_context context;
    cu_stream stream;
    bool retained;
    opened now;          /* between import_begin and import_end */
    cu_address slot;     /* within it; 0 = nothing is open */
};

static glimpse_status open_handles(import *g, opened *o) {
    DRIVER_TRY(g->cu, import_memory, &o->memory, g->offer.memory, CU_IPC_PEER_ACCESS);
    DRIVER_TRY(g->cu, import_event, &o->copied, g->offer.copied);
    return GLIMPSE_OK;
}
static void close_handles(import *g, const opened *o) {
    if (o->copied) g->cu->event_close(o->copied);
    if (o->memory) g->cu->close_memory(o->memory);
}

static glimpse_status prove(import *g) {
    opened o = {0};
    DRIVER_TRY(g->cu, stream_open, &g->stream, CU_STREAM_NO_LEGACY);
    glimpse_status st = open_handles(g, &o);
    close_handles(g, &o);
    return st;
}

static glimpse_status open_context(import *g) {
    driver_guard guard;
    TRY(driver_load(false, &g->cu));
    DRIVER_TRY(g->cu, init, 0);
    DRIVER_TRY(g->cu, device_by_bus, &g->device, g->offer.bus);
    DRIVER_TRY(g->cu, retain, &g->context, g->device);
    g->retained = true;
    TRY(driver_enter(g->cu, g->context, &guard));
    glimpse_status st = prove(g);
    driver_leave(g->cu, &guard);
    return st;
}

glimpse_status import_open(const device_offer *offer, size_t slot_bytes, import **out) {
    if (offer->n_slots < 1 || offer->n_slots > 2 || offer->slot_bytes < slot_bytes || memchr(offer->bus, 0, sizeof offer->bus) == NULL)
        FAIL(GLIMPSE_E_FORMAT, "an offer of %d slots of %llu bytes", (int)offer->n_slots, (unsigned long long)offer->slot_bytes);
    import *g = calloc(1, sizeof *g);
    if (!g) FAIL(GLIMPSE_E_MEMORY, "no memory");
    g->offer = *offer;
    glimpse_status st = open_context(g);
    if (st < 0) import_close(g);
    else *out = g;
    return st;
}

glimpse_status import_find(const char *bus, int32_t *device) {
    const driver *cu;
    cu_device found;
    TRY(driver_load(false, &cu));
    DRIVER_TRY(cu, init, 0);
    DRIVER_TRY(cu, device_by_bus, &found, bus);
    *device = found;
    return GLIMPSE_OK;
}

static glimpse_status begin(import *g) {
    TRY(open_handles(g, &g->now));
    DRIVER_TRY(g->cu, stream_wait, g->stream, g->now.copied, 0);
    DRIVER_TRY(g->cu, stream_finish, g->stream);
    return GLIMPSE_OK;
}

glimpse_status import_begin(import *g, int slot, size_t bytes, uint64_t *address) {
    driver_guard guard;
    if (slot < 0 || slot >= g->offer.n_slots || bytes > g->offer.slot_bytes) FAIL(GLIMPSE_E_FORMAT, "slot %d of a snapshot of %d", slot, (int)g->offer.n_slots);
    if (g->slot) FAIL(GLIMPSE_E_STATE, "a slot on the GPU is open already");
    TRY(driver_enter(g->cu, g->context, &guard));
    glimpse_status st = begin(g);
    if (st < 0) {
        close_handles(g, &g->now);
        g->now = (opened){0};
    }
    driver_leave(g->cu, &guard);
    if (st >= 0) *address = g->slot = g->now.memory + (cu_address)slot * g->offer.slot_bytes;
    return st;
}

void import_end(import *g) {
    driver_guard guard;
    if (!g || !g->slot) return;
    if (driver_enter(g->cu, g->context, &guard) >= 0) {
        close_handles(g, &g->now);
        driver_leave(g->cu, &guard);
    }
    g->now = (opened){0};
    g->slot = 0;
}

glimpse_status import_copy(import *g, void *to, size_t bytes) {
    driver_guard guard;
    if (!g->slot) FAIL(GLIMPSE_E_STATE, "no slot on the GPU is open");
    TRY(driver_enter(g->cu, g->context, &guard));
    cu_result e = g->cu->copy_out(to, g->slot, bytes, g->stream), finished = g->cu->stream_finish(g->stream); /* nothing of ours reads on */
    driver_leave(g->cu, &guard);
    if (e != CU_OK) return driver_failed(g->cu, e, "copy_out");
    return finished == CU_OK ? GLIMPSE_OK : driver_failed(g->cu, finished, "stream_finish");
}

void import_close(import *g) {
    driver_guard guard;
    if (!g) return;
    import_end(g);
    if (g->stream && driver_enter(g->cu, g->context, &guard) >= 0) {
        g->cu->stream_close(g->stream);
        driver_leave(g->cu, &guard);
    }
    if (g->retained) g->cu->release(g->device);
    free(g);
}
