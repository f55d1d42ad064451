/* cpu.h -- inside the CPU backend: the plan with every pointer resolved, and the table of an instruction set's loops.
 *
 * backend_cpu.c opens, checks and walks the phases; cpu_memory.c lays out memory and re-lays weights; isa_generic.c,
 * isa_avx2.c and isa_avx512.c each compile the templates vec_math.h, rows.h, matmul.h and attend.h for one v16.
 *
 * Every row of activations has a stride of 16 floats' multiple and zeros after its width, so the loops read whole
 * vectors; only the trainer's weights are read with masks, because what follows them is not ours. */
#ifndef GLIMPSE_KERNELS_CPU_CPU_H
#define GLIMPSE_KERNELS_CPU_CPU_H

#include <stdatomic.h>

#include "include/internal/threads.h"
#include "kernels/backend.h"
#include "kernels/check.h"

enum {
    ROW_BLOCK = 48,   /* rows whose products wait in a tile before they are stored; a multiple of every TILE_ROWS */
    MAX_PANEL = 8,    /* rows of weights that meet them together */
    MAX_QUERIES = 32  /* queries of one attention task: they share the keys and values it reads */
};

static inline int64_t round16(int64_t n) { return (n + 15) & ~(int64_t)15; }

typedef struct cpu_matrix { /* row-major: the trainer's own memory, or ours after re-laying */
    const void *data;
    glimpse_dtype dtype;
    int64_t rows, cols, stride; /* stride in elements */
} cpu_matrix;

typedef struct cpu_norm {
    bool on;
    glimpse_norm kind;
    float eps;
    const float *weight, *bias; /* f32 with zeros to the multiple of 16; NULL = absent */
} cpu_norm;

typedef struct cpu_rope {
    const float *cos, *sin; /* (strip_tokens, dims / 2), NULL = none */
    const float *cos_long, *sin_long; /* of rows that reach beyond long_after; NULL = as above */
    int32_t long_after;
    int32_t dims;
    bool interleaved;
} cpu_rope;

typedef struct cpu_phase {
    const phase *p;
    cpu_matrix part[PLAN_MAX_PARTS]; /* EMBED: [0] embedding, [1] positions */
    const float *bias;               /* over all of y; NULL = none */
    cpu_norm norm, post, q_norm, k_norm;
    cpu_rope rope;
    int64_t k, n;     /* length of a dot product; columns of y (HEAD: the vocabulary) */
    int64_t chunk;    /* columns of a task; STORE_GATED: of the gate half */
    int32_t n_chunks;
    float *keys, *values; /* this layer's cache, see cpu_cached */
} cpu_phase;

/* What a task may write on: one for each thread, taken for the length of a task. */
typedef struct cpu_scratch {
    float *tile;    /* (ROW_BLOCK, 2 chunks) products before their store */
    float *weights; /* (MAX_PANEL, K) bf16 or f16 weights as f32 */
    float *state;   /* sums between two blocks of k: MAX_PANEL v16 a line of the tile */
    float *scores;  /* (MAX_QUERIES, strip_tokens) */
    float *queries; /* (MAX_QUERIES, hd) */
    float *sums;    /* (MAX_QUERIES, hd) */
    atomic_flag busy;
} cpu_scratch;

typedef struct cpu_group { /* rows order[first .. first + n) attend together */
    int32_t first, n;
} cpu_group;

struct cpu_kernels;

typedef struct cpu_backend {
    backend base;
    const plan *p;
    backend_config cfg;
    const struct cpu_kernels *isa;
    pool *pool;   /* cfg.pool, or its own */
    cpu_phase *phases;
    layer_shape *shape;
    float *buf[PLAN_MAX_BUFFERS]; /* (max_rows, ld[i]) */
    int64_t ld[PLAN_MAX_BUFFERS];
    float *x;           /* (max_rows, ld_x) what a matmul reads after its prologue */
    int64_t ld_x;
    float *y;           /* (max_rows, ld_y) products that need a norm before their store; NULL where no phase does */
    int64_t ld_y;
    float *logits;      /* (max_logits, ld_logits) */
    int64_t ld_logits;
    cpu_scratch *scratch; /* (threads) */
    int32_t n_scratch;
    int64_t tokens;     /* positions of a strip, rounded up to 16 */
    int32_t *last, *order, *line; /* (n_strips); (max_rows) rows by what they attend to; (max_rows) row of a logit line */
    cpu_group *groups;  /* (max_rows) */
    int32_t n_groups;
    bool fresh;         /* weights re-laid since open */
    struct cpu_block *blocks; /* every allocation, for close */
    int64_t bytes;
} cpu_backend;

/* One run of a phase over rows; the tasks of a pool_run share it. */
typedef struct cpu_job {
    cpu_backend *be;
    const cpu_phase *ph;
    const backend_row *rows;
    const int32_t *line; /* row of each line of x; NULL = the same */
    int32_t n;           /* lines */
    const float *in;     /* (n, ld_in) */
    int64_t ld_in;
    float *out;          /* (n, ld_out) */
    int64_t ld_out;
    int32_t rows_a_task; /* of the tasks that go by rows */
} cpu_job;

/* Position `pos` of kv head `kv` in a strip: hd floats, zeros to the multiple of 16.  A head's positions are
 * contiguous, which is the order attention reads them in. */
static inline float *cpu_cached(float *layer, const cpu_backend *be, const phase *ph, int32_t strip, int32_t kv,
                                int64_t pos) {
    int64_t head = (int64_t)strip * ph->kv_heads + kv;
    return layer + (head * be->tokens + pos) * round16(ph->head_size);
}

typedef struct cpu_kernels {
    const char *name;
    /* Tasks over rows: lines task * rows_a_task .. of job. */
    void (*embed)(const cpu_job *job, int32_t first, int32_t end);
    void (*prologue)(const cpu_job *job, int32_t first, int32_t end);  /* in -> be->x */
    void (*epilogue)(const cpu_job *job, int32_t first, int32_t end);  /* be->y -> post norm -> store */
    /* Columns of task `chunk` for all lines. */
    void (*matmul)(const cpu_job *job, int32_t chunk, cpu_scratch *s);
    /* kv head `kv` for the rows of group g. */
    void (*attend)(const cpu_job *job, const cpu_group *g, int32_t kv, cpu_scratch *s);
    /* n values: for the tests of the polynomials */
    void (*map)(const char *what, const float *in, float *out, int32_t n);
} cpu_kernels;

extern const cpu_kernels cpu_kernels_generic, cpu_kernels_avx2, cpu_kernels_avx512;

/* cpu_memory.c.  take: zeroed, 64-byte aligned, freed by cpu_memory_free, counted in be->bytes; a * b * c elements.
 * `lazy`: large and touched only as it is used, so neither zeroed nor committed here (the cache). */
glimpse_status cpu_take(cpu_backend *be, void *out, const char *what, int64_t a, int64_t b, int64_t c, size_t size,
                        bool lazy);
void cpu_memory_free(cpu_backend *be);
glimpse_status cpu_phases_open(cpu_backend *be); /* resolve the plan: be->phases */
void cpu_phases_refresh(cpu_backend *be);        /* weights changed */

#endif
