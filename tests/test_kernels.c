/* test_kernels.c -- every descriptor of a plan on the CPU, with each instruction set, against the reference in double:
 * awkward shapes, dtypes, layouts; NaN, infinities and one-hot rows.  Attention has test_kernels_attention.c. */
#include "tests/test_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/check.h"
#include "tests/oracle.h"
#include "tests/test.h"

/* A plan EMBED -> HEAD or EMBED -> one matmul -> HEAD(identity), whose inputs are the rows of `embedding`. */
static void one_matmul(tiny *m, const shape *s, phase ph, int rows, int in, int out) {
    bool head = ph.kind == PHASE_HEAD;
    m->phases[0] = (phase){.kind = PHASE_EMBED, .layer = -1, .out = 0, .embed_scale = 1};
    shape f32 = {.dtype = GLIMPSE_F32};
    m->phases[0].embedding = tiny_matrix(m, &f32, out > rows ? out : rows, in, 1);
    ph.in = 0;
    ph.out = 1;
    m->phases[1] = ph;
    if (!head) {
        m->phases[2] = (phase){.kind = PHASE_HEAD, .layer = -1, .in = 1, .n_parts = 1};
        m->phases[2].part[0] = tiny_identity(m, out);
    }
    m->p = (plan){.phases = m->phases, .n_phases = head ? 2 : 3, .n_buffers = 2, .width = {in, out}, .n_layers = 1,
                  .vocab = out};
    (void)s;
}

static void check_matmul(const shape *s, phase ph, int n_rows, int in, int y, int out, double tol, const char *what) {
    tiny m = {.random = (uint64_t)(in * 131 + y)};
    ph.n_parts = s->split ? 2 : 1;
    int64_t first = s->split ? (ph.store == STORE_GATED ? y / 2 : (y + 2) / 3) : y;
    ph.part[0] = tiny_matrix(&m, s, first, in, 1 / sqrt(in));
    ph.bias[0] = s->biases ? tiny_vector(&m, s, first, 0, 1) : (vector){0};
    if (s->split) {
        ph.part[1] = tiny_matrix(&m, s, y - first, in, 1 / sqrt(in));
        if (!s->biases) ph.bias[1] = tiny_vector(&m, s, y - first, 0, 1); /* one part with, one without */
    }
    one_matmul(&m, s, ph, n_rows, in, out);
    backend_row rows[128];
    for (int i = 0; i < n_rows; i++) rows[i] = (backend_row){i % out, 0, i, -1, 0, i % 7 != 3 || n_rows < 8, 0};
    expect_like_reference(&m.p, rows, n_rows, n_rows, 1, tol, what);
    tiny_free(&m);
}

TEST(kernels_matmul_shapes) {
    static const int shape_of[][3] = {{1, 1, 1}, {15, 3, 1}, {16, 4, 2}, {17, 5, 3}, {33, 1, 70}, {48, 64, 16},
                                      {50, 131, 5}, {100, 37, 49}, {128, 300, 6}, {7, 9, 97}, {257, 66, 11}};
    for (size_t i = 0; i < sizeof shape_of / sizeof *shape_of; i++)
        for (int d = 0; d < 3; d++)
            for (int layout = 0; layout < 4; layout++) {
                int k = shape_of[i][0], n = shape_of[i][1], r = shape_of[i][2];
                shape s = {.dtype = (glimpse_dtype)d, .transposed = layout == 1, .strided = layout == 2,
                           .split = layout == 3 && n > 3, .biases = layout != 3};
                char what[64];
                snprintf(what, sizeof what, "(%d, %d) x %d rows, dtype %d, layout %d", n, k, r, d, layout);
                check_matmul(&s, (phase){.kind = PHASE_MATMUL}, r, k, n, n, 4e-6, what);
                check_matmul(&s, (phase){.kind = PHASE_HEAD, .softcap = 1.5f}, r, k, n, n, 4e-6, what);
            }
}

TEST(kernels_activations_and_gates) {
    for (int a = 0; a < 4; a++)
        for (int gated = 0; gated < 2; gated++)
            for (int split = 0; split < 2; split++) {
                shape s = {.dtype = GLIMPSE_F32, .biases = true, .split = split};
                phase ph = {.kind = PHASE_MATMUL, .activate = !gated || split, .activation = (glimpse_activation)a,
                            .store = gated ? STORE_GATED : STORE_SET};
                char what[64];
                snprintf(what, sizeof what, "activation %d, gated %d, split %d", a, gated, split);
                for (int r = 1; r < 80; r += 26)
                    check_matmul(&s, ph, r, 40, gated ? 2 * 53 : 53, 53, 5e-6, what);
            }
}

TEST(kernels_norms) {
    static const int sizes[] = {1, 2, 15, 16, 20, 64, 100, 768};
    for (int kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int variant = 0; variant < 6; variant++) {
                tiny m = {.random = (uint64_t)(variant * 100 + kind)};
                int n = sizes[i];
                shape s = {.dtype = (glimpse_dtype)(variant % 3)};
                norm_spec norm = {.on = true, .kind = (glimpse_norm)kind, .eps = variant == 5 ? 0.1f : 1e-6f,
                                  .plus_one = variant == 3};
                if (variant != 1) norm.weight = tiny_vector(&m, &s, n, 1, 0.5);
                if (variant != 2) norm.bias = tiny_vector(&m, &s, n, 0, 0.5);
                phase ph = {.kind = PHASE_HEAD, .norm = norm, .n_parts = 1};
                if (variant >= 4) ph = (phase){.kind = PHASE_MATMUL, .post_norm = norm, .n_parts = 1,
                                               .store = variant == 4 ? STORE_SET : STORE_ADD};
                ph.part[0] = tiny_identity(&m, n);
                one_matmul(&m, &s, ph, 9, n, n);
                backend_row rows[9];
                for (int r = 0; r < 9; r++) rows[r] = (backend_row){r % n, 0, r, -1, 0, 1, 0};
                char what[64];
                snprintf(what, sizeof what, "norm %d of %d, variant %d", kind, n, variant);
                /* n = 1 and 2: the variance may be all cancellation, eps then decides */
                expect_like_reference(&m.p, rows, 9, 9, 1, n <= 2 ? 1e-3 : 6e-6, what);
                tiny_free(&m);
            }
}

TEST(kernels_store_add_accumulates) { /* residual: EMBED -> ADD into the same buffer, in place */
    shape s = {.dtype = GLIMPSE_F32, .biases = true};
    tiny m = {.random = 5};
    int n = 37;
    phase ph = {.kind = PHASE_MATMUL, .store = STORE_ADD, .n_parts = 1, .in = 0, .out = 0};
    ph.part[0] = tiny_matrix(&m, &s, n, n, 0.1);
    one_matmul(&m, &s, ph, n, n, n);
    m.phases[1].out = 0;
    m.phases[2].in = 0;
    backend_row rows[20];
    for (int r = 0; r < 20; r++) rows[r] = (backend_row){r, 0, r, -1, 0, 1, 0};
    expect_like_reference(&m.p, rows, 20, 20, 1, 4e-6, "x += W x");
    tiny_free(&m);
}

/* What is not finite goes where IEEE arithmetic takes it: rows of NaN, infinities, all -inf, one-hot; and weights. */
TEST(kernels_numbers_that_are_not_finite) {
    enum { K = 50, N = 21, R = 8 };
    for (int where = 0; where < 3; where++)
        for (int d = 0; d < 3; d++)
            for (int act = 0; act < 5; act++)
                for (int kind = -1; kind < 2; kind++) {
                    tiny m = {.random = 77};
                    shape s = {.dtype = (glimpse_dtype)d};
                    phase ph = {.kind = PHASE_HEAD, .n_parts = 1, .activate = act < 4,
                                .activation = (glimpse_activation)(act & 3), .softcap = act == 4 ? 3.0f : 0};
                    if (kind >= 0) ph.norm = (norm_spec){.on = true, .kind = (glimpse_norm)kind, .eps = 1e-5f};
                    ph.part[0] = tiny_matrix(&m, &s, N, K, 0.2);
                    one_matmul(&m, &s, ph, R, K, N);
                    float *x = (float *)(uintptr_t)m.phases[0].embedding.data;
                    for (int i = 0; i < K; i++) x[3 * K + i] = -INFINITY, x[4 * K + i] = i == 17;
                    x[0 * K + 49] = NAN;
                    x[1 * K + 3] = INFINITY;
                    x[2 * K + 48] = -INFINITY;
                    for (int i = 0; i < K; i++) x[5 * K + i] *= 1e30f;
                    if (where) { /* weights: +inf or NaN in row 2, in each dtype's own bits */
                        static const uint16_t inf[3] = {0, 0x7f80, 0x7c00}, nan[3] = {0, 0x7fc1, 0x7e01};
                        void *w = (void *)(uintptr_t)ph.part[0].data;
                        if (d == 0) ((float *)w)[2 * K + 49] = where == 1 ? INFINITY : NAN;
                        else ((uint16_t *)w)[2 * K + 49] = where == 1 ? inf[d] : nan[d];
                    }
                    backend_row rows[R];
                    for (int r = 0; r < R; r++) rows[r] = (backend_row){r, 0, r, -1, 0, 1, 0};
                    /* 1e30 squared overflows f32 in a norm and not in double: that row is left to itself there */
                    if (kind >= 0 || act < 4) rows[5].want_logits = 0;
                    char what[64];
                    snprintf(what, sizeof what, "place %d, dtype %d, activation %d, norm %d", where, d, act, kind);
                    expect_like_reference(&m.p, rows, R, R, 1, 6e-6, what);
                    tiny_free(&m);
                }
}

/* Whole models with every option drawn at random. */
TEST(kernels_random_models) {
    uint64_t random = 2024;
    int n_models = test_is_full() ? 200 : test_is_slow_build() ? 12 : 40;
    for (int i = 0; i < n_models; i++) {
        static const int hds[] = {4, 8, 20, 16, 64, 6};
#define PICK(n) ((int)(oracle_random(&random) % (n)))
        shape s = SHAPE_GPT2;
        s.layers = 1 + PICK(3);
        s.kv_heads = 1 + PICK(3);
        s.heads = s.kv_heads * (1 + PICK(5));
        s.hd = hds[PICK(6)];
        s.channels = 1 + PICK(90);
        s.ffn = 1 + PICK(150);
        s.vocab = 1 + PICK(90);
        s.tokens = 1 + PICK(80);
        s.dtype = (glimpse_dtype)PICK(3);
        s.transposed = PICK(3) == 0;
        s.strided = PICK(4) == 0 && !s.transposed;
        s.norm = (glimpse_norm)PICK(2);
        s.plus_one = PICK(2);
        s.biases = PICK(2);
        s.gated = PICK(2);
        s.qk_norm = PICK(2);
        s.post_norm = PICK(2);
        s.learned = PICK(2);
        s.split = PICK(2);
        s.activation = (glimpse_activation)PICK(4);
        s.rope_dims = PICK(2) ? 2 * (1 + PICK(s.hd / 2)) : 0;
        s.interleaved = PICK(2);
        s.rope_scale = PICK(2) ? 1 : 1.2f;
        s.scale = 0.1f + 0.1f * (float)PICK(5);
        s.softcap = PICK(3) ? 0 : 5;
        s.logit_softcap = PICK(3) ? 0 : 3;
        s.embed_scale = PICK(2) ? 1 : 2.5f;
        s.window = PICK(2) ? 0 : 1 + PICK(20);
        s.grouped = PICK(2);
        s.far = PICK(2);
        int32_t reach = PICK(2) ? s.tokens / 2 : s.tokens / 2 + 1;
        tiny m;
        tiny_build(&m, &s, oracle_random(&random));
        backend_row rows[80];
        for (int r = 0; r < s.tokens; r++) rows[r] = (backend_row){PICK(s.vocab), r, 1, -1, 0, PICK(3) > 0, reach};
        char what[32];
        snprintf(what, sizeof what, "model %d", i);
        expect_like_reference(&m.p, rows, s.tokens, 2, s.tokens, 2e-4, what);
        tiny_free(&m);
#undef PICK
    }
}

TEST(kernels_refresh_sees_new_weights) { /* in every layout, without a new open */
    for (int layout = 0; layout < 3; layout++) {
        shape s = SHAPE_GPT2;
        s.transposed = layout == 1;
        s.strided = layout == 2;
        tiny m, other;
        tiny_build(&m, &s, 3);
        tiny_build(&other, &s, 4);
        backend_row rows[5];
        rows_of(rows, (int32_t[]){1, 2, 3, 4, 5}, 5, 0, 0);
        float before[5 * 51], after[5 * 51], fresh[5 * 51];
        backend_config cfg = {.threads = 2, .max_rows = 5, .max_logits = 5, .n_strips = 1, .strip_tokens = 96, .isa = NULL};
        backend *be = NULL;
        REQUIRE_OK(backend_cpu.open(&be, &m.p, &cfg));
        run_rows_on(be, &m.p, rows, 5, before); /* without a refresh: the first forward does it */
        for (int i = 0; i < m.n_memory; i++) { /* the same allocations in the same order */
            size_t rows_bytes = 0;
            for (int j = 0; j < m.p.n_phases; j++) {
                const phase *a = &m.phases[j];
                for (int k = 0; k < PLAN_MAX_PARTS; k++) {
                    if (a->part[k].data == m.memory[i])
                        rows_bytes = (size_t)((a->part[k].rows - 1) * a->part[k].row_stride +
                                              (a->part[k].cols - 1) * a->part[k].col_stride + 1) * 4;
                    if (a->bias[k].data == m.memory[i]) rows_bytes = (size_t)a->bias[k].n * 4;
                }
                if (a->norm.weight.data == m.memory[i] || a->norm.bias.data == m.memory[i])
                    rows_bytes = (size_t)a->norm.weight.n * 4;
                if (a->positions.data == m.memory[i]) rows_bytes = 0;
            }
            memcpy(m.memory[i], other.memory[i], rows_bytes);
        }
        memcpy((void *)(uintptr_t)m.phases[0].positions.data, other.phases[0].positions.data, 4);
        EXPECT_OK(be->ops->refresh(be));
        run_rows_on(be, &m.p, rows, 5, after);
        run_once(&backend_reference, &m.p, NULL, 1, rows, 5, 1, 96, fresh);
        expect_close(after, fresh, 5 * 51, 1e-4, "after a refresh");
        EXPECT(memcmp(before, after, sizeof before) != 0);
        backend_cpu.close(be);
        tiny_free(&m);
        tiny_free(&other);
    }
}
