/* persist.cuh -- a decode step, embed to draw, as a program that one kernel runs over and over (cuda_persist.cu): its phases in
 * device memory, and what the files that launch phases one by one call to write them down instead (cuda_backend.record).  Made
 * by cuda_steps.cu for each batch beside its graph. */
#ifndef GLIMPSE_KERNELS_CUDA_PERSIST_CUH
#define GLIMPSE_KERNELS_CUDA_PERSIST_CUH

#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/burst.cuh"
#include "kernels/cuda/rows.cuh"

enum { PERSIST_THREADS = MATMUL_WARPS * 32, PERSIST_PHASES = 1024 };
/* In the count of arrivals, which stay far below (16 steps x 1024 phases x blocks), and all leave: a block gave up waiting;
 * every sequence of the burst has ended. */
#define PERSIST_STUCK 0x80000000u
#define PERSIST_OVER 0x40000000u
enum { PERSIST_ARRIVALS, PERSIST_ENDED, PERSIST_WORDS }; /* counted in a launch: blocks that are done with a phase, sequences that ended */

typedef enum persist_kind { PERSIST_EMBED, PERSIST_PROLOGUE, PERSIST_MATMUL, PERSIST_ATTEND, PERSIST_FINISH, PERSIST_DRAW } persist_kind;

/* A phase: what its kernel would be launched with, in pieces of 16 bytes. */
typedef struct persist_phase {
    int32_t kind, tiles;    /* tiles: of a block each, in any order */
    int32_t x, y;           /* ATTEND: chunks, and kv heads x parts: tile = (z y + .) x + . */
    int32_t half;           /* ATTEND: a cache of bf16 */
    int32_t planes;         /* PROLOGUE */
    int32_t sums_at;        /* MATMUL: where its sums lie */
    union {
        embed_args embed;
        prologue_args prologue;
        matmul_args matmul;
        attend_args attend;
        finish_args finish;
        decide_args draw;
    } u;
} __attribute__((aligned(16))) persist_phase;

typedef struct persist_program {
    persist_phase *phases;  /* (room) pinned, being written */
    int32_t n, room;
    size_t shared;          /* bytes that a block needs */
    int32_t rows;
    int32_t dtype;          /* of every product's weights */
    bool refused;           /* what the kernel cannot do: weights of two dtypes, more than MATMUL_FEW rows, too many phases */
} persist_program;

/* In place of a launch.  They only write down: a program that does not fit is `refused`. */
cudaError_t persist_embed(persist_program *to, const embed_args *a, int32_t rows);
cudaError_t persist_prologue(persist_program *to, const prologue_args *a, int32_t planes);
cudaError_t persist_matmul(persist_program *to, glimpse_dtype dtype, const matmul_args *a);
cudaError_t persist_attend(persist_program *to, const attend_args *a, unsigned x, unsigned y, unsigned z, size_t shared);
cudaError_t persist_finish(persist_program *to, const finish_args *a, int32_t rows);
cudaError_t persist_draw(persist_program *to, const decide_args *a, int32_t rows);

/* Where a step's phases lie on the device, and what the kernel is launched with. */
typedef struct persist_run {
    const persist_phase *phases;
    int32_t n, rows, dtype;
    int32_t blocks;         /* all at the same time */
    int32_t steps, active;  /* of a launch: steps at most, rows whose sequences go on */
    size_t shared;
    unsigned *words;        /* (PERSIST_WORDS) cleared before a launch */
} persist_run;

/* How many blocks of a multiprocessor run at once, 0 = the kernel does not fit; its steps, queued. */
cudaError_t persist_occupancy(cuda_backend *be, const persist_run *s, int32_t *blocks);
cudaError_t persist_launch(cuda_backend *be, const persist_run *s);

#endif
