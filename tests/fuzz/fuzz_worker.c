/* fuzz_worker.c -- any bytes in the messages between a guest and its worker: refused or read, no crash, no descriptor
 * left.  Input: a first byte, then the bytes of a description (0), of a message as it stands in the socket (1), or of a
 * large payload in a file behind a head of its kind (2). */
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

static void use(message *m) {
    owned_record *r;
    hello h;
    if (m->payload[m->head.bytes] != 0) abort();
    if (m->head.kind == MSG_RECORD && record_unpack(m->payload, (size_t)m->head.bytes, &r) >= 0) record_free(&r->record);
    if (m->head.kind == MSG_HELLO && hello_unpack(m->payload, (size_t)m->head.bytes, &h) >= 0) hello_free(&h);
    message_free(m);
}

static void describe(const uint8_t *bytes, size_t n) {
    hello h;
    buffer again = {0};
    if (hello_unpack(bytes, n, &h) < 0) return;
    for (int32_t i = 0; i < h.model.n_tensors; i++)
        if (h.offsets[i] >= h.snapshot_bytes) abort();
    if (hello_pack(&h, &again) < 0) abort(); /* what was understood can be said again */
    buf_free(&again);
    hello_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static int ends[2] = {-1, -1}; /* empty between inputs */
    message m = MESSAGE_INIT;
    if (n == 0) return 0;
    if (bytes[0] % 3 == 0) {
        describe(bytes + 1, n - 1);
        return 0;
    }
    if (ends[0] < 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return 0;
    int lowest = dup(0);
    close(lowest);
    if (bytes[0] % 3 == 1) {
        send(ends[0], bytes + 1, n - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
        message_head head = {.kind = n > 1 ? bytes[1] : 0, .id = 1};
        size_t padded = n + INLINE_BYTES;
        char *large = calloc(1, padded);
        if (large) memcpy(large, bytes, n);
        if (large && message_send(ends[0], &head, large, padded, -1) < 0) abort();
        free(large);
    }
    while (message_receive(ends[1], &m) == GLIMPSE_OK) use(&m);
    int now = dup(0);
    close(now);
    if (now != lowest) abort(); /* a descriptor was left open */
    return 0;
}
