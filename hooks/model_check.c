/* model_check.c -- is the description right?  Our losses on a batch against the trainer's.
 *
 * The mean must agree within 1e-4 nats (2e-2 where the trainer's residual stream is bf16): a transposed matrix, swapped
 * queries and keys, other positions show there.  A wrong GELU or norm eps moves the mean by less than the noise of f32,
 * but not at random: with the loss of each token, a variant of the description that is the right one brings the root mean
 * square difference down to the noise, and a wrong one adds to it (noise and effect are independent).  So a variant that
 * halves it is a proof.  Called through session_api.c for glimpse_check and glimpse_check_losses. */
#include "hooks/session_state.h"
#include "include/internal/status.h"
#include "include/internal/threads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_NATS 1e-7 /* below this two f32 programs agree as well as they can: variants need no look */

typedef struct check_batch {
    const int32_t *ids, *targets;
    int32_t B, T;
    const float *losses; /* the trainer's, or NULL */
} check_batch;

static double mean_of(const check_batch *c, const double *ours) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < (size_t)c->B * (size_t)c->T; i++)
        if (c->targets[i] >= 0) sum += ours[i], n++;
    return n > 0 ? sum / n : NAN;
}

static double rms_of(const check_batch *c, const double *ours) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < (size_t)c->B * (size_t)c->T; i++)
        if (c->targets[i] >= 0) {
            double d = ours[i] - (double)c->losses[i];
            sum += d * d, n++;
        }
    return n > 0 ? sqrt(sum / n) : NAN;
}

/* A description that might be meant instead. */
typedef struct variant {
    const char *name;
    int activation; /* -1 = as it is */
    float eps;      /* 0 = as it is */
} variant;

static glimpse_status variant_rms(const session *s, const variant *v, const check_batch *c, double *losses, double *rms) {
    glimpse_status st = GLIMPSE_OK;
    generator *g = NULL;
    model m = *s->m;
    m.layers = malloc((size_t)m.d.n_layers * sizeof *m.layers + 1);
    if (!m.layers) FAIL(GLIMPSE_E_MEMORY, "no memory for the check");
    memcpy(m.layers, s->m->layers, (size_t)m.d.n_layers * sizeof *m.layers);
    if (v->activation >= 0) m.d.activation = v->activation;
    if (v->eps > 0) {
        m.d.norm_eps = m.ln_f.eps = v->eps;
        for (int32_t l = 0; l < m.d.n_layers; l++) m.layers[l].ln1.eps = m.layers[l].ln2.eps = v->eps;
    }
    generator_config cfg = generator_config_of(s->g);
    TRY_GOTO(generator_open(&m, s->t, &cfg, &g));
    TRY_GOTO(score_losses(g, c->ids, c->targets, c->B, c->T, losses));
    *rms = rms_of(c, losses);
out:
    generator_close(g);
    free(m.layers);
    return st;
}

/* The variant that explains the trainer's losses better than the description does, NULL = none. */
static glimpse_status find_better(const session *s, const check_batch *c, double ours, double *losses, const char **better) {
    static const variant all[] = { { "activation = GLIMPSE_GELU_TANH", GLIMPSE_GELU_TANH, 0 },
                                   { "activation = GLIMPSE_GELU_ERF", GLIMPSE_GELU_ERF, 0 },
                                   { "norm_eps = 1e-5", -1, 1e-5f },
                                   { "norm_eps = 1e-6", -1, 1e-6f },
                                   { "norm_eps = 1e-12", -1, 1e-12f } };
    bool gelu = s->m->d.activation == GLIMPSE_GELU_TANH || s->m->d.activation == GLIMPSE_GELU_ERF;
    double best = ours / 2;
    *better = NULL;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double rms;
        if (all[i].activation >= 0 && (!gelu || all[i].activation == s->m->d.activation)) continue;
        if (all[i].eps > 0 && all[i].eps == s->m->d.norm_eps) continue;
        TRY(variant_rms(s, &all[i], c, losses, &rms));
        if (rms < best) {
            best = rms;
            *better = all[i].name;
        }
    }
    return GLIMPSE_OK;
}

static glimpse_status compare(session *s, const check_batch *c, double loss, double *ours) {
    double limit = s->m->d.trainer_bf16 ? 2e-2 : 1e-4;
    const char *better = NULL;
    TRY(generator_refresh(s->g));
    TRY(score_losses(s->g, c->ids, c->targets, c->B, c->T, ours));
    double mean = mean_of(c, ours), rms = c->losses ? rms_of(c, ours) : 0;
    if (isnan(mean) && !isnan(loss)) FAIL(GLIMPSE_E_NONFINITE, "the loss from the bound tensors is not finite, the trainer's "
                                          "is %.6f", loss);
    if (c->losses && !s->m->is_function && rms > EXACT_NATS) TRY(find_better(s, c, rms, ours, &better));
    s->checked = true;
    s->check_failed = better || !(fabs(mean - loss) <= limit);
    if (!s->check_failed) return GLIMPSE_OK;
    if (better)
        FAIL(GLIMPSE_E_CHECK, "MODEL CHECK FAILED: another description explains the trainer's losses better (the trainer's mean is "
             "%.6f, ours %.6f; %.2g nats a token apart)\nhint: set model.%s; every sample says so until a check succeeds",
             loss, mean, rms, better);
    FAIL(GLIMPSE_E_CHECK, "MODEL CHECK FAILED: from the bound tensors the loss is %.6f, the trainer's is %.6f; at most %g "
         "apart is right\nhint: a wrong layout (transposed, q k v in another order), norm eps, activation or position "
         "scheme; every sample says so until a check succeeds", mean, loss, limit);
}

glimpse_status session_check(session *s, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                             const float *losses) {
    if (!ids || !targets || B < 1 || T < 1) FAIL(GLIMPSE_E_INVALID, "a check needs ids and targets, got B = %d, T = %d", B, T);
    check_batch c = { .ids = ids, .targets = targets, .B = B, .T = T, .losses = losses };
    size_t n = (size_t)B * (size_t)T;
    double *ours = malloc(n * sizeof *ours);
    if (!ours) FAIL(GLIMPSE_E_MEMORY, "no memory to check %zu tokens", n);
    if (losses) {
        for (size_t i = 0; i < n; i++) ours[i] = (double)losses[i];
        loss = mean_of(&c, ours);
    }
    glimpse_status st = compare(s, &c, loss, ours);
    free(ours);
    return st;
}
