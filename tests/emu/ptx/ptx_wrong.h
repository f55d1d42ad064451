/* ptx_wrong.h -- what can be wrong with a kernel of ptx_wrong.cu, for test_cuda_ptx.c. */
#ifndef GLIMPSE_TEST_PTX_WRONG_H
#define GLIMPSE_TEST_PTX_WRONG_H

enum { WRONG_NOTHING, WRONG_NO_WAIT, WRONG_HALF_A_WAIT, WRONG_ALIGNMENT, WRONG_SHARED, WRONG_OPERAND, WRONG_THREADS, WRONG_RACE, WRONG_EARLY, WRONG_SIZE };

/* In global memory, by two blocks; the first two are right. */
enum {
    ORDER_HANDED_OVER, ORDER_LAST_ADDS, ORDER_NO_RELEASE, ORDER_NO_ACQUIRE, ORDER_NO_BARRIER_BEFORE, ORDER_NO_BARRIER_BEHIND, ORDER_NO_HAND_OFF,
    ORDER_RELAXED_COUNT, ORDER_TWO_WRITES, ORDER_OVERWRITTEN, ORDER_NOT_ATOMIC, ORDER_WITHIN_A_BLOCK, ORDER_GENERIC, ORDER_CONSTANT, ORDER_CONSTANT_FIRST,
    ORDER_EARLY, ORDER_EARLY_COPY, ORDER_EARLY_WRITE, ORDER_EARLY_CONSTANT, ORDER_HALVES, ORDER_RESET, ORDER_ALL
};

#ifdef __cplusplus
extern "C" {
#endif
int ptx_run_wrong(int which, const void *input, void *out) __attribute__((weak)); /* NULL where no PTX is executed */
/* The same; -1 also where two blocks do not run together. */
int ptx_run_order(int which) __attribute__((weak));
#ifdef __cplusplus
}
#endif

#endif
