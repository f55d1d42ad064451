/* test_save_killed.c -- a save that is killed at any of its system calls: what stands under the name is the old checkpoint or the
 * new one, whole, and the next save leaves nothing of the dead one's; where names cannot be exchanged, too. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "sampling/checkpoint/save.h"
#include "tests/faults.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include "tests/wrap_calls.h"

static int calls, die_at;
static int (*exchanges)(const char *a, const char *b);

static void step(void) {
    if (++calls == die_at) raise(SIGKILL);
}
static int before(const wrapped_call *c) {
    (void)c;
    step();
    return 0;
}
static int exchange(const char *a, const char *b) {
    step();
    int r = exchanges(a, b);
    step(); /* the moment after it, too */
    return r;
}
static int cannot(const char *a, const char *b) {
    (void)a, (void)b;
    errno = EINVAL;
    return -1;
}

/* Save in a process of its own that dies at its k-th call; true if it did. */
static bool killed_at(int k, const model *m, const save_request *rq) {
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        calls = 0, die_at = k;
        wrapped_before = before;
        model_save(m, rq);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status);
}

TEST_LIMIT(save_killed_at_every_call, 120) {
    tiny_gpt g;
    model *m = NULL;
    char dir[3000], path[4096];
    int (*given)(const char *a, const char *b) = save_exchange;
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 5);
    REQUIRE_OK(model_from_description(&g.model, &m));
    for (int kind = 0; kind < 3; kind++) { /* nothing there before; exchanged; set aside */
        exchanges = kind == 2 ? cannot : given;
        save_exchange = exchange;
        snprintf(dir, sizeof dir, "%s/kind%d", test_tmpdir(), kind);
        REQUIRE_OK(mkdir_p(dir));
        int kills = 0, gaps = 0, olds = 0, news = 0;
        for (int k = 1; k < 1000; k++) {
            snprintf(path, sizeof path, "%s/step_%08d", dir, kind ? 1 : k);
            save_request rq = {.path = path, .replace = true};
            float old = g.w[0][3];
            if (kind) REQUIRE_OK(model_save(m, &rq));
            g.w[0][3] = old + 1;
            bool died = killed_at(k, m, &rq);
            kills += died;
            model *back = NULL;
            bool there = path_exists(path);
            if (kind == 2 && !there) { /* the moment between two renames: the old one waits under its other name */
                gaps++;
                save_sweep(path);
                there = EXPECT(path_exists(path));
            }
            if (kind) EXPECT(there);
            if (there && EXPECT_OK(checkpoint_open(path, NULL, NULL, &back))) {
                float v = ((const float *)back->wte.data)[3];
                test_check(v == old + 1 || (kind && v == old), __FILE__, __LINE__, "kind %d, call %d: %g", kind, k, (double)v);
                *(v == old ? &olds : &news) += 1;
            }
            model_close(back);
            EXPECT_OK(model_save(m, &rq)); /* sweeps */
            test_check(test_entries(dir) == 1, __FILE__, __LINE__, "kind %d, call %d: %d entries", kind, k, test_entries(dir));
            EXPECT(save_remove(path));
            if (!died) break;
        }
        EXPECT(kills > 20 && news > 0);
        EXPECT_EQ(olds > 0, kind > 0);
        EXPECT_EQ(gaps > 0, kind == 2);
    }
    save_exchange = given;
    model_close(m);
    tiny_gpt_free(&g);
}

static int fail_with;
static int refuse(const wrapped_call *c) {
    (void)c;
    return ++calls == die_at ? fail_with : 0;
}
static int refused_exchange(const char *a, const char *b) {
    if (++calls == die_at) return errno = fail_with, -1;
    return exchanges(a, b);
}

/* Every call in turn says no: an error or not, the old one or the new one stands there whole. */
TEST_LIMIT(save_with_every_call_failing, 120) {
    static const int errors[] = {ENOSPC, EIO, EACCES};
    tiny_gpt g;
    model *m = NULL;
    char path[4096];
    int runs = 0, failed = 0;
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 5);
    REQUIRE_OK(model_from_description(&g.model, &m));
    exchanges = save_exchange;
    save_exchange = refused_exchange;
    snprintf(path, sizeof path, "%s/dir/step_00000001", test_tmpdir());
    char *dir = path_dir(path);
    save_request rq = {.path = path, .replace = true};
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
        for (int k = 1; k < 1000; k++) {
            model *back = NULL;
            die_at = 0;
            REQUIRE_OK(model_save(m, &rq));
            float old = g.w[0][3];
            g.w[0][3] = old + 1;
            calls = 0, die_at = k, fail_with = errors[e];
            wrapped_before = refuse;
            glimpse_status st = model_save(m, &rq);
            wrapped_before = NULL;
            bool struck = calls >= k;
            die_at = 0;
            runs++, failed += st < 0;
            if (EXPECT_OK(checkpoint_open(path, NULL, NULL, &back))) {
                float v = ((const float *)back->wte.data)[3];
                test_check(v == old + 1 || (st < 0 && v == old), __FILE__, __LINE__, "call %d, error %d: status %d and %g", k, errors[e], st, (double)v);
            }
            model_close(back);
            EXPECT_OK(model_save(m, &rq));
            EXPECT_EQ(test_entries(dir), 1);
            if (!struck) break;
        }
    save_exchange = exchanges;
    EXPECT(runs > 90 && failed > 45);
    free(dir);
    model_close(m);
    tiny_gpt_free(&g);
}

/* What lives is left alone, and what is nobody's of ours too. */
TEST(save_sweep_takes_the_dead_ones_alone) {
    char name[5000], cmd[9000];
    pid_t dead = fork();
    if (!dead) _exit(0);
    waitpid(dead, NULL, 0);
    const char *dir = test_tmpdir();
    snprintf(cmd, sizeof cmd, "cd '%s' && mkdir step_00000001.tmp-%ld step_00000002.old-%ld step_00000003 step_00000003.old-%ld other.tmp-%ld step_00000004.tmp-%ld "
             "step_00000005.tmp-%ld step_00000006.tmp- step_00000007.tmp-12x && ln -s step_00000003 step_00000008.tmp-%ld && touch step_00000001.tmp-%ld/config.json",
             dir, (long)dead, (long)dead, (long)dead, (long)dead, (long)getpid(), (long)dead, (long)dead, (long)dead);
    REQUIRE(system(cmd) == 0);
    snprintf(name, sizeof name, "%s/step_00000005.tmp-%ld", dir, (long)dead); /* written by a process of another container */
    int fd = open(name, O_RDONLY);
    REQUIRE(fd >= 0 && flock(fd, LOCK_EX) == 0);
    snprintf(name, sizeof name, "%s/step_00000009", dir);
    save_sweep(name);
    snprintf(cmd, sizeof cmd, "cd '%s' && test ! -e step_00000001.tmp-%ld && test -d step_00000002 && test ! -e step_00000002.old-%ld && test ! -e step_00000003.old-%ld && "
             "test -d step_00000003 && test -d other.tmp-%ld && test -d step_00000004.tmp-%ld && test -d step_00000005.tmp-%ld && test -d step_00000006.tmp- && "
             "test -d step_00000007.tmp-12x && test -L step_00000008.tmp-%ld", dir, (long)dead, (long)dead, (long)dead, (long)dead, (long)getpid(), (long)dead, (long)dead);
    EXPECT_EQ(system(cmd), 0);
    close(fd);
    save_sweep(name);
    snprintf(cmd, sizeof cmd, "test ! -e '%s'/step_00000005.tmp-%ld", dir, (long)dead);
    EXPECT_EQ(system(cmd), 0);
}
