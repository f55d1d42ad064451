/* test_reviewer.c -- `glimpse review` and `glimpse follow` as a user has them: the program in a pseudo-terminal or at a pipe,
 * over journals that grow, are replaced, or end in the middle of a line; and the parts of the former by themselves. */
#define _GNU_SOURCE
#include "hooks/journal.h"
#include "hooks/journal_index.h"
#include "hooks/text_search.h"
#include "include/internal/file.h"
#include "tests/chart_record.h"
#include "tests/pty.h"
#include "tests/test.h"
#include "viz/screen.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* === Journals =================================================================================================== */

typedef struct made { /* a record of two samples that differ from one step to the next in their last words */
    owned_record *o;
    glimpse_sample *s;
    char text[2][4096];
} made;

static const char *const views = "{\"colorize_output\":\"true\",\"report\":\"true\",\"sheets\":\"true\",\"tensorboard\":\"true\"}";

static bool make(made *m, int64_t step, const char *run, int n_tokens) {
    m->o = chart_record(n_tokens, 5, 5, "top_k=5");
    if (!m->o) return false;
    glimpse_record *r = &m->o->record;
    glimpse_token *t = (glimpse_token *)(uintptr_t)GLIMPSE_AT(r->samples, 0)->tokens;
    m->s = arena_alloc(m->o->arena, 2 * sizeof *m->s);
    for (int k = 0; k < 2; k++) {
        m->s[k] = *GLIMPSE_AT(r->samples, 0);
        m->s[k].sample = k;
        m->s[k].n_samples = 2;
        m->text[k][0] = 0;
        if (k == 0 && n_tokens > 3) t[n_tokens - 1].id = (int32_t)(25 + step / 250 % 20);
        for (int i = 0; i < n_tokens; i++) strcat(m->text[k], chart_vocab[t[i].id]);
        m->s[k].text = m->text[k];
        m->s[k].text_bytes = strlen(m->text[k]);
    }
    r->samples = m->s;
    r->n_samples = 2;
    r->step = step;
    r->seq = step / 250;
    r->run = run;
    r->views = views;
    r->val_loss = 3 - (double)step / 1000;
    return true;
}

static void append(const char *path, const made *m, size_t only) {
    buffer line = {0};
    FILE *f = fopen(path, "a");
    if (EXPECT(f) && EXPECT_OK(journal_encode(&m->o->record, &line))) fwrite(line.bytes, 1, only && only < line.n ? only : line.n, f);
    if (f) fclose(f);
    buf_free(&line);
}

static void add_step(const char *path, int64_t step, const char *run) {
    made m;
    if (!EXPECT(make(&m, step, run, 24))) return;
    append(path, &m, 0);
    record_free(&m.o->record);
}

static const char *path_of(const char *name) {
    static char paths[4][4200];
    static int next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", test_tmpdir(), name);
    return p;
}

static char *program(void) {
    static char path[4200];
    snprintf(path, sizeof path, "%s/glimpse", test_build_dir());
    return path;
}

static bool start(pty *p, int width, int height, const char *env1, const char *env2) {
    const char *const env[] = {env1, env2, NULL};
    char *const argv[] = {program(), (char *)"review", (char *)(uintptr_t)test_tmpdir(), NULL};
    return EXPECT(pty_start(p, width, height, env, argv));
}

/* === The banner in a terminal ===================================================================================== */

TEST(banner_breaks_at_blanks) {
    char checkpoint[4200], row[PTY_COLUMNS * PTY_CELL];
    snprintf(checkpoint, sizeof checkpoint, "%s/tests/ref/tasks/ckpt", test_source_dir());
    static pty p;
    char *argv[] = {program(), (char *)"--checkpoint", checkpoint, (char *)"--prompt", (char *)"The", (char *)"--no_files", (char *)"--max_new_tokens", (char *)"4",
                    (char *)"--seed", (char *)"7", NULL};
    const char *const env[] = {"TERM=xterm-256color", NULL};
    if (!EXPECT(pty_start(&p, 50, 40, env, argv))) return;
    EXPECT_EQ(pty_end(&p), 0);
    int rows = 0;
    for (int i = 0; i < 40; i++) { /* what goes on stands under its words, and the last column stays free: nothing was cut by the terminal */
        pty_row(&p, i, row);
        if (strstr(row, "sampling ")) break;
        if (!strncmp(row, "             ", 13)) EXPECT(row[13] != ' ' && strlen(row) < 50), rows++;
    }
    EXPECT(rows >= 1);
    EXPECT(pty_shows(&p, "--help"));
}

/* Coloured text on a terminal says what its colours mean; one that streams, why it shows another mode. */
TEST(offline_colours_have_a_legend) {
    char checkpoint[4200];
    snprintf(checkpoint, sizeof checkpoint, "%s/tests/ref/tasks/ckpt", test_source_dir());
    static pty p;
    for (int n = 1; n <= 2; n++) {
        char *argv[] = {program(), (char *)"--checkpoint", checkpoint, (char *)"--prompt", (char *)"The", (char *)"--no_files", (char *)"--max_new_tokens", (char *)"4",
                        (char *)"--colorize_output", (char *)"--num_samples", (char *)(n == 1 ? "1" : "2"), NULL};
        const char *const env[] = {"TERM=xterm-256color", "COLORTERM=truecolor", NULL};
        if (!EXPECT(pty_start(&p, 100, 40, env, argv))) return;
        EXPECT_EQ(pty_end(&p), 0);
        EXPECT(pty_shows(&p, n == 1 ? "(minmax needs the finished text)" : "highest logit of each sample") && p.colors[2] > 0);
    }
}

/* === Review in a terminal ======================================================================================= */

static pty screen;

TEST(reviewer_steps_samples_tokens) {
    const char *path = path_of("evals.jsonl");
    for (int i = 0; i < 5; i++) add_step(path, 250 * i, "9f2c1a");
    if (!start(&screen, 80, 24, "TERM=xterm-256color", "COLORTERM=truecolor")) return;
    EXPECT(pty_wait(&screen, "step 1000") && pty_wait(&screen, "5 of 5"));
    EXPECT(screen.alternate && screen.cursor_hidden);
    EXPECT(pty_shows(&screen, "val 2.000 \xe2\x96\xbc") && pty_shows(&screen, "Once upon a time") && pty_shows(&screen, "1 of 2"));
    pty_keys(&screen, "\x1b[D");
    EXPECT(pty_wait(&screen, "step 750"));
    pty_keys(&screen, "\x1bOC"); /* application keys, as some terminals send them */
    EXPECT(pty_wait(&screen, "step 1000"));
    pty_keys(&screen, "\x1b[H");
    EXPECT(pty_wait(&screen, "step 0 ") && pty_wait(&screen, "1 of 5"));
    pty_keys(&screen, "\x1b[D"); /* there is none before */
    EXPECT(pty_wait(&screen, NULL) && pty_shows(&screen, "1 of 5"));
    pty_keys(&screen, "g500\r");
    EXPECT(pty_wait(&screen, "3 of 5"));
    pty_keys(&screen, "j");
    EXPECT(pty_wait(&screen, "2 of 2"));
    pty_keys(&screen, "k");
    EXPECT(pty_wait(&screen, "1 of 2"));
    for (int i = 0; i < 30; i++) pty_keys(&screen, "h");
    EXPECT(pty_wait(&screen, "1 of 24"));
    pty_keys(&screen, "..");
    EXPECT(pty_wait(&screen, "3 of 24") && pty_shows(&screen, "rank "));
    pty_keys(&screen, "?");
    EXPECT(pty_wait(&screen, "find text or /pattern/"));
    pty_keys(&screen, "\x1b");
    EXPECT(pty_wait(&screen, "3 of 24"));
    pty_keys(&screen, "d");
    EXPECT(pty_wait(&screen, "against step 250, the last sampled"));
    pty_keys(&screen, "d");
    static const char *const modes[] = {"p 0 \xe2\x80\xa6 1, at the temperature", "softmax_top_k", "rank 5", "dot_product", "entropy", "the most probable", "minmax"};
    EXPECT(pty_wait(&screen, "3 of 24"));
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        pty_keys(&screen, "c");
        EXPECT(pty_wait(&screen, modes[i]));
    }
    pty_keys(&screen, "m");
    EXPECT(pty_wait(&screen, "Losses"));
    pty_keys(&screen, "mp");
    EXPECT(pty_wait(&screen, "no texts of --probe"));
    pty_keys(&screen, "q"); /* back; so from every page; at the top it leaves */
    EXPECT(pty_wait(&screen, "of 24"));
    static const char *const pages[][2] = {{"m", "Losses"}, {"o", "what this sample said"}, {"?", "find text or /pattern/"}, {"p", "no texts of --probe"}, {"d", "against step 250"}};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        pty_keys(&screen, pages[i][0]);
        EXPECT(pty_wait(&screen, pages[i][1]));
        pty_keys(&screen, "q");
        EXPECT(pty_wait(&screen, "of 24"));
    }
    pty_keys(&screen, "q");
    int status = pty_end(&screen);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(!screen.alternate && !screen.cursor_hidden);
    EXPECT_EQ(screen.foreign, 0); /* the model's \x07 and U+202E are among the texts */
    EXPECT(screen.colors[2] > 0 && !screen.colors[0] && !screen.colors[1]);
}

/* The token drawn has a row among its alternatives, marked, whatever its rank and the room there is. */
TEST(reviewer_shows_the_token_drawn) {
    static const int sizes[][2] = {{80, 24}, {80, 18}, {60, 16}, {100, 30}, {140, 20}, {200, 60}};
    owned_record *o = chart_record(200, 60, 10, "top_k=60");
    REQUIRE(o);
    buffer rows[60] = {{0}};
    int far = 0;
    for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
        for (int32_t i = 0; i < 200; i++) {
            screen_view v = {.width = sizes[z][0], .height = sizes[z][1], .style = {.colorize = true}, .name = "demo", .r = &o->record, .n = 1, .token = i,
                             .match_from = -1, .match_to = -1};
            int64_t top = 0;
            const glimpse_token *t = GLIMPSE_AT(GLIMPSE_AT(o->record.samples, 0)->tokens, i);
            char rank[32];
            int marks = 0, ranks = 0;
            snprintf(rank, sizeof rank, "rank %d", (int)t->rank);
            EXPECT_OK(screen_draw(&v, &top, rows));
            for (int k = 0; k < v.height; k++) {
                const char *mark = strstr(buf_str(&rows[k]), "\xe2\x96\xb8");
                marks += mark != NULL;
                ranks += mark && strstr(mark, rank);
            }
            EXPECT_EQ(marks, 1);
            EXPECT(t->rank <= 10 || ranks == 1);
            far += t->rank > 10;
        }
    EXPECT(far > 0);
    for (int k = 0; k < 60; k++) buf_free(&rows[k]);
    record_free(&o->record);
}

/* The colours are those of the run's own log, unless the command line names others. */
TEST(reviewer_opens_in_the_mode_of_the_run) {
    static const char *const modes[][3] = {{"minmax", NULL, "highest logit of each sample"}, {"entropy", NULL, "nats"}, {"all", NULL, "highest logit of each sample"},
                                           {"topk", NULL, "the most probable"}, {"entropy", "softmax", "at the temperature"}};
    const char *path = path_of("evals.jsonl");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        made m;
        char as_recorded[80];
        if (!EXPECT(make(&m, 250 * (int64_t)i, "9f2c1a", 24))) return;
        snprintf(as_recorded, sizeof as_recorded, "{\"colorize_mode\":\"%s\"}", modes[i][0]);
        m.o->record.views = as_recorded;
        append(path, &m, 0);
        record_free(&m.o->record);
        const char *const env[] = {"TERM=xterm-256color", "COLORTERM=truecolor", NULL};
        char *argv[] = {program(), (char *)"review", (char *)(uintptr_t)test_tmpdir(), (char *)"--colorize_mode", (char *)(uintptr_t)modes[i][1], NULL};
        if (!modes[i][1]) argv[3] = NULL;
        if (!EXPECT(pty_start(&screen, 80, 24, env, argv))) return;
        EXPECT(pty_wait(&screen, modes[i][2]));
        pty_keys(&screen, "q");
        pty_end(&screen);
    }
}

/* The change of the loss, the diff and the numbers are against the last step that was sampled, as in the log. */
TEST(reviewer_against_the_last_sampled) {
    const char *path = path_of("evals.jsonl");
    made m;
    add_step(path, 0, "9f2c1a");
    REQUIRE(make(&m, 250, "9f2c1a", 24));
    m.o->record.n_samples = 0; /* val 2.75: no sample */
    m.o->record.status = "skipped";
    m.o->record.why = "still busy";
    append(path, &m, 0);
    record_free(&m.o->record);
    add_step(path, 500, "9f2c1a");
    if (!start(&screen, 100, 24, "TERM=xterm-256color", "COLORTERM=truecolor")) return;
    EXPECT(pty_wait(&screen, "val 2.500 \xe2\x96\xbc" "0.500 since 0"));
    pty_keys(&screen, "d");
    EXPECT(pty_wait(&screen, "against step 0, the last sampled"));
    pty_keys(&screen, "dm");
    EXPECT(pty_wait(&screen, "Losses") && pty_wait(&screen, "against step 0, the last sampled") && pty_wait(&screen, "2.5  \xe2\x96\xbc" "0.5"));
    pty_keys(&screen, "m\x1b[D");
    EXPECT(pty_wait(&screen, "still busy") && pty_shows(&screen, "val 2.750 \xe2\x96\xbc" "0.250 since 0"));
    pty_keys(&screen, "\x1b[H");
    EXPECT(pty_wait(&screen, "1 of 3") && !pty_shows(&screen, "since"));
    pty_keys(&screen, "q");
    pty_end(&screen);
}

/* One sample, a row a step: what it said, the failed and the skipped among them; a step chosen there is opened. */
TEST(reviewer_over_the_steps) {
    const char *path = path_of("evals.jsonl");
    made m;
    for (int i = 0; i < 3; i++) add_step(path, 250 * i, "9f2c1a");
    REQUIRE(make(&m, 750, "9f2c1a", 24));
    m.o->record.n_samples = 0;
    m.o->record.status = "failed";
    m.o->record.why = "out of \x1b[2Jmemory";
    append(path, &m, 0);
    record_free(&m.o->record);
    REQUIRE(make(&m, 1000, "9f2c1a", 24));
    m.s[0].label = "top_k=7"; /* of which the steps before have none */
    append(path, &m, 0);
    record_free(&m.o->record);
    if (!start(&screen, 100, 24, "TERM=xterm-256color", "COLORTERM=truecolor")) return;
    EXPECT(pty_wait(&screen, "5 of 5"));
    pty_keys(&screen, "o");
    EXPECT(pty_wait(&screen, "what this sample said") && pty_wait(&screen, "       250   2.750") && pty_wait(&screen, "no such sample"));
    EXPECT(pty_wait(&screen, "       750   2.250       -  failed: out of \\x1b[2Jmemory"));
    pty_keys(&screen, "j"); /* the second sample is there at each step */
    EXPECT(pty_wait(&screen, "         0   3.000") && pty_wait(&screen, "2 of 2"));
    EXPECT(pty_wait(&screen, NULL) && !pty_shows(&screen, "no such sample") && pty_shows(&screen, "failed: "));
    pty_keys(&screen, "\x1b[D"); /* the failed one: its neighbours' sample is followed */
    EXPECT(pty_wait(&screen, "4 of 5") && pty_wait(&screen, "       500   2.500"));
    pty_keys(&screen, "\x1b[D\r");
    EXPECT(pty_wait(&screen, "3 of 5") && pty_wait(&screen, "rank ") && !pty_shows(&screen, "what this sample said"));
    pty_keys(&screen, "q");
    pty_end(&screen);
    EXPECT_EQ(screen.foreign, 0);
}

/* No key is left out at 80 x 24; on a flatter screen the way to the list of them is not. */
TEST(reviewer_says_its_keys) {
    static const char *const all[] = {"step", "jk sample", "hl token", "? help", "q quit", "d diff", "o over steps", "s surprising", "/ find", "c colour",
                                      "m numbers", "g go to"};
    add_step(path_of("evals.jsonl"), 0, "9f2c1a");
    if (!start(&screen, 80, 24, "TERM=xterm-256color", NULL)) return;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) EXPECT(pty_wait(&screen, all[i]));
    EXPECT(pty_shows(&screen, "ppl ") && pty_shows(&screen, "stop "));
    pty_resize(&screen, 60, 12);
    EXPECT(pty_wait(&screen, NULL) && pty_wait(&screen, "? help") && pty_shows(&screen, "q quit") && !pty_shows(&screen, "m numbers"));
    pty_keys(&screen, "q");
    pty_end(&screen);
}

/* A run of probes alone has nothing else to see. */
TEST(reviewer_opens_in_the_probes_where_they_are_all) {
    made m;
    for (int64_t step = 0; step <= 500; step += 250) {
        if (!EXPECT(make(&m, step, "9f2c1a", 24))) return;
        m.o->record.probes = m.o->record.samples, m.o->record.n_probes = 2, m.o->record.n_samples = 0;
        append(path_of("evals.jsonl"), &m, 0);
        record_free(&m.o->record);
    }
    if (!start(&screen, 80, 24, "TERM=xterm-256color", NULL)) return;
    EXPECT(pty_wait(&screen, "the model's own p, by step") && pty_shows(&screen, "1 of 2") && pty_shows(&screen, "p probes"));
    pty_keys(&screen, "q"); /* back, as from every page */
    EXPECT(pty_wait(&screen, "p shows the probes of this step"));
    pty_keys(&screen, "q");
    pty_end(&screen);
}

/* Every token of a text at every size: nothing over the edge, nothing that acts. */
TEST_LIMIT(reviewer_at_any_size_in_any_colour, 120) {
    static const int sizes[][2] = {{80, 24}, {200, 60}, {40, 15}, {20, 6}, {120, 8}, {19, 5}};
    static const char *const colours[] = {"COLORTERM=truecolor", "COLORTERM=", "TERM=xterm", "NO_COLOR=1"};
    made m;
    REQUIRE(make(&m, 250, "9f2c1a", CHART_VOCAB));
    glimpse_token *t = (glimpse_token *)(uintptr_t)m.s[0].tokens;
    m.text[0][0] = 0;
    for (int i = 0; i < CHART_VOCAB; i++) t[i].id = i, strcat(m.text[0], chart_vocab[i]);
    m.s[0].text_bytes = strlen(m.text[0]);
    m.s[0].why = "a \x1b[31mwhy\n";
    m.s[0].note = "went back from \"\x1b[2J\"";
    append(path_of("evals.jsonl"), &m, 0);
    record_free(&m.o->record);
    for (size_t c = 0; c < sizeof colours / sizeof *colours; c++) {
        if (!start(&screen, sizes[0][0], sizes[0][1], c == 2 ? NULL : "TERM=xterm-256color", NULL)) return;
        pty_keys(&screen, "q");
        pty_end(&screen);
        const char *const env[] = {c == 2 ? "TERM=xterm" : "TERM=xterm-256color", colours[c], NULL};
        char *const argv[] = {program(), (char *)"review", (char *)(uintptr_t)test_tmpdir(), NULL};
        if (!EXPECT(pty_start(&screen, sizes[0][0], sizes[0][1], env, argv))) return;
        EXPECT(pty_wait(&screen, "step 250"));
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            pty_resize(&screen, sizes[i][0], sizes[i][1]);
            EXPECT(pty_wait(&screen, sizes[i][0] < 20 ? "too small" : sizes[i][0] > 60 ? "1 of 1" : "step 250"));
            pty_keys(&screen, "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh");
            EXPECT(pty_wait(&screen, NULL));
            for (int k = 0; k < CHART_VOCAB; k++) {
                pty_keys(&screen, ".");
                if (k % 8 == 0) EXPECT(pty_wait(&screen, NULL));
            }
            pty_keys(&screen, "d");
            EXPECT(pty_wait(&screen, NULL));
            pty_keys(&screen, "dcccccc");
            EXPECT(pty_wait(&screen, NULL));
            pty_keys(&screen, "cm");
            EXPECT(pty_wait(&screen, NULL));
            pty_keys(&screen, "mo");
            EXPECT(pty_wait(&screen, NULL));
            pty_keys(&screen, "ccccccco");
        }
        pty_keys(&screen, "q");
        int status = pty_end(&screen);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        EXPECT_EQ(screen.foreign, 0);
        for (int k = 0; k < 3; k++) EXPECT_EQ(screen.colors[k] > 0, c < 3 && k == (c == 0 ? 2 : c == 1 ? 1 : 0));
    }
}

TEST(reviewer_searches_all_steps) {
    const char *path = path_of("evals.jsonl");
    for (int i = 0; i < 8; i++) add_step(path, 250 * i, "9f2c1a");
    if (!start(&screen, 80, 24, "TERM=xterm", NULL)) return;
    EXPECT(pty_wait(&screen, "8 of 8"));
    pty_keys(&screen, "/LILY. SHE\r"); /* once in each of two samples of eight steps */
    EXPECT(pty_wait(&screen, "of 16 found"));
    pty_keys(&screen, "\x1b[H/Lily\r");
    EXPECT(pty_wait(&screen, "1 of 16 found") && pty_shows(&screen, "step 0"));
    pty_keys(&screen, "N");
    EXPECT(pty_wait(&screen, "16 of 16 found") && pty_shows(&screen, "step 1750"));
    pty_keys(&screen, "//L[ia]ly\\./\r");
    EXPECT(pty_wait(&screen, "of 16 found"));
    pty_keys(&screen, "//(/\r");
    EXPECT(pty_wait(&screen, "no such pattern"));
    pty_keys(&screen, "/zebra\r");
    EXPECT(pty_wait(&screen, "not found in 8 steps"));
    pty_keys(&screen, "q");
    EXPECT_EQ(pty_end(&screen), 0);
}

TEST(reviewer_sees_a_run_that_goes_on) {
    const char *path = path_of("evals.jsonl");
    made m;
    add_step(path, 0, "9f2c1a");
    add_step(path, 250, "9f2c1a");
    if (!start(&screen, 80, 24, "TERM=xterm", NULL)) return;
    EXPECT(pty_wait(&screen, "2 of 2"));
    REQUIRE(make(&m, 500, "9f2c1a", 24));
    append(path, &m, 900); /* the first part of a line */
    usleep(700 * 1000);
    EXPECT(pty_wait(&screen, NULL) && pty_shows(&screen, "2 of 2"));
    buffer line = {0};
    EXPECT_OK(journal_encode(&m.o->record, &line));
    FILE *f = fopen(path, "a");
    REQUIRE(f);
    fwrite(line.bytes + 900, 1, line.n - 900, f);
    fclose(f);
    EXPECT(pty_wait(&screen, "+1 new  2 of 3"));
    pty_keys(&screen, "\x1b[F");
    EXPECT(pty_wait(&screen, "3 of 3") && pty_shows(&screen, "step 500"));
    add_step(path, 250, "9f2c1a"); /* it goes on from an earlier step */
    EXPECT(pty_wait(&screen, "2 of 2") && pty_shows(&screen, "step 250"));
    EXPECT_EQ(rename(path, path_of("evals.9f2c1a.jsonl")), 0); /* another run */
    usleep(700 * 1000);
    add_step(path, 0, "abcdef");
    EXPECT(pty_wait(&screen, "1 of 1") && pty_wait(&screen, "step 0 "));
    pty_keys(&screen, "q");
    EXPECT_EQ(pty_end(&screen), 0);
    buf_free(&line);
    record_free(&m.o->record);
}

/* Whatever ends it, the terminal is as it was. */
TEST(reviewer_gives_the_terminal_back) {
    add_step(path_of("evals.jsonl"), 0, "9f2c1a");
    static const int signals[] = {SIGTERM, SIGHUP, SIGINT, 0};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct termios before, during, after;
        if (!start(&screen, 80, 24, "TERM=xterm", NULL)) return;
        int ours = dup(screen.fd);
        EXPECT(pty_wait(&screen, "1 of 1") && screen.alternate);
        EXPECT_EQ(tcgetattr(ours, &during), 0);
        EXPECT(!(during.c_lflag & (ICANON | ECHO)));
        before = during;
        before.c_lflag |= ICANON | ECHO;
        if (signals[i]) kill(screen.pid, signals[i]);
        else pty_keys(&screen, "\x03");
        EXPECT_EQ(tcgetattr(ours, &after), 0);
        int status = pty_end(&screen);
        EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == (signals[i] ? signals[i] : SIGINT));
        EXPECT(!screen.alternate && !screen.cursor_hidden);
        if (tcgetattr(ours, &after) == 0) EXPECT((after.c_lflag & (ICANON | ECHO)) == (ICANON | ECHO));
        close(ours);
    }
}

static int sh(const char *command, buffer *out) {
    char text[9000], line[4096];
    snprintf(text, sizeof text, "cd '%s' && G='%s' && %s", test_tmpdir(), program(), command);
    FILE *f = popen(text, "r");
    buf_clear(out);
    while (f && fgets(line, sizeof line, f)) buf_puts(out, line);
    return f ? pclose(f) : -1;
}

TEST(reviewer_refuses_what_is_no_terminal) {
    buffer out = {0};
    add_step(path_of("evals.jsonl"), 0, "9f2c1a");
    EXPECT_EQ(WEXITSTATUS(sh("$G review . 2>&1 </dev/null", &out)), 1);
    EXPECT(strstr(buf_str(&out), "glimpse: `glimpse review` is for a terminal, and stdout is none\nhint: "));
    EXPECT(!strchr(buf_str(&out), 27));
    EXPECT_EQ(WEXITSTATUS(sh("$G review nowhere 2>&1 </dev/null", &out)), 1);
    EXPECT(strstr(buf_str(&out), "nowhere: there is no such directory\nhint: "));
    EXPECT_EQ(WEXITSTATUS(sh("mkdir -p empty && $G review empty 2>&1 </dev/null", &out)), 1);
    EXPECT(strstr(buf_str(&out), "empty: there is no run, it holds no evals.jsonl\nhint: `glimpse follow empty` waits for one"));
    buf_free(&out);
}

/* === The index ================================================================================================== */

TEST(reviewer_index_reads_what_journal_read_counts) {
    const char *path = path_of("evals.jsonl");
    static const int steps[] = {0, 250, 500, 750, 500, 1000, 250};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) add_step(path, steps[i], "9f2c1a");
    FILE *f = fopen(path, "a");
    REQUIRE(f);
    fputs("no line of ours\n{\"step\":3}\n{\"kind\":\"train\",\"step\":\n\n{\"v\":1", f);
    fclose(f);
    journal_index *x = NULL;
    REQUIRE_OK(evals_open(path, &x));
    EXPECT_EQ(evals_count(x), 2);
    for (int64_t i = 0; i < evals_count(x); i++) {
        const glimpse_record *r = NULL, *again = NULL;
        owned_record *light = NULL;
        buffer text = {0}, line = {0};
        size_t at = 0;
        EXPECT_OK(evals_record(x, i, &r));
        EXPECT_OK(evals_record(x, i, &again));
        EXPECT(r == again);
        REQUIRE(r);
        EXPECT_EQ(r->step, 250 * i);
        EXPECT_OK(evals_record_light(x, i, &light));
        EXPECT(light && light->record.n_samples == 0 && light->record.step == r->step && light->record.n_pieces == r->n_pieces);
        if (light) record_free(&light->record);
        EXPECT_OK(evals_read(x, i, &line));
        for (int k = 0; k < r->n_samples; k++) { /* the bytes U+D83D U+DE00, halves of characters, \x07, quotes */
            EXPECT(evals_next_text(line.bytes, line.n, &at, &text));
            EXPECT_EQ(text.n, GLIMPSE_AT(r->samples, k)->text_bytes);
            EXPECT_STREQ(buf_str(&text), GLIMPSE_AT(r->samples, k)->text);
        }
        EXPECT(!evals_next_text(line.bytes, line.n, &at, &text));
        buf_free(&text);
        buf_free(&line);
    }
    evals_close(x);
}

/* A text of any bytes is found as it is, whatever looks like JSON in it. */
TEST(reviewer_index_texts_of_any_bytes) {
    static const char *const texts[] = {"plain", ",\"text\":\"fake\"", "\\\",\"text\":\"", "\xff\xfe", "\"views\":{", "a\nb\tc\x01\x1b", "\xe2\x80\xa8 \xf0\x9f\x98\x80", "", "\\u0041"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        made m;
        buffer line = {0}, text = {0};
        size_t at = 0;
        REQUIRE(make(&m, 0, "9f2c1a", 3));
        m.s[0].text = texts[i];
        m.s[0].text_bytes = strlen(texts[i]);
        EXPECT_OK(journal_encode(&m.o->record, &line));
        EXPECT(evals_next_text(line.bytes, line.n, &at, &text));
        EXPECT_STREQ(buf_str(&text), texts[i]);
        EXPECT(evals_next_text(line.bytes, line.n, &at, &text));
        EXPECT_STREQ(buf_str(&text), m.text[1]);
        EXPECT(!evals_next_text(line.bytes, line.n, &at, &text));
        buf_free(&line);
        buf_free(&text);
        record_free(&m.o->record);
    }
}

/* === Follow ===================================================================================================== */

typedef struct follower {
    pid_t pid;
    int fd;
    buffer said;
} follower;

static bool follow(follower *f) {
    int ends[2];
    *f = (follower){.fd = -1};
    if (pipe2(ends, O_CLOEXEC)) return false;
    f->pid = fork();
    if (f->pid == 0) {
        dup2(ends[1], 1);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 2);
        execl(program(), "glimpse", "follow", test_tmpdir(), "--no_colorize_output", (char *)0);
        _exit(127);
    }
    close(ends[1]);
    f->fd = ends[0];
    return f->pid > 0;
}

static bool hears(follower *f, const char *text) {
    for (int i = 0; i < 600 && !strstr(buf_str(&f->said), text); i++) {
        struct pollfd fd = {f->fd, POLLIN, 0};
        char chunk[4096];
        if (poll(&fd, 1, 100) <= 0) continue;
        ssize_t n = read(f->fd, chunk, sizeof chunk);
        if (n <= 0) break;
        buf_put(&f->said, chunk, (size_t)n);
    }
    return strstr(buf_str(&f->said), text) != NULL;
}

TEST(follow_from_before_the_run_into_the_next) {
    const char *path = path_of("evals.jsonl");
    follower f;
    made m;
    buffer line = {0};
    REQUIRE(follow(&f));
    usleep(300 * 1000);
    add_step(path, 0, "9f2c1a");
    EXPECT(hears(&f, "step 0 "));
    add_step(path, 250, "9f2c1a");
    EXPECT(hears(&f, "step 250 "));
    REQUIRE(make(&m, 500, "9f2c1a", 24));
    append(path, &m, 700); /* a torn end is waited for */
    usleep(500 * 1000);
    EXPECT_OK(journal_encode(&m.o->record, &line));
    EXPECT(!strstr(buf_str(&f.said), "step 500 "));
    FILE *end = fopen(path, "a");
    REQUIRE(end);
    fwrite(line.bytes + 700, 1, line.n - 700, end);
    fputs("none of ours\n", end);
    fclose(end);
    EXPECT(hears(&f, "step 500 "));
    EXPECT_EQ(rename(path, path_of("evals.9f2c1a.jsonl")), 0);
    usleep(300 * 1000);
    made other;
    REQUIRE(make(&other, 0, "abcdef", 24));
    other.o->record.run_name = "the next";
    append(path, &other, 0);
    EXPECT(hears(&f, "glimpse: another run: the next\n"));
    EXPECT_EQ(truncate(path, 0), 0); /* cut off, and begun again */
    usleep(300 * 1000);
    other.o->record.run_name = "a third";
    other.o->record.run = "0123ab";
    append(path, &other, 0);
    EXPECT(hears(&f, "another run: a third"));
    close(f.fd); /* nobody reads any more: it ends by itself, and well */
    add_step(path, 250, "abcdef");
    int status = 0;
    EXPECT_EQ(waitpid(f.pid, &status, 0), f.pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    record_free(&m.o->record);
    record_free(&other.o->record);
    buf_free(&line);
    buf_free(&f.said);
}

/* The log is the trainer's: what its terminal shows of the same record after the same eval before. */
TEST(follow_shows_the_log_of_the_trainer) {
    const char *path = path_of("evals.jsonl");
    static const view_style style = {.mode = COLOR_MINMAX, .width = 100};
    follower f;
    made first, second;
    buffer want = {0}, where = {0};
    REQUIRE(make(&first, 250, "9f2c1a", 24) && make(&second, 500, "9f2c1a", 24));
    append(path, &first, 0);
    append(path, &second, 0);
    buf_printf(&where, "%s/evals/step_00000500/sample.txt", test_tmpdir());
    EXPECT_OK(view_terminal(&second.o->record, &first.o->record, buf_str(&where), &style, &want));
    REQUIRE(follow(&f));
    EXPECT(hears(&f, "/sample.txt\n"));
    EXPECT_STREQ(buf_str(&f.said), buf_str(&want));
    EXPECT(strstr(buf_str(&f.said), "since 250: "));
    kill(f.pid, SIGTERM);
    waitpid(f.pid, NULL, 0);
    close(f.fd);
    record_free(&first.o->record);
    record_free(&second.o->record);
    buf_free(&want), buf_free(&where), buf_free(&f.said);
}

/* For a while there stands no file by the journal's name: both go on when it is back. */
TEST(follow_and_review_wait_for_the_file) {
    const char *path = path_of("evals.jsonl"), *aside = path_of("aside");
    follower f;
    add_step(path, 0, "9f2c1a");
    if (!start(&screen, 80, 24, "TERM=xterm", NULL)) return;
    REQUIRE(follow(&f));
    EXPECT(pty_wait(&screen, "1 of 1") && hears(&f, "step 0 "));
    EXPECT(!rename(path, aside) && !mkdir(path, 0700));
    usleep(900 * 1000); /* longer than either looks away */
    EXPECT(!rmdir(path) && !rename(aside, path));
    add_step(path, 250, "9f2c1a");
    EXPECT(hears(&f, "step 250 "));
    EXPECT(pty_wait(&screen, "+1 new"));
    pty_keys(&screen, "q");
    EXPECT_EQ(pty_end(&screen), 0);
    kill(f.pid, SIGTERM);
    waitpid(f.pid, NULL, 0);
    close(f.fd);
    buf_free(&f.said);
}

/* It begins with the last eval that is there, not with all of them. */
TEST(follow_begins_with_the_newest) {
    for (int i = 0; i < 4; i++) add_step(path_of("evals.jsonl"), 250 * i, "9f2c1a");
    follower f;
    int status = 0;
    REQUIRE(follow(&f));
    EXPECT(hears(&f, "step 750 "));
    EXPECT(!strstr(buf_str(&f.said), "step 500 "));
    kill(f.pid, SIGTERM);
    waitpid(f.pid, &status, 0);
    close(f.fd);
    buf_free(&f.said);
}

/* === Search ===================================================================================================== */

static int count_found(const char *query, const char *text, size_t n, size_t *first) {
    text_search *s = NULL;
    buffer b = {0};
    size_t from, to, at = 0;
    int found = 0;
    buf_put(&b, text, n);
    text_search_prepare(&b);
    if (!EXPECT_OK(text_search_open(query, strlen(query), &s))) return -1;
    for (; text_search_next(s, &b, at, &from, &to); at = to) {
        EXPECT(from >= at && to > from && to <= n);
        if (!found++ && first) *first = from;
    }
    text_search_close(s);
    buf_free(&b);
    return found;
}

TEST(text_search_finds) {
    static const struct {
        const char *query, *text;
        size_t n;
        int found;
        size_t first;
    } cases[] = {{"ab", "xAB ab\xff" "aB", 9, 3, 1},       {"\xc3\xa9", "\xc3\x89 \xc3 \xa9 \xc3\xa9", 10, 2, 0}, {"a.b", "aab a.b", 7, 1, 4},
                 {"/a.b", "aab a.b axb", 11, 3, 0},          {"/^b/", "ab\nb\nb", 6, 2, 3},         {"/A/i", "aAa", 3, 3, 0},
                 {"/A/", "aAa", 3, 1, 1},                    {"/x*/", "axxbx", 5, 2, 1},            {"/a.c/", "a\xff" "c a\xed\xa0\x80" "c", 9, 1, 0},
                 {"/(?<=a)b/", "abab", 4, 2, 1},        {"/", "a/b", 3, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t first = 0;
        EXPECT_EQ(count_found(cases[i].query, cases[i].text, cases[i].n, &first), cases[i].found);
        EXPECT_EQ(first, cases[i].first);
    }
    text_search *none = NULL;
    EXPECT_ERR(text_search_open("/(", 2, &none), GLIMPSE_E_INVALID, "parenthes");
}

/* tests/report/queries.txt: query, text, what is found, between tabs; "\xc2\xb6" is a newline.  drive.py asks the page the same. */
TEST(text_search_as_the_page) {
    buffer path = {0}, found = {0}, text = {0};
    char row[256];
    int rows = 0;
    buf_printf(&path, "%s/tests/report/queries.txt", test_source_dir());
    FILE *f = fopen(buf_str(&path), "r");
    REQUIRE(f);
    for (; fgets(row, sizeof row, f); rows++) {
        char *part[3] = {row}, *to = row;
        for (char *at = row; *at && *at != '\n'; at++) {
            if (!strncmp(at, "\xc2\xb6", 2)) *to++ = '\n', at++;
            else *to++ = *at;
        }
        *to = 0;
        for (int i = 1; i < 3; i++) {
            part[i] = strchr(part[i - 1], '\t');
            REQUIRE(part[i]);
            *part[i]++ = 0;
        }
        text_search *s = NULL;
        size_t at = 0, from, end;
        buf_clear(&found);
        buf_clear(&text);
        buf_puts(&text, part[1]);
        if (!EXPECT_OK(text_search_open(part[0], strlen(part[0]), &s))) continue;
        for (; text_search_next(s, &text, at, &from, &end); at = end) {
            if (found.n) buf_putc(&found, '|');
            buf_put(&found, part[1] + from, end - from);
        }
        if (strcmp(buf_str(&found), part[2])) test_check(false, __FILE__, __LINE__, "%s in %s finds %s, not %s", part[0], part[1], buf_str(&found), part[2]);
        text_search_close(s);
    }
    EXPECT_LE(20, rows);
    fclose(f);
    buf_free(&path), buf_free(&found), buf_free(&text);
}

/* A text full of matches: the whole of it in the time that one pass takes.  The limit of a test is what counts here: a search
 * that looks at all that is left at every match needs minutes for this. */
TEST_LIMIT(text_search_of_a_text_of_matches, 20) {
    enum { N = 4 << 20 };
    char *text = malloc(N);
    REQUIRE(text);
    for (size_t i = 0; i < N; i++) text[i] = i % 10 ? 'b' : 'a';
    text[N / 2] = '\xff';
    EXPECT_LE(N / 10 - 1, count_found("ab", text, N, NULL));
    free(text);
}
