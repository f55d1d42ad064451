/* gpt_checkpoint.c -- see gpt_checkpoint.h.  Little-endian, as every machine this runs on. */
#define _GNU_SOURCE
#include "examples/train_gpt/gpt_checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examples/train_gpt/safe_file.h"

enum { MODEL_MAGIC = 20240326, MODEL_VERSION = 3, STATE_MAGIC = 20240527, STATE_VERSION = 1, HEADER = 256, PROGRESS_AT = 512 };

static int fail(char error[512], const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(char error[512], const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error, 512, format, args);
    va_end(args);
    return -1;
}

/* "dir/kind_00000250.bin"; 0, or -1 if it is too long. */
static int file_name(char path[SAFE_PATH], const char *dir, const char *kind, int64_t step) {
    int n = snprintf(path, SAFE_PATH, "%s/%s_%08lld.bin", dir, kind, (long long)step);
    return n > 0 && n < SAFE_PATH ? 0 : -1;
}

static int save_state(const char *path, const adamw *opt, const train_progress *progress) {
    int32_t header[HEADER] = {STATE_MAGIC, STATE_VERSION, 1};
    header[10] = (int32_t)progress->step;
    memcpy((char *)header + 80, &progress->batch_rng, sizeof progress->batch_rng);
    memcpy((char *)header + PROGRESS_AT, progress, sizeof *progress);
    safe_file f;
    if (safe_open(&f, path) < 0) return -1;
    safe_write(&f, header, sizeof header);
    safe_write(&f, opt->m, opt->n_params * sizeof(float));
    safe_write(&f, opt->v, opt->n_params * sizeof(float));
    return safe_close(&f);
}

static int save_model(const char *path, const gpt *model) {
    const gpt_config *c = &model->config;
    int32_t header[HEADER] = {MODEL_MAGIC, MODEL_VERSION, c->max_seq_len, c->vocab_size, c->n_layers, c->n_heads, c->channels, c->padded_vocab};
    safe_file f;
    if (safe_open(&f, path) < 0) return -1;
    safe_write(&f, header, sizeof header);
    safe_write(&f, model->params_memory, model->n_params * sizeof(float));
    return safe_close(&f);
}

int checkpoint_save(const char *dir, const gpt *model, const adamw *opt, const train_progress *progress, char error[512]) {
    char path[SAFE_PATH];
    if (file_name(path, dir, "state", progress->step) < 0) return fail(error, "the path of the directory is too long");
    if (save_state(path, opt, progress) < 0) return fail(error, "%.400s: %s", path, strerror(errno));
    if (file_name(path, dir, "model", progress->step) < 0) return fail(error, "the path of the directory is too long");
    if (save_model(path, model) < 0) return fail(error, "%.400s: %s", path, strerror(errno));
    return 0;
}

void checkpoint_remove(const char *dir, int64_t step) {
    char path[SAFE_PATH];
    if (file_name(path, dir, "model", step) == 0) unlink(path); /* a model file that is there has its state */
    if (file_name(path, dir, "state", step) == 0) unlink(path);
}

static int is_later(struct timespec a, struct timespec b) { return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec; }

int64_t checkpoint_newest(const char *dir) {
    int64_t newest = -1;
    struct timespec last = {0};
    DIR *d = opendir(dir);
    if (!d) return -1;
    for (struct dirent *e; (e = readdir(d));) {
        long long step;
        char tail, path[SAFE_PATH];
        struct stat state, model;
        if (strlen(e->d_name) != 18 || sscanf(e->d_name, "model_%8lld.bi%c", &step, &tail) != 2 || tail != 'n') continue;
        if (file_name(path, dir, "state", step) < 0 || stat(path, &state) < 0 || file_name(path, dir, "model", step) < 0 || stat(path, &model) < 0) continue;
        if (newest >= 0 && !is_later(model.st_mtim, last) && (is_later(last, model.st_mtim) || step <= newest)) continue;
        newest = step;
        last = model.st_mtim;
    }
    closedir(d);
    return newest;
}

/* Open a file and read its header; NULL with the reason. */
static FILE *open_header(const char *path, int32_t header[HEADER], int32_t magic, int32_t version, char error[512]) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        fail(error, "%.400s: %s", path, strerror(errno));
        return NULL;
    }
    if (fread(header, sizeof *header, HEADER, f) != HEADER) fail(error, "%.400s: shorter than its header of 1024 bytes", path);
    else if (header[0] != magic) fail(error, "%.400s: magic number %d expected, %d found", path, magic, header[0]);
    else if (header[1] != version) fail(error, "%.400s: version %d expected, %d found", path, version, header[1]);
    else return f;
    fclose(f);
    return NULL;
}

int checkpoint_read_config(const char *dir, int64_t step, gpt_config *config, char error[512]) {
    char path[SAFE_PATH];
    const char *why;
    int32_t h[HEADER];
    if (file_name(path, dir, "model", step) < 0) return fail(error, "the path of the directory is too long");
    FILE *f = open_header(path, h, MODEL_MAGIC, MODEL_VERSION, error);
    if (!f) return -1;
    fclose(f);
    gpt_config c = {.max_seq_len = h[2], .vocab_size = h[3], .n_layers = h[4], .n_heads = h[5], .channels = h[6], .padded_vocab = h[7]};
    if (!gpt_config_ok(&c, &why)) return fail(error, "%.400s: %s", path, why);
    *config = c;
    return 0;
}

/* Read n floats and, if `last`, see that nothing follows. */
static int read_floats(FILE *f, float *to, size_t n, int last, const char *path, char error[512]) {
    if (fread(to, sizeof(float), n, f) != n) return fail(error, "%.400s: shorter than its header says", path);
    if (last && fgetc(f) != EOF) return fail(error, "%.400s: longer than its header says", path);
    return 0;
}

int checkpoint_load(const char *dir, int64_t step, gpt *model, adamw *opt, train_progress *progress, char error[512]) {
    char path[SAFE_PATH];
    int32_t header[HEADER];
    int rc = -1;
    if (file_name(path, dir, "model", step) < 0) return fail(error, "the path of the directory is too long");
    FILE *f = open_header(path, header, MODEL_MAGIC, MODEL_VERSION, error);
    if (!f) return -1;
    rc = read_floats(f, model->params_memory, model->n_params, 1, path, error);
    fclose(f);
    if (rc < 0 || file_name(path, dir, "state", step) < 0) return -1;
    f = open_header(path, header, STATE_MAGIC, STATE_VERSION, error);
    if (!f) return -1;
    memcpy(progress, (char *)header + PROGRESS_AT, sizeof *progress);
    if (progress->step != step || progress->adamw_steps < 0 || progress->batch_rng == 0) rc = fail(error, "%.400s: not a state of this trainer", path);
    if (rc == 0) rc = read_floats(f, opt->m, opt->n_params, 0, path, error);
    if (rc == 0) rc = read_floats(f, opt->v, opt->n_params, 1, path, error);
    if (rc == 0) opt->steps = progress->adamw_steps;
    fclose(f);
    return rc;
}
