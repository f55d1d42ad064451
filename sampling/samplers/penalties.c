/* penalties.c -- make what was already said less likely, on the logits of the ids seen:
 *
 *   repetition r  l becomes l / r if l > 0, else l * r, once whatever the count (Keskar et al. 2019, CTRL)
 *   frequency a   l -= a * count            presence b   l -= b     (the OpenAI API's)
 *
 * Which tokens count: the last `last_n` (-1 = all; llama.cpp's default is 64) of prompt and output, scope:output those of
 * the output alone, scope:split the prompt for the repetition penalty only (vLLM).  A repetition penalty acts on the
 * logits themselves, so unlike most samplers it is not indifferent to a constant added to them.
 * State: counts an id, and a list of the ids whose count was not 0. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

enum { ALL, OUTPUT, SPLIT };

typedef struct penalties {
    value_sampler value;
    int32_t vocab, last_n, n;
    struct entry {
        int32_t all, output; /* counts */
        int32_t place;       /* 1 + its place in `listed` */
    } e[];                   /* (V), then (V) ids */
} penalties;

static int32_t *listed(penalties *p) { return (int32_t *)(p->e + p->vocab); }

static void count(penalties *p, int32_t id, bool prompt, int32_t by) {
    struct entry *e = &p->e[id];
    e->all += by;
    if (!prompt) e->output += by;
    if (!e->place) {
        listed(p)[p->n++] = id;
        e->place = p->n;
    } else if (!e->all) { /* the last one of the list takes its place */
        int32_t last = listed(p)[--p->n];
        listed(p)[e->place - 1] = last;
        p->e[last].place = e->place;
        e->place = 0;
    }
}

static void accept(sampler *s, const accepted *a) {
    penalties *p = (penalties *)s;
    const history *h = a->past;
    bool only_output = p->value.v[4] == OUTPUT;
    int32_t gone = p->last_n < 0 ? -1 : h->n - 1 - p->last_n;
    if (!a->prompt || !only_output) count(p, a->id, a->prompt, 1);
    if (gone < 0) return;
    bool of_prompt = gone < h->n_prompt;
    if (!of_prompt || !only_output) count(p, h->ids[gone], of_prompt, -1);
}

static float penalised(const double *v, float logit, const struct entry *e) {
    double l = logit;
    int32_t said = v[4] == SPLIT ? e->output : e->all;
    if (e->all) l = l > 0 ? l / v[0] : l * v[0];
    if (said) l -= fma(v[1], said, v[2]);
    return (float)l;
}

static glimpse_status apply(sampler *s, candidates *c) {
    penalties *p = (penalties *)s;
    row_patch patch;
    if (!p->n) return GLIMPSE_OK;
    if (candidates_patch_begin(c, &patch)) {
        for (int32_t k = 0; k < p->n; k++) {
            int32_t id = listed(p)[k];
            candidates_patch_set(c, &patch, id, penalised(p->value.v, c->l[id], &p->e[id]));
        }
        candidates_patch_end(c, &patch);
        return GLIMPSE_OK;
    }
    float *l = candidates_scaled(c);
    if (c->id) {
        for (int32_t i = 0; i < c->n; i++)
            if (p->e[c->id[i]].place) l[i] = penalised(p->value.v, l[i], &p->e[c->id[i]]);
        return GLIMPSE_OK;
    }
    for (int32_t k = 0; k < p->n; k++) {
        int32_t id = listed(p)[k];
        l[id] = penalised(p->value.v, l[id], &p->e[id]);
    }
    return GLIMPSE_OK;
}

static void reset(sampler *s) {
    penalties *p = (penalties *)s;
    for (int32_t k = 0; k < p->n; k++) p->e[listed(p)[k]] = (struct entry){0};
    p->n = 0;
}

static size_t bytes(const sampler_args *a) {
    return sizeof(penalties) + (size_t)a->vocab * (sizeof(struct entry) + sizeof(int32_t));
}
static glimpse_status init(sampler *s, const sampler_args *a) {
    penalties *p = (penalties *)s;
    int32_t most = (a->context->history > 0 ? a->context->history : 4096) - 1; /* what leaves must still be remembered */
    p->vocab = a->vocab;
    p->last_n = (int32_t)a->v[3] > most ? most : (int32_t)a->v[3];
    return GLIMPSE_OK;
}

static bool off(const double *v) { return (v[0] == 1 && v[1] == 0 && v[2] == 0) || v[3] == 0; }
static const sampler_param params[] = {
    {"repetition", NULL, 1, 1e-9, 1e6, NULL, "above 0, 1 = off"},
    {"frequency", "frequency_penalty", 0, -100, 100, NULL, "-100 to 100, 0 = off"},
    {"presence", "presence_penalty", 0, -100, 100, NULL, "-100 to 100, 0 = off"},
    {"last_n", "penalty_last_n", -1, -1, INT32_MAX, "n", "-1 (all), 0 (off) or how many tokens"},
    {"scope", "penalty_scope", 0, 0, 2, "all|output|split", "all, output or split"}};
const sampler_kind sampler_penalties = {.ops = VALUE_SAMPLER("penalties", accept, apply, reset),
                                        .alias = "repetition_penalty",
                                        .params = params, .n_params = 5, .off = off, .bytes = bytes, .init = init};
