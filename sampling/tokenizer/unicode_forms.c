/* unicode_forms.c -- see unicode_forms.h.  What lies before an ASCII character is settled when it is met (nothing composes
 * with it from the left), so only the characters since the last one wait. */
#include "sampling/tokenizer/unicode_forms.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"

enum { S_BASE = 0xac00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11a7, L_N = 19, V_N = 21, T_N = 28, S_N = 11172 };
enum { SHORT_RUN = 16 };

typedef struct mark {
    uint32_t cp, ccc;
} mark;

static uint32_t class_of(uint32_t cp) {
    if (cp < 0x300) return 0;
    for (int low = 0, high = n_form_classes; low < high;) {
        int mid = (low + high) / 2;
        if (cp < form_classes[mid].low) high = mid;
        else if (cp > form_classes[mid].high) low = mid + 1;
        else return form_classes[mid].ccc;
    }
    return 0;
}

static void put(buffer *wait, uint32_t cp) {
    mark m = {cp, class_of(cp)};
    buf_put(wait, &m, sizeof m);
}

static const form_row *row_of(uint32_t cp) {
    for (int low = 0, high = n_form_rows; low < high;) {
        int mid = (low + high) / 2;
        if (form_rows[mid].cp == cp) return &form_rows[mid];
        if (form_rows[mid].cp < cp) low = mid + 1;
        else high = mid;
    }
    return NULL;
}

static void decompose(buffer *wait, uint32_t cp, bool compatible) {
    if (cp < 0xa0) {
        put(wait, cp);
        return;
    }
    if (cp >= S_BASE && cp < S_BASE + S_N) {
        uint32_t s = cp - S_BASE;
        put(wait, L_BASE + s / (V_N * T_N));
        put(wait, V_BASE + s % (V_N * T_N) / T_N);
        if (s % T_N) put(wait, T_BASE + s % T_N);
        return;
    }
    const form_row *row = row_of(cp);
    const uint32_t *text = row ? form_texts + row->canonical : NULL;
    int n = row ? row->canonical_n : 0;
    if (row && compatible && row->compatible_n) text = form_texts + row->compatible, n = row->compatible_n;
    if (!n) put(wait, cp);
    for (int i = 0; i < n; i++) put(wait, text[i]);
}

/* Stable by class: a few by insertion, many by counting, for a text may be one long run of marks. */
static void order(mark *m, size_t n, buffer *scratch) {
    if (n <= SHORT_RUN) {
        for (size_t i = 1; i < n; i++) {
            mark x = m[i];
            size_t k = i;
            for (; k && m[k - 1].ccc > x.ccc; k--) m[k] = m[k - 1];
            m[k] = x;
        }
        return;
    }
    size_t at[257] = {0};
    buf_clear(scratch);
    buf_put(scratch, m, n * sizeof *m);
    if (scratch->failed) return;
    const mark *from = (const mark *)(const void *)scratch->bytes;
    for (size_t i = 0; i < n; i++) at[from[i].ccc + 1]++;
    for (int c = 0; c < 256; c++) at[c + 1] += at[c];
    for (size_t i = 0; i < n; i++) m[at[from[i].ccc]++] = from[i];
}

static uint32_t pair_of(uint32_t a, uint32_t b) {
    if (a >= L_BASE && a < L_BASE + L_N && b >= V_BASE && b < V_BASE + V_N)
        return S_BASE + ((a - L_BASE) * V_N + (b - V_BASE)) * T_N;
    if (a >= S_BASE && a < S_BASE + S_N && !((a - S_BASE) % T_N) && b > T_BASE && b < T_BASE + T_N) return a + (b - T_BASE);
    for (int low = 0, high = n_form_pairs; low < high;) {
        int mid = (low + high) / 2;
        const form_pair *p = &form_pairs[mid];
        if (p->first == a && p->second == b) return p->both;
        if (p->first < a || (p->first == a && p->second < b)) low = mid + 1;
        else high = mid;
    }
    return 0;
}

/* Joins in place; returns how many are left. */
static size_t compose(mark *m, size_t n) {
    size_t to = 0, starter = SIZE_MAX;
    uint32_t last = 0; /* the class of what was kept last after the starter */
    for (size_t i = 0; i < n; i++) {
        bool near = starter != SIZE_MAX && (to == starter + 1 || (last && last < m[i].ccc));
        uint32_t both = near ? pair_of(m[starter].cp, m[i].cp) : 0;
        if (both) {
            m[starter].cp = both;
            continue;
        }
        if (!m[i].ccc) starter = to;
        last = m[i].ccc;
        m[to++] = m[i];
    }
    return to;
}

static void settle(unicode_form form, buffer *wait, buffer *scratch, buffer *out) {
    mark *m = (mark *)(void *)wait->bytes;
    size_t n = wait->n / sizeof *m;
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        if (!m[i].ccc) continue;
        while (end < n && m[end].ccc) end++;
        order(m + i, end - i, scratch);
    }
    if (form == FORM_NFC || form == FORM_NFKC) n = compose(m, n);
    for (size_t i = 0; i < n; i++) {
        char c[4];
        buf_put(out, c, (size_t)utf8_encode(m[i].cp, c));
    }
    buf_clear(wait);
}

void unicode_form_put(unicode_form form, const char *text, size_t n, buffer *out) {
    buffer wait = {0}, scratch = {0};
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && (unsigned char)text[end] < 0x80) end++;
        if (end > at) { /* the last one waits: marks may follow */
            settle(form, &wait, &scratch, out);
            buf_put(out, text + at, end - at - 1);
            put(&wait, (unsigned char)text[end - 1]);
        }
        for (at = end; at < n && (unsigned char)text[at] >= 0x80;) {
            uint32_t cp;
            int len = utf8_decode(text + at, n - at, &cp);
            decompose(&wait, cp, form == FORM_NFKC || form == FORM_NFKD);
            at += (size_t)(len > 0 ? len : 1);
        }
    }
    settle(form, &wait, &scratch, out);
    if (buf_failed(&wait) || buf_failed(&scratch)) out->failed = true;
    buf_free(&wait);
    buf_free(&scratch);
}
