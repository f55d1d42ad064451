/* screen_row.h -- what screen.c and screen_pages.c share: rows of a screen, made a piece at a time. */
#ifndef GLIMPSE_VIZ_SCREEN_ROW_H
#define GLIMPSE_VIZ_SCREEN_ROW_H

#include "viz/screen.h"
#include "viz/text.h"

typedef struct screen {
    const screen_view *v;
    buffer *rows;
    styled t;      /* the row being made */
    size_t width;  /* of it */
    size_t columns; /* it may have */
} screen;

void row_begin(screen *s, size_t columns);
/* A piece, if the whole of it and the gap before it fit. */
bool row_add(screen *s, size_t gap, paint_kind kind, const char *safe);
bool row_addf(screen *s, size_t gap, paint_kind kind, const char *fmt, ...) BUF_PRINTF_LIKE(4, 5);
/* Text from outside on one line, cut to `most` columns and to what is left. */
void row_add_cut(screen *s, paint_kind kind, const char *text, size_t n, bool quoted, size_t most);
/* To the right edge of the row, if it fits. */
void row_add_right(screen *s, paint_kind kind, const char *safe);
/* Append the row to rows[i]. */
void row_end(screen *s, int i);

/* screen_pages.c.  Rows `first` to `last` - 1. */
void screen_probe_map(screen *s, int first, int last);
void screen_numbers(screen *s, int first, int last, int64_t *top);
void screen_help(screen *s, int first, int last);
void screen_over_steps(screen *s, int first, int last); /* screen_over.c */
/* The selected token as `n` rows from `first` on, of `columns` at the right of what stands there. */
void screen_token(screen *s, int first, int n, size_t columns);

#endif
