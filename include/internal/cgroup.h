/* cgroup.h -- what the control groups of this process leave it: a container's limit of memory, its share of processors.
 * /proc/meminfo and the affinity mask know nothing of either.  Both versions, every level from the process's own group up
 * to the mount point (in a container that is its own group); a level that says nothing has no limit.
 *
 * Formats: /proc/self/cgroup and the files of version 2 are described in the kernel's admin-guide/cgroup-v2.rst, those of
 * version 1 in admin-guide/cgroup-v1/memory.rst and scheduler/sched-bwc.rst, mountinfo in proc(5).
 * Called by plugin/snapshot.c before memory is taken and by threads.c.  Any thread. */
#ifndef GLIMPSE_INTERNAL_CGROUP_H
#define GLIMPSE_INTERNAL_CGROUP_H

#include <stdint.h>

/* Bytes that may still be taken before the group is throttled or meets the OOM killer, page cache of files counted as
 * free as MemAvailable counts it; UINT64_MAX = no limit is known. */
uint64_t cgroup_memory_left(void);

/* Processors' worth of time that the quota gives, rounded up; 0 = no quota is known. */
int cgroup_cpus(void);

#endif
