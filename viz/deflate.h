/* deflate.h -- a zlib stream (RFC 1950, RFC 1951) of a picture's rows.  Why not zlib's deflate: in a chart nearly every
 * byte stands one row above as well, and a matcher that looks there first is several times faster than one that hashes
 * every byte.  Decoded by any inflate.  Called by png.c. */
#ifndef GLIMPSE_VIZ_DEFLATE_H
#define GLIMPSE_VIZ_DEFLATE_H

#include "include/internal/buffer.h"

/* n bytes in rows of `stride` bytes (n a multiple of it, n > 0); appends.  False: no memory, `out->n` as it was. */
bool deflate_rows(const uint8_t *bytes, size_t n, size_t stride, buffer *out);

#endif
