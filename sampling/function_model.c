/* function_model.c -- a model given as a function (glimpse_logits_fn) behind the face of a backend, so that generate.c
 * and score.c need not know.  Strips hold ids; each wanted row is one row of the function's batch.  Where a text wants
 * several rows, or `logits` is not given, logits_all runs text after text: its (T, V) of a whole batch could be huge.
 * Called on the caller's thread alone. */
#include "sampling/generator.h"

#include "include/internal/status.h"
#include "kernels/check.h"
#include <stdlib.h>
#include <string.h>

typedef struct function_backend {
    backend base;
    const model *m;
    backend_config cfg;
    int32_t *strips;      /* (n_strips, strip_tokens) */
    int *ids, *lengths;   /* (max_logits, strip_tokens), (max_logits) */
    bool *begins;         /* (max_logits): the wanted row does not go on the text of the one before */
    float *logits;        /* (max_logits, V) */
    float *all;           /* (strip_tokens, V), for logits_all; NULL = without it */
} function_backend;

static glimpse_status fb_refresh(backend *be) {
    (void)be;
    return GLIMPSE_OK;
}

/* The wanted rows by logits_all, one call for each text; a lone text's rows stay where the function wrote them. */
static glimpse_status forward_all(function_backend *f, int32_t wanted, int32_t texts, const float **logits) {
    size_t room = (size_t)f->cfg.strip_tokens, V = (size_t)f->m->d.vocab_size;
    for (int32_t first = 0, end; first < wanted; first = end) {
        for (end = first + 1; end < wanted && !f->begins[end];) end++;
        int *length = &f->lengths[end - 1];
        int rc = f->m->d.logits_all(f->m->d.logits_user, 1, *length, f->ids + (size_t)(end - 1) * room, length, f->all);
        if (rc) FAIL(GLIMPSE_E_MODEL, "the model's function logits_all returned %d for a text of %d ids", rc, *length);
        const float *rows = f->all + (size_t)(f->lengths[first] - 1) * V;
        if (texts == 1) *logits = rows;
        else memcpy(f->logits + (size_t)first * V, rows, (size_t)(end - first) * V * sizeof *rows);
    }
    return GLIMPSE_OK;
}

static glimpse_status fb_forward(backend *be, const backend_row *rows, int32_t n_rows, const float **logits,
                                 int64_t *stride) {
    function_backend *f = (function_backend *)be;
    size_t room = (size_t)f->cfg.strip_tokens;
    int32_t wanted = 0, longest = 1, texts = 0;
    const backend_row *last = NULL;
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
        bool begins = !last || last->strip != r->strip || last->pos + 1 != r->pos || last->prefix_strip != r->prefix_strip
                      || last->prefix_tokens != r->prefix_tokens;
        last = r;
        texts += begins;
        f->begins[wanted] = begins;
        f->lengths[wanted++] = r->pos + 1;
        if (r->pos + 1 > longest) longest = r->pos + 1;
    }
    *logits = f->logits;
    *stride = f->m->d.vocab_size;
    if (f->all && (texts < wanted || !f->m->d.logits)) return forward_all(f, wanted, texts, logits);
    for (int32_t w = 0; w < wanted; w++) { /* (wanted, strip_tokens) -> (wanted, longest), padded with id 0 */
        int *from = f->ids + (size_t)w * room, *to = f->ids + (size_t)w * (size_t)longest;
        memmove(to, from, (size_t)f->lengths[w] * sizeof *to);
        for (int32_t t = f->lengths[w]; t < longest; t++) to[t] = 0;
    }
    if (wanted) {
        int rc = f->m->d.logits(f->m->d.logits_user, wanted, longest, f->ids, f->lengths, f->logits);
        if (rc) FAIL(GLIMPSE_E_MODEL, "the model's function returned %d for %d rows of up to %d ids", rc, wanted, longest);
    }
    return GLIMPSE_OK;
}

static glimpse_status fb_copy(backend *be, int32_t from, int32_t to, int32_t first, int32_t n) {
    function_backend *f = (function_backend *)be;
    TRY(copy_check(&f->cfg, from, to, first, n));
    size_t room = (size_t)f->cfg.strip_tokens;
    memcpy(f->strips + (size_t)to * room + first, f->strips + (size_t)from * room + first, (size_t)n * sizeof *f->strips);
    return GLIMPSE_OK;
}

static const char *fb_isa(const backend *be) {
    (void)be;
    return "function";
}

static int64_t fb_bytes(const backend *be) {
    const function_backend *f = (const function_backend *)be;
    return ((int64_t)f->cfg.n_strips + f->cfg.max_logits) * f->cfg.strip_tokens * (int64_t)sizeof(int32_t)
           + ((int64_t)f->cfg.max_logits + (f->all ? f->cfg.strip_tokens : 0)) * f->m->d.vocab_size * (int64_t)sizeof(float);
}

static void fb_close(backend *be) {
    function_backend *f = (function_backend *)be;
    if (!f) return;
    free(f->strips);
    free(f->ids);
    free(f->lengths);
    free(f->begins);
    free(f->logits);
    free(f->all);
    free(f);
}

static const backend_ops function_ops = { .name = "function", .refresh = fb_refresh, .forward = fb_forward,
                                          .copy = fb_copy, .isa = fb_isa, .bytes = fb_bytes, .close = fb_close };

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
    f->begins = calloc((size_t)cfg->max_logits, sizeof *f->begins);
    if (m->d.logits_all) f->all = calloc(room * (size_t)m->d.vocab_size, sizeof *f->all);
    if (!f->strips || !f->ids || !f->lengths || !f->begins || !f->logits || (!f->all && !m->d.logits)) {
        fb_close(&f->base);
        FAIL(GLIMPSE_E_MEMORY, "no memory for %d rows of %d ids", cfg->n_strips, cfg->strip_tokens);
    }
    *out = &f->base;
    return GLIMPSE_OK;
}
