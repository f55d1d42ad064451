/* follow.c -- `glimpse follow DIR`: the coloured log of a run, as its evals arrive, from the journal.
 *
 * Nothing is locked and nothing written: it may be started before the run, and goes on into the next one.  What is shown is
 * drawn for the terminal at hand (its depth of colour, its width), unlike sample.ansi, which has one form for all. */
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_LINE ((int64_t)1 << 30)
enum { LOOK_MS = 200 };

typedef struct follower {
    const session_host *host;
    view_style style;
    char *path;
    int fd;             /* the journal, -1 = not there yet */
    dev_t device;
    ino_t inode;
    int64_t at;         /* the first byte not yet shown */
    buffer line;        /* from `at` on, as far as it was read */
    int error;          /* errno of the output */
} follower;

static void say(follower *f, const buffer *b) {
    if (b->n && !f->error && f->host->out) f->error = f->host->out(f->host->user, b->bytes, b->n);
}

static glimpse_status show_record(follower *f, const glimpse_record *r) {
    buffer b = {0};
    glimpse_status st = r->n_samples ? view_sample_ansi(r, &f->style, &b) : view_one_line(r, &f->style, &b);
    if (st >= 0 && b.n && b.bytes[b.n - 1] != '\n') buf_putc(&b, '\n');
    if (buf_failed(&b)) st = status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for an eval's text");
    if (st >= 0) say(f, &b);
    buf_free(&b);
    return st;
}

/* A line that is none of ours is passed over, as by every reader of the journal. */
static glimpse_status show_line(follower *f, const char *line, size_t n) {
    owned_record *r = NULL;
    glimpse_status st = journal_decode(line, n, &r);
    if (st == GLIMPSE_E_MEMORY) return st;
    if (st < 0) return GLIMPSE_OK;
    st = show_record(f, &r->record);
    record_free(&r->record);
    return st;
}

/* Where the last whole line begins: there one starts to look. */
static int64_t last_line(int fd, int64_t size) {
    char chunk[4096];
    int newlines = 0;
    for (int64_t to = size; to > 0;) {
        int64_t from = to > (int64_t)sizeof chunk ? to - (int64_t)sizeof chunk : 0;
        ssize_t n = io.pread(fd, chunk, (size_t)(to - from), from);
        if (n <= 0) return size;
        for (ssize_t i = n; i > 0; i--)
            if (chunk[i - 1] == '\n' && ++newlines == 2) return from + i;
        to = from;
    }
    return 0;
}

/* The journal that stands there now; another than before (a new run) is shown from its beginning. */
static glimpse_status look_up(follower *f) {
    struct stat now, have;
    bool first = f->fd < 0 && !f->inode;
    if (stat(f->path, &now)) return GLIMPSE_OK;
    if (f->fd >= 0 && now.st_dev == f->device && now.st_ino == f->inode && now.st_size >= f->at) return GLIMPSE_OK;
    int fd = io.open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0 && (errno == ENOENT || errno == EINTR)) return GLIMPSE_OK;
    if (fd < 0) FAIL(GLIMPSE_E_IO, "%s: %s", f->path, strerror(errno));
    if (io.fstat(fd, &have) || !S_ISREG(have.st_mode)) {
        io.close(fd);
        FAIL(GLIMPSE_E_IO, "%s is no file", f->path);
    }
    if (f->fd >= 0) io.close(f->fd);
    f->fd = fd;
    f->device = have.st_dev;
    f->inode = have.st_ino;
    f->at = first ? last_line(fd, have.st_size) : 0;
    buf_clear(&f->line);
    return GLIMPSE_OK;
}

/* Show the whole lines that came since. */
static glimpse_status read_on(follower *f) {
    for (;;) {
        char *room = buf_reserve(&f->line, 1 << 16);
        if (!room) FAIL(GLIMPSE_E_MEMORY, "no memory for a line of %s", f->path);
        ssize_t n = io.pread(f->fd, room, 1 << 16, f->at + (int64_t)f->line.n);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) FAIL(GLIMPSE_E_IO, "%s: %s", f->path, strerror(errno));
        if (n == 0) return GLIMPSE_OK;
        buf_advance(&f->line, (size_t)n);
        for (char *end; (end = memchr(f->line.bytes, '\n', f->line.n));) {
            size_t whole = (size_t)(end + 1 - f->line.bytes);
            TRY(show_line(f, f->line.bytes, whole - 1));
            memmove(f->line.bytes, end + 1, f->line.n - whole);
            f->line.n -= whole;
            f->at += (int64_t)whole;
            if (f->error) return GLIMPSE_OK;
        }
        if ((int64_t)f->line.n > LONGEST_LINE) FAIL(GLIMPSE_E_FORMAT, "%s: a line of more than 1 GiB", f->path);
    }
}

glimpse_status session_follow(const options *o, const char *dir, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    follower f = { .host = host, .fd = -1 };
    buffer boundary = {0}, waiting = {0};
    session as_if = { .o = (options *)(uintptr_t)o, .host = *host }; /* the style is asked of a session */
    TRY_GOTO(view_style_of(o, &as_if.style, &boundary));
    if (!opt_is_set(o, OPT_colorize_output)) as_if.style.colorize = true;
    f.style = session_terminal_style(&as_if, true);
    if (path_exists(dir) && !path_is_dir(dir))
        FAIL_GOTO(GLIMPSE_E_INVALID, "%s is no directory\nhint: `glimpse follow DIR` takes the out_dir of a run", dir);
    f.path = path_join(dir, "evals.jsonl");
    if (!f.path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(look_up(&f));
    if (f.fd < 0) buf_printf(&waiting, "glimpse: waiting for %s", f.path);
    if (waiting.n && !buf_failed(&waiting) && host->log) host->log(host->user, buf_str(&waiting));
    while (!f.error) {
        if (f.fd >= 0) TRY_GOTO(read_on(&f));
        nanosleep(&(struct timespec){ 0, LOOK_MS * 1000000L }, NULL);
        TRY_GOTO(look_up(&f));
    }
    if (f.error != EPIPE) { /* a reader that went away had enough */
        char room[64];
        FAIL_GOTO(GLIMPSE_E_IO, "the log cannot be shown: %s", strerror_r(f.error, room, sizeof room));
    }
out:
    if (f.fd >= 0) io.close(f.fd);
    buf_free(&f.line);
    buf_free(&boundary);
    buf_free(&waiting);
    free(f.path);
    return st;
}
