/* oracle.h -- slow and obvious answers in double that tests compare against, and the statistics that say whether draws
 * follow a distribution.  A cosine does not: a sampler that wrongly cuts at top-p 0.9 has cosine > 0.99 and a chi-square
 * in the thousands. */
#ifndef GLIMPSE_TEST_ORACLE_H
#define GLIMPSE_TEST_ORACLE_H

#include <stdint.h>

/* Pearson's statistic of observed counts (n) against probabilities p (n); cells expected below 5 are merged into one.
 * *df: degrees of freedom.  A count where p is 0 gives +inf. */
double oracle_chi_square(const int64_t *count, const double *p, int n, int *df);

/* Probability that chi-square with df degrees of freedom exceeds x: the regularised upper gamma Q(df/2, x/2), by the
 * series and continued fraction of Numerical Recipes 6.2 (about 1e-12).  NaN in, NaN out. */
double oracle_chi_square_p(double x, int df);

/* Both at once: the p-value of these counts.  A right sampler gives a uniform value; 1e-6 is a good limit for a test
 * with a fixed seed. */
double oracle_fit_p(const int64_t *count, const double *p, int n);

/* p (n) = softmax(logits / temperature), maxima subtracted; returns log of the sum of exp(logits / temperature). */
double oracle_softmax(const float *logits, int n, double temperature, double *p);
double oracle_entropy(const double *p, int n); /* nats */

/* A stream of test data that any language can repeat: splitmix64 (Steele, Lea, Flood 2014). */
uint64_t oracle_random(uint64_t *state);
double oracle_uniform(uint64_t *state); /* [0, 1), 53 bits */
double oracle_normal(uint64_t *state);  /* mean 0, variance 1: Box-Muller */

/* A row of 2 to `most` logits of one of eight kinds: normal, rounded (ties), half of it -inf, denormals, one-hot, Zipf, equal
 * outliers.  Returns how many. */
int32_t oracle_row(float *l, int32_t most, uint64_t *rng, int kind);

#endif
