/* pretokenize_gpt2.h -- cuts text where byte-pair merges must not reach across.  GPT-2's pattern (openai/gpt-2,
 * src/encoder.py), as a scanner without a regex engine: linear, no recursion, whatever the text.
 *
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * The pattern is for characters; a byte that is no valid UTF-8 counts as one that is no letter, number or space. */
#ifndef GLIMPSE_SAMPLING_PRETOKENIZE_GPT2_H
#define GLIMPSE_SAMPLING_PRETOKENIZE_GPT2_H

#include <stddef.h>

/* Length in bytes of the piece that begins at text (n > 0 bytes are there, n counts to the end of the whole text). */
size_t pretokenize_gpt2_next(const char *text, size_t n);

#endif
