/* hostile.c -- see hostile.h. */
#define _GNU_SOURCE
#include "tests/hostile.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "sampling/checkpoint/checkpoint.h"
#include "sampling/tokenizer/tokenizer.h"
#include "tests/test.h"

void hostile_begin(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (test_is_slow_build() || !f || fscanf(f, "%ld", &pages) != 1 || !pages) { /* a sanitizer takes terabytes */
        if (f) fclose(f);
        return;
    }
    fclose(f);
    struct rlimit limit = {(rlim_t)pages * 4096 + ((rlim_t)64 << 20), RLIM_INFINITY};
    EXPECT(!setrlimit(RLIMIT_AS, &limit));
}

static double processor_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void judge(const char *what, glimpse_status st, double ms, int code, const char *says) {
    test_check(st == (glimpse_status)code, __FILE__, __LINE__, "%s: status %d, expected %d: %s", what, (int)st, code,
               status_text());
    test_check(st >= 0 || !says || strstr(status_text(), says), __FILE__, __LINE__,
               "%s: the error \"%s\" has no \"%s\"", what, status_text(), says);
    for (const char *c = status_text(); *c; c++)
        test_check((unsigned char)*c >= 32 || *c == '\n', __FILE__, __LINE__, "%s: a control character in the error",
                   what);
    test_check(test_is_slow_build() || ms < 50, __FILE__, __LINE__, "%s: %g ms", what, ms);
}

void hostile_checkpoint(const char *what, const char *path, int code, const char *says) {
    model *m = NULL;
    double before = processor_ms();
    glimpse_status st = checkpoint_open(path, NULL, NULL, &m);
    judge(what, st, processor_ms() - before, code, says);
    test_check(!m, __FILE__, __LINE__, "%s: it was opened", what);
    model_close(m);
}

void hostile_tokenizer(const char *what, const char *path, int code, const char *says) {
    tokenizer *t = NULL;
    double before = processor_ms();
    glimpse_status st = tokenizer_load(path, &t);
    judge(what, st, processor_ms() - before, code, says);
    test_check(!t, __FILE__, __LINE__, "%s: it was opened", what);
    tokenizer_close(t);
}
