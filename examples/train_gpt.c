/* train_gpt.c -- a real training loop with Glimpse in it: a GPT-2 of a million parameters learns to write on a processor.
 *
 *   build/release/train_gpt --minutes 1 --max_sample_tokens 400      trains on generated stories, samples at each eval
 *   build/release/train_gpt --data my.txt --layers 6 --channels 192  trains on a text of your own
 *   build/release/train_gpt --sample_only                            speaks from the newest checkpoint in out/
 *
 * What Glimpse asks of a loop is in four places: main (flags), describe_model, open_glimpse and evaluate.  The rest is a
 * trainer as it would be without it; --no_glimpse proves that the numbers are the same. */
#define _GNU_SOURCE
#include <glimpse.h>

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "examples/train_gpt/adamw.h"
#include "examples/train_gpt/corpus.h"
#include "examples/train_gpt/gpt.h"
#include "examples/train_gpt/gpt_checkpoint.h"
#include "examples/train_gpt/progress_bar.h"
#include "examples/train_gpt/rng64.h"
#include "examples/train_gpt/train_flags.h"

enum { STORY_BYTES = 8 << 20, AUTO_EVALS = 10 };

typedef struct trainer {
    train_flags flags;
    const char *out_dir;
    int threads;
    corpus data;
    gpt model;
    adamw opt;
    train_progress progress;
    int32_t *ids, *targets;   /* (B, T) */
    double started, glimpsed; /* seconds: of the clock, spent inside Glimpse */
    int64_t timed_evals;      /* that --minutes has asked for so far */
    int64_t saved;            /* step of the newest checkpoint, -1 = none */
    int saved_here;           /* this process wrote it at an eval: it gives way to the next */
    int told_pace;
    progress_bar bar;
    FILE *loss_log;
    glimpse_config *config;   /* NULL with --no_glimpse */
    glimpse *glimpse;         /* NULL = off */
} trainer;

/* Ctrl-C ends the run as its last step would: with an eval and a checkpoint. */
static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

static int complain(const char *what) {
    fprintf(stderr, "train_gpt: %s\n", what);
    return -1;
}

/* --- setting up --- */

static int processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* mkdir -p; an existing directory is fine. */
static int make_directory(const char *path) {
    char part[4096];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) return errno = ENAMETOOLONG, -1;
    for (char *p = part + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        if (mkdir(part, 0777) < 0 && errno != EEXIST) return -1;
        *p = '/';
    }
    return mkdir(part, 0777) < 0 && errno != EEXIST ? -1 : 0;
}

static int load_data(trainer *t) {
    const train_flags *f = &t->flags;
    char error[CORPUS_ERROR];
    corpus_tokens tokens = !f->tokens ? CORPUS_AUTO : f->tokens[0] == 'c' ? CORPUS_CHARS : CORPUS_BYTES;
    int rc = f->data ? corpus_from_file(&t->data, f->data, tokens, error) : corpus_from_stories(&t->data, STORY_BYTES, (uint64_t)f->seed, tokens, error);
    return rc < 0 ? complain(error) : 0;
}

/* The checkpoint's shape is the model's: a flag that says another one is an error, not passed over. */
static int check_shape(const trainer *t, int64_t step, const gpt_config *c) {
    const train_flags *f = &t->flags;
    const struct { const char *flag; long asked, has; } shape[] = {
        {"layers", f->layers, c->n_layers}, {"heads", f->heads, c->n_heads}, {"channels", f->channels, c->channels}, {"context", f->context, c->max_seq_len}};
    for (int i = 0; i < 4; i++)
        if (train_flag_given(f, shape[i].flag) && shape[i].asked != shape[i].has)
            return fprintf(stderr, "train_gpt: --%s is %ld, and %s/model_%08lld.bin, from which --resume goes on, has %ld; hint: without --%s its shape is taken, without --resume "
                           "a new run begins\n", shape[i].flag, shape[i].asked, t->out_dir, (long long)step, shape[i].has, shape[i].flag), -1;
    return 0;
}

/* A new model from the flags, or the newest checkpoint. */
static int make_model(trainer *t) {
    const train_flags *f = &t->flags;
    char error[512];
    const char *why;
    int64_t step = f->resume ? checkpoint_newest(t->out_dir) : -1;
    gpt_config c = {.max_seq_len = (int)f->context, .vocab_size = t->data.vocab_size, .n_layers = (int)f->layers, .n_heads = (int)f->heads,
                    .channels = (int)f->channels, .padded_vocab = (t->data.vocab_size + 15) / 16 * 16};
    if (f->resume && step < 0) return fprintf(stderr, "train_gpt: --resume: no model_*.bin with its state_*.bin in %s\n", t->out_dir), -1;
    if (step >= 0 && checkpoint_read_config(t->out_dir, step, &c, error) < 0) return complain(error);
    if (step >= 0 && check_shape(t, step, &c) < 0) return -1;
    if (!gpt_config_ok(&c, &why)) return complain(why);
    if (c.vocab_size != t->data.vocab_size)
        return fprintf(stderr, "train_gpt: the checkpoint has %d tokens, the data %d: give the --data and --tokens it was trained on\n", c.vocab_size, t->data.vocab_size), -1;
    if (corpus_check_context(&t->data, c.max_seq_len, error) < 0) return complain(error);
    if (gpt_create(&t->model, c) < 0 || gpt_prepare(&t->model, (int)f->batch_size, c.max_seq_len, t->threads) < 0 ||
        adamw_create(&t->opt, t->model.n_params, (float)f->weight_decay, (float)f->grad_clip) < 0)
        return complain("not enough memory for this model; hint: a smaller --batch_size, --context or --channels");
    if (step >= 0) {
        if (checkpoint_load(t->out_dir, step, &t->model, &t->opt, &t->progress, error) < 0) return complain(error);
        training_upload(&t->model, &t->opt);
        printf("resumed from %s/model_%08lld.bin\n", t->out_dir, (long long)step);
        return 0;
    }
    uint64_t rng = rng64_seed((uint64_t)f->seed, 0);
    gpt_init_weights(&t->model, &rng);
    training_upload(&t->model, &t->opt);
    t->progress = (train_progress){.batch_rng = rng64_seed((uint64_t)f->seed, 1), .last_eval = -1};
    return 0;
}

static int set_up(trainer *t) {
    const train_flags *f = &t->flags;
    t->threads = f->threads ? (int)f->threads : processors();
    if (t->threads > f->batch_size) t->threads = (int)f->batch_size;
    if (make_directory(t->out_dir) < 0) fprintf(stderr, "train_gpt: %s: %s; training goes on without checkpoints\n", t->out_dir, strerror(errno));
    if (load_data(t) < 0 || make_model(t) < 0) return -1;
    size_t n = (size_t)f->batch_size * (size_t)t->model.config.max_seq_len;
    t->ids = malloc(n * sizeof *t->ids);
    t->targets = malloc(n * sizeof *t->targets);
    if (!t->ids || !t->targets) return complain("out of memory");
    if (f->loss_log && !(t->loss_log = fopen(f->loss_log, f->resume ? "a" : "w")))
        return fprintf(stderr, "train_gpt: %s: %s\n", f->loss_log, strerror(errno)), -1;
    char path[4096];
    snprintf(path, sizeof path, "%s/tokenizer.bin", t->out_dir);
    if (corpus_write_tokenizer(&t->data, path) < 0) fprintf(stderr, "train_gpt: %s: %s\n", path, strerror(errno));
    const gpt_config *c = &t->model.config;
    size_t padding = (size_t)(c->padded_vocab - c->vocab_size) * (size_t)c->channels; /* rows that are no parameters of the model */
    printf("model %d layers, %d heads, %d channels, context %d, %d tokens (%s), %zu parameters\n", c->n_layers, c->n_heads, c->channels,
           c->max_seq_len, c->vocab_size, t->data.tokens == CORPUS_CHARS ? "characters" : "bytes", t->model.n_params - padding);
    printf("data %s, %zu tokens to train on, %zu to validate; %d threads\n", f->data ? f->data : "generated stories", t->data.n_train, t->data.n_val, t->threads);
    return 0;
}

/* --- Glimpse --- */

/* The sixteen tensors, each stacked over the layers: `*` stands for the layer. */
static void describe_model(const trainer *t, glimpse_model *model) {
    const gpt_config *c = &t->model.config;
    const gpt_tensors *p = gpt_weights(&t->model); /* on a GPU (train_gpt_cuda.cu): device pointers */
    int64_t L = c->n_layers, C = c->channels;
    model->name = "train_gpt";
    model->stream = gpt_stream(&t->model);
    model->n_layers = c->n_layers;
    model->n_heads = c->n_heads;
    model->channels = c->channels;
    model->vocab_size = c->vocab_size;
    model->max_seq_len = c->max_seq_len;
    model->eos = t->data.eot;
    model->tokenizer.pieces = t->data.pieces;
    model->tokenizer.piece_bytes = t->data.piece_bytes;
    model->tokenizer.n_pieces = t->data.vocab_size;
#define BIND(name, data, n_dims, ...) glimpse_bind(model, "transformer." name, data, GLIMPSE_F32, n_dims, (const int64_t[]){__VA_ARGS__})
    BIND("wte.weight", p->wte, 2, c->padded_vocab, C);
    BIND("wpe.weight", p->wpe, 2, c->max_seq_len, C);
    BIND("h.*.ln_1.weight", p->ln1w, 2, L, C);
    BIND("h.*.ln_1.bias", p->ln1b, 2, L, C);
    BIND("h.*.attn.c_attn.weight", p->qkvw, 3, L, 3 * C, C);
    BIND("h.*.attn.c_attn.bias", p->qkvb, 2, L, 3 * C);
    BIND("h.*.attn.c_proj.weight", p->attprojw, 3, L, C, C);
    BIND("h.*.attn.c_proj.bias", p->attprojb, 2, L, C);
    BIND("h.*.ln_2.weight", p->ln2w, 2, L, C);
    BIND("h.*.ln_2.bias", p->ln2b, 2, L, C);
    BIND("h.*.mlp.c_fc.weight", p->fcw, 3, L, 4 * C, C);
    BIND("h.*.mlp.c_fc.bias", p->fcb, 2, L, 4 * C);
    BIND("h.*.mlp.c_proj.weight", p->fcprojw, 3, L, C, 4 * C);
    BIND("h.*.mlp.c_proj.bias", p->fcprojb, 2, L, C);
    BIND("ln_f.weight", p->lnfw, 1, C);
    BIND("ln_f.bias", p->lnfb, 1, C);
#undef BIND
}

static void open_glimpse(trainer *t) {
    if (!t->config) return;
    char path[4096];
    if (!glimpse_get(t->config, "dataset")) { /* what --dataset_benchmarks scores, unless the user named something else */
        snprintf(path, sizeof path, "%s/val.bin", t->out_dir);
        if (corpus_write_val_shard(&t->data, path) == 0) glimpse_set(t->config, "dataset", path);
    }
    glimpse_model model = GLIMPSE_MODEL_INIT;
    describe_model(t, &model);
    t->glimpse = glimpse_open(t->config, &model);
    glimpse_model_free(&model);
    /* One window as a proof that both sides compute the same model. */
    int T = t->model.config.max_seq_len;
    corpus_fixed_batch(&t->data, 0, 0, 1, 1, T, t->ids, t->targets);
    float *losses = t->glimpse ? malloc((size_t)T * sizeof *losses) : NULL;
    if (!losses) return;
    gpt_losses(&t->model, t->ids, t->targets, 1, T, losses);
    glimpse_check_losses(t->glimpse, t->ids, t->targets, 1, T, losses);
    free(losses);
}

/* --- the loop --- */

static double fixed_loss(trainer *t, int train) {
    int B = (int)t->flags.batch_size, T = t->model.config.max_seq_len, n = (int)t->flags.eval_batches;
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        corpus_fixed_batch(&t->data, train, i, n, B, T, t->ids, t->targets);
        sum += gpt_loss(&t->model, t->ids, t->targets, B, T);
    }
    return sum / n;
}

static void evaluate(trainer *t) {
    train_progress *p = &t->progress;
    double train = p->loss_count ? p->loss_sum / (double)p->loss_count : fixed_loss(t, 1), val = fixed_loss(t, 0);
    progress_clear(&t->bar);
    printf("step %lld train %.3f val %.3f\n", (long long)p->step, train, val);
    fflush(stdout);
    if (t->loss_log) {
        fprintf(t->loss_log, "%lld %.17g %.17g\n", (long long)p->step, train, val);
        fflush(t->loss_log);
    }
    p->loss_sum = 0.0;
    p->loss_count = 0;
    p->last_eval = p->step;
    double before = progress_now();
    if (t->config) glimpse_eval(t->glimpse, p->step, train, val);
    t->glimpsed += progress_now() - before;
}

/* Whole, or not at all: a run that is killed goes on from its last eval (--resume), and can be sampled from. */
static void save(trainer *t) {
    char error[512];
    training_download(&t->model, &t->opt);
    if (checkpoint_save(t->out_dir, &t->model, &t->opt, &t->progress, error) < 0) {
        progress_clear(&t->bar);
        fprintf(stderr, "train_gpt: no checkpoint at step %lld: %s; training goes on\n", (long long)t->progress.step, error);
        return;
    }
    if (t->saved_here && !t->flags.checkpoint_interval) checkpoint_remove(t->out_dir, t->saved);
    t->saved = t->progress.step;
    t->saved_here = 1;
}

static int checkpoint_due(const trainer *t, int last) {
    const train_progress *p = &t->progress;
    if (t->saved == p->step || (!p->step && !last)) return 0;
    return last || (t->flags.checkpoint_interval ? p->step % t->flags.checkpoint_interval == 0 : p->last_eval == p->step);
}

/* The part of --minutes that is over; on a busy machine it waits for --min_steps. */
static double minutes_done(const trainer *t) {
    if (!(t->flags.minutes > 0.0)) return 0.0;
    double time = (progress_now() - t->started) / (60.0 * t->flags.minutes);
    double steps = t->flags.min_steps ? (double)t->progress.step / (double)t->flags.min_steps : time;
    return steps < time ? steps : time;
}

/* The part of the run that is done, by steps or by the clock, whichever is further. */
static double run_done(const trainer *t) {
    double steps = t->flags.steps ? (double)t->progress.step / (double)t->flags.steps : 1.0, time = minutes_done(t);
    return time > steps ? time : steps;
}

static int eval_due(trainer *t) {
    int64_t step = t->progress.step;
    if (step == 0) return 1;
    if (t->flags.eval_interval) return step % t->flags.eval_interval == 0;
    if (t->flags.minutes > 0.0) { /* by the clock: as many evals on a slow machine */
        if (run_done(t) * AUTO_EVALS < (double)(t->timed_evals + 1)) return 0;
        t->timed_evals = (int64_t)(run_done(t) * AUTO_EVALS);
        return 1;
    }
    return step % (t->flags.steps / AUTO_EVALS > 1 ? t->flags.steps / AUTO_EVALS : 1) == 0;
}

/* What a run will take, before it begins; and, where no bar says it, how long, once that is known. */
static void say_plan(const trainer *t) {
    const train_flags *f = &t->flags;
    printf("training to step %ld", f->steps);
    if (f->minutes > 0.0) {
        printf(" or for %g minute%s", f->minutes, f->minutes == 1.0 ? "" : "s");
        if (f->min_steps) printf(" (%ld steps at least)", f->min_steps);
        printf(", whichever ends first");
    }
    if (f->eval_interval) printf(", an eval every %ld", f->eval_interval);
    else printf(", %d evals on the way", AUTO_EVALS);
    printf("; Ctrl-C ends it with a checkpoint\n");
    fflush(stdout);
}

static void say_pace(trainer *t) {
    enum { AFTER_S = 10, WORTH_S = 30 };
    double here = run_done(t) - t->bar.first_done, passed = progress_now() - t->started;
    if (t->told_pace || t->bar.on_terminal || passed < AFTER_S || !(here > 0.0)) return;
    double left = passed * (1.0 - run_done(t)) / here;
    t->told_pace = 1;
    if (left < WORTH_S) return;
    printf("step %lld: about %.0f minute%s to go\n", (long long)t->progress.step, ceil(left / 60.0), left > 60.0 ? "s" : "");
    fflush(stdout);
}

static double train_step(trainer *t) {
    train_progress *p = &t->progress;
    int B = (int)t->flags.batch_size, T = t->model.config.max_seq_len;
    corpus_batch(&t->data, &p->batch_rng, B, T, t->ids, t->targets);
    double loss = gpt_loss_and_grads(&t->model, t->ids, t->targets, B, T);
    adamw_step(&t->opt, &t->model, adamw_learning_rate((float)t->flags.lr, p->step, t->flags.warmup, run_done(t)), t->threads);
    p->adamw_steps = t->opt.steps;
    p->loss_sum += loss;
    p->loss_count++;
    p->step++;
    return loss;
}

static void train(trainer *t) {
    train_progress *p = &t->progress;
    int64_t first = p->step, tokens = t->flags.batch_size * t->model.config.max_seq_len;
    double spent = 0.0;
    t->saved = t->flags.resume ? p->step : -1;
    t->started = progress_now();
    say_plan(t);
    progress_start(&t->bar, run_done(t));
    for (;;) {
        int last = p->step >= t->flags.steps || minutes_done(t) >= 1.0 || interrupted;
        if (p->last_eval != p->step && (last || eval_due(t))) evaluate(t);
        if (checkpoint_due(t, last)) save(t);
        if (last) break;
        say_pace(t);
        double before = progress_now(), loss = train_step(t);
        spent += progress_now() - before;
        progress_draw(&t->bar, p->step, run_done(t), loss, (double)((p->step - first) * tokens) / spent);
    }
    progress_clear(&t->bar);
    double all = progress_now() - t->started;
    printf("%lld steps in %.1f s, %.0f tokens/s in them; %.3f s inside Glimpse\n", (long long)(p->step - first), all,
           spent > 0.0 ? (double)((p->step - first) * tokens) / spent : 0.0, t->glimpsed);
    fflush(stdout);
}

/* --no_glimpse must keep every call away, so it is looked for before anything else. */
static int has_no_glimpse(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--no_glimpse") || !strcmp(argv[i], "--no-glimpse")) return 1;
    return 0;
}

int main(int argc, char **argv) {
    char *kept = NULL;
    trainer t = {.out_dir = "out"};
    int rc = 2;
    if (!has_no_glimpse(argc, argv)) {
        t.config = glimpse_config_new();
        if (glimpse_parse_args(t.config, &argc, argv) < 0) { /* a bad flag of Glimpse's; argv is as it was */
            fprintf(stderr, "train_gpt: %s\n", glimpse_error());
            goto out;
        }
    }
    if (train_flags_parse(&t.flags, argc, argv, t.config) < 0) goto out;
    if (t.flags.help) {
        train_flags_help(argv[0]);
        rc = 0;
        goto out;
    }
    if (t.flags.out_dir) {
        t.out_dir = t.flags.out_dir;
        const char *theirs = t.config ? glimpse_get(t.config, "out_dir") : NULL; /* --glimpse_out_dir stands */
        if (theirs && !strcmp(theirs, "out")) glimpse_set(t.config, "out_dir", t.out_dir);
    } else if (t.config && glimpse_get(t.config, "out_dir")) {
        t.out_dir = kept = strdup(glimpse_get(t.config, "out_dir")); /* borrowed only until the next call */
        if (!kept) goto out;
    }
    if (t.config && glimpse_is_sample_only(t.config)) {
        rc = glimpse_run(t.config);
        goto out;
    }
    rc = 1;
    if (set_up(&t) < 0) goto out;
    signal(SIGINT, on_interrupt);
    open_glimpse(&t);
    train(&t);
    glimpse_close(t.glimpse);
    rc = 0;
out:
    free(kept);
    if (t.loss_log) fclose(t.loss_log);
    free(t.ids);
    free(t.targets);
    adamw_free(&t.opt);
    gpt_free(&t.model);
    corpus_free(&t.data);
    glimpse_config_free(t.config);
    return rc;
}
