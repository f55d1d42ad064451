/* driver.h -- the part of CUDA's driver API that Glimpse uses, found in libcuda.so.1 at run time: libglimpse.so needs no
 * CUDA to be built or loaded.
 *
 * Names, values and signatures are those of the driver's own ABI (docs.nvidia.com/cuda/cuda-driver-api, cuda.h), in the
 * versions that cuda.h of CUDA 11 to 13 stands for (cuMemAlloc is cuMemAlloc_v2, ...); tests/checks/driver.sh compares them
 * with a cuda.h where there is one.  Called by device.c in the trainer and cli/import.c in the worker. */
#ifndef GLIMPSE_PLUGIN_DRIVER_H
#define GLIMPSE_PLUGIN_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/internal/status.h"

typedef int cu_result;                 /* 0 = CUDA_SUCCESS */
typedef int cu_device;
typedef unsigned long long cu_address; /* CUdeviceptr */
typedef struct CUctx_st *cu_context;
typedef struct CUstream_st *cu_stream; /* NULL = the legacy stream of the current context */
typedef struct CUevent_st *cu_event;
typedef struct cu_handle { char bytes[64]; } cu_handle; /* CUipcMemHandle, CUipcEventHandle */

enum {
    CU_OK = 0, CU_INVALID_VALUE = 1, CU_OUT_OF_MEMORY = 2, CU_NOT_INITIALIZED = 3, CU_CAPTURE_IMPLICIT = 906,
    CU_POINTER_CONTEXT = 1, CU_POINTER_MEMORY_TYPE = 2, CU_POINTER_IS_MANAGED = 8, CU_POINTER_DEVICE_ORDINAL = 9,
    CU_POINTER_RANGE_START = 11,
    CU_MEMORY_DEVICE = 2,
    CU_DEVICE_COMPUTE_MODE = 20, CU_DEVICE_MPS_ENABLED = 133,
    CU_STREAM_NO_LEGACY = 1,           /* CU_STREAM_NON_BLOCKING */
    CU_EVENT_NO_TIMING = 2, CU_EVENT_SHARED = 4,
    CU_IPC_PEER_ACCESS = 1,            /* CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS: the one flag there is, and it must be given */
    CU_CAPTURE_RELAXED = 2, CU_CAPTURE_NONE = 0,
    CU_LEAST_VERSION = 11000           /* CUDA 11.0: the oldest driver that has every call below */
};

/* X(member, symbol, parameters) */
#define DRIVER_CALLS(X)                                                                                                 \
    X(init, cuInit, (unsigned flags))                                                                                   \
    X(version, cuDriverGetVersion, (int *version))                                                                      \
    X(error_name, cuGetErrorName, (cu_result error, const char **name))                                                 \
    X(device_by_bus, cuDeviceGetByPCIBusId, (cu_device * device, const char *bus))                                      \
    X(device_bus, cuDeviceGetPCIBusId, (char *bus, int cap, cu_device device))                                          \
    X(device_attribute, cuDeviceGetAttribute, (int *value, int attribute, cu_device device))                            \
    X(retain, cuDevicePrimaryCtxRetain, (cu_context * context, cu_device device))                                       \
    X(release, cuDevicePrimaryCtxRelease_v2, (cu_device device))                                                        \
    X(push, cuCtxPushCurrent_v2, (cu_context context))                                                                  \
    X(pop, cuCtxPopCurrent_v2, (cu_context * context))                                                                  \
    X(pointer, cuPointerGetAttribute, (void *value, int attribute, cu_address address))                                 \
    X(range, cuMemGetAddressRange_v2, (cu_address * base, size_t *bytes, cu_address address))                           \
    X(free_memory, cuMemGetInfo_v2, (size_t * free_bytes, size_t *total))                                               \
    X(take, cuMemAlloc_v2, (cu_address * address, size_t bytes))                                                        \
    X(give, cuMemFree_v2, (cu_address address))                                                                         \
    X(pin, cuMemHostRegister_v2, (void *at, size_t bytes, unsigned flags))                                              \
    X(unpin, cuMemHostUnregister, (void *at))                                                                           \
    X(copy_out, cuMemcpyDtoHAsync_v2, (void *to, cu_address from, size_t bytes, cu_stream stream))                      \
    X(copy_across, cuMemcpyDtoDAsync_v2, (cu_address to, cu_address from, size_t bytes, cu_stream stream))              \
    X(stream_open, cuStreamCreate, (cu_stream * stream, unsigned flags))                                                \
    X(stream_close, cuStreamDestroy_v2, (cu_stream stream))                                                             \
    X(stream_wait, cuStreamWaitEvent, (cu_stream stream, cu_event event, unsigned flags))                               \
    X(stream_finish, cuStreamSynchronize, (cu_stream stream))                                                           \
    X(stream_capturing, cuStreamIsCapturing, (cu_stream stream, int *status))                                           \
    X(stream_context, cuStreamGetCtx, (cu_stream stream, cu_context *context))                                          \
    X(capture_mode, cuThreadExchangeStreamCaptureMode, (int *mode))                                                     \
    X(event_open, cuEventCreate, (cu_event * event, unsigned flags))                                                    \
    X(event_close, cuEventDestroy_v2, (cu_event event))                                                                 \
    X(event_record, cuEventRecord, (cu_event event, cu_stream stream))                                                  \
    X(export_memory, cuIpcGetMemHandle, (cu_handle * handle, cu_address address))                                       \
    X(export_event, cuIpcGetEventHandle, (cu_handle * handle, cu_event event))                                          \
    X(import_memory, cuIpcOpenMemHandle_v2, (cu_address * address, cu_handle handle, unsigned flags))                   \
    X(import_event, cuIpcOpenEventHandle, (cu_event * event, cu_handle handle))                                         \
    X(close_memory, cuIpcCloseMemHandle, (cu_address address))

typedef struct driver {
#define DRIVER_MEMBER(member, symbol, parameters) cu_result(*member) parameters;
    DRIVER_CALLS(DRIVER_MEMBER)
#undef DRIVER_MEMBER
} driver;

/* The driver's calls; the library is loaded once and stays.  present: only where this process has it loaded already.
 * GLIMPSE_E_DEVICE: there is none, or it is too old.  Nothing is initialised. */
glimpse_status driver_load(bool present, const driver **out);

/* GLIMPSE_E_DEVICE (GLIMPSE_E_MEMORY) with the driver's own name of the error, for `what` (a symbol). */
glimpse_status driver_failed(const driver *cu, cu_result error, const char *what);
#define DRIVER_TRY(cu, member, ...)                                                                                     \
    do {                                                                                                                \
        cu_result error_ = (cu)->member(__VA_ARGS__);                                                                   \
        if (error_ != CU_OK) return driver_failed((cu), error_, #member);                                               \
    } while (0)

/* Push `context` on this thread, with a capture mode in which our calls break nobody's capture; then put both back. */
typedef struct driver_guard { int mode; bool exchanged, pushed; } driver_guard;
glimpse_status driver_enter(const driver *cu, cu_context context, driver_guard *guard); /* on failure nothing is left */
void driver_leave(const driver *cu, driver_guard *guard);

#endif
