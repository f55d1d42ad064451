/* ptx_isa.h -- what PTX's instructions do, for C made of PTX by ptx_to_c.py; ptx_machine.c has what needs a block or a warp.
 *
 * Source: NVIDIA, "Parallel Thread Execution ISA", 9.0, section "Instruction Set"; written from it alone, not from the twins of
 * kernels/cuda/ptx.cuh, which this is there to check.  A value is raw bits of its register's width.  Where the document leaves a
 * result open: approximations are as far off as it allows, division by zero is all ones, mma's sum is cut off as chips do. */
#ifndef GLIMPSE_TEST_PTX_ISA_H
#define GLIMPSE_TEST_PTX_ISA_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/emu/emu.h"

/* What a register holds that nothing was written to: NaN as f32 and f64, no address. */
#define PTX_POISON 0xfff7dead7fc7deadull

typedef struct ptx_kernel {
    const char *name;   /* mangled */
    void (*run)(unsigned char *const *given);
    int n;              /* parameters, and their sizes */
    const size_t *bytes;
    size_t shared;      /* arrays of its own */
    unsigned threads;   /* at most, of a block */
    int waits;          /* for the kernel ahead */
} ptx_kernel;
typedef struct ptx_module {
    const ptx_kernel *kernels;
    int n, target;      /* target: 90 of sm_90 */
    const char *const *files;
    unsigned number;    /* among modules, from 1 */
    struct ptx_module *next;
} ptx_module;
void ptx_add(ptx_module *m);

/* === ptx_machine.c ================================================================================================ */

void ptx_fault(const char *what, uint64_t address, size_t bytes) __attribute__((noreturn));
/* STRONG: as of the memory model, so two such never race.  CONSTANT: through the path for what nobody writes. */
typedef enum ptx_access { PTX_READ = 0, PTX_WRITE = 1, PTX_STRONG = 2, PTX_ATOMIC = 3, PTX_ACQUIRE = 4, PTX_RELEASE = 8, PTX_CONSTANT = 16 } ptx_access;
/* The line of the sources that uses memory now: a module's file << 14 | line. */
enum { PTX_LINE_BITS = 14, PTX_PLACE_BITS = 20 };
extern uint32_t ptx_place;
unsigned char *ptx_at_shared(uint32_t offset, size_t bytes, unsigned access);
unsigned char *ptx_at_global(uint64_t address, size_t bytes, unsigned access);
unsigned char *ptx_at_once(uint64_t address, size_t bytes, unsigned access);
unsigned char *ptx_at_generic(uint64_t address, size_t bytes, unsigned access);
unsigned char *ptx_at_local(uint64_t address, size_t bytes, unsigned access);
unsigned char *ptx_at_param(uint64_t address, size_t bytes, unsigned access);
void ptx_griddepcontrol_wait(void);
uint64_t ptx_cvta_shared_u64(uint64_t offset);
uint64_t ptx_cvta_to_shared_u64(uint64_t address);
void ptx_bar_sync(uint32_t barrier);
void ptx_bar_warp_sync(uint32_t members);
uint32_t ptx_shuffle(int kind, uint32_t mine, uint32_t by, uint32_t limits, uint32_t members, uint8_t *inside);
uint32_t ptx_vote_sync_ballot_b32(uint8_t mine, uint32_t members);
void ptx_mma_sync_aligned_m16n8k16_row_col_f32_bf16_bf16_f32(uint32_t d[4], const uint32_t a[4], const uint32_t b[2], const uint32_t c[4]);
void ptx_cp_async_cg_shared_global(uint32_t to, uint64_t from, uint32_t bytes);
void ptx_cp_async_commit_group(void);
void ptx_cp_async_wait_group(uint32_t left);
void ptx_cp_async_wait_all(void);
float ptx_fma_down(float a, float b, float c);

/* === Bits ======================================================================================================== */

#define PTX static inline
PTX float ptx_f32(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
PTX double ptx_f64(uint64_t u) { double d; memcpy(&d, &u, 8); return d; }
PTX uint32_t ptx_of_f32(float f) { uint32_t u; memcpy(&u, &f, 4); return f != f ? 0x7fffffffu : u; } /* an operation gives one NaN */
PTX uint64_t ptx_of_f64(double d) { uint64_t u; memcpy(&u, &d, 8); return u; }

#define PTX_MOVES(type, U)                                                                                             \
    PTX U ptx_mov_##type(U a) { return a; }                                                                            \
    PTX U ptx_selp_##type(U a, U b, uint8_t p) { return p ? a : b; }
PTX_MOVES(b16, uint16_t) PTX_MOVES(u16, uint16_t) PTX_MOVES(s16, uint16_t)
PTX_MOVES(b32, uint32_t) PTX_MOVES(u32, uint32_t) PTX_MOVES(s32, uint32_t) PTX_MOVES(f32, uint32_t)
PTX_MOVES(b64, uint64_t) PTX_MOVES(u64, uint64_t) PTX_MOVES(s64, uint64_t) PTX_MOVES(f64, uint64_t)
PTX uint8_t ptx_mov_pred(uint64_t a) { return a != 0; }
PTX uint8_t ptx_not_pred(uint8_t a) { return !a; }

#define PTX_LOGIC(type, U)                                                                                             \
    PTX U ptx_and_##type(U a, U b) { return a & b; }                                                                   \
    PTX U ptx_or_##type(U a, U b) { return a | b; }                                                                    \
    PTX U ptx_xor_##type(U a, U b) { return a ^ b; }
PTX_LOGIC(pred, uint8_t) PTX_LOGIC(b16, uint16_t) PTX_LOGIC(b32, uint32_t) PTX_LOGIC(b64, uint64_t)

/* Shifts by more than the width are by the width. */
#define PTX_SHIFTS(bits, U, S)                                                                                         \
    PTX U ptx_not_b##bits(U a) { return (U)~a; }                                                                       \
    PTX U ptx_shl_b##bits(U a, uint32_t n) { return n >= bits ? 0 : (U)(a << n); }                                     \
    PTX U ptx_shr_u##bits(U a, uint32_t n) { return n >= bits ? 0 : (U)(a >> n); }                                     \
    PTX U ptx_shr_b##bits(U a, uint32_t n) { return ptx_shr_u##bits(a, n); }                                           \
    PTX U ptx_shr_s##bits(U a, uint32_t n) { return (U)((S)a >> (n >= bits ? bits - 1 : n)); }
PTX_SHIFTS(16, uint16_t, int16_t) PTX_SHIFTS(32, uint32_t, int32_t) PTX_SHIFTS(64, uint64_t, int64_t)

/* The low `length` bits of a, put into b at `at`. */
PTX uint64_t ptx_bfi_b64(uint64_t a, uint64_t b, uint32_t at, uint32_t length) {
    at &= 255, length &= 255;
    uint64_t mask = (length > 63 ? ~0ull : (1ull << length) - 1);
    return at > 63 ? b : (b & ~(mask << at)) | (a & mask) << at;
}
PTX uint32_t ptx_bfi_b32(uint32_t a, uint32_t b, uint32_t at, uint32_t length) {
    return (at & 255) > 31 ? b : (uint32_t)ptx_bfi_b64(a, b, at, length);
}
/* Four bytes of b:a, chosen by four nibbles; a nibble's high bit: the byte's sign, eight times. */
PTX uint32_t ptx_prmt_b32(uint32_t a, uint32_t b, uint32_t choice) {
    uint64_t both = (uint64_t)b << 32 | a;
    uint32_t out = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t nibble = choice >> 4 * i & 15, byte = (uint32_t)(both >> 8 * (nibble & 7)) & 255;
        if (nibble & 8) byte = byte & 128 ? 255 : 0;
        out |= byte << 8 * i;
    }
    return out;
}

/* === Integers ==================================================================================================== */

#define PTX_INTEGER(type, U, T)                                                                                        \
    PTX U ptx_add_##type(U a, U b) { return (U)(a + b); }                                                              \
    PTX U ptx_sub_##type(U a, U b) { return (U)(a - b); }                                                              \
    PTX U ptx_mul_lo_##type(U a, U b) { return (U)((uint64_t)a * b); }                                                 \
    PTX U ptx_mad_lo_##type(U a, U b, U c) { return (U)((uint64_t)a * b + c); }                                        \
    PTX U ptx_min_##type(U a, U b) { return (T)b < (T)a ? b : a; }                                                     \
    PTX U ptx_max_##type(U a, U b) { return (T)b > (T)a ? b : a; }                                                     \
    PTX uint8_t ptx_setp_eq_##type(U a, U b) { return a == b; }                                                        \
    PTX uint8_t ptx_setp_ne_##type(U a, U b) { return a != b; }                                                        \
    PTX uint8_t ptx_setp_lt_##type(U a, U b) { return (T)a < (T)b; }                                                   \
    PTX uint8_t ptx_setp_le_##type(U a, U b) { return (T)a <= (T)b; }                                                  \
    PTX uint8_t ptx_setp_gt_##type(U a, U b) { return (T)a > (T)b; }                                                   \
    PTX uint8_t ptx_setp_ge_##type(U a, U b) { return (T)a >= (T)b; }
PTX_INTEGER(s16, uint16_t, int16_t) PTX_INTEGER(u16, uint16_t, uint16_t)
PTX_INTEGER(s32, uint32_t, int32_t) PTX_INTEGER(u32, uint32_t, uint32_t)
PTX_INTEGER(s64, uint64_t, int64_t) PTX_INTEGER(u64, uint64_t, uint64_t)
#define PTX_SIGNED(bits, U, S)                                                                                         \
    PTX U ptx_div_u##bits(U a, U b) { return b ? a / b : (U)~(U)0; }                                                   \
    PTX U ptx_rem_u##bits(U a, U b) { return b ? a % b : a; }                                                          \
    PTX U ptx_div_s##bits(U a, U b) { return !b ? (U)~(U)0 : (S)b == -1 ? (U)(0 - a) : (U)((S)a / (S)b); }             \
    PTX U ptx_rem_s##bits(U a, U b) { return !b ? a : (S)b == -1 ? 0 : (U)((S)a % (S)b); }                             \
    PTX U ptx_neg_s##bits(U a) { return (U)(0 - a); }                                                                  \
    PTX U ptx_abs_s##bits(U a) { return (S)a < 0 ? (U)(0 - a) : a; }                                                   \
    PTX uint8_t ptx_setp_eq_b##bits(U a, U b) { return a == b; }                                                       \
    PTX uint8_t ptx_setp_ne_b##bits(U a, U b) { return a != b; }
PTX_SIGNED(16, uint16_t, int16_t) PTX_SIGNED(32, uint32_t, int32_t) PTX_SIGNED(64, uint64_t, int64_t)
PTX uint64_t ptx_mul_wide_s32(uint32_t a, uint32_t b) { return (uint64_t)((int64_t)(int32_t)a * (int32_t)b); }
PTX uint64_t ptx_mul_wide_u32(uint32_t a, uint32_t b) { return (uint64_t)a * b; }
PTX uint32_t ptx_mul_wide_s16(uint16_t a, uint16_t b) { return (uint32_t)((int32_t)(int16_t)a * (int16_t)b); }
PTX uint32_t ptx_mul_wide_u16(uint16_t a, uint16_t b) { return (uint32_t)a * b; }
PTX uint32_t ptx_mul_hi_s32(uint32_t a, uint32_t b) { return (uint32_t)(ptx_mul_wide_s32(a, b) >> 32); }
PTX uint32_t ptx_mul_hi_u32(uint32_t a, uint32_t b) { return (uint32_t)(ptx_mul_wide_u32(a, b) >> 32); }
PTX uint64_t ptx_mad_wide_s32(uint32_t a, uint32_t b, uint64_t c) { return ptx_mul_wide_s32(a, b) + c; }
PTX uint64_t ptx_mad_wide_u32(uint32_t a, uint32_t b, uint64_t c) { return ptx_mul_wide_u32(a, b) + c; }

/* === Floats: subnormal numbers stay, but for ftz; nothing is fused that is not written ============================ */

#define PTX_FLOAT(type, U, F, fma_, sqrt_, fabs_, copysign_)                                                           \
    PTX U ptx_add_rn_##type(U a, U b) { return ptx_of_##type(ptx_##type(a) + ptx_##type(b)); }                         \
    PTX U ptx_sub_rn_##type(U a, U b) { return ptx_of_##type(ptx_##type(a) - ptx_##type(b)); }                         \
    PTX U ptx_mul_rn_##type(U a, U b) { return ptx_of_##type(ptx_##type(a) * ptx_##type(b)); }                         \
    PTX U ptx_div_rn_##type(U a, U b) { return ptx_of_##type(ptx_##type(a) / ptx_##type(b)); }                         \
    PTX U ptx_rcp_rn_##type(U a) { return ptx_of_##type(1 / ptx_##type(a)); }                                          \
    PTX U ptx_sqrt_rn_##type(U a) { return ptx_of_##type(sqrt_(ptx_##type(a))); }                                      \
    PTX U ptx_fma_rn_##type(U a, U b, U c) { return ptx_of_##type(fma_(ptx_##type(a), ptx_##type(b), ptx_##type(c))); } \
    PTX U ptx_neg_##type(U a) { return a ^ (U)1 << (8 * sizeof(U) - 1); }                                              \
    PTX U ptx_abs_##type(U a) { return a & ~((U)1 << (8 * sizeof(U) - 1)); }                                           \
    PTX U ptx_copysign_##type(U sign, U a) { return ptx_abs_##type(a) | (sign & (U)1 << (8 * sizeof(U) - 1)); }        \
    PTX uint8_t ptx_setp_nan_##type(U a, U b) { return isunordered(ptx_##type(a), ptx_##type(b)); }                    \
    PTX uint8_t ptx_setp_num_##type(U a, U b) { return !isunordered(ptx_##type(a), ptx_##type(b)); }                   \
    /* A number rather than NaN; -0 below +0 */                                                                        \
    PTX U ptx_min_##type(U a, U b) {                                                                                   \
        F x = ptx_##type(a), y = ptx_##type(b);                                                                        \
        return x != x ? ptx_of_##type(y) : y != y || x < y ? a : y < x ? b : a | b;                                    \
    }                                                                                                                  \
    PTX U ptx_max_##type(U a, U b) {                                                                                   \
        F x = ptx_##type(a), y = ptx_##type(b);                                                                        \
        return x != x ? ptx_of_##type(y) : y != y || x > y ? a : y > x ? b : a & b;                                    \
    }
PTX_FLOAT(f32, uint32_t, float, fmaf, sqrtf, fabsf, copysignf)
PTX_FLOAT(f64, uint64_t, double, fma, sqrt, fabs, copysign)
/* eq: both are numbers, and equal; equ: or one is not a number. */
#define PTX_COMPARE(name, op, type, U)                                                                                 \
    PTX uint8_t ptx_setp_##name##_##type(U a, U b) { return ptx_setp_num_##type(a, b) && ptx_##type(a) op ptx_##type(b); } \
    PTX uint8_t ptx_setp_##name##u_##type(U a, U b) { return ptx_setp_nan_##type(a, b) || ptx_##type(a) op ptx_##type(b); }
#define PTX_COMPARES(type, U)                                                                                          \
    PTX_COMPARE(eq, ==, type, U) PTX_COMPARE(ne, !=, type, U) PTX_COMPARE(lt, <, type, U)                              \
    PTX_COMPARE(le, <=, type, U) PTX_COMPARE(gt, >, type, U) PTX_COMPARE(ge, >=, type, U)
PTX_COMPARES(f32, uint32_t) PTX_COMPARES(f64, uint64_t)
PTX uint32_t ptx_fma_rm_f32(uint32_t a, uint32_t b, uint32_t c) { return ptx_of_f32(ptx_fma_down(ptx_f32(a), ptx_f32(b), ptx_f32(c))); }
PTX float ptx_flushed(float f) { return fabsf(f) < 0x1p-126f ? copysignf(0, f) : f; }
/* Within the error that is allowed, not always the nearest: 2^-22 of the value for ex2, the other neighbour for rcp. */
PTX uint32_t ptx_near(float nearest, double exact, int both_ways) {
    uint32_t u = ptx_of_f32(nearest), chance = u * 2654435769u >> 30;
    if (!isfinite(nearest) || fabs(exact) < 0x1p-125 || (double)nearest == exact || chance > 1) return u;
    int up = both_ways ? chance == 1 : fabs(exact) > fabs((double)nearest);
    return up ? u + 1 : u - 1;
}
PTX uint32_t ptx_ex2_approx_ftz_f32(uint32_t a) {
    double exact = exp2((double)ptx_flushed(ptx_f32(a)));
    return ptx_near(ptx_flushed((float)exact), exact, 1);
}
PTX uint32_t ptx_rcp_approx_ftz_f32(uint32_t a) {
    float x = ptx_flushed(ptx_f32(a));
    return ptx_near(ptx_flushed(1 / x), 1 / (double)x, 0);
}

/* === Conversions ================================================================================================= */

#define PTX_WIDEN(to, U, from, V, T)                                                                                   \
    PTX U ptx_cvt_##to##_##from(V a) { return (U)(T)a; }
#define PTX_WIDEN_TO(to, U)                                                                                            \
    PTX_WIDEN(to, U, s8, uint16_t, int8_t) PTX_WIDEN(to, U, u8, uint16_t, uint8_t) PTX_WIDEN(to, U, s16, uint16_t, int16_t) \
    PTX_WIDEN(to, U, u16, uint16_t, uint16_t) PTX_WIDEN(to, U, s32, uint32_t, int32_t) PTX_WIDEN(to, U, u32, uint32_t, uint32_t) \
    PTX_WIDEN(to, U, s64, uint64_t, int64_t) PTX_WIDEN(to, U, u64, uint64_t, uint64_t)
PTX_WIDEN_TO(s16, uint16_t) PTX_WIDEN_TO(u16, uint16_t) PTX_WIDEN_TO(s32, uint32_t) PTX_WIDEN_TO(u32, uint32_t)
PTX_WIDEN_TO(s64, uint64_t) PTX_WIDEN_TO(u64, uint64_t)
#define PTX_FROM_INTEGER(type, U, F)                                                                                   \
    PTX U ptx_cvt_rn_##type##_s32(uint32_t a) { return ptx_of_##type((F)(int32_t)a); }                                 \
    PTX U ptx_cvt_rn_##type##_u32(uint32_t a) { return ptx_of_##type((F)a); }                                          \
    PTX U ptx_cvt_rn_##type##_s64(uint64_t a) { return ptx_of_##type((F)(int64_t)a); }                                 \
    PTX U ptx_cvt_rn_##type##_u64(uint64_t a) { return ptx_of_##type((F)a); }
PTX_FROM_INTEGER(f32, uint32_t, float) PTX_FROM_INTEGER(f64, uint64_t, double)
/* Towards zero, at most to the ends of the type's range; NaN: 0, but the high bit alone where 64 bits take part. */
#define PTX_TO_INTEGER(to, U, lowest, highest, from, V)                                                                \
    PTX U ptx_cvt_rzi_##to##_##from(V a) {                                                                             \
        double x = (double)ptx_##from(a);                                                                              \
        if (x != x) return sizeof(U) + sizeof(V) > 8 ? (U)1 << (8 * sizeof(U) - 1) : 0;                                \
        return x <= (double)lowest ? (U)lowest : x >= (double)highest ? (U)highest : x < 0 ? (U)(int64_t)x : (U)x;     \
    }
#define PTX_TO_INTEGERS(from, V)                                                                                       \
    PTX_TO_INTEGER(s32, uint32_t, INT32_MIN, INT32_MAX, from, V) PTX_TO_INTEGER(u32, uint32_t, 0, UINT32_MAX, from, V) \
    PTX_TO_INTEGER(s64, uint64_t, INT64_MIN, INT64_MAX, from, V) PTX_TO_INTEGER(u64, uint64_t, 0, UINT64_MAX, from, V)
PTX_TO_INTEGERS(f32, uint32_t) PTX_TO_INTEGERS(f64, uint64_t)
PTX uint64_t ptx_cvt_f64_f32(uint32_t a) { return ptx_of_f64((double)ptx_f32(a)); }
PTX uint32_t ptx_cvt_rn_f32_f64(uint64_t a) { return ptx_of_f32((float)ptx_f64(a)); }
PTX uint32_t ptx_cvt_f32_bf16(uint16_t a) { return ptx_of_f32(ptx_f32((uint32_t)a << 16)); }
PTX uint16_t ptx_cvt_rn_bf16_f32(uint32_t a) { /* ties to even; NaN: the one that there is */
    if (ptx_setp_nan_f32(a, a)) return 0x7fff;
    uint32_t up = (a & 0xffff) > 0x8000 || ((a & 0xffff) == 0x8000 && a >> 16 & 1);
    return (uint16_t)((a >> 16) + up);
}
PTX uint32_t ptx_cvt_f32_f16(uint16_t a) {
    const int exponent = a >> 10 & 31, fraction = a & 1023;
    float f = exponent == 31 ? fraction ? NAN : INFINITY : exponent ? ldexpf((float)(1024 + fraction), exponent - 25) : ldexpf((float)fraction, -24);
    return ptx_of_f32(a >> 15 ? -f : f);
}
PTX uint32_t ptx_cvt_sat_f32_f32(uint32_t a) { return ptx_f32(a) > 0 ? ptx_f32(a) < 1 ? a : 0x3f800000u : 0; } /* NaN: +0 */
PTX uint64_t ptx_cvt_rpi_f64_f64(uint64_t a) { return ptx_of_f64(ceil(ptx_f64(a))); }

/* === Memory ====================================================================================================== */

PTX uint64_t ptx_cvta_to_global_u64(uint64_t a) { return a; }
PTX uint64_t ptx_cvta_to_local_u64(uint64_t a) { return a; }
PTX uint64_t ptx_cvta_local_u64(uint64_t a) { return a; }
PTX uint64_t ptx_cvta_param_u64(uint64_t a) { return a; }
PTX uint64_t ptx_cvta_global_u64(uint64_t a) { return a; }

#define PTX_GET(type, T)                                                                                               \
    PTX uint64_t ptx_get_##type(const unsigned char *at) { T v; memcpy(&v, at, sizeof v); return (uint64_t)v; }
PTX_GET(u8, uint8_t) PTX_GET(s8, int8_t) PTX_GET(b8, uint8_t) PTX_GET(u16, uint16_t) PTX_GET(s16, int16_t) PTX_GET(b16, uint16_t)
PTX_GET(u32, uint32_t) PTX_GET(s32, int32_t) PTX_GET(b32, uint32_t) PTX_GET(f32, uint32_t)
PTX_GET(u64, uint64_t) PTX_GET(s64, uint64_t) PTX_GET(b64, uint64_t) PTX_GET(f64, uint64_t)
PTX void ptx_put_8(unsigned char *at, uint8_t v) { *at = v; }
PTX void ptx_put_16(unsigned char *at, uint16_t v) { memcpy(at, &v, sizeof v); }
PTX void ptx_put_32(unsigned char *at, uint32_t v) { memcpy(at, &v, sizeof v); }
PTX void ptx_put_64(unsigned char *at, uint64_t v) { memcpy(at, &v, sizeof v); }
#define PTX_ATOM(name, type, bits, expression)                                                                         \
    PTX uint##bits##_t ptx_atom_##name##_##type(unsigned char *at, uint##bits##_t b) {                                 \
        uint##bits##_t a = (uint##bits##_t)ptx_get_u##bits(at);                                                        \
        ptx_put_##bits(at, expression);                                                                                \
        return a;                                                                                                      \
    }
PTX_ATOM(add, u32, 32, a + b) PTX_ATOM(add, u64, 64, a + b) PTX_ATOM(or, b32, 32, a | b)
PTX_ATOM(max, s32, 32, ptx_max_s32(a, b)) PTX_ATOM(min, s32, 32, ptx_min_s32(a, b))

/* A line of a cache may be asked for where there is memory, and nowhere else; L2 is never behind what was written. */
PTX uint64_t ptx_createpolicy_fractional_L2_evict_first_b64(uint64_t share) { return share; } /* there is no L2 here */
PTX void ptx_prefetch_global_L2(uint64_t address) { (void)*(const volatile unsigned char *)(uintptr_t)address; }

/* === Threads ===================================================================================================== */

PTX void ptx_griddepcontrol_launch_dependents(void) {}
enum { PTX_UP, PTX_DOWN, PTX_BFLY, PTX_IDX };
#define PTX_SHUFFLE(name, kind)                                                                                        \
    PTX uint32_t ptx_shfl_sync_##name##_b32(uint32_t a, uint32_t b, uint32_t c, uint32_t members, uint8_t *p) {        \
        return ptx_shuffle(kind, a, b, c, members, p);                                                                 \
    }
PTX_SHUFFLE(up, PTX_UP) PTX_SHUFFLE(down, PTX_DOWN) PTX_SHUFFLE(bfly, PTX_BFLY) PTX_SHUFFLE(idx, PTX_IDX)

#endif
