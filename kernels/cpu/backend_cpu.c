/* backend_cpu.c -- the CPU backend: opens, checks, and walks the plan's phases over rows with a pool of threads.
 *
 * A phase is one pool_run over chunks of the weights' rows (matmul, head), over (group of rows, kv head) (attention) or
 * over rows (embedding; norms when there are many rows).  A task's index decides what it computes, and no number depends
 * on how work is cut; so threads and batches change no bit.  Called through backend_cpu by sampling/. */
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "include/internal/status.h"
#include "kernels/cpu/cpu.h"

enum { SERIAL_ELEMENTS = 16384 }; /* work by rows below this is not worth waking a thread */

/* Tasks ---------------------------------------------------------------------------------------------------------- */

/* The host's rounding and denormal modes reach our threads by inheritance and the caller's thread by itself (-Ofast
 * start-up code sets flush-to-zero).  A task computes in the default mode and puts the other back. */
#if defined(__x86_64__)
static unsigned mode_enter(void) {
    unsigned before = _mm_getcsr();
    _mm_setcsr(0x1f80);
    return before;
}
static void mode_leave(unsigned before) { _mm_setcsr(before); }
#else
static unsigned mode_enter(void) { return 0; }
static void mode_leave(unsigned before) { (void)before; }
#endif

static cpu_scratch *scratch_take(cpu_backend *be) {
    for (int32_t i = 0;; i = i + 1 < be->n_scratch ? i + 1 : 0) /* as many as threads: one is always free */
        if (!atomic_flag_test_and_set_explicit(&be->scratch[i].busy, memory_order_acquire)) return &be->scratch[i];
}

static void scratch_give(cpu_scratch *s) { atomic_flag_clear_explicit(&s->busy, memory_order_release); }

static void run_matmul(void *arg, int task) {
    const cpu_job *job = arg;
    unsigned mode = mode_enter();
    cpu_scratch *s = scratch_take(job->be);
    job->be->isa->matmul(job, task, s);
    scratch_give(s);
    mode_leave(mode);
}

static void run_attend(void *arg, int task) {
    const cpu_job *job = arg;
    unsigned mode = mode_enter();
    cpu_scratch *s = scratch_take(job->be);
    int32_t kv = task % job->ph->p->kv_heads;
    job->be->isa->attend(job, &job->be->groups[task / job->ph->p->kv_heads], kv, s);
    scratch_give(s);
    mode_leave(mode);
}

typedef struct rows_job {
    const cpu_job *job;
    void (*fn)(const cpu_job *job, int32_t first, int32_t end);
    int32_t rows_a_task;
} rows_job;

static void run_rows(void *arg, int task) {
    const rows_job *r = arg;
    unsigned mode = mode_enter();
    int32_t first = task * r->rows_a_task, end = first + r->rows_a_task;
    r->fn(r->job, first, end < r->job->n ? end : r->job->n);
    mode_leave(mode);
}

static void by_rows(const cpu_job *job, void (*fn)(const cpu_job *, int32_t, int32_t), int64_t width) {
    int64_t rows = SERIAL_ELEMENTS / width;
    rows_job r = {job, fn, rows > 1 ? (int32_t)(rows < job->n ? rows : job->n) : 1};
    pool_run(job->be->pool, run_rows, &r, (job->n + r.rows_a_task - 1) / r.rows_a_task);
}

/* Forward -------------------------------------------------------------------------------------------------------- */

/* Rows in the order in which they attend together: by prefix strip, rows without one by their own; `order` is stable, so
 * rows of a sequence stay in a run.  Groups of at most MAX_QUERIES queries of a kv head of the widest phase. */
static void group_rows(cpu_backend *be, const backend_row *rows, int32_t n) {
    int32_t share = 1, filled = 0;
    for (int i = 0; i < be->p->n_phases; i++) {
        const phase *p = &be->p->phases[i];
        if (p->kind == PHASE_ATTEND && p->heads / p->kv_heads > share) share = p->heads / p->kv_heads;
    }
    int32_t most = MAX_QUERIES / share > 0 ? MAX_QUERIES / share : 1;
    be->n_groups = 0;
    for (int32_t i = 0; i < n; i++) be->line[i] = -1; /* here: which rows are taken */
    for (int32_t i = 0; i < n; i++) {
        if (be->line[i] >= 0) continue;
        bool shared = rows[i].prefix_tokens > 0;
        int32_t strip = shared ? rows[i].prefix_strip : rows[i].strip, in_group = most;
        for (int32_t j = i; j < n; j++) {
            bool same = shared == (rows[j].prefix_tokens > 0) &&
                        strip == (shared ? rows[j].prefix_strip : rows[j].strip);
            if (!same || be->line[j] >= 0) continue;
            if (in_group == most) be->groups[be->n_groups++] = (cpu_group){filled, 0}, in_group = 0;
            be->order[filled++] = j;
            be->line[j] = i;
            be->groups[be->n_groups - 1].n = ++in_group;
        }
    }
}

static void forward_phase(cpu_backend *be, const cpu_phase *ph, const backend_row *rows, int32_t n, int32_t wanted) {
    const phase *p = ph->p;
    cpu_job job = {.be = be, .ph = ph, .rows = rows, .n = n};
    if (p->kind != PHASE_EMBED) job.in = be->buf[p->in], job.ld_in = be->ld[p->in];
    if (p->kind != PHASE_HEAD) job.out = be->buf[p->out], job.ld_out = be->ld[p->out];
    switch (p->kind) {
    case PHASE_EMBED: by_rows(&job, be->isa->embed, be->ld[p->out]); return;
    case PHASE_ATTEND: pool_run(be->pool, run_attend, &job, be->n_groups * p->kv_heads); return;
    case PHASE_HEAD:
        job.n = wanted;
        job.line = be->line;
        job.out = be->logits;
        job.ld_out = be->ld_logits;
        break;
    case PHASE_MATMUL: break;
    }
    if (job.n == 0) return;
    if (ph->norm.on || job.line || p->in == p->out) {
        by_rows(&job, be->isa->prologue, be->ld_x);
        job.in = be->x;
        job.ld_in = be->ld_x;
    }
    pool_run(be->pool, run_matmul, &job, ph->n_chunks);
    if (ph->post.on) by_rows(&job, be->isa->epilogue, be->ld_y);
}

static glimpse_status cpu_forward(backend *self, const backend_row *rows, int32_t n_rows, const float **logits,
                                  int64_t *stride) {
    cpu_backend *be = (cpu_backend *)self;
    int32_t wanted = 0;
    TRY(rows_check(be->p, &be->cfg, rows, n_rows, be->last, &wanted));
    if (!be->fresh) cpu_phases_refresh(be);
    group_rows(be, rows, n_rows);
    for (int32_t i = 0, line = 0; i < n_rows; i++)
        if (rows[i].want_logits) be->line[line++] = i;
    for (int i = 0; i < be->p->n_phases; i++) forward_phase(be, &be->phases[i], rows, n_rows, wanted);
    *logits = be->logits;
    *stride = be->ld_logits;
    return GLIMPSE_OK;
}

static glimpse_status cpu_copy(backend *self, int32_t from, int32_t to, int32_t first, int32_t n) {
    cpu_backend *be = (cpu_backend *)self;
    TRY(copy_check(&be->cfg, from, to, first, n));
    for (int i = 0; i < be->p->n_phases && n; i++) {
        const cpu_phase *ph = &be->phases[i];
        if (ph->p->kind != PHASE_MATMUL || !ph->keys) continue;
        size_t bytes = (size_t)n * (size_t)round16(ph->p->head_size) * sizeof(float);
        for (int32_t kv = 0; kv < ph->p->kv_heads; kv++) {
            memcpy(cpu_cached(ph->keys, be, ph->p, to, kv, first), cpu_cached(ph->keys, be, ph->p, from, kv, first), bytes);
            memcpy(cpu_cached(ph->values, be, ph->p, to, kv, first), cpu_cached(ph->values, be, ph->p, from, kv, first),
                   bytes);
        }
    }
    return GLIMPSE_OK;
}

static glimpse_status cpu_refresh(backend *self) {
    cpu_phases_refresh((cpu_backend *)self);
    return GLIMPSE_OK;
}

/* Life ----------------------------------------------------------------------------------------------------------- */

static bool runs_here(const char *isa) {
#if defined(__x86_64__)
    unsigned a, b, c = 0, d; /* F16C has no name in clang's __builtin_cpu_supports */
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
    bool avx2 = f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("bmi2");
    if (!strcmp(isa, "avx2")) return avx2;
    if (!strcmp(isa, "avx512"))
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    return !strcmp(isa, "generic");
}

static glimpse_status choose_isa(const char *name, const cpu_kernels **out) {
    static const cpu_kernels *const all[] = {
#if defined(__x86_64__)
        &cpu_kernels_avx512, &cpu_kernels_avx2,
#endif
        &cpu_kernels_generic};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (name && strcmp(name, all[i]->name)) continue;
        if (runs_here(all[i]->name)) {
            *out = all[i];
            return GLIMPSE_OK;
        }
        if (name) FAIL(GLIMPSE_E_UNSUPPORTED, "this processor does not have %s", name);
    }
    FAIL(GLIMPSE_E_INVALID, "unknown instruction set \"%s\"\nhint: avx512, avx2 or generic", name);
}

static void cpu_close(backend *self) {
    cpu_backend *be = (cpu_backend *)self;
    if (!be) return;
    if (!be->cfg.pool) pool_close(be->pool);
    cpu_memory_free(be);
    free(be);
}

/* The cache: one block for each layer that stores keys, lazily committed. */
static glimpse_status open_cache(cpu_backend *be) {
    const plan *p = be->p;
    TRY(cpu_take(be, &be->shape, "the layers", p->n_layers, 1, 1, sizeof *be->shape, false));
    plan_layer_shapes(p, be->shape);
    be->tokens = round16(be->cfg.strip_tokens);
    for (int i = 0; i < p->n_phases; i++) {
        cpu_phase *ph = &be->phases[i];
        if (ph->p->kind == PHASE_MATMUL && ph->p->store == STORE_QKV) {
            int64_t rows = be->tokens * ph->p->kv_heads, width = round16(ph->p->head_size);
            TRY(cpu_take(be, &ph->keys, "the key cache", be->cfg.n_strips, rows, width, sizeof(float), true));
            TRY(cpu_take(be, &ph->values, "the value cache", be->cfg.n_strips, rows, width, sizeof(float), true));
        } else if (ph->p->kind == PHASE_ATTEND) {
            for (int j = 0; j < i; j++) /* the store of this layer stands before it: plan_check */
                if (be->phases[j].keys && be->phases[j].p->layer == ph->p->layer &&
                    be->phases[j].p->kind == PHASE_MATMUL)
                    ph->keys = be->phases[j].keys, ph->values = be->phases[j].values;
        }
    }
    return GLIMPSE_OK;
}

static glimpse_status open_scratch(cpu_backend *be) {
    int64_t tile = 1, weights = 1, head = 0;
    for (int i = 0; i < be->p->n_phases; i++) {
        const cpu_phase *ph = &be->phases[i];
        if (ph->p->kind == PHASE_ATTEND && round16(ph->p->head_size) > head) head = round16(ph->p->head_size);
        if (ph->p->kind != PHASE_MATMUL && ph->p->kind != PHASE_HEAD) continue;
        int64_t halves = ph->p->kind == PHASE_MATMUL && ph->p->store == STORE_GATED ? 2 : 1;
        if (round16(ph->chunk) * halves > tile) tile = round16(ph->chunk) * halves;
        bool half = false;
        for (int j = 0; j < ph->p->n_parts; j++) half |= ph->part[j].dtype != GLIMPSE_F32;
        if (half && MAX_PANEL * round16(ph->k) > weights) weights = MAX_PANEL * round16(ph->k);
    }
    be->n_scratch = pool_threads(be->pool);
    TRY(cpu_take(be, &be->scratch, "scratch", be->n_scratch, 1, 1, sizeof *be->scratch, false));
    for (int32_t i = 0; i < be->n_scratch; i++) {
        cpu_scratch *s = &be->scratch[i];
        atomic_flag_clear(&s->busy);
        TRY(cpu_take(be, &s->tile, "scratch", ROW_BLOCK, tile, 1, sizeof(float), false));
        TRY(cpu_take(be, &s->weights, "scratch", weights, 1, 1, sizeof(float), false));
        TRY(cpu_take(be, &s->state, "scratch", ROW_BLOCK, MAX_PANEL, 16, sizeof(float), false));
        if (!head) continue;
        TRY(cpu_take(be, &s->scores, "scratch", MAX_QUERIES, be->tokens, 1, sizeof(float), true));
        TRY(cpu_take(be, &s->queries, "scratch", MAX_QUERIES, head, 1, sizeof(float), false));
        TRY(cpu_take(be, &s->sums, "scratch", MAX_QUERIES, head, 1, sizeof(float), false));
    }
    return GLIMPSE_OK;
}

static glimpse_status open_rows(cpu_backend *be) {
    const plan *p = be->p;
    int64_t rows = be->cfg.max_rows, y = 0;
    for (int i = 0; i < p->n_buffers; i++) {
        be->ld[i] = round16(p->width[i]);
        if (be->ld[i] > be->ld_x) be->ld_x = be->ld[i];
        TRY(cpu_take(be, &be->buf[i], "activations", rows, be->ld[i], 1, sizeof(float), false));
    }
    TRY(cpu_take(be, &be->x, "activations", rows, be->ld_x, 1, sizeof(float), false));
    for (int i = 0; i < p->n_phases; i++)
        if (be->phases[i].post.on && be->phases[i].n > y) y = be->phases[i].n;
    be->ld_y = round16(y);
    if (y) TRY(cpu_take(be, &be->y, "activations", rows, be->ld_y, 1, sizeof(float), false));
    be->ld_logits = round16(p->vocab);
    TRY(cpu_take(be, &be->logits, "logits", be->cfg.max_logits, be->ld_logits, 1, sizeof(float), true));
    TRY(cpu_take(be, &be->last, "rows", be->cfg.n_strips, 1, 1, sizeof(int32_t), false));
    TRY(cpu_take(be, &be->order, "rows", rows, 1, 1, sizeof(int32_t), false));
    TRY(cpu_take(be, &be->line, "rows", rows, 1, 1, sizeof(int32_t), false));
    return cpu_take(be, &be->groups, "rows", rows, 1, 1, sizeof *be->groups, false);
}

static glimpse_status cpu_open(backend **out, const plan *p, const backend_config *cfg) {
    glimpse_status st = GLIMPSE_OK;
    const cpu_kernels *isa = NULL;
    TRY(plan_check(p, cfg));
    TRY(choose_isa(cfg->isa, &isa));
    cpu_backend *be = calloc(1, sizeof *be);
    if (!be) FAIL(GLIMPSE_E_MEMORY, "no memory for %zu bytes", sizeof *be);
    *be = (cpu_backend){.base = {&backend_cpu}, .p = p, .cfg = *cfg, .isa = isa, .bytes = sizeof *be};
    TRY_GOTO(cpu_phases_open(be));
    TRY_GOTO(open_rows(be));
    TRY_GOTO(open_cache(be));
    be->pool = cfg->pool;
    if (!be->pool) TRY_GOTO(pool_open(&be->pool, cfg->threads));
    TRY_GOTO(open_scratch(be));
    *out = &be->base;
    return GLIMPSE_OK;
out:
    cpu_close(&be->base);
    return st;
}

static const char *cpu_isa(const backend *self) { return ((const cpu_backend *)self)->isa->name; }
static int64_t cpu_bytes(const backend *self) { return ((const cpu_backend *)self)->bytes; }

const backend_ops backend_cpu = {
    .name = "cpu",
    .open = cpu_open,
    .refresh = cpu_refresh,
    .forward = cpu_forward,
    .copy = cpu_copy,
    .isa = cpu_isa,
    .bytes = cpu_bytes,
    .close = cpu_close,
};
