/* test_session_dir.c -- a session and the directory that another run has, or had: where its own run begins, what becomes of the
 * older one, and what is said. */
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_log(void *user, const char *line) {
    buf_puts(user, line);
    buf_putc(user, '\n');
}

static bool is_taken(void *user, const char *dir) {
    (void)user, (void)dir;
    return true;
}

typedef struct stage {
    tiny_gpt g;
    buffer log;
    session_host host;
    options *o;
    char run[16]; /* of the run that was there first */
} stage;

static session *opened(stage *t) {
    session *s = NULL;
    buf_clear(&t->log);
    EXPECT_OK(session_open(t->o, &t->g.model, &t->host, &s));
    return s;
}

/* An older run of steps 0, 50 and 100. */
static void make(stage *t) {
    *t = (stage){0};
    t->host = (session_host){.user = &t->log, .log = on_log};
    tiny_gpt_make(&t->g, 1, 1, 16, 60, 32, -1, 12);
    t->o = options_new();
    EXPECT_OK(options_set(t->o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(t->o, OPT_max_sample_tokens, "3", OPT_LEVEL_FLAG));
    session *s = opened(t);
    for (int step = 0; step <= 100; step += 50) EXPECT_OK(session_eval(s, step, 3, 3 - step * 0.01));
    memcpy(t->run, s->js.run, sizeof t->run);
    session_close(s);
}

static void drop(stage *t) {
    options_free(t->o);
    tiny_gpt_free(&t->g);
    buf_free(&t->log);
}

static glimpse_status steps(void *user, owned_record *r) {
    buf_printf(user, "%s%lld ", !strcmp(r->record.status, "failed") ? "!" : "", (long long)r->record.step);
    return GLIMPSE_OK;
}

static const char *journal_steps(buffer *b) {
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    int64_t unread;
    buf_clear(b);
    EXPECT_OK(journal_read(path, steps, b, &unread));
    free(path);
    return buf_str(b);
}

TEST(session_begins_with_its_first_eval_also_where_it_could_not_write) {
    static const int firsts[] = {0, 50, 0}; /* the last: a worker before this session has seen step 0 */
    for (int i = 0; i < 3; i++) {
        stage t;
        buffer b = {0};
        int lock;
        make(&t);
        REQUIRE_OK(journal_lock(test_tmpdir(), &lock));
        t.host.taken = is_taken;
        t.host.begun = i == 2;
        session *s = opened(&t);
        const char *busy = strstr(buf_str(&t.log), "another run is writing here"), *on = strstr(buf_str(&t.log), "glimpse: on:");
        EXPECT(busy && on && busy < on);
        if (i < 2) EXPECT_ERR(session_eval(s, firsts[i], 3, 3), GLIMPSE_E_BUSY, "another run is writing here");
        close(lock);
        EXPECT_OK(session_eval(s, 150, 3, 1));
        bool older = !strcmp(s->js.run, t.run);
        EXPECT_EQ(older, i == 1);
        EXPECT_EQ(strstr(buf_str(&t.log), "a new run; the older one is kept as") != NULL, i != 1);
        EXPECT_STREQ(journal_steps(&b), i == 1 ? "0 50 100 150 " : "150 ");
        EXPECT_EQ(strstr(buf_str(&t.log), "left behind") != NULL, false);
        session_close(s);
        char *path = path_join(test_tmpdir(), "evals.jsonl");
        unlink(path); /* the next round's older run begins anew */
        free(path);
        buf_free(&b);
        drop(&t);
    }
    EXPECT_STREQ(glimpse_status_text(GLIMPSE_E_BUSY), "another run is writing in this directory");
}

TEST(session_says_what_a_resume_leaves_behind) {
    stage t;
    buffer b = {0}, want = {0};
    make(&t);
    session *s = opened(&t);
    EXPECT_OK(session_eval(s, 20, 3, 1));
    buf_printf(&want, "glimpse: continues run %s at step 20; its steps 50 to 100 are left behind\n", t.run);
    EXPECT(strstr(buf_str(&t.log), buf_str(&want)));
    EXPECT_STREQ(journal_steps(&b), "0 20 ");
    session_close(s);
    buf_free(&b), buf_free(&want);
    drop(&t);
}

/* Loops that evaluate after a step, or after an epoch, have no eval at step 0. */
TEST(session_whose_first_eval_would_leave_nothing_of_the_older_run_sets_it_aside) {
    static const struct { int from, to; bool anew; const char *steps, *said; } runs[] = {
        {100, 300, true, "100 200 300 ", "a new run; the older one is kept as"},
        {100, 200, true, "100 200 ", "a new run; the older one is kept as"},
        {50, 50, true, "50 ", "a new run; the older one is kept as"},
        {150, 250, false, "50 150 250 ", ", whose last step was 50"},
        {150, 150, false, "50 150 ", "at step 150; its steps 150 to 250 are left behind"},
    };
    stage t;
    buffer b = {0};
    make(&t);
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    unlink(path);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        session *s = opened(&t);
        for (int step = runs[i].from; step <= runs[i].to; step += 100) EXPECT_OK(session_eval(s, step, 3, NAN));
        EXPECT_EQ(strcmp(s->js.run, t.run) != 0, runs[i].anew);
        memcpy(t.run, s->js.run, sizeof t.run);
        session_close(s);
        EXPECT_STREQ(journal_steps(&b), runs[i].steps);
        EXPECT_EQ(strstr(buf_str(&t.log), runs[i].said) != NULL, i > 0); /* in an empty directory nothing is said */
    }
    free(path);
    buf_free(&b);
    drop(&t);
}

TEST(session_says_that_a_step_which_falls_leaves_evals_behind) {
    static const int counted[] = {0, 50, 50, 100, 10, 60}; /* an eval twice at one step is none of it */
    stage t;
    buffer b = {0};
    make(&t);
    session *s = opened(&t);
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        buf_clear(&t.log);
        EXPECT_OK(session_eval(s, counted[i], 3, NAN));
        EXPECT_EQ(strstr(buf_str(&t.log), "step 10 after step 100: the evals from there on are left behind") != NULL, counted[i] == 10);
    }
    session_close(s);
    EXPECT_STREQ(journal_steps(&b), "0 10 60 ");
    buf_free(&b);
    drop(&t);
}

static int flat(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user, (void)T, (void)ids, (void)lengths;
    for (int i = 0; i < B * 6; i++) out[i] = 0;
    return 0;
}

/* A character model of names: no newline, which is the default prompt, with a BOS and without.  A function, which has no weights. */
TEST(session_begins_where_nobody_gave_a_prompt) {
    static const char letters[] = "abcdef";
    const char *pieces[6];
    const int32_t one[6] = {1, 1, 1, 1, 1, 1};
    for (int i = 0; i < 6; i++) pieces[i] = &letters[i];
    for (int round = 0; round < 4; round++) {
        stage t = {0};
        session *s = NULL;
        t.host = (session_host){.user = &t.log, .log = on_log};
        glimpse_model m = GLIMPSE_MODEL_INIT;
        m.logits = flat, m.vocab_size = 6, m.max_seq_len = 16, m.bos = round ? -1 : 5;
        m.tokenizer.pieces = pieces, m.tokenizer.piece_bytes = one, m.tokenizer.n_pieces = 6;
        t.o = options_new();
        EXPECT_OK(options_set(t.o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
        EXPECT_OK(options_set(t.o, OPT_max_sample_tokens, "3", OPT_LEVEL_FLAG));
        EXPECT_OK(options_set(t.o, OPT_save_snapshots, "true", OPT_LEVEL_FLAG));
        if (round >= 2) { /* somebody did; a negative prompt that cannot be encoded would guide by something else */
            EXPECT_OK(options_set(t.o, round == 2 ? OPT_sample_start_tokens : OPT_negative_prompt, "ab\\n", OPT_LEVEL_FLAG));
            EXPECT_OK(options_set(t.o, OPT_guidance_scale, round == 2 ? "1" : "2", OPT_LEVEL_FLAG));
            EXPECT_ERR(session_open(t.o, &m, &t.host, &s), GLIMPSE_E_TOKENIZER, "is not in the vocabulary");
        } else {
            REQUIRE_OK(session_open(t.o, &m, &t.host, &s));
            EXPECT_OK(session_eval(s, 0, 3, 3));
            EXPECT_OK(session_eval(s, 10, 3, 2));
            EXPECT(strstr(buf_str(&t.log), round ? "the vocabulary has no newline: samples begin with id 0" : "the vocabulary has no newline: samples begin with the BOS token\n"));
            EXPECT_EQ(s->before->record.samples->prompt_ids[0], round ? 0 : 5);
            const char *said = strstr(buf_str(&t.log), "save_snapshots: a model that is a function has no weights to save");
            test_check(said && !strstr(said + 20, "snapshot"), __FILE__, __LINE__, "said: %s", buf_str(&t.log));
            EXPECT(!path_exists(test_path("snapshots")));
        }
        session_close(s);
        options_free(t.o);
        buf_free(&t.log);
    }
}

static int last_id(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user, (void)T, (void)ids, (void)lengths;
    for (int i = 0; i < B * 6; i++) out[i] = i % 6 == 5 ? 9 : 0;
    return 0;
}

/* Six ids, a tokenizer of five, and the model says the sixth alone. */
TEST(session_shows_ids_that_the_tokenizer_lacks) {
    static const char letters[] = "abcd\n";
    const char *pieces[5];
    const int32_t one[5] = {1, 1, 1, 1, 1};
    for (int i = 0; i < 5; i++) pieces[i] = &letters[i];
    stage t = {0};
    session *s = NULL;
    t.host = (session_host){.user = &t.log, .log = on_log};
    glimpse_model m = GLIMPSE_MODEL_INIT;
    m.logits = last_id, m.vocab_size = 6, m.max_seq_len = 16;
    m.tokenizer.pieces = pieces, m.tokenizer.piece_bytes = one, m.tokenizer.n_pieces = 5;
    t.o = options_new();
    EXPECT_OK(options_set(t.o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(t.o, OPT_max_sample_tokens, "2", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(t.o, OPT_temperature, "0", OPT_LEVEL_FLAG));
    REQUIRE_OK(session_open(t.o, &m, &t.host, &s));
    EXPECT_OK(session_eval(s, 0, 3, 3));
    EXPECT_STREQ(s->before->record.samples->text, "\xe2\x9f\xa8" "5\xe2\x9f\xa9\xe2\x9f\xa8" "5\xe2\x9f\xa9");
    session_close(s);
    options_free(t.o);
    buf_free(&t.log);
}

TEST(session_of_failures_leaves_the_older_run_in_place) {
    stage t;
    buffer b = {0};
    make(&t);
    float kept = t.g.w[14][3];
    t.g.w[14][3] = NAN;
    session *s = opened(&t);
    EXPECT_ERR(session_eval(s, 0, 3, 3), GLIMPSE_E_NONFINITE, NULL);
    EXPECT_ERR(session_eval(s, 0, 3, 3), GLIMPSE_E_NONFINITE, NULL);
    session_close(s);
    EXPECT(strstr(buf_str(&t.log), "no eval succeeded: the older run stays where it is"));
    EXPECT(!strstr(buf_str(&t.log), "a new run"));
    EXPECT_STREQ(journal_steps(&b), "0 50 100 ");
    s = opened(&t); /* one good eval begins the run, and what failed before is part of it */
    EXPECT_ERR(session_eval(s, 0, 3, 3), GLIMPSE_E_NONFINITE, NULL);
    t.g.w[14][3] = kept;
    EXPECT_OK(session_eval(s, 10, 3, 3));
    EXPECT(strstr(buf_str(&t.log), "a new run; the older one is kept as"));
    EXPECT_STREQ(journal_steps(&b), "!0 10 ");
    session_close(s);
    EXPECT(!strstr(buf_str(&t.log), "no eval succeeded"));
    buf_free(&b);
    drop(&t);
}
