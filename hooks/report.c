/* report.c -- `glimpse report DIR`: every view drawn anew from DIR/evals.jsonl alone, without model and tokenizer;
 * with --single or --export what export.h says instead. */
#include "hooks/export.h"
#include "hooks/review.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include <stdlib.h>
#include <unistd.h>

typedef struct report {
    const char *dir;
    views_redraw redraw;
    int64_t n;
} report;

static glimpse_status one(void *user, owned_record *r) {
    report *d = user;
    d->n++;
    return views_write(d->dir, &r->record, &d->redraw, NULL);
}

glimpse_status session_report(const options *o, const char *dir, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    bool exported;
    TRY(export_journal(o, dir, host, &exported));
    if (exported) return GLIMPSE_OK;
    report d = { .dir = dir };
    int64_t unread = 0;
    int lock = -1;
    buffer b = {0};
    char *path = path_join(dir, "evals.jsonl");
    if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    st = journal_lock(dir, &lock);
    if (st == GLIMPSE_E_STATE)
        HINT("its files are as they should be; to draw them elsewhere, copy evals.jsonl into a directory of its own");
    if (st < 0) goto out;
    TRY_GOTO(journal_read(path, one, &d, &unread));
    TRY_GOTO(review_probe_map(dir));
    buf_printf(&b, "glimpse: drew %lld eval%s of %s anew", (long long)d.n, d.n == 1 ? "" : "s", dir);
    if (unread) buf_printf(&b, "; %lld line%s of evals.jsonl %s of Glimpse's and %s passed over", (long long)unread,
                           unread == 1 ? "" : "s", unread == 1 ? "is none" : "are none", unread == 1 ? "was" : "were");
    if (!buf_failed(&b) && host->log) host->log(host->user, buf_str(&b));
out:
    if (lock >= 0) io.close(lock);
    views_redraw_free(&d.redraw);
    buf_free(&b);
    free(path);
    return st;
}
