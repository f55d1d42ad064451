/* png.c -- the container: signature, IHDR, PLTE, IDAT, IEND.  See png.h; the pixels' compression is deflate.c. */
#include "viz/png.h"
#include "include/internal/status.h"
#include "viz/deflate.h"

#include <string.h>
#include <zlib.h>

static void put_u32(buffer *out, uint32_t v) {
    const char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    buf_put(out, bytes, 4);
}

static uint32_t crc_of(const buffer *out, size_t from) {
    uLong crc = crc32(0, NULL, 0);
    for (size_t at = from; at < out->n;) { /* zlib counts in unsigned int */
        uInt part = out->n - at > (1u << 30) ? 1u << 30 : (uInt)(out->n - at);
        crc = crc32(crc, (const Bytef *)out->bytes + at, part);
        at += part;
    }
    return (uint32_t)crc;
}

/* A chunk is its length, its type and data, and the checksum of both; the data is at most a few hundred bytes. */
static void put_chunk(buffer *out, const char type[5], const void *data, size_t n) {
    put_u32(out, (uint32_t)n);
    size_t from = out->n;
    buf_put(out, type, 4);
    buf_put(out, data, n);
    if (!out->failed) put_u32(out, crc_of(out, from));
}

glimpse_status png_write_indexed(const uint8_t *rows, int w, int h, const rgb *colors, int n_colors, buffer *out) {
    if (w < 1 || h < 1 || n_colors < 1 || n_colors > 256)
        FAIL(GLIMPSE_E_INVALID, "a PNG of %d x %d pixels in %d colours cannot be written", w, h, n_colors);
    const size_t stride = (size_t)w + 1, n = stride * (size_t)h, start = out->n;
    if (n / stride != (size_t)h) FAIL(GLIMPSE_E_INVALID, "a PNG of %d x %d pixels is too large", w, h);
    for (int y = 0; y < h; y++)
        if (rows[(size_t)y * stride]) FAIL(GLIMPSE_E_INVALID, "row %d of the picture does not open with the filter byte 0", y);

    buf_put(out, "\x89PNG\r\n\x1a\n", 8);
    const uint32_t uw = (uint32_t)w, uh = (uint32_t)h;
    const uint8_t header[13] = {(uint8_t)(uw >> 24), (uint8_t)(uw >> 16), (uint8_t)(uw >> 8), (uint8_t)uw,
                                (uint8_t)(uh >> 24), (uint8_t)(uh >> 16), (uint8_t)(uh >> 8), (uint8_t)uh,
                                8, 3, 0, 0, 0}; /* 8 bits, indexed, deflate, filters, not interlaced */
    put_chunk(out, "IHDR", header, sizeof header);
    uint8_t entries[768];
    for (int i = 0; i < n_colors; i++) entries[3 * i] = colors[i].r, entries[3 * i + 1] = colors[i].g, entries[3 * i + 2] = colors[i].b;
    put_chunk(out, "PLTE", entries, 3 * (size_t)n_colors);

    const size_t length_at = out->n;
    buf_put(out, "\0\0\0\0IDAT", 8);
    bool done = !out->failed && deflate_rows(rows, n, stride, out);
    const size_t bytes = done ? out->n - length_at - 8 : 0;
    if (done && bytes < (1u << 31)) {
        for (int i = 0; i < 4; i++) out->bytes[length_at + (size_t)i] = (char)(bytes >> (24 - 8 * i));
        put_u32(out, crc_of(out, length_at + 4));
        put_chunk(out, "IEND", NULL, 0);
    } else done = false;
    if (done && !out->failed) return GLIMPSE_OK;
    if (out->bytes) out->n = start, out->bytes[start] = 0;
    FAIL(GLIMPSE_E_MEMORY, "no memory for a PNG of %d x %d pixels", w, h);
}
