/* plain_lines.c -- lines of standard input without an editor: for a conversation that is piped in, and for one in a trainer, whose
 * library links nothing.  Called by inline.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/guest.h"

#define LONGEST ((size_t)16 << 20)

/* SIGINT comes within the wait alone: one between a look at `cancel` and a read would set it, and the read would wait on. */
bool plain_lines_wait(const atomic_int *cancel, const sigset_t *blocked) {
    struct pollfd p = {STDIN_FILENO, POLLIN, 0};
    sigset_t interrupt, before;
    int ready = 0;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, &before);
    while (ready == 0 && !atomic_load(cancel)) {
        ready = ppoll(&p, 1, NULL, blocked ? blocked : &before);
        if (ready < 0 && errno == EINTR) ready = 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ready != 0; /* what else poll has to say, the read says too */
}

int plain_lines_next(plain_lines *l, const char *prompt, const atomic_int *cancel, const char **line, size_t *n) {
    if (l->at) memmove(l->bytes.bytes, l->bytes.bytes + l->at, l->bytes.n - l->at);
    l->bytes.n -= l->at;
    l->at = 0;
    if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO)) file_write_fd(STDERR_FILENO, "stderr", prompt, strlen(prompt));
    for (size_t seen = 0;;) {
        char *end = l->bytes.n > seen ? memchr(l->bytes.bytes + seen, '\n', l->bytes.n - seen) : NULL;
        seen = l->bytes.n;
        bool too_long = l->skipping || (end ? (size_t)(end - l->bytes.bytes) : l->bytes.n) > LONGEST;
        if (end || (l->ended && l->bytes.n)) {
            size_t length = end ? (size_t)(end - l->bytes.bytes) : l->bytes.n;
            l->at = length + (end != NULL);
            l->skipping = false;
            if (too_long) return -EFBIG;
            l->bytes.bytes[length] = 0; /* there is room: buf_reserve keeps a byte for it */
            if (length && l->bytes.bytes[length - 1] == '\r') l->bytes.bytes[--length] = 0;
            *line = l->bytes.bytes;
            *n = length;
            return 1;
        }
        if (l->ended) {
            int r = l->skipping ? -EFBIG : 0;
            l->skipping = false;
            return r;
        }
        if (too_long) {
            l->skipping = true;
            l->bytes.n = seen = 0;
        }
        char *room = buf_reserve(&l->bytes, 1 << 16);
        if (!room) return -ENOMEM;
        if (cancel && !plain_lines_wait(cancel, NULL)) return -EINTR;
        ssize_t got = io.read(STDIN_FILENO, room, 1 << 16);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (!got) l->ended = true;
        buf_advance(&l->bytes, (size_t)got);
    }
}
