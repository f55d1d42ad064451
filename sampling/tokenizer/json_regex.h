/* json_regex.h -- the patterns of tokenizer.json: those of GPT-2, Llama 3 and Qwen by their own scanners, any other by PCRE2,
 * with its work bounded.  Called by json_steps.c and json_pieces.c. */
#ifndef GLIMPSE_SAMPLING_JSON_REGEX_H
#define GLIMPSE_SAMPLING_JSON_REGEX_H

#include "sampling/tokenizer/json_steps.h"

/* Set s->match (and s->regex).  GLIMPSE_E_UNSUPPORTED: PCRE2 does not take the pattern. */
glimpse_status regex_matcher(const char *name, const char *pattern, size_t n, json_step *s);
/* The first match at or after `from` in text[0, n): its place; *found false if there is none.  A match of no bytes is
 * passed over.  GLIMPSE_E_TOKENIZER: the pattern needs too many steps for this text. */
glimpse_status regex_next(const json_step *s, const char *text, size_t n, size_t from, size_t *at, size_t *bytes,
                          bool *found);
void regex_free(json_step *s);

#endif
