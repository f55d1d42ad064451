/* json_regex.h -- the patterns of tokenizer.json: those of GPT-2, Llama 3 and Qwen by their own scanners, any other by PCRE2,
 * with its work bounded.  Called by json_steps.c and json_pieces.c. */
#ifndef GLIMPSE_SAMPLING_JSON_REGEX_H
#define GLIMPSE_SAMPLING_JSON_REGEX_H

#include "sampling/tokenizer/json_steps.h"

/* Whose reading of a pattern: that of tokenizer.json, or that of tekken.json and tiktoken (Rust's fancy-regex). */
typedef enum regex_dialect { REGEX_ONIGURUMA, REGEX_RUST } regex_dialect;
/* Set s->match (and s->regex).  GLIMPSE_E_UNSUPPORTED: PCRE2 does not take the pattern, or it is not known to mean the same. */
glimpse_status regex_matcher(const char *name, const char *pattern, size_t n, regex_dialect dialect, json_step *s);
/* The first match at or after `from` in text[0, n): its place; *found false if there is none.  after: a match ended at
 * `from`, where one of no bytes does not count then; in Rust's dialect none of no bytes does.  GLIMPSE_E_TOKENIZER: the
 * pattern needs too many steps for this text. */
glimpse_status regex_next(const json_step *s, const char *text, size_t n, size_t from, bool after, size_t *at, size_t *bytes,
                          bool *found);
void regex_free(json_step *s);

#endif
