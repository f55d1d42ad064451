/* buffer.h -- a growable byte buffer whose out-of-memory is sticky: append freely, look at buf_failed once at the end.
 * Also the number formatting and parsing of the whole project, with '.' in any locale (a host may have set
 * LC_NUMERIC=de_DE).  Called by everything that writes text; a buffer belongs to one thread at a time. */
#ifndef GLIMPSE_INTERNAL_BUFFER_H
#define GLIMPSE_INTERNAL_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define BUF_PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#else
#define BUF_PRINTF_LIKE(f, a)
#endif

/* Start from {0}.  bytes[n] is 0 whenever bytes is not NULL, so that text can be used as a C string. */
typedef struct buffer {
    char *bytes; /* owned; NULL until something was appended                      */
    size_t n;    /* bytes in use, without the closing 0                           */
    size_t cap;  /* bytes allocated                                               */
    bool failed; /* an append found no memory; it and all later ones were dropped */
} buffer;

void buf_put(buffer *b, const void *bytes, size_t n);
void buf_puts(buffer *b, const char *text);
void buf_putc(buffer *b, char c);
void buf_fill(buffer *b, char c, size_t n);                          /* n times c */
void buf_printf(buffer *b, const char *fmt, ...) BUF_PRINTF_LIKE(2, 3); /* '.' in any locale */
void buf_vprintf(buffer *b, const char *fmt, va_list args) BUF_PRINTF_LIKE(2, 0);
void buf_float(buffer *b, float value); /* the fewest digits, at least 6, that read back as this float: 1e-05 */
void buf_g(buffer *b, double value, int digits); /* "%.{digits}g", digits 1..17; "nan", "inf", "-inf" as they are */
void buf_i64(buffer *b, int64_t value);
void buf_u64(buffer *b, uint64_t value);

/* A JSON string with its quotes: ", \ and C0 escaped, U+2028/9 escaped (JavaScript), invalid UTF-8 as U+FFFD. */
void buf_json_string(buffer *b, const char *bytes, size_t n);

/* Room for n more bytes, or NULL (and failed) when there is none; buf_advance then takes what was written there. */
char *buf_reserve(buffer *b, size_t n);
void buf_advance(buffer *b, size_t n);

bool buf_failed(const buffer *b);
const char *buf_str(const buffer *b); /* borrowed until the next append; "" for an empty buffer */
void buf_clear(buffer *b);            /* empty again, memory and `failed` kept: for a buffer used line by line */

/* Give the bytes to the caller (free), 0-terminated, their number in *n (may be NULL); the buffer is {0} afterwards.
 * NULL when an append failed (the buffer is then freed); an empty buffer gives "". */
char *buf_take(buffer *b, size_t *n);
void buf_free(buffer *b); /* the buffer is {0} afterwards */

/* vsnprintf and snprintf with '.' as the decimal point. */
int c_vsnprintf(char *out, size_t cap, const char *fmt, va_list args) BUF_PRINTF_LIKE(3, 0);
int c_snprintf(char *out, size_t cap, const char *fmt, ...) BUF_PRINTF_LIKE(3, 4);

/* The n bytes as one number and nothing else (no blanks, no hexadecimal, no inf or nan), within the type's range; a
 * decimal that underflows becomes its nearest double.  False leaves *out alone. */
bool parse_double(const char *s, size_t n, double *out);
bool parse_i64(const char *s, size_t n, int64_t *out);
bool parse_u64(const char *s, size_t n, uint64_t *out);

#endif
