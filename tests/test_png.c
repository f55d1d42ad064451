/* test_png.c -- the PNG writer: what libpng and zlib read back is bit for bit what was drawn, for flat, random and
 * chart-like pictures of every size; the file's chunks and checksums are right. */
#include "tests/test.h"
#include "viz/png.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef enum kind { FLAT, RANDOM, TWO, CELLS, ROWS, DIAGONAL, SPARSE, KINDS } kind;

static uint32_t next(uint32_t *state) { /* Marsaglia's xorshift32 */
    *state ^= *state << 13, *state ^= *state >> 17, *state ^= *state << 5;
    return *state;
}

/* (h, 1 + w) with the filter bytes; freed by the caller. */
static uint8_t *picture(kind k, int w, int h, uint32_t seed) {
    const size_t stride = (size_t)w + 1;
    uint8_t *rows = calloc(stride, (size_t)h);
    uint32_t state = seed * 2654435761u + 1;
    for (int y = 0; rows && y < h; y++)
        for (int x = 0; x < w; x++) {
            uint8_t *p = rows + (size_t)y * stride + 1 + x;
            switch (k) {
            case FLAT: *p = 7; break;
            case RANDOM: *p = (uint8_t)(next(&state) >> 11); break;
            case TWO: *p = next(&state) >> 9 & 1; break;
            case CELLS: *p = (uint8_t)((x / 16 * 37 + y / 16 * 101) ^ (x / 16)); break;
            case ROWS: *p = (uint8_t)((uint32_t)x * (uint32_t)x >> 3); break;
            case DIAGONAL: *p = (uint8_t)(x + y); break;
            default: *p = next(&state) % 97 ? 0 : (uint8_t)(next(&state) >> 8); break;
            }
        }
    return rows;
}

static void palette_of(rgb *colors) {
    for (int i = 0; i < 256; i++) colors[i] = (rgb){(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(i * 7)};
}

typedef struct reader {
    const buffer *png;
    size_t at;
} reader;

static void read_bytes(png_structp p, png_bytep out, size_t n) {
    reader *r = png_get_io_ptr(p);
    if (r->png->n - r->at < n) png_error(p, "the file ends early");
    memcpy(out, r->png->bytes + r->at, n);
    r->at += n;
}

/* libpng's view: sizes, type, palette, pixels. */
static bool libpng_agrees(const buffer *png, const uint8_t *rows, int w, int h, const rgb *colors, int n_colors) {
    png_structp p = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(p);
    uint8_t *row = malloc((size_t)w);
    reader r = {png, 0};
    volatile bool ok = false;
    if (!setjmp(png_jmpbuf(p))) {
        png_set_read_fn(p, &r, read_bytes);
        png_read_info(p, info);
        png_colorp entries = NULL;
        int n = 0;
        png_get_PLTE(p, info, &entries, &n);
        bool same = (int)png_get_image_width(p, info) == w && (int)png_get_image_height(p, info) == h && n == n_colors &&
                    png_get_bit_depth(p, info) == 8 && png_get_color_type(p, info) == PNG_COLOR_TYPE_PALETTE;
        for (int i = 0; same && i < n; i++)
            same = entries[i].red == colors[i].r && entries[i].green == colors[i].g && entries[i].blue == colors[i].b;
        for (int y = 0; same && y < h; y++) {
            png_read_row(p, row, NULL);
            same = memcmp(row, rows + (size_t)y * ((size_t)w + 1) + 1, (size_t)w) == 0;
        }
        if (same) png_read_end(p, info);
        ok = same && r.at == png->n;
    }
    free(row);
    png_destroy_read_struct(&p, &info, NULL);
    return ok;
}

static uint32_t u32_at(const buffer *b, size_t at) {
    const unsigned char *p = (const unsigned char *)b->bytes + at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The specification's view: four chunks in order, each with its CRC; the stream inflates, Adler-32 included, to the rows. */
static bool chunks_agree(const buffer *png, const uint8_t *rows, size_t n) {
    static const char *const types[] = {"IHDR", "PLTE", "IDAT", "IEND"};
    size_t at = 8;
    if (png->n < 8 || memcmp(png->bytes, "\x89PNG\r\n\x1a\n", 8) != 0) return false;
    for (int k = 0; k < 4; k++) {
        if (png->n - at < 12) return false;
        const size_t bytes = u32_at(png, at);
        if (bytes > png->n - at - 12 || memcmp(png->bytes + at + 4, types[k], 4) != 0) return false;
        const unsigned char *data = (const unsigned char *)png->bytes + at + 8;
        if (crc32(0, data - 4, (uInt)bytes + 4) != u32_at(png, at + 8 + bytes)) return false;
        if (k == 2) {
            uint8_t *back = malloc(n + 1);
            uLongf got = n + 1;
            bool same = back && uncompress(back, &got, data, bytes) == Z_OK && got == n && memcmp(back, rows, n) == 0;
            free(back);
            if (!same) return false;
        }
        at += 12 + bytes;
    }
    return at == png->n;
}

static bool round_trip(kind k, int w, int h) {
    rgb colors[256];
    palette_of(colors);
    uint8_t *rows = picture(k, w, h, (uint32_t)(w * 31 + h));
    buffer png = {0};
    buf_puts(&png, "x"); /* appends */
    bool ok = rows && png_write_indexed(rows, w, h, colors, 256, &png) == GLIMPSE_OK && png.bytes[0] == 'x';
    if (ok) {
        memmove(png.bytes, png.bytes + 1, --png.n);
        ok = chunks_agree(&png, rows, ((size_t)w + 1) * (size_t)h) && libpng_agrees(&png, rows, w, h, colors, 256);
    }
    free(rows);
    buf_free(&png);
    return ok;
}

TEST(png_round_trip_small_sizes) {
    for (int w = 1; w <= 40; w++)
        for (int h = 1; h <= 9; h++)
            for (int k = 0; k < KINDS; k++) {
                if (round_trip((kind)k, w, h)) continue;
                EXPECT_EQ(k * 1000000 + w * 1000 + h, -1); /* says kind, width, height */
                return;
            }
}

TEST_LIMIT(png_round_trip_large_sizes, 120) {
    static const int sizes[][2] = {{1, 1500}, {2000, 1}, {2000, 1500}, {960, 240}, {257, 259}, {258, 3}, {259, 1000}, {1868, 1314},
                                   {1023, 517}, {32766, 3}, {32767, 3}, {32768, 3}, {40000, 4}, {65521, 5}, {65536, 2}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int k = 0; k < KINDS; k++) {
            if (test_is_slow_build() && sizes[i][0] * sizes[i][1] > 1000000) continue;
            if (!round_trip((kind)k, sizes[i][0], sizes[i][1])) EXPECT_EQ(k * 100 + (int)i, -1);
        }
}

/* Counts that grow like Fibonacci's numbers make the deepest codes: the limits of 15 and 7 bits are met. */
TEST(png_deep_huffman_codes) {
    const int w = 30000;
    rgb colors[256];
    palette_of(colors);
    for (uint32_t seed = 1; seed < 20; seed++) {
        uint8_t *rows = calloc((size_t)w + 1, 1);
        REQUIRE(rows);
        uint32_t state = seed;
        for (int x = 1, a = 1, b = 1, value = 1; x <= w; value++) {
            for (int k = 0; k < a && x <= w; k++) rows[x++] = (uint8_t)(value & 255);
            const int sum = a + b;
            a = b, b = sum > 9000 ? 1 : sum;
        }
        for (int x = w; x > 1; x--) { /* shuffled, so that the counts are those of literals */
            const int y = 1 + (int)(next(&state) % (uint32_t)x);
            const uint8_t t = rows[x];
            rows[x] = rows[y], rows[y] = t;
        }
        buffer png = {0};
        EXPECT_OK(png_write_indexed(rows, w, 1, colors, 256, &png));
        EXPECT(chunks_agree(&png, rows, (size_t)w + 1));
        EXPECT(libpng_agrees(&png, rows, w, 1, colors, 256));
        buf_free(&png);
        free(rows);
    }
}

TEST(png_small_palettes_and_same_bytes) {
    rgb colors[256];
    palette_of(colors);
    uint8_t *rows = picture(TWO, 50, 20, 1);
    REQUIRE(rows);
    for (int n = 2; n <= 256; n += 127) {
        buffer a = {0}, b = {0};
        EXPECT_OK(png_write_indexed(rows, 50, 20, colors, n, &a));
        EXPECT_OK(png_write_indexed(rows, 50, 20, colors, n, &b));
        EXPECT(libpng_agrees(&a, rows, 50, 20, colors, n));
        EXPECT(a.n == b.n && memcmp(a.bytes, b.bytes, a.n) == 0);
        buf_free(&a), buf_free(&b);
    }
    free(rows);
}

TEST(png_refuses_what_is_no_picture) {
    rgb colors[256];
    palette_of(colors);
    uint8_t rows[12] = {0, 1, 2, 3, 9, 1, 2, 3, 0, 1, 2, 3};
    buffer png = {0};
    buf_puts(&png, "kept");
    EXPECT_ERR(png_write_indexed(rows, 0, 3, colors, 256, &png), GLIMPSE_E_INVALID, "0 x 3");
    EXPECT_ERR(png_write_indexed(rows, 3, -1, colors, 256, &png), GLIMPSE_E_INVALID, NULL);
    EXPECT_ERR(png_write_indexed(rows, 3, 1, colors, 257, &png), GLIMPSE_E_INVALID, "257");
    EXPECT_ERR(png_write_indexed(rows, 3, 1, colors, 0, &png), GLIMPSE_E_INVALID, NULL);
    EXPECT_ERR(png_write_indexed(rows, 3, 3, colors, 256, &png), GLIMPSE_E_INVALID, "row 1");
    EXPECT_STREQ(buf_str(&png), "kept");
    buf_free(&png);
}

/* A chart is flat areas: it must not cost more bytes than libpng's densest level does, by more than a half. */
TEST(png_flat_pictures_are_small) {
    rgb colors[256];
    palette_of(colors);
    uint8_t *rows = picture(CELLS, 1024, 1024, 1);
    buffer png = {0};
    REQUIRE(rows);
    EXPECT_OK(png_write_indexed(rows, 1024, 1024, colors, 256, &png));
    uLongf dense = compressBound(1025 * 1024);
    uint8_t *z = malloc(dense);
    if (z && compress2(z, &dense, rows, 1025 * 1024, 9) == Z_OK) EXPECT_LT(png.n, 1.5 * (double)dense + 1000);
    free(z);
    free(rows);
    buf_free(&png);
}
