/* tokenizer.h -- text to ids and ids to bytes, whatever the file.
 *
 * A tokenizer is a vtable and its data.  Kinds: bytes (id = byte), pieces (llm.c's .bin, V byte strings of a trainer,
 * nanoGPT's meta.pkl, tiktoken's ranks, tekken.json), sentencepiece (its .model, llama2.c's tokenizer.bin, GGUF), Hugging
 * Face's tokenizer.json, functions of a trainer.  Ids decode to *bytes*: a token may end inside a UTF-8 character, and
 * whoever shows them waits for the rest (utf8_complete_prefix). */
#ifndef GLIMPSE_SAMPLING_TOKENIZER_H
#define GLIMPSE_SAMPLING_TOKENIZER_H

#include <glimpse.h>
#include "include/internal/buffer.h"
#include <stdbool.h>

typedef struct tokenizer tokenizer;
struct tokenizer_facts;

typedef struct tokenizer_ops {
    const char *kind;  /* "byte pairs", "characters", "longest match", "bytes", "functions" */
    /* Append the ids of text to `ids` (a buffer of int32_t).  GLIMPSE_E_TOKENIZER names the first character that cannot
     * be encoded and its offset. */
    glimpse_status (*encode)(tokenizer *t, const char *text, size_t bytes, buffer *ids);
    /* Append the bytes of one id; an id without piece appends nothing. */
    glimpse_status (*decode)(tokenizer *t, int32_t id, buffer *out);
    void (*close)(tokenizer *t); /* the kind's own memory and `t` itself; called by tokenizer_close */
    /* The same as decode within a text that this id may begin: some kinds drop the blank that was put before it.  *begun:
     * something of the text is out; set here.  NULL: a text is its pieces one after another. */
    glimpse_status (*decode_next)(tokenizer *t, int32_t id, bool *begun, buffer *out);
    /* The whole text of ids where a token's bytes depend on its neighbours; NULL: decode_next one after another. */
    glimpse_status (*text)(tokenizer *t, const int32_t *ids, size_t n, bool skip_special, buffer *out);
    enum { INVALID_KEPT, INVALID_BYTES, INVALID_CHARACTERS } invalid; /* bytes in a text that are no character: as they
                                        are, one U+FFFD a byte, one for each beginning of a character */
    /* What a writer must know (kinds.h); NULL: it was a tokenizer.json, or functions. */
    void (*facts)(const tokenizer *t, struct tokenizer_facts *f);
} tokenizer_ops;

struct tokenizer {
    const tokenizer_ops *ops;
    int32_t vocab_size;   /* ids 0 .. vocab_size - 1 */
    int32_t bos, eos;     /* -1 = none known */
    char *source;         /* for messages and the banner: the path, or "given by the trainer" */
    struct special_set *specials; /* kinds.h; NULL = none */
    int32_t *prefix;     /* (n_prefix) what the post-processor puts before a text: BOS, as a rule; owned */
    int32_t n_prefix;
    int32_t *suffix;     /* (n_suffix) the same behind it: EOS or [SEP]; never behind a prompt; owned */
    int32_t n_suffix;
};

/* Encode with special tokens recognised by name (their text as the vocabulary has it, e.g. <|endoftext|>), then the rest
 * by the tokenizer. */
glimpse_status tokenizer_encode(tokenizer *t, const char *text, size_t bytes, buffer *ids);
/* The same for a prompt: the tokenizer's own prefix first, unless `ids` holds something already or the text begins with it
 * by name. */
glimpse_status tokenizer_encode_prompt(tokenizer *t, const char *text, size_t bytes, buffer *ids);
glimpse_status tokenizer_decode(tokenizer *t, int32_t id, buffer *out);
/* The text of n ids as the tokenizer's own system gives it: no blank before the first word, U+FFFD where it puts them.
 * skip_special: tokens that are no text are left out. */
glimpse_status tokenizer_text(tokenizer *t, const int32_t *ids, size_t n, bool skip_special, buffer *out);
/* True for end-of-text and its like: shown as ⟨name⟩, never part of a text. */
bool tokenizer_is_special(const tokenizer *t, int32_t id);
void tokenizer_close(tokenizer *t);

/* From a description (functions, pieces or path), `vocab_size` for checks.  Returned: tokenizer_close. */
glimpse_status tokenizer_from_description(const glimpse_tokenizer *d, int32_t vocab_size, int32_t eos, tokenizer **out);
/* Any file, recognised by content.  GLIMPSE_E_TOKENIZER / _FORMAT say what the file is and what was expected. */
glimpse_status tokenizer_load(const char *path, tokenizer **out);
/* The same with the name of a pattern (pattern.h) for files that do not say theirs; NULL = as the file is.  A directory: what
 * tokenizer_find_path finds in it. */
glimpse_status tokenizer_load_pattern(const char *path, const char *pattern, tokenizer **out);
/* The ends that a model of `vocab` ids does not know itself (-1) are the tokenizer's, which may be NULL. */
void tokenizer_ends(const tokenizer *t, int32_t vocab, int32_t *bos, int32_t *eos);
/* Is this a GGUF file with a tokenizer of a kind that is read? */
bool gguf_has_tokenizer(const char *path);
/* Look in each directory in turn (NULL entries skipped) for the names Glimpse knows (tokenizer.json, tekken.json, meta.pkl,
 * tokenizer.model, *.tiktoken, spiece.model, tokenizer.bin, gpt2_tokenizer.bin).  The first that is there is taken, whatever it
 * is: a pipe or a link to nothing is an error that names it.  *out = NULL and GLIMPSE_OK if there is none.  pattern: as for
 * tokenizer_load_pattern. */
glimpse_status tokenizer_find(const char *const *dirs, int n_dirs, const char *pattern, tokenizer **out);
/* The same, its path alone: returned (free), NULL = none. */
glimpse_status tokenizer_find_path(const char *const *dirs, int n_dirs, char **out);

#endif
