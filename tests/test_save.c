/* test_save.c -- checkpoints that are written: every architecture comes back with the frozen logits, in each type; files of
 * other layouts become Hugging Face's; what a form cannot say is refused; a full disk leaves nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "sampling/checkpoint/save.h"
#include "tests/hf_files.h"
#include "tests/test.h"

static const char *make_dir(const char *name, int index, glimpse_dtype dtype) {
    buffer b = {0};
    const char *dir = hf_dir(name);
    hf_safetensors(index, 0, hf_tensor_count(index), dtype, "", &b);
    hf_save(dir, "model.safetensors", b.bytes, b.n);
    hf_save(dir, "config.json", hf_config(index), strlen(hf_config(index)));
    buf_free(&b);
    return dir;
}

static const char *target(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", test_tmpdir(), name);
    return path;
}

TEST_LIMIT(save_every_architecture_and_read_it_back, 240) {
    for (int index = 0; index < HF_MODELS; index++)
        for (int dtype = SAVE_AS_IS; dtype <= (index == 1 || index == 15 ? SAVE_F16 : SAVE_AS_IS); dtype++) {
            model *m = NULL, *back = NULL;
            save_request rq = {.path = target("out"), .dtype = (save_dtype)dtype, .replace = true};
            if (!EXPECT_OK(checkpoint_open(make_dir("in", index, GLIMPSE_F32), NULL, NULL, &m))) continue;
            if (EXPECT_OK(model_save(m, &rq)) && EXPECT_OK(checkpoint_open(rq.path, NULL, NULL, &back))) {
                bool scaled = dtype > SAVE_F32 && index == 15; /* sqrt(C) of an embedding has the weights' type */
                double e = hf_error(back, index);
                test_check(e < (scaled ? 1e-2 : 1e-5), __FILE__, __LINE__, "%s as %d: error %g", hf_name(index), dtype, e);
                EXPECT_EQ(back->dtype, dtype ? dtype - 1 : GLIMPSE_F32);
                EXPECT_EQ(back->n_params, m->n_params);
            }
            model_close(m);
            model_close(back);
        }
}

static uint64_t hash_of(const char *path) {
    buffer b = {0};
    uint64_t h = 0xcbf29ce484222325u;
    EXPECT_OK(file_read_all(path, 1 << 24, &b));
    for (size_t i = 0; i < b.n; i++) h = (h ^ (unsigned char)b.bytes[i]) * 0x100000001b3u;
    buf_free(&b);
    return h;
}

/* transformers opened these bytes (tests/ref/parity_writers.py); they stay as they were then. */
TEST(save_frozen_bytes) {
    static const struct {
        int index;
        const char *name, *file;
        uint64_t hash;
    } cases[] = {{0, "g", "model.safetensors", 0xfd0113bdd246de6c}, {0, "g", "config.json", 0x09a1730bc52d9ea2}, {0, "g.bin", NULL, 0xe343b307ea9962e6},
                 {14, "s", "model.safetensors", 0x0db3e901b3071556}, {14, "s", "config.json", 0x8018f1ab3dffa098}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model *m = NULL;
        char path[5000];
        save_request rq = {.path = target(cases[i].name), .replace = true};
        REQUIRE_OK(checkpoint_open(make_dir("in", cases[i].index, GLIMPSE_F32), NULL, NULL, &m));
        REQUIRE_OK(model_save(m, &rq));
        snprintf(path, sizeof path, "%s%s%s", rq.path, cases[i].file ? "/" : "", cases[i].file ? cases[i].file : "");
        uint64_t h = hash_of(path);
        test_check(h == cases[i].hash, __FILE__, __LINE__, "case %zu: hash 0x%016llx", i, (unsigned long long)h);
        model_close(m);
    }
}

TEST(save_llmc_file_and_read_it_back) {
    for (int dtype = SAVE_AS_IS; dtype <= SAVE_BF16; dtype++) {
        model *m = NULL, *back = NULL;
        save_request rq = {.path = target("g.bin"), .dtype = (save_dtype)dtype, .replace = true};
        REQUIRE_OK(checkpoint_open(make_dir("in", 0, GLIMPSE_F32), NULL, NULL, &m));
        REQUIRE_OK(model_save(m, &rq));
        REQUIRE_OK(checkpoint_open(rq.path, NULL, NULL, &back));
        EXPECT_LT(hf_error(back, 0), 1e-5);
        EXPECT_EQ(back->wte.rows, 128); /* 61 ids, padded */
        EXPECT_EQ(back->d.vocab_size, 61);
        model_close(m);
        model_close(back);
    }
}

TEST(save_what_a_form_cannot_say_is_refused) {
    model *m = NULL;
    save_request rq = {.path = target("no.bin")};
    REQUIRE_OK(checkpoint_open(make_dir("in", 1, GLIMPSE_F32), NULL, NULL, &m));
    EXPECT_ERR(model_save(m, &rq), GLIMPSE_E_UNSUPPORTED, "it is no GPT-2");
    rq.path = target("no");
    m->d.logit_softcap = 5;
    EXPECT_ERR(model_save(m, &rq), GLIMPSE_E_UNSUPPORTED, "cannot say that model.logit_softcap is 5");
    m->d.logit_softcap = 0, m->d.window = 7;
    EXPECT_ERR(model_save(m, &rq), GLIMPSE_E_UNSUPPORTED, "cannot say that layer 0 has this window");
    EXPECT(!path_exists(rq.path));
    m->d.window = 0;
    REQUIRE_OK(model_save(m, &rq));
    EXPECT_ERR(model_save(m, &rq), GLIMPSE_E_IO, "is there already");
    model_close(m);
}

TEST(save_numbers_that_do_not_fit_f16_are_refused) {
    model *m = NULL;
    save_request rq = {.path = target("f16"), .dtype = SAVE_F16};
    REQUIRE_OK(checkpoint_open(make_dir("in", 1, GLIMPSE_F32), NULL, NULL, &m));
    ((float *)(uintptr_t)m->layers[2].down.data)[5] = 65520;
    EXPECT_ERR(model_save(m, &rq), GLIMPSE_E_INVALID, "model.layers.2.mlp.down_proj.weight: 65520 does not fit f16");
    EXPECT(!path_exists(rq.path));
    model_close(m);
}

/* === A disk that says no === */
static int calls_left;
static ssize_t failing_write(int fd, const void *bytes, size_t n) {
    (void)fd, (void)bytes;
    if (calls_left-- > 0) return write(fd, bytes, n);
    errno = ENOSPC;
    return -1;
}
static int failing_fsync(int fd) {
    (void)fd;
    errno = ENOSPC;
    return -1;
}

TEST(save_on_a_full_disk_leaves_what_was_there) {
    model *m = NULL;
    io_calls before = io;
    char dir[2048], path[4096];
    snprintf(dir, sizeof dir, "%s", hf_dir("disk"));
    snprintf(path, sizeof path, "%s/m", dir);
    save_request rq = {.path = path, .replace = true};
    REQUIRE_OK(checkpoint_open(make_dir("in", 0, GLIMPSE_F32), NULL, NULL, &m));
    for (int old = 0; old < 2; old++) {
        for (int k = 0; k < 12; k++) {
            io.write = failing_write, calls_left = k * k;
            if (k == 11) io.write = before.write, io.fsync = failing_fsync;
            glimpse_status st = model_save(m, &rq);
            io = before;
            if (st >= 0) continue; /* enough for all of it */
            EXPECT_EQ(st, GLIMPSE_E_IO);
            EXPECT_EQ(test_entries(dir), path_exists(path));
            EXPECT(strstr(status_text(), "No space left"));
        }
        REQUIRE_OK(model_save(m, &rq));
        EXPECT_EQ(test_entries(dir), 1);
    }
    model *back = NULL;
    REQUIRE_OK(checkpoint_open(path, NULL, NULL, &back));
    EXPECT_LT(hf_error(back, 0), 1e-5);
    model_close(m);
    model_close(back);
}
