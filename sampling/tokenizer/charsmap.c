/* charsmap.c -- see charsmap.h.  A unit: bit 8 has a value below it, bits 0-7 its label (bit 31 set in a value), bits 10-30
 * the offset, shifted by 8 if bit 9 is set (darts-clone, DoubleArrayUnit). */
#include "sampling/tokenizer/charsmap.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/kinds.h"
#include "sampling/tokenizer/unicode_categories.h"
#include "sampling/tokenizer/unicode_sets.h"

enum { CLUSTER_BYTES = 6 };

glimpse_status charsmap_open(const char *name, const char *bytes, size_t n, charsmap *m) {
    if (n < 4) FAIL(GLIMPSE_E_FORMAT, "%s: the rules of normalisation (precompiled_charsmap) have %zu bytes", name, n);
    uint32_t trie = u32_le(bytes);
    if (trie > n - 4 || trie % 4 || !trie)
        FAIL(GLIMPSE_E_FORMAT, "%s: precompiled_charsmap: an array of %u bytes in %zu", name, (unsigned)trie, n);
    m->n_units = trie / 4;
    m->n_texts = n - 4 - trie;
    if (!utf8_valid(bytes + 4 + trie, m->n_texts))
        FAIL(GLIMPSE_E_FORMAT, "%s: precompiled_charsmap: a replacement is no valid UTF-8", name);
    m->units = malloc(trie);
    m->texts = malloc(m->n_texts + 1);
    if (!m->units || !m->texts) {
        charsmap_free(m);
        FAIL(GLIMPSE_E_MEMORY, "no memory for the rules of normalisation");
    }
    for (size_t i = 0; i < m->n_units; i++) m->units[i] = u32_le(bytes + 4 + 4 * i);
    if (m->n_texts) memcpy(m->texts, bytes + 4 + trie, m->n_texts);
    m->texts[m->n_texts] = 0;
    return GLIMPSE_OK;
}

static uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

const char *charsmap_match(const charsmap *m, const char *text, size_t n, bool shortest, size_t *length) {
    const char *found = NULL;
    if (!m->n_units) return NULL;
    uint32_t at = offset_of(m->units[0]);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        at ^= c;
        if (at >= m->n_units || (m->units[at] & (1u << 31 | 0xff)) != c) break;
        uint32_t unit = m->units[at];
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        if (at >= m->n_units) break;
        uint32_t value = m->units[at] & 0x7fffffff;
        /* A value beyond the texts, or inside a character, is no rule. */
        if (value <= m->n_texts && ((unsigned char)m->texts[value] & 0xc0) != 0x80) {
            found = m->texts + value;
            *length = i + 1;
            if (shortest) break;
        }
    }
    return found;
}

static void put_one(const charsmap *m, const char *text, size_t n, buffer *out, bool *matched) {
    size_t length;
    const char *to = charsmap_match(m, text, n, true, &length);
    if (matched && !(*matched = to != NULL)) return;
    if (to) buf_puts(out, to);
    else buf_put(out, text, n);
}

/* Controls and formats stand alone whatever follows. */
static bool is_format(uint32_t cp) {
    unicode_category c = unicode_category_of(cp);
    return c == CATEGORY_CC || c == CATEGORY_CF || c == CATEGORY_ZL || c == CATEGORY_ZP;
}

void charsmap_put_clusters(const charsmap *m, const char *text, size_t n, buffer *out) {
    for (size_t at = 0; at < n;) {
        utf8proc_int32_t state = 0;
        uint32_t before, cp;
        int len = utf8_decode(text + at, n - at, &before);
        size_t end = at + (size_t)(len > 0 ? len : 1);
        while (end < n && (len = utf8_decode(text + end, n - end, &cp)) > 0 &&
               (!utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)cp, &state) ||
                (cp >= 0x300 && unicode_in(SET_JOINS, cp) && !is_format(before))))
            end += (size_t)len, before = cp;
        bool matched = false;
        if (end - at < CLUSTER_BYTES) put_one(m, text + at, end - at, out, &matched);
        for (; !matched && at < end;) {
            len = utf8_decode(text + at, end - at, &cp);
            size_t bytes = (size_t)(len > 0 ? len : 1);
            put_one(m, text + at, bytes, out, NULL);
            at += bytes;
        }
        at = end;
    }
}

void charsmap_free(charsmap *m) {
    free(m->units);
    free(m->texts);
    *m = (charsmap){0};
}
