/* phrases.c -- reading a list of phrases and building their automaton; the search through a text that comes token by token
 * (phrases.h).
 *
 * The trie's nodes stand in breadth-first order, made from the sorted phrases without a table: the children of a node are
 * neighbours, so a node is where its children begin, and 17 bytes hold all it needs. */
#include "sampling/phrases.h"

#include "include/internal/file.h"
#include "include/internal/utf8.h"
#include "sampling/checkpoint/json_tree.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MAX_BYTES = 64 << 20, MAX_PHRASE_BYTES = 4096, MAX_PATTERNS = 1000 };

struct phrase_list {
    phrase *p;           /* (n) sorted by folded bytes; (n_patterns) in the order of the file */
    int32_t n, n_patterns, n_nodes;
    int32_t *first;      /* (n_nodes + 1) the children of node i are first[i] .. first[i + 1] - 1 */
    int32_t *fail;       /* (n_nodes) the longest other suffix that begins a phrase; 0 for the root and its children */
    int32_t *ends;       /* (n_nodes) the phrase that ends here, -1 = none */
    int32_t *next_end;   /* (n_nodes) the longest other suffix at which a phrase ends, 0 = none */
    int32_t *depth;      /* (n_nodes) folded bytes */
    unsigned char *byte; /* (n_nodes) the last of them */
    int32_t root[256];   /* where each byte leads from the root */
};

/* === Folding ===================================================================================================== */

uint32_t phrases_fold(uint32_t cp) {
    if (cp < 0x80) return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    if (cp == 0x130 || cp == 0x131) return cp; /* the dotted and the dotless i fold in Turkic languages alone */
    return (uint32_t)utf8proc_tolower(utf8proc_toupper((utf8proc_int32_t)cp));
}

/* The character or byte at s, folded into out (4); returns how many bytes of s it took, *n those of out.  0: it is not
 * complete. */
static size_t fold_next(const char *s, size_t left, bool flush, char *out, int *n) {
    uint32_t cp;
    int took = utf8_decode(s, left, &cp);
    if (took > 0) {
        *n = utf8_encode(phrases_fold(cp), out);
        return (size_t)took;
    }
    if (took == 0 && !flush) return 0;
    out[0] = s[0];
    *n = 1;
    return 1;
}

/* === The file ==================================================================================================== */

typedef struct entry {
    phrase p;
    const unsigned char *folded; /* (n) */
    size_t n;
} entry;

static int by_folded(const void *a, const void *b) {
    const entry *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->folded, y->folded, n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static glimpse_status fold_entry(const char *name, entry *e, int32_t i, arena *a) {
    unsigned char *folded = arena_alloc(a, e->p.bytes * 4 + 1);
    if (!folded) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for a phrase", name);
    if (!e->p.bytes || e->p.bytes > MAX_PHRASE_BYTES)
        FAIL(GLIMPSE_E_FORMAT, "%s: phrase %d has %zu bytes, possible are 1 to %d", name, i, e->p.bytes, MAX_PHRASE_BYTES);
    for (size_t at = 0; at < e->p.bytes;) {
        int k;
        char c[4];
        at += fold_next(e->p.text + at, e->p.bytes - at, true, c, &k);
        memcpy(folded + e->n, c, (size_t)k);
        e->n += (size_t)k;
    }
    e->folded = folded;
    return GLIMPSE_OK;
}

/* {"pattern": "...", "factor": 0.05} */
static glimpse_status read_pattern(const char *name, const json_node *e, int32_t i, arena *a, phrase *out, double *factor) {
    const json_node *text = json_get(e, "pattern"), *number = json_get(e, "factor");
    *factor = 0;
    if (!text || text->kind != JSON_STRING || e->n != (number ? 2u : 1u))
        FAIL(GLIMPSE_E_FORMAT, "%s: element %d is no pattern\nhint: {\"pattern\": \"a (rich )?tapestry\", \"factor\": 0.05}", name, i);
    if (number && (!json_double(number, factor) || !(*factor >= 0 && *factor <= 1)))
        FAIL(GLIMPSE_E_FORMAT, "%s: the factor of element %d is no number from 0 to 1", name, i);
    TRY(slop_pattern_compile(name, i, text->text, text->n, a, &out->pattern));
    out->text = arena_text(a, text->text, text->n);
    out->bytes = text->n;
    if (!out->text) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for a pattern", name);
    return GLIMPSE_OK;
}

/* "a phrase", or ["a phrase", number]: the number as it stands, -1 = none. */
static glimpse_status read_entry(const char *name, const json_node *e, int32_t i, const json_node **text, double *number) {
    *text = e;
    *number = -1;
    if (e->kind == JSON_ARRAY && e->n == 2) {
        *text = json_first(e);
        const json_node *second = json_next(e, *text);
        if (!json_double(second, number) || !(*number >= 0) || !isfinite(*number))
            FAIL(GLIMPSE_E_FORMAT, "%s: the second value of element %d is no number from 0", name, i);
    }
    if ((*text)->kind != JSON_STRING)
        FAIL(GLIMPSE_E_FORMAT, "%s: element %d is no phrase\nhint: [[\"a testament to\", 0.05], ...] or [\"a testament to\", ...]",
             name, i);
    return GLIMPSE_OK;
}

/* ln of a factor raised to the strength. */
static double powered(double factor, double strength) {
    double by = strength == 0 ? 0 : strength * log(factor); /* of 0: -inf */
    return by < -60 ? -INFINITY : by;
}

/* The phrases (n), and behind them the patterns (n_patterns), of which only .p is set. */
static glimpse_status read_list(const char *name, const json_node *root, double strength, arena *a, entry **out, int32_t *n,
                                int32_t *n_patterns) {
    double number, most = 0;
    int32_t phrases = 0, patterns = 0;
    const json_node *text;
    int32_t i = 0;
    if (root->kind != JSON_ARRAY)
        FAIL(GLIMPSE_E_FORMAT, "%s: a list of phrases was expected\nhint: [[\"a testament to\", 0.05], ...] or [\"a testament to\", ...]",
             name);
    entry *list = arena_alloc(a, (size_t)root->n * sizeof *list + 1);
    if (!list) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for %u phrases", name, root->n);
    for (const json_node *e = json_first(root); e; e = json_next(root, e), i++) {
        if (e->kind == JSON_OBJECT) continue;
        TRY(read_entry(name, e, i, &text, &number));
        if (number > most) most = number;
    }
    i = 0;
    for (const json_node *e = json_first(root); e; e = json_next(root, e), i++) {
        if (e->kind == JSON_OBJECT) continue;
        TRY(read_entry(name, e, i, &text, &number));
        double factor = powered(number >= 0 && most <= 1 ? number : 0, strength);
        if (factor == 0) continue;
        entry *x = &list[phrases];
        *x = (entry){ .p = { text->text, text->n, factor, NULL } };
        TRY(fold_entry(name, x, i, a));
        x->p.text = arena_text(a, text->text, text->n);
        if (!x->p.text) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for a phrase", name);
        phrases++;
    }
    i = 0;
    for (const json_node *e = json_first(root); e; e = json_next(root, e), i++) {
        if (e->kind != JSON_OBJECT) continue;
        if (patterns == MAX_PATTERNS) FAIL(GLIMPSE_E_FORMAT, "%s: more than %d patterns", name, MAX_PATTERNS);
        entry *x = &list[phrases + patterns];
        *x = (entry){ .n = 0 };
        TRY(read_pattern(name, e, i, a, &x->p, &number));
        x->p.log_factor = powered(number, strength);
        if (x->p.log_factor != 0) patterns++;
    }
    *out = list;
    *n = phrases;
    *n_patterns = patterns;
    return GLIMPSE_OK;
}

/* === The automaton =============================================================================================== */

static int32_t child(const phrase_list *l, int32_t node, unsigned char b) {
    int32_t low = l->first[node], high = l->first[node + 1];
    while (low < high) {
        int32_t mid = low + (high - low) / 2;
        if (l->byte[mid] < b) low = mid + 1;
        else high = mid;
    }
    return low < l->first[node + 1] && l->byte[low] == b ? low : 0;
}

static int32_t step(const phrase_list *l, int32_t node, unsigned char b) {
    while (node) {
        int32_t to = child(l, node, b);
        if (to) return to;
        node = l->fail[node];
    }
    return l->root[b];
}

/* Nodes 0 .. of the sorted entries e (n): node i holds those of lo[i] .. hi[i] - 1, which agree in its depth first bytes. */
static void grow(phrase_list *l, const entry *e, int32_t *lo, int32_t *hi) {
    lo[0] = 0;
    hi[0] = l->n;
    l->n_nodes = 1;
    for (int32_t i = 0; i < l->n_nodes; i++) {
        int32_t at = lo[i], d = l->depth[i];
        l->first[i] = l->n_nodes;
        l->ends[i] = -1;
        if (i && e[at].n == (size_t)d) l->ends[i] = at++;
        while (at < hi[i]) {
            int32_t from = at, to = l->n_nodes++;
            while (at < hi[i] && e[at].folded[d] == e[from].folded[d]) at++;
            lo[to] = from;
            hi[to] = at;
            l->depth[to] = d + 1;
            l->byte[to] = e[from].folded[d];
            if (!i) l->root[l->byte[to]] = to;
        }
        l->first[i + 1] = l->n_nodes;
    }
    for (int32_t i = 0; i < l->n_nodes; i++) /* shorter ones come first: what a fail leads to is known */
        for (int32_t c = l->first[i]; c < l->first[i + 1]; c++) {
            l->fail[c] = i ? step(l, l->fail[i], l->byte[c]) : 0;
            l->next_end[c] = l->ends[l->fail[c]] >= 0 ? l->fail[c] : l->next_end[l->fail[c]];
        }
}

glimpse_status phrases_parse(const char *name, char *json, size_t n, double strength, arena *a, phrase_list **out) {
    glimpse_status st = GLIMPSE_OK;
    json_tree tree = {0};
    entry *e = NULL;
    int32_t *range = NULL, count = 0, unique = 0, patterns = 0;
    TRY_GOTO(json_parse(name, json, n, 4, &tree));
    TRY_GOTO(read_list(name, &tree.nodes[0], strength, a, &e, &count, &patterns));
    if (count) qsort(e, (size_t)count, sizeof *e, by_folded);
    size_t nodes = 1;
    for (int32_t i = 0; i < count; i++) {
        nodes += e[i].n;
        if (unique && !by_folded(&e[unique - 1], &e[i])) {
            if (e[i].p.log_factor < e[unique - 1].p.log_factor) e[unique - 1].p.log_factor = e[i].p.log_factor;
        } else e[unique++] = e[i];
    }
    phrase_list *l = arena_alloc(a, sizeof *l);
    range = calloc(2 * nodes, sizeof *range);
    if (!l || !range || nodes > INT32_MAX / 2) FAIL_GOTO(GLIMPSE_E_MEMORY, "%s: no memory for %d phrases", name, count);
    l->n = unique;
    l->n_patterns = patterns;
    l->p = arena_alloc(a, ((size_t)unique + (size_t)patterns) * sizeof *l->p + 1);
    l->first = arena_alloc(a, (nodes + 1) * sizeof *l->first);
    l->fail = arena_alloc(a, nodes * sizeof *l->fail);
    l->ends = arena_alloc(a, nodes * sizeof *l->ends);
    l->next_end = arena_alloc(a, nodes * sizeof *l->next_end);
    l->depth = arena_alloc(a, nodes * sizeof *l->depth);
    l->byte = arena_alloc(a, nodes);
    if (!l->p || !l->first || !l->fail || !l->ends || !l->next_end || !l->depth || !l->byte)
        FAIL_GOTO(GLIMPSE_E_MEMORY, "%s: no memory for %d phrases", name, unique);
    for (int32_t i = 0; i < unique; i++) l->p[i] = e[i].p;
    for (int32_t i = 0; i < patterns; i++) l->p[unique + i] = e[count + i].p;
    grow(l, e, range, range + nodes);
    *out = l;
out:
    free(range);
    json_free(&tree);
    return st;
}

glimpse_status phrases_read(const char *path, double strength, arena *a, phrase_list **out) {
    buffer text = {0};
    glimpse_status st = file_read_all(path, MAX_BYTES, &text);
    if (st >= 0) buf_putc(&text, '\n');
    if (st >= 0 && buf_failed(&text)) st = status_set_text(GLIMPSE_E_MEMORY, "no memory for a list of phrases");
    if (st >= 0) st = phrases_parse(path, text.bytes, text.n, strength, a, out);
    buf_free(&text);
    return st;
}

int32_t phrases_count(const phrase_list *l) { return l->n + l->n_patterns; }
int32_t phrases_patterns(const phrase_list *l) { return l->n_patterns; }
const phrase *phrases_at(const phrase_list *l, int32_t i) { return &l->p[i]; }

/* === The search ================================================================================================== */

typedef struct search {
    const phrase_list *l;
    phrase_state *states;
    int32_t k;            /* the token that is read */
    int32_t node, folded; /* the state now; folded bytes read */
    phrase_found found;
    void *user;
} search;

/* The token in which folded byte `at` of the text begins. */
static int32_t token_of(const phrase_state *states, int32_t k, int32_t at) {
    while (k > 0 && states[k].folded_end > at) k--;
    return states[k].n_held && states[k].folded_end == at ? states[k].from : k;
}

/* One folded character (n bytes). */
static bool take(search *s, const char *c, int n) {
    s->folded += n;
    for (int i = 0; i < n; i++) s->node = step(s->l, s->node, (unsigned char)c[i]);
    for (int32_t e = s->l->ends[s->node] >= 0 ? s->node : s->l->next_end[s->node]; e; e = s->l->next_end[e]) {
        phrase_match m = { s->l->ends[e], token_of(s->states, s->k, s->folded - s->l->depth[e]) };
        if (s->found(s->user, &m)) return true;
    }
    return false;
}

bool phrases_feed(const phrase_list *l, phrase_state *states, int32_t k, const char *bytes, size_t n,
                  phrase_found found, void *user) {
    phrase_state at = states[k];
    search s = { l, states, k, at.node, at.folded_end, found, user };
    bool stopped = false;
    char c[4];
    int m;
    size_t i = 0;
    while (!stopped && (at.n_held || i < n)) {
        if (!at.n_held && (unsigned char)bytes[i] < 0x80) { /* by far the most */
            c[0] = (char)phrases_fold((unsigned char)bytes[i++]);
            stopped = take(&s, c, 1);
            continue;
        }
        size_t took = at.n_held ? fold_next((const char *)at.held, (size_t)at.n_held, false, c, &m) : 0;
        if (took) {
            stopped = take(&s, c, m);
            at.n_held -= (int32_t)took;
            memmove(at.held, at.held + took, (size_t)at.n_held);
            if ((size_t)at.n_held <= i) at.from = k;
        } else {
            if (i == n) break;
            if (!at.n_held) at.from = k;
            at.held[at.n_held++] = (unsigned char)bytes[i++];
        }
    }
    states[k + 1] = at;
    states[k + 1].node = s.node;
    states[k + 1].folded_end = s.folded;
    return stopped;
}

int32_t phrases_open_from(const phrase_list *l, const phrase_state *states, int32_t k) {
    const phrase_state *s = &states[k];
    int32_t from = s->n_held ? s->from : k;
    if (s->node) { /* it begins in a token before k */
        int32_t token = token_of(states, k, s->folded_end - l->depth[s->node]);
        if (token < from) from = token;
    }
    return from;
}
