/* prompts.h -- what the model is asked: the options' prompts as texts and ids, made anew at each eval. */
#ifndef GLIMPSE_HOOKS_PROMPTS_H
#define GLIMPSE_HOOKS_PROMPTS_H

#include "include/internal/options.h"
#include "include/internal/record.h"
#include "sampling/generate.h"

typedef struct prompt_list {
    batch_prompt *prompts; /* (n) in the arena */
    int32_t n;
    const char *note;      /* what had to be done to a prompt (cut, fallen back to BOS), NULL = nothing */
    arena *arena;
} prompt_list;

/* Read --sample_start_tokens (FILE:, IDS:, -, escapes), --prompts and --prompt_format, and encode.
 *   plain         the text as it is
 *   instruction   "Instruction: P Input: I Response:" after the model's BOS, the Input part only with --input_text
 * A prompt that is empty becomes BOS, else EOS (id 0 where there is no tokenizer at all), and so does one that cannot be
 * encoded, but offline, where it is an error if it was asked for; one longer than the context keeps its end, so that
 * max_tokens (at most half the context) still fit; both are said in `note`.  Returned: prompt_list_free. */
glimpse_status prompt_list_make(const options *o, const model *m, tokenizer *t, int32_t max_tokens, prompt_list *out);
/* One prompt from ids, or from text (`ids` NULL), for glimpse_generate. */
glimpse_status prompt_list_one(const char *text, size_t bytes, const int32_t *ids, int32_t n_ids, const model *m,
                               tokenizer *t, int32_t max_tokens, prompt_list *out);
/* A turn of a conversation, in the forms of a prompt (but "-", which is a text); what cannot be encoded is an error.  before: put
 * before a plain text.  goes_on: it stands behind other tokens; false = it begins the conversation.  An instruction begins with
 * BOS in any case. */
glimpse_status prompt_list_turn(const options *o, const char *spec, const char *before, bool goes_on, const model *m, tokenizer *t,
                                prompt_list *out);
/* --negative_prompt: `spec` in the forms of a prompt. */
glimpse_status prompt_list_negative(const options *o, const char *spec, const model *m, tokenizer *t, prompt_list *out);
void prompt_list_free(prompt_list *p);

/* \n \t \r \\ \" \' \0 \xHH; anything else after a backslash is an error that names it. */
glimpse_status unescape(const char *text, size_t n, buffer *out);

#endif
