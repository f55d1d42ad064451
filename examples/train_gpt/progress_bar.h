/* progress_bar.h -- what the trainer shows while it works: one line redrawn in place on a terminal, on stderr, nothing
 * elsewhere (the evals' lines on stdout say enough in a log file).  Called by train_gpt.c. */
#ifndef TRAIN_GPT_PROGRESS_BAR_H
#define TRAIN_GPT_PROGRESS_BAR_H

#include <stdint.h>

typedef struct progress_bar {
    int on_terminal;
    double started, drawn; /* seconds of the monotonic clock */
    double first_done;     /* the part that was done when this process began: --resume */
    int shown;             /* a bar stands in the terminal's line */
} progress_bar;

/* Seconds of the monotonic clock. */
double progress_now(void);

void progress_start(progress_bar *bar, double first_done);

/* Redraw at most ten times a second.  done: part of the run, 0..1; loss: the last step's. */
void progress_draw(progress_bar *bar, int64_t step, double done, double loss, double tokens_per_second);

/* Wipe the bar, before anything else is written. */
void progress_clear(progress_bar *bar);

#endif
