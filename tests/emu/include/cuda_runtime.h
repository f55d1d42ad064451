/* cuda_runtime.h -- the part of the CUDA runtime API that Glimpse uses, over tests/emu/emu.h.
 *
 * Names, values and meanings are those of CUDA 13's own header (docs.nvidia.com/cuda/cuda-runtime-api); what is not here is
 * not used.  C sees the API, C++ also kernels: built-in variables, atomics, launches. */
#ifndef GLIMPSE_EMU_CUDA_RUNTIME_H
#define GLIMPSE_EMU_CUDA_RUNTIME_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/emu/emu.h"

#define GLIMPSE_EMULATION 1
#define CUDART_VERSION 13000

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cudaError {
    cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorInitializationError = 3,
    cudaErrorInvalidConfiguration = 9, cudaErrorInsufficientDriver = 35, cudaErrorNoDevice = 100, cudaErrorInvalidDevice = 101,
    cudaErrorInvalidResourceHandle = 400, cudaErrorNotReady = 600, cudaErrorIllegalAddress = 700,
    cudaErrorLaunchOutOfResources = 701, cudaErrorLaunchFailure = 719, cudaErrorCooperativeLaunchTooLarge = 720,
    cudaErrorNotSupported = 801,
    cudaErrorStreamCaptureUnsupported = 900, cudaErrorStreamCaptureInvalidated = 901, cudaErrorUnknown = 999
} cudaError_t;

typedef struct emu_stream *cudaStream_t;
typedef struct emu_event *cudaEvent_t;
typedef struct emu_graph *cudaGraph_t;
typedef struct emu_graph *cudaGraphExec_t;

typedef enum cudaMemcpyKind {
    cudaMemcpyHostToHost = 0, cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3,
    cudaMemcpyDefault = 4
} cudaMemcpyKind;
typedef enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16, cudaDevAttrComputeCapabilityMajor = 75, cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrL2CacheSize = 38, cudaDevAttrCooperativeLaunch = 95, cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
} cudaDeviceAttr;
typedef enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 } cudaFuncAttribute;
typedef struct cudaFuncAttributes { size_t sharedSizeBytes, localSizeBytes; int numRegs; } cudaFuncAttributes;
typedef enum cudaStreamCaptureMode {
    cudaStreamCaptureModeGlobal = 0, cudaStreamCaptureModeThreadLocal = 1, cudaStreamCaptureModeRelaxed = 2
} cudaStreamCaptureMode;
typedef enum cudaMemoryType {
    cudaMemoryTypeUnregistered = 0, cudaMemoryTypeHost = 1, cudaMemoryTypeDevice = 2, cudaMemoryTypeManaged = 3
} cudaMemoryType;
typedef struct cudaPointerAttributes {
    cudaMemoryType type;
    int device;
    void *devicePointer, *hostPointer;
} cudaPointerAttributes;
typedef struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem, sharedMemPerBlockOptin;
    int major, minor, multiProcessorCount, l2CacheSize;
} cudaDeviceProp;
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaIpcMemLazyEnablePeerAccess = 1 };
typedef struct cudaIpcMemHandle { char reserved[64]; } cudaIpcMemHandle_t;

const char *cudaGetErrorName(cudaError_t e);
const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetLastError(void);
cudaError_t cudaDriverGetVersion(int *v);
cudaError_t cudaRuntimeGetVersion(int *v);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device);
cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t *out, void *p); /* there is none here */
cudaError_t cudaIpcOpenMemHandle(void **out, cudaIpcMemHandle_t h, unsigned flags);
cudaError_t cudaIpcCloseMemHandle(void *p);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total);
cudaError_t cudaMalloc(void **out, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMallocHost(void **out, size_t bytes);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t s);
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t s);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *out, const void *p);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t a, cudaEvent_t b);
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode *mode);
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *out);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *out, cudaGraph_t g, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t g, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t g);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t g);
int emu_function_limit(const void *kernel, cudaFuncAttribute attribute, int value);
int emu_load(const void *kernel);
int emu_occupancy(int *blocks);

#ifdef __cplusplus
}

/* === Kernels ===================================================================================================== */

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return uint4{x, y, z, w}; }
static inline float4 make_float4(float x, float y, float z, float w) { return float4{x, y, z, w}; }

/* Objects, not macros: cudaLaunchConfig_t has members of these names. */
#define EMU_INDEX(name, field)                                                                                         \
    static const struct {                                                                                              \
        struct { operator unsigned() const { return emu_self->field.x; } } x;                                          \
        struct { operator unsigned() const { return emu_self->field.y; } } y;                                          \
        struct { operator unsigned() const { return emu_self->field.z; } } z;                                          \
    } name __attribute__((unused)) = {}
EMU_INDEX(threadIdx, thread);
EMU_INDEX(blockIdx, block);
EMU_INDEX(blockDim, block_size);
EMU_INDEX(gridDim, grid);

static inline void __syncthreads() { emu_sync_block(); }
static inline void __threadfence() {}
static inline float __uint_as_float(unsigned u) { float f; memcpy(&f, &u, sizeof f); return f; }
static inline unsigned __float_as_uint(float f) { unsigned u; memcpy(&u, &f, sizeof u); return u; }
/* Fibers change only at barriers, so a plain read and write is one step. */
template <class T> static inline T emu_atomic_add(T *p, T v) { T old = *p; *p = old + v; return old; }
static inline int atomicAdd(int *p, int v) { return emu_atomic_add(p, v); }
static inline unsigned atomicAdd(unsigned *p, unsigned v) { return emu_atomic_add(p, v); }
static inline unsigned long long atomicAdd(unsigned long long *p, unsigned long long v) { return emu_atomic_add(p, v); }
static inline int atomicMax(int *p, int v) { int old = *p; if (v > old) *p = v; return old; }
static inline int atomicMin(int *p, int v) { int old = *p; if (v < old) *p = v; return old; }
static inline int atomicOr(int *p, int v) { int old = *p; *p = old | v; return old; }

typedef enum cudaLaunchAttributeID {
    cudaLaunchAttributeCooperative = 2, cudaLaunchAttributeProgrammaticStreamSerialization = 6
} cudaLaunchAttributeID;
typedef union cudaLaunchAttributeValue { char pad[64]; int cooperative, programmaticStreamSerializationAllowed; } cudaLaunchAttributeValue;
typedef struct cudaLaunchAttribute { cudaLaunchAttributeID id; cudaLaunchAttributeValue val; } cudaLaunchAttribute;
typedef struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
    cudaLaunchAttribute *attrs;
    unsigned numAttrs;
} cudaLaunchConfig_t;

/* Arguments by value, as the chip takes them. */
template <class... P> struct emu_arguments;
template <> struct emu_arguments<> {
    template <class F, class... Done> void call(F f, Done... done) const { f(done...); }
    void list(const void **) const {}
};
template <class First, class... Rest> struct emu_arguments<First, Rest...> {
    First first;
    emu_arguments<Rest...> rest;
    template <class F, class... Done> void call(F f, Done... done) const { rest.call(f, done..., first); }
    void list(const void **to) const { *to = &first, rest.list(to + 1); }
};
template <class First, class... Rest> static inline emu_arguments<First, Rest...> emu_pack_all(First f, Rest... r) {
    if constexpr (sizeof...(Rest) == 0) return {f, {}};
    else return {f, emu_pack_all<Rest...>(r...)};
}
template <class... P> struct emu_kernel_call {
    void (*kernel)(P...);
    emu_arguments<P...> arguments;
    static void run(const void *self) {
        const emu_kernel_call *c = (const emu_kernel_call *)self;
        if (!emu_instead) return c->arguments.call(c->kernel);
        const void *places[sizeof...(P) + 1];
        const size_t bytes[] = {sizeof(P)..., 0};
        c->arguments.list(places);
        emu_instead((const void *)c->kernel, (unsigned char *const *)places, bytes, (int)sizeof...(P));
    }
};
template <class... P, class... A>
static inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *c, void (*kernel)(P...), A... a) {
    emu_kernel_call<P...> call = {kernel, emu_pack_all<P...>(P(a)...)};
    int chained = 0, together = 0;
    for (unsigned i = 0; i < c->numAttrs; i++) {
        if (c->attrs[i].id == cudaLaunchAttributeProgrammaticStreamSerialization)
            chained = c->attrs[i].val.programmaticStreamSerializationAllowed;
        else if (c->attrs[i].id == cudaLaunchAttributeCooperative) together = c->attrs[i].val.cooperative;
    }
    return (cudaError_t)emu_launch((const void *)kernel, emu_kernel_call<P...>::run, &call, sizeof call,
                                   emu_dim{c->gridDim.x, c->gridDim.y, c->gridDim.z},
                                   emu_dim{c->blockDim.x, c->blockDim.y, c->blockDim.z}, c->dynamicSmemBytes, c->stream,
                                   chained, together);
}
template <class... P>
static inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void (*)(P...), int, size_t) {
    return (cudaError_t)emu_occupancy(blocks);
}
template <class... P> static inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *out, void (*kernel)(P...)) {
    *out = cudaFuncAttributes{0, 0, 32};
    return (cudaError_t)emu_load((const void *)kernel);
}
template <class... P> static inline cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute a, int v) {
    return (cudaError_t)emu_function_limit((const void *)kernel, a, v);
}
#endif
#endif
