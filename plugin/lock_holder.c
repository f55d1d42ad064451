/* lock_holder.c -- see lock_holder.h. */
#define _GNU_SOURCE
#include "plugin/lock_holder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "include/internal/file.h"

enum { MOST_BYTES = 4 << 20 };

/* A file of /proc; false: not there.  A NUL ends it. */
static bool read_proc(const char *path, buffer *b) {
    buf_clear(b);
    int fd = file_open_fd(path, O_RDONLY);
    if (fd < 0) return false;
    glimpse_status st = file_read_fd(fd, path, MOST_BYTES, b);
    io.close(fd);
    return st >= 0 && !buf_failed(b);
}

static bool read_proc_of(pid_t pid, const char *what, buffer *b) {
    char path[64];
    c_snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    return read_proc(path, b);
}

/* When that process started, in ticks since the machine did; -1 = it is gone, or dead and not yet reaped. */
static int64_t started_at(pid_t pid, buffer *b) {
    int64_t ticks;
    if (!read_proc_of(pid, "stat", b)) return -1;
    const char *p = strrchr(buf_str(b), ')'); /* of a name that may hold anything */
    if (!p || p[1] != ' ' || strchr("ZXx", p[2])) return -1;
    for (int field = 2; p && field < 22; field++) p = strchr(p + 1, ' ');
    if (!p || !parse_i64(p + 1, strcspn(p + 1, " \n"), &ticks)) return -1;
    return ticks;
}

/* The process that holds a flock on this inode; 0 = none is named. */
static pid_t holder_of_inode(const struct stat *s, buffer *b) {
    char inode[64];
    if (!read_proc("/proc/locks", b)) return 0;
    c_snprintf(inode, sizeof inode, " %02x:%02x:%llu ", major(s->st_dev), minor(s->st_dev), (unsigned long long)s->st_ino);
    for (const char *line = buf_str(b), *end; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        const char *kind = memmem(line, (size_t)(end - line), ": FLOCK ", 8);
        const char *at = kind ? memmem(kind, (size_t)(end - kind), inode, strlen(inode)) : NULL;
        if (!at) continue; /* one that waits for it has "->" before its kind */
        const char *digits = at;
        while (digits > line && digits[-1] >= '0' && digits[-1] <= '9') digits--;
        int64_t pid;
        if (parse_i64(digits, (size_t)(at - digits), &pid) && pid > 0) return (pid_t)pid;
    }
    return 0;
}

/* The trainer that this worker was started for; 0: it is no worker; -1: it is ending and has no command line any more. */
static pid_t trainer_of(pid_t pid, buffer *b) {
    int64_t trainer = 0;
    const char *word = NULL;
    if (!read_proc_of(pid, "cmdline", b) || b->n == 0) return -1;
    const char *const end = buf_str(b) + b->n;
    for (const char *p = buf_str(b); p < end; word = p, p += strlen(p) + 1) {
        if (!word || strcmp(word, "worker") != 0) continue;
        p += strlen(p) + 1; /* the build id */
        return p < end && parse_i64(p, strlen(p), &trainer) && trainer > 0 ? (pid_t)trainer : 0;
    }
    return 0;
}

static lock_holder who(const struct stat *s, pid_t trainer, buffer *b) {
    pid_t holder = holder_of_inode(s, b), its;
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
