/* full_screen.c -- see full_screen.h.  The escapes are those of ECMA-48 and xterm's alternate screen (1049), which every
 * terminal since has; synchronised output (2026) is passed over where it is not known. */
#include "hooks/full_screen.h"

#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

static const char enter[] = "\x1b[?1049h\x1b[?7l\x1b[?25l\x1b[2J", leave[] = "\x1b[0m\x1b[?25h\x1b[?7h\x1b[?1049l";

struct full_screen {
    const session_host *host;
    struct termios before;
    sigset_t mask_before;
    int signals;         /* signalfd */
    bool entered;
    int raised;          /* the signal that ended it */
    int error;           /* errno of the output */
    char typed[256];     /* bytes that are no key yet */
    size_t n_typed;
    buffer *shown, out;  /* (n_shown) rows on the terminal */
    int n_shown;
};

static void put(full_screen *t, const char *s, size_t n) {
    if (!t->error) t->error = t->host->out(t->host->user, s, n);
}

static void take(full_screen *t) {
    struct termios raw = t->before;
    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    t->entered = true;
    put(t, enter, sizeof enter - 1);
    for (int i = 0; i < t->n_shown; i++) buf_free(&t->shown[i]);
    t->n_shown = 0;
}

static void give(full_screen *t) {
    if (!t->entered) return;
    put(t, leave, sizeof leave - 1);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
    t->entered = false;
}

glimpse_status full_screen_open(const session_host *host, full_screen **out) {
    const char *term = getenv("TERM");
    if (!host->out || !host->out_terminal || !isatty(STDIN_FILENO))
        FAIL(GLIMPSE_E_STATE, "`glimpse review` is for a terminal, and %s is none\nhint: `glimpse follow` writes a log, `glimpse "
             "report --single` a page in one file", host->out_terminal ? "stdin" : "stdout");
    if (!term || !*term || !strcmp(term, "dumb"))
        FAIL(GLIMPSE_E_STATE, "`glimpse review` cannot draw on a terminal of TERM=%s\nhint: TERM=xterm-256color, or `glimpse follow`", term ? term : "");
    full_screen *t = calloc(1, sizeof *t);
    if (!t) FAIL(GLIMPSE_E_MEMORY, "no memory for a screen");
    t->host = host;
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT), sigaddset(&ours, SIGTERM), sigaddset(&ours, SIGHUP), sigaddset(&ours, SIGQUIT), sigaddset(&ours, SIGWINCH);
    t->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (t->signals < 0 || tcgetattr(STDIN_FILENO, &t->before)) {
        int why = errno;
        if (t->signals >= 0) close(t->signals);
        free(t);
        FAIL(GLIMPSE_E_IO, "the terminal cannot be taken: %s", strerror(why));
    }
    pthread_sigmask(SIG_BLOCK, &ours, &t->mask_before);
    take(t);
    *out = t;
    return GLIMPSE_OK;
}

void full_screen_close(full_screen *t) {
    if (!t) return;
    int raised = t->raised;
    give(t);
    pthread_sigmask(SIG_SETMASK, &t->mask_before, NULL);
    close(t->signals);
    for (int i = 0; i < t->n_shown; i++) buf_free(&t->shown[i]);
    free(t->shown);
    buf_free(&t->out);
    free(t);
    if (raised) raise(raised);
}

void full_screen_size(full_screen *t, int *width, int *height) {
    struct winsize w = {0};
    (void)t;
    bool known = !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col && w.ws_row;
    *width = !known ? 80 : w.ws_col < 1000 ? w.ws_col : 1000;
    *height = !known ? 24 : w.ws_row < 500 ? w.ws_row : 500;
}

glimpse_status full_screen_show(full_screen *t, const buffer *rows, int n) {
    buf_clear(&t->out);
    buf_puts(&t->out, "\x1b[?2026h");
    if (t->n_shown != n) {
        for (int i = 0; i < t->n_shown; i++) buf_free(&t->shown[i]);
        t->n_shown = 0;
        buffer *room = realloc(t->shown, (size_t)n * sizeof *room);
        if (!room) FAIL(GLIMPSE_E_MEMORY, "no memory for a screen");
        t->shown = room;
        t->n_shown = n;
        for (int i = 0; i < n; i++) t->shown[i] = (buffer){ .failed = true }; /* nothing is known to stand there */
        buf_puts(&t->out, "\x1b[2J");
    }
    for (int i = 0; i < n; i++) {
        buffer *was = &t->shown[i];
        if (!was->failed && was->n == rows[i].n && (!was->n || !memcmp(was->bytes, rows[i].bytes, was->n))) continue;
        buf_printf(&t->out, "\x1b[%d;1H\x1b[K", i + 1); /* cleared first: behind a full row the last column would go */
        buf_put(&t->out, buf_str(&rows[i]), rows[i].n);
        was->failed = false;
        buf_clear(was);
        buf_put(was, buf_str(&rows[i]), rows[i].n);
    }
    buf_puts(&t->out, "\x1b[?2026l");
    if (buf_failed(&t->out)) FAIL(GLIMPSE_E_MEMORY, "no memory for a screen");
    put(t, t->out.bytes, t->out.n);
    char room[64];
    if (t->error && t->error != EPIPE && t->error != EIO) FAIL(GLIMPSE_E_IO, "the terminal cannot be written: %s", strerror_r(t->error, room, sizeof room));
    return GLIMPSE_OK;
}

/* === Keys ======================================================================================================= */

static uint32_t take_typed(full_screen *t, size_t n, uint32_t key) {
    memmove(t->typed, t->typed + n, t->n_typed - n);
    t->n_typed -= n;
    return key;
}

/* ESC [ parameters final, ESC O final.  0: not whole yet. */
static uint32_t escape_key(full_screen *t) {
    static const struct { const char *tail; uint32_t key; } known[] = {
        {"D", KEY_LEFT}, {"C", KEY_RIGHT}, {"A", KEY_UP}, {"B", KEY_DOWN}, {"H", KEY_HOME}, {"F", KEY_END}, {"1~", KEY_HOME}, {"7~", KEY_HOME},
        {"4~", KEY_END}, {"8~", KEY_END}, {"5~", KEY_PAGE_UP}, {"6~", KEY_PAGE_DOWN}};
    size_t n = 2;
    if (t->n_typed < 3) return 0;
    while (n < t->n_typed && (unsigned char)t->typed[n] < 0x40) n++;
    if (n == t->n_typed) return t->n_typed == sizeof t->typed ? take_typed(t, n, KEY_AGAIN) : 0;
    n++;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].tail) == n - 2 && !memcmp(t->typed + 2, known[i].tail, n - 2)) return take_typed(t, n, known[i].key);
    return take_typed(t, n, KEY_AGAIN); /* some other key */
}

/* A key of what was typed; 0 = none that is whole.  `all`: no more will come for it. */
static uint32_t typed_key(full_screen *t, bool all) {
    uint32_t cp;
    if (!t->n_typed) return 0;
    if (t->typed[0] == 27) {
        if (t->n_typed > 1 && (t->typed[1] == '[' || t->typed[1] == 'O')) {
            uint32_t key = escape_key(t);
            if (key || !all) return key;
        }
        return t->n_typed > 1 || all ? take_typed(t, 1, KEY_ESCAPE) : 0;
    }
    int n = utf8_decode(t->typed, t->n_typed, &cp);
    if (n == 0 && !all) return 0;
    if (n <= 0) return take_typed(t, n < 0 ? (size_t)-n : t->n_typed, 0xFFFD);
    return take_typed(t, (size_t)n, cp == '\n' ? KEY_ENTER : cp == 8 ? KEY_BACKSPACE : cp == 0 ? 0xFFFD : cp);
}

static uint32_t signal_key(full_screen *t) {
    struct signalfd_siginfo info;
    uint32_t key = KEY_NONE;
    while (read(t->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGWINCH) t->raised = (int)info.ssi_signo, key = KEY_GONE;
        else if (key != KEY_GONE) key = KEY_RESIZED;
    }
    return key;
}

uint32_t full_screen_key(full_screen *t, int wait_ms) {
    enum { ESCAPE_MS = 40 }; /* within which what follows an ESC belongs to it */
    if (t->error) return KEY_GONE;
    uint32_t key = typed_key(t, false);
    while (!key) {
        struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {t->signals, POLLIN, 0}};
        int ready = poll(fds, 2, t->n_typed ? ESCAPE_MS : wait_ms);
        if (ready < 0 && errno != EINTR) return KEY_GONE;
        if (ready > 0 && fds[1].revents && (key = signal_key(t)) != KEY_NONE) return key;
        if (ready > 0 && fds[0].revents) {
            ssize_t n = read(STDIN_FILENO, t->typed + t->n_typed, sizeof t->typed - t->n_typed);
            if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) return KEY_GONE; /* hung up */
            if (n > 0) t->n_typed += (size_t)n;
        }
        key = typed_key(t, ready == 0);
        if (ready == 0 && !key) return KEY_NONE;
    }
    if (key == 3) { /* Ctrl-C, Ctrl-Z: their signals are off, so that the terminal is given back first */
        t->raised = SIGINT;
        return KEY_GONE;
    }
    if (key == 26) {
        give(t);
        sigset_t stop, mask; /* (in a group without a shell the signal does nothing, as it should) */
        sigemptyset(&stop);
        sigaddset(&stop, SIGTSTP);
        sigprocmask(SIG_UNBLOCK, &stop, &mask);
        kill(0, SIGTSTP);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        if (!tcgetattr(STDIN_FILENO, &t->before)) take(t);
        return KEY_AGAIN;
    }
    return key;
}
