/* embedding.c -- the cosine between the embeddings of two ids: `dot` of a record, colour mode dot_product. */
#include "sampling/generator.h"

#include "include/internal/status.h"
#include "kernels/dtype.h"
#include <math.h>

static double element(const matrix *w, int64_t row, int64_t col) {
    return (double)load_element(w->data, w->dtype, row * w->row_stride + col * w->col_stride);
}

static double cosine(const model *m, int32_t a, int32_t b) {
    double aa = 0, bb = 0, ab = 0;
    for (int64_t c = 0; c < m->wte.cols; c++) {
        double x = element(&m->wte, a, c), y = element(&m->wte, b, c);
        aa = fma(x, x, aa);
        bb = fma(y, y, bb);
        ab = fma(x, y, ab);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

glimpse_status generator_cosines(generator *g, const int32_t *pairs, int32_t n, float *out) {
    if (g->be && g->be->ops->cosines && !g->m->is_function) {
        pthread_mutex_lock(&g->lock);
        glimpse_status st = g->be->ops->cosines(g->be, pairs, n, out);
        pthread_mutex_unlock(&g->lock);
        return st;
    }
    for (int32_t i = 0; i < n; i++) out[i] = g->m->is_function ? 0 : (float)cosine(g->m, pairs[2 * i], pairs[2 * i + 1]);
    return GLIMPSE_OK;
}

void embedding_cosines(void *user, int32_t id, float *out) {
    enum { AT_ONCE = 1024 };
    generator *g = user;
    int32_t pairs[2 * AT_ONCE];
    for (int32_t at = 0, n; at < g->m->d.vocab_size; at += n) {
        n = g->m->d.vocab_size - at < AT_ONCE ? g->m->d.vocab_size - at : AT_ONCE;
        for (int32_t j = 0; j < n; j++) pairs[2 * j] = id, pairs[2 * j + 1] = at + j;
        if (generator_cosines(g, pairs, n, out + at) >= 0) continue;
        for (int32_t j = 0; j < n; j++) out[at + j] = NAN;
    }
}
