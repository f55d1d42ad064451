/* test_faults_power.c -- power cuts: a run is logged as a file system sees it (power_cut.h), cut after every operation,
 * and the real code goes on with each tree that the cut may have left.  No acknowledged eval is lost. */
#include "tests/power_cut.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/faults.h"
#include "tests/tiny_gpt.h"

static void hear_nothing(void *user, const char *line) { (void)user, (void)line; }

typedef struct ack {
    int at;        /* operations when it was acknowledged */
    buffer line;   /* what the journal's line says */
} ack;
static ack acks[64];
static int n_acks;

static options *options_for(const char *dir) {
    options *o = options_new();
    static const struct {
        opt_id id;
        const char *value;
    } set[] = {{OPT_max_sample_tokens, "3"}, {OPT_sample_each_eval, "true"}, {OPT_sheets, "false"}, {OPT_threads, "1"}};
    EXPECT_OK(options_set(o, OPT_out_dir, dir, OPT_LEVEL_FLAG));
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) EXPECT_OK(options_set(o, set[i].id, set[i].value, OPT_LEVEL_FLAG));
    return o;
}

/* Open a session in `dir`, evaluate at these steps, close; what is acknowledged is remembered if `log`. */
static bool evals(const tiny_gpt *gpt, const char *dir, const int *steps, int n, bool log) {
    session_host host = {.log = hear_nothing};
    options *o = options_for(dir);
    session *s = NULL;
    bool ok = EXPECT_OK(session_open(o, &gpt->model, &host, &s));
    for (int i = 0; ok && i < n; i++) {
        ok = EXPECT_OK(session_eval(s, steps[i], 2, 1));
        if (!ok || !log) continue;
        char *path = path_join(dir, "evals.jsonl");
        buffer all = {0};
        ack *a = &acks[n_acks++];
        a->at = power_log_length();
        EXPECT_OK(file_read_all(path, 1 << 28, &all));
        size_t from = all.n - 1;
        while (from > 0 && all.bytes[from - 1] != '\n') from--;
        buf_put(&a->line, all.bytes + from, all.n - from);
        buf_free(&all);
        free(path);
    }
    session_close(s);
    options_free(o);
    return ok;
}

/* How often a line stands in the journals of a directory. */
static int count_line(const char *dir, const buffer *line) {
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t k = strlen(e->d_name);
        if (strncmp(e->d_name, "evals.", 6) || k < 6 || strcmp(e->d_name + k - 6, ".jsonl")) continue;
        char *path = path_join(dir, e->d_name);
        buffer all = {0};
        if (EXPECT_OK(file_read_all(path, 1 << 28, &all)))
            for (const char *p = all.bytes; p && (p = memmem(p, all.n - (size_t)(p - all.bytes), line->bytes, line->n)); p++) n++;
        buf_free(&all);
        free(path);
    }
    if (d) closedir(d);
    return n;
}

static int64_t lost, twice, stuck, trees;

static void check_tree(const tiny_gpt *gpt, const char *root, int at, bool redraw) {
    char dir[4300], fresh[4300];
    static const int next[] = {1000};
    snprintf(dir, sizeof dir, "%s/a/out", root);
    snprintf(fresh, sizeof fresh, "%s/again/out", test_tmpdir());
    trees++;
    if (!evals(gpt, dir, next, 1, false)) {
        stuck++;
        return;
    }
    for (int i = 0; i < n_acks && acks[i].at <= at; i++) {
        int n = count_line(dir, &acks[i].line);
        lost += n == 0;
        twice += n > 1;
    }
    if (!redraw) return;
    if (fault_report(dir, fresh) < 0) stuck++;
    fault_remove(fresh);
}

TEST_LIMIT(faults_power_cut, 1500) {
    char root[4200], dir[4300], cut[4200];
    tiny_gpt gpt;
    uint64_t random = 7;
    static const int first[] = {0, 10, 20}, resumed[] = {20, 30}, anew[] = {0, 10};
    tiny_gpt_make(&gpt, 1, 1, 8, 40, 32, -1, 7);
    snprintf(root, sizeof root, "%s/run", test_tmpdir());
    snprintf(cut, sizeof cut, "%s/cut", test_tmpdir());
    snprintf(dir, sizeof dir, "%s/a/out", root);
    REQUIRE_OK(mkdir_p(root));
    power_log_begin(root);
    bool ran = evals(&gpt, dir, first, 3, true) && evals(&gpt, dir, resumed, 2, true) && evals(&gpt, dir, anew, 2, true);
    power_log_end();
    REQUIRE(ran);
    EXPECT_EQ(n_acks, 7);
    int n = power_log_length(), stride = test_is_full() ? 1 : 11, randoms = test_is_full() ? 12 : 1;
    for (int at = 0; at <= n; at += stride)
        for (int p = 0; p < POWER_RANDOM + randoms; p++) {
            if (!test_is_full() && p < POWER_RANDOM && (at / stride) % 4 != p) continue;
            REQUIRE(power_build(cut, at, p < POWER_RANDOM ? (power_policy)p : POWER_RANDOM, &random));
            check_tree(&gpt, cut, at, test_is_full() || at % 5 == 0);
            if (lost || stuck) printf("first at operation %d of %d, policy %d\n", at, n, p);
            if (lost || stuck) goto out;
        }
out:
    fault_row(!lost && !twice && !stuck, "power.simulated", "%d operations, cut after each: %lld trees, %d evals acknowledged, %lld "
              "lost, %lld twice, %lld times no going on", n, (long long)trees, n_acks, (long long)lost, (long long)twice, (long long)stuck);
    for (int i = 0; i < n_acks; i++) buf_free(&acks[i].line);
    tiny_gpt_free(&gpt);
}
