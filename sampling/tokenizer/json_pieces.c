/* json_pieces.c -- running the steps of json_steps.h: each reads the pieces and writes them anew. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/json_regex.h"
#include "sampling/tokenizer/unicode_classes.h"

static void put_span(buffer *spans, size_t at, size_t n, bool first) {
    if (n) buf_put(spans, &(piece_span){at, n, first}, sizeof(piece_span));
}

void pieces_start(pieces_text *p, const char *text, size_t n, bool first) {
    buf_clear(&p->text), buf_clear(&p->spans);
    buf_put(&p->text, text, n);
    put_span(&p->spans, 0, n, first);
}

/* === Normalizers: one piece's text to `out` === */
static glimpse_status unicode_form(step_kind kind, const char *s, size_t n, buffer *out) {
    static const utf8proc_option_t options[] = {
        UTF8PROC_STABLE | UTF8PROC_COMPOSE, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
    bool ascii = true;
    for (size_t i = 0; i < n && ascii; i++) ascii = (unsigned char)s[i] < 0x80;
    if (ascii) {
        buf_put(out, s, n);
        return GLIMPSE_OK;
    }
    utf8proc_uint8_t *form = NULL;
    utf8proc_ssize_t r =
        utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &form, options[kind - STEP_NFC]);
    if (r < 0)
        FAIL(r == UTF8PROC_ERROR_NOMEM ? GLIMPSE_E_MEMORY : GLIMPSE_E_TOKENIZER, "a text cannot be normalised: %s",
             utf8proc_errmsg(r));
    buf_put(out, form, (size_t)r);
    free(form);
    return GLIMPSE_OK;
}

static void lowercase(const char *s, size_t n, buffer *out) {
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        char c[4];
        int len = utf8_decode(s + at, n - at, &cp);
        at += (size_t)(len > 0 ? len : 1);
        if (cp == 0x130) buf_puts(out, "i\xcc\x87"); /* the one letter whose small form is two characters */
        else buf_put(out, c, (size_t)utf8_encode((uint32_t)utf8proc_tolower((utf8proc_int32_t)cp), c));
    }
}

static bool space_at(const char *s, size_t n, size_t *length) {
    uint32_t cp;
    int len = utf8_decode(s, n, &cp);
    *length = len > 0 ? (size_t)len : 1;
    return len > 0 && unicode_class_of(cp) == UNICODE_SPACE;
}

static void strip(const json_step *st, const char *s, size_t n, buffer *out) {
    size_t from = 0, length;
    while (st->left && from < n && space_at(s + from, n - from, &length)) from += length;
    while (st->right && n > from) {
        size_t at = n - 1;
        while (at > from && ((unsigned char)s[at] & 0xc0) == 0x80) at--;
        if (!space_at(s + at, n - at, &length)) break;
        n = at;
    }
    buf_put(out, s + from, n - from);
}

static glimpse_status replace(const json_step *st, const char *s, size_t n, buffer *out) {
    size_t from = 0, at = 0, bytes = 0;
    bool found;
    for (;;) {
        TRY(regex_next(st, s, n, from, &at, &bytes, &found));
        if (!found) break;
        buf_put(out, s + from, at - from);
        buf_put(out, st->content, st->content_n);
        from = at + bytes;
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
    case STEP_REPLACE: return replace(st, s, n, out);
    case STEP_BYTE_LEVEL:
        if (st->prefix_blank && s[0] != ' ') buf_putc(out, ' ');
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
    default: return unicode_form(st->kind, s, n, out);
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
    if (w->open) put_span(w->spans, w->at, w->n, w->first), w->first = false;
    w->open = false;
}

static void part(splitter *w, size_t at, size_t n, bool match) {
    if (!n) return;
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
        if (!w->open) w->first = false;
        w->at = at, w->n = n;
    }
    w->match_before = match;
}

static glimpse_status split(const json_step *st, split_behavior behavior, bool invert, const char *base,
                            piece_span from, buffer *spans) {
    splitter w = {.spans = spans, .behavior = behavior, .first = from.first};
    size_t done = 0, at = 0, bytes = 0;
    bool found;
    for (;;) {
        TRY(regex_next(st, base + from.at, from.n, done, &at, &bytes, &found));
        if (!found) break;
        part(&w, from.at + done, at - done, invert);
        part(&w, from.at + at, bytes, !invert);
        done = at + bytes;
    }
    part(&w, from.at + done, from.n - done, invert);
    flush(&w);
    return GLIMPSE_OK;
}

static glimpse_status split_all(const json_step *st, pieces_text *p) {
    buf_clear(&p->spans2);
    const piece_span *spans = (const piece_span *)(const void *)p->spans.bytes;
    for (size_t i = 0; i < p->spans.n / sizeof *spans; i++)
        TRY(st->kind == STEP_METASPACE ? split(st, SPLIT_NEXT, false, p->text.bytes, spans[i], &p->spans2)
                                       : split(st, st->behavior, st->invert, p->text.bytes, spans[i], &p->spans2));
    buffer t = p->spans;
    p->spans = p->spans2, p->spans2 = t;
    return GLIMPSE_OK;
}

static glimpse_status rewrite_all(const json_step *st, pieces_text *p) {
    buf_clear(&p->text2), buf_clear(&p->spans2);
    const piece_span *spans = (const piece_span *)(const void *)p->spans.bytes;
    for (size_t i = 0; i < p->spans.n / sizeof *spans; i++) {
        size_t at = p->text2.n;
        TRY(rewrite(st, p->text.bytes + spans[i].at, spans[i].n, spans[i].first, &p->text2));
        put_span(&p->spans2, at, p->text2.n - at, spans[i].first);
    }
    buffer t = p->text, s = p->spans;
    p->text = p->text2, p->text2 = t;
    p->spans = p->spans2, p->spans2 = s;
    return GLIMPSE_OK;
}

glimpse_status steps_run(const json_steps *s, pieces_text *p) {
    for (int i = 0; i < s->n; i++) {
        const json_step *st = &s->steps[i];
        if (st->kind != STEP_SPLIT) TRY(rewrite_all(st, p));
        if (st->kind == STEP_SPLIT || (st->kind == STEP_METASPACE && st->split)) TRY(split_all(st, p));
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
