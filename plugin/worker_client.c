/* worker_client.c -- worker mode, the guest's side: what a trainer's calls do (worker_guest.h).  No call waits for the worker but
 * drain, close, check, --when_busy wait and the first answer at open.
 *
 * Called by api.c.  The worker is cli/worker.c. */
#define _GNU_SOURCE
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "build_id.h" /* written by the Makefile: GLIMPSE_BUILD_ID */
#include "include/internal/file.h"
#include "include/internal/record.h"
#include "plugin/spawn.h"
#include "plugin/worker_guest.h"

enum { OPEN_WAIT_MS = 15000, NEW_WORKERS_AT_CLOSE = 2 };

/* --- open and close ---------------------------------------------------------------------------------------------- */

/* What only this process could do. */
static glimpse_status check_reach(const options *o, const glimpse_model *m) {
    if (m->logits || m->logits_all)
        FAIL(GLIMPSE_E_UNSUPPORTED, "off: a model given as a function runs in this process alone, at an eval that waits for "
             "its samples\nhint: --mode inline, or glimpse_set(cfg, \"mode\", \"inline\")");
    if (m->tokenizer.encode || m->tokenizer.decode)
        FAIL(GLIMPSE_E_UNSUPPORTED, "off: a tokenizer given as functions runs in this process alone\nhint: --mode inline, or give "
             "its pieces or its file");
    for (int i = 0; i < opt_count(o, OPT_sample_start_tokens); i++)
        if (strcmp(opt_str_at(o, OPT_sample_start_tokens, i), "-") == 0)
            FAIL(GLIMPSE_E_INVALID, "off: the prompt - is the trainer's standard input, which a worker does not have\nhint: "
                 "FILE:path, or --mode inline");
    return GLIMPSE_OK;
}

/* A worker that goes on alone may still have to copy what lies on the GPU. */
static bool device_is_read(const worker_guest *w) {
    for (int i = 0; i < w->n_posts; i++)
        if (w->posts[i].head.slot >= DEVICE_SLOT && w->posts[i].sent && !w->posts[i].copied) return true;
    return w->across == DEVICE_OFFERED && w->socket >= 0 && w->offer_sent;
}

static void release(worker_guest *w) {
    bool is_read = device_is_read(w);
    if (w->socket >= 0) close(w->socket);
    snapshot_close(&w->snap);
    device_close(w->dev, is_read);
    options_free(w->o);
    buf_free(&w->hello);
    free(w->program);
    free(w->directory);
    free(w->posts);
    free(w->failed_text);
    free(w->answer_text);
    free(w->g.hooks);
    free(w);
}

static glimpse_status first_worker(worker_guest *w) {
    int64_t deadline = monotonic_ms() + OPEN_WAIT_MS;
    TRY(line_start(w));
    for (line_collect(w); w->socket >= 0 && w->opened == GLIMPSE_NOT_DUE; line_collect(w))
        if (!line_wait(w, deadline, false))
            FAIL(GLIMPSE_E_WORKER, "off: the worker %s was not ready within %d seconds", w->program, OPEN_WAIT_MS / 1000);
    if (w->opened < 0) return status_set_text(w->opened, w->words);
    if (w->opened == GLIMPSE_OK) return GLIMPSE_OK;
    if (opt_count(w->o, OPT_module) > 0 && strncmp(w->words, "signal", 6) == 0)
        FAIL(GLIMPSE_E_WORKER, "off: the worker %s died before it was ready: %s\nhint: it had loaded --module %s; try without",
             w->program, w->words, opt_str_at(w->o, OPT_module, 0));
    char limit[64];
    if (guest_tight_limit(limit))
        FAIL(GLIMPSE_E_WORKER, "off: the worker %s ended before it was ready: %s\nhint: this process is limited to %s, and so is its worker",
             w->program, w->words, limit);
    FAIL(GLIMPSE_E_LIBRARY, "off: the worker %s ended before it was ready: %s; this library is of build %s\nhint: install both "
         "from one build, or set GLIMPSE_WORKER to the program glimpse", w->program, w->words, GLIMPSE_BUILD_ID);
}

glimpse_status worker_read_config(const options *o, options **out) {
    glimpse_status st = GLIMPSE_OK;
    char *program = NULL;
    buffer packed = {0};
    message m = MESSAGE_INIT;
    message_head head = {.kind = MSG_CONFIG};
    pid_t pid = 0;
    bool is_child = false;
    int socket = -1;
    int64_t deadline = monotonic_ms() + OPEN_WAIT_MS;
    TRY_GOTO(spawn_find(&program));
    TRY_GOTO(options_pack(o, &packed));
    TRY_GOTO(spawn_worker(program, &socket, &pid, &is_child));
    message_send(socket, &head, packed.bytes, packed.n, -1); /* if it is gone, receiving says so */
    while ((st = message_receive(socket, &m)) == GLIMPSE_NOT_DUE) {
        int64_t left = deadline - monotonic_ms();
        struct pollfd p = {.fd = socket, .events = POLLIN};
        if (left <= 0) FAIL_GOTO(GLIMPSE_E_WORKER, "off: the worker %s did not read %s within %d seconds", program,
                                 opt_str(o, OPT_config), OPEN_WAIT_MS / 1000);
        poll(&p, 1, (int)left);
    }
    if (st < 0 || m.head.kind != MSG_READY)
        FAIL_GOTO(GLIMPSE_E_LIBRARY, "off: the worker %s did not read %s: %s\nhint: set GLIMPSE_WORKER to the program glimpse "
                  "of build %s", program, opt_str(o, OPT_config), st < 0 ? "it ended" : m.payload, GLIMPSE_BUILD_ID);
    st = m.head.status < 0 ? status_set_text((glimpse_status)m.head.status, m.payload)
                           : options_unpack(m.payload, (size_t)m.head.bytes, out);
out:
    message_free(&m);
    if (socket >= 0) close(socket);
    if (is_child) spawn_reap(pid, true);
    buf_free(&packed);
    free(program);
    return st;
}

/* The GPU of the weights, if the worker may compute on it. */
static void find_gpu(worker_guest *w, char bus[DEVICE_BUS_BYTES], char why[WHY_BYTES]) {
    if (!(opt_float(w->o, OPT_gpu_memory_limit) > 0)) c_snprintf(why, WHY_BYTES, "--gpu_memory_limit is 0");
    else if (device_name(w->dev, bus) < 0) {
        c_snprintf(why, WHY_BYTES, "%s", status_text());
        *bus = 0;
    }
}

static glimpse_status prepare(worker_guest *w, const options *o, const glimpse_model *model) {
    TRY(check_reach(o, model));
    TRY(spawn_find(&w->program));
    w->directory = getcwd(NULL, 0);
    if (w->directory && w->program[0] != '/') { /* for workers to come, too */
        char *whole = path_join(w->directory, w->program);
        if (!whole) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
        free(w->program);
        w->program = whole;
    }
    w->o = options_copy(o);
    w->posts = calloc(MOST_POSTS, sizeof *w->posts);
    if (!w->o || !w->posts) FAIL(GLIMPSE_E_MEMORY, "no memory");
    TRY(device_open(model, &w->dev));
    TRY(snapshot_open(model->tensors, model->n_tensors, (int)opt_int(o, OPT_snapshots), w->dev, &w->snap));
    if (!w->dev || w->snap.n_parts < w->snap.n_blocks || !(opt_float(o, OPT_gpu_memory_limit) > 0)) w->across = DEVICE_REFUSED;
    char bus[DEVICE_BUS_BYTES] = "", why[WHY_BYTES] = "";
    if (w->dev) find_gpu(w, bus, why);
    hello h = {.build_id = GLIMPSE_BUILD_ID, .directory = w->directory, .log_back = w->g.log.fn != NULL, .snapshot_bytes = w->snap.bytes,
               .gpu = *bus ? bus : NULL, .gpu_why = *why ? why : NULL, .o = w->o, .model = *model, .offsets = w->snap.offsets};
    record_name_run(h.run);
    return hello_pack(&h, &w->hello);
}

glimpse_status worker_open(const options *o, const glimpse_model *model, const guest_log *log, glimpse **out) {
    worker_guest *w = calloc(1, sizeof *w);
    if (!w) FAIL(GLIMPSE_E_MEMORY, "no memory");
    guest_init(&w->g, true, log);
    w->g.log.never_wait = true;
    w->socket = -1;
    w->snap = (snapshot)SNAPSHOT_INIT;
    w->next_id = 1;
    schedule_init(&w->due);
    guest_begin(&w->g);
    w->opening = true;
    glimpse_status st = prepare(w, o, model);
    if (st >= 0) st = first_worker(w);
    w->opening = false;
    guest_end(&w->g, st);
    if (st >= 0) *out = &w->g;
    else release(w);
    return st;
}

/* How a call begins. */
static glimpse_status begin(worker_guest *w) {
    TRY(guest_begin(&w->g));
    line_own(w);
    return GLIMPSE_OK;
}

/* Wait until nothing is posted any more; deadline -1 = for ever.  False: the time is over, or there is no worker. */
static bool wait_for_all(worker_guest *w, int64_t deadline) {
    int tries = NEW_WORKERS_AT_CLOSE;
    for (;;) {
        line_collect(w);
        if (!w->n_posts) return true;
        if (w->socket < 0 && (w->g.off || !tries-- || line_start(w) < 0)) return false;
        line_flush(w);
        if (!line_wait(w, deadline, !line_all_sent(w))) return false;
    }
}

/* What was lost while the socket took nothing is told once, as soon as there is somebody to tell. */
static void tell_lost(worker_guest *w) {
    if (!w->lost) return;
    buffer b = {0};
    buf_printf(&b, "glimpse: the losses of %lld evals are not in the journal: the worker took nothing", (long long)w->lost);
    w->lost = 0;
    guest_tell_ours(&w->g, &b);
}

glimpse_status worker_drain(glimpse *g) {
    worker_guest *w = (worker_guest *)g;
    TRY(begin(w));
    wait_for_all(w, -1);
    tell_lost(w);
    return guest_end(g, line_take_failure(w));
}

/* At close: the last eval that was due and found the worker busy is sampled now, if the weights are still those of its step.
 * Whether those of a GPU are is not asked.  A fingerprint would be a copy a tensor at every eval that is missed, and the trainer's
 * stream would have to wait for them, else they may be of the next step; a drain before the last eval does without. */
static bool make_up(worker_guest *w, bool all) {
    uint64_t print;
    if (!w->missed || w->g.off) return false;
    const char *why = !all ? "the worker is still busy"
                      : w->dev ? "weights on a GPU may have changed since (glimpse_drain before the last eval, or --when_busy wait)"
                      : !snapshot_fingerprint(&w->snap, true, &print) || print != w->missed_print
                          ? "the weights have changed since (leave the loop behind its last eval, or --when_busy wait)" : NULL;
    buffer b = {0};
    if (why) buf_printf(&b, "glimpse: step %lld was skipped and is not sampled now: %s", (long long)w->last_missed.step, why);
    else buf_printf(&b, "glimpse: step %lld was skipped and is sampled now: the weights are still that step's", (long long)w->last_missed.step);
    guest_tell_ours(&w->g, &b);
    if (why || snapshot_fill(&w->snap, 0) < 0) return false;
    return line_add(w, MSG_EVAL, &w->last_missed) != NULL;
}

glimpse_status worker_close(glimpse *g) {
    worker_guest *w = (worker_guest *)g;
    TRY(begin(w));
    int64_t deadline = monotonic_ms() + (int64_t)(opt_float(w->o, OPT_close_timeout) * 1e3);
    bool all = wait_for_all(w, deadline), ended = false;
    if (make_up(w, all)) all = wait_for_all(w, deadline);
    tell_lost(w);
    if (w->socket >= 0) {
        shutdown(w->socket, SHUT_WR); /* the worker reads what is there, then the end */
        /* Its lock on the directory is free once it has gone. */
        while (all && w->socket >= 0) {
            message m = MESSAGE_INIT;
            glimpse_status st = message_receive(w->socket, &m);
            if (st == GLIMPSE_OK) message_free(&m);
            else if (st < 0) close(w->socket), w->socket = -1;
            else if (!line_wait(w, deadline, false)) break;
        }
        ended = w->socket < 0;
        if (!all) {
            buffer b = {0};
            post *p = line_in_hand(w);
            if (p) buf_printf(&b, "glimpse: the worker finishes the eval of step %lld alone", (long long)p->head.step);
            else buf_puts(&b, "glimpse: the worker finishes alone");
            guest_tell_ours(g, &b);
        }
    }
    if (w->adopted) spawn_reap(w->adopted, ended); /* else it may be at work for as long as an eval takes */
    if (w->unreaped) spawn_reap(w->unreaped, true);
    glimpse_status st = guest_end(g, line_take_failure(w));
    release(w);
    return st;
}

/* --- evals ------------------------------------------------------------------------------------------------------- */

/* This eval is recorded without a sample.  Returns what an earlier one failed with, else `outcome`. */
static glimpse_status note(worker_guest *w, const asked *a, note_kind how, const char *why, glimpse_status outcome) {
    post *p = line_add(w, MSG_NOTE, a);
    if (p) {
        p->head.status = (int32_t)how;
        p->head.told = how == NOTE_FAILED; /* by line_failed */
        c_snprintf(p->why, sizeof p->why, "%s", why);
    } else w->lost++;
    line_flush(w);
    glimpse_status st = line_take_failure(w);
    return st < 0 ? st : outcome;
}

/* This eval itself has failed, as the status text says. */
static glimpse_status eval_failed(worker_guest *w, glimpse_status st, const asked *a) {
    char why[WHY_BYTES];
    c_snprintf(why, sizeof why, "%s", status_text());
    line_failed(w, st, why, a->step, true);
    return note(w, a, NOTE_FAILED, why, st);
}

/* It is due and cannot be begun. */
static glimpse_status miss(worker_guest *w, const asked *a, const char *why) {
    w->missed = true;
    w->last_missed = *a;
    if (!w->dev) snapshot_fingerprint(&w->snap, false, &w->missed_print);
    return note(w, a, NOTE_OWED, why, GLIMPSE_SKIPPED);
}

/* Memory of the GPU is taken once a step was made: by then the trainer has what it needs. */
static void offer_device(worker_guest *w, int64_t step) {
    if (w->across != DEVICE_NONE || step <= w->first_step) return;
    if (device_offer_slots(w->dev, w->snap.bytes, w->snap.n_slots, opt_float(w->o, OPT_gpu_memory_limit), &w->offer) < 0) {
        char why[WHY_BYTES];
        c_snprintf(why, sizeof why, "%s", status_text());
        line_refuse_device(w, why);
        return;
    }
    w->across = DEVICE_OFFERED;
    line_flush(w);
}

/* A slot to copy into; -1 = there is none (--when_busy skip), or the worker died while it was waited for. */
static int wait_for_slot(worker_guest *w) {
    while (opt_is(w->o, OPT_when_busy, "wait") && line_free_slot(w) < 0 && w->socket >= 0) {
        line_wait(w, -1, !line_all_sent(w));
        line_collect(w);
        line_flush(w);
    }
    return w->socket < 0 ? -1 : line_free_slot(w);
}

/* The weights of now into the slot, and the word to the worker. */
static glimpse_status post_eval(worker_guest *w, const asked *a, int slot, double begun_s, double interval_s) {
    if (w->dev) {
        glimpse_status st = device_ready(w->dev);
        if (st == GLIMPSE_SKIPPED) return miss(w, a, "the trainer's stream is being captured into a graph");
        if (st < 0) return eval_failed(w, st, a);
        offer_device(w, a->step);
    }
    if (w->n_posts >= MOST_POSTS) {
        w->lost++;
        return GLIMPSE_SKIPPED;
    }
    bool across = w->across == DEVICE_SHARED;
    glimpse_status st = across ? device_copy_across(w->dev, w->snap.parts, w->snap.n_parts, slot) : snapshot_fill(&w->snap, slot);
    if (st < 0) return eval_failed(w, st, a);
    post *p = line_add(w, MSG_EVAL, a);
    p->head.slot = slot + (across ? DEVICE_SLOT : 0);
    p->head.blocked_s = monotonic_s() - begun_s;
    p->head.interval_s = interval_s;
    line_flush(w);
    return line_take_failure(w);
}

static glimpse_status eval(worker_guest *w, const asked *a) {
    char why[SCHEDULE_WHY_BYTES];
    glimpse_status st;
    double begun_s = monotonic_s();
    if (!w->seen) w->seen = true, w->first_step = a->step;
    line_collect(w);
    if (guest_rests(&w->g)) return w->failed < 0 ? line_take_failure(w) : GLIMPSE_NOT_DUE;
    if (w->socket < 0 && (st = line_start(w)) < 0) return eval_failed(w, st, a);
    w->met = true;
    line_flush(w);
    if (w->n_posts <= MOST_POSTS / 2) tell_lost(w);
    schedule due = line_expected(w);
    if (!schedule_is_due(&due, w->o, a->val_loss, why) && !schedule_reads_weights(w->o)) return note(w, a, NOTE_SKIPPED, why, GLIMPSE_NOT_DUE);
    w->missed = false;
    double interval_s = w->due_s > 0 ? begun_s - w->due_s : 0;
    w->due_s = begun_s;
    int slot = wait_for_slot(w);
    if (w->socket < 0) return note(w, a, NOTE_FAILED, "the worker died", GLIMPSE_OK);
    if (slot >= 0 && line_all_sent(w)) return post_eval(w, a, slot, begun_s, interval_s);
    const post *before = slot < 0 ? line_in_hand(w) : NULL;
    if (before) c_snprintf(why, sizeof why, "still busy with step %lld (--when_busy wait)", (long long)before->head.step);
    else c_snprintf(why, sizeof why, "the worker takes no messages");
    line_hurry(w);
    return miss(w, a, why);
}

glimpse_status worker_eval(glimpse *g, int64_t step, double train_loss, double val_loss) {
    worker_guest *w = (worker_guest *)g;
    TRY(begin(w));
    return guest_end(g, eval(w, &(asked){step, train_loss, val_loss}));
}

/* --- check ------------------------------------------------------------------------------------------------------- */

static glimpse_status check(worker_guest *w, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                            const float *losses) {
    glimpse_status st = GLIMPSE_OK;
    buffer both = {0};
    int64_t deadline = monotonic_ms() + (int64_t)(opt_float(w->o, OPT_close_timeout) * 1e3);
    size_t n = (size_t)B * (size_t)T * sizeof(int32_t);
    if (!wait_for_all(w, deadline)) FAIL(GLIMPSE_E_WORKER, "glimpse_check: the worker is busy or gone");
    if (w->socket < 0) TRY(line_start(w));
    buf_put(&both, ids, n);
    buf_put(&both, targets, n);
    if (losses) buf_put(&both, losses, n); /* a float is as long as an id */
    if (buf_failed(&both)) FAIL_GOTO(GLIMPSE_E_MEMORY, "glimpse_check: no memory for %d x %d ids", (int)B, (int)T);
    if (w->dev && (st = device_ready(w->dev)) == GLIMPSE_SKIPPED)
        FAIL_GOTO(GLIMPSE_E_STATE, "glimpse_check: the trainer's stream is being captured into a graph");
    if (st < 0) goto out;
    TRY_GOTO(snapshot_fill(&w->snap, 0)); /* nothing is posted: all are free */
    post *p = line_add(w, MSG_CHECK, &(asked){0, NAN, loss});
    if (!p) FAIL_GOTO(GLIMPSE_E_WORKER, "glimpse_check: the worker is busy");
    p->head.B = B;
    p->head.T = T;
    st = message_send(w->socket, &p->head, both.bytes, both.n, -1);
    if (st != GLIMPSE_OK) {
        line_remove(w, w->n_posts - 1);
        if (st > 0) FAIL_GOTO(GLIMPSE_E_WORKER, "glimpse_check: the worker takes no messages");
        goto out;
    }
    p->sent = true;
    w->waits_for = p->head.id;
    while (w->waits_for) {
        line_collect(w);
        if (!w->waits_for) break;
        if (!line_wait(w, deadline, false)) {
            w->waits_for = 0;
            FAIL_GOTO(GLIMPSE_E_WORKER, "glimpse_check: no answer within %g seconds (--close_timeout)",
                      opt_float(w->o, OPT_close_timeout));
        }
    }
    st = w->answer < 0 ? status_set_text(w->answer, w->answer_text) : GLIMPSE_OK;
out:
    buf_free(&both);
    return st;
}

glimpse_status worker_check(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                            const float *losses) {
    if (g->off) return GLIMPSE_NOT_DUE;
    if (!ids || !targets || B < 1 || T < 1 || (int64_t)B * T > INT32_MAX / 8)
        FAIL(GLIMPSE_E_INVALID, "glimpse_check: ids and targets of B = %d rows and T = %d positions are needed", (int)B, (int)T);
    worker_guest *w = (worker_guest *)g;
    TRY(begin(w));
    if (g->off) return guest_end(g, line_take_failure(w));
    glimpse_status st = check(w, ids, targets, B, T, loss, losses);
    if (st < 0) guest_tell_error(g);
    return guest_end(g, st);
}
