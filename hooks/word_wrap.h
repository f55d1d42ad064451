/* word_wrap.h -- text that streams to a terminal, broken between words.
 *
 * Text comes in pieces that end anywhere.  What certainly fits is let through at once; only near the right edge is a word held
 * back, until it is known whether it still fits: then it is shown, or a newline takes the place of the blanks before it.  A word
 * that begins far from the edge and is longer than all the room is broken by the terminal.  Called by text_out.c. */
#ifndef GLIMPSE_HOOKS_WORD_WRAP_H
#define GLIMPSE_HOOKS_WORD_WRAP_H

#include "include/internal/buffer.h"

typedef struct word_wrap { /* begin with {0}: at the beginning of a line */
    size_t columns;       /* that a line may have; 0 = nothing is broken */
    size_t column;        /* behind what was let through */
    buffer held;          /* blanks, a word, their escape sequences */
    size_t gap, word;     /* columns of the two */
    bool inside;          /* the beginning of this word was let through: it stays where it is */
    char paint[64], held_paint[64]; /* the escape sequence in force now, and before what is held; "" = none */
} word_wrap;

/* Whole characters and escape sequences of safe text (viz/text.h); what can be shown is appended. */
void word_wrap_put(word_wrap *w, const char *text, size_t n, buffer *out);
void word_wrap_flush(word_wrap *w, buffer *out); /* nothing stays held */
void word_wrap_free(word_wrap *w);

#endif
