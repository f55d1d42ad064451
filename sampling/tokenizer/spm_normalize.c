/* spm_normalize.c -- sentencepiece's normalizer (normalizer.cc): rules by the longest match, user-defined pieces untouched,
 * runs of blanks as one where the model asks for it, blanks as U+2581. */
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/spm_model.h"

#define BLANK "\xe2\x96\x81"

/* What the text begins with, normalised, and how many bytes of it that is. */
static const char *prefix(const spm *m, const byte_trie *user, const char *text, size_t n, size_t *length, size_t *used) {
    size_t bytes;
    if (user->n_nodes && trie_longest(user, text, n, &bytes) >= 0) {
        *length = *used = bytes;
        return text;
    }
    const char *to = charsmap_match(&m->rules, text, n, false, used);
    if (to) {
        *length = strlen(to);
        return to;
    }
    uint32_t cp;
    int len = utf8_decode(text, n, &cp);
    if (len <= 0) {
        *used = 1, *length = 3;
        return "\xef\xbf\xbd";
    }
    *length = *used = (size_t)len;
    return text;
}

static bool ends(const buffer *b, size_t from, const char *s, size_t n) {
    return b->n - from >= n && !memcmp(b->bytes + b->n - n, s, n);
}

void spm_normalize(const spm *m, const byte_trie *user, const char *text, size_t n, buffer *out) {
    size_t at = 0, length, used, from = out->n;
    const char *blank = m->escape ? BLANK : " ";
    size_t blank_n = strlen(blank);
    if (m->remove_extra)
        while (at < n) {
            const char *s = prefix(m, user, text + at, n - at, &length, &used);
            if (length != 1 || *s != ' ') break;
            at += used;
        }
    if (at == n) return;
    if (!m->suffix && m->dummy_prefix) buf_puts(out, blank);
    bool after_blank = m->remove_extra;
    while (at < n) {
        const char *s = prefix(m, user, text + at, n - at, &length, &used);
        while (after_blank && length && *s == ' ') s++, length--;
        for (size_t i = 0; i < length; i++)
            if (m->escape && s[i] == ' ') buf_puts(out, BLANK);
            else buf_putc(out, s[i]);
        if (length) after_blank = m->remove_extra && s[length - 1] == ' ';
        at += used;
    }
    if (buf_failed(out)) return;
    if (m->remove_extra)
        while (ends(out, from, blank, blank_n)) out->n -= blank_n;
    if (m->suffix && m->dummy_prefix) buf_puts(out, blank);
}
