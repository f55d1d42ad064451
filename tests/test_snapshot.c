/* test_snapshot.c -- the memory of the snapshot: populated at open, so that the first copy meets no page that is not there
 * (its time against memcpy: tests/bench/bench_snapshot.c); slots that do not touch each other. */
#define _GNU_SOURCE
#include "plugin/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/test.h"

static long faults(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_minflt + u.ru_majflt;
}

/* Every tensor counts, however small beside the others, from its first byte to its last; memory that is gone is no fault. */
TEST(snapshot_fingerprint_sees_every_tensor) {
    enum { N = 1 << 22 };
    static const int64_t sizes[] = {N, 3, 1, 16, 17, 65536};
    float *w[6];
    glimpse_tensor t[6];
    for (int i = 0; i < 6; i++) {
        t[i] = (glimpse_tensor)GLIMPSE_TENSOR_INIT;
        w[i] = mmap(NULL, (size_t)sizes[i] * sizeof(float), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(w[i] != MAP_FAILED);
        for (int64_t k = 0; k < sizes[i]; k++) w[i][k] = (float)(k % 1000) - 500;
        t[i].name = "t", t[i].data = w[i], t[i].n_dims = 1, t[i].dims[0] = sizes[i];
    }
    snapshot s = SNAPSHOT_INIT;
    uint64_t was, is;
    REQUIRE_OK(snapshot_open(t, 6, 1, NULL, &s));
    EXPECT(snapshot_fingerprint(&s, false, &was) && snapshot_fingerprint(&s, true, &is) && is == was);
    for (int i = 0; i < 6; i++)
        for (int last = 0; last < 2; last++) {
            float *at = w[i] + (last ? sizes[i] - 1 : 0), kept = *at;
            *at = -kept;
            if (!kept) *at = 1;
            EXPECT(snapshot_fingerprint(&s, false, &is) && is != was);
            *at = kept;
        }
    int seen = 0;
    for (int i = 0; i < 20; i++) { /* one number in 10,000 of the largest, others each time */
        for (int64_t k = i * 37; k < N; k += 10007) w[0][k] += 1000;
        EXPECT(snapshot_fingerprint(&s, false, &is));
        seen += is != was;
        was = is;
    }
    EXPECT_EQ(seen, 20);
    EXPECT(snapshot_fingerprint(&s, true, &is) && is == was);
    munmap(w[5], 65536 * sizeof(float));
    EXPECT(!snapshot_fingerprint(&s, true, &is));
    snapshot_close(&s);
    for (int i = 0; i < 5; i++) munmap(w[i], (size_t)sizes[i] * sizeof(float));
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
