/* terminal_style.c -- what the terminal at hand can show, from options and environment. */
#include "hooks/session_state.h"
#include "viz/colors.h"
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *env(void *user, const char *name) {
    (void)user;
    return getenv(name);
}

static int columns(int fd) {
    struct winsize w;
    if (!ioctl(fd, TIOCGWINSZ, &w) && w.ws_col >= 20) return w.ws_col < 1000 ? w.ws_col : 1000;
    return 100;
}

/* COLORFGBG is "foreground;background" where a terminal sets it: 7 and 15 are light grounds. */
static bool light_ground(const options *o) {
    if (!opt_is(o, OPT_light, "auto")) return opt_is(o, OPT_light, "light");
    const char *c = getenv("COLORFGBG"), *last = c ? strrchr(c, ';') : NULL;
    return last && (!strcmp(last, ";7") || !strcmp(last, ";15"));
}

view_style session_terminal_style(const options *o, const session_host *host, bool for_out) {
    bool terminal = for_out ? host->out_terminal : host->terminal;
    color_when when = opt_is(o, OPT_color, "always") ? COLOR_ALWAYS : opt_is(o, OPT_color, "never") ? COLOR_NEVER : COLOR_AUTO;
    color_ask ask = opt_is(o, OPT_color_depth, "16")          ? ASK_16
                    : opt_is(o, OPT_color_depth, "256")       ? ASK_256
                    : opt_is(o, OPT_color_depth, "truecolor") ? ASK_TRUE
                                                              : ASK_AUTO;
    static const char *const modes[] = { "minmax", "softmax", "softmax_top_k", "rank", "dot_product", "entropy", "topk", "all" };
    view_style s = { .colorize = opt_bool(o, OPT_colorize_output), .light = light_ground(o),
                     .depth = color_depth_of(when, ask, terminal, env, NULL),
                     .width = terminal ? columns(for_out ? STDOUT_FILENO : STDERR_FILENO) : 100 };
    for (int i = 0; i < 8; i++)
        if (opt_is(o, OPT_colorize_mode, modes[i])) s.mode = (color_mode)i;
    s.colors = opt_is(o, OPT_palette, "cividis")    ? PALETTE_CIVIDIS
               : opt_is(o, OPT_palette, "redgreen") ? PALETTE_REDGREEN
                                                    : PALETTE_VIRIDIS;
    return s;
}
