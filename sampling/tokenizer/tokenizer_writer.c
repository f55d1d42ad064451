/* tokenizer_writer.c -- see tokenizer_writer.h: the parts that all kinds have, and the proof. */
#include "sampling/tokenizer/tokenizer_writer.h"

#include <string.h>

#include "include/internal/status.h"
#include "include/internal/utf8.h"

enum { PROOF_TEXTS = 3000, PROOF_PIECES = 12 };

void json_put_entry(buffer *json, bool first, const char *text, size_t n, int32_t id) {
    if (!first) buf_putc(json, ',');
    buf_json_string(json, text, n);
    buf_printf(json, ":%d", (int)id);
}

void json_put_added(buffer *added, const char *text, size_t n, int32_t id, bool special) {
    buf_printf(added, "%s{\"id\":%d,\"content\":", added->n ? "," : "", (int)id);
    buf_json_string(added, text, n);
    buf_printf(added, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":%s}",
               special ? "true" : "false");
}

static void put_around(buffer *json, tokenizer *t, const int32_t *ids, int32_t n, int kind, bool *some) {
    for (int32_t i = 0; i < n; i++) {
        buffer name = {0};
        tokenizer_decode(t, ids[i], &name);
        buf_puts(json, *some ? "," : "");
        if (kind < 2) buf_puts(json, "{\"SpecialToken\":{\"id\":");
        buf_json_string(json, buf_str(&name), name.n);
        if (kind < 2) buf_printf(json, ",\"type_id\":%d}}", kind);
        else {
            buf_puts(json, ":{\"id\":");
            buf_json_string(json, buf_str(&name), name.n);
            buf_printf(json, ",\"ids\":[%d],\"tokens\":[", (int)ids[i]);
            buf_json_string(json, buf_str(&name), name.n);
            buf_puts(json, "]}");
        }
        *some = true;
        if (buf_failed(&name)) json->failed = true;
        buf_free(&name);
    }
}

static void put_text(buffer *json, int which, bool *some) {
    buf_printf(json, "%s{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}", *some ? "," : "", 'A' + which, which);
    *some = true;
}

/* One template for what stands around a text; "null" where nothing does. */
static void put_template(buffer *json, const tokenizer *borrowed) {
    tokenizer *t = (tokenizer *)(uintptr_t)borrowed; /* decoding wants scratch */
    if (!t->n_prefix && !t->n_suffix) {
        buf_puts(json, "null");
        return;
    }
    bool some = false;
    buf_puts(json, "{\"type\":\"TemplateProcessing\",\"single\":[");
    put_around(json, t, t->prefix, t->n_prefix, 0, &some);
    put_text(json, 0, &some);
    put_around(json, t, t->suffix, t->n_suffix, 0, &some);
    buf_puts(json, "],\"pair\":["), some = false;
    for (int which = 0; which < 2; which++) {
        put_around(json, t, t->prefix, t->n_prefix, which, &some);
        put_text(json, which, &some);
        put_around(json, t, t->suffix, t->n_suffix, which, &some);
    }
    buf_puts(json, "],\"special_tokens\":{"), some = false;
    put_around(json, t, t->prefix, t->n_prefix, 2, &some);
    for (int32_t i = 0; i < t->n_suffix; i++) {
        bool again = false;
        for (int32_t k = 0; k < t->n_prefix; k++) again |= t->prefix[k] == t->suffix[i];
        if (!again) put_around(json, t, t->suffix + i, 1, 2, &some);
    }
    buf_puts(json, "}}");
}

void json_put_head(buffer *json, const tokenizer *t, const buffer *added, const char *normalizer, const char *pretokenizer,
                   const char *decoder) {
    buf_printf(json, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
    buf_put(json, buf_str(added), added->n);
    buf_printf(json, "],\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":", normalizer, pretokenizer);
    put_template(json, t);
    buf_printf(json, ",\"decoder\":%s,\"model\":", decoder);
    if (added->failed) json->failed = true;
}

/* === The proof === */
static bool same(const buffer *a, const buffer *b) { return a->n == b->n && (!a->n || !memcmp(a->bytes, b->bytes, a->n)); }

/* Both refuse a text, or both give the same ids. */
static glimpse_status same_ids(tokenizer *a, tokenizer *b, const buffer *text, buffer ids[2], bool *is) {
    buf_clear(&ids[0]), buf_clear(&ids[1]);
    glimpse_status st[2] = {tokenizer_encode_prompt(a, buf_str(text), text->n, &ids[0]),
                            tokenizer_encode_prompt(b, buf_str(text), text->n, &ids[1])};
    for (int i = 0; i < 2; i++)
        if (st[i] == GLIMPSE_E_MEMORY) return st[i];
    if (buf_failed(&ids[0]) || buf_failed(&ids[1]) || buf_failed(text)) FAIL(GLIMPSE_E_MEMORY, "no memory to compare tokenizers");
    *is = (st[0] < 0) == (st[1] < 0) && (st[0] < 0 || same(&ids[0], &ids[1]));
    return GLIMPSE_OK;
}

/* A text of pieces and of what pre-tokenizers and normalizers cut at; always the same for the same number. */
static void make_text(tokenizer *t, uint64_t number, buffer *text) {
    static const char *const between[] = {"", "", "", "", " ", " ", "  ", "\n", "\t", "\r\n", ".", "'s", "0", "12345", "\xc3\xa9",
                                          "\xe2\x96\x81", "\xe4\xb8\xad", "<unk>", "<0x41>", "\xf0\x9f\x98\x80", "\xc2\xa0", "a", "The"};
    uint64_t r = number * 0x9e3779b97f4a7c15u + 1;
    buf_clear(text);
    for (uint64_t k = 0, n = 1 + number % PROOF_PIECES; k < n; k++) {
        r ^= r >> 29, r *= 0xbf58476d1ce4e5b9u, r ^= r >> 32;
        if (r >> 8 & 7) tokenizer_decode(t, (int32_t)(r % (uint64_t)t->vocab_size), text);
        const char *s = between[(r >> 40) % (sizeof between / sizeof *between)];
        for (uint64_t times = number % 17 ? 1 : 1 + (r >> 50) % 9; times; times--) buf_puts(text, s);
    }
}

/* The bytes of an id are the same; how the unknown token is read, as U+2047, has no form there. */
static glimpse_status same_piece(tokenizer *a, tokenizer *b, int32_t id, buffer *text, buffer *other, bool *is) {
    buf_clear(text), buf_clear(other);
    TRY(a->ops->decode(a, id, text));
    TRY(b->ops->decode(b, id, other));
    if (buf_failed(text) || buf_failed(other)) FAIL(GLIMPSE_E_MEMORY, "no memory to compare tokenizers");
    *is = !text->n || !a->ops->facts || same(text, other) || strstr(buf_str(text), "\xe2\x81\x87");
    return GLIMPSE_OK;
}

static glimpse_status same_tokenizer(tokenizer *a, tokenizer *b, bool *is, char why[WHY_BYTES]) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0}, ids[2] = {{0}}, other = {0};
    *is = true;
    for (int32_t id = 0; id < a->vocab_size && *is; id++) {
        TRY_GOTO(same_piece(a, b, id, &text, &other, is));
        if (*is && text.n && utf8_valid(text.bytes, text.n)) TRY_GOTO(same_ids(a, b, &text, ids, is));
        if (!*is) c_snprintf(why, WHY_BYTES, "id %d would be read otherwise", (int)id);
    }
    for (uint64_t number = 0; number < PROOF_TEXTS && *is; number++) {
        make_text(a, number, &text);
        if (!utf8_valid(buf_str(&text), text.n)) continue;
        TRY_GOTO(same_ids(a, b, &text, ids, is));
        if (!*is) c_snprintf(why, WHY_BYTES, "a text would become other ids");
    }
    if (buf_failed(&text) || buf_failed(&other) || buf_failed(&ids[0]) || buf_failed(&ids[1]))
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to compare tokenizers");
out:
    buf_free(&text), buf_free(&other), buf_free(&ids[0]), buf_free(&ids[1]);
    return st;
}

glimpse_status tokenizer_to_json(tokenizer *t, buffer *json, char why[WHY_BYTES]) {
    glimpse_status st = GLIMPSE_OK;
    buffer made = {0}, copy = {0};
    tokenizer *back = NULL;
    tokenizer_facts f;
    why[0] = 0;
    if (!t->ops->facts) {
        TRY_GOTO(gguf_tokenizer_json(t->source, &made));
    } else {
        t->ops->facts(t, &f);
        if (f.cuts == CUTS_SENTENCEPIECE) TRY_GOTO(spm_to_json(t, f.spm, &made, why));
        else TRY_GOTO(pieces_to_json(t, &f, &made, why));
    }
    if (buf_failed(&made)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer.json");
    if (!made.n) goto out;
    buf_put(&copy, made.bytes, made.n);
    if (buf_failed(&copy)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer.json");
    glimpse_status read = json_tokenizer_new("tokenizer.json", copy.bytes, copy.n, NULL, &back);
    if (read == GLIMPSE_E_MEMORY) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer.json");
    if (read < 0) c_snprintf(why, WHY_BYTES, "%s", status_text());
    else {
        bool is;
        TRY_GOTO(same_tokenizer(t, back, &is, why));
        if (is) buf_put(json, made.bytes, made.n);
    }
    if (buf_failed(json)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer.json");
out:
    tokenizer_close(back);
    buf_free(&made);
    buf_free(&copy);
    return st;
}
