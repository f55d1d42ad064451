/* session_state.h -- what the session's files, offline.c and report.c share: the session itself and the steps of an eval. */
#ifndef GLIMPSE_HOOKS_SESSION_STATE_H
#define GLIMPSE_HOOKS_SESSION_STATE_H

#include "hooks/benchmarks.h"
#include "hooks/eval_record.h"
#include "hooks/evaluate.h"
#include "hooks/journal.h"
#include "hooks/probes.h"
#include "hooks/views.h"
#include "include/internal/options.h"
#include "include/internal/schedule.h"
#include "include/internal/session.h"
#include "sampling/generate.h"
#include "viz/view.h"

struct prompt_list;

struct session {
    options *o;
    session_host host;
    model *m;
    tokenizer *t;         /* NULL = ids are shown */
    generator *g;
    probe_list *probes;   /* --probe; NULL = none */
    dataset *data;        /* --dataset_benchmarks; NULL = none */
    evaluation *ev;       /* --lm_eval_tasks; NULL = none */
    speller *sp;          /* NULL = no dictionary, or not wanted */
    struct token_files *beside; /* --save_snapshots: made at the first; NULL = not yet, or there is no tokenizer */
    journal *j;           /* opened at the first eval that finds the directory free */
    bool asked, begun;    /* an eval was; a line of ours is in the journal */
    int64_t first_step;   /* of the first eval, whether it could be written or not */
    buffer held;          /* lines that are not in the journal: of evals that failed before the first good one, where js.set_aside
                             names a run that stands until then; else those that the disk did not take */
    int32_t not_taken;    /* how many the disk did not take, and from which step on */
    int64_t not_taken_from;
    int64_t journal_bytes; /* of the journal when the session was opened, -1 = there was none; -2 = it is ours */
    journal_state js;
    int64_t sampled_step; /* of the last eval of ours that made samples; -1 = none */
    owned_record *before; /* the last record with samples, for the digest line */
    glimpse_record facts; /* what stands in every record of this session */
    char *out_dir, *run_name, *views;
    view_style style;     /* of the options; where it goes is added by session_terminal_style */
    buffer boundary;
    const char *kind;
    bool offline;         /* of kind "offline": no directory is made before there is a line to write; offline_claim */
    bool claimed, made_dir; /* out_dir is ours; it was not there before */
    bool no_files;        /* offline, --no_files: the record goes to hooks and to standard output alone */
    schedule due;         /* best loss, evals so far */
    views_redraw redraw;  /* while the texts are drawn anew */
    bool texts_stale;     /* sample.txt and its like are not what the journal says */
    double redraw_at_s;   /* drawing them took long: not again before then (monotonic_s); 0 = whenever they are stale */
    bool views_missing;   /* an eval's own files could not all be written: a report draws them */
    bool check_failed, checked, note_said;
    double look_s;        /* how long a failed check may look for the mistake: the trainer waits */
    bool told;            /* the error of this call was said in the log */
    bool unmeasured;      /* something that was to be measured could not be, which was said */
    unsigned hinted;      /* view.h: what the log of this run advised */
    int32_t unscored_said; /* probes that cannot be scored: how many were said */
    /* offline: */
    const struct prompt_list *prompts; /* made once and borrowed: standard input cannot be read twice; NULL = at each eval */
    struct text_out *text; /* shows the tokens as they come; NULL = they are not streamed */
    user_sampler_entry *users; /* (n_users), names and states owned */
    int32_t n_users;
};

/* session_log.c.  For people: a line or more, on lines of its own whatever stands on the terminal; options are spelt as in the
 * program that runs. */
void session_log(const session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void session_log_lines(const session *s, const char *lines); /* each line of a text */
void session_say(const session *s, const char *text);        /* as it stands */
void session_say_rows(const session *s, buffer *rows);       /* a view's, whose last newline is taken away; none, nothing */
void session_tell(const session_host *host, const char *text); /* the same where there is no session */

/* session_device.c */
/* The backend that --device asks for: the CPU's is the default. */
glimpse_status session_find_device(session *s, generator_config *cfg);
/* As records name it: "f32", "bf16", "f16". */
const char *session_dtype_name(glimpse_dtype dtype);
const glimpse_record *session_facts(session *s); /* with what computes now: where the GPU would not do, auto went on to the CPU */

/* session_journal.c */
/* That --out_dir can be written to, as far as can be told without writing. */
glimpse_status session_may_write(const options *o);
/* The journal is open, and still there: opened at the first eval that finds the directory free.  `since`: session.h, note. */
glimpse_status session_have_journal(session *s, int64_t step, int64_t since);
bool session_holds_back(const session *s); /* an older run stands in the directory until an eval succeeds */
/* The lines that the disk did not take are tried once more, and what grows is drawn with them. */
glimpse_status session_write_held(session *s);
int64_t session_journal_bytes(const char *dir); /* -1 = there is none */
/* Encode, append, decode: *out is what the journal says.  Nothing is shown that is not written. */
glimpse_status session_write_line(session *s, glimpse_record *r, owned_record **out);
/* A step at or before the last one leaves that branch behind: the views of its evals go, the texts are drawn anew. */
void session_leave_branch(session *s, int64_t step);
void session_spoil_texts(session *s); /* the growing files are no longer what the journal says, after a resume or a failed write */
/* They are drawn anew from it.  GLIMPSE_SKIPPED: not now.  It takes as long as the run is, so one that took seconds is not tried
 * at every eval of a disk that takes no more, or takes something now and then. */
glimpse_status session_redraw_texts(session *s);

/* settings.c */
/* Alternatives recorded for each token: more where charts show them, unless a number was asked for; at most all. */
int32_t session_record_top(const options *o, int32_t vocab);
/* The settings of a batch as the options have them: one for each --top_k, with its label; phrases, the negative prompt.  In the
 * arena. */
glimpse_status session_settings(const options *o, const model *m, tokenizer *t, arena *a, batch_request *rq);

/* session_open.c */
glimpse_status session_open(const options *o, const glimpse_model *description, const session_host *host, session **out);
/* The same for a model that is open already (given; closed with the session) and its tokenizer (given, NULL = none). */
glimpse_status session_open_model(const options *o, model *m, tokenizer *t, const char *kind, const char *out_dir,
                                  const session_host *host, session **out);
/* Other options from now on: given, and the session's; on failure the caller's still. */
glimpse_status session_use_options(session *s, options *o);
/* What the run is called in the records.  Returned: free. */
char *session_name_of_run(const options *o, const char *out_dir);
glimpse_status session_close(session *s);

/* session_eval.c */
/* What an eval asks of the options, checked: settings, prompts, samplers of the user's own.  In the arena and in *made
 * (prompt_list_free). */
glimpse_status session_batch(const session *s, const options *o, arena *a, struct prompt_list *made, batch_request *rq);
glimpse_status session_eval(session *s, int64_t step, double train_loss, double val_loss);
/* An eval that is recorded without sampling: session.h. */
glimpse_status session_note(session *s, int64_t step, double train_loss, double val_loss, note_kind kind,
                            const char *why, int64_t since, bool told);
/* A batch that was sampled already, recorded and shown as eval number `step`.  Its texts are measured in place. */
glimpse_status session_keep(session *s, int64_t step, batch_result *batch);

/* not_finite.c: appends "; not finite in the weights: NAME, ...", or that every weight is finite; nothing where they are not at
 * hand. */
void session_not_finite(session *s, buffer *out);
/* save_weights.c: --save_snapshots */
void session_save_weights(session *s, int64_t step);
/* model_check.c: glimpse_check and glimpse_check_losses */
glimpse_status session_check(session *s, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                             const float *losses);
/* model_load.c */
glimpse_status session_load_model(const char *path, glimpse_model *description, void **handle);
void session_unload(void *handle);

/* offline.c */
/* The checkpoint, tokenizer and session of the options; nothing is written yet.  *found is returned (free), *out session_close. */
glimpse_status offline_open(const options *given, const session_host *host, char **found, session **out);
/* Where an offline run writes, made and locked (*lock; io.close): out_dir itself if no run and no evaluation has written there,
 * else out_dir/offline-N, so that a live run is never touched.  It becomes s->out_dir. */
glimpse_status offline_claim(session *s, int *lock);
/* A run that wrote no line leaves no directory. */
void offline_abandon(session *s);
/* What is said before: model, tokenizer, prompts, chain. */
glimpse_status offline_banner(session *s, const char *checkpoint, const batch_request *rq, const struct prompt_list *prompts);
void offline_say_checkpoint(const session *s, const char *checkpoint); /* where it was looked for: which one was taken */
int64_t offline_top_k_of(const char *chain); /* what a chain, as it is printed, keeps; 0 = it has no top_k */
/* Behind a chain in a line for people: that its top_k cuts nothing off a vocabulary of so many. */
void offline_note_top_k(buffer *b, const char *chain, int32_t vocab);
/* The last words of a run that wrote files: where they are.  GLIMPSE_E_IO: views are missing there. */
glimpse_status offline_say_where(const session *s);
/* advice.c: what a person may want to change, a line or none. */
void session_advise(const session *s, const glimpse_sample *samples, int32_t n);

/* The commands. */
glimpse_status session_run(const options *o, const session_host *host);        /* offline.c: --sample_only, `glimpse sample` */
glimpse_status session_chat(const options *o, const session_host *host);       /* chat.c: --interactive */
glimpse_status session_evaluate(const options *o, const session_host *host);   /* evaluate.c: `glimpse eval` */
glimpse_status session_score_file(const options *o, const session_host *host); /* score_file.c: `glimpse score` */
glimpse_status session_files(const file_command *c, const session_host *host); /* convert.c */
glimpse_status session_report(const options *o, const char *dir, const session_host *host);
/* follow.c: `glimpse follow DIR`; ends when the output does. */
glimpse_status session_follow(const options *o, const char *dir, const session_host *host);
/* reviewer.c: `glimpse review DIR`, in the terminal of stdin and stdout, until `q`. */
glimpse_status session_review(const options *o, const char *dir, const session_host *host);
glimpse_status session_read_config(options *o, const char *path); /* config_file.c */

/* terminal_style.c */
int terminal_columns(int fd); /* 100 where it does not say */
/* The session's style, for the log's terminal or for the output's, as it is now. */
view_style session_terminal_style(const session *s, bool for_out);

#endif
