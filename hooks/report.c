/* report.c -- `glimpse report DIR`: every view drawn anew from DIR/evals.jsonl alone, without model and tokenizer. */
#include "hooks/session_state.h"
#include "hooks/views.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include <stdlib.h>

typedef struct redraw {
    const char *dir;
    int64_t n;
} redraw;

static glimpse_status one(void *user, owned_record *r) {
    redraw *d = user;
    return views_write(d->dir, &r->record, d->n++ ? VIEWS_REDRAW : VIEWS_REDRAW_FIRST, NULL);
}

glimpse_status session_report(const options *o, const char *dir, const session_host *host) {
    (void)o;
    redraw d = { .dir = dir };
    char *path = path_join(dir, "evals.jsonl");
    if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    glimpse_status st = journal_read(path, one, &d);
    free(path);
    TRY(st);
    buffer b = {0};
    buf_printf(&b, "glimpse: drew %lld evals of %s anew", (long long)d.n, dir);
    if (!buf_failed(&b) && host->log) host->log(host->user, buf_str(&b));
    buf_free(&b);
    return GLIMPSE_OK;
}
