/* matmul.h -- y = W x for a chunk of W's rows and all lines of x, then bias, activation and store while it is at hand.
 * Template: included by isa_*.c.
 *
 *   W (N, K)  f32, bf16, f16   rows as the trainer holds them      x (R, ld) f32, zeros after K
 *
 * A tile is PANEL rows of W times up to TILE_ROWS lines of x: every sum is its own v16, lane j over k = j, j + 16, ...,
 * so a tile's shape cannot change a bit of it.  A panel stays in the first-level cache while the lines pass from the
 * second (long rows: K_BLOCK at a time, the sums wait in scratch), and meanwhile the next panel is prefetched into the
 * second: W is read from memory once for all the lines of a block.  bf16 and f16 become f32 as they are loaded where a
 * panel is used once, and in scratch where it is used again. */
#ifndef GLIMPSE_KERNELS_CPU_MATMUL_H
#define GLIMPSE_KERNELS_CPU_MATMUL_H

#include "kernels/cpu/rows.h"

enum { K_BLOCK = 768 /* x 8 rows x 4 bytes: half of a first-level cache */ };

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define HOLD_POINTER(p) __asm__("" : "+r"(p))
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Memory that will be read soon: `rate` 256ths of a line of 64 bytes for each 16 of k. */
typedef struct ahead {
    const char *at;
    int rate;
} ahead;

/* y[r * ldy + i] = dot(row i of w, line r of x), i < n_w, r < n_x, over k.  `state`: sums to go on with (unless first)
 * and to leave (unless last) when a row is cut into blocks of k; only the last block may be no multiple of 16. */
typedef struct sums {
    float *state;
    bool first, last;
} sums;

static ALWAYS_INLINE void tile(const int n_w, const int n_x, const glimpse_dtype dtype, const void *w, int64_t stride,
                               const float *x, int64_t ldx, int64_t k, float *y, int64_t ldy, sums part, ahead next) {
    v16 sum[PANEL][TILE_ROWS];
    UNROLL for (int i = 0; i < n_w; i++) {
        UNROLL for (int r = 0; r < n_x; r++)
            sum[i][r] = part.first ? v16_zero() : v16_load(part.state + 16 * (i * n_x + r));
    }
    /* Two bases and three offsets reach eight rows; left alone, the compiler keeps eight pointers and spills. */
    const int64_t ws = stride * (int64_t)dtype_bytes(dtype), ws3 = 3 * ws, step = 16 * (int64_t)dtype_bytes(dtype);
    const char *w0 = w, *w4 = w0 + 4 * ws;
#define ROW_OF_W(i) ((i) < 4 ? w0 : w4) + (((i) & 3) == 3 ? ws3 : ((i) & 3) * ws)
    int64_t j = 0;
    for (int credit = 0; j + 16 <= k; j += 16, w0 += step, w4 += step, x += 16) {
        HOLD_POINTER(w0);
        HOLD_POINTER(w4);
        HOLD_POINTER(x);
        for (credit += next.rate; credit >= 256; credit -= 256, next.at += 64) {
            if (n_x == 1) __builtin_prefetch(next.at, 0, 3); /* used at once */
            else __builtin_prefetch(next.at, 0, 2);
        }
        v16 b[TILE_ROWS];
        UNROLL for (int r = 0; r < n_x; r++) b[r] = v16_load(x + r * ldx);
        UNROLL for (int i = 0; i < n_w; i++) {
            v16 v = weights_at(ROW_OF_W(i), dtype, 0, 16);
            if (n_x > 1) v16_hold(&v); /* one load for all lines, not one in each fma */
            UNROLL for (int r = 0; r < n_x; r++) sum[i][r] = v16_fma(v, b[r], sum[i][r]);
        }
    }
    if (j < k) {
        UNROLL for (int i = 0; i < n_w; i++) {
            v16 v = weights_at(ROW_OF_W(i), dtype, 0, (int)(k - j));
            UNROLL for (int r = 0; r < n_x; r++) sum[i][r] = v16_fma(v, v16_load(x + r * ldx), sum[i][r]);
        }
    }
#undef ROW_OF_W
    if (!part.last) {
        UNROLL for (int i = 0; i < n_w; i++) {
            UNROLL for (int r = 0; r < n_x; r++) v16_store(part.state + 16 * (i * n_x + r), sum[i][r]);
        }
        return;
    }
    UNROLL for (int r = 0; r < n_x; r++) {
        UNROLL for (int i = 0; i + 4 <= n_w; i += 4)
            v16_sum4(y + r * ldy + i, sum[i][r], sum[i + 1][r], sum[i + 2][r], sum[i + 3][r]);
        if (n_w == 1) y[r * ldy] = v16_sum(sum[0][r]);
    }
}

typedef void tile_fn(const void *w, int64_t stride, const float *x, int64_t ldx, int64_t k, float *y, int64_t ldy,
                     sums part, ahead next);

#define TILE(name, n_w, n_x, dtype)                                                                                    \
    static void name(const void *w, int64_t stride, const float *x, int64_t ldx, int64_t k, float *y, int64_t ldy,     \
                     sums part, ahead next) {                                                                          \
        tile((n_w) < PANEL ? (n_w) : PANEL, (n_x) < TILE_ROWS ? (n_x) : TILE_ROWS, dtype, w, stride, x, ldx, k, y,     \
             ldy, part, next);                                                                                         \
    }
/* Shapes beyond PANEL and TILE_ROWS are never called; clamped, they compile to the same code. */
#define TILES(type, dtype)                                                                                             \
    TILE(tile_##type##_8x1, 8, 1, dtype)                                                                               \
    TILE(tile_##type##_8x2, 8, 2, dtype)                                                                               \
    TILE(tile_##type##_8x3, 8, 3, dtype)                                                                               \
    TILE(tile_##type##_4x1, 4, 1, dtype)                                                                               \
    TILE(tile_##type##_4x2, 4, 2, dtype)                                                                               \
    TILE(tile_##type##_4x3, 4, 3, dtype)                                                                               \
    TILE(tile_##type##_1x1, 1, 1, dtype)                                                                               \
    TILE(tile_##type##_1x2, 1, 2, dtype)                                                                               \
    TILE(tile_##type##_1x3, 1, 3, dtype)                                                                               \
    static tile_fn *const tiles_##type[3][3] = {{tile_##type##_1x1, tile_##type##_1x2, tile_##type##_1x3},             \
                                                {tile_##type##_4x1, tile_##type##_4x2, tile_##type##_4x3},             \
                                                {tile_##type##_8x1, tile_##type##_8x2, tile_##type##_8x3}};
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

/* `rows` (8, 4 or 1) rows of W times all the lines, in tiles as even as can be; meanwhile the next panel is called. */
static void panel(const void *w, glimpse_dtype dtype, int64_t stride, int64_t k, int rows, const lines *l, int64_t col,
                  const char *next, int64_t next_bytes, float *state) {
    tile_fn *const *fn = dtype == GLIMPSE_F32    ? tiles_f32[rows / 4]
                         : dtype == GLIMPSE_BF16 ? tiles_bf16[rows / 4]
                                                 : tiles_f16[rows / 4];
    int32_t n_tiles = (l->n + TILE_ROWS - 1) / TILE_ROWS;
    int64_t steps = k / 16 > 0 ? k / 16 : 1, blocks = n_tiles > 1 ? (k + K_BLOCK - 1) / K_BLOCK : 1;
    int64_t rate = (next_bytes / 64 * 256 + steps * n_tiles - 1) / (steps * n_tiles);
    int64_t k_block = round16((k + blocks - 1) / blocks);
    for (int64_t k0 = 0; k0 < k; k0 += k_block) {
        int64_t kn = k - k0 < k_block ? k - k0 : k_block;
        const char *from = (const char *)w + k0 * (int64_t)dtype_bytes(dtype);
        for (int32_t t = 0, r = 0; t < n_tiles; t++) {
            int32_t n = l->n / n_tiles + (t < l->n % n_tiles);
            sums part = {state + t * 16 * PANEL * TILE_ROWS, k0 == 0, k0 + kn == k};
            ahead a = {next, next ? (int)rate : 0};
            fn[n - 1](from, stride, l->x + r * l->ldx + k0, l->ldx, kn, l->y + r * l->ldy + col, l->ldy, part, a);
            if (next) next += kn / 16 * rate / 256 * 64;
            r += n;
        }
    }
}

static ALWAYS_INLINE void halves_to_f32(const glimpse_dtype dtype, const cpu_matrix *m, int64_t row, int rows,
                                        float *out) {
    const uint16_t *from = (const uint16_t *)m->data + row * m->stride;
    for (int i = 0; i < rows; i++, from += m->stride) {
        int64_t j = 0;
        for (; j + 16 <= m->cols; j += 16, out += 16) v16_store(out, weights_at(from, dtype, j, 16));
        if (j == m->cols) continue;
        v16_store(out, weights_at(from, dtype, j, (int)(m->cols - j)));
        out += 16;
    }
}

/* `rows` rows of bf16 or f16 as f32, each with zeros to the multiple of 16. */
static void to_f32(const cpu_matrix *m, int64_t row, int rows, float *out) {
    if (m->dtype == GLIMPSE_BF16) halves_to_f32(GLIMPSE_BF16, m, row, rows, out);
    else halves_to_f32(GLIMPSE_F16, m, row, rows, out);
}

/* Rows a .. b of one part, for all the lines; l->y is column a.  `skip`: rows to where this thread probably goes on. */
static void part_rows(const cpu_matrix *m, int64_t a, int64_t b, int64_t skip, const lines *l, cpu_scratch *s) {
    int64_t es = (int64_t)dtype_bytes(m->dtype);
    int most = l->n > 1 ? PANEL : 4; /* one line: fewer streams from memory at once */
    for (int64_t row = a; row < b;) {
        int rows = b - row >= most ? most : b - row >= 4 ? 4 : 1;
        int64_t then = row + rows < b ? row + rows : b + skip, bytes = rows * m->stride * es;
        const char *w = (const char *)m->data + row * m->stride * es;
        const char *next = then + rows <= m->rows ? (const char *)m->data + then * m->stride * es : NULL;
        if (m->dtype != GLIMPSE_F32 && l->n > TILE_ROWS) {
            to_f32(m, row, rows, s->weights);
            panel(s->weights, GLIMPSE_F32, round16(m->cols), m->cols, rows, l, row - a, next, bytes, s->state);
        } else {
            panel(w, m->dtype, m->stride, m->cols, rows, l, row - a, next, bytes, s->state);
        }
        row += rows;
    }
}

/* Columns n0 .. n1 of y, which may cross parts. */
static void columns(const cpu_phase *ph, int64_t n0, int64_t n1, int64_t skip, const lines *l, cpu_scratch *s) {
    int64_t first = 0;
    for (int i = 0; i < ph->p->n_parts; i++) {
        const cpu_matrix *m = &ph->part[i];
        int64_t a = n0 > first ? n0 - first : 0, b = n1 - first < m->rows ? n1 - first : m->rows;
        if (a < b) {
            lines here = *l;
            here.y += first + a - n0;
            part_rows(m, a, b, skip, &here, s);
        }
        first += m->rows;
    }
}

static void matmul_chunk(const cpu_job *job, int32_t chunk, cpu_scratch *s) {
    const cpu_phase *ph = job->ph;
    cpu_backend *be = job->be;
    bool gated = ph->p->kind == PHASE_MATMUL && ph->p->store == STORE_GATED;
    int64_t half = gated ? ph->n / 2 : ph->n, n0 = chunk * ph->chunk;
    int64_t n1 = n0 + ph->chunk < half ? n0 + ph->chunk : half, n = n1 - n0, ld = round16(n);
    int64_t up = (int64_t)ROW_BLOCK * ld, skip = (be->n_scratch - 1) * ph->chunk; /* the other threads' chunks */
    for (int32_t r0 = 0; r0 < job->n; r0 += ROW_BLOCK) {
        int32_t n_lines = job->n - r0 < ROW_BLOCK ? job->n - r0 : ROW_BLOCK;
        lines l = {job->in + r0 * job->ld_in, job->ld_in, n_lines, s->tile, ld};
        columns(ph, n0, n1, skip, &l, s);
        if (gated) {
            l.y = s->tile + up; /* where the other half's tile begins */
            columns(ph, half + n0, half + n1, skip, &l, s);
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
