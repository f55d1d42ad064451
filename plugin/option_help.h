/* option_help.h -- the table of options as text for people, 80 columns wide: for the program's pages (cli/help.c,
 * cli/help_commands.c), and for --glimpse_help in a trainer (api.c).  `trainer`: names as a trainer takes them, --glimpse_NAME. */
#ifndef GLIMPSE_PLUGIN_OPTION_HELP_H
#define GLIMPSE_PLUGIN_OPTION_HELP_H

#include "include/internal/buffer.h"
#include "include/internal/options.h"

/* A switch that cannot be switched on is kept out of the lists; `help FLAG` explains it. */
bool help_is_listed(const opt_info *info);
/* "--top_k LIST"; its text with choices, default and other names. */
void help_label(buffer *b, const opt_info *info, bool trainer);
void help_text(buffer *b, const opt_info *info, bool trainer);
/* Words of `text` from column `at` (the cursor is at `column`), wrapped; ends the line. */
void help_paragraph(buffer *b, const char *text, size_t column, size_t at);
/* The options that a command reads (NULL = all; "train"), by group. */
void help_options(buffer *b, const char *command, bool trainer);
/* " --max_sample_tokens, --sample_each_eval, ...": what a trainer takes without the prefix. */
void help_bare(buffer *b);
/* One option: what it does, its range, who reads it. */
void help_option(buffer *b, opt_id id, bool trainer);
/* Whether --help was given, and not as false. */
bool help_is_asked(const options *o);
/* What it asks for: the whole list of a trainer's flags, or its topic alone.  `all`: this program takes every name bare.
 * GLIMPSE_E_INVALID: there is no such flag. */
glimpse_status help_trainer(buffer *b, const options *o, bool all);

#endif
