/* spelling.h -- is this a word?  Hunspell, opened at run time, and a memory of its answers.
 *
 * The library is sought as libhunspell-1.7.so.0 and its siblings, the dictionary (--spelling_language, else en_US, else
 * en_GB) in $DICPATH, in build/deps, in the system's folders.  Nothing of either is needed to build or to run: without them
 * speller_open says what is missing and metrics go on without spelling.  One thread at a time.  Called by metrics.c. */
#ifndef GLIMPSE_HOOKS_SPELLING_H
#define GLIMPSE_HOOKS_SPELLING_H

#include <glimpse.h>
#include <stdbool.h>

typedef struct speller speller;

/* `language` as dictionaries are named, "de_DE"; NULL = English.  GLIMPSE_E_INVALID: no such name; GLIMPSE_E_LIBRARY: no
 * library or no dictionary, with the package to install; *out is then left alone.  Returned: speller_close. */
glimpse_status speller_open(const char *language, speller **out);
void speller_close(speller *s); /* NULL is fine */

/* True if the dictionary has the word as written, in lower case, or with a capital first letter and the rest in lower
 * case (so that "lily" counts where only "Lily" stands in it).  `word` is letters and apostrophes; more than 80 bytes
 * are no word.  Asked again, a word costs a look into a table. */
bool speller_knows(speller *s, const char *word, size_t n);

#endif
