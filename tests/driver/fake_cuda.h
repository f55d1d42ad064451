/* fake_cuda.h -- a libcuda.so.1 for tests: what it can be told, and what it tells.  The library is fake_libcuda.c; a test finds
 * the one object of it by dlsym(library, "fake_cuda"), a worker takes its orders from FAKE_CUDA in the environment. */
#ifndef GLIMPSE_TEST_FAKE_CUDA_H
#define GLIMPSE_TEST_FAKE_CUDA_H

#include <stddef.h>

enum { FAKE_THEIRS_FIRST, FAKE_OURS_FIRST, FAKE_RANDOM };

typedef struct fake_cuda {
    /* Told */
    int version, compute_mode, mps, managed; /* managed: device memory is said to be managed memory */
    int refuse_ipc;       /* 1: no memory is exported; 2: none is opened */
    size_t pieces;        /* what the trainer takes is mapped in pieces of so many bytes into addresses of its own; 0 = it is not */
    int capturing;        /* the trainer's stream is, and a call that breaks captures is a problem */
    size_t total, free_bytes;
    long fail_at;         /* the n-th call from here fails; 0 = none */
    int error, forever;
    int no_out;           /* copies to the host fail */
    int order;            /* which stream goes first when there is a choice */
    unsigned seed;
    /* Tells */
    long calls;           /* of the API */
    long out, across;     /* copies to the host, and on the device */
    const char *problem;  /* what no caller may do; NULL = nothing */
    /* The trainer's side: all need init first */
    void (*init)(void);              /* initialises the driver and makes the primary context current, as a trainer has */
    void *(*stream)(void);           /* a stream of the trainer's */
    unsigned long long (*take)(size_t bytes); /* device memory: the host faults when it touches it */
    void *(*live)(unsigned long long address); /* the same memory, for the test alone */
    void (*launch)(void *stream, void (*fn)(void *data), void *data); /* lazy, as everything */
    void (*run)(void);               /* everything that is queued, in an order that events permit */
    /* For an emulated runtime in this process (tests/emu): is all of it memory of the device, and may its kernels touch it now */
    int (*knows)(const void *p, size_t bytes);
    void (*open)(int yes);
    /* What is held but by the trainer: streams, events, allocations, pins, retained contexts, pushed contexts */
    int (*held)(void);
} fake_cuda;

#endif
