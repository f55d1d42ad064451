/* text_stream.h -- the bytes of tokens, passed on in whole UTF-8 characters: a token may end inside a character, and what
 * is shown must not.  At most three bytes wait; bytes that no continuation could make valid go on at once, as they are
 * (the view decides how to show them).  Called by whoever streams text. */
#ifndef GLIMPSE_SAMPLING_TEXT_STREAM_H
#define GLIMPSE_SAMPLING_TEXT_STREAM_H

#include "include/internal/buffer.h"

typedef struct text_stream { /* start from {0} */
    char held[4];
    size_t n;
} text_stream;

/* Take n bytes; append to `out` all that is settled. */
void text_stream_put(text_stream *s, const char *bytes, size_t n, buffer *out);
/* The text ends: append what waits, though it is no whole character.  The stream is {0} afterwards. */
void text_stream_end(text_stream *s, buffer *out);

#endif
