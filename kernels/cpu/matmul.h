/* matmul.h -- y = W x for a chunk of W's rows and all lines of x, then bias, activation and store while it is at hand.
 * Template: included by isa_*.c.
 *
 *   W (N, K)  f32, bf16, f16   rows as the trainer holds them      x (R, ld) f32, zeros after K
 *
 * A tile is 4 rows of W times up to TILE_ROWS lines of x: every sum is its own v16, lane j over k = j, j + 16, ..., so
 * a tile's shape cannot change a bit of it.  With few lines (decode) the panels of 4 rows of W are the outer loop: each
 * is read once from memory, the next one is prefetched meanwhile, and the lines come from the second-level cache.  With
 * many (prefill) the chunk of W stays in that cache and the lines stream through.  bf16 and f16 become f32 as they are
 * loaded where a panel is used once, and in scratch where it is used again. */
#ifndef GLIMPSE_KERNELS_CPU_MATMUL_H
#define GLIMPSE_KERNELS_CPU_MATMUL_H

#include "kernels/cpu/rows.h"

enum { PANEL = 4 };

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* A piece of memory that will be read soon: `bytes` more from `at` on, `step` lines of 64 bytes for each 16 of k. */
typedef struct ahead {
    const char *at;
    int step;
} ahead;

/* y[r * ldy + i] = dot(row i of w, line r of x), i < n_w, r < n_x. */
static ALWAYS_INLINE void tile(const int n_w, const int n_x, const glimpse_dtype dtype, const void *w, int64_t stride,
                               const float *x, int64_t ldx, int64_t k, float *y, int64_t ldy, ahead next) {
    v16 sum[PANEL][TILE_ROWS];
    UNROLL for (int i = 0; i < n_w; i++) {
        UNROLL for (int r = 0; r < n_x; r++) sum[i][r] = v16_zero();
    }
    int64_t j = 0;
    for (; j + 16 <= k; j += 16) {
        for (int s = 0; s < next.step; s++, next.at += 64) __builtin_prefetch(next.at, 0, 2);
        v16 v[PANEL];
        UNROLL for (int i = 0; i < n_w; i++) v[i] = weights_at(w, dtype, i * stride + j, 16);
        UNROLL for (int r = 0; r < n_x; r++) {
            v16 b = v16_load(x + r * ldx + j);
            UNROLL for (int i = 0; i < n_w; i++) sum[i][r] = v16_fma(v[i], b, sum[i][r]);
        }
    }
    if (j < k) {
        v16 v[PANEL];
        UNROLL for (int i = 0; i < n_w; i++) v[i] = weights_at(w, dtype, i * stride + j, (int)(k - j));
        UNROLL for (int r = 0; r < n_x; r++) {
            v16 b = v16_load(x + r * ldx + j);
            UNROLL for (int i = 0; i < n_w; i++) sum[i][r] = v16_fma(v[i], b, sum[i][r]);
        }
    }
    UNROLL for (int r = 0; r < n_x; r++) {
        if (n_w == PANEL) v16_sum4(y + r * ldy, sum[0][r], sum[1][r], sum[2][r], sum[3][r]);
        else y[r * ldy] = v16_sum(sum[0][r]);
    }
}

typedef void tile_fn(const void *w, int64_t stride, const float *x, int64_t ldx, int64_t k, float *y, int64_t ldy,
                     ahead next);

#define TILE(name, n_w, n_x, dtype)                                                                                    \
    static void name(const void *w, int64_t stride, const float *x, int64_t ldx, int64_t k, float *y, int64_t ldy,     \
                     ahead next) {                                                                                     \
        tile(n_w, (n_x) < TILE_ROWS ? (n_x) : TILE_ROWS, dtype, w, stride, x, ldx, k, y, ldy, next);                   \
    }
/* Shapes beyond TILE_ROWS are never called; clamped, they compile to the same code. */
#define TILES(type, dtype)                                                                                             \
    TILE(tile_##type##_4x1, 4, 1, dtype)                                                                               \
    TILE(tile_##type##_4x2, 4, 2, dtype)                                                                               \
    TILE(tile_##type##_4x3, 4, 3, dtype)                                                                               \
    TILE(tile_##type##_4x4, 4, 4, dtype)                                                                               \
    TILE(tile_##type##_4x5, 4, 5, dtype)                                                                               \
    TILE(tile_##type##_4x6, 4, 6, dtype)                                                                               \
    TILE(tile_##type##_1x1, 1, 1, dtype)                                                                               \
    TILE(tile_##type##_1x2, 1, 2, dtype)                                                                               \
    TILE(tile_##type##_1x3, 1, 3, dtype)                                                                               \
    TILE(tile_##type##_1x4, 1, 4, dtype)                                                                               \
    TILE(tile_##type##_1x5, 1, 5, dtype)                                                                               \
    TILE(tile_##type##_1x6, 1, 6, dtype)                                                                               \
    static tile_fn *const tiles_##type[2][6] = {                                                                       \
        {tile_##type##_4x1, tile_##type##_4x2, tile_##type##_4x3, tile_##type##_4x4, tile_##type##_4x5,                \
         tile_##type##_4x6},                                                                                           \
        {tile_##type##_1x1, tile_##type##_1x2, tile_##type##_1x3, tile_##type##_1x4, tile_##type##_1x5,                \
         tile_##type##_1x6}};
TILES(f32, GLIMPSE_F32)
TILES(bf16, GLIMPSE_BF16)
TILES(f16, GLIMPSE_F16)

typedef struct lines { /* n lines of x and where their products go */
    const float *x;
    int64_t ldx;
    int32_t n;
    float *y;
    int64_t ldy;
} lines;

/* rows (4 or 1) of W times all the lines, in tiles as even as can be. */
static void panel(const void *w, glimpse_dtype dtype, int64_t stride, int64_t k, int rows, const lines *l, int64_t col,
                  const char *next, int64_t next_bytes) {
    tile_fn *const *fn = dtype == GLIMPSE_F32    ? tiles_f32[rows == 1]
                         : dtype == GLIMPSE_BF16 ? tiles_bf16[rows == 1]
                                                 : tiles_f16[rows == 1];
    int32_t n_tiles = (l->n + TILE_ROWS - 1) / TILE_ROWS;
    int64_t blocks = k / 16 > 0 ? k / 16 : 1; /* the next panel's lines over this one's steps */
    int step = (int)((next_bytes + 64 * blocks * n_tiles - 1) / (64 * blocks * n_tiles));
    for (int32_t t = 0, r = 0; t < n_tiles; t++) {
        int32_t n = l->n / n_tiles + (t < l->n % n_tiles);
        ahead a = {next, next && (r == 0 || next_bytes > 64 * blocks * step * t) ? step : 0};
        fn[n - 1](w, stride, l->x + r * l->ldx, l->ldx, k, l->y + r * l->ldy + col, l->ldy, a);
        if (next) next += 64 * blocks * step;
        r += n;
    }
}

static void to_f32(const cpu_matrix *m, int64_t row, int64_t rows, float *out) {
    int64_t ld = round16(m->cols);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < m->cols; j += 16)
            v16_store(out + i * ld + j,
                      weights_at(m->data, m->dtype, (row + i) * m->stride + j, lanes(j, m->cols)));
}

/* Rows a .. b of one part, for all the lines; l->y is column a. */
static void part_few(const cpu_matrix *m, int64_t a, int64_t b, const lines *l, float *scratch) {
    int64_t es = (int64_t)dtype_bytes(m->dtype), panel_bytes = PANEL * m->stride * es;
    for (int64_t row = a; row < b;) {
        int rows = b - row >= PANEL ? PANEL : 1;
        const char *w = (const char *)m->data + row * m->stride * es;
        const char *next = row + 2 * PANEL <= m->rows ? w + panel_bytes : NULL;
        if (m->dtype != GLIMPSE_F32 && l->n > TILE_ROWS) {
            to_f32(m, row, rows, scratch);
            panel(scratch, GLIMPSE_F32, round16(m->cols), m->cols, rows, l, row - a, next, panel_bytes);
        } else {
            panel(w, m->dtype, m->stride, m->cols, rows, l, row - a, next, panel_bytes);
        }
        row += rows;
    }
}

/* The same with lines in the outer loop; w is f32 with row a first. */
static void part_many(const float *w, int64_t stride, int64_t k, int64_t n, const lines *l) {
    int32_t n_tiles = (l->n + TILE_ROWS - 1) / TILE_ROWS;
    for (int32_t t = 0, r = 0; t < n_tiles; t++) {
        int32_t m = l->n / n_tiles + (t < l->n % n_tiles);
        lines one = {l->x + r * l->ldx, l->ldx, m, l->y + r * l->ldy, l->ldy};
        for (int64_t row = 0; row < n;) {
            int rows = n - row >= PANEL ? PANEL : 1;
            panel(w + row * stride, GLIMPSE_F32, stride, k, rows, &one, row, NULL, 0);
            row += rows;
        }
        r += m;
    }
}

/* Columns n0 .. n1 of y, which may cross parts; `weights` is scratch for (n1 - n0, K) f32. */
static void columns(const cpu_phase *ph, int64_t n0, int64_t n1, const lines *l, bool many, float *weights) {
    int64_t first = 0;
    for (int i = 0; i < ph->p->n_parts; i++) {
        const cpu_matrix *m = &ph->part[i];
        int64_t a = n0 > first ? n0 - first : 0, b = n1 - first < m->rows ? n1 - first : m->rows;
        if (a < b) {
            lines here = *l;
            here.y += first + a - n0;
            int64_t es = (int64_t)dtype_bytes(m->dtype), ld = round16(m->cols);
            if (!many) part_few(m, a, b, &here, weights);
            else if (m->dtype == GLIMPSE_F32)
                part_many((const float *)(const void *)((const char *)m->data + a * m->stride * es), m->stride,
                          m->cols, b - a, &here);
            else part_many(weights + (first + a - n0) * ld, ld, m->cols, b - a, &here);
        }
        first += m->rows;
    }
}

/* The chunk's bf16 or f16 weights as f32, once for all the blocks of lines. */
static void chunk_to_f32(const cpu_phase *ph, int64_t n0, int64_t n1, float *weights) {
    int64_t first = 0;
    for (int i = 0; i < ph->p->n_parts; i++) {
        const cpu_matrix *m = &ph->part[i];
        int64_t a = n0 > first ? n0 - first : 0, b = n1 - first < m->rows ? n1 - first : m->rows;
        if (a < b && m->dtype != GLIMPSE_F32) to_f32(m, a, b - a, weights + (first + a - n0) * round16(m->cols));
        first += m->rows;
    }
}

static void matmul_chunk(const cpu_job *job, int32_t chunk, cpu_scratch *s) {
    const cpu_phase *ph = job->ph;
    cpu_backend *be = job->be;
    bool gated = ph->p->kind == PHASE_MATMUL && ph->p->store == STORE_GATED;
    int64_t half = gated ? ph->n / 2 : ph->n, n0 = chunk * ph->chunk;
    int64_t n1 = n0 + ph->chunk < half ? n0 + ph->chunk : half, n = n1 - n0, ld = round16(n);
    int64_t up = (int64_t)ROW_BLOCK * ld; /* where the other half's tile begins */
    bool many = job->n > ROW_BLOCK;
    float *w_up = s->weights + n * round16(ph->k);
    if (many) {
        chunk_to_f32(ph, n0, n1, s->weights);
        if (gated) chunk_to_f32(ph, half + n0, half + n1, w_up);
    }
    for (int32_t r0 = 0; r0 < job->n; r0 += ROW_BLOCK) {
        int32_t n_lines = job->n - r0 < ROW_BLOCK ? job->n - r0 : ROW_BLOCK;
        lines l = {job->in + r0 * job->ld_in, job->ld_in, n_lines, s->tile, ld};
        columns(ph, n0, n1, &l, many, s->weights);
        if (gated) {
            l.y = s->tile + up;
            columns(ph, half + n0, half + n1, &l, many, many ? w_up : s->weights);
        }
        for (int32_t i = 0; i < n_lines; i++) {
            int32_t line = r0 + i;
            float *y = s->tile + i * ld, *y2 = s->tile + up + i * ld;
            finish_columns(ph, y, n0, n);
            if (gated) finish_columns(ph, y2, half + n0, n);
            if (ph->post.on) {
                memcpy(be->y + line * be->ld_y + n0, y, (size_t)n * sizeof *y);
                if (gated) memcpy(be->y + line * be->ld_y + half + n0, y2, (size_t)n * sizeof *y);
            } else {
                store_columns(job, line, y, y2, n0, n);
            }
        }
    }
}

#endif
