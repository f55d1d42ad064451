/* test_cli_kind.c -- `glimpse` as people meet it who do not know it yet: paths of any kind are taken or named with the reason, what
 * is shown is in force, a wait says what for. */
#define _GNU_SOURCE
#include "tests/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/internal/buffer.h"
#include "include/internal/file.h"

static buffer out, err;

/* A line of a shell in the test's directory, where "$G" is the program and ckpt a checkpoint with its tokenizer.  Its status. */
static int shell(const char *words) {
    char command[12000];
    snprintf(command, sizeof command, "cd '%s' && ln -sfn '%s/tests/ref/tasks/ckpt' ckpt && G='%s/glimpse' && { %s\n} < /dev/null > out.txt 2> err.txt",
             test_tmpdir(), test_source_dir(), test_build_dir(), words);
    int status = system(command);
    char *o = path_join(test_tmpdir(), "out.txt"), *e = path_join(test_tmpdir(), "err.txt");
    buf_clear(&out), buf_clear(&err);
    EXPECT_OK(file_read_all(o, 1 << 26, &out));
    EXPECT_OK(file_read_all(e, 1 << 26, &err));
    free(o), free(e);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_in(const buffer *b, const char *what) {
    test_check(strstr(buf_str(b), what) != NULL, __FILE__, __LINE__, "\"%s\" is in: %s", what, buf_str(b));
}

/* The ends that sampling takes, the same number of parameters, floats with the digits that they have. */
TEST(cli_inspect_shows_what_sampling_takes) {
    EXPECT_EQ(shell("cp -rL ckpt c && \"$G\" inspect c"), 0);
    expect_in(&out, "\nnorm_eps           1e-05\n");
    expect_in(&out, "\ntokenizer          c/tokenizer.json\n");
    expect_in(&out, "\neos                0\n");
    expect_in(&out, "\nbos                0\n");
    EXPECT_EQ(shell("cp -rL ckpt c && sed -i '/bos_token_id\\|eos_token_id/d' c/config.json && rm c/tokenizer*.json && \"$G\" inspect c"), 0);
    expect_in(&out, "\ntokenizer          none\n");
    expect_in(&out, "\nbos                none\neos                none\n");
    EXPECT_EQ(shell("mkfifo c/tokenizer.json && \"$G\" inspect c"), 0); /* said, and the model looked at all the same */
    expect_in(&err, "c/tokenizer.json is a pipe, expected a file");
}

/* Every command looks for a tokenizer in the same way. */
TEST(cli_tokenize_finds_it_as_the_others_do) {
    EXPECT_EQ(shell("\"$G\" tokenize --tokenizer ckpt/tokenizer.json The"), 0);
    buffer expected = {0};
    buf_put(&expected, out.bytes, out.n);
    EXPECT_EQ(err.n, 0);
    static const char *const ways[] = {"--tokenizer ckpt The", "--checkpoint ckpt The", "--out_dir ckpt The", "--out-dir=ckpt -- The",
                                       "--checkpoint=ckpt/model.safetensors The", "--checkpoint empty --out_dir ckpt The"};
    for (int i = 0; i < 6; i++) {
        char line[200];
        snprintf(line, sizeof line, "mkdir -p empty; cp -n ckpt/tokenizer.json empty; \"$G\" tokenize %s", ways[i]);
        EXPECT_EQ(shell(line), 0);
        EXPECT_STREQ(buf_str(&out), buf_str(&expected));
        EXPECT_STREQ(buf_str(&err), i == 5 ? "glimpse: tokenizer empty/tokenizer.json\n" : "glimpse: tokenizer ckpt/tokenizer.json\n");
    }
    EXPECT_EQ(shell("cp -rL ckpt out && \"$G\" tokenize The"), 0);
    expect_in(&err, "glimpse: tokenizer out/tokenizer.json\n");
    EXPECT_EQ(shell("mkdir d; \"$G\" tokenize --out_dir d The"), 1);
    expect_in(&err, "no tokenizer in d, nor in the working directory\nhint: --tokenizer FILE, --out_dir DIR or --checkpoint PATH\n");
    EXPECT_EQ(shell("\"$G\" tokenize --checkpoint nowhere The"), 1);
    expect_in(&err, "nowhere: there is no such file or directory");
    EXPECT_EQ(shell("\"$G\" tokenize ckpt The"), 2);
    expect_in(&err, "hint: --out_dir ckpt looks for a tokenizer there\n");
    EXPECT_EQ(shell("\"$G\" tokenize --jsn The"), 2);
    expect_in(&err, "glimpse: tokenize: unknown flag --jsn\nhint: did you mean --json?\n");
    EXPECT_EQ(shell("\"$G\" tokenize --out_dir ckpt --no_json --special=false --json=perhaps The"), 2);
    expect_in(&err, "--json = \"perhaps\": expected true or false");
    buf_free(&expected);
}

/* What stands where a tokenizer should and cannot be one is never passed over. */
TEST(cli_a_tokenizer_that_is_none_is_named) {
    static const char *const cases[][2] = {
        {"mkfifo p && ln -s ../p c/tokenizer.json", "c/tokenizer.json is a pipe, expected a file\nhint: --tokenizer FILE names another\n"},
        {"mkdir c/tokenizer.json", "c/tokenizer.json is a directory, expected a file\nhint: --tokenizer FILE names another\n"},
        {"ln -s nothing c/tokenizer.json", "c/tokenizer.json is a link to nothing\nhint: --tokenizer FILE names another\n"},
    };
    for (int i = 0; i < 3; i++) {
        char line[400];
        snprintf(line, sizeof line, "rm -rf c o; cp -rL ckpt c && rm c/tokenizer.json && %s; \"$G\" --checkpoint c --out_dir o --max_sample_tokens 2", cases[i][0]);
        EXPECT_EQ(shell(line), 1);
        expect_in(&err, cases[i][1]);
        EXPECT_EQ(shell("test -e o"), 1);
        if (i != 1) continue;
        EXPECT_EQ(shell("\"$G\" convert c o"), 1);
        expect_in(&err, cases[i][1]);
    }
    EXPECT_EQ(shell("cp -rL ckpt e && mv e/tokenizer.json t.json && \"$G\" --checkpoint e --tokenizer ckpt --out_dir o --max_sample_tokens 2"), 0);
    expect_in(&err, "tokenizer  ckpt/tokenizer.json");
}

/* A vocabulary that does not say how it cuts texts is converted as it is sampled from. */
TEST(cli_convert_takes_a_pattern) {
    EXPECT_EQ(shell("cp -rL ckpt c && rm c/tokenizer*.json && i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %o $i)\" | base64 | "
                    "sed \"s/$/ $i/\"; i=$((i + 1)); done > c/a.tiktoken; \"$G\" convert c o --tokenizer-pattern cl100k"), 0);
    EXPECT_EQ(err.n, 0);
    EXPECT_EQ(shell("\"$G\" tokenize --checkpoint o 'an ox'"), 0);
    expect_in(&out, "\"x\"");
    EXPECT_EQ(shell("\"$G\" convert c o --force --tokenizer_pattern cl1k"), 2);
    expect_in(&err, "no pattern is named \"cl1k\"");
}

#define RUN "\"$G\" --checkpoint ckpt --no_sheets --no_tensorboard --max_new_tokens 3 --quiet --out_dir "

/* A directory that is not there is said at once, with the run that was perhaps meant; a run that ended is one. */
TEST(cli_follow_says_what_it_waits_for) {
    EXPECT_EQ(shell(RUN "runs/demo && timeout 10 \"$G\" follow runs/dmeo"), 1);
    expect_in(&err, "glimpse: runs/dmeo: there is no such directory\nhint: did you mean runs/demo?\n");
    EXPECT_EQ(shell("timeout 10 \"$G\" follow elsewhere/entirely"), 1);
    expect_in(&err, "there is no such directory\nhint: `glimpse follow DIR` takes the out_dir of a run\n");
    EXPECT_EQ(shell("timeout 1 \"$G\" follow runs"), 124);
    expect_in(&err, "glimpse: waiting for runs/evals.jsonl, which comes with the first eval; Ctrl-C leaves\nhint: did you mean runs/demo?\n");
    EXPECT_EQ(shell("timeout 1 \"$G\" follow runs/demo"), 124);
    EXPECT_STREQ(buf_str(&err), "glimpse: no run is writing to runs/demo on this machine, step 0 is its last; Ctrl-C leaves, a run that comes is "
                                "shown\n");
    EXPECT(out.n > 0);
    char *demo = path_join(test_tmpdir(), "runs/demo");
    int fd = open(demo, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* as a run does that is alive */
    REQUIRE(fd >= 0 && flock(fd, LOCK_EX) == 0);
    EXPECT_EQ(shell("timeout 1 \"$G\" follow runs/demo"), 124);
    EXPECT_EQ(err.n, 0);
    EXPECT_EQ(shell("(sleep 6; :) & timeout 6 \"$G\" follow runs/demo"), 124);
    EXPECT_EQ(err.n, 0);
    close(fd);
    free(demo);
}

/* Which directory is none of a run, and that another report draws; one that is stopped takes away what it began. */
TEST(cli_report_stopped_or_refused) {
    EXPECT_EQ(shell(RUN "demo && \"$G\" report dmeo"), 1);
    expect_in(&err, "dmeo: there is no such directory\nhint: did you mean demo?\n");
    EXPECT_EQ(shell("\"$G\" report ."), 1);
    expect_in(&err, ".: there is no run, it holds no evals.jsonl\nhint: did you mean demo?\n");
    EXPECT_EQ(shell("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cat demo/evals.jsonl demo/evals.jsonl > both && cp both demo/evals.jsonl; done\n"
                    "\"$G\" report demo & p=$!; until test -d demo/.glimpse-redraw; do sleep 0.01; done; \"$G\" report demo 2> second\n"
                    "cat second >&2; kill -TERM $p; wait $p"), 128 + 15);
    expect_in(&err, "demo: another `glimpse report` is drawing it\nhint: once that is done its files are as they should be\n");
    expect_in(&err, "demo is as it was, its views could not be drawn: stopped\n");
    EXPECT_EQ(shell("ls -A demo | grep redraw"), 1);
    EXPECT_EQ(shell("exec 9< demo; flock 9 && \"$G\" report demo"), 1); /* a run that is alive */
    expect_in(&err, "demo: a run is writing here, its files are as they should be\nhint: to draw them elsewhere, copy");
}
