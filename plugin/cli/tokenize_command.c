/* tokenize_command.c -- `glimpse tokenize`: its few flags, the text from the command line or from stdin, the answer to stdout.
 * Called by commands.c. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/cli/cli.h"
#include "plugin/guest.h"

#define TEXT_LIMIT ((size_t)1 << 30)

static int say(int code) {
    static const guest_log to_stderr;
    guest_say_error(&to_stderr);
    return code;
}

static bool is(const char *arg, const char *name) {
    if (strncmp(arg, "--", 2) != 0) return false;
    for (arg += 2; *arg && *arg != '=' && *name; arg++, name++)
        if (*arg != *name && !(*arg == '-' && *name == '_')) return false;
    return !*name && (!*arg || *arg == '=');
}

/* The value of --name VALUE or --name=VALUE; NULL: it is not there. */
static const char *value(int argc, char **argv, int *i) {
    const char *equals = strchr(argv[*i], '=');
    if (equals) return equals + 1;
    if (*i + 1 < argc) return argv[++*i];
    status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "%.60s needs a value", argv[*i]);
    return NULL;
}

static int run(session_tokenize *job, bool from_stdin) {
    const session_api *api = NULL;
    buffer text = {0};
    char *out = NULL;
    size_t n = 0;
    glimpse_status st = from_stdin ? file_read_fd(STDIN_FILENO, "stdin", TEXT_LIMIT, &text) : GLIMPSE_OK;
    if (from_stdin) job->text = buf_str(&text), job->n = text.n;
    if (st >= 0) st = session_load(&api);
    if (st >= 0 && (st = api->tokenize(job, &out, &n)) < 0) status_set_text(st, api->error());
    if (st >= 0) st = file_write_fd(STDOUT_FILENO, "stdout", out, n);
    if (st >= 0 && job->decode && !job->json && isatty(STDOUT_FILENO)) st = file_write_fd(STDOUT_FILENO, "stdout", "\n", 1);
    if (out) api->free_text(out);
    buf_free(&text);
    return st < 0 ? say(st == GLIMPSE_E_INVALID ? 2 : 1) : 0;
}

int cli_tokenize(int argc, char **argv) {
    session_tokenize job = {0};
    bool words = false, ids = false;
    for (int i = 2; i < argc; i++) {
        const char *v = NULL;
        if (!words && !strcmp(argv[i], "--")) words = true;
        else if (!words && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) return cli_print_command("tokenize");
        else if (!words && is(argv[i], "json")) job.json = true;
        else if (!words && is(argv[i], "special")) job.special = true;
        else if (!words && (is(argv[i], "tokenizer") || is(argv[i], "tokenizer_path"))) {
            if (!(job.path = value(argc, argv, &i))) return say(2);
        } else if (!words && is(argv[i], "tokenizer_pattern")) {
            if (!(job.pattern = value(argc, argv, &i))) return say(2);
        } else if (!words && is(argv[i], "decode")) {
            if (!(v = value(argc, argv, &i))) return say(2);
            job.decode = ids = true;
        } else if (!words && argv[i][0] == '-' && argv[i][1]) {
            status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__,
                        "tokenize: unknown flag %.60s\nhint: --tokenizer, --tokenizer_pattern, --decode, --json, --special; -- "
                        "before a text that begins with a hyphen", argv[i]);
            return say(2);
        } else v = argv[i];
        if (!v) continue;
        if (job.text) {
            status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "tokenize: one text at a time, \"%.60s\" is another\nhint: put it "
                        "into quotes", v);
            return say(2);
        }
        job.text = v, job.n = strlen(v);
    }
    if (!job.path) {
        status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "tokenize: --tokenizer FILE is missing\nhint: `glimpse help tokenize`");
        return say(2);
    }
    bool from_stdin = !job.text || (!strcmp(job.text, "-") && (!words || ids));
    return run(&job, from_stdin);
}
