/* gpu_tools.cuh -- what gpu_first.cu and gpu_bench.cu share: the device's name, random weights in its memory, the calibrator
 * (a kernel that only reads), medians.  They compile for a chip and, as `make test` does, over the emulation with --tiny. */
#ifndef GLIMPSE_BENCH_GPU_TOOLS_CUH
#define GLIMPSE_BENCH_GPU_TOOLS_CUH

#include <stdio.h>
#include <time.h>

#include "kernels/cuda/burst.cuh"
#include "kernels/cuda/device.cuh"

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        cudaError_t must_ = (call);                                                                                    \
        if (must_ != cudaSuccess) {                                                                                    \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(must_));                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n ? v[n / 2] : 0;
}
/* Of f over n things, drawn again and again with replacement (Efron 1979): the values below which `part` of them lie. */
template <class F> static double bootstrap(int n, double part, F f) {
    enum { AGAIN = 400 };
    static double values[AGAIN];
    static int drawn[1024];
    uint64_t state = 1;
    for (int k = 0; k < AGAIN; k++) {
        for (int i = 0; i < n && i < 1024; i++) drawn[i] = (int)(draw_mix(state++) % (uint64_t)n);
        values[k] = f(drawn);
    }
    qsort(values, AGAIN, sizeof *values, by_value);
    int at = (int)(part * AGAIN);
    return values[at < AGAIN ? at : AGAIN - 1];
}

/* Says what the numbers were measured on; ends the program where there is no GPU. */
static void say_device(bool tiny) {
    int n = 0, driver = 0;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a run that is cut off leaves its lines */
    cudaError_t e = cudaGetDeviceCount(&n);
    if (e != cudaSuccess || n < 1) {
        fprintf(stderr, "no GPU was found (%s): nothing was measured\n", cudaGetErrorString(e));
        exit(2);
    }
    cudaDeviceProp p;
    MUST(cudaGetDeviceProperties(&p, 0));
    MUST(cudaDriverGetVersion(&driver));
    time_t now = time(NULL);
    char date[32];
    strftime(date, sizeof date, "%Y-%m-%d %H:%M", gmtime(&now));
    printf("# %s UTC, %s, sm_%d%d, %d multiprocessors, driver %d.%d, runtime %d.%d%s\n", date, p.name, p.major, p.minor,
           p.multiProcessorCount, driver / 1000, driver / 10 % 100, CUDART_VERSION / 1000, CUDART_VERSION / 10 % 100,
           tiny ? ", --tiny: the times mean nothing" : "");
}

/* fill_kernel -- random bf16 or f32 of standard deviation about `sd`: measured code never works on zeros. */
static __global__ void __launch_bounds__(256) fill_kernel(void *to, int half, int64_t n, float sd, unsigned seed) {
    dependency_wait();
    for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < n; i += (int64_t)gridDim.x * 256) {
        uint64_t x = draw_mix((uint64_t)i * 0x9e3779b97f4a7c15ull + seed);
        float u = ((float)(x >> 40) * 0x1p-24f - 0.5f) * 3.4641f * sd;
        if (half) ((__nv_bfloat16 *)to)[i] = __float2bfloat16_rn(u);
        else ((float *)to)[i] = u;
    }
}
static void *random_memory(cudaStream_t s, bool half, int64_t n, float sd, unsigned seed) {
    void *p = NULL;
    MUST(cudaMalloc(&p, (size_t)n * (half ? 2 : 4)));
    MUST(LAUNCH(fill_kernel, dim3(n > 65536 ? 1024 : 4), dim3(256), 0, s, false, p, (int)half, n, sd, seed));
    return p;
}

/* read_kernel -- reads n pieces of 16 bytes and writes next to nothing: what any kernel over these bytes must take. */
static __global__ void __launch_bounds__(512) read_kernel(const uint4 *from, int64_t n, unsigned *to) {
    dependency_wait();
    unsigned x = 0;
    int64_t stride = (int64_t)gridDim.x * 512;
    for (int64_t i = (int64_t)blockIdx.x * 512 + threadIdx.x; i < n; i += 4 * stride) {
        uint4 v[4];
        for (int j = 0; j < 4; j++) v[j] = i + j * stride < n ? load_once(from + i + j * stride) : make_uint4(0, 0, 0, 0);
        for (int j = 0; j < 4; j++) x ^= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
    }
    if (x == 0x12345678u) *to = x;
}
static cudaError_t read_bytes(cudaStream_t s, const void *from, int64_t bytes, unsigned *to, int blocks) {
    return LAUNCH(read_kernel, dim3((unsigned)blocks), dim3(512), 0, s, false, (const uint4 *)from, bytes / 16, to);
}

/* A piece of what a step reads; token > 0: so many 16 bytes for each token of context. */
typedef struct read_piece {
    const uint4 *from;
    int32_t n, token;
} read_piece;

/* read_pieces_kernel -- every piece of a list, `times` over in one launch: no gap and no tail between one reading and the next,
 * so it flatters nobody.  A block has a piece of 32 KB or more at once and knows the next one. */
static __global__ void __launch_bounds__(512, 3) read_pieces_kernel(const read_piece *list, int n, int tokens, int times, unsigned *to) {
    dependency_wait();
    unsigned x = 0;
    const int64_t all = (int64_t)n * times;
    read_piece next = list[blockIdx.x % (unsigned)n];
    for (int64_t i = blockIdx.x; i < all; i += gridDim.x) {
        const read_piece p = next;
        next = list[(i + gridDim.x) % n];
        const int many = p.token ? p.token * tokens : p.n;
        for (int k = (int)threadIdx.x; k < many; k += 4 * 512) {
            uint4 v[4];
UNROLL
            for (int j = 0; j < 4; j++) v[j] = k + j * 512 < many ? load_once(p.from + k + j * 512) : make_uint4(0, 0, 0, 0);
UNROLL
            for (int j = 0; j < 4; j++) x ^= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
        }
    }
    if (x == 0x12345678u) *to = x;
}

#endif
