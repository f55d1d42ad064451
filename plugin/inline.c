/* inline.c -- inline mode: the session runs inside the caller's own call, on the live weights.
 *
 * Around every call into the session stands a guard: the session computes with the default floating-point environment
 * (whatever the host set: flush-to-zero, another rounding) and the locale "C", and the host finds its own again, errno
 * too.  When the session calls back (log, hooks, a logits function, a tokenizer), the host's state is there as well:
 *
 *   host --enter--> session --out--> the host's function --in--> session --leave--> host
 *
 * Called by api.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "include/internal/record.h"
#include "plugin/guest.h"

enum { FAILURES_IN_A_ROW = 3, MAX_HOOKS = 1024 };

typedef struct hook {
    glimpse_hook_fn fn;
    void *user;
} hook;

struct glimpse {
    const session_api *api;
    session *s;
    guest_log log;
    host_state host;        /* the host's, while a call is under way */
    bool busy;              /* a call is under way: a hook may not call again */
    buffer spoken;          /* what the session logged in this call */
    bool off;               /* switched off after failures */
    int failures;           /* in a row */
    hook *hooks;
    int n_hooks;
    glimpse_logits_fn logits, logits_all; /* the caller's own functions; the session is given those below */
    void *logits_user;
    glimpse_tokenizer tokenizer;
};

/* --- the guard --------------------------------------------------------------------------------------------------- */

static void state_save(host_state *s) {
    s->err = errno;
    s->locale = uselocale((locale_t)0);
    fegetenv(&s->fenv);
}

static void state_restore(const host_state *s) {
    fesetenv(&s->fenv);
    uselocale(s->locale);
    errno = s->err;
}

void host_enter(host_state *host) {
    state_save(host);
    fesetenv(FE_DFL_ENV); /* nearest, exceptions masked, and on x86 denormals kept (glibc since 2.23) */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc's static object: nothing is allocated */
    if (c) uselocale(c);
}

void host_leave(const host_state *host) { state_restore(host); }

/* Out to a function of the host, and in again. */
static void go_out(const glimpse *g, host_state *ours) {
    state_save(ours);
    state_restore(&g->host);
}

static void come_in(glimpse *g, const host_state *ours) {
    state_save(&g->host); /* what the host's function changed is the host's wish */
    state_restore(ours);
}

/* --- what the session calls -------------------------------------------------------------------------------------- */

static void on_log(void *user, const char *line) {
    glimpse *g = user;
    host_state ours;
    buf_puts(&g->spoken, line ? line : "");
    go_out(g, &ours);
    guest_say(&g->log, line ? line : "");
    come_in(g, &ours);
}

static void on_record(void *user, const glimpse_record *record) {
    glimpse *g = user;
    host_state ours;
    go_out(g, &ours);
    for (int i = 0; record && i < g->n_hooks; i++) g->hooks[i].fn(g->hooks[i].user, record);
    come_in(g, &ours);
}

static int on_out(void *user, const char *bytes, size_t n) {
    (void)user;
    return file_write_fd(STDOUT_FILENO, "stdout", bytes, n) < 0 ? -1 : 0;
}

static int on_logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    glimpse *g = user;
    host_state ours;
    go_out(g, &ours);
    int r = g->logits(g->logits_user, B, T, ids, lengths, out);
    come_in(g, &ours);
    return r;
}

static int on_logits_all(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    glimpse *g = user;
    host_state ours;
    go_out(g, &ours);
    int r = g->logits_all(g->logits_user, B, T, ids, lengths, out);
    come_in(g, &ours);
    return r;
}

static int32_t on_encode(void *user, const char *text, size_t bytes, int32_t *ids, int32_t cap) {
    glimpse *g = user;
    host_state ours;
    go_out(g, &ours);
    int32_t r = g->tokenizer.encode(g->tokenizer.user, text, bytes, ids, cap);
    come_in(g, &ours);
    return r;
}

static int32_t on_decode(void *user, int32_t id, char *out, int32_t cap) {
    glimpse *g = user;
    host_state ours;
    go_out(g, &ours);
    int32_t r = g->tokenizer.decode(g->tokenizer.user, id, out, cap);
    come_in(g, &ours);
    return r;
}

static session_host host_of(glimpse *g) {
    return (session_host){.user = g, .log = on_log, .record = on_record, .out = on_out,
                          .terminal = !g->log.fn && isatty(STDERR_FILENO), .out_terminal = isatty(STDOUT_FILENO)};
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static glimpse_status begin(glimpse *g) {
    if (g->busy) FAIL(GLIMPSE_E_STATE, "called from within a hook or a function that Glimpse called");
    g->busy = true;
    buf_clear(&g->spoken);
    host_enter(&g->host);
    return GLIMPSE_OK;
}

static glimpse_status end(glimpse *g, glimpse_status st) {
    if (st < 0) st = status_set_text(st, g->api->error());
    host_leave(&g->host);
    g->busy = false;
    return st;
}

/* A session tells its failures in an eval's own log, but may fail before it can: say what it did not. */
static void say_if_unsaid(glimpse *g) {
    char head[32];
    size_t n = strcspn(status_text(), "\n");
    if (n >= sizeof head) n = sizeof head - 1;
    memcpy(head, status_text(), n);
    head[n] = 0;
    if (!strstr(buf_str(&g->spoken), head)) guest_say_error(&g->log);
}

glimpse_status inline_open(const session_api *api, const options *o, const glimpse_model *model, const guest_log *log,
                           glimpse **out) {
    glimpse *g = calloc(1, sizeof *g);
    if (!g) FAIL(GLIMPSE_E_MEMORY, "no memory");
    glimpse_model m = *model;
    g->api = api;
    g->log = *log;
    g->logits = m.logits;
    g->logits_all = m.logits_all;
    g->logits_user = m.logits_user;
    g->tokenizer = m.tokenizer;
    if (m.logits) m.logits = on_logits;
    if (m.logits_all) m.logits_all = on_logits_all;
    m.logits_user = g;
    if (m.tokenizer.encode) m.tokenizer.encode = on_encode;
    if (m.tokenizer.decode) m.tokenizer.decode = on_decode;
    m.tokenizer.user = g;
    session_host host = host_of(g);
    begin(g);
    glimpse_status st = end(g, api->open(o, &m, &host, &g->s));
    if (st >= 0) {
        *out = g;
        return st;
    }
    buf_free(&g->spoken);
    free(g);
    return st;
}

glimpse_status inline_eval(glimpse *g, int64_t step, double train_loss, double val_loss) {
    if (g->off) return GLIMPSE_NOT_DUE;
    TRY(begin(g));
    glimpse_status st = end(g, g->api->eval(g->s, step, train_loss, val_loss));
    if (st >= 0) {
        g->failures = 0;
        return st;
    }
    say_if_unsaid(g);
    if (++g->failures < FAILURES_IN_A_ROW) return st;
    g->off = true;
    buffer b = {0};
    buf_printf(&b, "glimpse: off after %d failures in a row, the last at step %lld; training goes on", FAILURES_IN_A_ROW,
               (long long)step);
    guest_say(&g->log, buf_str(&b));
    buf_free(&b);
    return st;
}

glimpse_status inline_check(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                            const float *losses) {
    if (g->off) return GLIMPSE_NOT_DUE;
    if (!ids || !targets || B < 1 || T < 1)
        FAIL(GLIMPSE_E_INVALID, "glimpse_check: ids and targets of B = %d rows and T = %d positions are needed", (int)B, (int)T);
    TRY(begin(g));
    glimpse_status st = end(g, g->api->check(g->s, ids, targets, B, T, loss, losses));
    if (st < 0) say_if_unsaid(g);
    return st;
}

glimpse_status inline_add_hook(glimpse *g, glimpse_hook_fn fn, void *user) {
    if (!fn) FAIL(GLIMPSE_E_INVALID, "glimpse_add_hook: the function is NULL");
    if (g->busy) FAIL(GLIMPSE_E_STATE, "glimpse_add_hook: called from within a hook");
    if (g->n_hooks >= MAX_HOOKS) FAIL(GLIMPSE_E_INVALID, "more than %d hooks", MAX_HOOKS);
    hook *hooks = realloc(g->hooks, (size_t)(g->n_hooks + 1) * sizeof *hooks);
    if (!hooks) FAIL(GLIMPSE_E_MEMORY, "no memory for a hook");
    hooks[g->n_hooks++] = (hook){fn, user};
    g->hooks = hooks;
    return GLIMPSE_OK;
}

glimpse_status inline_request(glimpse *g, int score, const glimpse_request *request, glimpse_record **record) {
    glimpse_request r = GLIMPSE_REQUEST_INIT;
    const char *call = score ? "glimpse_score" : "glimpse_generate";
    if (!request || !record) FAIL(GLIMPSE_E_INVALID, "%s: request or record is NULL", call);
    if (request->size == 0) FAIL(GLIMPSE_E_INVALID, "%s: request.size is 0\nhint: start from GLIMPSE_REQUEST_INIT", call);
    memcpy(&r, request, request->size < sizeof r ? request->size : sizeof r);
    r.size = sizeof r;
    if (!r.ids && !r.text) FAIL(GLIMPSE_E_INVALID, "%s: neither text nor ids", call);
    if (r.ids && r.n_ids < 0) FAIL(GLIMPSE_E_INVALID, "%s: n_ids is %d", call, (int)r.n_ids);
    if (!r.ids && r.text_bytes == 0) r.text_bytes = strlen(r.text);
    TRY(begin(g));
    glimpse_record *made = NULL;
    glimpse_status st = end(g, (score ? g->api->score : g->api->generate)(g->s, &r, &made));
    if (st < 0) return st;
    *record = made;
    return st;
}

glimpse_status inline_close(glimpse *g) {
    TRY(begin(g));
    glimpse_status st = end(g, g->api->close(g->s));
    if (st < 0) say_if_unsaid(g);
    buf_free(&g->spoken);
    free(g->hooks);
    free(g);
    return st;
}

glimpse_status inline_offline(const session_api *api, const options *o, const char *dir, const guest_log *log) {
    glimpse g = {.api = api, .log = *log};
    session_host host = host_of(&g);
    begin(&g);
    glimpse_status st = end(&g, dir ? api->report(o, dir, &host) : api->run(o, &host));
    buf_free(&g.spoken);
    return st;
}
