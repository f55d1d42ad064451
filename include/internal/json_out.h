/* json_out.h -- writing JSON into a buffer, a member at a time: the comma is put where one is due.  What a text is escaped to is
 * the writer's own (buf_json_string, or a stricter form).  Called by journal_encode.c, html.c, openai.c. */
#ifndef GLIMPSE_INTERNAL_JSON_OUT_H
#define GLIMPSE_INTERNAL_JSON_OUT_H

#include "include/internal/buffer.h"
#include <stdint.h>

void json_key(buffer *b, const char *name);    /* ,"name": without the comma behind { or [; NULL = an element: the comma alone */
void json_num(buffer *b, double x, int digits); /* null unless finite */
void json_num_member(buffer *b, const char *name, double x, int digits);
void json_int_member(buffer *b, const char *name, int64_t x);

#endif
