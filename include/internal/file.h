/* file.h -- files, refused with what was wrong or written whole.  Every system call goes through `io`, so that a test
 * can make the n-th one fail with any errno, or write short.  Interrupted and short calls are finished here; every
 * descriptor is close-on-exec; a full disk, a size limit (SIGXFSZ) or a closed pipe (SIGPIPE) is an error, never a
 * death.  Called by whoever reads a checkpoint or writes the journal and its views.  Any thread. */
#ifndef GLIMPSE_INTERNAL_FILE_H
#define GLIMPSE_INTERNAL_FILE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "include/internal/buffer.h"
#include "include/internal/status.h"

/* The system calls; libc's own unless a test has put others there. */
typedef struct io_calls {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*read)(int fd, void *bytes, size_t n);
    ssize_t (*pread)(int fd, void *bytes, size_t n, off_t at);
    ssize_t (*write)(int fd, const void *bytes, size_t n);
    int (*fsync)(int fd);
    int (*fdatasync)(int fd);
    int (*ftruncate)(int fd, off_t size);
    int (*fstat)(int fd, struct stat *st);
    int (*rename)(const char *from, const char *to);
    int (*close)(int fd);
    int (*mkdir)(const char *path, mode_t mode);
    int (*unlink)(const char *path);
} io_calls;
extern io_calls io;

/* === Reading === */
typedef struct file {
    int fd;       /* -1 = not open                            */
    int64_t size; /* bytes when it was opened                 */
    char *path;   /* owned; as it was named, for the messages */
} file;
#define FILE_INIT {-1, 0, NULL}

/* Open a regular file for reading; a directory, FIFO, socket or device is refused by name.  GLIMPSE_E_IO: *f untouched.
 * file_close accepts FILE_INIT and may be repeated. */
glimpse_status file_open_read(const char *path, file *f);
void file_close(file *f);

/* Read exactly n bytes at offset `at`.  GLIMPSE_E_FORMAT when the file ends before, with both numbers in the text;
 * GLIMPSE_E_IO when the system says no.  dst may then have been written. */
glimpse_status file_read_at(const file *f, int64_t at, void *dst, size_t n);

/* Append the whole file to *b.  GLIMPSE_E_FORMAT when it is larger than max_bytes; *b is as it was on an error. */
glimpse_status file_read_all(const char *path, size_t max_bytes, buffer *b);

/* The same from an open descriptor up to its end (stdin, a pipe); `name` is for the messages. */
glimpse_status file_read_fd(int fd, const char *name, size_t max_bytes, buffer *b);

/* Open with O_CLOEXEC and mode 0666, again where a signal interrupted; -1 and errno. */
int file_open_fd(const char *path, int flags);

/* A file in memory, close-on-exec, never to be executed, to which seals may be added; -1 and errno. */
int file_in_memory(const char *name);

/* The same descriptor away from 0, 1 and 2, which a host may have closed: what is printed must not reach a file of ours.
 * Close-on-exec; -1 and errno, the given one is closed then too. */
int file_above_stdio(int fd);

/* A descriptor that is held from one call of a host to the next.  A host may close descriptors that it did not open (to become
 * a daemon), and what it opens then has the same numbers: that is not ours to write, to send on, or to close. */
typedef struct file_id {
    dev_t device;
    ino_t inode;
} file_id;
file_id file_id_of(int fd);       /* all 0: not known */
bool file_is(int fd, file_id id); /* it is open, and still what it was, as far as that is known */

/* === Writing === */
/* Replace the file `path` by n bytes: a temporary file beside it, then a rename, so that a reader or a crash sees the old
 * file or the new one.  sync: the bytes are on the disk before the rename, and the rename when this returns.  On an error
 * the old file is as it was and no temporary file is left (except that a failed directory sync comes after the rename). */
glimpse_status file_write_atomic(const char *path, const void *bytes, size_t n, bool sync);

/* Write all n bytes at the descriptor's position; `name` is for the messages.  On an error errno tells the reason too. */
glimpse_status file_write_fd(int fd, const char *name, const void *bytes, size_t n);

/* The same, then fdatasync: one line of the journal.  On an error part of the bytes may be there (the caller cuts). */
glimpse_status file_append_sync(int fd, const char *name, const void *bytes, size_t n);

/* Make sure that a rename or a new name in this directory survives a crash. */
glimpse_status dir_sync(const char *dir);

/* Make the directory and those above it; what is there already is fine if it is a directory. */
glimpse_status mkdir_p(const char *path);

/* Around writes that bypass the functions above: SIGXFSZ and SIGPIPE are blocked in this thread, and one that our own
 * write raised is consumed, so that the host's handlers never see it. */
typedef struct signal_guard {
    sigset_t before; /* the thread's mask           */
    sigset_t ours;   /* those not pending already   */
} signal_guard;
void signal_guard_enter(signal_guard *g);
void signal_guard_leave(const signal_guard *g); /* keeps errno */

/* === Names === */
char *path_join(const char *dir, const char *name); /* returned (free); NULL: no memory; an absolute name stands alone */
char *path_dir(const char *path);                   /* returned (free): what is before the last '/', "." without one   */
const char *path_base(const char *path);            /* borrowed: what follows the last '/'                             */
bool ends_with(const char *name, const char *end);  /* "model.bin" and ".bin"                                           */
bool path_exists(const char *path);
bool path_is_dir(const char *path);
bool path_is_file(const char *path); /* a regular file, perhaps through links */

#endif
