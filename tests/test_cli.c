/* test_cli.c -- the program `glimpse`, called as a function: pages made from the table, exit codes, what goes where. */
#define _GNU_SOURCE
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_id.h"
#include "include/internal/file.h"
#include "plugin/cli/cli.h"
#include "plugin/guest.h"

static int runs, chats, reports, tokens, out_error;
static char dir[64];
static const char *no_error(void) { return "the session's reason"; }
static session_command asked;
static glimpse_status command(session_command which, const options *o, const char *d, const session_host *host) {
    asked = which;
    if (which != COMMAND_sample) {
        reports++;
        snprintf(dir, sizeof dir, "%s", d ? d : opt_str(o, OPT_out_dir));
        return strcmp(dir, "empty") == 0 ? GLIMPSE_E_IO : GLIMPSE_OK;
    }
    runs++;
    chats += opt_bool(o, OPT_interactive) && host->read_line && host->cancel;
    tokens = (int)opt_int(o, OPT_max_sample_tokens);
    host->log(host->user, "banner");
    out_error = host->out(host->user, "text", 4);
    return GLIMPSE_OK;
}
static const session_api api = {.version = 1, .build_id = GLIMPSE_BUILD_ID, .error = no_error, .command = command};

static buffer out, err;

/* Run the program on words separated by '|', its stdout and stderr into `out` and `err`. */
static int program(const char *line) {
    char path[2][4096], *words = strdup(line), *argv[32] = {(char *)"glimpse"};
    int argc = 1, saved[2], fd[2];
    session_use(&api);
    for (char *w = words, *end; w && *line; w = end) {
        end = strchr(w, '|');
        if (end) *end++ = 0;
        argv[argc++] = w;
    }
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/%d", test_tmpdir(), i);
        fd[i] = open(path[i], O_RDWR | O_CREAT | O_TRUNC, 0600);
        saved[i] = dup(1 + i);
        dup2(fd[i], 1 + i);
    }
    int code = cli_main(argc, argv);
    for (int i = 0; i < 2; i++) {
        dup2(saved[i], 1 + i);
        close(saved[i]);
        close(fd[i]);
        buffer *b = i ? &err : &out;
        buf_clear(b);
        EXPECT_OK(file_read_all(path[i], 1 << 20, b));
    }
    free(words);
    return code;
}

TEST(cli_help_is_complete_and_fits_80_columns) {
    EXPECT_EQ(program("--help"), 0);
    EXPECT_EQ(err.n, 0);
    size_t width = 0;
    for (size_t i = 0; i < out.n; i++) {
        width = out.bytes[i] == '\n' ? 0 : width + 1;
        if (width > 80) {
            EXPECT(!"a line is wider than 80 columns");
            break;
        }
        EXPECT(out.bytes[i] == '\n' || (out.bytes[i] >= 32 && out.bytes[i] < 127));
        EXPECT(!(out.bytes[i] == '\n' && i && out.bytes[i - 1] == ' '));
    }
    for (int id = 0; id < OPT_COUNT; id++) {
        const opt_info *info = opt_info_of((opt_id)id);
        char flag[80], negated[80];
        snprintf(flag, sizeof flag, "\n  --%s", info->name);
        snprintf(negated, sizeof negated, "\n  --[no_]%s", info->name);
        bool listed = strstr(out.bytes, flag) || strstr(out.bytes, negated);
        EXPECT_EQ(listed, !(info->missing && info->type == OPT_BOOL)); /* nothing that does not work is offered */
    }
    static const char *const samplers[] = {"\nSamplers\n", "--repetition_penalty X", "--temperature X", "--top_k LIST",
                                           "--top_p X", "--min_p X"};
    const char *at = out.bytes;
    for (size_t i = 0; i < sizeof samplers / sizeof *samplers; i++) { /* together and in the order in which they act */
        at = strstr(at, samplers[i]);
        REQUIRE(at != NULL);
    }
    buffer first = {0};
    buf_put(&first, out.bytes, out.n);
    EXPECT_EQ(program("--seed|3|-h"), 0);
    EXPECT_STREQ(buf_str(&out), buf_str(&first));
    EXPECT_EQ(program("help"), 0);
    EXPECT_STREQ(buf_str(&out), buf_str(&first));
    buf_free(&first);
    EXPECT_EQ(runs, 0);
}

TEST(cli_help_of_a_flag) {
    EXPECT_EQ(program("help|--top-p"), 0);
    EXPECT_STREQ(buf_str(&out), "--top_p X\n"
                                "  Nucleus sampling: keep the fewest tokens whose probabilities sum up to X. 1 =\n"
                                "  off. [1]\n"
                                "  From 0 to 1.\n"
                                "  It is read by sample, chat and in training.\n"
                                "  In a trainer: --glimpse_top_p.\n");
    EXPECT_EQ(program("help|max_new_tokens"), 0);
    EXPECT(strstr(buf_str(&out), "[500; in training unset]"));
    EXPECT(strstr(buf_str(&out), "In a trainer: --max_sample_tokens."));
    static const char *const a_trainers[] = {"help|glimpse_probe", "help|--glimpse_probe", "help|--glimpse-probe"};
    for (size_t i = 0; i < sizeof a_trainers / sizeof *a_trainers; i++) {
        EXPECT_EQ(program(a_trainers[i]), 0);
        EXPECT(strstr(buf_str(&out), "--probe FILE\n") == buf_str(&out));
    }
    EXPECT_EQ(program("help|no_sheets"), 0);
    EXPECT_EQ(program("help|mode"), 0);
    EXPECT(strstr(buf_str(&out), "[inline; in training worker]"));
    EXPECT_EQ(program("help|temprature"), 2);
    EXPECT_STREQ(buf_str(&err), "glimpse: no command and no flag \"temprature\"\nhint: did you mean `glimpse help --temperature`?\n");
    EXPECT_EQ(out.n, 0);
    EXPECT_EQ(program("help|--temprature"), 2);
    EXPECT_STREQ(buf_str(&err), "glimpse: no flag --temprature\nhint: did you mean --temperature?\n");
    for (int id = 0; id < OPT_COUNT; id++) {
        char line[80];
        snprintf(line, sizeof line, "help|--%s", opt_info_of((opt_id)id)->name);
        EXPECT_EQ(program(line), 0);
        for (const char *p = buf_str(&out); *p;) {
            size_t n = strcspn(p, "\n");
            EXPECT(n <= 80);
            p += n + (p[n] == '\n');
        }
    }
}

static const char *const commands[] = {"sample", "chat", "eval", "score", "follow", "review", "report", "tokenize", "convert", "inspect"};

/* A page for every command, the same by both ways: usage, what it reads and writes, an example, and of the options those that
 * the table says it reads. */
TEST(cli_help_of_a_command) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char line[80];
        buffer first = {0};
        snprintf(line, sizeof line, "help|%s", commands[i]);
        EXPECT_EQ(program(line), 0);
        EXPECT_EQ(err.n, 0);
        buf_put(&first, out.bytes, out.n);
        static const char *const flags[] = {"--help", "-h", "--seed|--help"};
        for (int k = 0; k < (i < 7 ? 3 : 2); k++) {
            snprintf(line, sizeof line, "%s|%s", commands[i], flags[k]);
            EXPECT_EQ(program(line), 0);
            EXPECT_STREQ(buf_str(&out), buf_str(&first));
        }
        buf_free(&first);
        snprintf(line, sizeof line, "usage: glimpse %s%s", i ? "" : "[", commands[i]);
        EXPECT(strncmp(out.bytes, line, strlen(line)) == 0);
        EXPECT(strstr(out.bytes, "\nReads\n  ") && strstr(out.bytes, "\nWrites\n  ") && strstr(out.bytes, "\nExample"));
        for (const char *p = out.bytes; *p;) {
            size_t n = strcspn(p, "\n");
            EXPECT(n <= 80);
            EXPECT(!n || p[n - 1] != ' ');
            p += n + (p[n] == '\n');
        }
        for (int id = 0; i < 7 && id < OPT_COUNT; id++) {
            char flag[80], negated[80];
            snprintf(flag, sizeof flag, "\n  --%s", opt_info_of((opt_id)id)->name);
            snprintf(negated, sizeof negated, "\n  --[no_]%s", opt_info_of((opt_id)id)->name);
            const char *at = strstr(out.bytes, flag);
            while (at && strchr(" \n", at[strlen(flag)]) == NULL) at = strstr(at + 1, flag);
            EXPECT_EQ(at != NULL || strstr(out.bytes, negated) != NULL, opt_is_read_by((opt_id)id, commands[i]));
        }
    }
    EXPECT_EQ(runs + reports, 0);
    static const char *const wrong[][2] = {
        {"help|scoer", "glimpse: no command and no flag \"scoer\"\nhint: did you mean `glimpse help score`"},
        {"help|tokenise", "glimpse: no command and no flag \"tokenise\"\nhint: did you mean `glimpse help tokenize`"},
        {"help|xyzzy", "glimpse: no command and no flag \"xyzzy\"\nhint: `glimpse --help` lists both\n"},
        {"help|score|eval", "glimpse: unexpected word \"eval\"\nhint: glimpse help COMMAND, or glimpse help FLAG\n"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EXPECT_EQ(program(wrong[i][0]), 2);
        EXPECT(strncmp(buf_str(&err), wrong[i][1], strlen(wrong[i][1])) == 0);
        EXPECT_EQ(out.n, 0);
    }
    EXPECT_EQ(program("help|report"), 0); /* a command and a flag */
    EXPECT(strstr(buf_str(&out), "`glimpse help --report`"));
    EXPECT_EQ(program("--man"), 0);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char section[80];
        snprintf(section, sizeof section, "\n.SS %s\n.nf\n", commands[i]);
        EXPECT(strstr(buf_str(&out), section));
    }
}

TEST(cli_version_and_man) {
    EXPECT_EQ(program("--version"), 0);
    EXPECT_STREQ(buf_str(&out), "glimpse " GLIMPSE_VERSION_STRING " (" GLIMPSE_BUILD_ID ")\n");
    EXPECT_EQ(program("--man"), 0);
    EXPECT(strncmp(out.bytes, ".TH GLIMPSE 1 ", 14) == 0);
    EXPECT(strstr(out.bytes, "\\fB\\-\\-max_sample_tokens N\\fR\n"));
    for (const char *p = out.bytes; *p;) { /* only known requests begin a line */
        size_t n = strcspn(p, "\n");
        if (*p == '.') EXPECT(strncmp(p, ".TH ", 4) == 0 || strncmp(p, ".SH ", 4) == 0 || strncmp(p, ".SS ", 4) == 0 ||
                              strncmp(p, ".TP", 3) == 0 || strncmp(p, ".PP", 3) == 0 || strncmp(p, ".nf", 3) == 0 ||
                              strncmp(p, ".fi", 3) == 0);
        EXPECT(*p != '\'');
        p += n + (p[n] == '\n');
    }
    if (system("command -v groff >/dev/null 2>&1") != 0) return;
    char command[8300];
    snprintf(command, sizeof command, "groff -man -Tutf8 -ww '%s/0' >/dev/null 2>'%s/warnings' && ! test -s '%s/warnings'",
             test_tmpdir(), test_tmpdir(), test_tmpdir());
    EXPECT_EQ(system(command), 0);
}

TEST(cli_commands) {
    EXPECT_EQ(program(""), 0);
    EXPECT_STREQ(buf_str(&out), "text");
    EXPECT_STREQ(buf_str(&err), "banner\n");
    EXPECT_EQ(tokens, 500);
    EXPECT_EQ(program("sample|--max-length|7"), 0);
    EXPECT_EQ(tokens, 7);
    EXPECT_EQ(program("--start|sample|--max_new_tokens=8|--"), 0); /* "sample" is the prompt here */
    EXPECT_EQ(tokens, 8);
    EXPECT_EQ(runs, 3);
    EXPECT_EQ(chats, 0);
    EXPECT_EQ(program("chat|--max_length|9"), 0);
    EXPECT_EQ(program("--interactive"), 0);
    EXPECT_EQ(chats, 2);
    EXPECT_EQ(program("report|out/demo"), 0);
    EXPECT_STREQ(dir, "out/demo");
    EXPECT_EQ(program("report|--out_dir|out/other"), 0);
    EXPECT_STREQ(dir, "out/other");
    EXPECT_EQ(program("report|empty"), 1);
    EXPECT_STREQ(buf_str(&err), "glimpse: the session's reason\n");
    EXPECT_EQ(reports, 3);
    for (int i = COMMAND_sample + 1; i < COMMANDS; i++) { /* every word of the table is that command */
        asked = COMMAND_sample;
        EXPECT_EQ(program(session_commands[i].name), 0);
        EXPECT_EQ(asked, i);
        EXPECT_STREQ(dir, "out");
        char line[80];
        snprintf(line, sizeof line, "%s|there|more", session_commands[i].name);
        EXPECT_EQ(program(line), 2);
        EXPECT(strstr(buf_str(&err), *session_commands[i].words ? "unexpected word \"more\"" : "unexpected word \"there\""));
    }
}

/* What a command does not read, and what nothing switched on, is said, a line each; the command goes on. */
TEST(cli_says_which_flags_do_nothing) {
    static const char *const cases[][2] = {
        {"score|--prompt|a|--temperature|2", "glimpse: --temperature does nothing in `glimpse score`: it is read by sample, chat and in training\n"},
        {"score|--prompt|a|--temperature|2|--no_sheets",
         "glimpse: --temperature does nothing in `glimpse score`: it is read by sample, chat and in training\n"
         "glimpse: --no_sheets does nothing in `glimpse score`: it is read by sample, chat and in training\n"},
        {"--requests|f", "glimpse: --requests does nothing in `glimpse sample`: it is read by score\nbanner\n"},
        {"chat|--seed_each_step", "glimpse: --seed_each_step does nothing in `glimpse chat`: it is read by sample and in training\nbanner\n"},
        {"--interactive|--seed_each_step", "glimpse: --seed_each_step does nothing in `glimpse chat`: it is read by sample and in training\nbanner\n"},
        {"sample|--when_busy|wait", "glimpse: --when_busy does nothing in `glimpse sample`: it is read in training alone\nbanner\n"},
        {"report|out|--top_k|5", "glimpse: --top_k does nothing in `glimpse report`: it is read by sample, chat and in training\n"},
        {"--last_k_tokens|3", "glimpse: --last_k_tokens does nothing without --show_heatmaps\nbanner\n"},
        {"--last_k_tokens|3|--show_heatmaps", "banner\n"},
        {"--spelling_language|de_DE|--no_sample_metrics", "glimpse: --spelling_language does nothing without --sample_metrics or --dataset_benchmarks\nbanner\n"},
        {"--spelling_language|de_DE|--dataset_benchmarks", "banner\n"},
        {"--input_text|x", "glimpse: --input_text does nothing without --prompt_format instruction\nbanner\n"},
        {"--input_text|x|--prompt_format|instruction", "banner\n"},
        {"--input_text|x|--like|generate|--prompt|p", "banner\n"},
        {"--negative_prompt|x|--cfg_scale|1.0", "glimpse: --negative_prompt does nothing without --guidance_scale\nbanner\n"},
        {"--negative_prompt|x|--cfg_scale|1.5", "banner\n"},
        {"score|--prompt|a|--batch_size|4", "glimpse: --batch_size does nothing without --lm_eval_tasks or --requests\n"},
        {"score|--requests|f|--batch_size|4", ""},
        {"--show_heatmaps|--no_files|--no_sheets|--last_k_tokens|3",
         "glimpse: --show_heatmaps does nothing with --no_files\nglimpse: --last_k_tokens does nothing with --no_files\nbanner\n"},
        {"chat|--no_files|--sample_file|a.txt|--record_top|4", "glimpse: --sample_file does nothing with --no_files\nbanner\n"},
        {"follow|--palette|viridis|--colorize_output=false", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EXPECT_EQ(program(cases[i][0]), 0);
        EXPECT_STREQ(buf_str(&err), cases[i][1]);
    }
    setenv("GLIMPSE_ARGS", "--temperature 2", 1); /* the environment is for every command */
    EXPECT_EQ(program("score|--prompt|a"), 0);
    EXPECT_EQ(err.n, 0);
}

/* The session is told why its text was not taken. */
TEST(cli_output_that_fails) {
    int saved = dup(1), full = open("/dev/full", O_WRONLY), ends[2];
    char *argv[] = {(char *)"glimpse", NULL};
    REQUIRE(saved >= 0 && full >= 0 && pipe(ends) == 0);
    session_use(&api);
    dup2(full, 1);
    cli_main(1, argv);
    dup2(saved, 1);
    EXPECT_EQ(out_error, ENOSPC);
    close(ends[0]);
    dup2(ends[1], 1);
    cli_main(1, argv);
    dup2(saved, 1);
    EXPECT_EQ(out_error, EPIPE);
    close(saved), close(full), close(ends[1]);
    EXPECT_EQ(program(""), 0);
    EXPECT_EQ(out_error, 0);
}

TEST(cli_bad_flags_end_with_2) {
    static const char *const cases[][2] = {
        {"inspect", "glimpse: a path is missing\nhint: glimpse inspect PATH\n"},
        {"convert|a", "glimpse: paths are missing\nhint: glimpse convert IN OUT\n"},
        {"--topk|3", "glimpse: unknown flag --topk\nhint: did you mean --top_k?\n"},
        {"--xyzzy=3", "glimpse: unknown flag --xyzzy\nhint: `glimpse --help` lists the flags\n"},
        {"--temperature|hot", "glimpse: --temperature = \"hot\": expected a number from 0 to 100\n"},
        {"--guidance_scale|0", "glimpse: --guidance_scale = \"0\": expected a number from 0.001 to 1000\n"}, /* off is 1 */
        {"--top_k", "glimpse: --top_k needs a value, and nothing follows it\n"},
        {"--prompt|--seed|3", "glimpse: --prompt needs a value, and --seed looks like a flag\nhint: --prompt=VALUE takes any value\n"},
        {"--device|tpu", "glimpse: --device = \"tpu\": expected auto, cpu, cuda, cuda:0, cuda:1, cuda:2, cuda:3, cuda:4, cuda:5, cuda:6 or cuda:7\n"},
        {"-n|3", "glimpse: unknown flag -n\nhint: flags begin with two hyphens; `glimpse --help` lists them\n"},
        {"hello", "glimpse: unexpected word \"hello\"\n"
                  "hint: the commands are sample, eval, score, follow [DIR], review [DIR], report [DIR], chat, tokenize, convert IN OUT, inspect PATH and "
                  "help FLAG; a prompt is given with --prompt, in quotes\n"},
        {"samples", "glimpse: unexpected word \"samples\"\nhint: did you mean `glimpse sample`? A prompt is given with --prompt, in quotes\n"},
        {"report|a|b", "glimpse: unexpected word \"b\"\n"
                  "hint: the commands are sample, eval, score, follow [DIR], review [DIR], report [DIR], chat, tokenize, convert IN OUT, inspect PATH and "
                  "help FLAG; a prompt is given with --prompt, in quotes\n"},
        {"--like|generate", "glimpse: --prompt is required with --like generate\n"},
        {"--max_new_tokens|0", "glimpse: max_sample_tokens is 0: nothing to sample\n"},
        {"--prompt|a|--x\x1b[2J", "glimpse: unknown flag --x\\x1b[2J\nhint: `glimpse --help` lists the flags\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EXPECT_EQ(program(cases[i][0]), 2);
        EXPECT_STREQ(buf_str(&err), cases[i][1]);
        EXPECT_EQ(out.n, 0);
    }
    setenv("GLIMPSE_ARGS", "--nope", 1);
    EXPECT_EQ(program(""), 2);
    EXPECT(strstr(buf_str(&err), "glimpse: GLIMPSE_ARGS: unknown flag --nope"));
    EXPECT_EQ(runs, 0);
}

/* What a user of GNU's makefiles types: `make check`, `make install prefix=DIR`.  Nothing is made. */
TEST(make_by_the_names_of_gnu) {
    static const struct { const char *words, *part; } cases[] = {
        {"check", "/tests/runner"}, {"install prefix=/opt/x", "install.sh install "}, {"install prefix=/opt/x", "'/opt/x'"}, {"install PREFIX=/opt/y", "'/opt/y'"}};
    if (system("make --version >/dev/null 2>&1")) SKIP("no make (apt-get install make)");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer command_line = {0}, said = {0};
        char part[4096];
        buf_printf(&command_line, "cd '%s' && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -n -s CUDA=0 %s 2>&1", test_source_dir(), cases[i].words);
        FILE *f = popen(buf_str(&command_line), "r");
        REQUIRE(f);
        for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;) buf_put(&said, part, n);
        EXPECT_EQ(pclose(f), 0);
        EXPECT(strstr(buf_str(&said), cases[i].part));
        buf_free(&command_line), buf_free(&said);
    }
}
