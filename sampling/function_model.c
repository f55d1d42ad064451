/* function_model.c -- a model given as a function (glimpse_logits_fn) behind the face of a backend, so that generate.c
 * and score.c need not know.  Strips hold ids; each wanted row is one row of the function's batch.  Called on the
 * caller's thread alone. */
#include "sampling/generator.h"

#include "include/internal/status.h"
#include <stdlib.h>
#include <string.h>

typedef struct function_backend {
    backend base;
    const model *m;
    backend_config cfg;
    int32_t *strips;      /* (n_strips, strip_tokens) */
    int *ids, *lengths;   /* (max_logits, strip_tokens), (max_logits) */
    float *logits;        /* (max_logits, V) */
} function_backend;

static glimpse_status fb_refresh(backend *be) {
    (void)be;
    return GLIMPSE_OK;
}

static glimpse_status fb_forward(backend *be, const backend_row *rows, int32_t n_rows, const float **logits,
                                 int64_t *stride) {
    function_backend *f = (function_backend *)be;
    size_t room = (size_t)f->cfg.strip_tokens;
    int32_t wanted = 0, longest = 1;
    for (int32_t i = 0; i < n_rows; i++) {
        const backend_row *r = &rows[i];
        if (r->strip < 0 || r->strip >= f->cfg.n_strips || r->pos < 0 || r->pos >= f->cfg.strip_tokens
            || r->prefix_strip >= f->cfg.n_strips || r->prefix_tokens > f->cfg.strip_tokens)
            FAIL(GLIMPSE_E_INVALID, "row %d: position %d of strip %d is outside the cache", i, r->pos, r->strip);
        f->strips[(size_t)r->strip * room + (size_t)r->pos] = r->id;
        if (!r->want_logits) continue;
        if (wanted >= f->cfg.max_logits) FAIL(GLIMPSE_E_INVALID, "more than %d rows want logits", f->cfg.max_logits);
        int *to = f->ids + (size_t)wanted * room;
        int32_t prefix = r->prefix_strip >= 0 ? r->prefix_tokens : 0;
        for (int32_t t = 0; t <= r->pos; t++)
            to[t] = f->strips[(size_t)(t < prefix ? r->prefix_strip : r->strip) * room + (size_t)t];
        f->lengths[wanted++] = r->pos + 1;
        if (r->pos + 1 > longest) longest = r->pos + 1;
    }
    for (int32_t w = 0; w < wanted; w++) { /* (wanted, strip_tokens) -> (wanted, longest), padded with id 0 */
        int *from = f->ids + (size_t)w * room, *to = f->ids + (size_t)w * (size_t)longest;
        memmove(to, from, (size_t)f->lengths[w] * sizeof *to);
        for (int32_t t = f->lengths[w]; t < longest; t++) to[t] = 0;
    }
    if (wanted) {
        int rc = f->m->d.logits(f->m->d.logits_user, wanted, longest, f->ids, f->lengths, f->logits);
        if (rc) FAIL(GLIMPSE_E_MODEL, "the model's function returned %d for %d rows of up to %d ids", rc, wanted, longest);
    }
    *logits = f->logits;
    *stride = f->m->d.vocab_size;
    return GLIMPSE_OK;
}

static const char *fb_isa(const backend *be) {
    (void)be;
    return "function";
}

static int64_t fb_bytes(const backend *be) {
    const function_backend *f = (const function_backend *)be;
    return ((int64_t)f->cfg.n_strips + f->cfg.max_logits) * f->cfg.strip_tokens * (int64_t)sizeof(int32_t)
           + (int64_t)f->cfg.max_logits * f->m->d.vocab_size * (int64_t)sizeof(float);
}

static void fb_close(backend *be) {
    function_backend *f = (function_backend *)be;
    if (!f) return;
    free(f->strips);
    free(f->ids);
    free(f->lengths);
    free(f->logits);
    free(f);
}

static const backend_ops function_ops = { .name = "function", .refresh = fb_refresh, .forward = fb_forward,
                                          .isa = fb_isa, .bytes = fb_bytes, .close = fb_close };

glimpse_status function_backend_open(const model *m, const backend_config *cfg, backend **out) {
    function_backend *f = calloc(1, sizeof *f);
    if (!f) FAIL(GLIMPSE_E_MEMORY, "no memory for the model's function");
    f->base.ops = &function_ops;
    f->m = m;
    f->cfg = *cfg;
    size_t room = (size_t)cfg->strip_tokens;
    f->strips = calloc((size_t)cfg->n_strips * room, sizeof *f->strips);
    f->ids = calloc((size_t)cfg->max_logits * room, sizeof *f->ids);
    f->lengths = calloc((size_t)cfg->max_logits, sizeof *f->lengths);
    f->logits = calloc((size_t)cfg->max_logits * (size_t)m->d.vocab_size, sizeof *f->logits);
    if (!f->strips || !f->ids || !f->lengths || !f->logits) {
        fb_close(&f->base);
        FAIL(GLIMPSE_E_MEMORY, "no memory for %d rows of %d ids", cfg->n_strips, cfg->strip_tokens);
    }
    *out = &f->base;
    return GLIMPSE_OK;
}
