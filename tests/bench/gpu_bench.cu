/* gpu_bench.cu -- how close decoding on the GPU comes to reading its bytes once (`make gpu-bench`).
 *
 *   calib   a kernel that reads as many bytes as a step must (weights once, keys and values of every sequence), from the
 *           same memory for the weights; the two alternate, what is printed is the median of ratios of neighbours
 *   step    bursts of 16 steps, records included, at positions 256 and on behind a shared prompt of 128
 *   ways    the same by the graph, by the kernel that stays (cuda_persist.cu), and which of them the backend chooses
 *   draw    head + draw + record of 20 / head alone
 *   gpu_trainer.cuh: the snapshot, the step that holds one, a run with evals
 *
 * Each row says what it must be, what is aimed at, and PASS or FAIL.  Weights are random, in the device's memory as a trainer's
 * would be.  Usage: gpu_bench [--tiny] [--ours FILE] [a model's name, or a part of it, or trainer].  Exit code 0 when all was
 * measured, failed rows too. */
#include "tests/bench/gpu_trainer.cuh"

static FILE *ours; /* what torch_compare.py divides by: a name and milliseconds a line; NULL = nobody asks */
static void tell_ours(const char *name, double ms) {
    if (ours) fprintf(ours, "%s %.9g\n", name, ms), fflush(ours);
}

static void bench_step(const shape *s, int B, bool tiny, double must_be, double goal) {
    built *m = (built *)calloc(1, sizeof *m);
    burst_row rows[64];
    unsigned *sink = NULL;
    int sms = 0, rounds = tiny ? 2 : 31, prompt = tiny ? 9 : PROMPT, at = tiny ? 12 : CONTEXT;
    MUST(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking));
    MUST(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0));
    build(m, s, false);
    backend *be = open_decoder(m, s, B, prompt, at);
    int32_t half = s->half ? 2 : 4;
    MUST(cudaMalloc((void **)&sink, 16));
    int64_t kv = (int64_t)s->L * s->KV * s->hd * 2 * half;
    int64_t bytes = m->weight_bytes + kv * ((int64_t)(B * (at - prompt + 8)) + prompt);
    void *apart = random_memory(m->stream, true, bytes / 2 + 8, 1, 5);
    burst_request rq = {rows, B, 20, tokens, tops, n_drawn, 0};
    double ratio[64], step[64], calib[64];
    for (int r = -2; r < rounds; r++) {
        fill_rows(rows, B, at, BURST_MAX_STEPS, true, s->V);
        for (int i = 0; i < B; i++) rows[i].row.prefix_tokens = prompt;
        double t0 = now_ms();
        must(be->ops->burst(be, &rq));
        double t1 = now_ms();
        for (int i = 0; i < BURST_MAX_STEPS; i++) MUST(read_bytes(m->stream, apart, bytes, sink, 2 * sms));
        MUST(cudaStreamSynchronize(m->stream));
        double t2 = now_ms();
        if (r < 0) continue;
        step[r] = (t1 - t0) / BURST_MAX_STEPS;
        calib[r] = (t2 - t1) / BURST_MAX_STEPS;
        ratio[r] = calib[r] / step[r];
    }
    double ms = median(step, rounds), c = median(calib, rounds);
    printf("%-16s B=%-3d ctx %d  %8.1f us/step  %9.0f tok/s  read-only %8.1f us (%.0f GB/s)  calib/step %.3f\n", s->name, B, at, ms * 1e3,
           B / ms * 1e3, c * 1e3, (double)bytes / (c * 1e6), median(ratio, rounds));
    char what[96];
    snprintf(what, sizeof what, "reading a step's bytes / a decode step, %s, batch %d", s->name, B);
    if (must_be > 0) print_row(what, median(ratio, rounds), true, must_be, goal);
    snprintf(what, sizeof what, "step-%.*s-%d", (int)strcspn(s->name, " "), s->name, B);
    if (s->half) tell_ours(what, ms);
    be->ops->close(be);
    MUST(cudaFree(apart));
    MUST(cudaFree(sink));
    release(m);
    MUST(cudaStreamDestroy(m->stream));
    free(m);
}

/* A step by the graph and by the persistent kernel, in turns, and what --cuda_decode auto makes of it here. */
static void bench_ways(const shape *s, int B, bool tiny) {
    static const decode_way ways[] = {DECODE_GRAPH, DECODE_PERSISTENT, DECODE_AUTO};
    built *m = (built *)calloc(1, sizeof *m);
    backend *be[3];
    burst_row rows[64];
    burst_request rq = {rows, B, 20, tokens, tops, n_drawn, 0};
    double t[3][64], ratio[64];
    int rounds = tiny ? 2 : 31, prompt = tiny ? 9 : PROMPT, at = tiny ? 12 : CONTEXT, drawn[3] = {0};
    MUST(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking));
    build(m, s, false);
    for (int w = 0; w < 3; w++) be[w] = open_decoder_by(m, s, B, prompt, at, ways[w], 0);
    for (int r = -2; r < rounds; r++) {
        for (int w = 0; w < 3; w++) {
            fill_rows(rows, B, at, BURST_MAX_STEPS, true, s->V);
            for (int i = 0; i < B; i++) rows[i].row.prefix_tokens = prompt;
            double t0 = now_ms();
            must(be[w]->ops->burst(be[w], &rq));
            if (r >= 0) t[w][r] = (now_ms() - t0) / BURST_MAX_STEPS;
            drawn[w] = tokens[BURST_MAX_STEPS - 1].id;
        }
        if (r >= 0) ratio[r] = t[0][r] / t[1][r];
    }
    int32_t blocks = cuda_decode_blocks(be[1]), chosen = cuda_decode_blocks(be[2]);
    char by[64] = "the graph";
    if (chosen) snprintf(by, sizeof by, "the persistent kernel on %d blocks", chosen);
    printf("%-16s B=%-3d graph %.1f us/step, persistent (%d blocks) %.1f us/step, graph / persistent %.2f; chosen here: %s, %.1f us/step%s\n",
           s->name, B, median(t[0], rounds) * 1e3, blocks, median(t[1], rounds) * 1e3, median(ratio, rounds), by,
           median(t[2], rounds) * 1e3, drawn[0] == drawn[1] && drawn[0] == drawn[2] ? "" : "; OTHER TOKENS");
    for (int w = 0; w < 3; w++) be[w]->ops->close(be[w]);
    release(m);
    MUST(cudaStreamDestroy(m->stream));
    free(m);
}

/* The head alone by forward's kernels, against head + draw + record: both as bursts' launches, timed by events. */
static void bench_draw(const shape *s, int B, bool tiny, double must_be, double goal) {
    built *m = (built *)calloc(1, sizeof *m);
    backend *be = NULL;
    backend_config cfg;
    burst_row rows[64];
    int rounds = tiny ? 2 : 31, repeat = tiny ? 1 : 16;
    MUST(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking));
    build(m, s, true);
    memset(&cfg, 0, sizeof cfg);
    cfg.threads = 1;
    cfg.max_rows = cfg.max_logits = 64;
    cfg.n_strips = 64;
    cfg.strip_tokens = 64;
    MUST(cudaStreamSynchronize(m->stream));
    must(backend_cuda.open(&be, &m->p, &cfg));
    must(be->ops->refresh(be));
    cuda_backend *own = (cuda_backend *)(void *)be;
    burst_request rq = {rows, B, 20, tokens, tops, n_drawn, 0};
    cudaEvent_t e[2];
    for (int i = 0; i < 2; i++) MUST(cudaEventCreateWithFlags(&e[i], 0));
    double ratio[64], with[64], without[64];
    for (int r = -2; r < rounds; r++) {
        row_run run;
        backend_row in[64];
        float head_ms;
        memset(&run, 0, sizeof run);
        run.n = B;
        for (int i = 0; i < B; i++) {
            backend_row x = {i % s->V, 1, i, -1, 0, 1, 0};
            in[i] = x;
        }
        cuda_list_rows(own, in, &run);
        must(cuda_upload_rows(own, B));
        MUST(cudaEventRecord(e[0], own->stream));
        for (int i = 0; i < repeat; i++) must(cuda_run_phases(own, &run));
        MUST(cudaEventRecord(e[1], own->stream));
        MUST(cudaEventSynchronize(e[1]));
        MUST(cudaEventElapsedTime(&head_ms, e[0], e[1]));
        fill_rows(rows, B, 1, BURST_MAX_STEPS, false, s->V);
        double t0 = now_ms();
        must(be->ops->burst(be, &rq));
        double t1 = now_ms();
        if (r < 0) continue;
        without[r] = head_ms / repeat;
        with[r] = (t1 - t0) / BURST_MAX_STEPS;
        ratio[r] = with[r] / without[r];
    }
    printf("%-16s B=%-3d head %.1f us, head + draw + record of 20 %.1f us, ratio %.2f\n", s->name, B, median(without, rounds) * 1e3,
           median(with, rounds) * 1e3, median(ratio, rounds));
    char what[96];
    snprintf(what, sizeof what, "(head + draw + record of 20) / head, %s, batch %d", s->name, B);
    if (must_be > 0) print_row(what, median(ratio, rounds), false, must_be, goal);
    snprintf(what, sizeof what, "draw-%.*s-%d", (int)strcspn(s->name, " "), s->name, B);
    tell_ours(what, median(with, rounds) - median(without, rounds));
    for (int i = 0; i < 2; i++) MUST(cudaEventDestroy(e[i]));
    be->ops->close(be);
    release(m);
    MUST(cudaStreamDestroy(m->stream));
    free(m);
}

/* A prompt of 128 and 256 tokens behind it, all that generate does: prefill, bursts, records. */
static void bench_generate(const shape *s, int B, bool tiny) {
    built *m = (built *)calloc(1, sizeof *m);
    burst_row rows[64];
    int rounds = tiny ? 1 : 7, prompt = tiny ? 9 : PROMPT, n = tiny ? 16 : 256;
    double t[16];
    MUST(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking));
    build(m, s, false);
    backend *be = open_decoder(m, s, B, prompt, prompt);
    burst_request rq = {rows, B, 20, tokens, tops, n_drawn, 0};
    backend_row in[PROMPT];
    const float *logits;
    int64_t stride;
    for (int r = -1; r < rounds; r++) {
        double t0 = now_ms();
        for (int i = 0; i < prompt; i++) {
            backend_row x = {(i * 31) % s->V, i, B, -1, 0, i == prompt - 1, 0};
            in[i] = x;
        }
        must(be->ops->forward(be, in, prompt, &logits, &stride));
        for (int at = prompt; at < prompt + n; at += BURST_MAX_STEPS) {
            fill_rows(rows, B, at, BURST_MAX_STEPS, true, s->V);
            for (int i = 0; i < B; i++) rows[i].row.prefix_tokens = prompt;
            must(be->ops->burst(be, &rq));
        }
        if (r >= 0) t[r] = now_ms() - t0;
    }
    char what[96];
    printf("%-16s B=%-3d %d tokens behind a prompt of %d: %.2f ms\n", s->name, B, n, prompt, median(t, rounds));
    snprintf(what, sizeof what, "generate-%.*s-%d", (int)strcspn(s->name, " "), s->name, B);
    tell_ours(what, median(t, rounds));
    be->ops->close(be);
    release(m);
    MUST(cudaStreamDestroy(m->stream));
    free(m);
}

static const struct { int shape, B; double must_be, goal; } steps[] = {
    {0, 1, 0.40, 0.68}, {0, 16, 0, 0}, {0, 64, 0.55, 0.78}, {1, 1, 0, 0},          {1, 64, 0, 0},
    {2, 1, 0.70, 0.88}, {3, 1, 0.88, 0.96}, {3, 16, 0.82, 0.92}, {3, 64, 0.78, 0.90}};
static const struct { int shape, B; double must_be, goal; } draws[] = {
    {0, 1, 1.5, 1.15}, {0, 64, 1.6, 1.25}, {3, 1, 1.10, 1.03}, {3, 64, 1.15, 1.08}};

int main(int argc, char **argv) {
    bool tiny = false, known = true;
    const char *which = "", *word = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--tiny")) tiny = true;
        else if (!strcmp(argv[i], "--ours") && i + 1 < argc) ours = fopen(argv[++i], "a");
        else if (!strcmp(argv[i], "--worker") && i + 1 < argc) word = argv[++i];
        else if (argv[i][0] != '-' && !*which) which = argv[i];
        else known = false;
    }
    if (!known) {
        fprintf(stderr, "usage: gpu_bench [--tiny] [--ours FILE] [part of a model's name | trainer]\n");
        return 2;
    }
    if (word) return worker_main(word, tiny);
    signal(SIGPIPE, SIG_IGN);
    say_device(tiny);
    if (tiny) {
        times_mean_nothing = true;
        bench_step(&small, 2, true, 0, 0);
        bench_ways(&small, 2, true);
        bench_draw(&small, 2, true, 0, 0);
        bench_generate(&small, 2, true);
        bench_snapshot(true);
        bench_stall(true);
        bench_run(true);
        return 0;
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strstr(shapes[steps[i].shape].name, which)) bench_step(&shapes[steps[i].shape], steps[i].B, false, steps[i].must_be, steps[i].goal);
    for (int B = 1; B <= 16 && strstr(shapes[0].name, which); B *= 4) bench_ways(&shapes[0], B, false);
    for (size_t i = 0; i < sizeof draws / sizeof *draws; i++)
        if (strstr(shapes[draws[i].shape].name, which)) bench_draw(&shapes[draws[i].shape], draws[i].B, false, draws[i].must_be, draws[i].goal);
    for (int B = 1; B <= 64 && strstr(shapes[0].name, which); B *= 64) bench_generate(&shapes[0], B, false);
    if (!*which || !strcmp(which, "trainer")) {
        bench_snapshot(false);
        bench_stall(false);
        bench_run(false);
    }
    printf("%d rows failed\n", rows_failed);
    if (ours) fclose(ours);
    return 0;
}
