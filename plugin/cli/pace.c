/* pace.c -- see pace.h. */
#include "plugin/cli/pace.h"

#include <math.h>
#include <time.h>

static const double AT_ONCE_S = 1e-3, UNKNOWN = 0.25, MOST_THREADS = 4096;

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void pace_plan(pace *p, double interval_s) {
    p->threads = 0;
    p->share = UNKNOWN;
    if (p->spent_s > 0 && interval_s > 0) {
        double threads = fmin(ceil(p->spent_s / (interval_s / 2)), MOST_THREADS), own = p->spent_s / threads;
        p->threads = (int)threads;
        p->share = own / (own + fmax(interval_s / 2 - p->took_s, 0));
    }
    if (p->least >= 1) p->threads = 0;
    if (!(p->share >= p->least)) p->share = p->least;
}

void pace_begin(pace *p, double interval_s) {
    pace_plan(p, interval_s);
    p->rested_s = 0;
    p->most_s = interval_s / 2;
    p->begun_spent_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    p->begun_s = p->looked_s = seconds(CLOCK_MONOTONIC);
    p->own_s = seconds(CLOCK_THREAD_CPUTIME_ID);
    p->working = true;
}

double pace_debt(pace *p) {
    if (!p->working || p->share >= 1) return 0;
    double now = seconds(CLOCK_MONOTONIC); /* without a system call, unlike the thread's */
    if (p->most_s > 0 && now - p->begun_s > p->most_s) pace_hurry(p); /* the eval before took less, or had more of the processors */
    if (now - p->looked_s < AT_ONCE_S) return 0;
    double own = seconds(CLOCK_THREAD_CPUTIME_ID), debt = (own - p->own_s) * (1 / p->share - 1);
    p->looked_s = now + debt;
    p->own_s = own;
    return debt;
}

void pace_rested(pace *p, double s) { p->rested_s += s; }

void pace_hurry(pace *p) {
    p->share = 1;
    p->threads = 0;
}

void pace_end(pace *p) {
    p->spent_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - p->begun_spent_s;
    p->took_s = seconds(CLOCK_MONOTONIC) - p->begun_s - p->rested_s;
    p->threads = 0; /* a check, which the trainer waits for, has them all */
    p->working = false;
}
