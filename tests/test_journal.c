/* test_journal.c -- evals.jsonl: encoding and decoding are inverses, and whatever happened to the file, opening it finds
 * exactly the intact lines. */
#include "include/internal/file.h"
#include "tests/journal_rig.h"
#include "tests/test.h"

#define JOURNAL_DATE "2026-11-21_0304"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t rnd(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static float number(uint64_t *s) {
    double exponent = (double)(rnd(s) % 60) - 30, x = ldexp((double)(rnd(s) >> 11) / 9007199254740992.0, (int)exponent);
    return rnd(s) % 37 == 0 ? NAN : record_roundf((float)(rnd(s) & 1 ? x : -x));
}

static const char *const texts[] = { "The cat", "a\"b\\c\n\t\x01", "caf\xc3\xa9 \xe2\x80\xa8", "\xff\xfe bad", "a\0b" };

static glimpse_sample *random_samples(uint64_t *s, arena *a, int32_t n_samples, bool probes) {
    glimpse_sample *samples = arena_alloc(a, (size_t)n_samples * sizeof *samples + 1);
    for (int32_t i = 0; i < n_samples; i++) {
        glimpse_sample *p = &samples[i];
        int32_t n = (int32_t)(rnd(s) % 5);
        const char *t = texts[rnd(s) % 5];
        static const int32_t ids[] = { 0, 7, 14 };
        static const glimpse_metric metrics[] = { { "perplexity", 5.9 }, { "spelling_token_rate", 0.97 } };
        glimpse_token *tokens = arena_alloc(a, (size_t)n * sizeof *tokens + 1);
        *p = (glimpse_sample){ .size = sizeof *p, .prompt = i, .n_samples = 3, .prompt_text = t, .prompt_bytes = 3,
                               .prompt_ids = ids, .n_prompt_ids = 3, .label = "top_k=5", .samplers = "top_k=5;temperature=0.8",
                               .seed = rnd(s) & 1 ? 1337 : UINT64_MAX - 5, .temperature = 0.8, .top_k = 5, .text = t,
                               .text_bytes = 3, .note = rnd(s) % 3 ? NULL : "went back 2 times; \"x\" stands",
                               .stop = (glimpse_stop)(rnd(s) % 7), .why = rnd(s) & 1 ? "because" : NULL,
                               .tokens = tokens, .n_tokens = n, .metrics = metrics, .n_metrics = 2,
                               .answer_from = probes ? (int32_t)(rnd(s) % (unsigned)(n + 1)) : 0 };
        for (int32_t k = 0; k < n; k++) {
            glimpse_candidate *top = arena_alloc(a, 2 * sizeof *top);
            top[0] = (glimpse_candidate){ 7, fabsf(number(s)), 0 };
            top[1] = (glimpse_candidate){ 14, number(s), number(s) };
            tokens[k] = (glimpse_token){ sizeof *tokens, 7, 1, 5, 2, number(s), number(s), number(s), number(s),
                                         number(s), number(s), number(s), top };
        }
    }
    return samples;
}

/* A random record with every kind of text: plain, control characters, invalid UTF-8, NUL. */
static owned_record *random_record(uint64_t *s, int64_t seq, int64_t step) {
    owned_record *o = record_new();
    glimpse_record *r = &o->record;
    arena *a = o->arena;
    r->version = 1;
    r->run = "9f2c1a";
    r->run_name = "demo \"x\"";
    r->seq = seq;
    r->kind = "train";
    r->step = step;
    r->time = "2026-11-21T03:04:05Z";
    r->train_loss = record_round((double)number(s), 7);
    r->val_loss = record_round((double)number(s), 7);
    r->best_val_loss = 2.5;
    r->best_step = 0;
    r->arch = "gpt2";
    r->n_params = 123456789012;
    r->vocab_size = 95;
    r->views = "{}";
    r->n_samples = (int32_t)(rnd(s) % 3);
    r->samples = random_samples(s, a, r->n_samples, false);
    r->n_probes = (int32_t)(rnd(s) % 3);
    r->probes = random_samples(s, a, r->n_probes, true);
    glimpse_piece *pieces = arena_alloc(a, 5 * sizeof *pieces);
    for (int i = 0; i < 5; i++) pieces[i] = (glimpse_piece){ i * 7, (int32_t)(i == 4 ? 3 : strlen(texts[i])), texts[i] };
    r->pieces = pieces;
    r->n_pieces = 5;
    return o;
}

TEST(journal_encode_decode_inverse) {
    uint64_t s = 88172645463325252u;
    for (int i = 0; i < 200; i++) {
        owned_record *r = random_record(&s, i, 10 * i), *back = NULL;
        buffer line = {0}, again = {0};
        REQUIRE_OK(journal_encode(&r->record, &line));
        REQUIRE(line.n && line.bytes[line.n - 1] == '\n' && !memchr(line.bytes, '\n', line.n - 1));
        REQUIRE_OK(journal_decode(line.bytes, line.n - 1, &back));
        REQUIRE_OK(journal_encode(&back->record, &again));
        EXPECT_EQ(line.n, again.n);
        EXPECT_MEM(line.bytes, again.bytes, line.n < again.n ? line.n : again.n);
        buffer a = {0}, b = {0}; /* and every field, through the other form */
        REQUIRE_OK(record_pack(&r->record, &a));
        REQUIRE_OK(record_pack(&back->record, &b));
        EXPECT_EQ(a.n, b.n);
        buf_free(&a);
        buf_free(&b);
        buf_free(&line);
        buf_free(&again);
        record_free(&r->record);
        record_free(&back->record);
    }
}

TEST(journal_decode_hostile) {
    uint64_t s = 4711;
    owned_record *r = random_record(&s, 1, 10), *back;
    while (!r->record.n_samples) {
        record_free(&r->record);
        r = random_record(&s, 1, 10);
    }
    buffer line = {0};
    REQUIRE_OK(journal_encode(&r->record, &line));
    for (size_t n = 0; n < line.n - 1; n++) EXPECT(journal_decode(line.bytes, n, &back) < 0);
    for (int i = 0; i < 5000; i++) { /* flipped bits: an error or a record, never a crash */
        size_t at = rnd(&s) % (line.n - 1);
        char bit = (char)(1 << rnd(&s) % 8);
        line.bytes[at] ^= bit;
        if (journal_decode(line.bytes, line.n - 1, &back) >= 0) record_free(&back->record);
        line.bytes[at] ^= bit;
    }
    static const char *const bad[] = { "", "{}", "[]", "null", "{\"v\":1,\"run\":7}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_ERR(journal_decode(bad[i], strlen(bad[i]), &back), GLIMPSE_E_FORMAT, NULL);
    buf_free(&line);
    record_free(&r->record);
}

/* Write n lines with steps 10, 20, ...; returns the file's bytes and where each line ends. */
static void make_journal(const char *dir, int n, buffer *bytes, size_t *ends) {
    uint64_t s = 99;
    journal *j;
    journal_state st;
    REQUIRE_OK(journal_take(dir, 1, 0, NULL, "gpt2", 123456789012, &j, &st));
    for (int i = 0; i < n; i++) {
        owned_record *r = random_record(&s, i, 10 * (i + 1));
        buffer line = {0};
        REQUIRE_OK(journal_encode(&r->record, &line));
        REQUIRE_OK(journal_append(j, &line));
        buf_put(bytes, line.bytes, line.n);
        ends[i] = bytes->n;
        buf_free(&line);
        record_free(&r->record);
    }
    journal_close(j);
}

TEST_LIMIT(journal_cut_anywhere, 120) {
    buffer bytes = {0};
    size_t ends[3];
    char *dir = path_join(test_tmpdir(), "a"), *path = path_join(dir, "evals.jsonl");
    make_journal(dir, 3, &bytes, ends);
    size_t stride = test_is_full() ? 1 : bytes.n / 150 + 1;
    for (size_t n = 0; n <= bytes.n; n += stride) {
        REQUIRE_OK(file_write_atomic(path, bytes.bytes, n, false));
        journal *j;
        journal_state st;
        REQUIRE_OK(journal_take(dir, 100, 0, NULL, "gpt2", 123456789012, &j, &st));
        int whole = 0;
        while (whole < 3 && ends[whole] <= n) whole++;
        EXPECT_EQ(st.last_step, whole ? 10 * whole : -1);
        EXPECT_EQ(st.next_seq, whole);
        if (st.last) record_free(&st.last->record);
        journal_close(j);
        buffer now = {0};
        REQUIRE_OK(file_read_all(path, 1 << 24, &now));
        EXPECT_EQ(now.n, whole ? ends[whole - 1] : 0);
        EXPECT_MEM(now.bytes ? now.bytes : "", bytes.bytes, now.n);
        buf_free(&now);
    }
    buf_free(&bytes);
    free(dir);
    free(path);
}

static int fail_at, calls, fail_errno;
static io_calls real_io;
static ssize_t failing_write(int fd, const void *b, size_t n) {
    if (++calls == fail_at) {
        if (n > 7) real_io.write(fd, b, n / 2); /* half of it gets out */
        errno = fail_errno;
        return -1;
    }
    return real_io.write(fd, b, n);
}
static int failing_fdatasync(int fd) {
    if (++calls == fail_at) {
        errno = fail_errno;
        return -1;
    }
    return real_io.fdatasync(fd);
}

TEST(journal_append_failing) {
    static const int errors[] = { ENOSPC, EIO, EDQUOT, EFBIG };
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
        for (fail_at = 1; fail_at <= 2; fail_at++) {
            char name[32];
            c_snprintf(name, sizeof name, "d%d_%d", (int)e, fail_at);
            char *dir = path_join(test_tmpdir(), name), *path = path_join(dir, "evals.jsonl");
            buffer bytes = {0}, line = {0}, now = {0};
            size_t ends[2];
            make_journal(dir, 2, &bytes, ends);
            journal *j;
            journal_state st;
            REQUIRE_OK(journal_take(dir, 100, 0, NULL, "gpt2", 123456789012, &j, &st));
            REQUIRE_OK(journal_encode(&st.last->record, &line));
            record_free(&st.last->record);
            real_io = io;
            calls = 0;
            fail_errno = errors[e];
            io.write = failing_write;
            io.fdatasync = failing_fdatasync;
            EXPECT_ERR(journal_append(j, &line), GLIMPSE_E_IO, NULL);
            io = real_io;
            REQUIRE_OK(file_read_all(path, 1 << 24, &now));
            EXPECT_EQ(now.n, bytes.n); /* nothing half-written */
            EXPECT_OK(journal_append(j, &line));
            buf_clear(&now);
            REQUIRE_OK(file_read_all(path, 1 << 24, &now));
            EXPECT_EQ(now.n, bytes.n + line.n);
            journal_close(j);
            buf_free(&bytes);
            buf_free(&line);
            buf_free(&now);
            free(dir);
            free(path);
        }
}

TEST(journal_one_writer_and_new_runs) {
    buffer bytes = {0};
    size_t ends[2];
    const char *dir = test_tmpdir();
    make_journal(dir, 2, &bytes, ends);
    journal *j, *k;
    journal_state st;
    REQUIRE_OK(journal_take(dir, 30, 0, NULL, "gpt2", 123456789012, &j, &st));
    EXPECT(st.continued && !st.set_aside[0] && st.last_step == 20);
    EXPECT_NEAR(st.best_val_loss, 2.5, 0);
    record_free(&st.last->record);
    EXPECT_ERR(journal_take(dir, 30, 0, NULL, "gpt2", 123456789012, &k, &st), GLIMPSE_E_BUSY, "another run");
    journal_close(j);
    REQUIRE_OK(journal_take(dir, 30, 0, NULL, "llama", 123456789012, &j, &st)); /* another model: another run */
    EXPECT(!st.continued && st.last_step == -1);
    EXPECT_STREQ(st.set_aside, JOURNAL_DATE "_9f2c1a");
    journal_close(j);
    char *old = path_join(dir, "evals." JOURNAL_DATE "_9f2c1a.jsonl");
    buffer now = {0};
    REQUIRE_OK(file_read_all(old, 1 << 24, &now));
    EXPECT_EQ(now.n, bytes.n);
    buf_free(&now);
    buf_free(&bytes);
    free(old);
}

static glimpse_status collect(void *user, owned_record *r) {
    buf_printf(user, "%lld:%lld ", (long long)r->record.step, (long long)r->record.seq);
    return GLIMPSE_OK;
}

TEST(journal_read_superseded) {
    uint64_t s = 5;
    journal *j;
    journal_state st;
    static const int steps[] = { 0, 10, 20, 10, 20, 30 };
    REQUIRE_OK(journal_take(test_tmpdir(), 0, 0, NULL, "gpt2", 1, &j, &st));
    for (int i = 0; i < 6; i++) {
        owned_record *r = random_record(&s, i, steps[i]);
        buffer line = {0};
        REQUIRE_OK(journal_encode(&r->record, &line));
        REQUIRE_OK(journal_append(j, &line));
        buf_free(&line);
        record_free(&r->record);
    }
    journal_close(j);
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    buffer got = {0};
    int64_t unread;
    REQUIRE_OK(journal_read(path, collect, &got, &unread));
    EXPECT_EQ(unread, 0);
    EXPECT_STREQ(buf_str(&got), "0:0 10:3 20:4 30:5 ");
    buffer more = {0}; /* a step back leaves everything beyond it behind; garbage is passed over and counted */
    REQUIRE_OK(file_read_all(path, 1 << 24, &more));
    owned_record *r = random_record(&s, 6, 10);
    buf_puts(&more, "garbage\n");
    REQUIRE_OK(journal_encode(&r->record, &more));
    REQUIRE_OK(file_write_atomic(path, more.bytes, more.n, false));
    buf_clear(&got);
    REQUIRE_OK(journal_read(path, collect, &got, &unread));
    EXPECT_STREQ(buf_str(&got), "0:0 10:6 ");
    EXPECT_EQ(unread, 1);
    record_free(&r->record);
    buf_free(&more);
    buf_free(&got);
    free(path);
}

/* A run that goes on at a step knows the best loss and the last line from before it, not from the branch left behind. */
TEST(journal_goes_on_before_its_end) {
    buffer bytes = {0};
    size_t ends[3];
    journal *j;
    journal_state st;
    make_journal(test_tmpdir(), 3, &bytes, ends);
    REQUIRE_OK(journal_take(test_tmpdir(), 20, 0, NULL, "gpt2", 123456789012, &j, &st));
    EXPECT(st.continued && st.superseded);
    EXPECT_EQ(st.last_step, 10);
    EXPECT_EQ(st.newest_step, 30);
    EXPECT_EQ(st.next_seq, 3);
    EXPECT(!journal_is_gone(j));
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    io.unlink(path);
    EXPECT(journal_is_gone(j));
    record_free(&st.last->record);
    journal_close(j);
    buf_free(&bytes);
    free(path);
}
