/* test_score_text.c -- `glimpse score`: a text as a table, as JSON and its logits as .npy, against the forward pass itself;
 * requests and hostile ones; the bar of `glimpse eval` in a terminal. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks/session_state.h"
#include "hooks/tasks/json_lines.h"
#include "hooks/tasks/task_run.h"
#include "include/internal/file.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/generator.h"
#include "tests/test.h"
#include "viz/colors.h"

static char *checkpoint(void) {
    buffer b = {0};
    buf_printf(&b, "%s/tests/ref/tasks/ckpt", test_source_dir());
    return buf_take(&b, NULL);
}

static int put(void *user, const char *bytes, size_t n) {
    buf_put(user, bytes, n);
    return 0;
}

/* `glimpse score` with these options, up to an id of OPT_COUNT. */
typedef struct given {
    opt_id id;
    const char *value;
} given;
static glimpse_status score(const given *g, buffer *out) {
    options *o = options_new();
    session_host host = {.user = out, .out = put};
    char *path = checkpoint();
    options_set_offline(o, true);
    EXPECT_OK(options_set(o, OPT_checkpoint, path, OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
    for (; g->value; g++) EXPECT_OK(options_set(o, g->id, g->value, OPT_LEVEL_FLAG));
    buf_clear(out);
    glimpse_status st = session_score_file(o, &host);
    options_free(o);
    free(path);
    return st;
}

static char *save(const char *name, const char *bytes, size_t n) {
    char *path = path_join(test_tmpdir(), name);
    EXPECT_OK(file_write_atomic(path, bytes, n, false));
    return path;
}

static double number(const json_node *o, const char *key) {
    double x = NAN;
    json_double(json_get(o, key), &x);
    return x;
}

/* The lines of --json; -1: no such lines. */
static json_lines lines_of(const buffer *out) {
    json_lines l = {.path = NULL};
    char *path = save("lines.jsonl", out->bytes, out->n);
    EXPECT_OK(json_lines_read(path, &l));
    free(path);
    return l;
}

typedef struct npy {
    long long rows, vocab;
    buffer bytes;
    const float *logits;
} npy;

/* Read by the letter of NumPy's format 1.0. */
static npy read_npy(const char *path) {
    npy f = {.rows = -1};
    unsigned head = 0;
    if (!EXPECT_OK(file_read_all(path, (size_t)1 << 28, &f.bytes)) || !EXPECT(f.bytes.n > 10)) return f;
    EXPECT_MEM(f.bytes.bytes, "\x93NUMPY\x01\x00", 8);
    head = (unsigned char)f.bytes.bytes[8] | (unsigned)(unsigned char)f.bytes.bytes[9] << 8;
    EXPECT_EQ((head + 10) % 64, 0);
    EXPECT_EQ(f.bytes.bytes[9 + head], '\n');
    EXPECT_EQ(sscanf(f.bytes.bytes + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }", &f.rows, &f.vocab), 2);
    EXPECT_EQ(f.bytes.n, 10 + head + (size_t)(f.rows * f.vocab) * 4);
    f.logits = (const float *)(const void *)(f.bytes.bytes + 10 + head);
    return f;
}

static double log_softmax(const float *row, long long vocab, int id) {
    double most = -INFINITY, sum = 0;
    for (long long i = 0; i < vocab; i++) most = (double)row[i] > most ? (double)row[i] : most; /* fmax: gcc 12 for arm64 fails within itself */
    for (long long i = 0; i < vocab; i++) sum += exp((double)row[i] - most);
    return (double)row[id] - most - log(sum);
}

typedef struct forward { /* the model of the checkpoint, opened here */
    model *m;
    tokenizer *t;
    generator *g;
} forward;
static bool forward_open(forward *f) {
    char *path = checkpoint(), *json = path_join(path, "tokenizer.json");
    bool ok = EXPECT_OK(checkpoint_open(path, NULL, NULL, &f->m)) && EXPECT_OK(tokenizer_load(json, &f->t)) &&
              EXPECT_OK(generator_open(f->m, f->t, &(generator_config){.threads = 2}, &f->g));
    free(json);
    free(path);
    return ok;
}
static void forward_close(forward *f) {
    generator_close(f->g);
    tokenizer_close(f->t);
    model_close(f->m);
}

typedef struct rows {
    const npy *f;
    int n, same;
} rows;
static glimpse_status compare_row(void *user, int32_t pos, const float *logits) {
    rows *r = user;
    r->same += !memcmp(logits, r->f->logits + (size_t)pos * (size_t)r->f->vocab, (size_t)r->f->vocab * sizeof *logits);
    r->n++;
    return GLIMPSE_OK;
}

static const char a_text[] = "The dog ran to the old house. \xc3\xa9 \x1b[31m!\n";

TEST(score_text_table_json_and_logits) {
    buffer out = {0};
    forward f;
    char *npy_path = path_join(test_tmpdir(), "logits.npy"), *file = save("text.txt", a_text, sizeof a_text - 1);
    buffer prompt = {0};
    buf_printf(&prompt, "FILE:%s", file);
    REQUIRE(forward_open(&f));
    REQUIRE_OK(score((given[]){{OPT_sample_start_tokens, buf_str(&prompt)}, {OPT_json, "true"}, {OPT_logits_out, npy_path}, {OPT_COUNT, NULL}}, &out));
    json_lines l = lines_of(&out);
    npy x = read_npy(npy_path);
    REQUIRE(l.n > 8 && x.rows == l.n);
    EXPECT_EQ(x.vocab, f.m->d.vocab_size);
    int32_t ids[256] = {task_prefix_id(f.m, f.t)};
    buffer text = {0};
    for (int i = 0; i < l.n; i++) {
        const json_node *o = l.lines[i].tree.nodes, *piece = json_get(o, "text");
        int id = ids[i + 1] = (int32_t)number(o, "id"), rank = 1;
        const float *row = x.logits + (size_t)i * (size_t)x.vocab;
        double want = log_softmax(row, x.vocab, id), entropy = 0, left = 0;
        for (int v = 0; v < x.vocab; v++) {
            double lp = log_softmax(row, x.vocab, v);
            entropy -= exp(lp) * lp;
            if (row[v] > row[id]) rank++, left += exp(lp);
        }
        EXPECT_NEAR(number(o, "logprob"), want, 1e-4 * fabs(want));
        EXPECT_EQ(number(o, "rank"), rank);
        EXPECT_NEAR(number(o, "entropy"), entropy, 1e-3);
        EXPECT_NEAR(number(o, "left"), left, 1e-4);
        if (piece && piece->kind == JSON_STRING) buf_put(&text, piece->text, piece->n);
    }
    EXPECT(!strncmp(buf_str(&text), "The dog ran", 11));
    rows r = {&x, 0, 0}; /* the same ids through the forward pass: the same bits */
    EXPECT_OK(score_each_row(f.g, ids, l.n, compare_row, &r));
    EXPECT_EQ(r.n, l.n);
    EXPECT_EQ(r.same, l.n);
    int n = l.n;
    /* The table: a head and a row a token, no control character but the line's end. */
    REQUIRE_OK(score((given[]){{OPT_sample_start_tokens, buf_str(&prompt)}, {OPT_color, "never"}, {OPT_COUNT, NULL}}, &out));
    int rows_seen = 0;
    for (size_t i = 0; i < out.n; i++) {
        EXPECT((unsigned char)out.bytes[i] >= 0x20 || out.bytes[i] == '\n');
        rows_seen += out.bytes[i] == '\n';
    }
    EXPECT_EQ(rows_seen, n + 1);
    EXPECT(strstr(buf_str(&out), "ln p") && strstr(buf_str(&out), "rank"));
    EXPECT(strstr(buf_str(&out), "\xe2\x90\xa3") && strstr(buf_str(&out), "\xe2\x86\xb5")); /* blanks as every view of a token has them */
    char first[64];
    snprintf(first, sizeof first, "%9.4f %8.5f %8d", number(l.lines[0].tree.nodes, "logprob"),
             exp(number(l.lines[0].tree.nodes, "logprob")), (int)number(l.lines[0].tree.nodes, "rank"));
    EXPECT(strstr(buf_str(&out), first) != NULL);
    json_lines_free(&l);
    buf_free(&x.bytes);
    buf_free(&text);
    buf_free(&prompt);
    buf_free(&out);
    forward_close(&f);
    free(npy_path);
    free(file);
}

/* A number of five digits is written with five: of a model whose last norm's weights were made 6 times as large, so that
 * some tokens lie below -10. */
TEST(score_table_writes_no_digit_that_is_not_known) {
    static const char *const beside[] = {"config.json", "tokenizer.json", "tokenizer_config.json"};
    buffer b = {0}, out = {0};
    char *from = checkpoint(), *path = path_join(from, "model.safetensors");
    REQUIRE_OK(file_read_all(path, 1 << 24, &b));
    size_t header = 0, a = 0, end = 0;
    for (int i = 7; i >= 0; i--) header = header << 8 | (unsigned char)b.bytes[i];
    const char *norm = strstr(b.bytes + 8, "\"transformer.ln_f.weight\"");
    REQUIRE(norm && sscanf(strstr(norm, "offsets\":[") + 10, "%zu,%zu", &a, &end) == 2);
    for (size_t at = 8 + header + a; at < 8 + header + end; at += sizeof(float)) {
        float w;
        memcpy(&w, b.bytes + at, sizeof w);
        w *= 6;
        memcpy(b.bytes + at, &w, sizeof w);
    }
    free(save("model.safetensors", b.bytes, b.n));
    for (int i = 0; i < 3; i++) {
        char *file = path_join(from, beside[i]);
        buf_clear(&b);
        REQUIRE_OK(file_read_all(file, 1 << 24, &b));
        free(save(beside[i], b.bytes, b.n));
        free(file);
    }
    const given sharp = {OPT_checkpoint, test_tmpdir()}, text = {OPT_sample_start_tokens, "The dog ran to the old house."};
    REQUIRE_OK(score((given[]){sharp, text, {OPT_json, "true"}, {OPT_COUNT, NULL}}, &out));
    json_lines l = lines_of(&out);
    REQUIRE_OK(score((given[]){sharp, text, {OPT_color, "never"}, {OPT_COUNT, NULL}}, &out));
    int far = 0;
    for (int i = 0; i < l.n; i++) {
        const double lp = number(l.lines[i].tree.nodes, "logprob");
        char row[64];
        far += lp <= -10;
        snprintf(row, sizeof row, lp > -10 ? "%9.4f %8.5f %8d" : "%8.3f  %8.5f %8d", lp, exp(lp), (int)number(l.lines[i].tree.nodes, "rank"));
        if (!EXPECT(strstr(buf_str(&out), row) != NULL)) printf("%s is not in\n%s", row, buf_str(&out));
    }
    EXPECT(far > 0 && far < l.n);
    json_lines_free(&l);
    buf_free(&b);
    buf_free(&out);
    free(path);
    free(from);
}

/* Without its escapes the coloured text is the text, and a token's ground is the palette's colour of its probability; on a
 * terminal of 16 colours the table's tokens have theirs, too. */
TEST(score_text_in_colour) {
    static const char said[] = "The dog ran to the old house. \xc3\xa9!\nIt was";
    buffer out = {0}, plain = {0};
    char *file = save("text.txt", said, sizeof said - 1);
    buffer prompt = {0};
    buf_printf(&prompt, "FILE:%s", file);
    const given json[] = {{OPT_sample_start_tokens, buf_str(&prompt)}, {OPT_json, "true"}, {OPT_colorize_output, "true"}, {OPT_COUNT, NULL}};
    REQUIRE_OK(score(json, &out)); /* for programs: --json it stays */
    json_lines l = lines_of(&out);
    REQUIRE(l.n > 8);
    REQUIRE_OK(score((given[]){{OPT_sample_start_tokens, buf_str(&prompt)}, {OPT_colorize_output, "true"}, {OPT_color, "always"},
                               {OPT_color_depth, "truecolor"}, {OPT_COUNT, NULL}}, &out));
    int grounds = 0;
    for (const char *p = buf_str(&out); *p;) {
        int text[3], ground[3], used = 0;
        if (*p != '\x1b') {
            buf_putc(&plain, *p++);
            continue;
        }
        if (sscanf(p, "\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm%n", &text[0], &text[1], &text[2], &ground[0], &ground[1], &ground[2], &used) == 6 && used) {
            if (!grounds++) {
                const rgb want = palette_rgb(PALETTE_VIRIDIS, exp(number(l.lines[0].tree.nodes, "logprob")));
                EXPECT_EQ(ground[0], want.r), EXPECT_EQ(ground[1], want.g), EXPECT_EQ(ground[2], want.b);
            }
            p += used;
        } else {
            REQUIRE(!strncmp(p, "\x1b[0m", 4));
            p += 4;
        }
    }
    EXPECT(grounds > 8);
    EXPECT(!strncmp(buf_str(&plain), said, sizeof said - 1) && !strcmp(buf_str(&plain) + sizeof said - 1, "\n"));
    REQUIRE_OK(score((given[]){{OPT_sample_start_tokens, buf_str(&prompt)}, {OPT_color, "always"}, {OPT_color_depth, "16"}, {OPT_COUNT, NULL}}, &out));
    int ends = 0;
    for (const char *p = buf_str(&out); (p = strstr(p, "\x1b[0m")) != NULL; p++) ends++;
    EXPECT_EQ(ends, l.n); /* one a token */
    json_lines_free(&l);
    buf_free(&out), buf_free(&plain), buf_free(&prompt);
    free(file);
}

/* Longer than the context (96): windows, every token once, a row of logits for each. */
TEST(score_long_text_has_every_row) {
    buffer out = {0}, ids = {0};
    char *npy_path = path_join(test_tmpdir(), "long.npy");
    buf_puts(&ids, "IDS:");
    enum { N = 230 };
    for (int i = 0; i < N; i++) buf_printf(&ids, "%s%d", i ? "," : "", 1 + i * 7919 % 390);
    REQUIRE_OK(score((given[]){{OPT_sample_start_tokens, buf_str(&ids)}, {OPT_json, "true"}, {OPT_logits_out, npy_path}, {OPT_COUNT, NULL}}, &out));
    json_lines l = lines_of(&out);
    npy x = read_npy(npy_path);
    EXPECT_EQ(l.n, N);
    REQUIRE(x.rows == N);
    for (int i = 0; i < N; i++) {
        int id = (int)number(l.lines[i].tree.nodes, "id");
        EXPECT_EQ(id, 1 + i * 7919 % 390);
        double want = log_softmax(x.logits + (size_t)i * (size_t)x.vocab, x.vocab, id);
        EXPECT_NEAR(number(l.lines[i].tree.nodes, "logprob"), want, 1e-4 * fabs(want));
    }
    EXPECT_ERR(score((given[]){{OPT_sample_start_tokens, "IDS:1,9999999"}, {OPT_COUNT, NULL}}, &out), GLIMPSE_E_INVALID, "no id of the model's");
    EXPECT_ERR(score((given[]){{OPT_sample_start_tokens, "IDS:"}, {OPT_COUNT, NULL}}, &out), GLIMPSE_E_INVALID, "no token to score");
    EXPECT_ERR(score((given[]){{OPT_json, "true"}, {OPT_COUNT, NULL}}, &out), GLIMPSE_E_INVALID, "no text is given");
    EXPECT_ERR(score((given[]){{OPT_sample_start_tokens, "IDS:1,2"}, {OPT_logits_out, "/nowhere/x.npy"}, {OPT_COUNT, NULL}}, &out), GLIMPSE_E_IO,
               "/nowhere/x.npy");
    json_lines_free(&l);
    buf_free(&x.bytes);
    buf_free(&out);
    buf_free(&ids);
    free(npy_path);
}

TEST(score_requests_are_answered_in_order) {
    static const char lines[] = "{\"id\": 7, \"context\": \"The dog \", \"continuation\": \"ran\"}\r\n\n"
                                "{\"id\": {\"a\": [1]}, \"text\": \"The dog ran to the house.\"}\n"
                                "{\"context\": \"The dog\", \"until\": [\"\\n\\n\"], \"max_gen_toks\": 5}\n"
                                "{\"context\": \"\", \"continuation\": \"The\"}";
    buffer out = {0};
    forward f;
    char *path = save("ask.jsonl", lines, sizeof lines - 1);
    REQUIRE(forward_open(&f));
    REQUIRE_OK(score((given[]){{OPT_requests, path}, {OPT_COUNT, NULL}}, &out));
    json_lines l = lines_of(&out);
    REQUIRE(l.n == 4);
    EXPECT_EQ(number(l.lines[0].tree.nodes, "id"), 7);
    EXPECT(strstr(buf_str(&out), "{\"id\": {\"a\": [1]}, \"logprob\": "));
    EXPECT(json_get(l.lines[2].tree.nodes, "text") && !json_get(l.lines[2].tree.nodes, "logprob"));
    /* the blank at the context's end belongs to the continuation */
    buffer ids = {0};
    int32_t n_context, n, targets[64];
    double losses[64], want = 0;
    REQUIRE_OK(task_encode_pair(f.m, f.t, TEXT("The dog"), TEXT(" ran"), &ids, &n_context, &n));
    const int32_t *id = (const int32_t *)(const void *)ids.bytes;
    for (int i = 0; i + 1 < n; i++) targets[i] = id[i + 1];
    REQUIRE_OK(score_losses(f.g, id, targets, 1, n - 1, losses));
    for (int i = n_context - 1; i < n - 1; i++) want -= losses[i];
    EXPECT_NEAR(number(l.lines[0].tree.nodes, "logprob"), want, 1e-5);
    EXPECT_EQ(number(l.lines[0].tree.nodes, "tokens"), n - n_context);
    buf_clear(&ids);
    int32_t prefix = task_prefix_id(f.m, f.t);
    buf_put(&ids, &prefix, sizeof prefix);
    REQUIRE_OK(task_encode(f.t, TEXT("The dog ran to the house."), &ids));
    id = (const int32_t *)(const void *)ids.bytes;
    n = (int32_t)(ids.n / sizeof *id);
    for (int i = 0; i + 1 < n; i++) targets[i] = id[i + 1];
    REQUIRE_OK(score_losses(f.g, id, targets, 1, n - 1, losses));
    want = 0;
    for (int i = 0; i < n - 1; i++) want -= losses[i];
    EXPECT_NEAR(number(l.lines[1].tree.nodes, "logprob"), want, 1e-5);
    EXPECT_EQ(number(l.lines[1].tree.nodes, "tokens"), n - 1);
    json_lines_free(&l);
    buf_free(&ids);
    buf_free(&out);
    forward_close(&f);
    free(path);
}

TEST(score_hostile_requests_are_named) {
    static const char good[] = "{\"context\":\"a\",\"continuation\":\"b\"}\n";
    static const struct {
        const char *line, *part;
    } bad[] = {
        {"{\"context\":\"a\",", "ask.jsonl:3"}, {"[1]", "ask.jsonl:3: not an object"}, {"{}", "ask.jsonl:3: neither"},
        {"{\"context\":\"a\"}", "ask.jsonl:3: neither"}, {"{\"context\":1,\"continuation\":\"b\"}", "ask.jsonl:3: field \"context\" is no text"},
        {"{\"context\":\"a\",\"continuation\":null}", "ask.jsonl:3: field \"continuation\" is no text"},
        {"{\"context\":\"a\",\"continuation\":\"\xff\"}", "ask.jsonl:3"}, {"{\"context\":\"a\",\"continuation\":\"\"}", "ask.jsonl:3: a continuation of 0 tokens"},
        {"{\"text\":\"\\ud800\"}", "ask.jsonl:3"}, {"{\"context\":\"a\",\"until\":\"x\"}", "ask.jsonl:3: \"until\" is no list"},
        {"{\"context\":\"a\",\"until\":[],\"max_gen_toks\":100000}", "ask.jsonl:3: \"max_gen_toks\""},
        {"{\"context\":\"a\",\"until\":[],\"max_gen_toks\":1.5}", "ask.jsonl:3: \"max_gen_toks\""},
        {"{\"text\":\"a\"}\x01", "ask.jsonl:3"}, {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "ask.jsonl:3"},
    };
    buffer out = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buffer b = {0};
        buf_printf(&b, "%s\n%s", good, bad[i].line);
        char *path = save("ask.jsonl", b.bytes, b.n);
        EXPECT_ERR(score((given[]){{OPT_requests, path}, {OPT_COUNT, NULL}}, &out), GLIMPSE_E_FORMAT, bad[i].part);
        free(path);
        buf_free(&b);
    }
    buffer huge = {0}; /* of 17 MiB; then of 1 MiB in one continuation: far beyond the context */
    buf_puts(&huge, good);
    size_t from = huge.n;
    buf_puts(&huge, "{\"text\":\"");
    buf_fill(&huge, 'x', (size_t)17 << 20);
    buf_puts(&huge, "\"}\n");
    char *path = save("ask.jsonl", huge.bytes, huge.n);
    EXPECT_ERR(score((given[]){{OPT_requests, path}, {OPT_COUNT, NULL}}, &out), GLIMPSE_E_FORMAT, "ask.jsonl:2: a line of");
    free(path);
    huge.n = from;
    buf_puts(&huge, "{\"context\":\"a\",\"continuation\":\"");
    buf_fill(&huge, '7', (size_t)1 << 17);
    buf_puts(&huge, "\"}\n");
    path = save("ask.jsonl", huge.bytes, huge.n);
    EXPECT_ERR(score((given[]){{OPT_requests, path}, {OPT_COUNT, NULL}}, &out), GLIMPSE_E_FORMAT, "ask.jsonl:2: a continuation of");
    free(path);
    buf_free(&huge);
    EXPECT_ERR(score((given[]){{OPT_requests, "/nowhere/ask.jsonl"}, {OPT_COUNT, NULL}}, &out), GLIMPSE_E_IO, "/nowhere/ask.jsonl");
    buf_free(&out);
}

/* The program with standard error on a terminal or in a file: what arrives there; its exit status. */
static int run_eval(bool terminal, buffer *err) {
    int ends[2] = {-1, -1}, status = -1;
    if (terminal) {
        ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
        if (ends[0] < 0 || grantpt(ends[0]) || unlockpt(ends[0])) return -2;
        ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
    } else if (pipe(ends)) return -2;
    char program[4200], *ckpt = checkpoint(), data[4200];
    snprintf(program, sizeof program, "%s/glimpse", test_build_dir());
    snprintf(data, sizeof data, "%s/tests/ref/tasks/data", test_source_dir());
    pid_t child = fork();
    if (!child) {
        int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, 0), dup2(nowhere, 1), dup2(ends[1], 2);
        close(ends[0]);
        setenv("TERM", "xterm", 1);
        execl(program, program, "eval", "--checkpoint", ckpt, "--lm_eval_tasks", "hellaswag,sciq", "--lm_eval_data", data, "--out_dir",
              test_tmpdir(), (char *)NULL);
        _exit(99);
    }
    close(ends[1]);
    char room[4096];
    for (ssize_t n; (n = read(ends[0], room, sizeof room)) > 0;) buf_put(err, room, (size_t)n); /* EIO where the child ended */
    close(ends[0]);
    waitpid(child, &status, 0);
    free(ckpt);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(tasks_show_a_bar_in_a_terminal_alone) {
    buffer tty = {0}, file = {0};
    int rc = run_eval(true, &tty);
    if (rc == -2) SKIP("no pseudo terminal can be had");
    EXPECT_EQ(rc, 0);
    EXPECT(strstr(buf_str(&tty), "\r") && strstr(buf_str(&tty), "  hellaswag        ") && strstr(buf_str(&tty), "  sciq             "));
    EXPECT(strstr(buf_str(&tty), "######################## 100 %") != NULL);
    const char *last = buf_str(&tty), *done = strstr(last, "results and samples are in");
    for (const char *p = last; (p = strstr(p, " left")); p++) last = p;
    EXPECT(done && done > last); /* the bar is gone when that is said */
    const char *wipe = done;
    while (wipe && wipe > last && *wipe != '\r' && *wipe != '\n') wipe--;
    EXPECT(wipe && *wipe == '\r'); /* column 0 */
    EXPECT_EQ(run_eval(false, &file), 0);
    EXPECT(!strchr(buf_str(&file), '\r') && !strstr(buf_str(&file), "###") && strstr(buf_str(&file), "results and samples are in"));
    buf_free(&tty);
    buf_free(&file);
}
