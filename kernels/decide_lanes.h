/* decide_lanes.h -- the functions of row_ops, written once over vectors of 8 floats and 4 doubles.
 *
 * decide.c includes this file once for each instruction set, with these macros defined:
 *   LANES(name)            the name with the set's suffix          TARGET          the function attribute
 *   FMAF FMAD              fma of 8 floats, 4 doubles              MAXF(x, m)      x > m ? x : m, m if x is NaN
 *   MUL32(a, b)            low halves of 64-bit lanes, product     MASK_NLT MASK_GE MASK_GT(a, b)   8 bits, one a lane
 * A sum always has the same 16 lanes (element i in lane i % 16 of its block, two vectors) and the same tree, so sets
 * agree bit for bit.  No a * b + c is written: FMA stands where it is meant. */

/* e^(d / T) for d <= 0, u = log2(e) / T, relative error 5e-7 where it is above 1e-11: 2^n 2^f, |f| <= 1/2, 2^f by the
 * polynomial of degree 5 with the least relative error that is exactly 1 at 0.  *d is first raised to `least` = -86 T, where
 * e^-86 is too small for any sum here to notice. */
static inline __attribute__((always_inline)) TARGET vf LANES(exp_f)(vf *d, const vf *u, const vf *least) {
    vf x = MAXF(*d, *least);
    vf shifted = FMAF(x, *u, (vf){} + 12582912.0f);
    vf n = shifted - 12582912.0f;
    vf f = FMAF(x, *u, -n);
    vf p = (vf){} + EXP2_5;
    p = FMAF(p, f, (vf){} + EXP2_4);
    p = FMAF(p, f, (vf){} + EXP2_3);
    p = FMAF(p, f, (vf){} + EXP2_2);
    p = FMAF(p, f, (vf){} + EXP2_1);
    p = FMAF(p, f, (vf){} + 1.0f);
    *d = x;
    return (vf)((vu32)p + ((vu32)shifted << 23)); /* the low bits of `shifted` are n */
}

/* Add 16 float lanes to 16 doubles. */
static inline __attribute__((always_inline)) TARGET void LANES(fold)(vd acc[4], const vf *a, const vf *b) {
    vf4 h[4];
    memcpy(h, a, sizeof *a);
    memcpy(h + 2, b, sizeof *b);
    acc[0] += __builtin_convertvector(h[0], vd);
    acc[1] += __builtin_convertvector(h[1], vd);
    acc[2] += __builtin_convertvector(h[2], vd);
    acc[3] += __builtin_convertvector(h[3], vd);
}

static inline __attribute__((always_inline)) TARGET double LANES(total)(const vd acc[4]) {
    vd a = (acc[0] + acc[2]) + (acc[1] + acc[3]);
    return (a[0] + a[2]) + (a[1] + a[3]);
}

/* What the sum over a block found to be not finite: count what is -inf, note what is not below +inf. */
static __attribute__((noinline)) TARGET void LANES(odd)(const float *p, int32_t *good, int32_t *none) {
    for (int i = 0; i < ROW_BLOCK; i++) {
        *good &= p[i] <= FLT_MAX;
        *none += p[i] == -INFINITY;
    }
}

static TARGET void LANES(sums)(const float *l, int32_t n, double inv_t, float *maxima, row_sums *out) {
    const vf u = (vf){} + 1.44269504f, floor1 = (vf){} - 86.0f, warm_u = (vf){} + (float)(DET_LOG2E * inv_t),
             warm_floor = (vf){} + (float)(-86.0 / inv_t), least = (vf){} - INFINITY;
    const int warm = inv_t != 1.0;
    vd s[4] = {{0}}, t[4] = {{0}}, w[4] = {{0}};
    int32_t good = 1, none = 0;
    float max = -INFINITY, tail[ROW_BLOCK];
    int32_t padding = 0;
    for (int32_t at = 0; at < n; at += ROW_BLOCK) {
        const float *p = l + at;
        if (n - at < ROW_BLOCK) {
            padding = ROW_BLOCK - (n - at);
            memcpy(tail, p, (size_t)(n - at) * sizeof *p);
            for (int32_t i = n - at; i < ROW_BLOCK; i++) tail[i] = -INFINITY;
            p = tail;
        }
        vf m0 = least, m1 = least, a0 = {0}, a1 = {0};
        for (int i = 0; i < ROW_BLOCK; i += 16) {
            vf x0, x1;
            memcpy(&x0, p + i, sizeof x0);
            memcpy(&x1, p + i + 8, sizeof x1);
            m0 = MAXF(x0, m0);
            m1 = MAXF(x1, m1);
            a0 += x0;
            a1 += x1;
        }
        a0 = (a0 - a0) + (a1 - a1); /* 0, or NaN where anything was not finite (or the sum overflowed) */
        if (MASK_NLT(a0, (vf){} + 1.0f)) LANES(odd)(p, &good, &none);
        if (maxima) {
            memcpy(maxima, &m0, sizeof m0);
            memcpy(maxima + 8, &m1, sizeof m1);
            maxima += 16;
        }
        m0 = MAXF(m0, m1);
        float top = m0[0];
        for (int j = 1; j < 8; j++) top = m0[j] > top ? m0[j] : top;
        if (top == -INFINITY) continue; /* nothing to add (a NaN is already noted in `good`) */
        if (top > max) {
            if (max > -INFINITY) { /* the same sums against the new maximum: t becomes e^g (t + g s) */
                double g = (double)max - (double)top, e = det_exp(g), et = det_exp(g * inv_t);
                for (int j = 0; j < 4; j++) {
                    t[j] = FMAD((vd){} + g, s[j], t[j]) * e;
                    s[j] *= e;
                    w[j] *= et;
                }
            }
            max = top;
        }
        vf s0 = {0}, s1 = {0}, t0 = {0}, t1 = {0}, w0 = {0}, w1 = {0};
        for (int i = 0; i < ROW_BLOCK; i += 16) {
            vf d0, d1, e0, e1;
            memcpy(&d0, p + i, sizeof d0);
            memcpy(&d1, p + i + 8, sizeof d1);
            d0 -= max;
            d1 -= max;
            if (warm) {
                vf h0 = d0, h1 = d1;
                w0 += LANES(exp_f)(&h0, &warm_u, &warm_floor);
                w1 += LANES(exp_f)(&h1, &warm_u, &warm_floor);
            }
            e0 = LANES(exp_f)(&d0, &u, &floor1);
            e1 = LANES(exp_f)(&d1, &u, &floor1);
            s0 += e0;
            s1 += e1;
            t0 = FMAF(d0, e0, t0);
            t1 = FMAF(d1, e1, t1);
        }
        LANES(fold)(s, &s0, &s1);
        LANES(fold)(t, &t0, &t1);
        if (warm) LANES(fold)(w, &w0, &w1);
    }
    out->ok = good;
    out->max = max;
    out->n_finite = n + padding - none;
    out->s = LANES(total)(s);
    out->t = LANES(total)(t);
    if (!(out->t < -1e-30)) out->t = 0; /* what e^-86 left of -inf */
    out->s_temp = warm ? LANES(total)(w) : out->s;
}

/* Philox over 4 counters (position, c1, purpose, step); words come in the low halves of 64-bit lanes (the high halves
 * hold what MUL32 ignores). */
static inline __attribute__((always_inline)) TARGET void LANES(philox)(vu out[4], uint32_t position, const vu *c1,
                                                                      uint32_t purpose, draw_key key) {
    uint32_t k0 = (uint32_t)key.key, k1 = (uint32_t)(key.key >> 32);
    vu a = (vu){} + position, b = *c1, c = (vu){} + purpose, d = (vu){} + key.step;
    for (int round = 0; round < 10; round++) {
        vu p0 = MUL32(a, (vu){} + 0xD2511F53u), p1 = MUL32(c, (vu){} + 0xCD9E8D57u);
        a = (p1 >> 32) ^ b ^ (uint64_t)k0;
        b = p1;
        c = (p0 >> 32) ^ d ^ (uint64_t)k1;
        d = p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

/* An upper bound of each id's score from the 16 high bits h of its noise.  u < (h + 1) / 2^16, so
 * gumbel <= -log(1 - u) <= -log((65535 - h) / 2^16); and log2 w >= bits(w) / 2^23 - 127, a chord of a concave function
 * (bits(0) = 0 then bounds it by 99, above any noise).  `slack` covers the rounding of all this in float. */
static TARGET int32_t LANES(draw)(const float *l, int32_t n, float max, double inv_t, draw_key key, uint32_t position,
                                  int32_t hint) {
    const float inv = (float)inv_t;
    int32_t best_id = -1;
    double best = -INFINITY;
    float bar = -INFINITY, tail[128];
    if (hint >= 0 && hint < n && l[hint] > -INFINITY) {
        best_id = hint;
        best = draw_score(l[hint], max, inv_t, key, position, (uint32_t)hint);
        bar = (float)best - (1e-3f + 1e-6f * fabsf((float)best));
    }
    for (int32_t at = 0; at < n; at += 128) {
        const float *p = l + at;
        if (n - at < 128) {
            memcpy(tail, p, (size_t)(n - at) * sizeof *p);
            for (int32_t i = n - at; i < 128; i++) tail[i] = -INFINITY;
            p = tail;
        }
        const uint64_t base = (uint64_t)(at >> 7) << 4;
        vu w[4][4]; /* counters base + 0 2 4 6, 1 3 5 7, 8 10 12 14, 9 11 13 15: pairs interleave into 8 lanes */
        for (int j = 0; j < 4; j++) {
            vu counters = (vu){0, 2, 4, 6} + (base + (uint64_t)(j >> 1) * 8 + (uint64_t)(j & 1));
            LANES(philox)(w[j], position, &counters, PURPOSE_DRAW, key);
        }
        for (int piece = 0; piece < 8; piece++) {
            for (int half = 0; half < 2; half++) {
                vu even = w[2 * half][piece >> 1], odd = w[2 * half + 1][piece >> 1];
                vu32 words = (vu32)((even & 0xffffffffull) | (odd << 32));
                vu32 h = piece & 1 ? words >> 16 : words & 0xffff;
                vf rest = __builtin_convertvector((vi)(65535 - h), vf);
                vf lg = __builtin_convertvector((vi)rest, vf);
                vf noise = FMAF(lg, (vf){} - 0x1.62e430p-24f, (vf){} + 99.12105f);
                vf x;
                memcpy(&x, p + piece * 16 + half * 8, sizeof x);
                vf bound = FMAF(x - max, (vf){} + inv, noise);
                unsigned mask = MASK_NLT(bound, (vf){} + bar); /* NaN counts as "could win" */
                for (; mask; mask &= mask - 1) {
                    int32_t id = at + piece * 16 + half * 8 + __builtin_ctz(mask);
                    if (id >= n || !(l[id] > -INFINITY)) continue;
                    double score = draw_score(l[id], max, inv_t, key, position, (uint32_t)id);
                    if (score > best || (score == best && id < best_id) || best_id < 0) {
                        best = score;
                        best_id = id;
                        bar = (float)best - (1e-3f + 1e-6f * fabsf((float)best));
                    }
                }
            }
        }
    }
    return best_id;
}

/* The same bound for ids that stand anywhere: a Philox block for each, 8 at a time. */
static TARGET int32_t LANES(draw_some)(const float *l, const int32_t *id, int32_t n, float max, double inv_t, draw_key key,
                                       uint32_t position) {
    const float inv = (float)inv_t;
    int32_t best_id = -1, first = 0;
    while (first < n - 1 && !(l[first] == max)) first++; /* likely to score high: fewer of the others can win */
    double best = -INFINITY;
    float bar = -INFINITY;
    if (n > 0 && l[first] > -INFINITY) {
        best_id = id[first];
        best = draw_score(l[first], max, inv_t, key, position, (uint32_t)best_id);
        bar = (float)best - (1e-3f + 1e-6f * fabsf((float)best));
    }
    for (int32_t at = 0; at < n; at += 8) {
        float noise[8], x[8];
        int32_t some = n - at < 8 ? n - at : 8;
        uint64_t c1[8] = {0}, w[2][4][4];
        uint32_t piece[8] = {0};
        for (int j = 0; j < some; j++) {
            uint32_t k = (uint32_t)id[at + j];
            c1[j] = (k >> 7 << 4) | (k & 15);
            piece[j] = k >> 4 & 7;
        }
        for (int half = 0; half < 2; half++) {
            vu counters, words[4];
            memcpy(&counters, c1 + 4 * half, sizeof counters);
            LANES(philox)(words, position, &counters, PURPOSE_DRAW, key);
            memcpy(w[half], words, sizeof words);
        }
        for (int j = 0; j < 8; j++) {
            float rest = (float)(65535 - (int32_t)(w[j / 4][piece[j] >> 1][j % 4] >> (16 * (piece[j] & 1)) & 0xffff));
            int32_t bits;
            memcpy(&bits, &rest, sizeof bits);
            noise[j] = (float)bits;
        }
        for (int j = 0; j < 8; j++) x[j] = j < some ? l[at + j] : -INFINITY;
        vf lg, logit;
        memcpy(&lg, noise, sizeof lg);
        memcpy(&logit, x, sizeof logit);
        vf bound = FMAF(lg, (vf){} - 0x1.62e430p-24f, (vf){} + 99.12105f);
        bound = FMAF(logit - max, (vf){} + inv, bound);
        unsigned mask = MASK_NLT(bound, (vf){} + bar);
        for (; mask; mask &= mask - 1) {
            int32_t i = at + __builtin_ctz(mask);
            if (i >= n || !(l[i] > -INFINITY)) continue;
            double score = draw_score(l[i], max, inv_t, key, position, (uint32_t)id[i]);
            if (score > best || (score == best && id[i] < best_id) || best_id < 0) {
                best = score;
                best_id = id[i];
                bar = (float)best - (1e-3f + 1e-6f * fabsf((float)best));
            }
        }
    }
    return best_id;
}

/* det_mass of 4 x, the same operations as the scalar. */
static inline __attribute__((always_inline)) TARGET vu LANES(mass4)(const vd *scaled) {
    vi64 live = *scaled >= -31.0;
    vd x = (vd)((vi64)*scaled & live);
    vd shifted = FMAD(x, (vd){} + DET_LOG2E, (vd){} + DET_ROUND);
    vd n = shifted - DET_ROUND;
    vd r = FMAD(n, (vd){} - DET_LN2_HI, x);
    r = FMAD(n, (vd){} - DET_LN2_LO, r);
    vd p = (vd){} + 1.0 / 6227020800.0;
    p = FMAD(p, r, (vd){} + 1.0 / 479001600.0);
    p = FMAD(p, r, (vd){} + 1.0 / 39916800.0);
    p = FMAD(p, r, (vd){} + 1.0 / 3628800.0);
    p = FMAD(p, r, (vd){} + 1.0 / 362880.0);
    p = FMAD(p, r, (vd){} + 1.0 / 40320.0);
    p = FMAD(p, r, (vd){} + 1.0 / 5040.0);
    p = FMAD(p, r, (vd){} + 1.0 / 720.0);
    p = FMAD(p, r, (vd){} + 1.0 / 120.0);
    p = FMAD(p, r, (vd){} + 1.0 / 24.0);
    p = FMAD(p, r, (vd){} + 1.0 / 6.0);
    p = FMAD(p, r, (vd){} + 0.5);
    p = FMAD(p, r, (vd){} + 1.0);
    p = FMAD(p, r, (vd){} + 1.0);
    vd e = (vd)((vu)p + ((vu)shifted << 52)); /* times 2^n: normal, as x >= -31 */
    vu m = (vu)FMAD(e, (vd){} + 0x1p43, (vd){} + 0x1p52) & 0xfffffffffffffull;
    return m & (vu)live;
}

static TARGET uint64_t LANES(mass)(const float *l, int32_t n, float max, double inv_t, uint64_t *out) {
    vu sum = {0};
    int32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        vf4 x;
        memcpy(&x, l + i, sizeof x);
        vd scaled = (__builtin_convertvector(x, vd) - (double)max) * inv_t;
        vu m = LANES(mass4)(&scaled);
        sum += m;
        if (out) memcpy(out + i, &m, sizeof m);
    }
    uint64_t total = sum[0] + sum[1] + sum[2] + sum[3];
    for (; i < n; i++) {
        uint64_t m = det_mass(det_scaled(l[i], max, inv_t));
        total += m;
        if (out) out[i] = m;
    }
    return total;
}

/* The part of `above` over n logits, `ties` saying whether those equal to x count. */
static inline __attribute__((always_inline)) TARGET int32_t LANES(over)(const float *l, int32_t n, float x, int ties,
                                                                       float max, vd acc[4]) {
    int32_t count = 0;
    const vf least = (vf){} - INFINITY, u = (vf){} + 1.44269504f, floor1 = (vf){} - 86.0f;
    for (int32_t i = 0; i < n; i += 8) {
        vf v = least;
        unsigned room = 0xff;
        if (n - i >= 8) memcpy(&v, l + i, sizeof v);
        else {
            float tail[8] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
            memcpy(tail, l + i, (size_t)(n - i) * sizeof *l);
            memcpy(&v, tail, sizeof v);
            room = (1u << (n - i)) - 1;
        }
        unsigned mask = (ties ? MASK_GE(v, (vf){} + x) : MASK_GT(v, (vf){} + x)) & room;
        if (!mask) continue;
        count += __builtin_popcount(mask);
        vi in = ties ? (vi)(v >= x) : (vi)(v > x);
        vf d = v - max, e = LANES(exp_f)(&d, &u, &floor1);
        vf4 h[2];
        e = (vf)((vi)e & in);
        memcpy(h, &e, sizeof e);
        acc[0] += __builtin_convertvector(h[0], vd);
        acc[1] += __builtin_convertvector(h[1], vd);
    }
    return count;
}

static TARGET int32_t LANES(above)(const float *l, int32_t n, int32_t id, float max, double *sum) {
    vd acc[4] = {{0}};
    int32_t count = LANES(over)(l, id, l[id], 1, max, acc);
    count += LANES(over)(l + id + 1, n - id - 1, l[id], 0, max, acc);
    *sum = LANES(total)(acc);
    return count;
}

static TARGET int32_t LANES(gather)(const float *l, int32_t n, float limit, const float *maxima, int32_t *index,
                                    float *value) {
    int32_t count = 0;
    if (!(limit > -INFINITY)) limit = -FLT_MAX;
    for (int32_t at = 0; at < n; at += ROW_BLOCK, maxima += 16) {
        vf m0, m1;
        memcpy(&m0, maxima, sizeof m0);
        memcpy(&m1, maxima + 8, sizeof m1);
        if (!MASK_GE(MAXF(m0, m1), (vf){} + limit)) continue;
        int32_t end = n - at < ROW_BLOCK ? n : at + ROW_BLOCK, i = at;
        for (; i + 8 <= end; i += 8) {
            vf x;
            memcpy(&x, l + i, sizeof x);
            for (unsigned mask = MASK_GE(x, (vf){} + limit); mask; mask &= mask - 1) {
                int32_t j = i + __builtin_ctz(mask);
                index[count] = j;
                value[count++] = l[j];
            }
        }
        for (; i < end; i++)
            if (l[i] >= limit) {
                index[count] = i;
                value[count++] = l[i];
            }
    }
    return count;
}

static const row_ops LANES(ops) = {LANES_ISA,   LANES(sums),  LANES(draw), LANES(draw_some),
                                   LANES(mass), LANES(above), LANES(gather)};
