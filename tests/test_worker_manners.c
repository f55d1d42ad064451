/* test_worker_manners.c -- a guest's manners in worker mode: the process is the same before and after every call, but for
 * the snapshot (a memory file and its mapping) and the socket; the trainer's children stay its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugin/guest.h"
#include "tests/process_state.h"
#include "tests/worker_rig.h"

extern const session_api glimpse_session_v1;

static volatile sig_atomic_t children_heard;
static void on_child(int number) {
    (void)number;
    children_heard++;
}

static buffer before, after, diff;
static const char *called;
static void look(buffer *b) {
    buf_clear(b);
    int n = process_state(b);
    if (b == &before) EXPECT_LE(60, n); /* 66 on x86-64 */
}
static void unchanged(const char *const *except) {
    look(&after);
    const char *d = process_state_diff(&before, &after, except, &diff);
    test_check(*d == 0, __FILE__, __LINE__, "%s changed the process:\n%s", called, d);
}

/* A host that is not as everybody's: its own handlers, mask, umask, rounding. */
static void be_odd(void) {
    struct sigaction a = {.sa_handler = on_child, .sa_flags = SA_RESTART};
    sigset_t usr2;
    sigaction(SIGCHLD, &a, NULL);
    sigaction(SIGUSR1, &a, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    sigprocmask(SIG_BLOCK, &usr2, NULL);
    raise(SIGUSR2); /* pending */
    umask(027);
    srandom(17);
    srand48(19);
    fesetround(FE_UPWARD);
#if defined(__SSE__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#endif
    feclearexcept(FE_ALL_EXCEPT);
    errno = 77;
}

static void on_record(void *user, const glimpse_record *r) { *(int *)user += r->n_samples; }

TEST_LIMIT(worker_leaves_the_process_as_it_was, 240) {
    static const char *const own[] = {"glimpse-snapshot", "socket:", NULL};
    int samples = 0, evals = test_is_full() ? 2000 : 200;
    rig r;
    buf_reserve(&after, 1 << 20), buf_reserve(&before, 1 << 20), buf_reserve(&diff, 1 << 20);
    rig_open(&r, NULL);
    glimpse_close(r.g); /* whatever libc sets up at a first use is there now */
    r.g = NULL;
    be_odd();
#define UNCHANGED(call, except) (look(&before), (call), called = #call, unchanged(except))
    UNCHANGED(rig_reopen(&r), own);
    REQUIRE(r.g != NULL);
    int32_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    UNCHANGED(glimpse_add_hook(r.g, on_record, &samples), NULL);
    UNCHANGED(glimpse_check(r.g, ids, ids, 1, 8, 1), NULL);
    for (int i = 0; i < evals; i++) UNCHANGED(glimpse_eval(r.g, i, 2, 1), NULL);
    UNCHANGED(glimpse_drain(r.g), NULL);
    EXPECT_LE(1, samples);
    pid_t pid = 0;
    rig_workers(&pid, 1);
    kill(pid, SIGKILL);
    rig_wait_end(pid);
    UNCHANGED(glimpse_eval(r.g, evals, 2, 1), own); /* buries one, starts another */
    UNCHANGED(glimpse_drain(r.g), NULL);
    glimpse_request q = GLIMPSE_REQUEST_INIT;
    glimpse_record *rec = NULL;
    UNCHANGED(glimpse_generate(r.g, &q, &rec), NULL);
    UNCHANGED(glimpse_close(r.g), own);
    r.g = NULL;
    setenv("GLIMPSE_WORKER", "/nowhere", 1);
    UNCHANGED(rig_reopen(&r), NULL);
    setenv("GLIMPSE_WORKER", "/bin/true", 1);
    UNCHANGED(rig_reopen(&r), NULL);
    EXPECT(r.g == NULL);
    EXPECT_EQ(children_heard, 0);
    fesetround(FE_TONEAREST);
    rig_close(&r);
}

/* The same for inline mode, where the session samples, draws and writes within the call: what it keeps between two calls is
 * its threads, and from the first eval on the journal and the locked directory. */
TEST_LIMIT(inline_leaves_the_process_as_it_was, 240) {
    static const char *const threads[] = {"Threads:", "libhunspell", NULL}, *const journal[] = {"Threads:", "/run", "libhunspell", NULL}, *const none[] = {NULL};
    char dir[4200];
    int samples = 0, evals = test_is_full() ? 1000 : 60;
    rig r;
    buf_reserve(&after, 1 << 20), buf_reserve(&before, 1 << 20), buf_reserve(&diff, 1 << 20);
    session_use(&glimpse_session_v1);
    rig_open(&r, (const char *const[]){"mode=inline", "sheets=true", "show_heatmaps=true", "sample_metrics=true", "threads=2", "max_sample_tokens=4", NULL});
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    glimpse_close(r.g); /* whatever libc sets up at a first use is there now */
    r.g = NULL;
    snprintf(dir, sizeof dir, "%s/run", test_tmpdir());
    glimpse_set(r.cfg, "out_dir", dir);
    be_odd();
    UNCHANGED(rig_reopen(&r), threads);
    REQUIRE(r.g != NULL);
    int32_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    UNCHANGED(glimpse_add_hook(r.g, on_record, &samples), none);
    UNCHANGED(glimpse_check(r.g, ids, ids, 1, 8, 1), threads);
    UNCHANGED(glimpse_eval(r.g, 0, 2, 1), journal);
    for (int i = 1; i < evals; i++) UNCHANGED(glimpse_eval(r.g, i, 2, 1), none);
    UNCHANGED(glimpse_eval(r.g, 7, 2, 1), none); /* back to an earlier step: views go, texts are drawn anew */
    EXPECT_EQ(samples, evals + 1);
    UNCHANGED(glimpse_drain(r.g), none);
    glimpse_request q = GLIMPSE_REQUEST_INIT;
    glimpse_record *rec = NULL;
    q.ids = ids;
    q.n_ids = 3;
    UNCHANGED(glimpse_generate(r.g, &q, &rec), none);
    EXPECT(rec != NULL);
    UNCHANGED(glimpse_record_free(rec), none);
    UNCHANGED(glimpse_score(r.g, &q, &rec), none);
    UNCHANGED(glimpse_record_free(rec), none);
    UNCHANGED(glimpse_close(r.g), journal);
    r.g = NULL;
    glimpse_set(r.cfg, "out_dir", "/proc/nowhere"); /* a failure leaves as little behind */
    UNCHANGED(rig_reopen(&r), none);
    EXPECT(r.g == NULL);
    EXPECT_EQ(children_heard, 0);
    fesetround(FE_TONEAREST);
    rig_close(&r);
}

/* Nothing of ours is ever waited for by the trainer's wait(), and no SIGCHLD tells of it; what the trainer adopts as a
 * subreaper is reaped by us. */
TEST(worker_is_nobodys_child) {
    for (int subreaper = 0; subreaper < 2; subreaper++) {
        rig r;
        int status;
        prctl(PR_SET_CHILD_SUBREAPER, subreaper, 0, 0, 0);
        rig_open(&r, NULL);
        REQUIRE(r.g != NULL);
        if (!subreaper) EXPECT(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD);
        pid_t child = fork();
        if (child == 0) _exit(3);
        if (!subreaper) EXPECT(wait(&status) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3);
        else EXPECT(waitpid(child, &status, 0) == child);
        EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
        EXPECT_OK(glimpse_close(r.g));
        r.g = NULL;
        EXPECT(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD); /* no zombie of ours is left to the trainer */
        rig_close(&r);
    }
}

/* A trainer may have closed its standard descriptors; what we open must not become its stderr. */
TEST(worker_with_closed_standard_descriptors) {
    pid_t child = fork();
    if (child == 0) {
        rig r;
        for (int fd = 0; fd < 3; fd++) close(fd);
        rig_open(&r, NULL);
        bool ok = r.g && glimpse_eval(r.g, 0, 2, 1) == GLIMPSE_OK && glimpse_drain(r.g) == GLIMPSE_OK;
        for (int fd = 0; fd < 3; fd++) ok = ok && fcntl(fd, F_GETFD) < 0;
        glimpse_close(r.g);
        r.g = NULL;
        ok = ok && strcmp(rig_status(&r, 0), "ok") == 0;
        _exit(ok ? 0 : 1);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

/* A trainer that becomes a daemon, or cleans up, closes every descriptor; its own files then stand where ours were. */
TEST(worker_descriptors_that_the_trainer_closed) {
    for (int inline_mode = 0; inline_mode < 2; inline_mode++) {
        static const char *const modes[][3] = {{"sample_each_eval=true", NULL}, {"mode=inline", "sample_each_eval=true", NULL}};
        bool had[64], ours[64];
        char text[] = "a checkpoint being written";
        rig r;
        if (inline_mode) session_use(&glimpse_session_v1);
        for (int fd = 0; fd < 64; fd++) had[fd] = fcntl(fd, F_GETFD) >= 0;
        rig_open(&r, modes[inline_mode]);
        REQUIRE(r.g != NULL);
        EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
        EXPECT_OK(glimpse_drain(r.g));
        int n = 0, file = open(test_path("precious"), O_RDWR | O_CREAT, 0600);
        for (int fd = 0; fd < 64; fd++) {
            ours[fd] = fd != file && !had[fd] && fcntl(fd, F_GETFD) >= 0;
            if (ours[fd]) n++, EXPECT_EQ(dup2(file, fd), fd); /* closes ours */
        }
        EXPECT_EQ(n, 2); /* socket and snapshot; directory and journal */
        EXPECT_EQ(write(file, text, sizeof text), (ssize_t)sizeof text);
        EXPECT_EQ(glimpse_eval(r.g, 1, 2, 1), inline_mode ? GLIMPSE_OK : GLIMPSE_E_STATE); /* a journal is opened again */
        EXPECT_EQ(glimpse_eval(r.g, 2, 2, 1), inline_mode ? GLIMPSE_OK : GLIMPSE_NOT_DUE);
        EXPECT_EQ(strstr(buf_str(&r.said), "has closed descriptors of Glimpse's") != NULL, !inline_mode);
        EXPECT_OK(glimpse_close(r.g));
        r.g = NULL;
        for (int fd = 0; fd < 64; fd++)
            if (ours[fd]) EXPECT(fcntl(fd, F_GETFD) >= 0), close(fd);
        EXPECT_EQ(lseek(file, 0, SEEK_END), (off_t)sizeof text);
        close(file);
        EXPECT_STREQ(rig_status(&r, 0), "ok");
        EXPECT_STREQ(rig_status(&r, 2), inline_mode ? "ok" : "");
        rig_close(&r);
    }
}

/* A worker that the trainer has adopted, and whose socket it has closed, may be at work for long: it is not waited for. */
TEST(worker_whose_socket_was_closed_is_not_waited_for) {
    rig r;
    pid_t worker = 0;
    bool had[64];
    int status, n = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (int fd = 0; fd < 64; fd++) had[fd] = fcntl(fd, F_GETFD) >= 0;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    REQUIRE(rig_workers(&worker, 1) == 1);
    kill(worker, SIGSTOP);
    for (int fd = 0; fd < 64; fd++)
        if (!had[fd] && close(fd) == 0) n++;
    EXPECT_EQ(n, 2);
    EXPECT_EQ(glimpse_eval(r.g, 1, 2, 1), GLIMPSE_E_STATE);
    EXPECT_OK(glimpse_close(r.g)); /* comes back: the worker is stopped for as long as nobody wakes it */
    r.g = NULL;
    kill(worker, SIGCONT);
    while (waitpid(-1, &status, 0) > 0 || errno == EINTR) {}
    rig_close(&r);
}

static void *evaluate_for_ever(void *user) {
    rig *r = user;
    for (int64_t i = 0;; i++) {
        glimpse_eval(r->g, i, 2, 1);
        pthread_testcancel();
    }
    return NULL;
}

/* A trainer that cancels a thread in the middle of a call (every other system call is such a place) goes on with the session. */
TEST(worker_calls_outlive_a_cancelled_thread) {
    for (int inline_mode = 0; inline_mode < 2; inline_mode++) {
        rig r;
        if (inline_mode) session_use(&glimpse_session_v1);
        rig_open(&r, inline_mode ? (const char *const[]){"mode=inline", NULL} : NULL);
        REQUIRE(r.g != NULL);
        for (int round = 0; round < 40; round++) {
            pthread_t t;
            REQUIRE(pthread_create(&t, NULL, evaluate_for_ever, &r) == 0);
            nanosleep(&(struct timespec){0, 1000000 + 250000 * (round % 8)}, NULL);
            pthread_cancel(t);
            pthread_join(t, NULL);
        }
        EXPECT_LE(0, glimpse_eval(r.g, 1 << 30, 2, 1));
        EXPECT_OK(glimpse_drain(r.g));
        EXPECT_OK(glimpse_close(r.g));
        r.g = NULL;
        rig_close(&r);
    }
}

static volatile sig_atomic_t interrupts;
static void on_interrupt(int number) {
    (void)number;
    interrupts++;
}

/* Ctrl-C is the trainer's: the terminal's group gets SIGINT, the worker and its keeper are in another. */
TEST(worker_leaves_control_c_to_the_trainer) {
    int status;
    pid_t trainer = fork();
    if (trainer == 0) {
        rig r;
        setpgid(0, 0);
        struct sigaction a = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
        sigaction(SIGINT, &a, NULL);
        rig_open(&r, NULL);
        bool ok = r.g && glimpse_eval(r.g, 0, 2, 1) == GLIMPSE_OK;
        kill(-getpgrp(), SIGINT); /* as the terminal does */
        ok = ok && interrupts == 1 && glimpse_drain(r.g) == GLIMPSE_OK && glimpse_eval(r.g, 1, 2, 1) == GLIMPSE_OK;
        ok = ok && glimpse_close(r.g) == GLIMPSE_OK && interrupts == 1;
        r.g = NULL;
        ok = ok && strcmp(rig_status(&r, 0), "ok") == 0 && strcmp(rig_status(&r, 1), "ok") == 0;
        _exit(ok ? 0 : 1);
    }
    EXPECT(waitpid(trainer, &status, 0) == trainer && status == 0);
}

/* A trainer that dies in front of `2>&1 | tee`: tee sees the end as soon as the worker has finished, for nobody else holds
 * the pipe (the keeper holds no stderr); and what a trainer says arrives there as it does without Glimpse. */
TEST(worker_lets_a_pipe_end) {
    int ends[2], status;
    char bytes[4096];
    REQUIRE(pipe(ends) == 0);
    pid_t trainer = fork();
    if (trainer == 0) {
        rig r;
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]), close(ends[1]);
        rig_open(&r, NULL);
        glimpse_close(r.g);
        glimpse_set_log(r.cfg, NULL, NULL); /* stderr: the pipe */
        rig_reopen(&r);
        glimpse_eval(r.g, 0, 2, 1);
        pid_t worker = 0, keeper = 0;
        rig_workers(&worker, 1), rig_keepers(&keeper, 1);
        char path[64], to[64] = "";
        snprintf(path, sizeof path, "/proc/%d/fd/2", (int)keeper);
        if (readlink(path, to, sizeof to - 1) < 0 || strcmp(to, "/dev/null") != 0) _exit(1);
        if (write(STDOUT_FILENO, "trained\n", 8) != 8) _exit(1);
        raise(SIGKILL);
    }
    close(ends[1]);
    buffer all = {0};
    for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;) buf_put(&all, bytes, (size_t)n); /* until it ends */
    EXPECT(strstr(buf_str(&all), "trained\n") != NULL);
    EXPECT(strstr(buf_str(&all), "glimpse  step 0") != NULL); /* the worker's line, after its trainer's death or before */
    EXPECT(waitpid(trainer, &status, 0) == trainer && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    buf_free(&all);
    close(ends[0]);
}
