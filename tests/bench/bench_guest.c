/* bench_guest.c -- what the training loses while the worker samples: the demo's trainer with as many threads as processors
 * and with one, its steps with the worker at rest and at work, in blocks that alternate.  The must: at most 3 % (of the
 * medians of pairs of blocks).  Its own processor time tells what caches and memory cost, apart from the scheduler.  Also how long an eval of the demo takes beside the training: it is to fit between two evals.
 * $GLIMPSE_WORKER or build/release/glimpse is the worker.  "idle" as argument: the worker under SCHED_IDLE, to compare. */
#define _GNU_SOURCE
#include <dirent.h>
#include <glimpse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "examples/train_gpt/adamw.h"
#include "examples/train_gpt/gpt.h"
#include "examples/train_gpt/rng64.h"

/* The demo's model, batch and samples: examples/train_gpt.c's defaults, demo.sh's flags. */
enum { L = 3, NH = 4, C = 128, V = 64, T = 288, B = 2, PAIRS = 15, BLOCK = 10 };

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static double own_cpu_s(void) { /* of all threads of this process: what other programs take is not in it */
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* The worker (of this trainer: there is one at a time), 0 = none. */
static pid_t find_worker(void) {
    char path[300], text[1 << 16], mark[64];
    pid_t found = 0;
    snprintf(mark, sizeof mark, "GLIMPSE_BENCH=%d", (int)getpid());
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && !found && (e = readdir(proc));) {
        pid_t pid = atoi(e->d_name);
        for (int k = 0; pid > 0 && k < 2; k++) {
            snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, k ? "environ" : "cmdline");
            FILE *f = fopen(path, "r");
            size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
            if (f) fclose(f);
            text[n] = 0;
            if (!memmem(text, n, k ? mark : "\0worker", k ? strlen(mark) : 7)) break;
            if (k) found = pid;
        }
    }
    if (proc) closedir(proc);
    return found;
}

static void make_idle(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    for (struct dirent *t; tasks && (t = readdir(tasks));)
        if (atoi(t->d_name) > 0) sched_setscheduler(atoi(t->d_name), SCHED_IDLE, &(struct sched_param){0});
    if (tasks) closedir(tasks);
}

static double cpu_s(pid_t pid) { /* what it has used of the processors */
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f && !fgets(text, sizeof text, f)) *text = 0;
    if (f) fclose(f);
    const char *p = strrchr(text, ')');
    long user = 0, sys = 0;
    if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &sys) != 2) return 0;
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static void quiet(void *user, const char *line) { (void)user, (void)line; }

static void bind_all(glimpse_model *m, const gpt *g) {
    static const char *const names[GPT_TENSORS] = {"wte.weight", "wpe.weight", "h.*.ln_1.weight", "h.*.ln_1.bias",
        "h.*.attn.c_attn.weight", "h.*.attn.c_attn.bias", "h.*.attn.c_proj.weight", "h.*.attn.c_proj.bias", "h.*.ln_2.weight",
        "h.*.ln_2.bias", "h.*.mlp.c_fc.weight", "h.*.mlp.c_fc.bias", "h.*.mlp.c_proj.weight", "h.*.mlp.c_proj.bias", "ln_f.weight",
        "ln_f.bias"};
    static const int64_t dims[GPT_TENSORS][3] = {{V, C}, {T, C}, {L, C}, {L, C}, {L, 3 * C, C}, {L, 3 * C}, {L, C, C}, {L, C},
        {L, C}, {L, C}, {L, 4 * C, C}, {L, 4 * C}, {L, C, 4 * C}, {L, C}, {C}, {C}};
    const float *at = g->params_memory;
    for (int i = 0; i < GPT_TENSORS; i++) {
        char name[64];
        int n = 1 + (dims[i][1] > 0) + (dims[i][2] > 0);
        snprintf(name, sizeof name, "transformer.%s", names[i]);
        glimpse_bind(m, name, at, GLIMPSE_F32, n, dims[i]);
        at += g->sizes[i];
    }
}

static gpt model;
static adamw opt;
static int32_t ids[B * T];
static int threads;

static double step(void) {
    double t0 = now_s();
    gpt_loss_and_grads(&model, ids, ids, B, T);
    adamw_step(&opt, &model, 1e-5f, threads);
    return now_s() - t0;
}

static bool busy;
static void finished(void *user, const glimpse_record *r) {
    (void)user, (void)r;
    busy = false;
}

typedef struct figures {
    double lost, lost_cpu, step_s, share, eval_s;
} figures;

static bool measure(const char *dir, bool idle, figures *f) {
    static double rest[BLOCK], work[BLOCK], ratio[PAIRS], cpu_ratio[PAIRS], alone[PAIRS], took[5];
    glimpse_config *cfg = glimpse_config_new();
    glimpse_model m = GLIMPSE_MODEL_INIT;
    m.n_layers = L, m.n_heads = NH, m.channels = C, m.vocab_size = V, m.max_seq_len = T;
    bind_all(&m, &model);
    glimpse_set_log(cfg, quiet, NULL);
    glimpse_set(cfg, "out_dir", dir);
    glimpse_set(cfg, "sample_each_eval", "true");
    glimpse_set(cfg, "max_sample_tokens", "280");
    glimpse_set(cfg, "sample_start_tokens", "IDS:1");
    glimpse_set(cfg, "num_samples", "2");
    glimpse_set(cfg, "sample_metrics", "true");
    glimpse_set(cfg, "close_timeout", "0");
    int n = 0;
    glimpse *g = glimpse_open(cfg, &m);
    if (!g) return printf("%s\n", glimpse_error()), false;
    glimpse_add_hook(g, finished, NULL);
    for (int i = 0; i < 5; i++) { /* the demo's own evals, beside the training */
        double t0 = now_s();
        if (idle) make_idle(find_worker());
        busy = glimpse_eval(g, n++, 2, 1) == GLIMPSE_OK;
        while (busy && now_s() - t0 < 20) {
            step();
            glimpse_eval(g, n++, 2, 1); /* skipped while it is busy: the answers are taken */
        }
        took[i] = now_s() - t0;
        glimpse_drain(g);
    }
    f->eval_s = median(took, 5);
    glimpse_close(g);
    glimpse_set(cfg, "num_samples", "400"); /* a sampling that outlasts the blocks; stopped and continued */
    glimpse_set(cfg, "sheets", "false");
    glimpse_set(cfg, "out_dir", strcat(strcpy((char[4300]){0}, dir), "-long"));
    g = glimpse_open(cfg, &m);
    pid_t pid = find_worker();
    if (!g || pid <= 0 || glimpse_eval(g, 0, 2, 1) != GLIMPSE_OK) return printf("no worker: %s\n", glimpse_error()), false;
    if (idle) make_idle(pid);
    double used = 0, beside = 0;
    int pairs = 0;
    for (; pairs < PAIRS; pairs++) {
        kill(pid, SIGSTOP);
        step();
        double cpu0 = own_cpu_s();
        for (int k = 0; k < BLOCK; k++) rest[k] = step();
        const double cpu_rest = own_cpu_s() - cpu0;
        kill(pid, SIGCONT);
        step();
        double before = cpu_s(pid), t0 = now_s();
        cpu0 = own_cpu_s();
        for (int k = 0; k < BLOCK; k++) work[k] = step();
        cpu_ratio[pairs] = (own_cpu_s() - cpu0) / cpu_rest;
        if (glimpse_eval(g, 1 + pairs, 2, 1) != GLIMPSE_SKIPPED) break; /* it has ended: the block does not count */
        used += cpu_s(pid) - before;
        beside += now_s() - t0;
        alone[pairs] = median(rest, BLOCK);
        ratio[pairs] = median(work, BLOCK) / alone[pairs];
    }
    kill(pid, SIGKILL);
    glimpse_close(g);
    glimpse_model_free(&m);
    glimpse_config_free(cfg);
    if (pairs < PAIRS / 2) return printf("the sampling ended too early\n"), false;
    f->step_s = median(alone, pairs);
    f->share = used / beside;
    f->lost = (median(ratio, pairs) - 1) * 100;
    f->lost_cpu = (median(cpu_ratio, pairs) - 1) * 100;
    return true;
}

int main(int argc, char **argv) {
    char dir[] = "/tmp/glimpse-bench-XXXXXX", path[4096], command[4300], out[4200];
    bool idle = argc > 1 && strcmp(argv[1], "idle") == 0, bad = false;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (!getenv("OMP_WAIT_POLICY")) { /* as demo.sh */
        setenv("OMP_WAIT_POLICY", "passive", 1);
        execv("/proc/self/exe", argv);
    }
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%d", (int)getpid());
    setenv("GLIMPSE_BENCH", path, 1);
    ssize_t k = readlink("/proc/self/exe", path, sizeof path - 16);
    if (k > 0 && !getenv("GLIMPSE_WORKER")) {
        path[k] = 0;
        for (int i = 0; i < 2; i++) *strrchr(path, '/') = 0;
        strcat(path, "/glimpse");
        setenv("GLIMPSE_WORKER", path, 1);
    }
    gpt_config c = {.max_seq_len = T, .vocab_size = V, .n_layers = L, .n_heads = NH, .channels = C, .padded_vocab = V};
    for (int i = 0; i < B * T; i++) ids[i] = i * 7 % V;
    for (int many = 1; many >= 0; many--) {
        uint64_t rng = rng64_seed(7, 0);
        figures f = {0};
        threads = many ? (int)cpus : 1;
        if (gpt_create(&model, c) < 0 || gpt_prepare(&model, B, T, threads) < 0 || adamw_create(&opt, model.n_params, 0.1f, 1.0f) < 0) return 1;
        gpt_init_weights(&model, &rng);
        snprintf(out, sizeof out, "%s/%d", dir, threads);
        if (!measure(out, idle, &f)) return 1;
        printf("trainer with %d threads: a step %.2f ms; while the worker samples, with %.0f %% of a processor, %+.2f %% (must <= 3), %+.2f %% in processor time; "
               "the demo's eval beside it %.2f s\n", threads, f.step_s * 1e3, f.share * 100, f.lost, f.lost_cpu, f.eval_s);
        fflush(stdout);
        bad |= !(f.lost <= 3);
        adamw_free(&opt);
        gpt_free(&model);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return (system(command) != 0) | bad;
}
