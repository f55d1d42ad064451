/* logit_bias.c -- add a number to the logits of chosen ids: logit_bias=464:-2,262:1.5 (the OpenAI API's).  An id given
 * twice has both. */
#include "sampling/samplers/chain_state.h"
#include "include/internal/status.h"

typedef struct biases {
    value_sampler value;
    int32_t n;
    struct bias { int32_t id; double by; } e[];
} biases;

static glimpse_status apply(sampler *s, candidates *c) {
    const biases *b = (const biases *)s;
    float *l = candidates_scaled(c);
    for (int32_t k = 0; k < b->n; k++) {
        int32_t at = candidates_find(c, b->e[k].id);
        if (at >= 0) l[at] = (float)((double)l[at] + b->e[k].by);
    }
    return GLIMPSE_OK;
}

int32_t logit_bias_ids(const sampler *s, int32_t *out, int32_t room) {
    const biases *b = (const biases *)s;
    if (b->n > room) return -1;
    for (int32_t k = 0; k < b->n; k++) out[k] = b->e[k].id;
    return b->n;
}

static void print(const sampler *s, buffer *out) {
    const biases *b = (const biases *)s;
    for (int32_t k = 0; k < b->n; k++) {
        if (k) buf_putc(out, ',');
        buf_i64(out, b->e[k].id);
        buf_putc(out, ':');
        sampler_put_number(out, b->e[k].by);
    }
}

static size_t bytes(const sampler_args *a) { return sizeof(biases) + (a->list_bytes / 2 + 1) * sizeof(struct bias); }
static glimpse_status init(sampler *s, const sampler_args *a) {
    biases *b = (biases *)s;
    const char *at = a->list, *end = at + a->list_bytes;
    glimpse_status st = GLIMPSE_OK;
    bool has;
    struct bias e;
    while (sampler_next_id("logit_bias", &at, end, a->vocab, &e.id, &e.by, &has, &st)) {
        if (!has) FAIL(GLIMPSE_E_INVALID, "logit_bias: id %d has no bias\nhint: %d:-2.5", e.id, e.id);
        if (!(fabs(e.by) <= 1e6)) FAIL(GLIMPSE_E_INVALID, "logit_bias: %g for id %d, possible is: -1e6 to 1e6", e.by, e.id);
        b->e[b->n++] = e;
    }
    return st;
}

const sampler_kind sampler_logit_bias = {
    .ops = {"logit_bias", NULL, apply, NULL, value_sampler_clone, value_sampler_free, print}, .list_flag = "logit_bias",
    .bytes = bytes, .init = init};
