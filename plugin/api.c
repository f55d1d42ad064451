/* api.c -- the calls of a training loop and of programs of one's own: what is refused before a session is asked, and the
 * promise that every call accepts NULL.  Called by the trainer; worker_client.c or inline.c does the work. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_id.h" /* written by the Makefile: GLIMPSE_BUILD_ID */
#include "include/internal/file.h"
#include "include/internal/record.h"
#include "include/internal/schedule.h"
#include "plugin/guest.h"
#include "plugin/option_help.h"

#define OTHER_RANK ((glimpse_status)-100) /* of glimpse_open alone: off, and the line for it is another rank's */

const char *glimpse_status_text(glimpse_status status) {
    switch (status) {
#define TEXT_OF(name, value, text)                                                                                     \
    case name: return text;
        GLIMPSE_STATUS_LIST(TEXT_OF)
#undef TEXT_OF
    }
    return "unknown status";
}

static _Thread_local char last_error[2048]; /* as long as status.h's own */

const char *glimpse_error(void) { return last_error; }

glimpse_status guest_return(glimpse_status st, bool trainer) {
    if (st >= 0) return st;
    buffer b = {0};
    opt_spell(status_text(), trainer, &b);
    if (!buf_failed(&b)) status_set_text(st, buf_str(&b));
    c_snprintf(last_error, sizeof last_error, "%s", status_text());
    buf_free(&b);
    return st;
}
const char *glimpse_version(void) { return GLIMPSE_VERSION_STRING " (" GLIMPSE_BUILD_ID ")"; }

/* The options in force: those of `cfg` and, beneath them, of --config.  Returned: options_free. */
static glimpse_status settle(const glimpse_config *cfg, bool offline, const session_api **api, options **out) {
    if (cfg->bad < 0) return status_set_text(cfg->bad, cfg->bad_text);
    options *o = options_copy(cfg->o);
    if (!o) FAIL(GLIMPSE_E_MEMORY, "no memory for the options");
    options_set_offline(o, offline);
    options_set_trainer(o, cfg->log.trainer);
    glimpse_status st = GLIMPSE_OK;
    const char *path = opt_str(o, OPT_config);
    if (path && opt_is(o, OPT_mode, "worker")) {
        options *with_file = NULL;
        TRY_GOTO(worker_read_config(o, &with_file));
        options_free(o);
        o = with_file;
    } else if (path) {
        host_state host;
        TRY_GOTO(session_load(api));
        host_enter(&host);
        st = session_said(*api, (*api)->read_config(o, path));
        host_leave(&host);
        if (st < 0) goto out;
    }
    *out = o;
    o = NULL;
out:
    options_free(o);
    return st;
}

/* What a launcher told this process: its rank, and of how many; -1, 0 = nothing. */
typedef struct launched {
    const char *name;
    int64_t rank, size;
} launched;

static int64_t number_from(const char *name, int64_t none) {
    const char *text = getenv(name);
    int64_t n;
    return text && parse_i64(text, strlen(text), &n) && n >= 0 ? n : none;
}

static launched ask_launcher(void) {
    static const char *const names[][2] = {{"RANK", "WORLD_SIZE"}, {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                           {"PMI_RANK", "PMI_SIZE"}, {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        launched l = {names[i][0], number_from(names[i][0], -1), number_from(names[i][1], 0)};
        if (l.rank >= 0) return l;
    }
    return (launched){.rank = -1};
}

/* A line each. */
static void say_lines(const guest_log *log, const buffer *lines) {
    buffer line = {0};
    for (const char *at = buf_failed(lines) ? "" : buf_str(lines); *at;) {
        size_t n = strcspn(at, "\n");
        buf_clear(&line);
        buf_puts(&line, "glimpse: ");
        buf_put(&line, at, n);
        if (!buf_failed(&line)) guest_say(log, buf_str(&line));
        at += n + (at[n] == '\n');
    }
    buf_free(&line);
}

/* The same with flags spelt as this command line takes them; frees the lines. */
static void say_spelt(const guest_log *log, buffer *lines) {
    buffer spelt = {0};
    opt_spell(buf_str(lines), log->trainer, &spelt);
    say_lines(log, &spelt);
    buf_free(&spelt);
    buf_free(lines);
}

/* One line a job, not one a rank: the rank that samples says so (say_rank), and the others nothing.  Where nothing tells that
 * there is such a rank (a RANK that was left over in the environment), silence would hide why nothing comes. */
static glimpse_status check_rank(const options *o) {
    launched l = ask_launcher();
    int64_t wanted = opt_int(o, OPT_sample_rank);
    bool told = l.rank < l.size && wanted < l.size;
    if (l.rank < 0 || wanted < 0 || l.rank == wanted) return GLIMPSE_OK;
    FAIL(told ? OTHER_RANK : GLIMPSE_E_STATE, "off: this is rank %lld (%s), rank %lld samples\nhint: --sample_rank %lld, or -1: "
         "every rank, each with an --out_dir of its own", (long long)l.rank, l.name, (long long)wanted, (long long)l.rank);
}

static void say_rank(const guest_log *log, const options *o) {
    launched l = ask_launcher();
    buffer line = {0};
    if (l.size < 2 || opt_is_set(o, OPT_sample_rank)) return;
    buf_printf(&line, "of %lld ranks (%s) rank %lld samples; --sample_rank -1: every one, each with an --out_dir of its own",
               (long long)l.size, l.name, (long long)l.rank);
    say_spelt(log, &line);
}

/* Flags that do nothing in `command` are said, a line each. */
static void say_idle(const guest_log *log, const options *o, const char *command) {
    buffer idle = {0};
    options_idle(o, command, &idle);
    say_spelt(log, &idle);
}

static glimpse_status open_with(const glimpse_config *cfg, const glimpse_model *model, glimpse **out) {
    glimpse_status st = GLIMPSE_OK;
    const session_api *api = NULL;
    options *o = NULL;
    glimpse_model m;
    TRY_GOTO(settle(cfg, false, &api, &o));
    TRY_GOTO(check_rank(o));
    say_lines(&cfg->log, &cfg->odd);
    if (opt_bool(o, OPT_sample_only) && opt_level_of(o, OPT_sample_only) == OPT_LEVEL_FILE)
        FAIL_GOTO(GLIMPSE_E_INVALID, "sample_only in %s comes too late to keep a trainer from training\nhint: give it as the "
                  "flag --sample_only", opt_str(o, OPT_config));
    if (help_is_asked(o)) {
        buffer b = {0};
        st = help_trainer(&b, o, cfg->all_names);
        if (st >= 0 && !buf_failed(&b)) guest_say(&cfg->log, buf_str(&b));
        buf_free(&b);
        if (st < 0) goto out;
        FAIL_GOTO(GLIMPSE_E_STATE, "off: --help was asked for");
    }
    if (opt_int(o, OPT_max_sample_tokens) == 0 && !schedule_reads_weights(o))
        FAIL_GOTO(GLIMPSE_E_STATE, "off: no tokens to sample were asked for\nhint: --max_sample_tokens 128");
    say_rank(&cfg->log, o);
    say_idle(&cfg->log, o, "train");
    TRY_GOTO(model_view(model, &m));
    if (opt_is(o, OPT_mode, "worker")) {
        TRY_GOTO(own_dir_is_free(opt_str(o, OPT_out_dir)));
        TRY_GOTO(worker_open(o, &m, &cfg->log, out));
        own_dir_take(*out, opt_str(o, OPT_out_dir));
        goto out;
    }
    TRY_GOTO(session_load(&api));
    TRY_GOTO(inline_open(api, o, &m, &cfg->log, out));
out:
    options_free(o);
    return st;
}

glimpse *glimpse_open(const glimpse_config *cfg, const glimpse_model *model) {
    int err = errno, cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel); /* as in every call: host_state */
    static const guest_log to_stderr = {0};
    glimpse *g = NULL;
    glimpse_status st;
    if (guest_is_off()) st = status_fail(GLIMPSE_E_STATE, __FILE__, __LINE__, "off, because GLIMPSE=%s", getenv("GLIMPSE"));
    else if (!cfg) st = status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "off: no configuration, out of memory");
    else st = open_with(cfg, model, &g);
    guest_return(st, cfg && cfg->log.trainer && cfg->bad >= 0);
    if (st < 0 && st != OTHER_RANK) {
        guest_say_error_of(cfg);
        if (strncmp(status_text(), "off", 3)) guest_say(cfg ? &cfg->log : &to_stderr, "glimpse: off; the training goes on without samples");
    }
    errno = err;
    pthread_setcancelstate(cancel, NULL);
    return g;
}

/* In a child that the trainer forked: its copy of the socket is not its own. */
static bool is_foreign(const glimpse *g) { return g->owner != getpid(); }

glimpse_status glimpse_eval(glimpse *g, int64_t step, double train_loss, double val_loss) {
    if (!g || is_foreign(g)) return GLIMPSE_NOT_DUE;
    const int64_t most = (int64_t)1 << 53; /* the whole numbers of a journal's JSON */
    if (step >= -most && step <= most) return guest_return((g->worker ? worker_eval : inline_eval)(g, step, train_loss, val_loss), g->log.trainer);
    glimpse_status st = status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "glimpse_eval: step %lld is above 2^53 in size", (long long)step);
    if (!g->off) guest_say_error(&g->log);
    guest_count(g, st, step);
    return guest_return(g->off ? GLIMPSE_NOT_DUE : st, g->log.trainer);
}

glimpse_status glimpse_check(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss) {
    if (!g || is_foreign(g)) return GLIMPSE_NOT_DUE;
    return guest_return((g->worker ? worker_check : inline_check)(g, ids, targets, B, T, loss, NULL), g->log.trainer);
}

glimpse_status glimpse_check_losses(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T,
                                    const float *losses) {
    if (!g || is_foreign(g)) return GLIMPSE_NOT_DUE;
    glimpse_status st = losses ? (g->worker ? worker_check : inline_check)(g, ids, targets, B, T, 0, losses)
                               : status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "glimpse_check_losses: losses is NULL");
    return guest_return(st, g->log.trainer);
}

glimpse_status glimpse_drain(glimpse *g) { /* inline: everything was written when the eval returned */
    return g && g->worker && !is_foreign(g) ? guest_return(worker_drain(g), g->log.trainer) : GLIMPSE_OK;
}

glimpse_status glimpse_close(glimpse *g) {
    if (!g || is_foreign(g)) return GLIMPSE_OK;
    bool trainer = g->log.trainer;
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel); /* what is freed is freed behind the host's state */
    if (!atomic_load(&g->busy)) own_dir_leave(g); /* else it is refused */
    glimpse_status st = guest_return((g->worker ? worker_close : inline_close)(g), trainer);
    pthread_setcancelstate(cancel, NULL);
    return st;
}

glimpse_status glimpse_add_hook(glimpse *g, glimpse_hook_fn fn, void *user) {
    return g && !is_foreign(g) ? guest_return(guest_add_hook(g, fn, user), g->log.trainer) : GLIMPSE_OK;
}

static glimpse_status add_sampler(glimpse *g, const glimpse_sampler *sampler, void *user) {
    if (g->worker) FAIL(GLIMPSE_E_STATE, "glimpse_add_sampler: the session is in a worker\nhint: --module lib.so brings a "
                         "sampler to it; or --mode inline");
    return inline_add_sampler(g, sampler, user);
}

glimpse_status glimpse_add_sampler(glimpse *g, const glimpse_sampler *sampler, void *user) {
    return g && !is_foreign(g) ? guest_return(add_sampler(g, sampler, user), g->log.trainer) : GLIMPSE_OK;
}

static glimpse_status request(const char *call, glimpse *g, int score, const glimpse_request *rq, glimpse_record **record) {
    if (!g || is_foreign(g)) FAIL(GLIMPSE_E_STATE, "%s: Glimpse is off", call);
    if (g->worker) FAIL(GLIMPSE_E_STATE, "%s: the session is in a worker\nhint: --mode inline", call);
    return inline_request(g, score, rq, record);
}

glimpse_status glimpse_generate(glimpse *g, const glimpse_request *rq, glimpse_record **record) {
    return guest_return(request("glimpse_generate", g, 0, rq, record), !g || g->log.trainer);
}

glimpse_status glimpse_score(glimpse *g, const glimpse_request *rq, glimpse_record **record) {
    return guest_return(request("glimpse_score", g, 1, rq, record), !g || g->log.trainer);
}

const glimpse_piece *glimpse_record_piece(const glimpse_record *record, int32_t id) { return record_piece(record, id); }
/* Both libraries are of one build and share malloc: a record made by the session is freed here, also after its close. */
void glimpse_record_free(glimpse_record *record) { record_free(record); }

/* --- offline ----------------------------------------------------------------------------------------------------- */

static glimpse_status check_sample(const options *o) {
    if ((opt_is(o, OPT_like, "generate") || opt_is(o, OPT_like, "generate_text")) &&
        !opt_is_set(o, OPT_sample_start_tokens) && !opt_is_set(o, OPT_prompts) && !opt_bool(o, OPT_interactive))
        FAIL(GLIMPSE_E_INVALID, "--prompt is required with --like %s", opt_str(o, OPT_like));
    if (opt_int(o, OPT_max_sample_tokens) == 0) FAIL(GLIMPSE_E_INVALID, "max_sample_tokens is 0: nothing to sample");
    return GLIMPSE_OK;
}

static glimpse_status command_with(const glimpse_config *cfg, session_command which, const char *dir,
                                   const chat_terminal *terminal) {
    glimpse_status st = GLIMPSE_OK;
    const session_api *api = NULL;
    options *o = NULL;
    TRY_GOTO(settle(cfg, true, &api, &o));
    /* a trainer's command line has its training's flags too, also where it is asked to sample only */
    const char *name = which == COMMAND_sample && opt_bool(o, OPT_interactive) ? "chat" : session_commands[which].name;
    if (!cfg->log.trainer) say_idle(&cfg->log, o, name);
    else say_lines(&cfg->log, &cfg->odd);
    options_forget_unread(o, name);
    if (which == COMMAND_sample) TRY_GOTO(check_sample(o));
    TRY_GOTO(session_load(&api));
    TRY_GOTO(inline_command(api, which, o, dir, terminal, &cfg->log));
out:
    options_free(o);
    return st;
}

/* What the shell is told, after the error was said; refused flags give 2 whatever was wrong with them. */
static int exit_code(const glimpse_config *cfg, glimpse_status st) {
    if (st >= 0) return 0;
    guest_return(st, cfg && cfg->log.trainer && cfg->bad >= 0);
    guest_say_error_of(cfg);
    return st == GLIMPSE_E_INVALID || (cfg && cfg->bad < 0) ? 2 : 1;
}

/* --glimpse_help, as text that was asked for: on stdout. */
static glimpse_status print_help(const glimpse_config *cfg) {
    buffer b = {0};
    glimpse_status st = help_trainer(&b, cfg->o, cfg->all_names);
    if (st >= 0) st = buf_failed(&b) ? status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for the list of flags")
                                       : file_write_fd(STDOUT_FILENO, "stdout", b.bytes, b.n);
    buf_free(&b);
    return st;
}

int guest_run(glimpse_config *cfg, const chat_terminal *terminal) {
    int err = errno, code = 0;
    if (cfg && cfg->bad >= 0 && help_is_asked(cfg->o)) code = exit_code(cfg, print_help(cfg));
    else if (cfg && guest_is_off())
        guest_say(&cfg->log, "glimpse: off, because GLIMPSE is set to off: nothing was sampled");
    else
        code = exit_code(cfg, cfg ? command_with(cfg, COMMAND_sample, NULL, terminal)
                                  : status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no configuration: out of memory"));
    errno = err;
    return code;
}

int glimpse_run(glimpse_config *cfg) { return guest_run(cfg, NULL); }

int guest_command(const glimpse_config *cfg, session_command which, const char *dir, atomic_int *stop) {
    const chat_terminal terminal = {.cancel = stop};
    return exit_code(cfg, command_with(cfg, which, dir, &terminal));
}
