/* vec_avx2.h -- v16, sixteen floats, as two ymm registers.  See vec_generic.h for what each operation means. */
#ifndef GLIMPSE_KERNELS_CPU_VEC_AVX2_H
#define GLIMPSE_KERNELS_CPU_VEC_AVX2_H

#include <immintrin.h>

#include "kernels/cpu/vec_x86.h"

typedef struct v16 {
    __m256 lo, hi;
} v16;
typedef struct v16i {
    __m256i lo, hi;
} v16i;

enum { PANEL = 4, TILE_ROWS = 1 }; /* 4 sums are 8 of the 16 registers; a second line would spill */

static inline __m256i v8_first(int n) { /* all ones in the first n of 8 lanes */
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline v16 v16_zero(void) { return (v16){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
static inline v16 v16_set(float f) { return (v16){_mm256_set1_ps(f), _mm256_set1_ps(f)}; }
static inline v16 v16_load(const float *p) { return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
static inline v16 v16_load_n(const float *p, int n) {
    return (v16){_mm256_maskload_ps(p, v8_first(n)), _mm256_maskload_ps(p + 8, v8_first(n - 8))};
}
static inline void v16_hold(v16 *a) { (void)a; }
static inline void v16_store(float *p, v16 a) {
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}
static inline void v16_store_n(float *p, v16 a, int n) {
    _mm256_maskstore_ps(p, v8_first(n), a.lo);
    _mm256_maskstore_ps(p + 8, v8_first(n - 8), a.hi);
}
static inline __m256 v8_load_bf16(const uint16_t *p) {
    __m128i h = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
static inline v16 v16_load_bf16(const uint16_t *p) { return (v16){v8_load_bf16(p), v8_load_bf16(p + 8)}; }
static inline v16 v16_load_f16(const uint16_t *p) {
    return (v16){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)))};
}

#define V16_BOTH(type, name, op)                                                                                       \
    static inline type name(type a, type b) { return (type){op(a.lo, b.lo), op(a.hi, b.hi)}; }
V16_BOTH(v16, v16_add, _mm256_add_ps)
V16_BOTH(v16, v16_sub, _mm256_sub_ps)
V16_BOTH(v16, v16_mul, _mm256_mul_ps)
V16_BOTH(v16, v16_div, _mm256_div_ps)
V16_BOTH(v16, v16_min, _mm256_min_ps)
V16_BOTH(v16, v16_max, _mm256_max_ps)
V16_BOTH(v16i, v16i_add, _mm256_add_epi32)
V16_BOTH(v16i, v16i_sub, _mm256_sub_epi32)
V16_BOTH(v16i, v16i_and, _mm256_and_si256)
V16_BOTH(v16i, v16i_or, _mm256_or_si256)
#undef V16_BOTH

static inline v16 v16_fma(v16 a, v16 b, v16 c) {
    return (v16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
static inline v16 v16_pick_lt(v16 a, v16 b, v16 yes, v16 no) {
    return (v16){_mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
                 _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}

static inline v16i v16_bits(v16 a) { return (v16i){_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
static inline v16 v16_float(v16i a) { return (v16){_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
static inline v16i v16i_set(uint32_t u) { return (v16i){_mm256_set1_epi32((int)u), _mm256_set1_epi32((int)u)}; }
static inline v16i v16i_half(v16i a) { return (v16i){_mm256_srai_epi32(a.lo, 1), _mm256_srai_epi32(a.hi, 1)}; }
static inline v16i v16i_shl23(v16i a) { return (v16i){_mm256_slli_epi32(a.lo, 23), _mm256_slli_epi32(a.hi, 23)}; }

static inline __m256 v16_fold(v16 a) { return _mm256_add_ps(a.lo, a.hi); } /* lane j + lane j + 8 */
static inline float v16_sum(v16 a) { return x86_sum8(v16_fold(a)); }
static inline void v16_sum4(float *out, v16 a, v16 b, v16 c, v16 d) {
    _mm_storeu_ps(out, x86_sum8x4(v16_fold(a), v16_fold(b), v16_fold(c), v16_fold(d)));
}

#endif
