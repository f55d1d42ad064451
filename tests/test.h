/* test.h -- a test registers itself and runs in its own process:
 *
 *     TEST(buffer_grows) { buffer b = {0}; ...; EXPECT_EQ(b.n, 3); }
 *
 * EXPECT* record a failure with file, line and values, and go on; the test fails at its end.  REQUIRE* also return from
 * the function they stand in.  A tolerance fails on NaN.  Every tests/test_*.c is linked into one runner (runner.c),
 * which also runs the scripts of tests/checks/.  `make test T=buffer` runs what has "buffer" in its name, NOFORK=1 runs
 * in one process for a debugger, J=4 sets how many run at once. */
#ifndef GLIMPSE_TEST_H
#define GLIMPSE_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/internal/status.h"

typedef struct test_case {
    const char *name, *file;
    void (*run)(void);
    int limit_s; /* killed after this long; times 4 under a sanitizer */
    bool timed;  /* asks a clock */
    struct test_case *next;
} test_case;

void test_register(test_case *t);

#define TEST(name) TEST_LIMIT(name, 60)
#define TEST_LIMIT(name, seconds) TEST_OF(name, seconds, false)
/* A test that asks a clock runs behind all others, alone, and has three chances: what else the machine does makes such a test
 * fail, never pass. */
#define TEST_TIMED(name, seconds) TEST_OF(name, seconds, true)
#define TEST_OF(name_, seconds, timed_)                                                                                \
    static void test_##name_(void);                                                                                    \
    __attribute__((constructor)) static void register_##name_(void) {                                                  \
        static test_case t = {#name_, __FILE__, test_##name_, seconds, timed_, NULL};                                  \
        test_register(&t);                                                                                             \
    }                                                                                                                  \
    static void test_##name_(void)

/* A fresh directory of this test's own, absolute, removed afterwards. */
const char *test_tmpdir(void);
const char *test_path(const char *name); /* of a name in it; static, four at a time */
int test_entries(const char *dir); /* how many names are in it, hidden ones not counted; 0 if it cannot be read */
/* Absolute path of build/MODE, where the libraries, programs and examples are. */
const char *test_build_dir(void);
/* Absolute path of the repository. */
const char *test_source_dir(void);
/* True in MODE=asan, tsan, ubsan, debug: how a test scales its counts. */
bool test_is_slow_build(void);
/* True for `make test-all`: the full counts. */
bool test_is_full(void);

/* Give this process a locale whose decimal point is a comma, as a host may have; false where none can be made. */
bool test_use_comma_locale(void);

/* What the macros call.  Each returns whether the expectation held. */
bool test_check(bool ok, const char *file, int line, const char *fmt, ...) PRINTF_LIKE(4, 5);
bool test_check_eq(long long a, long long b, const char *as, const char *bs, const char *file, int line);
bool test_check_str(const char *a, const char *b, const char *as, const char *bs, const char *file, int line);
bool test_check_near(double a, double b, double tol, const char *as, const char *bs, const char *file, int line);
bool test_check_order(double a, double b, bool less, const char *text, const char *file, int line);
bool test_check_ok(glimpse_status st, const char *text, const char *file, int line);
bool test_check_err(glimpse_status st, int code, const char *part, const char *text, const char *file, int line);
bool test_check_mem(const void *a, const void *b, size_t n, const char *text, const char *file, int line);
void test_skip(const char *reason, const char *file, int line);

#define EXPECT(cond) test_check((cond), __FILE__, __LINE__, "%s", #cond)
#define EXPECT_EQ(a, b) test_check_eq((long long)(a), (long long)(b), #a, #b, __FILE__, __LINE__)
#define EXPECT_STREQ(a, b) test_check_str((a), (b), #a, #b, __FILE__, __LINE__)
#define EXPECT_NEAR(a, b, tol) test_check_near((double)(a), (double)(b), (double)(tol), #a, #b, __FILE__, __LINE__)
#define EXPECT_LT(a, b) test_check_order((double)(a), (double)(b), true, #a " < " #b, __FILE__, __LINE__)
#define EXPECT_LE(a, b) test_check_order((double)(a), (double)(b), false, #a " <= " #b, __FILE__, __LINE__)
#define EXPECT_MEM(a, b, n) test_check_mem((a), (b), (n), #a " and " #b, __FILE__, __LINE__)
#define EXPECT_OK(expr) test_check_ok((expr), #expr, __FILE__, __LINE__)
/* part: a piece of the error's text (status_text), NULL = any */
#define EXPECT_ERR(expr, code, part) test_check_err((expr), (code), (part), #expr, __FILE__, __LINE__)

#define REQUIRE(cond)                                                                                                  \
    do {                                                                                                               \
        if (!EXPECT(cond)) return;                                                                                     \
    } while (0)
#define REQUIRE_OK(expr)                                                                                               \
    do {                                                                                                               \
        if (!EXPECT_OK(expr)) return;                                                                                  \
    } while (0)
/* The rest of the test cannot run here, and why; only directly in a TEST. */
#define SKIP(reason)                                                                                                   \
    do {                                                                                                               \
        test_skip((reason), __FILE__, __LINE__);                                                                       \
        return;                                                                                                        \
    } while (0)

/* The n-th allocation from now (1 = the next; malloc, calloc, realloc, aligned_alloc, posix_memalign, strdup, strndup
 * of the code under test, any thread) fails, once; 0 = none.  Returns how many allocations there were since the call
 * before: loop until that is less than n. */
long test_fail_alloc(long n);

#endif
