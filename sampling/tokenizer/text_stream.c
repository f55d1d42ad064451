/* text_stream.c -- see text_stream.h. */
#include "sampling/tokenizer/text_stream.h"

#include <string.h>

#include "include/internal/utf8.h"

void text_stream_put(text_stream *s, const char *bytes, size_t n, buffer *out) {
    size_t at = 0;
    /* Byte by byte until nothing waits: at most three times. */
    while (s->n && at < n) {
        s->held[s->n++] = bytes[at++];
        size_t settled = utf8_complete_prefix(s->held, s->n);
        buf_put(out, s->held, settled);
        s->n -= settled;
        memmove(s->held, s->held + settled, s->n);
    }
    size_t settled = utf8_complete_prefix(bytes + at, n - at);
    buf_put(out, bytes + at, settled);
    at += settled;
    if (at < n) {
        memcpy(s->held, bytes + at, n - at);
        s->n = n - at;
    }
}

void text_stream_end(text_stream *s, buffer *out) {
    buf_put(out, s->held, s->n);
    s->n = 0;
}
