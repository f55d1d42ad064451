/* files.c -- the commands about checkpoints: `glimpse convert IN OUT` and `glimpse inspect PATH`.  Their few flags are their
 * own, not options of a run.  Called by commands.c. */
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/cli/cli.h"
#include "plugin/cli/own_flags.h"
#include "plugin/guest.h"

static const guest_log to_stderr;

static int bad(const char *fmt, const char *word) {
    status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, fmt, word);
    return cli_say_error(2);
}

int cli_files(int argc, char **argv, bool inspect) {
    file_command c = {.inspect = inspect};
    const own_flag of_inspect[] = {{.name = "json", .on = &c.json}};
    const own_flag of_convert[] = {{.name = "format", .value = &c.format}, {.name = "dtype", .value = &c.dtype},
                                   {.name = "tokenizer", .value = &c.tokenizer}, {.name = "tokenizer_path", .value = &c.tokenizer},
                                   {.name = "tokenizer_pattern", .value = &c.pattern}, {.name = "force", .on = &c.force}};
    bool words = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!words && !strcmp(word, "--")) {
            words = true;
            continue;
        }
        if (!words && (!strcmp(word, "--help") || !strcmp(word, "-h"))) return cli_print_command(inspect ? "inspect" : "convert");
        int taken = words ? 0 : inspect ? own_flag_take("inspect", of_inspect, 1, argc, argv, &i)
                                        : own_flag_take("convert", of_convert, sizeof of_convert / sizeof *of_convert, argc, argv, &i);
        if (taken < 0) return cli_say_error(2);
        if (taken) continue;
        if (!c.in) c.in = word;
        else if (!inspect && !c.out) c.out = word;
        else return bad("unexpected word \"%.60s\"", word);
    }
    if (!c.in || (!inspect && !c.out))
        return bad(inspect ? "%s missing\nhint: glimpse inspect PATH" : "%s missing\nhint: glimpse convert IN OUT",
                   inspect ? "a path is" : "paths are");
    const session_api *api;
    glimpse_status st = session_load(&api);
    if (st >= 0) st = inline_files(api, &c, &to_stderr);
    return st < 0 ? cli_say_error(st == GLIMPSE_E_INVALID ? 2 : 1) : 0;
}
