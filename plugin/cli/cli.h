/* cli.h -- the program `glimpse`: its commands, and the texts that come from the table of options. */
#ifndef GLIMPSE_PLUGIN_CLI_H
#define GLIMPSE_PLUGIN_CLI_H

#include "include/internal/buffer.h"
#include "include/internal/options.h"

/* The whole program; returns its exit code: 0, 1 failed, 2 bad flags.  argv is changed. */
int cli_main(int argc, char **argv);

/* `glimpse keeper BUILD_ID`, started by libglimpse.so: samples for a trainer until it ends.  worker.c. */
int cli_worker(int argc, char **argv);

/* Sample, or with --interactive converse; the exit code.  chat_line.c */
int cli_run(glimpse_config *cfg);

/* `glimpse tokenize`.  tokenize_command.c */
int cli_tokenize(int argc, char **argv);

/* Go on in a child whose end is told over the socket; argv[1] becomes "worker" in it; the parent never returns.  `trainer`: its
 * pidfd, -1 = none.  keeper.c */
void keeper_fork(char **argv, int trainer);
/* How a process of that wait status ended, for people; `oom`: the kernel killed for want of memory meanwhile. */
void keeper_words(int status, bool oom, char *words, size_t cap);

/* `glimpse convert` and `glimpse inspect`; argv[0] is the program's name, the command taken out.  files.c. */
int cli_files(int argc, char **argv, bool inspect);

/* Say the last error; returns `code`.  commands.c */
int cli_say_error(int code);
/* The page of a command to stdout; the exit code.  commands.c */
int cli_print_command(const char *name);

/* Append a page made from the table; nothing is wider than 80 columns. */
void help_all(buffer *b);
/* The page of a command (help_commands.c): its words, what it reads and writes, its options by group, an example.  False:
 * there is no such command. */
bool help_command(buffer *b, const char *name);
/* Every command's usage line, and its section in roff. */
void help_usage(buffer *b);
void help_commands_man(buffer *b);
/* The command nearest to a wrong word, NULL = none is near. */
const char *help_nearest_command(const char *word);
/* Roff text. */
void help_roff(buffer *b, const char *text);
void help_man(buffer *b);   /* roff, for man(1) */

#endif
