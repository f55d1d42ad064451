/* gpu_trainer.cuh -- what a training feels of Glimpse, for gpu_bench.cu: the copy of the weights beside a copy of as many bytes,
 * the step that holds one, a run with evals.  The training stands in as the products of GPT-2 124M's step at 64 x 1024 tokens
 * (6 x 124 M x 65,536 operations in bf16); the weights are llm.c's block in the GPU's memory. */
#ifndef GLIMPSE_BENCH_GPU_TRAINER_CUH
#define GLIMPSE_BENCH_GPU_TRAINER_CUH

#include <unistd.h>

#include "tests/bench/gpu_procs.cuh"

/* One row of the table: must and goal, and whether it holds.  `above`: larger is better. */
static int rows_failed;
static bool times_mean_nothing; /* --tiny: then all pass */
static void print_row(const char *what, double value, bool above, double must_be, double goal) {
    bool passes = times_mean_nothing || (above ? value >= must_be : value <= must_be), reached = above ? value >= goal : value <= goal;
    printf("%-4s %-86s %8.4g  must %s %g, goal %g%s\n", passes ? "PASS" : "FAIL", what, value, above ? ">=" : "<=", must_be, goal,
           reached ? " (reached)" : "");
    fflush(stdout);
    rows_failed += !passes;
}

static float event_ms(cudaEvent_t *e) {
    float ms = 0;
    MUST(cudaEventSynchronize(e[1]));
    MUST(cudaEventElapsedTime(&ms, e[0], e[1]));
    return ms;
}

/* The snapshot of 1.5 B bf16 weights / one copy of as many bytes by the runtime. */
static void bench_snapshot(bool tiny) {
    held_block h;
    void *to = NULL;
    cudaEvent_t e[2];
    int rounds = tiny ? 2 : 31;
    double ratio[64];
    if (hold(&h, tiny ? 1 << 16 : (int64_t)1557611200 * 2)) {
        MUST(cudaMalloc(&to, (size_t)h.bytes));
        for (int i = 0; i < 2; i++) MUST(cudaEventCreateWithFlags(&e[i], 0));
        for (int r = -2; r < rounds; r++) {
            MUST(cudaEventRecord(e[0], h.stream));
            must(device_copy_across(h.d, &h.part, 1, 0));
            if (h.fake) h.fake->run();
            MUST(cudaEventRecord(e[1], h.stream));
            double ours = event_ms(e);
            MUST(cudaEventRecord(e[0], h.stream));
            MUST(cudaMemcpyAsync(to, h.weights, (size_t)h.bytes, cudaMemcpyDeviceToDevice, h.stream));
            MUST(cudaEventRecord(e[1], h.stream));
            double plain = event_ms(e);
            if (r >= 0) ratio[r] = ours / plain;
        }
        print_row("the snapshot of 1.5 B bf16 weights / a copy of as many bytes", median(ratio, rounds), false, 1.3, 1.03);
        for (int i = 0; i < 2; i++) MUST(cudaEventDestroy(e[i]));
        MUST(cudaFree(to));
    }
    let_go(&h);
}

static void training_step(products *p, int products_a_step) {
    for (int i = 0; i < products_a_step; i++) one_product(p);
    MUST(cudaStreamSynchronize(p->stream));
}

/* The step that holds a snapshot of 124 M bf16 weights, and its neighbour that holds none: the upper bound of what it adds.  As in
 * a trainer the copy is asked for ahead of the step, whose stream waits for it; the host does not. */
static void bench_stall(bool tiny) {
    enum { PAIRS = 160 };
    held_block h;
    int pairs = tiny ? 3 : (int)PAIRS, a_step = tiny ? 1 : 44;
    static double with[PAIRS], without[PAIRS], more[PAIRS];
    if (hold(&h, tiny ? 1 << 16 : (int64_t)124475904 * 2)) {
        products p;
        memset(&p, 0, sizeof p);
        products_open(&p, tiny);
        cudaStream_t its = p.stream;
        MUST(cudaStreamSynchronize(its));
        p.stream = h.stream; /* the one that the copy is ordered with */
        (void)cublasSetStream(p.blas, p.stream);
        for (int r = -3; r < pairs; r++) {
            double t[2];
            for (int k = 0; k < 2; k++) {
                bool holds = k == (r & 1);
                double t0 = now_ms();
                if (holds) must(device_copy_across(h.d, &h.part, 1, 0));
                if (holds && h.fake) h.fake->run();
                training_step(&p, a_step);
                t[holds] = now_ms() - t0;
            }
            if (r < 0) continue;
            with[r] = t[1];
            without[r] = t[0];
            more[r] = t[1] - t[0];
        }
        auto added = [&](const int *which) {
            static double v[PAIRS];
            for (int i = 0; i < pairs; i++) v[i] = more[which ? which[i] : i];
            return median(v, pairs);
        };
        double typical = added(NULL), most = bootstrap(pairs, 0.95, added), step = median(without, pairs);
        printf("     a step of %.2f ms, with a snapshot %.2f ms; it adds %.4f ms, with 95 %% certainty at most %.4f ms (%d pairs)\n", step,
               median(with, pairs), typical, most, pairs);
        print_row("added time of a step that holds a snapshot, 124M, 64 x 1024 tokens, 95 % upper bound, %", 100 * most / step, false, 0.3, 0.03);
        p.stream = its;
        products_close(&p);
    }
    let_go(&h);
}

static void run_eval(glimpse *g, held_block *h, int step) {
    glimpse_status st = glimpse_llmc_eval(g, step, 2.0f, 1.0f);
    if (st < 0) printf("     an eval failed: %s\n", glimpse_error());
    if (h->fake) h->fake->run();
}

/* The same without the session's libraries: this program stands for the worker (gpu_procs.cuh, letter e), which draws no sheets. */
static void stand_in_run(bool tiny) {
    held_block h;
    int steps = tiny ? 2 : 250, a_step = tiny ? 1 : 44;
    double added[2], t[2] = {0, 0}, opened = -1, took = -1;
    char letter = 'g', answer = 0;
    if (!hold(&h, tiny ? 1 << 16 : (int64_t)124475904 * 2)) {
        let_go(&h);
        return;
    }
    products p;
    memset(&p, 0, sizeof p);
    products_open(&p, tiny);
    cudaStream_t its = p.stream;
    MUST(cudaStreamSynchronize(its));
    p.stream = h.stream;
    (void)cublasSetStream(p.blas, p.stream);
    child c = start("evals", tiny);
    bool well = put(c.to, &letter, 1) && put(c.to, &h.offer, sizeof h.offer) && put(c.to, &h.bytes, sizeof h.bytes) && get(c.from, &answer, 1) &&
                get(c.from, &opened, sizeof opened) && opened >= 0;
    auto eval = [&]() {
        letter = 'e';
        must(device_copy_across(h.d, &h.part, 1, 0));
        if (h.fake) h.fake->run();
        well = put(c.to, &letter, 1);
    };
    auto drain = [&]() { well = well && get(c.from, &answer, 1) && get(c.from, &took, sizeof took) && took >= 0; };
    for (int warm = 0; warm < 2 && well; warm++) eval(), drain();
    for (int r = 0; r < 2 && well; r++) {
        for (int k = 0; k < 2 && well; k++) {
            bool evals = k == (r & 1);
            double t0 = now_ms();
            if (evals) eval();
            for (int i = 0; i < steps; i++) training_step(&p, a_step);
            t[evals] = now_ms() - t0;
            if (evals) drain();
        }
        added[r] = 100 * (t[1] / t[0] - 1);
    }
    if (well) {
        printf("     an eval took %.0f ms, %d steps without one %.0f ms\n", took, steps, t[0]);
        print_row("added wall time of a run, interval 250, 16 x 256 tokens, no sheets, a stand-in for the worker, %", (added[0] + added[1]) / 2, false,
                  1, 0.2);
    } else printf("     a run with evals was not measured: the stand-in for the worker did not open the snapshot, or ended\n");
    finish(&c);
    p.stream = its;
    products_close(&p);
    let_go(&h);
}

/* 250 steps with an eval of 16 samples of 256 tokens in them / 250 without; `program`: the worker. */
static void bench_run(bool tiny) {
    const char *program = getenv("GLIMPSE_WORKER");
    char dir[] = "/tmp/glimpse-bench-XXXXXX", command[128];
    int T = tiny ? 32 : 1024, V = tiny ? 50 : 50257, Vp = tiny ? 64 : 50304, L = tiny ? 2 : 12, NH = tiny ? 2 : 12, C = tiny ? 16 : 768;
    int steps = tiny ? 2 : 250, a_step = tiny ? 1 : 44, rounds = 2;
    int64_t c = C, n = Vp * c + T * c + L * (12 * c * c + 13 * c) + 2 * c;
    if (!program || access(program, X_OK) != 0 || !mkdtemp(dir)) {
        printf("     there is no worker (%s): its libraries are missing here\n", program && *program ? program : "unset");
        stand_in_run(tiny);
        return;
    }
    products p;
    memset(&p, 0, sizeof p);
    products_open(&p, tiny);
    held_block h;
    memset(&h, 0, sizeof h);
    h.stream = p.stream;
    h.bytes = n * 2;
    h.weights = driver_memory(&h);
    write_weights(&h, 13);
    MUST(cudaStreamSynchronize(p.stream));
    glimpse_config *cfg = glimpse_llmc_config(tiny ? 4 : 256);
    glimpse_set(cfg, "out_dir", dir);
    glimpse_set(cfg, "num_samples", tiny ? "2" : "16");
    glimpse_set(cfg, "sample_each_eval", "true");
    glimpse_set(cfg, "sample_start_tokens", "IDS:1,2,3");
    glimpse *g = glimpse_llmc_open(cfg, 0, T, V, Vp, L, NH, C, h.weights, GLIMPSE_BF16, h.fake ? NULL : p.stream);
    if (g) {
        double added[8], t[2];
        for (int warm = 0; warm < 3; warm++) { /* the first evals open the GPU's slot and the worker's context */
            run_eval(g, &h, warm);
            glimpse_drain(g);
        }
        for (int r = 0; r < rounds; r++) {
            for (int k = 0; k < 2; k++) {
                bool evals = k == (r & 1);
                double t0 = now_ms();
                if (evals) run_eval(g, &h, 10 + r);
                for (int i = 0; i < steps; i++) training_step(&p, a_step);
                t[evals] = now_ms() - t0;
                glimpse_drain(g);
            }
            added[r] = 100 * (t[1] / t[0] - 1);
        }
        double mean = 0;
        for (int r = 0; r < rounds; r++) mean += added[r] / rounds;
        print_row("added wall time of a run, interval 250, 16 x 256 tokens, sheets on, 124M bf16, %", mean, false, 1, 0.2);
    } else printf("     a run with evals was not measured: Glimpse did not open\n");
    glimpse_close(g);
    if (!h.fake) MUST(cudaFree(h.weights));
    products_close(&p);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command)) fprintf(stderr, "%s stays\n", dir);
}

#endif
