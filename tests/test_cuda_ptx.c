/* test_cuda_ptx.c -- the machine that executes PTX (tests/emu/ptx) shows what it is there for, and converts as the formats say.
 * The first needs `make ptx-test`, where all tests of the backend run over it. */
#include <math.h>
#include <string.h>

#include "kernels/dtype.h"
#include "tests/emu/emu.h"
#include "tests/emu/ptx/ptx_isa.h"
#include "tests/emu/ptx/ptx_wrong.h"
#include "tests/test.h"

TEST(cuda_ptx_shows_what_a_chip_would) {
    static const char *const said[] = {
        [WRONG_ALIGNMENT] = "memory that is not aligned: 0x", [WRONG_SHARED] = "outside of shared memory: 0x",
        [WRONG_RACE] = "a race: it is ", [WRONG_EARLY] = "global memory before the wait",
        [WRONG_THREADS] = "more threads than it was compiled for", [WRONG_SIZE] = "a parameter has another size in PTX"};
    float input[256], out[256];
    if (!ptx_run_wrong) SKIP("no PTX is executed here: make ptx-test");
    for (int i = 0; i < 256; i++) input[i] = (float)i;
    EXPECT_EQ(ptx_run_wrong(WRONG_NOTHING, input, out), 0);
    EXPECT_MEM(out, input, sizeof out);
    EXPECT_EQ(ptx_run_wrong(WRONG_NO_WAIT, input, out), 0);
    for (int i = 0; i < 256; i++) EXPECT(isnan(out[i])); /* what lay there */
    EXPECT_EQ(ptx_run_wrong(WRONG_HALF_A_WAIT, input, out), 0);
    EXPECT_MEM(out, input, sizeof out / 2);
    for (int i = 128; i < 256; i++) EXPECT(isnan(out[i]));
    EXPECT_EQ(ptx_run_wrong(WRONG_OPERAND, input, out), 0);
    EXPECT(!(out[0] == 1));
    EXPECT(!emu_problem());
    for (int which = WRONG_ALIGNMENT; which <= WRONG_SIZE; which++) {
        if (!said[which]) continue;
        const int failed = ptx_run_wrong(which, input, out);
        EXPECT(failed != 0);
        if (failed < 0) continue;
        const char *p = emu_problem();
        test_check(p && strstr(p, said[which]), __FILE__, __LINE__, "%d: %s", which, p ? p : "nothing was said");
        emu_fail(0, 0, 0);
    }
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
}

/* Each kernel that nothing orders, in every order of threads and blocks. */
TEST(cuda_ptx_orders_global_memory) {
    static const char *const said[ORDER_ALL] = {
        [ORDER_NO_RELEASE] = "a race: it is", [ORDER_NO_ACQUIRE] = "a race: it is", [ORDER_NO_BARRIER_BEFORE] = "a race: it is",
        [ORDER_NO_BARRIER_BEHIND] = "a race: it is", [ORDER_NO_HAND_OFF] = "a race: it is", [ORDER_RELAXED_COUNT] = "a race: it is read where",
        [ORDER_TWO_WRITES] = "a race: it is written by two threads", [ORDER_OVERWRITTEN] = "a race: it is", [ORDER_NOT_ATOMIC] = "a race: it is",
        [ORDER_WITHIN_A_BLOCK] = "a race: it is", [ORDER_GENERIC] = "a race: it is", [ORDER_CONSTANT] = "as constant in the launch that writes it",
        [ORDER_CONSTANT_FIRST] = "in the launch that reads it as constant", [ORDER_EARLY] = "before the wait for the kernel that writes it",
        [ORDER_EARLY_COPY] = "before the wait for the kernel that writes it", [ORDER_EARLY_WRITE] = "global memory before the wait",
        [ORDER_EARLY_CONSTANT] = "as constant where the kernel ahead may still write it", [ORDER_RESET] = "a race: it is"};
    if (!ptx_run_order) SKIP("no PTX is executed here: make ptx-test");
    for (int which = 0; which < ORDER_ALL; which++)
        for (int seed = 0; seed < 12; seed++) {
            emu_schedule(seed < 2 ? seed ? EMU_REVERSE : EMU_FORWARD : EMU_RANDOM, (uint64_t)seed);
            const int failed = ptx_run_order(which);
            const char *p = emu_problem();
            emu_fail(0, 0, 0);
            if (failed < 0) continue;
            test_check((failed != 0) == (said[which] != NULL) && (p != NULL) == (said[which] != NULL) && (!p || (strstr(p, said[which]) && strstr(p, "ptx_wrong.cu:"))),
                       __FILE__, __LINE__, "%d, seed %d: %s", which, seed, p ? p : "nothing was said");
        }
    emu_schedule(EMU_FORWARD, 0);
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
}

TEST(cuda_ptx_converts_halves) {
    for (uint32_t h = 0; h < 65536; h++) {
        float f = f16_to_f32((uint16_t)h), got = ptx_f32(ptx_cvt_f32_f16((uint16_t)h));
        test_check(f != f ? got != got : got == f && signbit(got) == signbit(f), __FILE__, __LINE__, "f16 %x: %g, not %g", h, (double)got, (double)f);
    }
    for (uint32_t i = 0, u = 1; i < 300000; i++, u = u * 1664525 + 1013904223) { /* no neighbour is nearer, and of two the even one */
        if (i % 3 == 0) u = (u & ~0xffffu) | 0x8000; /* ties */
        float x = ptx_f32(u), got = ptx_f32((uint32_t)ptx_cvt_rn_bf16_f32(u) << 16);
        uint32_t cut = u & 0xffff0000, next = cut + 0x10000;
        if (!isfinite(x) || !isfinite(ptx_f32(next))) continue;
        double down = fabs((double)x - (double)ptx_f32(cut)), up = fabs((double)x - (double)ptx_f32(next));
        float want = ptx_f32(down < up || (down == up && !(cut & 0x10000)) ? cut : next);
        test_check(got == want, __FILE__, __LINE__, "bf16 of %.9g: %.9g, not %.9g", (double)x, (double)got, (double)want);
    }
    EXPECT_EQ(ptx_cvt_rn_bf16_f32(0x7f7fffff), 0x7f80); /* beyond the largest */
    EXPECT_EQ(ptx_cvt_rn_bf16_f32(0xffc00001), 0x7fff);
}

/* Values from the ISA's own rules, case by case. */
TEST(cuda_ptx_operations_at_their_edges) {
    const uint32_t nan_ = 0x7fc00000, one = 0x3f800000, minus_zero = 0x80000000;
    EXPECT_EQ(ptx_max_f32(nan_, one), one);
    EXPECT_EQ(ptx_min_f32(one, nan_), one);
    EXPECT_EQ(ptx_max_f32(nan_, 0xffc00001), 0x7fffffff);
    EXPECT_EQ(ptx_max_f32(minus_zero, 0), 0);
    EXPECT_EQ(ptx_min_f32(0, minus_zero), minus_zero);
    EXPECT_EQ(ptx_setp_lt_f32(nan_, one), 0);
    EXPECT_EQ(ptx_setp_ltu_f32(nan_, one), 1);
    EXPECT_EQ(ptx_setp_ne_f32(nan_, one), 0);
    EXPECT_EQ(ptx_setp_neu_f32(nan_, one), 1);
    EXPECT_EQ(ptx_cvt_rzi_s32_f32(nan_), 0);
    EXPECT_EQ(ptx_cvt_rzi_s32_f32(0x4f800000), INT32_MAX); /* 2^32 */
    EXPECT_EQ((int32_t)ptx_cvt_rzi_s32_f32(0xbfc00000), -1);
    EXPECT_EQ(ptx_cvt_rzi_u32_f32(0xbf800000), 0);
    EXPECT_EQ(ptx_cvt_sat_f32_f32(nan_), 0);
    EXPECT_EQ(ptx_shl_b32(1, 32), 0);
    EXPECT_EQ(ptx_shr_s32(0x80000000, 99), 0xffffffff);
    EXPECT_EQ(ptx_bfi_b32(0xff, 0, 4, 8), 0xff0);
    EXPECT_EQ(ptx_bfi_b64(0xffffffff, 7, 32, 32), (long long)0xffffffff00000007);
    EXPECT_EQ(ptx_prmt_b32(0x33221180, 0x77665544, 0x7604), 0x77668044);
    EXPECT_EQ(ptx_prmt_b32(0x33221180, 0, 0x9881), 0x00ffff11); /* signs */
    EXPECT_EQ(ptx_mul_hi_s32(0xffffffff, 2), 0xffffffff);
    EXPECT_EQ(ptx_add_rn_f32(0x7f800000, 0xff800000), 0x7fffffff); /* inf - inf */
}
