/* session_log.c -- what is told to people, in training by the worker through its trainer: every word goes through session_say,
 * off the line on which text streams and over a progress bar that stands there. */
#include "hooks/session_state.h"

#include "hooks/text_out.h"
#include "viz/text.h"
#include <stdarg.h>
#include <string.h>

void session_say(const session *s, const char *text) {
    if (!s->host.log) return;
    buffer b = {0};
    view_style style = session_terminal_style(s, false);
    if (s->text) text_out_leave_line(s->text);
    view_clear_line(&style, &b);
    buf_puts(&b, text);
    if (!buf_failed(&b)) s->host.log(s->host.user, buf_str(&b));
    buf_free(&b);
}

void session_say_rows(const session *s, buffer *rows) {
    if (!rows->n || buf_failed(rows)) return;
    rows->bytes[rows->n - 1] = 0; /* session_say adds it */
    session_say(s, buf_str(rows));
}

void session_tell(const session_host *host, const char *text) {
    if (!host->log) return;
    buffer safe = {0}; /* a path may hold anything */
    text_escape(&safe, text, strlen(text), TEXT_LINES);
    if (!buf_failed(&safe)) host->log(host->user, buf_str(&safe));
    buf_free(&safe);
}

void session_log(const session *s, const char *fmt, ...) {
    if (!s->host.log) return;
    buffer b = {0};
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&b, fmt, args);
    va_end(args);
    buffer spelt = {0}, safe = {0}; /* a path may hold anything */
    text_escape(&safe, buf_str(&b), b.n, TEXT_LINES);
    opt_spell(buf_str(&safe), options_is_trainer(s->o), &spelt);
    buf_free(&safe);
    if (!buf_failed(&spelt)) session_say(s, buf_str(&spelt));
    buf_free(&b);
    buf_free(&spelt);
}

void session_log_lines(const session *s, const char *lines) {
    for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
        n = strcspn(lines, "\n");
        session_log(s, "glimpse: %.*s", (int)n, lines);
    }
}
