/* json_steps.c -- reading the steps of json_steps.h; running them is in json_pieces.c. */
#include "sampling/tokenizer/json_steps.h"

#include <stdlib.h>
#include <string.h>

#include "sampling/tokenizer/json_regex.h"

enum { MAX_STEPS = 64 };

static glimpse_status add(const char *name, json_steps *s, json_step step) {
    if (s->n >= MAX_STEPS)
        FAIL(GLIMPSE_E_FORMAT, "%s: more than %d normalizers and pre-tokenizers", name, (int)MAX_STEPS);
    if (s->byte_level) FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pre-tokenizer after ByteLevel is not known", name);
    if (s->n == s->cap) {
        json_step *grown = realloc(s->steps, (size_t)(s->cap + 8) * sizeof *grown);
        if (!grown) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
        s->steps = grown, s->cap += 8;
    }
    s->steps[s->n++] = step;
    return GLIMPSE_OK;
}

static bool flag(const json_node *node, const char *key, bool fallback) {
    const json_node *v = json_get(node, key);
    return v && (v->kind == JSON_TRUE || v->kind == JSON_FALSE) ? v->kind == JSON_TRUE : fallback;
}

static glimpse_status copy_text(const char *name, const json_node *v, const char *what, char **text, size_t *n) {
    if (!v || v->kind != JSON_STRING) FAIL(GLIMPSE_E_FORMAT, "%s: %s is no text", name, what);
    if (!(*text = malloc((size_t)v->n + 1))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    if (v->n) memcpy(*text, v->text, v->n);
    (*text)[v->n] = 0;
    *n = v->n;
    return GLIMPSE_OK;
}

static glimpse_status unknown(const char *name, const char *what, const json_node *node) {
    const json_node *type = json_get(node, "type");
    if (!type || type->kind != JSON_STRING) FAIL(GLIMPSE_E_FORMAT, "%s: a %s without type", name, what);
    FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the %s %.*s is not known", name, what, type->n < 60 ? (int)type->n : 60,
         type->text);
}

/* {"String": text} or {"Regex": pattern} */
static glimpse_status matcher(const char *name, const json_node *pattern, json_step *s) {
    const json_node *literal = json_get(pattern, "String"), *regex = json_get(pattern, "Regex");
    if (pattern && pattern->kind == JSON_STRING) literal = pattern;
    if (literal) {
        s->match = MATCH_TEXT;
        TRY(copy_text(name, literal, "a pattern", &s->text, &s->text_n));
        if (!s->text_n) FAIL(GLIMPSE_E_FORMAT, "%s: an empty pattern", name);
        return GLIMPSE_OK;
    }
    if (!regex || regex->kind != JSON_STRING) FAIL(GLIMPSE_E_FORMAT, "%s: a pattern is neither String nor Regex", name);
    return regex_matcher(name, regex->text, regex->n, s);
}

static void drop(json_step *s) {
    free(s->text);
    free(s->content);
    regex_free(s);
}

static glimpse_status add_or_drop(const char *name, json_steps *steps, json_step *s, glimpse_status st) {
    if (st >= 0) st = add(name, steps, *s);
    if (st < 0) drop(s);
    return st;
}

static glimpse_status sequence(const char *name, const json_node *list, json_steps *s, const char *what,
                               glimpse_status (*one)(const char *, const json_node *, json_steps *)) {
    if (!list || list->kind != JSON_ARRAY) FAIL(GLIMPSE_E_FORMAT, "%s: a Sequence of %ss without list", name, what);
    for (const json_node *m = json_first(list); m; m = json_next(list, m)) {
        if (json_is_text(json_get(m, "type"), "Sequence"))
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a Sequence in a Sequence is not known", name);
        TRY(one(name, m, s));
    }
    return GLIMPSE_OK;
}

glimpse_status steps_add_normalizer(const char *name, const json_node *node, json_steps *steps) {
    static const struct {
        const char *type;
        step_kind kind;
    } plain[] = {
        {"NFC", STEP_NFC}, {"NFD", STEP_NFD}, {"NFKC", STEP_NFKC}, {"NFKD", STEP_NFKD}, {"Lowercase", STEP_LOWERCASE}};
    json_step s = {0};
    if (!node || node->kind == JSON_NULL) return GLIMPSE_OK;
    const json_node *type = json_get(node, "type");
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (json_is_text(type, plain[i].type)) return add(name, steps, (json_step){.kind = plain[i].kind});
    if (json_is_text(type, "Sequence"))
        return sequence(name, json_get(node, "normalizers"), steps, "normalizer", steps_add_normalizer);
    if (json_is_text(type, "Strip"))
        return add(name, steps,
                   (json_step){.kind = STEP_STRIP,
                               .left = flag(node, "strip_left", true),
                               .right = flag(node, "strip_right", true)});
    if (json_is_text(type, "Prepend")) {
        s.kind = STEP_PREPEND;
        return add_or_drop(name, steps, &s,
                           copy_text(name, json_get(node, "prepend"), "Prepend's text", &s.text, &s.text_n));
    }
    if (json_is_text(type, "Replace")) {
        s.kind = STEP_REPLACE;
        glimpse_status st = matcher(name, json_get(node, "pattern"), &s);
        if (st >= 0) st = copy_text(name, json_get(node, "content"), "Replace's content", &s.content, &s.content_n);
        return add_or_drop(name, steps, &s, st);
    }
    return unknown(name, "normalizer", node);
}

static glimpse_status add_regex(const char *name, json_steps *steps, const char *pattern, split_behavior behavior,
                                bool invert) {
    json_step s = {.kind = STEP_SPLIT, .behavior = behavior, .invert = invert};
    return add_or_drop(name, steps, &s, regex_matcher(name, pattern, strlen(pattern), &s));
}

static bool behavior_of(const json_node *v, split_behavior *out) {
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    for (int i = 0; i < 5; i++)
        if (json_is_text(v, names[i])) {
            *out = (split_behavior)i;
            return true;
        }
    return false;
}

static glimpse_status metaspace(const char *name, const json_node *node, json_steps *steps) {
    json_step s = {.kind = STEP_METASPACE, .prepend = 2, .split = flag(node, "split", true)};
    const json_node *scheme = json_get(node, "prepend_scheme"), *replacement = json_get(node, "replacement");
    if (json_is_text(scheme, "never") || (!scheme && !flag(node, "add_prefix_space", true))) s.prepend = 0;
    else if (json_is_text(scheme, "first")) s.prepend = 1;
    else if (scheme && !json_is_text(scheme, "always"))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: Metaspace: an unknown prepend_scheme", name);
    glimpse_status st = copy_text(name, replacement, "Metaspace's replacement", &s.text, &s.text_n);
    if (st >= 0 && !s.text_n)
        st = status_fail(GLIMPSE_E_FORMAT, __FILE__, __LINE__, "%s: Metaspace's replacement is empty", name);
    return add_or_drop(name, steps, &s, st);
}

/* \w of the regex engine there: letters, marks, digits, connectors, other alphabetic signs, joiners. */
#define WORD                                                                                                           \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{"    \
    "1f189}\\x{200c}\\x{200d}"
#define PUNCTUATION "[\\p{P}!-/:-@\\[-`{-~]"

glimpse_status steps_add_pretokenizer(const char *name, const json_node *node, json_steps *steps) {
    json_step s = {.kind = STEP_SPLIT};
    if (!node || node->kind == JSON_NULL) return GLIMPSE_OK;
    const json_node *type = json_get(node, "type");
    if (json_is_text(type, "Sequence"))
        return sequence(name, json_get(node, "pretokenizers"), steps, "pre-tokenizer", steps_add_pretokenizer);
    if (json_is_text(type, "ByteLevel")) {
        /* The blank goes before the split, the bytes after it. */
        bool blank = flag(node, "add_prefix_space", true);
        if (blank) TRY(add(name, steps, (json_step){.kind = STEP_BYTE_LEVEL, .prefix_blank = true}));
        if (flag(node, "use_regex", true)) TRY(add(name, steps, (json_step){.kind = STEP_SPLIT, .match = MATCH_GPT2}));
        steps->byte_level = true;
        return GLIMPSE_OK;
    }
    if (json_is_text(type, "Metaspace")) return metaspace(name, node, steps);
    if (json_is_text(type, "Whitespace"))
        return add_regex(name, steps, "[" WORD "]+|[^" WORD "\\s]+", SPLIT_REMOVED, true);
    if (json_is_text(type, "WhitespaceSplit")) return add_regex(name, steps, "\\s", SPLIT_REMOVED, false);
    if (json_is_text(type, "BertPreTokenizer")) {
        TRY(add_regex(name, steps, "\\s", SPLIT_REMOVED, false));
        return add_regex(name, steps, PUNCTUATION, SPLIT_ISOLATED, false);
    }
    if (json_is_text(type, "Digits"))
        return add_regex(name, steps, "\\p{N}",
                         flag(node, "individual_digits", false) ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS, false);
    if (json_is_text(type, "Punctuation")) {
        split_behavior b = SPLIT_ISOLATED;
        const json_node *v = json_get(node, "behavior");
        if (v && !behavior_of(v, &b)) FAIL(GLIMPSE_E_UNSUPPORTED, "%s: Punctuation: an unknown behavior", name);
        return add_regex(name, steps, PUNCTUATION, b, false);
    }
    if (json_is_text(type, "CharDelimiterSplit")) {
        s.behavior = SPLIT_REMOVED;
        return add_or_drop(name, steps, &s,
                           copy_text(name, json_get(node, "delimiter"), "a delimiter", &s.text, &s.text_n));
    }
    if (!json_is_text(type, "Split")) return unknown(name, "pre-tokenizer", node);
    if (!behavior_of(json_get(node, "behavior"), &s.behavior))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: Split: an unknown behavior", name);
    s.invert = flag(node, "invert", false);
    return add_or_drop(name, steps, &s, matcher(name, json_get(node, "pattern"), &s));
}

void steps_free(json_steps *s) {
    for (int i = 0; i < s->n; i++) drop(&s->steps[i]);
    free(s->steps);
    *s = (json_steps){0};
}
