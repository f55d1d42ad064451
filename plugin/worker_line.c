/* worker_line.c -- the line to the worker: what was posted and not yet answered, what it says, how it is started, hurried and
 * buried (worker_guest.h).  Nothing here waits but line_wait.  Called by worker_client.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "include/internal/record.h"
#include "plugin/spawn.h"
#include "plugin/worker_guest.h"

#define KILLED "killed without a word, and its keeper too"

/* --- posts ------------------------------------------------------------------------------------------------------- */

post *line_in_hand(worker_guest *w) {
    for (int i = 0; i < w->n_posts; i++)
        if (w->posts[i].head.kind != MSG_NOTE) return &w->posts[i];
    return NULL;
}

int line_free_slot(const worker_guest *w) {
    unsigned held = 0;
    for (int i = 0; i < w->n_posts; i++)
        if (w->posts[i].head.kind != MSG_NOTE && !w->posts[i].copied) held |= 1u << w->posts[i].head.slot % DEVICE_SLOT;
    for (int slot = 0; slot < w->snap.n_slots; slot++)
        if (!(held >> slot & 1)) return slot;
    return -1;
}

void line_remove(worker_guest *w, int at) {
    memmove(w->posts + at, w->posts + at + 1, (size_t)(--w->n_posts - at) * sizeof *w->posts);
}

post *line_add(worker_guest *w, message_kind kind, const asked *a) {
    if (w->n_posts >= MOST_POSTS) return NULL;
    post *p = &w->posts[w->n_posts++];
    *p = (post){.head = {.kind = (uint32_t)kind, .id = w->next_id++, .step = a->step, .train_loss = a->train_loss,
                         .val_loss = a->val_loss, .hooked = w->g.n_hooks > 0, .posted = (int64_t)time(NULL)}};
    return p;
}

schedule line_expected(const worker_guest *w) {
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

void line_failed(worker_guest *w, glimpse_status st, const char *text, int64_t step, bool say) {
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

glimpse_status line_take_failure(worker_guest *w) {
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

void line_refuse_device(worker_guest *w, const char *why) {
    buffer b = {0};
    w->across = DEVICE_REFUSED;
    buf_printf(&b, "glimpse: the weights are copied through the host's memory: %s", why);
    guest_tell_ours(&w->g, &b);
}

/* The worker is gone: what it had in hand has failed, the rest is posted again to the next one. */
static void bury(worker_guest *w, const char *why) {
    buffer b = {0};
    post *p = line_in_hand(w);
    bool was_ready = w->opened == GLIMPSE_OK;
    close(w->socket);
    w->socket = -1;
    if (was_ready) w->opened = GLIMPSE_NOT_DUE;
    if (w->across == DEVICE_OFFERED && w->offer_sent) { /* it may be what killed it */
        device_withdraw(w->dev);
        line_refuse_device(w, "the worker died before it had opened the GPU's");
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
        line_remove(w, (int)(p - w->posts));
        p = NULL;
    } else if (p) {
        p->head.kind = MSG_NOTE;
        p->head.status = NOTE_FAILED;
        p->head.told = 1;
        c_snprintf(p->why, sizeof p->why, "the worker died: %s", why);
        buf_printf(&b, "the eval of step %lld failed, the worker died: %s", (long long)p->head.step, why);
        line_failed(w, GLIMPSE_E_WORKER, buf_str(&b), p->head.step, true);
    } else if (w->opening) {
        c_snprintf(w->words, sizeof w->words, "%s", why);
    } else if (!was_ready) { /* it never came to work: without a count it would be started for ever */
        buf_printf(&b, "the worker died before it was ready: %s", why);
        line_failed(w, GLIMPSE_E_WORKER, buf_str(&b), w->n_posts ? w->posts[0].head.step : 0, true);
    } else { /* nothing is lost, but that it says "on" again is no riddle then */
        buf_printf(&b, "glimpse: the worker died between two evals: %s; the next one starts another", why);
        guest_tell_ours(&w->g, &b);
    }
    buf_free(&b);
}

void line_own(worker_guest *w) {
    const char *text = "off: this process has closed descriptors of Glimpse's; the training goes on without samples\nhint: "
                       "glimpse_open behind what closes them (becoming a daemon?)";
    bool socket_is = w->socket < 0 || file_is(w->socket, w->socket_id), memory_is = w->snap.fd < 0 || file_is(w->snap.fd, w->snap.id);
    if (socket_is && memory_is) return;
    if (w->socket >= 0 && socket_is) close(w->socket);
    w->socket = -1;
    if (!memory_is) w->snap.fd = -1;
    w->missed = false;
    w->g.off_until_s = 0;
    if (w->g.off) return;
    w->g.off = true;
    line_failed(w, GLIMPSE_E_STATE, text, 0, true);
}

/* --- listening --------------------------------------------------------------------------------------------------- */

static void on_done(worker_guest *w, const message *m) {
    const message_head *h = &m->head;
    int at = 0;
    while (at < w->n_posts && w->posts[at].head.id != h->id) at++;
    if (at == w->n_posts) return; /* no answer to anything of ours */
    post p = w->posts[at];
    line_remove(w, at);
    w->due = h->due;
    glimpse_status st = (glimpse_status)h->status;
    if (p.head.kind == MSG_CHECK) answer_check(w, h, st, m->payload);
    else if (st < 0) line_failed(w, st, m->payload, p.head.step, !h->told);
    else if (p.head.kind == MSG_EVAL) w->g.failures = 0;
}

static void on_record(worker_guest *w, const message *m) {
    owned_record *r;
    if (record_unpack(m->payload, (size_t)m->head.bytes, &r) < 0) return;
    guest_run_hooks(&w->g, &r->record);
    record_free(&r->record);
}

static void on_ready(worker_guest *w, const message *m) {
    w->opened = m->head.status < 0 ? (glimpse_status)m->head.status : GLIMPSE_OK;
    if (w->opened < 0) c_snprintf(w->words, sizeof w->words, "%s", m->payload);
}

static void on_device(worker_guest *w, const message *m) {
    if (w->across != DEVICE_OFFERED && w->across != DEVICE_SHARED) return;
    w->across = DEVICE_SHARED;
    if (m->head.status >= 0) return;
    device_withdraw(w->dev); /* who could not open it does not read it */
    line_refuse_device(w, m->payload);
}

static void on_copied(worker_guest *w, const message *m) {
    for (int i = 0; i < w->n_posts; i++)
        if (w->posts[i].head.id == m->head.id) w->posts[i].copied = true;
}

void line_collect(worker_guest *w) {
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
            if (w->opened < 0) break; /* why it refused says more than how it ended */
            c_snprintf(w->words, sizeof w->words, "%s", m.payload);
            break;
        default: break; /* nothing that a worker says */
        }
        message_free(&m);
    }
}

void line_hurry(worker_guest *w) {
    message_head head = {.kind = MSG_HURRY};
    int64_t newest = 0; /* what it was sent: a word that comes before its eval hurries nothing */
    for (int i = 0; i < w->n_posts && w->posts[i].sent; i++) newest = w->posts[i].head.id;
    if (w->socket >= 0 && newest > w->hurried && message_send(w->socket, &head, NULL, 0, -1) == GLIMPSE_OK) w->hurried = newest;
}

bool line_wait(worker_guest *w, int64_t deadline, bool room) {
    int64_t left = deadline < 0 ? 3600000 : deadline - monotonic_ms();
    if (left <= 0) return false;
    line_hurry(w);
    struct pollfd p = {.fd = w->socket, .events = (short)(POLLIN | (room ? POLLOUT : 0))};
    poll(&p, 1, (int)(left > 3600000 ? 3600000 : left));
    return true;
}

/* --- speaking ---------------------------------------------------------------------------------------------------- */

glimpse_status line_start(worker_guest *w) {
    pid_t pid;
    bool is_child;
    TRY(spawn_worker(w->program, &w->socket, &pid, &is_child));
    w->socket_id = file_id_of(w->socket);
    w->adopted = is_child ? pid : 0;
    w->opened = GLIMPSE_NOT_DUE;
    w->offer_sent = false;
    w->hurried = 0; /* this one was never asked */
    w->words[0] = 0;
    message_head hello = {.kind = MSG_HELLO, .again = w->seen && w->first_step <= 0 ? RUN_BEGAN_AT_0 : w->met ? RUN_BEGAN_LATER : RUN_IS_NEW};
    glimpse_status st = message_send(w->socket, &hello, w->hello.bytes, w->hello.n, w->snap.fd);
    if (st == GLIMPSE_E_WORKER) { /* ended already: line_collect reads its last words and buries it */
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

void line_flush(worker_guest *w) {
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

bool line_all_sent(const worker_guest *w) { return !w->n_posts || w->posts[w->n_posts - 1].sent; }
