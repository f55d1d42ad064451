/* cuda_module.h -- the one symbol that libglimpse_cuda.so exports: cuda_module.c fills it, hooks/cuda_library.c reads it. */
#ifndef GLIMPSE_KERNELS_CUDA_MODULE_H
#define GLIMPSE_KERNELS_CUDA_MODULE_H

#include "include/internal/status_place.h"
#include "kernels/backend.h"

#define CUDA_MODULE_SYMBOL "glimpse_cuda_v1"

typedef struct cuda_module {
    const char *build_id;
    const backend_ops *ops;
    glimpse_status (*probe)(int32_t device); /* is there such a device, and a driver for it?  Takes no memory */
    void (*share_status)(status_place *(*here)(void)); /* its failures are told there */
} cuda_module;

#endif
