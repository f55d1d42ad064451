/* worker_protocol.c -- messages over the socket, and the description that opens the conversation (worker_protocol.h). */
#define _GNU_SOURCE
#include "plugin/worker_protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "include/internal/record.h"
#include "plugin/guest.h"

#define MOST_BYTES ((uint64_t)1 << 30)

/* --- messages ---------------------------------------------------------------------------------------------------- */

/* 0 or an errno; a limit on the size of files is an error here too, never a signal. */
static int write_all(int fd, const char *bytes, size_t n) {
    signal_guard guard;
    int err = 0;
    signal_guard_enter(&guard);
    for (size_t done = 0; !err && done < n;) {
        ssize_t w = write(fd, bytes + done, n - done);
        if (w > 0) done += (size_t)w;
        else if (w == 0 || errno != EINTR) err = w ? errno : EIO;
    }
    signal_guard_leave(&guard);
    return err;
}

static glimpse_status put_in_file(const void *bytes, size_t n, int *out) {
    int fd = file_in_memory("glimpse-message"), err = fd < 0 ? errno : write_all(fd, bytes, n);
    if (err) {
        if (fd >= 0) close(fd);
        FAIL(GLIMPSE_E_MEMORY, "no memory file for a message of %zu bytes: %s", n, strerror(err));
    }
    *out = fd;
    return GLIMPSE_OK;
}

glimpse_status message_send(int socket, message_head *head, const void *payload, size_t bytes, int fd) {
    int file = -1;
    bool words = head->kind == MSG_WORDS;
    head->magic = MESSAGE_MAGIC;
    head->bytes = bytes;
    if (bytes > MOST_BYTES) FAIL(GLIMPSE_E_UNSUPPORTED, "a message of %zu bytes", bytes);
    if (bytes > INLINE_BYTES) TRY(put_in_file(payload, bytes, &file));
    /* The file of a large payload is first, then what the caller sends along. */
    int fds[2], n_fds = 0;
    if (file >= 0) fds[n_fds++] = file;
    if (fd >= 0) fds[n_fds++] = fd;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec parts[2] = {{head, words ? (size_t)WORDS_HEAD : sizeof *head},
                             {(void *)(uintptr_t)payload, file < 0 ? bytes : 0}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
    if (n_fds) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t)n_fds * sizeof(int));
    }
    ssize_t sent;
    do sent = sendmsg(socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    int err = errno;
    if (file >= 0) close(file);
    if (sent >= 0) return GLIMPSE_OK;
    if (err == EAGAIN || err == EWOULDBLOCK || err == ENOBUFS || err == ENOMEM || err == ETOOMANYREFS) return GLIMPSE_SKIPPED;
    FAIL(GLIMPSE_E_WORKER, "the worker cannot be reached: %s", strerror(err));
}

/* The payload that lies in a file; exactly head.bytes. */
static glimpse_status read_file(int fd, message *m) {
    struct stat s;
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode) || s.st_size < 0 || (uint64_t)s.st_size != m->head.bytes)
        FAIL(GLIMPSE_E_FORMAT, "a message whose file is not of the size it says");
    m->payload = malloc((size_t)m->head.bytes + 1);
    if (!m->payload) FAIL(GLIMPSE_E_MEMORY, "no memory for a message of %llu bytes", (unsigned long long)m->head.bytes);
    for (size_t done = 0; done < m->head.bytes;) {
        ssize_t r = pread(fd, m->payload + done, (size_t)m->head.bytes - done, (off_t)done);
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) FAIL(GLIMPSE_E_FORMAT, "a message whose file ends too early");
        done += (size_t)r;
    }
    return GLIMPSE_OK;
}

/* The descriptors that came: the payload's file first if there is one. */
static void take_descriptors(struct msghdr *h, int fds[2], int *n) {
    *n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        for (size_t k = 0; k < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); k++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + k * sizeof(int), sizeof fd);
            if (*n < 2) fds[(*n)++] = fd;
            else close(fd);
        }
    }
}

static glimpse_status decode(message *m, const char *bytes, size_t n, bool cut, int fds[2], int n_fds) {
    if (cut || n < WORDS_HEAD) FAIL(GLIMPSE_E_FORMAT, "a message of %zu bytes", n);
    memcpy(&m->head, bytes, WORDS_HEAD);
    if (m->head.magic != MESSAGE_MAGIC) FAIL(GLIMPSE_E_FORMAT, "what came is no message");
    size_t head = m->head.kind == MSG_WORDS ? (size_t)WORDS_HEAD : sizeof m->head;
    if (n < head) FAIL(GLIMPSE_E_FORMAT, "a message of %zu bytes", n);
    memcpy(&m->head, bytes, head);
    if (m->head.kind == MSG_WORDS) m->head.bytes = n - head;
    if (m->head.kind < MSG_WORDS || m->head.kind >= MESSAGE_KINDS || m->head.bytes > MOST_BYTES)
        FAIL(GLIMPSE_E_FORMAT, "a message of kind %u with %llu bytes", m->head.kind, (unsigned long long)m->head.bytes);
    if (m->head.bytes > INLINE_BYTES) {
        if (n != head || n_fds < 1) FAIL(GLIMPSE_E_FORMAT, "a large message without its file");
        TRY(read_file(fds[0], m));
        close(fds[0]);
        fds[0] = -1;
    } else {
        if (n - head != m->head.bytes)
            FAIL(GLIMPSE_E_FORMAT, "a message of %zu bytes that says %llu", n - head, (unsigned long long)m->head.bytes);
        m->payload = malloc(n - head + 1);
        if (!m->payload) FAIL(GLIMPSE_E_MEMORY, "no memory for a message");
        memcpy(m->payload, bytes + head, n - head);
    }
    m->payload[m->head.bytes] = 0;
    for (int i = 0; i < n_fds && m->fd < 0; i++)
        if (fds[i] >= 0) m->fd = fds[i], fds[i] = -1;
    return GLIMPSE_OK;
}

glimpse_status message_receive(int socket, message *out) {
    char bytes[sizeof(message_head) + INLINE_BYTES];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    /* A side that ends with messages unread leaves ECONNRESET, once, before what it had still sent. */
    bool reset = false;
    do n = recvmsg(socket, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset && (reset = true))));
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return GLIMPSE_NOT_DUE;
    if (n < 0) FAIL(GLIMPSE_E_WORKER, "the socket failed: %s", strerror(errno));
    message m = MESSAGE_INIT;
    int fds[2] = {-1, -1}, n_fds;
    take_descriptors(&h, fds, &n_fds);
    if (n == 0 && n_fds == 0) FAIL(GLIMPSE_E_WORKER, "the other side has gone");
    glimpse_status st = decode(&m, bytes, (size_t)n, (h.msg_flags & MSG_TRUNC) != 0, fds, n_fds);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0) close(fds[i]);
    if (st < 0) message_free(&m);
    else *out = m;
    return st;
}

void message_free(message *m) {
    free(m->payload);
    if (m->fd >= 0) close(m->fd);
    *m = (message)MESSAGE_INIT;
}

/* --- the description --------------------------------------------------------------------------------------------- */

#define NO_TEXT UINT32_MAX
/* The plain numbers of a description: from one member up to another, and those that were appended since. */
#define MODEL_FROM offsetof(glimpse_model, n_layers)
#define MODEL_TO offsetof(glimpse_model, tokenizer)
#define MODEL_MORE offsetof(glimpse_model, window_from)
#define MODEL_END (offsetof(glimpse_model, more_eos) + sizeof ((glimpse_model *)0)->more_eos)
_Static_assert(sizeof(glimpse_model) - MODEL_END < sizeof(void *), "a new field of glimpse_model is to be sent, too");

static void put_text(buffer *b, const char *text, size_t n) {
    uint32_t len = text ? (uint32_t)n : NO_TEXT;
    buf_put(b, &len, sizeof len);
    if (text) buf_put(b, text, n);
}
static void put_string(buffer *b, const char *text) { put_text(b, text, text ? strlen(text) : 0); }

glimpse_status hello_pack(const hello *h, buffer *out) {
    const glimpse_model *m = &h->model;
    const glimpse_tokenizer *t = &m->tokenizer;
    buffer packed = {0};
    int32_t n_pieces = t->pieces && t->n_pieces > 0 ? t->n_pieces : 0;
    put_string(out, h->build_id);
    put_string(out, h->directory);
    buf_put(out, h->run, sizeof h->run);
    buf_put(out, &h->log_back, sizeof h->log_back);
    buf_put(out, &h->snapshot_bytes, sizeof h->snapshot_bytes);
    put_string(out, h->gpu);
    put_string(out, h->gpu_why);
    glimpse_status st = options_pack(h->o, &packed);
    put_text(out, buf_str(&packed), packed.n);
    buf_free(&packed);
    TRY(st);
    put_string(out, m->name);
    put_string(out, m->arch);
    buf_put(out, (const char *)m + MODEL_FROM, MODEL_TO - MODEL_FROM);
    buf_put(out, (const char *)m + MODEL_MORE, MODEL_END - MODEL_MORE);
    put_string(out, t->path);
    buf_put(out, &n_pieces, sizeof n_pieces);
    for (int32_t i = 0; i < n_pieces; i++) {
        if (!t->pieces[i] || !t->piece_bytes || t->piece_bytes[i] < 0)
            FAIL(GLIMPSE_E_TOKENIZER, "model.tokenizer: piece %d has no text or no length", (int)i);
        put_text(out, t->pieces[i], (size_t)t->piece_bytes[i]);
    }
    buf_put(out, &m->n_tensors, sizeof m->n_tensors);
    for (int32_t i = 0; i < m->n_tensors; i++) {
        const glimpse_tensor *x = &m->tensors[i];
        int32_t dtype = (int32_t)x->dtype;
        uint64_t offset = h->offsets[i];
        put_string(out, x->name);
        buf_put(out, &offset, sizeof offset);
        buf_put(out, &dtype, sizeof dtype);
        buf_put(out, &x->n_dims, sizeof x->n_dims);
        buf_put(out, x->dims, sizeof x->dims);
        buf_put(out, x->strides, sizeof x->strides);
        buf_put(out, &x->flags, sizeof x->flags);
    }
    if (buf_failed(out)) FAIL(GLIMPSE_E_MEMORY, "no memory to describe the model to the worker");
    return GLIMPSE_OK;
}

typedef struct reader {
    const char *at;
    size_t left;
    arena *memory;
    bool bad;
} reader;

static void take(reader *r, void *out, size_t n) {
    if (r->bad || r->left < n) {
        r->bad = true;
        memset(out, 0, n);
        return;
    }
    memcpy(out, r->at, n);
    r->at += n;
    r->left -= n;
}

/* A text with a NUL after it, NULL where NULL was packed. */
static const char *take_text(reader *r, size_t *n) {
    uint32_t len;
    take(r, &len, sizeof len);
    *n = 0;
    if (r->bad || len == NO_TEXT) return NULL;
    char *text = len <= r->left ? arena_text(r->memory, r->at, len) : NULL;
    if (!text) {
        r->bad = true;
        return NULL;
    }
    r->at += len;
    r->left -= len;
    *n = len;
    return text;
}
static const char *take_string(reader *r) {
    size_t n;
    const char *text = take_text(r, &n);
    if (text && strlen(text) != n) r->bad = true;
    return text;
}

/* A count of things that take at least `least` bytes each. */
static int32_t take_count(reader *r, size_t least) {
    int32_t n;
    take(r, &n, sizeof n);
    if (n < 0 || (size_t)n > r->left / least) r->bad = true;
    return r->bad ? 0 : n;
}

static void take_tokenizer(reader *r, glimpse_tokenizer *t) {
    *t = (glimpse_tokenizer)GLIMPSE_TOKENIZER_INIT;
    t->path = take_string(r);
    int32_t n = take_count(r, sizeof(uint32_t));
    if (!n) return;
    const char **pieces = arena_alloc(r->memory, (size_t)n * sizeof *pieces);
    int32_t *bytes = arena_alloc(r->memory, (size_t)n * sizeof *bytes);
    if (!pieces || !bytes) r->bad = true;
    for (int32_t i = 0; i < n && !r->bad; i++) {
        size_t len;
        pieces[i] = take_text(r, &len);
        if (!pieces[i] || len > INT32_MAX) r->bad = true;
        bytes[i] = (int32_t)len;
    }
    if (r->bad) return;
    t->pieces = pieces;
    t->piece_bytes = bytes;
    t->n_pieces = n;
}

static void take_tensors(reader *r, hello *h) {
    int32_t n = take_count(r, 8);
    glimpse_tensor *tensors = arena_alloc(r->memory, (size_t)n * sizeof *tensors + 1);
    h->offsets = arena_alloc(r->memory, (size_t)n * sizeof *h->offsets + 1);
    if (!tensors || !h->offsets) r->bad = true;
    for (int32_t i = 0; i < n && !r->bad; i++) {
        glimpse_tensor x = GLIMPSE_TENSOR_INIT;
        int32_t dtype;
        uint64_t offset;
        size_t bytes;
        x.name = take_string(r);
        take(r, &offset, sizeof offset);
        take(r, &dtype, sizeof dtype);
        take(r, &x.n_dims, sizeof x.n_dims);
        take(r, x.dims, sizeof x.dims);
        take(r, x.strides, sizeof x.strides);
        take(r, &x.flags, sizeof x.flags);
        x.dtype = (glimpse_dtype)dtype;
        if (r->bad || !x.name || x.n_dims < 1 || x.n_dims > 4 || dtype < GLIMPSE_F32 || dtype > GLIMPSE_F16 ||
            tensor_extent(&x, &bytes) < 0 || offset > h->snapshot_bytes || bytes > h->snapshot_bytes - offset) {
            r->bad = true;
            return;
        }
        h->offsets[i] = (size_t)offset;
        tensors[i] = x;
    }
    if (r->bad) return;
    h->model.tensors = tensors;
    h->model.n_tensors = n;
}

glimpse_status hello_unpack(const void *bytes, size_t n, hello *out) {
    hello h = {.model = GLIMPSE_MODEL_INIT};
    reader r = {.at = bytes, .left = n, .memory = arena_new()};
    size_t packed_n;
    if (!r.memory) FAIL(GLIMPSE_E_MEMORY, "no memory for the description");
    h.build_id = take_string(&r);
    h.directory = take_string(&r);
    take(&r, h.run, sizeof h.run);
    h.run[sizeof h.run - 1] = 0;
    take(&r, &h.log_back, sizeof h.log_back);
    take(&r, &h.snapshot_bytes, sizeof h.snapshot_bytes);
    h.gpu = take_string(&r);
    h.gpu_why = take_string(&r);
    const char *packed = take_text(&r, &packed_n);
    h.model.name = take_string(&r);
    h.model.arch = take_string(&r);
    take(&r, (char *)&h.model + MODEL_FROM, MODEL_TO - MODEL_FROM);
    take(&r, (char *)&h.model + MODEL_MORE, MODEL_END - MODEL_MORE);
    take_tokenizer(&r, &h.model.tokenizer);
    take_tensors(&r, &h);
    if (!h.build_id || !packed || r.left) r.bad = true;
    glimpse_status st = GLIMPSE_OK;
    if (r.bad) st = status_fail(GLIMPSE_E_FORMAT, __FILE__, __LINE__, "a description of %zu bytes that cannot be read", n);
    else st = options_unpack(packed, packed_n, &h.o);
    if (st < 0) {
        arena_free(r.memory);
        return st;
    }
    h.memory = r.memory;
    *out = h;
    return GLIMPSE_OK;
}

void hello_free(hello *h) {
    options_free(h->o);
    arena_free(h->memory);
    *h = (hello){0};
}
