/* options.h -- the one table of options and their values.
 *
 * OPTIONS_TABLE in options.def states each option once; flags, JSON keys, GLIMPSE_ARGS, --help, the man page,
 * glimpse_set and every check come from it.  A leaf: libc only, because both the guest (which parses) and the session
 * (which reads values) have it.  Values are kept as checked text; typed getters read them.
 *
 * Adding an option is one line in options.def; reading it is opt_int(o, OPT_num_samples). */
#ifndef GLIMPSE_INTERNAL_OPTIONS_H
#define GLIMPSE_INTERNAL_OPTIONS_H

#include <glimpse.h>
#include <stdbool.h>

typedef enum opt_type {
    OPT_BOOL, OPT_INT, OPT_FLOAT, OPT_STRING, OPT_ENUM,
    OPT_INTS,     /* list by commas or spaces */
    OPT_STRINGS   /* repeatable */
} opt_type;

/* The columns are described in options.def, which undefines its macros itself. */
typedef enum opt_id {
#define OPTION(name, ...) OPT_##name,
#include "include/internal/options.def"
    OPT_COUNT
} opt_id;

typedef enum opt_level { OPT_LEVEL_DEFAULT, OPT_LEVEL_LIKE, OPT_LEVEL_FILE, OPT_LEVEL_ENV, OPT_LEVEL_FLAG } opt_level;

typedef struct options options;

typedef struct opt_info { /* a row of the table */
    const char *name, *aliases;
    opt_type type;
    const char *def_train, *def_offline; /* NULL = unset */
    double min, max;                     /* of each element; of a text: its length in bytes */
    const char *choices;                 /* "auto|always|never", NULL = any */
    bool bare;                           /* taken without the prefix glimpse_ in a trainer */
    const char *missing;                 /* "VALUE=why": refused, not in this version; NULL = everything works */
    const char *group, *metavar, *help;
} opt_info;

const opt_info *opt_info_of(opt_id id);
/* The option of a name (aliases, hyphens, "no_" not included); -1 if unknown. */
int opt_find(const char *name, size_t bytes);
/* What a switch's value says: true True 1 yes, false False 0 no.  Another word: returns false, *on is left alone. */
bool opt_truth(const char *text, size_t bytes, bool *on);
/* The known name (or other name) nearest to a wrong one, NULL if nothing is near.  Borrowed until this thread's next
 * call. */
const char *opt_nearest(const char *name, size_t bytes);
/* The option taken bare in a trainer whose name this can only be a slip of: a letter apart, of a long name two; NULL = none.
 * Static. */
const char *opt_nearest_bare(const char *name, size_t bytes);

/* The commands that read an option, "sample chat train"; train = the evals of a trainer.  Never NULL. */
const char *opt_readers(opt_id id);
bool opt_is_read_by(opt_id id, const char *command);
/* What it does nothing without, "sample_metrics dataset_benchmarks" or "prompt_format=instruction"; NULL = nothing. */
const char *opt_needs(opt_id id);

/* "It is read by sample, chat and in training. It does nothing without --show_heatmaps."  Appends. */
struct buffer;
void opt_put_use(opt_id id, struct buffer *out);

/* A text for people with the flags in it as the command line at hand takes them.  `trainer`: --tokenizer becomes
 * --glimpse_tokenizer, but for the names taken bare; a text that is spelt so already stays, and so does a command, `glimpse ...`.
 * Appends. */
void opt_spell(const char *text, bool trainer, struct buffer *out);

options *options_new(void);                       /* NULL = out of memory */
options *options_copy(const options *o);
void options_free(options *o);
/* Which column of defaults counts: offline or in training. */
void options_set_offline(options *o, bool offline);
bool options_is_offline(const options *o);
/* Whose command line they stand on: a trainer's (the default), or a program's that takes every name (flag_scope "all"). */
void options_set_trainer(options *o, bool trainer);
bool options_is_trainer(const options *o);

/* Check and set.  A value of lower level never replaces one of higher level; within one level a repeatable option's
 * values are added, others replaced.  NULL text takes the value of that level away.  Setting `like` sets that system's
 * own defaults at OPT_LEVEL_LIKE, which is not for callers.  Texts are kept raw: escapes are the session's to read.
 * GLIMPSE_E_INVALID: the message names option, value and range.  On failure nothing changed. */
glimpse_status options_set(options *o, opt_id id, const char *text, opt_level level);
/* The same; `written` is how the message names it, "--glimpse_top_k"; NULL = by its name, "top_k". */
glimpse_status options_set_as(options *o, opt_id id, const char *written, const char *text, opt_level level);
bool opt_is_set(const options *o, opt_id id);     /* by anybody, default apart */
opt_level opt_level_of(const options *o, opt_id id);

/* Values in force; borrowed until the next set.  An unset string is NULL (one set to nothing is ""), an unset number 0
 * (ask opt_has).  opt_str of a list is its first element; opt_int of an enum is the index of its choice. */
bool opt_has(const options *o, opt_id id);        /* has a value, set or by default */
bool opt_bool(const options *o, opt_id id);
int64_t opt_int(const options *o, opt_id id);
double opt_float(const options *o, opt_id id);
const char *opt_str(const options *o, opt_id id);
int opt_count(const options *o, opt_id id);       /* elements of a list */
int64_t opt_int_at(const options *o, opt_id id, int i);
const char *opt_str_at(const options *o, opt_id id, int i);
bool opt_is(const options *o, opt_id id, const char *choice); /* the enum has this value */

/* What was given by a flag and does nothing in that command: a line for people each, with its '\n'.  Appends. */
void options_idle(const options *o, const char *command, struct buffer *out);
/* What that command does not read becomes unset, whoever set it: so it does nothing indeed. */
void options_forget_unread(options *o, const char *command);

/* All that is set, as bytes and back: how a configuration crosses to another process. */
glimpse_status options_pack(const options *o, struct buffer *out);
glimpse_status options_unpack(const void *bytes, size_t n, options **out);

#endif
