/* bench_load.c -- how fast a checkpoint becomes a model: 500 MB of safetensors against reading the same file into memory that
 * was just allocated, in turns, from the page cache (the disk is the same for both).  The ratio of medians is printed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "include/internal/threads.h"
#include "sampling/checkpoint/checkpoint.h"

enum { C = 1024, L = 10, F = 2816, V = 4096, ROUNDS = 7 };

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void entry(buffer *head, int64_t *at, const char *name, int layer, int rows, int cols) {
    int64_t n = 4 * (int64_t)rows * (cols ? cols : 1);
    buf_printf(head, "%s\"", head->n > 1 ? "," : "");
    if (layer >= 0) buf_printf(head, "model.layers.%d.", layer);
    buf_printf(head, "%s\":{\"dtype\":\"F32\",\"shape\":[%d", name, rows);
    if (cols) buf_printf(head, ",%d", cols);
    buf_printf(head, "],\"data_offsets\":[%lld,%lld]}", (long long)*at, (long long)(*at + n));
    *at += n;
}

static bool make(const char *dir, const char *path, int64_t *bytes) {
    buffer head = {0}, config = {0};
    int64_t at = 0;
    char file[4096];
    buf_puts(&head, "{");
    entry(&head, &at, "model.embed_tokens.weight", -1, V, C);
    for (int l = 0; l < L; l++) {
        entry(&head, &at, "input_layernorm.weight", l, C, 0);
        entry(&head, &at, "self_attn.q_proj.weight", l, C, C), entry(&head, &at, "self_attn.k_proj.weight", l, C, C);
        entry(&head, &at, "self_attn.v_proj.weight", l, C, C), entry(&head, &at, "self_attn.o_proj.weight", l, C, C);
        entry(&head, &at, "post_attention_layernorm.weight", l, C, 0);
        entry(&head, &at, "mlp.gate_proj.weight", l, F, C), entry(&head, &at, "mlp.up_proj.weight", l, F, C);
        entry(&head, &at, "mlp.down_proj.weight", l, C, F);
    }
    entry(&head, &at, "model.norm.weight", -1, C, 0);
    buf_puts(&head, "}");
    uint64_t n = head.n;
    buf_printf(&config, "{\"model_type\":\"llama\",\"hidden_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":16,"
               "\"intermediate_size\":%d,\"vocab_size\":%d,\"max_position_embeddings\":64,\"tie_word_embeddings\":true}", C, L, F, V);
    snprintf(file, sizeof file, "%s/config.json", dir);
    bool ok = file_write_atomic(file, config.bytes, config.n, false) >= 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    float *block = malloc(1 << 20);
    for (int i = 0; block && i < 1 << 18; i++) block[i] = (float)(i % 97) / 97;
    ok = ok && fd >= 0 && block && write(fd, &n, 8) == 8 && write(fd, head.bytes, head.n) == (ssize_t)head.n;
    for (int64_t done = 0; ok && done < at;) {
        int64_t k = at - done < 1 << 20 ? at - done : 1 << 20;
        ok = write(fd, block, (size_t)k) == k;
        done += k;
    }
    if (fd >= 0) close(fd);
    *bytes = at + (int64_t)head.n + 8;
    free(block);
    buf_free(&head);
    buf_free(&config);
    return ok;
}

int main(void) {
    char dir[] = "/tmp/bench_load.XXXXXX", path[64];
    double load[ROUNDS], raw[ROUNDS];
    int64_t bytes = 0;
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    int code = !make(dir, path, &bytes);
    for (int i = 0; i < ROUNDS && !code; i++) {
        model *m = NULL;
        double t0 = monotonic_s();
        code = checkpoint_open(dir, NULL, NULL, &m) < 0;
        double t1 = monotonic_s();
        model_close(m);
        double t2 = monotonic_s();
        char *memory = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);
        int fd = open(path, O_RDONLY);
        for (int64_t at = 0; memory && at < bytes;) {
            ssize_t k = pread(fd, memory + at, (size_t)(bytes - at < 16 << 20 ? bytes - at : 16 << 20), at);
            if (k <= 0) break;
            at += k;
        }
        close(fd);
        double t3 = monotonic_s();
        free(memory);
        load[i] = t1 - t0, raw[i] = t3 - t2;
    }
    if (code) fprintf(stderr, "bench_load: %s\n", status_text());
    qsort(load, ROUNDS, sizeof *load, rising);
    qsort(raw, ROUNDS, sizeof *raw, rising);
    if (!code)
        printf("%.0f MB safetensors: load %.1f ms, read %.1f ms, ratio %.2f\n", (double)bytes / 1e6, load[ROUNDS / 2] * 1e3,
               raw[ROUNDS / 2] * 1e3, load[ROUNDS / 2] / raw[ROUNDS / 2]);
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", dir);
    unlink(path);
    rmdir(dir);
    return code;
}
