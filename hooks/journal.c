/* journal.c -- the file evals.jsonl (journal.h): opening after whatever happened, appending whole lines, reading.
 *
 *   opened --append: one write, synced--> one line longer
 *                 \--failed--> cut back to the size before; the line is not acknowledged
 * The directory itself is locked (flock), so the lock dies with its owner and leaves no file. */
#include "hooks/journal.h"

#include "hooks/journal_lines.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "viz/tensorboard.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct journal {
    int dir_fd;
    file f;      /* f.size: bytes acknowledged */
    file_id dir_id, id; /* inline they are descriptors among the host's */
    bool beyond; /* there may be bytes beyond them that could not be cut off */
    char older[48]; /* the file is still that run's, which is set aside before the first line of ours; "" = it is ours */
    char *window;   /* bytes [window_from, window_to) of the file, for walking back; NULL = none were read */
    int64_t window_from, window_to;
};

enum { WINDOW = 65536 }; /* on the heap: inline the trainer's thread walks, and its stack is not ours to fill */

/* --- reading lines ------------------------------------------------------------------------------------------------ */

/* The line [from, to) of an open file. */
static glimpse_status read_span(const file *f, int64_t from, int64_t to, buffer *line) {
    buf_clear(line);
    return lines_read(f, from, to, line);
}

static void drop_window(journal *j) {
    free(j->window);
    j->window = NULL;
    j->window_from = j->window_to = 0;
}

/* Where the last newline before `end` stands, -1 = there is none.  The next search begins in the bytes that are at hand: many
 * short lines cost the bytes that they are. */
static glimpse_status newline_before(journal *j, int64_t end, int64_t *at) {
    if (!j->window && !(j->window = malloc(WINDOW))) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for walking back", j->f.path);
    while (end > 0) {
        if (end <= j->window_from || end > j->window_to) {
            int64_t from = end < WINDOW ? 0 : end - WINDOW;
            j->window_from = j->window_to = 0;
            TRY(file_read_at(&j->f, from, j->window, (size_t)(end - from)));
            j->window_from = from;
            j->window_to = end;
        }
        const char *found = memrchr(j->window, '\n', (size_t)(end - j->window_from));
        if (found) {
            *at = j->window_from + (found - j->window);
            return GLIMPSE_OK;
        }
        end = j->window_from;
    }
    *at = -1;
    return GLIMPSE_OK;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* A run's name is put into file names: only what we write ourselves is taken over. */
static bool plain_name(const char *s) {
    size_t n = strspn(s, "0123456789abcdef");
    return n && n < 16 && !s[n];
}

static glimpse_status cut(journal *j, int64_t size) {
    int failed;
    drop_window(j);
    do failed = io.ftruncate(j->f.fd, size);
    while (failed && errno == EINTR);
    j->beyond = failed != 0;
    if (failed)
        FAIL(GLIMPSE_E_IO, "%s: cannot be cut to %lld bytes: %s", j->f.path, (long long)size, strerror(errno));
    j->f.size = size;
    return GLIMPSE_OK;
}

/* Our file, to be read and appended to; a link is followed, anything but a regular file refused. */
static glimpse_status open_file(journal *j) {
    struct stat s;
    j->f.fd = file_open_fd(j->f.path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK);
    j->id = (file_id){0, 0};
    if (j->f.fd < 0 || io.fstat(j->f.fd, &s)) FAIL(GLIMPSE_E_IO, "%s: %s", j->f.path, strerror(errno));
    j->id = (file_id){s.st_dev, s.st_ino}; /* also of one that is refused, and closed */
    if (!S_ISREG(s.st_mode)) FAIL(GLIMPSE_E_IO, "%s: is no regular file", j->f.path);
    j->f.size = s.st_size;
    return GLIMPSE_OK;
}

/* The name of a journal that is still empty, and those of the directories above it, survive a crash.  A directory that we
 * may not read is not ours to sync. */
static glimpse_status sync_names(const char *dir) {
    TRY(dir_sync(dir));
    char *at = strdup(dir);
    while (at && strcmp(at, ".") && strcmp(at, "/")) {
        char *up = path_dir(at);
        free(at);
        at = up;
        if (at) (void)dir_sync(at);
    }
    if (!at) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    free(at);
    return GLIMPSE_OK;
}

/* Keep bytes [from, end) as evals.jsonl.torn-<time> and cut them off. */
static glimpse_status cut_torn(journal *j, int64_t from, int64_t end) {
    glimpse_status st = GLIMPSE_OK;
    buffer bytes = {0}, name = {0};
    TRY_GOTO(read_span(&j->f, from, end, &bytes));
    for (int i = 1; i == 1 || (i < 1000 && path_exists(buf_str(&name))); i++) { /* never over an older one's */
        buf_clear(&name);
        buf_printf(&name, "%s.torn-%lld", j->f.path, (long long)time(NULL));
        if (i > 1) buf_printf(&name, "-%d", i);
        if (buf_failed(&name)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    }
    TRY_GOTO(file_write_atomic(buf_str(&name), bytes.bytes, bytes.n, true));
    TRY_GOTO(cut(j, from));
out:
    buf_free(&bytes);
    buf_free(&name);
    return st;
}

/* The line that ends before byte `end`: [*from, *to), *from = -1 if there is none. */
static glimpse_status line_before(journal *j, int64_t end, int64_t *from, int64_t *to, buffer *line) {
    int64_t before;
    *from = -1;
    TRY(newline_before(j, end, to));
    if (*to < 0) return GLIMPSE_OK;
    TRY(newline_before(j, *to, &before));
    TRY(read_span(&j->f, before + 1, *to, line));
    *from = before + 1;
    return GLIMPSE_OK;
}

typedef glimpse_status decoder(const char *line, size_t n, owned_record **out);

/* GLIMPSE_E_FORMAT only where it is said twice: memory that was short for a moment looks the same. */
static glimpse_status decode_surely(decoder *decode, const buffer *line, owned_record **out) {
    glimpse_status st = decode(buf_str(line), line->n, out);
    return st == GLIMPSE_E_FORMAT ? decode(buf_str(line), line->n, out) : st;
}

/* Find the last line that is whole and can be read; cut off what stands after it and keep that aside.  *end is where the
 * line begins.  Only what is no line of a journal is cut: out of memory or an unreadable disk is an error. */
static glimpse_status find_last(journal *j, owned_record **last, int64_t *begin, int64_t *torn) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0};
    int64_t end = j->f.size, good = j->f.size;
    *last = NULL;
    while (good > 0 && !*last) {
        int64_t from, to;
        TRY_GOTO(line_before(j, good, &from, &to, &line));
        good = from < 0 ? 0 : to + 1;
        if (from < 0) break;
        glimpse_status read = decode_surely(journal_decode, &line, last);
        if (read == GLIMPSE_E_UNSUPPORTED) {
            status_prefix(read, j->f.path);
            HINT("a newer Glimpse wrote it: take that one, or another --out_dir");
        }
        if (read < 0 && read != GLIMPSE_E_FORMAT) {
            st = read;
            goto out;
        }
        if (read < 0) good = from;
        *begin = from;
    }
    if (good < end) TRY_GOTO(cut_torn(j, good, end));
    *torn = end - good;
out:
    buf_free(&line);
    if (st < 0 && *last) {
        record_free(&(*last)->record);
        *last = NULL;
    }
    return st;
}

/* *r, whose line begins at *begin, becomes the record of the line before, NULL = there is none; damaged lines are passed over. */
static glimpse_status step_back(journal *j, int64_t *begin, owned_record **r) {
    glimpse_status st = GLIMPSE_E_FORMAT;
    buffer line = {0};
    int64_t to;
    if (*r) record_free(&(*r)->record);
    *r = NULL;
    while (st == GLIMPSE_E_FORMAT) {
        TRY_GOTO(line_before(j, *begin, begin, &to, &line));
        st = *begin < 0 ? GLIMPSE_OK : journal_decode(buf_str(&line), line.n, r);
    }
out:
    buf_free(&line);
    return st;
}

void journal_last_steps(const char *path, int64_t *last, int64_t *before) {
    journal j = {.f = FILE_INIT};
    owned_record *r = NULL;
    int64_t *to = last;
    *last = *before = -1;
    if (!path_is_file(path) || file_open_read(path, &j.f) < 0) return;
    int64_t begin = j.f.size;
    while (to && step_back(&j, &begin, &r) >= 0 && r) {
        if (strcmp(r->record.kind, "train")) continue;
        *to = r->record.step;
        to = to == last ? before : NULL;
    }
    if (r) record_free(&r->record);
    drop_window(&j);
    file_close(&j.f);
}

/* A run that goes on at `step` leaves the lines from there on behind: *last becomes the last one before, NULL = none. */
static glimpse_status walk_back(journal *j, int64_t step, int64_t *begin, owned_record **last, int64_t *left_from) {
    while (*last && (*last)->record.step >= step) {
        if ((*last)->record.step < *left_from) *left_from = (*last)->record.step;
        TRY(step_back(j, begin, last));
    }
    return GLIMPSE_OK;
}

/* Skipped because its loss was no better; any other reason leaves a sample that was due: it could not be begun. */
static bool was_not_due(const glimpse_record *r) {
    return !strcmp(r->status, "skipped") && isfinite(r->val_loss) && r->best_step != r->step;
}

/* What became of the last eval that was due, of those up to the line at `begin` that count. */
static glimpse_status find_owed(journal *j, int64_t begin, const owned_record *last, bool *owed) {
    glimpse_status st = GLIMPSE_OK;
    owned_record *r = NULL;
    buffer line = {0};
    if (!last) return GLIMPSE_OK;
    TRY_GOTO(journal_encode(&last->record, &line)); /* a copy */
    TRY_GOTO(journal_decode(line.bytes, line.n - 1, &r));
    while (r && was_not_due(&r->record)) {
        int64_t step = r->record.step;
        do TRY_GOTO(step_back(j, &begin, &r));
        while (r && r->record.step >= step);
        if (r && strcmp(r->record.run, last->record.run)) break;
    }
    *owed = r && strcmp(r->record.status, "ok") && !strcmp(r->record.run, last->record.run);
out:
    if (r) record_free(&r->record);
    buf_free(&line);
    return st;
}

void journal_aside(const char *name, const char *run, buffer *out) {
    const char *dot = strrchr(name, '.');
    buf_put(out, name, dot ? (size_t)(dot - name) : strlen(name));
    buf_printf(out, ".%s%s", run, dot ? dot : "");
}

/* What the run of this id is called from now on. */
static void name_aside(const journal *j, const char *run, char *name, size_t cap) {
    time_t began = (time_t)lines_began(&j->f, NULL);
    struct tm t;
    char date[24] = "", id[20];
    if (began > 0 && gmtime_r(&began, &t)) strftime(date, sizeof date, "%Y-%m-%d_%H%M_", &t);
    if (plain_name(run)) c_snprintf(id, sizeof id, "%s", run);
    else c_snprintf(id, sizeof id, "%llx", (unsigned long long)time(NULL));
    c_snprintf(name, cap, "%s%s", date, id);
}

static glimpse_status set_aside(journal *j, const char *run) {
    glimpse_status st = GLIMPSE_OK;
    buffer name = {0}, to = {0};
    char *dir = path_dir(j->f.path);
    journal_aside(path_base(j->f.path), run, &name);
    buf_put(&to, j->f.path, strlen(j->f.path) - strlen(path_base(j->f.path)));
    buf_puts(&to, buf_str(&name));
    if (!dir || buf_failed(&name) || buf_failed(&to)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (io.rename(j->f.path, buf_str(&to)))
        FAIL_GOTO(GLIMPSE_E_IO, "%s: cannot be set aside as %s: %s", j->f.path, buf_str(&to), strerror(errno));
    j->older[0] = 0;
    io.close(j->f.fd);
    j->f.fd = -1;
    TRY_GOTO(dir_sync(dir)); /* before another file takes the name */
    TRY_GOTO(open_file(j));
    if (j->f.size == 0) TRY_GOTO(sync_names(dir));
out:
    free(dir);
    buf_free(&name);
    buf_free(&to);
    return st;
}

glimpse_status journal_lock(const char *dir, int *fd) {
    *fd = file_open_fd(dir, O_RDONLY | O_DIRECTORY);
    if (*fd < 0) FAIL(GLIMPSE_E_IO, "%s: %s", dir, strerror(errno));
    if (!flock(*fd, LOCK_EX | LOCK_NB)) return GLIMPSE_OK;
    int why = errno;
    io.close(*fd);
    *fd = -1;
    if (why == EWOULDBLOCK)
        FAIL(GLIMPSE_E_BUSY, "%s: another run is writing here\nhint: give this run its own --out_dir", dir);
    FAIL(GLIMPSE_E_IO, "%s: cannot be locked: %s", dir, strerror(why));
}

bool journal_is_gone(const journal *j) {
    struct stat ours, there;
    return io.fstat(j->f.fd, &ours) || stat(j->f.path, &there) || ours.st_ino != there.st_ino || ours.st_dev != there.st_dev ||
           (there.st_size != j->f.size && !j->beyond);
}

/* The run that the journal is of goes on at `first_step`, *last being its last line; not where nothing of it would stay. */
static glimpse_status go_on(journal *j, bool same, int64_t first_step, int64_t since, int64_t begin, owned_record **last, journal_state *state) {
    const glimpse_record *r = &(*last)->record;
    const bool own = since > 0 && events_time(r->time) >= (double)since;
    const int64_t from = own && r->step >= first_step ? r->step + 1 : first_step;
    journal_state s = *state;
    c_snprintf(s.run, sizeof s.run, "%s", r->run);
    s.next_seq = r->seq + 1;
    s.left_from = s.newest_step = r->step;
    s.superseded = r->step >= from;
    TRY(walk_back(j, from, &begin, last, &s.left_from));
    if (!*last && !same) return GLIMPSE_OK;
    TRY(find_owed(j, begin, *last, &s.owed));
    if (*last) {
        s.last_step = (*last)->record.step;
        s.best_val_loss = (*last)->record.best_val_loss;
        s.best_step = (*last)->record.best_step;
    }
    s.continued = true;
    s.last = *last;
    *last = NULL;
    *state = s;
    return GLIMPSE_OK;
}

glimpse_status journal_open(const char *dir, int lock, int64_t began, int64_t first_step, int64_t since, const char *run,
                            const char *arch, int64_t n_params, journal **out, journal_state *state) {
    glimpse_status st = GLIMPSE_OK;
    owned_record *last = NULL;
    journal_state s = { .last_step = -1, .newest_step = -1, .best_val_loss = NAN, .best_step = -1 };
    journal *j = calloc(1, sizeof *j);
    if (!j) {
        close(lock);
        FAIL(GLIMPSE_E_MEMORY, "no memory for the journal");
    }
    j->f.fd = -1;
    j->dir_fd = lock;
    j->dir_id = file_id_of(lock);
    j->f.path = path_join(dir, "evals.jsonl");
    if (!j->f.path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(open_file(j));
    int64_t begin = 0;
    TRY_GOTO(find_last(j, &last, &begin, &s.torn));
    if (last) {
        const glimpse_record *r = &last->record;
        const bool same = run && *run && !strcmp(r->run, run), train = !strcmp(r->kind, "train");
        char older[sizeof s.run];
        c_snprintf(older, sizeof older, "%s", plain_name(r->run) ? r->run : "");
        if (train && *older && (began > 0 || same) && !strcmp(r->arch, arch) && r->n_params == n_params)
            TRY_GOTO(go_on(j, same, first_step, since, begin, &last, &s));
        if (!s.continued) {
            name_aside(j, older, s.set_aside, sizeof s.set_aside);
            c_snprintf(j->older, sizeof j->older, "%s", s.set_aside);
        }
    }
    if (j->f.size == 0) TRY_GOTO(sync_names(dir));
    if (!s.continued && run && plain_name(run)) c_snprintf(s.run, sizeof s.run, "%s", run);
    else if (!s.continued) record_name_run(s.run);
    drop_window(j); /* a run is long, and walks back no more */
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

glimpse_status journal_begin(journal *j) { return j->older[0] ? set_aside(j, j->older) : GLIMPSE_OK; }

glimpse_status journal_append(journal *j, const buffer *line) {
    if ((int64_t)line->n > JOURNAL_MAX_LINE)
        FAIL(GLIMPSE_E_INVALID, "a journal line of %zu MB is more than can be read again\nhint: a smaller --record_top, fewer "
             "samples or tokens", line->n >> 20);
    TRY(journal_begin(j));
    if (j->beyond) TRY(cut(j, j->f.size)); /* a line behind half of another would be lost with it */
    glimpse_status st = file_append_sync(j->f.fd, j->f.path, line->bytes, line->n);
    if (st < 0) {
        /* Nothing half-written: what did get out is cut off.  If even that fails, the next append or open cuts it. */
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
    drop_window(j);
    if (!file_is(j->f.fd, j->id)) j->f.fd = -1;
    file_close(&j->f);
    if (file_is(j->dir_fd, j->dir_id)) close(j->dir_fd);
    free(j);
}

/* --- reading a whole journal -------------------------------------------------------------------------------------- */

/* Kind and step of a line.  One that is whole is as it was written, and all that is asked stands in its head: of a long run the lines
 * are listed in a fraction of the time that it takes to decode them. */
static glimpse_status look_at(const char *line, size_t n, journal_line *k) {
    static const char version[] = "{\"v\":1,";
    owned_record *r;
    if (n > sizeof version && !memcmp(line, version, sizeof version - 1) && lines_head(line, n, k) && journal_line_is_whole(line, n)) return GLIMPSE_OK;
    TRY(journal_decode(line, n, &r));
    k->step = r->record.step;
    c_snprintf(k->kind, sizeof k->kind, "%s", r->record.kind);
    record_free(&r->record);
    return GLIMPSE_OK;
}

static glimpse_status list_lines(const file *f, journal_lines *lines, int64_t *unread) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0};
    char *chunk = malloc(WINDOW);
    int64_t from = 0;
    if (!chunk) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for its lines", f->path);
    for (int64_t at = 0, size = f->size; at < size;) {
        int64_t n = size - at < WINDOW ? size - at : WINDOW;
        TRY_GOTO(file_read_at(f, at, chunk, (size_t)n));
        for (const char *p = chunk, *nl; (nl = memchr(p, '\n', (size_t)(chunk + n - p))); p = nl + 1) {
            journal_line k = { .from = from, .to = at + (nl - chunk) };
            TRY_GOTO(read_span(f, k.from, k.to, &line));
            from = k.to + 1;
            glimpse_status read = look_at(buf_str(&line), line.n, &k);
            if (read == GLIMPSE_E_FORMAT) {
                ++*unread;
                continue;
            }
            TRY_GOTO(read);
            lines_add(lines, k);
        }
        at += n;
    }
    if (buf_failed(&lines->all)) FAIL_GOTO(GLIMPSE_E_MEMORY, "%s: no memory for its lines", f->path);
out:
    free(chunk);
    buf_free(&line);
    return st;
}

static glimpse_status read_lines(const char *path, decoder *decode, glimpse_status (*each)(void *user, owned_record *r), void *user,
                                 int64_t *unread) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0};
    journal_lines lines = {0};
    file f = FILE_INIT;
    *unread = 0;
    TRY_GOTO(file_open_read(path, &f));
    TRY_GOTO(list_lines(&f, &lines, unread));
    const journal_line *k = (const journal_line *)(const void *)lines.all.bytes;
    for (size_t i = 0; i < lines.all.n / sizeof *k; i++) {
        owned_record *r;
        if (k[i].from < 0) continue;
        TRY_GOTO(read_span(&f, k[i].from, k[i].to, &line));
        st = decode_surely(decode, &line, &r);
        if (st == GLIMPSE_E_FORMAT) { /* whole, and yet no record of ours */
            ++*unread;
            continue;
        }
        TRY_GOTO(st);
        st = each(user, r);
        record_free(&r->record);
        if (st < 0) goto out;
    }
    st = GLIMPSE_OK;
out:
    file_close(&f);
    lines_free(&lines);
    buf_free(&line);
    return st;
}

glimpse_status journal_read(const char *path, glimpse_status (*each)(void *user, owned_record *r), void *user, int64_t *unread) {
    return read_lines(path, journal_decode, each, user, unread);
}

glimpse_status journal_read_light(const char *path, glimpse_status (*each)(void *user, owned_record *r), void *user, int64_t *unread) {
    return read_lines(path, journal_decode_light, each, user, unread);
}

void journal_put_unread(buffer *out, int64_t unread) {
    if (unread) buf_printf(out, "; %lld line%s of evals.jsonl %s of Glimpse's and %s passed over", (long long)unread, unread == 1 ? "" : "s",
                           unread == 1 ? "is none" : "are none", unread == 1 ? "was" : "were");
}
