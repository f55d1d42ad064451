/* journal.c -- the file evals.jsonl (journal.h): opening after whatever happened, appending whole lines, reading.
 *
 *   opened --append: one write, synced--> one line longer
 *                 \--failed--> cut back to the size before; the line is not acknowledged
 * The directory itself is locked (flock), so the lock dies with its owner and leaves no file. */
#include "hooks/journal.h"

#include "include/internal/file.h"
#include "include/internal/status.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE ((size_t)1 << 30)

struct journal {
    int dir_fd;
    file f; /* f.size: bytes acknowledged */
};

/* --- reading lines ------------------------------------------------------------------------------------------------ */

/* The line [from, to) of an open file. */
static glimpse_status read_span(const file *f, int64_t from, int64_t to, buffer *line) {
    buf_clear(line);
    if (to - from > (int64_t)MAX_LINE)
        FAIL(GLIMPSE_E_FORMAT, "%s: a line of %lld bytes at byte %lld is too long", f->path, (long long)(to - from),
             (long long)from);
    char *room = buf_reserve(line, (size_t)(to - from));
    if (!room) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for a line of %lld bytes", f->path, (long long)(to - from));
    TRY(file_read_at(f, from, room, (size_t)(to - from)));
    buf_advance(line, (size_t)(to - from));
    return GLIMPSE_OK;
}

/* Where the last newline before `end` stands, -1 = there is none. */
static glimpse_status newline_before(const file *f, int64_t end, int64_t *at) {
    char chunk[65536];
    while (end > 0) {
        int64_t n = end < (int64_t)sizeof chunk ? end : (int64_t)sizeof chunk;
        TRY(file_read_at(f, end - n, chunk, (size_t)n));
        for (int64_t i = n - 1; i >= 0; i--)
            if (chunk[i] == '\n') {
                *at = end - n + i;
                return GLIMPSE_OK;
            }
        end -= n;
    }
    *at = -1;
    return GLIMPSE_OK;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void name_run(char run[16]) {
    uint8_t r[3];
    if (getrandom(r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        uint64_t x = ((uint64_t)t.tv_nsec << 20 ^ (uint64_t)t.tv_sec ^ (uint64_t)getpid()) * 0x9E3779B97F4A7C15u;
        r[0] = (uint8_t)(x >> 56), r[1] = (uint8_t)(x >> 48), r[2] = (uint8_t)(x >> 40);
    }
    c_snprintf(run, 16, "%02x%02x%02x", r[0], r[1], r[2]);
}

/* A run's name is put into file names: only what we write ourselves is taken over. */
static bool plain_name(const char *s) {
    size_t n = strspn(s, "0123456789abcdef");
    return n && n < 16 && !s[n];
}

static glimpse_status cut(journal *j, int64_t size) {
    if (io.ftruncate(j->f.fd, size)) FAIL(GLIMPSE_E_IO, "%s: cannot be cut to %lld bytes: %s", j->f.path, (long long)size,
                                          strerror(errno));
    j->f.size = size;
    return GLIMPSE_OK;
}

/* Our file, to be read and appended to; a link is followed, anything but a regular file refused. */
static glimpse_status open_file(journal *j) {
    struct stat s;
    j->f.fd = io.open(j->f.path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (j->f.fd < 0 || io.fstat(j->f.fd, &s)) FAIL(GLIMPSE_E_IO, "%s: %s", j->f.path, strerror(errno));
    if (!S_ISREG(s.st_mode)) FAIL(GLIMPSE_E_IO, "%s: is no regular file", j->f.path);
    j->f.size = s.st_size;
    return GLIMPSE_OK;
}

/* Keep bytes [from, end) as evals.jsonl.torn-<time> and cut them off. */
static glimpse_status cut_torn(journal *j, int64_t from, int64_t end) {
    glimpse_status st = GLIMPSE_OK;
    buffer bytes = {0}, name = {0};
    TRY_GOTO(read_span(&j->f, from, end, &bytes));
    buf_printf(&name, "%s.torn-%lld", j->f.path, (long long)time(NULL));
    if (buf_failed(&name)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(file_write_atomic(buf_str(&name), bytes.bytes, bytes.n, true));
    TRY_GOTO(cut(j, from));
out:
    buf_free(&bytes);
    buf_free(&name);
    return st;
}

/* Find the last line that is whole and can be read; cut off what stands after it. */
static glimpse_status find_last(journal *j, owned_record **last) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0};
    int64_t end = j->f.size, good = j->f.size;
    *last = NULL;
    while (good > 0 && !*last) {
        int64_t nl, before;
        TRY_GOTO(newline_before(&j->f, good, &nl));
        if (nl < 0) {
            good = 0;
            break;
        }
        good = nl + 1;
        TRY_GOTO(newline_before(&j->f, nl, &before));
        TRY_GOTO(read_span(&j->f, before + 1, nl, &line));
        if (journal_decode(buf_str(&line), line.n, last) < 0) good = before + 1;
    }
    if (good < end) TRY_GOTO(cut_torn(j, good, end));
out:
    buf_free(&line);
    if (st < 0 && *last) {
        record_free(&(*last)->record);
        *last = NULL;
    }
    return st;
}

static glimpse_status set_aside(journal *j, const char *run) {
    glimpse_status st = GLIMPSE_OK;
    buffer to = {0};
    buf_put(&to, j->f.path, strlen(j->f.path) - strlen("jsonl"));
    buf_puts(&to, run);
    buf_puts(&to, ".jsonl");
    if (buf_failed(&to)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (io.rename(j->f.path, buf_str(&to)))
        FAIL_GOTO(GLIMPSE_E_IO, "%s: cannot be set aside as %s: %s", j->f.path, buf_str(&to), strerror(errno));
    io.close(j->f.fd);
    TRY_GOTO(open_file(j));
out:
    buf_free(&to);
    return st;
}

glimpse_status journal_open(const char *dir, int64_t first_step, const char *run, const char *arch, int64_t n_params,
                            journal **out, journal_state *state) {
    glimpse_status st = GLIMPSE_OK;
    owned_record *last = NULL;
    journal_state s = { .last_step = -1, .best_val_loss = NAN, .best_step = -1 };
    journal *j = calloc(1, sizeof *j);
    if (!j) FAIL(GLIMPSE_E_MEMORY, "no memory for the journal");
    j->f.fd = j->dir_fd = -1;
    TRY_GOTO(mkdir_p(dir));
    j->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->dir_fd < 0) FAIL_GOTO(GLIMPSE_E_IO, "%s: %s", dir, strerror(errno));
    if (flock(j->dir_fd, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK)
            FAIL_GOTO(GLIMPSE_E_STATE, "%s: another run is writing here\nhint: give this run its own --out_dir", dir);
        FAIL_GOTO(GLIMPSE_E_IO, "%s: cannot be locked: %s", dir, strerror(errno));
    }
    j->f.path = path_join(dir, "evals.jsonl");
    if (!j->f.path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(open_file(j));
    TRY_GOTO(find_last(j, &last));
    if (last) {
        const glimpse_record *r = &last->record;
        bool same = run && *run && !strcmp(r->run, run);
        s.continued = (first_step > 0 || same) && !strcmp(r->kind, "train") && !strcmp(r->arch, arch) && r->n_params == n_params
                      && plain_name(r->run);
        if (s.continued) {
            c_snprintf(s.run, sizeof s.run, "%s", r->run);
            s.next_seq = r->seq + 1;
            s.last_step = r->step;
            s.best_val_loss = r->best_val_loss;
            s.best_step = r->best_step;
            s.last = last;
            last = NULL;
        } else {
            if (plain_name(r->run)) c_snprintf(s.set_aside, sizeof s.set_aside, "%s", r->run);
            else c_snprintf(s.set_aside, sizeof s.set_aside, "%llx", (unsigned long long)time(NULL));
            TRY_GOTO(set_aside(j, s.set_aside));
        }
    }
    if (!s.continued && run && plain_name(run)) c_snprintf(s.run, sizeof s.run, "%s", run);
    else if (!s.continued) name_run(s.run);
    *state = s;
    *out = j;
    j = NULL;
    s.last = NULL;
out:
    if (last) record_free(&last->record);
    if (st < 0 && s.last) record_free(&s.last->record);
    journal_close(j);
    return st;
}

glimpse_status journal_append(journal *j, const buffer *line) {
    glimpse_status st = file_append_sync(j->f.fd, j->f.path, line->bytes, line->n);
    if (st < 0) {
        /* Nothing half-written: what did get out is cut off.  If even that fails, the next open cuts it. */
        buffer why = {0};
        buf_puts(&why, status_text());
        (void)cut(j, j->f.size);
        st = status_set_text(st, buf_str(&why));
        buf_free(&why);
        return st;
    }
    j->f.size += (int64_t)line->n;
    return GLIMPSE_OK;
}

void journal_close(journal *j) {
    if (!j) return;
    file_close(&j->f);
    if (j->dir_fd >= 0) close(j->dir_fd);
    free(j);
}

/* --- reading a whole journal -------------------------------------------------------------------------------------- */

typedef struct line_key {
    int64_t from, to, step;
    char kind[12];
} line_key;

static int by_step(const void *a, const void *b) { /* kind, step, later first */
    const line_key *x = a, *y = b;
    int k = strcmp(x->kind, y->kind);
    if (k) return k;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    return x->from < y->from ? 1 : -1;
}

static int by_place(const void *a, const void *b) {
    const line_key *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static glimpse_status list_lines(const file *f, buffer *keys) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0};
    char chunk[65536];
    int64_t from = 0;
    for (int64_t at = 0, size = f->size; at < size;) {
        int64_t n = size - at < (int64_t)sizeof chunk ? size - at : (int64_t)sizeof chunk;
        TRY_GOTO(file_read_at(f, at, chunk, (size_t)n));
        for (int64_t i = 0; i < n; i++) {
            if (chunk[i] != '\n') continue;
            owned_record *r;
            int64_t to = at + i;
            TRY_GOTO(read_span(f, from, to, &line));
            if (journal_decode(buf_str(&line), line.n, &r) < 0) {
                HINT("%s: the line at byte %lld", f->path, (long long)from);
                st = GLIMPSE_E_FORMAT;
                goto out;
            }
            line_key k = { .from = from, .to = to, .step = r->record.step };
            c_snprintf(k.kind, sizeof k.kind, "%s", r->record.kind);
            record_free(&r->record);
            buf_put(keys, &k, sizeof k);
            from = to + 1;
        }
        at += n;
    }
    if (buf_failed(keys)) FAIL_GOTO(GLIMPSE_E_MEMORY, "%s: no memory for its lines", f->path);
out:
    buf_free(&line);
    return st;
}

glimpse_status journal_read(const char *path, glimpse_status (*each)(void *user, owned_record *r), void *user) {
    glimpse_status st = GLIMPSE_OK;
    buffer keys = {0}, line = {0};
    file f = FILE_INIT;
    TRY_GOTO(file_open_read(path, &f));
    TRY_GOTO(list_lines(&f, &keys));
    line_key *k = (line_key *)(void *)keys.bytes;
    size_t n = keys.n / sizeof *k, left = 0;
    if (n) qsort(k, n, sizeof *k, by_step);
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(k[i].kind, k[i - 1].kind) || k[i].step != k[i - 1].step) k[left++] = k[i];
    if (left) qsort(k, left, sizeof *k, by_place);
    for (size_t i = 0; i < left; i++) {
        owned_record *r;
        TRY_GOTO(read_span(&f, k[i].from, k[i].to, &line));
        TRY_GOTO(journal_decode(buf_str(&line), line.n, &r));
        st = each(user, r);
        record_free(&r->record);
        if (st < 0) goto out;
    }
    st = GLIMPSE_OK;
out:
    file_close(&f);
    buf_free(&keys);
    buf_free(&line);
    return st;
}
