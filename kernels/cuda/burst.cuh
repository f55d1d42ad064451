/* burst.cuh -- what cuda_burst.cu, cuda_steps.cu and cuda_decide.cu share: a sequence's state on the device, where records go,
 * and the ways in which a step is run. */
#ifndef GLIMPSE_KERNELS_CUDA_BURST_CUH
#define GLIMPSE_KERNELS_CUDA_BURST_CUH

#include "kernels/cuda/cuda.cuh"

/* Threads as the persistent kernel's: the sums of a record depend on how many share a row. */
enum { DECIDE_THREADS = 256, DECIDE_BINS = 2048, DECIDE_LIST = 2048 };

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

cudaError_t cuda_decide_prepare();
cudaError_t cuda_decide(cuda_backend *be, const decide_args *a, int32_t n_rows);

struct step_entry;
struct step_state;

typedef struct burst_state {
    int32_t room, room_seen;
    decide_row *state, *host_state, *host_after;
    seen_id *seen, *host_seen;
    float *changed;
    burst_token *tokens, *host_tokens;
    burst_top *tops, *host_tops;
    int32_t *mark;          /* (V) 1 + place of an id in the list being made; all 0 between uses */
    struct step_state *steps;
} burst_state;

/* cuda_burst.cu: the lists of a burst, from the host's memory, which stays as it is: again and the burst begins anew. */
glimpse_status cuda_burst_upload(cuda_backend *be, int32_t rows);
/* Every phase and the draw, launched one by one, or written down (be->record). */
glimpse_status cuda_burst_step(cuda_backend *be, const row_run *run, int32_t n_top);
/* The states, tokens and alternatives of so many rows to the host, queued. */
glimpse_status cuda_burst_bring(cuda_backend *be, int32_t rows, int32_t n_top);

/* cuda_steps.cu */
glimpse_status cuda_steps_open(cuda_backend *be);
void cuda_steps_close(cuda_backend *be);
/* The way of this batch, found out if it is new, with the lists on the device as they were before; `active` of its rows have a
 * sequence, which goes on for at most `steps`. */
glimpse_status cuda_steps_find(cuda_backend *be, const row_run *run, int32_t active, int32_t steps, int32_t n_top, struct step_entry **out);
/* So many steps, queued. */
glimpse_status cuda_steps_run(cuda_backend *be, struct step_entry *e, const row_run *run, int32_t active, int32_t steps);
/* Queued behind a burst's steps; after the synchronisation: must the burst be run again, another way? */
glimpse_status cuda_steps_ask(cuda_backend *be);
glimpse_status cuda_steps_failed(cuda_backend *be, bool *again);

#endif
