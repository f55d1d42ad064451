/* gpu_procs.cuh -- a worker beside a trainer, for gpu_first.cu: this program stands for the trainer (a loop of bf16 products, its
 * weights in one block of memory), and starts itself again as the worker.  What is learnt:
 *
 *   the device memory that an idle worker holds, with its context, module and a model open
 *   a snapshot by Glimpse's own two sides (plugin/device.h, cli/import.h): does the worker see the step's weights, all of them?
 *   the latency of IPC: a message there and back, a handle opened and closed, bytes read through it
 *   the step of the products alone, while a worker decodes in bursts by the graph or by the kernel that stays, and while this
 *   process does, by that kernel on all multiprocessors, 32 or 16
 *   workers that touch an address that nobody owns, one after another, with the trainer's block open: the trainer goes on (last:
 *   a driver that takes it badly ends no other part; few: each is an Xid in the machine's log)
 *
 * worker: gpu_first --worker WORD [--tiny]; a letter on its standard input asks, one on its standard output answers.  What does not
 * answer within ANSWER_S is given up.  Over the emulation the driver for tests, where it is on the library path, has the memory. */
#ifndef GLIMPSE_BENCH_GPU_PROCS_CUH
#define GLIMPSE_BENCH_GPU_PROCS_CUH

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/gpu_model.cuh"
extern "C" {
#include <glimpse_llmc.h>
#include "plugin/cli/import.h"
#include "plugin/device.h"
#include "tests/driver/fake_cuda.h"
}

extern char **environ;
enum { ANSWER_S = 90, END_S = 20, FAULTS = 10, NOT_TRIED = -1 };

/* === The worker ================================================================================================== */

static __global__ void __launch_bounds__(32) stray_kernel(int *at) {
    dependency_wait();
    at[threadIdx.x] = 1;
}

static bool get(int fd, void *to, size_t n) {
    for (char *at = (char *)to; n;) {
        struct pollfd p = {fd, POLLIN, 0};
        if (fd && poll(&p, 1, ANSWER_S * 1000) <= 0) return false; /* 0: a worker's questions may take their time */
        ssize_t k = read(fd, at, n);
        if (k <= 0) return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}
static bool put(int fd, const void *from, size_t n) { return write(fd, from, n) == (ssize_t)n; }

/* A word that depends on every bit. */
static uint64_t sum_of(const void *from, size_t bytes) {
    uint64_t x = bytes, word;
    for (size_t at = 0; at + 8 <= bytes; at += 8) {
        memcpy(&word, (const char *)from + at, 8);
        x = draw_mix(x ^ word);
    }
    return x;
}

/* Letter g: the offer that follows, opened as the worker of a session does (answers whether); letter G: slot 0 of it, waited for,
 * copied to the host and let go (answers milliseconds and its sum). */
static bool answer_snapshot(char ask, import **gpu, int64_t *bytes) {
    uint64_t address, sum = 0;
    double ms = -1;
    if (ask == 'g') {
        device_offer offer;
        if (!get(0, &offer, sizeof offer) || !get(0, bytes, sizeof *bytes)) return false;
        double t0 = now_ms();
        if (import_open(&offer, (size_t)*bytes, gpu) >= 0) ms = now_ms() - t0;
        else fprintf(stderr, "     the worker cannot open the snapshot: %s\n", status_text());
    } else if (*gpu) {
        void *host = malloc((size_t)*bytes);
        double t0 = now_ms();
        if (host && import_begin(*gpu, 0, (size_t)*bytes, &address) >= 0) {
            if (import_copy(*gpu, host, (size_t)*bytes) >= 0) ms = now_ms() - t0, sum = sum_of(host, (size_t)*bytes);
            import_end(*gpu);
        }
        if (ms < 0) fprintf(stderr, "     the worker cannot read the snapshot: %s\n", status_text());
        free(host);
    }
    return put(1, &ask, 1) && put(1, &ms, sizeof ms) && (ask == 'g' || put(1, &sum, sizeof sum));
}

/* What an eval asks of the GPU: the slot that g has opened, read; a prompt, and 256 tokens for each of B samples that share it. */
static bool stand_in_eval(const built *m, backend *be, const shape *s, int B, bool tiny, import *gpu, int64_t bytes, unsigned *sink) {
    burst_row rows[64];
    burst_request rq = {rows, B, 20, tokens, tops, n_drawn, 0};
    backend_row in[PROMPT];
    uint64_t address;
    const float *logits;
    int64_t stride;
    int prompt = tiny ? 9 : PROMPT, n = tiny ? 16 : 256;
    if (import_begin(gpu, 0, (size_t)bytes, &address) < 0) return false;
#if !defined(GLIMPSE_EMULATION) /* there the slot is the driver's, for tests, not the runtime's */
    MUST(read_bytes(m->stream, (const void *)(uintptr_t)address, bytes, sink, 264));
    MUST(cudaStreamSynchronize(m->stream));
#endif
    (void)sink;
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
    import_end(gpu);
    return m->stream != NULL;
}

/* What a worker may be asked: m = an echo, o = open the handle that follows and close it (answers 'o' and milliseconds), r = the
 * same and read it all, d = decode until the next letter, g, G = answer_snapshot, e = stand_in_eval (answers milliseconds), x =
 * open it, where that can be, and touch what is nobody's.  Ends with its input. */
static int worker_main(const char *word, bool tiny) {
    const shape *s = tiny ? &small : &shapes[0];
    bool evals = strcmp(word, "evals") == 0;
    int B = evals ? (tiny ? 2 : 16) : strncmp(word, "decode64", 8) == 0 ? (tiny ? 4 : 64) : 1, prompt = tiny ? 9 : PROMPT, at = tiny ? 12 : CONTEXT;
    built *m = (built *)calloc(1, sizeof *m);
    backend *be = NULL;
    unsigned *sink = NULL;
    import *gpu = NULL;
    int64_t slot_bytes = 0;
    MUST(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking));
    MUST(cudaMalloc((void **)&sink, 16));
    if (strncmp(word, "plain", 5) != 0) {
        build(m, s, false);
        be = open_decoder_by(m, s, B, prompt, at, evals ? DECODE_AUTO : strstr(word, "persistent") ? DECODE_PERSISTENT : DECODE_GRAPH, 0);
    }
    char ask = 'm';
    put(1, &ask, 1);
    while (get(0, &ask, 1)) {
        double ms = 0;
        if (ask == 'd') {
            burst_row rows[64];
            burst_request rq = {rows, B, 20, tokens, tops, n_drawn, 0};
            fcntl(0, F_SETFL, O_NONBLOCK);
            put(1, "d", 1);
            long bursts = 0;
            double t0 = now_ms();
            char stop;
            do {
                fill_rows(rows, B, at, BURST_MAX_STEPS, true, s->V);
                for (int i = 0; i < B; i++) rows[i].row.prefix_tokens = prompt;
                must(be->ops->burst(be, &rq));
                bursts++;
            } while (read(0, &stop, 1) < 0);
            fcntl(0, F_SETFL, 0);
            ms = (now_ms() - t0) / (double)(bursts * BURST_MAX_STEPS);
        } else if (ask == 'g' || ask == 'G') {
            if (!answer_snapshot(ask, &gpu, &slot_bytes)) return 3;
            continue;
        } else if (ask == 'e') {
            double t0 = now_ms();
            ms = gpu && stand_in_eval(m, be, s, B, tiny, gpu, slot_bytes, sink) ? now_ms() - t0 : -1;
        } else if (ask != 'm') {
            cudaIpcMemHandle_t h;
            void *theirs = NULL;
            int64_t bytes;
            if (!get(0, &h, sizeof h) || !get(0, &bytes, sizeof bytes)) return 3;
            double t0 = now_ms();
            if (ask == 'x') {
                (void)cudaIpcOpenMemHandle(&theirs, h, cudaIpcMemLazyEnablePeerAccess);
                (void)cudaGetLastError();
#if defined(GLIMPSE_EMULATION)
                return 0; /* it would end as it should, but by a signal */
#endif
                MUST(LAUNCH(stray_kernel, dim3(1), dim3(32), 0, m->stream, false, (int *)(uintptr_t)0x10));
                cudaError_t e = cudaStreamSynchronize(m->stream);
                return e == cudaSuccess ? 4 : 0; /* without closing anything, as a process that dies */
            }
            MUST(cudaIpcOpenMemHandle(&theirs, h, cudaIpcMemLazyEnablePeerAccess)); /* says why not, and ends */
            if (ask == 'r') {
                t0 = now_ms();
                MUST(read_bytes(m->stream, theirs, bytes, sink, 264));
                MUST(cudaStreamSynchronize(m->stream));
                ms = now_ms() - t0;
            }
            MUST(cudaIpcCloseMemHandle(theirs));
            if (ask == 'o') ms = now_ms() - t0;
        }
        if (!put(1, &ask, 1) || (ask != 'm' && !put(1, &ms, sizeof ms))) return 3;
    }
    import_close(gpu);
    if (be) be->ops->close(be);
    release(m);
    MUST(cudaStreamDestroy(m->stream));
    MUST(cudaFree(sink));
    free(m);
    return 0;
}

/* === The trainer's side ========================================================================================== */

typedef struct child { pid_t pid; int to, from; } child;

static child start(const char *word, bool tiny) {
    int down[2], up[2];
    child c = {-1, -1, -1};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0 || pipe(down) || pipe(up)) return c;
    self[n] = 0;
    const char *argv[] = {self, "--worker", word, tiny ? "--tiny" : NULL, NULL};
    posix_spawn_file_actions_t f;
    posix_spawn_file_actions_init(&f);
    posix_spawn_file_actions_adddup2(&f, down[0], 0);
    posix_spawn_file_actions_adddup2(&f, up[1], 1);
    for (int i = 0; i < 2; i++) {
        posix_spawn_file_actions_addclose(&f, down[i]);
        posix_spawn_file_actions_addclose(&f, up[i]);
    }
    if (posix_spawn(&c.pid, self, &f, NULL, (char *const *)(uintptr_t)argv, environ)) c.pid = -1;
    posix_spawn_file_actions_destroy(&f);
    close(down[0]);
    close(up[1]);
    c.to = down[1];
    c.from = up[0];
    char hello;
    if (c.pid > 0 && !get(c.from, &hello, 1)) fprintf(stderr, "a worker (%s) ended before it was ready\n", word);
    return c;
}
/* Its exit status; one that does not end is ended, and left alone where it hangs in the driver. */
static int finish(child *c) {
    int status = -1;
    if (c->to >= 0) close(c->to);
    if (c->from >= 0) close(c->from);
    if (c->pid <= 0) return 128;
    double began = now_ms();
    while (!waitpid(c->pid, &status, WNOHANG)) {
        if (now_ms() - began > END_S * 1e3) kill(c->pid, SIGKILL);
        if (now_ms() - began > 2 * END_S * 1e3) {
            fprintf(stderr, "a worker (process %d) does not end\n", (int)c->pid);
            return 128;
        }
        usleep(2000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* The trainer's step: products of random bf16 matrices, and what they come to. */
typedef struct products {
    cudaStream_t stream;
    cublasHandle_t blas;
    void *a, *b, *c;
    int n, each;
} products;

static void products_open(products *p, bool tiny) {
    p->n = tiny ? 16 : 8192;
    p->each = tiny ? 1 : 12; /* about 17 ms a step on an H200 */
    int64_t size = (int64_t)p->n * p->n;
    MUST(cudaStreamCreateWithFlags(&p->stream, cudaStreamNonBlocking));
    p->a = random_memory(p->stream, true, size, 1, 2);
    p->b = random_memory(p->stream, true, size, 1, 3);
    p->c = random_memory(p->stream, false, size, 1, 4);
    if (cublasCreate(&p->blas) != CUBLAS_STATUS_SUCCESS || cublasSetStream(p->blas, p->stream) != CUBLAS_STATUS_SUCCESS) {
        fprintf(stderr, "no cuBLAS\n");
        exit(1);
    }
}
static void one_product(products *p) {
    const float one = 1, zero = 0;
    if (cublasGemmEx(p->blas, CUBLAS_OP_T, CUBLAS_OP_N, p->n, p->n, p->n, &one, p->a, CUDA_R_16BF, p->n, p->b, CUDA_R_16BF, p->n, &zero, p->c,
                     CUDA_R_32F, p->n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS)
        return;
    fprintf(stderr, "the trainer's product failed\n");
    exit(1);
}
static double products_step(products *p) {
    double t0 = now_ms();
    for (int i = 0; i < p->each; i++) one_product(p);
    MUST(cudaStreamSynchronize(p->stream));
    return now_ms() - t0;
}
/* A word that depends on every bit of the result's first megabyte. */
static uint64_t products_sum(products *p) {
    size_t n = (size_t)p->n * (size_t)p->n < 262144 ? (size_t)p->n * (size_t)p->n : 262144;
    uint32_t *h = (uint32_t *)malloc(n * 4);
    uint64_t x = 0;
    MUST(cudaMemcpyAsync(h, p->c, n * 4, cudaMemcpyDeviceToHost, p->stream));
    MUST(cudaStreamSynchronize(p->stream));
    for (size_t i = 0; i < n; i++) x = draw_mix(x ^ h[i]);
    free(h);
    return x;
}
static void products_close(products *p) {
    void *all[] = {p->a, p->b, p->c};
    (void)cublasDestroy(p->blas);
    for (int i = 0; i < 3; i++) MUST(cudaFree(all[i]));
    MUST(cudaStreamDestroy(p->stream));
}

static double free_mib(void) {
    size_t free_bytes = 0, total = 0;
    MUST(cudaMemGetInfo(&free_bytes, &total));
    return (double)free_bytes / 1048576;
}

static double ask(child *c, char what, const cudaIpcMemHandle_t *h, int64_t bytes) {
    double ms = -1; /* the worker has ended */
    char answer = 0;
    if (!put(c->to, &what, 1) || (h && (!put(c->to, h, sizeof *h) || !put(c->to, &bytes, sizeof bytes)))) return -1;
    if (!get(c->from, &answer, 1) || (what != 'm' && !get(c->from, &ms, sizeof ms))) return -1;
    return ms;
}

static void say_memory(bool tiny) {
    double before = free_mib();
    child plain = start("plain", tiny);
    double context = free_mib();
    finish(&plain);
    child idle = start("idle", tiny);
    printf("     an idle worker holds %.0f MiB of the GPU's memory: %.0f MiB with nothing open but its context, the rest for a model of %s\n",
           before - free_mib(), before - context, tiny ? small.name : shapes[0].name);
    finish(&idle);
}

/* Returns how many things went wrong, as try_ipc. */
static int say_beside(products *p, bool tiny) {
    int rounds = tiny ? 2 : 30;
    static const char *const words[] = {"decode1-graph", "decode1-persistent", "decode64-graph", "decode64-persistent"};
    for (int w = 0; w < 4; w++) {
        child c = start(words[w], tiny);
        double alone[64], beside[64], its = 0;
        char d = 'd';
        for (int part = 0; part < 2; part++) { /* in two halves, in turns */
            for (int r = 0; r < rounds / 2; r++) alone[part * (rounds / 2) + r] = products_step(p);
            if (!put(c.to, &d, 1) || !get(c.from, &d, 1)) {
                printf("     a worker (%s) ended: nothing was measured beside it\n", words[w]);
                finish(&c);
                return 1;
            }
            for (int r = 0; r < rounds / 2; r++) beside[part * (rounds / 2) + r] = products_step(p);
            its = ask(&c, 's', NULL, 0);
        }
        double a = median(alone, rounds), b = median(beside, rounds);
        printf("     a step of products %.2f ms alone, %.2f ms while a worker decodes (%s, %s, %s): %.3f times; its step takes %.0f us\n", a, b,
               tiny ? small.name : shapes[0].name, w / 2 ? "64 samples" : "1 sample", w % 2 ? "one kernel" : "graph", b / a, its * 1e3);
        if (finish(&c)) return 1;
    }
    return 0;
}

/* A thread of the trainer's own process that decodes one sample, burst after burst. */
typedef struct inside {
    backend *be;
    const shape *s;
    int prompt, at;
    long bursts;
    volatile int stop;
} inside;
static void decode_inside(inside *d) {
    burst_row row;
    burst_request rq = {&row, 1, 20, tokens, tops, n_drawn, 0};
    fill_rows(&row, 1, d->at, BURST_MAX_STEPS, true, d->s->V);
    row.row.prefix_tokens = d->prompt;
    must(d->be->ops->burst(d->be, &rq));
    d->bursts++;
}
static void *keep_decoding(void *of) {
    inside *d = (inside *)of;
    while (!d->stop) decode_inside(d);
    return NULL;
}

static void say_inside(products *p, bool tiny) {
    const shape *s = tiny ? &small : &shapes[0];
    int rounds = tiny ? 2 : 30;
    static const int blocks[] = {0, 32, 16};
    built *m = (built *)calloc(1, sizeof *m);
    MUST(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking));
    build(m, s, false);
    for (int w = 0; w < 3; w++) {
        inside d = {NULL, s, tiny ? 9 : PROMPT, tiny ? 12 : CONTEXT, 0, 0};
        pthread_t thread;
        double alone[64], beside[64];
        d.be = open_decoder_by(m, s, 1, d.prompt, d.at, DECODE_PERSISTENT, blocks[w]);
        decode_inside(&d);
        for (int r = 0; r < rounds; r++) alone[r] = products_step(p);
        d.bursts = 0;
        double t0 = now_ms();
        if (tiny) decode_inside(&d); /* the emulation has one thread */
        else if (pthread_create(&thread, NULL, keep_decoding, &d)) return;
        for (int r = 0; r < rounds; r++) beside[r] = products_step(p);
        d.stop = 1;
        if (!tiny) pthread_join(thread, NULL);
        double its = (now_ms() - t0) / (double)(d.bursts * BURST_MAX_STEPS), a = median(alone, rounds), b = median(beside, rounds);
        printf("     a step of products %.2f ms alone, %.2f ms while this process decodes 1 sample by one kernel on %d blocks: %.3f times; its "
               "step takes %.0f us\n", a, b, cuda_decode_blocks(d.be), b / a, its * 1e3);
        d.be->ops->close(d.be);
    }
    release(m);
    MUST(cudaStreamDestroy(m->stream));
    free(m);
}

/* A block of weights, described as one tensor, and a place for its copy on the device.  False: there is no driver here. */
typedef struct held_block {
    cudaStream_t stream;
    void *weights;
    int64_t bytes;
    device *d;
    device_part part;
    device_offer offer;
    fake_cuda *fake; /* the emulation's */
} held_block;

static void *driver_memory(held_block *h) {
    void *p = NULL;
#if defined(GLIMPSE_EMULATION)
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    if (library) h->fake = (fake_cuda *)dlsym(library, "fake_cuda");
    if (h->fake) {
        h->fake->init();
        return (void *)(uintptr_t)h->fake->take((size_t)h->bytes);
    }
#endif
    MUST(cudaMalloc(&p, (size_t)h->bytes));
    return p;
}
static void write_weights(held_block *h, unsigned seed) {
    MUST(LAUNCH(fill_kernel, dim3(h->bytes > 131072 ? 1024 : 4), dim3(256), 0, h->stream, false, h->weights, 1, h->bytes / 2, 1.0f, seed));
    if (h->fake) MUST(cudaStreamSynchronize(h->stream)); /* the emulation's streams are not the driver's */
}

static bool hold(held_block *h, int64_t bytes) {
    glimpse_model m = GLIMPSE_MODEL_INIT;
    memset(h, 0, sizeof *h);
    MUST(cudaStreamCreateWithFlags(&h->stream, cudaStreamNonBlocking));
    h->bytes = bytes;
    h->weights = driver_memory(h);
    write_weights(h, 11);
    MUST(cudaStreamSynchronize(h->stream));
    glimpse_tensor t = GLIMPSE_TENSOR_INIT;
    t.name = "weights";
    t.data = h->weights;
    t.dtype = GLIMPSE_BF16;
    t.n_dims = 1;
    t.dims[0] = bytes / 2;
    m.tensors = &t;
    m.n_tensors = 1;
    m.stream = h->fake ? NULL : h->stream;
    const driver *loaded;
    h->part.from = h->weights;
    h->part.offset = 0;
    h->part.bytes = (size_t)bytes;
    if (driver_load(false, &loaded) >= 0 && device_open(&m, &h->d) >= 0 && h->d &&
        device_offer_slots(h->d, (size_t)bytes, 1, 100, &h->offer) >= 0)
        return true;
    printf("     a copy of the weights on the GPU was not tried: %s\n", status_text());
    return false;
}
static void let_go(held_block *h) {
    device_close(h->d, false);
    if (!h->fake) MUST(cudaFree(h->weights));
    MUST(cudaStreamDestroy(h->stream));
}

/* The two sides of a snapshot: a new step's weights are written behind work that takes a while, copied and offered while nobody waits;
 * what the worker reads must be that step's, to the last bit, and stay so while the next step overwrites the weights. */
static int try_snapshot(bool tiny) {
    held_block h;
    int wrong = 0, rounds = tiny ? 3 : 12;
    double read_ms[16], opened = -1;
    int64_t bytes = tiny ? 1 << 16 : (int64_t)64 << 20;
    if (!hold(&h, bytes)) {
        let_go(&h);
        return NOT_TRIED;
    }
    child c = start("plain", tiny);
    char letter = 'g', answer = 0;
    bool asked = put(c.to, &letter, 1) && put(c.to, &h.offer, sizeof h.offer) && put(c.to, &bytes, sizeof bytes) && get(c.from, &answer, 1) &&
                 get(c.from, &opened, sizeof opened);
    void *host = malloc((size_t)bytes);
    for (int r = 0; asked && opened >= 0 && r < rounds; r++) {
        uint64_t sum = 0, want;
        double ms = -1;
        for (int i = 0; i < 20; i++) write_weights(&h, (unsigned)(1000 + i)); /* the step's weights come late */
        write_weights(&h, (unsigned)(17 + r));
        must(device_copy_across(h.d, &h.part, 1, 0));
        if (h.fake) h.fake->run(); /* it runs what somebody in its process waits for */
        write_weights(&h, 3); /* the next step, which waits for the copy */
        letter = 'G';
        asked = put(c.to, &letter, 1) && get(c.from, &answer, 1) && get(c.from, &ms, sizeof ms) && get(c.from, &sum, sizeof sum);
        write_weights(&h, (unsigned)(17 + r));
        MUST(cudaMemcpyAsync(host, h.weights, (size_t)bytes, cudaMemcpyDeviceToHost, h.stream));
        MUST(cudaStreamSynchronize(h.stream));
        want = sum_of(host, (size_t)bytes);
        wrong += !asked || ms < 0 || sum != want;
        read_ms[r] = ms;
    }
    if (!asked || opened < 0) printf("     the worker did not open the snapshot: weights will go through the host's memory here\n");
    else
        printf("     a snapshot of %.0f MiB: opened by the worker in %.2f ms, waited for, read to the host and let go in %.2f ms; %d of %d were not "
               "the step's weights\n", (double)bytes / 1048576, opened, median(read_ms, rounds), wrong, rounds);
    free(host);
    wrong += finish(&c) != 0;
    let_go(&h);
    return asked && opened < 0 && !wrong ? (int)NOT_TRIED : wrong;
}

/* A block of the trainer's that others open; its handle.  False: there is no IPC here, said. */
static bool shared_block(held_block *b, products *p, bool tiny, cudaIpcMemHandle_t *h) {
    memset(b, 0, sizeof *b);
    b->stream = p->stream;
    b->bytes = tiny ? 1 << 16 : (int64_t)1 << 30;
    b->weights = driver_memory(b);
    write_weights(b, 9);
    cudaError_t e = cudaIpcGetMemHandle(h, b->weights);
    MUST(cudaStreamSynchronize(p->stream));
    if (e == cudaSuccess) return true;
    (void)cudaGetLastError();
    printf("     CUDA IPC: %s: weights will go through the host's memory here\n", cudaGetErrorString(e));
    if (!b->fake) MUST(cudaFree(b->weights));
    return false;
}

static int try_ipc(products *p, bool tiny) {
    cudaIpcMemHandle_t h;
    held_block b;
    if (!shared_block(&b, p, tiny, &h)) return NOT_TRIED;
    int64_t bytes = b.bytes;
    int rounds = 50, wrong = 0;
    double echo[64], opened[64], through[64];
    child c = start("plain", tiny);
    if (ask(&c, 'o', &h, bytes) < 0) {
        printf("     CUDA IPC: another process cannot open a handle here: weights will go through the host's memory\n");
        finish(&c);
        if (!b.fake) MUST(cudaFree(b.weights));
        return NOT_TRIED;
    }
    for (int i = 0; i < rounds; i++) {
        double t0 = now_ms();
        ask(&c, 'm', NULL, 0);
        echo[i] = (now_ms() - t0) * 1e3;
        opened[i] = ask(&c, 'o', &h, bytes) * 1e3;
        through[i] = ask(&c, 'r', &h, bytes);
    }
    wrong += finish(&c) != 0;
    printf("     IPC: a message there and back %.0f us; a handle of %.0f MiB opened and closed %.0f us; read through it at %.0f GB/s\n",
           median(echo, rounds), (double)bytes / 1048576, median(opened, rounds), (double)bytes / (median(through, rounds) * 1e6));

    if (!b.fake) MUST(cudaFree(b.weights));
    return wrong;
}

/* through: with the trainer's block open, by IPC. */
static int try_faults(products *p, bool tiny, bool through) {
    cudaIpcMemHandle_t h;
    held_block b;
    int faults = tiny ? 2 : (int)FAULTS, lost = 0, other = 0;
    memset(&b, 0, sizeof b);
    memset(&h, 0, sizeof h);
    if (through && !shared_block(&b, p, tiny, &h)) return NOT_TRIED;
    products_step(p);
    uint64_t before = products_sum(p);
    for (int i = 0; i < faults; i++) {
        child bad = start("plain", tiny);
        char x = 'x';
        bool asked = put(bad.to, &x, 1) && put(bad.to, &h, sizeof h) && put(bad.to, &b.bytes, sizeof b.bytes);
        products_step(p); /* ends the program where it fails */
        if (!asked) lost++;
        int code = finish(&bad);
        lost += code != 0;
        other += products_sum(p) != before;
    }
    printf("     %d workers touched an address of nobody's%s: %d did not fault, %d times the trainer's product was another\n", faults,
           through ? " with the trainer's memory open" : "", lost, other);
    if (b.weights && !b.fake) MUST(cudaFree(b.weights));
    return lost + other;
}

#endif
