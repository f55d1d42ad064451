/* test_worker.c -- worker mode as a trainer sees it: what arrives, what is skipped, what is refused at open, ranks,
 * forked children, and a trainer that ends. */
#define _GNU_SOURCE
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/worker_protocol.h"
#include "plugin/guest.h"
#include "tests/journal_rig.h"
#include "tests/worker_rig.h"

static bool has(const rig *r, const char *part) {
    if (strstr(buf_str(&r->said), part)) return true;
    return test_check(false, __FILE__, __LINE__, "\"%s\" was not said; said was: %s", part, buf_str(&r->said));
}

typedef struct heard {
    int n;
    int64_t step[64];
    char text[64][64];
} heard;
static void on_record(void *user, const glimpse_record *r) {
    heard *h = user;
    if (h->n >= 64) return;
    h->step[h->n] = r->step;
    if (r->n_samples) snprintf(h->text[h->n], 64, "%.*s", (int)r->samples->text_bytes, r->samples->text);
    h->n++;
}

/* The samples are those of inline mode, for weights as they were at the eval and not as they are afterwards. */
TEST(worker_samples_what_inline_samples) {
    extern const session_api glimpse_session_v1;
    heard h[2] = {0};
    session_use(&glimpse_session_v1);
    for (int mode = 0; mode < 2; mode++) {
        rig r;
        rig_open(&r, (const char *const[]){mode ? "mode=inline" : "mode=worker", "num_samples=2", NULL});
        REQUIRE(r.g != NULL);
        EXPECT_EQ(rig_workers(NULL, 0), mode ? 0 : 1);
        EXPECT_OK(glimpse_add_hook(r.g, on_record, &h[mode]));
        for (int step = 0; step < 5; step++) {
            EXPECT_OK(glimpse_eval(r.g, step, 2, 1));
            for (int i = 0; i < 16; i++) /* the trainer goes on at once */
                for (size_t k = 0; k < r.gpt.n[i]; k++) r.gpt.w[i][k] *= 0.9f;
            EXPECT_OK(glimpse_drain(r.g));
            EXPECT_EQ(h[mode].n, step + 1);
        }
        EXPECT_OK(glimpse_close(r.g));
        r.g = NULL;
        EXPECT_EQ(rig_workers(NULL, 0), 0); /* close waits for its end */
        EXPECT_EQ(rig_lines(&r, NULL, NULL), 5);
        rig_close(&r);
    }
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(h[0].step[i], h[1].step[i]);
        EXPECT(h[0].text[i][0] != 0);
        EXPECT_STREQ(h[0].text[i], h[1].text[i]);
    }
    EXPECT(strcmp(h[0].text[0], h[0].text[4]) != 0);
}

TEST(worker_keeps_the_schedule_without_copies) {
    rig r;
    rig_open(&r, (const char *const[]){"sample_each_eval=false", "when_busy=wait", NULL});
    REQUIRE(r.g != NULL);
    static const struct { double val; glimpse_status want; } evals[] = {
        {3.0, GLIMPSE_OK}, {3.5, GLIMPSE_NOT_DUE}, {2.9, GLIMPSE_OK}, {2.9, GLIMPSE_NOT_DUE}, {NAN, GLIMPSE_OK}, {2.8, GLIMPSE_OK}};
    for (int i = 0; i < 6; i++) {
        EXPECT_EQ(glimpse_eval(r.g, i * 10, 3, evals[i].val), evals[i].want);
        if (i % 2) EXPECT_OK(glimpse_drain(r.g)); /* with and without an answer in between */
    }
    EXPECT_OK(glimpse_close(r.g));
    EXPECT_STREQ(rig_status(&r, 10), "skipped");
    EXPECT_STREQ(rig_status(&r, 20), "ok");
    EXPECT(has(&r, "glimpse 10: no sample, val 3.50 \xe2\x89\xa5 best 3.00 @ 0 (--sample_each_eval)"));
    /* A run that is resumed knows its best from the journal, which only the worker reads. */
    rig_reopen(&r);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 60, 3, 2.85)); /* the guest cannot know yet */
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_STREQ(rig_status(&r, 60), "skipped");
    EXPECT_EQ(glimpse_eval(r.g, 70, 3, 2.84), GLIMPSE_NOT_DUE);
    EXPECT_EQ(glimpse_eval(r.g, 80, 3, 2.7), GLIMPSE_OK);
    glimpse_close(r.g);
    r.g = NULL;
    EXPECT_STREQ(rig_status(&r, 70), "skipped");
    EXPECT_STREQ(rig_status(&r, 80), "ok");
    EXPECT_EQ(rig_lines(&r, NULL, NULL), 9);
    rig_close(&r);
}

TEST(worker_eval_that_failed_is_owed) {
    rig r;
    rig_open(&r, (const char *const[]){"sample_each_eval=false", rig_prompts("IDS:1"), NULL});
    REQUIRE(r.g != NULL);
    rig_prompts("IDS:1000000");
    for (int i = 0; i < 2; i++) { /* the loss did not improve, but nothing has been sampled yet */
        glimpse_eval(r.g, i * 10, 3, 3);
        EXPECT(glimpse_drain(r.g) < 0);
        EXPECT_STREQ(rig_status(&r, i * 10), "failed");
    }
    rig_close(&r);
}

static pid_t the_worker(void) {
    pid_t pid = 0;
    EXPECT_EQ(rig_workers(&pid, 1), 1);
    return pid;
}

/* One that was due and could not be begun, too: else the best loss so far would be that of an eval that nobody saw. */
TEST(worker_eval_that_found_it_busy_is_owed) {
    rig r;
    rig_open(&r, (const char *const[]){"sample_each_eval=false", NULL});
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 3, 3));
    EXPECT_OK(glimpse_drain(r.g));
    pid_t pid = the_worker();
    kill(pid, SIGSTOP);
    EXPECT_EQ(glimpse_eval(r.g, 10, 3, 2.9), GLIMPSE_OK);
    EXPECT_EQ(glimpse_eval(r.g, 20, 3, 2.5), GLIMPSE_SKIPPED);
    kill(pid, SIGCONT);
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_EQ(glimpse_eval(r.g, 30, 3, 2.6), GLIMPSE_OK);
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_EQ(glimpse_eval(r.g, 40, 3, 2.6), GLIMPSE_NOT_DUE);
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    EXPECT_STREQ(rig_status(&r, 20), "skipped");
    EXPECT_STREQ(rig_status(&r, 30), "ok");
    EXPECT_STREQ(rig_status(&r, 40), "skipped");
    rig_close(&r);
}

/* The end of training is what everybody wants to see: a last eval that found the worker busy is sampled at close, if its weights
 * are still there, and is then what it would have been. */
TEST(worker_last_eval_that_was_skipped_is_made_up_at_close) {
    static const struct {
        int tensor; /* of which one number changes before close; -1 = none, -2 = the worker stays busy */
        const char *says;
    } cases[] = {{-1, "step 20 was skipped and is sampled now"},
                 {0, "not sampled now: the weights have changed since (leave the loop behind its last eval, or --glimpse_when_busy wait)"},
                 {3, "not sampled now: the weights have changed"}, {-2, "not sampled now: the worker is still busy"}};
    char want[64] = "";
    for (int c = -1; c < 4; c++) { /* -1: what it samples where nothing is skipped */
        rig r;
        heard h = {0};
        rig_open(&r, (const char *const[]){"close_timeout=20", "snapshots=2", NULL});
        REQUIRE(r.g != NULL);
        if (c == 3) EXPECT_OK(glimpse_close(r.g)), EXPECT_OK(glimpse_set(r.cfg, "close_timeout", "0.2")), rig_reopen(&r);
        EXPECT_OK(glimpse_add_hook(r.g, on_record, &h));
        EXPECT_OK(glimpse_eval(r.g, 0, 2, 3));
        EXPECT_OK(glimpse_drain(r.g));
        pid_t pid = the_worker();
        if (c >= 0) kill(pid, SIGSTOP);
        for (int i = 5; c >= 0 && i <= 10; i += 5) EXPECT_OK(glimpse_eval(r.g, i, 2, 3)); /* both slots */
        for (size_t k = 0; k < r.gpt.n[0]; k++) r.gpt.w[0][k] *= -0.5f;
        EXPECT_EQ(glimpse_eval(r.g, 20, 2, 3), c >= 0 ? GLIMPSE_SKIPPED : GLIMPSE_OK);
        if (c >= 0 && cases[c].tensor >= 0) r.gpt.w[cases[c].tensor][0] += 1e-3f;
        if (c < 3) kill(pid, SIGCONT);
        EXPECT_OK(glimpse_close(r.g));
        r.g = NULL;
        if (c == 3) kill(pid, SIGCONT), EXPECT(rig_wait_workers(0));
        if (c >= 0) EXPECT(has(&r, cases[c].says));
        EXPECT_STREQ(rig_status(&r, 20), c <= 0 ? "ok" : "skipped");
        EXPECT_STREQ(rig_status(&r, 10), c < 0 ? "" : "ok");
        if (c <= 0 && h.n) EXPECT_EQ(h.step[h.n - 1], 20);
        if (c < 0) snprintf(want, sizeof want, "%s", h.text[h.n - 1]);
        if (c == 0) EXPECT_STREQ(h.text[h.n - 1], want);
        EXPECT(want[0] && strcmp(want, h.text[0]));
        rig_close(&r);
    }
}

TEST(worker_busy_evals_are_skipped_or_wait) {
    rig r;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 3));
    EXPECT_OK(glimpse_drain(r.g));
    pid_t pid = the_worker();
    kill(pid, SIGSTOP);
    EXPECT_EQ(glimpse_eval(r.g, 10, 2, 3), GLIMPSE_OK);
    EXPECT_EQ(glimpse_eval(r.g, 20, 2, 3), GLIMPSE_SKIPPED);
    EXPECT_EQ(glimpse_eval(r.g, 30, 2, 3), GLIMPSE_SKIPPED);
    for (int i = 0; i < 2000; i++) EXPECT_EQ(glimpse_eval(r.g, 31 + i, 2, 3), GLIMPSE_SKIPPED); /* more than the socket holds */
    kill(pid, SIGCONT);
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_STREQ(rig_status(&r, 10), "ok");
    EXPECT_STREQ(rig_status(&r, 20), "skipped");
    EXPECT_STREQ(rig_status(&r, 30), "skipped");
    EXPECT(has(&r, "glimpse 20: no sample, still busy with step 10 (--glimpse_when_busy wait)"));
    EXPECT(has(&r, "evals are not in the journal: the worker took nothing"));
    rig_close(&r);
    rig_open(&r, (const char *const[]){"when_busy=wait", NULL});
    REQUIRE(r.g != NULL);
    for (int i = 0; i < 20; i++) EXPECT_OK(glimpse_eval(r.g, i, 2, 3));
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    for (int i = 0; i < 20; i++) EXPECT_STREQ(rig_status(&r, i), "ok");
    rig_close(&r);
}

typedef struct texts {
    int n;
    int64_t step[16];
    char text[16][64];
} texts;
static void keep_text(void *user, const glimpse_record *rec) {
    texts *t = user;
    if (!rec->n_samples || t->n >= 16) return;
    t->step[t->n] = rec->step;
    snprintf(t->text[t->n++], 64, "%.*s", (int)rec->samples->text_bytes, rec->samples->text);
}
static void weights_scale(rig *r, float by) {
    for (int i = 0; i < 16; i++)
        for (size_t k = 0; k < r->gpt.n[i]; k++) r->gpt.w[i][k] *= by;
}

/* --snapshots 2: the next eval is copied while the one before is in hand, each is sampled with its own weights, also by
 * the next worker where the first dies; a third is skipped. */
TEST(worker_two_snapshots) {
    extern const session_api glimpse_session_v1;
    texts want = {0}, got = {0}, after = {0};
    rig r;
    session_use(&glimpse_session_v1);
    rig_open(&r, (const char *const[]){"mode=inline", NULL});
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_add_hook(r.g, keep_text, &want));
    for (int i = 0; i < 4; i++, weights_scale(&r, 0.5f)) EXPECT_OK(glimpse_eval(r.g, i, 2, 1));
    rig_close(&r);
    EXPECT(want.n == 4 && strcmp(want.text[0], want.text[1]) && strcmp(want.text[1], want.text[2]) && strcmp(want.text[2], want.text[3]));
    rig_open(&r, (const char *const[]){"snapshots=2", NULL});
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_add_hook(r.g, keep_text, &got));
    for (int i = 0; i < 4; i += 2) {
        pid_t pid = the_worker();
        kill(pid, SIGSTOP);
        for (int k = i; k < i + 2; k++, weights_scale(&r, 0.5f)) EXPECT_EQ(glimpse_eval(r.g, k, 2, 1), GLIMPSE_OK);
        EXPECT_EQ(glimpse_eval(r.g, 100 + i, 2, 1), GLIMPSE_SKIPPED);
        kill(pid, SIGCONT);
        EXPECT_OK(glimpse_drain(r.g));
    }
    EXPECT_EQ(got.n, 4);
    for (int i = 0; i < got.n; i++) EXPECT(got.step[i] == i && strcmp(got.text[i], want.text[i]) == 0);
    EXPECT_STREQ(rig_status(&r, 100), "skipped");
    EXPECT(has(&r, "glimpse 100: no sample, still busy with step 0"));
    rig_close(&r);
    rig_open(&r, (const char *const[]){"snapshots=2", NULL});
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_add_hook(r.g, keep_text, &after));
    pid_t pid = the_worker();
    kill(pid, SIGSTOP);
    for (int k = 0; k < 2; k++, weights_scale(&r, 0.5f)) EXPECT_EQ(glimpse_eval(r.g, k, 2, 1), GLIMPSE_OK);
    kill(pid, SIGKILL);
    EXPECT(rig_wait_end(pid));
    EXPECT_EQ(glimpse_drain(r.g), GLIMPSE_E_WORKER);
    EXPECT_EQ(after.n, 1);
    EXPECT(after.step[0] == 1 && strcmp(after.text[0], want.text[1]) == 0);
    EXPECT_STREQ(rig_status(&r, 0), "failed");
    EXPECT_STREQ(rig_status(&r, 1), "ok");
    EXPECT_EQ(rig_lines(&r, NULL, NULL), 2);
    rig_close(&r);
    rig_open(&r, (const char *const[]){"snapshots=2", "when_busy=wait", NULL});
    REQUIRE(r.g != NULL);
    for (int i = 0; i < 20; i++) EXPECT_OK(glimpse_eval(r.g, i, 2, 3));
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    for (int i = 0; i < 20; i++) EXPECT_STREQ(rig_status(&r, i), "ok");
    rig_close(&r);
}

/* Killed while it rests: no eval is lost, and the second line that says on is explained. */
TEST(worker_killed_between_evals_is_told) {
    rig r;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 3));
    EXPECT_OK(glimpse_drain(r.g));
    pid_t pid = the_worker();
    kill(pid, SIGKILL);
    EXPECT(rig_wait_end(pid));
    EXPECT_OK(glimpse_eval(r.g, 1, 2, 2));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT(has(&r, "glimpse: the worker died between two evals: signal 9 (SIGKILL)"));
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    const char *first = strstr(buf_str(&r.said), "the worker died");
    EXPECT(first && !strstr(first + 1, "the worker died"));
    for (int i = 0; i < 2; i++) EXPECT_STREQ(rig_status(&r, i), "ok");
    rig_close(&r);
}

static int no_logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user, (void)B, (void)T, (void)ids, (void)lengths, (void)out;
    return 1;
}

TEST(worker_refusals_are_said_once_at_open) {
    static const struct { const char *option, *worker, *said; } cases[] = {
        {"out_dir=/proc/nowhere", NULL, "glimpse: cannot make the directory /proc/nowhere"},
        {"sample_start_tokens=-", NULL, "standard input"},
        {"tokenizer=/nowhere/tokenizer.json", NULL, "/nowhere/tokenizer.json"},
        {"seed=1", "/nowhere/glimpse", "glimpse: off: GLIMPSE_WORKER=/nowhere/glimpse is no program\nhint: set it"},
        {"seed=1", "/bin/true", "glimpse: off: the worker /bin/true ended before it was ready"},
        {"seed=1", "/etc/passwd", "is no program"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig r;
        rig_open(&r, NULL);
        REQUIRE(r.g != NULL);
        EXPECT_OK(glimpse_close(r.g));
        buf_clear(&r.said);
        const char *equals = strchr(cases[i].option, '=');
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)(equals - cases[i].option), cases[i].option);
        EXPECT_OK(glimpse_set(r.cfg, name, equals + 1));
        if (cases[i].worker) setenv("GLIMPSE_WORKER", cases[i].worker, 1);
        rig_reopen(&r);
        EXPECT(r.g == NULL);
        if (has(&r, cases[i].said)) {
            const char *first = strstr(buf_str(&r.said), cases[i].said);
            EXPECT(strstr(first + 1, cases[i].said) == NULL);
        }
        EXPECT(glimpse_error()[0] != 0);
        EXPECT(rig_wait_workers(0));
        rig_close(&r);
    }
    rig r;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    glimpse_request q = GLIMPSE_REQUEST_INIT;
    glimpse_record *rec = NULL;
    q.text = "a";
    EXPECT_ERR(glimpse_generate(r.g, &q, &rec), GLIMPSE_E_STATE, "--glimpse_mode inline");
    EXPECT_ERR(glimpse_score(r.g, &q, &rec), GLIMPSE_E_STATE, "--glimpse_mode inline");
    glimpse_close(r.g);
    r.gpt.model.logits = no_logits;
    rig_reopen(&r);
    EXPECT(r.g == NULL && has(&r, "a model given as a function"));
    rig_close(&r);
}

TEST(worker_checks_the_model) {
    rig r;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    int32_t ids[2 * 8], targets[2 * 8];
    for (int i = 0; i < 16; i++) ids[i] = i * 7 % 40, targets[i] = (i * 5 + 3) % 40;
    EXPECT_ERR(glimpse_check(r.g, ids, targets, 2, 8, 99), GLIMPSE_E_CHECK, "MODEL CHECK FAILED");
    const char *at = strstr(glimpse_error(), "the loss is ");
    if (!at) at = strstr(glimpse_error(), "loss is ");
    REQUIRE(at != NULL);
    at += strcspn(at, "0123456789");
    double loss = strtod(at, NULL);
    EXPECT_OK(glimpse_check(r.g, ids, targets, 2, 8, loss)); /* and a later check mends it */
    EXPECT_ERR(glimpse_check(r.g, NULL, targets, 2, 8, loss), GLIMPSE_E_INVALID, NULL);
    EXPECT_ERR(glimpse_check(r.g, ids, targets, 0, 8, loss), GLIMPSE_E_INVALID, NULL);
    EXPECT(has(&r, "glimpse: MODEL CHECK FAILED"));
    static int32_t many[2][64 * 60]; /* more than one message holds */
    for (int i = 0; i < 64 * 60; i++) many[0][i] = i % 40, many[1][i] = (i + 1) % 40;
    EXPECT_ERR(glimpse_check(r.g, many[0], many[1], 64, 60, 99), GLIMPSE_E_CHECK, NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 3));
    EXPECT_OK(glimpse_drain(r.g));
    rig_close(&r);
}

TEST(worker_other_ranks_are_off_without_a_word) {
    static const char *const names[][2] = {{"RANK", "WORLD_SIZE"}, {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                           {"PMI_RANK", "PMI_SIZE"}, {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
    for (int i = 0; i < 4; i++) {
        rig r;
        setenv(names[i][0], "3", 1);
        setenv(names[i][1], "4", 1);
        rig_open(&r, NULL);
        EXPECT(r.g == NULL);
        EXPECT_STREQ(buf_str(&r.said), "");
        EXPECT(strstr(glimpse_error(), "rank 3"));
        EXPECT_OK(glimpse_set(r.cfg, "sample_rank", "3"));
        rig_reopen(&r);
        EXPECT(r.g != NULL);
        EXPECT(!strstr(buf_str(&r.said), "rank")); /* as it was asked for */
        rig_close(&r);
        unsetenv(names[i][0]);
        unsetenv(names[i][1]);
    }
}

/* Silence is only where another rank speaks: one line a job. */
TEST(worker_rank_that_samples_is_named) {
    static const struct { const char *rank, *size, *wanted, *said; bool on; } rows[] = {
        {"0", "8", NULL, "glimpse: of 8 ranks (RANK) rank 0 samples; --glimpse_sample_rank -1: every one", true},
        {"0", "8", "0", "", true},                                   /* as it was asked for */
        {"0", "1", NULL, "", true}, {"0", NULL, NULL, "", true},
        {"1", NULL, NULL, "off: this is rank 1 (RANK), rank 0 samples", false}, /* left over in the environment */
        {"1", "1", NULL, "off: this is rank 1 (RANK), rank 0 samples", false},
        {"1", "2", "2", "off: this is rank 1 (RANK), rank 2 samples", false}, /* nobody would */
        {"1", "2", NULL, "", false},
        {"1", "2", "-1", "", true}, {"1", NULL, "-1", "", true}, {"0", "2", "-1", "", true},
        {"x", "2", NULL, "", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig r;
        setenv("RANK", rows[i].rank, 1);
        if (rows[i].size) setenv("WORLD_SIZE", rows[i].size, 1);
        else unsetenv("WORLD_SIZE");
        rig_prepare(&r, NULL);
        if (rows[i].wanted) EXPECT_OK(glimpse_set(r.cfg, "sample_rank", rows[i].wanted));
        rig_reopen(&r);
        test_check((r.g != NULL) == rows[i].on, __FILE__, __LINE__, "row %zu is %s", i, r.g ? "on" : "off");
        if (*rows[i].said) EXPECT(has(&r, rows[i].said));
        else EXPECT(!strstr(buf_str(&r.said), "rank"));
        rig_close(&r);
    }
    unsetenv("RANK");
    unsetenv("WORLD_SIZE");
}

/* Two ranks that were given one directory: the second one's evals fail by name, the first one's are as alone. */
TEST(worker_every_rank_needs_a_directory_of_its_own) {
    static const char *const every[] = {"sample_rank=-1", "close_timeout=1", NULL};
    int go[2], status;
    char byte;
    rig r;
    setenv("RANK", "1", 1);
    REQUIRE(test_tmpdir() && pipe(go) == 0);
    pid_t other = fork();
    if (other == 0) { /* its first directory has the same name */
        close(go[1]);
        if (read(go[0], &byte, 1) != 1) _exit(2);
        rig_open(&r, every);
        glimpse_eval(r.g, 0, 2, 1);
        bool failed = r.g && glimpse_drain(r.g) == GLIMPSE_E_BUSY && has(&r, r.dir);
        rig_close(&r);
        _exit(failed ? 0 : 1);
    }
    close(go[0]);
    rig_open(&r, every);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT(write(go[1], "", 1) == 1);
    EXPECT(waitpid(other, &status, 0) == other && status == 0);
    EXPECT_OK(glimpse_eval(r.g, 1, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_EQ(rig_lines(&r, NULL, NULL), 2);
    rig_close(&r);
    close(go[1]);
    unsetenv("RANK");
}

TEST(worker_calls_of_a_forked_child_do_nothing) {
    rig r;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 3));
    pid_t child = fork();
    if (child == 0) {
        bool ok = glimpse_eval(r.g, 1, 2, 3) == GLIMPSE_NOT_DUE && glimpse_drain(r.g) == GLIMPSE_OK && glimpse_close(r.g) == GLIMPSE_OK;
        _exit(ok ? 0 : 1);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    EXPECT_OK(glimpse_eval(r.g, 2, 2, 3) > 0 ? GLIMPSE_OK : GLIMPSE_OK);
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_STREQ(rig_status(&r, 0), "ok");
    EXPECT_STREQ(rig_status(&r, 1), "");
    rig_close(&r);
}

/* The file is read by a worker: nothing of the session is ever loaded into the trainer. */
TEST(worker_reads_the_configuration_file) {
    char path[4200], option[4300];
    rig r;
    snprintf(path, sizeof path, "%s/c.json", test_tmpdir());
    snprintf(option, sizeof option, "config=%s", path);
    const char json[] = "{\"num_samples\": 3, \"max_sample_tokens\": 5}";
    EXPECT_OK(file_write_atomic(path, json, strlen(json), false));
    rig_open(&r, (const char *const[]){option, NULL});
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT(has(&r, "1 of 3")); /* from the file */
    EXPECT(has(&r, "3\xc3\x97""12 tokens")); /* a flag beats it */
    glimpse_close(r.g);
    const char bad[] = "{\"num_samples\": \"many\"}";
    EXPECT_OK(file_write_atomic(path, bad, strlen(bad), false));
    buf_clear(&r.said);
    rig_reopen(&r);
    EXPECT(r.g == NULL && has(&r, "num_samples"));
    EXPECT(rig_wait_workers(0));
    rig_close(&r);
}

/* Seconds until none of the processes is left. */
static double seconds_until_gone(const pid_t *pids, int n) {
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    for (int i = 0; i < n; i++) EXPECT(rig_wait_end(pids[i]));
    clock_gettime(CLOCK_MONOTONIC, &t1);
    return (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
}

/* A trainer that is killed with an eval in hand, and a forked child of its own that lives on and holds the socket: the eval
 * is finished, then nothing is left of the worker, within two seconds where the eval is short. */
TEST_TIMED(worker_ends_with_its_trainer, 120) {
    char dir[4096], path[4200];
    for (int i = 0; i < 3; i++) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        pid_t trainer = fork();
        if (trainer == 0) {
            rig r;
            rig_open(&r, i == 2 ? (const char *const[]){"max_sample_tokens=63", "num_samples=64", NULL} : NULL);
            if (!r.g) _exit(1);
            pid_t pids[3] = {0, 0, 0};
            rig_workers(pids, 1);
            rig_keepers(pids + 2, 1);
            if (i == 1 && (pids[1] = fork()) == 0) {
                sleep(20);
                _exit(0);
            }
            glimpse_eval(r.g, 0, 2, 3);
            if (write(ends[1], pids, sizeof pids) != sizeof pids || write(ends[1], r.dir, sizeof r.dir) != sizeof r.dir) _exit(1);
            raise(SIGKILL);
        }
        pid_t pids[3];
        int status;
        EXPECT_EQ(read(ends[0], pids, sizeof pids), sizeof pids);
        EXPECT_EQ(read(ends[0], dir, sizeof dir), sizeof dir);
        waitpid(trainer, &status, 0);
        EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        const double took = seconds_until_gone((const pid_t[]){pids[0], pids[2]}, 2);
        if (i < 2) EXPECT_LE(took, test_is_slow_build() ? 20 : 2); /* the last has a long eval in hand */
        EXPECT(pids[2] > 0);
        DIR *shm = opendir("/dev/shm");
        for (struct dirent *e; shm && (e = readdir(shm));) EXPECT(!strstr(e->d_name, "glimpse"));
        if (shm) closedir(shm);
        if (pids[1]) kill(pids[1], SIGKILL);
        /* The eval in hand is there, and nobody holds the directory. */
        rig r = {0};
        snprintf(r.dir, sizeof r.dir, "%s", dir);
        EXPECT_STREQ(rig_status(&r, 0), "ok");
        journal *j;
        journal_state state;
        if (EXPECT_OK(journal_take(dir, 5, 0, NULL, "gpt2", 1, &j, &state))) journal_close(j);
        snprintf(path, sizeof path, "%s/evals", dir);
        close(ends[0]);
        close(ends[1]);
    }
}

/* The table of the API names every function in its place: each entry does what the function of that name does. */
TEST(api_table_is_the_api) {
    const glimpse_api *api = &glimpse_api_v1;
    EXPECT_EQ(api->size, sizeof *api);
    EXPECT_EQ(api->version, 1);
    const void *const *entry = (const void *const *)(const void *)&api->status_text;
    size_t n = (sizeof *api - offsetof(glimpse_api, status_text)) / sizeof *entry;
    EXPECT_EQ(n, 27); /* the functions of glimpse.h */
    for (size_t i = 0; i < n; i++) {
        EXPECT(entry[i] != NULL);
        for (size_t k = 0; k < i; k++) EXPECT(entry[i] != entry[k]);
    }
}

TEST(api_loaded_at_run_time) {
    buffer cmd = {0}, said = {0};
    char path[4200];
    snprintf(path, sizeof path, "%s/dlopen_loop", test_build_dir());
    if (access(path, X_OK) != 0) SKIP("examples are not built");
    buf_printf(&cmd, "cd '%s' && GLIMPSE_LIBRARY='%s/libglimpse.so.0' GLIMPSE_ARGS='--max_sample_tokens 9 --when_busy wait "
               "--sample_each_eval' '%s' >answer 2>&1 && GLIMPSE_LIBRARY=/nowhere.so '%s' >>answer 2>&1", test_tmpdir(),
               test_build_dir(), path, path);
    EXPECT_EQ(system(buf_str(&cmd)), 0);
    snprintf(path, sizeof path, "%s/answer", test_tmpdir());
    EXPECT_OK(file_read_all(path, 1 << 20, &said));
    EXPECT(strstr(buf_str(&said), "glimpse  step 40"));
    EXPECT(strstr(buf_str(&said), "training without Glimpse: /nowhere.so"));
    buf_free(&cmd), buf_free(&said);
}

/* Every number of a description reaches the worker: those from n_layers to the tokenizer, and those appended since. */
TEST(worker_is_told_the_whole_description) {
    hello h = { .build_id = "x", .o = options_new(), .model = GLIMPSE_MODEL_INIT }, got;
    char *m = (char *)&h.model;
    size_t from = offsetof(glimpse_model, n_layers), to = offsetof(glimpse_model, tokenizer);
    size_t more = offsetof(glimpse_model, window_from), end = offsetof(glimpse_model, rope_factors_long) + sizeof h.model.rope_factors_long;
    for (size_t i = from; i < to; i++) m[i] = (char)(i * 7 + 1);
    for (size_t i = more; i < end; i++) m[i] = (char)(i * 11 + 3);
    buffer packed = {0};
    REQUIRE_OK(hello_pack(&h, &packed));
    REQUIRE_OK(hello_unpack(packed.bytes, packed.n, &got));
    EXPECT_MEM((char *)&got.model + from, m + from, to - from);
    EXPECT_MEM((char *)&got.model + more, m + more, end - more);
    hello_free(&got);
    options_free(h.o);
    buf_free(&packed);
}
