/* model_check.c -- is the description right?  Our losses on a batch against the trainer's.
 *
 * The mean must agree within 1e-4 nats (2e-2 where the trainer's residual stream is bf16): a transposed matrix, swapped
 * queries and keys, other positions show there.  A wrong GELU or norm eps moves the mean by less than the noise of f32,
 * but not at random: with the loss of each token, a variant of the description that is the right one brings the root mean
 * square difference down to the noise, and a wrong one adds to it (noise and effect are independent).  So a variant that
 * halves it is a proof.
 *
 * Where the mean is off, what is wrong is looked for too: each variant of model_variants.c, and with the loss of each token up to
 * three mistakes at once, each found by what brings the losses nearest.  It is named only where the losses then agree.  Called
 * through session_api.c for glimpse_check and glimpse_check_losses. */
#include "hooks/model_variants.h"
#include "hooks/session_state.h"
#include "include/internal/status.h"
#include "include/internal/threads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_NATS 1e-7 /* below this two f32 programs agree as well as they can: variants need no look */
enum { MISTAKES_MOST = 3 };

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

/* How far the losses of a model are from the trainer's: token by token where they are known, else their means. */
static double distance_of(const check_batch *c, double loss, const double *ours) { return c->losses ? rms_of(c, ours) : fabs(mean_of(c, ours) - loss); }

/* The session's model with `n` variants applied, one upon the other, on layers of its own (*layers*, freed by the caller);
 * *says: false, the last says nothing of it. */
static glimpse_status vary(const session *s, const variant *v, int32_t n, model *m, bool *says) {
    *m = *s->m;
    m->layers = malloc((size_t)m->d.n_layers * sizeof *m->layers + 1);
    if (!m->layers) FAIL(GLIMPSE_E_MEMORY, "no memory for the check");
    memcpy(m->layers, s->m->layers, (size_t)m->d.n_layers * sizeof *m->layers);
    *says = true;
    for (int32_t i = 0; i < n; i++) *says = variant_apply(&v[i], m);
    return GLIMPSE_OK;
}

static glimpse_status varied_losses(const session *s, const variant *v, int32_t n, const check_batch *c, double *losses, bool *says) {
    glimpse_status st = GLIMPSE_OK;
    generator *g = NULL;
    model m = {.layers = NULL};
    TRY_GOTO(vary(s, v, n, &m, says));
    if (!*says) goto out;
    generator_config cfg = generator_config_of(s->g);
    TRY_GOTO(generator_open(&m, s->t, &cfg, &g));
    TRY_GOTO(score_losses(g, c->ids, c->targets, c->B, c->T, losses));
out:
    generator_close(g);
    free(m.layers);
    return st;
}

/* How many ids the tokenizer has, where all of the batch are among them; else 0. */
static int32_t ids_of_tokenizer(const session *s, const check_batch *c) {
    const int32_t known = s->t ? s->t->vocab_size : 0;
    for (size_t i = 0; i < (size_t)c->B * (size_t)c->T; i++)
        if (c->ids[i] >= known || c->targets[i] >= known) return 0;
    return known;
}

/* The variants, at most `most` one upon the other, that bring the distance down to less than `enough` of what it is (and the mean
 * to within `limit`), told in `said`; nothing where there are none.  Looks for s->look_s at most. */
static glimpse_status explain(const session *s, const check_batch *c, double loss, bool subtle, int32_t most, double enough, double limit,
                              double *losses, buffer *said) {
    variant all[VARIANTS_MOST], taken[MISTAKES_MOST + 1];
    const int32_t n = variants_of(s->m, ids_of_tokenizer(s, c), subtle, all);
    const double first = distance_of(c, loss, losses), until = monotonic_s() + s->look_s;
    const double near = c->losses ? limit : limit / 5; /* of so many wrong ones one may come near a mean by chance */
    double best = first;
    for (int32_t depth = 0; depth < most; depth++) {
        variant found = {0};
        bool any = false, agrees = false;
        for (int32_t i = 0; i < n && monotonic_s() < until; i++) {
            bool says;
            taken[depth] = all[i];
            const glimpse_status tried = varied_losses(s, taken, depth + 1, c, losses, &says);
            if (tried < 0 && subtle) return tried; /* nothing else is wrong: unproved is not proved */
            if (tried < 0) continue;
            const double d = says ? distance_of(c, loss, losses) : NAN;
            if (!(d < best)) continue;
            best = d, found = all[i], any = true;
            agrees = d < enough * first && fabs(mean_of(c, losses) - loss) <= near;
        }
        if (!any) return GLIMPSE_OK;
        taken[depth] = found;
        if (!agrees) continue;
        for (int32_t i = 0; i <= depth; i++) {
            model before;
            bool says;
            TRY(vary(s, taken, i, &before, &says));
            if (i) buf_puts(said, i < depth ? ", " : " and ");
            variant_say(&taken[i], &before, said);
            free(before.layers);
        }
        if (buf_failed(said)) FAIL(GLIMPSE_E_MEMORY, "no memory for the check");
        return GLIMPSE_OK;
    }
    return GLIMPSE_OK;
}

static glimpse_status compare(session *s, const check_batch *c, double loss, double *ours, buffer *said) {
    if (!isfinite(loss)) FAIL(GLIMPSE_E_NONFINITE, "the trainer's loss is %f: there is nothing to compare with", loss);
    const double limit = s->m->d.trainer_bf16 ? 2e-2 : 1e-4;
    TRY(generator_refresh(s->g));
    TRY(score_losses(s->g, c->ids, c->targets, c->B, c->T, ours));
    const double mean = mean_of(c, ours), rms = c->losses ? rms_of(c, ours) : 0;
    const char *from = s->m->is_function ? "the model's function" : "the bound tensors";
    if (isnan(mean) && !s->m->is_function && s->m->dtype != GLIMPSE_F32)
        FAIL(GLIMPSE_E_NONFINITE, "MODEL CHECK: the loss from %s is not finite, the trainer's is %.6f\nhint: is the memory what the tensors "
             "are bound as, GLIMPSE_BF16 or GLIMPSE_F16?", from, loss);
    if (isnan(mean)) FAIL(GLIMPSE_E_NONFINITE, "MODEL CHECK: the loss from %s is not finite, the trainer's is %.6f", from, loss);
    const bool agrees = fabs(mean - loss) <= limit;
    if (agrees && c->losses && !s->m->is_function && rms > EXACT_NATS) TRY(explain(s, c, loss, true, 1, 0.5, INFINITY, ours, said));
    const bool first = !s->checked || s->check_failed;
    s->checked = true;
    s->check_failed = said->n || !agrees;
    if (!s->check_failed) {
        if (first) session_log(s, "glimpse: model check ok: the loss from %s is the trainer's, %.6f", from, loss);
        return GLIMPSE_OK;
    }
    if (agrees)
        FAIL(GLIMPSE_E_CHECK, "MODEL CHECK FAILED: another description explains the trainer's losses better (the trainer's mean is "
             "%.6f, ours %.6f; %.2g nats a token apart)\nhint: set %s; every sample says so until a check succeeds",
             loss, mean, rms, buf_str(said));
    if (!s->m->is_function && explain(s, c, loss, false, c->losses ? MISTAKES_MOST : 1, 0.05, limit, ours, said) < 0)
        buf_clear(said); /* it failed all the same */
    FAIL(GLIMPSE_E_CHECK, "MODEL CHECK FAILED: from %s the loss is %.6f, the trainer's is %.6f; at most %g apart is right%s%s\n"
         "hint: %s; every sample says so until a check succeeds", from, mean, loss, limit,
         said->n ? "; they agree with " : "", buf_str(said),
         said->n ? "describe the model so (glimpse_bind_tensor takes GLIMPSE_TRANSPOSED and strides)"
                 : s->m->is_function ? "are these the weights that the trainer's loss is of, its positions from 0, its ids?"
                 : "a wrong layout (transposed, q k v in another order), norm eps, activation or position scheme");
}

glimpse_status session_check(session *s, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                             const float *losses) {
    if (!ids || !targets || B < 1 || T < 1) FAIL(GLIMPSE_E_INVALID, "a check needs ids and targets, got B = %d, T = %d", B, T);
    if (T > s->m->d.max_seq_len) FAIL(GLIMPSE_E_INVALID, "the check's rows have %d tokens, model.max_seq_len is %d", T, s->m->d.max_seq_len);
    bool counts = false;
    for (size_t i = 0; i < (size_t)B * (size_t)T && !counts; i++) counts = targets[i] >= 0;
    if (!counts) FAIL(GLIMPSE_E_INVALID, "a check needs targets that count, all %d x %d are -1", B, T);
    check_batch c = { .ids = ids, .targets = targets, .B = B, .T = T, .losses = losses };
    size_t n = (size_t)B * (size_t)T;
    double *ours = malloc(n * sizeof *ours);
    if (!ours) FAIL(GLIMPSE_E_MEMORY, "no memory to check %zu tokens", n);
    if (losses) {
        for (size_t i = 0; i < n; i++) ours[i] = (double)losses[i];
        loss = mean_of(&c, ours);
    }
    buffer said = {0};
    glimpse_status st = compare(s, &c, loss, ours, &said);
    buf_free(&said);
    free(ours);
    return st;
}
