/* test_device.c -- weights on a GPU, against a driver that is lazy and as awkward as events permit (driver/fake_cuda.h): what is
 * sampled are the weights as of the eval, whichever way they are copied; every refusal and failure of the driver leaves a
 * trainer that goes on, and nothing behind. */
#define _GNU_SOURCE
#include "tests/device_rig.h"

#include <glimpse_llmc.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/test.h"

static void reference(buffer *journal) {
    trainer t;
    trainer_open(&t, NULL, 1, false, NULL, NULL);
    run_five(&t, journal);
    trainer_close(&t);
}

static void expect_run(fake_cuda *f, const buffer *expected, int blocks, bool own, const char *const *options, long across) {
    trainer t;
    buffer journal = {0};
    long before = f->across;
    trainer_open(&t, f, blocks, own, NULL, options);
    run_five(&t, &journal);
    test_check(expected->n > 0 && expected->n == journal.n && memcmp(expected->bytes, journal.bytes, journal.n) == 0, __FILE__, __LINE__,
               "other weights were sampled:\n%s\nthan were there:\n%s", buf_str(&journal), buf_str(expected));
    EXPECT_EQ(f->across - before, across);
    trainer_close(&t);
    EXPECT_EQ(f->held(), 0);
    buf_free(&journal);
}

/* --- what is sampled ---------------------------------------------------------------------------------------------- */

TEST_LIMIT(device_weights_are_those_of_the_eval, 120) {
    fake_cuda *f = driver_start();
    buffer expected = {0};
    REQUIRE(f != NULL);
    reference(&expected);
    for (int order = 0; order < 3; order++)
        for (int own = 0; own < 2; own++) {
            f->order = order;
            f->seed = (unsigned)order + 5;
            /* The first eval before any step through the host, the second too, for the worker opens the GPU's then. */
            expect_run(f, &expected, 1, own, NULL, 3);
            expect_run(f, &expected, 1, own, (const char *const[]){"gpu_memory_limit=0", NULL}, 0);
            expect_run(f, &expected, 1, own, (const char *const[]){"mode=inline", NULL}, 0);
        }
    buf_free(&expected);
}

TEST(device_managed_memory_waits_for_the_stream_too) {
    fake_cuda *f = driver_start();
    buffer expected = {0};
    REQUIRE(f != NULL);
    reference(&expected);
    f->managed = 1;
    expect_run(f, &expected, 1, true, NULL, 3);
    buf_free(&expected);
}

/* cuMemMap: the driver's range is one piece, tensors lie across several. */
TEST(device_memory_that_is_mapped_in_pieces) {
    fake_cuda *f = driver_start();
    buffer expected = {0};
    trainer t;
    REQUIRE(f != NULL);
    reference(&expected);
    f->pieces = 8192;
    for (int own = 0; own < 2; own++) expect_run(f, &expected, 1, own, NULL, 3);
    expect_run(f, &expected, 1, true, (const char *const[]){"mode=inline", NULL}, 0);
    rig_prepare(&t.r, NULL);
    for (int32_t k = 0; k < t.r.gpt.model.n_tensors; k++) { /* the first is longer than what is mapped */
        glimpse_tensor *x = &t.r.gpt.model.tensors[k];
        size_t n = sizeof(float);
        for (int i = 0; i < x->n_dims; i++) n *= (size_t)x->dims[i];
        x->data = (void *)(uintptr_t)f->take(k ? n : n - 1);
    }
    rig_reopen(&t.r);
    EXPECT(!t.r.g);
    EXPECT(strstr(buf_str(&t.r.said), "pass the end of their allocation on the GPU") != NULL);
    rig_close(&t.r);
    f->pieces = 0;
    EXPECT_EQ(f->held(), 0);
    buf_free(&expected);
}

TEST(device_copies_never_cross_an_allocation) {
    fake_cuda *f = driver_start();
    buffer expected = {0};
    REQUIRE(f != NULL);
    reference(&expected);
    expect_run(f, &expected, 16, true, NULL, 3 * 16);
    expect_run(f, &expected, 16, true, (const char *const[]){"mode=inline", NULL}, 0);
    buf_free(&expected);
}

/* Two slots: the second is filled on the device while the first is being sampled. */
TEST(device_two_snapshots) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    buffer expected = {0}, journal = {0};
    trainer t;
    trainer_open(&t, NULL, 1, false, NULL, (const char *const[]){"when_busy=wait", NULL});
    run_five(&t, &expected);
    trainer_close(&t);
    for (f->order = 0; f->order < 3; f->order++) {
        trainer_open(&t, f, 1, true, NULL, (const char *const[]){"snapshots=2", "when_busy=wait", NULL});
        REQUIRE(t.r.g != NULL);
        for (int i = 0; i < EVALS; i++) {
            EXPECT_EQ(eval_at(&t, i * 10), GLIMPSE_OK);
            if (i < 2) run_out(&t);
            f->run();
        }
        run_out(&t);
        rig_lines(&t.r, note_line, &journal);
        EXPECT_STREQ(buf_str(&journal), buf_str(&expected));
        buf_clear(&journal);
        trainer_close(&t);
        EXPECT_EQ(f->held(), 0);
    }
    buf_free(&journal);
    buf_free(&expected);
}

/* What the worker has copied off the GPU is free again: the next eval does not wait until the samples are there. */
TEST_LIMIT(device_slot_is_free_once_it_was_copied, 120) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    buffer expected = {0}, journal = {0};
    static const char *const options[] = {"num_samples=200", "record_top=0", "report=false", "tensorboard=false", "worker_share=100", NULL};
    for (int gpu = 0; gpu < 2; gpu++) {
        trainer t;
        trainer_open(&t, gpu ? f : NULL, 1, gpu, NULL, options);
        REQUIRE(t.r.g != NULL);
        for (int step = 0; step < 30; step += 10) {
            EXPECT_EQ(eval_at(&t, step), GLIMPSE_OK);
            if (step < 20 || !gpu) run_out(&t);
            else f->run();
        }
        glimpse_status st = GLIMPSE_SKIPPED;
        for (int i = 0; i < 20000 && gpu && st == GLIMPSE_SKIPPED; i++) {
            poll(NULL, 0, 3);
            st = glimpse_eval(t.r.g, 25, 2, NAN); /* of the weights behind step 20 */
        }
        if (gpu) {
            EXPECT_EQ(st, GLIMPSE_OK);
            EXPECT(!strstr(buf_str(&t.r.said), "step 20")); /* which is still being sampled */
        } else EXPECT_OK(glimpse_eval(t.r.g, 25, 2, NAN));
        run_out(&t);
        EXPECT_STREQ(rig_status(&t.r, 20), "ok");
        rig_lines(&t.r, note_line, gpu ? &journal : &expected);
        trainer_close(&t);
    }
    const char *a = strstr(buf_str(&journal), "20 ok:"), *b = strstr(buf_str(&expected), "20 ok:");
    REQUIRE(a && b);
    EXPECT(!strncmp(a, b, strcspn(b, "\n")));
    a = strstr(buf_str(&journal), "25 ok:"), b = strstr(buf_str(&expected), "25 ok:");
    REQUIRE(a && b);
    EXPECT(!strncmp(a, b, strcspn(b, "\n")));
    EXPECT_EQ(f->held(), 0);
    buf_free(&journal);
    buf_free(&expected);
}

/* --- refusals ----------------------------------------------------------------------------------------------------- */

/* The weights go through the host, which is said once, with the reason. */
static void expect_host(fake_cuda *f, const buffer *expected, const char *why) {
    trainer t;
    buffer journal = {0};
    long before = f->across;
    trainer_open(&t, f, 1, true, NULL, NULL);
    run_five(&t, &journal);
    EXPECT_STREQ(buf_str(&journal), buf_str(expected));
    EXPECT_EQ(f->across - before, 0);
    test_check(count_text(buf_str(&t.r.said), "the weights are copied through the host's memory") == 1 && strstr(buf_str(&t.r.said), why),
               __FILE__, __LINE__, "\"%s\" is not said once in: %s", why, buf_str(&t.r.said));
    trainer_close(&t);
    EXPECT_EQ(f->held(), 0);
    buf_free(&journal);
}

TEST_LIMIT(device_refusals_lead_through_the_host, 120) {
    fake_cuda *f = driver_start(), told;
    buffer expected = {0};
    REQUIRE(f != NULL);
    told = *f;
    reference(&expected);
    f->refuse_ipc = 1, expect_host(f, &expected, "cuIpcGetMemHandle"), f->refuse_ipc = 0;
    f->compute_mode = 3, expect_host(f, &expected, "exclusive compute mode"), f->compute_mode = 0;
    f->mps = 1, expect_host(f, &expected, "MPS"), f->mps = 0;
    f->total = (size_t)8 << 30, expect_host(f, &expected, "--glimpse_gpu_memory_limit allows 246 MiB"), f->total = told.total;
    f->free_bytes = (size_t)2 << 30, expect_host(f, &expected, "2048 MiB are free and 1638 MiB must stay so"), f->free_bytes = told.free_bytes;
    /* The worker has a driver of its own: its n-th call fails. */
    for (int n = 1; n <= 9; n++) { /* up to the proof that the memory can be opened */
        char orders[64];
        snprintf(orders, sizeof orders, "fail=%d,error=%d,forever=%d", n, n % 2 ? 999 : 2, n % 3 == 0);
        setenv("FAKE_CUDA", orders, 1);
        expect_host(f, &expected, "the GPU's driver failed: cu");
    }
    buf_free(&expected);
}

TEST(device_copy_that_fails_in_the_worker_is_one_failed_eval) {
    fake_cuda *f = driver_start();
    trainer t;
    REQUIRE(f != NULL);
    setenv("FAKE_CUDA", "fail=16,error=700,forever=1", 1); /* beyond what proves that it can be opened */
    trainer_open(&t, f, 1, true, NULL, NULL);
    REQUIRE(t.r.g != NULL);
    for (int i = 0; i < 3; i++) {
        eval_at(&t, i * 10);
        run_out(&t);
    }
    EXPECT_STREQ(rig_status(&t.r, 10), "ok");
    EXPECT_STREQ(rig_status(&t.r, 20), "failed");
    EXPECT(strstr(buf_str(&t.r.said), "CUDA_ERROR_ILLEGAL_ADDRESS") != NULL);
    trainer_close(&t);
    EXPECT_EQ(f->held(), 0);
}

/* An error of the trainer's own kernels shows at the next call of the driver, which may be ours: it is not said to be the copy's. */
TEST(device_error_of_the_trainers_is_not_claimed) {
    for (int call = 1; call <= 3; call++) {
        fake_cuda *f = driver_start();
        trainer t;
        REQUIRE(f != NULL);
        trainer_open(&t, f, 1, true, NULL, NULL);
        REQUIRE(t.r.g != NULL);
        EXPECT_OK(eval_at(&t, 0));
        run_out(&t);
        f->calls = 0, f->fail_at = call, f->error = 700, f->forever = 1; /* sticky, as an illegal address is */
        EXPECT_ERR(glimpse_eval(t.r.g, 10, 2, 1), GLIMPSE_E_DEVICE, NULL);
        EXPECT(strstr(glimpse_error(), "before the copy of the weights began: the GPU's driver failed: cu") && strstr(glimpse_error(), "CUDA_ERROR_ILLEGAL_ADDRESS (700)"));
        f->fail_at = 0;
        EXPECT_OK(glimpse_drain(t.r.g));
        EXPECT_STREQ(rig_status(&t.r, 10), "failed");
        trainer_close(&t);
        EXPECT_EQ(f->held(), 0);
    }
}

TEST(device_capture_in_progress_skips_the_eval) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    for (int mode = 0; mode < 2; mode++)
        for (int own = 0; own < 2; own++) {
            trainer t;
            trainer_open(&t, f, 1, own, NULL, (const char *const[]){mode ? "mode=inline" : "mode=worker", "sample_each_eval=false", NULL});
            REQUIRE(t.r.g != NULL);
            EXPECT_EQ(eval_at(&t, 0), GLIMPSE_OK);
            run_out(&t);
            f->capturing = 1;
            EXPECT_EQ(glimpse_eval(t.r.g, 10, 2, 0.5), GLIMPSE_SKIPPED);
            f->capturing = 0;
            EXPECT_EQ(eval_at(&t, 20), GLIMPSE_OK); /* no best, and owed */
            run_out(&t);
            EXPECT_EQ(eval_at(&t, 30), GLIMPSE_NOT_DUE);
            EXPECT_STREQ(rig_status(&t.r, 10), "skipped");
            EXPECT_STREQ(rig_status(&t.r, 20), "ok");
            EXPECT_EQ(count_text(buf_str(&t.r.said), "is being captured into a graph"), 1);
            EXPECT_STREQ(f->problem ? f->problem : "", "");
            trainer_close(&t);
            EXPECT_EQ(f->held(), 0);
        }
}

static int close_new_sockets(const bool had[64]) {
    struct stat s;
    int n = 0;
    for (int fd = 0; fd < 64; fd++)
        if (!had[fd] && !fstat(fd, &s) && S_ISSOCK(s.st_mode)) n += !close(fd);
    return n;
}

/* A worker that is stopped as its eval is posted and the trainer closes: the slot on the GPU stays until the process ends, the
 * worker reads it and finishes alone.  `cut`: the trainer has closed the socket before. */
static void close_while_read(fake_cuda *f, bool cut) {
    trainer t;
    bool had[64];
    pid_t worker = 0;
    buffer journal = {0}, expected = {0};
    reference(&expected);
    for (int fd = 0; fd < 64; fd++) had[fd] = fcntl(fd, F_GETFD) >= 0;
    trainer_open(&t, f, 1, true, NULL, (const char *const[]){"close_timeout=0.2", NULL});
    REQUIRE(t.r.g != NULL);
    for (int step = 0; step < 20; step += 10) {
        EXPECT_EQ(eval_at(&t, step), GLIMPSE_OK);
        run_out(&t);
    }
    REQUIRE(rig_workers(&worker, 1) == 1);
    kill(worker, SIGSTOP);
    EXPECT_EQ(eval_at(&t, 20), GLIMPSE_OK);
    f->run();
    if (cut) EXPECT_EQ(close_new_sockets(had), 1);
    EXPECT_EQ(glimpse_close(t.r.g), cut ? GLIMPSE_E_STATE : GLIMPSE_OK);
    t.r.g = NULL;
    EXPECT_EQ(f->held(), 2); /* the slot and the event */
    EXPECT_STREQ(f->problem ? f->problem : "", "");
    kill(worker, SIGCONT);
    EXPECT(rig_wait_end(worker));
    rig_lines(&t.r, note_line, &journal);
    const char *a = strstr(buf_str(&journal), "20 ok:"), *b = strstr(buf_str(&expected), "20 ok:");
    REQUIRE(a && b);
    EXPECT(!strncmp(a, b, strcspn(b, "\n")));
    trainer_close(&t);
    buf_free(&journal);
    buf_free(&expected);
}

TEST_LIMIT(device_close_leaves_what_is_still_to_be_read, 120) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    close_while_read(f, false);
}
TEST_LIMIT(device_close_without_its_socket_leaves_it_too, 120) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    close_while_read(f, true);
}

/* A last eval that found the worker busy is not made up for where the weights are on a GPU, and costs the trainer no call of the
 * driver; behind a drain it finds the worker free. */
TEST(device_last_eval_that_was_skipped) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    for (int host = 0; host < 2; host++)
        for (int drained = 0; drained < 2; drained++) {
            trainer t;
            pid_t worker = 0;
            trainer_open(&t, f, 1, true, NULL, (const char *const[]){host ? "gpu_memory_limit=0" : "gpu_memory_limit=3", NULL});
            REQUIRE(t.r.g != NULL);
            for (int step = 0; step < 30; step += 10) {
                EXPECT_EQ(eval_at(&t, step), GLIMPSE_OK);
                run_out(&t);
            }
            REQUIRE(rig_workers(&worker, 1) == 1);
            kill(worker, SIGSTOP);
            EXPECT_EQ(eval_at(&t, 30), GLIMPSE_OK);
            f->run();
            if (drained) {
                kill(worker, SIGCONT);
                EXPECT_OK(glimpse_drain(t.r.g));
            }
            long calls = f->calls;
            EXPECT_EQ(glimpse_eval(t.r.g, 40, 2, 1), drained ? GLIMPSE_OK : GLIMPSE_SKIPPED);
            EXPECT_EQ(f->calls > calls, drained);
            f->run();
            kill(worker, SIGCONT);
            EXPECT_OK(glimpse_close(t.r.g));
            t.r.g = NULL;
            EXPECT_STREQ(rig_status(&t.r, 30), "ok");
            EXPECT_STREQ(rig_status(&t.r, 40), drained ? "ok" : "skipped");
            EXPECT_EQ(count_text(buf_str(&t.r.said), "step 40 was skipped and is not sampled now: weights on a GPU may have changed since (glimpse_drain before the last eval, or --glimpse_when_busy wait)"),
                      !drained);
            EXPECT_EQ(t.version, 8);
            EXPECT_STREQ(f->problem ? f->problem : "", "");
            trainer_close(&t);
            EXPECT_EQ(f->held(), 0);
        }
}

TEST(device_driver_that_is_too_old_or_does_not_know_the_memory) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    trainer t;
    f->version = 10020;
    trainer_open(&t, f, 1, true, NULL, NULL);
    EXPECT(t.r.g == NULL);
    EXPECT(strstr(buf_str(&t.r.said), "the NVIDIA driver is too old: it is for CUDA 10.2") != NULL);
    f->version = 13000;
    t.r.gpt.model.tensors[3].data = (void *)16; /* nobody's */
    rig_reopen(&t.r);
    EXPECT(t.r.g == NULL);
    EXPECT(strstr(buf_str(&t.r.said), "neither this process nor the GPU's driver knows it") != NULL);
    trainer_close(&t);
    /* beyond the end of its allocation */
    trainer_open(&t, f, 1, true, NULL, (const char *const[]){"max_sample_tokens=1", NULL});
    REQUIRE(t.r.g != NULL);
    glimpse_close(t.r.g);
    t.r.gpt.model.tensors[0].dims[0] += 100000;
    rig_reopen(&t.r);
    EXPECT(t.r.g == NULL);
    EXPECT(strstr(buf_str(&t.r.said), "pass the end of their allocation") != NULL);
    trainer_close(&t);
    EXPECT_EQ(f->held(), 0);
}

TEST(device_driver_without_a_gpu_is_nothing_to_a_trainer_on_the_host) {
    fake_cuda *f = driver_start();
    trainer t;
    REQUIRE(f != NULL);
    f->fail_at = 2, f->error = 100, f->forever = 1; /* cuDriverGetVersion answers, no pointer is known */
    trainer_open(&t, NULL, 1, false, NULL, (const char *const[]){"mode=inline", NULL});
    EXPECT(t.r.g != NULL);
    EXPECT_EQ(glimpse_eval(t.r.g, 0, 2, 1), GLIMPSE_OK);
    EXPECT_LT(2, f->calls);
    trainer_close(&t);
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

/* The n-th call of the driver fails from the opening on: once, or it and all that follow. */
static bool fail_one(fake_cuda *f, const char *mode, long n, int error, int forever) {
    trainer t;
    trainer_open(&t, f, 1, true, NULL, (const char *const[]){mode, NULL});
    glimpse_close(t.r.g);
    buf_clear(&t.r.said);
    f->calls = 0;
    f->fail_at = n, f->error = error, f->forever = forever;
    rig_reopen(&t.r);
    for (int i = 0; i < 4; i++) {
        eval_at(&t, 10 * i);
        run_out(&t);
    }
    bool reached = f->calls >= n;
    f->fail_at = 0; /* what closes may work again: then nothing may be left */
    glimpse_close(t.r.g);
    t.r.g = NULL;
    f->run();
    EXPECT_EQ(t.version, 8);
    test_check(!f->problem, __FILE__, __LINE__, "call %ld fails with %d: %s", n, error, f->problem ? f->problem : "");
    /* (slow builds: a worker that has not read its slot when we close keeps it, device.h) */
    test_check(f->held() == 0 || test_is_slow_build(), __FILE__, __LINE__, "call %ld fails with %d%s: %d things are left", n, error, forever ? " for ever" : "", f->held());
    test_check(count_text(buf_str(&t.r.said), "host's memory") <= 1 && count_text(buf_str(&t.r.said), "glimpse: off") <= 1, __FILE__, __LINE__,
               "call %ld: said more than once: %s", n, buf_str(&t.r.said));
    f->problem = NULL;
    trainer_close(&t);
    return reached;
}

TEST_LIMIT(device_every_call_of_the_driver_fails, 300) {
    fake_cuda *f = driver_start();
    static const int errors[] = {2, 700, 999};
    REQUIRE(f != NULL);
    int stride = test_is_full() ? 1 : test_is_slow_build() ? 17 : 5;
    for (int mode = 0; mode < 2; mode++)
        for (int forever = 0; forever < 2; forever++) {
            long n = 1, past = 0;
            for (; !past && n < 2000; n += mode || n < 8 ? (n < 40 ? 1 : stride) : stride)
                past = !fail_one(f, mode ? "mode=inline" : "mode=worker", n, errors[n % 3], forever);
            EXPECT_LT(20, n);
        }
}

/* --- llm.c -------------------------------------------------------------------------------------------------------- */

/* The block of train_gpt2.cu, f32 and bf16, on the device and on the host: the same samples. */
static void llmc_run(fake_cuda *f, glimpse_dtype dtype, const char *name, buffer *journal) {
    enum { T = 32, V = 50, Vp = 64, L = 2, NH = 2, C = 16 };
    size_t n = (size_t)Vp * C + T * C + L * (4 * C + 3 * C * C + 3 * C + C * C + C + 4 * C * C + 4 * C + 4 * C * C + C) + 2 * C;
    size_t bytes = n * (dtype == GLIMPSE_F32 ? 4 : 2);
    rig r = {0};
    snprintf(r.dir, sizeof r.dir, "%s/%s", test_tmpdir(), name);
    unsigned long long device = f ? f->take(bytes) : 0;
    void *block = f ? f->live(device) : malloc(bytes);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        float w = (float)(int32_t)((x = x * 1664525u + 1013904223u) >> 16) / 65536.0f - 0.5f;
        uint32_t bits;
        memcpy(&bits, &w, sizeof bits);
        if (dtype == GLIMPSE_F32) ((float *)block)[i] = w;
        else ((uint16_t *)block)[i] = (uint16_t)(bits >> 16);
    }
    char path[4300];
    snprintf(path, sizeof path, "%s/glimpse", test_build_dir());
    setenv("GLIMPSE_WORKER", path, 1);
    glimpse_config *cfg = glimpse_llmc_config(8);
    glimpse_set(cfg, "out_dir", r.dir);
    glimpse_set(cfg, "sample_start_tokens", "IDS:1,2,3");
    glimpse_set(cfg, "sample_each_eval", "true");
    void *stream = f ? f->stream() : NULL;
    glimpse *g = glimpse_llmc_open(cfg, 0, T, V, Vp, L, NH, C, f ? (void *)(uintptr_t)device : block, dtype, stream);
    REQUIRE(g != NULL);
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(glimpse_llmc_eval(g, i, 2.0f, 1.0f), GLIMPSE_OK);
        if (f) f->run();
        glimpse_drain(g);
    }
    glimpse_close(g);
    rig_lines(&r, note_line, journal);
    if (!f) free(block);
}

TEST(device_llmc_blocks) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    for (int dtype = GLIMPSE_F32; dtype <= GLIMPSE_BF16; dtype++) {
        buffer host = {0}, on_device = {0};
        llmc_run(NULL, (glimpse_dtype)dtype, dtype ? "host_bf16" : "host_f32", &host);
        long before = f->across;
        llmc_run(f, (glimpse_dtype)dtype, dtype ? "device_bf16" : "device_f32", &on_device);
        EXPECT_LT(100, host.n);
        EXPECT_STREQ(buf_str(&on_device), buf_str(&host));
        EXPECT_EQ(f->across - before, 2); /* one block, one copy an eval */
        EXPECT_EQ(f->held(), 0);
        buf_free(&host);
        buf_free(&on_device);
    }
}
