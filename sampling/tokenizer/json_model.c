/* json_model.c -- see json_model.h. */
#include "sampling/tokenizer/json_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/json_fields.h"

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

void byte_level_encode(const char *text, size_t n, buffer *out) {
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)text[i];
        char c[4];
        uint32_t cp = byte_of(b) == b ? b : b <= 0x20 ? 0x100u + b : b == 0xad ? 0x143 : b + 0xa2u;
        buf_put(out, c, (size_t)utf8_encode(cp, c));
    }
}

/* A string as the index has it, appended to `out`. */
static bool symbol_text(const json_model *m, const char *text, size_t n, buffer *out) {
    if (m->byte_level) return byte_level_decode(text, n, out);
    buf_put(out, text, n);
    return true;
}

int32_t json_model_id(json_model *m, const char *text, size_t n) {
    if (m->kind == MODEL_UNIGRAM) return trie_find(&m->uni.trie, text, n);
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
        size_t skip = n[1] >= m->prefix_n ? m->prefix_n : 0; /* of continuing_subword_prefix, whatever it is */
        buf_put(&both, side[1] + skip, n[1] - skip);
        int32_t joined = json_model_id(m, buf_str(&both), both.n);
        if (buf_failed(&m->symbols) || buf_failed(&both)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the merges");
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

static glimpse_status copy_affix(const char *name, const json_node *node, const char *key, char **text, size_t *n) {
    const json_node *v = json_get(node, key);
    if (!v || v->kind == JSON_NULL) return GLIMPSE_OK;
    return json_copy(name, v, key, text, n);
}

bool json_model_takes_bytes(const json_node *node) {
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const json_node *type = json_get(node, "type");
    if (type ? !json_is_text(type, "BPE") : !json_get(node, "merges")) return false;
    for (int i = 0; i < 2; i++) {
        const json_node *v = json_get(node, affixes[i]);
        if (v && v->kind == JSON_STRING && v->n) return false;
    }
    return !json_flag(node, "byte_fallback", false);
}

static glimpse_status read_bpe(const char *name, const json_node *node, json_model *m) {
    double dropout;
    if (json_double(json_get(node, "dropout"), &dropout) && dropout != 0)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: BPE with dropout is not known: its ids are random", name);
    TRY(copy_affix(name, node, "continuing_subword_prefix", &m->prefix, &m->prefix_n));
    TRY(copy_affix(name, node, "end_of_word_suffix", &m->suffix, &m->suffix_n));
    m->byte_fallback = json_flag(node, "byte_fallback", false);
    m->fuse_unk = json_flag(node, "fuse_unk", false);
    m->ignore_merges = json_flag(node, "ignore_merges", false);
    TRY(read_merges(name, json_get(node, "merges"), m));
    for (int b = 0; b < 256; b++) {
        char text[8] = {(char)b};
        if (m->byte_level) m->byte_ids[b] = index_find(&m->index, text, 1);
        else {
            c_snprintf(text, sizeof text, "<0x%02X>", b);
            m->byte_ids[b] = index_find(&m->index, text, 6);
        }
    }
    m->cache = word_cache_new(); /* without it words are only slower */
    return GLIMPSE_OK;
}

static glimpse_status read_wordpiece(const char *name, const json_node *node, json_model *m) {
    int64_t most = 100;
    json_i64(json_get(node, "max_input_chars_per_word"), &most);
    m->max_chars = most >= 0 ? (size_t)most : 100;
    TRY(copy_affix(name, node, "continuing_subword_prefix", &m->prefix, &m->prefix_n));
    const json_node *vocab = json_get(node, "vocab");
    for (const json_node *v = json_first(vocab); v; v = json_next(vocab, v)) {
        int64_t id;
        if (json_i64(v, &id) && v->key_n) TRY(trie_add(&m->trie, v->key, v->key_n, (int32_t)id));
    }
    m->inner_exists = true;
    for (size_t i = 0; i < m->prefix_n && m->inner_exists; i++)
        m->inner_exists = (m->inner = trie_step(&m->trie, m->inner, (unsigned char)m->prefix[i])) != 0;
    return GLIMPSE_OK;
}

/* A score as serde_json reads it there, which is not always the nearest double: the digits as a whole number (those beyond 64
 * bits dropped), then one multiplication or division by a power of ten.  A tie of scores is decided by the last bit. */
static bool score_of(const json_node *v, double *out) {
    double exact;
    if (!json_double(v, &exact)) return false;
    const char *s = v->text, *end = s + v->n;
    uint64_t digits = 0;
    int exponent = 0;
    bool minus = *s == '-', point = false, full = false;
    for (s += minus; s < end && *s != 'e' && *s != 'E'; s++) {
        if (*s == '.') {
            point = true;
            continue;
        }
        unsigned d = (unsigned)(*s - '0');
        full = full || digits > UINT64_MAX / 10 || (digits == UINT64_MAX / 10 && d > UINT64_MAX % 10);
        if (!full) digits = digits * 10 + d;
        exponent += full ? !point : -(int)point;
    }
    int64_t more = 0;
    if (s < end) {
        s += 1 + (s + 1 < end && s[1] == '+');
        if (!parse_i64(s, (size_t)(end - s), &more) || more > 400 || more < -400) more = 401;
    }
    exponent += (int)more;
    if (exponent < -308 || exponent > 308 || more > 400) {
        *out = exact;
        return true;
    }
    double power = 1; /* the nearest double of 10^|exponent| */
    char text[8];
    int n = c_snprintf(text, sizeof text, "1e%d", exponent < 0 ? -exponent : exponent);
    if (!parse_double(text, (size_t)n, &power)) return false;
    *out = exponent < 0 ? (double)digits / power : (double)digits * power;
    if (minus) *out = -*out;
    return true;
}

/* [[piece, score], ...]; of equal pieces the last counts. */
static glimpse_status read_unigram(const char *name, const json_node *node, json_model *m) {
    const json_node *vocab = json_get(node, "vocab"), *unk = json_get(node, "unk_id");
    int64_t id = -1;
    if (!vocab || vocab->kind != JSON_ARRAY || !vocab->n) FAIL(GLIMPSE_E_FORMAT, "%s: model.vocab is no list", name);
    if (unk && unk->kind != JSON_NULL && (!json_i64(unk, &id) || id < 0 || id >= vocab->n))
        FAIL(GLIMPSE_E_FORMAT, "%s: unk_id is no whole number from 0 to %u", name, (unsigned)vocab->n - 1);
    m->unk = m->uni.unk = (int32_t)id;
    m->byte_fallback = json_flag(node, "byte_fallback", false);
    m->max_id = (int32_t)vocab->n - 1;
    if (!(m->uni.scores = malloc(vocab->n * sizeof *m->uni.scores)))
        FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %u", (unsigned)vocab->n);
    double least = INFINITY;
    int32_t i = 0;
    for (const json_node *v = json_first(vocab); v; v = json_next(vocab, v), i++) {
        const json_node *text = json_first(v), *score = text ? json_next(v, text) : NULL;
        if (v->kind != JSON_ARRAY || v->n != 2 || text->kind != JSON_STRING || !score ||
            score->kind != JSON_NUMBER || !score_of(score, &m->uni.scores[i]) ||
            !isfinite(m->uni.scores[i]))
            FAIL(GLIMPSE_E_FORMAT, "%s: model.vocab: entry %d is no piece with a finite score", name, (int)i);
        if (m->uni.scores[i] < least) least = m->uni.scores[i];
        if (text->n) TRY(trie_add(&m->uni.trie, text->text, text->n, i));
    }
    m->uni.unk_score = least - 10.0;
    for (int b = 0; b < 256; b++) {
        char text[8];
        c_snprintf(text, sizeof text, "<0x%02X>", b);
        m->byte_ids[b] = trie_find(&m->uni.trie, text, 6);
    }
    return GLIMPSE_OK;
}

glimpse_status json_model_open(const char *name, const json_node *node, size_t file_bytes, json_model *m) {
    const json_node *type = json_get(node, "type"), *unk = json_get(node, "unk_token"), *vocab = json_get(node, "vocab");
    if (!node || node->kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: it has no model", name);
    if (json_is_text(type, "WordPiece")) m->kind = MODEL_WORDPIECE;
    else if (json_is_text(type, "WordLevel")) m->kind = MODEL_WORDLEVEL;
    else if (json_is_text(type, "Unigram") || (!type && vocab && vocab->kind == JSON_ARRAY)) m->kind = MODEL_UNIGRAM;
    else if (!json_is_text(type, "BPE") && (type || !json_get(node, "merges"))) return json_unknown(name, "model", node);
    m->unk = -1;
    if (m->kind == MODEL_UNIGRAM) return read_unigram(name, node, m);
    TRY(read_vocab(name, vocab, file_bytes, m));
    if (unk && unk->kind == JSON_STRING) {
        m->unk = json_model_id(m, unk->text, unk->n);
        if (buf_failed(&m->symbols)) FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
        if (m->unk < 0 && m->kind != MODEL_WORDLEVEL)
            FAIL(GLIMPSE_E_FORMAT, "%s: unk_token \"%.*s\" is not in the vocabulary", name,
                 unk->n < 60 ? (int)unk->n : 60, unk->text);
    }
    if (m->kind == MODEL_BPE) return read_bpe(name, node, m);
    if (m->kind == MODEL_WORDLEVEL) return GLIMPSE_OK; /* a word it does not know is an error then */
    if (m->unk < 0) FAIL(GLIMPSE_E_FORMAT, "%s: the model has no unk_token", name);
    return read_wordpiece(name, node, m);
}

/* === Encoding === */
/* The symbols a word begins with; a character that is none becomes its bytes' tokens, else the unknown token.  An unknown
 * one waits for the next known character, and bytes pass it: the reference's order (models/bpe/model.rs, merge_word). */
static void first_symbols(const json_model *m, const char *word, size_t n, buffer *scratch, buffer *symbols) {
    bool waits = false;
    size_t bytes;
    for (size_t at = 0; at < n; at += bytes) {
        uint32_t cp;
        int len = m->byte_level ? 1 : utf8_decode(word + at, n - at, &cp);
        bytes = len > 0 ? (size_t)len : 1;
        const char *s = word + at;
        size_t s_n = bytes;
        if ((at && m->prefix_n) || (at + bytes == n && m->suffix_n)) {
            buf_clear(scratch);
            if (at) buf_put(scratch, m->prefix, m->prefix_n);
            buf_put(scratch, s, bytes);
            if (at + bytes == n) buf_put(scratch, m->suffix, m->suffix_n);
            s = buf_str(scratch), s_n = scratch->n;
        }
        int32_t id = m->byte_level ? m->byte_ids[(unsigned char)*s] : index_find(&m->index, s, s_n);
        if (id >= 0) {
            if (waits) buf_put(symbols, &m->unk, sizeof id), waits = false;
            buf_put(symbols, &id, sizeof id);
            continue;
        }
        bool fallback = m->byte_fallback && !m->byte_level;
        for (size_t i = 0; i < s_n && fallback; i++) fallback = m->byte_ids[(unsigned char)s[i]] >= 0;
        for (size_t i = 0; i < s_n && fallback; i++) buf_put(symbols, &m->byte_ids[(unsigned char)s[i]], sizeof id);
        if (fallback || m->unk < 0) continue;
        if (waits && !m->fuse_unk) buf_put(symbols, &m->unk, sizeof id);
        waits = true;
    }
    if (waits) buf_put(symbols, &m->unk, sizeof m->unk);
}

static glimpse_status encode_bpe(void *user, const char *word, size_t n, buffer *ids) {
    json_model *m = user;
    int32_t whole = m->ignore_merges ? index_find(&m->index, word, n) : -1;
    if (whole >= 0) {
        buf_put(ids, &whole, sizeof whole);
        return GLIMPSE_OK;
    }
    buf_clear(&m->symbols);
    first_symbols(m, word, n, &m->found, &m->symbols);
    if (buf_failed(&m->symbols) || buf_failed(&m->found))
        FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
    return bpe_join(&m->merges, (const int32_t *)(const void *)buf_str(&m->symbols), m->symbols.n / sizeof(int32_t), ids);
}

/* The longest piece first, those after the first with the prefix; a word that does not come out is one unknown token. */
static void encode_wordpiece(json_model *m, const char *word, size_t n, buffer *ids) {
    size_t chars = 0, before = ids->n;
    for (size_t i = 0; i < n; i++) chars += ((unsigned char)word[i] & 0xc0) != 0x80;
    bool known = chars <= m->max_chars;
    for (size_t at = 0, end; known && at < n; at = end) {
        int32_t id = -1;
        uint32_t node = at ? m->inner : 0;
        end = at;
        for (size_t i = at; i < n && (!at || m->inner_exists); i++) {
            if (!(node = trie_step(&m->trie, node, (unsigned char)word[i]))) break;
            if (m->trie.values[node] >= 0) id = m->trie.values[node], end = i + 1;
        }
        known = id >= 0;
        if (known) buf_put(ids, &id, sizeof id);
    }
    if (known) return;
    ids->n = before;
    buf_put(ids, &m->unk, sizeof m->unk);
}

/* Neighbouring unknown characters are one unknown piece, or its bytes. */
static glimpse_status encode_unigram(json_model *m, const char *word, size_t n, buffer *ids) {
    buf_clear(&m->found);
    TRY(unigram_encode(&m->uni, word, n, &m->found));
    const unigram_piece *p = (const unigram_piece *)(const void *)buf_str(&m->found);
    size_t count = m->found.n / sizeof *p;
    for (size_t i = 0, end; i < count; i = end) {
        size_t bytes = p[i].n;
        int32_t id = p[i].id;
        for (end = i + 1; id == m->unk && end < count && p[end].id == m->unk; end++) bytes += p[end].n;
        if (id == m->unk) id = trie_find(&m->uni.trie, word + p[i].at, bytes);
        bool fallback = id < 0 && m->byte_fallback;
        for (size_t k = 0; k < bytes && fallback; k++) fallback = m->byte_ids[(unsigned char)word[p[i].at + k]] >= 0;
        for (size_t k = 0; k < bytes && fallback; k++)
            buf_put(ids, &m->byte_ids[(unsigned char)word[p[i].at + k]], sizeof id);
        if (!fallback) buf_put(ids, id >= 0 ? &id : &m->unk, sizeof id);
    }
    return GLIMPSE_OK;
}

glimpse_status json_model_encode_text(json_model *m, scan_fn scan, const char *text, size_t n, buffer *ids) {
    return word_cache_text(m->cache, scan, encode_bpe, m, text, n, ids);
}

glimpse_status json_model_encode(json_model *m, const char *word, size_t n, buffer *ids) {
    if (m->kind == MODEL_BPE) return word_cache_encode(m->cache, encode_bpe, m, word, n, ids);
    if (m->kind == MODEL_UNIGRAM) return encode_unigram(m, word, n, ids);
    if (m->kind == MODEL_WORDPIECE) {
        encode_wordpiece(m, word, n, ids);
        return GLIMPSE_OK;
    }
    int32_t id = index_find(&m->index, word, n);
    if (id < 0 && m->unk < 0)
        FAIL(GLIMPSE_E_TOKENIZER, "the word \"%.*s\" is not in the vocabulary, which has no unknown token", n < 60 ? (int)n : 60,
             word);
    buf_put(ids, id >= 0 ? &id : &m->unk, sizeof id);
    return GLIMPSE_OK;
}

void json_model_free(json_model *m) {
    buf_free(&m->texts);
    buf_free(&m->symbols);
    index_free(&m->index);
    bpe_free(&m->merges);
    word_cache_free(m->cache);
    free(m->prefix);
    free(m->suffix);
    trie_free(&m->trie);
    unigram_free(&m->uni);
    buf_free(&m->found);
    *m = (json_model){0};
}
