/* worker_client.c -- worker mode, the guest's side: a snapshot, a socket, and a list of what was posted and not yet
 * answered.  No call waits for the worker but drain, close, check, --when_busy wait and the first answer at open.
 *
 * Posts are answered in order.  What the worker never answered because it died is posted to the next one: an eval without
 * a sample as it was, the eval in hand as failed, with the reason (it may be what killed the worker), one in the second
 * slot as it was, its weights are still there.  A new worker is started
 * by the next eval, which does not wait for it.
 *
 * Called by api.c.  The worker is cli/worker.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "build_id.h" /* written by the Makefile: GLIMPSE_BUILD_ID */
#include "include/internal/file.h"
#include "include/internal/record.h"
#include "plugin/device.h"
#include "plugin/guest.h"
#include "plugin/snapshot.h"
#include "plugin/spawn.h"
#include "plugin/worker_protocol.h"

enum { MOST_POSTS = 512, OPEN_WAIT_MS = 15000, NEW_WORKERS_AT_CLOSE = 2 };

#define KILLED "killed without a word, and its keeper too"

typedef struct post {
    message_head head;      /* EVAL, NOTE or CHECK */
    char why[WHY_BYTES];    /* NOTE */
    bool sent;
    bool copied;            /* of a slot on the GPU: the worker has read it */
} post;

typedef struct asked { /* an eval, as the trainer calls it */
    int64_t step;
    double train_loss, val_loss;
} asked;

typedef struct worker_guest {
    glimpse g;              /* first: what api.c knows */
    options *o;
    snapshot snap;
    device *dev;            /* NULL = the weights are in host memory */
    enum { DEVICE_NONE, DEVICE_OFFERED, DEVICE_SHARED, DEVICE_REFUSED } across; /* the snapshot on it (device.h) */
    device_offer offer;
    bool offer_sent;        /* to this worker */
    bool seen;              /* an eval was, at first_step */
    int64_t first_step;
    buffer hello;           /* the description, packed: every worker gets the same */
    char *program, *directory; /* directory: the trainer's at open, NULL = unknown */
    int socket;             /* -1 = no worker */
    pid_t adopted;          /* the worker's id if this process is its parent, 0 = it is not */
    pid_t unreaped;         /* one of before that was still ending */
    bool opening;           /* glimpse_open is waiting: what fails is its caller's to say */
    bool ready;             /* it has opened its session */
    glimpse_status refused; /* READY's error */
    schedule due;           /* as the worker last told it */
    post *posts;            /* (n_posts) oldest first */
    int n_posts;
    int64_t next_id, lost;  /* lost: notes that found no room */
    int64_t hurried;        /* the newest post that the worker was asked to hurry with */
    double due_ns;          /* when an eval was last due, 0 = never */
    bool missed;            /* the last eval that was due could not be begun: close makes up for it, if it can */
    asked last_missed;
    uint64_t missed_print;  /* the weights' fingerprint, of host memory alone */
    char words[WORDS_BYTES]; /* the worker's last */
    glimpse_status failed;  /* of an earlier eval, to be returned by the next call; 0 = none */
    char *failed_text;
    glimpse_status answer;  /* of the check that waits */
    int64_t waits_for;      /* its id; 0 = none */
    char *answer_text;
} worker_guest;

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static int64_t now_ms(void) { return (int64_t)(now_ns() * 1e-6); }

/* --- posts ------------------------------------------------------------------------------------------------------- */

static post *eval_in_hand(worker_guest *w) { /* the oldest that holds a slot: the one the worker works on, or will next */
    for (int i = 0; i < w->n_posts; i++)
        if (w->posts[i].head.kind != MSG_NOTE) return &w->posts[i];
    return NULL;
}

static int free_slot(const worker_guest *w) { /* -1 = none */
    unsigned held = 0;
    for (int i = 0; i < w->n_posts; i++)
        if (w->posts[i].head.kind != MSG_NOTE && !w->posts[i].copied) held |= 1u << w->posts[i].head.slot % DEVICE_SLOT;
    for (int slot = 0; slot < w->snap.n_slots; slot++)
        if (!(held >> slot & 1)) return slot;
    return -1;
}

static void remove_post(worker_guest *w, int at) {
    memmove(w->posts + at, w->posts + at + 1, (size_t)(--w->n_posts - at) * sizeof *w->posts);
}

/* A new post at the end of the list; NULL: there is no room. */
static post *add_post(worker_guest *w, message_kind kind, const asked *a) {
    if (w->n_posts >= MOST_POSTS) return NULL;
    post *p = &w->posts[w->n_posts++];
    *p = (post){.head = {.kind = (uint32_t)kind, .id = w->next_id++, .step = a->step, .train_loss = a->train_loss,
                         .val_loss = a->val_loss, .hooked = w->g.n_hooks > 0, .posted = (int64_t)time(NULL)}};
    return p;
}

/* The schedule once everything posted is recorded. */
static schedule expected(const worker_guest *w) {
    schedule s = w->due;
    for (int i = 0; i < w->n_posts; i++) {
        const message_head *h = &w->posts[i].head;
        if (h->kind == MSG_CHECK) continue;
        s.evals++;
        schedule_best(&s, h->step, h->val_loss);
        if (h->kind == MSG_EVAL || h->status != NOTE_SKIPPED) s.owed = h->kind != MSG_EVAL;
    }
    return s;
}

/* --- failures ---------------------------------------------------------------------------------------------------- */

/* An earlier eval failed: said (unless the worker did), counted, kept for the next call's return. */
static void note_failure(worker_guest *w, glimpse_status st, const char *text, int64_t step, bool say) {
    char *copy = strdup(text);
    free(w->failed_text);
    w->failed_text = copy;
    w->failed = st;
    status_set_text(st, text);
    if (say) guest_tell_error(&w->g);
    host_state ours;
    guest_go_out(&w->g, &ours);
    guest_count(&w->g, st, step);
    guest_come_in(&w->g, &ours);
}

static glimpse_status take_failure(worker_guest *w) {
    glimpse_status st = w->failed;
    if (st >= 0) return GLIMPSE_OK;
    status_set_text(st, w->failed_text);
    free(w->failed_text);
    w->failed_text = NULL;
    w->failed = GLIMPSE_OK;
    return st;
}

static void answer_check(worker_guest *w, const message_head *h, glimpse_status st, const char *text) {
    if (h->id != w->waits_for) return;
    w->waits_for = 0;
    w->answer = st;
    free(w->answer_text);
    w->answer_text = st < 0 ? strdup(text) : NULL;
}

/* Weights of a GPU go through host memory from now on; said once. */
static void refuse_device(worker_guest *w, const char *why) {
    buffer b = {0};
    w->across = DEVICE_REFUSED;
    buf_printf(&b, "glimpse: the weights are copied through the host's memory: %s", why);
    guest_tell(&w->g, buf_failed(&b) ? "glimpse: out of memory" : buf_str(&b));
    buf_free(&b);
}

/* The worker is gone: what it had in hand has failed, the rest is posted again to the next one. */
static void bury(worker_guest *w, const char *why) {
    buffer b = {0};
    post *p = eval_in_hand(w);
    bool was_ready = w->ready;
    close(w->socket);
    w->socket = -1;
    w->ready = false;
    if (w->across == DEVICE_OFFERED && w->offer_sent) { /* it may be what killed it */
        device_withdraw(w->dev);
        refuse_device(w, "the worker died before it had opened the GPU's");
    }
    if (w->unreaped) spawn_reap(w->unreaped, true);
    w->unreaped = w->adopted && !spawn_reap(w->adopted, false) ? w->adopted : 0;
    w->adopted = 0;
    for (int i = 0; i < w->n_posts; i++) {
        w->posts[i].head.again = w->posts[i].head.again || w->posts[i].sent;
        w->posts[i].sent = false;
    }
    if (p && p->head.kind == MSG_CHECK) {
        answer_check(w, &p->head, GLIMPSE_E_WORKER, why);
        remove_post(w, (int)(p - w->posts));
        p = NULL;
    } else if (p) {
        p->head.kind = MSG_NOTE;
        p->head.status = NOTE_FAILED;
        p->head.told = 1;
        c_snprintf(p->why, sizeof p->why, "the worker died: %s", why);
        buf_printf(&b, "the eval of step %lld failed, the worker died: %s", (long long)p->head.step, why);
        note_failure(w, GLIMPSE_E_WORKER, buf_str(&b), p->head.step, true);
    } else if (w->opening) {
        c_snprintf(w->words, sizeof w->words, "%s", why);
    } else if (!was_ready) { /* it never came to work: without a count it would be started for ever */
        buf_printf(&b, "the worker died before it was ready: %s", why);
        note_failure(w, GLIMPSE_E_WORKER, buf_str(&b), w->n_posts ? w->posts[0].head.step : 0, true);
    }
    buf_free(&b);
}

/* --- listening --------------------------------------------------------------------------------------------------- */

static void on_done(worker_guest *w, const message *m) {
    const message_head *h = &m->head;
    int at = 0;
    while (at < w->n_posts && w->posts[at].head.id != h->id) at++;
    if (at == w->n_posts) return; /* no answer to anything of ours */
    post p = w->posts[at];
    remove_post(w, at);
    w->due = h->due;
    glimpse_status st = (glimpse_status)h->status;
    if (p.head.kind == MSG_CHECK) answer_check(w, h, st, m->payload);
    else if (st < 0) note_failure(w, st, m->payload, p.head.step, !h->told);
    else if (p.head.kind == MSG_EVAL) w->g.failures = 0;
}

static void on_record(worker_guest *w, const message *m) {
    owned_record *r;
    if (record_unpack(m->payload, (size_t)m->head.bytes, &r) < 0) return;
    guest_run_hooks(&w->g, &r->record);
    record_free(&r->record);
}

static void on_ready(worker_guest *w, const message *m) {
    w->ready = m->head.status >= 0;
    if (w->ready) return;
    w->refused = (glimpse_status)m->head.status;
    c_snprintf(w->words, sizeof w->words, "%s", m->payload);
}

static void on_device(worker_guest *w, const message *m) {
    if (w->across != DEVICE_OFFERED && w->across != DEVICE_SHARED) return;
    w->across = DEVICE_SHARED;
    if (m->head.status >= 0) return;
    device_withdraw(w->dev); /* who could not open it does not read it */
    refuse_device(w, m->payload);
}

static void on_copied(worker_guest *w, const message *m) {
    for (int i = 0; i < w->n_posts; i++)
        if (w->posts[i].head.id == m->head.id) w->posts[i].copied = true;
}

/* Take everything that has arrived; never waits. */
static void collect(worker_guest *w) {
    message m = MESSAGE_INIT;
    if (w->unreaped && spawn_reap(w->unreaped, false)) w->unreaped = 0;
    while (w->socket >= 0) {
        glimpse_status st = message_receive(w->socket, &m);
        if (st == GLIMPSE_NOT_DUE) return;
        if (st < 0) {
            char why[WORDS_BYTES];
            if (st != GLIMPSE_E_WORKER) c_snprintf(why, sizeof why, "its messages cannot be read: %s", status_text());
            else if (w->words[0]) c_snprintf(why, sizeof why, "%s", w->words);
            else c_snprintf(why, sizeof why, "%s", w->opening ? "it said nothing" : KILLED);
            bury(w, why);
            return;
        }
        switch (m.head.kind) {
        case MSG_READY: on_ready(w, &m); break;
        case MSG_LOG: guest_tell(&w->g, m.payload); break;
        case MSG_RECORD: on_record(w, &m); break;
        case MSG_DONE: on_done(w, &m); break;
        case MSG_DEVICE: on_device(w, &m); break;
        case MSG_COPIED: on_copied(w, &m); break;
        case MSG_WORDS:
            if (w->refused < 0) break; /* why it refused says more than how it ended */
            c_snprintf(w->words, sizeof w->words, "%s", m.payload);
            break;
        default: break; /* nothing that a worker says */
        }
        message_free(&m);
    }
}

/* Somebody waits for what the worker has in hand: it rests no more. */
static void hurry(worker_guest *w) {
    message_head head = {.kind = MSG_HURRY};
    int64_t newest = 0; /* what it was sent: a word that comes before its eval hurries nothing */
    for (int i = 0; i < w->n_posts && w->posts[i].sent; i++) newest = w->posts[i].head.id;
    if (w->socket >= 0 && newest > w->hurried && message_send(w->socket, &head, NULL, 0, -1) == GLIMPSE_OK) w->hurried = newest;
}

/* Wait for something to arrive (or for room, if `room`) until the deadline; false: it has passed. */
static bool wait_for_worker(worker_guest *w, int64_t deadline, bool room) {
    int64_t left = deadline < 0 ? 3600000 : deadline - now_ms();
    if (left <= 0) return false;
    hurry(w);
    struct pollfd p = {.fd = w->socket, .events = (short)(POLLIN | (room ? POLLOUT : 0))};
    poll(&p, 1, (int)(left > 3600000 ? 3600000 : left));
    return true;
}

/* --- speaking ---------------------------------------------------------------------------------------------------- */

static glimpse_status start_worker(worker_guest *w) {
    pid_t pid;
    bool is_child;
    TRY(spawn_worker(w->program, &w->socket, &pid, &is_child));
    w->adopted = is_child ? pid : 0;
    w->ready = w->offer_sent = false;
    w->hurried = 0; /* this one was never asked */
    w->refused = GLIMPSE_OK;
    w->words[0] = 0;
    message_head hello = {.kind = MSG_HELLO};
    glimpse_status st = message_send(w->socket, &hello, w->hello.bytes, w->hello.n, w->snap.fd);
    if (st == GLIMPSE_E_WORKER) { /* ended already: collect reads its last words and buries it */
        shutdown(w->socket, SHUT_WR); /* and if it has not, it ends now */
        return GLIMPSE_OK;
    }
    if (st == GLIMPSE_SKIPPED) st = status_fail(GLIMPSE_E_WORKER, __FILE__, __LINE__, "the worker's socket takes nothing");
    if (st < 0) {
        close(w->socket);
        w->socket = -1;
    }
    return st;
}

/* Send the posts that wait, in order, as far as the socket takes them.  A check's payload is sent by its caller. */
static void flush_posts(worker_guest *w) {
    if ((w->across == DEVICE_OFFERED || w->across == DEVICE_SHARED) && !w->offer_sent && w->socket >= 0) {
        message_head head = {.kind = MSG_DEVICE};
        if (message_send(w->socket, &head, &w->offer, sizeof w->offer, -1) != GLIMPSE_OK) return;
        w->offer_sent = true;
    }
    for (int i = 0; i < w->n_posts && w->socket >= 0; i++) {
        post *p = &w->posts[i];
        if (p->sent) continue;
        size_t n = p->head.kind == MSG_NOTE ? strlen(p->why) : 0;
        if (message_send(w->socket, &p->head, p->why, n, -1) != GLIMPSE_OK) return; /* gone: the next collect sees it */
        p->sent = true;
    }
}

static bool all_sent(const worker_guest *w) { return !w->n_posts || w->posts[w->n_posts - 1].sent; }

/* --- open and close ---------------------------------------------------------------------------------------------- */

/* What only this process could do. */
static glimpse_status check_reach(const options *o, const glimpse_model *m) {
    if (m->logits || m->logits_all)
        FAIL(GLIMPSE_E_UNSUPPORTED, "off: a model given as a function runs in this process alone\nhint: --mode inline");
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
    int64_t deadline = now_ms() + OPEN_WAIT_MS;
    TRY(start_worker(w));
    while (w->socket >= 0 && !w->ready && w->refused >= 0) {
        collect(w);
        if (w->socket < 0 || w->ready || w->refused < 0) break;
        if (!wait_for_worker(w, deadline, false))
            FAIL(GLIMPSE_E_WORKER, "off: the worker %s was not ready within %d seconds", w->program, OPEN_WAIT_MS / 1000);
    }
    if (w->refused < 0) return status_set_text(w->refused, w->words);
    if (w->ready) return GLIMPSE_OK;
    if (opt_count(w->o, OPT_module) > 0 && strncmp(w->words, "signal", 6) == 0)
        FAIL(GLIMPSE_E_WORKER, "off: the worker %s died before it was ready: %s\nhint: it had loaded --module %s; try without",
             w->program, w->words, opt_str_at(w->o, OPT_module, 0));
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
    int64_t deadline = now_ms() + OPEN_WAIT_MS;
    TRY_GOTO(spawn_find(&program));
    TRY_GOTO(options_pack(o, &packed));
    TRY_GOTO(spawn_worker(program, &socket, &pid, &is_child));
    message_send(socket, &head, packed.bytes, packed.n, -1); /* if it is gone, receiving says so */
    while ((st = message_receive(socket, &m)) == GLIMPSE_NOT_DUE) {
        int64_t left = deadline - now_ms();
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
    hello h = {.gpu = *bus ? bus : NULL, .gpu_why = *why ? why : NULL, .build_id = GLIMPSE_BUILD_ID, .directory = w->directory, .log_back = w->g.log.fn != NULL, .snapshot_bytes = w->snap.bytes, .o = w->o,
               .model = *model, .offsets = w->snap.offsets};
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

/* Wait until nothing is posted any more; deadline -1 = for ever.  False: the time is over, or there is no worker. */
static bool wait_for_all(worker_guest *w, int64_t deadline) {
    int tries = NEW_WORKERS_AT_CLOSE;
    for (;;) {
        collect(w);
        if (!w->n_posts) return true;
        if (w->socket < 0 && (w->g.off || !tries-- || start_worker(w) < 0)) return false;
        flush_posts(w);
        if (!wait_for_worker(w, deadline, !all_sent(w))) return false;
    }
}

/* What was lost while the socket took nothing is told once, as soon as there is somebody to tell. */
static void tell_lost(worker_guest *w) {
    if (!w->lost) return;
    buffer b = {0};
    buf_printf(&b, "glimpse: the losses of %lld evals are not in the journal: the worker took nothing", (long long)w->lost);
    w->lost = 0;
    guest_tell(&w->g, buf_str(&b));
    buf_free(&b);
}

glimpse_status worker_drain(glimpse *g) {
    worker_guest *w = (worker_guest *)g;
    TRY(guest_begin(g));
    wait_for_all(w, -1);
    tell_lost(w);
    return guest_end(g, take_failure(w));
}

/* At close: the last eval that was due and found the worker busy is sampled now, if the weights are still those of its step.
 * Whether those of a GPU are would have to be asked on the trainer's stream. */
static bool make_up(worker_guest *w, bool all) {
    uint64_t print;
    if (!w->missed || w->g.off) return false;
    const char *why = !all ? "the worker is still busy"
                      : w->dev ? "weights on a GPU may be another step's by now"
                      : !snapshot_fingerprint(&w->snap, true, &print) || print != w->missed_print ? "the weights have changed since" : NULL;
    buffer b = {0};
    if (why) buf_printf(&b, "glimpse: step %lld was skipped and is not sampled now: %s", (long long)w->last_missed.step, why);
    else buf_printf(&b, "glimpse: step %lld was skipped and is sampled now: the weights are still that step's", (long long)w->last_missed.step);
    guest_tell(&w->g, buf_str(&b));
    buf_free(&b);
    if (why || snapshot_fill(&w->snap, 0) < 0) return false;
    return add_post(w, MSG_EVAL, &w->last_missed) != NULL;
}

glimpse_status worker_close(glimpse *g) {
    worker_guest *w = (worker_guest *)g;
    TRY(guest_begin(g));
    int64_t deadline = now_ms() + (int64_t)(opt_float(w->o, OPT_close_timeout) * 1e3);
    bool all = wait_for_all(w, deadline);
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
            else if (!wait_for_worker(w, deadline, false)) break;
        }
        if (w->adopted) spawn_reap(w->adopted, w->socket < 0);
        if (!all) {
            buffer b = {0};
            post *p = eval_in_hand(w);
            if (p) buf_printf(&b, "glimpse: the worker finishes the eval of step %lld alone", (long long)p->head.step);
            else buf_puts(&b, "glimpse: the worker finishes alone");
            guest_tell(g, buf_str(&b));
            buf_free(&b);
        }
    }
    if (w->unreaped) spawn_reap(w->unreaped, true);
    glimpse_status st = guest_end(g, take_failure(w));
    release(w);
    return st;
}

/* --- evals ------------------------------------------------------------------------------------------------------- */

/* This eval is recorded without a sample.  Returns what an earlier one failed with, else `outcome`. */
static glimpse_status note(worker_guest *w, const asked *a, note_kind how, const char *why, glimpse_status outcome) {
    post *p = add_post(w, MSG_NOTE, a);
    if (p) {
        p->head.status = (int32_t)how;
        p->head.told = how == NOTE_FAILED; /* by note_failure */
        c_snprintf(p->why, sizeof p->why, "%s", why);
    } else w->lost++;
    flush_posts(w);
    glimpse_status st = take_failure(w);
    return st < 0 ? st : outcome;
}

/* This eval itself has failed, as the status text says. */
static glimpse_status eval_failed(worker_guest *w, glimpse_status st, const asked *a) {
    char why[WHY_BYTES];
    c_snprintf(why, sizeof why, "%s", status_text());
    note_failure(w, st, why, a->step, true);
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
    bool stepped = w->seen && step > w->first_step;
    if (!w->seen) w->seen = true, w->first_step = step;
    if (w->across != DEVICE_NONE || !stepped) return;
    if (device_offer_slots(w->dev, w->snap.bytes, w->snap.n_slots, opt_float(w->o, OPT_gpu_memory_limit), &w->offer) < 0) {
        char why[WHY_BYTES];
        c_snprintf(why, sizeof why, "%s", status_text());
        refuse_device(w, why);
        return;
    }
    w->across = DEVICE_OFFERED;
    flush_posts(w);
}

/* A slot to copy into; -1 = there is none (--when_busy skip), or the worker died while it was waited for. */
static int wait_for_slot(worker_guest *w) {
    while (opt_is(w->o, OPT_when_busy, "wait") && free_slot(w) < 0 && w->socket >= 0) {
        wait_for_worker(w, -1, !all_sent(w));
        collect(w);
        flush_posts(w);
    }
    return w->socket < 0 ? -1 : free_slot(w);
}

/* The weights of now into the slot, and the word to the worker. */
static glimpse_status post_eval(worker_guest *w, const asked *a, int slot, double begun_ns, double interval_s) {
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
    post *p = add_post(w, MSG_EVAL, a);
    p->head.slot = slot + (across ? DEVICE_SLOT : 0);
    p->head.blocked_s = (now_ns() - begun_ns) * 1e-9;
    p->head.interval_s = interval_s;
    flush_posts(w);
    return take_failure(w);
}

static glimpse_status eval(worker_guest *w, const asked *a) {
    char why[SCHEDULE_WHY_BYTES];
    glimpse_status st;
    double begun_ns = now_ns();
    collect(w);
    if (w->g.off) return w->failed < 0 ? take_failure(w) : GLIMPSE_NOT_DUE;
    if (w->socket < 0 && (st = start_worker(w)) < 0) return eval_failed(w, st, a);
    flush_posts(w);
    if (w->n_posts <= MOST_POSTS / 2) tell_lost(w);
    schedule due = expected(w);
    if (!schedule_is_due(&due, w->o, a->val_loss, why) && !schedule_reads_weights(w->o)) return note(w, a, NOTE_SKIPPED, why, GLIMPSE_NOT_DUE);
    w->missed = false;
    double interval_s = w->due_ns > 0 ? (begun_ns - w->due_ns) * 1e-9 : 0;
    w->due_ns = begun_ns;
    int slot = wait_for_slot(w);
    if (w->socket < 0) return note(w, a, NOTE_FAILED, "the worker died", GLIMPSE_OK);
    if (slot >= 0 && all_sent(w)) return post_eval(w, a, slot, begun_ns, interval_s);
    const post *before = slot < 0 ? eval_in_hand(w) : NULL;
    if (before) c_snprintf(why, sizeof why, "still busy with step %lld (--when_busy wait)", (long long)before->head.step);
    else c_snprintf(why, sizeof why, "the worker takes no messages");
    hurry(w);
    return miss(w, a, why);
}

glimpse_status worker_eval(glimpse *g, int64_t step, double train_loss, double val_loss) {
    TRY(guest_begin(g));
    return guest_end(g, eval((worker_guest *)g, &(asked){step, train_loss, val_loss}));
}

/* --- check ------------------------------------------------------------------------------------------------------- */

static glimpse_status check(worker_guest *w, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                            const float *losses) {
    glimpse_status st = GLIMPSE_OK;
    buffer both = {0};
    int64_t deadline = now_ms() + (int64_t)(opt_float(w->o, OPT_close_timeout) * 1e3);
    size_t n = (size_t)B * (size_t)T * sizeof(int32_t);
    if (!wait_for_all(w, deadline)) FAIL(GLIMPSE_E_WORKER, "glimpse_check: the worker is busy or gone");
    if (w->socket < 0) TRY(start_worker(w));
    buf_put(&both, ids, n);
    buf_put(&both, targets, n);
    if (losses) buf_put(&both, losses, n); /* a float is as long as an id */
    if (buf_failed(&both)) FAIL_GOTO(GLIMPSE_E_MEMORY, "glimpse_check: no memory for %d x %d ids", (int)B, (int)T);
    if (w->dev && (st = device_ready(w->dev)) == GLIMPSE_SKIPPED)
        FAIL_GOTO(GLIMPSE_E_STATE, "glimpse_check: the trainer's stream is being captured into a graph");
    if (st < 0) goto out;
    TRY_GOTO(snapshot_fill(&w->snap, 0)); /* nothing is posted: all are free */
    post *p = add_post(w, MSG_CHECK, &(asked){0, NAN, loss});
    if (!p) FAIL_GOTO(GLIMPSE_E_WORKER, "glimpse_check: the worker is busy");
    p->head.B = B;
    p->head.T = T;
    st = message_send(w->socket, &p->head, both.bytes, both.n, -1);
    if (st != GLIMPSE_OK) {
        remove_post(w, w->n_posts - 1);
        if (st > 0) FAIL_GOTO(GLIMPSE_E_WORKER, "glimpse_check: the worker takes no messages");
        goto out;
    }
    p->sent = true;
    w->waits_for = p->head.id;
    while (w->waits_for) {
        collect(w);
        if (!w->waits_for) break;
        if (!wait_for_worker(w, deadline, false)) {
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
    TRY(guest_begin(g));
    glimpse_status st = check((worker_guest *)g, ids, targets, B, T, loss, losses);
    if (st < 0) guest_tell_error(g);
    return guest_end(g, st);
}
