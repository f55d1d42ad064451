/* decide_avx512.c -- row_ops' sums, mass and gather with 16 floats or 8 doubles in one vector: lane by lane the operations
 * of decide_lanes.h, and the same tree at the end, so the same bits as there.
 * Called by row_ops_for where the machine has AVX-512 F, BW, DQ and VL. */
#include "kernels/decide.h"

#if defined(__AVX512F__)
#include <float.h>
#include <immintrin.h>

void row_sums_avx512(const float *l, int32_t n, double inv_t, float *maxima, row_sums *out);
uint64_t row_mass_avx512(const float *l, int32_t n, float max, double inv_t, uint64_t *out);
int32_t row_gather_avx512(const float *l, int32_t n, float limit, const float *maxima, int32_t *index, float *value);

#define ALL(x) _mm512_set1_ps(x)

/* decide_lanes.h's exp_f. */
static inline __attribute__((always_inline)) __m512 exp_f(__m512 *d, __m512 u, __m512 least) {
    __m512 x = _mm512_max_ps(*d, least);
    __m512 shifted = _mm512_fmadd_ps(x, u, ALL(12582912.0f));
    __m512 f = _mm512_fmsub_ps(x, u, _mm512_sub_ps(shifted, ALL(12582912.0f)));
    __m512 p = _mm512_fmadd_ps(ALL(EXP2_5), f, ALL(EXP2_4));
    p = _mm512_fmadd_ps(p, f, ALL(EXP2_3));
    p = _mm512_fmadd_ps(p, f, ALL(EXP2_2));
    p = _mm512_fmadd_ps(p, f, ALL(EXP2_1));
    p = _mm512_fmadd_ps(p, f, ALL(1.0f));
    *d = x;
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(shifted), 23)));
}

typedef struct lanes { __m512d low, high; } lanes; /* 16 doubles */

static inline __attribute__((always_inline)) void fold(lanes *acc, __m512 x) {
    acc->low = _mm512_add_pd(acc->low, _mm512_cvtps_pd(_mm512_castps512_ps256(x)));
    acc->high = _mm512_add_pd(acc->high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)));
}

static double total(const lanes *acc) {
    double v[16], a[4];
    _mm512_storeu_pd(v, acc->low);
    _mm512_storeu_pd(v + 8, acc->high);
    for (int j = 0; j < 4; j++) a[j] = (v[j] + v[8 + j]) + (v[4 + j] + v[12 + j]);
    return (a[0] + a[2]) + (a[1] + a[3]);
}

static lanes times(lanes x, double y) {
    return (lanes){_mm512_mul_pd(x.low, _mm512_set1_pd(y)), _mm512_mul_pd(x.high, _mm512_set1_pd(y))};
}

static __attribute__((noinline)) void odd(const float *p, int32_t *good, int32_t *none) {
    __mmask16 fine = 0xffff;
    for (int i = 0; i < ROW_BLOCK; i += 16) {
        __m512 x = _mm512_loadu_ps(p + i);
        fine &= _mm512_cmp_ps_mask(x, ALL(FLT_MAX), _CMP_LE_OQ);
        *none += __builtin_popcount(_mm512_cmp_ps_mask(x, ALL(-INFINITY), _CMP_EQ_OQ));
    }
    *good &= fine == 0xffff;
}

void row_sums_avx512(const float *l, int32_t n, double inv_t, float *maxima, row_sums *out) {
    const __m512 u = ALL(1.44269504f), floor1 = ALL(-86.0f), warm_u = ALL((float)(DET_LOG2E * inv_t)),
                 warm_floor = ALL((float)(-86.0 / inv_t)), least = ALL(-INFINITY);
    const int warm = inv_t != 1.0;
    lanes s = {_mm512_setzero_pd(), _mm512_setzero_pd()}, t = s, w = s;
    int32_t good = 1, none = 0, padding = 0;
    float max = -INFINITY, tail[ROW_BLOCK];
    for (int32_t at = 0; at < n; at += ROW_BLOCK) {
        const float *p = l + at;
        if (n - at < ROW_BLOCK) {
            padding = ROW_BLOCK - (n - at);
            memcpy(tail, p, (size_t)(n - at) * sizeof *p);
            for (int32_t i = n - at; i < ROW_BLOCK; i++) tail[i] = -INFINITY;
            p = tail;
        }
        __m512 m = least, a = _mm512_setzero_ps();
        for (int i = 0; i < ROW_BLOCK; i += 16) {
            __m512 x = _mm512_loadu_ps(p + i);
            m = _mm512_max_ps(x, m); /* m if x is NaN */
            a = _mm512_add_ps(a, x);
        }
        if (_mm512_cmp_ps_mask(_mm512_sub_ps(a, a), ALL(0.0f), _CMP_NEQ_UQ)) odd(p, &good, &none);
        if (maxima) {
            _mm512_storeu_ps(maxima, m);
            maxima += 16;
        }
        float top = _mm512_reduce_max_ps(m);
        if (top == -INFINITY) continue;
        if (top > max) {
            if (max > -INFINITY) {
                double g = (double)max - (double)top, e = det_exp(g), et = det_exp(g * inv_t);
                t.low = _mm512_fmadd_pd(_mm512_set1_pd(g), s.low, t.low);
                t.high = _mm512_fmadd_pd(_mm512_set1_pd(g), s.high, t.high);
                t = times(t, e);
                s = times(s, e);
                w = times(w, et);
            }
            max = top;
        }
        __m512 s0 = _mm512_setzero_ps(), t0 = s0, w0 = s0;
        for (int i = 0; i < ROW_BLOCK; i += 16) {
            __m512 d = _mm512_sub_ps(_mm512_loadu_ps(p + i), ALL(max));
            if (warm) {
                __m512 h = d;
                w0 = _mm512_add_ps(w0, exp_f(&h, warm_u, warm_floor));
            }
            __m512 e = exp_f(&d, u, floor1);
            s0 = _mm512_add_ps(s0, e);
            t0 = _mm512_fmadd_ps(d, e, t0);
        }
        fold(&s, s0);
        fold(&t, t0);
        if (warm) fold(&w, w0);
    }
    out->ok = good;
    out->max = max;
    out->n_finite = n + padding - none;
    out->s = total(&s);
    out->t = total(&t);
    if (!(out->t < -1e-30)) out->t = 0;
    out->s_temp = warm ? total(&w) : out->s;
}

/* det_mass of 8 logits at once: the same operations. */
uint64_t row_mass_avx512(const float *l, int32_t n, float max, double inv_t, uint64_t *out) {
    const __m512d m = _mm512_set1_pd((double)max), inv = _mm512_set1_pd(inv_t);
    __m512i sum = _mm512_setzero_si512();
    for (int32_t i = 0; i < n; i += 8) {
        __mmask8 in = n - i >= 8 ? 0xff : (__mmask8)((1u << (n - i)) - 1);
        __m512d x = _mm512_mul_pd(_mm512_sub_pd(_mm512_cvtps_pd(_mm256_maskz_loadu_ps(in, l + i)), m), inv);
        __mmask8 live = _mm512_mask_cmp_pd_mask(in, x, _mm512_set1_pd(-31.0), _CMP_GE_OQ);
        x = _mm512_maskz_mov_pd(live, x);
        __m512d shifted = _mm512_fmadd_pd(x, _mm512_set1_pd(DET_LOG2E), _mm512_set1_pd(DET_ROUND));
        __m512d k = _mm512_sub_pd(shifted, _mm512_set1_pd(DET_ROUND));
        __m512d r = _mm512_fmadd_pd(k, _mm512_set1_pd(-DET_LN2_HI), x);
        r = _mm512_fmadd_pd(k, _mm512_set1_pd(-DET_LN2_LO), r);
        __m512d p = _mm512_set1_pd(1.0 / 6227020800.0);
#define STEP(c) p = _mm512_fmadd_pd(p, r, _mm512_set1_pd(c))
        STEP(1.0 / 479001600.0);
        STEP(1.0 / 39916800.0);
        STEP(1.0 / 3628800.0);
        STEP(1.0 / 362880.0);
        STEP(1.0 / 40320.0);
        STEP(1.0 / 5040.0);
        STEP(1.0 / 720.0);
        STEP(1.0 / 120.0);
        STEP(1.0 / 24.0);
        STEP(1.0 / 6.0);
        STEP(0.5);
        STEP(1.0);
        STEP(1.0);
#undef STEP
        __m512d e = _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(p), _mm512_slli_epi64(_mm512_castpd_si512(shifted), 52)));
        __m512d mass = _mm512_fmadd_pd(e, _mm512_set1_pd(0x1p43), _mm512_set1_pd(0x1p52));
        __m512i whole = _mm512_maskz_and_epi64(live, _mm512_castpd_si512(mass), _mm512_set1_epi64(0xfffffffffffffll));
        sum = _mm512_add_epi64(sum, whole);
        if (out) _mm512_mask_storeu_epi64(out + i, in, whole);
    }
    uint64_t part[8], total = 0; /* (the compiler's own reduction adds with a sign) */
    _mm512_storeu_si512(part, sum);
    for (int k = 0; k < 8; k++) total += part[k];
    return total;
}

int32_t row_gather_avx512(const float *l, int32_t n, float limit, const float *maxima, int32_t *index, float *value) {
    int32_t count = 0;
    if (!(limit > -INFINITY)) limit = -FLT_MAX;
    const __m512 least = ALL(limit);
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    for (int32_t at = 0; at < n; at += ROW_BLOCK, maxima += 16) {
        if (!_mm512_cmp_ps_mask(_mm512_loadu_ps(maxima), least, _CMP_GE_OQ)) continue;
        int32_t end = n - at < ROW_BLOCK ? n : at + ROW_BLOCK;
        for (int32_t i = at; i < end; i += 16) {
            __mmask16 in = end - i >= 16 ? 0xffff : (__mmask16)((1u << (end - i)) - 1);
            __m512 x = _mm512_maskz_loadu_ps(in, l + i);
            __mmask16 hit = _mm512_mask_cmp_ps_mask(in, x, least, _CMP_GE_OQ);
            if (!hit) continue;
            _mm512_mask_compressstoreu_ps(value + count, hit, x);
            _mm512_mask_compressstoreu_epi32(index + count, hit, _mm512_add_epi32(lane, _mm512_set1_epi32(i)));
            count += __builtin_popcount(hit);
        }
    }
    return count;
}
#endif
