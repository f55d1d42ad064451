/* task_output.h -- what a task found, in lm-evaluation-harness's own forms: results JSON (loggers/evaluation_tracker.py),
 * samples as JSON lines that can be compared with its own document by document, and its console table.
 * Called by hooks/evaluate.c. */
#ifndef GLIMPSE_HOOKS_TASKS_TASK_OUTPUT_H
#define GLIMPSE_HOOKS_TASKS_TASK_OUTPUT_H

#include "hooks/tasks/task_run.h"

typedef struct task_facts {    /* of the run, for the results; texts may be NULL */
    const char *model, *arch, *dtype, *device, *tokenizer;
    int64_t n_params, limit;   /* 0 = no limit */
    int32_t max_length, batch_size, bootstrap, prefix_id, eos, bos;
    text eos_text, bos_text;
    double started, seconds;   /* UNIX time; duration */
} task_facts;

glimpse_status task_write_results(const task_result *r, int n, const task_facts *f, buffer *out);
glimpse_status task_write_samples(const task_result *r, buffer *out);
/* The harness's columns, and behind them how many documents of how many, what guessing would give and how far from it the
 * number is in standard errors. */
glimpse_status task_write_table(const task_result *r, int n, buffer *out);

#endif
