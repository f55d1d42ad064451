/* json_model.h -- the model of a tokenizer.json: a word to ids.  BPE (with bytes as symbols, or characters with byte
 * fallback), WordPiece, WordLevel, Unigram; huggingface/tokenizers, tokenizers/src/models.  Called by json_tokenizer.c. */
#ifndef GLIMPSE_SAMPLING_JSON_MODEL_H
#define GLIMPSE_SAMPLING_JSON_MODEL_H

#include "sampling/checkpoint/json_tree.h"
#include "sampling/tokenizer/bpe_merges.h"
#include "sampling/tokenizer/piece_index.h"
#include "sampling/tokenizer/unigram.h"
#include "sampling/tokenizer/word_cache.h"

typedef enum json_model_kind { MODEL_BPE, MODEL_WORDPIECE, MODEL_WORDLEVEL, MODEL_UNIGRAM } json_model_kind;

typedef struct json_model { /* start from {0} */
    json_model_kind kind;
    bool byte_level; /* symbols are bytes; set before json_model_open */
    buffer texts;    /* the vocabulary's strings, as bytes when byte_level; the index borrows them */
    piece_index index;
    int32_t max_id; /* of the vocabulary */
    bpe_merges merges;
    int32_t byte_ids[256]; /* byte_level: of each byte; else of <0xHH>; -1 = none */
    int32_t unk;           /* -1 = none */
    bool byte_fallback, fuse_unk, ignore_merges;
    char *prefix, *suffix; /* of pieces that go on a word (##); BPE: of those that end one (</w>) */
    size_t prefix_n, suffix_n, max_chars;
    byte_trie trie;    /* WordPiece: the vocabulary */
    uint32_t inner;    /* its node behind the prefix */
    bool inner_exists;
    unigram uni;       /* Unigram */
    buffer symbols, found; /* scratch */
    word_cache *cache; /* recent words and their ids; NULL = none */
} json_model;

/* May bytes be the symbols of this model?  Then the file's ByteLevel need not spell them out. */
bool json_model_takes_bytes(const json_node *node);
/* GPT-2's map: every byte as its printable character. */
void byte_level_encode(const char *text, size_t n, buffer *out);

/* GPT-2's map of bytes to printable characters (openai/gpt-2, bytes_to_unicode): the text's characters as bytes to `out`;
 * false if one of them stands for no byte, and then nothing is appended. */
bool byte_level_decode(const char *text, size_t n, buffer *out);

glimpse_status json_model_open(const char *name, const json_node *node, size_t file_bytes, json_model *m);
/* The id of a string of the vocabulary as the file writes it, -1 = none. */
int32_t json_model_id(json_model *m, const char *text, size_t n);
/* Words cut by `scan` alone: the fast way for what needs no other step. */
glimpse_status json_model_encode_text(json_model *m, scan_fn scan, const char *text, size_t n, buffer *ids);
glimpse_status json_model_encode(json_model *m, const char *word, size_t n, buffer *ids);
void json_model_free(json_model *m);

#endif
