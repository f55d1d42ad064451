/* json_pieces.c -- running the steps of json_steps.h: each reads the pieces and writes them anew. */
#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/json_regex.h"
#include "sampling/tokenizer/json_model.h"
#include "sampling/tokenizer/unicode_classes.h"
#include "sampling/tokenizer/unicode_forms.h"
#include "sampling/tokenizer/unicode_sets.h"

static void put_span(buffer *spans, size_t at, size_t n, bool first) {
    if (n) buf_put(spans, &(piece_span){at, n, first}, sizeof(piece_span));
}

void pieces_start(pieces_text *p, const char *text, size_t n, bool first) {
    buf_clear(&p->text), buf_clear(&p->spans);
    buf_put(&p->text, text, n);
    put_span(&p->spans, 0, n, first);
}

/* === Normalizers: one piece's text to `out` === */
static void lowercase(const char *s, size_t n, buffer *out) {
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        char c[4];
        int len = utf8_decode(s + at, n - at, &cp);
        at += (size_t)(len > 0 ? len : 1);
        buf_put(out, c, (size_t)utf8_encode(unicode_to_small(cp), c));
        if (cp == 0x130) buf_puts(out, "\xcc\x87"); /* the one letter whose small form is two characters */
    }
}

static void without(unicode_set_id set, const char *s, size_t n, buffer *out) {
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int len = utf8_decode(s + at, n - at, &cp);
        size_t bytes = (size_t)(len > 0 ? len : 1);
        if (cp < 0x80 || !unicode_in(set, cp)) buf_put(out, s + at, bytes);
        at += bytes;
    }
}

/* Nmt (normalizers/unicode.rs): controls go, what is some blank becomes one. */
static void nmt(const char *s, size_t n, buffer *out) {
    for (size_t at = 0; at < n;) {
        uint32_t c;
        int len = utf8_decode(s + at, n - at, &c);
        size_t bytes = (size_t)(len > 0 ? len : 1);
        bool drop = (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
        bool blank = c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
                     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
        if (blank) buf_putc(out, ' ');
        else if (!drop) buf_put(out, s + at, bytes);
        at += bytes;
    }
}

static bool is_cjk(uint32_t c) {
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

/* BertNormalizer (normalizers/bert.rs), in its order. */
static void bert(const json_step *st, const char *s, size_t n, buffer *out) {
    buffer clean = {0}, bare = {0};
    for (size_t at = 0; at < n;) {
        uint32_t c;
        int len = utf8_decode(s + at, n - at, &c);
        size_t bytes = (size_t)(len > 0 ? len : 1);
        bool space = unicode_class_of(c) == UNICODE_SPACE, line = c == '\t' || c == '\n' || c == '\r';
        bool cjk = st->chinese && is_cjk(c);
        if (!st->clean || line || !(c == 0 || c == 0xfffd || unicode_in(SET_CONTROL, c))) {
            if (cjk) buf_putc(&clean, ' ');
            if (st->clean && space) buf_putc(&clean, ' ');
            else buf_put(&clean, s + at, bytes);
            if (cjk) buf_putc(&clean, ' ');
        }
        at += bytes;
    }
    if (st->accents) {
        unicode_form_put(FORM_NFD, buf_str(&clean), clean.n, &bare);
        buf_clear(&clean);
        without(SET_NONSPACING, buf_str(&bare), bare.n, &clean);
    }
    if (st->lowercase) lowercase(buf_str(&clean), clean.n, out);
    else buf_put(out, buf_str(&clean), clean.n);
    if (buf_failed(&clean) || buf_failed(&bare)) out->failed = true;
    buf_free(&clean);
    buf_free(&bare);
}

bool steps_space_at(const char *s, size_t n, size_t *length) {
    uint32_t cp;
    int len = utf8_decode(s, n, &cp);
    *length = len > 0 ? (size_t)len : 1;
    return len > 0 && unicode_class_of(cp) == UNICODE_SPACE;
}

static void strip(const json_step *st, const char *s, size_t n, buffer *out) {
    size_t from = 0, length;
    while (st->left && from < n && steps_space_at(s + from, n - from, &length)) from += length;
    while (st->right && n > from) {
        size_t at = n - 1;
        while (at > from && ((unsigned char)s[at] & 0xc0) == 0x80) at--;
        if (!steps_space_at(s + at, n - at, &length)) break;
        n = at;
    }
    buf_put(out, s + from, n - from);
}

glimpse_status step_replace(const json_step *st, const char *s, size_t n, buffer *out) {
    size_t from = 0, at = 0, bytes = 0;
    bool found, after = false;
    for (;;) {
        TRY(regex_next(st, s, n, from, after, &at, &bytes, &found));
        if (!found) break;
        buf_put(out, s + from, at - from);
        buf_put(out, st->content, st->content_n);
        from = at + bytes, after = true;
    }
    buf_put(out, s + from, n - from);
    return GLIMPSE_OK;
}

static glimpse_status rewrite(const json_step *st, const char *s, size_t n, bool first, buffer *out) {
    switch (st->kind) {
    case STEP_LOWERCASE: lowercase(s, n, out); return GLIMPSE_OK;
    case STEP_STRIP: strip(st, s, n, out); return GLIMPSE_OK;
    case STEP_PREPEND:
        buf_put(out, st->text, st->text_n);
        buf_put(out, s, n);
        return GLIMPSE_OK;
    case STEP_REPLACE: return step_replace(st, s, n, out);
    case STEP_STRIP_ACCENTS: without(SET_MARK, s, n, out); return GLIMPSE_OK;
    case STEP_NMT: nmt(s, n, out); return GLIMPSE_OK;
    case STEP_BERT: bert(st, s, n, out); return GLIMPSE_OK;
    case STEP_PRECOMPILED: charsmap_put_clusters(&st->rules, s, n, out); return GLIMPSE_OK;
    case STEP_BYTE_MAP: byte_level_encode(s, n, out); return GLIMPSE_OK;
    case STEP_BLANK:
        if (s[0] != ' ') buf_putc(out, ' ');
        buf_put(out, s, n);
        return GLIMPSE_OK;
    case STEP_METASPACE: {
        size_t start = out->n;
        for (size_t i = 0; i < n; i++)
            if (s[i] == ' ') buf_put(out, st->text, st->text_n);
            else buf_putc(out, s[i]);
        bool marked = out->n - start >= st->text_n && out->bytes && !memcmp(out->bytes + start, st->text, st->text_n);
        if (marked || !(st->prepend == 2 || (st->prepend == 1 && first))) return GLIMPSE_OK;
        buf_put(out, st->text, st->text_n); /* put at the end, turned to the front */
        if (out->failed) return GLIMPSE_OK;
        memmove(out->bytes + start + st->text_n, out->bytes + start, out->n - start - st->text_n);
        memcpy(out->bytes + start, st->text, st->text_n);
        return GLIMPSE_OK;
    }
    default: unicode_form_put((unicode_form)st->kind, s, n, out); return GLIMPSE_OK;
    }
}

/* === Splits: one piece into several === */
typedef struct splitter {
    buffer *spans;
    split_behavior behavior;
    size_t at, n; /* the piece that may still grow */
    bool first, open;
    bool match_before; /* was the last part a match? */
} splitter;

static void flush(splitter *w) {
    if (w->open && w->n) put_span(w->spans, w->at, w->n, w->first), w->first = false;
    w->open = false;
}

static void part(splitter *w, size_t at, size_t n, bool match) {
    bool joins = false;
    switch (w->behavior) {
    case SPLIT_PREVIOUS: joins = w->open && match && !w->match_before; break;
    case SPLIT_NEXT: joins = w->open && w->match_before && !match; break;
    case SPLIT_CONTIGUOUS: joins = w->open && match == w->match_before; break;
    default: break;
    }
    if (joins) w->n += n;
    else {
        flush(w);
        w->open = !(w->behavior == SPLIT_REMOVED && match);
        if (!w->open && n) w->first = false;
        w->at = at, w->n = n;
    }
    w->match_before = match;
}

static glimpse_status split(const json_step *st, split_behavior behavior, bool invert, const char *base,
                            piece_span from, buffer *spans) {
    splitter w = {.spans = spans, .behavior = behavior, .first = from.first};
    size_t done = 0, at = 0, bytes = 0;
    bool found, after = false;
    for (;;) {
        TRY(regex_next(st, base + from.at, from.n, done, after, &at, &bytes, &found));
        if (!found) break;
        if (at > done) part(&w, from.at + done, at - done, invert);
        part(&w, from.at + at, bytes, !invert); /* also one of no bytes: the text is cut there */
        done = at + bytes, after = true;
    }
    if (from.n > done) part(&w, from.at + done, from.n - done, invert);
    flush(&w);
    return GLIMPSE_OK;
}

/* A piece ends where the script changes; what has none goes with what is around it.  As the reference does, what stands
 * before the first character that has one is lost. */
static void by_script(const char *base, piece_span from, buffer *spans) {
    int last = -1; /* none yet */
    size_t begin = 0;
    bool open = false, first = from.first;
    for (size_t at = 0; at < from.n;) {
        uint32_t cp;
        int len = utf8_decode(base + from.at + at, from.n - at, &cp), script = unicode_script_of(cp);
        if (script && script != last) {
            if (open) put_span(spans, from.at + begin, at - begin, first && !begin);
            begin = at, open = true;
        }
        if (script) last = script;
        at += (size_t)(len > 0 ? len : 1);
    }
    if (open) put_span(spans, from.at + begin, from.n - begin, first && !begin);
}

static void by_length(const char *base, piece_span from, size_t length, buffer *spans) {
    for (size_t at = 0, end; at < from.n; at = end) {
        end = at;
        for (size_t i = 0; i < length && end < from.n; i++)
            do end++;
            while (end < from.n && ((unsigned char)base[from.at + end] & 0xc0) == 0x80);
        put_span(spans, from.at + at, end - at, from.first && !at);
    }
}

static glimpse_status split_all(const json_step *st, pieces_text *p) {
    buf_clear(&p->spans2);
    const piece_span *spans = (const piece_span *)(const void *)p->spans.bytes;
    for (size_t i = 0; i < p->spans.n / sizeof *spans; i++)
        if (st->kind == STEP_SCRIPTS) by_script(p->text.bytes, spans[i], &p->spans2);
        else if (st->kind == STEP_FIXED) by_length(p->text.bytes, spans[i], st->length, &p->spans2);
        else TRY(st->kind == STEP_METASPACE ? split(st, SPLIT_NEXT, false, p->text.bytes, spans[i], &p->spans2)
                                       : split(st, st->behavior, st->invert, p->text.bytes, spans[i], &p->spans2));
    buffer t = p->spans;
    p->spans = p->spans2, p->spans2 = t;
    return GLIMPSE_OK;
}

/* Does this step take away the character that a piece begins with?  Then the piece no longer begins the text to Metaspace's
 * "first", whose question is about the original. */
static glimpse_status keeps_first(const json_step *st, const char *s, size_t n, bool *keeps) {
    buffer one = {0};
    size_t bytes = 1, at = 0, matched = 0;
    *keeps = true;
    if (!n || st->kind == STEP_METASPACE || st->kind == STEP_BLANK) return GLIMPSE_OK;
    if (st->kind == STEP_REPLACE) {
        bool found;
        if (st->content_n) return GLIMPSE_OK;
        TRY(regex_next(st, s, n, 0, false, &at, &matched, &found));
        *keeps = !found || at || !matched;
        return GLIMPSE_OK;
    }
    while (bytes < n && ((unsigned char)s[bytes] & 0xc0) == 0x80) bytes++;
    glimpse_status status = rewrite(st, s, bytes, false, &one);
    *keeps = one.n || (st->kind == STEP_STRIP && !st->left);
    buf_free(&one);
    return status;
}

static glimpse_status rewrite_all(const json_step *st, pieces_text *p) {
    buf_clear(&p->text2), buf_clear(&p->spans2);
    const piece_span *spans = (const piece_span *)(const void *)p->spans.bytes;
    for (size_t i = 0; i < p->spans.n / sizeof *spans; i++) {
        size_t at = p->text2.n;
        TRY(rewrite(st, p->text.bytes + spans[i].at, spans[i].n, spans[i].first, &p->text2));
        bool first = spans[i].first;
        if (first) TRY(keeps_first(st, p->text.bytes + spans[i].at, spans[i].n, &first));
        put_span(&p->spans2, at, p->text2.n - at, first);
    }
    buffer t = p->text, s = p->spans;
    p->text = p->text2, p->text2 = t;
    p->spans = p->spans2, p->spans2 = s;
    return GLIMPSE_OK;
}

glimpse_status steps_run(const json_steps *s, pieces_text *p) {
    if (buf_failed(&p->text) || buf_failed(&p->spans)) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a text");
    for (int i = 0; i < s->n; i++) {
        const json_step *st = &s->steps[i];
        bool cuts = st->kind == STEP_SPLIT || st->kind == STEP_SCRIPTS || st->kind == STEP_FIXED;
        if (!cuts) TRY(rewrite_all(st, p));
        if (cuts || (st->kind == STEP_METASPACE && st->split)) TRY(split_all(st, p));
        if (buf_failed(&p->text) || buf_failed(&p->spans)) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a text");
    }
    return GLIMPSE_OK;
}

void pieces_free(pieces_text *p) {
    buf_free(&p->text);
    buf_free(&p->text2);
    buf_free(&p->spans);
    buf_free(&p->spans2);
}
