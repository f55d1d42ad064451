/* flock_holder.c -- see flock_holder.h. */
#define _GNU_SOURCE
#include "include/internal/flock_holder.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "include/internal/file.h"

enum {
    MOST_BYTES = 4 << 20,
    LOOKS = 6 /* the file comes in pages: a lock that goes between two of them can hide another */
};

/* A file of /proc; false: not there.  A NUL ends it. */
static bool read_proc(const char *path, buffer *b) {
    buf_clear(b);
    int fd = file_open_fd(path, O_RDONLY);
    if (fd < 0) return false;
    glimpse_status st = file_read_fd(fd, path, MOST_BYTES, b);
    io.close(fd);
    return st >= 0 && !buf_failed(b);
}

bool proc_read_of(pid_t pid, const char *what, buffer *b) {
    char path[64];
    c_snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    return read_proc(path, b);
}

static pid_t look(const char *inode, buffer *b) {
    if (!read_proc("/proc/locks", b)) return 0;
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

pid_t flock_holder(const struct stat *s, buffer *b) {
    char inode[64];
    pid_t holder = 0;
    c_snprintf(inode, sizeof inode, " %02x:%02x:%llu ", major(s->st_dev), minor(s->st_dev), (unsigned long long)s->st_ino);
    for (int i = 0; i < LOOKS && !holder; i++) holder = look(inode, b);
    return holder;
}
