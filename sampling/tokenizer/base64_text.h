/* base64_text.h -- base64 (RFC 4648) as tokenizer files hold it: with its padding, without blanks.  Called by rank_files.c and
 * json_steps.c. */
#ifndef GLIMPSE_SAMPLING_BASE64_TEXT_H
#define GLIMPSE_SAMPLING_BASE64_TEXT_H

#include "include/internal/buffer.h"

/* The value of a character, -1 = none. */
int base64_digit(char c);
/* Append what n characters stand for; false if they are none (part of it may then be there). */
bool base64_text(const char *s, size_t n, buffer *out);

#endif
