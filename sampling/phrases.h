/* phrases.h -- a list of phrases to be found in a text that comes token by token: the file, and the search for the phrases.
 *
 * The search is Aho and Corasick's automaton (CACM 18(6), 1975) over folded UTF-8: every character by Unicode's simple case
 * folding (CaseFolding.txt, status C and S; U+0130 and U+0131 as they are), bytes that are no UTF-8 as they are.  So one
 * step a byte, whatever the number of phrases, across the borders of tokens and characters; and since the state after
 * each token is kept, a text that goes back to an earlier token is searched on from there.
 *
 * A phrase is found inside words too; a blank before it asks for a word's beginning.
 * Called by antislop.c; hooks/settings.c reads the file. */
#ifndef GLIMPSE_SAMPLING_PHRASES_H
#define GLIMPSE_SAMPLING_PHRASES_H

#include "include/internal/record.h"
#include "include/internal/status.h"
#include "sampling/slop_patterns.h"
#include <stdbool.h>

typedef struct phrase {
    const char *text;  /* (bytes) as the file has it */
    size_t bytes;
    double log_factor; /* ln of what its probability is multiplied with, <= 0; -INFINITY = never */
    const slop_pattern *pattern; /* a regular expression; NULL = the phrase itself */
} phrase;

typedef struct phrase_list phrase_list;

/* A JSON list, in one of three forms:
 *   [["a testament to", 0.05], ...]   the factor of each, 0 to 1 (antislop-sampler's slop_phrase_prob_adjustments.json)
 *   [["a testament to", 1204], ...]   how often each was counted (its lists of 2025): where a number is above 1
 *   ["a testament to", ...]
 * The latter two forbid: factor 0.  Among them may stand regular expressions (slop_patterns.h), 1000 at most:
 *   {"pattern": "\\bnot (just|only) \\w+, but", "factor": 0.05}     without a factor: 0
 * A factor is raised to the power of `strength` (>= 0; 0 to the power of 0 is 1).  Phrases that are alike but for case are
 * one, with the smallest factor; one of factor 1 is left out.
 * `name` begins the messages; `json` is decoded in place; everything lies in the arena.  GLIMPSE_E_FORMAT names the element. */
glimpse_status phrases_parse(const char *name, char *json, size_t n, double strength, arena *a, phrase_list **out);
glimpse_status phrases_read(const char *path, double strength, arena *a, phrase_list **out); /* the same of a file */
int32_t phrases_count(const phrase_list *list);
const phrase *phrases_at(const phrase_list *list, int32_t i);
int32_t phrases_patterns(const phrase_list *list); /* so many of them, the last, are patterns, in the order of the file */
/* Simple case folding of one character. */
uint32_t phrases_fold(uint32_t cp);

/* Where the search stands after a token. */
typedef struct phrase_state {
    int32_t node;          /* of the automaton; 0 = nothing of a phrase stands at the end */
    int32_t folded_end;    /* folded bytes of all complete characters */
    int32_t from;          /* the token in which the unfinished one begins */
    unsigned char held[4]; /* (n_held) of that character */
    int32_t n_held;
} phrase_state;

typedef struct phrase_match {
    int32_t phrase, token; /* its index; the token in which it begins */
} phrase_match;

/* Search on through the bytes of token k.  states[0 .. k] is kept by the caller: states[j] is the state before token j
 * (states[0] = {0}); writes states[k + 1].  Calls `found` for every match, by rising end, at one end the longest first;
 * stops where it returns true, which this then returns. */
typedef bool (*phrase_found)(void *user, const phrase_match *m);
bool phrases_feed(const phrase_list *list, phrase_state *states, int32_t k, const char *bytes, size_t n,
                  phrase_found found, void *user);
/* The earliest token in which a phrase may have begun that is not complete yet; k if none may: states[k] is the last. */
int32_t phrases_open_from(const phrase_list *list, const phrase_state *states, int32_t k);

#endif
