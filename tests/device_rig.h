/* device_rig.h -- a trainer whose weights are on a GPU of the driver for tests (driver/fake_cuda.h), and a run of it: what
 * test_device.c and test_device_cuda.c share. */
#ifndef GLIMPSE_DEVICE_RIG_H
#define GLIMPSE_DEVICE_RIG_H

#include "tests/driver/fake_cuda.h"
#include "tests/worker_rig.h"

/* The driver loaded and initialised, for the workers of this test, too; NULL = it could not be. */
fake_cuda *driver_start(void);

typedef struct trainer {
    fake_cuda *f;        /* NULL: the weights are on the host */
    rig r;
    float *base[16];     /* what the weights are made of */
    char *at[16];        /* where they are written */
    void *stream;
    int version;
} trainer;

/* blocks: 1 = all tensors in one allocation, as llm.c has them; 16 = one each, which lie side by side all the same.
 * program: of the worker, in the build's directory; NULL = glimpse, and --device cpu. */
void trainer_open(trainer *t, fake_cuda *f, int blocks, bool own_stream, const char *program, const char *const *options);
void trainer_close(trainer *t);

/* An eval, and what a GPU does meanwhile: before it a step that has not run, behind it the next one. */
glimpse_status eval_at(trainer *t, int step);
void run_out(trainer *t); /* everything that was queued, and the worker */

/* Step, status, ids and logits of every line of the journal: what does not depend on time or place. */
glimpse_status note_line(void *journal, owned_record *line);

enum { EVALS = 5 };
/* A run of five evals, a step between two; what its journal holds. */
void run_five(trainer *t, buffer *journal);

/* Whether every eval that sampled says that this device did. */
bool all_on(const trainer *t, const char *device);

int count_text(const char *text, const char *part);

#endif
