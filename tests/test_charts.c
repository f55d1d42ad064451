/* test_charts.c -- the charts as pixels: sizes, the colour of a cell against viridis of log p, the red outline around
 * the chosen one, ink where a label belongs; hostile records; the same bytes from the same record.  Geometry is found
 * in the picture (outlines, grounds), not copied from the code, but for the frame that the layout promises. */
#include "tests/chart_record.h"
#include "tests/test.h"
#include "viz/charts.h"
#include "viz/probe_map.h"

#include <limits.h>
#include <png.h>
#include <stdio.h>

typedef struct image {
    int w, h;
    uint8_t *rgb; /* (h, w, 3) */
} image;

static bool decode(const buffer *png, image *out) {
    png_image p = {.version = PNG_IMAGE_VERSION};
    *out = (image){0};
    if (!png_image_begin_read_from_memory(&p, png->bytes, png->n)) return false;
    p.format = PNG_FORMAT_RGB;
    out->rgb = malloc(PNG_IMAGE_SIZE(p));
    out->w = (int)p.width, out->h = (int)p.height;
    return out->rgb && png_image_finish_read(&p, NULL, out->rgb, 0, NULL);
}

static uint32_t at(const image *m, int x, int y) {
    const uint8_t *p = m->rgb + 3 * ((size_t)y * (size_t)m->w + (size_t)x);
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static int far_apart(uint32_t a, uint32_t b) { /* the largest difference of a channel */
    int most = 0;
    for (int s = 0; s < 24; s += 8) most = abs((int)(a >> s & 255) - (int)(b >> s & 255)) > most ? abs((int)(a >> s & 255) - (int)(b >> s & 255)) : most;
    return most;
}

static int count(const image *m, uint32_t color, int x0, int y0, int x1, int y1) {
    int n = 0;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) n += at(m, x, y) == color;
    return n;
}

/* The smallest box around all pixels of a colour: x0, y0, x1, y1, both ends in it. */
static bool box_of(const image *m, uint32_t color, int box[4]) {
    box[0] = INT_MAX, box[1] = INT_MAX, box[2] = -1, box[3] = -1;
    for (int y = 0; y < m->h; y++)
        for (int x = 0; x < m->w; x++)
            if (at(m, x, y) == color) {
                if (x < box[0]) box[0] = x;
                if (y < box[1]) box[1] = y;
                if (x > box[2]) box[2] = x;
                if (y > box[3]) box[3] = y;
            }
    return box[2] >= 0;
}

enum { RED = 0xff3b30, PAPER = 0xfcfcfa, INK = 0x1c1c1e, ALARM = 0xc4161c, BLUE = 0x2f5fb3 };

static uint32_t viridis_of(double p) { /* matplotlib's table at log10 p from -4 to 0 */
    double v = (log10(p) + 4) / 4;
    return color_table_viridis[(int)lround(255 * (v < 0 ? 0 : v > 1 ? 1 : v))];
}

static bool draw(owned_record *o, int32_t i, chart_type type, image *m) {
    buffer png = {0};
    bool ok = EXPECT_OK(chart_token(&o->record, o->record.samples, i, type, 10, &png)) && EXPECT(decode(&png, m));
    buf_free(&png);
    return ok;
}

static glimpse_token *token(owned_record *o, int32_t i) { return (glimpse_token *)(uintptr_t)&o->record.samples->tokens[i]; }
static glimpse_candidate *candidates(owned_record *o, int32_t i) { return (glimpse_candidate *)(uintptr_t)o->record.samples->tokens[i].top; }

TEST(charts_heatmap_colours_and_outline) {
    owned_record *o = chart_record(40, 5, 10, "top_k=5");
    REQUIRE(o);
    for (int i = 0; i < 40; i++) {
        const glimpse_token *t = token(o, i);
        image m = {0};
        REQUIRE(draw(o, i, CHART_HEATMAP, &m));
        EXPECT_EQ(m.w, 960), EXPECT_EQ(m.h, 240);
        int box[4];
        REQUIRE(box_of(&m, RED, box));
        const int chosen = t->rank - 1, x0 = 16, w = (box[2] - box[0] + 1) - 4;
        const int pitch = chosen ? (box[0] + 2 - x0) / chosen : w + 3;
        EXPECT_EQ(box[0] + 2, x0 + chosen * pitch);
        for (int j = 0; j < 5; j++) { /* a corner of the cell: no text there */
            const uint32_t ground = at(&m, x0 + j * pitch + 6, box[1] + 8), want = viridis_of(t->top[j].p_final);
            if (far_apart(ground, want) > 6) EXPECT_EQ(ground, want);
        }
        for (int x = box[0]; x <= box[2]; x++) EXPECT(at(&m, x, box[1]) == RED && at(&m, x, box[3]) == RED);
        for (int y = box[1]; y <= box[3]; y++) EXPECT(at(&m, box[0], y) == RED && at(&m, box[2], y) == RED);
        EXPECT(count(&m, RED, 0, 0, 960, 240) == 2 * 4 * (box[2] - box[0] + 1) + 2 * 4 * (box[3] - box[1] + 1 - 8));
        EXPECT(count(&m, INK, 16, 10, 500, 32) > 100);  /* the title */
        EXPECT(count(&m, INK, 800, 10, 944, 32) > 30);  /* H, -ln p */
        free(m.rgb);
    }
    record_free(&o->record);
}

/* The text of a token changes the pixels of its own cell and of nothing else. */
TEST(charts_heatmap_text_stands_in_its_cell) {
    owned_record *o = chart_record(8, 5, 5, "top_k=5");
    REQUIRE(o);
    image a = {0}, b = {0};
    candidates(o, 6)[3].id = 12;
    REQUIRE(draw(o, 6, CHART_HEATMAP, &a));
    candidates(o, 6)[3].id = 27;
    REQUIRE(draw(o, 6, CHART_HEATMAP, &b));
    int left = INT_MAX, right = -1, top = INT_MAX, bottom = -1, n = 0;
    for (int y = 0; y < a.h; y++)
        for (int x = 0; x < a.w; x++)
            if (at(&a, x, y) != at(&b, x, y)) {
                n++;
                if (x < left) left = x;
                if (x > right) right = x;
                if (y < top) top = y;
                if (y > bottom) bottom = y;
            }
    EXPECT(n > 20);
    EXPECT(left > 16 + 3 * 171 - 5 && right < 16 + 4 * 171 + 5);
    EXPECT_LT(bottom - top, 18);
    free(a.rgb), free(b.rgb);
    record_free(&o->record);
}

TEST(charts_candidates) {
    glimpse_candidate top[40];
    glimpse_token t = {.size = sizeof t, .id = 3, .kept = 5, .n_top = 40, .top = top, .p_final = 0.1f, .logprob = -2};
    chart_cells c;
    for (int j = 0; j < 40; j++) top[j] = (glimpse_candidate){j, 0.1f / (float)(j + 1), j < 5 ? 0.2f : 0};
    chart_cells_of(&t, &c);
    EXPECT_EQ(c.n, 5), EXPECT_EQ(c.others, 0);
    EXPECT(c.cell[3].chosen && !c.cell[2].chosen);

    t.kept = 1, t.id = 0; /* greedy: what would have come next is shown as filtered */
    for (int j = 0; j < 40; j++) top[j].p_final = j == 0;
    chart_cells_of(&t, &c);
    EXPECT_EQ(c.n, 5), EXPECT_EQ(c.others, 0);
    EXPECT(!c.cell[0].filtered && c.cell[1].filtered && c.cell[4].filtered);

    t.kept = 200, t.id = 777, t.p_final = 0.001f; /* the chosen is beyond what is recorded */
    for (int j = 0; j < 40; j++) top[j].p_final = 0.04f;
    chart_cells_of(&t, &c);
    EXPECT_EQ(c.n, 20), EXPECT_EQ(c.others, 180);
    EXPECT_EQ(c.cell[19].id, 777), EXPECT(c.cell[19].chosen);
    EXPECT_NEAR(c.others_mass, 1 - 19 * 0.04 - 0.001, 1e-6);
    EXPECT_NEAR(c.cell[19].p, exp(-2), 1e-6);

    for (int j = 0; j < 40; j++) top[j].p_final = 0.001f * (float)(j + 1); /* a penalty turned the order round */
    t.id = 39;
    chart_cells_of(&t, &c);
    EXPECT_EQ(c.cell[0].id, 39), EXPECT_EQ(c.cell[19].id, 20), EXPECT(c.cell[0].chosen);

    t.n_top = 0, t.top = NULL, t.kept = 0;
    chart_cells_of(&t, &c);
    EXPECT_EQ(c.n, 1), EXPECT_EQ(c.cell[0].id, 39);
}

TEST(charts_numbers) {
    static const struct { double p; const char *text; } want[] = {
        {1, "1"}, {0.9996, "1"}, {0.998, ".998"}, {0.42, ".42"}, {0.1, ".10"}, {0.0996, ".10"}, {0.042, ".042"}, {0.0099, ".0099"},
        {0.00996, ".010"}, {0.0042, ".0042"}, {0.00096, "1e-3"}, {0.0004, "4e-4"}, {3e-38, "3e-38"}, {0, "0"}, {-1, "\xe2\x80\x93"},
        {(double)NAN, "\xe2\x80\x93"}, {(double)INFINITY, "\xe2\x80\x93"}};
    chart_number n;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) EXPECT_STREQ(chart_p(want[i].p, n), want[i].text);
    EXPECT_STREQ(chart_fixed(-1.834, 2, n), "\xe2\x88\x92" "1.83");
    EXPECT_STREQ(chart_fixed(3e38, 2, n), "3.0e+38");
    EXPECT_STREQ(chart_fixed((double)NAN, 2, n), "\xe2\x80\x93");
    EXPECT_NEAR(chart_nice(7.3), 8, 1e-12), EXPECT_NEAR(chart_nice(0.011), 0.02, 1e-12), EXPECT_NEAR(chart_nice(10), 10, 1e-9);
    EXPECT_NEAR(chart_nice((double)NAN), 1, 0), EXPECT_NEAR(chart_nice(-4), 1, 0);
    EXPECT_NEAR(chart_scale(1e-2), 0.5, 1e-12), EXPECT_NEAR(chart_scale((double)NAN), 0, 0), EXPECT_NEAR(chart_scale(2), 1, 0);
}

TEST(charts_visible_text) {
    static const struct { const char *bytes; size_t n; const char *text; } want[] = {
        {" a\n", 3, "\xe2\x90\xa3" "a\xe2\x86\xb5"}, {"\t\r", 2, "\xe2\x86\x92\\r"}, {"\x07\x1b[31m\x7f", 7, "\\x07\\x1b[31m\\x7f"},
        {"\0", 1, "\\x00"}, {"\xe6\x97", 2, "\\xe6\\x97"}, {"a\xff\xe6z", 4, "a\\xff\\xe6z"}, {"\xe2\x80\xae", 3, "\\u202e"},
        {"\xc2\x9b", 2, "\\u009b"}, {"\xe2\x80\x8d", 3, "\\u200d"}, {"\xe6\x97\xa5", 3, "\xe6\x97\xa5"}, {"", 0, ""},
        {"\xe3\x80\x80\xe4\xbb\x8e", 6, "\\u3000\xe4\xbb\x8e"}, {"\xe2\x80\x83", 3, "\\u2003"}, {"\xc2\xa0", 2, "\\u00a0"}, {"\xe2\xa0\x80", 3, "\\u2800"}}; /* blanks of other scripts */
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        buffer b = {0};
        text_visible(&b, want[i].bytes, want[i].n, 100);
        EXPECT_STREQ(buf_str(&b), want[i].text);
        buf_free(&b);
    }
}

/* A context that is cut is cut before a character. */
TEST(charts_context_begins_with_a_character) {
    owned_record *o = chart_record(3, 5, 5, "top_k=5");
    REQUIRE(o);
    buffer b = {0};
    int32_t half = 0;
    while (strcmp(chart_vocab[half], "\xe6")) half++; /* and behind it the rest of the character */
    token(o, 0)->id = half, token(o, 1)->id = half + 1;
    chart_context(&o->record, o->record.samples, 2, 2, &b);
    EXPECT_STREQ(buf_str(&b), "\xe2\x80\xa6\xe6\x97\xa5\xe2\x96\xb8");
    buf_clear(&b);
    chart_context(&o->record, o->record.samples, 2, 1, &b);
    EXPECT_STREQ(buf_str(&b), "\xe2\x80\xa6\xe2\x96\xb8");
    buf_free(&b);
    record_free(&o->record);
}

/* Without a tokenizer the blank between two ids is no part of either. */
TEST(charts_context_of_ids) {
    const glimpse_piece pieces[] = {{.id = 63, .bytes = 3, .text = "63 "}, {.id = 70, .bytes = 3, .text = "70 "}};
    const int32_t prompt[] = {63, 70};
    const glimpse_record r = {.size = sizeof r, .pieces = pieces, .n_pieces = 2};
    const glimpse_sample s = {.size = sizeof s, .prompt_ids = prompt, .n_prompt_ids = 2};
    buffer context = {0};
    chart_context(&r, &s, 0, 10, &context);
    EXPECT_STREQ(buf_str(&context), "63 70 \xe2\x96\xb8");
    buf_free(&context);
}

TEST(charts_others_and_two_rows) {
    owned_record *o = chart_record(20, 200, 40, "top_k=200");
    REQUIRE(o);
    for (int i = 0; i < 20; i++) {
        image m = {0};
        int box[4];
        REQUIRE(draw(o, i, CHART_HEATMAP, &m));
        REQUIRE(box_of(&m, RED, box));
        EXPECT_LT(box[3] - box[1], 70); /* two rows */
        EXPECT(box[0] >= 14 && box[3] < 240);
        int hatch = 0; /* grey on paper, right of the cells */
        for (int x = 760; x < 860; x++) hatch += at(&m, x, 80) != PAPER;
        EXPECT(hatch > 10 && hatch < 40);
        EXPECT(count(&m, INK, 755, 100, 862, 175) > 40); /* "180 others" */
        free(m.rgb);
    }
    record_free(&o->record);
}

TEST(charts_bars_are_as_high_as_they_say) {
    owned_record *o = chart_record(4, 5, 5, "top_k=5");
    REQUIRE(o);
    const float p[5] = {0.5f, 0.25f, 0.15f, 0.08f, 0.02f};
    for (int j = 0; j < 5; j++) candidates(o, 2)[j] = (glimpse_candidate){20 + j, NAN, p[j]};
    token(o, 2)->id = 22, token(o, 2)->kept = 5;
    image m = {0};
    REQUIRE(draw(o, 2, CHART_BARCHART, &m));
    EXPECT_EQ(m.w, 960), EXPECT_EQ(m.h, 240);
    double height[5];
    for (int j = 0; j < 5; j++) { /* pixels of the bar's colour in its column */
        const uint32_t color = viridis_of(p[j]);
        height[j] = 0;
        for (int x = 60; x < 940 && height[j] < 1; x++) {
            int n = 0;
            for (int y = 60; y < 230; y++) n += far_apart(at(&m, x, y), color) <= 4;
            if (n > height[j]) height[j] = n;
        }
    }
    for (int j = 1; j < 5; j++) EXPECT_NEAR(height[j] / height[0], p[j] / 0.5, 0.06);
    int box[4];
    REQUIRE(box_of(&m, RED, box));
    EXPECT_NEAR(box[3] - box[1] - 3, 0.3 * height[0], 2);
    free(m.rgb);
    record_free(&o->record);
}

static bool draw_sheet(owned_record *o, image *m) {
    buffer png = {0};
    bool ok = EXPECT_OK(chart_sheet(&o->record, o->record.samples, &png)) && EXPECT(decode(&png, m));
    buf_free(&png);
    return ok;
}

TEST(charts_sheet) {
    owned_record *o = chart_record(70, 200, 40, "top_k=200");
    REQUIRE(o);
    image m = {0};
    REQUIRE(draw_sheet(o, &m));
    EXPECT_EQ(m.w, 32 * 56 + 76);
    const int x0 = 60;
    int y0 = 100;
    while (y0 < m.h && count(&m, PAPER, x0 + 2, y0, x0 + 50, y0 + 1)) y0++; /* the first line without paper: a cell, no text */
    int wrong = 0;
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 10; j++) {
            const uint32_t ground = at(&m, x0 + i * 56 + 2, y0 + j * 18 + 2);
            wrong += far_apart(ground, viridis_of(token(o, i)->top[j].p)) > 6;
        }
    EXPECT_EQ(wrong, 0);
    for (int i = 0; i < 32; i++) {
        const int x = x0 + i * 56 + 28, rank = token(o, i)->rank;
        if (rank <= 10) EXPECT_EQ(at(&m, x, y0 + (rank - 1) * 18), RED);
        else EXPECT_EQ(at(&m, x, y0 + 180 + 2), RED); /* the tick */
    }
    EXPECT(count(&m, BLUE, x0, y0 + 190, m.w, y0 + 270) > 500); /* the entropy's line */
    /* The legend says what the red frame is, and the red line with a number under a column. */
    int beyond = 0;
    for (int i = 0; !beyond && i < 70; i++) beyond = token(o, i)->rank > 10 ? token(o, i)->rank : 0;
    REQUIRE(beyond > 10 && beyond < 1000);
    const int frame = 18 * 13 - 14 * 9, line = (count(&m, RED, 0, 56, m.w, 80) - frame) / 3;
    EXPECT_EQ(count(&m, RED, 0, 56, m.w, 80), frame + 3 * line);
    EXPECT(line > 12 && line < 40 && count(&m, ALARM, 0, 63, m.w, 80) > 8);
    free(m.rgb);
    for (int i = 0; i < 70; i++) token(o, i)->id = token(o, i)->top[0].id, token(o, i)->rank = 1; /* none is beyond */
    REQUIRE(draw_sheet(o, &m));
    EXPECT_EQ(count(&m, RED, 0, 56, m.w, 80), frame);
    EXPECT_EQ(count(&m, ALARM, 0, 0, m.w, m.h), 0);
    free(m.rgb);
    record_free(&o->record);
}

static bool same_picture(const image *a, const image *b) { return a->w == b->w && a->h == b->h && !memcmp(a->rgb, b->rgb, (size_t)a->w * (size_t)a->h * 3); }

/* Of a function neither type nor place is known, whatever the record's fields hold; the model's name is told where there is one. */
TEST(charts_sheet_of_a_function_and_of_a_name) {
    image m[2] = {0};
    for (int named = 0; named < 2; named++) {
        owned_record *o = chart_record(40, 5, 5, "top_k=5");
        REQUIRE(o);
        if (!named) o->record.arch = "function";
        REQUIRE(draw_sheet(o, &m[0]));
        if (named) o->record.model_name = "my-gpt";
        else o->record.dtype = "bf16", o->record.device = "function";
        REQUIRE(draw_sheet(o, &m[1]));
        EXPECT_EQ(same_picture(&m[0], &m[1]), !named);
        for (int i = 0; i < 2; i++) free(m[i].rgb);
        record_free(&o->record);
    }
}

TEST(charts_sheet_of_none_one_and_many_tokens) {
    static const struct { int n, least_h, most_h; } want[] = {{0, 60, 200}, {1, 200, 500}, {33, 500, 900}, {1024, 5000, 12000}, {5000, 5000, 12000}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        owned_record *o = chart_record(want[i].n, 5, 10, "top_k=5");
        image m = {0};
        REQUIRE(o && draw_sheet(o, &m));
        EXPECT(m.w >= 960 && m.w <= 1900);
        EXPECT(m.h >= want[i].least_h && m.h <= want[i].most_h);
        EXPECT(count(&m, PAPER, 0, 0, m.w, m.h) < m.w * m.h - 500);
        free(m.rgb);
        record_free(&o->record);
    }
}

TEST(charts_probes_of_one_eval_have_numbers) {
    owned_record *o = chart_record(1, 5, 5, "probe");
    REQUIRE(o);
    buffer png[2] = {{0}};
    for (int k = 0; k < 2; k++) {
        o->record.probes = o->record.samples, o->record.n_probes = 1;
        token(o, 0)->rank = k ? 2 : 7;
        EXPECT_OK(chart_probes(&o->record, &png[k]));
    }
    EXPECT(png[0].n != png[1].n || memcmp(png[0].bytes, png[1].bytes, png[0].n)); /* neither ever was the first choice */
    o->record.probes = NULL, o->record.n_probes = 0;
    buf_free(&png[0]), buf_free(&png[1]);
    record_free(&o->record);
}

/* In the cells of a sheet, of a heatmap of twenty and of the terminal's table the end of a text is whole. */
TEST(charts_labels_of_narrow_cells) {
    owned_record *o = chart_record(1, 5, 5, "top_k=5");
    REQUIRE(o);
    glimpse_piece *p = (glimpse_piece *)(uintptr_t)o->record.pieces;
    static const char *const texts[] = {"\xe2\x9f\xa8" "endoftext\xe2\x9f\xa9", "\xe2\x9f\xa8" "end_of_text\xe2\x9f\xa9", "endoftext", "\xe2\x9f\xa8im_start\xe2\x9f\xa9"};
    buffer label = {0};
    for (int i = 0; i < 4; i++) p[i].text = texts[i], p[i].bytes = (int32_t)strlen(texts[i]);
    for (int i = 0; i < 4; i++)
        for (int w = 0; w < 300; w += 10) {
            chart_token_label(&o->record, i, FONT_SMALL, w, &label);
            const bool fits = canvas_width(FONT_SMALL, texts[i], strlen(texts[i])) <= w;
            EXPECT_STREQ(buf_str(&label), fits || i > 1 ? texts[i] : "\xe2\x9f\xa8" "eot\xe2\x9f\xa9");
        }
    chart_token_label(&o->record, 0, FONT_SMALL, 50, &label); /* a cell of a sheet */
    EXPECT(canvas_width(FONT_SMALL, buf_str(&label), label.n) <= 50);
    styled t = {0};
    text_piece(&t, &o->record, 0, 8, false, paint_of(PAINT_PLAIN));
    EXPECT_STREQ(buf_str(&t.text), "\xe2\x9f\xa8" "eot\xe2\x9f\xa9");
    styled_free(&t);
    buf_free(&label);
    record_free(&o->record);
}

/* The map of `texts` copies of a sample over 11 evals, `apart` steps apart; none of its tokens ever is the first choice. */
static bool draw_probe_map(owned_record *o, int texts, int64_t apart, image *m) {
    probe_map *map = probe_map_new();
    glimpse_sample *probes = calloc((size_t)texts, sizeof *probes);
    buffer png = {0};
    if (!EXPECT(map && probes)) return false;
    for (int t = 0; t < o->record.samples->n_tokens; t++) token(o, t)->rank = 2;
    for (int i = 0; i < texts; i++) probes[i] = *o->record.samples;
    o->record.probes = probes, o->record.n_probes = texts;
    for (int e = 0; e < 11; e++) o->record.step = apart * e, EXPECT_OK(probe_map_add(map, &o->record));
    bool ok = EXPECT_OK(chart_probe_map(map, &png)) && EXPECT(decode(&png, m));
    o->record.probes = NULL, o->record.n_probes = 0;
    buf_free(&png);
    free(probes);
    probe_map_free(map);
    return ok;
}

/* Where numbers are so large that half a step is none, and where the steps lie as far apart as they can. */
TEST(charts_probe_map_of_extreme_steps) {
    static const int64_t top = (int64_t)1 << 53;
    const int64_t runs[][8] = {{top}, {-top}, {top - 1, top}, {-top, top}, {-top, 0, 1, top},
                                {top - 7, top - 6, top - 5, top - 4, top - 3, top - 2, top - 1, top}};
    static const int n_steps[] = {1, 1, 2, 2, 4, 8};
    owned_record *o = chart_record(12, 5, 10, "top_k=5");
    REQUIRE(o);
    for (int k = 0; k < 6; k++) {
        probe_map *map = probe_map_new();
        buffer png = {0};
        image m = {0};
        REQUIRE(map);
        o->record.probes = o->record.samples, o->record.n_probes = 1;
        for (int e = 0; e < n_steps[k]; e++) o->record.step = runs[k][e], EXPECT_OK(probe_map_add(map, &o->record));
        EXPECT(EXPECT_OK(chart_probe_map(map, &png)) && decode(&png, &m));
        o->record.probes = NULL, o->record.n_probes = 0;
        free(m.rgb);
        buf_free(&png);
        probe_map_free(map);
    }
    record_free(&o->record);
}

/* However many texts of --probe: the picture is hardly higher than wide, and each text has its own steps: where two runs differ in the
 * numbers of their steps alone, their pictures differ in one place for each text. */
TEST(charts_probe_map_at_a_glance) {
    for (int texts = 1; texts <= 32; texts *= 2)
        for (int n = 3; n <= 36; n *= 3) {
            owned_record *o = chart_record(n, 5, 5, "probe");
            image a = {0}, b = {0};
            REQUIRE(o && draw_probe_map(o, texts, 150, &a) && draw_probe_map(o, texts, 450, &b));
            EXPECT(a.h <= a.w * 5 / 4);
            REQUIRE(a.w == b.w && a.h == b.h);
            int places = 0;
            const int card = a.w % 640 ? a.w : 640;
            for (int x0 = 0; x0 < a.w; x0 += card) {
                int last = 0;
                for (int y = 64; y < a.h; y++) { /* below the title; between a number and its tick is a gap */
                    const size_t row = 3 * ((size_t)y * (size_t)a.w + (size_t)x0);
                    if (!memcmp(a.rgb + row, b.rgb + row, 3 * (size_t)card)) continue;
                    places += y - last > 8;
                    last = y;
                }
            }
            EXPECT_EQ(places, texts);
            free(a.rgb), free(b.rgb);
            record_free(&o->record);
        }
}

/* The columns of one token's map whose ground is not that of the pixel before, from the left edge of the map on, and where it ends. */
static int grounds_of(const image *m, int y, int x0, int x1, int *begin, int most) {
    int n = 0;
    for (int x = x0; x < x1 && n < most; x++)
        if (x == x0 || far_apart(at(m, x, y), at(m, x - 1, y)) > 20) begin[n++] = x;
    return n;
}

/* Evals at `steps`: each column reaches half-way to its neighbours and the outer ones as far outwards, the tick of the
 * first choice and the numbers of the axis stand at the step itself. */
/* A long text among short ones: no column of the picture is left empty. */
TEST(charts_probe_map_has_no_empty_column) {
    static const int lengths[][4] = {{20, 23, 124, 13}, {124, 13, 20, 23}, {13, 20, 23, 124}, {60, 5, 60, 5}};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        owned_record *o = chart_record(124, 5, 5, "probe");
        probe_map *map = probe_map_new();
        REQUIRE(o && map);
        glimpse_sample p[4];
        for (int i = 0; i < 4; i++) p[i] = o->record.samples[0], p[i].prompt = i, p[i].n_tokens = lengths[k][i];
        o->record.probes = p, o->record.n_probes = 4;
        REQUIRE_OK(probe_map_add(map, &o->record));
        buffer png = {0};
        image m = {0};
        REQUIRE_OK(chart_probe_map(map, &png));
        REQUIRE(decode(&png, &m));
        for (int x0 = 0; x0 < m.w && m.w % 640 == 0; x0 += 640)
            EXPECT(count(&m, PAPER, x0, 100, x0 + 640, m.h) < 640 * (m.h - 100));
        o->record.probes = NULL, o->record.n_probes = 0;
        buf_free(&png), free(m.rgb);
        probe_map_free(map);
        record_free(&o->record);
    }
}

TEST(charts_probe_map_columns_and_axis) {
    static const int64_t steps[] = {0, 150, 281, 396, 523, 628, 720, 840, 1200};
    enum { N = sizeof steps / sizeof *steps, CHOSEN = 3, MARGIN = 16, HEAD = 76 + 52 };
    owned_record *o = chart_record(1, 5, 5, "probe");
    probe_map *map = probe_map_new();
    REQUIRE(o && map);
    o->record.probes = o->record.samples, o->record.n_probes = 1;
    for (int e = 0; e < N; e++) {
        o->record.step = steps[e];
        token(o, 0)->logprob = e % 2 ? -0.01f : -5;
        token(o, 0)->rank = e < CHOSEN ? 2 : 1;
        REQUIRE_OK(probe_map_add(map, &o->record));
    }
    buffer png = {0};
    image m = {0};
    REQUIRE_OK(chart_probe_map(map, &png));
    REQUIRE(decode(&png, &m));
    int given = HEAD, x0 = MARGIN, x1 = m.w - MARGIN; /* the row of the token: the first that has both grounds */
    while (given < m.h && far_apart(at(&m, m.w / 2, given), viridis_of(exp(-5))) > 6 && far_apart(at(&m, m.w / 2, given), viridis_of(exp(-0.01))) > 6) given++;
    REQUIRE(given < m.h);
    const int y = given + 8;
    while (x0 < m.w && far_apart(at(&m, x0, given), viridis_of(exp(-5))) > 6) x0++;
    while (x1 > x0 && far_apart(at(&m, x1 - 1, given), viridis_of(exp(-5))) > 6) x1--;
    const double first = -75, last = 1380, per = (x1 - x0) / (last - first);
    int begin[64];
    int n = grounds_of(&m, given + 15, x0, x1, begin, 64); /* below the tick */
    EXPECT(n >= N);
    for (int e = 0, k = 0; e < N; e++) {
        const double edge = e ? (double)(steps[e - 1] + steps[e]) / 2 : first;
        while (k < n && begin[k] < x0 + (edge - first) * per - 1.5) k++;
        EXPECT(k < n && fabs(begin[k] - (x0 + (edge - first) * per)) <= 1.5);
    }
    EXPECT_EQ(at(&m, x0 + (int)lround(((double)steps[CHOSEN] - first) * per), y), 0xffffff); /* in the middle of the tick */
    int ticks = 0; /* of the axis, above */
    for (int e = 0; e < N; e++) {
        const int x = x0 + (int)(((double)steps[e] - first) * per + 0.5);
        bool found = false;
        for (int d = -1; d <= 1; d++) found |= at(&m, x + d, HEAD - 3) != PAPER && at(&m, x + d, HEAD - 2) != PAPER;
        ticks += found;
    }
    EXPECT_EQ(ticks, N); /* all of them, for there is room */
    buf_clear(&png);
    free(m.rgb);
    for (int e = 0; e < 200; e++) { /* too many: round ones alone */
        o->record.step = 1207 + 7 * e;
        REQUIRE_OK(probe_map_add(map, &o->record));
    }
    REQUIRE_OK(chart_probe_map(map, &png));
    REQUIRE(decode(&png, &m));
    const double end = 1207 + 7 * 199 + 3.5, scale = (x1 - x0) / (end - first);
    int row = HEAD - 3, seen = 0;
    for (int x = x0; x < x1; x++) {
        if (at(&m, x, row) == PAPER) continue;
        const double step = first + (x - x0) / scale, round = 500 * floor(step / 500 + 0.5);
        EXPECT(fabs(step - round) <= 2 / scale);
        seen++;
    }
    EXPECT_EQ(seen, 6); /* 0, 500, .. 2500 */
    o->record.probes = NULL, o->record.n_probes = 0;
    buf_free(&png);
    free(m.rgb);
    probe_map_free(map);
    record_free(&o->record);
}

/* The greatest logit is one number in each of its three places: at the axis it is as long as at the point. */
TEST(charts_minmax_has_one_number_of_digits) {
    owned_record *o = chart_record(64, 5, 10, "top_k=5");
    REQUIRE(o);
    for (int i = 0; i < 64; i++) token(o, i)->logit = i == 20 ? 5.25f : i == 50 ? 10.35f : 6;
    buffer png = {0};
    image m;
    REQUIRE_OK(chart_minmax(&o->record, o->record.samples, &png));
    REQUIRE(decode(&png, &m));
    int left[2] = {INT_MAX, INT_MAX};
    for (int k = 0; k < 2; k++) /* the least at the bottom of the axis has a digit less */
        for (int x = 0; x < 60; x++)
            for (int y = k ? 66 : 192; y < (k ? 82 : 208); y++)
                if (far_apart(at(&m, x, y), PAPER) > 60 && x < left[k]) left[k] = x;
    int points[4]; /* "5.25": the words at a point are of one colour, which nothing else has */
    EXPECT(box_of(&m, ALARM, points));
    EXPECT(left[0] - left[1] >= 5 && 56 - left[1] >= 5 * 6); /* "10.35" */
    free(m.rgb), buf_free(&png);
    record_free(&o->record);
}

TEST(charts_minmax) {
    owned_record *o = chart_record(64, 5, 10, "top_k=5");
    REQUIRE(o);
    for (int i = 0; i < 64; i++) token(o, i)->logit = i == 20 ? -7.5f : i == 50 ? 9 : i == 30 ? NAN : 1;
    buffer png = {0};
    image m = {0};
    REQUIRE_OK(chart_minmax(&o->record, o->record.samples, &png));
    REQUIRE(decode(&png, &m));
    int box[4];
    REQUIRE(box_of(&m, RED, box)); /* the rings around both ends */
    EXPECT(box[0] < 400 && box[2] > 650 && box[1] < 90 && box[3] > 180);
    free(m.rgb), buf_clear(&png);
    for (int i = 0; i < 64; i++) token(o, i)->logit = NAN;
    EXPECT_OK(chart_minmax(&o->record, o->record.samples, &png));
    REQUIRE(decode(&png, &m));
    EXPECT(!box_of(&m, RED, box));
    free(m.rgb), buf_free(&png);
    record_free(&o->record);
}

TEST(charts_say_that_the_check_failed) {
    owned_record *o = chart_record(8, 20, 20, "top_k=20");
    REQUIRE(o);
    for (int failed = 0; failed < 2; failed++) {
        o->record.check = failed ? "failed" : "ok";
        image m[3] = {0};
        REQUIRE(draw(o, 3, CHART_HEATMAP, &m[0]) && draw(o, 3, CHART_BARCHART, &m[1]) && draw_sheet(o, &m[2]));
        for (int k = 0; k < 3; k++) {
            EXPECT_EQ(at(&m[k], 1, m[k].h / 2) == ALARM, failed);
            EXPECT_EQ(count(&m[k], ALARM, 10, 8, m[k].w - 10, 36) > 1500, failed);
            EXPECT_EQ(count(&m[k], 0xffffff, 10, 8, m[k].w - 10, 36) > 200, failed);
            free(m[k].rgb);
        }
    }
    record_free(&o->record);
}

TEST(charts_same_record_same_bytes) {
    owned_record *o = chart_record(40, 50, 40, "top_k=50"), *again = chart_record(40, 50, 40, "top_k=50");
    REQUIRE(o && again);
    buffer a = {0}, b = {0};
    EXPECT_OK(chart_sheet(&o->record, o->record.samples, &a));
    canvas c;
    REQUIRE_OK(canvas_new(&c, 64, 64));
    for (uint32_t cp = 0x4e00; cp < 0x4e00 + 4000; cp++) { /* the cache is full, then emptied */
        char text[4];
        int n = 0;
        text[n++] = (char)(0xe0 | cp >> 12), text[n++] = (char)(0x80 | (cp >> 6 & 63)), text[n++] = (char)(0x80 | (cp & 63));
        canvas_text(&c, 0, 20, 64, FONT_BODY, C_INK, TEXT_LEFT, text, 3);
    }
    canvas_free(&c);
    EXPECT_OK(chart_sheet(&again->record, again->record.samples, &b));
    EXPECT(a.n == b.n && memcmp(a.bytes, b.bytes, a.n) == 0);
    buf_free(&a), buf_free(&b);
    record_free(&o->record), record_free(&again->record);
}

TEST(charts_hostile_records) {
    static const char nothing[] = "";
    char *long_text = malloc(100001);
    owned_record *o = chart_record(12, 5, 10, "top_k=5");
    REQUIRE(o && long_text);
    memset(long_text, 0xe6, 100000), long_text[100000] = 0;
    glimpse_sample *s = (glimpse_sample *)(uintptr_t)o->record.samples;
    const float bad[] = {NAN, INFINITY, -INFINITY, -1, 0, 3e38f, -3e38f, 1e-45f};
    for (int k = 0; k < 12; k++) {
        glimpse_token *t = token(o, k);
        const float x = bad[k % 8];
        t->logit = x, t->logprob = x, t->p_final = x, t->p_temp = x, t->entropy = x, t->dot = x, t->left = x;
        t->id = k % 3 ? k : k % 2 ? INT_MIN : INT_MAX;
        t->rank = k % 2 ? INT_MIN : INT_MAX, t->kept = k % 2 ? INT_MAX : INT_MIN;
        for (int j = 0; j < 10; j++) candidates(o, k)[j].p_final = bad[(k + j) % 8], candidates(o, k)[j].p = bad[j % 8], candidates(o, k)[j].id = j * k - 3;
        if (k == 5) t->top = NULL;
        if (k == 6) t->n_top = -4;
    }
    for (int round = 0; round < 3; round++) {
        if (round == 1) o->record.pieces = NULL, o->record.n_pieces = 0, s->label = NULL, s->prompt_text = NULL, s->prompt_ids = NULL;
        if (round == 2) {
            s->label = long_text, s->why = long_text, s->prompt_text = long_text, s->prompt_bytes = 100000, s->stop = (glimpse_stop)99;
            o->record.run_name = long_text, o->record.arch = nothing, o->record.check = "failed", s->n_samples = INT_MAX, s->sample = INT_MAX;
            o->record.step = INT64_MIN, s->prompt = INT_MIN, s->n_prompt_ids = 1000;
        }
        buffer png = {0};
        image m = {0};
        for (int k = 0; k < 12; k++)
            for (int type = 0; type < 2; type++) {
                static const int lasts[] = {0, -1, INT_MAX, INT_MIN, 3};
                EXPECT_OK(chart_token(&o->record, s, k, (chart_type)type, lasts[k % 5], &png));
                EXPECT(decode(&png, &m) && m.w == 960 && m.h == 240);
                free(m.rgb), buf_clear(&png);
            }
        EXPECT_OK(chart_sheet(&o->record, s, &png));
        EXPECT(decode(&png, &m));
        free(m.rgb), buf_clear(&png);
        EXPECT_OK(chart_minmax(&o->record, s, &png));
        EXPECT_ERR(chart_token(&o->record, s, 12, CHART_HEATMAP, 3, &png), GLIMPSE_E_INVALID, "no token 12");
        EXPECT_ERR(chart_token(&o->record, s, -1, CHART_HEATMAP, 3, &png), GLIMPSE_E_INVALID, NULL);
        buf_free(&png);
    }
    record_free(&o->record);
    free(long_text);
}

/* No character is an empty box: each draws ink, and two that no font has differ by their digits. */
TEST(charts_every_character_has_ink) {
    static const uint32_t points[] = {'A', 0xe9, 0x2423, 0x21b5, 0x2192, 0x65e5, 0x1f600, 0x5d0, 0x939, 0xc548, 0x10fffd, 0xe000, 0xf0000, 0x378, 0xfffd, 0x1d11e};
    font_lock();
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        for (int face = 0; face < FONT_FACES; face++) {
            const font_glyph *g = font_find((font_face)face, points[i]);
            int ink = 0;
            for (int k = 0; k < g->width * g->height; k++) ink += g->cover[k] > 100;
            if (ink < 4) EXPECT_EQ(points[i], 0);
        }
    const font_glyph *a = font_find(FONT_BODY, 0x10fffd), *b = font_find(FONT_BODY, 0x10fffc), *c = font_find(FONT_BODY, 0x10fffd);
    EXPECT(!a->drawn && !b->drawn && a->cells == 2 && a == c);
    EXPECT(a->width == b->width && memcmp(a->cover, b->cover, (size_t)(a->width * a->height)) != 0);
    font_unlock();
}

TEST(charts_without_any_font_file) {
    setenv("GLIMPSE_FONT_DIR", "none", 1);
    if (getenv("NOFORK")) SKIP("fonts may be open already");
    owned_record *o = chart_record(20, 20, 20, "top_k=20");
    REQUIRE(o);
    image m = {0};
    REQUIRE(draw(o, 8, CHART_HEATMAP, &m));
    EXPECT(count(&m, INK, 16, 10, 500, 32) > 200);
    font_lock();
    const font_glyph *a = font_find(FONT_BODY, 0x65e5);
    EXPECT(!a->drawn && a->width > 8);
    EXPECT(font_find(FONT_BODY, 'A')->drawn && font_find(FONT_BODY, 0x2423)->drawn);
    font_unlock();
    free(m.rgb);
    record_free(&o->record);
}

/* Letters are read on every step of the scale: 4.5 : 1, the demand of WCAG 2.1 for text. */
TEST(charts_text_has_contrast) {
    const rgb *p = canvas_palette();
    for (int i = 0; i < C_VIRIDIS_STEPS; i++) EXPECT_LE(4.5, rgb_contrast(p[i], p[canvas_text_on(i)]));
    EXPECT_LE(4.5, rgb_contrast(p[C_PAPER], p[C_GREY]));
    EXPECT_LE(4.5, rgb_contrast(p[C_ALARM], p[C_WHITE]));
    EXPECT_LE(4.5, rgb_contrast(p[C_ALARM], p[C_PAPER]));
    EXPECT_LE(4.5, rgb_contrast(p[C_GRID], p[C_INK]));
}

TEST(charts_canvas_clips) {
    canvas c;
    EXPECT_ERR(canvas_new(&c, 0, 5), GLIMPSE_E_INVALID, NULL);
    EXPECT_ERR(canvas_new(&c, 5, 1 << 20), GLIMPSE_E_INVALID, "1048576");
    REQUIRE_OK(canvas_new(&c, 30, 20));
    canvas_fill(&c, -100, -100, INT_MAX, INT_MAX, 3);
    canvas_fill(&c, INT_MAX, INT_MAX, INT_MAX, INT_MAX, 4);
    canvas_fill(&c, 5, 5, -3, 8, 4);
    canvas_hatch(&c, -7, -7, 100, 100, 5);
    canvas_frame(&c, -5, -5, 1000, 1000, 3, 6);
    canvas_line(&c, -1e5, 3, 1e5, 8, 3, C_RED);
    canvas_line(&c, (double)NAN, 3, 1e30, 8, 3, C_RED);
    canvas_dot(&c, (double)INFINITY, 3, 5, C_RED);
    for (int x = -40; x < 60; x += 3)
        for (int y = -20; y < 50; y += 3) canvas_puts(&c, x, y, 100, FONT_BODY, C_INK, TEXT_CENTER, "clip \xe6\x97\xa5");
    EXPECT_EQ(canvas_puts(&c, 0, 10, 40, FONT_BODY, C_INK, TEXT_LEFT, "longer than that"), 40);
    EXPECT_EQ(canvas_puts(&c, 0, 10, 7, FONT_BODY, C_INK, TEXT_LEFT, "x"), 0);
    for (int y = 0; y < 20; y++) EXPECT_EQ(c.rows[y * 31], 0); /* the filter bytes */
    canvas_free(&c);
}

/* Whichever allocation fails, the answer is an error or the right picture, and what was in the buffer stays. */
TEST(charts_out_of_memory) {
    owned_record *o = chart_record(10, 5, 10, "top_k=5");
    buffer right[3] = {{0}, {0}, {0}};
    REQUIRE(o);
    for (int k = 0; k < 3; k++) { /* also fills the glyph cache: its own failures are below */
        if (k == 0) EXPECT_OK(chart_token(&o->record, o->record.samples, 3, CHART_HEATMAP, 10, &right[k]));
        if (k == 1) EXPECT_OK(chart_sheet(&o->record, o->record.samples, &right[k]));
        if (k == 2) EXPECT_OK(chart_minmax(&o->record, o->record.samples, &right[k]));
    }
    for (int k = 0; k < 3; k++) {
        int failures = 0;
        for (long n = 1;; n++) {
            buffer png = {0};
            buf_puts(&png, "ab");
            test_fail_alloc(n);
            glimpse_status st = k == 0   ? chart_token(&o->record, o->record.samples, 3, CHART_HEATMAP, 10, &png)
                                : k == 1 ? chart_sheet(&o->record, o->record.samples, &png)
                                         : chart_minmax(&o->record, o->record.samples, &png);
            const long used = test_fail_alloc(0);
            EXPECT(memcmp(png.bytes, "ab", 2) == 0);
            if (st < 0) failures++, EXPECT_EQ(st, GLIMPSE_E_MEMORY), EXPECT_EQ(png.n, 2);
            else EXPECT(png.n == right[k].n + 2 && memcmp(png.bytes + 2, right[k].bytes, right[k].n) == 0);
            buf_free(&png);
            if (used < n) break;
            REQUIRE(n < 10000);
        }
        EXPECT_LE(2, failures);
    }
    for (int k = 0; k < 3; k++) buf_free(&right[k]);
    record_free(&o->record);
}

/* The first chart of a process opens the fonts: nothing of that may bring it down. */
TEST(charts_out_of_memory_in_fonts) {
    const long n = 1 + 3;
    owned_record *o = chart_record(4, 5, 5, "top_k=5");
    buffer png = {0};
    REQUIRE(o);
    test_fail_alloc(n); /* among the first: the canvas, the header's text, the cache */
    (void)chart_token(&o->record, o->record.samples, 1, CHART_HEATMAP, 10, &png);
    test_fail_alloc(0);
    buf_free(&png);
    EXPECT_OK(chart_token(&o->record, o->record.samples, 1, CHART_HEATMAP, 10, &png));
    buf_free(&png);
    record_free(&o->record);
}
