/* cuda.cuh -- inside the CUDA backend: what its kernels are told, and what its files ask of each other.
 *
 *   cuda_backend.cu   open, forward, close: the plan with every pointer on the device, phase after phase on one stream
 *   cuda_weights.cu   weights to the device in the layout the kernels read          cuda_rows.cu   embed, prologue, finish
 *   cuda_matmul.cu    products of up to 16 rows by tensor cores, cuda_many.cu up to 64, cuBLAS above
 *   cuda_attend.cu    attention in chunks
 *   cuda_decide.cu    a row of logits to a token and its record                     cuda_burst.cu  steps without the host
 *   cuda_parts.cu     of a row what a chain on the host needs                       cuda_steps.cu  steps as graphs or as ...
 *   cuda_persist.cu   ... one kernel for all of a burst; rows.cuh, matmul.cuh, attend.cuh, draw.cuh: bodies that it and the others run
 *
 * Numbers.  A product splits what it multiplies into bf16 planes that add up to it (weights exactly: bf16 one plane, f16
 * two, f32 three; activations in two planes, to 2^-17, or three for f32 weights, to 2^-24), multiplies planes on the tensor
 * cores and adds in f32.  A dot product is eight parts, each a run of blocks of 32 elements (part_begin); the parts are added in
 * rising order in two halves, whoever computed them: one order whatever the batch.  Attention adds a chunk of 64 positions, then the chunks in rising order.
 * What is not finite in a product may come out as NaN where the reference says an infinity; it is never finite.
 * Planes are made by the product itself of few rows; of many, once for all blocks: with a norm by a launch of its own, without one by
 * what writes the rows (attention, the feed-forward's first product).
 * Prompts of more than 64 tokens go through cuBLAS, one prompt a product, so their numbers do not depend on other prompts. */
#ifndef GLIMPSE_KERNELS_CUDA_CUDA_CUH
#define GLIMPSE_KERNELS_CUDA_CUDA_CUH

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
#include "include/internal/status.h"
#include "kernels/backend.h"
#include "kernels/check.h"
}
#include "kernels/decide.h"

enum {
    MATMUL_ROWS = 64,     /* rows of one launch of a product */
    MATMUL_FEW = 16,      /* of matmul_kernel */
    MATMUL_WARPS = 8,
    ROW_ALIGN = 32,       /* elements: rows of weights and activations are that long, or padded with zeros */
    ATTEND_CHUNK = 64,    /* positions */
    ATTEND_QUERIES = 8,   /* (row, head) pairs of a block */
    ATTEND_THREADS = 128,
    MAX_HEAD_SIZE = 256,
    PROLOGUE_SHARED = 64 << 10, /* up to here the product's blocks normalise their rows themselves */
    MAX_PLANES = 3,
    PAIRS = 1024          /* of cosines at once */
};

/* The first block of 32 elements of part `i` of a row of kp: parts 0 .. MATMUL_WARPS - 1, the last ones may be empty. */
GLIMPSE_HD static inline int part_begin(int kp, int i) {
    int blocks = kp / 32, each = (blocks + MATMUL_WARPS - 1) / MATMUL_WARPS;
    return i * each < blocks ? i * each : blocks;
}
static inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* Of a temperature's inverse as a float: never infinite, so that a difference of 0 stays 0. */
static inline GLIMPSE_HD float cuda_inv_t(double inv_t) { return inv_t < 3e38 ? (float)inv_t : 3e38f; }

/* === What kernels are told ======================================================================================= */

typedef struct device_row {
    int32_t id, pos, strip, prefix_strip, prefix_tokens;
    int32_t own_item, prefix_item; /* places in the list of items; -1 = none */
    int32_t active;                /* 0: a burst's row whose sequence has ended */
    int32_t reach;                 /* as backend_row's */
    float inv_t;                   /* 1 / T of what is drawn from its logits; 1: none, or greedy */
} device_row;

/* Rows order[first .. first + n) and a segment that all of them read. */
typedef struct attend_item {
    int32_t first, n, prefix; /* prefix: 1 = positions below prefix_tokens, 0 = the others */
    int32_t row;            /* order[first]: mostly the only one, and a way to L2 nearer */
} attend_item;

typedef struct device_norm {
    int32_t on, rms;
    float eps;
    const float *w, *b; /* f32; w with plus_one added; NULL = absent */
} device_norm;

typedef struct device_rope {
    const float *cos, *sin; /* (positions, dims / 2); NULL = none */
    const float *cos_long, *sin_long; /* for rows whose reach is above long_after; NULL = the same */
    int32_t dims, interleaved, long_after;
} device_rope;

typedef struct device_cache {
    void *k, *v;            /* (strips, kv_heads, tokens, hdp) */
    int32_t half;           /* 1: bf16, 0: f32 */
    int32_t kv_heads, hd, hdp;
    int64_t tokens;
} device_cache;

typedef struct matrix_part {
    const void *w;          /* (rows, ld) */
    int64_t ld;
    int32_t first, end;     /* its rows of y */
} matrix_part;

enum { TO_Y = 100 };        /* a store of its own: y as it is (with bias), for finish */

/* Rows as planes, for the product that alone reads them, instead of as f32. */
typedef struct plane_rows {
    uint16_t *to;           /* (n, rows, ld) bf16, zeros behind a row's end; NULL = f32 */
    int64_t ld, stride;     /* from plane to plane: rows ld */
    int32_t n;
} plane_rows;

typedef struct matmul_args {
    matrix_part part[PLAN_MAX_PARTS];
    int32_t n_parts, k, kp, n_y, n_tiles, rows;
    const float *in;        /* (rows, ld_in) */
    const int32_t *line;    /* row of `in` for each row here; NULL = the same */
    int64_t ld_in;
    device_norm norm;
    const uint16_t *planes; /* (planes, rows, ld_planes) made by the prologue kernel or the phase before; NULL = made here */
    int64_t ld_planes;
    const float *bias;      /* (n_y), NULL = none */
    int32_t store, activate, activation;
    float softcap;          /* of logits */
    float *out;
    int64_t ld_out;
    plane_rows split;       /* STORE_SET, STORE_GATED: in place of `out` */
    const device_row *row;  /* STORE_QKV */
    device_rope rope;
    device_cache cache;
    int32_t heads, tiles_a_head, rope_tiles;
    int32_t grouped;        /* rows of W and b lie as phase.grouped says; y is in the plain order all the same */
    int32_t head;           /* a phase HEAD: the cap applies */
    float4 *tiles;          /* HEAD: (rows, n_tiles) statistics of the logits (tiles.cuh), with `line`; NULL = not wanted */
} matmul_args;

/* === The host's side ============================================================================================= */

/* A matrix as the kernels read it: row-major, rows of kp elements. */
typedef struct resident {
    matrix from;
    const void *data;       /* on the device: borrowed from the trainer, or `own` */
    void *own;
    int64_t ld;
} resident;

typedef struct cuda_phase {
    const phase *p;
    int32_t part[PLAN_MAX_PARTS]; /* places in be->matrices; EMBED: embedding, positions */
    device_norm norm, post, q_norm, k_norm;
    const float *bias;
    device_rope rope;
    device_cache cache;
    int32_t n_y, n_tiles, tiles_a_head, rope_tiles;
    int32_t wide;           /* needs finish: a norm over a head or over all of y */
    glimpse_dtype dtype;    /* of its weights */
    int32_t planes;         /* of its activations */
    int32_t reader;         /* the product without a norm that alone reads what this one writes, -1 = none: where it takes planes, they are
                               made here */
    bool fed;               /* is such a reader */
} cuda_phase;

typedef struct vector_use { /* a vector of the plan as f32 on the device */
    vector from;
    float *to;
    float add;
    int64_t at;             /* offset in a bias over parts */
} vector_use;

struct burst_state;
struct parts_state;
struct persist_program;

typedef struct device_need {
    int32_t k, n_named;
    double span, inv_t;
} device_need;
typedef struct device_part_facts {
    int32_t n, finite;
    float max;
    unsigned long long last;
    double s, t, s_temp;
} device_part_facts;

typedef struct cuda_backend {
    backend base;
    const plan *p;
    backend_config cfg;
    int32_t device, multiprocessors;
    size_t shared_most;
    cudaStream_t stream;
    cublasHandle_t blas;    /* NULL where no prompt may be that long */
    bool chained;           /* programmatic dependent launch */
    bool broken;            /* the device failed: every call from then on fails, said once */
    cuda_phase *phases;
    resident *matrices;
    int32_t n_resident;
    vector_use *vectors;
    int32_t n_vectors;
    layer_shape *shape;
    float *buf[PLAN_MAX_BUFFERS];
    int64_t ld[PLAN_MAX_BUFFERS];
    uint16_t *planes;       /* (MAX_PLANES, rows, ld_planes) */
    int64_t ld_planes;
    uint16_t *split[PLAN_MAX_BUFFERS]; /* (MAX_PLANES, rows of a run, ld) of buffers whose readers are fed, NULL = of no other; behind a row's
                                          end nobody ever writes anything but zeros */
    float *many_partial;    /* cuda_many.cu's sums and counters */
    int32_t *many_arrived;
    float *y;               /* (rows or 2 rows, ld_y) */
    int64_t ld_y;
    float *logits, *host_logits; /* (max_logits, ld_logits) */
    int64_t ld_logits;
    float4 *tiles;          /* (2, tile_rows, V / 16 rounded up): of the first logits, from the head; then room for changes */
    int32_t tile_rows, n_tiles;
    device_row *rows, *host_rows;
    int32_t *order, *host_order;
    attend_item *items, *host_items;
    int32_t n_items;
    int32_t *line, *host_line;
    int32_t *arrived;       /* (MATMUL_ROWS, heads) chunks that have been attended to */
    float *partial;         /* (MATMUL_ROWS, heads, slots, hdp + 2) */
    int32_t slots, most_heads;
    void *staging;          /* STAGING bytes on the device */
    int32_t *last;          /* rows_check's scratch */
    struct row_run *runs;   /* (max_rows / MATMUL_ROWS + 1) of a forward pass: its pieces */
    struct burst_state *burst;
    struct parts_state *parts;
    struct persist_program *record; /* not NULL: phases are written down there instead of launched */
    void **blocks, **pinned; /* every allocation, for close */
    int32_t n_blocks, n_pinned, room_blocks, room_pinned;
    int32_t n_lasting;      /* the first blocks: what reopen keeps, the weights */
    int64_t bytes, lasting_bytes;
    size_t most_bytes;      /* that may be taken in all; 0 = as many as there are */
    int32_t *pairs, *host_pairs; /* (PAIRS, 2) for cosines */
    float *cosines, *host_cosines; /* (PAIRS) */
} cuda_backend;

/* Turn a CUDA error into ours: `what` was being done.  Device errors make the backend broken. */
glimpse_status cuda_failed(cuda_backend *be, cudaError_t e, const char *what);
#define CUDA(be, call, what)                                                                                           \
    do {                                                                                                               \
        cudaError_t cuda_error_ = (call);                                                                              \
        if (cuda_error_ != cudaSuccess) return cuda_failed(be, cuda_error_, what);                                     \
    } while (0)

/* cuda_backend.cu: a * b * size bytes on the device (zeroed), or pinned; freed at close. */
glimpse_status cuda_take(cuda_backend *be, void *out, const char *what, int64_t a, int64_t b, size_t size);
glimpse_status cuda_take_pinned(cuda_backend *be, void *out, int64_t a, int64_t b, size_t size);
/* Rows [first, first + n) of the lists, n <= MATMUL_ROWS or, through cuBLAS, one sequence's. */
typedef struct row_run {
    int32_t first, n;
    int32_t n_items;        /* items[2 first ..]; their rows count from `first`, in order[2 first ..] */
    int32_t chunks;         /* of ATTEND_CHUNK positions, from 0 to the last one's */
    int32_t line, wanted;   /* lines of logits */
    bool big;               /* through cuBLAS */
} row_run;
/* Fill the host's lists for a run (rows + first). */
void cuda_list_rows(cuda_backend *be, const backend_row *rows, row_run *run);
glimpse_status cuda_upload_rows(cuda_backend *be, int32_t n);
/* Every phase over one run whose lists are on the device. */
glimpse_status cuda_run_phases(cuda_backend *be, const row_run *run);

/* cuda_weights.cu */
glimpse_status cuda_weights_open(cuda_backend *be);
glimpse_status cuda_caches_open(cuda_backend *be); /* angles and caches: what hangs on the config's room */
glimpse_status cuda_weights_refresh(cuda_backend *be);

/* cuda_rows.cu, cuda_matmul.cu, cuda_attend.cu: one launch each; prepare: their kernels are loaded, before a stream is captured. */
cudaError_t cuda_rows_prepare();
cudaError_t cuda_embed(cuda_backend *be, const cuda_phase *ph, const row_run *run);
cudaError_t cuda_prologue(cuda_backend *be, const matmul_args *a, int32_t planes, uint16_t *to, float *plain);
cudaError_t cuda_finish(cuda_backend *be, const cuda_phase *ph, const row_run *run, const float *low);
cudaError_t cuda_relay(cuda_backend *be, const void *from, size_t size, int64_t rows, int64_t cols, int64_t row_stride,
                       int64_t col_stride, void *to, int64_t ld, int64_t width);
cudaError_t cuda_floats(cuda_backend *be, const void *from, glimpse_dtype dtype, int64_t n, float add, float *to);
cudaError_t cuda_matmul(cuda_backend *be, glimpse_dtype dtype, const matmul_args *a);
cudaError_t cuda_matmul_prepare(cuda_backend *be);
/* Whether a product is cuda_many's, whose args->planes must be there. */
bool cuda_many_takes(const cuda_backend *be, glimpse_dtype dtype, const matmul_args *a);
cudaError_t cuda_many(cuda_backend *be, glimpse_dtype dtype, const matmul_args *a);
glimpse_status cuda_many_open(cuda_backend *be);
cudaError_t cuda_many_prepare();
cudaError_t cuda_cosines(cuda_backend *be, const cuda_phase *embed, int32_t n);
cudaError_t cuda_copy_strip(cuda_backend *be, const cuda_phase *ph, int32_t from, int32_t to, int32_t first, int32_t n);
cudaError_t cuda_attend(cuda_backend *be, const cuda_phase *ph, const row_run *run, const plane_rows *split, int32_t first_item, int32_t n_items);
cudaError_t cuda_attend_prepare(cuda_backend *be);
bool cuda_attend_fits(const cuda_backend *be, int32_t head_size, bool half);

/* cuda_parts.cu */
glimpse_status cuda_parts_open(cuda_backend *be);
void cuda_parts_close(cuda_backend *be);
glimpse_status cuda_parts_check(const cuda_backend *be, const part_need *needs, int32_t n);
glimpse_status cuda_parts_bring(cuda_backend *be, const part_need *needs, int32_t n, row_part *out);

/* Bytes of shared memory that a product's planes of activations take. */
static inline size_t planes_bytes(int32_t planes, const matmul_args *a) {
    return (size_t)planes * (size_t)a->rows * ((size_t)round_up(a->kp, 64) + 32) * sizeof(uint16_t);
}

/* cuda_burst.cu */
glimpse_status cuda_burst_open(cuda_backend *be);
glimpse_status cuda_burst(backend *self, const burst_request *rq);
void cuda_burst_close(cuda_backend *be);

/* cuda_steps.cu, for tests and benchmarks: blocks that stay, of the newest batch's step; 0 = it is a graph. */
extern "C" int32_t cuda_decode_blocks(const backend *be);

/* cuda_backend.cu, for cuda_burst.cu.  What is put back where we leave: the caller's device, and the mode in which a capture of
 * any other thread forbids this one what might disturb it, and is broken by it.  Meanwhile ours do not. */
typedef struct cuda_caller { int device; cudaStreamCaptureMode mode; bool known, exchanged; } cuda_caller;
glimpse_status cuda_enter(cuda_backend *be, cuda_caller *before);
void cuda_leave(const cuda_backend *be, cuda_caller before);

#endif
