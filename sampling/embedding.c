/* embedding.c -- the cosine between the embeddings of two ids: `dot` of a record, colour mode dot_product. */
#include "sampling/generator.h"

#include "kernels/dtype.h"
#include <math.h>

static double element(const matrix *w, int64_t row, int64_t col) {
    return (double)load_element(w->data, w->dtype, row * w->row_stride + col * w->col_stride);
}

double embedding_cosine(const model *m, int32_t a, int32_t b) {
    double aa = 0, bb = 0, ab = 0;
    for (int64_t c = 0; c < m->wte.cols; c++) {
        double x = element(&m->wte, a, c), y = element(&m->wte, b, c);
        aa = fma(x, x, aa);
        bb = fma(y, y, bb);
        ab = fma(x, y, ab);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

void embedding_cosines(void *user, int32_t id, float *out) {
    const model *m = user;
    for (int32_t j = 0; j < m->d.vocab_size; j++) out[j] = (float)embedding_cosine(m, id, j);
}
