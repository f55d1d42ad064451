/* test_kernels_refuse.c -- plans that do not fit, rows out of range, memory that is not there: an error with a text, on
 * every backend, and nothing touched. */
#include "tests/test_kernels.h"

#include <stdlib.h>
#include <string.h>

#include "tests/oracle.h"
#include "tests/test.h"

static const backend_ops *const both[] = {&backend_cpu, &backend_reference};

TEST(kernels_rows_out_of_range) {
    static const struct {
        backend_row row;
        const char *says;
    } bad[] = {
        {{-1, 3, 0, -1, 0, 1, 0}, "row 1: token -1"},       {{51, 3, 0, -1, 0, 1, 0}, "token 51"},
        {{0, -1, 0, -1, 0, 1, 0}, "position -1"},           {{0, 20, 0, -1, 0, 1, 0}, "position 20"},
        {{0, 3, -1, -1, 0, 1, 0}, "strip -1"},              {{0, 3, 4, -1, 0, 1, 0}, "strip 4 of 4"},
        {{0, 3, 0, 4, 2, 1, 0}, "prefix of 2 tokens"},      {{0, 3, 0, -1, 2, 1, 0}, "prefix of 2 tokens"},
        {{0, 3, 0, 1, 4, 1, 0}, "prefix of 4 tokens"},      {{0, 3, 0, 1, -1, 1, 0}, "prefix of -1 tokens"},
        {{0, 3, 0, 0, 2, 1, 0}, "both its own and"},        {{0, 5, 2, -1, 0, 1, 0}, "follows position 2"},
        {{0, 2, 2, -1, 0, 1, 0}, "position 2 of strip 2"},
    };
    shape s = SHAPE_GPT2;
    tiny m;
    tiny_build(&m, &s, 1);
    for (int b = 0; b < 2; b++) {
        backend_config cfg = {.threads = 1, .max_rows = 4, .max_logits = 2, .n_strips = 4, .strip_tokens = 20, .isa = NULL};
        backend *be = NULL;
        const float *logits = NULL;
        int64_t stride = 0;
        REQUIRE_OK(both[b]->open(&be, &m.p, &cfg));
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            backend_row rows[2] = {{7, 2, 2, -1, 0, 1, 0}, bad[i].row};
            EXPECT_ERR(be->ops->forward(be, rows, 2, &logits, &stride), GLIMPSE_E_INVALID, bad[i].says);
        }
        backend_row rows[5] = {{7, 0, 0, -1, 0, 1, 0}, {7, 0, 1, -1, 0, 1, 0}, {7, 0, 2, -1, 0, 1, 0}};
        EXPECT_ERR(be->ops->forward(be, rows, 3, &logits, &stride), GLIMPSE_E_INVALID, "3 rows want logits");
        EXPECT_ERR(be->ops->forward(be, rows, 5, &logits, &stride), GLIMPSE_E_INVALID, "opened for 4");
        EXPECT_ERR(be->ops->forward(be, rows, 0, &logits, &stride), GLIMPSE_E_INVALID, "0 rows");
        EXPECT(logits == NULL && stride == 0);
        rows[2].want_logits = 0;
        EXPECT_OK(be->ops->forward(be, rows, 3, &logits, &stride));
        rows[0].want_logits = rows[1].want_logits = 0; /* nobody wants any: prefill */
        EXPECT_OK(be->ops->forward(be, rows, 3, &logits, &stride));
        static const struct {
            int32_t from, to, first, n;
            const char *says;
        } copies[] = {{-1, 1, 0, 1, "strip -1"}, {4, 1, 0, 1, "strip 4"},       {0, 4, 0, 1, "to strip 4 of 4"},
                      {0, -1, 0, 1, "strip -1"}, {2, 2, 0, 1, "strip 2 to"},    {0, 1, -1, 1, "from -1 on"},
                      {0, 1, 0, -1, "-1 positions"}, {0, 1, 1, 20, "20 positions from 1"}, {0, 1, 21, 0, "from 21"},
                      {0, 1, INT32_MAX, INT32_MAX, "a strip has 20"}};
        for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
            EXPECT_ERR(be->ops->copy(be, copies[i].from, copies[i].to, copies[i].first, copies[i].n), GLIMPSE_E_INVALID,
                       copies[i].says);
        EXPECT_OK(be->ops->copy(be, 0, 1, 0, 20));
        EXPECT_OK(be->ops->copy(be, 0, 1, 20, 0));
        be->ops->close(be);
        both[b]->close(NULL);
    }
    tiny_free(&m);
}

TEST(kernels_plans_that_do_not_fit) {
    shape s = SHAPE_GPT2;
    tiny m;
    tiny_build(&m, &s, 1);
    plan good = m.p;
    phase keep[64];
    memcpy(keep, m.phases, sizeof keep);
#define REFUSED(change, says)                                                                                          \
    do {                                                                                                               \
        backend_config cfg = {.threads = 1, .max_rows = 4, .max_logits = 2, .n_strips = 4, .strip_tokens = 20, .isa = NULL};                                                                   \
        change;                                                                                                        \
        for (int b = 0; b < 2; b++) {                                                                                  \
            backend *be = NULL;                                                                                        \
            EXPECT_ERR(both[b]->open(&be, &m.p, &cfg), GLIMPSE_E_INVALID, says);                                       \
            EXPECT(be == NULL);                                                                                        \
        }                                                                                                              \
        m.p = good;                                                                                                    \
        memcpy(m.phases, keep, sizeof keep);                                                                           \
    } while (0)
    phase *ph = m.phases;
    REFUSED(ph[1].part[0].cols = 61, "phase 1");
    REFUSED(ph[1].part[0].rows--; ph[1].bias[0].data = NULL, "179 rows, 180");
    REFUSED(ph[1].part[0].data = NULL, "absent");
    REFUSED(ph[1].part[0].dtype = (glimpse_dtype)9, "dtype");
    REFUSED(ph[1].part[0].row_stride = INT64_MAX / 2, "strides");
    REFUSED(ph[1].part[0].row_stride = -1, "strides");
    REFUSED(ph[1].bias[0].n = 3, "bias");
    REFUSED(ph[1].n_parts = 4, "parts");
    REFUSED(ph[1].heads = 6, "queries");
    REFUSED(ph[1].kv_heads = 2, "heads");
    REFUSED(ph[1].layer = 2, "layer 2");
    REFUSED(ph[1].norm.weight.n = 59, "norm");
    REFUSED(ph[1].rope = ((rope_spec){m.inv_freq, 22, false, 1, NULL, 0}), "rotated");
    REFUSED(ph[1].q_norm = ph[1].norm, "queries");
    REFUSED(ph[2].in = 8, "buffers");
    REFUSED(ph[2].out = -1, "buffers");
    REFUSED(ph[2].layer = 1, "no keys");
    REFUSED(ph[2].head_size = 10; ph[2].heads = 6; ph[2].kv_heads = 6, "no keys");
    REFUSED(ph[3].post_norm.on = true; ph[3].post_norm.kind = (glimpse_norm)2, "kind");
    REFUSED(ph[4].store = (matmul_store)7, "store");
    REFUSED(ph[4].store = STORE_GATED, "rows");
    REFUSED(ph[4].activation = (glimpse_activation)4, "activation");
    REFUSED(ph[6].layer = 0, "both store");
    REFUSED(ph[0].embedding.rows = 50, "embedding");
    REFUSED(ph[0].kind = (phase_kind)11, "kind");
    REFUSED(m.p.vocab = 0, "plan");
    REFUSED(m.p.n_buffers = 9, "plan");
    REFUSED(m.p.width[2] = 0, "wide");
    REFUSED(cfg.threads = 0, "threads");
    REFUSED(cfg.n_strips = 0, "strips");
    REFUSED(cfg.max_rows = -5, "rows");
    REFUSED(cfg.strip_tokens = INT32_MAX, "more than");
    tiny_free(&m);
}

TEST(kernels_memory_that_is_not_there) {
    if (test_is_slow_build()) SKIP("a sanitizer's allocator ends the process where malloc returns NULL");
    shape s = SHAPE_GPT2;
    tiny m;
    tiny_build(&m, &s, 1);
    for (int b = 0; b < 2; b++) { /* 2^26 strips of 2^26 tokens: beyond any address */
        backend_config cfg = {.threads = 1, .max_rows = 4, .max_logits = 2, .n_strips = 1 << 26, .strip_tokens = 1 << 26, .isa = NULL};
        backend *be = NULL;
        EXPECT_ERR(both[b]->open(&be, &m.p, &cfg), GLIMPSE_E_MEMORY, "");
        EXPECT(be == NULL);
    }
    backend_config cfg = {.threads = 1, .max_rows = 4, .max_logits = 2, .n_strips = 1 << 20, .strip_tokens = 1 << 20, .isa = NULL}; /* fits a size_t, no machine has it */
    backend *be = NULL;
    EXPECT_ERR(backend_cpu.open(&be, &m.p, &cfg), GLIMPSE_E_MEMORY, "bytes of the key cache");
    cfg = (backend_config){.threads = 1, .max_rows = 4, .max_logits = 2, .n_strips = 1, .strip_tokens = 20, .isa = "sse9"};
    EXPECT_ERR(backend_cpu.open(&be, &m.p, &cfg), GLIMPSE_E_INVALID, "sse9");
    EXPECT(be == NULL);
    tiny_free(&m);
}

/* Whichever allocation fails, open says so, leaks nothing (the sanitizer looks) and the next open works. */
TEST(kernels_any_allocation_may_fail) {
    shape s = SHAPE_GPT2;
    s.transposed = s.post_norm = true;
    s.rope_dims = 4;
    tiny m;
    tiny_build(&m, &s, 1);
    for (int b = 0; b < 2; b++) {
        backend_config cfg = {.threads = 2, .max_rows = 4, .max_logits = 2, .n_strips = 4, .strip_tokens = 20, .isa = NULL};
        for (long n = 1;; n++) {
            backend *be = NULL;
            test_fail_alloc(n);
            glimpse_status st = both[b]->open(&be, &m.p, &cfg);
            if (test_fail_alloc(0) < n && st == GLIMPSE_OK) {
                EXPECT_LT(5, n);
                both[b]->close(be);
                break;
            }
            if (st == GLIMPSE_OK) both[b]->close(be); /* the pool lives with fewer threads */
            else EXPECT_ERR(st, GLIMPSE_E_MEMORY, "memory");
            if (!EXPECT_LT(n, 1000)) break;
        }
    }
    tiny_free(&m);
}
