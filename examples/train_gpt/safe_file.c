/* safe_file.c -- see safe_file.h. */
#define _GNU_SOURCE
#include "examples/train_gpt/safe_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int safe_open(safe_file *f, const char *path) {
    memset(f, 0, sizeof *f);
    int n = snprintf(f->path, sizeof f->path, "%s", path), m = snprintf(f->temporary, sizeof f->temporary, "%s.tmp", path);
    if (n < 0 || m < 0 || (size_t)m >= sizeof f->temporary) return errno = ENAMETOOLONG, -1;
    f->stream = fopen(f->temporary, "wb");
    return f->stream ? 0 : -1;
}

void safe_write(safe_file *f, const void *data, size_t bytes) {
    if (f->error || bytes == 0) return;
    if (fwrite(data, 1, bytes, f->stream) != bytes) f->error = errno ? errno : EIO;
}

/* The rename itself must reach the disk, too.  Some file systems refuse to sync a directory: no reason to fail. */
static void sync_directory(const char *path) {
    char directory[SAFE_PATH];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash) slash[slash == directory] = 0;
    int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

int safe_close(safe_file *f) {
    if (!f->error && fflush(f->stream) != 0) f->error = errno;
    if (!f->error && fsync(fileno(f->stream)) != 0) f->error = errno;
    if (fclose(f->stream) != 0 && !f->error) f->error = errno;
    if (!f->error && rename(f->temporary, f->path) != 0) f->error = errno;
    if (f->error) {
        unlink(f->temporary);
        errno = f->error;
        return -1;
    }
    sync_directory(f->path);
    return 0;
}
