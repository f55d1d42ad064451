/* emu_kernels.cu -- kernels that are wrong on purpose, for test_emu.c: does the emulation see it? */
#include "kernels/cuda/ptx.cuh"

static __global__ void reduce_kernel(const int *from, int *to, int barrier) {
    SHARED(int, sums, 256);
    dependency_wait();
    int t = (int)threadIdx.x;
    sums[t] = from[t];
    for (int by = 128; by; by /= 2) {
        if (barrier) __syncthreads();
        if (t < by) sums[t] += sums[t + by];
    }
    __syncthreads();
    if (t == 0) *to = sums[0];
}

static __global__ void divergent_kernel(int *to) {
    if (threadIdx.x < 16) __syncthreads();
    else sync_warp();
    *to = 1;
}

static __global__ void hasty_kernel(int *to) { *to = 1; }

static __global__ void half_warp_kernel(int *to) { /* lanes that have ended are not waited for */
    int t = (int)threadIdx.x;
    if (t >= 20) return;
    int sum = warp_sum(1);
    __syncthreads();
    if (t == 0) *to = sum;
}

/* which: 0 reduce with barriers, 1 without, 2 divergent, 3 chained without a wait, 4 half a warp.  The cudaError_t of the
 * synchronisation; *out = what the kernel wrote. */
extern "C" int emu_run_wrong(int which, const int *input, int *out) {
    cudaStream_t s;
    int *from, *to;
    cudaError_t e = cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    if (e == cudaSuccess) e = cudaMalloc((void **)&from, 256 * sizeof *from);
    if (e == cudaSuccess) e = cudaMalloc((void **)&to, sizeof *to);
    if (e == cudaSuccess) e = cudaMemcpyAsync(from, input, 256 * sizeof *from, cudaMemcpyHostToDevice, s);
    if (e != cudaSuccess) return e;
    switch (which) {
    case 0: e = LAUNCH(reduce_kernel, dim3(1), dim3(256), 0, s, false, from, to, 1); break;
    case 1: e = LAUNCH(reduce_kernel, dim3(1), dim3(256), 0, s, false, from, to, 0); break;
    case 2: e = LAUNCH(divergent_kernel, dim3(1), dim3(32), 0, s, false, to); break;
    case 3: e = LAUNCH(hasty_kernel, dim3(1), dim3(32), 0, s, true, to); break;
    default: e = LAUNCH(half_warp_kernel, dim3(1), dim3(32), 0, s, false, to); break;
    }
    if (e == cudaSuccess) e = cudaMemcpyAsync(out, to, sizeof *out, cudaMemcpyDeviceToHost, s);
    if (e == cudaSuccess) e = cudaStreamSynchronize(s);
    (void)cudaFree(from);
    (void)cudaFree(to);
    (void)cudaStreamDestroy(s);
    return e;
}
