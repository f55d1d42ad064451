/* train_flags.h -- the trainer's own flags.  Glimpse has taken its flags out of argv before these are read.
 * Called by train_gpt.c. */
#ifndef TRAIN_GPT_TRAIN_FLAGS_H
#define TRAIN_GPT_TRAIN_FLAGS_H

#include <glimpse.h>

typedef struct train_flags {
    const char *data;      /* text file; NULL = generated stories */
    const char *tokens;    /* "chars", "bytes" or NULL = what fits */
    const char *out_dir;   /* NULL = Glimpse's */
    const char *loss_log;  /* NULL = none */
    long layers, heads, channels, context, batch_size;
    long steps, min_steps, warmup, eval_interval, eval_batches, checkpoint_interval, seed, threads;
    double lr, weight_decay, grad_clip, minutes;
    int resume, no_glimpse, help;
    unsigned long given;   /* bit i: flag i of the table was on the command line */
} train_flags;

/* Defaults, then argv[1..]; strings are borrowed from argv.  0, or -1: the reason was said on stderr.  `theirs`: Glimpse's
 * configuration, which is asked about names that are not the trainer's; NULL = without Glimpse. */
int train_flags_parse(train_flags *flags, int argc, char **argv, glimpse_config *theirs);

/* Whether that flag was on the command line. */
int train_flag_given(const train_flags *flags, const char *name);

/* The list of flags on stdout. */
void train_flags_help(const char *program);

#endif
