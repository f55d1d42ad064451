/* chat_line.c -- the terminal of `glimpse chat`: a line that can be edited, with its history (libedit), and Ctrl-C.  Called by
 * commands.c; the conversation itself is the session's (hooks/chat.h).
 *
 * Ctrl-C at the prompt takes the line back, during an answer it ends the answer.  The handler is there from the first prompt to
 * the end of the conversation: while a model is being read Ctrl-C ends the program, as anywhere. */
#define _GNU_SOURCE
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "include/internal/file.h"
#include "plugin/cli/cli.h"
#include "plugin/guest.h"

#define HISTORY 1000

static atomic_int cancel; /* the handler's word to the session */
static pthread_t reader;  /* who waits for keys */

/* Whose threads there are, a driver's, say, may be given the signal: it is who waits that is to be woken. */
static void on_interrupt(int signal_number) {
    atomic_store(&cancel, 1);
    if (!pthread_equal(pthread_self(), reader)) pthread_kill(reader, signal_number);
}

typedef struct editor {
    EditLine *el; /* NULL = plain lines */
    History *history;
    FILE *shows;  /* where the line is drawn */
    const char *prompt;
    locale_t utf8;
    bool handles; /* the handler is installed */
    sigset_t blocked; /* while a key is waited for */
    struct winsize size;
    struct sigaction before;
    plain_lines plain;
    buffer line;
} editor;

static char *prompt_of(EditLine *el) {
    editor *e;
    el_get(el, EL_CLIENTDATA, &e);
    return (char *)(uintptr_t)e->prompt;
}

/* libedit's handlers allocate and write what they interrupt: they run while a key is waited for and at no other time, that of
 * SIGWINCH never (cli_run).  It would also take itself away after its first; the size is asked for at each key instead. */
static void block_signals(editor *e, sigset_t *before) {
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT, SIGWINCH};
    sigset_t all;
    sigemptyset(&all);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaddset(&all, numbers[i]);
    pthread_sigmask(SIG_BLOCK, &all, before);
    e->blocked = *before;
    sigaddset(&e->blocked, SIGWINCH);
}

/* A new size leaves a cursor that may stand outside of it: drawing the line anew sets it.  Of a line that has more rows than the
 * screen it sets a row that is not there: that one keeps the old size to its end.  So the size is given, as it was looked at here:
 * el_resize would ask the terminal once more, which may be smaller by then. */
static void follow_size(editor *e, bool in_line) {
    struct winsize now;
    if (ioctl(fileno(e->shows), TIOCGWINSZ, &now) || (now.ws_row == e->size.ws_row && now.ws_col == e->size.ws_col)) return;
    const LineInfo *line = el_line(e->el);
    size_t most = 2 * (size_t)(line->lastchar - line->buffer) + strlen(e->prompt); /* no byte of UTF-8 takes more columns */
    if (in_line && (now.ws_row < 2 || most > (size_t)(now.ws_row - 1) * now.ws_col)) return;
    e->size = now;
    char rows[8], columns[8];
    snprintf(rows, sizeof rows, "%d", now.ws_row);
    snprintf(columns, sizeof columns, "%d", now.ws_col);
    el_set(e->el, EL_SETTC, "li", rows, NULL);
    el_set(e->el, EL_SETTC, "co", columns, NULL);
    if (!in_line) return;
    file_write_fd(fileno(e->shows), "the terminal", "\r\x1b[J", 4);
    el_set(e->el, EL_REFRESH);
}

/* One byte, after waiting; 0 at the end, -1 interrupted by Ctrl-C. */
static int read_byte(const editor *e, unsigned char *c) {
    while (plain_lines_wait(&cancel, &e->blocked)) {
        ssize_t n = read(STDIN_FILENO, c, 1);
        if (n >= 0) return (int)n;
        if (errno != EINTR) return -1;
    }
    return -1;
}

/* libedit's own reader goes on after a signal, and decodes by the process's locale; this one does neither. */
static int read_key(EditLine *el, wchar_t *out) {
    unsigned char c[4];
    editor *e;
    el_get(el, EL_CLIENTDATA, &e);
    int r = read_byte(e, c);
    if (r <= 0) return r;
    follow_size(e, true);
    int more = c[0] >= 0xf0 && c[0] < 0xf5 ? 3 : c[0] >= 0xe0 && c[0] < 0xf0 ? 2 : c[0] >= 0xc2 && c[0] < 0xe0 ? 1 : 0;
    wchar_t w = more ? c[0] & (0x3f >> more) : c[0] < 0x80 ? c[0] : 0xfffd;
    for (int i = 1; i <= more; i++) {
        if ((r = read_byte(e, c + i)) <= 0) return r;
        w = w << 6 | (c[i] & 0x3f);
        if ((c[i] & 0xc0) != 0x80) w = 0xfffd, more = i;
    }
    if ((more == 2 && (w < 0x800 || (w >= 0xd800 && w < 0xe000))) || (more == 3 && (w < 0x10000 || w > 0x10ffff))) w = 0xfffd;
    *out = w;
    return 1;
}

static void handle_interrupt(editor *e) {
    struct sigaction ours = {.sa_handler = on_interrupt}; /* no SA_RESTART: a prompt that waits is woken */
    if (e->handles) return;
    sigemptyset(&ours.sa_mask);
    e->handles = sigaction(SIGINT, &ours, &e->before) == 0;
}

static void open_editor(editor *e) {
    HistEvent event;
    FILE *shows = isatty(STDERR_FILENO) ? stderr : isatty(STDOUT_FILENO) ? stdout : NULL;
    const char *term = getenv("TERM");
    if (!isatty(STDIN_FILENO) || !shows || !term || !strcmp(term, "dumb")) return;
    e->shows = shows;
    e->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t outer = e->utf8 ? uselocale(e->utf8) : (locale_t)0;
    e->el = el_init("glimpse", stdin, shows, stderr);
    e->history = e->el ? history_init() : NULL;
    if (e->history) {
        history(e->history, &event, H_SETSIZE, HISTORY);
        history(e->history, &event, H_SETUNIQUE, 1);
        el_set(e->el, EL_CLIENTDATA, e);
        el_set(e->el, EL_EDITOR, "emacs");
        el_set(e->el, EL_SIGNAL, 1);
        el_set(e->el, EL_PROMPT, prompt_of);
        el_set(e->el, EL_GETCFN, read_key);
        el_set(e->el, EL_HIST, history, e->history);
        el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    } else if (e->el) {
        el_end(e->el);
        e->el = NULL;
    }
    if (outer) uselocale(outer);
}

static int edit_line(editor *e, const char **line, size_t *n) {
    HistEvent event;
    int count = 0;
    sigset_t before;
    fflush(stdout);
    block_signals(e, &before);
    follow_size(e, false);
    el_set(e->el, EL_PREP_TERM, 1); /* before the prompt is shown: el_gets does it behind, and a Ctrl-D between is lost */
    const char *got = el_gets(e->el, &count);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!got || count < 1) {
        bool taken_back = atomic_load(&cancel);
        file_write_fd(fileno(stderr), "stderr", "\n", 1);
        return taken_back ? -EINTR : 0;
    }
    buf_clear(&e->line);
    buf_put(&e->line, got, strcspn(got, "\r\n"));
    if (buf_failed(&e->line)) return -ENOMEM;
    if (e->line.n) history(e->history, &event, H_ENTER, buf_str(&e->line));
    *line = buf_str(&e->line);
    *n = e->line.n;
    return 1;
}

static int on_read(void *user, const char *prompt, const char **line, size_t *n) {
    editor *e = user;
    if (!e->handles) open_editor(e);
    handle_interrupt(e);
    atomic_store(&cancel, 0);
    if (!e->el) return plain_lines_next(&e->plain, prompt, &cancel, line, n);
    e->prompt = prompt;
    locale_t outer = e->utf8 ? uselocale(e->utf8) : (locale_t)0;
    int r = edit_line(e, line, n);
    if (outer) uselocale(outer);
    return r;
}

int cli_run(glimpse_config *cfg) {
    editor e = {0};
    chat_terminal terminal = {.user = &e, .read_line = on_read, .cancel = &cancel};
    sigset_t winch;
    reader = pthread_self();
    sigemptyset(&winch); /* for every thread that will be: a signal that this one blocks is another's, such as libcuda's */
    sigaddset(&winch, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &winch, NULL);
    int code = guest_run(cfg, &terminal);
    if (e.handles) sigaction(SIGINT, &e.before, NULL);
    if (e.el) el_end(e.el);
    if (e.history) history_end(e.history);
    if (e.utf8) freelocale(e.utf8);
    buf_free(&e.plain.bytes);
    buf_free(&e.line);
    return code;
}
