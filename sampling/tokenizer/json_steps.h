/* json_steps.h -- normalizers and pre-tokenizers of tokenizer.json (huggingface/tokenizers, tokenizers/src/normalizers and
 * pre_tokenizers): a list of steps over a text that is cut into pieces.  An unknown type is refused by its name.
 * Called by json_tokenizer.c. */
#ifndef GLIMPSE_SAMPLING_JSON_STEPS_H
#define GLIMPSE_SAMPLING_JSON_STEPS_H

#include "include/internal/buffer.h"
#include "sampling/checkpoint/json_tree.h"
#include "sampling/tokenizer/charsmap.h"
#include "sampling/tokenizer/pattern.h"

typedef enum step_kind { /* the first four as unicode_form has them */
    STEP_NFC,
    STEP_NFD,
    STEP_NFKC,
    STEP_NFKD,
    STEP_LOWERCASE,
    STEP_STRIP,
    STEP_STRIP_ACCENTS,
    STEP_NMT,
    STEP_BERT,
    STEP_PRECOMPILED,
    STEP_PREPEND,
    STEP_REPLACE,   /* normalizers */
    STEP_SPLIT,     /* by a matcher, with a behaviour */
    STEP_SCRIPTS,   /* where the script changes */
    STEP_FIXED,     /* every so many characters */
    STEP_METASPACE, /* blanks become the text, one may be put before; perhaps split with the next */
    STEP_BLANK,     /* a blank before a piece that begins with none */
    STEP_BYTE_MAP   /* every byte as GPT-2's printable character */
} step_kind;

typedef enum split_behavior {
    SPLIT_ISOLATED,
    SPLIT_REMOVED,
    SPLIT_PREVIOUS,
    SPLIT_NEXT,
    SPLIT_CONTIGUOUS
} split_behavior;
typedef enum matcher_kind {
    MATCH_TEXT,
    MATCH_REGEX,
    MATCH_SCAN,  /* a known pattern, which matches everywhere */
    MATCH_SPACE, /* one white space */
    MATCH_SET,   /* one character of a set (unicode_sets.h) */
    MATCH_WORDS  /* \w+|[^\w\s]+ */
} matcher_kind;

typedef struct json_step {
    step_kind kind;
    matcher_kind match;
    scan_fn scan;
    int set;                   /* MATCH_SET: unicode_set_id */
    void *regex, *regex_match; /* pcre2_code, pcre2_match_data */
    bool ruby;                 /* MATCH_REGEX: as Oniguruma reads it */
    char *text;
    size_t text_n; /* MATCH_TEXT; PREPEND; METASPACE's replacement */
    char *content;
    size_t content_n; /* REPLACE's */
    charsmap rules;   /* PRECOMPILED */
    split_behavior behavior;
    bool invert, left, right;                /* STRIP: which side */
    bool clean, chinese, accents, lowercase; /* BERT */
    int prepend;                             /* METASPACE: 0 never, 1 first, 2 always */
    bool split;                              /* METASPACE */
    size_t length;                           /* FIXED: characters */
} json_step;

typedef struct json_steps { /* start from {0} */
    json_step *steps;
    int n, cap;
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
void step_free(json_step *s);

/* Whether s (n) begins with white space; *length: of its first character, 1 where it is none. */
bool steps_space_at(const char *s, size_t n, size_t *length);
/* {"String": text} or {"Regex": pattern} into s->match. */
glimpse_status step_matcher(const char *name, const json_node *pattern, json_step *s);
/* Replace every match of s by its content. */
glimpse_status step_replace(const json_step *s, const char *text, size_t n, buffer *out);

#endif
