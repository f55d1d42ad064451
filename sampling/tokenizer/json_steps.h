/* json_steps.h -- normalizers and pre-tokenizers of tokenizer.json (huggingface/tokenizers, tokenizers/src/normalizers and
 * pre_tokenizers): a list of steps over a text that is cut into pieces.  An unknown type is refused by its name.
 * Called by json_tokenizer.c. */
#ifndef GLIMPSE_SAMPLING_JSON_STEPS_H
#define GLIMPSE_SAMPLING_JSON_STEPS_H

#include "include/internal/buffer.h"
#include "sampling/checkpoint/json_tree.h"

typedef enum step_kind {
    STEP_NFC,
    STEP_NFD,
    STEP_NFKC,
    STEP_NFKD,
    STEP_LOWERCASE,
    STEP_STRIP,
    STEP_PREPEND,
    STEP_REPLACE,   /* normalizers */
    STEP_SPLIT,     /* by a matcher, with a behaviour */
    STEP_METASPACE, /* blanks become the text, one may be put before; perhaps split with the next */
    STEP_BYTE_LEVEL /* last of all: from here on symbols are bytes */
} step_kind;

typedef enum split_behavior {
    SPLIT_ISOLATED,
    SPLIT_REMOVED,
    SPLIT_PREVIOUS,
    SPLIT_NEXT,
    SPLIT_CONTIGUOUS
} split_behavior;
typedef enum matcher_kind { MATCH_TEXT, MATCH_REGEX, MATCH_GPT2, MATCH_LLAMA3, MATCH_QWEN2 } matcher_kind;

typedef struct json_step {
    step_kind kind;
    matcher_kind match;
    void *regex, *regex_match; /* pcre2_code, pcre2_match_data */
    char *text;
    size_t text_n; /* MATCH_TEXT; PREPEND; METASPACE's replacement */
    char *content;
    size_t content_n; /* REPLACE's */
    split_behavior behavior;
    bool invert, left, right; /* STRIP: which side */
    bool prefix_blank;        /* BYTE_LEVEL: a blank before a piece that begins with none */
    int prepend;              /* METASPACE: 0 never, 1 first, 2 always */
    bool split;               /* METASPACE */
} json_step;

typedef struct json_steps { /* start from {0} */
    json_step *steps;
    int n, cap;
    bool byte_level;
} json_steps;

typedef struct piece_span {
    size_t at, n;
    bool first; /* holds the text's first byte */
} piece_span;

/* A text cut into pieces; steps replace both. */
typedef struct pieces_text { /* start from {0} */
    buffer text, spans;      /* spans: piece_span */
    buffer text2, spans2;    /* of the step under way */
} pieces_text;

glimpse_status steps_add_normalizer(const char *name, const json_node *node, json_steps *s);
glimpse_status steps_add_pretokenizer(const char *name, const json_node *node, json_steps *s);
/* Take `n` bytes of valid UTF-8 as one piece; first: they begin the text. */
void pieces_start(pieces_text *p, const char *text, size_t n, bool first);
glimpse_status steps_run(const json_steps *s, pieces_text *p);
void pieces_free(pieces_text *p);
void steps_free(json_steps *s);

#endif
