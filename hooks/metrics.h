/* metrics.h -- numbers of a sample: how sure the model was, how it repeats itself, how it spells.
 *
 * The model's own, over the tokens generated (all of them, an EOS too), from the record's rounded numbers:
 *   mean_logprob   mean ln p, nats            perplexity    exp(-mean_logprob)
 *   mean_entropy   nats      mean_rank        rank1_share   share of tokens with rank 1
 *   eos_stop       1 if the model ended the text, else 0
 *   repetition_tokens   share of token 4-grams that occurred before in the sample
 *   longest_repeat      tokens of the longest run that occurs at two places (they may overlap); 0 = none
 *
 * The text's, over what was generated.  A word is a maximal run of [A-Za-z'], in lower case.
 *   repetition          share of word 4-grams that occurred before
 *   invalid_utf8_rate   share of characters that are invalid bytes or U+FFFD; a last one cut short does not count
 *   distinct_1, _2, _3  distinct word n-grams / word n-grams (Li et al. 2016, "A Diversity-Promoting Objective")
 *   avg_sentence_length mean of the words (split at ASCII blanks) of the pieces between runs of . ! ? that have any
 *   lexical_diversity   distinct words / words
 * With a speller (its three forms: spelling.h; a distinct word is known if any of its spellings in the text is).  Here a word
 * is a maximal run of ' and of letters of any script with their marks: in an ASCII text the same.
 *   spelling_token_rate    known words / words
 *   spelling_correctness   1 - distinct unknown words / words
 *   correct_char_fraction  letters of distinct known words / letters of all words
 *   correct_char_total     letters of distinct known words
 * The last three, avg_sentence_length and lexical_diversity are the nanoGPT fork's sample metrics (sample_metrics.py), by
 * its names and formulas.  What is not defined (no words, no tokens) is NAN.  Called by eval_record.c. */
#ifndef GLIMPSE_HOOKS_METRICS_H
#define GLIMPSE_HOOKS_METRICS_H

#include "hooks/spelling.h"
#include "include/internal/record.h"

/* Measure `s` and hang the result on it, rounded; memory from `a`.  Always the model's own but longest_repeat, repetition and
 * invalid_utf8_rate; `all` adds the rest, those of spelling if `sp` is not NULL.  On failure `s` is as it was. */
glimpse_status metrics_of_sample(glimpse_sample *s, bool all, speller *sp, arena *a);

#endif
