/* report.c -- `glimpse report DIR`: every view drawn anew from DIR/evals.jsonl alone, without model and tokenizer;
 * with --single or --export what export.h says instead.  They are drawn beside and put in place when all of them are whole: on a
 * full disk everything stays as it was. */
#include "hooks/export.h"
#include "hooks/review.h"
#include "hooks/run_dir.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include <stdlib.h>
#include <unistd.h>

typedef struct report {
    atomic_int *stop; /* set: the person has had enough.  NULL = never */
    const char *beside;
    views_redraw redraw;
    int64_t n;
} report;

static glimpse_status one(void *user, owned_record *r) {
    report *d = user;
    if (d->stop && atomic_load(d->stop)) FAIL(GLIMPSE_E_STATE, "stopped");
    d->n++;
    TRY(views_write(d->beside, &r->record, &d->redraw, NULL));
    if (r->record.n_samples) return GLIMPSE_OK;
    buffer folder = {0}; /* empty: what stands in the eval's folder has nothing to say any more */
    buf_printf(&folder, "%s/evals/step_%08lld", d->beside, (long long)r->record.step);
    glimpse_status st = mkdir_p(buf_str(&folder));
    buf_free(&folder);
    return st;
}

/* The status that stands, told as what became of the directory. */
static glimpse_status say_failed(glimpse_status st, const char *dir, const char *what) {
    buffer why = {0};
    buf_puts(&why, status_text());
    st = status_fail(st, __FILE__, __LINE__, "%s %s: %s", dir, what, buf_str(&why));
    buf_free(&why);
    return st;
}

/* A journal's own name, as that of a run set aside: there is one directory for all views of a run, so how they are made is said. */
static glimpse_status refuse_journal(const char *path) {
    const char *name = path_base(path), *run = name + strlen("evals.");
    size_t n = strlen(name), tail = strlen(".jsonl");
    if (!path_is_file(path) || !ends_with(name, ".jsonl")) return GLIMPSE_OK;
    char *dir = path_dir(path);
    if (!dir) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    glimpse_status st;
    if (!strcmp(name, "evals.jsonl"))
        st = status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "%s is a journal, not the directory of a run\nhint: glimpse report %s", path, dir);
    else if (!strncmp(name, "evals.", strlen("evals.")) && n > strlen("evals.") + tail)
        st = status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "%s is a run that was set aside: its page is %s/report.html#run=%.*s\n"
                         "hint: to draw it anew, copy it as evals.jsonl into a directory of its own, and `glimpse report` that", path, dir,
                         (int)(n - strlen("evals.") - tail), run);
    else
        st = status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "%s is a file, not the directory of a run\n"
                         "hint: copy it as evals.jsonl into a directory of its own, and `glimpse report` that", path);
    free(dir);
    return st;
}

glimpse_status session_report(const options *o, const char *dir, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    bool exported;
    TRY(refuse_journal(dir));
    TRY(run_dir_check_begun(dir, "report"));
    TRY(export_journal(o, dir, host, &exported));
    if (exported) return GLIMPSE_OK;
    report d = {.stop = host->cancel};
    int64_t unread = 0;
    int lock = -1;
    buffer b = {0};
    char *path = path_join(dir, "evals.jsonl"), *beside = NULL;
    if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    st = journal_lock(dir, &lock);
    if (st == GLIMPSE_E_BUSY && run_dir_writer(dir) == WRITER_REPORT)
        st = status_fail(st, __FILE__, __LINE__, "%s: another `glimpse report` is drawing it\nhint: once that is done its files are as they "
                         "should be", dir);
    else if (st == GLIMPSE_E_BUSY)
        st = status_fail(st, __FILE__, __LINE__, "%s: a run is writing here, its files are as they should be\nhint: to draw them elsewhere, "
                         "copy evals.jsonl into a directory of its own", dir);
    if (st < 0) goto out;
    st = views_beside(dir, &beside);
    d.beside = beside;
    if (st >= 0) st = journal_read(path, one, &d, &unread);
    if (st >= 0) st = review_probe_map(dir, beside);
    if (st >= 0) st = review_runs(dir, beside);
    if (st < 0) {
        st = say_failed(st, dir, "is as it was, its views could not be drawn");
        goto out;
    }
    st = views_put_in_place(beside, dir);
    if (st < 0) {
        st = say_failed(st, dir, "is drawn in part, to be drawn again");
        goto out;
    }
    buf_printf(&b, "glimpse: drew %lld eval%s of %s anew", (long long)d.n, d.n == 1 ? "" : "s", dir);
    journal_put_unread(&b, unread);
    if (!d.n && !unread && session_journal_bytes(dir) > 0) buf_puts(&b, "; evals.jsonl holds no whole line");
    if (!buf_failed(&b)) session_tell(host, buf_str(&b));
out:
    if (beside) views_beside_end(beside);
    free(beside);
    if (lock >= 0) io.close(lock);
    views_redraw_free(&d.redraw);
    buf_free(&b);
    free(path);
    return st;
}
