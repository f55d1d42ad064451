/* device.c -- the trainer's side of weights on a GPU (device.h). */
#define _GNU_SOURCE
#include "plugin/device.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/buffer.h"
#include "plugin/guest.h"

#define MIB ((uint64_t)1 << 20)

enum {
    ALIGN_MIB = 2,
    SPARE_MIB = 1024,   /* left free on the device, or SPARE_PERCENT of it if that is more */
    SPARE_PERCENT = 2,
    CONTEXT_MIB = 512   /* what a context of the worker's is taken to cost: it counts as ours */
};
#define COPY_BYTES ((size_t)64 << 20) /* of one copy to the host */
#define NOT_OURS "before the copy of the weights began"

struct device {
    const driver *cu;
    cu_context context;
    cu_device ordinal;
    bool retained;            /* the context is the device's primary one, held by us */
    cu_stream theirs, ours;
    cu_event before, copied;
    cu_address slots;         /* 0 = none */
    size_t slot_bytes;
    void *pinned;
};

/* --- where memory is --------------------------------------------------------------------------------------------- */

/* One attribute of a pointer, 0 where the driver does not know it: any other error is no answer, and taking the pointer for
 * the host's would end the trainer. */
static glimpse_status attribute(const driver *cu, const void *p, int name, unsigned *value) {
    *value = 0;
    cu_result e = cu->pointer(value, name, (cu_address)(uintptr_t)p);
    if (e == CU_OK) return GLIMPSE_OK;
    *value = 0;
    return e == CU_INVALID_VALUE || e == CU_NOT_INITIALIZED ? GLIMPSE_OK : driver_failed(cu, e, "pointer");
}

static glimpse_status find_memory(const driver *cu, const void *p, bool *on_device) {
    unsigned type, managed = 0;
    TRY(attribute(cu, p, CU_POINTER_MEMORY_TYPE, &type));
    if (type && type != CU_MEMORY_DEVICE) TRY(attribute(cu, p, CU_POINTER_IS_MANAGED, &managed));
    *on_device = type == CU_MEMORY_DEVICE || managed;
    return GLIMPSE_OK;
}

glimpse_status device_owns(const void *p) {
    const driver *cu;
    bool yes;
    TRY(driver_load(false, &cu));
    TRY(find_memory(cu, p, &yes));
    if (!yes) FAIL(GLIMPSE_E_DEVICE, "neither this process nor the GPU's driver knows it");
    return GLIMPSE_OK;
}

/* Where the addresses begin that were reserved together with this one; 0 = the driver does not know it. */
static cu_address reserved_from(const driver *cu, cu_address address) {
    cu_address start = 0;
    return cu->pointer(&start, CU_POINTER_RANGE_START, address) == CU_OK ? start : 0;
}

/* The mapped memory around `address`, as far as `bytes` need it.  Of memory that is mapped in pieces into one reserved range
 * (cuMemMap; PyTorch's expandable segments) the driver's range is one piece: those that follow each other count as one. */
static cu_result find_range(const driver *cu, cu_address address, size_t bytes, cu_address *at, size_t *n, cu_address *base) {
    cu_result e = cu->range(at, n, address);
    if (e != CU_OK) return e;
    *base = reserved_from(cu, address);
    while (*base && address - *at <= *n && bytes > *n - (address - *at)) {
        cu_address next = 0, end = *at + *n;
        size_t more = 0;
        if (reserved_from(cu, end) != *base || cu->range(&next, &more, end) != CU_OK || next != end || !more) break;
        *n += more;
    }
    if (!*base) *base = *at;
    return CU_OK;
}

glimpse_status device_allocation(device *d, const void *p, size_t bytes, uint64_t *base) {
    cu_address at = 0, whole = 0, address = (cu_address)(uintptr_t)p;
    size_t n = 0;
    bool yes;
    driver_guard guard;
    *base = 0;
    TRY(find_memory(d->cu, p, &yes));
    if (!yes) return GLIMPSE_OK;
    TRY(driver_enter(d->cu, d->context, &guard));
    cu_result e = find_range(d->cu, address, bytes, &at, &n, &whole);
    driver_leave(d->cu, &guard);
    if (e != CU_OK) return driver_failed(d->cu, e, "range");
    if (address < at || address - at > n || bytes > n - (address - at))
        FAIL(GLIMPSE_E_MODEL, "%zu bytes at %p pass the end of their allocation on the GPU", bytes, p);
    *base = whole;
    return GLIMPSE_OK;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

/* The context that the stream belongs to, else the one that the memory was taken in, else the device's primary one (memory
 * of a pool has none). */
static glimpse_status find_context(device *d, const void *p) {
    cu_context found = NULL;
    uintptr_t stream = (uintptr_t)d->theirs; /* 1 and 2 are names: the legacy and the per-thread stream */
    if (stream > 2 && d->cu->stream_context(d->theirs, &found) == CU_OK && found) {
        d->context = found;
        return GLIMPSE_OK;
    }
    if (d->cu->pointer(&found, CU_POINTER_CONTEXT, (cu_address)(uintptr_t)p) == CU_OK && found) {
        d->context = found;
        return GLIMPSE_OK;
    }
    DRIVER_TRY(d->cu, retain, &d->context, d->ordinal);
    d->retained = true;
    return GLIMPSE_OK;
}

static glimpse_status open_objects(device *d) {
    DRIVER_TRY(d->cu, stream_open, &d->ours, CU_STREAM_NO_LEGACY);
    DRIVER_TRY(d->cu, event_open, &d->before, CU_EVENT_NO_TIMING);
    DRIVER_TRY(d->cu, event_open, &d->copied, CU_EVENT_NO_TIMING | CU_EVENT_SHARED);
    return GLIMPSE_OK;
}

static glimpse_status open_on(device *d, const void *p) {
    driver_guard guard;
    TRY(find_context(d, p));
    TRY(driver_enter(d->cu, d->context, &guard));
    glimpse_status st = open_objects(d);
    driver_leave(d->cu, &guard);
    return st;
}

glimpse_status device_open(const glimpse_model *m, device **out) {
    const driver *cu = NULL;
    const void *first = NULL;
    int ordinal = 0, other = 0;
    *out = NULL;
    if (!m->n_tensors) return GLIMPSE_OK;
    for (int32_t i = 0; i < m->n_tensors; i++) {
        const void *p = m->tensors[i].data;
        /* model_view has loaded the driver if a pointer needs it; where none is loaded none does */
        if (!cu && driver_load(true, &cu) < 0) return GLIMPSE_OK;
        bool yes;
        glimpse_status st = find_memory(cu, p, &yes);
        if (st < 0 && guest_can_read(p)) continue; /* a driver without a GPU is nothing to a trainer on the host */
        TRY(st);
        if (!yes) continue;
        int *at = first ? &other : &ordinal;
        DRIVER_TRY(cu, pointer, at, CU_POINTER_DEVICE_ORDINAL, (cu_address)(uintptr_t)p);
        if (!first) first = p;
        else if (other != ordinal)
            FAIL(GLIMPSE_E_UNSUPPORTED, "tensor %s is on GPU %d, others are on GPU %d: weights of one GPU are read\nhint: bind a copy, or "
                 "sample from the checkpoint", m->tensors[i].name, other, ordinal);
    }
    if (!first) return GLIMPSE_OK;
    device *d = calloc(1, sizeof *d);
    if (!d) FAIL(GLIMPSE_E_MEMORY, "no memory");
    d->cu = cu;
    d->ordinal = ordinal;
    d->theirs = m->stream;
    glimpse_status st = open_on(d, first);
    if (st < 0) device_close(d, false);
    else *out = d;
    return st;
}

void device_close(device *d, bool is_read) {
    driver_guard guard;
    if (!d) return;
    const driver *cu = d->cu;
    if (d->context && driver_enter(cu, d->context, &guard) >= 0) { /* what fails here fails for a GPU that is lost */
        if (d->ours) cu->stream_finish(d->ours);
        if (d->pinned) cu->unpin(d->pinned);
        if (d->slots && !is_read) cu->give(d->slots);
        if (d->before) cu->event_close(d->before);
        if (d->copied && !(d->slots && is_read)) cu->event_close(d->copied);
        if (d->ours) cu->stream_close(d->ours);
        driver_leave(cu, &guard);
    }
    if (d->retained) cu->release(d->ordinal);
    free(d);
}

/* --- copies ------------------------------------------------------------------------------------------------------ */

/* What fails here has failed before: the driver tells of the trainer's own kernels at any call that comes after them. */
glimpse_status device_ready(device *d) {
    int status = CU_CAPTURE_NONE;
    driver_guard guard;
    glimpse_status st = driver_enter(d->cu, d->context, &guard);
    if (st < 0) return status_prefix(st, NOT_OURS);
    cu_result e = d->cu->stream_capturing(d->theirs, &status);
    driver_leave(d->cu, &guard);
    if (e == CU_CAPTURE_IMPLICIT || (e == CU_OK && status != CU_CAPTURE_NONE)) return GLIMPSE_SKIPPED;
    return e == CU_OK ? GLIMPSE_OK : status_prefix(driver_failed(d->cu, e, "stream_capturing"), NOT_OURS);
}

static glimpse_status queue_parts(device *d, const device_part *parts, int n, char *host, cu_address slot) {
    const driver *cu = d->cu;
    for (int i = 0; i < n; i++) {
        cu_address from = (cu_address)(uintptr_t)parts[i].from;
        if (!host) {
            DRIVER_TRY(cu, copy_across, slot + parts[i].offset, from, parts[i].bytes, d->ours);
            continue;
        }
        for (size_t at = 0, k; at < parts[i].bytes; at += k) { /* in pieces: memory that is not pinned is staged by the driver */
            k = parts[i].bytes - at < COPY_BYTES ? parts[i].bytes - at : COPY_BYTES;
            DRIVER_TRY(cu, copy_out, host + parts[i].offset + at, from + at, k, d->ours);
        }
    }
    return GLIMPSE_OK;
}

static glimpse_status queue_copy(device *d, const device_part *parts, int n, char *host, cu_address slot) {
    DRIVER_TRY(d->cu, event_record, d->before, d->theirs);
    DRIVER_TRY(d->cu, stream_wait, d->ours, d->before, 0);
    TRY(queue_parts(d, parts, n, host, slot));
    DRIVER_TRY(d->cu, event_record, d->copied, d->ours);
    DRIVER_TRY(d->cu, stream_wait, d->theirs, d->copied, 0);
    if (host) DRIVER_TRY(d->cu, stream_finish, d->ours);
    return GLIMPSE_OK;
}

static glimpse_status copy(device *d, const device_part *parts, int n, char *host, cu_address slot) {
    driver_guard guard;
    TRY(driver_enter(d->cu, d->context, &guard));
    glimpse_status st = queue_copy(d, parts, n, host, slot);
    if (st < 0) d->cu->stream_finish(d->ours); /* what was queued reads the trainer's memory and writes ours */
    driver_leave(d->cu, &guard);
    return st;
}

glimpse_status device_copy_out(device *d, const device_part *parts, int n, char *to) { return copy(d, parts, n, to, 0); }
glimpse_status device_copy_across(device *d, const device_part *parts, int n, int slot) {
    return copy(d, parts, n, NULL, d->slots + (cu_address)slot * d->slot_bytes);
}

glimpse_status device_catch_up(device *d) {
    driver_guard guard;
    TRY(driver_enter(d->cu, d->context, &guard));
    glimpse_status st = queue_copy(d, NULL, 0, NULL, 0);
    cu_result e = d->cu->stream_finish(d->ours);
    driver_leave(d->cu, &guard);
    return st >= 0 && e != CU_OK ? driver_failed(d->cu, e, "stream_finish") : st;
}

void device_pin(device *d, void *at, size_t bytes) {
    driver_guard guard;
    if (driver_enter(d->cu, d->context, &guard) < 0) return;
    if (d->cu->pin(at, bytes, 0) == CU_OK) d->pinned = at;
    driver_leave(d->cu, &guard);
}

void device_unpin(device *d, void *at) {
    driver_guard guard;
    if (d->pinned != at || driver_enter(d->cu, d->context, &guard) < 0) return;
    d->cu->stream_finish(d->ours);
    d->cu->unpin(at);
    d->pinned = NULL;
    driver_leave(d->cu, &guard);
}

/* --- the snapshot on the device ---------------------------------------------------------------------------------- */

/* A fault of one client of MPS ends all of them, the trainer too: then no other process of ours may use the GPU. */
static bool is_mps(const device *d) {
    int on = 0;
    char path[4096];
    const char *pipe = getenv("CUDA_MPS_PIPE_DIRECTORY");
    if (d->cu->device_attribute(&on, CU_DEVICE_MPS_ENABLED, d->ordinal) == CU_OK) return on != 0;
    c_snprintf(path, sizeof path, "%s/control", pipe && *pipe ? pipe : "/tmp/nvidia-mps"); /* a driver before CUDA 12.4 */
    return access(path, F_OK) == 0;
}

static glimpse_status check_sharing(const device *d) {
    int mode = 0;
    DRIVER_TRY(d->cu, device_attribute, &mode, CU_DEVICE_COMPUTE_MODE, d->ordinal);
    if (mode != 0) FAIL(GLIMPSE_E_UNSUPPORTED, "the GPU is in exclusive compute mode");
    if (is_mps(d)) FAIL(GLIMPSE_E_UNSUPPORTED, "the GPU is shared through MPS, where a fault of the worker would end the trainer");
    return GLIMPSE_OK;
}

glimpse_status device_name(device *d, char bus[DEVICE_BUS_BYTES]) {
    TRY(check_sharing(d));
    DRIVER_TRY(d->cu, device_bus, bus, DEVICE_BUS_BYTES - 1, d->ordinal);
    bus[DEVICE_BUS_BYTES - 1] = 0;
    return GLIMPSE_OK;
}

glimpse_status device_number(device *d, int32_t *ordinal) {
    cu_context primary = NULL;
    *ordinal = d->ordinal;
    if (d->retained) return GLIMPSE_OK;
    DRIVER_TRY(d->cu, retain, &primary, d->ordinal);
    d->cu->release(d->ordinal);
    if (primary != d->context)
        FAIL(GLIMPSE_E_UNSUPPORTED, "the weights are in a context of the driver API's, CUDA's runtime computes in the primary one");
    return GLIMPSE_OK;
}

static glimpse_status check_room(const device *d, uint64_t bytes, double limit) {
    size_t free_bytes = 0, total = 0;
    uint64_t ours = bytes + CONTEXT_MIB * MIB, spare;
    DRIVER_TRY(d->cu, free_memory, &free_bytes, &total);
    if ((double)ours > (double)total * limit / 100)
        FAIL(GLIMPSE_E_MEMORY, "a copy of the weights on the GPU and the worker's context take %llu MiB, --gpu_memory_limit allows %.0f MiB",
             (unsigned long long)(ours / MIB), (double)total * limit / 100 / (double)MIB);
    spare = total / 100 * SPARE_PERCENT;
    if (spare < SPARE_MIB * MIB) spare = SPARE_MIB * MIB;
    if (free_bytes < ours || free_bytes - ours < spare)
        FAIL(GLIMPSE_E_MEMORY, "a copy of the weights on the GPU and the worker's context take %llu MiB, %llu MiB are free and %llu MiB must stay so",
             (unsigned long long)(ours / MIB), (unsigned long long)(free_bytes / MIB), (unsigned long long)(spare / MIB));
    return GLIMPSE_OK;
}

static glimpse_status offer(device *d, size_t slot_bytes, int n_slots, double limit, device_offer *o) {
    uint64_t step = ALIGN_MIB * MIB, each = (slot_bytes + step - 1) / step * step;
    TRY(check_sharing(d));
    TRY(check_room(d, each * (uint64_t)n_slots, limit));
    DRIVER_TRY(d->cu, device_bus, o->bus, (int)sizeof o->bus - 1, d->ordinal);
    DRIVER_TRY(d->cu, take, &d->slots, each * (size_t)n_slots);
    d->slot_bytes = each;
    DRIVER_TRY(d->cu, export_memory, &o->memory, d->slots);
    DRIVER_TRY(d->cu, export_event, &o->copied, d->copied);
    o->slot_bytes = each;
    o->n_slots = n_slots;
    return GLIMPSE_OK;
}

static void withdraw(device *d) { /* within a guard */
    if (!d->slots) return;
    d->cu->stream_finish(d->ours);
    d->cu->give(d->slots);
    d->slots = 0;
}

glimpse_status device_offer_slots(device *d, size_t slot_bytes, int n_slots, double limit, device_offer *out) {
    device_offer o = {0};
    driver_guard guard;
    TRY(driver_enter(d->cu, d->context, &guard));
    glimpse_status st = offer(d, slot_bytes, n_slots, limit, &o);
    if (st < 0) withdraw(d);
    else *out = o;
    driver_leave(d->cu, &guard);
    return st;
}

void device_withdraw(device *d) {
    driver_guard guard;
    if (driver_enter(d->cu, d->context, &guard) < 0) return;
    withdraw(d);
    driver_leave(d->cu, &guard);
}
