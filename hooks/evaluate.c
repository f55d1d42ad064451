/* evaluate.c -- see evaluate.h. */
#include "hooks/evaluate.h"

#include "hooks/own_output.h"
#include "hooks/session_state.h"
#include "hooks/tasks/task_output.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

static const output_form results_form = { "results of an evaluation", "{\n  \"results\": {", 16 };
static const output_form samples_form = { "samples of an evaluation", "{\"doc_id\": ", 11 };

static char *samples_path(const char *dir, const char *task) {
    buffer name = {0};
    buf_printf(&name, "lm_eval_samples_%s.jsonl", task);
    char *path = name.failed ? NULL : path_join(dir, buf_str(&name));
    buf_free(&name);
    return path;
}

/* That no task reads its documents from there, whatever their form. */
static glimpse_status is_no_data(const evaluation *e, const char *path) {
    struct stat ours, data;
    if (stat(path, &ours)) return GLIMPSE_OK;
    for (int i = 0; i < e->n; i++)
        for (int shots = 0; shots < 2; shots++) {
            char *file = NULL;
            if (task_file(&e->kinds[i], e->dir, shots, &file) < 0) continue; /* no examples are needed: said by task_run */
            bool same = !stat(file, &data) && data.st_ino == ours.st_ino && data.st_dev == ours.st_dev;
            free(file);
            if (same)
                FAIL(GLIMPSE_E_INVALID, "%s is the data of the task %s; it is left alone\nhint: another --lm_eval_results_output or --out_dir",
                     path, e->kinds[i].name);
        }
    return GLIMPSE_OK;
}

/* That the results and the samples beside them replace nothing but their like. */
static glimpse_status may_write(const evaluation *e, const char *results, const char *dir) {
    TRY(is_no_data(e, results));
    TRY(output_may_replace(e->results ? "--lm_eval_results_output" : "--lm_eval_tasks: the results,", results, &results_form));
    for (int i = 0; i < e->n; i++) {
        char *path = samples_path(dir, e->kinds[i].name);
        if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
        glimpse_status st = is_no_data(e, path);
        if (st >= 0) st = output_may_replace("--lm_eval_tasks: the samples,", path, &samples_form);
        free(path);
        TRY(st);
    }
    return GLIMPSE_OK;
}

glimpse_status evaluation_open(const options *o, const tokenizer *t, evaluation **out) {
    glimpse_status st = GLIMPSE_OK;
    char *beside = NULL;
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
    if (e->results && !(beside = path_dir(e->results))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (beside) TRY_GOTO(may_write(e, e->results, beside)); /* before hours of work */
    *out = e;
    e = NULL;
out:
    free(beside);
    evaluation_close(e);
    return st;
}

void evaluation_close(evaluation *e) {
    if (!e) return;
    arena_free(e->a);
    free(e);
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

/* Files that take their places together, when all of them are whole. */
typedef struct staged {
    char *path, *temp;
    bool was_there, moved;
} staged;

static glimpse_status stage(staged *f, char *path, const buffer *bytes) {
    buffer temp = {0};
    f->path = path;
    if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    f->was_there = path_exists(path);
    if (f->was_there && !path_is_file(path)) /* a rename would put a file in a device's place */
        FAIL(GLIMPSE_E_IO, "cannot write %s: it is %s, not a file", path, path_is_dir(path) ? "a directory" : "a device or a pipe");
    buf_printf(&temp, "%s.%ld.new", path, (long)getpid());
    if (buf_failed(&temp) || !(f->temp = buf_take(&temp, NULL))) {
        buf_free(&temp);
        FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    }
    return file_write_atomic(f->temp, bytes->bytes, bytes->n, false);
}

static glimpse_status put_in_place(staged *f, int n) {
    for (int i = 0; i < n; i++) {
        if (io.rename(f[i].temp, f[i].path)) FAIL(GLIMPSE_E_IO, "cannot write %s: %s", f[i].path, strerror(errno));
        f[i].moved = true;
    }
    return GLIMPSE_OK;
}

/* Of what failed nothing stays, but for what a later file's failed rename found replaced. */
static void unstage(staged *f, bool failed) {
    if (failed && f->moved && !f->was_there) io.unlink(f->path);
    if (f->temp && !f->moved) io.unlink(f->temp);
    free(f->path);
    free(f->temp);
}

static glimpse_status write_files(const session *s, const task_result *r, int n, double started) {
    glimpse_status st = GLIMPSE_OK;
    const model *m = s->m;
    buffer json = {0}, eos = {0}, bos = {0};
    bool made = false;
    staged *files = calloc((size_t)n + 1, sizeof *files);
    char *path = s->ev->results ? strdup(s->ev->results) : path_join(s->out_dir, "lm_eval_results.json"), *dir = NULL;
    if (path) dir = path_dir(path);
    if (!files || !path || !dir) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(may_write(s->ev, path, dir));
    made = !path_exists(dir);
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
    TRY_GOTO(stage(&files[0], strdup(path), &json));
    for (int i = 0; i < n; i++) {
        buf_clear(&json);
        TRY_GOTO(task_write_samples(&r[i], &json));
        TRY_GOTO(stage(&files[i + 1], samples_path(dir, r[i].kind.name), &json));
    }
    TRY_GOTO(put_in_place(files, n + 1));
out:
    for (int i = 0; files && i <= n; i++) unstage(&files[i], st < 0);
    if (st < 0 && made) rmdir(dir);
    free(files);
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
        FAIL_GOTO(GLIMPSE_E_INVALID, "no task is named\nhint: --lm_eval_tasks hellaswag,arc_easy --lm_eval_data DIR");
    if (!opt_has(o, OPT_lm_eval_results_output)) TRY_GOTO(session_may_write(o));
    TRY_GOTO(offline_open(o, host, &checkpoint, &s));
    offline_say_checkpoint(s, checkpoint);
    free(s->run_name);
    s->facts.run_name = s->run_name = strdup(checkpoint);
    if (!s->run_name) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(run_all(s, r, &n));
    if (!s->ev->results) TRY_GOTO(offline_claim(s, &lock)); /* a run's own results stay */
    st = write_files(s, r, n, started);
    if (st < 0 && s->claimed && s->made_dir) rmdir(s->out_dir); /* nothing is in it */
    if (st < 0) goto out;
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
