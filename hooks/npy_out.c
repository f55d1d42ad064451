/* npy_out.c -- see npy_out.h. */
#define _GNU_SOURCE
#include "hooks/npy_out.h"

#include "include/internal/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "\x93NUMPY\x01\x00\x76\x00"
#define DICT "{'descr': '<f4', 'fortran_order': False, 'shape': ("
static const output_form npy_form = { "logits that `glimpse score` wrote", MAGIC DICT, sizeof MAGIC DICT - 1 };

static glimpse_status failed(const npy_out *f) {
    char room[64];
    int why = errno;
    FAIL(GLIMPSE_E_IO, "%s cannot be written: %s", f->target, strerror_r(why, room, sizeof room));
}

glimpse_status npy_may_write(const char *what, const char *path) {
    if (path_is_dir(path)) FAIL(GLIMPSE_E_INVALID, "%s %s: it is a directory\nhint: a file in it, %s/logits.npy", what, path, path);
    char *dir = path_dir(path);
    bool is_there = dir && path_is_dir(dir);
    free(dir);
    if (!is_there) FAIL(GLIMPSE_E_IO, "%s %s: there is no such directory", what, path);
    return output_may_replace(what, path, &npy_form);
}

/* A file without a name, where the file system has such; a killed process leaves nothing of it. */
static int open_beside(npy_out *f) {
    char *dir = path_dir(f->target);
    buffer name = {0};
    buf_printf(&name, "%s/.glimpse-npy-%d", dir ? dir : ".", (int)getpid());
    f->beside = dir ? buf_take(&name, NULL) : NULL;
    if (!f->beside) errno = ENOMEM;
    int fd = f->beside ? io.open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
    if (fd < 0 && f->beside) {
        io.unlink(f->beside); /* of a process that was killed and had this number */
        fd = io.open(f->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        f->named = fd >= 0;
    }
    buf_free(&name);
    free(dir);
    return fd;
}

glimpse_status npy_open(npy_out *f, const char *path, int64_t rows, int64_t columns) {
    char dict[128], head[128];
    bool in_place = path_exists(path) && !path_is_file(path);
    if (!(f->target = in_place ? NULL : realpath(path, NULL)) && !(f->target = strdup(path))) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    f->fd = in_place ? io.open(path, O_WRONLY | O_CLOEXEC, 0) : open_beside(f);
    if (f->fd < 0) return failed(f);
    int n = c_snprintf(dict, sizeof dict, DICT "%lld, %lld), }", (long long)rows, (long long)columns);
    memset(head, ' ', sizeof head);
    memcpy(head, MAGIC, 10);
    memcpy(head + 10, dict, (size_t)n);
    head[127] = '\n';
    return file_write_fd(f->fd, f->target, head, sizeof head);
}

glimpse_status npy_row(const npy_out *f, const float *row, int64_t columns) {
    return file_write_fd(f->fd, f->target, row, (size_t)columns * sizeof *row);
}

glimpse_status npy_finish(npy_out *f) {
    char self[40];
    if (f->beside && !f->named) {
        c_snprintf(self, sizeof self, "/proc/self/fd/%d", f->fd);
        io.unlink(f->beside);
        if (linkat(AT_FDCWD, self, AT_FDCWD, f->beside, AT_SYMLINK_FOLLOW)) return failed(f);
        f->named = true;
    }
    int fd = f->fd;
    f->fd = -1;
    if (io.close(fd)) return failed(f);
    if (f->beside && io.rename(f->beside, f->target)) return failed(f);
    f->named = false;
    return GLIMPSE_OK;
}

void npy_close(npy_out *f) {
    if (f->fd >= 0) io.close(f->fd);
    if (f->named) io.unlink(f->beside);
    free(f->target);
    free(f->beside);
    *f = (npy_out){ .fd = -1 };
}
