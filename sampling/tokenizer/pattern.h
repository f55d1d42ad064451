/* pattern.h -- the patterns that have a scanner of their own, by their text in a tokenizer's file or by a name that a person
 * gives (--tokenizer_pattern).  Called by the readers of tokenizers. */
#ifndef GLIMPSE_SAMPLING_PATTERN_H
#define GLIMPSE_SAMPLING_PATTERN_H

#include <stddef.h>

/* Length in bytes of the piece that begins at text; n > 0 bytes are there, n counts to the end of the whole text. */
typedef size_t (*scan_fn)(const char *text, size_t n);

#define PATTERN_NAMES "gpt2, r50k, p50k, cl100k, o200k, llama3, qwen2, tekken"

scan_fn pattern_scanner(const char *pattern, size_t n); /* NULL = none is like this */
scan_fn pattern_by_name(const char *name);              /* NULL = no such name */
/* A pattern of this scanner that Oniguruma (Hugging Face tokenizers) reads as it is meant; NULL = no scanner of these. */
const char *pattern_text(scan_fn scan);

#endif
