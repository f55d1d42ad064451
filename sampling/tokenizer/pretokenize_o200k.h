/* pretokenize_o200k.h -- the patterns of openai/tiktoken's o200k_base and of Mistral's Tekken, as scanners without a regex
 * engine: linear, no recursion, whatever the text.  With U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], W = [\p{Ll}\p{Lm}\p{Lo}\p{M}]:
 *
 *   [^\r\n\p{L}\p{N}]?U*W+C?|[^\r\n\p{L}\p{N}]?U+W*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 *
 * C = (?i:'s|'t|'re|'ve|'m|'ll|'d); Tekken has no C, and single digits. */
#ifndef GLIMPSE_SAMPLING_PRETOKENIZE_O200K_H
#define GLIMPSE_SAMPLING_PRETOKENIZE_O200K_H

#include <stddef.h>

/* Length in bytes of the piece that begins at text (n > 0 bytes are there, n counts to the end of the whole text). */
size_t pretokenize_o200k_next(const char *text, size_t n);
size_t pretokenize_tekken_next(const char *text, size_t n);

#endif
