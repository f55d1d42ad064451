/* json_model.c -- see json_model.h. */
#include "sampling/tokenizer/json_model.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"

/* A word seen before is looked up whole.  Direct mapped: a collision overwrites. */
enum { CACHE_SLOTS = 1 << 14, CACHE_BYTES = 24, CACHE_IDS = 8 };
typedef struct word_cache {
    uint8_t n_bytes, n_ids; /* n_bytes 0 = empty */
    char word[CACHE_BYTES];
    int32_t ids[CACHE_IDS];
} word_cache;

/* 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves, the other 68 bytes for U+0100 to U+0143 in their order. */
static int byte_of(uint32_t cp) {
    if ((cp >= 0x21 && cp <= 0x7e) || (cp >= 0xa1 && cp <= 0xac) || (cp >= 0xae && cp <= 0xff)) return (int)cp;
    if (cp >= 0x100 && cp <= 0x120) return (int)(cp - 0x100);
    if (cp >= 0x121 && cp <= 0x142) return (int)(cp - 0xa2);
    return cp == 0x143 ? 0xad : -1;
}

bool byte_level_decode(const char *text, size_t n, buffer *out) {
    size_t start = out->n;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int len = utf8_decode(text + at, n - at, &cp), byte = len > 0 ? byte_of(cp) : -1;
        if (byte < 0) {
            if (out->bytes) out->bytes[out->n = start] = 0;
            return false;
        }
        buf_putc(out, (char)byte);
        at += (size_t)len;
    }
    return true;
}

/* A string as the index has it, appended to `out`. */
static bool symbol_text(const json_model *m, const char *text, size_t n, buffer *out) {
    if (m->byte_level) return byte_level_decode(text, n, out);
    buf_put(out, text, n);
    return true;
}

int32_t json_model_id(json_model *m, const char *text, size_t n) {
    buf_clear(&m->symbols);
    return symbol_text(m, text, n, &m->symbols) ? index_find(&m->index, buf_str(&m->symbols), m->symbols.n) : -1;
}

/* === Reading === */
static glimpse_status read_vocab(const char *name, const json_node *vocab, size_t file_bytes, json_model *m) {
    if (!vocab || vocab->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: model.vocab is no object", name);
    if (!vocab->n) FAIL(GLIMPSE_E_FORMAT, "%s: model.vocab is empty", name);
    size_t total = 0;
    m->max_id = -1;
    for (const json_node *v = json_first(vocab); v; v = json_next(vocab, v)) {
        int64_t id;
        if (!json_i64(v, &id) || id < 0 || (uint64_t)id >= file_bytes)
            FAIL(GLIMPSE_E_FORMAT, "%s: model.vocab: the id of \"%.*s\" is no whole number from 0 to %zu", name,
                 v->key_n < 60 ? (int)v->key_n : 60, v->key, file_bytes);
        if (v->key_n > PIECE_BYTES_MAX)
            FAIL(GLIMPSE_E_FORMAT, "%s: model.vocab: a piece of %u bytes", name, (unsigned)v->key_n);
        if (id > m->max_id) m->max_id = (int32_t)id;
        total += v->key_n;
    }
    /* The strings lie in one block that no longer grows: the index points into it. */
    if (!buf_reserve(&m->texts, total + 1)) FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
    TRY(index_open(&m->index, (int32_t)vocab->n));
    for (const json_node *v = json_first(vocab); v; v = json_next(vocab, v)) {
        size_t at = m->texts.n;
        int64_t id;
        if (!json_i64(v, &id) || !symbol_text(m, v->key, v->key_n, &m->texts) || m->texts.n == at) continue;
        index_add(&m->index, m->texts.bytes + at, m->texts.n - at, (int32_t)id);
    }
    if (buf_failed(&m->texts)) FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
    return GLIMPSE_OK;
}

/* "a b", or ["a", "b"] where tokens hold blanks. */
static glimpse_status merge_sides(const char *name, const json_node *v, const char *side[2], size_t n[2]) {
    if (v->kind == JSON_ARRAY && v->n == 2) {
        const json_node *a = json_first(v), *b = json_next(v, a);
        if (a->kind == JSON_STRING && b->kind == JSON_STRING) {
            side[0] = a->text, n[0] = a->n, side[1] = b->text, n[1] = b->n;
            return GLIMPSE_OK;
        }
    }
    const char *blank = v->kind == JSON_STRING ? memchr(v->text, ' ', v->n) : NULL;
    if (!blank || memchr(blank + 1, ' ', v->n - (size_t)(blank + 1 - v->text)))
        FAIL(GLIMPSE_E_FORMAT, "%s: model.merges: an entry is no pair", name);
    side[0] = v->text, n[0] = (size_t)(blank - v->text);
    side[1] = blank + 1, n[1] = v->n - n[0] - 1;
    return GLIMPSE_OK;
}

static glimpse_status read_merges(const char *name, const json_node *merges, json_model *m) {
    glimpse_status st = GLIMPSE_OK;
    buffer both = {0};
    int32_t rank = 0;
    if (!merges || merges->kind != JSON_ARRAY) FAIL(GLIMPSE_E_FORMAT, "%s: model.merges is no list", name);
    TRY(bpe_open(&m->merges, merges->n));
    for (const json_node *v = json_first(merges); v; v = json_next(merges, v), rank++) {
        const char *side[2];
        size_t n[2];
        TRY_GOTO(merge_sides(name, v, side, n));
        int32_t id[2] = {json_model_id(m, side[0], n[0]), json_model_id(m, side[1], n[1])};
        buf_clear(&both);
        buf_put(&both, side[0], n[0]);
        buf_put(&both, side[1], n[1]);
        int32_t joined = json_model_id(m, buf_str(&both), both.n);
        if (id[0] < 0 || id[1] < 0 || joined < 0)
            FAIL_GOTO(GLIMPSE_E_FORMAT,
                      "%s: model.merges: merge %d (\"%.*s\" and \"%.*s\") is of pieces that are not in the vocabulary",
                      name, (int)rank, n[0] < 60 ? (int)n[0] : 60, side[0], n[1] < 60 ? (int)n[1] : 60, side[1]);
        bpe_add(&m->merges, id[0], id[1], rank, joined);
    }
    if (buf_failed(&both) || buf_failed(&m->symbols)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for merges");
out:
    buf_free(&both);
    return st;
}

static bool flag(const json_node *node, const char *key) {
    const json_node *v = json_get(node, key);
    return v && v->kind == JSON_TRUE;
}

static glimpse_status read_bpe(const char *name, const json_node *node, json_model *m) {
    static const char *const never[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    double dropout;
    for (size_t i = 0; i < 2; i++) {
        const json_node *v = json_get(node, never[i]);
        if (v && v->kind != JSON_NULL && !(v->kind == JSON_STRING && !v->n))
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: BPE with %s is not known", name, never[i]);
    }
    if (json_double(json_get(node, "dropout"), &dropout) && dropout != 0)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: BPE with dropout is not known: its ids are random", name);
    m->byte_fallback = flag(node, "byte_fallback");
    m->fuse_unk = flag(node, "fuse_unk");
    m->ignore_merges = flag(node, "ignore_merges");
    TRY(read_merges(name, json_get(node, "merges"), m));
    for (int b = 0; b < 256; b++) {
        char text[8] = {(char)b};
        if (m->byte_level) m->byte_ids[b] = index_find(&m->index, text, 1);
        else {
            c_snprintf(text, sizeof text, "<0x%02X>", b);
            m->byte_ids[b] = index_find(&m->index, text, 6);
        }
    }
    m->cache = calloc(CACHE_SLOTS, sizeof *m->cache); /* without it words are only slower */
    return GLIMPSE_OK;
}

glimpse_status json_model_open(const char *name, const json_node *node, size_t file_bytes, json_model *m) {
    const json_node *type = json_get(node, "type"), *unk = json_get(node, "unk_token"),
                    *prefix = json_get(node, "continuing_subword_prefix");
    int64_t most = 100;
    if (!node || node->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: it has no model", name);
    if (json_is_text(type, "WordPiece")) m->kind = MODEL_WORDPIECE;
    else if (json_is_text(type, "WordLevel")) m->kind = MODEL_WORDLEVEL;
    else if (!json_is_text(type, "BPE") && (type || !json_get(node, "merges")))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the model %.*s is not known; known: BPE, WordPiece, WordLevel", name,
             type && type->kind == JSON_STRING && type->n < 60 ? (int)type->n : 1,
             type && type->kind == JSON_STRING ? type->text : "?");
    TRY(read_vocab(name, json_get(node, "vocab"), file_bytes, m));
    m->unk = -1;
    if (unk && unk->kind == JSON_STRING) {
        m->unk = json_model_id(m, unk->text, unk->n);
        if (m->unk < 0)
            FAIL(GLIMPSE_E_FORMAT, "%s: unk_token \"%.*s\" is not in the vocabulary", name,
                 unk->n < 60 ? (int)unk->n : 60, unk->text);
    }
    if (m->kind == MODEL_BPE) return read_bpe(name, node, m);
    if (m->unk < 0) FAIL(GLIMPSE_E_FORMAT, "%s: the model has no unk_token", name);
    json_i64(json_get(node, "max_input_chars_per_word"), &most);
    m->max_chars = most > 0 ? (size_t)most : 100;
    m->prefix_n = prefix && prefix->kind == JSON_STRING ? prefix->n : 0;
    if (!(m->prefix = malloc(m->prefix_n + 1))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    if (m->prefix_n) memcpy(m->prefix, prefix->text, m->prefix_n);
    return GLIMPSE_OK;
}

/* === Encoding === */
/* The symbols a word begins with; a character that is none becomes its bytes' tokens, else the unknown token. */
static void first_symbols(const json_model *m, const char *word, size_t n, buffer *symbols) {
    bool unknown_before = false;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int len = m->byte_level ? 1 : utf8_decode(word + at, n - at, &cp);
        size_t bytes = len > 0 ? (size_t)len : 1;
        int32_t id = m->byte_level ? m->byte_ids[(unsigned char)word[at]] : index_find(&m->index, word + at, bytes);
        bool fallback = id < 0 && !m->byte_level && m->byte_fallback;
        for (size_t i = 0; i < bytes && fallback; i++) fallback = m->byte_ids[(unsigned char)word[at + i]] >= 0;
        if (id >= 0) buf_put(symbols, &id, sizeof id);
        for (size_t i = 0; i < bytes && fallback; i++)
            buf_put(symbols, &m->byte_ids[(unsigned char)word[at + i]], sizeof id);
        bool unknown = id < 0 && !fallback;
        if (unknown && m->unk >= 0 && !(m->fuse_unk && unknown_before)) buf_put(symbols, &m->unk, sizeof id);
        unknown_before = unknown;
        at += bytes;
    }
}

static glimpse_status encode_bpe(json_model *m, const char *word, size_t n, buffer *ids) {
    word_cache *slot = NULL;
    if (m->cache && n <= CACHE_BYTES) {
        uint64_t h = n * 0x9e3779b97f4a7c15u;
        for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)word[i]) * 0x100000001b3u;
        slot = &m->cache[(h ^ h >> 31) % CACHE_SLOTS];
        if (slot->n_bytes == n && !memcmp(slot->word, word, n)) {
            buf_put(ids, slot->ids, slot->n_ids * sizeof *slot->ids);
            return GLIMPSE_OK;
        }
    }
    size_t before = ids->n;
    int32_t whole = m->ignore_merges ? index_find(&m->index, word, n) : -1;
    if (whole >= 0) buf_put(ids, &whole, sizeof whole);
    else {
        buf_clear(&m->symbols);
        first_symbols(m, word, n, &m->symbols);
        if (buf_failed(&m->symbols)) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
        TRY(bpe_join(&m->merges, (const int32_t *)(const void *)buf_str(&m->symbols), m->symbols.n / sizeof(int32_t),
                     ids));
    }
    size_t n_ids = (ids->n - before) / sizeof(int32_t);
    if (slot && n_ids <= CACHE_IDS && !ids->failed) {
        slot->n_bytes = (uint8_t)n, slot->n_ids = (uint8_t)n_ids;
        memcpy(slot->word, word, n);
        if (n_ids) memcpy(slot->ids, ids->bytes + before, n_ids * sizeof(int32_t));
    }
    return GLIMPSE_OK;
}

/* The longest piece first, those after the first with the prefix; a word that does not come out is one unknown token. */
static glimpse_status encode_wordpiece(json_model *m, const char *word, size_t n, buffer *ids) {
    size_t chars = 0, before = ids->n;
    for (size_t i = 0; i < n; i++) chars += ((unsigned char)word[i] & 0xc0) != 0x80;
    bool known = chars <= m->max_chars;
    for (size_t at = 0, end; known && at < n; at = end) {
        int32_t id = -1;
        for (end = n; end > at; end--) {
            if (end < n && ((unsigned char)word[end] & 0xc0) == 0x80) continue;
            buf_clear(&m->symbols);
            if (at) buf_put(&m->symbols, m->prefix, m->prefix_n);
            buf_put(&m->symbols, word + at, end - at);
            if ((id = index_find(&m->index, buf_str(&m->symbols), m->symbols.n)) >= 0) break;
        }
        known = id >= 0;
        if (known) buf_put(ids, &id, sizeof id);
    }
    if (buf_failed(&m->symbols)) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word");
    if (known) return GLIMPSE_OK;
    ids->n = before;
    buf_put(ids, &m->unk, sizeof m->unk);
    return GLIMPSE_OK;
}

glimpse_status json_model_encode(json_model *m, const char *word, size_t n, buffer *ids) {
    if (m->kind == MODEL_BPE) return encode_bpe(m, word, n, ids);
    if (m->kind == MODEL_WORDPIECE) return encode_wordpiece(m, word, n, ids);
    int32_t id = index_find(&m->index, word, n);
    buf_put(ids, id >= 0 ? &id : &m->unk, sizeof id);
    return GLIMPSE_OK;
}

void json_model_free(json_model *m) {
    buf_free(&m->texts);
    buf_free(&m->symbols);
    index_free(&m->index);
    bpe_free(&m->merges);
    free(m->cache);
    free(m->prefix);
    *m = (json_model){0};
}
