/* evaluate.c -- see evaluate.h. */
#include "hooks/evaluate.h"

#include "hooks/session_state.h"
#include "hooks/tasks/task_output.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_TASKS = 64, BOOTSTRAP = 100000, FEWSHOT_SEED = 1234 };

struct evaluation {
    arena *a;
    task_kind kinds[MOST_TASKS];
    int n;
    const char *dir, *results; /* results NULL = in out_dir */
    task_options o;
};

static double unix_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Names apart at commas and blanks. */
static glimpse_status add_tasks(evaluation *e, const tokenizer *t, const char *list) {
    for (const char *s = list; *s;) {
        size_t n = strcspn(s, ", \t\n");
        if (n) {
            char *name = arena_text(e->a, s, n), *file = NULL;
            if (!name) FAIL(GLIMPSE_E_MEMORY, "no memory for a task");
            if (e->n == MOST_TASKS) FAIL(GLIMPSE_E_INVALID, "--lm_eval_tasks: more than %d tasks", MOST_TASKS);
            for (int i = 0; i < e->n; i++)
                if (!strcmp(name, e->kinds[i].name)) FAIL(GLIMPSE_E_INVALID, "--lm_eval_tasks names %.60s twice", name);
            TRY(task_find(name, e->dir, e->a, &e->kinds[e->n]));
            TRY(task_file(&e->kinds[e->n], e->dir, false, &file));
            bool text = !e->kinds[e->n].apart || !task_is_tokens(file);
            free(file);
            if (text && !t)
                FAIL(GLIMPSE_E_TOKENIZER, "--lm_eval_tasks: without a tokenizer no text can be scored\nhint: --tokenizer FILE");
            e->n++;
        }
        s += n + (s[n] != 0);
    }
    return GLIMPSE_OK;
}

glimpse_status evaluation_open(const options *o, const tokenizer *t, evaluation **out) {
    glimpse_status st = GLIMPSE_OK;
    evaluation *e = calloc(1, sizeof *e);
    if (!e || !(e->a = arena_new())) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the tasks");
    const char *dir = opt_str(o, OPT_lm_eval_data), *results = opt_str(o, OPT_lm_eval_results_output);
    if (!dir) dir = getenv("GLIMPSE_DATA");
    if (dir && *dir && !path_is_dir(dir))
        FAIL_GOTO(GLIMPSE_E_IO, "%s %s: there is no such directory\nhint: it holds the tasks' data, DIR/hellaswag/validation.jsonl and so on",
                  opt_str(o, OPT_lm_eval_data) ? "--lm_eval_data" : "$GLIMPSE_DATA", dir);
    if (!dir || !*dir) dir = "data/lm_eval";
    e->dir = arena_text(e->a, dir, strlen(dir));
    e->results = results ? arena_text(e->a, results, strlen(results)) : NULL;
    if (!e->dir || (results && !e->results)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the tasks");
    e->o = (task_options){ .dir = e->dir, .limit = (int32_t)opt_int(o, OPT_lm_eval_limit), .bootstrap = BOOTSTRAP,
                           .num_fewshot = (int32_t)opt_int(o, OPT_num_fewshot), .fewshot_seed = FEWSHOT_SEED,
                           .batch_size = (int32_t)opt_int(o, OPT_batch_size) };
    for (int i = 0; i < opt_count(o, OPT_lm_eval_tasks); i++) TRY_GOTO(add_tasks(e, t, opt_str_at(o, OPT_lm_eval_tasks, i)));
    if (!e->n) FAIL_GOTO(GLIMPSE_E_INVALID, "--lm_eval_tasks names no task");
    *out = e;
    e = NULL;
out:
    evaluation_close(e);
    return st;
}

void evaluation_close(evaluation *e) {
    if (!e) return;
    arena_free(e->a);
    free(e);
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

static glimpse_status write_samples(const char *dir, const task_result *r) {
    glimpse_status st = GLIMPSE_OK;
    buffer lines = {0}, name = {0};
    buf_printf(&name, "lm_eval_samples_%s.jsonl", r->kind.name);
    char *path = path_join(dir, buf_str(&name));
    if (!path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(task_write_samples(r, &lines));
    TRY_GOTO(file_write_atomic(path, lines.bytes, lines.n, false));
out:
    buf_free(&lines);
    buf_free(&name);
    free(path);
    return st;
}

static glimpse_status write_files(const session *s, const task_result *r, int n, double started) {
    glimpse_status st = GLIMPSE_OK;
    const model *m = s->m;
    buffer json = {0}, eos = {0}, bos = {0};
    char *path = s->ev->results ? strdup(s->ev->results) : path_join(s->out_dir, "lm_eval_results.json"), *dir = NULL;
    if (path) dir = path_dir(path);
    if (!path || !dir) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(mkdir_p(dir));
    task_facts f = { .model = s->run_name, .arch = m->arch, .dtype = s->facts.dtype, .device = generator_device(s->g),
                     .tokenizer = s->t ? s->t->source : NULL, .n_params = m->n_params, .limit = s->ev->o.limit,
                     .max_length = m->d.max_seq_len, .batch_size = s->ev->o.batch_size, .bootstrap = BOOTSTRAP,
                     .prefix_id = task_prefix_id(m, s->t), .eos = m->d.eos, .bos = m->d.bos, .started = started,
                     .seconds = unix_time() - started };
    if (s->t && f.eos >= 0) TRY_GOTO(tokenizer_decode(s->t, f.eos, &eos));
    if (s->t && f.bos >= 0) TRY_GOTO(tokenizer_decode(s->t, f.bos, &bos));
    f.eos_text = (text){ buf_str(&eos), eos.n };
    f.bos_text = (text){ buf_str(&bos), bos.n };
    TRY_GOTO(task_write_results(r, n, &f, &json));
    TRY_GOTO(file_write_atomic(path, json.bytes, json.n, false));
    for (int i = 0; i < n; i++) TRY_GOTO(write_samples(dir, &r[i]));
out:
    buf_free(&json);
    buf_free(&eos);
    buf_free(&bos);
    free(path);
    free(dir);
    return st;
}

/* --- running ---------------------------------------------------------------------------------------------------------- */

typedef struct watcher {
    const session *s;
    double began, told;
    const char *task;
} watcher;

static void watch(void *user, const char *task, int64_t done, int64_t total) {
    watcher *w = user;
    double now = unix_time();
    if (!w->task || strcmp(w->task, task)) *w = (watcher){ w->s, now, 0, task };
    if (now - w->told < 0.1 && done < total) return;
    w->told = now;
    char line[160], bar[25];
    int filled = total > 0 ? (int)(24 * done / total) : 24;
    for (int i = 0; i < 24; i++) bar[i] = i < filled ? '#' : '.';
    bar[24] = 0;
    double left = done > 0 ? (now - w->began) * (double)(total - done) / (double)done : 0;
    c_snprintf(line, sizeof line, "  %-16.40s %s %3d %%  %lld:%02lld left", task, bar, (int)(total > 0 ? 100 * done / total : 100),
               (long long)(left / 60), (long long)left % 60);
    w->s->host.progress(w->s->host.user, line);
}

static glimpse_status run_all(session *s, task_result *r, int *n) {
    evaluation *e = s->ev;
    watcher w = { .s = s };
    task_options o = e->o;
    if (s->host.progress) o.progress = watch, o.user = &w;
    glimpse_status st = GLIMPSE_OK;
    for (*n = 0; *n < e->n && st >= 0; ++*n) {
        st = task_run(&e->kinds[*n], &o, s->g, s->m, s->t, &r[*n]);
        if (st < 0) break;
    }
    if (s->host.progress) s->host.progress(s->host.user, NULL);
    return st;
}

glimpse_status evaluation_at_eval(session *s, arena *a, const glimpse_task_score **scores, int32_t *n_scores) {
    glimpse_status st = GLIMPSE_OK;
    task_result *r = calloc(MOST_TASKS, sizeof *r);
    int n = 0, total = 0;
    double started = unix_time();
    if (!r) FAIL(GLIMPSE_E_MEMORY, "no memory for the tasks");
    TRY_GOTO(run_all(s, r, &n));
    if (!s->no_files || s->ev->results) TRY_GOTO(write_files(s, r, n, started));
    for (int i = 0; i < n; i++) total += r[i].n_metrics;
    glimpse_task_score *x = arena_alloc(a, (size_t)total * sizeof *x + 1);
    if (!x) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the tasks");
    *scores = x;
    *n_scores = total;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < r[i].n_metrics; k++, x++) {
            const task_metric *m = &r[i].metrics[k];
            *x = (glimpse_task_score){ .size = sizeof *x, .task = s->ev->kinds[i].name, .metric = task_metric_name(m->metric),
                                       .variant = s->ev->kinds[i].variant, .version = r[i].kind.version,
                                       .value = record_round(m->value, RECORD_LOSS_DIGITS),
                                       .std_error = record_round(m->stderr_, RECORD_LOSS_DIGITS),
                                       .chance = record_round(m->chance, RECORD_LOSS_DIGITS), .n = r[i].n,
                                       .n_all = r[i].n_all, .num_fewshot = r[i].num_fewshot };
        }
out:
    for (int i = 0; i < n; i++) task_result_free(&r[i]);
    free(r);
    return st;
}

glimpse_status session_evaluate(const options *o, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    char *checkpoint = NULL;
    session *s = NULL;
    buffer table = {0};
    int n = 0, lock = -1;
    double started = unix_time();
    task_result *r = calloc(MOST_TASKS, sizeof *r);
    if (!r) FAIL(GLIMPSE_E_MEMORY, "no memory for the tasks");
    if (!opt_has(o, OPT_lm_eval_tasks))
        FAIL_GOTO(GLIMPSE_E_INVALID, "glimpse eval: no task is named\nhint: --lm_eval_tasks hellaswag,arc_easy --lm_eval_data DIR");
    if (!opt_has(o, OPT_lm_eval_results_output)) TRY_GOTO(offline_may_write(o));
    TRY_GOTO(offline_open(o, host, &checkpoint, &s));
    free(s->run_name);
    s->facts.run_name = s->run_name = strdup(checkpoint);
    if (!s->run_name) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(run_all(s, r, &n));
    if (!s->ev->results) TRY_GOTO(offline_claim(s, &lock)); /* a run's own results stay */
    TRY_GOTO(write_files(s, r, n, started));
    TRY_GOTO(task_write_table(r, n, &table));
    if (host->out && host->out(host->user, table.bytes, table.n)) FAIL_GOTO(GLIMPSE_E_IO, "the table cannot be written");
    if (!opt_bool(o, OPT_quiet))
        session_log(s, "glimpse: %.1f s; results and samples are in %s", unix_time() - started,
                    s->ev->results ? s->ev->results : s->out_dir);
out:
    for (int i = 0; i < n; i++) task_result_free(&r[i]);
    free(r);
    if (lock >= 0) io.close(lock);
    if (s) session_close(s);
    free(checkpoint);
    buf_free(&table);
    return st;
}
