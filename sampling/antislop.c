/* antislop.c -- going back from phrases and patterns (antislop.h). */
#include "sampling/antislop.h"

#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "sampling/samplers/sampler.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TIMES = 8 }; /* a sample draws at most so many times the tokens it has room for */

typedef struct lowered { /* at a place of the sample */
    int32_t at, id;      /* id -1: phrases that begin here may stand */
    int32_t tries;       /* how often the sample went back because of it */
    double by;           /* ln of the factor; -INFINITY = not drawn */
    double factor;       /* the largest of the phrases it began, as ln */
} lowered;

typedef struct standing { /* a phrase of the text that may stand, and why */
    int32_t phrase, end;  /* end: the token with which it was found */
    size_t bytes_end;     /* of a pattern's match */
    size_t seen;          /* bytes of the text there were: these never fall from one entry to the next */
    enum { DRAWN_AGAIN, NOTHING_ELSE, RAN_OUT, REASONS } why;
} standing;

typedef struct place { /* of a pattern */
    size_t from;   /* no match begins before, but for those that stand */
    bool stopped;  /* it needed too many steps */
} place;

struct antislop {
    const phrase_list *list;
    slop_matcher *matcher; /* NULL = no patterns */
    place *places;         /* (patterns) */
    size_t searched, match_end; /* bytes; the end of the match at hand */
    size_t seen;           /* bytes of the text at hand */
    int64_t looked;        /* entries of `stand` looked at: for a test */
    uint8_t *said;         /* (phrases, REASONS) scratch of the report */
    int32_t retries, room, n, settled, rewinds, n_notes;
    int64_t thrown;        /* tokens that were taken back */
    phrase_state *states;  /* (room + 1) before each token */
    double *notes;         /* (room, n_notes) of chain_note */
    chain *behind;         /* has accepted tokens 0 .. settled - 1 */
    lowered *low;
    standing *stand;
    int32_t n_low, low_cap, n_stand, stand_cap, back;
    const glimpse_token *tokens;
    bool failed;           /* no memory to remember */
};

/* === The sampler that lowers ===================================================================================== */

typedef struct lowering {
    sampler base;
    const phrase_list *list;
    const antislop *of;    /* NULL: for the chain's text alone */
} lowering;

static glimpse_status apply(sampler *s, candidates *c) {
    const antislop *a = ((const lowering *)s)->of;
    if (!a || !a->n_low) return GLIMPSE_OK;
    int32_t banned = 0, *ids = (int32_t *)c->scratch->work2;
    for (int32_t i = 0; i < a->n_low; i++) {
        const lowered *x = &a->low[i];
        if (x->at != a->n || x->id < 0 || x->by == 0) continue;
        if (x->by > -INFINITY) {
            int32_t at = candidates_find(c, x->id);
            if (at < 0) continue;
            float *l = candidates_scaled(c);
            l[at] = (float)((double)l[at] + x->by);
        } else if (banned < c->vocab) ids[banned++] = x->id;
    }
    return candidates_ban(c, ids, banned, false);
}

static glimpse_status clone_(const sampler *s, sampler **out) {
    lowering *copy = malloc(sizeof *copy);
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for the sampler antislop");
    *copy = *(const lowering *)s;
    *out = &copy->base;
    return GLIMPSE_OK;
}

static void free_(sampler *s) { free(s); }

static void print(const sampler *s, buffer *out) {
    buf_printf(out, "%d phrases", phrases_count(((const lowering *)s)->list));
}

static glimpse_status join(const phrase_list *list, const antislop *of, chain *c) {
    static const sampler_ops ops = { "antislop", NULL, apply, NULL, clone_, free_, print };
    lowering *s = malloc(sizeof *s);
    if (!s) FAIL(GLIMPSE_E_MEMORY, "no memory for the sampler antislop");
    *s = (lowering){ { &ops }, list, of };
    return chain_insert(c, chain_rules_end(c), &s->base);
}

glimpse_status antislop_name_in(const phrase_list *list, chain *c) { return join(list, NULL, c); }

/* === A sequence's state ========================================================================================== */

glimpse_status antislop_open(const phrase_list *list, int32_t retries, int32_t room, chain *c, arena *a, antislop **out) {
    glimpse_status st = GLIMPSE_OK;
    const char *shared = chain_cannot_clone(c);
    if (shared)
        FAIL(GLIMPSE_E_INVALID, "the sampler %s keeps a state without a way to clone it: a sample cannot go back\nhint: give it "
             "a `clone`, or leave --antislop out", shared);
    antislop *s = calloc(1, sizeof *s);
    if (!s) FAIL(GLIMPSE_E_MEMORY, "no memory to go back from phrases");
    s->list = list;
    s->retries = retries;
    s->room = room;
    s->n_notes = chain_notes(c);
    s->states = arena_alloc(a, ((size_t)room + 1) * sizeof *s->states);
    s->notes = arena_alloc(a, (size_t)room * (size_t)s->n_notes * sizeof *s->notes);
    s->places = arena_alloc(a, (size_t)phrases_patterns(list) * sizeof *s->places);
    s->said = arena_alloc(a, (size_t)phrases_count(list) * REASONS + 1);
    if (!s->states || !s->notes || !s->places || !s->said) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to go back within %d tokens", room);
    if (phrases_patterns(list)) TRY_GOTO(slop_matcher_open(&s->matcher));
    TRY_GOTO(join(list, s, c));
    TRY_GOTO(chain_clone(c, &s->behind));
    *out = s;
    return GLIMPSE_OK;
out:
    antislop_close(s);
    return st;
}

void antislop_close(antislop *s) {
    if (!s) return;
    chain_close(s->behind);
    slop_matcher_close(s->matcher);
    free(s->low);
    free(s->stand);
    free(s);
}

void antislop_note(antislop *s, const chain *c, int32_t id) {
    chain_note(c, id, s->notes + (size_t)s->n * (size_t)s->n_notes);
}

int32_t antislop_settled(const antislop *s) { return s->settled; }
int64_t antislop_looked(const antislop *s) { return s->looked; }

/* Room for one more of an array. */
static void *grown(void *array, int32_t n, int32_t *cap, size_t size) {
    if (n < *cap) return array;
    int32_t more = *cap ? *cap * 2 : 16;
    void *to = realloc(array, (size_t)more * size);
    if (to) *cap = more;
    return to;
}

static lowered *lowered_at(antislop *s, int32_t at, int32_t id) {
    for (int32_t i = 0; i < s->n_low; i++)
        if (s->low[i].at == at && s->low[i].id == id) return &s->low[i];
    void *to = grown(s->low, s->n_low, &s->low_cap, sizeof *s->low);
    if (!to) {
        s->failed = true;
        return NULL;
    }
    s->low = to;
    s->low[s->n_low] = (lowered){ .at = at, .id = id, .factor = -INFINITY };
    return &s->low[s->n_low++];
}

static bool may_stand(antislop *s, int32_t phrase, int why) {
    void *to = grown(s->stand, s->n_stand, &s->stand_cap, sizeof *s->stand);
    if (!to) s->failed = true;
    else {
        s->stand = to;
        s->stand[s->n_stand++] = (standing){ phrase, s->n - 1, s->match_end, s->seen, why };
    }
    return false;
}

/* The tries of a place ran out: it takes the token whose phrase has the largest factor, the first of them.  True if that is
 * not the one that stands there. */
static bool least_bad(antislop *s, int32_t at, const lowered *now) {
    const lowered *best = NULL;
    for (int32_t i = 0; i < s->n_low; i++)
        if (s->low[i].at == at && s->low[i].id >= 0 && (!best || s->low[i].factor > best->factor)) best = &s->low[i];
    int32_t id = best->id, stands = now->id;
    for (int32_t i = 0; i < s->n_low; i++)
        if (s->low[i].at == at) s->low[i].by = s->low[i].id == id ? 0 : -INFINITY;
    lowered_at(s, at, -1);
    return id != stands;
}

/* A phrase ends with the last token: true if the sample goes back. */
static bool found(void *user, const phrase_match *m) {
    antislop *s = user;
    double factor = phrases_at(s->list, m->phrase)->log_factor;
    int32_t tries = 0, at = m->token < s->settled ? s->settled : m->token;
    for (int32_t i = 0; i < s->n_low; i++) {
        if (s->low[i].at != at) continue;
        if (s->low[i].id < 0) return may_stand(s, m->phrase, RAN_OUT);
        tries += s->low[i].tries;
    }
    lowered *x = lowered_at(s, at, s->tokens[at].id);
    if (!x) return false;
    if (factor > x->factor) x->factor = factor;
    if (x->tries && x->by <= factor) return may_stand(s, m->phrase, factor > -INFINITY ? DRAWN_AGAIN : NOTHING_ELSE);
    if (s->thrown > (int64_t)MOST_TIMES * s->room) return may_stand(s, m->phrase, RAN_OUT);
    if (tries < s->retries) {
        x->by = factor;
        x->tries++;
    } else if (!least_bad(s, at, x)) return may_stand(s, m->phrase, RAN_OUT);
    s->back = at;
    return true;
}

/* What was remembered of places behind token k, where others will stand. */
static void forget(antislop *s, int32_t k) {
    int32_t n = 0;
    for (int32_t i = 0; i < s->n_low; i++)
        if (s->low[i].at <= k && s->low[i].at >= s->settled) s->low[n++] = s->low[i];
    s->n_low = n;
    while (s->n_stand && s->stand[s->n_stand - 1].end >= k) s->n_stand--, s->looked++;
}

/* === Patterns ==================================================================================================== */

/* The text is now its first n bytes: what later bytes decided is open again. */
static void search_again(antislop *s, const char *text, size_t n) {
    int32_t first = phrases_count(s->list) - phrases_patterns(s->list);
    size_t open = n > SLOP_WINDOW ? slop_next(text, n, n - SLOP_WINDOW - 1) : 0;
    for (int32_t i = 0; i < phrases_patterns(s->list); i++) {
        size_t from = open;
        for (int32_t k = s->n_stand; k-- > 0 && s->stand[k].seen > open; s->looked++)
            if (s->stand[k].phrase == first + i && s->stand[k].bytes_end > from) from = s->stand[k].bytes_end;
        if (from < s->places[i].from) s->places[i].from = from;
    }
}

static int32_t token_at(const size_t *text_ends, int32_t n, size_t byte) {
    int32_t k = n - 1;
    while (k > 0 && text_ends[k] > byte) k--;
    return k;
}

/* Sets s->back where a match sends the sample back; *open is lowered to the first token of what may become one. */
static void search_patterns(antislop *s, const buffer *text, const size_t *text_ends, bool done, int32_t *open) {
    const char *bytes = buf_str(text);
    size_t n = text->n, end = 0, tail = n > 4 ? slop_next(bytes, n, n - 5) : 0;
    int32_t first = phrases_count(s->list) - phrases_patterns(s->list);
    if (!done) n = tail + utf8_complete_prefix(bytes + tail, n - tail);
    if (n < s->searched) { /* cut before a stop text */
        int32_t kept = 0;
        for (int32_t k = 0; k < s->n_stand; k++)
            if (s->stand[k].bytes_end <= n) s->stand[kept++] = s->stand[k];
        s->n_stand = kept;
        search_again(s, bytes, n);
    }
    s->searched = n;
    for (int32_t i = 0; i < phrases_patterns(s->list); i++) {
        place *p = &s->places[i];
        while (!p->stopped && p->from <= n) {
            size_t from = p->from;
            slop_found what = slop_search(phrases_at(s->list, first + i)->pattern, s->matcher, bytes, n, done, &from, &end);
            p->from = from;
            if (what == SLOP_NO_MEMORY) s->failed = true;
            if (what == SLOP_LIMIT) p->stopped = true;
            if (what == SLOP_NONE && from < n) {
                int32_t token = token_at(text_ends, s->n, from);
                if (token < *open) *open = token;
            }
            if (what != SLOP_MATCH) break;
            phrase_match m = { first + i, token_at(text_ends, s->n, from) };
            s->match_end = end;
            if (found(s, &m)) return;
            p->from = end;
        }
    }
}

static void accept_again(const antislop *s, chain *c, int32_t k) {
    chain_accept_again(c, s->tokens[k].id, s->notes + (size_t)k * (size_t)s->n_notes);
}

glimpse_status antislop_accepted(antislop *s, chain **c, const glimpse_token *tokens, int32_t n, const buffer *text,
                                 const size_t *text_ends, bool done, int32_t *back) {
    size_t before = text_ends[n - 1] < text->n ? text_ends[n - 1] : text->n;
    s->n = n;
    s->seen = text->n;
    s->tokens = tokens;
    s->back = -1;
    s->match_end = 0;
    phrases_feed(s->list, s->states, n - 1, buf_str(text) + before, text->n - before, found, s);
    int32_t open = phrases_open_from(s->list, s->states, n);
    if (s->back < 0 && s->matcher) search_patterns(s, text, text_ends, done, &open);
    if (s->failed) FAIL(GLIMPSE_E_MEMORY, "no memory to go back from phrases");
    *back = s->back;
    if (s->back < 0) {
        int32_t from = done ? n : open;
        for (; s->settled < from; s->settled++) accept_again(s, s->behind, s->settled);
        return GLIMPSE_OK;
    }
    chain *fresh = NULL;
    TRY(chain_clone(s->behind, &fresh));
    for (int32_t k = s->settled; k < s->back; k++) accept_again(s, fresh, k);
    chain_close(*c);
    *c = fresh;
    s->rewinds++;
    s->thrown += n - s->back;
    s->n = s->back;
    forget(s, s->back);
    search_again(s, buf_str(text), text_ends[s->back]);
    s->searched = text_ends[s->back];
    return GLIMPSE_OK;
}

void antislop_report(const antislop *s, buffer *out) {
    static const char *const why[] = { "drawn all the same with its lowered probability", "nothing else may stand there",
                                       "the tries ran out" };
    bool stopped = false;
    for (int32_t i = 0; i < phrases_patterns(s->list); i++) stopped |= s->places[i].stopped;
    if (!s->rewinds && !s->n_stand && !stopped) return;
    memset(s->said, 0, (size_t)phrases_count(s->list) * REASONS);
    buf_printf(out, "antislop: went back %d time%s", s->rewinds, s->rewinds == 1 ? "" : "s");
    for (int32_t i = 0; i < s->n_stand; i++) {
        const standing *x = &s->stand[i];
        uint8_t *said = &s->said[(size_t)x->phrase * REASONS + x->why];
        if (*said) continue;
        *said = 1;
        const phrase *p = phrases_at(s->list, x->phrase);
        buf_puts(out, p->pattern ? "; pattern " : "; ");
        buf_json_string(out, p->text, p->bytes);
        buf_printf(out, " stands: %s", why[x->why]);
    }
    for (int32_t i = 0; i < phrases_patterns(s->list); i++) {
        if (!s->places[i].stopped) continue;
        const phrase *p = phrases_at(s->list, phrases_count(s->list) - phrases_patterns(s->list) + i);
        buf_puts(out, "; pattern ");
        buf_json_string(out, p->text, p->bytes);
        buf_puts(out, " was given up: it needs too many steps");
    }
}
