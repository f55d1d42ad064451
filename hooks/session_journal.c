/* session_journal.c -- the run's directory: its lock, its journal, what that remembers of the evals before, and the views that grow
 * with it (sample.txt and its like), which must say what it says after a resume, a branch left behind or a failed write.
 * Called by session_eval.c, for every line. */
#include "hooks/session_state.h"

#include "hooks/own_output.h"
#include "hooks/review.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "include/internal/threads.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t session_journal_bytes(const char *dir) {
    struct stat there;
    char *path = path_join(dir, "evals.jsonl");
    int64_t n = path && !stat(path, &there) ? (int64_t)there.st_size : -1;
    free(path);
    return n;
}

glimpse_status session_may_write(const options *o) {
    const char *dir = opt_str(o, OPT_out_dir), *file = opt_str(o, OPT_sample_file);
    const bool offline = options_is_offline(o);
    buffer what = {0};
    char room[64], *lines = NULL;
    buf_printf(&what, "--out_dir %s", dir);
    glimpse_status st = output_dir_takes_files(buf_str(&what), dir);
    if (st < 0) HINT("another --out_dir%s", offline ? ", or --no_files" : "");
    buf_clear(&what);
    buf_printf(&what, "--sample_file %s", file);
    if (st >= 0 && offline && file && file[0] == '/') st = output_may_be_made(buf_str(&what), file);
    if (st >= 0 && !offline) lines = path_join(dir, "evals.jsonl"); /* a run that goes on */
    if (lines && path_exists(lines) && (!path_is_file(lines) || access(lines, W_OK)))
        st = status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s cannot be written: %s\nhint: another --out_dir", lines,
                         path_is_file(lines) ? strerror_r(errno, room, sizeof room) : "it is no file");
    free(lines);
    buf_free(&what);
    return st;
}

static glimpse_status rename_aside(const session *s, const char *name, const char *run) {
    glimpse_status st = GLIMPSE_OK;
    buffer to = {0};
    char *from = path_join(s->out_dir, name), *target = NULL;
    journal_aside(name, run, &to);
    target = path_join(s->out_dir, buf_str(&to));
    if (!from || !target || buf_failed(&to)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (io.rename(from, target) && errno != ENOENT)
        FAIL_GOTO(GLIMPSE_E_IO, "%s cannot be set aside as %s", from, target);
out:
    buf_free(&to);
    free(from);
    free(target);
    return st;
}

void session_spoil_texts(session *s) {
    s->texts_stale = true;
    views_spoil(s->out_dir);
}

/* The writer before died between the last line and its views: that eval's are drawn now, those that grow at the next. */
static void catch_up(session *s) {
    const glimpse_record *last = &s->js.last->record;
    if (views_end_with(s->out_dir, last)) return;
    session_spoil_texts(s);
    if (views_write_own(s->out_dir, last, NULL) < 0) session_log(s, "glimpse: step %lld: %s", (long long)last->step, status_text());
}

/* A late worker whose trainer is gone and whose run another one has taken on would write the past behind the present. */
static glimpse_status lock_directory(session *s, int *lock) {
    glimpse_status st;
    if (s->offline) {
        TRY(offline_claim(s, lock));
        char *name = session_name_of_run(s->o, s->out_dir);
        if (!name) FAIL(GLIMPSE_E_MEMORY, "no memory for a name");
        free(s->run_name);
        s->facts.run_name = s->run_name = name;
        return GLIMPSE_OK;
    }
    TRY(mkdir_p(s->out_dir));
    do st = journal_lock(s->out_dir, lock);
    while (st == GLIMPSE_E_BUSY && s->host.locked && s->host.locked(s->host.user, s->out_dir));
    TRY(st);
    if (s->journal_bytes == -2 || !s->host.alone || session_journal_bytes(s->out_dir) == s->journal_bytes || !s->host.alone(s->host.user))
        return GLIMPSE_OK;
    io.close(*lock);
    FAIL(GLIMPSE_E_STATE, "%s: another run has gone on here", s->out_dir);
}

bool session_holds_back(const session *s) { return s->js.set_aside[0]; }

/* The first good record is there: an older run goes aside, its views with its journal. */
static glimpse_status set_older_aside(session *s) {
    if (!session_holds_back(s)) return GLIMPSE_OK;
    TRY(journal_begin(s->j));
    buffer ansi = {0}, kept = {0};
    const char *texts = opt_str(s->o, OPT_sample_file);
    if (texts) view_ansi_name(texts, &ansi);
    journal_aside("evals.jsonl", s->js.set_aside, &kept);
    session_log(s, "glimpse: a new run; the older one is kept as %s", buf_str(&kept));
    buf_free(&kept);
    const char *const names[] = { "evals", texts, buf_str(&ansi), "report", "metrics.csv", "probes.png", "snapshots" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] && names[i][0] != '/' && rename_aside(s, names[i], s->js.set_aside) < 0)
            session_log(s, "glimpse: %s", status_text());
    if (review_set_aside(s->out_dir, s->js.set_aside) < 0) session_log(s, "glimpse: %s", status_text());
    buf_free(&ansi);
    s->js.set_aside[0] = 0;
    return GLIMPSE_OK;
}

/* The journal, and what it remembers of the evals before. */
static glimpse_status open_journal(session *s, int64_t step, int64_t since) {
    int lock;
    TRY(lock_directory(s, &lock));
    const int64_t next = s->js.next_seq;
    int64_t began = s->begun ? step : s->host.begun || s->first_step <= 0 ? 0 : s->first_step;
    TRY(journal_open(s->out_dir, lock, began, step, since, s->host.run, s->m->arch, s->m->n_params, &s->j, &s->js));
    s->journal_bytes = -2;
    s->facts.run = s->js.run;
    if (s->js.torn)
        session_log(s, "glimpse: %lld bytes at the end of %s/evals.jsonl were no line: cut off, kept as evals.jsonl.torn-...",
                    (long long)s->js.torn, s->out_dir);
    if (s->not_taken) s->js.next_seq = next; /* the held lines come first, and the schedule knows of them */
    if (s->js.continued) {
        if (!s->not_taken)
            s->due = (schedule){ .evals = s->js.last ? s->js.next_seq : 0, .best_val_loss = s->js.best_val_loss,
                                 .best_step = s->js.best_step, .owed = s->js.owed };
        if (s->js.superseded) {
            session_log(s, "glimpse: continues run %s at step %lld; its steps %lld to %lld are left behind", s->js.run, (long long)step,
                        (long long)s->js.left_from, (long long)s->js.newest_step);
            session_spoil_texts(s);
            s->js.newest_step = s->js.last_step;
        } else if (s->js.last && !s->begun && !s->host.seen && strcmp(s->js.run, s->host.run))
            session_log(s, "glimpse: continues run %s, whose last step was %lld", s->js.run, (long long)s->js.last_step);
        views_sweep(s->out_dir);
        if (s->js.superseded) views_forget(s->out_dir, step);
        else if (s->js.last) catch_up(s);
        if (s->js.last && s->js.last->record.n_samples) {
            if (s->before) record_free(&s->before->record); /* the journal was open before */
            s->before = s->js.last;
        } else if (s->js.last) record_free(&s->js.last->record);
        s->js.last = NULL;
    }
    return GLIMPSE_OK;
}

glimpse_status session_have_journal(session *s, int64_t step, int64_t since) {
    if (!s->asked) s->first_step = step;
    s->asked = true;
    if (s->no_files) {
        s->facts.run = s->js.run;
        s->js.newest_step = step;
        return GLIMPSE_OK;
    }
    if (s->j && journal_is_gone(s->j)) {
        session_log(s, "glimpse: %s/evals.jsonl was removed, replaced or changed: it is opened again", s->out_dir);
        journal_close(s->j);
        s->j = NULL;
    }
    return s->j ? GLIMPSE_OK : open_journal(s, step, since);
}

static glimpse_status redraw_texts(void *user, owned_record *r) {
    session *s = user;
    return views_write_texts(s->out_dir, &r->record, &s->redraw);
}

glimpse_status session_redraw_texts(session *s) {
    enum { LONG_S = 1, REST = 30 };
    int64_t unread;
    const double t0 = monotonic_s();
    if (t0 < s->redraw_at_s) return GLIMPSE_SKIPPED;
    char *path = path_join(s->out_dir, "evals.jsonl");
    if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    views_redraw_free(&s->redraw);
    glimpse_status st = journal_read(path, redraw_texts, s, &unread);
    views_redraw_free(&s->redraw);
    free(path);
    const double now = monotonic_s(), took = now - t0;
    s->redraw_at_s = took > LONG_S ? now + REST * took : 0;
    s->texts_stale = st < 0;
    return st;
}

void session_leave_branch(session *s, int64_t step) {
    if (s->j && !session_holds_back(s) && s->js.newest_step >= step) {
        if (s->js.newest_step > step) /* an epoch's own counter would overwrite one epoch's evals with the next one's, unseen */
            session_log(s, "glimpse: step %lld after step %lld: the evals from there on are left behind (the step counts over all epochs)",
                        (long long)step, (long long)s->js.newest_step);
        views_forget(s->out_dir, step);
        session_spoil_texts(s);
    }
    s->js.newest_step = step;
}

glimpse_status session_write_held(session *s) {
    if (!s->held.n) return GLIMPSE_OK;
    if (!s->j) FAIL(GLIMPSE_E_IO, "%s/evals.jsonl could not be opened again", s->out_dir);
    TRY(journal_append(s->j, &s->held));
    if (s->not_taken == 1) session_log(s, "glimpse: step %lld is in %s/evals.jsonl now", (long long)s->not_taken_from, s->out_dir);
    else if (s->not_taken)
        session_log(s, "glimpse: %d evals from step %lld on are in %s/evals.jsonl now", (int)s->not_taken, (long long)s->not_taken_from, s->out_dir);
    s->not_taken = 0;
    s->begun = true;
    session_spoil_texts(s);
    buf_free(&s->held);
    return GLIMPSE_OK;
}

/* A disk that is full for a while: the line is written before the next one, or when the run closes.  Returns st. */
static glimpse_status hold(session *s, const buffer *line, int64_t step, glimpse_status st) {
    enum { MOST = 64 << 20 };
    if (st != GLIMPSE_E_IO || s->offline || s->held.n + line->n > MOST || !buf_reserve(&s->held, line->n)) {
        s->held.failed = false; /* what is held stays so */
        return st;
    }
    buf_put(&s->held, line->bytes, line->n);
    if (!s->not_taken++) s->not_taken_from = step;
    s->js.next_seq++;
    return st;
}

/* A run that has nothing but failures leaves the older one where it is. */
static glimpse_status keep_line(session *s, const buffer *line, int64_t step, bool failed) {
    if (!s->j) return GLIMPSE_OK;
    if (session_holds_back(s) && failed) {
        buf_put(&s->held, line->bytes, line->n);
        if (buf_failed(&s->held)) FAIL(GLIMPSE_E_MEMORY, "no memory for a record");
        return GLIMPSE_OK;
    }
    TRY(set_older_aside(s));
    glimpse_status st = session_write_held(s);
    if (st >= 0) st = journal_append(s->j, line);
    if (st < 0) return hold(s, line, step, st);
    s->begun = true;
    return GLIMPSE_OK;
}

glimpse_status session_write_line(session *s, glimpse_record *r, owned_record **out) {
    glimpse_status st = GLIMPSE_OK;
    owned_record *written = NULL;
    buffer line = {0};
    TRY_GOTO(journal_encode(r, &line));
    TRY_GOTO(journal_decode(line.bytes, line.n - 1, &written));
    TRY_GOTO(keep_line(s, &line, r->step, !strcmp(r->status, "failed")));
    s->js.next_seq++;
    *out = written;
    written = NULL;
out:
    if (written) record_free(&written->record);
    buf_free(&line);
    return st;
}
