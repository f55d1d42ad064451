/* chain.c -- building a chain from settings or a string, running it, drawing and recording.
 *
 * A token costs one read of the row for its statistics (blocks of 256 stay in the cache for their exponentials), what
 * the filters need, the draw over the survivors, and one comparing read for the rank; nothing is sorted but what the
 * record lists.  Called by sampling/generate.c and score.c. */
#include "sampling/samplers/chain_state.h"
#include "include/internal/record.h"
#include "include/internal/status.h"

#include <stdlib.h>

enum { HISTORY = 4096 };

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

/* The first value of five samplers stands in sampler_settings, and not among the flags of the context: which it is, 0 = none. */
static uint32_t classic_of(const sampler_kind *kind) {
    return kind == &sampler_temperature ? SETTING_TEMPERATURE : kind == &sampler_top_k ? SETTING_TOP_K
           : kind == &sampler_top_p ? SETTING_TOP_P : kind == &sampler_min_p ? SETTING_MIN_P
           : kind == &sampler_penalties ? SETTING_PENALTY : 0;
}

static const char *classic_flag(const sampler_kind *kind) { return kind == &sampler_penalties ? "repetition_penalty" : kind->ops.name; }

static double classic_value(const sampler_settings *s, uint32_t classic) {
    switch (classic) {
    case SETTING_TEMPERATURE: return s->temperature;
    case SETTING_TOP_K: return s->top_k;
    case SETTING_TOP_P: return s->top_p;
    case SETTING_MIN_P: return s->min_p;
    default: return s->repetition_penalty;
    }
}

/* The flag of one of a sampler's parameters; several samplers share min_keep, which says of none that it was meant. */
static bool is_flag_of(const sampler_param *p, const char *flag) {
    return p->flag && strcmp(p->name, "min_keep") && !strcmp(p->flag, flag);
}

typedef struct source { /* where values come from */
    const sampler_settings *settings;
    const sampler_context *context;
    const sampler_preset *preset; /* NULL = none */
} source;

static glimpse_status flag_values(const sampler_kind *kind, const sampler_flag *f, double *v) {
    for (int32_t i = 0; i < kind->n_params; i++) {
        if (!kind->params[i].flag || strcmp(kind->params[i].flag, f->name) != 0) continue;
        buffer text = {0};
        buf_printf(&text, "%s:%s", kind->params[i].name, f->text);
        glimpse_status st = buf_failed(&text) ? GLIMPSE_E_MEMORY : sampler_read_values(kind, buf_str(&text), text.n, v);
        buf_free(&text);
        if (st < 0) HINT("--%s", f->name);
        TRY(st);
    }
    return GLIMPSE_OK;
}

/* The values of a sampler where the string gives none: preset, then sampler_settings, then flags. */
static glimpse_status values_of(const source *from, const sampler_kind *kind, double *v) {
    const uint32_t classic = classic_of(kind);
    for (int32_t i = 0; i < kind->n_params; i++) v[i] = kind->params[i].standard;
    for (const sampler_flag *f = from->preset ? from->preset->flags : NULL; f && f->name; f++)
        TRY(flag_values(kind, f, v));
    if (classic) {
        const sampler_param *p = &kind->params[0];
        v[0] = classic_value(from->preset && !(from->context->given & classic) ? &from->preset->settings : from->settings, classic);
        if (!(v[0] >= p->least && v[0] <= p->most))
            FAIL(GLIMPSE_E_INVALID, "%s is %g, possible is: %s", kind->ops.name, v[0], p->range);
    }
    for (int32_t i = 0; i < from->context->n_flags; i++) TRY(flag_values(kind, &from->context->flags[i], v));
    return GLIMPSE_OK;
}

/* A sampler that is off does nothing: that is noted where somebody named it, or set one of its lesser parameters, without
 * saying how strong it is. */
static void note_idle(chain *c, const source *from, const sampler_kind *kind, bool named, double strength) {
    const sampler_context *x = from->context;
    const char *flag = kind->list_flag ? kind->list_flag : kind->n_params ? kind->params[0].flag : NULL;
    const char *lesser = NULL;
    const uint32_t classic = classic_of(kind);
    if (x->named & classic) return;
    if (classic) flag = classic_flag(kind);
    if (!flag) return;
    for (int32_t i = 0; i < x->n_flags; i++) {
        if (!strcmp(x->flags[i].name, flag)) return;
        for (int32_t j = 1; j < kind->n_params; j++)
            if (is_flag_of(&kind->params[j], x->flags[i].name)) lesser = x->flags[i].name;
    }
    if (kind->list_flag && named) buf_printf(&c->idle, "%s is in the chain, and there is no --%s: it does nothing\n", kind->ops.name, flag);
    if (kind->list_flag || (!named && !lesser)) return;
    buf_printf(&c->idle, named ? "%s is in the chain, and %s is " : "--%s is set, and %s is ", named ? kind->ops.name : lesser, flag);
    buf_g(&c->idle, strength, 6);
    buf_puts(&c->idle, ": it does nothing\n");
}

/* A value of the chain's own text stands before that of a flag, which then does nothing: `flags`, as they set it; `v`, as it is. */
static void note_overruled(chain *c, const source *from, const sampler_kind *kind, const double *flags, const double *v) {
    const sampler_context *x = from->context;
    for (int32_t j = 0; j < kind->n_params; j++) {
        const char *flag = !j && x->named & classic_of(kind) ? classic_flag(kind) : NULL;
        for (int32_t i = 0; i < x->n_flags && !flag; i++)
            if (kind->params[j].flag && !strcmp(kind->params[j].flag, x->flags[i].name)) flag = x->flags[i].name;
        if (!flag || v[j] == flags[j]) continue;
        buf_printf(&c->idle, "--%s is ", flag);
        buf_g(&c->idle, flags[j], 10);
        buf_printf(&c->idle, ", and --samplers says %s%s%s=", kind->ops.name, j ? "'s " : "", j ? kind->params[j].name : "");
        buf_g(&c->idle, v[j], 10);
        buf_puts(&c->idle, ", which counts\n");
    }
}

static glimpse_status add(chain *c, const source *from, const sampler_kind *kind, const char *text, size_t bytes) {
    if (from->context->processors_only && !sampler_kind_is_processor(kind)) return GLIMPSE_OK;
    sampler_args a = {.kind = kind, .list = text, .list_bytes = bytes, .vocab = c->vocab, .context = from->context};
    buffer all = {0};
    glimpse_status st = GLIMPSE_OK;
    if (kind->list_flag) {
        for (int32_t i = 0; !text && i < from->context->n_flags; i++) {
            if (strcmp(from->context->flags[i].name, kind->list_flag) != 0) continue;
            buf_puts(&all, from->context->flags[i].text);
            buf_putc(&all, ' ');
        }
        if (buf_failed(&all)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the list of %s", kind->ops.name);
        if (!text) a.list = buf_str(&all), a.list_bytes = all.n;
        if (strspn(a.list, " ,\t\n") >= a.list_bytes) {
            note_idle(c, from, kind, !text && from->settings->order, 0);
            goto out;
        }
    } else {
        double flags[SAMPLER_MAX_VALUES];
        TRY_GOTO(values_of(from, kind, a.v));
        memcpy(flags, a.v, sizeof flags);
        TRY_GOTO(sampler_read_values(kind, text, bytes, a.v));
        if (text && from->settings->order) note_overruled(c, from, kind, flags, a.v);
        if (kind->valid && !kind->valid(a.v))
            FAIL_GOTO(GLIMPSE_E_INVALID, "%s is %g, possible is: %s", kind->ops.name, a.v[0], kind->params[0].range);
        if (kind->off(a.v)) {
            if (!text) note_idle(c, from, kind, from->settings->order != NULL, a.v[0]);
            goto out;
        }
    }
    if (c->n == MAX_SAMPLERS) FAIL_GOTO(GLIMPSE_E_INVALID, "more than %d samplers in one chain", MAX_SAMPLERS);
    TRY_GOTO(value_sampler_open(&a, &c->samplers[c->n]));
    c->n++;
    if (kind == &sampler_temperature && a.v[0] > 0) c->temperature *= a.v[0];
out:
    buf_free(&all);
    return st;
}

static glimpse_status add_user(chain *c, const user_sampler_entry *u) {
    if (c->n == MAX_SAMPLERS) FAIL(GLIMPSE_E_INVALID, "more than %d samplers in one chain", MAX_SAMPLERS);
    TRY(user_sampler_open(&u->vt, u->state, &c->samplers[c->n]));
    c->n++;
    return GLIMPSE_OK;
}

static bool has_sampler(const chain *c, const char *name) {
    for (int32_t i = 0; i < c->n; i++)
        if (strcmp(c->samplers[i]->ops->name, name) == 0) return true;
    return false;
}

/* A flag whose sampler the order leaves out would do nothing: say so.  What is off does nothing anyway. */
static glimpse_status check_left_out(const source *from, uint64_t present) {
    const sampler_context *x = from->context;
    for (int k = 0; k < sampler_kind_count; k++) {
        const sampler_kind *kind = sampler_kinds[k];
        const char *flag = x->named & classic_of(kind) ? classic_flag(kind) : NULL;
        double v[SAMPLER_MAX_VALUES];
        if (present >> k & 1) continue;
        for (int32_t i = 0; i < x->n_flags && !flag; i++) {
            if (kind->list_flag && !strcmp(kind->list_flag, x->flags[i].name)) flag = x->flags[i].name;
            for (int32_t j = 0; j < kind->n_params && !flag; j++)
                if (is_flag_of(&kind->params[j], x->flags[i].name)) flag = x->flags[i].name;
        }
        if (!flag) continue;
        if (!kind->list_flag) {
            TRY(values_of(from, kind, v));
            if (kind->off(v)) continue;
        }
        bool own = from->settings->order != NULL;
        FAIL(GLIMPSE_E_INVALID, "--%s is set, and the chain of --%s%s has no %s\nhint: %s, or leave --%s away", flag,
             own ? "samplers" : "sampler_preset ", own ? "" : x->preset, kind->ops.name,
             own ? "name it in --samplers" : "give the whole chain with --samplers", flag);
    }
    return GLIMPSE_OK;
}

/* guidance and antislop are no kinds: they join later, where they belong.  What a chain was printed as reads back, so they may
 * stand in its text, if their flags say the same.  Sets *is. */
static glimpse_status joins_later(const sampler_context *x, const char *name, size_t n, const char *text, size_t bytes, bool *is) {
    bool guidance = n == 8 && !memcmp(name, "guidance", n), antislop = n == 8 && !memcmp(name, "antislop", n);
    double scale;
    *is = guidance || antislop;
    if (antislop && !x->antislop)
        FAIL(GLIMPSE_E_INVALID, "the chain names antislop, and there are no phrases\nhint: --antislop FILE gives them");
    if (guidance && (!text || !parse_double(text, bytes, &scale) || scale != x->guidance))
        FAIL(GLIMPSE_E_INVALID, "the chain has guidance=%.*s, and --guidance_scale is %g\nhint: --guidance_scale and --negative_prompt "
             "set it", text ? bytes > 40 ? 40 : (int)bytes : 0, text ? text : "", x->guidance > 0 ? x->guidance : 1.0);
    return GLIMPSE_OK;
}

static glimpse_status add_text(chain *c, const source *from, const char *item, size_t n, uint64_t *present) {
    item = sampler_trim(item, &n);
    if (n == 0) return GLIMPSE_OK;
    const char *equals = memchr(item, '=', n), *text = equals ? equals + 1 : NULL;
    size_t name_bytes = equals ? (size_t)(equals - item) : n;
    const sampler_kind *kind = NULL;
    const char *name = sampler_trim(item, &name_bytes);
    for (int32_t i = 0; i < from->context->n_users; i++) {
        const user_sampler_entry *u = &from->context->users[i];
        if (strlen(u->vt.name) != name_bytes || memcmp(u->vt.name, name, name_bytes) != 0) continue;
        if (text) FAIL(GLIMPSE_E_INVALID, "%s takes no values in a chain", u->vt.name);
        return add_user(c, u);
    }
    bool later;
    TRY(joins_later(from->context, name, name_bytes, text, equals ? n - (size_t)(text - item) : 0, &later));
    if (later) return GLIMPSE_OK;
    glimpse_status st = sampler_kind_find(name, name_bytes, &kind);
    if (st < 0 && from->context->users_follow) {
        const char *hint = strstr(status_text(), "\nhint: did you mean ");
        buf_printf(&c->idle, "--samplers: no sampler is called '%.*s' so far: glimpse_add_sampler has to bring it before the first eval",
                   name_bytes > 40 ? 40 : (int)name_bytes, name);
        if (hint) buf_printf(&c->idle, ", or %s", hint + 7);
        buf_putc(&c->idle, '\n');
        return GLIMPSE_OK;
    }
    if (st < 0) return from->settings->order ? status_prefix(st, "--samplers") : st;
    for (int k = 0; k < sampler_kind_count; k++)
        if (sampler_kinds[k] == kind) *present |= (uint64_t)1 << k;
    return add(c, from, kind, text, equals ? n - (size_t)(text - item) : 0);
}

static glimpse_status history_open(history *h, int32_t window) {
    h->window = window > 0 ? window : HISTORY;
    h->ids = malloc((size_t)h->window * 2 * sizeof *h->ids); /* twice, so that it is moved once in `window` tokens */
    if (!h->ids) FAIL(GLIMPSE_E_MEMORY, "no memory to remember %d tokens", h->window);
    return GLIMPSE_OK;
}

static void history_push(history *h, int32_t id, bool prompt) {
    if (h->n == 2 * h->window) {
        int32_t gone = h->window;
        memmove(h->ids, h->ids + gone, (size_t)(h->n - gone) * sizeof *h->ids);
        h->n -= gone;
        h->n_prompt = h->n_prompt > gone ? h->n_prompt - gone : 0;
    }
    h->ids[h->n++] = id;
    if (prompt) h->n_prompt = h->n;
    else h->generated++;
}

glimpse_status chain_open_in(const sampler_settings *settings, const sampler_context *context, int32_t vocab,
                             chain **out) {
    static const sampler_context nothing = SAMPLER_CONTEXT_INIT;
    glimpse_status st = GLIMPSE_OK;
    source from = {settings, context ? context : &nothing, NULL};
    uint64_t present = 0; /* kinds that the order names */
    chain *c = NULL;
    if (vocab < 1 || vocab > MASS_MAX_VOCAB)
        FAIL(GLIMPSE_E_INVALID, "a vocabulary of %d ids, possible are 1 to %d", vocab, MASS_MAX_VOCAB);
    c = calloc(1, sizeof *c);
    if (!c) FAIL(GLIMPSE_E_MEMORY, "no memory for a chain of samplers");
    c->vocab = vocab;
    c->temperature = 1;
    c->drawn = -1;
    if (from.context->preset) TRY_GOTO(sampler_preset_find(from.context->preset, &from.preset));
    const char *order = settings->order ? settings->order : from.preset ? from.preset->order : NULL;
    if (!settings->order && from.preset && from.preset->order_mirostat) {
        double v[SAMPLER_MAX_VALUES];
        TRY_GOTO(values_of(&from, &sampler_mirostat, v));
        if (!sampler_mirostat.off(v)) order = from.preset->order_mirostat;
    }
    for (int i = 0; i < sampler_kind_count; i++) { /* also what the string leaves out must be a possible value */
        double v[SAMPLER_MAX_VALUES];
        TRY_GOTO(values_of(&from, sampler_kinds[i], v));
        if (!order) TRY_GOTO(add(c, &from, sampler_kinds[i], NULL, 0));
    }
    for (const char *at = order; at; ) {
        const char *end = strchr(at, ';');
        TRY_GOTO(add_text(c, &from, at, end ? (size_t)(end - at) : strlen(at), &present));
        at = end ? end + 1 : NULL;
    }
    if (order) TRY_GOTO(check_left_out(&from, present));
    for (int32_t i = 0; i < from.context->n_users; i++)
        if (!has_sampler(c, from.context->users[i].vt.name)) TRY_GOTO(add_user(c, &from.context->users[i]));
    TRY_GOTO(describe(c));
    TRY_GOTO(history_open(&c->past, from.context->history));
    const chain *beside = from.context->beside;
    if (beside && beside->vocab == vocab) {
        c->scratch = beside->scratch;
        c->scratch->refs++;
    } else TRY_GOTO(scratch_open(vocab, &c->scratch));
    *out = c;
    return GLIMPSE_OK;
out:
    chain_close(c);
    return st;
}

glimpse_status chain_open(const sampler_settings *settings, int32_t vocab, chain **out) {
    return chain_open_in(settings, NULL, vocab, out);
}

void chain_close(chain *c) {
    if (!c) return;
    for (int32_t i = 0; i < c->n; i++) c->samplers[i]->ops->free(c->samplers[i]);
    if (c->scratch && --c->scratch->refs == 0) free(c->scratch);
    free(c->past.ids);
    buf_free(&c->text);
    buf_free(&c->idle);
    free(c);
}

const char *chain_string(const chain *c) { return buf_str(&c->text); }
const char *chain_idle(const chain *c) { return buf_str(&c->idle); }

glimpse_status chain_append(chain *c, sampler *s) { return chain_insert(c, c->n, s); }

int32_t chain_rules_end(const chain *c) {
    static const sampler_kind *const rules[] = { &sampler_allowed_tokens, &sampler_banned_tokens, &sampler_no_repeat_ngram,
                                                 &sampler_min_length, &sampler_forced_tokens, &sampler_forced_eos };
    for (int32_t i = c->n; i > 0; i--) {
        if (!strcmp(c->samplers[i - 1]->ops->name, "guidance")) return i; /* makes the row that all others work on */
        for (size_t k = 0; k < sizeof rules / sizeof *rules; k++)
            if (c->samplers[i - 1]->ops == &rules[k]->ops) return i;
    }
    return 0;
}

glimpse_status chain_insert(chain *c, int32_t at, sampler *s) {
    glimpse_status st = GLIMPSE_OK;
    if (c->n == MAX_SAMPLERS) FAIL_GOTO(GLIMPSE_E_INVALID, "more than %d samplers in one chain", MAX_SAMPLERS);
    memmove(&c->samplers[at + 1], &c->samplers[at], (size_t)(c->n - at) * sizeof *c->samplers);
    c->samplers[at] = s;
    c->n++;
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
    d->drawn = c->drawn;
    d->drawn_p = c->drawn_p;
    TRY_GOTO(history_open(&d->past, c->past.window));
    int32_t *ids = d->past.ids;
    d->past = c->past;
    d->past.ids = ids;
    memcpy(ids, c->past.ids, (size_t)c->past.n * sizeof *ids);
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

glimpse_status chain_copy(chain *to, const chain *from) {
    int32_t *ids = to->past.ids;
    memcpy(ids, from->past.ids, (size_t)from->past.n * sizeof *ids);
    to->past = from->past;
    to->past.ids = ids;
    to->drawn = from->drawn;
    to->drawn_p = from->drawn_p;
    for (int32_t i = 0; i < from->n; i++) {
        const sampler *s = from->samplers[i];
        if (!s->ops->accept) continue; /* it has no state */
        if (s->ops->clone == value_sampler_clone) {
            memcpy(to->samplers[i], s, ((const value_sampler *)(const void *)s)->bytes);
            continue;
        }
        sampler *fresh = NULL;
        TRY(s->ops->clone(s, &fresh));
        to->samplers[i]->ops->free(to->samplers[i]);
        to->samplers[i] = fresh;
    }
    return GLIMPSE_OK;
}

void chain_facts(const chain *c, double *temperature, int32_t *top_k) {
    *temperature = 1;
    *top_k = 0;
    for (int32_t i = 0; i < c->n; i++) {
        const sampler *s = c->samplers[i];
        if (s->ops == &sampler_temperature.ops) *temperature *= sampler_values(s)[0];
        if (s->ops == &sampler_top_k.ops && !*top_k) *top_k = (int32_t)sampler_values(s)[0];
    }
}

bool chain_burst(const chain *c, struct burst_op *ops, int32_t *n) {
    if (c->n > BURST_MAX_OPS) return false;
    for (int32_t i = 0; i < c->n; i++) {
        const sampler *s = c->samplers[i];
        if (s->ops != &sampler_temperature.ops && s->ops != &sampler_top_k.ops && s->ops != &sampler_top_p.ops
            && s->ops != &sampler_min_p.ops && s->ops != &sampler_penalties.ops)
            return false;
        const double *v = sampler_values(s);
        burst_op op = { BURST_TEMPERATURE, { v[0], 0, 0 } };
        if (s->ops == &sampler_temperature.ops && v[1] != 0) return false;
        if (s->ops == &sampler_top_k.ops) {
            op.kind = BURST_TOP_K;
            op.v[0] = fmax(v[0], v[2]);
            if (v[1] != 0) return false;
        } else if (s->ops == &sampler_top_p.ops) {
            op.kind = BURST_TOP_P;
            if (v[1] != 0 || v[2] != 0 || v[3] != 1) return false;
        } else if (s->ops == &sampler_min_p.ops) {
            op.kind = BURST_MIN_P;
            if (v[1] != 1) return false;
        } else if (s->ops == &sampler_penalties.ops) { /* on the raw row, over all of prompt and output */
            if (i || v[3] != -1 || v[4] != 0) return false;
            op = (burst_op){ BURST_PENALTIES, { v[0], v[1], v[2] } };
        }
        ops[i] = op;
    }
    *n = c->n;
    return true;
}

void chain_reset(chain *c) {
    for (int32_t i = 0; i < c->n; i++)
        if (c->samplers[i]->ops->reset) c->samplers[i]->ops->reset(c->samplers[i]);
    c->past.n = c->past.n_prompt = 0;
    c->past.generated = 0;
    c->drawn = -1;
}

static void take(chain *c, int32_t id, bool prompt, const double *notes) {
    if (id < 0 || id >= c->vocab) return;
    history_push(&c->past, id, prompt);
    accepted a = {.id = id, .prompt = prompt, .p = !prompt && id == c->drawn ? c->drawn_p : 0, .past = &c->past};
    if (notes) a.p = *notes++;
    for (int32_t i = 0; i < c->n; i++) {
        a.note = notes && c->samplers[i]->ops == &sampler_adaptive_p.ops ? notes++ : NULL;
        if (c->samplers[i]->ops->accept) c->samplers[i]->ops->accept(c->samplers[i], &a);
    }
    c->drawn = -1;
}

void chain_accept_prompt(chain *c, int32_t id) { take(c, id, true, NULL); }
void chain_accept(chain *c, int32_t id) { take(c, id, false, NULL); }
void chain_accept_again(chain *c, int32_t id, const double *notes) { take(c, id, false, notes); }

int32_t chain_notes(const chain *c) {
    int32_t n = 1;
    for (int32_t i = 0; i < c->n; i++) n += c->samplers[i]->ops == &sampler_adaptive_p.ops;
    return n;
}

void chain_note(const chain *c, int32_t id, double *notes) {
    *notes++ = id == c->drawn ? c->drawn_p : 0;
    for (int32_t i = 0; i < c->n; i++)
        if (c->samplers[i]->ops == &sampler_adaptive_p.ops) *notes++ = adaptive_p_note(c->samplers[i], id);
}

const char *chain_cannot_clone(const chain *c) {
    for (int32_t i = 0; i < c->n; i++)
        if (user_sampler_is_shared(c->samplers[i])) return c->samplers[i]->ops->name;
    return NULL;
}

void chain_accept_as(chain *c, int32_t id, double p) {
    c->drawn = id;
    c->drawn_p = p;
    take(c, id, false, NULL);
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

row_stats row_put_nonfinite(const float *logits, int32_t vocab, int32_t position, buffer *why) {
    row_stats r = row_stats_of(logits, vocab);
    buf_printf(why, "the logits at position %d are not finite", position);
    if (r.bad_id < 0) return r;
    buf_printf(why, " (id %d: ", r.bad_id);
    buf_g(why, (double)logits[r.bad_id], 6);
    buf_putc(why, ')');
    return r;
}

/* === Drawing ===================================================================================================== */

enum { FEW = 1024, SPARSE = 8 };

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
    if (c->n > FEW && c->n > c->vocab / SPARSE) { /* cheaper as a dense row, whose noise comes 8 ids a block */
        float *row = (float *)s->work;
        for (int32_t i = 0; i < c->vocab; i++) row[i] = -INFINITY;
        for (int32_t i = 0; i < c->n; i++) row[c->id[i]] = c->l[i];
        *out = s->ops->draw(row, c->vocab, max, inv_t, *key, position, hint);
        return GLIMPSE_OK;
    }
    *out = s->ops->draw_some(c->l, c->id, c->n, max, inv_t, *key, position);
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
    return share(row[id], c->sums.max, c->sums_inv_t, c->sums.s_temp);
}

/* Logits ranked above `id`, and the sum of their e^(l - max).  A drawn id is mostly among the first: what lies above it
 * is then found through the maxima.  Overwrites the sparse candidates. */
static int32_t above_of(chain_scratch *s, const float *l, int32_t n, int32_t id, float max, double *left) {
    enum { MOST = 512 };
    int32_t groups = (int32_t)ROW_MAXIMA(n), over = 0, count = 0;
    for (int32_t g = 0; g < groups; g++) over += s->maxima[g] >= l[id];
    if (over > MOST || !(l[id] > -INFINITY)) return s->ops->above(l, n, id, max, left);
    int32_t found = s->ops->gather(l, n, l[id], s->maxima, s->id, s->l);
    *left = 0;
    for (int32_t i = 0; i < found; i++) {
        if (!(s->l[i] > l[id] || s->id[i] < id)) continue;
        *left += det_exp((double)s->l[i] - (double)max);
        count++;
    }
    return count;
}

/* Read the row, list the n_top likeliest ids of it in scratch->top_id (*n_top becomes how many there are), then let every
 * sampler act.  `raw`: the sums of the row as it came. */
static glimpse_status apply_all(chain *ch, candidates *c, const known_part *part, int32_t *n_top, row_sums *raw) {
    chain_scratch *s = ch->scratch;
    c->sums_inv_t = 1.0 / ch->temperature;
    if (part) {
        c->sums = *part->sums;
        c->rest = part->rest;
        c->n_rest = part->n_rest;
        c->rest_max = (double)part->sums->max * c->sums_inv_t;
    } else s->ops->sums(c->raw, ch->vocab, c->sums_inv_t, s->maxima, &c->sums);
    if (!c->sums.ok) {
        int32_t bad = bad_id(c->raw, ch->vocab);
        FAIL(GLIMPSE_E_NONFINITE, "the logit of id %d is %s", bad, c->raw[bad] > 0 ? "+inf" : "NaN");
    }
    if (!(c->sums.max > -INFINITY)) FAIL(GLIMPSE_E_NONFINITE, "every one of the %d logits is -inf", ch->vocab);
    c->fresh = true;
    *raw = c->sums;
    *n_top = row_top(s, c->raw, ch->vocab, raw->n_finite, s->maxima, *n_top, s->top_id);
    for (int32_t i = 0; i < ch->n; i++) {
        TRY(ch->samplers[i]->ops->apply(ch->samplers[i], c));
        if (c->n < 1) FAIL(GLIMPSE_E_INTERNAL, "the sampler %s left no candidate", ch->samplers[i]->ops->name);
    }
    return GLIMPSE_OK;
}

glimpse_status chain_record(chain *ch, const float *logits, const known_part *part, int32_t id, const draw_key *key,
                            uint32_t position, int32_t n_top, glimpse_token *token, glimpse_candidate *top) {
    chain_scratch *s = ch->scratch;
    candidates c = {.raw = logits, .l = logits, .n = ch->vocab, .vocab = ch->vocab, .temperature = 1,
                    .warm = 1, .scratch = s, .past = &ch->past, .key = key, .position = position};
    row_sums raw;
    TRY(apply_all(ch, &c, part, &n_top, &raw));
    float max;
    if (c.id) TRY(candidates_list(&c)); /* what a ban made -inf after a filter is not kept */
    if (id < 0) TRY(draw(&c, key, position, n_top > 0 ? s->top_id[0] : -1, &id));
    TRY(candidates_max(&c, &max));
    if (c.temperature > 0) TRY(candidates_sums(&c)); /* the last step that can fail comes before the first write */
    if (part && candidate_key(logits[id], id) > part->last) return GLIMPSE_SKIPPED; /* its rank cannot be told */
    for (int32_t i = 0; i < n_top; i++) top[i].id = s->top_id[i];
    double p_final = finals(&c, max, id, n_top, top), left;
    ch->drawn = id;
    ch->drawn_p = p_final;

    double logz = logz_of(&raw), warm = warm_share(&c, id);
    int32_t above = above_of(s, logits, ch->vocab, id, raw.max, &left);
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
        .p_temp = record_roundf(warm),
        .p_final = record_roundf(p_final),
        .left = record_roundf(left < 1 ? left : 1),
        .entropy = record_roundf(entropy_of(&raw)),
        .top = n_top > 0 ? top : NULL,
    };
    return GLIMPSE_OK;
}

glimpse_status chain_draw(chain *c, const float *logits, const draw_key *key, uint32_t position, int32_t n_top,
                          glimpse_token *token, glimpse_candidate *top) {
    return chain_record(c, logits, NULL, -1, key, position, n_top, token, top);
}

glimpse_status chain_score(chain *c, const float *logits, int32_t id, int32_t n_top, glimpse_token *token,
                           glimpse_candidate *top) {
    if (id < 0 || id >= c->vocab) FAIL(GLIMPSE_E_INVALID, "id %d is outside the vocabulary of %d", id, c->vocab);
    return chain_record(c, logits, NULL, id, NULL, 0, n_top, token, top);
}

/* Into `out` (room for k, n of them filled), kept by falling order, ids rising on ties. */
static int32_t insert_choice(chain_choice *out, int32_t n, int32_t k, const chain_choice *x) {
    int32_t i = n < k ? n : k - 1;
    for (; i > 0 && (out[i - 1].order < x->order || (out[i - 1].order == x->order && out[i - 1].id > x->id)); i--)
        out[i] = out[i - 1];
    out[i] = *x;
    return n < k ? n + 1 : k;
}

glimpse_status chain_best(chain *ch, const float *logits, int32_t k, const draw_key *key, uint32_t position,
                          chain_choice *out, int32_t *n) {
    candidates c = {.raw = logits, .l = logits, .n = ch->vocab, .vocab = ch->vocab, .temperature = 1,
                    .warm = 1, .scratch = ch->scratch, .past = &ch->past, .key = key, .position = position};
    row_sums raw;
    int32_t none = 0, found = 0;
    float max;
    TRY(apply_all(ch, &c, NULL, &none, &raw));
    TRY(candidates_max(&c, &max));
    double inv_t = candidates_inv_t(&c);
    if (!key) {
        found = candidates_top(&c, k);
        for (int32_t i = 0; i < found; i++) {
            uint64_t best = ch->scratch->work[i];
            double value = (double)candidate_key_logit(best) * inv_t;
            out[i] = (chain_choice){(int32_t)(uint32_t)best, value, value};
        }
        *n = found;
        return GLIMPSE_OK;
    }
    for (int32_t i = 0; i < c.n; i++) {
        if (!(c.l[i] > -INFINITY)) continue;
        uint32_t id = (uint32_t)candidates_id(&c, i), high = draw_high(*key, position, id, PURPOSE_DRAW);
        double value = (double)c.l[i] * inv_t;
        if (found == k && value + gumbel_bound(high) < out[k - 1].order) continue;
        chain_choice x = {(int32_t)id, value, value + gumbel_of_bits(draw_join(high, *key, position, id, PURPOSE_DRAW))};
        if (found < k || x.order > out[k - 1].order || (x.order == out[k - 1].order && x.id < out[k - 1].id))
            found = insert_choice(out, found, k, &x);
    }
    *n = found;
    return GLIMPSE_OK;
}
