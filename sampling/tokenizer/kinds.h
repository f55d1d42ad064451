/* kinds.h -- what tokenizer.c chooses among: how each kind is made.  Every *out is returned (tokenizer_close). */
#ifndef GLIMPSE_SAMPLING_KINDS_H
#define GLIMPSE_SAMPLING_KINDS_H

#include "sampling/tokenizer/pattern.h"
#include "sampling/tokenizer/piece_index.h"
#include "sampling/tokenizer/tokenizer.h"

/* Tokens that stand for an event and not for text.  Owned by the tokenizer. */
typedef struct special_set {
    piece_index by_text;  /* borrows the bytes of `texts` */
    buffer texts;
    int32_t *ids;         /* rising */
    int32_t n;
} special_set;

/* True for the text of a special token: <|...|> or one of the usual names (<s>, [EOS], ...). */
bool special_text(const char *text, size_t n);
/* The set of `ids` (rising) with their texts (n); a text of 0 bytes cannot be recognised in a prompt. */
glimpse_status special_set_new(const int32_t *ids, const char *const *texts, const int32_t *bytes, int32_t n,
                               special_set **out);
void special_set_free(special_set *s);

/* Fill in what all kinds share; `source` is copied. */
glimpse_status tokenizer_init(tokenizer *t, const tokenizer_ops *ops, int32_t vocab_size, const char *source);

/* id = byte, 256 of them. */
glimpse_status bytes_tokenizer_new(const char *source, int32_t eos, tokenizer **out);
/* n byte strings, copied.  eos -1: looked for by name. */
glimpse_status pieces_tokenizer_new(const char *const *pieces, const int32_t *bytes, int32_t n, int32_t eos,
                                    const char *source, tokenizer **out);
/* The same when more is known of them. */
typedef struct pieces_spec {
    const char *const *pieces;
    const int32_t *bytes; /* (n); 0 = an id without piece */
    int32_t n, eos;       /* eos -1: looked for by name */
    const char *source;
    const bool *special;  /* (n); NULL = by their texts */
    scan_fn scan;         /* words by this pattern, each whole if it is a piece; NULL = chosen by the pieces */
    const char *pattern;  /* (pattern_n) the same by a pattern that has no scanner; NULL = none */
    size_t pattern_n;
} pieces_spec;
glimpse_status pieces_tokenizer_open(const pieces_spec *spec, tokenizer **out);
/* A trainer's two functions. */
glimpse_status functions_tokenizer_new(const glimpse_tokenizer *d, int32_t vocab_size, int32_t eos, tokenizer **out);
/* llm.c's tokenizer file, all of its n bytes. */
enum { LLMC_TOKENIZER_MAGIC = 20240328 };
glimpse_status llmc_tokenizer_new(const char *path, const unsigned char *file, size_t n, tokenizer **out);

/* Hugging Face's tokenizer.json (or tekken.json, for which `pattern` is), all of its n bytes, which are changed. */
glimpse_status json_tokenizer_new(const char *path, char *text, size_t n, const char *pattern, tokenizer **out);
/* Mistral's tekken.json, parsed; openai/tiktoken's lines of base64 and rank.  pattern: NULL = told by the file. */
struct json_node;
glimpse_status tekken_new(const char *path, const struct json_node *root, const char *pattern, tokenizer **out);
bool is_tiktoken(const char *file, size_t n);
glimpse_status tiktoken_new(const char *path, const char *file, size_t n, const char *pattern, tokenizer **out);
/* sentencepiece's .model; llama2.c's tokenizer.bin. */
glimpse_status sentencepiece_new(const char *path, const unsigned char *file, size_t n, tokenizer **out);
bool is_llama2c_tokenizer(const unsigned char *file, size_t n);
glimpse_status llama2c_tokenizer_new(const char *path, const unsigned char *file, size_t n, tokenizer **out);
/* The tokenizer inside a GGUF file. */
glimpse_status gguf_tokenizer_new(const char *path, tokenizer **out);
/* nanoGPT's meta.pkl: a pickled dict with itos. */
glimpse_status meta_pickle_new(const char *path, const unsigned char *file, size_t n, tokenizer **out);

/* How a tokenizer cuts, for tokenizer_writer.c; all borrowed from it. */
typedef struct tokenizer_facts {
    enum { CUTS_BYTES, CUTS_CHARACTERS, CUTS_BYTE_PAIRS, CUTS_LONGEST, CUTS_SENTENCEPIECE } cuts;
    const char *bytes;     /* pieces: all of them, piece i at start[i] .. start[i + 1] */
    const size_t *start;   /* (V + 1) */
    const char *pattern;   /* byte pairs: the words, as a regular expression */
    size_t pattern_n;
    bool whole;            /* a word that is a piece is that piece */
    const struct spm *spm; /* CUTS_SENTENCEPIECE */
} tokenizer_facts;

/* The tokenizer.json that a GGUF file's byte pairs or word pieces are read as; empty for another kind.  tokenizer_writer.c */
glimpse_status gguf_tokenizer_json(const char *path, buffer *json);

/* Four bytes, little-endian. */
static inline uint32_t u32_le(const void *bytes) {
    const unsigned char *p = bytes;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#endif
