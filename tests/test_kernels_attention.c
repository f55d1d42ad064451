/* test_kernels_attention.c -- the cache: prefixes shared or copied, cached or not, windows, groups of heads, and numbers
 * that are not finite; against the reference in double and, where the contract says so, bitwise. */
#include "tests/test_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle.h"
#include "tests/test.h"

static void random_ids(int32_t *ids, int n, int vocab, uint64_t seed) {
    for (int i = 0; i < n; i++) ids[i] = (int32_t)(oracle_random(&seed) % (uint64_t)vocab);
}

/* Shapes: plain; grouped heads 8:2; one head; windows and softcap with rope; large and odd head sizes. */
static int attention_shapes(shape *out) {
    shape s = SHAPE_GPT2;
    out[0] = s;
    s.heads = 8, s.kv_heads = 2, s.hd = 16, s.rope_dims = 16, s.learned = false, s.qk_norm = true;
    out[1] = s;
    s.heads = 1, s.kv_heads = 1, s.hd = 80, s.rope_dims = 20, s.window = 7, s.softcap = 4, s.interleaved = true;
    out[2] = s;
    s = (shape)SHAPE_GPT2;
    s.heads = 4, s.kv_heads = 1, s.hd = 64, s.window = 33, s.dtype = GLIMPSE_BF16;
    out[3] = s;
    s = (shape)SHAPE_GPT2;
    s.heads = 40, s.kv_heads = 1, s.hd = 8, s.rope_dims = 4; /* more heads than a task holds queries */
    out[4] = s;
    return 5;
}

static backend *open_cpu(const plan *p, const char *isa, int threads, int strips) {
    backend_config cfg = {.threads = threads, .max_rows = 96, .max_logits = 96, .n_strips = strips, .strip_tokens = 96, .isa = isa};
    backend *be = NULL;
    if (!EXPECT_OK(backend_cpu.open(&be, p, &cfg))) return NULL;
    if (!EXPECT_OK(be->ops->refresh(be))) return backend_cpu.close(be), NULL;
    return be;
}

TEST(kernels_attention_like_reference) {
    shape shapes[5];
    int n = attention_shapes(shapes);
    for (int i = 0; i < n; i++) {
        tiny m;
        tiny_build(&m, &shapes[i], 9);
        int32_t ids[96];
        random_ids(ids, 96, m.p.vocab, 4);
        backend_row rows[96];
        char what[32];
        snprintf(what, sizeof what, "attention shape %d", i);
        rows_of(rows, ids, 96, 0, 0);
        expect_like_reference(&m.p, rows, 96, 1, 96, 1e-4, what);
        tiny_free(&m);
    }
}

/* One token a step from the cache, a few at a time, or all in one run: the same bits. */
TEST(kernels_cached_equals_uncached) {
    shape shapes[5];
    int n_shapes = attention_shapes(shapes);
    for (int i = 0; i < n_shapes; i++) {
        enum { N = 60 };
        tiny m;
        tiny_build(&m, &shapes[i], 10);
        int V = m.p.vocab;
        int32_t ids[N];
        random_ids(ids, N, V, 5);
        backend_row rows[N];
        float *whole = calloc((size_t)(N * V), 4), *steps = calloc((size_t)(N * V), 4);
        backend *be = open_cpu(&m.p, NULL, 2, 3);
        REQUIRE(be);
        rows_of(rows, ids, N, 0, 0);
        run_rows_on(be, &m.p, rows, N, whole);
        for (int t = 0; t < N; t++) {
            rows_of(rows, ids + t, 1, t, 1);
            run_rows_on(be, &m.p, rows, 1, steps + t * V);
        }
        EXPECT_MEM(steps, whole, (size_t)(N * V) * 4);
        memset(steps, 0, (size_t)(N * V) * 4);
        for (int t = 0, part = 1; t < N; t += part, part = part * 2 < N - t ? part * 2 : N - t) {
            if (t + part > N) part = N - t;
            rows_of(rows, ids + t, part, t, 2);
            run_rows_on(be, &m.p, rows, part, steps + t * V);
            if (t + part >= N) break;
        }
        EXPECT_MEM(steps, whole, (size_t)(N * V) * 4);
        backend_cpu.close(be);
        free(whole);
        free(steps);
        tiny_free(&m);
    }
}

/* Samples over a shared prefix strip give the bits of samples that hold the whole text in their own strip, and the
 * reference's numbers; with groups of every size and neighbours that share nothing. */
TEST(kernels_shared_prefix) {
    shape shapes[5];
    int n_shapes = attention_shapes(shapes);
    static const int prefixes[] = {1, 15, 16, 37};
    for (int i = 0; i < n_shapes; i++)
        for (int j = 0; j < 4; j++) {
            enum { SAMPLES = 18, OWN = 5 };
            int P = prefixes[j];
            tiny m;
            tiny_build(&m, &shapes[i], 11);
            int V = m.p.vocab;
            int32_t prompt[64], own[SAMPLES * OWN];
            random_ids(prompt, P, V, 6);
            random_ids(own, SAMPLES * OWN, V, 7);
            backend_config cfg = {.threads = 2, .max_rows = 96, .max_logits = 96, .n_strips = 1 + 2 * SAMPLES, .strip_tokens = 96, .isa = NULL};
            backend *be = NULL, *ref = NULL;
            REQUIRE_OK(backend_cpu.open(&be, &m.p, &cfg));
            REQUIRE_OK(backend_reference.open(&ref, &m.p, &cfg));
            size_t bytes = (size_t)(96 * V) * 4;
            float *a = calloc(1, bytes), *b = calloc(1, bytes), *c = calloc(1, bytes);
            backend_row rows[96];
            rows_of(rows, prompt, P, 0, 0);
            run_rows_on(be, &m.p, rows, P, a);
            run_rows_on(ref, &m.p, rows, P, a);
            for (int s = 0; s < SAMPLES; s++) { /* the same text in strips SAMPLES + 1 + s, on their own */
                rows_of(rows, prompt, P, 0, 1 + SAMPLES + s);
                run_rows_on(be, &m.p, rows, P, a);
            }
            for (int t = 0; t < OWN; t++) {
                int n = 0;
                for (int s = 0; s < SAMPLES; s++) /* every third sample shares nothing */
                    rows[n++] = s % 3 == 2 ? (backend_row){own[s * OWN + t], P + t, 1 + SAMPLES + s, -1, 0, 1, 0}
                                           : (backend_row){own[s * OWN + t], P + t, 1 + s, 0, P, 1, 0};
                run_rows_on(be, &m.p, rows, n, a);
                for (int s = 0; s < SAMPLES; s++) rows[s].strip = 1 + SAMPLES + s, rows[s].prefix_tokens = 0;
                run_rows_on(be, &m.p, rows, n, b);
                EXPECT_MEM(a, b, (size_t)(n * V) * 4);
                for (int s = 0; s < SAMPLES; s++) rows[s].strip = 1 + s, rows[s].prefix_tokens = P, rows[s].prefix_strip = 0;
                run_rows_on(ref, &m.p, rows, n, c);
                expect_close(a, c, (int64_t)n * V, 2e-4, "shared prefix");
            }
            backend_cpu.close(be);
            backend_reference.close(ref);
            free(a), free(b), free(c);
            tiny_free(&m);
        }
}

/* Two beams that part at position AT; the second takes over what the first did since: only the positions from AT on are
 * copied, and both go on with the same bits, beside a prefix strip or without; the first one's strip is as it was, and a
 * position that was not copied stays the other beam's. */
TEST(kernels_copy_positions) {
    enum { P = 9, N = 17, AT = 6 };
    static const backend_ops *const both[] = {&backend_cpu, &backend_reference};
    shape shapes[5];
    int n_shapes = attention_shapes(shapes);
    for (int i = 0; i < n_shapes; i++)
        for (int b = 0; b < 4; b++) {
            tiny m;
            tiny_build(&m, &shapes[i], 12);
            int V = m.p.vocab, prefix = b >= 2 ? P : 0, first = b >= 2 ? P : 0;
            backend_config cfg = {.threads = 2, .max_rows = 96, .max_logits = 96, .n_strips = 4, .strip_tokens = 96};
            backend *be = NULL;
            int32_t ids[P + N + 1], other[P + N + 1];
            backend_row rows[96];
            float *a = calloc((size_t)(96 * V), 4), *c = calloc((size_t)(96 * V), 4), *d = calloc((size_t)(96 * V), 4);
            random_ids(ids, P + N + 1, V, 8);
            random_ids(other, P + N + 1, V, 9);
            memcpy(other, ids, (size_t)(first + AT) * sizeof *ids);
            REQUIRE_OK(both[b % 2]->open(&be, &m.p, &cfg));
            REQUIRE_OK(be->ops->refresh(be));
            rows_of(rows, ids, P, 0, 0);
            run_rows_on(be, &m.p, rows, P, a);
            for (int s = 1; s <= 2; s++) {
                rows_of(rows, (s == 1 ? ids : other) + first, N, first, s);
                for (int t = 0; t < N; t++) rows[t].prefix_tokens = prefix, rows[t].prefix_strip = prefix ? 0 : -1;
                run_rows_on(be, &m.p, rows, N, a);
            }
            backend_row next[2] = {{ids[P + N], first + N, 1, prefix ? 0 : -1, prefix, 1, 0},
                                   {ids[P + N], first + N, 2, prefix ? 0 : -1, prefix, 1, 0}};
            run_rows_on(be, &m.p, next, 2, a);
            EXPECT(memcmp(a, a + V, (size_t)V * 4) != 0);
            EXPECT_OK(be->ops->copy(be, 1, 2, first + AT, N - AT - 1)); /* one too few: not yet the same */
            run_rows_on(be, &m.p, next, 2, c);
            EXPECT(memcmp(c, c + V, (size_t)V * 4) != 0 && memcmp(c + V, a + V, (size_t)V * 4) != 0);
            EXPECT_OK(be->ops->copy(be, 1, 2, first + N - 1, 1));
            EXPECT_OK(be->ops->copy(be, 2, 1, 0, 0));
            run_rows_on(be, &m.p, next, 2, d);
            EXPECT_MEM(d, a, (size_t)V * 4);
            EXPECT_MEM(d + V, a, (size_t)V * 4);
            be->ops->close(be);
            free(a), free(c), free(d);
            tiny_free(&m);
        }
}

/* A score of +inf or NaN, all scores -inf, a value that is not finite: keys and values set through the weights of one
 * token's embedding.  Rows that cannot see that token stay finite. */
TEST(kernels_attention_not_finite) {
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    shape shapes[5];
    attention_shapes(shapes);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
            if (shapes[j].dtype != GLIMPSE_F32) continue;
            tiny m;
            shapes[j].layers = 1;
            shapes[j].window = 12;
            tiny_build(&m, &shapes[j], 12);
            /* no norm in front, so that only this token's keys and values are touched */
            m.phases[1].norm.on = false;
            ((float *)(uintptr_t)m.phases[0].embedding.data)[5 * m.p.channels + 2] = bad[i];
            int32_t ids[40] = {0};
            random_ids(ids, 40, 4, 3);
            ids[20] = 5;
            backend_row rows[40];
            rows_of(rows, ids, 40, 0, 0);
            expect_like_reference(&m.p, rows, 40, 1, 96, 1e-4, "attention over what is not finite");
            float logits[40 * 51];
            run_once(&backend_cpu, &m.p, NULL, 1, rows, 40, 1, 96, logits);
            EXPECT(isfinite(logits[19 * 51]) && !isfinite(logits[20 * 51]) && isfinite(logits[32 * 51]));
            tiny_free(&m);
        }
}

/* All scores of a row -inf: softmax is NaN in the reference and here; one score above the rest: one-hot. */
TEST(kernels_attention_extreme_scores) {
    for (int mode = 0; mode < 3; mode++) {
        shape s = SHAPE_GPT2;
        s.layers = 1;
        tiny m;
        tiny_build(&m, &s, 13);
        m.phases[2].scale = mode == 0 ? 1e4f : mode == 1 ? INFINITY : -1e30f;
        int32_t ids[30];
        random_ids(ids, 30, 51, 8);
        backend_row rows[30];
        rows_of(rows, ids, 30, 0, 0);
        expect_like_reference(&m.p, rows, 30, 1, 96, 1e-2, mode == 0 ? "one-hot" : "infinite scores");
        tiny_free(&m);
    }
}
