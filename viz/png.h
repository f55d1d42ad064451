/* png.h -- an indexed picture as a PNG file (W3C PNG, third edition: https://www.w3.org/TR/png-3/), written from the
 * picture's own structure: a row that repeats costs a few bits and no search.  Called by the charts. */
#ifndef GLIMPSE_VIZ_PNG_H
#define GLIMPSE_VIZ_PNG_H

#include "include/internal/buffer.h"
#include "viz/colors.h"

/* rows    (h, 1 + w) bytes: a 0 (the filter "none"), then w indices below n_colors; borrowed for the call
 * colors  (n_colors) 1 to 256 entries
 * Appends the file.  GLIMPSE_E_INVALID: sizes of 0 or above 2^31 - 1, a row not opened by 0; GLIMPSE_E_MEMORY.
 * On an error `out` is as long as before. */
glimpse_status png_write_indexed(const uint8_t *rows, int w, int h, const rgb *colors, int n_colors, buffer *out);

#endif
