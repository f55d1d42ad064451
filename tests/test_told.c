/* test_told.c -- what people and callers are told: an eval that failed once in the log and once in glimpse_error(), flags as the
 * program at hand takes them, a directory that cannot be written when Glimpse is opened. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/guest.h"
#include "tests/worker_rig.h"

extern const session_api glimpse_session_v1;

static int times(const char *text, const char *part) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

static void keep_line(void *user, const char *line) {
    buf_puts(user, line);
    buf_putc(user, '\n');
}

static void expect_once(const rig *r, const char *part) {
    int n = times(buf_str(&r->said), part);
    test_check(n == 1, __FILE__, __LINE__, "\"%s\" is said %d times:\n%s", part, n, buf_str(&r->said));
}

TEST_LIMIT(told_once_that_an_eval_failed, 120) {
    session_use(&glimpse_session_v1);
    for (int mode = 0; mode < 8; mode++) {
        rig r;
        rig_open(&r, (const char *const[]){mode % 2 ? "mode=inline" : "mode=worker", mode / 2 % 2 ? "quiet=true" : "quiet=false",
                                           rig_prompts("IDS:1"), NULL});
        REQUIRE(r.g != NULL);
        rig_prompts(mode / 4 ? "IDS:1000000" : "z{");
        buf_clear(&r.said);
        glimpse_status st = glimpse_eval(r.g, 7, 3, 3);
        if (st >= 0) st = glimpse_drain(r.g);
        EXPECT(st < 0);
        char error[2048];
        snprintf(error, sizeof error, "%s", glimpse_error());
        char *hint = strchr(error, '\n');
        EXPECT_EQ(hint != NULL, mode < 4);
        if (hint) {
            *hint++ = 0;
            expect_once(&r, hint);
            EXPECT(strstr(hint, "--glimpse_tokenizer") || !strstr(hint, "--tokenizer"));
        }
        error[24] = 0; /* a terminal wraps what is longer */
        expect_once(&r, error);
        expect_once(&r, "failed");
        EXPECT_STREQ(rig_status(&r, 7), "failed");
        rig_close(&r);
    }
}

TEST_LIMIT(told_once_that_a_worker_died, 120) {
    rig r;
    pid_t pid = 0;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 3));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_EQ(rig_workers(&pid, 1), 1);
    kill(pid, SIGSTOP);
    EXPECT_OK(glimpse_eval(r.g, 10, 2, 2));
    kill(pid, SIGKILL);
    EXPECT(rig_wait_end(pid));
    EXPECT_ERR(glimpse_eval(r.g, 20, 2, 2.5), GLIMPSE_E_WORKER, "step 10 failed"); /* and is owed: 2.5 is no best */
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_STREQ(rig_status(&r, 10), "failed");
    EXPECT_STREQ(rig_status(&r, 20), "ok");
    expect_once(&r, "died");
    rig_close(&r);
}

TEST(told_at_open_what_cannot_be_written) {
    session_use(&glimpse_session_v1);
    for (int which = 0; which < 3; which++) {
        rig r;
        char path[4200], want[4400];
        rig_prepare(&r, (const char *const[]){"mode=inline", NULL});
        EXPECT_OK(mkdir_p(r.dir));
        snprintf(path, sizeof path, "%s/%s", r.dir, which ? "evals.jsonl" : "file");
        if (which == 1) EXPECT_OK(mkdir_p(path));
        else EXPECT_OK(file_write_atomic(path, "", 0, false));
        snprintf(want, sizeof want, which == 0 ? "--glimpse_out_dir %s/in: %s is no directory" : which == 1 ? "%s cannot be written: it is no file" : "--glimpse_out_dir %s: nothing can be written in", which == 2 ? r.dir : path, path);
        if (which == 0) {
            strcat(path, "/in");
            EXPECT_OK(glimpse_set(r.cfg, "out_dir", path));
        }
        if (which == 2) { /* the last: this process stays nobody */
            EXPECT_EQ(chmod(r.dir, 0555), 0);
            if (!geteuid()) EXPECT_EQ(setresuid(65534, 65534, 65534), 0);
        }
        buf_clear(&r.said);
        rig_reopen(&r);
        EXPECT(r.g == NULL);
        expect_once(&r, want);
        if (which) expect_once(&r, "hint: another --glimpse_out_dir");
        expect_once(&r, "off; the training goes on");
        EXPECT(strstr(glimpse_error(), want) != NULL);
        EXPECT_EQ(glimpse_eval(r.g, 0, 1, 1), GLIMPSE_NOT_DUE);
        rig_close(&r);
    }
}

static glimpse_status leave_all(void *user, glimpse_candidates *c) {
    (void)user, (void)c;
    return GLIMPSE_OK;
}

/* What every eval would fail on is known at open: one error, in the trainer's spelling, and nothing is on. */
TEST(told_at_open_what_every_eval_would_fail_on) {
    static const struct { const char *with[3], *said; } cases[] = {
        {{"samplers=top_k=5;temprature=0.8"}, "--glimpse_samplers: no sampler is called 'temprature'\nhint: did you mean temperature?"},
        {{"samplers=top_k=5;temperature=-1"}, "temperature is -1, possible is: "},
        {{"samplers=top_k=5", "top_p=0.5"}, "--glimpse_top_p is set, and the chain of --glimpse_samplers has no top_p"},
        {{"sample_start_tokens=FILE:/nowhere/nope.txt"}, "glimpse: --sample_start_tokens: cannot open /nowhere/nope.txt"},
        {{"sample_start_tokens=IDS:99999"}, "99999"},
        {{"sample_start_tokens=a\\q"}, "of \"a\\q\" is no escape"},
        {{"antislop=/nowhere/slop.txt"}, "/nowhere/slop.txt"},
        {{"negative_prompt=FILE:/nowhere/not.txt", "guidance_scale=2"}, "glimpse: --glimpse_negative_prompt: cannot open /nowhere/not.txt"},
    };
    session_use(&glimpse_session_v1);
    for (int inline_mode = 0; inline_mode < 2; inline_mode++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            rig r;
            const char *options[4] = {inline_mode ? "mode=inline" : "mode=worker", cases[i].with[0], cases[i].with[1], NULL};
            rig_open(&r, options);
            if (inline_mode && !i) { /* a sampler of the trainer's own may still come */
                REQUIRE(r.g != NULL);
                expect_once(&r, "no sampler is called 'temprature' so far: glimpse_add_sampler has to bring it before the first eval, or did you mean temperature?");
                glimpse_sampler own = GLIMPSE_SAMPLER_INIT;
                own.name = "temprature", own.apply = leave_all;
                EXPECT_ERR(glimpse_eval(r.g, 0, 3, 3), GLIMPSE_E_INVALID, "'temprature'");
                EXPECT_OK(glimpse_set(r.cfg, "samplers", "top_k=5;temprature"));
                glimpse_close(r.g);
                rig_reopen(&r);
                REQUIRE(r.g != NULL);
                EXPECT_OK(glimpse_add_sampler(r.g, &own, NULL));
                EXPECT_OK(glimpse_eval(r.g, 10, 3, 2));
            } else {
                EXPECT(r.g == NULL);
                expect_once(&r, cases[i].said);
                expect_once(&r, "off; the training goes on");
                EXPECT(!strstr(buf_str(&r.said), "glimpse: on"));
            }
            rig_close(&r);
        }
}

/* The context of the model is the least of what was asked for: the line says so. */
TEST(told_at_open_that_the_context_ends_a_sample) {
    static const char said[] = " tokens for each prompt at an eval (then the context is full; --max_sample_tokens is 5000), in ";
    rig r;
    session_use(&glimpse_session_v1);
    rig_open(&r, (const char *const[]){"mode=inline", "max_sample_tokens=5000", NULL});
    expect_once(&r, said);
    EXPECT_OK(glimpse_set(r.cfg, "max_sample_tokens", "3"));
    glimpse_close(r.g);
    buf_clear(&r.said);
    rig_reopen(&r);
    expect_once(&r, "x 3 tokens for each prompt at an eval, in ");
    rig_close(&r);
}

TEST(told_error_is_that_of_the_last_call_that_failed) {
    rig r;
    EXPECT_STREQ(glimpse_error(), "");
    session_use(&glimpse_session_v1);
    (void)status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "an inner matter");
    rig_open(&r, (const char *const[]){"mode=inline", NULL});
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 3, 3));
    EXPECT_STREQ(glimpse_error(), ""); /* whatever was tried on the way */
    EXPECT_ERR(glimpse_set(r.cfg, "top_k", "many"), GLIMPSE_E_INVALID, NULL);
    char kept[512];
    snprintf(kept, sizeof kept, "%s", glimpse_error());
    EXPECT(strstr(kept, "many") != NULL);
    EXPECT_OK(glimpse_eval(r.g, 10, 3, 2));
    EXPECT_OK(glimpse_set(r.cfg, "top_k", "5"));
    EXPECT(glimpse_eval(r.g, 20, 3, 4) >= 0);
    EXPECT_STREQ(glimpse_error(), kept);
    rig_close(&r);
}

/* A misspelt flag of ours is the trainer's, for all that Glimpse can know: it asks, once, and only where a letter or two are wrong. */
TEST(told_of_a_flag_that_looks_misspelt) {
    static const struct {
        const char *word, *meant;
    } cases[] = {
        {"--max_sampel_tokens", "max_sample_tokens"}, {"--max-sample-token=5", "max_sample_tokens"}, {"--smaple_each_eval", "sample_each_eval"},
        {"--chart_typ", "chart_type"}, {"--sample_fil", "sample_file"},
        {"--sample_size", NULL}, {"--sample", NULL}, {"--max_tokens", NULL}, {"--seed", NULL}, {"--num_sample", NULL}, {"--sample_\x1bnly", NULL},
        {"-max_sampel_tokens", NULL}, {"max_sampel_tokens", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int behind = 0; behind < 2; behind++) {
            char word[64], *argv[] = {"train", behind ? "--" : "x", word, "100", NULL};
            int argc = 4;
            buffer said = {0};
            glimpse_config *cfg = glimpse_config_new();
            glimpse_model m = GLIMPSE_MODEL_INIT;
            glimpse_set_log(cfg, keep_line, &said);
            snprintf(word, sizeof word, "%s", cases[i].word);
            EXPECT_OK(glimpse_parse_args(cfg, &argc, argv));
            EXPECT_EQ(argc, 4);
            EXPECT(glimpse_open(cfg, &m) == NULL);
            char want[128] = "";
            if (cases[i].meant && !behind)
                snprintf(want, sizeof want, "glimpse: is %.*s meant for Glimpse, which takes --%s? It was left to the trainer\n",
                         (int)strcspn(word, "="), word, cases[i].meant);
            size_t n = strlen(want);
            EXPECT(!strncmp(buf_str(&said), want, n) && !strstr(buf_str(&said) + n, "meant for"));
            EXPECT(strstr(buf_str(&said), "no tokens to sample were asked for") != NULL);
            glimpse_config_free(cfg);
            buf_free(&said);
        }
}

/* Flags of ours by the names that they have on the command line: the trainer's, but few trainers have them. */
TEST(told_of_a_flag_that_a_trainer_writes_with_a_prefix) {
    char train[] = "train", a[] = "--save-snapshots", b[] = "--num_samples=2", c[] = "--out_dir", x[] = "--early_stopping", d[] = "--seed", one[] = "1", e[] = "--no_sheets",
         f[] = "--glimpse_top_k", g[] = "--max_new_tokens", end[] = "--", h[] = "--top_k";
    char *argv[] = {train, a, b, c, x, d, one, e, f, one, g, one, end, h, one, NULL};
    int argc = 15;
    buffer said = {0};
    glimpse_config *cfg = glimpse_config_new();
    glimpse_model m = GLIMPSE_MODEL_INIT;
    glimpse_set_log(cfg, keep_line, &said);
    EXPECT_OK(glimpse_parse_args(cfg, &argc, argv));
    EXPECT_EQ(argc, 13);
    EXPECT(glimpse_open(cfg, &m) == NULL);
    const char want[] = "glimpse: --save_snapshots is left to the trainer; Glimpse's is --glimpse_save_snapshots here\n"
                        "glimpse: --num_samples is left to the trainer; Glimpse's is --glimpse_num_samples here\nglimpse: off: no tokens";
    EXPECT(!strncmp(buf_str(&said), want, strlen(want)));
    glimpse_config_free(cfg);
    buf_free(&said);
}

TEST(told_flags_as_the_program_takes_them) {
    static const char text[] = "--checkpoint and --prompt, not --sample_only, --glimpse_seed, --unknown or --";
    for (int trainer = 0; trainer < 2; trainer++) {
        buffer b = {0}, again = {0};
        opt_spell(text, trainer, &b);
        EXPECT_STREQ(buf_str(&b), trainer ? "--glimpse_checkpoint and --glimpse_prompt, not --sample_only, --glimpse_seed, --unknown or --" : text);
        opt_spell(buf_str(&b), trainer, &again);
        EXPECT_STREQ(buf_str(&again), buf_str(&b));
        buf_free(&b), buf_free(&again);
    }
    /* A trainer that samples only: an error of the session, which knows nothing of command lines. */
    session_use(&glimpse_session_v1);
    for (int all = 0; all < 2; all++) {
        glimpse_config *cfg = glimpse_config_new();
        char dir[4200];
        snprintf(dir, sizeof dir, "%s/empty", test_tmpdir());
        EXPECT_OK(mkdir_p(dir));
        EXPECT_OK(glimpse_set(cfg, "flag_scope", all ? "all" : "trainer"));
        EXPECT_OK(glimpse_set(cfg, "sample_only", "true"));
        EXPECT_OK(glimpse_set(cfg, "out_dir", dir));
        EXPECT(glimpse_run(cfg) > 0);
        EXPECT(strstr(glimpse_error(), all ? "--checkpoint" : "--glimpse_checkpoint") != NULL);
        glimpse_config_free(cfg);
    }
    /* What a person wrote stands as it was written. */
    static const char *const lines[][2] = {{"--glimpse_top_k", "--glimpse_top_k needs a value"},
                                           {"--max_sample_tokens|--seed", "--max_sample_tokens needs a value, and --seed looks like a flag"},
                                           {"--glimpse_top_p|--seed", "--glimpse_top_p needs a value, and --seed looks like a flag\nhint: --glimpse_top_p=VALUE"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char words[64], *argv[4] = {(char *)(uintptr_t)"train"};
        int argc = 1;
        snprintf(words, sizeof words, "%s", lines[i][0]);
        for (char *w = strtok(words, "|"); w; w = strtok(NULL, "|")) argv[argc++] = w;
        glimpse_config *cfg = glimpse_config_new();
        EXPECT_ERR(glimpse_parse_args(cfg, &argc, argv), GLIMPSE_E_INVALID, lines[i][1]);
        EXPECT(strstr(glimpse_error(), lines[i][1]) != NULL);
        glimpse_config_free(cfg);
    }
}
