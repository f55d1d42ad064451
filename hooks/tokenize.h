/* tokenize.h -- `glimpse tokenize`: what a tokenizer makes of a text, for people and for scripts.  Called by session_api.c. */
#ifndef GLIMPSE_HOOKS_TOKENIZE_H
#define GLIMPSE_HOOKS_TOKENIZE_H

#include "include/internal/session.h"

/* Lines of tokens, or with job->decode the text of ids (numbers by blanks or commas).  *out, *source (session.h): returned
 * (tokenize_free). */
glimpse_status tokenize_text(const session_tokenize *job, char **out, size_t *bytes, char **source);
void tokenize_free(char *text);

#endif
