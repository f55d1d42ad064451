/* gpu_bench.cu -- how close decoding on the GPU comes to reading its bytes once (`make gpu-bench`).
 *
 *   calib   a kernel that reads what a step must, at the addresses where it lies: weights once, keys and values of every sequence
 *   step    a burst of 16 steps / 16, wall clock, records of 20 included; greedy, nothing shared, keys and values in bf16
 *           A pass takes positions 128 to 383, a burst and a calib in turns; its mean of the one over its mean of the other is
 *           one ratio, their median the row, with the 95 % interval of passes drawn again
 *   draw    head + draw + record of 20 / head alone, greedy; beside it drawn from all, and with a temperature and top-k
 *   ways    a step by the graph, by the kernel that stays (cuda_persist.cu), and which of them the backend chooses
 *   gpu_trainer.cuh: the snapshot, the step that holds one, a run with evals
 *
 * Each row says what it must be, what is aimed at, and PASS or FAIL, and is measured in a process of its own: one that fails or
 * hangs takes no other along.  Weights are random, in the device's memory as a trainer's would be.
 *
 * Usage: gpu_bench [--tiny] [--ours FILE] [part of a row's name], e.g. "table", "gpt2-124M bf16", "trainer"; --rows names them.
 * Exit code 0 when all was measured, failed rows too; 2 without a GPU. */
#include "tests/bench/gpu_trainer.cuh"

static FILE *ours; /* what torch_compare.py divides by: a name and milliseconds a line; NULL = nobody asks */
static void tell_ours(const char *name, double ms) {
    if (ours) fprintf(ours, "%s %.9g\n", name, ms), fflush(ours);
}
static const char *first_word(const shape *s, char *to, size_t size) {
    snprintf(to, size, "%.*s", (int)strcspn(s->name, " "), s->name);
    return to;
}

/* What a step reads, as a list on the device: the weights, and every sequence's keys and values. */
typedef struct reading {
    read_piece *list;
    int n;
    double weights, token; /* bytes; a token of context's, over all sequences */
} reading;
static reading list_reading(const built *m, const backend *be, int B) {
    const int64_t PIECE = 4096; /* 64 KB */
    const cuda_backend *own = (const cuda_backend *)(const void *)be;
    reading r = {NULL, 0, 0, 0};
    int room = 0;
    for (int i = 0; i < m->n_read; i++) room += (int)(m->read[i].bytes / 16 / PIECE) + 1;
    for (int i = 0; i < m->p.n_phases; i++) room += own->phases[i].cache.k ? 2 * B * own->phases[i].cache.kv_heads : 0;
    read_piece *list = (read_piece *)malloc((size_t)room * sizeof *list);
    for (int i = 0; i < m->n_read; i++)
        for (int64_t at = 0, n = m->read[i].bytes / 16; at < n; at += PIECE) {
            read_piece p = {(const uint4 *)m->read[i].at + at, (int)(n - at < PIECE ? n - at : PIECE), 0};
            list[r.n++] = p;
            r.weights += 16.0 * p.n;
        }
    for (int i = 0; i < m->p.n_phases; i++) {
        const device_cache *c = &own->phases[i].cache;
        if (m->p.phases[i].kind != PHASE_ATTEND) continue;
        int token = c->hdp * (c->half ? 2 : 4) / 16;
        for (int k = 0; k < B * c->kv_heads * 2; k++) {
            read_piece p = {(const uint4 *)(k % 2 ? c->v : c->k) + (int64_t)(k / 2) * c->tokens * token, 0, token};
            list[r.n++] = p;
            r.token += 16.0 * token;
        }
    }
    MUST(cudaMalloc((void **)&r.list, (size_t)r.n * sizeof *list));
    MUST(cudaMemcpyAsync(r.list, list, (size_t)r.n * sizeof *list, cudaMemcpyHostToDevice, m->stream));
    MUST(cudaStreamSynchronize(m->stream));
    free(list);
    return r;
}

static void bench_step(const shape *s, int B, bool tiny, double must_be, double goal) {
    enum { PASSES = 31, BURSTS = 16 };
    static double step[PASSES][BURSTS], calib[PASSES][BURSTS], ratio[PASSES];
    built *m = (built *)calloc(1, sizeof *m);
    burst_row rows[64];
    unsigned *sink = NULL;
    cudaEvent_t e[2];
    int sms = 0, prompt = tiny ? 9 : PROMPT, bursts = tiny ? 2 : BURSTS, passes = tiny ? 2 : PASSES;
    MUST(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking));
    MUST(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0));
    for (int i = 0; i < 2; i++) MUST(cudaEventCreateWithFlags(&e[i], 0));
    build(m, s, false);
    backend *be = open_decoder(m, s, B, prompt, prompt);
    MUST(cudaMalloc((void **)&sink, 16));
    reading all = list_reading(m, be, B);
    const double mean_tokens = prompt + 8.0 * bursts + 0.5, bytes = all.weights + all.token * mean_tokens;
    int times = bytes > 4e9 ? 2 : bytes > 1e9 ? 6 : 24;
    if (tiny) times = 2;
    double began = 0;
    for (int r = -2; r < passes; r++) {
        double a = 0, b = 0;
        if (r == 0) began = now_ms();
        if (r >= 8 && now_ms() - began > 12e3) passes = r; /* a large model: 8 passes are 128 pairs */
        for (int i = 0; i < bursts && r < passes; i++) {
            burst_request rq = {rows, B, 20, tokens, tops, n_drawn, 0};
            int at = prompt + i * BURST_MAX_STEPS;
            float ms = 0;
            greedy_rows(rows, B, at, BURST_MAX_STEPS, s->V);
            double t0 = now_ms();
            must(be->ops->burst(be, &rq));
            double t1 = now_ms();
            MUST(cudaEventRecord(e[0], m->stream));
            MUST(LAUNCH(read_pieces_kernel, dim3((unsigned)(tiny ? 2 : 3 * sms)), dim3(512), 0, m->stream, false, (const read_piece *)all.list,
                        all.n, at + 8, times, sink));
            MUST(cudaEventRecord(e[1], m->stream));
            ms = event_ms(e);
            for (int k = 0; k < B; k++) if (n_drawn[k] != BURST_MAX_STEPS) printf("     %s: a sequence ended early\n", s->name), exit(1);
            if (r < 0) continue;
            step[r][i] = (t1 - t0) / BURST_MAX_STEPS;
            calib[r][i] = ms / times;
            a += step[r][i];
            b += calib[r][i];
        }
        if (r >= 0 && r < passes) ratio[r] = b / a;
    }
    auto middle = [&](const int *which) {
        double v[PASSES];
        for (int i = 0; i < passes; i++) v[i] = ratio[which ? which[i] : i];
        return median(v, passes);
    };
    auto typical = [&](double (*of)[BURSTS]) { /* the mean over positions of the median over passes */
        double sum = 0, v[PASSES];
        for (int i = 0; i < bursts; i++) {
            for (int r = 0; r < passes; r++) v[r] = of[r][i];
            sum += median(v, passes) / bursts;
        }
        return sum;
    };
    double ms = typical(step), c = typical(calib);
    char what[96], word[32];
    printf("%-16s B=%-3d ctx %d-%d  %8.1f us/step  %9.0f tok/s  read-only %8.1f us (%.0f GB/s)  calib/step %.3f (95 %%: %.3f to %.3f, %d passes)\n",
           s->name, B, prompt, prompt + bursts * BURST_MAX_STEPS - 1, ms * 1e3, B / ms * 1e3, c * 1e3, bytes / (c * 1e6), middle(NULL),
           bootstrap(passes, 0.025, middle), bootstrap(passes, 0.975, middle), passes);
    snprintf(what, sizeof what, "reading a step's bytes / a decode step, %s, batch %d", s->name, B);
    if (must_be > 0) print_row(what, middle(NULL), true, must_be, goal);
    snprintf(what, sizeof what, "step-%s-%d", first_word(s, word, sizeof word), B);
    if (s->half) tell_ours(what, ms);
    be->ops->close(be);
    for (int i = 0; i < 2; i++) MUST(cudaEventDestroy(e[i]));
    MUST(cudaFree(all.list));
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
            greedy_rows(rows, B, at, BURST_MAX_STEPS, s->V);
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

/* The head alone by forward's kernels, against head + draw + record: both as bursts' launches, the embedding in both.  Of the ways
 * to draw, greedy is the table's; from all of the row is what PyTorch's multinomial does (torch_compare.py). */
static void bench_draw(const shape *s, int B, bool tiny, double must_be, double goal) {
    enum { GREEDY, WHOLE, FILTERED, DRAWS };
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
    cfg.say = print_line;
    MUST(cudaStreamSynchronize(m->stream));
    must(backend_cuda.open(&be, &m->p, &cfg));
    must(be->ops->refresh(be));
    cuda_backend *own = (cuda_backend *)(void *)be;
    burst_request rq = {rows, B, 20, tokens, tops, n_drawn, 0};
    cudaEvent_t e[2];
    for (int i = 0; i < 2; i++) MUST(cudaEventCreateWithFlags(&e[i], 0));
    double ratio[DRAWS][64], with[DRAWS][64], without[64];
    for (int r = -2; r < rounds; r++) {
        row_run run;
        backend_row in[64];
        memset(&run, 0, sizeof run);
        run.n = B;
        for (int i = 0; i < B; i++) {
            backend_row x = {(i * 7919 + 1) % s->V, 1, i, -1, 0, 1, 0};
            in[i] = x;
        }
        cuda_list_rows(own, in, &run);
        must(cuda_upload_rows(own, B));
        MUST(cudaEventRecord(e[0], own->stream));
        for (int i = 0; i < repeat; i++) must(cuda_run_phases(own, &run));
        MUST(cudaEventRecord(e[1], own->stream));
        double head = event_ms(e) / repeat;
        if (r >= 0) without[r] = head;
        for (int d = 0; d < DRAWS; d++) {
            greedy_rows(rows, B, 1, BURST_MAX_STEPS, s->V);
            if (d == FILTERED) fill_rows(rows, B, 1, BURST_MAX_STEPS, false, s->V);
            for (int i = 0; i < B && d == WHOLE; i++) rows[i].n_ops = 0;
            double t0 = now_ms();
            must(be->ops->burst(be, &rq));
            double each = (now_ms() - t0) / BURST_MAX_STEPS;
            if (r >= 0) with[d][r] = each, ratio[d][r] = each / head;
        }
    }
    double head = median(without, rounds), us[DRAWS];
    for (int d = 0; d < DRAWS; d++) us[d] = median(with[d], rounds) * 1e3;
    printf("%-16s B=%-3d head %.1f us; with a greedy draw and a record of 20 %.1f us, drawn from all %.1f us, temperature and top-k 200 %.1f us\n",
           s->name, B, head * 1e3, us[GREEDY], us[WHOLE], us[FILTERED]);
    char what[96], word[32];
    snprintf(what, sizeof what, "(head + draw + record of 20) / head, %s, batch %d", s->name, B);
    if (must_be > 0) print_row(what, median(ratio[GREEDY], rounds), false, must_be, goal);
    snprintf(what, sizeof what, "draw-%s-%d", first_word(s, word, sizeof word), B);
    tell_ours(what, us[WHOLE] * 1e-3 - head);
    for (int i = 0; i < 2; i++) MUST(cudaEventDestroy(e[i]));
    be->ops->close(be);
    release(m);
    MUST(cudaStreamDestroy(m->stream));
    free(m);
}

/* B prompts of 128 and 256 tokens behind each, all that generate does: prefill, bursts, records.  A prompt a sequence, as PyTorch
 * has it: nothing is shared. */
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
        for (int strip = 0; strip < B; strip++) {
            for (int i = 0; i < prompt; i++) {
                backend_row x = {(i * 31 + strip * 7) % s->V, i, strip, -1, 0, i == prompt - 1, 0};
                in[i] = x;
            }
            must(be->ops->forward(be, in, prompt, &logits, &stride));
        }
        for (int at = prompt; at < prompt + n; at += BURST_MAX_STEPS) {
            greedy_rows(rows, B, at, BURST_MAX_STEPS, s->V);
            must(be->ops->burst(be, &rq));
        }
        if (r >= 0) t[r] = now_ms() - t0;
    }
    char what[96], word[32];
    printf("%-16s B=%-3d %d tokens behind prompts of %d: %.2f ms\n", s->name, B, n, prompt, median(t, rounds));
    snprintf(what, sizeof what, "generate-%s-%d", first_word(s, word, sizeof word), B);
    tell_ours(what, median(t, rounds));
    be->ops->close(be);
    release(m);
    MUST(cudaStreamDestroy(m->stream));
    free(m);
}

/* === The rows, what is worth most first =========================================================================== */

typedef enum job_kind { STEP, DRAW, GENERATE, WAYS, SNAPSHOT, STALL, RUN } job_kind;
static const struct job {
    job_kind kind;
    int shape, B;
    double must_be, goal;
    int seconds; /* at most */
    bool more;   /* beside the table */
} jobs[] = {
    {STEP, 0, 1, 0.40, 0.68, 40, 0},  {STEP, 0, 64, 0.55, 0.78, 40, 0}, {GENERATE, 0, 1, 0, 0, 30, 0},    {GENERATE, 0, 64, 0, 0, 30, 0},
    {DRAW, 0, 1, 1.5, 1.15, 30, 0},   {DRAW, 0, 64, 1.6, 1.25, 30, 0},  {STEP, 3, 1, 0.88, 0.96, 60, 0},  {STEP, 3, 64, 0.78, 0.90, 60, 0},
    {STEP, 3, 16, 0.82, 0.92, 60, 0}, {STEP, 2, 1, 0.70, 0.88, 50, 0},  {SNAPSHOT, 0, 0, 0, 0, 30, 0},    {STALL, 0, 0, 0, 0, 60, 0},
    {DRAW, 3, 1, 1.10, 1.03, 40, 0},  {DRAW, 3, 64, 1.15, 1.08, 40, 0}, {RUN, 0, 0, 0, 0, 130, 0},        {WAYS, 0, 1, 0, 0, 30, 1},
    {WAYS, 0, 4, 0, 0, 30, 1},        {WAYS, 0, 16, 0, 0, 30, 1},       {STEP, 0, 16, 0, 0, 40, 1},       {STEP, 2, 64, 0, 0, 50, 1},
    {STEP, 1, 1, 0, 0, 40, 1},        {STEP, 1, 64, 0, 0, 40, 1}};
enum { JOBS = sizeof jobs / sizeof *jobs };

static void run_job(const struct job *j, bool tiny) {
    const shape *s = tiny ? &small : &shapes[j->shape];
    int B = tiny ? 2 : j->B;
    switch (j->kind) {
    case STEP: bench_step(s, B, tiny, j->must_be, j->goal); break;
    case DRAW: bench_draw(s, B, tiny, j->must_be, j->goal); break;
    case GENERATE: bench_generate(s, B, tiny); break;
    case WAYS: bench_ways(s, B, tiny); break;
    case SNAPSHOT: bench_snapshot(tiny); break;
    case STALL: bench_stall(tiny); break;
    case RUN: bench_run(tiny); break;
    }
}
static void name_job(const struct job *j, char *to, size_t size) {
    static const char *const names[] = {"step", "draw", "generate", "ways", "trainer, snapshot", "trainer, a step that holds a snapshot",
                                        "trainer, a run with evals"};
    const char *where = j->more ? "more" : "table";
    if (j->kind >= SNAPSHOT) snprintf(to, size, "%s: %s", where, names[j->kind]);
    else snprintf(to, size, "%s: %s, %s, batch %d", where, names[j->kind], shapes[j->shape].name, j->B);
}

/* Row i in a process of its own; false: it ended badly, which is said as a failed row. */
static bool run_apart(int i, const char *file) {
    char self[4096], number[16], name[96];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *argv[] = {self, "--row", number, file ? "--ours" : NULL, file, NULL};
    pid_t pid;
    int status = 0;
    snprintf(number, sizeof number, "%d", i);
    name_job(&jobs[i], name, sizeof name);
    if (n > 0) self[n] = 0;
    if (n <= 0 || posix_spawn(&pid, self, NULL, NULL, (char *const *)(uintptr_t)argv, environ)) {
        printf("FAIL %s: no process\n", name);
        return false;
    }
    double began = now_ms();
    bool late = false;
    while (!waitpid(pid, &status, WNOHANG)) {
        if (!late && now_ms() - began > 1e3 * jobs[i].seconds) late = !kill(pid, SIGKILL);
        usleep(20000);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    if (late) printf("FAIL %s: not measured in %d s\n", name, jobs[i].seconds);
    else printf("FAIL %s: not measured (%s %d)\n", name, WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

int main(int argc, char **argv) {
    bool tiny = false, known = true, only_names = false, all = true;
    const char *which = "", *word = NULL, *file = NULL;
    char name[96];
    int row = -1;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--tiny")) tiny = true;
        else if (!strcmp(argv[i], "--rows")) only_names = true;
        else if (!strcmp(argv[i], "--ours") && i + 1 < argc) file = argv[++i];
        else if (!strcmp(argv[i], "--row") && i + 1 < argc) row = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--worker") && i + 1 < argc) word = argv[++i];
        else if (argv[i][0] != '-' && !*which) which = argv[i];
        else known = false;
    }
    if (!known || row >= JOBS) {
        fprintf(stderr, "usage: gpu_bench [--tiny] [--rows] [--ours FILE] [part of a row's name]\n");
        return 2;
    }
    if (word) return worker_main(word, tiny);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (file) ours = fopen(file, "a");
    times_mean_nothing = tiny;
    for (int i = 0; only_names && i < JOBS; i++) {
        name_job(&jobs[i], name, sizeof name);
        printf("%s\n", name);
    }
    if (only_names) return 0;
    if (row >= 0) run_job(&jobs[row], tiny);
    else {
        say_device(tiny);
        for (int i = 0, done = 0; i < JOBS; i++) {
            name_job(&jobs[i], name, sizeof name);
            if (!strstr(name, which)) continue;
            if (!tiny) all = run_apart(i, file) && all;
            else if (!(done >> jobs[i].kind & 1)) run_job(&jobs[i], true); /* one of each kind */
            done |= 1 << jobs[i].kind;
        }
    }
    if (ours) fclose(ours);
    return all ? 0 : 1;
}
