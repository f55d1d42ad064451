/* pty.c -- see pty.h. */
#define _GNU_SOURCE
#include "tests/pty.h"

#include "include/internal/flock_holder.h"
#include "include/internal/utf8.h"
#include "viz/text.h"
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool pty_start(pty *p, int width, int height, const char *const *environment, char *const *argv) {
    struct winsize size = {.ws_row = (unsigned short)height, .ws_col = (unsigned short)width};
    memset(p, 0, sizeof *p);
    p->width = width;
    p->height = height;
    p->pid = forkpty(&p->fd, NULL, NULL, &size);
    if (p->pid < 0) return false;
    if (p->pid == 0) {
        static const char *const off[] = {"NO_COLOR", "COLORTERM", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "GLIMPSE_ARGS", "GLIMPSE"};
        for (size_t i = 0; i < sizeof off / sizeof *off; i++) unsetenv(off[i]);
        signal(SIGINT, SIG_DFL); /* a shell ignores it for what it starts in the background */
        for (; environment && *environment; environment++) putenv((char *)(size_t)*environment);
        execv(argv[0], argv);
        _exit(127);
    }
    return true;
}

static void clear(pty *p, int row, int from) {
    for (int c = from; row >= 0 && row < PTY_ROWS && c < PTY_COLUMNS; c++) strcpy(p->cells[row][c], " ");
}

static void sgr(pty *p, const char *s) {
    for (const char *at = s; *at != 'm';) {
        int v = (int)strtol(at, NULL, 10);
        const char *semi = strpbrk(at, ";m");
        if (v == 38 || v == 48) {
            int kind = (int)strtol(semi + 1, NULL, 10), skip = kind == 2 ? 4 : 2;
            p->colors[kind == 2 ? 2 : 1]++;
            for (int i = 0; i < skip && *semi == ';'; i++) semi = strpbrk(semi + 1, ";m");
        } else if ((v >= 30 && v <= 37) || (v >= 40 && v <= 47) || (v >= 90 && v <= 107)) p->colors[0]++;
        else if (v) p->colors[3]++;
        at = *semi == ';' ? semi + 1 : semi;
    }
}

/* The escape at s: its length, 0 = not whole yet. */
static size_t escape(pty *p, const char *s, size_t n) {
    size_t i = 2;
    int a = 1, b = 1;
    if (n < 3) return 0;
    if (s[1] != '[') return p->foreign++, 1;
    while (i < n && ((unsigned char)s[i] < 0x40)) i++;
    if (i == n) return 0;
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)(i - 2), s + 2);
    if (s[i] == 'H' && sscanf(text, "%d;%d", &a, &b) >= 1) p->row = a - 1, p->column = b - 1;
    else if (s[i] == 'K' && !*text) clear(p, p->row, p->column);
    else if (s[i] == 'J' && !strcmp(text, "2"))
        for (int r = 0; r < PTY_ROWS; r++) clear(p, r, 0);
    else if (s[i] == 'm') sgr(p, s + 2);
    else if ((s[i] == 'h' || s[i] == 'l') && !strcmp(text, "?1049")) p->alternate = s[i] == 'h';
    else if ((s[i] == 'h' || s[i] == 'l') && !strcmp(text, "?25")) p->cursor_hidden = s[i] == 'l';
    else if ((s[i] == 'h' || s[i] == 'l') && (!strcmp(text, "?7") || !strcmp(text, "?2026"))) { /* not of the picture */ }
    else p->foreign++;
    return i + 1;
}

static void take_in(pty *p) {
    size_t at = 0;
    while (at < p->n_pending) {
        const char *s = p->pending + at;
        size_t n = p->n_pending - at;
        uint32_t cp;
        if (*s == 27) {
            size_t used = escape(p, s, n);
            if (!used) break;
            at += used;
            continue;
        }
        int len = utf8_decode(s, n, &cp);
        if (len == 0) break;
        at += (size_t)(len > 0 ? len : -len);
        if (cp == '\r') p->column = 0;
        else if (cp == '\n') p->row++;
        else if (cp < 32 || len < 0) p->foreign++;
        else if (p->row >= 0 && p->row < PTY_ROWS && p->column < PTY_COLUMNS) {
            int w = text_char_width(cp);
            if (!w && p->column > 0) { /* joins the one before */
                char *cell = p->cells[p->row][p->column - 1];
                if (strlen(cell) + (size_t)len < PTY_CELL) strncat(cell, s, (size_t)len);
                continue;
            }
            if (p->column + w > p->width && !p->settling) p->foreign++; /* over the edge */
            snprintf(p->cells[p->row][p->column], PTY_CELL, "%.*s", len, s);
            if (w == 2 && p->column + 1 < PTY_COLUMNS) p->cells[p->row][p->column + 1][0] = 0;
            p->column += w;
        }
    }
    memmove(p->pending, p->pending + at, p->n_pending - at);
    p->n_pending -= at;
}

void pty_row(const pty *p, int i, char *out) {
    size_t n = 0;
    for (int c = 0; c < p->width; c++) n += (size_t)sprintf(out + n, "%s", p->cells[i][c]);
    while (n && out[n - 1] == ' ') n--;
    out[n] = 0;
}

bool pty_shows(const pty *p, const char *text) {
    static char row[PTY_COLUMNS * PTY_CELL];
    for (int i = 0; i < p->height && i < PTY_ROWS; i++) {
        pty_row(p, i, row);
        if (strstr(row, text)) return true;
    }
    return false;
}

enum { QUIET_MS = 30, QUIET_TIMES = 2, PATIENCE_S = 60 };

/* It sleeps: one that a busy machine keeps from running is silent, too. */
static bool asleep(pid_t pid) {
    buffer b = {0};
    const char *state = proc_read_of(pid, "stat", &b) ? strrchr(buf_str(&b), ')') : NULL;
    const bool yes = !state || !strncmp(state, ") S", 3) || !strncmp(state, ") Z", 3);
    buf_free(&b);
    return yes;
}

bool pty_wait(pty *p, const char *text) {
    struct timespec from, now;
    int quiet = 0;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (;;) {
        struct pollfd fd = {p->fd, POLLIN, 0};
        if (text && pty_shows(p, text)) return true;
        int ready = p->ended ? 0 : poll(&fd, 1, text ? 100 : QUIET_MS);
        if (ready > 0) {
            ssize_t n = read(p->fd, p->pending + p->n_pending, sizeof p->pending - p->n_pending);
            if (n <= 0) p->ended = true;
            else p->n_pending += (size_t)n, take_in(p);
        }
        quiet = ready <= 0 && asleep(p->pid) ? quiet + 1 : 0;
        if (!text && (quiet == QUIET_TIMES || p->ended)) return true;
        if (text && p->ended) return pty_shows(p, text);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - from.tv_sec > PATIENCE_S) return false;
    }
}

void pty_keys(pty *p, const char *keys) {
    if (write(p->fd, keys, strlen(keys)) < 0) p->ended = true;
}

void pty_resize(pty *p, int width, int height) {
    struct winsize size = {.ws_row = (unsigned short)height, .ws_col = (unsigned short)width};
    pty_wait(p, NULL);
    p->settling = true; /* what was drawn for the old size may still come */
    p->width = width;
    p->height = height;
    ioctl(p->fd, TIOCSWINSZ, &size);
    pty_wait(p, NULL);
    p->settling = false;
}

int pty_end(pty *p) {
    int status = 0;
    while (!p->ended) pty_wait(p, "\x01 nothing that a screen could show");
    waitpid(p->pid, &status, 0);
    close(p->fd);
    return status;
}
