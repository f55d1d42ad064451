/* cuda_module.c -- what libglimpse_cuda.so exports (cuda_module.h). */
#include "kernels/cuda/cuda_module.h"

#include "build_id.h" /* written by the Makefile: GLIMPSE_BUILD_ID */

extern const backend_ops backend_cuda;
glimpse_status cuda_probe(int32_t device);

__attribute__((visibility("default"))) extern const cuda_module glimpse_cuda_v1;
const cuda_module glimpse_cuda_v1 = { GLIMPSE_BUILD_ID, &backend_cuda, cuda_probe, status_place_use };
