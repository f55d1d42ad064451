/* own_flags.h -- the few flags of the commands that take no options of a run: tokenize, convert, inspect.  Written as
 * everywhere: --flag VALUE, --flag=VALUE, hyphens for underscores; switches --flag, --flag=false, --no_flag.
 * Called by files.c and tokenize_command.c. */
#ifndef GLIMPSE_PLUGIN_OWN_FLAGS_H
#define GLIMPSE_PLUGIN_OWN_FLAGS_H

#include <stdbool.h>

typedef struct own_flag {
    const char *name;
    const char **value; /* where its value goes, borrowed from argv; NULL = a switch */
    bool *on;           /* where a switch goes */
} own_flag;

/* Take argv[*i], and its value with it.  1: taken; 0: no flag but a word, "-" too; -1: recorded what is wrong with it, for
 * people: it is `command` that does not know it, has no value for it, or another one than a switch has. */
int own_flag_take(const char *command, const own_flag *flags, int n, int argc, char **argv, int *i);

#endif
