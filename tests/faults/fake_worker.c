/* fake_worker.c -- a worker that lies: it says it is ready, then answers everything with messages that are cut, mutated,
 * for nobody, or too large.  Compiled and named as GLIMPSE_WORKER by test_worker_faults.c, with FAKE_SEED. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugin/worker_protocol.h"

static uint64_t state;
static uint64_t draw(uint64_t n) { /* splitmix64 */
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (z ^ z >> 31) % n;
}

static void lie(int64_t id) {
    char bytes[sizeof(message_head) + 512];
    message_head h = {.magic = MESSAGE_MAGIC, .kind = (uint32_t)draw(12), .id = id + (int64_t)draw(3) - 1, .status = (int32_t)draw(40) - 20};
    size_t n = draw(512);
    h.bytes = draw(4) ? n : draw(1 << 16);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)draw(256);
    memcpy(bytes, &h, sizeof h);
    n += sizeof h;
    for (uint64_t k = draw(3); k > 0; k--) bytes[draw(sizeof h)] ^= (char)(1 << draw(8));
    if (!draw(4)) n = draw(n) + 1;
    send(WORKER_SOCKET, bytes, n, MSG_NOSIGNAL);
}

int main(void) {
    char bytes[sizeof(message_head) + INLINE_BYTES];
    const char *seed = getenv("FAKE_SEED");
    state = seed ? strtoull(seed, NULL, 10) : 1;
    if (recv(WORKER_SOCKET, bytes, sizeof bytes, 0) <= 0) return 1;
    message_head ready = {.magic = MESSAGE_MAGIC, .kind = MSG_READY};
    if (!draw(8)) {
        lie(0);
        return 0; /* the guest waits for READY as long as there is a worker */
    }
    send(WORKER_SOCKET, &ready, sizeof ready, MSG_NOSIGNAL);
    for (int i = 0; i < 30; i++) {
        message_head h;
        ssize_t n = recv(WORKER_SOCKET, bytes, sizeof bytes, 0);
        if (n < (ssize_t)sizeof h) return 0;
        memcpy(&h, bytes, sizeof h);
        for (uint64_t k = draw(4); k > 0; k--) lie(h.id);
        if (draw(3)) {
            message_head done = {.magic = MESSAGE_MAGIC, .kind = MSG_DONE, .id = h.id, .due = {.evals = (int64_t)draw(9)}};
            send(WORKER_SOCKET, &done, sizeof done, MSG_NOSIGNAL);
        }
    }
    return 0;
}
