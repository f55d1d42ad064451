/* test_offline.c -- `glimpse` on a checkpoint as people meet it: what stands on stdout, where files go, that a failure is said
 * once and leaves nothing, that a run's results are not written over, and that what a chat saved reads back. */
#define _GNU_SOURCE
#include "tests/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "include/internal/buffer.h"
#include "include/internal/file.h"

static buffer out, err;

/* `glimpse` with these words of a shell in the test's directory; the checkpoint is ckpt. */
static int program(const char *words) {
    char command[12000];
    snprintf(command, sizeof command, "cd '%s' && ln -sfn '%s/tests/ref/tasks/ckpt' ckpt && '%s/glimpse' < /dev/null %s > out.txt 2> err.txt",
             test_tmpdir(), test_source_dir(), test_build_dir(), words);
    int status = system(command);
    char *o = path_join(test_tmpdir(), "out.txt"), *e = path_join(test_tmpdir(), "err.txt");
    buf_clear(&out), buf_clear(&err);
    EXPECT_OK(file_read_all(o, 1 << 26, &out));
    EXPECT_OK(file_read_all(e, 1 << 26, &err));
    free(o), free(e);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int times(const buffer *b, const char *what) {
    int n = 0;
    for (const char *p = buf_str(b); (p = strstr(p, what)); p++) n++;
    return n;
}

static bool there(const char *name) {
    char *path = path_join(test_tmpdir(), name);
    bool is = path_exists(path);
    free(path);
    return is;
}

static void put(const char *name, const char *text) {
    char *path = path_join(test_tmpdir(), name);
    EXPECT_OK(file_write_atomic(path, text, strlen(text), false));
    free(path);
}

static void read_back(const char *name, buffer *b) {
    char *path = path_join(test_tmpdir(), name);
    buf_clear(b);
    EXPECT_OK(file_read_all(path, 1 << 20, b));
    free(path);
}

#define QUICK "--checkpoint ckpt --out_dir o --no_sheets --no_report --no_tensorboard --max_new_tokens 6 --ignore_eos "

/* One sample is its bare text; of several each has a line that says which it is, and nothing else is between them. */
TEST(offline_samples_are_labelled) {
    buffer bare[2] = {{0}, {0}}, whole = {0};
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(program(i ? QUICK "--prompt The --num_samples 1 --top_k 5" : QUICK "--prompt The --num_samples 1 --top_k 1"), 0);
        EXPECT(out.n > 4 && !strncmp(out.bytes, "The", 3) && out.bytes[out.n - 1] == '\n' && !times(&out, "-----"));
        buf_put(&bare[i], out.bytes, out.n);
        EXPECT_EQ(program(i ? QUICK "--prompt The --num_samples 1 --top_k 5 --stop nowhere" : QUICK "--prompt The --num_samples 1 --top_k 1 --stop nowhere"), 0);
        EXPECT_STREQ(buf_str(&out), buf_str(&bare[i])); /* what does not stream reads the same */
    }
    EXPECT_EQ(program(QUICK "--prompt The --num_samples 1 --top_k 1,5"), 0);
    buf_printf(&whole, "--------------- top_k=1   sample 1 of 1\n%s--------------- top_k=5   sample 1 of 1\n%s", buf_str(&bare[0]), buf_str(&bare[1]));
    EXPECT_STREQ(buf_str(&out), buf_str(&whole));
    EXPECT_EQ(program(QUICK "--prompt The --prompt A --num_samples 2"), 0);
    EXPECT_EQ(times(&out, "--------------- prompt 1 of 2   sample 1 of 2\nThe"), 1);
    EXPECT_EQ(times(&out, "--------------- prompt 2 of 2   sample 2 of 2\nA"), 1);
    EXPECT_EQ(times(&out, "---------------"), 4);
    EXPECT(strstr(buf_str(&err), "\n  prompt 1   ") && strstr(buf_str(&err), "\n  prompt 2   "));
    buf_free(&bare[0]), buf_free(&bare[1]), buf_free(&whole);
}

/* What is refused late is said once, with no text on stdout, and no directory is left; what succeeds says where it went. */
TEST(offline_failures_leave_nothing) {
    static const char *const cases[][2] = {
        {QUICK "--prompt The --quiet --samplers top_p=5", "top_p is 5"},
        {QUICK "--prompt The --samplers top_p=5", "top_p is 5"},
        {QUICK "--prompt The --quiet --allowed_tokens 999999", "outside the vocabulary"},
        {QUICK "--prompt The --quiet --num_beams 2 --antislop slop.json", "--antislop is for samples that are drawn"},
        {QUICK "--prompt The --num_beams 2 --antislop slop.json", "--antislop is for samples that are drawn"},
    };
    put("slop.json", "[\"a\"]");
    for (int run = 0; run < 2; run++) { /* nothing there; and a run that is there */
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            EXPECT_EQ(program(cases[i][0]), 2);
            EXPECT_EQ(times(&err, cases[i][1]), 1);
            EXPECT_EQ(out.n, 0);
            EXPECT_EQ(there("o"), run == 1);
            EXPECT(!there("o/offline-1"));
        }
        if (run) break;
        EXPECT_EQ(program(QUICK "--prompt The"), 0);
        EXPECT(there("o/evals.jsonl") && strstr(buf_str(&err), "glimpse: everything about it is in o\n"));
    }
    EXPECT_EQ(program(QUICK "--prompt The --no_files"), 0);
    EXPECT(out.n > 0 && !there("o/offline-1") && !strstr(buf_str(&err), "everything"));
    EXPECT_EQ(program("score --checkpoint ckpt --prompt The --out_dir p"), 0);
    EXPECT(!there("p"));
    EXPECT_EQ(program("chat " QUICK), 0); /* nothing was said */
    EXPECT(!there("o/offline-1"));
    EXPECT_EQ(program(QUICK "--prompt The"), 0);
    EXPECT(there("o/offline-1/evals.jsonl") && strstr(buf_str(&err), "glimpse: everything about it is in o/offline-1\n"));
}

TEST(offline_evaluation_leaves_a_runs_results) {
    buffer kept = {0};
    EXPECT_EQ(program(QUICK "--prompt The"), 0); /* a run is there, with its results */
    put("o/lm_eval_results.json", "the run's");
    put("mine.jsonl", "{\"query\":\"The\",\"choices\":[\"dog\",\"cat\"],\"gold\":0}\n");
    EXPECT_EQ(program("eval --checkpoint ckpt --out_dir o --lm_eval_data . --lm_eval_tasks mine"), 0);
    EXPECT(strstr(buf_str(&err), "are in o/offline-1\n") && there("o/offline-1/lm_eval_results.json"));
    read_back("o/lm_eval_results.json", &kept);
    EXPECT_STREQ(buf_str(&kept), "the run's");
    for (int i = 0; i < 2; i++) { /* nor an earlier evaluation's where there is no run */
        EXPECT_EQ(program("eval --checkpoint ckpt --out_dir e --lm_eval_data . --lm_eval_tasks mine"), 0);
        EXPECT(there(i ? "e/offline-1/lm_eval_results.json" : "e/lm_eval_results.json"));
        EXPECT_EQ(there("e/offline-1"), i == 1);
    }
    /* A wrong directory is no wrong task. */
    EXPECT_EQ(program("eval --checkpoint ckpt --out_dir e --lm_eval_data nowhere --lm_eval_tasks mine"), 1);
    EXPECT(strstr(buf_str(&err), "--lm_eval_data nowhere: there is no such directory") && !strstr(buf_str(&err), "no task"));
    buf_free(&kept);
}

/* What a person names for output is never the end of something else. */
TEST(offline_named_outputs_replace_their_like_alone) {
    static const struct {
        const char *name, *bytes, *what;
    } others[] = {
        { "evals.jsonl", "{\"v\":1}\n", "a journal of evals" },
        { "model_00000010.bin", "\xc6\xd7\x34\x01\x03", "a checkpoint" },
        { "mine.jsonl", "{\"query\":\"The\",\"choices\":[\"dog\",\"cat\"],\"gold\":0}\n", NULL },
        { "notes.txt", "mine", "was not written by it" },
    };
    char words[400];
    buffer kept = {0};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) put(others[i].name, others[i].bytes);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        for (int score = 0; score < 2; score++) {
            if (score) snprintf(words, sizeof words, "score --checkpoint ckpt --prompt The --logits_out %s", others[i].name);
            else snprintf(words, sizeof words, "eval --checkpoint ckpt --lm_eval_data . --lm_eval_tasks mine --lm_eval_results_output %s", others[i].name);
            EXPECT_EQ(program(words), 2);
            EXPECT(!others[i].what || strstr(buf_str(&err), others[i].what));
            EXPECT(strstr(buf_str(&err), "left alone") && strstr(buf_str(&err), "another "));
            EXPECT_EQ(out.n, 0);
            read_back(others[i].name, &kept);
            EXPECT_STREQ(buf_str(&kept), others[i].bytes);
        }
    /* Beside a free name: samples where something else is; and a task's data of the samples' own form. */
#define EVAL "eval --checkpoint ckpt --lm_eval_data . --lm_eval_tasks "
    put("lm_eval_samples_mine.jsonl", "{\"query\":1}\n");
    EXPECT_EQ(program(EVAL "mine --lm_eval_results_output r.json"), 2);
    EXPECT(strstr(buf_str(&err), "lm_eval_samples_mine.jsonl") && !there("r.json"));
    read_back("lm_eval_samples_mine.jsonl", &kept);
    EXPECT_STREQ(buf_str(&kept), "{\"query\":1}\n");
    put("lm_eval_samples_mine.jsonl", "{\"doc_id\": 0, \"query\":\"The\",\"choices\":[\"dog\",\"cat\"],\"gold\":0}\n");
    EXPECT_EQ(program(EVAL "mine,lm_eval_samples_mine --lm_eval_results_output r.json"), 2);
    EXPECT(strstr(buf_str(&err), "is the data of the task lm_eval_samples_mine") && !there("r.json"));
    /* Nothing, an empty file, its like: written, twice. */
    EXPECT_EQ(program(EVAL "lm_eval_samples_mine --lm_eval_results_output r.json"), 0);
    put("r.json", "");
    EXPECT_EQ(program(EVAL "lm_eval_samples_mine --lm_eval_results_output r.json"), 0);
    EXPECT_EQ(program(EVAL "lm_eval_samples_mine --lm_eval_results_output r.json"), 0);
    put("l.npy", "");
    for (int i = 0; i < 2; i++) EXPECT_EQ(program("score --checkpoint ckpt --prompt The --logits_out l.npy"), 0);
    EXPECT_EQ(program("score --checkpoint ckpt --prompt The --logits_out r.json"), 2);
    EXPECT(strstr(buf_str(&err), "results of an evaluation"));
    EXPECT_EQ(program("score --checkpoint ckpt --prompt The --logits_out /dev/null"), 0);
    buf_free(&kept);
}

/* The second task's samples find no room: neither does anything else stay, not even a directory; earlier files do. */
TEST(offline_evaluation_that_fails_leaves_nothing) {
    static const char *const outputs[] = { "--out_dir e", "--lm_eval_results_output e/r.json" };
    char words[400], path[4200];
    buffer data = {0}, kept = {0}, now = {0};
    for (int i = 0; i < 150; i++) buf_puts(&data, "{\"query\":\"The\",\"choices\":[\"dog\",\"cat\"],\"gold\":0}\n");
    put("big.jsonl", buf_str(&data));
    put("mine.jsonl", "{\"query\":\"The\",\"choices\":[\"dog\",\"cat\"],\"gold\":0}\n");
    for (int i = 0; i < 2; i++) {
        snprintf(words, sizeof words, EVAL "mine,big --batch_size 64 %s", outputs[i]);
        snprintf(path, sizeof path, "cd '%s' && (ulimit -f 64; exec '%s/glimpse' %s < /dev/null > out.txt 2> err.txt)", test_tmpdir(),
                 test_build_dir(), words); /* blocks of 512 or 1024 bytes, as the shell has them */
        for (int earlier = 0; earlier < 2; earlier++) {
            if (earlier) {
                EXPECT_EQ(program(EVAL "mine --lm_eval_results_output e/r.json"), 0);
                if (i == 0) break; /* --out_dir takes another directory then */
                read_back("e/r.json", &kept);
            } else program("help"); /* ckpt is there */
            int status = system(path);
            EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
            read_back("err.txt", &now);
            EXPECT(strstr(buf_str(&now), "lm_eval_samples_big.jsonl") != NULL);
            if (!earlier) {
                EXPECT(!there("e"));
                continue;
            }
            read_back("e/r.json", &now);
            EXPECT_STREQ(buf_str(&now), buf_str(&kept));
            char *e = path_join(test_tmpdir(), "e");
            int files = 0;
            DIR *d = opendir(e);
            REQUIRE(d != NULL);
            for (struct dirent *x; (x = readdir(d));) files += x->d_name[0] != '.';
            closedir(d);
            free(e);
            EXPECT_EQ(files, 2); /* the earlier results and samples */
        }
        snprintf(path, sizeof path, "rm -rf '%s/e'", test_tmpdir());
        EXPECT_EQ(system(path), 0);
    }
    buf_free(&data), buf_free(&kept), buf_free(&now);
}

/* The sample stands, a view could not be written: that is the last word, and the status. */
TEST(offline_missing_views_are_the_last_word) {
    for (int quiet = 0; quiet < 2; quiet++) {
        char command[4200];
        snprintf(command, sizeof command, "cd '%s' && rm -rf o && mkdir -p o/metrics.csv", test_tmpdir());
        EXPECT_EQ(system(command), 0);
        EXPECT_EQ(program(quiet ? QUICK "--prompt The --num_samples 1 --quiet" : QUICK "--prompt The --num_samples 1"), 1);
        EXPECT(out.n > 4 && !strncmp(out.bytes, "The", 3) && there("o/evals.jsonl"));
        const char *last = strstr(buf_str(&err), "views are missing in o;");
        EXPECT(last && strstr(last, "glimpse report o draws them later") && !strstr(buf_str(&err), "everything about it is in"));
    }
    char command[4200];
    snprintf(command, sizeof command, "rmdir '%s/o/metrics.csv'", test_tmpdir());
    EXPECT_EQ(system(command), 0);
    EXPECT_EQ(program("report o"), 0);
    EXPECT(there("o/metrics.csv"));
}

TEST(offline_tells_what_does_nothing) {
    EXPECT_EQ(program(QUICK "--prompt The --no_files --quiet --samplers 'penalties;dry;banned_tokens;top_k=40;temperature=0.8'"), 0);
    EXPECT_STREQ(buf_str(&err), "glimpse: penalties is in the chain, and repetition_penalty is 1: it does nothing\n"
                                "glimpse: dry is in the chain, and dry_multiplier is 0: it does nothing\n"
                                "glimpse: banned_tokens is in the chain, and there is no --banned_tokens: it does nothing\n");
    EXPECT_EQ(program(QUICK "--prompt The --no_files --quiet --samplers 'penalties=1.1;dry=0.8;temperature'"), 0);
    EXPECT_EQ(err.n, 0);
    EXPECT_EQ(program(QUICK "--prompt The --no_files --quiet --xtc_threshold 0.2 --top_p_crossing drop"), 0);
    EXPECT_EQ(times(&err, "it does nothing\n"), 2);
    EXPECT(strstr(buf_str(&err), "glimpse: --top_p_crossing is set, and top_p is 1: it does nothing\n"));
    EXPECT(strstr(buf_str(&err), "glimpse: --xtc_threshold is set, and xtc_probability is 0: it does nothing\n"));
    EXPECT_EQ(program(QUICK "--prompt The --module :"), 2);
    EXPECT(strstr(buf_str(&err), "names no library before the colon"));
}

/* What /save wrote, read by its rules: conversations, turns, texts, and answers that are byte for byte what was on the screen, the
 * --stop text included. */
TEST(offline_chat_reads_back) {
    buffer saved = {0}, answers = {0};
    put("lines.txt", "The dog\nAnd\\nthen\n/again\n/undo\n/reset\nThe cat\n/save t.txt\n");
    EXPECT_EQ(program("chat " QUICK "--max_new_tokens 30 --stop o --quiet < lines.txt"), 0);
    read_back("t.txt", &saved);
    EXPECT_EQ(times(&saved, "--------------- conversation 1\n--------------- turn 1\n> The dog\n"), 1);
    EXPECT_EQ(times(&saved, "--------------- conversation 2\n--------------- turn 1\n> The cat\n"), 1);
    EXPECT_EQ(times(&saved, "--------------- turn"), 2);
    bool stopped = false;
    for (const char *at = buf_str(&saved); *at;) {
        size_t n = strcspn(at, "\n");
        if (*at != '>' && strncmp(at, "-----", 5)) {
            size_t skip = *at == '\\';
            buf_put(&answers, at + skip, n - skip);
            buf_putc(&answers, '\n');
            stopped |= memchr(at, 'o', n) != NULL;
        }
        at += n + (at[n] == '\n');
    }
    EXPECT(stopped); /* what the model has read of it is not left out */
    const char *first = strstr(buf_str(&out), "\n");
    REQUIRE(first != NULL);
    EXPECT(!strncmp(buf_str(&out), buf_str(&answers), (size_t)(first + 1 - out.bytes)));
    buf_free(&saved), buf_free(&answers);
}

/* In colour: what streams is coloured in every mode that can be known of a token alone, and the legend says which it is; what is
 * shown when it is finished, in the mode that was asked for, its legend below. */
TEST(offline_samples_in_colour) {
    static const char *const legends[][2] = {
        {"entropy", "  colours    entropy "}, {"softmax", "  colours    softmax "}, {"softmax_top_k", "p 0 \xe2\x80\xa6 1, among the kept\n"},
        {"minmax", "p 0 \xe2\x80\xa6 1, at the temperature  (minmax needs the finished text)\n"},
        {"dot_product", "(dot_product needs the finished text)\n"}, {"rank", "rank 50 \xe2\x80\xa6 2 (1 plain)\n"},
    };
    char line[300];
    for (size_t i = 0; i < sizeof legends / sizeof *legends; i++) {
        snprintf(line, sizeof line, QUICK "--no_files --prompt The --num_samples 1 --top_k 50 --colorize_output --color always --colorize_mode %s", legends[i][0]);
        EXPECT_EQ(program(line), 0);
        buffer plain = {0};
        buf_put(&plain, err.bytes, err.n);
        for (char *at; plain.bytes && (at = strstr(plain.bytes, "\x1b["));) { /* the legend's own paint */
            size_t n = strcspn(at, "m") + 1;
            memmove(at, at + n, strlen(at + n) + 1);
        }
        test_check(strstr(buf_str(&plain), legends[i][1]) != NULL, __FILE__, __LINE__, "%s: \"%s\" is in: %s", legends[i][0], legends[i][1], buf_str(&plain));
        EXPECT_LT(strcmp(legends[i][0], "rank") ? 4 : 0, times(&out, "\x1b[0m")); /* each that ends a character; or those that are not the first choice */
        buf_free(&plain);
    }
    EXPECT_EQ(program(QUICK "--no_files --prompt The --num_samples 1 --top_k 50 --samplers 'top_k=100;top_k=3' --colorize_output --colorize_mode rank"
                      " --color always"), 0); /* what is in force, not the flag */
    EXPECT(strstr(buf_str(&err), "rank 3 \xe2\x80\xa6 2") != NULL && !strstr(buf_str(&err), "keeps all"));
    EXPECT_EQ(program(QUICK "--no_files --quiet --prompt The --num_samples 1 --colorize_output --color always --colorize_mode all"), 0);
    EXPECT_EQ(times(&out, "minmax ") + times(&out, "dot_product "), 2); /* which needs all of it, and is not streamed */
    EXPECT_EQ(program(QUICK "--no_files --quiet --prompt The --num_samples 2 --colorize_output --color always"), 0);
    EXPECT_EQ(err.n, 0);
    EXPECT_EQ(times(&out, "minmax "), 2);
    EXPECT_EQ(times(&out, "logit "), 2);
    EXPECT_EQ(program(QUICK "--no_files --quiet --prompt The --num_samples 1 --colorize_output --color always --colorize_mode all --stop nowhere"), 0);
    EXPECT_EQ(times(&out, "minmax ") + times(&out, "dot_product ") + times(&out, "softmax_top_k "), 3);
}
