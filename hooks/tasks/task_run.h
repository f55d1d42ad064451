/* task_run.h -- a task from its file to its numbers: examples drawn, texts cut into tokens, requests scored, metrics.
 * Called by hooks/evaluate.c; task_output.c writes what it finds. */
#ifndef GLIMPSE_HOOKS_TASKS_TASK_RUN_H
#define GLIMPSE_HOOKS_TASKS_TASK_RUN_H

#include "hooks/tasks/task.h"
#include "include/internal/threads.h"
#include "sampling/score_batch.h"

typedef struct task_sample {    /* a document with its answers */
    task_doc doc;
    const text *contexts, *continuations; /* (n_requests) as the harness's arguments; NULL for a document of tokens */
    const score_answer *answers;          /* (n_requests); ROLLING: one, over all windows */
    int32_t n_requests;
    int32_t pick, pick_norm;    /* CHOICE */
    double words, bytes;        /* ROLLING */
    double metric[METRICS];     /* by bit number: acc .., perplexity = the log-likelihood */
} task_sample;

typedef struct task_metric {
    int metric;                 /* one bit */
    double value, stderr_;      /* stderr_ NAN = "N/A" */
    double chance;              /* guessing; NAN = no such number */
} task_metric;

typedef struct task_result {
    task_kind kind;
    char *file;
    json_lines lines;           /* empty for llm.c's tokens */
    char sha256[SHA256_HEX];    /* of the file */
    task_sample *samples;       /* (n) the first n of n_all documents */
    int32_t n, n_all, num_fewshot, seed;
    task_metric metrics[METRICS];
    int32_t n_metrics;
    arena *arena;
} task_result;

typedef struct task_options {
    const char *dir;
    int32_t limit;              /* the first so many documents; 0 = all */
    int32_t num_fewshot;
    int32_t fewshot_seed;       /* the harness's default: 1234 */
    int32_t bootstrap;          /* resamples for perplexity's standard error, a multiple of 1000; 100000 is the harness's */
    int32_t batch_size;         /* 0 = auto */
    void (*progress)(void *user, const char *task, int64_t done, int64_t total);
    void *user;
} task_options;

/* What stands before a text without context: the tokenizer's BOS, else its EOS; -1 = none. */
int32_t task_prefix_id(const model *m, const tokenizer *t);
/* A context and its continuation as the harness cuts them (TemplateLM._encode_pair): blanks at the context's end go to the
 * continuation; both are encoded as one text, and what follows the context's own tokens is the continuation.  An empty
 * context is the prefix.  Appends to ids; *n_context, *n are what was appended. */
glimpse_status task_encode_pair(const model *m, tokenizer *t, text context, text continuation, buffer *ids,
                                int32_t *n_context, int32_t *n);
/* As the harness encodes one text: with what the tokenizer puts before it, unless it stands there. */
glimpse_status task_encode(const model *m, tokenizer *t, text s, buffer *ids);

/* `k` copied.  GLIMPSE_E_IO, _FORMAT: the data; _TOKENIZER: there is none, or a text that it cannot encode;
 * _NONFINITE: the model's logits.  Returned: task_result_free. */
glimpse_status task_run(const task_kind *k, const task_options *o, generator *g, const model *m, tokenizer *t,
                        task_result *out);
void task_result_free(task_result *r);

#endif
