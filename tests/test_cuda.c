/* test_cuda.c -- the CUDA backend, emulated (tests/emu), against the reference in double: every phase over awkward shapes,
 * dtypes and layouts, one sequence and many, shared prefixes, prompts through cuBLAS; and the same bits in every batch. */
#include "tests/test_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/emu.h"
#include "tests/oracle.h"
#include "tests/test.h"

extern const backend_ops backend_cuda;

static void no_problem(const char *what) {
    const char *p = emu_problem();
    test_check(!p, __FILE__, __LINE__, "%s: %s", what, p ? p : "");
}

/* rows on the reference and on CUDA; tol as expect_close. */
static void expect_cuda(const plan *p, const backend_row *rows, int n, int n_strips, int tokens, double tol, const char *what) {
    size_t size = (size_t)n * (size_t)p->vocab;
    float *want = calloc(size, sizeof *want), *got = calloc(size, sizeof *got);
    int64_t wanted = 0;
    for (int i = 0; i < n; i++) wanted += rows[i].want_logits;
    memset(got, 0xff, size * sizeof *got);
    if (run_once(&backend_reference, p, NULL, 1, rows, n, n_strips, tokens, want) &&
        run_once(&backend_cuda, p, NULL, 1, rows, n, n_strips, tokens, got))
        expect_close(got, want, wanted * p->vocab, tol, what);
    no_problem(what);
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
    free(want);
    free(got);
}

static double tolerance_of(glimpse_dtype t) { return t == GLIMPSE_F32 ? 2e-5 : 5e-5; }

/* EMBED (n_rows inputs) -> one product -> HEAD (identity), as test_kernels.c. */
static void build_matmul(tiny *t, const shape *s, phase ph, int n_rows, int in, int y, int out) {
    tiny m = {.random = (uint64_t)(in * 131 + y)};
    shape f32 = {.dtype = GLIMPSE_F32};
    ph.n_parts = s->split ? 2 : 1;
    int64_t first = s->split ? (ph.store == STORE_GATED ? y / 2 : (y + 2) / 3) : y;
    ph.part[0] = tiny_matrix(&m, s, first, in, 1 / sqrt(in));
    ph.bias[0] = s->biases ? tiny_vector(&m, s, first, 0, 1) : (vector){0};
    if (s->split) {
        ph.part[1] = tiny_matrix(&m, s, y - first, in, 1 / sqrt(in));
        if (!s->biases) ph.bias[1] = tiny_vector(&m, s, y - first, 0, 1);
    }
    m.phases[0] = (phase){.kind = PHASE_EMBED, .layer = -1, .out = 0, .embed_scale = 1};
    m.phases[0].embedding = tiny_matrix(&m, &f32, out > n_rows ? out : n_rows, in, 1);
    ph.in = 0;
    ph.out = 1;
    m.phases[1] = ph;
    m.phases[2] = (phase){.kind = PHASE_HEAD, .layer = -1, .in = 1, .n_parts = 1};
    m.phases[2].part[0] = tiny_identity(&m, out);
    *t = m;
    t->p = (plan){.phases = t->phases, .n_phases = 3, .n_buffers = 2, .width = {in, out}, .n_layers = 1, .vocab = out};
}

static void check_matmul(const shape *s, phase ph, int n_rows, int in, int y, int out, double tol, const char *what) {
    tiny m;
    build_matmul(&m, s, ph, n_rows, in, y, out);
    backend_row rows[128];
    for (int i = 0; i < n_rows; i++) rows[i] = (backend_row){i % out, 0, i, -1, 0, i % 7 != 3 || n_rows < 8, 0};
    expect_cuda(&m.p, rows, n_rows, n_rows, 1, tol, what);
    tiny_free(&m);
}

TEST(cuda_matmul_shapes) {
    static const int shape_of[][3] = {{1, 1, 1}, {15, 3, 1}, {16, 4, 2}, {33, 1, 70}, {48, 64, 16}, {50, 131, 5},
                                      {100, 37, 49}, {300, 40, 9}, {7, 9, 97}, {257, 66, 11}};
    size_t n_shapes = test_is_full() ? sizeof shape_of / sizeof *shape_of : 7;
    for (size_t i = 0; i < n_shapes; i++)
        for (int d = 0; d < 3; d++) {
            int layout = (int)(i + (size_t)d) % 4, k = shape_of[i][0], n = shape_of[i][1], r = shape_of[i][2];
            emu_schedule((int)(i + (size_t)d) % 3, i);
            shape s = {.dtype = (glimpse_dtype)d, .transposed = layout == 1, .strided = layout == 2,
                       .split = layout == 3 && n > 3, .biases = layout != 3};
            char what[96];
            phase ph = {.kind = PHASE_MATMUL, .store = STORE_SET};
            snprintf(what, sizeof what, "(%d, %d) x %d rows, dtype %d, layout %d", n, k, r, d, layout);
            check_matmul(&s, ph, r, k, n, n, tolerance_of(s.dtype), what);
        }
}

/* However a product of many rows is cut into blocks, each of its rows is what it is alone, bit for bit. */
TEST_LIMIT(cuda_many_rows_have_the_bits_of_one, 240) {
    static const int processors[] = {1, 3, 12, 132};
    static const struct { int in, out, rows; } size_of[] = {{300, 150, 17}, {290, 45, 64}, {640, 164, 13}, {40, 20, 33}, {800, 33, 30}};
    for (int d = 0; d < 3; d++)
        for (size_t i = 0; i < sizeof size_of / sizeof *size_of; i++) {
            const int in = size_of[i].in, out = size_of[i].out, n = size_of[i].rows;
            if (!test_is_full() && (int)i % 3 != d && i) continue;
            shape s = {.dtype = (glimpse_dtype)d, .biases = true};
            phase ph = {.kind = PHASE_MATMUL, .store = STORE_SET, .norm = {.on = true, .kind = GLIMPSE_RMSNORM, .eps = 1e-5f}};
            tiny m;
            build_matmul(&m, &s, ph, n, in, out, out);
            float *alone = calloc((size_t)(n * out), sizeof *alone), *many = calloc((size_t)(n * out), sizeof *many);
            backend_row rows[64];
            for (int k = 0; k < n; k++) rows[k] = (backend_row){k % out, 0, k, -1, 0, 1, 0};
            for (size_t p = 0; p < sizeof processors / sizeof *processors; p++) {
                emu_multiprocessors(processors[p]);
                emu_schedule((int)p % 3, p);
                if (!p)
                    for (int k = 0; k < n; k++) {
                        backend_row one = rows[k];
                        one.strip = 0;
                        run_once(&backend_cuda, &m.p, NULL, 1, &one, 1, 1, 1, alone + k * out);
                    }
                run_once(&backend_cuda, &m.p, NULL, 1, rows, n, n, 1, many);
                EXPECT_MEM(many, alone, (size_t)(n * out) * sizeof *many);
                no_problem("many rows");
            }
            emu_multiprocessors(4);
            tiny_free(&m);
            free(alone);
            free(many);
        }
}

TEST(cuda_matmul_epilogues) {
    for (int a = 0; a < 4; a++)
        for (int post = 0; post < 2; post++) {
            shape s = {.dtype = a % 2 ? GLIMPSE_BF16 : GLIMPSE_F32, .biases = true};
            emu_schedule(a % 3, (uint64_t)a);
            char what[64];
            snprintf(what, sizeof what, "activation %d, norm after: %d", a, post);
            phase ph = {.kind = PHASE_MATMUL, .store = STORE_SET, .activate = true, .activation = (glimpse_activation)a};
            ph.post_norm = (norm_spec){.on = post, .kind = a % 2 ? GLIMPSE_RMSNORM : GLIMPSE_LAYERNORM, .eps = 1e-5f};
            ph.norm = (norm_spec){.on = true, .kind = a % 2 ? GLIMPSE_LAYERNORM : GLIMPSE_RMSNORM, .eps = 1e-5f};
            check_matmul(&s, ph, 3, 40, 21, 21, 1e-4, what);
            ph.store = STORE_GATED;
            s.split = a > 1;
            check_matmul(&s, ph, 3, 40, 42, 21, 2e-4, what);
        }
}

/* A whole small model: a prompt, then two sequences that share it, then decode. */
static void check_model(const shape *s, uint64_t seed, double tol, const char *what) {
    tiny m;
    tiny_build(&m, s, seed);
    enum { PROMPT = 70 };
    int32_t ids[PROMPT + 8];
    uint64_t random = seed;
    for (int i = 0; i < PROMPT + 8; i++) ids[i] = (int32_t)((double)s->vocab * oracle_uniform(&random)) % s->vocab;
    const backend_ops *ops[2] = {&backend_reference, &backend_cuda};
    backend_config cfg = {.threads = 1, .max_rows = PROMPT, .max_logits = PROMPT, .n_strips = 6, .strip_tokens = 96};
    size_t V = (size_t)s->vocab;
    float *out[2];
    for (int b = 0; b < 2; b++) {
        out[b] = calloc(V * 200, sizeof(float));
        backend *be = NULL;
        if (!EXPECT_OK(ops[b]->open(&be, &m.p, &cfg))) continue;
        EXPECT_OK(be->ops->refresh(be));
        backend_row rows[PROMPT];
        float *at = out[b];
        rows_of(rows, ids, 67, 0, 0); /* more than 64: cuBLAS where it may */
        for (int i = 0; i < 67; i++) rows[i].want_logits = i % 16 == 2;
        run_rows_on(be, &m.p, rows, 67, at), at += 5 * V;
        rows_of(rows, ids, 9, 0, 5);
        run_rows_on(be, &m.p, rows, 9, at), at += 9 * V;
        for (int step = 0; step < 2; step++) {
            for (int i = 0; i < 3; i++) rows[i] = (backend_row){ids[PROMPT + i + step], 67 + step, 1 + i, 0, 67, 1, 0};
            rows[3] = (backend_row){ids[step], 9 + step, 5, -1, 0, 1, 90};
            rows[4] = (backend_row){ids[7 + step], 5 + step, 4, 5, 5, 1, 0};
            run_rows_on(be, &m.p, rows, 5, at), at += 5 * V;
        }
        be->ops->close(be);
    }
    expect_close(out[1], out[0], (int64_t)V * 24, tol, what);
    no_problem(what);
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
    free(out[0]);
    free(out[1]);
    tiny_free(&m);
}

TEST_LIMIT(cuda_models, 120) {
    const double two_planes = 4e-4; /* activations keep 16 bits beside weights of 16; 2.1e-4 was met, with approximations as far off as allowed */
    shape gpt2 = SHAPE_GPT2;
    emu_schedule(EMU_FORWARD, 0);
    check_model(&gpt2, 3, 1e-4, "GPT-2, f32");
    gpt2.dtype = GLIMPSE_BF16;
    emu_schedule(EMU_REVERSE, 0);
    check_model(&gpt2, 4, two_planes, "GPT-2, bf16");
    shape llama = {.layers = 2, .heads = 4, .kv_heads = 2, .hd = 16, .channels = 64, .ffn = 40, .vocab = 37, .tokens = 96,
                   .dtype = GLIMPSE_BF16, .norm = GLIMPSE_RMSNORM, .gated = true, .activation = GLIMPSE_SILU, .split = true,
                   .rope_dims = 16, .rope_scale = 1, .scale = 0.25f, .embed_scale = 1};
    emu_schedule(EMU_RANDOM, 5);
    check_model(&llama, 5, two_planes, "Llama, bf16");
    shape qwen = llama;
    qwen.qk_norm = true, qwen.biases = true, qwen.dtype = GLIMPSE_F16, qwen.window = 20;
    emu_schedule(EMU_RANDOM, 6);
    check_model(&qwen, 6, two_planes, "Qwen, f16, a window");
    shape gemma = llama;
    gemma.post_norm = true, gemma.plus_one = true, gemma.softcap = 20, gemma.logit_softcap = 8, gemma.embed_scale = 8,
    gemma.activation = GLIMPSE_GELU_TANH, gemma.dtype = GLIMPSE_F32, gemma.heads = 12, gemma.kv_heads = 1;
    emu_schedule(EMU_REVERSE, 7);
    check_model(&gemma, 7, 3e-4, "Gemma, f32, twelve heads of one key");
    shape neox = llama;
    neox.grouped = true, neox.far = true, neox.split = false, neox.rope_dims = 8;
    emu_schedule(EMU_RANDOM, 9);
    check_model(&neox, 9, two_planes, "heads in groups, two tables of angles");
    shape grouped = qwen;
    grouped.grouped = true, grouped.split = false, grouped.dtype = GLIMPSE_F32;
    check_model(&grouped, 10, 2e-4, "heads in groups, with a norm");
    shape partial = llama;
    partial.rope_dims = 6, partial.interleaved = true, partial.split = false, partial.hd = 10, partial.kv_heads = 4;
    emu_schedule(EMU_RANDOM, 8);
    check_model(&partial, 8, two_planes, "partial, interleaved rotation");
}

/* Bit for bit: a row alone, and among others; whatever the order in which threads and blocks run. */
TEST(cuda_same_bits_in_any_batch) {
    shape s = SHAPE_GPT2;
    for (int d = 0; d < 3; d++) {
        s.dtype = (glimpse_dtype)d;
        tiny m;
        tiny_build(&m, &s, 11);
        backend_config cfg = {.threads = 1, .max_rows = 64, .max_logits = 64, .n_strips = 65, .strip_tokens = 80};
        backend *be = NULL;
        REQUIRE_OK(backend_cuda.open(&be, &m.p, &cfg));
        EXPECT_OK(be->ops->refresh(be));
        int32_t ids[64];
        for (int i = 0; i < 64; i++) ids[i] = (i * 7 + 3) % 51;
        backend_row rows[64];
        float *first = calloc(51, 4), *many = calloc(51 * 64, 4);
        emu_schedule(EMU_FORWARD, 0);
        rows_of(rows, ids, 20, 0, 64);
        for (int i = 0; i < 20; i++) rows[i].want_logits = 0;
        run_rows_on(be, &m.p, rows, 20, many);
        static const int batches[] = {1, 5, 12, 30, 64};
        for (size_t k = 0; k < 5; k++) {
            int n = batches[k];
            emu_schedule((int)k % 3, k);
            for (int i = 0; i < n; i++) rows[i] = (backend_row){ids[i + 1 < 64 ? (i ? i : 1) : 1], 20, i, 64, 20, 1, 0};
            rows[n - 1] = (backend_row){17, 20, 63, 64, 20, 1, 0};
            run_rows_on(be, &m.p, rows, n, many);
            if (k == 0) memcpy(first, many, 51 * 4);
            EXPECT_MEM(many + (n - 1) * 51, first, 51 * 4);
        }
        be->ops->close(be);
        no_problem("batches");
        free(first);
        free(many);
        tiny_free(&m);
    }
}

/* Whatever is called while another thread of the host captures a stream of its own. */
TEST(cuda_leaves_other_threads_captures_alone) {
    enum { ROWS = 67, V = 51 };
    shape s = SHAPE_GPT2;
    tiny m;
    tiny_build(&m, &s, 11);
    backend_config cfg = {.threads = 1, .max_rows = ROWS, .max_logits = ROWS, .n_strips = 2, .strip_tokens = 96};
    backend *be = NULL;
    backend_row rows[ROWS];
    int32_t ids[ROWS], n[1];
    float *out = calloc(V * ROWS, sizeof *out), cosine[1];
    const float *one;
    burst_token tokens[BURST_MAX_STEPS];
    for (int i = 0; i < ROWS; i++) ids[i] = i % V;
    emu_others_capture(1);
    REQUIRE_OK(backend_cuda.open(&be, &m.p, &cfg));
    EXPECT_OK(be->ops->refresh(be));
    rows_of(rows, ids, ROWS, 0, 0);
    run_rows_on(be, &m.p, rows, ROWS, out);
    EXPECT_OK(be->ops->whole_row(be, 3, &one));
    EXPECT_OK(be->ops->copy(be, 0, 1, 0, 20));
    EXPECT_OK(be->ops->cosines(be, (const int32_t[]){3, 4}, 1, cosine));
    burst_row row = {.row = {5, ROWS, 0, -1, 0, 1, 0}, .key = 5, .steps = 4, .eos = -1};
    burst_request rq = {&row, 1, 0, tokens, NULL, n, 0};
    EXPECT_OK(be->ops->burst(be, &rq));
    cfg.max_rows = 8;
    if (EXPECT_OK(be->ops->reopen(be, &cfg))) be->ops->close(be);
    emu_others_capture(0);
    no_problem("while others capture");
    EXPECT_EQ(emu_capture_mode(), 0);
    EXPECT_EQ(emu_handles(), 0);
    free(out);
    tiny_free(&m);
}

/* Memory that ends at any call of an opening is said to be memory, whereupon the CPU samples; cuBLAS's own is asked for there, too. */
TEST(cuda_open_without_memory) {
    if (emu_is_chip()) SKIP("a chip does not fail when it is asked to");
    shape s = SHAPE_GPT2;
    tiny m;
    s.layers = 1;
    tiny_build(&m, &s, 11);
    backend_config cfg = {.threads = 1, .max_rows = 67, .max_logits = 1, .n_strips = 1, .strip_tokens = 67};
    backend *be = NULL;
    emu_fail(0, 0, 0);
    REQUIRE_OK(backend_cuda.open(&be, &m.p, &cfg));
    const long calls = emu_calls();
    const int handles = emu_handles();
    be->ops->close(be);
    cfg.max_rows = 64;
    REQUIRE_OK(backend_cuda.open(&be, &m.p, &cfg));
    EXPECT_EQ(handles - emu_handles(), 1); /* cuBLAS's */
    be->ops->close(be);
    cfg.max_rows = 67;
    for (long n = 1; n <= calls; n++) {
        emu_fail(n, 2, 0);
        glimpse_status st = backend_cuda.open(&be, &m.p, &cfg);
        if (st >= 0) be->ops->close(be);
        else test_check(st == GLIMPSE_E_MEMORY, __FILE__, __LINE__, "call %ld: %s", n, status_text());
        emu_fail(0, 0, 0);
    }
    no_problem("opening without memory");
    EXPECT_EQ(emu_device_bytes(), 0);
    EXPECT_EQ(emu_handles(), 0);
    tiny_free(&m);
}

TEST(cuda_not_finite) {
    shape s = SHAPE_GPT2;
    tiny m;
    tiny_build(&m, &s, 21);
    float *table = tiny_spoil(&m, 1e4f);
    for (int i = 0; i < 60; i++) table[6 * 60 + i] = 0;
    int32_t ids[4] = {3, 4, 5, 6};
    float want[51 * 4], got[51 * 4];
    backend_row rows[4];
    for (int i = 0; i < 4; i++) rows[i] = (backend_row){ids[i], 0, i, -1, 0, 1, 0};
    run_once(&backend_reference, &m.p, NULL, 1, rows, 4, 4, 4, want);
    run_once(&backend_cuda, &m.p, NULL, 1, rows, 4, 4, 4, got);
    for (int i = 0; i < 4 * 51; i++) {
        if (!isfinite(want[i])) EXPECT(!isfinite(got[i]));
        else EXPECT_NEAR(got[i], want[i], 1e-4 * (1 + fabs((double)want[i])));
    }
    no_problem("not finite");
    tiny_free(&m);
}

TEST(cuda_bf16_cache) {
    shape s = SHAPE_GPT2;
    tiny m;
    tiny_build(&m, &s, 31);
    backend_row rows[40];
    int32_t ids[40];
    float want[51], got[51];
    for (int i = 0; i < 40; i++) ids[i] = i * 5 % 51;
    rows_of(rows, ids, 40, 0, 0);
    for (int i = 0; i < 39; i++) rows[i].want_logits = 0;
    run_once(&backend_reference, &m.p, NULL, 1, rows, 40, 1, 40, want);
    backend_config cfg = {.threads = 1, .max_rows = 40, .max_logits = 1, .n_strips = 1, .strip_tokens = 40, .cache = GLIMPSE_BF16};
    backend *be = NULL;
    REQUIRE_OK(backend_cuda.open(&be, &m.p, &cfg));
    EXPECT_OK(be->ops->refresh(be));
    run_rows_on(be, &m.p, rows, 40, got);
    be->ops->close(be);
    expect_close(got, want, 51, 2e-2, "a cache of bf16");
    no_problem("bf16 cache");
    tiny_free(&m);
}
