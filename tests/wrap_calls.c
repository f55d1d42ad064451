/* wrap_calls.c -- see wrap_calls.h.  The list stands in the Makefile (WRAP_CALLS) as well. */
#define _GNU_SOURCE
#include "tests/wrap_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int (*wrapped_before)(const wrapped_call *c);
void (*wrapped_after)(const wrapped_call *c);

static int fails(const wrapped_call *c) {
    int err = wrapped_before ? wrapped_before(c) : 0;
    if (err) errno = err;
    return err;
}

static long done(wrapped_call *c, long result) {
    int saved = errno;
    c->result = result;
    if (result >= 0 && wrapped_after) wrapped_after(c);
    errno = saved;
    return result;
}

/* WRAP(returned type, name, parameters, arguments, what is known of the call) */
#define WRAP(type, call, params, args, ...)                                                                            \
    type __real_##call params;                                                                                         \
    type __wrap_##call params;                                                                                         \
    type __wrap_##call params {                                                                                        \
        wrapped_call c = {.name = #call, __VA_ARGS__};                                                                 \
        if (fails(&c)) return (type)-1;                                                                                \
        return (type)done(&c, (long)__real_##call args);                                                               \
    }
#define NONE .fd = -1

WRAP(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n), .fd = fd)
WRAP(ssize_t, pread, (int fd, void *b, size_t n, off_t at), (fd, b, n, at), .fd = fd)
WRAP(ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n), .fd = fd, .bytes = b, .n = n)
WRAP(int, fsync, (int fd), (fd), .fd = fd)
WRAP(int, fdatasync, (int fd), (fd), .fd = fd)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), .fd = fd, .n = (size_t)n)
WRAP(int, fstat, (int fd, struct stat *s), (fd, s), .fd = fd)
WRAP(int, stat, (const char *path, struct stat *s), (path, s), NONE, .path = path)
WRAP(int, lstat, (const char *path, struct stat *s), (path, s), NONE, .path = path)
WRAP(int, rename, (const char *from, const char *to), (from, to), NONE, .path = from, .to = to)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), NONE, .path = path)
WRAP(int, unlink, (const char *path), (path), NONE, .path = path)
WRAP(int, rmdir, (const char *path), (path), NONE, .path = path)
WRAP(int, flock, (int fd, int how), (fd, how), .fd = fd)
WRAP(off_t, lseek, (int fd, off_t at, int how), (fd, at, how), .fd = fd)
WRAP(int, poll, (struct pollfd *p, nfds_t n, int ms), (p, n, ms), NONE)
WRAP(int, socketpair, (int domain, int type, int protocol, int ends[2]), (domain, type, protocol, ends), NONE)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), NONE, .flags = (int)flags)
WRAP(int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), .fd = fd)
WRAP(int, madvise, (void *at, size_t n, int advice), (at, n, advice), NONE)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), .fd = fd)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), .fd = fd)
WRAP(ssize_t, getrandom, (void *b, size_t n, unsigned flags), (b, n, flags), NONE)
WRAP(void *, mmap, (void *at, size_t n, int prot, int flags, int fd, off_t off), (at, n, prot, flags, fd, off), .fd = fd)

/* A descriptor is closed whatever close says. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    wrapped_call c = {.name = "close", .fd = fd};
    int err = fails(&c) ? errno : 0, rc = (int)done(&c, __real_close(fd));
    if (!err) return rc;
    errno = err;
    return -1;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    wrapped_call c = {.name = "open", NONE, .path = path, .flags = flags};
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(args, int) : 0;
    va_end(args);
    if (fails(&c)) return -1;
    return (int)done(&c, __real_open(path, flags, mode));
}

int __real_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...) {
    wrapped_call c = {.name = "fcntl", .fd = fd, .flags = what};
    va_list args;
    va_start(args, what);
    long arg = va_arg(args, long);
    va_end(args);
    if (fails(&c)) return -1;
    return (int)done(&c, __real_fcntl(fd, what, arg));
}

int __real_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...) {
    wrapped_call c = {.name = "clone", NONE};
    if (fails(&c)) return -1;
    return __real_clone(fn, stack, flags, arg);
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path) {
    wrapped_call c = {.name = "opendir", NONE, .path = path};
    return fails(&c) ? NULL : __real_opendir(path);
}

DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd) {
    wrapped_call c = {.name = "fdopendir", .fd = fd};
    return fails(&c) ? NULL : __real_fdopendir(fd);
}
