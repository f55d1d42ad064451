/* gguf_keys.h -- GGUF's numbers, strings and typed values, one after another as they stand in a file: what gguf.c reads a model with
 * and tokenizer/gguf_tokenizer.c its tokenizer.
 *
 * "GGUF", u32 version, u64 tensors, u64 keys; each key: string, u32 type, value.  A string is u64 bytes and those bytes, an array u32
 * type, u64 elements and those.  Little-endian.  Every count is compared with the bytes that are left. */
#ifndef GLIMPSE_SAMPLING_CHECKPOINT_GGUF_KEYS_H
#define GLIMPSE_SAMPLING_CHECKPOINT_GGUF_KEYS_H

#include "include/internal/file.h"

enum { GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64,
       GGUF_TYPES };

typedef struct gguf_reader { /* start from {.f = an open file}; `bytes` is freed by who reads */
    const file *f;
    buffer bytes; /* the file so far: it may still move, so what was read is kept as places in it */
    size_t at;    /* of the next byte */
} gguf_reader;

typedef struct gguf_span {
    size_t at, n;
} gguf_span;

typedef struct gguf_value {
    uint32_t type, of; /* of: an array's elements */
    uint64_t bits, n;  /* a number's bits; an array's elements */
    gguf_span bytes;   /* a string's, or an array's elements */
} gguf_value;

typedef struct gguf_text {
    const char *s;
    size_t n;
} gguf_text;

/* A file that begins as GGUF does. */
bool gguf_is(const char *path);
uint64_t gguf_left(const gguf_reader *r);
/* GLIMPSE_E_FORMAT: the file ends before, or a value is of a type that is none. */
glimpse_status gguf_take(gguf_reader *r, int bytes, uint64_t *v); /* a whole number of so many */
glimpse_status gguf_take_string(gguf_reader *r, gguf_span *s);
glimpse_status gguf_take_value(gguf_reader *r, uint32_t type, gguf_value *v);
/* Of what was read.  The next string of an array of them, *at being its place. */
gguf_text gguf_next_text(const gguf_reader *r, size_t *at);

#endif
