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
#include "tests/pty.h"

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
    test_check(strstr(buf_str(b), what) != NULL, __FILE__, __LINE__, "\"%s\" is in: %.2000s", what, buf_str(b));
}

#define RUN "\"$G\" --checkpoint ckpt --no_sheets --no_tensorboard --max_new_tokens 3 --quiet --out_dir "

/* The ends that sampling takes, the same number of parameters, floats with the digits that they have. */
TEST(cli_inspect_shows_what_sampling_takes) {
    EXPECT_EQ(shell("cp -rL ckpt c && \"$G\" inspect c"), 0);
    expect_in(&out, "\nnorm_eps           1e-05\n");
    expect_in(&out, "\ntokenizer          c/tokenizer.json\n");
    expect_in(&out, "\neos                0\n");
    expect_in(&out, "\nbos                0\n");
    EXPECT_EQ(shell("sed -i 's/\"eos_token_id\": [0-9]*/\"eos_token_id\": [0, 3, 7]/' c/config.json && \"$G\" inspect c && \"$G\" inspect c --json"), 0);
    expect_in(&out, "\neos                0\n");
    expect_in(&out, "\nmore_eos           3, 7\n");
    expect_in(&out, "\"more_eos\": [3, 7], \"tied\"");
    EXPECT_EQ(shell("cp -rL ckpt c && sed -i '/bos_token_id\\|eos_token_id/d' c/config.json && rm c/tokenizer*.json && \"$G\" inspect c"), 0);
    expect_in(&out, "\ntokenizer          none\n");
    expect_in(&out, "\nbos                none\neos                none\n");
    EXPECT_EQ(shell("\"$G\" inspect nowhere"), 1);
    EXPECT_STREQ(buf_str(&err), "glimpse: nowhere: there is no such file or directory\nhint: `glimpse help inspect`\n");
    EXPECT_EQ(shell(RUN "o && grep -o '\"dtype\":\"f32\",\"cache\":\"f32\"' o/evals.jsonl"), 0); /* in records it is small */
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
        snprintf(line, sizeof line, "mkdir -p empty; cp ckpt/tokenizer.json empty; \"$G\" tokenize %s", ways[i]);
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


/* `follow` of that directory until those words are in its stdout or stderr (o, e), what is done then, and until others are. */
#define FOLLOW(dir) "rm -f o e; \"$G\" follow " dir " >o 2>e & p=$!; " /* who waits must not read those of the one before */
#define UNTIL(file, words) "i=0; until grep -qsF '" words "' " file " || [ $((i += 1)) -gt 1200 ]; do sleep 0.05; done; "
#define LEAVE "{ kill $p; wait $p; } 2>/dev/null; cat o; cat e >&2"

/* A directory that is not there yet is waited for, and the run that was perhaps meant is named; a run that ended is one. */
TEST(cli_follow_says_what_it_waits_for) {
    EXPECT_EQ(shell(RUN "runs/demo"), 0);
    shell(FOLLOW("runs/dmeo") UNTIL("e", "did you mean runs/demo?") LEAVE);
    EXPECT_STREQ(buf_str(&err), "glimpse: waiting for runs/dmeo: there is no such directory yet; Ctrl-C leaves\nhint: did you mean runs/demo?\n");
    shell(FOLLOW("elsewhere/entirely") UNTIL("e", "leaves") "mkdir -p elsewhere && cp -r runs/demo elsewhere/entirely; " UNTIL("o", "step 0") LEAVE);
    EXPECT_STREQ(buf_str(&err), "glimpse: waiting for elsewhere/entirely: there is no such directory yet; Ctrl-C leaves\n");
    expect_in(&out, "step 0");
    EXPECT_EQ(shell("timeout 60 \"$G\" follow err.txt"), 2);
    expect_in(&err, "err.txt is no directory\nhint: `glimpse follow DIR` takes the out_dir of a run\n");
    shell(FOLLOW("runs") UNTIL("e", "did you mean") LEAVE);
    expect_in(&err, "glimpse: waiting for runs/evals.jsonl, which comes with the first eval; Ctrl-C leaves\nhint: did you mean runs/demo?\n");
    shell(FOLLOW("runs/demo") UNTIL("e", "leaves") UNTIL("o", "step 0") LEAVE);
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
    expect_in(&err, ".: there is no run, it holds no evals.jsonl\nhint: demo is one\n");
    EXPECT_EQ(shell("awk '{ sub(/,\"crc\":\"[0-9a-f]*\"}$/, \"}\"); for (i = 0; i < 4000; i++) { l = $0; sub(/\"step\":0,/, \"\\\"step\\\":\" i \",\", l); print l } }' "
                    "demo/evals.jsonl > many && mv many demo/evals.jsonl\n"
                    "\"$G\" report demo & p=$!; until test -d demo/.glimpse-redraw; do sleep 0.01; done; \"$G\" report demo 2> second\n"
                    "cat second >&2; kill -TERM $p; wait $p"), 128 + 15);
    expect_in(&err, "demo: another `glimpse report` is drawing it\nhint: once that is done its files are as they should be\n");
    expect_in(&err, "demo is as it was, its views could not be drawn: stopped\n");
    EXPECT_EQ(shell("ls -A demo | grep redraw"), 1);
    EXPECT_EQ(shell("exec 9< demo; flock 9 && \"$G\" report demo"), 1); /* a run that is alive */
    expect_in(&err, "demo: a run is writing here, its files are as they should be\nhint: to draw them elsewhere, copy");
}

/* A flag that a command does not read does nothing in it, also where its value is no good. */
TEST(cli_an_idle_flag_does_nothing) {
    static const char *const idle[] = {"score --prompt The --probe nowhere", "score --prompt The --lm_eval_tasks nosuch", "eval --lm_eval_tasks nosuch --probe nowhere",
                                       "chat --no_files --probe nowhere", "report d --single --probe nowhere --top_k 1,2"};
    EXPECT_EQ(shell(RUN "d"), 0);
    for (int i = 0; i < 5; i++) {
        char line[300];
        snprintf(line, sizeof line, "\"$G\" %s%s", idle[i], i < 4 ? " --checkpoint ckpt" : "");
        EXPECT_EQ(shell(line), i == 2 ? 2 : 0);
        expect_in(&err, i == 1 ? "--lm_eval_tasks does nothing" : "--probe does nothing");
        EXPECT(!strstr(buf_str(&err), "nowhere") && !strstr(buf_str(&err), "cannot open"));
    }
    EXPECT_EQ(shell("GLIMPSE_ARGS='--probe nowhere' \"$G\" score --checkpoint ckpt --prompt The"), 0);
}

/* Logits are there as a whole or not at all, and what stood there before stays till then. */
TEST(cli_logits_that_fail_leave_nothing) {
    EXPECT_EQ(shell("ulimit -f 1; \"$G\" score --checkpoint ckpt --prompt \"$(seq 1 99)\" --logits_out n.npy"), 1);
    expect_in(&err, "File too large");
    EXPECT_EQ(shell("ls -A | grep npy"), 1);
    EXPECT_EQ(shell("\"$G\" score --checkpoint ckpt --prompt The --logits_out n.npy && cp n.npy before && ln -s n.npy link.npy"), 0);
    EXPECT_EQ(shell("ulimit -f 1; \"$G\" score --checkpoint ckpt --prompt \"$(seq 1 99)\" --logits_out n.npy"), 1);
    EXPECT_EQ(shell("cmp n.npy before && \"$G\" score --checkpoint ckpt --prompt \"$(seq 1 99)\" --logits_out link.npy && ! cmp n.npy before && test -L link.npy"), 0);
    EXPECT_EQ(shell("ls -A | grep -c npy"), 0);
    EXPECT_STREQ(buf_str(&out), "2\n");
    EXPECT_EQ(shell("\"$G\" score --checkpoint ckpt --prompt The --logits_out ckpt"), 2);
    expect_in(&err, "--logits_out ckpt: it is a directory\nhint: a file in it, ckpt/logits.npy\n");
    EXPECT_EQ(shell("\"$G\" score --checkpoint ckpt --prompt The --logits_out no/n.npy"), 1);
    expect_in(&err, "--logits_out no/n.npy: there is no such directory\n");
}

/* A name that promises a form which convert does not write is refused, and nothing is left. */
TEST(cli_convert_refuses_a_name_of_another_form) {
    static const char *const names[] = {"c.gguf", "c.pt", "c.safetensors"};
    char line[100];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(line, sizeof line, "\"$G\" convert ckpt %s", names[i]);
        EXPECT_EQ(shell(line), 2);
        expect_in(&err, "is written, but a directory with model.safetensors");
    }
    EXPECT_EQ(shell("ls c.*"), 2);
    EXPECT_EQ(shell("\"$G\" convert ckpt c"), 0);
    expect_in(&out, "parameters, a directory in Hugging Face's layout\n");
}

/* Where nothing can be written is found before the work, and nothing is left. */
TEST(cli_a_closed_directory_is_found_first) {
    static const char *const cases[][2] = {
        {"--checkpoint ckpt --max_new_tokens 3 --out_dir shut/a/b", "--out_dir shut/a/b: nothing can be written in shut: Permission denied\nhint: another --out_dir, or --no_files\n"},
        {"--checkpoint ckpt --max_new_tokens 3 --out_dir o --sample_file \"$PWD/shut/s.txt\"", "/shut: Permission denied\n"},
        {"convert ckpt shut/c", "glimpse: shut/c: nothing can be written in shut: Permission denied\n"},
        {"score --checkpoint ckpt --prompt The --logits_out shut/n.npy", "--logits_out shut/n.npy: nothing can be written in shut: Permission denied\n"},
        {"eval --checkpoint ckpt --out_dir o --lm_eval_tasks own --lm_eval_data . --lm_eval_results_output shut/r.json", "--lm_eval_results_output shut/r.json: nothing can be written in shut: Permission denied\n"},
    };
    if (shell("mkdir -p shut && chmod 555 shut; test \"$(id -u)\" != 0 || setpriv --bounding-set=-dac_override,-dac_read_search sh -c '! touch shut/x'")) SKIP("setpriv is missing");
    EXPECT_EQ(shell("mkdir own && printf '{\"query\": \"a\", \"choices\": [\"b\", \"c\"], \"gold\": 0}\\n' > own.jsonl"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[1000];
        snprintf(line, sizeof line, "R='setpriv --bounding-set=-dac_override,-dac_read_search'; test \"$(id -u)\" = 0 || R=; $R \"$G\" %s", cases[i][0]);
        EXPECT_EQ(shell(line), 1);
        expect_in(&err, cases[i][1]);
        EXPECT_EQ(out.n, 0);
        EXPECT_EQ(shell("ls -A shut o | grep -v :"), 1);
    }
}

/* What is in force is said, and what cannot but give the same twice. */
TEST(cli_settings_that_say_less_than_they_seem) {
#define SAMPLE "\"$G\" --checkpoint ckpt --no_files --max_new_tokens 6 --ignore_eos "
    EXPECT_EQ(shell(SAMPLE "--num_samples 1 --top_k 100000,5"), 0);
    expect_in(&err, ";top_k=100000  (top_k keeps all ");
    EXPECT(!strstr(buf_str(&err), "top_k=5  (top_k keeps"));
    EXPECT_EQ(shell("printf '/set top_k 100000\\n/set\\n/set stop x\\n/set dry_multiplier 0.5\\n' | \"$G\" chat --checkpoint ckpt --no_files"), 0);
    expect_in(&err, "glimpse: top_k = 100000\n  samplers   temperature=0.8;top_k=100000  (top_k keeps all ");
    expect_in(&err, "\n  top_k = 100000\n");
    expect_in(&err, "glimpse: stop = \"x\"\n"); /* a text is in quotes, a number is not */
    expect_in(&err, "glimpse: dry_multiplier = 0.5\n");
    EXPECT_EQ(shell(SAMPLE "--samplers 'top_k=5;temperature=0.5' --temperature 0.7"), 0); /* the chain's own value, not the flag's */
    expect_in(&err, "  samplers   top_k=5;temperature=0.5\n");
    expect_in(&err, "glimpse: --temperature is 0.7, and --samplers says temperature=0.5, which counts\n");
    EXPECT(!strstr(buf_str(&err), "top_k is"));
    EXPECT_EQ(shell(SAMPLE "--samplers 'dry=0.8,base:2;temperature' --dry_base 3 --temperature 0.7"), 0);
    expect_in(&err, "glimpse: --dry_base is 3, and --samplers says dry's base=2, which counts\n");
    EXPECT(!strstr(buf_str(&err), "--temperature is"));
    EXPECT_EQ(shell(SAMPLE "--top_k 1,5 --num_samples 2"), 0);
    expect_in(&err, "hint: the 2 samples of top_k=1 are the same, --top_k 1 always takes the likeliest token\n");
    static const char *const same[][2] = {{"--top_k 1", "--top_k 1 always takes the likeliest token: --num_samples 1 is enough\n"},
                                          {"--temperature 0", "--temperature 0 always takes the likeliest token: "},
                                          {"--min_p 1", "these samplers leave one token at a time: "}, {"--top_k 5", NULL}, {"--top_k 1 --num_samples 1", NULL}};
    for (int i = 0; i < 5; i++) {
        char line[300];
        snprintf(line, sizeof line, SAMPLE "--num_samples 2 %s", same[i][0]);
        EXPECT_EQ(shell(line), 0);
        if (same[i][1]) expect_in(&err, "hint: the 2 samples are the same, ");
        if (same[i][1]) expect_in(&err, same[i][1]);
        else EXPECT(!strstr(buf_str(&err), "are the same"));
    }
}

/* Each of several ends stops a text that streams, an answer of a chat and samples side by side, and is not shown. */
TEST(cli_any_end_stops_what_streams) {
#define GREEDY "--checkpoint c --no_files --temperature 0 --max_new_tokens 8 "
    EXPECT_EQ(shell("cp -rL ckpt c; \"$G\" " GREEDY "--num_samples 1 --prompt The"), 0);
    char *whole = strdup(buf_str(&out)), *cut = strstr(whole, " old"); /* id 312, the third token */
    REQUIRE(whole && cut);
    snprintf(cut, 2, "\n");
    EXPECT_EQ(shell("sed -i 's/\"eos_token_id\": [0-9]*/\"eos_token_id\": [399, 312]/' c/config.json; \"$G\" " GREEDY "--num_samples 1 --prompt The"), 0);
    EXPECT_STREQ(buf_str(&out), whole);
    EXPECT_EQ(shell("printf 'The\\n' | \"$G\" chat " GREEDY), 0);
    EXPECT_STREQ(buf_str(&out), whole + strlen("The"));
    expect_in(&err, "ended by the model\n");
    EXPECT_EQ(shell("\"$G\" " GREEDY "--num_samples 2 --prompt The"), 0);
    char two[200];
    snprintf(two, sizeof two, "--------------- sample 1 of 2\n%s--------------- sample 2 of 2\n%s", whole, whole);
    EXPECT_STREQ(buf_str(&out), two);
    EXPECT_EQ(shell("\"$G\" " GREEDY "--num_samples 1 --prompt The --ignore_eos"), 0);
    expect_in(&out, " old old");
    free(whole);
}

/* How many tokens there can be, and that a sample stops for want of room. */
TEST(cli_a_full_context_is_said) {
    EXPECT_EQ(shell("\"$G\" --checkpoint ckpt --ignore_eos --prompt IDS:1,2 --num_samples 1 --max_new_tokens 96 --no_sheets --no_tensorboard --out_dir o > text && "
                    "grep -o '\"rank\"' o/evals.jsonl | wc -l"), 0); /* the context has 96 */
    EXPECT_STREQ(buf_str(&out), "95\n");
    expect_in(&err, "  sampling   95 tokens, 1 x 1 sample, seed 1337  (then the context is full; --max_sample_tokens is 96)\n");
    expect_in(&err, "glimpse: the sample stops where the model's context of 96 tokens is full\n");
    EXPECT_EQ(shell("\"$G\" --checkpoint ckpt --no_files --ignore_eos --prompt IDS:1,2 --num_samples 2 --max_new_tokens 4"), 0);
    expect_in(&err, "  sampling   4 tokens, 1 x 2 samples, seed 1337\n");
    EXPECT(!strstr(buf_str(&err), "is full"));
}

/* Requests and texts come from standard input of any kind. */
TEST(cli_score_reads_a_pipe) {
    EXPECT_EQ(shell("printf '{\"context\": \"The\", \"continuation\": \" cat\"}\\n' | \"$G\" score --checkpoint ckpt --quiet --requests -"), 0);
    EXPECT(!strncmp(buf_str(&out), "{\"logprob\": -", 13));
    EXPECT_EQ(shell("echo '{' | \"$G\" score --checkpoint ckpt --quiet --requests -"), 1);
    expect_in(&err, "glimpse: standard input:1: ");
    EXPECT_EQ(shell("printf 'The cat' | \"$G\" score --checkpoint ckpt --prompt -"), 0);
    expect_in(&err, "glimpse: 4 tokens, ");
}

/* A value that is not taken: which flag or which file's key, the value, what is taken; and nothing says twice who speaks. */
TEST(cli_a_bad_value_says_where) {
    static const char *const cases[][2] = {
        {"echo '{\"top_k\": \"a\"}' > c.json; \"$G\" --checkpoint ckpt --config c.json", "glimpse: c.json: top_k = \"a\": expected whole numbers from 0 to 2147483647\n"},
        {"echo '{\"temperature\": [1, \"hot\"]}' > c.json; \"$G\" --checkpoint ckpt --config c.json", "glimpse: c.json: temperature = \"1,hot\": expected a number from 0 to 100\n"},
        {"echo '{\"seed\": 12345678901234567}' > c.json; \"$G\" --checkpoint ckpt --config c.json", "glimpse: c.json: seed: a number of 2^53 and more is not exact in JSON\nhint: in quotes it is\n"},
        {"echo '{\"top_kk\": 3}' > c.json; \"$G\" --checkpoint ckpt --config c.json", "glimpse: c.json: there is no option \"top_kk\"\nhint: did you mean top_k?\n"},
        {"\"$G\" --checkpoint ckpt --top-k=a", "glimpse: --top_k = \"a\": expected whole numbers from 0 to 2147483647\n"},
        {"GLIMPSE_ARGS='--top_k a' \"$G\" --checkpoint ckpt", "glimpse: GLIMPSE_ARGS: --top_k = \"a\": expected whole numbers from 0 to 2147483647\n"},
        {"\"$G\" --checkpoint ckpt --samplers foo=3", "glimpse: --samplers: no sampler is called 'foo'\nhint: there are logit_bias, "},
        {"\"$G\" score --checkpoint ckpt", "glimpse: no text is given to score\nhint: "},
        {"\"$G\" --checkpoint ckpt ckpt", "glimpse: unexpected word \"ckpt\"\nhint: `glimpse --checkpoint ckpt` samples from it; "},
        {"\"$G\" eval --checkpoint ckpt", "glimpse: no task is named\nhint: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EXPECT_EQ(shell(cases[i][0]), 2);
        test_check(!strncmp(buf_str(&err), cases[i][1], strlen(cases[i][1])), __FILE__, __LINE__, "\"%s\" begins: %.500s", cases[i][1], buf_str(&err));
    }
    EXPECT_EQ(shell("printf '{\"max_length\": 3}\\n \\000{}' > c.json; \"$G\" --checkpoint ckpt --config c.json"), 1);
    EXPECT_STREQ(buf_str(&err), "glimpse: c.json: no JSON behind byte 19, where the first value ends\n");
}

/* A file that a flag names and that is not there: which flag. */
TEST(cli_a_missing_file_says_whose) {
    static const char *const cases[][2] = {{"--prompts no", "--prompts: cannot open no: "}, {"--prompt FILE:no", "--prompt: cannot open no: "}, {"--antislop no", "--antislop: cannot open no: "},
                                           {"--config no", "--config: cannot open no: "}, {"--dataset no --dataset_benchmarks", "--dataset: cannot open no: "}, {"--probe no", "--probe: cannot open no: "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[200];
        snprintf(line, sizeof line, "\"$G\" --checkpoint ckpt --quiet --no_files %s", cases[i][0]);
        EXPECT(shell(line) != 0);
        expect_in(&err, cases[i][1]);
    }
    EXPECT_EQ(shell("\"$G\" score --checkpoint ckpt --quiet --requests no"), 1);
    EXPECT_STREQ(buf_str(&err), "glimpse: --requests: there is no no\n");
}

/* A character that a vocabulary of characters lacks: which one, and what changes the text that it stands in. */
TEST(cli_a_character_that_is_not_known) {
    uint32_t head[256] = {20240328, 2, 4, 3}; /* llm.c's: magic, version, pieces, the id that ends a text */
    buffer b = {0};
    buf_put(&b, head, sizeof head);
    buf_puts(&b, "\1a\1b\1 \3end");
    char *path = path_join(test_tmpdir(), "chars.bin");
    EXPECT_OK(file_write_atomic(path, b.bytes, b.n, false));
    free(path);
    buf_free(&b);
    static const char *const cases[][2] = {
        {"sample --no_files --max_new_tokens 2 --prompt a:b", "hint: use text like that the model was trained on\nhint: --prompt gives another beginning, or ids: --prompt IDS:464,290\n"},
        {"sample --no_files --max_new_tokens 2 --prompt a --prompt_format instruction", "hint: --prompt_format instruction writes \"Instruction:\" and \"Response:\" around the text, --prompt_format plain nothing\n"},
        {"sample --no_files --max_new_tokens 2 --prompts lines", "hint: it is a line of --prompts FILE, "},
        {"score --prompt a:b", "hint: --prompt gives another text, or ids: "},
        {"chat --no_files --prompt a:b", "hint: use text like that the model was trained on\n"},
        {"eval --lm_eval_tasks own --lm_eval_data .", "hint: --lm_eval_tasks chooses the tasks; one of your own can be of such text: `glimpse help eval`\n"},
    };
    EXPECT_EQ(shell("echo a:b > lines; printf '{\"query\": \"a:b\", \"choices\": [\"a\", \"b\"], \"gold\": 0}\\n' > own.jsonl; \"$G\" tokenize --tokenizer chars.bin 'ab a'"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[500];
        snprintf(line, sizeof line, "\"$G\" %s --checkpoint ckpt --tokenizer chars.bin", cases[i][0]);
        EXPECT_EQ(shell(line), 1);
        expect_in(&err, i == 1 ? "the character \"I\" (U+0049) at byte 0 is not in the vocabulary" : "the character \":\" (U+003A) at byte 1 is not in the vocabulary");
        expect_in(&err, cases[i][1]);
    }
}

/* A trainer has the list of Glimpse's flags as it takes them, and its own says how to see it. */
TEST(cli_glimpse_help_in_a_trainer) {
    EXPECT_EQ(shell("T=\"${G%/*}\"; \"$T/train_gpt\" --help"), 0);
    expect_in(&out, "\n  --glimpse_help ");
    EXPECT_EQ(shell("T=\"${G%/*}\"; \"$T/train_gpt\" --glimpse_help"), 0);
    EXPECT_EQ(err.n, 0);
    expect_in(&out, "\n  --max_sample_tokens N ");
    expect_in(&out, "\n  --glimpse_seed N ");
    expect_in(&out, "\n  --glimpse_[no_]sheets ");
    expect_in(&out, "--glimpse_max_new_tokens");
    EXPECT(!strstr(buf_str(&out), " --seed N") && !strstr(buf_str(&out), "--glimpse_requests"));
    for (const char *at = buf_str(&out), *end; *at; at = end + (*end != 0)) {
        end = at + strcspn(at, "\n");
        EXPECT(end - at <= 80);
    }
    EXPECT_EQ(shell("ls -A | grep -v txt | grep -v ckpt"), 1); /* nothing was trained */
    EXPECT_EQ(shell("T=\"${G%/*}\"; GLIMPSE_ARGS=--help \"$T/minimal\""), 0);
    expect_in(&out, "\n  --glimpse_seed N ");
    static const char *const topics[] = {"--glimpse_help temperature", "--glimpse_help=temperature", "--glimpse_help=--glimpse_temperature"};
    for (int i = 0; i < 3; i++) {
        char line[160];
        snprintf(line, sizeof line, "T=\"${G%%/*}\"; \"$T/train_gpt\" %s", topics[i]);
        EXPECT_EQ(shell(line), 0);
        EXPECT(!strncmp(buf_str(&out), "--glimpse_temperature ", 22));
        EXPECT(out.n < 600 && strstr(buf_str(&out), "Offline: --temperature."));
    }
    EXPECT_EQ(shell("T=\"${G%/*}\"; \"$T/train_gpt\" --glimpse_help temprature"), 2);
    expect_in(&err, "glimpse: no flag --glimpse_temprature\nhint: did you mean --glimpse_help=temperature?\n");
    EXPECT_EQ(shell("T=\"${G%/*}\"; \"$T/minimal\" --glimpse_temprature 1"), 2);
    expect_in(&err, "did you mean --glimpse_temperature?\n");
    EXPECT_EQ(shell("mkdir -p none && cd none && \"$G\""), 1);
    expect_in(&err, "glimpse: `glimpse --help` lists the commands and the flags\n");
    EXPECT_EQ(shell("T=\"${G%/*}\"; \"$T/train_gpt\" --glimpse_sed 3"), 2);
    expect_in(&err, "hint: did you mean --glimpse_seed?\n");
    EXPECT_EQ(shell("T=\"${G%/*}\"; \"$T/train_gpt\" --glimpse_xyzzy"), 2);
    expect_in(&err, "hint: --glimpse_help lists the flags\n");
}

/* One number of parameters for one model: the padding of its vocabulary is none. */
TEST(cli_one_count_of_parameters) {
    EXPECT_EQ(shell("seq 500 > d.txt; T=\"${G%/*}\"; \"$T/train_gpt\" --no_glimpse --data d.txt --steps 1 --layers 1 --heads 1 --channels 16 --context 16 --out_dir o && \"$G\" "
                    "inspect o && \"$G\" convert o c"), 0);
    const char *said = strstr(buf_str(&out), " parameters\n"), *params = strstr(buf_str(&out), "\nparams             ");
    REQUIRE(said && params);
    while (said[-1] >= '0' && said[-1] <= '9') said--;
    EXPECT_EQ(atol(said), atol(params + 8));
    EXPECT_EQ(atol(said), 11 * 16 + 16 * 16 + 12 * 16 * 16 + 13 * 16 + 2 * 16 + 16); /* ten digits and the newline; the end of a text */
}

/* Messages on a terminal break between words, what is to be copied not at all; in a file they are whole (all the other tests). */
TEST(cli_messages_fit_the_terminal) {
    char program[4096], row[PTY_COLUMNS * PTY_CELL];
    snprintf(program, sizeof program, "%s/glimpse", test_build_dir());
    pty p;
    char *argv[] = {program, (char *)"--out_dir", (char *)"nowhere-at-all", NULL};
    const char *const environment[] = {"TERM=xterm-256color", NULL};
    if (!pty_start(&p, 60, 24, environment, argv)) SKIP("no pseudo-terminal");
    EXPECT(pty_wait(&p, "--out_dir is"));
    pty_end(&p);
    pty_row(&p, 0, row);
    EXPECT_STREQ(row, "glimpse: nowhere-at-all: there is no such file or directory");
    pty_row(&p, 1, row);
    EXPECT_STREQ(row, "hint: --checkpoint names a file or a directory; unset, the");
    pty_row(&p, 2, row);
    EXPECT(!strncmp(row, "  newest checkpoint in --out_dir is", 35));
}

/* A run that began anew in a directory, shorter than the one before: its own checkpoint is taken, and always named. */
TEST(cli_the_checkpoint_of_this_run) {
#define TRAIN "\"${G%/*}/train_gpt\" --layers 1 --heads 1 --channels 16 --context 32 --eval_batches 1 --out_dir o --max_sample_tokens 2 --glimpse_mode inline --glimpse_no_sheets "
    static const char *const commands[] = {"\"$G\" --no_files --max_new_tokens 2 --num_samples 1 --out_dir o", "\"$G\" score --prompt a --out_dir o", "\"$G\" inspect o",
                                           "\"$G\" convert o c"};
    EXPECT_EQ(shell(TRAIN "--steps 4 > log && touch -d '1 hour ago' o/model_00000004.bin && " TRAIN "--steps 2 >> log"), 0);
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(shell(commands[i]), 0);
        expect_in(&err, "glimpse: o/model_00000002.bin is taken, of the run in o/evals.jsonl; o/model_00000004.bin is an older run's\nhint: --checkpoint names another\n");
        expect_in(i > 1 ? &out : &err, i == 0 ? "  model      o/model_00000002.bin " : i == 1 ? "glimpse: checkpoint o/model_00000002.bin\n" :
                                       i == 2 ? "path               o/model_00000002.bin\n" : "layout, from o/model_00000002.bin\n");
    }
    EXPECT_EQ(shell("test $(wc -l < o/evals.jsonl) -gt 1 && sed -i '1s/\"kind\":\"train\"/\"kind\":\"trbin\"/' o/evals.jsonl && \"$G\" inspect o"), 0); /* a damaged line is passed over */
    expect_in(&out, "path               o/model_00000002.bin\n");
    EXPECT_EQ(shell("\"$G\" inspect o/model_00000004.bin"), 0);
    EXPECT_EQ(err.n, 0);
    EXPECT_EQ(shell("touch -d '1 hour ago' o/model_00000002.bin; \"$G\" inspect o"), 0); /* nothing is known of either: the highest step */
    expect_in(&out, "path               o/model_00000004.bin\n");
    expect_in(&err, "glimpse: o/model_00000004.bin is taken, the highest step there; it may be an older run's: it was written before the run in o/evals.jsonl began\n");
    EXPECT_EQ(shell("touch o/*.bin; \"$G\" inspect o"), 0); /* as after `cp -r` */
    expect_in(&out, "path               o/model_00000004.bin\n");
    EXPECT_STREQ(buf_str(&err), "glimpse: o/model_00000004.bin is taken, the highest step there; it may be an older run's: the last eval of the run in "
                                "o/evals.jsonl is of step 2\nhint: --checkpoint names another\n");
}

/* Whatever a directory is called, a terminal gets no control character of it. */
TEST(cli_names_of_directories_are_safe) {
    EXPECT_EQ(shell("D=$(printf 'o\\033[2Jx'); mkdir \"$D\" && echo nothing > \"$D/evals.jsonl\"; \"$G\" report \"$D\"; \"$G\" report \"$D\" --export openai"), 0);
    EXPECT(strstr(buf_str(&err), "x1b[2J") && !strchr(buf_str(&err), 27));
    expect_in(&err, "; 1 line of evals.jsonl is none of Glimpse's and was passed over");
}

/* The table of tensors fits a terminal; in a file it is one line a tensor, whole. */
TEST(cli_inspect_fits_the_terminal) {
    static const struct {
        int width;
        const char *shows, *not;
    } cases[] = {{80, "transformer.h.0.attn.c_attn.weight  F32  48 x 16", "mean          std"}, {140, "mean          std", "  min -"}};
    char program[4096], checkpoint[4096], row[PTY_COLUMNS * PTY_CELL];
    snprintf(program, sizeof program, "%s/glimpse", test_build_dir());
    snprintf(checkpoint, sizeof checkpoint, "%s/o", test_tmpdir());
    REQUIRE(EXPECT_EQ(shell(TRAIN "--steps 1"), 0)); /* 16 tensors: the test's screen does not scroll */
    char *argv[] = {program, (char *)"inspect", checkpoint, NULL};
    const char *const environment[] = {"TERM=xterm-256color", NULL};
    for (int i = 0; i < 2; i++) {
        pty p;
        if (!pty_start(&p, cases[i].width, 64, environment, argv)) SKIP("no pseudo-terminal");
        EXPECT(pty_wait(&p, "every number is finite"));
        EXPECT_EQ(pty_end(&p), 0);
        test_check(pty_shows(&p, cases[i].shows) && !pty_shows(&p, cases[i].not), __FILE__, __LINE__, "%d columns show \"%s\"", cases[i].width, cases[i].shows);
        for (int k = 0; k < p.height; k++) {
            pty_row(&p, k, row);
            bool tensor = strstr(row, "mean") || strstr(row, "F32");
            if (tensor) EXPECT(strlen(row) <= (size_t)cases[i].width && strlen(row) > 15 && row[0] != '.');
        }
    }
}

/* In a narrow terminal the ids of `glimpse score` stand beside their tokens, and nothing is wider than it. */
TEST(cli_score_in_a_narrow_terminal) {
    char program[4096], checkpoint[4096], row[PTY_COLUMNS * PTY_CELL];
    snprintf(program, sizeof program, "%s/glimpse", test_build_dir());
    snprintf(checkpoint, sizeof checkpoint, "%s/tests/ref/tasks/ckpt", test_source_dir());
    pty p;
    char *argv[] = {program, (char *)"score", (char *)"--checkpoint", checkpoint, (char *)"--prompt", (char *)"The", (char *)"--quiet", NULL};
    const char *const environment[] = {"TERM=xterm-256color", NULL};
    if (!pty_start(&p, 60, 24, environment, argv)) SKIP("no pseudo-terminal");
    EXPECT(pty_wait(&p, "id"));
    EXPECT_EQ(pty_end(&p), 0);
    pty_row(&p, 0, row);
    EXPECT(strstr(row, "ln p") && strstr(row, "  id") && strlen(row) <= 60);
    pty_row(&p, 1, row);
    EXPECT(row[0] == ' ' && strlen(row) <= 60 && row[strlen(row) - 1] >= '0' && row[strlen(row) - 1] <= '9');
    EXPECT(strchr(row, 'T') != NULL);
}
