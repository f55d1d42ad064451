/* cuda_persist.cu -- the steps of a burst, embed to draw and over again, in one kernel whose blocks stay: an edge between
 * launches costs about as much as a phase of a small model reads, a hand-off through a counter in L2 less.  Called by
 * cuda_steps.cu, which measures it against the graph of launches on the machine itself.
 *
 *   cuda_burst_step --record--> phases (pinned) --copy--> device:  persist_kernel: for each step: for each phase: wait, my tiles, arrive
 *
 * The bodies are those of the kernels (rows.cuh, matmul.cuh, attend.cuh, draw.cuh) and so are the bits: the files are compiled
 * without contraction (cuda.mk), and no sum depends on the block that makes it.
 *
 * More than 16 rows are the graph's: cuda_many.cu cuts their products otherwise (up to 128 rows of W a block, parts that blocks
 * share and add through counters of their own, up to 96 KiB of stages).  A kernel with that body besides would have the
 * larger's registers and shared memory at every batch, and edges weigh less where keys and values of many rows are read. */
#include "kernels/cuda/draw.cuh"
#include "kernels/cuda/matmul.cuh"
#include "kernels/cuda/persist.cuh"

#define WAIT_LIMIT_NS 4000000000ull /* longer than any phase or any other process's turn on the GPU */

/* What is not a product, once for all kernels of this file and out of their way: the products' registers are theirs alone.  To
 * thread 0 true: a sequence has ended. */
static __device__ OUTLINED bool other_tile(const persist_phase &p, int tile) {
    SHARED_DYN(unsigned char, shared);
    bool ended = false;
    switch (p.kind) {
    case PERSIST_EMBED: embed_row(p.u.embed, tile); break;
    case PERSIST_FINISH: finish_row(p.u.finish, tile); break;
    case PERSIST_PROLOGUE:
        if (p.planes == 2) prologue_of<2>(p.u.prologue, tile);
        else prologue_of<3>(p.u.prologue, tile);
        break;
    case PERSIST_DRAW: ended = draw_token(p.u.draw, tile, (work_space *)shared); break;
    default:
        if (p.half) attend_chunk<__nv_bfloat16, PERSIST_THREADS>(p.u.attend, tile % p.x, tile / p.x % p.y, tile / p.x / p.y);
        else attend_chunk<float, PERSIST_THREADS>(p.u.attend, tile % p.x, tile / p.x % p.y, tile / p.x / p.y);
    }
    __syncthreads(); /* so that no body has to know what the one of the tile before still reads of shared memory */
    return ended;
}

template <class W, int NT> struct at_once { enum { BLOCKS = 1 }; }; /* blocks a multiprocessor: left alone nvcc spills to have two */
template <> struct at_once<__nv_bfloat16, 1> { enum { BLOCKS = 2 }; }; /* which fits in 128 registers */

/* persist_kernel -- all phases of a step, for up to as many steps as a burst has.
 *
 *   phases (n) in; words (PERSIST_WORDS) u32 in/out, 0 at first; what the phases name in/out
 *
 * Tile i of a phase is block (b + i) mod blocks', b = the number of tiles of all phases before: blocks that had nothing in
 * one phase are the first in the next, and ask for its weights while the others work.  A block arrives once for each phase
 * that it has tiles in; before a phase all arrivals of the phases before it, those of the steps before among them, are waited
 * for (their number is known), so no block runs ahead of a phase that it takes part in, and one that takes part in none does
 * not wait.  Until then it has asked for the first weights of its first tile, into registers and L2, and for the next phase's
 * descriptor: also across the draw, so the next step's weights come while a few blocks draw.
 *
 * Rows whose sequences have ended stay in the batch, as in the graph: they are not active, and the host lets them go at the
 * burst's edge.  The draw that ends the last of them sets PERSIST_OVER before it arrives, in the word that everyone waits on:
 * whoever would begin a phase of the next step sees it, and all leave.
 *
 * Grid: at most as many blocks as run at once (launched together, or not at all); 256 threads each.
 * A block that has waited for WAIT_LIMIT_NS sets PERSIST_STUCK: every block leaves, the host sees it after the burst.  The
 * limit is of one wait and not of a launch: what a wait can take hangs on a phase and on the turns of other processes, a
 * launch on the model and the number of steps besides, and the first wait that runs out ends them all.  The multiprocessors
 * are held for a burst: other processes get them in their turns, but under MPS, which has none, they wait until it is over.
 * Numerics: those of the phases.  Registers (nvcc 13.0, sm_80 and sm_90a): 128 for bf16 and up to 8 rows, so two blocks a
 * multiprocessor; 165 to 205 for the others, one block; 440 bytes of stack are the draw's.  The draw's shared
 * memory is the most that a small model's step needs: 41 KiB.  Compiled, not measured on a chip yet. */
template <class W, int NT> static __global__ void __launch_bounds__(PERSIST_THREADS, (int)at_once<W, NT>::BLOCKS) persist_kernel(const persist_run s) {
    SHARED(persist_phase, slot, 2);
    SHARED(int32_t, tiles, PERSIST_PHASES);
    SHARED(int32_t, go, 1);
    enum { PIECES = sizeof(persist_phase) / 16 };
    const int t = (int)threadIdx.x, blocks = (int)gridDim.x;
    for (int i = t; i < s.n; i += PERSIST_THREADS) tiles[i] = s.phases[i].tiles;
    __syncthreads();
    unsigned before = 0;    /* arrivals of the phases before phase i of this step */
    int step = 0, i = 0, mine = (int)blockIdx.x; /* of phase i, this block's first tile if there are so many */
    auto pass = [&]() {     /* on to the phase behind phase i */
        before += (unsigned)(tiles[i] < blocks ? tiles[i] : blocks);
        mine -= tiles[i] % blocks;
        if (mine < 0) mine += blocks;
        if (++i == s.n) i = 0, step++;
    };
    auto skip = [&]() {     /* on to the next phase, from i on, in which this block has a tile */
        while (step < s.steps && mine >= tiles[i]) pass();
    };
    auto fetch = [&](int which) {
        if (step < s.steps && t < PIECES) copy_async_16((char *)&slot[which] + t * 16, (const char *)&s.phases[i] + t * 16);
        copy_async_commit();
    };
    skip();
    fetch(0);
    copy_async_wait_all();
    __syncthreads();
    for (int which = 0; step < s.steps; which ^= 1) {
        const persist_phase &p = slot[which];
        const unsigned target = before;
        const int tile0 = mine;
        pass();
        skip();
        fetch(which ^ 1);
        auto wait = [&]() {
            if (t == 0) {
                unsigned seen = 0;
                bool came = spin_until(WAIT_LIMIT_NS, [&] { return (seen = load_acquire(&s.words[PERSIST_ARRIVALS])) >= target; });
                if (!came) set_bits(&s.words[PERSIST_ARRIVALS], PERSIST_STUCK);
                *go = came && seen < PERSIST_OVER;
            }
            __syncthreads();
            return *go != 0;
        };
        bool alive = true;
        if (p.kind == PERSIST_MATMUL) {
            matmul_tiles<W, NT, true>(p.u.matmul, tile0, blocks, p.sums_at, wait);
            alive = *go != 0;
        } else {
            alive = wait();
            for (int tile = tile0; tile < p.tiles && alive; tile += blocks)
                if (other_tile(p, tile) && atomicAdd(&s.words[PERSIST_ENDED], 1u) + 1 == (unsigned)s.active)
                    set_bits(&s.words[PERSIST_ARRIVALS], PERSIST_OVER); /* by the thread that arrives: who sees that sees this */
        }
        copy_async_wait_all();
        __syncthreads();
        if (!alive) return;
        if (t == 0) arrive_release(&s.words[PERSIST_ARRIVALS]);
    }
}

/* === Writing down ================================================================================================ */

static persist_phase *add(persist_program *to, persist_kind kind, int64_t tiles, size_t shared) {
    if (to->n == to->room || tiles < 1 || tiles > (1 << 24)) to->refused = true;
    if (to->refused) return NULL;
    persist_phase *p = &to->phases[to->n++];
    memset(p, 0, sizeof *p);
    p->kind = kind;
    p->tiles = (int32_t)tiles;
    if (shared > to->shared) to->shared = shared;
    return p;
}

cudaError_t persist_embed(persist_program *to, const embed_args *a, int32_t rows) {
    persist_phase *p = add(to, PERSIST_EMBED, rows, 0);
    if (p) p->u.embed = *a;
    return cudaSuccess;
}

cudaError_t persist_prologue(persist_program *to, const prologue_args *a, int32_t planes) {
    persist_phase *p = add(to, PERSIST_PROLOGUE, a->rows, 0);
    if (!p) return cudaSuccess;
    p->planes = planes;
    p->u.prologue = *a;
    return cudaSuccess;
}

cudaError_t persist_matmul(persist_program *to, glimpse_dtype dtype, const matmul_args *a) {
    size_t planes = a->planes ? 0 : round_up((int64_t)planes_bytes(dtype == GLIMPSE_F32 ? 3 : 2, a), 128);
    size_t sums = (size_t)MATMUL_WARPS * 16 * (to->rows <= 8 ? 8 : 16) * sizeof(float);
    if (to->dtype < 0) to->dtype = dtype;
    if (to->dtype != (int32_t)dtype || a->rows > to->rows || to->rows > MATMUL_FEW) to->refused = true;
    persist_phase *p = add(to, PERSIST_MATMUL, a->n_tiles, planes + sums);
    if (!p) return cudaSuccess;
    p->sums_at = (int32_t)planes;
    p->u.matmul = *a;
    return cudaSuccess;
}

cudaError_t persist_attend(persist_program *to, const attend_args *a, unsigned x, unsigned y, unsigned z, size_t shared) {
    persist_phase *p = add(to, PERSIST_ATTEND, (int64_t)x * y * z, shared);
    if (!p) return cudaSuccess;
    p->x = (int32_t)x;
    p->y = (int32_t)y;
    p->half = a->cache.half;
    p->u.attend = *a;
    return cudaSuccess;
}

cudaError_t persist_finish(persist_program *to, const finish_args *a, int32_t rows) {
    persist_phase *p = add(to, PERSIST_FINISH, rows, 0);
    if (p) p->u.finish = *a;
    return cudaSuccess;
}

cudaError_t persist_draw(persist_program *to, const decide_args *a, int32_t rows) {
    persist_phase *p = add(to, PERSIST_DRAW, rows, sizeof(work_space));
    if (p) p->u.draw = *a;
    return cudaSuccess;
}

/* === Launching =================================================================================================== */

typedef void (*step_kernel)(const persist_run);

static step_kernel kernel_of(const persist_run *s) {
    switch (s->dtype) {
    case GLIMPSE_F32: return s->rows <= 8 ? persist_kernel<float, 1> : persist_kernel<float, 2>;
    case GLIMPSE_BF16: return s->rows <= 8 ? persist_kernel<__nv_bfloat16, 1> : persist_kernel<__nv_bfloat16, 2>;
    default: return s->rows <= 8 ? persist_kernel<__half, 1> : persist_kernel<__half, 2>;
    }
}

cudaError_t persist_occupancy(cuda_backend *be, const persist_run *s, int32_t *blocks) {
    const size_t fixed = 2 * sizeof(persist_phase) + PERSIST_PHASES * sizeof(int32_t) + 1024; /* the arrays with a size of their own */
    int n = 0;
    *blocks = 0;
    if (s->shared + fixed > be->shared_most) return cudaSuccess;
    step_kernel k = kernel_of(s);
    /* One limit a kernel, whatever the steps that share it need: theirs differ with the batch. */
    cudaError_t e = cudaFuncSetAttribute(k, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(be->shared_most - fixed));
    if (e == cudaSuccess) e = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&n, k, PERSIST_THREADS, s->shared);
    if (e == cudaSuccess) *blocks = n;
    return e;
}

cudaError_t persist_launch(cuda_backend *be, const persist_run *s) {
    cudaError_t e = cudaMemsetAsync(s->words, 0, PERSIST_WORDS * sizeof *s->words, be->stream);
    return e == cudaSuccess ? launch_together(kernel_of(s), dim3((unsigned)s->blocks), dim3(PERSIST_THREADS), s->shared, be->stream, *s) : e;
}
