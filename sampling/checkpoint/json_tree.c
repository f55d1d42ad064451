/* json_tree.c -- see json_tree.h.  One pass; the open containers are a stack of node numbers. */
#include "sampling/checkpoint/json_tree.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/buffer.h"
#include "include/internal/utf8.h"

enum { MAX_DEPTH = 64, SMALL_OBJECT = 8 };

typedef struct parser {
    const char *name;
    char *text;
    size_t n, at;
    json_node *nodes;
    uint32_t n_nodes, cap;
} parser;

static void skip_blanks(parser *p) {
    while (p->at < p->n && strchr(" \t\r\n", p->text[p->at]) && p->text[p->at]) p->at++;
}

static glimpse_status unexpected(const parser *p, const char *expected) {
    if (p->at >= p->n) FAIL(GLIMPSE_E_FORMAT, "%s: the JSON ends at byte %zu, expected %s", p->name, p->n, expected);
    FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of the JSON is 0x%02x, expected %s", p->name, p->at,
         (unsigned char)p->text[p->at], expected);
}

static glimpse_status new_node(parser *p, json_kind kind, uint32_t *index) {
    if (p->n_nodes == p->cap) {
        /* A value that is whole takes a byte and a separator at least; one that is still open may have one byte alone. */
        size_t most = p->n / 2 + 2 + MAX_DEPTH, cap = p->cap ? 2 * (size_t)p->cap : 64;
        if (cap > most) cap = most;
        if (cap <= p->cap) return unexpected(p, "fewer values");
        json_node *grown = realloc(p->nodes, cap * sizeof *grown);
        if (!grown) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for its JSON", p->name);
        p->nodes = grown, p->cap = (uint32_t)cap;
    }
    *index = p->n_nodes++;
    p->nodes[*index] = (json_node){.kind = kind, .span = 1};
    return GLIMPSE_OK;
}

/* Four hexadecimal digits at p->at. */
static bool hex4(parser *p, uint32_t *out) {
    uint32_t v = 0;
    if (p->n - p->at < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = p->text[p->at + (size_t)i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) return false;
        v = v << 4 | (uint32_t)d;
    }
    p->at += 4;
    *out = v;
    return true;
}

/* What follows a backslash, to *to. */
static glimpse_status escape(parser *p, char **to) {
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    uint32_t cp, low;
    if (p->at >= p->n) return unexpected(p, "an escape");
    const char *known = p->text[p->at] ? strchr(from, p->text[p->at]) : NULL;
    if (known) {
        *(*to)++ = into[known - from];
        p->at++;
        return GLIMPSE_OK;
    }
    if (p->text[p->at] != 'u') return unexpected(p, "an escape");
    p->at++;
    if (!hex4(p, &cp)) return unexpected(p, "four hexadecimal digits");
    if (cp >= 0xd800 && cp < 0xdc00) {
        if (p->n - p->at < 2 || p->text[p->at] != '\\' || p->text[p->at + 1] != 'u')
            return unexpected(p, "the second half of a surrogate pair");
        p->at += 2;
        if (!hex4(p, &low) || low < 0xdc00 || low > 0xdfff) return unexpected(p, "the second half of a surrogate pair");
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
    } else if (cp >= 0xdc00 && cp < 0xe000) return unexpected(p, "no surrogate without its first half");
    *to += utf8_encode(cp, *to);
    return GLIMPSE_OK;
}

/* The string whose opening quote is at p->at, decoded in place: never longer than it was written. */
static glimpse_status string(parser *p, const char **text, uint32_t *bytes) {
    char *start = p->text + ++p->at, *to = start;
    for (;;) {
        char *here = p->text + p->at;
        size_t run = 0, left = p->n - p->at;
        while (run < left && here[run] != '"' && here[run] != '\\' && (unsigned char)here[run] >= 32) run++;
        if (to != here) memmove(to, here, run);
        to += run;
        p->at += run;
        if (p->at >= p->n) return unexpected(p, "the end of a string");
        if (p->text[p->at] == '"') break;
        if (p->text[p->at] != '\\') return unexpected(p, "no control character in a string");
        p->at++;
        TRY(escape(p, &to));
    }
    p->at++;
    if ((size_t)(to - start) > UINT32_MAX) FAIL(GLIMPSE_E_FORMAT, "%s: a string of more than 4 GB", p->name);
    *text = start, *bytes = (uint32_t)(to - start);
    return GLIMPSE_OK;
}

static size_t digits(const parser *p, size_t at) {
    size_t n = 0;
    while (at + n < p->n && p->text[at + n] >= '0' && p->text[at + n] <= '9') n++;
    return n;
}

static glimpse_status number(parser *p, uint32_t node) {
    size_t start = p->at, at = p->at, d;
    if (p->text[at] == '-') at++;
    d = digits(p, at);
    if (!d || (d > 1 && p->text[at] == '0')) return unexpected(p, "a value");
    at += d;
    if (at < p->n && p->text[at] == '.') {
        if (!(d = digits(p, at + 1))) return unexpected(p, "a number with digits after its point");
        at += 1 + d;
    }
    if (at < p->n && (p->text[at] == 'e' || p->text[at] == 'E')) {
        at++;
        if (at < p->n && (p->text[at] == '+' || p->text[at] == '-')) at++;
        if (!(d = digits(p, at))) return unexpected(p, "a number with an exponent");
        at += d;
    }
    if (at - start > 512) return unexpected(p, "a number of less than 512 digits");
    p->nodes[node].text = p->text + start, p->nodes[node].n = (uint32_t)(at - start);
    p->at = at;
    return GLIMPSE_OK;
}

static bool word(parser *p, const char *w) {
    size_t n = strlen(w);
    if (p->n - p->at < n || memcmp(p->text + p->at, w, n)) return false;
    p->at += n;
    return true;
}

/* `seed`: where the table lies, which no file knows: keys that were chosen to meet in one place would take for ever. */
static uint64_t key_hash(const json_node *m, uintptr_t seed) {
    uint64_t h = 0xcbf29ce484222325u ^ seed;
    for (uint32_t i = 0; i < m->key_n; i++) h = (h ^ (unsigned char)m->key[i]) * 0x100000001b3u;
    return (h ^ h >> 29) * 0x9e3779b97f4a7c15u >> 20;
}

static bool same_key(const json_node *a, const json_node *b) {
    return a->key_n == b->key_n && !memcmp(a->key, b->key, a->key_n);
}

static glimpse_status duplicate(const parser *p, const json_node *m) {
    FAIL(GLIMPSE_E_FORMAT, "%s: the key \"%.*s\" is there twice", p->name, m->key_n < 100 ? (int)m->key_n : 100,
         m->key);
}

/* A reader that takes the first of two equal keys and one that takes the last would see different files. */
static glimpse_status refuse_duplicates(const parser *p, uint32_t object) {
    const json_node *o = &p->nodes[object];
    if (o->n <= SMALL_OBJECT) {
        for (const json_node *a = json_first(o); a; a = json_next(o, a))
            for (const json_node *b = json_next(o, a); b; b = json_next(o, b))
                if (same_key(a, b)) return duplicate(p, a);
        return GLIMPSE_OK;
    }
    size_t slots = 16;
    while (slots < 2 * (size_t)o->n) slots *= 2;
    const json_node **table = calloc(slots, sizeof *table);
    if (!table) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for its JSON", p->name);
    glimpse_status st = GLIMPSE_OK;
    for (const json_node *m = json_first(o); m && st >= 0; m = json_next(o, m)) {
        size_t i = (size_t)key_hash(m, (uintptr_t)table) & (slots - 1);
        while (table[i] && !same_key(table[i], m)) i = (i + 1) & (slots - 1);
        if (table[i]) st = duplicate(p, m);
        table[i] = m;
    }
    free(table);
    return st;
}

static glimpse_status scalar(parser *p, uint32_t node) {
    json_node *v = &p->nodes[node];
    if (p->text[p->at] == '"') {
        v->kind = JSON_STRING;
        return string(p, &v->text, &v->n);
    }
    v->kind = JSON_NUMBER;
    if (word(p, "true")) v->kind = JSON_TRUE;
    else if (word(p, "false")) v->kind = JSON_FALSE;
    else if (word(p, "null")) v->kind = JSON_NULL;
    else return number(p, node);
    return GLIMPSE_OK;
}

static glimpse_status parse_all(parser *p, int max_depth) {
    uint32_t open[MAX_DEPTH], node = 0;
    int depth = 0;
    for (;;) { /* a value is expected */
        const char *key = NULL;
        uint32_t key_n = 0;
        skip_blanks(p);
        if (depth && p->nodes[open[depth - 1]].kind == JSON_OBJECT) {
            if (p->at >= p->n || p->text[p->at] != '"') return unexpected(p, "a key in quotes");
            TRY(string(p, &key, &key_n));
            skip_blanks(p);
            if (p->at >= p->n || p->text[p->at] != ':') return unexpected(p, "a colon");
            p->at++;
            skip_blanks(p);
        }
        if (p->at >= p->n) return unexpected(p, "a value");
        char c = p->text[p->at];
        TRY(new_node(p, c == '{' ? JSON_OBJECT : JSON_ARRAY, &node));
        p->nodes[node].key = key, p->nodes[node].key_n = key_n;
        if (depth) p->nodes[open[depth - 1]].n++;
        bool opened = c == '{' || c == '[';
        if (opened) {
            if (depth >= max_depth)
                FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu: nested more than %d deep", p->name, p->at, max_depth);
            open[depth++] = node;
            p->at++;
            skip_blanks(p);
            bool empty = p->at < p->n && p->text[p->at] == (c == '{' ? '}' : ']');
            if (!empty) continue;
        } else TRY(scalar(p, node));
        for (;;) { /* what follows a value */
            skip_blanks(p);
            if (!depth) return GLIMPSE_OK;
            json_node *in = &p->nodes[open[depth - 1]];
            char close = in->kind == JSON_OBJECT ? '}' : ']';
            if (p->at < p->n && p->text[p->at] == ',' && in->n) {
                p->at++;
                break;
            }
            if (p->at >= p->n || p->text[p->at] != close)
                return unexpected(p, close == '}' ? "a comma or }" : "a comma or ]");
            p->at++;
            in->span = p->n_nodes - open[depth - 1];
            if (close == '}') TRY(refuse_duplicates(p, open[depth - 1]));
            depth--;
        }
    }
}

glimpse_status json_parse(const char *name, char *text, size_t n, int max_depth, json_tree *out) {
    parser p = {.name = name, .text = text, .n = n};
    if (max_depth > MAX_DEPTH) max_depth = MAX_DEPTH;
    if (n >= UINT32_MAX) FAIL(GLIMPSE_E_FORMAT, "%s: %zu bytes of JSON, less than 4 GB are read", name, n);
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) p.at = 3; /* a byte order mark, which editors on Windows write */
    if (!utf8_valid(text, n)) FAIL(GLIMPSE_E_FORMAT, "%s: the JSON is no valid UTF-8", name);
    glimpse_status st = parse_all(&p, max_depth);
    if (st >= 0 && p.at < n) st = unexpected(&p, "the end of the JSON");
    if (st < 0) {
        free(p.nodes);
        return st;
    }
    *out = (json_tree){p.nodes, p.n_nodes};
    return GLIMPSE_OK;
}

void json_free(json_tree *t) {
    free(t->nodes);
    *t = (json_tree){0};
}

/* === Looking things up === */
const json_node *json_first(const json_node *c) { return c && c->kind >= JSON_ARRAY && c->n ? c + 1 : NULL; }

const json_node *json_next(const json_node *container, const json_node *m) {
    const json_node *next = m + m->span, *end = container + container->span;
    return next < end ? next : NULL;
}

const json_node *json_get(const json_node *object, const char *key) {
    if (!object || object->kind != JSON_OBJECT) return NULL;
    for (const json_node *m = json_first(object); m; m = json_next(object, m))
        if (json_key_is(m, key)) return m;
    return NULL;
}

bool json_is_text(const json_node *node, const char *text) {
    return node && node->kind == JSON_STRING && node->n == strlen(text) && !memcmp(node->text, text, node->n);
}

bool json_key_is(const json_node *m, const char *key) {
    return m->key && m->key_n == strlen(key) && !memcmp(m->key, key, m->key_n);
}

bool json_i64(const json_node *node, int64_t *out) {
    return node && node->kind == JSON_NUMBER && parse_i64(node->text, node->n, out);
}

bool json_double(const json_node *node, double *out) {
    return node && node->kind == JSON_NUMBER && parse_double(node->text, node->n, out);
}
