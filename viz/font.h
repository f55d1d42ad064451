/* font.h -- glyphs as coverage bitmaps: DejaVu Sans Mono, then Unifont, then a box with the code point's hexadecimal
 * digits; never an empty box.  Where no font file is (or FreeType fails) ASCII is built in.  Called by canvas.c.
 *
 * Files are looked for in $GLIMPSE_FONT_DIR ("none" = only what is built in), in the usual directories of Debian, and
 * where the build unpacked its packages if it had no root.  The same fonts give the same bitmaps.  Glyphs are cached
 * for the life of the process: one set of files, one lock. */
#ifndef GLIMPSE_VIZ_FONT_H
#define GLIMPSE_VIZ_FONT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum font_face { FONT_BODY, FONT_BOLD, FONT_SMALL, FONT_FACES } font_face; /* 13 px, 13 px bold, 11 px */

typedef struct font_glyph {
    int16_t width, height; /* of the bitmap, pixels; 0 x 0 for a blank */
    int16_t left, top;     /* from the pen to the bitmap's left edge; from the baseline up to its top edge */
    int16_t cells;         /* 1, 2, or 0 for a mark that goes over the character before it */
    bool drawn;            /* false: no font has it, this is the box with its digits */
    const uint8_t *cover;  /* (height, width) 0 .. 255; borrowed until font_unlock */
} font_glyph;

/* Pixels from one cell to the next of a face. */
int font_cell(font_face face);

/* Glyphs are read between the two; the lock is held meanwhile. */
void font_lock(void);
void font_unlock(void);

/* Never NULL; borrowed until font_unlock. */
const font_glyph *font_find(font_face face, uint32_t code_point);

#endif
