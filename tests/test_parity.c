/* test_parity.c -- models that a script wrote a moment ago (tests/ref/parity_models.py): the logits of every position, of the
 * text at once and token by token, on both backends, against those of another implementation.
 *
 * GLIMPSE_PARITY_DIR/CASE/ has a checkpoint, ids.bin (n int32) and logits.bin (n, V f32).  Skipped without it; the frozen
 * numbers of tests/ref/ run always (test_hf.c). */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "kernels/backend.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/forward.h"
#include "tests/test.h"

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
