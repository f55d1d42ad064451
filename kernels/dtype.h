/* dtype.h -- one element of a tensor as f32: bf16 is the upper half of an f32, f16 is IEEE binary16.
 * Both conversions are exact; a signalling NaN becomes quiet.  Called by the backends wherever speed does not matter. */
#ifndef GLIMPSE_KERNELS_DTYPE_H
#define GLIMPSE_KERNELS_DTYPE_H

#include <glimpse.h>
#include <string.h>

static inline float bits_to_f32(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint32_t f32_to_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float bf16_to_f32(uint16_t h) { return bits_to_f32((uint32_t)h << 16); }

static inline float f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;
    if (e == 31) return bits_to_f32(sign | 0x7f800000 | m << 13 | (m ? 0x400000 : 0));
    if (e == 0) { /* 2^-24 steps: exact as a product */
        float f = (float)m * 0x1p-24f;
        return bits_to_f32(sign | f32_to_bits(f));
    }
    return bits_to_f32(sign | (e + 112) << 23 | m << 13);
}

/* To the nearest, ties to even; what is not finite stays so, a NaN keeps its sign. */
static inline uint16_t f32_to_bf16(float f) {
    uint32_t u = f32_to_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline uint16_t f32_to_f16(float f) {
    uint32_t u = f32_to_bits(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (a >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and more round to infinity */
    if (a < 0x38800000) { /* below 2^-14: a multiple of 2^-24, which adding 0.5 leaves in the last bits */
        float shifted = bits_to_f32(a) + 0.5f;
        return (uint16_t)(sign | (f32_to_bits(shifted) - 0x3f000000));
    }
    return (uint16_t)(sign | ((a - 0x38000000 + 0xfff + (a >> 13 & 1)) >> 13));
}

static inline size_t dtype_bytes(glimpse_dtype t) { return t == GLIMPSE_F32 ? 4 : 2; }

/* Element i of a tensor; i in elements. */
static inline float load_element(const void *data, glimpse_dtype t, int64_t i) {
    if (t == GLIMPSE_F32) {
        float f;
        memcpy(&f, (const char *)data + 4 * i, sizeof f);
        return f;
    }
    uint16_t h;
    memcpy(&h, (const char *)data + 2 * i, sizeof h);
    return t == GLIMPSE_BF16 ? bf16_to_f32(h) : f16_to_f32(h);
}

#endif
