/* torch_files.c -- see torch_files.h. */
#include "tests/torch_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/hf_files.h"

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
    size_t at = b->n, end64 = at + directory.n;
    buf_put(b, directory.bytes, directory.n);
    put(b, 0x06064b50, 4), put(b, 44, 8), put(b, 0x32d001e, 4), put(b, 0, 4), put(b, 0, 4), put(b, (uint64_t)n, 8);
    put(b, (uint64_t)n, 8), put(b, directory.n, 8), put(b, at, 8);
    put(b, 0x07064b50, 4), put(b, 0, 4), put(b, end64, 8), put(b, 1, 4);
    put(b, 0x06054b50, 4), put(b, 0, 4), put(b, (uint64_t)n, 2), put(b, (uint64_t)n, 2), put(b, directory.n, 4),
        put(b, at, 4), put(b, 0, 2);
    buf_free(&directory);
}

/* --- nanoGPT's checkpoint --- */

enum { NANOGPT = TORCH_NANOGPT, MOST = 80 };

static void state_dict(buffer *pkl, const torch_recipe *r, zip_file *files, int *n_files, buffer *data) {
    static char names[MOST][24];
    char name[200];
    int n = hf_tensor_count(NANOGPT);
    pkl_global(pkl, "collections", "OrderedDict");
    buf_puts(pkl, ")R(");
    for (int i = 0; i < n; i++) {
        int dims[2], strides[2] = {1, 1};
        size_t held = hf_tensor_shape(NANOGPT, i, dims);
        char key[8];
        snprintf(key, sizeof key, "%d", i);
        snprintf(name, sizeof name, "%s%s", r->prefix, hf_tensor_name(NANOGPT, i));
        pkl_text(pkl, name);
        int n_dims = dims[1] ? 2 : 1;
        /* Hugging Face's matrices lie (in, out): the views are the transposed ones, with strides. */
        if (n_dims == 2 && strstr(name, ".h.")) {
            int t = dims[0];
            dims[0] = dims[1], dims[1] = t, strides[0] = 1, strides[1] = dims[0];
        } else if (n_dims == 2) strides[0] = dims[1];
        if (r->expanded && n_dims == 1) strides[0] = 0;
        if (r->parameters) pkl_global(pkl, "torch._utils", "_rebuild_parameter"), buf_putc(pkl, '(');
        pkl_tensor(pkl, "Float", key, (int)held, 0, n_dims, dims, strides);
        if (r->parameters) buf_puts(pkl, "\x88"), pkl_global(pkl, "collections", "OrderedDict"), buf_puts(pkl, ")RtR");
        hf_tensor_bytes(NANOGPT, i, GLIMPSE_F32, &data[i]);
        snprintf(names[i], sizeof *names, "ckpt/data/%d", i);
        files[(*n_files)++] = (zip_file){names[i], data[i].bytes, data[i].n};
        if (!i && r->tied_head) {
            snprintf(name, sizeof name, "%slm_head.weight", r->prefix);
            pkl_text(pkl, name);
            pkl_tensor(pkl, "Float", key, (int)held, 0, n_dims, dims, strides);
        }
    }
    buf_puts(pkl, "u");
}

const char *torch_nanogpt(const char *dir, const char *name, const torch_recipe *r) {
    static const struct {
        const char *name;
        int value;
    } args[] = {{"n_layer", 4}, {"n_head", 4}, {"n_embd", 48}, {"block_size", 64}, {"vocab_size", 61}};
    buffer pkl = {0}, out = {0}, *data = calloc(MOST, sizeof *data);
    zip_file files[MOST];
    int n = 1;
    buf_puts(&pkl, "\x80\x02");
    if (r->key) buf_puts(&pkl, "}("), pkl_text(&pkl, r->key);
    state_dict(&pkl, r, files, &n, data);
    if (r->key && r->model_args) {
        pkl_text(&pkl, "model_args");
        buf_puts(&pkl, "}(");
        for (size_t i = 0; i < sizeof args / sizeof *args; i++)
            pkl_text(&pkl, args[i].name), pkl_int(&pkl, args[i].value);
        buf_puts(&pkl, "u");
    }
    if (r->key && r->dataset) {
        pkl_text(&pkl, "config");
        buf_puts(&pkl, "}(");
        pkl_text(&pkl, "dataset"), pkl_text(&pkl, r->dataset);
        buf_puts(&pkl, "u");
    }
    if (r->key) buf_putc(&pkl, 'u');
    buf_putc(&pkl, '.');
    files[0] = (zip_file){"ckpt/data.pkl", pkl.bytes, pkl.n};
    zip_make(&out, files, n);
    const char *path = hf_save(dir, name, out.bytes, out.n);
    for (int i = 0; i < MOST; i++) buf_free(&data[i]);
    free(data);
    buf_free(&pkl);
    buf_free(&out);
    return path;
}
