/* json_decoder.h -- the decoder of a tokenizer.json: a list of tokens through a chain of steps to a text
 * (huggingface/tokenizers, tokenizers/src/decoders).  Called by json_tokenizer.c. */
#ifndef GLIMPSE_SAMPLING_JSON_DECODER_H
#define GLIMPSE_SAMPLING_JSON_DECODER_H

#include "sampling/tokenizer/json_steps.h"

typedef enum decoder_kind {
    DECODE_BPE,
    DECODE_BYTE_LEVEL,
    DECODE_WORDPIECE,
    DECODE_METASPACE,
    DECODE_CTC,
    DECODE_REPLACE,
    DECODE_FUSE,
    DECODE_STRIP,
    DECODE_BYTE_FALLBACK
} decoder_kind;

typedef struct decoder_step {
    decoder_kind kind;
    json_step replace;      /* REPLACE: its matcher and content */
    char *text, *delimiter; /* BPE: the suffix; WORDPIECE: the prefix; METASPACE: the blank; STRIP: the character; CTC: both */
    size_t text_n, delimiter_n;
    int64_t start, stop; /* STRIP */
    bool cleanup;        /* WORDPIECE, CTC */
    bool drops;          /* METASPACE: the first token's blanks */
} decoder_step;

typedef struct json_decoder { /* start from {0} */
    decoder_step *steps;
    int n;
    bool none;         /* there is no decoder: tokens are joined with blanks */
    pieces_text lists; /* scratch */
} json_decoder;

glimpse_status json_decoder_open(const char *name, const json_node *node, json_decoder *d);
/* Only ByteLevel: a text is the bytes of its tokens. */
bool json_decoder_is_bytes(const json_decoder *d);
/* Begin a list of tokens; add to it; append the text of all.  raw: bytes stay bytes, where the chain would write U+FFFD. */
void json_decoder_start(json_decoder *d);
void json_decoder_add(json_decoder *d, const char *token, size_t n);
glimpse_status json_decoder_run(json_decoder *d, bool raw, buffer *out);
void json_decoder_free(json_decoder *d);

#endif
