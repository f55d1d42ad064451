/* tokenizer_writer.h -- any tokenizer as Hugging Face's tokenizer.json (huggingface/tokenizers 0.23), so that a converted
 * checkpoint is whole: byte pairs of ranks become vocabulary and merges, characters a WordLevel, sentencepiece's models BPE or
 * Unigram as transformers' convert_slow_tokenizer.py has them.
 *
 * What is written is read back and must give the same ids, of every piece and of some thousand texts made of them; a kind that
 * the form cannot say exactly is not written, and `why` says what it is.  Called by save_tokenizer.c. */
#ifndef GLIMPSE_SAMPLING_TOKENIZER_WRITER_H
#define GLIMPSE_SAMPLING_TOKENIZER_WRITER_H

#include "sampling/tokenizer/kinds.h"

enum { WHY_BYTES = 200 };

/* Append the file to `json`; nothing is appended where there is no exact form, and `why` tells people the reason.  An error is
 * out of memory, or a GGUF file that is no longer there. */
glimpse_status tokenizer_to_json(tokenizer *t, buffer *json, char why[WHY_BYTES]);
/* sentencepiece's .model of a tokenizer of that kind, wherever it came from; nothing is appended for another one. */
glimpse_status tokenizer_to_model(const tokenizer *t, buffer *file);

/* === Inside === */
/* "key":id entries, with commas. */
void json_put_entry(buffer *json, bool first, const char *text, size_t n, int32_t id);
/* What follows the vocabulary's writer up to "model": added tokens (`special` or not), normalizer, pre-tokenizer, the
 * post-processor of t's prefix and suffix, decoder; the three as JSON. */
void json_put_head(buffer *json, const tokenizer *t, const buffer *added, const char *normalizer, const char *pretokenizer,
                   const char *decoder);
void json_put_added(buffer *added, const char *text, size_t n, int32_t id, bool special);
glimpse_status pieces_to_json(const tokenizer *t, const tokenizer_facts *f, buffer *json, char why[WHY_BYTES]);
glimpse_status spm_to_json(const tokenizer *t, const struct spm *m, buffer *json, char why[WHY_BYTES]);

#endif
