/* gpt_checkpoint.h -- checkpoints: model_00000250.bin in llm.c's format, state_00000250.bin beside it to go on from.
 *
 * model: 256 int32 (magic 20240326, version 3 = float32, max_seq_len, V, L, NH, C, Vp), then the sixteen tensors.
 * state: 256 int32 as llm.c's (magic 20240527, version 1, [2] = 1 process, [10] = step, the random state at byte 80), at
 * byte 512 this trainer's own train_progress, at byte 1024 the moments m, then v.
 * The state is written first: a model file on disk means that its state is there.  Called by train_gpt.c and the tests. */
#ifndef TRAIN_GPT_GPT_CHECKPOINT_H
#define TRAIN_GPT_GPT_CHECKPOINT_H

#include "examples/train_gpt/adamw.h"

typedef struct train_progress { /* stored as it is: only append */
    int64_t step;            /* steps taken */
    uint64_t batch_rng;
    double loss_sum;         /* training losses since the last eval, and their number */
    int64_t loss_count;
    int64_t last_eval;       /* step of it, -1 = none */
    int64_t adamw_steps;
} train_progress;

/* Write both files of `progress->step` into directory `dir`.  0, or -1 with what failed in `error`. */
int checkpoint_save(const char *dir, const gpt *model, const adamw *opt, const train_progress *progress, char error[512]);

/* Take both files of a step away; what is not there is fine. */
void checkpoint_remove(const char *dir, int64_t step);

/* The step in `dir` that has both files and was written last, -1 if there is none: a run that began anew beside the checkpoints of
 * a longer one goes on from its own. */
int64_t checkpoint_newest(const char *dir);

/* The architecture of the model file of `step`.  0, or -1 with the reason. */
int checkpoint_read_config(const char *dir, int64_t step, gpt_config *config, char error[512]);

/* Fill a model and an optimiser of that architecture.  0, or -1 with the reason; then their contents are unspecified. */
int checkpoint_load(const char *dir, int64_t step, gpt *model, adamw *opt, train_progress *progress, char error[512]);

#endif
