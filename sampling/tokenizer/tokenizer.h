/* tokenizer.h -- text to ids and ids to bytes, whatever the file.
 *
 * A tokenizer is a vtable and its data.  Kinds: bytes (id = byte), characters and byte-pair pieces (llm.c's .bin, V byte
 * strings of a trainer, nanoGPT's meta.pkl), functions of a trainer, Hugging Face's tokenizer.json; each in its own file.  Ids decode to *bytes*: a token may end inside a
 * UTF-8 character, and text_stream (text_stream.h) waits for the rest. */
#ifndef GLIMPSE_SAMPLING_TOKENIZER_H
#define GLIMPSE_SAMPLING_TOKENIZER_H

#include <glimpse.h>
#include "include/internal/buffer.h"
#include <stdbool.h>

typedef struct tokenizer tokenizer;

typedef struct tokenizer_ops {
    const char *kind;  /* "byte pairs", "characters", "longest match", "bytes", "functions" */
    /* Append the ids of text to `ids` (a buffer of int32_t).  GLIMPSE_E_TOKENIZER names the first character that cannot
     * be encoded and its offset. */
    glimpse_status (*encode)(tokenizer *t, const char *text, size_t bytes, buffer *ids);
    /* Append the bytes of one id; an id without piece appends nothing. */
    glimpse_status (*decode)(tokenizer *t, int32_t id, buffer *out);
    void (*close)(tokenizer *t); /* the kind's own memory and `t` itself; called by tokenizer_close */
} tokenizer_ops;

struct tokenizer {
    const tokenizer_ops *ops;
    int32_t vocab_size;   /* ids 0 .. vocab_size - 1 */
    int32_t bos, eos;     /* -1 = none known */
    char *source;         /* for messages and the banner: the path, or "given by the trainer" */
    struct special_set *specials; /* kinds.h; NULL = none */
    int32_t *prefix;     /* (n_prefix) what the post-processor puts before a text: BOS, as a rule; owned */
    int32_t n_prefix;
};

/* Encode with special tokens recognised by name (their text as the vocabulary has it, e.g. <|endoftext|>), then the rest
 * by the tokenizer. */
glimpse_status tokenizer_encode(tokenizer *t, const char *text, size_t bytes, buffer *ids);
/* The same for a prompt: the tokenizer's own prefix first, unless `ids` holds something already or the text begins with it
 * by name. */
glimpse_status tokenizer_encode_prompt(tokenizer *t, const char *text, size_t bytes, buffer *ids);
glimpse_status tokenizer_decode(tokenizer *t, int32_t id, buffer *out);
/* True for end-of-text and its like: shown as ⟨name⟩, never part of a text. */
bool tokenizer_is_special(const tokenizer *t, int32_t id);
void tokenizer_close(tokenizer *t);

/* From a description (functions, pieces or path), `vocab_size` for checks.  Returned: tokenizer_close. */
glimpse_status tokenizer_from_description(const glimpse_tokenizer *d, int32_t vocab_size, int32_t eos, tokenizer **out);
/* Any file, recognised by content.  GLIMPSE_E_TOKENIZER / _FORMAT say what the file is and what was expected. */
glimpse_status tokenizer_load(const char *path, tokenizer **out);
/* Look in each directory in turn (NULL entries skipped) for the names Glimpse knows (tokenizer.json,
 * meta.pkl, tokenizer.bin, gpt2_tokenizer.bin).  *out = NULL and GLIMPSE_OK if there is none. */
glimpse_status tokenizer_find(const char *const *dirs, int n_dirs, tokenizer **out);

#endif
