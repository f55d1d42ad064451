/* chain.c -- building a chain from settings or a string, running it, drawing and recording.
 *
 * A token costs one read of the row for its statistics (blocks of 256 stay in the cache for their exponentials), what
 * the filters need, the draw over the survivors, and one comparing read for the rank; nothing is sorted but what the
 * record lists.  Called by sampling/generate.c and score.c. */
#include "sampling/samplers/sampler.h"
#include "include/internal/record.h"
#include "include/internal/status.h"

#include <stdlib.h>

/* In the default order. */
static const sampler_kind *const KINDS[] = {&sampler_repetition_penalty, &sampler_temperature, &sampler_top_k,
                                            &sampler_top_p, &sampler_min_p};
enum { N_KINDS = sizeof KINDS / sizeof *KINDS, MAX_SAMPLERS = 64 };

struct chain {
    sampler *samplers[MAX_SAMPLERS];
    int32_t n, vocab;
    double temperature; /* what the row's statistics are taken at in advance; another one costs a second read */
    chain_scratch *scratch;
    buffer text;
};

/* === Scratch ===================================================================================================== */

static glimpse_status scratch_open(int32_t vocab, chain_scratch **out) {
    size_t v = ((size_t)vocab + 15) / 16 * 16, maxima = ROW_MAXIMA(vocab); /* each part a multiple of 64 bytes */
    size_t head = (sizeof(chain_scratch) + 63) / 64 * 64;
    size_t bytes = head + v * (4 * sizeof(float) + 2 * sizeof(uint64_t)) + 2 * maxima * sizeof(float) + v / 8 + 64;
    char *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) FAIL(GLIMPSE_E_MEMORY, "no memory for %zu bytes to sample over a vocabulary of %d", bytes, vocab);
    memset(p, 0, bytes);
    chain_scratch *s = (chain_scratch *)p;
    p += head;
    s->refs = 1;
    s->ops = row_ops_for(NULL);
    s->work = (uint64_t *)p, p += v * sizeof(uint64_t);
    s->work2 = (uint64_t *)p, p += v * sizeof(uint64_t);
    s->row = (float *)p, p += v * sizeof(float);
    s->l = (float *)p, p += v * sizeof(float);
    s->id = (int32_t *)p, p += v * sizeof(int32_t);
    s->top_id = (int32_t *)p, p += v * sizeof(int32_t);
    s->maxima = (float *)p, p += maxima * sizeof(float);
    s->row_maxima = (float *)p, p += maxima * sizeof(float);
    s->mark = (uint32_t *)p;
    *out = s;
    return GLIMPSE_OK;
}

/* === Building ==================================================================================================== */

/* Levenshtein's distance, for names of at most 31 characters. */
static int distance(const char *a, size_t n, const char *b) {
    int row[33], m = (int)strlen(b);
    if (n > 31 || m > 31) return 99;
    for (int j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 0; i < n; i++) {
        int diagonal = row[0]++;
        for (int j = 1; j <= m; j++) {
            int d = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < d) d = row[j] + 1;
            if (row[j - 1] + 1 < d) d = row[j - 1] + 1;
            row[j] = d;
        }
    }
    return row[m];
}

static bool named(const char *s, size_t n, const char *name) { return strlen(name) == n && memcmp(s, name, n) == 0; }

static glimpse_status find_kind(const char *s, size_t n, const sampler_kind **out) {
    const sampler_kind *nearest = KINDS[0];
    for (int i = 0; i < N_KINDS; i++) {
        if (named(s, n, KINDS[i]->name)) {
            *out = KINDS[i];
            return GLIMPSE_OK;
        }
        if (distance(s, n, KINDS[i]->name) < distance(s, n, nearest->name)) nearest = KINDS[i];
    }
    FAIL(GLIMPSE_E_INVALID, "no sampler is called '%.*s'\nhint: the nearest is %s", n > 40 ? 40 : (int)n, s, nearest->name);
}

static glimpse_status describe(chain *c) {
    buf_clear(&c->text);
    for (int32_t i = 0; i < c->n; i++) {
        const sampler *s = c->samplers[i];
        if (i) buf_putc(&c->text, ';');
        buf_puts(&c->text, s->ops->name);
        if (!s->ops->print) continue;
        buf_putc(&c->text, '=');
        s->ops->print(s, &c->text);
    }
    if (c->n == 0) buf_puts(&c->text, "temperature=1");
    if (buf_failed(&c->text)) FAIL(GLIMPSE_E_MEMORY, "no memory for the name of a chain of samplers");
    return GLIMPSE_OK;
}

static glimpse_status add(chain *c, const sampler_kind *kind, double value) {
    if (!kind->valid(value)) FAIL(GLIMPSE_E_INVALID, "%s is %g, possible is: %s", kind->name, value, kind->range);
    if (kind->off(value)) return GLIMPSE_OK;
    if (c->n == MAX_SAMPLERS) FAIL(GLIMPSE_E_INVALID, "more than %d samplers in one chain", MAX_SAMPLERS);
    TRY(kind->open(value, c->vocab, &c->samplers[c->n]));
    c->n++;
    if (kind == &sampler_temperature && value > 0) c->temperature *= value;
    return GLIMPSE_OK;
}

static const char *trim(const char *s, size_t *n) {
    while (*n && (*s == ' ' || *s == '\t')) s++, --*n;
    while (*n && (s[*n - 1] == ' ' || s[*n - 1] == '\t')) --*n;
    return s;
}

static glimpse_status add_text(chain *c, const sampler_settings *settings, const char *item, size_t n) {
    item = trim(item, &n);
    if (n == 0) return GLIMPSE_OK;
    const char *equals = memchr(item, '=', n);
    size_t name_bytes = equals ? (size_t)(equals - item) : n;
    const sampler_kind *kind = NULL;
    const char *name = trim(item, &name_bytes);
    TRY(find_kind(name, name_bytes, &kind));
    double value = kind->setting(settings);
    if (equals) {
        size_t value_bytes = n - (size_t)(equals + 1 - item);
        const char *text = trim(equals + 1, &value_bytes);
        if (!parse_double(text, value_bytes, &value))
            FAIL(GLIMPSE_E_INVALID, "%s is '%.*s', possible is: %s", kind->name,
                 value_bytes > 40 ? 40 : (int)value_bytes, text, kind->range);
    }
    return add(c, kind, value);
}

glimpse_status chain_open(const sampler_settings *settings, int32_t vocab, chain **out) {
    glimpse_status st = GLIMPSE_OK;
    chain *c = NULL;
    if (vocab < 1 || vocab > MASS_MAX_VOCAB)
        FAIL(GLIMPSE_E_INVALID, "a vocabulary of %d ids, possible are 1 to %d", vocab, MASS_MAX_VOCAB);
    c = calloc(1, sizeof *c);
    if (!c) FAIL(GLIMPSE_E_MEMORY, "no memory for a chain of samplers");
    c->vocab = vocab;
    c->temperature = 1;
    for (int i = 0; i < N_KINDS; i++) { /* also what the string leaves out must be a possible value */
        double value = KINDS[i]->setting(settings);
        if (!KINDS[i]->valid(value))
            FAIL_GOTO(GLIMPSE_E_INVALID, "%s is %g, possible is: %s", KINDS[i]->name, value, KINDS[i]->range);
        if (!settings->order) TRY_GOTO(add(c, KINDS[i], value));
    }
    for (const char *at = settings->order; at; ) {
        const char *end = strchr(at, ';');
        TRY_GOTO(add_text(c, settings, at, end ? (size_t)(end - at) : strlen(at)));
        at = end ? end + 1 : NULL;
    }
    TRY_GOTO(describe(c));
    TRY_GOTO(scratch_open(vocab, &c->scratch));
    *out = c;
    return GLIMPSE_OK;
out:
    chain_close(c);
    return st;
}

void chain_close(chain *c) {
    if (!c) return;
    for (int32_t i = 0; i < c->n; i++) c->samplers[i]->ops->free(c->samplers[i]);
    if (c->scratch && --c->scratch->refs == 0) free(c->scratch);
    buf_free(&c->text);
    free(c);
}

const char *chain_string(const chain *c) { return buf_str(&c->text); }

glimpse_status chain_append(chain *c, sampler *s) {
    glimpse_status st = GLIMPSE_OK;
    if (c->n == MAX_SAMPLERS) FAIL_GOTO(GLIMPSE_E_INVALID, "more than %d samplers in one chain", MAX_SAMPLERS);
    c->samplers[c->n++] = s;
    return describe(c);
out:
    s->ops->free(s);
    return st;
}

glimpse_status chain_clone(const chain *c, chain **out) {
    glimpse_status st = GLIMPSE_OK;
    chain *d = calloc(1, sizeof *d);
    if (!d) FAIL(GLIMPSE_E_MEMORY, "no memory for a chain of samplers");
    d->vocab = c->vocab;
    d->temperature = c->temperature;
    d->scratch = c->scratch;
    d->scratch->refs++;
    for (int32_t i = 0; i < c->n; i++) {
        TRY_GOTO(c->samplers[i]->ops->clone(c->samplers[i], &d->samplers[i]));
        d->n++;
    }
    TRY_GOTO(describe(d));
    *out = d;
    return GLIMPSE_OK;
out:
    chain_close(d);
    return st;
}

void chain_reset(chain *c) {
    for (int32_t i = 0; i < c->n; i++)
        if (c->samplers[i]->ops->reset) c->samplers[i]->ops->reset(c->samplers[i]);
}

void chain_accept(chain *c, int32_t id) {
    for (int32_t i = 0; i < c->n; i++)
        if (c->samplers[i]->ops->accept) c->samplers[i]->ops->accept(c->samplers[i], id);
}

/* === Statistics ================================================================================================== */

static int32_t bad_id(const float *l, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (!(l[i] < INFINITY)) return i;
    return -1;
}

static double logz_of(const row_sums *s) { return (double)s->max + det_log(s->s); }

static double entropy_of(const row_sums *s) {
    double h = det_log(s->s) - s->t / s->s;
    return h > 0 ? h : 0; /* one-hot: the two terms may differ in their last bits */
}

row_stats row_stats_of(const float *logits, int32_t vocab) {
    row_stats r = {.max = NAN, .logz = NAN, .entropy = NAN, .bad_id = -1};
    row_sums sums;
    row_ops_for(NULL)->sums(logits, vocab, 1.0, NULL, &sums);
    if (!sums.ok) r.bad_id = bad_id(logits, vocab);
    if (!sums.ok || !(sums.max > -INFINITY)) return r;
    r.max = sums.max;
    r.logz = logz_of(&sums);
    r.entropy = entropy_of(&sums);
    r.finite = true;
    return r;
}

/* === Drawing ===================================================================================================== */

enum { FEW = 1024 };

static glimpse_status draw(candidates *c, const draw_key *key, uint32_t position, int32_t hint, int32_t *out) {
    chain_scratch *s = c->scratch;
    double inv_t = candidates_inv_t(c);
    float max;
    TRY(candidates_max(c, &max));
    if (!c->id) {
        *out = s->ops->draw(c->l, c->n, max, inv_t, *key, position, hint);
        return GLIMPSE_OK;
    }
    if (c->n == 1) {
        *out = c->id[0];
        return GLIMPSE_OK;
    }
    if (c->n > FEW) { /* cheaper as a dense row, whose noise comes 8 ids a block */
        float *row = (float *)s->work;
        for (int32_t i = 0; i < c->vocab; i++) row[i] = -INFINITY;
        for (int32_t i = 0; i < c->n; i++) row[c->id[i]] = c->l[i];
        *out = s->ops->draw(row, c->vocab, max, inv_t, *key, position, hint);
        return GLIMPSE_OK;
    }
    double best = -INFINITY;
    int32_t best_id = -1;
    for (int32_t i = 0; i < c->n; i++) {
        if (!(c->l[i] > -INFINITY)) continue;
        uint32_t high = draw_high(*key, position, (uint32_t)c->id[i], PURPOSE_DRAW);
        if (draw_score_of(c->l[i], max, inv_t, gumbel_bound(high)) < best) continue;
        double noise = gumbel_of_bits(draw_join(high, *key, position, (uint32_t)c->id[i], PURPOSE_DRAW));
        double score = draw_score_of(c->l[i], max, inv_t, noise);
        if (score > best || best_id < 0 || (score == best && c->id[i] < best_id)) {
            best = score;
            best_id = c->id[i];
        }
    }
    *out = best_id;
    return GLIMPSE_OK;
}

/* e^((l - max) / T) over the vocabulary's or the survivors' sum. */
static double share(float l, float max, double inv_t, double sum) {
    return l > -INFINITY ? det_exp(det_scaled(l, max, inv_t)) / sum : 0;
}

/* The p_final of `id`; those of top (n_top) into their places.  max: of the survivors; `sums` are fresh if dense. */
static double finals(candidates *c, float max, int32_t id, int32_t n_top, glimpse_candidate *top) {
    chain_scratch *s = c->scratch;
    double inv_t = candidates_inv_t(c), p = 0;
    if (!c->id) {
        for (int32_t i = 0; i < n_top; i++)
            top[i].p_final = record_roundf(share(c->l[top[i].id], max, inv_t, c->sums.s_temp));
        return share(c->l[id], max, inv_t, c->sums.s_temp);
    }
    double sum = (double)s->ops->mass(c->l, c->n, max, inv_t, NULL) * 0x1p-43;
    int32_t *place = (int32_t *)s->work2; /* of a marked id in `top` */
    for (int32_t i = 0; i < n_top; i++) {
        top[i].p_final = 0;
        place[top[i].id] = i;
        s->mark[top[i].id / 32] |= 1u << (top[i].id % 32);
    }
    for (int32_t i = 0; i < c->n; i++) {
        int32_t k = c->id[i];
        if (k == id) p = share(c->l[i], max, inv_t, sum);
        if (!(s->mark[k / 32] >> (k % 32) & 1)) continue;
        top[place[k]].p_final = record_roundf(share(c->l[i], max, inv_t, sum));
    }
    for (int32_t i = 0; i < n_top; i++) s->mark[top[i].id / 32] = 0;
    return p;
}

/* Softmax of the dense row at the chain's temperature. */
static double warm_share(const candidates *c, int32_t id) {
    if (!(c->temperature > 0)) return id == c->id[0];
    const float *row = c->changed ? c->scratch->row : c->raw;
    return share(row[id], c->sums.max, candidates_inv_t(c), c->sums.s_temp);
}

/* id < 0: draw it. */
static glimpse_status record(chain *ch, const float *logits, int32_t id, const draw_key *key, uint32_t position,
                             int32_t n_top, glimpse_token *token, glimpse_candidate *top) {
    chain_scratch *s = ch->scratch;
    candidates c = {.raw = logits, .l = logits, .n = ch->vocab, .vocab = ch->vocab, .temperature = 1, .scratch = s};
    c.sums_inv_t = 1.0 / ch->temperature;
    s->ops->sums(logits, ch->vocab, c.sums_inv_t, s->maxima, &c.sums);
    if (!c.sums.ok) {
        int32_t bad = bad_id(logits, ch->vocab);
        FAIL(GLIMPSE_E_NONFINITE, "the logit of id %d is %s", bad, logits[bad] > 0 ? "+inf" : "NaN");
    }
    if (!(c.sums.max > -INFINITY)) FAIL(GLIMPSE_E_NONFINITE, "every one of the %d logits is -inf", ch->vocab);
    c.fresh = true;
    const row_sums raw = c.sums;
    n_top = row_top(s, logits, ch->vocab, raw.n_finite, s->maxima, n_top, s->top_id);

    for (int32_t i = 0; i < ch->n; i++) {
        TRY(ch->samplers[i]->ops->apply(ch->samplers[i], &c));
        if (c.n < 1) FAIL(GLIMPSE_E_INTERNAL, "the sampler %s left no candidate", ch->samplers[i]->ops->name);
    }
    float max;
    if (id < 0) TRY(draw(&c, key, position, n_top > 0 ? s->top_id[0] : -1, &id));
    TRY(candidates_max(&c, &max));
    if (c.temperature > 0) TRY(candidates_sums(&c)); /* the last step that can fail comes before the first write */
    for (int32_t i = 0; i < n_top; i++) top[i].id = s->top_id[i];
    double p_final = finals(&c, max, id, n_top, top), left;

    double logz = logz_of(&raw);
    int32_t above = s->ops->above(logits, ch->vocab, id, raw.max, &left);
    for (int32_t i = 0; i < n_top; i++) top[i].p = record_roundf(det_exp((double)logits[top[i].id] - logz));
    left /= raw.s;
    *token = (glimpse_token){
        .size = sizeof *token,
        .id = id,
        .rank = above + 1,
        .kept = c.id ? c.n : c.sums.n_finite,
        .n_top = n_top,
        .logit = record_roundf(logits[id]),
        .logprob = record_roundf((double)logits[id] - logz),
        .p_temp = record_roundf(warm_share(&c, id)),
        .p_final = record_roundf(p_final),
        .left = record_roundf(left < 1 ? left : 1),
        .entropy = record_roundf(entropy_of(&raw)),
        .top = n_top > 0 ? top : NULL,
    };
    return GLIMPSE_OK;
}

glimpse_status chain_draw(chain *c, const float *logits, const draw_key *key, uint32_t position, int32_t n_top,
                          glimpse_token *token, glimpse_candidate *top) {
    return record(c, logits, -1, key, position, n_top, token, top);
}

glimpse_status chain_score(chain *c, const float *logits, int32_t id, int32_t n_top, glimpse_token *token,
                           glimpse_candidate *top) {
    if (id < 0 || id >= c->vocab) FAIL(GLIMPSE_E_INVALID, "id %d is outside the vocabulary of %d", id, c->vocab);
    return record(c, logits, id, NULL, 0, n_top, token, top);
}
