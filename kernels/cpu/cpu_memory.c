/* cpu_memory.c -- the CPU backend's memory: blocks, the plan with its pointers resolved, and the weights' other layouts.
 *
 * Row-major matrices are read where the trainer holds them.  Others (transposed, strided) and all vectors (norms,
 * biases: small) are copied at each refresh, in the order in which they were found at open.  Called by backend_cpu.c. */
#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "include/internal/status.h"
#include "kernels/cpu/cpu.h"
#include "kernels/dtype.h"

enum { HUGE_PAGE = 2 << 20, CHUNK_BYTES = 256 << 10, RELAY_TILE = 32 };

typedef struct cpu_block { /* before the memory it stands for: one allocation each, in a list */
    struct cpu_block *next;
    void *memory;
    enum { BLOCK_PLAIN, BLOCK_MATRIX, BLOCK_VECTOR, BLOCK_ROPE } kind;
    matrix from;          /* BLOCK_MATRIX */
    vector parts[PLAN_MAX_PARTS]; /* BLOCK_VECTOR: one after another */
    int64_t part_n[PLAN_MAX_PARTS];
    float add;            /* to each element: 1 for a norm's weight stored as w - 1 */
    rope_spec rope;       /* BLOCK_ROPE */
} cpu_block;

static glimpse_status take_block(cpu_backend *be, cpu_block **out, const char *what, int64_t a, int64_t b, int64_t c,
                                 size_t size, bool lazy) {
    size_t bytes;
    if (a < 0 || b < 0 || c < 0 || !size_mul((size_t)a, (size_t)b, (size_t)c, size, &bytes) ||
        bytes > PTRDIFF_MAX - HUGE_PAGE)
        FAIL(GLIMPSE_E_MEMORY, "%s of %lld x %lld x %lld elements is larger than any memory", what, (long long)a,
             (long long)b, (long long)c);
    if (!bytes) bytes = 64;
    cpu_block *block = calloc(1, sizeof *block);
    bool huge = lazy && bytes >= 2 * (size_t)HUGE_PAGE;
    if (!block || posix_memalign(&block->memory, huge ? HUGE_PAGE : 64, bytes) != 0) {
        free(block);
        FAIL(GLIMPSE_E_MEMORY, "no memory for %zu bytes of %s (%lld held before)", bytes, what, (long long)be->bytes);
    }
    if (huge) (void)madvise(block->memory, bytes, MADV_HUGEPAGE); /* a hint: small pages serve too */
    if (!lazy) memset(block->memory, 0, bytes);
    block->next = be->blocks;
    be->blocks = block;
    be->bytes += (int64_t)bytes;
    *out = block;
    return GLIMPSE_OK;
}

glimpse_status cpu_take(cpu_backend *be, void *out, const char *what, int64_t a, int64_t b, int64_t c, size_t size,
                        bool lazy) {
    cpu_block *block = NULL;
    TRY(take_block(be, &block, what, a, b, c, size, lazy));
    memcpy(out, &block->memory, sizeof block->memory);
    return GLIMPSE_OK;
}

void cpu_memory_free(cpu_backend *be) {
    for (cpu_block *b = be->blocks, *next; b; b = next) {
        next = b->next;
        free(b->memory);
        free(b);
    }
    be->blocks = NULL;
}

/* The first `rows` rows of m. */
static glimpse_status resolve_matrix(cpu_backend *be, const matrix *m, int64_t rows, cpu_matrix *out) {
    *out = (cpu_matrix){m->data, m->dtype, rows, m->cols, m->row_stride};
    if (m->col_stride == 1 || rows == 0) return GLIMPSE_OK;
    out->stride = m->cols;
    for (const cpu_block *b = be->blocks; b; b = b->next) /* a tied embedding is re-laid once */
        if (b->kind == BLOCK_MATRIX && b->from.data == m->data && b->from.dtype == m->dtype && b->from.rows >= rows &&
            b->from.cols == m->cols && b->from.row_stride == m->row_stride && b->from.col_stride == m->col_stride) {
            out->data = b->memory;
            return GLIMPSE_OK;
        }
    cpu_block *block = NULL;
    TRY(take_block(be, &block, "re-laid weights", rows, m->cols, 1, dtype_bytes(m->dtype), true));
    block->kind = BLOCK_MATRIX;
    block->from = *m;
    block->from.rows = rows;
    out->data = block->memory;
    return GLIMPSE_OK;
}

/* n_parts vectors one after another as f32; *out NULL when all are absent. */
static glimpse_status resolve_vectors(cpu_backend *be, const vector *v, const int64_t *n, int n_parts, float add,
                                      const float **out) {
    int64_t total = 0;
    bool any = false;
    for (int i = 0; i < n_parts; i++) total += n[i], any |= v[i].data != NULL;
    *out = NULL;
    if (!any) return GLIMPSE_OK;
    cpu_block *block = NULL;
    TRY(take_block(be, &block, "a vector", round16(total), 1, 1, sizeof(float), false));
    block->kind = BLOCK_VECTOR;
    block->add = add;
    for (int i = 0; i < n_parts; i++) block->parts[i] = v[i], block->part_n[i] = n[i];
    *out = block->memory;
    return GLIMPSE_OK;
}

static glimpse_status resolve_norm(cpu_backend *be, const norm_spec *s, int64_t n, cpu_norm *out) {
    *out = (cpu_norm){.on = s->on, .kind = s->kind, .eps = s->eps};
    if (!s->on) return GLIMPSE_OK;
    TRY(resolve_vectors(be, &s->weight, &n, 1, s->plus_one ? 1 : 0, &out->weight));
    return resolve_vectors(be, &s->bias, &n, 1, 0, &out->bias);
}

/* cos and sin (strip_tokens, dims / 2) for one list of frequencies; layers share a table. */
static glimpse_status rope_table(cpu_backend *be, const rope_spec *r, const double *inv_freq, const float **c,
                                 const float **s) {
    int64_t half = r->dims / 2, tokens = be->cfg.strip_tokens;
    cpu_block *block = NULL;
    for (cpu_block *b = be->blocks; b && !block; b = b->next)
        if (b->kind == BLOCK_ROPE && b->rope.inv_freq == inv_freq && b->rope.dims == r->dims &&
            b->rope.scale == r->scale)
            block = b;
    if (!block) {
        TRY(take_block(be, &block, "rotary tables", tokens, half, 2, sizeof(float), true));
        block->kind = BLOCK_ROPE;
        block->rope = *r;
        block->rope.inv_freq = inv_freq;
        float *cosine = block->memory, *sine = cosine + tokens * half;
        for (int64_t t = 0; t < tokens; t++)
            for (int64_t i = 0; i < half; i++) {
                double angle = (double)t * inv_freq[i];
                cosine[t * half + i] = (float)(cos(angle) * (double)r->scale);
                sine[t * half + i] = (float)(sin(angle) * (double)r->scale);
            }
    }
    *c = block->memory;
    *s = *c + tokens * half;
    return GLIMPSE_OK;
}

static glimpse_status resolve_rope(cpu_backend *be, const rope_spec *r, cpu_rope *out) {
    *out = (cpu_rope){.dims = r->dims, .interleaved = r->interleaved, .long_after = r->long_after};
    if (!r->inv_freq) return GLIMPSE_OK;
    TRY(rope_table(be, r, r->inv_freq, &out->cos, &out->sin));
    if (!r->inv_freq_long || be->cfg.strip_tokens <= r->long_after) return GLIMPSE_OK;
    return rope_table(be, r, r->inv_freq_long, &out->cos_long, &out->sin_long);
}

/* Tasks of about CHUNK_BYTES of weights: large enough to stream, small enough to share out and to stay in the cache. */
static void choose_chunks(const cpu_backend *be, cpu_phase *ph, int64_t columns, int64_t row_bytes, int64_t unit) {
    int64_t n = columns * row_bytes / CHUNK_BYTES + 1, threads = be->cfg.threads;
    n = (n + threads - 1) / threads * threads;
    ph->chunk = ((columns + n - 1) / n + unit - 1) / unit * unit;
    ph->n_chunks = (int32_t)((columns + ph->chunk - 1) / ph->chunk);
}

static glimpse_status resolve_matmul(cpu_backend *be, cpu_phase *ph) {
    const phase *p = ph->p;
    bool head = p->kind == PHASE_HEAD, qkv = !head && p->store == STORE_QKV, gated = !head && p->store == STORE_GATED;
    int64_t n[PLAN_MAX_PARTS] = {0}, row_bytes = 0;
    ph->k = be->p->width[p->in];
    for (int i = 0; i < p->n_parts; i++) {
        n[i] = p->part[i].rows;
        if (head && ph->n + n[i] > be->p->vocab) n[i] = be->p->vocab - ph->n; /* padding is not a logit */
        TRY(resolve_matrix(be, &p->part[i], n[i], &ph->part[i]));
        ph->n += n[i];
        int64_t bytes = ph->k * (int64_t)dtype_bytes(p->part[i].dtype);
        if (bytes > row_bytes) row_bytes = bytes;
    }
    TRY(resolve_vectors(be, p->bias, n, p->n_parts, 0, &ph->bias));
    TRY(resolve_norm(be, &p->norm, ph->k, &ph->norm));
    TRY(resolve_norm(be, &p->post_norm, ph->n, &ph->post));
    if (qkv) {
        TRY(resolve_norm(be, &p->q_norm, p->head_size, &ph->q_norm));
        TRY(resolve_norm(be, &p->k_norm, p->head_size, &ph->k_norm));
        TRY(resolve_rope(be, &p->rope, &ph->rope));
    }
    choose_chunks(be, ph, gated ? ph->n / 2 : ph->n, gated ? 2 * row_bytes : row_bytes, qkv ? p->head_size : 16);
    return GLIMPSE_OK;
}

glimpse_status cpu_phases_open(cpu_backend *be) {
    const plan *p = be->p;
    TRY(cpu_take(be, &be->phases, "the plan", p->n_phases, 1, 1, sizeof *be->phases, false));
    for (int i = 0; i < p->n_phases; i++) {
        cpu_phase *ph = &be->phases[i];
        ph->p = &p->phases[i];
        if (ph->p->kind == PHASE_EMBED) {
            TRY(resolve_matrix(be, &ph->p->embedding, ph->p->embedding.rows, &ph->part[0]));
            if (ph->p->positions.data)
                TRY(resolve_matrix(be, &ph->p->positions, ph->p->positions.rows, &ph->part[1]));
        } else if (ph->p->kind != PHASE_ATTEND) {
            TRY(resolve_matmul(be, ph));
        }
    }
    return GLIMPSE_OK;
}

/* Refresh -------------------------------------------------------------------------------------------------------- */

typedef struct relay {
    const matrix *from;
    char *to;
} relay;

/* RELAY_TILE rows of the copy, in square tiles: both sides then stay in the cache. */
static void relay_rows(void *arg, int task) {
    const relay *r = arg;
    const matrix *m = r->from;
    size_t es = dtype_bytes(m->dtype);
    int64_t r0 = (int64_t)task * RELAY_TILE, r1 = r0 + RELAY_TILE < m->rows ? r0 + RELAY_TILE : m->rows;
    for (int64_t c0 = 0; c0 < m->cols; c0 += RELAY_TILE) {
        int64_t c1 = c0 + RELAY_TILE < m->cols ? c0 + RELAY_TILE : m->cols;
        for (int64_t row = r0; row < r1; row++) {
            const char *from = (const char *)m->data + (row * m->row_stride + c0 * m->col_stride) * (int64_t)es;
            char *to = r->to + (row * m->cols + c0) * (int64_t)es;
            int64_t step = m->col_stride * (int64_t)es;
            for (int64_t c = c0; c < c1; c++, from += step, to += es) {
                if (es == 4) memcpy(to, from, 4);
                else memcpy(to, from, 2);
            }
        }
    }
}

void cpu_phases_refresh(cpu_backend *be) {
    for (cpu_block *b = be->blocks; b; b = b->next) {
        if (b->kind == BLOCK_MATRIX) {
            relay r = {&b->from, b->memory};
            pool_run(be->pool, relay_rows, &r, (int)((b->from.rows + RELAY_TILE - 1) / RELAY_TILE));
        } else if (b->kind == BLOCK_VECTOR) {
            float *to = b->memory;
            for (int i = 0; i < PLAN_MAX_PARTS; i++)
                for (int64_t j = 0; j < b->part_n[i]; j++)
                    *to++ = (b->parts[i].data ? load_element(b->parts[i].data, b->parts[i].dtype, j) : 0) + b->add;
        }
    }
    be->fresh = true;
}
