/* json_out.c -- see json_out.h. */
#include "include/internal/json_out.h"

#include <math.h>

void json_key(buffer *b, const char *name) {
    char last = b->n ? b->bytes[b->n - 1] : '{';
    if (last != '{' && last != '[') buf_putc(b, ',');
    if (!name) return;
    buf_putc(b, '"');
    buf_puts(b, name);
    buf_puts(b, "\":");
}

void json_num(buffer *b, double x, int digits) {
    if (isfinite(x)) buf_g(b, x, digits);
    else buf_puts(b, "null");
}

void json_num_member(buffer *b, const char *name, double x, int digits) {
    json_key(b, name);
    json_num(b, x, digits);
}

void json_int_member(buffer *b, const char *name, int64_t x) {
    json_key(b, name);
    buf_i64(b, x);
}
