/* gguf_keys.c -- see gguf_keys.h.  The file is read in chunks, as far as it is asked for: keys and the list of tensors, never their
 * data. */
#include "sampling/checkpoint/gguf_keys.h"

#include "include/internal/status.h"
#include <string.h>

enum { CHUNK = 1 << 20, MAX_BYTES = 256 << 20, HEAD = 24 };

static const int sizes[GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

bool gguf_is(const char *path) {
    file f = FILE_INIT;
    char magic[4] = "";
    bool is = path_is_file(path) && file_open_read(path, &f) >= 0 && f.size >= HEAD && file_read_at(&f, 0, magic, 4) >= 0;
    file_close(&f);
    return is && !memcmp(magic, "GGUF", 4);
}

uint64_t gguf_left(const gguf_reader *r) { return (uint64_t)r->f->size - r->at; }

/* n bytes behind the place are in memory; n <= gguf_left. */
static glimpse_status need(gguf_reader *r, uint64_t n) {
    uint64_t end = r->at + n;
    while (r->bytes.n < end) {
        uint64_t more = end - r->bytes.n > CHUNK ? end - r->bytes.n : CHUNK;
        if (more > (uint64_t)r->f->size - r->bytes.n) more = (uint64_t)r->f->size - r->bytes.n;
        if (r->bytes.n + more > MAX_BYTES) FAIL(GLIMPSE_E_FORMAT, "%s: its keys take more than %d bytes", r->f->path, (int)MAX_BYTES);
        char *room = buf_reserve(&r->bytes, (size_t)more);
        if (!room) FAIL(GLIMPSE_E_MEMORY, "no memory for the keys of a GGUF file");
        TRY(file_read_at(r->f, (int64_t)r->bytes.n, room, (size_t)more));
        buf_advance(&r->bytes, (size_t)more);
    }
    return GLIMPSE_OK;
}

static uint64_t number_at(const gguf_reader *r, size_t at, int bytes) {
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;) v = v << 8 | (unsigned char)r->bytes.bytes[at + (size_t)i];
    return v;
}

glimpse_status gguf_take(gguf_reader *r, int bytes, uint64_t *v) {
    if ((uint64_t)bytes > gguf_left(r))
        FAIL(GLIMPSE_E_FORMAT, "%s: truncated: %d bytes are expected at byte %zu, %llu are left", r->f->path, bytes, r->at,
             (unsigned long long)gguf_left(r));
    TRY(need(r, (uint64_t)bytes));
    *v = number_at(r, r->at, bytes);
    r->at += (size_t)bytes;
    return GLIMPSE_OK;
}

static glimpse_status take_bytes(gguf_reader *r, uint64_t n, gguf_span *s) {
    if (n > gguf_left(r))
        FAIL(GLIMPSE_E_FORMAT, "%s: truncated: a value of %llu bytes at byte %zu, %llu are left", r->f->path, (unsigned long long)n, r->at,
             (unsigned long long)gguf_left(r));
    TRY(need(r, n));
    *s = (gguf_span){r->at, (size_t)n};
    r->at += (size_t)n;
    return GLIMPSE_OK;
}

glimpse_status gguf_take_string(gguf_reader *r, gguf_span *s) {
    uint64_t n;
    TRY(gguf_take(r, 8, &n));
    return take_bytes(r, n, s);
}

static glimpse_status take_array(gguf_reader *r, gguf_value *v) {
    uint64_t of;
    TRY(gguf_take(r, 4, &of));
    TRY(gguf_take(r, 8, &v->n));
    v->of = (uint32_t)of;
    if (v->of >= GGUF_TYPES || v->of == GGUF_ARRAY)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu: an array of type %u", r->f->path, r->at, (unsigned)v->of);
    uint64_t least = v->of == GGUF_STRING ? 8 : (uint64_t)sizes[v->of];
    if (v->n > gguf_left(r) / least)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu: an array of %llu elements, %llu bytes are left", r->f->path, r->at,
             (unsigned long long)v->n, (unsigned long long)gguf_left(r));
    if (v->of != GGUF_STRING) return take_bytes(r, v->n * least, &v->bytes);
    v->bytes.at = r->at;
    gguf_span ignored;
    for (uint64_t i = 0; i < v->n; i++) TRY(gguf_take_string(r, &ignored));
    v->bytes.n = r->at - v->bytes.at;
    return GLIMPSE_OK;
}

glimpse_status gguf_take_value(gguf_reader *r, uint32_t type, gguf_value *v) {
    *v = (gguf_value){.type = type};
    if (type == GGUF_STRING) return gguf_take_string(r, &v->bytes);
    if (type == GGUF_ARRAY) return take_array(r, v);
    if (type >= GGUF_TYPES) FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu: a value of type %u", r->f->path, r->at, (unsigned)type);
    return gguf_take(r, sizes[type], &v->bits);
}

gguf_text gguf_next_text(const gguf_reader *r, size_t *at) {
    gguf_text t = {r->bytes.bytes + *at + 8, (size_t)number_at(r, *at, 8)};
    *at += 8 + t.n;
    return t;
}
