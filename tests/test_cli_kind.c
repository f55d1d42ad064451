/* test_cli_kind.c -- `glimpse` as people meet it who do not know it yet: paths of any kind are taken or named with the reason, what
 * is shown is in force, a wait says what for. */
#define _GNU_SOURCE
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

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
