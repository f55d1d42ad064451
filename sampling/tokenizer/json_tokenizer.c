/* json_tokenizer.c -- Hugging Face's tokenizer.json (huggingface/tokenizers 0.23): added tokens are found in the raw text, the
 * pieces between them normalised, the other added tokens found there, then pre-tokenizer, model, and for a prompt the
 * post-processor's tokens.  The decoder's steps are done once, at load, for each piece as it stands within a text. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/byte_trie.h"
#include "sampling/tokenizer/json_decoder.h"
#include "sampling/tokenizer/json_fields.h"
#include "sampling/tokenizer/json_model.h"
#include "sampling/tokenizer/json_steps.h"
#include "sampling/tokenizer/kinds.h"
#include "sampling/tokenizer/quick_pieces.h"
#include "sampling/tokenizer/unicode_classes.h"
#include "sampling/tokenizer/unicode_sets.h"

enum { MAX_JSON_DEPTH = 32, MAX_PREFIX = 16 };
/* What stands beside a piece while its bytes are found: no decoder touches it. */
#define NEIGHBOUR "\xef\xa3\xbf"

typedef struct added_token {
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    const char *text; /* in added_texts; once indexed, the form it is looked for in */
    size_t n;
} added_token;

typedef struct json_tokenizer {
    tokenizer base;
    json_steps normalizer, pretokenizer;
    json_model model;
    added_token *added; /* (n_added) */
    int32_t n_added;
    buffer added_texts;
    byte_trie raw, normal;   /* of added tokens; values are numbers in `added` */
    scan_fn scan;            /* the one step there is, words of bytes: no text is copied */
    json_decoder decoder;
    buffer tokens, pieces;   /* strings of all ids as the file has them; their bytes within a text */
    size_t *token_at, *start; /* (V + 1) each */
    quick_piece *quick;      /* (V) where a text is the bytes of its tokens; may be NULL */
    pieces_text text, normal_text;
} json_tokenizer;

/* === Added tokens === */
static glimpse_status read_added(const char *name, const json_node *list, size_t file_bytes, json_tokenizer *t) {
    size_t total = 0;
    if (!list || list->kind == JSON_NULL) return GLIMPSE_OK;
    if (list->kind != JSON_ARRAY) FAIL(GLIMPSE_E_FORMAT, "%s: added_tokens is no list", name);
    for (const json_node *v = json_first(list); v; v = json_next(list, v)) {
        const json_node *content = json_get(v, "content");
        int64_t id;
        if (!content || content->kind != JSON_STRING || !content->n || content->n > PIECE_BYTES_MAX ||
            !json_i64(json_get(v, "id"), &id) || id < 0 || (uint64_t)id >= file_bytes)
            FAIL(GLIMPSE_E_FORMAT,
                 "%s: added_tokens: an entry without content, or with an id that is no whole number from 0 to %zu",
                 name, file_bytes);
        total += content->n;
    }
    t->added = calloc((size_t)list->n + 1, sizeof *t->added);
    if (!t->added || !buf_reserve(&t->added_texts, total + 1)) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    for (const json_node *v = json_first(list); v; v = json_next(list, v)) {
        const json_node *content = json_get(v, "content");
        added_token *a = &t->added[t->n_added++];
        int64_t id = 0;
        json_i64(json_get(v, "id"), &id);
        *a = (added_token){(int32_t)id,
                           json_flag(v, "single_word", false),
                           json_flag(v, "lstrip", false),
                           json_flag(v, "rstrip", false),
                           json_flag(v, "normalized", false),
                           json_flag(v, "special", false),
                           t->added_texts.bytes + t->added_texts.n,
                           content->n};
        buf_put(&t->added_texts, content->text, content->n);
        int32_t in_vocab = json_model_id(&t->model, content->text, content->n);
        if (in_vocab >= 0) a->id = in_vocab;
    }
    return GLIMPSE_OK;
}

/* Those that are looked for after the normalizer are looked for in its form. */
static glimpse_status index_added(json_tokenizer *t) {
    buffer forms = {0};
    glimpse_status st = GLIMPSE_OK;
    size_t *at = malloc(((size_t)t->n_added + 1) * sizeof *at);
    if (!at) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    for (int32_t i = 0; i < t->n_added; i++) {
        at[i] = forms.n;
        pieces_start(&t->text, t->added[i].text, t->added[i].n, true);
        if (t->added[i].normalized) TRY_GOTO(steps_run(&t->normalizer, &t->text));
        if (buf_failed(&t->text.text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
        buf_put(&forms, buf_str(&t->text.text), t->text.text.n);
    }
    at[t->n_added] = forms.n;
    if (buf_failed(&forms)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    for (int32_t i = 0; i < t->n_added; i++) {
        size_t n = at[i + 1] - at[i];
        if (n) TRY_GOTO(trie_add(t->added[i].normalized ? &t->normal : &t->raw, forms.bytes + at[i], n, i));
    }
    for (int32_t i = 0; i < t->n_added; i++) t->added[i].text = buf_str(&forms) + at[i], t->added[i].n = at[i + 1] - at[i];
    buf_free(&t->added_texts);
    t->added_texts = forms;
    forms = (buffer){0};
out:
    free(at);
    buf_free(&forms);
    return st;
}

/* === Decoder === */
static const char *token_of(const json_tokenizer *t, int32_t id, size_t *n) {
    *n = t->token_at[id + 1] - t->token_at[id];
    return buf_str(&t->tokens) + t->token_at[id];
}

static bool is_special(const json_tokenizer *t, int32_t id) { return tokenizer_is_special(&t->base, id); }

/* The bytes of one token between others, or (first) at the beginning of a text; a special one is its name. */
static glimpse_status put_piece(json_tokenizer *t, int32_t id, bool special, bool first, buffer *scratch, buffer *out) {
    size_t n;
    const char *s = token_of(t, id, &n);
    if (special || !n) {
        buf_put(out, s, n);
        return GLIMPSE_OK;
    }
    if (json_decoder_is_bytes(&t->decoder)) {
        if (!byte_level_decode(s, n, out)) buf_put(out, s, n);
        return GLIMPSE_OK;
    }
    size_t mark = strlen(NEIGHBOUR);
    buf_clear(scratch);
    json_decoder_start(&t->decoder);
    if (!first) json_decoder_add(&t->decoder, NEIGHBOUR, mark);
    json_decoder_add(&t->decoder, s, n);
    json_decoder_add(&t->decoder, NEIGHBOUR, mark);
    TRY(json_decoder_run(&t->decoder, true, scratch));
    if (buf_failed(scratch)) FAIL(GLIMPSE_E_MEMORY, "no memory to decode");
    const char *from = buf_str(scratch), *end = from + scratch->n;
    if (!first && scratch->n >= mark && !memcmp(from, NEIGHBOUR, mark)) from += mark;
    if ((size_t)(end - from) >= mark && !memcmp(end - mark, NEIGHBOUR, mark)) end -= mark;
    /* A blank before the last one is its own, not this token's (WordPiece, and no decoder at all). */
    for (int i = 0; i <= t->decoder.n; i++)
        if ((i == t->decoder.n ? t->decoder.none : t->decoder.steps[i].kind == DECODE_WORDPIECE) && end > from && end[-1] == ' ') {
            end--;
            break;
        }
    buf_put(out, from, (size_t)(end - from));
    return GLIMPSE_OK;
}

static glimpse_status read_tokens(const json_node *vocab, json_tokenizer *t) {
    int32_t V = t->base.vocab_size;
    const json_node **by_id = calloc((size_t)V, sizeof *by_id);
    int32_t *added = malloc((size_t)V * sizeof *added), i = 0;
    t->token_at = malloc(((size_t)V + 1) * sizeof *t->token_at);
    t->start = malloc(((size_t)V + 1) * sizeof *t->start);
    glimpse_status st = GLIMPSE_OK;
    if (!by_id || !t->start || !t->token_at || !added) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)V);
    memset(added, 0xff, (size_t)V * sizeof *added);
    for (const json_node *v = json_first(vocab); v; v = json_next(vocab, v), i++) {
        int64_t id = i;
        if (vocab->kind == JSON_ARRAY || json_i64(v, &id)) by_id[id] = v;
    }
    for (i = 0; i < t->n_added; i++) added[t->added[i].id] = i;
    for (int32_t id = 0; id < V; id++) {
        const json_node *v = by_id[id];
        t->token_at[id] = t->tokens.n;
        if (added[id] >= 0) buf_put(&t->tokens, t->added[added[id]].text, t->added[added[id]].n);
        else if (v && v->kind == JSON_ARRAY) buf_put(&t->tokens, json_first(v)->text, json_first(v)->n);
        else if (v) buf_put(&t->tokens, v->key, v->key_n);
    }
    t->token_at[V] = t->tokens.n;
    if (buf_failed(&t->tokens)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)V);
out:
    free(by_id);
    free(added);
    return st;
}

static glimpse_status decode_all(json_tokenizer *t) {
    glimpse_status st = GLIMPSE_OK;
    buffer scratch = {0};
    int32_t V = t->base.vocab_size;
    for (int32_t id = 0; id < V; id++) {
        t->start[id] = t->pieces.n;
        TRY_GOTO(put_piece(t, id, is_special(t, id), false, &scratch, &t->pieces));
    }
    t->start[V] = t->pieces.n;
    if (buf_failed(&t->pieces)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)V);
    if (json_decoder_is_bytes(&t->decoder)) t->quick = quick_pieces_new(V);
    for (int32_t id = 0; id < V && t->quick; id++)
        if (!is_special(t, id)) quick_pieces_set(t->quick, id, buf_str(&t->pieces) + t->start[id], t->start[id + 1] - t->start[id]);
out:
    buf_free(&scratch);
    return st;
}

/* === Post-processor === */
/* Append an id to what stands before a text, or behind it. */
static glimpse_status add_around(const char *name, json_tokenizer *t, int64_t id, bool behind) {
    int32_t **list = behind ? &t->base.suffix : &t->base.prefix, *n = behind ? &t->base.n_suffix : &t->base.n_prefix;
    if (id < 0 || id >= t->base.vocab_size || *n >= MAX_PREFIX)
        FAIL(GLIMPSE_E_FORMAT, "%s: the post-processor puts id %lld around a text", name, (long long)id);
    if (!*list && !(*list = malloc(MAX_PREFIX * sizeof **list))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    (*list)[(*n)++] = (int32_t)id;
    return GLIMPSE_OK;
}

static glimpse_status read_template(const char *name, const json_node *node, json_tokenizer *t) {
    const json_node *single = json_get(node, "single"), *specials = json_get(node, "special_tokens");
    bool behind = false;
    for (const json_node *m = json_first(single); m; m = json_next(single, m)) {
        const json_node *which = json_get(json_get(m, "SpecialToken"), "id"), *found = NULL;
        if (json_get(m, "Sequence")) {
            if (behind || !json_is_text(json_get(json_get(m, "Sequence"), "id"), "A"))
                FAIL(GLIMPSE_E_UNSUPPORTED, "%s: TemplateProcessing with another text than one $A is not known", name);
            behind = true;
            continue;
        }
        for (const json_node *s = json_first(specials); s && which && which->kind == JSON_STRING;
             s = json_next(specials, s))
            if (s->key_n == which->n && !memcmp(s->key, which->text, which->n)) found = json_get(s, "ids");
        if (!found)
            FAIL(GLIMPSE_E_FORMAT, "%s: TemplateProcessing names a special token that it does not define", name);
        for (const json_node *i = json_first(found); i; i = json_next(found, i)) {
            int64_t id = -1;
            json_i64(i, &id);
            TRY(add_around(name, t, id, behind));
        }
    }
    if (single && !behind) FAIL(GLIMPSE_E_UNSUPPORTED, "%s: TemplateProcessing without $A is not known", name);
    return GLIMPSE_OK;
}

static int64_t id_of_pair(const json_node *pair) { /* ["[CLS]", 101] */
    const json_node *text = json_first(pair);
    int64_t id = -1;
    if (text) json_i64(json_next(pair, text), &id);
    return id;
}

static glimpse_status read_post(const char *name, const json_node *node, json_tokenizer *t) {
    const json_node *type = json_get(node, "type");
    if (!node || node->kind == JSON_NULL || json_is_text(type, "ByteLevel")) return GLIMPSE_OK;
    if (json_is_text(type, "Sequence")) {
        const json_node *list = json_get(node, "processors");
        if (!list || list->kind != JSON_ARRAY) FAIL(GLIMPSE_E_FORMAT, "%s: a Sequence of post-processors without list", name);
        for (const json_node *m = json_first(list); m; m = json_next(list, m)) {
            int32_t before = t->base.n_prefix, old[MAX_PREFIX];
            if (before) memcpy(old, t->base.prefix, (size_t)before * sizeof *old);
            TRY(read_post(name, m, t));
            int32_t more = t->base.n_prefix - before; /* the later one stands further out */
            if (!before || !more) continue;
            memmove(t->base.prefix, t->base.prefix + before, (size_t)more * sizeof *old);
            memcpy(t->base.prefix + more, old, (size_t)before * sizeof *old);
        }
        return GLIMPSE_OK;
    }
    if (json_is_text(type, "BertProcessing") || json_is_text(type, "RobertaProcessing")) {
        TRY(add_around(name, t, id_of_pair(json_get(node, "cls")), false));
        return add_around(name, t, id_of_pair(json_get(node, "sep")), true);
    }
    if (!json_is_text(type, "TemplateProcessing")) return json_unknown(name, "post-processor", node);
    return read_template(name, node, t);
}

/* === Specials === */
static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

/* Which tokens begin and end a text, by their names in the file. */
static void name_ends(json_tokenizer *t) {
    static const char *const bos_names[] = {"<|begin_of_text|>", "<s>", "<bos>", "[BOS]", "<|bos|>", NULL};
    static const char *const eos_names[] = {"<|endoftext|>", "</s>",  "<|end_of_text|>", "<|im_end|>",
                                            "<eos>",         "[EOS]", "<|eos|>",         NULL};
    for (int side = 0; side < 2; side++) {
        int32_t *to = side ? &t->base.eos : &t->base.bos;
        for (const char *const *name = side ? eos_names : bos_names; *name && *to < 0; name++)
            for (int32_t i = 0; i < t->n_added && *to < 0; i++)
                if (t->added[i].n == strlen(*name) && !memcmp(t->added[i].text, *name, t->added[i].n))
                    *to = t->added[i].id;
    }
}

/* The set tells what is a special token; the texts are found by encode itself, with their own rules of blanks. */
static glimpse_status set_specials(json_tokenizer *t) {
    glimpse_status st = GLIMPSE_OK;
    int32_t n = 0, *ids = malloc(((size_t)t->n_added + 1) * sizeof *ids),
            *lengths = calloc((size_t)t->n_added + 1, sizeof *lengths);
    const char **texts = calloc((size_t)t->n_added + 1, sizeof *texts);
    if (!ids || !lengths || !texts) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    for (int32_t i = 0; i < t->n_added; i++)
        if (t->added[i].special) ids[n] = t->added[i].id, texts[n++] = "";
    qsort(ids, (size_t)n, sizeof *ids, by_value);
    if (n) TRY_GOTO(special_set_new(ids, texts, lengths, n, &t->base.specials));
    if (t->base.n_prefix) t->base.bos = t->base.prefix[0];
out:
    free(ids);
    free(lengths);
    free(texts);
    return st;
}

/* === Encoding === */
static size_t char_before(const char *s, size_t at) {
    do at--;
    while (at && ((unsigned char)s[at] & 0xc0) == 0x80);
    return at;
}

static bool word_at(const char *s, size_t n, size_t at) {
    uint32_t cp;
    return at < n && utf8_decode(s + at, n - at, &cp) > 0 && unicode_in(SET_WORD, cp);
}

typedef glimpse_status (*part_fn)(json_tokenizer *t, const char *text, size_t n, bool first, buffer *ids);

/* Give what lies between added tokens to `part`, and the tokens' ids to `ids`.  As the reference does (added_vocabulary.rs),
 * the search goes on behind the token itself, not behind the blanks it took. */
static glimpse_status around_added(json_tokenizer *t, const byte_trie *trie, const char *text, size_t n, bool first,
                                   part_fn part, buffer *ids) {
    size_t from = 0, length;
    for (size_t at = 0, bytes = 0; trie->n_nodes && at < n;) {
        int32_t i = -1;
        while (at < n && !trie->first[(unsigned char)text[at]]) at++; /* most bytes begin no token */
        if (at < n) i = trie_longest(trie, text + at, n - at, &bytes);
        if (i < 0) {
            at++;
            continue;
        }
        const added_token *a = &t->added[i];
        size_t begin = at, end = at + bytes;
        at = end;
        if (a->single_word && ((begin && word_at(text, n, char_before(text, begin))) || word_at(text, n, end)))
            continue;
        if (a->lstrip) {
            while (begin > from && steps_space_at(text + char_before(text, begin), n, &length)) begin = char_before(text, begin);
            if (begin < from) begin = from;
        }
        while (a->rstrip && end < n && steps_space_at(text + end, n - end, &length)) end += length;
        if (begin >= end) continue; /* blanks that the token before took: nothing is left of this one */
        if (begin > from) TRY(part(t, text + from, begin - from, first && !from, ids));
        buf_put(ids, &a->id, sizeof a->id);
        from = end;
    }
    return from < n ? part(t, text + from, n - from, first && !from, ids) : GLIMPSE_OK;
}

static glimpse_status encode_words(json_tokenizer *t, const char *text, size_t n, bool first, buffer *ids) {
    if (t->scan) return json_model_encode_text(&t->model, t->scan, text, n, ids);
    pieces_start(&t->text, text, n, first);
    TRY(steps_run(&t->pretokenizer, &t->text));
    const piece_span *spans = (const piece_span *)(const void *)t->text.spans.bytes;
    for (size_t i = 0; i < t->text.spans.n / sizeof *spans; i++)
        TRY(json_model_encode(&t->model, t->text.text.bytes + spans[i].at, spans[i].n, ids));
    return GLIMPSE_OK;
}

static glimpse_status encode_normal(json_tokenizer *t, const char *text, size_t n, bool first, buffer *ids) {
    if (!t->normalizer.n && !t->normal.n_nodes) return encode_words(t, text, n, first, ids);
    pieces_start(&t->normal_text, text, n, first);
    TRY(steps_run(&t->normalizer, &t->normal_text));
    if (buf_failed(&t->normal_text.text)) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a text");
    if (t->normalizer.n && t->normal_text.spans.n) /* a step may have taken the text's first character away */
        first = ((const piece_span *)(const void *)t->normal_text.spans.bytes)->first;
    return around_added(t, &t->normal, buf_str(&t->normal_text.text), t->normal_text.text.n, first, encode_words, ids);
}

static glimpse_status encode(tokenizer *base, const char *text, size_t n, buffer *ids) {
    json_tokenizer *t = (json_tokenizer *)base;
    if (utf8_valid(text, n)) return around_added(t, &t->raw, text, n, true, encode_normal, ids);
    /* The reference takes texts alone; a byte that is none becomes U+FFFD. */
    buffer clean = {0};
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int len = utf8_decode(text + at, n - at, &cp);
        if (len > 0) buf_put(&clean, text + at, (size_t)len), at += (size_t)len;
        else buf_puts(&clean, "\xef\xbf\xbd"), at += len < 0 ? (size_t)-len : n - at;
    }
    glimpse_status st = GLIMPSE_OK;
    if (buf_failed(&clean)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to encode a text");
    st = around_added(t, &t->raw, buf_str(&clean), clean.n, true, encode_normal, ids);
out:
    buf_free(&clean);
    return st;
}

static glimpse_status decode(tokenizer *base, int32_t id, buffer *out) {
    json_tokenizer *t = (json_tokenizer *)base;
    if (id >= 0 && id < base->vocab_size)
        buf_put(out, buf_str(&t->pieces) + t->start[id], t->start[id + 1] - t->start[id]);
    return GLIMPSE_OK;
}

static glimpse_status decode_next(tokenizer *base, int32_t id, bool *begun, buffer *out) {
    json_tokenizer *t = (json_tokenizer *)base;
    glimpse_status st = GLIMPSE_OK;
    buffer scratch = {0};
    size_t before = out->n;
    if (id < 0 || id >= base->vocab_size) return GLIMPSE_OK;
    bool special = is_special(t, id);
    st = *begun || special ? decode(base, id, out) : put_piece(t, id, false, true, &scratch, out);
    if (!special && out->n > before) *begun = true;
    buf_free(&scratch);
    return st;
}

static glimpse_status text_of(tokenizer *base, const int32_t *ids, size_t n, bool skip_special, buffer *out) {
    json_tokenizer *t = (json_tokenizer *)base;
    bool bytes = json_decoder_is_bytes(&t->decoder);
    json_decoder_start(&t->decoder);
    for (size_t i = 0; i < n; i++) {
        size_t length;
        if (bytes && (i += quick_pieces_text(t->quick, base->vocab_size, ids + i, n - i, out)) == n) break;
        if (ids[i] < 0 || ids[i] >= base->vocab_size) continue;
        if (skip_special && is_special(t, ids[i])) continue;
        const char *s = token_of(t, ids[i], &length);
        if (!bytes) {
            if (length) json_decoder_add(&t->decoder, s, length);
        } else if (!byte_level_decode(s, length, out)) buf_put(out, s, length);
    }
    return bytes ? GLIMPSE_OK : json_decoder_run(&t->decoder, false, out);
}

static void close_json(tokenizer *base) {
    json_tokenizer *t = (json_tokenizer *)base;
    steps_free(&t->normalizer);
    steps_free(&t->pretokenizer);
    json_model_free(&t->model);
    free(t->added);
    buf_free(&t->added_texts);
    trie_free(&t->raw);
    trie_free(&t->normal);
    json_decoder_free(&t->decoder);
    buf_free(&t->tokens);
    free(t->token_at);
    buf_free(&t->pieces);
    free(t->start);
    free(t->quick);
    pieces_free(&t->text);
    pieces_free(&t->normal_text);
    free(t);
}

static const tokenizer_ops ops = {.kind = "tokenizer.json",
                                  .encode = encode,
                                  .decode = decode,
                                  .close = close_json,
                                  .decode_next = decode_next,
                                  .text = text_of,
                                  .invalid = INVALID_CHARACTERS};

/* A last step that spells bytes out is left out where the model takes bytes. */
static void use_bytes(json_tokenizer *t, const json_node *model) {
    json_steps *p = &t->pretokenizer;
    for (int i = 0; i + 1 < p->n; i++)
        if (p->steps[i].kind == STEP_BYTE_MAP) return;
    for (int i = 0; i < t->normalizer.n; i++)
        if (t->normalizer.steps[i].kind == STEP_BYTE_MAP) return;
    if (!p->n || p->steps[p->n - 1].kind != STEP_BYTE_MAP || !json_model_takes_bytes(model)) return;
    step_free(&p->steps[--p->n]);
    t->model.byte_level = true;
    const json_step *only = &p->steps[0];
    if (p->n == 1 && only->kind == STEP_SPLIT && only->match == MATCH_SCAN && only->behavior != SPLIT_REMOVED &&
        only->behavior != SPLIT_CONTIGUOUS)
        t->scan = only->scan;
}

glimpse_status json_tokenizer_new(const char *path, char *text, size_t n, const char *pattern, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    json_tree tree = {0};
    json_tokenizer *t = calloc(1, sizeof *t);
    if (!t) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    TRY_GOTO(tokenizer_init(&t->base, &ops, 1, path));
    TRY_GOTO(json_parse(path, text, n, MAX_JSON_DEPTH, &tree));
    const json_node *root = tree.nodes;
    if (root->kind == JSON_OBJECT && !json_get(root, "model") && json_get(root, "config") && json_get(root, "vocab")) {
        st = tekken_new(path, root, pattern, out);
        goto out;
    }
    if (root->kind != JSON_OBJECT || !json_get(root, "model"))
        FAIL_GOTO(GLIMPSE_E_TOKENIZER,
                  "%s is JSON, and no tokenizer.json: it has no \"model\"\n"
                  "hint: --tokenizer takes tokenizer.json, not tokenizer_config.json, vocab.json or config.json",
                  path);
    TRY_GOTO(steps_add_normalizer(path, json_get(root, "normalizer"), &t->normalizer));
    TRY_GOTO(steps_add_pretokenizer(path, json_get(root, "pre_tokenizer"), &t->pretokenizer));
    use_bytes(t, json_get(root, "model"));
    TRY_GOTO(json_model_open(path, json_get(root, "model"), n, &t->model));
    TRY_GOTO(read_added(path, json_get(root, "added_tokens"), n, t));
    int32_t most = t->model.max_id;
    for (int32_t i = 0; i < t->n_added; i++)
        if (t->added[i].id > most) most = t->added[i].id;
    t->base.vocab_size = most + 1;
    name_ends(t);
    TRY_GOTO(index_added(t));
    TRY_GOTO(json_decoder_open(path, json_get(root, "decoder"), &t->decoder));
    TRY_GOTO(read_tokens(json_get(json_get(root, "model"), "vocab"), t));
    TRY_GOTO(read_post(path, json_get(root, "post_processor"), t));
    TRY_GOTO(set_specials(t));
    TRY_GOTO(decode_all(t));
    *out = &t->base;
    t = NULL;
out:
    json_free(&tree);
    if (t) t->base.ops ? tokenizer_close(&t->base) : free(t);
    return st;
}
