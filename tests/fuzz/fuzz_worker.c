/* fuzz_worker.c -- any bytes in the messages between a guest and its worker: refused or read, no crash, no descriptor
 * left.  Input: a first byte, then by it
 *   0, 1, 2  what is changed in a description, in the message of one, in that of a record, as they are packed today: an offset of two
 *            bytes and a byte, as often as there are three; a last one alone: what is cut off before it is sent, in 256ths
 *   3        a message as it stands in the socket
 *   4        a large payload in a file behind a head of its kind */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/internal/record.h"
#include "plugin/worker_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { DESCRIPTION, HELLO, RECORD, RAW, LARGE, FORMS };
static int ends[2] = {-1, -1}; /* empty between inputs */

/* True: the message was read, and so was what it carries. */
static bool use(message *m) {
    owned_record *r;
    hello h;
    bool read = true;
    if (m->payload[m->head.bytes] != 0) abort();
    if (m->head.kind == MSG_RECORD && (read = record_unpack(m->payload, (size_t)m->head.bytes, &r) >= 0)) record_free(&r->record);
    if (m->head.kind == MSG_HELLO && (read = hello_unpack(m->payload, (size_t)m->head.bytes, &h) >= 0)) hello_free(&h);
    message_free(m);
    return read;
}

static bool describe(const char *bytes, size_t n) {
    hello h;
    buffer again = {0};
    if (hello_unpack(bytes, n, &h) < 0) return false;
    for (int32_t i = 0; i < h.model.n_tensors; i++)
        if (h.offsets[i] >= h.snapshot_bytes) abort();
    if (hello_pack(&h, &again) < 0) abort(); /* what was understood can be said again */
    buf_free(&again);
    hello_free(&h);
    return true;
}

static void pack_hello(buffer *out) {
    static const char *const pieces[] = {"a", "the", "\xff"};
    static const int32_t piece_bytes[] = {1, 3, 1};
    glimpse_tensor tensors[2] = {GLIMPSE_TENSOR_INIT, GLIMPSE_TENSOR_INIT};
    size_t offsets[2] = {0, 4096};
    hello h = {.build_id = "0123456789abcdef", .directory = "/", .run = "9f2c1a", .snapshot_bytes = 8192, .gpu_why = "none", .o = options_new(),
               .model = GLIMPSE_MODEL_INIT, .offsets = offsets};
    for (int i = 0; i < 2; i++) {
        tensors[i].name = i ? "lm_head.weight" : "transformer.wte.weight";
        tensors[i].dtype = GLIMPSE_F32;
        tensors[i].n_dims = 2;
        tensors[i].dims[0] = tensors[i].dims[1] = 8;
    }
    h.model.arch = "gpt2";
    h.model.tokenizer.pieces = pieces, h.model.tokenizer.piece_bytes = piece_bytes, h.model.tokenizer.n_pieces = 3;
    h.model.tensors = tensors, h.model.n_tensors = 2;
    if (!h.o || hello_pack(&h, out) < 0) abort();
    options_free(h.o);
}

static void pack_record(buffer *out) {
    static const glimpse_candidate top[] = {{7, 0.5f, 0.6f}};
    static const glimpse_metric metrics[] = {{"loss", 2.5}};
    static const glimpse_piece pieces[] = {{3, 2, "a\0"}, {7, 3, "the"}};
    static const int32_t ids[] = {3, 7};
    const glimpse_token tokens[] = {{.size = sizeof *tokens, .id = 7, .rank = 1, .n_top = 1, .top = top}};
    const glimpse_sample samples[] = {{.size = sizeof *samples, .prompt_text = "a", .prompt_bytes = 1, .prompt_ids = ids, .n_prompt_ids = 2,
                                       .label = "top_k=5", .samplers = "top_k=5", .text = "the", .text_bytes = 3, .tokens = tokens,
                                       .n_tokens = 1, .metrics = metrics, .n_metrics = 1, .note = "note"}};
    const glimpse_task_score scores[] = {{.size = sizeof *scores, .task = "arc", .metric = "acc", .variant = "own", .n = 1}};
    const glimpse_record r = {.size = sizeof r, .version = 1, .run = "9f2c1a", .why = "why", .pieces = pieces, .n_pieces = 2, .samples = samples,
                              .n_samples = 1, .probes = samples, .n_probes = 1, .scores = scores, .n_scores = 1, .dataset = metrics,
                              .n_dataset = 1};
    if (record_pack(&r, out) < 0) abort();
}

/* What stands in the socket where that payload is sent. */
static void as_sent(message_kind kind, buffer *payload) {
    char room[2 * INLINE_BYTES];
    message_head head = {.kind = (uint32_t)kind, .id = 1};
    ssize_t n = message_send(ends[0], &head, payload->bytes, payload->n, -1) == GLIMPSE_OK ? recv(ends[1], room, sizeof room, 0) : -1;
    if (n <= 0) abort();
    buf_clear(payload);
    buf_put(payload, room, (size_t)n);
}

static bool receive(void) {
    message m = MESSAGE_INIT;
    bool read = false;
    while (message_receive(ends[1], &m) == GLIMPSE_OK) read = use(&m);
    return read;
}

/* True: it was read. */
static bool changed(int form, const uint8_t *edits, size_t n) {
    buffer b = {0};
    bool read;
    if (form == RECORD) pack_record(&b);
    else pack_hello(&b);
    if (n % 3 == 1) b.n -= b.n * edits[n - 1] / 256;
    if (form != DESCRIPTION) as_sent(form == HELLO ? MSG_HELLO : MSG_RECORD, &b);
    if (buf_failed(&b)) abort();
    for (size_t i = 0; i + 2 < n; i += 3) b.bytes[(edits[i] | edits[i + 1] << 8) % b.n] = (char)edits[i + 2];
    if (form == DESCRIPTION) read = describe(b.bytes, b.n);
    else {
        send(ends[0], b.bytes, b.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        read = receive();
    }
    buf_free(&b);
    return read;
}

static void large(const uint8_t *bytes, size_t n) {
    message_head head = {.kind = n ? bytes[0] : 0, .id = 1};
    size_t padded = n + INLINE_BYTES;
    char *payload = calloc(1, padded);
    if (payload) memcpy(payload, bytes, n);
    if (payload && message_send(ends[0], &head, payload, padded, -1) < 0) abort();
    free(payload);
    receive();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    if (ends[0] < 0) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return 0;
        for (int form = DESCRIPTION; form <= RECORD; form++)
            if (!changed(form, NULL, 0)) abort(); /* else nothing behind the first check is reached */
    }
    if (n == 0) return 0;
    int form = bytes[0] % FORMS, lowest = dup(0);
    close(lowest);
    if (form == RAW) {
        send(ends[0], bytes + 1, n - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        receive();
    } else if (form == LARGE) large(bytes + 1, n - 1);
    else changed(form, bytes + 1, n - 1);
    int now = dup(0);
    close(now);
    if (now != lowest) abort(); /* a descriptor was left open */
    return 0;
}
