/* test_probes.c -- --probe: texts scored at every eval, against the loss of the same ids. */
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "tests/test.h"
#include "viz/text.h"
#include "tests/tiny_gpt.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *probe_file(const char *text, size_t n) {
    char *path = path_join(test_tmpdir(), "probes.txt");
    EXPECT_OK(file_write_atomic(path, text, n, false));
    return path;
}

static void on_log(void *user, const char *line) {
    buf_puts(user, line);
    buf_putc(user, '\n');
}

static session *open_with(tiny_gpt *g, const char *probes, buffer *log, options **o) {
    session_host host = { .user = log, .log = on_log };
    session *s = NULL;
    *o = options_new();
    EXPECT_OK(options_set(*o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(*o, OPT_max_sample_tokens, "4", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(*o, OPT_sheets, "false", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(*o, OPT_probe, probes, OPT_LEVEL_FLAG));
    EXPECT_OK(session_open(*o, &g->model, &host, &s));
    return s;
}

static glimpse_status keep(void *user, owned_record *r) {
    owned_record **last = user;
    buffer bytes = {0};
    if (*last) record_free(&(*last)->record);
    TRY(record_pack(&r->record, &bytes)); /* the record is the walk's */
    glimpse_status st = record_unpack(bytes.bytes, bytes.n, last);
    buf_free(&bytes);
    return st;
}

static owned_record *last_line(void) {
    owned_record *r = NULL;
    int64_t unread;
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    EXPECT_OK(journal_read(path, keep, &r, &unread));
    free(path);
    return r;
}

TEST(probes_are_scored_at_every_eval) {
    static const char text[] = "\xef\xbb\xbf" "HELLO\r\n\nAB\tCDE\nx y\tz\nABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ\n";
    tiny_gpt g;
    buffer log = {0};
    options *o;
    tiny_gpt_make(&g, 2, 2, 16, 60, 48, -1, 1);
    char *path = probe_file(text, sizeof text - 1);
    session *s = open_with(&g, path, &log, &o);
    REQUIRE(s);
    EXPECT_OK(session_eval(s, 0, 3, 3));
    const char *said = strstr(buf_str(&log), "is not scored");
    EXPECT(said && strstr(buf_str(&log), "\"z\" is not scored: ") && strstr(said, " (and 1 other is not)\n"));
    EXPECT_EQ(session_eval(s, 10, 3, 4), GLIMPSE_NOT_DUE); /* no sample, and the probes all the same */
    EXPECT(said && !strstr(strstr(buf_str(&log), "is not scored") + 1, "is not scored")); /* once */
    session_close(s);
    owned_record *r = last_line();
    REQUIRE(r && r->record.n_probes == 4 && r->record.n_samples == 0 && r->record.step == 10);
    const glimpse_sample *p = r->record.probes;
    EXPECT_STREQ(p[0].text, "HELLO");
    EXPECT_EQ(p[0].prompt_bytes, 0);
    EXPECT_EQ(p[0].n_tokens, 4); /* without a BOS the first token is given */
    EXPECT_EQ(p[0].answer_from, 0);
    EXPECT_STREQ(p[1].prompt_text, "AB");
    EXPECT_STREQ(p[1].text, "CDE");
    EXPECT_EQ(p[1].n_tokens, 4);
    EXPECT_EQ(p[1].answer_from, 1);
    EXPECT(p[2].why && !p[2].n_tokens); /* no blank in this vocabulary */
    EXPECT(p[3].why && strstr(p[3].why, "52 tokens") && !p[3].n_tokens);
    for (int k = 0; k < 2; k++) { /* against the loss of the same ids */
        int32_t ids[8], targets[8], n = p[k].n_tokens;
        double losses[8], sum = 0;
        ids[0] = p[k].prompt_ids[0];
        for (int i = 0; i < n; i++) {
            targets[i] = p[k].tokens[i].id;
            ids[i + 1] = targets[i];
        }
        model *m;
        generator *gen;
        REQUIRE_OK(model_from_description(&g.model, &m));
        REQUIRE_OK(generator_open(m, NULL, &(generator_config){ .threads = 1 }, &gen));
        REQUIRE_OK(score_losses(gen, ids, targets, 1, n, losses));
        for (int i = 0; i < n; i++) {
            EXPECT(fabs(losses[i] + (double)p[k].tokens[i].logprob) <= 1e-4 * losses[i]);
            if (i >= p[k].answer_from) sum -= losses[i];
        }
        EXPECT_EQ(p[k].n_metrics, 3);
        EXPECT_STREQ(p[k].metrics[0].name, "answer_logprob");
        EXPECT(fabs(p[k].metrics[0].value - sum) <= 1e-3);
        generator_close(gen);
        model_close(m);
    }
    for (int k = 0; k < 3; k++) { /* every view says of the first token why it has no number */
        buffer given = {0};
        EXPECT_EQ(text_given(&given, &r->record, &p[k]), k < 2);
        EXPECT_STREQ(buf_str(&given), k == 0 ? "H" : k == 1 ? "A" : "");
        buf_free(&given);
    }
    const glimpse_piece *piece = record_piece(&r->record, p[1].tokens[3].id);
    EXPECT(piece && piece->bytes == 1 && piece->text[0] == 'E');
    record_free(&r->record);
    options_free(o);
    buf_free(&log);
    free(path);
    tiny_gpt_free(&g);
}

/* A text is scored as by `glimpse score`: behind the model's EOS where it has no BOS, its first token too.  A prompt stands where a
 * sample's prompt does, with nothing before it. */
TEST(probes_stand_behind_the_end_of_a_text) {
    tiny_gpt g;
    buffer log = {0};
    options *o;
    tiny_gpt_make(&g, 2, 2, 16, 60, 48, 7, 1);
    char *path = probe_file("HELLO\nAB\tCDE\n# A\n", 17);
    session *s = open_with(&g, path, &log, &o);
    REQUIRE(s);
    EXPECT_OK(session_eval(s, 0, 3, 3));
    session_close(s);
    owned_record *r = last_line();
    REQUIRE(r && r->record.n_probes == 3);
    const glimpse_sample *p = r->record.probes;
    EXPECT(p[0].n_prompt_ids == 1 && p[0].prompt_ids[0] == 7 && p[0].n_tokens == 5 && p[0].answer_from == 0);
    EXPECT(p[1].n_tokens == 4 && p[1].answer_from == 1);
    EXPECT_STREQ(p[2].text, "# A"); /* no comment */
    model *m;
    generator *gen;
    double loss;
    REQUIRE_OK(model_from_description(&g.model, &m));
    REQUIRE_OK(generator_open(m, NULL, &(generator_config){ .threads = 1 }, &gen));
    REQUIRE_OK(score_losses(gen, &(int32_t){7}, &p[0].tokens[0].id, 1, 1, &loss));
    EXPECT(fabs(loss + (double)p[0].tokens[0].logprob) <= 1e-4 * loss);
    generator_close(gen);
    model_close(m);
    record_free(&r->record);
    options_free(o);
    buf_free(&log);
    free(path);
    tiny_gpt_free(&g);
}

TEST(probes_that_are_not_there_are_said) {
    tiny_gpt g;
    buffer log = {0};
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 1);
    static const char *const texts[] = { "", "\n\r\n" };
    options *o = options_new();
    session_host host = { .user = &log, .log = on_log };
    session *s;
    EXPECT_OK(options_set(o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_probe, "/nowhere/probes.txt", OPT_LEVEL_FLAG));
    EXPECT_ERR(session_open(o, &g.model, &host, &s), GLIMPSE_E_IO, "--probe: cannot open /nowhere/probes.txt: No such file or directory");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *path = probe_file(texts[i], strlen(texts[i]));
        EXPECT_OK(options_set(o, OPT_probe, path, OPT_LEVEL_FLAG));
        EXPECT_ERR(session_open(o, &g.model, &host, &s), GLIMPSE_E_INVALID, "holds no line");
        free(path);
    }
    options_free(o);
    buf_free(&log);
    tiny_gpt_free(&g);
}

/* Scoring and sampling take turns on one cache: neither changes the other's numbers. */
TEST(probes_leave_the_samples_alone) {
    tiny_gpt g;
    buffer log = {0};
    options *o;
    char *text[2];
    tiny_gpt_make(&g, 2, 2, 16, 60, 48, -1, 3);
    char *path = probe_file("HELLOWORLD\n", 11);
    for (int with = 0; with < 2; with++) {
        session *s = open_with(&g, with ? path : NULL, &log, &o);
        REQUIRE(s);
        EXPECT_OK(session_eval(s, 0, 3, 3));
        EXPECT_OK(session_eval(s, 10, 2, 2));
        text[with] = strdup(s->before->record.samples[0].text);
        session_close(s);
        options_free(o);
    }
    EXPECT_STREQ(text[0], text[1]);
    free(text[0]), free(text[1]), free(path);
    buf_free(&log);
    tiny_gpt_free(&g);
}

static char *slurp_all(const char *pattern, size_t *n) { /* the one file of that name */
    buffer cmd = {0}, b = {0};
    buf_printf(&cmd, "cat %s/%s", test_tmpdir(), pattern);
    FILE *f = popen(buf_str(&cmd), "r");
    char chunk[4096];
    for (size_t got; f && (got = fread(chunk, 1, sizeof chunk, f)) > 0;) buf_put(&b, chunk, got);
    EXPECT(f && pclose(f) == 0);
    buf_free(&cmd);
    return buf_take(&b, n);
}

/* The map, the page's data, the pictures in the event file: drawn anew from the journal they are the same bytes. */
TEST(probes_views_from_the_journal_alone) {
    static const char *const files[] = { "probes.png", "report/probes.js", "report/index.js", "report/step_00000010.js", "events.out.tfevents.*" };
    enum { N = sizeof files / sizeof *files };
    tiny_gpt g;
    buffer log = {0};
    options *o;
    char *was[N];
    size_t n[N];
    tiny_gpt_make(&g, 2, 2, 16, 60, 48, -1, 3);
    static const char text[] = "HELLO\tWORLD\n<b>&\nx y\n";
    char *path = probe_file(text, sizeof text - 1);
    session *s = open_with(&g, path, &log, &o);
    REQUIRE(s);
    EXPECT_OK(options_set(s->o, OPT_sheets, "true", OPT_LEVEL_FLAG));
    for (int i = 0; i < 4; i++) {
        EXPECT(session_eval(s, 10 * i, 3, i == 2 ? 5 : 3 - i) >= 0);
        for (size_t k = 0; k < g.n[0]; k++) g.w[0][k] *= 1.3f;
    }
    session_close(s);
    for (int i = 0; i < N; i++) was[i] = slurp_all(files[i], &n[i]);
    EXPECT(n[0] > 1000 && !memcmp(was[0], "\x89PNG", 4));
    EXPECT(memmem(was[1], n[1], "\\u003cb>&", 9) && !memchr(was[1], '<', n[1]));
    EXPECT(memmem(was[4], n[4], "probes/answer_logprob/0", 23) != NULL);
    EXPECT(memmem(was[1], n[1], "\"given\":\"H\"", 11));
    session_host host = { .user = &log, .log = on_log };
    EXPECT_OK(session_report(o, test_tmpdir(), &host));
    for (int i = 0; i < N; i++) {
        size_t again;
        char *now = slurp_all(files[i], &again);
        EXPECT_EQ(again, n[i]);
        EXPECT_MEM(now, was[i], n[i] < again ? n[i] : again);
        free(now);
        free(was[i]);
    }
    options_free(o);
    buf_free(&log);
    free(path);
    tiny_gpt_free(&g);
}

/* The line of an eval without samples counts those that have numbers. */
TEST(probes_that_were_not_scored_are_not_said_to_be) {
    static const struct { int scored; const char *said; } cases[] = {
        {3, "glimpse 7: no sample; 3 probes scored\n"}, {1, "glimpse 7: no sample; 1 of 3 probes scored\n"},
        {0, "glimpse 7: no sample; 0 of 3 probes scored\n"}};
    const view_style plain = {.depth = DEPTH_NONE, .width = 100};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glimpse_sample probes[3];
        for (int k = 0; k < 3; k++) probes[k] = (glimpse_sample){.size = sizeof probes[k], .why = k < cases[i].scored ? NULL : "no such character"};
        const glimpse_record r = {.size = sizeof r, .step = 7, .train_loss = NAN, .val_loss = NAN, .best_val_loss = NAN, .best_step = -1,
                                  .status = "skipped", .check = "none", .probes = probes, .n_probes = 3};
        buffer b = {0};
        EXPECT_OK(view_one_line(&r, &plain, &b));
        EXPECT_STREQ(buf_str(&b), cases[i].said);
        buf_free(&b);
    }
}
