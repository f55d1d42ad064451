/* chain_part.c -- drawing from a part of a row: what a chain needs of logits that lie on a device (part_need of
 * kernels/backend.h), and the draw from just that.
 *
 * Up to its first filter a chain may hold what changes logits of ids known beforehand (penalties, dry, biases, bans) and
 * temperatures; the first filter must keep a prefix of the order (top_k), or what is near the largest (min_p).  Then its
 * survivors are among the named ids and the first k of the others, whatever the changes: at most k of the others are among
 * the first k of all.  So the rest of the row can stand as -inf: the same survivors, the same logits, the same token.  The
 * record's sums come along; what cannot be told from the part (the rank of an id that a bias lifted) asks for the row.
 * Called by sampling/generate.c. */
#include "include/internal/status.h"
#include "sampling/samplers/chain_state.h"

typedef struct names {
    int32_t *ids, n, room;
    uint32_t *mark;        /* a bit an id; all 0 again at the end */
    bool full;
} names;

static void add_name(names *x, int32_t id) {
    if (id < 0 || x->full || mark_has(x->mark, id)) return;
    x->full = x->n == x->room;
    if (x->full) return;
    mark_set(x->mark, id);
    x->ids[x->n++] = id;
}

static void add_list(names *x, const sampler *s, int32_t (*list)(const sampler *, int32_t *, int32_t)) {
    enum { LIST = 1024 };
    int32_t ids[LIST], n = list(s, ids, LIST);
    x->full |= n < 0;
    for (int32_t i = 0; i < n; i++) add_name(x, ids[i]);
}

static bool is(const sampler *s, const sampler_kind *kind) { return s->ops == &kind->ops; }

/* What this sampler does before the first filter.  False: it may do anything. */
static bool name_ids(const sampler *s, double t, bool *past, names *x) {
    if (is(s, &sampler_penalties) || is(s, &sampler_dry) || is(s, &sampler_no_repeat_ngram)) *past = true;
    else if (is(s, &sampler_logit_bias)) add_list(x, s, logit_bias_ids);
    else if (is(s, &sampler_banned_tokens)) add_list(x, s, banned_tokens_ids);
    else if (is(s, &sampler_min_length) || is(s, &sampler_length_decay)) add_list(x, s, ending_ids);
    else return false;
    return t == 1; /* after another temperature it divides the row: rounding may make ties */
}

/* The first filter.  False: it is none that a part is enough for. */
static bool limit(const sampler *s, double t, part_need *out) {
    const double *v = sampler_values(s);
    if (is(s, &sampler_top_k) && v[1] == 0) {
        out->k = (int32_t)fmin(fmax(v[0], v[2]), PART_MOST + 1);
        return true;
    }
    if (!is(s, &sampler_min_p) || t == 0) return false;
    out->k = (int32_t)v[1];
    out->span = t * det_log(v[0]) - 1e-4 * (1 + t); /* more than it keeps, where rounding might */
    return out->span <= 0;
}

bool chain_part_need(const chain *c, int32_t n_top, int32_t *named, int32_t room, part_need *out) {
    names x = {.ids = named, .room = room, .mark = c->scratch->mark};
    bool past = false, found = false, fine = true;
    double t = 1;
    *out = (part_need){.span = 1, .named = named, .inv_t = 1.0 / c->temperature};
    for (int32_t i = 0; i < c->n && fine; i++) {
        const sampler *s = c->samplers[i];
        if (is(s, &sampler_top_p) && sampler_values(s)[2] != 0) fine = false; /* its mass is the whole row's */
        else if (found || is(s, &sampler_forced_tokens) || is(s, &sampler_forced_eos)) continue;
        else if (is(s, &sampler_temperature)) {
            fine = sampler_values(s)[1] == 0;
            t *= sampler_values(s)[0];
            if (t > 0) continue;
            found = true; /* greedy: the first */
            out->k = 1;
        } else found = limit(s, t, out), fine = found || name_ids(s, t, &past, &x);
    }
    if (past && c->past.n_prompt + c->past.generated != c->past.n) fine = false; /* some was forgotten here, not by a penalty */
    for (int32_t i = 0; past && fine && i < c->past.n; i++) add_name(&x, c->past.ids[i]);
    for (int32_t i = 0; i < x.n; i++) x.mark[named[i] / 32] = 0;
    if (out->k < n_top) out->k = n_top;
    out->n_named = x.n;
    return fine && found && !x.full && out->k <= PART_MOST;
}

static void put(chain *c, float *row, int32_t id, float l) {
    float *most = &c->scratch->maxima[id / ROW_BLOCK * 16 + id % 16];
    row[id] = l;
    if (l > *most) *most = l;
}

glimpse_status chain_draw_part(chain *c, const part_need *need, const row_part *p, float *row, const draw_key *key, uint32_t position,
                               int32_t n_top, glimpse_token *token, glimpse_candidate *top) {
    if (p->n < 0) return GLIMPSE_SKIPPED;
    row_sums sums = {.max = p->max, .n_finite = p->n_finite, .ok = 1, .s = p->s, .t = p->t, .s_temp = p->s_temp};
    double known = 0;
    int32_t finite = p->n;
    for (size_t i = 0; i < ROW_MAXIMA(c->vocab); i++) c->scratch->maxima[i] = -INFINITY;
    for (int32_t i = 0; i < p->n; i++) {
        put(c, row, p->listed[i].id, p->listed[i].l);
        known += det_exp(det_scaled(p->listed[i].l, p->max, need->inv_t));
    }
    for (int32_t i = 0; i < need->n_named; i++) {
        put(c, row, need->named[i], p->named_l[i]);
        finite += p->named_l[i] > -INFINITY;
        known += det_exp(det_scaled(p->named_l[i], p->max, need->inv_t));
    }
    known_part part = {&sums, p->s_temp > known ? p->s_temp - known : 0, p->n_finite - finite, p->last};
    glimpse_status st = chain_record(c, row, &part, -1, key, position, n_top, token, top);
    for (int32_t i = 0; i < p->n; i++) row[p->listed[i].id] = -INFINITY;
    for (int32_t i = 0; i < need->n_named; i++) row[need->named[i]] = -INFINITY;
    return st == GLIMPSE_E_NONFINITE ? GLIMPSE_SKIPPED : st; /* which id it was, the row says */
}
