/* chain.h -- a chain of samplers: from a row of logits to one id and its record.
 *
 * The chain is stated by one string, printed with every sample, and runs in the order of the string:
 *   penalties=1.1,last_n:64;dry=0.8;temperature=0.8;top_k=40;xtc=0.5,threshold:0.1;banned_tokens=5,7
 * name=VALUE,VALUE,parameter:VALUE; a value without a name takes the next place, a parameter left out is as its flag
 * says, else at its default.  What is off is left out; a flag whose sampler the string does not name is an error.  Without a
 * string the order is that of the table in kinds.c: what nanoGPT and transformers do (truncation sees softmax(l / T)).  The draw
 * at the end is decide.h's.
 *
 * Rules, stated once: ties are broken (logit descending, id ascending); the token that crosses top_p's limit is kept;
 * masses are renormalised between filters; top_k keeps exactly k; temperature 0 is greedy, the lowest id on ties; a
 * filter, or a ban, never leaves an empty set; a logit of -inf is never kept; penalties count prompt and output.  Each
 * has its switch where others differ.  What acts on logits after a temperature acts on l / T.
 * Called by sampling/generate.c, score.c.  A new sampler: sampler.h. */
#ifndef GLIMPSE_SAMPLING_CHAIN_H
#define GLIMPSE_SAMPLING_CHAIN_H

#include <glimpse.h>
#include "include/internal/buffer.h"
#include "kernels/decide.h"
#include <stdbool.h>

/* The settings of one column of samples, as options give them. */
typedef struct sampler_settings {
    double temperature;        /* 0 = greedy, else 1e-6 .. 1e6; 1 = off */
    int32_t top_k;             /* 0 = off */
    double top_p;              /* 0 .. 1; 1 = off, 0 keeps one */
    double min_p;              /* 0 .. 1; 0 = off */
    double repetition_penalty; /* > 0; 1 = off */
    const char *order;         /* --samplers: "name;name=value;..."; a name alone takes its value from above.  NULL =
                                  the default order of those that are on */
} sampler_settings;
#define SAMPLER_SETTINGS_INIT { 1, 0, 1, 0, 1, NULL }

/* A value as a flag gives it: name "xtc_threshold", text "0.1". */
typedef struct sampler_flag {
    const char *name, *text;
} sampler_flag;

/* A sampler of the user's own (glimpse.h), all borrowed as long as the chain. */
typedef struct user_sampler_entry {
    glimpse_sampler vt;
    void *state;
} user_sampler_entry;

/* What else a chain may be told: other flags, and facts of the model.  All borrowed: flags until chain_open returns, the
 * rest as long as the chain. */
typedef struct sampler_context {
    const sampler_flag *flags; /* (n_flags); a name may come several times (lists); unknown names are ignored */
    int32_t n_flags;
    const char *preset;        /* "hf", "llamacpp", "vllm": order and defaults of that system; NULL = Glimpse's */
    uint32_t given;            /* SETTING_* bits: which of sampler_settings a person set; a preset leaves those alone */
    uint32_t named;            /* the same, of those whose flag a person gave: one that the chain leaves out is an error */
    int32_t eos;               /* -1 = none */
    int32_t history;           /* tokens of prompt and output to remember; 0 = 4096 */
    int32_t max_tokens;        /* a sample's greatest length; 0 = not known */
    struct tokenizer *tokenizer; /* NULL = none */
    /* cos(embedding of id, embedding of j) for every j, into out (V); NULL = the model has no embedding */
    void (*cosines)(void *user, int32_t id, float *out);
    void *user;
    const user_sampler_entry *users; /* (n_users): where the order names them, else last */
    int32_t n_users;
    bool processors_only;      /* leave out what shapes a draw (temperature and what cuts): beam search without a draw */
    double guidance;           /* the scale with which guidance.h will join, 0 or 1 = it will not; a chain's text may name it */
    bool antislop;             /* antislop.h will join; the same */
    const struct chain *beside; /* share the scratch memory of this chain over the same vocabulary; NULL = one's own */
    const int32_t *more_eos;   /* (n_more_eos <= GLIMPSE_MORE_EOS) ids that end a text as `eos` does, which is then one */
    int32_t n_more_eos;
    bool users_follow;         /* more may come: a name that nobody knows is left out, and noted with what is idle */
} sampler_context;
#define SAMPLER_CONTEXT_INIT { NULL, 0, NULL, 0, 0, -1, 0, 0, NULL, NULL, NULL, NULL, 0, false, 0, false, NULL, NULL, 0, false }
enum { SETTING_TEMPERATURE = 1, SETTING_TOP_K = 2, SETTING_TOP_P = 4, SETTING_MIN_P = 8, SETTING_PENALTY = 16 };

typedef struct chain chain;
/* Parse and build.  Returned: chain_close.  GLIMPSE_E_INVALID names the sampler or the parameter, its range, and for an
 * unknown name the nearest known one.  What is off (top_k=0) is left out; with nothing on the chain is "temperature=1".
 * Threads: a chain, its clones and those opened beside it share their scratch memory (tens of bytes an id), so they are
 * used by one thread at a time, closing included; chains opened apart may run at once.  `context` may be NULL. */
glimpse_status chain_open_in(const sampler_settings *settings, const sampler_context *context, int32_t vocab, chain **out);
glimpse_status chain_open(const sampler_settings *settings, int32_t vocab, chain **out); /* without a context */
void chain_close(chain *c); /* NULL is fine */
const char *chain_string(const chain *c);    /* "temperature=0.8;top_k=5"; borrowed as long as the chain */
/* What was asked for and does nothing, a line each: "dry is in the chain, and dry_multiplier is 0: it does nothing"; "" =
 * nothing.  Borrowed as long as the chain. */
const char *chain_idle(const chain *c);
/* Put a sampler at the end that is no part of the settings.  Given: freed with the chain, also when this fails. */
typedef struct sampler sampler;
glimpse_status chain_append(chain *c, sampler *s);
/* The same at place `at`: 0 = first.  chain_rules_end: behind the last of those that say which tokens are possible at all
 * (allowed, banned, forced, too early an end), so that what is put there cannot undo them. */
glimpse_status chain_insert(chain *c, int32_t at, sampler *s);
int32_t chain_rules_end(const chain *c);
/* The state of one sequence: what was accepted, counts, mirostat's mu.  A clone is how a state is kept to go back to. */
glimpse_status chain_clone(const chain *c, chain **out);
/* Make `to`, a clone of the same chain as `from`, go on from where `from` is.  Allocates nothing but for a user's sampler
 * with a state of its own; when that fails, `to` can only be closed. */
glimpse_status chain_copy(chain *to, const chain *from);
/* What it comes to, for the record: the product of its temperatures, its first top_k (0 = none). */
void chain_facts(const chain *c, double *temperature, int32_t *top_k);
/* The chain as a backend's bursts know it (kernels/backend.h), ops has room for BURST_MAX_OPS.  False: it has samplers or
 * switches that only the CPU knows. */
struct burst_op;
bool chain_burst(const chain *c, struct burst_op *ops, int32_t *n);
/* What a draw of this chain, as it stands, needs of the row (kernels/backend.h): room for `room` ids in named, borrowed by *out.
 * False: the whole row.  chain_part.c says which chains a part is enough for. */
struct part_need;
struct row_part;
bool chain_part_need(const chain *c, int32_t n_top, int32_t *named, int32_t room, struct part_need *out);

/* A sequence begins: as after chain_open, and a sampler of the user's without `clone` forgets the sequence before. */
void chain_reset(chain *c);
void chain_accept_prompt(chain *c, int32_t id); /* each prompt token first */
void chain_accept(chain *c, int32_t id);        /* then each generated one, after its draw from this chain */
/* Going over the same tokens again in another clone, without their draws: what a draw leaves for accepting its token is
 * noted (chain_notes(c) numbers) between chain_draw and chain_accept, and handed to the clone, whose state is then bitwise
 * that of the first. */
int32_t chain_notes(const chain *c);
void chain_note(const chain *c, int32_t id, double *notes);
void chain_accept_again(chain *c, int32_t id, const double *notes);
/* A sampler of the user's that keeps state but cannot be cloned: its name, NULL = none.  Such a chain cannot go back. */
const char *chain_cannot_clone(const chain *c);

/* What one pass over a row finds, before any sampler. */
typedef struct row_stats {
    float max;
    double logz;      /* ln sum exp(l) */
    double entropy;   /* nats */
    bool finite;      /* false: a NaN or +inf, or nothing but -inf; then the others are NaN */
    int32_t bad_id;   /* the first offending id; -1 = none (finite, or nothing but -inf) */
} row_stats;
row_stats row_stats_of(const float *logits, int32_t vocab);
/* Appends "the logits at position 7 are not finite (id 3: nan)", and returns the row's statistics. */
row_stats row_put_nonfinite(const float *logits, int32_t vocab, int32_t position, buffer *why);

/* Draw one id and fill its record, rounded as records are (record.h).  Allocates nothing.
 *   logit, logprob, entropy  of the raw row: l, l - logz, -sum p ln p
 *   rank, left    1 + the ids ranked above it (raw logit descending, id ascending), and their probability
 *   p_temp        softmax over the whole vocabulary of l' / T: l' the row as changed by what runs before the first
 *                 filter, T the chain's temperature.  Greedy: 1 for the id greedy takes, 0 for others
 *   kept, p_final how many survived, and the probability among them (0 for a scored id that did not)
 *   top           has room for n_top; token->n_top = how many there are: the ids of largest p (id ascending on ties),
 *                 those of -inf left out.  top = its place.  dot = 0
 * GLIMPSE_E_NONFINITE: NaN, +inf, or nothing but -inf, in the row or after a sampler; names the id.  On any failure
 * token and top are untouched. */
glimpse_status chain_draw(chain *c, const float *logits, const draw_key *key, uint32_t position, int32_t n_top,
                          glimpse_token *token, glimpse_candidate *top);
/* chain_draw from what the chain needed: the same token, bit for bit, and record (its sums within 1e-6).  row: (V) floats of -inf,
 * and so again afterwards.  GLIMPSE_SKIPPED: the whole row is needed after all; nothing was written. */
glimpse_status chain_draw_part(chain *c, const struct part_need *need, const struct row_part *part, float *row, const draw_key *key,
                               uint32_t position, int32_t n_top, glimpse_token *token, glimpse_candidate *top);
/* The k best continuations of a row after the chain, for beam search: by falling value, or, with a key, k drawn without
 * replacement in proportion to e^value, in the order in which they are drawn (Gumbel-top-k: Kool, van Hoof and Welling,
 * ICML 2019).  Returns how many through *n: fewer than k if fewer survive.  GLIMPSE_E_NONFINITE as chain_draw. */
typedef struct chain_choice {
    int32_t id;
    double value;  /* l' / T, not renormalised: what transformers adds to a beam's score */
    double order;  /* value, or value + Gumbel noise: what they are ranked by */
} chain_choice;
glimpse_status chain_best(chain *c, const float *logits, int32_t k, const draw_key *key, uint32_t position,
                          chain_choice *out, int32_t *n);
/* chain_accept for an id that chain_score or chain_best proposed: p is the probability it was chosen with. */
void chain_accept_as(chain *c, int32_t id, double p);

/* The same record for a given id, without a draw (scoring).  GLIMPSE_E_INVALID: id outside the vocabulary. */
glimpse_status chain_score(chain *c, const float *logits, int32_t id, int32_t n_top, glimpse_token *token,
                           glimpse_candidate *top);

#endif
