/* emu.h -- the CUDA runtime, emulated: what include/cuda_runtime.h of this folder and the tests ask of it.
 *
 * The .cu files compile with gcc or clang over include/ and run here, where there is no GPU.  A thread is a fiber; block
 * and warp barriers are counted; shared memory is exact and full of NaN; device memory faults when host code touches it;
 * streams are lazy and run in an order that a seed chooses; the n-th CUDA call can fail.  What is wrong in a way that a
 * chip may or may not show (threads that do not meet at a barrier, a launch above its limits, a chained kernel that does
 * not wait) is a *problem*: the launch fails, and emu_problem says it.  Blocks run one after the other; those that are launched
 * together, one a multiprocessor, take turns: each runs until it waits for another.  One host thread at a time. */
#ifndef GLIMPSE_TEST_EMU_H
#define GLIMPSE_TEST_EMU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For tests ------------------------------------------------------------------------------------------------------ */

enum { EMU_FORWARD, EMU_REVERSE, EMU_RANDOM };
/* The order of blocks, of a block's threads and of streams.  seed: of EMU_RANDOM.  GLIMPSE_EMU_ORDER=reverse (or forward, or
 * a seed) in the environment has the last word, in workers too: `GLIMPSE_EMU_ORDER=7 make run-tests T=cuda`. */
void emu_schedule(int order, uint64_t seed);
/* The nth CUDA call from now (1 = the next, 0 = none) returns `error`; `forever`: all that follow it too. */
void emu_fail(long nth, int error, int forever);
long emu_calls(void);          /* CUDA calls since emu_fail */
/* The first problem since the last call, NULL = none; forgotten when it is asked for. */
const char *emu_problem(void);
void emu_cooperative(int yes); /* does the device launch blocks together? 1 */
int emu_chains(void);          /* does it let a launch begin before the one ahead has ended? */
void emu_refuse_graphs(int what); /* 1: no capture takes a chained launch, 2: none takes anything; 0 */
void emu_others_capture(int yes); /* does another thread capture a stream, which calls in any but the relaxed mode would break? */
int emu_capture_mode(void);    /* of this thread: 0 where it was put back */
void emu_lose_arrival(long nth); /* the nth arrival of a block at the others from now on (1 = the next) never comes; 0 = none */
long emu_arrivals(void);       /* of blocks at the others so far, those that were lost among them */
void emu_slow_together(int launches); /* what such a launch takes, in launches of other kernels: 1; an event's clock counts these */
void emu_round_together(int up); /* 1: such kernels round upwards, so their bits are others */
size_t emu_device_bytes(void); /* held by cudaMalloc, and pinned */
int emu_handles(void);         /* streams, events, graphs, cuBLAS handles that are open */
long emu_launches(void);       /* kernels run so far */
void emu_devices(int n);       /* how many devices there are: 1 */
void emu_driver(int version);  /* what the driver says it is: 13000 */
void emu_capability(int major); /* of the device: 9 */
void emu_multiprocessors(int n); /* how many a device has: 4 */
void emu_shared_most(int bytes); /* of shared memory that a block may have: 227 KiB, as sm_90; sm_86 and sm_89 have 99 */
void emu_host_may_touch(int yes); /* 1: device memory may be read by the test, until it is set to 0 again */

int emu_is_chip(void);         /* 1 in runner_gpu, where all of this is not there (tests/bench/gpu_stubs.c) */

/* For include/ --------------------------------------------------------------------------------------------------- */

typedef struct emu_dim { unsigned x, y, z; } emu_dim;
typedef struct emu_thread { emu_dim thread, block, block_size, grid; void *own, **of_block; } emu_thread; /* own: of whatever runs in it; *of_block: its
 * block's, NULL at first, freed at the end */
extern emu_thread *emu_self;   /* the fiber that runs */

typedef void (*emu_body)(const void *arguments);
/* Runs a thread of what another compiler made of a kernel (emu/ptx), its arguments' places and sizes given; NULL = there is no other. */
extern void (*emu_instead)(const void *kernel, unsigned char *const *arguments, const size_t *bytes, int n);
/* Queue a kernel.  `kernel` is what limits are kept for, `arguments` (bytes) are copied.  Returns a cudaError_t. */
int emu_launch(const void *kernel, emu_body body, const void *arguments, size_t bytes, emu_dim grid, emu_dim block,
               size_t shared, void *stream, int chained, int together);
int emu_call(void);            /* counts a CUDA call; the error it must return, or 0 */
int emu_overlaps(void);        /* may the launch that runs have begun before the one ahead of it had ended? */

void emu_sync_block(void);
void emu_sync_warp(void);
/* Every lane gives `n` <= 64 bytes; all (32, n) receives those of all lanes, zeros for lanes that have exited. */
void emu_warp_gather(const void *mine, size_t n, void *all);
void *emu_shared(const void *key, size_t bytes); /* a __shared__ array; key: one a declaration */
void *emu_shared_dynamic(void);
size_t emu_shared_dynamic_bytes(void);
void emu_fault(void) __attribute__((noreturn)); /* the launch ends here and fails, as behind an illegal address; say why before */
void emu_yield(void);          /* in a loop that waits for another thread */
unsigned emu_arrives(void);    /* 1, or 0 for the arrival that is lost */
uint64_t emu_clock_ns(void);   /* moves by 0.1 ms at each yield */
void emu_dependency_wait(void);
void emu_say_problem(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For the parts of the emulation: an operation on a stream, `data` (bytes) copied. */
int emu_enqueue(void *stream, void (*run)(void *data), const void *data, size_t bytes);
void emu_count_handle(int by);

#ifdef __cplusplus
}
#endif
#endif
