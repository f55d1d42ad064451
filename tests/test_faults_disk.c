/* test_faults_disk.c -- real file systems, mounted in a namespace of the test's own (as root; skipped where that is
 * refused): full, read-only, frozen.  The journal stays whole, evals come back when there is room again, and in worker
 * mode glimpse_eval costs the trainer no more than the copy of the weights, whatever the disk or the worker does. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h> /* behind <sys/mount.h>: both name MS_RDONLY, before glibc 2.36 in each other's way */

#include "include/internal/file.h"
#include "include/internal/threads.h"
#include "plugin/guest.h"
#include "tests/faults.h"
#include "tests/worker_rig.h"

extern const session_api glimpse_session_v1;

/* A mount of our own at `at`, gone with this process and its workers. */
static bool mount_own(const char *at, const char *type, const char *what) {
    buffer cmd = {0};
    static bool own;
    if (!own && (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))) return false;
    own = true;
    if (mkdir_p(at) < 0) return false;
    if (!strcmp(type, "tmpfs")) return mount("none", at, "tmpfs", 0, what) == 0;
    buf_printf(&cmd, "(dd if=/dev/zero of='%s' bs=1M count=24 && mkfs.ext4 -q '%s' && mount -o loop '%s' '%s') >/dev/null 2>&1", what, what, what, at);
    bool ok = system(buf_str(&cmd)) == 0;
    buf_free(&cmd);
    return ok;
}

/* Fill the file system up to `leave` bytes; the name of what fills it. */
static char *fill(const char *dir, off_t leave) {
    static char bytes[4096];
    char *path = path_join(dir, "ballast");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, bytes, sizeof bytes) > 0) {}
    for (size_t n = 1; write(fd, bytes, n) > 0;) {}
    if (leave && ftruncate(fd, lseek(fd, 0, SEEK_END) - leave) != 0) EXPECT(!"ftruncate");
    close(fd);
    return path;
}

static void count_ok(void *user, const glimpse_record *r) { *(int64_t *)user += !strcmp(r->status, "ok"); }

/* A small disk that fills up at another place each time: in the journal, a view, a new directory. */
TEST_LIMIT(faults_disk_full, 600) {
    char at[4200], path[4400], size[32], fresh[4400];
    int runs = test_is_full() ? 200 : 12;
    int64_t whole = 0, back = 0, lost = 0, failed = 0, views = 0, total = 0;
    session_use(&glimpse_session_v1);
    for (int i = 0; i < runs; i++) {
        rig r;
        snprintf(at, sizeof at, "%s/small%d", test_tmpdir(), i);
        snprintf(size, sizeof size, "size=%dk", 448 + 64 * (i % 20));
        if (!mount_own(at, "tmpfs", size)) SKIP("mounting is refused");
        rig_open(&r, (const char *const[]){i % 2 ? "mode=worker" : "mode=inline", "max_sample_tokens=4", "threads=1", NULL});
        glimpse_close(r.g);
        snprintf(r.dir, sizeof r.dir, "%s/out", at);
        glimpse_set(r.cfg, "out_dir", r.dir);
        rig_reopen(&r);
        int64_t ok = 0, found = 0, step = 0;
        char *ballast = fill(at, 4096 * (1 + i * 60 / runs));
        for (; step < 12; step++) {
            glimpse_status st = glimpse_eval(r.g, step, 2, 1), drained = glimpse_drain(r.g);
            /* Inline an error may come of the views alone; a drained worker has acknowledged what did not fail. */
            ok += st == GLIMPSE_OK && drained == GLIMPSE_OK;
            failed += st < 0 || drained < 0;
        }
        unlink(ballast); /* there is room again: for every view of these evals, too, which the smallest disk has not */
        EXPECT_EQ(mount("none", at, "tmpfs", MS_REMOUNT, "size=8m"), 0);
        glimpse_close(r.g);
        rig_reopen(&r);
        for (; step < 14; step++) {
            glimpse_status st = glimpse_eval(r.g, step, 2, 1), drained = glimpse_drain(r.g);
            back += st == GLIMPSE_OK && drained == GLIMPSE_OK;
            ok += st == GLIMPSE_OK && drained == GLIMPSE_OK;
            total++;
        }
        glimpse_close(r.g);
        r.g = NULL;
        rig_wait_workers(0);
        snprintf(path, sizeof path, "%s/evals.jsonl", r.dir);
        journal_walk w = {0};
        struct stat s;
        fault_walk(path, &w, count_ok, &found);
        whole += !w.bad && stat(path, &s) == 0 && s.st_size == w.at;
        lost += found < ok ? ok - found : 0;
        snprintf(fresh, sizeof fresh, "%s/again%d/out", test_tmpdir(), i);
        views += fault_views_are_the_journals(r.dir, fresh);
        rig_close(&r);
        free(ballast);
        umount2(at, MNT_DETACH);
    }
    fault_row(whole == runs && back == total && !lost && views == runs, "disk.full", "%d small tmpfs filled up, then emptied: %lld evals failed "
              "with a reason, %lld acknowledged lost, %lld journals whole, %lld/%lld evals fine afterwards, %lld views as a report draws them",
              runs, (long long)failed, (long long)lost, (long long)whole, (long long)back, (long long)total, (long long)views);
    EXPECT_LE(1, failed);
}

/* --- how long the trainer waits ------------------------------------------------------------------------------------ */

typedef enum fault { NONE, STOPPED, FULL, READ_ONLY, FROZEN, FULL_PIPE } fault;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Whoever kills this test leaves a frozen file system: a process in a session of its own thaws it after a while. */
static pid_t thaw_later(int fd) {
    pid_t pid = fork();
    if (pid) return pid;
    setsid();
    for (int i = 0; i < 200; i++) {
        usleep(100000);
        if (getppid() == 1) break;
    }
    ioctl(fd, FITHAW, 0);
    _exit(0);
}

static void full_stderr(int *saved) {
    int ends[2];
    char zeros[4096] = {0};
    *saved = dup(STDERR_FILENO);
    EXPECT(pipe(ends) == 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], zeros, sizeof zeros) > 0) {}
    fcntl(ends[1], F_SETFL, 0);
    dup2(ends[1], STDERR_FILENO);
}

static int open_dir(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

/* Evals under a fault: the longest and the median, beyond a copy of the weights. */
static bool stall(fault f, int evals, double *median_ms, double *most_ms) {
    char at[4200], image[4200];
    rig r;
    int frozen = -1, saved = -1;
    pid_t pid = 0, thaw = 0;
    snprintf(at, sizeof at, "%s/mount%d", test_tmpdir(), (int)f);
    snprintf(image, sizeof image, "%s/image%d", test_tmpdir(), (int)f);
    if ((f == FULL || f == READ_ONLY) && !mount_own(at, "tmpfs", "size=4m")) return false;
    if (f == FROZEN && !mount_own(at, "ext4", image)) return false;
    rig_open(&r, (const char *const[]){"close_timeout=0.2", NULL});
    glimpse_close(r.g);
    tiny_gpt_free(&r.gpt);
    tiny_gpt_make(&r.gpt, 4, 4, 128, 40, 64, -1, 7);
    if (f == FULL || f == READ_ONLY || f == FROZEN) glimpse_set(r.cfg, "out_dir", at);
    if (f == FULL_PIPE) {
        glimpse_set_log(r.cfg, NULL, NULL);
        full_stderr(&saved);
    }
    rig_reopen(&r);
    bool open = EXPECT(r.g != NULL);
    if (open) {
        EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
        EXPECT_OK(glimpse_drain(r.g));
        rig_workers(&pid, 1);
    }
    char *ballast = f == FULL ? fill(at, 0) : NULL;
    if (f == STOPPED) kill(pid, SIGSTOP);
    if (f == READ_ONLY) { /* not while the worker has a file open to be written */
        kill(pid, SIGKILL);
        EXPECT(rig_wait_end(pid));
        EXPECT_EQ(mount("none", at, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        glimpse_eval(r.g, 1, 2, 1); /* starts the next worker: that costs a process, whatever the disk is like */
    }
    if (f == FROZEN) {
        frozen = open_dir(at);
        thaw = thaw_later(frozen);
        open = open && ioctl(frozen, FIFREEZE, 0) == 0;
    }
    /* What a copy of the weights costs here. */
    size_t bytes = 0;
    for (int i = 0; i < 16; i++) bytes += r.gpt.n[i] * sizeof(float);
    char *from = malloc(bytes), *to = malloc(bytes);
    double *took = calloc((size_t)evals, sizeof *took), copy[21];
    memset(from, 1, bytes);
    for (int i = 0; i < 21; i++) {
        double t0 = monotonic_s();
        memcpy(to, from, bytes);
        copy[i] = monotonic_s() - t0;
        if (to[bytes / 2] != 1) abort();
    }
    qsort(copy, 21, sizeof *copy, by_value);
    int kept = 0;
    for (int i = 0; i < evals && open; i++) {
        struct rusage before, after;
        getrusage(RUSAGE_THREAD, &before);
        double t0 = monotonic_s();
        glimpse_status st = glimpse_eval(r.g, 2 + i, 2, 1);
        double t = monotonic_s() - t0 - (st == GLIMPSE_OK ? copy[10] : 0);
        getrusage(RUSAGE_THREAD, &after);
        /* Where another program took the processor, nothing is told of Glimpse; its own waits are voluntary switches. */
        if (after.ru_nivcsw == before.ru_nivcsw) took[kept++] = t;
        if (i % 8 == 0) usleep(200); /* an idle worker takes the next one: a copy is made */
    }
    qsort(took, (size_t)kept, sizeof *took, by_value);
    *median_ms = took[kept / 2] * 1e3;
    *most_ms = took[kept ? kept - 1 : 0] * 1e3;
    EXPECT_LE(evals / 2, kept);
    double t0 = monotonic_s();
    glimpse_close(r.g);
    EXPECT_LT(monotonic_s() - t0, 10.0); /* close_timeout is 0.2 s: it waits for no disk */
    r.g = NULL;
    if (frozen >= 0) {
        ioctl(frozen, FITHAW, 0);
        close(frozen);
        kill(thaw, SIGKILL);
        waitpid(thaw, NULL, 0);
    }
    if (f == STOPPED) kill(pid, SIGCONT);
    if (saved >= 0) {
        dup2(saved, STDERR_FILENO);
        close(saved);
    }
    EXPECT(rig_wait_workers(0));
    journal_walk w = {0};
    char path[8300];
    snprintf(path, sizeof path, "%s/evals.jsonl", f == FULL || f == READ_ONLY || f == FROZEN ? at : r.dir);
    fault_walk(path, &w, NULL, NULL);
    EXPECT_EQ(w.bad, 0);
    EXPECT_LE(1, w.lines);
    rig_close(&r);
    if (ballast) unlink(ballast);
    free(ballast);
    free(from), free(to), free(took);
    if (f == FULL || f == READ_ONLY || f == FROZEN) umount2(at, MNT_DETACH);
    return open;
}

/* The worker stopped, the disk full, read-only or frozen, the log a pipe that nobody reads: an eval costs the copy. */
TEST_TIMED(faults_stall, 600) {
    static const char *const names[] = {"stall.none", "stall.worker_stopped", "stall.disk_full", "stall.read_only", "stall.disk_frozen",
                                        "stall.full_pipe"};
    int evals = test_is_full() ? 20000 : 100;
    double none = 0;
    for (fault f = NONE; f <= FULL_PIPE; f++) {
        double median, most;
        if (!stall(f, evals, &median, &most)) {
            fault_figure(true, names[f], "not here: mounting or freezing is refused");
            continue;
        }
        if (f == NONE) none = median > 0.001 ? median : 0.001;
        fault_figure(most <= 5, names[f], "%d evals, beyond the copy: median %.4f ms, longest %.3f ms (at most 5 ms)", evals, median, most);
        EXPECT_LT(median, 100 * none + 1); /* no eval waits for the fault: those would wait for ever */
    }
}
