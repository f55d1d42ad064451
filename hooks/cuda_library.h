/* cuda_library.h -- finds, checks and loads libglimpse_cuda.so.  Called by session_device.c for --device cuda and auto. */
#ifndef GLIMPSE_HOOKS_CUDA_LIBRARY_H
#define GLIMPSE_HOOKS_CUDA_LIBRARY_H

#include "kernels/backend.h"

/* The CUDA backend, loaded once and kept for the life of the process.  GLIMPSE_E_LIBRARY: not found, or of another build. */
glimpse_status cuda_library_load(const backend_ops **out);
/* After it: GLIMPSE_E_DEVICE where there is no such device, or no driver for it. */
glimpse_status cuda_library_probe(int32_t device);

/* Whether the driver knows of a GPU at all, without loading the backend and cuBLAS: where there is none, nothing is said. */
bool cuda_library_gpu_is_there(void);

/* "cuda" and "cuda:1": true, and which device; false for any other text. */
bool cuda_device_of(const char *text, int32_t *device);

#endif
