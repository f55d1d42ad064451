/* terminal_style.c -- what the terminal at hand can show, from options and environment. */
#include "hooks/session_state.h"
#include "viz/colors.h"
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *env(void *user, const char *name) {
    (void)user;
    return getenv(name);
}

int terminal_columns(int fd) {
    struct winsize w;
    if (!ioctl(fd, TIOCGWINSZ, &w) && w.ws_col >= 20) return w.ws_col < 1000 ? w.ws_col : 1000;
    return 100;
}

view_style session_terminal_style(const session *s, bool for_out) {
    bool terminal = for_out ? s->host.out_terminal : s->host.terminal;
    const options *o = s->o;
    color_when when = opt_is(o, OPT_color, "always") ? COLOR_ALWAYS : opt_is(o, OPT_color, "never") ? COLOR_NEVER : COLOR_AUTO;
    color_ask ask = opt_is(o, OPT_color_depth, "16")          ? ASK_16
                    : opt_is(o, OPT_color_depth, "256")       ? ASK_256
                    : opt_is(o, OPT_color_depth, "truecolor") ? ASK_TRUE
                                                              : ASK_AUTO;
    view_style style = s->style;
    style.terminal = terminal;
    style.depth = color_depth_of(when, ask, terminal, env, NULL);
    style.width = terminal ? terminal_columns(for_out ? STDOUT_FILENO : STDERR_FILENO) : 100;
    return style;
}
