/* export.c -- see export.h. */
#include "hooks/export.h"

#include "hooks/journal.h"
#include "hooks/session_state.h"
#include "hooks/views.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "viz/html.h"
#include "viz/openai.h"
#include <stdlib.h>

typedef struct exported {
    buffer bytes, index, probes;
    int64_t evals;
} exported;

static glimpse_status single_step(void *user, owned_record *r) {
    exported *e = user;
    view_plan plan = {0};
    e->evals++;
    TRY(view_plan_of(&r->record, &plan));
    glimpse_status st = html_single_step(&r->record, plan.style.mode, &e->index, &e->probes, &e->bytes);
    view_plan_free(&plan);
    return st;
}

static glimpse_status openai_step(void *user, owned_record *r) {
    exported *e = user;
    e->evals++;
    return openai_lines(&r->record, &e->bytes);
}

static glimpse_status write_export(const char *dir, const char *name, bool single, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    exported e = {0};
    buffer said = {0};
    int64_t unread = 0;
    char *journal = path_join(dir, "evals.jsonl"), *path = path_join(dir, name);
    if (!journal || !path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (single) TRY_GOTO(html_single_begin(&e.bytes));
    TRY_GOTO(journal_read(journal, single ? single_step : openai_step, &e, &unread));
    if (single) TRY_GOTO(html_single_end(&e.index, &e.probes, &e.bytes));
    TRY_GOTO(file_write_atomic(path, buf_str(&e.bytes), e.bytes.n, false));
    buf_printf(&said, "glimpse: %lld eval%s, %.1f MB, in %s", (long long)e.evals, e.evals == 1 ? "" : "s", (double)e.bytes.n * 1e-6, path);
    journal_put_unread(&said, unread);
    if (!buf_failed(&said)) session_tell(host, buf_str(&said));
out:
    buf_free(&e.bytes);
    buf_free(&e.index);
    buf_free(&e.probes);
    buf_free(&said);
    free(journal);
    free(path);
    return st;
}

glimpse_status export_journal(const options *o, const char *dir, const session_host *host, bool *asked) {
    bool single = opt_bool(o, OPT_single), openai = opt_has(o, OPT_export);
    *asked = single || openai;
    if (single) TRY(write_export(dir, "report.single.html", true, host));
    if (openai) TRY(write_export(dir, "samples.openai.jsonl", false, host));
    return GLIMPSE_OK;
}
