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

/* Four blocks, of which each needs what all have written: handed over by arrivals, or by hope. */
static __global__ void together_kernel(int *x, unsigned *count, int handed, int *to) {
    SHARED(int, came, 1);
    int t = (int)threadIdx.x, sum = 0;
    if (t == 0) x[blockIdx.x] = (int)blockIdx.x + 1;
    __syncthreads();
    if (t == 0) {
        arrive_release(count);
        *came = !handed || spin_until(1000000000, [&] { return load_acquire(count) >= gridDim.x; });
    }
    __syncthreads();
    for (int i = 0; i < 4; i++) sum += x[i];
    if (t == 0) to[blockIdx.x] = *came ? sum : -1;
}

/* which: 0 reduce with barriers, 1 without, 2 divergent, 3 chained without a wait, 4 half a warp, 5 blocks together,
 * 6 without a hand-off, 7 more of them than run together; of 5 to 7 *out is the sum of what four blocks saw.  The cudaError_t of the
 * synchronisation; *out = what the kernel wrote. */
extern "C" int emu_run_wrong(int which, const int *input, int *out) {
    cudaStream_t s;
    int *from, *to;
    cudaError_t e = cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    if (e == cudaSuccess) e = cudaMalloc((void **)&from, 256 * sizeof *from);
    if (e == cudaSuccess) e = cudaMalloc((void **)&to, sizeof *to);
    if (e == cudaSuccess) e = cudaMemcpyAsync(from, input, 256 * sizeof *from, cudaMemcpyHostToDevice, s);
    if (e != cudaSuccess) return e;
    if (which >= 5 && e == cudaSuccess) e = cudaMemsetAsync(from, 0, 256 * sizeof *from, s);
    switch (which) {
    case 0: e = LAUNCH(reduce_kernel, dim3(1), dim3(256), 0, s, false, from, to, 1); break;
    case 1: e = LAUNCH(reduce_kernel, dim3(1), dim3(256), 0, s, false, from, to, 0); break;
    case 2: e = LAUNCH(divergent_kernel, dim3(1), dim3(32), 0, s, false, to); break;
    case 3: e = LAUNCH(hasty_kernel, dim3(1), dim3(32), 0, s, true, to); break;
    case 5:
    case 6:
    case 7:
        e = launch_together(together_kernel, dim3(which == 7 ? 5 : 4), dim3(64), 0, s, from, (unsigned *)from + 8, which == 5, from + 16);
        break;
    default: e = LAUNCH(half_warp_kernel, dim3(1), dim3(32), 0, s, false, to); break;
    }
    int each[4] = {0};
    if (e == cudaSuccess)
        e = which < 5 ? cudaMemcpyAsync(out, to, sizeof *out, cudaMemcpyDeviceToHost, s)
                      : cudaMemcpyAsync(each, from + 16, sizeof each, cudaMemcpyDeviceToHost, s);
    if (e == cudaSuccess) e = cudaStreamSynchronize(s);
    if (which >= 5) *out = each[0] + each[1] + each[2] + each[3];
    (void)cudaFree(from);
    (void)cudaFree(to);
    (void)cudaStreamDestroy(s);
    return e;
}
