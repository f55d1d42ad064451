/* fake_libcuda.c -- CUDA's driver as far as Glimpse calls it, for tests where there is no GPU (fake_cuda.h).
 *
 * Device memory is a memory file, mapped twice: at the address that callers know nobody may touch it, so a host that reads
 * or writes it faults.  Streams are lazy: nothing runs before somebody waits, and then in the most awkward order that events
 * permit, so an event too few shows as wrong bytes; what an asynchronous copy will write is poisoned until it has run.
 * Memory and events are opened by other processes through /proc/PID/fd.  The n-th call can fail. */
#define _GNU_SOURCE
#include "tests/driver/fake_cuda.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define ARENA ((size_t)256 << 20)
enum { MOST_BLOCKS = 256, MOST_STREAMS = 64, MOST_EVENTS = 200, MOST_OPENINGS = 64, MOST_OPS = 4096, PAGE = 4096, DEPTH = 64 };
enum { OK = 0, INVALID = 1, NO_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_CONTEXT = 201, BAD_HANDLE = 400, IMPLICIT = 906 };

typedef struct shared_event { uint64_t recorded, done; } shared_event;
typedef struct opening { int32_t pid; uint32_t page; } opening; /* of memory, by another process */
typedef struct first_page { shared_event events[MOST_EVENTS]; opening openings[MOST_OPENINGS]; } first_page; /* of the arena */
_Static_assert(sizeof(first_page) <= PAGE, "one page");
typedef struct CUevent_st { int used, shared; shared_event *at; void *map; } event;
typedef enum { COPY, RECORD, WAIT, CALL } kind;
typedef struct op { kind kind; char *to; const char *from; size_t bytes; event *e; uint64_t ticket; void (*fn)(void *); void *data; } op;
typedef struct CUstream_st { int used, theirs, head, n; op ops[MOST_OPS]; } stream;
typedef struct block { char *dead, *live; size_t bytes; int used, theirs, imported; uint64_t offset; char *reserved; opening *opened; first_page *map; } block;
/* reserved: a piece; opened, in map: where the process that it was imported from sees it */
typedef struct handle { int pid, fd; uint64_t offset, bytes; } handle;
typedef struct cu_handle { union { handle h; char bytes[64]; }; } cu_handle;

static int started, arena_fd = -1, depth, mode, retained, pins, theirs_now;
static char *arena_dead, *arena_live;
static size_t arena_at;
static block blocks[MOST_BLOCKS];
static stream streams[MOST_STREAMS]; /* 0 = the legacy stream */
static event events[MOST_EVENTS];
static void *contexts[DEPTH];
static int primary;

static int call(void);
static void init(void);
static void *new_stream(void);
static unsigned long long trainer_take(size_t bytes);
static void *live_of(unsigned long long address);
static void launch(void *s, void (*fn)(void *), void *data);
static void run_all(void);
static int held(void);
static int knows(const void *p, size_t bytes);
static void open_memory(int yes);

PUBLIC fake_cuda fake_cuda_object __asm__("fake_cuda") = {
    .version = 13000, .total = (size_t)80 << 30, .free_bytes = (size_t)40 << 30, .init = init, .stream = new_stream,
    .take = trainer_take, .live = live_of, .launch = launch, .run = run_all, .held = held, .knows = knows, .open = open_memory};
#define F fake_cuda_object

/* "fail=3,error=700,forever=1,no_out=1,refuse_ipc=1" */
__attribute__((constructor)) static void take_orders(void) {
    const char *text = getenv("FAKE_CUDA"), *p;
    if (!text) return;
    if ((p = strstr(text, "fail="))) F.fail_at = atol(p + 5);
    if ((p = strstr(text, "error="))) F.error = atoi(p + 6);
    if ((p = strstr(text, "forever="))) F.forever = atoi(p + 8);
    if ((p = strstr(text, "no_out="))) F.no_out = atoi(p + 7);
    if ((p = strstr(text, "refuse_ipc="))) F.refuse_ipc = atoi(p + 11);
}

static void problem(const char *text) {
    if (!F.problem) F.problem = text;
}

/* Every call of the API passes here: counted, and failed when it is its turn. */
static int call(void) {
    if (theirs_now) return OK;
    F.calls++;
    if (!F.fail_at) return OK;
    if (--F.fail_at > 0) return OK;
    if (F.forever) F.fail_at = 1;
    return F.error;
}
#define ENTER()                                                                                                         \
    do {                                                                                                                \
        int e_ = call();                                                                                                \
        if (e_) return e_;                                                                                              \
        if (!started) return NOT_INITIALIZED;                                                                           \
    } while (0)
#define ENTER_CONTEXT()                                                                                                 \
    do {                                                                                                                \
        ENTER();                                                                                                        \
        if (!depth) return INVALID_CONTEXT;                                                                             \
        if (F.capturing && mode != 2) problem("a call that breaks another thread's capture");                           \
    } while (0)

/* What gives back does so even where it fails: nobody could do more about it. */
#define RELEASE()                                                                                                       \
    int failed = call();                                                                                                \
    if (!started) return NOT_INITIALIZED

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void start(void) {
    if (started) return;
    arena_fd = memfd_create("fake-gpu", MFD_CLOEXEC);
    if (arena_fd < 0 || ftruncate(arena_fd, (off_t)ARENA) != 0) abort();
    arena_live = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED, arena_fd, 0);
    arena_dead = mmap(NULL, ARENA, PROT_NONE, MAP_SHARED, arena_fd, 0);
    arena_at = PAGE; /* first_page */
    streams[0].used = streams[0].theirs = 1;
    started = 1;
}

static block *block_of(uint64_t address) {
    for (int i = 0; i < MOST_BLOCKS; i++)
        if (blocks[i].used && address - (uintptr_t)blocks[i].dead < blocks[i].bytes) return &blocks[i];
    return NULL;
}
static char *live_range(uint64_t address, size_t bytes) {
    block *b = block_of(address), *next = b;
    size_t n = b ? b->bytes - (address - (uintptr_t)b->dead) : 0;
    while (next && next->reserved && n < bytes && (next = block_of((uintptr_t)next->dead + next->bytes)) && next->reserved == b->reserved) n += next->bytes;
    return b && bytes <= n ? b->live + (address - (uintptr_t)b->dead) : NULL;
}
static block *free_block(void) {
    for (int i = 0; i < MOST_BLOCKS; i++)
        if (!blocks[i].used) return &blocks[i];
    return NULL;
}

static void run(stream *until);

PUBLIC int cuMemAlloc_v2(uint64_t *out, size_t bytes) {
    ENTER_CONTEXT();
    size_t rounded = (bytes + 511) / 512 * 512;
    block *b = free_block();
    if (!b || !bytes || arena_at + rounded > ARENA) return bytes ? NO_MEMORY : INVALID;
    if (!theirs_now && bytes % ((size_t)2 << 20)) problem("an allocation of ours that is not in multiples of 2 MiB");
    *b = (block){arena_dead + arena_at, arena_live + arena_at, bytes, 1, theirs_now, 0, arena_at, NULL, NULL, NULL};
    memset(b->live, 0xee, bytes);
    arena_at += rounded;
    *out = (uintptr_t)b->dead;
    return OK;
}
/* A process that runs: not one that has ended and was not waited for. */
static int runs(int pid) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    const char *state = n > 0 ? strrchr(text, ')') : NULL;
    return state && strlen(state) > 2 && !strchr("ZX", state[2]);
}

PUBLIC int cuMemFree_v2(uint64_t address) {
    RELEASE();
    block *b = block_of(address);
    if (!b || b->imported) return INVALID;
    opening *o = ((first_page *)(void *)arena_live)->openings;
    for (int i = 0; i < MOST_OPENINGS; i++)
        if (o[i].pid && o[i].page == b->offset / PAGE && runs(o[i].pid)) problem("memory is given back that another process has open");
    run(NULL);
    memset(b->live, 0xdd, b->bytes);
    b->used = 0;
    return failed;
}
PUBLIC int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    ENTER_CONTEXT();
    *free_bytes = F.free_bytes;
    *total = F.total;
    return OK;
}
PUBLIC int cuPointerGetAttribute(void *out, int attribute, uint64_t address) {
    ENTER();
    block *b = block_of(address);
    if (!b) return INVALID;
    switch (attribute) {
    case 1: *(void **)out = &primary; return b->reserved ? INVALID : OK;
    case 2: *(unsigned *)out = F.managed ? 1 : 2; return OK;
    case 8: *(unsigned *)out = (unsigned)F.managed; return OK;
    case 9: *(int *)out = 0; return OK;
    case 11: *(uint64_t *)out = (uintptr_t)(b->reserved ? b->reserved : b->dead); return OK;
    default: return INVALID;
    }
}
PUBLIC int cuMemGetAddressRange_v2(uint64_t *base, size_t *bytes, uint64_t address) {
    ENTER_CONTEXT();
    block *b = block_of(address);
    if (!b) return INVALID;
    *base = (uintptr_t)b->dead;
    *bytes = b->bytes;
    return OK;
}
PUBLIC int cuMemHostRegister_v2(void *at, size_t bytes, unsigned flags) {
    ENTER_CONTEXT();
    (void)flags;
    if (!at || !bytes) return INVALID;
    pins++;
    return OK;
}
PUBLIC int cuMemHostUnregister(void *at) {
    RELEASE();
    if (!at || !pins) return INVALID;
    pins--;
    return failed;
}

/* --- contexts ---------------------------------------------------------------------------------------------------- */

PUBLIC int cuInit(unsigned flags) {
    int e = call();
    if (e || flags) return e ? e : INVALID;
    start();
    return OK;
}
PUBLIC int cuDriverGetVersion(int *v) {
    int e = call();
    *v = F.version;
    return e;
}
PUBLIC int cuGetErrorName(int error, const char **name) {
    *name = error == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : error == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : error == 999 ? "CUDA_ERROR_UNKNOWN" : NULL;
    return *name ? OK : INVALID;
}
PUBLIC int cuDeviceGetCount(int *n) {
    ENTER();
    *n = 1;
    return OK;
}
PUBLIC int cuDeviceGetByPCIBusId(int *device, const char *bus) {
    ENTER();
    *device = 0;
    return strcmp(bus, "0000:3b:00.0") == 0 ? OK : 101;
}
PUBLIC int cuDeviceGetPCIBusId(char *bus, int cap, int device) {
    ENTER();
    snprintf(bus, (size_t)cap, "0000:3b:00.%d", device);
    return OK;
}
PUBLIC int cuDeviceGetAttribute(int *value, int attribute, int device) {
    ENTER();
    (void)device;
    if (attribute != 20 && attribute != 133) return INVALID;
    *value = attribute == 20 ? F.compute_mode : F.mps;
    return OK;
}
PUBLIC int cuDevicePrimaryCtxRetain(void **context, int device) {
    ENTER();
    (void)device;
    retained++;
    *context = &primary;
    return OK;
}
PUBLIC int cuDevicePrimaryCtxRelease_v2(int device) {
    RELEASE();
    (void)device;
    if (!retained) return INVALID_CONTEXT;
    retained--;
    return failed;
}
PUBLIC int cuCtxPushCurrent_v2(void *context) {
    ENTER();
    if (!context || depth == DEPTH) return INVALID_CONTEXT;
    contexts[depth++] = context;
    return OK;
}
PUBLIC int cuCtxPopCurrent_v2(void **context) { /* never fails: what it would leave is the trainer's */
    F.calls++;
    if (!depth) return INVALID_CONTEXT;
    *context = contexts[--depth];
    return OK;
}
PUBLIC int cuThreadExchangeStreamCaptureMode(int *m) {
    int e = *m == 2 ? call() : OK; /* putting it back never fails */
    if (e) return e;
    int before = mode;
    mode = *m;
    *m = before;
    return OK;
}

/* --- streams and events ------------------------------------------------------------------------------------------ */

static int pick(int ours, int seed) { return F.order == FAKE_RANDOM ? seed : ours == (F.order == FAKE_OURS_FIRST); }

static int runnable(const stream *s) {
    if (s->head == s->n) return 0;
    const op *o = &s->ops[s->head];
    return o->kind != WAIT || __atomic_load_n(&o->e->at->done, __ATOMIC_ACQUIRE) >= o->ticket;
}
static void run_one(stream *s) {
    op o = s->ops[s->head++];
    if (s->head == s->n) s->head = s->n = 0;
    switch (o.kind) {
    case COPY: memcpy(o.to, o.from, o.bytes); break;
    case RECORD:
        if (o.e->at->done < o.ticket) __atomic_store_n(&o.e->at->done, o.ticket, __ATOMIC_RELEASE);
        break;
    case CALL: o.fn(o.data); break;
    case WAIT: break;
    }
}
/* One operation, of the stream that the order prefers; 0: none can run. */
static int step(void) {
    stream *best = NULL;
    int score = -1;
    for (int i = 0; i < MOST_STREAMS; i++) {
        if (!streams[i].used || !runnable(&streams[i])) continue;
        F.seed = F.seed * 1664525u + 1013904223u;
        int mine = pick(!streams[i].theirs, (int)(F.seed >> 16));
        if (mine > score) best = &streams[i], score = mine;
    }
    if (best) run_one(best);
    return best != NULL;
}
/* Until `until` is empty (NULL: all are).  Another process may hold us up: it is waited for, half a minute. */
static void run(stream *until) {
    struct timespec moment = {0, 1000000};
    for (int idle = 0; idle < 30000;) {
        if (until && until->head == until->n) return;
        if (step()) continue;
        int waits = 0;
        for (int i = 0; i < MOST_STREAMS; i++) waits |= streams[i].used && streams[i].head < streams[i].n;
        if (!waits) return;
        nanosleep(&moment, NULL);
        idle++;
    }
    problem("a stream waits for ever");
}
static void run_all(void) { run(NULL); }

static int push(stream *s, op o) {
    if (!s) s = &streams[0];
    if (!s->used) return BAD_HANDLE;
    if (s->n == MOST_OPS) run(s);
    s->ops[s->n++] = o;
    return OK;
}

static stream *open_stream(void) {
    for (int i = 1; i < MOST_STREAMS; i++)
        if (!streams[i].used) {
            streams[i].used = 1;
            streams[i].theirs = theirs_now;
            streams[i].head = streams[i].n = 0;
            return &streams[i];
        }
    return NULL;
}
PUBLIC int cuStreamCreate(stream **out, unsigned flags) {
    ENTER_CONTEXT();
    if (flags != 1) problem("a stream of ours that waits for the legacy stream");
    *out = open_stream();
    return *out ? OK : NO_MEMORY;
}
PUBLIC int cuStreamDestroy_v2(stream *s) {
    RELEASE();
    if (!s || !s->used) return BAD_HANDLE;
    run(s);
    s->used = 0;
    return failed;
}
PUBLIC int cuStreamSynchronize(stream *s) {
    ENTER_CONTEXT();
    if (!s || s->theirs) problem("a wait for the trainer's stream");
    if (!s) s = &streams[0];
    run(s);
    return OK;
}
PUBLIC int cuStreamIsCapturing(stream *s, int *status) {
    ENTER_CONTEXT();
    if (F.capturing && !s) return IMPLICIT;
    *status = F.capturing && s->theirs;
    return OK;
}
PUBLIC int cuStreamGetCtx(stream *s, void **context) {
    ENTER();
    if (!s || !s->used) return BAD_HANDLE;
    *context = &primary;
    return OK;
}
PUBLIC int cuStreamWaitEvent(stream *s, event *e, unsigned flags) {
    ENTER_CONTEXT();
    (void)flags;
    if (!e || !e->used) return BAD_HANDLE;
    if (F.capturing && (!s || s->theirs)) problem("work of ours in the trainer's capture");
    return push(s, (op){.kind = WAIT, .e = e, .ticket = __atomic_load_n(&e->at->recorded, __ATOMIC_ACQUIRE)});
}
PUBLIC int cuEventCreate(event **out, unsigned flags) {
    ENTER_CONTEXT();
    for (int i = 0; i < MOST_EVENTS; i++)
        if (!events[i].used) {
            events[i] = (event){1, (flags & 6) == 6, (shared_event *)(void *)arena_live + i, NULL};
            *events[i].at = (shared_event){0, 0};
            *out = &events[i];
            return OK;
        }
    return NO_MEMORY;
}
PUBLIC int cuEventDestroy_v2(event *e) {
    RELEASE();
    if (!e || !e->used) return BAD_HANDLE;
    run(NULL);
    if (e->map) munmap(e->map, PAGE);
    e->used = 0;
    return failed;
}
PUBLIC int cuEventRecord(event *e, stream *s) {
    ENTER_CONTEXT();
    if (!e || !e->used) return BAD_HANDLE;
    if (F.capturing && (!s || s->theirs)) problem("work of ours in the trainer's capture");
    return push(s, (op){.kind = RECORD, .e = e, .ticket = __atomic_add_fetch(&e->at->recorded, 1, __ATOMIC_ACQ_REL)});
}

static int copy(char *to, const char *from, size_t bytes, stream *s, int in_arena) {
    if (!to || !from || !bytes) return INVALID;
    if (!s || s->theirs) problem("a copy of ours on the trainer's stream");
    if (in_arena) F.across++;
    else F.out++;
    memset(to, 0xff, bytes); /* an asynchronous copy lands when it is waited for, not before */
    return push(s, (op){.kind = COPY, .to = to, .from = from, .bytes = bytes});
}
PUBLIC int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, stream *s) {
    ENTER_CONTEXT();
    if (F.no_out) return 999;
    return copy(to, live_range(from, bytes), bytes, s, 0);
}
PUBLIC int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, stream *s) {
    ENTER_CONTEXT();
    return copy(live_range(to, bytes), live_range(from, bytes), bytes, s, 1);
}

/* --- other processes --------------------------------------------------------------------------------------------- */

PUBLIC int cuIpcGetMemHandle(cu_handle *out, uint64_t address) {
    ENTER_CONTEXT();
    block *b = block_of(address);
    if (F.refuse_ipc == 1) return 801;
    if (!b || b->reserved || address != (uintptr_t)b->dead) return INVALID; /* of cuMemAlloc, and where it begins */
    memset(out, 0, sizeof *out);
    out->h = (handle){getpid(), arena_fd, b->offset, b->bytes};
    return OK;
}
PUBLIC int cuIpcGetEventHandle(cu_handle *out, event *e) {
    ENTER_CONTEXT();
    if (!e || !e->used || !e->shared) return BAD_HANDLE;
    memset(out, 0, sizeof *out);
    out->h = (handle){getpid(), arena_fd, (uint64_t)(e - events) * sizeof(shared_event), 0};
    return OK;
}
static void *map_of(const handle *h, uint64_t offset, size_t bytes, int protection) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", h->pid, h->fd);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, bytes, protection, MAP_SHARED, fd, (off_t)offset);
    if (fd >= 0) close(fd);
    return at == MAP_FAILED ? NULL : at;
}
PUBLIC int cuIpcOpenMemHandle_v2(uint64_t *out, cu_handle h, unsigned flags) {
    ENTER_CONTEXT();
    uint64_t page = h.h.offset / PAGE * PAGE, extra = h.h.offset - page;
    block *b = free_block();
    if (F.refuse_ipc) return 801;
    if (flags != 1 || h.h.pid == getpid() || !b) return INVALID;
    char *live = map_of(&h.h, page, h.h.bytes + extra, PROT_READ | PROT_WRITE);
    char *dead = map_of(&h.h, page, h.h.bytes + extra, PROT_NONE);
    if (!live || !dead) return INVALID;
    first_page *theirs = map_of(&h.h, 0, PAGE, PROT_READ | PROT_WRITE);
    if (!theirs) return INVALID;
    *b = (block){dead + extra, live + extra, h.h.bytes, 1, 0, 1, extra, NULL, NULL, theirs};
    for (int i = 0; i < MOST_OPENINGS && !b->opened; i++) {
        int32_t none = 0;
        if (__atomic_compare_exchange_n(&theirs->openings[i].pid, &none, getpid(), 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) b->opened = &theirs->openings[i];
    }
    if (b->opened) b->opened->page = (uint32_t)(h.h.offset / PAGE);
    *out = (uintptr_t)b->dead;
    return OK;
}
PUBLIC int cuIpcCloseMemHandle(uint64_t address) {
    RELEASE();
    block *b = block_of(address);
    if (!b || !b->imported) return INVALID;
    if (b->opened) b->opened->page = 0, __atomic_store_n(&b->opened->pid, 0, __ATOMIC_RELEASE);
    munmap(b->map, PAGE);
    munmap(b->live - b->offset, b->bytes + b->offset);
    munmap(b->dead - b->offset, b->bytes + b->offset);
    b->used = 0;
    return failed;
}
PUBLIC int cuIpcOpenEventHandle(event **out, cu_handle h) {
    ENTER_CONTEXT();
    if (h.h.pid == getpid()) return INVALID;
    for (int i = 0; i < MOST_EVENTS; i++)
        if (!events[i].used) {
            char *map = map_of(&h.h, 0, PAGE, PROT_READ | PROT_WRITE);
            if (!map) return INVALID;
            events[i] = (event){1, 0, (shared_event *)(void *)(map + h.h.offset), map};
            *out = &events[i];
            return OK;
        }
    return NO_MEMORY;
}

/* --- the trainer's side ------------------------------------------------------------------------------------------ */

static void init(void) {
    start();
    if (!depth) contexts[depth++] = &primary;
}
static void *new_stream(void) {
    theirs_now = 1;
    stream *s = open_stream();
    theirs_now = 0;
    return s;
}
static unsigned long long trainer_take(size_t bytes) {
    uint64_t at = 0;
    theirs_now = 1;
    int e = cuMemAlloc_v2(&at, bytes);
    theirs_now = 0;
    for (block *b = e ? NULL : block_of(at); b && F.pieces && b->bytes > F.pieces;) {
        block *rest = free_block();
        if (!rest) return 0;
        b->reserved = (char *)(uintptr_t)at;
        *rest = *b;
        rest->dead += F.pieces, rest->live += F.pieces, rest->offset += F.pieces, rest->bytes -= F.pieces;
        b->bytes = F.pieces;
        b = rest;
    }
    return e ? 0 : at;
}
static void *live_of(unsigned long long address) { return live_range(address, 1); }
static int knows(const void *p, size_t bytes) { return live_range((uintptr_t)p, bytes) != NULL; }
static void open_memory(int yes) {
    int protection = yes ? PROT_READ | PROT_WRITE : PROT_NONE;
    if (arena_dead) mprotect(arena_dead, ARENA, protection);
    for (int i = 0; i < MOST_BLOCKS; i++)
        if (blocks[i].used && blocks[i].imported) mprotect(blocks[i].dead - blocks[i].offset, blocks[i].bytes + blocks[i].offset, protection);
}
static void launch(void *s, void (*fn)(void *), void *data) { push(s, (op){.kind = CALL, .fn = fn, .data = data}); }
static int held(void) {
    int n = retained + pins + (depth - 1);
    for (int i = 0; i < MOST_BLOCKS; i++) n += blocks[i].used && !blocks[i].theirs;
    for (int i = 0; i < MOST_STREAMS; i++) n += streams[i].used && !streams[i].theirs;
    for (int i = 0; i < MOST_EVENTS; i++) n += events[i].used;
    return n + (mode != 0);
}
