/* test_limits.c -- the limits that a machine or a container sets: memory and processors of control groups (cgroup.h), told
 * by a tree of files that is put in the place of /proc and /sys, and by a real group where one can be made; signals while
 * the snapshot's memory is taken. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/internal/cgroup.h"
#include "include/internal/file.h"
#include "include/internal/threads.h"
#include "plugin/snapshot.h"
#include "tests/test.h"
#include "tests/wrap_calls.h"

/* --- a tree of our own ------------------------------------------------------------------------------------------------ */

static io_calls real_io;
static char tree[PATH_MAX];

static int open_in_tree(const char *path, int flags, mode_t mode) {
    char at[2 * PATH_MAX];
    snprintf(at, sizeof at, "%s%s", tree, path);
    return real_io.open(at, flags, mode);
}

static void enter_tree(const char *name) {
    if (!real_io.open) real_io = io;
    snprintf(tree, sizeof tree, "%s/%s", test_tmpdir(), name);
    io = real_io;
}

static void leave_tree(void) { io = real_io; }

static void put(const char *path, const char *text) {
    char at[2 * PATH_MAX];
    snprintf(at, sizeof at, "%s%s", tree, path);
    char *dir = path_dir(at);
    EXPECT_OK(mkdir_p(dir));
    free(dir);
    EXPECT_OK(file_write_atomic(at, text, strlen(text), false));
}

static uint64_t left(void) {
    io.open = open_in_tree;
    uint64_t n = cgroup_memory_left();
    io = real_io;
    return n;
}

static int cpus(void) {
    io.open = open_in_tree;
    int n = cgroup_cpus();
    io = real_io;
    return n;
}

#define MIB ((uint64_t)1 << 20)

TEST(cgroup_v2_takes_the_least_of_all_levels) {
    enter_tree("v2");
    EXPECT(left() == UINT64_MAX); /* no /proc at all */
    EXPECT_EQ(cpus(), 0);
    put("/proc/self/cgroup", "0::/jobs.slice/run 7\n");
    put("/proc/self/mountinfo", "24 1 0:22 / /proc rw - proc proc rw\n30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    EXPECT(left() == UINT64_MAX); /* a root without files */
    EXPECT_EQ(cpus(), 0);
    put("/sys/fs/cgroup/jobs.slice/run 7/memory.max", "max\n");
    put("/sys/fs/cgroup/jobs.slice/run 7/memory.current", "104857600\n");
    put("/sys/fs/cgroup/jobs.slice/run 7/cpu.max", "max 100000\n");
    EXPECT(left() == UINT64_MAX);
    EXPECT_EQ(cpus(), 0);
    put("/sys/fs/cgroup/jobs.slice/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/jobs.slice/memory.current", "943718400\n"); /* 900 of 1024 MiB */
    EXPECT_EQ(left() / MIB, 124);
    put("/sys/fs/cgroup/jobs.slice/memory.stat", "anon 5\nfile 9\ninactive_anon 1048576\nactive_file 10485760\ninactive_file 52428800\n");
    EXPECT_EQ(left() / MIB, 184); /* 60 MiB of page cache go before anybody is killed */
    put("/sys/fs/cgroup/jobs.slice/run 7/memory.max", "115343360\n");
    EXPECT_EQ(left() / MIB, 10); /* the inner one is narrower */
    put("/sys/fs/cgroup/jobs.slice/run 7/memory.max", "94371840\n");
    EXPECT_EQ(left(), 0); /* lowered below what is in use */
    put("/sys/fs/cgroup/jobs.slice/run 7/memory.max", "max\n");
    put("/sys/fs/cgroup/jobs.slice/memory.high", "964689920\n");
    EXPECT_EQ(left() / MIB, 80); /* above it everybody is made to wait */
    put("/sys/fs/cgroup/jobs.slice/cpu.max", "350000 100000\n");
    EXPECT_EQ(cpus(), 4);
    put("/sys/fs/cgroup/jobs.slice/run 7/cpu.max", "200000 100000\n");
    EXPECT_EQ(cpus(), 2);
    put("/sys/fs/cgroup/jobs.slice/run 7/cpu.max", "20000 100000\n");
    EXPECT_EQ(cpus(), 1);
    put("/sys/fs/cgroup/jobs.slice/run 7/cpu.max", "nonsense\n");
    put("/sys/fs/cgroup/jobs.slice/cpu.max", "");
    EXPECT_EQ(cpus(), 0);
    leave_tree();
}

TEST(cgroup_of_a_container_is_found) {
    /* Version 2 with a namespace of its own: the group is "/" and is mounted. */
    enter_tree("namespace");
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/memory.max", "536870912\n");
    put("/sys/fs/cgroup/memory.current", "268435456\n");
    put("/sys/fs/cgroup/cpu.max", "800000 100000\n");
    EXPECT_EQ(left() / MIB, 256);
    EXPECT_EQ(cpus(), 8);
    /* The host's names, its own group alone mounted; a path with a blank. */
    enter_tree("host names");
    put("/proc/self/cgroup", "0::/docker/abc/inner\n");
    put("/proc/self/mountinfo", "30 24 0:26 /docker/abc /mnt/c\\040g rw shared:1 master:2 - cgroup2 cgroup rw\n");
    put("/mnt/c g/memory.max", "536870912\n");
    put("/mnt/c g/memory.current", "0\n");
    put("/mnt/c g/inner/memory.max", "268435456\n");
    put("/mnt/c g/inner/memory.current", "0\n");
    EXPECT_EQ(left() / MIB, 256);
    /* A group that is not below what is mounted: the mount point, and nothing above it. */
    put("/proc/self/cgroup", "0::/docker/abcd\n");
    put("/mnt/memory.max", "5\n");
    put("/mnt/memory.current", "0\n");
    EXPECT_EQ(left() / MIB, 512);
    put("/proc/self/cgroup", "0::/../other\n");
    EXPECT_EQ(left() / MIB, 512);
    leave_tree();
}

TEST(cgroup_v1_is_read_too) {
    enter_tree("v1");
    put("/proc/self/cgroup", "9:name=systemd:/x\n5:cpu,cpuacct:/kubepods/pod1\n4:memory:/kubepods/pod1\n3:cpuset:/\n0::/\n");
    put("/proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/kubepods/pod1/memory.usage_in_bytes", "1048576\n");
    EXPECT_LE(1e15, left());
    put("/sys/fs/cgroup/memory/kubepods/memory.limit_in_bytes", "209715200\n");
    put("/sys/fs/cgroup/memory/kubepods/memory.usage_in_bytes", "188743680\n");
    EXPECT_EQ(left() / MIB, 20);
    put("/sys/fs/cgroup/memory/kubepods/memory.stat", "inactive_file 7340032\ntotal_inactive_file 20971520\ntotal_active_file 10485760\n");
    EXPECT_EQ(left() / MIB, 50);
    put("/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(cpus(), 0);
    put("/sys/fs/cgroup/cpu,cpuacct/kubepods/cpu.cfs_quota_us", "250000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/kubepods/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(cpus(), 3);
    leave_tree();
}

TEST(cgroup_text_that_lies_is_no_limit) {
    static const char *const groups[] = {"", "\n", ":", "::", "0:", "0::", "0::\n", "0::/a\n4:memory\n", "4:memory:\n", "0::/a", "memory:/\n:::::\n"};
    static const char *const mounts[] = {"", " - ", "- cgroup2\n", " - cgroup2 x rw\n", "1 2 3 - cgroup2 x rw\n", "1 2 3 / - cgroup2\n",
                                         "1 2 3 / /nowhere rw - cgroup2\n", "1 2 3 \\0 \\04 rw - cgroup x memory\n", "1 2 3 / / rw - cgroup x rw,memory,cpu"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        for (size_t k = 0; k < sizeof mounts / sizeof *mounts; k++) {
            enter_tree("lies");
            put("/proc/self/cgroup", groups[i]);
            put("/proc/self/mountinfo", mounts[k]);
            EXPECT(left() == UINT64_MAX);
            EXPECT_EQ(cpus(), 0);
        }
    leave_tree();
}

/* --- who asks ----------------------------------------------------------------------------------------------------------- */

static glimpse_status try_snapshot(size_t bytes, int slots) {
    void *w = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w == MAP_FAILED) FAIL(GLIMPSE_E_STATE, "no addresses");
    glimpse_tensor t = GLIMPSE_TENSOR_INIT;
    t.name = "w", t.data = w, t.n_dims = 1, t.dims[0] = (int64_t)(bytes / 4);
    snapshot s = SNAPSHOT_INIT;
    glimpse_status st = snapshot_open(&t, 1, slots, NULL, &s);
    if (st == GLIMPSE_OK) {
        if (slots == SNAPSHOT_LATER) st = snapshot_fill(&s, 0);
        snapshot_close(&s);
    }
    munmap(w, bytes);
    return st;
}

TEST(snapshot_stays_within_the_control_group) {
    enter_tree("asked");
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/memory.max", "268435456\n"); /* 256 MiB, 200 in use, 8 of them cache */
    put("/sys/fs/cgroup/memory.current", "209715200\n");
    put("/sys/fs/cgroup/memory.stat", "inactive_file 8388608\n");
    io.open = open_in_tree;
    EXPECT_ERR(try_snapshot(64 << 20, 1), GLIMPSE_E_MEMORY, "takes 64 MiB, 64 MiB are free within the memory limit of this control group");
    EXPECT_ERR(try_snapshot(64 << 20, SNAPSHOT_LATER), GLIMPSE_E_MEMORY, "64 MiB are free within");
    EXPECT_ERR(try_snapshot(20 << 20, 2), GLIMPSE_E_MEMORY, "takes 40 MiB");
    EXPECT_OK(try_snapshot(16 << 20, 1));
    io = real_io;
    put("/sys/fs/cgroup/memory.max", "max\n");
    io.open = open_in_tree;
    EXPECT_OK(try_snapshot(64 << 20, 1));
    leave_tree();
}

TEST(threads_stay_within_the_quota) {
    int free_cpus;
    cpu_set_t set;
    REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
    enter_tree("quota");
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/cpu.max", "max 100000\n");
    io.open = open_in_tree;
    free_cpus = cpu_count();
    io = real_io;
    EXPECT_EQ(free_cpus, CPU_COUNT(&set));
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    io.open = open_in_tree;
    EXPECT_EQ(cpu_count(), 1);
    pool *p = NULL;
    REQUIRE_OK(pool_open(&p, 0));
    EXPECT_EQ(pool_threads(p), 1);
    pool_close(p);
    REQUIRE_OK(pool_open(&p, 3)); /* asked for by number */
    EXPECT_EQ(pool_threads(p), 3);
    pool_close(p);
    io = real_io;
    put("/sys/fs/cgroup/cpu.max", "100000000 100000\n"); /* more than there are */
    io.open = open_in_tree;
    EXPECT_EQ(cpu_count(), free_cpus);
    leave_tree();
}

/* --- a real group, where this process may make one ----------------------------------------------------------------------- */

static bool write_to(const char *dir, const char *name, const char *text) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return good;
}

static int within(void) { /* exit status: 0 = as it should be, 77 = the limit does not hold */
    uint64_t mib = cgroup_memory_left() / MIB;
    if (mib < 60 || mib > 96) return mib > 96 ? 77 : 1;
    if (try_snapshot(256 << 20, 1) != GLIMPSE_E_MEMORY) return 2; /* without the check: SIGKILL */
    return try_snapshot(16 << 20, 1) == GLIMPSE_OK ? 0 : 3;
}

TEST(snapshot_in_a_real_control_group_meets_no_oom_killer) {
    char own[PATH_MAX] = "", dir[PATH_MAX + 64];
    bool v2 = false;
    FILE *f = fopen("/proc/self/cgroup", "r");
    for (char line[PATH_MAX]; f && fgets(line, sizeof line, f);) {
        char *at = strstr(line, ":memory:/");
        line[strcspn(line, "\n")] = 0;
        if (at) snprintf(own, sizeof own, "/sys/fs/cgroup/memory%.3000s", at + strlen(":memory:")), v2 = false;
        else if (!*own && !strncmp(line, "0::", 3)) snprintf(own, sizeof own, "/sys/fs/cgroup%.3000s", line + 3), v2 = true;
    }
    if (f) fclose(f);
    snprintf(dir, sizeof dir, "%s/glimpse-test-%d", own, (int)getpid());
    if (!*own || mkdir(dir, 0755) != 0) SKIP("no control group can be made here");
    int status = 77 << 8;
    if (write_to(dir, v2 ? "memory.max" : "memory.limit_in_bytes", "100663296")) { /* 96 MiB */
        pid_t pid = fork();
        if (pid == 0) _exit(write_to(dir, "cgroup.procs", "0") ? within() : 77);
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    }
    for (int i = 0; i < 6000 && rmdir(dir) != 0; i++) usleep(10000);
    EXPECT(access(dir, F_OK) != 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) SKIP("a control group here has no limit of memory");
    EXPECT(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

/* --- kernels and their administrators --------------------------------------------------------------------------------------- */

static int answer;

static int on_memfd(const wrapped_call *c) {
    bool noexec = c->flags & 8; /* MFD_NOEXEC_SEAL */
    if (strcmp(c->name, "memfd_create") != 0) return 0;
    return answer == EACCES ? (noexec ? 0 : EACCES) : (noexec ? EINVAL : 0);
}

TEST(snapshot_on_kernels_with_and_without_noexec) {
    wrapped_before = on_memfd;
    answer = EACCES; /* vm.memfd_noexec = 2 */
    EXPECT_OK(try_snapshot(1 << 20, 1));
    answer = EINVAL; /* before Linux 6.3 */
    EXPECT_OK(try_snapshot(1 << 20, 1));
    wrapped_before = NULL;
}

/* --- signals -------------------------------------------------------------------------------------------------------------- */

static int calls, refuse, unblocked;

static int on_fallocate(const wrapped_call *c) {
    sigset_t now;
    if (strcmp(c->name, "fallocate") != 0) return 0;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    if (!sigismember(&now, SIGALRM) || !sigismember(&now, SIGPROF) || !sigismember(&now, SIGINT)) unblocked++;
    return calls++ < refuse ? EINTR : 0;
}

TEST(snapshot_is_taken_whatever_signals_come) {
    sigset_t mask, after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    wrapped_before = on_fallocate;
    refuse = 3; /* of libc's own signals, which no mask holds back */
    EXPECT_OK(try_snapshot(1 << 20, 1));
    EXPECT_EQ(calls, 4);
    calls = 0, refuse = INT_MAX; /* and it ends */
    EXPECT_ERR(try_snapshot(1 << 20, 1), GLIMPSE_E_MEMORY, "Interrupted");
    EXPECT_LE(calls, 100);
    calls = 0, refuse = 0;
    EXPECT_OK(try_snapshot(257 << 20, 1)); /* between two steps a signal is taken */
    EXPECT_EQ(calls, 2);
    wrapped_before = NULL;
    EXPECT_EQ(unblocked, 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    EXPECT(sigismember(&after, SIGUSR1) && !sigismember(&after, SIGALRM) && !sigismember(&after, SIGXFSZ));
}
