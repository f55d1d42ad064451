/* cuda_bf16.h -- bfloat16 as CUDA's header names it, the part Glimpse uses; rounding is to nearest, ties to even. */
#ifndef GLIMPSE_EMU_CUDA_BF16_H
#define GLIMPSE_EMU_CUDA_BF16_H
#include <cuda_runtime.h>

struct alignas(2) __nv_bfloat16 { uint16_t bits; };

static inline float __bfloat162float(__nv_bfloat16 h) { return __uint_as_float((unsigned)h.bits << 16); }
static inline __nv_bfloat16 __float2bfloat16_rn(float f) {
    unsigned u = __float_as_uint(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return __nv_bfloat16{0x7fff};
    return __nv_bfloat16{(uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16)};
}
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.bits; }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) { return __nv_bfloat16{u}; }
#endif
