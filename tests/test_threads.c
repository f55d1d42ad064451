/* test_threads.c -- the pool: every task once, its results visible, late workers harmless, idle workers free. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "include/internal/threads.h"
#include "tests/test.h"

typedef struct counts {
    int n;
    int *hits; /* plain ints: the pool itself must order them */
    int bad;
} counts;

static void hit(void *arg, int task) {
    counts *c = arg;
    if (task < 0 || task >= c->n) c->bad = 1;
    else c->hits[task]++;
}

TEST_LIMIT(pool_runs_every_task_once, 120) {
    int hits[64], rounds = test_is_slow_build() ? 300 : 3000;
    for (int threads = 1; threads <= 9; threads += 2) {
        pool *p = NULL;
        REQUIRE_OK(pool_open(&p, threads));
        EXPECT_EQ(pool_threads(p), threads);
        for (int round = 0; round < rounds; round++) {
            int n = round % 64;
            counts c = {n, hits, 0};
            memset(hits, 0, sizeof hits);
            pool_run(p, hit, &c, n);
            for (int i = 0; i < 64; i++)
                if (hits[i] != (i < n)) EXPECT_EQ(hits[i], i < n);
            EXPECT_EQ(c.bad, 0);
        }
        pool_close(p);
    }
}

static void sleepy(void *arg, int task) {
    struct timespec ts = {0, (task % 3) * 50000};
    nanosleep(&ts, NULL);
    hit(arg, task);
}

TEST(pool_survives_workers_that_wake_late) {
    /* More threads than CPUs and runs of different sizes back to back: a worker that read one run's job wakes in the
     * next one. */
    int hits[16];
    pool *p = NULL;
    REQUIRE_OK(pool_open(&p, 16));
    for (int round = 0; round < 400; round++) {
        int n = 1 + round % 16;
        counts c = {n, hits, 0};
        memset(hits, 0, sizeof hits);
        pool_run(p, round % 2 ? sleepy : hit, &c, n);
        for (int i = 0; i < n; i++)
            if (hits[i] != 1) EXPECT_EQ(hits[i], 1);
        EXPECT_EQ(c.bad, 0);
    }
    pool_close(p);
}

static void note_thread(void *arg, int task) {
    pthread_t *who = arg;
    who[task] = pthread_self();
}

TEST(pool_of_one_stays_on_the_caller) {
    pthread_t who[8];
    pool *p = NULL;
    REQUIRE_OK(pool_open(&p, 1));
    pool_run(p, note_thread, who, 8);
    for (int i = 0; i < 8; i++) EXPECT(pthread_equal(who[i], pthread_self()));
    pool_close(p);
    memset(who, 0, sizeof who);
    pool_run(NULL, note_thread, who, 8);
    for (int i = 0; i < 8; i++) EXPECT(pthread_equal(who[i], pthread_self()));
    pool_run(NULL, note_thread, who, 0);
    EXPECT_EQ(pool_threads(NULL), 1);
    pool_close(NULL);
}

typedef struct meeting { /* of the two threads: neither task ends before both have begun */
    pthread_barrier_t both;
    sigset_t mask[2];
} meeting;

static void note_mask(void *arg, int task) {
    meeting *m = arg;
    pthread_sigmask(SIG_BLOCK, NULL, &m->mask[task]);
    pthread_barrier_wait(&m->both);
}

TEST(pool_workers_block_signals_and_the_caller_keeps_its_mask) {
    sigset_t before, after;
    meeting m;
    pool *p = NULL;
    pthread_barrier_init(&m.both, NULL, 2);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    REQUIRE_OK(pool_open(&p, 2));
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    EXPECT_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
    pool_run(p, note_mask, &m, 2);
    int blocked = 0;
    for (int i = 0; i < 2; i++) blocked += sigismember(&m.mask[i], SIGINT) && sigismember(&m.mask[i], SIGTERM);
    EXPECT_EQ(blocked, 1); /* the worker's, not the caller's */
    pool_close(p);
    pthread_barrier_destroy(&m.both);
}

static double cpu_seconds(void) {
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

TEST_TIMED(pool_idle_workers_cost_nothing, 60) {
    int hits[8] = {0};
    counts c = {8, hits, 0};
    pool *p = NULL;
    REQUIRE_OK(pool_open(&p, 8));
    pool_run(p, hit, &c, 8);
    double start = cpu_seconds();
    usleep(300000);
    EXPECT_LT(cpu_seconds() - start, 0.1); /* CPU time of 7 workers over 0.3 s; spinning would be 0.6 s and more */
    pool_close(p);
}

TEST(pool_out_of_memory) {
    for (long n = 1; n < 20; n++) {
        pool *p = NULL;
        test_fail_alloc(n);
        glimpse_status st = pool_open(&p, 3);
        long calls = test_fail_alloc(0);
        if (st < 0) {
            EXPECT_EQ(st, GLIMPSE_E_MEMORY);
            EXPECT(p == NULL);
        } else {
            pool_close(p);
        }
        if (calls < n) return;
    }
    EXPECT(!"the loop never got past the failing allocation");
}
