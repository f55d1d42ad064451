/* sampler.h -- what a sampler is, and the candidates it works on.
 *
 * A sampler is a value with a vtable, so that a user's own joins like ours.  A new one is a file of some 40 lines: its
 * parameters, `apply`, a sampler_kind, and its line in kinds.c's table; then its flags in options.def.
 *
 * Candidates are dense at first (all V, candidate i is id i) and sparse after the first filter, by rising id.  Filters
 * cut by the total order (logit descending, id ascending), most without sorting: each finds the last one kept, then keeps
 * what does not come after it.  Called by chain.c; implemented in candidates.c, select.c. */
#ifndef GLIMPSE_SAMPLING_SAMPLER_H
#define GLIMPSE_SAMPLING_SAMPLER_H

#include "sampling/samplers/chain.h"

/* Memory of a chain and its clones, taken at chain_open: about 33 bytes an id of the vocabulary. */
typedef struct chain_scratch {
    int32_t refs;
    const row_ops *ops;
    float *row;             /* (V) the changed dense row */
    float *l;               /* (V) sparse logits */
    int32_t *id;            /* (V) their ids */
    int32_t *top_id;        /* (V) ids of the record's top list */
    uint64_t *work, *work2; /* (V) keys or masses */
    float *maxima;          /* ROW_MAXIMA(V), of the raw row */
    float *row_maxima;      /* ROW_MAXIMA(V), of `row` */
    uint32_t *mark;         /* a bit an id, all 0 between uses */
} chain_scratch;

/* What a sequence has accepted: the last tokens, at most as many as the context remembers. */
typedef struct history {
    int32_t *ids;       /* (n), oldest first */
    int32_t n, window;
    int32_t n_prompt;   /* how many of ids, from the first, are of the prompt */
    int64_t generated;  /* tokens accepted that are not, over the whole sequence */
} history;

typedef struct candidates {
    const float *raw;      /* (V) the model's logits; borrowed */
    const float *l;        /* (n) the logits now; change them through candidates_own or candidates_scaled */
    const int32_t *id;     /* (n), rising; NULL = dense */
    int32_t n, vocab;
    double temperature;    /* divides for masses and at the draw: 1 until a sampler sets it; 0 = greedy, n is then 1 */
    double warm;           /* the same for the dense row, where that is no longer what is drawn from */
    bool changed;          /* the dense row is no longer raw */
    bool fresh;            /* `sums` are those of the dense row at sums_inv_t */
    row_sums sums;
    double sums_inv_t;
    double rest, rest_max; /* of a row that is known in part (chain_state.h): sum e^(l / T - rest_max) over what is not known, T the */
    int32_t n_rest;        /* chain's temperature; how many of that are above -inf.  0: the row is whole */
    chain_scratch *scratch;
    const history *past;
    const draw_key *key;   /* NULL when a given id is scored: what throws a coin then leaves the set as it is */
    uint32_t position;
} candidates;

/* A token that was chosen. */
typedef struct accepted {
    int32_t id;
    bool prompt;
    double p;            /* the probability it was drawn with; 0 = not known (prompt, or not drawn by this chain) */
    const double *note;  /* what adaptive_p_note said where it was drawn, if that was another clone; NULL = it was this one */
    const history *past; /* including it */
} accepted;

typedef struct sampler_ops {
    const char *name;
    void (*accept)(sampler *s, const accepted *a);      /* optional: a token was chosen (each prompt token first) */
    glimpse_status (*apply)(sampler *s, candidates *c); /* must leave n >= 1; allocates nothing */
    void (*reset)(sampler *s);                          /* optional: forget what was accepted */
    glimpse_status (*clone)(const sampler *s, sampler **out);
    void (*free)(sampler *s);
    void (*print)(const sampler *s, buffer *out);       /* optional: "0.8", what follows "name=" in the string */
} sampler_ops;
struct sampler { const sampler_ops *ops; };

/* === Ours ======================================================================================================== */

typedef struct sampler_param {
    const char *name;      /* in the string: "threshold" */
    const char *flag;      /* the option's name: "xtc_threshold" */
    double standard;       /* without a flag */
    double least, most;
    const char *words;     /* "all|output": these words stand for 0, 1, ...; or "n" = whole numbers; NULL = any number */
    const char *range;     /* for the error: "0 (greedy) or 1e-6 to 1e6" */
} sampler_param;

enum { SAMPLER_MAX_VALUES = 8 };
struct sampler_args;
typedef struct sampler_kind {
    sampler_ops ops;       /* VALUE_SAMPLER(name, accept, apply, reset) */
    const char *alias;     /* another name in the string, or NULL */
    const sampler_param *params;
    int32_t n_params;
    const char *list_flag; /* what follows "name=" is a list, its text handed to `init`; NULL = parameters */
    bool (*off)(const double *v);
    bool (*valid)(const double *v);                    /* optional, beyond each one's range */
    size_t (*bytes)(const struct sampler_args *a);     /* size of an instance; NULL = value_sampler */
    glimpse_status (*init)(sampler *s, const struct sampler_args *a); /* optional */
} sampler_kind;

typedef struct sampler_args {
    const sampler_kind *kind;
    double v[SAMPLER_MAX_VALUES];
    const char *list;      /* (list_bytes) of a list kind */
    size_t list_bytes;
    int32_t vocab;
    const sampler_context *context; /* never NULL */
} sampler_args;

/* The parameter that several filters share: they leave at least so many (llama.cpp's min_keep, transformers'
 * min_tokens_to_keep, which is 2 in its beam search). */
#define MIN_KEEP_PARAM {"min_keep", "min_keep", 1, 1, 1024, "n", "1 to 1024"}

/* What every sampler of ours begins with; `bytes` long in all, and cloned by copying them. */
typedef struct value_sampler {
    sampler base;
    const sampler_kind *kind;
    size_t bytes;
    double v[SAMPLER_MAX_VALUES];
} value_sampler;
glimpse_status value_sampler_open(const sampler_args *a, sampler **out);
glimpse_status value_sampler_clone(const sampler *s, sampler **out);
void value_sampler_free(sampler *s);
void value_sampler_print(const sampler *s, buffer *out);
/* The vtable of one: what is not given here is as below. */
#define VALUE_SAMPLER(name, accept, apply, reset)                                                                      \
    { name, accept, apply, reset, value_sampler_clone, value_sampler_free, value_sampler_print }
static inline const double *sampler_values(const sampler *s) { return ((const value_sampler *)s)->v; }

/* kinds.c: the table, in the default order; the kind of a name (the nearest one in the error); the shortest text. */
extern const sampler_kind *const sampler_kinds[];
extern const int sampler_kind_count;
/* It works on log-probabilities before a draw is thought of (bans, biases, penalties, lengths); the others shape the draw. */
bool sampler_kind_is_processor(const sampler_kind *kind);
glimpse_status sampler_kind_find(const char *name, size_t bytes, const sampler_kind **out);
void sampler_put_number(buffer *b, double value);
/* Without the blanks around it; *n becomes its length. */
const char *sampler_trim(const char *s, size_t *n);
/* Values from flags, then from the text after "name=" (bytes; NULL = none), checked.  v: preset by the caller. */
glimpse_status sampler_read_values(const sampler_kind *kind, const char *text, size_t bytes, double *v);
/* The next element of a list "5,7:1.5, 9": id and, after a colon, value (0 without).  False at the end; `st` an error. */
bool sampler_next_id(const char *name, const char **at, const char *end, int32_t vocab, int32_t *id, double *value,
                     bool *has_value, glimpse_status *st);

extern const sampler_kind sampler_logit_bias, sampler_allowed_tokens, sampler_banned_tokens, sampler_penalties,
    sampler_no_repeat_ngram, sampler_dry, sampler_cosine_penalty, sampler_length_decay, sampler_min_length,
    sampler_forced_tokens, sampler_forced_eos, sampler_smoothing, sampler_temperature, sampler_top_n_sigma, sampler_top_k,
    sampler_tail_free, sampler_top_a, sampler_typical_p, sampler_top_h, sampler_top_p, sampler_min_p,
    sampler_epsilon_cutoff, sampler_eta_cutoff, sampler_skew, sampler_xtc, sampler_mirostat, sampler_adaptive_p;

/* user_sampler.c: one sequence's instance of a sampler of the user's; vt->name is borrowed.  is_shared: it accepts tokens
 * into a state that it cannot clone. */
glimpse_status user_sampler_open(const glimpse_sampler *vt, void *state, sampler **out);
bool user_sampler_is_shared(const sampler *s);

/* adaptive_p.c: the probability that `id` had before this sampler in the row just drawn from. */
double adaptive_p_note(const sampler *s, int32_t id);

/* preset.c: order and values of another system.  The order is static. */
typedef struct sampler_preset {
    const char *name, *order;
    const char *order_mirostat; /* the order with a mirostat; NULL = the same */
    sampler_settings settings;
    const sampler_flag *flags; /* below those of the context; ends with a NULL name */
} sampler_preset;
glimpse_status sampler_preset_find(const char *name, const sampler_preset **out);

/* === Candidates ================================================================================================== */

/* The writable logits (n) of the candidates as they are. */
float *candidates_own(candidates *c);
/* Change few logits of the dense row without another read of it: where begin says so, set each, then end; the sums and
 * maxima follow.  Where it does not (sparse, or a temperature to be divided in), use candidates_scaled. */
typedef struct row_patch {
    double gone, came; /* of s_temp */
    bool known;        /* the sums can follow */
} row_patch;
bool candidates_patch_begin(candidates *c, row_patch *p);
void candidates_patch_set(candidates *c, row_patch *p, int32_t id, float l);
void candidates_patch_end(candidates *c, row_patch *p);
/* candidates_own, with the temperature divided in: for what adds to l / T. */
float *candidates_scaled(candidates *c);
static inline int32_t candidates_id(const candidates *c, int32_t i) { return c->id ? c->id[i] : i; }
/* Where id stands; -1 = it was filtered out. */
int32_t candidates_find(const candidates *c, int32_t id);
/* The largest logit.  GLIMPSE_E_NONFINITE if a sampler made a NaN or +inf, or left nothing above -inf. */
glimpse_status candidates_max(candidates *c, float *max);
/* Sums over the dense row at temperature c->warm; the row must be dense or unchanged since. */
glimpse_status candidates_sums(candidates *c);
/* The largest logit and the sum of e^((l - max) / T), in fixed point: exact in any order. */
glimpse_status candidates_mass(candidates *c, float *max, uint64_t *total);
/* Shannon's entropy in nats, and how many have a logit above -inf. */
glimpse_status candidates_entropy(candidates *c, double *nats, int32_t *n_finite);
/* Make the set sparse, without those of -inf. */
glimpse_status candidates_list(candidates *c);
/* Candidate i as a number whose order is (logit descending, id ascending), and the logit back from it (-0 as 0). */
uint64_t candidate_key(float l, int32_t id);
float candidate_key_logit(uint64_t key);
/* The maxima that go with a dense row, after candidates_max. */
const float *candidates_dense_maxima(const candidates *c);
/* Keep the candidates whose key is at most `last`. */
void candidates_keep(candidates *c, uint64_t last);
/* Keep those of logit >= limit. */
void candidates_keep_above(candidates *c, float limit);
/* Keep those with (l - max) / T >= least; at least the `min_keep` first in order. */
glimpse_status candidates_keep_scaled(candidates *c, double least, int32_t min_keep);
/* Keep those whose probability among the candidates is >= p; at least the `min_keep` first in order. */
glimpse_status candidates_keep_probable(candidates *c, double p, int32_t min_keep);
/* Keep exactly k (all, if there are fewer). */
glimpse_status candidates_keep_top(candidates *c, int32_t k);
/* The keys of the k first in order, into scratch->work; returns how many. */
int32_t candidates_top(candidates *c, int32_t k);
/* Set ids (n, no two alike) to -inf, unless nothing else is left; only_them: set all others so instead. */
glimpse_status candidates_ban(candidates *c, const int32_t *ids, int32_t n, bool only_them);

/* === Selecting (select.c) ======================================================================================== */

/* The k largest of a row whose maxima are known: ids by (logit descending, id ascending); returns how many (k, or fewer
 * above -inf).  Uses scratch l, id, work. */
int32_t row_top(chain_scratch *s, const float *l, int32_t n, int32_t n_finite, const float *maxima, int32_t k,
                int32_t *ids);
/* A limit that at least k of l (n) reach, and not many more. */
float row_limit(const float *l, int32_t n, const float *maxima, int32_t k);
void keys_sort(uint64_t *keys, size_t n);
/* Puts the k-th smallest (from 0) at keys[k], smaller ones before it. */
void keys_select(uint64_t *keys, size_t n, size_t k);
/* Of keys (n, all different), whose low half indexes `mass`: orders them so that the returned number of first ones is the
 * shortest prefix, by rising key, whose mass reaches `wanted`; all if none does. */
size_t keys_select_mass(uint64_t *keys, size_t n, const uint64_t *mass, uint64_t wanted);

static inline double candidates_inv_t(const candidates *c) { return c->temperature > 0 ? 1.0 / c->temperature : 1.0; }
/* x >= 0 in units of 2^-43, x < 2^9: a term of a sum that is the same in any order. */
static inline uint64_t fixed_of(double x) { return det_bits(fma(x, 0x1p43, 0x1p52)) - det_bits(0x1p52); }

#endif
