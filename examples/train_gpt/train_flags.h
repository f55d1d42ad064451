/* train_flags.h -- the trainer's own flags.  Glimpse has taken its flags out of argv before these are read.
 * Called by train_gpt.c. */
#ifndef TRAIN_GPT_TRAIN_FLAGS_H
#define TRAIN_GPT_TRAIN_FLAGS_H

typedef struct train_flags {
    const char *data;      /* text file; NULL = generated stories */
    const char *tokens;    /* "chars", "bytes" or NULL = what fits */
    const char *out_dir;   /* NULL = Glimpse's */
    const char *loss_log;  /* NULL = none */
    long layers, heads, channels, context, batch_size;
    long steps, min_steps, warmup, eval_interval, eval_batches, checkpoint_interval, seed, threads;
    double lr, weight_decay, grad_clip, minutes;
    int resume, no_glimpse, help;
} train_flags;

/* Defaults, then argv[1..]; strings are borrowed from argv.  0, or -1: the reason was said on stderr. */
int train_flags_parse(train_flags *flags, int argc, char **argv);

/* The list of flags on stdout. */
void train_flags_help(const char *program);

#endif
