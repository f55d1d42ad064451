/* session.h -- the contract between the guest (libglimpse.so) and the session (libglimpse_session.so).
 *
 * The session is loaded with dlopen(RTLD_NOW | RTLD_LOCAL) and found through one data symbol, glimpse_session_v1.  Both
 * sides are built together: the build id must match, so structs of include/internal may cross.  Used inline by the guest
 * (plugin/inline.c), by the program and, in worker mode, by `glimpse worker`. */
#ifndef GLIMPSE_INTERNAL_SESSION_H
#define GLIMPSE_INTERNAL_SESSION_H

#include <glimpse.h>
#include "include/internal/options.h"
#include "include/internal/schedule.h"
#include "include/internal/weights_source.h"
#include <stdatomic.h>

typedef struct session session;

/* What the session asks of whoever runs it. */
typedef struct session_host {
    void *user;
    void (*log)(void *user, const char *line);                       /* one or more lines for people, no final newline */
    void (*record)(void *user, const glimpse_record *record);        /* for the user's hooks, after it is written */
    /* Offline: the generated text (stdout).  0, or the errno of what went wrong; EPIPE: nobody reads any more. */
    int (*out)(void *user, const char *bytes, size_t n);
    int terminal;                                                    /* log goes to a terminal: colours, \r discipline */
    int out_terminal;                                                /* `out` goes to a terminal */
    void (*progress)(void *user, const char *line);                  /* one line of a terminal, written over the one before;
                                                                        NULL = done.  May be NULL: nobody watches */
    double (*blocked)(void *user);     /* seconds that this eval held up the trainer; NULL = as long as the session works */
    const glimpse_tokenizer *tokenizer; /* offline, or NULL: the tokenizer unless --tokenizer names one */
    /* Or NULL.  A word with the session before its options are tried and anything is sampled (samplers are added there): an error
     * ends the run, or the opening, and is left in `why` of at most `cap` bytes. */
    glimpse_status (*opened)(void *user, session *s, char *why, size_t cap);
    /* Another one holds the directory: true = try again (after whatever wait); false or NULL = the eval fails. */
    bool (*locked)(void *user, const char *dir);
    bool (*taken)(void *user, const char *dir); /* a run that is alive writes there.  NULL = it cannot be told */
    /* The CPU is about to run a matrix, often: the host may rest first; returns how many threads may run it, 0 = all.  NULL =
     * it never does. */
    int (*between)(void *user);
    bool (*alone)(void *user);   /* whoever posts the evals is gone: another may have taken the run on.  NULL = never */
    /* --interactive: the next line, without its end, *line borrowed until the next call.  1 = a line, 0 = no more, below 0 =
     * -errno, -EINTR = the user took the line back.  NULL = there is no conversation. */
    int (*read_line)(void *user, const char *prompt, const char **line, size_t *n);
    atomic_int *cancel;   /* set, by a signal handler perhaps: the answer ends with this token; cleared by the session
                             before each.  NULL = never */
    int samplers_follow;  /* more may be added after the opening: a name in --samplers that nobody knows yet is no error there */
    int in_terminal;      /* lines are typed: failed turns are the user's to see, not the exit status's */
    weights_source *weights; /* of a trainer whose weights are on a GPU, borrowed; NULL = where the model says */
    bool begun;        /* this run's first eval was at step 0, before this session: it goes on with an older one's no more than then */
    bool seen;         /* an eval of this run was before this session: people were told which older run it goes on with */
    char run[16];      /* hexadecimal: the name of a run that this session begins; a journal that ends in a line of this
                          run is continued, whatever the step.  "" = a name of its own */
} session_host;

typedef struct session_tokenize {
    const char *path, *pattern; /* path: a tokenizer, or a directory with one; pattern: NULL = as the file says */
    const char *checkpoint, *out_dir; /* without a path: whose tokenizer, as sampling looks for it; checkpoint: NULL = the newest */
    const char *text;
    size_t n;
    bool decode, json, special; /* special: also what the file puts around a text; decode: special tokens by name */
} session_tokenize;
/* `glimpse convert` and `glimpse inspect`.  Borrowed. */
typedef struct file_command {
    bool inspect, json;   /* inspect: a table, or one JSON object */
    const char *in, *out; /* paths; `out` of convert alone */
    const char *format;   /* NULL, "safetensors", "llmc" */
    const char *dtype;    /* NULL = as stored, "f32", "bf16", "f16" */
    const char *tokenizer; /* a file or directory; NULL = beside `in` */
    const char *pattern;   /* as session_tokenize's */
    bool force;           /* `out` gives way if it is there */
} file_command;

/* The commands of the program that a session does with nothing but options, and for some a directory (else out_dir):
 * name, what may follow it, whether modules are loaded, what it does.  `run` (glimpse_run) is `sample` here. */
#define SESSION_COMMANDS(X)                                                          \
    X(sample, "", true, "sample from a checkpoint: the text on stdout")              \
    X(eval, "", true, "score --lm_eval_tasks: a table and files")                     \
    X(score, "", true, "each token of --prompt, or --requests FILE")                   \
    X(follow, "[DIR]", false, "the coloured log of a run, as it comes")              \
    X(review, "[DIR]", false, "look through a run's samples in this terminal")       \
    X(report, "[DIR]", false, "draw every view anew from DIR/evals.jsonl")
typedef enum session_command {
#define SESSION_COMMAND_ID(name, ...) COMMAND_##name,
    SESSION_COMMANDS(SESSION_COMMAND_ID) COMMANDS
#undef SESSION_COMMAND_ID
} session_command;
typedef struct command_info {
    const char *name, *words;
    bool modules;
    const char *help;
} command_info;
/* Of COMMANDS of them, by number. */
static const command_info session_commands[] = {
#define SESSION_COMMAND_INFO(name, words, modules, help) {#name, words, modules, help},
    SESSION_COMMANDS(SESSION_COMMAND_INFO)
#undef SESSION_COMMAND_INFO
};

typedef enum note_kind { /* an eval without a sample */
    NOTE_SKIPPED = 0, /* it was not due */
    NOTE_FAILED = 1,
    NOTE_OWED = 2     /* it was due and could not be begun: recorded as skipped, and the next one is due */
} note_kind;

typedef struct session_api {
    uint32_t version;      /* 1 */
    const char *build_id;
    const char *(*error)(void);                                      /* text of this thread's last error in the session */
    /* Options of a configuration file (--config) into `o`, level OPT_LEVEL_FILE. */
    glimpse_status (*read_config)(options *o, const char *path);
    /* `o` copied; `model` as in glimpse_open; `host` copied. */
    glimpse_status (*open)(const options *o, const glimpse_model *model, const session_host *host, session **out);
    glimpse_status (*eval)(session *s, int64_t step, double train_loss, double val_loss);
    /* losses (B, T) of the trainer's, or NULL: then `loss` is their mean */
    glimpse_status (*check)(session *s, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                            const float *losses);
    glimpse_status (*generate)(session *s, const glimpse_request *request, glimpse_record **record);
    glimpse_status (*score)(session *s, const glimpse_request *request, glimpse_record **record);
    glimpse_status (*close)(session *s);
    /* One of SESSION_COMMANDS; `dir` NULL = none was given.  Its text goes through host->out. */
    glimpse_status (*command)(session_command which, const options *o, const char *dir, const session_host *host);
    /* Record an eval without sampling, `why` for people.  `since`: not 0 if a worker
     * before may have recorded it at or after this time (seconds since 1970); then that line is left as it stands.
     * `told`: people know, the log says nothing of it. */
    glimpse_status (*note)(session *s, int64_t step, double train_loss, double val_loss, note_kind kind, const char *why,
                           int64_t since, bool told);
    void (*schedule)(const session *s, schedule *out);
    bool (*told)(const session *s); /* the error of the last eval, note or check went to the host's log: nobody else need say it */
    /* A sampler of the user's; `state` is given: freed with sampler->free when the session closes, not on a failure. */
    glimpse_status (*add_sampler)(session *s, const glimpse_sampler *sampler, void *state);
    /* `glimpse tokenize`: n bytes of text to lines of tokens, or (decode) of ids to a text.  *out, and *source, the path of a
     * tokenizer that was looked for, else NULL: returned (free_text). */
    glimpse_status (*tokenize)(const session_tokenize *job, char **out, size_t *bytes, char **source);
    void (*free_text)(char *text);
    /* A checkpoint as a description; its strings and tensors live until unload(*handle). */
    glimpse_status (*load)(const char *path, glimpse_model *description, void **handle);
    void (*unload)(void *handle);
    /* What it shows goes through host->out. */
    glimpse_status (*files)(const file_command *c, const session_host *host);
} session_api;

#define GLIMPSE_SESSION_SYMBOL "glimpse_session_v1"

#endif
