/* test_emu.c -- the emulation sees what it is there for: a missing barrier in some order, threads that do not meet, a chained
 * kernel that does not wait, failing calls. */
#include <stdlib.h>
#include <string.h>

#include "tests/emu/emu.h"
#include "tests/test.h"

int emu_run_wrong(int which, const int *input, int *out);

TEST(emu_orders_show_a_missing_barrier) {
    int input[256], sum = 0, wrong = 0, out = 0;
    unsetenv("GLIMPSE_EMU_ORDER");
    for (int i = 0; i < 256; i++) input[i] = i * i, sum += i * i;
    for (int order = EMU_FORWARD; order <= EMU_RANDOM; order++) {
        emu_schedule(order, 3);
        EXPECT_EQ(emu_run_wrong(0, input, &out), 0);
        EXPECT_EQ(out, sum);
        EXPECT_EQ(emu_run_wrong(1, input, &out), 0);
        wrong += out != sum;
    }
    EXPECT_LE(1, wrong);
    EXPECT(!emu_problem());
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
}

TEST(emu_order_of_the_environment) {
    int input[256], out[2] = {0};
    for (int i = 0; i < 256; i++) input[i] = i * i;
    for (int asked = 0; asked < 2; asked++) { /* reverse, where forward and seeds are asked for: wrong in one way */
        setenv("GLIMPSE_EMU_ORDER", "reverse", 1);
        emu_schedule(asked ? EMU_RANDOM : EMU_FORWARD, 5);
        EXPECT_EQ(emu_run_wrong(1, input, &out[asked]), 0);
    }
    EXPECT_EQ(out[0], out[1]);
    unsetenv("GLIMPSE_EMU_ORDER");
    emu_schedule(EMU_REVERSE, 5);
    EXPECT_EQ(emu_run_wrong(1, input, &out[1]), 0);
    EXPECT_EQ(out[0], out[1]);
    emu_schedule(EMU_FORWARD, 5);
    EXPECT_EQ(emu_run_wrong(1, input, &out[1]), 0);
    EXPECT(out[0] != out[1]);
}

TEST(emu_says_what_is_wrong) {
    int input[256] = {0}, out = 0;
    EXPECT(emu_run_wrong(2, input, &out) != 0);
    const char *p = emu_problem();
    EXPECT(p && strstr(p, "barrier divergence in block (0, 0, 0): of 32 threads 16 wait for the block, 16 for their warp"));
    emu_fail(0, 0, 0);
    EXPECT(emu_run_wrong(3, input, &out) != 0);
    p = emu_problem();
    EXPECT(p && strstr(p, "of a chained kernel ended without waiting"));
    emu_fail(0, 0, 0);
    EXPECT_EQ(emu_run_wrong(4, input, &out), 0);
    EXPECT_EQ(out, 20);
    EXPECT(!emu_problem());
}

TEST(emu_fails_when_it_is_asked_to) {
    int input[256] = {0}, out = 0;
    emu_fail(1, 2, 0);
    EXPECT_EQ(emu_run_wrong(0, input, &out), 2);
    emu_fail(0, 0, 0);
    EXPECT_EQ(emu_run_wrong(0, input, &out), 0);
    EXPECT_LT(5, emu_calls());
}

/* Blocks that are launched together take turns: what one waits for comes, what one does not wait for is not there in some order. */
TEST(emu_runs_blocks_together) {
    int input[256] = {0}, out = 0, wrong = 0;
    for (int order = EMU_FORWARD; order <= EMU_RANDOM; order++) {
        emu_schedule(order, 5);
        EXPECT_EQ(emu_run_wrong(5, input, &out), 0);
        EXPECT_EQ(out, 40);
        EXPECT_EQ(emu_run_wrong(6, input, &out), 0);
        wrong += out != 40;
    }
    EXPECT_LE(2, wrong);
    emu_lose_arrival(2); /* all wait in vain, and say so in time */
    EXPECT_EQ(emu_run_wrong(5, input, &out), 0);
    EXPECT_EQ(out, -4);
    EXPECT_EQ(emu_run_wrong(7, input, &out), 720);
    emu_cooperative(0);
    EXPECT_EQ(emu_run_wrong(5, input, &out), 801);
    emu_cooperative(1);
    EXPECT(!emu_problem());
    EXPECT_EQ(emu_device_bytes(), 0);
}
