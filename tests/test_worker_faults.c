/* test_worker_faults.c -- what goes wrong around a trainer that samples through a worker, and does not reach it: the
 * worker killed, stopped, never there; nobody reads stderr; the directory gone, the disk full; memory refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "include/internal/threads.h"
#include "plugin/cli/cli.h"
#include "plugin/guest.h"
#include "plugin/spawn.h"
#include "plugin/worker_protocol.h"
#include "tests/worker_rig.h"
#include "tests/wrap_calls.h"

static bool has(const rig *r, const char *part) {
    if (strstr(buf_str(&r->said), part)) return true;
    return test_check(false, __FILE__, __LINE__, "\"%s\" was not said; the end of what was said: %s", part,
                      buf_str(&r->said) + (r->said.n > 400 ? r->said.n - 400 : 0));
}

static void kill_worker(int number) {
    pid_t pid = 0;
    rig_wait_workers(1); /* one that was started a moment ago */
    if (!EXPECT_EQ(rig_workers(&pid, 1), 1)) return;
    kill(pid, number);
    EXPECT(rig_wait_end(pid));
}

/* Stop the worker, post an eval, kill it with the eval in hand. */
static void die_with_eval(rig *r, int64_t step, int number) {
    pid_t pid = 0;
    rig_wait_workers(1);
    if (!EXPECT_EQ(rig_workers(&pid, 1), 1)) return;
    kill(pid, SIGSTOP);
    EXPECT_EQ(glimpse_eval(r->g, step, 2, 1), GLIMPSE_OK);
    kill(pid, number);
    kill(pid, SIGCONT);
    EXPECT(rig_wait_end(pid));
}

TEST(worker_death_is_one_failed_eval) {
    static const struct { int number; const char *said; } deaths[] = {
        {SIGSEGV, "the worker died: signal 11 (SIGSEGV)"}, {SIGKILL, "the worker died: signal 9 (SIGKILL)"},
        {SIGBUS, "signal 7 (SIGBUS)"}, {SIGABRT, "signal 6 (SIGABRT)"}, {SIGTERM, "signal 15 (SIGTERM)"},
    };
    rig r;
    /* A worker built with sanitizers would end by itself, with a status. */
    setenv("ASAN_OPTIONS", "handle_segv=0:handle_sigbus=0:handle_abort=0", 1);
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    for (int i = 0; i < 5; i++) {
        EXPECT_OK(glimpse_eval(r.g, 10 * i, 2, 1));
        EXPECT_OK(glimpse_drain(r.g));
        die_with_eval(&r, 10 * i + 1, deaths[i].number);
        /* Its failure is returned by the next call; that eval is sampled all the same. */
        EXPECT_ERR(glimpse_eval(r.g, 10 * i + 2, 2, 1), GLIMPSE_E_WORKER, deaths[i].said);
        has(&r, deaths[i].said);
        EXPECT_OK(glimpse_drain(r.g));
        EXPECT_STREQ(rig_status(&r, 10 * i), "ok");
        EXPECT_STREQ(rig_status(&r, 10 * i + 1), "failed");
        EXPECT_STREQ(rig_status(&r, 10 * i + 2), "ok");
    }
    kill_worker(SIGKILL); /* with nothing in hand nothing has failed */
    EXPECT_OK(glimpse_eval(r.g, 60, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    die_with_eval(&r, 70, SIGKILL); /* the last one: close tells the journal through a new worker */
    EXPECT_ERR(glimpse_close(r.g), GLIMPSE_E_WORKER, "step 70");
    r.g = NULL;
    EXPECT_STREQ(rig_status(&r, 70), "failed");
    EXPECT_EQ(rig_lines(&r, NULL, NULL), 17); /* each eval once, one run */
    rig_close(&r);
}

TEST(worker_ends_are_named) {
    static const struct { int status; bool oom; const char *words; } ends[] = {
        {SIGKILL, false, "signal 9 (SIGKILL): killed from outside"},
        {SIGKILL, true, "signal 9 (SIGKILL): out of memory, the kernel's OOM killer was at work"},
        {SIGSEGV, true, "signal 11 (SIGSEGV)"},
        {34, false, "signal 34"} /* a real-time one has no name */,
        {7 << 8, false, "it ended by itself with exit status 7"},
        {0, false, "it ended by itself with exit status 0"},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char words[WORDS_BYTES];
        keeper_words(ends[i].status, ends[i].oom, words, sizeof words);
        EXPECT_STREQ(words, ends[i].words);
    }
}

/* Killed with its keeper: nobody is left to say how, and that is said. */
TEST(worker_killed_with_its_keeper) {
    rig r;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    pid_t keeper = 0, worker = 0;
    EXPECT_EQ(rig_keepers(&keeper, 1), 1);
    EXPECT_EQ(rig_workers(&worker, 1), 1);
    EXPECT_EQ(getpgid(worker), keeper);
    kill(worker, SIGSTOP);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    kill(-keeper, SIGKILL);
    EXPECT(rig_wait_end(worker) && rig_wait_end(keeper));
    EXPECT_ERR(glimpse_eval(r.g, 1, 2, 1), GLIMPSE_E_WORKER, "killed without a word, and its keeper too");
    EXPECT_OK(glimpse_drain(r.g));
    /* The keeper alone: nothing has failed. */
    EXPECT_EQ(rig_keepers(&keeper, 1), 1);
    kill(keeper, SIGKILL);
    EXPECT(rig_wait_end(keeper));
    EXPECT_OK(glimpse_eval(r.g, 2, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_STREQ(rig_status(&r, 0), "failed");
    EXPECT_STREQ(rig_status(&r, 1), "ok");
    EXPECT_STREQ(rig_status(&r, 2), "ok");
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    EXPECT_EQ(rig_workers(NULL, 0), 0);
    rig_close(&r);
}

TEST(worker_three_deaths_in_a_row_switch_off) {
    rig r;
    rig_open(&r, (const char *const[]){"num_samples=4096", "max_sample_tokens=60", NULL}); /* it takes its time */
    REQUIRE(r.g != NULL);
    die_with_eval(&r, 0, SIGKILL);
    for (int i = 1; i < 3; i++) {
        EXPECT_ERR(glimpse_eval(r.g, 2 * i, 2, 1), GLIMPSE_E_WORKER, NULL);
        kill_worker(SIGKILL);
    }
    EXPECT_ERR(glimpse_eval(r.g, 10, 2, 1), GLIMPSE_E_WORKER, NULL);
    has(&r, "glimpse: off after 3 failures in a row");
    buf_clear(&r.said);
    EXPECT_EQ(glimpse_eval(r.g, 11, 2, 1), GLIMPSE_NOT_DUE);
    EXPECT_EQ(rig_workers(NULL, 0), 0);
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    EXPECT_STREQ(buf_str(&r.said), "");
    rig_close(&r);
}

/* A directory that takes nothing for a night: Glimpse was off for the weeks behind it, too. */
TEST(worker_off_is_no_end_of_a_long_run) {
    rig r;
    char away[4300];
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    snprintf(away, sizeof away, "%s.away", r.dir);
    REQUIRE(rename(r.dir, away) == 0 && close(creat(r.dir, 0600)) == 0);
    for (int i = 1; i < 4; i++) {
        EXPECT_OK(glimpse_eval(r.g, i, 2, 1));
        EXPECT(glimpse_drain(r.g) < 0);
    }
    has(&r, "glimpse: off after 3 failures in a row, the last at step 3; training goes on, an eval in an hour tries again");
    EXPECT_EQ(glimpse_eval(r.g, 4, 2, 1), GLIMPSE_NOT_DUE);
    REQUIRE(unlink(r.dir) == 0 && rename(away, r.dir) == 0);
    EXPECT_EQ(glimpse_eval(r.g, 5, 2, 1), GLIMPSE_NOT_DUE);
    r.g->off_until_s = 1e-9; /* the hour is over */
    EXPECT_OK(glimpse_eval(r.g, 6, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_STREQ(rig_status(&r, 6), "ok");
    EXPECT_EQ(rig_lines(&r, NULL, NULL), 2); /* of one run */
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    rig_close(&r);
}

TEST(worker_that_cannot_be_started_again) {
    rig r;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    glimpse_close(r.g);
    char copy[4300], *dir = strdup(r.dir);
    buffer cmd = {0};
    snprintf(copy, sizeof copy, "%s/moved", test_tmpdir());
    buf_printf(&cmd, "mkdir '%s' && cp '%s/glimpse' '%s/' && cp -P '%s'/libglimpse_session.so* '%s/'", copy, test_build_dir(), copy,
               test_build_dir(), copy);
    REQUIRE(system(buf_str(&cmd)) == 0);
    buf_clear(&cmd);
    buf_printf(&cmd, "%s/glimpse", copy);
    setenv("GLIMPSE_WORKER", buf_str(&cmd), 1);
    rig_reopen(&r);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 1, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_EQ(unlink(buf_str(&cmd)), 0); /* a new build is being installed */
    kill_worker(SIGKILL);
    for (int i = 0; i < 3; i++) EXPECT_ERR(glimpse_eval(r.g, 2 + i, 2, 1), GLIMPSE_E_WORKER, "did not start: No such file");
    has(&r, "off after 3 failures");
    EXPECT_EQ(glimpse_eval(r.g, 9, 2, 1), GLIMPSE_NOT_DUE);
    free(dir);
    buf_free(&cmd);
    rig_close(&r);
}

/* The trainer's stderr is a pipe that nobody reads, and it is full; no evals may hang on it, nor the worker after us. */
TEST_TIMED(worker_full_stderr_holds_nobody, 60) {
    int ends[2], saved = dup(STDERR_FILENO);
    REQUIRE(pipe(ends) == 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    char zeros[4096] = {0};
    while (write(ends[1], zeros, sizeof zeros) > 0) {}
    fcntl(ends[1], F_SETFL, 0);
    fflush(stderr);
    dup2(ends[1], STDERR_FILENO);
    rig r;
    rig_open(&r, (const char *const[]){"num_samples=4", NULL});
    glimpse_close(r.g);
    glimpse_set_log(r.cfg, NULL, NULL);
    rig_reopen(&r);
    glimpse_status st[4] = {-1, -1, -1, -1};
    double t0 = monotonic_s();
    for (int i = 0; i < 4; i++) st[i] = glimpse_eval(r.g, i, 2, 1);
    double took = monotonic_s() - t0;
    pid_t pid = 0;
    rig_workers(&pid, 1);
    kill(pid, SIGKILL);
    glimpse_eval(r.g, 5, 2, 1); /* has something to say and nowhere to */
    glimpse_close(r.g);
    r.g = NULL;
    dup2(saved, STDERR_FILENO);
    close(saved);
    EXPECT_OK(st[0]);
    for (int i = 0; i < 4; i++) EXPECT(st[i] >= 0);
    EXPECT_LT(took, 1.0); /* the worker alone waits a second for each line */
    EXPECT(rig_wait_workers(0));
    close(ends[0]);
    close(ends[1]);
    rig_close(&r);
}

TEST(worker_directory_removed_or_full) {
    rig r;
    buffer cmd = {0};
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    buf_printf(&cmd, "rm -rf '%s'", r.dir);
    REQUIRE(system(buf_str(&cmd)) == 0);
    for (int i = 1; i < 6; i++) {
        EXPECT(glimpse_eval(r.g, i, 2, 1) <= GLIMPSE_SKIPPED);
        glimpse_drain(r.g);
    }
    EXPECT(r.said.n > 0);
    rig_close(&r);
    /* A full disk, as a size limit that the worker inherits: every write beyond it fails. */
    struct rlimit before, small = {100000, 100000};
    rig_open(&r, (const char *const[]){"num_samples=4", NULL});
    glimpse_close(r.g);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    rig_reopen(&r);
    setrlimit(RLIMIT_FSIZE, &before);
    if (EXPECT(r.g != NULL)) {
        glimpse_status worst = GLIMPSE_OK;
        for (int i = 0; i < 40; i++) {
            glimpse_status st = glimpse_eval(r.g, i, 2, 1);
            if (st < worst) worst = st;
            st = glimpse_drain(r.g);
            if (st < worst) worst = st;
        }
        EXPECT_EQ(worst, GLIMPSE_E_IO);
        has(&r, "off after 3 failures");
    }
    EXPECT_LE(1, rig_lines(&r, NULL, NULL)); /* what was acknowledged can be read, each line whole */
    buf_free(&cmd);
    rig_close(&r);
}

/* A stopped worker: an eval costs the copy at most, close its own limit, and the worker finishes alone when it goes on. */
TEST_TIMED(worker_stopped_holds_nobody, 60) {
    rig r;
    rig_open(&r, (const char *const[]){"close_timeout=0.3", NULL});
    REQUIRE(r.g != NULL);
    pid_t pid = 0;
    EXPECT_EQ(rig_workers(&pid, 1), 1);
    kill(pid, SIGSTOP);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    double t0 = monotonic_s();
    for (int i = 1; i < 1000; i++) EXPECT_EQ(glimpse_eval(r.g, i, 2, 1), GLIMPSE_SKIPPED);
    EXPECT_LT(monotonic_s() - t0, 5.0); /* an eval that waited for the worker would wait for ever */
    int32_t ids[4] = {0, 1, 2, 3};
    EXPECT_ERR(glimpse_check(r.g, ids, ids, 1, 4, 1), GLIMPSE_E_WORKER, NULL);
    t0 = monotonic_s();
    glimpse_close(r.g);
    r.g = NULL;
    EXPECT_LT(monotonic_s() - t0, 5.0);
    has(&r, "glimpse: the worker finishes the eval of step 0 alone");
    kill(pid, SIGCONT);
    EXPECT(rig_wait_workers(0));
    EXPECT_STREQ(rig_status(&r, 0), "ok");
    rig_close(&r);
}

/* Every allocation of the guest fails in turn: an error or success, never a crash, and nothing is left. */
TEST_LIMIT(worker_survives_every_failing_allocation, 240) {
    rig r;
    long step = test_is_full() ? 1 : 3;
    rig_open(&r, NULL);
    glimpse_close(r.g);
    r.g = NULL;
    for (long n = 1; n < 3000; n += step) {
        test_fail_alloc(n);
        rig_reopen(&r);
        glimpse_status st = glimpse_eval(r.g, n, 2, 1);
        (void)st;
        glimpse_drain(r.g);
        glimpse_close(r.g);
        long seen = test_fail_alloc(0);
        r.g = NULL;
        buf_free(&r.said); /* its memory was refused too: a buffer remembers */
        if (seen < n) {
            EXPECT(rig_wait_workers(0));
            rig_close(&r);
            return;
        }
    }
    EXPECT(!"the loop ends");
}

/* --- messages that are none -------------------------------------------------------------------------------------- */

static void hear(void *user, const glimpse_record *r) { *(int64_t *)user += r->step; }

/* A worker that lies costs evals, never the trainer. */
TEST_LIMIT(worker_that_lies, 120) {
    buffer cmd = {0};
    int64_t heard = 0;
    const char *cc = getenv("CC") ? getenv("CC") : "cc";
    char path[4200];
    snprintf(path, sizeof path, "%s/fake_worker", test_tmpdir());
    buf_printf(&cmd, "%s -std=c17 -D_GNU_SOURCE -I'%s/include' -I'%s' '%s/tests/faults/fake_worker.c' -o '%s' 2>/dev/null", cc,
               test_source_dir(), test_source_dir(), test_source_dir(), path);
    int rc = system(buf_str(&cmd));
    buf_free(&cmd);
    if (rc != 0) SKIP("no C compiler");
    int opened = 0, seeds = test_is_full() ? 1000 : 60;
    for (int seed = 1; seed <= seeds; seed++) {
        rig r;
        char number[16];
        snprintf(number, sizeof number, "%d", seed);
        setenv("FAKE_SEED", number, 1);
        rig_open(&r, (const char *const[]){"close_timeout=0.2", NULL});
        glimpse_close(r.g);
        setenv("GLIMPSE_WORKER", path, 1);
        rig_reopen(&r);
        opened += r.g != NULL;
        if (r.g) glimpse_add_hook(r.g, hear, &heard);
        for (int i = 0; i < 20; i++) {
            glimpse_status st = glimpse_eval(r.g, i, 2, 1);
            test_check(st <= GLIMPSE_SKIPPED, __FILE__, __LINE__, "an eval returned %d", (int)st);
            sched_yield();
        }
        rig_close(&r);
    }
    EXPECT_LE(seeds / 2, opened);
}

static int no_such_clone(const wrapped_call *c) { return strcmp(c->name, "clone") ? 0 : EINVAL; }

/* Under an emulator of programs the worker can only be a child: it works all the same, and none is left. */
/* In a bare chroot it is not the program that is missing. */
TEST(worker_without_dev_null) {
    rig r;
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) SKIP("mounting is refused");
    rig_prepare(&r, NULL);
    REQUIRE(mount("none", "/dev", "tmpfs", 0, NULL) == 0);
    rig_reopen(&r);
    EXPECT(r.g == NULL);
    EXPECT(strstr(buf_str(&r.said), "did not start: No such file or directory: /dev/null\n") != NULL);
    rig_close(&r);
}

TEST(worker_where_the_clone_is_unknown) {
    rig r;
    rig_prepare(&r, NULL);
    wrapped_before = no_such_clone;
    rig_reopen(&r);
    if (EXPECT(r.g != NULL))
        for (int i = 0; i < 2; i++) {
            EXPECT_OK(glimpse_eval(r.g, i, 2, 1));
            EXPECT_OK(glimpse_drain(r.g));
            EXPECT_STREQ(rig_status(&r, i), "ok");
        }
    wrapped_before = NULL;
    rig_close(&r);
    EXPECT(waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD);
}

/* And a guest that lies costs its worker alone: it ends, by itself. */
TEST(worker_that_is_lied_to) {
    rig r;
    rig_open(&r, NULL);
    glimpse_close(r.g);
    r.g = NULL;
    uint64_t state = 5;
    for (int i = 0; i < (test_is_full() ? 300 : 20); i++) {
        char *program, bytes[2048];
        int socket;
        pid_t pid;
        bool is_child;
        REQUIRE_OK(spawn_find(&program));
        REQUIRE_OK(spawn_worker(program, &socket, &pid, &is_child));
        EXPECT(!is_child);
        free(program);
        message_head head = {.magic = MESSAGE_MAGIC, .kind = (uint32_t)(i % 10), .id = i};
        for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (char)((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
        size_t n = sizeof head + (size_t)i * 20;
        head.bytes = i % 3 ? n - sizeof head : 77;
        memcpy(bytes, &head, sizeof head);
        send(socket, bytes, n, MSG_NOSIGNAL);
        for (int k = 0; k < 5; k++) send(socket, bytes, n, MSG_NOSIGNAL);
        /* It refuses with a word, or ends; what comes is a message or the end. */
        message m = MESSAGE_INIT;
        for (int k = 0; k < 500; k++) {
            struct pollfd p = {.fd = socket, .events = POLLIN};
            poll(&p, 1, 100);
            glimpse_status st = message_receive(socket, &m);
            if (st == GLIMPSE_NOT_DUE) continue;
            if (st < 0) {
                EXPECT_EQ(st, GLIMPSE_E_WORKER);
                break;
            }
            if (m.head.kind == MSG_WORDS) EXPECT(strstr(m.payload, "it ended by itself") == m.payload); /* never a signal */
            else EXPECT(m.head.kind == MSG_READY && m.head.status < 0);
            message_free(&m);
        }
        close(socket);
        EXPECT(rig_wait_end(pid));
    }
    rig_close(&r);
}
