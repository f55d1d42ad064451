/* ptx_machine.h -- a thread that executes PTX, for ptx_machine.c, ptx_races.c (shared memory) and ptx_orders.c (global memory). */
#ifndef GLIMPSE_TEST_PTX_MACHINE_H
#define GLIMPSE_TEST_PTX_MACHINE_H

#include "tests/emu/ptx/ptx_isa.h"

enum { PTX_MAX_COPIES = 1024 };

typedef struct ptx_thread { /* on the stack of its fiber, at emu_self->own */
    const ptx_kernel *kernel;
    const ptx_module *module;
    unsigned char *fixed, *dynamic; /* shared memory */
    struct { uint64_t from; uint32_t to, group; } copies[PTX_MAX_COPIES]; /* on their way */
    int n_copies;
    uint32_t group;     /* that copies belong to now */
    uint32_t barriers, warp_barriers; /* that it has left */
    int waited;         /* for the kernel before */
    uint32_t block, stamp; /* ptx_orders.c: its block's number; what it does now, 0 = not asked for yet */
    struct known *learnt; /* since its last barrier; NULL = nothing */
} ptx_thread;

/* "attend.cuh:212", of a module's ptx_place. */
const char *ptx_place_name(const ptx_module *m, uint32_t place);
const ptx_module *ptx_module_of(unsigned number);

/* Of `all` bytes of shared memory these are used now: faults where another thread's use of them is not ordered. */
void ptx_race(const ptx_thread *t, size_t first, size_t bytes, size_t all, unsigned access);

/* Global memory: the same for what all threads of a launch, and the launch ahead, do to it. */
void ptx_order_begin(ptx_thread *t); /* by each thread, first */
void ptx_order(ptx_thread *t, uint64_t address, size_t bytes, unsigned access);
void ptx_order_arrive(ptx_thread *t); /* around a barrier of the block */
void ptx_order_leave(ptx_thread *t);

#endif
