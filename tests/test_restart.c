/* test_restart.c -- a trainer that is started again while the worker of the killed one still samples: its worker waits for
 * the directory, an inline eval is skipped and tried again; a run that is alive is another matter. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugin/guest.h"
#include "plugin/lock_holder.h"
#include "tests/worker_rig.h"

extern const session_api glimpse_session_v1;

static void pause_ms(int ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

/* A trainer in `dir` whose worker holds the directory, stopped with an eval in hand; then the trainer is killed, unless
 * `lives`: then it waits to be. */
static pid_t crashed_trainer(const char *dir, bool lives, pid_t *worker) {
    int ends[2];
    if (!EXPECT(pipe(ends) == 0)) return 0;
    pid_t trainer = fork();
    if (trainer == 0) {
        rig r;
        rig_open(&r, NULL);
        glimpse_close(r.g);
        glimpse_set(r.cfg, "out_dir", dir);
        rig_reopen(&r);
        pid_t pid = 0;
        if (glimpse_eval(r.g, 1, 2, 3) != GLIMPSE_OK || glimpse_drain(r.g) != GLIMPSE_OK || rig_workers(&pid, 1) != 1) _exit(1);
        kill(pid, SIGSTOP);
        glimpse_eval(r.g, 2, 2, 3);
        if (write(ends[1], &pid, sizeof pid) != sizeof pid) _exit(1);
        if (lives) pause();
        raise(SIGKILL);
    }
    int status;
    EXPECT_EQ(read(ends[0], worker, sizeof *worker), sizeof *worker);
    close(ends[0]), close(ends[1]);
    if (!lives) waitpid(trainer, &status, 0);
    return trainer;
}

TEST(restart_waits_for_the_worker_of_the_crashed_run) {
    char dir[4200];
    pid_t old = 0;
    rig r;
    snprintf(dir, sizeof dir, "%s/run", test_tmpdir());
    crashed_trainer(dir, false, &old);
    EXPECT_EQ(lock_holder_of(dir, getpid()), HOLDER_ENDING);
    rig_open(&r, (const char *const[]){"close_timeout=0.2", NULL});
    glimpse_close(r.g);
    glimpse_set(r.cfg, "out_dir", dir);
    rig_reopen(&r);
    REQUIRE(r.g != NULL);
    EXPECT_EQ(glimpse_eval(r.g, 2, 2, 3), GLIMPSE_OK);
    for (int i = 3; i < 8; i++) { /* longer than the close_timeout: one that ends is waited for all the same */
        pause_ms(100);
        EXPECT_EQ(glimpse_eval(r.g, i, 2, 3), GLIMPSE_SKIPPED);
    }
    EXPECT(strstr(buf_str(&r.said), "waiting for the worker of the run before"));
    kill(old, SIGCONT);
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_EQ(glimpse_eval(r.g, 8, 2, 3), GLIMPSE_OK);
    EXPECT_OK(glimpse_drain(r.g));
    snprintf(r.dir, sizeof r.dir, "%.4000s", dir);
    EXPECT_STREQ(rig_status(&r, 1), "ok");
    EXPECT_STREQ(rig_status(&r, 2), "ok");
    EXPECT_STREQ(rig_status(&r, 5), "skipped");
    EXPECT_STREQ(rig_status(&r, 8), "ok");
    EXPECT(!strstr(buf_str(&r.said), "another run"));
    rig_close(&r);
    EXPECT(rig_wait_end(old));
}

TEST(restart_inline_tries_again_at_the_next_eval) {
    char dir[4200];
    pid_t old = 0;
    rig r;
    session_use(&glimpse_session_v1);
    snprintf(dir, sizeof dir, "%s/run", test_tmpdir());
    crashed_trainer(dir, false, &old);
    rig_open(&r, (const char *const[]){"mode=inline", NULL});
    glimpse_close(r.g);
    glimpse_set(r.cfg, "out_dir", dir);
    rig_reopen(&r);
    REQUIRE(r.g != NULL);
    for (int i = 2; i < 7; i++) EXPECT_EQ(glimpse_eval(r.g, i, 2, 3), GLIMPSE_SKIPPED); /* five: never off */
    EXPECT(strstr(buf_str(&r.said), "glimpse 3: skipped, the worker of the run before"));
    EXPECT(!strstr(buf_str(&r.said), "off after"));
    kill(old, SIGCONT);
    EXPECT(rig_wait_end(old));
    EXPECT_EQ(glimpse_eval(r.g, 7, 2, 3), GLIMPSE_OK);
    rig_close(&r);
}

/* A run that is alive keeps its directory: the other one is told at once, three times, and is off. */
TEST(restart_another_run_alive_is_an_error) {
    char dir[4200];
    pid_t theirs = 0;
    rig r;
    snprintf(dir, sizeof dir, "%s/run", test_tmpdir());
    pid_t trainer = crashed_trainer(dir, true, &theirs);
    EXPECT_EQ(lock_holder_of(dir, getpid()), HOLDER_ALIVE);
    EXPECT_EQ(lock_holder_of(dir, trainer), HOLDER_OWN);
    EXPECT_EQ(lock_holder_of(test_tmpdir(), getpid()), HOLDER_UNKNOWN);
    rig_open(&r, NULL);
    glimpse_close(r.g);
    glimpse_set(r.cfg, "out_dir", dir);
    rig_reopen(&r);
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(glimpse_eval(r.g, i, 2, 3));
        EXPECT_ERR(glimpse_drain(r.g), GLIMPSE_E_BUSY, "another run is writing here");
    }
    EXPECT_EQ(glimpse_eval(r.g, 3, 2, 3), GLIMPSE_NOT_DUE);
    EXPECT(!strstr(buf_str(&r.said), "waiting"));
    rig_close(&r);
    kill(trainer, SIGKILL);
    waitpid(trainer, NULL, 0);
    kill(theirs, SIGCONT);
    EXPECT(rig_wait_end(theirs));
}

/* A second session of one program in the directory of a worker: in worker mode it is refused at open, an inline one at its evals
 * (its requests write nothing); behind the close both are welcome. */
TEST(restart_in_the_same_program) {
    rig r;
    session_use(&glimpse_session_v1);
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 3));
    EXPECT_OK(glimpse_drain(r.g)); /* it has the directory */
    glimpse *first = r.g;
    EXPECT(glimpse_open(r.cfg, &r.gpt.model) == NULL);
    EXPECT(strstr(glimpse_error(), "another session of this program writes here\nhint: glimpse_close ends it"));
    EXPECT_OK(glimpse_set(r.cfg, "mode", "inline"));
    rig_reopen(&r);
    REQUIRE(r.g != NULL);
    EXPECT_ERR(glimpse_eval(r.g, 1, 1, 2), GLIMPSE_E_BUSY, "another session of this program writes here");
    EXPECT(!strstr(buf_str(&r.said), "still finishes"));
    EXPECT_OK(glimpse_eval(first, 1, 1, 2));
    EXPECT_OK(glimpse_drain(first));
    EXPECT_OK(glimpse_close(first));
    EXPECT_OK(glimpse_eval(r.g, 2, 1, 1));
    EXPECT_OK(glimpse_set(r.cfg, "mode", "worker"));
    glimpse *third = glimpse_open(r.cfg, &r.gpt.model);
    EXPECT(third != NULL && strstr(buf_str(&r.said), "another run is writing here"));
    glimpse_close(third);
    rig_close(&r);
}

/* Whose run it is that goes on is said once, not by each worker anew. */
TEST(restart_says_once_that_a_run_goes_on) {
    rig r;
    pid_t pid;
    rig_open(&r, NULL);
    for (int step = 1; step <= 5; step++) {
        if (step == 3) {
            glimpse_close(r.g);
            buf_clear(&r.said);
            rig_reopen(&r);
        }
        REQUIRE(r.g != NULL);
        EXPECT_OK(glimpse_eval(r.g, step, 2, 3));
        EXPECT_OK(glimpse_drain(r.g));
        if (step != 3) continue;
        REQUIRE(rig_workers(&pid, 1) == 1);
        kill(pid, SIGKILL);
        EXPECT(rig_wait_end(pid));
    }
    const char *once = strstr(buf_str(&r.said), "glimpse: continues run ");
    EXPECT(once && !strstr(once + 1, "glimpse: continues run "));
    EXPECT_STREQ(rig_status(&r, 5), "ok");
    rig_close(&r);
}

/* A worker that dies between open and the first eval has told nobody: the next one does. */
TEST(restart_says_that_a_run_goes_on_behind_a_worker_that_never_worked) {
    rig r;
    pid_t pid;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 1, 2, 3));
    glimpse_close(r.g);
    buf_clear(&r.said);
    rig_reopen(&r);
    REQUIRE(r.g != NULL && rig_workers(&pid, 1) == 1);
    kill(pid, SIGKILL);
    EXPECT(rig_wait_end(pid));
    EXPECT_OK(glimpse_eval(r.g, 2, 2, 3));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT(strstr(buf_str(&r.said), "glimpse: continues run ") != NULL);
    EXPECT_STREQ(rig_status(&r, 2), "ok");
    rig_close(&r);
}

/* A trainer of its own in `dir`: an eval, then one more at each byte that it is sent, a byte back for each that is on the disk; at
 * the end of what it is sent it closes.  Its exit code: how many things went wrong. */
static pid_t living_trainer(const char *dir, int *to, int *from) {
    int down[2], up[2];
    if (!EXPECT(pipe(down) == 0 && pipe(up) == 0)) return 0;
    pid_t trainer = fork();
    if (trainer == 0) {
        rig r;
        char byte;
        int wrong = 0;
        close(down[1]), close(up[0]);
        rig_prepare(&r, NULL);
        glimpse_set(r.cfg, "out_dir", dir);
        rig_reopen(&r);
        for (int step = 0; step == 0 || read(down[0], &byte, 1) == 1; step++) {
            wrong += glimpse_eval(r.g, step, 2, 3) != GLIMPSE_OK || glimpse_drain(r.g) != GLIMPSE_OK;
            wrong += write(up[1], "", 1) != 1;
        }
        wrong += !r.g || glimpse_close(r.g) != GLIMPSE_OK;
        _exit(wrong);
    }
    close(down[0]), close(up[1]);
    *to = down[1], *from = up[0];
    return trainer;
}

static glimpse_status note_line(void *user, owned_record *line) {
    buf_printf(user, "%lld %s;", (long long)line->record.step, line->record.status);
    return GLIMPSE_OK;
}

/* A second run that begins in the directory of one whose trainer lives is told at open, and fails alone; once the first has
 * ended it begins, and sets the first one's journal aside whole. */
TEST(restart_second_run_beside_a_living_one) {
    char dir[4200], path[8400], byte;
    int to = -1, from = -1, status;
    int64_t unread;
    buffer lines = {0};
    rig r;
    snprintf(dir, sizeof dir, "%s/run", test_tmpdir());
    pid_t first = living_trainer(dir, &to, &from);
    REQUIRE(first > 0 && read(from, &byte, 1) == 1);
    rig_prepare(&r, NULL);
    EXPECT_OK(glimpse_set(r.cfg, "out_dir", dir));
    rig_reopen(&r);
    REQUIRE(r.g != NULL);
    const char *told = strstr(buf_str(&r.said), "another run is writing here: until it ends, evals fail"), *on = strstr(buf_str(&r.said), "glimpse: on:");
    EXPECT(told && on && told < on);
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(glimpse_eval(r.g, i, 2, 3));
        EXPECT_ERR(glimpse_drain(r.g), GLIMPSE_E_BUSY, "another run is writing here");
        EXPECT(write(to, "", 1) == 1 && read(from, &byte, 1) == 1);
    }
    close(to);
    EXPECT(waitpid(first, &status, 0) == first && status == 0);
    close(from);
    EXPECT_OK(glimpse_eval(r.g, 2, 2, 3));
    EXPECT_OK(glimpse_drain(r.g));
    snprintf(r.dir, sizeof r.dir, "%.4000s", dir);
    rig_lines(&r, note_line, &lines);
    EXPECT_STREQ(buf_str(&lines), "2 ok;");
    buf_clear(&lines);
    const char *kept = strstr(buf_str(&r.said), "a new run; the older one is kept as ");
    REQUIRE(kept != NULL);
    kept += strlen("a new run; the older one is kept as ");
    snprintf(path, sizeof path, "%s/%.*s", dir, (int)strcspn(kept, "\n"), kept);
    EXPECT_OK(journal_read(path, note_line, &lines, &unread));
    EXPECT_STREQ(buf_str(&lines), "0 ok;1 ok;2 ok;");
    buf_free(&lines);
    rig_close(&r);
}
