/* python_random.c -- see python_random.h. */
#include "hooks/tasks/python_random.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { N = 624, M = 397 };

static void init_genrand(py_random *r, uint32_t s) {
    r->state[0] = s;
    for (uint32_t i = 1; i < N; i++) r->state[i] = 1812433253u * (r->state[i - 1] ^ r->state[i - 1] >> 30) + i;
    r->at = N;
}

void py_random_seed(py_random *r, uint64_t seed) {
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) }, n = key[1] ? 2 : 1, i = 1, j = 0;
    uint32_t *mt = r->state;
    init_genrand(r, 19650218u);
    for (uint32_t k = N; k; k--) {
        mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1664525u) + key[j] + j;
        if (++i >= N) mt[0] = mt[N - 1], i = 1;
        if (++j >= n) j = 0;
    }
    for (uint32_t k = N - 1; k; k--) {
        mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1566083941u) - i;
        if (++i >= N) mt[0] = mt[N - 1], i = 1;
    }
    mt[0] = 0x80000000u;
}

static uint32_t next(py_random *r) {
    uint32_t *mt = r->state;
    if (r->at >= N) {
        for (int k = 0; k < N; k++) {
            uint32_t y = (mt[k] & 0x80000000u) | (mt[(k + 1) % N] & 0x7fffffffu);
            mt[k] = mt[(k + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        r->at = 0;
    }
    uint32_t y = mt[r->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ y >> 18;
}

double py_random_double(py_random *r) {
    uint32_t a = next(r) >> 5, b = next(r) >> 6;
    return ((double)a * 67108864.0 + (double)b) * (1.0 / 9007199254740992.0);
}

static uint32_t below(py_random *r, uint32_t n) {
    int bits = 32 - __builtin_clz(n);
    uint32_t x;
    do x = next(r) >> (32 - bits);
    while (x >= n);
    return x;
}

glimpse_status py_random_sample(py_random *r, uint32_t n, uint32_t k, uint32_t *out) {
    uint64_t set_size = 21, power = 1;
    if (k > n) FAIL(GLIMPSE_E_INVALID, "%u of %u cannot be drawn", k, n);
    if (k > 5) { /* setsize += 4 ** ceil(log(k * 3, 4)): what a set of k costs, against a list of n */
        while (power < (uint64_t)k * 3) power *= 4;
        set_size += power;
    }
    if (n <= set_size) {
        uint32_t *pool = malloc(((size_t)n + 1) * sizeof *pool);
        if (!pool) FAIL(GLIMPSE_E_MEMORY, "no memory to draw %u of %u", k, n);
        for (uint32_t i = 0; i < n; i++) pool[i] = i;
        for (uint32_t i = 0; i < k; i++) {
            uint32_t j = below(r, n - i);
            out[i] = pool[j];
            pool[j] = pool[n - i - 1];
        }
        free(pool);
        return GLIMPSE_OK;
    }
    for (uint32_t i = 0; i < k; i++) {
        bool again = true;
        while (again) {
            out[i] = below(r, n);
            again = false;
            for (uint32_t j = 0; j < i; j++) again |= out[j] == out[i];
        }
    }
    return GLIMPSE_OK;
}
