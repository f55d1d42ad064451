/* embedding.c -- the cosine between the embeddings of two ids: `dot` of a record, colour mode dot_product. */
#include "sampling/generator.h"

#include <math.h>
#include <string.h>

static float bf16_value(uint16_t h) {
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static float f16_value(uint16_t h) {
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    float v = exponent == 31 ? (mantissa ? NAN : INFINITY)
              : exponent     ? ldexpf((float)(1024 + mantissa), exponent - 25)
                             : ldexpf((float)mantissa, -24);
    return h >> 15 ? -v : v;
}

static double element(const matrix *w, int64_t row, int64_t col) {
    int64_t at = row * w->row_stride + col * w->col_stride;
    switch (w->dtype) {
    case GLIMPSE_BF16: return (double)bf16_value(((const uint16_t *)w->data)[at]);
    case GLIMPSE_F16: return (double)f16_value(((const uint16_t *)w->data)[at]);
    default: return (double)((const float *)w->data)[at];
    }
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
