/* cuda_parts.cu -- of each row of logits what a chain of samplers on the host needs (part_need of backend.h): the first k, the
 * logits of the ids that its samplers change by name, and the sums over the whole row.  A row is 4 V bytes, this is some
 * hundred.  Compiled with -fmad=false: where a prefix ends is decided as on the CPU.  Called by cuda_backend.cu. */
#include "kernels/cuda/select.cuh"

typedef struct parts_args {
    const float *logits;    /* (rows, ld) */
    float *changed;         /* (rows, ld) scratch: the row without the named ids */
    const float4 *tiles;    /* (rows, n_tiles) of the logits: tiles.cuh */
    float4 *changed_tiles;  /* (rows, n_tiles) scratch */
    int64_t ld;
    int32_t vocab, n_tiles, room, room_named;
    const device_need *need; /* (rows) */
    const int32_t *named;   /* (rows, room_named) */
    device_part_facts *facts; /* (rows) */
    part_id *listed;        /* (rows, room) */
    float *named_l;         /* (rows, room_named) */
} parts_args;

/* parts_kernel -- facts, prefix and named logits of one row a block.
 *
 *   logits (rows, ld) f32, tiles (rows, n_tiles) in; changed, changed_tiles scratch; need, named in; facts, listed, named_l out
 *
 * Numerics: the prefix is exact; sums are of float exponentials, added in double: within 1e-6.  A row that is not finite, or of
 * which more would have to be listed than there is room for: facts.n = -1.  Listed in the order of the keys, or in none.
 * Reference: tests/test_parts.c; not measured on a chip yet. */
static __global__ void __launch_bounds__(DECIDE_THREADS) parts_kernel(const parts_args a) {
    SHARED(work_space, w, 1);
    dependency_wait();
    const int r = (int)blockIdx.x;
    const device_need need = a.need[r];
    const float *raw = a.logits + r * a.ld;
    const int32_t *named = a.named + (int64_t)r * a.room_named;
    device_part_facts *out = a.facts + r;
    part_id *listed = a.listed + (int64_t)r * a.room;
    const float inv_t = cuda_inv_t(need.inv_t);
    const int64_t tiles = (int64_t)r * a.n_tiles;
    row_view v = {raw, a.tiles + tiles, a.changed + r * a.ld, a.changed_tiles + tiles, NULL, a.vocab, a.n_tiles, false};
    const row_facts f = facts_of(v, inv_t, w);
    if (f.bad >= 0 || !(f.max > -INFINITY)) {
        if (thread() == 0) out->n = -1;
        return;
    }
    for (int i = thread(); i < need.n_named; i += DECIDE_THREADS) a.named_l[(int64_t)r * a.room_named + i] = raw[named[i]];
    change(v, need.n_named, [=](int i) { return named[i]; }, [](int, float) { return -INFINITY; }, inv_t, w);
    const row_facts rest = need.n_named > 0 ? facts_of(v, inv_t, w) : f;

    survivors s = {v, rest.max, 1.0, rest.first, ~(u64)0, rest.finite, 0, DECIDE_LIST, 0};
    int many = rest.finite;
    bool fits = true;
    if (need.k < many) {
        int near = 0;
        if (need.span <= 0) { /* all that is as likely as the best of the rest, but for e^span */
            const double span = need.span;
            const float max = rest.max;
            near = gather(s, [=](float l, int) { return (double)l - (double)max >= span; }, w);
            fits = near >= 0;
            s.n_list = near > 0 ? near : 0;
        }
        many = near > need.k ? near : need.k;
        if (near > 0 && near > need.k) keep_listed(s, near, w);
        else if (fits && many > 0) keep_first(s, many, w);
        else s.last = 0;
    }
    fits = fits && many <= a.room;
    if (fits && many <= s.n_list)
        for (int i = thread(); i < many; i += DECIDE_THREADS) {
            listed[i].id = id_of(w->list[i]);
            listed[i].l = raw[id_of(w->list[i])];
        }
    else if (fits) {
        const float *row = whole_row(s);
        __syncthreads();
        if (thread() == 0) w->count = 0;
        __syncthreads();
        for (int i = thread(); i < a.vocab; i += DECIDE_THREADS)
            if (survives(s, row[i], i)) {
                part_id *at = listed + atomicAdd(&w->count, 1);
                at->id = i;
                at->l = row[i];
            }
    }
    if (thread() == 0) {
        out->n = fits ? many : -1;
        out->finite = f.finite;
        out->max = f.max;
        out->last = s.last;
        out->s = f.sum;
        out->t = f.moment;
        out->s_temp = f.warm;
    }
}

/* === The host's side ============================================================================================= */

struct parts_state {
    int32_t rows, room_named;
    device_need *need, *host_need;
    device_part_facts *facts, *host_facts;
    part_id *listed, *host_listed;
    int32_t *named, *host_named;
    float *named_l, *host_named_l, *changed;
};

glimpse_status cuda_parts_open(cuda_backend *be) {
    int32_t rows = be->cfg.max_logits < MATMUL_ROWS ? be->cfg.max_logits : (int32_t)MATMUL_ROWS;
    if (rows < 1) return GLIMPSE_OK;
    parts_state *b = (parts_state *)calloc(1, sizeof *b);
    if (!b) FAIL(GLIMPSE_E_MEMORY, "no memory for %zu bytes", sizeof *b);
    be->parts = b;
    b->rows = rows;
    b->room_named = PART_MOST_NAMED < be->p->vocab ? (int32_t)PART_MOST_NAMED : be->p->vocab;
    TRY(cuda_take(be, &b->need, "candidates", rows, 1, sizeof *b->need));
    TRY(cuda_take(be, &b->facts, "candidates", rows, 1, sizeof *b->facts));
    TRY(cuda_take(be, &b->listed, "candidates", rows, PART_MOST, sizeof *b->listed));
    TRY(cuda_take(be, &b->named, "candidates", rows, b->room_named, sizeof *b->named));
    TRY(cuda_take(be, &b->named_l, "candidates", rows, b->room_named, sizeof *b->named_l));
    TRY(cuda_take(be, &b->changed, "candidates", rows, be->ld_logits, sizeof *b->changed));
    TRY(cuda_take_pinned(be, &b->host_need, rows, 1, sizeof *b->host_need));
    TRY(cuda_take_pinned(be, &b->host_facts, rows, 1, sizeof *b->host_facts));
    TRY(cuda_take_pinned(be, &b->host_listed, rows, PART_MOST, sizeof *b->host_listed));
    TRY(cuda_take_pinned(be, &b->host_named, rows, b->room_named, sizeof *b->host_named));
    return cuda_take_pinned(be, &b->host_named_l, rows, b->room_named, sizeof *b->host_named_l);
}

void cuda_parts_close(cuda_backend *be) {
    free(be->parts);
    be->parts = NULL;
}

glimpse_status cuda_parts_check(const cuda_backend *be, const part_need *needs, int32_t n) {
    if (be->p->vocab > MASS_MAX_VOCAB) FAIL(GLIMPSE_E_INVALID, "a vocabulary of %d ids, possible are 1 to %d", be->p->vocab, (int)MASS_MAX_VOCAB);
    if (!be->parts || n < 1 || n > be->parts->rows) FAIL(GLIMPSE_E_INVALID, "candidates of %d rows", n);
    for (int32_t i = 0; i < n; i++) {
        const part_need *x = &needs[i];
        if (x->k < 0 || x->k > PART_MOST || x->n_named < 0 || x->n_named > be->parts->room_named || !(x->inv_t > 0))
            FAIL(GLIMPSE_E_INVALID, "row %d: the first %d and %d named ids are asked for", i, x->k, x->n_named);
        for (int32_t k = 0; k < x->n_named; k++)
            if (x->named[k] < 0 || x->named[k] >= be->p->vocab) FAIL(GLIMPSE_E_INVALID, "row %d: there is no id %d", i, x->named[k]);
    }
    return GLIMPSE_OK;
}

/* Of rows 0 .. n - 1 of be->logits, which a forward pass on the same stream has left there. */
glimpse_status cuda_parts_bring(cuda_backend *be, const part_need *needs, int32_t n, row_part *out) {
    parts_state *b = be->parts;
    parts_args a;
    int32_t room = 1, named = 1;
    for (int32_t i = 0; i < n; i++) {
        int32_t want = needs[i].span <= 0 ? (int32_t)PART_MOST : needs[i].k;
        if (want > room) room = want;
        if (needs[i].n_named > named) named = needs[i].n_named;
    }
    for (int32_t i = 0; i < n; i++) {
        device_need d = {needs[i].k, needs[i].n_named, needs[i].span, needs[i].inv_t};
        b->host_need[i] = d;
        if (needs[i].n_named) memcpy(b->host_named + (int64_t)i * named, needs[i].named, (size_t)needs[i].n_named * sizeof *needs[i].named);
    }
    memset(&a, 0, sizeof a);
    a.logits = be->logits;
    a.changed = b->changed;
    a.tiles = be->tiles;
    a.changed_tiles = be->tiles + (int64_t)be->tile_rows * be->n_tiles;
    a.n_tiles = be->n_tiles;
    a.ld = be->ld_logits;
    a.vocab = be->p->vocab;
    a.room = room;
    a.room_named = named;
    a.need = b->need;
    a.named = b->named;
    a.facts = b->facts;
    a.listed = b->listed;
    a.named_l = b->named_l;
    size_t rows = (size_t)n, names = rows * (size_t)named, list = rows * (size_t)room;
    CUDA(be, cudaMemcpyAsync(b->need, b->host_need, rows * sizeof *b->need, cudaMemcpyHostToDevice, be->stream), "uploading rows");
    CUDA(be, cudaMemcpyAsync(b->named, b->host_named, names * sizeof *b->named, cudaMemcpyHostToDevice, be->stream), "uploading rows");
    CUDA(be, LAUNCH(parts_kernel, dim3((unsigned)n), dim3(DECIDE_THREADS), 0, be->stream, false, a), "selecting candidates");
    CUDA(be, cudaMemcpyAsync(b->host_facts, b->facts, rows * sizeof *b->facts, cudaMemcpyDeviceToHost, be->stream), "bringing back candidates");
    CUDA(be, cudaMemcpyAsync(b->host_listed, b->listed, list * sizeof *b->listed, cudaMemcpyDeviceToHost, be->stream), "bringing back candidates");
    CUDA(be, cudaMemcpyAsync(b->host_named_l, b->named_l, names * sizeof *b->named_l, cudaMemcpyDeviceToHost, be->stream), "bringing back candidates");
    CUDA(be, cudaStreamSynchronize(be->stream), "a forward pass");
    for (int32_t i = 0; i < n; i++) {
        const device_part_facts *f = &b->host_facts[i];
        row_part *p = &out[i];
        memset(p, 0, sizeof *p);
        p->n = f->n;
        if (p->n < 0) continue;
        p->listed = b->host_listed + (int64_t)i * room;
        p->named_l = b->host_named_l + (int64_t)i * named;
        p->last = f->last;
        p->max = f->max;
        p->n_finite = f->finite;
        p->s = f->s;
        p->t = f->t;
        p->s_temp = f->s_temp;
    }
    return GLIMPSE_OK;
}
