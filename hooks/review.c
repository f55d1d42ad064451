/* review.c -- see review.h. */
#include "hooks/review.h"

#include "hooks/journal.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "viz/csv.h"
#include "viz/html.h"
#include "viz/probe_map.h"
#include "viz/tensorboard.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- files that grow ---------------------------------------------------------------------------------------------- */

typedef enum growing { LINES, EVENTS } growing;

/* Where the whole lines of a file end: behind its last newline. */
static glimpse_status end_of_lines(const file *f, int64_t *end) {
    char chunk[4096];
    for (int64_t to = f->size; to > 0;) {
        int64_t from = to > (int64_t)sizeof chunk ? to - (int64_t)sizeof chunk : 0;
        TRY(file_read_at(f, from, chunk, (size_t)(to - from)));
        for (int64_t i = to - from; i > 0; i--)
            if (chunk[i - 1] == '\n') {
                *end = from + i;
                return GLIMPSE_OK;
            }
        to = from;
    }
    *end = 0;
    return GLIMPSE_OK;
}

/* Where the whole records end.  They are walked only if the end of the file does not say that it is whole. */
static glimpse_status end_of_events(const file *f, int64_t *end) {
    char tail[256];
    size_t n = f->size < (int64_t)sizeof tail ? (size_t)f->size : sizeof tail;
    TRY(file_read_at(f, f->size - (int64_t)n, tail, n));
    if (events_end_whole(tail, n)) {
        *end = f->size;
        return GLIMPSE_OK;
    }
    int64_t at = 0;
    while (f->size - at >= EVENTS_HEAD) {
        char head[EVENTS_HEAD];
        TRY(file_read_at(f, at, head, EVENTS_HEAD));
        uint64_t size = events_record_size(head);
        if (!size || size > (uint64_t)(f->size - at)) break;
        at += (int64_t)size;
    }
    *end = at;
    return GLIMPSE_OK;
}

/* Append `bytes` as a whole; `head` (may be NULL) opens a file that is empty. */
static glimpse_status append_whole(const char *path, growing kind, const buffer *head, const buffer *bytes, bool anew) {
    glimpse_status st = GLIMPSE_OK;
    int64_t end = -1; /* not known: nothing may be cut */
    struct stat now;
    int fd = file_open_fd(path, O_RDWR | O_CREAT | O_NONBLOCK);
    if (fd < 0) FAIL(GLIMPSE_E_IO, "%s: %s", path, strerror(errno));
    if (anew) end = 0;
    else {
        if (io.fstat(fd, &now) || !S_ISREG(now.st_mode)) FAIL_GOTO(GLIMPSE_E_IO, "%s: is no regular file", path);
        const file f = {fd, now.st_size, (char *)(uintptr_t)path};
        int64_t found = 0;
        TRY_GOTO(kind == LINES ? end_of_lines(&f, &found) : end_of_events(&f, &found));
        end = found;
    }
    if (io.ftruncate(fd, end) || lseek(fd, end, SEEK_SET) < 0) FAIL_GOTO(GLIMPSE_E_IO, "%s: %s", path, strerror(errno));
    if (!end && head) TRY_GOTO(file_write_fd(fd, path, head->bytes, head->n));
    TRY_GOTO(file_write_fd(fd, path, bytes->bytes, bytes->n));
out:
    if (st < 0 && end >= 0 && io.ftruncate(fd, end)) { /* the next append cuts it */ }
    io.close(fd);
    return st;
}

/* --- the page ----------------------------------------------------------------------------------------------------- */

/* Write a file unless it has these bytes already. */
static glimpse_status keep_file(const char *path, const char *bytes, size_t n) {
    buffer is = {0};
    bool same = path_is_file(path) && file_read_all(path, n, &is) >= 0 && is.n == n && !memcmp(is.bytes, bytes, n);
    buf_free(&is);
    return same ? GLIMPSE_OK : file_write_atomic(path, bytes, n, false);
}

enum { RUNS_MOST = 256 };

/* Is the run set aside as `a` older than `b`?  By the date in the name (name_aside of journal.c); one without it is older than any. */
static bool is_older(const char *a, const char *b) {
    bool dated = strchr(a, '_') != NULL, other = strchr(b, '_') != NULL;
    return dated == other ? strcmp(a, b) < 0 : !dated;
}

/* Put a run among the newest, which stand by age, the oldest first: where they are too many that one goes. */
static void keep_run(char **runs, int *n, const char *run) {
    char *copy;
    int at = *n;
    if (*n == RUNS_MOST && !is_older(runs[0], run)) return;
    if (!(copy = strdup(run))) return; /* the list does without */
    if (*n == RUNS_MOST) {
        free(runs[0]);
        memmove(runs, runs + 1, (size_t)(--*n) * sizeof *runs);
        at = *n;
    }
    for (; at > 0 && is_older(run, runs[at - 1]); at--) runs[at] = runs[at - 1];
    runs[at] = copy;
    ++*n;
}

/* What "report.RUN" is the report of, if the page's address can name it (run_in_address of viz/page/data.js); else NULL. */
static const char *run_of_report(const char *name) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *run = name + strlen("report.");
    return !strncmp(name, "report.", strlen("report.")) && *run && strcmp(run, "html") && !run[strspn(run, letters)] ? run : NULL;
}

/* The number, or the text with its quotes, of a member of a line of index.js, as it stands there; "null" = none.  No text can pass for a
 * member's name: its quotes are escaped. */
static void put_member(const char *line, size_t n, const char *name, buffer *out) {
    const char *at = memmem(line, n, name, strlen(name)), *end = line + n, *to;
    at = at ? at + strlen(name) : end;
    to = at + (at < end);
    if (at < end && *at == '"') {
        while (to < end && *to != '"') to += *to == '\\' && to + 1 < end ? 2 : 1;
        to += to < end;
    } else
        for (to = at; to < end && strchr("0123456789.+-e", *to) && *to; to++) { }
    if (to > at) buf_put(out, at, (size_t)(to - at));
    else buf_puts(out, "null");
}

/* What tells one run from another: [its last step, its best validation loss, its model's name], of the last line of its index. */
static void put_facts(const char *dir, const char *run, buffer *out) {
    enum { MOST_LINE = 1 << 20 };
    file f = FILE_INIT;
    int64_t end = 0;
    buffer path = {0}, tail = {0};
    buf_printf(&path, "%s/report.%s/index.js", dir, run);
    bool known = !buf_failed(&path) && file_open_read(buf_str(&path), &f) >= 0 && end_of_lines(&f, &end) >= 0;
    const char *line = NULL;
    for (int64_t n = 16384; known && !line; n *= 4) {
        const int64_t from = end > n ? end - n : 0;
        buf_clear(&tail);
        buf_fill(&tail, ' ', (size_t)(end - from));
        if (buf_failed(&tail) || tail.n < 2 || file_read_at(&f, from, tail.bytes, tail.n) < 0) break;
        const char *before = memrchr(tail.bytes, '\n', tail.n - 1);
        if (before || !from) line = before ? before + 1 : tail.bytes;
        else if (n >= MOST_LINE) break;
    }
    const size_t n = line ? (size_t)(tail.bytes + tail.n - line) : 0;
    static const char *const members[] = {",\"step\":", ",\"best\":", ",\"model\":"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        buf_puts(out, i ? "," : "[");
        put_member(line ? line : "", n, members[i], out);
    }
    buf_putc(out, ']');
    file_close(&f);
    buf_free(&path);
    buf_free(&tail);
}

glimpse_status review_runs(const char *dir, const char *to) {
    glimpse_status st = GLIMPSE_OK;
    char *runs[RUNS_MOST], *folder = path_join(to, "report"), *path = folder ? path_join(folder, "runs.js") : NULL;
    int n = 0;
    buffer b = {0};
    DIR *d = folder && path_is_dir(folder) ? opendir(dir) : NULL;
    if (!path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *run = run_of_report(e->d_name);
        if (run) keep_run(runs, &n, run);
    }
    if (!d) goto out; /* no page, or a directory that may not be listed: the page does without */
    buf_puts(&b, "glimpse_runs([");
    for (int i = 0; i < n; i++) buf_printf(&b, "%s\"%s\"", i ? "," : "", runs[i]);
    buf_puts(&b, "],[");
    for (int i = 0; i < n; i++) {
        if (i) buf_putc(&b, ',');
        put_facts(dir, runs[i], &b);
    }
    buf_puts(&b, "]);\n");
    if (buf_failed(&b)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the names of the runs set aside");
    TRY_GOTO(keep_file(path, b.bytes, b.n));
out:
    if (d) closedir(d);
    while (n) free(runs[--n]);
    buf_free(&b);
    free(folder);
    free(path);
    return st;
}

glimpse_status review_page(const view_plan *p, const char *dir, const glimpse_record *r) {
    glimpse_status st = GLIMPSE_OK;
    buffer data = {0};
    char name[64], *folder = path_join(dir, "report"), *path = NULL;
    if (!folder) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(mkdir_p(folder));
    for (int i = 0; i < HTML_FILES; i++) {
        html_file f = html_file_at(i);
        free(path);
        path = path_join(dir, f.name);
        if (!path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
        TRY_GOTO(keep_file(path, f.bytes, f.n));
    }
    TRY_GOTO(review_runs(dir, dir));
    TRY_GOTO(html_step(r, p->sheets, &data));
    c_snprintf(name, sizeof name, "step_%08lld.js", (long long)r->step);
    free(path);
    path = path_join(folder, name);
    if (!path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(file_write_atomic(path, data.bytes, data.n, false));
out:
    buf_free(&data);
    free(folder);
    free(path);
    return st;
}

static glimpse_status append_line(const char *folder, const char *name, const buffer *line, bool anew) {
    char *path = path_join(folder, name);
    if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    glimpse_status st = append_whole(path, LINES, NULL, line, anew);
    free(path);
    return st;
}

static glimpse_status append_index(const char *dir, const glimpse_record *r, color_mode mode, bool anew, bool probes_anew) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0};
    char *folder = path_join(dir, "report");
    if (!folder) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(mkdir_p(folder));
    if (r->n_probes) {
        TRY_GOTO(html_probes_line(r, &line));
        TRY_GOTO(append_line(folder, "probes.js", &line, probes_anew));
        buf_clear(&line);
    }
    TRY_GOTO(html_index_line(r, mode, &line)); /* last: the page finds what it names */
    TRY_GOTO(append_line(folder, "index.js", &line, anew));
out:
    buf_free(&line);
    free(folder);
    return st;
}

static glimpse_status append_csv(const char *dir, const glimpse_record *r, bool anew) {
    glimpse_status st = GLIMPSE_OK;
    buffer lines = {0}, head = {0};
    char *path = path_join(dir, "metrics.csv");
    csv_header(&head);
    if (!path || buf_failed(&head)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(csv_lines(r, &lines));
    TRY_GOTO(append_whole(path, LINES, &head, &lines, anew));
out:
    buf_free(&lines);
    buf_free(&head);
    free(path);
    return st;
}

/* --- the event file ----------------------------------------------------------------------------------------------- */

/* Call `each` with every event file of ours in `dir`, stop at its first error. */
static glimpse_status each_event_file(const char *dir, glimpse_status (*each)(void *user, const char *path), void *user) {
    glimpse_status st = GLIMPSE_OK;
    DIR *d = opendir(dir);
    if (!d && errno == ENOENT) return GLIMPSE_OK;
    if (!d) FAIL(GLIMPSE_E_IO, "%s cannot be listed: %s", dir, strerror(errno)); /* a second event file would be begun */
    for (struct dirent *e; st >= 0 && (e = readdir(d));) {
        if (!events_is_name(e->d_name)) continue;
        char *path = path_join(dir, e->d_name);
        if (path) st = each(user, path);
        else st = status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for a file name");
        free(path);
    }
    closedir(d);
    return st;
}

static glimpse_status keep_last(void *user, const char *path) {
    char **last = user; /* the order of a directory is no one's: the greatest name counts */
    if (*last && strcmp(*last, path) > 0) return GLIMPSE_OK;
    char *copy = strdup(path);
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    free(*last);
    *last = copy;
    return GLIMPSE_OK;
}

static glimpse_status remove_it(void *user, const char *path) {
    (void)user;
    if (io.unlink(path) && errno != ENOENT) FAIL(GLIMPSE_E_IO, "%s: %s", path, strerror(errno));
    return GLIMPSE_OK;
}

static glimpse_status append_sheet(const char *dir, const glimpse_record *r, const glimpse_sample *s, buffer *events) {
    glimpse_status st = GLIMPSE_OK;
    buffer path = {0}, tag = {0}, png = {0};
    buf_printf(&path, "%s/evals/step_%08lld/", dir, (long long)r->step);
    view_sample_name(s, &path);
    buf_puts(&path, ".png");
    buf_puts(&tag, "sheets/");
    view_sample_name(s, &tag);
    if (buf_failed(&path) || buf_failed(&tag)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (!path_is_file(buf_str(&path)) || file_read_all(buf_str(&path), 1 << 28, &png) < 0) TRY_GOTO(chart_sheet(r, s, &png));
    events_image(events_time(r->time), r->step, buf_str(&tag), buf_str(&png), png.n, events);
out:
    buf_free(&path);
    buf_free(&tag);
    buf_free(&png);
    return st;
}

static glimpse_status append_events(const view_plan *p, const char *dir, const glimpse_record *r, bool anew) {
    glimpse_status st = GLIMPSE_OK;
    buffer head = {0}, events = {0}, name = {0}, png = {0};
    char *path = NULL;
    TRY_GOTO(each_event_file(dir, anew ? remove_it : keep_last, &path));
    if (!path) {
        events_name(r, &name);
        path = path_join(dir, buf_str(&name));
    }
    events_version(events_time(r->time), &head);
    TRY_GOTO(events_of(r, &events));
    if (p->sheets)
        for (int32_t i = 0; i < r->n_samples; i++) TRY_GOTO(append_sheet(dir, r, GLIMPSE_AT(r->samples, i), &events));
    if (p->sheets && r->n_probes) {
        TRY_GOTO(chart_probes(r, &png));
        events_image(events_time(r->time), r->step, "probes", buf_str(&png), png.n, &events);
    }
    events_close(r, &events);
    if (!path || buf_failed(&head) || buf_failed(&events) || buf_failed(&name))
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for an eval's events");
    TRY_GOTO(append_whole(path, EVENTS, &head, &events, false));
out:
    buf_free(&head);
    buf_free(&events);
    buf_free(&name);
    buf_free(&png);
    free(path);
    return st;
}

glimpse_status review_append(const view_plan *p, const char *dir, const glimpse_record *r, views_redraw *redraw) {
    static const char *const names[] = { "report/index.js", "metrics.csv", "events.out.tfevents" };
    glimpse_status first = GLIMPSE_OK;
    buffer why = {0};
    for (int i = 0; i < 3; i++) {
        glimpse_status st = GLIMPSE_OK;
        const bool wanted = i == 0 ? p->report : i == 1 || p->tensorboard, anew = wanted && views_redraw_begins(redraw, names[i]);
        if (i == 0 && wanted) st = append_index(dir, r, p->style.mode, anew, r->n_probes && views_redraw_begins(redraw, "report/probes.js"));
        if (i == 1) st = append_csv(dir, r, anew);
        if (i == 2 && wanted) st = append_events(p, dir, r, anew);
        if (st >= 0 || first < 0) continue;
        first = st;
        buf_puts(&why, status_text());
    }
    if (first < 0) status_set_text(first, buf_str(&why));
    buf_free(&why);
    return first;
}

glimpse_status file_ends_with(const char *path, const buffer *bytes, bool *yes) {
    glimpse_status st = GLIMPSE_OK;
    file f = FILE_INIT;
    buffer tail = {0};
    if (buf_failed(bytes)) FAIL(GLIMPSE_E_MEMORY, "no memory for what %s ends with", path);
    *yes = false;
    if (!bytes->n) return *yes = true, GLIMPSE_OK;
    TRY(file_open_read(path, &f));
    char *room = f.size < (int64_t)bytes->n ? NULL : buf_reserve(&tail, bytes->n);
    if (room) {
        TRY_GOTO(file_read_at(&f, f.size - (int64_t)bytes->n, room, bytes->n));
        *yes = !memcmp(room, bytes->bytes, bytes->n);
    }
out:
    file_close(&f);
    buf_free(&tail);
    return st;
}

glimpse_status review_ends_with(const view_plan *p, const char *dir, const glimpse_record *r, bool *yes) {
    glimpse_status st = GLIMPSE_OK;
    buffer bytes = {0};
    char *path = NULL;
    for (int i = 0; i < 3 && *yes; i++) {
        buf_clear(&bytes);
        free(path);
        path = NULL;
        if ((i == 0 && !p->report) || (i == 2 && !p->tensorboard)) continue;
        if (i == 0) TRY_GOTO(html_index_line(r, p->style.mode, &bytes));
        if (i == 1) TRY_GOTO(csv_lines(r, &bytes));
        if (i == 2) events_close(r, &bytes);
        if (i == 2) TRY_GOTO(each_event_file(dir, keep_last, &path));
        else path = path_join(dir, i ? "metrics.csv" : "report/index.js");
        if (path) TRY_GOTO(file_ends_with(path, &bytes, yes));
        else *yes = false;
    }
out:
    buf_free(&bytes);
    free(path);
    return st;
}

glimpse_status review_remove_events(const char *dir) { return each_event_file(dir, remove_it, NULL); }

static glimpse_status move_it(void *user, const char *path) {
    const char *folder = user;
    char *to = path_join(folder, path_base(path));
    if (!to) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    glimpse_status st = GLIMPSE_OK;
    if (io.rename(path, to)) st = status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s cannot be set aside as %s", path, to);
    free(to);
    return st;
}

glimpse_status review_set_aside(const char *dir, const char *run) {
    glimpse_status st = GLIMPSE_OK;
    buffer folder = {0};
    buf_printf(&folder, "%s/", dir);
    journal_aside("evals", run, &folder);
    if (buf_failed(&folder)) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (path_is_dir(buf_str(&folder))) st = each_event_file(dir, move_it, folder.bytes);
    else st = review_remove_events(dir); /* an older run that drew nothing */
    buf_free(&folder);
    return st;
}

/* --- the map of the probes ---------------------------------------------------------------------------------------- */

static glimpse_status map_one(void *user, owned_record *r) { return probe_map_add(user, &r->record); }

glimpse_status review_probe_map(const char *dir, const char *to) {
    glimpse_status st = GLIMPSE_OK;
    buffer png = {0};
    int64_t unread;
    char *journal = path_join(dir, "evals.jsonl"), *path = path_join(to, "probes.png");
    probe_map *m = probe_map_new();
    if (!journal || !path || !m) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    TRY_GOTO(journal_read_light(journal, map_one, m, &unread));
    if (probe_map_is_empty(m)) goto out;
    TRY_GOTO(chart_probe_map(m, &png));
    st = file_write_atomic(path, png.bytes, png.n, false);
out:
    probe_map_free(m);
    buf_free(&png);
    free(journal);
    free(path);
    return st;
}
