/* evaluate.h -- --lm_eval_tasks: tasks scored at an eval and by `glimpse eval`, results and samples written as
 * lm-evaluation-harness writes them: lm_eval_results.json and lm_eval_samples_TASK.jsonl in out_dir, or where
 * --lm_eval_results_output says, the samples beside it.  Called by session_eval.c, session_open.c and session_api.c. */
#ifndef GLIMPSE_HOOKS_EVALUATE_H
#define GLIMPSE_HOOKS_EVALUATE_H

#include "hooks/tasks/task_run.h"
#include "include/internal/options.h"

typedef struct evaluation evaluation;
typedef struct session session;

/* The tasks of the options, their files there.  Errors: task_find, task_file; GLIMPSE_E_TOKENIZER: `t` is NULL. */
glimpse_status evaluation_open(const options *o, const tokenizer *t, evaluation **out);
void evaluation_close(evaluation *e); /* NULL is fine */

/* Score them all on the session's weights, write the files; the numbers, rounded, in `a`. */
glimpse_status evaluation_at_eval(session *s, arena *a, const glimpse_task_score **scores, int32_t *n);

#endif
