/* session_open.c -- a session is opened, given other options, and closed: the tokenizer, the backend, all that an eval will need,
 * and a rehearsal of the options, so that what is wrong is said at open.  Called through session_api.c by the guest (inline) and by
 * the worker, and by offline.c for a checkpoint. */
#include "hooks/session_state.h"

#include "hooks/prompts.h"
#include "hooks/review.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "include/internal/threads.h"
#include "sampling/checkpoint/token_files.h"
#include <stdlib.h>
#include <string.h>

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
    s->look_s = 20;
    s->o = options_copy(o);
    s->out_dir = strdup(out_dir);
    if (!s->o || !s->out_dir) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the session");
    tokenizer_ends(t, m->d.vocab_size, &m->d.bos, &m->d.eos);
    s->offline = !strcmp(kind, "offline");
    s->no_files = s->offline && !opt_bool(o, OPT_files);
    if (!s->offline) TRY_GOTO(session_may_write(o));
    if (!s->offline) TRY_GOTO(mkdir_p(out_dir));
    s->journal_bytes = s->offline ? -2 : session_journal_bytes(out_dir);
    s->run_name = session_name_of_run(o, out_dir);
    TRY_GOTO(view_check_sample_file(opt_str(o, OPT_sample_file)));
    TRY_GOTO(views_options(o, &views));
    TRY_GOTO(view_style_of(o, &s->style, &s->boundary));
    s->views = buf_take(&views, NULL);
    if (!s->run_name || !s->views) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the session");
    int64_t threads = opt_int(o, OPT_threads);
    generator_config cfg = { .threads = threads > 0 ? (int32_t)threads : cpu_count(), .between = host->between, .between_user = host->user };
    TRY_GOTO(session_find_device(s, &cfg));
    TRY_GOTO(generator_open(m, t, &cfg, &s->g));
    record_clear(&s->facts);
    s->facts.run_name = s->run_name;
    s->facts.model_name = strcmp(m->name, m->arch) ? m->name : NULL;
    s->facts.kind = kind;
    s->facts.arch = m->arch;
    s->facts.dtype = session_dtype_name(m->dtype);
    s->facts.views = s->views;
    s->facts.n_params = m->n_params;
    s->facts.vocab_size = m->d.vocab_size;
    session_facts(s);
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

typedef struct found { /* by the rehearsal */
    int64_t all;     /* a top_k that keeps all tokens, 0 = none */
    int64_t tokens;  /* the most that a sample can have */
} found;

/* What an eval will cost, said once: samples, files, and whose tokenizer shows them. */
static void announce(const session *s, found f) {
    const options *o = s->o;
    opt_id each = opt_int(o, OPT_num_beams) > 1 ? OPT_num_return_sequences : OPT_num_samples;
    int64_t n = opt_count(o, OPT_top_k) * opt_int(o, each), tokens = f.tokens, asked = opt_int(o, OPT_max_sample_tokens);
    double charts = opt_bool(o, OPT_show_heatmaps) ? (double)(n * tokens) : 0;
    double mb = (double)(n * tokens) * (150 + 24 * session_record_top(o, s->m->d.vocab_size) + (opt_bool(o, OPT_sheets) ? 700 : 0)) * 1e-6
                + charts * 12e-3;
    buffer b = {0};
    buf_puts(&b, "glimpse: on: ");
    if (strcmp(s->m->name, s->m->arch)) buf_printf(&b, "%s, ", s->m->name);
    if (asked < 1)
        buf_printf(&b, "no samples, as --max_sample_tokens is not set, but%s%s%s at every eval", opt_has(o, OPT_probe) ? " --probe" : "",
                   opt_has(o, OPT_lm_eval_tasks) ? " --lm_eval_tasks" : "", opt_bool(o, OPT_dataset_benchmarks) ? " --dataset_benchmarks" : "");
    else buf_printf(&b, "%lld x %lld tokens for each prompt at an eval", (long long)n, (long long)tokens);
    if (tokens < asked) buf_printf(&b, " (then the context is full; --max_sample_tokens is %lld)", (long long)asked);
    if (mb >= 0.1) buf_printf(&b, ", about %.1f MB of files", mb);
    if (charts > 0) buf_printf(&b, ", %.0f charts of 960 x 240 among them", charts);
    buf_printf(&b, ", in %s; ", s->out_dir);
    if (s->t) buf_printf(&b, "tokenizer: %s, %d ids", s->t->source, s->t->vocab_size);
    else buf_puts(&b, "no tokenizer found: ids are shown");
    if (s->t && s->t->vocab_size != s->m->d.vocab_size)
        buf_printf(&b, "; the model has %d: is this the one it is trained with?", s->m->d.vocab_size);
    if (f.all) buf_printf(&b, "; top_k=%lld keeps all %d tokens", (long long)f.all, s->m->d.vocab_size);
    if (!s->t) buf_puts(&b, "\nhint: --tokenizer FILE (gpt2_tokenizer.bin, tokenizer.bin), or model.tokenizer");
    if (!buf_failed(&b)) session_log(s, "%s", buf_str(&b));
    buf_clear(&b);
    model_biases_left_out(s->m, &b);
    if (b.n && !buf_failed(&b)) session_log(s, "glimpse: not bound and taken as 0, though other biases are there: %s", buf_str(&b));
    buf_free(&b);
}

/* What every eval will ask of the options, once: a misspelt sampler or a file that is not there is said at open, not an hour
 * later at the first eval. */
static glimpse_status rehearse(session *s, found *f) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list prompts = {0};
    batch_request rq = {0};
    chain *c = NULL;
    arena *a = arena_new();
    if (!a) FAIL(GLIMPSE_E_MEMORY, "no memory for the settings");
    TRY_GOTO(session_batch(s, s->o, a, &prompts, &rq));
    sampler_context context = rq.context ? *rq.context : (sampler_context)SAMPLER_CONTEXT_INIT;
    context.users_follow = s->host.samplers_follow;
    rq.context = &context;
    for (int32_t i = 0; i < rq.n_settings; i++) {
        TRY_GOTO(generator_chain(s->g, &rq, i, &c));
        if (i == 0) session_log_lines(s, chain_idle(c));
        if (!f->all && offline_top_k_of(chain_string(c)) >= s->m->d.vocab_size) f->all = offline_top_k_of(chain_string(c));
        chain_close(c);
        c = NULL;
    }
    for (int32_t i = 0; i < rq.n_prompts; i++) {
        int32_t room = batch_room(&rq, &rq.prompts[i], s->m->d.max_seq_len);
        if (room > f->tokens) f->tokens = room;
    }
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
    found f = {0};
    TRY(session_open_model(o, m, t, "train", opt_str(o, OPT_out_dir), host, &s));
    if (host->opened) {
        char why[512] = "";
        st = host->opened(host->user, s, why, sizeof why);
        if (st < 0) status_set_text(st, why);
    }
    if (st >= 0 && opt_int(o, OPT_max_sample_tokens) > 0) st = rehearse(s, &f);
    if (st < 0) {
        session_close(s);
        return st;
    }
    if (host->taken && host->taken(host->user, s->out_dir))
        session_log(s, "glimpse: %s: another run is writing here: until it ends, evals fail\nhint: give this run its own --out_dir", s->out_dir);
    announce(s, f);
    if (opt_bool(o, OPT_save_snapshots) && s->m->is_function) session_log(s, "glimpse: --save_snapshots: a model that is a function has no weights to save");
    *out = s;
    return GLIMPSE_OK;
}

glimpse_status session_close(session *s) {
    if (!s) return GLIMPSE_OK;
    const bool late = s->not_taken > 0;
    if (late && session_write_held(s) < 0)
        session_log(s, "glimpse: %d eval%s from step %lld on %s lost: %s", (int)s->not_taken, s->not_taken > 1 ? "s" : "", (long long)s->not_taken_from,
                    s->not_taken > 1 ? "are" : "is", status_text());
    if (s->texts_stale && (late || s->redraw_at_s > 0) && s->j && !session_holds_back(s)) { /* there may be room by now */
        s->redraw_at_s = 0;
        if (session_redraw_texts(s) < 0) {
            session_spoil_texts(s);
            session_log(s, "glimpse: %s\nhint: the numbers are safe in %s/evals.jsonl", status_text(), s->out_dir);
        }
    }
    if (s->probes && s->j && !session_holds_back(s) && review_probe_map(s->out_dir, s->out_dir) < 0) session_log(s, "glimpse: probes.png: %s", status_text());
    if (session_holds_back(s) && s->held.n) session_log(s, "glimpse: no eval succeeded: the older run stays where it is, and nothing of this one is kept");
    buf_free(&s->held);
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
