/* test_journal_mends.c -- a test for each fault of the journal and its views that the tests of faults once found. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "hooks/journal_lines.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/faults.h"
#include "tests/journal_rig.h"
#include "tests/tiny_gpt.h"

enum { PARAMS = 7 };

/* A line without samples. */
static void put_line(buffer *line, int64_t seq, int64_t step, const char *time) {
    glimpse_record r = {.version = 1, .run = "9f2c1a", .run_name = "run", .seq = seq, .kind = "train", .step = step, .time = time,
                        .train_loss = 2, .val_loss = 1, .best_val_loss = 1, .arch = "gpt2", .n_params = PARAMS, .dtype = "f32",
                        .cache_dtype = "f32", .device = "cpu", .check = "none", .status = "skipped", .views = "{}"};
    buf_clear(line);
    EXPECT_OK(journal_encode(&r, line));
}

static journal *journal_at(int64_t step, journal_state *st) {
    journal *j = NULL;
    EXPECT_OK(journal_take(test_tmpdir(), step, 0, NULL, "gpt2", PARAMS, &j, st));
    if (st->last) record_free(&st->last->record);
    st->last = NULL;
    return j;
}

static void write_steps(const int *steps, int n, buffer *all) {
    journal_state st;
    buffer line = {0};
    journal *j = journal_at(1, &st);
    for (int i = 0; i < n && j; i++) {
        put_line(&line, i, steps[i], "2026-11-21T03:04:05Z");
        EXPECT_OK(journal_append(j, &line));
        buf_put(all, line.bytes, line.n);
    }
    journal_close(j);
    buf_free(&line);
}

static int refuse_ftruncate(int fd, off_t n) {
    (void)fd, (void)n;
    errno = EIO;
    return -1;
}
static ssize_t half_a_write(int fd, const void *b, size_t n) {
    static int calls;
    if (calls++ % 2 == 0) return (write)(fd, b, n / 2);
    errno = ENOSPC;
    return -1;
}

/* A line behind half of another was acknowledged and could not be read. */
TEST(journal_never_appends_behind_half_a_line) {
    journal_state st;
    journal_walk w = {0};
    buffer line = {0};
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    io_calls real = io;
    journal *j = journal_at(1, &st);
    put_line(&line, 0, 10, "2026-11-21T03:04:05Z");
    EXPECT_OK(journal_append(j, &line));
    put_line(&line, 1, 20, "2026-11-21T03:04:05Z");
    io.write = half_a_write;
    io.ftruncate = refuse_ftruncate;
    EXPECT_ERR(journal_append(j, &line), GLIMPSE_E_IO, "No space");
    io.write = real.write;
    EXPECT_ERR(journal_append(j, &line), GLIMPSE_E_IO, "cannot be cut"); /* not behind the half */
    io = real;
    EXPECT_OK(journal_append(j, &line));
    journal_close(j);
    fault_walk(path, &w, NULL, NULL);
    EXPECT_EQ(w.lines, 2);
    EXPECT_EQ(w.bad, 0);
    buf_free(&line);
    free(path);
}

static int open_descriptors(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}
static io_calls real;
static int refuse_fstat(int fd, struct stat *s) {
    io = real; /* once */
    (void)fd, (void)s;
    errno = EIO;
    return -1;
}

/* Of a descriptor of which nothing could be asked it is not known that it is another's: it is closed, and the lock goes with it. */
TEST(journal_leaves_no_descriptor_open) {
    journal_state st;
    journal *j = NULL;
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    real = io;
    const int before = open_descriptors();
    REQUIRE(mkfifo(path, 0600) == 0);
    EXPECT_ERR(journal_take(test_tmpdir(), 1, 0, NULL, "gpt2", PARAMS, &j, &st), GLIMPSE_E_IO, "is no regular file");
    EXPECT_EQ(open_descriptors(), before);
    unlink(path);
    io.fstat = refuse_fstat;
    EXPECT_OK(journal_take(test_tmpdir(), 1, 0, NULL, "gpt2", PARAMS, &j, &st));
    EXPECT(io.fstat != refuse_fstat);
    journal_close(j);
    EXPECT_EQ(open_descriptors(), before);
    free(path);
}

/* Two torn ends within a second had one name: the first was lost. */
TEST(journal_keeps_each_torn_end) {
    journal_state st;
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(file_write_atomic(path, "torn\n", 5, false));
        journal_close(journal_at(1, &st));
        EXPECT_EQ(st.torn, 5);
    }
    char *tree = fault_tree(test_tmpdir(), NULL);
    int n = 0;
    for (const char *p = tree; (p = strstr(p, ".torn-")); p++) n++;
    EXPECT_EQ(n, 3);
    free(tree);
    free(path);
}

/* A changed number is JSON still; its crc says that the line is damaged.  A run that goes back over such a line goes on. */
TEST(journal_line_with_a_changed_number_is_damaged) {
    static const int steps[] = {10, 20, 30};
    buffer all = {0};
    owned_record *r;
    journal_state st;
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    write_steps(steps, 3, &all);
    char *number = strstr(all.bytes, "\"step\":20");
    REQUIRE(number != NULL);
    number[7] = '1';
    const char *line = strchr(all.bytes, '\n') + 1;
    EXPECT_ERR(journal_decode(line, strcspn(line, "\n"), &r), GLIMPSE_E_FORMAT, "damaged");
    EXPECT_OK(file_write_atomic(path, all.bytes, all.n, false));
    journal *j = journal_at(25, &st);
    EXPECT(j && st.continued && st.superseded);
    EXPECT_EQ(st.last_step, 10);
    journal_close(j);
    buf_free(&all);
    free(path);
}

/* Garbage behind a record on the same line, and a crc whose name is damaged. */
TEST(journal_line_that_goes_on_is_damaged) {
    buffer line = {0};
    owned_record *r;
    put_line(&line, 0, 10, "2026-11-21T03:04:05Z");
    char *crc = strstr(line.bytes, JOURNAL_CHECK);
    REQUIRE(crc != NULL);
    crc[3] ^= 1;
    EXPECT_ERR(journal_decode(line.bytes, line.n - 1, &r), GLIMPSE_E_FORMAT, "damaged at its end");
    strcpy(crc, "}{}");
    EXPECT_ERR(journal_decode(line.bytes, strlen(line.bytes), &r), GLIMPSE_E_FORMAT, "goes on");
    strcpy(crc, "}"); /* another program's: no crc at all */
    if (EXPECT_OK(journal_decode(line.bytes, strlen(line.bytes), &r))) record_free(&r->record);
    buf_free(&line);
}

/* A worker wrote its line and died: the next one, told of the eval again, must not leave that line's views behind. */
TEST(journal_line_of_a_dead_worker_stays) {
    static const int steps[] = {10, 20};
    buffer all = {0};
    journal *j;
    journal_state st;
    const int64_t then = 1795230245; /* 2026-11-21T03:04:05Z */
    write_steps(steps, 2, &all);
    for (int late = 0; late < 2; late++) {
        REQUIRE_OK(journal_take(test_tmpdir(), 20, then + late, "abcdef", "gpt2", PARAMS, &j, &st));
        EXPECT_EQ(st.superseded, late); /* an older run's line is left behind */
        EXPECT_EQ(st.last_step, late ? 10 : 20);
        if (st.last) record_free(&st.last->record);
        journal_close(j);
    }
    buf_free(&all);
}

/* A trainer that goes back to an earlier step, and one that evaluates a step twice: the texts showed both. */
TEST(session_that_goes_back_draws_what_the_journal_says) {
    static const int steps[] = {0, 10, 20, 10, 20, 20, 30, 5};
    tiny_gpt gpt;
    session *s;
    session_host host = {0};
    options *o = options_new();
    char *dir = path_join(test_tmpdir(), "out"), *fresh = path_join(test_tmpdir(), "again/out");
    tiny_gpt_make(&gpt, 1, 1, 8, 40, 32, -1, 7);
    EXPECT_OK(options_set(o, OPT_out_dir, dir, OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_max_sample_tokens, "2", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_sample_each_eval, "true", OPT_LEVEL_FLAG));
    REQUIRE_OK(session_open(o, &gpt.model, &host, &s));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        EXPECT_OK(session_eval(s, steps[i], 2, 1));
        if (i >= 3) EXPECT(fault_views_are_the_journals(dir, fresh));
    }
    session_close(s);
    options_free(o);
    tiny_gpt_free(&gpt);
    free(dir), free(fresh);
}

/* --- which lines count --------------------------------------------------------------------------------------------- */

/* Journals that go back: one step again and again, runs that begin anew, a little back each time; kinds in turns. */
static journal_line line_of(int shape, int64_t i) {
    static const char *const kinds[] = {"train", "offline", "probe"};
    journal_line k = {.from = i, .to = i + 1, .step = shape == 0 ? 7 : shape == 1 ? i % 100 : shape == 2 ? i - i % 50 * 2 : i % 7 ? i : 3};
    snprintf(k.kind, sizeof k.kind, "%s", shape < 3 ? "train" : kinds[i * i % 3]);
    return k;
}

TEST(journal_lines_that_count) {
    enum { N = 1000 };
    for (int shape = 0; shape < 4; shape++) {
        journal_lines l = {0};
        journal_line plain[N];
        for (int64_t i = 0, at = 0; i < N; i++, at = 0) {
            plain[i] = line_of(shape, i);
            for (int64_t j = 0; j < i; j++) /* the rule, said plainly */
                if (!strcmp(plain[j].kind, plain[i].kind) && plain[j].step >= plain[i].step) plain[j].from = -1;
            lines_add(&l, line_of(shape, i));
            if (i % 100 != 99) continue;
            lines_drop_dead(&l);
            const journal_line *left = (const journal_line *)(const void *)l.all.bytes;
            int64_t n = (int64_t)(l.all.n / sizeof *left);
            for (int64_t j = 0; j <= i; j++)
                if (plain[j].from >= 0) EXPECT(at < n && left[at++].from == j);
            EXPECT_EQ(at, n);
        }
        lines_free(&l);
    }
}

TEST(journal_lines_are_looked_at_twice_at_most) {
    for (int shape = 0; shape < 4; shape++)
        for (int64_t n = 10000; n <= 80000; n *= 2) {
            journal_lines l = {0};
            for (int64_t i = 0; i < n; i++) lines_add(&l, line_of(shape, i));
            EXPECT_LE(n, l.looked);
            EXPECT_LE(l.looked, 2 * n);
            lines_free(&l);
        }
}

static int64_t bytes_read;
static ssize_t counted_pread(int fd, void *to, size_t n, off_t at) {
    ssize_t got = pread(fd, to, n, at);
    if (got > 0) bytes_read += got;
    return got;
}

/* Each line was looked for in 64 KB of its own: 13 GB for this file. */
TEST(journal_walks_back_over_short_lines) {
    enum { EMPTY = 100000 };
    static const int steps[] = {10, 20};
    journal_state st;
    buffer all = {0};
    int64_t last, before;
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    io_calls real = io;
    write_steps(steps, 2, &all);
    size_t whole = all.n;
    for (int i = 0; i < EMPTY; i++) buf_putc(&all, '\n');
    EXPECT_OK(file_write_atomic(path, all.bytes, all.n, false));
    bytes_read = 0;
    io.pread = counted_pread;
    journal_last_steps(path, &last, &before);
    journal_close(journal_at(30, &st));
    io = real;
    EXPECT_LE(bytes_read, (int64_t)(8 * EMPTY));
    EXPECT_EQ(last, 20);
    EXPECT_EQ(before, 10);
    EXPECT_EQ(st.last_step, 20);
    EXPECT_EQ(st.torn, EMPTY);
    buffer left = {0};
    EXPECT_OK(file_read_all(path, 1 << 20, &left));
    EXPECT_EQ(left.n, whole);
    EXPECT_MEM(left.bytes, all.bytes, whole);
    buf_free(&left);
    buf_free(&all);
    free(path);
}

static glimpse_status count_line(void *user, owned_record *r) {
    (void)r;
    ++*(int *)user;
    return GLIMPSE_OK;
}

static int lines_read_on_it;
static void read_and_open(void) {
    journal_state st;
    int64_t unread;
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    EXPECT_OK(journal_read(path, count_line, &lines_read_on_it, &unread));
    journal_close(journal_at(30, &st));
    EXPECT_EQ(st.last_step, 20);
    free(path);
}

/* Inline the trainer's own thread does this, on a stack that is not ours to fill. */
TEST(journal_needs_little_stack) {
    static const int steps[] = {10, 20};
    if (test_is_slow_build()) SKIP("a checked build's frames are its own");
    enum { GUARD = 65536, STACK = 49152 };
    buffer all = {0};
    ucontext_t here, there;
    char *stack = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(stack != MAP_FAILED && !mprotect(stack, GUARD, PROT_NONE)); /* a thread's would have its thread-locals in it, too */
    write_steps(steps, 2, &all);
    REQUIRE(!getcontext(&there));
    there.uc_stack.ss_sp = stack + GUARD;
    there.uc_stack.ss_size = STACK;
    there.uc_link = &here;
    makecontext(&there, read_and_open, 0);
    REQUIRE(!swapcontext(&here, &there));
    EXPECT_EQ(lines_read_on_it, 2);
    munmap(stack, GUARD + STACK);
    buf_free(&all);
}

/* All of an inline eval, its pictures too: 48 KB here, and it was more than 96. */
TEST(journal_of_an_inline_run_on_a_small_stack) {
    if (test_is_slow_build()) SKIP("a checked build's frames are its own");
    buffer cmd = {0};
    int64_t last, before;
    buf_printf(&cmd, "cd '%s' && ulimit -s 96 && env -i PATH=\"$PATH\" GLIMPSE_ARGS='--max_sample_tokens 20 --sample_each_eval --mode inline --out_dir .' "
               "'%s/minimal' >said 2>&1", test_tmpdir(), test_build_dir());
    for (int i = 0; i < 2; i++) EXPECT_EQ(system(buf_str(&cmd)), 0); /* the second sets the first aside */
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    journal_last_steps(path, &last, &before);
    EXPECT(last > before && before >= 0);
    free(path);
    buf_free(&cmd);
}
