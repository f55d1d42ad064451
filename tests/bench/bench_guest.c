/* bench_guest.c -- what the training loses while the worker samples: the demo's trainer with as many threads as processors
 * and with one, an eval every five seconds as in the demo; the steps while the worker is busy against those of the quarter of an
 * interval before the eval, when it is not.  The must: at most 3 % (median over the evals of the ratio of medians); the
 * ratio of means shows what single long steps cost, the trainer's own processor time what caches and memory cost, apart
 * from the scheduler.  The seconds are to fit between two evals.  $GLIMPSE_WORKER or build/release/glimpse is the worker.
 * The argument is --worker_share: 100 shows what a worker without rests costs. */
#define _GNU_SOURCE
#include <dirent.h>
#include <glimpse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "examples/train_gpt/adamw.h"
#include "examples/train_gpt/gpt.h"
#include "examples/train_gpt/rng64.h"
#include "include/internal/threads.h"
#include "tests/bench/bench.h"

/* The demo's model, batch and samples: examples/train_gpt.c's defaults, demo.sh's flags. */
enum { L = 3, NH = 4, C = 128, V = 64, T = 288, B = 2, PAIRS = 11, MOST = 4096 };
static const double INTERVAL_S = 5; /* between two evals of the demo */

static double own_cpu_s(void) { /* of all threads of this process: what other programs take is not in it */
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
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
    double t0 = monotonic_s();
    gpt_loss_and_grads(&model, ids, ids, B, T);
    adamw_step(&opt, &model, 1e-5f, threads);
    return monotonic_s() - t0;
}

/* What an eval writes last of all. */
static int64_t index_bytes(const char *dir) {
    char path[4400];
    struct stat s;
    snprintf(path, sizeof path, "%s/report/index.js", dir);
    return stat(path, &s) == 0 ? (int64_t)s.st_size : 0;
}

typedef struct figures {
    double lost, lost_mean, lost_cpu, step_s, share, eval_s;
} figures;

static bool measure(const char *dir, const char *share, figures *f) {
    static double rest[MOST], work[MOST], ratio[PAIRS], mean_ratio[PAIRS], cpu_ratio[PAIRS], alone[PAIRS], took[PAIRS], part[PAIRS];
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
    glimpse_set(cfg, "worker_share", share);
    glimpse *g = glimpse_open(cfg, &m);
    pid_t pid = find_worker();
    if (!g || pid <= 0) return printf("no worker: %s\n", glimpse_error()), false;
    double t0 = monotonic_s(), took_rest;
    int n_rest = 20, pairs = 0;
    for (int eval = 0; eval < PAIRS + 3; eval++) { /* the first three: the worker does not know the interval yet, nor that it may be idle */
        const double begun = monotonic_s();
        double cpu0 = own_cpu_s();
        for (int k = 0; k < n_rest; k++) rest[k] = step();
        const double cpu_rest = (own_cpu_s() - cpu0) / n_rest;
        took_rest = monotonic_s() - begun;
        const int64_t before = index_bytes(dir);
        const double used = cpu_s(pid);
        const glimpse_status st = glimpse_eval(g, eval, 2, 1);
        if (st != GLIMPSE_OK) return printf("eval %d did not begin: %d\n", eval, (int)st), false;
        int k = 0;
        cpu0 = own_cpu_s();
        t0 = monotonic_s();
        do work[k++] = step();
        while (k < MOST && index_bytes(dir) == before);
        const double cpu_work = (own_cpu_s() - cpu0) / k, wall = monotonic_s() - t0;
        const double worker = cpu_s(pid) - used;
        while (monotonic_s() - begun < INTERVAL_S) step();
        n_rest = (int)(INTERVAL_S / 4 / (took_rest / n_rest));
        if (n_rest > MOST) n_rest = MOST;
        if (eval < 3) continue;
        double sum_rest = 0, sum_work = 0;
        for (int j = 0; j < n_rest; j++) sum_rest += rest[j] / n_rest;
        for (int j = 0; j < k; j++) sum_work += work[j] / k;
        took[pairs] = wall;
        part[pairs] = worker / wall;
        cpu_ratio[pairs] = cpu_work / cpu_rest;
        mean_ratio[pairs] = sum_work / sum_rest;
        alone[pairs] = median(rest, n_rest);
        ratio[pairs] = median(work, k) / alone[pairs];
        pairs++;
    }
    glimpse_close(g);
    glimpse_model_free(&m);
    glimpse_config_free(cfg);
    f->step_s = median(alone, pairs);
    f->eval_s = median(took, pairs);
    f->share = median(part, pairs);
    f->lost = (median(ratio, pairs) - 1) * 100;
    f->lost_mean = (median(mean_ratio, pairs) - 1) * 100;
    f->lost_cpu = (median(cpu_ratio, pairs) - 1) * 100;
    return true;
}

int main(int argc, char **argv) {
    char dir[] = "/tmp/glimpse-bench-XXXXXX", path[MOST], command[4300], out[4200];
    const char *share = argc > 1 ? argv[1] : "10";
    bool bad = false;
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
        if (!measure(out, share, &f)) return 1;
        printf("trainer with %d threads: a step %.2f ms; while the worker samples (%.2f s of %.0f s, %.0f %% of a processor): median step %+.2f %% (must <= 3), "
               "mean %+.2f %%, processor time %+.2f %%\n", threads, f.step_s * 1e3, f.eval_s, INTERVAL_S, f.share * 100, f.lost, f.lost_mean, f.lost_cpu);
        fflush(stdout);
        bad |= !(f.lost <= 3);
        adamw_free(&opt);
        gpt_free(&model);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return (system(command) != 0) | bad;
}
