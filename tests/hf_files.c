/* hf_files.c -- see hf_files.h and the comment at the top of tests/ref/hf_reference.py. */
#include "tests/hf_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "kernels/backend.h"
#include "sampling/forward.h"
#include "tests/oracle.h"
#include "tests/ref/hf_logits.h"
#include "tests/ref/hf_more.h"
#include "tests/test.h"

enum { FIRST = sizeof hf_models / sizeof *hf_models };
_Static_assert(FIRST + sizeof hf_more / sizeof *hf_more == HF_MODELS, "");

static const hf_model *model_at(int index) { return index < FIRST ? &hf_models[index] : &hf_more[index - FIRST]; }

const char *hf_name(int index) { return model_at(index)->name; }
const char *hf_config(int index) { return model_at(index)->config; }
const char *hf_tensor_name(int index, int i) { return model_at(index)->tensors[i].name; }

int hf_tensor_count(int index) {
    int n = 0;
    while (n < 72 && model_at(index)->tensors[n].name) n++;
    return n;
}

size_t hf_tensor_shape(int index, int i, int dims[2]) {
    const hf_tensor *t = &model_at(index)->tensors[i];
    dims[0] = t->dims[0], dims[1] = t->dims[1];
    return (size_t)t->dims[0] * (size_t)(t->dims[1] ? t->dims[1] : 1);
}

static bool has(const char *s, const char *part) { return strstr(s, part) != NULL; }

void hf_tensor_bytes(int index, int i, glimpse_dtype dtype, buffer *b) {
    const char *name = hf_tensor_name(index, i);
    int dims[2];
    size_t n = hf_tensor_shape(index, i, dims);
    uint64_t rng = 1000000 + 1000 * (uint64_t)index + (uint64_t)i;
    bool norm = has(name, ".weight") && (has(name, "norm") || has(name, "ln_"));
    bool outer = has(name, "wte") || has(name, "wpe") || has(name, "embed_tokens") || has(name, "lm_head");
    for (size_t k = 0; k < n; k++) {
        uint64_t u = oracle_random(&rng);
        float v = (float)((int)(u >> 56) - 128) / 256 * (outer ? 1.0f : 0.5f);
        if (norm) v = 1 + (float)((int)(u >> 58) - 32) / 128;
        uint32_t bits;
        memcpy(&bits, &v, 4);
        uint16_t half = (uint16_t)(bits >> 16);
        if (dtype == GLIMPSE_F16)
            half = v == 0 ? 0 : (uint16_t)((bits >> 31) << 15 | ((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023));
        buf_put(b, dtype == GLIMPSE_F32 ? (void *)&bits : (void *)&half, dtype == GLIMPSE_F32 ? 4 : 2);
    }
}

static void put_u64(buffer *b, uint64_t v) {
    for (int i = 0; i < 8; i++) buf_putc(b, (char)(v >> 8 * i));
}

void hf_safetensors(int index, int from, int to, glimpse_dtype dtype, const char *prefix, buffer *b) {
    static const char *const names[] = {"F32", "BF16", "F16"};
    buffer head = {0}, data = {0};
    buf_puts(&head, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int i = from; i < to; i++) {
        int dims[2];
        size_t at = data.n;
        hf_tensor_shape(index, i, dims);
        hf_tensor_bytes(index, i, dtype, &data);
        buf_printf(&head, ",\"%s%s\":{\"dtype\":\"%s\",\"shape\":[%d", prefix, hf_tensor_name(index, i), names[dtype],
                   dims[0]);
        if (dims[1]) buf_printf(&head, ",%d", dims[1]);
        buf_printf(&head, "],\"data_offsets\":[%zu,%zu]}", at, data.n);
    }
    buf_puts(&head, "}");
    while (head.n % 8) buf_putc(&head, ' ');
    put_u64(b, head.n);
    buf_put(b, head.bytes, head.n);
    buf_put(b, data.bytes, data.n);
    buf_free(&head);
    buf_free(&data);
}

const char *hf_dir(const char *name) {
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", test_tmpdir(), name);
    EXPECT_OK(mkdir_p(path));
    return path;
}

const char *hf_save(const char *dir, const char *name, const void *bytes, size_t n) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    EXPECT_OK(file_write_atomic(path, bytes ? bytes : "", n, false));
    return path;
}

static double error_of(const backend_ops *ops, const model *m, int index, int p, bool one_by_one) {
    plan *pl = NULL;
    backend *be = NULL;
    double worst = NAN, largest = 0;
    int n = hf_lengths[p];
    backend_row rows[HF_T];
    const float *logits = NULL;
    int64_t stride = 0;
    backend_config cfg = {.threads = 1, .max_rows = HF_T, .max_logits = 1, .n_strips = 1, .strip_tokens = HF_T};
    if (!EXPECT_OK(plan_build(m, &pl))) return NAN;
    if (!EXPECT_OK(ops->open(&be, pl, &cfg))) goto out;
    if (!EXPECT_OK(ops->refresh(be))) goto out;
    for (int i = 0; i < n; i++) rows[i] = (backend_row){(7 * i * i + 3 * i + 11 * p) % HF_V, i, 0, -1, 0, i == n - 1, n};
    for (int i = 0; i < n; i += one_by_one ? 1 : n)
        if (!EXPECT_OK(ops->forward(be, rows + i, one_by_one ? 1 : n, &logits, &stride))) goto out;
    worst = 0;
    for (int v = 0; v < HF_V; v++) {
        double want = model_at(index)->logits[p][v], difference = fabs((double)logits[v] - want);
        if (!(difference <= worst)) worst = difference; /* a NaN stays */
        if (fabs(want) > largest) largest = fabs(want);
    }
    worst /= largest;
out:
    ops->close(be);
    plan_close(pl);
    return worst;
}

double hf_error(const model *m, int index) {
    double worst = 0;
    for (int p = 0; p < 3; p++)
        for (int k = 0; k < 4; k++) {
            double e = error_of(k & 1 ? &backend_cpu : &backend_reference, m, index, p, k & 2);
            if (!(e <= worst)) worst = e;
        }
    return worst;
}
