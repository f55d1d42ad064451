/* gpt_loops.c -- see gpt_loops.h.  Written so that gcc and clang vectorise every loop without -ffast-math: sums ask for
 * their reordering by `omp simd reduction`, and the exponential is a polynomial instead of a call of libm. */
#include "examples/train_gpt/gpt_loops.h"

#include <math.h>
#include <string.h>

/* One body, three machine codes; the loader takes the widest that the processor has.  Sanitizers' start-up and ifunc
 * resolvers do not get along, hence the plain version there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PLAIN_LOOPS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PLAIN_LOOPS 1
#endif
#endif
#if defined(__clang__) && __clang_major__ < 18 /* names its clones so that another file does not find them */
#define PLAIN_LOOPS 1
#endif
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(PLAIN_LOOPS)
#define CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define CLONES
#endif

#ifdef __clang__ /* it cannot reorder a float maximum without -ffast-math, and says so; the scalar loop is right, too */
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

/* e^x within 2 units in the last place for x in [-87, 88], clamped outside; NaN stays NaN.  x = n ln2 + r, |r| <= ln2/2;
 * the polynomial is Cephes' expf (Moshier).  Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. */
static inline __attribute__((always_inline)) float exp_fast(float x) {
    const float magic = 12582912.0f;
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float t = x * 1.44269504088896341f + magic, n = t - magic;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (int32_t)((uint32_t)(bits - 0x4B400000 + 127) << 23); /* 0x4B400000 are the bits of `magic` */
    float two_n;
    memcpy(&two_n, &bits, sizeof two_n);
    return p * two_n;
}

CLONES void loops_embed(float *out, const int32_t *ids, const float *wte, const float *wpe, int N, int T, int C) {
    for (int i = 0; i < N; i++) {
        float *restrict o = out + (long)i * C;
        const float *e = wte + (long)ids[i] * C, *p = wpe + (long)(i % T) * C;
        for (int c = 0; c < C; c++) o[c] = e[c] + p[c];
    }
}

CLONES void loops_embed_backward(float *dwte, float *dwpe, const float *dout, const int32_t *ids, int N, int T, int C) {
    for (int i = 0; i < N; i++) {
        const float *d = dout + (long)i * C;
        float *restrict e = dwte + (long)ids[i] * C, *restrict p = dwpe + (long)(i % T) * C;
        for (int c = 0; c < C; c++) e[c] += d[c];
        for (int c = 0; c < C; c++) p[c] += d[c];
    }
}

CLONES void loops_layernorm(float *out, float *mean, float *rstd, const float *in, const float *w, const float *b, int N, int C) {
    for (int i = 0; i < N; i++) {
        const float *x = in + (long)i * C;
        float *restrict o = out + (long)i * C;
        float sum = 0.0f, squares = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int c = 0; c < C; c++) sum += x[c];
        float m = sum / (float)C;
#pragma omp simd reduction(+ : squares)
        for (int c = 0; c < C; c++) squares += (x[c] - m) * (x[c] - m);
        float s = 1.0f / sqrtf(squares / (float)C + 1e-5f);
        for (int c = 0; c < C; c++) o[c] = (x[c] - m) * s * w[c] + b[c];
        mean[i] = m;
        rstd[i] = s;
    }
}

CLONES void loops_layernorm_backward(float *din, float *dw, float *db, const float *dout, const float *in, const float *w,
                                     const float *mean, const float *rstd, int N, int C) {
    for (int i = 0; i < N; i++) {
        const float *x = in + (long)i * C, *d = dout + (long)i * C;
        float *restrict dx = din + (long)i * C, *restrict gw = dw, *restrict gb = db;
        float m = mean[i], s = rstd[i], dot = 0.0f, sum = 0.0f;
#pragma omp simd reduction(+ : dot, sum)
        for (int c = 0; c < C; c++) {
            float norm = (x[c] - m) * s, dn = d[c] * w[c];
            dot += dn * norm;
            sum += dn;
        }
        dot /= (float)C;
        sum /= (float)C;
        for (int c = 0; c < C; c++) {
            float norm = (x[c] - m) * s;
            gb[c] += d[c];
            gw[c] += d[c] * norm;
            dx[c] += (d[c] * w[c] - sum - norm * dot) * s;
        }
    }
}

CLONES void loops_bias(float *out, const float *in, const float *b, int N, int C) {
    for (int i = 0; i < N; i++) {
        float *restrict o = out + (long)i * C;
        if (in) {
            const float *x = in + (long)i * C;
            for (int c = 0; c < C; c++) o[c] = x[c] + b[c];
        } else {
            memcpy(o, b, (size_t)C * sizeof(float));
        }
    }
}

CLONES void loops_bias_backward(float *db, const float *dout, int N, int C) {
    for (int i = 0; i < N; i++) {
        const float *d = dout + (long)i * C;
        float *restrict g = db;
        for (int c = 0; c < C; c++) g[c] += d[c];
    }
}

/* 0.5 x (1 + tanh u) = x / (1 + e^-2u) with u = sqrt(2/pi) (x + 0.044715 x^3): one exponential, no tanh. */
CLONES void loops_gelu(float *out, const float *in, int n) {
    float *restrict o = out;
#pragma omp simd
    for (int i = 0; i < n; i++) {
        float x = in[i], u2 = 1.5957691216057308f * (x + 0.044715f * x * x * x);
        o[i] = x / (1.0f + exp_fast(-u2));
    }
}

CLONES void loops_gelu_backward(float *d, const float *in, int n) {
    float *restrict g = d;
#pragma omp simd
    for (int i = 0; i < n; i++) {
        float x = in[i], u2 = 1.5957691216057308f * (x + 0.044715f * x * x * x);
        float s = 1.0f / (1.0f + exp_fast(-u2));
        float slope = 1.5957691216057308f * (1.0f + 3.0f * 0.044715f * x * x); /* d u2 / d x */
        g[i] *= s + x * s * (1.0f - s) * slope;
    }
}

CLONES void loops_causal_softmax(float *s, int ld, int i0, int rows, int cols, float scale) {
    for (int i = 0; i < rows; i++) {
        float *restrict row = s + (long)i * ld;
        int n = i0 + i + 1;
        float top = row[0], sum = 0.0f;
#pragma omp simd reduction(max : top)
        for (int j = 0; j < n; j++) top = row[j] > top ? row[j] : top;
#pragma omp simd reduction(+ : sum)
        for (int j = 0; j < n; j++) {
            float e = exp_fast((row[j] - top) * scale);
            row[j] = e;
            sum += e;
        }
        float inverse = 1.0f / sum;
        for (int j = 0; j < n; j++) row[j] *= inverse;
        for (int j = n; j < cols; j++) row[j] = 0.0f;
    }
}

CLONES void loops_causal_softmax_backward(float *dp, int ldd, const float *p, int ldp, int i0, int rows, int cols, float scale) {
    for (int i = 0; i < rows; i++) {
        float *restrict d = dp + (long)i * ldd;
        const float *q = p + (long)i * ldp;
        int n = i0 + i + 1;
        float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
        for (int j = 0; j < n; j++) dot += d[j] * q[j];
        for (int j = 0; j < n; j++) d[j] = q[j] * (d[j] - dot) * scale;
        for (int j = n; j < cols; j++) d[j] = 0.0f;
    }
}

CLONES double loops_cross_entropy(float *logits, const int32_t *targets, int N, int V, int Vp, float scale, float *each) {
    double loss = 0.0;
    for (int i = 0; i < N; i++) {
        float *restrict l = logits + (long)i * Vp;
        int target = targets[i];
        float top = l[0], sum = 0.0f, at_target = l[target];
#pragma omp simd reduction(max : top)
        for (int v = 0; v < V; v++) top = l[v] > top ? l[v] : top;
        if (scale == 0.0f) {
#pragma omp simd reduction(+ : sum)
            for (int v = 0; v < V; v++) sum += exp_fast(l[v] - top);
        } else {
#pragma omp simd reduction(+ : sum)
            for (int v = 0; v < V; v++) {
                float e = exp_fast(l[v] - top);
                l[v] = e;
                sum += e;
            }
            float inverse = scale / sum;
            for (int v = 0; v < V; v++) l[v] *= inverse;
            for (int v = V; v < Vp; v++) l[v] = 0.0f;
            l[target] -= scale;
        }
        double of_token = log((double)sum) + (double)top - (double)at_target;
        if (each) each[i] = (float)of_token;
        loss += of_token;
    }
    return loss;
}

CLONES void loops_add(float *acc, const float *x, int n) {
    float *restrict a = acc;
    for (int i = 0; i < n; i++) a[i] += x[i];
}

CLONES double loops_square_sum(const float *x, int n) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

CLONES void loops_adamw(float *w, float *m, float *v, const float *g, int n, float g_scale, float lr, float beta1, float beta2,
                        float c1, float c2, float eps, float decay) {
    float *restrict pw = w, *restrict pm = m, *restrict pv = v;
#pragma omp simd
    for (int i = 0; i < n; i++) {
        float d = g[i] * g_scale;
        float m1 = beta1 * pm[i] + (1.0f - beta1) * d, v1 = beta2 * pv[i] + (1.0f - beta2) * d * d;
        pm[i] = m1;
        pv[i] = v1;
        pw[i] -= lr * (m1 / c1) / (sqrtf(v1 / c2) + eps) + decay * pw[i];
    }
}
