/* commands.c -- what the first word of the command line asks for: one of the session's commands (none: sample), tokenize, convert,
 * inspect, help.  Text that was asked for goes to stdout, all else to stderr.  Called by main.c. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/cli/cli.h"
#include "plugin/guest.h"
#include "plugin/option_help.h"

static const guest_log to_stderr;

int cli_say_error(int code) {
    guest_say_error(&to_stderr);
    return code;
}

/* Write and free the page. */
static int print(buffer *b) {
    glimpse_status st = buf_failed(b) ? status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for the text")
                                      : file_write_fd(STDOUT_FILENO, "stdout", b->bytes, b->n);
    buf_free(b);
    return st < 0 ? cli_say_error(1) : 0;
}

static int print_version(void) {
    buffer b = {0};
    buf_puts(&b, "glimpse ");
    buf_puts(&b, glimpse_version());
    buf_putc(&b, '\n');
    return print(&b);
}

int cli_print_command(const char *name) {
    buffer b = {0};
    help_command(&b, name);
    return print(&b);
}

static int help(int argc, char **argv) {
    buffer b = {0};
    if (argc < 3) {
        help_all(&b);
        return print(&b);
    }
    if (argc > 3) {
        status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "unexpected word \"%.60s\"\nhint: glimpse help COMMAND, or glimpse help FLAG", argv[3]);
        return cli_say_error(2);
    }
    if (help_command(&b, argv[2])) return print(&b);
    const char *name = argv[2] + strspn(argv[2], "-");
    if (!strncmp(name, "glimpse_", 8) || !strncmp(name, "glimpse-", 8)) name += 8; /* as a trainer writes it */
    int id = opt_find(name, strlen(name));
    if (id < 0 && (strncmp(name, "no_", 3) == 0 || strncmp(name, "no-", 3) == 0)) id = opt_find(name + 3, strlen(name + 3));
    if (id >= 0) {
        help_option(&b, (opt_id)id, false);
        return print(&b);
    }
    const char *near = opt_nearest(name, strlen(name));
    if (name > argv[2]) { /* it was meant as a flag */
        if (near) status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "no flag --%.60s\nhint: did you mean --%s?", name, near);
        else status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "no flag --%.60s\nhint: `glimpse --help` lists the flags", name);
        return cli_say_error(2);
    }
    const char *command = help_nearest_command(name);
    if (command) buf_printf(&b, "did you mean `glimpse help %s`%s", command, near ? " or " : "?");
    if (near) buf_printf(&b, command ? "`glimpse help --%s`?" : "did you mean `glimpse help --%s`?", near);
    if (!command && !near) buf_puts(&b, "`glimpse --help` lists both");
    status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "no command and no flag \"%.60s\"\nhint: %s", name, buf_str(&b));
    buf_free(&b);
    return cli_say_error(2);
}

/* The configuration that the flags give; what is left in argv are words.  NULL: said. */
static glimpse_config *configure(int *argc, char **argv) {
    glimpse_config *cfg = glimpse_config_new();
    if (!cfg || glimpse_set(cfg, "flag_scope", "all") < 0 || glimpse_parse_args(cfg, argc, argv) < 0) {
        cli_say_error(2);
        glimpse_config_free(cfg);
        return NULL;
    }
    int n = 1;
    for (int i = 1; i < *argc; i++)
        if (strcmp(argv[i], "--") != 0) argv[n++] = argv[i];
    *argc = n;
    return cfg;
}

static int unexpected(const char *word) {
    if (word[0] == '-' && word[1]) {
        status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "unknown flag %.60s\nhint: flags begin with two hyphens; `glimpse "
                    "--help` lists them", word);
        return cli_say_error(2);
    }
    const char *near = help_nearest_command(word);
    if (near) {
        status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "unexpected word \"%.60s\"\nhint: did you mean `glimpse %s`? A prompt is given "
                    "with --prompt, in quotes", word, near);
        return cli_say_error(2);
    }
    if (path_exists(word)) {
        status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "unexpected word \"%.60s\"\nhint: `glimpse --checkpoint %.300s` samples from it; `glimpse --help` "
                    "lists the commands", word, word);
        return cli_say_error(2);
    }
    buffer known = {0};
    for (int i = 0; i < COMMANDS; i++)
        buf_printf(&known, "%s%s%s, ", session_commands[i].name, *session_commands[i].words ? " " : "", session_commands[i].words);
    status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "unexpected word \"%.60s\"\nhint: the commands are %schat, tokenize, convert IN "
                "OUT, inspect PATH and help FLAG; a prompt is given with --prompt, in quotes", word, buf_str(&known));
    buf_free(&known);
    return cli_say_error(2);
}

/* Ctrl-C, or an end from outside, while `report` draws: it takes away what it began, then the signal has its way.  The second one
 * has it at once. */
static atomic_int stopped;
static void on_stop(int signal_number) { atomic_store(&stopped, signal_number); }

static int report(const glimpse_config *cfg, const char *dir) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction ours = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND}, before[3];
    sigemptyset(&ours.sa_mask);
    for (int i = 0; i < 3; i++) {
        sigaction(signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) sigaction(signals[i], &ours, NULL);
    }
    int code = guest_command(cfg, COMMAND_report, dir, &stopped);
    for (int i = 0; i < 3; i++) sigaction(signals[i], &before[i], NULL);
    int by = atomic_exchange(&stopped, 0);
    if (by && code) raise(by);
    return code;
}

static int command(session_command which, bool chat, int argc, char **argv) {
    glimpse_config *cfg = configure(&argc, argv);
    if (!cfg) return 2;
    if (chat) glimpse_set(cfg, "interactive", "true");
    int words = *session_commands[which].words != 0, code;
    if (argc > 1 + words) code = unexpected(argv[1 + words]);
    else if (which == COMMAND_sample) code = cli_run(cfg);
    else if (which == COMMAND_report) code = report(cfg, argc > 1 ? argv[1] : NULL);
    else code = guest_command(cfg, which, argc > 1 ? argv[1] : NULL, NULL);
    glimpse_config_free(cfg);
    return code;
}

static bool asks_for(int argc, char **argv, const char *word) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], word) == 0) return true;
    return false;
}

int cli_main(int argc, char **argv) {
    buffer b = {0};
    if (argc < 1) return 2;
    if (argc > 1 && (strcmp(argv[1], "keeper") == 0 || strcmp(argv[1], "worker") == 0)) return cli_worker(argc, argv);
    bool inspects = argc > 1 && strcmp(argv[1], "inspect") == 0;
    if (inspects || (argc > 1 && strcmp(argv[1], "convert") == 0)) {
        argv[1] = argv[0];
        return cli_files(argc - 1, argv + 1, inspects);
    }
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "tokenize") == 0) return cli_tokenize(argc, argv);
    if (asks_for(argc, argv, "--help") || asks_for(argc, argv, "-h")) {
        if (!help_command(&b, argv[1])) help_all(&b);
        return print(&b);
    }
    if (asks_for(argc, argv, "--version")) return print_version();
    if (asks_for(argc, argv, "--man")) {
        help_man(&b);
        return print(&b);
    }
    if (strcmp(word, "help") == 0) return help(argc, argv);
    bool chat = strcmp(word, "chat") == 0;
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(chat ? "sample" : word, session_commands[i].name) != 0) continue;
        memmove(argv + 1, argv + 2, (size_t)(argc - 1) * sizeof *argv); /* the closing NULL too */
        return command((session_command)i, chat, argc - 1, argv);
    }
    bool bare = argc < 2;
    int code = command(COMMAND_sample, false, argc, argv);
    if (bare && code) guest_say(&to_stderr, "glimpse: `glimpse --help` lists the commands and the flags");
    return code;
}
