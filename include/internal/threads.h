/* threads.h -- a small pool for data-parallel loops.  A task's index decides what is computed, never the thread that
 * runs it: the same numbers come out with 1 thread or 8.  Idle workers sleep on a futex after a short spin and cost
 * nothing; nobody waits for a worker that the scheduler has not woken yet (a spinning team on a busy machine is ten
 * times slower).  Called by the kernels through the session, which owns one pool. */
#ifndef GLIMPSE_INTERNAL_THREADS_H
#define GLIMPSE_INTERNAL_THREADS_H

#include "include/internal/status.h"

typedef struct pool pool;

/* One task, 0 <= task < n_tasks.  Tasks of a run may execute at once and in any order. */
typedef void (*pool_task)(void *arg, int task);

/* A pool of n threads, the caller of pool_run being one of them; n <= 0: one for each CPU this process may use; at most
 * 256.  All signals are blocked in the workers.  Where the system refuses a thread the pool has fewer, and works.
 * *out is returned (pool_close); GLIMPSE_E_MEMORY leaves it alone. */
glimpse_status pool_open(pool **out, int n);

int pool_threads(const pool *p); /* threads it really has, the caller included; 1 for NULL */

/* Run all the tasks and return when the last one is done; what they wrote is then visible to the caller.  One run at a
 * time a pool, and a task must not call pool_run on its own pool.  A NULL pool runs them one after another. */
void pool_run(pool *p, pool_task fn, void *arg, int n_tasks);

/* From now on every run begins with between(user), on the caller's thread: who runs beside somebody else's work may rest
 * there.  It returns how many threads the run is to wake, the caller included; 0 = all.  NULL = nobody. */
void pool_between(pool *p, int (*between)(void *user), void *user);

void pool_close(pool *p); /* NULL is fine */

double monotonic_s(void); /* seconds from some moment on, which only rise */
int64_t monotonic_ms(void);
int cpu_count(void); /* CPUs in this thread's affinity mask, no more than a quota gives (cgroup.h), at least 1 */

#endif
