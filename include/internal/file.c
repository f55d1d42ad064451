/* file.c -- see file.h. */
#define _GNU_SOURCE
#include "include/internal/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Linux writes at most 0x7ffff000 bytes a call; a smaller step also keeps the guard's window short. */
enum { STEP_BYTES = 1 << 30 };

int file_above_stdio(int fd) {
    if (fd < 0 || fd > STDERR_FILENO) return fd;
    int up = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), err = errno;
    close(fd);
    errno = err;
    return up;
}

static int sys_open(const char *path, int flags, mode_t mode) { return file_above_stdio(open(path, flags, mode)); }

static int sys_fstat(int fd, struct stat *st) { return fstat(fd, st); }

io_calls io = {
    .open = sys_open, .read = read, .pread = pread, .write = write, .fsync = fsync, .fdatasync = fdatasync,
    .ftruncate = ftruncate, .fstat = sys_fstat, .rename = rename, .close = close, .mkdir = mkdir, .unlink = unlink,
};

/* The message for errno, thread-safe; the text is static or in `room`. */
static const char *reason(int error, char room[64]) { return strerror_r(error, room, 64); }

void signal_guard_enter(signal_guard *g) {
    sigset_t pending;
    sigemptyset(&g->ours);
    sigpending(&pending);
    if (!sigismember(&pending, SIGXFSZ)) sigaddset(&g->ours, SIGXFSZ);
    if (!sigismember(&pending, SIGPIPE)) sigaddset(&g->ours, SIGPIPE);
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGXFSZ);
    sigaddset(&both, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &both, &g->before);
}

void signal_guard_leave(const signal_guard *g) {
    int saved = errno;
    sigset_t pending;
    sigpending(&pending);
    /* Only what became pending while we wrote; the signal is directed at this thread, so nobody else takes it. */
    for (int i = 0; i < 2; i++) {
        int s = i ? SIGPIPE : SIGXFSZ;
        if (!sigismember(&g->ours, s) || !sigismember(&pending, s)) continue;
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, s);
        while (sigtimedwait(&one, NULL, &(struct timespec){0, 0}) < 0 && errno == EINTR) {}
    }
    pthread_sigmask(SIG_SETMASK, &g->before, NULL);
    errno = saved;
}

file_id file_id_of(int fd) {
    struct stat s;
    return io.fstat(fd, &s) ? (file_id){0, 0} : (file_id){s.st_dev, s.st_ino};
}

bool file_is(int fd, file_id id) {
    struct stat s;
    if (io.fstat(fd, &s)) return fd >= 0 && errno != EBADF;
    return (!id.device && !id.inode) || (s.st_dev == id.device && s.st_ino == id.inode);
}

/* A signal may interrupt open on a network file system. */
static int open_retry(const char *path, int flags, mode_t mode) {
    int fd;
    do fd = io.open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int file_in_memory(const char *name) {
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    /* vm.memfd_noexec = 2 refuses a file that could be executed; before Linux 6.3 the word for that is refused. */
    int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) fd = memfd_create(name, flags);
    return file_above_stdio(fd);
}

int file_open_fd(const char *path, int flags) { return open_retry(path, flags, 0666); }

static const char *kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a pipe";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

glimpse_status file_open_read(const char *path, file *f) {
    char room[64];
    struct stat st;
    /* O_NONBLOCK: opening a FIFO that nobody writes to must not wait; a regular file does not care. */
    int fd = open_retry(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) FAIL(GLIMPSE_E_IO, "cannot open %s: %s", path, reason(errno, room));
    if (io.fstat(fd, &st) < 0) {
        int error = errno;
        io.close(fd);
        FAIL(GLIMPSE_E_IO, "cannot look at %s: %s", path, reason(error, room));
    }
    if (!S_ISREG(st.st_mode)) {
        io.close(fd);
        FAIL(GLIMPSE_E_IO, "%s is %s, expected a file", path, kind_of(st.st_mode));
    }
    char *name = strdup(path);
    if (!name) {
        io.close(fd);
        FAIL(GLIMPSE_E_MEMORY, "no memory for the name of %s", path);
    }
    *f = (file){fd, (int64_t)st.st_size, name};
    return GLIMPSE_OK;
}

void file_close(file *f) {
    if (f->fd >= 0) io.close(f->fd);
    free(f->path);
    *f = (file)FILE_INIT;
}

glimpse_status file_read_at(const file *f, int64_t at, void *dst, size_t n) {
    char room[64];
    if (at < 0 || n > INT64_MAX || at > INT64_MAX - (int64_t)n)
        FAIL(GLIMPSE_E_FORMAT, "%s: offset %lld is out of range", f->path, (long long)at);
    for (size_t done = 0; done < n;) {
        size_t want = n - done < STEP_BYTES ? n - done : STEP_BYTES;
        ssize_t got = io.pread(f->fd, (char *)dst + done, want, (off_t)(at + (int64_t)done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) FAIL(GLIMPSE_E_IO, "cannot read %s: %s", f->path, reason(errno, room));
        if (got == 0)
            FAIL(GLIMPSE_E_FORMAT, "%s ends at byte %lld, expected %lld more", f->path,
                 (long long)(at + (int64_t)done), (long long)(n - done));
        done += (size_t)got;
    }
    return GLIMPSE_OK;
}

/* Append to *b from fd until its end.  positioned: with pread from offset 0. */
static glimpse_status read_to_end(int fd, const char *name, size_t max_bytes, buffer *b, bool positioned, size_t expected) {
    char room[64];
    size_t start = b->n, had = b->n;
    glimpse_status st = GLIMPSE_OK;
    for (;;) {
        /* One byte more than expected, so that the end is seen without growing again. */
        size_t done = b->n - start, step = done < expected ? expected - done + 1 : 65536;
        if (step > STEP_BYTES) step = STEP_BYTES;
        char *to = buf_reserve(b, step);
        if (!to) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to read %s", name);
        ssize_t got = positioned ? io.pread(fd, to, step, (off_t)done) : io.read(fd, to, step);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) FAIL_GOTO(GLIMPSE_E_IO, "cannot read %s: %s", name, reason(errno, room));
        if (got == 0) break;
        buf_advance(b, (size_t)got);
        if (b->n - start > max_bytes)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s is larger than the %zu bytes that are read at most", name, max_bytes);
    }
out:
    if (st < 0) {
        if (b->bytes) b->bytes[b->n = had] = 0;
        b->failed = false; /* said by the status */
    }
    return st;
}

glimpse_status file_read_fd(int fd, const char *name, size_t max_bytes, buffer *b) {
    return read_to_end(fd, name, max_bytes, b, false, 0);
}

glimpse_status file_read_all(const char *path, size_t max_bytes, buffer *b) {
    file f = FILE_INIT;
    glimpse_status st = GLIMPSE_OK;
    TRY(file_open_read(path, &f));
    if ((uint64_t)f.size > max_bytes)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s is %lld bytes, larger than the %zu that are read at most", path,
                  (long long)f.size, max_bytes);
    st = read_to_end(f.fd, path, max_bytes, b, true, (size_t)f.size);
out:
    file_close(&f);
    return st;
}

glimpse_status file_write_fd(int fd, const char *name, const void *bytes, size_t n) {
    char room[64];
    int error = 0;
    signal_guard guard;
    signal_guard_enter(&guard);
    for (size_t done = 0; done < n && !error;) {
        ssize_t put = io.write(fd, (const char *)bytes + done, n - done < STEP_BYTES ? n - done : STEP_BYTES);
        if (put > 0) done += (size_t)put;
        else if (put == 0) error = ENOSPC; /* never for a regular file; must not spin */
        else if (errno != EINTR) error = errno;
    }
    signal_guard_leave(&guard);
    if (error) {
        status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "cannot write %s: %s", name, reason(error, room));
        errno = error;
        return GLIMPSE_E_IO;
    }
    return GLIMPSE_OK;
}

static glimpse_status sync_fd(int fd, const char *name, int (*sync)(int)) {
    char room[64];
    while (sync(fd) < 0) {
        if (errno == EINTR) continue;
        if (errno == EINVAL || errno == ENOTSUP || errno == EROFS) break; /* a pipe, a file system without sync */
        FAIL(GLIMPSE_E_IO, "cannot write %s to the disk: %s", name, reason(errno, room));
    }
    return GLIMPSE_OK;
}

glimpse_status file_append_sync(int fd, const char *name, const void *bytes, size_t n) {
    TRY(file_write_fd(fd, name, bytes, n));
    return sync_fd(fd, name, io.fdatasync);
}

glimpse_status dir_sync(const char *dir) {
    char room[64];
    int fd = open_retry(dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) FAIL(GLIMPSE_E_IO, "cannot open the directory %s: %s", dir, reason(errno, room));
    glimpse_status st = sync_fd(fd, dir, io.fsync);
    io.close(fd);
    return st;
}

glimpse_status file_write_atomic(const char *path, const void *bytes, size_t n, bool sync) {
    static _Atomic unsigned counter;
    char room[64];
    glimpse_status st = GLIMPSE_OK;
    buffer temp = {0};
    char *dir = NULL;
    int fd = -1;
    bool made = false;
    struct stat there;
    if (!stat(path, &there) && !S_ISREG(there.st_mode)) /* a rename would put a file in a device's place */
        FAIL_GOTO(GLIMPSE_E_IO, "cannot write %s: it is %s, not a file", path, S_ISDIR(there.st_mode) ? "a directory" : "a device or a pipe");
    for (int attempt = 0; attempt < 100 && fd < 0; attempt++) {
        buf_clear(&temp);
        buf_printf(&temp, "%s.%ld-%u.tmp", path, (long)getpid(), atomic_fetch_add(&counter, 1));
        if (temp.failed) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to write %s", path);
        fd = open_retry(temp.bytes, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
        if (fd < 0 && errno != EEXIST) break; /* EEXIST: left by a process of this number that was killed */
    }
    if (fd < 0) FAIL_GOTO(GLIMPSE_E_IO, "cannot write %s: %s", path, reason(errno, room));
    made = true;
    TRY_GOTO(file_write_fd(fd, path, bytes, n));
    if (sync) TRY_GOTO(sync_fd(fd, path, io.fdatasync));
    int closed = io.close(fd);
    fd = -1;
    if (closed < 0 && errno != EINTR) FAIL_GOTO(GLIMPSE_E_IO, "cannot write %s: %s", path, reason(errno, room));
    if (io.rename(temp.bytes, path) < 0) FAIL_GOTO(GLIMPSE_E_IO, "cannot replace %s: %s", path, reason(errno, room));
    made = false;
    if (sync) {
        dir = path_dir(path);
        if (!dir) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to write %s", path);
        TRY_GOTO(dir_sync(dir));
    }
out:
    if (fd >= 0) io.close(fd);
    if (made) io.unlink(temp.bytes);
    free(dir);
    buf_free(&temp);
    return st;
}

glimpse_status mkdir_p(const char *path) {
    char room[64];
    glimpse_status st = GLIMPSE_OK;
    char *copy = strdup(path);
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for the name of %s", path);
    for (char *p = copy; *p; p++) {
        if (p[1] != '/' && p[1] != 0) continue;
        if (*p == '/') continue;
        char cut = p[1];
        p[1] = 0;
        /* EEXIST is checked below; a parent that may not be made (EROFS, EACCES) may still be there */
        if (io.mkdir(copy, 0777) < 0 && !path_is_dir(copy)) {
            int error = errno == EEXIST ? ENOTDIR : errno;
            FAIL_GOTO(GLIMPSE_E_IO, "cannot make the directory %s: %s", copy, reason(error, room));
        }
        p[1] = cut;
    }
out:
    free(copy);
    return st;
}

char *path_join(const char *dir, const char *name) {
    buffer b = {0};
    if (name[0] != '/' && dir[0]) {
        buf_puts(&b, dir);
        if (dir[strlen(dir) - 1] != '/') buf_putc(&b, '/');
    }
    buf_puts(&b, name);
    return buf_take(&b, NULL);
}

char *path_dir(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

const char *path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Looking does not disturb errno: mkdir_p reports the error of the call before. */
static bool mode_of(const char *path, mode_t *mode) {
    int saved = errno;
    struct stat st;
    bool found = stat(path, &st) == 0;
    *mode = found ? st.st_mode : 0;
    errno = saved;
    return found;
}

bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), e = strlen(end);
    return n >= e && !strcmp(name + n - e, end);
}

bool path_exists(const char *path) {
    mode_t mode;
    return mode_of(path, &mode);
}

bool path_is_dir(const char *path) {
    mode_t mode;
    return mode_of(path, &mode) && S_ISDIR(mode);
}

bool path_is_file(const char *path) {
    mode_t mode;
    return mode_of(path, &mode) && S_ISREG(mode);
}
