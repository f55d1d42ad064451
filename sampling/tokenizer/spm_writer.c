/* spm_writer.c -- sentencepiece's models as tokenizer.json (tokenizer_writer.h; huggingface/transformers,
 * convert_slow_tokenizer.py: SpmConverter, LlamaConverter, generate_merges), and any such model as sentencepiece's own file
 * (google/sentencepiece, sentencepiece_model.proto).
 *
 * Hugging Face's models are not sentencepiece's in everything: rules of normalisation are applied to clusters of characters,
 * user-defined pieces have another weight, unused ones are not cut again, pieces of one score are joined in another order.  A
 * model that has any of these has no exact form. */
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "sampling/tokenizer/spm_model.h"
#include "sampling/tokenizer/tokenizer_writer.h"

#define BLANK "\xe2\x96\x81"

static size_t one_character(const char *s, size_t n) {
    uint32_t cp;
    int len = utf8_decode(s, n, &cp);
    return len > 0 ? (size_t)len : 1;
}

typedef struct merge {
    float score;
    int32_t id, left, right; /* ids */
    size_t left_n, right_n;
} merge;

/* The best first; of one piece the shorter left part first, as transformers sorts. */
static int by_score(const void *x, const void *y) {
    const merge *a = x, *b = y;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    if (a->id != b->id) return a->id < b->id ? -1 : 1;
    return a->left_n < b->left_n ? -1 : a->left_n > b->left_n;
}

static int by_value(const void *x, const void *y) {
    float a = *(const float *)x, b = *(const float *)y;
    return a < b ? -1 : a > b;
}

/* === What has no exact form === */
static void refuse(const spm *m, const piece_index *normal, char why[WHY_BYTES]) {
    bool unigram = m->kind == SPM_UNIGRAM;
    if (m->rules.n_units) c_snprintf(why, WHY_BYTES, "its rules of normalisation have no exact form there");
    else if (m->suffix || !m->escape) c_snprintf(why, WHY_BYTES, "it treats blanks in a way that has no form there");
    else if (m->kind == SPM_WORD) c_snprintf(why, WHY_BYTES, "a model of whole words has no exact form there");
    bool less = m->byte_fallback || index_find(normal, "<", 1) >= 0;
    for (int32_t id = 0; id < m->V && !why[0]; id++) {
        size_t n;
        const char *s = spm_piece(m, id, &n);
        if (spm_type_of(m, id) == SPM_USER || spm_type_of(m, id) == SPM_UNUSED)
            c_snprintf(why, WHY_BYTES, "%s pieces have no exact form there", spm_type_of(m, id) == SPM_USER ? "user-defined" : "unused");
        if (!utf8_valid(s, n)) c_snprintf(why, WHY_BYTES, "token %d is no valid UTF-8", (int)id);
        if (spm_type_of(m, id) != SPM_NORMAL || one_character(s, n) == n || why[0]) continue;
        for (size_t at = 0, one; at < n && m->kind == SPM_BPE && !why[0]; at += one)
            if (index_find(normal, s + at, one = one_character(s + at, n - at)) < 0)
                c_snprintf(why, WHY_BYTES, "piece %d has a character that is no piece", (int)id);
        for (size_t at = 0; unigram && at + 1 < n && !why[0]; at++) /* put_split */
            if (!less || (s[at] == '<' && (s[at + 1] == '0' || s[at + 1] == 'u')))
                c_snprintf(why, WHY_BYTES, "its pieces hold what begins <unk> or <0x00>");
    }
}

/* Two pieces of one score are joined from the left, whichever they are: a list of merges cannot say that. */
static glimpse_status refuse_equal_scores(const spm *m, char why[WHY_BYTES]) {
    float *scores = malloc(((size_t)m->V + 1) * sizeof *scores);
    size_t k = 0, n;
    if (!scores) FAIL(GLIMPSE_E_MEMORY, "no memory for a list of merges");
    for (int32_t id = 0; id < m->V; id++) {
        const char *s = spm_piece(m, id, &n);
        if (spm_type_of(m, id) == SPM_NORMAL && one_character(s, n) < n) scores[k++] = spm_score_of(m, id);
    }
    qsort(scores, k, sizeof *scores, by_value);
    for (size_t i = 1; i < k && !why[0]; i++)
        if (!(scores[i] > scores[i - 1])) c_snprintf(why, WHY_BYTES, "pieces of the same score have no exact form there");
    free(scores);
    return GLIMPSE_OK;
}

/* === Models === */
static glimpse_status put_merges(const spm *m, const piece_index *normal, buffer *json) {
    buffer list = {0};
    size_t n;
    for (int32_t id = 0; id < m->V && m->kind == SPM_BPE; id++) {
        const char *s = spm_piece(m, id, &n);
        if (spm_type_of(m, id) != SPM_NORMAL) continue;
        for (size_t cut = one_character(s, n); cut < n; cut += one_character(s + cut, n - cut)) {
            merge x = {spm_score_of(m, id), id, index_find(normal, s, cut), index_find(normal, s + cut, n - cut), cut, n - cut};
            if (x.left >= 0 && x.right >= 0) buf_put(&list, &x, sizeof x);
        }
    }
    if (buf_failed(&list)) {
        buf_free(&list);
        FAIL(GLIMPSE_E_MEMORY, "no memory for a list of merges");
    }
    merge *x = (merge *)(void *)list.bytes;
    size_t count = list.n / sizeof *x;
    if (count) qsort(x, count, sizeof *x, by_score);
    for (size_t i = 0; i < count; i++) {
        const char *s = spm_piece(m, x[i].id, &n);
        buf_puts(json, i ? ",[" : "[");
        buf_json_string(json, s, x[i].left_n);
        buf_putc(json, ',');
        buf_json_string(json, s + x[i].left_n, x[i].right_n);
        buf_putc(json, ']');
    }
    buf_free(&list);
    return GLIMPSE_OK;
}

static glimpse_status put_model(const spm *m, const piece_index *normal, buffer *json) {
    const char *fallback = m->byte_fallback ? "true" : "false";
    size_t n;
    if (m->kind == SPM_UNIGRAM) {
        buf_printf(json, "{\"type\":\"Unigram\",\"unk_id\":%d,\"byte_fallback\":%s,\"vocab\":[", (int)m->unk, fallback);
        for (int32_t id = 0; id < m->V; id++) {
            const char *s = spm_piece(m, id, &n);
            buf_puts(json, id ? ",[" : "[");
            buf_json_string(json, s, n);
            buf_putc(json, ',');
            buf_g(json, (double)spm_score_of(m, id), 17);
            buf_putc(json, ']');
        }
        buf_puts(json, "]}}");
        return GLIMPSE_OK;
    }
    const char *unk = spm_piece(m, m->unk, &n);
    buf_puts(json, "{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
    buf_json_string(json, unk, n);
    buf_printf(json, ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":true,\"byte_fallback\":%s,"
                     "\"ignore_merges\":false,\"vocab\":{", fallback);
    for (int32_t id = 0; id < m->V; id++) {
        const char *s = spm_piece(m, id, &n);
        json_put_entry(json, !id, s, n, id);
    }
    buf_puts(json, "},\"merges\":[");
    TRY(put_merges(m, normal, json));
    buf_puts(json, "]}}");
    return GLIMPSE_OK;
}

static void put_replace(buffer *out, const char *kind, const char *what, const char *by) {
    buf_printf(out, "%s{\"type\":\"Replace\",\"pattern\":{\"%s\":\"%s\"},\"content\":\"%s\"}", out->n > 1 ? "," : "", kind, what, by);
}

/* As spm_normalize.c does it: blanks at the beginning, runs of them, one before the text, U+2581, those at the end. */
static void put_normalizer(const spm *m, buffer *out) {
    buffer list = {0};
    buf_putc(&list, '[');
    if (m->remove_extra) put_replace(&list, "Regex", "\\\\A +", ""), put_replace(&list, "Regex", " {2,}", " ");
    if (m->dummy_prefix) buf_printf(&list, "%s{\"type\":\"Prepend\",\"prepend\":\"" BLANK "\"}", list.n > 1 ? "," : "");
    put_replace(&list, "String", " ", BLANK);
    if (m->remove_extra) put_replace(&list, "Regex", BLANK "+\\\\z", "");
    buf_printf(out, "{\"type\":\"Sequence\",\"normalizers\":%s]}", buf_str(&list));
    if (buf_failed(&list)) out->failed = true;
    buf_free(&list);
}

/* To a Unigram of Hugging Face's the names of the unknown token and of the bytes are pieces like any other: what spells one in
 * a text is cut behind its first character, where no other piece goes across. */
static const char split[] = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"<(?=unk>|0x[0-9A-F][0-9A-F]>)\"},\"behavior\":\"Isolated\",\"invert\":false}";

glimpse_status spm_to_json(const tokenizer *t, const spm *m, buffer *json, char why[WHY_BYTES]) {
    glimpse_status st = GLIMPSE_OK;
    buffer added = {0}, normalizer = {0}, decoder = {0};
    piece_index normal = {0};
    size_t n;
    TRY_GOTO(index_open(&normal, m->V));
    for (int32_t id = 0; id < m->V; id++) {
        const char *s = spm_piece(m, id, &n);
        if (spm_type_of(m, id) == SPM_NORMAL) index_add(&normal, s, n, id);
        if (spm_type_of(m, id) == SPM_CONTROL) json_put_added(&added, s, n, id, true);
    }
    refuse(m, &normal, why);
    if (m->kind == SPM_BPE && !why[0]) TRY_GOTO(refuse_equal_scores(m, why));
    if (why[0]) goto out;
    put_normalizer(m, &normalizer);
    buf_puts(&decoder, "{\"type\":\"Sequence\",\"decoders\":[");
    buf_puts(&decoder, "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" BLANK "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}");
    if (m->dummy_prefix || m->remove_extra) buf_puts(&decoder, ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}");
    buf_puts(&decoder, "]}");
    json_put_head(json, t, &added, buf_str(&normalizer), m->kind == SPM_UNIGRAM ? split : "null", buf_str(&decoder));
    TRY_GOTO(put_model(m, &normal, json));
    if (buf_failed(&normalizer) || buf_failed(&decoder)) json->failed = true;
out:
    index_free(&normal);
    buf_free(&added);
    buf_free(&normalizer);
    buf_free(&decoder);
    return st;
}

/* === sentencepiece's own file === */
static void put_varint(buffer *b, uint64_t v) {
    for (; v >= 0x80; v >>= 7) buf_putc(b, (char)(v | 0x80));
    buf_putc(b, (char)v);
}

static void put_number(buffer *b, unsigned field, int64_t v) {
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, (uint64_t)v);
}

static void put_bytes(buffer *b, unsigned field, const void *bytes, size_t n) {
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    buf_put(b, bytes, n);
}

static void put_u32(buffer *b, uint32_t v) {
    for (int i = 0; i < 4; i++) buf_putc(b, (char)(v >> 8 * i));
}

glimpse_status tokenizer_to_model(const tokenizer *t, buffer *file) {
    tokenizer_facts f = {0};
    buffer part = {0}, rules = {0};
    if (!t->ops->facts) return GLIMPSE_OK;
    t->ops->facts(t, &f);
    const spm *m = f.spm;
    if (f.cuts != CUTS_SENTENCEPIECE) return GLIMPSE_OK;
    for (int32_t id = 0; id < m->V; id++) {
        size_t n;
        const char *s = spm_piece(m, id, &n);
        float score = spm_score_of(m, id);
        uint32_t bits;
        memcpy(&bits, &score, 4);
        buf_clear(&part);
        put_bytes(&part, 1, s, n);
        put_varint(&part, 2 << 3 | 5);
        put_u32(&part, bits);
        put_number(&part, 3, spm_type_of(m, id));
        put_bytes(file, 1, part.bytes, part.n);
    }
    buf_clear(&part); /* trainer_spec */
    put_number(&part, 3, m->kind);
    put_number(&part, 24, m->suffix);
    put_number(&part, 35, m->byte_fallback);
    put_number(&part, 40, m->unk);
    put_number(&part, 41, m->add_bos ? m->bos : -1); /* who reads it puts BOS before a prompt where there is one */
    put_number(&part, 42, m->eos);
    put_number(&part, 43, -1);
    put_bytes(&part, 44, m->unk_surface, strlen(m->unk_surface));
    put_bytes(file, 2, part.bytes, part.n);
    buf_clear(&part); /* normalizer_spec */
    if (m->rules.n_units) {
        put_u32(&rules, (uint32_t)(4 * m->rules.n_units));
        for (size_t i = 0; i < m->rules.n_units; i++) put_u32(&rules, m->rules.units[i]);
        buf_put(&rules, m->rules.texts, m->rules.n_texts);
        put_bytes(&part, 2, rules.bytes, rules.n);
    }
    put_number(&part, 3, m->dummy_prefix);
    put_number(&part, 4, m->remove_extra);
    put_number(&part, 5, m->escape);
    put_bytes(file, 3, part.bytes, part.n);
    bool failed = buf_failed(&part) || buf_failed(&rules) || buf_failed(file);
    buf_free(&part);
    buf_free(&rules);
    if (failed) FAIL(GLIMPSE_E_MEMORY, "no memory for a sentencepiece model");
    return GLIMPSE_OK;
}
