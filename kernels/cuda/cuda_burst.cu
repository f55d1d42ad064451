/* cuda_burst.cu -- up to 16 steps of forward and draw without the host: positions, tokens and ends of sequences live on the
 * device.  How they are run (a graph a step, or one kernel for all of them) cuda_steps.cu finds out once for each batch and reach.
 *
 *   request --lists--> device --[step: embed .. head, decide: id -> row]--> x steps --> records, one copy back
 *
 * A batch is rounded up to one of eleven sizes with rows that are not active, and the chunks of attention to powers of two,
 * so few of them serve a whole eval.
 * Called by sampling/burst.c through backend_cuda. */
#include "kernels/cuda/burst.cuh"

glimpse_status cuda_burst_open(cuda_backend *be) {
    int32_t rows = be->cfg.max_logits < be->cfg.max_rows ? be->cfg.max_logits : be->cfg.max_rows;
    if (rows > MATMUL_ROWS) rows = MATMUL_ROWS;
    if (rows < 1) return GLIMPSE_OK;
    burst_state *b = (burst_state *)calloc(1, sizeof *b);
    if (!b) FAIL(GLIMPSE_E_MEMORY, "no memory for %zu bytes", sizeof *b);
    be->burst = b;
    b->room = rows;
    b->room_seen = be->cfg.strip_tokens + BURST_MAX_STEPS;
    if (b->room_seen > be->p->vocab) b->room_seen = be->p->vocab;
    b->mark = (int32_t *)calloc((size_t)be->p->vocab, sizeof *b->mark);
    if (!b->mark) FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", be->p->vocab);
    TRY(cuda_take(be, &b->state, "bursts", rows, 1, sizeof *b->state));
    TRY(cuda_take(be, &b->seen, "bursts", rows, b->room_seen, sizeof *b->seen));
    TRY(cuda_take(be, &b->changed, "bursts", rows, be->ld_logits, sizeof *b->changed));
    TRY(cuda_take(be, &b->tokens, "bursts", rows, BURST_MAX_STEPS, sizeof *b->tokens));
    TRY(cuda_take(be, &b->tops, "bursts", (int64_t)rows * BURST_MAX_STEPS, BURST_MAX_TOP, sizeof *b->tops));
    TRY(cuda_take_pinned(be, &b->host_state, rows, 1, sizeof *b->host_state));
    TRY(cuda_take_pinned(be, &b->host_after, rows, 1, sizeof *b->host_after));
    TRY(cuda_take_pinned(be, &b->host_seen, rows, b->room_seen, sizeof *b->host_seen));
    TRY(cuda_take_pinned(be, &b->host_tokens, rows, BURST_MAX_STEPS, sizeof *b->host_tokens));
    TRY(cuda_take_pinned(be, &b->host_tops, (int64_t)rows * BURST_MAX_STEPS, BURST_MAX_TOP, sizeof *b->host_tops));
    CUDA(be, cuda_decide_prepare(), "loading kernels");
    return cuda_steps_open(be);
}

void cuda_burst_close(cuda_backend *be) {
    burst_state *b = be->burst;
    if (!b) return;
    cuda_steps_close(be);
    free(b->mark);
    free(b);
    be->burst = NULL;
}

/* === Checks and lists ============================================================================================ */

static glimpse_status check_ops(const burst_row *r, int i) {
    if (r->n_ops < 0 || r->n_ops > BURST_MAX_OPS) FAIL(GLIMPSE_E_INVALID, "burst row %d: %d samplers", i, r->n_ops);
    for (int k = 0; k < r->n_ops; k++) {
        const burst_op *op = &r->ops[k];
        bool ok = true;
        switch (op->kind) {
        case BURST_TEMPERATURE: ok = op->v[0] == 0 || (op->v[0] >= 1e-6 && op->v[0] <= 1e6); break;
        case BURST_TOP_K: ok = op->v[0] >= 1 && op->v[0] <= 2147483647.0; break;
        case BURST_TOP_P: ok = op->v[0] >= 0 && op->v[0] < 1; break;
        case BURST_MIN_P: ok = op->v[0] > 0 && op->v[0] <= 1; break;
        case BURST_PENALTIES: ok = k == 0 && op->v[0] > 0; break;
        default: ok = false;
        }
        if (!ok) FAIL(GLIMPSE_E_INVALID, "burst row %d: sampler %d of kind %d with %g", i, k, op->kind, op->v[0]);
    }
    return GLIMPSE_OK;
}

static glimpse_status check_burst(cuda_backend *be, const burst_request *rq, backend_row *rows) {
    int32_t wanted = 0;
    if (be->p->vocab > MASS_MAX_VOCAB) FAIL(GLIMPSE_E_INVALID, "a vocabulary of %d ids, possible are 1 to %d", be->p->vocab, (int)MASS_MAX_VOCAB);
    if (!be->burst || rq->n_rows < 1 || rq->n_rows > be->burst->room || rq->n_top < 0 || rq->n_top > BURST_MAX_TOP)
        FAIL(GLIMPSE_E_INVALID, "a burst of %d rows with %d alternatives", rq->n_rows, rq->n_top);
    for (int32_t i = 0; i < rq->n_rows; i++) {
        rows[i] = rq->rows[i].row;
        rows[i].want_logits = 1;
        for (int32_t j = 0; j < i; j++)
            if (rows[j].strip == rows[i].strip) FAIL(GLIMPSE_E_INVALID, "burst rows %d and %d share strip %d", j, i, rows[i].strip);
        TRY(check_ops(&rq->rows[i], i));
    }
    TRY(rows_check(be->p, &be->cfg, rows, rq->n_rows, be->last, &wanted));
    for (int32_t i = 0; i < rq->n_rows; i++) { /* the last step's position must exist too */
        const burst_row *b = &rq->rows[i];
        if (b->steps < 1 || b->steps > BURST_MAX_STEPS || b->n_seen < 0)
            FAIL(GLIMPSE_E_INVALID, "burst row %d: %d steps, %d tokens seen", i, b->steps, b->n_seen);
        rows[i].pos += b->steps - 1;
    }
    TRY(rows_check(be->p, &be->cfg, rows, rq->n_rows, be->last, &wanted));
    for (int32_t i = 0; i < rq->n_rows; i++) rows[i].pos = rq->rows[i].row.pos;
    for (int32_t i = 0; i < rq->n_rows; i++)
        for (int32_t k = 0; k < rq->rows[i].n_seen; k++) {
            int32_t id = rq->rows[i].seen[k];
            if (id < 0 || id >= be->p->vocab) FAIL(GLIMPSE_E_INVALID, "burst row %d has seen token %d", i, id);
        }
    return GLIMPSE_OK;
}

/* Each id once with its count, in the order of first appearance. */
static int32_t count_seen(burst_state *b, const burst_row *r, seen_id *out) {
    int32_t n = 0;
    for (int32_t k = 0; k < r->n_seen; k++) {
        int32_t id = r->seen[k], *place = &b->mark[id];
        if (*place) {
            out[*place - 1].count++;
        } else if (n < b->room_seen) {
            out[n].id = id;
            out[n++].count = 1;
            *place = n;
        }
    }
    for (int32_t k = 0; k < n; k++) b->mark[out[k].id] = 0;
    return n;
}

/* 1 / T, T what the samplers leave it at; 1 where that is 0. */
static float inverse_temperature(const burst_row *r) {
    double t = 1;
    for (int k = 0; k < r->n_ops; k++)
        if (r->ops[k].kind == BURST_TEMPERATURE) t *= r->ops[k].v[0];
    return t > 0 ? cuda_inv_t(1 / t) : 1.0f;
}

static int32_t rounded_rows(int32_t n, int32_t most) {
    static const int32_t sizes[] = {1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] >= n) return sizes[i] < most ? sizes[i] : most;
    return most;
}

static int32_t rounded_chunks(int32_t last_position, int32_t most) {
    int32_t need = last_position / ATTEND_CHUNK + 1, n = 1;
    while (n < need) n *= 2;
    return n < most ? n : most;
}

/* The lists of a run whose rows beyond rq->n_rows are not active; *steps: as many as the longest row has. */
static void list_burst(cuda_backend *be, const burst_request *rq, const backend_row *rows, row_run *run, int32_t *steps) {
    burst_state *b = be->burst;
    int32_t n = rq->n_rows, padded = rounded_rows(n, b->room), last = 0;
    memset(run, 0, sizeof *run);
    run->n = n;
    cuda_list_rows(be, rows, run);
    *steps = 0;
    for (int32_t i = 0; i < n; i++) {
        const burst_row *r = &rq->rows[i];
        decide_row *d = &b->host_state[i];
        memset(d, 0, sizeof *d);
        d->key.key = r->key;
        d->key.step = r->key_step;
        d->steps = r->steps;
        d->eos = r->eos;
        d->n_more_eos = r->n_more_eos;
        memcpy(d->more_eos, r->more_eos, sizeof d->more_eos);
        d->n_ops = r->n_ops;
        memcpy(d->ops, r->ops, sizeof d->ops);
        d->list_room = rq->list_room > 0 && rq->list_room < DECIDE_LIST ? rq->list_room : (int32_t)DECIDE_LIST;
        be->host_rows[i].inv_t = inverse_temperature(r);
        if (r->n_ops && r->ops[0].kind == BURST_PENALTIES) d->n_seen = count_seen(b, r, b->host_seen + (int64_t)i * b->room_seen);
        if (r->steps > *steps) *steps = r->steps;
        if (r->row.pos + r->steps > last) last = r->row.pos + r->steps;
    }
    for (int32_t i = n; i < padded; i++) {
        memset(&be->host_rows[i], 0, sizeof be->host_rows[i]);
        be->host_rows[i].own_item = be->host_rows[i].prefix_item = -1;
        be->host_line[i] = i;
        memset(&b->host_state[i], 0, sizeof b->host_state[i]);
    }
    /* An item that nobody reads costs its blocks all the same: of prefixes as few as there are, rounded as the rows are. */
    int32_t prefixes = run->n_items - n, items = padded + (prefixes ? rounded_rows(prefixes, padded) : 0);
    for (int32_t i = run->n_items; i < items; i++) memset(&be->host_items[i], 0, sizeof be->host_items[i]);
    run->n = run->wanted = padded;
    run->n_items = items;
    run->chunks = rounded_chunks(last, be->slots - 1);
}

/* === Steps ======================================================================================================= */

glimpse_status cuda_burst_upload(cuda_backend *be, int32_t rows) {
    burst_state *b = be->burst;
    size_t n = (size_t)rows;
    TRY(cuda_upload_rows(be, rows));
    CUDA(be, cudaMemcpyAsync(b->state, b->host_state, n * sizeof *b->state, cudaMemcpyHostToDevice, be->stream), "uploading rows");
    CUDA(be, cudaMemcpyAsync(b->seen, b->host_seen, n * (size_t)b->room_seen * sizeof *b->seen, cudaMemcpyHostToDevice, be->stream),
         "uploading rows");
    return GLIMPSE_OK;
}

glimpse_status cuda_burst_step(cuda_backend *be, const row_run *run, int32_t n_top) {
    const burst_state *b = be->burst;
    decide_args a;
    TRY(cuda_run_phases(be, run));
    memset(&a, 0, sizeof a);
    a.logits = be->logits;
    a.changed = b->changed;
    a.tiles = be->tiles;
    a.changed_tiles = be->tiles + (int64_t)be->tile_rows * be->n_tiles;
    a.n_tiles = be->n_tiles;
    a.ld = be->ld_logits;
    a.vocab = be->p->vocab;
    a.n_top = n_top;
    a.room_seen = b->room_seen;
    a.row = be->rows;
    a.state = b->state;
    a.seen = b->seen;
    a.tokens = b->tokens;
    a.tops = b->tops;
    CUDA(be, cuda_decide(be, &a, run->n), "drawing");
    return GLIMPSE_OK;
}

glimpse_status cuda_burst_bring(cuda_backend *be, int32_t rows, int32_t n_top) {
    burst_state *b = be->burst;
    size_t n = (size_t)rows, records = n * BURST_MAX_STEPS;
    CUDA(be, cudaMemcpyAsync(b->host_after, b->state, n * sizeof *b->state, cudaMemcpyDeviceToHost, be->stream), "bringing back tokens");
    CUDA(be, cudaMemcpyAsync(b->host_tokens, b->tokens, records * sizeof *b->tokens, cudaMemcpyDeviceToHost, be->stream),
         "bringing back tokens");
    if (n_top)
        CUDA(be, cudaMemcpyAsync(b->host_tops, b->tops, records * BURST_MAX_TOP * sizeof *b->tops, cudaMemcpyDeviceToHost, be->stream),
             "bringing back tokens");
    return GLIMPSE_OK;
}

/* The lists are on the host: all of the burst's steps, and what they leave brought back. */
static glimpse_status run_steps(cuda_backend *be, const burst_request *rq, const row_run *run, int32_t steps) {
    struct step_entry *e = NULL;
    TRY(cuda_burst_upload(be, run->n));
    TRY(cuda_steps_find(be, run, rq->n_rows, steps, rq->n_top, &e));
    TRY(cuda_steps_run(be, e, run, rq->n_rows, steps));
    TRY(cuda_steps_ask(be));
    TRY(cuda_burst_bring(be, rq->n_rows, rq->n_top));
    CUDA(be, cudaStreamSynchronize(be->stream), "a burst");
    return GLIMPSE_OK;
}

static glimpse_status run_burst(cuda_backend *be, const burst_request *rq, const backend_row *rows) {
    burst_state *b = be->burst;
    row_run run;
    int32_t steps;
    bool again = false;
    list_burst(be, rq, rows, &run, &steps);
    TRY(run_steps(be, rq, &run, steps));
    TRY(cuda_steps_failed(be, &again));
    if (again) TRY(run_steps(be, rq, &run, steps));
    size_t n = (size_t)rq->n_rows;
    for (size_t i = 0; i < n; i++) {
        rq->n_drawn[i] = b->host_after[i].n_drawn;
        for (int32_t k = 0; k < rq->n_drawn[i] && k < BURST_MAX_STEPS; k++) {
            size_t at = i * BURST_MAX_STEPS + (size_t)k;
            rq->tokens[at] = b->host_tokens[at];
            for (int32_t j = 0; j < rq->tokens[at].n_top; j++) rq->tops[at * (size_t)rq->n_top + (size_t)j] = b->host_tops[at * BURST_MAX_TOP + (size_t)j];
        }
    }
    return GLIMPSE_OK;
}

glimpse_status cuda_burst(backend *self, const burst_request *rq) {
    cuda_backend *be = (cuda_backend *)(void *)self;
    backend_row rows[MATMUL_ROWS];
    cuda_caller before;
    if (rq->n_rows > MATMUL_ROWS) FAIL(GLIMPSE_E_INVALID, "a burst of %d rows, at most %d", rq->n_rows, (int)MATMUL_ROWS);
    TRY(check_burst(be, rq, rows));
    TRY(cuda_enter(be, &before));
    glimpse_status st = run_burst(be, rq, rows);
    cuda_leave(be, before);
    return st;
}
