/* python_random.h -- CPython's random.Random: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) seeded by
 * init_by_array, and the algorithms of Lib/random.py (3.11) for sample and choices.  lm-evaluation-harness draws its
 * few-shot examples and its bootstrap with them.  Called by task_run.c. */
#ifndef GLIMPSE_HOOKS_TASKS_PYTHON_RANDOM_H
#define GLIMPSE_HOOKS_TASKS_PYTHON_RANDOM_H

#include "include/internal/status.h"
#include <stdint.h>

typedef struct py_random {
    uint32_t state[624];
    int at;
} py_random;

void py_random_seed(py_random *r, uint64_t seed); /* random.Random(seed) */
double py_random_double(py_random *r);            /* random(): 53 bits in [0, 1) */
/* sample(range(n), k) into out (k).  k <= n. */
glimpse_status py_random_sample(py_random *r, uint32_t n, uint32_t k, uint32_t *out);

#endif
