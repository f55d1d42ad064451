/* colors.c -- see colors.h.  Nothing here allocates or fails. */
#include "viz/colors.h"

#include <math.h>
#include <string.h>

static rgb rgb_of(uint32_t c) { return (rgb){(uint8_t)(c >> 16), (uint8_t)(c >> 8), (uint8_t)c}; }

rgb palette_rgb(palette p, double v) {
    if (isnan(v)) return (rgb){128, 128, 128};
    v = v < 0 ? 0 : v > 1 ? 1 : v;
    int i = (int)(255 * v + 0.5);
    switch (p) {
    case PALETTE_REDGREEN: /* truncated, as in the fork; 1e-4 undoes the rounding of 1 - (1 - ratio), and that a paint keeps v in 32 bits */
        return (rgb){(uint8_t)(255 * (1 - v) + 1e-4), (uint8_t)(255 * v + 1e-4), 0};
    case PALETTE_CIVIDIS: return rgb_of(color_table_cividis[i]);
    default: return rgb_of(color_table_viridis[i]);
    }
}

/* === Contrast ====================================================================================================*/
static double linear_of(uint8_t c8) {
    double c = c8 / 255.0;
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

double rgb_luminance(rgb c) { return 0.2126 * linear_of(c.r) + 0.7152 * linear_of(c.g) + 0.0722 * linear_of(c.b); }

double rgb_contrast(rgb a, rgb b) {
    double la = rgb_luminance(a), lb = rgb_luminance(b);
    return (la > lb ? la + 0.05 : lb + 0.05) / (la > lb ? lb + 0.05 : la + 0.05);
}

rgb rgb_text_on(rgb ground) {
    const rgb black = {0, 0, 0}, white = {255, 255, 255};
    return rgb_contrast(ground, black) >= rgb_contrast(ground, white) ? black : white;
}

/* === Values ======================================================================================================*/
const char *color_mode_name(color_mode mode) {
    static const char *const names[] = {"minmax", "softmax", "softmax_top_k", "rank",
                                        "dot_product", "entropy", "topk", "all"};
    return (unsigned)mode < sizeof names / sizeof *names ? names[mode] : "softmax";
}

/* The number that minmax and dot_product scale. */
static double scaled_number(const color_scale *scale, const glimpse_token *t) {
    return scale->mode == COLOR_MINMAX ? t->logit / scale->temperature : t->dot;
}

color_scale color_scale_of(color_mode mode, const glimpse_sample *s, int32_t vocab) {
    color_scale scale = {.mode = mode == COLOR_ALL || mode == COLOR_TOPK ? COLOR_SOFTMAX : mode,
                         .lo = NAN,
                         .hi = NAN,
                         .temperature = s->temperature > 0 ? s->temperature : 1,
                         .ln_vocab = vocab > 1 ? log((double)vocab) : NAN,
                         .top_k = s->top_k};
    if (scale.mode != COLOR_MINMAX && scale.mode != COLOR_DOT_PRODUCT) return scale;
    for (int32_t i = 0; i < s->n_tokens; i++) {
        double x = scaled_number(&scale, GLIMPSE_AT(s->tokens, i));
        if (!isfinite(x)) continue;
        if (!(scale.lo <= x)) scale.lo = x; /* also where lo is still NAN */
        if (!(scale.hi >= x)) scale.hi = x;
    }
    return scale;
}

bool color_scale_value(const color_scale *scale, const glimpse_token *t, double *v) {
    double x = NAN;
    switch (scale->mode) {
    case COLOR_MINMAX:
    case COLOR_DOT_PRODUCT: x = (scaled_number(scale, t) - scale->lo) / (scale->hi - scale->lo + 1e-6); break;
    case COLOR_SOFTMAX_TOP_K: x = t->p_final; break;
    case COLOR_ENTROPY: x = t->entropy / scale->ln_vocab; break;
    case COLOR_RANK: {
        int32_t k = scale->top_k > 2 ? scale->top_k : 2;
        if (t->rank < 2 || t->rank > k) return false;
        x = k == 2 ? 0 : 1 - (double)(t->rank - 2) / (k - 2);
        break;
    }
    default: x = t->p_temp; break;
    }
    if (!isfinite(x)) return false;
    *v = x < 0 ? 0 : x > 1 ? 1 : x;
    return true;
}

/* === Terminals ===================================================================================================*/
static bool has(const char *text, const char *part) { return text && strstr(text, part) != NULL; }
static bool is(const char *text, const char *other) { return text && strcmp(text, other) == 0; }

static color_depth depth_known(color_getenv env, void *user) {
    const char *colorterm = env(user, "COLORTERM"), *term = env(user, "TERM");
    static const char *const true_terms[] = {"-direct", "-truecolor", "kitty", "alacritty", "ghostty", "wezterm", "foot", "contour"};
    if (is(colorterm, "truecolor") || is(colorterm, "24bit")) return DEPTH_TRUE;
    for (size_t i = 0; i < sizeof true_terms / sizeof *true_terms; i++)
        if (has(term, true_terms[i])) return DEPTH_TRUE;
    return has(term, "256color") ? DEPTH_256 : DEPTH_16;
}

color_depth color_depth_of(color_when when, color_ask ask, bool is_terminal, color_getenv env, void *user) {
    const char *no = env(user, "NO_COLOR"), *force = env(user, "FORCE_COLOR"), *cli_force = env(user, "CLICOLOR_FORCE");
    const char *term = env(user, "TERM");
    if (force && !*force) force = NULL; /* empty counts as not set, as for the others */
    if (when == COLOR_NEVER) return DEPTH_NONE;
    if (when == COLOR_AUTO) {
        if (no && *no) return DEPTH_NONE;
        if (is(force, "0") || is(force, "false")) return DEPTH_NONE;
        bool forced = force || (cli_force && *cli_force && !is(cli_force, "0"));
        if (!forced && (is(env(user, "CLICOLOR"), "0") || !is_terminal || !term || !*term || is(term, "dumb")))
            return DEPTH_NONE;
    }
    switch (ask) {
    case ASK_16: return DEPTH_16;
    case ASK_256: return DEPTH_256;
    case ASK_TRUE: return DEPTH_TRUE;
    default: break;
    }
    if (is(force, "1")) return DEPTH_16;
    if (is(force, "2")) return DEPTH_256;
    if (is(force, "3")) return DEPTH_TRUE;
    return depth_known(env, user);
}

/* xterm's 256 colours: 16..231 a cube of six levels, 232..255 greys 8, 18, .., 238. */
static const uint8_t cube_level[6] = {0, 95, 135, 175, 215, 255};

rgb color_256_rgb(int index) {
    if (index < 16 || index > 255) return (rgb){128, 128, 128};
    if (index >= 232) {
        uint8_t g = (uint8_t)(8 + 10 * (index - 232));
        return (rgb){g, g, g};
    }
    index -= 16;
    return (rgb){cube_level[index / 36], cube_level[index / 6 % 6], cube_level[index % 6]};
}

int color_256_of(palette p, double v) {
    if (isnan(v)) return 244; /* palette_rgb's middle grey */
    v = v < 0 ? 0 : v > 1 ? 1 : v;
    return color_table_256[(unsigned)p < 3 ? p : PALETTE_VIRIDIS][(int)(255 * v + 0.5)];
}
