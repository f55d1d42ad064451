/* files.c -- the commands about checkpoints: `glimpse convert IN OUT` and `glimpse inspect PATH`.  Their few flags are their
 * own, not options of a run.  Called by commands.c. */
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/cli/cli.h"
#include "plugin/guest.h"

static const guest_log to_stderr;

static int say_error(int code) {
    guest_say_error(&to_stderr);
    return code;
}

static int bad(const char *fmt, const char *word) {
    status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, fmt, word);
    return say_error(2);
}

/* "--name VALUE" or "--name=VALUE"; 1: taken, 0: another word, -1: no value. */
static int value_of(const char *name, int argc, char **argv, int *i, const char **out) {
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0 || (argv[*i][n] && argv[*i][n] != '=')) return 0;
    if (argv[*i][n] == '=') *out = argv[*i] + n + 1;
    else if (*i + 1 < argc) *out = argv[++*i];
    else return -1;
    return 1;
}

int cli_files(int argc, char **argv, bool inspect) {
    file_command c = {.inspect = inspect};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int taken = 0;
        if (!strcmp(word, "--help") || !strcmp(word, "-h")) return cli_print_command(inspect ? "inspect" : "convert");
        if (inspect && !strcmp(word, "--json")) c.json = true;
        else if (!inspect && !strcmp(word, "--force")) c.force = true;
        else if (!inspect && ((taken = value_of("--format", argc, argv, &i, &c.format)) != 0 ||
                              (taken = value_of("--dtype", argc, argv, &i, &c.dtype)) != 0 ||
                              (taken = value_of("--tokenizer", argc, argv, &i, &c.tokenizer)) != 0)) {
            if (taken < 0) return bad("the flag %.60s has no value", word);
        } else if (word[0] == '-' && word[1]) {
            return bad(inspect ? "unknown flag %.60s\nhint: `glimpse inspect --help`" : "unknown flag %.60s\nhint: `glimpse convert --help`", word);
        } else if (!c.in) c.in = word;
        else if (!inspect && !c.out) c.out = word;
        else return bad("unexpected word \"%.60s\"", word);
    }
    if (!c.in || (!inspect && !c.out)) return bad(inspect ? "%s missing\nhint: glimpse inspect PATH" : "%s missing\nhint: glimpse convert IN OUT", inspect ? "a path is" : "paths are");
    const session_api *api;
    glimpse_status st = session_load(&api);
    if (st >= 0) st = inline_files(api, &c, &to_stderr);
    return st < 0 ? say_error(st == GLIMPSE_E_INVALID ? 2 : 1) : 0;
}
