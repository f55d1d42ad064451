/* hostile.c -- see hostile.h. */
#define _GNU_SOURCE
#include "tests/hostile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "sampling/checkpoint/checkpoint.h"
#include "sampling/tokenizer/tokenizer.h"
#include "tests/test.h"

static struct {
    long files, pages; /* pages: when it began */
    double slowest_ms;
    char slowest[64], test[64];
} seen;

/* The most address space that was ever taken, in KB; 0 where it is not known. */
static long peak_kb(void) {
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmPeak: %ld", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

static void report(void) {
    const char *path = getenv("GLIMPSE_HOSTILE");
    FILE *f = path && seen.files ? fopen(path, "a") : NULL;
    if (!f) return;
    long kb = peak_kb() - seen.pages * 4;
    fprintf(f, "%-36s %5ld files  slowest %6.2f ms (%s)  memory %5.1f MB\n", seen.test, seen.files, seen.slowest_ms,
            seen.slowest, kb > 0 ? (double)kb / 1024 : 0);
    fclose(f);
}

void hostile_begin_of(const char *test) {
    snprintf(seen.test, sizeof seen.test, "%s", test);
    FILE *f = fopen("/proc/self/statm", "r");
    if (!seen.pages) atexit(report);
    if (!f || fscanf(f, "%ld", &seen.pages) != 1 || !seen.pages || test_is_slow_build()) { /* a sanitizer takes terabytes */
        if (f) fclose(f);
        return;
    }
    fclose(f);
    struct rlimit limit = {(rlim_t)seen.pages * 4096 + ((rlim_t)64 << 20), RLIM_INFINITY};
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
    seen.files++;
    if (!(ms > seen.slowest_ms)) return;
    seen.slowest_ms = ms;
    snprintf(seen.slowest, sizeof seen.slowest, "%s", what);
}

void hostile_checkpoint(const char *what, const char *path, int code, const char *says) {
    double best = INFINITY;
    glimpse_status st = GLIMPSE_OK;
    for (int i = 0; i < 3; i++) {
        model *m = NULL;
        double before = processor_ms();
        st = checkpoint_open(path, NULL, NULL, &m);
        best = fmin(best, processor_ms() - before);
        test_check(!m, __FILE__, __LINE__, "%s: it was opened", what);
        model_close(m);
    }
    judge(what, st, best, code, says);
}

void hostile_tokenizer(const char *what, const char *path, int code, const char *says) {
    double best = INFINITY;
    glimpse_status st = GLIMPSE_OK;
    for (int i = 0; i < 3; i++) {
        tokenizer *t = NULL;
        double before = processor_ms();
        st = tokenizer_load(path, &t);
        best = fmin(best, processor_ms() - before);
        test_check(!t, __FILE__, __LINE__, "%s: it was opened", what);
        tokenizer_close(t);
    }
    judge(what, st, best, code, says);
}
