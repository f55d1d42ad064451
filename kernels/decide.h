/* decide.h -- the decision path: from a row of logits to one id, the same bits on every machine.
 *
 * One header for C and CUDA.  Only explicit fma, integer arithmetic, maxima and fixed-point sums: no libm, nothing whose
 * order matters, nothing whose value contraction could change (a product that is added to is an fma, or exact).  So the
 * same logits and the same key give the same token whatever the batch, thread, instruction set, compiler or device.
 *
 *   det_exp, det_log   explicit polynomials in double, below 1 ulp
 *   mass               round(exp(x) * 2^43), x = (l - max) / T <= 0: unsigned 64-bit sums, any order, same bits
 *   gumbel             -log(-log u), u from 64 random bits: -3.81 .. 45.1, never infinite
 *   draw               argmax over the survivors of x_i + gumbel_i, in double, ties to the lowest id (Gumbel 1954's max
 *                      trick: distributed as softmax(l / T))
 *
 * Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
 * keyed by draw_key and counted by position, token id, purpose, step: never by row, thread or batch.  Common noise: two
 * settings or two evals differ only where setting or model differ.
 * Called by sampling/samplers and by the CUDA head; decide.c has the functions over whole rows for the CPU. */
#ifndef GLIMPSE_KERNELS_DECIDE_H
#define GLIMPSE_KERNELS_DECIDE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__CUDACC__)
#define GLIMPSE_HD __host__ __device__
#else
#define GLIMPSE_HD
#endif

typedef struct draw_key {
    uint64_t key;          /* draw_key_make(seed, prompt bytes, sample) */
    uint32_t step;         /* 0, or the training step with --seed_each_step */
} draw_key;

enum { PURPOSE_DRAW = 0, PURPOSE_XTC = 1, PURPOSE_USER = 16 }; /* below 2^31 */

/* === exp and log ================================================================================================= */

static inline GLIMPSE_HD uint64_t det_bits(double x) {
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static inline GLIMPSE_HD double det_from_bits(uint64_t b) {
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

#define DET_LOG2E 0x1.71547652b82fep+0
#define DET_LN2_HI 0x1.62e42feep-1           /* 32 bits, so n * hi is exact for |n| < 2^20 */
#define DET_LN2_LO 0x1.a39ef35793c76p-33
#define DET_ROUND 0x1.8p52                   /* adding and subtracting it rounds to an integer */

/* exp(x) of every double: exp(-inf) = 0, exp(inf) = inf, NaN stays; denormal results rounded once or twice.
 * n = round(x / ln 2), r = x - n ln 2, |r| <= 0.347; Taylor to r^13 leaves 4e-18 (a division-free Horner chain). */
static inline GLIMPSE_HD double det_exp(double x) {
    if (!(x > -746.0)) return x != x ? x : 0.0;
    if (x > 710.0) return (double)INFINITY;
    double shifted = fma(x, DET_LOG2E, DET_ROUND);
    double n = shifted - DET_ROUND;
    double r = fma(n, -DET_LN2_LO, fma(n, -DET_LN2_HI, x));
    double p = 1.0 / 6227020800.0;
    p = fma(p, r, 1.0 / 479001600.0);
    p = fma(p, r, 1.0 / 39916800.0);
    p = fma(p, r, 1.0 / 3628800.0);
    p = fma(p, r, 1.0 / 362880.0);
    p = fma(p, r, 1.0 / 40320.0);
    p = fma(p, r, 1.0 / 5040.0);
    p = fma(p, r, 1.0 / 720.0);
    p = fma(p, r, 1.0 / 120.0);
    p = fma(p, r, 1.0 / 24.0);
    p = fma(p, r, 1.0 / 6.0);
    p = fma(p, r, 0.5);
    p = fma(p, r, 1.0);
    p = fma(p, r, 1.0);
    int32_t e = (int32_t)n, half = e / 2; /* in two steps: 2^e alone may not be a normal double */
    return p * det_from_bits((uint64_t)(1023 + half) << 52) * det_from_bits((uint64_t)(1023 + e - half) << 52);
}

/* log(1 + f) + k ln 2, for sqrt(1/2) - 1 <= f <= sqrt(2) - 1: fdlibm's e_log.c (Sun Microsystems, 1993), its polynomial
 * in z = (f / (2 + f))^2 whose error is below 2^-58. */
static inline GLIMPSE_HD double det_log_core(double f, double k) {
    double s = f / (2.0 + f), z = s * s, half = 0.5 * f;
    double r = 0x1.2f112df3e5244p-3;
    r = fma(r, z, 0x1.39a09d078c69fp-3);
    r = fma(r, z, 0x1.7466496cb03dep-3);
    r = fma(r, z, 0x1.c71c51d8e78afp-3);
    r = fma(r, z, 0x1.2492494229359p-2);
    r = fma(r, z, 0x1.999999997fa04p-2);
    r = fma(r, z, 0x1.5555555555593p-1);
    double low = fma(s, fma(half, f, r * z), k * DET_LN2_LO);
    return fma(k, DET_LN2_HI, f - fma(half, f, -low)); /* f - (f^2 / 2 - low) */
}

/* log(x) of every double: log(0) = -inf, log(x < 0) = NaN, inf and NaN stay. */
static inline GLIMPSE_HD double det_log(double x) {
    if (x != x || x < 0.0) return (double)NAN;
    if (x == 0.0) return -(double)INFINITY;
    if (x > 1.7976931348623157e308) return x;
    int32_t k = 0;
    if (x < 2.2250738585072014e-308) {
        x = x * 18014398509481984.0; /* 2^54 */
        k = -54;
    }
    uint64_t b = det_bits(x);
    k += (int32_t)(b >> 52) - 1023;
    b = (b & 0xfffffffffffffull) | 0x3ff0000000000000ull;
    if (b >= 0x3ff6a09e667f3bcdull) { /* sqrt 2 */
        b -= (uint64_t)1 << 52;
        k++;
    }
    return det_log_core(det_from_bits(b) - 1.0, (double)k);
}

/* -log(1 - p) for 0 < p <= 0.5, within 2.5 ulp, also where p is small. */
static inline GLIMPSE_HD double det_neg_log1m(double p) {
    return p < 0.29 ? -det_log_core(-p, 0.0) : -det_log(1.0 - p);
}

/* === Mass ======================================================================================================== */

enum { MASS_BITS = 43, MASS_MAX_VOCAB = 1 << 20 }; /* 2^20 masses of at most 2^43 leave a bit of 64 free */

/* exp(x) in units of 2^-43, x <= 0; 0 below -31 (what is left rounds to 0 there) and for NaN. */
static inline GLIMPSE_HD uint64_t det_mass(double x) {
    if (!(x >= -31.0)) return 0;
    return det_bits(fma(det_exp(x), 0x1p43, 0x1p52)) - det_bits(0x1p52);
}

/* What is exponentiated for a logit: the one definition of l / T on the decision path.  inv_t = 1.0 / T. */
static inline GLIMPSE_HD double det_scaled(float l, float max, double inv_t) {
    return ((double)l - (double)max) * inv_t;
}

/* === Random numbers ============================================================================================== */

typedef struct philox_block { uint32_t w[4]; } philox_block;

static inline GLIMPSE_HD philox_block philox4x32(philox_block c, uint32_t k0, uint32_t k1) {
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c.w[0], p1 = (uint64_t)0xCD9E8D57u * c.w[2];
        c.w[0] = (uint32_t)(p1 >> 32) ^ c.w[1] ^ k0;
        c.w[1] = (uint32_t)p1;
        c.w[2] = (uint32_t)(p0 >> 32) ^ c.w[3] ^ k1;
        c.w[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

/* Stafford's mix 13, the finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection, every output bit depends
 * on every input bit. */
static inline GLIMPSE_HD uint64_t draw_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* The key of one sequence: h = mix(h + golden + word) over seed, the prompt in words of 8 bytes (little-endian, the last
 * one filled with zeros), its length in bytes, and the sample's index. */
static inline uint64_t draw_key_make(uint64_t seed, const void *prompt, size_t bytes, uint32_t sample) {
    const uint64_t golden = 0x9e3779b97f4a7c15ull;
    const unsigned char *p = (const unsigned char *)prompt;
    uint64_t h = draw_mix(seed + golden);
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = 0;
        for (size_t j = 0; j < 8 && i + j < bytes; j++) word |= (uint64_t)p[i + j] << (8 * j);
        h = draw_mix((h ^ (h << 1)) + golden + word);
    }
    h = draw_mix((h ^ (h << 1)) + golden + (uint64_t)bytes);
    return draw_mix((h ^ (h << 1)) + golden + sample);
}

/* The 64 random bits of a token id come in two parts, so that a row can be searched with an eighth of a Philox block a
 * token: 16 high bits from a block shared by 8 ids, which bound the noise from above, and 48 low bits from a block of its
 * own, looked at only where that bound could win.
 *   high: counter (position, id / 128 * 16 + id % 16, purpose, step), 16-bit piece id / 16 % 8, low half of a word first
 *   low:  counter (position, id, purpose + 2^31, step), words 0 and 1 */
static inline GLIMPSE_HD uint32_t draw_high(draw_key key, uint32_t position, uint32_t id, uint32_t purpose) {
    philox_block c = {{position, (id >> 7 << 4) | (id & 15), purpose, key.step}};
    uint32_t piece = (id >> 4) & 7;
    c = philox4x32(c, (uint32_t)key.key, (uint32_t)(key.key >> 32));
    return (c.w[piece >> 1] >> (16 * (piece & 1))) & 0xffff;
}

static inline GLIMPSE_HD uint64_t draw_join(uint32_t high, draw_key key, uint32_t position, uint32_t id,
                                            uint32_t purpose) {
    philox_block c = {{position, id, purpose | 0x80000000u, key.step}};
    c = philox4x32(c, (uint32_t)key.key, (uint32_t)(key.key >> 32));
    return (uint64_t)high << 48 | (uint64_t)(c.w[1] & 0xffff) << 32 | c.w[0];
}

static inline GLIMPSE_HD uint64_t draw_bits(draw_key key, uint32_t position, uint32_t id, uint32_t purpose) {
    return draw_join(draw_high(key, position, id, purpose), key, position, id, purpose);
}

/* -log(-log u), u = (bits + 1/2) / 2^64; near u = 1, where the winners are, 1 - u keeps its full precision. */
static inline GLIMPSE_HD double gumbel_of_bits(uint64_t bits) {
    double e = bits >> 63 ? det_neg_log1m(((double)~bits + 0.5) * 0x1p-64) : -det_log(((double)bits + 0.5) * 0x1p-64);
    return -det_log(e);
}

/* At least the gumbel of any bits whose 16 high ones are `high`: u < (high + 1) / 2^16, so it is below -log(1 - u) with
 * 1 - u >= (65535 - high) / 2^16; and log2 w lies above its chord, bits(w) / 2^23 - 127.  0 gives 99, above any noise. */
static inline GLIMPSE_HD double gumbel_bound(uint32_t high) {
    float w = (float)(65535 - (int32_t)high);
    uint32_t b;
    memcpy(&b, &w, sizeof b);
    return fma((double)b, -0x1.62e42fefa39efp-24, 99.1210465); /* 143 ln 2 and a thousandth to spare */
}

static inline GLIMPSE_HD double gumbel(draw_key key, uint32_t position, uint32_t id, uint32_t purpose) {
    return gumbel_of_bits(draw_bits(key, position, id, purpose));
}

/* A number in (0, 1) for what needs one coin a position (XTC): the mean of 2^53 equal cells, never 0 or 1. */
static inline GLIMPSE_HD double draw_uniform(draw_key key, uint32_t position, uint32_t purpose) {
    return ((double)(draw_bits(key, position, 0, purpose) >> 12) + 0.5) * 0x1p-52;
}

/* The score whose argmax is drawn: det_scaled + noise, in one rounding. */
static inline GLIMPSE_HD double draw_score_of(float l, float max, double inv_t, double noise) {
    return fma((double)l - (double)max, inv_t, noise);
}

static inline GLIMPSE_HD double draw_score(float l, float max, double inv_t, draw_key key, uint32_t position, uint32_t id) {
    return draw_score_of(l, max, inv_t, gumbel(key, position, id, PURPOSE_DRAW));
}

/* === Over whole rows, on the CPU (decide.c) ====================================================================== */

/* Sums over one row for the record; not on the decision path, and the same bits on AVX2 and without. */
typedef struct row_sums {
    float max;         /* over what is not -inf; -inf: there is nothing else */
    int32_t n_finite;  /* logits above -inf */
    int32_t ok;        /* 0: a NaN or +inf somewhere; the other fields are then meaningless */
    double s, t;       /* sum e^d, sum d e^d, d = l - max; relative error below 1e-6 */
    double s_temp;     /* sum e^(d / T); = s where inv_t is 1 */
} row_sums;

/* 2^f = 1 + f (EXP2_1 + f (...)), |f| <= 1/2, for the sums below. */
#define EXP2_1 0.693147004f
#define EXP2_2 0.240222424f
#define EXP2_3 0.0555073358f
#define EXP2_4 0.00967151672f
#define EXP2_5 0.00132647366f

enum { ROW_BLOCK = 256 };
#define ROW_MAXIMA(n) (((size_t)(n) + ROW_BLOCK - 1) / ROW_BLOCK * 16)

typedef struct row_ops {
    const char *isa;   /* "avx512", "avx2", "generic": the same results, bit for bit */
    /* One read of the row.  maxima (ROW_MAXIMA(n)): of the 16 elements of block b with index % 16 = j, at [16 b + j];
     * NULL = not wanted. */
    void (*sums)(const float *l, int32_t n, double inv_t, float *maxima, row_sums *out);
    /* draw over a dense row: the id with the largest draw_score, -1 if all are -inf.  hint: an id likely to score high
     * (the argmax), or -1: changes the time, never the result.  Same result as scoring each id in turn. */
    int32_t (*draw)(const float *l, int32_t n, float max, double inv_t, draw_key key, uint32_t position, int32_t hint);
    /* draw over some ids of a row: l[i] is id[i]'s.  max: the largest of l.  As if each were scored in turn. */
    int32_t (*draw_some)(const float *l, const int32_t *id, int32_t n, float max, double inv_t, draw_key key,
                         uint32_t position);
    /* det_mass of each logit into out (n) unless it is NULL; returns their sum. */
    uint64_t (*mass)(const float *l, int32_t n, float max, double inv_t, uint64_t *out);
    /* Logits ranked above `id`: larger, or equal with a smaller id.  *sum: of e^(l - max) over them. */
    int32_t (*above)(const float *l, int32_t n, int32_t id, float max, double *sum);
    /* Indices and values of the logits >= limit (never -inf), by rising index; returns how many.  Room for n. */
    int32_t (*gather)(const float *l, int32_t n, float limit, const float *maxima, int32_t *index, float *value);
} row_ops;

/* The functions for an instruction set; NULL = the best that runs here.  NULL if `isa` does not run here. */
const row_ops *row_ops_for(const char *isa);

#endif
