/* test_decide.c -- the decision path: known answers, error against long double, frozen bits, and the functions over rows
 * against the definition one id at a time. */
#include "tests/test.h"
#include "tests/oracle.h"
#include "kernels/decide.h"

#include <float.h>
#include <stdlib.h>

/* Random123 1.09, tests/kat_vectors: philox4x32 10 */
TEST(decide_philox_known_answers) {
    static const struct { uint32_t c[4], k[2], want[4]; } kat[3] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
    for (int i = 0; i < 3; i++) {
        philox_block b = {{kat[i].c[0], kat[i].c[1], kat[i].c[2], kat[i].c[3]}};
        b = philox4x32(b, kat[i].k[0], kat[i].k[1]);
        EXPECT_MEM(b.w, kat[i].want, sizeof b.w);
    }
}

/* Error in units of the last place of the result, which may be denormal. */
static double ulps(double got, long double want) {
    double w = fabs((double)want), unit = nextafter(w, INFINITY) - w;
    return (double)(fabsl((long double)got - want) / unit);
}

TEST(decide_exp_error) {
    uint64_t rng = 1;
    double worst = 0, worst_denormal = 0;
    for (int i = 0; i < 300000; i++) {
        double x = i % 3 == 0 ? oracle_uniform(&rng) * 1454 - 745 : i % 3 == 1 ? -oracle_uniform(&rng) * 40
                                                                               : ldexp(oracle_normal(&rng), -(i % 60));
        long double want = expl(x);
        if (want > DBL_MAX) continue;
        double e = ulps(det_exp(x), want), *w = want < DBL_MIN ? &worst_denormal : &worst;
        if (!(e <= *w)) *w = e;
    }
    EXPECT_LT(worst, 1.0);
    EXPECT_LT(worst_denormal, 1.01);
    EXPECT(det_exp(0) == 1 && det_exp(-0.0) == 1 && det_exp(-INFINITY) == 0 && det_exp(INFINITY) == INFINITY);
    EXPECT(isnan(det_exp(NAN)) && det_exp(-800) == 0 && det_exp(800) == INFINITY && det_exp(-DBL_MAX) == 0);
    EXPECT(det_exp(-745.1) == 0x1p-1074 && det_exp(709.78) < INFINITY && det_exp(709.79) == INFINITY);
}

TEST(decide_log_error) {
    uint64_t rng = 2;
    double worst = 0, worst_log1m = 0;
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = oracle_random(&rng) & INT64_MAX;
        double x;
        memcpy(&x, &bits, sizeof x);
        if (i % 3 == 1) x = 0.5 + oracle_uniform(&rng);
        if (i % 3 == 2) x = (double)(bits >> 30) * 0x1p-1074 + 0x1p-1074; /* denormals */
        if (!isfinite(x) || x == 0) continue;
        double e = ulps(det_log(x), logl(x));
        if (!(e <= worst)) worst = e;
        double p = ldexp(0.5 + oracle_uniform(&rng) / 2, -(int)(bits % 64));
        p = p > 0.5 ? 0.5 : p;
        e = ulps(det_neg_log1m(p), -log1pl(-(long double)p));
        if (!(e <= worst_log1m)) worst_log1m = e;
    }
    EXPECT_LT(worst, 1.0);
    EXPECT_LT(worst_log1m, 2.5); /* 1 - p rounds where p > 0.29 */
    EXPECT(det_log(1) == 0 && det_log(0) == -INFINITY && det_log(-0.0) == -INFINITY && det_log(INFINITY) == INFINITY);
    EXPECT(isnan(det_log(NAN)) && isnan(det_log(-1)) && isnan(det_log(-INFINITY)) && det_log(DBL_MAX) < 709.79);
}

static uint64_t mix_in(uint64_t h, double x) { return draw_mix(h ^ det_bits(x)); }

/* The same bits from every compiler, flag and machine; the constants were computed with gcc 12 -O0. */
TEST(decide_bits_are_frozen) {
    uint64_t rng = 3, e = 0, l = 0, g = 0, m = 0;
    for (int i = 0; i < 20000; i++) {
        double u = oracle_uniform(&rng);
        e = mix_in(e, det_exp((u - 0.52) * 1500));
        l = mix_in(l, det_log(ldexp(u, i % 2000 - 1040)));
        m = draw_mix(m ^ det_mass(-u * 35));
        draw_key key = {oracle_random(&rng), (uint32_t)i % 3};
        g = mix_in(g, gumbel(key, (uint32_t)i, (uint32_t)oracle_random(&rng) % 200000, PURPOSE_DRAW));
    }
    EXPECT_EQ(e, (long long)0x60bc2237bbc22059ull);
    EXPECT_EQ(l, (long long)0x4d20d930c24ec91bull);
    EXPECT_EQ(m, (long long)0xea103621dd330a68ull);
    EXPECT_EQ(g, (long long)0x9c967b63e9b3f66aull);
    EXPECT_EQ(draw_key_make(1337, "Hello", 5, 0), (long long)0x6e6b6a3aac83b81ull);
}

TEST(decide_mass_adds_up) {
    EXPECT_EQ(det_mass(0), 1ll << MASS_BITS);
    EXPECT(det_mass(-INFINITY) == 0 && det_mass(NAN) == 0 && det_mass(-31) == 0 && det_mass(-29) > 0);
    int32_t v = MASS_MAX_VOCAB;
    float *l = calloc((size_t)v, sizeof *l);
    REQUIRE(l != NULL);
    EXPECT(row_ops_for(NULL)->mass(l, v, 0, 1.0, NULL) == (uint64_t)v << MASS_BITS); /* 2^63: no overflow */
    free(l);
    uint64_t rng = 4;
    for (int i = 0; i < 50000; i++) {
        double x = -oracle_uniform(&rng) * 31;
        EXPECT_NEAR((double)det_mass(x), (double)(expl(x) * 0x1p43L), 0.51 + 1e-15 * 0x1p43);
    }
}

TEST(decide_gumbel_is_finite_and_bounded) {
    static const uint64_t edge[] = {0, 1, 0xffff, 1ull << 48, (1ull << 63) - 1, 1ull << 63, ~0ull - 1, ~0ull,
                                    0xffffull << 48, 0xfffeull << 48, (0xffffull << 48) - 1};
    uint64_t rng = 5;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = i < 11 ? edge[i] : oracle_random(&rng);
        if (i % 5 == 4) bits |= ~0ull << (oracle_random(&rng) % 64); /* near u = 1 */
        double g = gumbel_of_bits(bits), bound = gumbel_bound((uint32_t)(bits >> 48));
        REQUIRE(g >= -3.82 && g <= 45.06);
        REQUIRE(g <= bound - 9e-4);
        long double u = ((long double)bits + 0.5L) * 0x1p-64L; /* long double holds 64 bits: u is exact to 2^-64 */
        if (u < 0.999L && !(fabsl(g + logl(-logl(u))) < 1e-12L)) EXPECT(!"gumbel differs from -log(-log u)");
    }
    EXPECT_NEAR(gumbel_of_bits(~0ull), 65 * log(2), 1e-9);
}

TEST(decide_gumbel_is_distributed_so) {
    enum { CELLS = 64, N = 400000 };
    int64_t count[CELLS] = {0}, pair[CELLS] = {0};
    double p[CELLS], last = 0;
    draw_key key = {draw_key_make(1, "x", 1, 0), 0};
    for (int i = 0; i < N; i++) {
        /* u again from the noise; consecutive ids share blocks, so their pairs are looked at too */
        double u = exp(-exp(-gumbel(key, (uint32_t)i / 1000, (uint32_t)i % 1000, PURPOSE_DRAW)));
        int c = (int)(u * CELLS);
        if (c >= CELLS) c = CELLS - 1;
        count[c]++;
        pair[(int)(last * 8) * 8 + c / 8]++;
        last = u < 1 ? u : 0.999;
    }
    for (int i = 0; i < CELLS; i++) p[i] = 1.0 / CELLS;
    EXPECT_LT(1e-6, oracle_fit_p(count, p, CELLS));
    EXPECT_LT(1e-6, oracle_fit_p(pair, p, CELLS));
}

TEST(decide_noise_depends_on_every_part_of_its_key) {
    draw_key k = {draw_key_make(1, "ab", 2, 3), 0}, k2 = k;
    k2.step = 1;
    uint64_t b = draw_bits(k, 5, 7, PURPOSE_DRAW);
    EXPECT(b == draw_bits(k, 5, 7, PURPOSE_DRAW));
    EXPECT(b != draw_bits(k2, 5, 7, PURPOSE_DRAW) && b != draw_bits(k, 6, 7, PURPOSE_DRAW));
    EXPECT(b != draw_bits(k, 5, 8, PURPOSE_DRAW) && b != draw_bits(k, 5, 7, PURPOSE_XTC));
    EXPECT(draw_key_make(1, "ab", 2, 3) != draw_key_make(2, "ab", 2, 3));
    EXPECT(draw_key_make(1, "ab", 2, 3) != draw_key_make(1, "ab", 2, 4));
    EXPECT(draw_key_make(1, "ab", 2, 3) != draw_key_make(1, "ab\0", 3, 3));
    EXPECT(draw_key_make(1, "", 0, 3) != draw_key_make(1, "\0\0\0\0\0\0\0\0", 8, 3));
    EXPECT(draw_key_make(1, "abcdefgh1", 9, 0) != draw_key_make(1, "abcdefgi1", 9, 0));
    enum { N = 20000 };
    uint32_t *high = malloc(N * sizeof *high); /* each high piece of 128 ids is its own: equal ones are birthdays */
    REQUIRE(high != NULL);
    int equal = 0;
    for (int i = 0; i < N; i++) high[i] = draw_high(k, 1, (uint32_t)i, PURPOSE_DRAW);
    for (int i = 1; i < N; i++)
        for (int j = 1; j <= 128 && j <= i; j++) equal += high[i] == high[i - j];
    EXPECT_NEAR(equal, N * 128.0 / 65536, 40);
    free(high);
    for (int i = 0; i < 1000; i++) {
        double u = draw_uniform(k, (uint32_t)i, PURPOSE_XTC);
        EXPECT(u > 0 && u < 1);
    }
}

/* === Rows */

static int32_t naive_draw(const float *l, int32_t n, float max, double inv_t, draw_key key, uint32_t position) {
    double best = -INFINITY;
    int32_t id = -1;
    for (int32_t i = 0; i < n; i++) {
        if (!(l[i] > -INFINITY)) continue;
        double s = draw_score(l[i], max, inv_t, key, position, (uint32_t)i);
        if (s > best) best = s, id = i;
    }
    return id;
}

static void fill(float *l, int32_t n, int kind, uint64_t *rng) {
    double scale = exp(oracle_uniform(rng) * 7 - 4);
    for (int32_t i = 0; i < n; i++) {
        l[i] = (float)(scale * oracle_normal(rng));
        if (kind == 1) l[i] = roundf(l[i]);
        if (kind == 2 && oracle_random(rng) % 2) l[i] = -INFINITY;
        if (kind == 3) l[i] = 0;
        if (kind == 4) l[i] = i == n / 2 ? 100.0f : -100.0f;
        if (kind == 5) l[i] *= 1e-40f;
        if (kind == 6) l[i] = l[i] > 0 ? FLT_MAX : -FLT_MAX;
        if (kind == 7) l[i] = (float)i * 0.01f;
        if (kind == 8) l[i] += 1e6f;
    }
}

static void rows_against_ids(const char *isa) {
    static const int32_t sizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 127, 128, 129, 255, 256, 257, 511, 1000, 4099};
    const row_ops *ops[2] = {row_ops_for("generic"), row_ops_for(isa)};
    if (!ops[1]) return; /* this machine has no such set */
    enum { MOST = 50257 };
    float *l = malloc(MOST * sizeof *l), *maxima = malloc(ROW_MAXIMA(MOST) * sizeof *maxima),
          *again = malloc(ROW_MAXIMA(MOST) * sizeof *again), *value = malloc(MOST * sizeof *value);
    int32_t *index = malloc(MOST * sizeof *index);
    uint64_t *mass = malloc(MOST * sizeof *mass), rng = 6;
    REQUIRE(l && maxima && again && value && index && mass);
    int rows = test_is_slow_build() ? 60 : 360;
    for (int r = 0; r < rows; r++) {
        int32_t n = r % 40 == 39 ? MOST : r % 4 == 3 ? 1 + (int32_t)(oracle_random(&rng) % 3000) : sizes[r % 17];
        double inv_t = r % 5 == 0 ? 1.0 : 1 / exp(oracle_uniform(&rng) * 8 - 4);
        fill(l, n, r % 9, &rng);
        row_sums a, b;
        ops[0]->sums(l, n, inv_t, maxima, &a);
        ops[1]->sums(l, n, inv_t, again, &b);
        EXPECT(a.ok && b.ok);
        EXPECT_MEM(maxima, again, ROW_MAXIMA(n) * sizeof *maxima);
        float max = -INFINITY;
        int32_t finite = 0;
        for (int32_t i = 0; i < n; i++) max = l[i] > max ? l[i] : max, finite += l[i] > -INFINITY;
        EXPECT(a.max == max && b.max == max);
        EXPECT_EQ(a.n_finite, finite);
        if (!finite) continue;
        EXPECT(a.s == b.s && a.t == b.t && a.s_temp == b.s_temp);
        long double s = 0, t = 0, w = 0;
        for (int32_t i = 0; i < n; i++) {
            if (!(l[i] > -INFINITY)) continue;
            long double d = (long double)l[i] - max;
            s += expl(d);
            t += d < -11000 ? 0 : d * expl(d);
            w += expl(d * inv_t);
        }
        EXPECT_NEAR(a.s / s, 1, 1e-6);
        EXPECT_NEAR(a.t, t, 1e-6 * (double)fabsl(t) + 1e-30);
        EXPECT_NEAR(a.s_temp / w, 1, 1e-6);
        for (int d = 0; d < 4; d++) {
            draw_key key = {oracle_random(&rng), 0};
            uint32_t position = (uint32_t)oracle_random(&rng);
            int32_t want = naive_draw(l, n, max, inv_t, key, position);
            EXPECT_EQ(ops[0]->draw(l, n, max, inv_t, key, position, -1), want);
            EXPECT_EQ(ops[1]->draw(l, n, max, inv_t, key, position, -1), want);
            EXPECT_EQ(ops[1]->draw(l, n, max, inv_t, key, position, (int32_t)(oracle_random(&rng) % (uint64_t)n)), want);
        }
        uint64_t total = 0;
        for (int32_t i = 0; i < n; i++) total += det_mass(det_scaled(l[i], max, inv_t));
        EXPECT(ops[0]->mass(l, n, max, inv_t, NULL) == total);
        EXPECT(ops[1]->mass(l, n, max, inv_t, mass) == total);
        for (int32_t i = 0; i < n; i++) REQUIRE(mass[i] == det_mass(det_scaled(l[i], max, inv_t)));
        int32_t id = (int32_t)(oracle_random(&rng) % (uint64_t)n), above = 0, reach = 0;
        long double over = 0;
        for (int32_t i = 0; i < n; i++) {
            if (l[i] > l[id] || (l[i] == l[id] && i < id)) above++, over += expl((long double)l[i] - max);
            reach += l[i] >= l[id] && l[i] > -INFINITY;
        }
        for (int k = 0; k < 2; k++) {
            double sum;
            EXPECT_EQ(ops[k]->above(l, n, id, max, &sum), above);
            EXPECT_NEAR(sum, over, 1e-6 * (double)over + 1e-30);
            REQUIRE(ops[k]->gather(l, n, l[id], maxima, index, value) == reach);
            for (int32_t i = 0; i < reach; i++)
                REQUIRE(value[i] == l[index[i]] && l[index[i]] >= l[id] && (i == 0 || index[i] > index[i - 1]));
        }
    }
    free(l);
    free(maxima);
    free(again);
    free(value);
    free(index);
    free(mass);
}

TEST(decide_rows_are_what_single_ids_say) { rows_against_ids(NULL); }
TEST(decide_rows_avx2) { rows_against_ids("avx2"); }

TEST(decide_rows_see_what_is_not_finite) {
    enum { N = 700 };
    float l[N];
    uint64_t rng = 8;
    for (int k = 0; k < 2; k++) {
        const row_ops *ops = row_ops_for(k ? NULL : "generic");
        for (int i = 0; i < N; i++) {
            row_sums s;
            for (int j = 0; j < N; j++) l[j] = i % 2 ? -INFINITY : (float)oracle_normal(&rng);
            uint32_t payload = 0x7fc00000u + (uint32_t)i % 512;
            memcpy(&l[i], &payload, 4);
            if (i % 3 == 0) l[i] = INFINITY;
            ops->sums(l, N, 1.0, NULL, &s);
            REQUIRE(!s.ok);
        }
        for (int j = 0; j < N; j++) l[j] = -INFINITY;
        row_sums s;
        ops->sums(l, N, 1.0, NULL, &s);
        EXPECT(s.ok && s.max == -INFINITY && s.n_finite == 0);
        EXPECT_EQ(ops->draw(l, N, 0, 1.0, (draw_key){1, 0}, 0, -1), -1);
    }
    EXPECT(row_ops_for("no such set") == NULL);
}
