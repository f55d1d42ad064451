/* schedule.h -- is a sample due at this eval?  The session decides with it; in worker mode the guest asks first, so that
 * no weights are copied for an eval that is not due.  Both hold one and bring it forward eval by eval; the session's is
 * the truth (it knows the journal of a resumed run) and comes back with every answer of the worker. */
#ifndef GLIMPSE_INTERNAL_SCHEDULE_H
#define GLIMPSE_INTERNAL_SCHEDULE_H

#include <stdbool.h>

#include "include/internal/options.h"

typedef struct schedule {
    int64_t evals;        /* recorded so far in this run, also before a resume */
    double best_val_loss; /* NAN = none */
    int64_t best_step;    /* -1 = none */
    bool owed;            /* the last sampling that was due failed or could not be begun: the next eval is due whatever its loss */
} schedule;

enum { SCHEDULE_WHY_BYTES = 160, SCHEDULE_LOSS_BYTES = 32, SCHEDULE_LOSSES_BYTES = 80 };

void schedule_init(schedule *s);

/* Always at the first eval, after one whose sampling failed or could not be begun, with --sample_each_eval, where the loss improved
 * on the best, and where either is not finite.  If not, `why` says so. */
bool schedule_is_due(const schedule *s, const options *o, double val_loss, char why[SCHEDULE_WHY_BYTES]);

/* A finite loss, or a change of one: "2.513"; from a million on, where a run diverges, "1.5e+30". */
void schedule_loss(double loss, int decimals, char out[SCHEDULE_LOSS_BYTES]);

/* "val 2.51 >= best 2.47", with as many digits as show which is greater. */
void schedule_losses(double val_loss, double best_val_loss, char out[SCHEDULE_LOSSES_BYTES]);

/* An eval wants the weights though no sample is due: there are texts to score. */
bool schedule_reads_weights(const options *o);

/* The best so far, with this loss. */
void schedule_best(schedule *s, int64_t step, double val_loss);

#endif
