/* json_tokenizer.c -- Hugging Face's tokenizer.json (huggingface/tokenizers 0.23): added tokens are found in the raw text, the
 * pieces between them normalised, the other added tokens found there, then pre-tokenizer, model, and for a prompt the
 * post-processor's tokens.  Ids decode one by one: the decoder's steps are done once, at load, for each piece. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/json_model.h"
#include "sampling/tokenizer/json_steps.h"
#include "sampling/tokenizer/kinds.h"
#include "sampling/tokenizer/unicode_classes.h"

enum { MAX_JSON_DEPTH = 32, MAX_PREFIX = 16 };

typedef struct added_token {
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    const char *text; /* in added_texts */
    size_t n;
} added_token;

typedef struct json_tokenizer {
    tokenizer base;
    json_steps normalizer, pretokenizer;
    json_model model;
    added_token *added; /* (n_added) */
    int32_t n_added;
    buffer added_texts;
    piece_index raw, normal; /* of added tokens; "ids" are numbers in `added` */
    buffer pieces;           /* decoded bytes of all ids, one after another */
    size_t *start;           /* (V + 1) */
    pieces_text text, normal_text;
} json_tokenizer;

static bool flag(const json_node *node, const char *key) {
    const json_node *v = json_get(node, key);
    return v && v->kind == JSON_TRUE;
}

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
                           flag(v, "single_word"),
                           flag(v, "lstrip"),
                           flag(v, "rstrip"),
                           flag(v, "normalized"),
                           flag(v, "special"),
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
    TRY(index_open(&t->raw, t->n_added));
    TRY(index_open(&t->normal, t->n_added));
    buffer forms = {0};
    glimpse_status st = GLIMPSE_OK;
    size_t *at = malloc(((size_t)t->n_added + 1) * sizeof *at);
    if (!at) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    for (int32_t i = 0; i < t->n_added; i++) {
        at[i] = forms.n;
        pieces_start(&t->text, t->added[i].text, t->added[i].n, true);
        if (t->added[i].normalized) TRY_GOTO(steps_run(&t->normalizer, &t->text));
        buf_put(&forms, buf_str(&t->text.text), t->text.text.n);
    }
    at[t->n_added] = forms.n;
    if (buf_failed(&forms)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    for (int32_t i = 0; i < t->n_added; i++) {
        size_t n = at[i + 1] - at[i];
        if (n && n <= PIECE_BYTES_MAX)
            index_add(t->added[i].normalized ? &t->normal : &t->raw, forms.bytes + at[i], n, i);
    }
    /* The index borrows the forms: they take the place of the texts, which nobody needs any more. */
    for (int32_t i = 0; i < t->n_added; i++) t->added[i].text = NULL;
    buf_free(&t->added_texts);
    t->added_texts = forms;
    forms = (buffer){0};
out:
    free(at);
    buf_free(&forms);
    return st;
}

/* === Decoder === */
typedef struct decoder {
    bool byte_level, byte_fallback, wordpiece;
    struct {
        const json_node *from, *to;
    } replace[8];
    int n_replace;
    const json_node *prefix, *suffix;
} decoder;

static glimpse_status read_decoder(const char *name, const json_node *node, decoder *d) {
    const json_node *type = json_get(node, "type");
    if (!node || node->kind == JSON_NULL || json_is_text(type, "Fuse") || json_is_text(type, "Strip"))
        return GLIMPSE_OK;
    if (json_is_text(type, "ByteLevel")) d->byte_level = true;
    else if (json_is_text(type, "ByteFallback")) d->byte_fallback = true;
    else if (json_is_text(type, "WordPiece")) d->wordpiece = true, d->prefix = json_get(node, "prefix");
    else if (json_is_text(type, "BPEDecoder")) d->suffix = json_get(node, "suffix");
    else if (json_is_text(type, "Metaspace"))
        d->replace[d->n_replace].from = json_get(node, "replacement"), d->replace[d->n_replace++].to = NULL;
    else if (json_is_text(type, "Replace")) {
        const json_node *from = json_get(json_get(node, "pattern"), "String"), *to = json_get(node, "content");
        if (!from || from->kind != JSON_STRING || !from->n || !to || to->kind != JSON_STRING)
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a decoder's Replace of a pattern is not known", name);
        d->replace[d->n_replace].from = from, d->replace[d->n_replace++].to = to;
    } else if (json_is_text(type, "Sequence")) {
        const json_node *list = json_get(node, "decoders");
        for (const json_node *m = json_first(list); m; m = json_next(list, m)) {
            if (json_is_text(json_get(m, "type"), "Sequence") || d->n_replace >= 8)
                FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a decoder that is not known", name);
            TRY(read_decoder(name, m, d));
        }
    } else
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the decoder %.*s is not known", name,
             type && type->kind == JSON_STRING && type->n < 60 ? (int)type->n : 1,
             type && type->kind == JSON_STRING ? type->text : "?");
    return GLIMPSE_OK;
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static void replaced(const char *s, size_t n, const json_node *from, const char *to, size_t to_n, buffer *out) {
    for (size_t i = 0; i < n;)
        if (n - i >= from->n && !memcmp(s + i, from->text, from->n)) buf_put(out, to, to_n), i += from->n;
        else buf_putc(out, s[i++]);
}

/* The bytes of one token, as the decoder's steps make them of it alone. */
static void decode_piece(const decoder *d, const char *s, size_t n, buffer *scratch, buffer *out) {
    if (d->byte_level) {
        if (!byte_level_decode(s, n, out)) buf_put(out, s, n);
        return;
    }
    if (d->byte_fallback && n == 6 && !memcmp(s, "<0x", 3) && s[5] == '>' && hex(s[3]) >= 0 && hex(s[4]) >= 0) {
        buf_putc(out, (char)(hex(s[3]) << 4 | hex(s[4])));
        return;
    }
    if (d->wordpiece) {
        size_t pn = d->prefix && d->prefix->kind == JSON_STRING ? d->prefix->n : 0;
        bool inner = pn && n > pn && !memcmp(s, d->prefix->text, pn);
        if (inner) buf_put(out, s + pn, n - pn);
        else buf_putc(out, ' '), buf_put(out, s, n);
        return;
    }
    buffer from = {0};
    buf_put(&from, s, n);
    for (int i = 0; i < d->n_replace; i++) {
        const json_node *what = d->replace[i].from, *to = d->replace[i].to;
        if (!what || what->kind != JSON_STRING || !what->n) continue;
        buf_clear(scratch);
        replaced(buf_str(&from), from.n, what, to ? to->text : " ", to ? to->n : 1, scratch);
        buf_clear(&from);
        buf_put(&from, buf_str(scratch), scratch->n);
    }
    size_t sn = d->suffix && d->suffix->kind == JSON_STRING ? d->suffix->n : 0;
    if (sn && from.n >= sn && !memcmp(from.bytes + from.n - sn, d->suffix->text, sn)) {
        from.n -= sn;
        buf_put(out, from.bytes, from.n);
        buf_putc(out, ' ');
    } else buf_put(out, buf_str(&from), from.n);
    if (from.failed) out->failed = true;
    buf_free(&from);
}

static glimpse_status decode_all(const char *name, const json_node *root, json_tokenizer *t) {
    glimpse_status st = GLIMPSE_OK;
    decoder d = {0};
    buffer scratch = {0};
    const json_node *vocab = json_get(json_get(root, "model"), "vocab");
    int32_t V = t->base.vocab_size;
    const json_node **by_id = NULL;
    TRY(read_decoder(name, json_get(root, "decoder"), &d));
    by_id = calloc((size_t)V, sizeof *by_id);
    t->start = malloc(((size_t)V + 1) * sizeof *t->start);
    int32_t *added = malloc((size_t)V * sizeof *added);
    if (!by_id || !t->start || !added) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)V);
    memset(added, 0xff, (size_t)V * sizeof *added);
    for (const json_node *v = json_first(vocab); v; v = json_next(vocab, v)) {
        int64_t id;
        if (json_i64(v, &id)) by_id[id] = v;
    }
    for (int32_t i = 0; i < t->n_added; i++) added[t->added[i].id] = i;
    for (int32_t id = 0; id < V; id++) {
        t->start[id] = t->pieces.n;
        if (added[id] >= 0) buf_put(&t->pieces, t->added[added[id]].text, t->added[added[id]].n);
        else if (by_id[id]) decode_piece(&d, by_id[id]->key, by_id[id]->key_n, &scratch, &t->pieces);
    }
    t->start[V] = t->pieces.n;
    if (buf_failed(&t->pieces) || buf_failed(&scratch))
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)V);
out:
    free(by_id);
    free(added);
    buf_free(&scratch);
    return st;
}

/* === Post-processor === */
static glimpse_status add_prefix(const char *name, json_tokenizer *t, int64_t id) {
    if (id < 0 || id >= t->base.vocab_size || t->base.n_prefix >= MAX_PREFIX)
        FAIL(GLIMPSE_E_FORMAT, "%s: the post-processor puts id %lld before a text", name, (long long)id);
    if (!t->base.prefix && !(t->base.prefix = malloc(MAX_PREFIX * sizeof *t->base.prefix)))
        FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    t->base.prefix[t->base.n_prefix++] = (int32_t)id;
    return GLIMPSE_OK;
}

static glimpse_status read_post(const char *name, const json_node *node, json_tokenizer *t) {
    const json_node *type = json_get(node, "type");
    if (!node || node->kind == JSON_NULL || json_is_text(type, "ByteLevel")) return GLIMPSE_OK;
    if (json_is_text(type, "Sequence")) {
        const json_node *list = json_get(node, "processors");
        for (const json_node *m = json_first(list); m; m = json_next(list, m)) {
            if (json_is_text(json_get(m, "type"), "Sequence"))
                FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a Sequence in a Sequence is not known", name);
            TRY(read_post(name, m, t));
        }
        return GLIMPSE_OK;
    }
    if (json_is_text(type, "BertProcessing") || json_is_text(type, "RobertaProcessing")) {
        const json_node *cls = json_get(node, "cls"), *text = json_first(cls);
        int64_t id = -1;
        if (text) json_i64(json_next(cls, text), &id);
        return add_prefix(name, t, id);
    }
    if (!json_is_text(type, "TemplateProcessing"))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the post-processor %.*s is not known", name,
             type && type->kind == JSON_STRING && type->n < 60 ? (int)type->n : 1,
             type && type->kind == JSON_STRING ? type->text : "?");
    const json_node *single = json_get(node, "single"), *specials = json_get(node, "special_tokens");
    for (const json_node *m = json_first(single); m && !json_get(m, "Sequence"); m = json_next(single, m)) {
        const json_node *which = json_get(json_get(m, "SpecialToken"), "id"), *found = NULL;
        for (const json_node *s = json_first(specials); s && which && which->kind == JSON_STRING;
             s = json_next(specials, s))
            if (s->key_n == which->n && !memcmp(s->key, which->text, which->n)) found = json_get(s, "ids");
        if (!found)
            FAIL(GLIMPSE_E_FORMAT, "%s: TemplateProcessing names a special token that it does not define", name);
        for (const json_node *i = json_first(found); i; i = json_next(found, i)) {
            int64_t id = -1;
            json_i64(i, &id);
            TRY(add_prefix(name, t, id));
        }
    }
    return GLIMPSE_OK;
}

/* === Specials === */
static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

/* The set tells what is a special token; the texts are found by encode itself, with their own rules of blanks. */
static glimpse_status set_specials(json_tokenizer *t) {
    static const char *const bos_names[] = {"<|begin_of_text|>", "<s>", "<bos>", "[BOS]", "<|bos|>", NULL};
    static const char *const eos_names[] = {"<|endoftext|>", "</s>",  "<|end_of_text|>", "<|im_end|>",
                                            "<eos>",         "[EOS]", "<|eos|>",         NULL};
    glimpse_status st = GLIMPSE_OK;
    int32_t n = 0, *ids = malloc(((size_t)t->n_added + 1) * sizeof *ids),
            *lengths = calloc((size_t)t->n_added + 1, sizeof *lengths);
    const char **texts = calloc((size_t)t->n_added + 1, sizeof *texts);
    if (!ids || !lengths || !texts) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    for (int32_t i = 0; i < t->n_added; i++)
        if (t->added[i].special) ids[n] = t->added[i].id, texts[n++] = "";
    qsort(ids, (size_t)n, sizeof *ids, by_value);
    if (n) TRY_GOTO(special_set_new(ids, texts, lengths, n, &t->base.specials));
    for (int side = 0; side < 2; side++) {
        int32_t *to = side ? &t->base.eos : &t->base.bos;
        for (const char *const *name = side ? eos_names : bos_names; *name && *to < 0; name++)
            for (int32_t i = 0; i < t->n_added && *to < 0; i++)
                if (t->added[i].n == strlen(*name) && !memcmp(t->added[i].text, *name, t->added[i].n))
                    *to = t->added[i].id;
    }
    if (t->base.n_prefix) t->base.bos = t->base.prefix[0];
out:
    free(ids);
    free(lengths);
    free(texts);
    return st;
}

/* === Encoding === */
static bool space_at(const char *s, size_t n, size_t *length) {
    uint32_t cp;
    int len = utf8_decode(s, n, &cp);
    *length = len > 0 ? (size_t)len : 1;
    return len > 0 && unicode_class_of(cp) == UNICODE_SPACE;
}

static size_t char_before(const char *s, size_t at) {
    do at--;
    while (at && ((unsigned char)s[at] & 0xc0) == 0x80);
    return at;
}

/* \w: letters, marks, decimal digits, letter numbers, connectors, the circled and squared letters, joiners. */
static bool word_at(const char *s, size_t n, size_t at) {
    uint32_t cp;
    if (at >= n || utf8_decode(s + at, n - at, &cp) <= 0) return false;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NL) || c == UTF8PROC_CATEGORY_PC || cp == 0x200c ||
           cp == 0x200d || (cp >= 0x24b6 && cp <= 0x24e9) || (cp >= 0x1f130 && cp <= 0x1f149) ||
           (cp >= 0x1f150 && cp <= 0x1f169) || (cp >= 0x1f170 && cp <= 0x1f189);
}

typedef glimpse_status (*part_fn)(json_tokenizer *t, const char *text, size_t n, bool first, buffer *ids);

/* Give what lies between added tokens to `part`, and the tokens' ids to `ids`. */
static glimpse_status around_added(json_tokenizer *t, const piece_index *index, const char *text, size_t n, bool first,
                                   part_fn part, buffer *ids) {
    size_t from = 0, length;
    for (size_t at = 0, bytes = 0; index->n_entries && at < n;) {
        int32_t i = index_longest(index, text + at, n - at, &bytes);
        if (i < 0) {
            at++;
            continue;
        }
        const added_token *a = &t->added[i];
        size_t begin = at, end = at + bytes;
        at = end;
        if (a->single_word && ((begin && word_at(text, n, char_before(text, begin))) || word_at(text, n, end)))
            continue;
        while (a->lstrip && begin > from && space_at(text + char_before(text, begin), n, &length))
            begin = char_before(text, begin);
        while (a->rstrip && end < n && space_at(text + end, n - end, &length)) end += length;
        if (begin > from) TRY(part(t, text + from, begin - from, first && !from, ids));
        buf_put(ids, &a->id, sizeof a->id);
        from = at = end;
    }
    return from < n ? part(t, text + from, n - from, first && !from, ids) : GLIMPSE_OK;
}

static glimpse_status encode_words(json_tokenizer *t, const char *text, size_t n, bool first, buffer *ids) {
    pieces_start(&t->text, text, n, first);
    TRY(steps_run(&t->pretokenizer, &t->text));
    const piece_span *spans = (const piece_span *)(const void *)t->text.spans.bytes;
    for (size_t i = 0; i < t->text.spans.n / sizeof *spans; i++)
        TRY(json_model_encode(&t->model, t->text.text.bytes + spans[i].at, spans[i].n, ids));
    return GLIMPSE_OK;
}

static glimpse_status encode_normal(json_tokenizer *t, const char *text, size_t n, bool first, buffer *ids) {
    if (!t->normalizer.n && !t->normal.n_entries) return encode_words(t, text, n, first, ids);
    pieces_start(&t->normal_text, text, n, first);
    TRY(steps_run(&t->normalizer, &t->normal_text));
    if (buf_failed(&t->normal_text.text)) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a text");
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

static void close_json(tokenizer *base) {
    json_tokenizer *t = (json_tokenizer *)base;
    steps_free(&t->normalizer);
    steps_free(&t->pretokenizer);
    json_model_free(&t->model);
    free(t->added);
    buf_free(&t->added_texts);
    index_free(&t->raw);
    index_free(&t->normal);
    buf_free(&t->pieces);
    free(t->start);
    pieces_free(&t->text);
    pieces_free(&t->normal_text);
    free(t);
}

static const tokenizer_ops ops = {"tokenizer.json", encode, decode, close_json};

glimpse_status json_tokenizer_new(const char *path, char *text, size_t n, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    json_tree tree = {0};
    json_tokenizer *t = calloc(1, sizeof *t);
    if (!t) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    TRY_GOTO(tokenizer_init(&t->base, &ops, 1, path));
    TRY_GOTO(json_parse(path, text, n, MAX_JSON_DEPTH, &tree));
    const json_node *root = tree.nodes;
    if (root->kind != JSON_OBJECT || !json_get(root, "model"))
        FAIL_GOTO(GLIMPSE_E_TOKENIZER,
                  "%s is JSON, and no tokenizer.json: it has no \"model\"\n"
                  "hint: --tokenizer takes tokenizer.json, not tokenizer_config.json, vocab.json or config.json",
                  path);
    TRY_GOTO(steps_add_normalizer(path, json_get(root, "normalizer"), &t->normalizer));
    TRY_GOTO(steps_add_pretokenizer(path, json_get(root, "pre_tokenizer"), &t->pretokenizer));
    t->model.byte_level = t->pretokenizer.byte_level;
    TRY_GOTO(json_model_open(path, json_get(root, "model"), n, &t->model));
    TRY_GOTO(read_added(path, json_get(root, "added_tokens"), n, t));
    int32_t most = t->model.max_id;
    for (int32_t i = 0; i < t->n_added; i++)
        if (t->added[i].id > most) most = t->added[i].id;
    t->base.vocab_size = most + 1;
    TRY_GOTO(decode_all(path, root, t));
    TRY_GOTO(read_post(path, json_get(root, "post_processor"), t));
    TRY_GOTO(set_specials(t));
    TRY_GOTO(index_added(t));
    *out = &t->base;
    t = NULL;
out:
    json_free(&tree);
    if (t) t->base.ops ? tokenizer_close(&t->base) : free(t);
    return st;
}
