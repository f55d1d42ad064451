/* test_session.c -- the session end to end on a tiny model: schedule, identity of samples, views from the journal alone,
 * errors that leave the caller alone. */
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/hf_files.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct heard {
    buffer log, out;
} heard;

static void on_log(void *user, const char *line) {
    heard *h = user;
    buf_puts(&h->log, line);
    buf_putc(&h->log, '\n');
}

static int on_out(void *user, const char *bytes, size_t n) {
    buf_put(&((heard *)user)->out, bytes, n);
    return 0;
}

static session_host host_of(heard *h) {
    return (session_host){ .user = h, .log = on_log, .out = on_out };
}

static options *opts(const char *dir, const char *const (*pairs)[2], int n) {
    options *o = options_new();
    EXPECT_OK(options_set(o, OPT_out_dir, dir, OPT_LEVEL_FLAG));
    for (int i = 0; i < n; i++)
        EXPECT_OK(options_set(o, (opt_id)opt_find(pairs[i][0], strlen(pairs[i][0])), pairs[i][1], OPT_LEVEL_FLAG));
    return o;
}
#define OPTS(dir, ...) opts(dir, (const char *const[][2]){ __VA_ARGS__ }, (int)(sizeof((const char *const[][2]){ __VA_ARGS__ }) / (2 * sizeof(char *))))

static char *slurp(const char *dir, const char *name, size_t *n) {
    char *path = path_join(dir, name);
    buffer b = {0};
    EXPECT_OK(file_read_all(path, 1 << 28, &b));
    free(path);
    return buf_take(&b, n);
}

TEST(session_same_weights_same_text) {
    tiny_gpt g;
    heard h = {0};
    session_host host = host_of(&h);
    tiny_gpt_make(&g, 2, 2, 16, 60, 48, -1, 1);
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "24" }, { "sample_each_eval", "true" }, { "num_samples", "2" },
                      { "top_k", "5,20" }, { "sample_start_tokens", "AB" }, { "sheets", "false" });
    session *s;
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    REQUIRE_OK(session_eval(s, 0, 3.0, 3.0));
    owned_record *first = s->before;
    s->before = NULL;
    REQUIRE_OK(session_eval(s, 10, 2.0, 2.0));
    const glimpse_record *a = &first->record, *b = &s->before->record;
    REQUIRE(a->n_samples == 4 && b->n_samples == 4);
    for (int i = 0; i < 4; i++) {
        const glimpse_sample *x = &a->samples[i], *y = &b->samples[i];
        EXPECT_EQ(x->n_tokens, 24);
        EXPECT_STREQ(x->text, y->text);
        EXPECT_EQ(x->top_k, i < 2 ? 5 : 20);
        for (int k = 0; k < x->n_tokens; k++) {
            EXPECT_EQ(x->tokens[k].id, y->tokens[k].id);
            EXPECT_MEM(&x->tokens[k].logit, &y->tokens[k].logit, sizeof(float));
        }
    }
    EXPECT(strcmp(a->samples[0].text, a->samples[1].text)); /* two samples draw with different noise */
    record_free(&first->record);
    g.w[0][5] += 0.5f; /* live weights: a change is seen at the next eval */
    char *before = strdup(b->samples[0].text);
    for (size_t i = 0; i < g.n[4]; i++) g.w[4][i] = -g.w[4][i];
    REQUIRE_OK(session_eval(s, 20, 1.0, 1.0));
    EXPECT(strcmp(before, s->before->record.samples[0].text));
    free(before);
    session_close(s);
    options_free(o);
    tiny_gpt_free(&g);
    buf_free(&h.log);
}

/* The samples of a session with these options, as one text of ids and logits' bits. */
static char *fingerprint(tiny_gpt *g, const char *dir, const char *threads, const char *num, int pick) {
    heard h = {0};
    session_host host = host_of(&h);
    options *o = OPTS(dir, { "max_sample_tokens", "20" }, { "num_samples", num }, { "threads", threads }, { "sheets", "false" },
                      { "sample_start_tokens", "HELLO" }, { "top_k", "0" });
    session *s;
    buffer b = {0};
    if (!EXPECT_OK(session_open(o, &g->model, &host, &s))) return NULL;
    EXPECT_OK(session_eval(s, 0, NAN, NAN));
    const glimpse_sample *x = &s->before->record.samples[pick];
    for (int i = 0; i < x->n_tokens; i++) buf_printf(&b, "%d:%a:%a ", x->tokens[i].id, (double)x->tokens[i].logit,
                                                     (double)x->tokens[i].entropy);
    session_close(s);
    options_free(o);
    buf_free(&h.log);
    return buf_take(&b, NULL);
}

TEST(session_batch_and_threads_do_not_matter) {
    tiny_gpt g;
    tiny_gpt_make(&g, 3, 4, 40, 61, 64, -1, 3);
    char *alone = fingerprint(&g, test_tmpdir(), "1", "1", 0), *batch = fingerprint(&g, test_tmpdir(), "1", "16", 0);
    char *two = fingerprint(&g, test_tmpdir(), "2", "16", 0), *three = fingerprint(&g, test_tmpdir(), "3", "5", 0);
    char *other = fingerprint(&g, test_tmpdir(), "1", "16", 7);
    EXPECT_STREQ(alone, batch);
    EXPECT_STREQ(alone, two);
    EXPECT_STREQ(alone, three);
    EXPECT(strcmp(alone, other));
    free(alone), free(batch), free(two), free(three), free(other);
    tiny_gpt_free(&g);
}

TEST(session_schedule) {
    tiny_gpt g;
    heard h = {0};
    session_host host = host_of(&h);
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 5);
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "4" }, { "sheets", "false" });
    static const struct {
        double val;
        int want;
    } evals[] = { { 3, GLIMPSE_OK }, { 2.5, GLIMPSE_OK }, { 2.6, GLIMPSE_NOT_DUE }, { 2.5, GLIMPSE_NOT_DUE },
                  { NAN, GLIMPSE_OK }, { INFINITY, GLIMPSE_OK }, { 2.4, GLIMPSE_OK } };
    session *s;
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    for (int i = 0; i < 7; i++) {
        buf_clear(&h.log);
        EXPECT_EQ(session_eval(s, i * 10, NAN, evals[i].val), evals[i].want);
        EXPECT(h.log.n > 0); /* every eval says something */
        if (i == 2) EXPECT(strstr(buf_str(&h.log), "no sample") && strstr(buf_str(&h.log), "2.50 @ 10"));
    }
    EXPECT_NEAR(s->due.best_val_loss, 2.4, 0);
    session_close(s);
    /* resumed at step 30: the best loss is known again, the journal goes on */
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT_EQ(session_eval(s, 30, NAN, 2.55), GLIMPSE_NOT_DUE); /* 2.4 @ 60 is a branch left behind, 2.5 @ 10 counts */
    EXPECT_EQ(s->js.next_seq, 8);
    session_close(s);
    options_free(o);
    tiny_gpt_free(&g);
    buf_free(&h.log);
}

/* --- views from the journal alone --------------------------------------------------------------------------------- */

/* Every file below dir but the journals, name and bytes, in order of name. */
static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static void tree(const char *root, const char *sub, buffer *out, int *files) {
    char *dir = *sub ? path_join(root, sub) : strdup(root), *names[4096];
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) && n < 4096;)
        if (e->d_name[0] != '.' && !strstr(e->d_name, "jsonl")) names[n++] = strdup(e->d_name);
    if (d) closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int i = 0; i < n; i++) {
        char *rel = *sub ? path_join(sub, names[i]) : strdup(names[i]), *full = path_join(root, rel);
        if (path_is_dir(full)) tree(root, rel, out, files);
        else {
            ++*files;
            buf_printf(out, "\n== %s\n", rel);
            EXPECT_OK(file_read_all(full, 1 << 28, out));
        }
        free(rel), free(full), free(names[i]);
    }
    free(dir);
}

TEST_LIMIT(session_views_from_journal_alone, 120) {
    tiny_gpt g;
    heard h = {0};
    session_host host = host_of(&h);
    tiny_gpt_make(&g, 2, 2, 16, 60, 64, -1, 8);
    char *live = path_join(test_tmpdir(), "live"), *moved = path_join(test_tmpdir(), "moved");
    options *o = OPTS(live, { "max_sample_tokens", "12" }, { "num_samples", "2" }, { "show_heatmaps", "true" },
                      { "chart_type", "barchart" }, { "token_boundary", "|" }, { "colorize_mode", "all" },
                      { "sample_metrics", "true" }, { "palette", "cividis" }, { "sample_start_tokens", "Q\\n" });
    session *s;
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT_OK(session_eval(s, 0, 3, 3));
    EXPECT_EQ(session_eval(s, 10, 3, 4), GLIMPSE_NOT_DUE);
    EXPECT_OK(session_eval(s, 20, 3, 2));
    session_close(s);
    REQUIRE_OK(session_open(o, &g.model, &host, &s)); /* resumed: step 20 again, superseding its line */
    EXPECT_OK(session_eval(s, 20, 3, 1.9));
    EXPECT_OK(session_eval(s, 30, 3, 1.8));
    session_close(s);
    size_t n;
    char *line = slurp(live, "evals.jsonl", &n), *to = path_join(moved, "evals.jsonl");
    REQUIRE_OK(mkdir_p(moved));
    REQUIRE_OK(file_write_atomic(to, line, n, false));
    REQUIRE_OK(session_report(o, moved, &host));
    buffer a = {0}, b = {0};
    int fa = 0, fb = 0;
    tree(live, "", &a, &fa);
    tree(moved, "", &b, &fb);
    EXPECT_EQ(fa, fb);
    EXPECT_LT(3 * 2 * 12, fa);
    EXPECT_EQ(a.n, b.n);
    EXPECT_MEM(a.bytes, b.bytes, a.n < b.n ? a.n : b.n);
    REQUIRE_OK(session_report(o, moved, &host)); /* and again over what is there */
    buf_clear(&b);
    fb = 0;
    tree(moved, "", &b, &fb);
    EXPECT_EQ(a.n, b.n);
    buf_free(&a), buf_free(&b), buf_free(&h.log);
    free(line), free(to), free(live), free(moved);
    options_free(o);
    tiny_gpt_free(&g);
}

/* --- what goes wrong ---------------------------------------------------------------------------------------------- */

/* A bias that was forgotten beside others is told; all of them, or none, are a model's own affair. */
TEST(session_tells_biases_left_out) {
    static const char *const want[] = {"", "transformer.ln_f.bias", "transformer.ln_f.bias, transformer.h.1.mlp.c_fc.bias", "",
                                       "transformer.ln_f.bias, transformer.h.*.attn.c_proj.bias"};
    tiny_gpt g;
    tiny_gpt_make(&g, 2, 2, 16, 60, 32, -1, 10);
    for (int k = 0; k < 5; k++) {
        glimpse_model d = GLIMPSE_MODEL_INIT;
        model *m;
        buffer b = {0};
        d.n_layers = 2, d.n_heads = 2, d.channels = 16, d.vocab_size = g.model.vocab_size, d.max_seq_len = g.model.max_seq_len;
        for (int i = 0; i < g.model.n_tensors; i++) {
            const glimpse_tensor *t = &g.model.tensors[i];
            const bool bias = strlen(t->name) > 5 && !strcmp(t->name + strlen(t->name) - 5, ".bias");
            if ((k == 3 && bias) || (k && !strcmp(t->name, "transformer.ln_f.bias"))) continue;
            if (k == 4 && strstr(t->name, ".attn.c_proj.bias")) continue; /* of every layer */
            glimpse_tensor one = *t;
            if (k == 2 && strstr(t->name, ".*.mlp.c_fc.bias")) { /* of the first layer alone */
                one.name = "transformer.h.0.mlp.c_fc.bias";
                one.n_dims = 1, one.dims[0] = t->dims[1];
            }
            REQUIRE_OK(glimpse_bind_tensor(&d, &one));
        }
        REQUIRE_OK(model_from_description(&d, &m));
        model_biases_left_out(m, &b);
        EXPECT_STREQ(buf_str(&b), want[k]);
        model_close(m);
        glimpse_model_free(&d);
        buf_free(&b);
    }
    tiny_gpt_free(&g);
}

static io_calls real_io;
static ssize_t full_disk(int fd, const void *b, size_t n) {
    (void)fd, (void)b, (void)n;
    errno = ENOSPC;
    return -1;
}

typedef struct heard_lines { char text[400]; } heard_lines;
static glimpse_status hear_line(void *user, owned_record *r) {
    heard_lines *h = user;
    size_t n = strlen(h->text);
    snprintf(h->text + n, sizeof h->text - n, "%lld:%lld %s best %g@%lld, ", (long long)r->record.seq, (long long)r->record.step, r->record.status,
             r->record.best_val_loss, (long long)r->record.best_step);
    return GLIMPSE_OK;
}

/* Whoever else writes into the journal (an editor, a rotation of logs, a copy that is brought back) costs what he took, and no line
 * of ours that comes behind half of another. */
TEST(session_journal_that_another_program_changes) {
    tiny_gpt g;
    heard h = {0};
    session_host host = host_of(&h);
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 11);
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "6" }, { "sheets", "false" });
    session *s;
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT_OK(session_eval(s, 0, 3, 3));
    EXPECT_OK(session_eval(s, 10, 3, 2));
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    struct stat there;
    EXPECT(stat(path, &there) == 0 && truncate(path, there.st_size - 100) == 0);
    EXPECT_OK(session_eval(s, 20, 3, 1));
    FILE *f = fopen(path, "a");
    fputs("a note by hand", f);
    fclose(f);
    EXPECT_OK(session_eval(s, 30, 3, 0.5));
    session_close(s);
    heard_lines seen = {0};
    int64_t unread;
    EXPECT_OK(journal_read(path, hear_line, &seen, &unread));
    EXPECT_STREQ(seen.text, "0:0 ok best 3@0, 1:20 ok best 1@20, 2:30 ok best 0.5@30, ");
    EXPECT_EQ(unread, 0); /* what was no line is kept aside */
    options_free(o);
    tiny_gpt_free(&g);
    buf_free(&h.log);
    free(path);
}

/* Both at once: what the disk did not take counts on where the journal is opened again, and is not lost without a word. */
TEST(session_disk_full_and_journal_changed) {
    tiny_gpt g;
    heard h = {0};
    session_host host = host_of(&h);
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 11);
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "6" }, { "sheets", "false" });
    session *s;
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT_OK(session_eval(s, 0, 3, 3));
    real_io = io;
    io.write = full_disk;
    EXPECT_ERR(session_eval(s, 10, 3, 1), GLIMPSE_E_IO, "No space left");
    io = real_io;
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    FILE *f = fopen(path, "a");
    fputs("a note by hand", f);
    fclose(f);
    EXPECT_OK(session_eval(s, 20, 3, 2));
    heard_lines seen = {0};
    int64_t unread;
    EXPECT_OK(journal_read(path, hear_line, &seen, &unread));
    EXPECT_STREQ(seen.text, "0:0 ok best 3@0, 1:10 ok best 1@10, 2:20 ok best 1@10, ");
    io.write = full_disk;
    EXPECT_ERR(session_eval(s, 30, 3, 0.5), GLIMPSE_E_IO, "No space left");
    io = real_io;
    EXPECT(!unlink(path) && !mkdir(path, 0755));
    EXPECT_ERR(session_eval(s, 40, 3, 0.4), GLIMPSE_E_IO, NULL);
    session_close(s);
    EXPECT(strstr(buf_str(&h.log), "1 eval from step 30 on is lost: ") != NULL);
    options_free(o);
    tiny_gpt_free(&g);
    buf_free(&h.log);
    free(path);
}

TEST(session_disk_full_and_unwritable) {
    tiny_gpt g;
    heard h = {0};
    session_host host = host_of(&h);
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 11);
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "6" });
    session *s;
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    real_io = io;
    io.write = full_disk;
    EXPECT_ERR(session_eval(s, 0, 3, 3), GLIMPSE_E_IO, "No space left");
    io = real_io;
    EXPECT_OK(session_eval(s, 1, 3, 2));
    EXPECT(strstr(buf_str(&h.log), "step 0 is in ") != NULL);
    io.write = full_disk;
    EXPECT_ERR(session_eval(s, 2, 3, 2.5), GLIMPSE_E_IO, "No space left"); /* no sample is due */
    EXPECT_ERR(session_eval(s, 3, 3, 1), GLIMPSE_E_IO, "No space left");
    io = real_io;
    session_close(s); /* there is room again: what was sampled is not lost */
    EXPECT(strstr(buf_str(&h.log), "2 evals from step 2 on are in ") != NULL);
    char *journal = path_join(test_tmpdir(), "evals.jsonl"), *texts = path_join(test_tmpdir(), "sample.txt");
    heard_lines seen = {0};
    int64_t unread;
    EXPECT_OK(journal_read(journal, hear_line, &seen, &unread));
    EXPECT_STREQ(seen.text, "0:0 ok best 3@0, 1:1 ok best 2@1, 2:2 skipped best 2@1, 3:3 ok best 1@3, ");
    buffer drawn = {0};
    EXPECT_OK(file_read_all(texts, 1 << 20, &drawn));
    for (int i = 0; i < 4; i++) {
        char entry[32];
        snprintf(entry, sizeof entry, "iter_num: %d ", i);
        EXPECT(strstr(buf_str(&drawn), entry) != NULL);
    }
    buf_free(&drawn);
    free(journal);
    free(texts);
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    io.write = full_disk;
    EXPECT_ERR(session_eval(s, 4, 3, 0.5), GLIMPSE_E_IO, "No space left");
    session_close(s); /* the disk stays full */
    io = real_io;
    EXPECT(strstr(buf_str(&h.log), "1 eval from step 4 on is lost: ") != NULL);
    char *file = path_join(test_tmpdir(), "file");
    REQUIRE_OK(file_write_atomic(file, "x", 1, false));
    options_free(o);
    o = OPTS(file, { "max_sample_tokens", "6" });
    EXPECT_ERR(session_open(o, &g.model, &host, &s), GLIMPSE_E_IO, NULL);
    options_free(o);
    tiny_gpt_free(&g);
    free(file);
    buf_free(&h.log);
}

TEST(session_prompts) {
    tiny_gpt g;
    heard h = {0};
    session_host host = host_of(&h);
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 12);
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "6" }, { "sample_start_tokens", "z{" }, { "sheets", "false" });
    session *s;
    EXPECT_ERR(session_open(o, &g.model, &host, &s), GLIMPSE_E_TOKENIZER, "hint"); /* not encodable, neither BOS nor EOS */
    g.model.eos = 0;
    buf_clear(&h.log);
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT_OK(session_eval(s, 10, 3, 2)); /* falls back to EOS, and says so */
    EXPECT(strstr(buf_str(&h.log), "EOS"));
    session_close(s);
    options_free(o);
    char *file = path_join(test_tmpdir(), "prompts");
    REQUIRE_OK(file_write_atomic(file, "\xef\xbb\xbfONE\nIDS:3,4\r\n\nTWO\n", 21, false));
    o = OPTS(test_tmpdir(), { "max_sample_tokens", "3" }, { "prompts", file }, { "sheets", "false" });
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT_OK(session_eval(s, 20, 3, 1));
    REQUIRE(s->before->record.n_samples == 3);
    EXPECT_STREQ(s->before->record.samples[0].prompt_text, "ONE");
    EXPECT_EQ(s->before->record.samples[1].prompt_ids[1], 4);
    REQUIRE_OK(file_write_atomic(file, "O\0N\0E\0", 6, false)); /* UTF-16 */
    EXPECT_ERR(session_eval(s, 30, 3, 0), GLIMPSE_E_FORMAT, "a line holds a zero byte");
    session_close(s);
    options_free(o);
    free(file);
    tiny_gpt_free(&g);
    buf_free(&h.log);
}

static bool disk_is_full;
static ssize_t write_or_not(int fd, const void *bytes, size_t n) {
    if (!disk_is_full || fd <= 2) return write(fd, bytes, n);
    errno = ENOSPC;
    return -1;
}

/* So is one whose record could not be written, though it is with the next one's: the best so far is the best that is there to be read. */
TEST(session_owes_a_sample_that_was_not_recorded) {
    heard h = {0};
    session_host host = host_of(&h);
    session *s;
    tiny_gpt g;
    const io_calls kept = io;
    io.write = write_or_not;
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 12);
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "3" }, { "sheets", "false" });
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT_OK(session_eval(s, 0, 3, 3));
    disk_is_full = true;
    EXPECT_ERR(session_eval(s, 10, 3, 2), GLIMPSE_E_IO, NULL);
    disk_is_full = false;
    EXPECT_OK(session_eval(s, 20, 3, 2.5));
    EXPECT_EQ(s->due.best_step, 10);
    EXPECT_EQ(s->js.next_seq, 3);
    EXPECT_EQ(session_eval(s, 30, 3, 2.6), GLIMPSE_NOT_DUE);
    disk_is_full = true;
    EXPECT_ERR(session_eval(s, 40, 3, 2.6), GLIMPSE_E_IO, NULL); /* it was not due, and is not owed */
    disk_is_full = false;
    EXPECT_EQ(session_eval(s, 50, 3, 2.6), GLIMPSE_NOT_DUE);
    session_close(s);
    io = kept;
    options_free(o);
    tiny_gpt_free(&g);
    buf_free(&h.log);
}

/* A sampling that failed is due again, also for whoever goes on with the run: the journal says so. */
TEST(session_owes_a_sample_across_a_resume) {
    static const struct {
        const char *after; /* what happened behind the failure at step 10, before the end: k = skipped, b = skipped though it was the best, o = sampled */
        bool owed;
    } cases[] = {{"", true}, {"k", true}, {"kk", true}, {"o", false}, {"ok", false}, {"ob", true}, {"obk", true}, {"obo", false}};
    tiny_gpt g;
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 12);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        heard h = {0};
        session_host host = host_of(&h);
        session *s;
        char dir[4200];
        snprintf(dir, sizeof dir, "%s/%zu", test_tmpdir(), i);
        options *o = OPTS(dir, { "max_sample_tokens", "3" }, { "sheets", "false" });
        REQUIRE_OK(session_open(o, &g.model, &host, &s));
        EXPECT_OK(session_eval(s, 0, 3, 3));
        float kept = g.w[14][3];
        g.w[14][3] = NAN;
        EXPECT_ERR(session_eval(s, 10, 3, 2), GLIMPSE_E_NONFINITE, NULL);
        g.w[14][3] = kept;
        int64_t step = 20;
        for (const char *a = cases[i].after; *a; a++, step += 10) {
            if (*a == 'b') EXPECT_OK(session_note(s, step, NAN, 1.5, NOTE_OWED, "still busy", 0, false));
            else if (*a == 'k') EXPECT_OK(session_note(s, step, NAN, 6, NOTE_SKIPPED, "still busy", 0, false));
            else EXPECT_OK(session_eval(s, step, 3, 6));
        }
        EXPECT_EQ(s->due.owed, cases[i].owed);
        session_close(s);
        REQUIRE_OK(session_open(o, &g.model, &host, &s));
        EXPECT_EQ(session_eval(s, step, 3, 6), cases[i].owed ? GLIMPSE_OK : GLIMPSE_NOT_DUE);
        EXPECT_EQ(session_eval(s, step + 10, 3, 6), GLIMPSE_NOT_DUE);
        session_close(s);
        REQUIRE_OK(session_open(o, &g.model, &host, &s)); /* back before the failure: it is left behind */
        EXPECT_EQ(session_eval(s, 5, 3, 6), GLIMPSE_NOT_DUE);
        session_close(s);
        options_free(o);
        buf_free(&h.log);
    }
    tiny_gpt_free(&g);
}

/* --- requests ------------------------------------------------------------------------------------------------------- */

extern const session_api glimpse_session_v1;

TEST(session_request_options) {
    tiny_gpt g;
    heard h = {0};
    session_host host = host_of(&h);
    session *s;
    glimpse_record *r;
    tiny_gpt_make(&g, 2, 2, 16, 60, 48, -1, 1);
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "9" }, { "sheets", "false" });
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    glimpse_request rq = GLIMPSE_REQUEST_INIT;
    rq.text = "HELLO";
    static const char *const refused[][2] = {
        { "out_dir=x", "out_dir is the session's" }, { "top_k=5 threads=2", "threads is the session's" },
        { "mode=worker", "mode is the session's" },  { "start=HI", "sample_start_tokens is the session's" },
        { "seed_each_step=true", "seed_each_step" }, { "top_k=\"1 5", "quote of top_k" },
        { "=5", "no NAME=VALUE" },                   { "top_k", "no NAME=VALUE" } };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        rq.options = refused[i][0];
        EXPECT_ERR(glimpse_session_v1.generate(s, &rq, &r), GLIMPSE_E_INVALID, refused[i][1]);
        EXPECT_ERR(glimpse_session_v1.score(s, &rq, &r), GLIMPSE_E_INVALID, refused[i][1]);
    }
    int few[2] = {0};
    for (int metrics = 0; metrics < 2; metrics++) {
        rq.options = metrics ? " top_k=\"1, 5\" max_new_tokens=4 sample_metrics=true record_top=2\n" : "record_top=3 num_samples=2";
        REQUIRE_OK(glimpse_session_v1.generate(s, &rq, &r));
        REQUIRE(r->n_samples == 2);
        EXPECT_EQ(r->samples[1].top_k, metrics ? 5 : 200);
        EXPECT_EQ(r->samples[1].n_tokens, metrics ? 4 : 9);
        EXPECT_EQ(r->samples[1].tokens[0].n_top, metrics ? 2 : 3);
        if (metrics) EXPECT_LT(few[0], r->samples[0].n_metrics);
        few[0] = r->samples[0].n_metrics;
        record_free(r);
        REQUIRE_OK(glimpse_session_v1.score(s, &rq, &r));
        EXPECT_EQ(r->samples[0].tokens[0].n_top, metrics ? 2 : 3);
        if (metrics) EXPECT_LT(few[1], r->samples[0].n_metrics);
        few[1] = r->samples[0].n_metrics;
        record_free(r);
    }
    session_close(s);
    options_free(o);
    tiny_gpt_free(&g);
    buf_free(&h.log);
}

/* --- offline ---------------------------------------------------------------------------------------------------------- */

typedef struct reader {
    heard h; /* first: on_log's */
    size_t takes;
    int error;
} reader;

static int on_out_until(void *user, const char *bytes, size_t n) {
    reader *r = user;
    if (r->h.out.n + n > r->takes) return r->error;
    buf_put(&r->h.out, bytes, n);
    return 0;
}

/* The prompt - is standard input, which can be read once: what the banner counts is what is sampled from. */
TEST(session_offline_prompt_from_standard_input) {
    const char *model = strdup(hf_dir("model"));
    buffer weights = {0}, tok = {0}, line = {0};
    heard h = {0};
    session_host host = host_of(&h);
    hf_safetensors(0, 0, hf_tensor_count(0), GLIMPSE_F32, "", &weights);
    hf_save(model, "config.json", hf_config(0), strlen(hf_config(0)));
    hf_save(model, "model.safetensors", weights.bytes, weights.n);
    enum { V = 61 }; /* of the model that hf_files.c makes */
    uint32_t head[256] = { 20240328, 2, V, V - 1 };
    buf_put(&tok, head, sizeof head);
    for (int i = 0; i < V; i++) {
        buf_putc(&tok, 1);
        buf_putc(&tok, (char)('!' + i));
    }
    char *file = path_join(test_tmpdir(), "t.bin"), *path = path_join(test_tmpdir(), "evals.jsonl");
    REQUIRE_OK(file_write_atomic(file, tok.bytes, tok.n, false));
    options *o = OPTS(test_tmpdir(), { "checkpoint", model }, { "tokenizer", file }, { "max_sample_tokens", "3" },
                      { "num_samples", "2" }, { "sample_start_tokens", "-" }, { "sheets", "false" });
    options_set_offline(o, true);
    int ends[2];
    REQUIRE(!pipe(ends) && write(ends[1], "ABC", 3) == 3 && !close(ends[1]) && dup2(ends[0], 0) == 0);
    REQUIRE_OK(session_run(o, &host));
    owned_record *rec = NULL;
    REQUIRE_OK(file_read_all(path, 1 << 20, &line));
    REQUIRE_OK(journal_decode(line.bytes, line.n - 1, &rec));
    EXPECT_EQ(rec->record.n_samples, 2);
    EXPECT_STREQ(rec->record.samples[0].prompt_text, "ABC");
    EXPECT_EQ(rec->record.samples[0].n_prompt_ids, 3);
    record_free(&rec->record);
    options_free(o);
    buf_free(&weights), buf_free(&tok), buf_free(&line), buf_free(&h.log), buf_free(&h.out);
    free(file), free(path), free((void *)(uintptr_t)model);
    close(ends[0]);
}

/* A disk that is full fails the run; a reader that went away does not.  The samples are whole and recorded in any case. */
TEST(session_offline_output_fails) {
    const char *model = strdup(hf_dir("model"));
    buffer weights = {0};
    hf_safetensors(0, 0, hf_tensor_count(0), GLIMPSE_F32, "", &weights);
    hf_save(model, "config.json", hf_config(0), strlen(hf_config(0)));
    hf_save(model, "model.safetensors", weights.bytes, weights.n);
    static const struct { size_t takes; int error; const char *samples; glimpse_status st; } cases[] = {
        { SIZE_MAX, 0, "1", GLIMPSE_OK },     { 3, EPIPE, "1", GLIMPSE_OK },     { 3, EPIPE, "2", GLIMPSE_OK },
        { 3, ENOSPC, "1", GLIMPSE_E_IO }, { 3, ENOSPC, "2", GLIMPSE_E_IO } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reader r = { .takes = cases[i].takes, .error = cases[i].error };
        session_host host = { .user = &r, .log = on_log, .out = on_out_until };
        char name[16];
        c_snprintf(name, sizeof name, "run%zu", i);
        char *dir = path_join(test_tmpdir(), name);
        options *o = OPTS(dir, { "checkpoint", model }, { "max_sample_tokens", "9" }, { "num_samples", cases[i].samples },
                          { "sample_start_tokens", "IDS:1,2" }, { "ignore_eos", "true" }, { "sheets", "false" });
        glimpse_status st = session_run(o, &host);
        EXPECT_EQ(st, cases[i].st);
        if (st < 0) EXPECT(strstr(status_text(), "No space left on device"));
        EXPECT((r.h.out.n > 3) == !cases[i].error);
        buffer line = {0};
        owned_record *rec = NULL;
        char *path = path_join(dir, "evals.jsonl");
        REQUIRE_OK(file_read_all(path, 1 << 20, &line));
        REQUIRE_OK(journal_decode(line.bytes, line.n - 1, &rec));
        EXPECT_EQ(rec->record.n_samples, atoi(cases[i].samples));
        for (int k = 0; k < rec->record.n_samples; k++) {
            EXPECT_EQ(rec->record.samples[k].stop, GLIMPSE_STOP_LENGTH);
            EXPECT_EQ(rec->record.samples[k].n_tokens, 9);
        }
        record_free(&rec->record);
        free(path);
        free(dir);
        options_free(o);
        buf_free(&line);
        buf_free(&r.h.log);
        buf_free(&r.h.out);
    }
    buf_free(&weights);
    free((void *)(uintptr_t)model);
}

/* An address that this process cannot read, as a GPU's memory: an error at open, in both modes, and the trainer lives. */
TEST(session_unreadable_tensors) {
    tiny_gpt g;
    heard h = {0};
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 13);
    g.model.tensors[4].data = (const void *)(uintptr_t)0x7f0000001000; /* unlikely to be mapped; the kernel is asked */
    static const char *const modes[] = { "inline", "worker" };
    for (int i = 0; i < 2; i++) {
        glimpse_config *cfg = glimpse_config_new();
        glimpse_set_log(cfg, on_log, &h);
        EXPECT_OK(glimpse_set(cfg, "max_sample_tokens", "4"));
        EXPECT_OK(glimpse_set(cfg, "mode", modes[i]));
        EXPECT_OK(glimpse_set(cfg, "out_dir", test_tmpdir()));
        EXPECT(!glimpse_open(cfg, &g.model));
        EXPECT(strstr(glimpse_error(), "c_attn.weight") && strstr(glimpse_error(), "cannot be read"));
        glimpse_config_free(cfg);
    }
    buf_free(&h.log);
    tiny_gpt_free(&g);
}

/* --- a model given as a function ----------------------------------------------------------------------------------- */

/* The next id is the last plus one, unless the noise says otherwise; ids are checked to be a whole prefix. */
static int counting_model(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    for (int b = 0; b < B; b++) {
        if (lengths[b] < 1 || lengths[b] > T) return 7;
        int last = ids[b * T + lengths[b] - 1];
        for (int v = 0; v < 40; v++) out[b * 40 + v] = v == (last + 1) % 40 ? 50.0f : 0.0f;
    }
    ++*(int *)user;
    return 0;
}

TEST(session_function_model) {
    heard h = {0};
    session_host host = host_of(&h);
    int calls = 0;
    glimpse_model m = GLIMPSE_MODEL_INIT;
    m.vocab_size = 40;
    m.max_seq_len = 64;
    m.logits = counting_model;
    m.logits_user = &calls;
    m.eos = 30;
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "50" }, { "sample_start_tokens", "IDS:5,6" }, { "num_samples", "3" },
                      { "sheets", "false" });
    session *s;
    REQUIRE_OK(session_open(o, &m, &host, &s));
    EXPECT_OK(session_eval(s, 0, 3, 3));
    const glimpse_sample *x = s->before->record.samples;
    EXPECT_EQ(x->n_tokens, 24); /* 7 .. 30 */
    EXPECT_EQ(x->stop, GLIMPSE_STOP_EOS);
    for (int i = 0; i < x->n_tokens; i++) EXPECT_EQ(x->tokens[i].id, 7 + i);
    EXPECT_EQ(calls, 1 + 23); /* one prefill, then one call a step for the whole batch */
    session_close(s);
    options_free(o);
    buf_free(&h.log);
}

/* --antislop, --guidance_scale and --negative_prompt from the options to the record and sample.txt; a stop text with a NUL. */
TEST(session_antislop_and_guidance) {
    heard h = {0};
    session_host host = host_of(&h);
    int calls = 0;
    glimpse_model m = GLIMPSE_MODEL_INIT;
    m.vocab_size = 40;
    m.max_seq_len = 64;
    m.logits = counting_model;
    m.logits_user = &calls;
    char *list = path_join(test_tmpdir(), "slop.json"), *text = path_join(test_tmpdir(), "sample.txt");
    static const char phrases[] = "[[\"12 13\", 0], [\"30 31 32\", 0]]\n";
    REQUIRE_OK(file_write_atomic(list, phrases, strlen(phrases), false));
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "50" }, { "sample_start_tokens", "IDS:5,6" }, { "sheets", "false" },
                      { "antislop", list }, { "guidance_scale", "1.5" }, { "negative_prompt", "IDS:1,2" },
                      { "stop", "\\0a\\0" });
    session *s;
    arena *a = arena_new();
    batch_request rq = {0};
    REQUIRE_OK(session_open(o, &m, &host, &s));
    REQUIRE_OK(session_settings(o, s->m, s->t, a, &rq));
    EXPECT_EQ(rq.stop_bytes[0], 3);
    EXPECT_MEM(rq.stops[0], "\0a\0", 3);
    EXPECT_EQ(rq.phrase_retries, 20);
    EXPECT_EQ(rq.n_negative, 2);
    EXPECT_OK(session_eval(s, 0, 3, 3));
    const glimpse_sample *x = s->before->record.samples;
    EXPECT(strstr(x->text, "12 13") == NULL);
    EXPECT(strstr(x->samplers, "guidance=1.5;antislop=2 phrases;") != NULL);
    EXPECT(x->note && strstr(x->note, "antislop: went back ") != NULL);
    buffer all = {0};
    REQUIRE_OK(file_read_all(text, 1 << 20, &all));
    EXPECT(strstr(buf_str(&all), " note: antislop: went back ") != NULL);
    session_close(s);
    options_free(o);
    static const char broken[] = "{\"a\": 1}";
    REQUIRE_OK(file_write_atomic(list, broken, strlen(broken), false));
    o = OPTS(test_tmpdir(), { "max_sample_tokens", "5" }, { "antislop", list });
    EXPECT_ERR(session_settings(o, NULL, NULL, a, &rq), GLIMPSE_E_FORMAT, "a list of phrases was expected");
    options_free(o);
    arena_free(a);
    buf_free(&all);
    free(list), free(text);
    buf_free(&h.log);
}

/* A second eval in the same step that makes no sample leaves the first one's where they are. */
TEST(session_two_evals_in_one_step) {
    tiny_gpt g;
    heard h = {0};
    session_host host = host_of(&h);
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 13);
    options *o = OPTS(test_tmpdir(), { "max_sample_tokens", "4" });
    session *s;
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT_EQ(session_eval(s, 10, NAN, 5), GLIMPSE_OK);
    EXPECT_EQ(session_eval(s, 10, NAN, 6), GLIMPSE_NOT_DUE);
    EXPECT_OK(session_note(s, 10, NAN, 6, NOTE_SKIPPED, "still busy", 0, false));
    EXPECT(strstr(buf_str(&h.log), "glimpse 10: no sample, still busy (this step's samples stay)"));
    session_close(s);
    size_t n;
    char *text = slurp(test_tmpdir(), "sample.txt", &n), *line = slurp(test_tmpdir(), "evals.jsonl", &n);
    EXPECT(strstr(text, "iter_num: 10") && !strstr(text, "skipped"));
    EXPECT(!strchr(strchr(line, '\n') + 1, '\n')); /* one line */
    free(text), free(line);
    options_free(o);
    buf_free(&h.log);
    tiny_gpt_free(&g);
}
