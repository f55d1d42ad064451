/* test_snapshot.c -- the memory of the snapshot: populated at open, so that the first copy meets no page that is not there
 * (its time against memcpy: tests/bench/bench_snapshot.c); slots that do not touch each other. */
#define _GNU_SOURCE
#include "plugin/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/test.h"

static long faults(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_minflt + u.ru_majflt;
}

TEST(snapshot_first_copy_faults_no_page) {
    enum { N = 4 << 20 };
    float *w = malloc(N * sizeof *w);
    REQUIRE(w != NULL);
    for (int i = 0; i < N; i++) w[i] = (float)i;
    glimpse_tensor t[2] = {GLIMPSE_TENSOR_INIT, GLIMPSE_TENSOR_INIT};
    for (int i = 0; i < 2; i++) t[i].name = i ? "b" : "a", t[i].data = w + i * (N / 2), t[i].n_dims = 1, t[i].dims[0] = N / 2;
    for (int slots = 1; slots <= 2; slots++) {
        snapshot s = SNAPSHOT_INIT;
        REQUIRE_OK(snapshot_open(t, 2, slots, NULL, &s));
        EXPECT_EQ(s.n_blocks, 1); /* one after the other: one copy */
        EXPECT_LE(N * sizeof *w, s.bytes);
        for (int slot = 0; slot < slots; slot++) {
            for (int i = 0; i < N; i++) w[i] = (float)(i + slot);
            long before = faults();
            snapshot_fill(&s, slot);
            if (!test_is_slow_build()) EXPECT_LE(faults() - before, 16); /* of 4096 pages; a sanitizer takes pages of its own */
        }
        for (int slot = 0; slot < slots; slot++) {
            const float *a = (const float *)(const void *)(s.at + (size_t)slot * s.bytes + s.offsets[0]);
            const float *b = (const float *)(const void *)(s.at + (size_t)slot * s.bytes + s.offsets[1]);
            EXPECT(a[0] == (float)slot && a[N / 2 - 1] == (float)(N / 2 - 1 + slot) && b[N / 2 - 1] == (float)(N - 1 + slot));
        }
        snapshot_close(&s);
    }
    free(w);
}
