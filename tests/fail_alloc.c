/* fail_alloc.c -- makes the n-th allocation fail.  The runner is linked with --wrap for each function below, so that the
 * calls of the code under test come here first (those made inside libc and other libraries do not).  See test.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **p, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static _Atomic long count, fail_at;

long test_fail_alloc(long n) {
    atomic_store(&fail_at, n);
    return atomic_exchange(&count, 0);
}

static bool fails(void) {
    long at = atomic_load(&fail_at);
    if (atomic_fetch_add(&count, 1) + 1 != at) return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t align, size_t n) { return fails() ? NULL : __real_aligned_alloc(align, n); }

int __wrap_posix_memalign(void **p, size_t align, size_t n) {
    return fails() ? ENOMEM : __real_posix_memalign(p, align, n);
}

char *__wrap_strndup(const char *s, size_t n) {
    size_t len = strnlen(s, n);
    char *copy = __wrap_malloc(len + 1);
    if (!copy) return NULL;
    memcpy(copy, s, len);
    copy[len] = 0;
    return copy;
}

char *__wrap_strdup(const char *s) { return __wrap_strndup(s, strlen(s)); }
