/* test_faults_calls.c -- every system call of open, two evals and close fails in turn, with ten errors, once and from then
 * on, in this process and on the guest's side of worker mode: no crash, no hang, the weights untouched, what failed is
 * said, and afterwards the journal is whole and the next run goes on. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "include/internal/threads.h"
#include "plugin/guest.h"
#include "tests/faults.h"
#include "tests/worker_rig.h"
#include "tests/wrap_calls.h"
#include "viz/tensorboard.h"

extern const session_api glimpse_session_v1;

static const struct {
    int number;
    const char *name;
} errors[] = {{ENOSPC, "ENOSPC"}, {EIO, "EIO"}, {EDQUOT, "EDQUOT"}, {EMFILE, "EMFILE"}, {ENFILE, "ENFILE"},
              {EACCES, "EACCES"}, {EROFS, "EROFS"}, {ENOMEM, "ENOMEM"}, {EINTR, "EINTR"}, {EAGAIN, "EAGAIN"}};
enum { N_ERRORS = sizeof errors / sizeof *errors, IN_A_ROW = 20, A_DIRECTORY = 30 };

static _Atomic int count, fail_at, in_a_row;
static int fail_with;
static bool for_ever;
static char failing[32]; /* the name of the call that fails from now on */

/* A signal does not interrupt for ever: a call that is tried again is let through at last. */
static int strike(void) {
    if ((fail_with != EINTR && fail_with != EAGAIN) || ++in_a_row <= IN_A_ROW) return fail_with;
    in_a_row = 0;
    return 0;
}

static int before(const wrapped_call *c) {
    if (++count == fail_at) {
        snprintf(failing, sizeof failing, "%s", c->name);
        return strike();
    }
    return for_ever && fail_at && count > fail_at && !strcmp(failing, c->name) ? strike() : 0;
}

static uint32_t weights(const tiny_gpt *g) {
    uint32_t sum = 0;
    for (int i = 0; i < 16; i++) sum = sum * 31 + crc32c(g->w[i], g->n[i] * sizeof(float));
    return sum;
}

static void mark_steps(void *user, const glimpse_record *r) {
    char *seen = user;
    if (r->step < 1 << 20 && !strcmp(r->status, "ok")) seen[r->step] = 1;
}

static void print_line(void *user, const glimpse_record *r) {
    printf("%s%lld/%lld %.2s%s", *(int *)user ? " " : "", (long long)r->seq, (long long)r->step, r->status, r->run);
    *(int *)user = 1;
}

/* Open, two evals at step and step + 1, close.  acked[step] is set where an eval is known to be in the journal. */
static void session_of(rig *r, int64_t step, char *acked, bool worker) {
    glimpse_status st[2] = {0};
    rig_reopen(r);
    for (int i = 0; i < 2 && r->g; i++) {
        st[i] = glimpse_eval(r->g, step + i, 2, 1);
        if (st[i] < 0) EXPECT(*glimpse_error() != 0);
        if (st[i] == GLIMPSE_OK && !worker) acked[step + i] = 1;
    }
    if (!r->g) EXPECT(r->said.n > 0); /* why it is off */
    if (st[0] < 0 || st[1] < 0) EXPECT(r->said.n > 0);
    glimpse_close(r->g);
    r->g = NULL;
}

static void every_call(bool worker) {
    const char *name = worker ? "calls.worker" : "calls.inline";
    static char acked[1 << 20];
    char path[4300], fresh[4300];
    rig r;
    int64_t step = 1, runs = 0, lost = 0, bad = 0, changed = 0, views = 0, directories = 0;
    double slowest = 0;
    session_use(&glimpse_session_v1);
    rig_open(&r, (const char *const[]){worker ? "mode=worker" : "mode=inline", "max_sample_tokens=2", "sheets=true",
                                       "close_timeout=0.5", "threads=1", NULL});
    glimpse_close(r.g);
    r.g = NULL;
    wrapped_before = before;
    fail_at = 0;
    count = 0;
    session_of(&r, step, acked, worker);
    const int calls = count, stride = test_is_full() ? 1 : worker ? 41 : 101;
    char base[sizeof r.dir];
    memcpy(base, r.dir, sizeof base);
    uint32_t sum = weights(&r.gpt);
    journal_walk w = {0};
    for (int64_t i = 0; i < (int64_t)calls * N_ERRORS * 2; i += stride) {
        if (runs % A_DIRECTORY == 0) {
            snprintf(r.dir, sizeof r.dir, "%s-%d", base, (int)directories++);
            glimpse_set(r.cfg, "out_dir", r.dir);
            memset(acked, 0, sizeof acked);
            step = 1;
        }
        snprintf(path, sizeof path, "%s/evals.jsonl", r.dir);
        const double t0 = monotonic_s();
        fail_with = errors[i / 2 % N_ERRORS].number;
        for_ever = i % 2;
        in_a_row = count = 0;
        fail_at = (int)(i / 2 / N_ERRORS) + 1;
        buf_clear(&r.said);
        session_of(&r, step, acked, worker);
        fail_at = 0;
        double took = monotonic_s() - t0;
        if (took > slowest) slowest = took;
        if (took > 4) printf("%s %s %s: %.1f s\n", failing, errors[i / 2 % N_ERRORS].name, for_ever ? "for ever" : "once", took);
        changed += weights(&r.gpt) != sum;
        step += 2;
        runs++;
        if (runs % A_DIRECTORY && i + stride < (int64_t)calls * N_ERRORS * 2 && test_is_full()) continue;
        if (runs % 10 && runs % A_DIRECTORY && i + stride < (int64_t)calls * N_ERRORS * 2) continue;
        /* An undisturbed run goes on, and everything is as it should be. */
        wrapped_before = NULL;
        if (worker) EXPECT(rig_wait_workers(0));
        buf_clear(&r.said);
        session_of(&r, step, acked, worker);
        if (worker) EXPECT(rig_wait_workers(0)); /* it may finish alone */
        static char seen[1 << 20];
        memset(seen, 0, sizeof seen);
        w = (journal_walk){0};
        fault_walk(path, &w, mark_steps, seen);
        struct stat s;
        bad += w.bad + !(stat(path, &s) == 0 && s.st_size == w.at) + !seen[step] + !(worker || seen[step + 1]);
        for (int64_t k = 0; k < step; k++) lost += acked[k] && !seen[k];
        snprintf(fresh, sizeof fresh, "%s/again/%s", test_tmpdir(), path_base(r.dir));
        views += !worker && !fault_views_are_the_journals(r.dir, fresh);
        if (bad + lost + changed) {
            int began = 0;
            fault_walk(path, &(journal_walk){0}, print_line, &began);
            printf("\n");
        }
        if (bad + lost + changed)
            printf("before: %s %s %s; step %lld of %lld lines, %lld bad; said: %s\n", failing, errors[i / 2 % N_ERRORS].name,
                   for_ever ? "for ever" : "once", (long long)step, (long long)w.lines, (long long)w.bad, buf_str(&r.said));
        step += 2;
        wrapped_before = before;
        if (bad + lost + changed) break;
    }
    wrapped_before = NULL;
    EXPECT(rig_wait_workers(0));
    fault_row(!lost && !bad && !changed && slowest < 10, name, "%d calls x %d errors x once, for ever: %lld runs; %lld acknowledged evals "
              "lost, %lld journals not whole, weights changed %lld times, views that differ %lld/%lld, slowest %.2f s", calls, N_ERRORS,
              (long long)runs, (long long)lost, (long long)bad, (long long)changed, (long long)views, (long long)directories, slowest);
    EXPECT_EQ(views, 0);
    rig_close(&r);
}

TEST_LIMIT(faults_calls_inline, 1200) { every_call(false); }
TEST_LIMIT(faults_calls_worker, 1200) { every_call(true); }
