/* lock_holder.c -- see lock_holder.h. */
#define _GNU_SOURCE
#include "plugin/lock_holder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "include/internal/file.h"
#include "include/internal/flock_holder.h"

/* When that process started, in ticks since the machine did; -1 = it is gone, or dead and not yet reaped. */
static int64_t started_at(pid_t pid, buffer *b) {
    int64_t ticks;
    if (!proc_read_of(pid, "stat", b)) return -1;
    const char *p = strrchr(buf_str(b), ')'); /* of a name that may hold anything */
    if (!p || p[1] != ' ' || strchr("ZXx", p[2])) return -1;
    for (int field = 2; p && field < 22; field++) p = strchr(p + 1, ' ');
    if (!p || !parse_i64(p + 1, strcspn(p + 1, " \n"), &ticks)) return -1;
    return ticks;
}

/* The trainer that this worker was started for; 0: it is no worker; -1: it is ending and has no command line any more. */
static pid_t trainer_of(pid_t pid, buffer *b) {
    int64_t trainer = 0;
    const char *word = NULL;
    if (!proc_read_of(pid, "cmdline", b) || b->n == 0) return -1;
    const char *const end = buf_str(b) + b->n;
    for (const char *p = buf_str(b); p < end; word = p, p += strlen(p) + 1) {
        if (!word || strcmp(word, "worker") != 0) continue;
        p += strlen(p) + 1; /* the build id */
        return p < end && parse_i64(p, strlen(p), &trainer) && trainer > 0 ? (pid_t)trainer : 0;
    }
    return 0;
}

static lock_holder who(const struct stat *s, pid_t trainer, buffer *b) {
    pid_t holder = flock_holder(s, b), its;
    int64_t since = holder ? started_at(holder, b) : -1;
    if (since < 0) return HOLDER_UNKNOWN;
    its = trainer_of(holder, b);
    if (its < 0) return HOLDER_UNKNOWN;
    if (!its) return HOLDER_ALIVE;
    if (its == trainer) return HOLDER_OWN;
    int64_t began = started_at(its, b);
    return began < 0 || began > since ? HOLDER_ENDING : HOLDER_ALIVE; /* younger than its worker: the id is another's now */
}

lock_holder lock_holder_of(const char *dir, pid_t trainer) {
    buffer b = {0};
    struct stat s;
    lock_holder h = stat(dir, &s) == 0 ? who(&s, trainer, &b) : HOLDER_UNKNOWN;
    buf_free(&b);
    return h;
}
