/* pieces.c -- a tokenizer made of V byte strings: llm.c's .bin or a trainer's.  How a text is encoded follows from the
 * strings (glimpse.h, glimpse_tokenizer): by characters if every piece is one, else by byte-pair merges in order of id
 * after GPT-2's pre-tokenizer if all 256 bytes are pieces, else by the longest match.  Special tokens do not count.  tiktoken's
 * and Tekken's ranks come with their pattern and are byte pairs always. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "sampling/tokenizer/byte_pair.h"
#include "sampling/tokenizer/json_regex.h"
#include "sampling/tokenizer/kinds.h"
#include "sampling/tokenizer/pretokenize_gpt2.h"
#include "sampling/tokenizer/quick_pieces.h"
#include "sampling/tokenizer/word_cache.h"

typedef struct pieces_tokenizer {
    tokenizer base;
    char *bytes;        /* all pieces, one after another */
    size_t *start;      /* (V + 1) */
    piece_index index;  /* special tokens left out */
    byte_pair scratch;
    scan_fn scan;       /* byte pairs: the words; NULL: by `pattern` */
    json_step pattern;
    char *pattern_text; /* its text */
    size_t pattern_n;
    bool whole;         /* a word that is a piece is that piece */
    const bool *special; /* (V) while it is opened; NULL = by their texts */
    word_cache *cache;
    quick_piece *quick; /* (V) */
} pieces_tokenizer;

static const char *piece_of(const pieces_tokenizer *p, int32_t id, size_t *n) {
    *n = p->start[id + 1] - p->start[id];
    return p->bytes + p->start[id];
}

/* "the character "x" (U+0078) at byte 12": what cannot be encoded. */
static void describe_character(const char *text, size_t n, size_t at, char *out, size_t cap) {
    uint32_t cp;
    int len = utf8_decode(text + at, n - at, &cp);
    if (len > 0) snprintf(out, cap, "the character \"%.*s\" (U+%04X) at byte %zu", len, text + at, (unsigned)cp, at);
    else snprintf(out, cap, "the byte 0x%02x (no valid UTF-8) at byte %zu", (unsigned char)text[at], at);
}

static glimpse_status unknown_character(const pieces_tokenizer *p, const char *text, size_t n, size_t at,
                                        const char *kind) {
    char what[96];
    describe_character(text, n, at, what, sizeof what);
    FAIL(GLIMPSE_E_TOKENIZER, "%s is not in the vocabulary (%d %s, %s)\nhint: use text like that the model was trained on", what,
         (int)p->index.n_entries, kind, p->base.source);
}

static glimpse_status encode_characters(tokenizer *t, const char *text, size_t n, buffer *ids) {
    pieces_tokenizer *p = (pieces_tokenizer *)t;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int len = utf8_decode(text + at, n - at, &cp);
        int32_t id = len > 0 ? index_find(&p->index, text + at, (size_t)len) : -1;
        if (id < 0) return unknown_character(p, text, n, at, "characters");
        buf_put(ids, &id, sizeof id);
        at += (size_t)len;
    }
    return GLIMPSE_OK;
}

static glimpse_status encode_word(void *user, const char *word, size_t n, buffer *ids) {
    pieces_tokenizer *p = user;
    int32_t id = p->whole ? index_find(&p->index, word, n) : -1;
    if (id < 0) return byte_pair_encode(&p->scratch, &p->index, word, n, ids);
    buf_put(ids, &id, sizeof id);
    return GLIMPSE_OK;
}

static glimpse_status encode_byte_pairs(tokenizer *t, const char *text, size_t n, buffer *ids) {
    pieces_tokenizer *p = (pieces_tokenizer *)t;
    if (p->scan) return word_cache_text(p->cache, p->scan, encode_word, p, text, n, ids);
    /* PCRE2 takes valid UTF-8 alone; what stands between two matches is a word too. */
    if (!utf8_valid(text, n)) FAIL(GLIMPSE_E_TOKENIZER, "the text is no valid UTF-8, which the pattern of %s needs", t->source);
    for (size_t from = 0, at = 0, bytes = 0; from < n; from = at + bytes) {
        bool found;
        TRY(regex_next(&p->pattern, text, n, from, from > 0, &at, &bytes, &found));
        if (!found) at = n, bytes = 0;
        if (at > from) TRY(word_cache_encode(p->cache, encode_word, p, text + from, at - from, ids));
        if (bytes) TRY(word_cache_encode(p->cache, encode_word, p, text + at, bytes, ids));
    }
    return GLIMPSE_OK;
}

static glimpse_status encode_longest(tokenizer *t, const char *text, size_t n, buffer *ids) {
    pieces_tokenizer *p = (pieces_tokenizer *)t;
    for (size_t at = 0, len = 0; at < n; at += len) {
        int32_t id = index_longest(&p->index, text + at, n - at, &len);
        if (id < 0) return unknown_character(p, text, n, at, "pieces");
        buf_put(ids, &id, sizeof id);
    }
    return GLIMPSE_OK;
}

static glimpse_status decode(tokenizer *t, int32_t id, buffer *out) {
    pieces_tokenizer *p = (pieces_tokenizer *)t;
    if (id < 0 || id >= t->vocab_size) return GLIMPSE_OK;
    size_t n;
    const char *piece = piece_of(p, id, &n);
    buf_put(out, piece, n);
    return GLIMPSE_OK;
}

static glimpse_status text_of(tokenizer *t, const int32_t *ids, size_t n, bool skip_special, buffer *out) {
    pieces_tokenizer *p = (pieces_tokenizer *)t;
    for (size_t i = 0; i < n; i++) {
        if ((i += quick_pieces_text(p->quick, t->vocab_size, ids + i, n - i, out)) == n) break;
        if (!skip_special || !tokenizer_is_special(t, ids[i])) TRY(decode(t, ids[i], out));
    }
    return GLIMPSE_OK;
}

static void close_pieces(tokenizer *t) {
    pieces_tokenizer *p = (pieces_tokenizer *)t;
    free(p->bytes);
    free(p->start);
    index_free(&p->index);
    byte_pair_free(&p->scratch);
    word_cache_free(p->cache);
    regex_free(&p->pattern);
    free(p->pattern_text);
    free(p->quick);
    free(p);
}

static void facts_of(const tokenizer *t, tokenizer_facts *f);

static const tokenizer_ops characters_ops = {.kind = "characters", .encode = encode_characters, .decode = decode,
                                             .text = text_of, .close = close_pieces, .facts = facts_of};
static const tokenizer_ops byte_pair_ops = {.kind = "byte pairs", .encode = encode_byte_pairs, .decode = decode,
                                            .text = text_of, .close = close_pieces, .facts = facts_of};
static const tokenizer_ops longest_ops = {.kind = "longest match", .encode = encode_longest, .decode = decode,
                                          .text = text_of, .close = close_pieces, .facts = facts_of};

static void facts_of(const tokenizer *t, tokenizer_facts *f) {
    const pieces_tokenizer *p = (const pieces_tokenizer *)t;
    const char *known = pattern_text(p->scan);
    *f = (tokenizer_facts){.cuts = t->ops == &characters_ops  ? CUTS_CHARACTERS
                                   : t->ops == &byte_pair_ops ? CUTS_BYTE_PAIRS
                                                              : CUTS_LONGEST,
                           .bytes = p->bytes, .start = p->start, .whole = p->whole,
                           .pattern = p->scan ? known : p->pattern_text, .pattern_n = p->scan ? strlen(known) : p->pattern_n};
}

static bool one_character(const char *s, size_t n) {
    uint32_t cp;
    return n && utf8_decode(s, n, &cp) == (int)n;
}

/* An end-of-text that is an ordinary character of the vocabulary (a newline, say) stays one. */
static bool is_special(const pieces_tokenizer *p, int32_t id) {
    size_t n;
    const char *s = piece_of(p, id, &n);
    if (p->special) return p->special[id];
    return special_text(s, n) || (id == p->base.eos && !one_character(s, n));
}

static int32_t id_by_name(const pieces_tokenizer *p, const char *const *names) {
    for (; *names; names++)
        for (int32_t id = 0; id < p->base.vocab_size; id++) {
            size_t n;
            const char *s = piece_of(p, id, &n);
            if (n == strlen(*names) && !memcmp(s, *names, n)) return id;
        }
    return -1;
}

static glimpse_status copy_pieces(pieces_tokenizer *p, const char *const *pieces, const int32_t *bytes, int32_t n,
                                  const char *source) {
    size_t total = 0;
    for (int32_t i = 0; i < n; i++) {
        if (bytes[i] < 0 || bytes[i] > PIECE_BYTES_MAX)
            FAIL(GLIMPSE_E_TOKENIZER, "%s: piece %d has %d bytes, 0 to %d are possible", source, (int)i, (int)bytes[i],
                 (int)PIECE_BYTES_MAX);
        if (bytes[i] && !pieces[i]) FAIL(GLIMPSE_E_TOKENIZER, "%s: piece %d is NULL", source, (int)i);
        total += (size_t)bytes[i];
    }
    if (!total) FAIL(GLIMPSE_E_TOKENIZER, "%s: all of its %d pieces are empty", source, (int)n);
    p->bytes = malloc(total);
    p->start = malloc(((size_t)n + 1) * sizeof *p->start);
    if (!p->bytes || !p->start) FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d pieces", (int)n);
    p->start[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        if (bytes[i]) memcpy(p->bytes + p->start[i], pieces[i], (size_t)bytes[i]);
        p->start[i + 1] = p->start[i] + (size_t)bytes[i];
    }
    return GLIMPSE_OK;
}

static glimpse_status add_specials(pieces_tokenizer *p) {
    glimpse_status st = GLIMPSE_OK;
    int32_t n = 0, k = 0;
    for (int32_t id = 0; id < p->base.vocab_size; id++) n += is_special(p, id);
    if (!n) return GLIMPSE_OK;
    int32_t *ids = malloc((size_t)n * sizeof *ids), *lengths = malloc((size_t)n * sizeof *lengths);
    const char **texts = malloc((size_t)n * sizeof *texts);
    if (!ids || !lengths || !texts) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    for (int32_t id = 0; id < p->base.vocab_size; id++) {
        if (!is_special(p, id)) continue;
        size_t bytes;
        texts[k] = piece_of(p, id, &bytes);
        ids[k] = id, lengths[k++] = (int32_t)bytes;
    }
    TRY_GOTO(special_set_new(ids, texts, lengths, n, &p->base.specials));
out:
    free(ids);
    free(lengths);
    free(texts);
    return st;
}

/* Fill the index and choose how to encode. */
static glimpse_status index_pieces(pieces_tokenizer *p) {
    bool characters = true, all_bytes = true;
    TRY(index_open(&p->index, p->base.vocab_size));
    for (int32_t id = 0; id < p->base.vocab_size; id++) {
        size_t n;
        const char *s = piece_of(p, id, &n);
        if (!n || is_special(p, id)) continue;
        if (!one_character(s, n)) characters = false;
        index_add(&p->index, s, n, id);
    }
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        if (index_find(&p->index, &c, 1) < 0) all_bytes = false;
    }
    if (p->whole && !all_bytes)
        FAIL(GLIMPSE_E_FORMAT, "%s: not every byte is a token, which byte pairs need", p->base.source);
    p->base.ops = p->whole ? &byte_pair_ops : characters ? &characters_ops : all_bytes ? &byte_pair_ops : &longest_ops;
    if (p->base.ops == &byte_pair_ops) p->cache = word_cache_new(); /* without it words are only slower */
    return GLIMPSE_OK;
}

static bool identity_bytes(const char *const *pieces, const int32_t *bytes, int32_t n) {
    if (n != 256) return false;
    for (int i = 0; i < 256; i++)
        if (bytes[i] != 1 || !pieces[i] || (unsigned char)pieces[i][0] != i) return false;
    return true;
}

glimpse_status pieces_tokenizer_open(const pieces_spec *spec, tokenizer **out) {
    static const char *const bos_names[] = {"<|begin_of_text|>", "<|bos|>", "<s>", "<bos>", "[BOS]", NULL};
    static const char *const eos_names[] = {"<|endoftext|>", "<|end_of_text|>", "<|eos|>", "</s>", "<eos>", "[EOS]", NULL};
    glimpse_status st = GLIMPSE_OK;
    pieces_tokenizer *p = NULL;
    int32_t n = spec->n, eos = spec->eos;
    if (n < 1 || n > 1 << 24)
        FAIL(GLIMPSE_E_TOKENIZER, "%s: %d pieces, 1 to %d are possible", spec->source, (int)n, 1 << 24);
    if (!spec->scan && !spec->pattern && identity_bytes(spec->pieces, spec->bytes, n))
        return bytes_tokenizer_new(spec->source, eos < 256 ? eos : -1, out);
    if (!(p = calloc(1, sizeof *p))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    p->scan = spec->scan ? spec->scan : spec->pattern ? NULL : pretokenize_gpt2_next;
    p->whole = spec->scan || spec->pattern;
    p->special = spec->special;
    TRY_GOTO(tokenizer_init(&p->base, &longest_ops, n, spec->source));
    if (spec->pattern) {
        TRY_GOTO(regex_matcher(spec->source, spec->pattern, spec->pattern_n, REGEX_RUST, &p->pattern));
        if (!(p->pattern_text = strndup(spec->pattern, spec->pattern_n))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
        p->pattern_n = strlen(p->pattern_text);
    }
    TRY_GOTO(copy_pieces(p, spec->pieces, spec->bytes, n, spec->source));
    p->base.bos = id_by_name(p, bos_names);
    p->base.eos = eos >= 0 && eos < n ? eos : id_by_name(p, eos_names);
    TRY_GOTO(add_specials(p));
    TRY_GOTO(index_pieces(p));
    p->special = NULL;
    p->quick = quick_pieces_new(n);
    for (int32_t id = 0; id < n && p->quick; id++) {
        size_t length;
        const char *piece = piece_of(p, id, &length);
        if (!tokenizer_is_special(&p->base, id)) quick_pieces_set(p->quick, id, piece, length);
    }
    *out = &p->base;
    p = NULL;
out:
    if (p) tokenizer_close(&p->base);
    return st;
}

glimpse_status pieces_tokenizer_new(const char *const *pieces, const int32_t *bytes, int32_t n, int32_t eos,
                                    const char *source, tokenizer **out) {
    return pieces_tokenizer_open(&(pieces_spec){.pieces = pieces, .bytes = bytes, .n = n, .eos = eos, .source = source}, out);
}
