/* test_cuda_burst.c -- steps without the host, emulated: given the same logits and key the device draws the CPU's token,
 * and its record; a burst is what forward and draw give step by step; ends, graphs, refusals. */
#include "tests/test_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/samplers/sampler.h"
#include "tests/emu/emu.h"
#include "tests/oracle.h"
#include "tests/test.h"

extern const backend_ops backend_cuda;

static void no_problem(const char *what) {
    const char *p = emu_problem();
    test_check(!p, __FILE__, __LINE__, "%s: %s", what, p ? p : "");
}

/* EMBED (rows of logits) -> HEAD (identity): what is drawn from is known. */
static void open_rows(tiny *m, int n, int V, backend **out, float *logits) {
    memset(m, 0, sizeof *m);
    shape f32 = {.dtype = GLIMPSE_F32};
    m->phases[0] = (phase){.kind = PHASE_EMBED, .layer = -1, .out = 0, .embed_scale = 1};
    m->phases[0].embedding = tiny_matrix(m, &f32, V, V, 0);
    /* half the logits, and a matrix of twos on its diagonal: what is to be -inf overflows there */
    float *table = (float *)(uintptr_t)m->phases[0].embedding.data;
    for (int i = 0; i < n * V; i++) table[i] = logits[i] > -INFINITY ? logits[i] / 2 : -3e38f;
    m->phases[1] = (phase){.kind = PHASE_HEAD, .layer = -1, .in = 0, .n_parts = 1};
    m->phases[1].part[0] = tiny_identity(m, V);
    for (int i = 0; i < V; i++) ((float *)(uintptr_t)m->phases[1].part[0].data)[(int64_t)i * V + i] = 2;
    m->p = (plan){.phases = m->phases, .n_phases = 2, .n_buffers = 1, .width = {V}, .n_layers = 0, .vocab = V};
    backend_config cfg = {.threads = 1, .max_rows = n, .max_logits = n, .n_strips = n, .strip_tokens = 1000};
    if (EXPECT_OK(backend_cuda.open(out, &m->p, &cfg))) EXPECT_OK((*out)->ops->refresh(*out));
}

typedef struct setting {
    const char *order;
    burst_op ops[BURST_MAX_OPS];
    int n;
} setting;

static const setting settings[] = {
    {"temperature=1", {{0, {0}}}, 0},
    {"temperature=0", {{BURST_TEMPERATURE, {0}}}, 1},
    {"temperature=0.8", {{BURST_TEMPERATURE, {0.8}}}, 1},
    {"temperature=0.8;top_k=5", {{BURST_TEMPERATURE, {0.8}}, {BURST_TOP_K, {5}}}, 2},
    {"temperature=1.3;top_p=0.9", {{BURST_TEMPERATURE, {1.3}}, {BURST_TOP_P, {0.9}}}, 2},
    {"top_k=20;top_p=0.5;min_p=0.1;temperature=2", {{BURST_TOP_K, {20}}, {BURST_TOP_P, {0.5}}, {BURST_MIN_P, {0.1}}, {BURST_TEMPERATURE, {2}}}, 4},
    {"min_p=0.05", {{BURST_MIN_P, {0.05}}}, 1},
    {"top_p=0", {{BURST_TOP_P, {0}}}, 1},
    {"penalties=1.3,0.2,0.1;temperature=0.7;top_k=40;top_p=0.95;min_p=0.02",
     {{BURST_PENALTIES, {1.3, 0.2, 0.1}}, {BURST_TEMPERATURE, {0.7}}, {BURST_TOP_K, {40}}, {BURST_TOP_P, {0.95}}, {BURST_MIN_P, {0.02}}}, 5},
    {"penalties=1.3;temperature=0", {{BURST_PENALTIES, {1.3, 0, 0}}, {BURST_TEMPERATURE, {0}}}, 2},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* Kinds of rows: normal, wide, flat with ties, one-hot, with -inf. */
static void make_row(float *l, int V, int kind, uint64_t *random) {
    for (int i = 0; i < V; i++) {
        double x = oracle_normal(random);
        l[i] = kind == 0 ? (float)(2 * x) : kind == 1 ? (float)(15 * x) : kind == 2 ? (float)((int)(x * 2) * 0.25) : kind == 3 ? -100.0f : (float)x;
        if (kind == 4 && i % 3) l[i] = -INFINITY;
    }
    if (kind == 3) l[V / 2] = 50;
}

TEST_LIMIT(cuda_draws_the_cpus_token, 120) {
    enum { N = 5, TOP = 7 };
    int V = test_is_full() ? test_is_slow_build() ? 1201 : 3001 : 301;
    float *l = calloc((size_t)(N * V), sizeof *l);
    uint64_t random = 77;
    for (int k = 0; k < N; k++) make_row(l + k * V, V, k, &random);
    tiny m;
    backend *be = NULL;
    open_rows(&m, N, V, &be, l);
    REQUIRE(be);
    int32_t seen[] = {0, 3, V / 2, 3, 7, 12, 3};
    for (int s = 0; s < SETTINGS; s++) {
        sampler_settings plain = SAMPLER_SETTINGS_INIT;
        plain.order = settings[s].order;
        chain *c = NULL;
        REQUIRE_OK(chain_open(&plain, V, &c));
        burst_row rows[N];
        burst_token tokens[N * BURST_MAX_STEPS];
        burst_top tops[N * BURST_MAX_STEPS * TOP];
        int32_t n_drawn[N];
        for (int k = 0; k < N; k++) {
            rows[k] = (burst_row){.row = {k, 10 + s, k, -1, 0, 1, 0}, .key = (uint64_t)(k + 5) * 0x9e3779b97f4a7c15ull, .steps = 1, .eos = -1,
                                  .n_ops = settings[s].n, .seen = seen, .n_seen = 7};
            memcpy(rows[k].ops, settings[s].ops, sizeof rows[k].ops);
        }
        emu_schedule(s % 3, (uint64_t)s);
        burst_request rq = {rows, N, TOP, tokens, tops, n_drawn, 0};
        REQUIRE_OK(be->ops->burst(be, &rq));
        no_problem(settings[s].order);
        for (int k = 0; k < N; k++) {
            glimpse_token want = {0};
            glimpse_candidate top[TOP];
            draw_key key = {rows[k].key, 0};
            chain_reset(c);
            for (int i = 0; i < 7; i++) chain_accept_prompt(c, seen[i]);
            REQUIRE_OK(chain_draw(c, l + k * V, &key, (uint32_t)(11 + s), TOP, &want, top));
            const burst_token *got = &tokens[k * BURST_MAX_STEPS];
            test_check(got->id == want.id && got->rank == want.rank && got->kept == want.kept && got->n_top == want.n_top, __FILE__, __LINE__,
                       "%s, row %d: id %d rank %d kept %d top %d; the CPU says %d, %d, %d, %d", settings[s].order, k, got->id, got->rank,
                       got->kept, got->n_top, want.id, want.rank, want.kept, want.n_top);
            EXPECT_EQ(n_drawn[k], 1);
            EXPECT_NEAR(got->logit, want.logit, 5e-5 * (1 + fabs((double)want.logit)));
            EXPECT_NEAR(got->logprob, want.logprob, 2e-4 * (1 + fabs((double)want.logprob)));
            EXPECT_NEAR(got->p_temp, want.p_temp, 6e-5);
            EXPECT_NEAR(got->p_final, want.p_final, 6e-5);
            EXPECT_NEAR(got->left, want.left, 6e-5);
            EXPECT_NEAR(got->entropy, want.entropy, 1e-4 * (1 + fabs((double)want.entropy)));
            for (int i = 0; i < want.n_top && i < got->n_top; i++) {
                const burst_top *t = &tops[(size_t)k * BURST_MAX_STEPS * TOP + (size_t)i];
                EXPECT_EQ(t->id, top[i].id);
                EXPECT_NEAR(t->p, top[i].p, 6e-5);
                EXPECT_NEAR(t->p_final, top[i].p_final, 6e-5);
            }
        }
        chain_close(c);
    }
    be->ops->close(be);
    tiny_free(&m);
    free(l);
}

/* More equal logits than the list holds: the bin is halved by keys. */
TEST(cuda_draws_from_a_flat_row) {
    enum { V = 2600 };
    float *l = calloc(V, sizeof *l);
    for (int i = 0; i < V; i++) l[i] = i % 5 ? 1.0f : 1.0001f;
    tiny m;
    backend *be = NULL;
    open_rows(&m, 1, V, &be, l);
    REQUIRE(be);
    static const char *const orders[] = {"top_k=2300", "top_p=0.9"};
    for (int s = 0; s < 2; s++) {
        sampler_settings plain = SAMPLER_SETTINGS_INIT;
        plain.order = orders[s];
        chain *c = NULL;
        REQUIRE_OK(chain_open(&plain, V, &c));
        burst_row row = {.row = {0, 4, 0, -1, 0, 1, 0}, .key = 99, .steps = 1, .eos = -1, .n_ops = 1,
                         .ops = {{s ? BURST_TOP_P : BURST_TOP_K, {s ? 0.9 : 2300}}}};
        burst_token tokens[BURST_MAX_STEPS];
        burst_top tops[BURST_MAX_STEPS * 3];
        int32_t n = 0;
        burst_request rq = {&row, 1, 3, tokens, tops, &n, 0};
        REQUIRE_OK(be->ops->burst(be, &rq));
        glimpse_token want = {0};
        glimpse_candidate top[3];
        draw_key key = {99, 0};
        REQUIRE_OK(chain_draw(c, l, &key, 5, 3, &want, top));
        EXPECT_EQ(tokens[0].id, want.id);
        EXPECT_EQ(tokens[0].kept, want.kept);
        chain_close(c);
    }
    no_problem("flat");
    be->ops->close(be);
    tiny_free(&m);
    free(l);
}

/* What is listed of each row against a sort; rows with ties, flat ones, of -inf alone, and one after all. */
TEST(cuda_parts_of_rows) {
    enum { N = 6, V = 1500 };
    float *l = calloc(N * V, sizeof *l);
    uint64_t random = 8;
    for (int k = 0; k < N; k++)
        for (int i = 0; i < V; i++) {
            double u = oracle_uniform(&random);
            l[k * V + i] = (float)(k == 1 ? floor(8 * u) : k == 2 ? 1 + u * 1e-5 : k == 3 && u < 0.97 ? -INFINITY : 9 * u * u);
        }
    for (int i = 0; i < V; i++) l[4 * V + i] = -INFINITY;
    tiny m;
    backend *be = NULL;
    open_rows(&m, N, V, &be, l);
    REQUIRE(be);
    static const int32_t named[] = {3, 1499, 700, 4};
    backend_row rows[N];
    part_need needs[N];
    row_part parts[N];
    const float *logits = NULL, *one = NULL;
    int64_t stride;
    for (int k = 0; k < N; k++) {
        rows[k] = (backend_row){k, 0, k, -1, 0, 1, 0};
        needs[k] = (part_need){.k = k == 5 ? 0 : 20 + k, .span = k == 0 || k == 5 ? -0.5 : 1, .named = named, .n_named = k % 2 ? 4 : 0, .inv_t = k % 2 ? 1 : 1.25};
    }
    REQUIRE_OK(be->ops->forward(be, rows, N, &logits, &stride));
    for (int k = 0; k < N; k++) memcpy(l + k * V, logits + k * stride, V * sizeof *l); /* as the head's products made them */
    for (int order = 0; order < 3; order++) {
        emu_schedule(order, 4);
        REQUIRE_OK(be->ops->parts(be, rows, N, needs, parts));
        EXPECT_EQ(parts[4].n, -1);
        for (int k = 0; k < N; k++) {
            if (k == 4) continue;
            const row_part *p = &parts[k];
            const float *row = l + k * V;
            char is_named[V] = {0}, is_listed[V] = {0};
            float most = -INFINITY, rest = -INFINITY;
            double s = 0, t = 0;
            int finite = 0;
            for (int i = 0; i < needs[k].n_named; i++) {
                is_named[named[i]] = 1;
                EXPECT(p->named_l[i] == row[named[i]]);
            }
            for (int i = 0; i < V; i++) {
                finite += row[i] > -INFINITY;
                if (row[i] > most) most = row[i];
                if (!is_named[i] && row[i] > rest) rest = row[i];
            }
            for (int i = 0; i < V; i++) s += exp((double)row[i] - (double)most), t += exp(((double)row[i] - (double)most) * needs[k].inv_t);
            for (int i = 0; i < p->n; i++) {
                EXPECT(!is_listed[p->listed[i].id] && !is_named[p->listed[i].id] && p->listed[i].l == row[p->listed[i].id]);
                is_listed[p->listed[i].id] = 1;
            }
            int before = 0, wanted = 0;
            for (int i = 0; i < V; i++) {
                if (is_named[i] || !(row[i] > -INFINITY)) continue;
                int above = 0;
                for (int j = 0; j < V; j++) above += !is_named[j] && (row[j] > row[i] || (row[j] == row[i] && j < i));
                bool want = above < needs[k].k || (needs[k].span <= 0 && (double)row[i] - (double)rest >= needs[k].span);
                before += want != (is_listed[i] != 0);
                wanted += want;
                EXPECT((candidate_key(row[i], i) <= p->last) == want);
            }
            test_check(before == 0 && wanted == p->n, __FILE__, __LINE__, "row %d: %d of %d listed wrongly, %d in all", k, before, wanted, p->n);
            EXPECT_EQ(p->n_finite, finite);
            EXPECT(p->max == most);
            EXPECT_NEAR(p->s, s, 1e-5 * s);
            EXPECT_NEAR(p->s_temp, t, 1e-5 * t);
        }
        REQUIRE_OK(be->ops->whole_row(be, 2, &one));
        EXPECT_MEM(one, l + 2 * V, V * sizeof *l);
    }
    no_problem("parts");
    be->ops->close(be);
    tiny_free(&m);
    free(l);
}

TEST(cuda_burst_not_finite) {
    enum { N = 4, V = 40 };
    float l[N * V];
    uint64_t random = 3;
    for (int k = 0; k < N; k++) make_row(l + k * V, V, 0, &random);
    for (int i = 0; i < V; i++) l[2 * V + i] = -INFINITY;
    tiny m;
    backend *be = NULL;
    open_rows(&m, N, V, &be, l);
    REQUIRE(be);
    float *table = (float *)(uintptr_t)m.phases[0].embedding.data;
    table[V + 17] = NAN;
    EXPECT_OK(be->ops->refresh(be));
    burst_row rows[N];
    burst_token tokens[N * BURST_MAX_STEPS];
    int32_t n[N];
    for (int k = 0; k < N; k++) rows[k] = (burst_row){.row = {k, 0, k, -1, 0, 1, 0}, .key = 5, .steps = 3, .eos = -1};
    burst_request rq = {rows, N, 0, tokens, NULL, n, 0};
    EXPECT_OK(be->ops->burst(be, &rq));
    EXPECT_EQ(n[1], 1); /* NaN spreads over the row through the identity */
    EXPECT_EQ(tokens[BURST_MAX_STEPS].id, -1);
    EXPECT_EQ(tokens[BURST_MAX_STEPS].n_top, 0);
    EXPECT_EQ(tokens[2 * BURST_MAX_STEPS].id, -1);
    no_problem("not finite");
    be->ops->close(be);
    tiny_free(&m);
}

/* A burst against forward and the CPU's chain, step by step, on the same backend: the same tokens. */
static void check_bursts(const shape *s, int seed, int order, const char *what) {
    enum { PROMPT = 9, SEQS = 3, STEPS = 21 };
    tiny m;
    tiny_build(&m, s, (uint64_t)seed);
    backend_config cfg = {.threads = 1, .max_rows = 16, .max_logits = 5, .n_strips = SEQS + 1, .strip_tokens = 80};
    backend *be = NULL;
    if (!EXPECT_OK(backend_cuda.open(&be, &m.p, &cfg))) return;
    EXPECT_OK(be->ops->refresh(be));
    int32_t ids[PROMPT], walked[SEQS][STEPS + 1], burst[SEQS][STEPS + 1], V = s->vocab;
    for (int i = 0; i < PROMPT; i++) ids[i] = (i * 11 + seed) % V;
    backend_row rows[PROMPT];
    float *out = calloc((size_t)(PROMPT * V), sizeof *out);
    rows_of(rows, ids, PROMPT, 0, SEQS);
    run_rows_on(be, &m.p, rows, PROMPT > 5 ? 5 : PROMPT, out);
    for (int i = 5; i < PROMPT; i++) rows[i].want_logits = i == PROMPT - 1;
    run_rows_on(be, &m.p, rows + 5, PROMPT - 5, out);
    chain *c[SEQS];
    for (int k = 0; k < SEQS; k++) {
        sampler_settings plain = SAMPLER_SETTINGS_INIT;
        plain.order = settings[k == 0 ? 8 : k + 2].order;
        if (!EXPECT_OK(chain_open(&plain, V, &c[k]))) return;
        for (int i = 0; i < PROMPT; i++) chain_accept_prompt(c[k], ids[i]);
        walked[k][0] = burst[k][0] = (k * 13 + 1) % V;
        chain_accept(c[k], walked[k][0]);
    }
    for (int step = 0; step < STEPS; step++) {
        for (int k = 0; k < SEQS; k++) rows[k] = (backend_row){walked[k][step], PROMPT + step, k, SEQS, PROMPT, 1, 80};
        run_rows_on(be, &m.p, rows, SEQS, out);
        for (int k = 0; k < SEQS; k++) {
            glimpse_token t = {0};
            draw_key key = {(uint64_t)k * 7919 + 1, 3};
            EXPECT_OK(chain_draw(c[k], out + k * V, &key, (uint32_t)(PROMPT + step + 1), 0, &t, NULL));
            walked[k][step + 1] = t.id;
            chain_accept(c[k], t.id);
        }
    }
    int ends_at = 7;
    while (ends_at > 1 && walked[2][ends_at] == walked[2][ends_at - 1]) ends_at--;
    int32_t eos = walked[2][ends_at], done[SEQS] = {0}, ended = STEPS;
    for (int i = STEPS; i > 0; i--) if (walked[2][i] == eos) ended = i;
    long launches = emu_launches();
    for (int round = 0; round < 2; round++) {
        burst_row b[SEQS];
        burst_token tokens[SEQS * BURST_MAX_STEPS];
        burst_top tops[SEQS * BURST_MAX_STEPS * 2];
        int32_t n[SEQS], seen[SEQS][PROMPT + STEPS + 1], who[SEQS], active = 0;
        for (int k = 0; k < SEQS; k++) {
            int at = done[k];
            if (k == 2 && at >= ended) continue;
            memcpy(seen[k], ids, sizeof ids);
            memcpy(seen[k] + PROMPT, burst[k], (size_t)(at + 1) * sizeof **burst);
            const setting *set = &settings[k == 0 ? 8 : k + 2];
            b[active] = (burst_row){.row = {burst[k][at], PROMPT + at, k, SEQS, PROMPT, 1, 80}, .key = (uint64_t)k * 7919 + 1, .key_step = 3,
                                    .steps = round ? 5 : 16, .eos = k == 2 ? eos : -1, .n_ops = set->n, .seen = seen[k], .n_seen = PROMPT + at + 1};
            memcpy(b[active].ops, set->ops, sizeof set->ops);
            who[active++] = k;
        }
        burst_request rq = {b, active, 2, tokens, tops, n, 0};
        emu_schedule(order < 0 ? (seed + round) % 3 : EMU_RANDOM, (uint64_t)(order < 0 ? seed : order + 7 * round));
        if (!EXPECT_OK(be->ops->burst(be, &rq))) break;
        for (int i = 0; i < active; i++)
            for (int j = 0; j < n[i]; j++) burst[who[i]][++done[who[i]]] = tokens[i * BURST_MAX_STEPS + j].id;
    }
    EXPECT_LT(0, emu_launches() - launches);
    EXPECT_EQ(done[0], STEPS);
    EXPECT_EQ(done[1], STEPS);
    EXPECT_EQ(done[2], ended);
    for (int k = 0; k < SEQS; k++) EXPECT_MEM(burst[k], walked[k], (size_t)(done[k] + 1) * sizeof **burst);
    no_problem(what);
    for (int k = 0; k < SEQS; k++) chain_close(c[k]);
    be->ops->close(be);
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
    free(out);
    tiny_free(&m);
}

TEST_LIMIT(cuda_bursts_are_steps, 120) {
    shape gpt2 = SHAPE_GPT2;
    check_bursts(&gpt2, 1, -1, "GPT-2");
    shape llama = {.layers = 2, .heads = 4, .kv_heads = 2, .hd = 16, .channels = 64, .ffn = 40, .vocab = 37, .tokens = 96,
                   .dtype = GLIMPSE_BF16, .norm = GLIMPSE_RMSNORM, .gated = true, .activation = GLIMPSE_SILU, .split = true,
                   .rope_dims = 16, .rope_scale = 1, .scale = 0.25f, .embed_scale = 1, .qk_norm = true, .window = 12};
    check_bursts(&llama, 2, -1, "Llama with norms of heads and a window");
}

TEST_LIMIT(cuda_bursts_in_random_orders, 300) {
    shape s = SHAPE_GPT2;
    s.layers = 1;
    for (int order = 0; order < (test_is_full() ? 24 : 2); order++) {
        char what[40];
        s.dtype = (glimpse_dtype)(order % 3);
        snprintf(what, sizeof what, "order %d", order);
        check_bursts(&s, 1 + order, order, what);
    }
}

TEST(cuda_burst_refuses) {
    enum { V = 40 };
    float l[2 * V] = {0};
    tiny m;
    backend *be = NULL;
    open_rows(&m, 2, V, &be, l);
    REQUIRE(be);
    burst_token tokens[2 * BURST_MAX_STEPS];
    burst_top tops[2 * BURST_MAX_STEPS * 64];
    int32_t n[2], bad_id[] = {V};
    burst_row rows[2] = {{.row = {0, 0, 0, -1, 0, 1, 0}, .steps = 1, .eos = -1}, {.row = {0, 0, 1, -1, 0, 1, 0}, .steps = 1, .eos = -1}};
    burst_request rq = {rows, 2, 1, tokens, tops, n, 0};
    EXPECT_OK(be->ops->burst(be, &rq));
#define REFUSED(change, back, text)                                                                                    \
    do {                                                                                                               \
        change;                                                                                                        \
        EXPECT_ERR(be->ops->burst(be, &rq), GLIMPSE_E_INVALID, text);                                                  \
        back;                                                                                                          \
    } while (0)
    REFUSED(rq.n_rows = 3, rq.n_rows = 2, "3 rows");
    REFUSED(rq.n_rows = 0, rq.n_rows = 2, "0 rows");
    REFUSED(rq.n_top = 65, rq.n_top = 1, "65 alternatives");
    REFUSED(rows[1].row.strip = 0, rows[1].row.strip = 1, "share strip");
    REFUSED(rows[1].steps = 17, rows[1].steps = 1, "17 steps");
    REFUSED((rows[1].row.pos = 990, rows[1].steps = 16), (rows[1].row.pos = 0, rows[1].steps = 1), "position");
    REFUSED((rows[0].n_ops = 1, rows[0].ops[0].kind = 9), rows[0].n_ops = 0, "kind 9");
    REFUSED((rows[0].n_ops = 1, rows[0].ops[0] = (burst_op){BURST_TOP_P, {NAN}}), rows[0].n_ops = 0, "sampler 0");
    REFUSED((rows[0].seen = bad_id, rows[0].n_seen = 1), rows[0].n_seen = 0, "seen token 40");
    EXPECT_OK(be->ops->burst(be, &rq));
    no_problem("refusals");
    be->ops->close(be);
    tiny_free(&m);
}
