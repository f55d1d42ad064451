/* worker_rig.h -- what the tests of worker mode share: a small model with a trainer's losses, Glimpse opened on it with
 * the built program as its worker, the worker's process found, the journal read. */
#ifndef GLIMPSE_WORKER_RIG_H
#define GLIMPSE_WORKER_RIG_H

#include <sys/types.h>

#include "hooks/journal.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"

typedef struct rig {
    tiny_gpt gpt;
    glimpse_config *cfg;
    glimpse *g;
    buffer said;          /* what the guest logged, a newline after each message */
    char dir[4096];
} rig;

/* A directory of its own under the test's, a model; options as "name=value" up to NULL.  g is NULL where Glimpse is off. */
void rig_open(rig *r, const char *const *options);
void rig_prepare(rig *r, const char *const *options); /* the same, but for the opening: rig_reopen */
void rig_reopen(rig *r);  /* the same configuration again; the glimpse before must be closed */
void rig_close(rig *r);

/* The text of --prompts, in a file; returns the option "prompts=FILE", static: what is fine at open may be wrong at an eval. */
const char *rig_prompts(const char *text);
/* Compile a module, or another library, from its source; its path, static.  NULL: there is no compiler. */
const char *rig_module(const char *name, const char *source);

/* From now on every worker that this process or a trainer that it runs starts is known as its own (rig_open does it). */
void rig_mark(void);
/* The process ids of these workers, at most `cap`; returns how many there are. */
int rig_workers(pid_t *pids, int cap);
int rig_keepers(pid_t *pids, int cap); /* their parents (plugin/cli/keeper.c) */
/* Wait until that worker has ended and the trainer was told how; false after half a minute. */
bool rig_wait_end(pid_t pid);
/* Wait until there are n workers; false after half a minute. */
bool rig_wait_workers(int n);

/* Call `each` for the lines of the journal in the order of the file. */
int rig_lines(const rig *r, glimpse_status (*each)(void *user, owned_record *line), void *user);
/* The status of the last line of a step, "" if there is none; static. */
const char *rig_status(const rig *r, int64_t step);

#endif
