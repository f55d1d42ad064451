#!/bin/sh
# Glimpse declares the part of CUDA's driver API that it calls (plugin/driver.h).  Where there is a cuda.h, the compiler
# compares: each call is declared a second time, as driver.h has it but with cuda.h's names of the types, and every number.
cuda=${CUDA_HOME:-/usr/local/cuda}/include
[ -f "$cuda/cuda.h" ] || { echo "no cuda.h here"; exit 77; }
calls=$(sed -nE 's/^    X\([a-z_]*, ([A-Za-z_0-9]*), (\(.*\))\) *\\?$/CUresult \1\2;/p' plugin/driver.h |
    sed -e 's/cu_result/CUresult/g; s/cu_address/CUdeviceptr/g; s/cu_context/CUcontext/g; s/cu_stream/CUstream/g; s/cu_event/CUevent/g; s/cu_device/CUdevice/g' \
        -e '/cuIpc.*Mem/s/cu_handle/CUipcMemHandle/; /cuIpc.*Event/s/cu_handle/CUipcEventHandle/' \
        -e 's/int \*mode/CUstreamCaptureMode *mode/; s/int \*status/CUstreamCaptureStatus *status/' \
        -e '/cuDeviceGetAttribute/s/int attribute/CUdevice_attribute attribute/; /cuPointer/s/int attribute/CUpointer_attribute attribute/')
[ "$(echo "$calls" | wc -l)" = "$(grep -c '^    X([a-z_]*, cu' plugin/driver.h)" ] || { echo "not every call was found in driver.h"; exit 1; }
${CC:-cc} -std=c17 -fsyntax-only -Wall -Wextra -Werror -isystem "$cuda" -x c - <<C
#include <cuda.h>
$calls
#define CHECK(x) _Static_assert(x, #x)
CHECK(sizeof(CUdeviceptr) == 8 && sizeof(CUipcMemHandle) == 64 && sizeof(CUipcEventHandle) == 64 && sizeof(CUresult) == 4 && sizeof(CUdevice) == 4);
CHECK(CUDA_ERROR_INVALID_VALUE == 1 && CUDA_ERROR_OUT_OF_MEMORY == 2 && CUDA_ERROR_NOT_INITIALIZED == 3);
CHECK(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT == 906 && CU_STREAM_CAPTURE_MODE_RELAXED == 2 && CU_STREAM_CAPTURE_STATUS_NONE == 0);
CHECK(CU_POINTER_ATTRIBUTE_CONTEXT == 1 && CU_POINTER_ATTRIBUTE_MEMORY_TYPE == 2 && CU_POINTER_ATTRIBUTE_IS_MANAGED == 8);
CHECK(CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL == 9 && CU_POINTER_ATTRIBUTE_RANGE_START_ADDR == 11 && CU_MEMORYTYPE_DEVICE == 2 && CU_DEVICE_ATTRIBUTE_COMPUTE_MODE == 20);
#if CUDA_VERSION >= 12040
CHECK(CU_DEVICE_ATTRIBUTE_MPS_ENABLED == 133);
#endif
CHECK(CU_COMPUTEMODE_DEFAULT == 0 && CU_STREAM_NON_BLOCKING == 1 && CU_EVENT_DISABLE_TIMING == 2 && CU_EVENT_INTERPROCESS == 4);
CHECK(CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS == 1);
C
