/* pretokenize_llama3.h -- the pattern of Llama 3 (runs of up to 3 digits) and of Qwen 2 and 3 (single digits), as a scanner
 * without a regex engine: linear, no recursion, whatever the text.
 *
 *   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
#ifndef GLIMPSE_SAMPLING_PRETOKENIZE_LLAMA3_H
#define GLIMPSE_SAMPLING_PRETOKENIZE_LLAMA3_H

#include <stddef.h>

/* Length in bytes of the piece that begins at text (n > 0 bytes are there, n counts to the end of the whole text). */
size_t pretokenize_llama3_next(const char *text, size_t n);
size_t pretokenize_qwen2_next(const char *text, size_t n);
/* openai/tiktoken's cl100k_base: as Llama 3, but white space at the end of the text is one piece, line breaks in it too. */
size_t pretokenize_cl100k_next(const char *text, size_t n);
/* The length of (?i:'s|'t|'re|'ve|'m|'ll|'d) at s, which begins with the apostrophe; 0 = it is none. */
size_t contraction_any_case(const char *s, size_t n);

#endif
