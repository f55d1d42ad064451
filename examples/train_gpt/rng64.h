/* rng64.h -- the trainer's random numbers: xorshift64* (Vigna 2016, "An experimental exploration of Marsaglia's xorshift
 * generators, scrambled"), one 64-bit word of state, so that a checkpoint holds all of it.  Every use has its own state:
 * weights, stories and batches do not disturb one another. */
#ifndef TRAIN_GPT_RNG64_H
#define TRAIN_GPT_RNG64_H

#include <math.h>
#include <stdint.h>

/* A state from a seed and the name of its use: splitmix64, so that neighbouring seeds give unrelated streams. */
static inline uint64_t rng64_seed(uint64_t seed, uint64_t use) {
    uint64_t z = seed + (use + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return z ? z : 1; /* zero is the generator's fixed point */
}

static inline uint32_t rng64_u32(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

/* 0 .. n-1, n >= 1; the bias of the multiplication is below n / 2^32. */
static inline uint32_t rng64_below(uint64_t *state, uint32_t n) { return (uint32_t)(((uint64_t)rng64_u32(state) * n) >> 32); }

/* Standard normal by Box and Muller; one of the pair is thrown away so that no half is left in the state. */
static inline double rng64_normal(uint64_t *state) {
    double u = (rng64_u32(state) + 0.5) / 4294967296.0, v = rng64_u32(state) / 4294967296.0;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

#endif
