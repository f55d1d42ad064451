/* ptx_wrong.cu -- kernels that are wrong on purpose, in ways that only the chip's own code shows: test_cuda_ptx.c asks whether
 * PTX that is executed (ptx_machine.c) shows them too. */
#include "kernels/cuda/ptx.cuh"
#include "tests/emu/ptx/ptx_wrong.h"

/* c += 0, but the accumulators are only written: `=f` where `+f` belongs. */
static __device__ float forgotten(float c) {
#if !defined(GLIMPSE_EMULATION)
    float d[4] = {c, c, c, c};
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %4, %4, %4}, {%4, %4}, {%0, %1, %2, %3};"
                 : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3]) : "r"(0));
    c = d[0];
#endif
    return c;
}

/* Half of `from` a group of copies: to = what lies in shared memory where `which` says that they have been waited for. */
static __global__ void __launch_bounds__(32) wrong_kernel(int which, int far, const uint4 *from, uint4 *to) {
    SHARED(uint4, shared, 64);
    const int t = (int)threadIdx.x;
    if (which == WRONG_EARLY) to[t] = from[t];
    dependency_wait();
    for (int half = 0; half < 64; half += 32) {
        copy_async_16(&shared[half + t], &from[half + t]);
        copy_async_commit();
    }
    if (which == WRONG_HALF_A_WAIT) copy_async_wait<1>();
    else if (which != WRONG_NO_WAIT) copy_async_wait_all();
    __syncthreads();
    to[t] = shared[t];
    to[32 + t] = shared[32 + t];
    shared[t] = from[t];
    if (which != WRONG_RACE) sync_warp();
    if (which == WRONG_NOTHING) to[t ^ 1] = shared[t ^ 1];
    if (which == WRONG_RACE) to[t] = shared[t ^ 1];
    if (which == WRONG_ALIGNMENT) to[t] = *(const uint4 *)((const char *)from + far);
    if (which == WRONG_SHARED) to[t] = shared[t + far];
    if (which == WRONG_OPERAND) to[t].x = __float_as_uint(forgotten(1));
}

typedef struct unlike { /* not as large for both compilers */
    int a;
#if !defined(GLIMPSE_EMULATION)
    int b;
#endif
} unlike;
static __global__ void unlike_kernel(unlike u, uint4 *to) { to->x = (unsigned)u.a; }

/* The cudaError_t of the synchronisation, -1 = a device on which that is not wrong; out: 64 x 16 bytes that the kernel wrote. */
extern "C" int ptx_run_wrong(int which, const void *input, void *out) {
    cudaStream_t s;
    uint4 *from = NULL, *to = NULL;
    int major = 0;
    if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess && major < 9 && which == WRONG_EARLY) return -1;
    cudaError_t e = cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    if (e == cudaSuccess) e = cudaMalloc((void **)&from, 1024);
    if (e == cudaSuccess) e = cudaMalloc((void **)&to, 1024);
    if (e == cudaSuccess) e = cudaMemcpyAsync(from, input, 1024, cudaMemcpyHostToDevice, s);
    if (e == cudaSuccess && which == WRONG_SIZE) e = LAUNCH(unlike_kernel, dim3(1), dim3(1), 0, s, false, unlike{}, to);
    else if (e == cudaSuccess)
        e = LAUNCH(wrong_kernel, dim3(1), dim3(which == WRONG_THREADS ? 64 : 32), 0, s, false, which, which == WRONG_SHARED ? 33 : 8,
                   (const uint4 *)from, to);
    if (e == cudaSuccess) e = cudaMemcpyAsync(out, to, 1024, cudaMemcpyDeviceToHost, s);
    if (e == cudaSuccess) e = cudaStreamSynchronize(s);
    (void)cudaFree(from);
    (void)cudaFree(to);
    (void)cudaStreamDestroy(s);
    return e;
}

/* === Global memory: two blocks of 64 threads ===================================================================== */

enum { ORDER_THREADS = 64 };
typedef struct order_args { uint32_t *x, *out; unsigned *count; int32_t *seen; } order_args;

static __device__ unsigned constant_load(const uint32_t *p) {
#if defined(GLIMPSE_EMULATION)
    return *p;
#else
    unsigned v;
    asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
    return v;
#endif
}
static __device__ void arrive_relaxed(unsigned *p) {
#if defined(GLIMPSE_EMULATION)
    ++*p;
#else
    asm volatile("red.relaxed.gpu.global.add.u32 [%0], 1;" : : "l"(p) : "memory");
#endif
}
static __device__ unsigned load_relaxed(const unsigned *p) {
#if defined(GLIMPSE_EMULATION)
    return *p;
#else
    unsigned v;
    asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
    return v;
#endif
}

/* Block 0 writes x, which block 1 reads when it has arrived. */
static __device__ void hand_over(int which, const order_args &a) {
    const int t = (int)threadIdx.x;
    if (blockIdx.x == 0) {
        a.x[t] = (uint32_t)t;
        if (which != ORDER_NO_BARRIER_BEFORE) __syncthreads();
        if (t == 0 && which == ORDER_NO_RELEASE) arrive_relaxed(a.count);
        else if (t == 0) arrive_release(a.count);
        return;
    }
    if (t == 0 && which != ORDER_NO_HAND_OFF)
        (void)spin_until(1000000000, [&] { return (load_acquire(which == ORDER_NO_ACQUIRE ? a.count + 1 : a.count) | load_relaxed(a.count)) != 0; });
    if (which != ORDER_NO_BARRIER_BEHIND) __syncthreads();
    a.out[t] = a.x[t ^ 1];
}

/* Both write their half of x, and the last to be done reads all. */
static __device__ void last_adds(int which, const order_args &a) {
    SHARED(int, last, 1);
    const int t = (int)threadIdx.x;
    a.x[blockIdx.x * ORDER_THREADS + t] = (uint32_t)t;
    __syncthreads();
    if (t == 0) *last = which == ORDER_RELAXED_COUNT ? atomicAdd((int *)a.seen, 1) : count_and_see(a.seen);
    __syncthreads();
    if (*last == 1) a.out[t] = a.x[t] + a.x[ORDER_THREADS + t];
    if (which == ORDER_RESET && *last == 0 && t == 0) *a.seen = 0; /* by the first: the other may count at the same time */
}

static __global__ void __launch_bounds__(ORDER_THREADS) order_kernel(int which, const order_args a) {
    const int t = (int)threadIdx.x, b = (int)blockIdx.x;
    SHARED(uint4, shared, ORDER_THREADS);
    if (which == ORDER_EARLY) shared[t] = load_once(a.x + 4 * (t & 7));
    if (which == ORDER_EARLY_COPY) copy_async_16(&shared[t], a.x + 4 * (t & 7));
    copy_async_commit();
    if (which == ORDER_EARLY_WRITE) a.out[t] = 1;
    dependency_wait();
    copy_async_wait_all();
    switch (which) {
    case ORDER_LAST_ADDS: case ORDER_RELAXED_COUNT: case ORDER_RESET: last_adds(which, a); break;
    case ORDER_TWO_WRITES: a.x[t] = (uint32_t)b; break;
    case ORDER_OVERWRITTEN: /* whichever comes first */
        if (b == 0) a.out[t] = a.x[t];
        else a.x[t] = 1;
        break;
    case ORDER_NOT_ATOMIC:
        if (b == 0) (void)atomicAdd(a.count, 1u);
        else a.out[0] = *a.count;
        break;
    case ORDER_WITHIN_A_BLOCK: /* of two warps */
        a.x[b * ORDER_THREADS + t] = 1;
        a.out[b * ORDER_THREADS + t] = a.x[b * ORDER_THREADS + (t ^ 32)];
        break;
    case ORDER_GENERIC: { /* in either memory */
        uint32_t *p = a.out == a.x ? (uint32_t *)shared : a.x;
        if (b == 0) p[t] = 1;
        else a.out[t] = p[t];
        break;
    }
    case ORDER_CONSTANT: case ORDER_CONSTANT_FIRST: {
        uint32_t *mine = a.x + b * ORDER_THREADS, v = 0;
        if (which == ORDER_CONSTANT_FIRST) v = constant_load(mine + t);
        __syncthreads();
        mine[t ^ 32] = v;
        __syncthreads();
        if (which == ORDER_CONSTANT) v = constant_load(mine + t);
        a.out[b * ORDER_THREADS + t] = v;
        break;
    }
    case ORDER_EARLY_CONSTANT: a.out[b * ORDER_THREADS + t] = constant_load(a.x + t); break;
    case ORDER_HALVES: ((uint16_t *)a.x)[2 * t + b] = 1; break; /* of one word: right */
    default: hand_over(which, a);
    }
    a.out[(2 + b) * ORDER_THREADS + t] = shared[t].x;
}
/* The kernel ahead. */
static __global__ void __launch_bounds__(ORDER_THREADS) write_kernel(uint32_t *x) {
    dependency_launch();
    dependency_wait();
    x[threadIdx.x] = 1;
}

extern "C" int ptx_run_order(int which) {
    cudaStream_t s;
    uint32_t *memory = NULL;
    int major = 0;
    const bool early = which >= ORDER_EARLY && which <= ORDER_EARLY_CONSTANT;
    if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess && major < 9 && early) return -1;
    cudaError_t e = cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    if (e == cudaSuccess) e = cudaMalloc((void **)&memory, 4096);
    if (e == cudaSuccess) e = cudaMemsetAsync(memory, 0, 4096, s);
    const order_args a = {memory, memory + 256, memory + 768, (int32_t *)memory + 832};
    if (early && e == cudaSuccess) e = LAUNCH(write_kernel, dim3(1), dim3(ORDER_THREADS), 0, s, true, memory);
    if (early && e == cudaSuccess) e = LAUNCH(order_kernel, dim3(2), dim3(ORDER_THREADS), 0, s, true, which, a);
    else if (e == cudaSuccess) e = launch_together(order_kernel, dim3(2), dim3(ORDER_THREADS), 0, s, which, a);
    if (e == cudaSuccess) e = cudaStreamSynchronize(s);
    (void)cudaFree(memory);
    (void)cudaStreamDestroy(s);
    return e;
}
