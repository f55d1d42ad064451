/* sentencepiece.c -- sentencepiece's .model file (google/sentencepiece, src/sentencepiece_model.proto), read as what it is, a
 * protobuf message: fields of a number and a wire type.  ModelProto: 1 pieces {1 text, 2 score, 3 type}, 2 trainer_spec, 3
 * normalizer_spec.  Fields that only training uses are passed over. */
#include <stdlib.h>
#include <string.h>

#include "sampling/tokenizer/spm_model.h"

typedef struct message {
    const unsigned char *bytes;
    size_t n, at;
    const char *path;
    const unsigned char *whole; /* the file, for places in messages */
} message;

typedef struct field {
    uint32_t number, wire;
    uint64_t value;            /* a varint, or a fixed one */
    const unsigned char *text; /* wire 2 */
    size_t n;
} field;

static glimpse_status cut(const message *m) {
    FAIL(GLIMPSE_E_FORMAT, "%s: truncated or no sentencepiece model: byte %zu", m->path, (size_t)(m->bytes - m->whole) + m->at);
}

static glimpse_status varint(message *m, uint64_t *v) {
    *v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (m->at >= m->n) return cut(m);
        unsigned char c = m->bytes[m->at++];
        *v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) return GLIMPSE_OK;
    }
    return cut(m);
}

static glimpse_status next_field(message *m, field *f) {
    uint64_t key;
    TRY(varint(m, &key));
    f->number = (uint32_t)(key >> 3), f->wire = key & 7;
    f->value = 0, f->text = NULL, f->n = 0;
    if (f->wire == 0) return varint(m, &f->value);
    size_t n = f->wire == 5 ? 4 : 8;
    if (f->wire == 2) {
        uint64_t length;
        TRY(varint(m, &length));
        if (length > m->n - m->at) return cut(m);
        f->text = m->bytes + m->at, f->n = (size_t)length;
        m->at += f->n;
        return GLIMPSE_OK;
    }
    if ((f->wire != 1 && f->wire != 5) || n > m->n - m->at) return cut(m);
    for (size_t i = n; i-- > 0;) f->value = f->value << 8 | m->bytes[m->at + i];
    m->at += n;
    return GLIMPSE_OK;
}

static glimpse_status read_piece(const message *outer, const field *from, spm *s) {
    message m = {from->text, from->n, 0, outer->path, outer->whole};
    field f, text = {0};
    float score = 0;
    uint64_t type = SPM_NORMAL;
    while (m.at < m.n) {
        TRY(next_field(&m, &f));
        if (f.number == 1 && f.wire == 2) text = f;
        else if (f.number == 2 && f.wire == 5) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&score, &bits, 4);
        } else if (f.number == 3 && f.wire == 0) type = f.value;
        else if (f.number <= 3)
            FAIL(GLIMPSE_E_FORMAT, "%s: piece %d: field %u is of wire type %u", m.path, (int)s->V, (unsigned)f.number,
                 (unsigned)f.wire);
    }
    if (type < SPM_NORMAL || type > SPM_BYTE)
        FAIL(GLIMPSE_E_FORMAT, "%s: piece %d has the type %llu, 1 to 6 are known", m.path, (int)s->V,
             (unsigned long long)type);
    spm_put(s, (const char *)text.text, text.n, score, (spm_type)type);
    return GLIMPSE_OK;
}

static glimpse_status read_trainer(const message *outer, const field *from, spm *s, uint64_t *kind) {
    message m = {from->text, from->n, 0, outer->path, outer->whole};
    field f;
    while (m.at < m.n) {
        TRY(next_field(&m, &f));
        if (f.number == 3 && f.wire == 0) *kind = f.value;
        else if (f.number == 24 && f.wire == 0) s->suffix = f.value;
        else if (f.number == 35 && f.wire == 0) s->byte_fallback = f.value;
        else if (f.number == 41 && f.wire == 0) s->bos = (int32_t)f.value;
        else if (f.number == 42 && f.wire == 0) s->eos = (int32_t)f.value;
        else if (f.number == 44 && f.wire == 2) {
            free(s->unk_surface);
            if (!(s->unk_surface = malloc(f.n + 1))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
            if (f.n) memcpy(s->unk_surface, f.text, f.n);
            s->unk_surface[f.n] = 0;
        }
    }
    return GLIMPSE_OK;
}

static glimpse_status read_normalizer(const message *outer, const field *from, spm *s) {
    message m = {from->text, from->n, 0, outer->path, outer->whole};
    field f;
    while (m.at < m.n) {
        TRY(next_field(&m, &f));
        if (f.number == 2 && f.wire == 2 && f.n) {
            charsmap_free(&s->rules);
            TRY(charsmap_open(m.path, (const char *)f.text, f.n, &s->rules));
        } else if (f.number == 3 && f.wire == 0) s->dummy_prefix = f.value;
        else if (f.number == 4 && f.wire == 0) s->remove_extra = f.value;
        else if (f.number == 5 && f.wire == 0) s->escape = f.value;
    }
    return GLIMPSE_OK;
}

glimpse_status sentencepiece_new(const char *path, const unsigned char *file, size_t n, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    message m = {file, n, 0, path, file};
    spm s = {.kind = SPM_UNIGRAM, .dummy_prefix = true, .remove_extra = true, .escape = true, .unk = -1, .bos = 1, .eos = 2};
    uint64_t kind = SPM_UNIGRAM;
    field f;
    while (m.at < n) {
        TRY_GOTO(next_field(&m, &f));
        if (f.number == 1 && f.wire == 2) TRY_GOTO(read_piece(&m, &f, &s));
        else if (f.number == 2 && f.wire == 2) TRY_GOTO(read_trainer(&m, &f, &s, &kind));
        else if (f.number == 3 && f.wire == 2) TRY_GOTO(read_normalizer(&m, &f, &s));
        else if (f.number == 5 && f.wire == 2 && f.n) {
            /* An empty denormalizer is what every trainer writes. */
            spm ignored = {0};
            glimpse_status read = read_normalizer(&m, &f, &ignored);
            bool rules = ignored.rules.n_units;
            spm_free(&ignored);
            if (read < 0) {
                st = read;
                goto out;
            }
            if (rules) FAIL_GOTO(GLIMPSE_E_UNSUPPORTED, "%s: a sentencepiece model with a denormalizer is not known", path);
        }
        if (buf_failed(&s.texts)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
    }
    if (kind < SPM_UNIGRAM || kind > SPM_CHAR)
        FAIL_GOTO(GLIMPSE_E_UNSUPPORTED, "%s: a sentencepiece model of type %llu, 1 to 4 are known", path,
                  (unsigned long long)kind);
    s.kind = (spm_kind)kind;
    for (int32_t id = 0; id < s.V; id++) /* as the reference: an id is a token's only where the piece is a control one */
        if (id == s.bos || id == s.eos) {
            if (s.types.bytes[id] == SPM_CONTROL) continue;
            if (id == s.bos) s.bos = -1;
            if (id == s.eos) s.eos = -1;
        }
    if (s.bos >= s.V || s.bos < 0) s.bos = -1;
    if (s.eos >= s.V || s.eos < 0) s.eos = -1;
    s.add_bos = s.bos >= 0;
    st = spm_tokenizer_new(path, &s, out);
out:
    spm_free(&s);
    return st;
}
