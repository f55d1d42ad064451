/* colors.h -- from a number of a token to a colour: modes, palettes, what a terminal can show.
 *
 * Modes and their values are those of the nanoGPT fork's sample.py (colorize_text), so that its users find the same
 * picture; `entropy` is ours.  With l = logit / T (T = 0: l = logit) over the generated tokens of one sample:
 *   minmax         (l - min) / (max - min + 1e-6)
 *   softmax        probability after temperature over the whole vocabulary            p_temp
 *   softmax_top_k  probability among the survivors of the filters                     p_final
 *   rank           1 - (r - 2) / (K - 2) for 2 <= r <= K = max(top_k, 2), 0 if K = 2; r = 1 and r > K stay plain
 *   dot_product    minmax of d, where d of the first token is 0
 *   entropy        entropy / ln V
 * Called by the text views and the charts. */
#ifndef GLIMPSE_VIZ_COLORS_H
#define GLIMPSE_VIZ_COLORS_H

#include "viz/view.h"

typedef struct rgb {
    uint8_t r, g, b;
} rgb;

/* The entry of a palette for v in 0..1 (clamped; round(255 v)); NaN gives a middle grey, (128, 128, 128).
 * redgreen is the fork's: red 255 (1 - v), green 255 v, blue 0. */
rgb palette_rgb(palette p, double v);

extern const uint32_t color_table_viridis[256]; /* 0xRRGGBB; source in color_tables.c */
extern const uint32_t color_table_cividis[256];
extern const uint8_t color_table_256[3][256];

/* Relative luminance 0..1 and contrast ratio 1..21 of sRGB colours, as WCAG 2.1 defines them. */
double rgb_luminance(rgb c);
double rgb_contrast(rgb a, rgb b);
/* Black or white, whichever has the greater contrast on `ground`; that is never below sqrt(21) = 4.58. */
rgb rgb_text_on(rgb ground);

/* What the values of one sample are measured against; made once a sample, so that a sample costs O(n). */
typedef struct color_scale {
    color_mode mode;    /* COLOR_ALL and COLOR_TOPK count as COLOR_SOFTMAX */
    double lo, hi;      /* minmax, dot_product: smallest and largest value of the sample (NAN = no finite one) */
    double temperature; /* divides the logits; 1 where the sample's is 0 */
    double ln_vocab;    /* entropy */
    int32_t top_k;      /* rank; 0 = off */
} color_scale;
color_scale color_scale_of(color_mode mode, const glimpse_sample *s, int32_t vocab);

/* The value in 0..1 of a token of that sample; false = it stays plain (rank; a number that is not finite). */
bool color_scale_value(const color_scale *scale, const glimpse_token *t, double *v);

const char *color_mode_name(color_mode mode); /* "minmax", ... as --colorize_mode spells it */

/* === Terminals ===================================================================================================*/
typedef enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER } color_when; /* --color */
typedef enum color_ask { ASK_AUTO, ASK_16, ASK_256, ASK_TRUE } color_ask;     /* --color_depth */
typedef const char *(*color_getenv)(void *user, const char *name);            /* NULL = not set */

/* What may be written to an output.  The first that applies decides whether there is colour:
 *   --color never, always;  NO_COLOR not empty: none (no-color.org);  FORCE_COLOR not empty ("0", "false": none, else yes) and
 *   CLICOLOR_FORCE not "0": yes;  CLICOLOR=0: none (bixense.com/clicolors);  no terminal, TERM unset or "dumb": none.
 * How much: --color_depth;  FORCE_COLOR 1, 2, 3 = 16, 256, true;  COLORTERM truecolor or 24bit;  TERM ("-direct", "-truecolor" and
 * terminals known for it: true; "256color": 256; else 16). */
color_depth color_depth_of(color_when when, color_ask ask, bool is_terminal, color_getenv env, void *user);

/* The entry of a palette among the 240 fixed colours of a 256-colour terminal (16..255; the first 16 are themed), in an order that keeps
 * the palette's (color_tables.c); NaN gives a middle grey.  And the value of a colour. */
int color_256_of(palette p, double v);
rgb color_256_rgb(int index);

#endif
