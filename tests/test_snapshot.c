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

/* A fine-tune that leaves most of the weights as they are: one layer's matrices, or the norms and biases alone, in GPT-2 124M as
 * llm.c has it, all layers of a kind one tensor. */
TEST(snapshot_fingerprint_sees_a_fine_tune_of_few_weights) {
    enum { L = 12, C = 768, LC = L * C };
    static const size_t sizes[16] = {50304 * C, 1024 * C, LC, LC, 3 * C * LC, 3 * LC, C * LC, LC, LC, LC, 4 * C * LC, 4 * LC, 4 * C * LC, LC, C, C};
    static const int matrices[] = {4, 6, 10, 12}, small[] = {2, 3, 5, 7, 8, 9, 11, 13, 14, 15};
    glimpse_tensor t[16];
    size_t all = 0, at = 0;
    for (int i = 0; i < 16; i++) all += sizes[i] * sizeof(float);
    float *w = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); /* zeros, which take no room */
    REQUIRE(w != MAP_FAILED);
    for (int i = 0; i < 16; at += sizes[i++]) {
        t[i] = (glimpse_tensor)GLIMPSE_TENSOR_INIT;
        t[i].name = "t", t[i].data = w + at, t[i].n_dims = 1, t[i].dims[0] = (int64_t)sizes[i];
    }
    snapshot s = SNAPSHOT_INIT;
    uint64_t was, is;
    REQUIRE_OK(snapshot_open(t, 16, SNAPSHOT_LATER, NULL, &s));
    EXPECT(snapshot_fingerprint(&s, false, &was));
    for (int m = 0; m < 4; m++)
        for (int layer = 0; layer < L; layer++) {
            size_t n = sizes[matrices[m]] / L;
            memset((char *)(uintptr_t)t[matrices[m]].data + layer * n * sizeof(float), 1 + layer, n * sizeof(float));
            EXPECT(snapshot_fingerprint(&s, false, &is) && is != was);
            was = is;
        }
    for (int i = 0; i < 10; i++) {
        memset((char *)(uintptr_t)t[small[i]].data, 1, sizes[small[i]] * sizeof(float));
        EXPECT(snapshot_fingerprint(&s, false, &is) && is != was);
        was = is;
    }
    snapshot_close(&s);
    munmap(w, all);
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
