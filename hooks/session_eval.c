/* session_eval.c -- what happens at an eval, from the question whether one is due to the last file.
 *
 *   due? --no--> one line, one journal line
 *     \--yes--> prompts, batch, record --> journal line, synced --> decoded again --> views, terminal, hooks
 * Called through session_api.c by the guest (inline), by the program and by the worker. */
#include "hooks/session_state.h"

#include "hooks/prompts.h"
#include "hooks/text_out.h"
#include "include/internal/status.h"
#include "include/internal/threads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- sampling ----------------------------------------------------------------------------------------------------- */

glimpse_status session_batch(const session *s, const options *o, arena *a, prompt_list *made, batch_request *rq) {
    TRY(session_settings(o, s->m, s->t, a, rq));
    if (!s->prompts) TRY(prompt_list_make(o, s->m, s->t, rq->max_tokens, made));
    const prompt_list *asked = s->prompts ? s->prompts : made;
    rq->prompts = asked->prompts;
    rq->n_prompts = asked->n;
    rq->users = s->users;
    rq->n_users = s->n_users;
    return batch_check(s->g, rq);
}

/* Settings, prompts, batch: the samples of the weights as they are now.  `note` (may be NULL) as in prompts.h, copied to the buffer. */
static glimpse_status session_sample(session *s, const options *o, int64_t step, batch_result *out, buffer *note) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list prompts = {0};
    batch_request rq = {0};
    arena *a = arena_new();
    if (!a) FAIL(GLIMPSE_E_MEMORY, "no memory for a batch");
    TRY_GOTO(session_batch(s, o, a, &prompts, &rq));
    const char *said = s->prompts ? s->prompts->note : prompts.note;
    if (note && said) buf_puts(note, said);
    rq.step_key = opt_bool(o, OPT_seed_each_step) ? (uint32_t)step : 0;
    if (s->text) rq.on_token = text_out_token;
    rq.user = s->text;
    TRY_GOTO(generator_refresh(s->g));
    TRY_GOTO(generate_batch(s->g, &rq, out));
out:
    if (s->text) text_out_end(s->text);
    prompt_list_free(&prompts);
    arena_free(a);
    return st;
}

/* The eval in the log; of one that failed also what to do about it, and with --quiet, too. */
static void tell(session *s, const glimpse_record *r, const char *where, const char *hint) {
    bool failed = !strcmp(r->status, "failed");
    if (!s->host.log || (opt_bool(s->o, OPT_quiet) && !failed) || !strcmp(s->kind, "offline")) return; /* offline the text is the output */
    buffer log = {0};
    view_style style = session_terminal_style(s, false);
    style.hinted = &s->hinted;
    if (view_terminal(r, s->before ? &s->before->record : NULL, where, &style, &log) >= 0) {
        while (log.n && log.bytes[log.n - 1] == '\n') log.bytes[--log.n] = 0;
        opt_spell(hint, options_is_trainer(s->o), &log);
        if (!buf_failed(&log)) {
            session_say(s, buf_str(&log));
            s->told = failed;
        }
    }
    buf_free(&log);
}

/* `hint`: the lines behind why it failed, "" = none; NULL: nobody is told. */
static void show(session *s, owned_record *rec, int64_t step, double t0, const char *hint) {
    buffer where = {0};
    glimpse_status st = GLIMPSE_OK;
    if (!s->j || session_holds_back(s)) buf_puts(&where, ""); /* --no_files; nothing is written yet */
    else if (s->texts_stale) { /* this record is in the journal: it is drawn with the others */
        st = views_write_own(s->out_dir, &rec->record, &where);
        if (st >= 0) st = session_redraw_texts(s);
    } else st = views_write(s->out_dir, &rec->record, NULL, &where);
    if (st < 0) {
        session_spoil_texts(s);
        s->views_missing = true;
    }
    if (st < 0) session_log(s, "glimpse: step %lld: %s\nhint: the numbers are safe in %s/evals.jsonl", (long long)step,
                            status_text(), s->out_dir);
    if (!s->host.blocked) rec->record.blocked_s = monotonic_s() - t0; /* inline, the trainer waited for the pictures too */
    if (hint) tell(s, &rec->record, where.n ? buf_str(&where) : NULL, hint);
    if (s->host.record) s->host.record(s->host.user, &rec->record);
    buf_free(&where);
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

static void say_unmeasured(session *s, int64_t step, const char *flag) {
    session_log(s, "glimpse: step %lld: %s: %s", (long long)step, flag, status_text());
    s->unmeasured = true;
}

/* The record of this eval: its losses, whatever was found (NULL = the weights were not read), and the caller's wait so
 * far. */
static glimpse_status record_eval(session *s, int64_t step, double train_loss, double val_loss, const char *status,
                                  const char *why, const eval_found *found, double t0, owned_record **out) {
    glimpse_status st = GLIMPSE_OK;
    double t1 = monotonic_s();
    owned_record *rec = record_new();
    if (!rec) FAIL(GLIMPSE_E_MEMORY, "no memory for a record");
    glimpse_record *r = &rec->record;
    *r = *session_facts(s);
    if (found) {
        r->probes = found->probes;
        r->n_probes = found->n_probes;
        r->scores = found->scores;
        r->n_scores = found->n_scores;
        r->dataset = found->dataset;
        r->n_dataset = found->n_dataset;
    }
    TRY_GOTO(eval_record_fill(r, rec->arena, found && found->batch.n_samples ? &found->batch : NULL, s->t, opt_bool(s->o, OPT_sample_metrics), s->sp));
    if (s->data && found && found->batch.n_samples
        && benchmarks_memorised(s->data, s->t, found->batch.samples, found->batch.n_samples, rec->arena) < 0)
        say_unmeasured(s, step, "--dataset_benchmarks");
    r->seq = s->js.next_seq;
    r->step = step;
    r->train_loss = record_round(train_loss, RECORD_LOSS_DIGITS);
    r->val_loss = record_round(val_loss, RECORD_LOSS_DIGITS);
    r->best_val_loss = record_round(s->due.best_val_loss, RECORD_LOSS_DIGITS);
    r->best_step = s->due.best_step;
    r->status = status;
    if (why) {
        buffer spelt = {0};
        opt_spell(why, options_is_trainer(s->o), &spelt);
        r->why = buf_failed(&spelt) ? NULL : arena_text(rec->arena, buf_str(&spelt), spelt.n);
        buf_free(&spelt);
        if (!r->why) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a record");
    }
    double t2 = monotonic_s();
    r->write_s = record_round(t2 - t1, RECORD_SECONDS_DIGITS);
    r->blocked_s = record_round(s->host.blocked ? s->host.blocked(s->host.user) : t2 - t0, RECORD_SECONDS_DIGITS);
    TRY_GOTO(session_write_line(s, r, out));
    session_leave_branch(s, step);
out:
    record_free(r);
    return st;
}

/* The record is in the journal: count it, show it, remember its samples for the next digest. */
static void acknowledge(session *s, owned_record *rec, int64_t step, double t0, const char *hint) {
    s->due.evals++;
    show(s, rec, step, t0, hint);
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
static bool said_alone(session *s, int64_t step, const char *status, const char *why, const char *hint) {
    if (step < 0 || step != s->sampled_step) return false;
    bool failed = !strcmp(status, "failed");
    if (hint) session_log(s, "glimpse %lld: %s, %s (this step's samples stay)%s", (long long)step, failed ? "failed" : "no sample", why, hint);
    s->told = failed && hint;
    return true;
}

/* The texts of --probe with the weights as they are now. */
static glimpse_status score_probes(session *s, eval_found *found) {
    glimpse_sample *probes = NULL;
    TRY(probes_score(s->probes, s->g, session_record_top(s->o, s->m->d.vocab_size), found->arena, &probes, &found->n_probes));
    found->probes = probes;
    buffer why = {0};
    int32_t unscored = probes_unscored(probes, found->n_probes, &why);
    if (unscored > s->unscored_said) session_log(s, "glimpse: --probe %s: %s", opt_str(s->o, OPT_probe), buf_str(&why));
    if (unscored > s->unscored_said) s->unscored_said = unscored;
    if (unscored) s->unmeasured = true;
    buf_free(&why);
    return GLIMPSE_OK;
}

/* What is measured on the weights beside the samples; what fails is said, and is absent. */
static glimpse_status measure(session *s, int64_t step, eval_found *found) {
    if (!schedule_reads_weights(s->o)) return GLIMPSE_OK;
    found->arena = arena_new();
    if (!found->arena) FAIL(GLIMPSE_E_MEMORY, "no memory for what is measured");
    if (!found->batch.n_samples) TRY(generator_refresh(s->g));
    if (s->probes && score_probes(s, found) < 0) say_unmeasured(s, step, "--probe");
    if (s->ev && evaluation_at_eval(s, found->arena, &found->scores, &found->n_scores) < 0) say_unmeasured(s, step, "--lm_eval_tasks");
    int64_t n = opt_int(s->o, OPT_max_sample_tokens);
    if (s->data && benchmarks_slice(s->data, s->g, s->m, s->t, s->sp, (uint64_t)opt_int(s->o, OPT_seed), step,
                                    n < 16 ? 256 : n > 65536 ? 65536 : (int32_t)n, found->arena, &found->dataset, &found->n_dataset) < 0)
        say_unmeasured(s, step, "--dataset_benchmarks");
    return GLIMPSE_OK;
}

/* Why there is no sample: in the first line also where the weights are broken, behind it what to do. */
static void explain(session *s, glimpse_status sampled, buffer *why) {
    buffer text = {0};
    buf_puts(&text, status_text());
    const size_t line = strcspn(buf_str(&text), "\n");
    buf_put(why, buf_str(&text), line);
    if (sampled == GLIMPSE_E_NONFINITE) session_not_finite(s, why);
    buf_puts(why, buf_str(&text) + line);
    buf_free(&text);
}

glimpse_status session_eval(session *s, int64_t step, double train_loss, double val_loss) {
    glimpse_status st = GLIMPSE_OK, sampled = GLIMPSE_OK;
    double t0 = monotonic_s(), given_loss = val_loss;
    eval_found found = {0};
    owned_record *rec = NULL;
    buffer note = {0}, why = {0};
    char reason[SCHEDULE_WHY_BYTES] = "";
    s->told = false;
    if (!s->offline) TRY_GOTO(session_have_journal(s, step, 0));
    val_loss = record_round(val_loss, RECORD_LOSS_DIGITS); /* as the journal will remember it */
    bool due = schedule_is_due(&s->due, s->o, val_loss, reason);
    const schedule before = s->due;
    schedule_best(&s->due, step, val_loss);
    if (due) {
        sampled = session_sample(s, s->o, step, &found.batch, &note);
        s->due.owed = sampled < 0;
        if (sampled < 0) explain(s, sampled, &why);
        if (note.n && !s->note_said) {
            session_log(s, "glimpse: %s", buf_str(&note));
            s->note_said = true;
        }
    } else buf_puts(&why, reason);
    if (s->offline) { /* what failed leaves nothing, and is said by whoever asked */
        if (sampled < 0) TRY_GOTO(status_set_text(sampled, buf_str(&why)));
        TRY_GOTO(session_have_journal(s, step, 0));
    }
    if (sampled >= 0 && measure(s, step, &found) < 0) {
        session_log(s, "glimpse: step %lld: %s", (long long)step, status_text());
        s->unmeasured = true;
    }
    const char *hint = buf_str(&why) + strcspn(buf_str(&why), "\n");
    buffer first_line = {0}; /* the hint is for the log, not for the record */
    buf_put(&first_line, buf_str(&why), (size_t)(hint - buf_str(&why)));
    if (!found.batch.n_samples && !found.n_probes && said_alone(s, step, sampled < 0 ? "failed" : "skipped", buf_str(&first_line), hint)) {
        buf_free(&first_line);
        st = sampled < 0 ? status_set_text(sampled, buf_str(&why)) : GLIMPSE_NOT_DUE;
        goto out;
    }
    st = record_eval(s, step, train_loss, val_loss, sampled < 0 ? "failed" : due ? "ok" : "skipped",
                     first_line.n ? buf_str(&first_line) : NULL, &found, t0, &rec);
    buf_free(&first_line);
    if (st < 0 && sampled < 0) { /* two errors: the caller is told of the record's */
        glimpse_status recorded = st;
        char *text = strdup(status_text());
        session_log(s, "glimpse: step %lld: %s", (long long)step, buf_str(&why));
        st = status_set_text(recorded, text);
        free(text);
    }
    if (st < 0) { /* no line: nobody has seen it, and it was no best of this run, unless it is written later */
        if (!s->not_taken) s->due = before;
        s->due.owed |= due;
        goto out;
    }
    acknowledge(s, rec, step, t0, hint);
    if (due && opt_bool(s->o, OPT_save_snapshots) && !s->m->is_function) session_save_weights(s, step);
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

glimpse_status session_note(session *s, int64_t step, double train_loss, double val_loss, note_kind kind,
                            const char *why, int64_t since, bool told) {
    const char *status = kind == NOTE_FAILED ? "failed" : "skipped";
    double t0 = monotonic_s();
    owned_record *rec = NULL;
    const char *hint = told ? NULL : "";
    s->told = false;
    TRY(session_have_journal(s, step, since));
    val_loss = record_round(val_loss, RECORD_LOSS_DIGITS);
    if (since && s->js.continued && step <= s->js.newest_step) return GLIMPSE_OK;
    schedule_best(&s->due, step, val_loss);
    if (kind != NOTE_SKIPPED) s->due.owed = true;
    if (said_alone(s, step, status, why, hint)) return GLIMPSE_OK;
    TRY(record_eval(s, step, train_loss, val_loss, status, why, NULL, t0, &rec));
    acknowledge(s, rec, step, t0, hint);
    return GLIMPSE_OK;
}

glimpse_status session_keep(session *s, int64_t step, batch_result *batch) {
    double t0 = monotonic_s() - batch->prefill_s - batch->decode_s;
    owned_record *rec = NULL;
    eval_found found = { .batch = *batch };
    TRY(session_have_journal(s, step, 0));
    TRY(record_eval(s, step, NAN, NAN, "ok", NULL, &found, t0, &rec));
    acknowledge(s, rec, step, t0, "");
    return GLIMPSE_OK;
}
