/* decide.c -- decide.h over whole rows on the CPU: once for AVX2 with FMA, once in plain vectors that any machine runs.
 *
 * Cost, V = 50,257 on a 2.8 GHz Xeon: see tests/bench/bench_sampling.c.  Called by sampling/samplers. */
#include "kernels/decide.h"

#include <float.h>
#include <stdbool.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#pragma GCC diagnostic ignored "-Wpsabi" /* vectors are passed to inlined functions alone */

typedef float vf __attribute__((vector_size(32)));
typedef float vf4 __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(32)));
typedef uint32_t vu32 __attribute__((vector_size(32)));
typedef double vd __attribute__((vector_size(32)));
typedef uint64_t vu __attribute__((vector_size(32)));
typedef int64_t vi64 __attribute__((vector_size(32)));

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define LANES(name) PASTE(name, LANES_SUFFIX)

/* --- any machine */
#define EACH_LANE(type, count, expr)                                                                                   \
    __extension__({                                                                                                    \
        type r_;                                                                                                       \
        for (int j_ = 0; j_ < (count); j_++) r_[j_] = (expr);                                                          \
        r_;                                                                                                            \
    })
static inline unsigned lane_mask(const int32_t *m) {
    unsigned bits = 0;
    for (int j = 0; j < 8; j++) bits |= (m[j] ? 1u : 0u) << j;
    return bits;
}
#define MASK_OF(cmp)                                                                                                   \
    __extension__({                                                                                                    \
        vi m_ = (cmp);                                                                                                 \
        int32_t lanes_[8];                                                                                             \
        memcpy(lanes_, &m_, sizeof m_);                                                                                \
        lane_mask(lanes_);                                                                                             \
    })

#define LANES_SUFFIX generic
#define LANES_ISA "generic"
#define TARGET
#define FMAF(a, b, c) __extension__({ vf a_ = (a), b_ = (b), c_ = (c); EACH_LANE(vf, 8, fmaf(a_[j_], b_[j_], c_[j_])); })
#define FMAD(a, b, c) __extension__({ vd a_ = (a), b_ = (b), c_ = (c); EACH_LANE(vd, 4, fma(a_[j_], b_[j_], c_[j_])); })
#define MAXF(x, m)                                                                                                     \
    __extension__({ vf x_ = (x), n_ = (m); vi g_ = x_ > n_; (vf)(((vi)x_ & g_) | ((vi)n_ & ~g_)); })
#define MUL32(a, b) (((a) & 0xffffffffull) * ((b) & 0xffffffffull))
#define MASK_NLT(a, b) MASK_OF(~((a) < (b)))
#define MASK_GE(a, b) MASK_OF((a) >= (b))
#define MASK_GT(a, b) MASK_OF((a) > (b))
#include "kernels/decide_lanes.h"

/* --- AVX2 */
#if defined(__x86_64__)
#undef LANES_SUFFIX
#undef LANES_ISA
#undef TARGET
#undef FMAF
#undef FMAD
#undef MAXF
#undef MUL32
#undef MASK_NLT
#undef MASK_GE
#undef MASK_GT
#define LANES_SUFFIX avx2
#define LANES_ISA "avx2"
#define TARGET __attribute__((target("avx2,fma")))
#define FMAF(a, b, c) ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FMAD(a, b, c) ((vd)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define MAXF(x, m) ((vf)_mm256_max_ps((__m256)(x), (__m256)(m)))
#define MUL32(a, b) ((vu)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define MASK_(a, b, op) ((unsigned)_mm256_movemask_ps(_mm256_cmp_ps((__m256)(a), (__m256)(b), op)))
#define MASK_NLT(a, b) MASK_(a, b, _CMP_NLT_UQ)
#define MASK_GE(a, b) MASK_(a, b, _CMP_GE_OQ)
#define MASK_GT(a, b) MASK_(a, b, _CMP_GT_OQ)
#include "kernels/decide_lanes.h"
#endif

#if defined(__x86_64__)
void row_sums_avx512(const float *l, int32_t n, double inv_t, float *maxima, row_sums *out); /* decide_avx512.c */
uint64_t row_mass_avx512(const float *l, int32_t n, float max, double inv_t, uint64_t *out);
int32_t row_gather_avx512(const float *l, int32_t n, float limit, const float *maxima, int32_t *index, float *value);
static const row_ops ops_avx512 = {"avx512", row_sums_avx512, draw_avx2, draw_some_avx2, row_mass_avx512, above_avx2, row_gather_avx512};
#endif

const row_ops *row_ops_for(const char *isa) {
#if defined(__x86_64__)
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512 && (!isa || strcmp(isa, "avx512") == 0)) return &ops_avx512;
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && (!isa || strcmp(isa, "avx2") == 0)) return &ops_avx2;
#endif
    return !isa || strcmp(isa, "generic") == 0 ? &ops_generic : NULL;
}
