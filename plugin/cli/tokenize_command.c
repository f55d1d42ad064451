/* tokenize_command.c -- `glimpse tokenize`: its few flags, the text from the command line or from stdin, the answer to stdout.
 * Called by commands.c. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/cli/cli.h"
#include "plugin/cli/own_flags.h"
#include "plugin/guest.h"

#define TEXT_LIMIT ((size_t)1 << 30)

static const guest_log to_stderr;

static int run(const session_tokenize *given, bool from_stdin) {
    session_tokenize job = *given;
    const session_api *api = NULL;
    buffer text = {0}, line = {0};
    char *out = NULL, *source = NULL;
    size_t n = 0;
    glimpse_status st = from_stdin ? file_read_fd(STDIN_FILENO, "stdin", TEXT_LIMIT, &text) : GLIMPSE_OK;
    if (from_stdin) job.text = buf_str(&text), job.n = text.n;
    if (st >= 0) st = session_load(&api);
    if (st >= 0) st = session_said(api, api->tokenize(&job, &out, &n, &source));
    if (source) {
        buf_printf(&line, "glimpse: tokenizer %s", source);
        guest_say(&to_stderr, buf_str(&line));
    }
    if (st >= 0) st = file_write_fd(STDOUT_FILENO, "stdout", out, n);
    if (st >= 0 && job.decode && !job.json && isatty(STDOUT_FILENO)) st = file_write_fd(STDOUT_FILENO, "stdout", "\n", 1);
    if (source) api->free_text(source);
    if (out) api->free_text(out);
    buf_free(&text);
    buf_free(&line);
    return st < 0 ? cli_say_error(st == GLIMPSE_E_INVALID ? 2 : 1) : 0;
}

int cli_tokenize(int argc, char **argv) {
    session_tokenize job = {.out_dir = "out"};
    const char *ids = NULL;
    const own_flag flags[] = {{.name = "tokenizer", .value = &job.path}, {.name = "tokenizer_path", .value = &job.path},
                              {.name = "checkpoint", .value = &job.checkpoint}, {.name = "checkpoint_path", .value = &job.checkpoint},
                              {.name = "out_dir", .value = &job.out_dir}, {.name = "tokenizer_pattern", .value = &job.pattern},
                              {.name = "decode", .value = &ids}, {.name = "json", .on = &job.json},
                              {.name = "special", .on = &job.special}};
    bool words = false;
    for (int i = 2; i < argc; i++) {
        if (!words && !strcmp(argv[i], "--")) {
            words = true;
            continue;
        }
        if (!words && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) return cli_print_command("tokenize");
        int taken = words ? 0 : own_flag_take("tokenize", flags, sizeof flags / sizeof *flags, argc, argv, &i);
        if (taken < 0) return cli_say_error(2);
        if (taken) continue;
        if (job.text) {
            if (path_exists(job.text))
                status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "tokenize: one text at a time, \"%.60s\" is another\nhint: --out_dir "
                            "%.60s looks for a tokenizer there", argv[i], job.text);
            else
                status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "tokenize: one text at a time, \"%.60s\" is another\nhint: put it "
                            "into quotes", argv[i]);
            return cli_say_error(2);
        }
        job.text = argv[i];
    }
    if (ids && job.text) {
        status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "tokenize: --decode has its ids, \"%.60s\" is a text", job.text);
        return cli_say_error(2);
    }
    job.decode = ids != NULL;
    if (ids) job.text = ids, words = false;
    if (job.text) job.n = strlen(job.text);
    return run(&job, !job.text || (!strcmp(job.text, "-") && !words));
}
