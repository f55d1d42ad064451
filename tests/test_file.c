/* test_file.c -- reading, writing and the names, with every system call failing in turn. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "include/internal/flock_holder.h"
#include "tests/test.h"

/* === A libc that fails: the call numbered fail_at returns -1 with fail_errno; short_io moves one byte at a time;
 * interrupt lets every call fail with EINTR once before it works. === */
static io_calls real_io;
static int calls, fail_at, fail_errno, short_io, interrupt, interrupted;

static bool trips(void) {
    if (++calls == fail_at) {
        errno = fail_errno;
        return true;
    }
    if (interrupt && (interrupted = !interrupted)) {
        calls--;
        errno = EINTR;
        return true;
    }
    return false;
}
static size_t piece(size_t n) { return short_io && n > 1 ? 1 : n; }
static int f_open(const char *p, int flags, mode_t m) { return trips() ? -1 : real_io.open(p, flags, m); }
static ssize_t f_read(int fd, void *b, size_t n) { return trips() ? -1 : real_io.read(fd, b, piece(n)); }
static ssize_t f_pread(int fd, void *b, size_t n, off_t at) { return trips() ? -1 : real_io.pread(fd, b, piece(n), at); }
static ssize_t f_write(int fd, const void *b, size_t n) { return trips() ? -1 : real_io.write(fd, b, piece(n)); }
static int f_fsync(int fd) { return trips() ? -1 : real_io.fsync(fd); }
static int f_fdatasync(int fd) { return trips() ? -1 : real_io.fdatasync(fd); }
static int f_fstat(int fd, struct stat *st) { return ++calls == fail_at ? (errno = fail_errno, -1) : real_io.fstat(fd, st); }
static int f_rename(const char *a, const char *b) { return ++calls == fail_at ? (errno = fail_errno, -1) : real_io.rename(a, b); }
static int f_mkdir(const char *p, mode_t m) { return ++calls == fail_at ? (errno = fail_errno, -1) : real_io.mkdir(p, m); }
static int f_close(int fd) { /* like Linux: the descriptor is gone whatever close says */
    int closed = real_io.close(fd);
    return ++calls == fail_at ? (errno = fail_errno, -1) : closed;
}

static void break_io(int at, int error) {
    real_io = real_io.open ? real_io : io;
    io = real_io;
    io.open = f_open, io.read = f_read, io.pread = f_pread, io.write = f_write, io.fsync = f_fsync, io.mkdir = f_mkdir;
    io.fdatasync = f_fdatasync, io.fstat = f_fstat, io.rename = f_rename, io.close = f_close;
    calls = 0, fail_at = at, fail_errno = error;
}

static char *in_tmp(const char *name) {
    static char path[4][512];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof *path, "%s/%s", test_tmpdir(), name);
    return p;
}

static int files_in_tmp(void) {
    int n = 0;
    DIR *d = opendir(test_tmpdir());
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int open_descriptors(void) {
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void expect_content(const char *path, const char *want) {
    buffer b = {0};
    EXPECT_OK(file_read_all(path, 1 << 20, &b));
    EXPECT_STREQ(buf_str(&b), want);
    buf_free(&b);
}

TEST(file_round_trip) {
    const char *path = in_tmp("a");
    EXPECT_OK(file_write_atomic(path, "one", 3, true));
    expect_content(path, "one");
    EXPECT_OK(file_write_atomic(path, "second", 6, false));
    expect_content(path, "second");
    EXPECT_OK(file_write_atomic(path, "", 0, true));
    expect_content(path, "");
    EXPECT_EQ(files_in_tmp(), 1);
}

TEST(file_big_and_small_reads) {
    const char *path = in_tmp("big");
    size_t n = 300001;
    char *bytes = malloc(n), back[10];
    REQUIRE(bytes);
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(i * 7 + i / 251);
    EXPECT_OK(file_write_atomic(path, bytes, n, false));
    buffer b = {0};
    buf_puts(&b, "x"); /* it appends */
    EXPECT_OK(file_read_all(path, n, &b));
    EXPECT_EQ(b.n, n + 1);
    EXPECT_MEM(b.bytes + 1, bytes, n);
    EXPECT_ERR(file_read_all(path, n - 1, &b), GLIMPSE_E_FORMAT, "300001");
    EXPECT_EQ(b.n, n + 1);
    file f = FILE_INIT;
    REQUIRE_OK(file_open_read(path, &f));
    EXPECT_EQ(f.size, n);
    EXPECT_OK(file_read_at(&f, 1000, back, 10));
    EXPECT_MEM(back, bytes + 1000, 10);
    EXPECT_OK(file_read_at(&f, (int64_t)n, back, 0));
    EXPECT_ERR(file_read_at(&f, (int64_t)n - 5, back, 10), GLIMPSE_E_FORMAT, "ends at byte 300001, expected 5 more");
    EXPECT_ERR(file_read_at(&f, -1, back, 10), GLIMPSE_E_FORMAT, NULL);
    EXPECT_ERR(file_read_at(&f, INT64_MAX - 3, back, 10), GLIMPSE_E_FORMAT, NULL);
    EXPECT(fcntl(f.fd, F_GETFD) & FD_CLOEXEC);
    file_close(&f);
    file_close(&f);
    free(bytes);
    buf_free(&b);
}

TEST(file_refuses_what_is_no_file) {
    buffer b = {0};
    file f = FILE_INIT;
    EXPECT_ERR(file_read_all(test_tmpdir(), 100, &b), GLIMPSE_E_IO, "is a directory, expected a file");
    REQUIRE(mkfifo(in_tmp("fifo"), 0600) == 0);
    EXPECT_ERR(file_read_all(in_tmp("fifo"), 100, &b), GLIMPSE_E_IO, "is a pipe"); /* and does not wait for a writer */
    EXPECT_ERR(file_open_read("/dev/zero", &f), GLIMPSE_E_IO, "is a device");
    EXPECT_ERR(file_open_read(in_tmp("absent"), &f), GLIMPSE_E_IO, "No such file");
    EXPECT_ERR(file_open_read("", &f), GLIMPSE_E_IO, NULL);
    EXPECT_EQ(f.fd, -1);
    EXPECT(b.bytes == NULL);
    EXPECT_OK(file_read_all("/proc/self/status", 1 << 20, &b)); /* says it has 0 bytes, and has more */
    EXPECT_LT(50, b.n);
    buf_free(&b);
}

TEST(file_read_fd_reads_a_pipe_to_its_end) {
    int fd[2];
    buffer b = {0};
    REQUIRE(pipe(fd) == 0);
    EXPECT_EQ(write(fd[1], "hello", 5), 5);
    close(fd[1]);
    EXPECT_OK(file_read_fd(fd[0], "stdin", 5, &b));
    EXPECT_STREQ(buf_str(&b), "hello");
    close(fd[0]);
    REQUIRE(pipe(fd) == 0);
    EXPECT_EQ(write(fd[1], "hello", 5), 5);
    close(fd[1]);
    EXPECT_ERR(file_read_fd(fd[0], "stdin", 4, &b), GLIMPSE_E_FORMAT, "stdin is larger than the 4 bytes");
    EXPECT_STREQ(buf_str(&b), "hello");
    close(fd[0]);
    buf_free(&b);
}

TEST(file_write_survives_any_failing_call) {
    static const int errors[] = {EIO, ENOSPC, EDQUOT, EFBIG, EACCES};
    const char *path = in_tmp("f");
    int before = open_descriptors();
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        int at = 1, failures = 0;
        for (;; at++) {
            REQUIRE(at < 50);
            io = real_io.open ? real_io : io;
            EXPECT_OK(file_write_atomic(path, "old", 3, false));
            break_io(at, errors[e]);
            glimpse_status st = file_write_atomic(path, "brand new", 9, true);
            bool reached = calls >= at;
            io = real_io;
            EXPECT_EQ(files_in_tmp(), 1); /* no temporary file stays */
            buffer b = {0};
            EXPECT_OK(file_read_all(path, 100, &b));
            EXPECT(!strcmp(buf_str(&b), "old") || !strcmp(buf_str(&b), "brand new")); /* never half a file */
            if (st >= 0) EXPECT_STREQ(buf_str(&b), "brand new");
            buf_free(&b);
            if (st < 0) EXPECT_EQ(st, GLIMPSE_E_IO), failures++;
            if (!reached) break;
        }
        EXPECT_EQ(at, 9);       /* open write fdatasync close rename open fsync close = 8 calls */
        EXPECT_LE(7, failures); /* all but the last close matter */
    }
    EXPECT_EQ(open_descriptors(), before);
}

TEST(file_read_survives_any_failing_call) {
    const char *path = in_tmp("f");
    int before = open_descriptors(), at = 1;
    EXPECT_OK(file_write_atomic(path, "content", 7, false));
    for (;; at++) {
        REQUIRE(at < 50);
        buffer b = {0};
        break_io(at, EIO);
        glimpse_status st = file_read_all(path, 100, &b);
        bool reached = calls >= at;
        io = real_io;
        if (st < 0) EXPECT_EQ(b.n, 0);
        else EXPECT_STREQ(buf_str(&b), "content");
        buf_free(&b);
        if (!reached) break;
        EXPECT(st < 0 || at == 5); /* open fstat pread pread close: only the close may fail unseen */
    }
    EXPECT_EQ(at, 6);
    EXPECT_EQ(open_descriptors(), before);
}

TEST(file_out_of_memory) {
    const char *path = in_tmp("f");
    long n = 1;
    EXPECT_OK(file_write_atomic(path, "old", 3, false));
    for (;; n++) {
        buffer b = {0};
        REQUIRE(n < 50);
        test_fail_alloc(n);
        glimpse_status wrote = file_write_atomic(path, "new", 3, true);
        glimpse_status was = wrote < 0 ? wrote : file_read_all(path, 100, &b);
        long made = test_fail_alloc(0);
        if (was < 0) EXPECT_EQ(was, GLIMPSE_E_MEMORY);
        EXPECT(!buf_failed(&b));
        buf_free(&b);
        EXPECT_EQ(files_in_tmp(), 1);
        if (made < n) break;
        EXPECT(was < 0);
    }
    EXPECT_LT(3, n);
}

TEST(file_short_and_interrupted_calls) {
    const char *path = in_tmp("f");
    break_io(0, 0);
    short_io = interrupt = 1;
    EXPECT_OK(file_write_atomic(path, "a byte at a time", 16, true));
    expect_content(path, "a byte at a time");
    io = real_io;
    expect_content(path, "a byte at a time");
}

static volatile sig_atomic_t n_signals;
static void count_signal(int s) {
    (void)s;
    n_signals++;
}

TEST(file_size_limit_is_an_error_not_a_death) {
    const char *path = in_tmp("f");
    char *bytes = calloc(1, 100000);
    REQUIRE(bytes);
    EXPECT_OK(file_write_atomic(path, "old", 3, false));
    struct rlimit limit = {50000, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    EXPECT_ERR(file_write_atomic(path, bytes, 100000, true), GLIMPSE_E_IO, "File too large"); /* SIGXFSZ kills by default */
    expect_content(path, "old");
    EXPECT_EQ(files_in_tmp(), 1);
    signal(SIGXFSZ, count_signal); /* nor does the host's own handler see it */
    EXPECT_ERR(file_write_atomic(path, bytes, 100000, true), GLIMPSE_E_IO, "File too large");
    EXPECT_EQ(n_signals, 0);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    EXPECT(!sigismember(&mask, SIGXFSZ) && !sigismember(&mask, SIGPIPE));
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    free(bytes);
}

TEST(file_closed_pipe_is_an_error_not_a_death) {
    int fd[2];
    REQUIRE(pipe(fd) == 0);
    close(fd[0]);
    EXPECT_ERR(file_write_fd(fd[1], "the pipe", "x", 1), GLIMPSE_E_IO, "cannot write the pipe: Broken pipe");
    /* A SIGPIPE that was the host's own, pending and blocked, is still there afterwards. */
    sigset_t pipe_set, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_set, NULL);
    raise(SIGPIPE);
    EXPECT_ERR(file_write_fd(fd[1], "the pipe", "x", 1), GLIMPSE_E_IO, NULL);
    sigpending(&pending);
    EXPECT(sigismember(&pending, SIGPIPE));
    close(fd[1]);
}

TEST(file_append_sync_appends) {
    const char *path = in_tmp("log");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    EXPECT_OK(file_append_sync(fd, path, "a\n", 2));
    EXPECT_OK(file_append_sync(fd, path, "b\n", 2));
    expect_content(path, "a\nb\n");
    break_io(1, ENOSPC);
    EXPECT_ERR(file_append_sync(fd, path, "c\n", 2), GLIMPSE_E_IO, "No space left");
    break_io(2, EIO);
    EXPECT_ERR(file_append_sync(fd, path, "d\n", 2), GLIMPSE_E_IO, "to the disk");
    io = real_io;
    close(fd);
}

TEST(file_makes_directories) {
    EXPECT_OK(mkdir_p(in_tmp("a/b//c/")));
    EXPECT(path_is_dir(in_tmp("a/b/c")));
    EXPECT_OK(mkdir_p(in_tmp("a/b/c")));
    EXPECT_OK(mkdir_p("/"));
    EXPECT_OK(mkdir_p("."));
    EXPECT_OK(file_write_atomic(in_tmp("file"), "x", 1, false));
    EXPECT_ERR(mkdir_p(in_tmp("file/below")), GLIMPSE_E_IO, "Not a directory");
    EXPECT_ERR(file_write_atomic(in_tmp("absent/f"), "x", 1, false), GLIMPSE_E_IO, "No such file");
    break_io(4, EACCES); /* /tmp, the run, the test, then this one */
    EXPECT_ERR(mkdir_p(in_tmp("denied")), GLIMPSE_E_IO, "Permission denied");
    io = real_io;
    EXPECT(!path_exists(in_tmp("denied")));
}

TEST(file_names) {
    static const struct {
        const char *dir, *name, *want;
    } joins[] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a", "/b", "/b"}, {"", "b", "b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        char *p = path_join(joins[i].dir, joins[i].name);
        EXPECT_STREQ(p, joins[i].want);
        free(p);
    }
    static const struct {
        const char *path, *dir, *base;
    } names[] = {{"a/b", "a", "b"}, {"b", ".", "b"}, {"/b", "/", "b"}, {"/a/b/c", "/a/b", "c"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *p = path_dir(names[i].path);
        EXPECT_STREQ(p, names[i].dir);
        EXPECT_STREQ(path_base(names[i].path), names[i].base);
        free(p);
    }
    EXPECT(path_is_file("/proc/self/status") && !path_is_dir("/proc/self/status"));
    EXPECT(path_is_dir("/") && !path_is_file("/") && !path_exists("/nothing/here"));
}

/* /proc/locks comes in pages, and a lock that goes between two of them moves another one past the reader: of looks beside a busy machine's
 * locks one in a hundred missed the holder, and a run that was alive was told to be over. */
TEST(file_lock_holder_beside_many_locks) {
    enum { LOCKS = 300, LOOKS = 4000 };
    struct stat s;
    buffer b = {0};
    int fd = open(in_tmp("held"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), missed = 0, ready[2];
    REQUIRE(pipe(ready) == 0);
    REQUIRE(fd >= 0 && flock(fd, LOCK_EX) == 0 && fstat(fd, &s) == 0);
    pid_t busy = fork();
    REQUIRE(busy >= 0);
    if (!busy) {
        int others[LOCKS];
        bool held[LOCKS] = {false};
        unsigned r = 1;
        for (int i = 0; i < LOCKS; i++) {
            char name[32];
            snprintf(name, sizeof name, "other%d", i);
            others[i] = open(in_tmp(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        }
        for (int i = 0; i < LOCKS; i += 2) held[i] = !flock(others[i], LOCK_EX);
        if (write(ready[1], "", 1) != 1) _exit(1);
        for (const pid_t test = getppid(); getppid() == test;) {
            r = r * 1664525 + 1013904223;
            const unsigned i = (r >> 8) % LOCKS;
            flock(others[i], (held[i] = !held[i]) ? LOCK_EX : LOCK_UN);
        }
        _exit(0);
    }
    char one;
    REQUIRE(read(ready[0], &one, 1) == 1);
    for (int i = 0; i < LOOKS; i++) missed += flock_holder(&s, &b) != getpid();
    EXPECT_EQ(missed, 0);
    kill(busy, SIGKILL);
    waitpid(busy, NULL, 0);
    close(fd), close(ready[0]), close(ready[1]);
    buf_free(&b);
}
