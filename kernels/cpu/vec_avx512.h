/* vec_avx512.h -- v16, sixteen floats, as one zmm register.  See vec_generic.h for what each operation means. */
#ifndef GLIMPSE_KERNELS_CPU_VEC_AVX512_H
#define GLIMPSE_KERNELS_CPU_VEC_AVX512_H

#include <immintrin.h>

#include "kernels/cpu/vec_x86.h"

typedef __m512 v16;
typedef __m512i v16i;

enum { PANEL = 8, TILE_ROWS = 3 }; /* 24 sums, 3 of x and the weights' one in 32 registers */

static inline __mmask16 v16_first(int n) { return (__mmask16)((1u << n) - 1); }

static inline v16 v16_zero(void) { return _mm512_setzero_ps(); }
static inline v16 v16_set(float f) { return _mm512_set1_ps(f); }
static inline v16 v16_load(const float *p) { return _mm512_loadu_ps(p); }
static inline v16 v16_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps(v16_first(n), p); }
static inline void v16_hold(v16 *a) { __asm__("" : "+v"(*a)); } /* keep it in a register */
static inline void v16_store(float *p, v16 a) { _mm512_storeu_ps(p, a); }
static inline void v16_store_n(float *p, v16 a, int n) { _mm512_mask_storeu_ps(p, v16_first(n), a); }
static inline v16 v16_load_bf16(const uint16_t *p) {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)), 16));
}
static inline v16 v16_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline v16 v16_fma(v16 a, v16 b, v16 c) { return _mm512_fmadd_ps(a, b, c); }
static inline v16 v16_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
static inline v16 v16_sub(v16 a, v16 b) { return _mm512_sub_ps(a, b); }
static inline v16 v16_mul(v16 a, v16 b) { return _mm512_mul_ps(a, b); }
static inline v16 v16_div(v16 a, v16 b) { return _mm512_div_ps(a, b); }
static inline v16 v16_min(v16 a, v16 b) { return _mm512_min_ps(a, b); }
static inline v16 v16_max(v16 a, v16 b) { return _mm512_max_ps(a, b); }
static inline v16 v16_pick_lt(v16 a, v16 b, v16 yes, v16 no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}

static inline v16i v16_bits(v16 a) { return _mm512_castps_si512(a); }
static inline v16 v16_float(v16i a) { return _mm512_castsi512_ps(a); }
static inline v16i v16i_set(uint32_t u) { return _mm512_set1_epi32((int)u); }
static inline v16i v16i_add(v16i a, v16i b) { return _mm512_add_epi32(a, b); }
static inline v16i v16i_sub(v16i a, v16i b) { return _mm512_sub_epi32(a, b); }
static inline v16i v16i_and(v16i a, v16i b) { return _mm512_and_si512(a, b); }
static inline v16i v16i_or(v16i a, v16i b) { return _mm512_or_si512(a, b); }
static inline v16i v16i_half(v16i a) { return _mm512_srai_epi32(a, 1); }
static inline v16i v16i_shl23(v16i a) { return _mm512_slli_epi32(a, 23); }

/* Lane j + lane j + 8: the first step of the tree. */
static inline __m256 v16_fold(v16 a) {
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
    return _mm256_add_ps(_mm512_castps512_ps256(a), high);
}
static inline float v16_sum(v16 a) { return x86_sum8(v16_fold(a)); }
static inline void v16_sum4(float *out, v16 a, v16 b, v16 c, v16 d) {
    _mm_storeu_ps(out, x86_sum8x4(v16_fold(a), v16_fold(b), v16_fold(c), v16_fold(d)));
}

#endif
