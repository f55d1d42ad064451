/* bench.h -- what the benchmarks share: the middle of what was measured. */
#ifndef GLIMPSE_BENCH_H
#define GLIMPSE_BENCH_H

#include <stdlib.h>

static inline int bench_by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of n values, which are sorted. */
static inline double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, bench_by_value);
    return v[n / 2];
}

#endif
