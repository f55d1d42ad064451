/* cuda_backend.cu -- the CUDA backend: opens a device, lists rows, walks the plan's phases on one stream, brings the logits
 * back.  Called through backend_cuda by sampling/, where libglimpse_cuda.so was loaded, and by the tests, emulated.
 *
 * A run of more than 64 rows is cut: into pieces of 64 that follow each other (rows attend to those before), or, where all
 * its rows are one prompt's, handed to cuBLAS whole.  Nothing is allocated after open but what cuBLAS and CUDA keep of a
 * product and of a captured step (cuda_steps.cu). */
#include "kernels/cuda/cuda.cuh"

extern "C" {
extern const backend_ops backend_cuda;
glimpse_status cuda_probe(int32_t device);
}

#define CONTEXT_BYTES (512.0 * 1048576) /* what a context, cuBLAS and code are taken to cost */
#define SPARE_BYTES (1024.0 * 1048576)

/* === Errors ====================================================================================================== */

glimpse_status cuda_failed(cuda_backend *be, cudaError_t e, const char *what) {
    (void)cudaGetLastError();
    switch (e) {
    case cudaErrorMemoryAllocation:
        FAIL(GLIMPSE_E_MEMORY, "the GPU has no memory left: %s\nhint: fewer samples at once, or --device cpu", what);
    case cudaErrorNoDevice:
        FAIL(GLIMPSE_E_DEVICE, "no CUDA device was found\nhint: --device cpu, or see what nvidia-smi says");
    case cudaErrorInsufficientDriver:
        FAIL(GLIMPSE_E_DEVICE, "the NVIDIA driver is older than CUDA %d.%d, which Glimpse was built with\nhint: a newer driver, or "
             "--device cpu", CUDART_VERSION / 1000, CUDART_VERSION / 10 % 100);
    default: break;
    }
    if (be) be->broken = true;
    FAIL(GLIMPSE_E_DEVICE, "the GPU failed: %s (%s)%s", cudaGetErrorString(e), what,
         e == cudaErrorIllegalAddress || e == cudaErrorLaunchFailure ? "\nhint: this process must be started anew" : "");
}

static glimpse_status still_works(const cuda_backend *be) {
    if (be->broken) FAIL(GLIMPSE_E_DEVICE, "the GPU has failed before; nothing runs on it until Glimpse is opened again");
    return GLIMPSE_OK;
}

static cudaError_t note_caller(cuda_caller *c) {
    c->mode = cudaStreamCaptureModeRelaxed;
    cudaError_t e = cudaThreadExchangeStreamCaptureMode(&c->mode), known = cudaGetDevice(&c->device);
    c->exchanged = e == cudaSuccess;
    c->known = known == cudaSuccess;
    if (c->exchanged && c->known) return cudaSuccess;
    (void)cudaGetLastError();
    return c->exchanged ? known : e;
}
void cuda_leave(const cuda_backend *be, cuda_caller before) {
    if (before.known && before.device != be->device) (void)cudaSetDevice(before.device);
    if (before.exchanged) (void)cudaThreadExchangeStreamCaptureMode(&before.mode);
}
glimpse_status cuda_enter(cuda_backend *be, cuda_caller *before) {
    TRY(still_works(be));
    cudaError_t e = note_caller(before);
    if (e == cudaSuccess && before->device != be->device) e = cudaSetDevice(be->device);
    if (e == cudaSuccess) return GLIMPSE_OK;
    cuda_leave(be, *before);
    return cuda_failed(be, e, "choosing the device");
}

/* === Memory ====================================================================================================== */

static glimpse_status remember(void ***list, int32_t *n, int32_t *room, void *p) {
    if (*n == *room) {
        int32_t more = *room ? *room * 2 : 64;
        void **bigger = (void **)realloc(*list, (size_t)more * sizeof *bigger);
        if (!bigger) FAIL(GLIMPSE_E_MEMORY, "no memory for a list of %d blocks", more);
        *list = bigger;
        *room = more;
    }
    (*list)[(*n)++] = p;
    return GLIMPSE_OK;
}

glimpse_status cuda_take(cuda_backend *be, void *out, const char *what, int64_t a, int64_t b, size_t size) {
    size_t bytes;
    void *p = NULL;
    if (!size_mul((size_t)(a > 0 ? a : 1), (size_t)(b > 0 ? b : 1), size, 1, &bytes))
        FAIL(GLIMPSE_E_MEMORY, "%s: %lld x %lld elements are larger than any memory", what, (long long)a, (long long)b);
    bytes = (bytes + 255) / 256 * 256;
    if (be->most_bytes && (bytes > be->most_bytes || (size_t)be->bytes > be->most_bytes - bytes))
        FAIL(GLIMPSE_E_MEMORY, "%.1f MiB for %s after %.1f MiB are more of the GPU's memory than is free for Glimpse\n"
             "hint: --gpu_memory_limit, or fewer samples at once", (double)bytes / 1048576, what, (double)be->bytes / 1048576);
    TRY(remember(&be->blocks, &be->n_blocks, &be->room_blocks, NULL));
    cudaError_t e = cudaMalloc(&p, bytes);
    if (e != cudaSuccess) {
        glimpse_status st = cuda_failed(be, e, what);
        if (st == GLIMPSE_E_MEMORY) {
            (void)cudaGetLastError();
            FAIL(GLIMPSE_E_MEMORY, "the GPU has no %.1f MiB left for %s, after %.1f MiB\nhint: fewer samples at once, or --device cpu",
                 (double)bytes / 1048576, what, (double)be->bytes / 1048576);
        }
        return st;
    }
    be->blocks[be->n_blocks - 1] = p;
    be->bytes += (int64_t)bytes;
    memcpy(out, &p, sizeof p);
    CUDA(be, cudaMemsetAsync(p, 0, bytes, be->stream), "clearing memory");
    return GLIMPSE_OK;
}

glimpse_status cuda_take_pinned(cuda_backend *be, void *out, int64_t a, int64_t b, size_t size) {
    size_t bytes;
    void *p = NULL;
    if (!size_mul((size_t)(a > 0 ? a : 1), (size_t)(b > 0 ? b : 1), size, 1, &bytes))
        FAIL(GLIMPSE_E_MEMORY, "%lld x %lld elements are larger than any memory", (long long)a, (long long)b);
    TRY(remember(&be->pinned, &be->n_pinned, &be->room_pinned, NULL));
    CUDA(be, cudaMallocHost(&p, bytes), "memory of the host that the GPU may read");
    be->pinned[be->n_pinned - 1] = p;
    memset(p, 0, bytes);
    memcpy(out, &p, sizeof p);
    return GLIMPSE_OK;
}

/* === Rows ======================================================================================================== */

static int32_t rows_an_item(const cuda_backend *be) {
    int32_t most = ATTEND_QUERIES;
    for (int i = 0; i < be->p->n_phases; i++) {
        const phase *p = &be->p->phases[i];
        if (p->kind != PHASE_ATTEND) continue;
        int32_t group = p->heads / p->kv_heads, heads = group < ATTEND_QUERIES ? group : ATTEND_QUERIES;
        if (ATTEND_QUERIES / heads < most) most = ATTEND_QUERIES / heads;
    }
    return most;
}

static bool reads_alike(const backend_row *a, const backend_row *b, int prefix) {
    return a->prefix_tokens == b->prefix_tokens && (!a->prefix_tokens || a->prefix_strip == b->prefix_strip) &&
           (prefix || a->strip == b->strip);
}

/* Rows that read the same segment, gathered in items of at most `most`; n <= a few hundred, so n^2 is little. */
static int32_t list_items(cuda_backend *be, const backend_row *rows, const row_run *run, int prefix, int32_t n_items) {
    int32_t most = rows_an_item(be), at = prefix ? run->n : 0, *order = be->host_order + 2 * run->first;
    device_row *list = be->host_rows + run->first;
    attend_item *items = be->host_items + 2 * run->first;
    for (int32_t i = 0; i < run->n; i++) {
        int32_t *mine = prefix ? &list[i].prefix_item : &list[i].own_item;
        if (*mine != -1 || (prefix && !rows[i].prefix_tokens)) continue;
        attend_item *it = &items[n_items];
        it->first = at;
        it->n = 0;
        it->prefix = prefix;
        it->row = i;
        for (int32_t j = i; j < run->n && it->n < most; j++) {
            int32_t *its = prefix ? &list[j].prefix_item : &list[j].own_item;
            if (*its != -1 || !reads_alike(&rows[i], &rows[j], prefix)) continue;
            *its = n_items;
            order[at++] = j;
            it->n++;
        }
        n_items++;
    }
    return n_items;
}

void cuda_list_rows(cuda_backend *be, const backend_row *all, row_run *run) {
    const backend_row *rows = all + run->first;
    device_row *list = be->host_rows + run->first;
    int32_t last = 0;
    run->wanted = 0;
    for (int32_t i = 0; i < run->n; i++) {
        device_row *r = &list[i];
        r->id = rows[i].id;
        r->pos = rows[i].pos;
        r->strip = rows[i].strip;
        r->prefix_strip = rows[i].prefix_strip;
        r->prefix_tokens = rows[i].prefix_tokens;
        r->own_item = r->prefix_item = -1;
        r->active = 1;
        r->reach = rows[i].reach;
        r->inv_t = 1;
        if (rows[i].pos > last) last = rows[i].pos;
        if (rows[i].want_logits) be->host_line[run->line + run->wanted++] = i;
    }
    run->chunks = last / ATTEND_CHUNK + 1;
    run->n_items = list_items(be, rows, run, 0, 0);
    run->n_items = list_items(be, rows, run, 1, run->n_items);
}

glimpse_status cuda_upload_rows(cuda_backend *be, int32_t n) {
    size_t rows = (size_t)n;
    CUDA(be, cudaMemcpyAsync(be->rows, be->host_rows, rows * sizeof *be->rows, cudaMemcpyHostToDevice, be->stream), "uploading rows");
    CUDA(be, cudaMemcpyAsync(be->order, be->host_order, 2 * rows * sizeof *be->order, cudaMemcpyHostToDevice, be->stream), "uploading rows");
    CUDA(be, cudaMemcpyAsync(be->items, be->host_items, 2 * rows * sizeof *be->items, cudaMemcpyHostToDevice, be->stream), "uploading rows");
    CUDA(be, cudaMemcpyAsync(be->line, be->host_line, rows * sizeof *be->line, cudaMemcpyHostToDevice, be->stream), "uploading rows");
    return GLIMPSE_OK;
}

/* === Phases ====================================================================================================== */

static void fill_matmul(const cuda_backend *be, const cuda_phase *ph, const row_run *run, matmul_args *a) {
    const phase *p = ph->p;
    memset(a, 0, sizeof *a);
    a->n_parts = p->n_parts;
    for (int i = 0, y = 0; i < p->n_parts; i++) {
        const resident *r = &be->matrices[ph->part[i]];
        a->part[i].w = r->data;
        a->part[i].ld = r->ld;
        a->part[i].first = y;
        y += (int)p->part[i].rows;
        a->part[i].end = y;
    }
    a->k = be->p->width[p->in];
    a->kp = (int32_t)round_up(a->k, ROW_ALIGN);
    a->n_y = ph->n_y;
    a->n_tiles = ph->n_tiles;
    a->rows = run->n;
    a->in = be->buf[p->in] + run->first * be->ld[p->in];
    a->ld_in = be->ld[p->in];
    a->norm = ph->norm;
    a->bias = ph->bias;
    a->store = p->store;
    a->activate = p->activate && p->store != STORE_GATED;
    a->activation = p->activation;
    a->row = be->rows + run->first;
    a->rope = ph->rope;
    a->cache = ph->cache;
    a->heads = p->heads;
    a->grouped = p->kind == PHASE_MATMUL && p->store == STORE_QKV && p->grouped;
    a->tiles_a_head = ph->tiles_a_head;
    a->rope_tiles = ph->rope_tiles;
    if (p->kind == PHASE_HEAD) {
        a->head = 1;
        a->store = STORE_SET;
        a->softcap = p->softcap;
        a->n_y = be->p->vocab;
        a->n_tiles = (a->n_y + 15) / 16;
    } else {
        a->out = be->buf[p->out] + run->first * be->ld[p->out];
        a->ld_out = be->ld[p->out];
    }
    if (ph->wide) {
        a->store = TO_Y;
        a->activate = 0;
        a->out = be->y;
        a->ld_out = be->ld_y;
    }
}

static bool reads(const phase *p, int32_t buffer) {
    return p->kind != PHASE_EMBED && (p->in == buffer || (p->kind == PHASE_MATMUL && p->store == STORE_ADD && p->out == buffer));
}
static bool replaces(const phase *p, int32_t buffer) {
    return p->kind != PHASE_HEAD && p->out == buffer && (p->kind != PHASE_MATMUL || p->store != STORE_ADD);
}

/* What attention and products write that one product alone reads, as it is: a run may have it as planes at once.  Not what a product
 * writes in the place of what it reads itself, which may be planes as well. */
static void find_readers(cuda_backend *be) {
    for (int i = 0; i < be->p->n_phases; i++) {
        cuda_phase *ph = &be->phases[i];
        const phase *p = ph->p;
        const bool sets = p->kind == PHASE_MATMUL && (p->store == STORE_SET || p->store == STORE_GATED) && p->in != p->out && !ph->wide;
        int n = 0, reader = -1;
        ph->reader = -1;
        if (p->kind != PHASE_ATTEND && !sets) continue;
        for (int j = i + 1; j < be->p->n_phases; j++) {
            if (reads(be->phases[j].p, p->out) && !n++) reader = j;
            if (replaces(be->phases[j].p, p->out)) break;
        }
        const phase *q = n == 1 ? be->phases[reader].p : NULL;
        if (!q || q->kind != PHASE_MATMUL || q->norm.on) continue;
        ph->reader = reader;
        be->phases[reader].fed = true;
    }
}

/* Planes are not made by the product itself where they do not fit beside it, or where blocks that are done would overwrite what others
 * still read. */
static bool takes_planes(const cuda_backend *be, const cuda_phase *ph, const matmul_args *a) {
    return cuda_many_takes(be, ph->dtype, a) || planes_bytes(ph->planes, a) > PROLOGUE_SHARED ||
           (ph->p->kind == PHASE_MATMUL && ph->p->in == ph->p->out);
}

/* Where the rows that a phase writes go as planes: nowhere, unless to a reader that takes them in this run. */
static plane_rows planes_for_reader(const cuda_backend *be, const cuda_phase *ph, const row_run *run) {
    plane_rows to = {NULL, 0, 0, 0};
    matmul_args a;
    if (run->big || ph->reader < 0) return to;
    const cuda_phase *reader = &be->phases[ph->reader];
    fill_matmul(be, reader, run, &a);
    if (!takes_planes(be, reader, &a)) return to;
    to.to = be->split[ph->p->out];
    to.ld = be->ld[ph->p->out];
    to.stride = run->n * to.ld;
    to.n = reader->planes;
    return to;
}

static glimpse_status run_matmul(cuda_backend *be, const cuda_phase *ph, matmul_args *a) {
    if (takes_planes(be, ph, a)) {
        if (!ph->fed) CUDA(be, cuda_prologue(be, a, ph->planes, be->planes, NULL), "normalising");
        a->planes = ph->fed ? be->split[ph->p->in] : be->planes;
        a->ld_planes = ph->fed ? be->ld[ph->p->in] : be->ld_planes;
    }
    CUDA(be, cuda_many_takes(be, ph->dtype, a) ? cuda_many(be, ph->dtype, a) : cuda_matmul(be, ph->dtype, a), "multiplying");
    return GLIMPSE_OK;
}

/* A handle that cannot be made for want of memory is "not initialized" (seen: github.com/tensorflow/tensorflow/issues/9489). */
static glimpse_status blas_failed(cuda_backend *be, cublasStatus_t s) {
    be->broken = s != CUBLAS_STATUS_ALLOC_FAILED && s != CUBLAS_STATUS_NOT_INITIALIZED;
    (void)cudaGetLastError();
    if (!be->broken) FAIL(GLIMPSE_E_MEMORY, "the GPU has no memory left for cuBLAS (%s)\nhint: --device cpu", cublasGetStatusName(s));
    FAIL(GLIMPSE_E_DEVICE, "cuBLAS failed: %s", cublasGetStatusName(s));
}

static glimpse_status open_blas(cuda_backend *be) {
    if (be->blas) return GLIMPSE_OK;
    cublasStatus_t s = cublasCreate(&be->blas);
    if (s != CUBLAS_STATUS_SUCCESS) {
        be->blas = NULL;
        return blas_failed(be, s);
    }
    s = cublasSetStream(be->blas, be->stream);
    return s == CUBLAS_STATUS_SUCCESS ? GLIMPSE_OK : blas_failed(be, s);
}

/* y = W x for a whole prompt: with bf16 weights x as its two planes, one below the other, so that nothing of it is lost; by the
 * compute type f32 stays f32.  (The handle's math mode stays the default: the pedantic one would take the tensor cores from
 * bf16, whose products are exact in f32 there: cuBLAS, "Tensor Core Usage".) */
static glimpse_status run_blas(cuda_backend *be, const cuda_phase *ph, const row_run *run, matmul_args *a) {
    bool half = ph->dtype == GLIMPSE_BF16;
    float *plain = half ? NULL : (float *)(void *)be->planes;
    const float one = 1, zero = 0;
    cudaDataType type = half ? CUDA_R_16BF : CUDA_R_32F;
    cublasComputeType_t compute = half ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_PEDANTIC;
    CUDA(be, cuda_prologue(be, a, half ? 2 : 3, be->planes, plain), "normalising");
    int n = half ? 2 * a->rows : a->rows;
    for (int i = 0; i < a->n_parts; i++) {
        const matrix_part *w = &a->part[i];
        cublasStatus_t s = cublasGemmEx(be->blas, CUBLAS_OP_T, CUBLAS_OP_N, w->end - w->first, n, a->kp, &one, w->w, type,
                                        (int)w->ld, be->planes, type, (int)be->ld_planes, &zero, be->y + w->first, CUDA_R_32F,
                                        (int)be->ld_y, compute, CUBLAS_GEMM_DEFAULT);
        if (s != CUBLAS_STATUS_SUCCESS) return blas_failed(be, s);
    }
    CUDA(be, cuda_finish(be, ph, run, half ? be->y + (int64_t)run->n * be->ld_y : NULL), "storing products");
    return GLIMPSE_OK;
}

static glimpse_status run_head(cuda_backend *be, const cuda_phase *ph, const row_run *run) {
    for (int32_t at = 0; at < run->wanted; at += MATMUL_ROWS) {
        matmul_args a;
        fill_matmul(be, ph, run, &a);
        a.rows = run->wanted - at < MATMUL_ROWS ? run->wanted - at : MATMUL_ROWS;
        a.line = be->line + run->line + at;
        a.out = be->logits + (int64_t)(run->line + at) * be->ld_logits;
        a.ld_out = be->ld_logits;
        if (run->line + at + a.rows <= be->tile_rows) a.tiles = be->tiles + (int64_t)(run->line + at) * be->n_tiles;
        TRY(run_matmul(be, ph, &a));
    }
    return GLIMPSE_OK;
}

/* The partial sums have room for 64 rows: a prompt's items, whose rows rise, are cut where they cross a multiple. */
static glimpse_status run_attend(cuda_backend *be, const cuda_phase *ph, const row_run *run) {
    const attend_item *items = be->host_items + 2 * run->first;
    const int32_t *order = be->host_order + 2 * run->first;
    const plane_rows split = planes_for_reader(be, ph, run);
    for (int32_t at = 0, end; at < run->n_items; at = end) {
        for (end = at + 1; end < run->n_items; end++)
            if (run->n > MATMUL_ROWS && order[items[end].first] / MATMUL_ROWS != order[items[at].first] / MATMUL_ROWS) break;
        CUDA(be, cuda_attend(be, ph, run, &split, at, end - at), "attending");
    }
    return GLIMPSE_OK;
}

glimpse_status cuda_run_phases(cuda_backend *be, const row_run *run) {
    for (int i = 0; i < be->p->n_phases; i++) {
        const cuda_phase *ph = &be->phases[i];
        matmul_args a;
        switch (ph->p->kind) {
        case PHASE_EMBED: CUDA(be, cuda_embed(be, ph, run), "embedding"); break;
        case PHASE_ATTEND: TRY(run_attend(be, ph, run)); break;
        case PHASE_HEAD: TRY(run_head(be, ph, run)); break;
        case PHASE_MATMUL:
            fill_matmul(be, ph, run, &a);
            if (run->big) {
                TRY(run_blas(be, ph, run, &a));
                break;
            }
            a.split = planes_for_reader(be, ph, run);
            TRY(run_matmul(be, ph, &a));
            if (ph->wide) CUDA(be, cuda_finish(be, ph, run, NULL), "storing products");
            break;
        }
    }
    return GLIMPSE_OK;
}

/* A prompt for cuBLAS: more than 64 rows of one sequence without a prefix, weights that it multiplies without a loss. */
static bool is_prompt(const cuda_backend *be, const backend_row *rows, int32_t n) {
    if (n <= MATMUL_ROWS) return false;
    for (int32_t i = 0; i < n; i++)
        if (rows[i].strip != rows[0].strip || rows[i].prefix_tokens) return false;
    for (int i = 0; i < be->p->n_phases; i++)
        if (be->phases[i].p->kind == PHASE_MATMUL && be->phases[i].dtype == GLIMPSE_F16) return false;
    return true;
}

/* needs: of the rows wanted, NULL = the logits themselves. */
static glimpse_status forward(cuda_backend *be, const backend_row *rows, int32_t n_rows, const part_need *needs) {
    bool big = is_prompt(be, rows, n_rows);
    int32_t piece = big ? n_rows : MATMUL_ROWS, line = 0;
    row_run *runs = be->runs;
    int32_t n = 0;
    for (int32_t at = 0, end; at < n_rows; at = end, n++) {
        end = n_rows - at < piece ? n_rows : at + piece;
        memset(&runs[n], 0, sizeof runs[n]);
        runs[n].first = at;
        runs[n].n = end - at;
        runs[n].line = line;
        runs[n].big = big;
        cuda_list_rows(be, rows, &runs[n]);
        for (int32_t i = 0; needs && i < runs[n].wanted; i++) be->host_rows[at + be->host_line[line + i]].inv_t = cuda_inv_t(needs[line + i].inv_t);
        line += runs[n].wanted;
    }
    TRY(cuda_upload_rows(be, n_rows));
    for (int32_t i = 0; i < n; i++) TRY(cuda_run_phases(be, &runs[i]));
    return GLIMPSE_OK;
}

static glimpse_status bring_logits(cuda_backend *be, int32_t first, int32_t n) {
    size_t row = (size_t)be->ld_logits, at = (size_t)first * row;
    if (n)
        CUDA(be, cudaMemcpyAsync(be->host_logits + at, be->logits + at, (size_t)n * row * sizeof(float), cudaMemcpyDeviceToHost,
                                 be->stream), "bringing back logits");
    CUDA(be, cudaStreamSynchronize(be->stream), "a forward pass");
    return GLIMPSE_OK;
}

static glimpse_status cuda_forward(backend *self, const backend_row *rows, int32_t n_rows, const float **logits, int64_t *stride) {
    cuda_backend *be = (cuda_backend *)(void *)self;
    int32_t wanted = 0;
    cuda_caller before;
    TRY(rows_check(be->p, &be->cfg, rows, n_rows, be->last, &wanted));
    TRY(cuda_enter(be, &before));
    glimpse_status st = forward(be, rows, n_rows, NULL);
    if (st >= 0) st = bring_logits(be, 0, wanted);
    cuda_leave(be, before);
    if (st < 0) return st;
    *logits = be->host_logits;
    *stride = be->ld_logits;
    return GLIMPSE_OK;
}

static glimpse_status cuda_parts(backend *self, const backend_row *rows, int32_t n_rows, const part_need *needs, row_part *out) {
    cuda_backend *be = (cuda_backend *)(void *)self;
    int32_t wanted = 0;
    cuda_caller before;
    TRY(rows_check(be->p, &be->cfg, rows, n_rows, be->last, &wanted));
    TRY(cuda_parts_check(be, needs, wanted));
    TRY(cuda_enter(be, &before));
    glimpse_status st = forward(be, rows, n_rows, needs);
    if (st >= 0) st = cuda_parts_bring(be, needs, wanted, out);
    cuda_leave(be, before);
    return st;
}

static glimpse_status cuda_whole_row(backend *self, int32_t i, const float **logits) {
    cuda_backend *be = (cuda_backend *)(void *)self;
    cuda_caller before;
    if (i < 0 || i >= be->cfg.max_logits) FAIL(GLIMPSE_E_INVALID, "row %d of %d", i, be->cfg.max_logits);
    TRY(cuda_enter(be, &before));
    glimpse_status st = bring_logits(be, i, 1);
    cuda_leave(be, before);
    if (st >= 0) *logits = be->host_logits + (int64_t)i * be->ld_logits;
    return st;
}

static glimpse_status copy_strips(cuda_backend *be, int32_t from, int32_t to, int32_t first, int32_t n) {
    for (int i = 0; i < be->p->n_phases; i++)
        if (be->phases[i].p->kind == PHASE_MATMUL && be->phases[i].cache.k)
            CUDA(be, cuda_copy_strip(be, &be->phases[i], from, to, first, n), "copying a strip");
    CUDA(be, cudaStreamSynchronize(be->stream), "copying a strip");
    return GLIMPSE_OK;
}

static glimpse_status cuda_copy(backend *self, int32_t from, int32_t to, int32_t first, int32_t n) {
    cuda_backend *be = (cuda_backend *)(void *)self;
    cuda_caller before;
    TRY(copy_check(&be->cfg, from, to, first, n));
    if (!n) return GLIMPSE_OK;
    TRY(cuda_enter(be, &before));
    glimpse_status st = copy_strips(be, from, to, first, n);
    cuda_leave(be, before);
    return st;
}

static glimpse_status cosines(cuda_backend *be, const int32_t *pairs, int32_t n, float *out) {
    const cuda_phase *embed = NULL;
    for (int i = 0; i < be->p->n_phases && !embed; i++)
        if (be->phases[i].p->kind == PHASE_EMBED) embed = &be->phases[i];
    if (!embed) FAIL(GLIMPSE_E_INVALID, "a plan without an embedding");
    const matrix *e = &embed->p->embedding;
    for (int32_t i = 0; i < 2 * n; i++)
        if (pairs[i] < 0 || pairs[i] >= e->rows) FAIL(GLIMPSE_E_INVALID, "the embedding has no row %d", pairs[i]);
    for (int32_t at = 0, k; at < n; at += k) {
        k = n - at < PAIRS ? n - at : (int32_t)PAIRS;
        memcpy(be->host_pairs, pairs + 2 * at, (size_t)k * 2 * sizeof *pairs);
        CUDA(be, cudaMemcpyAsync(be->pairs, be->host_pairs, (size_t)k * 2 * sizeof *pairs, cudaMemcpyHostToDevice, be->stream), "cosines");
        CUDA(be, cuda_cosines(be, embed, k), "cosines");
        CUDA(be, cudaMemcpyAsync(be->host_cosines, be->cosines, (size_t)k * sizeof *out, cudaMemcpyDeviceToHost, be->stream), "cosines");
        CUDA(be, cudaStreamSynchronize(be->stream), "cosines");
        memcpy(out + at, be->host_cosines, (size_t)k * sizeof *out);
    }
    return GLIMPSE_OK;
}

static glimpse_status cuda_cosines_of(backend *self, const int32_t *pairs, int32_t n, float *out) {
    cuda_backend *be = (cuda_backend *)(void *)self;
    cuda_caller before;
    TRY(cuda_enter(be, &before));
    glimpse_status st = cosines(be, pairs, n, out);
    cuda_leave(be, before);
    return st;
}

static glimpse_status cuda_refresh(backend *self) {
    cuda_backend *be = (cuda_backend *)(void *)self;
    cuda_caller before;
    TRY(cuda_enter(be, &before));
    glimpse_status st = cuda_weights_refresh(be);
    cuda_leave(be, before);
    return st;
}

/* === Life ======================================================================================================== */

static void free_room(cuda_backend *be, int32_t lasting) {
    cuda_burst_close(be);
    cuda_parts_close(be);
    for (int32_t i = lasting; i < be->n_blocks; i++)
        if (be->blocks[i]) (void)cudaFree(be->blocks[i]);
    for (int32_t i = 0; i < be->n_pinned; i++)
        if (be->pinned[i]) (void)cudaFreeHost(be->pinned[i]);
    be->n_blocks = lasting;
    be->n_pinned = 0;
    free(be->last);
    free(be->runs);
    be->last = NULL;
    be->runs = NULL;
}

static void cuda_close(backend *self) {
    cuda_backend *be = (cuda_backend *)(void *)self;
    cuda_caller before;
    if (!be) return;
    (void)note_caller(&before);
    if (before.known && before.device != be->device) (void)cudaSetDevice(be->device);

    free_room(be, 0);
    if (be->blas) (void)cublasDestroy(be->blas);
    if (be->stream) (void)cudaStreamDestroy(be->stream);
    (void)cudaGetLastError();
    cuda_leave(be, before);
    free(be->blocks);
    free(be->pinned);
    free(be->phases);
    free(be->matrices);
    free(be->vectors);
    free(be->shape);
    free(be);
}

static glimpse_status probe(cuda_backend *be, int32_t device) {
    int n = 0, major = 0, driver = 0;
    cudaError_t e = cudaGetDeviceCount(&n);
    if (e == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess && !driver) e = cudaErrorNoDevice; /* none at all */
    if (e == cudaSuccess && n < 1) e = cudaErrorNoDevice;
    CUDA(be, e, "looking for devices");
    if (device < 0 || device >= n)
        FAIL(GLIMPSE_E_DEVICE, "device cuda:%d; there %s %d\nhint: --device cuda:0", device, n == 1 ? "is" : "are", n);
    CUDA(be, cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "asking about the device");
    if (major < 8)
        FAIL(GLIMPSE_E_DEVICE, "device cuda:%d has compute capability %d; 8.0 (Ampere) is needed\nhint: --device cpu", device, major);
    if (be) be->chained = major >= 9;
    return GLIMPSE_OK;
}

extern "C" glimpse_status cuda_probe(int32_t device) { return probe(NULL, device); }

/* What may be taken: of all the memory, less what is ours already and what a context costs; and some stays free. */
static glimpse_status find_budget(cuda_backend *be) {
    size_t free_bytes = 0, total = 0;
    if (!(be->cfg.memory_percent > 0)) return GLIMPSE_OK;
    CUDA(be, cudaMemGetInfo(&free_bytes, &total), "asking how much memory is free");
    double most = (double)total * (be->cfg.memory_percent < 100 ? be->cfg.memory_percent : 100) / 100 - (double)be->cfg.held_bytes - CONTEXT_BYTES;
    double spare = (double)total / 50 > SPARE_BYTES ? (double)total / 50 : SPARE_BYTES;
    if ((double)free_bytes - spare < most) most = (double)free_bytes - spare;
    be->most_bytes = most > 1 ? (size_t)most : 1;
    return GLIMPSE_OK;
}

static glimpse_status open_device(cuda_backend *be) {
    int shared = 0;
    TRY(probe(be, be->device));
    CUDA(be, cudaSetDevice(be->device), "choosing the device");
    CUDA(be, cudaDeviceGetAttribute(&be->multiprocessors, cudaDevAttrMultiProcessorCount, be->device), "asking about the device");
    CUDA(be, cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, be->device), "asking about the device");
    be->shared_most = (size_t)shared;
    TRY(find_budget(be));
    CUDA(be, cudaStreamCreateWithFlags(&be->stream, cudaStreamNonBlocking), "opening a stream");
    CUDA(be, cuda_matmul_prepare(be), "loading kernels");
    CUDA(be, cuda_many_prepare(), "loading kernels");
    CUDA(be, cuda_attend_prepare(be), "loading kernels");
    CUDA(be, cuda_rows_prepare(), "loading kernels");
    return GLIMPSE_OK;
}

static glimpse_status open_rows(cuda_backend *be) {
    const plan *p = be->p;
    int64_t rows = be->cfg.max_rows, y = 0, x = 0;
    for (int i = 0; i < p->n_buffers; i++) {
        be->ld[i] = round_up(p->width[i], ROW_ALIGN);
        if (be->ld[i] > x) x = be->ld[i];
        TRY(cuda_take(be, &be->buf[i], "activations", rows, be->ld[i], sizeof(float)));
    }
    int32_t hdp = 0;
    for (int i = 0; i < p->n_phases; i++) {
        const cuda_phase *ph = &be->phases[i];
        if (ph->p->kind == PHASE_MATMUL && (ph->wide || rows > MATMUL_ROWS) && ph->n_y > y) y = ph->n_y;
        if (ph->p->kind != PHASE_ATTEND) continue;
        if (ph->p->heads > be->most_heads) be->most_heads = ph->p->heads;
        if (ph->cache.hdp > hdp) hdp = ph->cache.hdp;
    }
    memset(be->split, 0, sizeof be->split);
    for (int i = 0; i < p->n_phases; i++) {
        const int32_t in = p->phases[i].in;
        if (be->phases[i].fed && !be->split[in])
            TRY(cuda_take(be, &be->split[in], "activations", (rows < MATMUL_ROWS ? rows : (int64_t)MATMUL_ROWS) * MAX_PLANES, be->ld[in],
                          sizeof *be->split[in]));
    }
    be->ld_planes = (x + 63) / 64 * 64 + 32;
    TRY(cuda_take(be, &be->planes, "activations", rows * MAX_PLANES, be->ld_planes, sizeof *be->planes));
    be->ld_y = round_up(y, ROW_ALIGN);
    if (y) TRY(cuda_take(be, &be->y, "activations", rows * 2, be->ld_y, sizeof *be->y));
    TRY(cuda_many_open(be));
    be->slots = (be->cfg.strip_tokens + ATTEND_CHUNK - 1) / ATTEND_CHUNK + 1;
    if (be->most_heads) {
        int64_t queries = (rows < MATMUL_ROWS ? rows : (int64_t)MATMUL_ROWS) * be->most_heads;
        TRY(cuda_take(be, &be->partial, "attention", queries * be->slots, hdp + 2, sizeof *be->partial));
        TRY(cuda_take(be, &be->arrived, "attention", queries, 1, sizeof *be->arrived));
    }
    be->ld_logits = round_up(p->vocab, ROW_ALIGN);
    be->n_tiles = (p->vocab + 15) / 16;
    be->tile_rows = be->cfg.max_logits < MATMUL_ROWS ? be->cfg.max_logits : (int32_t)MATMUL_ROWS;
    TRY(cuda_take(be, &be->tiles, "logits", 2 * (int64_t)be->tile_rows, be->n_tiles, sizeof *be->tiles));
    TRY(cuda_take(be, &be->logits, "logits", be->cfg.max_logits, be->ld_logits, sizeof(float)));
    TRY(cuda_take_pinned(be, &be->host_logits, be->cfg.max_logits, be->ld_logits, sizeof(float)));
    TRY(cuda_take(be, &be->rows, "rows", rows, 1, sizeof *be->rows));
    TRY(cuda_take(be, &be->order, "rows", rows, 2, sizeof *be->order));
    TRY(cuda_take(be, &be->items, "rows", rows, 2, sizeof *be->items));
    TRY(cuda_take(be, &be->line, "rows", rows, 1, sizeof *be->line));
    TRY(cuda_take_pinned(be, &be->host_rows, rows, 1, sizeof *be->host_rows));
    TRY(cuda_take_pinned(be, &be->host_order, rows, 2, sizeof *be->host_order));
    TRY(cuda_take_pinned(be, &be->host_items, rows, 2, sizeof *be->host_items));
    TRY(cuda_take_pinned(be, &be->host_line, rows, 1, sizeof *be->host_line));
    TRY(cuda_take(be, &be->pairs, "cosines", PAIRS, 2, sizeof *be->pairs));
    TRY(cuda_take(be, &be->cosines, "cosines", PAIRS, 1, sizeof *be->cosines));
    TRY(cuda_take_pinned(be, &be->host_pairs, PAIRS, 2, sizeof *be->host_pairs));
    TRY(cuda_take_pinned(be, &be->host_cosines, PAIRS, 1, sizeof *be->host_cosines));
    be->runs = (row_run *)calloc((size_t)be->cfg.max_rows / MATMUL_ROWS + 1, sizeof *be->runs);
    if (!be->runs) FAIL(GLIMPSE_E_MEMORY, "no memory for runs of %d rows", be->cfg.max_rows);
    be->last = (int32_t *)calloc((size_t)be->cfg.n_strips, sizeof *be->last);
    if (!be->last) FAIL(GLIMPSE_E_MEMORY, "no memory for %d strips", be->cfg.n_strips);
    return GLIMPSE_OK;
}

static glimpse_status open_room(cuda_backend *be) {
    if (be->cfg.max_rows > MATMUL_ROWS) TRY(open_blas(be)); /* here the CPU can still do it instead */
    TRY(cuda_caches_open(be));
    TRY(open_rows(be));
    TRY(cuda_burst_open(be));
    TRY(cuda_parts_open(be));
    CUDA(be, cudaStreamSynchronize(be->stream), "opening the device");
    return GLIMPSE_OK;
}

static glimpse_status open_all(cuda_backend *be) {
    TRY(open_device(be));
    TRY(cuda_weights_open(be));
    find_readers(be);
    be->n_lasting = be->n_blocks;
    be->lasting_bytes = be->bytes;
    return open_room(be);
}

static glimpse_status check_config(const plan *p, const backend_config *cfg) {
    TRY(plan_check(p, cfg));
    if (cfg->cache != GLIMPSE_F32 && cfg->cache != GLIMPSE_BF16)
        FAIL(GLIMPSE_E_INVALID, "keys and values can be stored as f32 or bf16, not as dtype %d", (int)cfg->cache);
    return GLIMPSE_OK;
}

static glimpse_status reopen(cuda_backend *be, const backend_config *cfg) {
    TRY(check_config(be->p, cfg));
    if (cfg->device != be->device) FAIL(GLIMPSE_E_INVALID, "device cuda:%d is open, not cuda:%d", be->device, cfg->device);
    CUDA(be, cudaStreamSynchronize(be->stream), "opening the device");
    free_room(be, be->n_lasting);
    be->bytes = be->lasting_bytes;
    be->most_heads = 0;
    be->y = NULL;
    be->cfg = *cfg;
    return open_room(be);
}

static glimpse_status cuda_reopen(backend *self, const backend_config *cfg) {
    cuda_backend *be = (cuda_backend *)(void *)self;
    cuda_caller before;
    glimpse_status st = cuda_enter(be, &before);
    if (st >= 0) {
        st = reopen(be, cfg);
        cuda_leave(be, before);
    }
    if (st < 0) cuda_close(self);
    return st;
}

static glimpse_status cuda_open(backend **out, const plan *p, const backend_config *cfg) {
    cuda_caller before;
    TRY(check_config(p, cfg));
    cuda_backend *be = (cuda_backend *)calloc(1, sizeof *be);
    if (!be) FAIL(GLIMPSE_E_MEMORY, "no memory for %zu bytes", sizeof *be);
    be->base.ops = &backend_cuda;
    be->p = p;
    be->cfg = *cfg;
    be->device = cfg->device;
    (void)note_caller(&before); /* what is wrong with it open_all says */
    glimpse_status st = open_all(be);
    cuda_leave(be, before);
    if (st < 0) {
        cuda_close(&be->base);
        return st;
    }
    *out = &be->base;
    return GLIMPSE_OK;
}

static const char *cuda_isa(const backend *self) {
    (void)self;
    return "sm_80 and on";
}
static int64_t cuda_bytes(const backend *self) { return ((const cuda_backend *)(const void *)self)->bytes; }

extern "C" const backend_ops backend_cuda = {"cuda", cuda_open, cuda_refresh, cuda_forward, cuda_copy, cuda_burst, cuda_reopen, cuda_cosines_of,
                                       cuda_parts, cuda_whole_row, cuda_isa, cuda_bytes, cuda_close};
