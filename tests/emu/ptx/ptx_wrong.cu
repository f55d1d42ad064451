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
    if (which == WRONG_NOTHING || which == WRONG_RACE) to[t ^ 1] = shared[t ^ 1];
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

/* The cudaError_t of the synchronisation; out: 64 x 16 bytes that the kernel wrote. */
extern "C" int ptx_run_wrong(int which, const void *input, void *out) {
    cudaStream_t s;
    uint4 *from, *to;
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
