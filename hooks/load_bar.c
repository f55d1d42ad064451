/* load_bar.c -- see load_bar.h. */
#include "hooks/load_bar.h"

#include "include/internal/buffer.h"
#include "include/internal/threads.h"

enum { WIDTH = 24 };
double load_bar_wait_s = 0.5, load_bar_every_s = 0.1;

void load_bar_step(void *bar, int64_t done, int64_t total) {
    load_bar *b = bar;
    double now = monotonic_s();
    if (!b->host->progress || total < 1) return;
    if (b->began == 0) b->began = now;
    if (done >= total) {
        load_bar_end(b);
        return;
    }
    if (now - b->began < load_bar_wait_s || now - b->told < load_bar_every_s) return;
    b->told = now;
    char line[160], filled[WIDTH + 1];
    double rate = (double)done / (now - b->began), left = done > 0 ? (double)(total - done) / rate : 0;
    for (int i = 0; i < WIDTH; i++) filled[i] = i < (int)(WIDTH * done / total) ? '#' : '.';
    filled[WIDTH] = 0;
    c_snprintf(line, sizeof line, "  %s %s %3d %%  %.2f of %.2f GB  %.0f MB/s  %lld:%02lld left", b->what, filled,
               (int)(100 * done / total), 1e-9 * (double)done, 1e-9 * (double)total, 1e-6 * rate, (long long)(left / 60),
               (long long)left % 60);
    b->host->progress(b->host->user, line);
    b->shown = true;
}

void load_bar_end(load_bar *b) {
    if (b->shown) b->host->progress(b->host->user, NULL);
    b->shown = false;
}
