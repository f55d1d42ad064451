/* process_state.c -- see process_state.h. */
#define _GNU_SOURCE
#include "tests/process_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int items;
static void item(buffer *b, const char *name) {
    items++;
    buf_puts(b, name);
    buf_puts(b, ": ");
}
static void number(buffer *b, const char *name, long long value) {
    item(b, name);
    buf_printf(b, "%lld\n", value);
}
static void text(buffer *b, const char *name, const char *value) {
    item(b, name);
    buf_puts(b, value ? value : "(null)");
    buf_putc(b, '\n');
}

static uint64_t hash(uint64_t h, const void *bytes, size_t n) { /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return h;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void descriptors(buffer *b) {
    DIR *d = opendir("/proc/self/fd");
    int own = d ? dirfd(d) : -1;
    for (struct dirent *e; d && (e = readdir(d));) {
        int fd = atoi(e->d_name);
        char path[64], to[4096];
        if (e->d_name[0] == '.' || fd == own) continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, to, sizeof to - 1);
        if (n < 0) continue;
        to[n] = 0;
        buf_printf(b, "descriptor %d: %s, flags %d, status %d\n", fd, to, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
    }
    if (d) closedir(d);
    items++;
}

/* What is mapped from files (libraries, memory files); the heap and the stack breathe. */
static void mappings(buffer *b) {
    char *line = NULL, *names[4096], *last = NULL;
    size_t cap = 0;
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    for (ssize_t k; f && (k = getline(&line, &cap, f)) > 0;) {
        line[k - 1] = 0;
        char *path = strchr(line, '/');
        if (path && n < 4096) names[n++] = strdup(path);
    }
    if (f) fclose(f);
    free(line);
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int i = 0; i < n; i++) {
        if (!last || strcmp(last, names[i]) != 0) buf_printf(b, "mapping: %s\n", names[i]);
        last = names[i];
    }
    for (int i = 0; i < n; i++) free(names[i]);
    items++;
}

static void signals(buffer *b) {
    sigset_t set;
    stack_t alt;
    for (int s = 1; s < NSIG; s++) {
        struct sigaction a;
        if (sigaction(s, NULL, &a) != 0) continue;
        buf_printf(b, "signal %d: handler %p, flags %x, mask %llx\n", s, (void *)(uintptr_t)a.sa_handler, (unsigned)a.sa_flags,
                   (unsigned long long)hash(1, &a.sa_mask, 8));
    }
    items++;
    sigprocmask(SIG_BLOCK, NULL, &set);
    number(b, "signal mask", (long long)hash(1, &set, 8));
    sigpending(&set);
    number(b, "pending signals", (long long)hash(1, &set, 8));
    sigaltstack(NULL, &alt);
    item(b, "signal stack");
    buf_printf(b, "%p %d\n", alt.ss_sp, alt.ss_flags);
}

static void limits(buffer *b) {
    struct rlimit l;
    for (int r = 0; r < (int)RLIMIT_NLIMITS; r++)
        if (getrlimit((__rlimit_resource_t)r, &l) == 0)
            buf_printf(b, "limit %d: %llu %llu\n", r, (unsigned long long)l.rlim_cur, (unsigned long long)l.rlim_max);
    items++;
}

static void timers(buffer *b) {
    struct itimerval t;
    for (int k = 0; k < 3; k++) {
        getitimer((__itimer_which_t)k, &t);
        buf_printf(b, "interval timer %d: %s %ld\n", k, t.it_value.tv_sec || t.it_value.tv_usec ? "on" : "off", (long)t.it_interval.tv_sec);
    }
    items++;
}

/* The state behind rand, random, drand48, looked at and put back. */
static void random_numbers(buffer *b) {
    char own[128];
    char *before = initstate(1, own, sizeof own);
    uint64_t h = hash(1, before, 128);
    setstate(before);
    number(b, "random()", (long long)h);
    unsigned short zero[3] = {0, 0, 0}, now[3];
    memcpy(now, seed48(zero), sizeof now);
    seed48(now);
    item(b, "drand48()");
    buf_printf(b, "%x %x %x\n", now[0], now[1], now[2]);
}

static void floating_point(buffer *b) {
    number(b, "rounding", fegetround());
#if defined(__SSE__)
    number(b, "mxcsr control", __builtin_ia32_stmxcsr() & 0xffc0);
    unsigned short cw = 0;
    __asm__ volatile("fnstcw %0" : "=m"(cw));
    number(b, "x87 control", cw);
#endif
    number(b, "exception flags", fetestexcept(FE_ALL_EXCEPT));
}

/* Lines of /proc/self/status that only a deliberate act changes. */
static void status_lines(buffer *b) {
    static const char *const kept[] = {"Umask", "PPid", "TracerPid", "Uid", "Gid", "FDSize", "Groups", "Threads", "VmLck", "VmPin", "SigQ",
                                       "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd",
                                       "CapAmb", "NoNewPrivs", "Seccomp", "CoreDumping", "THP_enabled", "Cpus_allowed", "Mems_allowed",
                                       "Name"};
    char line[4096];
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f)) {
        size_t n = strcspn(line, ":");
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            if (strlen(kept[i]) == n && memcmp(line, kept[i], n) == 0 && strcmp(kept[i], "SigQ") != 0 && strcmp(kept[i], "FDSize") != 0) {
                items++;
                buf_puts(b, line);
            }
    }
    if (f) fclose(f);
}

static void small_file(buffer *b, const char *path) {
    char bytes[512];
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(bytes, 1, sizeof bytes - 1, f) : 0;
    if (f) fclose(f);
    bytes[n] = 0;
    bytes[strcspn(bytes, "\n")] = 0;
    text(b, path, bytes);
}

int process_state(buffer *b) {
    int err = errno;
    char cwd[4096];
    siginfo_t child = {0};
    uint64_t h = 1;
    items = 0;
    floating_point(b); /* first: what follows may raise a flag */
    number(b, "errno", err);
    descriptors(b);
    mappings(b);
    signals(b);
    limits(b);
    timers(b);
    random_numbers(b);
    status_lines(b);
    text(b, "directory", getcwd(cwd, sizeof cwd));
    for (char **e = environ; e && *e; e++) h = hash(h, *e, strlen(*e) + 1);
    number(b, "environment", (long long)h);
    number(b, "environ", (long long)(uintptr_t)environ);
    text(b, "locale", setlocale(LC_ALL, NULL));
    int cancel, kind;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    pthread_setcancelstate(cancel, NULL);
    number(b, "cancel state", cancel);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &kind);
    pthread_setcanceltype(kind, NULL);
    number(b, "cancel type", kind);
    number(b, "thread locale", (long long)(uintptr_t)uselocale((locale_t)0));
    number(b, "nice", getpriority(PRIO_PROCESS, 0));
    number(b, "scheduler", sched_getscheduler(0));
    number(b, "io priority", syscall(SYS_ioprio_get, 1, 0));
    number(b, "process group", getpgrp());
    number(b, "session", getsid(0));
    number(b, "terminal group", tcgetpgrp(STDERR_FILENO));
    number(b, "personality", personality(0xffffffff));
    number(b, "dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    int flag = 0;
    prctl(PR_GET_CHILD_SUBREAPER, &flag, 0, 0, 0);
    number(b, "subreaper", flag);
    prctl(PR_GET_PDEATHSIG, &flag, 0, 0, 0);
    number(b, "signal at the parent's death", flag);
    number(b, "timer slack", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    number(b, "keep capabilities", prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
    number(b, "children", waitid(P_ALL, 0, &child, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT | __WALL) == 0 ? child.si_pid : -errno);
    small_file(b, "/proc/self/oom_score_adj");
    small_file(b, "/proc/self/coredump_filter");
    small_file(b, "/proc/self/timers");
    small_file(b, "/proc/self/cgroup");
    for (int fd = 0; fd < 3; fd++) number(b, "offset", (long long)lseek(fd, 0, SEEK_CUR));
    errno = err;
    return items;
}

static bool has_line(const buffer *b, const char *line, size_t n) {
    for (const char *p = buf_str(b); *p;) {
        size_t len = strcspn(p, "\n");
        if (len == n && memcmp(p, line, n) == 0) return true;
        p += len + (p[len] == '\n');
    }
    return false;
}

static void missing_lines(const buffer *from, const buffer *in, const char *const *except, const char *sign, buffer *diff) {
    for (const char *p = buf_str(from); *p;) {
        size_t len = strcspn(p, "\n");
        bool fine = has_line(in, p, len);
        for (int i = 0; except && except[i] && !fine; i++) fine = memmem(p, len, except[i], strlen(except[i])) != NULL;
        if (!fine) {
            buf_puts(diff, sign);
            buf_put(diff, p, len);
            buf_putc(diff, '\n');
        }
        p += len + (p[len] == '\n');
    }
}

const char *process_state_diff(const buffer *before, const buffer *after, const char *const *except, buffer *diff) {
    buf_clear(diff);
    missing_lines(before, after, except, "- ", diff);
    missing_lines(after, before, except, "+ ", diff);
    return buf_str(diff);
}
