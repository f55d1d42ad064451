/* cuda_steps.cu -- how the decode steps of a batch are run: one captured into a CUDA graph of chained launches, launched for each;
 * or one written down for the persistent kernel (cuda_persist.cu), launched once for all of a burst; whichever is faster here.
 * Called by cuda_burst.cu, which knows the batch.
 *
 *   new batch --> capture the graph, write the program --> a few steps by each, in turns: same bits? --> the faster, from then on
 *                                                               \--> no: the graph, said once
 *   a kernel that waited too long, or cannot be launched --> the graph for everything, said once; the burst is run again
 *
 * Where a capture is refused it is tried without chains, then the launches go out one by one.  Both ways run the same bodies over the same rows; running a step
 * again writes the same keys and values, so the trial leaves nothing behind but its time.  Not measured on a chip yet. */
#include "kernels/cuda/burst.cuh"
#include "kernels/cuda/persist.cuh"

/* A batch's entries come back at every eval as its samples grow and end: sizes x powers of two of chunks, nearly all of 8,192 positions. */
enum { ENTRIES = 64, TRIAL_STEPS = 2, TRIAL_ROUNDS = 3, BLOCKS_A_PROCESSOR = 2 };

typedef struct step_entry {
    int32_t rows, items, chunks, n_top; /* rows 0 = free */
    cudaGraphExec_t exec;   /* NULL = the launches go out one by one */
    persist_run program;
    int32_t most_blocks;    /* that run at once; 0 = there is no program */
    bool chosen;            /* program.blocks says it: 0 = by the graph */
} step_entry;

typedef struct step_state {
    step_entry entry[ENTRIES];
    int32_t next;           /* the one to give up */
    bool no_graphs, no_persist;
    int32_t room;           /* phases of a program */
    persist_phase *programs, *host_program; /* (ENTRIES, room), (room) */
    unsigned *words, *host_words; /* (PERSIST_WORDS) */
    cudaEvent_t begin, end;
} step_state;

/* === Life ======================================================================================================== */

static void say(const cuda_backend *be, const char *what) {
    if (be->cfg.say) be->cfg.say(be->cfg.say_user, what);
}

glimpse_status cuda_steps_open(cuda_backend *be) {
    step_state *s = (step_state *)calloc(1, sizeof *s);
    int together = 0;
    if (!s) FAIL(GLIMPSE_E_MEMORY, "no memory for %zu bytes", sizeof *s);
    be->burst->steps = s;
    s->no_persist = true;
    if (be->cfg.decode == DECODE_GRAPH) return GLIMPSE_OK;
    CUDA(be, cudaDeviceGetAttribute(&together, cudaDevAttrCooperativeLaunch, be->device), "asking about the device");
    s->room = 3 * be->p->n_phases + 1; /* a prologue and an end for each product; the draw */
    if (!together || s->room > PERSIST_PHASES) {
        if (be->cfg.decode == DECODE_PERSISTENT)
            say(be, together ? "--cuda_decode persistent: this model has too many layers for it; steps are graphs"
                             : "--cuda_decode persistent: this GPU does not launch a kernel's blocks all at once; steps are graphs");
        return GLIMPSE_OK;
    }
    TRY(cuda_take(be, &s->programs, "decoding", (int64_t)ENTRIES * s->room, 1, sizeof *s->programs));
    TRY(cuda_take(be, &s->words, "decoding", PERSIST_WORDS, 1, sizeof *s->words));
    TRY(cuda_take_pinned(be, &s->host_program, s->room, 1, sizeof *s->host_program));
    TRY(cuda_take_pinned(be, &s->host_words, PERSIST_WORDS, 1, sizeof *s->host_words));
    CUDA(be, cudaEventCreateWithFlags(&s->begin, 0), "opening an event");
    CUDA(be, cudaEventCreateWithFlags(&s->end, 0), "opening an event");
    s->no_persist = false;
    return GLIMPSE_OK;
}

void cuda_steps_close(cuda_backend *be) {
    step_state *s = be->burst->steps;
    if (!s) return;
    for (int i = 0; i < ENTRIES; i++)
        if (s->entry[i].exec) (void)cudaGraphExecDestroy(s->entry[i].exec);
    if (s->begin) (void)cudaEventDestroy(s->begin);
    if (s->end) (void)cudaEventDestroy(s->end);
    free(s);
    be->burst->steps = NULL;
}

/* No persistent kernel from now on, for a reason that is said once. */
static void give_up(cuda_backend *be, const char *why) {
    be->burst->steps->no_persist = true;
    say(be, why);
}

/* === A step ====================================================================================================== */

/* A launch that this device or its present use does not allow: nothing was queued, nothing is broken. */
static bool is_refusal(cudaError_t e) {
    return e == cudaErrorCooperativeLaunchTooLarge || e == cudaErrorNotSupported || e == cudaErrorLaunchOutOfResources;
}

/* Steps by the graph (blocks 0) or by so many blocks that stay. */
static glimpse_status run_steps(cuda_backend *be, const step_entry *e, const row_run *run, int32_t blocks, int32_t active, int32_t steps) {
    if (blocks && !be->burst->steps->no_persist) {
        persist_run program = e->program;
        program.blocks = blocks;
        program.steps = steps;
        program.active = active;
        cudaError_t error = persist_launch(be, &program);
        if (error == cudaSuccess) return GLIMPSE_OK;
        if (!is_refusal(error)) return cuda_failed(be, error, "steps");
        (void)cudaGetLastError();
        give_up(be, "the GPU did not launch the decoding kernel's blocks all at once; steps are graphs from now on");
    }
    for (int32_t i = 0; i < steps; i++) {
        if (e->exec) CUDA(be, cudaGraphLaunch(e->exec, be->stream), "a step");
        else TRY(cuda_burst_step(be, run, e->n_top));
    }
    return GLIMPSE_OK;
}

glimpse_status cuda_steps_run(cuda_backend *be, step_entry *e, const row_run *run, int32_t active, int32_t steps) {
    return run_steps(be, e, run, e->program.blocks, active, steps);
}

glimpse_status cuda_steps_ask(cuda_backend *be) {
    step_state *s = be->burst->steps;
    if (s->no_persist) return GLIMPSE_OK;
    CUDA(be, cudaMemcpyAsync(s->host_words, s->words, PERSIST_WORDS * sizeof *s->words, cudaMemcpyDeviceToHost, be->stream),
         "bringing back tokens");
    return GLIMPSE_OK;
}

/* Attention's counts, which have no other owner, are as no launch may find them. */
static glimpse_status clear_counts(cuda_backend *be) {
    int64_t queries = (be->cfg.max_rows < MATMUL_ROWS ? be->cfg.max_rows : (int64_t)MATMUL_ROWS) * be->most_heads;
    if (queries) CUDA(be, cudaMemsetAsync(be->arrived, 0, (size_t)queries * sizeof *be->arrived, be->stream), "a burst");
    return GLIMPSE_OK;
}

glimpse_status cuda_steps_failed(cuda_backend *be, bool *again) {
    step_state *s = be->burst->steps;
    *again = !s->no_persist && (s->host_words[PERSIST_ARRIVALS] & PERSIST_STUCK);
    if (!*again) return GLIMPSE_OK;
    give_up(be, "the decoding kernel waited 4 s for a part of itself; the burst is run again, and steps are graphs from now on");
    return clear_counts(be);
}

/* === Finding out ================================================================================================= */

/* One try: no graph where something of it was refused, on a device that is well. */
static glimpse_status capture_once(cuda_backend *be, const row_run *run, int32_t n_top, cudaGraphExec_t *exec) {
    cudaGraph_t graph = NULL;
    CUDA(be, cudaStreamBeginCapture(be->stream, cudaStreamCaptureModeThreadLocal), "capturing a step");
    glimpse_status st = cuda_burst_step(be, run, n_top);
    cudaError_t e = cudaStreamEndCapture(be->stream, &graph);
    if (e == cudaSuccess && st >= 0) e = cudaGraphInstantiateWithFlags(exec, graph, 0); /* the plain one has other arguments before CUDA 12 */
    if (graph) (void)cudaGraphDestroy(graph);
    if (e == cudaSuccess && st >= 0) return GLIMPSE_OK;
    *exec = NULL;
    (void)cudaGetLastError();
    CUDA(be, cudaStreamSynchronize(be->stream), "capturing a step"); /* nothing was queued: a device that answers is well */
    be->broken = false;
    return GLIMPSE_OK;
}

/* Graphs hold chained launches since CUDA 12.3; consumer chips of compute capability 12.0 were seen to refuse them
 * (github.com/sgl-project/sglang/pull/18596). */
static glimpse_status capture(cuda_backend *be, const row_run *run, int32_t n_top, cudaGraphExec_t *exec) {
    step_state *s = be->burst->steps;
    const bool chained = be->chained;
    *exec = NULL;
    if (s->no_graphs) return GLIMPSE_OK;
    TRY(capture_once(be, run, n_top, exec));
    if (*exec) return GLIMPSE_OK;
    be->chained = false;
    if (chained) TRY(capture_once(be, run, n_top, exec));
    if (*exec) {
        say(be, "the GPU did not take chained launches as a graph; a kernel waits for the end of the one ahead of it from now on");
        return GLIMPSE_OK;
    }
    be->chained = chained;
    s->no_graphs = true;
    say(be, "the GPU did not take a step as a graph; its kernels are launched one by one from now on");
    return GLIMPSE_OK;
}

/* The same walk over the plan, written down: e->most_blocks says whether it can be run. */
static glimpse_status write_program(cuda_backend *be, const row_run *run, step_entry *e) {
    step_state *s = be->burst->steps;
    int32_t at = (int32_t)(e - s->entry), blocks = 0;
    persist_program p;
    memset(&p, 0, sizeof p);
    p.phases = s->host_program;
    p.room = s->room;
    p.rows = run->n;
    p.dtype = -1;
    be->record = &p;
    glimpse_status st = cuda_burst_step(be, run, e->n_top);
    be->record = NULL;
    TRY(st);
    if (p.refused || p.dtype < 0) return GLIMPSE_OK;
    persist_phase *to = s->programs + (int64_t)at * s->room;
    CUDA(be, cudaMemcpyAsync(to, p.phases, (size_t)p.n * sizeof *to, cudaMemcpyHostToDevice, be->stream), "writing a program");
    CUDA(be, cudaStreamSynchronize(be->stream), "writing a program"); /* the memory it was copied from is the next one's */
    e->program.phases = to;
    e->program.n = p.n;
    e->program.rows = p.rows;
    e->program.dtype = p.dtype;
    e->program.shared = p.shared;
    e->program.words = s->words;
    CUDA(be, persist_occupancy(be, &e->program, &blocks), "asking about a kernel");
    if (blocks > BLOCKS_A_PROCESSOR) blocks = BLOCKS_A_PROCESSOR;
    e->most_blocks = blocks * be->multiprocessors;
    if (be->cfg.decode_blocks > 0 && e->most_blocks > be->cfg.decode_blocks) e->most_blocks = be->cfg.decode_blocks;
    return GLIMPSE_OK;
}

static uint64_t add_words(uint64_t hash, const void *from, size_t bytes) { /* FNV-1a, by words */
    for (size_t i = 0; i < bytes / sizeof(uint32_t); i++) {
        uint32_t word;
        memcpy(&word, (const char *)from + i * sizeof word, sizeof word);
        hash = (hash ^ word) * 1099511628211ull;
    }
    return hash;
}

/* Did row r take part in a trial's every step?  What others leave in the last one is nobody's. */
static bool went_on(const burst_state *b, int64_t r) {
    return b->host_after[r].n_drawn >= TRIAL_STEPS;
}

/* Of all that the steps have left: the last logits, tokens and records. */
static uint64_t bits_of(const cuda_backend *be, const step_entry *e, int32_t active) {
    const burst_state *b = be->burst;
    uint64_t hash = 14695981039346656037ull;
    for (int64_t r = 0; r < active; r++) {
        if (went_on(b, r)) hash = add_words(hash, &be->host_logits[r * be->ld_logits], (size_t)be->p->vocab * sizeof(float));
        hash = add_words(hash, &b->host_after[r].n_drawn, sizeof(int32_t));
        for (int64_t k = r * BURST_MAX_STEPS; k < r * BURST_MAX_STEPS + TRIAL_STEPS; k++) {
            if (k - r * BURST_MAX_STEPS >= b->host_after[r].n_drawn) break;
            hash = add_words(hash, &b->host_tokens[k], sizeof *b->host_tokens);
            for (int32_t i = 0; i < e->n_top && i < b->host_tokens[k].n_top; i++)
                hash = add_words(hash, &b->host_tops[k * BURST_MAX_TOP + i], sizeof *b->host_tops);
        }
    }
    return hash;
}

/* TRIAL_STEPS from the burst's beginning: how long, the bits that they end with, whether it gave up. */
static glimpse_status try_way(cuda_backend *be, const step_entry *e, const row_run *run, int32_t active, int32_t blocks, float *ms,
                              uint64_t *bits, bool *stuck) {
    step_state *s = be->burst->steps;
    TRY(cuda_burst_upload(be, run->n));
    CUDA(be, cudaEventRecord(s->begin, be->stream), "timing steps");
    TRY(run_steps(be, e, run, blocks, active, TRIAL_STEPS));
    CUDA(be, cudaEventRecord(s->end, be->stream), "timing steps");
    TRY(cuda_steps_ask(be));
    if (bits) {
        CUDA(be, cudaMemcpyAsync(be->host_logits, be->logits, (size_t)active * (size_t)be->ld_logits * sizeof(float),
                                 cudaMemcpyDeviceToHost, be->stream), "bringing back logits");
        TRY(cuda_burst_bring(be, active, e->n_top));
    }
    CUDA(be, cudaStreamSynchronize(be->stream), "timing steps");
    CUDA(be, cudaEventElapsedTime(ms, s->begin, s->end), "timing steps");
    TRY(cuda_steps_failed(be, stuck));
    if (bits && !*stuck) *bits = bits_of(be, e, active);
    return GLIMPSE_OK;
}

static bool any_went_on(const cuda_backend *be, int32_t active) {
    for (int32_t r = 0; r < active; r++)
        if (went_on(be->burst, r)) return true;
    return false;
}

/* By the graph, by one block a multiprocessor, by as many as run at once: in turns, the first round to warm up and to compare
 * bits, the best of the others counts.  The graph where they are alike; and, until the next burst, where all sequences end before
 * the trial does: the persistent kernel would leave early, which says nothing of its speed. */
static glimpse_status choose(cuda_backend *be, step_entry *e, const row_run *run, int32_t active) {
    step_state *s = be->burst->steps;
    const int32_t few = be->multiprocessors < e->most_blocks ? be->multiprocessors : e->most_blocks;
    const int32_t ways[] = {0, few, e->most_blocks};
    const int n = few < e->most_blocks ? 3 : 2;
    float best[3] = {0};
    uint64_t bits[3];
    for (int round = 0; round < TRIAL_ROUNDS; round++)
        for (int w = 0; w < n; w++) {
            float ms = 0;
            bool stuck = false;
            TRY(try_way(be, e, run, active, ways[w], &ms, round ? NULL : &bits[w], &stuck));
            if (s->no_persist) return cuda_burst_upload(be, run->n);
            if (!round && !w && !any_went_on(be, active)) return cuda_burst_upload(be, run->n);
            if (!round && bits[w] != bits[0]) {
                give_up(be, "the decoding kernel's tokens or logits are not the graph's, bit for bit; steps are graphs from now on");
                return cuda_burst_upload(be, run->n);
            }
            if (round && (round == 1 || ms < best[w])) best[w] = ms;
        }
    int chosen = 0;
    for (int w = 1; w < n; w++)
        if (best[w] < best[chosen]) chosen = w;
    e->program.blocks = ways[chosen];
    e->chosen = true;
    return cuda_burst_upload(be, run->n);
}

glimpse_status cuda_steps_find(cuda_backend *be, const row_run *run, int32_t active, int32_t steps, int32_t n_top, step_entry **out) {
    step_state *s = be->burst->steps;
    step_entry *e = NULL;
    for (int i = 0; i < ENTRIES && !e; i++)
        if (s->entry[i].rows == run->n && s->entry[i].items == run->n_items && s->entry[i].chunks == run->chunks && s->entry[i].n_top == n_top)
            e = &s->entry[i];
    if (!e) {
        e = &s->entry[s->next];
        s->next = (s->next + 1) % ENTRIES;
        if (e->exec) (void)cudaGraphExecDestroy(e->exec);
        memset(e, 0, sizeof *e);
        e->n_top = n_top;
        TRY(capture(be, run, n_top, &e->exec));
        if (!s->no_persist && run->n <= MATMUL_FEW) TRY(write_program(be, run, e));
        e->rows = run->n;
        e->items = run->n_items;
        e->chunks = run->chunks;
        if (!e->most_blocks) e->chosen = true;
        else if (be->cfg.decode == DECODE_PERSISTENT) e->chosen = true, e->program.blocks = e->most_blocks;
    }
    *out = e;
    if (!e->chosen && !s->no_persist && steps >= TRIAL_STEPS) TRY(choose(be, e, run, active));
    return GLIMPSE_OK;
}

extern "C" int32_t cuda_decode_blocks(const backend *self) {
    const cuda_backend *be = (const cuda_backend *)(const void *)self;
    const step_state *s = be->burst ? be->burst->steps : NULL;
    if (!s || s->no_persist) return 0;
    const step_entry *e = &s->entry[(s->next + ENTRIES - 1) % ENTRIES]; /* the newest */
    return e->program.blocks;
}
