/* snapshot.c -- layout, memory and copy of the slots (snapshot.h).
 *
 * The copy is one memcpy a block.  Streaming stores past the cache took 1.2 times as long (tests/bench/bench_snapshot.c,
 * 258 MiB on a Xeon), and glibc's memcpy uses them by itself where they pay. */
#define _GNU_SOURCE
#include "plugin/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/internal/buffer.h"
#include "include/internal/cgroup.h"
#include "include/internal/file.h"
#include "plugin/guest.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { ALIGN = 64, SPARE_BYTES = 32 << 20, PRINT_BYTES = 256, PRINT_PLACES = 1024, PRINT_LEAST = 4 /* of a tensor */ };

/* --- layout ------------------------------------------------------------------------------------------------------ */

static int by_address(const void *a, const void *b) {
    const snapshot_block *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* Blocks that touch or overlap become one.  A gap is not ours to read. */
static void merge(snapshot *s) {
    int n = 0;
    for (int i = 1; i < s->n_blocks; i++) {
        snapshot_block *last = &s->blocks[n], *b = &s->blocks[i];
        size_t gap = (size_t)((uintptr_t)b->from - (uintptr_t)last->from);
        if (gap <= last->bytes && b->allocation == last->allocation) {
            if (gap + b->bytes > last->bytes) last->bytes = gap + b->bytes;
        } else {
            s->blocks[++n] = *b;
        }
    }
    s->n_blocks = n + 1;
}

/* The error of a driver's call, with the tensor it was about. */
static glimpse_status name_tensor(const glimpse_tensor *t) {
    char why[256];
    c_snprintf(why, sizeof why, "%s", status_text());
    FAIL(GLIMPSE_E_MODEL, "tensor %s: %s", t->name, why);
}

static glimpse_status lay_out(const glimpse_tensor *tensors, int32_t n, snapshot *s) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), at = 0;
    s->blocks = calloc((size_t)n, sizeof *s->blocks);
    s->offsets = calloc((size_t)n, sizeof *s->offsets);
    s->extents = calloc((size_t)n, sizeof *s->extents);
    if (!s->blocks || !s->offsets || !s->extents) FAIL(GLIMPSE_E_MEMORY, "no memory for the snapshot's layout");
    for (int32_t i = 0; i < n; i++) {
        size_t bytes;
        TRY(tensor_extent(&tensors[i], &bytes));
        if ((uintptr_t)tensors[i].data + bytes < bytes)
            FAIL(GLIMPSE_E_MODEL, "tensor %s: it passes the end of memory", tensors[i].name);
        s->blocks[i] = (snapshot_block){.from = tensors[i].data, .bytes = bytes};
        s->extents[s->n_extents++] = (snapshot_extent){tensors[i].data, bytes};
        if (s->device && device_allocation(s->device, tensors[i].data, bytes, &s->blocks[i].allocation) < 0) return name_tensor(&tensors[i]);
    }
    s->n_blocks = n;
    qsort(s->blocks, (size_t)n, sizeof *s->blocks, by_address);
    merge(s);
    for (int i = 0; i < s->n_blocks; i++) {
        snapshot_block *b = &s->blocks[i];
        b->offset = (at + ALIGN - 1) / ALIGN * ALIGN + (uintptr_t)b->from % ALIGN;
        at = b->offset + b->bytes;
        if (at > SIZE_MAX / 4) FAIL(GLIMPSE_E_MODEL, "the tensors are larger than memory");
    }
    s->bytes = (at + page - 1) / page * page;
    for (int32_t i = 0; i < n; i++) {
        const char *p = tensors[i].data;
        int low = 0, high = s->n_blocks - 1;
        while (low < high) { /* the last block that begins at or before p */
            int mid = (low + high + 1) / 2;
            if (s->blocks[mid].from <= p) low = mid;
            else high = mid - 1;
        }
        s->offsets[i] = s->blocks[low].offset + (size_t)(p - s->blocks[low].from);
    }
    if (!s->device) return GLIMPSE_OK;
    s->parts = calloc((size_t)s->n_blocks, sizeof *s->parts);
    if (!s->parts) FAIL(GLIMPSE_E_MEMORY, "no memory for the snapshot's layout");
    for (int i = 0; i < s->n_blocks; i++)
        if (s->blocks[i].allocation)
            s->parts[s->n_parts++] = (device_part){s->blocks[i].from, s->blocks[i].offset, s->blocks[i].bytes};
    return GLIMPSE_OK;
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

/* What the kernel believes can be had without swapping; UINT64_MAX = not known. */
static uint64_t memory_available(void) {
    char text[4096];
    uint64_t kib = 0;
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (n <= 0) return UINT64_MAX;
    text[n] = 0;
    const char *p = strstr(text, "MemAvailable:");
    if (!p) return UINT64_MAX;
    p += strlen("MemAvailable:");
    p += strspn(p, " \t");
    return parse_u64(p, strspn(p, "0123456789"), &kib) ? kib * 1024 : UINT64_MAX;
}

static void populate(char *at, size_t bytes) {
    if (madvise(at, bytes, MADV_POPULATE_WRITE) == 0) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE); /* before Linux 5.14 */
    for (size_t i = 0; i < bytes; i += page) ((volatile char *)at)[i] = 0;
}

static glimpse_status check_room(size_t bytes) {
    uint64_t available = memory_available(), left = cgroup_memory_left();
    bool limited = left < available;
    if (limited) available = left;
    if (available < (uint64_t)bytes + SPARE_BYTES)
        FAIL(GLIMPSE_E_MEMORY, "a copy of the weights takes %zu MiB, %llu MiB are free%s\nhint: --mode inline needs no copy",
             bytes >> 20, (unsigned long long)(available >> 20), limited ? " within the memory limit of this control group" : "");
    return GLIMPSE_OK;
}

static glimpse_status reserve_memory(snapshot *s) {
    s->at = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->at != MAP_FAILED) return GLIMPSE_OK;
    s->at = NULL;
    FAIL(GLIMPSE_E_MEMORY, "%zu MiB of addresses cannot be had: %s", s->bytes >> 20, strerror(errno));
}

/* Give the file its pages; an errno, 0 = done.  Any signal that this thread may take has fallocate undo what it did, and a
 * trainer with a profiling timer would never see its end: each step is taken with all of them blocked, and is short enough
 * for Ctrl-C to be heard between two. */
static int fill_file(int fd, size_t bytes) {
    const size_t most = (size_t)256 << 20;
    int err = 0;
    sigset_t all;
    sigfillset(&all);
    for (size_t at = 0, n; at < bytes && !err; at += n) {
        signal_guard guard; /* `ulimit -f` counts for memory files too, and would send SIGXFSZ */
        n = bytes - at < most ? bytes - at : most;
        signal_guard_enter(&guard);
        pthread_sigmask(SIG_BLOCK, &all, NULL);
        for (int tries = 0; tries == 0 || (err == EINTR && tries < 8); tries++) /* libc's own signals cannot be blocked */
            err = fallocate(fd, 0, (off_t)at, (off_t)n) == 0 ? 0 : errno;
        signal_guard_leave(&guard);
    }
    return err;
}

static glimpse_status take_memory(snapshot *s) {
    size_t bytes = s->bytes * (size_t)s->n_slots;
    TRY(check_room(bytes));
    s->fd = file_in_memory("glimpse-snapshot");
    if (s->fd < 0) FAIL(GLIMPSE_E_MEMORY, "no memory file for the snapshot: %s", strerror(errno));
    s->id = file_id_of(s->fd);
    int err = fill_file(s->fd, bytes);
    if (err)
        FAIL(GLIMPSE_E_MEMORY, "no memory for a snapshot of %zu MiB: %s\nhint: --mode inline needs no copy", bytes >> 20,
             strerror(err));
    s->at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (s->at == MAP_FAILED) {
        s->at = NULL;
        FAIL(GLIMPSE_E_MEMORY, "a snapshot of %zu MiB cannot be mapped: %s", bytes >> 20, strerror(errno));
    }
    /* Ours is the only writable mapping there will ever be (before Linux 5.1 the worker maps it read-only by choice). */
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (fcntl(s->fd, F_ADD_SEALS, seals | F_SEAL_FUTURE_WRITE) != 0 && fcntl(s->fd, F_ADD_SEALS, seals) != 0)
        FAIL(GLIMPSE_E_MEMORY, "the snapshot cannot be sealed: %s", strerror(errno));
    populate(s->at, bytes);
    return GLIMPSE_OK;
}

glimpse_status snapshot_open(const glimpse_tensor *tensors, int32_t n, int n_slots, device *d, snapshot *out) {
    glimpse_status st = GLIMPSE_OK;
    snapshot s = SNAPSHOT_INIT;
    s.device = d;
    if (n < 1) FAIL(GLIMPSE_E_MODEL, "no tensors are bound\nhint: glimpse_bind, one call a tensor");
    TRY_GOTO(lay_out(tensors, n, &s));
    s.later = n_slots == SNAPSHOT_LATER;
    s.n_slots = s.later ? 1 : n_slots;
    TRY_GOTO(s.later ? reserve_memory(&s) : take_memory(&s));
    if (d && !s.later) device_pin(d, s.at, s.bytes * (size_t)n_slots);
    *out = s;
    return GLIMPSE_OK;
out:
    snapshot_close(&s);
    return st;
}

void snapshot_fill_host(snapshot *s, int slot) {
    char *at = s->at + (size_t)slot * s->bytes;
    for (int i = 0; i < s->n_blocks; i++)
        if (!s->blocks[i].allocation) memcpy(at + s->blocks[i].offset, s->blocks[i].from, s->blocks[i].bytes);
}

glimpse_status snapshot_fill(snapshot *s, int slot) {
    if (s->later) {
        TRY(check_room(s->bytes));
        populate(s->at, s->bytes);
        if (s->device) device_pin(s->device, s->at, s->bytes);
        s->later = false;
    }
    if (s->device) TRY(device_copy_out(s->device, s->parts, s->n_parts, s->at + (size_t)slot * s->bytes));
    snapshot_fill_host(s, slot);
    return GLIMPSE_OK;
}

/* --- fingerprint -------------------------------------------------------------------------------------------------- */

static uint64_t print_of(const char *at, size_t n, uint64_t seed) {
    uint64_t h = seed * 0x9E3779B97F4A7C15u, word;
    for (size_t i = 0; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, at + i, sizeof word);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    for (size_t i = n & ~(sizeof word - 1); i < n; i++) h = (h ^ (unsigned char)at[i]) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 29;
}

bool snapshot_fingerprint(const snapshot *s, bool careful, uint64_t *out) {
    double all = 0;
    uint64_t h = 0, place = 0;
    for (int i = 0; i < s->n_extents; i++) all += (double)s->extents[i].bytes;
    for (int i = 0; i < s->n_extents; i++) {
        const snapshot_extent *x = &s->extents[i];
        size_t places = PRINT_LEAST + (size_t)(PRINT_PLACES * ((double)x->bytes / all)), n = x->bytes < PRINT_BYTES ? x->bytes : PRINT_BYTES;
        size_t most = (x->bytes + PRINT_BYTES - 1) / PRINT_BYTES;
        if (places > most) places = most;
        for (size_t k = 0; k < places; k++) { /* from the first byte to the last; places do not wait for each other */
            const char *at = x->at + (places > 1 ? (size_t)((double)(x->bytes - n) * ((double)k / (double)(places - 1))) : 0);
            if (careful && !(guest_can_read(at) && guest_can_read(at + n - 1))) return false;
            h += print_of(at, n, ++place);
        }
    }
    *out = h;
    return true;
}

void snapshot_close(snapshot *s) {
    if (s->device && s->at) device_unpin(s->device, s->at);
    if (s->at) munmap(s->at, s->bytes * (size_t)s->n_slots);
    if (file_is(s->fd, s->id)) close(s->fd);
    free(s->blocks);
    free(s->offsets);
    free(s->extents);
    free(s->parts);
    *s = (snapshot)SNAPSHOT_INIT;
}
