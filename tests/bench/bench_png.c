/* bench_png.c -- what a picture costs: ours (draw, labels included, and encode) against libpng's palette encoding alone
 * of the same pixels at its fastest setting (level 1, filter none).  The two alternate in one process; what is printed
 * are medians of the paired ratios with a 95 % bootstrap interval.  The must: a token's heatmap has a ratio <= 1. */
#include "include/internal/threads.h"
#include "tests/bench/bench.h"
#include "tests/chart_record.h"
#include "viz/charts.h"

#include <png.h>
#include <stdio.h>
#include <time.h>

enum { PAIRS = 201, ROUNDS = 2000 };

static void take(png_structp png, png_bytep bytes, size_t n) { buf_put(png_get_io_ptr(png), bytes, n); }
static void flush(png_structp png) { (void)png; }

/* strategy: -1 = libpng's own choice for unfiltered rows (Z_DEFAULT_STRATEGY) */
static void libpng_encode(const canvas *c, int level, int strategy, buffer *out) {
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color colors[C_COLORS];
    for (int i = 0; i < C_COLORS; i++) colors[i] = (png_color){canvas_palette()[i].r, canvas_palette()[i].g, canvas_palette()[i].b};
    png_set_write_fn(png, out, take, flush);
    png_set_IHDR(png, info, (png_uint_32)c->w, (png_uint_32)c->h, 8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_PLTE(png, info, colors, C_COLORS);
    png_set_filter(png, 0, PNG_FILTER_NONE);
    png_set_compression_level(png, level);
    if (strategy >= 0) png_set_compression_strategy(png, strategy);
    png_write_info(png, info);
    for (int y = 0; y < c->h; y++) png_write_row(png, c->rows + (size_t)y * ((size_t)c->w + 1) + 1);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
}

typedef void (*draw_fn)(void *user, buffer *out);

static void compare(const char *name, draw_fn ours, void *user, const canvas *same, int level, int strategy) {
    static double ratio[PAIRS], mine[PAIRS], theirs[PAIRS], again[PAIRS], boot[ROUNDS];
    buffer a = {0}, b = {0};
    for (int i = -5; i < PAIRS; i++) {
        buf_clear(&a), buf_clear(&b);
        const double t0 = monotonic_s();
        ours(user, &a);
        const double t1 = monotonic_s();
        libpng_encode(same, level, strategy, &b);
        const double t2 = monotonic_s();
        if (i >= 0) mine[i] = t1 - t0, theirs[i] = t2 - t1, ratio[i] = mine[i] / theirs[i];
    }
    uint64_t state = 1;
    for (int k = 0; k < ROUNDS; k++) {
        for (int i = 0; i < PAIRS; i++) again[i] = ratio[(int)(chart_uniform(&state) * PAIRS)];
        boot[k] = median(again, PAIRS);
    }
    median(boot, ROUNDS); /* sorts */
    printf("%-44s ours %8.1f us %7zu B   libpng %8.1f us %7zu B   ratio %.3f [%.3f, %.3f]\n", name, 1e6 * median(mine, PAIRS), a.n,
           1e6 * median(theirs, PAIRS), b.n, median(ratio, PAIRS), boot[ROUNDS * 25 / 1000], boot[ROUNDS * 975 / 1000]);
    buf_free(&a), buf_free(&b);
}

typedef struct token_job {
    owned_record *o;
    chart_type type;
} token_job;

static void draw_token(void *user, buffer *out) {
    const token_job *j = user;
    if (chart_token(&j->o->record, j->o->record.samples, 61, j->type, 10, out) < 0) exit(1);
}

static void encode_only(void *user, buffer *out) {
    const canvas *c = user;
    if (png_write_indexed(c->rows, c->w, c->h, canvas_palette(), C_COLORS, out) < 0) exit(1);
}

static void draw_sheet(void *user, buffer *out) {
    owned_record *o = user;
    if (chart_sheet(&o->record, o->record.samples, out) < 0) exit(1);
}

/* The pixels of a chart, back from its file: what libpng gets is exactly what ours drew. */
static void decode(const buffer *png, canvas *c) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, png->bytes, png->n)) exit(1);
    if (canvas_new(c, (int)image.width, (int)image.height) < 0) exit(1);
    png_structp p = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(p);
    FILE *f = fmemopen(png->bytes, png->n, "rb");
    png_init_io(p, f);
    png_read_info(p, info);
    for (int y = 0; y < c->h; y++) png_read_row(p, c->rows + (size_t)y * ((size_t)c->w + 1) + 1, NULL);
    png_destroy_read_struct(&p, &info, NULL);
    fclose(f);
    png_image_free(&image);
}

int main(void) {
    static const int settings[] = {5, 20, 200};
    printf("fonts: %s\n", font_source());
    buffer png = {0};
    canvas c;
    for (int i = 0; i < 3; i++) {
        char label[32], name[96];
        snprintf(label, sizeof label, "top_k=%d", settings[i]);
        token_job job = {chart_record(128, settings[i], 40, label), CHART_HEATMAP};
        if (!job.o) return 1;
        buf_clear(&png);
        draw_token(&job, &png);
        decode(&png, &c);
        snprintf(name, sizeof name, "heatmap %s, draw + encode", label);
        compare(name, draw_token, &job, &c, 1, -1);
        snprintf(name, sizeof name, "heatmap %s, encode", label);
        compare(name, encode_only, &c, &c, 1, -1);
        snprintf(name, sizeof name, "heatmap %s, draw + encode / Z_RLE", label);
        compare(name, draw_token, &job, &c, 1, 3);
        canvas_free(&c);
        job.type = CHART_BARCHART;
        buf_clear(&png);
        draw_token(&job, &png);
        decode(&png, &c);
        snprintf(name, sizeof name, "bar chart %s, draw + encode", label);
        compare(name, draw_token, &job, &c, 1, -1);
        canvas_free(&c);
        record_free(&job.o->record);
    }
    owned_record *o = chart_record(128, 200, 40, "top_k=200");
    if (!o) return 1;
    buf_clear(&png);
    draw_sheet(o, &png);
    decode(&png, &c);
    compare("sheet of 128 tokens, draw + encode", draw_sheet, o, &c, 1, -1);
    compare("sheet of 128 tokens, encode", encode_only, &c, &c, 1, -1);
    canvas_free(&c);
    record_free(&o->record);

    /* 1024 x 1024 as a heatmap of 16 pixel cells, and one pixel a cell: noise in 96 colours */
    uint64_t state = 3;
    for (int cell = 16; cell >= 1; cell -= 15) {
        if (canvas_new(&c, 1024, 1024) < 0) return 1;
        for (int y = 0; y < 1024; y += cell)
            for (int x = 0; x < 1024; x += cell) canvas_fill(&c, x, y, cell, cell, canvas_viridis(chart_uniform(&state)));
        compare(cell == 1 ? "noise 1024 x 1024, encode" : "cells of 16, 1024 x 1024, encode", encode_only, &c, &c, 1, -1);
        canvas_free(&c);
    }
    buf_free(&png);
    return 0;
}
