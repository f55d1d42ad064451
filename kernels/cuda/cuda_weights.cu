/* cuda_weights.cu -- the plan's weights on the device: which matrices are read where they lie, which are copied or re-laid,
 * vectors as f32; and the phases with every pointer resolved.  Called by cuda_backend.cu at open and at each refresh.
 *
 * A matrix is read in place when the trainer holds it on this device for good, row-major, in rows of a multiple of 32
 * elements that begin at multiples of 16 bytes.  Otherwise it gets a copy of its own: from the device in one pass, also out of
 * another process's memory (weights_source.h), or from the host.  GPT-2's and Llama's tensors on the device need none inline. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/dtype.h"

enum { STAGING = 16 << 20 };

static cudaError_t on_device(const void *p, bool *yes) {
    cudaPointerAttributes a;
    cudaError_t e = cudaPointerGetAttributes(&a, p);
    *yes = e == cudaSuccess && (a.type == cudaMemoryTypeDevice || a.type == cudaMemoryTypeManaged);
    return e;
}

/* Where the weights of address p are now. */
static const void *now_at(const cuda_backend *be, const void *p) {
    uint64_t at = weights_on_device(be->cfg.source, p);
    return at ? (const void *)(uintptr_t)at : p;
}

static bool same(const matrix *a, const matrix *b) {
    return a->data == b->data && a->dtype == b->dtype && a->rows == b->rows && a->cols == b->cols &&
           a->row_stride == b->row_stride && a->col_stride == b->col_stride;
}

static glimpse_status add_matrix(cuda_backend *be, const matrix *m, int32_t *place) {
    for (int32_t i = 0; i < be->n_resident; i++)
        if (same(&be->matrices[i].from, m)) {
            *place = i;
            return GLIMPSE_OK;
        }
    resident *r = &be->matrices[be->n_resident];
    r->from = *m;
    r->ld = round_up(m->cols, ROW_ALIGN);
    bool there = false, for_good = !be->cfg.source || be->cfg.source->stays;
    size_t size = dtype_bytes(m->dtype);
    const void *from = now_at(be, m->data);
    if (for_good) CUDA(be, on_device(from, &there), "asking where the weights are");
    if (there && m->col_stride == 1 && m->cols % ROW_ALIGN == 0 && m->row_stride >= m->cols &&
        (uint64_t)m->row_stride * size % 16 == 0 && (uintptr_t)from % 16 == 0) {
        r->data = from;
        r->ld = m->row_stride;
    } else {
        TRY(cuda_take(be, &r->own, "the weights", m->rows, r->ld, size));
        r->data = r->own;
    }
    *place = be->n_resident++;
    return GLIMPSE_OK;
}

static glimpse_status add_vector(cuda_backend *be, const vector *v, float add, float *to) {
    vector_use *u = &be->vectors[be->n_vectors++];
    u->from = *v;
    u->to = to;
    u->add = add;
    return GLIMPSE_OK;
}

static glimpse_status add_norm(cuda_backend *be, const norm_spec *s, device_norm *out) {
    memset(out, 0, sizeof *out);
    if (!s->on) return GLIMPSE_OK;
    out->on = 1;
    out->rms = s->kind == GLIMPSE_RMSNORM;
    out->eps = s->eps;
    float *to;
    if (s->weight.data) {
        TRY(cuda_take(be, &to, "norms", s->weight.n, 1, sizeof *to));
        out->w = to;
        TRY(add_vector(be, &s->weight, s->plus_one ? 1.0f : 0.0f, to));
    }
    if (s->bias.data) {
        TRY(cuda_take(be, &to, "norms", s->bias.n, 1, sizeof *to));
        out->b = to;
        TRY(add_vector(be, &s->bias, 0, to));
    }
    return GLIMPSE_OK;
}

static glimpse_status add_biases(cuda_backend *be, cuda_phase *ph) {
    bool any = false;
    const phase *p = ph->p;
    for (int i = 0; i < p->n_parts; i++) any |= p->bias[i].data != NULL;
    if (!any) return GLIMPSE_OK;
    float *to;
    TRY(cuda_take(be, &to, "biases", ph->n_y, 1, sizeof *to));
    ph->bias = to;
    for (int i = 0; i < p->n_parts; i++) {
        if (p->bias[i].data) TRY(add_vector(be, &p->bias[i], 0, to));
        to += p->part[i].rows;
    }
    return GLIMPSE_OK;
}

/* cos and sin of every position, in double and then f32 as the CPU's: computed on the host, uploaded once. */
static glimpse_status upload_angles(cuda_backend *be, const rope_spec *s, const double *inv_freq, const float **cosines,
                                    const float **sines) {
    int64_t half = s->dims / 2, n = be->cfg.strip_tokens * half;
    float *to, *host = (float *)malloc((size_t)n * 2 * sizeof *host);
    if (!host) FAIL(GLIMPSE_E_MEMORY, "no memory for %lld rotary angles", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        double angle = (double)(i / half) * inv_freq[i % half];
        host[i] = (float)(cos(angle) * (double)s->scale);
        host[n + i] = (float)(sin(angle) * (double)s->scale);
    }
    glimpse_status st = cuda_take(be, &to, "rotary angles", n, 2, sizeof *to);
    if (st >= 0) {
        cudaError_t e = cudaMemcpyAsync(to, host, (size_t)n * 2 * sizeof *to, cudaMemcpyHostToDevice, be->stream);
        if (e == cudaSuccess) e = cudaStreamSynchronize(be->stream);
        if (e != cudaSuccess) st = cuda_failed(be, e, "uploading rotary angles");
    }
    free(host);
    if (st < 0) return st;
    *cosines = to;
    *sines = to + n;
    return GLIMPSE_OK;
}

static glimpse_status add_rope(cuda_backend *be, const rope_spec *s, device_rope *out) {
    memset(out, 0, sizeof *out);
    if (!s->inv_freq) return GLIMPSE_OK;
    for (int i = 0; i < be->p->n_phases; i++) { /* layers mostly share theirs */
        const cuda_phase *other = &be->phases[i];
        if (!other->p || !other->rope.cos) continue;
        const rope_spec *o = &other->p->rope;
        if (o->inv_freq == s->inv_freq && o->inv_freq_long == s->inv_freq_long && o->dims == s->dims && o->scale == s->scale) {
            *out = other->rope;
            out->interleaved = s->interleaved;
            out->long_after = s->long_after;
            return GLIMPSE_OK;
        }
    }
    TRY(upload_angles(be, s, s->inv_freq, &out->cos, &out->sin));
    if (s->inv_freq_long) TRY(upload_angles(be, s, s->inv_freq_long, &out->cos_long, &out->sin_long));
    out->dims = s->dims;
    out->interleaved = s->interleaved;
    out->long_after = s->long_after;
    return GLIMPSE_OK;
}

static glimpse_status open_cache(cuda_backend *be, cuda_phase *ph) {
    const phase *p = ph->p;
    device_cache *c = &ph->cache;
    c->half = be->cfg.cache == GLIMPSE_BF16;
    c->kv_heads = p->kv_heads;
    c->hd = p->head_size;
    c->hdp = (int32_t)round_up(p->head_size, 8);
    c->tokens = be->cfg.strip_tokens;
    int64_t rows = (int64_t)be->cfg.n_strips * p->kv_heads * c->tokens;
    TRY(cuda_take(be, &c->k, "the key cache", rows, c->hdp, c->half ? 2 : 4));
    return cuda_take(be, &c->v, "the value cache", rows, c->hdp, c->half ? 2 : 4);
}

static glimpse_status open_matmul(cuda_backend *be, cuda_phase *ph) {
    const phase *p = ph->p;
    ph->n_y = (int32_t)phase_columns(p);
    ph->dtype = p->part[0].dtype;
    for (int i = 0; i < p->n_parts; i++) {
        if (p->part[i].dtype != ph->dtype)
            FAIL(GLIMPSE_E_UNSUPPORTED, "layer %d: matrices that are multiplied together have dtypes %d and %d", p->layer,
                 (int)ph->dtype, (int)p->part[i].dtype);
        TRY(add_matrix(be, &p->part[i], &ph->part[i]));
    }
    ph->planes = ph->dtype == GLIMPSE_F32 ? 3 : 2;
    TRY(add_biases(be, ph));
    TRY(add_norm(be, &p->norm, &ph->norm));
    TRY(add_norm(be, &p->post_norm, &ph->post));
    TRY(add_norm(be, &p->q_norm, &ph->q_norm));
    TRY(add_norm(be, &p->k_norm, &ph->k_norm));
    bool qkv = p->kind == PHASE_MATMUL && p->store == STORE_QKV;
    ph->wide = ph->post.on || (qkv && (ph->q_norm.on || ph->k_norm.on));
    ph->n_tiles = (ph->n_y + 15) / 16;
    if (p->kind == PHASE_MATMUL && p->store == STORE_GATED && !ph->wide) ph->n_tiles = (ph->n_y / 2 + 7) / 8;
    if (qkv && p->rope.inv_freq && !ph->wide) {
        ph->rope_tiles = (p->rope.dims / 2 + 7) / 8;
        ph->tiles_a_head = ph->rope_tiles + (p->head_size - p->rope.dims + 15) / 16;
        ph->n_tiles = (p->heads + p->kv_heads) * ph->tiles_a_head + (p->kv_heads * p->head_size + 15) / 16;
    }
    return GLIMPSE_OK;
}

glimpse_status cuda_weights_open(cuda_backend *be) {
    const plan *p = be->p;
    size_t n = (size_t)p->n_phases;
    be->phases = (cuda_phase *)calloc(n, sizeof *be->phases);
    be->matrices = (resident *)calloc(n * PLAN_MAX_PARTS, sizeof *be->matrices);
    be->vectors = (vector_use *)calloc(n * (PLAN_MAX_PARTS + 8), sizeof *be->vectors);
    if (!be->phases || !be->matrices || !be->vectors) FAIL(GLIMPSE_E_MEMORY, "no memory for a plan of %zu phases", n);
    for (int i = 0; i < p->n_phases; i++) {
        cuda_phase *ph = &be->phases[i];
        ph->p = &p->phases[i];
        if (ph->p->kind == PHASE_EMBED) {
            TRY(add_matrix(be, &ph->p->embedding, &ph->part[0]));
            if (ph->p->positions.data) TRY(add_matrix(be, &ph->p->positions, &ph->part[1]));
        } else if (ph->p->kind != PHASE_ATTEND) {
            TRY(open_matmul(be, ph));
        }
    }
    return cuda_take(be, &be->staging, "staging", STAGING, 1, 1);
}

glimpse_status cuda_caches_open(cuda_backend *be) {
    const plan *p = be->p;
    for (int i = 0; i < p->n_phases; i++) {
        cuda_phase *ph = &be->phases[i];
        memset(&ph->rope, 0, sizeof ph->rope);
        memset(&ph->cache, 0, sizeof ph->cache);
    }
    for (int i = 0; i < p->n_phases; i++) {
        cuda_phase *ph = &be->phases[i];
        if (ph->p->kind == PHASE_MATMUL && ph->p->store == STORE_QKV) {
            TRY(add_rope(be, &ph->p->rope, &ph->rope));
            TRY(open_cache(be, ph));
        }
        if (ph->p->kind != PHASE_ATTEND) continue;
        if (!cuda_attend_fits(be, ph->p->head_size, be->cfg.cache == GLIMPSE_BF16))
            FAIL(GLIMPSE_E_UNSUPPORTED, "heads of %d numbers; the CUDA backend holds at most %d, as shared memory allows\n"
                 "hint: --device cpu", ph->p->head_size, MAX_HEAD_SIZE);
        for (int j = 0; j < i; j++) { /* the store of this layer stands before it: plan_check */
            const cuda_phase *q = &be->phases[j];
            if (q->p->kind == PHASE_MATMUL && q->p->store == STORE_QKV && q->p->layer == ph->p->layer) ph->cache = q->cache;
        }
    }
    return GLIMPSE_OK;
}

/* === Refresh ===================================================================================================== */

/* A host matrix passes through the staging memory in pieces along its slower dimension. */
static glimpse_status upload_pieces(cuda_backend *be, const resident *r) {
    const matrix *m = &r->from;
    size_t size = dtype_bytes(m->dtype);
    bool by_rows = m->row_stride >= m->col_stride;
    int64_t slow = by_rows ? m->rows : m->cols, stride = by_rows ? m->row_stride : m->col_stride;
    int64_t fast_span = by_rows ? (m->cols - 1) * m->col_stride + 1 : (m->rows - 1) * m->row_stride + 1;
    if ((uint64_t)fast_span * size > STAGING)
        FAIL(GLIMPSE_E_UNSUPPORTED, "a matrix whose rows span %lld elements\nhint: --device cpu", (long long)fast_span);
    int64_t room = stride ? (STAGING / (int64_t)size - fast_span) / stride + 1 : slow;
    for (int64_t at = 0; at < slow; at += room) {
        int64_t n = slow - at < room ? slow - at : room, span = (n - 1) * stride + fast_span;
        CUDA(be, cudaMemcpyAsync(be->staging, (const char *)m->data + (size_t)(at * stride) * size, (size_t)span * size,
                                 cudaMemcpyHostToDevice, be->stream), "uploading weights");
        char *to = (char *)r->own + (size_t)(by_rows ? at * r->ld : at) * size;
        int64_t rows = by_rows ? n : m->rows, cols = by_rows ? m->cols : n;
        bool last = by_rows || at + n == slow; /* only the last piece of columns also writes the zeros behind them */
        CUDA(be, cuda_relay(be, be->staging, size, rows, cols, m->row_stride, m->col_stride, to, r->ld,
                            by_rows ? r->ld : last ? r->ld - at : n), "laying out weights");
    }
    return GLIMPSE_OK;
}

static glimpse_status refresh_matrix(cuda_backend *be, const resident *r) {
    const matrix *m = &r->from;
    size_t size = dtype_bytes(m->dtype);
    bool there = false;
    if (!r->own) return GLIMPSE_OK;
    const void *from = now_at(be, m->data);
    CUDA(be, on_device(from, &there), "asking where the weights are");
    bool dense = m->col_stride == 1 && m->row_stride == m->cols && m->cols == r->ld;
    if (there && dense) {
        CUDA(be, cudaMemcpyAsync(r->own, from, (size_t)(m->rows * m->cols) * size, cudaMemcpyDeviceToDevice, be->stream),
             "copying weights");
        return GLIMPSE_OK;
    }
    if (there) {
        CUDA(be, cuda_relay(be, from, size, m->rows, m->cols, m->row_stride, m->col_stride, r->own, r->ld, r->ld),
             "laying out weights");
        return GLIMPSE_OK;
    }
    if (dense) {
        CUDA(be, cudaMemcpyAsync(r->own, m->data, (size_t)(m->rows * m->cols) * size, cudaMemcpyHostToDevice, be->stream),
             "uploading weights");
        return GLIMPSE_OK;
    }
    return upload_pieces(be, r);
}

static glimpse_status refresh_vector(cuda_backend *be, const vector_use *u) {
    const void *from = now_at(be, u->from.data);
    size_t bytes = (size_t)u->from.n * dtype_bytes(u->from.dtype);
    bool there = false;
    CUDA(be, on_device(from, &there), "asking where the weights are");
    if (!there) {
        if (bytes > STAGING) FAIL(GLIMPSE_E_UNSUPPORTED, "a vector of %lld elements", (long long)u->from.n);
        CUDA(be, cudaMemcpyAsync(be->staging, from, bytes, cudaMemcpyHostToDevice, be->stream), "uploading weights");
        from = be->staging;
    }
    CUDA(be, cuda_floats(be, from, u->from.dtype, u->from.n, u->add, u->to), "laying out weights");
    return GLIMPSE_OK;
}

glimpse_status cuda_weights_refresh(cuda_backend *be) {
    for (int32_t i = 0; i < be->n_resident; i++) TRY(refresh_matrix(be, &be->matrices[i]));
    for (int32_t i = 0; i < be->n_vectors; i++) TRY(refresh_vector(be, &be->vectors[i]));
    CUDA(be, cudaStreamSynchronize(be->stream), "uploading weights");
    return GLIMPSE_OK;
}
