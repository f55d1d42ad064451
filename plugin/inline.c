/* inline.c -- inline mode: the session runs inside the caller's own call, on the live weights, behind the guard of
 * guard.c.  Called by api.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/guest.h"
#include "plugin/lock_holder.h"
#include "plugin/module.h"
#include "plugin/snapshot.h"

typedef struct inline_guest {
    glimpse g;              /* first: what api.c knows */
    const session_api *api;
    session *s;
    modules *mods;          /* NULL = none */
    const chat_terminal *terminal; /* of a conversation; NULL = plain lines */
    plain_lines lines;
    glimpse_logits_fn logits, logits_all; /* the caller's own functions; the session is given those below */
    void *logits_user;
    glimpse_tokenizer tokenizer;
    bool ending;            /* the directory is still a worker's whose trainer is gone: this eval is skipped */
    options *o;             /* of a model on a GPU: whether an eval needs the weights; else NULL */
    device *dev;            /* NULL = the session reads the trainer's own memory */
    snapshot snap;          /* a copy in host memory of what lies on it, made when the session asks for it there */
    glimpse_tensor *tensors; /* (n_tensors) as bound, in the copy */
    weights_source source;  /* what the session asks for the weights */
    uint64_t host_epoch;    /* whose weights the copy holds */
    char no_gpu[256];       /* why the session may not compute where the weights are */
    bool asked;             /* in this eval */
} inline_guest;

/* --- what the session calls -------------------------------------------------------------------------------------- */

static void on_log(void *user, const char *line) {
    guest_tell(&((inline_guest *)user)->g, line ? line : "");
}

static void on_record(void *user, const glimpse_record *record) {
    inline_guest *w = user;
    modules_record(w->mods, record);
    guest_run_hooks(&w->g, record);
}

/* Inline the trainer would wait: the next eval tries again. */
static bool on_locked(void *user, const char *dir) {
    inline_guest *w = user;
    lock_holder h = lock_holder_of(dir, getpid());
    bool again = h == HOLDER_UNKNOWN && !w->asked; /* it was just going: then the lock is free now */
    w->asked = true;
    w->ending = h == HOLDER_ENDING || (h == HOLDER_OWN && own_dir_is_free(dir) >= 0);
    return again;
}

static bool on_taken(void *user, const char *dir) {
    (void)user;
    return lock_holder_of(dir, getpid()) == HOLDER_ALIVE;
}

static int on_out(void *user, const char *bytes, size_t n) {
    (void)user;
    return file_write_fd(STDOUT_FILENO, "stdout", bytes, n) < 0 ? errno : 0;
}

static int on_logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    inline_guest *g = user;
    host_state ours;
    guest_go_out(&g->g, &ours);
    int r = g->logits(g->logits_user, B, T, ids, lengths, out);
    guest_come_in(&g->g, &ours);
    return r;
}

static int on_logits_all(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    inline_guest *g = user;
    host_state ours;
    guest_go_out(&g->g, &ours);
    int r = g->logits_all(g->logits_user, B, T, ids, lengths, out);
    guest_come_in(&g->g, &ours);
    return r;
}

static int32_t on_encode(void *user, const char *text, size_t bytes, int32_t *ids, int32_t cap) {
    inline_guest *g = user;
    host_state ours;
    guest_go_out(&g->g, &ours);
    int32_t r = g->tokenizer.encode(g->tokenizer.user, text, bytes, ids, cap);
    guest_come_in(&g->g, &ours);
    return r;
}

static int32_t on_decode(void *user, int32_t id, char *out, int32_t cap) {
    inline_guest *g = user;
    host_state ours;
    guest_go_out(&g->g, &ours);
    int32_t r = g->tokenizer.decode(g->tokenizer.user, id, out, cap);
    guest_come_in(&g->g, &ours);
    return r;
}

/* Offline: the samplers of modules, before anything is sampled. */
static glimpse_status on_opened(void *user, session *s, char *why, size_t cap) {
    inline_guest *w = user;
    glimpse_status st = modules_join(w->mods, w->api, s);
    if (st < 0) c_snprintf(why, cap, "%s", status_text());
    return st;
}

static session_host host_of(inline_guest *g) {
    return (session_host){.user = g, .log = on_log, .record = on_record, .out = on_out, .locked = on_locked, .taken = on_taken,
                          .terminal = !g->g.log.fn && isatty(STDERR_FILENO), .out_terminal = isatty(STDOUT_FILENO)};
}

/* In place on the terminal; the next line of the log is written over it. */
static void on_progress(void *user, const char *line) {
    buffer b = {0};
    (void)user;
    buf_puts(&b, "\r\x1b[K");
    buf_puts(&b, line ? line : "");
    if (!buf_failed(&b)) file_write_fd(STDERR_FILENO, "stderr", b.bytes, b.n);
    buf_free(&b);
}

static int on_line(void *user, const char *prompt, const char **line, size_t *n) {
    inline_guest *g = user;
    const chat_terminal *t = g->terminal;
    host_state ours;
    guest_go_out(&g->g, &ours);
    int r = t && t->read_line ? t->read_line(t->user, prompt, line, n)
                              : plain_lines_next(&g->lines, prompt, t ? t->cancel : NULL, line, n);
    guest_come_in(&g->g, &ours);
    return r;
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static glimpse_status end(inline_guest *g, glimpse_status st) {
    return guest_end(&g->g, session_said(g->api, st));
}

/* --- weights on a GPU -------------------------------------------------------------------------------------------- */

static glimpse_status on_host(void *user, char *why, size_t cap) {
    inline_guest *g = user;
    if (g->host_epoch == g->source.epoch) return GLIMPSE_OK;
    glimpse_status st = snapshot_fill(&g->snap, 0);
    if (st >= 0) g->host_epoch = g->source.epoch;
    else c_snprintf(why, cap, "%s", status_text());
    return st;
}

/* Where they are: the trainer waits for this call, and what its stream still had to do is done. */
static glimpse_status on_device(void *user, char *why, size_t cap) {
    inline_guest *g = user;
    glimpse_status st = device_catch_up(g->dev);
    if (st < 0) c_snprintf(why, cap, "%s", status_text());
    else snapshot_fill_host(&g->snap, 0);
    g->source.there = st >= 0;
    return st;
}

static void taken(void *user) { ((inline_guest *)user)->source.there = false; }

static glimpse_status find_gpu(inline_guest *g, int32_t *ordinal) {
    if (!(opt_float(g->o, OPT_gpu_memory_limit) > 0)) FAIL(GLIMPSE_E_UNSUPPORTED, "--gpu_memory_limit is 0");
    return device_number(g->dev, ordinal);
}

static glimpse_status describe_source(inline_guest *g) {
    const snapshot *s = &g->snap;
    g->source = (weights_source){.user = g, .device = -1, .on_host = on_host, .on_device = on_device, .taken = taken, .epoch = 1,
                                 .stays = true, .memory_percent = opt_float(g->o, OPT_gpu_memory_limit),
                                 .keep_host = opt_bool(g->o, OPT_save_snapshots) || opt_count(g->o, OPT_module) > 0};
    g->source.parts = calloc((size_t)s->n_parts + 1, sizeof *g->source.parts);
    if (!g->source.parts) FAIL(GLIMPSE_E_MEMORY, "no memory");
    for (int i = 0; i < s->n_parts; i++)
        g->source.parts[i] = (weights_part){s->at + s->parts[i].offset, s->parts[i].bytes, (uint64_t)(uintptr_t)s->parts[i].from};
    g->source.n_parts = s->n_parts;
    if (find_gpu(g, &g->source.device) >= 0) return GLIMPSE_OK;
    c_snprintf(g->no_gpu, sizeof g->no_gpu, "%s", status_text());
    g->source.device = -1;
    g->source.why_not = g->no_gpu;
    return GLIMPSE_OK;
}

/* `m` with tensors that lie in a copy of ours, which is made when it is asked for. */
static glimpse_status bind_copy(inline_guest *g, const options *o, glimpse_model *m) {
    TRY(device_open(m, &g->dev));
    if (!g->dev) return GLIMPSE_OK;
    TRY(snapshot_open(m->tensors, m->n_tensors, SNAPSHOT_LATER, g->dev, &g->snap));
    g->o = options_copy(o);
    g->tensors = malloc((size_t)m->n_tensors * sizeof *g->tensors);
    if (!g->o || !g->tensors) FAIL(GLIMPSE_E_MEMORY, "no memory");
    memcpy(g->tensors, m->tensors, (size_t)m->n_tensors * sizeof *g->tensors);
    for (int32_t i = 0; i < m->n_tensors; i++) g->tensors[i].data = g->snap.at + g->snap.offsets[i];
    m->tensors = g->tensors;
    return describe_source(g);
}

static void free_copy(inline_guest *g) {
    snapshot_close(&g->snap);
    device_close(g->dev, false);
    options_free(g->o);
    free(g->tensors);
    free(g->source.parts);
}

/* The weights have changed.  GLIMPSE_SKIPPED: the trainer's stream is being captured into a graph. */
static glimpse_status next_epoch(inline_guest *g) {
    if (!g->dev) return GLIMPSE_OK;
    glimpse_status st = device_ready(g->dev);
    if (st == GLIMPSE_OK) g->source.epoch++;
    return st;
}

/* The weights as they are now, for a call that is not an eval. */
static glimpse_status refresh_for(inline_guest *g, const char *call) {
    glimpse_status st = next_epoch(g);
    if (st == GLIMPSE_SKIPPED) FAIL(GLIMPSE_E_STATE, "%s: the trainer's stream is being captured into a graph", call);
    return st;
}

/* The same for an eval, if it reads them; what it could not do is recorded.  GLIMPSE_SKIPPED or an error: the eval is over. */
static glimpse_status refresh_for_eval(inline_guest *g, int64_t step, double train_loss, double val_loss) {
    char why[320];
    schedule due;
    if (!g->dev) return GLIMPSE_OK;
    g->api->schedule(g->s, &due);
    if (!schedule_is_due(&due, g->o, val_loss, why) && !schedule_reads_weights(g->o)) return GLIMPSE_OK;
    glimpse_status st = next_epoch(g);
    if (st == GLIMPSE_OK) return st;
    c_snprintf(why, sizeof why, "%s", st < 0 ? status_text() : "the trainer's stream is being captured into a graph");
    g->api->note(g->s, step, train_loss, val_loss, st < 0 ? NOTE_FAILED : NOTE_OWED, why, 0, false);
    if (st < 0) status_set_text(st, why);
    return st;
}

glimpse_status inline_open(const session_api *api, const options *o, const glimpse_model *model, const guest_log *log,
                           glimpse **out) {
    inline_guest *g = calloc(1, sizeof *g);
    if (!g) FAIL(GLIMPSE_E_MEMORY, "no memory");
    glimpse_model m = *model;
    guest_init(&g->g, false, log);
    g->snap = (snapshot)SNAPSHOT_INIT;
    g->api = api;
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
    guest_begin(&g->g);
    glimpse_model shown = *model; /* to modules: the trainer's own, in memory that they can read */
    glimpse_status st = bind_copy(g, o, &m);
    session_host host = host_of(g);
    if (g->dev) host.weights = &g->source;
    host.opened = on_opened;
    host.samplers_follow = true;
    shown.tensors = m.tensors;
    if (st >= 0) st = modules_open(o, &shown, &g->mods);
    if (st >= 0) st = modules_describe(g->mods, &m);
    if (st >= 0) st = session_said(api, api->open(o, &m, &host, &g->s));
    if (st < 0) modules_close(g->mods);
    guest_end(&g->g, st);
    if (st >= 0) {
        *out = &g->g;
        return st;
    }
    free_copy(g);
    free(g);
    return st;
}

glimpse_status inline_eval(glimpse *guest, int64_t step, double train_loss, double val_loss) {
    inline_guest *g = (inline_guest *)guest;
    if (guest_rests(guest)) return GLIMPSE_NOT_DUE;
    TRY(guest_begin(&g->g));
    g->ending = g->asked = false;
    glimpse_status st = refresh_for_eval(g, step, train_loss, val_loss);
    st = st == GLIMPSE_OK ? end(g, g->api->eval(g->s, step, train_loss, val_loss)) : guest_end(guest, st);
    if (st == GLIMPSE_E_BUSY && g->ending) {
        buffer b = {0};
        buf_printf(&b, "glimpse %lld: skipped, the worker of the run before still finishes its last eval; the next eval tries again",
                   (long long)step);
        guest_say(&guest->log, buf_failed(&b) ? "glimpse: out of memory" : buf_str(&b));
        buf_free(&b);
        return GLIMPSE_SKIPPED;
    }
    if (st < 0 && !g->api->told(g->s)) guest_say_error(&guest->log);
    guest_count(guest, st, step);
    return st;
}

glimpse_status inline_check(glimpse *guest, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                            const float *losses) {
    inline_guest *g = (inline_guest *)guest;
    if (guest->off) return GLIMPSE_NOT_DUE;
    if (!ids || !targets || B < 1 || T < 1)
        FAIL(GLIMPSE_E_INVALID, "glimpse_check: ids and targets of B = %d rows and T = %d positions are needed", (int)B, (int)T);
    TRY(guest_begin(&g->g));
    glimpse_status st = refresh_for(g, "glimpse_check");
    st = st < 0 ? guest_end(guest, st) : end(g, g->api->check(g->s, ids, targets, B, T, loss, losses));
    if (st < 0) guest_say_error(&guest->log);
    return st;
}

glimpse_status inline_request(glimpse *guest, int score, const glimpse_request *request, glimpse_record **record) {
    inline_guest *g = (inline_guest *)guest;
    glimpse_request r = GLIMPSE_REQUEST_INIT;
    const char *call = score ? "glimpse_score" : "glimpse_generate";
    if (!request || !record) FAIL(GLIMPSE_E_INVALID, "%s: request or record is NULL", call);
    if (request->size == 0) FAIL(GLIMPSE_E_INVALID, "%s: request.size is 0\nhint: start from GLIMPSE_REQUEST_INIT", call);
    memcpy(&r, request, request->size < sizeof r ? request->size : sizeof r);
    r.size = sizeof r;
    if (!r.ids && !r.text) FAIL(GLIMPSE_E_INVALID, "%s: neither text nor ids", call);
    if (r.ids && r.n_ids < 0) FAIL(GLIMPSE_E_INVALID, "%s: n_ids is %d", call, (int)r.n_ids);
    if (!r.ids && r.text_bytes == 0) r.text_bytes = strlen(r.text);
    TRY(guest_begin(&g->g));
    glimpse_record *made = NULL;
    glimpse_status st = refresh_for(g, call);
    st = st < 0 ? guest_end(guest, st) : end(g, (score ? g->api->score : g->api->generate)(g->s, &r, &made));
    if (st < 0) return st;
    *record = made;
    return st;
}

glimpse_status inline_add_sampler(glimpse *guest, const glimpse_sampler *given, void *user) {
    inline_guest *g = (inline_guest *)guest;
    glimpse_sampler vt;
    void *state = NULL;
    if (!given || given->size < offsetof(glimpse_sampler, reset) || !given->name || !given->apply)
        FAIL(GLIMPSE_E_INVALID, "glimpse_add_sampler: a name and apply are needed\nhint: start from GLIMPSE_SAMPLER_INIT");
    TRY(inline_wrap_sampler(guest, given, user, &vt, &state));
    glimpse_status st = guest_begin(&g->g);
    if (st >= 0) st = end(g, g->api->add_sampler(g->s, &vt, state));
    if (st < 0) vt.free(state);
    return st;
}

glimpse_status inline_close(glimpse *guest) {
    inline_guest *g = (inline_guest *)guest;
    TRY(guest_begin(&g->g));
    glimpse_status st = session_said(g->api, g->api->close(g->s));
    modules_close(g->mods);
    free_copy(g);
    guest_end(guest, st); /* the host's errno is its own again */
    if (st < 0) guest_say_error(&guest->log);
    free(g->g.hooks);
    free(g);
    return st;
}

/* A guest for the length of one command, without a session of its own. */
static glimpse_status outside_begin(inline_guest *g, const session_api *api, const guest_log *log, session_host *host) {
    *g = (inline_guest){.api = api};
    guest_init(&g->g, false, log);
    *host = host_of(g);
    if (host->terminal) host->progress = on_progress;
    return guest_begin(&g->g);
}

static glimpse_status outside_end(inline_guest *g, glimpse_status st) {
    modules_close(g->mods);
    guest_end(&g->g, st);
    buf_free(&g->lines.bytes);
    return st;
}

glimpse_status inline_command(const session_api *api, session_command which, const options *o, const char *dir,
                              const chat_terminal *terminal, const guest_log *log) {
    inline_guest g;
    session_host host;
    TRY(outside_begin(&g, api, log, &host));
    glimpse_status st = session_commands[which].modules ? modules_open(o, NULL, &g.mods) : GLIMPSE_OK;
    host.tokenizer = modules_tokenizer(g.mods);
    host.opened = on_opened;
    g.terminal = terminal;
    host.read_line = on_line;
    host.cancel = terminal ? terminal->cancel : NULL;
    host.in_terminal = isatty(STDIN_FILENO);
    if (st >= 0) st = session_said(api, api->command(which, o, dir, &host));
    return outside_end(&g, st);
}

glimpse_status inline_files(const session_api *api, const file_command *c, const guest_log *log) {
    inline_guest g;
    session_host host;
    TRY(outside_begin(&g, api, log, &host));
    return outside_end(&g, session_said(api, api->files(c, &host)));
}
