/* pieces_writer.c -- tokenizers made of byte strings as tokenizer.json (tokenizer_writer.h).
 *
 * Byte pairs: the ranks are ids, and a token's merge is what the ranks below its own leave of its bytes, two parts as a rule;
 * of a token that no such pair gives every cut into two tokens is a merge.  Characters: a WordLevel without unknown token, which
 * refuses what it does not know as nanoGPT does; single bytes, the loop of a text that is not all ASCII, the same over GPT-2's
 * characters for them.  The longest match: every piece is an added token. */
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "sampling/tokenizer/byte_pair.h"
#include "sampling/tokenizer/json_model.h"
#include "sampling/tokenizer/tokenizer_writer.h"

static const char byte_level[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}";

static const char *piece(const tokenizer_facts *f, int32_t id, size_t *n) {
    *n = f->start[id + 1] - f->start[id];
    return f->bytes + f->start[id];
}

/* A token as the file spells it: its name, its text, or GPT-2's characters for its bytes. */
static void spell(const tokenizer *t, const tokenizer_facts *f, int32_t id, bool as_bytes, buffer *out) {
    size_t n;
    const char *s = piece(f, id, &n);
    buf_clear(out);
    if (as_bytes && !tokenizer_is_special(t, id)) byte_level_encode(s, n, out);
    else buf_put(out, s, n);
}

/* Bytes, of which some alone are no text. */
static bool are_single_bytes(const tokenizer *t, const tokenizer_facts *f) {
    bool high = false;
    for (int32_t id = 0; id < t->vocab_size; id++) {
        size_t n;
        const char *s = piece(f, id, &n);
        if (!n || tokenizer_is_special(t, id)) continue;
        if (n > 1) return false;
        high = high || (unsigned char)*s >= 0x80;
    }
    return high;
}

static void put_merge(buffer *json, bool *some, const char *s, size_t left, size_t n) {
    buffer side = {0};
    buf_puts(json, *some ? ",[" : "[");
    byte_level_encode(s, left, &side);
    buf_json_string(json, buf_str(&side), side.n);
    buf_clear(&side);
    byte_level_encode(s + left, n - left, &side);
    buf_putc(json, ',');
    buf_json_string(json, buf_str(&side), side.n);
    buf_putc(json, ']');
    *some = true;
    if (buf_failed(&side)) json->failed = true;
    buf_free(&side);
}

/* The length of the left one of the two parts that lower ranks make of a token; 0 = they make more. */
static glimpse_status left_part(byte_pair *bp, piece_index *below, const char *s, size_t n, buffer *parts, const tokenizer_facts *f,
                                size_t *left) {
    buf_clear(parts);
    *left = 0;
    TRY(byte_pair_encode(bp, below, s, n, parts));
    if (buf_failed(parts)) FAIL(GLIMPSE_E_MEMORY, "no memory for a list of merges");
    const int32_t *ids = (const int32_t *)(const void *)parts->bytes;
    if (parts->n == 2 * sizeof *ids && ids[0] >= 0 && ids[1] >= 0) piece(f, ids[0], left);
    return GLIMPSE_OK;
}

static glimpse_status put_merges(const tokenizer *t, const tokenizer_facts *f, buffer *json) {
    glimpse_status st = GLIMPSE_OK;
    byte_pair bp = {0};
    piece_index all = {0}, below = {0}; /* of all ids; of those before the one that is looked at */
    buffer parts = {0};
    bool some = false;
    TRY_GOTO(index_open(&all, t->vocab_size));
    TRY_GOTO(index_open(&below, t->vocab_size));
    for (int pass = 0; pass < 2; pass++)
        for (int32_t id = 0; id < t->vocab_size; id++) {
            size_t n, left;
            const char *s = piece(f, id, &n);
            if (!n || tokenizer_is_special(t, id)) continue;
            if (!pass) {
                index_add(&all, s, n, id);
                if (n == 1) index_add(&below, s, n, id); /* a byte is there whatever its rank */
                continue;
            }
            if (n == 1) continue;
            TRY_GOTO(left_part(&bp, &below, s, n, &parts, f, &left));
            if (left) put_merge(json, &some, s, left, n);
            for (size_t cut = 1; !left && cut < n; cut++)
                if (index_find(&all, s, cut) >= 0 && index_find(&all, s + cut, n - cut) >= 0) put_merge(json, &some, s, cut, n);
            index_add(&below, s, n, id);
        }
out:
    byte_pair_free(&bp);
    index_free(&all);
    index_free(&below);
    buf_free(&parts);
    return st;
}

/* Signs that Oniguruma, which reads the file elsewhere, takes for something else than the engines of the ranks do. */
static bool pattern_travels(const char *p, size_t n) {
    static const char *const other[] = {"}+", "$", "^", "\\h", "\\H", "(?m", "(?s", "(?x", "\\<", "\\w", "\\W", "&&", "\\R", "\\X"};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        for (size_t at = 0, m = strlen(other[i]); at + m <= n; at++)
            if (!memcmp(p + at, other[i], m) && !(*other[i] == '^' && at && p[at - 1] == '[')) return false;
    return true;
}

static void put_pretokenizer(const tokenizer_facts *f, buffer *out) {
    static const char before[] = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":";
    buf_puts(out, before);
    buf_json_string(out, f->pattern, f->pattern_n);
    buf_printf(out, "},\"behavior\":\"Isolated\",\"invert\":false},%s]}", byte_level);
}

/* No tokens but the 256 bytes. */
static void bytes_to_json(const tokenizer *t, buffer *json) {
    buffer added = {0}, name = {0};
    json_put_head(json, t, &added, "null", byte_level, byte_level);
    buf_puts(json, "{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                   "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,\"vocab\":{");
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        buf_clear(&name);
        byte_level_encode(&c, 1, &name);
        json_put_entry(json, !b, buf_str(&name), name.n, b);
    }
    buf_puts(json, "},\"merges\":[]}}");
    if (buf_failed(&name)) json->failed = true;
    buf_free(&name);
}

glimpse_status pieces_to_json(const tokenizer *t, const tokenizer_facts *f, buffer *json, char why[WHY_BYTES]) {
    static const char characters[] = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\".|\\n\"},\"behavior\":\"Isolated\",\"invert\":false}";
    glimpse_status st = GLIMPSE_OK;
    buffer added = {0}, name = {0}, pre = {0};
    const bool pairs = f->cuts == CUTS_BYTE_PAIRS, single = f->cuts == CUTS_LONGEST && are_single_bytes(t, f), as_bytes = pairs || single;
    bool some = false;
    if (f->cuts == CUTS_BYTES) {
        bytes_to_json(t, json);
        return GLIMPSE_OK;
    }
    if (pairs && !pattern_travels(f->pattern, f->pattern_n) && !pattern_scanner(f->pattern, f->pattern_n)) {
        c_snprintf(why, WHY_BYTES, "its pattern means something else to Hugging Face tokenizers");
        return GLIMPSE_OK;
    }
    for (int32_t id = 0; id < t->vocab_size; id++) {
        size_t n;
        const char *s = piece(f, id, &n);
        bool special = tokenizer_is_special(t, id), as_text = special || !as_bytes;
        if (n && as_text && !utf8_valid(s, n)) {
            c_snprintf(why, WHY_BYTES, "token %d is no valid UTF-8", (int)id);
            goto out;
        }
        if (n && (special || (f->cuts == CUTS_LONGEST && !single))) json_put_added(&added, s, n, id, special);
    }
    if (pairs) put_pretokenizer(f, &pre);
    else if (single) buf_printf(&pre, "{\"type\":\"Sequence\",\"pretokenizers\":[%s,%s]}", byte_level, characters);
    else buf_puts(&pre, f->cuts == CUTS_CHARACTERS ? characters : "null");
    json_put_head(json, t, &added, "null", buf_str(&pre), as_bytes ? byte_level : "{\"type\":\"Fuse\"}");
    if (pairs)
        buf_printf(json, "{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                         "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":%s,\"vocab\":{", f->whole ? "true" : "false");
    else buf_puts(json, "{\"type\":\"WordLevel\",\"vocab\":{");
    for (int32_t id = 0; id < t->vocab_size; id++) {
        spell(t, f, id, as_bytes, &name);
        if (!name.n) continue;
        json_put_entry(json, !some, buf_str(&name), name.n, id);
        some = true;
    }
    if (pairs) {
        buf_puts(json, "},\"merges\":[");
        TRY_GOTO(put_merges(t, f, json));
        buf_puts(json, "]}}");
    } else buf_puts(json, "},\"unk_token\":\"[none]\"}}");
    if (buf_failed(&pre) || buf_failed(&name)) json->failed = true;
out:
    buf_free(&added);
    buf_free(&name);
    buf_free(&pre);
    return st;
}
