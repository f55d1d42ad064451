/* test_worker_pace.c -- a worker beside a trainer rests, and hurries for whoever waits (plugin/cli/pace.h): the rule against
 * hand-made cases, and the processor time that a real worker takes.  Shares of a processor, never seconds: a machine that
 * has no time to give only makes them smaller. */
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "include/internal/threads.h"
#include "plugin/cli/pace.h"
#include "tests/worker_rig.h"

static pace planned(double least, double spent_s, double took_s, double interval_s) {
    pace p = {.least = least, .spent_s = spent_s, .took_s = took_s};
    pace_plan(&p, interval_s);
    return p;
}

TEST(pace_spreads_an_eval_over_half_the_interval) {
    pace p = planned(0.1, 0, 0, 0);
    EXPECT_EQ(p.threads, 0);
    EXPECT_NEAR(p.share, 0.25, 0);
    p = planned(0.1, 1, 1, 0); /* the first interval is not known */
    EXPECT_EQ(p.threads, 0);
    EXPECT_NEAR(p.share, 0.25, 0);
    p = planned(0.1, 1, 1, 10); /* 1 s of work, 4 s of rests */
    EXPECT_EQ(p.threads, 1);
    EXPECT_NEAR(p.share, 0.2, 1e-12);
    p = planned(0.1, 1, 4, 10); /* others had the processor for 3 s: 1 s is left to rest */
    EXPECT_NEAR(p.share, 0.5, 1e-12);
    p = planned(0.1, 1, 7, 10); /* late already */
    EXPECT_EQ(p.threads, 1);
    EXPECT_NEAR(p.share, 1, 0);
    p = planned(0.1, 1, 1, 3600); /* nobody waits an hour for what takes a second */
    EXPECT_NEAR(p.share, 0.1, 0);
    p = planned(0.1, 12, 6, 10); /* more than one processor can do: three, 4 s each, took 6 > 5 */
    EXPECT_EQ(p.threads, 3);
    EXPECT_NEAR(p.share, 1, 0);
    p = planned(0.1, 1e300, 1e300, 1e-300);
    EXPECT(p.threads > 0 && p.share == 1);
    p = planned(1, 1, 1, 10); /* --worker_share 100 */
    EXPECT_EQ(p.threads, 0);
    EXPECT_NEAR(p.share, 1, 0);
}

TEST(pace_is_of_an_eval_alone) {
    pace p = {.least = 0.1, .spent_s = 1, .took_s = 1};
    pace_begin(&p, 10);
    EXPECT_EQ(p.threads, 1);
    pace_end(&p);
    EXPECT_EQ(p.threads, 0);
    EXPECT_NEAR(pace_debt(&p), 0, 0);
}

static double cpu_s(pid_t pid) {
    clockid_t clock;
    struct timespec t = {0};
    if (clock_getcpuclockid(pid, &clock) == 0) clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int64_t journal_bytes(const rig *r) {
    char path[4200];
    struct stat s;
    snprintf(path, sizeof path, "%s/evals.jsonl", r->dir);
    return stat(path, &s) == 0 ? (int64_t)s.st_size : 0;
}
/* How often its first thread gave its processor back: a rest does, and so do a few waits for the disk. */
static long waits(pid_t pid) {
    char path[64], line[256];
    long n = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1) break;
    if (f) fclose(f);
    return n;
}

/* On a busy machine an eval takes as long as it takes: the next one comes after so many times that, and there is time to rest. */
TEST_TIMED(pace_worker_rests_and_hurries, 300) {
    rig r;
    pid_t pid;
    rig_open(&r, (const char *const[]){"worker_share=0.1", "num_samples=200", "max_sample_tokens=24", "sheets=false", "threads=1", NULL});
    REQUIRE(r.g != NULL && rig_workers(&pid, 1) == 1);
    double began = monotonic_s();
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 3));
    EXPECT_OK(glimpse_drain(r.g));
    double took = monotonic_s() - began;
    usleep((useconds_t)(1e6 * (took > 0.4 ? 5 * took : 2)));
    double t0 = monotonic_s(), spent = cpu_s(pid); /* an eval that nobody waits for */
    long alone = waits(pid), hurried;
    int64_t before = journal_bytes(&r);
    EXPECT_OK(glimpse_eval(r.g, 10, 2, 3));
    while (journal_bytes(&r) == before) usleep(2000);
    spent = cpu_s(pid) - spent;
    EXPECT(spent > 0 && spent < 0.75 * (monotonic_s() - t0)); /* it rests between matrices, not while it writes; without rests it is all of it */
    EXPECT_OK(glimpse_drain(r.g));
    alone = waits(pid) - alone;
    hurried = waits(pid);
    EXPECT_OK(glimpse_eval(r.g, 20, 2, 3));
    EXPECT_OK(glimpse_drain(r.g));
    hurried = waits(pid) - hurried;
    EXPECT_STREQ(rig_status(&r, 20), "ok");
    EXPECT(hurried >= 0 && hurried + 8 < alone);
    rig_close(&r);
}
