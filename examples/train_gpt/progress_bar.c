/* progress_bar.c -- see progress_bar.h. */
#define _GNU_SOURCE
#include "examples/train_gpt/progress_bar.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double progress_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_start(progress_bar *bar, double first_done) {
    *bar = (progress_bar){.on_terminal = isatty(2), .started = progress_now(), .first_done = first_done};
}

void progress_draw(progress_bar *bar, int64_t step, double done, double loss, double tokens_per_second) {
    enum { WIDTH = 24 };
    double now = progress_now();
    if (!bar->on_terminal || now - bar->drawn < 0.1) return;
    bar->drawn = now;
    char cells[WIDTH + 1];
    int full = (int)(done * WIDTH);
    full = full < 0 ? 0 : full > WIDTH ? WIDTH : full;
    memset(cells, '#', (size_t)full);
    memset(cells + full, '.', (size_t)(WIDTH - full));
    cells[WIDTH] = 0;
    double here = done - bar->first_done, left = here > 0.0 ? (now - bar->started) * (1.0 - done) / here : 0.0;
    fprintf(stderr, "\r[%s] step %lld  loss %.3f  %.0f tokens/s  %d:%02d left \033[K", cells, (long long)step, loss, tokens_per_second,
            (int)left / 60, (int)left % 60);
    fflush(stderr);
    bar->shown = 1;
}

void progress_clear(progress_bar *bar) {
    if (bar->shown) fputs("\r\033[K", stderr);
    bar->shown = 0;
}
