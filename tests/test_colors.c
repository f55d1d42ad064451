/* test_colors.c -- modes against their formulas, palettes against published values, contrast against WCAG, and every
 * environment that asks for colour or forbids it. */
#include "tests/test.h"
#include "viz/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static unsigned hex(rgb c) { return (unsigned)c.r << 16 | (unsigned)c.g << 8 | c.b; }

TEST(colors_palettes) {
    EXPECT_EQ(hex(palette_rgb(PALETTE_VIRIDIS, 0)), 0x440154); /* the ends and the middle as matplotlib prints them */
    EXPECT_EQ(hex(palette_rgb(PALETTE_VIRIDIS, 128 / 255.0)), 0x21918c);
    EXPECT_EQ(hex(palette_rgb(PALETTE_VIRIDIS, 1)), 0xfde725);
    EXPECT_EQ(hex(palette_rgb(PALETTE_CIVIDIS, 0)), 0x00224e);
    EXPECT_EQ(hex(palette_rgb(PALETTE_CIVIDIS, 1)), 0xfee838);
    EXPECT_EQ(hex(palette_rgb(PALETTE_VIRIDIS, -3)), 0x440154);
    EXPECT_EQ(hex(palette_rgb(PALETTE_VIRIDIS, 9)), 0xfde725);
    EXPECT_EQ(hex(palette_rgb(PALETTE_VIRIDIS, NAN)), 0x808080);
    for (int i = 0; i <= 201; i++) { /* int(255 * x), as the fork truncates; of a number in 32 bits, as a paint has it, too */
        const int of = i / 2;
        rgb c = palette_rgb(PALETTE_REDGREEN, i % 2 ? (double)(float)(of / 100.0) : of / 100.0);
        EXPECT_EQ(c.g, 255 * of / 100);
        EXPECT_EQ(c.r, 255 * (100 - of) / 100);
        EXPECT_EQ(c.b, 0);
    }
    for (int p = 0; p < 2; p++) /* what a colour-blind reader goes by: lightness never falls */
        for (int i = 1; i < 256; i++)
            EXPECT_LE(rgb_luminance(palette_rgb((palette)p, (i - 1) / 255.0)),
                      rgb_luminance(palette_rgb((palette)p, i / 255.0)) + 2e-3);
}

/* Bjorn Ottosson's OKLab, https://bottosson.github.io/posts/oklab/ */
static void oklab_of(rgb c, double lab[3]) {
    double lin[3];
    const uint8_t in[3] = {c.r, c.g, c.b};
    for (int k = 0; k < 3; k++) lin[k] = in[k] <= 10 ? in[k] / 255.0 / 12.92 : pow((in[k] / 255.0 + 0.055) / 1.055, 2.4);
    const double l = cbrt(0.4122214708 * lin[0] + 0.5363325363 * lin[1] + 0.0514459929 * lin[2]);
    const double m = cbrt(0.2119034982 * lin[0] + 0.6806995451 * lin[1] + 0.1073969566 * lin[2]);
    const double s = cbrt(0.0883024619 * lin[0] + 0.2817188376 * lin[1] + 0.6299787005 * lin[2]);
    lab[0] = 0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s;
    lab[1] = 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s;
    lab[2] = 0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s;
}

static double squared(const double a[3], const double b[3]) {
    return (a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]);
}

/* May a ramp go from `a` to `b` where its true one goes from entry i - 1 to i?  On the axes that count: down to the true one's lowest
 * entry, up from there. */
static bool in_order(const double a[3], const double b[3], int i, const int lowest[3]) {
    for (int k = 0; k < 3; k++)
        if (lowest[k] >= 0 && (i > lowest[k] ? b[k] - a[k] : a[k] - b[k]) < -1e-9) return false;
    return true;
}

/* Every ramp keeps the order of its palette, and none that does is nearer: the least over all of them, by dynamic programming. */
TEST(colors_256_keep_the_scale) {
    static double lab[240][3], ramp[256][3];
    for (int i = 0; i < 240; i++) oklab_of(color_256_rgb(16 + i), lab[i]);
    for (int p = 0; p < 3; p++) {
        int lowest[3] = {0}, axes = 0;
        for (int i = 0; i < 256; i++) oklab_of(palette_rgb((palette)p, i / 255.0), ramp[i]);
        for (int k = 0; k < 3; k++) {
            double lo = ramp[0][k], hi = lo;
            for (int i = 1; i < 256; i++) {
                if (ramp[i][k] < lo) lo = ramp[i][k], lowest[k] = i;
                if (ramp[i][k] > hi) hi = ramp[i][k];
            }
            if (hi - lo < 0.1) lowest[k] = -1;
            else axes++;
        }
        EXPECT(lowest[0] >= 0 && axes >= 2); /* lightness is one of them */
        double cost[240], least[240], is = 0;
        for (int i = 0; i < 256; i++) {
            const int at = color_256_of((palette)p, i / 255.0) - 16;
            is += squared(ramp[i], lab[at]);
            EXPECT(!i || in_order(lab[color_256_of((palette)p, (i - 1) / 255.0) - 16], lab[at], i, lowest));
            for (int j = 0; j < 240; j++) {
                least[j] = i ? INFINITY : 0;
                for (int k = 0; i && k < 240; k++)
                    if (cost[k] < least[j] && in_order(lab[k], lab[j], i, lowest)) least[j] = cost[k];
            }
            for (int j = 0; j < 240; j++) cost[j] = least[j] + squared(ramp[i], lab[j]);
        }
        double best = INFINITY;
        for (int j = 0; j < 240; j++) best = fmin(best, cost[j]);
        EXPECT_NEAR(is, best, 1e-6);
    }
    for (int i = 0; i < 256; i++) { /* a grey cell of viridis would read as one without a colour */
        const rgb c = color_256_rgb(color_256_of(PALETTE_VIRIDIS, i / 255.0));
        EXPECT(c.r != c.g || c.g != c.b);
    }
}

TEST(colors_contrast) {
    const rgb black = {0, 0, 0}, white = {255, 255, 255};
    EXPECT_NEAR(rgb_contrast(black, white), 21, 1e-9);
    EXPECT_NEAR(rgb_contrast((rgb){0x76, 0x76, 0x76}, white), 4.54, 0.005); /* WebAIM's textbook grey */
    EXPECT_NEAR(rgb_contrast((rgb){0xff, 0, 0}, white), 3.998, 0.005);
    for (int r = 0; r < 256; r += 15)
        for (int g = 0; g < 256; g += 15)
            for (int b = 0; b < 256; b += 15) {
                rgb c = {(uint8_t)r, (uint8_t)g, (uint8_t)b};
                EXPECT_LE(4.5, rgb_contrast(c, rgb_text_on(c)));
            }
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < 256; i++) {
            rgb c = palette_rgb((palette)p, i / 255.0), c256 = color_256_rgb(color_256_of((palette)p, i / 255.0));
            EXPECT_LE(4.5, rgb_contrast(c, rgb_text_on(c)));
            EXPECT_LE(4.5, rgb_contrast(c256, rgb_text_on(c256)));
        }
}

/* The colour that an SGR parameter list sets: base 38 text, 48 ground. */
static bool sgr_color(const char *sgr, int base, rgb *out) {
    char key[8];
    int r, g, b, i;
    snprintf(key, sizeof key, "%d;", base);
    const char *s = strstr(sgr, key);
    if (!s) return false;
    if (sscanf(s + 3, "2;%d;%d;%d", &r, &g, &b) == 3) *out = (rgb){(uint8_t)r, (uint8_t)g, (uint8_t)b};
    else if (sscanf(s + 3, "5;%d", &i) == 1) *out = color_256_rgb(i);
    else return false;
    return true;
}

TEST(colors_paint_is_legible) {
    const rgb black = {0, 0, 0}, white = {255, 255, 255};
    static const paint_kind on_any[] = {PAINT_DIM, PAINT_GOOD, PAINT_BAD, PAINT_SPECIAL};
    char sgr[64];
    rgb text, ground;
    for (int depth = DEPTH_256; depth <= DEPTH_TRUE; depth++) {
        for (int i = 0; i < 4; i++) {
            text_sgr((paint){on_any[i], PALETTE_VIRIDIS, 0}, (color_depth)depth, sgr);
            REQUIRE(sgr_color(sgr, 38, &text));
            EXPECT_LE(4.5, rgb_contrast(text, black));
            EXPECT_LE(4.5, rgb_contrast(text, white));
        }
        for (int p = 0; p < 3; p++)
            for (int i = 0; i <= 50; i++) {
                text_sgr((paint){PAINT_GROUND, (palette)p, (float)i / 50}, (color_depth)depth, sgr);
                REQUIRE(sgr_color(sgr, 38, &text) && sgr_color(sgr, 48, &ground));
                EXPECT_LE(4.5, rgb_contrast(text, ground));
            }
        text_sgr((paint){PAINT_ALARM, PALETTE_VIRIDIS, 0}, (color_depth)depth, sgr);
        REQUIRE(sgr_color(sgr, 38, &text) && sgr_color(sgr, 48, &ground));
        EXPECT_LE(4.5, rgb_contrast(text, ground));
    }
    text_sgr((paint){PAINT_GROUND, PALETTE_VIRIDIS, 0}, DEPTH_NONE, sgr);
    EXPECT_STREQ(sgr, "");
}

/* The 16 colours as the VGA text mode and as xterm draw them. */
static const unsigned vga[16] = {0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa,
                                 0x555555, 0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff};
static const unsigned xterm[16] = {0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5,
                                   0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff};
static rgb themed(const unsigned *theme, int sgr) {
    unsigned c = theme[sgr >= 100 ? sgr - 92 : sgr >= 90 ? sgr - 82 : sgr >= 40 ? sgr - 40 : sgr - 30];
    return (rgb){(uint8_t)(c >> 16), (uint8_t)(c >> 8), (uint8_t)c};
}

TEST(colors_16_are_legible) {
    for (int p = 0; p < 3; p++) {
        int first, last, text;
        for (int i = 0; i <= 20; i++) {
            int ground;
            text_ground_16((palette)p, i / 20.0, &ground, &text);
            EXPECT_LE(4.5, rgb_contrast(themed(vga, ground), themed(vga, text)));
            EXPECT_LE(4.0, rgb_contrast(themed(xterm, ground), themed(xterm, text))); /* its magenta is a light one */
        }
        text_ground_16((palette)p, 0, &first, &text);
        text_ground_16((palette)p, 1, &last, &text);
        EXPECT(first != last);
    }
}

TEST(colors_256) {
    EXPECT_EQ(hex(color_256_rgb(196)), 0xff0000); /* xterm's table */
    EXPECT_EQ(hex(color_256_rgb(244)), 0x808080);
    EXPECT_EQ(hex(color_256_rgb(67)), 0x5f87af);
    EXPECT_EQ(color_256_of(PALETTE_VIRIDIS, NAN), 244);
    EXPECT_EQ(color_256_of(PALETTE_CIVIDIS, 7), color_256_of(PALETTE_CIVIDIS, 1));
}

/* Four tokens, values chosen so that the formulas come out by hand. */
static glimpse_token tokens[4] = {
    {.size = sizeof(glimpse_token), .rank = 1, .kept = 5, .logit = 10, .p_temp = 0.5f, .p_final = 0.625f, .entropy = 1, .dot = 0},
    {.size = sizeof(glimpse_token), .rank = 2, .kept = 5, .logit = 2, .p_temp = 0.25f, .p_final = 0.5f, .entropy = 2, .dot = 0.5f},
    {.size = sizeof(glimpse_token), .rank = 4, .kept = 5, .logit = -6, .p_temp = 0, .p_final = 0.125f, .entropy = 0, .dot = -0.25f},
    {.size = sizeof(glimpse_token), .rank = 6, .kept = 5, .logit = NAN, .p_temp = NAN, .p_final = NAN, .entropy = NAN, .dot = NAN},
};

static double value(color_mode mode, const glimpse_sample *s, int i) {
    double v = -1;
    color_scale scale = color_scale_of(mode, s, 100);
    return color_scale_value(&scale, GLIMPSE_AT(s->tokens, i), &v) ? v : -1; /* -1: plain */
}

TEST(colors_modes) {
    glimpse_sample s = {.size = sizeof s, .temperature = 0.5, .top_k = 5, .tokens = tokens, .n_tokens = 4};
    for (int greedy = 0; greedy < 2; greedy++) {
        double T = greedy ? 1 : 0.5;
        s.temperature = greedy ? 0 : 0.5;
        EXPECT_NEAR(value(COLOR_MINMAX, &s, 0), (10 / T + 6 / T) / (16 / T + 1e-6), 1e-12);
        EXPECT_NEAR(value(COLOR_MINMAX, &s, 1), (2 / T + 6 / T) / (16 / T + 1e-6), 1e-12);
        EXPECT_NEAR(value(COLOR_MINMAX, &s, 2), 0, 1e-12);
        EXPECT_NEAR(value(COLOR_MINMAX, &s, 3), -1, 0);
    }
    EXPECT_NEAR(value(COLOR_SOFTMAX, &s, 1), 0.25, 0);
    EXPECT_NEAR(value(COLOR_SOFTMAX_TOP_K, &s, 0), 0.625, 0);
    EXPECT_NEAR(value(COLOR_ENTROPY, &s, 1), 2 / log(100), 1e-12);
    EXPECT_NEAR(value(COLOR_DOT_PRODUCT, &s, 0), 0.25 / (0.75 + 1e-6), 1e-12);
    EXPECT_NEAR(value(COLOR_DOT_PRODUCT, &s, 1), 0.75 / (0.75 + 1e-6), 1e-12);
    EXPECT_NEAR(value(COLOR_RANK, &s, 0), -1, 0);             /* rank 1 is plain */
    EXPECT_NEAR(value(COLOR_RANK, &s, 1), 1, 1e-12);          /* ratio 0: green */
    EXPECT_NEAR(value(COLOR_RANK, &s, 2), 1 - 2 / 3.0, 1e-12); /* (4 - 2) / (5 - 2) */
    EXPECT_NEAR(value(COLOR_RANK, &s, 3), -1, 0);             /* beyond k */
    s.top_k = 2;
    EXPECT_NEAR(value(COLOR_RANK, &s, 1), 0, 0); /* K = 2: ratio 1 */
    s.top_k = 0;
    EXPECT_NEAR(value(COLOR_RANK, &s, 1), 0, 0);
    EXPECT_NEAR(value(COLOR_RANK, &s, 2), -1, 0);
    for (int m = 0; m < 8; m++) EXPECT_NEAR(value((color_mode)m, &s, 3), -1, 0); /* nothing finite, nothing shown */
    EXPECT_STREQ(color_mode_name(COLOR_SOFTMAX_TOP_K), "softmax_top_k");
}

static const char *from_list(void *user, const char *name) { /* "A=1\0B=2\0\0" */
    size_t n = strlen(name);
    for (const char *s = user; *s; s += strlen(s) + 1)
        if (!strncmp(s, name, n) && s[n] == '=') return s + n + 1;
    return NULL;
}

TEST(colors_depth) {
    static const struct {
        const char *env;
        color_when when;
        color_ask ask;
        bool tty;
        color_depth want;
    } rows[] = {
        {"TERM=xterm-256color\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_256},
        {"TERM=xterm-256color\0COLORTERM=truecolor\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_TRUE},
        {"TERM=xterm\0COLORTERM=24bit\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_TRUE},
        {"TERM=xterm-kitty\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_TRUE},
        {"TERM=linux\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_16},
        {"TERM=dumb\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_NONE},
        {"\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_NONE},
        {"TERM=xterm-256color\0", COLOR_AUTO, ASK_AUTO, false, DEPTH_NONE},
        {"TERM=xterm-256color\0", COLOR_ALWAYS, ASK_AUTO, false, DEPTH_256},
        {"TERM=xterm-256color\0NO_COLOR=1\0", COLOR_ALWAYS, ASK_AUTO, true, DEPTH_256},
        {"TERM=xterm-256color\0", COLOR_NEVER, ASK_TRUE, true, DEPTH_NONE},
        {"TERM=xterm\0NO_COLOR=1\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_NONE},
        {"TERM=xterm\0NO_COLOR=\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_16}, /* empty does not count */
        {"TERM=xterm\0NO_COLOR=1\0FORCE_COLOR=3\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_NONE},
        {"TERM=xterm\0CLICOLOR=0\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_NONE},
        {"TERM=xterm\0CLICOLOR=1\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_16},
        {"TERM=xterm\0CLICOLOR=0\0CLICOLOR_FORCE=1\0", COLOR_AUTO, ASK_AUTO, false, DEPTH_16},
        {"TERM=xterm\0CLICOLOR_FORCE=0\0", COLOR_AUTO, ASK_AUTO, false, DEPTH_NONE},
        {"TERM=xterm\0FORCE_COLOR=1\0", COLOR_AUTO, ASK_AUTO, false, DEPTH_16},
        {"TERM=xterm\0FORCE_COLOR=2\0", COLOR_AUTO, ASK_AUTO, false, DEPTH_256},
        {"TERM=dumb\0FORCE_COLOR=3\0", COLOR_AUTO, ASK_AUTO, false, DEPTH_TRUE},
        {"TERM=xterm\0FORCE_COLOR=0\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_NONE},
        {"TERM=xterm\0FORCE_COLOR=\0", COLOR_AUTO, ASK_AUTO, false, DEPTH_NONE}, /* empty does not count either */
        {"TERM=xterm\0FORCE_COLOR=\0CLICOLOR=0\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_NONE},
        {"TERM=screen-truecolor\0", COLOR_AUTO, ASK_AUTO, true, DEPTH_TRUE},
        {"TERM=xterm\0COLORTERM=truecolor\0", COLOR_AUTO, ASK_16, true, DEPTH_16},
        {"TERM=xterm\0", COLOR_AUTO, ASK_256, true, DEPTH_256},
        {"TERM=xterm\0", COLOR_AUTO, ASK_TRUE, true, DEPTH_TRUE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        color_depth got = color_depth_of(rows[i].when, rows[i].ask, rows[i].tty, from_list, (void *)(uintptr_t)rows[i].env);
        test_check(got == rows[i].want, __FILE__, __LINE__, "row %zu (%s): %d, expected %d", i, rows[i].env, got, rows[i].want);
    }
}
