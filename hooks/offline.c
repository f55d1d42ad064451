/* offline.c -- sample once from a checkpoint: glimpse_run, `glimpse sample`, a trainer's --sample_only.  The generated text
 * goes to the host's output, everything else to its log, the files to out_dir. */
#include "hooks/load_bar.h"
#include "hooks/prompts.h"
#include "hooks/run_dir.h"
#include "hooks/session_state.h"
#include "hooks/text_out.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "sampling/checkpoint/checkpoint.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- where it is written ------------------------------------------------------------------------------------------ */

static bool has_file(const char *dir, const char *name) {
    char *path = path_join(dir, name);
    bool there = !path || path_exists(path);
    free(path);
    return there;
}

/* A run has written there, or an evaluation. */
static bool is_taken(const char *dir) { return has_file(dir, "evals.jsonl") || has_file(dir, "lm_eval_results.json"); }

/* Directory number n, made and locked.  GLIMPSE_E_BUSY: it is another's. */
static glimpse_status claim(session *s, const char *base, const char *path, bool inner, int *lock) {
    char room[64];
    bool there = path_is_dir(path);
    if (!inner && is_taken(path)) return GLIMPSE_E_BUSY;
    TRY(mkdir_p(base));
    if (inner && io.mkdir(path, 0777) < 0) {
        if (errno == EEXIST) return GLIMPSE_E_BUSY;
        FAIL(GLIMPSE_E_IO, "cannot make the directory %s: %s", path, strerror_r(errno, room, sizeof room));
    }
    s->made_dir = inner || !there;
    TRY(journal_lock(path, lock));
    if (inner || !is_taken(path)) return GLIMPSE_OK;
    io.close(*lock); /* somebody wrote there meanwhile */
    return GLIMPSE_E_BUSY;
}

glimpse_status offline_claim(session *s, int *lock) {
    char *base = strdup(s->out_dir);
    glimpse_status st = base ? GLIMPSE_E_BUSY : GLIMPSE_OK;
    for (int n = 0; n < 100000 && st == GLIMPSE_E_BUSY; n++) {
        char name[32];
        c_snprintf(name, sizeof name, "offline-%d", n);
        char *path = n ? path_join(base, name) : strdup(base);
        if (!path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
        st = claim(s, base, path, n > 0, lock);
        if (st >= 0) {
            free(s->out_dir);
            s->out_dir = path;
            s->claimed = true;
        } else free(path);
    }
    if (!base) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (st == GLIMPSE_E_BUSY) FAIL_GOTO(GLIMPSE_E_IO, "%s: offline-1 to offline-99999 are all taken", base);
out:
    free(base);
    return st;
}

void offline_say_checkpoint(const session *s, const char *checkpoint) {
    const char *given = opt_str(s->o, OPT_checkpoint);
    if (!opt_bool(s->o, OPT_quiet) && (!given || strcmp(given, checkpoint))) session_log(s, "glimpse: checkpoint %s", checkpoint);
}

glimpse_status offline_say_where(const session *s) {
    if (s->views_missing)
        FAIL(GLIMPSE_E_IO, "views are missing in %s; all numbers and texts are in its evals.jsonl\nhint: glimpse report %s draws them later",
             s->out_dir, s->out_dir);
    if (!s->no_files && !opt_bool(s->o, OPT_quiet)) session_log(s, "glimpse: everything about it is in %s", s->out_dir);
    return GLIMPSE_OK;
}

void offline_abandon(session *s) {
    if (!s->claimed || !s->j || s->js.next_seq) return;
    char *path = path_join(s->out_dir, "evals.jsonl");
    if (path) io.unlink(path); /* it has no line */
    free(path);
    if (s->made_dir) rmdir(s->out_dir); /* only if nothing else was written */
}

static glimpse_status find_tokenizer(const options *o, const session_host *host, const model *m, const char *checkpoint,
                                     tokenizer **out) {
    const char *given = opt_str(o, OPT_tokenizer);
    if (given) return tokenizer_load_pattern(given, opt_str(o, OPT_tokenizer_pattern), out);
    if (host->tokenizer) return tokenizer_from_description(host->tokenizer, m->d.vocab_size, m->d.eos, out);
    return checkpoint_find_tokenizer(checkpoint, opt_str(o, OPT_out_dir), opt_str(o, OPT_tokenizer_pattern), out);
}

/* Both of 43 and of 200 of 43 are all of them: what is in force. */
int64_t offline_top_k_of(const char *chain) {
    int64_t least = 0, k;
    for (const char *at = chain; (at = strstr(at, "top_k=")); at += 6)
        if (parse_i64(at + 6, strspn(at + 6, "0123456789"), &k) && (!least || k < least)) least = k;
    return least;
}

void offline_note_top_k(buffer *b, const char *chain, int32_t vocab) {
    if (offline_top_k_of(chain) >= vocab) buf_printf(b, "  (top_k keeps all %d tokens)", vocab);
}

/* --- what is said before ------------------------------------------------------------------------------------------ */

glimpse_status offline_banner(session *s, const char *checkpoint, const batch_request *rq, const prompt_list *prompts) {
    const model *m = s->m;
    buffer b = {0};
    buf_printf(&b, "glimpse %s\n", GLIMPSE_VERSION_STRING);
    buf_printf(&b, "  model      %s  %s, %d layer%s, %d head%s, %d channels, vocabulary %d, context %d\n", checkpoint, m->arch,
               m->d.n_layers, m->d.n_layers == 1 ? "" : "s", m->d.n_heads, m->d.n_heads == 1 ? "" : "s", m->d.channels, m->d.vocab_size, m->d.max_seq_len);
    buf_printf(&b, "  parameters %.2f M  %s  device %s\n", (double)m->n_params / 1e6, s->facts.dtype, s->facts.device);
    buf_printf(&b, "  tokenizer  %s\n", s->t ? s->t->source : "none found: ids are shown (--tokenizer FILE)");
    for (int32_t i = 0; i < prompts->n && i < 8; i++) {
        buf_printf(&b, "  prompt %d   %d token%s  ", i + 1, prompts->prompts[i].n_ids, prompts->prompts[i].n_ids == 1 ? "" : "s");
        buf_json_string(&b, prompts->prompts[i].text, prompts->prompts[i].bytes < 200 ? prompts->prompts[i].bytes : 200);
        buf_putc(&b, '\n');
    }
    glimpse_status st = GLIMPSE_OK;
    int32_t room = prompts->n || rq->max_tokens < m->d.max_seq_len ? 0 : m->d.max_seq_len - 1; /* of a conversation, whose first text has a token */
    for (int32_t i = 0; i < prompts->n; i++)
        if (batch_room(rq, &prompts->prompts[i], m->d.max_seq_len) > room) room = batch_room(rq, &prompts->prompts[i], m->d.max_seq_len);
    if (!room) room = rq->max_tokens;
    buf_printf(&b, "  sampling   %d token%s, %d x %d sample%s, seed %llu", room, room == 1 ? "" : "s", rq->n_settings,
               rq->num_samples, rq->num_samples == 1 ? "" : "s",
               (unsigned long long)rq->seed);
    if (room < rq->max_tokens) buf_printf(&b, "  (then the context is full; --max_sample_tokens is %d)", rq->max_tokens);
    for (int32_t i = 0; i < rq->n_settings; i++) {
        chain *c = NULL;
        TRY_GOTO(generator_chain(s->g, rq, i, &c));
        bool nothing = rq->beams.width > 1 && !rq->beams.sample && !strcmp(chain_string(c), "temperature=1");
        buf_printf(&b, "\n  samplers   %s", nothing ? "none (beam search draws nothing without --beam_sample)" : chain_string(c));
        if (!nothing) offline_note_top_k(&b, chain_string(c), m->d.vocab_size);
        chain_close(c);
    }
    if (rq->beams.width > 1) {
        buf_puts(&b, "\n  search     ");
        beam_describe(&rq->beams, &b);
    }
    const sampler_settings *set = &rq->settings[0];
    if (rq->beams.width <= 1 && !set->order && !rq->context->preset) { /* what people look for and do not find in the chain */
        buf_puts(&b, "  (off:");
        if (rq->n_settings == 1 && !set->top_k) buf_puts(&b, " top_k");
        if (set->top_p == 1) buf_puts(&b, " top_p");
        if (set->min_p == 0) buf_puts(&b, " min_p");
        if (set->repetition_penalty == 1) buf_puts(&b, " repetition_penalty");
        buf_puts(&b, " and all that --help lists beside these)");
    }
    if (buf_failed(&b)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the banner");
    session_log(s, "%s", buf_str(&b));
out:
    buf_free(&b);
    return st;
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

/* Samples that did not end by themselves nor where they were told to. */
static void say_full(const session *s, const glimpse_record *r) {
    int32_t full = 0;
    for (int32_t i = 0; i < r->n_samples; i++) full += GLIMPSE_AT(r->samples, i)->stop == GLIMPSE_STOP_CONTEXT;
    buffer which = {0};
    if (full == r->n_samples) buf_printf(&which, full == 1 ? "the sample stops" : "all %d samples stop", full);
    else buf_printf(&which, "%d of the %d samples stop%s", full, r->n_samples, full == 1 ? "s" : "");
    if (full) session_log(s, "glimpse: %s where the model's context of %d tokens is full", buf_str(&which), s->m->d.max_seq_len);
    buf_free(&which);
}

/* What was asked to be measured is told here as it is in training's log; all of it is in the files. */
static void say_numbers(const session *s, const glimpse_record *r) {
    const view_style style = session_terminal_style(s, false);
    buffer b = {0};
    if (view_numbers(r, opt_bool(s->o, OPT_sample_metrics), &style, &b) >= 0) session_say_rows(s, &b);
    buf_free(&b);
}

/* What the batch would refuse is refused now, before a word is said. */
static glimpse_status rehearse(const session *s, const batch_request *rq) {
    TRY(batch_check(s->g, rq));
    for (int32_t i = 0; i < rq->n_settings; i++) {
        chain *c = NULL;
        TRY(generator_chain(s->g, rq, i, &c));
        if (i == 0) session_log_lines(s, chain_idle(c));
        chain_close(c);
    }
    return GLIMPSE_OK;
}

/* True for `stream` where one text comes, token by token. */
static glimpse_status announce(session *s, const char *checkpoint, text_out *w, bool *stream, prompt_list *prompts) {
    batch_request rq = {0};
    arena *a = arena_new();
    if (!a) FAIL(GLIMPSE_E_MEMORY, "no memory for a batch");
    rq.users = s->users;
    rq.n_users = s->n_users;
    glimpse_status st = session_settings(s->o, s->m, s->t, a, &rq);
    if (st >= 0) st = prompt_list_make(s->o, s->m, s->t, rq.max_tokens, prompts);
    if (st >= 0) {
        *stream = prompts->n * rq.n_settings * rq.num_samples == 1 && !opt_count(s->o, OPT_stop) && s->host.out;
        rq.prompts = prompts->prompts;
        rq.n_prompts = prompts->n;
        st = rehearse(s, &rq);
        if (st >= 0 && !opt_bool(s->o, OPT_quiet)) st = offline_banner(s, checkpoint, &rq, prompts);
        if (st >= 0) *stream = text_out_begin(w, &rq, *stream);
    }
    arena_free(a);
    return st;
}

glimpse_status offline_open(const options *given, const session_host *host, char **found, session **out) {
    glimpse_status st = GLIMPSE_OK;
    char *checkpoint = NULL;
    model *m = NULL;
    tokenizer *t = NULL;
    session *s = NULL;
    buffer taken = {0};
    const char *from = opt_str(given, OPT_checkpoint);
    TRY(run_dir_checkpoint(from ? from : opt_str(given, OPT_out_dir), &checkpoint, &taken));
    buffer spelt = {0};
    opt_spell(buf_str(&taken), options_is_trainer(given), &spelt);
    if (spelt.n && !opt_bool(given, OPT_quiet)) session_tell(host, buf_str(&spelt));
    buf_free(&taken), buf_free(&spelt);
    load_bar bar = {.host = host, .what = "reading"};
    st = checkpoint_open(checkpoint, load_bar_step, &bar, &m);
    load_bar_end(&bar);
    if (st < 0) goto out;
    TRY_GOTO(find_tokenizer(given, host, m, checkpoint, &t));
    if (t) model_drop_padding(m, t->vocab_size);
    model *model_given = m;
    tokenizer *tokenizer_given = t;
    m = NULL;
    t = NULL;
    TRY_GOTO(session_open_model(given, model_given, tokenizer_given, "offline", opt_str(given, OPT_out_dir), host, &s));
    if (host->opened) {
        char why[512] = "";
        glimpse_status told = host->opened(host->user, s, why, sizeof why);
        if (told < 0) TRY_GOTO(status_set_text(told, why));
    }
    *found = checkpoint;
    *out = s;
    checkpoint = NULL;
    s = NULL;
out:
    if (s) session_close(s);
    model_close(m);
    tokenizer_close(t);
    free(checkpoint);
    return st;
}

glimpse_status session_run(const options *given, const session_host *host) {
    if (opt_bool(given, OPT_interactive)) return session_chat(given, host);
    glimpse_status st = GLIMPSE_OK;
    char *checkpoint = NULL;
    session *s = NULL;
    text_out w = {0};
    prompt_list prompts = {0};
    if (opt_bool(given, OPT_files)) TRY_GOTO(session_may_write(given));
    TRY_GOTO(offline_open(given, host, &checkpoint, &s));
    w.s = s;
    bool stream = false;
    TRY_GOTO(announce(s, checkpoint, &w, &stream, &prompts));
    s->prompts = &prompts;
    if (stream) {
        s->text = &w;
        text_out_text(&w, prompts.prompts[0].text, prompts.prompts[0].bytes);
    }
    int64_t step = checkpoint_step(checkpoint);
    st = session_eval(s, step < 0 ? 0 : step, NAN, NAN);
    if (st >= 0 && host->out) {
        if (!stream && s->before) text_out_samples(&w, &s->before->record);
        if (w.error && w.error != EPIPE) { /* a reader that went away had enough */
            char room[64];
            if (s->no_files) FAIL_GOTO(GLIMPSE_E_IO, "the generated text cannot be written: %s", strerror_r(w.error, room, sizeof room));
            FAIL_GOTO(GLIMPSE_E_IO, "the generated text cannot be written: %s\nhint: everything is in %s",
                      strerror_r(w.error, room, sizeof room), s->out_dir);
        }
    }
    if (st >= 0 && s->before && !opt_bool(given, OPT_quiet)) {
        const glimpse_record *r = &s->before->record;
        say_numbers(s, r);
        say_full(s, r);
        session_advise(s, r->samples, r->n_samples);
    }
    if (st >= 0) TRY_GOTO(offline_say_where(s));
    if (st >= 0 && s->unmeasured) FAIL_GOTO(GLIMPSE_E_STATE, "the samples were made, but not all that was asked for was measured");
out:
    text_out_end(&w); /* an eval that failed before it sampled */
    prompt_list_free(&prompts);
    if (s) s->text = NULL;
    text_out_free(&w);
    if (s) session_close(s);
    free(checkpoint);
    return st;
}
