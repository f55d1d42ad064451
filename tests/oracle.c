/* oracle.c -- see oracle.h. */
#include "tests/oracle.h"

#include <math.h>

double oracle_chi_square(const int64_t *count, const double *p, int n, int *df) {
    int64_t total = 0, rest_count = 0;
    double x = 0, rest = 0;
    int cells = 0;
    for (int i = 0; i < n; i++) total += count[i];
    for (int i = 0; i < n; i++) {
        double expected = p[i] * (double)total;
        if (p[i] == 0 && count[i] > 0) x = INFINITY;
        if (expected < 5) {
            rest += expected;
            rest_count += count[i];
            continue;
        }
        double d = (double)count[i] - expected;
        x += d * d / expected;
        cells++;
    }
    if (rest > 0) {
        double d = (double)rest_count - rest;
        x += d * d / rest;
        cells++;
    }
    *df = cells > 1 ? cells - 1 : 1;
    return x;
}

double oracle_chi_square_p(double chi, int df) {
    double a = df / 2.0, x = chi / 2.0;
    if (isnan(chi)) return NAN;
    if (x <= 0) return 1;
    if (isinf(x)) return 0;
    double front = exp(-x + a * log(x) - lgamma(a));
    if (x < a + 1) { /* series for the lower function */
        double term = 1 / a, sum = term;
        for (int i = 1; i < 10000 && term > sum * 1e-16; i++) sum += term *= x / (a + i);
        return 1 - front * sum;
    }
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d; /* Lentz's continued fraction for the upper one */
    for (int i = 1; i < 10000; i++) {
        double an = -i * (i - a);
        b += 2;
        d = an * d + b;
        if (fabs(d) < 1e-300) d = 1e-300;
        c = b + an / c;
        if (fabs(c) < 1e-300) c = 1e-300;
        d = 1 / d;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-15) break;
    }
    return front * h;
}

double oracle_fit_p(const int64_t *count, const double *p, int n) {
    int df;
    double x = oracle_chi_square(count, p, n, &df);
    return oracle_chi_square_p(x, df);
}

double oracle_softmax(const float *logits, int n, double temperature, double *p) {
    double top = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        if (logits[i] / temperature > top) top = logits[i] / temperature;
    for (int i = 0; i < n; i++) sum += p[i] = exp(logits[i] / temperature - top);
    for (int i = 0; i < n; i++) p[i] /= sum;
    return top + log(sum);
}

double oracle_entropy(const double *p, int n) {
    double h = 0;
    for (int i = 0; i < n; i++)
        if (p[i] > 0) h -= p[i] * log(p[i]);
    return h;
}

uint64_t oracle_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

double oracle_uniform(uint64_t *state) { return (double)(oracle_random(state) >> 11) * 0x1p-53; }

double oracle_normal(uint64_t *state) {
    double u = 1 - oracle_uniform(state), v = oracle_uniform(state);
    return sqrt(-2 * log(u)) * cos(6.283185307179586476925 * v);
}

int32_t oracle_row(float *l, int32_t most, uint64_t *rng, int kind) {
    int32_t n = (int32_t)exp(log(2) + oracle_uniform(rng) * (log(most) - log(2)));
    double scale = exp(oracle_uniform(rng) * 4 - 1.5), shift = oracle_normal(rng) * 20;
    for (int32_t i = 0; i < n; i++) {
        l[i] = (float)(shift + scale * oracle_normal(rng));
        if (kind == 1) l[i] = roundf(l[i]);
        if (kind == 2 && oracle_random(rng) % 2) l[i] = -INFINITY;
        if (kind == 3) l[i] = (float)((double)i * -1e-42); /* denormals */
        if (kind == 4) l[i] = i == n / 2 ? 0.0f : -100.0f;
        if (kind == 5) l[i] = (float)(scale * 3 * -log(1 + (double)i)); /* Zipf, sorted: tokenizers put common ids first */
        if (kind == 6 && i % 1000 == 7) l[i] = 1e4f; /* far outliers that are equal */
    }
    if (kind == 2) l[n / 2] = 0;
    return n;
}
