/* vec_generic.h -- v16, sixteen floats, in plain C: what every operation of vec_avx2.h and vec_avx512.h means, to the
 * last bit.  fma rounds once; min and max return their second operand when one is NaN, as x86 does; the sum is the tree
 * (j, j + 8), (j, j + 4), (j, j + 2), (j, j + 1) of backend.h.  Used where there is neither, and in tests. */
#ifndef GLIMPSE_KERNELS_CPU_VEC_GENERIC_H
#define GLIMPSE_KERNELS_CPU_VEC_GENERIC_H

#include <math.h>

#include "kernels/dtype.h"

typedef struct v16 {
    float f[16];
} v16;
typedef struct v16i {
    uint32_t u[16];
} v16i;

enum { PANEL = 4, TILE_ROWS = 1 };

#define V16_EACH for (int i = 0; i < 16; i++)

static inline v16 v16_set(float f) {
    v16 r;
    V16_EACH r.f[i] = f;
    return r;
}
static inline v16 v16_zero(void) { return v16_set(0); }
static inline v16 v16_load(const float *p) { /* unaligned; p may be any weight in the trainer's memory */
    v16 r;
    memcpy(r.f, p, sizeof r.f);
    return r;
}
static inline v16 v16_load_n(const float *p, int n) { /* the first n of p, 0 in the other lanes */
    v16 r = v16_zero();
    memcpy(r.f, p, (size_t)n * sizeof *p);
    return r;
}
static inline void v16_hold(v16 *a) { (void)a; } /* keep it in a register, where that helps */
static inline void v16_store(float *p, v16 a) { memcpy(p, a.f, sizeof a.f); }
static inline void v16_store_n(float *p, v16 a, int n) { memcpy(p, a.f, (size_t)n * sizeof *p); }
static inline v16 v16_load_bf16(const uint16_t *p) {
    v16 r;
    V16_EACH r.f[i] = load_element(p, GLIMPSE_BF16, i);
    return r;
}
static inline v16 v16_load_f16(const uint16_t *p) {
    v16 r;
    V16_EACH r.f[i] = load_element(p, GLIMPSE_F16, i);
    return r;
}

static inline v16 v16_fma(v16 a, v16 b, v16 c) {
    V16_EACH c.f[i] = fmaf(a.f[i], b.f[i], c.f[i]);
    return c;
}
static inline v16 v16_add(v16 a, v16 b) {
    V16_EACH a.f[i] += b.f[i];
    return a;
}
static inline v16 v16_sub(v16 a, v16 b) {
    V16_EACH a.f[i] -= b.f[i];
    return a;
}
static inline v16 v16_mul(v16 a, v16 b) {
    V16_EACH a.f[i] *= b.f[i];
    return a;
}
static inline v16 v16_div(v16 a, v16 b) {
    V16_EACH a.f[i] /= b.f[i];
    return a;
}
static inline v16 v16_min(v16 a, v16 b) {
    V16_EACH b.f[i] = a.f[i] < b.f[i] ? a.f[i] : b.f[i];
    return b;
}
static inline v16 v16_max(v16 a, v16 b) {
    V16_EACH b.f[i] = a.f[i] > b.f[i] ? a.f[i] : b.f[i];
    return b;
}
static inline v16 v16_pick_lt(v16 a, v16 b, v16 yes, v16 no) { /* a < b ? yes : no; NaN: no */
    V16_EACH no.f[i] = a.f[i] < b.f[i] ? yes.f[i] : no.f[i];
    return no;
}

static inline v16i v16_bits(v16 a) {
    v16i r;
    memcpy(r.u, a.f, sizeof r.u);
    return r;
}
static inline v16 v16_float(v16i a) {
    v16 r;
    memcpy(r.f, a.u, sizeof r.f);
    return r;
}
static inline v16i v16i_set(uint32_t u) {
    v16i r;
    V16_EACH r.u[i] = u;
    return r;
}
static inline v16i v16i_add(v16i a, v16i b) {
    V16_EACH a.u[i] += b.u[i];
    return a;
}
static inline v16i v16i_sub(v16i a, v16i b) {
    V16_EACH a.u[i] -= b.u[i];
    return a;
}
static inline v16i v16i_and(v16i a, v16i b) {
    V16_EACH a.u[i] &= b.u[i];
    return a;
}
static inline v16i v16i_or(v16i a, v16i b) {
    V16_EACH a.u[i] |= b.u[i];
    return a;
}
static inline v16i v16i_half(v16i a) { /* arithmetic shift right by one */
    V16_EACH a.u[i] = a.u[i] >> 1 | (a.u[i] & 0x80000000u);
    return a;
}
static inline v16i v16i_shl23(v16i a) {
    V16_EACH a.u[i] <<= 23;
    return a;
}

static inline float v16_sum(v16 a) {
    for (int step = 8; step; step /= 2)
        for (int i = 0; i < step; i++) a.f[i] += a.f[i + step];
    return a.f[0];
}
static inline void v16_sum4(float *out, v16 a, v16 b, v16 c, v16 d) {
    out[0] = v16_sum(a);
    out[1] = v16_sum(b);
    out[2] = v16_sum(c);
    out[3] = v16_sum(d);
}

#undef V16_EACH
#endif
