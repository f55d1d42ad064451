/* gpu_first.cu -- the first thing to run on a GPU (`make gpu-first`): do the wrappers of ptx.cuh do what their twins say, are
 * the bits of decide.h the host's, what do a launch, an edge of a graph and a byte cost here, and what do a trainer and its
 * worker feel of each other (gpu_procs.cuh)?
 *
 * Usage: gpu_first [--tiny] [--alone] [--beside] (--alone: no second process; --beside: what needs one, nothing else).  Exit
 * code 0 only when every check holds; 2 without a GPU. */
#include "tests/bench/gpu_procs.cuh"

static int failures;
static void check(bool ok, const char *what) {
    printf("%s %s\n", ok ? "ok  " : "FAIL", what);
    failures += !ok;
}
/* wrong: how many things were, or NOT_TRIED, for a reason that was said. */
static void check_none(int wrong, const char *what) {
    if (wrong == NOT_TRIED) printf("skip %s\n", what);
    else check(wrong == 0, what);
}

/* === ptx.cuh ===================================================================================================== */

static __global__ void __launch_bounds__(32) mma_kernel(const uint16_t *A, const uint16_t *B, float *C) {
    dependency_wait();
    int lane = (int)threadIdx.x, g = lane >> 2, q = lane & 3;
    uint32_t a[4], b[2];
    for (int i = 0; i < 4; i++) {
        int row = g + (i & 1) * 8, k = 2 * q + (i >> 1) * 8;
        a[i] = (uint32_t)A[row * 16 + k] | (uint32_t)A[row * 16 + k + 1] << 16;
    }
    for (int i = 0; i < 2; i++) {
        int k = 2 * q + i * 8;
        b[i] = (uint32_t)B[k * 8 + g] | (uint32_t)B[(k + 1) * 8 + g] << 16;
    }
    float c[4] = {1, 2, 3, 4};
    mma_bf16(c, a, b);
    for (int i = 0; i < 4; i++) C[(g + (i >> 1) * 8) * 8 + 2 * q + (i & 1)] = c[i];
}

/* Lanes: xor and up shuffles, ballot, sum, maximum; then 16 bytes a thread through shared memory. */
static __global__ void __launch_bounds__(64) warp_kernel(int *out, const uint4 *from, uint4 *to) {
    SHARED(uint4, shared, 64);
    dependency_wait();
    int t = (int)threadIdx.x, lane = t & 31;
    out[t * 5] = shuffle_xor(t * 3, 5);
    out[t * 5 + 1] = shuffle_up(t * 3, 4);
    out[t * 5 + 2] = (int)warp_ballot(lane % 3 == 1);
    out[t * 5 + 3] = warp_sum(t);
    out[t * 5 + 4] = (int)warp_max((float)((t * 7) % 31));
    copy_async_16(&shared[t], &from[t]);
    copy_async_commit();
    copy_async_wait_all();
    __syncthreads();
    to[t] = shared[63 - t];
    prefetch_line(from);
    sync_warp();
    dependency_launch();
}

/* Chained launches: each adds one to what the one before wrote; a wait that does not hold shows. */
static __global__ void __launch_bounds__(256) chain_kernel(const int *from, int *to) {
    dependency_launch();
    dependency_wait();
    int i = (int)(blockIdx.x * 256 + threadIdx.x);
    to[i] = from[i] + 1;
}

static float bf16_of(int i, uint16_t *bits) {
    float f = (float)((i * 37) % 17 - 8) * 0.25f;
    uint32_t u;
    memcpy(&u, &f, 4);
    *bits = (uint16_t)(u >> 16);
    return f;
}

static void check_ptx(cudaStream_t s) {
    uint16_t a[256], b[128];
    float af[256], bf[128], c[128];
    uint4 pieces[64];
    int lanes[320];
    void *da, *db, *dc, *dl, *dp, *dq;
    for (int i = 0; i < 256; i++) af[i] = bf16_of(i, &a[i]);
    for (int i = 0; i < 128; i++) bf[i] = bf16_of(3 * i + 1, &b[i]);
    for (int i = 0; i < 64; i++) pieces[i] = make_uint4((unsigned)i, 2, 3, (unsigned)i * 5);
    MUST(cudaMalloc(&da, sizeof a));
    MUST(cudaMalloc(&db, sizeof b));
    MUST(cudaMalloc(&dc, sizeof c));
    MUST(cudaMalloc(&dl, sizeof lanes));
    MUST(cudaMalloc(&dp, sizeof pieces));
    MUST(cudaMalloc(&dq, sizeof pieces));
    MUST(cudaMemcpyAsync(da, a, sizeof a, cudaMemcpyHostToDevice, s));
    MUST(cudaMemcpyAsync(db, b, sizeof b, cudaMemcpyHostToDevice, s));
    MUST(cudaMemcpyAsync(dp, pieces, sizeof pieces, cudaMemcpyHostToDevice, s));
    MUST(LAUNCH(mma_kernel, dim3(1), dim3(32), 0, s, false, (const uint16_t *)da, (const uint16_t *)db, (float *)dc));
    MUST(LAUNCH(warp_kernel, dim3(1), dim3(64), 0, s, false, (int *)dl, (const uint4 *)dp, (uint4 *)dq));
    MUST(cudaMemcpyAsync(c, dc, sizeof c, cudaMemcpyDeviceToHost, s));
    MUST(cudaMemcpyAsync(lanes, dl, sizeof lanes, cudaMemcpyDeviceToHost, s));
    MUST(cudaMemcpyAsync(pieces, dq, sizeof pieces, cudaMemcpyDeviceToHost, s));
    MUST(cudaStreamSynchronize(s));
    bool ok = true;
    for (int row = 0; row < 16; row++)
        for (int col = 0; col < 8; col++) {
            float want = (float)(1 + (row >= 8 ? 2 : 0) + (col & 1)); /* quarters: exact in any order */
            for (int k = 0; k < 16; k++) want += af[row * 16 + k] * bf[k * 8 + col];
            ok &= c[row * 8 + col] == want;
        }
    check(ok, "mma.m16n8k16 bf16: fragments of a, b and c");
    bool xor_ok = true, up_ok = true, ballot_ok = true, sum_ok = true, max_ok = true, copy_ok = true;
    for (int t = 0; t < 64; t++) {
        int lane = t & 31, base = t & 32, sum = 0, max = 0;
        for (int i = 0; i < 32; i++) {
            sum += base + i;
            if ((base + i) * 7 % 31 > max) max = (base + i) * 7 % 31;
        }
        xor_ok &= lanes[t * 5] == (base + (lane ^ 5)) * 3;
        up_ok &= lanes[t * 5 + 1] == (lane >= 4 ? t - 4 : t) * 3;
        ballot_ok &= lanes[t * 5 + 2] == 0x12492492 || (unsigned)lanes[t * 5 + 2] == 0x92492492u;
        sum_ok &= lanes[t * 5 + 3] == sum;
        max_ok &= lanes[t * 5 + 4] == max;
        copy_ok &= pieces[t].x == (unsigned)(63 - t) && pieces[t].w == (unsigned)(63 - t) * 5;
    }
    check(xor_ok, "shuffle_xor");
    check(up_ok, "shuffle_up");
    check(ballot_ok, "warp_ballot");
    check(sum_ok && max_ok, "warp_sum, warp_max");
    check(copy_ok, "copy_async_16 and its wait");
    void *all[] = {da, db, dc, dl, dp, dq};
    for (int i = 0; i < 6; i++) MUST(cudaFree(all[i]));
}

static void check_chain(cudaStream_t s, bool chained, int blocks) {
    int n = blocks * 256, *host = (int *)malloc((size_t)n * sizeof *host);
    void *x[2];
    for (int i = 0; i < 2; i++) {
        MUST(cudaMalloc(&x[i], (size_t)n * 4));
        MUST(cudaMemsetAsync(x[i], 0, (size_t)n * 4, s));
    }
    for (int i = 0; i < 100; i++) MUST(LAUNCH(chain_kernel, dim3((unsigned)blocks), dim3(256), 0, s, chained, (const int *)x[i & 1], (int *)x[~i & 1]));
    MUST(cudaMemcpyAsync(host, x[0], (size_t)n * 4, cudaMemcpyDeviceToHost, s));
    MUST(cudaStreamSynchronize(s));
    bool ok = true;
    for (int i = 0; i < n; i++) ok &= host[i] == 100;
    check(ok, chained ? "100 launches, each waiting for the one before (dependent launch)" : "100 launches in a row");
    for (int i = 0; i < 2; i++) MUST(cudaFree(x[i]));
    free(host);
}

/* A launch that lets the next one start and only then takes its time, and what must not overtake it: a chain behind it, of which
 * the last reads what the first wrote; a copy, and a chained launch behind that; a plain launch. */
static __global__ void __launch_bounds__(32) slow_kernel(int *to, int v) {
    dependency_launch();
    dependency_wait();
    if (threadIdx.x == 0) (void)spin_until(1000000, [&] { return load_acquire((const unsigned *)to) == ~0u; }); /* never: a millisecond */
    __syncthreads();
    to[threadIdx.x] = v;
}
static __global__ void __launch_bounds__(32) carry_kernel(const int *from, int *to) {
    dependency_launch();
    dependency_wait();
    to[threadIdx.x] = from[threadIdx.x];
}
enum { BY_CHAIN, BY_GRAPH, BY_COPY, BY_PLAIN, EDGES };
static cudaError_t queue_edge(cudaStream_t s, int edge, int *x, int v) {
    int *y = x + 32, *z = x + 64;
    cudaError_t e = LAUNCH(slow_kernel, dim3(1), dim3(32), 0, s, true, x, v);
    if (e != cudaSuccess) return e;
    if (edge == BY_COPY) e = cudaMemcpyAsync(y, x, 32 * sizeof *x, cudaMemcpyDeviceToDevice, s);
    else e = LAUNCH(carry_kernel, dim3(1), dim3(32), 0, s, edge != BY_PLAIN, (const int *)x, y);
    return e == cudaSuccess ? LAUNCH(carry_kernel, dim3(1), dim3(32), 0, s, true, (const int *)y, z) : e;
}
/* The same as a graph: an error is a device that takes no chained launches so, and nothing worse. */
static cudaError_t queue_graph(cudaStream_t s, int *x, int v) {
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
    cudaError_t e = queue_edge(s, BY_GRAPH, x, v), ended = cudaStreamEndCapture(s, &graph);
    if (e == cudaSuccess) e = ended;
    if (e == cudaSuccess) e = cudaGraphInstantiateWithFlags(&exec, graph, 0);
    if (e == cudaSuccess) e = cudaGraphLaunch(exec, s);
    MUST(cudaStreamSynchronize(s));
    if (exec) MUST(cudaGraphExecDestroy(exec));
    if (graph) MUST(cudaGraphDestroy(graph));
    if (e != cudaSuccess) (void)cudaGetLastError();
    return e;
}
/* Whether graphs take chained launches. */
static bool check_edges(cudaStream_t s) {
    static const char *const what[EDGES] = {"a chain behind a slow launch: the last sees what the first wrote", "the same as a graph",
                                            "a copy behind a slow launch, and a chained launch behind the copy", "a plain launch behind a slow one"};
    int *x, h[96];
    bool graphs = true;
    MUST(cudaMalloc((void **)&x, sizeof h));
    MUST(load_kernel(slow_kernel)); /* a capture may not be what first meets it */
    MUST(load_kernel(carry_kernel));
    for (int edge = 0; edge < EDGES; edge++) {
        bool ok = true;
        for (int r = 1; r <= 5 && ok; r++) {
            MUST(cudaMemsetAsync(x, 0, sizeof h, s));
            cudaError_t e = edge == BY_GRAPH ? queue_graph(s, x, r) : queue_edge(s, edge, x, r);
            if (e != cudaSuccess) printf("     %s: %s\n", what[edge], cudaGetErrorString(e));
            if (edge == BY_GRAPH) graphs = e == cudaSuccess;
            MUST(cudaMemcpyAsync(h, x, sizeof h, cudaMemcpyDeviceToHost, s));
            MUST(cudaStreamSynchronize(s));
            for (int i = 0; i < 96; i++) ok &= h[i] == r;
        }
        check(ok, what[edge]);
    }
    MUST(cudaFree(x));
    return graphs;
}

/* === decide.h ==================================================================================================== */

static __host__ __device__ uint64_t decided(int i) {
    double x = -40.0 * (double)(draw_mix((uint64_t)i) >> 11) * 0x1p-53;
    draw_key key = {draw_mix((uint64_t)i * 3), 7};
    uint64_t h = det_bits(det_exp(x)) * 3 ^ det_bits(det_log(-x + 1e-9)) * 5 ^ det_mass(x) * 7;
    return h ^ det_bits(gumbel(key, (uint32_t)i, (uint32_t)i * 5, PURPOSE_DRAW)) * 11 ^
           det_bits(draw_score((float)x, 0.5f, 1.25, key, 3, (uint32_t)i));
}
static __global__ void __launch_bounds__(256) decided_kernel(uint64_t *to, int n) {
    dependency_wait();
    int i = (int)(blockIdx.x * 256 + threadIdx.x);
    if (i < n) to[i] = decided(i);
}
static void check_decide(cudaStream_t s, int n) {
    void *d;
    uint64_t *h = (uint64_t *)malloc((size_t)n * 8);
    MUST(cudaMalloc(&d, (size_t)n * 8));
    MUST(LAUNCH(decided_kernel, dim3((unsigned)(n + 255) / 256), dim3(256), 0, s, false, (uint64_t *)d, n));
    MUST(cudaMemcpyAsync(h, d, (size_t)n * 8, cudaMemcpyDeviceToHost, s));
    MUST(cudaStreamSynchronize(s));
    int wrong = 0;
    for (int i = 0; i < n; i++) wrong += h[i] != decided(i);
    printf("     decide.h: %d of %d results differ from the host's\n", wrong, n);
    check(wrong == 0, "exp, log, mass, gumbel and score: the host's bits");
    MUST(cudaFree(d));
    free(h);
}

/* === Costs ======================================================================================================= */

static __global__ void __launch_bounds__(32) empty_kernel(int) {
    dependency_launch();
    dependency_wait();
}
static double graph_edge_us(cudaStream_t s, bool chained, int nodes, int rounds) {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    MUST(load_kernel(empty_kernel)); /* a capture may not be what first meets it */
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < nodes; i++) MUST(launch_kernel(empty_kernel, dim3(132), dim3(32), 0, s, chained, 0));
    MUST(cudaStreamEndCapture(s, &graph));
    MUST(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    double t[64];
    for (int r = 0; r < rounds; r++) {
        double t0 = now_ms();
        MUST(cudaGraphLaunch(exec, s));
        MUST(cudaStreamSynchronize(s));
        t[r] = (now_ms() - t0) * 1e3 / nodes;
    }
    MUST(cudaGraphExecDestroy(exec));
    MUST(cudaGraphDestroy(graph));
    return median(t, rounds);
}

/* Rounds in which every block needs what all others wrote in the one before: their arrivals are waited for.  x: of two rounds in
 * turn, since a block may be in the next one where another still reads. */
static __global__ void __launch_bounds__(256) handoff_kernel(int *x, unsigned *count, int rounds, int *wrong) {
    int missed = 0;
    for (int r = 1; r <= rounds; r++) {
        int *now = x + (r & 1) * gridDim.x;
        if (threadIdx.x == 0) now[blockIdx.x] = r;
        __syncthreads();
        if (threadIdx.x == 0) {
            arrive_release(count);
            if (!spin_until(4000000000ull, [&] { return load_acquire(count) >= gridDim.x * (unsigned)r; })) missed++;
        }
        __syncthreads();
        for (unsigned i = threadIdx.x; i < gridDim.x; i += blockDim.x) missed += now[i] != r;
    }
    if (missed) atomicAdd(wrong, missed);
}
static void check_handoff(cudaStream_t s, bool tiny, int blocks) {
    int rounds = tiny ? 5 : 1000, together = 0, h[2] = {0}, *d = NULL;
    double t[16];
    MUST(cudaDeviceGetAttribute(&together, cudaDevAttrCooperativeLaunch, 0));
    if (!together) {
        printf("     blocks are not launched together here: no persistent kernel\n");
        return;
    }
    MUST(cudaMalloc((void **)&d, (size_t)(2 * blocks + 2) * sizeof *d));
    for (int r = 0; r < (tiny ? 1 : 10); r++) {
        MUST(cudaMemsetAsync(d, 0, (size_t)(2 * blocks + 2) * sizeof *d, s));
        MUST(cudaStreamSynchronize(s));
        double t0 = now_ms();
        MUST(launch_together(handoff_kernel, dim3((unsigned)blocks), dim3(256), 0, s, d + 2, (unsigned *)d, rounds, d + 1));
        MUST(cudaMemcpyAsync(h, d, sizeof h, cudaMemcpyDeviceToHost, s));
        MUST(cudaStreamSynchronize(s));
        t[r] = (now_ms() - t0) * 1e3 / rounds;
        if (h[1] || h[0] != blocks * rounds) break;
    }
    check(h[0] == blocks * rounds && h[1] == 0, "hand-offs between blocks that run together: what all wrote is seen by all");
    printf("     a hand-off between %d blocks: %.2f us\n", blocks, median(t, tiny ? 1 : 10));
    MUST(cudaFree(d));
}

/* What one process can learn. */
static void look_alone(bool tiny) {
    cudaStream_t s;
    int sms = 0;
    MUST(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    MUST(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0));
    check_ptx(s);
    check_chain(s, false, tiny ? 1 : 64);
    check_chain(s, true, tiny ? 1 : 64);
    bool graphs = check_edges(s);
    check_decide(s, tiny ? 700 : 1 << 20);
    check_handoff(s, tiny, sms);
    if (!tiny) check_handoff(s, tiny, 2 * sms);
    int nodes = tiny ? 4 : 200, rounds = tiny ? 2 : 30;
    printf("     an edge of a graph: %.2f us plain, %.2f us with dependent launch\n", graph_edge_us(s, false, nodes, rounds),
           graphs ? graph_edge_us(s, true, nodes, rounds) : NAN);
    int64_t bytes = tiny ? 1 << 16 : (int64_t)4 << 30;
    void *p = random_memory(s, true, bytes / 2, 1, 1);
    unsigned *sink = NULL;
    MUST(cudaMalloc((void **)&sink, 16));
    cudaEvent_t a, b;
    MUST(cudaEventCreateWithFlags(&a, 0));
    MUST(cudaEventCreateWithFlags(&b, 0));
    for (int per = 1; per <= 4; per *= 2) {
        double t[32];
        for (int r = 0; r < (tiny ? 2 : 20); r++) {
            float ms;
            MUST(cudaEventRecord(a, s));
            MUST(read_bytes(s, p, bytes, sink, per * sms));
            MUST(cudaEventRecord(b, s));
            MUST(cudaEventSynchronize(b));
            MUST(cudaEventElapsedTime(&ms, a, b));
            t[r] = ms;
        }
        printf("     reading %.2f GiB, %d blocks of 512 a multiprocessor: %.0f GB/s\n", (double)bytes / 1073741824, per,
               (double)bytes / (median(t, tiny ? 2 : 20) * 1e6));
    }
    MUST(cudaEventDestroy(a));
    MUST(cudaEventDestroy(b));
    MUST(cudaFree(p));
    MUST(cudaFree(sink));
    MUST(cudaStreamDestroy(s));
}

static void look_beside(bool tiny) {
    products p;
    memset(&p, 0, sizeof p);
    products_open(&p, tiny);
    products_step(&p);
    say_memory(tiny);
    check_none(try_snapshot(tiny), "a snapshot that a worker reads is the step's");
    int through = try_ipc(&p, tiny);
    check_none(through, "workers that read through IPC");
    check_none(say_beside(&p, tiny), "workers that decode beside the trainer");
    say_inside(&p, tiny);
    check_none(try_faults(&p, tiny, through != NOT_TRIED), "workers that fault: the trainer goes on");
    products_close(&p);
}

int main(int argc, char **argv) {
    bool tiny = false, alone = true, beside = true, known = true;
    const char *word = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--tiny")) tiny = true;
        else if (!strcmp(argv[i], "--alone")) beside = false;
        else if (!strcmp(argv[i], "--beside")) alone = false;
        else if (!strcmp(argv[i], "--worker") && i + 1 < argc) word = argv[++i];
        else known = false;
    }
    if (!known) {
        fprintf(stderr, "usage: gpu_first [--tiny] [--alone] [--beside]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (word) return worker_main(word, tiny);
    say_device(tiny);
    if (alone) look_alone(tiny);
    if (beside) look_beside(tiny);
#if defined(GLIMPSE_EMULATION)
    const char *problem = emu_problem();
    check(!problem, problem ? problem : "nothing that only the emulation forgives");
#endif
    printf("%s\n", failures ? "NOT as the emulation says: mend this first" : "everything is as the emulation says");
    return failures != 0;
}
