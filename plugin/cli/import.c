/* import.c -- weights out of the trainer's snapshot on a GPU (import.h). */
#define _GNU_SOURCE
#include "plugin/cli/import.h"

#include <stdlib.h>
#include <string.h>

struct import {
    const driver *cu;
    device_offer offer;
    cu_device device;
    cu_context context;
    cu_stream stream;
    bool retained;
};

/* What is open while a copy runs. */
typedef struct opened {
    cu_address memory;
    cu_event copied;
} opened;

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

static glimpse_status copy(import *g, const opened *o, int slot, void *to, size_t bytes) {
    DRIVER_TRY(g->cu, stream_wait, g->stream, o->copied, 0);
    DRIVER_TRY(g->cu, copy_out, to, o->memory + (cu_address)slot * g->offer.slot_bytes, bytes, g->stream);
    return GLIMPSE_OK;
}

static glimpse_status open_and_copy(import *g, int slot, void *to, size_t bytes) {
    opened o = {0};
    glimpse_status st = open_handles(g, &o);
    if (st >= 0) {
        st = copy(g, &o, slot, to, bytes);
        cu_result e = g->cu->stream_finish(g->stream); /* also after a failure: nothing of ours reads on */
        if (st >= 0 && e != CU_OK) st = driver_failed(g->cu, e, "stream_finish");
    }
    close_handles(g, &o);
    return st;
}

glimpse_status import_copy(import *g, int slot, void *to, size_t bytes) {
    driver_guard guard;
    if (slot < 0 || slot >= g->offer.n_slots || bytes > g->offer.slot_bytes) FAIL(GLIMPSE_E_FORMAT, "slot %d of a snapshot of %d", slot, (int)g->offer.n_slots);
    TRY(driver_enter(g->cu, g->context, &guard));
    glimpse_status st = open_and_copy(g, slot, to, bytes);
    driver_leave(g->cu, &guard);
    return st;
}

void import_close(import *g) {
    driver_guard guard;
    if (!g) return;
    if (g->stream && driver_enter(g->cu, g->context, &guard) >= 0) {
        g->cu->stream_close(g->stream);
        driver_leave(g->cu, &guard);
    }
    if (g->retained) g->cu->release(g->device);
    free(g);
}
