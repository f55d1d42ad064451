/* unicode_sets.h -- sets of characters as Hugging Face tokenizers knows them, each of the version of Unicode that its part
 * follows (BERT's classes 8.0, marks 9.0, the rest of its compiler's), small letters, scripts.  Called by the normalizers and
 * pre-tokenizers of tokenizer.json.  The tables are unicode_sets.c. */
#ifndef GLIMPSE_SAMPLING_UNICODE_SETS_H
#define GLIMPSE_SAMPLING_UNICODE_SETS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum unicode_set_id {
    SET_JOINS,       /* stays in one cluster with what is before it, as far as utf8proc may not know it yet */
    SET_MARK,        /* StripAccents takes them out */
    SET_NONSPACING,  /* BertNormalizer does */
    SET_CONTROL,     /* BertNormalizer's clean_text does; not U+0000 and U+FFFD */
    SET_PUNCTUATION, /* ASCII's and \p{P} */
    SET_NUMERIC,     /* Digits */
    SET_WORD         /* \w of Whitespace */
} unicode_set_id;

bool unicode_in(unicode_set_id set, uint32_t cp);
/* The small letter; U+0130 alone becomes two, of which this is the first and U+0307 the second. */
uint32_t unicode_to_small(uint32_t cp);
/* A number for a script as UnicodeScripts has it: kana are Han, a blank and what has no script is 0. */
int unicode_script_of(uint32_t cp);

typedef struct unicode_range {
    uint32_t low, high;
} unicode_range;
typedef struct unicode_set {
    const unicode_range *ranges;
    int n;
} unicode_set;
typedef struct small_letters { /* low, low + step, ... high: add `add` */
    uint32_t low, high;
    int32_t step, add;
} small_letters;
typedef struct unicode_script {
    uint32_t low, high;
    int script;
} unicode_script;
typedef struct unicode_new { /* what a general category gained since Unicode 14 */
    char category[3];
    const unicode_range *ranges;
    int n;
} unicode_new;
extern const unicode_set unicode_sets[];
extern const small_letters unicode_small[];
extern const unicode_script unicode_scripts[];
extern const unicode_new unicode_news[];
extern const int n_unicode_small, n_unicode_scripts, n_unicode_news;
extern const int unicode_script_han, unicode_script_hiragana, unicode_script_katakana;

#endif
