/* journal.h -- evals.jsonl: one line an eval, the source of truth; every other file is drawn from it.
 *
 * A line is JSON (cJSON reads it), written with one write and synced, never rewritten.  The form:
 *   {"v":1,"run":"9f2c1a","run_name":"demo","seq":17,"kind":"train","step":250,"time":"2026-11-21T03:04:05Z",
 *    "train_loss":..,"val_loss":..,"best":{"val_loss":..,"step":..},
 *    "model":{"name" (if the trainer gave one),"arch","params","vocab","dtype","cache","device","check"},"status":"ok|skipped|failed","why":null,
 *    "seconds":{"blocked","prefill","decode","write"},"pieces":{"464":"The","262":{"b64":"/w=="}},
 *    "samples":[{"prompt":0,"prompt_text":"..","prompt_ids":[..],"setting":0,"label":"top_k=5","samplers":"..","sample":0,
 *      "n_samples":3,"seed":1337,"temperature":..,"top_k":5,"text":"..","stop":"length","why":null,"metrics":{..},
 *      "beams":4,"beam_score":-1.2345,   both only of a beam search
 *      "tokens":[{"id","logit","logprob","p_temp","p_final","rank","kept","left","entropy","dot","top":[[id,p,p_final],..]}]}],
 *    "views":{"colorize_mode":"minmax",..},"dataset":{"loss":..},
 *    "lm_eval":{"hellaswag":{"variant","version","shots","n","of","acc":[value, standard error, chance],..}},"probes":[..],"crc":"0b7a41c3"}
 * A probe is a sample with "stop":"scored" and one field more, "answer_from" (probes.h).
 * A sample that went back from phrases has "note" after "why"; absent = nothing to say.
 * "seconds": blocked = the wait of the trainer: in worker mode the copy, inline all up to the writing of this line (the
 * pictures come after it: the log on the terminal counts them too); write = metrics and encoding.
 * "crc" is the last field: the CRC-32C (viz/tensorboard.h) of all bytes of the line before ,"crc" in eight hex digits.  A
 * line whose crc is wrong is damaged, whatever it reads like; one without a crc (another program's) is taken as it is.
 * Text that is not valid UTF-8 stands as {"b64":"..."}.  Numbers carry the digits of record.h; what is not finite is null.
 *
 * Encoding and decoding are exact inverses of each other on rounded records: decode(encode(r)) == r, and
 * encode(decode(line)) == line.  A torn or damaged end is cut off and kept aside as evals.jsonl.torn-<time>; a damaged line
 * before intact ones stays where it is and is passed over. */
#ifndef GLIMPSE_HOOKS_JOURNAL_H
#define GLIMPSE_HOOKS_JOURNAL_H

#include "include/internal/record.h"
#include <stdbool.h>

/* The names of glimpse_stop in the journal. */
extern const char *const journal_stops[];

#define JOURNAL_CHECK ",\"crc\":\""

glimpse_status journal_encode(const glimpse_record *r, buffer *line);            /* appends one line with its '\n' */
glimpse_status journal_decode(const char *line, size_t n, owned_record **out);   /* GLIMPSE_E_FORMAT says where */
glimpse_status journal_decode_light(const char *line, size_t n, owned_record **out); /* without its samples: quick */
bool journal_line_is_whole(const char *line, size_t n); /* it closes with a crc, and with the right one */

typedef struct journal journal;
typedef struct journal_state { /* restored from the lines that are there */
    char run[16];
    int64_t next_seq;
    int64_t last_step;         /* of the last line that still counts, -1 = none */
    int64_t newest_step;       /* of the last line, whether it counts or not, -1 = none */
    bool superseded;           /* lines at first_step and beyond are left behind: the texts are to be drawn anew */
    int64_t left_from;         /* the lowest step of those */
    int64_t torn;              /* bytes that were cut off because they are no lines */
    double best_val_loss;      /* NAN = none */
    int64_t best_step;
    bool continued;            /* an older run of the same model goes on */
    char set_aside[48];        /* what the run whose journal is set aside is called in file names, "" = none is */
    bool owed;                 /* the run's last sampling that was due failed, or could not be begun: the next eval is due */
    owned_record *last;        /* the last line that counts, NULL = none; given to the caller (record_free) */
} journal_state;

/* The name of a run's file or folder once it is set aside: "evals.jsonl" becomes evals.2026-11-21_1905_9f2c1a.jsonl, when the run
 * began (UTC; not there where no line says it) and its id.  `run`: journal_state.set_aside. */
void journal_aside(const char *name, const char *run, buffer *out);

/* The steps of the last two lines of training of a journal that may be gigabytes: read from its end.  -1 = there is none. */
void journal_last_steps(const char *path, int64_t *last, int64_t *before);

/* The options that views are drawn with, as they stand in a record: pairs of name and value. */
glimpse_status journal_views(const char *const *names, const char *const *values, int n, buffer *out);

/* Lock the directory for one writer (flock on the directory itself, so the lock dies with its owner and leaves no file).
 * GLIMPSE_E_BUSY: another one writes there.  *fd is the caller's to close. */
glimpse_status journal_lock(const char *dir, int *fd);

/* Open DIR/evals.jsonl for appending behind journal_lock, whose descriptor is given, for an eval at `first_step`.
 * `began`, the trainer's first step, says whether a run begins (that eval need not have found the directory free): at 0, with another
 * model (arch, params) than the last line's, or where the journal has no line before it.  `run` names it (NULL or "" = a random
 * name); a last line of that very run is continued also at step 0: a worker died and another goes on.  The older journal stays in its
 * place until journal_begin.
 * A run that goes on at a step leaves the lines from that step on behind; but where a writer killed since `since` (seconds since
 * 1970; 0 = none was) may have recorded that eval, lines of that time are the run's own and stay.
 * An end that is no line is cut off and kept as evals.jsonl.torn-<time>.  Returned: journal_close. */
glimpse_status journal_open(const char *dir, int lock, int64_t began, int64_t first_step, int64_t since, const char *run,
                            const char *arch, int64_t n_params, journal **out, journal_state *state);
/* Set the older run's journal aside, if one stands in the place of ours.  journal_append does it, too. */
glimpse_status journal_begin(journal *j);
glimpse_status journal_append(journal *j, const buffer *line);  /* whole and synced, or cut back to what was before */
bool journal_is_gone(const journal *j);  /* the file was removed, replaced or changed by another program */
void journal_close(journal *j);

/* Walk the lines of a journal.  A line supersedes those before it of the same kind at its step and beyond: after a resume
 * they are an abandoned branch.  `each` is called in order with every line that counts; returning an error ends the walk.
 * *unread counts the lines that are none of ours; they are passed over. */
glimpse_status journal_read(const char *path, glimpse_status (*each)(void *user, owned_record *r), void *user,
                            int64_t *unread);
/* The same with records without their samples (journal_decode_light): for a long run a fraction of the time. */
glimpse_status journal_read_light(const char *path, glimpse_status (*each)(void *user, owned_record *r), void *user,
                                  int64_t *unread);
/* "; 2 lines of evals.jsonl are none of Glimpse's and were passed over", nothing where there were none. */
void journal_put_unread(buffer *out, int64_t unread);

#endif
