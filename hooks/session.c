/* session.c -- the session: what happens at an eval, from the question whether one is due to the last file.
 *
 *   due? --no--> one line, one journal line
 *     \--yes--> prompts, batch, record --> journal line, synced --> decoded again --> views, terminal, hooks
 * Called through session_api.c by the guest (inline), by the program and by the worker. */
#include "hooks/session_state.h"

#include "hooks/cuda_library.h"
#include "hooks/prompts.h"
#include "hooks/review.h"
#include "hooks/text_out.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "include/internal/threads.h"
#include "sampling/checkpoint/token_files.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Every word to people goes through here: off the line on which text streams, over a progress bar that stands there. */
static void say(const session *s, const char *text) {
    if (!s->host.log) return;
    buffer b = {0};
    view_style style = session_terminal_style(s, false);
    if (s->text) text_out_leave_line(s->text);
    view_clear_line(&style, &b);
    buf_puts(&b, text);
    if (!buf_failed(&b)) s->host.log(s->host.user, buf_str(&b));
    buf_free(&b);
}

void session_log(const session *s, const char *fmt, ...) {
    if (!s->host.log) return;
    buffer b = {0};
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&b, fmt, args);
    va_end(args);
    buffer spelt = {0};
    if (!options_is_offline(s->o)) opt_spell_for_trainer(buf_str(&b), &spelt);
    const buffer *said = spelt.n ? &spelt : &b;
    if (!buf_failed(said)) say(s, buf_str(said));
    buf_free(&b);
    buf_free(&spelt);
}

void session_log_lines(const session *s, const char *lines) {
    for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
        n = strcspn(lines, "\n");
        session_log(s, "glimpse: %.*s", (int)n, lines);
    }
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static glimpse_status find_tokenizer(const options *o, const glimpse_model *d, int32_t vocab, tokenizer **out) {
    const char *path = opt_str(o, OPT_tokenizer);
    if (path) return tokenizer_load_pattern(path, opt_str(o, OPT_tokenizer_pattern), out);
    if (d->tokenizer.encode || d->tokenizer.decode || d->tokenizer.pieces || d->tokenizer.path)
        return tokenizer_from_description(&d->tokenizer, vocab, d->eos, out);
    const char *data = opt_str(o, OPT_dataset);
    char *beside = data ? path_dir(data) : NULL;
    const char *dirs[] = { ".", opt_str(o, OPT_out_dir), beside };
    glimpse_status st = tokenizer_find(dirs, 3, opt_str(o, OPT_tokenizer_pattern), out);
    free(beside);
    return st;
}

char *session_name_of_run(const options *o, const char *out_dir) {
    const char *given = opt_str(o, OPT_run_name);
    if (given && *given) return strdup(given);
    char *real = realpath(out_dir, NULL);
    char *name = strdup(path_base(real ? real : out_dir));
    free(real);
    return name;
}

static const char *const dtypes[] = { "f32", "bf16", "f16" };

/* Why the CPU computes although --device auto would have liked the GPU. */
static void say_cpu(void *user, const char *why) {
    session_log(user, "glimpse: sampling on the processor: %.*s", (int)strcspn(why, "\n"), why);
}

static void note_gpu(void *user, const char *line) { session_log(user, "glimpse: %s", line); }

static void use_cuda(session *s, const backend_ops *ops, int32_t device, generator_config *cfg) {
    cfg->ops = ops;
    cfg->device = device;
    cfg->decode = opt_is(s->o, OPT_cuda_decode, "graph") ? DECODE_GRAPH : opt_is(s->o, OPT_cuda_decode, "persistent") ? DECODE_PERSISTENT : DECODE_AUTO;
    cfg->note = note_gpu;
    cfg->say_user = s;
    if (s->m->dtype == GLIMPSE_BF16) cfg->cache = GLIMPSE_BF16; /* keys and values as the trainer has them: else f32 */
}

/* auto: the GPU on which a trainer's weights lie; offline, where there is no trainer to disturb, the first one. */
static void choose_device(session *s, generator_config *cfg) {
    const weights_source *w = s->host.weights;
    const backend_ops *ops;
    int32_t device = w ? w->device : 0;
    if (w ? w->device < 0 : !options_is_offline(s->o) || !cuda_library_gpu_is_there()) {
        if (w) say_cpu(s, w->why_not ? w->why_not : "the weights' GPU may not be used");
        return;
    }
    if (cuda_library_load(&ops) < 0 || cuda_library_probe(device) < 0) {
        say_cpu(s, status_text());
        return;
    }
    use_cuda(s, ops, device, cfg);
    cfg->may_fall_back = true;
    cfg->say = say_cpu;
    if (!w) return;
    cfg->memory_percent = w->memory_percent;
    cfg->held_bytes = w->held_bytes;
}

/* The backend that --device asks for: the CPU's is the default. */
static glimpse_status find_device(session *s, generator_config *cfg) {
    const backend_ops *ops;
    int32_t device;
    if (s->m->is_function) return GLIMPSE_OK;
    cfg->source = s->host.weights;
    if (opt_is(s->o, OPT_device, "auto")) choose_device(s, cfg);
    if (!cuda_device_of(opt_str(s->o, OPT_device), &device)) return GLIMPSE_OK;
    TRY(cuda_library_load(&ops));
    TRY(cuda_library_probe(device));
    use_cuda(s, ops, device, cfg);
    return GLIMPSE_OK;
}

void session_see_device(session *s) {
    s->facts.device = generator_device(s->g);
    s->facts.cache = dtypes[generator_cache(s->g)];
}

static int64_t journal_bytes(const char *dir) {
    struct stat there;
    char *path = path_join(dir, "evals.jsonl");
    int64_t n = path && !stat(path, &there) ? (int64_t)there.st_size : -1;
    free(path);
    return n;
}

glimpse_status session_open_model(const options *o, model *m, tokenizer *t, const char *kind, const char *out_dir,
                                  const session_host *host, session **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer views = {0};
    session *s = calloc(1, sizeof *s);
    if (!s) {
        model_close(m);
        tokenizer_close(t);
        FAIL(GLIMPSE_E_MEMORY, "no memory for the session");
    }
    s->m = m;
    s->t = t;
    s->host = *host;
    s->kind = kind;
    schedule_init(&s->due);
    s->sampled_step = -1;
    s->o = options_copy(o);
    s->out_dir = strdup(out_dir);
    if (!s->o || !s->out_dir) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the session");
    if (t && m->d.bos < 0 && t->bos < m->d.vocab_size) m->d.bos = t->bos;
    if (t && m->d.eos < 0 && t->eos < m->d.vocab_size) m->d.eos = t->eos;
    s->offline = !strcmp(kind, "offline");
    s->no_files = s->offline && !opt_bool(o, OPT_files);
    if (!s->offline) TRY_GOTO(mkdir_p(out_dir));
    s->journal_bytes = s->offline ? -2 : journal_bytes(out_dir);
    s->run_name = session_name_of_run(o, out_dir);
    TRY_GOTO(view_check_sample_file(opt_str(o, OPT_sample_file)));
    TRY_GOTO(views_options(o, &views));
    TRY_GOTO(view_style_of(o, &s->style, &s->boundary));
    s->views = buf_take(&views, NULL);
    if (!s->run_name || !s->views) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the session");
    int64_t threads = opt_int(o, OPT_threads);
    generator_config cfg = { .threads = threads > 0 ? (int32_t)threads : cpu_count(), .between = host->between, .between_user = host->user };
    TRY_GOTO(find_device(s, &cfg));
    TRY_GOTO(generator_open(m, t, &cfg, &s->g));
    s->facts = (record_facts){ .run_name = s->run_name, .kind = kind, .arch = m->arch, .dtype = dtypes[m->dtype],
                               .check = "none", .views = s->views,
                               .n_params = m->n_params, .vocab_size = m->d.vocab_size };
    session_see_device(s);
    if ((opt_bool(o, OPT_sample_metrics) || opt_bool(o, OPT_dataset_benchmarks)) && speller_open(opt_str(o, OPT_spelling_language), &s->sp) < 0)
        session_log(s, "glimpse: %s: metrics without spelling", status_text());
    if (opt_str(o, OPT_probe)) TRY_GOTO(probes_open(opt_str(o, OPT_probe), m, t, &s->probes));
    if (opt_bool(o, OPT_dataset_benchmarks)) {
        if (!opt_str(o, OPT_dataset))
            FAIL_GOTO(GLIMPSE_E_INVALID, "--dataset_benchmarks: which data?\nhint: --dataset PATH");
        TRY_GOTO(dataset_open(opt_str(o, OPT_dataset), m->d.vocab_size, &s->data));
        if (!dataset_is_tokens(s->data) && !t)
            FAIL_GOTO(GLIMPSE_E_TOKENIZER, "--dataset %s is text, and there is no tokenizer\nhint: --tokenizer FILE", opt_str(o, OPT_dataset));
    }
    if (opt_has(o, OPT_lm_eval_tasks)) TRY_GOTO(evaluation_open(o, t, &s->ev));
    *out = s;
    return GLIMPSE_OK;
out:
    buf_free(&views);
    session_close(s);
    return st;
}

/* What an eval will cost, said once: samples, files, and whose tokenizer shows them. */
static void announce(const session *s) {
    const options *o = s->o;
    opt_id each = opt_int(o, OPT_num_beams) > 1 ? OPT_num_return_sequences : OPT_num_samples;
    int64_t n = opt_count(o, OPT_top_k) * opt_int(o, each), tokens = opt_int(o, OPT_max_sample_tokens);
    if (tokens > s->m->d.max_seq_len) tokens = s->m->d.max_seq_len;
    double charts = opt_bool(o, OPT_show_heatmaps) ? (double)(n * tokens) : 0;
    double mb = (double)(n * tokens) * (150 + 24 * (double)session_record_top(o) + (opt_bool(o, OPT_sheets) ? 700 : 0)) * 1e-6 + charts * 12e-3;
    buffer b = {0};
    buf_printf(&b, "glimpse: on: %lld x %lld tokens for each prompt at an eval, about %.1f MB of files", (long long)n,
               (long long)tokens, mb);
    if (charts > 0) buf_printf(&b, ", %.0f charts of 960 x 240 among them", charts);
    buf_printf(&b, ", in %s; ", s->out_dir);
    if (s->t) buf_printf(&b, "tokenizer: %s, %d ids", s->t->source, s->t->vocab_size);
    else buf_puts(&b, "no tokenizer found: ids are shown\nhint: --tokenizer FILE (gpt2_tokenizer.bin, tokenizer.bin), or "
                      "model.tokenizer");
    if (s->t && s->t->vocab_size != s->m->d.vocab_size)
        buf_printf(&b, "; the model has %d: is this the one it is trained with?", s->m->d.vocab_size);
    if (!buf_failed(&b)) session_log(s, "%s", buf_str(&b));
    buf_free(&b);
}

/* What every eval will ask of the options, once: a misspelt sampler or a file that is not there is said at open, not an hour
 * later at the first eval. */
static glimpse_status rehearse(session *s) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list prompts = {0};
    batch_request rq = {0};
    chain *c = NULL;
    arena *a = arena_new();
    if (!a) FAIL(GLIMPSE_E_MEMORY, "no memory for the settings");
    TRY_GOTO(session_settings(s->o, s->m, s->t, a, &rq));
    rq.users = s->users;
    rq.n_users = s->n_users;
    for (int32_t i = 0; i < rq.n_settings; i++) {
        glimpse_status made = generator_chain(s->g, &rq, i, &c);
        if (made < 0 && !opt_has(s->o, OPT_samplers)) st = made;
        if (made < 0 && i == 0 && opt_has(s->o, OPT_samplers)) /* a sampler of the user's own may still be added under that name */
            session_log(s, "glimpse: %s", status_text());
        if (st < 0) goto out;
        if (c && i == 0) session_log_lines(s, chain_idle(c));
        chain_close(c);
        c = NULL;
    }
    if (opt_has(s->o, OPT_prompts)) TRY_GOTO(prompt_list_make(s->o, s->m, s->t, rq.max_tokens, &prompts));
out:
    chain_close(c);
    prompt_list_free(&prompts);
    arena_free(a);
    return st;
}

glimpse_status session_open(const options *o, const glimpse_model *d, const session_host *host, session **out) {
    model *m = NULL;
    tokenizer *t = NULL;
    TRY(model_from_description(d, &m));
    glimpse_status st = find_tokenizer(o, d, m->d.vocab_size, &t);
    if (st < 0) {
        model_close(m);
        return st;
    }
    session *s;
    TRY(session_open_model(o, m, t, "train", opt_str(o, OPT_out_dir), host, &s));
    st = rehearse(s);
    if (st < 0) {
        session_close(s);
        return st;
    }
    announce(s);
    *out = s;
    return GLIMPSE_OK;
}

glimpse_status session_close(session *s) {
    if (!s) return GLIMPSE_OK;
    if (s->probes && s->j && review_probe_map(s->out_dir, s->out_dir) < 0) session_log(s, "glimpse: probes.png: %s", status_text());
    if (s->offline) offline_abandon(s);
    journal_close(s->j);
    if (s->before) record_free(&s->before->record);
    generator_close(s->g);
    probes_close(s->probes);
    evaluation_close(s->ev);
    dataset_close(s->data);
    token_files_free(s->beside);
    tokenizer_close(s->t);
    model_close(s->m);
    speller_close(s->sp);
    for (int32_t i = 0; i < s->n_users; i++) {
        s->users[i].vt.free(s->users[i].state);
        free((void *)(uintptr_t)s->users[i].vt.name);
    }
    free(s->users);
    options_free(s->o);
    buf_free(&s->boundary);
    free(s->out_dir);
    free(s->run_name);
    free(s->views);
    free(s);
    return GLIMPSE_OK;
}

/* --- sampling ----------------------------------------------------------------------------------------------------- */

glimpse_status session_sample(session *s, const options *o, int64_t step, batch_result *out, buffer *note) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list prompts = {0};
    batch_request rq = {0};
    arena *a = arena_new();
    if (!a) FAIL(GLIMPSE_E_MEMORY, "no memory for a batch");
    TRY_GOTO(session_settings(o, s->m, s->t, a, &rq));
    if (!s->prompts) TRY_GOTO(prompt_list_make(o, s->m, s->t, rq.max_tokens, &prompts));
    const prompt_list *asked = s->prompts ? s->prompts : &prompts;
    if (note && asked->note) buf_puts(note, asked->note);
    rq.prompts = asked->prompts;
    rq.n_prompts = asked->n;
    rq.step_key = opt_bool(o, OPT_seed_each_step) ? (uint32_t)step : 0;
    if (s->text) rq.on_token = text_out_token;
    rq.user = s->text;
    rq.users = s->users;
    rq.n_users = s->n_users;
    if (rq.n_top > s->m->d.vocab_size) rq.n_top = s->m->d.vocab_size;
    TRY_GOTO(generator_refresh(s->g));
    TRY_GOTO(generate_batch(s->g, &rq, out));
out:
    if (s->text) text_out_end(s->text);
    prompt_list_free(&prompts);
    arena_free(a);
    return st;
}

/* --- one eval ----------------------------------------------------------------------------------------------------- */

static glimpse_status rename_aside(const session *s, const char *name, const char *run) {
    glimpse_status st = GLIMPSE_OK;
    const char *dot = strrchr(name, '.');
    buffer to = {0};
    char *from = path_join(s->out_dir, name), *target = NULL;
    buf_put(&to, name, dot ? (size_t)(dot - name) : strlen(name));
    buf_printf(&to, ".%s%s", run, dot ? dot : "");
    target = path_join(s->out_dir, buf_str(&to));
    if (!from || !target || buf_failed(&to)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (io.rename(from, target) && errno != ENOENT)
        FAIL_GOTO(GLIMPSE_E_IO, "%s cannot be set aside as %s", from, target);
out:
    buf_free(&to);
    free(from);
    free(target);
    return st;
}

static void texts_are_stale(session *s) {
    s->texts_stale = true;
    views_spoil(s->out_dir);
}

/* The writer before died between the last line and its views: that eval's are drawn now, those that grow at the next. */
static void catch_up(session *s) {
    const glimpse_record *last = &s->js.last->record;
    if (views_end_with(s->out_dir, last)) return;
    texts_are_stale(s);
    if (views_write_own(s->out_dir, last, NULL) < 0) session_log(s, "glimpse: step %lld: %s", (long long)last->step, status_text());
}

/* A late worker whose trainer is gone and whose run another one has taken on would write the past behind the present. */
static glimpse_status lock_directory(session *s, int *lock) {
    glimpse_status st;
    if (s->offline) {
        TRY(offline_claim(s, lock));
        char *name = session_name_of_run(s->o, s->out_dir);
        if (!name) FAIL(GLIMPSE_E_MEMORY, "no memory for a name");
        free(s->run_name);
        s->facts.run_name = s->run_name = name;
        return GLIMPSE_OK;
    }
    TRY(mkdir_p(s->out_dir));
    do st = journal_lock(s->out_dir, lock);
    while (st == GLIMPSE_E_STATE && s->host.locked && s->host.locked(s->host.user, s->out_dir));
    TRY(st);
    if (s->journal_bytes == -2 || !s->host.alone || journal_bytes(s->out_dir) == s->journal_bytes || !s->host.alone(s->host.user))
        return GLIMPSE_OK;
    io.close(*lock);
    FAIL(GLIMPSE_E_STATE, "%s: another run has gone on here", s->out_dir);
}

/* The journal, and what it remembers of the evals before; the views of an older run go aside with its journal. */
static glimpse_status open_journal(session *s, int64_t step, int64_t since) {
    int lock;
    TRY(lock_directory(s, &lock));
    TRY(journal_open_locked(s->out_dir, lock, step, since, s->host.run, s->m->arch, s->m->n_params, &s->j, &s->js));
    s->journal_bytes = -2;
    s->facts.run = s->js.run;
    if (s->js.set_aside[0]) {
        buffer ansi = {0};
        const char *texts = opt_str(s->o, OPT_sample_file);
        if (texts) view_ansi_name(texts, &ansi);
        session_log(s, "glimpse: a new run; the older one is kept as evals.%s.jsonl", s->js.set_aside);
        const char *const names[] = { "evals", texts, buf_str(&ansi), "report", "metrics.csv", "probes.png" };
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (names[i] && names[i][0] != '/' && rename_aside(s, names[i], s->js.set_aside) < 0)
                session_log(s, "glimpse: %s", status_text());
        if (review_set_aside(s->out_dir, s->js.set_aside) < 0) session_log(s, "glimpse: %s", status_text());
        buf_free(&ansi);
    }
    if (s->js.torn)
        session_log(s, "glimpse: %lld bytes at the end of %s/evals.jsonl were no line: cut off, kept as evals.jsonl.torn-...",
                    (long long)s->js.torn, s->out_dir);
    if (s->js.continued) {
        s->due = (schedule){ .evals = s->js.last ? s->js.next_seq : 0, .best_val_loss = s->js.best_val_loss, .best_step = s->js.best_step };
        if (s->js.superseded) {
            texts_are_stale(s);
            s->js.newest_step = s->js.last_step;
        }
        views_sweep(s->out_dir);
        if (s->js.superseded) views_forget(s->out_dir, step);
        else if (s->js.last) catch_up(s);
        if (s->js.last && s->js.last->record.n_samples) s->before = s->js.last;
        else if (s->js.last) record_free(&s->js.last->record);
        s->js.last = NULL;
    }
    return GLIMPSE_OK;
}

/* The journal is open, and still there. */
static glimpse_status have_journal(session *s, int64_t step, int64_t since) {
    if (s->no_files) {
        s->facts.run = s->js.run;
        s->js.newest_step = step;
        return GLIMPSE_OK;
    }
    if (s->j && journal_is_gone(s->j)) {
        session_log(s, "glimpse: %s/evals.jsonl was removed or replaced: another journal is begun", s->out_dir);
        journal_close(s->j);
        s->j = NULL;
    }
    return s->j ? GLIMPSE_OK : open_journal(s, step, since);
}

static glimpse_status redraw_texts(void *user, owned_record *r) {
    session *s = user;
    return views_write_texts(s->out_dir, &r->record, &s->redraw);
}

/* The growing files are no longer what the journal says, after a resume or a failed write: they are drawn anew from it. */
static glimpse_status redraw_all_texts(session *s) {
    int64_t unread;
    char *path = path_join(s->out_dir, "evals.jsonl");
    if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    views_redraw_free(&s->redraw);
    glimpse_status st = journal_read(path, redraw_texts, s, &unread);
    views_redraw_free(&s->redraw);
    free(path);
    s->texts_stale = st < 0;
    return st;
}

/* A step at or before the last one leaves that branch behind: the views of its evals go, the texts are drawn anew. */
static void leave_branch(session *s, int64_t step) {
    if (s->j && s->js.newest_step >= step) {
        views_forget(s->out_dir, step);
        texts_are_stale(s);
    }
    s->js.newest_step = step;
}

/* Encode, append, decode: *out is what the journal says.  Nothing is shown that is not written. */
static glimpse_status write_line(session *s, glimpse_record *r, owned_record **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0};
    TRY_GOTO(journal_encode(r, &line));
    if (s->j) TRY_GOTO(journal_append(s->j, &line));
    s->js.next_seq++;
    TRY_GOTO(journal_decode(line.bytes, line.n - 1, out));
out:
    buf_free(&line);
    return st;
}

static void show(session *s, owned_record *rec, int64_t step, double t0) {
    buffer where = {0}, log = {0};
    glimpse_status st = GLIMPSE_OK;
    if (!s->j) buf_puts(&where, ""); /* --no_files */
    else if (s->texts_stale) { /* this record is in the journal: it is drawn with the others */
        st = views_write_own(s->out_dir, &rec->record, &where);
        if (st >= 0) st = redraw_all_texts(s);
    } else st = views_write(s->out_dir, &rec->record, NULL, &where);
    if (st < 0) {
        texts_are_stale(s);
        s->views_missing = true;
    }
    if (st < 0) session_log(s, "glimpse: step %lld: %s\nhint: the numbers are safe in %s/evals.jsonl", (long long)step,
                            status_text(), s->out_dir);
    if (!s->host.blocked) rec->record.blocked_s = now_s() - t0; /* inline, the trainer waited for the pictures too */
    if (s->host.log && !opt_bool(s->o, OPT_quiet) && strcmp(s->kind, "offline")) { /* offline the text is the output */
        view_style style = session_terminal_style(s, false);
        const glimpse_record *before = s->before ? &s->before->record : NULL;
        if (view_terminal(&rec->record, before, where.n ? buf_str(&where) : NULL, &style, &log) >= 0 && !buf_failed(&log)) {
            if (log.n && log.bytes[log.n - 1] == '\n') log.bytes[--log.n] = 0;
            say(s, buf_str(&log));
        }
    }
    if (s->host.record) s->host.record(s->host.user, &rec->record);
    buf_free(&where);
    buf_free(&log);
}

/* What an eval found out from the weights. */
typedef struct eval_found {
    batch_result batch;            /* no samples: sampling was not due, or failed */
    const glimpse_sample *probes;  /* (n_probes) in the arena */
    int32_t n_probes;
    const glimpse_task_score *scores; /* (n_scores) in the arena */
    int32_t n_scores;
    const glimpse_metric *dataset;    /* (n_dataset) in the arena */
    int32_t n_dataset;
    arena *arena;
} eval_found;

/* The record of this eval: its losses, whatever was found (NULL = the weights were not read), and the caller's wait so
 * far. */
static glimpse_status record_eval(session *s, int64_t step, double train_loss, double val_loss, const char *status,
                                  const char *why, const eval_found *found, double t0, owned_record **out) {
    glimpse_status st = GLIMPSE_OK;
    double t1 = now_s();
    owned_record *rec = record_new();
    if (!rec) FAIL(GLIMPSE_E_MEMORY, "no memory for a record");
    glimpse_record *r = &rec->record;
    s->facts.check = s->check_failed ? "failed" : s->checked ? "ok" : "none";
    session_see_device(s);
    if (found) {
        r->probes = found->probes;
        r->n_probes = found->n_probes;
        r->scores = found->scores;
        r->n_scores = found->n_scores;
        r->dataset = found->dataset;
        r->n_dataset = found->n_dataset;
    }
    TRY_GOTO(eval_record_fill(r, rec->arena, &s->facts, found && found->batch.n_samples ? &found->batch : NULL, s->t, opt_bool(s->o, OPT_sample_metrics), s->sp));
    if (s->data && found && found->batch.n_samples
        && benchmarks_memorised(s->data, s->t, found->batch.samples, found->batch.n_samples, rec->arena) < 0)
        session_log(s, "glimpse: step %lld: --dataset_benchmarks: %s", (long long)step, status_text());
    r->version = 1;
    r->seq = s->js.next_seq;
    r->step = step;
    r->train_loss = record_round(train_loss, RECORD_LOSS_DIGITS);
    r->val_loss = record_round(val_loss, RECORD_LOSS_DIGITS);
    r->best_val_loss = record_round(s->due.best_val_loss, RECORD_LOSS_DIGITS);
    r->best_step = s->due.best_step;
    r->status = status;
    r->why = why;
    double t2 = now_s();
    r->write_s = record_round(t2 - t1, RECORD_SECONDS_DIGITS);
    r->blocked_s = record_round(s->host.blocked ? s->host.blocked(s->host.user) : t2 - t0, RECORD_SECONDS_DIGITS);
    TRY_GOTO(write_line(s, r, out));
    leave_branch(s, step);
out:
    record_free(r);
    return st;
}

/* The record is in the journal: count it, show it, remember its samples for the next digest. */
static void acknowledge(session *s, owned_record *rec, int64_t step, double t0) {
    s->due.evals++;
    show(s, rec, step, t0);
    if (!rec->record.n_samples) {
        record_free(&rec->record);
        return;
    }
    if (s->before) record_free(&s->before->record);
    s->before = rec;
    s->sampled_step = step;
}

/* An eval without samples at the step of one that has them, a second call in the same step: a line of its own would take that
 * one's place.  It is said, and not recorded. */
static bool said_alone(session *s, int64_t step, const char *status, const char *why) {
    if (step < 0 || step != s->sampled_step) return false;
    session_log(s, "glimpse %lld: %s, %s (this step's samples stay)", (long long)step, strcmp(status, "failed") ? "no sample" : "failed", why);
    return true;
}

/* The texts of --probe with the weights as they are now. */
static glimpse_status score_probes(session *s, eval_found *found) {
    glimpse_sample *probes = NULL;
    int64_t n_top = session_record_top(s->o);
    if (n_top > s->m->d.vocab_size) n_top = s->m->d.vocab_size;
    TRY(probes_score(s->probes, s->g, (int32_t)n_top, found->arena, &probes, &found->n_probes));
    found->probes = probes;
    buffer why = {0};
    int32_t unscored = probes_unscored(probes, found->n_probes, &why);
    if (unscored > s->unscored_said) session_log(s, "glimpse: --probe %s: %s", opt_str(s->o, OPT_probe), buf_str(&why));
    if (unscored > s->unscored_said) s->unscored_said = unscored;
    buf_free(&why);
    return GLIMPSE_OK;
}

/* What is measured on the weights beside the samples; what fails is said, and is absent. */
static glimpse_status measure(session *s, int64_t step, eval_found *found) {
    if (!schedule_reads_weights(s->o)) return GLIMPSE_OK;
    found->arena = arena_new();
    if (!found->arena) FAIL(GLIMPSE_E_MEMORY, "no memory for what is measured");
    if (!found->batch.n_samples) TRY(generator_refresh(s->g));
    if (s->probes && score_probes(s, found) < 0)
        session_log(s, "glimpse: step %lld: --probe: %s", (long long)step, status_text());
    if (s->ev && evaluation_at_eval(s, found->arena, &found->scores, &found->n_scores) < 0)
        session_log(s, "glimpse: step %lld: --lm_eval_tasks: %s", (long long)step, status_text());
    int64_t n = opt_int(s->o, OPT_max_sample_tokens);
    if (s->data && benchmarks_slice(s->data, s->g, s->m, s->t, s->sp, (uint64_t)opt_int(s->o, OPT_seed), step,
                                    n < 16 ? 256 : n > 65536 ? 65536 : (int32_t)n, found->arena, &found->dataset, &found->n_dataset) < 0)
        session_log(s, "glimpse: step %lld: --dataset_benchmarks: %s", (long long)step, status_text());
    return GLIMPSE_OK;
}

glimpse_status session_eval(session *s, int64_t step, double train_loss, double val_loss) {
    glimpse_status st = GLIMPSE_OK, sampled = GLIMPSE_OK;
    double t0 = now_s(), given_loss = val_loss;
    eval_found found = {0};
    owned_record *rec = NULL;
    buffer note = {0}, why = {0};
    char reason[SCHEDULE_WHY_BYTES] = "";
    if (!s->offline) TRY_GOTO(have_journal(s, step, 0));
    val_loss = record_round(val_loss, RECORD_LOSS_DIGITS); /* as the journal will remember it */
    bool due = schedule_is_due(&s->due, s->o, val_loss, reason);
    schedule_best(&s->due, step, val_loss);
    if (due) {
        sampled = session_sample(s, s->o, step, &found.batch, &note);
        s->due.owed = sampled < 0;
        if (sampled < 0) buf_puts(&why, status_text());
        if (note.n && !s->note_said) {
            session_log(s, "glimpse: %s", buf_str(&note));
            s->note_said = true;
        }
    } else buf_puts(&why, reason);
    if (s->offline) { /* what failed leaves nothing, and is said by whoever asked */
        if (sampled < 0) TRY_GOTO(status_set_text(sampled, buf_str(&why)));
        TRY_GOTO(have_journal(s, step, 0));
    }
    if (sampled >= 0 && measure(s, step, &found) < 0)
        session_log(s, "glimpse: step %lld: %s", (long long)step, status_text());
    buffer first_line = {0}; /* the hint is for the log, not for the record */
    buf_put(&first_line, buf_str(&why), strcspn(buf_str(&why), "\n"));
    if (sampled < 0) session_log(s, "glimpse: step %lld: %s", (long long)step, buf_str(&why));
    if (!found.batch.n_samples && !found.n_probes && said_alone(s, step, sampled < 0 ? "failed" : "skipped", buf_str(&first_line))) {
        buf_free(&first_line);
        st = sampled < 0 ? status_set_text(sampled, buf_str(&why)) : GLIMPSE_NOT_DUE;
        goto out;
    }
    st = record_eval(s, step, train_loss, val_loss, sampled < 0 ? "failed" : due ? "ok" : "skipped",
                     first_line.n ? buf_str(&first_line) : NULL, &found, t0, &rec);
    buf_free(&first_line);
    if (st < 0) goto out;
    acknowledge(s, rec, step, t0);
    if (due && opt_bool(s->o, OPT_save_snapshots)) session_save_weights(s, step);
    if (isinf(given_loss) || isinf(train_loss))
        session_log(s, "glimpse: step %lld: the loss is not finite (train %g, val %g)", (long long)step, train_loss, given_loss);
    if (sampled < 0) st = status_set_text(sampled, buf_str(&why));
    else if (!due) st = GLIMPSE_NOT_DUE;
out:
    batch_result_free(&found.batch);
    arena_free(found.arena);
    buf_free(&note);
    buf_free(&why);
    return st;
}

glimpse_status session_note(session *s, int64_t step, double train_loss, double val_loss, const char *status,
                            const char *why, int64_t since) {
    double t0 = now_s();
    owned_record *rec = NULL;
    TRY(have_journal(s, step, since));
    val_loss = record_round(val_loss, RECORD_LOSS_DIGITS);
    if (since && s->js.continued && step <= s->js.newest_step) return GLIMPSE_OK;
    schedule_best(&s->due, step, val_loss);
    if (said_alone(s, step, status, why)) return GLIMPSE_OK;
    TRY(record_eval(s, step, train_loss, val_loss, status, why, NULL, t0, &rec));
    acknowledge(s, rec, step, t0);
    return GLIMPSE_OK;
}

glimpse_status session_keep(session *s, int64_t step, batch_result *batch) {
    double t0 = now_s() - batch->prefill_s - batch->decode_s;
    owned_record *rec = NULL;
    eval_found found = { .batch = *batch };
    TRY(have_journal(s, step, 0));
    TRY(record_eval(s, step, NAN, NAN, "ok", NULL, &found, t0, &rec));
    acknowledge(s, rec, step, t0);
    return GLIMPSE_OK;
}

glimpse_status session_use_options(session *s, options *o) {
    glimpse_status st = GLIMPSE_OK;
    buffer views = {0}, boundary = {0};
    view_style style;
    char *text = NULL;
    TRY_GOTO(views_options(o, &views));
    TRY_GOTO(view_style_of(o, &style, &boundary));
    if (!(text = buf_take(&views, NULL))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the options");
    options_free(s->o);
    free(s->views);
    buf_free(&s->boundary);
    s->o = o;
    s->facts.views = s->views = text;
    s->style = style;
    s->boundary = boundary;
    boundary = (buffer){0};
out:
    buf_free(&views);
    buf_free(&boundary);
    return st;
}
