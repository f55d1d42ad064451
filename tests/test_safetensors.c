/* test_safetensors.c -- safetensors files that lie: every rule of the format broken in turn, cuts at each boundary. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/hf_files.h"
#include "tests/hostile.h"
#include "tests/test.h"

static void make(buffer *b, uint64_t header_bytes, const char *header, size_t n, size_t data) {
    buf_clear(b);
    for (int i = 0; i < 8; i++) buf_putc(b, (char)(header_bytes >> 8 * i));
    buf_put(b, header, n);
    buf_fill(b, 0, data);
}

static const char *directory(void) {
    const char *dir = hf_dir("st");
    hf_save(dir, "config.json", hf_config(0), strlen(hf_config(0)));
    return dir;
}

#define F32_2 "\"dtype\":\"F32\",\"shape\":[2],"

TEST(safetensors_files_that_lie) {
    static const struct {
        const char *header;
        size_t data;
        int code;
        const char *says;
    } cases[] = {
        {"[]", 0, GLIMPSE_E_FORMAT, "begins with the bytes"},
        {"{}", 0, GLIMPSE_E_MODEL, "no tensors in it"},
        {"{}", 1, GLIMPSE_E_FORMAT, "its tensors end at byte 0 of the data, the file at 1"},
        {"{\"a\":1}", 0, GLIMPSE_E_FORMAT, "tensor a: its entry is no object"},
        {"{\"a\":{}}", 0, GLIMPSE_E_FORMAT, "tensor a has no dtype"},
        {"{\"a\":{\"dtype\":\"F32\"}}", 0, GLIMPSE_E_FORMAT, "tensor a has no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, GLIMPSE_E_FORMAT, "tensor a has no two data_offsets"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0]}}", 8, GLIMPSE_E_FORMAT, "no two data_offsets"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8,8]}}", 8, GLIMPSE_E_FORMAT, "no two data_offsets"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[8,0]}}", 8, GLIMPSE_E_FORMAT, "data_offsets [8, 0], expected two rising"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[-8,0]}}", 8, GLIMPSE_E_FORMAT, "data_offsets [-8, 0]"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8.0]}}", 8, GLIMPSE_E_FORMAT, "data_offsets [0, 8.0]"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8e0]}}", 8, GLIMPSE_E_FORMAT, "data_offsets [0, 8e0]"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,\"8\"]}}", 8, GLIMPSE_E_FORMAT, "data_offsets [0, ?]"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,16]}}", 8, GLIMPSE_E_FORMAT, "data_offsets [0, 16]"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,9223372036854775808]}}", 8, GLIMPSE_E_FORMAT, "data_offsets"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,18446744073709551624]}}", 8, GLIMPSE_E_FORMAT, "data_offsets"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,4]}}", 4, GLIMPSE_E_FORMAT,
         "needs 64 bits, its data_offsets hold 4 bytes"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[4,12]}}", 12, GLIMPSE_E_FORMAT,
         "begins at byte 4 of the data, expected 0: a hole"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8]}}", 9, GLIMPSE_E_FORMAT, "end at byte 8 of the data, the file at 9"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8]},\"b\":{" F32_2 "\"data_offsets\":[4,12]}}", 12, GLIMPSE_E_FORMAT,
         "tensor b begins at byte 4 of the data, expected 8: an overlap"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8]},\"b\":{" F32_2 "\"data_offsets\":[0,8]}}", 8, GLIMPSE_E_FORMAT,
         "an overlap"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8]},\"b\":{" F32_2 "\"data_offsets\":[12,20]}}", 20, GLIMPSE_E_FORMAT,
         "a hole"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8]},\"a\":{" F32_2 "\"data_offsets\":[8,16]}}", 16, GLIMPSE_E_FORMAT,
         "the key \"a\" is there twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, GLIMPSE_E_FORMAT,
         "the key \"dtype\" is there twice"},
        /* The product wraps to 4 in 64 bits. */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4194305,4194305,211106198978564],\"data_offsets\":[0,16]}}", 16,
         GLIMPSE_E_FORMAT, "is no whole number from 0 to 2^40"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1099511627776,1099511627776],\"data_offsets\":[0,0]}}", 0,
         GLIMPSE_E_FORMAT, "product overflows"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1073741824,1073741824],\"data_offsets\":[0,0]}}", 0, GLIMPSE_E_FORMAT,
         "product overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, GLIMPSE_E_FORMAT, "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, GLIMPSE_E_FORMAT, "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e0],\"data_offsets\":[0,4]}}", 4, GLIMPSE_E_FORMAT, "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[[1]],\"data_offsets\":[0,4]}}", 4, GLIMPSE_E_FORMAT, "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, GLIMPSE_E_FORMAT,
         "9 dimensions"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, GLIMPSE_E_FORMAT, "needs 12 bits"},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLIMPSE_E_UNSUPPORTED,
         "unknown dtype \"F33\""},
        {"{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLIMPSE_E_FORMAT, "has no dtype"},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8],\"x\":1}}", 8, GLIMPSE_E_FORMAT, "unknown key \"x\""},
        {"{\"a\":{" F32_2 "\"data_offsets\":[0,8]}}", 8, GLIMPSE_E_MODEL, "tensor a is not one of this architecture"},
        {"{\"transformer.wte.weight\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8,
         GLIMPSE_E_UNSUPPORTED, "has type F64"},
        {"{\"transformer.wte.weight\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, GLIMPSE_E_MODEL,
         "0 dimensions"},
        {"{\"transformer.wte.weight\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, GLIMPSE_E_MODEL,
         "no elements"},
        {"{\"__metadata__\":1}", 0, GLIMPSE_E_FORMAT, "__metadata__ is no object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, GLIMPSE_E_FORMAT, "__metadata__: the value of \"a\" is no text"},
        {"{\"\":{" F32_2 "\"data_offsets\":[0,8]}}", 8, GLIMPSE_E_FORMAT, "a tensor's name has 0 bytes"},
        {"{\"a\\u001b[2J\":{" F32_2 "\"data_offsets\":[0,8]}}", 8, GLIMPSE_E_FORMAT, "has a control character"},
        {"{\"a\\u0000b\":{" F32_2 "\"data_offsets\":[0,8]}}", 8, GLIMPSE_E_FORMAT, "has a control character"},
        {"{\"a\\ud800\":{}}", 0, GLIMPSE_E_FORMAT, "surrogate"},
        {"{\"a\xff\":{}}", 0, GLIMPSE_E_FORMAT, "no valid UTF-8"},
        {"{\"a\n\":{}}", 0, GLIMPSE_E_FORMAT, "byte 3 of the JSON is 0x0a"},
        {"{\"a\":{},}", 0, GLIMPSE_E_FORMAT, "expected a key"},
        {"{\"a\":{}} x", 0, GLIMPSE_E_FORMAT, "expected the end"},
        {"{\"a\":{}", 0, GLIMPSE_E_FORMAT, "the JSON ends at byte 7"},
        {"{\"a\":nul}", 0, GLIMPSE_E_FORMAT, "expected a value"},
        {"{\"a\":01}", 0, GLIMPSE_E_FORMAT, "expected a value"},
        {"{'a':1}", 0, GLIMPSE_E_FORMAT, "expected a key"},
        {"{\"a\":[[[[[[[[[[1]]]]]]]]]]}", 0, GLIMPSE_E_FORMAT, "nested more than 8 deep"},
    };
    buffer b = {0};
    char path[4096], what[64];
    const char *dir = directory();
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make(&b, strlen(cases[i].header), cases[i].header, strlen(cases[i].header), cases[i].data);
        snprintf(path, sizeof path, "%s", hf_save(dir, "model.safetensors", b.bytes, b.n));
        snprintf(what, sizeof what, "case %zu: %.40s", i, cases[i].header);
        hostile_checkpoint(what, path, cases[i].code, cases[i].says);
    }
    buf_free(&b);
}

TEST(safetensors_lengths_that_lie) {
    static const struct {
        uint64_t header;
        const char *says;
    } cases[] = {{17, "truncated: its header has 17 bytes, 16 follow"},
                 {100000001, "truncated"},
                 {UINT64_MAX, "truncated"},
                 {UINT64_MAX - 7, "truncated"},
                 {(uint64_t)1 << 63, "truncated"},
                 {0, "does not begin with {"}};
    buffer b = {0};
    const char *dir = directory();
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make(&b, cases[i].header, "{              }", 16, 0);
        hf_save(dir, "model.safetensors", b.bytes, b.n);
        hostile_checkpoint("length", dir, GLIMPSE_E_FORMAT, cases[i].says);
    }
    hf_save(dir, "model.safetensors", "\1\0\0\0\0\0\0", 7);
    hostile_checkpoint("7 bytes", dir, GLIMPSE_E_FORMAT, "truncated: 7 bytes");
    buf_free(&b);
}

/* A header of 8 MB of brackets, and one of a million names: neither depth nor number is believed. */
TEST(safetensors_bombs) {
    buffer b = {0}, h = {0};
    const char *dir = directory();
    buf_puts(&h, "{\"a\":");
    buf_fill(&h, '[', 8 << 20);
    make(&b, h.n, h.bytes, h.n, 0);
    hf_save(dir, "model.safetensors", b.bytes, b.n);
    hostile_begin();
    hostile_checkpoint("brackets", dir, GLIMPSE_E_FORMAT, "nested more than 8 deep");
    buf_clear(&h);
    buf_puts(&h, "{\"b\":1");
    for (int i = 0; i < 100001; i++) buf_printf(&h, ",\"%d\":1", i);
    buf_puts(&h, "}");
    make(&b, h.n, h.bytes, h.n, 0);
    hf_save(dir, "model.safetensors", b.bytes, b.n);
    hostile_checkpoint("names", dir, GLIMPSE_E_FORMAT, "100002 tensors, at most 100000");
    buf_free(&b);
    buf_free(&h);
}

TEST(safetensors_cut_anywhere) {
    buffer b = {0};
    const char *dir = directory();
    hf_safetensors(0, 0, hf_tensor_count(0), GLIMPSE_BF16, "", &b);
    size_t whole = b.n;
    for (size_t n = 0; n < whole; n += n < 64 || n + 4 > whole ? 1 : whole / 61) {
        hf_save(dir, "model.safetensors", b.bytes, n);
        hostile_checkpoint("cut", dir, GLIMPSE_E_FORMAT, NULL);
    }
    buf_free(&b);
}
