/* ptx_machine.h -- a thread that executes PTX, for ptx_machine.c and ptx_races.c. */
#ifndef GLIMPSE_TEST_PTX_MACHINE_H
#define GLIMPSE_TEST_PTX_MACHINE_H

#include "tests/emu/ptx/ptx_isa.h"

enum { PTX_MAX_COPIES = 1024 };

typedef struct ptx_thread { /* on the stack of its fiber, at emu_self->own */
    const ptx_kernel *kernel;
    unsigned char *fixed, *dynamic; /* shared memory */
    struct { uint64_t from; uint32_t to, group; } copies[PTX_MAX_COPIES]; /* on their way */
    int n_copies;
    uint32_t group;     /* that copies belong to now */
    uint32_t barriers, warp_barriers; /* that it has left */
    int waited;         /* for the kernel before */
} ptx_thread;

/* Of `all` bytes of shared memory these are used now: faults where another thread's use of them is not ordered. */
void ptx_race(const ptx_thread *t, size_t first, size_t bytes, size_t all, ptx_access access);

#endif
