/* ptx_wrong.h -- what can be wrong with a kernel of ptx_wrong.cu, for test_cuda_ptx.c. */
#ifndef GLIMPSE_TEST_PTX_WRONG_H
#define GLIMPSE_TEST_PTX_WRONG_H

enum { WRONG_NOTHING, WRONG_NO_WAIT, WRONG_HALF_A_WAIT, WRONG_ALIGNMENT, WRONG_SHARED, WRONG_OPERAND, WRONG_THREADS, WRONG_RACE, WRONG_EARLY, WRONG_SIZE };

#ifdef __cplusplus
extern "C"
#endif
int ptx_run_wrong(int which, const void *input, void *out) __attribute__((weak)); /* NULL where no PTX is executed */

#endif
