/* repetition_penalty.c -- make what was already said less likely: for every id seen in prompt or output, once whatever
 * its count, l becomes l / r if l > 0, else l * r (Keskar et al. 2019, CTRL).
 *
 * It acts on the logits themselves, so unlike every other sampler here it is not indifferent to a constant added to
 * them.  State: a bit an id. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

#include <stdlib.h>

typedef struct penalty {
    value_sampler value; /* first: value_sampler_print reads it */
    int32_t vocab;
    bool any;
    uint64_t seen[];     /* ((V + 63) / 64) */
} penalty;

static size_t words(int32_t vocab) { return ((size_t)vocab + 63) / 64; }
static size_t bytes_of(int32_t vocab) { return sizeof(penalty) + words(vocab) * sizeof(uint64_t); }

static void accept(sampler *s, int32_t id) {
    penalty *p = (penalty *)s;
    if (id < 0 || id >= p->vocab) return;
    p->seen[id / 64] |= (uint64_t)1 << (id % 64);
    p->any = true;
}

static float penalised(float l, double r) { return (float)(l > 0 ? (double)l / r : (double)l * r); }

static glimpse_status apply(sampler *s, candidates *c) {
    penalty *p = (penalty *)s;
    double r = p->value.value;
    if (!p->any) return GLIMPSE_OK;
    float *l = candidates_own(c);
    if (c->id) {
        for (int32_t i = 0; i < c->n; i++)
            if (p->seen[c->id[i] / 64] >> (c->id[i] % 64) & 1) l[i] = penalised(l[i], r);
        return GLIMPSE_OK;
    }
    for (size_t w = 0; w < words(p->vocab); w++)
        for (uint64_t bits = p->seen[w]; bits; bits &= bits - 1) {
            size_t id = w * 64 + (size_t)__builtin_ctzll(bits);
            l[id] = penalised(l[id], r);
        }
    return GLIMPSE_OK;
}

static void reset(sampler *s) {
    penalty *p = (penalty *)s;
    memset(p->seen, 0, words(p->vocab) * sizeof(uint64_t));
    p->any = false;
}

static glimpse_status clone_(const sampler *s, sampler **out) {
    size_t bytes = bytes_of(((const penalty *)s)->vocab);
    penalty *p = malloc(bytes);
    if (!p) FAIL(GLIMPSE_E_MEMORY, "no memory for the sampler repetition_penalty");
    memcpy(p, s, bytes);
    *out = &p->value.base;
    return GLIMPSE_OK;
}

static const sampler_ops ops = {"repetition_penalty", accept, apply, reset, clone_, value_sampler_free,
                                value_sampler_print};
static double setting(const sampler_settings *s) { return s->repetition_penalty; }
static bool valid(double r) { return r > 0 && r <= 1e6; }
static bool off(double r) { return r == 1; }
static glimpse_status open_(double r, int32_t vocab, sampler **out) {
    penalty *p = calloc(1, bytes_of(vocab));
    if (!p) FAIL(GLIMPSE_E_MEMORY, "no memory for the sampler repetition_penalty");
    p->value.base.ops = &ops;
    p->value.value = r;
    p->vocab = vocab;
    *out = &p->value.base;
    return GLIMPSE_OK;
}

const sampler_kind sampler_repetition_penalty = {"repetition_penalty", "above 0, 1 = off", setting, valid, off, open_};
