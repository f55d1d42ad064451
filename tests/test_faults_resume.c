/* test_faults_resume.c -- a trainer killed at random and resumed from its checkpoint, again and again, ends with the same
 * bytes as one that was left alone: weights, optimizer state, losses, and everything that Glimpse recorded and drew but
 * the times.  Runs build/MODE/train_gpt as a user would. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "include/internal/threads.h"
#include "tests/faults.h"
#include "tests/worker_rig.h"

enum { STEPS = 120 };

static pid_t train(const char *dir, const char *mode, bool resume) {
    pid_t pid = fork();
    if (pid) return pid;
    char program[4200], steps[16];
    int null = open("/dev/null", O_RDWR);
    snprintf(program, sizeof program, "%s/train_gpt", test_build_dir());
    snprintf(steps, sizeof steps, "%d", STEPS);
    dup2(null, 0), dup2(null, 1), dup2(null, 2);
    if (chdir(dir) == 0)
        execl(program, program, "--layers", "1", "--heads", "2", "--channels", "16", "--context", "32", "--batch_size", "2", "--eval_batches",
              "1", "--seed", "7", "--threads", "1", "--steps", steps, "--eval_interval", "10", "--checkpoint_interval", "20", "--out_dir", "w",
              "--loss_log", "losses", "--max_sample_tokens", "6", "--sample_each_eval", "--glimpse_when_busy", "wait", "--glimpse_sheets=false",
              "--glimpse_mode", mode, resume ? "--resume" : (char *)NULL, (char *)NULL);
    _exit(127);
}

/* Whether there is a checkpoint whole enough to resume from. */
static bool can_resume(const char *dir) {
    char *path = path_join(dir, "w");
    DIR *d = opendir(path);
    bool found = false;
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *tail = strstr(e->d_name, ".bin"); /* one that was being written is called .bin.tmp */
        found |= strncmp(e->d_name, "model_", 6) == 0 && tail && !tail[4];
    }
    if (d) closedir(d);
    free(path);
    return found;
}

/* Without what a clock or chance says: time, seconds, the run's name, the sequence. */
static glimpse_status add_timeless(void *user, owned_record *o) {
    glimpse_record *r = &o->record;
    r->time = "2026-01-01T00:00:00Z";
    r->run = "0";
    r->seq = 0;
    r->blocked_s = r->prefill_s = r->decode_s = r->write_s = 0;
    return journal_encode(r, user);
}

static char *drawn(const char *dir, const char *name) {
    buffer lines = {0};
    int64_t unread;
    char *w = path_join(dir, "w"), *path = path_join(w, "evals.jsonl"), *to = path_join(test_tmpdir(), name), *tree = NULL;
    char *copy = path_join(to, "out"), *fresh = path_join(to, "again"), *made = path_join(copy, "evals.jsonl");
    if (EXPECT_OK(journal_read(path, add_timeless, &lines, &unread)) && EXPECT_OK(mkdir_p(copy)) &&
        EXPECT_OK(file_write_atomic(made, buf_str(&lines), lines.n, false)) && EXPECT_OK(fault_report(copy, fresh)))
        tree = fault_tree(fresh, NULL);
    fault_remove(to);
    buf_free(&lines);
    free(w), free(path), free(to), free(copy), free(fresh), free(made);
    return tree;
}

static bool same_file(const char *a, const char *b, const char *name) {
    buffer x = {0}, y = {0};
    char *pa = path_join(a, name), *pb = path_join(b, name);
    bool same = EXPECT_OK(file_read_all(pa, 1 << 28, &x)) && EXPECT_OK(file_read_all(pb, 1 << 28, &y)) && x.n == y.n && x.n &&
                !memcmp(x.bytes, y.bytes, x.n);
    buf_free(&x), buf_free(&y);
    free(pa), free(pb);
    return same;
}

TEST_LIMIT(faults_resume, 900) {
    char weights[40], state[40];
    int runs = test_is_full() ? 40 : 2, kills = 0, same = 0;
    uint64_t random = 3;
    snprintf(weights, sizeof weights, "w/model_%08d.bin", STEPS);
    snprintf(state, sizeof state, "w/state_%08d.bin", STEPS);
    rig_mark();
    for (int m = 0; m < 2; m++) {
        const char *mode = m ? "worker" : "inline";
        char *alone = path_join(test_tmpdir(), m ? "alone_w" : "alone_i");
        int status;
        REQUIRE_OK(mkdir_p(alone));
        double t0 = monotonic_s();
        REQUIRE(waitpid(train(alone, mode, false), &status, 0) > 0 && status == 0);
        const double whole = monotonic_s() - t0;
        char *expected = drawn(alone, "a");
        for (int i = 0; i < runs / 2; i++) {
            char name[32];
            snprintf(name, sizeof name, "killed%d_%d", m, i);
            char *dir = path_join(test_tmpdir(), name);
            REQUIRE_OK(mkdir_p(dir));
            for (int tries = 0; tries < 400; tries++) {
                pid_t pid = train(dir, mode, can_resume(dir));
                if (tries < 4) { /* then it may come to its end */
                    usleep((useconds_t)(1e6 * whole * (0.15 + 0.006 * (double)fault_random(&random, 100))));
                    kills += kill(pid, SIGKILL) == 0;
                }
                waitpid(pid, &status, 0);
                EXPECT(rig_wait_workers(0)); /* one that finishes the eval in hand */
                if (status == 0) break;
            }
            char *got = drawn(dir, "b");
            bool ok = EXPECT_EQ(status, 0) && same_file(alone, dir, weights) && same_file(alone, dir, state) && expected && got &&
                      !strcmp(expected, got);
            same += ok;
            if (!ok && got && expected) printf("alone:\n%.1500s\nkilled:\n%.1500s\n", expected, got);
            free(got);
            fault_remove(dir);
            free(dir);
        }
        free(expected);
        free(alone);
    }
    fault_row(same == runs, "resume.bytes", "%d runs killed %d times and resumed: %d with the same weights, optimizer state, records and views",
              runs, kills, same);
}
