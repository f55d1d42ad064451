/* follow.c -- `glimpse follow DIR`: the log of a run on another terminal than the trainer's, as its evals arrive.
 *
 * Nothing is locked and nothing written: it may be started before the run's first eval, and goes on into the next run; what it
 * waits for is said.  An eval is drawn from its journal line as the trainer's terminal draws it, in the colours that the run was
 * given, for the terminal at hand (its depth of colour, its width); what the command line says goes before. */
#include "hooks/journal_index.h"
#include "hooks/run_dir.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "viz/text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { LOOK_MS = 200, WRITER_LOOKS = 10 /* looks from one question after the writer to the next */ };

typedef struct follower {
    session as_if;      /* the style is asked of a session */
    const char *dir;
    char *path;
    journal_index *x;   /* NULL = there is no journal yet */
    int64_t shown;      /* bytes of the journal whose lines were shown */
    char run[16];       /* that was shown last */
    int error;          /* errno of the output */
    int64_t step;       /* shown last */
    int looks, silent;  /* looks taken; questions in a row that found nobody writing */
} follower;

static void say(follower *f, const buffer *b) {
    const session_host *host = &f->as_if.host;
    if (b->n && !f->error && host->out) f->error = host->out(host->user, b->bytes, b->n);
}

/* The newest record with samples before eval i: what its digest compares with.  Returned, NULL = none. */
static owned_record *samples_before(follower *f, int64_t i, const char *run) {
    buffer line = {0};
    owned_record *r = NULL;
    while (i-- > 0) {
        buf_clear(&line);
        if (evals_read(f->x, i, &line) < 0 || journal_decode(buf_str(&line), line.n, &r) < 0) continue;
        bool same = !strcmp(r->record.run, run);
        if (same && r->record.n_samples) break;
        record_free(&r->record);
        r = NULL;
        if (!same) break;
    }
    buf_free(&line);
    return r;
}

static glimpse_status show(follower *f, int64_t i) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0}, text = {0}, where = {0};
    owned_record *o = NULL, *before = NULL;
    view_plan run = {0};
    TRY_GOTO(evals_read(f->x, i, &line));
    glimpse_status read = journal_decode(buf_str(&line), line.n, &o);
    if (read == GLIMPSE_E_MEMORY) st = read;
    if (read < 0) goto out; /* damaged: passed over, as by every reader of the journal */
    const glimpse_record *r = &o->record;
    TRY_GOTO(view_plan_of(r, &run));
    view_style style = session_terminal_style(&f->as_if, true);
    view_style_of_run(f->as_if.o, &run, &style);
    style.hinted = &f->as_if.hinted;
    if (r->n_samples) {
        before = samples_before(f, i, r->run);
        buf_printf(&where, "%s/evals/step_%08lld/sample.txt", f->dir, (long long)r->step);
    }
    if (f->run[0] && strcmp(f->run, r->run)) {
        buf_puts(&text, "glimpse: another run: ");
        f->as_if.hinted = 0;
        text_escape(&text, r->run_name ? r->run_name : r->run, strlen(r->run_name ? r->run_name : r->run), TEXT_ONE_LINE);
        buf_putc(&text, '\n');
    }
    c_snprintf(f->run, sizeof f->run, "%s", r->run);
    f->step = r->step;
    TRY_GOTO(view_terminal(r, before ? &before->record : NULL, where.n ? buf_str(&where) : NULL, &style, &text));
    if (buf_failed(&text) || buf_failed(&where)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for an eval's log");
    say(f, &text);
out:
    if (o) record_free(&o->record);
    if (before) record_free(&before->record);
    view_plan_free(&run);
    buf_free(&line), buf_free(&text), buf_free(&where);
    return st;
}

/* Show what came since: of a journal that was there when one began to look, its last line; of a later one all. */
static glimpse_status look(follower *f, bool first) {
    evals_change change = EVALS_SAME;
    struct stat there;
    if (f->x) TRY(evals_refresh(f->x, &change));
    else {
        if (stat(f->path, &there) || !S_ISREG(there.st_mode)) return GLIMPSE_OK;
        TRY(evals_open(f->path, &f->x));
        int64_t n = evals_count(f->x);
        if (first && n) f->shown = evals_at(f->x, n - 1)->from;
    }
    if (change == EVALS_ANOTHER) f->shown = 0;
    int64_t n = evals_count(f->x), i = n;
    while (i && evals_at(f->x, i - 1)->from >= f->shown) i--;
    for (; i < n && !f->error; i++) {
        TRY(show(f, i));
        f->shown = evals_at(f->x, i)->to + 1;
    }
    return GLIMPSE_OK;
}

/* A line for people, names of files among its words. */
static void tell(const follower *f, const char *words, const char *path, const char *end) {
    const session_host *host = &f->as_if.host;
    buffer b = {0};
    buf_printf(&b, "glimpse: %s", words);
    text_escape(&b, path, strlen(path), TEXT_ONE_LINE);
    buf_puts(&b, end);
    if (!buf_failed(&b)) session_tell(host, buf_str(&b));
    buf_free(&b);
}

static void tell_first(const follower *f) {
    char *meant = run_dir_meant(f->dir);
    buffer end = {0};
    buf_puts(&end, path_exists(f->dir) ? ", which comes with the first eval; Ctrl-C leaves" : ": there is no such directory yet; Ctrl-C leaves");
    if (meant) buf_puts(&end, "\nhint: did you mean ");
    if (meant) text_escape(&end, meant, strlen(meant), TEXT_ONE_LINE);
    if (meant) buf_putc(&end, '?');
    tell(f, "waiting for ", path_exists(f->dir) ? f->path : f->dir, buf_str(&end));
    buf_free(&end);
    free(meant);
}

/* Once nobody writes there (any more): that what was shown last is the end.  Asked twice before it is said: a trainer that is started
 * again is away for a moment. */
static void tell_silence(follower *f, bool first) {
    char end[120];
    if (!f->x || !f->run[0] || (!first && ++f->looks % WRITER_LOOKS)) return;
    if (run_dir_writer(f->dir) == WRITER_RUN) {
        f->silent = 0;
        return;
    }
    if (++f->silent != 2 && !first) return;
    f->silent = 2;
    c_snprintf(end, sizeof end, " on this machine, step %lld is its last; Ctrl-C leaves, a run that comes is shown", (long long)f->step);
    tell(f, "no run is writing to ", f->dir, end);
}

glimpse_status session_follow(const options *o, const char *dir, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    follower f = { .as_if = { .o = (options *)(uintptr_t)o, .host = *host }, .dir = dir };
    buffer boundary = {0};
    TRY_GOTO(view_style_of(o, &f.as_if.style, &boundary));
    if (path_exists(dir)) TRY_GOTO(run_dir_check(dir, "follow")); /* a run that is started later makes it */
    f.path = path_join(dir, "evals.jsonl");
    if (!f.path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(look(&f, true));
    if (!f.x) tell_first(&f);
    tell_silence(&f, true);
    while (!f.error) {
        nanosleep(&(struct timespec){ 0, LOOK_MS * 1000000L }, NULL);
        TRY_GOTO(look(&f, false));
        tell_silence(&f, false);
    }
    if (f.error != EPIPE) { /* a reader that went away had enough */
        char room[64];
        FAIL_GOTO(GLIMPSE_E_IO, "the log cannot be shown: %s", strerror_r(f.error, room, sizeof room));
    }
out:
    evals_close(f.x);
    buf_free(&boundary);
    free(f.path);
    return st;
}
