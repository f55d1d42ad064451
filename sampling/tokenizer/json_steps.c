/* json_steps.c -- reading the steps of json_steps.h; running them is in json_pieces.c. */
#include "sampling/tokenizer/json_steps.h"

#include <stdlib.h>
#include <string.h>

#include "sampling/tokenizer/base64_text.h"
#include "sampling/tokenizer/json_fields.h"
#include "sampling/tokenizer/json_regex.h"
#include "sampling/tokenizer/pretokenize_gpt2.h"
#include "sampling/tokenizer/unicode_sets.h"

enum { MAX_STEPS = 64 };

static glimpse_status add(const char *name, json_steps *s, json_step step) {
    if (s->n >= MAX_STEPS)
        FAIL(GLIMPSE_E_FORMAT, "%s: more than %d normalizers and pre-tokenizers", name, (int)MAX_STEPS);
    if (s->n == s->cap) {
        json_step *grown = realloc(s->steps, (size_t)(s->cap + 8) * sizeof *grown);
        if (!grown) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
        s->steps = grown, s->cap += 8;
    }
    s->steps[s->n++] = step;
    return GLIMPSE_OK;
}

glimpse_status step_matcher(const char *name, const json_node *pattern, json_step *s) {
    const json_node *literal = json_get(pattern, "String"), *regex = json_get(pattern, "Regex");
    if (pattern && pattern->kind == JSON_STRING) literal = pattern;
    if (literal) {
        s->match = MATCH_TEXT;
        TRY(json_copy(name, literal, "a pattern", &s->text, &s->text_n));
        if (!s->text_n) FAIL(GLIMPSE_E_FORMAT, "%s: an empty pattern", name);
        return GLIMPSE_OK;
    }
    if (!regex || regex->kind != JSON_STRING) FAIL(GLIMPSE_E_FORMAT, "%s: a pattern is neither String nor Regex", name);
    return regex_matcher(name, regex->text, regex->n, REGEX_ONIGURUMA, s);
}

void step_free(json_step *s) {
    free(s->text);
    free(s->content);
    charsmap_free(&s->rules);
    regex_free(s);
}

static glimpse_status add_or_drop(const char *name, json_steps *steps, json_step *s, glimpse_status st) {
    if (st >= 0) st = add(name, steps, *s);
    if (st < 0) step_free(s);
    return st;
}

static glimpse_status sequence(const char *name, const json_node *list, json_steps *s, const char *what,
                               glimpse_status (*one)(const char *, const json_node *, json_steps *)) {
    if (!list || list->kind != JSON_ARRAY) FAIL(GLIMPSE_E_FORMAT, "%s: a Sequence of %ss without list", name, what);
    for (const json_node *m = json_first(list); m; m = json_next(list, m)) TRY(one(name, m, s));
    return GLIMPSE_OK;
}

static glimpse_status precompiled(const char *name, const json_node *v, json_step *s) {
    buffer rules = {0};
    glimpse_status st = GLIMPSE_OK;
    if (!v || v->kind == JSON_NULL) return GLIMPSE_OK;
    if (v->kind != JSON_STRING || (v->n && !base64_text(v->text, v->n, &rules)))
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: precompiled_charsmap is no base64", name);
    if (buf_failed(&rules)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the rules of normalisation");
    if (rules.n) TRY_GOTO(charsmap_open(name, rules.bytes, rules.n, &s->rules));
out:
    buf_free(&rules);
    return st;
}

glimpse_status steps_add_normalizer(const char *name, const json_node *node, json_steps *steps) {
    static const struct {
        const char *type;
        step_kind kind;
    } plain[] = {
        {"NFC", STEP_NFC}, {"NFD", STEP_NFD}, {"NFKC", STEP_NFKC}, {"NFKD", STEP_NFKD}, {"Lowercase", STEP_LOWERCASE},
        {"StripAccents", STEP_STRIP_ACCENTS}, {"Nmt", STEP_NMT}, {"ByteLevel", STEP_BYTE_MAP}};
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
                               .left = json_flag(node, "strip_left", true),
                               .right = json_flag(node, "strip_right", true)});
    if (json_is_text(type, "BertNormalizer")) {
        bool small = json_flag(node, "lowercase", true);
        return add(name, steps,
                   (json_step){.kind = STEP_BERT,
                               .clean = json_flag(node, "clean_text", true),
                               .chinese = json_flag(node, "handle_chinese_chars", true),
                               .accents = json_flag(node, "strip_accents", small),
                               .lowercase = small});
    }
    if (json_is_text(type, "Precompiled")) {
        s.kind = STEP_PRECOMPILED;
        return add_or_drop(name, steps, &s, precompiled(name, json_get(node, "precompiled_charsmap"), &s));
    }
    if (json_is_text(type, "Prepend")) {
        s.kind = STEP_PREPEND;
        return add_or_drop(name, steps, &s,
                           json_copy(name, json_get(node, "prepend"), "Prepend's text", &s.text, &s.text_n));
    }
    if (json_is_text(type, "Replace")) {
        s.kind = STEP_REPLACE;
        glimpse_status st = step_matcher(name, json_get(node, "pattern"), &s);
        if (st >= 0) st = json_copy(name, json_get(node, "content"), "Replace's content", &s.content, &s.content_n);
        return add_or_drop(name, steps, &s, st);
    }
    return json_unknown(name, "normalizer", node);
}

static glimpse_status add_set(const char *name, json_steps *steps, matcher_kind match, unicode_set_id set,
                              split_behavior behavior, bool invert) {
    return add(name, steps,
               (json_step){.kind = STEP_SPLIT, .match = match, .set = (int)set, .behavior = behavior, .invert = invert});
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
    json_step s = {.kind = STEP_METASPACE, .prepend = 2, .split = json_flag(node, "split", true)};
    const json_node *scheme = json_get(node, "prepend_scheme"), *replacement = json_get(node, "replacement");
    if (json_is_text(scheme, "never") || (!scheme && !json_flag(node, "add_prefix_space", true))) s.prepend = 0;
    else if (json_is_text(scheme, "first")) s.prepend = 1;
    else if (scheme && !json_is_text(scheme, "always"))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: Metaspace: an unknown prepend_scheme", name);
    glimpse_status st = json_copy(name, replacement, "Metaspace's replacement", &s.text, &s.text_n);
    if (st >= 0 && !s.text_n)
        st = status_fail(GLIMPSE_E_FORMAT, __FILE__, __LINE__, "%s: Metaspace's replacement is empty", name);
    return add_or_drop(name, steps, &s, st);
}

glimpse_status steps_add_pretokenizer(const char *name, const json_node *node, json_steps *steps) {
    json_step s = {.kind = STEP_SPLIT};
    if (!node || node->kind == JSON_NULL) return GLIMPSE_OK;
    const json_node *type = json_get(node, "type");
    if (json_is_text(type, "Sequence"))
        return sequence(name, json_get(node, "pretokenizers"), steps, "pre-tokenizer", steps_add_pretokenizer);
    if (json_is_text(type, "ByteLevel")) {
        if (json_flag(node, "add_prefix_space", true)) TRY(add(name, steps, (json_step){.kind = STEP_BLANK}));
        if (json_flag(node, "use_regex", true))
            TRY(add(name, steps, (json_step){.kind = STEP_SPLIT, .match = MATCH_SCAN, .scan = pretokenize_gpt2_next}));
        return add(name, steps, (json_step){.kind = STEP_BYTE_MAP});
    }
    if (json_is_text(type, "Metaspace")) return metaspace(name, node, steps);
    if (json_is_text(type, "Whitespace")) return add_set(name, steps, MATCH_WORDS, 0, SPLIT_REMOVED, true);
    if (json_is_text(type, "WhitespaceSplit")) return add_set(name, steps, MATCH_SPACE, 0, SPLIT_REMOVED, false);
    if (json_is_text(type, "BertPreTokenizer")) {
        TRY(add_set(name, steps, MATCH_SPACE, 0, SPLIT_REMOVED, false));
        return add_set(name, steps, MATCH_SET, SET_PUNCTUATION, SPLIT_ISOLATED, false);
    }
    if (json_is_text(type, "Digits"))
        return add_set(name, steps, MATCH_SET, SET_NUMERIC,
                       json_flag(node, "individual_digits", false) ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS, false);
    if (json_is_text(type, "Punctuation")) {
        split_behavior b = SPLIT_ISOLATED;
        const json_node *v = json_get(node, "behavior");
        if (v && !behavior_of(v, &b)) FAIL(GLIMPSE_E_UNSUPPORTED, "%s: Punctuation: an unknown behavior", name);
        return add_set(name, steps, MATCH_SET, SET_PUNCTUATION, b, false);
    }
    if (json_is_text(type, "UnicodeScripts")) return add(name, steps, (json_step){.kind = STEP_SCRIPTS});
    if (json_is_text(type, "FixedLength")) {
        int64_t length = 5;
        const json_node *v = json_get(node, "length");
        if (v && (!json_i64(v, &length) || length < 1))
            FAIL(GLIMPSE_E_FORMAT, "%s: FixedLength: length is no whole number above 0", name);
        return add(name, steps, (json_step){.kind = STEP_FIXED, .length = (size_t)length});
    }
    if (json_is_text(type, "CharDelimiterSplit")) {
        s.behavior = SPLIT_REMOVED;
        return add_or_drop(name, steps, &s,
                           json_copy(name, json_get(node, "delimiter"), "a delimiter", &s.text, &s.text_n));
    }
    if (!json_is_text(type, "Split")) return json_unknown(name, "pre-tokenizer", node);
    if (!behavior_of(json_get(node, "behavior"), &s.behavior))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: Split: an unknown behavior", name);
    s.invert = json_flag(node, "invert", false);
    return add_or_drop(name, steps, &s, step_matcher(name, json_get(node, "pattern"), &s));
}

void steps_free(json_steps *s) {
    for (int i = 0; i < s->n; i++) step_free(&s->steps[i]);
    free(s->steps);
    *s = (json_steps){0};
}
