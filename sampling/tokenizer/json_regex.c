/* json_regex.c -- see json_regex.h.  A pattern is written anew for PCRE2 where the reference engine reads it otherwise:
 *
 *   both       \s is White_Space, PCRE2's has U+180E too; \w has marks and few superscripts; \h is a hexadecimal digit, \v
 *              one character; \p{Han} is Script; categories are of Unicode 16, PCRE2's tables may be older (that is left in
 *              \p{C}, in \P within a class and in what is no category)
 *   Oniguruma  ^ and $ stand at lines, (?m) means that a point takes line breaks too, a(?i)b|c is a(?i:b|c), a{1,3}+ is
 *              (a{1,3})+, a{2}? is (a{2})?, {,3} is {0,3}, and a match of no bytes counts
 * Matching is bounded: a pattern like (a+)+ ends in an error and not in a standstill. */
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include "sampling/tokenizer/json_regex.h"

#include <ctype.h>
#include <pcre2.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/unicode_classes.h"
#include "sampling/tokenizer/unicode_sets.h"

enum { MAX_PATTERN = 4096, MAX_GROUPS = 100, MATCH_LIMIT = 1000000, HEAP_LIMIT_KB = 16384 };

#define SPACES "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define CIRCLED "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
#define NEW_HAN "\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}" /* since Unicode 14 */

typedef struct rewriting {
    const char *name, *p; /* (n) */
    size_t n;
    bool ruby;            /* as Oniguruma has it */
    buffer *out;
    size_t atom;          /* where in `out` begins what a quantifier would repeat */
    size_t groups[MAX_GROUPS];
    int depth;
    int tails[MAX_GROUPS + 1]; /* what else ends with the group of a depth: of its (?i) */
} rewriting;

/* A general category, its one or two letters, as PCRE2 has it and what it gained since: for the inside of a class. */
static void put_category(const char *category, buffer *out) {
    size_t length = strlen(category);
    buf_printf(out, "\\p{%s}", category);
    for (int k = 0; k < n_unicode_news; k++)
        for (int r = 0; !strncmp(unicode_news[k].category, category, length) && r < unicode_news[k].n; r++)
            buf_printf(out, "\\x{%x}-\\x{%x}", (unsigned)unicode_news[k].ranges[r].low,
                       (unsigned)unicode_news[k].ranges[r].high);
}

/* \w: outside of a class Oniguruma's also has the superscripts and fractions of Latin-1; Rust's has the two joiners. */
static void put_word(bool ruby, bool in_class, buffer *out) {
    static const char *const categories[] = {"L", "M", "Nd", "Nl", "Pc"};
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) put_category(categories[i], out);
    buf_puts(out, CIRCLED);
    if (!ruby) buf_puts(out, "\\x{200c}\\x{200d}");
    else if (!in_class) buf_puts(out, "\\xb2\\xb3\\xb9\\xbc-\\xbe");
}

static bool is_script(const char *name, size_t n) {
    char pattern[64];
    int error = 0;
    PCRE2_SIZE where = 0;
    if (n > 40) return false;
    c_snprintf(pattern, sizeof pattern, "\\p{sc:%.*s}", (int)n, name);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &error, &where, NULL);
    pcre2_code_free(code);
    return code != NULL;
}

/* \p{...} at p[i] = 'p' or 'P'; *last is set to the place of its last character. */
static glimpse_status put_property(rewriting *w, size_t i, bool in_class, size_t *last) {
    const char *p = w->p, *name = p + i + 2;
    const char *end = i + 1 < w->n && p[i + 1] == '{' ? memchr(p + i, '}', w->n - i) : NULL;
    if (!end) FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern with \\%c and no {property} is not known", w->name, p[i]);
    size_t length = (size_t)(end - name);
    bool negative = (p[i] == 'P') != (*name == '^');
    if (*name == '^') name++, length--;
    bool category = length >= 1 && length <= 2, script = length > 2 && is_script(name, length);
    *last = (size_t)(end - p);
    if (!category && !script) { /* as it stands */
        buf_putc(w->out, '\\');
        buf_put(w->out, p + i, *last + 1 - i);
        return GLIMPSE_OK;
    }
    if (negative && in_class) {
        buf_printf(w->out, "\\P{%s%.*s}", script ? "sc:" : "", (int)length, name);
        return GLIMPSE_OK;
    }
    if (!in_class) buf_puts(w->out, negative ? "[^" : "[");
    if (category) put_category((const char[3]){name[0], length > 1 ? name[1] : 0, 0}, w->out);
    else buf_printf(w->out, "\\p{sc:%.*s}%s", (int)length, name, length == 3 && !memcmp(name, "Han", 3) ? NEW_HAN : "");
    if (!in_class) buf_putc(w->out, ']');
    return GLIMPSE_OK;
}

/* What an escape of a letter stands for, as the inside of a class; false: it means the same to all. */
static bool put_set(rewriting *w, char c, bool in_class) {
    switch (c) {
    case 's': buf_puts(w->out, SPACES); return true;
    case 'w': put_word(w->ruby, in_class, w->out); return true;
    case 'd': put_category("Nd", w->out); return true;
    case 'h': buf_puts(w->out, "0-9a-fA-F"); return true;
    case 'v': buf_puts(w->out, "\\x0b"); return true;
    default: return false;
    }
}

/* Of an escape, the bytes of its letter and of what belongs to it: x41, x{41}, 101, cA, k<name>.  0: an x alone. */
static size_t escape_bytes(const char *p, size_t n) {
    size_t k = 1;
    const char *open = n < 2 ? NULL : *p == 'x' ? memchr("{", p[1], 1) : *p == 'k' || *p == 'g' ? memchr("{<'", p[1], 3) : NULL;
    const char *end = open ? memchr(p + 2, *open == '{' ? '}' : *open == '<' ? '>' : '\'', n - 2) : NULL;
    if (end) return (size_t)(end + 1 - p);
    if (*p == 'c' && n > 1) return 2;
    if (*p == 'x') while (k < n && k < 3 && isxdigit((unsigned char)p[k])) k++;
    if (*p >= '0' && *p <= '9') while (k < n && k < 3 && p[k] >= '0' && p[k] <= '9') k++;
    return *p == 'x' && k == 1 ? 0 : k;
}

static glimpse_status put_escape(rewriting *w, size_t *at, bool in_class) {
    char c = w->p[++*at];
    if (c == 'p' || c == 'P') return put_property(w, *at, in_class, at);
    bool negative = c == 'S' || c == 'W' || c == 'D' || c == 'H';
    size_t bytes = escape_bytes(w->p + *at, w->n - *at);
    if ((negative && in_class && c != 'D') || !bytes || strchr("RXGKCQEV", c))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern with \\%c%s is not known", w->name, c, negative ? " in a class" : "");
    if (!in_class && (c == 'b' || c == 'B')) { /* where \w begins or ends */
        buf_puts(w->out, c == 'b' ? "(?:(?<=[" : "(?:(?<![");
        put_word(w->ruby, false, w->out), buf_puts(w->out, "])(?!["), put_word(w->ruby, false, w->out);
        buf_puts(w->out, c == 'b' ? "])|(?<![" : "])|(?<=[");
        put_word(w->ruby, false, w->out), buf_puts(w->out, "])(?=["), put_word(w->ruby, false, w->out);
        buf_puts(w->out, "]))");
        return GLIMPSE_OK;
    }
    if (!in_class && (negative || strchr("swdhv", c))) {
        buf_puts(w->out, negative ? "[^" : "[");
        put_set(w, negative ? (char)(c | 32) : c, false);
        buf_putc(w->out, ']');
    } else if (!in_class || !put_set(w, c, true)) {
        buf_putc(w->out, '\\');
        buf_put(w->out, w->p + *at, bytes);
        *at += bytes - 1;
    }
    return GLIMPSE_OK;
}

static glimpse_status put_class(rewriting *w, size_t *at) {
    const char *p = w->p;
    size_t i = *at;
    buf_putc(w->out, '[');
    if (i + 1 < w->n && p[i + 1] == '^') buf_putc(w->out, p[++i]);
    if (i + 1 < w->n && p[i + 1] == ']') buf_putc(w->out, p[++i]);
    for (i++; i < w->n; i++) {
        if (p[i] == '[') FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern with a class in a class is not known", w->name);
        if (p[i] == '&' && i + 1 < w->n && p[i + 1] == '&')
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern with && in a class is not known", w->name);
        if (p[i] == '\\' && i + 1 < w->n) {
            TRY(put_escape(w, &i, true));
            continue;
        }
        buf_putc(w->out, p[i]);
        if (p[i] == ']') break;
    }
    *at = i;
    return GLIMPSE_OK;
}

/* The group that begins at p[*at]; Oniguruma's option m is PCRE2's s, and a(?i)b|c its a(?i:b|c). */
static glimpse_status put_group(rewriting *w, size_t *at) {
    const char *p = w->p;
    size_t i = *at, end;
    if (w->depth == MAX_GROUPS)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern of more than %d groups in each other", w->name, (int)MAX_GROUPS);
    w->groups[w->depth++] = w->out->n;
    buf_putc(w->out, '(');
    if (!w->ruby || i + 2 >= w->n || p[i + 1] != '?') return GLIMPSE_OK;
    for (end = i + 2; end < w->n && strchr("imsxn-", p[end]); end++) {}
    if (end >= w->n || (p[end] != ':' && p[end] != ')')) return GLIMPSE_OK;
    buf_putc(w->out, '?');
    for (i += 2; i < end; i++) {
        if (p[i] == 's' || p[i] == 'n')
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern with the option (?%c) is not known", w->name, p[i]);
        buf_putc(w->out, p[i] == 'm' ? 's' : p[i]);
    }
    *at = end - 1;
    if (p[end] == ':') return GLIMPSE_OK;
    buf_putc(w->out, ':');
    w->tails[--w->depth]++;
    *at = end;
    return GLIMPSE_OK;
}

/* {2}, {1,3}, {2,} or {,3} at p[i]: its length, 0 = none of these. */
static size_t interval(const char *p, size_t n, size_t i, bool *fixed) {
    size_t at = i + 1, digits = 0;
    for (; at < n && p[at] >= '0' && p[at] <= '9'; at++) digits++;
    *fixed = at < n && p[at] == '}';
    if (at < n && p[at] == ',')
        for (at++; at < n && p[at] >= '0' && p[at] <= '9'; at++) digits++;
    return digits && at < n && p[at] == '}' ? at + 1 - i : 0;
}

static void put_interval(rewriting *w, size_t at, size_t length, bool fixed) {
    char next = at + length < w->n ? w->p[at + length] : 0;
    bool wrap = w->ruby && (next == '+' || (fixed && next == '?')); /* another quantifier of it all */
    if (wrap) {
        char *text = NULL;
        size_t n = w->out->n - w->atom;
        buf_puts(w->out, "(?:");
        if (w->out->failed) return;
        text = w->out->bytes + w->atom;
        memmove(text + 3, text, n);
        memcpy(text, "(?:", 3);
    }
    buf_puts(w->out, w->ruby && w->p[at + 1] == ',' ? "{0" : "{");
    buf_put(w->out, w->p + at + 1, length - 1);
    if (wrap) buf_putc(w->out, ')');
}

static void put_tails(rewriting *w) {
    for (; w->tails[w->depth]; w->tails[w->depth]--) buf_putc(w->out, ')');
}

static glimpse_status rewrite(rewriting *w) {
    for (size_t i = 0; i < w->n; i++) {
        char c = w->p[i];
        bool fixed;
        size_t length = c == '{' ? interval(w->p, w->n, i, &fixed) : 0;
        if (length) {
            put_interval(w, i, length, fixed);
            i += length - 1;
            continue;
        }
        if (c != '*' && c != '+' && c != '?') w->atom = w->out->n;
        if (c == ')') put_tails(w);
        if (c == '\\' && i + 1 < w->n) TRY(put_escape(w, &i, false));
        else if (c == '[') TRY(put_class(w, &i));
        else if (c == '(') TRY(put_group(w, &i));
        else buf_putc(w->out, c);
        if (c == ')' && w->depth) w->atom = w->groups[--w->depth];
        for (; ((unsigned char)c & 0x80) && i + 1 < w->n && ((unsigned char)w->p[i + 1] & 0xc0) == 0x80; i++)
            buf_putc(w->out, w->p[i + 1]); /* one character */
    }
    put_tails(w);
    return GLIMPSE_OK;
}

glimpse_status regex_matcher(const char *name, const char *pattern, size_t n, regex_dialect dialect, json_step *s) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    int error = 0;
    PCRE2_SIZE where = 0;
    s->ruby = dialect == REGEX_ONIGURUMA;
    if ((s->scan = pattern_scanner(pattern, n)) && !(s->ruby && memmem(pattern, n, "{1,3}+", 6))) {
        s->match = MATCH_SCAN;
        return GLIMPSE_OK;
    }
    if (n > MAX_PATTERN)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pattern of %zu bytes, at most %d are read", name, n, (int)MAX_PATTERN);
    TRY_GOTO(rewrite(&(rewriting){.name = name, .p = pattern, .n = n, .ruby = s->ruby, .out = &text}));
    if (buf_failed(&text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a pattern");
    s->match = MATCH_REGEX;
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | (s->ruby ? PCRE2_MULTILINE : PCRE2_DOLLAR_ENDONLY);
    s->regex = pcre2_compile((PCRE2_SPTR)buf_str(&text), text.n, options, &error, &where, NULL);
    if (!s->regex) {
        char why[128] = "";
        pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof why);
        FAIL_GOTO(GLIMPSE_E_UNSUPPORTED, "%s: the pattern \"%.*s\" is not taken: %s", name, n < 200 ? (int)n : 200,
                  pattern, why);
    }
    pcre2_jit_compile(s->regex, PCRE2_JIT_COMPLETE); /* without it the interpreter runs */
    s->regex_match = pcre2_match_data_create_from_pattern(s->regex, NULL);
    if (!s->regex_match) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a pattern");
out:
    buf_free(&text);
    return st;
}

/* 0 white space, 1 \w, 2 neither. */
static int word_kind(uint32_t cp) {
    if (cp == '_' || (cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z')) return 1;
    if (unicode_class_of(cp) == UNICODE_SPACE) return 0;
    return cp < 0x80 ? 2 : unicode_in(SET_WORD, cp) ? 1 : 2;
}

static bool is_in(const json_step *s, uint32_t cp) {
    return s->match == MATCH_SPACE ? unicode_class_of(cp) == UNICODE_SPACE
           : s->match == MATCH_SET ? unicode_in((unicode_set_id)s->set, cp)
                                   : word_kind(cp) != 0;
}

/* The first character of the set; of words, all that follow and are of its kind. */
static void next_of_set(const json_step *s, const char *text, size_t n, size_t from, size_t *at, size_t *bytes, bool *found) {
    uint32_t cp, then;
    for (int len; from < n; from += (size_t)len) {
        if ((len = utf8_decode(text + from, n - from, &cp)) <= 0) len = 1;
        if (!is_in(s, cp)) continue;
        *at = from, *bytes = (size_t)len, *found = true;
        if (s->match != MATCH_WORDS) return;
        while (from + *bytes < n && (len = utf8_decode(text + from + *bytes, n - from - *bytes, &then)) > 0 &&
               word_kind(then) == word_kind(cp))
            *bytes += (size_t)len;
        return;
    }
}

glimpse_status regex_next(const json_step *s, const char *text, size_t n, size_t from, bool after, size_t *at, size_t *bytes,
                          bool *found) {
    *found = false;
    if (s->match == MATCH_TEXT) {
        const char *p = from < n ? memmem(text + from, n - from, s->text, s->text_n) : NULL;
        if (p) *at = (size_t)(p - text), *bytes = s->text_n, *found = true;
        return GLIMPSE_OK;
    }
    if (s->match == MATCH_SCAN) {
        if (from >= n) return GLIMPSE_OK;
        *at = from, *found = true;
        *bytes = s->scan(text + from, n - from);
        return GLIMPSE_OK;
    }
    if (s->match != MATCH_REGEX) {
        next_of_set(s, text, n, from, at, bytes, found);
        return GLIMPSE_OK;
    }
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    if (!context) FAIL(GLIMPSE_E_MEMORY, "no memory for a pattern");
    pcre2_set_match_limit(context, MATCH_LIMIT);
    pcre2_set_heap_limit(context, HEAP_LIMIT_KB);
    int rc = 0;
    while (from <= n && n) {
        rc = pcre2_match(s->regex, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK | (s->ruby ? 0 : PCRE2_NOTEMPTY),
                         s->regex_match, context);
        if (rc < 0) break;
        const PCRE2_SIZE *o = pcre2_get_ovector_pointer(s->regex_match);
        if (o[1] >= o[0] && o[0] >= from && !(after && o[0] == from && o[1] == from)) {
            *at = o[0], *bytes = o[1] - o[0], *found = true;
            break;
        }
        from++;
        while (from < n && ((unsigned char)text[from] & 0xc0) == 0x80) from++;
        after = false;
    }
    pcre2_match_context_free(context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        FAIL(GLIMPSE_E_TOKENIZER, "the tokenizer's pattern needs too many steps for this text (PCRE2 error %d)", rc);
    return GLIMPSE_OK;
}

void regex_free(json_step *s) {
    pcre2_match_data_free(s->regex_match);
    pcre2_code_free(s->regex);
    s->regex = s->regex_match = NULL;
}
