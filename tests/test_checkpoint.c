/* test_checkpoint.c -- llm.c's model files: read right in both versions, cut at many places, lying in every field; what
 * other files are called; which of several is the newest. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "sampling/checkpoint/checkpoint.h"
#include "tests/gpt2_weights.h"
#include "tests/hf_files.h"
#include "tests/hostile.h"
#include "tests/test.h"

enum { HEADER_BYTES = 1024 };

static void put_i32(buffer *b, int32_t v) {
    for (int i = 0; i < 4; i++) buf_putc(b, (char)((uint32_t)v >> 8 * i));
}

static void put_header(buffer *b, const int32_t ints[8]) {
    for (int i = 0; i < 8; i++) put_i32(b, ints[i]);
    buf_fill(b, 0, HEADER_BYTES - 32);
}

/* The order of llm.c's file is the order in which ref_model_make binds a GPT-2. */
static void make_file(buffer *b, ref_model *r, glimpse_dtype dtype) {
    const int32_t ints[8] = {20240326, dtype == GLIMPSE_F32 ? 3 : 5, REF_T, REF_V, REF_L, REF_H, REF_C, REF_VP};
    ref_model_make(r, REF_GPT2, REF_STACKED, dtype);
    put_header(b, ints);
    for (int i = 0; i < r->d.n_tensors; i++) {
        size_t n = dtype == GLIMPSE_F32 ? 4 : 2;
        for (int k = 0; k < r->tensors[i].n_dims; k++) n *= (size_t)r->tensors[i].dims[k];
        buf_put(b, r->tensors[i].data, n);
    }
}

static const char *saved(const buffer *b, const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", test_tmpdir(), name);
    EXPECT_OK(file_write_atomic(path, b->bytes ? b->bytes : "", b->n, false));
    return path;
}

typedef struct progress_seen {
    int64_t done, total;
    int calls;
} progress_seen;

static void on_progress(void *user, int64_t done, int64_t total) {
    progress_seen *p = user;
    EXPECT(done > p->done && done <= total);
    p->done = done, p->total = total, p->calls++;
}

static void read_back(glimpse_dtype dtype) {
    ref_model r;
    buffer b = {0};
    model *m = NULL, *bound = NULL;
    progress_seen seen = {0};
    make_file(&b, &r, dtype);
    REQUIRE_OK(checkpoint_open(saved(&b, "model_00000007.bin"), on_progress, &seen, &m));
    REQUIRE_OK(model_from_description(&r.d, &bound));
    EXPECT(seen.calls >= 1);
    EXPECT_EQ(seen.done, seen.total);
    EXPECT_EQ(seen.total, b.n - HEADER_BYTES);
    EXPECT_EQ(m->d.n_layers, REF_L);
    EXPECT_EQ(m->d.n_heads, REF_H);
    EXPECT_EQ(m->d.channels, REF_C);
    EXPECT_EQ(m->d.vocab_size, REF_V);
    EXPECT_EQ(m->d.max_seq_len, REF_T);
    EXPECT_EQ(m->d.eos, -1);
    EXPECT_EQ(m->d.trainer_bf16, dtype == GLIMPSE_BF16);
    EXPECT_EQ(m->dtype, dtype);
    EXPECT_EQ(m->n_params, bound->n_params);
    EXPECT_STREQ(m->arch, "gpt2");
    size_t e = dtype == GLIMPSE_F32 ? 4 : 2;
    EXPECT_MEM(m->wte.data, bound->wte.data, REF_VP * REF_C * e);
    EXPECT_MEM(m->ln_f.bias.data, bound->ln_f.bias.data, REF_C * e);
    for (int l = 0; l < REF_L; l++) {
        EXPECT_MEM(m->layers[l].qkv[0].data, bound->layers[l].qkv[0].data, 3 * REF_C * REF_C * e);
        EXPECT_MEM(m->layers[l].down.data, bound->layers[l].down.data, 4 * REF_C * REF_C * e);
        EXPECT_MEM(m->layers[l].up_bias[0].data, bound->layers[l].up_bias[0].data, 4 * REF_C * e);
    }
    model_close(m);
    model_close(bound);
    ref_model_free(&r);
    buf_free(&b);
}

TEST(checkpoint_f32) { read_back(GLIMPSE_F32); }
TEST(checkpoint_bf16) { read_back(GLIMPSE_BF16); }

TEST(checkpoint_cut_or_too_long) {
    ref_model r;
    buffer b = {0};
    model *m = NULL;
    char expected[64];
    make_file(&b, &r, GLIMPSE_BF16);
    size_t whole = b.n;
    snprintf(expected, sizeof expected, "need %zu bytes, found", whole);
    for (size_t n = 0; n < whole; n += n < 40 || n + 3 > whole ? 1 : n < 1100 ? 61 : whole / 29) {
        b.n = n;
        glimpse_status st = checkpoint_open(saved(&b, "m.bin"), NULL, NULL, &m);
        if (n < 4) EXPECT(st < 0);
        else EXPECT_ERR(st, GLIMPSE_E_FORMAT, n < HEADER_BYTES ? "truncated: the header" : expected);
        if (n >= HEADER_BYTES) EXPECT(strstr(status_text(), ": truncated: ") != NULL && strstr(status_text(), "\nhint: ") != NULL);
        if (!EXPECT(!m)) break;
    }
    b.n = whole;
    buf_putc(&b, 0);
    EXPECT_ERR(checkpoint_open(saved(&b, "m.bin"), NULL, NULL, &m), GLIMPSE_E_FORMAT, "too long");
    EXPECT(!m);
    buf_free(&b);
    ref_model_free(&r);
}

TEST(checkpoint_header_with_lies) {
    static const struct {
        int at;
        int32_t value;
        int code;
        const char *says;
    } lies[] = {
        {1, 1, GLIMPSE_E_UNSUPPORTED, "hint: write it anew with a current llm.c"},
        {1, 2, GLIMPSE_E_UNSUPPORTED, "version 2, expected 3 (f32) or 5 (bf16)"},
        {1, -1, GLIMPSE_E_UNSUPPORTED, "version -1"},
        {2, 0, GLIMPSE_E_FORMAT, "max_seq_len (header int 2) is 0"},
        {2, INT32_MAX, GLIMPSE_E_FORMAT, "max_seq_len"},
        {2, 1 << 24, GLIMPSE_E_FORMAT, "truncated"},
        {3, -61, GLIMPSE_E_FORMAT, "vocab_size (header int 3) is -61"},
        {3, 65, GLIMPSE_E_FORMAT, "padded_vocab_size (header int 7) is 64, expected 65"},
        {4, 0, GLIMPSE_E_FORMAT, "num_layers"},
        {4, INT32_MIN, GLIMPSE_E_FORMAT, "num_layers (header int 4) is -2147483648"},
        {4, 4096, GLIMPSE_E_FORMAT, "truncated"},
        {5, 0, GLIMPSE_E_FORMAT, "num_heads"},
        {5, 7, GLIMPSE_E_FORMAT, "no multiple of num_heads = 7"},
        {6, 0, GLIMPSE_E_FORMAT, "channels"},
        {6, 1 << 20, GLIMPSE_E_FORMAT, "truncated"},
        {6, (1 << 20) + 4, GLIMPSE_E_FORMAT, "channels (header int 6) is 1048580"},
        {7, 1 << 25, GLIMPSE_E_FORMAT, "truncated"},
        {7, INT32_MAX, GLIMPSE_E_FORMAT, "padded_vocab_size"},
    };
    ref_model r;
    buffer b = {0};
    model *m = NULL;
    make_file(&b, &r, GLIMPSE_BF16);
    hostile_begin();
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char before[4];
        uint32_t v = (uint32_t)lies[i].value;
        memcpy(before, b.bytes + 4 * lies[i].at, 4);
        for (int k = 0; k < 4; k++) b.bytes[4 * lies[i].at + k] = (char)(v >> 8 * k);
        char what[64];
        snprintf(what, sizeof what, "header int %d = %d", lies[i].at, (int)lies[i].value);
        hostile_checkpoint(what, saved(&b, "m.bin"), lies[i].code, lies[i].says);
        memcpy(b.bytes + 4 * lies[i].at, before, 4);
    }
    b.bytes[500] = 1;
    EXPECT_ERR(checkpoint_open(saved(&b, "m.bin"), NULL, NULL, &m), GLIMPSE_E_FORMAT, "header int 125 is not 0");
    buf_free(&b);
    ref_model_free(&r);
}

TEST(checkpoint_other_files_are_named) {
    static const struct {
        const char *bytes;
        size_t n;
        int code;
        const char *says;
    } files[] = {
        {"", 0, GLIMPSE_E_FORMAT, "is empty"},
        {"\xff\0\0\0\0\0\0\0{\"a\":{} }", 16, GLIMPSE_E_FORMAT, "begins with the bytes ff 00 00 00 00 00 00 00\n"},
        {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9", 9, GLIMPSE_E_UNSUPPORTED, "before 1.6"},
        {"\x80\x04", 2, GLIMPSE_E_UNSUPPORTED, "pickle"},
        {"{\"a\": 1}", 8, GLIMPSE_E_UNSUPPORTED, "JSON"},
        {"hello\nworld\n", 12, GLIMPSE_E_UNSUPPORTED, "looks like text"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, GLIMPSE_E_UNSUPPORTED, "Git LFS pointer"},
        {"\xc8\xd7\x34\x01", 4, GLIMPSE_E_UNSUPPORTED, "llm.c's tokenizer"},
        {"\x1b]0;evil\x07", 9, GLIMPSE_E_FORMAT, "1b 5d"},
        {"\x01", 1, GLIMPSE_E_FORMAT, "bytes 01\n"},
    };
    buffer b = {0};
    model *m = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        b.n = 0;
        buf_put(&b, files[i].bytes, files[i].n);
        EXPECT_ERR(checkpoint_open(saved(&b, "x"), NULL, NULL, &m), files[i].code, files[i].says);
        EXPECT(strstr(status_text(), "llm.c's model .bin is read") != NULL);
    }
    EXPECT_ERR(checkpoint_open("/nonexistent/model.bin", NULL, NULL, &m), GLIMPSE_E_IO, "no such file");
    EXPECT_ERR(checkpoint_open("openai-community/gpt2", NULL, NULL, &m), GLIMPSE_E_IO, "nothing is downloaded");
    EXPECT_ERR(checkpoint_open("gpt2", NULL, NULL, &m), GLIMPSE_E_IO, "nothing is downloaded"); /* a hub's name, too */
    EXPECT_ERR(checkpoint_open("https://huggingface.co/gpt2", NULL, NULL, &m), GLIMPSE_E_IO, "nothing is downloaded here");
    EXPECT(!m);
    buf_free(&b);
}

TEST(checkpoint_newest_by_number) {
    static const char *const names[] = {"model_00000999.bin", "model_1000.bin",       "model_00000250.bin", "model_99999999.bin.tmp",
                                        "model_.bin",         "model_9999999999999999999999.bin", "xmodel_5000.bin",    "model_-7.bin",
                                        "model_12a.bin",      "state_00009999_00000.bin"};
    buffer b = {0};
    char *found = NULL, dir[4096];
    EXPECT_ERR(checkpoint_find_newest(test_tmpdir(), &found), GLIMPSE_E_IO, "model_<step>.bin");
    buf_puts(&b, "x");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) saved(&b, names[i]);
    snprintf(dir, sizeof dir, "%s/model_00005000.bin", test_tmpdir()); /* a directory of such a name is none */
    EXPECT(!mkdir(dir, 0755));
    REQUIRE_OK(checkpoint_find_newest(test_tmpdir(), &found));
    EXPECT_STREQ(path_base(found), "model_1000.bin");
    EXPECT_EQ(checkpoint_step(found), 1000);
    char *same = NULL;
    REQUIRE_OK(checkpoint_find_newest(found, &same));
    EXPECT_STREQ(same, found);
    EXPECT_EQ(checkpoint_step("a/b/model_00000000.bin"), 0);
    EXPECT_EQ(checkpoint_step("model_7.bin/x"), -1);
    EXPECT_EQ(checkpoint_step("gpt2_124M.bin"), -1);
    free(found);
    free(same);
    buf_free(&b);
}

/* What --save_snapshots left: directories that hold weights, in snapshots/. */
TEST(checkpoint_newest_looks_into_snapshots) {
    static const struct {
        const char *dir, *file; /* file NULL: an empty directory */
    } dirs[] = {{"step_00000250", "model.safetensors"}, {"step_00001500", "model.safetensors"}, {"step_00009000", NULL},
                {"step_00009500", "config.json"},       {"step_00007000.tmp", "model.safetensors"}, {"xstep_00008000", "model.safetensors"}};
    buffer b = {0};
    char *found = NULL, path[4096], snapshots[2048];
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", test_tmpdir());
    buf_puts(&b, "x");
    saved(&b, "model_00001000.bin");
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        snprintf(path, sizeof path, "snapshots/%s/%s", dirs[i].dir, dirs[i].file ? dirs[i].file : "");
        char full[4096];
        snprintf(full, sizeof full, "%s/%s", snapshots, dirs[i].dir);
        REQUIRE_OK(mkdir_p(full));
        if (dirs[i].file) saved(&b, path);
    }
    REQUIRE_OK(checkpoint_find_newest(test_tmpdir(), &found));
    EXPECT_STREQ(path_base(found), "step_00001500");
    EXPECT_EQ(checkpoint_step(found), 1500);
    free(found), found = NULL;
    REQUIRE_OK(checkpoint_find_newest(snapshots, &found)); /* the folder itself may be named */
    EXPECT_STREQ(path_base(found), "step_00001500");
    free(found), found = NULL;
    saved(&b, "model_00001501.bin");
    REQUIRE_OK(checkpoint_find_newest(test_tmpdir(), &found));
    EXPECT_STREQ(path_base(found), "model_00001501.bin");
    free(found);
    buf_free(&b);
}

/* The file is cut while it is read: an error, not a signal. */
static ssize_t cutting_pread(int fd, void *bytes, size_t n, off_t at) {
    if (at >= HEADER_BYTES) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        EXPECT(!truncate(path, HEADER_BYTES + 100));
    }
    return pread(fd, bytes, n, at);
}

TEST(checkpoint_cut_while_it_is_read) {
    ref_model r;
    buffer b = {0};
    model *m = NULL;
    make_file(&b, &r, GLIMPSE_F32);
    const char *path = saved(&b, "m.bin");
    io_calls before = io;
    io.pread = cutting_pread;
    EXPECT_ERR(checkpoint_open(path, NULL, NULL, &m), GLIMPSE_E_FORMAT, NULL);
    io = before;
    EXPECT(!m);
    buf_free(&b);
    ref_model_free(&r);
}

/* A trainer that writes its checkpoint anew in place, as long as the one before: neither the old weights nor the new ones. */
static ssize_t rewriting_pread(int fd, void *bytes, size_t n, off_t at) {
    ssize_t got = pread(fd, bytes, n, at);
    if (n > 1024) { /* the weights */
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int again = open(path, O_WRONLY | O_CLOEXEC);
        EXPECT(pwrite(again, "anew", 4, at) == 4);
        close(again);
    }
    return got;
}

TEST(checkpoint_rewritten_while_it_is_read) {
    static const struct timespec yesterday[2] = {{1700000000, 0}, {1700000000, 0}}; /* the clock of a file system is no finer than 4 ms */
    ref_model r;
    buffer b = {0};
    model *m = NULL;
    make_file(&b, &r, GLIMPSE_F32);
    char path[2][4200];
    snprintf(path[0], sizeof path[0], "%s", saved(&b, "m.bin"));
    buf_clear(&b);
    hf_safetensors(0, 0, hf_tensor_count(0), GLIMPSE_F32, "", &b);
    hf_save(hf_dir("hf"), "config.json", hf_config(0), strlen(hf_config(0)));
    snprintf(path[1], sizeof path[1], "%s", hf_save(test_path("hf"), "model.safetensors", b.bytes, b.n));
    for (int i = 0; i < 2; i++) {
        REQUIRE(utimensat(AT_FDCWD, path[i], yesterday, 0) == 0);
        io_calls before = io;
        io.pread = rewriting_pread;
        EXPECT_ERR(checkpoint_open(path[i], NULL, NULL, &m), GLIMPSE_E_FORMAT, "it changed while it was read");
        io = before;
        EXPECT(!m);
    }
    buf_free(&b);
    ref_model_free(&r);
}

TEST(checkpoint_without_memory) {
    ref_model r;
    buffer b = {0};
    make_file(&b, &r, GLIMPSE_F32);
    const char *path = saved(&b, "m.bin");
    for (long n = 1; n < 50; n++) {
        model *m = NULL;
        test_fail_alloc(n);
        glimpse_status st = checkpoint_open(path, NULL, NULL, &m);
        long used = test_fail_alloc(0);
        if (st < 0) EXPECT_EQ(st, GLIMPSE_E_MEMORY);
        model_close(m);
        if (used < n) break;
    }
    buf_free(&b);
    ref_model_free(&r);
}
