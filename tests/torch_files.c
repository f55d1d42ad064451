/* torch_files.c -- see torch_files.h. */
#include "tests/torch_files.h"

#include <string.h>

static void put(buffer *b, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) buf_putc(b, (char)(i < 8 ? v >> 8 * i : 0));
}

void pkl_text(buffer *b, const char *s) {
    buf_putc(b, 'X');
    put(b, strlen(s), 4);
    buf_puts(b, s);
}

void pkl_int(buffer *b, int32_t v) {
    buf_putc(b, 'J');
    put(b, (uint32_t)v, 4);
}

void pkl_global(buffer *b, const char *module, const char *name) { buf_printf(b, "c%s\n%s\n", module, name); }

void pkl_tensor(buffer *b, const char *type, const char *key, int held, int offset, int n_dims, const int *dims,
                const int *strides) {
    char storage[32];
    c_snprintf(storage, sizeof storage, "%sStorage", type);
    pkl_global(b, "torch._utils", "_rebuild_tensor_v2");
    buf_puts(b, "((");
    pkl_text(b, "storage");
    pkl_global(b, "torch", storage);
    pkl_text(b, key);
    pkl_text(b, "cpu");
    pkl_int(b, held);
    buf_puts(b, "tQ");
    pkl_int(b, offset);
    for (int k = 0; k < 2; k++) {
        buf_putc(b, '(');
        for (int i = 0; i < n_dims; i++) pkl_int(b, (k ? strides : dims)[i]);
        buf_putc(b, 't');
    }
    buf_puts(b, "\x89");
    pkl_global(b, "collections", "OrderedDict");
    buf_puts(b, ")RtR");
}

static uint32_t crc_of(const unsigned char *p, size_t n) {
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

void zip_make(buffer *b, const zip_file *files, int n) {
    buffer directory = {0};
    for (int i = 0; i < n; i++) {
        const zip_file *f = &files[i];
        uint32_t crc = crc_of(f->bytes, f->n);
        size_t at = b->n, nn = strlen(f->name);
        put(b, 0x04034b50, 4), put(b, 20, 2), put(b, 0x0808, 2), put(b, 0, 2), put(b, 0, 4);
        put(b, 0, 4), put(b, 0, 4), put(b, 0, 4), put(b, nn, 2);
        size_t pad = (64 - (b->n + 2 + nn + 4) % 64) % 64;
        put(b, pad + 4, 2), buf_puts(b, f->name), buf_puts(b, "FB"), put(b, pad, 2), buf_fill(b, 'Z', pad);
        buf_put(b, f->bytes, f->n);
        put(b, 0x08074b50, 4), put(b, crc, 4), put(b, f->n, 4), put(b, f->n, 4);
        put(&directory, 0x02014b50, 4), put(&directory, 0, 2), put(&directory, 20, 2), put(&directory, 0x0808, 2),
            put(&directory, 0, 2);
        put(&directory, 0, 4), put(&directory, crc, 4), put(&directory, f->n, 4), put(&directory, f->n, 4);
        put(&directory, nn, 2), put(&directory, 0, 10), put(&directory, 0, 2), put(&directory, at, 4);
        buf_puts(&directory, f->name);
    }
    size_t at = b->n;
    buf_put(b, directory.bytes, directory.n);
    put(b, 0x06054b50, 4), put(b, 0, 4), put(b, (uint64_t)n, 2), put(b, (uint64_t)n, 2), put(b, directory.n, 4),
        put(b, at, 4), put(b, 0, 2);
    buf_free(&directory);
}
