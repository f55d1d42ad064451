/* test_cuda_planes.c -- rows that one product alone reads are brought to planes by whatever writes them: no launch stands between
 * the two, and a row's bits are those that it has alone, where the product brings it to planes itself. */
#include "tests/test_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/emu.h"
#include "tests/test.h"

extern const backend_ops backend_cuda;
extern int32_t cuda_decode_blocks(const backend *be);

enum { MOST = 64, PREFIX = 70, STRIP = 80, IDS = 51 };

static void no_problem(const char *what) {
    const char *p = emu_problem();
    test_check(!p, __FILE__, __LINE__, "%s: %s", what, p ? p : "");
}

static void expect_launches(long before, long want, const char *what) {
    if (!emu_is_chip()) test_check(emu_launches() - before == want, __FILE__, __LINE__, "%s: %ld launches, not %ld", what, emu_launches() - before, want);
}

/* === Models ====================================================================================================== */

#define LLAMA                                                                                                          \
    { .layers = 2, .heads = 4, .kv_heads = 2, .hd = 16, .channels = 64, .ffn = 40, .vocab = 51, .tokens = 96,          \
      .norm = GLIMPSE_RMSNORM, .gated = true, .activation = GLIMPSE_SILU, .split = true, .rope_dims = 16,              \
      .rope_scale = 1, .scale = 0.25f, .embed_scale = 1 }

typedef struct variant {
    const char *name;
    shape s;
    bool parallel;          /* the feed-forward reads x before attention was added to it */
    int ends;               /* launches a layer behind products: norms over heads or whole rows */
} variant;

static int variants(variant *to) {
    shape gpt2 = SHAPE_GPT2, llama = LLAMA, odd = LLAMA, gemma = LLAMA;
    odd.heads = odd.kv_heads = 7, odd.hd = 9, odd.rope_dims = 6, odd.interleaved = true, odd.ffn = 77, odd.qk_norm = true;
    gemma.post_norm = true, gemma.plus_one = true, gemma.heads = 12, gemma.kv_heads = 1, gemma.activation = GLIMPSE_GELU_TANH;
    to[0] = (variant){"GPT-2", gpt2, false, 0};
    to[1] = (variant){"Llama", llama, false, 0};
    to[2] = (variant){"NeoX", gpt2, true, 0};
    to[3] = (variant){"odd widths", odd, false, 1};
    to[4] = (variant){"Gemma", gemma, false, 2};
    return 5;
}

static void build(tiny *m, const variant *v, glimpse_dtype dtype) {
    shape s = v->s;
    s.dtype = dtype;
    tiny_build(m, &s, 5);
    for (int l = 0; l < s.layers && v->parallel; l++) { /* qkv, attend, out and up: as forward.c has them then */
        phase *out = &m->phases[1 + 5 * l + 2], keep = *out;
        out[0] = out[1];
        out[1] = keep;
    }
}

/* Rows behind a prefix that they share, every fourth without it. */
static backend_row row_of(int i, int step) {
    const bool shared = i % 4 != 3;
    return (backend_row){(i * 13 + step * 5 + 2) % IDS, (shared ? PREFIX : 0) + step, i, shared ? MOST : -1, shared ? PREFIX : 0, 1, STRIP};
}

static backend *open_one(const plan *p, decode_way decode) {
    backend_config cfg = {.threads = 1, .max_rows = MOST, .max_logits = MOST, .n_strips = MOST + 1, .strip_tokens = STRIP, .decode = decode};
    backend *be = NULL;
    backend_row rows[PREFIX];
    int32_t ids[PREFIX];
    const float *logits;
    int64_t stride;
    if (!EXPECT_OK(backend_cuda.open(&be, p, &cfg))) return NULL;
    EXPECT_OK(be->ops->refresh(be));
    for (int i = 0; i < PREFIX; i++) ids[i] = (i * 11 + 1) % IDS;
    for (int at = 0; at < PREFIX; at += 35) {
        rows_of(rows, ids + at, 35, at, MOST);
        for (int i = 0; i < 35; i++) rows[i].want_logits = 0;
        EXPECT_OK(be->ops->forward(be, rows, 35, &logits, &stride));
    }
    return be;
}

/* A pass over many rows: five products and attention a layer, planes made by launches of their own for the two that have a norm. */
static void check_forward(const variant *v, glimpse_dtype dtype) {
    static const int batches[] = {17, 33, MOST}, picked[] = {0, 3, 16, 32, 41, 63};
    static float many[3][MOST * IDS], alone[IDS];
    const long layers = v->s.layers;
    char what[64];
    tiny m;
    build(&m, v, dtype);
    backend *be = open_one(&m.p, DECODE_GRAPH);
    REQUIRE(be);
    for (int step = 0; step < 2; step++) {
        backend_row rows[MOST];
        for (int b = 0; b < 3; b++) {
            snprintf(what, sizeof what, "%s, dtype %d, %d rows", v->name, (int)dtype, batches[b]);
            emu_schedule((b + step) % 3, (uint64_t)b);
            for (int i = 0; i < batches[b]; i++) rows[i] = row_of(i, step);
            const long before = emu_launches();
            run_rows_on(be, &m.p, rows, batches[b], many[b]);
            expect_launches(before, layers * (7 + v->ends) + 3, what);
        }
        for (size_t k = 0; k < sizeof picked / sizeof *picked; k++) {
            rows[0] = row_of(picked[k], step);
            const long before = emu_launches();
            run_rows_on(be, &m.p, rows, 1, alone);
            expect_launches(before, layers * (5 + v->ends) + 2, v->name);
            for (int b = 0; b < 3; b++) {
                if (picked[k] >= batches[b]) continue;
                test_check(!memcmp(many[b] + picked[k] * IDS, alone, sizeof alone), __FILE__, __LINE__, "%s, dtype %d: row %d of %d is another",
                           v->name, (int)dtype, picked[k], batches[b]);
            }
        }
    }
    be->ops->close(be);
    no_problem(v->name);
    EXPECT_EQ(emu_device_bytes(), 0);
    tiny_free(&m);
}

TEST_LIMIT(cuda_planes_of_many_rows, 300) {
    variant all[5];
    const int n = variants(all);
    for (int i = 0; i < n; i++)
        for (int d = 0; d < 3; d++)
            if (test_is_full() || i < 2 || d == i % 3) check_forward(&all[i], (glimpse_dtype)d);
}

/* === Bursts ====================================================================================================== */

typedef struct drawn {
    int32_t n[MOST];
    burst_token tokens[MOST * BURST_MAX_STEPS];
} drawn;

/* Sequences first .. first + n - 1, or with `only` that one alone; the number of launches. */
static long burst(backend *be, int first, int n, int steps, drawn *out) {
    static int32_t seen[MOST][PREFIX + BURST_MAX_STEPS];
    static const burst_op warm = {BURST_TEMPERATURE, {1.3}};
    burst_row rows[MOST];
    for (int i = 0; i < n; i++) {
        rows[i] = (burst_row){.row = row_of(first + i, 0), .key = (uint64_t)(first + i) * 7919 + 1, .steps = steps, .eos = -1, .n_ops = 1,
                              .seen = seen[i], .n_seen = 1};
        rows[i].ops[0] = warm;
    }
    memset(out, 0, sizeof *out);
    burst_request rq = {rows, n, 0, out->tokens, NULL, out->n, 0};
    const long before = emu_launches();
    EXPECT_OK(be->ops->burst(be, &rq));
    return emu_launches() - before;
}

static void expect_drawn(const drawn *many, int i, const drawn *alone, const char *what) {
    test_check(many->n[i] == alone->n[0] && !memcmp(many->tokens + i * BURST_MAX_STEPS, alone->tokens, (size_t)alone->n[0] * sizeof *alone->tokens),
               __FILE__, __LINE__, "%s: sequence %d drew other tokens than alone", what, i);
}

/* As graphs, rows that are not active among them. */
TEST_LIMIT(cuda_planes_in_bursts, 300) {
    static const int batches[] = {17, 33, MOST}, picked[] = {0, 3, 16, 32, 63};
    static drawn many, alone;
    enum { STEPS = 3 };
    variant all[5];
    variants(all);
    for (int i = 0; i < 4; i++) {
        const variant *v = &all[i % 2];
        const glimpse_dtype dtype = i < 2 ? GLIMPSE_BF16 : GLIMPSE_F32;
        tiny m;
        build(&m, v, dtype);
        backend *be = open_one(&m.p, i % 2 ? DECODE_PERSISTENT : DECODE_GRAPH);
        REQUIRE(be);
        for (int b = 0; b < 3; b++) {
            burst(be, 0, batches[b], STEPS, &many); /* which captures the step */
            const long launches = burst(be, 0, batches[b], STEPS, &many);
            EXPECT_EQ(cuda_decode_blocks(be), 0);
            if (!emu_is_chip()) EXPECT_EQ(launches, STEPS * (v->s.layers * 7 + 4));
            for (size_t k = 0; k < sizeof picked / sizeof *picked; k++) {
                if (picked[k] >= batches[b]) continue;
                burst(be, picked[k], 1, STEPS, &alone);
                EXPECT_EQ(alone.n[0], STEPS);
                expect_drawn(&many, picked[k], &alone, v->name);
            }
        }
        be->ops->close(be);
        no_problem(v->name);
        tiny_free(&m);
    }
}

/* Few rows whose planes do not fit beside the products: in the kernel that stays every phase that there is not is a wait less. */
TEST_LIMIT(cuda_planes_in_the_kernel_that_stays, 300) {
    static drawn by[2], alone;
    enum { ROWS = 16, STEPS = 2 };
    for (int round = 0; round < 4; round++) {
        shape gpt2 = SHAPE_GPT2, llama = LLAMA;
        variant v = {round % 2 ? "Llama" : "GPT-2", round % 2 ? llama : gpt2, false, 0};
        tiny m;
        const int phases = 5 + 3 + (round == 2); /* queries, keys and values in f32 are cuda_many.cu's */
        v.s.layers = 1, v.s.heads = 5, v.s.kv_heads = round % 2 ? 1 : 5, v.s.hd = 250, v.s.ffn = 1290;
        build(&m, &v, round < 2 ? GLIMPSE_BF16 : GLIMPSE_F32);
        for (int way = 0; way < 2; way++) {
            emu_schedule((round + way) % 3, (uint64_t)round);
            backend *be = open_one(&m.p, way ? DECODE_PERSISTENT : DECODE_GRAPH);
            REQUIRE(be);
            burst(be, 0, ROWS, STEPS, &by[way]);
            const long arrivals = emu_arrivals(), launches = burst(be, 0, ROWS, STEPS, &by[way]);
            EXPECT_EQ(cuda_decode_blocks(be) > 0, way);
            if (!emu_is_chip()) {
                EXPECT_EQ(launches, way ? 1 : STEPS * phases);
                EXPECT_EQ(emu_arrivals() - arrivals, way ? STEPS * phases * 4 : 0); /* each of the four blocks in each phase */
            }
            for (int i = 0; i < ROWS; i += 5) {
                burst(be, i, 1, STEPS, &alone);
                expect_drawn(&by[way], i, &alone, v.name);
            }
            be->ops->close(be);
        }
        EXPECT_MEM(by[1].tokens, by[0].tokens, sizeof by[0].tokens);
        no_problem(v.name);
        tiny_free(&m);
    }
}

/* === Who reads what ============================================================================================== */

typedef struct edge { int in, out, store; bool norm, post; } edge;
#define SETS(in, out) {in, out, STORE_SET, false, false}

/* Only where one product without a norm reads what is written, and in planes: otherwise as it ever was. */
TEST(cuda_planes_for_an_only_reader) {
    static const struct { const char *what; int n, head, many, few; edge edge[4]; } chains[] = {
        /* launches of 20 rows and of 3: the embedding, the products, and each time that rows are brought to planes on the way */
        {"one after the other", 3, 3, 7, 5, {SETS(0, 1), SETS(1, 2), SETS(2, 3)}},
        {"read twice", 3, 2, 9, 5, {SETS(0, 1), SETS(1, 2), {1, 2, STORE_ADD, false, false}}},
        {"in place", 3, 2, 8, 5, {SETS(0, 1), SETS(1, 1), SETS(1, 2)}}, /* what overwrites its rows takes planes of any number of them */
        {"added to what is read", 2, 1, 7, 5, {SETS(0, 1), {1, 1, STORE_ADD, false, false}}},
        {"a reader with a norm", 2, 2, 7, 4, {SETS(0, 1), {1, 2, STORE_SET, true, false}}},
        {"to and fro", 4, 2, 8, 6, {SETS(0, 1), SETS(1, 2), SETS(2, 1), SETS(1, 2)}},
        {"a norm over what is written", 2, 2, 8, 5, {{0, 1, STORE_SET, false, true}, SETS(1, 2)}},
        {"read by the logits as well", 2, 1, 7, 4, {SETS(0, 1), SETS(1, 2)}},
        {"gates", 3, 3, 7, 5, {{0, 1, STORE_GATED, false, false}, {1, 2, STORE_GATED, false, false}, SETS(2, 3)}},
    };
    static const int width[4] = {40, 45, 45, 45};
    for (size_t c = 0; c < sizeof chains / sizeof *chains; c++)
        for (int shift = 0; shift < 3; shift++) { /* readers want two planes or three, whatever their weights are made into */
            static float want[20 * 45], many[20 * 45], few[3 * 45];
            shape f32 = {.dtype = GLIMPSE_F32};
            tiny m = {.random = c + 1};
            phase *ph = m.phases;
            char what[80];
            snprintf(what, sizeof what, "%s, dtypes from %d on", chains[c].what, shift);
            *ph = (phase){.kind = PHASE_EMBED, .layer = -1, .embed_scale = 1};
            (ph++)->embedding = tiny_matrix(&m, &f32, 45, width[0], 1);
            for (int i = 0; i < chains[c].n; i++, ph++) {
                const edge *l = &chains[c].edge[i];
                shape s = {.dtype = (glimpse_dtype)((i + shift) % 3)};
                const bool gated = l->store == STORE_GATED;
                *ph = (phase){.kind = PHASE_MATMUL, .layer = -1, .in = l->in, .out = l->out, .n_parts = 1, .store = (matmul_store)l->store,
                              .activate = i % 2, .activation = (glimpse_activation)(i % 4)};
                ph->norm = (norm_spec){.on = l->norm, .kind = GLIMPSE_RMSNORM, .eps = 1e-5f};
                ph->post_norm = (norm_spec){.on = l->post, .kind = GLIMPSE_LAYERNORM, .eps = 1e-5f};
                ph->part[0] = tiny_matrix(&m, &s, width[l->out] * (gated ? 2 : 1), width[l->in], 0.2);
                ph->bias[0] = tiny_vector(&m, &s, ph->part[0].rows, 0, 1);
            }
            *ph = (phase){.kind = PHASE_HEAD, .layer = -1, .in = chains[c].head, .n_parts = 1};
            ph->part[0] = tiny_identity(&m, 45);
            m.p = (plan){.phases = m.phases, .n_phases = (int)(ph - m.phases) + 1, .n_buffers = 4, .n_layers = 1, .vocab = 45};
            memcpy(m.p.width, width, sizeof width);
            backend_row rows[20];
            for (int i = 0; i < 20; i++) rows[i] = (backend_row){i * 2, 0, i, -1, 0, 1, 0};
            run_once(&backend_reference, &m.p, NULL, 1, rows, 20, 20, 1, want);
            backend_config cfg = {.threads = 1, .max_rows = 20, .max_logits = 20, .n_strips = 20, .strip_tokens = 1};
            backend *be = NULL;
            emu_schedule(shift, c);
            REQUIRE_OK(backend_cuda.open(&be, &m.p, &cfg));
            EXPECT_OK(be->ops->refresh(be));
            long before = emu_launches();
            run_rows_on(be, &m.p, rows, 20, many);
            expect_launches(before, chains[c].many, what);
            before = emu_launches();
            run_rows_on(be, &m.p, rows, 3, few);
            expect_launches(before, chains[c].few, what);
            be->ops->close(be);
            expect_close(many, want, 20 * 45, 4e-4, what);
            EXPECT_MEM(many, few, sizeof few);
            no_problem(what);
            tiny_free(&m);
        }
}

/* Rows that are not finite stay so, and are nobody else's. */
TEST(cuda_planes_not_finite) {
    static float many[20 * IDS], alone[IDS];
    shape s = SHAPE_GPT2;
    tiny m;
    tiny_build(&m, &s, 21);
    tiny_spoil(&m, 3e38f);
    backend_row rows[20];
    for (int i = 0; i < 20; i++) rows[i] = (backend_row){i, 0, i, -1, 0, 1, 0};
    run_once(&backend_cuda, &m.p, NULL, 1, rows, 20, 20, 4, many);
    for (int i = 0; i < 20; i++) {
        backend_row one = rows[i];
        one.strip = 0;
        run_once(&backend_cuda, &m.p, NULL, 1, &one, 1, 1, 4, alone);
        for (int k = 0; k < IDS; k++) {
            const float a = alone[k], b = many[i * IDS + k];
            test_check(memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b), __FILE__, __LINE__, "row %d, logit %d: %g, alone %g", i, k, (double)b, (double)a);
        }
    }
    no_problem("not finite");
    tiny_free(&m);
}

/* Behind the end of a row there are zeros: what a product has for rows of weights that are none may be an infinity. */
TEST(cuda_planes_end_in_zeros) {
    enum { IN = 40, F = 45, ROWS = 20 };
    static float out[ROWS * F];
    shape s = {.dtype = GLIMPSE_F32};
    tiny m = {.random = 9};
    m.phases[0] = (phase){.kind = PHASE_EMBED, .layer = -1, .embed_scale = 1, .embedding = tiny_matrix(&m, &s, F, IN, 1)};
    m.phases[1] = (phase){.kind = PHASE_MATMUL, .layer = -1, .in = 0, .out = 1, .n_parts = 1, .store = STORE_GATED, .activation = GLIMPSE_SILU};
    m.phases[1].part[0] = tiny_matrix(&m, &s, F * 2, IN, 0.2);
    m.phases[2] = (phase){.kind = PHASE_MATMUL, .layer = -1, .in = 1, .out = 2, .n_parts = 1, .store = STORE_SET};
    m.phases[2].part[0] = tiny_matrix(&m, &s, F, F, 0.2);
    m.phases[3] = (phase){.kind = PHASE_HEAD, .layer = -1, .in = 2, .n_parts = 1, .part = {tiny_identity(&m, F)}};
    m.p = (plan){.phases = m.phases, .n_phases = 4, .n_buffers = 3, .width = {IN, F, F}, .n_layers = 1, .vocab = F};
    float *w = (float *)(uintptr_t)m.phases[1].part[0].data;
    for (int i = 0; i < IN; i++) w[i] = i % 2 ? 1e20f : -0.7e20f, w[F * IN + i] = 0; /* a huge gate lets nothing through */
    backend_row rows[ROWS];
    for (int i = 0; i < ROWS; i++) rows[i] = (backend_row){i, 0, i, -1, 0, 1, 0};
    run_once(&backend_cuda, &m.p, NULL, 1, rows, ROWS, ROWS, 1, out);
    for (int i = 0; i < ROWS * F; i++) test_check(isfinite(out[i]), __FILE__, __LINE__, "row %d: %g", i / F, (double)out[i]);
    no_problem("zeros behind a row");
    tiny_free(&m);
}
