/* test_device_cuda.c -- the session on the GPU that a trainer's weights are on: the emulated backend in a worker or inline,
 * reading the trainer's slot, or its live weights, through the driver for tests.  The same samples as from weights that were
 * uploaded from the host, no copy through it, and the CPU with the reason where the GPU will not do. */
#define _GNU_SOURCE
#include "tests/device_rig.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/cuda_library.h"
#include "include/internal/file.h"
#include "tests/test.h"

#define TWIN "tests/gpu/glimpse"

/* Inline, the session of this process: the library is found by its name once it is loaded. */
static void load_twin(void) {
    char path[4300];
    snprintf(path, sizeof path, "%s/tests/gpu/libglimpse_cuda.so.0", test_build_dir());
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    test_check(library != NULL, __FILE__, __LINE__, "%s", library ? "" : dlerror());
}

/* The same run with weights on the host that are uploaded at each eval. */
static void uploaded(const char *const *options, buffer *journal) {
    trainer t;
    trainer_open(&t, NULL, 1, false, TWIN, options);
    run_five(&t, journal);
    EXPECT(all_on(&t, "cuda"));
    trainer_close(&t);
}

static void expect_on_gpu(fake_cuda *f, const buffer *expected, int blocks, const char *const *options) {
    trainer t;
    buffer journal = {0};
    trainer_open(&t, f, blocks, true, TWIN, options);
    run_five(&t, &journal);
    EXPECT_LT(100, journal.n);
    EXPECT_STREQ(buf_str(&journal), buf_str(expected));
    EXPECT(all_on(&t, "cuda"));
    test_check(!strstr(buf_str(&t.r.said), "on the processor"), __FILE__, __LINE__, "said: %s", buf_str(&t.r.said));
    EXPECT_STREQ(f->problem ? f->problem : "", "");
    trainer_close(&t);
    EXPECT_EQ(f->held(), 0);
    buf_free(&journal);
}

TEST_LIMIT(device_cuda_worker_reads_the_slot, 240) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    buffer expected = {0};
    uploaded((const char *const[]){"device=cuda", NULL}, &expected);
    setenv("FAKE_CUDA", "no_out=1", 1); /* the worker's driver copies nothing to the host */
    for (int order = 0; order < 3; order++) {
        f->order = order;
        f->seed = (unsigned)order + 3;
        expect_on_gpu(f, &expected, order == 1 ? 16 : 1, order ? (const char *const[]){"device=cuda", NULL} : NULL);
    }
    buf_free(&expected);
}

/* What is asked of the weights again after they were read once: probes with more room than the samples, another refresh. */
TEST_LIMIT(device_cuda_more_room_keeps_the_weights, 240) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    char path[4300], option[4400];
    buffer expected = {0}, text = {0};
    snprintf(path, sizeof path, "%s/probes.txt", test_tmpdir());
    for (int i = 0; i < 45; i++) buf_putc(&text, "ABCDEFG"[i % 7]);
    buf_puts(&text, "\nABC\n");
    REQUIRE_OK(file_write_atomic(path, text.bytes, text.n, false));
    snprintf(option, sizeof option, "probe=%s", path);
    uploaded((const char *const[]){"device=cuda", option, "max_sample_tokens=3", NULL}, &expected);
    setenv("FAKE_CUDA", "no_out=1", 1);
    expect_on_gpu(f, &expected, 1, (const char *const[]){option, "max_sample_tokens=3", NULL});
    buf_free(&expected);
    buf_free(&text);
}

TEST_LIMIT(device_cuda_two_slots_and_saved_weights, 240) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    buffer expected = {0};
    const char *const two[] = {"snapshots=2", "when_busy=wait", "device=cuda", NULL}, *const saved[] = {"save_snapshots=true", NULL};
    uploaded(two, &expected);
    expect_on_gpu(f, &expected, 1, two);
    expect_on_gpu(f, &expected, 1, saved); /* these are read on the host, too */
    buf_free(&expected);
}

TEST_LIMIT(device_cuda_inline_reads_the_live_weights, 240) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    buffer expected = {0};
    load_twin();
    uploaded((const char *const[]){"device=cuda", "mode=inline", NULL}, &expected);
    for (int order = 0; order < 3; order++) {
        long out = f->out, across = f->across;
        f->order = order;
        expect_on_gpu(f, &expected, order == 2 ? 16 : 1, (const char *const[]){"mode=inline", NULL});
        EXPECT_EQ(f->out, out);
        EXPECT_EQ(f->across, across);
    }
    buf_free(&expected);
}

/* --- where the GPU will not do ------------------------------------------------------------------------------------- */

static void expect_cpu(fake_cuda *f, const buffer *expected, const char *program, const char *option, const char *why) {
    trainer t;
    buffer journal = {0};
    trainer_open(&t, f, 1, true, program, (const char *const[]){option, NULL});
    run_five(&t, &journal);
    EXPECT_STREQ(buf_str(&journal), buf_str(expected));
    EXPECT(all_on(&t, "cpu"));
    test_check(count_text(buf_str(&t.r.said), "sampling on the processor") == 1 && strstr(buf_str(&t.r.said), why), __FILE__, __LINE__,
               "\"%s\" is not said once in: %s", why, buf_str(&t.r.said));
    trainer_close(&t);
    EXPECT_EQ(f->held(), 0);
    buf_free(&journal);
}

TEST_LIMIT(device_cuda_auto_goes_on_to_the_cpu, 240) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    buffer expected = {0};
    trainer t;
    load_twin();
    trainer_open(&t, NULL, 1, false, NULL, NULL);
    run_five(&t, &expected);
    trainer_close(&t);
    expect_cpu(f, &expected, TWIN, "gpu_memory_limit=0", "--glimpse_gpu_memory_limit is 0");
    expect_cpu(f, &expected, TWIN, "gpu_memory_limit=0.64", "more of the GPU's memory than is free for Glimpse");
    f->mps = 1, expect_cpu(f, &expected, TWIN, "mode=worker", "MPS"), f->mps = 0;
    f->compute_mode = 3, expect_cpu(f, &expected, TWIN, "mode=worker", "exclusive compute mode"), f->compute_mode = 0;
    expect_cpu(f, &expected, "tests/driver/../../glimpse", "mode=worker", ""); /* a backend for chips, or none: neither runs on this driver */
    buf_free(&expected);
}

/* The n-th call of the worker's driver fails: an eval that failed, or one through the host; never another weight. */
TEST_LIMIT(device_cuda_driver_fails_in_the_worker, 300) {
    fake_cuda *f = driver_start();
    REQUIRE(f != NULL);
    int failed = 0, fine = 0;
    for (int n = 1; n < 60; n += test_is_full() ? 1 : test_is_slow_build() ? 13 : 5) {
        char orders[64];
        trainer t;
        snprintf(orders, sizeof orders, "fail=%d,error=%d,forever=%d", n, n % 2 ? 999 : 700, n % 3 == 0);
        setenv("FAKE_CUDA", orders, 1);
        trainer_open(&t, f, 1, true, TWIN, NULL);
        for (int i = 0; i < 4; i++) {
            eval_at(&t, i * 10);
            run_out(&t);
        }
        for (int i = 0; i < 4; i++) {
            failed += !strcmp(rig_status(&t.r, i * 10), "failed");
            fine += !strcmp(rig_status(&t.r, i * 10), "ok");
        }
        EXPECT_EQ(t.version, 8);
        trainer_close(&t);
        test_check(f->held() == 0, __FILE__, __LINE__, "call %d: %d things are left", n, f->held());
    }
    EXPECT_LT(failed, fine);
    EXPECT_LT(0, failed);
}

/* What the library has to say stands in our own text. */
TEST(cuda_library_tells_its_failures_here) {
    const backend_ops *ops = NULL;
    load_twin();
    REQUIRE_OK(cuda_library_load(&ops));
    EXPECT_STREQ(ops->name, "cuda");
    status_clear();
    EXPECT_ERR(cuda_library_probe(77), GLIMPSE_E_DEVICE, "cuda:77");
}
