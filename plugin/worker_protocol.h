/* worker_protocol.h -- what a guest and its worker say to each other.
 *
 * A SOCK_SEQPACKET socket pair: a message arrives whole or not at all, and the death of either side is an end of file.
 * Sending never waits.  A message is a head of fixed size and a payload; a large payload travels in a memory file whose
 * descriptor goes with the head.
 *
 *   guest                                              worker
 *   HELLO  description, options, the snapshot  ------>
 *          <---------------------------------------- READY  or why not
 *   EVAL   the snapshot is filled              ------>
 *          <------------------------- LOG*  RECORD?  DONE   status, schedule
 *   NOTE   an eval without a sample            ------>  DONE
 *   CHECK  ids, targets, the snapshot          ------>  DONE
 *   HURRY  somebody waits for this eval        ------>
 *   DEVICE where the weights on a GPU are copied ----->  DEVICE  it can be opened, or why not
 *   EVAL   slot 2 or 3: filled on the GPU      ------>
 *          <----------------------------- COPIED LOG*...  the slot is not read any more: its weights are on the host or
 *                                                  laid out anew on the GPU, as the session reads them
 *   CONFIG options whose --config is to be read ------>  READY  the options with it, and the end
 *   end of file: finish what was sent, exit            WORDS  why it ended, from its keeper
 *
 * Numbers travel as they lie in memory: both are of one build, compared before anything else is believed (WORDS alone is
 * read whatever the build: magic, kind, text).  Every length is checked all the same.  Called by worker_client.c and
 * cli/worker.c. */
#ifndef GLIMPSE_PLUGIN_WORKER_PROTOCOL_H
#define GLIMPSE_PLUGIN_WORKER_PROTOCOL_H

#include <glimpse.h>

#include "include/internal/buffer.h"
#include "include/internal/options.h"
#include "include/internal/schedule.h"
#include "include/internal/status.h"

#define WORKER_SOCKET 3            /* the worker finds its end there */
#define MESSAGE_MAGIC 0x314D4C47u  /* "GLM1" */

typedef enum message_kind {
    MSG_WORDS = 1, MSG_HELLO, MSG_READY, MSG_EVAL, MSG_NOTE, MSG_CHECK, MSG_LOG, MSG_RECORD, MSG_DONE, MSG_CONFIG,
    MSG_DEVICE, MSG_COPIED, MSG_HURRY, MESSAGE_KINDS
} message_kind;

typedef enum hello_run { /* what was before this worker */
    RUN_IS_NEW,              /* no eval, or none that a worker met */
    RUN_BEGAN_AT_0,          /* evals, the first at step 0 */
    RUN_BEGAN_LATER          /* evals, the first at a later step, and a worker met it */
} hello_run;

enum { WHY_BYTES = 320 };

typedef struct message_head {
    uint32_t magic, kind;
    uint64_t bytes;        /* of the payload */
    int64_t id;            /* EVAL, NOTE, CHECK: rising from 1; COPIED, DONE: of what they answer */
    int64_t step;
    double train_loss, val_loss; /* CHECK: val_loss = the trainer's loss */
    double blocked_s;      /* EVAL: how long the copy held up the trainer */
    double interval_s;     /* EVAL: since the eval before it that was due; 0 = there was none */
    int32_t status;        /* READY, DEVICE, DONE: glimpse_status; NOTE: note_kind */
    int32_t B, T;          /* CHECK */
    int32_t hooked;        /* EVAL, NOTE: 1 = the record is wanted back */
    int32_t again;         /* NOTE: 1 = a worker before may have recorded it; HELLO: hello_run */
    int32_t slot;          /* EVAL, CHECK: of the snapshot; DEVICE_SLOT more = the same on the GPU */
    int64_t posted;        /* EVAL, NOTE: when it was first posted, seconds since 1970 */
    int32_t told;          /* DONE: 1 = the session has said the error; NOTE: 1 = the guest has */
    schedule due;          /* DONE */
} message_head;
enum { DEVICE_SLOT = 2, WORDS_HEAD = 8, WORDS_BYTES = 512, INLINE_BYTES = 8192 };

typedef struct message {   /* start from {0} with fd = -1 */
    message_head head;
    char *payload;         /* owned; payload[bytes] is 0 */
    int fd;                /* a descriptor that came along (HELLO: the snapshot), -1 = none */
} message;
#define MESSAGE_INIT {.fd = -1}

/* Send without waiting; head->magic and bytes are filled in.  `fd` goes along, -1 = none (then the payload must be small).
 * GLIMPSE_SKIPPED: the socket is full, nothing was sent.  GLIMPSE_E_WORKER: the other side is gone. */
glimpse_status message_send(int socket, message_head *head, const void *payload, size_t bytes, int fd);

/* Receive without waiting.  GLIMPSE_NOT_DUE: nothing is there.  GLIMPSE_E_WORKER: end of file.  GLIMPSE_E_FORMAT: not a
 * message.  Otherwise *m holds one: message_free. */
glimpse_status message_receive(int socket, message *m);
void message_free(message *m);

/* HELLO's payload, and back.  offsets (n_tensors): where each tensor lies in a slot of the snapshot. */
typedef struct hello {
    const char *build_id;
    const char *directory;   /* the trainer's when it opened: relative paths start there, whichever worker; NULL = unknown */
    char run[16];
    int32_t log_back;        /* 1: lines for people are sent, 0: the worker writes to its stderr */
    uint64_t snapshot_bytes; /* of a slot */
    const char *gpu;         /* the bus of the GPU that the weights are on; NULL = none, or one that the worker may not use: */
    const char *gpu_why;     /* why it may not; NULL = the weights are in host memory */
    options *o;
    glimpse_model model;     /* unpacked: everything it points to is owned by the hello */
    size_t *offsets;         /* (model.n_tensors), owned when unpacked */
    void *memory;            /* unpacked: behind names, pieces */
} hello;
glimpse_status hello_pack(const hello *h, buffer *out);
/* GLIMPSE_E_FORMAT: they are no hello, or a tensor lies outside the snapshot.  model.tensors have data = NULL. */
glimpse_status hello_unpack(const void *bytes, size_t n, hello *out);
void hello_free(hello *h);   /* of an unpacked one */

#endif
