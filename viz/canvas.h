/* canvas.h -- an indexed picture, 8 bits a pixel, one fixed palette: rectangles, hatches, lines, text.  Called by the
 * charts; png.h turns it into a file.
 *
 * The palette (256): 96 steps of viridis; 24 of them blended in 5 levels with the text colour they carry, for the edges
 * of letters; a ramp from paper to ink; red and blue with their ramps; a red ground for alarms.  A blend that is not
 * there becomes its nearest colour, which the eye cannot tell at the edge of a letter.
 *
 * Coordinates are pixels from the top left; everything is clipped to the picture, so no argument is out of range. */
#ifndef GLIMPSE_VIZ_CANVAS_H
#define GLIMPSE_VIZ_CANVAS_H

#include "include/internal/buffer.h"
#include "viz/colors.h"
#include "viz/font.h"

enum { /* indices of the palette */
    C_VIRIDIS = 0, C_VIRIDIS_STEPS = 96,   /* 0 .. 95 */
    C_BLENDS = 96,                         /* 24 steps x 5 levels */
    C_PAPER = 216,                         /* .. */
    C_INK = 235,                           /* 20 levels from paper (#fcfcfa) to ink (#1c1c1e) */
    C_BLACK, C_WHITE,
    C_RED, C_RED_RAMP,                     /* #ff3b30, then 4 levels on paper */
    C_BLUE = C_RED_RAMP + 4, C_BLUE_RAMP,  /* #2f5fb3 */
    C_ALARM = C_BLUE_RAMP + 4, C_ALARM_RAMP, /* #c4161c, then 4 levels towards white */
    C_COLORS = C_ALARM_RAMP + 4
};
/* Greys on the ramp: hair lines, frames, secondary text (4.5 : 1 on paper). */
enum { C_GRID = C_PAPER + 2, C_FRAME = C_PAPER + 6, C_GREY = C_PAPER + 13, C_SHADE = C_PAPER + 1 };

typedef struct canvas {
    int w, h;
    uint8_t *rows; /* (h, 1 + w): each row opens with PNG's filter byte 0, so that it is encoded where it lies */
} canvas;

/* All paper.  At most 16384 x 32768.  GLIMPSE_E_INVALID, GLIMPSE_E_MEMORY; the canvas is {0} then. */
glimpse_status canvas_new(canvas *c, int w, int h);
void canvas_free(canvas *c); /* the canvas is {0} afterwards */
const rgb *canvas_palette(void); /* (C_COLORS) static */

void canvas_fill(canvas *c, int x, int y, int w, int h, int color);
void canvas_frame(canvas *c, int x, int y, int w, int h, int thickness, int color); /* inside the rectangle */
void canvas_hatch(canvas *c, int x, int y, int w, int h, int color);                /* diagonals, 6 pixels apart */
void canvas_line(canvas *c, double x0, double y0, double x1, double y1, double width, int color); /* antialiased */
void canvas_dot(canvas *c, double x, double y, double radius, int color);                         /* antialiased */

typedef enum text_align { TEXT_LEFT, TEXT_CENTER, TEXT_RIGHT } text_align;

/* Draw one line of UTF-8 with its letters' baseline at y; x is the left edge, the middle or the right edge.  What does
 * not fit in max_w pixels is cut, with an ellipsis.  `bytes` may be anything: what is not valid shows as U+FFFD, so
 * pass text through text_visible (text.h) first.  Returns the width drawn. */
int canvas_text(canvas *c, int x, int y, int max_w, font_face face, int color, text_align align, const char *bytes, size_t n);
int canvas_puts(canvas *c, int x, int y, int max_w, font_face face, int color, text_align align, const char *text);
/* Pixels that a text would take. */
int canvas_width(font_face face, const char *bytes, size_t n);
/* The same, but what does not fit is cut at the left: of a context, the end matters. */
int canvas_text_tail(canvas *c, int x, int y, int max_w, font_face face, int color, const char *bytes, size_t n);

/* The step of the palette for a value in 0..1; the black or white that is read on it. */
int canvas_viridis(double v);
int canvas_text_on(int ground);

#endif
