/* emu_runtime.c -- the runtime API over emu_block.c: device memory, lazy streams, events, graphs, failing calls (emu.h).
 *
 * Work is queued and runs when something waits for it: then streams take turns in the order of emu_schedule, as far as
 * events allow, so an edge that is missing shows.  Device memory is closed to host code between the kernels (mprotect) and
 * ends at a page that is never open.  A copy to the host lands when it is waited for; until then its target is poison. */
#define _GNU_SOURCE
#include <cuda_runtime.h>

#include <dlfcn.h>
#include <fenv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/driver/fake_cuda.h"
#include "tests/emu/emu_block.h"

enum { MAX_BLOCKS_OF_MEMORY = 4096, MAX_STREAMS = 16, MAX_LIMITS = 256, SHARED_DEFAULT = 48 << 10 };

typedef struct operation {
    struct operation *next;
    void (*run)(void *data);
    struct emu_event *wait, *record; /* instead of run */
    long ticket;                     /* which recording is waited for */
    size_t bytes;
    unsigned char data[] __attribute__((aligned(16)));
} operation;

struct emu_stream { operation *first, *last; struct emu_graph *capturing; };
struct emu_event { long recorded, done, at; /* at: what had run by then */ };
struct emu_graph { operation *first, *last; int invalid; };

static struct { char *map, *p; size_t bytes, mapped; int pinned; } blocks[MAX_BLOCKS_OF_MEMORY];
static struct emu_stream *streams[MAX_STREAMS];
static struct limits { const void *kernel; int bytes, loaded; } limits[MAX_LIMITS];
static int n_limits, handles, devices = 1, driver = 13000, sticky, host_may_touch, cooperative = 1, together_costs = 1, round_up;
static long calls, fail_at, launches, busy;
static int refuse_graphs; /* emu_refuse_graphs */
static int behind_a_kernel, overlaps; /* is a kernel the last that ran; of the one that runs: emu_overlaps */
static int fail_with, fail_forever;
static char problem[512];

/* Problems and failures ------------------------------------------------------------------------------------------- */

void emu_say_problem(const char *fmt, ...) {
    va_list a;
    if (problem[0]) return;
    va_start(a, fmt);
    vsnprintf(problem, sizeof problem, fmt, a);
    va_end(a);
}
const char *emu_problem(void) {
    static char said[sizeof problem];
    if (!problem[0]) return NULL;
    memcpy(said, problem, sizeof said);
    problem[0] = 0;
    return said;
}
void emu_fail(long nth, int error, int forever) {
    calls = 0;
    fail_at = nth;
    fail_with = error;
    fail_forever = forever;
    sticky = 0;
}
long emu_calls(void) { return calls; }
long emu_launches(void) { return launches; }
int emu_overlaps(void) { return overlaps; }
int emu_handles(void) { return handles; }
void emu_count_handle(int by) { handles += by; }
int emu_is_chip(void) { return 0; }
void emu_devices(int n) { devices = n; }
void emu_driver(int version) { driver = version; }
void emu_cooperative(int yes) { cooperative = yes; }
void emu_refuse_graphs(int what) { refuse_graphs = what; }
void emu_slow_together(int n) { together_costs = n; }
void emu_round_together(int up) { round_up = up; }
static int multiprocessors = 4, shared_most = 227 << 10, capability = 9;
void emu_capability(int major) { capability = major; }
int emu_chains(void) { return capability >= 9; }
void emu_shared_most(int bytes) { shared_most = bytes; }
size_t emu_shared_limit(void) { return (size_t)shared_most; }
void emu_multiprocessors(int n) { multiprocessors = n; }

static cudaStreamCaptureMode mode_now;
static int others_capture;
void emu_others_capture(int yes) { others_capture = yes; }
int emu_capture_mode(void) { return (int)mode_now; }

static int count_call(void) {
    calls++;
    if (fail_at && (calls == fail_at || (fail_forever && calls > fail_at))) return fail_with;
    return sticky;
}
int emu_call(void) {
    if (others_capture && mode_now != cudaStreamCaptureModeRelaxed) emu_say_problem("a call that breaks another thread's capture");
    return count_call();
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode *mode) {
    int e = *mode == cudaStreamCaptureModeRelaxed ? count_call() : 0; /* putting it back never fails */
    if (e) return (cudaError_t)e;
    cudaStreamCaptureMode before = mode_now;
    mode_now = *mode;
    *mode = before;
    return cudaSuccess;
}
#define CALL()                                                                                                         \
    do {                                                                                                               \
        int error_ = emu_call();                                                                                       \
        if (error_) return (cudaError_t)error_;                                                                        \
    } while (0)

const char *cudaGetErrorName(cudaError_t e) {
    switch (e) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    default: return "cudaError";
    }
}
const char *cudaGetErrorString(cudaError_t e) {
    switch (e) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    default: return cudaGetErrorName(e);
    }
}
cudaError_t cudaGetLastError(void) { return (cudaError_t)sticky; }

/* Devices -------------------------------------------------------------------------------------------------------- */

cudaError_t cudaDriverGetVersion(int *v) { CALL(); *v = driver; return cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int *v) { CALL(); *v = CUDART_VERSION; return cudaSuccess; }
cudaError_t cudaGetDeviceCount(int *n) {
    CALL();
    *n = devices;
    if (driver < CUDART_VERSION / 1000 * 1000) return cudaErrorInsufficientDriver;
    return devices ? cudaSuccess : cudaErrorNoDevice;
}
static int device_now;
cudaError_t cudaGetDevice(int *device) { CALL(); *device = device_now; return cudaSuccess; }
cudaError_t cudaSetDevice(int device) {
    CALL();
    if (device < 0 || device >= devices) return cudaErrorInvalidDevice;
    device_now = device;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr a, int device) {
    CALL();
    (void)device;
    *value = a == cudaDevAttrMultiProcessorCount ? multiprocessors : a == cudaDevAttrCooperativeLaunch ? cooperative
             : a == cudaDevAttrComputeCapabilityMajor ? capability
             : a == cudaDevAttrMaxSharedMemoryPerBlockOptin ? shared_most : a == cudaDevAttrL2CacheSize ? 60 << 20 : 0;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device) {
    CALL();
    (void)device;
    memset(out, 0, sizeof *out);
    strcpy(out->name, "emulation");
    out->totalGlobalMem = (size_t)1 << 30;
    out->major = capability;
    out->multiProcessorCount = multiprocessors;
    out->sharedMemPerBlockOptin = shared_most;
    return cudaSuccess;
}

/* Memory --------------------------------------------------------------------------------------------------------- */

static size_t held;
size_t emu_device_bytes(void) { return held; }

/* Memory that the driver for tests gave out or opened, where that is loaded: a trainer's, or a worker's view of it. */
static const fake_cuda *driver_memory(void) {
    static const fake_cuda *found;
    void *library = found ? NULL : dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    if (library) found = dlsym(library, "fake_cuda");
    return found;
}
static int foreign(const void *p, size_t bytes) {
    const fake_cuda *d = driver_memory();
    return d && d->knows(p, bytes);
}

static void protect(int open) {
    const fake_cuda *d = driver_memory();
    if (d) d->open(open);
    for (int i = 0; i < MAX_BLOCKS_OF_MEMORY; i++)
        if (blocks[i].p && !blocks[i].pinned)
            mprotect(blocks[i].map, blocks[i].mapped, open || host_may_touch ? PROT_READ | PROT_WRITE : PROT_NONE);
}
void emu_host_may_touch(int yes) {
    host_may_touch = yes;
    protect(0);
}

static cudaError_t take(void **out, size_t bytes, int pinned) {
    CALL();
    size_t page = (size_t)sysconf(_SC_PAGESIZE), round = (bytes + 15) & ~(size_t)15;
    size_t mapped = (round + page - 1) / page * page;
    int i = 0;
    while (i < MAX_BLOCKS_OF_MEMORY && blocks[i].p) i++;
    if (i == MAX_BLOCKS_OF_MEMORY || !bytes || held + bytes > (size_t)1 << 30) return cudaErrorMemoryAllocation;
    char *m = mmap(NULL, mapped + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) return cudaErrorMemoryAllocation;
    mprotect(m + mapped, page, PROT_NONE);
    blocks[i].map = m;
    blocks[i].p = m + mapped - round; /* what lies behind it is never open */
    blocks[i].bytes = bytes;
    blocks[i].mapped = mapped;
    blocks[i].pinned = pinned;
    memset(m, 0xff, mapped);
    if (!pinned && !host_may_touch) mprotect(m, mapped, PROT_NONE);
    held += bytes;
    *out = blocks[i].p;
    return cudaSuccess;
}

static int block_of(const void *p) {
    for (int i = 0; i < MAX_BLOCKS_OF_MEMORY; i++)
        if (blocks[i].p && (const char *)p >= blocks[i].p && (const char *)p < blocks[i].p + blocks[i].bytes) return i;
    return -1;
}

static cudaError_t drain(struct emu_stream *until);

static cudaError_t give(void *p, int pinned) {
    CALL();
    if (!p) return cudaSuccess;
    int i = block_of(p);
    if (i < 0 || blocks[i].p != p || blocks[i].pinned != pinned) return cudaErrorInvalidValue;
    drain(NULL);
    munmap(blocks[i].map, blocks[i].mapped + (size_t)sysconf(_SC_PAGESIZE));
    held -= blocks[i].bytes;
    blocks[i].p = NULL;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **out, size_t bytes) { return take(out, bytes, 0); }
cudaError_t cudaMallocHost(void **out, size_t bytes) { return take(out, bytes, 1); }
/* Freeing works also where every call fails for ever: a driver that has crashed frees what it holds. */
cudaError_t cudaFree(void *p) {
    cudaError_t e = give(p, 0);
    if (e && p && block_of(p) >= 0) {
        long at = fail_at;
        int kept = sticky;
        fail_at = sticky = 0;
        give(p, 0);
        fail_at = at;
        sticky = kept;
    }
    return e;
}
cudaError_t cudaFreeHost(void *p) {
    cudaError_t e = give(p, 1);
    if (e && p && block_of(p) >= 0) {
        long at = fail_at;
        int kept = sticky;
        fail_at = sticky = 0;
        give(p, 1);
        fail_at = at;
        sticky = kept;
    }
    return e;
}
/* CUDA IPC is the driver for tests', where it is on the library path; otherwise there is none here. */
static void *driver_call(const char *name) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    const fake_cuda *d = driver_memory();
    if (!library || !d) return NULL;
    d->init();
    return dlsym(library, name);
}
cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t *out, void *p) {
    CALL();
    int (*f)(void *, uint64_t) = 0;
    void *at = foreign(p, 1) ? driver_call("cuIpcGetMemHandle") : NULL;
    memcpy(&f, &at, sizeof f);
    return f ? (cudaError_t)f(out, (uintptr_t)p) : cudaErrorNotSupported;
}
cudaError_t cudaIpcOpenMemHandle(void **out, cudaIpcMemHandle_t h, unsigned flags) {
    CALL();
    int (*f)(uint64_t *, cudaIpcMemHandle_t, unsigned) = 0;
    uint64_t address = 0;
    void *at = driver_call("cuIpcOpenMemHandle_v2");
    memcpy(&f, &at, sizeof f);
    int e = f ? f(&address, h, flags) : cudaErrorNotSupported;
    if (!e) *out = (void *)(uintptr_t)address;
    return (cudaError_t)e;
}
cudaError_t cudaIpcCloseMemHandle(void *p) {
    CALL();
    int (*f)(uint64_t) = 0;
    void *at = foreign(p, 1) ? driver_call("cuIpcCloseMemHandle") : NULL;
    memcpy(&f, &at, sizeof f);
    return f ? (cudaError_t)f((uintptr_t)p) : cudaErrorNotSupported;
}
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
    CALL();
    *total = (size_t)80 << 30; /* more than is ever given: a limit is a share of it */
    *free_bytes = *total - held;
    return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *out, const void *p) {
    CALL();
    int i = block_of(p);
    memset(out, 0, sizeof *out);
    out->type = i < 0 ? foreign(p, 1) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered : blocks[i].pinned ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
    out->devicePointer = i < 0 ? NULL : (void *)(uintptr_t)p;
    return cudaSuccess;
}

/* Streams -------------------------------------------------------------------------------------------------------- */

static operation *operation_new(void (*run)(void *), const void *data, size_t bytes) {
    operation *o = calloc(1, sizeof *o + bytes);
    if (!o) return NULL;
    o->run = run;
    o->bytes = bytes;
    if (bytes) memcpy(o->data, data, bytes);
    return o;
}

static void append(operation **first, operation **last, operation *o) {
    if (*last) (*last)->next = o;
    else *first = o;
    *last = o;
}

static int push(struct emu_stream *s, operation *o) {
    if (!o) return cudaErrorMemoryAllocation;
    if (!s) {
        free(o);
        emu_say_problem("work on the legacy stream");
        return cudaErrorInvalidResourceHandle;
    }
    if (s->capturing) append(&s->capturing->first, &s->capturing->last, o);
    else append(&s->first, &s->last, o);
    return cudaSuccess;
}

int emu_enqueue(void *stream, void (*run)(void *), const void *data, size_t bytes) {
    return push(stream, operation_new(run, data, bytes));
}

static void run_launch(void *data);
static void run_graph(void *data);
/* Only a kernel right behind a kernel may begin before that has ended. */
static void perform(operation *o) {
    if (o->run != run_launch && o->run != run_graph) behind_a_kernel = 0;
    o->run(o->data);
}

static int ready(const struct emu_stream *s) {
    return s->first && (!s->first->wait || s->first->wait->done >= s->first->ticket);
}

static void step(struct emu_stream *s) {
    operation *o = s->first;
    s->first = o->next;
    if (!s->first) s->last = NULL;
    if (o->record) o->record->done = o->ticket, o->record->at = busy;
    else if (!o->wait && !sticky) perform(o);
    free(o);
}

/* Run queued work until `until` is empty (NULL: all are); streams in today's order, one operation at a time. */
static cudaError_t drain(struct emu_stream *until) {
    protect(1);
    for (;;) {
        int turn[MAX_STREAMS], moved = 0, left = 0;
        emu_permutation(turn, MAX_STREAMS);
        for (int k = 0; k < MAX_STREAMS; k++) {
            struct emu_stream *s = streams[turn[k]];
            if (!s || !s->first) continue;
            left = 1;
            if (!ready(s)) continue;
            step(s);
            moved = 1;
        }
        if (until ? !until->first : !left) break;
        if (!moved) {
            emu_say_problem("streams wait for events that nobody records");
            break;
        }
    }
    protect(0);
    behind_a_kernel = 0;
    return (cudaError_t)sticky;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags) {
    CALL();
    int i = 0;
    if (!(flags & cudaStreamNonBlocking)) emu_say_problem("a stream that the legacy stream waits for");
    while (i < MAX_STREAMS && streams[i]) i++;
    if (i == MAX_STREAMS || !(streams[i] = calloc(1, sizeof **streams))) return cudaErrorMemoryAllocation;
    *out = streams[i];
    handles++;
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
    int e = emu_call();
    if (!s) return cudaErrorInvalidResourceHandle;
    drain(s);
    for (int i = 0; i < MAX_STREAMS; i++)
        if (streams[i] == s) streams[i] = NULL;
    free(s);
    handles--;
    return (cudaError_t)e;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    CALL();
    if (s->capturing) return cudaErrorStreamCaptureUnsupported;
    return drain(s);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags) {
    CALL();
    (void)flags;
    operation *o = operation_new(NULL, NULL, 0);
    if (o) o->wait = e, o->ticket = e->recorded;
    return (cudaError_t)push(s, o);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags) {
    CALL();
    (void)flags;
    if (!(*out = calloc(1, sizeof **out))) return cudaErrorMemoryAllocation;
    handles++;
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
    int error = emu_call();
    if (!e) return cudaErrorInvalidResourceHandle;
    drain(NULL);
    free(e);
    handles--;
    return (cudaError_t)error;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
    CALL();
    operation *o = operation_new(NULL, NULL, 0);
    if (o) o->record = e, o->ticket = ++e->recorded;
    return (cudaError_t)push(s, o);
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
    CALL();
    for (int guard = 0; e->done < e->recorded && guard < 1; guard++) drain(NULL);
    return (cudaError_t)sticky;
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t a, cudaEvent_t b) {
    CALL();
    *ms = (float)(b->at - a->at) + 1;
    return a->done && b->done ? cudaSuccess : cudaErrorNotReady;
}

/* Copies --------------------------------------------------------------------------------------------------------- */

typedef struct copy { void *to; const void *from; size_t bytes; void *staged; int value; } copy;

static void run_copy(void *data) {
    copy *c = data;
    memmove(c->to, c->staged ? c->staged : c->from, c->bytes);
}
static void run_copy_once(void *data) {
    run_copy(data);
    free(((copy *)data)->staged);
}
static void run_set(void *data) {
    copy *c = data;
    memset(c->to, c->value, c->bytes);
}

static int inside(const void *p, size_t bytes) {
    int i = block_of(p);
    return i < 0 ? foreign(p, bytes) : (const char *)p + bytes <= blocks[i].p + blocks[i].bytes;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t s) {
    CALL();
    if (!bytes) return cudaSuccess;
    int in = block_of(from), out = block_of(to);
    int device_from = in >= 0 ? !blocks[in].pinned : foreign(from, 1), device_to = out >= 0 && !blocks[out].pinned;
    if ((device_from && !inside(from, bytes)) || (device_to && !inside(to, bytes))) return cudaErrorInvalidValue;
    if ((kind == cudaMemcpyHostToDevice && (device_from || !device_to)) ||
        (kind == cudaMemcpyDeviceToHost && (!device_from || device_to)) ||
        (kind == cudaMemcpyDeviceToDevice && (!device_from || !device_to)))
        return cudaErrorInvalidValue;
    copy c = {.to = to, .from = from, .bytes = bytes};
    int pageable = in < 0 && !device_from; /* the driver may read such memory at once: it must not be trusted to wait */
    if (pageable && s && s->capturing) return cudaErrorStreamCaptureUnsupported;
    if (pageable) {
        if (!(c.staged = malloc(bytes))) return cudaErrorMemoryAllocation;
        memcpy(c.staged, from, bytes);
    }
    if (!device_to && !(s && s->capturing)) memset(to, 0xff, bytes);
    return (cudaError_t)emu_enqueue(s, pageable ? run_copy_once : run_copy, &c, sizeof c);
}
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t s) {
    CALL();
    if (!inside(to, bytes)) return cudaErrorInvalidValue;
    copy c = {.to = to, .bytes = bytes, .value = value};
    return (cudaError_t)emu_enqueue(s, run_set, &c, sizeof c);
}

/* Kernels -------------------------------------------------------------------------------------------------------- */

/* Its place among the kernels that were met, -1: no room. */
static int place_of(const void *kernel) {
    int i = 0;
    while (i < n_limits && limits[i].kernel != kernel) i++;
    if (i == MAX_LIMITS) return -1;
    if (i == n_limits) limits[n_limits++] = (struct limits){kernel, SHARED_DEFAULT, 0};
    return i;
}

int emu_function_limit(const void *kernel, cudaFuncAttribute attribute, int value) {
    CALL();
    int i = place_of(kernel);
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value > shared_most || i < 0) return cudaErrorInvalidValue;
    limits[i].bytes = value;
    return cudaSuccess;
}

int emu_load(const void *kernel) {
    CALL();
    int i = place_of(kernel);
    if (i < 0) return cudaErrorInvalidValue;
    limits[i].loaded = 1;
    return cudaSuccess;
}

int emu_occupancy(int *blocks) {
    CALL();
    *blocks = 1; /* of EMU_TOGETHER multiprocessors */
    return cudaSuccess;
}

typedef struct launch { emu_body body; emu_dim grid, block; size_t shared; int chained, together; unsigned char arguments[1024] __attribute__((aligned(16))); } launch;

static void run_launch(void *data) {
    launch *l = data;
    int n = (int)(l->grid.x * l->grid.y * l->grid.z);
    int *turn = malloc((size_t)n * sizeof *turn);
    emu_permutation(turn, n);
    launches++;
    overlaps = l->chained && behind_a_kernel;
    behind_a_kernel = 1;
    busy += l->together ? together_costs : 1;
    for (int i = 0, each = l->together ? n : 1; i < n && !sticky; i += each) {
        emu_dim at[EMU_TOGETHER];
        for (int k = 0; k < each; k++) {
            unsigned b = (unsigned)turn[i + k];
            at[k] = (emu_dim){b % l->grid.x, b / l->grid.x % l->grid.y, b / (l->grid.x * l->grid.y)};
        }
        if (l->together && round_up) fesetround(FE_UPWARD);
        if (!emu_run_blocks(l->body, l->arguments, l->grid, l->block, at, each, l->shared, l->chained)) sticky = cudaErrorLaunchFailure;
        if (round_up) fesetround(FE_TONEAREST);
    }
    free(turn);
}

int emu_launch(const void *kernel, emu_body body, const void *arguments, size_t bytes, emu_dim grid, emu_dim block,
               size_t shared, void *stream, int chained, int together) {
    CALL();
    launch l = {.body = body, .grid = grid, .block = block, .shared = shared, .chained = chained && emu_chains(), .together = together};
    size_t threads = (size_t)block.x * block.y * block.z, limit;
    int at = place_of(kernel);
    if (at < 0) return cudaErrorInvalidValue;
    limit = (size_t)limits[at].bytes;
    /* A driver loads code where it is first met (CUDA_MODULE_LOADING=LAZY), which may want what a capture forbids. */
    if (stream && ((cudaStream_t)stream)->capturing && !limits[at].loaded) emu_say_problem("a kernel that is first met in a capture");
    limits[at].loaded = 1;
    if (!threads || threads > 1024 || !grid.x || !grid.y || !grid.z || grid.y > 65535 || grid.z > 65535 || shared > limit ||
        bytes > sizeof l.arguments) {
        emu_say_problem("a launch of (%u, %u, %u) blocks of %zu threads with %zu bytes of shared memory, %zu are allowed, and "
                        "%zu bytes of arguments", grid.x, grid.y, grid.z, threads, shared, limit, bytes);
        return cudaErrorInvalidConfiguration;
    }
    struct emu_graph *capture = stream ? ((cudaStream_t)stream)->capturing : NULL;
    if (capture && refuse_graphs && (refuse_graphs > 1 || chained)) {
        capture->invalid = 1;
        return cudaErrorInvalidResourceHandle;
    }
    if (together && !cooperative) return cudaErrorNotSupported;
    if (together && (size_t)grid.x * grid.y * grid.z > EMU_TOGETHER) return cudaErrorCooperativeLaunchTooLarge;
    memcpy(l.arguments, arguments, bytes);
    return emu_enqueue(stream, run_launch, &l, sizeof l);
}

/* Graphs --------------------------------------------------------------------------------------------------------- */

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
    CALL();
    if (mode != cudaStreamCaptureModeThreadLocal) emu_say_problem("a capture that other threads' calls would break");
    if (s->capturing || !(s->capturing = calloc(1, sizeof *s->capturing))) return cudaErrorInvalidValue;
    handles++;
    return cudaSuccess;
}
static void graph_free(struct emu_graph *g) {
    while (g && g->first) {
        operation *o = g->first;
        g->first = o->next;
        free(o);
    }
    if (g) handles--;
    free(g);
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *out) {
    int e = emu_call();
    struct emu_graph *g = s->capturing;
    s->capturing = NULL;
    if (!e && g && g->invalid) e = cudaErrorStreamCaptureInvalidated;
    if (e) graph_free(g), g = NULL;
    *out = g;
    return (cudaError_t)e;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *out, cudaGraph_t g, unsigned long long flags) {
    CALL();
    (void)flags;
    struct emu_graph *x = calloc(1, sizeof *x);
    if (!x) return cudaErrorMemoryAllocation;
    handles++;
    for (operation *o = g->first; o; o = o->next) {
        operation *p = operation_new(o->run, o->data, o->bytes);
        if (!p) {
            graph_free(x);
            return cudaErrorMemoryAllocation;
        }
        append(&x->first, &x->last, p);
    }
    *out = x;
    return cudaSuccess;
}
static void run_graph(void *data) {
    struct emu_graph *g = *(struct emu_graph **)data;
    for (operation *o = g->first; o && !sticky; o = o->next) perform(o);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t g, cudaStream_t s) {
    CALL();
    return (cudaError_t)emu_enqueue(s, run_graph, &g, sizeof g);
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) {
    int e = emu_call();
    graph_free(g);
    return (cudaError_t)e;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t g) {
    int e = emu_call();
    drain(NULL);
    graph_free(g);
    return (cudaError_t)e;
}
