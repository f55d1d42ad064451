/* train_flags.c -- see train_flags.h.  One table makes the parser, the defaults and the help. */
#define _GNU_SOURCE
#include "examples/train_gpt/train_flags.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum flag_type { STRING, WHOLE, REAL, SWITCH };

typedef struct flag {
    const char *name, *other;
    enum flag_type type;
    size_t offset;
    double standard, low, high;
    const char *help;
} flag;

#define AT(field) offsetof(train_flags, field)
static const flag table[] = {
    {"data", NULL, STRING, AT(data), 0, 0, 0, "text file, UTF-8 or bytes; \"<|endoftext|>\" separates documents [generated stories]"},
    {"tokens", NULL, STRING, AT(tokens), 0, 0, 0, "chars or bytes [chars if there are at most 512 of them]"},
    {"layers", NULL, WHOLE, AT(layers), 3, 1, 256, "transformer blocks"},
    {"heads", NULL, WHOLE, AT(heads), 4, 1, 1024, "attention heads"},
    {"channels", NULL, WHOLE, AT(channels), 128, 1, 65536, "width of the residual stream"},
    {"context", NULL, WHOLE, AT(context), 288, 2, 65536, "tokens of a training window"},
    {"batch_size", NULL, WHOLE, AT(batch_size), 2, 1, 65536, "windows of a step"},
    {"steps", NULL, WHOLE, AT(steps), 5000, 0, 99999999, "optimizer steps"},
    {"minutes", NULL, REAL, AT(minutes), 0, 0, 1e6, "stop after so many minutes, too; the learning rate follows whichever ends first; 0 = off"},
    {"min_steps", NULL, WHOLE, AT(min_steps), 0, 0, 99999999, "--minutes does not end the run before so many steps"},
    {"lr", "learning_rate", REAL, AT(lr), 3e-3, 0, 10, "largest learning rate; falls to a tenth by a cosine"},
    {"warmup", NULL, WHOLE, AT(warmup), 50, 0, 99999999, "steps of linear warm-up"},
    {"weight_decay", NULL, REAL, AT(weight_decay), 0.1, 0, 10, "AdamW's, on matrices alone"},
    {"grad_clip", NULL, REAL, AT(grad_clip), 1, 0, 1e6, "largest global norm of the gradient; 0 = off"},
    {"eval_interval", NULL, WHOLE, AT(eval_interval), 0, 0, 99999999, "steps between evals; 0 = ten evals in the run"},
    {"eval_batches", NULL, WHOLE, AT(eval_batches), 8, 1, 1e6, "batches of validation text an eval looks at"},
    {"checkpoint_interval", NULL, WHOLE, AT(checkpoint_interval), 0, 0, 99999999, "steps between checkpoints, which all stay; 0 = one at each eval, the newest stays"},
    {"resume", NULL, SWITCH, AT(resume), 0, 0, 0, "go on from the newest checkpoint in the output directory"},
    {"out_dir", "out", STRING, AT(out_dir), 0, 0, 0, "checkpoints, and what Glimpse writes [out]"},
    {"loss_log", NULL, STRING, AT(loss_log), 0, 0, 0, "file for one line an eval: step, training loss, validation loss, all digits"},
    {"seed", NULL, WHOLE, AT(seed), 1337, 0, 2147483647, "of the weights, the batches and the stories"},
    {"threads", NULL, WHOLE, AT(threads), 0, 0, 256, "0 = one a processor, at most one a window; the same number gives the same bits"},
    {"no_glimpse", NULL, SWITCH, AT(no_glimpse), 0, 0, 0, "train without a single call of Glimpse"},
    {"help", NULL, SWITCH, AT(help), 0, 0, 0, "this list"},
};
enum { FLAGS = sizeof table / sizeof *table };
_Static_assert(FLAGS <= 32, "a bit of `given` for each");

/* Levenshtein distance of names shorter than 32. */
static int distance(const char *a, const char *b) {
    int row[33];
    size_t n = strnlen(b, 32);
    for (size_t j = 0; j <= n; j++) row[j] = (int)j;
    for (size_t i = 0; a[i] && i < 32; i++) {
        int diagonal = row[0];
        row[0] = (int)i + 1;
        for (size_t j = 0; j < n; j++) {
            int change = diagonal + (a[i] != b[j]), insert = row[j] + 1, drop = row[j + 1] + 1;
            diagonal = row[j + 1];
            row[j + 1] = change < insert ? change : insert;
            if (drop < row[j + 1]) row[j + 1] = drop;
        }
    }
    return row[n];
}

static const flag *find(const char *name) {
    for (int i = 0; i < FLAGS; i++)
        if (!strcmp(table[i].name, name) || (table[i].other && !strcmp(table[i].other, name))) return &table[i];
    return NULL;
}

/* --temperature is Glimpse's and wants its prefix; --layer was meant as --layers; anything else is in one of two lists. */
static int unknown(const char *name, glimpse_config *theirs) {
    const flag *nearest = NULL;
    int least = strlen(name) < 5 ? 1 : (int)strlen(name) * 2 / 5;
    for (int i = 0; i < FLAGS; i++)
        if (distance(name, table[i].name) <= least) nearest = &table[i], least = distance(name, nearest->name) - 1;
    if (theirs && glimpse_set(theirs, name, NULL) >= 0) fprintf(stderr, "train_gpt: unknown flag --%.64s; Glimpse's is written --glimpse_%.64s (--help lists the trainer's)\n", name, name);
    else if (nearest) fprintf(stderr, "train_gpt: unknown flag --%.64s; did you mean --%s? (--help lists all)\n", name, nearest->name);
    else fprintf(stderr, "train_gpt: unknown flag --%.64s (--help lists the trainer's, --glimpse_help Glimpse's)\n", name);
    return -1;
}

static int store(train_flags *flags, const flag *f, const char *value) {
    flags->given |= 1ul << (f - table);
    char *field = (char *)flags + f->offset, *end;
    if (f->type == STRING) {
        memcpy(field, &value, sizeof value);
        return 0;
    }
    if (f->type == SWITCH) {
        static const char *const yes[] = {"true", "1", "yes"}, *const no[] = {"false", "0", "no"};
        for (int i = 0; i < 3; i++) {
            int on = !strcasecmp(value, yes[i]);
            if (!on && strcasecmp(value, no[i]) != 0) continue;
            memcpy(field, &on, sizeof on);
            return 0;
        }
        fprintf(stderr, "train_gpt: --%s takes true or false, not \"%.64s\"\n", f->name, value);
        return -1;
    }
    double x = strtod(value, &end);
    if (end == value || *end || !(x >= f->low && x <= f->high) || (f->type == WHOLE && x != floor(x))) {
        fprintf(stderr, "train_gpt: --%s takes a %s from %g to %g, not \"%.64s\"\n", f->name, f->type == WHOLE ? "whole number" : "number", f->low, f->high, value);
        return -1;
    }
    long whole = (long)x;
    if (f->type == WHOLE) memcpy(field, &whole, sizeof whole);
    else memcpy(field, &x, sizeof x);
    return 0;
}

static void set_defaults(train_flags *flags) {
    memset(flags, 0, sizeof *flags);
    for (int i = 0; i < FLAGS; i++) {
        long whole = (long)table[i].standard;
        if (table[i].type == WHOLE) memcpy((char *)flags + table[i].offset, &whole, sizeof whole);
        if (table[i].type == REAL) memcpy((char *)flags + table[i].offset, &table[i].standard, sizeof(double));
    }
}

/* One flag at argv[*i]; moves *i over its value. */
static int parse_one(train_flags *flags, int argc, char **argv, int *i, glimpse_config *theirs) {
    const char *arg = argv[*i], *equals = strchr(arg, '=');
    char name[40];
    size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
    if (strncmp(arg, "--", 2) != 0 || n < 3) {
        fprintf(stderr, "train_gpt: \"%.64s\" is no flag (--help lists them)\n", arg);
        return -1;
    }
    snprintf(name, sizeof name, "%.*s", (int)(n - 2), arg + 2);
    for (char *c = name; *c; c++) *c = *c == '-' ? '_' : *c;
    const flag *f = find(name);
    if (!f) return unknown(name, theirs);
    if (equals) return store(flags, f, equals + 1);
    if (f->type == SWITCH) return store(flags, f, "true");
    if (*i + 1 >= argc) {
        fprintf(stderr, "train_gpt: --%s needs a value\n", f->name);
        return -1;
    }
    return store(flags, f, argv[++*i]);
}

int train_flag_given(const train_flags *flags, const char *name) { return (int)(flags->given >> (find(name) - table) & 1); }

int train_flags_parse(train_flags *flags, int argc, char **argv, glimpse_config *theirs) {
    set_defaults(flags);
    for (int i = 1; i < argc; i++)
        if (parse_one(flags, argc, argv, &i, theirs) < 0) return -1;
    if (flags->tokens && strcmp(flags->tokens, "chars") != 0 && strcmp(flags->tokens, "bytes") != 0) {
        fprintf(stderr, "train_gpt: --tokens takes chars or bytes, not \"%.64s\"\n", flags->tokens);
        return -1;
    }
    return 0;
}

void train_flags_help(const char *program) {
    printf("usage: %s [flags] [Glimpse's flags]\nTrains a small GPT-2 on a processor and lets Glimpse show what it says.\n\n", program);
    for (int i = 0; i < FLAGS; i++) {
        const flag *f = &table[i];
        printf("  --%-20s %s", f->name, f->help);
        if (f->type == WHOLE || f->type == REAL) printf(" [%g]", f->standard);
        putchar('\n');
    }
    puts("  --glimpse_help         Glimpse's own flags in this trainer, e.g. --max_sample_tokens 200 --sample_each_eval --sample_only\n"
         "                         --show_heatmaps; all but a few are written --glimpse_NAME, because names such as --seed are\n"
         "                         the trainer's");
}
