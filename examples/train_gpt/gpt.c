/* gpt.c -- the parameters of the model: their sizes, their one allocation, their first values.  The passes over them are
 * in gpt_pass.c.  Called by train_gpt.c, gpt_checkpoint.c and the tests. */
#include "examples/train_gpt/gpt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "examples/train_gpt/gpt_pass.h"
#include "examples/train_gpt/rng64.h"

int gpt_config_ok(const gpt_config *c, const char **why) {
    const char *reason = NULL;
    if (c->n_layers < 1 || c->n_layers > 256) reason = "layers must be 1 to 256";
    else if (c->channels < 1 || c->channels > 65536) reason = "channels must be 1 to 65536";
    else if (c->n_heads < 1 || c->channels % c->n_heads != 0) reason = "channels must be a multiple of heads";
    else if (c->max_seq_len < 1 || c->max_seq_len > 65536) reason = "context must be 1 to 65536 tokens";
    else if (c->vocab_size < 1 || c->padded_vocab < c->vocab_size || c->padded_vocab > 1 << 20)
        reason = "the vocabulary must be 1 to 2^20 tokens and fit its padding";
    else { /* the widest term is 256 * 12 * 2^32: far from 2^63 */
        int64_t C = c->channels;
        int64_t n = C * c->padded_vocab + C * c->max_seq_len + c->n_layers * (12 * C * C + 13 * C) + 2 * C;
        if (n > INT32_MAX) reason = "more than 2^31 parameters";
    }
    if (why) *why = reason;
    return reason == NULL;
}

size_t gpt_tensor_sizes(const gpt_config *config, size_t sizes[GPT_TENSORS]) {
    size_t Vp = (size_t)config->padded_vocab, T = (size_t)config->max_seq_len, L = (size_t)config->n_layers, C = (size_t)config->channels;
    const size_t all[GPT_TENSORS] = {Vp * C,    T * C, L * C, L * C, L * 3 * C * C, L * 3 * C, L * C * C,     L * C,
                                     L * C,     L * C, L * 4 * C * C, L * 4 * C, L * C * 4 * C, L * C, C, C};
    size_t sum = 0;
    for (int i = 0; i < GPT_TENSORS; i++) sum += sizes[i] = all[i];
    return sum;
}

void gpt_point_tensors(gpt_tensors *t, float *memory, const size_t sizes[GPT_TENSORS]) {
    float **slots[GPT_TENSORS] = {&t->wte,  &t->wpe,  &t->ln1w, &t->ln1b, &t->qkvw,    &t->qkvb,    &t->attprojw, &t->attprojb,
                                  &t->ln2w, &t->ln2b, &t->fcw,  &t->fcb,  &t->fcprojw, &t->fcprojb, &t->lnfw,     &t->lnfb};
    for (int i = 0; i < GPT_TENSORS; i++) {
        *slots[i] = memory;
        memory += sizes[i];
    }
}

int gpt_create(gpt *model, gpt_config config) {
    memset(model, 0, sizeof *model);
    if (!gpt_config_ok(&config, NULL)) return -1;
    model->config = config;
    model->n_params = gpt_tensor_sizes(&config, model->sizes);
    model->params_memory = gpt_floats(model->n_params);
    if (!model->params_memory) return -1;
    gpt_point_tensors(&model->params, model->params_memory, model->sizes);
    return 0;
}

void gpt_free(gpt *model) {
    gpt_unprepare(model);
    free(model->params_memory);
    memset(model, 0, sizeof *model);
}

static void fill_normal(float *w, size_t n, double deviation, uint64_t *rng) {
    for (size_t i = 0; i < n; i++) w[i] = (float)(deviation * rng64_normal(rng));
}

static void fill_ones(float *w, size_t n) {
    for (size_t i = 0; i < n; i++) w[i] = 1.0f;
}

/* Waves of lengths 2 pi .. 400 pi over the positions (Vaswani et al. 2017), then trained like any tensor.  From noise, a
 * model has to learn at every position anew which one stands before it; from waves it is one rotation for all, and a
 * small model leaves the plateau of letter pairs ten times sooner. */
static void fill_waves(float *w, int positions, int C, double amplitude) {
    for (int t = 0; t < positions; t++)
        for (int c = 0; c < C; c++) {
            double angle = t * pow(200.0, -(double)(c / 2 * 2) / C);
            w[(size_t)t * (size_t)C + (size_t)c] = (float)(amplitude * (c % 2 ? cos(angle) : sin(angle)));
        }
}

void gpt_init_weights(gpt *model, uint64_t *rng) {
    const gpt_tensors *p = &model->params;
    const size_t *n = model->sizes;
    double width = 0.02 * sqrt(768.0 / model->config.channels), residual = width / sqrt(2.0 * model->config.n_layers);
    memset(model->params_memory, 0, model->n_params * sizeof(float));
    fill_normal(p->wte, (size_t)model->config.vocab_size * (size_t)model->config.channels, width, rng); /* padding stays 0 */
    fill_waves(p->wpe, model->config.max_seq_len, model->config.channels, width);
    fill_normal(p->qkvw, n[4], width, rng);
    fill_normal(p->attprojw, n[6], residual, rng);
    fill_normal(p->fcw, n[10], width, rng);
    fill_normal(p->fcprojw, n[12], residual, rng);
    fill_ones(p->ln1w, n[2]);
    fill_ones(p->ln2w, n[8]);
    fill_ones(p->lnfw, n[14]);
}
