/* threads.c -- see threads.h.
 *
 * One word, `ticket`, holds (run number, tasks not yet taken) and is all that a claim touches:
 *
 *   pool_run:  write job -> ticket = (run, n) -> claim tasks too -> wait until done == n
 *   claim:     read ticket (run, left > 0) -> read job -> CAS to (run, left - 1)
 *
 * Invariant: the job's fields change only while left == 0.  A CAS that succeeds from left > 0 therefore proves that the
 * fields read before it belong to that run, however long the worker slept in between; so pool_run needs every *task* to
 * be done but no *worker* to have woken up.  The fields are relaxed atomics because a late worker may read them while
 * the next run is being written, and then fails its CAS. */
#define _GNU_SOURCE
#include "include/internal/threads.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "include/internal/cgroup.h"

enum { MAX_THREADS = 256, SPINS = 64 /* about 3 us of `pause` */ };

struct pool {
    int n; /* threads, the caller included */
    int (*between)(void *user);
    void *user;
    pthread_t *workers;
    _Atomic(pool_task) fn;
    _Atomic(void *) arg;
    _Atomic int n_tasks;
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic uint32_t done;   /* tasks finished in this run; the caller sleeps on it */
    _Atomic uint32_t caller_sleeps;
    _Alignas(64) _Atomic uint32_t wake;   /* counts runs; the workers sleep on it */
    _Atomic uint32_t sleepers;
    _Atomic bool quit;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0); }

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Take tasks and run them until none is left. */
static void work(pool *p) {
    uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    while ((uint32_t)t != 0) {
        pool_task fn = atomic_load_explicit(&p->fn, memory_order_relaxed);
        void *arg = atomic_load_explicit(&p->arg, memory_order_relaxed);
        int n = atomic_load_explicit(&p->n_tasks, memory_order_relaxed);
        if (!atomic_compare_exchange_weak_explicit(&p->ticket, &t, t - 1, memory_order_acq_rel, memory_order_acquire))
            continue;
        fn(arg, n - (int)(uint32_t)t);
        if (atomic_fetch_add(&p->done, 1) + 1 == (uint32_t)n && atomic_load(&p->caller_sleeps))
            futex_wake(&p->done, 1);
        t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    }
}

static void *worker(void *arg) {
    pool *p = arg;
    pthread_setname_np(pthread_self(), "glimpse");
    while (!atomic_load(&p->quit)) {
        uint32_t seen = atomic_load(&p->wake);
        work(p);
        for (int i = 0; i < SPINS && atomic_load_explicit(&p->wake, memory_order_relaxed) == seen; i++) relax();
        /* Announce first, then let the kernel compare `wake`: a run published in between is not slept through. */
        atomic_fetch_add(&p->sleepers, 1);
        if (!atomic_load(&p->quit)) futex_wait(&p->wake, seen);
        atomic_fetch_sub(&p->sleepers, 1);
    }
    return NULL;
}

int cpu_count(void) {
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    if (n < 1) n = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than a cpu_set_t holds */
    int most = cgroup_cpus(); /* threads beyond a quota have everybody in the group stopped, however nice they are */
    if (most > 0 && n > most) n = most;
    return n > 0 && n < INT_MAX ? (int)n : 1;
}

glimpse_status pool_open(pool **out, int n) {
    if (n <= 0) n = cpu_count();
    if (n > MAX_THREADS) n = MAX_THREADS;
    pool *p = aligned_alloc(64, (sizeof(pool) + 63) / 64 * 64);
    if (!p) FAIL(GLIMPSE_E_MEMORY, "no memory for a pool of %d threads", n);
    *p = (pool){.n = 1};
    p->workers = calloc((size_t)n, sizeof *p->workers);
    if (!p->workers) {
        free(p);
        FAIL(GLIMPSE_E_MEMORY, "no memory for a pool of %d threads", n);
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited by the workers: the host's signals stay the host's */
    while (p->n < n && pthread_create(&p->workers[p->n - 1], NULL, worker, p) == 0) p->n++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *out = p;
    return GLIMPSE_OK;
}

int pool_threads(const pool *p) { return p ? p->n : 1; }

void pool_between(pool *p, int (*between)(void *user), void *user) {
    p->between = between;
    p->user = user;
}

void pool_run(pool *p, pool_task fn, void *arg, int n_tasks) {
    if (n_tasks <= 0) return;
    int wanted = p && p->between ? p->between(p->user) : 0, most = wanted > 0 && wanted < p->n ? wanted : pool_threads(p);
    if (most == 1 || n_tasks == 1) {
        for (int i = 0; i < n_tasks; i++) fn(arg, i);
        return;
    }
    atomic_store_explicit(&p->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&p->arg, arg, memory_order_relaxed);
    atomic_store_explicit(&p->n_tasks, n_tasks, memory_order_relaxed);
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    uint64_t run = (atomic_load_explicit(&p->ticket, memory_order_relaxed) >> 32) + 1;
    atomic_store_explicit(&p->ticket, run << 32 | (uint32_t)n_tasks, memory_order_release);
    atomic_fetch_add(&p->wake, 1);
    if (atomic_load(&p->sleepers)) futex_wake(&p->wake, n_tasks < most ? n_tasks - 1 : most - 1);
    work(p);
    for (int i = 0; i < SPINS && atomic_load_explicit(&p->done, memory_order_relaxed) != (uint32_t)n_tasks; i++) relax();
    for (uint32_t d; (d = atomic_load_explicit(&p->done, memory_order_acquire)) != (uint32_t)n_tasks;) {
        atomic_store(&p->caller_sleeps, 1);
        if (atomic_load(&p->done) == d) futex_wait(&p->done, d);
        atomic_store(&p->caller_sleeps, 0);
    }
}

void pool_close(pool *p) {
    if (!p) return;
    atomic_store(&p->quit, true);
    atomic_fetch_add(&p->wake, 1);
    futex_wake(&p->wake, INT_MAX);
    for (int i = 0; i + 1 < p->n; i++) pthread_join(p->workers[i], NULL);
    free(p->workers);
    free(p);
}

double monotonic_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t monotonic_ms(void) { return (int64_t)(monotonic_s() * 1e3); }
