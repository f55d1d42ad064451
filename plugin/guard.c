/* guard.c -- what both modes share: the guard around every call, hooks, and the count of failures.
 *
 * Glimpse computes with the default floating-point environment (whatever the host set: flush-to-zero, another rounding)
 * and the locale "C", and the host finds its own again, errno too.  When a function of the host is called back (log,
 * hooks, a logits function, a tokenizer), the host's state is there as well:
 *
 *   host --enter--> Glimpse --out--> the host's function --in--> Glimpse --leave--> host
 *
 * Called by inline.c and worker_client.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "include/internal/threads.h"
#include "plugin/guest.h"

enum { FAILURES_IN_A_ROW = 3, OFF_S = 3600, MAX_HOOKS = 1024 };

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
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &host->cancel); /* also while a function of the host is called back */
    state_save(host);
    fesetenv(FE_DFL_ENV); /* nearest, exceptions masked, and on x86 denormals kept (glibc since 2.23) */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc's static object: nothing is allocated */
    if (c) uselocale(c);
}

void host_leave(const host_state *host) {
    state_restore(host);
    pthread_setcancelstate(host->cancel, NULL);
}

void guest_go_out(const glimpse *g, host_state *ours) {
    state_save(ours);
    state_restore(&g->host);
}

void guest_come_in(glimpse *g, const host_state *ours) {
    state_save(&g->host); /* what the host's function changed is the host's wish */
    state_restore(ours);
}

void guest_init(glimpse *g, bool worker, const guest_log *log) {
    *g = (glimpse){.worker = worker, .log = *log, .owner = getpid()};
}

glimpse_status guest_begin(glimpse *g) {
    if (atomic_exchange(&g->busy, true))
        FAIL(GLIMPSE_E_STATE, "another call of this session is under way: in another thread, or this one comes from within a hook or a function "
             "that Glimpse called");
    host_enter(&g->host);
    return GLIMPSE_OK;
}

glimpse_status guest_end(glimpse *g, glimpse_status st) {
    host_leave(&g->host);
    atomic_store(&g->busy, false);
    return st;
}

void guest_tell(glimpse *g, const char *line) {
    host_state ours;
    guest_go_out(g, &ours);
    guest_say(&g->log, line);
    guest_come_in(g, &ours);
}

void guest_tell_ours(glimpse *g, buffer *line) {
    buffer spelt = {0};
    opt_spell(buf_str(line), g->log.trainer, &spelt);
    guest_tell(g, buf_failed(line) || buf_failed(&spelt) ? "glimpse: out of memory" : buf_str(&spelt));
    buf_free(&spelt);
    buf_free(line);
}

void guest_tell_error(glimpse *g) {
    host_state ours;
    guest_go_out(g, &ours);
    guest_say_error(&g->log);
    guest_come_in(g, &ours);
}

glimpse_status guest_add_hook(glimpse *g, glimpse_hook_fn fn, void *user) {
    if (!fn) FAIL(GLIMPSE_E_INVALID, "glimpse_add_hook: the function is NULL");
    if (g->busy) FAIL(GLIMPSE_E_STATE, "glimpse_add_hook: called from within a hook");
    if (g->n_hooks >= MAX_HOOKS) FAIL(GLIMPSE_E_INVALID, "more than %d hooks", MAX_HOOKS);
    guest_hook *hooks = realloc(g->hooks, (size_t)(g->n_hooks + 1) * sizeof *hooks);
    if (!hooks) FAIL(GLIMPSE_E_MEMORY, "no memory for a hook");
    hooks[g->n_hooks++] = (guest_hook){fn, user};
    g->hooks = hooks;
    return GLIMPSE_OK;
}

void guest_run_hooks(glimpse *g, const glimpse_record *record) {
    host_state ours;
    guest_go_out(g, &ours);
    for (int i = 0; record && i < g->n_hooks; i++) g->hooks[i].fn(g->hooks[i].user, record);
    guest_come_in(g, &ours);
}

void guest_count(glimpse *g, glimpse_status st, int64_t step) {
    if (st >= 0) {
        g->failures = 0;
        return;
    }
    if (g->off || ++g->failures < FAILURES_IN_A_ROW) return; /* evals in flight may still fail: it is said once */
    const bool again = st != GLIMPSE_E_BUSY && st != GLIMPSE_E_STATE;
    g->off = true;
    g->off_until_s = again ? monotonic_s() + OFF_S : 0;
    buffer b = {0};
    buf_printf(&b, "glimpse: off after %d failures in a row, the last at step %lld; training goes on%s", FAILURES_IN_A_ROW,
               (long long)step, again ? ", an eval in an hour tries again" : "");
    guest_say(&g->log, buf_str(&b));
    buf_free(&b);
}

bool guest_rests(glimpse *g) {
    if (!g->off || !(g->off_until_s > 0) || monotonic_s() < g->off_until_s) return g->off;
    g->off = false;
    g->failures = FAILURES_IN_A_ROW - 1; /* one more, and it is off for another hour */
    return false;
}
