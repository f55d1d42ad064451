/* antislop.h -- phrases that a sample goes back from: where one appears, the sample returns to the token in which it begins,
 * with everything as it was there, makes that token less likely and draws again (Paech's antislop-sampler 2024 and "Antislop",
 * arXiv 2510.15061; the details are Glimpse's own).
 *
 *                        token accepted
 *     drawing  ------------------------------>  searching (phrases.h, one step a byte)
 *        ^                                          |  nothing ends here, or what ends here may stand
 *        |  <---------------------------------------+---------> tokens before every open phrase are settled: shown,
 *        |                                          |           and accepted by the state behind
 *        |                                          |  a phrase ends that began in token k
 *        |   n = k, text cut, chain = clone of the  v
 *        +-- state behind + settled .. k - 1  <--  lowered: p(token k) *= factor, or its tries ran out
 *
 * A token is settled when no phrase that is still open begins in it or before.  Where another phrase's going back changes
 * what followed, one may yet appear that begins in a settled token: the sample then goes back to the first unsettled one,
 * which breaks it too.
 *
 * Going back costs no memory of a cache: positions from k on are simply written again.  The state behind is a chain that
 * stands at the first unsettled token; from there what the draws noted is gone over again (chain_accept_again), so
 * penalties, DRY, mirostat are bitwise as they were.  The noise is keyed by position and id, so drawing again at k uses
 * the same noise: with Gumbel-max that is exact, a token drawn at first is drawn again with its lowered probability,
 * p' = p f / (1 - p + p f), as if it had been lowered before anybody drew.  So a factor of 0.1 makes a phrase ten times
 * less likely, no more; 0 forbids it.  Everything depends on the sample's own tokens alone: reproducible, whatever the batch.
 *
 * A phrase may stand where its token was lowered by its factor already and drawn all the same; where nothing else may be
 * drawn (forced, allowed tokens); where `retries` tokens were tried in that place, which then takes the one whose phrase
 * has the largest factor, the first of them; where the sample has drawn 8 times the tokens it may have.  The note says so.
 *
 * A pattern is searched the same way (slop_patterns.h); a match is open while more text could change it, 256 bytes at most
 * behind its beginning.  One that needs too many steps is searched no more in this sample, and the note says so.  What is
 * open when a sample is cancelled or its logits are not finite is not looked at.
 * Called by sequence.c; one for each sequence, on one thread. */
#ifndef GLIMPSE_SAMPLING_ANTISLOP_H
#define GLIMPSE_SAMPLING_ANTISLOP_H

#include "sampling/phrases.h"
#include "sampling/samplers/chain.h"

typedef struct antislop antislop;

/* The sampler that lowers joins `c` (the sequence's own, its prompt accepted) behind its rules.  `list` and `c` borrowed
 * until close; arrays for `room` tokens lie in the arena.  GLIMPSE_E_INVALID: a sampler of the user's that cannot go back. */
glimpse_status antislop_open(const phrase_list *list, int32_t retries, int32_t room, chain *c, arena *a, antislop **out);
void antislop_close(antislop *s); /* NULL is fine; before the arena is freed */
/* Between the draw of `id` and its chain_accept. */
void antislop_note(antislop *s, const chain *c, int32_t id);
/* After the chain accepted tokens[n - 1]; `text` is the sample's, text_ends (n) its bytes before each token; done: the sample
 * ends with it.  *back = -1, or the token to go back to: then *c is the chain as it was before that token was drawn (the one
 * before is closed). */
glimpse_status antislop_accepted(antislop *s, chain **c, const glimpse_token *tokens, int32_t n, const buffer *text,
                                 const size_t *text_ends, bool done, int32_t *back);
/* So many tokens can no longer change. */
int32_t antislop_settled(const antislop *s);
/* How many of the phrases that may stand were looked at so far: of the order of the tokens drawn, however many there are. */
int64_t antislop_looked(const antislop *s);
/* What happened, for the record: nothing is appended where nothing did. */
void antislop_report(const antislop *s, buffer *out);
/* For the chain's text where there is no sequence: the sampler alone.  Given to the chain. */
glimpse_status antislop_name_in(const phrase_list *list, chain *c);

#endif
