/* conversation.h -- one context that grows: ids are appended, an answer is generated behind them, and so on.  What a chat is
 * made of; the machinery is generate.c's, with a cache that is kept from turn to turn.
 *
 *   open --append--> ids --generate--> ids and the answer's --append--> ...      rewind, reset: back to fewer ids
 *
 * Only what is new goes through the model.  An answer has bitwise the tokens that generate_batch gives for one prompt of all
 * ids so far and the request's prompt text: earlier answers are prompt to the samplers, and the draw's key is of the text
 * given at open, so the noise is new at every position and the same for the same conversation.
 *
 * The context: append refuses what does not fit, with the numbers; an answer ends with GLIMPSE_STOP_CONTEXT where it is full.
 * Nothing is dropped silently: the owner rewinds, or resets and appends what it wants to keep.
 *
 * A generator may serve other batches between turns (an eval, a score): the cache is then theirs, and the next turn fills it
 * again.  One thread at a time a generator. */
#ifndef GLIMPSE_SAMPLING_CONVERSATION_H
#define GLIMPSE_SAMPLING_CONVERSATION_H

#include "sampling/generate.h"

typedef struct conversation conversation;

/* `settings`: everything but prompts, for one sample under one setting (n_settings 1, num_samples 1, no beams): settings,
 * label, context, users, stops, phrases, guidance, cancel, on_token.  Copied, what it points to borrowed until close.
 * key_text (key_bytes, copied): what the noise is keyed by beside the seed.  `g` is borrowed until close. */
glimpse_status conversation_open(generator *g, const batch_request *settings, const char *key_text, size_t key_bytes,
                                 conversation **out);
void conversation_close(conversation *c); /* NULL is fine */
/* GLIMPSE_E_INVALID: an id outside the vocabulary, or more than the context holds; nothing is then appended. */
glimpse_status conversation_append(conversation *c, const int32_t *ids, int32_t n);
/* The answer to all ids so far, at most max_tokens; 0 = as the settings say.  Its tokens are appended, the end-of-text token
 * that ended it too.  on_token as in batch_request; cancel is looked at before each token: the answer so far is then kept and
 * ends as GLIMPSE_STOP_CANCELLED.  out: one sample, the caller's (batch_result_free).  GLIMPSE_E_STATE: nothing was appended
 * yet.  On an error the ids are as they were. */
glimpse_status conversation_generate(conversation *c, int32_t max_tokens, batch_result *out);
/* Keep the first n ids alone; n 0 .. conversation_ids. */
glimpse_status conversation_rewind(conversation *c, int32_t n);
/* All ids so far (*n); borrowed until the next call. */
const int32_t *conversation_ids(const conversation *c, int32_t *n);
/* So many more ids fit the context. */
int32_t conversation_room(const conversation *c);

#endif
