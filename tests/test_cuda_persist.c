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

enum { MOST = 64, PROMPT = 9 };

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

typedef struct setup {
    const plan *p;
    int n, steps, prefix;   /* sequences, behind a shared prompt or each behind its own token */
    glimpse_dtype cache;
    decode_way decode;
} setup;

static backend *open_one(const setup *t) {
    backend_config cfg = {.threads = 1, .max_rows = MOST, .max_logits = MOST, .n_strips = t->n + 1, .strip_tokens = 80, .cache = t->cache,
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

static glimpse_status one_burst(backend *be, const setup *t, left *out) {
    burst_row rows[MOST];
    int32_t seen[PROMPT];
    for (int i = 0; i < PROMPT; i++) seen[i] = (i * 11 + 1) % t->p->vocab;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < t->n; i++) {
        int shared = t->prefix && i % 4 != 3;
        backend_row r = {(i * 13 + 2) % t->p->vocab, shared ? PROMPT : 0, i, shared ? t->n : -1, shared ? PROMPT : 0, 1, 80};
        rows[i] = (burst_row){.row = r, .key = (uint64_t)i * 7919 + 1, .key_step = 3, .steps = t->steps - (i == 1), .eos = i % 5 == 4 ? 7 : -1,
                              .n_ops = 2, .ops = {{BURST_PENALTIES, {1.2, 0, 0.1}}, {BURST_TOP_K, {9}}}, .seen = seen, .n_seen = PROMPT};
    }
    burst_request rq = {rows, t->n, 2, out->tokens, out->tops, out->n, 0};
    TRY(be->ops->burst(be, &rq));
    backend_row after[MOST];
    const float *logits;
    int64_t stride, V = t->p->vocab;
    for (int i = 0; i < t->n; i++) {
        TRY(be->ops->whole_row(be, i, &logits));
        memcpy(out->logits + i * V, logits, (size_t)V * sizeof *logits);
    }
    for (int i = 0; i < t->n; i++) {
        after[i] = rows[i].row;
        after[i].pos += out->n[i];
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

static void check_alike(const shape *s, int n, int steps, int prefix, glimpse_dtype cache, int order, const char *what) {
    static left graph, persistent;
    tiny m;
    tiny_build(&m, s, 5);
    setup t = {.p = &m.p, .n = n, .steps = steps, .prefix = prefix, .cache = cache};
    for (int way = 0; way < 2; way++) {
        t.decode = way ? DECODE_PERSISTENT : DECODE_GRAPH;
        emu_schedule(order, (uint64_t)n + 3);
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
                check_alike(&s, batches[b], batches[b] > 8 ? 2 : 3, (v + b) % 2 == 0, d == 1 ? GLIMPSE_BF16 : GLIMPSE_F32, round % 3, what);
            }
}

/* By every order of blocks and threads, sequences that end within the burst among them. */
TEST_LIMIT(cuda_persistent_in_any_order, 300) {
    shape s = SHAPE_GPT2;
    for (int order = 0; order < 3; order++) {
        s.dtype = (glimpse_dtype)order;
        check_alike(&s, test_is_full() ? 5 : 2, test_is_full() ? BURST_MAX_STEPS : 6, 1, GLIMPSE_F32, order, "a burst");
    }
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

/* Every CUDA call in turn, the trial's and the launches' among them: a status, nothing held, a good burst after. */
TEST_LIMIT(cuda_persistent_every_call_fails, 300) {
    if (emu_is_chip()) SKIP("a chip does not fail when it is asked to");
    static left want, got;
    static const struct { int error, forever; } how[] = {{2, 0}, {700, 1}, {719, 0}, {801, 0}, {999, 1}};
    shape s = LLAMA;
    s.layers = 1;
    tiny m;
    tiny_build(&m, &s, 5);
    setup t = {.p = &m.p, .n = 1, .steps = 2, .decode = DECODE_AUTO};
    emu_fail(0, 0, 0);
    backend *be = open_one(&t);
    REQUIRE(be);
    long before = emu_calls();
    EXPECT_OK(one_burst(be, &t, &want));
    long calls = emu_calls() - before;
    be->ops->close(be);
    EXPECT_LT(60, calls);
    for (long n = 1; n <= calls; n += test_is_full() ? 1 : 3) {
        int k = (int)(n % 5);
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
