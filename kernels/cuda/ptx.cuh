/* ptx.cuh -- every instruction of the chip that C++ does not have, with its twin for the emulation: PTX stands here alone.
 *
 * Each wrapper says the instruction, who must call it and what it orders; the reference is NVIDIA's "Parallel Thread
 * Execution ISA", 8.x.  Chip and twin can agree with each other's tests and still be wrong, so `make ptx-test` executes what
 * nvcc makes of this file, and `make gpu-first` runs first on a GPU.  Included by the .cu files of this folder. */
#ifndef GLIMPSE_KERNELS_CUDA_PTX_CUH
#define GLIMPSE_KERNELS_CUDA_PTX_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <stdint.h>

enum { WARP = 32 };

#if defined(GLIMPSE_EMULATION)

#define SHARED(T, name, n) \
    static const char name##_key = 0; \
    T *name = (T *)emu_shared(&name##_key, (size_t)(n) * sizeof(T))
#define SHARED_DYN(T, name) T *name = (T *)emu_shared_dynamic()
#define UNROLL
#define UNROLL_8
#define ROLLED
#define OUTLINED __attribute__((noinline))

static inline uint4 load_once(const void *p) { return *(const uint4 *)p; }
static inline uint4 load_shared_or_global(const void *p) { return *(const uint4 *)p; }
static inline void prefetch_line(const void *p) { (void)*(const volatile char *)p; } /* only what may be read is asked for */
static inline void copy_async_16(void *shared, const void *global) { memcpy(shared, global, 16); }
static inline void copy_async_commit() {}
static inline void copy_async_wait_all() {}
template <int LEFT> static inline void copy_async_wait() {}
static inline void dependency_wait() { emu_dependency_wait(); }
static inline void dependency_launch() {}
static inline void sync_warp() { emu_sync_warp(); }
static inline void arrive_release(unsigned *p) { *p += emu_arrives(); }
static inline int count_and_see(int32_t *p) { return (*p)++; }
static inline unsigned load_acquire(const unsigned *p) { return *p; }
static inline void set_bits(unsigned *p, unsigned bits) { *p |= bits; }
static inline void relax() { emu_yield(); }
static inline uint64_t clock_ns() { return emu_clock_ns(); }
template <class T> static inline T shuffle_xor(T v, int mask) {
    T all[WARP];
    emu_warp_gather(&v, sizeof v, all);
    return all[(threadIdx.x & 31) ^ (unsigned)mask];
}
template <class T> static inline T shuffle_up(T v, int by) {
    T all[WARP];
    emu_warp_gather(&v, sizeof v, all);
    int lane = (int)(threadIdx.x & 31);
    return lane >= by ? all[lane - by] : v;
}
static inline unsigned warp_ballot(bool yes) {
    int mine = yes, all[WARP];
    unsigned bits = 0;
    emu_warp_gather(&mine, sizeof mine, all);
    for (int i = 0; i < WARP; i++) bits |= (all[i] ? 1u : 0u) << i;
    return bits;
}

/* Lane (g, q) of a fragment: g = lane / 4, q = lane % 4; PTX ISA, "Matrix Fragments for mma.m16n8k16". */
static inline void mma_bf16(float c[4], const uint32_t a[4], const uint32_t b[2]) {
    struct fragment { uint32_t a[4], b[2]; } mine, all[WARP];
    memcpy(mine.a, a, sizeof mine.a);
    memcpy(mine.b, b, sizeof mine.b);
    emu_warp_gather(&mine, sizeof mine, all);
    int g = (int)(threadIdx.x & 31) >> 2, q = (int)(threadIdx.x & 3);
    for (int i = 0; i < 4; i++) {
        int row = i >> 1, col = 2 * q + (i & 1);
        double sum = 0;
        for (int k = 0; k < 16; k++) {
            int owner = (k % 8) / 2, high = k / 8, shift = 16 * (k & 1);
            uint32_t x = all[4 * g + owner].a[2 * high + row] >> shift << 16;
            uint32_t y = all[4 * col + owner].b[high] >> shift << 16;
            sum += (double)__uint_as_float(x) * (double)__uint_as_float(y);
        }
        c[i] = (float)((double)c[i] + sum);
    }
}

#else

#define SHARED(T, name, n) __shared__ T name[n]
#define UNROLL _Pragma("unroll")
#define UNROLL_8 _Pragma("unroll 8") /* the loads of eight rounds are on their way together */
#define ROLLED _Pragma("unroll 1") /* code that runs once is paid for where it is fetched */
#define OUTLINED __noinline__
#define SHARED_DYN(T, name) \
    extern __shared__ __align__(128) unsigned char glimpse_dynamic_shared[]; \
    T *name = (T *)glimpse_dynamic_shared

/* 16 bytes that a step reads once: not kept in L1, and the first to leave L2, where a small model's keys, values and activations
 * stay from step to step (a policy as createpolicy.fractional.L2::evict_first makes it: PTX ISA, "Data Movement").  Not ld.global.nc: what a kernel may write no rule would order, so ptxas
 * moves such loads behind the wait that stands after them (seen with 13.0: tests/checks/sass.sh), and nothing is asked for early. */
static __device__ __forceinline__ uint4 load_once(const void *p) {
    uint4 v;
    asm volatile("ld.global.L1::no_allocate.L2::cache_hint.v4.u32 {%0, %1, %2, %3}, [%4], %5;"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p), "l"(0x12f0000000000000ull) : "memory");
    return v;
}
/* 16 bytes at a generic address. */
static __device__ __forceinline__ uint4 load_shared_or_global(const void *p) { return *(const uint4 *)p; }
/* Ask for a line in L2 without waiting. */
static __device__ __forceinline__ void prefetch_line(const void *p) {
    asm volatile("prefetch.global.L2 [%0];" : : "l"(p));
}
/* 16 bytes from global to shared memory, both aligned to 16; visible to this thread after copy_async_wait_all, to the
 * block after the barrier that follows. */
static __device__ __forceinline__ void copy_async_16(void *shared, const void *global) {
    unsigned to = (unsigned)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" : : "r"(to), "l"(global) : "memory");
}
static __device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;" : : : "memory"); }
static __device__ __forceinline__ void copy_async_wait_all() { asm volatile("cp.async.wait_all;" : : : "memory"); }
/* Until at most the LEFT newest groups of this thread are on their way. */
template <int LEFT> static __device__ __forceinline__ void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" : : "n"(LEFT) : "memory");
}
/* Programmatic dependent launch (sm_90 on): wait until the kernels before this one have ended and their writes are seen;
 * let the next one start.  Where the launch was an ordinary one, and on older chips, both do nothing. */
static __device__ __forceinline__ void dependency_wait() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" : : : "memory");
#endif
}
static __device__ __forceinline__ void dependency_launch() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" : : : "memory");
#endif
}
/* Hand-offs between blocks that run at the same time.  An arrival adds one; what its thread wrote before, and what others of
 * its block wrote before the __syncthreads() that it left, is seen by a thread whose load_acquire reads that arrival or a later
 * one (read-modify-writes carry a release on: PTX ISA, "Memory Consistency Model", observation order), and by those that leave
 * a __syncthreads() with that thread: synchronisation by barriers is part of causality order.  The acquire also drops what the
 * multiprocessor's L1 holds, so plain loads are enough after it; load_once is for what no block writes. */
static __device__ __forceinline__ void arrive_release(unsigned *p) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" : : "l"(p) : "memory");
}
/* The same for counts that nobody waits for; the count before it.  Of what those before it wrote, the last of all may read everything. */
static __device__ __forceinline__ int count_and_see(int32_t *p) {
    int before;
    asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], 1;" : "=r"(before) : "l"(p) : "memory");
    return before;
}
static __device__ __forceinline__ unsigned load_acquire(const unsigned *p) {
    unsigned v;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
    return v;
}
static __device__ __forceinline__ void set_bits(unsigned *p, unsigned bits) {
    asm volatile("red.relaxed.gpu.global.or.b32 [%0], %1;" : : "l"(p), "r"(bits) : "memory");
}
static __device__ __forceinline__ void relax() {} /* the poll's own way to L2 and back is long enough */
static __device__ __forceinline__ uint64_t clock_ns() {
    uint64_t t;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
    return t;
}
static __device__ __forceinline__ void sync_warp() { __syncwarp(); }
/* The value of lane ^ mask, of lane - by (its own below).  All 32 lanes call. */
template <class T> static __device__ __forceinline__ T shuffle_xor(T v, int mask) {
    return __shfl_xor_sync(0xffffffffu, v, mask);
}
template <class T> static __device__ __forceinline__ T shuffle_up(T v, int by) {
    return __shfl_up_sync(0xffffffffu, v, by);
}
static __device__ __forceinline__ unsigned warp_ballot(bool yes) { return __ballot_sync(0xffffffffu, yes); }

/* c (16, 8) f32 += a (16, 16) b (16, 8), bf16.  Lane (g, q), g = lane / 4, q = lane % 4, holds of a rows g and g + 8,
 * columns 2q, 2q + 1 (a[0], a[1]) and 2q + 8, 2q + 9 (a[2], a[3]); of b column g, rows 2q, 2q + 1 (b[0]) and 2q + 8, 2q + 9
 * (b[1]); of c rows g (c[0], c[1]) and g + 8 (c[2], c[3]), columns 2q and 2q + 1.  sm_80 on. */
static __device__ __forceinline__ void mma_bf16(float c[4], const uint32_t a[4], const uint32_t b[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif

/* Sums and maxima over a warp, the same tree on every lane: all 32 lanes call. */
template <class T> static __device__ __forceinline__ T warp_sum(T v) {
    for (int m = 16; m; m >>= 1) v += shuffle_xor(v, m);
    return v;
}
static __device__ __forceinline__ float warp_max(float v) {
    for (int m = 16; m; m >>= 1) {
        float o = shuffle_xor(v, m);
        v = o > v ? o : v;
    }
    return v;
}

/* Until done() says so, at most about limit_ns; false: it never did.  One thread calls, for others that wait at a barrier. */
template <class Done> static __device__ __forceinline__ bool spin_until(uint64_t limit_ns, Done done) {
    uint64_t start = 0;
    for (unsigned i = 0; !done(); i++) {
        relax();
        if (i % 1024 != 1023) continue; /* the clock is slow to read */
        uint64_t now = clock_ns();
        if (!start) start = now;
        else if (now - start > limit_ns) return false;
    }
    return true;
}

/* One call a launch; `chained`: with programmatic dependent launch, so it may start before the one ahead has ended. */
template <class... P, class... A>
static inline cudaError_t launch_with(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                                      cudaLaunchAttribute *attribute, A... arguments) {
    cudaLaunchConfig_t config;
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared;
    config.stream = stream;
    config.attrs = attribute;
    config.numAttrs = attribute ? 1 : 0;
    return cudaLaunchKernelEx(&config, kernel, P(arguments)...);
}
template <class... P, class... A>
static inline cudaError_t launch_kernel(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                                        bool chained, A... arguments) {
    cudaLaunchAttribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    return launch_with(kernel, grid, block, shared, stream, chained ? &attribute : NULL, arguments...);
}
/* All of its blocks run at the same time, or the launch is refused: they may wait for each other. */
template <class... P, class... A>
static inline cudaError_t launch_together(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                                          A... arguments) {
    cudaLaunchAttribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = 1;
    return launch_with(kernel, grid, block, shared, stream, &attribute, arguments...);
}
/* Its code is on the device from now on (CUDA Programming Guide, "Lazy Loading": this is what forces it), so that a capture is not the
 * first to meet it; its blocks may take `shared` bytes (0: what any kernel may).  Of every kernel, where the backend is opened. */
template <class... P> static inline cudaError_t load_kernel(void (*kernel)(P...), size_t shared = 0) {
    cudaFuncAttributes a;
    cudaError_t e = shared ? cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared) : cudaSuccess;
    return e == cudaSuccess ? cudaFuncGetAttributes(&a, kernel) : e;
}
#define LAUNCH(kernel, grid, block, shared, stream, chained, ...) \
    launch_kernel(kernel, grid, block, shared, stream, chained, __VA_ARGS__)

#endif
