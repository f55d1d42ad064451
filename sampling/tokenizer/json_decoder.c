/* json_decoder.c -- see json_decoder.h. */
#include "sampling/tokenizer/json_decoder.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/json_fields.h"
#include "sampling/tokenizer/json_model.h"

enum { MAX_DECODERS = 64 };

/* === Reading === */
static glimpse_status read_ctc(const char *name, const json_node *node, decoder_step *s) {
    s->cleanup = json_flag(node, "cleanup", true);
    TRY(json_copy(name, json_get(node, "pad_token"), "CTC's pad_token", &s->text, &s->text_n));
    return json_copy(name, json_get(node, "word_delimiter_token"), "CTC's word_delimiter_token", &s->delimiter,
                     &s->delimiter_n);
}

static glimpse_status read_replace(const char *name, const json_node *node, decoder_step *s) {
    TRY(step_matcher(name, json_get(node, "pattern"), &s->replace));
    return json_copy(name, json_get(node, "content"), "Replace's content", &s->replace.content, &s->replace.content_n);
}

static glimpse_status read_one(const char *name, const json_node *node, decoder_step *s) {
    const json_node *type = json_get(node, "type"), *scheme = json_get(node, "prepend_scheme");
    if (json_is_text(type, "ByteLevel")) s->kind = DECODE_BYTE_LEVEL;
    else if (json_is_text(type, "ByteFallback")) s->kind = DECODE_BYTE_FALLBACK;
    else if (json_is_text(type, "Fuse")) s->kind = DECODE_FUSE;
    else if (json_is_text(type, "CTC")) {
        s->kind = DECODE_CTC;
        return read_ctc(name, node, s);
    } else if (json_is_text(type, "Replace")) {
        s->kind = DECODE_REPLACE;
        return read_replace(name, node, s);
    } else if (json_is_text(type, "BPEDecoder")) {
        s->kind = DECODE_BPE;
        return json_copy(name, json_get(node, "suffix"), "BPEDecoder's suffix", &s->text, &s->text_n);
    } else if (json_is_text(type, "WordPiece")) {
        s->kind = DECODE_WORDPIECE;
        s->cleanup = json_flag(node, "cleanup", true);
        return json_copy(name, json_get(node, "prefix"), "WordPiece's prefix", &s->text, &s->text_n);
    } else if (json_is_text(type, "Metaspace")) {
        s->kind = DECODE_METASPACE;
        s->drops = scheme ? !json_is_text(scheme, "never") : json_flag(node, "add_prefix_space", true);
        return json_copy(name, json_get(node, "replacement"), "Metaspace's replacement", &s->text, &s->text_n);
    } else if (json_is_text(type, "Strip")) {
        s->kind = DECODE_STRIP;
        if (!json_i64(json_get(node, "start"), &s->start) || !json_i64(json_get(node, "stop"), &s->stop) || s->start < 0 ||
            s->stop < 0)
            FAIL(GLIMPSE_E_FORMAT, "%s: the decoder Strip: start and stop are no whole numbers", name);
        return json_copy(name, json_get(node, "content"), "Strip's content", &s->text, &s->text_n);
    } else return json_unknown(name, "decoder", node);
    return GLIMPSE_OK;
}

static void free_step(decoder_step *s) {
    step_free(&s->replace);
    free(s->text);
    free(s->delimiter);
}

static glimpse_status add(const char *name, const json_node *node, json_decoder *d) {
    if (json_is_text(json_get(node, "type"), "Sequence")) {
        const json_node *list = json_get(node, "decoders");
        if (!list || list->kind != JSON_ARRAY) FAIL(GLIMPSE_E_FORMAT, "%s: a Sequence of decoders without list", name);
        for (const json_node *m = json_first(list); m; m = json_next(list, m)) TRY(add(name, m, d));
        return GLIMPSE_OK;
    }
    if (d->n == MAX_DECODERS) FAIL(GLIMPSE_E_FORMAT, "%s: more than %d decoders", name, (int)MAX_DECODERS);
    decoder_step s = {0};
    glimpse_status st = read_one(name, node, &s);
    if (st < 0) free_step(&s);
    else d->steps[d->n++] = s;
    return st;
}

glimpse_status json_decoder_open(const char *name, const json_node *node, json_decoder *d) {
    if (!(d->steps = calloc(MAX_DECODERS, sizeof *d->steps))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    d->none = !node || node->kind == JSON_NULL;
    return d->none ? GLIMPSE_OK : add(name, node, d);
}

bool json_decoder_is_bytes(const json_decoder *d) { return d->n == 1 && d->steps[0].kind == DECODE_BYTE_LEVEL; }

/* === Running: each step reads the list and writes it anew === */
static void end_token(pieces_text *p, size_t from) {
    buf_put(&p->spans2, &(piece_span){from, p->text2.n - from, false}, sizeof(piece_span));
}

void json_decoder_start(json_decoder *d) {
    buf_clear(&d->lists.text);
    buf_clear(&d->lists.spans);
}

void json_decoder_add(json_decoder *d, const char *token, size_t n) {
    buf_put(&d->lists.spans, &(piece_span){d->lists.text.n, n, false}, sizeof(piece_span));
    buf_put(&d->lists.text, token, n);
}

static void put_replaced(const char *s, size_t n, const char *from, size_t from_n, const char *to, buffer *out) {
    for (size_t i = 0; i < n;)
        if (from_n && n - i >= from_n && !memcmp(s + i, from, from_n)) buf_puts(out, to), i += from_n;
        else buf_putc(out, s[i++]);
}

/* wordpiece.rs, cleanup: one replacement after another. */
static void put_cleaned(const char *s, size_t n, buffer *out) {
    static const char *const rules[][2] = {{" .", "."},     {" ?", "?"},     {" !", "!"},          {" ,", ","},
                                           {" ' ", "'"},    {" n't", "n't"}, {" 'm", "'m"},        {" do not", " don't"},
                                           {" 's", "'s"},   {" 've", "'ve"}, {" 're", "'re"}};
    buffer now = {0}, then = {0};
    buf_put(&now, s, n);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!memmem(buf_str(&now), now.n, rules[i][0], strlen(rules[i][0]))) continue;
        buf_clear(&then);
        put_replaced(buf_str(&now), now.n, rules[i][0], strlen(rules[i][0]), rules[i][1], &then);
        buffer t = now;
        now = then, then = t;
    }
    buf_put(out, buf_str(&now), now.n);
    if (now.failed || then.failed) out->failed = true;
    buf_free(&now);
    buf_free(&then);
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static int byte_token(const char *s, size_t n) {
    if (n != 6 || memcmp(s, "<0x", 3) || s[5] != '>') return -1;
    if (s[3] == '+' && hex(s[4]) >= 0) return hex(s[4]); /* u8::from_str_radix takes a sign */
    return hex(s[3]) >= 0 && hex(s[4]) >= 0 ? hex(s[3]) << 4 | hex(s[4]) : -1;
}

static void byte_fallback(pieces_text *p, const piece_span *in, size_t n, bool raw) {
    for (size_t i = 0; i < n;) {
        size_t from = p->text2.n, end = i;
        int byte;
        for (; end < n && (byte = byte_token(p->text.bytes + in[end].at, in[end].n)) >= 0; end++)
            buf_putc(&p->text2, (char)byte);
        if (end == i) {
            buf_put(&p->text2, p->text.bytes + in[i].at, in[i].n);
            end_token(p, from);
            i++;
        } else if (raw || utf8_valid(buf_str(&p->text2) + from, p->text2.n - from)) {
            end_token(p, from);
            i = end;
        } else
            for (p->text2.n = from; i < end; i++) {
                from = p->text2.n;
                buf_puts(&p->text2, "\xef\xbf\xbd");
                end_token(p, from);
            }
    }
}

/* Every invalid part of a text as U+FFFD, as String::from_utf8_lossy does. */
static void make_valid(buffer *b, size_t from) {
    if (utf8_valid(b->bytes + from, b->n - from)) return;
    buffer raw = {0};
    buf_put(&raw, b->bytes + from, b->n - from);
    b->n = from;
    for (size_t at = 0; at < raw.n;) {
        uint32_t cp;
        int len = utf8_decode(raw.bytes + at, raw.n - at, &cp);
        size_t n = len > 0 ? (size_t)len : len < 0 ? (size_t)-len : raw.n - at;
        if (len > 0) buf_put(b, raw.bytes + at, n);
        else buf_puts(b, "\xef\xbf\xbd");
        at += n;
    }
    if (raw.failed) b->failed = true;
    buf_free(&raw);
}

static void strip(const decoder_step *d, const char *s, size_t n, buffer *out) {
    for (int64_t i = 0; i < d->start && d->text_n && n >= d->text_n && !memcmp(s, d->text, d->text_n); i++)
        s += d->text_n, n -= d->text_n;
    for (int64_t i = 0; i < d->stop && d->text_n && n >= d->text_n && !memcmp(s + n - d->text_n, d->text, d->text_n); i++)
        n -= d->text_n;
    buf_put(out, s, n);
}

static void ctc(const decoder_step *d, const char *s, size_t n, buffer *scratch, buffer *out) {
    buf_clear(scratch);
    put_replaced(s, n, d->text, d->text_n, "", scratch);
    if (!d->cleanup) {
        buf_put(out, buf_str(scratch), scratch->n);
        return;
    }
    buffer clean = {0};
    put_cleaned(buf_str(scratch), scratch->n, &clean);
    put_replaced(buf_str(&clean), clean.n, d->delimiter, d->delimiter_n, " ", out);
    if (clean.failed) out->failed = true;
    buf_free(&clean);
}

static void wordpiece(const decoder_step *d, const char *s, size_t n, bool first, buffer *scratch, buffer *out) {
    buf_clear(scratch);
    if (first) buf_put(scratch, s, n);
    else if (n >= d->text_n && !memcmp(s, d->text, d->text_n)) buf_put(scratch, s + d->text_n, n - d->text_n);
    else buf_putc(scratch, ' '), buf_put(scratch, s, n);
    if (d->cleanup) put_cleaned(buf_str(scratch), scratch->n, out);
    else buf_put(out, buf_str(scratch), scratch->n);
}

static glimpse_status run_step(const decoder_step *d, pieces_text *p, bool raw) {
    const piece_span *in = (const piece_span *)(const void *)buf_str(&p->spans);
    size_t n = p->spans.n / sizeof *in, all = p->text2.n;
    glimpse_status st = GLIMPSE_OK;
    buffer scratch = {0};
    if (d->kind == DECODE_BYTE_FALLBACK) byte_fallback(p, in, n, raw);
    for (size_t i = 0; i < n && d->kind != DECODE_BYTE_FALLBACK; i++) {
        const char *s = buf_str(&p->text) + in[i].at;
        size_t from = p->text2.n;
        switch (d->kind) {
        case DECODE_BPE: put_replaced(s, in[i].n, d->text, d->text_n, i + 1 < n ? " " : "", &p->text2); break;
        case DECODE_WORDPIECE: wordpiece(d, s, in[i].n, !i, &scratch, &p->text2); break;
        case DECODE_METASPACE: put_replaced(s, in[i].n, d->text, d->text_n, !i && d->drops ? "" : " ", &p->text2); break;
        case DECODE_REPLACE: TRY_GOTO(step_replace(&d->replace, s, in[i].n, &p->text2)); break;
        case DECODE_STRIP: strip(d, s, in[i].n, &p->text2); break;
        case DECODE_CTC:
            if (i && in[i].n == in[i - 1].n && !memcmp(s, buf_str(&p->text) + in[i - 1].at, in[i].n)) continue;
            ctc(d, s, in[i].n, &scratch, &p->text2);
            if (p->text2.n == from) continue;
            break;
        case DECODE_BYTE_LEVEL:
            if (!byte_level_decode(s, in[i].n, &p->text2)) buf_put(&p->text2, s, in[i].n);
            continue; /* one token comes out */
        default: buf_put(&p->text2, s, in[i].n); continue;
        }
        end_token(p, from);
    }
    if (d->kind == DECODE_BYTE_LEVEL && !raw && p->text2.bytes) make_valid(&p->text2, all);
    if (d->kind == DECODE_BYTE_LEVEL || d->kind == DECODE_FUSE) end_token(p, all);
    if (buf_failed(&scratch)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to decode");
out:
    buf_free(&scratch);
    return st;
}

glimpse_status json_decoder_run(json_decoder *d, bool raw, buffer *out) {
    pieces_text *p = &d->lists;
    if (buf_failed(&p->text) || buf_failed(&p->spans)) FAIL(GLIMPSE_E_MEMORY, "no memory to decode");
    for (int i = 0; i < d->n; i++) {
        buf_clear(&p->text2), buf_clear(&p->spans2);
        TRY(run_step(&d->steps[i], p, raw));
        if (buf_failed(&p->text2) || buf_failed(&p->spans2)) FAIL(GLIMPSE_E_MEMORY, "no memory to decode");
        buffer t = p->text, s = p->spans;
        p->text = p->text2, p->text2 = t;
        p->spans = p->spans2, p->spans2 = s;
    }
    const piece_span *in = (const piece_span *)(const void *)buf_str(&p->spans);
    for (size_t i = 0; i < p->spans.n / sizeof *in; i++) {
        if (i && d->none) buf_putc(out, ' ');
        buf_put(out, buf_str(&p->text) + in[i].at, in[i].n);
    }
    return GLIMPSE_OK;
}

void json_decoder_free(json_decoder *d) {
    for (int i = 0; i < d->n; i++) free_step(&d->steps[i]);
    free(d->steps);
    pieces_free(&d->lists);
}
