/* beam.h -- beam search: the likeliest continuations instead of drawn ones, every beam a row of one batch.
 *
 * Called by generate_batch where a request has more than one beam.  Semantics are transformers' (GenerationMixin
 * ._beam_search; group_beam_search of 4.51 where there are several groups), so that scores can be compared:
 *   a beam's score is the sum of its tokens' log-probabilities after the chain's processors (bans, biases, penalties)
 *   (1 + ids that end a text) w candidates a step, at least 2 w: all beams' continuations by score (with `sample`: drawn
 *     without replacement in proportion to e^score, behind the whole chain); those that end leave the beams, and of them
 *     only the first w are kept
 *   an ended one scores sum / n^length_penalty, n its generated tokens, end-of-text included; the w best ended stay
 *   the search ends when w have ended (early_stopping true), or when no running beam's score / n^length_penalty beats the
 *     worst of them, n the tokens so far (false), or the most there can be (never, with a length penalty above 0)
 *   groups (Vijayakumar et al., "Diverse Beam Search", AAAI 2018): each searches with width / n_groups beams, in turn, and
 *     pays `diversity` for every beam of an earlier group that took the same token at this step
 * Ties go to the lower beam, then the lower id.  Not as there: a filter may leave one candidate (there at least two). */
#ifndef GLIMPSE_SAMPLING_BEAM_H
#define GLIMPSE_SAMPLING_BEAM_H

#include <glimpse.h>
#include <stdbool.h>

#include "include/internal/buffer.h"

typedef enum beam_stopping { BEAM_STOP_FALSE, BEAM_STOP_TRUE, BEAM_STOP_NEVER } beam_stopping;

enum { BEAM_MAX_WIDTH = 64 };

typedef struct beam_settings {
    int32_t width;          /* 0 or 1 = no beam search, the other fields are then not read; at most BEAM_MAX_WIDTH */
    int32_t n_groups;       /* divides width; 0 = 1 */
    double diversity;       /* >= 0, log-probability a beam */
    double length_penalty;  /* above 0 favours long samples */
    beam_stopping stopping; /* early_stopping */
    bool sample;            /* draw the candidates */
} beam_settings;

struct generator;
struct batch_request;
struct batch_result;

/* GLIMPSE_E_INVALID names the flag.  n_return: samples wanted of each search. */
glimpse_status beam_check(const beam_settings *b, int32_t n_return);
/* "beams=4,groups:2,diversity:0.5": what stands before the chain in a record; a parameter at its default is left out. */
void beam_describe(const beam_settings *b, buffer *out);
/* As generate_batch, num_samples being how many of a search's sequences are returned: sample 0 scores best.  Fewer where
 * the vocabulary has no more.  on_token is called when all is done. */
glimpse_status beam_batch(struct generator *g, const struct batch_request *rq, struct batch_result *out);

#endif
