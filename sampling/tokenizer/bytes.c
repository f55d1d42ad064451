/* bytes.c -- the tokenizer without a vocabulary: id = byte. */
#include <stdlib.h>

#include "include/internal/status.h"
#include "sampling/tokenizer/kinds.h"

static glimpse_status encode(tokenizer *t, const char *text, size_t n, buffer *ids) {
    (void)t;
    for (size_t i = 0; i < n; i++) {
        int32_t id = (unsigned char)text[i];
        buf_put(ids, &id, sizeof id);
    }
    return GLIMPSE_OK;
}

static glimpse_status decode(tokenizer *t, int32_t id, buffer *out) {
    (void)t;
    if (id >= 0 && id < 256) buf_putc(out, (char)id);
    return GLIMPSE_OK;
}

static void close_bytes(tokenizer *t) { free(t); }

static void facts_of(const tokenizer *t, tokenizer_facts *f) {
    (void)t;
    *f = (tokenizer_facts){.cuts = CUTS_BYTES};
}

static const tokenizer_ops ops = {
    .kind = "bytes", .encode = encode, .decode = decode, .close = close_bytes, .facts = facts_of};

glimpse_status bytes_tokenizer_new(const char *source, int32_t eos, tokenizer **out) {
    tokenizer *t = calloc(1, sizeof *t);
    if (!t) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    glimpse_status st = tokenizer_init(t, &ops, 256, source);
    if (st < 0) {
        free(t);
        return st;
    }
    t->eos = eos;
    *out = t;
    return GLIMPSE_OK;
}
