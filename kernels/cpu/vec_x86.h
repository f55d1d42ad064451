/* vec_x86.h -- the tail of the summation tree, (j, j + 4), (j, j + 2), (j, j + 1), shared by AVX2 and AVX-512. */
#ifndef GLIMPSE_KERNELS_CPU_VEC_X86_H
#define GLIMPSE_KERNELS_CPU_VEC_X86_H

#include <immintrin.h>
#include <stdint.h>

static inline float x86_sum8(__m256 a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Four sums at once: two registers at a time share what each step leaves empty. */
static inline __m128 x86_sum8x4(__m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 ab = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
    __m256 cd = _mm256_add_ps(_mm256_permute2f128_ps(c, d, 0x20), _mm256_permute2f128_ps(c, d, 0x31));
    /* ab = a0 a1 a2 a3 | b0 b1 b2 b3; lane j + lane j + 2 gives a c | b d, two lanes each */
    __m256 acbd = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    acbd = _mm256_add_ps(acbd, _mm256_movehdup_ps(acbd)); /* lanes 0 and 2 of each half are done */
    __m128 ac = _mm256_castps256_ps128(acbd), bd = _mm256_extractf128_ps(acbd, 1);
    __m128 all = _mm_shuffle_ps(ac, bd, 0x88); /* a c b d */
    return _mm_shuffle_ps(all, all, 0xd8);     /* a b c d */
}

#endif
