/* wrap_calls.h -- every system call of the code under test passes here (the runner is linked with --wrap for each), so
 * that a test can make one fail or keep a log of them.  Calls made inside libc and other libraries do not pass. */
#ifndef GLIMPSE_TESTS_WRAP_CALLS_H
#define GLIMPSE_TESTS_WRAP_CALLS_H

#include <stddef.h>
#include <stdint.h>

typedef struct wrapped_call {
    const char *name;      /* "write", "rename", ... */
    int fd;                /* -1 = it has none */
    const char *path, *to; /* NULL = it has none */
    const void *bytes;     /* write: what is written */
    size_t n;              /* write: how many; ftruncate: the size */
    int flags;             /* open's, memfd_create's */
    long result;           /* for `after` */
} wrapped_call;

/* Returns the errno to fail with, 0 = the call is made.  NULL = none is asked.  Any thread may call. */
extern int (*wrapped_before)(const wrapped_call *c);
/* Told of every call that was made and did not fail. */
extern void (*wrapped_after)(const wrapped_call *c);

#endif
