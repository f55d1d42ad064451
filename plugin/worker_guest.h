/* worker_guest.h -- worker mode, the guest's side: what worker_line.c (the line to the worker: a socket, and the list of what was
 * posted on it and not yet answered) and worker_client.c (what a trainer's calls do with it) share.
 *
 * Posts are answered in order.  What the worker never answered because it died is posted to the next one: an eval without
 * a sample as it was, the eval in hand as failed, with the reason (it may be what killed the worker), one in the second
 * slot as it was, its weights are still there.  A new worker is started by the next eval, which does not wait for it. */
#ifndef GLIMPSE_PLUGIN_WORKER_GUEST_H
#define GLIMPSE_PLUGIN_WORKER_GUEST_H

#include "include/internal/threads.h"
#include "plugin/device.h"
#include "plugin/guest.h"
#include "plugin/snapshot.h"
#include "plugin/worker_protocol.h"

enum { MOST_POSTS = 512 };

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
    bool met;               /* and a worker was there for it, or for one behind it */
    buffer hello;           /* the description, packed: every worker gets the same */
    char *program, *directory; /* directory: the trainer's at open, NULL = unknown */
    int socket;             /* -1 = no worker */
    file_id socket_id;
    pid_t adopted;          /* the worker's id if this process is its parent, 0 = it is not */
    pid_t unreaped;         /* one of before that was still ending */
    bool opening;           /* glimpse_open is waiting: what fails is its caller's to say */
    glimpse_status opened;  /* what READY said of its session; GLIMPSE_NOT_DUE = it has not come */
    schedule due;           /* as the worker last told it */
    post *posts;            /* (n_posts) oldest first */
    int n_posts;
    int64_t next_id, lost;  /* lost: notes that found no room */
    int64_t hurried;        /* the newest post that the worker was asked to hurry with */
    double due_s;           /* when an eval was last due (monotonic_s), 0 = never */
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

/* === worker_line.c === */
/* The oldest post that holds a slot, the one the worker works on or will next; NULL = none. */
post *line_in_hand(worker_guest *w);
/* The number of a slot that nobody holds; -1 = there is none. */
int line_free_slot(const worker_guest *w);
void line_remove(worker_guest *w, int at);
/* A new post at the end of the list; NULL: there is no room. */
post *line_add(worker_guest *w, message_kind kind, const asked *a);
/* The schedule once everything posted is recorded. */
schedule line_expected(const worker_guest *w);
/* An earlier eval failed: said (unless the worker did), counted, kept for the next call's return. */
void line_failed(worker_guest *w, glimpse_status st, const char *text, int64_t step, bool say);
/* What is to be returned for it, as the status text; GLIMPSE_OK = nothing. */
glimpse_status line_take_failure(worker_guest *w);
/* Weights of a GPU go through host memory from now on; said once. */
void line_refuse_device(worker_guest *w, const char *why);
/* Take everything that has arrived; never waits. */
void line_collect(worker_guest *w);
/* Somebody waits for what the worker has in hand: it rests no more. */
void line_hurry(worker_guest *w);
/* Another process's or file's descriptor under the number of one of ours is left alone, and Glimpse is off: the host has closed
 * them all.  The worker finishes what it has, as at the end of the trainer. */
void line_own(worker_guest *w);
/* Wait for something to arrive (or for room, if `room`) until the deadline, -1 = for ever; false: it has passed. */
bool line_wait(worker_guest *w, int64_t deadline, bool room);
/* A worker, and the description to it.  What it says is not waited for. */
glimpse_status line_start(worker_guest *w);
/* Send the posts that wait, in order, as far as the socket takes them.  A check's payload is sent by its caller. */
void line_flush(worker_guest *w);
bool line_all_sent(const worker_guest *w);

#endif
