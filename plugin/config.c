/* config.c -- glimpse_config: the options by name, what flags refused, and where lines for people go.  Called by the
 * trainer's main and by the program. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "include/internal/wrap.h"
#include "plugin/guest.h"
#include "plugin/option_help.h"

/* Keep the first error of flags: glimpse_open or glimpse_run will say it. */
static glimpse_status keep_bad(glimpse_config *cfg, glimpse_status st) {
    if (st >= 0 || cfg->bad < 0) return st;
    cfg->bad = st;
    cfg->bad_text = strdup(status_text());
    return st;
}

glimpse_config *glimpse_config_new(void) {
    glimpse_config *cfg = calloc(1, sizeof *cfg);
    options *o = options_new();
    if (!cfg || !o) {
        guest_return(status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for a configuration"), true);
        free(cfg);
        options_free(o);
        return NULL;
    }
    cfg->o = o;
    cfg->log.trainer = true;
    const char *text = getenv("GLIMPSE_ARGS");
    if (text) {
        glimpse_status st = args_parse_text(&cfg->o, OPT_LEVEL_ENV, text);
        if (st < 0) keep_bad(cfg, guest_return(status_prefix(st, "GLIMPSE_ARGS"), false));
    }
    return cfg;
}

void glimpse_config_free(glimpse_config *cfg) {
    if (!cfg) return;
    options_free(cfg->o);
    free(cfg->bad_text);
    buf_free(&cfg->odd);
    buf_free(&cfg->shown);
    free(cfg);
}

static bool is_flag_scope(const char *name) { return strcmp(name, "flag_scope") == 0 || strcmp(name, "flag-scope") == 0; }

static glimpse_status set(glimpse_config *cfg, const char *name, const char *value) {
    if (!cfg) FAIL(GLIMPSE_E_MEMORY, "no configuration: out of memory");
    if (!name) FAIL(GLIMPSE_E_INVALID, "glimpse_set: name is NULL");
    if (is_flag_scope(name)) {
        bool all = value && strcmp(value, "all") == 0;
        if (value && !all && strcmp(value, "trainer") != 0)
            FAIL(GLIMPSE_E_INVALID, "flag_scope = \"%.60s\": expected trainer or all", value);
        cfg->all_names = all;
        cfg->log.trainer = !all;
        return GLIMPSE_OK;
    }
    int id = opt_find(name, strlen(name));
    if (id < 0) {
        const char *near = opt_nearest(name, strlen(name));
        if (near) FAIL(GLIMPSE_E_INVALID, "unknown option \"%.60s\"\nhint: did you mean %s?", name, near);
        FAIL(GLIMPSE_E_INVALID, "unknown option \"%.60s\"\nhint: `glimpse --help` lists the options", name);
    }
    if (value) return options_set(cfg->o, (opt_id)id, value, OPT_LEVEL_FLAG);
    /* Back to the default, whoever set it. */
    TRY(options_set(cfg->o, (opt_id)id, NULL, OPT_LEVEL_FLAG));
    TRY(options_set(cfg->o, (opt_id)id, NULL, OPT_LEVEL_ENV));
    return options_set(cfg->o, (opt_id)id, NULL, OPT_LEVEL_FILE);
}

glimpse_status glimpse_set(glimpse_config *cfg, const char *name, const char *value) {
    return guest_return(set(cfg, name, value), !cfg || cfg->log.trainer);
}

const char *glimpse_get(glimpse_config *cfg, const char *name) {
    if (!cfg || !name) return NULL;
    if (is_flag_scope(name)) return cfg->all_names ? "all" : "trainer";
    int id = opt_find(name, strlen(name));
    if (id < 0) return NULL;
    options_set_offline(cfg->o, glimpse_is_sample_only(cfg)); /* which column of defaults will count */
    int n = opt_count(cfg->o, (opt_id)id);
    if (n == 0) return NULL;
    buf_clear(&cfg->shown);
    for (int i = 0; i < n; i++) {
        if (i) buf_putc(&cfg->shown, ',');
        buf_puts(&cfg->shown, opt_str_at(cfg->o, (opt_id)id, i));
    }
    if (buf_failed(&cfg->shown)) {
        buf_free(&cfg->shown);
        return NULL;
    }
    return buf_str(&cfg->shown);
}

static glimpse_status parse_args(glimpse_config *cfg, int *argc, char **argv) {
    if (!cfg) FAIL(GLIMPSE_E_MEMORY, "no configuration: out of memory");
    glimpse_status st = args_parse(&cfg->o, cfg->all_names, OPT_LEVEL_FLAG, argc, argv);
    if (st >= 0 && !cfg->all_names) args_odd(*argc, argv, &cfg->odd);
    if (st < 0 && argc && argv) cfg->bad_sample_only = args_ask_sample_only(cfg->all_names, *argc, argv);
    return keep_bad(cfg, st);
}

glimpse_status glimpse_parse_args(glimpse_config *cfg, int *argc, char **argv) {
    return guest_return(parse_args(cfg, argc, argv), false); /* flags are named as they were written */
}

int glimpse_is_sample_only(const glimpse_config *cfg) {
    return cfg && (opt_bool(cfg->o, OPT_sample_only) || opt_bool(cfg->o, OPT_interactive) || help_is_asked(cfg->o) || cfg->bad_sample_only);
}

void glimpse_set_log(glimpse_config *cfg, glimpse_log_fn fn, void *user) {
    if (cfg) cfg->log = (guest_log){.fn = fn, .user = user, .trainer = cfg->log.trainer};
}

/* --- speaking ---------------------------------------------------------------------------------------------------- */

/* An eval's log, "glimpse  step 750 ...", perhaps in colour: it was drawn for this terminal, in rows of its own. */
static bool is_drawn(const char *text) {
    const char *name = strstr(text, "glimpse");
    if (!name || strcspn(text, "\n") < (size_t)(name - text)) return false;
    name += strlen("glimpse");
    return !strncmp(name + wrap_escape(name, strlen(name)), "  ", 2);
}

void guest_for_stderr(const char *text, buffer *out) { wrap_lines(out, text, is_drawn(text) ? 0 : wrap_columns(STDERR_FILENO)); }

void guest_say(const guest_log *log, const char *text) {
    if (log && log->fn) {
        log->fn(log->user, text);
        return;
    }
    int err = errno;
    buffer b = {0};
    guest_for_stderr(text, &b);
    buf_putc(&b, '\n');
    signal_guard guard;
    signal_guard_enter(&guard);
    /* A closed or full stderr troubles nobody, and must not replace the error that is being told. */
    for (size_t done = 0; !buf_failed(&b) && done < b.n;) {
        size_t most = b.n - done;
        if (log && log->never_wait) { /* what poll calls writable takes PIPE_BUF bytes without waiting */
            struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
            if (poll(&p, 1, 10) != 1 || !(p.revents & POLLOUT)) break;
            if (most > PIPE_BUF) most = PIPE_BUF;
        }
        ssize_t n = io.write(STDERR_FILENO, b.bytes + done, most);
        if (n > 0) done += (size_t)n;
        else if (n == 0 || errno != EINTR) break;
    }
    signal_guard_leave(&guard);
    buf_free(&b);
    errno = err;
}

void guest_say_error(const guest_log *log) {
    buffer b = {0};
    buf_puts(&b, "glimpse: ");
    opt_spell(status_text(), log && log->trainer, &b);
    guest_say(log, buf_failed(&b) ? "glimpse: out of memory" : buf_str(&b));
    buf_free(&b);
}

void guest_say_error_of(const glimpse_config *cfg) {
    guest_log log = cfg ? cfg->log : (guest_log){0};
    log.trainer = log.trainer && cfg->bad >= 0;
    guest_say_error(&log);
}

bool guest_is_off(void) {
    const char *v = getenv("GLIMPSE");
    return v && (strcmp(v, "off") == 0 || strcmp(v, "OFF") == 0 || strcmp(v, "0") == 0 || strcmp(v, "false") == 0 ||
                 strcmp(v, "no") == 0);
}
