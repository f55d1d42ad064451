/* test_parity.c -- models that a script wrote a moment ago.  parity_models (tests/ref/parity_models.py): the logits of every
 * position, of the text at once and token by token, on both backends, against those of another implementation.
 * parity_snapshots (tests/ref/parity_snapshots.py): a run on each model with --save_snapshots, which the script then opens.
 *
 * GLIMPSE_PARITY_DIR/CASE/ has a checkpoint, ids.bin (n int32) and logits.bin (n, V f32); GLIMPSE_SNAPSHOT_DIR/CASE/ a checkpoint,
 * its tokenizer and ids.bin.  Skipped without; the frozen numbers of tests/ref/ run always (test_hf.c). */
#define _GNU_SOURCE
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "kernels/backend.h"
#include "plugin/guest.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/forward.h"
#include "tests/test.h"

/* The logits (n, V) of the text at once, appended to `out`. */
static bool logits_of(const model *m, const buffer *ids, buffer *out) {
    int32_t n = (int32_t)(ids->n / 4);
    backend_config cfg = {.threads = 2, .max_rows = n, .max_logits = n, .n_strips = 1, .strip_tokens = n};
    plan *p = NULL;
    backend *be = NULL;
    const float *logits = NULL;
    int64_t stride = 0;
    backend_row *rows = calloc((size_t)n, sizeof *rows);
    bool ok = rows && EXPECT_OK(plan_build(m, &p)) && EXPECT_OK(backend_cpu.open(&be, p, &cfg)) && EXPECT_OK(backend_cpu.refresh(be));
    for (int32_t i = 0; i < n && ok; i++)
        rows[i] = (backend_row){.pos = i, .prefix_strip = -1, .want_logits = 1, .reach = n}, memcpy(&rows[i].id, ids->bytes + 4 * i, 4);
    ok = ok && EXPECT_OK(backend_cpu.forward(be, rows, n, &logits, &stride));
    for (int32_t i = 0; i < n && ok; i++) buf_put(out, logits + i * stride, (size_t)m->d.vocab_size * sizeof *logits);
    if (be) backend_cpu.close(be);
    plan_close(p);
    free(rows);
    return ok && !buf_failed(out);
}

/* max |difference| / max |reference|; NAN when something failed. */
static double error_of(const backend_ops *ops, const model *m, const buffer *ids, const float *want, bool one_by_one) {
    int32_t n = (int32_t)(ids->n / 4), V = m->d.vocab_size, step = one_by_one ? 1 : n;
    backend_config cfg = {.threads = 2, .max_rows = n, .max_logits = n, .n_strips = 1, .strip_tokens = n};
    plan *p = NULL;
    backend *be = NULL;
    const float *logits = NULL;
    int64_t stride = 0;
    double worst = NAN, largest = 0, difference = 0;
    backend_row *rows = calloc((size_t)n, sizeof *rows);
    if (!rows || !EXPECT_OK(plan_build(m, &p)) || !EXPECT_OK(ops->open(&be, p, &cfg)) || !EXPECT_OK(ops->refresh(be)))
        goto out;
    for (int32_t i = 0; i < n; i++)
        rows[i] = (backend_row){.pos = i, .prefix_strip = -1, .want_logits = 1, .reach = n}, memcpy(&rows[i].id, ids->bytes + 4 * i, 4);
    for (int32_t i = 0; i < n; i += step) {
        if (!EXPECT_OK(ops->forward(be, rows + i, step, &logits, &stride))) goto out;
        for (int32_t k = 0; k < step; k++)
            for (int32_t v = 0; v < V; v++) {
                double w = (double)want[(int64_t)(i + k) * V + v], e = fabs((double)logits[k * stride + v] - w);
                if (!(e <= difference)) difference = e;
                if (fabs(w) > largest) largest = fabs(w);
            }
    }
    worst = difference / largest;
out:
    if (be) ops->close(be);
    plan_close(p);
    free(rows);
    return worst;
}

TEST_LIMIT(parity_models, 600) {
    const char *dir = getenv("GLIMPSE_PARITY_DIR");
    DIR *d = dir ? opendir(dir) : NULL;
    if (!d) SKIP("GLIMPSE_PARITY_DIR is not set (tests/ref/parity_models.py sets it)");
    int cases = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char path[4096];
        buffer ids = {0}, want = {0};
        model *m = NULL;
        snprintf(path, sizeof path, "%s/%s/ids.bin", dir, e->d_name);
        if (!path_is_file(path)) continue;
        REQUIRE_OK(file_read_all(path, 1 << 20, &ids));
        snprintf(path, sizeof path, "%s/%s/logits.bin", dir, e->d_name);
        REQUIRE_OK(file_read_all(path, 1 << 28, &want));
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        cases++;
        if (EXPECT_OK(checkpoint_open(path, NULL, NULL, &m))) {
            REQUIRE(want.n == ids.n * (size_t)m->d.vocab_size);
            double worst = 0;
            for (int k = 0; k < 4; k++) {
                double error = error_of(k & 1 ? &backend_cpu : &backend_reference, m, &ids, (const float *)(const void *)want.bytes, k & 2);
                if (!(error <= worst)) worst = error;
            }
            test_check(worst < 1e-5, __FILE__, __LINE__, "%s: error %g", e->d_name, worst);
            fprintf(stderr, "  %-24s %3d ids   max|diff| / max|logit| %.2g\n", e->d_name, (int)(ids.n / 4), worst);
            model_close(m);
        }
        buf_free(&ids), buf_free(&want);
    }
    closedir(d);
    EXPECT(cases > 0);
}

static void keep_line(void *user, const char *line) {
    (void)user;
    if (strstr(line, "snapshot")) fprintf(stderr, "  %s\n", line); /* what went wrong with one */
}

/* Two evals on the model of `dir`, as a trainer has it, in worker mode; our own logits beside it. */
static void run_with_snapshots(const char *dir) {
    char path[4096];
    buffer ids = {0}, logits = {0};
    model *m = NULL;
    glimpse_model d = GLIMPSE_MODEL_INIT;
    snprintf(path, sizeof path, "%s/ids.bin", dir);
    REQUIRE_OK(file_read_all(path, 1 << 20, &ids));
    REQUIRE_OK(checkpoint_open(dir, NULL, NULL, &m));
    snprintf(path, sizeof path, "%s/logits.bin", dir);
    if (logits_of(m, &ids, &logits)) EXPECT_OK(file_write_atomic(path, logits.bytes, logits.n, false));
    model_close(m);
    buf_free(&ids), buf_free(&logits);
    REQUIRE_OK(glimpse_model_load(dir, &d));
    EXPECT(d.tokenizer.path != NULL);
    glimpse_config *cfg = glimpse_config_new();
    glimpse_set_log(cfg, keep_line, NULL);
    snprintf(path, sizeof path, "%s/run", dir);
    EXPECT_OK(glimpse_set(cfg, "out_dir", path));
    EXPECT_OK(glimpse_set(cfg, "max_sample_tokens", "4"));
    EXPECT_OK(glimpse_set(cfg, "sample_each_eval", "true"));
    EXPECT_OK(glimpse_set(cfg, "save_snapshots", "true"));
    glimpse *g = glimpse_open(cfg, &d);
    EXPECT(g != NULL);
    for (int step = 0; step <= 10; step += 10) {
        EXPECT_OK(glimpse_eval(g, step, 2, 2));
        EXPECT_OK(glimpse_drain(g));
    }
    EXPECT_OK(glimpse_close(g));
    glimpse_config_free(cfg);
    glimpse_model_free(&d);
}

TEST_LIMIT(parity_snapshots, 600) {
    const char *dir = getenv("GLIMPSE_SNAPSHOT_DIR");
    char path[4096];
    DIR *d = dir ? opendir(dir) : NULL;
    if (!d) SKIP("GLIMPSE_SNAPSHOT_DIR is not set (tests/ref/parity_snapshots.py sets it)");
    snprintf(path, sizeof path, "%s/glimpse", test_build_dir());
    setenv("GLIMPSE_WORKER", path, 1);
    extern const session_api glimpse_session_v1;
    session_use(&glimpse_session_v1); /* glimpse_model_load's; the evals are the worker's */
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        run_with_snapshots(path);
    }
    closedir(d);
}
