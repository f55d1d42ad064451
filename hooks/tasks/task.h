/* task.h -- the tasks of lm-evaluation-harness (4e7e0d4, 0.4.13) that Glimpse scores by itself, from the data sets' own
 * JSON lines: one description each, one reader each; what they become is the same for all.
 *
 *   CHOICE         the most likely of the answers:       acc, acc_norm (per code point), acc_bytes
 *   LOGLIKELIHOOD  one continuation:                     perplexity (of the target, not per token), acc (is it greedy)
 *   ROLLING        a whole text, every token once:       word_perplexity, byte_perplexity, bits_per_byte
 *
 * Context and answer are joined by a blank; examples before them by two newlines (task_run.c).  Called by task_docs.c,
 * task_run.c, task_output.c. */
#ifndef GLIMPSE_HOOKS_TASKS_TASK_H
#define GLIMPSE_HOOKS_TASKS_TASK_H

#include "hooks/tasks/json_lines.h"
#include "include/internal/record.h"

typedef enum task_output { TASK_CHOICE, TASK_LOGLIKELIHOOD, TASK_ROLLING, TASK_OUTPUTS } task_output;
const char *task_output_name(task_output o); /* the harness's: "multiple_choice", ... */

enum { /* metrics, in the harness's order */
    METRIC_ACC = 1,
    METRIC_ACC_NORM = 2,
    METRIC_ACC_BYTES = 4,
    METRIC_PERPLEXITY = 8,
    METRIC_WORD_PERPLEXITY = 16,
    METRIC_BYTE_PERPLEXITY = 32,
    METRIC_BITS_PER_BYTE = 64,
    METRICS = 7
};
const char *task_metric_name(int metric);       /* of one bit */

typedef struct task_doc {
    text context;          /* doc_to_text; WinoGrande: unused */
    const text *contexts;  /* (n_choices) the choices stand in the context, the target is common; NULL = they are answers */
    const text *choices;   /* (n_choices) */
    int32_t n_choices, gold;
    text answer;           /* behind the context in an example */
    text target;           /* str(doc_to_target): the continuation, the whole text, or the number of the right choice */
    text page;             /* ROLLING: where words and bytes are counted */
    const int32_t *ids;    /* a document that comes as tokens (llm.c's HellaSwag): context, then choices; NULL = texts */
    const int32_t *n_ids;  /* (1 + n_choices) how many of each */
} task_doc;

typedef struct task_kind task_kind;
struct task_kind {
    const char *name;
    const char *variant;      /* whose rules: "lm-evaluation-harness", "llm.c" */
    double version;
    task_output output;
    int metrics;
    /* The file: DIR/name/split.jsonl, DIR/name_split.jsonl, DIR/name.jsonl, then these, '|' between them. */
    const char *split, *official;
    const char *shots_split, *shots_official; /* where examples come from; NULL = the same file */
    bool apart;               /* context and answer are encoded each for itself; acc_norm per token (llm.c) */
    bool leave_out;           /* the harness draws one example more and drops the document itself (no test split) */
    const char *fields;       /* what a line must have */
    const char *dataset;      /* arguments of datasets.load_dataset, for the command that makes the file; NULL = none */
    /* Document i of the lines; texts in `a` or in the lines. */
    glimpse_status (*read)(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *out);
    /* What datasets.map adds to the document before it is hashed; NULL = nothing.  Members, each with ", " before. */
    void (*added)(const task_doc *d, int indent, buffer *out);
    /* user tasks: */
    text description, target_delimiter, fewshot_delimiter;
    char *data, *shots;       /* files, owned; NULL = by the rule above */
};

extern const task_kind task_kinds[];
extern const int n_task_kinds;

/* A task by name: built in, or the user's own: DIR/NAME.json describes it, or DIR/NAME.jsonl has query, choices, gold.
 * *out is a copy in `a`.  GLIMPSE_E_INVALID: unknown, names the nearest. */
glimpse_status task_find(const char *name, const char *dir, arena *a, task_kind *out);
/* The file of a task in DIR.  GLIMPSE_E_IO: not there: its name, the fields expected, one command that makes it.
 * Returned: free. */
glimpse_status task_file(const task_kind *k, const char *dir, bool shots, char **out);
/* The reader of a user's task: query, choices, gold; query, target; or text. */
glimpse_status task_read_user(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *out);
/* llm.c's tokens: hellaswag_val.bin (llmc/dataloader.h); task_is_tokens tells by its name. */
bool task_is_tokens(const char *path);
glimpse_status task_read_llmc(const char *path, arena *a, task_doc **docs, int32_t *n, char sha256[SHA256_HEX]);

#endif
