/* schedule.c -- when a sample is due (schedule.h). */
#include "include/internal/schedule.h"

#include <math.h>
#include <string.h>

#include "include/internal/buffer.h"

void schedule_init(schedule *s) { *s = (schedule){.best_val_loss = NAN, .best_step = -1}; }

void schedule_loss(double loss, int decimals, char out[SCHEDULE_LOSS_BYTES]) {
    if (fabs(loss) < 1e6) c_snprintf(out, SCHEDULE_LOSS_BYTES, "%.*f", decimals, loss);
    else c_snprintf(out, SCHEDULE_LOSS_BYTES, "%.*g", decimals + 1, loss);
}

void schedule_losses(double val_loss, double best_val_loss, char out[SCHEDULE_LOSSES_BYTES]) {
    char val[SCHEDULE_LOSS_BYTES], best[SCHEDULE_LOSS_BYTES];
    int digits = 2; /* more if they must show why */
    do {
        schedule_loss(val_loss, digits, val);
        schedule_loss(best_val_loss, digits, best);
    } while (val_loss != best_val_loss && !strcmp(val, best) && digits++ < 6);
    c_snprintf(out, SCHEDULE_LOSSES_BYTES, "val %s \xe2\x89\xa5 best %s", val, best);
}

bool schedule_is_due(const schedule *s, const options *o, double val_loss, char why[SCHEDULE_WHY_BYTES]) {
    if (opt_int(o, OPT_max_sample_tokens) < 1) {
        c_snprintf(why, SCHEDULE_WHY_BYTES, opt_has(o, OPT_max_sample_tokens) ? "--max_sample_tokens 0" : "--max_sample_tokens is not set");
        return false;
    }
    if (!s->evals || s->owed || opt_bool(o, OPT_sample_each_eval) || !isfinite(val_loss) || !isfinite(s->best_val_loss) ||
        val_loss < s->best_val_loss)
        return true;
    char losses[SCHEDULE_LOSSES_BYTES];
    schedule_losses(val_loss, s->best_val_loss, losses);
    c_snprintf(why, SCHEDULE_WHY_BYTES, "%s @ %lld (--sample_each_eval)", losses, (long long)s->best_step);
    return false;
}

void schedule_best(schedule *s, int64_t step, double val_loss) {
    if (!isfinite(val_loss) || val_loss >= s->best_val_loss) return; /* a comparison with NAN is false: the first counts */
    s->best_val_loss = val_loss;
    s->best_step = step;
}

bool schedule_reads_weights(const options *o) { return opt_has(o, OPT_probe) || opt_has(o, OPT_lm_eval_tasks) || opt_bool(o, OPT_dataset_benchmarks); }
