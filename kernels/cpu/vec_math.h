/* vec_math.h -- exp, tanh and the activations over v16, the same bits on every instruction set.
 *
 * Template: included by isa_*.c after a vec_*.h.  Explicit fma, correctly rounded divisions, integer steps; no libm.
 * Polynomials: exp and erf after N. Juffa's published minimax fits (errors below 1 ulp for exp and 1.0 for erf), tanh's
 * inner part after Cephes tanhf (S. Moshier).  NaN stays NaN, exp(+-inf) = inf, 0.  Tested against libm in double. */
#ifndef GLIMPSE_KERNELS_CPU_VEC_MATH_H
#define GLIMPSE_KERNELS_CPU_VEC_MATH_H

#include <glimpse.h>

static inline v16 v16_abs(v16 x) { return v16_float(v16i_and(v16_bits(x), v16i_set(0x7fffffff))); }
static inline v16 v16_sign_of(v16 magnitude, v16 sign) {
    return v16_float(v16i_or(v16_bits(magnitude), v16i_and(v16_bits(sign), v16i_set(0x80000000u))));
}

/* x = n ln 2 + f; e^x = 2^n e^f.  2^n goes in as two factors: one alone would overflow at the top of the range and lose
 * the denormals at the bottom.  The clamps take NaN through because min and max return their second operand then. */
static inline v16 v16_exp(v16 x) {
    const v16 round = v16_set(12582912.0f); /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */
    x = v16_max(v16_set(-104.0f), v16_min(v16_set(89.0f), x));
    v16 t = v16_fma(x, v16_set(1.442695041f), round), n = v16_sub(t, round);
    v16 f = v16_fma(n, v16_set(-6.93145752e-1f), x);
    f = v16_fma(n, v16_set(-1.42860677e-6f), f);
    v16 p = v16_set(1.37805939e-3f);
    p = v16_fma(p, f, v16_set(8.37312452e-3f));
    p = v16_fma(p, f, v16_set(4.16695364e-2f));
    p = v16_fma(p, f, v16_set(1.66664720e-1f));
    p = v16_fma(p, f, v16_set(4.99999851e-1f));
    p = v16_fma(p, f, v16_set(1.0f));
    p = v16_fma(p, f, v16_set(1.0f));
    v16i k = v16i_sub(v16_bits(t), v16_bits(round)), k1 = v16i_half(k), k2 = v16i_sub(k, k1), bias = v16i_set(127);
    p = v16_mul(p, v16_float(v16i_shl23(v16i_add(k1, bias))));
    return v16_mul(p, v16_float(v16i_shl23(v16i_add(k2, bias))));
}

static inline v16 v16_tanh(v16 x) {
    v16 a = v16_abs(x), s = v16_mul(x, x);
    v16 p = v16_set(-5.70498872745e-3f);
    p = v16_fma(p, s, v16_set(2.06390887954e-2f));
    p = v16_fma(p, s, v16_set(-5.37397155531e-2f));
    p = v16_fma(p, s, v16_set(1.33314422036e-1f));
    p = v16_fma(p, s, v16_set(-3.33332819422e-1f));
    v16 small = v16_fma(v16_mul(p, s), x, x);
    v16 e = v16_exp(v16_add(a, a));
    v16 large = v16_sub(v16_set(1), v16_div(v16_set(2), v16_add(e, v16_set(1))));
    return v16_pick_lt(a, v16_set(0.625f), small, v16_sign_of(large, x));
}

/* Phi(x) = (1 + erf(x / sqrt 2)) / 2 without cancellation: the tail is erfc itself. */
static inline v16 v16_normal_cdf(v16 x) {
    v16 z = v16_mul(x, v16_set(0.707106781f)), a = v16_abs(z), s = v16_mul(z, z), half = v16_set(0.5f);
    v16 r = v16_fma(v16_set(-1.72853470e-5f), a, v16_set(3.83197126e-4f));
    v16 u = v16_fma(v16_set(-3.88396438e-3f), a, v16_set(2.42546219e-2f));
    r = v16_fma(r, s, u);
    r = v16_fma(r, a, v16_set(-1.06777877e-1f));
    r = v16_fma(r, a, v16_set(-6.34846687e-1f));
    r = v16_fma(r, a, v16_set(-1.28717512e-1f));
    r = v16_fma(r, a, v16_sub(v16_zero(), a));
    v16 tail = v16_mul(half, v16_exp(r)); /* erfc(|z|) / 2 */
    tail = v16_pick_lt(z, v16_zero(), tail, v16_sub(v16_set(1), tail));
    v16 p = v16_set(-5.96761703e-4f);
    p = v16_fma(p, s, v16_set(4.99119423e-3f));
    p = v16_fma(p, s, v16_set(-2.67681349e-2f));
    p = v16_fma(p, s, v16_set(1.12819925e-1f));
    p = v16_fma(p, s, v16_set(-3.76125336e-1f));
    p = v16_fma(p, s, v16_set(1.28379166e-1f));
    v16 erf = v16_fma(p, z, z);
    return v16_pick_lt(a, v16_set(0.927734375f), v16_fma(half, erf, half), tail);
}

static inline v16 v16_activate(glimpse_activation kind, v16 x) {
    const v16 one = v16_set(1);
    switch (kind) {
    case GLIMPSE_GELU_TANH: {
        /* (1 + tanh u) / 2 = 1 / (1 + e^-2u): no cancellation where tanh is near -1 */
        v16 u = v16_mul(x, v16_fma(v16_mul(x, x), v16_set(-0.0713548162726f), v16_set(-1.59576912161f)));
        return v16_div(x, v16_add(one, v16_exp(u)));
    }
    case GLIMPSE_GELU_ERF: return v16_mul(x, v16_normal_cdf(x));
    case GLIMPSE_SILU: return v16_div(x, v16_add(one, v16_exp(v16_sub(v16_zero(), x))));
    case GLIMPSE_RELU: break;
    }
    return v16_max(v16_zero(), x); /* NaN stays: max returns its second operand then */
}

static inline v16 v16_soften(v16 x, float cap) { return v16_mul(v16_set(cap), v16_tanh(v16_div(x, v16_set(cap)))); }

#endif
