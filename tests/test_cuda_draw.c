/* test_cuda_draw.c -- drawing on the device where its short ways could go wrong, emulated: rows that break what they lean on,
 * long rows, tight lists; the same token as the CPU's chain and the same record, from the list and by passes over the row, and
 * the list was enough where it must be. */
#include "tests/test_kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/samplers/sampler.h"
#include "tests/emu/emu.h"
#include "tests/oracle.h"
#include "tests/test.h"

extern const backend_ops backend_cuda;

enum { MOST_ROWS = 16, MOST_TOP = 64 };

/* EMBED (rows of a diagonal of twos) -> HEAD (V, n): row r of logits is twice column r of the head's matrix. */
typedef struct rows_model {
    tiny m;
    backend *be;
    int n, V;
    float *head, *logits; /* (V, n), (n, V) as the device made them */
} rows_model;

static bool open_rows(rows_model *x, int n, int V) {
    memset(x, 0, sizeof *x);
    x->n = n;
    x->V = V;
    shape f32 = {.dtype = GLIMPSE_F32};
    x->m.phases[0] = (phase){.kind = PHASE_EMBED, .layer = -1, .out = 0, .embed_scale = 1};
    x->m.phases[0].embedding = tiny_matrix(&x->m, &f32, V > n ? V : n, n, 0);
    for (int i = 0; i < n; i++) ((float *)(uintptr_t)x->m.phases[0].embedding.data)[i * n + i] = 2;
    x->m.phases[1] = (phase){.kind = PHASE_HEAD, .layer = -1, .in = 0, .n_parts = 1};
    x->m.phases[1].part[0] = tiny_matrix(&x->m, &f32, V, n, 0);
    x->head = (float *)(uintptr_t)x->m.phases[1].part[0].data;
    x->m.p = (plan){.phases = x->m.phases, .n_phases = 2, .n_buffers = 1, .width = {n}, .n_layers = 0, .vocab = V};
    x->logits = calloc((size_t)n * (size_t)V, sizeof *x->logits);
    return x->logits != NULL;
}

/* The head's matrix is written: logits as the device makes them. */
static bool start(rows_model *x) {
    backend_config cfg = {.threads = 1, .max_rows = x->n, .max_logits = x->n, .n_strips = x->n, .strip_tokens = 1000};
    backend_row rows[MOST_ROWS];
    if (!x->be && !EXPECT_OK(backend_cuda.open(&x->be, &x->m.p, &cfg))) return false;
    if (!EXPECT_OK(x->be->ops->refresh(x->be))) return false;
    for (int k = 0; k < x->n; k++) rows[k] = (backend_row){k < x->V ? k : 0, 0, k, -1, 0, 1, 0};
    return run_rows_on(x->be, &x->m.p, rows, x->n, x->logits);
}

static void close_rows(rows_model *x) {
    const char *p = emu_problem();
    test_check(!p, __FILE__, __LINE__, "%s", p ? p : "");
    if (x->be) x->be->ops->close(x->be);
    tiny_free(&x->m);
    free(x->logits);
}

static void set_logit(rows_model *x, int row, int id, float l) {
    x->head[(int64_t)id * x->n + row] = l > -INFINITY ? l / 2 : -3e38f; /* twice that is -inf */
}

typedef struct setting {
    const char *order;
    burst_op ops[BURST_MAX_OPS];
    int n;
} setting;

#define T(x) {BURST_TEMPERATURE, {x}}
#define K(x) {BURST_TOP_K, {x}}
#define P(x) {BURST_TOP_P, {x}}
#define M(x) {BURST_MIN_P, {x}}
static const setting settings[] = {
    {"temperature=1", {{0, {0}}}, 0},
    {"temperature=0", {T(0)}, 1},
    {"top_k=1", {K(1)}, 1},
    {"temperature=0.7;top_k=200", {T(0.7), K(200)}, 2},
    {"top_k=40;top_p=0.9;min_p=0.01;temperature=1.5", {K(40), P(0.9), M(0.01), T(1.5)}, 4},
    {"temperature=1.1;top_p=0.6;top_k=7", {T(1.1), P(0.6), K(7)}, 3},
    {"min_p=0.000001;temperature=0.9", {M(1e-6), T(0.9)}, 2},
    {"min_p=0.3;top_p=0.95", {M(0.3), P(0.95)}, 2},
    {"top_p=0.999;min_p=0.02", {P(0.999), M(0.02)}, 2},
    {"temperature=3", {T(3)}, 1},
    {"top_k=600;top_p=0.97", {K(600), P(0.97)}, 2},
    {"penalties=1.3,0.2,0.1;temperature=0.7;top_k=40;top_p=0.95", {{BURST_PENALTIES, {1.3, 0.2, 0.1}}, T(0.7), K(40), P(0.95)}, 4},
    {"penalties=2,0.05,0;temperature=1.2", {{BURST_PENALTIES, {2, 0.05, 0}}, T(1.2)}, 2},
    {"penalties=1.5;min_p=0.05", {{BURST_PENALTIES, {1.5, 0, 0}}, M(0.05)}, 2},
    {"penalties=1,0.5;temperature=0", {{BURST_PENALTIES, {1, 0.5, 0}}, T(0)}, 2},
    {"penalties=1.2;top_p=0.9;min_p=0.001", {{BURST_PENALTIES, {1.2, 0, 0}}, P(0.9), M(0.001)}, 3},
    {"top_k=100;top_p=0.9;top_p=0.6;top_p=0.3", {K(100), P(0.9), P(0.6), P(0.3)}, 4}, /* one list, cut again and again */
};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* What a record says of the row as it was, in double. */
typedef struct record_of_row { double logz, entropy, left; } record_of_row;
static record_of_row record_of(const float *l, int V, int id) {
    double max = -INFINITY, s = 0, t = 0, above = 0;
    for (int i = 0; i < V; i++) max = l[i] > max ? (double)l[i] : max;
    for (int i = 0; i < V; i++) {
        double d = (double)l[i] - max, e = exp(d);
        s += e;
        if (e > 0) t += d * e;
        if (candidate_key(l[i], i) < candidate_key(l[id], id)) above += e;
    }
    return (record_of_row){max + log(s), log(s) - t / s, above / s};
}

/* Every row through one setting, n_top and room for the list; *passes the most over a row. */
static void check_rows(rows_model *x, const setting *set, int n_top, int room, const int32_t *seen, int n_seen, int *passes, const char *what) {
    burst_row rows[MOST_ROWS];
    burst_token tokens[MOST_ROWS * BURST_MAX_STEPS];
    burst_top *tops = malloc(sizeof *tops * MOST_ROWS * BURST_MAX_STEPS * MOST_TOP);
    int32_t n_drawn[MOST_ROWS];
    sampler_settings plain = SAMPLER_SETTINGS_INIT;
    plain.order = set->order;
    chain *c = NULL;
    if (!tops || !EXPECT_OK(chain_open(&plain, x->V, &c))) {
        free(tops);
        return;
    }
    for (int k = 0; k < x->n; k++) {
        rows[k] = (burst_row){.row = {k < x->V ? k : 0, 10 + n_top, k, -1, 0, 1, 0}, .key = (uint64_t)(k + room) * 0x9e3779b97f4a7c15ull, .steps = 1,
                              .eos = -1, .n_ops = set->n, .seen = seen, .n_seen = n_seen};
        memcpy(rows[k].ops, set->ops, sizeof rows[k].ops);
    }
    burst_request rq = {rows, x->n, n_top, tokens, tops, n_drawn, room};
    *passes = 0;
    if (EXPECT_OK(x->be->ops->burst(x->be, &rq)))
        for (int k = 0; k < x->n; k++) {
            glimpse_token want = {0};
            glimpse_candidate top[MOST_TOP];
            draw_key key = {rows[k].key, 0};
            const burst_token *got = &tokens[k * BURST_MAX_STEPS];
            chain_reset(c);
            for (int i = 0; i < n_seen; i++) chain_accept_prompt(c, seen[i]);
            if (!EXPECT_OK(chain_draw(c, x->logits + (int64_t)k * x->V, &key, (uint32_t)(11 + n_top), n_top, &want, top))) continue;
            bool same = test_check(got->id == want.id && got->rank == want.rank && got->kept == want.kept && got->n_top == want.n_top,
                                   __FILE__, __LINE__, "%s: %s, row %d of %d, %d tops, room %d: id %d rank %d kept %d top %d; the CPU says %d, %d, %d, %d",
                                   what, set->order, k, x->V, n_top, room, got->id, got->rank, got->kept, got->n_top, want.id, want.rank,
                                   want.kept, want.n_top);
            if (!same) continue;
            const float *l = x->logits + (int64_t)k * x->V;
            record_of_row o = record_of(l, x->V, got->id);
            EXPECT(got->logit == l[got->id]);
            EXPECT_NEAR(got->logprob, (double)l[got->id] - o.logz, 1e-6 * (1 + fabs(o.logz)));
            EXPECT_NEAR(got->left, o.left, 1e-6);
            EXPECT_NEAR(got->entropy, o.entropy, 2e-6 * (1 + fabs(o.entropy)));
            EXPECT_NEAR(got->p_temp, want.p_temp, 6e-6); /* rounded to five digits */
            EXPECT_NEAR(got->p_final, want.p_final, 6e-6);
            for (int i = 0; i < want.n_top; i++) {
                const burst_top *t = &tops[(size_t)k * BURST_MAX_STEPS * (size_t)n_top + (size_t)i];
                test_check(t->id == top[i].id, __FILE__, __LINE__, "%s: %s, row %d, top %d: %d, the CPU says %d", what, set->order, k, i, t->id, top[i].id);
                EXPECT_NEAR(t->p, exp((double)l[top[i].id] - o.logz), 1e-6);
                EXPECT_NEAR(t->p_final, top[i].p_final, 6e-6);
            }
            if (got->passes > *passes) *passes = got->passes;
        }
    chain_close(c);
    free(tops);
}

/* Kinds of rows: as a model's, wide, with ties, all alike, one above all, -inf but for few, whole tiles of -inf, two levels that
 * a threshold falls between, nearly flat, huge. */
enum { KINDS = 10 };
static void make_row(rows_model *x, int row, int kind, uint64_t *random) {
    for (int i = 0; i < x->V; i++) {
        double n = oracle_normal(random), l = 0;
        switch (kind) {
        case 0: l = 3 * n; break;
        case 1: l = 15 * n; break;
        case 2: l = floor(2 * n) / 4; break;
        case 3: l = 1.25; break;
        case 4: l = i == x->V / 2 ? 30 : -10 + n; break;
        case 5: l = i % 37 == 5 ? n : -INFINITY; break;
        case 6: l = i / 16 % 3 == 1 ? -INFINITY : n; break;
        case 7: l = i % 11 == 3 ? 2 : 1; break;
        case 8: l = 1e-4 * n; break;
        default: l = 1e30 * n; break;
        }
        set_logit(x, row, i, (float)l);
    }
}

/* All kinds of rows, all settings; room 1: nothing is listed, so every sampler goes over the row. */
static void check_all(int V, const int *tops, int n_tops, int some_settings) {
    rows_model x;
    uint64_t random = 1234 + (uint64_t)V;
    int32_t seen[600];
    REQUIRE(open_rows(&x, KINDS, V));
    for (int k = 0; k < KINDS; k++) make_row(&x, k, k, &random);
    for (int i = 0; i < 600; i++) seen[i] = (int32_t)(oracle_uniform(&random) * (i % 2 ? V : V < 30 ? V : 30));
    if (start(&x))
        for (int s = 0, run = 0; s < SETTINGS; s++)
            for (int i = 0; i < n_tops; i++)
                for (int tight = 0; tight < 2; tight++, run++) {
                    int passes;
                    if (some_settings && (s + i) % some_settings) continue;
                    emu_schedule(run % 3, (uint64_t)run);
                    check_rows(&x, &settings[s], tops[i], tight, seen, s % 3 ? 600 : 5, &passes, tight ? "by passes" : "by lists");
                }
    close_rows(&x);
}

TEST_LIMIT(cuda_draws_from_odd_rows, 240) {
    check_all(1, (int[]){0, 64}, 2, test_is_full() ? 0 : 7);
    check_all(17, (int[]){0, 64}, 2, test_is_full() ? 0 : 5);
    check_all(771, (int[]){0, 20, 64}, 3, test_is_full() ? 0 : 7);
    if (test_is_full()) check_all(4100, (int[]){0, 1, 20, 64}, 4, 0);
}

/* Rows of the length of real vocabularies: a model's own, where one list must do, and a flat one. */
TEST_LIMIT(cuda_draws_from_long_rows, 240) {
    int V = test_is_full() ? 128256 : 50257;
    static const int wanted[] = {0, 1, 9, 3, 4, 12, 11}; /* of settings; top_p alone would need the whole row */
    rows_model x;
    uint64_t random = 5;
    int32_t seen[600];
    for (int i = 0; i < 600; i++) seen[i] = (int32_t)(oracle_uniform(&random) * V);
    REQUIRE(open_rows(&x, 2, V));
    make_row(&x, 0, 0, &random);
    make_row(&x, 1, 0, &random);
    for (int i = 0; i < 47; i++) set_logit(&x, 1, V - 1 - i, -1e5f); /* as where a vocabulary was padded */
    if (start(&x))
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            int passes = 99;
            if (!test_is_full() && i % 3) continue;
            check_rows(&x, &settings[wanted[i]], i % 2 ? 0 : 20, 0, seen, 600, &passes, "long");
            EXPECT_EQ(passes, 0);
        }
    close_rows(&x);
}

/* The list was enough, and where it could not be the row was read; that is how the two ways are told apart. */
TEST_LIMIT(cuda_draws_from_the_list, 120) {
    enum { V = 3400 };
    rows_model x;
    uint64_t random = 9;
    int32_t seen[300];
    for (int i = 0; i < 300; i++) seen[i] = (i * 7) % V;
    REQUIRE(open_rows(&x, 1, V));
    make_row(&x, 0, 0, &random);
    if (start(&x))
        for (int s = 0; s < SETTINGS; s++) {
            /* top_p before anything else sums over the row; 600 are more than there are tiles */
            static const char *const once[] = {"temperature=1.1;top_p=0.6;top_k=7", "top_p=0.999;min_p=0.02", "top_k=600;top_p=0.97",
                                               "penalties=1.2;top_p=0.9;min_p=0.001"};
            int passes, want = 0;
            for (int i = 0; i < 4; i++) want += !strcmp(settings[s].order, once[i]);
            check_rows(&x, &settings[s], s % 2 ? 20 : 0, 0, seen, 300, &passes, "listed");
            if (strcmp(settings[s].order, "min_p=0.000001;temperature=0.9")) EXPECT_EQ(passes, want); /* near all of the row */
            if (!test_is_full() && s % 3) continue;
            if (strstr(settings[s].order, "temperature=0") && !strstr(settings[s].order, "0.")) continue; /* one: the tiles know it */
            check_rows(&x, &settings[s], 20, 1, seen, 300, &passes, "not listed");
            EXPECT_LT(0, passes);
        }
    close_rows(&x);
}

/* One logit that is not finite ends its row, wherever its tile is. */
TEST(cuda_draws_no_token_where_a_logit_is_not_finite) {
    static const int at[] = {0, 15, 16, 40, 46};
    static const float bad[] = {NAN, INFINITY};
    rows_model x;
    REQUIRE(open_rows(&x, 2, 47));
    for (int i = 0; i < 10; i++) {
        uint64_t random = 3;
        make_row(&x, 0, 0, &random);
        make_row(&x, 1, 6, &random);
        x.head[at[i / 2] * 2] = i % 2 ? 3e38f : bad[0];
        x.head[46 * 2] = i % 2 ? 3e38f : bad[0];
        if (!start(&x)) break;
        burst_row rows[2];
        burst_token tokens[2 * BURST_MAX_STEPS];
        int32_t n[2];
        for (int k = 0; k < 2; k++) rows[k] = (burst_row){.row = {k, 0, k, -1, 0, 1, 0}, .key = 5, .steps = 1, .eos = -1};
        burst_request rq = {rows, 2, 0, tokens, NULL, n, 0};
        EXPECT_OK(x.be->ops->burst(x.be, &rq));
        EXPECT_EQ(tokens[0].id, -1);
        EXPECT_EQ(tokens[0].n_top, 0);
        EXPECT_EQ(tokens[BURST_MAX_STEPS].id >= 0, i % 2 == 1); /* 3e38 times 0 */
    }
    close_rows(&x);
}

/* Many steps in many sequences, in batches that are padded, in random order: each token is the CPU's. */
TEST_LIMIT(cuda_draws_step_by_step, 120) {
    enum { N = 5, V = 333, STEPS = 16 };
    rows_model x;
    uint64_t random = 21;
    REQUIRE(open_rows(&x, N, V));
    for (int i = 0; i < V; i++) { /* any token leads to one of N rows of logits */
        float *e = (float *)(uintptr_t)x.m.phases[0].embedding.data + i * N;
        memset(e, 0, N * sizeof *e);
        e[i % N] = 2;
    }
    for (int k = 0; k < N; k++) make_row(&x, k, k == 3 ? 5 : k, &random);
    if (start(&x))
        for (int s = 0; s < SETTINGS; s += test_is_full() ? 1 : 6) {
            burst_row rows[N];
            burst_token tokens[N * BURST_MAX_STEPS];
            burst_top tops[N * BURST_MAX_STEPS * 3];
            int32_t n[N], prompt[] = {1, 2, 3, 2};
            sampler_settings plain = SAMPLER_SETTINGS_INIT;
            plain.order = settings[s].order;
            chain *c = NULL;
            REQUIRE_OK(chain_open(&plain, V, &c));
            for (int k = 0; k < N; k++) {
                rows[k] = (burst_row){.row = {2 + k, 3, k, -1, 0, 1, 0}, .key = (uint64_t)k * 31 + 7, .steps = STEPS - k, .eos = -1,
                                      .n_ops = settings[s].n, .seen = prompt, .n_seen = 4};
                memcpy(rows[k].ops, settings[s].ops, sizeof rows[k].ops);
            }
            burst_request rq = {rows, N, 3, tokens, tops, n, 0};
            emu_schedule(EMU_RANDOM, (uint64_t)s);
            EXPECT_OK(x.be->ops->burst(x.be, &rq));
            for (int k = 0; k < N; k++) {
                int32_t id = 2 + k;
                chain_reset(c);
                for (int i = 0; i < 4; i++) chain_accept_prompt(c, prompt[i]);
                EXPECT_EQ(n[k], STEPS - k);
                for (int i = 0; i < n[k]; i++) {
                    glimpse_token want = {0};
                    draw_key key = {rows[k].key, 0};
                    EXPECT_OK(chain_draw(c, x.logits + (id % N) * V, &key, (uint32_t)(4 + i), 0, &want, NULL));
                    EXPECT_EQ(tokens[k * BURST_MAX_STEPS + i].id, want.id);
                    EXPECT_EQ(tokens[k * BURST_MAX_STEPS + i].kept, want.kept);
                    chain_accept(c, id = want.id);
                }
            }
            chain_close(c);
        }
    close_rows(&x);
}

/* Parts of rows that do not fit the list: as many as are asked for all the same. */
TEST(cuda_parts_of_flat_rows) {
    enum { V = 20000 };
    rows_model x;
    REQUIRE(open_rows(&x, 2, V));
    for (int i = 0; i < V; i++) {
        set_logit(&x, 0, i, 0.5f);
        set_logit(&x, 1, i, i % 16 == 3 ? 0.25f : 0.125f);
    }
    if (start(&x)) {
        static const int32_t named[] = {3, 0, 19999};
        backend_row rows[2];
        part_need needs[2];
        row_part parts[2];
        for (int k = 0; k < 2; k++) {
            rows[k] = (backend_row){k, 0, k, -1, 0, 1, 0};
            needs[k] = (part_need){.k = 1000, .span = 1, .named = named, .n_named = 3, .inv_t = 1};
        }
        EXPECT_OK(x.be->ops->parts(x.be, rows, 2, needs, parts));
        for (int k = 0; k < 2; k++) {
            char is[V] = {0};
            int wrong = 0;
            EXPECT_EQ(parts[k].n, 1000);
            for (int i = 0; i < parts[k].n; i++) is[parts[k].listed[i].id] = 1;
            for (int i = 0, n = 0; i < V; i++) {
                bool want = i != 3 && i != 0 && i != 19999 && n < 1000 && (k == 0 || i % 16 == 3);
                n += want;
                wrong += want != is[i];
            }
            EXPECT_EQ(wrong, 0);
        }
    }
    close_rows(&x);
}
