/* spm_model.h -- sentencepiece's way from a text to ids: normalise (rules, blanks as U+2581, one before the text), then cut by
 * scores: unigram, byte pairs, words or characters (google/sentencepiece, src/normalizer.cc, bpe_model.cc, unigram_model.cc,
 * word_model.cc, char_model.cc, sentencepiece_processor.cc).  One model for the files that hold it: sentencepiece's own,
 * llama2.c's tokenizer.bin, GGUF.  Each fills an spm and calls spm_tokenizer_new. */
#ifndef GLIMPSE_SAMPLING_SPM_MODEL_H
#define GLIMPSE_SAMPLING_SPM_MODEL_H

#include "sampling/tokenizer/charsmap.h"
#include "sampling/tokenizer/kinds.h"
#include "sampling/tokenizer/unigram.h"

typedef enum spm_type { SPM_NORMAL = 1, SPM_UNKNOWN, SPM_CONTROL, SPM_USER, SPM_UNUSED, SPM_BYTE } spm_type;
typedef enum spm_kind { SPM_UNIGRAM = 1, SPM_BPE, SPM_WORD, SPM_CHAR } spm_kind;

typedef struct spm { /* start from {0} */
    spm_kind kind;
    int32_t V;
    buffer texts;    /* all pieces, one after another, with U+2581 for a blank */
    buffer starts;   /* size_t (V + 1): places in texts */
    buffer scores;   /* float (V) */
    buffer types;    /* uint8_t (V): spm_type */
    charsmap rules;
    bool byte_fallback, dummy_prefix, remove_extra, escape, suffix; /* suffix: blanks stand at the end of words */
    int32_t unk, bos, eos; /* -1 = none */
    char *unk_surface;     /* owned; how an unknown token is read */
    bool add_bos, add_eos; /* what goes around a prompt */
} spm;

/* Piece id: its bytes (*n), borrowed; its type; its score. */
static inline const char *spm_piece(const spm *m, int32_t id, size_t *n) {
    const size_t *start = (const size_t *)(const void *)m->starts.bytes;
    *n = start[id + 1] - start[id];
    return m->texts.bytes + start[id];
}

static inline spm_type spm_type_of(const spm *m, int32_t id) { return (spm_type)(unsigned char)m->types.bytes[id]; }
static inline float spm_score_of(const spm *m, int32_t id) { return ((const float *)(const void *)m->scores.bytes)[id]; }

/* Append a piece; scores and types with it. */
void spm_put(spm *m, const char *text, size_t n, float score, spm_type type);
/* Give the model; checks it whole (a piece twice, no unknown token, 256 byte pieces or none).  m is {0} afterwards, also on an
 * error.  `kind` is for people. */
glimpse_status spm_tokenizer_new(const char *path, spm *m, tokenizer **out);
void spm_free(spm *m);

/* spm_normalize.c: the text as the pieces are cut from it.  `user` holds the user-defined pieces, which stay as they are. */
void spm_normalize(const spm *m, const byte_trie *user, const char *text, size_t n, buffer *out);

#endif
