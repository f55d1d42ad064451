/* test_args.c -- flags out of argv: every spelling, whose flag is whose, errors that leave argv alone, the environment. */
#define _GNU_SOURCE
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/buffer.h"
#include "tests/oracle.h"

enum { MOST = 64 };

/* A configuration after parsing the words of `line`, separated by '|'; what is left, joined with '|', in *left. */
typedef struct parsed {
    glimpse_config *cfg;
    glimpse_status st;
    char *words, *argv[MOST + 1];
    int argc;
    buffer left;
} parsed;

static parsed parse(const char *line, bool all) {
    parsed p = {.cfg = glimpse_config_new(), .words = strdup(line)};
    if (all) EXPECT_OK(glimpse_set(p.cfg, "flag_scope", "all"));
    p.argv[p.argc++] = (char *)"train";
    for (char *w = p.words; w && *line;) {
        char *end = strchr(w, '|');
        if (end) *end++ = 0;
        p.argv[p.argc++] = w;
        w = end;
    }
    p.argv[p.argc] = NULL;
    p.st = glimpse_parse_args(p.cfg, &p.argc, p.argv);
    EXPECT(p.argv[p.argc] == NULL);
    for (int i = 1; i < p.argc; i++) {
        if (i > 1) buf_putc(&p.left, '|');
        buf_puts(&p.left, p.argv[i]);
    }
    return p;
}

static void drop(parsed *p) {
    glimpse_config_free(p->cfg);
    free(p->words);
    buf_free(&p->left);
}

TEST(args_spellings) {
    static const struct {
        const char *line, *name, *value, *left;
        bool all;
    } cases[] = {
        /* a trainer's scope */
        {"--max_sample_tokens|64|x", "max_sample_tokens", "64", "x", false},
        {"--max-sample-tokens|64", "max_sample_tokens", "64", "", false},
        {"--max-sample_tokens=64", "max_sample_tokens", "64", "", false},
        {"--glimpse_top_k|5", "top_k", "5", "", false},
        {"--glimpse-top-k=1,2 5", "top_k", "1,2,5", "", false},
        {"--glimpse_top_k|1|2|5|10|data.bin", "top_k", "1,2,5,10", "data.bin", false},
        {"--glimpse_top_k|1,|2|--seed|3", "top_k", "1,2", "--seed|3", false},
        {"--glimpse_top_k=1|2", "top_k", "1", "2", false},
        {"--sample_each_eval|x", "sample_each_eval", "true", "x", false},
        {"--sample_each_eval|True", "sample_each_eval", "true", "", false},
        {"--sample_each_eval|1|2", "sample_each_eval", "true", "2", false},
        {"--sample_each_eval|no", "sample_each_eval", "false", "", false},
        {"--sample_each_eval=False", "sample_each_eval", "false", "", false},
        {"--colorize_output|TRUE", "colorize_output", "true", "TRUE", false},
        {"--no_colorize_output|true", "colorize_output", "false", "true", false},
        {"--no-colorize-output", "colorize_output", "false", "", false},
        {"--glimpse_no_sheets", "sheets", "false", "", false},
        {"--no_sheets|--seed", "sheets", "true", "--no_sheets|--seed", false},
        {"--sample_start_tokens|a|--sample_start_tokens=b", "sample_start_tokens", "a,b", "", false},
        {"--sample_start_tokens|-", "sample_start_tokens", "-", "", false},
        {"--sample_start_tokens|- an item", "sample_start_tokens", "- an item", "", false},
        {"--sample_start_tokens=--flag", "sample_start_tokens", "--flag", "", false},
        {"--sample_start_tokens=", "sample_start_tokens", "", "", false},
        {"--sample_start_tokens=a=b", "sample_start_tokens", "a=b", "", false},
        {"--token_boundary|\\n", "token_boundary", "\\n", "", false},
        {"--max_sample_tokens|1|--max_sample_tokens|2", "max_sample_tokens", "2", "", false},
        {"--glimpse_max_sample_tokens|7", "max_sample_tokens", "7", "", false},
        {"--|--max_sample_tokens|7", "max_sample_tokens", NULL, "--|--max_sample_tokens|7", false},
        /* the trainer's own */
        {"--prompt|x|--start|y|--max_new_tokens|3", "max_sample_tokens", NULL, "--prompt|x|--start|y|--max_new_tokens|3", false},
        {"--seed|1|--batch_size=4|--device|cuda|--config|c.json|-b|4", "seed", "1337",
         "--seed|1|--batch_size=4|--device|cuda|--config|c.json|-b|4", false},
        {"--max_sample|5|--sample|-s|-m|64", "max_sample_tokens", NULL, "--max_sample|5|--sample|-s|-m|64", false},
        {"--glimpsed|--glimpse|--unknown", "seed", "1337", "--glimpsed|--glimpse|--unknown", false},
        {"-max_sample_tokens|5", "max_sample_tokens", NULL, "-max_sample_tokens|5", false},
        {"--no_max_sample_tokens", "max_sample_tokens", NULL, "--no_max_sample_tokens", false},
        {"||x", "seed", "1337", "||x", false},
        /* a program's own scope */
        {"--prompt|x|--start|y", "sample_start_tokens", "x,y", "", true},
        {"--max_length|9", "max_sample_tokens", "9", "", true},
        {"--tokenizer-path|t.json|DIR", "tokenizer", "t.json", "DIR", true},
        {"--no_sheets|-x", "sheets", "false", "-x", true},
        {"--glimpse_seed|7", "seed", "7", "", true},
        {"--temperature|.5", "temperature", ".5", "", true},
        {"--|--temperature|.5", "temperature", "0.8", "--|--temperature|.5", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed p = parse(cases[i].line, cases[i].all);
        if (!EXPECT_OK(p.st)) test_check(false, __FILE__, __LINE__, "%s", cases[i].line);
        EXPECT_STREQ(glimpse_get(p.cfg, cases[i].name), cases[i].value);
        EXPECT_STREQ(buf_str(&p.left), cases[i].left);
        drop(&p);
    }
}

TEST(args_errors_leave_everything_alone) {
    static const struct {
        const char *line, *part;
        bool all;
    } cases[] = {
        {"--max_sample_tokens|5|--glimpse_xyzzy|3", "unknown flag --glimpse_xyzzy", false},
        {"--max_sample_tokens|5|--glimpse_top-kk=3", "unknown flag --glimpse_top-kk\nhint: did you mean --glimpse_top_k?", false},
        {"--max_sample_tokens|5|--glimpse_", "unknown flag --glimpse_", false},
        {"--max_sample_tokens|5|--max_sample_tokens|many", "--max_sample_tokens = \"many\": expected", false},
        {"--max_sample_tokens|5|--chart_type|pie", "heatmap or barchart", false},
        {"--max_sample_tokens|5|--max_sample_tokens", "nothing follows it", false},
        {"--max_sample_tokens|5|--sample_start_tokens|--seed|5", "--seed looks like a flag", false},
        {"--max_sample_tokens|5|--sample_start_tokens|-b|5", "-b looks like a flag", false},
        {"--max_sample_tokens|5|--token_boundary|--", "looks like a flag", false},
        {"--max_sample_tokens|5|--no_sample_each_eval=1", "takes no value", false},
        {"--max_sample_tokens|5|--sample_each_eval=maybe", "expected true", false},
        {"--max_sample_tokens|5|--max_sample_tokens|-3", "from 0 to", false},
        {"--max_sample_tokens|5|--glimpse_threads|many", "--glimpse_threads = \"many\": expected auto or a whole number from 0 to 256", false},
        {"--max_sample_tokens|5|--glimpse_top-k=a", "--glimpse_top_k = \"a\": expected whole numbers from 0 to", false},
        {"--max_sample_tokens|5|--max-new-tokens|a", "--max_new_tokens = \"a\": expected", true},
        {"--max_sample_tokens|5|--temprature|3", "did you mean --temperature?", true},
        {"--max_sample_tokens|5|--no_sheet", "did you mean --no_sheets?", true},
        {"--max_sample_tokens|5|--temp|3", "did you mean --temperature?", true},
        {"--max_sample_tokens|5|--lm_evil|x", "unknown flag --lm_evil", true},
        {"--max_sample_tokens|5|--num_moons|3", "unknown flag --num_moons", true},
        {"--max_sample_tokens|5|--=3", "unknown flag --", true},
        {"--max_sample_tokens|5|--top_k|--seed|3", "--seed looks like a flag", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed p = parse(cases[i].line, cases[i].all);
        EXPECT(p.st < 0);
        if (!EXPECT(strstr(glimpse_error(), cases[i].part) != NULL))
            test_check(false, __FILE__, __LINE__, "%s: %s", cases[i].line, glimpse_error());
        EXPECT_STREQ(buf_str(&p.left), cases[i].line);
        EXPECT(glimpse_get(p.cfg, "max_sample_tokens") == NULL); /* the good flag before it was not taken either */
        drop(&p);
    }
    int argc = -1;
    char *argv[] = {NULL};
    glimpse_config *cfg = glimpse_config_new();
    EXPECT_ERR(glimpse_parse_args(cfg, &argc, argv), GLIMPSE_E_INVALID, NULL);
    EXPECT_ERR(glimpse_parse_args(cfg, NULL, argv), GLIMPSE_E_INVALID, NULL);
    argc = 0;
    EXPECT_OK(glimpse_parse_args(cfg, &argc, argv));
    argc = 3; /* a NULL among the words */
    char *holes[] = {(char *)"train", NULL, (char *)"--sample_only", NULL};
    EXPECT_OK(glimpse_parse_args(cfg, &argc, holes));
    EXPECT_EQ(argc, 2);
    EXPECT(glimpse_is_sample_only(cfg));
    glimpse_config_free(cfg);
}

/* A refused command line that asked for samples instead of training must not start a training. */
TEST(args_refused_sample_only_still_counts) {
    parsed p = parse("--sample_only|--chart_type|pie", false);
    EXPECT(p.st < 0 && glimpse_is_sample_only(p.cfg) == 1);
    drop(&p);
    p = parse("--sample_only=false|--chart_type|pie", false);
    EXPECT(p.st < 0 && glimpse_is_sample_only(p.cfg) == 0);
    drop(&p);
    p = parse("--chart_type|pie|--|--sample_only", false);
    EXPECT(p.st < 0 && glimpse_is_sample_only(p.cfg) == 0);
    drop(&p);
    p = parse("--glimpse_interactive|--chart_type|pie", false);
    EXPECT(p.st < 0 && glimpse_is_sample_only(p.cfg) == 1);
    drop(&p);
    p = parse("--glimpse_interactive", false);
    EXPECT(p.st >= 0 && glimpse_is_sample_only(p.cfg) == 1);
    drop(&p);
}

/* Random command lines: the trainer's words stay, the same pointers in the same order, and ours are all taken. */
TEST(args_property_trainer_words_survive) {
    static const char *const theirs[] = {"--seed", "1", "--batch_size", "8", "--device=cuda", "--config", "c.json", "-b", "4",
                                         "-x", "data/train.bin", "-", "--top_k", "5", "--prompt", "--no_sheets", "-5",
                                         "--sample", "--max_sample", "", "=", "-=", "--temperature=0.1", "--glimpsex", "value"};
    static const char *const ours[][2] = {
        {"--max_sample_tokens", "9"}, {"--max-sample-tokens=9", NULL}, {"--sample_file", "a b"}, {"--glimpse_seed=3", NULL},
        {"--no_colorize_output", NULL}, {"--chart-type", "barchart"}, {"--glimpse_num_samples", "2"},
        {"--show_heatmaps=true", NULL}, {"--sample_start_tokens", "x"}, {"--token_boundary=|", NULL}};
    uint64_t seed = 11;
    for (int round = 0; round < 5000; round++) {
        char *argv[MOST + 1], *want[MOST + 1];
        int argc = 0, n = 0, taken = 0;
        argv[argc++] = want[n++] = (char *)"train";
        for (int k = (int)(oracle_random(&seed) % 20); k > 0; k--) {
            if (oracle_random(&seed) % 2) {
                const char *const *f = ours[oracle_random(&seed) % (sizeof ours / sizeof *ours)];
                argv[argc++] = (char *)f[0];
                if (f[1]) argv[argc++] = (char *)f[1];
                taken++;
            } else {
                argv[argc++] = want[n++] = (char *)theirs[oracle_random(&seed) % (sizeof theirs / sizeof *theirs)];
            }
        }
        if (oracle_random(&seed) % 3 == 0) {
            argv[argc++] = want[n++] = (char *)"--";
            argv[argc++] = want[n++] = (char *)"--max_sample_tokens";
        }
        argv[argc] = want[n] = NULL;
        glimpse_config *cfg = glimpse_config_new();
        REQUIRE_OK(glimpse_parse_args(cfg, &argc, argv));
        EXPECT_EQ(argc, n);
        EXPECT_MEM(argv, want, (size_t)(n + 1) * sizeof *argv);
        (void)taken;
        glimpse_config_free(cfg);
    }
}

/* Any words at all: no crash, all or nothing, and what stays is a subsequence of what was there. */
TEST(args_fuzz) {
    static const char *const bits[] = {"--", "-", "glimpse", "_", "no", "top", "k", "=", "5", ",", "sample", "only", "each",
                                       "eval", "true", "0", " ", "\xff", "start", "tokens", "max", "\\n", "mode", "like",
                                       "generate", "seed", "9999999999999999999999", "-1", "x"};
    uint64_t seed = 5;
    int rounds = test_is_full() ? 200000 : 20000;
    for (int round = 0; round < rounds; round++) {
        char text[8][96], *argv[9], *before[9];
        int argc = 1 + (int)(oracle_random(&seed) % 8);
        for (int i = 0; i < argc; i++) {
            text[i][0] = 0;
            for (int k = (int)(oracle_random(&seed) % 6); k > 0; k--)
                strcat(text[i], bits[oracle_random(&seed) % (sizeof bits / sizeof *bits)]);
            argv[i] = before[i] = text[i];
        }
        argv[argc] = before[argc] = NULL;
        glimpse_config *cfg = glimpse_config_new();
        if (oracle_random(&seed) % 2) glimpse_set(cfg, "flag_scope", "all");
        int n = argc;
        if (glimpse_parse_args(cfg, &argc, argv) < 0) {
            EXPECT_EQ(argc, n);
            EXPECT_MEM(argv, before, (size_t)(n + 1) * sizeof *argv);
            EXPECT(*glimpse_error() != 0);
        } else {
            int k = 0;
            for (int i = 0; i < n && k < argc; i++) k += argv[k] == before[i];
            EXPECT_EQ(k, argc);
            EXPECT(argv[argc] == NULL);
        }
        glimpse_config_free(cfg);
    }
}

TEST(args_environment) {
    static const struct {
        const char *env, *name, *value;
    } good[] = {
        {"--max_sample_tokens 128 --sample_each_eval", "max_sample_tokens", "128"},
        {"  --top_k 1,2\t5\n", "top_k", "1,2,5"},
        {"--prompt 'a  b'\"c\\\"d\"e\\ f", "sample_start_tokens", "a  bc\"de f"},
        {"--prompt \"\\n\"", "sample_start_tokens", "\\n"},   /* as in sh: kept, Glimpse reads it as an escape */
        {"--prompt '\\n$HOME`x`'", "sample_start_tokens", "\\n$HOME`x`"},
        {"--prompt ''", "sample_start_tokens", ""},
        {"--prompt a\\\nb", "sample_start_tokens", "ab"},
        {"", "seed", "1337"},
        {"   ", "seed", "1337"},
        {"--no-sheets", "sheets", "false"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        setenv("GLIMPSE_ARGS", good[i].env, 1);
        glimpse_config *cfg = glimpse_config_new();
        EXPECT_STREQ(glimpse_get(cfg, good[i].name), good[i].value);
        glimpse_config_free(cfg);
    }
    /* A flag beats the environment, and a bad environment is told by glimpse_run. */
    setenv("GLIMPSE_ARGS", "--sample_start_tokens env --num_samples 7 --max_sample_tokens 3", 1);
    parsed p = parse("--sample_start_tokens|flag|--max_sample_tokens|4", false);
    EXPECT_STREQ(glimpse_get(p.cfg, "sample_start_tokens"), "flag");
    EXPECT_STREQ(glimpse_get(p.cfg, "num_samples"), "7");
    EXPECT_STREQ(glimpse_get(p.cfg, "max_sample_tokens"), "4");
    EXPECT_OK(glimpse_set(p.cfg, "num_samples", NULL)); /* back to the default, whoever set it */
    EXPECT_STREQ(glimpse_get(p.cfg, "num_samples"), "1");
    drop(&p);
    static const char *const bad[][2] = {{"--nope 3", "GLIMPSE_ARGS: unknown flag --nope"},
                                         {"--prompt 'open", "GLIMPSE_ARGS: a quote is not closed"},
                                         {"--prompt \"open", "GLIMPSE_ARGS: a quote is not closed"},
                                         {"--num_samples 2 stray", "GLIMPSE_ARGS: \"stray\" is not a flag"},
                                         {"-- --seed 3", "GLIMPSE_ARGS: \"--\" is not a flag"},
                                         {"--num_samples 0", "GLIMPSE_ARGS: --num_samples = \"0\""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("GLIMPSE_ARGS", bad[i][0], 1);
        glimpse_config *cfg = glimpse_config_new();
        EXPECT(strncmp(glimpse_error(), bad[i][1], strlen(bad[i][1])) == 0);
        EXPECT_STREQ(glimpse_get(cfg, "num_samples"), "1");
        glimpse_config_free(cfg);
    }
}

TEST(args_survive_every_failing_allocation) {
    for (long n = 1; n < 2000; n++) {
        glimpse_config *cfg = glimpse_config_new();
        char *argv[] = {(char *)"t", (char *)"--glimpse_top_k", (char *)"1", (char *)"2", (char *)"x",
                        (char *)"--sample_start_tokens=y", (char *)"--glimpse_like", (char *)"generate", NULL}, *before[9];
        memcpy(before, argv, sizeof argv);
        int argc = 8;
        test_fail_alloc(n);
        glimpse_status st = glimpse_parse_args(cfg, &argc, argv);
        long seen = test_fail_alloc(0);
        if (st < 0) {
            EXPECT_EQ(st, GLIMPSE_E_MEMORY);
            EXPECT_EQ(argc, 8);
            EXPECT_MEM(argv, before, sizeof argv);
            EXPECT_STREQ(glimpse_get(cfg, "top_k"), "200");
        } else {
            EXPECT_EQ(argc, 2);
            EXPECT_STREQ(glimpse_get(cfg, "top_k"), "1,2");
        }
        glimpse_config_free(cfg);
        if (seen < n) return;
    }
    EXPECT(!"the loop ends");
}
