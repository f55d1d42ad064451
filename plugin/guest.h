/* guest.h -- the private side of the guest library: what a glimpse_config and a glimpse hold, and how the guest speaks.
 *
 *   config.c      options by name, GLIMPSE_ARGS, what to say          args.c    flags out of argv
 *   model_bind.c  the description and its tensors                     api.c     glimpse_open ... glimpse_score
 *   inline.c      a session in this process                           loader.c  finds libglimpse_session.so.0
 *   module.c      libraries of the user's (--module)              inline_sampler.c, plain_lines.c   parts of inline mode
 *   worker_client.c  a session in a process of its own, with worker_line.c, snapshot.c, worker_protocol.c, spawn.c
 *   device.c      weights on a GPU, through the driver (driver.c)     own_dirs.c   who of this process writes where
 *   guard.c       what stands around every call                      option_help.c   --glimpse_help
 *
 * The guest lives in somebody else's process: every entry restores the floating-point environment, errno and the
 * thread's locale, says what there is to say on stderr in one write, and never ends the process. */
#ifndef GLIMPSE_PLUGIN_GUEST_H
#define GLIMPSE_PLUGIN_GUEST_H

#include <fenv.h>
#include <locale.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "include/internal/buffer.h"
#include "include/internal/options.h"
#include "include/internal/session.h"
#include "include/internal/status.h"

typedef struct guest_log { /* where lines for people go */
    glimpse_log_fn fn;     /* NULL = stderr */
    void *user;
    bool trainer;          /* flags in messages are spelt as a trainer takes them: --glimpse_NAME */
    bool never_wait;       /* a stderr that takes nothing (a full pipe) loses the line: the caller trains */
} guest_log;

struct glimpse_config {
    options *o;
    bool all_names;        /* flag_scope "all": every name is taken bare out of argv */
    guest_log log;
    glimpse_status bad;    /* the first flag error, kept until glimpse_open or glimpse_run says it */
    char *bad_text;        /* owned; NULL = the code's own text */
    bool bad_sample_only;  /* the refused flags asked to sample instead of training: do not train */
    buffer odd;            /* lines about words left to the trainer that look like ours, said with the first opening or run */
    buffer shown;          /* what glimpse_get returned last */
};

/* Say one message (it may hold several lines).  stderr gets it in one write with a newline. */
void guest_say(const guest_log *log, const char *text);
/* Appends a message as stderr gets it: its lines broken between words where that is a terminal (include/internal/wrap.h). */
void guest_for_stderr(const char *text, buffer *out);
/* "glimpse: " and the text of this thread's last error, hint and all. */
void guest_say_error(const guest_log *log);
/* The same where `cfg` was refused, which names flags as they were written, or is NULL. */
void guest_say_error_of(const glimpse_config *cfg);
/* Every public call that can fail returns through this: a failure's text is glimpse_error()'s from now on, with flags spelt as this
 * command line takes them; what went wrong inside a call that did not fail is nobody's business.  Returns st. */
glimpse_status guest_return(glimpse_status st, bool trainer);
/* GLIMPSE=off in the environment. */
bool guest_is_off(void);
/* Who reads the lines of a conversation (--interactive); without read_line: plain lines of standard input. */
typedef struct chat_terminal {
    void *user;
    int (*read_line)(void *user, const char *prompt, const char **line, size_t *n); /* as in session_host */
    atomic_int *cancel;
} chat_terminal;
/* glimpse_run, with a terminal of the program's (NULL = plain lines). */
int guest_run(glimpse_config *cfg, const chat_terminal *terminal);
/* One of the session's commands, in DIR (NULL = out_dir).  Returns an exit code, the error said.
 * `stop`, set by a signal handler: a command that leaves things behind ends by itself; NULL = never. */
int guest_command(const glimpse_config *cfg, session_command which, const char *dir, atomic_int *stop);

/* === args.c === */
/* Take flags out of argv[0..*argc) into `o`; on failure nothing changed.  `all`: every name is ours, and an unknown one
 * an error; otherwise seed 001's names bare and --glimpse_NAME. */
glimpse_status args_parse(options **o, bool all, opt_level level, int *argc, char **argv);
/* The same from one string, split as a shell would, without expansions; words that are no flags are an error. */
glimpse_status args_parse_text(options **o, opt_level level, const char *text);
/* A line for every flag left in a trainer's argv that looks like a misspelt one of ours. */
void args_odd(int argc, char **argv, buffer *lines);
/* Whether argv holds --sample_only or --interactive, switched on, of that scope. */
bool args_ask_sample_only(bool all, int argc, char **argv);

/* === model_bind.c === */
/* A copy of the description as this version knows it, however old the caller's; the tensors stay the caller's.  Fails
 * with the first error of the binds. */
glimpse_status model_view(const glimpse_model *model, glimpse_model *out);
/* Bytes from a tensor's first element to the end of its last; n_dims and dtype are what they may be.  GLIMPSE_E_MODEL: a
 * dimension below 1, a negative stride, or they overflow. */
glimpse_status tensor_extent(const glimpse_tensor *t, size_t *bytes);
/* Whether this process can read the byte at `p`. */
bool guest_can_read(const void *p);

/* === loader.c === */
/* The session's functions, loaded once for the process.  GLIMPSE_E_LIBRARY: not found, or of another build. */
glimpse_status session_load(const session_api **out);
/* Use these functions instead of loading (tests); NULL = load again. */
void session_use(const session_api *api);
/* What a call of the session returned; an error's text, which is in the session's library, becomes this one's. */
glimpse_status session_said(const session_api *api, glimpse_status st);

/* A limit of this process under which nothing can be loaded or started, in words: "48 kB of stack (ulimit -s)".  NULL = none is so
 * small. */
const char *guest_tight_limit(char words[64]);

/* The absolute path of the library or program that holds this code; returned (free), NULL if it cannot be told. */
char *guest_own_path(void);

/* === guard.c === */
typedef struct host_state { /* what a call must leave as it found it */
    fenv_t fenv;           /* on x86 flush-to-zero too */
    int err;
    int cancel;            /* a thread that is cancelled within a call ends behind it: the session would stay busy for ever */
    locale_t locale;
} host_state;
void host_enter(host_state *host);        /* remember the host's, set the defaults: nearest, denormals kept, locale C */
void host_leave(const host_state *host);  /* the host's again */

typedef struct guest_hook {
    glimpse_hook_fn fn;
    void *user;
} guest_hook;

struct glimpse {        /* what both modes have; the first member of inline_guest and of worker_guest */
    bool worker;
    pid_t owner;        /* the process that opened it: calls from a forked child do nothing */
    guest_log log;
    host_state host;    /* the host's, while a call is under way */
    atomic_bool busy;   /* a call is under way: a hook may not call again, nor another thread */
    bool off;           /* switched off after failures */
    double off_until_s; /* another eval is tried then (monotonic_s); 0 = never */
    struct glimpse *next; /* own_dirs.c */
    dev_t dir_device;
    ino_t dir_inode;
    int failures;       /* in a row */
    guest_hook *hooks;
    int n_hooks;
};
void guest_init(glimpse *g, bool worker, const guest_log *log);
glimpse_status guest_begin(glimpse *g);                   /* GLIMPSE_E_STATE: another call is under way */
glimpse_status guest_end(glimpse *g, glimpse_status st);  /* returns st */
void guest_go_out(const glimpse *g, host_state *ours);    /* to a function of the host ... */
void guest_come_in(glimpse *g, const host_state *ours);   /* ... and in again; what it changed is the host's wish */
void guest_tell(glimpse *g, const char *line);            /* guest_say, out of a call that is under way */
void guest_tell_ours(glimpse *g, buffer *line);           /* the same with flags spelt as this command line takes them; frees the line */
void guest_tell_error(glimpse *g);                        /* guest_say_error, likewise */
void guest_run_hooks(glimpse *g, const glimpse_record *record);
glimpse_status guest_add_hook(glimpse *g, glimpse_hook_fn fn, void *user);
/* The outcome of an eval: after three failures in a row off, with one line.  Outside of a call. */
void guest_count(glimpse *g, glimpse_status st, int64_t step);
/* Whether an eval does nothing.  In a run of weeks a disk is full for a night: an hour later one is tried again, and goes on if it succeeds;
 * not where another run has the directory, which would be taken from it while it is being started again. */
bool guest_rests(glimpse *g);

/* === own_dirs.c === */
/* GLIMPSE_E_BUSY where the worker of an open session of this process writes to that directory. */
glimpse_status own_dir_is_free(const char *dir);
void own_dir_take(glimpse *g, const char *dir); /* it is there by now */
void own_dir_leave(const glimpse *g);

/* === worker_client.c === */
/* Fails (and nothing is left) where no worker can be had, or it refuses the model. */
glimpse_status worker_open(const options *o, const glimpse_model *model, const guest_log *log, glimpse **out);
/* `o` with the options of its --config beneath them, read by a worker that ends again: what reads JSON stays out of the
 * trainer.  Returned: options_free. */
glimpse_status worker_read_config(const options *o, options **out);
glimpse_status worker_eval(glimpse *g, int64_t step, double train_loss, double val_loss);
glimpse_status worker_check(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                            const float *losses);
glimpse_status worker_drain(glimpse *g);
glimpse_status worker_close(glimpse *g);  /* frees g, unless called from within a hook */

/* === inline.c === */
glimpse_status inline_open(const session_api *api, const options *o, const glimpse_model *model, const guest_log *log,
                           glimpse **out);
glimpse_status inline_eval(glimpse *g, int64_t step, double train_loss, double val_loss);
glimpse_status inline_check(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                            const float *losses);
/* score: 0 = generate, 1 = score */
glimpse_status inline_request(glimpse *g, int score, const glimpse_request *request, glimpse_record **record);
glimpse_status inline_add_sampler(glimpse *g, const glimpse_sampler *sampler, void *user);
glimpse_status inline_close(glimpse *g);  /* frees g in any case */
/* One of the session's commands: its text on stdout, all else to the log. */
glimpse_status inline_command(const session_api *api, session_command which, const options *o, const char *dir,
                              const chat_terminal *terminal, const guest_log *log);
/* `glimpse convert` and `glimpse inspect`. */
glimpse_status inline_files(const session_api *api, const file_command *c, const guest_log *log);

/* === plain_lines.c === */
typedef struct plain_lines { /* start from {0} */
    buffer bytes;       /* read and not taken yet, from `at` */
    size_t at;
    bool ended, skipping;
} plain_lines;
/* The next line of standard input, as session_host.read_line has it; -EFBIG: it has more than 16 MiB, and is passed over.
 * -EINTR: a signal came, and `cancel` (may be NULL) is set. */
int plain_lines_next(plain_lines *l, const char *prompt, const atomic_int *cancel, const char **line, size_t *n);
/* Wait until standard input has something, its end too; false: `cancel` was set, by a handler of SIGINT, before or meanwhile.
 * `blocked`: the signals that do not come meanwhile; NULL: as they are. */
bool plain_lines_wait(const atomic_int *cancel, const sigset_t *blocked);

/* === inline_sampler.c === */
/* A vtable and its state that call the user's with the host's own state in place (g NULL: with Glimpse's).  The state is
 * freed by vt->free. */
glimpse_status inline_wrap_sampler(glimpse *g, const glimpse_sampler *given, void *user, glimpse_sampler *vt, void **state);

#endif
