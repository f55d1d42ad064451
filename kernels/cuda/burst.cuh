/* burst.cuh -- what cuda_burst.cu and cuda_decide.cu share: a sequence's state on the device, and where records go. */
#ifndef GLIMPSE_KERNELS_CUDA_BURST_CUH
#define GLIMPSE_KERNELS_CUDA_BURST_CUH

#include "kernels/cuda/cuda.cuh"

enum { DECIDE_THREADS = 512, DECIDE_BINS = 2048, DECIDE_LIST = 2048 };

typedef struct seen_id { int32_t id, count; } seen_id;

typedef struct decide_row {
    draw_key key;
    int32_t steps, eos, n_ops, n_seen, n_drawn, n_more_eos;
    int32_t more_eos[BURST_MORE_EOS];
    int32_t list_room;      /* candidates that are sorted, at most; 1 .. DECIDE_LIST */
    burst_op ops[BURST_MAX_OPS];
} decide_row;

typedef struct decide_args {
    const float *logits;    /* (rows, ld) */
    float *changed;         /* (rows, ld) scratch: the row after penalties */
    const float4 *tiles;    /* (rows, n_tiles) of the logits: tiles.cuh */
    float4 *changed_tiles;  /* (rows, n_tiles) scratch */
    int64_t ld;
    int32_t vocab, n_tiles, n_top, room_seen;
    device_row *row;        /* advanced */
    decide_row *state;
    seen_id *seen;          /* (rows, room_seen), no id twice */
    burst_token *tokens;    /* (rows, BURST_MAX_STEPS) */
    burst_top *tops;        /* (rows, BURST_MAX_STEPS, BURST_MAX_TOP) */
} decide_args;

cudaError_t cuda_decide(cuda_backend *be, const decide_args *a, int32_t n_rows);

#endif
