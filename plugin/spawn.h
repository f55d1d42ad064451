/* spawn.h -- finds the program `glimpse` and starts it as a worker that is nobody's child.
 *
 *   trainer --clone, no exit signal--> intermediate --posix_spawn--> glimpse keeper --fork--> worker
 *                                        ends at once, reaped here      adopted by init, waits   samples
 *
 * Why not posix_spawn from the trainer: whatever a process has executed sends SIGCHLD to its parent at its end, so a
 * trainer with a handler, or in wait(), would see a child that is not its own.  The intermediate executes nothing: it is
 * a clone that shares the trainer's memory (no copy of page tables, however large the trainer) and suspends the calling
 * thread, as vfork does, with signals blocked and no exit signal.  So no SIGCHLD is ever sent, wait() and waitpid(-1)
 * do not see it (it is reaped by its id with __WCLONE), and no handler of fork runs.  What it starts is its child, and
 * with its end becomes init's.  Where the trainer is itself the one who adopts (process 1 of a container, or
 * PR_SET_CHILD_SUBREAPER), what was started becomes its child after all: spawn_reap.  So it does where such a clone is unknown, in
 * an emulator of programs (qemu-aarch64): the trainer itself starts it then, and SIGCHLD is sent at its end.
 * Called by worker_line.c and worker_client.c. */
#ifndef GLIMPSE_PLUGIN_SPAWN_H
#define GLIMPSE_PLUGIN_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "include/internal/status.h"

/* The program: $GLIMPSE_WORKER, else `glimpse` beside the library, else in bin beside its lib.  Returned (free).
 * GLIMPSE_E_LIBRARY: not there; the text says what to set. */
glimpse_status spawn_find(char **program);

/* Start `program keeper BUILD_ID TRAINER` with default signals, none blocked, its own process group, /dev/null as stdin and
 * stdout, the caller's stderr, and one end of a socket pair as descriptor 3.  *socket is the other end (close).  *is_child:
 * it becomes a child of this process, which then reaps it. */
glimpse_status spawn_worker(const char *program, int *socket, pid_t *pid, bool *is_child);

/* Reap such a worker, which has ended or, with `wait`, is about to.  False: it has not ended yet. */
bool spawn_reap(pid_t pid, bool wait);

#endif
