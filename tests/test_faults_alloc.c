/* test_faults_alloc.c -- every allocation of open, two evals and close fails in turn: an error that is said or success, no
 * crash, the weights untouched, no acknowledged eval lost, the journal whole, and the next run goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/guest.h"
#include "tests/faults.h"
#include "tests/worker_rig.h"
#include "viz/tensorboard.h"

extern const session_api glimpse_session_v1;
enum { A_DIRECTORY = 40, MOST_STEPS = 4 * A_DIRECTORY };

static uint32_t weights(const tiny_gpt *g) {
    uint32_t sum = 0;
    for (int i = 0; i < 16; i++) sum = sum * 31 + crc32c(g->w[i], g->n[i] * sizeof(float));
    return sum;
}

static void mark_step(void *user, const glimpse_record *r) {
    if (r->step < MOST_STEPS && !strcmp(r->status, "ok")) ((char *)user)[r->step] = 1;
}

TEST_LIMIT(faults_allocations, 1200) {
    char acked[MOST_STEPS] = {0}, seen[MOST_STEPS], base[4096], path[4300];
    int64_t runs = 0, lost = 0, bad = 0, silent = 0, changed = 0, errors = 0;
    int step = 1;
    long calls = 0;
    rig r;
    session_use(&glimpse_session_v1);
    rig_open(&r, (const char *const[]){"mode=inline", "max_sample_tokens=2", "threads=1", "sheets=true", NULL});
    glimpse_close(r.g);
    snprintf(base, sizeof base, "%s", r.dir);
    const uint32_t sum = weights(&r.gpt);
    const long stride = test_is_full() ? 1 : 9;
    bool over = false;
    for (long n = 1; !over; n += stride) {
        if (runs % A_DIRECTORY == 0) {
            snprintf(r.dir, sizeof r.dir, "%.4000s-%d", base, (int)(runs / A_DIRECTORY));
            glimpse_set(r.cfg, "out_dir", r.dir);
            memset(acked, 0, sizeof acked);
            step = 1;
        }
        buf_free(&r.said); /* its memory may have been refused: a buffer remembers */
        test_fail_alloc(n);
        rig_reopen(&r);
        bool failed = !r.g;
        for (int i = 0; i < 2 && r.g; i++) {
            glimpse_status st = glimpse_eval(r.g, step + i, 2, 1);
            if (st == GLIMPSE_OK) acked[step + i] = 1;
            else failed = true;
        }
        glimpse_close(r.g);
        r.g = NULL;
        long seen_calls = test_fail_alloc(0);
        over = seen_calls < n;
        calls = seen_calls;
        runs++;
        step += 2;
        errors += failed;
        silent += failed && r.said.n == 0 && !r.said.failed;
        changed += weights(&r.gpt) != sum;
        if (runs % 10 && !over) continue;
        buf_free(&r.said);
        rig_reopen(&r);
        bool fine = r.g && glimpse_eval(r.g, step, 2, 1) == GLIMPSE_OK;
        if (fine) acked[step] = 1;
        step++;
        glimpse_close(r.g);
        r.g = NULL;
        journal_walk w = {0};
        struct stat s;
        memset(seen, 0, sizeof seen);
        snprintf(path, sizeof path, "%s/evals.jsonl", r.dir);
        fault_walk(path, &w, mark_step, seen);
        bad += w.bad || !fine || stat(path, &s) || s.st_size != w.at;
        for (int k = 0; k < step; k++) lost += acked[k] && !seen[k];
        if (bad + lost + silent + changed == 0) continue;
        printf("before allocation %ld: %s\n", n, buf_str(&r.said));
        break;
    }
    fault_row(!lost && !bad && !silent && !changed, "memory.inline", "%ld allocations, each failing: %lld runs, %lld with an error; %lld "
              "without a word, %lld acknowledged evals lost, %lld journals not whole, weights changed %lld times", calls, (long long)runs,
              (long long)errors, (long long)silent, (long long)lost, (long long)bad, (long long)changed);
    rig_close(&r);
}
