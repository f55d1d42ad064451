/* cuda_fp16.h -- IEEE binary16 as CUDA's header names it, the part Glimpse uses. */
#ifndef GLIMPSE_EMU_CUDA_FP16_H
#define GLIMPSE_EMU_CUDA_FP16_H
#include <cuda_runtime.h>
#include "kernels/dtype.h"

struct alignas(2) __half { uint16_t bits; };

static inline float __half2float(__half h) { return f16_to_f32(h.bits); }
static inline __half __ushort_as_half(unsigned short u) { return __half{u}; }
#endif
