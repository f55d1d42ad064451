/* test_cuda_persist.c -- a decode step by one kernel whose blocks stay, emulated with four of them, beside the same step as a
 * graph: the same tokens, records, logits and cache bit for bit; which of the two is chosen, and what happens when the kernel
 * waits for ever, computes other bits or may not be launched. */
#include "tests/test_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "tests/emu/emu.h"
#include "tests/test.h"

extern const backend_ops backend_cuda;
extern int32_t cuda_decode_blocks(const backend *be);

enum { MOST = 64, PROMPT = 9, STRIP = 80 };

static void no_problem(const char *what) {
    const char *p = emu_problem();
    test_check(!p, __FILE__, __LINE__, "%s: %s", what, p ? p : "");
}

static char said[4096];
static void hear(void *user, const char *line) {
    (void)user;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", line);
}

/* What a decoder leaves: everything that a burst returns, the last logits, and those of a row that reads the whole cache. */
typedef struct left {
    int32_t n[MOST];
    burst_token tokens[MOST * BURST_MAX_STEPS];
    burst_top tops[MOST * BURST_MAX_STEPS * 2];
    float logits[MOST * 64], after[MOST * 64];
} left;

enum { PENALISED, GREEDY, SAMPLED, FILTERED, CHAINS };                                  /* what is drawn by */
enum { BY_LENGTH, BY_LENGTHS, BY_TEXT, ALL_AT_ONCE, BY_CONTEXT, BY_MORE_EOS, ENDS };  /* how sequences end */

typedef struct setup {
    const plan *p;
    int n, steps, prefix;   /* sequences, behind a shared prompt or each behind its own token */
    glimpse_dtype cache;
    decode_way decode;
    int chain, ends;
    const left *told;       /* BY_TEXT, ALL_AT_ONCE, BY_MORE_EOS: what the sequences say if nothing ends them */
} setup;

static backend *open_one(const setup *t) {
    backend_config cfg = {.threads = 1, .max_rows = MOST, .max_logits = MOST, .n_strips = t->n + 1, .strip_tokens = STRIP, .cache = t->cache,
                          .decode = t->decode, .say = hear};
    backend *be = NULL;
    if (!EXPECT_OK(backend_cuda.open(&be, t->p, &cfg))) return NULL;
    EXPECT_OK(be->ops->refresh(be));
    int32_t ids[PROMPT], V = t->p->vocab;
    for (int i = 0; i < PROMPT; i++) ids[i] = (i * 11 + 1) % V;
    backend_row rows[PROMPT];
    const float *logits;
    int64_t stride;
    rows_of(rows, ids, PROMPT, 0, t->n);
    for (int i = 0; i < PROMPT; i++) rows[i].want_logits = 0;
    EXPECT_OK(be->ops->forward(be, rows, PROMPT, &logits, &stride));
    return be;
}

/* Sequence i of a setup as a burst begins with it; seen (PROMPT + BURST_MAX_STEPS) is filled. */
static burst_row row_of(const setup *t, int i, int32_t *seen) {
    static const burst_op ops[CHAINS][3] = {{{BURST_PENALTIES, {1.2, 0, 0.1}}, {BURST_TOP_K, {9}}},
                                            {{BURST_TEMPERATURE, {0}}},
                                            {{BURST_TEMPERATURE, {1.5}}},
                                            {{BURST_TEMPERATURE, {1.3}}, {BURST_TOP_P, {0.95}}, {BURST_MIN_P, {0.01}}}};
    static const int n_ops[CHAINS] = {2, 1, 1, 3};
    const int shared = t->prefix && i % 4 != 3, V = t->p->vocab;
    backend_row r = {(i * 13 + 2) % V, shared ? PROMPT : 0, i, shared ? t->n : -1, shared ? PROMPT : 0, 1, STRIP};
    burst_row b = {.row = r, .key = (uint64_t)i * 7919 + 1, .key_step = 3, .steps = t->steps, .eos = -1, .n_ops = n_ops[t->chain], .seen = seen,
                   .n_seen = PROMPT};
    memcpy(b.ops, ops[t->chain], sizeof ops[t->chain]);
    for (int k = 0; k < PROMPT; k++) seen[k] = (k * 11 + 1) % V;
    const burst_token *told = t->told ? &t->told->tokens[i * BURST_MAX_STEPS] : NULL;
    int at = t->ends == ALL_AT_ONCE ? t->steps / 2 : (i * 3 + 1) % t->steps;
    switch (t->ends) {
    case BY_LENGTH:
        if (i == 1 && b.steps > 1) b.steps--;
        if (i % 5 == 4) b.eos = 7;
        break;
    case BY_LENGTHS: b.steps = at + 1; break;
    case BY_CONTEXT: /* the strip is full before the burst is over */
        b.row.pos = STRIP - 1 - i % 3;
        if (STRIP - b.row.pos < b.steps) b.steps = STRIP - b.row.pos;
        break;
    case BY_MORE_EOS:
        b.n_more_eos = 2;
        b.more_eos[0] = V - 1;
        b.more_eos[1] = told[at].id;
        break;
    default: b.eos = told[at].id;
    }
    return b;
}

/* The sequences one step a burst, as a host would go on with them: tokens and records alone. */
static glimpse_status by_steps(backend *be, const setup *t, left *out) {
    static int32_t seen[MOST][PROMPT + BURST_MAX_STEPS];
    burst_row all[MOST], rows[MOST];
    burst_token tokens[MOST * BURST_MAX_STEPS];
    burst_top tops[MOST * BURST_MAX_STEPS * 2];
    int32_t n[MOST], who[MOST];
    memset(out, 0, sizeof *out);
    for (int i = 0; i < t->n; i++) all[i] = row_of(t, i, seen[i]);
    for (;;) {
        int active = 0;
        for (int i = 0; i < t->n; i++) {
            if (all[i].steps < 1) continue;
            who[active] = i;
            rows[active] = all[i];
            rows[active++].steps = 1;
        }
        if (!active) return GLIMPSE_OK;
        burst_request rq = {rows, active, 2, tokens, tops, n, 0};
        TRY(be->ops->burst(be, &rq));
        for (int k = 0; k < active; k++) {
            burst_row *b = &all[who[k]];
            int at = who[k] * BURST_MAX_STEPS + out->n[who[k]]++;
            const burst_token *got = &tokens[k * BURST_MAX_STEPS];
            out->tokens[at] = *got;
            memcpy(&out->tops[at * 2], &tops[(size_t)k * BURST_MAX_STEPS * 2], (size_t)got->n_top * sizeof *tops);
            seen[who[k]][b->n_seen++] = got->id;
            b->row.id = got->id;
            b->row.pos++;
            b->steps = got->id == b->eos || (b->n_more_eos && (got->id == b->more_eos[0] || got->id == b->more_eos[1])) ? 0 : b->steps - 1;
        }
    }
}

static glimpse_status burst_alone(backend *be, const setup *t, left *out, burst_row *rows) {
    static int32_t seen[MOST][PROMPT + BURST_MAX_STEPS];
    memset(out, 0, sizeof *out);
    for (int i = 0; i < t->n; i++) rows[i] = row_of(t, i, seen[i]);
    burst_request rq = {rows, t->n, 2, out->tokens, out->tops, out->n, 0};
    return be->ops->burst(be, &rq);
}

static glimpse_status one_burst(backend *be, const setup *t, left *out) {
    burst_row rows[MOST];
    backend_row after[MOST];
    const float *logits;
    int64_t stride, V = t->p->vocab;
    TRY(burst_alone(be, t, out, rows));
    for (int i = 0; i < t->n; i++) {
        TRY(be->ops->whole_row(be, i, &logits));
        memcpy(out->logits + i * V, logits, (size_t)V * sizeof *logits);
    }
    for (int i = 0; i < t->n; i++) {
        after[i] = rows[i].row;
        after[i].pos += out->n[i];
        if (after[i].pos >= STRIP) after[i].pos = STRIP - 1;
        after[i].id = 5;
    }
    TRY(be->ops->forward(be, after, t->n, &logits, &stride));
    for (int i = 0; i < t->n; i++) memcpy(out->after + i * V, logits + i * stride, (size_t)V * sizeof *logits);
    return GLIMPSE_OK;
}

static void expect_alike(const left *a, const left *b, const char *what) {
    test_check(!memcmp(a->n, b->n, sizeof a->n), __FILE__, __LINE__, "%s: other numbers of tokens", what);
    test_check(!memcmp(a->tokens, b->tokens, sizeof a->tokens), __FILE__, __LINE__, "%s: other tokens or records", what);
    test_check(!memcmp(a->tops, b->tops, sizeof a->tops), __FILE__, __LINE__, "%s: other alternatives", what);
    test_check(!memcmp(a->logits, b->logits, sizeof a->logits), __FILE__, __LINE__, "%s: other logits", what);
    test_check(!memcmp(a->after, b->after, sizeof a->after), __FILE__, __LINE__, "%s: another cache", what);
}

static void check_alike(const shape *s, int n, int steps, int prefix, glimpse_dtype cache, int order, int seed, const char *what) {
    static left graph, persistent;
    tiny m;
    tiny_build(&m, s, 5);
    setup t = {.p = &m.p, .n = n, .steps = steps, .prefix = prefix, .cache = cache};
    for (int way = 0; way < 2; way++) {
        t.decode = way ? DECODE_PERSISTENT : DECODE_GRAPH;
        emu_schedule(order, (uint64_t)seed);
        backend *be = open_one(&t);
        if (!be) continue;
        EXPECT_OK(one_burst(be, &t, way ? &persistent : &graph));
        test_check((cuda_decode_blocks(be) > 0) == (way && n <= 16), __FILE__, __LINE__, "%s: %d blocks", what, cuda_decode_blocks(be));
        be->ops->close(be);
    }
    expect_alike(&persistent, &graph, what);
    no_problem(what);
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
    tiny_free(&m);
}

#define LLAMA                                                                                                          \
    { .layers = 2, .heads = 4, .kv_heads = 2, .hd = 16, .channels = 64, .ffn = 40, .vocab = 37, .tokens = 96,          \
      .norm = GLIMPSE_RMSNORM, .gated = true, .activation = GLIMPSE_SILU, .split = true, .rope_dims = 16,              \
      .rope_scale = 1, .scale = 0.25f, .embed_scale = 1 }

static int variants(shape *to, const char **names) {
    shape gpt2 = SHAPE_GPT2, llama = LLAMA, qwen = llama, gemma = llama, neox = llama;
    qwen.qk_norm = true, qwen.biases = true, qwen.window = 6;
    gemma.post_norm = true, gemma.plus_one = true, gemma.softcap = 20, gemma.logit_softcap = 8, gemma.heads = 12, gemma.kv_heads = 1;
    neox.grouped = true, neox.far = true, neox.split = false, neox.rope_dims = 6, neox.interleaved = true;
    to[0] = gpt2, to[1] = llama, to[2] = qwen, to[3] = gemma, to[4] = neox;
    names[0] = "GPT-2", names[1] = "Llama", names[2] = "Qwen", names[3] = "Gemma", names[4] = "NeoX";
    return 5;
}

TEST_LIMIT(cuda_persistent_is_the_graph, 600) {
    static const int batches[] = {1, 3, 8, 16, 64};
    static const glimpse_dtype dtypes[] = {GLIMPSE_F32, GLIMPSE_BF16, GLIMPSE_F16};
    shape all[5];
    const char *names[5];
    int n = variants(all, names), round = 0;
    for (int v = 0; v < n; v++)
        for (int b = 0; b < 5; b++)
            for (int d = 0; d < 3; d++, round++) {
                if (!test_is_full() && (d != (v + b) % 3 || b != (v == 1 ? 4 : v == 4 ? 1 : v))) continue;
                char what[96];
                shape s = all[v];
                s.dtype = dtypes[d];
                snprintf(what, sizeof what, "%s, dtype %d, %d sequences", names[v], (int)s.dtype, batches[b]);
                check_alike(&s, batches[b], batches[b] > 8 ? 2 : 3, (v + b) % 2 == 0, d == 1 ? GLIMPSE_BF16 : GLIMPSE_F32, round % 3, round, what);
            }
}

/* By every order of blocks and threads, several random ones among them, with sequences that end within the burst. */
TEST_LIMIT(cuda_persistent_in_any_order, 600) {
    shape s = SHAPE_GPT2;
    for (int i = 0; i < (test_is_full() ? 40 : 5); i++) {
        char what[40];
        snprintf(what, sizeof what, "a burst, order %d", i);
        s.dtype = (glimpse_dtype)(i % 3);
        check_alike(&s, test_is_full() ? 1 + i % 8 : 2, test_is_full() ? 1 + i * 5 % BURST_MAX_STEPS : 4, 1, GLIMPSE_F32, i < 3 ? i : EMU_RANDOM, i, what);
    }
}

/* As little shared memory as sm_86 and sm_89 have: the kernel that stays fits but for heads that only just fit alone, where the
 * step is a graph. */
TEST_LIMIT(cuda_persistent_in_99_KiB, 120) {
    if (emu_is_chip()) SKIP("a chip has what it has");
    static left graph, persistent;
    static const struct { int hd, rows; glimpse_dtype dtype; bool stays; } shapes[] = {
        {16, 16, GLIMPSE_F32, true}, {160, 2, GLIMPSE_F32, true}, {176, 2, GLIMPSE_F32, false}, {256, 9, GLIMPSE_BF16, true}, {16, 64, GLIMPSE_F16, false}};
    emu_shared_most(99 << 10);
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) {
        char what[60];
        shape s = LLAMA;
        tiny m;
        snprintf(what, sizeof what, "heads of %d, %d rows, dtype %d", shapes[i].hd, shapes[i].rows, shapes[i].dtype);
        s.layers = 1, s.heads = 2, s.kv_heads = 1, s.hd = shapes[i].hd, s.channels = 512, s.dtype = shapes[i].dtype;
        tiny_build(&m, &s, 5);
        setup t = {.p = &m.p, .n = shapes[i].rows, .steps = 2, .prefix = 1, .cache = s.dtype == GLIMPSE_BF16 ? GLIMPSE_BF16 : GLIMPSE_F32};
        for (int way = 0; way < 2; way++) {
            t.decode = way ? DECODE_PERSISTENT : DECODE_GRAPH;
            backend *be = open_one(&t);
            REQUIRE(be);
            EXPECT_OK(one_burst(be, &t, way ? &persistent : &graph));
            test_check((cuda_decode_blocks(be) > 0) == (way && shapes[i].stays), __FILE__, __LINE__, "%s: %d blocks", what, cuda_decode_blocks(be));
            be->ops->close(be);
        }
        expect_alike(&persistent, &graph, what);
        no_problem(what);
        tiny_free(&m);
    }
    emu_shared_most(227 << 10);
}

/* Bursts of every length in one launch, whatever is drawn by and however sequences end: the graph's bits, and those of a launch
 * for each step; the kernel leaves when the last one has ended. */
TEST_LIMIT(cuda_persistent_bursts, 600) {
    static left told, graph, got, stepped;
    shape s = SHAPE_GPT2;
    tiny m;
    int round = 0;
    s.layers = 1, s.heads = s.kv_heads = 2, s.hd = 8, s.channels = 16, s.ffn = 32, s.vocab = 40;
    tiny_build(&m, &s, 5);
    for (int steps = 1; steps <= BURST_MAX_STEPS; steps++)
        for (int ends = 0; ends < ENDS; ends++, round++) {
            static const int some[ENDS] = {1, 5, 7, BURST_MAX_STEPS, 4, 3};
            if (!test_is_full() && steps != some[ends]) continue;
            char what[96];
            setup t = {.p = &m.p, .n = 3 + 2 * (round % 2), .steps = steps, .prefix = 1, .chain = (steps + ends) % CHAINS, .ends = BY_LENGTH};
            snprintf(what, sizeof what, "%d steps, chain %d, ends %d", steps, t.chain, ends);
            emu_schedule(round % 3, (uint64_t)round);
            t.decode = DECODE_GRAPH;
            backend *be = open_one(&t);
            REQUIRE(be);
            if (ends == BY_TEXT || ends == ALL_AT_ONCE || ends == BY_MORE_EOS) EXPECT_OK(one_burst(be, &t, &told));
            t.told = &told;
            t.ends = ends;
            EXPECT_OK(one_burst(be, &t, &graph));
            be->ops->close(be);
            t.decode = DECODE_PERSISTENT;
            if (!(be = open_one(&t))) break;
            long launches = emu_launches(), arrivals = emu_arrivals(), of_a_step;
            burst_row rows[MOST];
            EXPECT_OK(burst_alone(be, &t, &got, rows));
            launches = emu_launches() - launches;
            arrivals = emu_arrivals() - arrivals;
            EXPECT_LT(0, cuda_decode_blocks(be));
            EXPECT_OK(one_burst(be, &t, &got));
            expect_alike(&got, &graph, what);
            EXPECT_OK(by_steps(be, &t, &stepped));
            test_check(!memcmp(stepped.n, got.n, sizeof got.n) && !memcmp(stepped.tokens, got.tokens, sizeof got.tokens) &&
                       !memcmp(stepped.tops, got.tops, sizeof got.tops), __FILE__, __LINE__, "%s: other than step by step", what);
            int most = 0;
            for (int i = 0; i < t.n; i++) most = got.n[i] > most ? got.n[i] : most;
            if (ends == ALL_AT_ONCE) test_check(most <= steps / 2 + 1, __FILE__, __LINE__, "%s: %d tokens", what, most);
            t.steps = 1;
            of_a_step = -emu_arrivals();
            EXPECT_OK(burst_alone(be, &t, &stepped, rows));
            of_a_step += emu_arrivals();
            if (!emu_is_chip()) /* the steps that somebody draws in, and no more; a block with nothing but a row that is not active may
                                   see that all have ended before it arrives itself */
                test_check(launches == 1 && arrivals <= most * (of_a_step + 1) && arrivals > (most - 1) * of_a_step, __FILE__, __LINE__,
                           "%s: %ld launches, %ld arrivals for %d steps of %ld", what, launches, arrivals, most, of_a_step);
            be->ops->close(be);
            no_problem(what);
        }
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
    tiny_free(&m);
}

TEST_LIMIT(cuda_decode_is_chosen, 300) {
    if (emu_is_chip()) SKIP("a chip's clock is not ours");
    static left want, got;
    shape s = LLAMA;
    tiny m;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 2, .steps = 2, .prefix = 1, .decode = DECODE_GRAPH};
    for (int way = 0; way < 4; way++) { /* the graph; persistent is faster, slower, not there */
        t.decode = way ? DECODE_AUTO : DECODE_GRAPH;
        said[0] = 0;
        emu_slow_together(way == 2 ? 100 : 1);
        emu_cooperative(way != 3);
        backend *be = open_one(&t);
        if (!be) continue;
        EXPECT_OK(one_burst(be, &t, way ? &got : &want));
        EXPECT_EQ(cuda_decode_blocks(be), way == 1 ? 4 : 0);
        if (way) expect_alike(&got, &want, way == 1 ? "faster" : way == 2 ? "slower" : "not there");
        EXPECT_STREQ(said, "");
        EXPECT_OK(one_burst(be, &t, &got)); /* found, not tried again */
        expect_alike(&got, &want, "again");
        be->ops->close(be);
    }
    t.decode = DECODE_PERSISTENT;
    backend *be = open_one(&t);
    EXPECT(strstr(said, "--cuda_decode persistent: this GPU does not launch"));
    if (be) be->ops->close(be);
    emu_cooperative(1);
    for (int way = 0; way < 2; way++) { /* the launch is refused: more multiprocessors than run at once */
        said[0] = 0;
        t.decode = way ? DECODE_AUTO : DECODE_PERSISTENT;
        emu_multiprocessors(5);
        if (!(be = open_one(&t))) break;
        EXPECT_OK(one_burst(be, &t, &got));
        expect_alike(&got, &want, "refused");
        EXPECT_EQ(cuda_decode_blocks(be), 0);
        EXPECT_STREQ(said, "the GPU did not launch the decoding kernel's blocks all at once; steps are graphs from now on\n");
        be->ops->close(be);
    }
    emu_multiprocessors(4);
    emu_slow_together(1);
    no_problem("choosing");
    EXPECT_EQ(emu_handles(), 0);
    tiny_free(&m);
}

/* Every CUDA call in turn, the trial's and the launch's among them: a status, nothing held, a good burst after. */
static void check_faults(decode_way decode, int every) {
    static left want, got;
    static const struct { int error, forever; } how[] = {{2, 0}, {700, 1}, {719, 0}, {801, 0}, {999, 1}};
    shape s = LLAMA;
    s.layers = 1;
    tiny m;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 1, .steps = 2, .decode = decode};
    emu_fail(0, 0, 0);
    backend *be = open_one(&t);
    REQUIRE(be);
    long before = emu_calls();
    EXPECT_OK(one_burst(be, &t, &want));
    long calls = emu_calls() - before;
    be->ops->close(be);
    EXPECT_LT(decode == DECODE_AUTO ? 60 : 20, calls);
    for (long n = 1; n <= calls; n += every) {
        int k = (int)(n / every % 5);
        if (!(be = open_one(&t))) break;
        said[0] = 0;
        emu_fail(n, how[k].error, how[k].forever);
        status_clear();
        glimpse_status st = one_burst(be, &t, &got);
        if (st < 0)
            test_check(st == GLIMPSE_E_MEMORY || st == GLIMPSE_E_DEVICE, __FILE__, __LINE__, "call %ld: %d %s", n, st, status_text());
        else expect_alike(&got, &want, "a call that failed");
        be->ops->close(be);
        emu_fail(0, 0, 0);
        test_check(!emu_device_bytes() && !emu_handles(), __FILE__, __LINE__, "call %ld of %ld, error %d: %zu bytes and %d handles are left", n,
                   calls, how[k].error, emu_device_bytes(), emu_handles());
        (void)emu_problem();
    }
    tiny_free(&m);
}

TEST_LIMIT(cuda_persistent_every_call_fails, 300) {
    if (emu_is_chip()) SKIP("a chip does not fail when it is asked to");
    check_faults(DECODE_AUTO, test_is_full() ? 1 : 7);
    check_faults(DECODE_PERSISTENT, 1);
}

/* Whatever a capture fails of, the device answers afterwards: the same tokens by launches, said once. */
TEST_LIMIT(cuda_a_capture_may_fail, 120) {
    if (emu_is_chip()) SKIP("a chip does not fail when it is asked to");
    static left want, got;
    shape s = LLAMA;
    s.layers = 1;
    tiny m;
    int fell_back = 0;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 1, .steps = 2, .decode = DECODE_GRAPH};
    for (long n = 0; n < 30; n++) {
        backend *be = open_one(&t);
        REQUIRE(be);
        said[0] = 0;
        emu_fail(n, n % 2 ? 900 : 2, 0);
        glimpse_status st = one_burst(be, &t, n ? &got : &want);
        emu_fail(0, 0, 0);
        if (strstr(said, "launched one by one") || strstr(said, "did not take chained launches")) {
            EXPECT_OK(st);
            EXPECT_OK(one_burst(be, &t, &got)); /* and it is not broken */
            fell_back++;
        }
        if (st >= 0) expect_alike(&got, n ? &want : &got, "a capture that failed");
        be->ops->close(be);
        (void)emu_problem();
    }
    EXPECT_LT(5, fell_back);
    EXPECT_EQ(emu_handles(), 0);
    tiny_free(&m);
}

/* A device that takes no chained launch into a graph, or no launch: the same bits, said once. */
TEST_LIMIT(cuda_graphs_may_be_refused, 120) {
    if (emu_is_chip()) SKIP("a chip takes what it takes");
    static left want, got;
    shape s = LLAMA;
    s.layers = 1;
    tiny m;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 1, .steps = 2, .decode = DECODE_GRAPH};
    for (int what = 0; what < 3; what++) {
        said[0] = 0;
        emu_refuse_graphs(what);
        backend *be = open_one(&t);
        REQUIRE(be);
        for (int again = 0; again < 2; again++) {
            EXPECT_OK(one_burst(be, &t, what ? &got : &want));
            if (what) expect_alike(&got, &want, "a graph that was refused");
        }
        EXPECT_STREQ(said, what == 0 || (what == 1 && !emu_chains()) ? ""
                           : what == 1 ? "the GPU did not take chained launches as a graph; a kernel waits for the end of the one ahead of it from now on\n"
                                       : "the GPU did not take a step as a graph; its kernels are launched one by one from now on\n");
        be->ops->close(be);
        no_problem("graphs that are refused");
    }
    emu_refuse_graphs(0);
    EXPECT_EQ(emu_handles(), 0);
    tiny_free(&m);
}

/* An arrival that never comes: all blocks leave in time, the burst is run again as a graph, which is said once. */
TEST_LIMIT(cuda_persistent_never_hangs, 300) {
    if (emu_is_chip()) SKIP("a chip loses no arrivals");
    static left want, got;
    shape s = SHAPE_GPT2;
    tiny m;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 2, .steps = 2, .prefix = 1, .decode = DECODE_GRAPH};
    backend *be = open_one(&t);
    REQUIRE(be);
    EXPECT_OK(one_burst(be, &t, &want));
    be->ops->close(be);
    for (int way = 0; way < 4; way++) {
        static const int lost[] = {1, 6, 17, 40};
        said[0] = 0;
        t.decode = way % 2 ? DECODE_AUTO : DECODE_PERSISTENT;
        emu_schedule(way % 3, (uint64_t)way);
        if (!(be = open_one(&t))) break;
        emu_lose_arrival(lost[way]);
        EXPECT_OK(one_burst(be, &t, &got));
        emu_lose_arrival(0);
        expect_alike(&got, &want, "after an arrival that was lost");
        EXPECT_EQ(cuda_decode_blocks(be), 0);
        EXPECT_OK(one_burst(be, &t, &got));
        expect_alike(&got, &want, "and the next burst");
        const char *at = strstr(said, "waited 4 s for a part of itself");
        EXPECT(at);
        EXPECT(!at || !strstr(at + 1, "waited 4 s"));
        be->ops->close(be);
    }
    no_problem("an arrival that was lost");
    EXPECT_EQ(emu_handles(), 0);
    tiny_free(&m);
}

/* Batches that share a kernel need unlike amounts of its shared memory: each step has what it needs, in any order. */
TEST(cuda_persistent_batches_share_a_kernel) {
    static left got;
    static const int batches[] = {8, 1, 4, 8};
    shape s = LLAMA;
    tiny m;
    s.channels = 256;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 8, .steps = 3, .decode = DECODE_PERSISTENT};
    backend *be = open_one(&t);
    REQUIRE(be);
    for (int i = 0; i < 4; i++) {
        t.n = batches[i];
        EXPECT_OK(one_burst(be, &t, &got));
        EXPECT_LT(0, cuda_decode_blocks(be));
    }
    be->ops->close(be);
    no_problem("batches that share a kernel");
    tiny_free(&m);
}

/* Other bits than the graph's, here by another way of rounding: the graph is kept, and that is said. */
TEST(cuda_persistent_of_other_bits) {
    if (emu_is_chip()) SKIP("a chip rounds as it does");
    static left want, got;
    shape s = LLAMA;
    tiny m;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 2, .steps = 3, .prefix = 1, .decode = DECODE_GRAPH};
    for (int way = 0; way < 2; way++) {
        said[0] = 0;
        t.decode = way ? DECODE_AUTO : DECODE_GRAPH;
        emu_round_together(way);
        backend *be = open_one(&t);
        REQUIRE(be);
        EXPECT_OK(one_burst(be, &t, way ? &got : &want));
        EXPECT_EQ(cuda_decode_blocks(be), 0);
        if (way) {
            expect_alike(&got, &want, "the graph after all");
            EXPECT_STREQ(said, "the decoding kernel's tokens or logits are not the graph's, bit for bit; steps are graphs from now on\n");
        }
        be->ops->close(be);
    }
    emu_round_together(0);
    tiny_free(&m);
}

/* A trial in which everything ends at the first step compares nothing and chooses nothing: the next burst's does. */
TEST(cuda_persistent_trial_that_ends_at_once) {
    static left told, got;
    shape s = LLAMA;
    tiny m;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 1, .steps = 4, .prefix = 1, .decode = DECODE_AUTO};
    said[0] = 0;
    for (int way = 0; way < 2; way++) {
        backend *be = open_one(&t);
        REQUIRE(be);
        t.ends = BY_LENGTH;
        if (!way) {
            EXPECT_OK(one_burst(be, &t, &told));
            told.tokens[t.steps / 2] = told.tokens[0]; /* ALL_AT_ONCE ends there */
        } else {
            t.ends = ALL_AT_ONCE;
            t.told = &told;
            EXPECT_OK(one_burst(be, &t, &got));
            EXPECT_EQ(got.n[0], 1);
            EXPECT_EQ(cuda_decode_blocks(be), 0);
            t.ends = BY_LENGTH;
            EXPECT_OK(one_burst(be, &t, &got));
            if (!emu_is_chip()) EXPECT_LT(0, cuda_decode_blocks(be));
        }
        be->ops->close(be);
    }
    EXPECT_STREQ(said, "");
    no_problem("a trial that ends at once");
    tiny_free(&m);
}

/* What was captured and chosen for a batch is there when it comes back: the second time a burst is its steps alone. */
TEST(cuda_persistent_batches_come_back) {
    static left got;
    static const int batches[] = {1, 2, 4, 8, 24};
    if (emu_is_chip()) SKIP("launches are not counted there");
    shape s = LLAMA;
    s.layers = 1;
    tiny m;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 24, .steps = 2, .decode = DECODE_AUTO};
    backend *be = open_one(&t);
    REQUIRE(be);
    long before = 0, first = 0;
    for (int pass = 0; pass < 2; pass++) {
        before = emu_launches();
        for (int i = 0; i < 5; i++)
            for (int k = 0; k < 2; k++) {
                t.n = batches[i];
                t.ends = k ? BY_CONTEXT : BY_LENGTH;
                EXPECT_OK(one_burst(be, &t, &got));
            }
        if (!pass) first = emu_launches() - before;
    }
    test_check(emu_launches() - before < first / 2, __FILE__, __LINE__, "%ld launches, %ld at first", emu_launches() - before, first);
    be->ops->close(be);
    no_problem("batches that come back");
    tiny_free(&m);
}
