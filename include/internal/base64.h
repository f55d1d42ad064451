/* base64.h -- RFC 4648: text in the journal that is not valid UTF-8, the numbers of the review page.  Appends. */
#ifndef GLIMPSE_INTERNAL_BASE64_H
#define GLIMPSE_INTERNAL_BASE64_H

#include "include/internal/buffer.h"

void base64_encode(const void *bytes, size_t n, buffer *out);
/* False: not base64; `out` then holds what came before. */
bool base64_decode(const char *text, size_t n, buffer *out);

#endif
