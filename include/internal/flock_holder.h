/* flock_holder.h -- which process holds a flock: flock itself does not tell, /proc/locks does, without taking the lock from a
 * writer that comes at that moment.  Called by plugin/lock_holder.c and by hooks/run_dir.c.  Any thread. */
#ifndef GLIMPSE_INTERNAL_FLOCK_HOLDER_H
#define GLIMPSE_INTERNAL_FLOCK_HOLDER_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "include/internal/buffer.h"

/* The process that holds a flock on this inode; 0 = none is named: nobody, or one of another machine or container.  `b` is
 * room. */
pid_t flock_holder(const struct stat *s, buffer *b);
/* /proc/PID/what into `b`, which is cleared before.  False: not there. */
bool proc_read_of(pid_t pid, const char *what, buffer *b);

#endif
