/* test_old_kernel.c -- calls that Linux learnt late, or that a sandbox refuses: worker mode does its work without them.  A
 * seccomp filter stands before the trainer and, inherited, before its worker. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/worker_rig.h"

typedef struct late_call {
    int number;
    int argument;   /* which tells the late form; -1 = all of it is late */
    unsigned value; /* of the argument's low word: with these bits set (flags) or equal (else) */
    bool bits;
    int error;
} late_call;

static bool refuse_calls(const late_call *c, int n) {
    struct sock_filter code[128];
    int at = 0;
    for (int i = 0; i < n; i++) {
        unsigned short test = c[i].bits ? BPF_JSET : BPF_JEQ;
        code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)c[i].number, 0, c[i].argument < 0 ? 1 : 3);
        if (c[i].argument >= 0) {
            code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                      (unsigned)(offsetof(struct seccomp_data, args) + 8 * (size_t)c[i].argument));
            code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, c[i].value, 0, 1);
        }
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)c[i].error);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {(unsigned short)at, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* A whole run.  What the trainer had open, at low numbers and high ones, is nobody's but its own. */
static void run_without(void) {
    int ends[2];
    pid_t pid = 0;
    rig r;
    REQUIRE(pipe(ends) == 0);
    REQUIRE(dup2(ends[1], 200) == 200 && dup2(ends[1], 1000) == 1000); /* not close-on-exec, as a listening port is not */
    rig_open(&r, NULL);
    if (EXPECT(r.g != NULL)) {
        EXPECT(rig_wait_workers(1));
        close(ends[1]), close(200), close(1000);
        struct pollfd p = {ends[0], POLLIN, 0};
        EXPECT(poll(&p, 1, 0) == 1 && (p.revents & POLLHUP)); /* no writer is left: neither keeper nor worker has it */
        EXPECT_EQ(rig_keepers(&pid, 1), 1);
        EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
        EXPECT_OK(glimpse_drain(r.g));
        EXPECT_STREQ(rig_status(&r, 0), "ok");
    }
    rig_close(&r);
    EXPECT(rig_wait_workers(0));
    close(ends[0]);
}

TEST(worker_on_linux_before_5) {
    static const late_call late[] = {
        {SYS_close_range, -1, 0, false, ENOSYS},      /* 5.9 */
        {SYS_pidfd_open, -1, 0, false, ENOSYS},       /* 5.3 */
        {SYS_clone3, -1, 0, false, ENOSYS},           /* 5.3 */
        {SYS_openat2, -1, 0, false, ENOSYS},          /* 5.6 */
        {SYS_faccessat2, -1, 0, false, ENOSYS},       /* 5.8 */
        {SYS_statx, -1, 0, false, ENOSYS},            /* 4.11 */
        {SYS_rseq, -1, 0, false, ENOSYS},             /* 4.18 */
        {SYS_renameat2, -1, 0, false, ENOSYS},        /* 3.15 */
        {SYS_sched_setattr, -1, 0, false, ENOSYS},    /* 3.14 */
        {SYS_memfd_create, 1, 8, true, EINVAL},       /* MFD_NOEXEC_SEAL: 6.3 */
        {SYS_madvise, 2, 23, false, EINVAL},          /* MADV_POPULATE_WRITE: 5.14 */
        {SYS_fcntl, 2, 0x17, false, EINVAL},          /* F_SEAL_FUTURE_WRITE: 5.1 */
    };
    if (!refuse_calls(late, sizeof late / sizeof *late)) SKIP("no seccomp filter can be set here");
    EXPECT(syscall(SYS_close_range, 5000, 5000, 0) == -1 && errno == ENOSYS);
    EXPECT(memfd_create("x", MFD_CLOEXEC | 8) == -1 && errno == EINVAL);
    run_without();
}

TEST(worker_in_a_sandbox_that_refuses_new_calls) {
    static const late_call late[] = { /* as Docker before 20.10 refuses what it does not know */
        {SYS_close_range, -1, 0, false, EPERM}, {SYS_pidfd_open, -1, 0, false, EPERM}, {SYS_openat2, -1, 0, false, EPERM},
        {SYS_process_vm_readv, -1, 0, false, EPERM}, {SYS_sched_setattr, -1, 0, false, EPERM},
    };
    if (!refuse_calls(late, sizeof late / sizeof *late)) SKIP("no seccomp filter can be set here");
    run_without();
}
